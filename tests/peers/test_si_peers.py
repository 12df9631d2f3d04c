"""Test synaptic intelligence with Adam against implementations in PyTorch.

Not part of the suite: needs the `peers` extra, and fails without it.
"""

import inspect
import itertools
import textwrap

import numpy as np
import pytest
import torch

from figures.speed import speed_si
from refsnn import losses, mlp, si

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")   # torch's own

RTOL_PEERS = 1e-9       # float64, different order of summation


@pytest.fixture(autouse=True)
def float_errors_as_the_tools_want():
    with np.errstate(all="ignore"):
        yield


def close(theirs, ours):
    ours, theirs = (np.concatenate([np.asarray(a).ravel() for a in arrays])
                    for arrays in (ours, theirs))
    assert theirs.dtype == np.float64 and np.linalg.norm(ours) > 0
    assert np.linalg.norm(theirs - ours) < RTOL_PEERS * np.linalg.norm(ours)


@pytest.mark.parametrize("penalty", [False, True])
def test_the_same_parameters_and_path(penalty):
    p = speed_si.problem(0, np.float64, (5, 7, 6, 3))
    ours = speed_si.update(p, True, penalty)
    theirs = speed_si.torch_update(p, True, penalty)
    for _ in range(5):
        theta, path = ours()
        other, integral = theirs()
    close([a.detach() for a in other], theta)
    if not penalty:     # the path integral of the port includes the penalty
        close(integral, path)


def test_the_same_gradient():
    rng = np.random.default_rng(1)
    weights, biases = mlp.init((5, 7, 6, 3), rng)
    x, labels = rng.normal(size=(4, 5)), rng.integers(0, 3, 4)
    recording = mlp.forward(weights, biases, x)
    doutputs = losses.cross_entropy(recording.outputs[None], labels, "last")[1][0]
    dweights, dbiases = mlp.backward(weights, recording, doutputs)
    theta = [torch.from_numpy(a).requires_grad_() for a in (*weights, *biases)]
    a = torch.from_numpy(x)
    for i in range(3):
        a = torch.nn.functional.linear(torch.relu(a) if i else a, theta[i],
                                       theta[3 + i])
    loss = torch.nn.functional.cross_entropy(a, torch.from_numpy(labels))
    close(torch.autograd.grad(loss, theta), [*dweights, *dbiases])


# --- presets, compared with loops that use autograd ------------------------------

STEPS, RATE, STRENGTH, XI = 6, 0.6, 0.7, 0.01


def problem():
    """Return a network and three tasks, each of which repeats one batch.

    Gradients exceed 1 and steps overshoot, so that clipping has an effect.
    """
    draw = torch.Generator().manual_seed(4)
    model = torch.nn.Sequential(torch.nn.Linear(4, 5), torch.nn.Tanh(),
                                torch.nn.Linear(5, 3)).double()
    for p in model.parameters():
        p.data = torch.randn(p.shape, generator=draw, dtype=torch.float64)
    return model, [[tuple(scale * torch.randn(12, n, generator=draw,
                                              dtype=torch.float64)
                          for n, scale in ((4, 1), (3, 5)))] * STEPS
                   for _ in range(3)]


def loss(found, y):
    return ((found - y) ** 2).sum() / 2 / len(y)


def implementation(name, model, tasks):
    """Return the importances of an implementation, with the penalty by autograd."""
    p = list(model.parameters())
    adam = torch.optim.Adam(p, lr=RATE)
    w, importance = ([torch.zeros_like(a) for a in p] for _ in range(2))
    anchor = [a.detach().clone() for a in p]
    for batches in tasks:
        for x, y in batches:
            read = [a.clamp(max=1e-3) for a in importance] if name == "avalanche" \
                else importance
            penalty = sum((o * (a - b) ** 2).sum()
                          for o, a, b in zip(read, p, anchor, strict=True))
            alone = torch.autograd.grad(loss(model(x), y), p)
            adam.zero_grad()
            (loss(model(x), y) + STRENGTH * penalty
             / (2 if name == "avalanche" else 1)).backward()
            if name.startswith("mammoth"):
                torch.nn.utils.clip_grad_value_(p, 1)
            before = [a.detach().clone() for a in p]
            adam.step()
            for i, a in enumerate(p):
                if name == "mammoth_old":
                    w[i] += RATE * a.grad ** 2
                else:
                    g = alone[i] if name in ("paper", "pathint", "mammoth") else a.grad
                    w[i] -= g * (a.detach() - before[i])
        for i, a in enumerate(p):
            share = w[i].relu() if name == "nupic" else w[i]
            importance[i] = importance[i] + share / ((a.detach() - anchor[i]) ** 2 + XI)
            if name == "pathint":
                importance[i] = importance[i].relu()
            anchor[i], w[i] = a.detach().clone(), torch.zeros_like(a)
    return importance


class Clipping:
    """Run Adam on the clipped gradient."""

    def __init__(self, parameters, clip):
        self.parameters, self.clip = list(parameters), clip
        self.adam = torch.optim.Adam(self.parameters, lr=RATE)
        self.zero_grad = self.adam.zero_grad

    def step(self):
        torch.nn.utils.clip_grad_value_(self.parameters, self.clip)
        self.adam.step()


def documented_loop(settings, model, tasks):
    """Return the final state of the loop in the docstring of `accumulate`."""
    block = inspect.getdoc(si.accumulate).split("tasks::\n")[1].splitlines()
    text = "\n".join(itertools.takewhile(
        lambda line: not line or line.startswith(" "), block))
    names = {"si": si, "torch": torch, "settings": settings, "model": model,
             "tasks": tasks, "loss_function": loss,
             "optimiser": Clipping(model.parameters(), settings.clip)}
    exec(textwrap.dedent(text), names)
    return names["state"]


@pytest.mark.parametrize("name", sorted(si.PRESETS))
def test_presets_are_the_implementations_by_the_loop_of_the_docstring(name):
    settings = si.PRESETS[name]._replace(strength=STRENGTH, xi=XI, rate=RATE)
    models = [problem()[0] for _ in range(2)]
    theirs = implementation(name, models[0], problem()[1])
    state = documented_loop(settings, models[1], problem()[1])
    close([a.numpy() for a in theirs], state.importance)
    close([a.detach().numpy() for a in models[0].parameters()],
          [a.detach().numpy() for a in models[1].parameters()])
    ends = np.concatenate([a.ravel() for a in state.importance])
    if name in ("paper", "vandeven", "mammoth", "avalanche"):
        assert ends.min() < 0
    assert state.tasks == 3 and ends.max() > 0


def test_implementations_differ_in_this_problem():
    ends = {name: np.concatenate([a.numpy().ravel() for a in
                                  implementation(name, *problem())])
            for name in si.PRESETS}
    for one, other in itertools.combinations(ends.values(), 2):
        assert np.linalg.norm(one - other) > 1e-3 * np.linalg.norm(one)
