"""Record sinabs' LIF layer and its surrogate derivatives."""

PINS = ("sinabs==3.1.3", "torch==2.13.0")
NEURONS = {
    "LIF": "sinabs LIF (sinabs)",
    "LIF, norm_input=False": "rockpool LIF (rockpool)",
    "LIF, spike_fn=SingleSpike":
        "sinabs LIF (sinabs), but one spike a step at most"}
DECAY = "exact"
VECTORS = ("surrogates",)


def record(x, W, V, constants):
    """Return float32 spikes and states, and the gradient with respect to W."""
    import torch
    from sinabs import activation, layers
    options = {"LIF": {}, "LIF, norm_input=False": {"norm_input": False},
               "LIF, spike_fn=SingleSpike": {"spike_fn": activation.SingleSpike}}
    W = torch.tensor(W, requires_grad=True)
    layer = layers.LIF(
        constants["tau_mem"], constants["tau_syn"], record_states=True,
        surrogate_grad_fn=activation.SingleExponential(0.5, 0.5),
        spike_threshold=torch.tensor(constants["threshold"]),
        **options[constants["neuron"]])
    spikes = layer((torch.tensor(x) @ W.T).swapaxes(0, 1))      # batch first
    rows = {"spikes": spikes, "mem": layer.recordings["v_mem"],
            "syn": layer.recordings["i_syn"]}
    (torch.tensor(constants["dspikes"]).swapaxes(0, 1) * spikes).sum().backward()
    return {name: row.detach().swapaxes(0, 1).numpy() for name, row in rows.items()} | {
        "dW": W.grad.numpy()}


def results(vectors):
    """Return surrogate derivatives, with a threshold of 1."""
    import torch
    from sinabs import activation
    p, k = vectors["surrogates"].inputs, vectors["surrogates"].inputs["steepness"]
    v = torch.tensor(p["v"]) + 1.0
    return {"surrogates.slayer":
            activation.SingleExponential(grad_width=1 / k)(v, 1.0).numpy(),
            "surrogates.gaussian": activation.Gaussian(sigma=1 / k)(v, 1.0).numpy()}


FAULTS = (
    {"fault": "MembraneReset adds `reset_value` to all neurons, not only to those that "
              "spiked.",
     "place": "code of `sinabs/activation/reset_mechanism.py`",
     "line": """\
import torch
from sinabs.activation import MembraneReset
state = {"v_mem": torch.tensor([0.5, 2.0])}     # the second neuron spiked
print(MembraneReset(-1.0)(torch.tensor([0.0, 1.0]), state, 1.0)["v_mem"].tolist())""",
     "shows": "[-0.5, -1.0]", "right": "[0.5, -1.0]"},)
