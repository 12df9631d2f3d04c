"""Test that `fast.si` equals `optimisers.adam` with `si`, and works in place."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from proofs import proves
from strategies import SEEDS

from refsnn import optimisers, si
from refsnn.fast import si as fast_si

SHAPES = ((5, 7), (3,), (1,), (40,))
OPTIONS = {"rate": 0.01, "beta1": 0.8, "beta2": 0.95, "eps": 1e-6}


def draw(rng, dtype, shapes=SHAPES, scale=1.0):
    return [np.asarray(scale * rng.normal(size=s)).astype(dtype) for s in shapes]


def plain(theta, gradients, strength, switch, options=OPTIONS):
    """Learn two tasks by `optimisers` and `si`; the gradients point to targets."""
    settings = si.Settings(strength=strength)
    theta, state, adam = [a.copy() for a in theta], si.begin(theta), [None] * len(theta)
    for t, target in enumerate(gradients):
        if t == switch:
            state = si.consolidate(state, theta, settings)
        g = [a - b for a, b in zip(theta, target, strict=True)]
        pull = si.penalty_gradient(state, theta, settings)
        pairs = [optimisers.adam(s, a + b, **options)
                 for s, a, b in zip(adam, g, pull, strict=True)]
        adam, updates = ([p[i] for p in pairs] for i in (0, 1))
        theta = [a + b for a, b in zip(theta, updates, strict=True)]
        state = si.accumulate(state, updates, g)
    return [theta, state.path_integral, [s.mean for s in adam], [s.scale for s in adam]]


def fused(theta, gradients, strength, switch, options=OPTIONS):
    """Learn the same tasks by `fast.si`."""
    settings = si.Settings(strength=strength)
    theta, state = [a.copy() for a in theta], si.begin(theta)
    adam = fast_si.begin(theta)
    for t, target in enumerate(gradients):
        if t == switch:
            state = si.consolidate(state._replace(steps=t), theta, settings)
        g = [a - b for a, b in zip(theta, target, strict=True)]
        adam = fast_si.step(theta, g, adam, path_integral=state.path_integral,
                            importance=state.importance, anchor=state.anchor,
                            strength=strength, **options)
    assert adam.step == len(gradients)
    return [theta, state.path_integral, adam.mean, adam.scale]


def distance(found, right):
    """Return the largest distance, relative to the largest entry of each array."""
    worst = 0.0
    for a, b in zip(found, right, strict=True):
        for x, y in zip(a, b, strict=True):
            assert (x.dtype, x.shape) == (y.dtype, y.shape) and np.abs(y).max() > 0
            worst = max(worst, float(np.abs(x - y).max() / np.abs(y).max()))
    return worst


@proves("fast/si", 1, 2, 3, 4, 5, 6)
@pytest.mark.parametrize("block", [64, 2**17])
@given(seed=SEEDS, strength=st.sampled_from([0.0, 0.3, 5.0]))
def test_equals_the_plain_forms_in_float64(block, seed, strength):
    rng = np.random.default_rng(seed)
    theta, targets = draw(rng, float), [draw(rng, float) for _ in range(8)]
    right = plain(theta, targets, strength, 4)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fast_si, "BLOCK", block)      # 8 numbers per block, or all
        found = fused(theta, targets, strength, 4)
    assert distance(found, right) < 1e-12
    if strength:                # the result depends on the penalty
        assert distance(found, plain(theta, targets, 0.0, 4)) > 1e-6


@given(SEEDS, st.sampled_from([0.0, 0.3]))
def test_equals_the_plain_forms_to_float32_accuracy(seed, strength):
    rng = np.random.default_rng(seed)
    theta, targets = draw(rng, "f4"), [draw(rng, "f4") for _ in range(8)]
    exact = plain([a.astype(float) for a in theta],
                  [[a.astype(float) for a in g] for g in targets], strength, 4)
    found = fused(theta, targets, strength, 4)
    assert all(a.dtype == np.float32 for arrays in found for a in arrays)
    assert distance([[a.astype(float) for a in b] for b in found], exact) < 2e-4


def test_equals_adam_alone_across_blocks():
    rng = np.random.default_rng(1)
    size = 2 * fast_si.BLOCK // 4 + 3
    theta = rng.normal(size=size).astype("f4")
    start, state, plain_state = theta.copy(), fast_si.begin(theta), None
    w, sums = np.zeros_like(theta), np.zeros(size)
    right = theta.astype(float)
    for _ in range(4):
        g = rng.normal(size=size).astype("f4")
        plain_state, update = optimisers.adam(plain_state, g.astype(float), rate=0.01)
        right, sums = right + update, sums - g * update
        state = fast_si.step(theta, g, state, rate=0.01, path_integral=w)
    assert_allclose(theta, right, rtol=0, atol=1e-6)
    assert_allclose(w, sums, rtol=0, atol=2e-6 * np.abs(sums).max())
    assert np.abs(theta - start).min() > 0 and w.all()


def test_defaults_are_those_of_adam():
    g, theta = np.array([0.3, -2.0]), np.array([1.0, 2.0])
    found = theta.copy()
    state = fast_si.step(found, g, fast_si.begin(found), rate=0.01)
    fast_si.step(found, 2 * g, state, rate=0.01)
    expected, state = theta, None
    for a in (g, 2 * g):
        state, update = optimisers.adam(state, a, rate=0.01)
        expected = expected + update
    assert_allclose(found, expected, rtol=1e-14)


@given(SEEDS, st.booleans())
def test_strength_0_is_adam_alone_to_the_last_bit(seed, several):
    rng = np.random.default_rng(seed)
    ends = []
    g = draw(rng, float)
    theta, more = draw(rng, float), draw(rng, float)
    for extra in (None, {"path_integral": [np.zeros_like(a) for a in theta],
                         "importance": [np.abs(a) for a in more],
                         "anchor": [a + 1 for a in theta], "strength": 0.0}):
        now = [a.copy() for a in theta]
        state = fast_si.begin(now)
        if several:
            state = fast_si.step(now, g, state, rate=0.1)
        fast_si.step(now, g, state, rate=0.1, **(extra or {}))
        ends.append(now)
    for a, b, c in zip(*ends, theta, strict=True):
        assert_array_equal(a, b)
        assert (a != c).all()


def run(**changes):
    """Return all arrays of a small problem after one step, by name."""
    rng = np.random.default_rng(2)
    arrays = {name: draw(rng, float) for name in (
        "parameters", "gradient", "path_integral", "anchor")}
    arrays["importance"] = [a ** 2 for a in arrays["anchor"]]
    state = fast_si.State(3, draw(rng, float), [a ** 2 for a in draw(rng, float)])
    arguments = {**arrays, "state": state, "rate": 0.1, "strength": 1.0, **changes}
    if callable(changes.get("changed")):
        arguments.pop("changed")(arguments)
    new = fast_si.step(arguments.pop("parameters"), arguments.pop("gradient"),
                       arguments.pop("state"), **arguments)
    return {**arrays, "mean": new.mean, "scale": new.scale}, new


def test_only_the_documented_arrays_are_updated_in_place():
    rng = np.random.default_rng(2)
    before = {name: draw(rng, float) for name in (
        "parameters", "gradient", "path_integral", "anchor")}
    before["importance"] = [a ** 2 for a in before["anchor"]]
    after, new = run()
    assert new.step == 4
    for name, arrays in before.items():
        same = [np.array_equal(a, b) for a, b in zip(after[name], arrays, strict=True)]
        assert all(same) if name in ("gradient", "importance", "anchor") \
            else not any(same), name
    state = fast_si.begin(after["parameters"])
    result = fast_si.step(after["parameters"], after["gradient"], state, rate=0.1)
    for a, b in zip(state.mean + state.scale, result.mean + result.scale, strict=True):
        assert a is b and a.any()


def test_a_step_number_may_be_a_numpy_integer():
    theta, g = np.array([1.0, 2.0]), np.array([3.0, -1.0])
    ends = []
    for number in (4, np.int64(4)):
        now = theta.copy()
        state = fast_si.step(now, g, fast_si.begin(now)._replace(step=number), rate=0.1)
        ends.append(now)
    assert_array_equal(*ends)
    assert state.step == 5 and not np.allclose(now, theta - 0.1 * np.sign(g))


def test_views_of_one_vector_are_trained_in_place():
    """Adjacent views do not overlap and are accepted."""
    flat, g = np.arange(1.0, 7.0), np.ones(6)
    parts = [flat[:4].reshape(2, 2), flat[4:]]
    fast_si.step(parts, [g[:4].reshape(2, 2), g[4:]], fast_si.begin(parts), rate=0.5)
    assert_allclose(flat, np.arange(1.0, 7.0) - 0.5, rtol=1e-6)


# --- refusals ----------------------------------------------------------------------

def refuses_and_keeps(match, change, field=None):
    """Assert a refusal that leaves all arrays unmodified."""
    kept = {}

    def changed(arguments):
        change(arguments)
        state = arguments["state"]
        lists = {**{k: v for k, v in arguments.items() if isinstance(v, list)},
                 **({"mean": state.mean, "scale": state.scale}
                    if isinstance(state, fast_si.State) else {})}
        for name, arrays in lists.items():
            kept[name] = [(a, a.copy()) for a in arrays if isinstance(a, np.ndarray)]

    with pytest.raises(ValueError, match=match):
        run(changed=changed)
    assert len(kept) >= 5
    for pairs in kept.values():
        for a, b in pairs:
            assert_array_equal(a, b)


def replaced(name, index, value):
    def change(arguments):
        place = arguments[name] if name in arguments else getattr(arguments["state"],
                                                                  name)
        place[index] = value(place[index]) if callable(value) else value
    return change


def view_with_gaps(a):
    return np.repeat(a, 2, axis=-1)[..., ::2]


def locked(a):
    a = a.copy()
    a.flags.writeable = False
    return a


IN_PLACE = "is of type .*: must be an array that is writeable, C-contiguous and not"


@pytest.mark.parametrize("name, value, match", [
    ("gradient", lambda a: a * np.nan, r"^gradient\[0\] has NaN or infinite"),
    ("gradient", lambda a: a + 1e200, r"^gradient\[0\] .*square overflows float64"),
    ("gradient", lambda a: a[:2].copy(), r"^gradient\[0\] has shape \(2, 7\): must be "
     r"\(5, 7\), as parameters\[0\]"),
    ("parameters", lambda a: a.astype(int), r"^parameters\[0\] is int64 of shape"),
    ("parameters", view_with_gaps, rf"^parameters\[0\] {IN_PLACE}"),
    ("parameters", locked, rf"^parameters\[0\] {IN_PLACE}"),
    ("parameters", np.asfortranarray, rf"^parameters\[0\] {IN_PLACE}"),
    ("parameters", lambda a: np.zeros((0, 7)), rf"^parameters\[0\] {IN_PLACE}"),
    ("path_integral", locked, rf"^path_integral\[0\] {IN_PLACE}"),
    ("path_integral", lambda a: a.T.copy(), r"^path_integral\[0\] is .*\(7, 5\)"),
    ("path_integral", lambda a: a.tolist(), r"^path_integral\[0\] is .*: must be"),
    ("mean", lambda a: a.astype("f4"), r"^state.mean\[0\] is float32"),
    ("scale", lambda a: np.ma.masked_array(a), r"^state.scale\[0\] is a masked array"),
    ("scale", locked, rf"^state.scale\[0\] {IN_PLACE}")])
def test_refuses_arrays_and_keeps_all(name, value, match):
    refuses_and_keeps(match, replaced(name, 0, value))


@pytest.mark.parametrize("name", ["gradient", "importance", "anchor"])
def test_arrays_that_are_only_read_may_have_any_form(name):
    """Such arrays need not be contiguous, and the other float dtype is cast."""
    right = run()[0]
    for value in (view_with_gaps, locked, np.asfortranarray):
        found = run(changed=replaced(name, 0, value))[0]
        for key in ("parameters", "path_integral", "mean", "scale"):
            for a, b in zip(found[key], right[key], strict=True):
                assert_array_equal(a, b)
    short = run(changed=replaced(name, 0, lambda a: a.astype("f4")))[0]
    assert distance([short["parameters"]], [right["parameters"]]) < 1e-5
    assert short["parameters"][0].dtype == np.float64


@pytest.mark.parametrize("name, other", [
    ("anchor", "parameters"), ("gradient", "parameters"), ("mean", "scale"),
    ("path_integral", "importance"), ("gradient", "path_integral"),
    ("scale", "anchor")])
def test_refuses_shared_memory(name, other):
    """An anchor that is a view of the parameters would disable the penalty."""
    def change(arguments):
        everything = {**arguments, **arguments["state"]._asdict()}
        everything[name][3] = everything[other][3]
    refuses_and_keeps(rf"(state\.)?({name}|{other}) shares memory with "
                      rf"(state\.)?({name}|{other}): must be a copy", change)


def test_refuses_shared_parts_of_memory_and_takes_shared_reads():
    flat = np.arange(10.0)
    for parts in ([flat[:5], flat[4:]], [flat, flat[2:3]], [flat, flat]):
        zeros = [np.zeros_like(a) for a in parts]
        with pytest.raises(ValueError, match="parameters shares memory with param"):
            fast_si.step(parts, zeros, fast_si.begin(parts), rate=0.1)
    flat, parts = np.zeros(100), [np.zeros(100), np.zeros(10)]
    with pytest.raises(ValueError, match="parameters shares memory with gradient"):
        fast_si.step([flat.copy(), flat[50:60]], [flat, np.zeros(10)],
                     fast_si.begin(parts), rate=0.1, importance=parts,
                     anchor=[parts[0], flat[10:20]], strength=1.0)
    ones = np.ones(3)
    fast_si.step(np.zeros(3), ones, fast_si.begin(ones), rate=0.1, importance=ones,
                 anchor=ones, strength=1.0)


def test_takes_numbers_of_other_types():
    ends = []
    for one in (1.0, 1, np.float64(1), np.int64(1), np.float32(1)):
        theta, zero = np.array([1.0, 2.0]), np.float32(0) * one
        fast_si.step(theta, theta / 2, fast_si.begin(theta), rate=one, beta1=zero,
                     beta2=zero, eps=one, importance=theta + 1, anchor=0 * theta,
                     strength=one)
        ends.append(theta.tolist())
    assert ends == ends[:1] * 5 and ends[0] != [1.0, 2.0]


def test_float32_among_float64_bounds_eps():
    mixed = [np.ones(2), np.ones(2, "f4")]
    for eps in (1e-30, 1e-20):          # the root of float32's tiny is 1.1e-19
        with pytest.raises(ValueError, match=r"^eps is .*: must be in \[1.08\d*e-19"):
            fast_si.step(mixed, [a / 2 for a in mixed], fast_si.begin(mixed), rate=0.1,
                         eps=eps)
        assert mixed[0].tolist() == mixed[1].tolist() == [1.0, 1.0]


@pytest.mark.parametrize("name, value", [
    ("anchor", np.nan), ("importance", np.inf), ("importance", 1e300),
    ("parameters", np.nan), ("path_integral", np.nan), ("mean", np.inf),
    ("scale", np.nan), ("scale", -1.0)])
def test_reports_afterwards_that_other_arrays_are_invalid(name, value):
    with pytest.raises(ValueError, match="must be finite; .* are now invalid"):
        run(changed=replaced(name, 3, lambda a: a * 0 + value))


def test_large_finite_parameters_are_accepted():
    """The sum of squares overflows, but no result does."""
    theta, path = np.array([1e20, 2.0], "f4"), np.array([0, 1e30], "f4")
    fast_si.step(theta, np.ones(2, "f4"), fast_si.begin(theta), rate=0.5,
                 path_integral=path)
    assert theta.tolist() == [np.float32(1e20), 1.5] and path[1] == np.float32(1e30)


def test_a_gradient_whose_squares_only_sum_to_infinity_is_taken():
    g, theta = np.full(8, 1e19, "f4"), np.zeros(8, "f4")
    fast_si.step(theta, g, fast_si.begin(theta), rate=0.5)
    assert_allclose(theta, -0.5, rtol=1e-5)


def test_nan_in_parameters_is_refused():
    theta = np.array([1.0, np.nan])
    with np.errstate(all="ignore"), pytest.raises(
            ValueError, match="^parameters, state, path_integral.* NaN"):
        fast_si.step(theta, np.ones(2), fast_si.begin(np.ones(2)), rate=0.1,
                     path_integral=np.zeros(2))


def test_without_strength_the_anchor_is_not_used():
    theta, other, g = np.full(2, 1e10), np.full(2, 1e10), np.ones(2)
    fast_si.step(theta, g, fast_si.begin(theta), rate=0.1)
    fast_si.step(other, g, fast_si.begin(other), rate=0.1, strength=0.0,
                 importance=np.full(2, 1e300), anchor=np.zeros(2))
    assert (theta == other).all()
