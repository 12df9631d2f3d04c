"""Record btorch's LIF neuron and its spike functions."""

import math

from adapters import loops

PINS = ("btorch==0.1.0", "torch==2.13.0")
NEURONS = {
    "LIF": "spikingjelly LIFNode (spikingjelly), but current enters the membrane "
           "unscaled and reset by subtraction",
    "LIF, hard_reset=True":
        "spikingjelly LIFNode (spikingjelly), but current enters the membrane "
        "unscaled"}
DECAY = "euler"
VECTORS = ("surrogates",)


def record(x, W, V, constants):
    """Return float32 spikes and membranes, and the gradient with respect to W."""
    import torch
    from btorch.models import environ, functional, neurons, surrogate
    neuron = neurons.LIF(
        len(W), v_threshold=constants["threshold"], tau=constants["tau_mem"],
        surrogate_function=surrogate.SuperSpike(alpha=2 / (2 ** 0.5 - 1)),
        hard_reset="hard" in constants["neuron"])
    functional.init_net_state(neuron, batch_size=x.shape[1], dtype=torch.float32)

    def step(drive, state):
        with environ.context(dt=1.0):
            spikes = neuron(drive)
        return {"spikes": spikes, "mem": neuron.v}, None

    return loops.torch_loop(step, x, W, V, constants["dspikes"])


def results(vectors):
    """Return surrogate derivatives."""
    from btorch.models import surrogate
    p, k = vectors["surrogates"].inputs, vectors["surrogates"].inputs["steepness"]
    root = 2 ** 0.5                     # alpha is the inverse half-width
    found = loops.torch_slopes({
        "sigmoid": surrogate.Sigmoid(alpha=k / 2 / math.log(root + 1)),
        "triangle": surrogate.Triangle(alpha=2 * k),
        "fast_sigmoid": surrogate.SuperSpike(alpha=k / (root - 1))}, p["v"])
    return {f"surrogates.{name}": row for name, row in found.items()}


FAULTS = (
    {"fault": "The neuron IF does not integrate: its membrane potential is twice the "
              "present input.",
     "place": "code of `btorch/models/neurons/lif.py`",
     "line": """\
import torch
from btorch.models import environ, functional
from btorch.models.neurons.lif import IF
neuron = IF(1, v_threshold=9.0)
functional.init_net_state(neuron)
with environ.context(dt=1.0):
    for _ in range(5):
        neuron(torch.ones(1))
print(neuron.v.item())""",
     "shows": "2.0", "right": "5.0"},)
