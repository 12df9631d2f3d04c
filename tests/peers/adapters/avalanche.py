"""Run Avalanche's synaptic intelligence along a path of parameters."""

PINS = ("avalanche-lib==0.6.0", "torch==2.13.0", "torchvision==0.28.0")
NEURONS = {}
DECAY = None
VECTORS = ("si_avalanche",)


def results(vectors):
    """Return path integrals, importances and the penalty, in float32."""
    from types import SimpleNamespace

    import numpy as np
    import torch
    from avalanche.training.plugins import SynapticIntelligencePlugin
    p = vectors["si_avalanche"].inputs
    theta, gradient = (torch.tensor(a, dtype=torch.float32)[:, None] for a in (
        p["theta"], p["task_gradient"] + p["penalty_gradient"]))
    model = torch.nn.Linear(theta.shape[2], 1, bias=False)
    model.weight.data[:] = theta[0]
    plugin = SynapticIntelligencePlugin(p["strength"], eps=p["xi"])
    strategy = SimpleNamespace(model=model, device="cpu", clock=SimpleNamespace(
        train_exp_counter=0))
    plugin.before_training_exp(strategy)
    paths = []
    for t, model.weight.grad in enumerate(gradient):
        plugin.before_training_iteration(strategy)
        model.weight.data[:] = theta[t + 1]             # in place, as optimisers do
        plugin.after_training_iteration(strategy)
        if t + 1 in p["task_ends"]:
            paths.append(-plugin.syn_data["trajectory"]["weight"].data.numpy())
            plugin.after_training_exp(strategy)
            plugin.before_training_exp(strategy)
    model.weight.data[:], model.weight.grad = theta[0], None
    plugin.ewc_data[0]["weight"].data = theta[-1].flatten()     # else also a view
    strategy.loss = 0 * model.weight.sum()
    plugin.before_backward(strategy)
    strategy.loss.backward()
    found = {"path_integral": paths,
             "importance":      # before the cap, which acts on the penalty
             -plugin.syn_data["cum_trajectory"]["weight"].data.numpy(),
             "penalty": strategy.loss.detach().numpy(),
             "dpenalty": model.weight.grad.numpy()[0]}
    return {f"si_avalanche.{key}": np.array(a) for key, a in found.items()}


FAULTS = (
    {"fault": "On a CPU, synaptic intelligence changes nothing: the stored weights are "
              "a view of the live weights, so that every path integral is 0.  With a "
              "copy of the weights, all outputs of the vector pass.",
     "place": "ContinualAI/continual-learning-baselines#74",
     "line": """\
import torch
from avalanche.training.plugins import SynapticIntelligencePlugin as SI
model, kept = torch.nn.Linear(1, 1, bias=False), {"weight": torch.nn.Parameter()}
SI.extract_weights(model, kept, set())
before = kept["weight"].item()
model.weight.data += 1.0
print(kept["weight"].item() - before)""",
     "shows": "1.0", "right": "0.0 (the stored weight stays)"},
    {"fault": "Importances are capped at 0.001, whatever the scale of the loss, and "
              "may be negative without limit.",
     "place": "ContinualAI/avalanche#1226", "mistake": "importance capped at 1e-3",
     "line": """\
import torch
from types import SimpleNamespace as N
from avalanche.training.plugins import SynapticIntelligencePlugin as SI
model, plugin = torch.nn.Linear(2, 1, bias=False), SI(1.0)
plugin.before_training_exp(N(model=model))
plugin.syn_data["trajectory"]["weight"].data = torch.tensor([-5e-7, 5e-7])
plugin.after_training_exp(N(model=model))
print([round(a, 3) for a in plugin.ewc_data[1]["weight"].data.tolist()])""",
     "shows": "[0.001, -5.0]",
     "right": "[5.0, 0.0] (no cap, none below 0)"})
