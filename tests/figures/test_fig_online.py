"""Training for the figure of online learning: gradients of single steps, data, cost."""

import collections

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from tolerances import RTOL_FD, close

from figures.online import fig_online as figure
from figures.online import online_training as training
from figures.train import lif_training
from refsnn import alif, datasets, lif, rtrl, sparse_rtrl, surrogates

T, B = 24, 3
TASK = training.Task(5, 4, 6, (2.0, 0.6, 0.5), 10.0, 5.0, hidden=6)
CONSTANTS = TASK.constants()


def drawn():
    """Draw weights in float64, and sequences during which the network is active."""
    rng = np.random.default_rng(2)
    weights = [part.astype(float) for part in training.initial(rng, TASK)]
    x = (rng.random((T, B, TASK.inputs)) < 0.3).astype(float)
    return weights, x, rng.integers(0, TASK.classes, B)


def recorded(rule, weights, x):
    """Return the recording of the layer, and the surrogate derivative."""
    W, V, _ = weights
    if rule == training.ALIF:
        run = alif.simulate(x, W, V, **training.ADAPTIVE, **CONSTANTS)
        v = run.mem - training.ADAPTIVE["adaptation"] * run.adapted - 1
    else:
        run = lif.simulate(x, W, V, **CONSTANTS)
        v = run.mem - 1
    assert 0.02 < run.spikes.mean() < 0.5
    return run, surrogates.fast_sigmoid(v, training.STEEPNESS)[1]


def whole(rule, weights, x, labels, t=None):
    """Return the gradients of sum_t L[t], or of one L[t], by other routes."""
    W, V, out = weights
    run, psi = recorded(rule, weights, x)
    y = lif.readout(run.spikes, out, **CONSTANTS)
    dy = training.error(y, labels)
    dy *= t is None or np.arange(T)[:, None, None] == t
    top = lif.readout_backward(run.spikes, out, dy, **CONSTANTS)
    if rule == training.ALIF:
        layer = alif.gradient(x, V, run, psi, top.dx, **training.ADAPTIVE, **CONSTANTS)
    else:
        through = rule in ("exact", "block", training.BPTT)
        layer = lif.backward(x, W, np.diag(np.diag(V)) if rule == "block" else V, run,
                             psi, top.dx, through_recurrence=through,
                             through_reset=rule != "presynaptic", **CONSTANTS)
    return [layer[0], layer[1], top.dW]


def captured(monkeypatch, rule, weights, *rest, rate):
    """Run `learn_online`; return its results, and all gradients that it used."""
    calls, update = [], lif_training.update

    def keep(weights, found, *args, **kwargs):
        calls.append([part.copy() for part in found])
        return update(weights, found, *args, **kwargs)

    monkeypatch.setattr(lif_training, "update", keep)
    result = training.learn_online(rule, weights, [None] * 3, *rest, TASK, rate=rate)
    monkeypatch.undo()
    return result, calls


@pytest.mark.parametrize("rule", training.ONLINE)
def test_without_weight_changes_the_steps_add_up_to_the_whole_gradient(rule):
    weights, x, labels = drawn()
    same, _, total = training.learn_online(rule, weights, [None] * 3, x, labels, TASK,
                                           rate=0)
    for a, b in zip(same, weights, strict=True):
        assert_array_equal(a, b)
    for found, wanted in zip(total, whole(rule, weights, x, labels), strict=True):
        close(found, wanted)
    if rule == training.ALIF:
        return
    run, psi = recorded(rule, weights, x)
    y = lif.readout(run.spikes, weights[2], **CONSTANTS)
    dspikes = lif.readout_backward(run.spikes, weights[2], training.error(y, labels),
                                   **CONSTANTS).dx
    args = x, weights[1], run, psi, dspikes
    found = sparse_rtrl.gradient(*args, rule=rule, **CONSTANTS)
    for a, b in zip(total[:2], found, strict=True):
        close(a, b)
    if rule == "exact":
        J, F, _ = lif.linearise(x, *weights[:2], run, psi, **CONSTANTS)
        flat = rtrl.gradient(J, F, lif.credit(psi, dspikes))
        close(np.concatenate([a.ravel() for a in total[:2]]), flat)
    else:
        exact = sparse_rtrl.gradient(*args, rule="exact", **CONSTANTS)
        assert np.linalg.norm(total[1] - exact.dV) > 1e-3 * np.linalg.norm(exact.dV)


@pytest.mark.parametrize("rule", training.ONLINE)
def test_each_step_uses_the_gradient_of_its_own_loss(rule, monkeypatch):
    weights, x, labels = drawn()
    _, calls = captured(monkeypatch, rule, weights, x, labels, rate=0)
    assert len(calls) == T
    for t in (0, 5, 11, T - 1):
        wanted = whole(rule, weights, x, labels, t)
        for found, part in zip(calls[t], wanted, strict=True):
            assert_allclose(found, part, rtol=0, atol=1e-10 * abs(part).max())
    assert all(abs(part).max() > 0 for part in calls[-1])


@pytest.mark.parametrize("rule", training.ONLINE)
def test_the_weights_change_during_a_sequence(rule, monkeypatch):
    """The last gradient belongs to changed weights; the first T - 1 agree with a run
    that ends one step earlier."""
    weights, x, labels = drawn()
    (new, states, total), calls = captured(monkeypatch, rule, weights, x, labels,
                                           rate=1e-2)
    shorter = training.learn_online(rule, weights, [None] * 3, x[:-1], labels, TASK,
                                    rate=1e-2)
    for k in range(3):
        close(sum(found[k] for found in calls), total[k])
        close(total[k] - calls[-1][k], shorter[2][k])
        assert abs(new[k] - shorter[0][k]).max() > 0
        assert abs(total[k] - whole(rule, weights, x, labels)[k]).max() \
            > 1e-3 * abs(total[k]).max()
    assert [state.step for state in states] == [T] * 3


def test_traces_of_exact_rtrl_use_the_weights_of_each_step():
    """With changing weights, exact RTRL equals the chain rule through the states."""
    weights, x, labels = drawn()
    n, c, rate = TASK.hidden, TASK.inputs + TASK.hidden, 1e-2
    path = [weights]
    for t in range(1, T):
        path.append(training.learn_online("exact", weights, [None] * 3, x[:t], labels,
                                          TASK, rate=rate)[0])
    total = training.learn_online("exact", weights, [None] * 3, x, labels, TASK,
                                  rate=rate)[2]
    layer = reading = None
    M, g, f = np.zeros((B, 2 * n, n * c)), 0, 0
    found = [0, 0]
    for t, (W, V, out) in enumerate(path):
        now, layer = lif.step(x[t] @ W.T, V, layer, **CONSTANTS)
        y, reading = lif.readout_step(now.spikes @ out.T, reading, **CONSTANTS)
        psi = surrogates.fast_sigmoid(now.mem - 1, training.STEEPNESS)[1]
        q = training.error(y, labels) @ out
        both = np.einsum("bk,bkp->p", q, f + np.zeros((B, n, n * c))).reshape(n, c)
        found = [found[0] + both[:, :c - n], found[1] + both[:, c - n:]]
        f, g = CONSTANTS["beta"] * f + g, \
            CONSTANTS["alpha"] * g + psi[:, :, None] * M[:, n:]
        rows = [np.stack([field, 0 * field]) for field in now]
        one = np.stack([psi, psi])
        # Two recorded rows, of which the first is this step, give J and F of t + 1.
        J, F, _ = lif.linearise(np.stack([x[t], x[t]]), W, V, lif.Recording(*rows), one,
                                **CONSTANTS)
        M = J[1] @ M + by_neuron(F[1], n, c)
    close(total[0], found[0])
    close(total[1], found[1])


def by_neuron(F, n, c):
    """Reorder columns, all of W before all of V, to W and V of each neuron in turn."""
    m = c - n
    W, V = F[..., :n * m], F[..., n * m:]
    return np.concatenate([W.reshape(B, 2 * n, n, m), V.reshape(B, 2 * n, n, n)],
                          axis=3).reshape(B, 2 * n, n * c)


def test_bptt_changes_the_weights_once():
    weights, x, labels = drawn()
    new, states, found = training.learn_after(weights, [None] * 3, x, labels, TASK,
                                              rate=1e-2)
    for ours, theirs in zip(found, whole(training.BPTT, weights, x, labels),
                            strict=True):
        close(ours, theirs)
    assert [state.step for state in states] == [1] * 3
    assert_allclose(abs(new[0] - weights[0]).max(), 1e-2, rtol=1e-5)    # by Adam


def test_readout_alone_leaves_the_layer_unchanged():
    weights, x, labels = drawn()
    new, _, total = training.learn_online(training.ALONE, weights, [None] * 3, x,
                                          labels, TASK, rate=1e-2)
    assert_array_equal(new[0], weights[0])
    assert_array_equal(new[1], weights[1])
    assert abs(new[2] - weights[2]).max() > 1e-2
    assert not total[0].any() and not total[1].any() and total[2].any()


def test_error_is_the_derivative_of_the_cross_entropy():
    rng = np.random.default_rng(1)
    y, labels = rng.normal(size=(7, 5, 4)), rng.integers(0, 4, 5)

    def loss(y):
        each = np.log(np.exp(y).sum(axis=2)) - y[:, np.arange(5), labels]
        return each.mean(axis=1).sum()

    step = 1e-6 * rng.normal(size=y.shape)
    slope = loss(y + step) - loss(y - step)
    assert_allclose((training.error(y, labels) * 2 * step).sum(), slope, rtol=RTOL_FD)
    assert_array_equal(training.error(y, labels)[3], training.error(y[3], labels))
    assert training.error(y.astype(np.float32), labels).dtype == np.float32
    assert np.isfinite(training.error(1e4 * y, labels)).all()


# ---- data

def test_a_level_crossing_is_one_spike():
    signal = np.array([0.0, 0.3, 0.3, 0.9, 0.6, 0.0])[:, None, None]
    spikes = training.crossings(signal, 2)[:, 0]            # levels 0.25 and 0.75
    assert_array_equal(spikes.T, [[0, 1, 0, 0, 0, 0], [0, 0, 0, 1, 0, 0],
                                  [0, 0, 0, 0, 0, 1], [0, 0, 0, 0, 1, 0]])
    assert spikes.dtype == np.float32
    one = training.crossings(np.ones((4, 1, 1)), 1)         # a jump before step 0
    assert_array_equal(one[:, 0], [[1, 0], [0, 0], [0, 0], [0, 0]])


def test_rows_of_a_digit_can_be_recovered_from_its_spikes():
    sets = training.digits(np.random.default_rng(3))
    images, labels = datasets.digits()
    train, test = datasets.split(
        labels, seed=int(np.random.default_rng(3).integers(2 ** 31)))
    for (x, found), part in zip(sets, (train, test), strict=True):
        assert x.shape == (9 * training.ROW, len(part), training.TASKS["digits"].inputs)
        assert_array_equal(found, labels[part])
        count = np.cumsum(x[..., :16] - x[..., 16:], axis=0)
        shown = count.reshape(9, training.ROW, len(part), 8, 2)
        levels = images[part].transpose(1, 0, 2)[..., None] > np.array([0.25, 0.75])
        assert_array_equal(shown[:8, 0], levels)
        assert_array_equal(shown[:8, -1], levels)
        assert not shown[8].any()
    assert set(train).isdisjoint(test)


def test_braille_uses_four_sensors_scaled_by_the_training_set(tmp_path):
    rng = np.random.default_rng(4)
    labels = np.repeat(np.arange(27), 10).astype(np.uint8)
    taxels = rng.integers(0, 256, (270, 77, 12), dtype=np.uint8)
    train, _ = datasets.split(labels.astype(int),
                              seed=int(np.random.default_rng(5).integers(2 ** 31)))
    taxels[train] = 60 + taxels[train] // 2         # a smaller range than in the test
    np.savez(tmp_path / "braille.npz", taxels=taxels, letter=labels)
    (x, first), (x_test, second) = training.braille(np.random.default_rng(5), tmp_path)
    task = training.TASKS["braille"]
    assert x.shape == (76, 216, task.inputs) and x_test.shape == (76, 54, task.inputs)
    assert np.bincount(first).tolist() == 27 * [8] and task.classes == 27
    assert np.bincount(second).tolist() == 27 * [2]
    signal = 255 - taxels[train][:, :76, [1, 2, 6, 10]].astype(float)
    signal -= signal.min(axis=(0, 1))
    above = signal / signal.max(axis=(0, 1)) > 0.625        # level 2 of 4
    count = np.cumsum(x[..., :16] - x[..., 16:], axis=0).reshape(76, 216, 4, 4)
    assert (count[..., 2] == above.swapaxes(0, 1)).mean() > 0.999       # rounding


# ---- training, cost and claims

@pytest.mark.parametrize("rule", training.RULES)
def test_a_rule_learns_and_its_seed_decides(rule):
    kwargs = {"task": "digits", "folder": None, "rule": rule, "rate": 5e-4,
              "epochs": 0.05, "repeat": 1}
    found, again = (training.learn(**kwargs, seed=0) for _ in range(2))
    other = training.learn(**kwargs, seed=1)
    assert_array_equal(found["curve"], again["curve"])
    assert (found["curve"] != other["curve"]).any()
    assert found["curve"].shape == (training.POINTS,)
    assert found["seen"][-1] == 4 * 16 and found["steps"] == 9 * training.ROW


def test_rules_start_alike_and_see_the_same_sequences(monkeypatch):
    seen = []

    def nothing(*args, **kwargs):
        args = args if len(args) == 5 else args[1:]
        seen.append((args[0][0].copy(), args[2].sum(axis=(0, 2)), args[3]))
        return *args[:2], None

    monkeypatch.setattr(training, "learn_online", nothing)
    monkeypatch.setattr(training, "learn_after", nothing)
    for rule in training.RULES:
        training.learn("digits", None, rule, 1e-3, 0.03, 0, 0)
    parts = len(seen) // len(training.RULES)
    assert parts == 2
    for i, (weights, x, labels) in enumerate(seen):
        assert_array_equal(weights, seen[i % parts][0])
        assert_array_equal(x, seen[i % parts][1])
        assert_array_equal(labels, seen[i % parts][2])


@pytest.mark.parametrize("rule", [training.BPTT, "exact"])
def test_each_epoch_is_shuffled_and_the_learning_rate_decreases(rule, monkeypatch):
    """The labels of the toy data are the numbers of its 50 sequences."""
    rates, seen = [], []

    def nothing(*given, rate, rule=None):
        rates.append(rate)
        seen.append(given[-2])
        assert_array_equal(given[-3][0, :, 0], given[-2])
        return *given[-5:-3], None

    toy = np.arange(50) * np.ones((3, 1)), np.arange(50)
    monkeypatch.setattr(training, "digits", lambda generator: [
        (toy[0][..., None], toy[1])] * 2)
    monkeypatch.setattr(training, "tested", lambda *given: 0.0)
    monkeypatch.setattr(training, "learn_online", nothing)
    monkeypatch.setattr(training, "learn_after", nothing)
    found = training.learn("digits", None, rule, 0.2, 2, 0, 0)
    first, second = (np.concatenate(part).tolist() for part in (seen[:3], seen[3:]))
    assert len(first) == len(set(first)) == len(second) == len(set(second)) == 48
    assert len({tuple(first), tuple(second), tuple(sorted(first))}) == 3
    assert_allclose(rates, 0.1 + 0.1 * np.cos(np.pi * np.arange(6) / 6))
    assert found["seen"][-1] == 6 * 16


def test_multiplications():
    one = TASK._replace(hidden=1)
    work = {rule: training.multiplications(rule, TASK) for rule in training.RULES}
    assert work["exact"] > work["block"] > work["implicit"] > work["presynaptic"]
    assert training.multiplications("exact", one) == \
        training.multiplications("block", one)
    n, m, k = 6, 5, 4
    c = m + n
    assert work[training.ALONE] == 2 * n + 2 * k + 2 * n + n * k
    assert work["presynaptic"] - work[training.ALONE] == 2 * c + 4 * n * c + n * k
    assert work["implicit"] - work["presynaptic"] == 2 * n * c - 2 * c
    assert work["block"] - work["implicit"] == n * c
    assert work["exact"] - work["block"] == (n - 1) * n * c * (n + 7)
    assert work[training.ALIF] - work["presynaptic"] == 2 * n + 3 * n * c
    assert work[training.BPTT] == 2 * n + 4 * k + n * k + n * n + 5 * n


def measured(*changed):
    """Return the numbers of the claims, for final accuracies of one run each."""
    final = [dict.fromkeys(training.RULES, 0.8) | {training.ALONE: 0.2} | each
             for each in changed]
    curves = {figure.IDS[rule]: np.array([[each[rule]] for each in final])
              for rule in final[0]}
    return figure.measured({**curves, "multiplications": np.arange(7) + 1})


def test_differences_and_gains_are_those_of_each_run():
    found = measured({"block": 0.9, "presynaptic": 0.5},
                     {"exact": 0.7, training.ALIF: 1})
    assert_allclose(found["block-minus-exact"], [0.1, 0.1])
    assert_allclose(found["implicit-minus-exact"], [0, 0.1])
    assert_allclose(found["presynaptic-minus-exact"], [-0.3, 0.1])
    assert_allclose(found["gain"], [0.5, 1.2])
    assert_allclose(found["e-prop-adaptive"], [0.8, 1])
    assert_allclose(found["readout-alone"], 0.2)
    assert found["multiplications"] == 1 / 4
    assert np.isnan(measured({training.ALONE: 0.9})["gain"]).all()
    found = measured({**dict.fromkeys(figure.CONTROLS, 0.5), "block, after": 0.7})
    assert found["half-minus-exact"] == pytest.approx(-0.3)
    assert found["block-minus-exact-after"] == pytest.approx(0.2)
    assert found["implicit-minus-exact-after"] == 0
    assert set(found) == {claim.id for claim in figure.claims("full")}


def test_more_runs_of_some_rules_with_full():
    listed = [kwargs for _, kwargs in figure.jobs("full", 0, "folder")]
    counts = collections.Counter((kwargs["rule"], kwargs.get("after", False),
                                  kwargs["rate"]) for kwargs in listed)
    assert counts[("exact", False, 2e-4)] == counts[("block", False, 2e-4)] == 30
    assert counts[("exact", False, 1e-4)] == 30 and counts[("presynaptic", False,
                                                            2e-4)] == 5
    assert counts[("implicit", True, 3e-3)] == 10
    done = [{**kwargs, "after": kwargs.get("after", False), "curve": [i], "seen": 1,
             "steps": 3, "neurons": 16} for i, kwargs in enumerate(listed)]
    data = figure.gather(done)
    assert {len(data[figure.IDS[rule]]) for rule in figure.COMPARED} == {30}
    assert len(data["exact-half-rate"]) == 30 and len(data["block-after"]) == 10
    shared = [{**kwargs, "repeat": 0} for kwargs in listed if kwargs["repeat"] == 7]
    assert len(shared) == 7


def test_weights_that_change_after_the_sequence_follow_the_summed_gradient():
    """For exact RTRL, the sum over time is the gradient of BPTT."""
    weights, x, labels = drawn()
    once = [training.learn_after(weights, [None] * 3, x, labels, TASK, rate=1e-2,
                                 rule=rule) for rule in ("exact", training.BPTT)]
    for a, b in zip(once[0][2], once[1][2], strict=True):
        assert abs(b).max() > 0
        assert_allclose(a, b, rtol=1e-9, atol=1e-12)
    for a, b, c in zip(once[0][0], once[1][0], weights, strict=True):
        assert_allclose(a, b, rtol=1e-6)
        assert (a != c).any()
