"""Jobs of the figure that compares Neural Tangent Transfer with other pruning."""

import numpy as np

from figures.ntt import ntt_baselines as baselines
from figures.ntt import ntt_training as training
from refsnn import ntt, pruning


def test_each_part_of_a_transfer_continues_its_own_scope(monkeypatch):
    monkeypatch.setitem(baselines.TASKS, "quick", {"toy": baselines.Task(
        "digits", (0.1, 0.2), 20, 9, 2, part=8)})
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
    assert rows.count(("NTT", "global")) == rows.count(("NTT masks", "layer")) == 4


def test_masks_of_a_transfer_are_tried_on_the_initial_network(monkeypatch):
    rng, net, seen = np.random.default_rng(1), training.perceptron(6, 5, 3), {}
    teacher, other = net.init(rng=rng), net.init(rng=rng)
    masks = pruning.magnitude(other[0], 0.4)
    task = baselines.Task("digits", (0.4,), 1, 400, 1)
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
