"""The task, the gradients and the claims of `delay_task`."""

import matplotlib.figure
import numpy as np
import pytest
from tolerances import RTOL_FD

from figures.run import claims
from figures.spike_times import fig_delay_task as figure
from refsnn import losses


@pytest.fixture(scope="module")
def data():
    return figure.gather([figure.learn(condition, 12, 0, repeat)
                          for repeat in range(2) for condition in figure.CONDITIONS])


def test_classes_differ_in_the_order_of_the_inputs():
    rng = np.random.default_rng(0)
    orders = figure.drawn(rng)
    assert (np.sort(orders) == np.arange(8)).all()
    assert len(np.unique(orders, axis=0)) > 1
    x, labels = figure.trials(rng, orders, 2000)
    assert (x.sum(axis=0) == 1).all() and np.bincount(labels).min() > 150
    moved = x.argmax(axis=0) - 2 - 3 * orders[labels]
    assert abs(moved.mean()) < 0.05
    assert moved.std() == pytest.approx((0.8 ** 2 + 1 / 12) ** 0.5, rel=0.03)


def test_conditions_have_equal_numbers_of_parameters():
    W, delay, most = figure.initial(np.random.default_rng(0), figure.LEARNED)
    assert W.size + delay.size == 128 and most == 24 and (delay % 1 != 0).all()
    for condition, largest in ((figure.FIXED, 24), (figure.NONE, 0)):
        W, delay, most = figure.initial(np.random.default_rng(0), condition)
        assert W.size == 128 and most == delay.max() == largest
        assert (delay % 1 == 0).all()


@pytest.mark.parametrize("condition", [figure.LEARNED, figure.FIXED])
def test_gradients_are_those_of_the_loss_of_each_network(condition):
    rng = np.random.default_rng(3)
    x, labels = figure.trials(rng, figure.drawn(rng), 6)
    x = x.astype(float)
    parts = [figure.initial(rng, condition)[:2] for _ in range(2)]
    W, delay = (np.stack(a) for a in zip(*parts, strict=True))
    delay = np.floor(delay).clip(0, 23) + 0.4       # the linear kernel has corners

    def loss(W, delay, i):
        mem = figure.simulate(x, W[i:i + 1], delay[i:i + 1], 24)[-1]
        each = 5 * mem.reshape(len(x), 6, 8, -1).max(axis=(0, 3))
        return losses.cross_entropy(each[None], labels)[0]

    found = figure.gradient(x, labels, W, delay, 24)
    for k in range(2):
        toward = rng.normal(size=W.shape)
        for i in range(2):
            up, down = (loss(W + sign * 1e-6 * toward * (k == 0),
                             delay + sign * 1e-6 * toward * (k == 1), i)
                        for sign in (1, -1))
            assert (up - down) / 2e-6 == pytest.approx((found[k][i] * toward[i]).sum(),
                                                       rel=RTOL_FD)


def test_the_neuron_of_the_class_with_the_highest_potential_counts():
    W = np.zeros((1, 16, 8))
    W[0, np.arange(1, 16, 2), np.arange(8)] = 1     # class i only sees input i
    x = np.zeros((52, 3, 8))
    x[7, np.arange(3), [4, 0, 6]] = 1
    assert figure.wrong(x, np.array([4, 0, 5]), W, 0 * W, 0).tolist() == [1 / 3]


def test_training_lowers_the_error_and_only_learned_delays_move(data):
    assert data["error"].shape == (3, 2) and data["validation"].shape == (3, 2, 5)
    assert (data["error"] < 0.7).all()
    before, after = data["delay"]
    assert before.shape == (8, 8) and (before != after).mean() > 0.5
    assert after.min() >= 0 and after.max() <= 120 and (data["change"] > 0).all()
    chosen = np.array(figure.RATES)[data["validation"].argmin(axis=2)]
    assert np.array_equal(data["rate"], chosen)


def test_claims_by_hand():
    found = figure.measured({
        "error": np.array([[0, 0.001], [0.01, 0.002], [0.02, 0.1]]),
        "rounded": np.array([0.5, 0.001]), "change": np.array([0.1, 0.3])})
    np.testing.assert_allclose(found["ratio-fixed"], [0.5 / 20.5, 2.5 / 4.5])
    np.testing.assert_allclose(found["ratio-none"], [0.5 / 40.5, 2.5 / 200.5])
    np.testing.assert_allclose(found["rounding"], [-0.5, 0])
    assert [found[f"error-{c}"].tolist() for c in ("learned", "fixed", "no")] == [
        [0, 0.001], [0.01, 0.002], [0.02, 0.1]]
    own = {c.id: (c.low, c.high, c.log) for c in figure.claims("default")
           if c.kind == "own"}
    assert own == {"ratio-fixed": (None, 0.5, True), "ratio-none": (None, 0.5, True)}


def test_claims_and_plot(data):
    for size in ("quick", "default", "full"):
        ids = {claim.id for claim in claims.declared(figure, size)}
        assert ids == set(figure.measured(data))
    figure.plot(figure.shown(data), matplotlib.figure.Figure(layout="constrained"))
