"""Test each rule of a stack against finite differences of its frozen pass."""

import functools

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from proofs import examples, proves
from tolerances import close

from refsnn import (alif, bptt, checks, lif, optimisers, sparse_rtrl, stack,
                    surrogates)
from refsnn.stack import network

KEPT = {"exact": ("all", "all"), "block": ("block", "filtered"),
        "implicit": ("implicit", "filtered"),
        "presynaptic": ("presynaptic", "filtered"),
        "e-prop": ("detached", "filtered"), "OSTL": ("all", "shortest"),
        "OTTT": ("presynaptic", "shortest"), "SLTT": ("newest", "shortest"),
        "DECOLLE": ("presynaptic", "local")}    # inside and above a layer
DT = 1e-3


def surrogate(v):
    return surrogates.arctan(v, 2.0)


class Case:
    """Hold a random live stack, its input and its recording."""

    def __init__(self, seed, depth, adaptive, recurrent, reset, refractory, per_neuron,
                 leaky, T=14, B=2):
        rng = self.rng = np.random.default_rng(seed)
        sizes = [3, *rng.integers(2, 4, depth), 2]
        self.options = {"reset": "subtract" if adaptive else reset, "gain":
                        None if leaky else 0.8, "dt": DT}
        self.refractory = refractory
        scale = 6.0 if leaky else 1.2
        self.layers = []
        for i, (m, n) in enumerate(zip(sizes, sizes[1:], strict=False)):
            hidden = i < depth
            shape = (n,) if per_neuron and hidden else ()
            constants = {"tau_syn": rng.uniform(1e-3, 4e-3, shape),
                         "tau_mem": rng.uniform(3e-3, 9e-3, shape)}
            if hidden:
                constants["threshold"] = rng.uniform(0.6, 1.4, shape)
            if hidden and adaptive:
                constants |= {"adaptation": rng.uniform(0.1, 0.5, shape),
                              "tau_adapt": rng.uniform(5e-3, 2e-2, shape)}
            V = rng.normal(size=(n, n)) if recurrent and hidden else None
            self.layers.append(network.layer(
                rng.normal(0.3, scale, (n, m)), V, **constants))
        self.x = (rng.random((T, B, 3)) < 0.5).astype(float)
        self.dy = rng.normal(size=(T, B, 2))
        self.feedback = [rng.normal(size=(2, n)) for n in sizes[1:-1]]
        self.learn = network.CONSTANTS if adaptive else network.CONSTANTS[:3]
        self.runs = self.steps(rule="readout alone")[0]
        self.readout = self.runs.pop()

    def steps(self, error=lambda y, dy: dy, **options):
        """Return recordings, and gradients summed over steps."""
        options = {"surrogate": surrogate, "refractory": self.refractory,
                   **self.options, **options}
        runs, total, state = [], None, None
        for t, (x, dy) in enumerate(zip(self.x, self.dy, strict=True)):
            layers = self.layers[t] if isinstance(self.layers[0], list) else self.layers
            now, state = stack.step(layers, x, state, functools.partial(error, dy=dy),
                                    **options)
            np.testing.assert_array_equal(now.potentials, now.layers[-1].mem)
            runs.append(now.layers)
            total = now.gradients if total is None else [
                network.Layer(*(a if b is None else a + b for a, b in zip(
                    *pair, strict=True))) for pair in zip(total, now.gradients,
                                                          strict=True)]
        recorded = [type(run[0])(*(np.stack(field) for field in zip(*run, strict=True)))
                    for run in zip(*runs, strict=True)]
        return recorded, total

    def live(self):
        return all(0 < run.spikes.mean() < 1 and run.spikes[2:-4].any()
                   for run in self.runs)


@st.composite
def cases(draw, depth=(1, 3), refractory=2):
    case = Case(draw(st.integers(0, 2**32 - 1)), draw(st.integers(*depth)),
                *(draw(st.booleans()) for _ in range(2)),
                draw(st.sampled_from(("subtract", "zero"))),
                draw(st.integers(0, refractory)), draw(st.booleans()),
                draw(st.booleans()))
    assume(case.live())
    return case


# ---- the frozen pass, written out step by step

def constants(one, gain):
    decays = {"alpha": one.log_tau_syn, "beta": one.log_tau_mem}
    if one.log_adaptation is not None:
        decays["rho"] = one.log_tau_adapt
    found = {name: np.exp(-DT / np.exp(log)) for name, log in decays.items()}
    found |= {"threshold": np.exp(one.log_threshold),
              "gain": 1 - found["beta"] if gain is None else gain}
    if one.log_adaptation is not None:
        found["adaptation"] = np.exp(one.log_adaptation)
    return found


def spikes(one, base, run, t, U, A, gain):
    """Return H(v0) + f(v) - f(v0) at the recorded v0."""
    def distance(layer, U, A):
        c = constants(layer, gain)
        return U - c["threshold"] - (c["adaptation"] * A if "adaptation" in c else 0)
    v0 = distance(base, run.mem[t], getattr(run, "adapted", run.mem)[t])
    v = distance(one, U, A)
    fired = (v0 > 0) + surrogate(v)[0] - surrogate(v0)[0]
    return fired * (1 - run.clamp[t]) if hasattr(run, "adapted") else fired


def inner(kind, one, base, x, run, case):
    """Return the spikes of a layer in which some paths read recorded values."""
    gain, reset = case.options["gain"], case.options["reset"]
    c, c0, V = constants(one, gain), constants(base, gain), one.V
    T, S0, adaptive = len(x), run.spikes, hasattr(run, "adapted")
    A0 = run.adapted if adaptive else 0 * run.mem
    syn, mem, A = run.syn[0], run.mem[0], A0[0]
    found = []
    for t in range(T):
        S = spikes(one, base, run, t, mem, A, gain)
        found.append(S)
        if t == T - 1:
            break
        free = 1 if adaptive else 1 - run.clamp[t + 1]
        fixed = spikes(one, base, run, t, run.mem[t], A0[t], gain)
        by_reset = {"detached": S0[t], "newest": fixed}.get(kind, S)
        drive = x[t] @ one.W.T
        if V is not None:
            own = np.diag(np.diagonal(V))
            moved = {"all": (S - S0[t]) @ V.T, "block": (S - S0[t]) @ own}
            drive = drive + S0[t] @ V.T + moved.get(kind, 0)
        syn_old, mem_old, A_old = (run.syn[t], run.mem[t], A0[t]) \
            if kind == "newest" else (syn, mem, A)
        leak = c["beta"] * mem_old + c["gain"] * syn_old
        if kind == "presynaptic":
            rest = run.mem[t + 1] - c0["beta"] * run.mem[t] - c0["gain"] * run.syn[t]
            mem_new, A_new = leak + rest, c.get("rho", 0) * A + S0[t]
        else:
            mem_new = free * (leak - c["threshold"] * by_reset) if reset == "subtract" \
                else free * leak * (1 - by_reset)
            A_new = c.get("rho", 0) * A_old + (fixed if kind == "newest" else S)
        if kind == "newest":
            mem_new = mem_new + gate(base, run, t, case) * (syn - run.syn[t])
        syn, mem, A = c["alpha"] * syn_old + drive, mem_new, A_new
    return np.stack(found)


def gate(base, run, t, case):
    """Return the derivative of U[t+1] with respect to I[t] at recorded spikes."""
    free = 1 if hasattr(run, "adapted") else 1 - run.clamp[t + 1]
    kept = 1 - run.spikes[t] if case.options["reset"] == "zero" else 1
    return free * kept * constants(base, case.options["gain"])["gain"]


def frozen_loss(rule, feedback, i, one, case):
    """Return the loss as a function of the parameters of layer i."""
    inside, path = KEPT[rule]
    layers, runs, top = list(case.layers), case.runs, len(case.layers) - 1
    base, gain = layers[i], case.options["gain"]
    T, leaky = len(case.x), constants(layers[top], gain)
    leaky.pop("threshold")
    if i == top:
        below = runs[-1].spikes if top else case.x
        if inside != "newest":
            c = constants(one, gain)
            del c["threshold"]
            return (lif.readout(below, one.W, **c) * case.dy).sum()
        syn, mem = case.readout.syn, case.readout.mem
        c = constants(one, gain)
        newest = np.zeros_like(mem)
        now = c["alpha"] * syn[:-1] + below[:-1] @ one.W.T
        newest[1:] = c["beta"] * mem[:-1] + c["gain"] * syn[:-1]
        newest[2:] += leaky["gain"] * (now[:-1] - syn[1:-1])
        return (newest * case.dy).sum()
    x = runs[i - 1].spikes if i else case.x
    S, S0 = inner(inside, one, base, x, runs[i], case), runs[i].spikes
    if path == "all":
        for j in range(i + 1, top):
            S = inner("all", layers[j], layers[j], S, runs[j], case)
        return (lif.readout(S, layers[top].W, **leaky) * case.dy).sum()
    if path == "local":
        return (case.dy * (S @ feedback[i].T)).sum()
    filtered = path == "filtered"
    passed = lif.readout(S - S0, np.eye(S.shape[2]), **leaky) if filtered else S - S0
    W, late = layers[top].W if feedback is None else feedback[i], not filtered
    for j in range(i + 1, top) if feedback is None else ():
        run, drive = runs[j], delayed(passed, 2 * late) @ layers[j].W.T
        mem = run.mem.copy()
        mem[1:] += [gate(layers[j], run, t, case) * drive[t + 1] for t in range(T - 1)]
        A = getattr(run, "adapted", run.mem)
        passed = np.stack([spikes(layers[j], layers[j], run, t, mem[t], A[t], gain)
                           for t in range(T)]) - run.spikes
        late = True
    scale = 1 if filtered else leaky["gain"]
    return (case.dy * (scale * delayed(passed, 2 * late) @ W.T)).sum()


def delayed(a, steps):
    """Return an array whose entries appear later."""
    return np.concatenate([np.zeros_like(a[:steps]), a])[:len(a)]


# ---- the tests

def gradient_of(case, rule, feedback):
    return case.steps(rule=rule, learn=case.learn, feedback=feedback)[1]


@proves("stack/online", 1, 2, 3, 4, 5, 6, 7, 8, 9, 10)
@pytest.mark.parametrize("rule", KEPT)
@given(data=st.data())
@examples(12)
def test_gradient_is_that_of_the_frozen_pass(rule, data):
    case = data.draw(cases())
    path = KEPT[rule][1]
    random = path == "local" or path != "all" and data.draw(st.booleans())
    feedback = case.feedback if random else None
    found = gradient_of(case, rule, feedback)
    for i, (one, gradient) in enumerate(zip(case.layers, found, strict=True)):
        names = [name for name in one._fields if getattr(gradient, name) is not None]
        assert names[0] == "W" and len(names) >= 3 + (i < len(case.layers) - 1)
        values, slopes = ([getattr(part, name) for name in names]
                          for part in (one, gradient))
        assert [v.shape for v in values] == [np.shape(v) for v in slopes]
        ends = np.cumsum([v.size for v in values])[:-1]

        def loss(theta, i=i, one=one, names=names, values=values, ends=ends):
            parts = (part.reshape(v.shape) for part, v in zip(
                np.split(theta, ends), values, strict=True))
            changed = one._replace(**dict(zip(names, parts, strict=True)))
            return frozen_loss(rule, feedback, i, changed, case)
        theta, slope = (np.concatenate([np.ravel(v) for v in vs])
                        for vs in (values, slopes))
        checks.directional(loss, theta, slope, case.rng)


def backward(case):
    """Return the gradient of the stack by backpropagation through time."""
    layers, gain = case.layers, case.options["gain"]
    given = [constants(one, gain) for one in layers]
    leaky = {key: given[-1][key] for key in ("alpha", "beta", "gain")}
    top = lif.readout_backward(case.runs[-1].spikes, layers[-1].W, case.dy, **leaky,
                               constants=True)
    found, dspikes = [[top.dW, *logarithmic(layers[-1], gain, top[5:8])]], top.dx
    for i in range(len(layers) - 2, -1, -1):
        run, one, c = case.runs[i], layers[i], given[i]
        x = case.runs[i - 1].spikes if i else case.x
        if hasattr(run, "adapted"):
            dW, dV, by_constants, dspikes = adaptive_backward(x, one, run, dspikes, c)
        else:
            psi = surrogate(run.mem - c["threshold"])[1]
            g = lif.backward(x, one.W, one.V, run, psi, dspikes, **c, constants=True,
                             reset=case.options["reset"])
            dW, dV, dspikes = g.dW, g.dV, g.dx
            by_constants = [*g[5:8], g.dthreshold + g.direct]
        found.append([dW, *([] if dV is None else [dV]),
                      *logarithmic(one, gain, by_constants)])
    return found[::-1]


def adaptive_backward(x, one, run, dspikes, c):
    """Backpropagate through a layer of adaptive neurons."""
    (n, m), recurrent = one.W.shape, one.V is not None
    psi = surrogate(run.mem - c["adaptation"] * run.adapted - c["threshold"])[1]
    J, F = alif.linearise(x, one.W, one.V, run, psi, **c, constants=True)
    q = alif.credit(run, psi, dspikes, adaptation=c["adaptation"])
    dh = bptt.adjoint(J, q)
    total = np.einsum("tbs,tbsp->p", dh, F)
    dW, dV, by_constants = np.split(total, [n * m, n * m + n * n * recurrent])
    by_constants = by_constants.reshape(6, n)
    direct = -psi * (1 - run.clamp) * dspikes
    by_constants[3] += direct.sum((0, 1))
    by_constants[5] += (direct * run.adapted).sum((0, 1))
    dx = np.zeros_like(x)
    dx[:-1] = dh[1:, :, :n] @ one.W
    return dW.reshape(n, m), dV.reshape(n, n) if recurrent else None, by_constants, dx


def logarithmic(one, gain, by_constants):
    """Return derivatives with respect to the logarithms of constants."""
    by = dict(zip(("alpha", "beta", "gain", "threshold", "rho", "adaptation"),
                  by_constants, strict=False))
    decays = [("alpha", one.log_tau_syn), ("beta", one.log_tau_mem)]
    if gain is None:
        by["beta"] = by["beta"] - by["gain"]
    found = [by[name] * np.exp(-DT / np.exp(log)) * DT / np.exp(log)
             for name, log in decays]
    if "threshold" in by:
        found.append(by["threshold"] * np.exp(one.log_threshold))
    if "rho" in by:
        tau = np.exp(one.log_tau_adapt)
        found += [by["adaptation"] * np.exp(one.log_adaptation),
                  by["rho"] * np.exp(-DT / tau) * DT / tau]
    return [v if one.log_tau_syn.ndim else v.sum() for v in found]


@proves("stack/online", 1, 2, 3, 4, 5, 6)
@given(cases())
@examples(40)
def test_exact_rule_is_backpropagation_through_time(case):
    found = gradient_of(case, "exact", None)
    for gradient, right in zip(found, backward(case), strict=True):
        values = [value for value in gradient if value is not None]
        assert list(map(np.shape, values)) == list(map(np.shape, right))
        flat, wanted = (np.concatenate([np.ravel(v) for v in vs])
                        for vs in (values, right))
        assume(np.abs(wanted).max() > 0)
        close(flat, wanted)


@given(cases(depth=(2, 3)))
@examples(10)
def test_exact_rule_is_exact_if_parameters_change_at_every_step(case):
    """A finite difference shifts the parameters of one layer at all steps alike."""
    def drifted(one):
        return one._replace(**{
            name: value + 0.1 * case.rng.normal(size=np.shape(value))
            for name, value in one._asdict().items() if value is not None})

    case.layers = [list(map(drifted, case.layers)) for _ in case.x]
    runs, total = case.steps(rule="exact", learn=case.learn)
    gain, names = case.options["gain"], ("log_tau_mem", "log_threshold", "W")
    i = int(case.rng.integers(len(runs) - 1))

    def loss(theta):
        states, found = [None] * len(runs), 0
        shifts = [*theta[:2], theta[2:].reshape(total[i].W.shape)]
        for t, layers in enumerate(case.layers):
            moved = layers[i]._replace(**{name: getattr(layers[i], name) + shift
                                          for name, shift in zip(names, shifts,
                                                                 strict=True)})
            now, x = [*layers[:i], moved, *layers[i + 1:]], case.x[t]
            for j, (one, base, run) in enumerate(zip(now, layers, runs, strict=True)):
                I, U, A = np.zeros((3, *run.mem[t].shape)) if t == 0 else states[j]
                c, S = constants(one, gain), 0
                if j < len(runs) - 1:
                    S = spikes(one, base, run, t, U, A, gain)
                free = 1 - run.clamp[min(t + 1, len(case.x) - 1)] * (
                    not hasattr(run, "adapted"))
                drive = x @ one.W.T + (0 if one.V is None else S @ one.V.T)
                leak = c["beta"] * U + c["gain"] * I
                states[j] = (
                    c["alpha"] * I + drive, free * (
                        leak * (1 - S) if case.options["reset"] == "zero"
                        else leak - c["threshold"] * S), c.get("rho", 0) * A + S)
                x = S
            found += (U * case.dy[t]).sum()
        return found
    slope = np.concatenate([[np.sum(total[i].log_tau_mem), np.sum(
        total[i].log_threshold)], total[i].W.ravel()])
    checks.directional(loss, np.zeros(len(slope)), slope, case.rng)


@pytest.mark.parametrize("adaptive", [False, True])
@pytest.mark.parametrize("reset", ["subtract", "zero"])
def test_recordings_are_those_of_the_core(adaptive, reset):
    case = Case(5, 2, adaptive, True, reset, 2, True, False)
    assert case.live() and all(run.clamp.any() for run in case.runs)
    x = case.x
    for one, run in zip(case.layers, case.runs, strict=False):
        c, options = constants(one, case.options["gain"]), {"refractory": 2}
        if not adaptive:
            options["reset"] = reset
        right = (alif if adaptive else lif).simulate(x, one.W, one.V, **c, **options)
        for a, b in zip(run, right, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-10)
        x = run.spikes
    c = constants(case.layers[2], case.options["gain"])
    close(case.readout.mem, lif.readout(x, case.layers[2].W, alpha=c["alpha"],
                                        beta=c["beta"], gain=c["gain"]))


def test_readout_alone_has_the_exact_gradient_of_the_readout():
    case = Case(5, 2, False, True, "subtract", 0, True, False)
    options = {"learn": ["tau_syn", "tau_mem"]}
    *hidden, found = case.steps(rule="readout alone", **options)[1]
    assert hidden == [network.Layer(None)] * 2
    for a, b in zip(found, case.steps(rule="exact", **options)[1][2], strict=True):
        assert a is b is None or np.abs(a).max() > 0 and close(a, b) is None


def test_decolle_takes_the_error_at_the_local_readouts():
    case = Case(5, 2, False, True, "subtract", 0, True, False)
    options, target = {"rule": "DECOLLE", "feedback": case.feedback}, case.dy
    found = case.steps(error=lambda y, dy: y - dy, **options)[1]
    for i, (G, run) in enumerate(zip(case.feedback, case.runs, strict=True)):
        case.dy = run.spikes @ G.T - target
        close(found[i].W, case.steps(**options)[1][i].W)


# ---- the core's steps, with weights that change

TAUS = {"tau_syn": 5e-3, "tau_mem": 1e-2}
DECAYS = {"alpha": np.exp(-DT / 5e-3), "beta": np.exp(-DT / 1e-2)}
RATE = 0.02


def task(dtype=np.float64):
    """Return input, targets and the weights W, V and W_out."""
    rng = np.random.default_rng(3)
    x = (rng.random((25, 4, 6)) < 0.4).astype(dtype)
    weights = [rng.normal(0.3, scale, shape).astype(dtype) for scale, shape in (
        (0.8, (5, 6)), (0.4, (5, 5)), (0.5, (3, 5)))]
    return x, rng.random((25, 4, 3)).astype(dtype), weights


def learned(rule, x, target, weights, learn=(), feedback=None, rate=RATE,
            **constants):
    """Learn online with `stack`; return the layers, the spikes and the state."""
    W, V, W_out = weights
    layers = [stack.layer(W, V, **TAUS, **constants), stack.layer(W_out, **TAUS)]
    state = states = None
    spikes = []
    for x_now, target_now in zip(x, target, strict=True):
        now, state = stack.step(
            layers, x_now, state, lambda y, wanted=target_now: y - wanted, rule=rule,
            dt=DT, surrogate=surrogate, learn=learn, feedback=feedback)
        layers, states = stack.descend(
            layers, now.gradients, functools.partial(optimisers.sgd, rate=rate), states)
        spikes.append(now.layers[0].spikes)
    return layers, np.array(spikes), state


@pytest.mark.parametrize("rule", ["block", "implicit", "presynaptic", "e-prop"])
def test_one_layer_learns_as_with_the_steps_of_the_core(rule):
    x, target, weights = task()
    adaptive = {"adaptation": 0.3, "tau_adapt": 5e-2} if rule == "e-prop" else {}
    layers, spikes, _ = learned(rule, x, target, weights, **adaptive)
    assert 0.1 < spikes.mean() < 0.9
    found = layers[0].W, layers[0].V, layers[1].W
    for a, b, before in zip(found, by_hand(rule, x, target, weights), weights,
                            strict=True):
        close(a - before, b - before)


def by_hand(rule, x, target, weights):
    """Learn with the steps of `lif`, `alif` and `sparse_rtrl`."""
    (W, V, W_out), layer, readout, spread = weights, None, None, None
    filtered, slow = sparse_rtrl.rest("block", 4, 5, 11), {
        "rho": np.exp(-DT / 5e-2), "adaptation": 0.3}
    traces = alif.Traces(*np.zeros((2, 4, 11)), np.zeros((4, 5, 11))) \
        if rule == "e-prop" else sparse_rtrl.rest(rule, 4, 5, 11)
    for x_now, target_now in zip(x, target, strict=True):
        if rule == "e-prop":
            now, layer = alif.step(x_now @ W.T, V, layer, **DECAYS, **slow)
            psi = surrogate(now.mem - 0.3 * now.adapted - 1)[1]
        else:
            now, layer = lif.step(x_now @ W.T, V, layer, **DECAYS)
            psi = surrogate(now.mem - 1)[1]
        y, readout = lif.readout_step(now.spikes @ W_out.T, readout, **DECAYS)
        own, spread = lif.readout_step(now.spikes, spread, **DECAYS)
        dy = y - target_now
        total = np.einsum("bi,bij->ij", dy @ W_out, filtered.mem)
        if rule == "e-prop":
            e = alif.eligibility(traces, psi, adaptation=0.3)
            z = np.concatenate([x_now, now.spikes], axis=1)
            traces = alif.trace_step(traces, z, psi, **DECAYS, **slow)
        else:
            e = sparse_rtrl.eligibility(traces, psi)
            traces = sparse_rtrl.lif_step(traces, x_now, V, *now[:3], psi, rule=rule,
                                          **DECAYS)
        filtered = sparse_rtrl.readout_step(filtered, e, **DECAYS)
        W, V, W_out = (w - RATE * g for w, g in zip(
            (W, V, W_out), (total[:, :6], total[:, 6:], dy.T @ own), strict=True))
    return W, V, W_out


def test_float32_is_kept_and_arguments_are_not_changed():
    x, target, weights = task(np.float32)
    before = [w.copy() for w in weights]
    for rule in stack.RULES:
        feedback = [np.ones((3, 5))] if rule == "DECOLLE" else None
        layers, spikes, state = learned(rule, x, target, weights, ["tau_mem"], feedback,
                                        1e-4)
        assert spikes.any()
        for array in (*layers[0][:4], state.neurons[0].mem, state.influence[1][0]):
            assert array.dtype == np.float32
    for w, kept in zip(weights, before, strict=True):
        np.testing.assert_array_equal(w, kept)


def test_learned_time_constants_stay_positive_and_finite():
    """Large steps change the constants by decades, but not their sign."""
    x, target, weights = task()
    names = ["tau_syn", "tau_mem", "threshold"]
    layers, *_ = learned("block", x, target, [3 * w for w in weights], names)
    start = stack.layer(weights[0], **TAUS)
    for name in names:
        value, old = (np.exp(getattr(one, "log_" + name)) for one in (layers[0], start))
        assert 0 < value < np.inf and value != old


# ---- bad input

@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_memory_is_that_of_the_stored_derivatives(dtype):
    for rule in stack.RULES:
        rng, taus = np.random.default_rng(0), TAUS
        layers = [stack.layer(rng.random(shape).astype(dtype), V, **taus)
                  for shape, V in (((4, 3), None), ((5, 4), rng.random((5, 5))),
                                   ((2, 5), None))]
        feedback = [rng.random((2, n)) for n in (4, 5)] if rule == "DECOLLE" else None
        _, state = stack.step(layers, np.ones((6, 3)), rule=rule, dt=DT,
                              learn=["tau_syn"], surrogate=surrogate, feedback=feedback)
        stored = [a for parts in state.influence for a in parts]
        stored += [a for pair in state.filtered if pair for a in pair]
        stored += [a for pair in state.past for part in pair for a in part]
        found = stack.memory(layers, 6, rule, ["tau_syn"], feedback)
        assert found == sum(a.nbytes for a in stored) > 0


def test_gate_is_that_of_the_step_before():
    """The gate of a readout with gain None is 1 - beta, with the earlier beta."""
    x, target, (W, V, W_out) = task()
    one, taus = stack.layer(W, V, **TAUS), np.random.default_rng(0).uniform(
        5e-3, 2e-2, len(x))

    def gradients(taus):
        state, found = None, []
        for now, dy, tau in zip(x, target, taus, strict=True):
            readout = stack.layer(W_out, tau_syn=5e-3, tau_mem=tau)
            out, state = stack.step([one, readout], now, state, lambda _, dy=dy: dy,
                                    rule="SLTT", dt=DT, surrogate=surrogate, gain=None)
            found.append(out.gradients[0].W / (1 - np.exp(-DT / taus)[len(found) - 1]))
        return np.stack(found)
    close(gradients(taus), gradients(np.full(len(x), 1e-2)))


def test_ostl_stores_a_few_numbers_for_each_weight_without_recurrence():
    one = stack.layer(np.ones((5, 5)), **TAUS)
    assert stack.memory([one] * 3, 2, "OSTL") == stack.memory([one] * 3, 2, "OTTT")


def test_limit_is_twice_the_memory():
    one = stack.layer(np.ones((5, 5)), **TAUS)
    options = {"rule": "block", "dt": DT, "surrogate": surrogate}
    limit = 2 * stack.memory([one] * 3, 4, "block")
    for most in (limit, np.inf):
        stack.step([one] * 3, np.ones((4, 5)), limit=most, **options)
    with pytest.raises(ValueError, match="at most limit"):
        stack.step([one] * 3, np.ones((4, 5)), limit=limit - 1, **options)


def test_a_very_short_time_constant_has_decay_0():
    x, target, weights = task()
    one = stack.layer(weights[0], **TAUS)
    none = np.array(-800.0)             # exp(800) overflows
    layers = [one._replace(log_tau_syn=none, log_tau_mem=none),
              stack.layer(weights[2], **TAUS)]
    state = None
    for now in x:
        now, state = stack.step(layers, now, state, lambda y: y - 1, rule="exact",
                                dt=DT, surrogate=surrogate, learn=["tau_mem"])
    assert now.layers[0].spikes.any() and now.gradients[0].log_tau_mem == 0
    np.testing.assert_array_equal(now.layers[0].syn, x[-2] @ weights[0].T)


def test_error_may_modify_its_argument():
    W = np.ones((1, 1))
    now, _ = stack.step([stack.layer(W, **TAUS)], W, None,
                        lambda y: np.subtract(y, 1, out=y), rule="exact", dt=DT,
                        surrogate=surrogate)
    assert now.potentials == 0


@pytest.mark.parametrize("change, message", [
    ({"rule": "rtrl"}, "rule is 'rtrl': must be"),
    ({"learn": ["tau"]}, "learn is 'tau': must be"),
    ({"learn": ["adaptation"]}, "learn contains 'adaptation': must be"),
    ({"learn": "tau_mem"}, "learn is 'tau_mem': must be one of list"),
    ({"learn": iter(["tau_mem"])}, "learn is of type .*: must be one of list"),
    ({"limit": np.nan}, "limit is nan: must"),
    ({"error": np.ones((4, 3))}, "error is of type ndarray: must be one of Callable"),
    ({"surrogate": "arctan"}, "surrogate is 'arctan': must be Callable"),
    ({"surrogate": np.cos}, r"surrogate\(v\) is of type ndarray: must be one of tuple"),
    ({"state": (1, 2)}, "state is of type tuple: must be a State"),
    ({"layers": np.ones((2, 2))}, "layers is of type ndarray: must be one of list"),
    ({"limit": 100}, "rule is 'exact': its derivatives need .* bytes, must be at"),
    ({"feedback": [np.ones((3, 5))]}, "feedback is given: must be None"),
    ({"rule": "DECOLLE"}, "feedback is None: must be given"),
    ({"rule": "readout alone", "feedback": [np.ones((3, 5))]}, "feedback is given"),
    ({"rule": "OTTT", "feedback": [np.ones((3, 5))] * 2}, "feedback has 2 matrices"),
    ({"rule": "OTTT", "feedback": []}, "feedback has 0 matrices: must have one"),
    ({"rule": "OTTT", "feedback": [np.ones((3, 4))]}, r"feedback\[0\] has 4 entries"),
    ({"dt": 0}, "dt is 0.*: must be"),
    ({"gain": -1.0}, "gain is -1.*: must be"),
    ({"layers": []}, "layers has no entry: must"),
    ({"x": np.ones((4, 7))}, "x has 7 inputs"),
    ({"x": np.full((4, 6), np.nan)}, "x .*nan"),
    ({"error": lambda y: y[:, :1]}, r"error\(y\)"),
    ({"surrogate": lambda v: (v, v[:1])}, r"surrogate\(v\)\[1\]"),
])
def test_bad_input_is_refused(change, message):
    W, V, W_out = task()[2]
    options = {"layers": [stack.layer(W, V, **TAUS), stack.layer(W_out, **TAUS)],
               "x": np.ones((4, 6)), "error": lambda y: y, "rule": "exact", "dt": DT,
               "surrogate": surrogate}
    stack.step(**options)
    with pytest.raises(ValueError, match=message):
        stack.step(**options | change)


def test_layers_must_fit():
    W, V, W_out = task()[2]
    options = {"rule": "block", "dt": DT, "surrogate": surrogate,
               "x": np.ones((4, 6))}
    one, readout = stack.layer(W, V, **TAUS), stack.layer(W_out, **TAUS)
    slow = stack.layer(W, V, **TAUS, adaptation=0.1, tau_adapt=0.1)
    uneven = stack.layer(W_out, tau_syn=5e-3, tau_mem=np.full(3, 1e-2))
    for layers, message, more in (
            ([one, stack.layer(W_out[:, :4], **TAUS)], r"layers\[1\].W has 4", {}),
            ([one._replace(V=None), stack.layer(V, V, **TAUS)], "the last layer has V",
             {}),
            ([slow, readout], "reset is 'zero': must be", {"reset": "zero"}),
            ([one._replace(W=W.astype(int)), readout], r"layers\[0\].W is int64", {}),
            ([one._replace(V=W_out), readout], r"layers\[0\].V has 3 units", {}),
            ([one, stack.Layer(W_out)], r"layers\[1\].log_tau_syn is None: must", {}),
            ([one._replace(log_tau_mem=np.ones(6)), readout],
             r"layers\[0\].log_tau_mem has 6 units", {}),
            ([one._replace(log_threshold=np.nan), readout],
             r"layers\[0\].log_threshold is nan: must", {}),
            ([one._replace(log_adaptation=0.0), readout],
             r"one of layers\[0\].log_adaptation and .*log_tau_adapt is None", {}),
            ([one, readout._replace(log_adaptation=0.0, log_tau_adapt=0.0)],
             "the last layer has V or adaptation", {}),
            ([readout], "learn contains 'threshold': must be",
             {"learn": ["threshold"], "x": np.ones((4, 5))}),
            ([one, slow._replace(W=V), readout], r"because layers\[1\] adapts",
             {"reset": "zero"}),
            ([one, readout._replace(log_tau_syn=np.ones(3))],
             "the last layer has constants of shape", {}),
            ([one, uneven], "the last layer has constants of shape", {})):
        with pytest.raises(ValueError, match=message):
            stack.step(layers, **options | more)
    for B, layers, message in ((0, [one, readout], "B is 0: must be"),
                               (1, [W], r"layers\[0\] is of type ndarray: must be")):
        with pytest.raises(ValueError, match=message):
            stack.memory(layers, B, "block")
    stack.step([one, uneven], **options | {"rule": "OTTT"})
    mixed = [stack.Layer(*(None if v is None else v.astype(np.float32) for v in one)),
             readout._replace(log_tau_mem=-4.6)]          # cast to float32
    now, _ = stack.step(mixed, error=lambda y: y - 1.0, **options)
    assert {g.W.dtype for g in now.gradients} == {np.dtype(np.float32)}
    _, state = stack.step([one, readout], **options)
    for change in ({"rule": "DECOLLE", "feedback": [np.ones((3, 5))]},
                   {"rule": "OTTT"}, {"learn": ["tau_mem"]}, {"x": np.ones((3, 6))},
                   {"rule": "e-prop"}, {"layers": [readout._replace(W=W[:3])]}):
        with pytest.raises(ValueError, match="state belongs to"):
            stack.step(**{"layers": [one, readout], "state": state} | options | change)
    _, state = stack.step([one, readout], learn=["tau_syn"], **options)
    with pytest.raises(ValueError, match="state belongs to"):
        stack.step([one, readout], state=state, learn=["tau_mem"], **options)
