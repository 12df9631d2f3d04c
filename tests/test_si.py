"""Synaptic intelligence: definition, effect on learning, and refusals."""

import inspect
import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from proofs import proves
from strategies import SEEDS
from tolerances import RTOL

from refsnn import checks, ewc, mlp, optimisers, si
from refsnn.si import PRESETS, Settings

SIZES = (4, 5, 3)


def tasks(seed, count=2, samples=12):
    """Return parameters of a small tanh network, float64, and tasks (x, y)."""
    rng = np.random.default_rng(seed)
    weights, biases = mlp.init(SIZES, rng)
    data = [tuple(rng.normal(size=(samples, n)) for n in (SIZES[0], SIZES[-1]))
            for _ in range(count)]
    return [*weights, *biases], data


def loss(theta, task):
    """Return value and gradient of half the mean squared error for a flat list."""
    x, y = task
    half = len(theta) // 2
    rec = mlp.forward(theta[:half], theta[half:], x, "tanh")
    error = rec.outputs - y
    grad = mlp.backward(theta[:half], rec, error / len(x), "tanh")
    return float((error ** 2).sum() / 2 / len(x)), [*grad.weights, *grad.biases]


def plain(theta, data, steps, rate):
    """Return parameters after Adam on all tasks in turn, without consolidation."""
    states = [None] * len(theta)
    for task in data:
        for _ in range(steps):
            g = loss(theta, task)[1]
            pairs = [optimisers.adam(s, a, rate=rate)
                     for s, a in zip(states, g, strict=True)]
            states = [p[0] for p in pairs]
            theta = [t + p[1] for t, p in zip(theta, pairs, strict=True)]
    return theta


def train(theta, data, steps, rate, settings, consolidate=None):
    """Return parameters and state after the same training with consolidation.

    `steps` is the number per task.  `consolidate`, if given, ends all tasks but
    the last.
    """
    states, state, theta = [None] * len(theta), si.begin(theta), list(theta)
    steps = steps if isinstance(steps, tuple) else (steps,) * len(data)
    for number, task in enumerate(data):
        for _ in range(steps[number]):
            g, pull = loss(theta, task)[1], si.penalty_gradient(state, theta, settings)
            total = [np.clip(a + b, -settings.clip, settings.clip)
                     for a, b in zip(g, pull, strict=True)]
            pairs = [optimisers.adam(s, a, rate=rate)
                     for s, a in zip(states, total, strict=True)]
            states, updates = ([p[i] for p in pairs] for i in (0, 1))
            for t, u in zip(theta, updates, strict=True):
                t += u                          # live weights, in place
            state = si.accumulate(state, updates, g, pull, settings)
        if consolidate is None:
            state = si.consolidate(state, theta, settings)
        elif number < len(data) - 1:
            state = consolidate(state, theta, settings)
        if settings.reset_optimiser:
            states = [None] * len(theta)
    return theta, state


def copies(theta):
    return [a.copy() for a in theta]


# --- by hand -----------------------------------------------------------------------

@proves("si", 1, 2, 3, 4)
def test_two_tasks_by_hand():
    settings = Settings(xi=0.5, strength=0.25)
    state = si.begin(np.array([0.0, 1.0]))
    state = si.accumulate(state, np.array([0.5, -1.0]), np.array([-2.0, 3.0]),
                          settings=settings)
    state = si.accumulate(state, np.array([0.5, 0.5]), np.array([-1.0, 1.0]),
                          settings=settings)
    assert state.path_integral.tolist() == [1.5, 2.5] and state.steps == 2
    state = si.consolidate(state, np.array([1.0, 0.5]), settings)
    assert state.importance.tolist() == [1.0, 2.5 / 0.75] and state.tasks == 1
    assert state.anchor.tolist() == [1.0, 0.5]
    assert state.path_integral.tolist() == [0.0, 0.0] and state.steps == 0
    theta = np.array([3.0, 0.5])
    held = si.penalty(state, theta, settings)
    assert held == 0.25 * 4 and isinstance(held, float)
    assert si.penalty_gradient(state, theta, settings).tolist() == [1.0, 0.0]
    state = si.accumulate(state, np.array([2.0, 1.0]), np.array([-1.0, 2.0]),
                          settings=settings)
    state = si.consolidate(state, np.array([3.0, 1.5]), settings)
    assert_allclose(state.importance, [1 + 2 / 4.5, 2.5 / 0.75 - 2 / 1.5], rtol=RTOL)
    assert state.anchor.tolist() == [3.0, 1.5] and state.tasks == 2


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
def test_a_matrix_is_an_array():
    theta = np.array([[1.0, 2.0], [3.0, 4.0]])
    state = si.accumulate(si.begin(theta), np.matrix(theta), np.matrix(theta))
    assert (state.path_integral == -theta ** 2).all()


@proves("si", 2)
@pytest.mark.parametrize("clamp, first, second", [
    ("none", [2.0, -4.0], [1.0, -1.0]), ("running", [2.0, 0.0], [1.0, 3.0]),
    ("task", [2.0, 0.0], [2.0, 3.0])])
def test_clamps_by_hand(clamp, first, second):
    """w / (1 + 1) is (2, -4) after the first task and (-1, 3) after the second."""
    settings, theta = Settings(clamp=clamp, xi=1.0), np.zeros(2)
    state = si.begin(theta)
    for w, expected in (([4.0, -8.0], first), ([-2.0, 6.0], second)):
        theta = theta + 1
        state = si.accumulate(state, np.ones(2), -np.array(w), settings=settings)
        state = si.consolidate(state, theta, settings)
        assert state.importance.tolist() == expected


def test_sources_of_gradient_and_displacement_by_hand():
    state, step = si.begin(np.zeros(2)), np.array([1.0, -2.0])
    g, pull = np.array([3.0, 1.0]), np.array([1.0, -2.0])
    for gradient, displacement, expected in (
            ("task", "step", [-3.0, 2.0]), ("total", "step", [-4.0, -2.0]),
            ("task", "descent", [4.5, 0.5]), ("total", "descent", [8.0, 0.5])):
        settings = Settings(gradient, displacement, rate=0.5)
        found = si.accumulate(state, step, g, pull, settings).path_integral
        assert found.tolist() == expected


def test_descent_uses_the_clipped_gradient():
    """Only "descent" clips, after the gradient of the penalty was added."""
    state, step = si.begin(np.zeros(3)), np.array([1.0, -2.0, 0.5])
    g, pull = np.array([3.0, -0.5, -1.0]), np.array([1.0, 0.25, -2.0])
    for gradient, displacement, expected in (
            ("task", "step", [-3.0, -1.0, 0.5]), ("total", "step", [-4.0, -0.5, 1.5]),
            ("task", "descent", [2.0, 0.125, 0.5]),
            ("total", "descent", [2.0, 0.03125, 2.0])):
        settings = Settings(gradient, displacement, rate=0.5, clip=2.0)
        found = si.accumulate(state, step, g, pull, settings).path_integral
        assert found.tolist() == expected


@proves("si", 3, 4)
def test_cap_limits_importance_in_the_penalty_and_factor_scales_it():
    state = si.begin(np.zeros(3))._replace(importance=np.array([1.0, 3.0, -5.0]))
    theta, capped = np.array([1.0, 2.0, 1.0]), Settings(strength=0.5, cap=2.0)
    assert si.penalty(state, theta, capped) == 0.5 * (1 + 8 - 5)
    assert si.penalty_gradient(state, theta, capped).tolist() == [1.0, 4.0, -5.0]
    half = capped._replace(factor=0.5)
    assert si.penalty(state, theta, half) == 0.25 * (1 + 8 - 5)
    assert si.penalty_gradient(state, theta, half).tolist() == [0.5, 2.0, -2.5]
    state = si.accumulate(state, np.ones(3), -np.ones(3), settings=capped)
    after = si.consolidate(state, np.ones(3), capped._replace(xi=1.0))
    assert after.importance.tolist() == [1.5, 3.5, 0.0]         # the sum is not capped


def test_defaults_are_those_of_the_authors_code():
    assert Settings() == PRESETS["pathint"] == si.DEFAULT
    assert (Settings().xi, Settings().strength, Settings().clamp) == (0.1, 0.1,
                                                                      "running")
    assert PRESETS["paper"] == Settings()._replace(clamp="none")
    for function in (si.accumulate, si.consolidate, si.penalty, si.penalty_gradient):
        assert inspect.signature(function).parameters["settings"].default == Settings()


def test_the_table_of_the_docstring_is_the_presets():
    rows = {}
    for line in si.__doc__.splitlines():
        words = line.split()
        if len(words) >= 7 and words[0] in PRESETS and words[1] in ("task", "total"):
            rows[words[0]] = words[1:]
    assert set(rows) == set(PRESETS)
    for name, (gradient, step, clamp, xi, c, f, *rest) in rows.items():
        expected = Settings(gradient, step, clamp=clamp, xi=float(xi),
                            strength=float(c), factor={"1": 1.0, "1/2": 0.5}[f])
        if rest:
            expected = expected._replace(**{rest[0]: float(rest[1])})
        assert PRESETS[name] == expected, name


# --- effect on learning ------------------------------------------------------------

@given(SEEDS, st.integers(1, 4))
def test_strength_0_equals_training_without_to_the_last_bit(seed, steps):
    theta, data = tasks(seed)
    settings = Settings(strength=0.0)
    found, state = train(copies(theta), data, steps, 0.01, settings)
    for a, b in zip(found, plain(theta, data, steps, 0.01), strict=True):
        assert_array_equal(a, b)
    assert max(a.max() for a in state.importance) > 0
    assert si.penalty(state, [a + 1 for a in found], settings) == 0


@proves("si", 1)
def test_path_integrals_sum_to_the_drop_of_the_loss_as_steps_shrink():
    theta, (task, _) = tasks(3)
    errors, signs = [], []
    for halvings in range(5):
        steps, rate = 20 * 2 ** halvings, 0.2 / 2 ** halvings       # one total time
        now, state = copies(theta), si.begin(theta)
        for _ in range(steps):
            g = loss(now, task)[1]
            step = [-rate * a for a in g]
            new = si.accumulate(state, step, g)
            signs += [(b - a).min() for a, b in zip(state.path_integral,
                                                    new.path_integral, strict=True)]
            now, state = [a + b for a, b in zip(now, step, strict=True)], new
        drop = loss(theta, task)[0] - loss(now, task)[0]
        total = sum(a.sum() for a in state.path_integral)
        errors.append(total - drop)
        assert drop > 0.1 and total > drop          # a left Riemann sum is larger
    slopes = -np.diff(np.log2(errors))
    assert min(signs) >= 0 and errors[-1] < 0.02 * drop
    assert np.all(np.abs(slopes[1:] - 1) < 0.1), slopes


def test_momentum_makes_terms_negative():
    x, state, mean = np.array([1.0]), si.begin(np.array([1.0])), None
    least = 0.0
    for _ in range(60):
        mean, step = optimisers.sgd(mean, x, rate=0.1, momentum=0.9)
        new = si.accumulate(state, step, x)
        least = min(least, float((new.path_integral - state.path_integral)[0]))
        x, state = x + step, new
    assert least < -0.01


@proves("si", 4)
@given(SEEDS, st.sampled_from(sorted(PRESETS)), st.booleans())
def test_penalty_gradient_by_finite_differences(seed, name, several):
    rng = np.random.default_rng(seed)
    settings = PRESETS[name]._replace(strength=float(rng.uniform(0.1, 2)))
    anchor = [rng.normal(size=(2, 3)), rng.normal(size=4)][:1 + several]
    importance = [rng.uniform(0, 2, a.shape) for a in anchor]
    if settings.clamp == "none":
        importance[0][0, 0] = -1.0
    state = si.begin(anchor)._replace(importance=importance)
    theta = [a + rng.normal(size=a.shape) for a in anchor]
    gradient = si.penalty_gradient(state, theta, settings)

    def check(gradient):            # quadratic: a large step is exact
        checks.gradient(lambda t: si.penalty(state, t, settings), theta, gradient,
                        rtol=1e-8, step=1e-2)

    check(gradient)
    with pytest.raises(AssertionError):
        check([1.001 * a for a in gradient])


def consolidation_acts(consolidate, seed=0, settings=PRESETS["paper"], steps=5):
    """Return whether the strength of the penalty changes learning of a second task.

    The first task leaves positive importances.  The second has `steps` steps,
    which move an important weight.
    """
    theta, data = tasks(seed)
    ends = []
    for strength in (0.0, 1.0):
        chosen = settings._replace(strength=strength)
        start, first = train(copies(theta), data[:1], 5, 0.01, chosen)
        end, _ = train(copies(theta), data, (5, steps), 0.01, chosen, consolidate)
        held = [(a > 0) & (np.abs(b - c) > 1e-4) for a, b, c in
                zip(first.importance, start, end, strict=True)]
        assert any(a.any() for a in held)           # important and moved
        ends.append(end)
    return any((a != b).any() for a, b in zip(*ends, strict=True))


@given(SEEDS, st.sampled_from(sorted(PRESETS)), st.integers(2, 5))
def test_strength_changes_the_result_from_the_second_step_on(seed, name, steps):
    """The first step starts at the anchor, where the gradient of the penalty is 0."""
    assert consolidation_acts(si.consolidate, seed, PRESETS[name], steps)
    assert not consolidation_acts(si.consolidate, seed, PRESETS[name], 1)


def test_an_anchor_that_is_a_view_of_the_live_weights_has_no_effect():
    def aliasing(state, theta, settings):
        return si.consolidate(state, theta, settings)._replace(anchor=theta)

    def zeroed(state, theta, settings):
        new = si.consolidate(state, theta, settings)
        return new._replace(importance=[0 * a for a in new.importance])

    assert consolidation_acts(si.consolidate)
    assert not consolidation_acts(aliasing) and not consolidation_acts(zeroed)


@given(SEEDS)
def test_consolidation_forgets_less(seed):
    theta, data = tasks(seed)
    lost = []
    for strength in (0.0, 5.0):
        settings = Settings(strength=strength, xi=1e-3)
        first, state = train(copies(theta), data[:1], 40, 0.02, settings)
        end, _ = train(copies(theta), data, 40, 0.02, settings)
        assert max(a.max() for a in state.importance) > 0
        lost.append(loss(end, data[0])[0] - loss(first, data[0])[0])
    assert lost[1] < lost[0]


WHY = {"paper": "clamp", "pathint": "clamp", "nupic": "clamp", "vandeven": "gradient",
       "mammoth": "clip", "mammoth_old": "displacement", "avalanche": "cap"}


@pytest.mark.parametrize("one, other", list(
    itertools.combinations(sorted(PRESETS), 2)))
def test_presets_differ_on_a_drawn_run(one, other):
    """They also differ at the same strength and damping."""
    theta, data = tasks(4, count=3)
    data = [(x, 6 * y) for x, y in data]            # gradients beyond 1
    ends = []
    for name in (one, other):
        settings = PRESETS[name]._replace(xi=0.01, strength=0.5, rate=0.03)
        ends.append(train(copies(theta), data, 12, 0.03, settings)[1].importance)
    assert PRESETS[one]._replace(xi=1.0, strength=1.0) \
        != PRESETS[other]._replace(xi=1.0, strength=1.0)
    scale = max(np.abs(a).max() for a in ends[0])
    assert max(np.abs(a - b).max() for a, b in zip(*ends, strict=True)) > 1e-6 * scale


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_the_characteristic_option_of_a_preset_changes_the_result(name):
    theta, data = tasks(4, count=3)
    data = [(x, 6 * y) for x, y in data]
    field, preset = WHY[name], PRESETS[name]._replace(xi=0.01, strength=0.5, rate=0.03)
    others = {"clamp": ("none" if preset.clamp != "none" else "running"),
              "gradient": "task", "clip": np.inf, "cap": np.inf,
              "displacement": "step"}
    ends = [train(copies(theta), data, 12, 0.03, s)[1].importance
            for s in (preset, preset._replace(**{field: others[field]}))]
    scale = max(np.abs(a).max() for a in ends[0])
    assert max(np.abs(a - b).max() for a, b in zip(*ends, strict=True)) > 1e-6 * scale


def test_resetting_the_optimiser_changes_the_result():
    theta, data = tasks(2)
    ends = [train(copies(theta), data, 8, 0.02, Settings(reset_optimiser=flag))[0]
            for flag in (False, True)]
    assert max(np.abs(a - b).max() for a, b in zip(*ends, strict=True)) > 1e-3


def test_ewc_and_si_on_a_quadratic_log_likelihood():
    """EWC gives the diagonal of the Hessian; SI estimates half of it from the path.

    For log p = -|y - theta x|^2 / 2, the Fisher information is the mean of x x^T
    at all parameters.
    """
    rng = np.random.default_rng(8)
    x = rng.normal(size=(200, 3)) @ np.diag([2.0, 1.0, 0.5])
    for correlated in (False, True):
        if not correlated:
            q, r = np.linalg.qr(x)
            x_used = q * np.abs(np.diag(r))         # columns at right angles
        else:
            x_used = x @ np.array([[1.0, 0.9, 0], [0, 1.0, 0.5], [0, 0, 1.0]])
        H = x_used.T @ x_used / len(x)
        rec = mlp.forward([np.zeros((1, 3))], [np.zeros(1)], x_used)
        found = ewc.fisher(rec.inputs, mlp.signals([np.zeros((1, 3))], rec),
                           rec.outputs, likelihood="gaussian")
        assert_allclose(found.weights[0][0], H.diagonal(), rtol=RTOL)
        theta, target, rate = np.zeros(3), np.array([1.0, -1.0, 0.5]), 1e-3
        state, settings = si.begin(theta), Settings(xi=1e-9, clamp="none")
        for _ in range(20000):
            g = H @ (theta - target)
            state, theta = si.accumulate(state, -rate * g, g), theta - rate * g
        importance = si.consolidate(state, theta, settings).importance
        ratio = importance / (H.diagonal() / 2)
        if correlated:
            assert np.abs(ratio - 1).max() > 0.1
        else:
            assert_allclose(ratio, 1, rtol=1e-2)


# --- arrays passed in ------------------------------------------------------------

@given(SEEDS, st.booleans(), st.sampled_from([np.float32, np.float64]))
def test_form_dtype_copies_and_inputs(seed, several, dtype):
    rng = np.random.default_rng(seed)

    def draw():
        arrays = [rng.normal(size=s).astype(dtype) for s in ((2, 3), (), (4,))]
        return arrays if several else arrays[0]

    def flat(value):
        return list(value) if isinstance(value, list) else [value]

    theta, step, g, pull = draw(), draw(), draw(), draw()
    given_arrays = [a for v in (theta, step, g, pull) for a in flat(v)]
    before = [a.copy() for a in given_arrays]
    settings = Settings("total", xi=np.float64(0.1))
    states = [si.begin(theta)]
    states.append(si.accumulate(states[0], step, g, pull, settings))
    moved = [a + b for a, b in zip(flat(theta), flat(step), strict=True)]
    moved = moved if several else moved[0]
    states.append(si.consolidate(states[1], moved, settings))
    frozen = [[a.copy() for v in s[:3] for a in flat(v)] for s in states]
    results = [*states[2][:3], si.penalty_gradient(states[2], theta, settings)]
    for value in results:
        assert isinstance(value, list) == several
        for a, like in zip(flat(value), flat(theta), strict=True):
            assert isinstance(a, np.ndarray)
            assert (a.dtype, a.shape) == (dtype, like.shape)
            assert not any(np.shares_memory(a, b)
                           for b in (*given_arrays, *flat(moved)))
    for a, b in zip(given_arrays, before, strict=True):
        assert_array_equal(a, b)
    for s, kept in zip(states, frozen, strict=True):
        for a, b in zip([a for v in s[:3] for a in flat(v)], kept, strict=True):
            assert_array_equal(a, b)
    for a in (*given_arrays, *flat(moved)):
        a += 1                                      # live weights change
    now = [a for v in states[2][:3] for a in flat(v)]
    for a, b in zip(now, frozen[2], strict=True):
        assert_array_equal(a, b)


def test_float32_is_close_to_float64():
    theta, data = tasks(6)
    settings = Settings(strength=1.0)
    exact = train(copies(theta), data, 10, 0.01, settings)[1]
    short = train([a.astype("f4") for a in theta],
                  [(x.astype("f4"), y.astype("f4")) for x, y in data], 10, 0.01,
                  settings)[1]
    for a, b in zip(short.importance, exact.importance, strict=True):
        assert a.dtype == np.float32
        assert np.linalg.norm(a - b) < 1e-3 * np.linalg.norm(b)


# --- dtypes and overflow -----------------------------------------------------------

ONE = np.ones(2)


def moved():
    return si.accumulate(si.begin(ONE), ONE, -ONE)


def test_numbers_of_other_types_are_floats():
    """A float64 scalar does not widen float32 arrays."""
    theta = ONE.astype("f4")
    state = si.accumulate(si.begin(theta), theta, -theta)
    for one in (1, np.float64(1), np.float32(1), np.int64(1)):
        settings = Settings(xi=one, strength=one, factor=one, cap=one, clip=one)
        after = si.consolidate(state, 2 * theta, settings)
        pull = si.penalty_gradient(after, 4 * theta, settings)
        assert after.importance.tolist() == [0.5, 0.5]
        assert pull.tolist() == [2.0, 2.0] and pull.dtype == np.float32


def test_the_penalty_of_float32_is_summed_in_float64():
    one = np.ones(101, np.float32)
    importance = one.copy()
    importance[0] = 1e8
    state = si.begin(0 * one)._replace(importance=importance)
    assert si.penalty(state, one, Settings(strength=1)) == 1e8 + 100


def test_the_other_float_is_cast_to_that_of_the_parameters():
    """Every array may be float32 where the parameters are float64, or the reverse."""
    for here, there in (("f8", "f4"), ("f4", "f8")):
        found = []
        for a in (0.3 * ONE.astype(there), (0.3 * ONE.astype(there)).astype(here)):
            state = si.accumulate(si.begin(0.3 * ONE.astype(here)), a, -a, a / 2,
                                  Settings("total"))
            state = si.consolidate(state._replace(importance=a), 2 * a)
            found.append((*state[:3], si.penalty_gradient(state, 4 * a),
                          np.array(si.penalty(state, 4 * a))))
        for a, b in zip(*found, strict=True):
            assert_array_equal(a, b)
        assert all(a.dtype == here for a in found[0][:4]) and found[0][3].all()
    with pytest.raises(ValueError, match="^displacement overflows in float32"):
        si.accumulate(si.begin(ONE.astype("f4")), 1e300 * ONE, ONE)     # overflows


def test_consolidates_if_some_arrays_did_not_move():
    """The head of another task does not move."""
    state = si.accumulate(si.begin([ONE, ONE]), [0 * ONE, ONE], [0 * ONE, -ONE])
    state = si.consolidate(state, [ONE, 2 * ONE], Settings(xi=1.0))
    assert [a.tolist() for a in state.importance] == [[0.0, 0.0], [0.5, 0.5]]


def test_refuses_overflow_and_leaves_the_state():
    big, huge = np.full(2, 1e200), np.full(2, 1e290)
    state = moved()
    with pytest.raises(ValueError, match="path_integral overflows float64"):
        si.accumulate(state, big, big)
    with pytest.raises(ValueError, match="path_integral overflows float64"):
        si.accumulate(state, ONE, np.full(2, 1e308), np.full(2, 1e308),
                      Settings("total"))
    with pytest.raises(ValueError, match="path_integral overflows float64"):
        si.accumulate(state, ONE, big, settings=Settings(displacement="descent"))
    with pytest.raises(ValueError, match="penalty overflows float64"):
        si.penalty(state._replace(importance=ONE), big)
    for settings, far in ((Settings(strength=1e10), 1e150), (Settings(), 1.2e154)):
        with pytest.raises(ValueError, match="penalty overflows float64"):     # summed
            si.penalty(state._replace(importance=ONE), far * ONE, settings)
    both, most = si.begin([0 * ONE, 0 * ONE]), np.full(2, 1e308)
    with pytest.raises(ValueError, match="penalty overflows float64"):  # inf - inf
        si.penalty(both._replace(importance=[most, -most]), [ONE, ONE])
    with pytest.raises(ValueError, match="path_integral overflows float64"):
        si.accumulate(state, np.array([1.0, 1e200]), big)       # one entry
    heavy = state._replace(importance=big)
    for settings in (Settings(), Settings(strength=0)):
        with pytest.raises(ValueError, match="penalty_gradient overflows float64"):
            si.penalty_gradient(heavy, big, settings)
    with pytest.raises(ValueError, match="importance overflows float64"):
        si.consolidate(state._replace(path_integral=huge), ONE + 1e-15,
                       Settings(xi=1e-200))
    assert state.path_integral.tolist() == [1.0, 1.0]
