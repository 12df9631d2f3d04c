"""Jobs of the figure that compares Neural Tangent Transfer with other pruning."""

import matplotlib.figure
import numpy as np

from figures.ntt import fig_ntt, ntt_baselines as baselines
from figures.ntt import ntt_training as training
from refsnn import ntt, pruning


def test_each_part_of_a_transfer_continues_its_own_scope(monkeypatch):
    monkeypatch.setitem(baselines.TASKS, "quick", {"toy": baselines.Task(
        "digits", {0.1: 2, 0.2: 1}, 20, 9, part=8)})
    jobs = baselines.jobs("quick", ["toy"], 0, None)
    for _, own, *index in jobs:
        method, first = own.get("method"), own.get("first")
        if method == "dense":
            assert own["density"] == 0.1
        if not (first or str(method).startswith("NTT")):
            assert not index
            continue
        earlier, given = jobs[index[0]][:2]
        assert earlier is baselines.transfer
        assert given["first"] == (16 if first is None else first - 8)
        for key in ("scope", "density", "repeat", "seed", "name"):
            assert given[key] == own[key]
    rows = [(own["method"], own["scope"]) for function, own, *_ in jobs
            if function is baselines.learn]
    assert rows.count(("NTT", "global")) == rows.count(("NTT masks", "layer")) == 3


def test_masks_of_a_transfer_are_tried_on_the_initial_network(monkeypatch):
    rng, net, seen = np.random.default_rng(1), training.perceptron(6, 5, 3), {}
    teacher, other = net.init(rng=rng), net.init(rng=rng)
    masks = pruning.magnitude(other[0], 0.4)
    task = baselines.Task("digits", {0.4: 1}, 1, 400)
    steps = np.array([100, 200, 250, 300, 350, 400])
    curve = np.stack([steps, steps / 1000], axis=1)

    def supervise(net, student, images, **options):
        seen[method] = student, options
        return None, None, curve

    monkeypatch.setattr(baselines, "problem", lambda *given: (task, net, teacher, None))
    monkeypatch.setattr(training, "supervise", supervise)
    for method in ("NTT", "NTT masks"):
        found = baselines.learn("quick", "toy", None, method, "layer", 0.4, 0, 0,
                                training.packed(ntt.Student(*other, masks)))
        np.testing.assert_allclose(found["accuracy"], [0.1, 0.3])
        student, options = seen[method]
        assert options["every"] == [100, 200, 250, 300, 350]
        weights, biases = other if method == "NTT" else teacher
        for ours, theirs in zip((*student.weights, *student.biases, *student.masks),
                                (*weights, *biases, *masks), strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_densities_with_fewer_runs():
    """They are filled up with NaN, which no claim and no mean contains."""
    done = [{"name": "MNIST", "row": f"{method}, {scope}", "density": density,
             "accuracy": np.array([0.1 * run, 0.5 + 0.1 * run + bonus])}
            for method, scope in (*baselines.BOTH, ("dense", "layer"))
            for bonus in [0.01 * (method == "NTT")]
            for density, runs in baselines.DENSITIES.items() for run in range(runs)
            if method != "dense" or density == 0.01]
    data = fig_ntt.gather(done)
    rows = data["MNIST: NTT, layer"]
    assert rows.shape == (6, 3, 2) and data["MNIST: dense, layer"].shape == (1, 3, 2)
    np.testing.assert_array_equal(np.isnan(rows).sum(axis=(1, 2)), [0, 0, 0, 4, 4, 4])
    for density, runs in baselines.DENSITIES.items():
        found = fig_ntt.accuracies(data, "MNIST", 1, density)["NTT", "layer"]
        np.testing.assert_allclose(found, 0.51 + 0.1 * np.arange(runs))
    found = fig_ntt.measured(data)
    np.testing.assert_allclose(found["mnist-ntt-layer-1"], [0.51, 0.61, 0.71])
    np.testing.assert_allclose(found["mnist-ntt-global-5"], [0.51])
    assert all(np.isfinite(value).all() for value in found.values())
    assert found.keys() == {claim.id for claim in fig_ntt.claims("full")
                            if claim.id.startswith("mnist")}
    figure = matplotlib.figure.Figure()
    fig_ntt.plot(data, figure)
    for line in figure.axes[2].containers[0].lines[:1]:
        np.testing.assert_allclose(line.get_ydata(), [0.61] * 3 + [0.51] * 3)
