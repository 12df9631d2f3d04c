"""Record LIF layers in any convention, for the tests of `identify`."""

import numpy as np

from refsnn import bptt, conventions
from refsnn.oracle.identify import elimination

DTYPES = [np.float32, np.float64]
EPS = 2.0 ** -52
TAUS = {"tau_syn": 5.0, "tau_mem": 9.0, "dt": 1.0}
LEVELS = {"threshold": 1.0, "leak": 0.0, "reset_to": 0.0, "floor": 0.0}
BINARY = {"alpha": 0.875, "beta": 0.75, "threshold": 1.75}      # ties are exact
TAUS_BINARY = {"euler": {"tau_syn": 8.0, "tau_mem": 4.0}, "exact": {
    "tau_syn": -1 / np.log(0.875), "tau_mem": -1 / np.log(0.75)}}


def layer(step, seed=0, dtype=float, recurrent=True, T=30, B=2, m=8, n=8, taus=TAUS):
    """Return (x, W, V, rows, run) of a layer whose neurons spike and pause."""
    rng = np.random.default_rng(seed)
    x, W = (rng.random((T, B, m)) < 0.3) * 1.0, rng.normal(0.2, 1, (n, m))
    silent = step._replace(reset="none", floor=False)
    free = conventions.simulate(silent, x, W, threshold=1e9, **TAUS).mem
    W *= 3 / np.abs(free).max(axis=(0, 1))[:, None]
    V = rng.normal(0, 0.3, (n, n)) * np.abs(W).mean() if recurrent else None
    x, W, V = (None if a is None else a.astype(dtype) for a in (x, W, V))
    run = conventions.simulate(step, x, W, V, **taus)
    rows = conventions.recorded(step, run)
    assert 0.01 < (rows["spikes"] > 0).mean() < 0.6 and rows["mem"].dtype == dtype
    return x, W, V, rows, run


def recorded(step, x, W, V=None, **constants):
    """Return the recording of a simulation."""
    return conventions.recorded(step, conventions.simulate(step, x, W, V, **constants))


def named(report):
    """Return the presets that a report names."""
    return [c.preset for c in report.members if not c.changes]


def some(rows, *names, dtype=None):
    """Return some of the recorded arrays, perhaps in another dtype."""
    return {name: np.asarray(rows[name], dtype) for name in names or rows}


def problem(x, W, V, rows, eps=EPS, taus=TAUS, levels=LEVELS):
    """Return a `Problem` in float64 with the decays of the time constants."""
    taus = tuple(taus.values())
    ratios = taus[2] / taus[0], taus[2] / taus[1]
    decays = {"exact": tuple(np.exp(-r) for r in ratios),
              "euler": tuple(1 - r for r in ratios)}
    x, W, V = (None if a is None else np.asarray(a, float) for a in (x, W, V))
    return elimination.Problem(x, W, V, some(rows, dtype=float), decays, taus, levels,
                               eps)


def gradient(step, x, W, V, run, psi, dspikes, dmem=None, **constants):
    """Return the derivative of a loss with respect to W."""
    slopes = conventions.slopes(step, run, **constants)
    J, F, _ = conventions.linearise(x, W, V, run.spikes, psi, slopes)
    q = conventions.credit(psi, slopes, dspikes, dmem)
    return bptt.gradient(J, F, q)[:W.size].reshape(W.shape)
