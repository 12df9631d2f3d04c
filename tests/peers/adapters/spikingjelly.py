"""Record SpikingJelly's LIFNode and its spike functions."""

from adapters import loops

PINS = ("spikingjelly==2.0.0", "torch==2.13.0")
NEURONS = {
    "LIFNode": "spikingjelly LIFNode (spikingjelly)",
    "LIFNode, v_reset=None":
        "spikingjelly LIFNode (spikingjelly), but reset by subtraction",
    "LIFNode, decay_input=False":
        "spikingjelly LIFNode (spikingjelly), but current enters the membrane "
        "unscaled"}
DECAY = "euler"
VECTORS = ("surrogates",)


def record(x, W, V, constants):
    """Return float32 spikes and membranes, and the gradient with respect to W."""
    from spikingjelly.activation_based import neuron, surrogate
    options = {"LIFNode": {}, "LIFNode, v_reset=None": {"v_reset": None},
               "LIFNode, decay_input=False": {"decay_input": False}}
    node = neuron.LIFNode(tau=float(constants["tau_mem"]),
                          v_threshold=constants["threshold"],
                          surrogate_function=surrogate.Sigmoid(alpha=4.0),
                          **options[constants["neuron"]])

    def step(drive, state):
        spikes = node(drive)
        return {"spikes": spikes, "mem": node.v}, None

    return loops.torch_loop(step, x, W, V, constants["dspikes"])


def results(vectors):
    """Return surrogate derivatives."""
    import numpy as np
    from spikingjelly.activation_based import surrogate
    p, k = vectors["surrogates"].inputs, vectors["surrogates"].inputs["steepness"]
    found = loops.torch_slopes({
        "sigmoid": surrogate.Sigmoid(alpha=k),
        "fast_sigmoid": surrogate.SuperSpike(alpha=k),
        "arctan": surrogate.ATan(alpha=2 * k / np.pi),
        "triangle": surrogate.PiecewiseQuadratic(alpha=k)}, p["v"])
    return {f"surrogates.{name}": row for name, row in found.items()}


FAULTS = ()
