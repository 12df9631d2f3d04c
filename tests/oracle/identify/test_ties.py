"""Ties: how a tool counts a potential that equals the threshold."""

import numpy as np
import pytest
from layers import BINARY, EPS, LEVELS, TAUS_BINARY, named, problem, recorded, some

from refsnn.conventions import AXES, PRESETS, Step
from refsnn.oracle import identify
from refsnn.oracle.identify import elimination, ties
from refsnn.oracle.identify.elimination import Problem


PLAIN = Step(synapse="none", input="same", test="after", record="after")   # u + x


def tied(x, step, scale=1, rows=None, exact=False, leak=0.0):
    """Return how ties are decided if u := 3/4 u + x, with a threshold of 2 scale."""
    x = scale * np.reshape(x, (-1, 1, 1))
    levels = LEVELS | {"threshold": 2.0 * scale, "leak": leak}
    p = Problem(x, np.eye(1), None, {}, {"exact": (0.5, 0.75)}, (0.0, 0.0, 1.0), levels,
                EPS)
    own = elimination._trace(p, step)
    if rows is None:
        rows = some(own, "spikes")
    found, = ties._ties(p._replace(rows=rows), [step], exact)
    return found


@pytest.mark.parametrize("compare", AXES["compare"])
@pytest.mark.parametrize("spikes", AXES["spikes"])
def test_ties_without_rounding_settle_compare(compare, spikes):
    step = PLAIN._replace(compare=compare, spikes=spikes)
    x = [0, 2, 0, 0, 2, 0]
    assert tied(x, step) == tied(x, step, rows={}) == {compare}
    # Decays that are not exact in float32 leave it open.
    assert tied(x, step, 1 / 3) == set()
    exact = np.reshape([0, 1, 0, 0, 0, 0], (6, 1, 1)) > 0
    assert tied(x, step, 1 / 3, exact=exact) == {compare}
    assert tied(x, step, 1 / 3, exact=exact[::-1]) == set()     # u is not 2/3 there


@pytest.mark.parametrize("compare", AXES["compare"])
def test_a_potential_that_was_recorded_as_the_threshold_is_a_tie(compare):
    step, x = PLAIN._replace(compare=compare), np.array([0, 2, 0])
    rows = some(elimination._trace(problem(x[:, None, None], np.eye(1), None, {}),
                                   step), "spikes")
    rows["spikes"][:, 0, 0] = [0, {">": 0, ">=": 1, "half": 0.5}[compare], 0]
    exact = np.reshape([0, 1, 0], (3, 1, 1)) > 0
    assert tied(x * (1 + 1e-15), step, rows=rows) == set()
    assert tied(x * (1 + 1e-15), step, rows=rows, exact=exact) == {compare}


@pytest.mark.parametrize("compare", AXES["compare"])
def test_many_spikes_have_ties_at_multiples_of_the_threshold(compare):
    step = PLAIN._replace(compare=compare)
    assert tied([0, 4, 0], step._replace(spikes="many")) == {compare}
    assert tied([0, 4, 0], step) == set()
    assert tied([0, 1, 0], step._replace(spikes="many")) == set()


def test_ties_in_states_whose_spikes_are_not_recorded_are_not_counted():
    step = PLAIN._replace(test="before", compare=">=")
    assert tied([0, 0, 2], step) == set()               # in the last state
    assert tied([0, 0, 2], step, rows={}) == tied([0, 2, 0], step) == {">="}
    rows = {"spikes": np.ones((1, 1, 1))}               # in the state at rest
    step = PLAIN._replace(compare=">=")
    assert tied([0], step, rows=rows, leak=2.0) == {">="}
    assert tied([0], step, rows={"mem": rows["spikes"]}, leak=2.0) == {">="}


def test_a_refractory_neuron_has_no_tie():
    step = PLAIN._replace(compare=">=", mute=True)
    assert tied([4, 1, 0], step) == {">="}
    assert tied([4, 1, 0], step._replace(refractory=1)) == set()
    assert tied([4, 1, 0], step._replace(refractory=2), rows={}) == set()


AT = list(elimination.AXES).index("compare")
JELLY = PRESETS["spikingjelly"]._replace(refractory=1)


def searched(step, *names, divisor=1, stimulus="all", n=1):
    """Return the problem of recorded stimuli, and the codes that fit."""
    x = identify.make_stimuli([0.875], [0.75], 1.75)[stimulus].x
    x, W, threshold = x / divisor, np.ones((n, 1)), 1.75 / divisor
    rows = recorded(step, x, W, threshold=threshold, **TAUS_BINARY["euler"])
    p = problem(x, W, None, some(rows, *names), taus=TAUS_BINARY["euler"] | {"dt": 1.0},
                levels=LEVELS | {"threshold": threshold})
    codes, parted = elimination._search(p)
    return p, codes[parted == len(x)]


def choices(codes, step):
    """Return the choices of "compare" among codes that equal a step otherwise."""
    found = codes[(np.delete(codes, AT, 1) == np.delete(elimination._codes_of(step), AT)
                   ).all(axis=1)]
    return [AXES["compare"][i] for i in found[:, AT]]


@pytest.mark.parametrize("names", [("spikes",), ("mem",), ("mem", "spikes")])
@pytest.mark.parametrize("compare", AXES["compare"])
def test_only_ties_without_rounding_settle_compare(names, compare):
    step = JELLY._replace(compare=compare)
    p, fits = searched(step, *names)
    kept = ties._settled(p, fits, PRESETS, False)
    assert choices(kept, step) == [compare] and kept.dtype == fits.dtype
    other = step._replace(floor=True)
    assert choices(kept, other) == ([] if choices(fits, other) == [] else [compare])
    p, fits = searched(step, *names, divisor=3)
    kept = ties._settled(p, fits, PRESETS, False)
    only_half = compare == "half" and "spikes" in names
    assert choices(kept, step) == (["half"] if only_half else list(AXES["compare"]))
    none = ties._settled(p, fits[:0], PRESETS, False)
    assert none.shape == (0, 14) and none.dtype == fits.dtype


def test_recorded_potentials_settle_compare():
    for compare in (">", ">="):
        step = JELLY._replace(compare=compare, reset_at="after", refractory=0)
        p, fits = searched(step, "mem", "spikes", divisor=3)
        exact = np.isclose(p.rows["mem"], p.levels["threshold"], rtol=1e-12, atol=0)
        assert exact.any()
        for mask, found in ((exact, [compare]), (False, list(AXES["compare"]))):
            assert choices(ties._settled(p, fits, PRESETS, mask), step) == found


def test_presets_are_the_first_of_many_conventions(monkeypatch):
    """If there are too many entries, 4 conventions are simulated."""
    p, fits = searched(PRESETS["spikingjelly"], "spikes", stimulus="ties", n=2)
    plain = {step._replace(compare=">") for step in elimination._steps(fits)}
    assert len(plain) > 12
    last = max(plain, key=elimination._codes_of)
    for size, most in ((10**9, len(plain)), (6.9 * 2 * p.x.size, 6), (10, 4)):
        monkeypatch.setattr(ties, "SIMULATED", int(size))
        kept = ties._settled(p, fits, {"a": last._replace(compare="half")}, False)
        decided = [step for step in plain if choices(kept, step) == [">="]]
        assert len(decided) == most and last in decided


def test_stimuli_settle_the_open_axes():
    """The constants of the written stimuli are exact in float32."""
    x, W, _ = identify.make_stimuli([0.875], [0.75], 1.75)["all"]
    for name, step in PRESETS.items():
        rows = recorded(step, x.astype(np.float32), W.astype(np.float32),
                        threshold=1.75, **TAUS_BINARY[step.decay])
        for seen in (some(rows, "mem", "spikes"), some(rows, "spikes")):
            report = identify.identify(x, W, seen, **BINARY)
            assert name in named(report)
            for axis in ("compare", "spikes", "floor", "gain", "drive"):
                assert report.settled[axis] == getattr(step, axis), (name, axis)


def test_half_spikes_are_seen():
    x, W, _ = identify.make_stimuli([0.875], [0.75], 1.75)["ties"]
    step = PRESETS["spikingjelly"]._replace(compare="half")
    rows = recorded(step, x, W, threshold=1.75, **TAUS_BINARY["euler"])
    assert 0.5 in rows["spikes"]
    report = identify.identify(x, W, some(rows, "spikes"), **BINARY)
    assert report.settled["compare"] == "half"
    assert "a tie is half a spike" in report.lines[0]
