# refsnn 0.1.0 | oracle/identify/arguments.py | SPDX-License-Identifier: MIT | needs: numpy
"""This module validates the arguments of `identify`."""

import contextlib

import numpy as np

from refsnn import _checks
from refsnn.oracle.identify import elimination, fitting
from refsnn.oracle.matching import counts

QUANTITIES = ("syn", "mem", "spikes")       # in causal order
SINGLE = float(np.finfo(np.float32).eps)


def _axes(refractory):
    if refractory is None:
        return elimination.AXES
    k, = _checks.arrays("refractory () int in [0, inf)", refractory)
    return elimination.AXES | {"refractory": (k - 1, k, k + 1)} if k > 2 else \
        elimination.AXES


def _recorded(recording, shape):
    if not isinstance(recording, dict) or not recording \
            or set(recording) - set(QUANTITIES):
        shown = " ".join(repr(recording).split())
        raise ValueError(f"recording is {shown:.60}: must be a dict with some of "
                         f"{QUANTITIES}")
    rows, eps = {}, 0.0
    for name in [key for key in QUANTITIES if key in recording]:
        limits = " in [0, inf)" * (name == "spikes")
        rows[name], = _checks.arrays(f"recording[{name!r}] {shape}{limits}",
                                     recording[name], dtype=float)
        if name == "spikes":
            rows[name] = counts(recording[name], rows[name])
        if name != "spikes" or len(recording) == 1:
            eps = max(eps, _precision(recording[name], f"recording[{name!r}]",
                                      name == "spikes"))
    return rows, eps


def _precision(values, name="gradients", counts=False):
    dtype = np.asarray(values).dtype
    if dtype == np.float16 and not counts:
        raise ValueError(f"{name} is of dtype float16: must be float32 or float64")
    return SINGLE if dtype in (np.float16, np.float32) else 2.0 ** -52


def _decays(tau_syn, tau_mem, dt, alpha, beta):
    if alpha is None and beta is None:
        tau_syn, tau_mem, dt = _checks.arrays(
            "tau_syn () in (0, inf), tau_mem () in (0, inf), dt () in (0, inf)",
            tau_syn, tau_mem, dt)
        decays = {"exact": tuple(float(np.exp(-dt / t)) for t in (tau_syn, tau_mem))}
        if min(tau_syn, tau_mem) >= dt:         # otherwise, 1 - dt/tau is below 0
            decays["euler"] = 1 - dt / tau_syn, 1 - dt / tau_mem
        return decays, (tau_syn, tau_mem, dt)
    if tau_syn is not None or tau_mem is not None:
        raise ValueError("alpha and beta are given: tau_syn and tau_mem must be None")
    decays = np.minimum(1 - 2.0 ** -52, _checks.arrays(
        "alpha () in [0, 1), beta () in [0, 1]", alpha, beta))
    return {"exact": tuple(map(float, decays))}, (*(
        -1 / float(np.log(d)) if d else 0.0 for d in decays), 1.0)


def _gradient(gradients, dspikes, surrogate, shape, weights):
    if dspikes is None:
        raise ValueError("gradients are given without dspikes: dspikes and surrogate "
                         "must be given, or dspikes alone")
    eps = _precision(gradients)
    gradients, dspikes = _checks.arrays(
        f"gradients {weights}, dspikes {shape}", gradients, dspikes, dtype=float)
    if not gradients.any():
        raise ValueError("gradients are 0 throughout: must not be")
    name, steepness = None, surrogate
    if callable(surrogate):
        name, steepness = (lambda v: np.asarray(surrogate(v)[1], float)), None
    elif isinstance(surrogate, str):
        name, _, steepness = surrogate.partition(":")
        if name not in fitting.BUMPS:
            raise ValueError(f"surrogate is {surrogate!r:.60}: must be a callable, a "
                             f"steepness or one of {sorted(fitting.BUMPS)}")
    if steepness is None or isinstance(steepness, str) and not steepness:
        return gradients, dspikes, (name, None), eps
    if isinstance(steepness, str):
        with contextlib.suppress(ValueError):       # the text is refused below
            steepness = float(steepness)
    return gradients, dspikes, (name, *_checks.arrays(
        f"surrogate () in {'[' if name == 'step' else '('}0, inf)", steepness)), eps
