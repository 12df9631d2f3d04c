"""Record BindsNET's LIF nodes behind a connection; they have no gradients."""

PINS = ("bindsnet==0.3.4", "torch==2.15.0")
STEP = ("no preset, but: decay exact, synapse none, drive one, gain one, compare >=, "
        "spikes one, reset zero, reset_at once, floor {}, refractory {}, mute False")
NEURONS = {
    "LIFNodes, refrac=0": STEP.format(False, 0),
    "LIFNodes, refrac=1": STEP.format(False, 1),
    "LIFNodes, refrac=0, lbound=rest": STEP.format(True, 0)}
RECURRENT = ("LIFNodes, refrac=0", "LIFNodes, refrac=1")
DECAY = "exact"
VECTORS = ()


def record(x, W, V, constants):
    """Return float32 spikes and membranes after each step."""
    import torch
    from bindsnet.network import Network, monitors, nodes, topology
    name, (T, B, m), n = constants["neuron"], x.shape, len(W)
    net = Network(dt=1.0, batch_size=B, learning=False)
    net.add_layer(nodes.Input(m), "x")
    net.add_layer(nodes.LIFNodes(
        n, thresh=constants["threshold"], rest=0.0, reset=0.0,
        refrac=int("refrac=1" in name), tc_decay=constants["tau_mem"],
        lbound=0.0 if "lbound" in name else None), "cells")
    for source, weights in (("x", W), ("cells", V)):
        if weights is not None:
            net.add_connection(topology.Connection(
                net.layers[source], net.layers["cells"], w=torch.tensor(weights.T)),
                source, "cells")
    seen = monitors.Monitor(net.layers["cells"], ["s", "v"], time=T)
    net.add_monitor(seen, "seen")
    net.run({"x": torch.tensor(x)}, time=T)
    return {key: seen.get(short).float().numpy().reshape(T, B, n)
            for key, short in (("spikes", "s"), ("mem", "v"))}


FAULTS = ()
