"""Find the maxima of potentials, without the code of the figures."""

import numpy as np

from refsnn import eventprop


def peaks(times, units, W, *, until, **constants):
    """Return the times (B, n) at which potentials without spikes are highest; 0 if a
    potential is never above 0.  Arguments as for `eventprop.simulate`."""
    run = eventprop.simulate(times, units, W, until=until, threshold=1e9, **constants)
    taus, found = (constants["tau_mem"], constants["tau_syn"]), []
    for t, j, log in zip(times, units, run.log, strict=True):
        mem, syn, gap = log.mem[:-1], log.syn[:-1], np.diff(log.at)[:, None]
        wait = np.minimum(eventprop._summit(mem, syn, *map(np.asarray, taus)), gap)
        at = log.at[:-1, None] + np.where(syn > mem, wait, 0)
        top = eventprop.readout(at[:, None], [t], [j], W, **constants)[:, 0]
        found.append(at[top.argmax(axis=0), np.arange(len(W))])
    return np.array(found)
