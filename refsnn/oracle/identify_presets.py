# refsnn 0.1.0 | oracle/identify_presets.py | SPDX-License-Identifier: MIT | needs: numpy
"""Which tool a recording of a LIF layer follows: `identify`, bound.

`identify` takes presets, a simulator and a gradient as arguments; here
they are those of `conventions` and `bptt`.
"""

import numpy as np

from refsnn import bptt, conventions
from refsnn.oracle import identify as identifying

__all__ = ["identify"]


def identify(x, W, recording, V=None, *, tau_syn, tau_mem, dt=1.0, threshold=1.0,
             leak=0.0, reset_to=0.0, floor=0.0, gradients=None, dspikes=None,
             surrogate=None):
    """Which tool's conventions a recording follows, as `identify.identify`.

    Parameters
    ----------
    x : (T, B, m) float
        Input.
    W, V : (n, m) and (n, n) float
        Weights; V may be None.
    recording : dict
        Some of "spikes", "mem", "syn", (T, B, n) each.
    tau_syn, tau_mem, dt : float
        Time constants and step, s.
    threshold, leak, reset_to, floor : float
        Levels of the membrane.
    gradients : (n, m) float, optional
        Derivative by W of a loss of the recorded spikes.
    dspikes : (T, B, n) float, optional
        Derivative of that loss by them.
    surrogate : callable v -> (value, derivative), optional
        Of membrane minus threshold.

    Returns
    -------
    Report
        Of the presets in `conventions`, or one axis away from them.

    Raises
    ------
    ValueError
        If a shape does not fit, an entry is not finite, the recording shows
        nothing, or gradients come without dspikes and surrogate.

    Examples
    --------
    >>> x, W = np.zeros((6, 1, 1)), np.eye(1)
    >>> x[:2] = 2.0
    >>> mem = np.array([2, 2, 0.5, 0.25, 0.125, 0.0625]).reshape(6, 1, 1)
    >>> decays = {"tau_syn": 2.0, "tau_mem": 2.0}
    >>> identify(x, W, {"mem": mem}, **decays).members
    []
    """
    x, W = np.asarray(x, float), np.asarray(W, float)
    if gradients is not None and (dspikes is None or surrogate is None):
        raise ValueError("gradients are given: dspikes and surrogate must be, too")
    levels = {"tau_syn": tau_syn, "tau_mem": tau_mem, "dt": dt, "threshold": threshold,
              "leak": leak, "reset_to": reset_to, "floor": floor}
    slow = min(tau_syn, tau_mem) >= dt          # or Euler's decay has no meaning
    axes = conventions.AXES if slow else conventions.AXES | {"decay": ("exact",)}
    presets = {name: step for name, step in conventions.PRESETS.items()
               if slow or step.decay == "exact"}

    def run(step, x, weights):
        own = V if weights is W else None
        return own, conventions.simulate(step, x, weights, own, **levels)

    def simulate(step, x, weights):
        return conventions.recorded(step, run(step, x, weights)[1])

    def differentiate(step, x, weights):
        own, found = run(step, x, weights)
        psi = surrogate(found.mem - threshold)[1]
        slopes = conventions.slopes(step, found, **levels)
        J, F, _ = conventions.linearise(x, weights, own, found.spikes, psi,
                                        slopes)
        d = dspikes if weights is W else np.cos(np.arange(psi[1:].size)).reshape(
            psi[1:].shape)
        flat = bptt.gradient(J, F, conventions.credit(psi, slopes, d))
        return flat[:weights.size].reshape(weights.shape)

    decays = [[float(np.exp(-dt / tau))] + [1 - dt / tau] * slow
              for tau in (tau_syn, tau_mem)]
    return identifying.identify(
        x, W, recording, presets, simulate, axes, gradients=gradients,
        differentiate=None if surrogate is None else differentiate,
        inputs=identifying.probes(*decays, threshold=threshold))
