"""Checking a PyTorch layer, and finding its fault
===============================================

At the end of this tutorial, you have tested a spiking layer in PyTorch, have learned
that its gradient is wrong, and in which term, and have corrected this term.
"""
from functools import partial

import matplotlib.pyplot as plt
import numpy as np
import torch
from refsnn.oracle import check, diagnose

# %%
# The layer has leaky integrate-and-fire (LIF) neurons with input weights W and
# recurrent weights V.  ``help("refsnn.lif")`` shows the equations.  To test a layer of
# your own, wrap it in such a function: the dict p holds the inputs of a test problem,
# such as ``problem.inputs`` below.  The result is a dict of outputs, such as the loss
# and its gradients.  The mistake, a common one, detaches the spikes in the reset, so
# that the reset has no gradient.
torch.set_num_threads(1)                        # faster for small networks


def layer(p, mistake):
    p = {name: torch.tensor(value, dtype=torch.float64) for name, value in p.items()}
    W, V = p["W"].requires_grad_(), p["V"].requires_grad_()
    I, U, spikes, mem = 0 * p["mem"][0], 0 * p["mem"][0], [], []
    for x in p["x"]:                            # one time step
        mem.append(U.detach())
        v = U - p["threshold"]
        f = v / (1 + p["steepness"] * v.abs())  # its slope is the surrogate derivative
        S = (v > 0) + (f - f.detach())          # hard spikes with this slope
        reset = p["threshold"] * (S.detach() if mistake else S)
        I, U = (p["alpha"] * I + x @ W.T + S @ V.T,
                p["beta"] * U + p["gain"] * I - reset)
        spikes.append(S)
    S = torch.stack(spikes)
    loss = ((S - p["target"]) ** 2).sum() / (2 * S.shape[1])
    loss.backward()
    return {"loss": loss.item(), "spikes": S.detach().numpy(), "dW": W.grad.numpy(),
            "mem": torch.stack(mem).numpy(), "dV": V.grad.numpy()}


# %%
# The function ``diagnose`` calls your function for networks in which different terms of
# the equations are 0, and infers from the results which term is wrong.
layers = {"first version": partial(layer, mistake=True),
          "corrected version": partial(layer, mistake=False)}
for name, function in layers.items():
    found = diagnose.diagnose(function)
    print(f"Diagnosis of the {name}: {found.side} {' '.join(found.terms)}")
    print(found.text)

# %%
# A golden vector is a stored test problem with its correct results.  The function
# ``check`` compares results with a golden vector, and also names known mistakes.
problem = check.vectors(["bptt"])["bptt"]
dW = {"correct": problem.outputs["dW"].ravel()}
for name, function in layers.items():
    results = function(problem.inputs)
    dW[name] = results["dW"].ravel()
    for found in check.check({f"bptt.{key}": value for key, value in results.items()}):
        if found.status != "missing":           # outputs that ``layer`` returns
            print(f"Check of the {name}: {found.output or 'bptt'} {found.status}: "
                  f"{found.text}")

# %%
# The picture compares the gradients.  Next, save results of your program in an npz
# file, as arrays with names such as ``bptt.dW``, and run ``python -m refsnn check
# FILE``.  The README also describes tests of chips and of other programs.
fig, ax = plt.subplots(figsize=(8, 3.8), layout="constrained")
places = np.arange(dW["correct"].size)
ax.bar(places - 0.2, dW["correct"], 0.4, label="correct")
ax.bar(places + 0.2, dW["first version"], 0.4, label="first version")
ax.plot(places - 0.2, dW["corrected version"], "k.", label="corrected version")
ax.set(xlabel="weight (neuron, input)", ylabel="derivative of the loss", xticks=places)
ax.set_xticklabels([f"{i}, {j}" for i, j in np.ndindex(problem.outputs["dW"].shape)])
ax.set_title("Gradient of the correct layer, and of both versions")
ax.legend()
fig.savefig("check_pytorch.png", dpi=150)
