"""From sound to spikes: published arrays, differential equations, distributions.

Tests of distributions have fixed seeds and always give the same answer.  Over
all seeds, a correct program fails each of them with probability RATE.
"""

import math
import os
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from proofs import proves
from scipy import integrate, stats
from tolerances import RTOL

from refsnn import _checks, audio, basilar, cochlea

RATE = 1e-4
GOLDEN = 1e-6           # relative, of the largest value at each place
DT = 1 / 24000
FIBRE_STEPS = 24


@pytest.fixture(scope="module")
def golden():
    path = os.path.join(os.environ.get("REFSNN_DATA", ""), "results",
                        "cochlea_golden.npz")
    if "REFSNN_DATA" not in os.environ or not os.path.isfile(path):
        pytest.skip("results/cochlea_golden.npz is missing: REFSNN_DATA names the "
                    "folder of results")
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def exact(places):
    return lambda frequencies, channels: basilar.transfer(frequencies, places[channels])


def tabulated(places):
    return basilar.response(basilar.table(places))


def sound(seconds=0.05, seed=0):
    """Return prepared bursts of two tones in noise."""
    n = round(seconds * 48000)
    noise = np.random.default_rng(seed).normal(size=n)
    t = np.arange(n) / 48000
    tones = np.sin(2 * np.pi * 500 * t) + np.sin(2 * np.pi * 3000 * t)
    return audio.prepare(0.05 * noise + tones * (t % 0.02 < 0.007), 48000)


# ---- as published

@pytest.mark.parametrize("response", [exact, tabulated])
def test_published_velocity_and_probability(golden, response):
    x = audio.prepare(golden["audio"], 48000)
    np.testing.assert_allclose(x, golden["windowed"], rtol=RTOL, atol=1e-12)
    v = cochlea.velocity(x, 48000, response(basilar.places(70)), 70)
    P = cochlea.firing_probability(v, DT)
    for name, ours in (("velocity", v), ("firing_probability", P)):
        theirs, ours = golden[name].T, ours[:, golden["channels"]]
        assert (np.abs(ours - theirs).max(axis=0)
                < GOLDEN * np.abs(theirs).max(axis=0)).all()
    np.testing.assert_allclose(np.sqrt(np.mean(v ** 2, axis=0)), golden["velocity_rms"],
                               rtol=GOLDEN)
    np.testing.assert_allclose(P.mean(axis=0), golden["probability_mean"], rtol=GOLDEN)
    old = cochlea.velocity(x, 48000, lambda f, c: basilar.transfer(
        f, basilar.places(70)[c], "2020"), 70)
    assert np.abs(old / v - 1).max() > 0.01


def test_published_spikes_one_by_one():
    """The draws of the authors' reference (NumPy's old seed 123) give its spikes."""
    paths = [os.path.join(os.environ.get("REFSNN_DATA", "nowhere"), "results", name)
             for name in ("lauscher_reference.npz", "lauscher_spoken_digit.flac")]
    for path in paths:
        if not os.path.isfile(path):
            pytest.skip(f"{path} is missing: REFSNN_DATA names the folder of results")
    pytest.importorskip("soundfile", reason="soundfile is missing")
    times, units = np.load(paths[0])["arr_0"]
    x = audio.prepare(audio.read(paths[1])[0], 48000)
    response = basilar.response(basilar.table(basilar.places(70), "2020"))
    P = cochlea.firing_probability(cochlea.velocity(x, 48000, response, 70), DT)
    rng, n = np.random.RandomState(123), np.zeros(P.shape, np.uint8)
    for channel in range(70):
        fires = rng.uniform(size=(len(P), 40)) < P[:, [channel]]
        last = np.full(40, -100)                # of each fibre; 24 steps are 1 ms
        for t in np.flatnonzero(fires.any(axis=1)):
            fibres = fires[t] & (t - last >= 24)
            last[fibres], n[t, channel] = t, fibres.sum()
    steps, channels = cochlea.bushy(n, DT)
    found = sorted(zip(steps.tolist(), channels.tolist(), strict=True))
    wanted = sorted(zip(np.rint(times / DT).astype(int).tolist(),
                        units.astype(int).tolist(), strict=True))
    assert len(found) == 618 and found == wanted


def test_published_spikes_in_distribution(golden):
    # Means of 60 runs of lauscher 1.0.1 on the golden probabilities, and their
    # standard errors: input spikes of 40 fibres, spikes of the bushy cell.
    mean = np.array([[501.23, 486.32, 504.42, 552.65, 558.48, 487.68, 486.12],
                     [0.2, 0.0667, 0.4833, 2.8667, 5.6667, 0.1833, 0.2]])
    error = np.array([[2.54, 2.68, 2.81, 2.85, 2.44, 2.52, 2.81],
                      [0.0568, 0.0322, 0.0833, 0.2153, 0.2434, 0.0552, 0.0516]])
    P = np.tile(golden["firing_probability"].T, 60)
    n = cochlea.fibres(P, DT, np.random.default_rng(1))
    ours = np.stack([n.sum(axis=0), np.bincount(cochlea.bushy(n, DT)[1],
                                                minlength=P.shape[1])])
    ours = ours.reshape(2, 60, 7)
    sigma = np.sqrt(error ** 2 + ours.var(axis=1) / 60)
    z = (ours.mean(axis=1) - mean) / sigma
    assert np.abs(z).max() < stats.norm.isf(RATE / 28)
    wrong = (1.08 * ours.mean(axis=1) - mean) / sigma       # fibres without dead time
    assert np.abs(wrong).max() > stats.norm.isf(RATE / 28)


# ---- velocity

@proves("cochlea", 1, 2)
@pytest.mark.parametrize("N, channels", [(12, 1), (13, 2), (20, 19)])
def test_velocity_is_the_sum_it_says(N, channels):
    rng = np.random.default_rng(N)
    x, n = rng.normal(size=N), N // 2 + 1
    V = rng.normal(size=(n, channels)) + 1j * rng.normal(size=(n, channels))
    seen = []

    def response(frequencies, some):
        seen.append(frequencies)
        return V[:, some]

    v = cochlea.velocity(x, 100.0, response, channels)
    k = np.arange(n)
    X = np.exp(-2j * np.pi * np.outer(k, np.arange(N)) / N) @ x
    wave = np.exp(2j * np.pi * np.outer(k, k) / n) / n
    np.testing.assert_allclose(v, (wave @ (V * X[:, None])).real, rtol=RTOL,
                               atol=RTOL * np.abs(v).max())
    np.testing.assert_allclose(seen[0], 1 + k * 49 / (n - 1), rtol=RTOL)
    assert v.shape == (n, channels) and np.abs(v).min() > 0


@pytest.mark.parametrize("part", [slice(None, 32), slice(16, 60), slice(16, 59, 1),
                                  slice(32, 49)])
def test_velocity_of_some_channels_is_that_of_all(part):
    rng = np.random.default_rng(12)
    x, V = rng.normal(size=18), rng.normal(size=(10, 60))
    whole = cochlea.velocity(x, 100.0, lambda f, some: V[:, some], 60)
    some = cochlea.velocity(x, 100.0, lambda f, some: V[:, some], part)
    np.testing.assert_allclose(some, whole[:, part], rtol=RTOL, atol=1e-14)
    assert np.ptp(whole, axis=1).min() > 0.1


def test_velocity_of_two_samples_and_of_single_precision():
    # f = 1 Hz and fs/2, X = 4 and 2: their sum and difference, halved
    v = cochlea.velocity(np.array([3.0, 1.0], np.float32), 8, lambda f, c: np.stack(
        [f, 1j * f], axis=1), 2)
    assert v.dtype == np.float64
    np.testing.assert_allclose(v, [[(4 * 1 + 2 * 4) / 2, 0], [(4 - 8) / 2, 0]],
                               atol=1e-15)


def test_sound_of_single_precision_is_heard_in_double():
    x = np.random.default_rng(4).standard_normal(301).astype(np.float32)
    one, two = (cochlea.velocity(a, 48000, ones, 2) for a in (x, x.astype(float)))
    assert (one == two).all() and one.any()


def test_what_moves_faster_than_a_quarter_of_the_rate_is_folded():
    x = np.cos(2 * np.pi * 0.4 * np.arange(1000))           # 0.4 fs
    v = cochlea.velocity(x, 1.0 * 48000, lambda f, c: np.ones((f.size, 1)), 1)[:, 0]
    peak = np.abs(np.fft.rfft(v)).argmax() / v.size         # of the rate fs/2
    assert abs(peak - 0.2) < 2 / v.size


# ---- hair cell

def published_cell(v, fs, M=1.0, y=5.05):
    """Step one channel as the published software does, with its clamps."""
    g, l, r, x, A, B, h = 2000., 2500., 6580., 66.3, 5., 300., 50000.      # noqa: E741
    k = g * A / (A + B)
    c = M * y * k / (l * k + y * (l + r))
    q, w = c * (l + r) / k, c * r / x
    out = np.zeros((3, v.size))
    for t, s in enumerate(v):
        k = g / fs * (s + A) / (s + A + B) if s + A > 0 else 0.0
        made = y / fs * (M - q) if q < M else 0.0
        released, lost, back, again = k * q, (l + r) / fs * c, r / fs * c, x / fs * w
        q, c, w = (max(q + made - released + again, 0), max(c + released - lost, 0),
                   max(w + back - again, 0))
        out[:, t] = q, c, w
    return out, h / fs * out[1]


def test_hair_cell_is_the_published_one():
    rng = np.random.default_rng(2)
    v = rng.normal(0, 40, (700, 5)) + 300 * (rng.random((700, 5)) < 0.02)
    pools, P = cochlea.transmitter(v, DT), cochlea.firing_probability(v, DT)
    for channel in range(5):
        theirs, probability = published_cell(v[:, channel], 24000.0)
        np.testing.assert_allclose(pools[:, :, channel], theirs, rtol=RTOL)
        np.testing.assert_allclose(P[:, channel], probability, rtol=RTOL)
    assert (v < -5).any() and pools.min() > 0 and np.ptp(P) > 0.01


def test_firing_probability_is_of_the_cell_that_is_given():
    v = 20 * np.random.default_rng(5).standard_normal((60, 2))
    one = cochlea.firing_probability(v, DT)
    two = cochlea.firing_probability(v, DT, cell=cochlea.HairCell(h=25000.0))
    np.testing.assert_allclose(two, one / 2, rtol=RTOL)
    assert one.any()


def test_replenishment_stops_at_its_level():
    # k = 0 throughout: only recovery fills q, beyond M
    cell = cochlea.HairCell(A=1e-9, x=1000.0, y=900.0)
    v = np.concatenate([np.full((400, 1), 500.0), np.full((900, 1), -1.0)])
    q, c, w = cochlea.transmitter(v, 1e-4, cell=cell)
    assert q.max() > 1.001
    above = np.flatnonzero(q[:-1, 0] > 1)
    gained = np.diff(q[:, 0])[above]
    k = np.where(v[1:, 0] > 0, 0.2 * 500 / 800, 0)[above]
    np.testing.assert_allclose(gained, 0.1 * w[above, 0] - k * q[above, 0],
                               rtol=RTOL, atol=RTOL * np.abs(gained).max())
    assert (np.diff(above) == 1).all() and gained[0] > 0.01


@proves("cochlea", 3, 4, 5, 6, 7)
def test_each_step_by_hand():
    """Write the equations for single numbers, with other constants and two steps."""
    cell, rng = cochlea.HairCell(4.0, 1900.0, 2400.0, 6500.0, 70.0, 6.0, 280.0, 4e4,
                                 1.1), np.random.default_rng(3)
    v = rng.normal(0, 60, (300, 1))
    for dt in (2e-5, 5e-5):
        pools = cochlea.transmitter(v, dt, cell=cell)
        P = cochlea.firing_probability(v, dt, cell=cell)
        free, cleft, store = cochlea.transmitter(v[:1], dt, cell=cell)[:, 0, 0]
        for t in range(1, 300):
            s = max(v[t, 0] + 6.0, 0)
            k = 1900.0 * dt * s / (s + 280.0)
            free, cleft, store = (
                free + 4.0 * dt * max(1.1 - free, 0) + 70.0 * dt * store - k * free,
                cleft + k * free - 8900.0 * dt * cleft,
                store + 6500.0 * dt * cleft - 70.0 * dt * store)
            np.testing.assert_allclose(pools[:, t, 0], [free, cleft, store], rtol=RTOL)
            np.testing.assert_allclose(P[t], 4e4 * dt * cleft, rtol=RTOL)


CELLS = st.integers(0, 2**32 - 1)


@given(CELLS)
def test_transmitter_is_conserved(seed):
    rng = np.random.default_rng(seed)
    cell = cochlea.HairCell(*(v * rng.uniform(0.5, 2) for v in cochlea.HairCell()))
    v = rng.normal(0, 50, (200, 3))
    pools = cochlea.transmitter(v, 2e-5, cell=cell)
    q, c, _ = pools
    total = pools.sum(axis=0)
    made = cell.y * 2e-5 * np.maximum(cell.M - q[:-1], 0)
    lost = cell.l * 2e-5 * c[:-1]
    np.testing.assert_allclose(total[1:], total[:-1] + made - lost, rtol=RTOL)
    assert lost.min() > 0 and made.max() > 0


@given(CELLS)
def test_silence_changes_nothing(seed):
    rng = np.random.default_rng(seed)
    cell = cochlea.HairCell(*(v * rng.uniform(0.5, 2) for v in cochlea.HairCell()))
    pools = cochlea.transmitter(np.zeros((50, 1)), 2e-5, cell=cell)[:, :, 0]
    np.testing.assert_allclose(pools, pools[:, :1] * np.ones(50), rtol=RTOL)
    k = cell.g * cell.A / (cell.A + cell.B)
    q, c, w = pools[:, 0]
    np.testing.assert_allclose([k * q, cell.r * c, cell.y * (cell.M - q)],
                               [(cell.l + cell.r) * c, cell.x * w, cell.l * c],
                               rtol=RTOL)


def test_hair_cell_tends_to_its_differential_equation():
    def drive(t):
        return 60 * np.sin(2 * np.pi * 400 * t) * np.sin(2 * np.pi * 25 * t) ** 2

    cell = cochlea.HairCell()

    def slope(t, pools):
        q, c, w = pools
        s = max(drive(t) + cell.A, 0)
        k = cell.g * s / (s + cell.B)
        made = cell.y * max(cell.M - q, 0)
        return [made + cell.x * w - k * q, k * q - (cell.l + cell.r) * c,
                cell.r * c - cell.x * w]

    end = 0.02
    rest = cochlea.transmitter(np.zeros((1, 1)), 1e-6)[:, 0, 0]
    # Radau, for the cleft is 2000 times faster than replenishment
    truth = integrate.solve_ivp(slope, (0, end), rest, method="Radau", rtol=1e-10,
                                atol=1e-13, max_step=1e-4).y[:, -1]
    gaps = []
    for steps in (2000, 4000, 8000):
        dt = end / steps
        v = drive(dt * np.arange(steps))[:, None]       # Euler: from the left
        pools = cochlea.transmitter(v, dt)[:, -1, 0]
        gaps.append(np.abs(pools / truth - 1))
        assert np.abs(pools / rest - 1).max() > 0.01
    order = np.log2(np.array(gaps[:-1]) / gaps[1:])
    assert np.abs(order - 1).max() < 0.05 and np.max(gaps[-1]) < 0.01


@pytest.mark.parametrize("rates", [{"g": 4096.0}, {"x": 4096.0}, {"y": 4096.0},
                                   {"l": 4000.0, "r": 96.0}])
def test_longest_step_of_each_rate(rates):
    cell = cochlea.HairCell(**({"y": 1.0, "g": 1.0, "l": 1.0, "r": 1.0, "x": 1.0}
                               | rates))
    assert cochlea.transmitter(V, 1 / 4097, cell=cell).min() >= 0
    with pytest.raises(ValueError, match="dt is 0.000244140625: must be below 0.00024"):
        cochlea.transmitter(V, 1 / 4096, cell=cell)


# ---- fibres

@given(st.integers(0, 2**32 - 1), st.integers(1, 9))
def test_which_points_are_ready(seed, steps):
    rng = np.random.default_rng(seed)
    points = np.sort(rng.integers(0, 60, rng.integers(0, 30)))
    kept = []
    for point in points.tolist():
        if not kept or point - kept[-1] >= steps:
            kept.append(point)
    assert cochlea._ready(points, steps).tolist() == kept


def test_steps_are_rounded_up_but_for_rounding():
    assert [cochlea._steps(s, 0.5) for s in (12 + 0.49e-9, 12 + 0.51e-9, 1e-12)] \
        == [24, 25, 1]


def test_fibres_draw_by_draw():
    """Points of a Poisson process are assigned to fibres at random, one by one."""
    P = np.random.default_rng(13).uniform(0, 0.2, (50, 2))
    got = cochlea.fibres(P, 0.25, [np.random.default_rng(s) for s in (1, 2)], count=3,
                         refractory=1.0)
    wanted = np.zeros((50, 2), int)
    for channel in range(2):
        rng, ends, total = np.random.default_rng(channel + 1), [], 0.0
        for p in P[:, channel]:
            total -= math.log1p(-p)
            ends.append(total)
        points = sorted(rng.uniform(0, total, rng.poisson(3 * total)))
        of = [[], [], []]
        for point, fibre in zip(points, rng.integers(0, 3, len(points)), strict=True):
            t = sum(point >= end for end in ends)
            if not of[fibre] or t - of[fibre][-1] >= 4:
                of[fibre].append(t)
        np.add.at(wanted[:, channel], sum(of, []), 1)
    assert got.tolist() == wanted.tolist() and got.dtype == np.uint8
    assert 10 < got.sum() and got.max() > 1


class Ends(np.random.Generator):
    """A generator that draws one point, the lowest or the highest possible."""

    def poisson(self, mean):
        return 1

    def uniform(self, low, high, size):
        return np.full(size, high if self.random() < 0.5 else low)


def test_points_at_the_ends():
    P = np.full((4, 40), 0.1)
    P[0] = 0                                            # impossible
    rng = [Ends(np.random.PCG64(s)) for s in range(40)]
    n = cochlea.fibres(P, DT, rng, count=1)
    assert (n[0] == 0).all() and (n[2] == 0).all() and (n.sum(axis=0) == 1).all()
    assert 5 < n[1].sum() < 35 and n[3].sum() == 40 - n[1].sum()


def renewal(P, steps):
    """Return the exact spike probability of each step, with dead time."""
    fires = np.zeros(P.size)
    for t in range(P.size):
        fires[t] = P[t] * (1 - fires[max(t - steps + 1, 0):t].sum())
    return fires


def wave(T=300):
    return 0.03 * (1 + np.sin(np.arange(T) / 15)) + 0.001


def test_fibres_fire_as_a_renewal_process_does():
    # One time in 40 is looked at: within dead time, counts depend on each other.
    P = wave()
    n = cochlea.fibres(np.tile(P[:, None], 400), DT, np.random.default_rng(3))
    fires = renewal(P, FIBRE_STEPS)
    some = slice(5, None, 40)
    total = n.sum(axis=1)[some]
    mean, share = 400 * 40 * fires[some], fires[some]
    z = (total - mean) / np.sqrt(mean * (1 - share))
    assert np.sum(z ** 2) < stats.chi2.isf(RATE, z.size)
    free = 400 * 40 * P[some]                           # no dead time: seen
    assert np.sum((total - free) ** 2 / free) > stats.chi2.isf(RATE, z.size)
    # Fibres are independent: counts of a step are binomial, also in spread.
    spread = n[some].var(axis=1, ddof=1) / (40 * share * (1 - share))
    assert np.abs(spread - 1).max() < 6 * np.sqrt(2 / 400)


def test_intervals_of_one_fibre():
    P, T = 0.05, 200000
    n = cochlea.fibres(np.full((T, 1), P), DT, np.random.default_rng(4), count=1)
    assert n.max() == 1
    gaps = np.diff(np.flatnonzero(n))
    assert gaps.min() == FIBRE_STEPS
    wait = np.minimum(gaps - FIBRE_STEPS, 60)           # geometric, tail together
    law = P * (1 - P) ** np.arange(60)
    expected = gaps.size * np.append(law, 1 - law.sum())
    chi = np.sum((np.bincount(wait, minlength=61) - expected) ** 2 / expected)
    assert chi < stats.chi2.isf(RATE, 60)
    late = np.minimum(np.maximum(wait - 1, 0), 60)      # one step off: seen
    assert np.sum((np.bincount(late, minlength=61) - expected) ** 2 / expected) \
        > stats.chi2.isf(RATE, 60)


def published_fibres(P, rng, count, refractory):
    """Draw for each fibre and step of one channel, then delete spikes."""
    spikes = rng.random((P.size, count)) < P[:, None]
    for fibre in range(count):
        last = -refractory
        for t in np.flatnonzero(spikes[:, fibre]):
            if t - last < refractory:
                spikes[t, fibre] = False
            else:
                last = t
    return spikes.sum(axis=1)


def test_fibres_count_as_the_published_algorithm_counts():
    P, rng = wave(), np.random.default_rng(5)
    clear = np.array([published_fibres(P, rng, 40, 24.0).sum() for _ in range(150)])
    fast = cochlea.fibres(np.tile(P[:, None], 600), DT, rng).sum(axis=0)
    z = (clear.mean() - fast.mean()) / np.sqrt(clear.var() / 150 + fast.var() / 600)
    assert abs(z) < stats.norm.isf(RATE / 2)
    assert stats.ks_2samp(clear, fast).pvalue > RATE
    assert 0.5 < fast.var() / clear.var() < 2


def test_count_of_one_step_is_binomial():
    n = cochlea.fibres(np.full((1, 4000), 0.05), DT, np.random.default_rng(10))[0]
    law = stats.binom.pmf(np.arange(7), 40, 0.05)
    expected = 4000 * np.append(law, 1 - law.sum())
    seen = np.bincount(np.minimum(n, 7), minlength=8)
    assert np.sum((seen - expected) ** 2 / expected) < stats.chi2.isf(RATE, 7)


def test_certain_and_impossible_spikes():
    P = np.zeros((100, 2))
    P[10, 0] = P[20, 0] = P[40, 0] = 1 - 1e-15
    n = cochlea.fibres(P, DT, np.random.default_rng(6))
    assert np.flatnonzero(n[:, 0]).tolist() == [10, 40]     # 20 is too early
    assert n[[10, 40], 0].tolist() == [40, 40] and not n[:, 1].any()


@pytest.mark.parametrize("refractory, gap", [(1e-3, 24), (0.99e-3, 24), (1.01e-3, 25),
                                             (1e-9, 1)])
def test_refractory_time_in_steps(refractory, gap):
    n = cochlea.fibres(np.full((4000, 1), 0.9), DT, np.random.default_rng(7), count=1,
                       refractory=refractory)
    assert np.diff(np.flatnonzero(n)).min() == gap


# ---- bushy cell

def published_bushy(n, fs, refractory=1e-3):
    """Step one channel as the published software does."""
    dt, weight = 1 / fs, 13000 / 40
    spikes, current, U, before, counter = [], 0.0, 0.0, 0.0, 0
    for t in range(n.size):
        U = 0.0
        if t > 0:
            if counter <= 0:
                if before < 1:
                    U = before * math.exp(-dt / 1e-3)
                else:
                    counter = refractory * fs
                    spikes.append(t - 1)
            current *= math.exp(-dt / 5e-4)
        current += n[t]
        if counter <= 0:
            U += current * weight * dt
        before = min(U, 1.0)
        counter -= 1
    return spikes


@proves("cochlea", 8, 9)
@pytest.mark.parametrize("rate, dt, refractory", [(0.02, DT, 1e-3), (0.1, DT, 1e-3),
                                                  (0.3, 1 / 10001, 1.5e-3)])
def test_bushy_cell_is_the_published_one(rate, dt, refractory):
    rng = np.random.default_rng(8)
    n = (rng.poisson(40 * rate * rng.random((900, 1)), (900, 6))).astype(np.uint8)
    n[-1] = 255                                         # lost: the last step
    steps, channels = cochlea.bushy(n, dt, refractory=refractory)
    for channel in range(6):
        assert steps[channels == channel].tolist() \
            == published_bushy(n[:, channel], 1 / dt, refractory)
    assert all((a == b).all() for a, b in zip((steps, channels), cochlea.bushy(
        n.astype(int), dt, refractory=refractory), strict=True))
    assert 10 < steps.size < 900 and steps.max() < 899
    assert (np.diff(steps) >= 0).all()
    assert (np.diff(channels)[np.diff(steps) == 0] > 0).all()


def test_threshold_of_the_bushy_cell_is_met_by_a_tie():
    n = np.zeros((3, 2), np.uint8)
    n[0] = 4, 3
    assert cochlea.bushy(n, 0.25, weight=1.0)[1].tolist() == [0]


def test_bushy_cell_holds_still_for_its_refractory_time():
    n = np.full((200, 1), 255, np.uint8)
    steps = cochlea.bushy(n, DT)[0]
    assert set(np.diff(steps).tolist()) == {25}


@pytest.mark.parametrize("T", [0, 1, 2])
def test_bushy_cells_for_no_time_are_silent(T):
    n = np.full((T, 2), 255, np.uint8)
    steps, channels = cochlea.bushy(n, DT)
    assert steps.dtype == channels.dtype == np.int64
    assert steps.tolist() == [0, 0] * (T == 2)          # the last step is lost
    assert channels.tolist() == [0, 1] * (T == 2)


# ---- the whole chain

RESPONSE = tabulated(basilar.places(40))


def test_spikes_follow_the_sound():
    times, units = cochlea.convert(sound(0.2), RESPONSE, 40, np.random.default_rng(1))
    assert 60 < times.size < 4000 and 0 <= times.min() and times.max() < 0.2
    assert units.dtype == np.int64 and times.dtype == np.float64
    best = np.abs(basilar.transfer(np.array([3000.0, 500.0]), basilar.places(40)))
    counts = np.bincount(units, minlength=40)
    for place in best.argmax(axis=1):
        assert counts[place - 1:place + 2].mean() > 1.5 * counts.mean()
    steps = times / DT
    np.testing.assert_allclose(steps, steps.round(), rtol=RTOL, atol=1e-9)
    assert (np.diff(np.rint(steps)) >= 0).all()


def test_seed_is_everything():
    x = sound()
    first, again, other = (cochlea.convert(x, RESPONSE, 40, np.random.default_rng(s))
                           for s in (1, 1, 2))
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert first[0].size != other[0].size or (first[0] != other[0]).any()


@pytest.mark.parametrize("padded", [False, True])
def test_sounds_side_by_side_are_those_converted_alone(padded):
    sounds = [sound(), sound()[::2], sound()[1:3001]]
    found = cochlea.convert_many(sounds, RESPONSE, 40, [
        np.random.default_rng(s) for s in range(3)], padded=padded)
    for s, (times, units) in enumerate(found):
        one = cochlea.convert(sounds[s], RESPONSE, 40, np.random.default_rng(s),
                              padded=padded)
        assert times.size > 5 and (times == one[0]).all() and (units == one[1]).all()
    assert cochlea.convert_many([sounds[0]], RESPONSE, 40, [np.random.default_rng(0)],
                                padded=padded)[0][0].size == found[0][0].size


def test_spikes_after_the_end_of_a_sound_are_left_out():
    """Bushy cells also spike in the steps after the end of the shorter sounds."""
    x, rng = 100 * sound(), np.random.default_rng
    sounds = [x[:n] for n in range(1900, 1940, 2)] + [x]
    found = cochlea.convert_many(sounds, RESPONSE, 40, [rng(1) for _ in sounds])
    for one, (times, units) in zip(sounds, found, strict=True):
        alone = cochlea.convert(one, RESPONSE, 40, rng(1), padded=True)
        assert times.size > 20 and times.max() < (one.size // 2) * DT
        assert np.array_equal(times, alone[0]) and np.array_equal(units, alone[1])


@pytest.mark.parametrize("size", [9, 10, 4097, 9973, 20000])
def test_padded_sounds_have_a_fast_length(size):
    x = np.ones(size)
    padded = cochlea._padded(x)
    n = len(padded) // 2 + 1
    for prime in (2, 3, 5):
        while n % prime == 0:
            n //= prime
    assert n == 1 and (padded[:size] == 1).all() and not padded[size:].any()
    assert size <= len(padded) <= 1.1 * size + 4


def test_padding_changes_few_spikes():
    """The frequencies differ, and the response wraps round later."""
    x, response, count = sound(0.3)[:14389], tabulated(basilar.places(320)), []
    for padded in (False, True):
        count.append(np.mean([cochlea.convert(x, response, 320, np.random.default_rng(
            s), padded=padded)[0].size for s in range(3)]))
    assert count[0] > 900 and abs(count[1] / count[0] - 1) < 0.01


@pytest.mark.parametrize("block", [1, 16, 32, 48, None])
def test_blocks_of_channels_change_nothing(block):
    x = sound()
    one, other = (cochlea.convert(x, RESPONSE, 40, np.random.default_rng(1), block=b)
                  for b in (16, block))
    assert one[0].size > 20
    assert all((a == b).all() for a, b in zip(one, other, strict=True))


def test_as_many_channels_at_a_time_as_the_buffer_holds(monkeypatch):
    seen, velocity = [], cochlea.velocity
    monkeypatch.setattr(cochlea, "velocity", lambda *arguments, out: (
        seen.append((arguments[3].start, arguments[3].stop)),
        velocity(*arguments, out=out))[1])
    x = sound()
    assert cochlea.BUFFER * 8 == 320 * 2 ** 20          # bytes
    steps = x.size // 2 + 1
    for buffer, parts in ((19 * steps - 1, [(0, 19), (19, 38), (38, 40)]),
                          (19 * steps, [(0, 20), (20, 40)]),
                          (40 * steps, [(0, 40)])):
        monkeypatch.setattr(cochlea, "BUFFER", buffer)
        cochlea.convert(x, RESPONSE, 40, np.random.default_rng(1))
        assert seen == parts
        seen.clear()


def test_another_cell_and_rate_reach_every_stage():
    x, rng = sound(), np.random.default_rng
    cell = cochlea.HairCell(h=90000.0)
    times, units = cochlea.convert(x, RESPONSE, 40, rng(1), rate=24000.0, cell=cell)
    v = cochlea.velocity(x, 24000.0, RESPONSE, 40)
    n = cochlea.fibres(cochlea.firing_probability(v, 1 / 12000, cell=cell), 1 / 12000,
                       rng(1))
    steps, channels = cochlea.bushy(n, 1 / 12000)
    np.testing.assert_allclose(times, steps / 12000, rtol=RTOL)
    assert (units == channels).all() and times.size > 50


def test_longest_sound():
    # 30 s is not too long: what is refused is the step of 2 s
    with pytest.raises(ValueError, match="dt is 2.0"):
        cochlea.convert(np.ones(30), ones, 2, RNG, rate=1)
    with pytest.raises(ValueError, match="x lasts 31.0 s: must be at most .* 30.0 s"):
        cochlea.convert(np.ones(31), ones, 2, RNG, rate=1)


def test_channels_are_independent():
    P = np.full((2000, 2), 0.02)
    n = cochlea.fibres(P, DT, np.random.default_rng(9)).astype(float)
    assert n.std(axis=0).min() > 0.3
    r = np.corrcoef(n.T)[0, 1]
    assert abs(r) < stats.norm.isf(RATE / 2) / np.sqrt(2000)


def test_memory_does_not_grow_with_the_fibres():
    x = sound(0.25)

    def flat(f, c):
        return np.full((f.size, c.stop - c.start), 3.0)

    tracemalloc.start()
    try:
        cochlea.convert(x, flat, 64, np.random.default_rng(1), block=16)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 0.7 * 40 * 64 * 6001                  # bytes, fibres, channels, steps


def test_arguments_are_kept():
    x = sound()
    before = x.copy()
    cochlea.convert(x, RESPONSE, 40, np.random.default_rng(1))
    v = np.ones((20, 2))
    P = cochlea.firing_probability(v, DT)
    kept = P.copy()
    cochlea.transmitter(v, DT)
    n = cochlea.fibres(P, DT, np.random.default_rng(1))
    copy = n.copy()
    assert _checks.arrays("P (T, C) float", P)[0] is P     # large ones: no copy
    cochlea.bushy(n, DT)
    assert (x == before).all() and (v == 1).all() and (P == kept).all()
    assert (n == copy).all()


def test_results_go_where_they_are_wanted():
    x, out = sound(), np.empty((1201, 40))
    v = cochlea.velocity(x, 48000, RESPONSE, 40, out=out)
    assert v is out
    P = cochlea.firing_probability(v, DT)
    assert cochlea.firing_probability(v, DT, out=v) is out and (out == P).all()


X, V, P = np.ones(8), np.ones((5, 2)), np.full((5, 2), 0.1)
RNG = np.random.default_rng(1)
NAN = np.array([1.0, np.nan])


def ones(frequencies, channels):
    return np.ones((frequencies.size, channels.stop - channels.start))


def test_sounds_of_different_dtypes_are_converted_alike():
    x = np.sin(0.2 * np.arange(4800))
    sounds, rng = [x.astype("f4"), 1e9 + x], np.random.default_rng

    def response(f, channels):
        return np.where(f[:, None] < 5, 0, 999.0) * np.ones((1, 2))

    found = cochlea.convert_many(sounds, response, 2, [rng(1), rng(2)], padded=False)
    alone = cochlea.convert(sounds[1], response, 2, rng(2))
    assert alone[0].size and all(map(np.array_equal, found[1], alone))
