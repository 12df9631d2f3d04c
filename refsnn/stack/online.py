# refsnn 0.1.0 | stack/online.py | SPDX-License-Identifier: MIT | needs: numpy
"""This module computes online gradients for stacks of spiking layers.

A stack has L hidden layers of LIF or adaptive neurons, and a leaky readout
y.  The dynamics are those of `lif` and `alif`.

A layer stores the logarithm of each positive constant, and the gradient is
taken with respect to this logarithm.  For a decay factor,

    decay = exp(-dt/tau),  tau = exp(log tau)                         (1)
    ddecay/dlog tau = decay dt/tau,  dthreshold/dlog threshold =
        threshold,  dadaptation/dlog adaptation = adaptation          (2)

Let h_l be the states of layer l, which are I and U of all neurons, and A
of adaptive neurons.  Let theta_l be the weights and the learned logarithms
of layer l.  The influence M_l is the derivative of h_l with respect to
theta_l.  The eligibility e_l is the derivative of the spikes S_l with
respect to theta_l.  The Jacobian J_l contains the derivatives of h_l[t+1]
with respect to h_l[t] that a rule keeps.  The matrix F_l is the derivative
of h_l[t+1] with respect to theta_l at fixed states.  The surrogate
derivative psi replaces the derivative of the spike function:

    M_l[t+1] = J_l M_l[t] + F_l                                       (3)
    e_l[t] = (dS_l/dh_l M_l + dS_l/dtheta_l)[t]                       (4)

Let M_ml be the derivative of the states of layer m with respect to the
parameters theta_l of a lower layer l.  Only the rule "exact" computes the
derivatives M_ml.  The readout is layer L + 1.  The matrix C_m is the
derivative of the states of layer m with respect to the spikes of layer
m - 1.  The nonzero entries of C_m are the weights W_m:

    M_ml[t+1] = J_m M_ml[t] + C_m e_(m-1)l[t],
    e_ml[t] = (dS_m/dh_m M_ml)[t]                                     (5)
    dL[t]/dtheta_l = dy[t]^T times the rows of M_(L+1)l[t] for y      (6)

In (6), dy[t] is the derivative of the loss L[t] with respect to the
readout potentials y[t].  All other rules multiply an eligibility by a
credit c_l, which is an estimate of the derivative of the loss with respect
to the spikes.  The rules from "block" to "e-prop" first filter the
eligibility like the readout filters the spikes:

    f_l = e_l after the filter of the readout, eq. (9) of `sparse_rtrl`
    dL[t]/dtheta_l = sum_i c_il f_il[t - 2 (L - l)]                   (7)
    c_L = W_out^T dy[t],
    c_(l-1) = W_l^T (psi_l gate_l)[t - 2 (L - l + 1)] c_l             (8)

In (8), gate[t] is the derivative of U[t] with respect to I[t-1].  The
delays in (7) and (8) arise because a spike reaches the potential of the
layer above after two steps.  The rules "OSTL", "OTTT" and "SLTT" assume
that the layers above layer l, including the readout, have no memory:

    dL[t]/dtheta_l = sum_i c_il e_il[t - 2 (L - l + 1)],
    where gate dy replaces dy in c_L                                  (9)

With the argument `feedback`, a fixed matrix G_l maps dy[t] to layer l: c_l
is `G_l^T dy[t]` in (7), and `G_l^T (gate[t] dy[t])` in (9).
With "DECOLLE", each hidden layer has a readout y_l with fixed weights G_l,
and a local loss:

    y_l = G_l S_l[t],  c_l = G_l^T dL(y_l)/dy_l,
    dL[t]/dtheta_l = sum_i c_il e_il[t]                              (10)

The gradient of the loss with respect to the readout weights is exact for
all rules except "SLTT".

Rules.  The rules keep the following derivatives:

    rule           inside a layer            above the layer
    exact          all                       all               [WZ89]
    block          own                       eq. (7)           [ZN21]
    implicit       own, without V_ii         eq. (7)           [ZN21]
    presynaptic    decays of I, U and A      eq. (7)           [ZN21]
    e-prop         own, no V_ii, no reset    eq. (7)           [BSS20]
    OSTL           all                       eq. (9)           [BWPE22]
    OTTT           decays of I, U and A      eq. (9)           [XMZ22]
    SLTT           dU[t+1]/dI[t]             eq. (9)           [MXY23]
    DECOLLE        decays of I, U and A      eq. (10)          [KMN20]
    readout alone  no hidden layer learns

In the table, "own" denotes derivatives of a neuron's states with respect
to earlier states of the same neuron.  The own derivatives include the
effects of the reset and of the weight V_ii from neuron i to itself.  All
rules for hidden layers keep dU[t+1]/dI[t].

Derivation.  Eqs. (3)-(6) are the chain rule, applied forward in time.
Exact.  The rule "exact" gives the gradient of backpropagation through time
    if the weights are constant.  Every rule gives the exact gradient for a
    simulation in which recorded values replace the neglected paths.
    Assume that the derivatives inside a layer are exact.  Then a rule with
    (7) is exact for the layer below the readout.  A rule with (9) is exact
    if the layers above have no memory.
Cost.   Let N_l be the number of states and p_l the number of parameters of
    layer l.  A step of "exact" needs about B sum_l p_l sum_(m >= l) N_m^2
    products, and stores B sum_l p_l sum_(m >= l) N_m numbers.  All other
    rules store a few numbers for each weight and each sequence, apart from
    "OSTL" with recurrent weights.
Departures.  The texts of [BWPE22], [XMZ22], [MXY23] and [KMN20] were not
    available; their rules follow other authors.  In [BWPE22], [XMZ22] and
    [MXY23], a spike changes the potential of the layer above in the same
    time step.  In refsnn, the potential changes two time steps later, so
    the eligibilities in (9) are delayed.

[WZ89] R. J. Williams and D. Zipser, Neural Comput. 1, 270-280, 1989.
[ZN21] F. Zenke and E. O. Neftci, Proc. IEEE 109, 2021, arXiv 2010.11931.
[BSS20] G. Bellec et al., Nat. Commun. 11, 3625, 2020.
[BWPE22] T. Bohnstingl et al., IEEE TNNLS, 2022, arXiv 2007.12723.
[XMZ22] M. Xiao et al., Online training through time, NeurIPS 2022.
[MXY23] Q. Meng et al., Spatial learning through time, ICCV 2023.
[KMN20] J. Kaiser, H. Mostafa, E. Neftci, Front. Neurosci. 14, 424, 2020.
"""

import functools
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from refsnn import alif, lif, rtrl, sparse_rtrl
from refsnn._checks import arrays, bundle, one_of, shown
from refsnn.stack import network

__all__ = ["RULES", "memory", "step"]


class Rule(NamedTuple):
    """Describe a learning rule."""
    inside: str     # derivatives that are kept inside a layer
    path: str       # derivatives that are kept from the spikes of a layer to the loss


RULES = {"exact": Rule("all", "all"),
         "block": Rule("block", "filtered"),
         "implicit": Rule("implicit", "filtered"),
         "presynaptic": Rule("presynaptic", "filtered"),
         "e-prop": Rule("detached", "filtered"),
         "OSTL": Rule("all", "shortest"),
         "OTTT": Rule("presynaptic", "shortest"),
         "SLTT": Rule("newest", "shortest"),
         "DECOLLE": Rule("presynaptic", "local"),
         "readout alone": Rule("", "")}


class State(NamedTuple):
    """Hold the last states.  The function `step` describes the fields."""
    neurons: list
    gates: list
    influence: list
    filtered: list
    past: list
    made_for: list
    __repr__ = shown


class Now(NamedTuple):
    """Hold the results of one step.  The function `step` describes the fields."""
    potentials: np.ndarray
    layers: list
    gradients: list
    __repr__ = shown


class _Local(NamedTuple):
    """Store the states and spikes of one time step.  Also store derivatives of
    the next states and of the spikes with respect to states and parameters.
    Each neuron has S state variables.  The influence M_l has p columns."""
    run: NamedTuple
    J: np.ndarray           # of the next state, (B, S n, S n) or (B, S, S, n)
    F: np.ndarray           # of the next state, (B, S, n, p)
    spike: np.ndarray       # of the spikes with respect to the states, (B, S, n)
    direct: np.ndarray      # of the spikes with respect to learned constants
    gate: np.ndarray        # of U[t+1] with respect to I[t], (B, n)


def step(layers, x, state=None, error: Callable = None, *, rule, dt,
         surrogate: Callable, learn=(), feedback=None, gain=1.0, reset="subtract",
         refractory=0, limit=2e9):
    """Simulate one time step, and compute the gradient of the loss of this step.

    >>> layers = [network.layer(np.ones(shape), tau_syn=5e-3, tau_mem=1e-2)
    ...           for shape in ((3, 2), (1, 3))]
    >>> now, state = step(layers, np.ones((1, 2)), None, lambda y: y - 1,
    ...                   rule="exact", dt=1e-3, learn=["tau_mem"],
    ...                   surrogate=lambda v: (v > 0, 1 / (1 + abs(v)) ** 2))
    >>> [g.W.shape for g in now.gradients], now.gradients[0].log_tau_mem.shape
    ([(3, 2), (1, 3)], ())

    Parameters
    ----------
    layers : list of Layer
        Hidden layers, then the readout.  All arrays are cast to the dtype of
        the weights of the first layer.
    x : (B, m) float, int or bool
    state : State from the previous step, optional; rest by default
    error : callable (B, k) -> (B, k), optional
        Derivative of the loss of this step with respect to the potentials of
        the readout.  By default, no gradient is computed.  "DECOLLE" also
        calls it with the readouts y_l.
    rule, dt : str, a name in `RULES`; float, the time step in s
    surrogate : callable v -> (value, derivative)
        Spike function of v = U - threshold; only the derivative is used.
    learn : list of str, names of learned constants in `network.CONSTANTS`
    feedback : list of (k, n) float, optional
        Fixed matrices G_l, one for each hidden layer; needed for "DECOLLE".
    gain : float or None, which stands for 1 - beta
    reset, refractory
        Arguments of `lif.step`.  Adaptive layers need reset="subtract".
    limit : float
        Largest accepted value of twice the result of `memory`, in bytes.

    Returns
    -------
    now : Now
        potentials  membrane potentials y of the readout, (B, k)
        layers      recorded step of each layer, with (B, n) arrays
        gradients   a Layer of derivatives per layer; None without `error`
    state : State, argument of the next step, with one entry for each layer
        neurons     lif.State or alif.State
        gates       derivatives of U[t] with respect to I[t-1], (B, n)
        influence   derivatives of the states with respect to the parameters
        filtered    eligibilities after the filter of the readout
        past        pairs (recent products psi gate, recent eligibilities)
        made_for    rule, learned constants, and shapes of the derivatives
    """
    one_of("rule", rule, *RULES)
    one_of("error", error, Callable, type(None))
    one_of("surrogate", surrogate, Callable)
    limit, = arrays("limit () in (0, inf]", limit)
    layers, x, learned, feedback = _checked(layers, x, learn, feedback, dt, gain, reset,
                                            rule)
    made_for = [rule, learned, _shapes(layers, learned, len(x), rule, feedback)]
    if state is None:
        needed = 2 * memory(layers, len(x), rule, learn, feedback)
        if needed > limit:
            raise ValueError(f"rule is {rule!r}: its derivatives need {needed:.2g} "
                             f"bytes, must be at most limit = {limit:.2g}")
        state = _rest(layers, len(x), made_for)
    elif bundle("state", state, State).made_for != made_for:
        raise ValueError("state belongs to other layers, another batch, another rule "
                         "or other learned constants: must be from the previous step")
    model = {"dt": dt, "gain": gain, "reset": reset}
    now, neurons, given = [], [], x
    for i, (one, names) in enumerate(zip(layers, learned, strict=True)):
        readout = i == len(layers) - 1
        run, after = _simulated(one, given, state.neurons[i], refractory, readout,
                                **model)
        now.append(_derivatives(one, names, given, run, after, surrogate, rule, readout,
                                **model))
        neurons.append(after)
        given = run.spikes
    e = [_eligibility(local, M) for local, M in zip(now, state.influence, strict=True)]
    gradients = None if error is None else _gradients(
        layers, learned, now, e, state, rule, error, feedback)
    return Now(now[-1].run.mem, [local.run for local in now], gradients), \
        _advanced(layers, now, e, neurons, state, rule, model)


def _constants(one, dt, gain):
    """Return arguments of `lif.step` or `alif.step`."""
    logs = {"alpha": one.log_tau_syn, "beta": one.log_tau_mem}
    if one.log_adaptation is not None:
        logs["rho"] = one.log_tau_adapt
    found = {
        name: np.exp(-_steps(log, dt))                                     # (1)
        for name, log in logs.items()}
    found["threshold"] = np.exp(one.log_threshold)
    found["gain"] = 1 - found["beta"] if gain is None else gain
    if one.log_adaptation is not None:
        found["adaptation"] = np.exp(one.log_adaptation)
    return found


def _steps(log, dt):
    """Return dt/tau without overflow."""
    return dt * np.exp(np.minimum(-log, 80))


def _columns(one, learned, dt, gain, F):
    """Return derivatives with respect to learned logarithms such as log tau, eq.
    (2).  F holds derivatives with respect to constants such as decay factors."""
    given = _constants(one, dt, gain)
    by = dict(zip(("alpha", "beta", "gain", "threshold", "rho", "adaptation"),
                  np.moveaxis(F, 2, 0), strict=False))
    if gain is None:
        by["beta"] = by["beta"] - by["gain"]
    core = {"tau_syn": "alpha", "tau_mem": "beta", "tau_adapt": "rho"}
    found = np.empty((*F.shape[:2], len(learned), F.shape[3]), F.dtype)
    for k, name in enumerate(learned):
        value = given[core.get(name, name)]
        if name in core:
            value = value * _steps(getattr(one, "log_" + name), dt)     # (2)
        found[:, :, k] = value * by[core.get(name, name)]   # (2)
    return found


def _simulated(one, x, state, refractory, readout, *, dt, gain, reset):
    given, drive = _constants(one, dt, gain), x @ one.W.T
    if readout:
        del given["threshold"]
        syn = np.zeros_like(drive) if state is None else state.syn
        mem, after = lif.readout_step(drive, state, **given)
        return lif.Recording(syn, mem, 0 * mem, np.zeros(mem.shape, bool)), after
    if one.log_adaptation is not None:
        return alif.step(drive, one.V, state, refractory=refractory, **given)
    return lif.step(drive, one.V, state, reset=reset, refractory=refractory, **given)


def _derivatives(one, names, x, run, after, surrogate, rule, readout, *, dt, gain,
                 reset):
    """Return the derivatives of the next states with respect to the states (J_l)
    and to the parameters (F_l), eq. (3).  Also return the derivatives
    dS_l/dh_l and dS_l/dtheta_l of the spikes, eq. (4)."""
    inside, dense = RULES[rule].inside, _dense(one, rule)
    given = _constants(one, dt, gain)
    (B, n), K, a = run.mem.shape, len(names), given.get("adaptation")
    v = run.mem - given["threshold"] - (0 if a is None else a * run.adapted)
    slope = 0 * v if readout else one_of("surrogate(v)", surrogate(v), tuple, list)[1]
    psi, = arrays(f"surrogate(v)[1] {v.shape}", slope, dtype=v.dtype)
    if a is not None:
        psi = psi * (1 - run.clamp)
    if not (readout or inside):
        return _Local(run, *[None] * 5)
    spike = np.stack([0 * psi, psi] + ([] if a is None else [-a * psi]), axis=1)
    direct = np.zeros((B, n, K), psi.dtype)
    for k, name in enumerate(names):
        if name == "threshold":
            direct[:, :, k] = -psi * given["threshold"]                            # (4)
        if name == "adaptation":
            direct[:, :, k] = -psi * a * run.adapted                               # (4)
    linear = functools.partial(_linearised, one, names, x, dt=dt, gain=gain,
                               reset=reset)
    J, F = linear(run, after, psi, dense=dense, through_reset=inside != "detached")
    gate = np.einsum("bii->bi", J[:, n:2 * n, :n]).copy()
    if dense:
        each = np.eye(n, dtype=psi.dtype)
        direct = np.einsum("bnk,nj->bnkj", direct, each).reshape(B, n, K * n)
        return _Local(run, J, F.reshape(B, -1, n, F.shape[2]), spike, direct, gate)
    if inside == "presynaptic":
        silent = run._replace(spikes=0 * run.spikes)
        J, F = linear(silent, after._replace(spikes=None), 0 * psi, dense=False)
    S = spike.shape[1]
    J = np.einsum("bsnqn->bsqn", J.reshape(B, S, n, S, n)).copy()
    F = np.einsum("bsnkn->bsnk", F.reshape(B, S, n, K, n))
    if inside == "block" and one.V is not None:
        own = np.diagonal(one.V)
        J[:, 0] += own * spike
        F[:, 0] += own[:, None] * direct
    if inside == "newest":
        J[:] = 0
        J[:, 1, 0] = gate
    z = x if one.V is None else np.concatenate([x, run.spikes], axis=1)
    by_weights = np.zeros((B, S, n, z.shape[1]), F.dtype)
    by_weights[:, 0] = z[:, None]
    return _Local(run, J, np.concatenate([by_weights, F], axis=3), spike, direct, gate)


def _dense(one, rule):
    """Return whether derivatives couple different neurons."""
    inside, path = RULES[rule]
    return path == "all" or inside == "all" and one.V is not None


def _linearised(one, names, x, run, after, psi, *, dense, through_reset=True, dt, gain,
                reset):
    module, options = (lif, {"reset": reset}) if one.log_adaptation is None \
        else (alif, {})
    W, V, x = (one.W, one.V, x) if dense else (one.W[:, :0], None, x[:, :0])
    J, F, *_ = module.linearise(
        x[None], W, V, type(run)(*(field[None] for field in run)), psi[None], after,
        through_reset=through_reset, constants=True, **options,
        **_constants(one, dt, gain))
    J, F, (B, n), C = J[1], F[1], psi.shape, 4 if module is lif else 6
    weights, constants = F[:, :, :-C * n], F[:, :, -C * n:].reshape(B, -1, C, n)
    constants = _columns(one, names, dt, gain, constants)
    return J, np.concatenate([weights, constants.reshape(B, len(J[0]), -1)], axis=2)


def _eligibility(local, influence):
    if not influence:
        return None
    e = np.einsum("bsn,bsnp->bnp", local.spike, influence[0])                      # (4)
    e[:, :, e.shape[2] - local.direct.shape[2]:] += local.direct                   # (4)
    return e


def _gradients(layers, learned, now, e, state, rule, error, feedback):
    path, top, y = RULES[rule].path, len(layers) - 1, now[-1].run.mem

    def credit(potentials):
        return arrays(f"error(y) {y.shape}", error(potentials.copy()),
                      dtype=y.dtype)[0]

    dy = credit(y)
    terms = {top: (dy, state.influence[top][-1][:, 1])}
    back = signal = dy * state.gates[top] if path == "shortest" else dy            # (9)
    for i in range(top - 1, -1, -1) if path else ():
        gates, eligibilities = state.past[i]
        if path == "all":
            terms[i] = dy, state.influence[i][-1][:, 1]                            # (6)
        elif path == "local":
            local = credit(now[i].run.spikes @ feedback[i].T)
            terms[i] = local @ feedback[i], e[i]                                  # (10)
        else:
            back = signal @ feedback[i] if feedback else back @ layers[i + 1].W    # (8)
            kept = e[i] if path == "shortest" else state.filtered[i].mem
            terms[i] = back, [kept, *eligibilities][-1]
            if not feedback:
                back = back * gates[-1]                                            # (8)
    return [_packed(one, names, *terms[i], _dense(one, rule)) if i in terms else
            network.Layer(None)
            for i, (one, names) in enumerate(zip(layers, learned, strict=True))]


def _packed(one, names, credit, e, dense):
    """Return the gradient for one layer, eq. (7)."""
    (n, m), K = one.W.shape, len(names)
    if dense:
        total = np.einsum("bi,bip->p", credit, e)                                  # (7)
        split = [n * m, len(total) - K * n]
        W, V, constants = np.split(total, split)
        constants = constants.reshape(K, n)
    else:
        total = np.einsum("bi,bip->ip", credit, e)                                 # (7)
        W, V, constants = np.split(total, [m, total.shape[1] - K], axis=1)
        constants = constants.T
    logs = {"log_" + name: value if getattr(one, "log_" + name).ndim else value.sum()
            for name, value in zip(names, constants, strict=True)}
    return network.Layer(W.reshape(n, m), V.reshape(n, n) if V.size else None, **logs)


def _advanced(layers, now, e, neurons, state, rule, model):
    """Return the state of the next step."""
    path, filtered, past = RULES[rule].path, state.filtered, state.past
    influence = [_grown(i, layers, now, e[i], parts)
                 for i, parts in enumerate(state.influence)]
    if path in ("filtered", "shortest"):
        hidden = range(len(layers) - 1)
        kept = e if path == "shortest" else [
            traces and traces.mem for traces in filtered]
        past = [(_shifted(past[i][0], now[i].spike[:, 1] * state.gates[i]),
                 _shifted(past[i][1], kept[i])) for i in hidden]
    if path == "filtered":
        given = _constants(layers[-1], model["dt"], model["gain"])
        readout = {name: float(given[name]) for name in ("alpha", "beta", "gain")}
        filtered = [sparse_rtrl.readout_step(traces, eligibility, **readout)       # (7)
                    for traces, eligibility in zip(filtered, e, strict=False)]
    gates = [local.gate for local in now]
    return State(neurons, gates, influence, filtered, past, state.made_for)


def _grown(i, layers, now, e, parts):
    """Compute eqs. (3) and (5) for the parameters of layer i."""
    new, F = [], now[i].F
    for one, local, M in zip(layers[i:], now[i:], parts, strict=False):
        if new:
            F = np.zeros_like(M)
            F[:, 0] = one.W @ e                                                    # (5)
            e = np.einsum("bsn,bsnp->bnp", local.spike, M)                         # (5)
        if local.J.ndim == 3:
            flat = len(M), -1, M.shape[3]
            after = rtrl.step(M.reshape(flat), local.J, F.reshape(flat))           # (3)
        else:
            after = np.einsum("bsqn,bqnp->bsnp", local.J, M) + F                   # (3)
        new.append(after.reshape(M.shape))
    return new


def _shifted(past, newest):
    """Prepend `newest`, and drop the last entry."""
    return [newest, *past][:len(past)]


def memory(layers, B, rule, learn=(), feedback=None):
    """Return how many bytes (int) a learning rule needs to store derivatives.

    >>> one = network.layer(np.ones((100, 100)), tau_syn=1, tau_mem=1)
    >>> memory([one] * 3, 1, "exact"), memory([one] * 3, 1, "block")
    (96000000, 964800)

    Parameters
    ----------
    layers, rule, learn, feedback : as for `step`
    B : int, the number of sequences
    """
    layers, (B,) = _fitting(layers), arrays("B () int in [1, inf)", B)
    learned = _learned(layers, learn)
    one_of("rule", rule, *RULES)
    shapes = _shapes(layers, learned, B, rule, feedback)
    return layers[0].W.itemsize * sum(
        math.prod(shape) for lists in shapes for part in lists for shape in part)


def _shapes(layers, learned, B, rule, feedback):
    path, top = RULES[rule].path, len(layers) - 1
    sizes = [(2 if one.log_adaptation is None else 3, len(one.W)) for one in layers]
    influence, filtered, gates, past = [], [], [], []
    for i, (one, names) in enumerate(zip(layers, learned, strict=True)):
        (n, m), dense = one.W.shape, _dense(one, rule)
        p = m + (0 if one.V is None else n) + len(names)
        if not path and i < top:
            influence.append([])
            continue
        influence.append([(B, *size, p * n if dense else p) for size in (
            sizes[i:] if path == "all" else sizes[i:i + 1])])
        if i == top:
            break
        kept = B, n, influence[i][0][3]
        above = top - i if feedback is None else 1      # layers up to the loss
        filtered.append([kept, kept] if path == "filtered" else [])
        gates.append([(B, n)] * (2 * above * (path in ("filtered", "shortest"))))
        past.append([kept] * {"filtered": 2 * above - 2,
                              "shortest": 2 * above}.get(path, 0))
    return influence, filtered, gates, past


def _rest(layers, B, made_for):
    dtype, shapes = layers[0].W.dtype, made_for[2]
    influence, filtered, gates, past = (
        [[np.zeros(shape, dtype) for shape in part] for part in lists]
        for lists in shapes)
    filtered = [sparse_rtrl.Traces(*pair) if pair else None for pair in filtered]
    still = [np.zeros((B, len(one.W)), dtype) for one in layers]
    return State([None] * len(layers), still, influence, filtered,
                 list(zip(gates, past, strict=True)), made_for)


def _learned(layers, learn):
    one_of("learn", learn, list, tuple, set)
    learned = [[name for name in network.CONSTANTS if name in learn
                and getattr(one, "log_" + name) is not None
                and not (i == len(layers) - 1 and name == "threshold")]
               for i, one in enumerate(layers)]
    for name in learn:
        one_of("an entry of learn", name, *network.CONSTANTS)
        if not any(name in names for names in learned):
            raise ValueError(f"learn contains {name!r}: must be a constant of a layer")
    return learned


def _fitting(layers):
    """Check layers, and unify their dtype."""
    one_of("layers", layers, list, tuple)
    if len(layers) < 1:
        raise ValueError("layers has no entry: must hold the readout at least")
    found, below = [], None
    for i, one in enumerate(layers):
        name = f"layers[{i}]"
        _, *fields = arrays(
            f"layers[{i - 1}].W? (m, _) float, {name}.W (n, m) float, "
            f"{name}.V? (n, n), {name}.log_tau_syn (n?), {name}.log_tau_mem (n?), "
            f"{name}.log_threshold (n?), {name}.log_adaptation? (n?), "
            f"{name}.log_tau_adapt? (n?)", below, *bundle(name, one, network.Layer))
        one = network.Layer(*fields)
        below = one.W
        if (one.log_adaptation is None) != (one.log_tau_adapt is None):
            raise ValueError(f"one of {name}.log_adaptation and {name}.log_tau_adapt "
                             "is None: must be given both, or neither")
        found.append(one)
    return found


def _checked(layers, x, learn, feedback, dt, gain, reset, rule):
    path = RULES[rule].path
    layers = _fitting(layers)
    arrays("dt () in (0, inf), gain? () in (0, inf)", dt, gain)
    for i, one in enumerate(layers):
        if one.log_adaptation is not None and reset != "subtract":
            raise ValueError(f"reset is {reset!r}: must be 'subtract', because "
                             f"layers[{i}] adapts")
    W0, x = arrays("layers[0].W (n, m) float, x (B, m)", layers[0].W, x)
    last = layers[-1]
    if last.V is not None or last.log_adaptation is not None:
        raise ValueError("the last layer has V or adaptation: must have neither, "
                         "because it is the readout")
    if path == "filtered" and (last.log_tau_syn.ndim or last.log_tau_mem.ndim):
        raise ValueError(f"the last layer has constants of shape (k,): must be numbers "
                         f"for the rule {rule!r}, because they filter the eligibility")
    if feedback is None and path == "local":
        raise ValueError(f"feedback is None: must be given for the rule {rule!r}")
    if feedback is not None:
        if path not in ("filtered", "shortest", "local"):
            raise ValueError(f"feedback is given: must be None for the rule {rule!r}")
        if len(feedback) != len(layers) - 1:
            raise ValueError(f"feedback has {len(feedback)} matrices: must have one "
                             f"for each of the {len(layers) - 1} hidden layers")
        k = len(last.W)
        feedback = [arrays(f"feedback[{i}] ({k}, {len(one.W)})", G, dtype=W0.dtype)[0]
                    for i, (G, one) in enumerate(zip(feedback, layers, strict=False))]
    return layers, x, _learned(layers, learn), feedback
