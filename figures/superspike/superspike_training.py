"""Train spiking networks on the tasks of [ZG18] with the SuperSpike rule.

The functions of this module generate input spikes and target spikes, and train B
independent networks in parallel.  Each network has its own weights and inputs.
Simulated time is divided into blocks of 0.5 s, and the weights change at the end of
each block, as in [ZG18].  The states of the neurons are not reset between blocks.

Values that the paper [ZG18] does not state are taken from the published code.  The
optimiser RMaxProp divides each entry of the gradient by `sqrt(v) + eps`, where eps is
1e-12 and v is the running maximum of the squared entry.  At the end of each block of
0.5 s, the running maximum v is multiplied by exp(-0.5 s / 30 s).  The spike trace z in
the heterosynaptic regulariser decays with a time constant of 0.1 s.  Initial weights
are normally distributed with mean 0, and weights are clipped to [-0.1 V, 0.1 V].

The following two settings are not taken from the paper or the published code.  In most
figures, the standard deviation of the initial weights was chosen by the authors of
refsnn.  In the learning rule of hidden layers, refsnn delays the input and the
surrogate derivative by 1.6 ms, because a hidden spike affects the output error only
after two axonal delays of 0.8 ms each.
"""

from typing import NamedTuple

import numpy as np

from refsnn import optimisers, superspike, superspike_signals
from refsnn.fast import superspike as fast_superspike

DT_S, BLOCK_S, AXON_S = 1e-4, 0.5, 0.8e-3
STEPS, AXON = 5000, 8               # time steps in a block and in an axonal delay
TAU_RMS_S, EPS, BOUND_V = 30.0, 1e-12, 0.1
DEAD = 100                          # smallest interval between target spikes, steps
FEEDBACK = ("symmetric", "random", "uniform")
OUTPUT = superspike.Settings(delay=AXON_S)
HIDDEN = superspike.Settings(delay=2 * AXON_S)
LETTERS = {"S": ("01110", "10001", "10000", "01110", "00001", "10001", "01110"),
           "P": ("11110", "10001", "10001", "11110", "10000", "10000", "10000"),
           "I": ("01110", "00100", "00100", "00100", "00100", "00100", "01110"),
           "K": ("10001", "10010", "10100", "11000", "10100", "10010", "10001"),
           "E": ("11111", "10000", "10000", "11110", "10000", "10000", "11111")}


class Layer(NamedTuple):
    """The weights and states of a layer of neurons."""

    k: superspike.Coefficients
    W: np.ndarray                   # (B, n, m), V
    state: fast_superspike.State
    axon: np.ndarray                # (AXON, B, n) spikes that are still in the axons
    scale: optimisers.State | None  # state of the optimiser


# ---- tasks ------------------------------------------------------------------

def poisson(generators, m, rate_hz, steps=STEPS):
    """Sample Poisson spike trains, (steps, B, m)."""
    return np.stack([generator.random((steps, m)) < rate_hz * DT_S
                     for generator in generators], axis=1)


def equidistant(count, steps=STEPS):
    """Return `count` evenly spaced time steps."""
    return np.arange(1, count + 1) * steps // (count + 1)


def train_of(times, steps=STEPS):
    """Return a spike train from spike times."""
    train = np.zeros((steps, 1, 1), np.float32)
    train[times] = 1
    return train


def picture(generator, steps, units, rate_hz, text="SPIKE"):
    """Sample a spike raster showing a text.

    In the parts of the raster that form the letters, neurons spike at random with the
    rate `rate_hz`.  A spike is removed if the previous spike of the same unit occurred
    less than 10 ms before.
    """
    blank = np.zeros((7, 1), bool)
    letters = [np.array([list(row) for row in LETTERS[letter]]) == "1"
               for letter in text]
    ink = np.hstack([blank, *(part for letter in letters for part in (letter, blank))])
    ink = np.pad(ink, ((1, 1), (0, 0)))[::-1]
    rows = np.arange(units) * len(ink) // units
    columns = np.arange(steps) * ink.shape[1] // steps
    drawn = generator.random((steps, units)) < ink[rows][:, columns].T * rate_hz * DT_S
    for unit in drawn.T:
        last = -DEAD
        for step in np.flatnonzero(unit):
            unit[step] = step - last >= DEAD
            last = step if unit[step] else last
    return drawn[:, None].astype(np.float32)


# ---- networks ---------------------------------------------------------------

def weights(generators, n, m, scale_v):
    """Sample initial weights with standard deviation scale_v / sqrt(m).

    The returned array has the shape (B, n, m).
    """
    return np.stack([generator.normal(0, scale_v / np.sqrt(m), (n, m))
                     for generator in generators]).astype(np.float32)


def layer(W, settings):
    """Return a layer of resting neurons."""
    B, n, m = W.shape
    k = superspike.coefficients(settings)
    return Layer(k, W, fast_superspike.rest(k, B, n, m, W.dtype),
                 np.zeros((AXON, B, n), W.dtype), None)


def run(layers, x):
    """Simulate one block of time steps.

    Returns
    -------
    layers : list of Layer, with the states at the end of the block
    blocks : list with the recording of each layer
    arriving : (T, B, n) spikes of the last layer, after the axonal delay
    """
    moved, blocks = [], []
    for each in layers:
        state, block = fast_superspike.forward(each.k, each.state, each.W, x)
        axon, x = superspike_signals.delayed(each.axon, block.spikes)
        moved.append(each._replace(state=state, axon=axon))
        blocks.append(block)
    return moved, blocks, x


def feedback(kind, generators, n, k):
    """Return feedback matrices of shape (B, n, k)."""
    shape = np.zeros((1, k, n), np.float32)
    return None if kind == "symmetric" else np.concatenate(
        [superspike_signals.feedback(kind, shape, each) for each in generators])


def accumulate(layers, blocks, signal, matrix=None):
    """Integrate the SuperSpike rule over one block.

    If `matrix` is None, the feedback weights are the transposed weights of the layer
    above.
    """
    moved, found, top, above = [], [], None, None
    for each, block in zip(layers[::-1], blocks[::-1], strict=True):
        if above is not None:
            back = superspike_signals.feedback("symmetric", above) \
                if matrix is None else matrix
            signal = superspike_signals.hidden_signal(signal, back)
        state, m, error = fast_superspike.accumulate(each.k, each.state, each.W,
                                                     block, signal)
        top, above = error if top is None else top, each.W
        moved.insert(0, each._replace(state=state))
        found.insert(0, m)
    return moved, found, top


def update(layers, found, rate, rule="rmaxprop", block_s=BLOCK_S):
    """Return the layers with new, clipped weights."""
    moved, decay = [], float(np.exp(-block_s / TAU_RMS_S))
    rates = rate if isinstance(rate, list) else [rate] * len(layers)
    for each, m, rate in zip(layers, found, rates, strict=True):
        step, scale = m / block_s, None
        if rule != "fixed":             # optimisers descend, m ascends
            scale, step = getattr(optimisers, rule)(each.scale, -step, rate=1.0,
                                                    decay=decay, eps=EPS)
        W = np.clip(each.W + (rate * step).astype(each.W.dtype), -BOUND_V, BOUND_V)
        moved.append(each._replace(W=W, scale=scale))
    return moved


# ---- training -----------------------------------------------------------------

def practise(layers, x, target, loops, rate, *, matrix=None, rule="rmaxprop",
             watch=None):
    """Train networks on repetitions of one trial.

    Parameters
    ----------
    layers : list of Layer
    x : (T, B, m) bool, one trial
        If T is not a multiple of STEPS, the trial is divided into the smallest number
        of blocks of about equal length that are at most STEPS long.
    target : (T, B or 1, k)
    loops : int, number of trials
    rate : number, array (B, 1, 1), or function from the trial number to one of these
    matrix : (B, n, k), optional
        Feedback matrix; with None, the output weights are used.
    watch : callable, optional
        Function that is called with (loop, part, blocks) after each block.

    Returns
    -------
    list of Layer
    (loops, B) mean square of the output error e in each trial, 1/s^2
    """
    dtype = layers[0].W.dtype
    parts = np.array_split(x, -(-len(x) // STEPS))
    wanted = np.array_split(np.roll(target.astype(dtype), AXON, axis=0), len(parts))
    cost = np.zeros((loops, len(layers[0].W)))
    for loop in range(loops):
        for i, goal in enumerate(wanted):
            layers, blocks, arriving = run(layers, parts[i])
            parts[i] = blocks[0].x          # packed input makes later trials faster
            layers, found, error = accumulate(layers, blocks, goal - arriving, matrix)
            layers = update(layers, found, rate(loop) if callable(rate) else rate, rule,
                            len(goal) * DT_S)
            cost[loop] += np.square(error).mean(axis=(0, 2)) / (len(x) / len(goal))
            if watch is not None:
                watch(loop, i, blocks)
    return layers, cost


def hits(spikes, times, window):
    """Return whether each network hits all targets.

    A network hits all targets if its output neuron fires exactly one spike within
    `window` time steps of each target time, and no other spike.
    """
    near = np.array([spikes[max(t - window, 0):t + window + 1].sum(axis=0)
                     for t in times])
    return (near == 1).all(axis=0) & (spikes.sum(axis=0) == len(times))
