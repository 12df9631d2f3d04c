"""Record snnTorch's neurons, spike functions and loss of the largest membrane."""

from adapters import loops

PINS = ("snntorch==1.0.0", "torch==2.13.0")
NEURONS = {
    "Leaky": "snntorch Leaky, subtract (snntorch_leaky)",
    "Synaptic": "snntorch Synaptic, subtract (snntorch_synaptic)",
    "Leaky, reset_mechanism='zero'":
        "snntorch Leaky, subtract (snntorch_leaky), but reset to a value and reset "
        "before the decay of the next step"}
DECAY = None            # the neurons take decay factors
VECTORS = ("surrogates", "max_over_time")


def record(x, W, V, constants):
    """Return float32 spikes and states, and the gradient with respect to W."""
    import snntorch
    name, _, zero = constants["neuron"].partition(", ")
    given = {"beta": constants["beta"], "threshold": constants["threshold"],
             "spike_grad": snntorch.surrogate.fast_sigmoid(slope=2.0),
             "reset_mechanism": "zero" if zero else "subtract"}
    if name == "Synaptic":
        given["alpha"] = constants["alpha"]
    neuron = getattr(snntorch, name)(**given)

    def step(drive, state):
        state = (0 * drive,) * (1 + (name == "Synaptic")) if state is None else state
        spikes, *state = neuron(drive, *state)
        return {"spikes": spikes, "mem": state[-1]} | (
            {"syn": state[0]} if name == "Synaptic" else {}), state

    return loops.torch_loop(step, x, W, V, constants["dspikes"])


def results(vectors):
    """Return surrogate derivatives, and the loss of the maximum over time."""
    import numpy as np
    import snntorch
    import torch
    from snntorch import functional
    p, k = vectors["surrogates"].inputs, vectors["surrogates"].inputs["steepness"]
    found = loops.torch_slopes({
        "fast_sigmoid": snntorch.surrogate.fast_sigmoid(slope=k),
        "sigmoid": snntorch.surrogate.sigmoid(slope=k),
        "arctan": snntorch.surrogate.atan(alpha=2 * k / np.pi)}, p["v"])
    p = vectors["max_over_time"].inputs
    record = torch.tensor(p["record"], requires_grad=True)
    loss = functional.ce_max_membrane_loss()(record, torch.tensor(p["labels"]))
    loss.backward()
    return {f"surrogates.{name}": row for name, row in found.items()} | {
        "max_over_time.loss": loss.detach().numpy(),
        "max_over_time.drecord": record.grad.numpy()}


FAULTS = (
    {"fault": "With reset_delay=False, a spike is tested after the threshold of the "
              "last spike is subtracted, so that a neuron above threshold is silent.",
     "place": "code of `snntorch/_neurons/leaky.py`; related: jeshraghian/snntorch#364",
     "line": """\
import snntorch, torch
neuron = snntorch.Leaky(beta=1.0, reset_delay=False, init_hidden=True)
print([neuron(torch.tensor([x])).item() for x in (3.0, 0.0, 0.0, 0.0)])""",
     "shows": "[1.0, 0.0, 0.0, 0.0]", "right": "[1.0, 1.0, 0.0, 0.0]"},
    {"fault": "The derivative of the sigmoid surrogate is NaN far below the threshold.",
     "place": "jeshraghian/snntorch#427",
     "line": """\
import snntorch, torch
v = torch.tensor(-3.6, requires_grad=True)
snntorch.surrogate.sigmoid(slope=25)(v).backward()
print(v.grad.item())""",
     "shows": "nan", "right": "2e-38 (25 exp(-90))"},
    {"fault": "`backprop.RTRL` truncates the gradient to one step; its documentation "
              "calls this equal to RTRL.",
     "place": "code of `snntorch/backprop.py`",
     "mistake": "truncated after K=1, not RTRL",
     "line": """\
import snntorch, torch, snntorch.backprop
layer = torch.nn.Linear(1, 1, bias=False)
layer.weight.data[:] = 0.125
neuron = snntorch.Leaky(beta=0.5, init_hidden=True, output=True)
def ce_max_membrane_loss(mem, target): return mem.sum()
snntorch.backprop.RTRL(
    torch.nn.Sequential(layer, neuron), [(torch.ones(1, 1), torch.zeros(1))],
    torch.optim.SGD(layer.parameters(), lr=2 ** -10), ce_max_membrane_loss,
    num_steps=6, time_var=False)
print(round((0.125 - layer.weight.item()) * 2 ** 10, 2))""",
     "shows": "6.0", "right": "10.03 (sum of 2 - 2^-t, t = 0 to 5)"},
    {"fault": "`backprop.RTRL` fails if the input varies in time.",
     "place": "jeshraghian/snntorch#172, jeshraghian/snntorch#191",
     "line": """\
import snntorch, torch, snntorch.backprop
layer = torch.nn.Linear(1, 1, bias=False)
neuron = snntorch.Leaky(beta=0.5, init_hidden=True, output=True)
def ce_max_membrane_loss(mem, target): return mem.sum()
snntorch.backprop.RTRL(
    torch.nn.Sequential(layer, neuron), [(torch.ones(6, 1, 1), torch.zeros(1))],
    torch.optim.SGD(layer.parameters(), lr=0.1), ce_max_membrane_loss)""",
     "shows": "UnboundLocalError", "right": "no error"})
