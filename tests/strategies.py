"""Draw sizes, options and spiking networks for the property-based tests.

Hypothesis draws sizes, options and a seed; NumPy fills the arrays.  Every drawn
network is live: it spikes, but not at every step, and early enough for spikes to
change later membrane potentials.  `live` and `heard` check this, and
test_strategies.py tests it.
"""

import itertools
import os
from typing import Any, Dict, NamedTuple, Optional

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st

from refsnn import lif

SURROGATE_NAMES = ("fast_sigmoid", "sigmoid", "triangle", "gaussian", "arctan",
                   "slayer")      # no boxcar: its derivative jumps
SEEDS = st.integers(0, 2**32 - 1)
FULL = os.environ.get("REFSNN_FULL_SWEEP") == "1"


def thinned(cases, n=3):
    """Return a fixed random n-th of the cases, or all if REFSNN_FULL_SWEEP is 1."""
    cases = list(cases)
    order = np.random.default_rng(0).permutation(len(cases))
    return cases if FULL else [cases[i] for i in order[:-(-len(cases) // n)]]


class Sizes(NamedTuple):
    """Hold the numbers of steps, samples, inputs and neurons."""

    T: int
    B: int
    m: int
    n: int


class Options(NamedTuple):
    """Hold one value for each option of a LIF layer."""

    alpha: float
    beta: float
    gain: str             # "one", "leak" (1 - beta) or "other"
    threshold: float
    reset: str
    refractory: int
    recurrent: bool
    through_reset: bool
    through_recurrence: bool
    per_neuron: bool      # alpha, beta, gain and threshold as (n,) arrays
    analog: bool          # real-valued input in place of spikes


class Network(NamedTuple):
    """Hold a LIF layer, its input and its recording.

    Use as ``lif.simulate(net.x, net.W, net.V, refractory=net.refractory,
    **net.model)`` and ``lif.backward(net.x, net.W, net.V, net.recording,
    psi, dspikes, dmem, **net.model, **net.paths)``.
    """

    x: np.ndarray                 # (T, B, m)
    W: np.ndarray                 # (n, m)
    V: Optional[np.ndarray]       # (n, n), or None: feed-forward
    model: Dict[str, Any]         # alpha, beta, gain, threshold, reset
    refractory: int
    paths: Dict[str, bool]        # through_reset, through_recurrence
    recording: lif.Recording
    rng: np.random.Generator      # for further arrays of the test
    options: Options
    seed: int


@st.composite
def sizes(draw, T=(4, 12), B=(1, 3), m=(1, 4), n=(1, 4)):
    """Draw small `Sizes`; each argument is a pair (smallest, largest)."""
    return Sizes(*(draw(st.integers(*pair)) for pair in (T, B, m, n)))


@st.composite
def lif_options(draw, **fixed):
    """Draw `Options`; options given by name are fixed."""
    unknown = set(fixed) - set(Options._fields)
    if unknown:
        raise TypeError(f"no such option: {sorted(unknown)}")
    kinds = {"reset": ("subtract", "zero"), "refractory": (0, 1, 2),
             "recurrent": (False, True), "through_reset": (True, False),
             "through_recurrence": (True, False)}
    # Draw the whole combination at once, because separate draws are correlated.
    drawn = dict(zip(kinds, draw(st.sampled_from(
        list(itertools.product(*kinds.values())))), strict=True))
    decay = st.sampled_from((0.0, 0.3, 0.62, 0.9)) | st.floats(0.05, 0.95)
    others = {
        "alpha": decay,
        "beta": decay,
        "gain": st.sampled_from(("one", "leak", "other")),
        "threshold": st.sampled_from((0.7, 1.0, 1.3)) | st.floats(0.25, 4.0),
        "per_neuron": st.sampled_from((False, False, True)),
        "analog": st.booleans(),
    }
    drawn |= {name: draw(choice) for name, choice in others.items()
              if name not in fixed}
    return Options(**(drawn | fixed))


@st.composite
def surrogates(draw, names=SURROGATE_NAMES):
    """Draw the name and the steepness of a surrogate."""
    return draw(st.sampled_from(names)), draw(st.floats(0.5, 8.0))


def live(spikes):
    """Return whether neurons spike early enough, but not at every step."""
    return bool(0 < spikes.mean() < 1 and spikes[:-2].any())


def heard(net):
    """Return whether input and spikes change a membrane two steps later.

    Refractory membranes and membranes that are reset to zero do not count.
    """
    rec = net.recording
    deaf = rec.clamp[2:] > 0
    if net.model["reset"] == "zero":
        deaf = deaf | (rec.spikes[1:-1] > 0)
    return all((sent[:-2].any(axis=2)[:, :, None] & ~deaf).any()
               for sent in (net.x, rec.spikes))


def gap(net):
    """Return the smallest distance of a membrane to threshold, divided by threshold."""
    threshold = net.model["threshold"]
    return float(np.abs((net.recording.mem - threshold) / threshold).min())


def _model(options, n, rng, dtype):
    """Return keyword arguments of the layer, as floats or (n,) arrays."""
    spread = rng.uniform(0.8, 1.0, (3, n)) if options.per_neuron else np.ones(3)
    alpha, beta = options.alpha * spread[0], options.beta * spread[1]
    gain = {"one": 1.0 + 0 * beta, "leak": 1 - beta,
            "other": rng.uniform(0.3, 2.0) + 0 * beta}[options.gain]
    numbers = {"alpha": alpha, "beta": beta, "gain": gain,
               "threshold": options.threshold * spread[2]}
    return {name: v.astype(dtype) if options.per_neuron else float(v)
            for name, v in numbers.items()} | {"reset": options.reset}


def _input(options, size, rng, dtype):
    """Draw the input (T, B, m): spikes, plus Gaussian noise if it is analog."""
    x = rng.random((size.T, size.B, size.m)) < rng.uniform(0.2, 0.6)
    x[:2] |= rng.random((2, size.B, size.m)) < 0.6
    if options.analog:
        return (x + rng.normal(0, 0.5, x.shape)).astype(dtype)
    return x.astype(dtype)


def _scaled(x, W, model, rng):
    """Scale W so that each membrane without reset exceeds threshold at some steps."""
    constants = {name: model[name] for name in ("alpha", "beta", "gain")}
    free = lif.readout(x, W, **constants)[2:].reshape(-1, len(W))
    level = np.quantile(np.abs(free), rng.uniform(0.3, 0.7), axis=0)
    sign = np.sign(free[np.abs(free).argmax(axis=0), np.arange(len(W))])
    level = np.maximum(level, 0.05 * np.abs(free).max() + 1e-9)
    factor = sign * model["threshold"] * rng.uniform(1.02, 1.3, len(W)) / level
    return (W * factor[:, None]).astype(W.dtype)


def network(options, size, seed, dtype=np.float64):
    """Return the `Network` of given options, sizes and seed; it need not be live."""
    rng = np.random.default_rng([seed, *size])
    model = _model(options, size.n, rng, dtype)
    x = _input(options, size, rng, dtype)
    W = _scaled(x, rng.normal(0.5, 1, (size.n, size.m)).astype(dtype), model, rng)
    V = None
    if options.recurrent:
        unit = np.abs(W).mean(axis=1, keepdims=True)
        V = (unit * rng.normal(0, 1, (size.n, size.n))).astype(dtype)
    recording = lif.simulate(x, W, V, refractory=options.refractory, **model)
    paths = {"through_reset": options.through_reset,
             "through_recurrence": options.through_recurrence}
    return Network(x, W, V, model, options.refractory, paths, recording, rng,
                   options, seed)


@st.composite
def live_lif(draw, size=None, dtype=np.float64, **fixed):
    """Draw a live `Network`; options given by name (see `Options`) are fixed."""
    shape = draw(sizes() if size is None else size)
    options = draw(lif_options(**fixed))
    net = network(options, shape, draw(SEEDS), dtype)
    assume(live(net.recording.spikes) and heard(net) and gap(net) > 1e-4)
    return net


@st.composite
def linear_systems(draw):
    """Draw (J, F, q) of a random time-varying linear recurrence of moderate size."""
    T, B, n, p = (draw(st.integers(*pair)) for pair in ((1, 9), (1, 3), (1, 5), (1, 7)))
    rng = np.random.default_rng(draw(SEEDS))
    J = rng.normal(0, draw(st.floats(0.3, 1.2)) / np.sqrt(n), (T, B, n, n))
    return J, rng.normal(size=(T, B, n, p)), rng.normal(size=(T, B, n))


@st.composite
def labelled_records(draw, T=(1, 9), B=(1, 4), k=(2, 5)):
    """Draw (record (T, B, k), labels (B,), rng) of a readout, no two values equal."""
    T, B, k = (draw(st.integers(*pair)) for pair in (T, B, k))
    rng = np.random.default_rng(draw(SEEDS))
    record = rng.normal(0, draw(st.floats(0.3, 3.0)), (T, B, k))
    return record, rng.integers(0, k, B), rng


@st.composite
def spike_trains(draw, T=(2, 12), B=(1, 3), n=(1, 4)):
    """Draw (spikes (T, B, n), rng), where some entries are 0 and some are 1."""
    T, B, n = (draw(st.integers(*pair)) for pair in (T, B, n))
    rng = np.random.default_rng(draw(SEEDS))
    spikes = (rng.random((T, B, n)) < draw(st.floats(0.1, 0.6))).astype(float)
    assume(0 < spikes.mean() < 1)
    return spikes, rng
