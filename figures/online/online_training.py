"""Train recurrent spiking networks online, with weight changes at every time step.

A network has a recurrent layer of leaky integrate-and-fire (LIF) neurons or adaptive
neurons, and leaky readout units.  Let y[t] be the membrane potentials of the readout at
the time step t, and let the loss L[t] be the cross entropy of softmax(y[t]), averaged
over B sequences.  At every time step t, an online learning rule computes the gradient
of the loss L[t] with respect to all weights forward in time, and changes the weights:

    weights, states, total = learn_online(rule, weights, [None] * 3, x, labels, task,
                                          rate=1e-3)

For comparison, the function `learn_after` computes the gradient of `sum_t L[t]`
backward in time, and changes the weights once, after the last time step.  The rule
"exact" is real-time recurrent learning.  If `rate=0`, the function `learn_online` does
not change the weights.  For the rule "exact" and `rate=0`, `learn_online` and
`learn_after` therefore return the same gradient.
"""

import functools
import os
from typing import NamedTuple

import numpy as np

from figures.run import seeds
from figures.train import lif_training
from refsnn import alif, datasets, lif, optimisers, rtrl, sparse_rtrl, surrogates

FIGURE = "online"
ALIF, BPTT, ALONE = "e-prop, adaptive", "BPTT", "readout alone"
ONLINE = (*sparse_rtrl.RULES, ALIF)
RULES = (*ONLINE, BPTT, ALONE)
STEEPNESS = 5.0                     # of the surrogate derivative
ADAPTIVE = {"rho": float(np.exp(-1 / 100)), "adaptation": 0.1}
# Adam averages about 100 gradients, because successive gradients are correlated.
OPTIMISER = functools.partial(optimisers.adam, beta1=0.99)
POINTS = 20                         # points of a learning curve


class Task(NamedTuple):
    """Describe a network and its initial weights."""

    inputs: int
    classes: int
    window: int             # last steps; their mean potential is the score
    scales: tuple           # of the initial weights W, V and out
    tau_mem: float          # time constants in steps of 1 ms
    tau_syn: float
    hidden: int = 16
    batch: int = 16

    def constants(self):
        return {"alpha": float(np.exp(-1 / self.tau_syn)),
                "beta": float(np.exp(-1 / self.tau_mem))}


TASKS = {"digits": Task(32, 10, 8, (1.0, 0.1, 0.05), 10.0, 5.0),
         "braille": Task(32, 27, 76, (0.3, 0.03, 0.03), 20.0, 10.0, batch=20)}
ROW = 4                     # steps for each row of a digit
TAXELS = [1, 2, 6, 10]      # sensors that SpyTorch's tutorial 5 uses


# ---- the data

def crossings(signals, levels):
    """Encode signals as spikes at level crossings.

    The argument `signals` has the shape (T, B, c).  The returned array of spikes has
    the shape (T, B, 2 * c * levels).  Each level has two channels: one for upward
    crossings and one for downward crossings.  Signals start at 0.
    """
    above = signals[..., None] > (np.arange(levels) + 0.5) / levels
    change = np.diff(above.astype(np.float32), axis=0, prepend=0)
    change = change.reshape(*signals.shape[:2], -1)
    return np.concatenate([change > 0, change < 0], axis=2).astype(np.float32)


def digits(generator):
    """Return (input spikes, labels) of the training set and of the test set.

    Each pixel column yields one input signal: its grey levels, from top to bottom.
    """
    images, labels = datasets.digits()
    rows = np.pad(images, ((0, 0), (0, 1), (0, 0))).transpose(1, 0, 2)
    x = crossings(np.repeat(rows, ROW, axis=0), 2)
    return [(x[:, part], labels[part]) for part in datasets.split(
        labels, seed=int(generator.integers(2 ** 31)))]


def braille(generator, folder):
    """Return (input spikes, labels) of the training set and of the test set.

    Each signal is scaled such that it ranges from 0 to 1 over the training set.  Only
    76 time steps are used, because some recordings lack time step 77.
    """
    with np.load(os.path.join(folder, "braille.npz"), allow_pickle=False) as stored:
        signals = 1 - stored["taxels"][:, :76, TAXELS].swapaxes(0, 1) / 255
        labels = stored["letter"].astype(int)
    parts = datasets.split(labels, seed=int(generator.integers(2 ** 31)))
    low, high = (end(signals[:, parts[0]], axis=(0, 1)) for end in (np.min, np.max))
    x = crossings((signals - low) / (high - low), 4)
    return [(x[:, part], labels[part]) for part in parts]


# ---- one batch of sequences

def initial(generator, task):
    """Sample input, recurrent and readout weights."""
    n = task.hidden
    return [lif_training.initial(generator, sizes, scale, np.float32)[0]
            for sizes, scale in zip(((task.inputs, n), (n, n), (n, task.classes)),
                                    task.scales, strict=True)]


def error(potentials, labels):
    """Return the derivative of the loss."""
    scaled = np.exp(potentials - potentials.max(axis=-1, keepdims=True))
    scaled /= scaled.sum(axis=-1, keepdims=True) * scaled.dtype.type(len(labels))
    scaled[..., np.arange(len(labels)), labels] -= 1 / len(labels)
    return scaled


def layer_step(rule, drive, V, state, constants):
    """Simulate one time step of the recurrent layer."""
    if rule == ALIF:
        now, state = alif.step(drive, V, state, **ADAPTIVE, **constants)
        v = now.mem - ADAPTIVE["adaptation"] * now.adapted - 1
    else:
        now, state = lif.step(drive, V, state, **constants)
        v = now.mem - 1
    return now, surrogates.fast_sigmoid(v, STEEPNESS)[1], state


def at_rest(rule, B, n, c, dtype):
    """Return zero eligibility traces and filtered traces."""
    shape = (B, n, n * c if rule == "exact" else c)
    filtered = sparse_rtrl.Traces(np.zeros(shape, dtype), np.zeros(shape, dtype))
    if rule == ALIF:
        return alif.Traces(np.zeros((B, c), dtype), np.zeros((B, c), dtype),
                           np.zeros(shape, dtype)), filtered
    return sparse_rtrl.rest(rule, B, n, c, dtype), filtered


def traces_step(rule, traces, filtered, x, V, now, psi, constants):
    """Update eligibility traces and filtered traces."""
    if rule == ALIF:
        e = alif.eligibility(traces, psi, adaptation=ADAPTIVE["adaptation"])
        traces = alif.trace_step(traces, np.concatenate([x, now.spikes], axis=1), psi,
                                 **ADAPTIVE, **constants)
    else:
        e = sparse_rtrl.eligibility(traces, psi)
        traces = sparse_rtrl.lif_step(traces, x, V, now.syn, now.mem, now.spikes, psi,
                                      rule=rule, **constants)
    return traces, sparse_rtrl.readout_step(filtered, e, **constants)


def step_gradient(rule, filtered, credit):
    """Return the gradient of one time step."""
    if rule == "exact":
        return rtrl.step_gradient(filtered.mem, credit).reshape(credit.shape[1], -1)
    return np.einsum("bi,bij->ij", credit, filtered.mem)


def learn_online(rule, weights, states, x, labels, task, *, rate):
    """Change the weights at every time step."""
    (T, B, m), n, constants = x.shape, task.hidden, task.constants()
    layer = readout = spread = None
    total = [np.zeros_like(part) for part in weights]
    if rule != ALONE:
        traces, filtered = at_rest(rule, B, n, m + n, x.dtype)
    for t in range(T):
        W, V, out = weights
        now, psi, layer = layer_step(rule, x[t] @ W.T, V, layer, constants)
        y, readout = lif.readout_step(now.spikes @ out.T, readout, **constants)
        own, spread = lif.readout_step(now.spikes, spread, **constants)
        dy = error(y, labels)
        found = [np.zeros_like(W), np.zeros_like(V), dy.T @ own]
        if rule != ALONE:
            both = step_gradient(rule, filtered, dy @ out)
            found[:2] = both[:, :m], both[:, m:]
            traces, filtered = traces_step(rule, traces, filtered, x[t], V, now, psi,
                                           constants)
        weights, states = lif_training.update(weights, found, states, rate=rate,
                                              optimiser=OPTIMISER)
        total = [a + b for a, b in zip(total, found, strict=True)]
    return weights, states, total


def learn_after(weights, states, x, labels, task, *, rate, rule=BPTT):
    """Change the weights once, with the gradient summed over all time steps."""
    if rule != BPTT:
        _, _, found = learn_online(rule, weights, [None] * 3, x, labels, task, rate=0.0)
        weights, states = lif_training.update(weights, found, states, rate=rate)
        return weights, states, found
    (W, V, out), constants = weights, task.constants()
    run = lif.simulate(x, W, V, **constants)
    dy = error(lif.readout(run.spikes, out, **constants), labels)
    top = lif.readout_backward(run.spikes, out, dy, **constants)
    psi = surrogates.fast_sigmoid(run.mem - 1, STEEPNESS)[1]
    below = lif.backward(x, W, V, run, psi, top.dx, **constants)
    found = [below.dW, below.dV, top.dW]
    weights, states = lif_training.update(weights, found, states, rate=rate)
    return weights, states, found


# ---- the whole training

def tested(rule, weights, x, labels, task):
    """Return the test accuracy with fixed weights."""
    (W, V, out), constants = weights, task.constants()
    run = alif.simulate(x, W, V, **ADAPTIVE, **constants) if rule == ALIF \
        else lif.simulate(x, W, V, **constants)
    y = lif.readout(run.spikes, out, **constants)[-task.window:].mean(axis=0)
    return (y.argmax(axis=1) == labels).mean()


def learn(task, folder, rule, rate, epochs, seed, repeat, hidden=16, after=False):
    """Train one network; return its learning curve."""
    name, task = task, TASKS[task]._replace(hidden=hidden)
    streams = {what: seeds.rng(seed, FIGURE, f"{name} {what}", repeat)
               for what in ("split", "weights", "order")}
    (x, labels), test = digits(streams["split"]) if folder is None \
        else braille(streams["split"], folder)
    weights, states = initial(streams["weights"], task), [None] * 3
    batches = int(epochs * len(labels) / task.batch)
    shown = np.maximum(1, np.linspace(0, batches, POINTS + 1).round()[1:])
    order, curve = np.zeros(0, int), []
    for b in range(batches):
        if len(order) < task.batch:
            order = streams["order"].permutation(len(labels))
        chosen, order = order[:task.batch], order[task.batch:]
        now = x[:, chosen], labels[chosen], task
        faded = rate * (0.5 + 0.5 * np.cos(np.pi * b / batches))
        weights, states, _ = \
            learn_after(weights, states, *now, rate=faded, rule=rule) \
            if after or rule == BPTT \
            else learn_online(rule, weights, states, *now, rate=faded)
        for _ in range((shown == b + 1).sum()):
            curve.append(tested(rule, weights, *test, task))
    return {"task": name, "rule": rule, "after": after, "rate": rate,
            "curve": np.array(curve),
            "seen": shown * task.batch, "steps": len(x), "neurons": hidden}


# ---- the cost

def multiplications(rule, task):
    """Count the multiplications in one time step, except multiplications by spikes."""
    n, k = task.hidden, task.classes
    c = task.inputs + n
    simulated = 2 * n + 2 * k           # decay of layer and readout
    if rule == BPTT:                    # adjoints of readout, dy out, and layer
        return simulated + 2 * k + n * k + n * n + 5 * n
    readout = 2 * n + n * k             # filtered spikes, and their product with dy
    simulated += readout + (2 * n if rule == ALIF else 0)
    if rule == ALONE:
        return simulated
    each = n * n * c if rule == "exact" else n * c      # entries of the eligibility
    traces = {"exact": (2 + n) * each, "block": 3 * each, "implicit": 2 * each,
              "presynaptic": 2 * c, ALIF: 2 * c + 3 * each}[rule]
    # The last terms are eligibility, filter, gradient, and dy out.
    return simulated + traces + (1 + 2 + 1) * each + n * k
