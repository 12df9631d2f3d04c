"""Test step conventions: every preset and axis by hand, and their gradients.

Forward runs use alpha = 1/4 and beta = 1/2, exact or Euler, unless a test says
otherwise.  Gradients are compared with finite differences, RTRL and `lif`.
"""

import numpy as np
import pytest
import strategies
from hypothesis import assume, given
from hypothesis import strategies as st
from proofs import examples, proves
from tolerances import RTOL, RTOL_FD

from refsnn import bptt, checks, conventions, lif, rtrl, surrogates
from refsnn.conventions import AXES, PRESETS, Step

TAUS = {"exact": {"tau_syn": 1 / np.log(4), "tau_mem": 1 / np.log(2)},
        "euler": {"tau_syn": 4 / 3, "tau_mem": 2}}


def column(*values):
    """Return a (T, 1, 1) array."""
    return np.array(values, float).reshape(-1, 1, 1)


def run(step, x, W=((1.0,),), V=None, **constants):
    """Return the rows of one run as flat lists."""
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


@proves("conventions", 1, 2, 3, 4, 5, 6)
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

@proves("conventions", 3)
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
        for gain, factor in (("one", 1), ("leak", 1 - beta), ("rate", 0.5 / 3),
                             ("integral", 3 * (1 - beta))):
            step = Step(decay=decay, synapse="none", input="same", record="after",
                        gain=gain)
            _, mem, _ = run(step, column(2, 0), tau_mem=3, dt=0.5, threshold=9)
            assert mem == [2 * factor, beta * (2 * factor)]


@proves("conventions", 1)
@pytest.mark.parametrize("compare, one, many", [
    (">", [0, 1, 1, 1, 1], [0, 1, 1, 2, 2]), (">=", [1, 1, 1, 1, 1], [1, 1, 2, 2, 3]),
    ("half", [0.5, 1, 1, 1, 1], [0.5, 1, 1.5, 2, 2.5])])
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
    barely = np.nextafter(3.0, 4)       # above, although the quotient rounds to 1
    step = PRESETS["sinabs"]._replace(compare=">", gain="one", synapse="none")
    assert run(step, column(barely), threshold=3)[0] == [1]


@proves("conventions", 4, 5, 6)
@pytest.mark.parametrize("reset, reset_at, tested, shown", [
    ("subtract", "once", [5, 3, 2], [4, 2, 1]),
    ("subtract", "before", [5, 3, 2], [5, 3, 2]),
    ("subtract", "after", [5, 2.5, 1.25], [5, 2.5, 1.25]),
    ("zero", "once", [5, 1.25, 1.25], [0.5, 0.5, 0.5]),
    ("zero", "before", [5, 1.25, 1.25], [5, 1.25, 1.25]),
    ("zero", "after", [5, 0.5, 1.25], [5, 0.5, 1.25]),
    ("none", "once", [5, 3.5, 2.75], [5, 3.5, 2.75]),
    ("none", "after", [5, 3.5, 2.75], [5, 3.5, 2.75])])
def test_kinds_and_times_of_the_reset(reset, reset_at, tested, shown):
    step = Step(synapse="none", input="same", test="after", record="after",
                reset=reset, reset_at=reset_at)
    done = conventions.simulate(step, column(5, 1, 1), np.eye(1), **TAUS["exact"],
                                reset_to=0.5)
    assert done.mem[1:].ravel().tolist() == tested
    assert conventions.recorded(step, done)["mem"].ravel().tolist() == shown


def test_rows_of_every_recording():
    """Record states 0, 5, 2 with one spike in the middle, before or after resets."""
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


@proves("conventions", 5, 7)
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


def test_half_a_spike_is_half_a_reset():
    for reset, shown in (("subtract", 1), ("zero", 1.125), ("none", 2)):
        step = Step(synapse="none", input="same", test="after", record="after",
                    compare="half", reset=reset, reset_at="once")
        assert run(step, column(2), threshold=2, reset_to=0.25)[:2] == [[0.5], [shown]]


def test_a_muted_neuron_runs_and_does_not_spike():
    """Threshold 1, beta 1/2, input 4: 4 spikes, 3 + 2 and 1 + 2 follow."""
    step = Step(synapse="none", input="same", test="after", record="after",
                refractory=2, mute=True)
    done = conventions.simulate(step, column(4, 4, 4, 0, 0), np.eye(1), **TAUS["exact"])
    assert done.mem.ravel().tolist() == [0, 4, 5, 6.5, 3.25, 0.625]
    assert done.spikes.ravel().tolist() == [0, 1, 0, 0, 1, 0]
    assert done.held.ravel().tolist() == [0, 0, 1, 1, 0, 1]
    found = conventions.slopes(step, done, **TAUS["exact"])
    assert found["live"].ravel().tolist() == [1, 1, 0, 0, 1, 0]
    assert found["mem_by_mem"].ravel().tolist() == [0] + [0.5] * 5
    assert "live" not in conventions.slopes(step._replace(mute=False), done,
                                            **TAUS["exact"])
    again = conventions.simulate(step, column(4, 4, 4, 0, 0), np.eye(1),
                                 clamp=done.held, spike=lambda k, u: u + 1,
                                 **TAUS["exact"])
    assert again.spikes[:4].ravel().tolist() == [1, 4, 0, 0]


@pytest.mark.parametrize("recurrent", [False, True])
@pytest.mark.parametrize("reset", AXES["reset"])
def test_gradients_of_muted_neurons(reset, recurrent):
    """A surrogate that is not set to 0 while muted gives another gradient."""
    step = PRESETS["norse_feed_forward"]._replace(refractory=2, mute=True, reset=reset)
    seed = alive_seed(step, recurrent)
    x, W, V, run_ = network(step, seed, recurrent)
    psi, slopes = smooth(run_.mem - 0.8)[1], conventions.slopes(step, run_, **CONSTANTS)
    d = np.cos(np.arange(run_.mem[1:].size)).reshape(run_.mem[1:].shape)
    q = conventions.credit(psi, slopes, d)
    wrong = conventions.credit(psi, slopes | {"live": None}, d)
    assert (q[1:][run_.held[1:].repeat(2, axis=2)] == 0).sum() > 0
    assert np.array_equal(q[..., 3:] == 0, (wrong[..., 3:] == 0) | run_.held)


@proves("conventions", 2)
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
                                tau_mem=1, dt=0.5)
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


@proves("conventions", 9, 10, 11)
def test_slopes_by_hand():
    """State 1 spikes at u = 3 with beta 1/2 and threshold 2."""
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


@proves("conventions", 8, 9)
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


# --- gradients

VALUES = [(axis, value) for axis, values in AXES.items() for value in values]
CONSTANTS = {"tau_syn": 2.7, "tau_mem": 4.1, "dt": 0.9, "threshold": 0.8,
             "leak": 0.06, "reset_to": -0.05, "floor": -0.2}


def smooth(v):
    """Return a smooth surrogate and its derivative."""
    return surrogates.SURROGATES["arctan"](v, 3.0)


def network(step, seed, recurrent, T=9, B=2, m=3, n=3, constants=CONSTANTS):
    """Return (x, W, V, run) whose free membranes cross the threshold at times."""
    rng = np.random.default_rng(seed)
    x = (rng.random((T, B, m)) < 0.5) * rng.uniform(0.5, 1.5, (T, B, m))
    W = rng.normal(0.4, 1, (n, m))
    free = conventions.simulate(step._replace(reset="none", floor=False, refractory=0),
                                x, W, **(constants | {"leak": 0, "threshold": 1e9}))
    top = np.quantile(np.abs(free.mem[3:]).reshape(-1, n), 0.8, axis=0)
    W *= (constants["threshold"] * rng.uniform(1.1, 3.2, n) / (top + 1e-9))[:, None]
    V = rng.normal(0, 0.3, (n, n)) * np.abs(W).mean() if recurrent else None
    return x, W, V, conventions.simulate(step, x, W, V, **constants)


def alive(step, run):
    """Check that all options have effects and no membrane is near the floor."""
    floor = np.abs(run.mem - CONSTANTS["floor"])
    return 0 < (run.spikes > 0).mean() < 0.8 and run.spikes[1:-3].any() \
        and (not step.floor or floor.min() == 0 and floor[floor > 0].min() > 1e-3) \
        and (not step.refractory or run.held.any()) \
        and (step.spikes == "one" or run.spikes.max() > 1)


def parts(step, x, W, V, run, seed):
    """Return a loss of [W, V, x], and its gradients by BPTT and by RTRL."""
    rng = np.random.default_rng(seed)
    (T, B, n), theta = (len(x), x.shape[1], len(W)), CONSTANTS["threshold"]
    dspikes, dmem = rng.normal(size=(2, T, B, n))
    base, psi = smooth(run.mem - theta)

    def loss(values):
        W, V, x = values if len(values) == 3 else (values[0], None, values[1])
        again = conventions.simulate(
            step, x, W, V, clamp=run.held, **CONSTANTS,
            spike=lambda k, u: run.spikes[k] + (smooth(u - theta)[0] - base[k]),
            reset_spikes=None if step.through_reset else run.fired)
        rows = conventions.recorded(step, again)
        return float(np.sum(dspikes * rows["spikes"]) + np.sum(dmem * rows["mem"]))

    slopes = conventions.slopes(step, run, **CONSTANTS)
    J, F, E = conventions.linearise(x, W, V, run.spikes, psi, slopes)
    q = conventions.credit(psi, slopes, dspikes, dmem)
    dx = np.einsum("tbi,tbij->tbj", bptt.adjoint(J, q), E)[1:]
    flat = bptt.gradient(J, F, q)
    dW, dV = flat[:W.size].reshape(W.shape), flat[W.size:].reshape(-1, n)
    return loss, [dW, dx] if V is None else [dW, dV, dx], flat, rtrl.gradient(J, F, q)


def check(step, seed, recurrent):
    x, W, V, run = network(step, seed, recurrent)
    if not alive(step, run):
        return False
    loss, found, flat, forward = parts(step, x, W, V, run, seed)
    theta = [W, x] if V is None else [W, V, x]
    if not all(np.abs(g).max() > 1e-2 for g in found):
        return False
    checks.directional(loss, theta, found, np.random.default_rng(seed), rtol=RTOL_FD,
                       names=["W", "x"] if V is None else ["W", "V", "x"])
    np.testing.assert_allclose(forward, flat, rtol=RTOL, atol=RTOL * np.abs(flat).max())
    return True


def alive_seed(step, recurrent):
    return next(seed for seed in range(40) if check(step, seed, recurrent))


@pytest.mark.parametrize("recurrent", [False, True])
@pytest.mark.parametrize("axis, value", VALUES)
def test_every_value_of_every_axis(axis, value, recurrent):
    for name in ("refsnn", "norse_feed_forward", "rockpool"):
        assert alive_seed(PRESETS[name]._replace(**{axis: value}), recurrent) < 40


@proves("conventions", 8, 9, 10, 11, 12, 13, 14, 15)
@pytest.mark.parametrize("name", PRESETS)
def test_every_preset(name):
    for recurrent in (False, True):
        assert alive_seed(PRESETS[name], recurrent) < 40


@examples(60)
@given(st.tuples(*(st.sampled_from(values) for values in AXES.values())),
       strategies.SEEDS, st.booleans())
def test_any_combination(values, seed, recurrent):
    assume(check(Step(*values), seed, recurrent))


def test_a_taylor_slope_of_two():
    step = PRESETS["spikingjelly"]
    seed = alive_seed(step, True)
    x, W, V, run = network(step, seed, True)
    loss, found, _, _ = parts(step, x, W, V, run, seed)
    direction = [np.cos(np.arange(a.size)).reshape(a.shape) for a in (W, V, x)]
    assert checks.taylor_slope(loss, [W, V, x], found, direction, start=1e-3) >= 1.9
    wrong = [1.001 * found[0], *found[1:]]
    assert checks.taylor_slope(loss, [W, V, x], wrong, direction, start=1e-3) < 1.5


@pytest.mark.parametrize("other", ["through_reset", "reset_at", "synapse", "input"])
def test_the_gradient_of_another_convention_is_rejected(other):
    step = PRESETS["norse_feed_forward"]
    value = {"through_reset": False, "reset_at": "after", "synapse": "between",
             "input": "next"}[other]
    wrong, seed = step._replace(**{other: value}), alive_seed(step, True)
    x, W, V, run = network(step, seed, True)
    loss, _, flat, _ = parts(step, x, W, V, run, seed)
    found = parts(wrong, x, W, V, run, seed)
    assert np.abs(found[2] - flat).max() > 1e-3 * np.abs(flat).max()
    with pytest.raises(AssertionError, match="gradient says"):
        checks.directional(loss, [W, V, x], found[1], np.random.default_rng(1))


@pytest.mark.parametrize("through", [True, False])
@pytest.mark.parametrize("reset", ["subtract", "zero"])
@pytest.mark.parametrize("refractory", [0, 2])
def test_the_default_is_lif_to_the_last_bit(reset, refractory, through):
    net = strategies.network(strategies.Options(
        0.6, 0.8, "one", 1.3, reset, refractory, True, through, True, False, True),
        strategies.Sizes(12, 2, 3, 3), 5)
    tau = {"tau_syn": 1.9, "tau_mem": 4.3, "threshold": 1.3}
    model = {"alpha": np.exp(-1 / 1.9), "beta": np.exp(-1 / 4.3), "threshold": 1.3}
    step = Step(reset=reset, refractory=refractory, through_reset=through)
    rec = lif.simulate(net.x, net.W, net.V, reset=reset, refractory=refractory, **model)
    run = conventions.simulate(step, net.x, net.W, net.V, **tau)
    rows = conventions.recorded(step, run)
    assert strategies.live(rec.spikes)
    for name, field in (("syn", rec.syn), ("mem", rec.mem), ("spikes", rec.spikes)):
        assert np.array_equal(rows[name], field)
    assert np.array_equal(run.held[:-1], rec.clamp)
    psi = smooth(run.mem - 1.3)[1]
    slopes = conventions.slopes(step, run, **tau)
    ours = conventions.linearise(net.x, net.W, net.V, run.spikes, psi, slopes)
    theirs = lif.linearise(net.x, net.W, net.V, rec, psi[:-1], reset=reset,
                           through_reset=through, **model)
    for got, wanted in zip(ours, theirs, strict=True):
        assert wanted.any() and np.array_equal(got[:-1], wanted)
    dspikes, dmem = net.rng.normal(size=(2, *rec.mem.shape))
    assert np.array_equal(conventions.credit(psi, slopes, dspikes, dmem)[:-1],
                          lif.credit(psi[:-1], dspikes, dmem))
    assert not conventions.credit(psi, slopes, dspikes, dmem)[-1].any()


def test_credit_of_one_term_alone():
    step = PRESETS["norse"]
    x, W, V, run = network(step, alive_seed(step, True), True)
    psi, slopes = smooth(run.mem - 0.8)[1], conventions.slopes(step, run, **CONSTANTS)
    both = conventions.credit(psi, slopes, run.spikes[1:], run.mem[1:])
    alone = (conventions.credit(psi, slopes, run.spikes[1:])
             + conventions.credit(psi, slopes, dmem=run.mem[1:]))
    assert both.any() and np.allclose(both, alone, rtol=RTOL)
    assert not conventions.credit(psi, slopes).any()


def test_gradients_keep_arguments_and_float32():
    x, W, psi = (np.ones(s, np.float32) for s in ((3, 2, 4), (2, 4), (4, 2, 2)))
    run = conventions.simulate(Step(), x, W, tau_syn=3, tau_mem=2)
    slopes = conventions.slopes(Step(), run, tau_syn=3, tau_mem=2)
    before = {name: np.array(part) for name, part in slopes.items()}
    arrays = [*conventions.linearise(x, W, np.eye(2), run.spikes, psi, slopes),
              conventions.credit(psi, slopes, psi[1:], psi[1:])]
    assert {a.dtype for a in arrays} == {np.dtype(np.float32)}
    assert all(np.array_equal(before[name], slopes[name]) for name in slopes)
    assert (x == 1).all() and (W == 1).all() and (psi == 1).all()


# --- dtypes and constants

X, W1, S = np.ones((3, 2, 4)), np.ones((2, 4)), Step()
T = {"tau_syn": 2, "tau_mem": 3}
RUN, PSI = conventions.simulate(S, X, W1, **T), np.ones((4, 2, 2))
SLOPES = conventions.slopes(S, RUN, **T)


def simulate(step=S, x=X, W=W1, V=None, **more):
    return conventions.simulate(step, x, W, V, **(T | more))


def linearise(x=X, W=W1, V=None, spikes=RUN.spikes, psi=PSI, slopes=SLOPES):
    return conventions.linearise(x, W, V, spikes, psi, slopes)


def test_input_of_another_dtype_is_cast():
    """All arrays take the dtype of W, or of psi."""
    for dtype in (np.float32, np.float64):
        run = simulate(x=X.astype(np.float32), W=W1.astype(dtype), V=np.eye(2),
                       clamp=RUN.held, reset_spikes=RUN.fired)
        assert {a.dtype for a in run[:-1]} == {np.dtype(dtype)}
        psi = PSI.astype(dtype)
        arrays = [*linearise(psi=psi, V=np.eye(2)), conventions.credit(
            psi, SLOPES, PSI[1:], PSI[1:].astype(np.float32))]
        assert {a.dtype for a in arrays} == {np.dtype(dtype)}


def test_time_constants_of_0_and_of_one_step():
    with pytest.raises(ValueError, match="^tau_mem is .*must be above 0"):
        conventions.simulate(Step(gain="rate"), np.ones((2, 1, 1)), np.ones((2, 1)),
                             tau_syn=1.0, tau_mem=np.array([0.0, 2.0]))
    run = conventions.simulate(Step(decay="euler"), np.ones((3, 1, 1)),
                               np.full((1, 1), 0.5), tau_syn=1.0, tau_mem=1.0)
    assert run.mem.ravel().tolist() == [0, 0, 0.5, 0.5]
