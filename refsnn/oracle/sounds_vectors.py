# refsnn 0.1.0 | oracle/sounds_vectors.py | SPDX-License-Identifier: MIT | needs: numpy
"""Golden vectors of sounds and spike times, each with its wrong answers.

The path from sound to spikes, latency codes and the loss of the first
spike, as `Vector`s of `conformance_spikes`.
"""

import numpy as np

from refsnn import cochlea, encoding, losses
from refsnn.oracle.spikes_vectors import Mutant, Vector, delayed, numbers

__all__ = ["SOUNDS"]

STEP = 1 / 24000                # s, of the cochlea


# ---- from sound to spikes --------------------------------------------------------

def _velocity():
    """What a membrane does with a sound, by its Fourier transform."""
    N = 32
    p = {"x": 2 * numbers([40, 0], N) - 1, "rate": 48000.0,
         "V_re": 2 * numbers([40, 1], N // 2 + 1, 3) - 1,
         "V_im": 2 * numbers([40, 2], N // 2 + 1, 3) - 1}
    V = p["V_re"] + 1j * p["V_im"]

    def moved(V=V, x=p["x"]):
        return {"v": cochlea.velocity(x, p["rate"], lambda f, c: V, 3)}

    right = moved()
    every = np.fft.irfft(V * np.fft.rfft(p["x"])[:, None], N, axis=0)
    mutants = [
        Mutant("conjugate response: moves before the sound", "", moved(V.conj())),
        Mutant("imaginary part, not the real one", "", moved(-1j * V)),
        Mutant("magnitude of the response alone", "", moved(np.abs(V) + 0j)),
        Mutant("factor 2 of a one-sided spectrum", "", {"v": 2 * right["v"]}),
        Mutant("mean of all N frequencies, not of n = N/2 + 1", "", {
            "v": right["v"] * (N // 2 + 1) / N}),
        Mutant("every second sample of the motion at the full rate", "", {
            "v": np.concatenate([every[::2], every[:1]])}),
        Mutant("constant part left out", "", moved(
            V * (np.arange(N // 2 + 1) > 0)[:, None])),
        Mutant("one step late", "", {"v": delayed(right["v"])})]
    return Vector("velocity", "motion v (n, C) of a membrane with response V_re + i "
                  "V_im at the n = N/2 + 1 frequencies of sound x (N,): "
                  "refsnn.cochlea, (2)", p, right, mutants, False)


def _cell(v, cell, dt, *, pools=None, clamped=True, fresh=False, before=False):
    """The hair cell step by step, with the mistakes that are asked for."""
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
    """Pools of transmitter and probabilities of a spike."""
    cell = cochlea.HairCell()
    p = {"v": 200 * numbers([41, 0], 24, 3) - 60, "dt": STEP} | cell._asdict()
    q, c, w = cochlea.transmitter(p["v"], STEP)
    right = {"q": q, "c": c, "w": w,
             "probability": cochlea.firing_probability(p["v"], STEP)}

    def wrong(cell=cell, dt=STEP, how=()):
        return _cell(p["v"], cell, dt, **dict(how))

    mutants = [
        Mutant("pools start full, not at rest", "", wrong(
            how={"pools": (cell.M, 0.0, 0.0)})),
        Mutant("release below rest: max(0, .) forgotten", "", wrong(
            how={"clamped": False})),
        Mutant("release of the new q, not of the old", "", wrong(
            how={"fresh": True})),
        Mutant("probability one step late", "", {
            "probability": wrong(how={"before": True})["probability"]}),
        Mutant("dt of the sound, not of the membrane", "", wrong(dt=STEP / 2)),
        Mutant("loss from the cleft forgotten", "", wrong(
            cell._replace(l=1e-9))),
        Mutant("missing factor dt: a rate, not a probability", "", {
            "probability": right["probability"] / STEP}),
        Mutant("A forgotten below the line: s / (v + B)", "", wrong(
            cell._replace(B=cell.B - cell.A)))]
    return Vector("hair_cell", "pools q, c, w of a hair cell's transmitter after each "
                  "step of velocity v, at rest before, and the probability that a "
                  "fibre fires: refsnn.cochlea, (3)-(7)", p, right, mutants, False)


def _cells(p, *, shift=False, whole=False, runs=False, hold=None, gain=None):
    """Bushy cells step by step, with the mistakes that are asked for."""
    alpha, beta = (np.exp(-p["dt"] / p[tau]) for tau in ("tau_syn", "tau_mem"))
    hold = round(p["refractory"] / p["dt"]) if hold is None else hold
    gain = p["weight"] * p["dt"] if gain is None else gain
    current, U, free = (np.zeros(p["n"].shape[1]) for _ in range(3))
    spikes = np.zeros(p["n"].shape)
    for t, n in enumerate(delayed(p["n"]) if shift else p["n"]):
        current = alpha * current + gain * n
        U = (beta * U + current) * ((free <= t) | runs)
        spikes[t] = fired = (U >= 1) & (free <= t)
        U = U * ~fired
        current = current * ~fired if whole else current
        free = np.where(fired, t + hold + 1, free)
    return {"spikes": spikes}


def _bushy():
    """Spikes of cells that sum what their fibres do."""
    n = (2 * numbers([42, 0], 120, 3)).astype(int)
    n[-1] = 0                   # of the last step no spike is told
    p = {"n": n, "dt": STEP, "tau_mem": 1e-3, "tau_syn": 5e-4, "refractory": 1e-3,
         "weight": 13000 / 40}
    steps, channels = cochlea.bushy(n.astype(np.uint8), STEP)
    spikes = np.zeros(n.shape)
    spikes[steps, channels] = 1
    mutants = [
        Mutant("refractory time forgotten", "", _cells(p, hold=0)),
        Mutant("refractory time one step short", "", _cells(
            p, hold=round(p["refractory"] / STEP) - 1)),
        Mutant("input one step late", "", _cells(p, shift=True)),
        Mutant("current reset, too", "", _cells(p, whole=True)),
        Mutant("the membrane integrates while it should be held", "", _cells(
            p, runs=True)),
        Mutant("current enters with 1 - beta", "", _cells(
            p, gain=40 * (1 - np.exp(-STEP / p["tau_mem"])))),
        Mutant("dt of the sound, not of the membrane", "", _cells(
            p | {"dt": STEP / 2}))]
    return Vector("bushy", "spikes of cells with n fibres firing in each step, held at "
                  "0 for the refractory time: refsnn.cochlea, (8) and (9)", p,
                  {"spikes": spikes}, mutants, False)


# ---- codes and losses --------------------------------------------------------------

def _latency():
    """Values as the times of single spikes."""
    values = numbers([43, 0], 4, 9)
    values[0, :2] = 0.2, 1.0    # at the threshold: never
    p = {"values": values, "T": 30, "tau": 20e-3, "threshold": 0.2, "dt": 1e-3}

    def code(values=values, other=()):
        own = {key: p[key] for key in ("tau", "threshold", "dt")} | dict(other)
        return {"spikes": encoding.latency(values, p["T"], **own)}

    right = code()
    full = np.zeros_like(right["spikes"])
    full[-1] = right["spikes"].sum(axis=0) == 0
    mutants = [
        Mutant("dim pixels fire in the last step", "", {
            "spikes": right["spikes"] + full}),
        Mutant("bright and dim exchanged", "", code(1 - values)),
        Mutant("one step late", "", {"spikes": delayed(right["spikes"])}),
        Mutant("tau in steps of half the size", "", code(
            other={"dt": p["dt"] / 2})),
        Mutant("threshold forgotten", "", code(other={"threshold": 1 / 1024})),
        Mutant("a spike in every step from the first on", "", {
            "spikes": right["spikes"].cumsum(axis=0)})]
    return Vector("latency", "values in [0, 1] as a single spike each, in the step of "
                  "tau log(x / (x - threshold)): refsnn.encoding, (1) and (2)", p,
                  right, mutants, False)


def _first_spike():
    """Cross entropy of the time of the first spike."""
    p = {"spikes": (numbers([44, 0], 12, 4, 3) < 0.25).astype(float),
         "labels": np.array([0, 2, 1, 1]), "tau": 4e-3, "dt": 1e-3}
    p["spikes"][:, 1, 2] = 0                            # never: counts as T

    def cost(spikes=p["spikes"], labels=p["labels"], dt=p["dt"], tau=p["tau"]):
        return dict(zip(("loss", "dspikes"), losses.first_spike_time(
            spikes, labels, tau, dt), strict=True))

    right, silent = cost(), 1 - p["spikes"]
    before = np.concatenate([np.ones_like(silent[:1]), silent[:-1].cumprod(axis=0)])
    T, B, k = silent.shape
    times = silent.cumprod(axis=0).sum(axis=0)
    scores = -p["dt"] / p["tau"] * times
    odds = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    ended = p["spikes"].copy()
    ended[-1] = np.maximum(ended[-1], silent.all(axis=0))
    first = (np.arange(T)[:, None, None] == times) * 1.0
    mutants = [
        Mutant("silent units fire in the last step", "", cost(ended)),
        Mutant("times in steps, not in s", "", cost(dt=1.0)),
        Mutant("summed, not averaged, over the batch", "", {
            "loss": B * right["loss"], "dspikes": B * right["dspikes"]}),
        Mutant("gradient to the first spike alone", "", {
            "dspikes": right["dspikes"] * first}),
        Mutant("gradient of all earlier steps alike, as of a straight line", "", {
            "dspikes": before * p["dt"] / p["tau"] / B * (
                odds - np.eye(k)[p["labels"]])}),
        Mutant("sign of the derivative: later is better", "", {
            "dspikes": -right["dspikes"]})]
    return Vector("first_spike", "cross entropy of softmax(-t / tau), mean over the "
                  "batch, t the time of the first spike, or T steps, and its "
                  "derivative by the spikes: refsnn.losses, (4)-(7)", p, right,
                  mutants, False)


SOUNDS = {
    "velocity": _velocity, "hair_cell": _hair_cell, "bushy": _bushy,
    "latency": _latency, "first_spike": _first_spike}
