"""Numbers of claims and drawn arrays of figures, from small arrays made by hand."""

import numpy as np
from numpy.testing import assert_allclose, assert_array_equal

from figures.online import fig_delay
from figures.superspike import (fig_superspike, fig_superspike_hidden,
                                fig_superspike_rates)
from figures.surrogate import (fig_digits, fig_feedback, fig_patterns,
                               fig_regularisation, fig_surrogates, fig_xor)


def test_digits():
    rng = np.random.default_rng(0)
    data = {"task": np.array(["mnist", fig_digits.FASHION, fig_digits.FEWER]),
            "followed": np.array([False, False, False]),
            **{f"{key}": rng.random((3, 3, 5))
               for key in ("test_accuracy", "train_accuracy", "train_loss")}}
    found = fig_digits.measured(data)
    assert_array_equal(found["mnist-test"], data["test_accuracy"][0, :, -1])
    assert_array_equal(found["fashion-test"], data["test_accuracy"][1, :, -1])
    assert_array_equal(found["fashion-training"], data["train_accuracy"][1, :, -1])
    assert_array_equal(found["fashion-loss"], data["train_loss"][1, :, -1])
    assert_array_equal(found["fewer-test"], data["test_accuracy"][2, :, -1])
    assert_array_equal(found["fewer-training"], data["train_accuracy"][2, :, -1])
    data = {**data, "task": np.array(["digits"] * 2),
            "followed": np.array([True, False]),
            "test_accuracy": data["test_accuracy"][:2]}
    found = fig_digits.measured(data)
    assert_array_equal(found["through"], data["test_accuracy"][0, :, -1])
    assert_array_equal(found["stopped"], data["test_accuracy"][1, :, -1])


def test_patterns():
    found = fig_patterns.measured({
        "hidden_gradient": np.array([0.0, -2, 1]), "surrogate_halved": np.array([0.7]),
        "true_accuracy": np.array([[0.1, 0.2], [0.3, 0.4]]),
        "surrogate_accuracy": np.array([[0.5, 0.6], [0.7, 0.8]])})
    assert found["hidden-gradient"] == 2 and found["surrogate-ties"] == 0.7
    assert_array_equal(found["true"], [0.2, 0.4])
    assert_array_equal(found["surrogate"], [0.6, 0.8])


def test_feedback():
    """Accuracies are those after the last epoch; the second layer is best aligned."""
    accuracy = np.zeros((5, 2, 3))
    accuracy[:, :, -1] = [[0.9, 0.8], [0.8, 0.8], [0.7, 0.7], [0.6, 0.5], [0.5, 0.5]]
    cosine = np.zeros((5, 2, 4, 2))
    cosine[1, :, 0], cosine[1, :, -1] = [[0.1, 0.3], [0, 0]], [[0.5, 0.7], [0.2, 0.4]]
    deep = np.zeros((2, 4, 3))
    deep[:, -1] = [[0.1, 0.6, 0.2], [0.3, 0.4, 0.2]]
    found = fig_feedback.measured({
        "accuracy": accuracy, "cosine": cosine, "deep_cosine": deep,
        "deep_exact_accuracy": np.array([[0.1, 0.9], [0.2, 0.8]]),
        "deep_local_accuracy": np.array([[0.3, 0.7], [0.4, 0.5]]),
        "deep_readouts": 2 * deep})
    assert_allclose(found["loss-feedback-alignment"], [0.1, 0], atol=1e-12)
    assert_allclose(found["loss-local-errors"], [0.4, 0.3])
    assert_array_equal(found["event-driven"], [0.6, 0.5])
    assert_allclose(found["rise-of-cosine"], [0.4, 0.3])
    assert_allclose(found["deep-loss"], [0.2, 0.3])
    assert_allclose(found["deep-cosine"], [0.3, 0.3])
    assert_array_equal(found["deep-cosine-largest"], [0.6, 0.4])
    assert_array_equal(found["deep-readout-3"], [0.4, 0.4])


def test_regularisation():
    """The second penalty is the weakest with at most 20 hidden spikes in the mean."""
    data = {"spikes": np.array([[50.0, 60], [25, 15], [9, 9]]),
            "accuracy": np.array([[0.9, 0.8], [0.7, 0.75], [0.5, 0.5]]),
            "spikes_free": np.array([[0, 2.0], [0, 4]]),
            "spikes_bound": np.array([[0, 8.0], [3, 8]])}
    found = fig_regularisation.measured(data)
    assert_allclose(found["loss-at-few-spikes"], [0.2, 0.05])
    assert found["silent"] == 3
    assert_array_equal(found["revival"], [4, 2])
    data["spikes"] += 20
    assert np.isnan(fig_regularisation.measured(data)["loss-at-few-spikes"]).all()


def test_surrogates():
    """One of seven surrogates has the largest median ratio; its quartiles are drawn."""
    curves = np.ones((8, 2, 3))
    curves[:7, 1] = [0.1, 0.2, 0.9]
    curves[3, 1] = [0.3, 0.4, 0.5]
    line = np.array([[0.0, 0, 2, 0]])
    data = {"true": line, "surrogate": line + [1, 1, 0, 2], "loss": line, "at": line[0],
            "anchored": line + [1, 1, 0.5, 2], "curves": 4 * curves,
            "names": np.array(fig_surrogates.NAMES)}
    found = fig_surrogates.measured(data)
    assert found["true-zero"] == 0.75 and found["surrogate-nonzero"] == 1
    assert found["anchored"] == 0.25 and found["loss-surrogate"] == 0.4
    assert found["loss-true"] == 1
    drawn = fig_surrogates.shown(data)
    assert_allclose(drawn["quartiles"][:, 3, 1], [0.35, 0.4, 0.45])
    assert drawn["networks"] == 3


def test_xor():
    """In the patterns, the correct first spikes are 0, 1, 1 and 0."""
    times = np.array([[1, 2], [2, 1], [1, 2], [1, np.inf]])
    data = {f"{name}_{key}": value for name in fig_xor.METHODS for key, value in (
        ("success", np.array([True, False])), ("times", times),
        ("loss", np.arange(2002.0).reshape(-1, 2)))}
    found = fig_xor.measured(data)
    assert found["best-exact"] == 3 and found["success-surrogate"].mean() == 0.5
    drawn = fig_xor.shown(data)
    assert len(drawn["exact_step"]) == fig_xor.POINTS
    assert drawn["exact_step"][-1] == 1000
    assert_array_equal(drawn["exact_loss"], data["exact_loss"][drawn["exact_step"]])


def test_delay():
    """Curves of the delay of 30 ms are averaged over groups of 10 steps."""
    rng = np.random.default_rng(0)
    data = {"delays": np.array([20, 30, 60]), "carried": np.array([8, 2]),
            "multiplications": np.array([16, 2]), "deviation": np.array([1e-16, 3e-16]),
            **{f"final_{i}": rng.random((3, 4)) for i in range(6)},
            **{f"curve_{i}": rng.random((3, 4, 40)) for i in range(6)}}
    found = fig_delay.measured(data)
    assert found["memory"] == 1 / 4 and found["multiplications"] == 1 / 8
    assert found["deviation"] == 3e-16
    exact, block, alone = (data[f"final_{i}"] for i in (0, 1, 5))
    assert_allclose(found["loss-block-30"], exact[1] - block[1])
    assert_allclose(found["gain-block-30"], block[1] - alone[1])
    assert_allclose(found["loss-block-60"], exact[2] - block[2])
    assert_array_equal(found["e-prop-60"], data["final_4"][2])
    drawn = fig_delay.shown(data)
    assert_array_equal(drawn["learning_step"], [5, 15, 25, 35])
    assert_allclose(drawn["learning_2"],
                    data["curve_2"][1].reshape(4, 4, 10).mean(axis=2))


def test_superspike():
    """Of three neurons, one hits in trial 3 and one in trial 501."""
    hits = np.zeros((600, 3), bool)
    hits[[2, 599], 0] = hits[500, 1] = True
    cost = np.full((600, 3), 4.0)
    cost[-24:] = [1, 2, 4]
    found = fig_superspike.measured({"hits": hits, "cost": cost,
                                     "counts": np.array([[0, 1, 2]])})
    assert_array_equal(found["trials"], [3, 501, 600])
    assert_array_equal(found["hit"], [True, False, False])
    assert_allclose(found["cost"], [0.25, 0.5, 1])
    assert_allclose(found["late-hits"], [1 / 24, 0, 0])
    assert_array_equal(found["first-trial"], [0, 1, 2])


def test_superspike_with_hidden_neurons():
    data = {}
    for kind in (*fig_superspike_hidden.KINDS, "negative"):
        hits = np.zeros((30, 3), bool)
        hits[5, 0] = True
        data |= {f"{kind}_hits": hits, f"{kind}_counts": np.arange(30),
                 f"{kind}_cost": np.repeat([[4.0, 4, 4], [1, 2, 8]], [10, 20], axis=0)}
    data["random_hits"][7, 2] = True
    data["random_feedback"] = np.array([[1, -1, 1, -1]])
    data["random_output"] = np.array([[2, -3, 4, 5]])
    found = fig_superspike_hidden.measured(data)
    assert_array_equal(found["hit-random"], [1, 0, 1])
    assert_array_equal(found["hit-random-minus-symmetric"], [0, 0, 1])
    assert_array_equal(found["hit-uniform-minus-symmetric"], [0, 0, 0])
    assert found["cost-random-8"] == 0.5 and found["same-sign"] == 0.75
    assert found["first-trial"] == 0 and found["negative"] == 435


def test_superspike_rates():
    """Each network has its own range of usable rates."""
    data = {}
    for rule, shares in (("fixed", ([0.9, 0.5], [0.5, 0.9], [0.9, 0.9])),
                         ("rmsprop", ([0.5, 0.5], [0.5, 0.5], [0.9, 0.5])),
                         ("rmaxprop", ([0.5, 0.5], [0.5, 0.5], [0.5, 0.5]))):
        cost = np.ones((30, 3, 2))
        cost[-fig_superspike_rates.LAST:] = shares
        data |= {f"{rule}_cost": cost, f"{rule}_rates": np.array([0.01, 0.1, 1])}
    found = fig_superspike_rates.measured(data)
    assert_array_equal(found["rmsprop-minus-fixed"], [1, 2])
    assert_array_equal(found["rmaxprop-minus-fixed"], [2, 2])
    assert [found[f"width-{rule}"] for rule in fig_superspike_rates.RULES] == [0, 2, 3]
    drawn = fig_superspike_rates.shown(data)
    assert drawn["fixed_best"] == 0.01 and drawn["fixed_best_cost"].shape == (30, 2)
    assert_allclose(drawn["fixed_final"], [[0.9, 0.5], [0.5, 0.9], [0.9, 0.9]])
