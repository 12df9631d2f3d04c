"""Recordings of all presets and of other conventions are recognised."""

import doctest

import numpy as np
import pytest
from layers import DTYPES, TAUS, gradient, layer, named, recorded, some
from strategies import thinned

from refsnn import lif, surrogates
from refsnn.conventions import PRESETS, Step
from refsnn.oracle import check, identify
from refsnn.oracle.identify import Candidate, identification
from refsnn.oracle.identify.report import WORDS

TWINS = ["norse", "norse_feed_forward"]         # they differ in gradients alone


@pytest.mark.parametrize("name, dtype", [*((name, np.float32) for name in PRESETS),
                                         *((name, float) for name in thinned(PRESETS))])
def test_every_preset_in_its_own_precision(name, dtype):
    """With membranes, with spikes alone, with noise at the level of rounding."""
    step = PRESETS[name]
    x, W, V, rows, _ = layer(step, 11, dtype, name != "nir")
    rng = np.random.default_rng(1)
    noisy = {key: row if key == "spikes" else (row + np.finfo(dtype).eps * np.abs(
        row).max() * rng.uniform(-2, 2, row.shape)).astype(dtype)
        for key, row in rows.items()}
    kind = np.uint8 if rows["spikes"].max() < 256 else dtype
    for seen in (some(rows, "spikes", "mem"), noisy, some(noisy, "mem"),
                 some(rows, "spikes"), some(rows, "spikes", dtype=kind)):
        report = identify.identify(x, W, seen, V, **TAUS)
        found = named(report)
        assert name in found and report.nearest is report.parting is None
        assert list(report.apart) == report.members[1:]
        assert f"({name})" in report.lines[0] and report.lines[0].startswith("as ")
        if len(seen) > 1:
            assert found == (TWINS if name in TWINS else [name])
        assert [line.split(":")[0] for line in report.lines[1:3]] == ["settled", "open"]
        assert report.open["through_reset"] == ((True, False), "gradients")
        for axis, value in report.settled.items():
            assert value == getattr(step, axis) or (
                axis == "gain" and step.decay == "euler")
        for axis, (values, _) in report.open.items():
            assert getattr(step, axis) in values and len(values) > 1


def test_a_float32_record_of_float64_arithmetic_and_the_reverse():
    x, W, V, rows, _ = layer(PRESETS["sinabs"], 3)
    short = some(rows, dtype=np.float32)
    assert named(identify.identify(x, W, short, V, **TAUS)) == ["sinabs"]
    # A tool that keeps its decay factors in float32 and computes in float64.
    decays = {key: float(np.float32(np.exp(-1 / TAUS[tau]))) for key, tau in (
        ("alpha", "tau_syn"), ("beta", "tau_mem"))}
    taus = {"tau_syn": -1 / np.log(decays["alpha"]),
            "tau_mem": -1 / np.log(decays["beta"])}
    rows = recorded(PRESETS["sinabs"], x, W, V, **taus)
    report = identify.identify(x, W, rows, V, **TAUS)
    assert named(report) == ["sinabs"] and "to the precision of float32" in report.text
    report = identify.identify(x, W, rows, V, **decays)
    assert named(report) == ["sinabs"] and "precision" not in report.text


def test_new_axes_are_named():
    for change in ({"gain": "rate"}, {"gain": "integral"},
                   {"mute": True, "refractory": 2}):
        step = PRESETS["snntorch_synaptic"]._replace(**change)
        x, W, V, rows, _ = layer(step, 5, np.float32)
        report = identify.identify(x, W, some(rows, "mem", "spikes"), V, **TAUS)
        axis, value = next(iter(change.items()))
        assert len(change) > 1 or report.members[0].changes == ((axis, value),)
        assert change.items() <= report.settled.items()
        assert WORDS[axis][value] in report.lines[0]


@pytest.mark.parametrize("k, given, names, change", [
    (3, 3, ("mem", "spikes"), {}), (9, 8, ("mem", "spikes"), {}),
    (9, 10, ("spikes",), {}), (5, 5, ("mem",), {}),
    (4, 4, ("mem", "spikes"), {"mute": True}), (6, 5, ("spikes",), {"mute": True})])
def test_long_refractory_periods_are_found_near_the_given_one(k, given, names, change):
    name = "spytorch" if "mem" in names else "norse"
    step = PRESETS[name]._replace(refractory=k, **change)
    x, W, V, rows, run = layer(step, 4, T=60)
    assert run.held.any() and (rows["spikes"][20:] > 0).any()
    report = identify.identify(x, W, some(rows, *names), V, **TAUS, refractory=given)
    assert report.settled["refractory"] == k
    assert report.settled["mute"] == step.mute
    assert all(getattr(step, axis) == value for axis, value in report.settled.items())
    if k == given and not step.mute:
        assert (name, (("refractory", k),)) in report.members
        assert f" ({name})" in report.lines[0]
        assert report.lines[0].endswith(f"), but refractory {k}")
    assert f"refractory periods tried: {given - 1}, {given}, {given + 1}" \
        in report.lines


def test_other_refractory_periods_do_not_fit():
    x, W, V, rows, _ = layer(PRESETS["spytorch"]._replace(refractory=4), 4, T=60)
    report = identify.identify(x, W, rows, V, **TAUS, refractory=6)
    assert report.members == [] and "is refractory 3 or 4?" in report.text
    assert identify.identify(x, W, rows, V, **TAUS, refractory=2) == identify.identify(
        x, W, rows, V, **TAUS)
    for wrong, must in ((-1, r"be in \[0, inf\)"), (3.5, "be an integer")):
        with pytest.raises(ValueError, match=f"^refractory is {wrong}: must {must}"):
            identify.identify(x, W, rows, V, **TAUS, refractory=wrong)


def test_two_presets_that_are_one_in_a_recording_are_both_named():
    x, W, V, rows, _ = layer(PRESETS["spyx_lif"], 4, np.float32, False)
    report = identify.identify(x, W, {"mem": rows["mem"]}, **TAUS)
    assert named(report) == ["snntorch_leaky", "spyx_lif"]
    assert report.lines[0] == ("as snntorch Leaky, subtract (snntorch_leaky) or spyx "
                               "LIF (spyx_lif)")
    assert "periods tried" not in report.text
    assert report.open["test"][0] == ("before", "after")


def test_decays_replace_time_constants():
    step = PRESETS["norse"]._replace(gain="rate", decay="exact")
    x, W, V, rows, _ = layer(step, 6)
    taus = {"alpha": np.exp(-1 / 5), "beta": np.exp(-1 / 9)}
    report = identify.identify(x, W, rows, V, **taus)
    assert "decay" not in report.settled | report.open
    assert report.settled["gain"] == "rate"         # -log(beta)
    assert "(decays are given)" in report.lines[1]
    x, W, V, rows, _ = layer(PRESETS["norse"], 6)
    report = identify.identify(x, W, rows, V, alpha=0.8, beta=1 - 1 / 9)
    assert named(report) == TWINS


def test_many_changes_are_told_as_axes():
    step = Step("euler", "last", "next", "leak", "integral", "before", ">", "many",
                "zero", "before", True, True, 2, "after")
    x, W, V, rows, _ = layer(step, 8)
    report = identify.identify(x, W, rows, V, **TAUS)
    assert report.lines[0].startswith("as no preset, but: decay euler, ")
    assert len(report.members[0].changes) > 2 and named(report) == []


def test_silence_is_told():
    x, W, V, rows, _ = layer(PRESETS["norse"], 9, recurrent=False)
    for seen in ({"spikes": 0 * rows["spikes"]}, {"mem": 0 * rows["mem"]},
                 {"mem": 0 * rows["mem"], "syn": 0 * rows["mem"]},
                 {"spikes": 0 * rows["spikes"], "mem": rows["mem"]}):
        report = identify.identify(x, W, seen, V, **TAUS)
        assert report[:4] == ([], {}, None, None)
        assert report.text.startswith("no spike in the recording")
    quiet = recorded(PRESETS["norse"], x, 0.1 * W, V, **TAUS)
    assert not quiet["spikes"].any()
    report = identify.identify(x, 0.1 * W, {"mem": quiet["mem"]}, V, **TAUS)
    assert report[:4] == ([], {}, None, None)
    assert report.lines[0].startswith("no spike")
    assert report.settled["decay"] == "euler" and "reset" in report.open


@pytest.mark.parametrize("dtype", DTYPES)
def test_surrogate_and_reset_path_are_found_at_once(dtype):
    for name, through in (("norse", False), ("norse_feed_forward", True)):
        step = PRESETS[name]
        x, W, V, rows, run = layer(step, 4, dtype)
        psi = surrogates.fast_sigmoid(run.mem - 1, 10.0)[1]
        d = np.cos(np.arange(rows["mem"].size)).reshape(rows["mem"].shape)
        dW = gradient(step, x, W, V, run, psi, d.astype(dtype), **TAUS)
        seen = some(rows, "mem", "spikes")
        for factor, surrogate in ((1, None), (1, 10.0), (1, "fast_sigmoid"),
                                  (0.5, "fast_sigmoid:10"), (1, lambda v: (
                                      v, surrogates.fast_sigmoid(v, 10.0)[1]))):
            report = identify.identify(x, W, seen, V, gradients=factor * dW, dspikes=d,
                                       surrogate=surrogate, **TAUS)
            assert named(report) == [name]
            assert report.settled["through_reset"] == through
            match = report.gradients[0]
            assert match.through_reset == through and np.isclose(match.factor, factor)
            assert ("times 0.5" in report.lines[3]) == (factor == 0.5)
            assert report.lines[3].startswith("gradients: surrogate ")
        report = identify.identify(x, W, seen, V, gradients=dW[::-1], dspikes=d,
                                   **TAUS)
        assert report.members == [] and report.parting.quantity == "gradients"
        assert "differs in the gradients" in report.lines[0]


def test_a_membrane_that_is_always_reset_is_a_recording():
    x, W = np.full((9, 2, 3), 9.0), np.ones((2, 3))
    step = PRESETS["norse"]
    rows = recorded(step, x, W, **TAUS)
    assert rows["spikes"].all() and not rows["mem"].any()
    report = identify.identify(x, W, rows, **TAUS)
    assert "norse" in named(report) and report.settled["reset_at"] == "once"
    wrong = rows | {"syn": 0 * rows["syn"]}
    assert identify.identify(x, W, wrong, **TAUS).members == []


def test_the_smallest_recordings():
    for T, n in ((1, 1), (2, 3)):
        x, W = np.full((T, 1, 1), 3.0), np.ones((n, 1))
        step = PRESETS["snntorch_leaky"]
        rows = recorded(step, x, W, **TAUS)
        assert rows["spikes"].any()
        report = identify.identify(x, W, rows, **TAUS)
        assert "snntorch_leaky" in named(report)
        noise = {"mem": np.full((T, 1, n), 0.123)}
        assert identify.identify(x, W, noise, **TAUS).nearest is None


def test_levels_of_each_neuron():
    levels = {"threshold": np.array([0.7, 1.3]), "leak": np.array([0.1, -0.2]),
              "reset_to": np.array([-0.1, 0.2]), "floor": np.array([-1, -0.5])}
    rng = np.random.default_rng(3)
    x, W = rng.normal(0.5, 1, (30, 2, 4)), rng.normal(1.5, 2, (2, 4))
    step = PRESETS["nir"]._replace(floor=True)
    rows = recorded(step, x, W, **TAUS, **levels)
    report = identify.identify(x, W, rows, **TAUS, **levels)
    assert Candidate("nir", (("floor", True),)) in report.members
    wrong = levels | {"reset_to": levels["reset_to"][::-1]}
    assert identify.identify(x, W, rows, **TAUS, **wrong).members == []


def test_identify_judges_gradients():
    x, W = (check.vectors(["bptt"])["bptt"].inputs[name] for name in "xW")
    taus = {"tau_syn": 5e-3, "tau_mem": 10e-3, "dt": 2e-3, "threshold": 0.75}
    decays = {"alpha": np.exp(-0.4), "beta": np.exp(-0.2), "threshold": 0.75}
    run = lif.simulate(x, W, **decays)
    d = np.sin(np.arange(run.mem.size)).reshape(run.mem.shape)

    def surrogate(v):
        return surrogates.fast_sigmoid(v, 2.0)

    for through in (True, False):
        g = lif.backward(x, W, None, run, surrogate(run.mem - 0.75)[1], d,
                         through_reset=through, **decays)
        report = identify.identify(
            x, W, {"mem": run.mem, "spikes": run.spikes}, gradients=g.dW, dspikes=d,
            surrogate=surrogate, **taus)
        first = report.members[0]
        assert first == ("refsnn", () if through else (("through_reset", False),))
        assert all(("through_reset" in dict(c.changes)) != through
                   for c in report.members)
        assert report.settled["through_reset"] == through
    wrong = identify.identify(
        x, W, {"mem": run.mem, "spikes": run.spikes}, gradients=np.cos(g.dW), dspikes=d,
        surrogate=surrogate, **taus)
    assert wrong.members == [] and wrong.apart == {} and wrong.lines[1] == (
        "spikes and states fit, but no reset path gives the recorded gradient with a "
        "surrogate that was tried; the argument `surrogate` can name another, with its "
        "steepness, such as 'arctan:7.85'")


@pytest.mark.parametrize("test, record", [("before", "after"), ("after", "before"),
                                          ("after", "after")])
@pytest.mark.parametrize("reset", ["zero", "subtract"])
@pytest.mark.parametrize("reset_at", ["once", "before", "after"])
def test_gradients_settle_the_reset_path_without_a_preset(reset, reset_at, test,
                                                          record):
    """A reset to 0 one step late looks like a refractory step, but its gradient
    differs."""
    for through in (True, False):
        step = Step(reset=reset, reset_at=reset_at, through_reset=through, test=test,
                    record=record, gain="leak")
        x, W, V, rows, run = layer(step, 4)
        psi = surrogates.fast_sigmoid(run.mem - 1, 10.0)[1]
        d = np.cos(np.arange(rows["mem"].size)).reshape(rows["mem"].shape)
        dW = gradient(step, x, W, V, run, psi, d, **TAUS)
        report = identify.identify(x, W, some(rows, "mem", "spikes"), V, gradients=dW,
                                   dspikes=d, surrogate="fast_sigmoid", **TAUS)
        assert report.members and report.settled["through_reset"] == through
        assert {m.steepness for m in report.gradients} == {10.0}
        if reset == "zero" and reset_at == "after" and through:
            assert report.settled["reset"] == "zero"
            assert report.settled["reset_at"] == "after"
            assert report.settled["refractory"] == 0


@pytest.mark.parametrize("name, change", [
    ("norse", {"floor": True}), ("spyx_cubalif", {"decay": "exact"}),
    ("refsnn", {"gain": "rate"}), ("spikingjelly", {"input": "next"})])
def test_gradients_of_recordings_of_spikes_alone(name, change):
    """Without membranes, other decays or gains can give the same spikes."""
    step = PRESETS[name]._replace(**change)
    x, W, _, rows, run = layer(step, 2, recurrent=False, m=3, n=3)
    psi = surrogates.fast_sigmoid(run.mem - 1, 10.0)[1]
    d = np.cos(np.arange(rows["mem"].size)).reshape(rows["mem"].shape)
    dW = gradient(step, x, W, None, run, psi, d, **TAUS)
    report = identify.identify(x, W, some(rows, "spikes"), gradients=dW, dspikes=d,
                               surrogate="fast_sigmoid:10", **TAUS)
    assert report.members
    assert all(getattr(step, axis) == value or axis in ("test", "compare", "record")
               for axis, value in report.settled.items())


def test_the_gradient_of_one_weight_tells_no_surrogate():
    """Fast sigmoids of steepness 15 are not among the surrogates that are tried."""
    step = PRESETS["snntorch_leaky"]
    x, W, _, rows, run = layer(step, 2, recurrent=False, m=1, n=1)
    d = np.cos(np.arange(rows["mem"].size)).reshape(rows["mem"].shape)
    dW = gradient(step, x, W, None, run, surrogates.fast_sigmoid(run.mem - 1, 15.0)[1],
                  d, **TAUS)
    for surrogate, used in ((None, False), ("fast_sigmoid", False),
                            ("fast_sigmoid:15", True), (15.0, True),
                            (lambda v: surrogates.fast_sigmoid(v, 15.0), True)):
        report = identify.identify(x, W, some(rows, "mem", "spikes"), gradients=dW,
                                   dspikes=d, surrogate=surrogate, **TAUS)
        assert "snntorch_leaky" in named(report)
        assert ("through_reset" in report.open) != used
        assert (report.lines[-1] == identification.LONE) != used
        assert bool(report.gradients) == used and report.text.endswith(report.lines[-1])


def test_spikes_may_have_rounding_errors():
    for dtype in DTYPES:
        x, W, V, rows, _ = layer(PRESETS["sinabs"], 3, dtype)
        eps = np.finfo(dtype).eps
        for error, fits in ((2 * eps, True), (16 * eps, False)):
            rows["spikes"] = rows["spikes"] * dtype(1 - error)
            assert ("sinabs" in named(identify.identify(x, W, rows, V, **TAUS))) == fits


def test_a_membrane_without_leak():
    step = PRESETS["snntorch_leaky"]
    x, W, _, _, _ = layer(step, 2, recurrent=False)
    U, mem, spikes = np.zeros((2, 8)), [], []
    for t in range(len(x)):
        U = U + 0.5 * x[t] @ W.T
        mem.append(U)
        spikes.append(U > 1)
        U = U - spikes[-1]
    rows = {"mem": np.array(mem), "spikes": np.array(spikes, float)}
    assert 0.01 < rows["spikes"].mean() < 0.6
    report = identify.identify(x, 0.5 * W, rows, alpha=0.0, beta=1.0)
    assert "snntorch_leaky" in named(report) and "precision" not in report.text


def test_without_a_reset_no_gradient_passes_it():
    step = PRESETS["snntorch_leaky"]._replace(reset="none")
    x, W, _, rows, run = layer(step, 2, recurrent=False)
    d = np.cos(np.arange(rows["mem"].size)).reshape(rows["mem"].shape)
    dW = gradient(step, x, W, None, run, surrogates.fast_sigmoid(run.mem - 1, 10.0)[1],
                  d, **TAUS)
    report = identify.identify(x, W, some(rows, "mem", "spikes"), gradients=dW,
                               dspikes=d, surrogate="fast_sigmoid:10", **TAUS)
    assert report.settled["reset"] == "none"
    assert "through_reset" not in report.settled


def test_time_constants_below_a_step_have_no_euler_decay():
    x, W = np.zeros((6, 1, 1)), np.eye(1)
    x[:3] = 2.0
    run = lif.simulate(x, W, alpha=np.exp(-2.0), beta=np.exp(-2.0))
    seen = {"mem": run.mem, "spikes": run.spikes}
    assert "refsnn" in named(identify.identify(x, W, seen, tau_syn=0.5, tau_mem=0.5))


def test_a_recording_of_another_length_is_refused():
    x = np.ones((4, 1, 1))
    with pytest.raises(ValueError, match=r"^recording\['spikes'\] has 3 .*have 4$"):
        identify.identify(x, x[0], {"spikes": x[1:]}, alpha=0.5, beta=0.5)


@pytest.mark.parametrize("name, right, lines", [
    ("spytorch", "spytorch", ["as spytorch tutorials (spytorch)",
                              "as the right layer"]),
    ("spytorch", "lava", ["as spytorch tutorials (spytorch)"])])
def test_a_convention_is_described_relative_to_another(name, right, lines):
    x, W, V, rows, _ = layer(PRESETS[name])
    report = identify.identify(x, W, rows, V, **TAUS)
    assert identify.relative(report, PRESETS[right]) == lines
    assert identify.terms(report, PRESETS[right]) == ()
    other = PRESETS[name]._replace(reset="subtract", reset_at="once", floor=True)
    assert identify.terms(report, other) == ("reset", "clamp")


def test_the_nearest_convention_is_described_relative_to_another():
    x, W, V, rows, _ = layer(PRESETS["spytorch"])
    rows["mem"][-3] += 0.5
    right = PRESETS["spytorch"]._replace(reset="subtract")
    report = identify.identify(x, W, rows, V, **TAUS)
    assert report.members == [] and report.nearest.preset == "spytorch"
    first, second = identify.relative(report, right)
    assert first == "no convention fits" and second.startswith(
        "nearest: as the right layer, but reset to a value; differs first at step ")
    assert identify.relative(report, right, alone=True) == [first]


def test_examples():
    failed, tried = doctest.testmod(identification)
    assert failed == 0 < tried


def test_few_spikes_are_said():
    """Few spikes of another model fit by chance; the report must say so."""
    rng = np.random.default_rng(10)
    x = (rng.random((25, 1, 2)) < 0.3) * 1.0
    W = 2 * np.abs(rng.normal(size=(2, 2)) + 0.3)
    syn = mem = np.zeros((1, 2))
    spikes, level = np.zeros((25, 1, 2)), np.ones((1, 2))
    for t in range(25):
        syn = 0.6 * syn + x[t] @ W.T
        mem = 0.85 * mem + 0.15 * syn
        spikes[t] = mem > level
        level, mem = 1 + 0.9 * (level - 1) + 0.5 * spikes[t], mem * (1 - spikes[t])
    told = identify.identify(x, W, {"spikes": spikes}, alpha=0.6, beta=0.85)
    assert told.members and "only the times of 6 spikes are known" in told.lines[-1]
    x, W, V, rows, _ = layer(PRESETS["lava"], 11)
    assert rows["spikes"].sum() >= 12
    told = identify.identify(x, W, some(rows, "spikes"), V, **TAUS)
    assert told.members and "only the times" not in told.text
    T = int(np.flatnonzero(rows["spikes"].sum(axis=(1, 2)).cumsum() < 12)[-1]) + 1
    told = identify.identify(x[:T], W, {"spikes": rows["spikes"][:T]}, V, **TAUS)
    assert "lava" in named(told) and "only the times" in told.text
    step = PRESETS["lava"]._replace(refractory=2)
    rows = recorded(step, x, W, V, **TAUS)
    for names, few in ((["spikes"], True), (["spikes", "mem"], False)):
        told = identify.identify(x, W, some(rows, *names), V, **TAUS)
        assert told.members and few == ("only the times" in told.text)


def test_a_reset_to_a_value_is_settled():
    """To hold the membrane for one step is the same, and the report says so."""
    step = PRESETS["snntorch_synaptic"]._replace(reset="zero")
    x, W, V, rows, run = layer(step, 3)
    assert np.sum(rows["spikes"] != recorded(
        step._replace(reset="none"), x, W, V, **TAUS)["spikes"]) > 20
    told = identify.identify(x, W, rows, V, **TAUS)
    assert told.settled["reset"] == "zero" and told.settled["reset_at"] == "after"
    assert told.lines[-1] == identification.HELD
    for held in (step._replace(reset="subtract", refractory=1), step._replace(
            reset_at="before", refractory=1)):
        rows = recorded(held, x, W, V, **TAUS)
        again = identify.identify(x, W, rows, V, **TAUS)
        assert again.lines == told.lines
