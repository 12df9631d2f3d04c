"""The list of injected faults: correct loops, and faults that each show."""

import importlib.util

import numpy as np
import pytest
from faults import CLASSES, FAULTS, LOOPS, build

from refsnn import lif, losses, surrogates


def problem(seed, B=3):
    """Return a random live network and its correct outputs."""
    rng = np.random.default_rng(seed)
    p = {"x": 1.0 * (rng.random((12, B, 4)) < 0.4), "W": rng.normal(0.5, 0.7, (3, 4)),
         "V": rng.normal(0, 0.7, (3, 3)), "alpha": 0.7, "beta": 0.8, "gain": 0.4,
         "threshold": 0.75, "steepness": 2.0, "target": rng.random((12, B, 3))}
    constants = {key: p[key] for key in ("alpha", "beta", "gain", "threshold")}
    run = lif.simulate(p["x"], p["W"], p["V"], **constants)
    loss, dspikes = losses.square(run.spikes, p["target"])
    psi = surrogates.fast_sigmoid(run.mem - p["threshold"], p["steepness"])[1]
    back = lif.backward(p["x"], p["W"], p["V"], run, psi, dspikes, **constants)
    assert 0.1 < run.spikes.mean() < 0.7
    right = {"loss": loss, "spikes": run.spikes, "mem": run.mem, "dW": back.dW,
             "dV": back.dV, "dx": back.dx}
    return p | {"mem": run.mem}, right


def copied(p):
    return {key: np.copy(value) for key, value in p.items()}


def off(function, cases):
    """Return the names of outputs that differ in any of several calls, in turn."""
    wrong = set()
    for p, right in cases:
        p = copied(p)
        for _ in range(2):                      # the second time with what is left
            found = function(p)
            wrong |= {key for key, value in right.items() if not np.allclose(
                found[key], value, rtol=1e-9, atol=1e-9)}
    return wrong


@pytest.fixture
def cases():
    return [problem(1), problem(2), problem(3)]


def available(loop):
    if importlib.util.find_spec(loop) is None:
        pytest.skip(f"{loop} is not installed")


@pytest.mark.parametrize("loop", LOOPS)
def test_a_loop_is_right(loop, cases):
    available(loop)
    assert off(build(loop), cases) == set()


@pytest.mark.parametrize("index", range(len(FAULTS)))
def test_a_fault_shows(index, cases):
    fault = FAULTS[index]
    available(fault.loop)
    wrong = off(build(fault.loop, (fault.old, fault.new)), cases)
    assert wrong
    if fault.side == "backward":
        assert not wrong & {"loss", "spikes", "mem"}
    if fault.side == "forward":
        assert wrong & {"loss", "spikes", "mem"}


def test_the_list_is_balanced():
    kinds = [fault.kind for fault in FAULTS]
    assert {kind: kinds.count(kind) for kind in kinds} == dict.fromkeys(CLASSES, 4)
