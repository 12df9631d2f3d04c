"""What the functions of `refsnn.fast.eventprop` accept and refuse."""

import numpy as np
import pytest
from harness import contract, verify

from refsnn.fast import eventprop

W, UNITS = np.full((2, 3), 3.0), np.array([0, 2, 1, 0, 0])
AT = np.array([0.1, 0.4, 0.4, 0.9, 1.3])


def valid(module, rng, dtype, sizes):
    """Return input spikes, and a number of spikes that is not exceeded."""
    return {"times[0]": AT.astype(dtype), "most": 10_000,
            "units[0]": rng.integers(0, min(sizes["m"], 3), 5)}


def recorded(module, rng, dtype, sizes):
    """Return a recording with one output spike."""
    rec = module.simulate([AT], [UNITS], W.astype(dtype)[:1], tau_mem=1.0, tau_syn=1.0,
                          until=0.7)
    return {"recording": rec, "dtimes[0]": np.ones(len(rec.times[0]), dtype)}


FUNCTIONS = [
    contract(eventprop.simulate, "times[0] (5) float in [0, inf), units[0] (5) int in "
             "[0, 3), W (n, m) float, delays? (n, m) in [0, inf), tau_mem (n?) in (0, "
             "inf), tau_syn (n?) in (0, inf), threshold (n?) in (0, inf), until () in "
             "(0, inf), most () int in [0, inf)", given=valid,
             unchecked=["times[0]", "units[0]", "most"]),
    contract(eventprop.backward, "dtimes[0] (n)", given=recorded,
             unchecked=["dtimes[0]"]),
]


@pytest.mark.parametrize("c", FUNCTIONS, ids=lambda c: c.function.__name__)
def test_contract(c):
    bad = verify(c)
    assert not bad, "\n".join(bad)


GOOD = {"times": [AT], "units": [UNITS], "W": W, "tau_mem": 1.0, "tau_syn": 2.0,
        "until": 2.0}


@pytest.mark.parametrize("change, match", [
    ({"times": [AT - 1]}, r"times\[0\] is out of range .*: must be in \[0, inf"),
    ({"times": [AT * np.nan]}, r"times\[0\] is nan"),
    ({"times": [AT[:4]]}, r"units has \[5\] spikes .*, times has \[4\]: must be equal"),
    ({"times": [AT, AT]}, r"units has \[5\] .*, times has \[5, 5\]: must be equal"),
    ({"times": [], "units": []}, r"units has \[\] .* at least 1 sample"),
    ({"times": AT}, "times is of type ndarray: must be one of list, tuple"),
    ({"times": [AT[None]]}, r"times\[0\] has shape \(1, 5\): must have 1 axis"),
    ({"units": [UNITS[None]]}, r"units\[0\] has shape \(1, 5\): must have 1 axis"),
    ({"units": [UNITS + 1]}, r"units\[0\] is out of range .*: must be in \[0, 3\)"),
    ({"units": [UNITS - 1]}, r"units\[0\] is out of range"),
    ({"units": [UNITS / 1]}, r"units\[0\] is float64: must hold integers"),
    ({"tau_syn": 0.0}, "tau_syn is 0.0"),
    ({"most": 2}, "most is 2: sample 0 has more spikes"),
    ({"most": 1.5}, "most is 1.5"), ({"most": -1}, "most is -1"),
    ({"first": 1}, "first is 1: must be True or False")])
def test_spikes(change, match):
    with pytest.raises(ValueError, match=f"^{match}"):
        eventprop.simulate(**GOOD | change)


@pytest.mark.parametrize("change, match", [
    ({"dtimes": [[1.0]]}, r"dtimes has \[1\] spikes .* must have \[\d+\], as in"),
    ({"dtimes": []}, r"dtimes has \[\] spikes"),
    ({"dtimes": [[np.nan]]}, r"dtimes\[0\] is nan"),
    ({"dtimes": [[[1.0]]]}, r"dtimes\[0\] has shape \(1, 1\): must have 1 axis"),
    ({"recording": None}, "recording is None: must be Recording")])
def test_derivatives_and_recordings(change, match):
    rec = eventprop.simulate(**GOOD)
    with pytest.raises(ValueError, match=f"^{match}"):
        eventprop.backward(**{"dtimes": [np.ones(len(rec.times[0]))],
                              "recording": rec} | change)


def test_samples_without_spikes():
    empty = eventprop.simulate([AT[:0]], [UNITS[:0]], W, tau_mem=1.0, tau_syn=1.0,
                               until=2.0)
    grad = eventprop.backward([AT[:0]], empty)
    assert len(empty.times[0]) == len(grad.dtimes[0]) == 0 and not grad.dW.any()
    assert len(eventprop.simulate(**GOOD | {"W": W * 0}, most=0).times[0]) == 0
