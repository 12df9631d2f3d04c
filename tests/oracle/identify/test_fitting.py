"""Constants that are refitted, and surrogates that explain a gradient."""


import numpy as np
import pytest
from layers import DTYPES, LEVELS, TAUS, gradient, layer, problem, recorded, some
from strategies import thinned

from refsnn import conventions, surrogates
from refsnn.conventions import PRESETS, Step
from refsnn.oracle.identify import elimination, fitting, report

OTHER = {"tau_syn": 6.5, "tau_mem": 11.0, "dt": 1.0}
SHAPE = 30, 2, 8


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", PRESETS)
def test_constants_of_every_preset(name, dtype):
    step = PRESETS[name]
    x, W, V, rows, _ = layer(step, 1, dtype, taus=OTHER)
    fit = fitting._constants(problem(x, W, V, some(rows, "mem", "spikes"),
                                     float(np.finfo(dtype).eps)))
    decay = (lambda tau: 1 - 1 / tau) if step.decay == "euler" else (
        lambda tau: np.exp(-1 / tau))
    alpha = 0.0 if step.synapse == "none" else decay(6.5)
    beta, rtol = decay(11.0), 1e-4 if dtype == np.float32 else 1e-9
    gain = (1 - beta if step.gain == "leak" else 1) * (
        1 - alpha if step.drive == "leak" else 1)
    gain *= alpha if step.synapse == "between" and step.input == "same" else 1
    assert fit.exact and fit.step.reset == step.reset
    np.testing.assert_allclose([fit.alpha, fit.beta], [alpha, beta], rtol, rtol)
    assert min(abs(fit.gain / gain - 1), abs(fit.gain / gain / (alpha or 1) - 1)) < rtol


FORMS = [(test, record, reset, at) for test in (0, 1) for record in (0, 1)
         for reset in ("subtract", "zero", "none") for at in ("once", "before", "after")
         if (reset != "none" or at == "before") and (at != "once" or test >= record)]


WHEN = "before", "after"
RESET = {"threshold": 0.75, "reset_to": -0.25}


def formed(test, record, reset, at, **changes):
    """Return (x, W, rows, step) of a layer that is reset in the given form."""
    step = Step(test=WHEN[test], record=WHEN[record], reset=reset, reset_at=at,
                **changes)
    rng = np.random.default_rng(2)
    x, W = rng.normal(0.5, 1, (40, 1, 3)), rng.normal(0.5, 1, (4, 3))
    rows = recorded(step, x, W, tau_syn=1.5, tau_mem=9.0, **RESET)
    assert rows["spikes"].any()
    return x, W, some(rows, "mem", "spikes"), step


@pytest.mark.parametrize("test, record, reset, at", FORMS)
def test_pairs_of_potentials_follow_the_model(test, record, reset, at):
    """Without a synapse, y[k+1] = beta z[k] + W x[k]."""
    x, W, rows, _ = formed(test, record, reset, at, synapse="none", input="same")
    y, z, seen = fitting._pairs(*(row[:, 0] for row in rows.values()), test, record,
                                reset, at, *RESET.values())
    error = np.abs(y - np.exp(-1 / 9) * z - (x[:, 0] @ W.T)[record:39 + record])
    assert error.shape == seen.shape == (39, 4) and error[seen].max() < 1e-12
    if reset == "zero" and at != "before":
        assert error[~seen].min() > 1e-3
    else:
        assert seen.all()


@pytest.mark.parametrize("test, record, reset, at, order", thinned(
    (*form, order) for form in FORMS for order in ("same", "next")))
def test_a_fit_names_the_form_of_the_reset(test, record, reset, at, order):
    x, W, rows, step = formed(test, record, reset, at, input=order)
    fit = fitting._constants(problem(x, W, None, rows, levels=LEVELS | RESET))
    wanted = np.exp([-1 / 1.5, -1 / 9, -1 / 1.5 * (order == "same")])
    assert fit.exact and fit.step.reset == reset
    np.testing.assert_allclose(fit[1:3], wanted[:2], 1e-9)
    if test and (at == "once" or reset == "none") or record and order == "next":
        assert set(fit.step) <= set(step) | {*WHEN, "same", "once"}     # equal forms
    else:
        assert fit.step._replace(synapse="between") == step
        np.testing.assert_allclose(fit.gain, wanted[2], 1e-9)


def test_a_shift_is_a_rest():
    step = PRESETS["norse"]
    x, W, V, _, _ = layer(step)
    rows = recorded(step, x, W, V, leak=0.2, reset_to=0.0, **TAUS)
    fit = fitting._constants(problem(x, W, V, some(rows, "mem", "spikes")))
    assert fit.exact and abs(fit.rest - 0.2) < 1e-9


def test_what_no_layer_explains_has_no_fit():
    x, W, V, _, _ = layer(PRESETS["norse"])
    noise = np.random.default_rng(1).normal(size=SHAPE)
    growing = 1.5 ** np.arange(30)[:, None, None] * np.ones(SHAPE) * 0.01
    for mem in (noise, growing, np.cumsum(noise, axis=0), 1e200 * growing):
        rows = {"mem": mem, "spikes": (mem > 1) * 1.0}
        with np.errstate(all="ignore"):
            assert fitting._constants(problem(x, W, V, rows)) is None
    for part in ({"mem": noise}, {"spikes": (noise > 1) * 1.0}):
        assert fitting._constants(problem(x, W, V, part)) is None


def test_a_rough_fit_says_its_error():
    step = PRESETS["snntorch_leaky"]
    x, W, V, rows, _ = layer(step, taus=OTHER)
    rows["mem"] += 0.01 * np.random.default_rng(1).normal(size=SHAPE)
    fit = fitting._constants(problem(x, W, V, some(rows, "mem", "spikes")))
    size = 0.01 * np.hypot(1, fit.beta) / np.sqrt(np.mean(rows["mem"] ** 2))
    assert not fit.exact and 0.9 < fit.error / size < 1.1
    assert abs(fit.beta - np.exp(-1 / 11)) < 0.02
    scaled = problem(x, 10 * W, 10 * V, {"mem": 10 * rows["mem"], "spikes":
                                         rows["spikes"]}, levels=LEVELS | {
                                             "threshold": 10.0})
    assert np.isclose(fitting._constants(scaled).error, fit.error)


# ---- gradients

@pytest.mark.parametrize("change", [{}, {"mute": True, "refractory": 2},
                                    {"refractory": 1}, {"floor": True}])
@pytest.mark.parametrize("name", PRESETS)
def test_the_adjoint_is_bptt_and_the_surrogate_is_found(name, change):
    step = PRESETS[name]._replace(**change)
    x, W, V, rows, run = layer(step, 2, recurrent=name != "nir")
    d = np.random.default_rng(1).normal(size=SHAPE)
    p = problem(x, W, V, some(rows, "spikes"))
    psi = surrogates.slayer(run.mem - 1, 4.0)[1]
    wanted = gradient(step, x, W, V, run, psi, d, **TAUS)
    slopes = conventions.slopes(step, run, **TAUS)
    found = fitting._adjoint(p, np.stack([psi, 0 * psi]), slopes, d)
    np.testing.assert_allclose(found[0], wanted, 1e-9, 1e-9 * np.abs(wanted).max())
    assert wanted.any() and not found[1].any()
    matches, near = fitting._gradients(p, step, wanted, d, (None, None), 1e-9)
    through = {m.through_reset for m in matches}
    assert [m[1:5] for m in matches][:1] == [("slayer", 4.0, "both", 1.0)]
    assert step.through_reset in through and near.shape == W.shape
    other = gradient(step._replace(through_reset=not step.through_reset), x, W, V, run,
                     psi, d, **TAUS)
    if not np.allclose(other, wanted, rtol=1e-6):
        assert through == {step.through_reset} and len(matches) == 1


@pytest.mark.parametrize("side", fitting.SIDES)
@pytest.mark.parametrize("kind", fitting.BUMPS)
def test_every_surrogate_side_and_factor(kind, side):
    step = PRESETS["snntorch_leaky"]
    x, W, V, rows, run = layer(step, 3)
    d = np.random.default_rng(1).normal(size=SHAPE)
    p = problem(x, W, V, some(rows, "spikes"))
    v = run.mem - 1
    psi = fitting.BUMPS[kind](2.0 * v) * fitting.SIDES[side](v)
    for factor in (1.0, -0.125):
        wanted = factor * gradient(step, x, W, V, run, psi, d, **TAUS)
        matches, _ = fitting._gradients(p, step, wanted, d, (None, None), 1e-9)
        found = [(m.surrogate, m.steepness, m.side, m.factor) for m in matches]
        if kind == "step" and side != "both":       # boxcar or 1 on that side
            continue
        assert any(f[:3] == (kind, 2.0, side) and np.isclose(f[3], factor)
                   for f in found)
        assert all(np.isclose(f[3], factor) and f[2] == side for f in found)
        known, _ = fitting._gradients(p, step, wanted, d, (kind, 2.0), 1e-9)
        assert {m.surrogate for m in known} == {kind}


@pytest.mark.parametrize("peak", [0.75, 1.5, 3.0, 1 / np.pi, 0.25, 0.3, 0.5])
def test_a_peak_within_the_reset_path_is_found(peak):
    step = PRESETS["spikingjelly"]
    x, W, V, rows, run = layer(step, 3)
    d = np.random.default_rng(1).normal(size=SHAPE)
    p = problem(x, W, V, some(rows, "spikes"))
    wanted = gradient(step, x, W, V, run, peak * fitting.BUMPS["arctan"](
        3.0 * (run.mem - 1)), d, **TAUS)
    matches, _ = fitting._gradients(p, step, wanted, d, (None, None), 1e-9)
    assert [m[:4] for m in matches] == [(True, "arctan", 3.0, "both")]
    assert matches[0].factor == 1 and np.isclose(matches[0].peak, peak)


def test_the_straight_through_estimator_is_found():
    step = PRESETS["snntorch_leaky"]
    x, W, V, rows, run = layer(step, 3)
    assert (run.mem - 1).min() < -4             # a step of steepness 0.5 is 0 there
    d = np.random.default_rng(1).normal(size=SHAPE)
    wanted = gradient(step, x, W, V, run, np.ones_like(run.mem), d, **TAUS)
    p = problem(x, W, V, some(rows, "spikes"))
    for surrogate in ((None, None), ("step", None), ("step", 0.0)):
        found, = fitting._gradients(p, step, wanted, d, surrogate, 1e-9)[0]
        assert found[1:5] == ("step", 0.0, "both", 1.0)
        assert "step of steepness 0 (straight-through)" in report._surrogates([found])
    assert fitting._gradients(p, step, wanted, d, ("step", 0.5), 1e-9)[0] == []


def test_without_a_reset_there_is_one_path():
    step = PRESETS["norse"]._replace(reset="none")
    x, W, _, rows, run = layer(step, 3, recurrent=False)
    d = np.random.default_rng(1).normal(size=SHAPE)
    wanted = gradient(step, x, W, None, run, psi(run.mem - 1), d, **TAUS)
    p = problem(x, W, None, some(rows, "spikes"))
    found, = fitting._gradients(p, step, wanted, d, ("slayer", None), 1e-9)[0]
    assert found[:4] == (True, "slayer", 2.0, "both")


@pytest.mark.parametrize("surrogate", [("slayer", 2.0), (None, None)])
@pytest.mark.parametrize("through", [False, True])
def test_a_detached_recurrence_is_not_a_detached_reset(through, surrogate):
    step = PRESETS["spikingjelly"]._replace(through_reset=through)
    x, W, V, rows, run = layer(step, 3)
    d = np.random.default_rng(1).normal(size=SHAPE)
    p = problem(x, W, V, some(rows, "spikes"))
    for recurrent in (V, None):
        wanted = gradient(step, x, W, recurrent, run, psi(run.mem - 1), d, **TAUS)
        found, = fitting._gradients(p, step, wanted, d, surrogate, 1e-9)[0]
        assert found[:4] == (through, "slayer", 2.0, "both") and found.factor == 1
        assert found.through_recurrence == (recurrent is not None)
        assert ("not through the recurrent spikes" in report._surrogates([found])) == (
            recurrent is None)
    x, W, _, rows, run = layer(step, 3, recurrent=False)
    p = problem(x, W, 0 * V, some(rows, "spikes"))
    same = gradient(step, x, W, None, run, psi(run.mem - 1), d, **TAUS)
    found, = fitting._gradients(p, step, same, d, surrogate, 1e-9)[0]
    assert found.through_recurrence         # both forms agree


def psi(v):
    return fitting.BUMPS["slayer"](2.0 * v)


def explained(psi, scale=1.0, d=None, surrogate=(None, None), rtol=1e-9, noise=0.0,
              **size):
    """Return the matches of a gradient of norse with the surrogate psi(v)."""
    step = PRESETS["norse"]
    x, W, _, rows, run = layer(step, 3, recurrent=False, **size)
    rng = np.random.default_rng(1)
    d = rng.normal(size=run.mem[1:].shape) if d is None else d(run.mem[1:] - 1)
    wanted = scale * gradient(step, x, W, None, run, psi(run.mem - 1), d, **TAUS)
    wanted *= 1 + noise * rng.uniform(-1, 1, W.shape)
    p = problem(x, W, None, some(rows, "spikes"))
    return fitting._gradients(p, step, wanted, d, surrogate, rtol)[0]


def test_a_surrogate_that_is_given_is_tried_alone():
    def steep(v):
        return psi(3.5 * v)

    assert explained(steep) == []                           # 7 is not in the list
    for given in (("slayer", 7.0), (None, 7.0)):
        found, = explained(steep, surrogate=given)
        assert found[:5] == (False, "slayer", 7.0, "both", 1.0)
    found, = explained(steep, 3.0, surrogate=(steep, None))
    assert found[:4] == (False, "given", 0.0, "both") and np.isclose(found.factor, 3)
    assert explained(psi, surrogate=("boxcar", 2.0)) == []


def test_surrogates_without_sides_come_first():
    found = explained(psi, d=lambda v: 1.0 * (v > 0), surrogate=("slayer", None))
    assert [m.side for m in found] == ["both", "above"]
    found = explained(lambda v: 1.0 * (v >= 0), surrogate=("step", None))
    assert {m.side for m in found} == {"both"}


def test_a_factor_needs_three_entries():
    for m, fits in ((2, False), (3, True)):
        found = explained(psi, 3.0, surrogate=("slayer", 2.0), m=m, n=1)
        assert [np.isclose(match.factor, 3) for match in found] == [True] * fits
    found, = explained(psi, 1 + 1e-10, surrogate=("slayer", 2.0))
    assert found.factor == 1


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_the_error_is_relative_to_the_largest_entry(scale):
    given = {"surrogate": ("slayer", 2.0), "noise": 1e-6}
    found, = explained(psi, scale, rtol=1e-5, **given)
    assert 1e-8 < found.error < 1e-6
    assert len(explained(psi, scale, rtol=found.error, **given)) == 1
    assert explained(psi, scale, rtol=0.99 * found.error, **given) == []


def test_a_gradient_that_nothing_explains():
    step = PRESETS["snntorch_leaky"]
    x, W, V, rows, _ = layer(step, 3)
    rng, p = np.random.default_rng(1), problem(x, W, V, some(rows, "spikes"))
    wanted, d = rng.normal(size=W.shape), rng.normal(size=SHAPE)
    none, near = fitting._gradients(p, step, wanted, d, (None, None), 1e-9)
    assert none == [] and near.shape == W.shape and near.any()
    none, near = fitting._gradients(p, step, wanted, 0 * d, (None, None), 1e-9)
    assert none == [] and near.shape == W.shape and not near.any()


def test_one_entry_proves_no_factor():
    step = PRESETS["snntorch_leaky"]
    x, W, V, rows, run = layer(step, 3, m=1, n=1)
    d = np.random.default_rng(1).normal(size=(30, 2, 1))
    p = problem(x, W, V, some(rows, "spikes"))
    psi = surrogates.arctan(run.mem - 1, 3.0)[1]
    wanted = gradient(step, x, W, V, run, psi, d, **TAUS)
    assert wanted.any()
    found, _ = fitting._gradients(p, step, wanted, d, ("arctan", 3.0), 1e-9)
    assert [m.factor for m in found if not m.through_reset] == [1.0]
    assert fitting._gradients(p, step, 2 * wanted, d, ("arctan", 3.0), 1e-9)[0] == []


@pytest.mark.parametrize("name", surrogates.SURROGATES)
def test_bumps_are_those_of_surrogates(name):
    v = np.linspace(-3, 3, 101)
    wanted = surrogates.SURROGATES[name](v, 1.7)[1]
    np.testing.assert_allclose(fitting.BUMPS[name](1.7 * v), wanted, 1e-12, 1e-14)
    assert set(fitting.BUMPS) == set(surrogates.SURROGATES) | {"step"}


def test_the_decay_of_a_membrane_is_fitted():
    x, step = (np.arange(20) ** 2 % 5.0)[:, None, None], conventions.Step()
    levels = {"threshold": 9.0, "leak": 0.0, "reset_to": 0.0, "floor": 0.0}
    rows = conventions.recorded(step, conventions.simulate(
        step, x, np.eye(1), tau_syn=1.5, tau_mem=3.0, **levels))
    given = elimination.Problem(x, np.eye(1), None, rows, {}, (), levels, 1e-16)
    assert round(fitting._constants(given).beta, 6) == 0.716531       # exp(-1/3)
