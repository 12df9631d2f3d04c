"""Vectors of sounds, latency codes and binned events, by hand."""

import numpy as np
from tolerances import RTOL

from refsnn.oracle import check

VECTORS = check.vectors(["velocity", "hair_cell", "bushy", "latency", "binning"])


def both(name):
    return VECTORS[name].inputs, VECTORS[name].outputs


def mutant(name, words):
    return next(m.outputs for m in VECTORS[name].mutants if m.name == words)


def close(a, b):
    return np.allclose(a, b, rtol=RTOL, atol=RTOL * np.abs(b).max())


def test_velocity_frequency_by_frequency():
    p, right = both("velocity")
    N, n = len(p["x"]), len(right["v"])
    assert n == N // 2 + 1
    found = np.zeros((n, 3))
    for k in range(n):
        X = sum(x * np.exp(-2j * np.pi * k * t / N) for t, x in enumerate(p["x"]))
        for t in range(n):
            V = p["V_re"][k] + 1j * p["V_im"][k]
            found[t] += (V * X * np.exp(2j * np.pi * k * t / n)).real / n
    assert close(found, right["v"])


def test_hair_cells_one_by_one():
    p, right = both("hair_cell")
    assert (p["v"] < -p["A"]).any() and (p["v"] > 100).any()
    for channel in range(p["v"].shape[1]):
        k = p["g"] * p["A"] / (p["A"] + p["B"])
        # At rest what is made is lost: y (M - q) = l c, k q = (l + r) c, r c = x w.
        ratio = k / (p["l"] + p["r"])
        q = p["y"] * p["M"] / (p["y"] + p["l"] * ratio)
        c, w = q * ratio, q * ratio * p["r"] / p["x"]
        for t, v in enumerate(p["v"][:, channel]):
            s = max(v + p["A"], 0)
            out = p["g"] * s / (s + p["B"]) * q * p["dt"]
            made = p["y"] * max(p["M"] - q, 0) * p["dt"]
            back, kept = p["x"] * w * p["dt"], p["r"] * c * p["dt"]
            q, c, w = (q + made + back - out, c + out - p["l"] * c * p["dt"] - kept,
                       w + kept - back)
            found = [right[key][t, channel] for key in ("q", "c", "w", "probability")]
            assert close(found, [q, c, w, p["h"] * c * p["dt"]])


def test_bushy_cells_one_by_one():
    p, right = both("bushy")
    nearest, spikes = 1.0, np.zeros(right["spikes"].shape)
    for channel in range(p["n"].shape[1]):
        current = membrane = 0.0
        held = 0
        for t, n in enumerate(p["n"][:, channel]):
            current = current * np.exp(-p["dt"] / p["tau_syn"]) + n
            membrane = 0.0 if held else membrane * np.exp(-p["dt"] / p["tau_mem"]) \
                + p["weight"] * p["dt"] * current
            nearest, held = min(nearest, abs(membrane - 1)), max(0, held - 1)
            if membrane >= 1:
                spikes[t, channel], membrane = 1, 0.0
                held = round(p["refractory"] / p["dt"])
    assert nearest > 1e-6 and spikes.sum() >= 6
    assert np.array_equal(spikes, right["spikes"])


def test_latencies_value_by_value():
    p, right = both("latency")
    fired = 0
    for b, row in enumerate(p["values"]):
        for i, x in enumerate(row):
            steps = np.flatnonzero(right["spikes"][:, b, i])
            if x <= p["threshold"]:
                assert len(steps) == 0
                continue
            late = p["tau"] * np.log(x / (x - p["threshold"])) / p["dt"]
            assert len(steps) == (late < p["T"])
            assert all(late - 1 < step <= late for step in steps)
            fired += len(steps)
    assert fired > 20


def test_bins_by_hand():
    p, counts = VECTORS["binning"].inputs, VECTORS["binning"].outputs["counts"]
    expected = np.zeros((p["T"], p["m"]))
    inside = p["times"] < p["T"] * p["dt"]
    for time, unit in zip(p["times"][inside], p["units"][inside], strict=True):
        expected[int(time // p["dt"]), unit] += 1
    assert (counts.reshape(expected.shape) == expected).all()
    assert 250 < counts.sum() == inside.sum() < 300 and counts.max() > 1
    halves = mutant("binning", "float16 times")["counts"]
    assert 0 < np.abs(halves - counts).sum() < 300
    late = mutant("binning", "late events put into the last bin")["counts"]
    assert (late[:-1] == counts[:-1]).all() and late.sum() == 300


def test_bins_that_start_at_the_next_event():
    p, frames, end = VECTORS["binning"].inputs, [], -np.inf
    for time, unit in zip(p["times"], p["units"], strict=True):
        if time > end:
            frames.append(np.zeros(p["m"]))
            end = time + p["dt"]
        frames[-1][unit] += 1
    wrong = mutant("binning", "each bin starts at the next event, gaps left out")
    assert len(frames) < p["T"] and (wrong["counts"][:len(frames)] == frames).all()
    assert not wrong["counts"][len(frames):].any()
