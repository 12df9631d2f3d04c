"""The parts of the figures on Neural Tangent Transfer: generator, GraSP, transfers."""

import collections
import functools
import weakref

import numpy as np
import pytest
from hypothesis import assume, given
from strategies import SEEDS
from tolerances import RTOL_FD, close

from figures.ntt import fig_ntt_masks, fig_ntt_replay, fig_ntt_transfer, threefry
from figures.run import claims
from figures.ntt import ntt_training as training
from figures.train import image_sets
from refsnn import convnet, mlp, ntt, optimisers, pruning

SHAPES, POOLS = [(2, 3, 3, 1), (3, 2, 2, 2), (4, 12), (3, 4)], (True, False)


# ---- the generator

@pytest.mark.parametrize("key, counter, words", [
    ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
    ((0xFFFFFFFF,) * 2, (0xFFFFFFFF,) * 2, (0x1CB996FC, 0xBB002BE7)),
    ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3), (0xC4923A9C, 0x483DF7A0))])
def test_cipher_yields_the_published_words(key, counter, words):
    """The words are the test vectors of the authors of the generator."""
    found = threefry.encrypt(np.array(key, np.uint32),
                             *np.array(counter, np.uint32)[:, None])
    assert tuple(int(word[0]) for word in found) == words


def test_keys_and_numbers_are_those_of_jax():
    """Stored results of jax.random, with the older order of the counters."""
    key = np.array([0, 0], np.uint32)
    assert threefry.split(key).tolist() == [[4146024105, 967050713],
                                            [2718843009, 1272950319]]
    for found, stored in (
            (threefry.uniform(key, (3,), 0, 1), [0.9653214, 0.31468165, 0.63302994]),
            (threefry.normal(key, (3,)), [1.8160863, -0.48262316, 0.33988908]),
            (threefry.truncated_normal(key, (3,)), [1.5905911, -0.45900953,
                                                    0.32385755])):
        np.testing.assert_allclose(found, stored, rtol=1e-6)
    uniform = threefry.uniform(key, (300, 4), -2, 3)
    assert uniform.dtype == np.float32 and -2 <= uniform.min() < uniform.max() < 3
    normal, cut = (draw(key, (300, 40)) for draw in (threefry.normal,
                                                     threefry.truncated_normal))
    assert abs(normal.std() - 1) < 0.02 and 3.5 < abs(normal).max() < 6
    assert abs(cut.std() - mlp.CUT_STD) < 0.01 and 1.99 < abs(cut).max() <= 2


def test_teachers_keep_the_logged_sums():
    """Sum of squared live weights before the first step, from the authors' logs."""
    for name, logged in (("MLP", (82.942, 83.09)), ("LeNet", (91.94, 91.91))):
        for run, wanted in zip(fig_ntt_replay.RUNS, logged, strict=True):
            weights, biases = fig_ntt_replay.teacher(name, run)
            live = sum((W.astype(float) ** 2 * M).sum() for W, M in
                       zip(weights, pruning.magnitude(weights, 0.03), strict=True))
            assert abs(live / wanted - 1) < 1e-4
            assert {a.dtype for a in (*weights, *biases)} == {np.dtype("f4")}


def test_batches_of_all_runs_are_one_stream():
    one, two = (fig_ntt_replay.order(200, run, 20000)[:, :1] for run in (1, 2))
    assert (one[18720:] == two[:1280]).all() and (one[:1280] != two[:1280]).any()
    assert sorted(fig_ntt_replay.order(200, 1, 3).ravel()) == sorted(
        np.random.RandomState(0).permutation(200)[:192])


def logs(**changes):
    """Return data of two runs of MLP, whose logs differ by 1e-4 and 2 % at the end."""
    steps = np.arange(0, 18800, 100.0)
    log = np.stack([steps, 4000 / (1 + steps), 0 * steps + 1, 0 * steps + 80], axis=1)
    ours = log * np.where(steps > 300, 1.02, 1.0001)[:, None] ** [0, 1, 0, 0] \
        * [1, 1, 1, 1 + 4e-6]
    return {"MLP 1 float32": ours, "MLP 1 log": log[1:], "MLP 1 float64": log,
            "starts": np.array([1.0, 5000]),
            "live": np.array([82.942, 83.09, 91.94, 91.91]), **changes}


def test_claims_on_replays():
    declared = {claim.id: claim for claim in fig_ntt_replay.claims("full")}
    wanted = {"weights": 0, "mlp-1-kernel": 1e-4, "mlp-1-weights": 4e-6,
              "mlp-1-outputs": 0, "mlp-1-end": 0.02, "mlp-1-heavier": 0.5}

    def judged(**changes):
        """Return the values, and the ids of what is not reproduced."""
        values = fig_ntt_replay.measured(logs(**changes))
        return values, [key for key, value in values.items() if claims.judge(
            declared[key], claims.measure(value)).verdict == "not reproduced"]

    values, failing = judged()
    assert {key: np.mean(value) for key, value in values.items()} == pytest.approx(
        wanted)
    assert not failing
    assert judged(**{"MLP 1 log": logs()["MLP 1 log"][10:]})[1] == [
        "mlp-1-kernel", "mlp-1-weights", "mlp-1-outputs"]       # no step up to 300
    for row, column, factor, key in ((2, 1, 1.001, "kernel"), (2, 3, 1.001, "weights"),
                                     (2, 2, 1.002, "outputs"), (-1, 1, 1.1, "end")):
        other = logs()["MLP 1 float32"].copy()
        other[row, column] *= factor
        assert judged(**{"MLP 1 float32": other})[1] == [f"mlp-1-{key}"]


def test_short_replays_are_compared_up_to_the_last_new_masks():
    """After 1,100 steps, the masks of step 1,000 are the last ones as published."""
    data = logs()
    short = {**data, "MLP 1 float32": data["MLP 1 float32"][:12]}
    assert fig_ntt_replay.pair(short, "MLP 1", "log")[0][-1, 0] == 1000
    assert fig_ntt_replay.pair(data, "MLP 1", "log")[0][-1, 0] == 18700


def test_replays_differ_by_rounding_only():
    one, two = (fig_ntt_replay.replay("digits", None, 1, dtype, 20)["log"]
                for dtype in ("float32", "float64"))
    assert one[-1, 1] < one[0, 1]
    gap = np.abs(one[:, 1:] / two[:, 1:] - 1)
    assert (gap[1:] > 0).all() and (gap < 1e-5).all()


# ---- GraSP

@pytest.mark.parametrize("temperature", [1, 200])
@given(SEEDS)
def test_hessian_gradient_by_finite_differences(temperature, seed):
    """H g is the gradient of half the squared norm of the gradient."""
    rng = np.random.default_rng(seed)
    for net, x, (weights, biases) in (
            (training.perceptron(4, 6, 5, 3), rng.normal(size=(6, 4)),
             mlp.init((4, 6, 5, 3), rng)),
            (convolution(), rng.normal(size=(6, 9, 9, 1)), convnet.init(SHAPES, rng))):
        weights = [2 * W for W in weights]
        labels = rng.integers(0, 3, 6)
        h = training.hessian_gradient(net, weights, biases, x, labels, temperature)
        d = [rng.normal(size=W.shape) for W in weights]
        (g, gates), *ends = (gradient(
            net, [W + e * a for W, a in zip(weights, d, strict=True)], biases, x,
            labels, temperature) for e in (0, 1e-6, -1e-6))
        assume(all(found == gates for _, found in ends))
        slope = sum((a * (b - c)).sum() for a, b, c in
                    zip(g, ends[0][0], ends[1][0], strict=True)) / 2e-6
        close(sum((a * b).sum() for a, b in zip(h, d, strict=True)), slope,
              rtol=RTOL_FD)


def gradient(net, weights, biases, x, labels, temperature):
    """Return the gradient as a list of arrays, and the gates of the network."""
    recording = net.model.forward(weights, biases, x)
    doutputs = training.cross_entropy(recording.outputs / temperature, labels)[1]
    found = net.backward(weights, recording, doutputs / temperature)
    signals = [np.sign(g).tolist() for g in net.model.signals(weights, recording)]
    return [*found.weights, *found.biases], signals


def convolution():
    forward, backward, signals, second_order = (
        functools.partial(f, pools=POOLS) for f in
        (convnet.forward, convnet.backward, convnet.signals, convnet.second_order))
    return training.Net(None, ntt.Model(forward, signals, second_order, None, None),
                        backward, False)


# ---- transfers and baselines

def images(rng, count=40):
    x = rng.normal(size=(2, count, 2, 3)).astype(np.float32)
    labels = rng.integers(0, 3, (2, count))
    return image_sets.Images(x[0], labels[0], x[1], labels[1])


def test_parts_of_a_transfer_equal_one_transfer(monkeypatch):
    """A transfer in parts of 8 of 24 steps, with masks from each fourth step on."""
    rng, net = np.random.default_rng(3), training.perceptron(6, 9, 4)
    teacher, x = net.init(rng=rng), images(rng).x
    order = rng.permuted(np.tile(np.arange(40), (24, 1)), axis=1)[:, :8]
    monkeypatch.setattr(training, "batches", lambda first, x, steps, size:
                        training.Batches(x, order[first:first + steps]))
    whole = training.ntt.transfer(
        net.model, *teacher, training.Batches(x.reshape(40, 6), order), density=0.4,
        prune=lambda W: pruning.magnitude(W, 0.4), every=4, l2=1e-3,
        optimiser=functools.partial(optimisers.adam, rate=1e-2))
    before = None
    for first in (0, 8, 16):
        before = training.transfer_part(
            net, teacher, x, density=0.4, total=24, first=first, count=8, rate=1e-2,
            generator=first, l2=1e-3, scope="layer", batch=8, before=before, every=4)
    for one, other in zip(whole, training.unpacked(before), strict=True):
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a, b)
    assert any((a != b).any() for a, b in zip(whole.weights, teacher[0], strict=True))
    assert not training.adam_states(before)


def test_the_number_of_threads_changes_no_bit(monkeypatch):
    """A transfer with parts of Jacobians, in one thread, and in pools of 1 and of 2."""
    monkeypatch.setattr(training.ntk, "CHUNK", 100)
    rng, net = np.random.default_rng(3), convolution()
    net = net._replace(model=net.model._replace(kernel=training.ntk.kernel,
                                                adjoint=training.ntk.adjoint))
    x = rng.normal(size=(40, 9, 9, 1)).astype(np.float32)
    teacher = convnet.init(SHAPES, rng, np.float32)
    prune = functools.partial(pruning.magnitude, rho=0.4)
    student = ntt.Student(*teacher, prune(teacher[0]))
    goal = ntt.target(net.model, *teacher, x)
    whole = ntt.gradient(net.model, student, x, goal, density=0.4)
    assert whole.weights[1].any()
    for threads in (1, 2):
        with training.ThreadPoolExecutor(threads) as pool:
            model = training.threaded(net.model, pool)
            assert ntt.target(model, *teacher, x).kernel.tobytes() \
                == goal.kernel.tobytes()
            found = ntt.gradient(model, student, x, goal, density=0.4)
        for a, b in zip((*found.weights, *found.biases),
                        (*whole.weights, *whole.biases), strict=True):
            assert a.tobytes() == b.tobytes()
    parts = [training.packed(training.unpacked(training.transfer_part(
        net, teacher, x, density=0.4, total=6, first=0, count=6, rate=1e-2,
        generator=np.random.default_rng(1), l2=1e-3, scope="layer", batch=9, every=2,
        threads=threads))) for threads in (1, 2)]
    assert any((parts[0][f"weights {i}"] != W).any() for i, W in enumerate(teacher[0]))
    for key, value in parts[0].items():
        assert value.tobytes() == parts[1][key].tobytes()


def test_networks_in_parts_equal_whole_networks(monkeypatch):
    """A transfer of 450 steps in parts of 200, and 330 steps with labels in parts."""
    data = images(np.random.default_rng(4), 7000)
    monkeypatch.setattr(fig_ntt_transfer, "problem", lambda *given: (
        training.perceptron(6, 9, 3), data, 1e-4))
    monkeypatch.setattr(fig_ntt_transfer, "FULL_DENSITY", 0.4)
    one = {"name": "LeNet", "folder": "", "kind": "at_masked", "repeat": 0, "seed": 0}

    def run(function, part, total, result=None, **given):
        monkeypatch.setitem(fig_ntt_transfer.PARTS, "LeNet", (part, part))
        for first in range(0, total, part):
            assert result is None or "curve" not in result
            result = function(**one, **given, first=first, before=result)
        return result

    student = run(fig_ntt_transfer.transfer, 200, 450, steps=450)
    assert student["log"][:, 0].tolist() == [0, 100, 200, 300, 400, 450]
    assert student["sets"].shape == (3, 2, 2) and np.diff(student["log"][:, 1]).all()
    teacher = fig_ntt_transfer.start("LeNet", "", 0, 0)[3]
    sparse = ntt.Student(*teacher, pruning.magnitude(teacher[0], 0.4))
    net = training.perceptron(6, 9, 3)
    for row, x in ((student["log"][0, 1:3], data.x[:64]),
                   (student["sets"][0, 1], data.x_test[:64])):
        x = x.reshape(64, 6)
        goal = ntt.target(net.model, *teacher, x)
        close(row, np.array(ntt.gradient(net.model, sparse, x, goal,
                                         density=0.4).loss[1:3]), 1e-6)
    held = [ntt.gradient(net.model, sparse, x, ntt.target(net.model, *teacher, x),
                         density=0.4).loss.kernel
            for x in data.x[:1000].reshape(20, 50, 6)]
    close(student["sets"][0, 0, 0], np.mean(held), 1e-6)
    curves = [run(fig_ntt_transfer.learn, part, 330, dict(student), labelled=330)[
        "curve"] for part in (110, 330)]
    np.testing.assert_array_equal(*curves)
    assert curves[0][:, 0].tolist() == [0, 100, 101, 200, 300, 330]
    assert len(set(curves[0][:, 1])) > 3


def test_parts_follow_each_other():
    jobs, counts = fig_ntt_transfer.jobs("full", 0, "folder"), collections.Counter()
    for function, own, *index in jobs:
        counts[function.__name__, own["name"], own["kind"]] += not own["first"]
        if index:
            earlier, before = jobs[index[0]][:2]
            assert all(before[key] == own[key] for key in ("name", "kind", "repeat"))
            assert earlier is (function if own["first"] else fig_ntt_transfer.transfer)
        else:
            assert own["first"] == 0
    assert [counts[what, "MLP", kind] for what, kind in (
        ("transfer", "at_masked"), ("learn", "at_masked"), ("learn", "permuted"))] == [
            20, 5, 5]
    assert counts["learn", "LeNet", "permuted early"] == 4


def test_networks_of_a_seed_see_the_same_batches_with_labels(monkeypatch):
    seen = []
    monkeypatch.setattr(fig_ntt_transfer, "problem", lambda *given: (
        training.perceptron(6, 9, 3), images(np.random.default_rng(4), 200), 1e-4))
    monkeypatch.setattr(training, "supervise", lambda *given, generator, **options: (
        seen.append(generator.random()), None, np.zeros((1, 2)), None))
    one = {"name": "digits", "folder": None, "seed": 0, "labelled": 9, "first": 0}
    for kind in ("permuted", "random"):
        for repeat in (0, 1):
            fig_ntt_transfer.learn(**one, kind=kind, repeat=repeat)
    assert seen[:2] == seen[2:] and seen[0] != seen[1]


def test_permuted_masks_keep_the_weights_of_each_line():
    """As in the code of [LZ20], which permutes the first axis of its arrays."""
    rng = np.random.default_rng(2)
    weights = convnet.init(SHAPES, rng)[0]
    found = training.first_masks("permuted", None, weights, None, None, 0.4,
                                 np.random.default_rng(8))
    for M, wanted in zip(found, pruning.magnitude(weights, 0.4), strict=True):
        np.testing.assert_array_equal(M.sum(axis=1), wanted.sum(axis=1))
        assert set(np.unique(M)) == {0, 1} and (M != wanted).any()
    dense = np.tile([1.0, 1, 0, 0, 0, 0, 0, 0], (400, 1)) + 1e-3 * rng.random((400, 8))
    M, = training.first_masks("permuted", None, [dense], None, None, 0.25, rng)
    assert (abs(M.mean(axis=0) - M.mean()) < 0.1).all()         # 4 standard errors
    assert len(np.unique(M, axis=0)) > 20


def test_training_with_labels_has_the_gradient_of_the_clear_module():
    net, rng = training.convolutional("lenet5_caffe"), np.random.default_rng(2)
    weights, biases = net.init(rng=rng)
    x, d = rng.normal(size=(3, 28, 28, 1)), rng.normal(size=(3, 10))
    recording, clear = net.model.forward(weights, biases, x), net._replace(fast=None)
    assert training.learning(clear) == (net.model.forward, net.backward)
    forward, backward = training.learning(net)
    tape = forward(weights, biases, x)
    assert isinstance(tape, training.fast_convnet.Tape)
    close(tape.outputs, recording.outputs, 1e-5)
    for one, other in zip(backward(weights, tape, d),
                          net.backward(weights, recording, d), strict=True):
        for a, b in zip(one, other, strict=True):
            close(a, b, 1e-5)


def test_a_transfer_holds_only_the_last_states_of_the_optimiser(monkeypatch):
    """The states of all 18,720 steps of a full transfer would fill the memory."""
    net, kept, real = training.perceptron(6, 20, 3), [], optimisers.adam

    def adam(state, gradient, **options):
        found = real(state, gradient, **options)
        kept.append(weakref.ref(found[0].mean))
        alive.append(sum(array() is not None for array in kept))
        return found

    alive, rng = [], np.random.default_rng(6)
    monkeypatch.setattr(training.optimisers, "adam", adam)
    training.transfer_part(
        net, net.init(rng=rng), images(rng).x, density=0.4, total=50, first=0, count=50,
        rate=1e-2, generator=rng, l2=1e-3, scope="layer", batch=8)
    assert len(kept) == 50 * 2 * 2 and max(alive) <= 3 * 2 * 2


@pytest.mark.parametrize("scope", ["layer", "global"])
def test_each_method_scores_the_first_training_images(scope):
    rng, net = np.random.default_rng(5), training.perceptron(6, 20, 3)
    (weights, biases), data = net.init(rng=rng), images(rng, 150)
    x, labels = data.x[:100].reshape(100, 6), data.labels[:100]
    recording = mlp.forward(weights, biases, x)
    dlogits = pruning.logit_doutputs(recording.outputs)
    dloss = training.cross_entropy(recording.outputs, labels)[1]
    slopes, logit_slopes = (mlp.backward(weights, recording, d).weights
                            for d in (dloss, dlogits))
    curved = training.hessian_gradient(net, weights, biases, x, labels)
    wanted = {"random": pruning.random(weights, 0.4, np.random.default_rng(8),
                                       scope=scope),
              "magnitude": pruning.magnitude(weights, 0.4, scope=scope),
              "SNIP": pruning.snip(weights, slopes, 0.4, scope=scope),
              "logit-SNIP": pruning.snip(weights, logit_slopes, 0.4, scope=scope),
              "GraSP": pruning.grasp(weights, curved, 0.4, scope=scope),
              "dense": [np.ones_like(W) for W in weights]}
    for method, masks in wanted.items():
        found = training.student(method, net, (weights, biases), data, 0.4,
                                 np.random.default_rng(8), scope)
        assert found.weights is weights
        for ours, theirs in zip(found.masks, masks, strict=True):
            np.testing.assert_array_equal(ours, theirs)
    seen = [np.concatenate([M.ravel() for M in masks]) for masks in wanted.values()]
    assert sum((one == other).all() for one in seen for other in seen) == len(seen)


def test_labels_train_a_copy_of_the_live_weights_with_adam():
    rng, net = np.random.default_rng(7), training.perceptron(6, 9, 3)
    (weights, biases), data = net.init(rng=rng), images(rng, 150)
    masks, kept = pruning.magnitude(weights, 0.4), [a.copy() for a in weights + biases]
    found = training.supervise(
        net, ntt.Student(weights, biases, masks), data, steps=5, every=2, rate=1e-2,
        generator=np.random.default_rng(8), l2=0.1)
    for now, before in zip(weights + biases, kept, strict=True):
        np.testing.assert_array_equal(now, before)
    weights = [W * M for W, M in zip(weights, masks, strict=True)]
    states, ones = [None] * 4, [np.ones_like(b) for b in biases]
    for index in training.batches(np.random.default_rng(8), np.arange(150), 5):
        recording = mlp.forward(weights, biases, data.x[index].reshape(-1, 6))
        doutputs = training.cross_entropy(recording.outputs, data.labels[index])[1]
        slopes = mlp.backward(weights, recording, doutputs)
        slopes = [dW + 0.2 * W for dW, W in zip(slopes.weights, weights, strict=True)] \
            + slopes.biases
        moved = [optimisers.adam(state, M * slope, rate=1e-2) for state, M, slope in
                 zip(states, masks + ones, slopes, strict=True)]
        states, steps = zip(*moved, strict=True)
        weights, biases = ([a + step for a, step in zip(*pair, strict=True)]
                           for pair in ((weights, steps[:2]), (biases, steps[2:])))
    for one, other in zip([*found[0], *found[1]], weights + biases, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)
    assert all((W[M == 0] == 0).all() for W, M in zip(found[0], masks, strict=True))
    assert found[2][:, 0].tolist() == [0, 2, 4, 5]
    assert found[2][-1, 1] == training.accuracy(net, *found[:2], data.x_test,
                                                data.labels_test)


# ---- images

def test_training_images_set_the_scale_of_each_channel():
    rng = np.random.default_rng(2)
    x, x_test = rng.random((30, 8, 3, 2)) * [1, 9], 3 + rng.random((20, 8, 3, 2))
    found = training.standardised(image_sets.Images(x, 0, x_test, 0))
    for k in range(2):
        mean, deviation = x[..., k].mean(), x[..., k].std()
        for a, b in ((found.x, x), (found.x_test, x_test)):
            np.testing.assert_allclose(a[..., k], (b[..., k] - mean) / deviation,
                                       rtol=1e-5, atol=1e-6)
    grey = training.standardised(
        image_sets.Images(x[..., 1], 0, x_test[..., 1], 0))
    np.testing.assert_allclose(grey.x, found.x[..., 1], rtol=1e-5, atol=1e-6)
    assert found.x.dtype == found.x_test.dtype == np.float32


def test_shuffled_images_keep_their_labels(monkeypatch):
    monkeypatch.setattr(training, "stored", lambda folder, name: image_sets.Images(
        np.arange(50), np.arange(50) + 7, np.arange(9), np.arange(9) + 7))
    found = training.shuffled("folder", "mnist", 1)
    assert sorted(found.x) == list(range(50)) != found.x.tolist()
    assert (found.labels == found.x + 7).all()
    assert found.x_test.tolist() == (found.labels_test - 7).tolist() == list(range(9))


def test_an_epoch_of_batches_has_no_image_twice():
    found = training.batches(np.random.default_rng(3), 10 + np.arange(11), 8, 3)
    epochs = [np.concatenate([found[i] for i in part]) for part in
              (range(3), range(3, 6), range(6, 8))]
    assert len(found) == 8 and [len(set(epoch)) for epoch in epochs] == [9, 9, 6]
    assert all(set(epoch) < set(range(10, 21)) for epoch in epochs)
    assert epochs[0].tolist() != epochs[1].tolist()


def test_unevenness_among_similar_pixels():
    """Counts that only depend on the variability of a pixel are even, given it."""
    rng = np.random.default_rng(1)
    varies = rng.random((2, 400))
    rank = varies.argsort(axis=1).argsort(axis=1)
    counts = 20.0 + rank // 20
    assert (fig_ntt_masks.unevenness(counts, 0.0) > 1).all()
    assert fig_ntt_masks.unevenness_given(varies, counts, 0.0).tolist() == [0, 0]
    drawn = rng.binomial(20 + rank // 20, 0.5)
    within = fig_ntt_masks.unevenness_given(varies, drawn, 0.5)
    assert (abs(within - 1) < 0.25).all()                       # 3 standard errors
    assert (fig_ntt_masks.unevenness(drawn, 0.5) > 1.3).all()


def test_masks_without_the_penalty_come_from_the_same_batches(monkeypatch):
    seen, student = {}, training.student

    def watched(method, net, teacher, images, density, generator, scope, **options):
        seen[one] = method, generator.random(), options["l2"], teacher[0][0].sum()
        return student("magnitude", net, teacher, images, density, generator, scope)

    monkeypatch.setattr(training, "student", watched)
    for one in ("NTT", fig_ntt_masks.FREE):
        fig_ntt_masks.masks("digits", None, one, "layer", 9, 0, 0)
    assert seen["NTT"][2] == 1e-4 and seen[fig_ntt_masks.FREE][2] == 0
    assert seen["NTT"][::3] == seen[fig_ntt_masks.FREE][::3]
    assert seen["NTT"][1] == seen[fig_ntt_masks.FREE][1]
