"""Record Norse's LIF steps, its SuperSpike surrogate and its adjoints."""

from adapters import loops

PINS = ("norse==1.1.0", "torch==2.13.0", "nir==1.0.8", "nirtorch==2.6")
NEURONS = {
    "lif_step": "norse lif_step (norse)",
    "lif_feed_forward_step": "norse lif_feed_forward_step (norse_feed_forward)"}
RECURRENT = ("lif_step",)
SURROGATE = "default of the tool"
DECAY = "euler"
VECTORS = ("surrogates",)
GRADIENTS = ("lif_adjoint_step", "lif_adjoint_step_sparse",
             "lif_feed_forward_adjoint_step", "lif_feed_forward_adjoint_step_sparse")
STEP = 2e-5             # s


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


def spike_times(name, p):
    """Return spike times and gradients in float64."""
    import torch
    from norse.torch.functional import lif
    from norse.torch.functional.adjoint import lif_adjoint
    step, sparse = getattr(lif_adjoint, name), name.endswith("step_sparse")
    given = lif.LIFParameters(*(torch.tensor(a, dtype=torch.float64) for a in (
        1 / p["tau_syn"], 1 / p["tau_mem"], 0.0, p["threshold"], 0.0)))
    W, W2, target = (torch.tensor(p[key]) for key in ("W", "W2", "target"))
    x = W.new_zeros(round(p["until"] / STEP), 1, W.shape[1])
    at = (p["input_times"] / STEP).round().astype(int), 0, p["input_units"]
    x[at] = 1
    leaves = [a.requires_grad_() for a in (W, W2, x)]

    def layer(x, W):
        zero, back, found = W.new_zeros(1, len(W)), 0 * W.detach() @ W.T.detach(), []
        if "feed" in name:
            state = lif.LIFFeedForwardState(zero, zero)
        else:
            state = lif.LIFState(zero.to_sparse() if sparse else zero, zero, zero)
        for now in x:
            if "feed" in name:
                spikes, state = step(now @ W.T, state, given, STEP)
            else:
                spikes, state = step(now.to_sparse() if sparse else now, state, W,
                                     back, given, STEP)
            found.append(spikes)
        return found, torch.stack([z.detach().to_dense() for z in found])

    # The sparse step wants dense derivatives by spikes, which to_dense() does not give.
    lower, between = layer(x, W)
    upper, spikes = layer(between.requires_grad_(), W2)
    # The derivative by a spike stands for the derivative by its time.
    ends = STEP * torch.arange(1, len(x) + 1)[:, None, None]
    torch.autograd.backward(upper, list((ends - target) * spikes))
    torch.autograd.backward(lower, list(between.grad))
    dW, dW2, dx = (a.grad.numpy() for a in leaves)
    return {"times": STEP * (1 + torch.nonzero(spikes[:, 0].T)[:, 1].numpy()),
            "dW": dW, "dW2": dW2, "dinput_times": dx[at]}


IMPORTED = """\
import nir, numpy as np, torch
from norse.torch.utils.import_nir import _import_norse_module
node = nir.CubaLIF(tau_syn=np.array([4e-3]), tau_mem=np.array([8e-3]), r=np.ones(1),
                   v_leak=np.array([%s]), v_threshold=np.ones(1),
                   v_reset=np.array([%s]))
spikes, state = _import_norse_module(node, dt=1e-3)(torch.tensor([[%s]]))
print(state[%d].v.item())"""
FAULTS = (
    {"fault": "The adjoint steps pass lambda_I W to their input, not (lambda_V - "
              "lambda_I) W.  The jump of lambda_V at a spike lacks the factor "
              "1/tau_mem, and the derivative by a weight lacks the factor -tau_syn.",
     "place": "code of `norse/torch/functional/adjoint/lif_adjoint.py`",
     "line": """\
import torch
from norse.torch.functional.lif import *
from norse.torch.functional.adjoint.lif_adjoint import lif_adjoint_step
W, x = torch.tensor([[6.0]], requires_grad=True), torch.ones(1, 1, requires_grad=True)
zero, now, z = torch.zeros(1, 1), x, 0
s = LIFState(zero, zero, zero)
p = LIFParameters(tau_syn_inv=torch.tensor(100.0), tau_mem_inv=torch.tensor(50.0))
while not z:
    z, s = lif_adjoint_step(now, s, W, zero, p, dt=1e-5)
    now = zero
z.backward()                    # the loss is the time of this spike
print(f"{x.grad.item():.4f} {W.grad.item():.4f}")""",
     "shows": "0.0146 0.0024",
     "right": "1.0000 -0.0012 (x.grad is the derivative by the time of the input: the "
              "spike follows a later input)"},
    {"fault": "The backward pass of lif_adjoint_step_sparse reads dU/dt at a spike "
              "from the potential after the reset.",
     "place": "code of `norse/torch/functional/adjoint/lif_adjoint.py`",
     "line": """\
import torch
from norse.torch.functional.lif import *
from norse.torch.functional.adjoint.lif_adjoint import *
zero, one, i = torch.zeros(1, 1), torch.eye(1), torch.tensor([[5.0]])
for step in (lif_adjoint_step, lif_adjoint_step_sparse):
    v = torch.ones(1, 1, requires_grad=True)
    x = zero.to_sparse() if "sparse" in step.__name__ else zero
    z, s = step(x, LIFState(x, v, i), one, zero, LIFParameters(), dt=1e-6)
    torch.autograd.backward((z, s.v), (zero, one))
    print(round(v.grad.item(), 2), end=" ")""",
     "shows": "1.25 1.0", "right": "1.25 twice (I/(I - U))"},
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
     "place": "code of `norse/torch/functional/lif.py`", "mistake": "reset detached",
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
