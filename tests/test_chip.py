"""Test the emulated chip: its ideal limit, closed forms, and each effect alone.

Statistical tests are seeded.  A correct implementation fails one with a
probability of at most 1e-6 over seeds.
"""

from typing import Any, NamedTuple
from unittest import mock

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats
from scipy.optimize import brentq
from proofs import proves
from strategies import SEEDS
from tolerances import RTOL

from refsnn import binning, chip, lif

DT, TAU, K = 1.7e-6, 6e-6, 17            # K: steps in a bin
DECAY = float(np.exp(-DT / TAU))


class Run(NamedTuple):
    spikes: Any
    samples: Any
    membranes: Any
    events: Any


def ideal(neurons=256, inputs=256, *, tau_mem=TAU, tau_syn=TAU, **effects):
    return chip.draw(1, chip.IDEAL._replace(**effects), neurons=neurons, inputs=inputs,
                     tau_mem=tau_mem, tau_syn=tau_syn, dtype=np.float64)


def emulate(c, x, hidden, readout=None, recurrent=None, seed=0, **options):
    hidden = np.asarray(hidden)
    if readout is None:
        readout = np.zeros((0, len(hidden)), int)
    weights = {"hidden": hidden, "recurrent": recurrent, "readout": readout}
    return Run(*chip.emulate(c, weights, x, rng=np.random.default_rng(seed),
                             details=True, **options))


def deaf(c):
    """Return the chip with infinite thresholds, so that membranes are linear."""
    return c._replace(threshold=np.full_like(c.threshold, np.inf))


def first_bin(T, B, m):
    x = np.zeros((T, B, m), np.uint8)
    x[0] = 1
    return x


def psp(t, tau_syn=TAU, tau_mem=TAU, dt=DT, nominal=(TAU, TAU)):
    """Return the response to an event of weight 1 at t = 0, in nominal units."""
    def answer(t, a, b):
        t = np.maximum(t, 0)
        if a == b:
            return t * np.exp(-t / a)
        return (np.exp(-t / a) - np.exp(-t / b)) / (1 / b - 1 / a)
    return answer(t, tau_syn, tau_mem) / answer(dt, *nominal)


def assert_normal(z):
    z = np.ravel(z)
    assert stats.kstest(z, "norm").pvalue > 1e-6
    assert abs(z.mean()) * np.sqrt(z.size) < 4.9
    assert abs(z.var() - 1) * np.sqrt(z.size / 2) < 5.1


# ---- the ideal limit

@given(SEEDS, st.integers(1, 3), st.booleans(), st.sampled_from((None, 1.0, 0.5)))
def test_ideal_limit_is_lif(seed, refractory, recurrent, ratio):
    rng = np.random.default_rng(seed)
    T, B, m, n, k = rng.integers((6, 1, 1, 1, 0), (25, 5, 30, 20, 4))
    x = rng.random((T, B, m)) < rng.uniform(0.1, 0.5)
    W, V, R = (rng.normal(mean, 1.5 / np.sqrt(c), (r, c)) for mean, r, c in
               ((0.4, n, m), (0, n, n), (0, k, n)))
    V = V if recurrent else None
    tau_syn = TAU * (ratio or rng.uniform(0.3, 2))
    decays = {"alpha": float(np.exp(-DT / tau_syn)), "beta": DECAY}
    layer = lif.simulate(x, W, V, reset="zero", refractory=refractory, **decays)
    assume(0 < layer.spikes.mean() < 1 and np.abs(layer.mem - 1).min() > 1e-9)
    c = ideal(n + k, m + n, tau_syn=tau_syn, refractory=refractory * DT)
    run = emulate(c, x, W * 240, R * 240, None if V is None else V * 240, step=DT)
    assert np.array_equal(run.spikes, layer.spikes)
    assert np.abs(run.membranes[..., :n] - layer.mem).max() < 1e-12
    if k:
        out = lif.readout(layer.spikes, R, **decays)
        assert np.abs(run.membranes[..., n:] - out).max() < 1e-12
    np.testing.assert_allclose(run.samples, 80 + 70 * run.membranes, rtol=RTOL)


@pytest.mark.parametrize("recurrent", [False, True])
@pytest.mark.parametrize("halves", [(1, 1), (1, 2), (2, 1)])
def test_ideal_limit_is_lif_bit_for_bit(halves, recurrent):
    rng = np.random.default_rng(5)
    T, B, m, n, k = 12, 20, 30, 20, 3
    tau = [DT / (h * np.log(2)) for h in halves]
    decays = {"alpha": 0.5 ** halves[0], "beta": 0.5 ** halves[1]}
    assert [float(np.exp(-DT / t)) for t in tau] == list(decays.values())
    x = rng.random((T, B, m)) < 0.2
    W, V, R = (rng.integers(-20, 63, size) for size in ((n, m), (n, n), (k, n)))
    layer = lif.simulate(x, W / 64, V / 64 if recurrent else None, reset="zero",
                         refractory=2, **decays)
    out = lif.readout(layer.spikes, R / 64, **decays)
    c = ideal(n + k, m + n, tau_syn=tau[0], tau_mem=tau[1], refractory=2 * DT)
    assert c.nominal == tuple(tau)
    run = emulate(c, x, W, R, V if recurrent else None, step=DT, scale=64)
    assert 0.05 < layer.spikes.mean() < 0.95
    assert np.array_equal(run.spikes, layer.spikes)
    assert np.array_equal(run.membranes[..., :n], layer.mem)
    assert np.array_equal(run.membranes[..., n:], out)


@pytest.mark.parametrize("step", [DT, 0.2e-6, 0.1e-6, 0.03e-6])
def test_subthreshold_membranes_do_not_depend_on_the_step(step):
    rng = np.random.default_rng(2)
    x = rng.random((20, 4, 9)) < 0.2
    W = rng.normal(0, 0.5, (5, 9))
    run = emulate(deaf(ideal(5, 9)), x, 240 * W, step=step)
    out = lif.readout(x, W, alpha=DECAY, beta=DECAY)
    assert np.linalg.norm(run.membranes - out) < RTOL * np.linalg.norm(out)


def test_long_bins_and_fast_neurons():
    """Time constants far below the step do not overflow."""
    c = ideal(2, 1, tau_mem=9e-3, tau_syn=9e-3)
    tau = np.array([[0.5e-6, 9e-3], [9e-3, 0.5e-6]])
    c = deaf(c._replace(tau_syn=tau, tau_mem=tau[1]))
    run = emulate(c, first_bin(4, 1, 1), np.full((2, 1), 240), step=1e-3, dt=1e-3)
    wanted = psp(1e-3 * np.arange(1, 3), 0.5e-6, 9e-3, 1e-3, (9e-3, 9e-3))
    for i in range(2):
        np.testing.assert_allclose(run.membranes[2:, 0, i], wanted, rtol=1e-9)


# ---- neurons of their own

@proves("chip", 6, 7, 8, 9)
@pytest.mark.parametrize("step", [DT, 0.2e-6])
def test_each_neuron_has_its_own_response(step):
    names = "gain", "synapse", "tau_syn", "tau_mem"
    c = chip.draw(4, chip.only(chip.UNCALIBRATED, *names), neurons=6, inputs=6,
                  dtype=np.float64)
    x = np.zeros((20, 4, 4), np.uint8)
    x[3, np.arange(4), np.arange(4)] = 1         # image b has input b
    W = np.array([[50.0, -40.0, 30.5, -63.0]] * 6)
    run = emulate(deaf(c), x, W, step=step)
    t = DT * (np.arange(20) - 4)
    for i in range(6):
        for b, w in enumerate(W[i]):
            s = 0 if w > 0 else 1
            wanted = w / 240 * c.gain[s, i] * c.synapse[s, i, b] * psp(
                t, c.tau_syn[s, i], c.tau_mem[i])
            np.testing.assert_allclose(run.membranes[:, b, i], wanted, rtol=1e-9,
                                       atol=1e-12)


@proves("chip", 6)
def test_rows_of_recurrent_weights_and_readouts():
    n, m, k = 4, 3, 2
    c = chip.draw(4, chip.only(chip.UNCALIBRATED, "gain", "synapse"), neurons=n + k,
                  inputs=n + m, dtype=np.float64)
    # Neuron 0 fires once without input and then stays refractory.
    c = c._replace(threshold=np.array([-0.5] + [np.inf] * 5),
                   effects=c.effects._replace(refractory=1e-3))
    V, R = np.zeros((n, n)), np.zeros((k, n))
    V[1:, 0], R[:, 0] = (60, -60, 20), (30, -30)
    run = emulate(c, np.zeros((9, 1, m)), np.zeros((n, m)), R, V, step=DT)
    assert run.events.tolist() == [[0, 0, 0]]
    t = DT * (np.arange(9) - 1)
    for i, w, column in ((1, 60, m), (2, -60, m), (3, 20, m), (4, 30, 0), (5, -30, 0)):
        s = int(w < 0)
        wanted = w / 240 * c.gain[s, i] * c.synapse[s, i, column] * psp(t)
        np.testing.assert_allclose(run.membranes[:, 0, i], wanted, rtol=1e-9,
                                   atol=1e-12)


# ---- spikes

@pytest.mark.parametrize("step", [0.2e-6, 0.1e-6, 0.05e-6, 0.01e-6])
@pytest.mark.parametrize("size", [0.7, 1.1, 3.0])
def test_spike_time_converges_with_the_step(step, size):
    crossing = brentq(lambda t: size * psp(t) - 1, 0, TAU, xtol=1e-18)
    K = int(np.ceil(DT / step - 1e-9))
    run = emulate(ideal(1, 1, refractory=1e-3), first_bin(20, 1, 1), [[240 * size]],
                  step=step)
    at = K + int(np.ceil(crossing * K / DT))
    assert run.events.tolist() == [[at, 0, 0]]
    assert np.flatnonzero(run.spikes).tolist() == [at // K]
    assert 0 <= at * DT / K - DT - crossing < step


def test_network_converges_with_the_step():
    rng = np.random.default_rng(8)
    x = rng.random((20, 10, 40)) < 0.05
    W, R = rng.normal(30, 40, (30, 40)), rng.normal(0, 30, (4, 30))
    c = ideal(34, 40, refractory=2e-6, timing=(0.0, 0.34e-6))

    def membranes(step):
        run = emulate(c, x, W, R, step=step)
        assert run.spikes.mean() > 0.02
        return run.membranes[..., 30:]

    best = membranes(DT / 640)
    error = [np.abs(membranes(DT / K) - best).mean() for K in (10, 20, 40, 80)]
    assert error == sorted(error, reverse=True) and error[0] > 6 * error[-1]
    assert error[-1] < 0.02 * np.abs(best).mean()


@proves("chip", 11)
@pytest.mark.parametrize("hold", [0, 1, 10])
@pytest.mark.parametrize("reset, peak", [(0.0, 1.3), (-0.3, 1.3), (0.1, 9.0)])
def test_refractory_time_in_closed_form(hold, reset, peak):
    h = 0.2e-6
    size = peak / psp(TAU, dt=h)
    c = ideal(1, 1, refractory=hold * h, hidden_peak=True)
    c = c._replace(reset=np.array([reset]))
    run = emulate(c, first_bin(150, 1, 1), [[240 * size]], step=h, dt=h)
    v, fired = run.membranes[:, 0, 0], np.flatnonzero(run.spikes)
    first = fired[0]
    t = h * np.arange(150)
    np.testing.assert_allclose(v[:first], size * psp(t - h, dt=h)[:first], rtol=RTOL,
                               atol=1e-15)
    assert (v[first:first + hold + 1] == reset).all()
    stop = fired[1] if len(fired) > 1 else 150
    assert (len(fired) > 1) == (peak > 2)
    free = np.arange(1, stop - first - hold)
    current = size * np.exp(-(first + hold - 1) * h / TAU)
    wanted = reset * np.exp(-free * h / TAU) + current * psp(free * h, dt=h)
    assert len(free) > 0
    np.testing.assert_allclose(v[first + hold + free], wanted, rtol=RTOL)


def test_bins_collapse_several_spikes():
    run = emulate(ideal(1, 1, refractory=0.34e-6), first_bin(6, 1, 1), [[240 * 30.0]])
    bins = run.events[:, 0] // K
    assert np.bincount(bins).max() > 1
    assert run.spikes.ravel().tolist() == [int(t in bins) for t in range(6)]
    assert run.spikes.dtype == np.uint8


@pytest.mark.parametrize("threshold, peak", [(np.inf, False), (-0.5, True)])
def test_pathological_neurons(threshold, peak):
    c = ideal(1, 1, refractory=1.7e-6)._replace(threshold=np.array([threshold]))
    x = first_bin(20, 1, 1) * (not peak)
    run = emulate(c, x, [[240 * 50.0]])
    assert run.events[:, 0].tolist() == (list(range(0, 20 * K, K + 1)) if peak else [])


def test_a_reset_above_the_threshold_is_no_spike_while_held():
    c = ideal(1, 1, refractory=1.7e-6)._replace(reset=np.array([1.5]))
    run = emulate(c, first_bin(20, 1, 1), [[240 * 3.0]])
    assert (np.diff(run.events[:, 0]) == K + 1).all() and len(run.events) > 10


def test_a_tie_is_no_spike():
    tau = DT / np.log(2)
    x = first_bin(6, 1, 1)
    c = ideal(1, 1, tau_mem=tau, tau_syn=tau, refractory=DT)
    assert not emulate(c, x, [[64]], step=DT, scale=64).spikes.any()
    assert emulate(c, x, [[65]], step=DT, scale=64).spikes.any()


# ---- effects of the membrane

@pytest.mark.parametrize("leak", [0.0, 0.3])
@pytest.mark.parametrize("size", [-1.5, -0.2, 0.3, 2.0])
def test_headroom_compresses_steady_responses(leak, size):
    """Use a constant current; `free` and `edge` are relative to the leak."""
    low, high, slope = -1.0, 1.75, 0.2
    x, W = first_bin(120, 1, 1), [[240 * size]]
    c = deaf(ideal(1, 1, tau_syn=0.9, headroom=(low, high, slope)))
    c, plain = (d._replace(leak=np.array([leak])) for d in
                (c, deaf(ideal(1, 1, tau_syn=0.9))))
    free = emulate(plain, x, W).membranes[-1, 0, 0] - leak
    assert abs(free) > 2.5 * abs(size)
    edge, error = np.clip(free, low - leak, high - leak), []
    for K in (9, 18, 36):
        a, b = np.exp(-DT / K / TAU * (1 - slope) / slope), np.exp(-DT / K / TAU)
        found = emulate(c, x, W, step=DT / K).membranes[-1, 0, 0] - leak
        wanted = (edge * (1 - a) + a * (1 - b) * free) / (1 - a * b)
        np.testing.assert_allclose(found, free if edge == free else wanted, rtol=1e-3)
        error.append(abs(found - (edge + slope * (free - edge))))
    if edge == free:
        assert abs(size) < 1 and error[0] < 1e-12
    else:
        assert abs(size) > 1 and error[0] < 0.3 and 1.7 < error[0] / error[1] < 2.3


@proves("chip", 10)
@pytest.mark.parametrize("leak, free, compressed", [
    (0.3, 1.6, True), (0.3, 1.4, False), (-0.3, 1.9, False), (-0.3, 2.2, True),
    (0.3, -1.15, False), (0.3, -1.4, True), (-0.3, -0.65, False), (-0.3, -0.85, True)])
def test_headroom_near_its_edges_by_hand(leak, free, compressed):
    """`free` is the steady potential without compression, relative to the leak."""
    low, high, slope, h = -1.0, 1.75, 0.2, DT / K
    a, b, alpha = np.exp(-h / TAU * (1 - slope) / slope), np.exp(-h / TAU), np.exp(-h)
    rise = psp(h, 1.0, TAU, DT, (1.0, TAU))
    c = deaf(chip.draw(1, chip.IDEAL._replace(headroom=(low, high, slope)), neurons=1,
                       inputs=1, tau_syn=np.nextafter(1, 0), dtype=np.float64))
    run = emulate(c._replace(leak=np.array([leak])), first_bin(30, 1, 1),
                  [[240 * free * (1 - b) / rise]])
    v, current, wanted, crossed = 0.0, 0.0, [], False
    for j in range(30 * K):
        v = b * v + rise * current
        edge = min(max(v, low - leak), high - leak)
        crossed = crossed or v != edge
        v = edge + a * (v - edge)
        current = alpha * current + (j == K) * free * (1 - b) / rise
        wanted += [v + leak] if j % K == 0 else []
    assert crossed == compressed
    np.testing.assert_allclose(run.membranes[:, 0, 0], wanted, rtol=1e-9)


def test_each_neuron_has_its_own_headroom():
    """Run neurons together and alone; both edges are exceeded."""
    c = deaf(ideal(4, 2, tau_syn=0.9, headroom=(-1.0, 1.75, 0.2)))
    c = c._replace(leak=np.array([-0.4, 0.3, 0.0, 0.5]),
                   tau_mem=TAU * np.array([0.5, 1.0, 2.0, 0.7]))
    x = np.zeros((30, 2, 2), np.uint8)
    x[0, [0, 1], [0, 1]] = 1
    W = np.array([[400.0, -400.0]] * 4)
    whole = emulate(c, x, W)
    for i in range(4):
        alone = c._replace(**{name: getattr(c, name)[..., i:i + 1] for name in (
            "gain", "tau_syn", "tau_mem", "threshold", "leak", "reset", "adc_offset",
            "adc_gain")}, synapse=c.synapse[:, i:i + 1])
        one = emulate(alone, x, W[:1])
        np.testing.assert_allclose(whole.membranes[..., i:i + 1], one.membranes,
                                   rtol=1e-12)
        free = emulate(alone._replace(effects=chip.IDEAL), x, W[:1]).membranes
        assert (np.abs(free - one.membranes).max(axis=(0, 2)) > 0.1).all()


def test_only_potentials_above_the_threshold_spike():
    """All three potentials leave the headroom, and one reaches the threshold."""
    x, W = first_bin(60, 1, 1), [[-480], [120], [480]]
    on = emulate(ideal(3, 1, tau_syn=0.9, headroom=(-1.0, 0.5, 0.2)), x, W)
    off = emulate(ideal(3, 1, tau_syn=0.9), x, W)
    assert on.membranes[-1, 0, 0] < -1.1 and on.membranes[-1, 0, 1] > 0.6
    assert on.spikes.any(axis=(0, 1)).tolist() == [False, False, True]
    assert off.spikes.any(axis=(0, 1)).tolist() == [False, True, True]


def test_headroom_is_a_switch():
    x, W = first_bin(20, 1, 1), [[240 * 0.5]]
    on = emulate(ideal(1, 1, headroom=(-1.0, 1.75, 0.2)), x, W)
    off = emulate(ideal(1, 1), x, W)
    np.testing.assert_allclose(on.membranes, off.membranes, rtol=RTOL)


def noisy(which, size, step=0.2e-6):
    noise = [0.0, 0.0, 0.0]
    noise[which] = size
    c = deaf(ideal(100, 1, noise=tuple(noise)))
    return emulate(c, np.zeros((20, 150, 1)), np.zeros((100, 1)), step=step, seed=3)


def test_read_noise():
    run = noisy(0, 0.02)
    assert not run.membranes.any()
    z = (run.samples - 80) / (70 * 0.02)
    assert_normal(z)
    r = np.corrcoef(z.reshape(20, -1)) - np.eye(20)
    assert np.abs(r).max() < 5.8 / np.sqrt(z[0].size)


def test_membrane_noise():
    """It is stationary, has the time constant of the membrane, and causes spikes."""
    run = noisy(1, 0.015)
    z = run.membranes / 0.015
    for t in (0, 1, 7, 19):
        assert_normal(z[t])
    for lag in (1, 3):
        r = np.corrcoef(z[19 - lag].ravel(), z[19].ravel())[0, 1]
        shift = np.arctanh(r) - np.arctanh(DECAY ** lag)
        assert abs(shift) * np.sqrt(z[0].size) < 4.9
    np.testing.assert_allclose(run.samples, 80 + 70 * run.membranes, rtol=RTOL)
    coarse = noisy(1, 0.015, DT).membranes[19] / 0.015
    assert abs(coarse.var() - 1) * np.sqrt(coarse.size / 2) < 4.9
    c = ideal(100, 1, noise=(0.0, 0.3, 0.0))
    assert emulate(c, np.zeros((20, 10, 1)), np.zeros((100, 1))).spikes.any()


def test_baseline_noise():
    run = noisy(2, 0.03)
    z = (run.samples - 80) / (70 * 0.03)
    assert not run.membranes.any() and (z == z[0]).all()
    assert_normal(z[0])


def test_noise_is_fresh_in_each_run():
    c = ideal(3, 1, noise=(0.02, 0.01, 0.03))
    x, W = np.zeros((5, 2, 1)), np.zeros((3, 1))
    one, same, other = (emulate(c, x, W, seed=s).samples for s in (1, 1, 2))
    assert np.array_equal(one, same) and (one != other).all()
    rng = np.random.default_rng(1)
    weights = {"hidden": W, "recurrent": None, "readout": np.zeros((1, 3))}
    c = ideal(4, 3, noise=(0.02, 0.01, 0.03))
    first, second = (chip.emulate(c, weights, x, rng=rng)[1] for _ in range(2))
    assert (first != second).all()


@proves("chip", 8, 12)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_noise_of_a_seed_by_hand(dtype):
    """Reproduce the order, precision and sign of all draws of a run."""
    T, B, N = 4, 3, 5
    read, size, wander, late, jitter = 0.02, 0.3, 0.1, 1e-7, 3e-7
    c = deaf(chip.draw(3, chip.IDEAL._replace(
        noise=(read, size, wander), sampling=(late, jitter), tau_mem=0.2), neurons=N,
        inputs=N, dtype=dtype))
    x, W = np.zeros((T, B, 2)), np.zeros((N, 2))
    run, rng, h = emulate(c, x, W, seed=7), np.random.default_rng(7), DT / K
    z = rng.standard_normal(T * B).reshape(T, B)
    at = K * np.arange(T)[:, None] + (late + jitter * z) / h
    beta = np.exp(-h / c.tau_mem)
    kick = (size * np.sqrt(12 * (1 - beta ** 2)) / 2 ** 16).astype(dtype)
    steps = [dtype(size) * rng.standard_normal((B, N), dtype)]
    for j in range(T * K):
        if j % K == 0:                                  # the draws of a bin
            words = rng.integers(-2 ** 63, 2 ** 63 - 1, (K, 4), endpoint=True)
            xi = words.view(np.int16)[:, :B * N].reshape(K, B, N)
        if j:
            steps.append(steps[-1] * beta + xi[j % K] * kick)
    assert steps[-1].dtype == dtype
    mem = np.empty((T, B, N), dtype)
    for t, b in np.ndindex(T, B):
        place = np.clip(at[t, b], 0, T * K - 1)
        j = int(np.ceil(place))
        f = dtype(1 - (j - place))
        mem[t, b] = f * steps[j][b] + (1 - f) * steps[max(j - 1, 0)][b]
    assert np.array_equal(run.membranes, mem) and mem.std() > 0.1
    codes = mem * dtype(70) + dtype(80)
    codes += dtype(wander) * dtype(70) * rng.standard_normal((B, N), dtype)
    for now in codes:                                       # the read noise of a bin
        now += dtype(read) * dtype(70) * rng.standard_normal((B, N), dtype)
    assert np.array_equal(run.samples, codes)


# ---- effects of the readout

def network(n=30, k=4, m=40, seed=6):
    rng = np.random.default_rng(seed)
    x = rng.random((20, 10, m)) < 0.06
    return x, rng.integers(-20, 64, (n, m)), rng.integers(-63, 64, (k, n))


@proves("chip", 12)
def test_codes_are_floors_within_8_bits():
    x, W, R = network()
    run = emulate(ideal(34, 40, adc_limit=255), x, W, R)
    exact = 80 + 70 * run.membranes
    assert np.array_equal(run.samples, np.clip(np.floor(exact), 0, 255))
    assert run.samples.dtype == np.uint8 and run.spikes.any()
    assert (exact < -1).any() and (exact > 257).any() and (exact % 1 > 0.9).any()
    less = emulate(ideal(34, 40, adc_limit=99), x, W, R, code=(40.0, 35.0))
    exact = 40 + 35 * run.membranes
    assert np.array_equal(less.samples, np.clip(np.floor(exact), 0, 99))


@proves("chip", 12)
def test_offsets_and_gains_of_the_converter():
    x, W, R = network()
    c = chip.draw(2, chip.only(chip.UNCALIBRATED, "adc"), neurons=34, inputs=40,
                  dtype=np.float64)
    run, plain = emulate(c, x, W, R), emulate(ideal(34, 40), x, W, R)
    assert np.array_equal(run.membranes, plain.membranes)
    np.testing.assert_allclose(run.samples, 80 + c.adc_offset + 70 * (
        1 + c.adc_gain) * run.membranes, rtol=RTOL)
    np.testing.assert_allclose(plain.samples, 80 + 70 * plain.membranes, rtol=RTOL)


def test_gains_of_the_converter_scale_the_noise():
    c = ideal(2, 1, noise=(0.02, 0.0, 0.03))
    x, W = np.zeros((20, 5, 1)), np.zeros((2, 1))
    gain = np.array([0.5, -0.25])
    plain, run = (emulate(d, x, W).samples - 80 for d in
                  (c, c._replace(adc_gain=gain)))
    np.testing.assert_allclose(run, plain * (1 + gain), rtol=RTOL, atol=1e-12)
    assert plain.all()


def test_leaks_shift_the_samples_only():
    x, W, R = network()
    c = ideal(34, 40)._replace(leak=np.linspace(-0.3, 0.3, 34))
    run, plain = emulate(c, x, W, R), emulate(ideal(34, 40), x, W, R)
    assert np.array_equal(run.spikes, plain.spikes) and run.spikes.any()
    np.testing.assert_allclose(run.membranes, plain.membranes + c.leak, rtol=RTOL,
                               atol=1e-12)
    np.testing.assert_allclose(run.samples, 80 + 70 * run.membranes, rtol=RTOL)


def test_latency_of_samples_in_closed_form():
    x, size = first_bin(20, 2, 1), 0.5
    run = emulate(deaf(ideal(1, 1, sampling=(0.5e-6, 0.0))), x, [[240 * size]])
    h = DT / K
    at = np.arange(20) * K + 0.5e-6 / h
    below, part = np.floor(at), at % 1
    wanted = size * (1 - part) * psp(below * h - DT)
    wanted += size * part * psp((below + 1) * h - DT)
    np.testing.assert_allclose(run.membranes[:, 0, 0], wanted, rtol=RTOL)


def test_jitter_of_samples():
    """The time of a sample follows from a known, rising response."""
    x = first_bin(4, 3000, 1)
    c = deaf(ideal(2, 1, sampling=(0.3e-6, 0.07e-6)))
    run = emulate(c, x, [[120.0], [60.0]], step=0.02e-6, seed=9)
    t = np.linspace(0, TAU, 20001)
    for k in (2, 3):
        v = run.membranes[k]
        np.testing.assert_allclose(v[:, 0], 2 * v[:, 1], rtol=RTOL)
        late = np.interp(v[:, 0], 0.5 * psp(t), t) - (k - 1) * DT
        assert_normal((late - 0.3e-6) / 0.07e-6)
    assert len(np.unique(run.membranes[2, :, 0])) == 3000


def test_samples_stay_within_the_window():
    c = deaf(ideal(1, 1, sampling=(0.0, 5e-6)))._replace(reset=np.array([-0.2]))
    run = emulate(c, first_bin(20, 300, 1), [[120]])
    assert run.membranes.min() == 0 and 0 < run.membranes.max() < 0.5 * psp(TAU) + 1e-9


def test_early_samples_are_those_of_the_first_step():
    c = deaf(ideal(8, 1, sampling=(0.0, 1e-6), noise=(0.0, 0.1, 0.0)))
    run = emulate(c, np.zeros((3, 40, 1), np.uint8), np.zeros((8, 1), int))
    assert run.membranes[0].all()


def test_late_samples_are_those_of_the_last_step():
    run = emulate(deaf(ideal(1, 1, sampling=(1.0, 0.0))), first_bin(20, 1, 1), [[120]])
    np.testing.assert_allclose(run.membranes, 0.5 * psp(19 * DT - DT / K), rtol=1e-9)


@pytest.mark.parametrize("step", [DT, 0.2e-6])
def test_no_sample_shows_the_peak_of_a_spike(step):
    x, W, R = network()
    on, off = (emulate(ideal(34, 40, hidden_peak=peak, refractory=DT), x, W, R,
                       step=step) for peak in (True, None))
    assert np.array_equal(on.events, off.events) and len(on.events) > 50
    K = 1 if step == DT else 9
    at = on.events[on.events[:, 0] % K == 0]        # spikes at the time of a sample
    place = at[:, 0] // K, at[:, 1], at[:, 2]
    assert len(at) > 10
    assert (on.membranes[place] == 0).all() and (off.membranes[place] > 1).all()
    assert on.membranes[..., :30].max() <= 1
    rest = np.ones(on.membranes.shape, bool)
    rest[place] = False
    assert np.array_equal(on.membranes[rest], off.membranes[rest])


# ---- effects of the links

def test_events_of_a_bin_arrive_in_sequence():
    m, spacing, h = 30, 0.1e-6, DT / K
    rng = np.random.default_rng(3)
    x = np.zeros((20, 2, m), np.uint8)
    x[0, 0], x[2, 0, ::3], x[1, 1, 5] = 1, 1, 1
    W = rng.normal(0, 30, (1, m))
    run = emulate(deaf(ideal(1, m, timing=(spacing, 0.0))), x, W)
    wanted, t = np.zeros((20, 2)), np.arange(20) * DT
    for k, b in ((0, 0), (2, 0), (1, 1)):
        for rank, i in enumerate(np.flatnonzero(x[k, b])):
            late = np.rint(rank * spacing / h) * h
            wanted[:, b] += W[0, i] / 240 * psp(t - (k + 1) * DT - late)
    assert late == 0 and np.abs(wanted).max() > 0.1
    np.testing.assert_allclose(run.membranes[..., 0], wanted, rtol=1e-9, atol=1e-12)


def test_events_after_the_window_have_no_effect():
    x = np.ones((3, 1, 20), np.uint8)
    run = emulate(deaf(ideal(1, 20, timing=(1e-6, 0.0))), x, np.full((1, 20), 24))
    assert 0 < run.membranes[-1, 0, 0] < 2 * psp(DT) * 0.1


@pytest.mark.parametrize("delay, steps", [(0.0, 1), (0.1e-6, 1), (0.3e-6, 3),
                                          (1e-6, 10), (1.7e-6, 17)])
def test_delay_from_a_spike_to_a_synapse(delay, steps):
    x, W, R = network(k=2)
    run = emulate(ideal(32, 40, timing=(0.0, delay), refractory=2e-6), x, W, R)
    wanted, t = np.zeros((20, 10, 2)), np.arange(20) * DT
    for j, b, i in run.events:
        wanted[:, b] += psp(t - (j + steps) * DT / K)[:, None] * R[:, i] / 240
    assert len(run.events) > 100
    np.testing.assert_allclose(run.membranes[..., 30:], wanted, rtol=1e-9, atol=1e-10)


def test_one_recurrent_neuron_in_several_images():
    x = np.zeros((8, 3, 1), np.uint8)
    x[0, 1], x[2, 2] = 1, 1
    run = emulate(ideal(1, 2, refractory=1e-3), x, [[480]], None, [[240]], step=DT)
    assert run.events[:, 1:].tolist() == [[1, 0], [2, 0]]
    c = deaf(ideal(1, 2))
    for b, start in ((1, 1), (2, 3)):
        spike = run.events[b - 1, 0]
        assert spike == start + 1
    silent = emulate(ideal(1, 2, refractory=0.0), x, [[480]], None, [[0]], step=DT)
    driven = emulate(ideal(1, 2, refractory=0.0), x, [[480]], None, [[240]], step=DT)
    assert not driven.membranes[:, 0].any() and c.nominal == (TAU, TAU)
    assert (driven.membranes[5:, 1:] > silent.membranes[5:, 1:]).any(axis=0).all()


def test_a_run_of_one_step():
    run = emulate(ideal(2, 2), np.ones((1, 2, 1)), [[240]], [[240]], step=DT)
    assert not run.membranes.any() and run.membranes.shape == (1, 2, 2)


@pytest.mark.parametrize("tau, delay, size, low, high", [
    (1e-3, 0.0, 0.12, -0.7, 1.75), (1e-3, 0.0, 0.12, -2.0, 0.8),
    (5e-7, 34.3e-6, 2, -2.0, 9.0)])
def test_calm_bins_change_nothing(tau, delay, size, low, high):
    """Input of weight 0 in each bin has no effect, but prevents calm bins."""
    c = ideal(4, 6, tau_mem=tau, tau_syn=tau, timing=(0.0, delay), refractory=1e-6,
              headroom=(low, high, 0.2))
    c = c._replace(threshold=np.array([1, 1, 1, np.inf]))
    W, V = np.zeros((4, 2)), np.zeros((4, 4))
    W[[0, 2, 3], 0], V[1, 0] = 240 * size * np.array([1, -1, 1]), 480
    x = first_bin(40, 1, 2) * [1, 0]
    run, busy = (emulate(c, y, W, None, V) for y in (x, x | [0, 1]))
    assert set(run.events[:, 2]) == {0, 1}
    assert np.array_equal(run.events, busy.events)
    assert np.array_equal(run.membranes, busy.membranes)
    assert delay or run.membranes.min() < low and run.membranes.max() > high


def test_a_delay_beyond_the_window_is_silence():
    x, W, R = network(k=2)
    run = emulate(ideal(32, 40, timing=(0.0, 1e3)), x, W, R)
    assert len(run.events) > 100 and not run.membranes[..., 30:].any()


@pytest.mark.parametrize("size", [0.1, 0.6])
def test_input_events_are_lost(size):
    c = deaf(ideal(1, 200, loss=size))
    run = emulate(c, first_bin(4, 300, 200), np.ones((1, 200)))
    count = run.membranes[3, :, 0] * 240 / psp(2 * DT)
    np.testing.assert_allclose(count, np.rint(count), rtol=1e-9)
    total = int(np.rint(count).sum())
    assert stats.binomtest(200 * 300 - total, 200 * 300, size).pvalue > 1e-6
    spread = 200 * size * (1 - size)
    assert abs(np.rint(count).var() / spread - 1) < 4.9 * np.sqrt(2 / 300)


@pytest.mark.parametrize("recurrent", [False, True])
def test_on_chip_events_are_lost_and_recorded(recurrent):
    n, B, size = 50, 200, 0.3
    c = ideal(n + 2, n + 1, loss=size, refractory=1e-3)
    threshold = np.where(np.arange(n + 2) < n // 2, -0.5, np.inf)
    c = c._replace(threshold=threshold)
    V = np.zeros((n, n), int)
    V[n // 2:] = 1
    run = emulate(c, np.zeros((3, B, 1)), np.zeros((n, 1), int), np.ones((2, n), int),
                  V if recurrent else None, step=DT)
    assert run.spikes[0, :, :n // 2].all() and len(run.events) == B * (n // 2)
    count = run.membranes[2, :, n:] * 240
    assert np.array_equal(count[:, 0], count[:, 1])
    if recurrent:
        assert (np.abs(run.membranes[2, :, n // 2:n] * 240 - count[:, :1]) < 1e-9).all()
    lost = int(np.rint(B * (n // 2) - count[:, 0].sum()))
    assert stats.binomtest(lost, B * (n // 2), size).pvalue > 1e-6


# ---- the fast mode, batches, dtypes

def test_fast_mode_resets_after_the_first_input():
    x = np.zeros((12, 6, 40), bool)
    rng = np.random.default_rng(2)
    for b in range(5):                                     # image 5 has no input
        x[b:, b] = rng.random((12 - b, 40)) < 0.1
        x[b, b, 0] = True
    W, R = rng.integers(-20, 64, (30, 40)), rng.integers(-63, 64, (4, 30))
    c = ideal(34, 40, refractory=2e-6)
    fast, slow = (emulate(c, x, W, R, reset_after=after) for after in (6e-6, None))
    for b in range(5):
        closes = (b + 1) * K + round(6e-6 / DT * K)
        first = -(-closes // K)
        assert np.array_equal(fast.membranes[:first, b], slow.membranes[:first, b])
        assert not fast.membranes[first:, b].any()
        assert slow.membranes[first:, b].all(axis=0).any()
        mine, other = (run.events[run.events[:, 1] == b] for run in (fast, slow))
        assert np.array_equal(mine, other[other[:, 0] < closes]) and len(mine)
        assert len(other) > len(mine)
    assert not fast.membranes[:, 5].any()


def test_fast_mode_starts_from_the_reset():
    c = deaf(ideal(2, 1)._replace(reset=np.array([-0.2, 0.3])))
    run = emulate(c, np.zeros((20, 1, 1)), np.zeros((2, 1)), reset_after=10e-6)
    wanted = np.outer(np.exp(-np.arange(20) * DT / TAU), c.reset)
    np.testing.assert_allclose(run.membranes[:, 0], wanted, rtol=RTOL)
    late = emulate(c, first_bin(20, 1, 1), np.zeros((2, 1)), reset_after=10e-6)
    closes = K + round(10e-6 / DT * K)
    assert 11.6e-6 < closes * DT / K < 11.8e-6          # longest image
    assert np.array_equal(late.membranes[closes // K:, 0] == c.reset,
                          np.arange(closes // K, 20)[:, None] * K >= [closes] * 2)


def test_images_are_independent():
    x, W, R = network()
    c = chip.draw(3, chip.UNCALIBRATED._replace(noise=None, loss=None, sampling=None),
                  neurons=34, inputs=40, dtype=np.float64)
    whole = emulate(c, x, W, R)
    for b in (0, 3, 9):
        one = emulate(c, x[:, b:b + 1], W, R)
        assert np.array_equal(one.spikes, whole.spikes[:, b:b + 1])
        assert np.array_equal(one.samples, whole.samples[:, b:b + 1])
    with mock.patch.object(chip, "_IMAGES", 3):
        parts = emulate(c, x, W, R)
        fast = emulate(c, x, W, R, reset_after=8e-6)
    assert np.array_equal(parts.samples, whole.samples)
    assert np.array_equal(parts.spikes, whole.spikes) and whole.spikes.any()
    assert sorted(parts.events.tolist()) == sorted(whole.events.tolist())
    assert np.array_equal(fast.samples, emulate(c, x, W, R, reset_after=8e-6).samples)


def test_an_image_without_input_is_never_reset():
    c = ideal(2, 1)._replace(threshold=np.array([-0.1, np.inf]))   # fires by itself
    x = first_bin(20, 2, 1)
    x[:, 1] = 0
    run = emulate(c, x, np.zeros((2, 1), int), reset_after=5e-6)
    assert run.spikes[-1, 1, 0] and not run.spikes[-1, 0, 0] and run.spikes[0, 0, 0]


def test_extreme_allowed_values():
    x = first_bin(2, 1, 1)
    assert emulate(ideal(1, 1), x, [[1]], dt=30 * TAU).samples.shape == (2, 1, 1)
    c = ideal(1, 1)._replace(leak=np.array([0.5]))
    assert emulate(c, 0 * x, [[1]], code=(8.0, 0.5)).samples[0, 0, 0] == 8.25


def test_a_chip_of_single_precision():
    x, W, R = network()
    effects = chip.CALIBRATED._replace(noise=None, loss=None, sampling=None)
    chips = [chip.draw(3, effects, dtype=dtype) for dtype in (np.float32, np.float64)]
    single, double = (emulate(deaf(c), x, W, R).membranes for c in chips)
    assert (single.dtype, double.dtype) == (np.float32, np.float64)
    assert np.linalg.norm(single - double) < 1e-5 * np.linalg.norm(double)
    c = chips[0]._replace(effects=chip.CALIBRATED._replace(adc_limit=None))
    run = emulate(c, x, W, R)
    assert run.samples.dtype == run.membranes.dtype == np.float32


def test_all_effects_at_once():
    x, W, R = network()
    c = chip.draw(3, chip.UNCALIBRATED._replace(decalibration=(0.1, 0.1)))
    V = np.random.default_rng(1).integers(-63, 64, (30, 30), np.int8)
    before = [a.copy() for a in (x, W, R, V, *c[2:])]
    run = emulate(c, x, W, R, V)
    assert 0 < run.spikes.mean() < 0.5
    assert run.spikes.shape == (20, 10, 30) and run.samples.shape == (20, 10, 34)
    assert (run.spikes.dtype, run.samples.dtype) == (np.uint8, np.uint8)
    bins = np.zeros_like(run.spikes)
    j, b, i = run.events.T
    bins[j // K, b, i] = 1
    assert np.array_equal(bins, run.spikes)
    assert all(np.array_equal(a, b) for a, b in
               zip(before, (x, W, R, V, *c[2:]), strict=True))


def test_weights_as_a_tuple_with_names():
    class Weights(NamedTuple):
        hidden: Any
        readout: Any
        recurrent: Any = None

    x, W, R = network()
    c, rng = ideal(34, 40), np.random.default_rng
    one = chip.emulate(c, Weights(W, R), x, rng=rng(1))
    two = chip.emulate(c, {"hidden": W, "readout": R}, x.astype(float), rng=rng(1))
    assert len(one) == 2 and all(map(np.array_equal, one, two))


def test_limits_are_switches():
    x, W = np.zeros((2, 1, 300)), np.ones((300, 300))
    assert emulate(ideal(300, 300), x, 1e3 * W).samples.shape == (2, 1, 300)
    W = np.ones((2, 1), int)
    for dtype in (np.int8, np.int16, np.int64, np.uint8):
        c = ideal(3, 3, weight_limit=63, fan_in=256)
        assert emulate(c, x[..., :1], (63 * W).astype(dtype)).samples.any()


def test_times_outside_the_window_are_refused():
    times = np.array([0.0, 3e-6, 33.9e-6])
    window = binning.Binning(0.0, 20 * DT, DT, "left", "count", "refuse", "refuse")
    bins = binning.dense([times], [np.arange(3)], 3, window)
    assert emulate(ideal(1, 3), bins, [[1, 1, 1]]).membranes.any()
    for late in (34.1e-6, -1e-6, np.nan):
        with pytest.raises(ValueError, match="^times"):
            binning.dense([np.array([0, 0, late])], [np.arange(3)], 3, window)


def test_all_spikes_are_lost():
    """Neurons that always fire have no effect on others if all events are lost."""
    drawn = chip.draw(0, chip.CALIBRATED._replace(loss=1.0, pathological=(0.0, 0.5)))
    W = {"hidden": np.zeros((6, 3), int), "readout": np.full((2, 6), 63)}
    results = [chip.emulate(drawn, {**W, "recurrent": V}, np.zeros((20, 2, 3)),
                            rng=np.random.default_rng(0))
               for V in (np.zeros((6, 6), int), np.full((6, 6), 63))]
    for a, b in zip(*results, strict=True):
        assert np.array_equal(a, b)
    assert 0 < results[0][0].any(axis=(0, 1)).sum() < 6
