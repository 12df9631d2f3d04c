"""Record Norse's LIF steps and its SuperSpike surrogate."""

from adapters import loops

PINS = ("norse==1.1.0", "torch==2.13.0", "nir==1.0.8", "nirtorch==2.6")
NEURONS = {
    "lif_step": "norse lif_step (norse)",
    "lif_feed_forward_step": "norse lif_feed_forward_step (norse_feed_forward)"}
RECURRENT = ("lif_step",)
DECAY = "euler"
VECTORS = ("surrogates",)


def record(x, W, V, constants):
    """Return float32 spikes and states, and the gradient with respect to W."""
    import torch
    from norse.torch.functional import lif
    given = lif.LIFParameters(
        *(torch.tensor(value) for value in (
            1 / constants["tau_syn"], 1 / constants["tau_mem"], 0.0,
            constants["threshold"], 0.0)), method="super", alpha=1.0)
    eye = torch.eye(len(W))
    back = 0 * eye if V is None else torch.tensor(V)

    def step(drive, state):
        zero = torch.zeros_like(drive)
        if constants["neuron"] == "lif_step":
            state = lif.LIFState(zero, zero, zero) if state is None else state
            spikes, state = lif.lif_step(drive, state, eye, back, given, dt=1.0)
        else:
            state = lif.LIFFeedForwardState(zero, zero) if state is None else state
            spikes, state = lif.lif_feed_forward_step(drive, state, given, dt=1.0)
        return {"spikes": spikes, "mem": state.v, "syn": state.i}, state

    return loops.torch_loop(step, x, W, None, constants["dspikes"])


def results(vectors):
    """Return the derivative of the SuperSpike surrogate."""
    from norse.torch.functional.threshold import threshold
    p = vectors["surrogates"].inputs
    return {"surrogates.fast_sigmoid": loops.torch_slopes(
        {"": lambda v: threshold(v, "super", p["steepness"])}, p["v"])[""]}


IMPORTED = """\
import nir, numpy as np, torch
from norse.torch.utils.import_nir import _import_norse_module
node = nir.CubaLIF(tau_syn=np.array([4e-3]), tau_mem=np.array([8e-3]), r=np.ones(1),
                   v_leak=np.array([%s]), v_threshold=np.ones(1),
                   v_reset=np.array([%s]))
spikes, state = _import_norse_module(node, dt=1e-3)(torch.tensor([[%s]]))
print(state[%d].v.item())"""
FAULTS = (
    {"fault": "The SuperSpike surrogate does not depend on its steepness `alpha`.",
     "place": "code of `norse/torch/functional/heaviside.py` and `threshold.py`",
     "line": """\
import torch
from norse.torch.functional.threshold import threshold
v = torch.tensor([0.3], requires_grad=True)
threshold(v, "super", 100.0).sum().backward()
print(round(v.grad.item(), 5))""",
     "shows": "0.59172", "right": "0.00104 (1 / (100 * 0.3 + 1)^2)"},
    {"fault": "lif_step detaches the reset, and lif_feed_forward_step does not: the "
              "forward pass is the same, the gradient differs.",
     "place": "code of `norse/torch/functional/lif.py`",
     "line": """\
import torch
from norse.torch.functional.lif import *
p, zero = LIFParameters(alpha=1.0), torch.zeros(1, 1)
for state, f in ((LIFState(zero, zero, zero), lambda x, s: lif_step(
        x, s, torch.eye(1), zero, p)), (LIFFeedForwardState(zero, zero), lambda x, s:
        lif_feed_forward_step(x, s, p))):
    x = torch.tensor([[12.0]], requires_grad=True)
    f(x, state)[1].v.sum().backward()
    print(round(x.grad.item(), 3), end=" ")""",
     "shows": "0.0 -0.083", "right": "the same number twice"},
    {"fault": "NIR's `v_leak` also becomes the resting value of the imported synaptic "
              "current.",
     "place": "code of `norse/torch/utils/import_nir.py`",
     "line": IMPORTED % (0.25, 0.0, 0.0, 0),
     "shows": "0.25", "right": "0.0 (no input, no current)"},
    {"fault": "NIR's `v_reset` is not imported.",
     "place": "code of `norse/torch/utils/import_nir.py`",
     "line": IMPORTED % (0.0, -0.5, 40.0, 1),
     "shows": "0.0", "right": "-0.5 (the neuron has spiked)"})
