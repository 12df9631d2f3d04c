"""Training in the figures of synaptic intelligence: images, dropout, penalties."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from tolerances import RTOL, RTOL_FD, close

from figures.si import si_training
from figures.train import image_sets
from refsnn import checks, datasets, losses, si
from refsnn.fast import si as fast_si

NETS = {
    "perceptron": (si_training.perceptron(12, 9, 8, 4, keep=0.6), (12,)),
    "pools": (si_training.convolutional(
        ((5, 3, 3, 2), (6, 2, 2, 5), (7, 24), (4, 7)), (True, False),
        keep=(0.8, 1, 0.5)), (9, 8, 2)),
    "ragged": (si_training.convolutional(
        ((5, 2, 2, 1), (4, 2, 2, 5), (4, 24)), (True, False), keep=(0.7, 0.6)),
        (8, 9, 1))}


def example(name, dtype):
    """Return (net, parameters, x, labels); biases are not zero."""
    net, shape = NETS[name]
    rng = np.random.default_rng(5)
    parameters = [(a + 0.2 * rng.normal(size=a.shape)).astype(dtype)
                  for a in si_training.begin(net, rng).parameters]
    x = rng.random((6, *shape)).astype(dtype)
    return net, parameters, x, rng.integers(0, 4, 6)


def twin(net, parameters, x, generator):
    """Outputs of a forward pass that draws and applies its own masks."""
    weights, biases = si_training.halves(parameters)
    scales, kept = [1.0, *(1 / keep for keep in net.keep)], []
    for i, (W, b, s) in enumerate(zip(weights, biases, scales, strict=True)):
        W = W * np.float32(s)
        if W.ndim == 4:
            view = np.lib.stride_tricks.sliding_window_view(x, W.shape[1:3], (1, 2))
            shape = view.shape[:3]
            x = view.transpose(0, 1, 2, 4, 5, 3)
        else:
            shape = x.shape[:1]
        z = (x.reshape(-1, W[0].size) @ W.reshape(len(W), -1).T + b).reshape(
            *shape, len(W))
        if i == len(net.keep):
            return z, kept
        if net.pools[i]:
            N, rows, columns, c = z.shape
            z = z[:, :rows // 2 * 2, :columns // 2 * 2].reshape(
                N, rows // 2, 2, columns // 2, 2, c).max((2, 4))
        x = np.maximum(z, 0)
        if net.keep[i] < 1:
            kept.append(generator.random(z.shape, np.float32) < net.keep[i])
            x = x * kept[-1]


@pytest.mark.parametrize("dtype", (np.float32, np.float64))
@pytest.mark.parametrize("name", NETS)
def test_masks_are_drawn_layer_by_layer_and_the_outputs_agree(name, dtype):
    net, parameters, x, _ = example(name, dtype)
    weights, biases = si_training.halves(parameters)
    ours, theirs = np.random.default_rng(2), np.random.default_rng(2)
    masks = si_training.dropout_masks(net, weights, x, ours)
    outputs, kept = twin(net, parameters, x, theirs)
    assert masks[0] is None and ours.random() == theirs.random()
    drawn = [mask for mask, keep in zip(masks[1:], net.keep, strict=True) if keep < 1]
    assert [mask is None for mask in masks[1:]] == [keep == 1 for keep in net.keep]
    for mask, stays in zip(drawn, kept, strict=True):
        assert mask.shape == stays.shape and (mask == stays).all()
        assert mask.any() and not mask.all()
    scaled = [W * np.float32(1 / keep) for W, keep in
              zip(weights, (1, *net.keep), strict=True)]
    found = net.forward(scaled, biases, x, dropout=masks).outputs
    assert found.dtype == dtype
    if name == "perceptron":
        assert (found == outputs).all()
    close(found, outputs, 1e-6 if dtype == np.float32 else RTOL)
    assert (found != net.forward(weights, biases, x).outputs).any()


@pytest.mark.parametrize("name", NETS)
def test_the_gradient_with_dropout_by_differences(name):
    net, parameters, x, labels = example(name, np.float64)

    def loss(theta):
        return si_training.gradient(net, theta, x, labels, None,
                                    np.random.default_rng(3))[0]

    _, found = si_training.gradient(net, parameters, x, labels, None,
                                    np.random.default_rng(3))
    rng = np.random.default_rng(4)
    checks.directional(loss, parameters, found, rng, rtol=RTOL_FD, step=1e-5)
    half = len(found) // 2
    unscaled = [g * keep for g, keep in zip(found, (1, *net.keep), strict=False)]
    for wrong in (si_training.gradient(net, parameters, x, labels)[1],
                  [*unscaled, *found[half:]]):
        with pytest.raises(AssertionError):
            checks.directional(loss, parameters, wrong, rng, rtol=RTOL_FD, step=1e-5)


def padded_twin(weights, biases, x):
    """Outputs of two blocks: a convolution with padding, one without, pooling."""
    for i in (0, 2):
        for W, b, pad in zip(weights[i:i + 2], biases[i:i + 2], (1, 0), strict=True):
            x = np.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
            view = np.lib.stride_tricks.sliding_window_view(x, (3, 3), (1, 2))
            x = np.maximum(np.einsum("nrsckl,oklc->nrso", view, W) + b, 0)
        N, side, _, c = x.shape
        side -= side % 2
        x = x[:, :side, :side].reshape(N, side // 2, 2, side // 2, 2, c).max((2, 4))
    return x.reshape(N, -1) @ weights[-1].T + biases[-1]


def test_framed_maps_are_the_padding_of_a_later_convolution():
    rng = np.random.default_rng(3)
    shapes = ((3, 3, 3, 2), (4, 3, 3, 3), (4, 3, 3, 4), (5, 3, 3, 4), (4, 5))
    net = si_training.convolutional(shapes, (False, True, False, True), zero=False,
                                    framed={2: (6, 6)}, keep=(1, 0.5, 1, 1))
    parameters = [a.astype(float) + 0.2 * rng.normal(size=a.shape)
                  for a in si_training.begin(net, rng).parameters]
    x, labels = rng.random((6, 10, 10, 2)), rng.integers(0, 4, 6)
    wide = np.pad(x, ((0, 0), (3, 3), (3, 3), (0, 0)))

    def loss(theta):
        f = padded_twin(*si_training.halves(theta), x)
        return losses.cross_entropy(f[None], labels, "last")[0]

    weights, biases = si_training.halves(parameters)
    close(net.forward(weights, biases, wide).outputs, padded_twin(weights, biases, x))
    close(net.derivatives(weights, biases, wide)[2], padded_twin(weights, biases, x))
    value, found = si_training.gradient(net, parameters, wide, labels)
    assert all(a.any() for a in found) and value == pytest.approx(loss(parameters))
    checks.directional(loss, parameters, found, rng, rtol=RTOL_FD, step=1e-6)
    masks = si_training.dropout_masks(net, weights, wide, rng)
    recording = net.forward(weights, biases, wide, dropout=masks)
    dropped, whole = recording.inputs[2], masks[2].copy()
    frame = np.ones(dropped.shape, bool)
    frame[:, 1:-1, 1:-1] = False
    assert not dropped[frame].any() and dropped.any() and (masks[2] == whole).all()
    assert not dropped[~masks[2]].any()


def test_there_is_no_dropout_without_a_generator_or_a_fraction():
    net, parameters, x, labels = example("perceptron", np.float32)
    everything = si_training.perceptron(12, 9, 8, 4)
    base = si_training.gradient(everything, parameters, x, labels)
    for found in (si_training.gradient(net, parameters, x, labels),
                  si_training.gradient(everything, parameters, x, labels, None,
                                       np.random.default_rng(1))):
        assert found[0] == base[0]
        assert all((a == b).all() for a, b in zip(found[1], base[1], strict=True))


# ---- penalties and training

def toy(seed, mask=None):
    """Return a task of 10 images for a small network, in float64."""
    rng = np.random.default_rng(seed)
    x, labels = rng.random((2, 10, 5)), rng.integers(0, 4, (2, 10))
    return si_training.Task(image_sets.Images(x[0], labels[0], x[1], labels[1]), mask)


def beginner():
    """Return a perceptron, and a learner in float64 with biases that are not zero."""
    net, rng = si_training.perceptron(5, 6, 4), np.random.default_rng(8)
    parameters = [a + 0.2 * rng.normal(size=a.shape) for a in
                  si_training.begin(net, rng).parameters]
    return net, si_training.Learner(parameters, fast_si.begin(parameters),
                                    si.begin(parameters))


OPTIONS = {"epochs": 3, "batch": 4}


def trained(net, learner, task, rule, seed):
    """Learn a task and consolidate it."""
    learner = si_training.learn(net, learner, task, rule, **OPTIONS,
                                generator=np.random.default_rng(seed))
    return si_training.consolidate(net, learner, task, rule)


@pytest.mark.parametrize("strength", [0.0, 3.0])
def test_learning_equals_the_clear_route_over_three_tasks(strength):
    net, learner = beginner()
    parameters = [a.copy() for a in learner.parameters]
    rule = si_training.Rule("SI", strength, 0.01)
    settings = si.Settings(strength=strength, xi=0.01)
    memory, adam = si.begin(parameters), None
    for seed in range(3):
        task = toy(seed)
        learner = trained(net, learner, task, rule, seed)
        parameters, memory, adam = si_training.learn_clearly(
            net, parameters, memory, task, settings, **OPTIONS, adam=adam,
            generator=np.random.default_rng(seed))
        memory = si.consolidate(memory, parameters, settings)
        for ours, theirs in ((learner.parameters, parameters),
                             (learner.memory.importance, memory.importance),
                             (learner.memory.anchor, memory.anchor)):
            for a, b in zip(ours, theirs, strict=True):
                close(a, b)
    assert learner.memory.tasks == 3 and learner.adam.step == adam[0].step == 27


@pytest.mark.parametrize("name", ["L2", "EWC"])
def test_a_penalty_without_path_integral_pulls_to_the_last_task(name):
    net, learner = beginner()
    rule = si_training.Rule(name, 2.0)
    wanted = [0 * a for a in learner.parameters]
    for seed in range(2):
        learner = trained(net, learner, toy(seed), rule, seed)
        F = si_training.fisher(net, learner.parameters, toy(seed))
        wanted = [np.ones_like(a) if name == "L2" else a + 0.5 * b
                  for a, b in zip(wanted, F, strict=True)]
        for a, b in zip(learner.memory.importance, wanted, strict=True):
            close(a, b)
    assert learner.memory.tasks == 2
    for a, b in zip(learner.parameters, learner.memory.anchor, strict=True):
        assert_array_equal(a, b)
        assert a is not b


@pytest.mark.parametrize("name", ["SI", "L2", "plain"])
@pytest.mark.parametrize("reset", ["all", "moments", ""])
def test_the_state_of_adam_is_reset_only_if_the_rule_says_so(name, reset):
    net, learner = beginner()
    found = trained(net, learner, toy(1), si_training.Rule(name, 1.0, reset=reset), 1)
    assert found.adam.step == (0 if reset == "all" else 9)
    for moments in (found.adam.mean, found.adam.scale):
        assert any(a.any() for a in moments) != bool(reset)


def test_fisher_information_is_the_expected_square_of_the_gradients():
    net, learner = beginner()
    task, wanted = toy(2), 0
    weights, biases = si_training.halves(learner.parameters)
    for x in task.images.x:
        scores = np.exp(net.forward(weights, biases, x[None]).outputs[0])
        for label, p in enumerate(scores / scores.sum()):
            _, found = si_training.gradient(net, learner.parameters, x[None],
                                            np.array([label]))
            wanted = wanted + p / 10 * np.concatenate([a.ravel() for a in found]) ** 2
    for size in (3, 10):
        found = si_training.fisher(net, learner.parameters, task, size=size)
        close(np.concatenate([a.ravel() for a in found]), wanted, rtol=RTOL_FD)


def test_the_sum_of_gradient_and_pull_is_clipped():
    """The first mean of Adam is a tenth of the gradient that it receives."""
    net, learner = beginner()
    rng, task, settings = np.random.default_rng(9), toy(3), si.Settings(
        strength=1.0, clip=0.05)
    memory = learner.memory._replace(
        importance=[rng.random(a.shape) for a in learner.parameters],
        anchor=[a + 0.1 * rng.normal(size=a.shape) for a in learner.parameters])
    _, g = si_training.gradient(net, learner.parameters, task.images.x,
                                task.images.labels)
    _, _, adam = si_training.learn_clearly(
        net, learner.parameters, memory, task, settings, epochs=1, batch=10,
        generator=rng)
    for state, a, pull in zip(adam, g, si.penalty_gradient(
            memory, learner.parameters, settings), strict=True):
        assert (abs(a + pull) > 0.05).any() and (abs(pull) > 0.05).any()
        close(state.mean, 0.1 * np.clip(a + pull, -0.05, 0.05))


def test_only_the_outputs_of_the_task_compete():
    net, learner = beginner()
    task, rng = toy(4), np.random.default_rng(6)
    mask = np.array([False, True, False, True])
    for shift in (-9, 9):
        learner.parameters[-1][:] = np.where(mask, shift, 0) + rng.normal(0, 0.1, 4)
        x = task.images.x
        outputs = net.forward(*si_training.halves(learner.parameters), x).outputs
        labels = 1 + 2 * (outputs[:, 3] > outputs[:, 1])
        labels[:3] = 4 - labels[:3]
        for size in (4, 10):
            assert si_training.accuracy(net, learner.parameters, x, labels, mask,
                                        size) == 0.7
        assert (si_training.accuracy(net, learner.parameters, x, labels)
                == 0) == (shift < 0)


# ---- images, and from one job to the next

def test_enlarged_digits_are_centred_in_their_frame():
    framed = si_training.framed(3, 1)
    small = si_training.digits(3, 1, flat=False)
    for found, x in ((framed.x, small.x), (framed.x_test, small.x_test)):
        found = found[:40].reshape(40, 28, 28)
        assert_array_equal(found[:, 4:24, 4:24], datasets.upsample(x[:40, ..., 0], 20))
        found[:, 4:24, 4:24] = 0
        assert not found.any()


@pytest.mark.parametrize("scale", [1.0, 1e-12])
def test_a_learner_is_restored_to_the_bit(scale):
    net, learner = beginner()
    learner = trained(net, learner, toy(5), si_training.Rule("SI", 1.0), 5)
    learner = si_training.learn(net, learner, toy(6), si_training.Rule("SI", 1.0),
                                **OPTIONS, generator=np.random.default_rng(6))
    for arrays in (learner.adam.mean, learner.adam.scale, learner.memory.path_integral,
                   learner.memory.importance):
        for a in arrays:
            a *= scale
    for a, b in zip(learner.memory.anchor, learner.parameters, strict=True):
        a[:] = b * (1 - 0.5 * scale)
    found = si_training.unpacked(si_training.packed(learner))
    assert found.adam.step == learner.adam.step == 18
    assert found.memory[3:] == learner.memory[3:] == (9, 1)
    for ours, theirs in zip((found.parameters, *found.adam[1:], *found.memory[:3]),
                            (learner.parameters, *learner.adam[1:],
                             *learner.memory[:3]), strict=True):
        for a, b in zip(ours, theirs, strict=True):
            assert_array_equal(a, b)
            assert a.any()
