"""Record Matterhorn's LIF soma."""

from adapters import loops

PINS = ("matterhorn-pytorch==2.0.0", "torch==2.13.0", "torchvision==0.28.0")
NEURONS = {
    "LIF": "spikingjelly LIFNode (spikingjelly)",
    "LIF, hard_reset=False":
        "spikingjelly LIFNode (spikingjelly), but reset by subtraction"}
SURROGATE = "default of the tool"
DECAY = "euler"
VECTORS = ()


def record(x, W, V, constants):
    """Return float32 spikes and membranes, and the gradient with respect to W."""
    import torch
    from matterhorn_pytorch import snn
    neuron = snn.LIF(u_threshold=constants["threshold"], tau_m=constants["tau_mem"],
                     spiking_function=snn.Rectangular(a=1.0), dtype=torch.float32,
                     hard_reset="False" not in constants["neuron"])

    def step(drive, state):
        spikes, state = neuron(drive[None], state)
        return {"spikes": spikes[0], "mem": state}, state

    return loops.torch_loop(step, x, W, V, constants["dspikes"])


FAULTS = (
    {"fault": "A neuron uses its surrogate with the default width, whatever the width "
              "of the spiking function that it is given.",
     "place": "code of `matterhorn_pytorch/snn/soma.py`",
     "line": """\
import torch
from matterhorn_pytorch import snn
neuron = snn.LIF(tau_m=2.0, spiking_function=snn.Rectangular(a=4.0))
x = torch.tensor([[[4.0]]], requires_grad=True)         # 1 above the threshold
neuron(x)[0].sum().backward()
print(x.grad.item())""",
     "shows": "0.0", "right": "0.125 (1/a times 1/tau_m)"},)
