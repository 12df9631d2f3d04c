# refsnn 0.1.0 | oracle/build/delayed_inputs.py | SPDX-License-Identifier: MIT | needs: numpy
"""Create test problems for delays of inputs by a real number of time steps."""

import numpy as np

from refsnn import delays
from refsnn.oracle.build.vector import delayed, marked, numbers


def _delays(seed, T, B, m, n, kernel):
    K = 5
    p = {"x": np.round(numbers([seed, 0], T, B, m)) * (1 + numbers([seed, 1], T, B, m)),
         "W": 2 * numbers([seed, 2], n, m) - 0.75,
         "delays": 0.07 + 4.9 * numbers([seed, 3], n, m),
         "dy": 2 * numbers([seed, 4], T, B, n) - 1, "most": K}
    if kernel != "linear":
        p["width"] = 0.5 + numbers([seed, 5], n, m)
    wide = kernel != "linear"

    def output(taps):
        return {"y": delays.delayed(p["x"], p["W"] * taps)[0]}

    def answer(taps, by_delay, by_width):
        dx, dtaps, _ = delays.delayed_backward(p["dy"], p["x"], p["W"] * taps)
        found = output(taps) | {"dx": dx, "dW": (dtaps * taps).sum(axis=0),
                                "ddelays": (p["W"] * dtaps * by_delay).sum(axis=0)}
        return found | ({"dwidth": (p["W"] * dtaps * by_width).sum(axis=0)} if wide
                        else {})

    apart = np.arange(K + 1.0)[:, None, None] - p["delays"]
    a, width = delays.taps(p["delays"], most=K, kernel=kernel,
                           width=p.get("width")), p.get("width", 1.0)
    u, v = apart / width ** 2, apart ** 2 / width ** 3
    mean = [(a * z).sum(axis=0) for z in (u, v)]
    by_delay = a * (u - mean[0]) if wide else np.sign(apart) * (np.abs(apart) < 1)
    by_width = a * (v - mean[1])
    right = answer(a, by_delay, by_width)
    short = a.copy()
    short[K] = 0
    rounded, truncated = (delays.taps(whole(p["delays"]), most=K, kernel=kernel,
                                      width=p.get("width"))
                          for whole in (np.rint, np.floor))
    wrong = {
        "delays rounded to whole steps": output(rounded),
        ("delays truncated to whole steps", "genn-team/ml_genn#137"): output(truncated),
        ("delays rounded in training, truncated after", "genn-team/ml_genn#137"):
            answer(rounded, by_delay, by_width) | output(truncated),
        ("kernel flipped: delay K - d", "Thvnvtos/SNN-delays"): answer(
            a[::-1], by_delay[::-1], by_width[::-1]),
        ("buffer one step too short", "genn-team/ml_genn#129"): output(short),
        "output one step late": {"y": delayed(right["y"])},
        "sign: gradient of an advance": {"ddelays": -right["ddelays"]},
        "weights missing in the gradient by delays": {
            "ddelays": answer(a, by_delay / p["W"], by_width)["ddelays"]},
        "dx not shifted in time": {"dx": sum(
            p["dy"] @ (p["W"] * row) for row in a)}}
    if wide:
        e = np.exp(-apart ** 2 / (2 * width ** 2))
        wrong |= {
            "not normalised": answer(e, e * u, e * v),
            "normaliser not differentiated": answer(a, a * u, a * v),
            "width as the variance": output(delays.taps(
                p["delays"], most=K, kernel=kernel, width=np.sqrt(width)))}
    text = ("y[t] = sum_k sum_j W_ij a_k[i, j] x[t-k, j] for k = 0 ... most, taps a "
            f"of the kernel {kernel}, delays {'and widths ' * wide}in steps, and the "
            "gradients of sum dy y: refsnn.delays, (1), " + (
                "(5), (7)-(10)" if wide else "(3), (6), (10)"))
    if wide:
        return text, p, right, wrong
    step, least = np.arange(T)[:, None, None], np.floor(p["delays"])
    late, early = step + least.min(axis=0) >= T, step < least.min(axis=1)
    return text, p, right, wrong, {
        "x": (np.broadcast_to(late, p["x"].shape), "these inputs arrive after the end"),
        "dy": (np.broadcast_to(early, p["dy"].shape), "no input arrives by then"),
        "most": (marked(K), "a longer buffer has more taps that are 0")}
