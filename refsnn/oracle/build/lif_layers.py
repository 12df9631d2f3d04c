# refsnn 0.1.0 | oracle/build/lif_layers.py | SPDX-License-Identifier: MIT | needs: numpy
"""Create test problems for LIF layers.

In test problems with "dyadic" in their names, the decay factors are 1/2,
and the weights are multiples of 1/4, so that float32 rounds no value.
"""

import numpy as np

from refsnn import bptt, conventions, lif, losses, rtrl, snap, sparse_rtrl, surrogates
from refsnn.oracle.build.vector import DECAYS, LEVELS, TIMES, delayed, marked, numbers

FORWARD = {     # (mistake, public source): changed axes of conventions.Step
    ("input one step early", "norse/norse#325"): {"input": "same"},
    ("spikes shown one step early", "fzenke/spytorch#10"): {"test": "after"},
    ("membrane and current shown one step early", "fzenke/spytorch#10"):
        {"record": "after"},
    ("reset to zero, not by subtraction", "jeshraghian/snntorch#379"):
        {"reset": "zero"},
    ("no reset", ""): {"reset": "none"},
    ("reset before the decay: beta times threshold is subtracted",
     "jeshraghian/snntorch#341"): {"reset_at": "before"},
    ("reset in the step of the spike", "jeshraghian/snntorch#364"):
        {"reset_at": "once"},
    ("new current read in the step of its update", "snntorch Synaptic"):
        {"synapse": "first", "input": "same"},
    ("current decays before it is read", "lava, snntorch Synaptic"):
        {"synapse": "first"},
    ("input decays in the step of its arrival", "sinabs, rockpool"):
        {"synapse": "last"},
    ("decays are 1 - dt/tau, not exp(-dt/tau)", "norse/norse#302"): {"decay": "euler"},
    ("missing factor: current enters the membrane without 1 - beta",
     "fangwei123456/spikingjelly#132"): {"gain": "one"},
    ("several spikes a step", ""): {"spikes": "many"},
    ("a tie is a spike: >=, not >", "lava-nc/lava#151"): {"compare": ">="}}
RULES = {"exact": "exact RTRL", "block": "block-diagonal RTRL",
         "implicit": "recurrence dropped (e-prop)",
         "presynaptic": "presynaptic traces alone"}
SOURCES = {"exact": "sparse_rtrl, (1)-(3), (7), (8)",
           "block": "sparse_rtrl, (1), (2), (4), (7), (8)",
           "implicit": "sparse_rtrl, (1), (2), (5), (7), (8)"}
FAST = "surrogate 1/(1 + steepness |mem - threshold|)^2"
TRIANGLE = "surrogate max(0, 1 - steepness |mem - threshold|)"


def _drawn(seed, T, B, m, n):
    return {"x": (numbers([seed, 0], T, B, m) < 0.4).astype(float),
            "W": (5 * numbers([seed, 1], n, m) - 1.75) / max(1, m / 4),
            "V": (8 * numbers([seed, 2], n, n) - 5).round() / 4}


def _problem(seed, T, B, m, n, decays, recurrent=True, dyadic=False):
    p = _drawn(seed, T, B, m, n)
    if not recurrent:
        del p["V"]
    if dyadic:
        p["W"] = (8 * numbers([seed, 1], n, m) - 2).round() / 4
        return p | {"alpha": 0.5, "beta": 0.5, "gain": 1.0, "threshold": 1.0}
    return p | TIMES | decays | {"threshold": LEVELS["threshold"]}


def _constants(p):
    return {key: p[key] for key in ("alpha", "beta", "gain", "threshold")}


def _shown(run):
    return {"spikes": run.spikes, "mem": run.mem, "syn": run.syn}


def _idle(p):
    """Mark inputs that affect no output."""
    found = {"x": (marked(p["x"], -1, -2),
                   "the last two steps reach no recorded membrane"),
             "mem": (marked(p["mem"], 0, 1), "no weight acts on the first two steps")}
    if "syn" in p:
        found["syn"] = marked(p["syn"]), "the gradient does not depend on the current"
    return found | _repeated(p)


def _repeated(p):
    """Mark time constants that affect no output."""
    return {key: (marked(p[key]), "alpha, beta and gain give the same information")
            for key in TIMES if key in p}


def _forward(seed, T, B, m, n, *, dyadic=False, decays=DECAYS):
    p = _problem(seed, T, B, m, n, decays, True, dyadic)
    half = 1 / np.log(2)                                    # exp(-1 / half) is 1/2
    taus = {"tau_syn": half, "tau_mem": half, "dt": 1.0} if dyadic else TIMES
    base = conventions.Step(gain="one" if dyadic else "leak")

    def run(axes=(), V=p["V"], taus=taus):
        step = base._replace(**dict(axes))
        return conventions.recorded(step, conventions.simulate(
            step, p["x"], p["W"], V, threshold=p["threshold"], **taus))

    spikes = np.zeros((T, B, n))
    for _ in range(T):                              # step t is final after t + 1 runs
        late = lif.simulate(p["x"], p["W"], p["V"], reset_spikes=delayed(spikes),
                            **_constants(p))
        spikes = late.spikes
    unseen = {"decay", "gain"} if dyadic else {"compare", "spikes"}
    wrong = {key: run(axes) for key, axes in FORWARD.items() if not unseen & set(axes)}
    wrong["reset one step late", "jeshraghian/snntorch#364"] = _shown(late)
    wrong["transposed V"] = run(V=p["V"].T.copy())
    if not dyadic:
        wrong["dt not equal to the bin: decays of dt/2", "SpyTorch tutorial 4"] = run(
            taus=taus | {"dt": taus["dt"] / 2})
    text = ("LIF layer from rest, reset by subtraction: refsnn.lif.simulate, equations "
            "(1)-(3)")
    right = _shown(lif.simulate(p["x"], p["W"], p["V"], **_constants(p)))
    last = {"x": (marked(p["x"], -1), "the last step reaches no recorded current")}
    return text, p, right, wrong, last | _repeated(p)


def _recorded(p, seed, dyadic=False):
    run = lif.simulate(p["x"], p["W"], p.get("V"), **_constants(p))
    p["target"] = (numbers([seed, 3], *run.spikes.shape) < 0.3) / 2 + 0.25
    p["steepness"] = 0.5 if dyadic else LEVELS["steepness"]
    surrogate = surrogates.triangle if dyadic else surrogates.fast_sigmoid
    psi = surrogate(run.mem - p["threshold"], p["steepness"])[1]
    return p, run, psi, *losses.square(run.spikes, p["target"])


def _recorded_outputs(loss, run):
    return {"loss": np.float64(loss), "spikes": run.spikes, "mem": run.mem}


def _surrogate_mistakes(p, run, psi):
    v, k = np.abs(run.mem - p["threshold"]), p["steepness"]
    return {
        "surrogate without +1": 1 / (k * np.maximum(v, 1e-3)) ** 2,
        ("surrogate times its steepness (SuperSpike's own code)", "fzenke/spytorch#2"):
            k * psi,
        "surrogate one step late": delayed(psi),
        ("surrogate read at the membrane, threshold forgotten", "synsense/sinabs#97"):
            surrogates.fast_sigmoid(run.mem, k)[1]}


def _backward(seed, T, B, m, n, *, detached=False, dyadic=False, decays=DECAYS):
    p = _problem(seed, T, B, m, n, decays, not dyadic, dyadic)
    p, run, psi, loss, d = _recorded(p, seed, dyadic)
    x, V = p["x"], p.get("V")

    def gradient(x=x, V=V, psi=psi, d=d, run=run, through_reset=not detached,
                 through_recurrence=True, gain=p["gain"]):
        g = lif.backward(x, p["W"], V, run, psi, d, through_reset=through_reset,
                         through_recurrence=through_recurrence,
                         **(_constants(p) | {"gain": gain}))
        return {"dW": g.dW, "dx": g.dx} | ({} if V is None else {"dV": g.dV})

    reset = ("reset not detached", "norse lif_feed_forward_step, fzenke/spytorch#3") \
        if detached else ("reset detached", "norse lif_step, fzenke/spytorch#3")
    wrong = {
        reset: gradient(through_reset=detached),
        "input one step late in dW": {"dW": gradient(delayed(x))["dW"]},
        "errors one step late": gradient(d=delayed(d)),
        "errors summed, not averaged, over the batch": gradient(d=B * d),
        "loss and errors summed, not averaged, over the batch":
            gradient(d=B * d) | {"loss": np.float64(B * loss)},
        "missing factor 1/2 of the square loss":
            gradient(d=2 * d) | {"loss": np.float64(2 * loss)}}
    if not dyadic:
        late = run._replace(spikes=delayed(run.spikes))
        wrong |= {key: gradient(psi=other) for key, other in
                  _surrogate_mistakes(p, run, psi).items()} | {
            ("missing factor: current enters without 1 - beta",
             "fangwei123456/spikingjelly#132"): gradient(gain=1.0),
            "transposed V": gradient(V=V.T),
            "recurrent path cut": gradient(through_recurrence=False),
            ("presynaptic spikes of dV one step late", "[NMZ19] box 2"):
                {"dV": gradient(run=late)["dV"]}}
    text = ("loss 1/(2 B) sum (spikes - target)^2 of the recorded layer and its "
            f"gradient {'with the reset detached' if detached else 'through the reset'}"
            f"; {TRIANGLE if dyadic else FAST}: refsnn.lif, (1)-(3), (7)-(11)")
    p |= _shown(run)
    return text, p, _recorded_outputs(loss, run) | gradient(), wrong, _idle(p)


def _linearised(p, run, psi, d, V, through_reset=True):
    J, F, _ = lif.linearise(p["x"], p["W"], V, run, psi, through_reset=through_reset,
                            **_constants(p))
    return J, F, lif.credit(psi, d)


def _split(p, flat):
    n, m = p["W"].shape
    return {"dW": flat[:n * m].reshape(n, m), "dV": flat[n * m:].reshape(n, n)}


def _rtrl(seed, T, B, m, n, *, decays, rule="exact"):
    p, run, psi, loss, d = _recorded(_problem(seed, T, B, m, n, decays), seed)
    V = p["V"]
    J, F, q = _linearised(p, run, psi, d, V)

    def by_rule(rule=rule, psi=psi):
        g = sparse_rtrl.gradient(p["x"], V, tuple(run), psi, d, rule=rule,
                                 **_constants(p))
        return {"dW": g.dW, "dV": g.dV}

    wrong = {(f"truncated after K={K}, not RTRL", "snntorch 1.0.0, RTRL" * (K == 1)):
             _split(p, bptt.truncated(J, F, q, K)) for K in (1, 2)}
    wrong |= {(f"{RULES[other]}, not {RULES[rule]}",
               "IGITUGraz/eligibility_propagation#2"): by_rule(other)
              for other in RULES if other != rule}
    right = by_rule()
    if rule == "exact":
        detached = _linearised(p, run, psi, d, V, False)
        early = np.concatenate([q[1:], 0 * q[:1]])
        wrong |= {
            "transposed V": _split(p, rtrl.gradient(*_linearised(p, run, psi, d, V.T))),
            ("reset detached", "norse lif_step"): _split(p, rtrl.gradient(*detached)),
            "influence used one step late": _split(p, rtrl.gradient(J, F, early))}
    wrong |= {key: by_rule(psi=other) for key, other in
              _surrogate_mistakes(p, run, psi).items()}
    text = ("loss 1/(2 B) sum (spikes - target)^2 and its gradient forward in time: "
            f"{RULES[rule]}, through the reset; {FAST}: refsnn.lif, (1)-(3), "
            f"refsnn.{SOURCES[rule]}")
    p |= _shown(run)
    return text, p, _recorded_outputs(loss, run) | right, wrong, _idle(p)


def _online_steps(seed, T, B, m, n, *, decays):
    p, run, psi, loss, d = _recorded(_problem(seed, T, B, m, n, decays), seed)
    each, rules = np.eye(T)[:, :, None, None], ("exact", "block", "implicit", "eprop")

    def steps(psi=psi, late=0, names=rules, through_reset=True):
        found = {f"dWV_{key}": [sparse_rtrl.gradient(
            p["x"], p["V"], tuple(run), psi, None, np.roll(psi * d * one, -late, 0),
            rule=key.replace("eprop", "presynaptic"), through_reset=through_reset,
            **_constants(p)) for one in each] for key in names}
        return {key: np.array([[*g.dW.flat, *g.dV.flat] for g in rows])
                for key, rows in found.items()}

    right, (J, F, q) = steps(), _linearised(p, run, psi, d, p["V"])
    wrong = {
        "sum over all steps so far": {key: a.cumsum(0) for key, a in right.items()},
        "traces used one step late": steps(late=1),
        "by the step of the weight, as in BPTT, not by the step of the loss": {
            "dWV_exact": np.array([bptt.gradient(J, F * one[..., None], q)
                                   for one in each])},
        ("truncated after K=1, not RTRL", "snntorch 1.0.0, RTRL"): {
            "dWV_exact": np.array([bptt.truncated(J, F, q * one, 1) for one in each])},
        ("every rule gives the exact gradient", "chaobrain/braintrace#141"): {
            key: right["dWV_exact"] for key in right},
        "V_ii left out of the blocks": {"dWV_block": right["dWV_implicit"]},
        ("reset kept in the traces of e-prop", "IGITUGraz/eligibility_propagation#2"):
            {"dWV_eprop": right["dWV_implicit"]},
        ("reset detached", "norse lif_step"):
            steps(names=rules[:3], through_reset=False),
        ("surrogate times its steepness", "fzenke/spytorch#2"):
            steps(p["steepness"] * psi)}
    text = ("share of each step in a gradient that runs forward in time, row t of the "
            "loss 1/(2 B) sum (spikes[t] - target[t])^2, columns W and then V, row by "
            "row: exact RTRL, block-diagonal, recurrence dropped (implicit), and also "
            f"the reset (eprop); {FAST}: refsnn.lif, (1)-(3), refsnn.sparse_rtrl, "
            "(1)-(8)")
    p |= _shown(run)
    return text, p, _recorded_outputs(loss, run) | right, wrong, _idle(p)


def _truncated(seed, T, B, m, n, *, decays, kind):
    p, run, psi, loss, d = _recorded(_problem(seed, T, B, m, n, decays), seed)
    p["K"] = K = 5

    def gradient(kind=kind, psi=psi, through_reset=True, K=K, V=p["V"], first=0):
        J, F, q = _linearised(p, run, psi, d, V, through_reset)
        if kind == "rolling":
            return _split(p, bptt.truncated(J, F, q, K))
        if kind == "end":
            return _split(p, bptt.gradient(J[-K:], F[-K:], q[-K:]))
        J[first::K], F[first::K] = 0, 0             # no gradient leaves a chunk
        return _split(p, bptt.gradient(J, F, q))

    wrong = {
        ("truncation counted from the end of the sequence", "axiomrnn 0.1.1"):
            gradient("end"),
        ("exact gradient, not truncated", "chaobrain/braintrace#141"):
            gradient("rolling", K=T),
        ("truncated after K=1, not RTRL", "snntorch 1.0.0, RTRL"):
            gradient("rolling", K=1),
        "transposed V": gradient(V=p["V"].T),
        ("reset detached", "norse lif_step, fzenke/spytorch#3"):
            gradient(through_reset=False),
        ("surrogate times its steepness", "fzenke/spytorch#2"):
            gradient(psi=p["steepness"] * psi),
        ("surrogate read at the membrane, threshold forgotten", "synsense/sinabs#97"):
            gradient(psi=surrogates.fast_sigmoid(run.mem, p["steepness"])[1])}
    if kind == "rolling":
        wrong["truncation by chunks, not rolling", "snntorch TBPTT"] = \
            gradient("chunks")
        wrong |= {"one step too few": gradient(K=K - 1),
                  "one step too many": gradient(K=K + 1)}
    else:
        wrong |= {"chunks one step too short": gradient(K=K - 1),
                  "chunks one step too long": gradient(K=K + 1),
                  "chunks begin one step early": gradient(first=K - 1),
                  "chunks begin one step late": gradient(first=1)}
    how = ("each loss acts back over K steps" if kind == "rolling" else
           "states at steps 0, K, 2 K ... are constants (dstate = 0)")
    text = ("loss 1/(2 B) sum (spikes - target)^2 of a LIF layer and its truncated "
            f"gradient through the reset; {how}; {FAST}: refsnn.lif, (1)-(3), (12), "
            f"(13), (15), refsnn.bptt, {'(4)' if kind == 'rolling' else '(1)-(3)'}")
    p |= _shown(run)
    idle = _idle(p)
    if kind == "chunks":
        first = [t for t in range(T) if t % K < 2]
        idle["mem"] = (marked(run.mem, *first),
                       "no weight acts on the first two steps of a chunk")
    return text, p, _recorded_outputs(loss, run) | gradient(), wrong, idle


def _snap(*, order):
    m, n = 3, 4
    p = _drawn(27, 30, 2, m, n) | DECAYS | LEVELS
    p["V"] = np.eye(n) * p["V"] - np.roll(np.eye(n), 1, axis=0) * (
        0.25 + numbers([27, 4], n, n))
    p, run, psi, loss, d = _recorded(p, 27)
    J, F, q = _linearised(p, run, psi, d, p["V"])
    transposed, _, _ = _linearised(p, run, psi, d, p["V"].T)
    known = snap.reach(p["V"], order)

    def gradient(pattern, J=J, F=F, q=q):
        return _split(p, snap.gradient(J, F, q, snap.owners(n, m), pattern))

    wrong = {(f"SnAp-{k}, not SnAp-{order}", "chaobrain/braintrace#143"):
             gradient(snap.reach(p["V"], k)) for k in (1, 2, 3) if k != order} | {
        "exact gradient, not SnAp": gradient(np.ones((n, n), bool)),
        "transposed V": gradient(snap.reach(p["V"].T, order), transposed),
        ("truncation after K=1 sold as SnAp", "snntorch 1.0.0, RTRL"):
            _split(p, bptt.truncated(J, F, q, 1)),
        "reset detached": gradient(known, *_linearised(p, run, psi, d, p["V"], False))}
    wrong |= {key: gradient(known, *_linearised(p, run, other, d, p["V"]))
              for key, other in _surrogate_mistakes(p, run, psi).items()}
    text = ("loss 1/(2 B) sum (spikes - target)^2 of a recorded ring and its SnAp-"
            f"{order} gradient, through the reset; {FAST}: refsnn.lif, (1)-(3), (12), "
            "(13), (15), refsnn.snap, (1)-(3)")
    p |= _shown(run)
    right = _recorded_outputs(loss, run) | gradient(known)
    return text, p, right, wrong, _idle(p)
