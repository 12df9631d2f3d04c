"""Record Rockpool's LIFTorch layer."""

PINS = ("rockpool==3.1.0", "torch==2.13.0")
NEURONS = {"LIFTorch": "rockpool LIF (rockpool)"}
RECURRENT = ("LIFTorch",)
SURROGATE = "default of the tool"
DECAY = "exact"
VECTORS = ()


def record(x, W, V, constants):
    """Return float32 spikes and states, and the gradient with respect to W."""
    import torch
    from rockpool.nn.modules import LIFTorch
    W = torch.tensor(W, requires_grad=True)
    layer = LIFTorch(
        (len(W),), tau_mem=torch.tensor(constants["tau_mem"]), dt=1.0,
        tau_syn=torch.tensor(constants["tau_syn"]), has_rec=V is not None,
        threshold=torch.tensor(constants["threshold"]),
        w_rec=None if V is None else torch.tensor(V.T))         # pre x post
    spikes, _, rows = layer((torch.tensor(x) @ W.T).swapaxes(0, 1), record=True)
    rows = {"spikes": spikes, "mem": rows["vmem"], "syn": rows["isyn"][..., 0]}
    (torch.tensor(constants["dspikes"]).swapaxes(0, 1) * spikes).sum().backward()
    return {name: row.detach().swapaxes(0, 1).numpy() for name, row in rows.items()} | {
        "dW": W.grad.numpy()}


FAULTS = (
    {"fault": "A layer keeps the state of the first sample alone, so that a batch that "
              "is run in two calls continues all samples from this state.",
     "place": "code of `rockpool/nn/modules/torch/lif_torch.py`",
     "line": """\
import torch
from rockpool.nn.modules import LIFTorch
layer = LIFTorch((1,), tau_mem=torch.tensor(4.0), tau_syn=torch.tensor(4.0), dt=1.0)
layer(torch.tensor([[[0.0]], [[0.5]]]))                # two samples, one step
rows = layer(torch.zeros(2, 1, 1), record=True)[2]      # the second step
print([round(v, 4) for v in rows["vmem"].flatten().tolist()])""",
     "shows": "[0.0, 0.0]", "right": "[0.0, 0.6065] (0.5 e^-1/4 decays, twice)"},
    {"fault": "If the decay `alpha` of a layer is set, the time constant `tau_mem` "
              "gets a value that is not that of this decay.",
     "place": "code of `rockpool/nn/modules/torch/lif_torch.py`",
     "line": """\
import torch
from rockpool.nn.modules import LIFTorch
layer = LIFTorch((1,), dt=1e-3)
layer.alpha = torch.tensor([0.5])
print(round(layer.tau_mem.item(), 5))""",
     "shows": "0.998", "right": "0.00144 (-dt / log(alpha))"})
