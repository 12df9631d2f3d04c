# refsnn 0.1.0 | oracle/build/lif_networks.py | SPDX-License-Identifier: MIT | needs: numpy
"""Create test problems in which a program must simulate LIF networks."""

import numpy as np

from refsnn import lif, losses, surrogates
from refsnn.oracle.build.lif_layers import _constants, _drawn
from refsnn.oracle.build.vector import DECAYS, LEVELS, TIMES, delayed, marked, numbers

MISTAKES = {        # (mistake, public source): options that cause the mistake
    ("reset detached", "norse lif_step, fzenke/spytorch#3"): {"through_reset": False},
    ("surrogate times its steepness", "fzenke/spytorch#2"):
        {"scale": LEVELS["steepness"]},
    ("surrogate read at the membrane, threshold forgotten", "synsense/sinabs#97"):
        {"threshold": 0.0},
    ("reset to zero, not by subtraction", "jeshraghian/snntorch#379"):
        {"reset": "zero"},
    ("missing factor: current enters without 1 - beta",
     "fangwei123456/spikingjelly#132"): {"changed": {"gain": 1.0}}}
EULER = "decays are 1 - dt/tau, not exp(-dt/tau)", "norse/norse#302"
IDLE = "the last two steps reach no recorded membrane"


def _psi(p, run, threshold, scale):
    v = run.mem - (p["threshold"] if threshold is None else threshold)
    return scale * surrogates.fast_sigmoid(v, p["steepness"])[1]


def _euler(p):
    return {"alpha": 1 - p["dt"] / p["tau_syn"], "beta": 1 - p["dt"] / p["tau_mem"]}


def _leak(own):
    return {key: own[key] for key in ("alpha", "beta", "gain")}


def _lif_constants(seed, T, B, m, n):
    def near(stream, size):
        return size * (0.75 + numbers([seed, stream], n) / 2)

    p = _drawn(seed, T, B, m, n) | {
        "tau_syn": near(4, TIMES["tau_syn"]), "tau_mem": near(5, TIMES["tau_mem"]),
        "dt": TIMES["dt"], "gain": near(6, 0.2), "threshold": near(7, 0.75),
        "syn0": 2 * numbers([seed, 8], B, n) - 0.5, "mem0": numbers([seed, 9], B, n),
        "target": (numbers([seed, 3], T, B, n) < 0.3) / 2 + 0.25,
        "steepness": LEVELS["steepness"]}
    alpha, beta = (np.exp(-p["dt"] / p[tau]) for tau in ("tau_syn", "tau_mem"))
    scales = [p["dt"] / p[tau] ** 2 for tau in ("tau_syn", "tau_mem")]

    def found(changed=(), reset="subtract", through_reset=True, threshold=None,
              scale=1.0, slopes=(alpha * scales[0], beta * scales[1]), tied=0.0):
        own = {"alpha": alpha, "beta": beta, "gain": p["gain"],
               "threshold": p["threshold"]} | dict(changed)
        layer, start = (p["x"], p["W"], p["V"]), lif.State(p["syn0"], p["mem0"])
        run, _ = lif.run(*layer, start, reset=reset, **own)
        loss, d = losses.square(run.spikes, p["target"])
        g = lif.backward(*layer, run, _psi(p, run, threshold, scale), d, reset=reset,
                         through_reset=through_reset, constants=True, **own)
        return {"loss": np.float64(loss), "spikes": run.spikes, "mem": run.mem,
                "dW": g.dW, "dV": g.dV, "dtau_syn": g.dalpha * slopes[0],
                "dtau_mem": (g.dbeta - tied * g.dgain) * slopes[1], "dgain": g.dgain,
                "dthreshold": g.dthreshold + g.direct, "dsyn0": g.dstate.syn,
                "dmem0": g.dstate.mem}

    def times(values):
        return {key: values[key] for key in ("dtau_syn", "dtau_mem")}

    wrong = {key: found(**options) for key, options in MISTAKES.items()} | {
        EULER: found(_euler(p), slopes=scales),
        ("gain follows tau_mem as 1 - beta", "spikingjelly ParametricLIFNode"):
            times(found(tied=1.0)),
        ("derivatives by the decays, not by the time constants",
         "snntorch Leaky, learn_beta"): times(found(slopes=(1.0, 1.0)))}
    text = ("LIF layer with constants of its own for each neuron, decays exp(-dt/tau), "
            "from currents syn0 and membranes mem0; loss 1/(2 B) sum (spikes - "
            "target)^2 and its gradient through the reset by all parameters; surrogate "
            "fast_sigmoid, peak 1: refsnn.lif, (1)-(3), (7)-(10), (16)-(21)")
    return text, p, found(), wrong, {"x": (marked(p["x"], -1, -2), IDLE)}


def _lif_chunks(seed, T, B, m, n, *, decays):
    p = _drawn(seed, T, B, m, n) | decays | LEVELS | {
        "target": (numbers([seed, 3], T, B, n) < 0.3) / 2 + 0.25, "cut": T // 2}
    K, V, weights = p["cut"], p["V"], (p["W"], p["V"])

    def found(changed=(), reset="subtract", through_reset=True, threshold=None,
              scale=1.0, carried=1.0, passed=1.0, lost=0.0):
        own = _constants(p) | dict(changed)
        one, end = lif.run(p["x"][:K], *weights, reset=reset, **own)
        start = end.syn - lost * one.spikes[-1] @ V.T, end.mem
        two, _ = lif.run(p["x"][K:], *weights, lif.State(
            *(carried * a for a in start)), reset=reset, **own)
        spikes = np.concatenate([one.spikes, two.spikes])
        loss, d = losses.square(spikes, p["target"])
        psis = [_psi(p, run, threshold, scale) for run in (one, two)]
        own |= {"reset": reset, "through_reset": through_reset}
        g2 = lif.backward(p["x"][K:], *weights, two, psis[1], d[K:], **own)
        back = [passed * a for a in g2.dstate[:2]]
        d[K - 1] -= lost * back[0] @ V
        g1 = lif.backward(p["x"][:K], *weights, one, psis[0], d[:K], after=end,
                          dstate=lif.State(*back), **own)
        return {"loss": np.float64(loss), "spikes": spikes,
                "mem": np.concatenate([one.mem, two.mem]), "dW": g1.dW + g2.dW,
                "dV": g1.dV + g2.dV - lost * back[0].T @ one.spikes[-1],
                "dx": np.concatenate([g1.dx, g2.dx]), "dsyn": g2.dstate.syn,
                "dmem": g2.dstate.mem}

    wrong = {key: found(**options) for key, options in MISTAKES.items()} | {
        EULER: found(_euler(TIMES)),
        ("gradient of the state dropped between the chunks",
         "synsense/sinabs-exodus#3"): found(passed=0.0),
        "state reset between the chunks": found(carried=0.0, passed=0.0),
        ("last spikes of the first chunk not carried over",
         "jeshraghian/snntorch#323"): found(lost=1.0)}
    text = ("LIF layer on the steps before cut, then on the later steps from the state "
            "that is left; loss 1/(2 B) sum (spikes - target)^2 of all steps and its "
            "gradient through the resets, as without the cut; dsyn and dmem by the "
            "state at step cut; surrogate fast_sigmoid, peak 1: refsnn.lif, (1)-(3), "
            "(7)-(11)")
    return text, p, found(), wrong, {"x": (marked(p["x"], -1, -2), IDLE)}


def _lif_wide(*, m=4, n=2048, apart=False):
    T, B = 12, 2
    p = _drawn(48, T, B, m, n) | DECAYS | LEVELS | {"target": 0.25}
    del p["V"]
    if apart:
        p |= {"alpha": (1 + numbers([48, 4], n)) / 2, "gain": 0.25,
              "beta": (1 + numbers([48, 5], n)) / 2}

    def found(changed=(), reset="subtract", through_reset=True, threshold=None,
              scale=1.0):
        own = _constants(p) | dict(changed)
        run = lif.simulate(p["x"], p["W"], reset=reset, **own)
        loss, d = losses.square(run.spikes, np.full((T, B, n), p["target"]))
        g = lif.backward(p["x"], p["W"], None, run, _psi(p, run, threshold, scale), d,
                         reset=reset, through_reset=through_reset, constants=apart,
                         **own)
        return {"loss": np.float64(loss), "counts": run.spikes.sum(axis=2),
                "mem_sum": run.mem.sum(axis=2), "dW_sum": g.dW.sum(axis=0),
                "dx": g.dx} | ({"dalpha_sum": g.dalpha.sum(),
                                "dbeta_sum": g.dbeta.sum()} if apart else {})

    pair = {key: p[key] for key in ("alpha", "beta")}
    wrong = {key: found(**options) for key, options in MISTAKES.items()} | ({
        EULER: found({key: 1 + np.log(a) for key, a in pair.items()}),
        ("decays of the first neuron for all", "snntorch LeakyParallel"):
            found({key: a[0] for key, a in pair.items()}),
        "mean decays for all": found({key: a.mean() for key, a in pair.items()}),
        "alpha and beta exchanged": found({"alpha": p["beta"], "beta": p["alpha"]})}
        if apart else {EULER: found(_euler(TIMES))})
    text = (f"LIF layer of {n} neurons{' with decays of their own' * apart}, loss 1/(2 "
            "B) sum (spikes - target)^2 and its gradient through the reset; counts, "
            f"mem_sum{', dalpha_sum, dbeta_sum' * apart} and dW_sum are sums over the "
            "neurons; surrogate fast_sigmoid, peak 1: refsnn.lif, (1)-(3), (7)-(11)")
    return text, p, found(), wrong, {"x": (marked(p["x"], -1, -2), IDLE)}


def _lif_stack(seed, T, B, m, n, *, decays):
    k = 2
    p = decays | LEVELS | {
        "x": (numbers([seed, 0], T, B, m) < 0.4).astype(float),
        "W": (3 * numbers([seed, 1], n, m) - 1) / max(1, m / 4),
        "W2": (3 * numbers([seed, 4], n, n) - 1) / max(1, n / 4),
        "W_out": 2 * numbers([seed, 5], k, n) - 1,
        "target": numbers([seed, 3], T, B, k)}

    def found(changed=(), reset="subtract", through_reset=True, threshold=None,
              scale=1.0, late=False, past=True):
        own = _constants(p) | dict(changed)
        options = {"reset": reset, "through_reset": through_reset}
        one = lif.simulate(p["x"], p["W"], reset=reset, **own)
        x = delayed(one.spikes) if late else one.spikes
        two = lif.simulate(x, p["W2"], reset=reset, **own)
        psi, psi2 = (_psi(p, run, threshold, scale) for run in (one, two))
        out = lif.readout(two.spikes, p["W_out"], **_leak(own))
        loss, e = losses.square(out, p["target"])
        back = lif.readout_backward(two.spikes, p["W_out"], e, **_leak(own))
        g2 = lif.backward(x, p["W2"], None, two, psi2, back.dx, **options, **own)
        d = g2.dx if past else lif.backward(
            x, p["W2"], None, two, psi2, back.dx, through_reset=False,
            **(own | {"alpha": 0.0, "beta": 0.0})).dx
        d = np.concatenate([d[1:], 0 * d[:1]]) if late else d
        g = lif.backward(p["x"], p["W"], None, one, psi, d, **options, **own)
        return {"loss": np.float64(loss), "spikes": one.spikes, "mem": one.mem,
                "spikes2": two.spikes, "mem2": two.mem, "dW": g.dW, "dW2": g2.dW,
                "dW_out": back.dW, "dx": g.dx}

    wrong = {key: found(**options) for key, options in MISTAKES.items()} | {
        EULER: found(_euler(TIMES)),
        ("one more step between the layers", "fangwei123456/spikingjelly#236"):
            found(late=True),
        ("errors pass the second layer without its decays and reset",
         "jrz97619761/test-model-thing#2"): found(past=False)}
    text = ("spiking layers W and W2 and a leaky readout W_out; loss 1/(2 B) sum (out "
            "- target)^2 and its gradient through the resets; surrogate fast_sigmoid, "
            "peak 1: refsnn.lif, (1)-(3), (6)-(11)")
    return text, p, found(), wrong, {"x": (marked(p["x"], -1, -2), IDLE)}


def _every_step(out, labels):
    steps = [losses.cross_entropy(row[None], labels) for row in out]
    return (np.mean([loss for loss, _ in steps]),
            np.concatenate([slope for _, slope in steps]) / len(out))


def _lif_readout(seed, T, B, m, n, *, decays):
    p = _drawn(seed, T, B, m, n) | decays | LEVELS | {
        "W_out": 2 * numbers([seed, 4], 3, n) - 1, "labels": np.arange(B) * 2 % 3}
    layer = p["x"], p["W"], p["V"]

    def found(changed=(), reset="subtract", through_reset=True, threshold=None,
              scale=1.0, through_recurrence=True, cost=losses.cross_entropy,
              late=False):
        own = _constants(p) | dict(changed)
        run = lif.simulate(*layer, reset=reset, **own)
        out = lif.readout(run.spikes, p["W_out"], **_leak(own))
        loss, e = cost(out, p["labels"])
        back = lif.readout_backward(run.spikes, p["W_out"], e, **_leak(own))
        seen = run._replace(spikes=delayed(run.spikes)) if late else run
        g = lif.backward(*layer, seen, _psi(p, run, threshold, scale), back.dx,
                         reset=reset, through_reset=through_reset,
                         through_recurrence=through_recurrence, **own)
        return {"loss": np.float64(loss), "spikes": run.spikes, "mem": run.mem,
                "out": out, "dW": g.dW, "dV": g.dV, "dW_out": back.dW, "dx": g.dx}

    half = {key: decays[key] ** 0.5 for key in ("alpha", "beta")}
    wrong = {key: found(**options) for key, options in MISTAKES.items()} | {
        EULER: found(_euler(TIMES)),
        ("dt not equal to the bin: decays of dt/2", "SpyTorch tutorial 4"): found(half),
        ("recurrent spikes detached", "stork Connection, propagate_gradients=False"):
            found(through_recurrence=False),
        ("presynaptic spikes of dV one step late", "[NMZ19] box 2"):
            {"dV": found(late=True)["dV"]},
        ("softmax at each step, then the mean over time", "snntorch ce_rate_loss"):
            found(cost=_every_step)}
    text = ("recurrent spiking layer and a leaky readout W_out; cross entropy of the "
            "maximum of out over time, mean over the batch, nats, and its gradient "
            "through the reset; surrogate fast_sigmoid, peak 1: refsnn.lif, (1)-(3), "
            "(6)-(11)")
    return text, p, found(), wrong, {"x": (marked(p["x"], -1, -2), IDLE)}
