"""The search over all conventions: simulations, tolerances and ties."""

import functools

import layers
import numpy as np
import pytest
from layers import EPS, some

from refsnn import conventions
from refsnn.conventions import AXES, PRESETS, Step
from refsnn.oracle.identify import elimination

TAUS = {"tau_syn": 4.0, "tau_mem": 7.0, "dt": 0.5}
LEVELS = {"threshold": 0.8, "leak": 0.05, "reset_to": -0.1, "floor": -0.3}
problem = functools.partial(layers.problem, taus=TAUS, levels=LEVELS)


def layer(seed, recurrent=True, T=14, B=2, m=3, n=4, scale=1.0):
    rng = np.random.default_rng(seed)
    x = rng.normal(0.5, 1, (T, B, m)) * (rng.random((T, B, m)) < 0.7)
    W = rng.normal(0.4, 1, (n, m)) * 2 ** rng.uniform(0, 2, (n, 1)) * scale
    return x, W, rng.normal(0, 0.3, (n, n)) if recurrent else None, rng


def rows_of(step, x, W, V, *names):
    run = conventions.simulate(step, x, W, V, **TAUS, **LEVELS)
    return some(conventions.recorded(step, run), *names), run


def drawn(rng):
    return Step(**{name: values[rng.integers(len(values))]
                   for name, values in AXES.items()})


def fitting(p):
    codes, parted = elimination._search(p)
    return codes[parted == len(p.x)], codes, parted


def test_a_trace_is_the_simulation_of_conventions():
    """Forced by recorded spikes and on its own, for random steps."""
    alive = 0
    for seed in range(150):
        x, W, V, rng = layer(seed, seed % 2 == 0)
        step = drawn(rng)
        rows, run = rows_of(step, x, W, V)
        if not rows["spikes"].any() or run.mem.max() > 1e6:
            continue
        alive += 1
        for keep in (("syn", "mem", "spikes"), ("mem", "syn"), ("spikes",)):
            found = elimination._trace(problem(x, W, V, some(rows, *keep)), step)
            for name, row in rows.items():
                np.testing.assert_allclose(found[name], row, rtol=1e-9, atol=1e-9,
                                           err_msg=f"{seed} {name} {step}")
            np.testing.assert_allclose(found["states"], run.mem, 1e-9, 1e-9)
            np.testing.assert_array_equal(found["held"], run.held)
    assert alive > 100


def test_a_random_step_is_never_dropped():
    for seed in range(8):
        x, W, V, rng = layer(seed, seed % 2 == 0)
        step = drawn(rng)
        rows, run = rows_of(step, x, W, V)
        if not rows["spikes"].any() or run.mem.max() > 1e6:
            continue
        for keep in (("syn", "mem", "spikes"), ("mem",), ("spikes",)):
            p = problem(x, W, V, some(rows, *keep))
            fits, codes, parted = fitting(p)
            assert parted.dtype == int
            assert len(codes) == len(parted) == len(np.unique(
                elimination._grouped(codes)))
            # The number of steps of equal effect is that of the product.
            found = [elimination._trace(p, s) for s in elimination._steps(fits[::29])]
            assert len(fits) and all(np.allclose(run[name], rows[name], atol=1e-9)
                                     for run in found for name in keep)
            if step.synapse != "none" and step.reset != "none" and not (
                    step.refractory == 0 and step.mute) and (
                    step.gain in ("one", "leak") or step.decay == "exact"):
                assert (fits == elimination._codes_of(step)).all(axis=1).any()


@pytest.mark.parametrize("synapse", AXES["synapse"])
@pytest.mark.parametrize("order", AXES["input"])
@pytest.mark.parametrize("drive", AXES["drive"])
def test_the_linear_update_of_the_current_is_that_of_conventions(synapse, order, drive):
    """Equation (4), which `conventions` computes from the order of its parts."""
    step = Step(synapse=synapse, input=order, drive=drive, gain="leak")
    taus = {"tau_syn": 3.0, "tau_mem": 5.0}
    x = np.ones((2, 1, 1))
    run = conventions.simulate(step, x, np.eye(1), threshold=99.0, **taus)
    found = conventions.slopes(step, run, threshold=99.0, **taus)
    decays = {"exact": tuple(np.exp(-1 / np.array([3.0, 5.0])))}
    p = problem(x, np.eye(1), None, {}, 0)._replace(decays=decays, taus=(3.0, 5.0, 1.0))
    alpha, f, p, q, beta, gain = elimination._numbers(
        p, "exact", synapse, order, drive, "leak")
    assert [alpha, f, gain * p, gain * q, beta] == [
        found[name].flat[-1] for name in conventions.PARTS[:5]]


@pytest.mark.parametrize("compare", AXES["compare"])
@pytest.mark.parametrize("spikes", AXES["spikes"])
def test_spikes_are_counted_as_in_conventions(compare, spikes):
    step = Step(compare=compare, spikes=spikes, reset="none")
    for threshold in (0.75, 1.9999999999999998):
        x = threshold * np.arange(-2, 4, 0.25)[None, :, None]
        x = np.concatenate([x, np.nextafter(x, 9), np.nextafter(x, -9)], axis=1)
        run = conventions.simulate(step, np.concatenate([x, x]), np.eye(1), tau_syn=0.0,
                                   tau_mem=0.0, threshold=threshold)
        found = elimination._count(step, run.mem, threshold)
        np.testing.assert_array_equal(found, run.spikes)
        assert len(np.unique(found)) > 1 and (run.mem == threshold).any()


@pytest.mark.parametrize("test", AXES["test"])
@pytest.mark.parametrize("record", AXES["record"])
@pytest.mark.parametrize("reset_at", AXES["reset_at"])
def test_the_recorded_states_are_those_of_conventions(test, record, reset_at):
    step = Step(test=test, record=record, reset_at=reset_at)
    rng = np.random.default_rng(3)
    run = conventions.simulate(step, rng.random((7, 2, 1)) * 3, np.eye(1), tau_syn=2.0,
                               tau_mem=3.0)
    spikes, state, reset = elimination._recorded_states(step, 8)
    rows = conventions.recorded(step, run)
    np.testing.assert_array_equal(rows["spikes"], run.spikes[spikes])
    np.testing.assert_array_equal(rows["syn"], run.syn[state])
    assert run.spikes.any()
    changed = (rows["mem"] != run.mem[state]).any()
    assert changed == (reset and run.spikes[state].any())


@pytest.mark.parametrize("test", AXES["test"])
@pytest.mark.parametrize("record", AXES["record"])
def test_every_row_and_time_of_the_reset(test, record):
    x, W, V, _ = layer(11)
    for when in AXES["reset_at"]:
        step = Step(test=test, record=record, reset_at=when)
        rows, _ = rows_of(step, x, W, V, "mem", "spikes")
        assert rows["spikes"].any()
        fits, _, _ = fitting(problem(x, W, V, rows))
        assert (fits == elimination._codes_of(step)).all(axis=1).any()


def test_first_rows_are_those_of_a_full_comparison():
    x, W, V, _ = layer(3, T=10)
    step = PRESETS["norse"]
    rows, _ = rows_of(step, x, W, V)
    p = problem(x, W, V, rows)
    _, codes, parted = fitting(p)
    slack = elimination._slack(p)
    assert 0 < np.mean(parted < 10) and len(set(parted.tolist())) > 3
    for i in np.random.default_rng(1).integers(0, len(codes), 60):
        run = elimination._trace(p, elimination._steps(codes[i:i + 1])[0])
        bad = [~(np.abs(run[name] - rows[name]) <= slack[name][:, None, None])
               for name in ("syn", "mem")] + [run["spikes"] != rows["spikes"]]
        any_bad = np.any(bad, axis=(0, 2, 3))
        assert parted[i] == (np.argmax(any_bad) if any_bad.any() else 10)


def test_wide_layers_are_compared_in_part_and_then_in_full():
    x, W, _, _ = layer(5, False, B=5, n=16)
    rows, _ = rows_of(PRESETS["nir"], x, W, None)
    fits, _, _ = fitting(problem(x, W, None, rows))
    assert (fits == elimination._codes_of(PRESETS["nir"])).all(axis=1).any()
    flat = elimination._flatten(problem(x, W, None, rows))
    idle = int(np.setdiff1d(np.arange(80), elimination._active(flat))[0])
    rows["mem"][-1, idle // 16, idle % 16] += 1e-3
    fits, codes, parted = fitting(problem(x, W, None, rows))
    own = (codes == elimination._codes_of(PRESETS["nir"])).all(axis=1)
    assert len(fits) == 0 and parted[own].tolist() == [13] and parted.max() == 13


def test_the_most_active_entries_are_compared_first():
    spikes = np.zeros((14, 2, 20))
    spikes[::2, 1, 4:] = 1.0            # entries 24 to 39
    spikes[:3, 0, 3:19] = 1.0           # entries 3 to 18, silent later
    x, W, V = np.zeros((14, 2, 3)), np.ones((20, 3)), np.ones((20, 20))
    flat = elimination._flatten(problem(x, W, None, {"spikes": spikes, "mem": spikes}))
    assert elimination._active(flat).tolist() == [*range(3, 19), *range(24, 40)]
    once = np.zeros((14, 2, 20))
    once[1], once[2:7, 0, 8:], once[2:7, 1], once[1, 0, 8:], once[1, 1] = 1, 1, 1, 0, 0
    flat = elimination._flatten(problem(x, W, None, {"mem": once}))
    assert elimination._active(flat).tolist() == list(range(8, 40))
    flat = elimination._flatten(problem(x, W, None, {"mem": 0 * spikes}))
    assert elimination._active(flat).tolist() == list(range(32))
    flat = elimination._flatten(problem(x, W, V, {"mem": spikes}))
    assert elimination._active(flat).tolist() == list(range(20))
    spikes[2:12, 1] = 0.5               # sample 1 changes more often
    flat = elimination._flatten(problem(x, W, V, {"mem": spikes}))
    assert elimination._active(flat).tolist() == list(range(20, 40))


@pytest.mark.parametrize("factor, fits", [(0.5, True), (2.0, False)])
def test_the_tolerance_is_that_of_the_equation(factor, fits):
    """Of the last row, T = 14: (256 + 8 * 13) eps of the largest potential."""
    x, W, V, _ = layer(2)
    rows, _ = rows_of(PRESETS["stork"], x, W, V, "mem", "spikes")
    for eps in (EPS, 2.0 ** -23):
        limit = 360 * eps * max(np.abs(rows["mem"]).max(), 0.8)
        wrong = rows | {"mem": rows["mem"].copy()}
        wrong["mem"][-1, 1, 2] += factor * limit
        found, _, _ = fitting(problem(x, W, V, wrong, eps))
        own = (found == elimination._codes_of(PRESETS["stork"])).all(axis=1).any()
        assert own == fits


def test_the_scale_is_that_of_the_recording_up_to_a_row():
    rows = {"mem": np.array([0.1, -5.0, 2.0]).reshape(3, 1, 1),
            "syn": np.array([0.0, 3.0, 0.0]).reshape(3, 1, 1)}
    p = problem(np.zeros((3, 1, 1)), np.eye(1), None, rows, 1.0)
    found = elimination._slack(p)
    assert found["mem"].tolist() == [256 * 0.8, 264 * 5, 272 * 5]
    assert found["syn"].tolist() == [256 * 0.8, 264 * 3, 272 * 3]
    many = rows | {"spikes": np.array([0.0, 10, 0]).reshape(3, 1, 1)}
    found = elimination._slack(p._replace(rows=many))["mem"]
    assert found.tolist() == [256 * 0.8, 264 * 8, 272 * 8]


def test_a_flipped_spike_at_the_threshold_parts_nothing():
    """A potential 1e-8 above the threshold is recorded as no spike."""
    x, W = np.zeros((8, 1, 1)), np.eye(1)
    x[:, 0, 0] = [0, 0.5, 1, 0.3, 0, 0.9, 0.4, 0]
    levels = LEVELS | {"leak": 0.0, "threshold": 1.0}
    step = PRESETS["snntorch_leaky"]
    run = conventions.simulate(step, x, W, **TAUS, **levels)
    at = int(np.argmax(run.spikes.ravel() > 0))
    levels["threshold"] = float(run.mem.ravel()[at]) * (1 - 1e-8)
    other = conventions.simulate(
        step, x, W, spike=lambda k, u: (u > levels["threshold"]) * (k != at) * 1.0,
        **TAUS, **levels)
    assert other.spikes.any() and not np.array_equal(other.spikes, run.spikes)
    seen = conventions.recorded(step, other)
    for eps, fits in ((2.0 ** -23, True), (EPS, False)):
        for keep in (("spikes",), ("mem", "spikes")):
            found, _, _ = fitting(problem(x, W, None, some(seen, *keep), eps,
                                          levels=levels))
            own = (found == elimination._codes_of(step)).all(axis=1).any()
            assert own == fits


def test_no_convention_is_searched_twice():
    p = problem(*layer(1)[:3], {})
    codes = elimination._product(p)
    assert np.array_equal(codes, np.unique(codes, axis=0)) and len(codes) > 100_000
    assert codes.dtype == np.int8
    reset, at = (codes[:, list(elimination.AXES).index(name)] for name in (
        "reset", "reset_at"))
    assert {AXES["reset_at"][i] for i in at[reset == AXES["reset"].index("none")]} == {
        "after"}
    only = elimination._product(p._replace(decays={"exact": p.decays["exact"]}))
    assert set(only[:, 0].tolist()) == {0}
    gains = list(elimination.AXES).index("gain")
    euler = codes[codes[:, 0] == 1]
    assert {AXES["gain"][i] for i in euler[:, gains]} == {"one", "leak", "integral"}
    zero = elimination._product(p._replace(taus=(0.0, 0.0, 1.0), decays={
        "exact": (0.0, 0.0)}))
    assert {AXES["gain"][i] for i in zero[:, gains]} == {"one", "integral"}


def test_numbers_are_those_of_conventions():
    for decay in AXES["decay"]:
        for synapse in AXES["synapse"]:
            for order in AXES["input"]:
                for drive in AXES["drive"]:
                    for gain in AXES["gain"]:
                        step = Step(decay, synapse, order, drive, gain, reset="none")
                        x = np.array([1.0, 0, 0.5]).reshape(3, 1, 1)
                        p = problem(x, np.eye(1), None, {})
                        run = conventions.simulate(step, x, np.eye(1), **TAUS, **LEVELS)
                        found = elimination._trace(p, step)
                        np.testing.assert_allclose(found["states"], run.mem, 1e-12)


@pytest.mark.parametrize("compare, own", [(">", 0), (">=", 1), ("half", 0.5)])
def test_simulated_spikes_at_the_threshold(compare, own):
    p = problem(np.zeros((4, 1, 1)), np.eye(1), None, {}, 1e-4)
    flat = elimination._flatten(p)
    runs, _, _ = elimination._runs(p, np.array([elimination._codes_of(
        Step(reset="none", compare=compare))]))
    for k, limit in ((0, 16e-4), (2, 17e-4), (3, 17.5e-4), (4, 17.5e-4)):
        for share, found in ((-1.01, 0), (-0.99, own), (0.99, own), (1.01, 1)):
            mem = np.array([[0.8 * (1 + share * limit)]])
            assert elimination._own(flat, runs, mem, k, 4) == found


def test_potentials_that_overflow_contradict_without_a_warning():
    x, W, V, _ = layer(1)
    rows, _ = rows_of(PRESETS["nir"], x, W, V)
    assert rows["spikes"].any()
    with np.errstate(all="raise"):
        p = problem(x, W, 1e300 * V, some(rows, "mem"))
        assert np.all(fitting(p)[2] < len(x))
        run = elimination._trace(p, Step(spikes="many"))
    assert not np.isfinite(run["mem"]).all()


def test_a_spike_in_the_first_row_without_input():
    rows = {"spikes": np.array([1.0, 0, 0]).reshape(3, 1, 1)}
    fits, _, parted = fitting(problem(np.zeros((3, 1, 1)), np.eye(1), None, rows))
    assert len(fits) == 0 and not parted.any()


def test_a_difference_of_the_tolerance_contradicts_nothing():
    value, row = np.array([[1.5, 2.0], [1.5, 1.0]]), np.array([1.0, 2.0])
    assert elimination._off(value, row, 0.5).tolist() == [False, True]


@pytest.mark.parametrize("keep", [("mem",), ("mem", "spikes")])
def test_a_trace_in_float32(keep):
    x, W, V, _ = layer(1)
    for step in (PRESETS["nir"], Step(reset="zero", test="after", refractory=1),
                 Step(reset="zero", spikes="many", mute=True, refractory=1)):
        rows, _ = rows_of(step, x, W, V)
        assert rows["spikes"].any()
        run = elimination._trace(problem(x, W, V, some(rows, *keep)), step, np.float32)
        assert run["syn"].dtype == run["mem"].dtype == np.float32
        np.testing.assert_allclose(run["mem"], rows["mem"], 1e-4, 1e-4)


@pytest.mark.parametrize("levels", [{"reset_to": 0.9}, {"leak": 0.9}])
def test_a_trace_whose_reset_or_rest_is_above_the_threshold(levels):
    x, W, V, _ = layer(1)
    levels = LEVELS | levels
    for step in (Step(reset="zero", refractory=2), Step(test="after"),
                 Step(reset="zero", refractory=1, mute=True, spikes="many")):
        run = conventions.simulate(step, x, W, V, **TAUS, **levels)
        rows = conventions.recorded(step, run)
        for keep in (("mem", "spikes"), ("mem",)):
            found = elimination._trace(
                problem(x, W, V, some(rows, *keep), levels=levels), step)
            for name, row in rows.items():
                np.testing.assert_allclose(found[name], row, 1e-9, 1e-9)
        assert run.spikes[0].any() == (levels["leak"] > 0.8)


def test_distances_and_codes():
    step = Step()
    assert elimination._codes_of(step._replace(mute=True)) == \
        elimination._codes_of(step)
    held = step._replace(refractory=1)
    assert elimination._codes_of(held._replace(mute=True)) != \
        elimination._codes_of(held)
    codes = np.array([elimination._codes_of(s) for s in (
        step, held, step._replace(decay="euler"), held._replace(floor=True))])
    assert elimination._distance(codes, [step]).tolist() == [0, 3, 1, 6]
    assert elimination._distance(codes, [step, held]).tolist() == [0, 0, 1, 3]
    assert elimination._steps(codes[1:2]) == [held]
    with pytest.raises(ValueError):
        elimination._steps(codes[:, :13])


def test_a_membrane_without_synapse_is_found():
    x, known = np.ones((9, 1, 1)), {"exact": (0.5, 0.75)}
    levels = {"threshold": 9.0, "leak": 0.0, "reset_to": 0.0, "floor": 0.0}
    mem = 4 - 4 * 0.75 ** np.arange(1, 10).reshape(9, 1, 1)
    codes, parted = elimination._search(elimination.Problem(
        x, np.eye(1), None, {"mem": mem}, known, (0, 0, 1), levels, 2e-16))
    assert {step.synapse for step in elimination._steps(codes[parted == 9])} == {"none"}
