"""Record Nengo's LIF neuron, which has no gradients.

With a refractory time, the neuron computes when it reaches the threshold within a
step; no convention of refsnn does so.
"""

PINS = ("nengo==4.1.0",)
NEURONS = {
    "LIF, tau_ref=0, min_voltage=-inf":
        "hxtorch LIF (hxtorch), but no synaptic filter and input one step early",
    "LIF, tau_ref=0":
        "no preset, but: decay exact, synapse none, input same, drive one, gain leak, "
        "test after, compare >, spikes one, reset zero, reset_at once, floor True"}
DECAY = "exact"
VECTORS = ()


def record(x, W, V, constants):
    """Return float32 spikes and membranes; Nengo's threshold is 1."""
    import nengo
    import numpy as np
    (T, B, _), n = x.shape, len(W)
    drive = (x @ W.T).reshape(T, B * n)
    kind = nengo.LIF(tau_rc=constants["tau_mem"], tau_ref=0, initial_state={
        "voltage": nengo.dists.Choice([0])},
        **{"min_voltage": -np.inf} if "inf" in constants["neuron"] else {})
    nengo.rc["precision"]["bits"] = "32"
    with nengo.Network() as net:
        source = nengo.Node(lambda t: drive[round(t) - 1], size_out=B * n)
        cells = nengo.Ensemble(B * n, 1, neuron_type=kind, bias=np.zeros(B * n),
                               gain=np.full(B * n, 1 / constants["threshold"]))
        nengo.Connection(source, cells.neurons, synapse=None)
        probes = {"spikes": nengo.Probe(cells.neurons, "output"),
                  "mem": nengo.Probe(cells.neurons, "voltage")}
        with nengo.Simulator(net, dt=1.0, progress_bar=False) as run:
            run.run_steps(T)
    found = {name: np.float32(run.data[probe]).reshape(T, B, n)
             for name, probe in probes.items()}
    return found | {"mem": found["mem"] * np.float32(constants["threshold"])}


FAULTS = ()
