"""Recordings that no convention fits: nearest convention, refits, transposition."""

import numpy as np
import pytest
from layers import DTYPES, TAUS, layer, named, problem, recorded, some

from refsnn import conventions, lif
from refsnn.conventions import PRESETS
from refsnn.oracle import identify
from refsnn.oracle.identify import elimination, fitting, nearest


def test_noise_and_explosions_have_no_nearest():
    x, W, V, rows, _ = layer(PRESETS["norse"], 9, m=5, n=4)
    noise = np.random.default_rng(3).normal(size=rows["mem"].shape)
    growth = 1.6 ** np.arange(30)[:, None, None] + 0 * noise
    spikes, small = (noise > 1) * 1.0, 1e-3 * growth
    for seen, dtype in (
            ({"mem": noise}, np.float32), ({"mem": noise, "spikes": spikes}, float),
            ({"spikes": spikes}, np.float32), ({"mem": growth * np.abs(noise)}, float),
            ({"mem": small}, np.float32),
            ({"mem": small, "spikes": (small > 1) * 1.0}, np.float32),
            ({"mem": 1e250 * growth * noise, "spikes": spikes}, float),
            ({"spikes": np.rint(growth)}, float)):
        report = identify.identify(x, W, some(seen, dtype=dtype), V, **TAUS)
        assert report.members == [] and report.nearest is None
        assert report.fit is report.parting is None
        assert report.text == "no convention fits"


def test_other_constants_are_refitted_and_not_recognised():
    step = PRESETS["norse"]
    x, W, V, rows, _ = layer(step, 2, m=5, n=4, taus=TAUS | {"tau_mem": 11.0})
    for dtype in DTYPES:
        report = identify.identify(x, W, some(rows, "mem", "spikes", dtype=dtype), V,
                                   **TAUS)
        assert report.members == [] and report.fit.exact
        assert abs(report.fit.beta - 10 / 11) < 1e-5
        assert abs(report.fit.gain - 1 / 11) < 1e-5
        assert report.parting.step < 10 and report.nearest is not None
        assert report.lines[0] == "no convention fits"
        assert "differs first at step" in report.lines[1]
        assert report.lines[2].startswith(
            "with refitted constants (a least-squares fit, not a recognition): alpha "
            "0.8, beta 0.90909")
        assert report.lines[2].endswith(", reset zero; mem: exact to rounding; spikes "
                                        "and the threshold are not tested")
    noise = np.random.default_rng(3).normal(size=rows["mem"].shape)
    rows["mem"] += 0.01 * np.std(rows["mem"]) * noise
    report = identify.identify(x, W, some(rows, "mem", "spikes"), V, **TAUS)
    error = float(report.lines[2].partition("; mem: error ")[2].partition(" %")[0])
    assert not report.fit.exact and np.isclose(error, 100 * report.fit.error, rtol=0.05)
    assert report.nearest is not None


def test_the_nearest_is_the_one_that_parts_last():
    x, W, V, rows, _ = layer(PRESETS["norse"], 2)
    entry = 20, 1, 4
    for name in ("mem", "spikes"):
        wrong = {key: rows[key].copy() for key in {name, "spikes"}}
        wrong[name][entry] = 1 - wrong[name][entry]
        report = identify.identify(x, W, wrong, V, **TAUS)
        assert report.members == [] and report.nearest.preset == "norse"
        assert report.parting[:4] == (*entry, name)
        value = rows[name][entry]
        assert np.allclose(report.parting[4:], (1 - value, value))


def test_of_conventions_that_part_at_once_the_one_of_least_error_is_nearest():
    """All conventions differ in row 0, where only one entry was changed."""
    for name in ("lava", "snntorch_synaptic", "sinabs"):
        x, W, V, rows, _ = layer(PRESETS[name], 5, m=5, n=4)
        rows["mem"][0, 1, 3] += 1e-3
        report = identify.identify(x, W, some(rows, "mem", "spikes"), V, **TAUS)
        assert report.nearest[:2] == (name, ())
        assert report.parting[:4] == (0, 1, 3, "mem")


def test_a_few_entries_make_no_nearest():
    x, W, V, rows, _ = layer(PRESETS["norse"], 0, recurrent=False, B=1, n=2)
    noise = np.random.default_rng(1).normal(0, 9, rows["mem"].shape)
    for start, near in ((5, False), (20, True)):
        mem = np.where(np.arange(30)[:, None, None] < start, rows["mem"], noise)
        report = identify.identify(x, W, {"mem": mem}, V, **TAUS)
        assert report.members == [] and (report.nearest is not None) == near


def test_entries_before_the_first_difference_are_counted():
    x, W, V, rows, _ = layer(PRESETS["lava"], 3)
    rows["mem"][7, 0, 2] += 1
    for names in (("mem",), ("mem", "spikes"), ("syn", "mem", "spikes")):
        p = problem(x, W, V, some(rows, *names))
        run = elimination._trace(p, PRESETS["lava"])
        parting, matched = nearest._first(p, PRESETS["lava"], run)
        found, wanted = rows["mem"][7, 0, 2], rows["mem"][7, 0, 2] - 1
        assert parting[:4] == (7, 0, 2, "mem")
        assert np.allclose(parting[4:], (found, wanted))
        slack = elimination._slack(p)["mem"][:7, None, None]
        assert matched == sum(np.count_nonzero(np.abs(rows[name][:7]) > slack)
                              for name in names)


def test_errors_are_relative_to_the_deviation_from_the_mean():
    x, W, V, rows, _ = layer(PRESETS["lava"], 3)
    p = problem(x, W, V, some(rows, "mem", "spikes"))
    other = {name: row + 0.25 * row.std() for name, row in p.rows.items()}
    assert np.isclose(nearest._error(p, other), 0.25)
    other["mem"] = 3 * p.rows["mem"].mean() - 2 * p.rows["mem"]
    assert np.isclose(nearest._error(p, other), 3)
    assert nearest._error(p, p.rows) == 0
    with np.errstate(all="ignore"):
        for bad in (np.inf, np.nan, 1e300):
            assert nearest._error(p, other | {"mem": bad * p.rows["mem"]}) == np.inf
        flat = p._replace(rows={"mem": np.ones_like(rows["mem"])})
        assert nearest._error(flat, {"mem": rows["mem"]}) == np.inf


def test_a_spike_within_rounding_of_the_threshold_is_no_difference():
    step = PRESETS["snntorch_leaky"]
    x, W, _, _, free = layer(step, 2, recurrent=False, B=1, n=3)
    i = int(np.argmax(free.spikes[:, 0].any(axis=0)))
    at = int(np.argmax(free.spikes[:, 0, i] > 0))
    threshold = np.ones(3)
    threshold[i] = free.mem[at, 0, i] * (1 - 1e-8)

    def spike(k, u):        # the tool rounds once to the other side
        return (u > threshold) * ~((k == at) & (np.arange(3) == i)) * 1.0

    given = TAUS | {"threshold": threshold}
    rows = some(recorded(step, x, W, spike=spike, **given), "mem", "spikes",
                dtype=np.float32)
    assert "snntorch_leaky" in named(identify.identify(x, W, rows, **given))
    rows["mem"][-1, 0, 1] += 0.5
    report = identify.identify(x, W, rows, **given)
    assert at < 29 and report.nearest.preset == "snntorch_leaky"
    assert report.parting[:4] == (29, 0, 1, "mem")


@pytest.mark.parametrize("count, differs", [(0, False), (1, False), (2, True)])
def test_only_counts_on_both_sides_of_the_threshold_are_accepted(count, differs):
    """A muted neuron has no spike, also if its potential is near the threshold."""
    step = PRESETS["snntorch_leaky"]._replace(reset="none")
    x, W = np.zeros((5, 1, 1)), np.eye(1)
    x[1] = 1
    rows = {"spikes": recorded(step, x, W, **TAUS)["spikes"] + 0.0}
    rows["spikes"][1] = count
    p = problem(x, W, None, rows)
    parting, _ = nearest._first(p, step, elimination._trace(p, step))
    assert (parting is not None) == differs
    rows["spikes"][0] = 1
    p = problem(x, W, None, rows)
    muted = step._replace(refractory=2, mute=True)
    parting, _ = nearest._first(p, muted, elimination._trace(p, muted))
    assert parting[:5] == (0, 0, 0, "spikes", 1.0)
    p = problem(x, W, None, rows, levels={"threshold": np.array([9.0]), "leak": 0.0,
                                          "reset_to": 0.0, "floor": 0.0})
    assert nearest._first(p, step, elimination._trace(p, step))[0].step == 0


def test_batch_before_time_is_said():
    for name, m in (("norse", 5), ("lava", 4)):
        x, W, V, rows, _ = layer(PRESETS[name], 2, m=m, n=4)
        swapped = {key: row.swapaxes(0, 1) for key, row in rows.items()}
        report = identify.identify(x.swapaxes(0, 1), W, swapped, V, **TAUS)
        assert report.members == []
        assert report.lines[-1].startswith("batch before time fits: as " + {
            "norse": "norse lif_step (norse)", "lava": "lava LIF (lava)"}[name])
    short = {"spikes": rows["spikes"].swapaxes(0, 1)[:, :3]}
    told = identify.identify(x.swapaxes(0, 1)[:, :3], W, short, V, **TAUS)
    assert "batch before time" not in told.text


def test_transposed_weights_are_said():
    x, W, V, rows, _ = layer(PRESETS["lava"], 2, m=4, n=4)
    for name, weights in (("V", (W, V.T)), ("W", (W.T, V)), ("W and V", (W.T, V.T))):
        report = identify.identify(x, weights[0], rows, weights[1], **TAUS)
        assert report.members == []
        assert report.lines[-1] == f"transposed {name} fits: as lava LIF (lava)"
    x, W, V, rows, _ = layer(PRESETS["norse"], 2, recurrent=False, m=4, n=4)
    report = identify.identify(x, W.T, rows, **TAUS)
    assert report.lines[-1] == ("transposed W fits: as norse lif_step (norse) or norse "
                                "lif_feed_forward_step (norse_feed_forward)")
    step = PRESETS["lava"]._replace(refractory=2, reset="subtract")
    x, W, V, rows, _ = layer(step, 2, m=5, n=4)
    report = identify.identify(x, W, rows, V.T, **TAUS)
    assert report.lines[-1] == (
        "transposed V fits: as lava LIF (lava), but reset by subtraction and "
        "refractory 2")
    rows = conventions.recorded(PRESETS["lava"], conventions.simulate(
        PRESETS["lava"], x, W, V, **TAUS))
    rows["mem"][5] += 1
    report = identify.identify(x, W, rows, V.T, **TAUS)
    assert report.members == [] and "transposed" not in report.text


@pytest.mark.parametrize("preset, recurrent", [
    ("norse", True), ("refsnn", False), ("snntorch_synaptic", True)])
def test_a_gain_of_the_tool_is_said(preset, recurrent):
    """The tool multiplies all currents by a gain that the caller does not know."""
    step, gain = PRESETS[preset], 0.861067
    x, W, V, rows, _ = layer(step, 2, recurrent=recurrent, m=5, n=4)
    given = W / gain, V / gain if recurrent else None
    whole = gain * (1 if step.gain == "one" else 1 / TAUS["tau_mem"])
    for dtype in DTYPES:
        seen = some(rows, "mem", "spikes", dtype=dtype)
        report = identify.identify(x, given[0], seen, given[1], **TAUS)
        assert report.members == [] and abs(report.fit.gain / whole - 1) < 1e-5
        assert "start from rest" not in report.text
        names = "W and V" if recurrent else "W"
        told, _, rest = report.lines[-1].removeprefix(names + " times ").partition(" ")
        assert rest.startswith("fits: as ")
        W, V = (a if a is None else float(told) * a for a in given)
        report = identify.identify(x, W, seen, V, **TAUS)
        found = [step.preset for step in report.members]
        assert preset in found or preset == "norse" and found
    seen["mem"][5] += 1
    report = identify.identify(x, given[0], seen, given[1], **TAUS)
    assert " times " not in report.text


def test_a_gain_is_found_beside_refractory_neurons_and_behind_the_current():
    step = PRESETS["lava"]._replace(refractory=4)
    x, W, V, rows, _ = layer(step, 2, m=5, n=4)
    assert rows["spikes"].sum() > 12
    report = identify.identify(x, W / 1.3, some(rows, "mem", "spikes"), V / 1.3, **TAUS,
                               refractory=4)
    told = report.lines[-1].partition(" fits: as ")
    assert told[0].startswith("W and V times 1.") and report.fit.exact
    assert told[2] == "lava LIF (lava), but refractory 4"
    rows["syn"] /= 1.3
    report = identify.identify(x, W / 1.3, rows, V / 1.3, **TAUS, refractory=4)
    assert ", without syn, fits: as lava LIF (lava), but refr" in report.lines[-1]


def test_another_convention_beside_the_given_refractory_period_is_named_with_it():
    x, W, V, rows, _ = layer(PRESETS["lava"]._replace(refractory=4, input="next"), 2,
                             m=5, n=4)
    report = identify.identify(x, W, some(rows, "mem", "spikes"), V, **TAUS,
                               refractory=4)
    assert report.lines[0] == \
        "as lava LIF (lava), but refractory 4 and input one step late"


def test_a_late_start_and_spikes_of_another_size_are_said():
    x, W, V, rows, _ = layer(PRESETS["lava"], 2, m=5, n=4)
    late = {name: rows[name][20:] for name in ("mem", "spikes")}
    told = "does the recording start from rest?"
    assert told in identify.identify(x[20:], W, late, V, **TAUS).lines
    for size in (1.0, 1000.0):
        seen = {"mem": rows["mem"], "spikes": size * rows["spikes"]}
        report = identify.identify(x, W, seen, 2 * V, **TAUS)
        assert report.members == [] and told not in report.lines
        assert ("each spike is 1000: divide spikes by 1000" in report.lines) == (
            size > 1)
    seen["spikes"][0] *= 2
    seen["spikes"][0, 0, 0] = 2000      # spikes of two sizes
    assert "each spike" not in identify.identify(x, W, seen, 2 * V, **TAUS).text


def test_a_forgotten_recurrence_is_said():
    for name in ("lava", "snntorch_leaky"):
        x, W, V, rows, _ = layer(PRESETS[name], 2, m=5, n=4)
        _, _, _, free, _ = layer(PRESETS[name], 2, recurrent=False, m=5, n=4)
        report = identify.identify(x, W, free, V, **TAUS)
        assert report.members == []
        assert report.lines[-1].startswith("V = 0 fits: as ") and name in report.text
        for others in (rows, some(free, "spikes")):
            assert "V = 0" not in identify.identify(x, 1.5 * W, others, V, **TAUS).text
    alone = conventions.recorded(PRESETS[name], conventions.simulate(
        PRESETS[name], x, W, 0.01 * V, **TAUS))["spikes"]
    assert np.array_equal(alone, free["spikes"])        # V acts, but on no spike
    assert "V = 0" not in identify.identify(x, W, {"spikes": alone}, V, **TAUS).text


@pytest.mark.parametrize("reset", ["subtract", "zero", "none"])
def test_a_forgotten_threshold_is_said(reset):
    """The layer has a threshold of 1, and the caller states another threshold."""
    step = PRESETS["snntorch_leaky"]._replace(reset=reset)
    x, W, V, rows, _ = layer(step, 2, recurrent=False)
    for threshold in (0.8, 1.75):
        report = identify.identify(x, W, some(rows, "mem", "spikes"), V,
                                   **TAUS | {"threshold": threshold})
        assert report.members == []
        assert report.lines[-1].startswith("threshold 1 fits: as ")
        if reset == "subtract":
            assert not report.fit.exact
            assert report.lines[-1].endswith(" (snntorch_leaky)")
    report = identify.identify(x, 1.5 * W, some(rows, "mem", "spikes"), V, **TAUS)
    assert "threshold 1" not in report.text


def test_few_spikes_prove_no_change_of_the_input():
    """With spikes alone, only a preset shows that W is transposed, and only for at
    least 12 spikes."""
    x, W, _, _, _ = layer(PRESETS["norse"], 2, recurrent=False, m=4, n=4)
    W, presets = 8 * W, []
    for change in ({}, {"refractory": 2, "reset": "subtract"}):
        rows = recorded(PRESETS["norse"]._replace(**change), x, W, **TAUS)
        fired = rows["spikes"].sum(axis=(1, 2)).cumsum()
        T = int(np.flatnonzero(fired < 12)[-1]) + 1
        assert fired[-1] >= 20 and fired[T - 1] > 4
        told = [identify.identify(x[:end], W.T, some({
            key: row[:end] for key, row in rows.items()}, *names), **TAUS)
            for end, names in ((None, ["spikes"]), (T, ["spikes"]),
                               (None, ["spikes", "mem"]))]
        assert not any(report.members for report in told)
        presets.append(["transposed W fits" in report.text for report in told])
    assert presets == [[True, False, True], [False, False, True]]


@pytest.mark.parametrize("preset", ["norse", "refsnn"])
def test_a_grid_scanned_with_few_entries_gives_the_same_constants(preset, monkeypatch):
    taus, found = TAUS | {"tau_mem": 11.0}, []
    x, W, V, rows, _ = layer(PRESETS[preset], 2, m=5, n=4, taus=taus)
    for scanned in (10 ** 6, 60):
        monkeypatch.setattr(fitting, "SCANNED", scanned)
        report = identify.identify(x, W, some(rows, "mem", "spikes"), V, **TAUS)
        found.append(report.fit)
    every, few = found
    assert rows["mem"][0].size > 60 // len(x) and every.exact and few.exact
    assert every.step == few.step
    np.testing.assert_allclose(few[1:5], every[1:5], rtol=1e-9, atol=1e-9)


def refitted(threshold, adapt=0.0, reset_to=None, hold=0):
    """Return the last lines of the report on a neuron layer with other constants."""
    rng = np.random.default_rng(0)
    x, W = rng.random((60, 2, 5)) * (rng.random((60, 2, 5)) < 0.5), rng.random((3, 5))
    syn, mem, moved, rest = np.zeros((4, 2, 3))
    rows = {"mem": [], "spikes": []}
    for step in x:
        spikes = 1.0 * (mem > threshold + moved) * (rest == 0)
        rows["mem"].append(mem)
        rows["spikes"].append(spikes)
        rest = np.where(spikes > 0, hold, np.maximum(rest - 1, 0))
        new = 0.8 * mem + syn
        new = new - spikes * 1.0 if reset_to is None else np.where(
            spikes + (rest > 0) * hold > 0, reset_to, new)
        syn, mem, moved = 0.6 * syn + step @ W.T, new, 0.9 * moved + adapt * spikes
    rows = {name: np.array(row) for name, row in rows.items()}
    assert 0.05 < rows["spikes"].mean() < 0.9
    report = identify.identify(x, W, rows, alpha=0.6, beta=0.8)
    assert report.members == []
    return report.lines


def test_thresholds_that_explain_the_spikes_are_told():
    line, = (row for row in refitted(1.5) if row.startswith("with refitted constants"))
    told = "; for the recorded mem, the spikes need a threshold between "
    low, high = map(float, line.partition(told)[2].split(" and "))
    assert 1.4 < low <= 1.5 < high < 1.6
    line, = (row for row in refitted(1.0, 0.3) if row.startswith("with refitted"))
    assert line.endswith("; no constant threshold explains the spikes")


def test_a_value_after_each_spike_is_told():
    told = "mem is -0.25 in 1 step after each spike: is reset_to -0.25?"
    assert told in refitted(1.0, reset_to=-0.25)
    told = "mem is 0 in 4 steps after each spike: is refractory 3 or 4?"
    assert told in refitted(1.0, reset_to=0.0, hold=4)
    assert not any(row.startswith("mem is") for row in refitted(1.5))
    step = PRESETS["lava"]._replace(refractory=4)
    x, W, _, rows, _ = layer(step, 2, recurrent=False)
    report = identify.identify(x, W, rows, **TAUS)
    assert "mem is 0 in 5 steps from each spike on: is refractory 4 or 5?" \
        in report.lines


def test_potentials_after_their_reset_give_no_verdict_on_the_threshold():
    """A reset to zero at once is fitted like a late reset, whose spikes need a
    constant threshold."""
    step = PRESETS["norse"]
    x, W, _, rows, _ = layer(step, 2, recurrent=False, taus=TAUS | {"tau_mem": 11.0})
    p = problem(x, W, None, some(rows, "mem", "spikes"))
    for at, V in (("after", None), ("once", None), ("after", np.eye(8))):
        assert nearest._spiking(p._replace(V=V), step._replace(
            reset_at=at, test="after")) == "; spikes and the threshold are not tested"
    for changes in ({"reset_at": "before"}, {"reset_at": "after", "reset": "subtract"}):
        assert "no constant threshold" in nearest._spiking(p, step._replace(**changes))


def test_potentials_after_a_subtraction_are_compared_before_it():
    """A subtraction at once can be fitted like a late one, with the spikes one row
    off."""
    step = PRESETS["lava"]._replace(reset="subtract")
    x, W, _, rows, _ = layer(step, 2, recurrent=False)
    seen = some(rows, "mem", "spikes")
    p = problem(x, W, None, seen)
    late = step._replace(reset_at="after", test="before")
    for each in (step, late):
        assert nearest._spiking(p, each) == "; the threshold explains the spikes"
    seen["spikes"][np.unravel_index(seen["mem"].argmin(), seen["mem"].shape)] = 1
    for each in (step, late):
        assert "no constant threshold" in nearest._spiking(p, each)
    for changes in ({"record": "before", "test": "before"}, {"record": "before"},
                    {"spikes": "many"}):
        each = step._replace(**changes)
        seen = recorded(each, x, 5 * W, **TAUS)
        assert (seen["spikes"].max() > 1) == (each.spikes == "many")
        p = problem(x, 5 * W, None, seen)
        assert nearest._spiking(p, each) == "; the threshold explains the spikes"


def test_a_constant_potential_is_counted_up_to_the_next_spike():
    mem, spikes = np.full((2, 30, 1, 3), 0.25)
    for gap in (1, 2, 5):
        spikes[:] = (np.arange(30)[:, None, None] + np.arange(3) // 2) % gap == 0
        p = problem(np.ones((30, 1, 2)), np.ones((3, 2)), None,
                    {"mem": mem, "spikes": spikes})
        told, = nearest._constant(p)
        assert told.startswith(f"mem is 0.25 in {gap} step{'s' * (gap > 1)} from each")
        assert told.endswith("0.25? is refractory 4?" if gap == 5 else "reset_to 0.25?")
    spikes[:] = 0                               # the neurons spike once, one by one
    spikes[[0, 1, 3], 0, [0, 1, 2]] = 1
    told, = nearest._constant(p)
    assert told == "mem is 0.25 in 27 steps from each spike on: is reset_to 0.25? is " \
        "refractory 26 or 27?"


@pytest.mark.parametrize("alpha", [0.8, 0.9])
def test_a_recording_may_not_start_from_rest(alpha):
    """The effect of the first state decays with alpha and with beta."""
    rng, taus = np.random.default_rng(3), {"alpha": alpha, "beta": 0.9}
    x, W = 1.0 * (rng.random((40, 2, 5)) < 0.3), rng.normal(0.02, 0.04, (3, 5))
    start = lif.State(*rng.random((2, 2, 3)))

    def lines(**other):
        run, _ = lif.run(x, W, None, start, **(taus | other))
        assert 5 < run.spikes.sum() < run.spikes.size / 2
        return identify.identify(x, W, {"spikes": run.spikes, "mem": run.mem},
                                 **taus).lines

    told = [line for line in lines() if "fits, if not started from rest" in line]
    assert lines()[0] == "no convention fits" and len(told) == 1
    assert "refsnn lif (refsnn)" in told[0]
    assert not any("from rest" in line and "fits" in line
                   for other in ({"beta": 0.85}, {"threshold": 1.2})
                   for line in lines(**other))
