"""Candidates that the caller supplies: one changed axis, stimuli, differences."""

import functools
from typing import NamedTuple

import numpy as np
import pytest
from layers import gradient, recorded
from strategies import thinned

from refsnn import conventions, surrogates
from refsnn.conventions import AXES, PRESETS, Step
from refsnn.oracle import identify
from refsnn.oracle.identify import Candidate, Tools
from refsnn.oracle.identify.comparison import _text
from refsnn.oracle.identify.report import _step, _words

CONSTANTS = {"tau_syn": 4.0, "tau_mem": 8.0,        # 3/4 and 7/8 where Euler
             "threshold": 1.5, "reset_to": 0.125, "floor": -0.75}
DECAYS = ([np.exp(-0.25), 0.75], [np.exp(-0.125), 0.875])
INPUTS = identify.make_stimuli(*DECAYS, threshold=1.5)


def matched(x, W, recording, presets, simulate, axes, *, gradients=None,
            differentiate=None, inputs=None, rtol=1e-9):
    """Identify a recording with candidates that are handed in."""
    tools = Tools(presets, axes, simulate, differentiate, inputs)
    return identify.identify(x, W, recording, gradients=gradients, tools=tools,
                             rtol=rtol)


def simulate(step, x, W):
    return recorded(step, x, W, **CONSTANTS)


def differentiate(step, x, W):
    """Return dW of a fixed loss of spikes and membrane potentials."""
    run = conventions.simulate(step, x, W, **CONSTANTS)
    psi = surrogates.fast_sigmoid(run.mem - 1.5, 2.0)[1]
    d = np.cos(np.arange(run.mem[1:].size)).reshape(run.mem[1:].shape)
    return gradient(step, x, W, None, run, psi, d, d, **CONSTANTS).ravel()


def remembering(function, x, W):
    """The same, each step of one input run once."""
    known = functools.lru_cache(maxsize=None)(lambda step: function(step, x, W))
    return lambda step, *_: known(step)


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
    assert {axis for _, axis, _ in changes} == set(AXES)
    for _, axis, value in thinned(changes):
        step = PRESETS[name]._replace(**{axis: value})
        report = matched(
            x, W, rows_of(step), PRESETS, lambda step, *_: rows_of(step), AXES,
            gradients=gradient_of(step), differentiate=lambda step, *_:
            gradient_of(step))
        found = {_step(c, PRESETS) for c in report.members}
        assert {equivalent(s) for s in found} == {equivalent(step)}, (axis, value)
        presets = [c.preset for c in report.members if c.axis is None]
        if equivalent(step) in map(equivalent, PRESETS.values()):
            assert presets == [p for p in PRESETS
                               if equivalent(PRESETS[p]) == equivalent(step)]
        else:
            assert Candidate(name, axis, value) in report.members
            assert any(_words(Candidate(name, axis, value)) in part
                       for part in report.text.split("; "))


def test_every_preset_is_told_on_the_stimuli():
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
    (False, "as norse; equally possible (distinguishing probe): "
            "norse_feed_forward (gradients of "),
    (True, "as norse, but reset one step late; equally possible (distinguishing "
           "probe): ")])
def test_a_loop_of_ones_own(late, text):
    rng = np.random.default_rng(1)
    x, W = rng.normal(0.5, 2, (20, 2, 3)), rng.normal(1, 1, (4, 3))
    seen = hand_written_norse(x, W, late)
    assert 0 < seen["spikes"].mean() < 0.8
    report = matched(x, W, seen, PRESETS, simulate, AXES, inputs=INPUTS,
                     differentiate=differentiate)
    assert report.text.startswith(text)
    left = {c: name for c, name in report.apart.items() if c.axis == "compare"}
    assert left == ({Candidate(name, "compare", value): "ties" for value in
                     (">=", "half") for name in ("norse", "norse_feed_forward")}
                    if not late else {})
    assert ("norse_feed_forward, but reset one step late (gradients of "
            in report.text) == late


def test_which_stimulus_tells_what():
    """From a weak recording that leaves nearly everything open."""
    x, W = np.zeros((9, 1, 1)), np.ones((1, 1))
    x[1] = 1.6
    seen = {"spikes": simulate(PRESETS["snntorch_leaky"], x, W)["spikes"]}
    assert seen["spikes"].sum() == 1
    report = matched(x, W, seen, {"one": PRESETS["snntorch_leaky"]}, simulate,
                     AXES, inputs=INPUTS, differentiate=differentiate)
    assert report.members[0] == Candidate("one", None, None)
    apart = {(c.axis, c.value): name for c, name in report.apart.items()}
    assert apart["compare", ">="] == "ties"
    assert apart["spikes", "many"] == apart["reset", "none"] == "overdrive"
    assert apart["floor", True] == "inhibition"
    assert apart["through_reset", True].startswith("gradients of ")
    assert apart["record", "before"] == "overdrive, with syn and mem"
    assert apart["drive", "leak"] == ""         # there is no synapse to scale
    assert "(ties)" in report.text and "equal on every probe: one, but input enters " \
        "the current times 1 - alpha" in report.text


def test_without_stimuli_nothing_is_told():
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


def test_variants_are_those_of_the_presets_that_match():
    rules, axes = {"late": Rule(late=1), "now": Rule()}, {"late": (0, 1)}
    found = matched(TOY_X, [[1.0]], {"mem": TOY_X}, rules, toy, axes)
    assert found.members == [Candidate("now", None, None)] and found.apart == {}
    del rules["now"]
    found = matched(TOY_X, [[1.0]], {"mem": TOY_X}, rules, toy, axes)
    assert found.members == [Candidate("late", "late", 0)]


def test_of_equal_steps_the_fewest_differences_are_nearest():
    def simulate(step, x, W):
        return {"mem": x + 9 * (np.arange(3) < step.late)[:, None, None]}

    rules = {name: Rule(late=late) for late, name in ((3, "a"), (1, "b"), (2, "c"))}
    found = matched(TOY_X, [[1.0]], {"mem": TOY_X}, rules, simulate, {})
    assert found.nearest == Candidate("b", None, None) and found.apart == {}


def test_the_last_to_differ_is_nearest_even_if_more_entries_differ():
    x = np.ones((3, 2, 1))

    def simulate(step, x, W):
        mem = x.copy()
        mem[step.late, :int(step.scale)] += 9
        return {"mem": mem}

    rules = {"one": Rule(1, 0), "two": Rule(2, 1)}
    found = matched(x, [[1.0]], {"mem": x}, rules, simulate, {})
    assert found.nearest == Candidate("two", None, None)
    assert found.parting == (1, 0, 0, "mem", 1.0, 10.0)


def test_spikes_are_compared_exactly_and_gradients_are_not():
    rules = {"a": Rule()}
    near = TOY_X * (1 + 1e-12)
    assert matched(TOY_X, [[1.0]], {"mem": near}, rules, toy, {}).members
    assert not matched(TOY_X, [[1.0]], {"spikes": near}, rules, toy, {}).members
    for error, fits in ((1e-12, True), (1e-6, False)):
        found = matched(
            TOY_X, [[1.0]], {"mem": TOY_X}, rules, toy, {}, gradients=[2.0, 4.0],
            differentiate=lambda step, *_, e=error: [2.0, 4.0 + e])
        assert bool(found.members) == fits


def test_without_a_tolerance_equal_arrays_match():
    seen = {"mem": TOY_X, "syn": TOY_X}
    assert matched(TOY_X, [[1.0]], seen, {"a": Rule()}, toy, {}, rtol=0.0).members


def test_members_in_words():
    members = [Candidate("a", None, None), *(Candidate(name, "late", 1)
                                             for name in "bcde")]
    apart = dict(zip(members[1:], ("x", "", "y", ""), strict=True))
    words = [f"{name}, but late 1" for name in "bcde"]
    assert _text(members, apart) == (
        f"as a; equally possible (distinguishing probe): {words[0]} (x); {words[2]} "
        f"(y); equal on every probe: {words[1]}; {words[3]}")


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
    axes = {"late": (0, 3)}
    inputs = {"it": identify.Stimulus(TOY_X, [[1.0]], "nothing")}
    for error, name in ((1e-12, ""), (1e-6, "gradients of it")):
        report = matched(
            TOY_X, [[1.0]], {"mem": TOY_X}, {"a": Rule()}, toy, axes, inputs=inputs,
            differentiate=lambda step, *_, e=error: [1.0 + e * step.late])
        assert report.apart == {Candidate("a", "late", 3): name}


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


@pytest.mark.parametrize("call, match", [
    (lambda: ask(x=X[0]), r"^x has shape \(1, 2\): must have 3 axes"),
    (lambda: ask(W=W1[0]), r"^W has shape \(2,\): must have 2 axes"),
    (lambda: ask(W=W1.T), "^W is .* seems to be transposed"),
    (lambda: ask(seen={}), r"^recording is \{\}"),
    (lambda: ask(seen={"mem": X}), r"^recording\['mem'\] has 2 .*2\): must have 1"),
    (lambda: ask(seen={"spikes": 0 * SEEN["spikes"]}),
     r"^recording\['spikes'\] is 0 throughout: must not be"),
    (lambda: ask(presets={}), "^presets and axes are"),
    (lambda: ask(presets=["lava"]), "^presets and axes are"),
    (lambda: ask(axes=["reset"]), "^presets and axes are"),
    (lambda: ask(rtol=1), "^rtol is 1"), (lambda: ask(rtol=-1e-9), "^rtol is -1e-09"),
    (lambda: ask(gradients=[1.0]), "^tools.differentiate is None"),
    (lambda: ask(gradients=[0.0], differentiate=differentiate), "^gradients are 0"),
    (lambda: ask(gradients=[np.nan], differentiate=differentiate),
     "^gradients is .*nan.*must be finite"),
    (lambda: ask(gradients=[1.0], differentiate=differentiate),
     r"^gradients are of shape \(1,\): must be \(2,\)")])
def test_bad_input_is_named(call, match):
    with np.errstate(invalid="ignore"), pytest.raises(ValueError, match=match):
        call()
