"""Step conventions: every preset and every axis by hand.

alpha = 1/4 and beta = 1/2 wherever nothing else is said, exact or Euler.
"""

import numpy as np
import pytest

from refsnn import conventions
from refsnn.conventions import AXES, PRESETS, Step

TAUS = {"exact": {"tau_syn": 1 / np.log(4), "tau_mem": 1 / np.log(2)},
        "euler": {"tau_syn": 4 / 3, "tau_mem": 2}}


def column(*values):
    """(T, 1, 1) array."""
    return np.array(values, float).reshape(-1, 1, 1)


def run(step, x, W=((1.0,),), V=None, **constants):
    """Rows of one run, each as a list where there is one neuron."""
    done = conventions.simulate(step, x, W, V, **(TAUS[step.decay] | constants))
    rows = conventions.recorded(step, done)
    return [rows[name].ravel().tolist() for name in ("spikes", "mem", "syn")]


# --- presets, threshold 2, input 6, 0, 1, 0 (eight times as much where it decays)

FILTERED = [6, 1.5, 1.375, 0.34375]
BY_HAND = {
    "refsnn": ([0, 0, 1, 1], [0, 0, 6, 2.5], [0, 6, 1.5, 1.375]),
    "spytorch": ([0, 0, 1, 0], [0, 0, 6, 0], [0, 6, 1.5, 1.375]),
    "stork": ([0, 0, 1, 0], [0, 3, 0, 0.6875], FILTERED),
    "hxtorch": ([0, 1, 0, 0], [0, 0, 0.75, 1.0625], FILTERED),
    "norse": ([1, 0, 0, 0], [0, 0.75, 1.0625, 0.703125],
              [1.5, 0.375, 0.34375, 0.0859375]),
    "norse_feed_forward": ([1, 0, 0, 0], [0, 0.75, 1.0625, 0.703125],
                           [1.5, 0.375, 0.34375, 0.0859375]),
    "nir": ([0, 1, 0, 0], [0, 0, 0.5625, 0.796875], [4.5, 1.125, 1.03125, 0.2578125]),
    "nir_subtract": ([0, 1, 0, 0], [0, 0.25, 0.6875, 0.859375],
                     [4.5, 1.125, 1.03125, 0.2578125]),
    "snntorch_leaky": ([1, 0, 0, 0], [6, 1, 1.5, 0.75], [6, 0, 1, 0]),
    "snntorch_synaptic": ([1, 1, 0, 0], [6, 2.5, 0.625, 0.65625], FILTERED),
    "spikingjelly": ([1, 0, 0, 0], [0, 0, 0.5, 0.25], [6, 0, 1, 0]),
    "lava": ([1, 0, 1, 0], [0, 1.5, 0, 0.34375], FILTERED),
    "sinabs": ([3, 0, 1, 0], [0, 1.5, 0.125, 0.40625], [12, 3, 2.75, 0.6875]),
    "rockpool": ([6, 1, 1, 0], [0, 1, 1.25, 1.3125], [12, 3, 2.75, 0.6875]),
    "spyx_lif": ([0, 1, 0, 0], [6, 1, 1.5, 0.75], [6, 0, 1, 0]),
    "spyx_cubalif": ([0, 1, 1, 1], [6, 3.5, 2.125, 0.40625], FILTERED)}


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_by_hand(name):
    scale = 8 if name in ("sinabs", "rockpool") else 1
    found = run(PRESETS[name], scale * column(6, 0, 1, 0), threshold=2)
    assert found == [list(row) for row in BY_HAND[name]]


def test_presets_are_all_different():
    assert len(set(PRESETS.values())) == len(PRESETS) == len(BY_HAND)
    assert PRESETS["refsnn"] == Step()
    assert {name for name, step in PRESETS.items() if not step.through_reset} == {
        "spytorch", "stork", "hxtorch", "norse", "snntorch_leaky", "snntorch_synaptic"}
    assert {name for name, step in PRESETS.items() if step.compare == ">="} == {
        "spikingjelly", "sinabs", "rockpool"}


# --- axes

@pytest.mark.parametrize("synapse, entry, read, syn", [
    ("first", "same", [8, 2, 0.5], [8, 2, 0.5]),
    ("between", "same", [2, 0.5, 0.125], [2, 0.5, 0.125]),
    ("last", "same", [8, 2, 0.5], [2, 0.5, 0.125]),
    ("first", "next", [0, 2, 0.5], [8, 2, 0.5]),
    ("between", "next", [0, 8, 2], [8, 2, 0.5]),
    ("last", "next", [0, 2, 0.5], [2, 0.5, 0.125]),
    ("none", "same", [8, 0, 0], [8, 0, 0]),
    ("none", "next", [0, 8, 0], [8, 0, 0])])
def test_order_of_decay_input_and_read(synapse, entry, read, syn):
    for drive, factor in (("one", 1), ("leak", 1 if synapse == "none" else 0.75)):
        step = Step(synapse=synapse, input=entry, drive=drive, record="after")
        _, mem, current = run(step, column(8, 0, 0), tau_mem=0, threshold=99)
        assert mem == [factor * value for value in read]
        assert current == [factor * value for value in syn]


def test_decays_and_gain():
    for decay, beta in (("exact", np.exp(-0.5 / 3)), ("euler", 1 - 0.5 / 3)):
        for gain, factor in (("one", 1), ("leak", 1 - beta)):
            step = Step(decay=decay, synapse="none", input="same", record="after",
                        gain=gain)
            _, mem, _ = run(step, column(2, 0), tau_mem=3, dt=0.5, threshold=9)
            assert mem == [2 * factor, beta * (2 * factor)]


@pytest.mark.parametrize("compare, one, many", [
    (">", [0, 1, 1, 1, 1], [0, 1, 1, 2, 2]), (">=", [1, 1, 1, 1, 1], [1, 1, 2, 2, 3])])
def test_ties_and_several_spikes(compare, one, many):
    x = np.array([1.5, 2, 3, 4, 4.5]).reshape(1, 1, 5)
    for spikes, expected in (("one", one), ("many", many)):
        step = Step(synapse="none", input="same", test="after", compare=compare,
                    spikes=spikes)
        assert run(step, x, np.eye(5), threshold=1.5)[0] == expected


def test_no_spikes_below_the_threshold():
    for spikes in AXES["spikes"]:
        for compare in AXES["compare"]:
            step = Step(synapse="none", input="same", test="after", spikes=spikes,
                        compare=compare, reset="none")
            assert run(step, column(-5, 0.5, 0.9), tau_mem=0)[0] == [0, 0, 0]
    barely = np.nextafter(3.0, 4)       # its quotient is 1, and yet above
    step = PRESETS["sinabs"]._replace(compare=">", gain="one", synapse="none")
    assert run(step, column(barely), threshold=3)[0] == [1]


@pytest.mark.parametrize("reset, reset_at, tested, shown", [
    ("subtract", "once", [5, 3, 2], [4, 2, 1]),
    ("subtract", "before", [5, 3, 2], [5, 3, 2]),
    ("subtract", "after", [5, 2.5, 1.25], [5, 2.5, 1.25]),
    ("zero", "once", [5, 1.25, 1.25], [0.5, 0.5, 0.5]),
    ("zero", "before", [5, 1.25, 1.25], [5, 1.25, 1.25]),
    ("zero", "after", [5, 0.5, 1.25], [5, 0.5, 1.25]),
    ("none", "once", [5, 3.5, 2.75], [5, 3.5, 2.75]),
    ("none", "after", [5, 3.5, 2.75], [5, 3.5, 2.75])])
def test_what_resets_when(reset, reset_at, tested, shown):
    step = Step(synapse="none", input="same", test="after", record="after",
                reset=reset, reset_at=reset_at)
    done = conventions.simulate(step, column(5, 1, 1), np.eye(1), **TAUS["exact"],
                                reset_to=0.5)
    assert done.mem[1:].ravel().tolist() == tested
    assert conventions.recorded(step, done)["mem"].ravel().tolist() == shown


def test_rows_of_every_recording():
    """States 0, 5, 2 with one spike in the middle; resets seen or not."""
    expected = {("before", "before", "once"): ([0, 1], [0, 4]),
                ("before", "before", "after"): ([0, 1], [0, 5]),
                ("before", "after", "once"): ([0, 1], [5, 2]),
                ("before", "after", "after"): ([0, 1], [5, 1.5]),
                ("after", "before", "once"): ([1, 1], [0, 4]),
                ("after", "before", "after"): ([1, 1], [0, 5]),
                ("after", "after", "once"): ([1, 1], [4, 1]),
                ("after", "after", "after"): ([1, 1], [5, 1.5])}
    for (test, record, at), (spikes, mem) in expected.items():
        step = Step(synapse="none", input="same", test=test, record=record, reset_at=at)
        assert run(step, column(5, 0))[:2] == [spikes, mem]


def test_refractory_floor_leak_and_levels():
    step = Step(synapse="none", input="same", test="after", record="after",
                reset="zero", reset_at="once")
    for steps, spikes in ((0, [1, 1, 1, 1]), (1, [1, 0, 1, 0]), (2, [1, 0, 0, 1])):
        held = step._replace(refractory=steps)
        found = run(held, column(4, 4, 4, 4), reset_to=0.25)
        assert found[0] == spikes and found[1] == [0.25] * 4
    floored = step._replace(floor=True)
    assert run(floored, column(-8, 0, 0), floor=-2)[1] == [-2, -1, -0.5]
    assert run(step, column(-8, 0, 0), floor=-2)[1] == [-8, -4, -2]
    assert run(step, column(0, 0.25, 0), leak=0.5)[1] == [0.5, 0.75, 0.625]


def test_recurrence_carries_the_spikes_tested_last():
    x, V = np.zeros((4, 1, 2)), np.array([[0, 0], [3.0, 0]])
    x[0, 0, 0] = 3
    for test, shift in (("after", 0), ("before", 1)):
        step = Step(synapse="none", input="same", test=test)
        spikes = np.reshape(run(step, x, np.eye(2), V, tau_mem=0)[0], (4, 2))
        first, second = spikes.T.tolist()
        assert first.index(1) == shift and second.index(1) == shift + 1
    step = Step(drive="leak", input="same", record="after", synapse="between")
    run_ = conventions.simulate(step, x, np.eye(2), V, **TAUS["exact"], threshold=0.5)
    assert run_.spikes[1].tolist() == [[1, 0]]
    assert run_.syn[2, 0].tolist() == [0.25 * 0.75 * 0.75, 0.75 * 0.75]


def test_smallest_sizes_and_more_refractory_steps():
    none = conventions.simulate(Step(), np.ones((3, 2, 0)), np.ones((1, 0)), tau_syn=1,
                                tau_mem=1, dt=[0.5])
    assert none.mem.shape == (4, 2, 1) and not none.mem.any()
    assert AXES["refractory"] == (0, 1, 2)
    step = PRESETS["spikingjelly"]._replace(refractory=3)
    assert run(step, column(9, 9, 9, 9, 9))[0] == [1, 0, 0, 0, 1]


def test_constants_for_each_neuron_and_batch():
    rng = np.random.default_rng(3)
    x, W = rng.normal(0.5, 1, (9, 2, 4)), rng.normal(0.5, 1, (3, 4))
    each = {"tau_syn": np.array([2, 3, 4.0]), "tau_mem": np.array([5, 3, 2.5]),
            "threshold": np.array([0.7, 1.3, 2]), "leak": np.array([0.1, 0, -0.2]),
            "reset_to": np.array([-0.1, 0.2, 0]), "floor": np.array([-1, -0.5, 0])}
    for name in ("nir", "spytorch", "sinabs"):
        step = PRESETS[name]._replace(floor=True)
        rows = conventions.recorded(step, conventions.simulate(step, x, W, **each))
        assert rows["spikes"].any()
        for b in range(2):
            for i in range(3):
                alone = conventions.recorded(step, conventions.simulate(
                    step, x[:, b:b + 1], W[i:i + 1],
                    **{key: value[i] for key, value in each.items()}))
                for key, row in rows.items():
                    np.testing.assert_allclose(row[:, b, i], alone[key][:, 0, 0],
                                               rtol=1e-10, atol=1e-12)


def test_recorded_values_replace_its_own():
    step, x = PRESETS["spikingjelly"]._replace(refractory=1), column(6, 0, 1, 0)
    first = conventions.simulate(step, x, np.eye(1), **TAUS["euler"])
    again = conventions.simulate(step, x, np.eye(1), **TAUS["euler"], clamp=first.held,
                                 reset_spikes=0 * first.fired,
                                 spike=lambda k, u: 0 * u + k)
    assert again.spikes.ravel().tolist() == [0, 1, 2, 3, 4]
    assert not again.fired.any() and np.array_equal(again.held, first.held)
    assert first.held.any() and np.array_equal(again.reset, again.mem)


def test_slopes_by_hand():
    """A spike of 3 at the state 1: beta 1/2, threshold 2, read of the drive."""
    one = {"refractory": 0, "synapse": "none", "input": "same"}
    for reset, at, expected in (("subtract", "once", (0.5, -1, 1)),
                                ("subtract", "after", (0.5, -2, 1)),
                                ("zero", "once", (0, -1.375, 1)),
                                ("zero", "after", (0, -2.25, 0)),
                                ("none", "after", (0.5, 0, 1))):
        step = Step(reset=reset, reset_at=at, **one)
        x, levels = column(3, 1), {"threshold": 2, "reset_to": 0.25}
        done = conventions.simulate(step, x, np.eye(1), **TAUS["exact"], **levels)
        names = ("mem_by_mem", "mem_by_spikes", "mem_by_drive")
        for through in (True, False):
            found = conventions.slopes(step._replace(through_reset=through), done,
                                       **TAUS["exact"], **levels)
            wanted = expected if through else (expected[0], 0, expected[2])
            assert tuple(found[name][2].item() for name in names) == wanted
            assert not any(found[name][0].any() for name in names)


def test_slopes_of_the_synapse_and_of_a_row():
    step = PRESETS["nir_subtract"]
    done = conventions.simulate(step, column(6, 0), np.eye(1), **TAUS["euler"])
    found = conventions.slopes(step, done, **TAUS["euler"], threshold=0.5)
    assert [found[name][1].item() for name in (
        "syn_by_syn", "syn_by_drive", "mem_by_syn", "mem_by_drive", "row_by_mem",
        "row_by_spikes")] == [0.25, 0.75, 0.5, 0, 1, -0.5]
    assert found["rows"].tolist() == [1, 1]
    found = conventions.slopes(Step(), done, **TAUS["exact"])
    assert found["rows"].tolist() == [0, 0] and not found["row_by_spikes"].any()


def test_defaults():
    given = {"dt": 1, "threshold": 1, "leak": 0, "reset_to": 0, "floor": 0}
    x = np.random.default_rng(5).normal(0.5, 2, (9, 2, 1))
    for reset in ("zero", "subtract"):
        step = PRESETS["norse"]._replace(floor=True, reset=reset, through_reset=True)
        one, two = (conventions.simulate(step, x, np.eye(1), **TAUS["euler"], **more)
                    for more in ({}, given))
        assert one.spikes.any() and (one.mem[1:] == 0).any()
        assert all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))
        one, two = (conventions.slopes(step, two, **TAUS["euler"], **more)
                    for more in ({}, given))
        assert all(np.array_equal(one[name], two[name]) for name in one)
        assert one["row_by_spikes"].any() and not one["mem_by_mem"].all()


def test_arguments_are_kept_and_dtype_too():
    x, W, V = column(6, 0, 1), np.eye(1), np.eye(1)
    before = [a.copy() for a in (x, W, V)]
    for dtype in (np.float32, np.float64):
        step = PRESETS["rockpool"]._replace(floor=True, refractory=1)
        done = conventions.simulate(step, x, W.astype(dtype), V, **TAUS["exact"])
        found = conventions.slopes(step, done, **TAUS["exact"])
        assert {a.dtype for a in (*done[:-1], *list(found.values())[:-1])} == {
            np.dtype(dtype)}
    assert all((a == b).all() for a, b in zip((x, W, V), before, strict=True))


X, W1, S = np.ones((3, 2, 4)), np.ones((2, 4)), Step()
T = {"tau_syn": 2, "tau_mem": 3}
RUN = conventions.simulate(S, X, W1, **T)


@pytest.mark.parametrize("call, match", [
    (lambda: conventions.simulate("norse", X, W1, **T), "step is 'norse': must be a S"),
    (lambda: conventions.simulate(tuple(S), X, W1, **T), "step is .*must be a Step"),
    (lambda: conventions.simulate(S._replace(reset="soft"), X, W1, **T),
     "step.reset is 'soft': must be one of .*'subtract', 'zero', 'none'"),
    (lambda: conventions.simulate(S._replace(floor=1), X, W1, **T), "step.floor is 1"),
    (lambda: conventions.simulate(S._replace(refractory=True), X, W1, **T),
     "step.refractory is True"),
    (lambda: conventions.simulate(S._replace(refractory=-1), X, W1, **T),
     "step.refractory is -1"),
    (lambda: conventions.simulate(S, X[0], W1, **T), "x is of shape"),
    (lambda: conventions.simulate(S, X[:0], W1, **T), "T, B and n of at least 1"),
    (lambda: conventions.simulate(S, X, W1[:0], **T), "T, B and n of at least 1"),
    (lambda: conventions.simulate(S, X * np.nan, W1, **T), "x has NaN"),
    (lambda: conventions.simulate(S, X, W1.astype(int), **T), "W is of dtype int64"),
    (lambda: conventions.simulate(S, X, W1, W1, **T), "V is of shape"),
    (lambda: conventions.simulate(S, X, W1, tau_syn=-1, tau_mem=3), "tau_syn is -1"),
    (lambda: conventions.simulate(S, X, W1, tau_syn=2, tau_mem="3"), "tau_mem is '3'"),
    (lambda: conventions.simulate(S, X, W1, tau_syn=2, tau_mem=np.inf), "tau_mem is i"),
    (lambda: conventions.simulate(PRESETS["norse"], X, W1, tau_syn=0.5, tau_mem=3),
     "tau_syn is 0.5: must be .*>= 1.0"),
    (lambda: conventions.simulate(S, X, W1, dt=0, **T), "dt is 0: .*above 0$"),
    (lambda: conventions.simulate(S, X, W1, dt=[1, 1], **T), r"dt is .*\(1,\) array"),
    (lambda: conventions.simulate(S, X, W1, threshold=0, **T), "threshold is 0: .*ab"),
    (lambda: conventions.simulate(S, X, W1, threshold=[1, 2, 3], **T), r"\(2,\) array"),
    (lambda: conventions.simulate(S, X, W1, leak=np.nan, **T), "leak is nan: .*finite"),
    (lambda: conventions.simulate(S, X, W1, reset_to=None, **T), "reset_to is None"),
    (lambda: conventions.simulate(S, X, W1, floor="0", **T), "floor is '0'"),
    (lambda: conventions.simulate(S, X, W1, spike=1, **T), "spike is 1"),
    (lambda: conventions.simulate(S._replace(refractory=1), X, W1, spike=max, **T),
     "clamp is None"),
    (lambda: conventions.simulate(S, X, W1, clamp=X, **T), "clamp is of shape"),
    (lambda: conventions.simulate(S, X, W1, reset_spikes=X, **T), "reset_spikes is of"),
    (lambda: conventions.recorded("norse", RUN), "step is 'norse'"),
    (lambda: conventions.recorded(S, tuple(RUN)), "run is a tuple: not a Run"),
    (lambda: conventions.recorded(S, RUN._replace(mem=X[0])), "run.mem is of shape"),
    (lambda: conventions.recorded(S, RUN._replace(syn=X)), "run.syn is of shape"),
    (lambda: conventions.slopes(S, RUN._replace(free=RUN.free[1:]), **T), "run.free"),
    (lambda: conventions.slopes(S, RUN, tau_syn=2, tau_mem=-3), "tau_mem is -3")])
def test_bad_input_is_named(call, match):
    with np.errstate(invalid="ignore"), pytest.raises(ValueError, match=match):
        call()
