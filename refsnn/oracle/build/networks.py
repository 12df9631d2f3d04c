# refsnn 0.1.0 | oracle/build/networks.py | SPDX-License-Identifier: MIT | needs: numpy
"""Create test problems for recurrent, convolutional and spike-time networks."""

import numpy as np

from refsnn import convnet, losses, lstm, rnn, spike_time
from refsnn.oracle.build.vector import delayed, marked, numbers


def _rnn(seed, T, B, m, n):
    p = {"x": 2 * numbers([seed, 0], T, B, m) - 1, "W": numbers([seed, 1], n, m) - 0.5,
         "V": 2 * numbers([seed, 2], n, n) - 1,
         "target": 2 * numbers([seed, 3], T, B, n) - 1}
    h = rnn.simulate(p["x"], p["W"], p["V"])
    before, (loss, e) = delayed(h), losses.square(h, p["target"])

    def found(V=p["V"], slope=1 - h ** 2, e=e, before=before, x=p["x"]):
        d = e * slope
        for t in range(T - 2, -1, -1):
            d[t] += slope[t] * (d[t + 1] @ V)
        return {"dW": np.einsum("tbi,tbj->ij", d, x),
                "dV": np.einsum("tbi,tbj->ij", d, before), "dx": d @ p["W"]}

    last = (np.arange(T) == T - 1)[:, None, None]
    wrong = {
        ("presynaptic states of dV one step early", "[NMZ19] box 2"):
            {"dV": found(before=h)["dV"]},
        "input one step late in dW": {"dW": found(x=delayed(p["x"]))["dW"]},
        "transposed V": found(V=p["V"].T),
        "truncation: errors of the same step alone": found(V=0 * p["V"]),
        "missing factor: derivative of tanh": found(slope=1 + 0 * h),
        "derivative of tanh at h, not at the input of tanh":
            found(slope=1 - np.tanh(h) ** 2),
        "errors one step late": found(e=delayed(e)),
        "errors of the last step alone": found(e=e * last),
        "errors summed, not averaged, over the batch": found(e=B * e),
        "loss and errors summed, not averaged, over the batch":
            found(e=B * e) | {"loss": np.float64(B * loss)},
        "missing factor 1/2 of the square loss":
            found(e=2 * e) | {"loss": np.float64(2 * loss)}}
    dW, dV, dx, _ = rnn.backward(p["x"], p["W"], p["V"], h, e)
    right = {"h": h, "loss": np.float64(loss), "dW": dW, "dV": dV, "dx": dx}
    text = ("h[t] = tanh(W x[t] + V h[t-1]) from h = 0, loss 1/(2 B) sum (h - "
            "target)^2 and its gradient: refsnn.rnn, (1)-(6)")
    return text, p, right, wrong


def _lstm(seed, T, B, m, n):
    p = {"x": 2 * numbers([seed, 0], T, B, m) - 1,
         "W": 2 * numbers([seed, 1], 4 * n, m) - 1,
         "V": 2 * numbers([seed, 2], 4 * n, n) - 1,
         "b": numbers([seed, 3], 4 * n) - 0.5,
         "target": 2 * numbers([seed, 4], T, B, n) - 1,
         "x_mask": 2 * numbers([seed, 5], B, m).round()}
    rows = np.arange(4 * n).reshape(4, n)

    def found(order=(0, 1, 2, 3), b=p["b"], back=None, mask=p["x_mask"], scale=1,
              late=False):
        at = rows[list(order)].ravel()              # gate rows in this order
        W, V = p["W"][at], p["V"][at]
        run = lstm.simulate(p["x"], W, V, b[at], x_mask=mask)
        loss, e = losses.square(run.h, p["target"])
        g = lstm.backward(p["x"], W, V if back is None else back, b[at], run,
                          scale * (delayed(e) if late else e), x_mask=mask)
        again = np.argsort(at)
        return {"h": run.h, "loss": np.float64(loss), "dW": g.dW[again],
                "dV": g.dV[again], "db": g.db[again], "dx": g.dx}

    def slopes(back=None, scale=1, late=False):
        return {key: a for key, a in found(back=back, scale=scale, late=late).items()
                if key[0] == "d"}

    V_T = p["V"].reshape(4, n, n).swapaxes(1, 2).reshape(4 * n, n)
    wrong = {
        "gates in the order i, f, o, g": found((0, 1, 3, 2)),
        ("gates in the order i, g, f, o", "TensorFlow 1 BasicLSTMCell"):
            found((0, 2, 1, 3)),
        ("forget gates biased by 1 more", "TensorFlow 1 BasicLSTMCell"):
            found(b=p["b"] + np.repeat([0, 1, 0, 0], n)),
        ("gradient cut where it leaves a cell", "[HS97]"): slopes(back=0 * p["V"]),
        "transposed V": slopes(back=V_T),
        "dropout left out": found(mask=np.ones((B, m))),
        "dropout not scaled by 1/(1 - rate)": found(mask=p["x_mask"] / 2),
        "errors one step late": slopes(late=True),
        "errors summed, not averaged, over the batch": slopes(scale=B),
        "loss and errors summed, not averaged, over the batch":
            slopes(scale=B) | {"loss": B * found()["loss"]},
        "missing factor 1/2 of the square loss":
            slopes(scale=2) | {"loss": 2 * found()["loss"]}}
    text = ("LSTM from rest, rows i, f, g, o, inputs times x_mask; loss 1/(2 B) sum (h "
            "- target)^2 and its gradient: refsnn.lstm, (1)-(9)")
    dropped = np.broadcast_to(p["x_mask"] == 0, p["x"].shape)
    idle = {"x": (marked(p["x"], dropped), "x_mask drops these inputs")}
    return text, p, found(), wrong, idle


def _spike_time():
    B, m, n = 4, 5, 3
    p = {"inputs": 2 * numbers([21, 0], B, m), "W": 2.5 * numbers([21, 1], n, m) + 0.5,
         "labels": np.array([0, 2, 1, 2]), "scale": 0.375, "late": 9.0, "tau": 0.5,
         "threshold": 0.75}
    W, tau, threshold = p["W"], p["tau"], p["threshold"]
    out = spike_time.forward(p["inputs"], W, tau=tau, threshold=threshold)

    def cost(times):
        loss, dtimes = spike_time.cross_entropy(times, p["labels"], scale=p["scale"],
                                                late=p["late"])
        return {"times": times, "loss": np.float64(loss)}, dtimes

    def gradient(dtimes, slope=out.slope, times=out.times, causal=out.causal):
        ago = (times[:, :, None] - p["inputs"][:, None]) / tau
        by_weight = -tau * (1 - np.exp(-ago)) * causal / slope[:, :, None]
        by_input = W * np.exp(-ago) * causal / slope[:, :, None]
        return {"dW": np.einsum("bi,bij->ij", dtimes, by_weight),
                "dinputs": np.einsum("bi,bij->bj", dtimes, by_input)}

    right, d = cost(out.times)
    dW, dinputs = spike_time.backward(d, p["inputs"], W, out, tau=tau)
    right |= {"dW": dW, "dinputs": dinputs}
    every = W.sum(axis=1) - threshold / tau
    acausal = tau * np.log(np.exp(p["inputs"] / tau) @ W.T / every)
    early, dearly = cost(acausal)
    early |= gradient(dearly, np.broadcast_to(every, out.slope.shape), acausal, 1.0)
    wrong = {
        "all inputs in the causal set, later ones too": early,
        "missing term: threshold/tau of the slope":
            gradient(d, out.slope + threshold / tau),
        "missing factor: slope of the crossing": gradient(d, np.ones_like(out.slope)),
        "derivative of exp(t/tau), not of t":
            gradient(d * np.exp(out.times / tau) / tau),
        "missing factor tau": {"dW": dW / tau},
        "sign: more weight, later spike": {"dW": -dW},
        "errors summed, not averaged, over the batch": gradient(B * d),
        "loss and errors summed, not averaged, over the batch":
            gradient(B * d) | {"loss": B * right["loss"]},
        "missing factor 1/scale": gradient(p["scale"] * d)}
    text = ("first spikes of units without a leak, currents decay with tau (s), W in "
            "units of the membrane per s; loss -1/B sum log softmax(-min(times, "
            "late)/scale)[labels] and its gradient: refsnn.spike_time, (1)-(6), (8), "
            "(9)")
    late = p["inputs"] > out.times.max(axis=1, keepdims=True)
    idle = {"inputs": (late, "these inputs are later than all units of their sample"),
            "late": (marked(0), "every unit spikes before this time")}
    return text, p, right, wrong, idle


def _convnet():
    p = {"x": 2 * numbers([46, 0], 3, 7, 7, 2) - 1,
         "W0": 2 * numbers([46, 1], 3, 3, 3, 2) - 1, "b0": numbers([46, 2], 3) - 0.5,
         "W1": 2 * numbers([46, 3], 4, 12) - 1, "b1": numbers([46, 4], 4) - 0.5,
         "doutputs": 2 * numbers([46, 5], 3, 4) - 1}

    def found(W0=p["W0"], W1=p["W1"], x=p["x"]):
        weights = [np.ascontiguousarray(W) for W in (W0, W1)]
        run = convnet.forward(weights, [p["b0"], p["b1"]], x, (True,))
        (dW0, dW1), (db0, db1) = convnet.backward(weights, run, p["doutputs"], (True,))
        return run.pre[0], {"outputs": run.outputs, "dW0": dW0, "dW1": dW1, "db0": db0,
                            "db1": db1}

    z, right = found()
    windows = z[:, :4, :4].reshape(3, 2, 2, 2, 2, 3)        # 2 x 2 windows of 2 x 2
    top = windows == windows.max(axis=(2, 4), keepdims=True)
    patches = np.lib.stride_tricks.sliding_window_view(p["x"], (3, 3), (1, 2))
    dpooled = (p["doutputs"] @ p["W1"]).reshape(3, 2, 1, 2, 1, 3)

    def spread(gate):
        dz = np.zeros_like(z)
        dz[:, :4, :4] = (gate * dpooled).reshape(3, 4, 4, 3)
        return {"dW0": np.einsum("nyxo,nyxcij->oijc", dz, patches),
                "db0": dz.sum(axis=(0, 1, 2))}

    mean = np.maximum(windows, 0).mean(axis=(2, 4)).reshape(3, 12)
    turned = found(p["W0"][:, ::-1, ::-1])[1]       # gradients with respect to W0, W1
    exchanged = found(p["W0"].swapaxes(1, 2))[1]
    by_channel = found(W1=p["W1"].reshape(4, 3, 2, 2).transpose(0, 2, 3, 1).reshape(
        4, 12))[1]
    by_channel["dW1"] = by_channel["dW1"].reshape(4, 2, 2, 3).transpose(
        0, 3, 1, 2).reshape(4, 12)
    wrong = {
        "kernel turned over: convolution, not correlation":
            turned | {"dW0": turned["dW0"][:, ::-1, ::-1]},
        "rows and columns of the kernel exchanged":
            exchanged | {"dW0": exchanged["dW0"].swapaxes(1, 2)},
        "map read by channel, row, column": by_channel,
        "mean of the window, not its largest":
            spread((windows > 0) / 4) | {"outputs": mean @ p["W1"].T + p["b1"],
                                         "dW1": p["doutputs"].T @ mean},
        "first row and column dropped, not the last": found(x=p["x"][:, 1:, 1:])[1],
        "gradient to the whole window": spread(windows > 0),
        "gradient through a shut ReLU": spread(top),
        "db averaged, not summed, over positions": {"db0": right["db0"] / 25},
        "averaged, not summed, over samples":
            {key: right[key] / 3 for key in ("dW0", "dW1", "db0", "db1")}}
    text = ("z = W0 * x + b0 (3 x 3, stride 1, no padding), the largest of each 2 x 2 "
            "window, ReLU, flattened as (row, column, channel), W1 . + b1; outputs and "
            "the gradient of the sum of outputs times doutputs: "
            "refsnn.convnet, (1)-(6)")
    edge = marked(p["x"], np.s_[:, 6], np.s_[:, :, 6])
    return text, p, right, wrong, {"x": (edge, "no pooling window covers these pixels")}
