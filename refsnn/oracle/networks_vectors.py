# refsnn 0.1.0 | oracle/networks_vectors.py | SPDX-License-Identifier: MIT | needs: numpy
"""Golden vectors of other networks, each with its named wrong answers.

A tanh network and an LSTM backward in time, and exact gradients of spike
times, as `Vector`s of `conformance_spikes`.
"""

import numpy as np

from refsnn import losses, lstm, rnn, spike_time
from refsnn.oracle.spikes_vectors import Mutant, Vector, delayed, numbers

__all__ = ["NETWORKS", "TIMED"]

UNIT = {"tau": 0.5, "threshold": 0.75}


def _adjoints(p, d, before, x):
    """dW, dV, dx of the adjoints of pre-activations."""
    return {"dW": np.einsum("tbi,tbj->ij", d, x),
            "dV": np.einsum("tbi,tbj->ij", d, before), "dx": d @ p["W"]}


def _rnn(name, seed, T, B, m, n):
    """A tanh network backward in time."""
    p = {"x": 2 * numbers([seed, 0], T, B, m) - 1, "W": numbers([seed, 1], n, m) - 0.5,
         "V": 2 * numbers([seed, 2], n, n) - 1,
         "target": 2 * numbers([seed, 3], T, B, n) - 1}
    h = rnn.simulate(p["x"], p["W"], p["V"])
    before, (loss, e) = delayed(h), losses.square(h, p["target"])

    def found(V=p["V"], slope=1 - h ** 2, e=e, before=before, x=p["x"]):
        d = e * slope
        for t in range(T - 2, -1, -1):
            d[t] += slope[t] * (d[t + 1] @ V)
        return _adjoints(p, d, before, x)

    mutants = [
        Mutant("presynaptic states of dV one step early", "[NMZ19] box 2",
               {"dV": found(before=h)["dV"]}),
        Mutant("input one step late in dW", "", {"dW": found(x=delayed(p["x"]))["dW"]}),
        Mutant("transposed V", "", found(V=p["V"].T)),
        Mutant("truncation: errors of the same step alone", "", found(V=0 * p["V"])),
        Mutant("missing factor: derivative of tanh", "", found(slope=1 + 0 * h)),
        Mutant("tanh twice: its derivative at the state", "", found(
            slope=1 - np.tanh(h) ** 2)),
        Mutant("errors one step late", "", found(e=delayed(e))),
        Mutant("errors of the last step alone", "", found(
            e=e * (np.arange(T) == T - 1)[:, None, None])),
        Mutant("errors summed, not averaged, over the batch", "", found(e=B * e)),
        Mutant("missing factor 1/2 of the square loss", "", found(e=2 * e))]
    right = dict(zip(("dW", "dV", "dx"), rnn.backward(p["x"], p["W"], p["V"], h, e),
                     strict=True))
    return Vector(name, "h[t] = tanh(W x[t] + V h[t-1]) from h = 0, loss 1/(2 B) sum "
                  "(h - target)^2 and its gradient: refsnn.rnn, (1)-(6)", p,
                  {"h": h, "loss": np.float64(loss)} | right, mutants, False)


def _cells(seed, T, B, m, n):
    """Inputs of an LSTM."""
    return {"x": 2 * numbers([seed, 0], T, B, m) - 1,
            "W": 2 * numbers([seed, 1], 4 * n, m) - 1,
            "V": 2 * numbers([seed, 2], 4 * n, n) - 1,
            "b": numbers([seed, 3], 4 * n) - 0.5,
            "target": 2 * numbers([seed, 4], T, B, n) - 1,
            "x_mask": 2 * numbers([seed, 5], B, m).round()}


def _lstm(name, seed, T, B, m, n):
    """An LSTM backward in time."""
    p = _cells(seed, T, B, m, n)
    b, rows = p["b"], np.arange(4 * n).reshape(4, n)

    def found(order=(0, 1, 2, 3), b=b, back=None, mask=p["x_mask"], scale=1,
              late=False):
        at = rows[list(order)].ravel()              # where a gate's rows are read
        W, V = p["W"][at], p["V"][at]
        run = lstm.simulate(p["x"], W, V, b[at], x_mask=mask)
        loss, e = losses.square(run.h, p["target"])
        g = lstm.backward(p["x"], W, V if back is None else back, b[at], run,
                          scale * (delayed(e) if late else e), x_mask=mask)
        again = np.argsort(at)
        return {"h": run.h, "loss": np.float64(loss), "dW": g.dW[again],
                "dV": g.dV[again], "db": g.db[again], "dx": g.dx}

    def slopes(run):
        return {key: a for key, a in run.items() if key[0] == "d"}

    turned = p["V"].reshape(4, n, n).swapaxes(1, 2).reshape(4 * n, n)
    mutants = [
        Mutant("gates in the order i, f, o, g", "", found((0, 1, 3, 2))),
        Mutant("gates in the order i, g, f, o", "TensorFlow 1 BasicLSTMCell", found(
            (0, 2, 1, 3))),
        Mutant("forget gates biased by 1 more", "TensorFlow 1 BasicLSTMCell", found(
            b=b + np.repeat([0, 1, 0, 0], n))),
        Mutant("gradient cut where it leaves a cell", "[HS97]", slopes(
            found(back=0 * p["V"]))),
        Mutant("transposed V", "", slopes(found(back=turned))),
        Mutant("dropout left out", "", found(mask=np.ones((B, m)))),
        Mutant("dropout not scaled by 1/(1 - rate)", "", found(mask=p["x_mask"] / 2)),
        Mutant("errors one step late", "", slopes(found(late=True))),
        Mutant("errors summed, not averaged, over the batch", "", slopes(
            found(scale=B))),
        Mutant("missing factor 1/2 of the square loss", "", slopes(found(scale=2)))]
    return Vector(name, "LSTM from rest, rows i, f, g, o, inputs times x_mask; loss "
                  "1/(2 B) sum (h - target)^2 and its gradient: refsnn.lstm, (1)-(9)",
                  p, found(), mutants, False)


def _gradient(p, times, causal, slope, dtimes):
    """dW and dinputs from spike times, causal sets and slopes."""
    ago = (times[:, :, None] - p["inputs"][:, None]) / p["tau"]
    by_weight = -p["tau"] * (1 - np.exp(-ago)) * causal / slope[:, :, None]
    by_input = p["W"] * np.exp(-ago) * causal / slope[:, :, None]
    return {"dW": np.einsum("bi,bij->ij", dtimes, by_weight),
            "dinputs": np.einsum("bi,bij->bj", dtimes, by_input)}


def _spike_time():
    """Spike times, and their gradient through the crossing."""
    B, m, n = 4, 5, 3
    p = {"inputs": 2 * numbers([21, 0], B, m), "W": 2.5 * numbers([21, 1], n, m) + 0.5,
         "labels": np.array([0, 2, 1, 2]), "scale": 0.25, "late": 9.0} | UNIT
    out = spike_time.forward(p["inputs"], p["W"], **UNIT)
    causal, slope = out.causal.astype(float), out.slope
    loss, d = spike_time.cross_entropy(out.times, p["labels"], scale=p["scale"],
                                       late=p["late"])
    dW, dinputs = spike_time.backward(d, p["inputs"], p["W"], out, tau=p["tau"])

    def found(slope=slope, d=d):
        return _gradient(p, out.times, causal, slope, d)

    every = p["W"].sum(axis=1) - p["threshold"] / p["tau"]
    times = p["tau"] * np.log(np.exp(p["inputs"] / p["tau"]) @ p["W"].T / every)
    other, wrong = spike_time.cross_entropy(times, p["labels"], scale=p["scale"],
                                            late=p["late"])
    mutants = [
        Mutant("all inputs in the causal set, later ones too", "", {
            "times": times, "loss": np.float64(other)} | _gradient(
                p, times, 1.0, np.broadcast_to(every, slope.shape), wrong)),
        Mutant("missing term: threshold/tau of the slope", "", found(
            slope=slope + p["threshold"] / p["tau"])),
        Mutant("missing factor: slope of the crossing", "", found(
            slope=np.ones_like(slope))),
        Mutant("derivative of exp(t/tau), not of t", "", found(
            d=d * np.exp(out.times / p["tau"]) / p["tau"])),
        Mutant("missing factor tau", "", {"dW": dW / p["tau"]}),
        Mutant("sign: more weight, later spike", "", {"dW": -dW}),
        Mutant("errors summed, not averaged, over the batch", "", found(d=B * d)),
        Mutant("missing factor 1/scale", "", found(d=p["scale"] * d))]
    return Vector("spike_time", "first spikes of units without a leak, currents decay "
                  "with tau (s), W in threshold units/s; loss -1/B sum log softmax("
                  "-times/scale)[labels] and its gradient: refsnn.spike_time, (1)-(6), "
                  "(8), (9)", p, {"times": out.times, "loss": np.float64(loss),
                                  "dW": dW, "dinputs": dinputs}, mutants, False)


NETWORKS = {    # as conformance_spikes.RULES
    "rnn": (_rnn, {}, (22, 20, 3, 4, 3)), "lstm": (_lstm, {}, (23, 12, 3, 4, 3))}
TIMED = {"spike_time": (_spike_time, ())}       # name: (function, its arguments)
