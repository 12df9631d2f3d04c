"""What tools do in a LIF step: spikes and gradients of the presets.

Not part of the suite: needs the `peers` extra, and fails without it.  Faults of the
tools are in `adapters`.
"""

from typing import Any, NamedTuple

import numpy as np
import pytest

from refsnn import bptt, conventions, surrogates
from refsnn.oracle import identify
from refsnn.conventions import PRESETS, Step

pytestmark = [pytest.mark.filterwarnings("ignore::DeprecationWarning"),
              pytest.mark.filterwarnings("ignore::UserWarning"),
              pytest.mark.filterwarnings("ignore::FutureWarning")]

RTOL_PEERS = 1e-9       # float64, other order of summation
THRESHOLD = 1.25        # exact in float32, in which snntorch subtracts it
STEEPNESS = 2.0
TAUS = {"tau_syn": 4.3, "tau_mem": 7.7}
DYADIC = {"exact": {"tau_syn": -1 / np.log(0.75), "tau_mem": 1 / np.log(2)},
          "euler": {"tau_syn": 4.0, "tau_mem": 2.0}}


@pytest.fixture(autouse=True)
def float_errors_as_the_tools_want():
    with np.errstate(all="ignore"):
        yield


class Problem(NamedTuple):
    """Input, weights, time constants and what a loss says of the rows."""

    x: np.ndarray
    W: np.ndarray
    taus: Any
    dspikes: np.ndarray
    dmem: np.ndarray


class Answer(NamedTuple):
    """Rows of spikes and membranes, and the gradient of the weights."""

    spikes: np.ndarray
    mem: np.ndarray
    dW: np.ndarray


def decays(step, taus):
    """alpha and beta of a preset, as its tool takes them."""
    rule = (lambda tau: 1 - 1 / tau) if step.decay == "euler" else \
        (lambda tau: np.exp(-1 / tau))
    return rule(taus["tau_syn"]), rule(taus["tau_mem"])


# --- PyTorch

def torch_answer(p, step):
    """Sum of a loss over what step(drive, state) -> (spikes, mem, state) shows."""
    import torch
    W = torch.tensor(p.W, requires_grad=True)
    state, spikes, mem = None, [], []
    for drive in torch.tensor(p.x) @ W.T:
        s, v, state = step(drive, state)
        spikes.append(s)
        mem.append(v)
    spikes, mem = torch.stack(spikes), torch.stack(mem)
    ((torch.tensor(p.dspikes) * spikes).sum()
     + (torch.tensor(p.dmem) * mem).sum()).backward()
    return Answer(spikes.detach().double().numpy(), mem.detach().numpy(),
                  W.grad.numpy())


def autograd_spike():
    """A spike with the fast sigmoid's derivative, in plain PyTorch."""
    import torch

    class Spike(torch.autograd.Function):
        @staticmethod
        def forward(ctx, v):
            ctx.save_for_backward(v)
            return (v > 0).double()

        @staticmethod
        def backward(ctx, grad):
            v, = ctx.saved_tensors
            return grad / (STEEPNESS * v.abs() + 1) ** 2

    return Spike.apply


def by_hand(name):
    """Loops after the description of tools that are not installed."""
    import torch
    spike = autograd_spike()

    def build(p):
        alpha, beta = decays(PRESETS[name], p.taus)
        gain = 1 - beta if name in ("stork", "hxtorch") else 1

        def step(drive, state):
            i, u = (torch.zeros_like(drive),) * 2 if state is None else state
            if name == "hxtorch":       # test after the update, input a step late
                u = beta * u + gain * i
                s = spike(u - THRESHOLD)
                u = u * (1 - s.detach())
                return s, u, (alpha * i + drive, u)
            if name == "lava":
                i = alpha * i + drive
                u = beta * u + i
                s = spike(u - THRESHOLD)
                return s, u * (1 - s), (i, u * (1 - s))
            s = spike(u - THRESHOLD)    # spytorch and stork: before the update
            new = (beta * u + gain * i) * (1 - s.detach())
            return s, u if name == "spytorch" else new, (alpha * i + drive, new)

        return torch_answer(p, step)

    return build


def snntorch_neuron(p, name, **options):
    import snntorch
    import torch
    alpha, beta = (torch.tensor(float(a), dtype=torch.float64)
                   for a in decays(PRESETS[name], p.taus))
    given = {"threshold": torch.tensor(THRESHOLD, dtype=torch.float64),
             "spike_grad": snntorch.surrogate.fast_sigmoid(slope=STEEPNESS)} | options
    if name == "snntorch_leaky":
        return snntorch.Leaky(beta=beta, **given)
    return snntorch.Synaptic(alpha=alpha, beta=beta, **given)


def snntorch_answer(name, **options):
    import torch

    def build(p):
        neuron = snntorch_neuron(p, name, **options)

        def step(drive, state):
            if state is None:
                state = (torch.zeros_like(drive),) * (1 + (name != "snntorch_leaky"))
            spikes, *state = neuron(drive, *state)
            return spikes, state[-1], state

        return torch_answer(p, step)

    return build


def norse_parameters(p):
    """Of steepness 1: another one is not read, see below."""
    import torch
    from norse.torch.functional import lif
    values = [torch.tensor(v, dtype=torch.float64) for v in (
        1000 / p.taus["tau_syn"], 1000 / p.taus["tau_mem"], 0.0, THRESHOLD, 0.0)]
    return lif.LIFParameters(*values, method="super", alpha=1.0)


def norse_answer(name):
    import torch
    from norse.torch.functional import lif

    def build(p):
        given = norse_parameters(p)
        n = len(p.W)
        eye, none = torch.eye(n, dtype=torch.float64), torch.zeros(
            (n, n), dtype=torch.float64)

        def step(drive, state):
            zero = torch.zeros_like(drive)
            if name == "norse_feed_forward":
                state = lif.LIFFeedForwardState(zero, zero) if state is None else state
                s, state = lif.lif_feed_forward_step(drive, state, given)
            else:
                state = lif.LIFState(zero, zero, zero) if state is None else state
                s, state = lif.lif_step(drive, state, eye, none, given)
            return s, state.v, state

        return torch_answer(p, step)

    return build


def spikingjelly_answer(**options):
    from spikingjelly.activation_based import neuron, surrogate

    def build(p):
        node = neuron.LIFNode(tau=float(p.taus["tau_mem"]), v_threshold=THRESHOLD,
                              surrogate_function=surrogate.Sigmoid(alpha=STEEPNESS),
                              **options)

        def step(drive, state):
            spikes = node(drive)
            return spikes, node.v, None

        return torch_answer(p, step)

    return build


# --- JAX

def spyx_answer(name):
    import jax
    from flax import nnx
    from spyx import axn, nn

    def build(p):
        jax.config.update("jax_enable_x64", True)
        jnp = jax.numpy
        alpha, beta = (float(a) for a in decays(PRESETS[name], p.taus))
        n, B = len(p.W), p.x.shape[1]
        given = {"beta": beta, "threshold": THRESHOLD,
                 "activation": axn.superspike(STEEPNESS), "rngs": nnx.Rngs(0)}
        layer = nn.LIF((n,), **given) if name == "spyx_lif" else \
            nn.CuBaLIF((n,), alpha=alpha, **given)

        def loss(W):
            state, spikes, mem = layer.initial_state(B).astype(jnp.float64), [], []
            for now in jnp.asarray(p.x):
                s, state = layer(now @ W.T, state)
                spikes.append(s)
                mem.append(state[:, :n])
            spikes, mem = jnp.stack(spikes), jnp.stack(mem)
            return (p.dspikes * spikes).sum() + (p.dmem * mem).sum(), (spikes, mem)

        dW, (spikes, mem) = jax.grad(loss, has_aux=True)(jnp.asarray(p.W))
        return Answer(*(np.asarray(a) for a in (spikes, mem, dW)))

    return build


TOOLS = {
    "spytorch": lambda: by_hand("spytorch"),
    "stork": lambda: by_hand("stork"),
    "hxtorch": lambda: by_hand("hxtorch"),
    "lava": lambda: by_hand("lava"),
    "snntorch_leaky": lambda: snntorch_answer("snntorch_leaky"),
    "snntorch_synaptic": lambda: snntorch_answer("snntorch_synaptic"),
    "norse": lambda: norse_answer("norse"),
    "norse_feed_forward": lambda: norse_answer("norse_feed_forward"),
    "spikingjelly": lambda: spikingjelly_answer(),
    "spyx_lif": lambda: spyx_answer("spyx_lif"),
    "spyx_cubalif": lambda: spyx_answer("spyx_cubalif")}


# --- refsnn

def surrogate(name, mem):
    kind = {"spikingjelly": "sigmoid"}.get(name, "fast_sigmoid")
    steepness = 1.0 if name.startswith("norse") else STEEPNESS
    value = surrogates.SURROGATES[kind](mem - THRESHOLD, steepness)[1]
    return value * STEEPNESS / 4 if kind == "sigmoid" else value


def ours(name, step, p):
    run = conventions.simulate(step, p.x, p.W, threshold=THRESHOLD, **p.taus)
    rows = conventions.recorded(step, run)
    slopes = conventions.slopes(step, run, threshold=THRESHOLD, **p.taus)
    psi = surrogate(name, run.mem)
    J, F, _ = conventions.linearise(p.x, p.W, None, run.spikes, psi, slopes)
    q = conventions.credit(psi, slopes, p.dspikes, p.dmem)
    return Answer(rows["spikes"], rows["mem"],
                  bptt.gradient(J, F, q).reshape(p.W.shape))


def problem(step, seed, T=30, B=3, m=4, n=5, taus=TAUS):
    """A live network; the loss is exact in float32, which snntorch's spikes are."""
    rng = np.random.default_rng(seed)
    x = (rng.random((T, B, m)) < 0.3).astype(float)
    W = rng.normal(0.5, 1, (n, m))
    silent = step._replace(reset="none")
    free = conventions.simulate(silent, x, W, threshold=1e9, **taus)
    W *= 2 * THRESHOLD / np.abs(free.mem).reshape(-1, n).max(axis=0)[:, None]
    dspikes, dmem = rng.integers(-64, 64, (2, T, B, n)) / 64
    return Problem(x, W, taus, dspikes, dmem)


def distance(got, wanted):
    assert got.dtype == wanted.dtype == np.float64
    assert got.shape == wanted.shape and np.linalg.norm(wanted) > 0
    return np.linalg.norm(got - wanted) / np.linalg.norm(wanted)


def compare(name, step, build, p):
    wanted, found = ours(name, step, p), build(p)
    assert 0.02 < wanted.spikes.mean() < 0.8
    assert np.array_equal(found.spikes, wanted.spikes)
    assert distance(found.mem, wanted.mem) < RTOL_PEERS
    assert distance(found.dW, wanted.dW) < RTOL_PEERS


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", TOOLS)
def test_spikes_membranes_and_gradients(name, seed):
    compare(name, PRESETS[name], TOOLS[name](), problem(PRESETS[name], seed))


OPTIONS = {
    "snntorch_leaky zero": ("snntorch_leaky", {"reset": "zero", "reset_at": "before"},
                            lambda: snntorch_answer("snntorch_leaky",
                                                    reset_mechanism="zero")),
    "snntorch_synaptic zero": ("snntorch_synaptic", {"reset": "zero"},
                               lambda: snntorch_answer("snntorch_synaptic",
                                                       reset_mechanism="zero")),
    "snntorch_leaky none": ("snntorch_leaky", {"reset": "none"},
                            lambda: snntorch_answer("snntorch_leaky",
                                                    reset_mechanism="none")),
    "spikingjelly soft": ("spikingjelly", {"reset": "subtract"},
                          lambda: spikingjelly_answer(v_reset=None)),
    "spikingjelly detached": ("spikingjelly", {"through_reset": False},
                              lambda: spikingjelly_answer(detach_reset=True)),
    "spikingjelly unscaled": ("spikingjelly", {"gain": "one"},
                              lambda: spikingjelly_answer(decay_input=False))}


@pytest.mark.parametrize("option", OPTIONS)
def test_options_are_axes(option):
    """snnTorch's "zero" is one convention in Leaky and another in Synaptic."""
    name, changes, build = OPTIONS[option]
    step = PRESETS[name]._replace(**changes)
    compare(name, step, build(), problem(step, 1))


@pytest.mark.parametrize("name", TOOLS)
def test_the_tool_is_identified(name):
    """From its answer to every probe, at decays exact in binary."""
    taus = DYADIC[PRESETS[name].decay]
    alpha, beta = (float(a) for a in decays(PRESETS[name], taus))
    x = identify.make_stimuli([alpha], [beta], THRESHOLD)["all"].x
    found = TOOLS[name]()(Problem(x, np.ones((1, 1)), taus, 0 * x, 0 * x))
    report = identify.identify(
        x, np.ones((1, 1)), {"spikes": found.spikes, "mem": found.mem},
        threshold=THRESHOLD, floor=-0.5, **taus)
    presets = [c.preset for c in report.members if not c.changes]
    twins = {"norse", "norse_feed_forward"}         # apart in gradients alone
    assert set(presets) == (twins if name in twins else {name})


# --- NIR

def test_norse_imports_nir_without_leak_and_reset():
    """Norse's import of a CubaLIF node spikes as the equations of the node do."""
    import nir
    import torch
    from norse.torch.utils.import_nir import _import_norse_module
    x = np.abs(np.random.default_rng(3).normal(0.7, 1, (60, 8, 1)))
    values = {"tau_syn": 4e-3, "tau_mem": 8e-3, "r": 1.0, "v_leak": 0.0,
              "v_threshold": 0.5, "v_reset": 0.0}
    node = nir.CubaLIF(**{name: np.array([value]) for name, value in values.items()})
    cell, state, found = _import_norse_module(node, dt=1e-3), None, []
    with torch.no_grad():
        for now in torch.tensor(x, dtype=torch.float32):
            s, state = cell(now, state)
            found.append(s.numpy())
    step = Step("euler", "first", "same", "leak", "leak", "after", ">", "one", "zero",
                "once", record="after")
    run = conventions.simulate(step, x, np.ones((1, 1)), tau_syn=4, tau_mem=8,
                               threshold=0.5, leak=0.0, reset_to=0.0)
    wanted = conventions.recorded(step, run)["spikes"]
    assert 0.02 < wanted.mean() < 0.6 and np.array_equal(found, wanted)
