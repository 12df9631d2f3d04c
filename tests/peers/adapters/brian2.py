"""Record LIF neurons that are written as equations in Brian, without gradients.

With method="exact", the current I would enter v times tau_syn (alpha - beta) /
(tau_syn - tau_mem), which no convention of refsnn does.
"""

PINS = ("brian2==2.9.0", "numpy==2.3.5")
NEURONS = {
    "dv/dt = (drive - v)/tau_mem":
        "snntorch Leaky, subtract (snntorch_leaky), but current enters the membrane "
        "times 1 - beta and reset before the decay of the next step",
    "dv/dt = (drive - v)/tau_mem, reset v = 0":
        "spikingjelly LIFNode (spikingjelly), but decays are exp(-dt/tau) and reset "
        "before the decay of the next step",
    "dv/dt = (I - v)/tau_mem, method euler":
        "no preset, but: decay euler, synapse last, input same, drive one, gain leak, "
        "test before, compare >, spikes one, reset subtract, reset_at before"}
RECURRENT = ("dv/dt = (I - v)/tau_mem, method euler",)
DECAY = "euler"
VECTORS = ()


def record(x, W, V, constants):
    """Return float32 spikes, and states before each step."""
    import brian2 as b
    import numpy as np
    b.prefs.codegen.target = "numpy"
    b.prefs.core.default_float_dtype = np.float32
    name, (T, B, _), n = constants["neuron"], x.shape, len(W)
    b.defaultclock.dt = 1 * b.ms
    known = {"tau_syn": constants["tau_syn"] * b.ms, "theta": constants["threshold"],
             "tau_mem": constants["tau_mem"] * b.ms,
             "drive": b.TimedArray((x @ W.T).reshape(T, B * n), dt=1 * b.ms)}
    text = "dv/dt = (drive(t, i) - v) / tau_mem : 1"
    if "I" in name:
        text = "dv/dt = (I - v) / tau_mem : 1\ndI/dt = -I / tau_syn : 1"
    cells = b.NeuronGroup(
        B * n, text, method="euler" if "I" in name else "exact", threshold="v > theta",
        reset="v = 0" if "reset" in name else "v -= theta", namespace=known)
    parts = [cells]
    if "I" in name:
        cells.run_regularly("I += drive(t, i)", when="before_synapses")
    if V is not None:
        back = b.Synapses(cells, cells, "w : 1", on_pre="I += w")
        back.connect(condition=f"i // {n} == j // {n}")
        back.w = V[np.array(back.j) % n, np.array(back.i) % n]
        parts.append(back)
    spikes = b.SpikeMonitor(cells)
    states = b.StateMonitor(cells, ["v", "I"][:1 + ("I" in name)], True,
                            when="before_thresholds")
    b.Network(*parts, spikes, states).run(T * b.ms)
    fired = np.zeros((T, B * n), np.float32)
    fired[np.round(np.array(spikes.t / b.ms)).astype(int), np.array(spikes.i)] = 1
    rows = {"spikes": fired, "mem": states.v.T}
    if "I" in name:
        rows["syn"] = states.I.T
    return {key: np.float32(row).reshape(T, B, n) for key, row in rows.items()}


FAULTS = ()
