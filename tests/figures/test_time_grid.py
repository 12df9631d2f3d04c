"""Test EventProp on a time grid against the exact gradient."""

import numpy as np
import pytest

from figures.spike_times import time_grid as grid
from refsnn import eventprop, lif

TAUS = 20e-3, 5e-3
EXACT = {"tau_mem": TAUS[0], "tau_syn": TAUS[1]}


def problem():
    rng = np.random.default_rng(23)
    return (np.sort(rng.integers(0, 40, 30)), rng.integers(0, 6, 30),
            rng.uniform(0.2, 1.5, (3, 6)), rng.uniform(0.5, 1.5, 200))


def errors(dt, scheme, between):
    """Return errors of spike times, of dW and of the gradient by arrival times."""
    ms, units, W, factors = problem()
    rec = eventprop.simulate([ms * 1e-3], [units], W, until=50e-3, **EXACT)
    options = {"steps": round(50e-3 / dt), "dt": dt, "taus": TAUS, "scheme": scheme}
    arrivals = np.rint(ms * 1e-3 / dt).astype(int)
    found = grid.simulate(arrivals, units, W, between=between, **options)
    order, own = (np.lexsort(a[::-1]) for a in ((found.units, found.times),
                                                (rec.units[0], rec.times[0])))
    assert found.units[order].tolist() == rec.units[0][own].tolist() and len(order) > 8
    dtimes, exact = np.empty((2, len(order)))
    dtimes[order] = exact[own] = factors[:len(order)]
    wanted = eventprop.backward([exact], [units], W, None, rec, **EXACT)
    dW, darrival = grid.backward(dtimes, arrivals, units, W, found, **options)
    return [np.linalg.norm(a - b) / np.linalg.norm(b) for a, b in (
        (found.times[order], rec.times[0][own]), (dW, wanted.dW),
        (darrival, wanted.ddelays))]


@pytest.mark.parametrize("scheme, between, order", [
    ("euler", False, 1), ("held", False, 1), ("exact", False, 1), ("exact", True, 2)])
def test_errors_fall_with_the_step(scheme, between, order):
    more, less = (np.log(errors(dt, scheme, between)) for dt in (5e-5, 2e-6))
    assert np.abs((more - less) / np.log(25) - order).max() < 0.6       # rounding


@pytest.mark.parametrize("reset", ["zero", "subtract"])
def test_the_scheme_held_is_that_of_lif(reset):
    """The spikes of `lif` come one step later, and it resets after one more step."""
    ms, units, W, _ = problem()
    dt, beta, x = 1e-3, np.exp(-1e-3 / TAUS[0]), np.zeros((52, 1, 6))
    np.add.at(x, (ms, 0, units), 1.0)
    run = lif.simulate(x, W, alpha=np.exp(-dt / TAUS[1]), beta=beta, gain=1 - beta)
    found = grid.simulate(ms, units, W, steps=50, dt=dt, taus=TAUS, reset=reset)
    t, _, i = np.nonzero(run.spikes)
    for unit in range(3):
        first = found.times[found.units == unit][0]
        assert t[i == unit][0] == round(first / dt) + 1


def test_the_reset_by_subtraction_keeps_what_exceeds_the_threshold():
    one = np.zeros(1, int), np.zeros(1, int), np.full((1, 1), 8.0)
    options = {"steps": 9, "dt": 1.0, "taus": (2.0, 4.0), "scheme": "euler"}
    zero, less = (grid.simulate(*one, reset=reset, **options)
                  for reset in ("zero", "subtract"))
    assert less.times[:3].tolist() == [1, 2, 3] and len(less.times) > len(zero.times)
    assert less.spikes[0][2].tolist() == [6.0]      # the current 8 (1 - dt / tau_syn)


@pytest.mark.parametrize("change, match", [
    ({"scheme": "heun"}, "scheme is 'heun': must be one of"),
    ({"reset": "soft"}, "reset is 'soft': must be one of"),
    ({"units": np.array([6])}, r"units is out of range .* must be in \[0, 6\)"),
    ({"arrivals": np.array([-1])}, "arrivals is out of range|arrivals is -1")])
def test_bad_arguments_are_refused(change, match):
    with pytest.raises(ValueError, match=f"^{match}"):
        grid.simulate(**{"arrivals": np.array([1]), "units": np.array([0]),
                         "W": np.ones((2, 6)), "steps": 9, "dt": 1.0,
                         "taus": (3.0, 4.0)} | change)
