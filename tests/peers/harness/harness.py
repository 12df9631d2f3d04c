"""A harness in Python: answers requests about recurrent LIF layers.

  python -m refsnn run --only lif_forward bptt bptt_detached -- python harness.py
"""
import json
import sys

import numpy as np


def answer(p, through_reset):
    """Simulate a layer; return its recording and the gradient of the square loss."""
    x, W, V = p["x"], p["W"], p["V"]
    T, B, n = *x.shape[:2], len(W)
    alpha, beta, gain = p["alpha"], p["beta"], p["gain"]
    threshold = p["threshold"]
    syn, mem, spikes = np.zeros((3, T, B, n))
    for t in range(T):
        spikes[t] = mem[t] > threshold
        if t + 1 < T:
            syn[t + 1] = alpha * syn[t] + x[t] @ W.T + spikes[t] @ V.T
            mem[t + 1] = beta * mem[t] + gain * syn[t] - threshold * spikes[t]
    found = {"spikes": spikes, "mem": mem, "syn": syn}
    if "target" not in p:
        return found
    error = (spikes - p["target"]) / B
    psi = 1 / (1 + p["steepness"] * np.abs(mem - threshold)) ** 2
    dI, dU = np.zeros((2, B, n))
    found |= {"loss": (B * error ** 2).sum() / 2, "dW": 0 * W, "dV": 0 * V, "dx": 0 * x}
    for t in reversed(range(T)):
        found["dW"] += dI.T @ x[t]
        found["dV"] += dI.T @ spikes[t]
        found["dx"][t] = dI @ W
        dS = error[t] + dI @ V - through_reset * threshold * dU
        dI, dU = alpha * dI + gain * dU, beta * dU + psi[t] * dS
    return found


for line in sys.stdin:
    request = json.loads(line)
    reply = {"id": request["id"]}
    if "vector" not in request:
        reply |= {"tool": "harness in Python", "version": "1"}
    elif request["vector"] not in ("lif_forward", "bptt", "bptt_detached"):
        reply["skipped"] = "this harness knows only recurrent LIF layers"
    else:
        given = {name: np.array(a["data"], a["dtype"]).reshape(a["shape"])
                 for name, a in request["inputs"].items()}
        found = answer(given, request["vector"] != "bptt_detached")
        reply["outputs"] = {
            name: {"dtype": "float64", "shape": np.shape(found[name]),
                   "data": np.ravel(found[name]).tolist()}
            for name in request["wanted"]}
    print(json.dumps(reply), flush=True)
