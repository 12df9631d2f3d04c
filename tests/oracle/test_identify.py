"""Conventions that a recording follows: the product of all axes, and `Tools`."""

import doctest
import functools
from typing import NamedTuple

import numpy as np
import pytest

from refsnn import bptt, conventions, lif, surrogates
from refsnn.conventions import AXES, PRESETS, Step
from refsnn.oracle import check, identify
from refsnn.oracle.identify import Candidate, Tools

TAUS = {"tau_syn": 4.0, "tau_mem": 8.0}     # 3/4 and 7/8 where Euler
LEVELS = {"threshold": 1.5, "reset_to": 0.125, "floor": -0.75}
DECAYS = ([np.exp(-0.25), 0.75], [np.exp(-0.125), 0.875])
INPUTS = identify.probes(*DECAYS, threshold=1.5)


def matched(x, W, recording, presets, simulate, axes, *, gradients=None,
            differentiate=None, inputs=None, rtol=1e-9):
    """Identify a recording with candidates that are handed in."""
    tools = Tools(presets, axes, simulate, differentiate, inputs)
    return identify.identify(x, W, recording, gradients=gradients, tools=tools,
                             rtol=rtol)


def simulate(step, x, W):
    run = conventions.simulate(step, x, W, **TAUS, **LEVELS)
    return conventions.recorded(step, run)


def differentiate(step, x, W):
    """dW of a fixed loss of spikes and membranes."""
    run = conventions.simulate(step, x, W, **TAUS, **LEVELS)
    psi = surrogates.fast_sigmoid(run.mem - 1.5, 2.0)[1]
    slopes = conventions.slopes(step, run, **TAUS, **LEVELS)
    J, F, _ = conventions.linearise(x, W, None, run.spikes, psi, slopes)
    d = np.cos(np.arange(run.mem[1:].size)).reshape(run.mem[1:].shape)
    return bptt.gradient(J, F, conventions.credit(psi, slopes, d, d))


def remembering(function, x, W):
    """The same, each step of one input run once."""
    known = functools.lru_cache(maxsize=None)(lambda step: function(step, x, W))
    return lambda step, *_: known(step)


TOOLS = Tools(PRESETS, AXES, simulate)


def equivalent(step):
    """The step with what cannot matter set to one value."""
    if step.refractory == 0:
        step = step._replace(mute=False)
    if step.decay == "euler":       # 1 - beta is dt/tau_mem = 1/8
        gain = {"rate": "leak", "integral": "one"}.get(step.gain, step.gain)
        step = step._replace(gain=gain)
    if step.synapse == "none":
        step = step._replace(drive="one")
    if step.reset == "none":
        step = step._replace(reset_at="before", through_reset=True)
    if step.reset == "zero" and step.spikes == "many":
        step = step._replace(through_reset=True)
    if step.reset_at == "once" and (step.test, step.record) == ("before", "after"):
        step = step._replace(reset_at="before")
    if step.through_reset and step.reset != "none":
        return step         # where there is no spike, too, a derivative passes it
    if step.reset == "zero" and step.reset_at == "after" and not step.mute:
        step = step._replace(refractory=max(1, step.refractory))
    if step.refractory and not step.mute:       # the next step is held
        seen = step.reset_at == "once" and step.reset != "none"
        step = step._replace(reset_at="once" if seen else "before")
        if not seen:
            step = step._replace(reset="none", through_reset=True)
    return step


# --- 200 random recordings of each preset

RECORDINGS = 200


def test_the_right_preset_for_200_recordings_of_each_and_never_a_wrong_one():
    rng = np.random.default_rng(8)
    live, alone = dict.fromkeys(PRESETS, 0), dict.fromkeys(PRESETS, 0)
    for _ in range(5 * RECORDINGS):
        x = rng.normal(0.4, 1, (12, 2, 3)) * (rng.random((12, 2, 3)) < 0.6)
        W = rng.normal(0.5, 1, (2, 3)) * 2 ** rng.uniform(1, 4)
        keep = conventions_keys(rng)
        run = remembering(simulate, x, W)
        rows = {name: run(step) for name, step in PRESETS.items()}
        for name in PRESETS:
            if live[name] == RECORDINGS or not rows[name]["spikes"].any():
                continue
            live[name] += 1
            seen = {key: rows[name][key] for key in keep}
            report = matched(x, W, seen, PRESETS, run, {})
            agree = [other for other in PRESETS if all(
                np.array_equal(seen[key], rows[other][key]) for key in keep)]
            assert report.members == [Candidate(other, None, None) for other in agree]
            assert name in agree and report.parting is None
            alone[name] += len(agree) == 1
        if min(live.values()) == RECORDINGS:
            break
    assert set(live.values()) == {RECORDINGS}
    twins = {"norse", "norse_feed_forward"}         # apart in gradients alone
    assert all((alone[name] > 0.6 * RECORDINGS) != (name in twins) for name in PRESETS)


def conventions_keys(rng):
    """Some of what a recording holds."""
    return [("spikes",), ("spikes", "mem"), ("mem",),
            ("spikes", "mem", "syn")][rng.integers(4)]


# --- one axis changed

@functools.lru_cache(maxsize=None)
def rows_of(step):
    return simulate(step, *INPUTS["all"][:2])


@functools.lru_cache(maxsize=None)
def gradient_of(step):
    return differentiate(step, *INPUTS["all"][:2])


CHANGES = [(name, axis, value) for name in PRESETS for axis in AXES
           for value in AXES[axis] if value != getattr(PRESETS[name], axis)]


@pytest.mark.parametrize("name", PRESETS)
def test_one_changed_axis_is_named(name):
    x, W, _ = INPUTS["all"]
    changes = [change for change in CHANGES if change[0] == name]
    assert len(changes) == 23
    for _, axis, value in changes:
        step = PRESETS[name]._replace(**{axis: value})
        report = matched(
            x, W, rows_of(step), PRESETS, lambda step, *_: rows_of(step), AXES,
            gradients=gradient_of(step), differentiate=lambda step, *_:
            gradient_of(step))
        found = {identify._step(c, TOOLS) for c in report.members}
        assert {equivalent(s) for s in found} == {equivalent(step)}, (axis, value)
        presets = [c.preset for c in report.members if c.axis is None]
        if equivalent(step) in map(equivalent, PRESETS.values()):
            assert presets == [p for p in PRESETS
                               if equivalent(PRESETS[p]) == equivalent(step)]
        else:
            assert Candidate(name, axis, value) in report.members
            assert any(identify._words(Candidate(name, axis, value)) in part
                       for part in report.text.split("; "))


def test_every_preset_is_told_on_the_probes():
    """From spikes alone, but for a detached reset."""
    x, W, _ = INPUTS["all"]
    for name, step in PRESETS.items():
        report = matched(x, W, {"spikes": rows_of(step)["spikes"]}, PRESETS,
                         lambda step, *_: rows_of(step), {})
        twins = ["norse", "norse_feed_forward"] if "norse" in name else [name]
        assert [c.preset for c in report.members] == twins
        report = matched(
            x, W, {"spikes": rows_of(step)["spikes"]}, PRESETS, lambda step, *_:
            rows_of(step), {}, gradients=gradient_of(step), differentiate=lambda step,
            *_: gradient_of(step))
        assert [c.preset for c in report.members] == [name]
        assert report.text == f"as {name}"


def test_spikes_alone_leave_the_place_of_a_delay_open():
    x, W, _ = INPUTS["all"]
    late = {"input": "next", "test": "before"}
    seen = {axis: rows_of(PRESETS["spikingjelly"]._replace(**{axis: value}))
            for axis, value in late.items()}
    assert np.array_equal(seen["input"]["spikes"], seen["test"]["spikes"])
    assert not np.array_equal(seen["input"]["mem"], seen["test"]["mem"])
    expected = {Candidate("a", axis, value) for axis, value in late.items()}
    for axis, rows in seen.items():
        for keys, wanted in ((("spikes",), expected), (("spikes", "mem"), {
                Candidate("a", axis, late[axis])})):
            report = matched(
                x, W, {key: rows[key] for key in keys}, {"a": PRESETS["spikingjelly"]},
                lambda step, *_: rows_of(step), AXES)
            assert set(report.members) == wanted


# --- what a user sees

def hand_written_norse(x, W, late):
    """Norse's step in a user's own loop; the reset comes a step late."""
    current = v = z = np.zeros((x.shape[1], len(W)))
    spikes, mem = [], []
    for now in x:
        jump = current + now @ W.T
        v = v + (jump - v) / 8
        if late:
            v = np.where(z > 0, 0.125, v)
        current = jump - jump / 4
        z = 1.0 * (v > 1.5)
        if not late:
            v = np.where(z > 0, 0.125, v)
        spikes.append(z)
        mem.append(v)
    return {"spikes": np.array(spikes), "mem": np.array(mem)}


@pytest.mark.parametrize("late, text", [
    (False, "as norse; not distinguished from (probe that does): "
            "norse_feed_forward (gradients of "),
    (True, "as norse, but reset one step late; not distinguished from (probe that "
           "does): ")])
def test_a_loop_of_ones_own(late, text):
    rng = np.random.default_rng(1)
    x, W = rng.normal(0.5, 2, (20, 2, 3)), rng.normal(1, 1, (4, 3))
    seen = hand_written_norse(x, W, late)
    assert 0 < seen["spikes"].mean() < 0.8
    report = matched(x, W, seen, PRESETS, simulate, AXES, inputs=INPUTS,
                     differentiate=differentiate)
    assert report.text.startswith(text)
    left = {c: probe for c, probe in report.apart.items() if c.axis == "compare"}
    assert left == ({Candidate(name, "compare", value): "ties" for value in
                     (">=", "half") for name in ("norse", "norse_feed_forward")}
                    if not late else {})
    assert ("norse_feed_forward, but reset one step late (gradients of "
            in report.text) == late


def test_which_probe_tells_what():
    """From a weak recording that leaves nearly everything open."""
    x, W = np.zeros((9, 1, 1)), np.ones((1, 1))
    x[1] = 1.6
    seen = {"spikes": simulate(PRESETS["snntorch_leaky"], x, W)["spikes"]}
    assert seen["spikes"].sum() == 1
    report = matched(x, W, seen, {"one": PRESETS["snntorch_leaky"]}, simulate,
                     AXES, inputs=INPUTS, differentiate=differentiate)
    assert report.members[0] == Candidate("one", None, None)
    apart = {(c.axis, c.value): probe for c, probe in report.apart.items()}
    assert apart["compare", ">="] == "ties"
    assert apart["spikes", "many"] == apart["reset", "none"] == "overdrive"
    assert apart["floor", True] == "inhibition"
    assert apart["through_reset", True].startswith("gradients of ")
    assert apart["record", "before"] == "overdrive, with syn and mem"
    assert apart["drive", "leak"] == ""         # there is no synapse to scale
    assert "(ties)" in report.text and "equal on every probe: one, but input enters " \
        "the current times 1 - alpha" in report.text


def test_every_value_has_words_of_its_own():
    known = {(axis, value) for axis in AXES for value in AXES[axis]}
    words = {(axis, value): words for axis, values in identify.WORDS.items()
             for value, words in values.items()}
    assert set(words) == known - {("refractory", 1), ("refractory", 2)}
    assert len(set(words.values())) == len(words)
    last = identify._words(Candidate("lava", "refractory", 2))
    assert last == "lava, but refractory 2"


def test_without_probes_nothing_is_told():
    x, W = np.full((5, 1, 1), 9.0), np.ones((1, 1))
    step = PRESETS["spikingjelly"]
    report = matched(x, W, simulate(step, x, W), {"a": step}, simulate, AXES)
    assert len(report.members) > 1 and set(report.apart.values()) == {""}


def test_where_the_nearest_differs():
    """Two axes off: a reset to zero instead of subtraction, and a tie."""
    x, W = np.zeros((8, 2, 2)), np.eye(2)
    x[2, 1, 0], x[4, 1, 1] = 4.0, 4.5
    steps = {"near": Step(synapse="none", input="same", record="after", test="after"),
             "far": PRESETS["rockpool"]}
    seen = simulate(steps["near"]._replace(reset="zero", gain="leak"), x, W)
    found = simulate(steps["near"], x, W)
    report = matched(x, W, {"mem": seen["mem"]}, steps, simulate, {})
    assert report.nearest == Candidate("near", None, None) and report.members == []
    assert report.parting == identify.Parting(2, 1, 0, "mem", seen["mem"][2, 1, 0],
                                              found["mem"][2, 1, 0])
    assert report.text == ("nearest: as near; differs first at step 2, sample 1, "
                           "neuron 0: mem is 0.47001239, would be 4")
    seen = simulate(steps["near"]._replace(compare=">=", reset="zero"), x, W)
    seen["spikes"][6, 0, 1] = 1
    report = matched(x, W, {"spikes": seen["spikes"]}, steps, simulate, {})
    assert report.parting[:4] == (3, 1, 0, "spikes") and report.parting.wanted == 1
    report = matched(x, W, {"spikes": seen["spikes"]}, steps, simulate, AXES)
    assert report.nearest == Candidate("near", "reset", "zero")
    assert report.parting == identify.Parting(6, 0, 1, "spikes", 1.0, 0.0)
    assert report.text == ("nearest: as near, but reset to a value; differs first at "
                           "step 6, sample 0, neuron 1: spikes is 1, would be 0")


def test_the_cause_is_named_before_its_effect():
    x, W = np.full((4, 1, 1), 3.0), np.ones((1, 1))
    step = PRESETS["lava"]
    seen = simulate(step, x, W)
    wrong = {name: row.copy() for name, row in seen.items()}
    for name in wrong:
        wrong[name][2] += 1
    assert matched(x, W, wrong, {"a": step}, simulate, {}).parting[:4] == (
        2, 0, 0, "syn")
    seen["mem"][1] *= 1 + 1e-10
    assert matched(x, W, seen, {"a": step}, simulate, {}).members
    seen["mem"][2] += 1e-6
    assert not matched(x, W, seen, {"a": step}, simulate, {}).members
    assert matched(x, W, seen, {"a": step}, simulate, {}, rtol=1e-5).members


def test_gradients_alone_may_part():
    x, W, _ = INPUTS["overdrive"]
    step = PRESETS["norse"]
    g = differentiate(PRESETS["norse_feed_forward"], x, W)
    seen = simulate(step, x, W)
    report = matched(x, W, seen, {"norse": step}, simulate, {}, gradients=g,
                     differentiate=differentiate)
    assert report.parting[:4] == (None, None, None, "gradients")
    assert "nearest: as norse; differs in the gradients: " in report.text
    report = matched(x, W, seen, {"norse": step}, simulate, AXES, gradients=g,
                     differentiate=differentiate)
    assert report.text == "as norse, but gradients pass the reset"


class Rule(NamedTuple):
    """A toy convention: a scale, and a step that comes late."""

    scale: float = 1.0
    late: int = 0


def toy(step, x, W):
    mem = (np.roll(x @ np.transpose(W), step.late, axis=0) * step.scale).tolist()
    return {"mem": mem, "syn": mem, "spikes": mem}


TOY_X = np.array([[[1.0]], [[3.0]], [[0.5]]])


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_rounding_is_relative_to_the_largest(scale):
    """1e-9 of it passes, 1.5e-9 does not; lists are as good as arrays."""
    rules = {"a": Rule(scale)}
    for error, members in ((0.9e-9, 1), (1.5e-9, 0)):
        seen = {"mem": (scale * (TOY_X + [[[error * 3]], [[0]], [[0]]])).tolist()}
        report = matched(TOY_X.tolist(), [[1.0]], seen, rules, toy, {})
        assert len(report.members) == members


def test_the_nearest_in_gradients_is_nearest():
    rules = {"far": Rule(late=1), "near": Rule()}
    report = matched(
        TOY_X, [[1.0]], {"mem": TOY_X}, rules, toy, {}, gradients=[2.0],
        differentiate=lambda step, *_: [1.0])
    assert report.nearest == Candidate("near", None, None)
    assert report.parting == identify.Parting(None, None, None, "gradients", 2.0, 1.0)


def test_rounding_tells_nothing_apart():
    axes, inputs = {"late": (0, 3)}, {"it": identify.Probe(TOY_X, [[1.0]], "nothing")}
    for error, probe in ((1e-12, ""), (1e-6, "gradients of it")):
        report = matched(
            TOY_X, [[1.0]], {"mem": TOY_X}, {"a": Rule()}, toy, axes, inputs=inputs,
            differentiate=lambda step, *_, e=error: [1.0 + e * step.late])
        assert report.apart == {Candidate("a", "late", 3): probe}


def test_decays_of_zero_have_probes():
    found = identify.probes([0.0], [0.0], 3.0)
    assert found["ties"].x.max() == 3.0 and found["overdrive"].x.max() == 27.0


def test_probes_by_hand():
    """alpha 1/4, beta 1/2: the least product of factors is 1/8."""
    found = identify.probes([0.25], [0.5])
    shapes = {"overdrive": [0, 1, 1, 1, 0, 0, 1], "ties": [0, 1],
              "inhibition": [0, -1, -1, 0, 1, 1, 1, 0.5]}
    for name, shape in shapes.items():
        x, W, _ = found[name]
        sizes = x[1, :, 0] * shape[1]
        assert W.tolist() == [[1.0]] and x.shape == (13, len(sizes), 1)
        wanted = np.outer(shape + [0] * (13 - len(shape)), sizes)
        np.testing.assert_allclose(x[:, :, 0], wanted, rtol=1e-12)
        if name != "ties":
            np.testing.assert_allclose(sizes, np.geomspace(0.6, 72, 40), rtol=1e-12)
    assert 1.0 in found["ties"].x[1] and 16 / 0.75 / 2 in found["ties"].x[1]
    low = identify.probes([0.75], [0.5])["overdrive"].x[1].max()
    np.testing.assert_allclose(low, 72, rtol=1e-12)


def test_probes_hold_what_they_say():
    found = identify.probes([0.25], [0.5], 2.0)
    assert list(found) == ["overdrive", "inhibition", "ties", "all"]
    x = found["ties"].x
    for name in PRESETS:
        taus = {"exact": {"tau_syn": 1 / np.log(4), "tau_mem": 1 / np.log(2)},
                "euler": {"tau_syn": 4 / 3, "tau_mem": 2.0}}[PRESETS[name].decay]
        run = conventions.simulate(PRESETS[name]._replace(reset="none"), x, [[1.0]],
                                   threshold=2.0, **taus)
        assert (run.mem == 2.0).any(), name
    assert (found["inhibition"].x < 0).any() and not (found["overdrive"].x < 0).any()
    assert found["all"].x.shape[1] == sum(found[name].x.shape[1] for name in found
                                          if name != "all")
    assert all(probe.W.tolist() == [[1.0]] and probe.shows for probe in found.values())


def test_arguments_are_kept():
    x, W, _ = INPUTS["overdrive"]
    seen = simulate(PRESETS["lava"], x, W)
    before = [a.copy() for a in (x, W, *seen.values())]
    matched(x, W, seen, PRESETS, simulate, AXES, inputs=INPUTS)
    assert all(np.array_equal(a, b) for a, b in
               zip((x, W, *seen.values()), before, strict=True))


X, W1 = np.full((4, 1, 2), 3.0), np.ones((1, 2))
SEEN = simulate(PRESETS["lava"], X, W1)


def ask(x=X, W=W1, seen=SEEN, presets=PRESETS, axes=AXES, **options):
    return matched(x, W, seen, presets, simulate, axes, **options)


def taken(x=X, W=W1, seen=SEEN, V=None, tau_syn=1.0, tau_mem=1.0, dt=1.0, **options):
    return identify.identify(x, W, seen, V, tau_syn=tau_syn, tau_mem=tau_mem, dt=dt,
                             **options)


@pytest.mark.parametrize("call, match", [
    (lambda: ask(x=X[0]), r"^x is \(1, 2\) .*must be finite real \(T, B, m\)"),
    (lambda: ask(x=X[:0]), "^x is "),
    (lambda: ask(x=X * 1j), r"^x is .*3\.j.*must be finite real"),
    (lambda: ask(x=X * np.nan), "^x is .*nan.*must be finite"),
    (lambda: ask(W=W1[0]), "^W is "),
    (lambda: ask(W=np.ones((1, 3))), r"^W is \(1, 3\) .*must be .* \(n, m\), .*'m': 2"),
    (lambda: ask(W=W1 * np.nan), "^W is .*must be finite"),
    (lambda: ask(seen={}), r"^recording is \{\}"),
    (lambda: ask(seen=[1]), r"^recording is \[1\]"),
    (lambda: ask(seen={"voltage": X}), r"^recording is \{'voltage'.*must be a dict"),
    (lambda: ask(seen={"mem": X}),
     r"^recording\['mem'\] is \(4, 1, 2\) .*must be .* \(4, 1, 1\)"),
    (lambda: ask(seen={"mem": SEEN["mem"] * np.inf}), r"^recording\['mem'\] is .*inf"),
    (lambda: ask(seen={"spikes": 0 * SEEN["spikes"]}),
     r"^recording\['spikes'\] is 0 throughout: must be alive"),
    (lambda: ask(presets={}), "^presets and axes are"),
    (lambda: ask(axes=["reset"]), "^presets and axes are"),
    (lambda: ask(rtol=1), "^rtol is 1"),
    (lambda: ask(gradients=[1.0]), "^tools.differentiate is None"),
    (lambda: ask(gradients=[0.0], differentiate=differentiate), "^gradients are 0"),
    (lambda: ask(gradients=[np.nan], differentiate=differentiate),
     "^gradients is .*nan.*must be finite"),
    (lambda: ask(gradients=[1.0], differentiate=differentiate),
     r"^gradients are of shape \(1,\): must be \(2,\)"),
    (lambda: identify.identify(X, W1, SEEN), r"^tau_syn is None: .*\(0, inf\)"),
    (lambda: taken(tau_mem="1"), "^tau_mem is '1'"), (lambda: taken(dt=0), "^dt is 0"),
    (lambda: taken(tau_syn=np.inf), "^tau_syn is inf"),
    (lambda: taken(V=np.ones((2, 2))), "^V"),
    (lambda: taken(gradients=W1), "dspikes and surrogate must be"),
    (lambda: taken(gradients=W1, surrogate=np.tanh), "dspikes and surrogate must be"),
    (lambda: taken(tools=TOOLS), "^tools are given: V, tau_syn"),
    (lambda: identify.probes([], [0.5]), r"^alphas is \[\]"),
    (lambda: identify.probes([0.5], [1.0]), r"^betas is \[1.0\]: must be .*\[0, 1\)"),
    (lambda: identify.probes([0.5], 0.5), "^betas is 0.5"),
    (lambda: identify.probes([0.5], [0.5], 0), "^threshold is 0: must")])
def test_bad_input_is_named(call, match):
    with np.errstate(invalid="ignore"), pytest.raises(ValueError, match=match):
        call()


# --- the presets of the field

VECTORS = check.vectors(["lif_forward", "bptt"])


def test_constants_from_files_are_arrays():
    taus = {"tau_syn": np.array(1.0), "tau_mem": np.array(1), "dt": np.array(1.0)}
    assert taken(**taus).text == taken().text


@pytest.mark.parametrize("name, step", [
    ("norse", conventions.PRESETS["norse"]),
    ("spytorch", conventions.PRESETS["spytorch"])])
def test_identify_knows_the_presets(name, step):
    p = VECTORS["lif_forward"].inputs
    taus = {key: p[key] for key in ("tau_syn", "tau_mem", "dt", "threshold")}
    x, W, V = 3 * p["x"], p["W"], p["V"]
    rows = conventions.recorded(step, conventions.simulate(step, x, W, V, **taus))
    report = identify.identify(x, W, rows, V, **taus)
    assert name in [member.preset for member in report.members if member.axis is None]


def test_identify_judges_gradients():
    x, W = VECTORS["bptt"].inputs["x"], VECTORS["bptt"].inputs["W"]
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
        assert (first.preset, first.axis) == (
            ("refsnn", None) if through else ("refsnn", "through_reset"))
    with pytest.raises(ValueError, match="dspikes and surrogate"):
        identify.identify(x, W, {"mem": run.mem}, gradients=g.dW, **taus)


def test_time_constants_below_a_step_have_no_euler_decay():
    x, W = np.zeros((6, 1, 1)), np.eye(1)
    x[:3] = 2.0
    run = lif.simulate(x, W, alpha=np.exp(-2.0), beta=np.exp(-2.0))
    report = identify.identify(
        x, W, {"mem": run.mem, "spikes": run.spikes}, tau_syn=0.5, tau_mem=0.5)
    assert "refsnn" in [m.preset for m in report.members if m.axis is None]


# --- the product of all axes

ROUNDING = [np.float32, np.float64]
TAUS_50 = {"tau_syn": 5.0, "tau_mem": 9.0, "dt": 1.0}


def layer(step, seed, dtype=float, recurrent=True, T=30, B=2, m=8, n=8):
    """Return (x, W, V, rows) of a layer whose neurons spike and pause."""
    rng = np.random.default_rng(seed)
    x, W = (rng.random((T, B, m)) < 0.3) * 1.0, rng.normal(0.2, 1, (n, m))
    silent = step._replace(reset="none", floor=False)
    free = conventions.simulate(silent, x, W, threshold=1e9, **TAUS_50).mem
    W *= 3 / np.abs(free).max(axis=(0, 1))[:, None]
    V = rng.normal(0, 0.3, (n, n)) * np.abs(W).mean() if recurrent else None
    x, W, V = (None if a is None else a.astype(dtype) for a in (x, W, V))
    run = conventions.simulate(step, x, W, V, **TAUS_50)
    rows = conventions.recorded(step, run)
    assert 0.01 < (rows["spikes"] > 0).mean() < 0.6 and rows["mem"].dtype == dtype
    return x, W, V, rows


def named(report):
    return [c.preset for c in report.members if c.axis is None]


@pytest.mark.parametrize("dtype", ROUNDING)
@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_in_its_own_precision(name, dtype):
    """With membranes, with spikes alone, with noise at the level of rounding."""
    x, W, V, rows = layer(PRESETS[name], 11, dtype, name != "nir")
    rng = np.random.default_rng(1)
    twins = {"norse", "norse_feed_forward"}
    noisy = {key: row if key == "spikes" else (row + np.finfo(dtype).eps * np.abs(
        row).max() * rng.uniform(-2, 2, row.shape)).astype(dtype)
        for key, row in rows.items()}
    kind = np.uint8 if rows["spikes"].max() < 256 else dtype
    for seen in ({key: rows[key] for key in ("spikes", "mem")}, noisy,
                 {"spikes": rows["spikes"]}, {"spikes": rows["spikes"].astype(kind)},
                 {"mem": noisy["mem"]}):
        report = identify.identify(x, W, seen, V, **TAUS_50)
        found = named(report)
        assert name in found and report.nearest is report.parting is None
        assert f"({name})" in report.lines[0] and report.lines[0].startswith("as ")
        if len(seen) > 1:
            assert set(found) == (twins if name in twins else {name})
        assert [line.split(":")[0] for line in report.lines[1:3]] == ["settled", "open"]
        assert report.open["through_reset"] == ((True, False), "gradients")
        step = PRESETS[name]
        for axis, value in report.settled.items():
            assert value == getattr(step, axis) or (
                axis == "gain" and step.decay == "euler")
        for axis, (values, _) in report.open.items():
            assert getattr(step, axis) in values and len(values) > 1


def test_a_float32_record_of_float64_arithmetic_and_the_reverse():
    x, W, V, rows = layer(PRESETS["sinabs"], 3)
    short = {key: row.astype(np.float32) for key, row in rows.items()}
    assert named(identify.identify(x, W, short, V, **TAUS_50)) == ["sinabs"]
    # A tool that keeps its decay factors in float32 and computes in float64.
    decays = {key: float(np.float32(np.exp(-1 / TAUS_50[tau]))) for key, tau in (
        ("alpha", "tau_syn"), ("beta", "tau_mem"))}
    taus = {"tau_syn": -1 / np.log(decays["alpha"]),
            "tau_mem": -1 / np.log(decays["beta"])}
    run = conventions.simulate(PRESETS["sinabs"], x, W, V, **taus)
    rows = conventions.recorded(PRESETS["sinabs"], run)
    report = identify.identify(x, W, rows, V, **TAUS_50)
    assert named(report) == ["sinabs"] and "to the precision of float32" in report.text
    report = identify.identify(x, W, rows, V, **decays)
    assert named(report) == ["sinabs"] and "precision" not in report.text


def test_new_axes_are_named():
    for change in ({"gain": "rate"}, {"gain": "integral"},
                   {"mute": True, "refractory": 2}):
        step = PRESETS["snntorch_synaptic"]._replace(**change)
        x, W, V, rows = layer(step, 5, np.float32)
        del rows["syn"]
        report = identify.identify(x, W, rows, V, **TAUS_50)
        axes, values = tuple(change), tuple(change.values())
        assert set(report.members[0][1] if len(change) > 1 else [axes[0]]) == set(axes)
        assert all(report.settled[axis] == value for axis, value in change.items())
        assert identify.WORDS[axes[0]][values[0]] in report.lines[0]


def test_two_presets_that_are_one_in_a_recording_are_both_named():
    x, W, V, rows = layer(PRESETS["spyx_lif"], 4, np.float32, False)
    report = identify.identify(x, W, {"mem": rows["mem"]}, **TAUS_50)
    assert named(report) == ["snntorch_leaky", "spyx_lif"]
    assert report.lines[0] == ("as snntorch Leaky, subtract (snntorch_leaky) or spyx "
                               "LIF (spyx_lif)")
    assert report.open["test"][0] == ("before", "after")


def test_decays_replace_time_constants():
    step = PRESETS["norse"]._replace(gain="rate", decay="exact")
    x, W, V, rows = layer(step, 6)
    taus = {"alpha": np.exp(-1 / 5), "beta": np.exp(-1 / 9)}
    report = identify.identify(x, W, rows, V, **taus)
    assert "decay" not in report.settled | report.open
    assert report.settled["gain"] == "rate"         # -log(beta)
    assert "(decays are given)" in report.lines[1]
    x, W, V, rows = layer(PRESETS["norse"], 6)
    report = identify.identify(x, W, rows, V, alpha=0.8, beta=1 - 1 / 9)
    assert named(report) == ["norse", "norse_feed_forward"]


def test_many_changes_are_told_as_axes():
    step = Step("euler", "last", "next", "leak", "integral", "before", ">", "many",
                "zero", "before", True, True, 2, "after")
    x, W, V, rows = layer(step, 8)
    report = identify.identify(x, W, rows, V, **TAUS_50)
    assert report.lines[0].startswith("as no preset, but: decay euler, ")
    assert len(report.members[0].axis) > 2 and named(report) == []


def test_probes_settle_the_open_axes():
    """The constants of the probe files are exact in float32."""
    constants = {"alpha": 0.875, "beta": 0.75, "threshold": 1.75}
    probe = identify.probes([0.875], [0.75], 1.75)["all"]
    x = probe.x.astype(np.float32)
    taus = {"euler": {"tau_syn": 8.0, "tau_mem": 4.0},
            "exact": {"tau_syn": -1 / np.log(0.875), "tau_mem": -1 / np.log(0.75)}}
    for name, step in PRESETS.items():
        run = conventions.simulate(step, x, probe.W.astype(np.float32), threshold=1.75,
                                   **taus[step.decay])
        rows = {key: row for key, row in conventions.recorded(step, run).items()
                if key != "syn"}
        for seen in (rows, {"spikes": rows["spikes"]}):
            report = identify.identify(x, probe.W, seen, **constants)
            assert name in named(report)
            for axis in ("compare", "spikes", "floor", "gain", "drive"):
                assert report.settled[axis] == getattr(step, axis), (name, axis)


def test_half_spikes_are_seen():
    constants = {"alpha": 0.875, "beta": 0.75, "threshold": 1.75}
    probe = identify.probes([0.875], [0.75], 1.75)["ties"]
    step = PRESETS["spikingjelly"]._replace(compare="half")
    run = conventions.simulate(step, probe.x, probe.W, threshold=1.75, tau_syn=8.0,
                               tau_mem=4.0)
    rows = conventions.recorded(step, run)
    assert 0.5 in rows["spikes"]
    report = identify.identify(probe.x, probe.W, {"spikes": rows["spikes"]},
                               **constants)
    assert report.settled["compare"] == "half"
    assert "a tie is half a spike" in report.lines[0]


def test_noise_and_explosions_have_no_nearest():
    x, W, V, rows = layer(PRESETS["norse"], 9)
    rng = np.random.default_rng(3)
    noise = rng.normal(size=rows["mem"].shape)
    growth = 1.6 ** np.arange(30)[:, None, None]
    spikes = (noise > 1) * 1.0
    for seen in ({"mem": noise}, {"mem": noise, "spikes": spikes}, {"spikes": spikes},
                 {"mem": growth * np.abs(noise)}, {"mem": 1e-3 * growth + 0 * noise},
                 {"mem": 1e-3 * growth + 0 * noise, "spikes": (
                     1e-3 * growth + 0 * noise > 1) * 1.0},
                 {"mem": 1e250 * growth * noise, "spikes": spikes},
                 {"spikes": np.rint(growth) + 0 * noise}):
        for dtype in ROUNDING[int(seen.get("mem", noise).max() > 1e30):]:
            report = identify.identify(x, W, {
                key: row.astype(dtype) for key, row in seen.items()}, V, **TAUS_50)
            assert report.members == [] and report.nearest is None
            assert report.fit is report.parting is None
            assert report.text == "no convention fits"


def test_silence_is_told():
    x, W, V, rows = layer(PRESETS["norse"], 9, recurrent=False)
    for seen in ({"spikes": 0 * rows["spikes"]}, {"mem": 0 * rows["mem"]},
                 {"mem": 0 * rows["mem"], "syn": 0 * rows["mem"]},
                 {"spikes": 0 * rows["spikes"], "mem": rows["mem"]}):
        report = identify.identify(x, W, seen, V, **TAUS_50)
        assert report[:4] == ([], {}, None, None)
        assert report.text.startswith("no spike in the recording")
    quiet = conventions.recorded(PRESETS["norse"], conventions.simulate(
        PRESETS["norse"], x, 0.1 * W, V, **TAUS_50))
    assert not quiet["spikes"].any()
    report = identify.identify(x, 0.1 * W, {"mem": quiet["mem"]}, V, **TAUS_50)
    assert report.members == [] and report.lines[0].startswith("no spike")
    assert report.settled["decay"] == "euler" and "reset" in report.open


def test_other_constants_are_refitted_and_not_recognised():
    step = PRESETS["norse"]
    x, W, V, _ = layer(step, 2)
    other = TAUS_50 | {"tau_mem": 11.0}
    rows = conventions.recorded(step, conventions.simulate(step, x, W, V, **other))
    del rows["syn"]
    for dtype in ROUNDING:
        report = identify.identify(x, W, {
            key: row.astype(dtype) for key, row in rows.items()}, V, **TAUS_50)
        assert report.members == [] and report.fit.exact
        assert abs(report.fit.beta - 10 / 11) < 1e-5
        assert abs(report.fit.gain - 1 / 11) < 1e-5
        assert report.parting.step < 10 and report.nearest is not None
        assert report.lines[0] == "no convention fits"
        assert "differs first at step" in report.lines[1]
        assert "a least-squares fit, not a recognition" in report.lines[2]
        assert "beta 0.90909" in report.lines[2]


def test_the_nearest_is_the_one_that_parts_last():
    x, W, V, rows = layer(PRESETS["norse"], 2)
    entry = 20, 1, 4
    for name in ("mem", "spikes"):
        wrong = {key: rows[key].copy() for key in {name, "spikes"}}
        wrong[name][entry] = 1 - wrong[name][entry]
        report = identify.identify(x, W, wrong, V, **TAUS_50)
        assert report.members == [] and report.nearest.preset == "norse"
        assert report.parting[:4] == (*entry, name)
        value = rows[name][entry]
        assert np.allclose(report.parting[4:], (1 - value, value))


def test_a_few_entries_make_no_nearest():
    x, W, V, rows = layer(PRESETS["norse"], 0, recurrent=False, B=1, n=2)
    noise = np.random.default_rng(1).normal(0, 9, rows["mem"].shape)
    for start, near in ((5, False), (20, True)):
        mem = np.where(np.arange(30)[:, None, None] < start, rows["mem"], noise)
        report = identify.identify(x, W, {"mem": mem}, V, **TAUS_50)
        assert report.members == [] and (report.nearest is not None) == near


def test_a_spike_within_rounding_of_the_threshold_is_no_difference():
    step = PRESETS["snntorch_leaky"]
    x, W, _, _ = layer(step, 2, recurrent=False, B=1, n=3)
    free = conventions.simulate(step, x, W, **TAUS_50)
    i = int(np.argmax(free.spikes[:, 0].any(axis=0)))
    at = int(np.argmax(free.spikes[:, 0, i] > 0))
    threshold = np.ones(3)
    threshold[i] = free.mem[at, 0, i] * (1 - 1e-8)

    def spike(k, u):        # the tool rounds once to the other side
        return (u > threshold) * ~((k == at) & (np.arange(3) == i)) * 1.0

    run = conventions.simulate(step, x, W, spike=spike, threshold=threshold, **TAUS_50)
    rows = {key: row.astype(np.float32) for key, row in conventions.recorded(
        step, run).items() if key != "syn"}
    given = TAUS_50 | {"threshold": threshold}
    assert "snntorch_leaky" in named(identify.identify(x, W, rows, **given))
    rows["mem"][-1, 0, 1] += 0.5
    report = identify.identify(x, W, rows, **given)
    assert at < 29 and report.nearest.preset == "snntorch_leaky"
    assert report.parting[:4] == (29, 0, 1, "mem")


def test_transposed_weights_are_said():
    x, W, V, rows = layer(PRESETS["lava"], 2)
    report = identify.identify(x, W, rows, V.T, **TAUS_50)
    assert report.members == []
    assert report.lines[-1] == "transposed V fits: as lava LIF (lava)"
    report = identify.identify(x, W.T, rows, V, **TAUS_50)
    assert report.lines[-1] == "transposed W fits: as lava LIF (lava)"
    report = identify.identify(x, W.T, rows, V.T, **TAUS_50)
    assert report.lines[-1] == "transposed W and V fits: as lava LIF (lava)"
    with pytest.raises(ValueError, match=r"W is \(2, 8\) and seems to be transposed"):
        identify.identify(x[..., :2], W[:, :2].T, rows, V, **TAUS_50)


@pytest.mark.parametrize("dtype", ROUNDING)
def test_surrogate_and_reset_path_are_found_at_once(dtype):
    for name, through in (("norse", False), ("norse_feed_forward", True)):
        step = PRESETS[name]
        x, W, V, rows = layer(step, 4, dtype)
        given = TAUS_50 | {"tau_syn": 5.0}
        run = conventions.simulate(step, x, W, V, **given)
        slopes = conventions.slopes(step, run, **given)
        psi = surrogates.fast_sigmoid(run.mem - 1, 10.0)[1]
        d = np.cos(np.arange(rows["mem"].size)).reshape(rows["mem"].shape)
        J, F, _ = conventions.linearise(x, W, V, run.spikes, psi, slopes)
        dW = bptt.gradient(J, F, conventions.credit(psi, slopes, d.astype(dtype)))
        dW = dW[:W.size].reshape(W.shape)
        seen = {key: rows[key] for key in ("mem", "spikes")}
        for factor, surrogate in ((1, None), (1, 10.0), (1, "fast_sigmoid"),
                                  (0.5, "fast_sigmoid:10"), (1, lambda v: (
                                      v, surrogates.fast_sigmoid(v, 10.0)[1]))):
            report = identify.identify(x, W, seen, V, gradients=factor * dW, dspikes=d,
                                       surrogate=surrogate, **TAUS_50)
            assert named(report) == [name]
            assert report.settled["through_reset"] == through
            match = report.gradients[0]
            assert match.through_reset == through and np.isclose(match.factor, factor)
            assert ("times 0.5" in report.lines[3]) == (factor == 0.5)
            assert report.lines[3].startswith("gradients: surrogate ")
        report = identify.identify(x, W, seen, V, gradients=dW[::-1], dspikes=d,
                                   **TAUS_50)
        assert report.members == [] and report.parting.quantity == "gradients"
        assert "differs in the gradients" in report.lines[0]


def test_a_membrane_that_is_always_reset_is_a_recording():
    x, W = np.full((9, 2, 3), 9.0), np.ones((2, 3))
    step = PRESETS["norse"]
    rows = conventions.recorded(step, conventions.simulate(step, x, W, **TAUS_50))
    assert rows["spikes"].all() and not rows["mem"].any()
    report = identify.identify(x, W, rows, **TAUS_50)
    assert "norse" in named(report) and report.settled["reset_at"] == "once"
    wrong = rows | {"syn": 0 * rows["syn"]}
    assert identify.identify(x, W, wrong, **TAUS_50).members == []


def test_the_smallest_recordings():
    for T, n in ((1, 1), (2, 3)):
        x, W = np.full((T, 1, 1), 3.0), np.ones((n, 1))
        step = PRESETS["snntorch_leaky"]
        rows = conventions.recorded(step, conventions.simulate(step, x, W, **TAUS_50))
        assert rows["spikes"].any()
        report = identify.identify(x, W, rows, **TAUS_50)
        assert "snntorch_leaky" in named(report)
        noise = {"mem": np.full((T, 1, n), 0.123)}
        assert identify.identify(x, W, noise, **TAUS_50).nearest is None


def test_levels_of_each_neuron():
    levels = {"threshold": np.array([0.7, 1.3]), "leak": np.array([0.1, -0.2]),
              "reset_to": np.array([-0.1, 0.2]), "floor": np.array([-1, -0.5])}
    rng = np.random.default_rng(3)
    x, W = rng.normal(0.5, 1, (30, 2, 4)), rng.normal(1.5, 2, (2, 4))
    step = PRESETS["nir"]._replace(floor=True)
    rows = conventions.recorded(step, conventions.simulate(step, x, W, **TAUS_50,
                                                           **levels))
    report = identify.identify(x, W, rows, **TAUS_50, **levels)
    assert Candidate("nir", "floor", True) in report.members
    wrong = levels | {"reset_to": levels["reset_to"][::-1]}
    assert identify.identify(x, W, rows, **TAUS_50, **wrong).members == []


@pytest.mark.parametrize("change, match", [
    ({"alpha": 0.5}, "^alpha and beta are given: tau_syn and tau_mem must be None"),
    ({"alpha": 0.5, "tau_syn": None, "tau_mem": None}, "^beta is None"),
    ({"alpha": 1.0, "beta": 0.5, "tau_syn": None, "tau_mem": None},
     r"^alpha is 1.0: .*\[0, 1\)"),
    ({"threshold": 0}, "^threshold is 0"), ({"threshold": [1.0, 2]}, "^threshold is"),
    ({"gradients": W1, "dspikes": SEEN["mem"], "surrogate": "relu"},
     "^surrogate is 'relu': must be"),
    ({"gradients": W1, "dspikes": SEEN["mem"], "surrogate": -1}, "^surrogate is -1"),
    ({"gradients": W1, "dspikes": SEEN["mem"], "surrogate": "boxcar:x"},
     "^surrogate is nan"),
    ({"gradients": W1, "dspikes": W1}, "^dspikes is"),
    ({"gradients": 0 * W1, "dspikes": SEEN["mem"]}, "^gradients are 0"),
    ({"seen": {"mem": SEEN["mem"].astype(np.float16)}},
     r"^recording\['mem'\] is of dtype float16"),
    ({"seen": {"spikes": -SEEN["spikes"]}}, r"^recording\['spikes'\] is .*\[0, inf\)"),
    ({"seen": {"mem": [[1], [2, 3]]}}, r"^recording\['mem'\] is")])
def test_bad_arguments_are_named(change, match):
    with pytest.raises(ValueError, match=match):
        taken(**change)


def test_examples():
    failed, tried = doctest.testmod(identify)
    assert failed == 0 < tried
