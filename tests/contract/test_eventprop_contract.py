"""What the functions of `refsnn.eventprop` accept and refuse."""

import numpy as np
import pytest
from harness import contract, verify

from refsnn import eventprop

TAUS = "tau_mem (n?) in (0, inf), tau_syn (n?) in (0, inf)"
LAYER = f"W (n, m) float, delays? (n, m) in [0, inf), {TAUS}"
SPIKES = "times[0] (5) float in [0, inf), units[0] (5) int in [0, 3)"
W, UNITS = np.full((2, 3), 3.0), np.array([0, 2, 1, 0, 0])
AT = np.array([0.1, 0.4, 0.4, 0.9, 1.3])


def valid(module, rng, dtype, sizes):
    """Return sorted times, input units, and a duration."""
    return {"times[0]": AT.astype(dtype), "until": 2.0,
            "units[0]": rng.integers(0, min(sizes.get("m", 1), 3), 5)}


def spikes(module, rng, dtype, sizes):
    return {name: v for name, v in valid(module, rng, dtype, sizes).items()
            if name != "until"}


def recorded(module, rng, dtype, sizes):
    """Return a recording and the derivatives that fit it."""
    given = spikes(module, rng, dtype, sizes)
    W = np.full((sizes["n"], sizes["m"]), 3, dtype)
    rec = module.simulate([AT], [given["units[0]"]], W, tau_mem=1.0, tau_syn=1.0,
                          until=2.0)
    return {"recording": rec, "units[0]": given["units[0]"],
            "dtimes[0]": np.ones(len(rec.times[0]), dtype)}


SHARED = {"unchecked": ["times[0]", "units[0]"], "given": spikes}
FUNCTIONS = [
    contract(eventprop.simulate, f"{SPIKES}, {LAYER}, V? (n, n), threshold (n?) in "
             "(0, inf), until () in (0, inf), refractory () in [0, inf), "
             "recurrent_delays? (n, n) in [0, inf), most () int in [0, inf)",
             given=lambda *a: valid(*a) | {"most": 10_000},
             unchecked=["times[0]", "units[0]", "most"]),
    contract(eventprop.backward, f"dtimes[0] (n), units[0] (5) int, W (n, m) float, "
             f"V? (n, n), {TAUS}, threshold (n?) in (0, 1.5]", given=recorded,
             unchecked=["dtimes[0]", "units[0]", "threshold"]),
    contract(eventprop.first, f"{SPIKES}, n () int in [1, inf)",
             given=lambda *a: spikes(*a) | {"n": 3},
             unchecked=["times[0]", "units[0]", "n"]),
    contract(eventprop.first_backward, f"dfirst (1, k) float, {SPIKES}",
             given=lambda *a: spikes(*a) | {"units[0]": UNITS % a[-1]["k"]},
             unchecked=["times[0]", "units[0]"]),
    contract(eventprop.readout, f"at (T) in [0, inf), {SPIKES}, {LAYER}, integral bool",
             **SHARED),
    contract(eventprop.readout_backward, "dmem (T, 1, n), at (T) in [0, inf), integral "
             f"bool, {SPIKES}, {LAYER}", **SHARED),
]


@pytest.mark.parametrize("c", FUNCTIONS, ids=lambda c: c.function.__name__)
def test_contract(c):
    bad = verify(c)
    assert not bad, "\n".join(bad)


GOOD = {"times": [AT], "units": [UNITS], "W": W, "tau_mem": 1.0, "tau_syn": 2.0}
SIZE = np.zeros((1, 2))


@pytest.mark.parametrize("change, match", [
    ({"times": [AT[::-1]]}, r"times\[0\] is 0.9 after 1.3, at index 1: must not decr"),
    ({"times": [AT - 1]}, r"times\[0\] is out of range .*: must be in \[0, inf"),
    ({"times": [AT * np.nan]}, r"times\[0\] is nan"),
    ({"times": [AT * np.inf]}, r"times\[0\] is inf"),
    ({"times": [AT[:4]]}, r"units\[0\] has 5 spikes, times\[0\] has 4: must be equal"),
    ({"times": [AT, AT]}, "units has 1 samples, times has 2: must be equal"),
    ({"times": [], "units": []}, "units has 0 samples, .* at least 1"),
    ({"times": AT}, "times is of type ndarray: must be one of list, tuple"),
    ({"times": None}, "times is "), ({"units": None}, "units is "),
    ({"units": [UNITS + 1]}, r"units\[0\] is out of range .*: must be in \[0, 3\)"),
    ({"units": [UNITS - 1]}, r"units\[0\] is out of range"),
    ({"units": [UNITS / 1]}, r"units\[0\] is float64: must hold integers"),
    ({"tau_syn": 0.0}, "tau_syn is 0.0"),
    ({"state": (SIZE, SIZE[:, :1])}, r"state.syn has 1 .* must have 2"),
    ({"state": (SIZE * np.nan, SIZE)}, "state.mem is nan"),
    ({"state": SIZE}, "state is of type ndarray: must be a State"),
    ({"state": (SIZE + 1, SIZE)}, "state.mem is 1: must be below the threshold"),
    ({"most": 2}, "most is 2: sample 0 has more spikes"),
    ({"most": 25}, "most is 25: sample 0 has more spikes"),
    ({"most": 1.5}, "most is 1.5"), ({"most": -1}, "most is -1: must be in"),
    ({"most": None}, "most is None")])
def test_spikes_and_states(change, match):
    with pytest.raises(ValueError, match=f"^{match}"):
        eventprop.simulate(**GOOD | {"until": 2.0} | change)


@pytest.mark.parametrize("change, match", [
    ({"dtimes": [[1.0]]}, r"dtimes has \[1\] spikes .* must have \[\d+\], as in"),
    ({"dtimes": []}, r"dtimes has \[\] spikes"),
    ({"dtimes": [[np.nan]]}, r"dtimes\[0\] is nan"),
    ({"units": [UNITS[1:]]}, r"units has \[4\] spikes .* must have \[5\]"),
    ({"dtimes": None}, "dtimes is "), ({"units": None}, "units is "),
    ({"dtimes": [None]}, r"dtimes\[0\] is None"),
    ({"dtimes": [np.ones((26, 1))]}, r"dtimes\[0\] has shape \(26, 1\): must have 1"),
    ({"units": [UNITS + 9]}, r"units\[0\] is out of range"),
    ({"units": [None]}, r"units\[0\] is None"),
    ({"units": [UNITS / 1]}, r"units\[0\] is float64: must hold integers"),
    ({"units": [UNITS[:, None]]}, r"units\[0\] has shape \(5, 1\): must have 1 axis"),
    ({"threshold": 0.0}, "threshold is 0.0: must be in"),
    ({"threshold": -1.0}, "threshold is -1.0: must be in"),
    ({"threshold": np.inf}, "threshold is inf"),
    ({"threshold": None}, "threshold is None"),
    ({"recording": None}, "recording is of type NoneType: must be a Recording")])
def test_derivatives_and_recordings(change, match):
    rec = eventprop.simulate(**GOOD, until=2.0)
    good = {name: GOOD[name] for name in GOOD if name != "times"} | {
        "V": None, "recording": rec, "dtimes": [np.ones(len(rec.times[0]))]}
    with pytest.raises(ValueError, match=f"^{match}"):
        eventprop.backward(**good | change)


@pytest.mark.parametrize("change, match", [
    ({"n": 0}, "n is 0: must be in"), ({"n": 3.5}, "n is 3.5: must be an integer"),
    ({"n": None}, "n is None"), ({"times": [None]}, r"times\[0\] is None"),
    ({"times": [np.arange(5)]}, r"times\[0\] is int64: must be float"),
    ({"times": [AT[:, None]]}, r"times\[0\] has shape \(5, 1\): must have 1 axis"),
    ({"units": [None]}, r"units\[0\] is None"),
    ({"units": [UNITS[:, None]]}, r"units\[0\] has shape \(5, 1\): must have 1 axis")])
def test_first_spikes(change, match):
    with pytest.raises(ValueError, match=f"^{match}"):
        eventprop.first(**{"times": [AT], "units": [UNITS], "n": 3} | change)


@pytest.mark.parametrize("at, match", [
    ([-1.0], "at is out of range"), ([np.inf], "at is inf"),
    (SIZE[None] - 1, "at is out of range"), (SIZE[None] + np.inf, "at is inf")])
def test_times_of_readouts(at, match):
    with pytest.raises(ValueError, match=f"^{match}"):
        eventprop.readout(at, **GOOD)


def test_ends_of_ranges_are_accepted():
    none, zero, until = {"delays": np.zeros((2, 3))}, np.zeros(1), {"until": 2.0}
    V = {"V": np.full((2, 2), 0.5), **until}
    one, two = (eventprop.simulate(**GOOD, **V, **more) for more in (
        {}, none | {"recurrent_delays": np.zeros((2, 2))}))
    assert len(one.times[0]) > 26 and np.array_equal(one.times[0], two.times[0])
    assert len(eventprop.simulate(**GOOD, **until, most=26).times[0]) == 26
    assert len(eventprop.simulate(**GOOD | {"W": 0 * W}, **until, most=0).times[0]) == 0
    assert eventprop.first([AT], [0 * UNITS], 1) == [[0.1]]
    assert not eventprop.readout(zero, **GOOD, **none).any()
    assert not eventprop.readout(SIZE[None], **GOOD, **none).any()


def test_other_relations_between_arguments():
    with pytest.raises(ValueError, match="^dfirst has 2 samples, times has 1: must be"):
        eventprop.first_backward(np.ones((2, 3)), [AT], [UNITS])
    with pytest.raises(ValueError, match=r"^at has 2 .* must have 1"):
        eventprop.readout(np.ones((4, 2, 2)), **GOOD)
    empty = eventprop.simulate([AT[:0]], [UNITS[:0]], W, tau_mem=1.0, tau_syn=1.0,
                               until=2.0)
    assert len(empty.times[0]) == 0 and np.isinf(empty.slope).all()
    assert not eventprop.backward([AT[:0]], [UNITS[:0]], W, None, empty, tau_mem=1.0,
                                  tau_syn=1.0).dW.any()
    assert not eventprop.readout([1.0], [AT[:0]], [UNITS[:0]], W, tau_mem=1.0,
                                 tau_syn=1.0).any()
