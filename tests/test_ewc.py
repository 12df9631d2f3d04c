"""Elastic weight consolidation: Fisher information by brute force, and penalties."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from proofs import proves
from strategies import SEEDS
from tolerances import RTOL, RTOL_FD, close

from refsnn import checks, ewc, mlp

SIZES = (3, 4, 5, 3)


def network(seed, N=6, dtype=np.float64):
    rng = np.random.default_rng(seed)
    weights, biases = mlp.init(SIZES, rng, dtype)
    weights = [2 * W for W in weights]
    x = rng.normal(size=(N, SIZES[0])).astype(dtype)
    rec = mlp.forward(weights, biases, x, "tanh")
    return weights, biases, rec, mlp.signals(weights, rec, "tanh"), rng


def log_softmax(f):
    return f - np.log(np.exp(f).sum(axis=-1, keepdims=True))


def flat(found):
    return np.concatenate([np.concatenate([W.ravel(), b]) for W, b in
                           zip(found.weights, found.biases, strict=True)])


def score(net, n, error):
    """Return d log p(y) / d theta of sample n alone, by `mlp.backward`."""
    weights, biases, rec = net[:3]
    one = mlp.forward(weights, biases, rec.inputs[0][n:n + 1], "tanh")
    return flat(ewc.Fisher(*mlp.backward(weights, one, error[None], "tanh")))


def brute(net, labels=None, gaussian=False):
    """Return the expectation of squared scores, by loops over samples and labels."""
    rec, total = net[2], 0.0
    N, K = rec.outputs.shape
    for n in range(N):
        p = np.exp(log_softmax(rec.outputs[n]))
        for y in range(K):
            if gaussian:
                total = total + score(net, n, np.eye(K)[y]) ** 2
                continue
            weight = p[y] if labels is None else float(labels[n] == y)
            total = total + weight * score(net, n, np.eye(K)[y] - p) ** 2
    return total / N


@proves("ewc", 4, 5, 6, 7, 8, 9)
@given(SEEDS, st.integers(1, 6))
def test_fisher_is_the_mean_of_squared_scores(seed, N):
    net = network(seed, N)
    _, _, rec, signals, rng = net
    labels = rng.integers(0, SIZES[-1], N)
    found = [flat(ewc.fisher(rec.inputs, signals, rec.outputs)),
             flat(ewc.fisher(rec.inputs, signals, rec.outputs, labels)),
             flat(ewc.fisher(rec.inputs, signals, rec.outputs, likelihood="gaussian"))]
    right = [brute(net), brute(net, labels), brute(net, gaussian=True)]
    for a, b in zip(found, right, strict=True):
        assert b.min() >= 0 and b.max() > 0
        assert_allclose(a, b, rtol=RTOL, atol=RTOL * b.max())
    for a, b in ((0, 1), (0, 2), (1, 2)):
        assert np.abs(found[a] - found[b]).max() > 1e-3 * found[a].max()


def test_scores_are_derivatives_of_the_log_probability():
    """This proves `brute`, and therefore `fisher`."""
    net = network(1, N=2)
    weights, biases, rec = net[:3]
    for y in range(SIZES[-1]):
        def value(theta, y=y):
            out = mlp.forward(theta[:3], theta[3:], rec.inputs[0][1:], "tanh").outputs
            return float(log_softmax(out)[0, y])

        error = np.eye(SIZES[-1])[y] - np.exp(log_softmax(rec.outputs[1]))
        one = mlp.forward(weights, biases, rec.inputs[0][1:], "tanh")
        grad = mlp.backward(weights, one, error[None], "tanh")
        checks.gradient(value, [*weights, *biases], [*grad.weights, *grad.biases],
                        rtol=RTOL_FD)


@proves("ewc", 1, 4, 5, 6, 7)
def test_fisher_by_finite_differences_of_the_log_probability():
    """The check is entry by entry and uses no derivative of `mlp`."""
    weights, biases, rec, signals, _ = network(2, N=3)
    theta = [a for pair in zip(weights, biases, strict=True) for a in pair]

    def logp(theta):
        return log_softmax(mlp.forward(theta[::2], theta[1::2], rec.inputs[0],
                                       "tanh").outputs)

    found, right, h = flat(ewc.fisher(rec.inputs, signals, rec.outputs)), [], 1e-4
    for array in theta:
        for index in np.ndindex(array.shape):
            kept, ends = array[index], []
            for step in (h, -h, h / 2, -h / 2):
                array[index] = kept + step
                ends.append(logp(theta))
            array[index] = kept
            slope = (4 * (ends[2] - ends[3]) / h - (ends[0] - ends[1]) / (2 * h)) / 3
            right.append((np.exp(logp(theta)) * slope ** 2).sum(axis=1).mean())
    assert_allclose(found, right, rtol=RTOL_FD, atol=RTOL_FD * max(right))


def test_labels_drawn_from_the_model_estimate_the_exact_fisher():
    weights, biases, rec, signals, rng = network(3, N=4)
    exact = flat(ewc.fisher(rec.inputs, signals, rec.outputs))
    p = np.exp(log_softmax(rec.outputs))
    draws = np.array([flat(ewc.fisher(
        rec.inputs, signals, rec.outputs,
        np.array([rng.choice(3, p=q) for q in p]))) for _ in range(1500)])
    error = draws.std(axis=0) / np.sqrt(len(draws))
    assert np.all(np.abs(draws.mean(axis=0) - exact) < 5 * error + RTOL * exact.max())
    assert error.max() < 0.1 * exact.max()


@given(SEEDS)
def test_samples_average_and_a_constant_added_to_all_logits_has_no_effect(seed):
    _, _, rec, signals, _ = network(seed)
    both = flat(ewc.fisher(rec.inputs, signals, rec.outputs))
    halves = [flat(ewc.fisher([a[s] for a in rec.inputs], [g[s] for g in signals],
                              rec.outputs[s])) for s in (slice(2), slice(2, None))]
    assert_allclose(both, (2 * halves[0] + 4 * halves[1]) / 6, rtol=RTOL)
    shifted = flat(ewc.fisher(rec.inputs, signals, rec.outputs + 900.0))
    assert_allclose(shifted, both, rtol=RTOL, atol=RTOL * both.max())


def test_a_head_equals_its_columns():
    """Omitting columns equals setting their logits to -200."""
    _, _, rec, signals, _ = network(4)
    head = np.array([0, 2])
    found = ewc.fisher(rec.inputs, [g[:, head] for g in signals], rec.outputs[:, head])
    outputs = rec.outputs.copy()
    outputs[:, 1] = -200
    right = flat(ewc.fisher(rec.inputs, signals, outputs))
    assert_allclose(flat(found), right, rtol=RTOL, atol=RTOL * right.max())
    assert found.biases[-1][1] == 0


@proves("ewc", 1, 4, 5, 6, 7, 8)
def test_fisher_by_hand():
    """One weight: p = 1/2, logits (w a, 0); F = p (1 - p) a^2."""
    inputs, signals = [np.array([[3.0], [1.0]])], [np.array([[[1.0], [0.0]]] * 2)]
    found = ewc.fisher(inputs, signals, np.zeros((2, 2)))
    assert_allclose([found.weights[0][0, 0], found.biases[0][0]], [1.25, 0.25],
                    rtol=1e-15)
    found = ewc.fisher(inputs, signals, np.array([[np.log(3.0), 0]] * 2),
                       np.array([0, 1]))
    # p = 3/4, 1/4: (1/16 9 + 9/16) / 2
    assert_allclose([found.weights[0][0, 0], found.biases[0][0]],
                    [9 / 16, 5 / 16], rtol=1e-14)
    found = ewc.fisher(inputs, signals, np.array([[1.7e308, -1.7e308]] * 2),
                       np.array([1, 1]))                # p = 1, 0; errors of 1
    assert [found.weights[0][0, 0], found.biases[0][0]] == [5, 1]
    found = ewc.fisher(inputs, signals, np.array([[1000.0, 1001.0], [0.0, 1.0]]))
    assert_allclose(found.biases[0], np.e / (1 + np.e) ** 2, rtol=1e-14)


@given(SEEDS, st.sampled_from([np.float32, np.float64]))
def test_dtype_shapes_and_inputs(seed, dtype):
    weights, biases, rec, signals, rng = network(seed, dtype=dtype)
    arrays = [*rec.inputs, *signals, rec.outputs]
    before = [a.copy() for a in arrays]
    found = ewc.fisher(rec.inputs, signals, rec.outputs)
    theta = [*weights, *biases]
    state = ewc.accumulate(None, [*found.weights, *found.biases], theta)
    state = ewc.accumulate(state, state.importance, theta, decay=np.float64(0.5))
    pull = ewc.penalty_gradient(state, [a + 1 for a in theta], np.float64(0.5))
    for likes, values in ((theta, [*found.weights, *found.biases]), (theta, pull),
                          (theta, state.anchor), (theta, state.importance)):
        for like, a in zip(likes, values, strict=True):
            assert (a.dtype, a.shape) == (dtype, like.shape)
            assert not any(np.shares_memory(a, b) for b in theta)
    for a, b in zip(arrays, before, strict=True):
        assert_array_equal(a, b)
    exact = network(seed)
    right = flat(ewc.fisher(exact[2].inputs, exact[3], exact[2].outputs))
    assert np.linalg.norm(flat(found) - right) < 1e-4 * np.linalg.norm(right)


# --- penalty -----------------------------------------------------------------------

def history(seed, tasks=3, several=True):
    """Return [(F, parameters)] of some tasks; one entry of F is always 0."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(tasks):
        F = [rng.uniform(0.1, 2, s) for s in ((2, 3), (4,))[:1 + several]]
        F[0][0, 0] = 0
        found.append((F, [rng.normal(size=f.shape) for f in F]))
    return found, rng


def consolidated(tasks, anchors, **options):
    state = None
    for F, theta in tasks:
        state = ewc.accumulate(state, F, theta, anchors, **options)
    return state


@proves("ewc", 3)
@given(SEEDS, st.integers(1, 4), st.booleans())
def test_all_anchors_equal_one_penalty_per_task(seed, count, several):
    tasks, rng = history(seed, count, several)
    state = consolidated(tasks, "all")

    def separate(theta):
        return sum(float(np.sum(0.35 * f * (t - a) ** 2)) for F, anchor in tasks
                   for f, t, a in zip(F, theta, anchor, strict=True))

    points = [[rng.normal(size=f.shape) for f in tasks[0][0]] for _ in range(2)]
    offsets = [separate(p) - ewc.penalty(state, p, 0.7) for p in points]
    assert_allclose(offsets[0], offsets[1], rtol=RTOL, atol=RTOL * separate(points[0]))
    pull = ewc.penalty_gradient(state, points[0], 0.7)
    right = [sum(0.7 * F[i] * (points[0][i] - anchor[i]) for F, anchor in tasks)
             for i in range(len(pull))]
    for a, b in zip(pull, right, strict=True):
        assert_allclose(a, b, rtol=RTOL, atol=RTOL * np.abs(b).max())
    assert state.anchor[0][0, 0] == tasks[-1][1][0][0, 0]       # where F is 0
    latest = consolidated(tasks, "latest")
    same = np.allclose(latest.anchor[0], state.anchor[0])
    assert same == (count == 1) and state.tasks == count


@proves("ewc", 2, 3)
@given(SEEDS, st.floats(0.1, 10))
def test_two_tasks_of_a_network(seed, strength):
    """With all anchors, eq. (2) omits a constant, F1 F2 / (F1 + F2) (a1 - a2)^2."""
    tasks = []
    for offset in (0, 1):
        weights, biases, rec, signals, rng = network(seed + offset)
        found = ewc.fisher(rec.inputs, signals, rec.outputs)
        tasks.append(([*found.weights, *found.biases], [*weights, *biases]))
    theta = [rng.normal(size=a.shape) for a in tasks[0][1]]
    (F1, a1), (F2, a2), (_, t) = (
        [np.concatenate([a.ravel() for a in arrays]) for arrays in pair]
        for pair in (*tasks, (theta, theta)))
    gap = F1 * F2 / (F1 + F2) * (a1 - a2) ** 2
    for anchors, value, slope in (
            ("latest", (F1 + F2) * (t - a2) ** 2, (F1 + F2) * (t - a2)),
            ("all", F1 * (t - a1) ** 2 + F2 * (t - a2) ** 2 - gap,
             F1 * (t - a1) + F2 * (t - a2))):
        state = consolidated(tasks, anchors)
        close(ewc.penalty(state, theta, strength), strength / 2 * value.sum())
        close(np.concatenate([a.ravel() for a in ewc.penalty_gradient(
            state, theta, strength)]), strength * slope)


@given(SEEDS)
def test_latest_anchor_keeps_the_sum_of_importances(seed):
    tasks, _ = history(seed)
    state, unnamed = consolidated(tasks, "latest"), None
    for F, theta in tasks:
        unnamed = ewc.accumulate(unnamed, F, theta)
    for i, a in enumerate(state.anchor):
        assert_array_equal(a, unnamed.anchor[i])
        assert_array_equal(a, tasks[-1][1][i])
        assert_allclose(state.importance[i], sum(F[i] for F, _ in tasks), rtol=RTOL)
        tasks[-1][1][i] += 1                    # live parameters change
        assert np.all(a != tasks[-1][1][i])


@proves("ewc", 3)
@given(SEEDS, st.sampled_from(["latest", "all"]))
def test_penalty_gradient_by_finite_differences(seed, anchors):
    tasks, rng = history(seed)
    state = consolidated(tasks, anchors)
    theta = [rng.normal(size=f.shape) for f in tasks[0][0]]
    pull = ewc.penalty_gradient(state, theta, 0.7)
    checks.gradient(lambda t: ewc.penalty(state, t, 0.7), theta, pull, rtol=1e-8,
                    step=1e-2)
    assert ewc.penalty(state, theta, 0.0) == 0


@proves("ewc", 10)
@given(SEEDS, st.integers(1, 4), st.floats(0, 1), st.sampled_from(["latest", "all"]))
def test_online_importances_by_differences_of_decayed_penalties(seed, count, decay,
                                                                anchors):
    """Each new task multiplies the penalties of all earlier tasks by the decay.

    The second differences of a quadratic penalty are exact.
    """
    tasks, rng = history(seed, count)
    state = consolidated(tasks, anchors, decay=decay)
    theta, step = rng.normal(size=(2, 3)), rng.normal(size=(2, 3))

    def separate(theta):
        total = 0.0
        for F, anchor in tasks:
            at = anchor[0] if anchors == "all" else tasks[-1][1][0]
            total = decay * total + 0.35 * F[0] * (theta - at) ** 2
        return total

    def online(theta):
        return ewc.penalty(state, [theta, state.anchor[1]], 0.7)

    for place in np.ndindex(theta.shape):
        e = np.zeros_like(step)
        e[place] = step[place]
        for weights in ((1, -2, 1), (-0.5, 0, 0.5)):
            found, right = (sum(w * np.sum(f(theta + k * e)) for w, k in zip(
                weights, (-1, 0, 1), strict=True)) for f in (online, separate))
            assert_allclose(found, right, rtol=RTOL, atol=RTOL * np.sum(
                separate(theta)))


def test_online_importances_by_hand():
    state = None
    for F in (8.0, 4.0, 2.0):
        state = ewc.accumulate(state, F * ONE, ONE, decay=0.25)
    assert state.importance.tolist() == [3.5, 3.5]      # 8/16 + 4/4 + 2
    assert ewc.accumulate(state, ONE, ONE, decay=0.0).importance.tolist() == [1, 1]


def test_accumulate_does_not_modify_the_state():
    tasks, _ = history(1)
    first = ewc.accumulate(None, *tasks[0])
    kept = [a.copy() for a in first.importance + first.anchor]
    for anchors in ("latest", "all"):
        ewc.accumulate(first, *tasks[1], anchors)
    for a, b in zip(first.importance + first.anchor, kept, strict=True):
        assert_array_equal(a, b)


# --- dtypes and overflow -----------------------------------------------------------


ONE = np.ones(2)


def test_overflow_is_refused():
    A, G, labels = np.ones((2, 3)), [np.ones((2, 2, 4))], np.array([0, 1])
    for a, dtype in ((1e200 * A, float), (1e20 * A, np.float32)):
        with pytest.raises(ValueError, match=f"signals overflows {np.dtype(dtype)}"):
            ewc.fisher([a], G, np.zeros((2, 2), dtype), labels)
    for state, anchors, match in (
            (ewc.State(1e308 * ONE, ONE, 1), "latest", "importance overflows float64"),
            (ewc.State(np.array([1.0, 1e308]), ONE, 1), "all", "importance overflows"),
            (ewc.State(ONE, -1e308 * ONE, 1), "all", "anchor overflows float64")):
        with pytest.raises(ValueError, match=match):
            ewc.accumulate(state, 1e308 * ONE if match[0] == "i" else ONE, 1e308 * ONE,
                           anchors)
    heavy = ewc.accumulate(None, 1e200 * ONE, -ONE)
    for function in (ewc.penalty, ewc.penalty_gradient):
        for state, there, strength in (
                (heavy, 1e200, 1.0), (heavy, 1e200, 0.0), (heavy, 1e53, 1e300),
                (ewc.accumulate(None, ONE, -1e308 * ONE), 1e308, 1.0)):
            with pytest.raises(ValueError, match=f"{function.__name__} overflows"):
                function(state, there * ONE, strength)


def test_takes_lists_of_numbers():
    found = ewc.fisher([[[2.0]]], [[[[1.0], [0.0]]]], [[0.0, 0.0]], [1])
    assert found.weights[0].tolist() == [[1.0]] and found.biases[0].tolist() == [0.25]


def test_a_penalty_whose_sum_overflows_is_refused():
    state = ewc.accumulate(None, ONE, 0 * ONE)
    with pytest.raises(ValueError, match="penalty overflows"):
        ewc.penalty(state, 1.2e154 * ONE, 1.0)


def test_the_penalty_of_float32_is_summed_in_float64():
    one = np.ones(2, np.float32)
    state = ewc.accumulate(None, 3e38 * one, 0 * one)
    assert ewc.penalty(state, one, 1.0) == np.float32(3e38)


def test_the_other_float_is_cast():
    """Results have the dtype of the outputs, or of the parameters."""
    _, _, rec, signals, _ = network(5)
    right = flat(ewc.fisher([a.astype("f4") for a in rec.inputs],
                            [g.astype("f4") for g in signals],
                            rec.outputs.astype("f4")))
    found = flat(ewc.fisher(rec.inputs, signals, rec.outputs.astype("f4")))
    assert found.dtype == np.float32 and found.any()
    assert_array_equal(found, right)
    for here, there in (("f4", "f8"), ("f8", "f4")):
        a, b = 0.3 * ONE.astype(there), (0.3 * ONE.astype(there)).astype(here)
        ends = []
        for given_array in (a, b):
            state = ewc.accumulate(None, given_array, 2 * b)
            state = ewc.accumulate(state, given_array, b, "all")
            other = ewc.State(given_array, given_array, 1)
            ends.append((*state[:2], ewc.penalty_gradient(other, 4 * b, 1.0)))
        for one, two in zip(*ends, strict=True):
            assert_array_equal(one, two)
            assert one.dtype == here and one.all()
    with pytest.raises(ValueError, match="^importance overflows in float32"):
        ewc.accumulate(None, 1e300 * ONE, ONE.astype("f4"))     # overflows
