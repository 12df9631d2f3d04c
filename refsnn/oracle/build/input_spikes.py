# refsnn 0.1.0 | oracle/build/input_spikes.py | SPDX-License-Identifier: MIT | needs: numpy
"""Create test problems for the encoding and the binning of spikes."""

import numpy as np

from refsnn import binning, cochlea, encoding
from refsnn.oracle.build.vector import delayed, marked, numbers

STEP = 1 / 24000                # s, time step of the cochlea


def _velocity():
    N = 32
    n = N // 2 + 1
    p = {"x": 2 * numbers([40, 0], N) - 1, "rate": 48000.0,
         "V_re": 2 * numbers([40, 1], n, 3) - 1, "V_im": 2 * numbers([40, 2], n, 3) - 1}
    V = p["V_re"] + 1j * p["V_im"]

    def moved(V=V):
        return {"v": cochlea.velocity(p["x"], p["rate"], lambda f, c: V, 3)}

    v = moved()["v"]
    every = np.fft.irfft(V * np.fft.rfft(p["x"])[:, None], N, axis=0)
    wrong = {
        "conjugate response: moves before the sound": moved(V.conj()),
        "imaginary part, not the real one": moved(-1j * V),
        "magnitude of the response alone": moved(np.abs(V) + 0j),
        "factor 2 of a one-sided spectrum": {"v": 2 * v},
        "mean of all N frequencies, not of n = N/2 + 1": {"v": v * n / N},
        "every second sample of the motion at the full rate":
            {"v": np.concatenate([every[::2], every[:1]])},
        "constant part left out": moved(V * (np.arange(n) > 0)[:, None]),
        "one step late": {"v": delayed(v)}}
    text = ("motion v (n, C) of a membrane with response V_re + i V_im at the n = N/2 "
            "+ 1 frequencies of sound x (N,): refsnn.cochlea, (2)")
    idle = {"rate": (marked(0), "the response is given at the frequencies"),
            "V_im": (marked(p["V_im"], 0), "a constant response is real")}
    return text, p, {"v": v}, wrong, idle


def _transmitter(v, cell, dt=STEP, *, pools=None, clamped=True, fresh=False,
                 before=False):
    """Simulate a hair cell, with a mistake."""
    y, g, l, r, x, A, B, h, M = cell                                       # noqa: E741
    k0 = g * A / (A + B)
    c = M * y * k0 / (l * k0 + y * (l + r))
    q, w = c * (l + r) / k0, c * r / x
    q, c, w = (np.full(v.shape[1], pool) for pool in pools or (q, c, w))
    rows = []
    for now in v:
        s = np.maximum(now + A, 0) if clamped else now + A
        k, old, earlier = g * dt * s / (s + B), q, c
        q = q + y * dt * np.maximum(M - q, 0) + x * dt * w - k * q
        released = k * (q if fresh else old)
        c, w = c + released - (l + r) * dt * c, w + r * dt * c - x * dt * w
        rows.append([q, c, w, h * dt * (earlier if before else c)])
    return dict(zip(("q", "c", "w", "probability"), np.array(rows).swapaxes(0, 1),
                    strict=True))


def _hair_cell():
    cell = cochlea.HairCell()
    v = 200 * numbers([41, 0], 24, 3) - 60
    q, c, w = cochlea.transmitter(v, STEP)
    right = {"q": q, "c": c, "w": w, "probability": cochlea.firing_probability(v, STEP)}
    late = _transmitter(v, cell, before=True)["probability"]
    wrong = {
        "pools start full, not at rest":
            _transmitter(v, cell, pools=(cell.M, 0.0, 0.0)),
        "release below rest: max(0, .) forgotten": _transmitter(v, cell, clamped=False),
        "release of the new q, not of the old": _transmitter(v, cell, fresh=True),
        "probability one step late": {"probability": late},
        "dt of the sound, not of the membrane": _transmitter(v, cell, STEP / 2),
        "loss from the cleft forgotten": _transmitter(v, cell._replace(l=1e-9)),
        "missing factor dt: a rate, not a probability":
            {"probability": right["probability"] / STEP},
        "A missing in the denominator: s / (v + B)":
            _transmitter(v, cell._replace(B=cell.B - cell.A))}
    text = ("pools q, c, w of a hair cell's transmitter after each step of velocity v, "
            "from the steady state for v = 0, and the probability that a fibre fires: "
            "refsnn.cochlea, (3)-(7)")
    return text, {"v": v, "dt": STEP} | cell._asdict(), right, wrong


def _fired(p, *, x=None, hold=None, gain=None, reset_current=False, held=True):
    """Simulate bushy cells, with a mistake."""
    alpha, beta = (np.exp(-p["dt"] / p[tau]) for tau in ("tau_syn", "tau_mem"))
    hold = round(p["refractory"] / p["dt"]) if hold is None else hold
    gain = p["weight"] * p["dt"] if gain is None else gain
    current, U, free = (np.zeros(p["n"].shape[1]) for _ in range(3))
    spikes = np.zeros(p["n"].shape)
    for t, n in enumerate(p["n"] if x is None else x):
        current = alpha * current + gain * n
        U = (beta * U + current) * ((free <= t) | (not held))
        spikes[t] = fired = (U >= 1) & (free <= t)
        U = U * ~fired
        current = current * ~fired if reset_current else current
        free = np.where(fired, t + hold + 1, free)
    return {"spikes": spikes}


def _bushy():
    n = (2 * numbers([48, 0], 150, 3)).astype(int)
    n[-1] = 0                   # `cochlea.bushy` returns no spikes for the last step
    p = {"n": n, "dt": STEP, "tau_mem": 1e-3, "tau_syn": 5e-4, "refractory": 9.8e-4,
         "weight": 13000 / 40}
    steps, channels = cochlea.bushy(n.astype(np.uint8), STEP,
                                    refractory=p["refractory"])
    spikes = np.zeros(n.shape)
    spikes[steps, channels] = 1
    wrong = {
        "refractory time forgotten": _fired(p, hold=0),
        "refractory time one step short":
            _fired(p, hold=round(p["refractory"] / STEP) - 1),
        "input one step late": _fired(p, x=delayed(n)),
        "current reset, too": _fired(p, reset_current=True),
        "the membrane integrates while it should be held": _fired(p, held=False),
        "current enters with 1 - beta":
            _fired(p, gain=40 * (1 - np.exp(-STEP / p["tau_mem"]))),
        "dt of the sound, not of the membrane": _fired(p | {"dt": STEP / 2})}
    text = ("spikes (membrane at least 1) of cells with n fibres firing in each step, "
            "held at 0 for the refractory time, rounded up to steps: refsnn.cochlea, "
            "(8) and (9)")
    idle = {"n": (marked(n, -1), "the last step has no spikes")}
    return text, p, {"spikes": spikes}, wrong, idle


def _latency():
    values = numbers([43, 0], 4, 9)
    values[0, :2] = 0.2, 1.0                        # 0.2 is the threshold: no spike
    p = {"values": values, "T": 30, "tau": 20e-3, "threshold": 0.2, "dt": 1e-3}

    def code(values=values, threshold=p["threshold"], dt=p["dt"]):
        return {"spikes": encoding.latency(values, p["T"], tau=p["tau"],
                                           threshold=threshold, dt=dt)}

    spikes = code()["spikes"]
    last = np.zeros_like(spikes)
    last[-1] = spikes.sum(axis=0) == 0
    wrong = {
        "dim pixels fire in the last step": {"spikes": spikes + last},
        "bright and dim exchanged": code(1 - values),
        "one step late": {"spikes": delayed(spikes)},
        "tau in steps of dt/2": code(dt=p["dt"] / 2),
        "threshold forgotten": code(threshold=1 / 1024),
        "a spike in every step from the first on": {"spikes": spikes.cumsum(axis=0)}}
    text = ("values v as one spike each, in the step of tau log(v / (v - threshold)); "
            "none for v up to the threshold, or at T dt or later: refsnn.encoding, (1) "
            "and (2)")
    return text, p, {"spikes": spikes}, wrong


def _binning():
    T, m, dt, E = 270, 5, 5e-3, 300         # some events are later than T dt
    times = np.sort(0.012 + 1.38 * (numbers([12, 0], E) + numbers([12, 1], E) / 64))
    units = (5 * numbers([12, 2], E)).astype(int)
    times[30], units[30] = times[29], units[29]

    def bins(times=times, dt=dt, start=0.0, duplicates="count"):
        options = binning.Binning(start, start + T * dt, dt, "left", duplicates,
                                  "drop", "refuse")
        return {"counts": binning.dense([times], [units], m, options)[:, 0]}

    frames, first = np.zeros((T, m)), 0
    for t in range(T):                              # after the last event: no frame
        last = np.searchsorted(times, times[min(first, E - 1)] + dt, "right")
        np.add.at(frames[t], units[first:last], 1)
        first = last
    halves = times.astype(np.float16)
    steps = np.floor(halves / np.float16(dt)).astype(float)
    wrong = {
        ("float16 times", "neuromorphs/tonic#321"): bins(halves.astype(float)),
        ("float16 times, divided in float16", "neuromorphs/tonic#321"):
            bins((steps + 0.5) * dt),
        ("counts clipped to one spike", "NeuroBench/neurobench#216"):
            bins(duplicates="clip"),
        ("each bin starts at the next event, gaps left out",
         "fangwei123456/spikingjelly#507"): {"counts": frames},
        ("bins numbered from 1: bin 0 is always empty", "SpyTorch tutorial 4"):
            bins(start=-dt),
        ("time starts at the first event", "spikingjelly datasets/shd.py:117"):
            bins(times - times[0]),
        ("edges from the first and last event", "neuromorphs/tonic#264"):
            bins(times - times[0], dt=(times[-1] - times[0]) / T),
        "rounded to the nearest step, not down": bins(times + dt / 2),
        ("dt not equal to the bin: half of it", "SpyTorch tutorial 4"): bins(dt=dt / 2),
        "dt not equal to the bin: twice it": bins(dt=2 * dt),
        "late events put into the last bin":
            bins(np.minimum(times, (T - 0.5) * dt))}
    text = ("events (s, unit) counted in T bins [t dt, (t + 1) dt), events at T dt or "
            "later dropped: refsnn.binning.dense, (2), (3), (5)")
    p = {"times": times, "units": units, "T": T, "m": m, "dt": dt}
    late = {"units": (times >= T * dt, "the event is later than the last bin")}
    return text, p, bins(), wrong, late
