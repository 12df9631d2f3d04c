"""Formant synthesis: written sample by sample, its spectra, its refusals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tolerances import close

from figures.spoken import formants

RATE, HOP = 48000, 240
SEEDS = st.integers(0, 2 ** 32 - 1)


def tracks(seed, K=12, nose=True):
    """Tracks that move in every respect."""
    rng = np.random.default_rng(seed)
    walk = np.clip(np.cumsum(rng.normal(0, 0.05, (K, 3)), axis=0), -0.3, 0.3)
    parts = rng.uniform(0, 1, (K, 3)) * [1, 1, nose]
    return rng.uniform(80, 300, K), np.array([500.0, 1500, 2500]) * np.exp(walk), parts


def steady(K, voice=1.0, aspiration=0.0, nose=0.0, F=(500.0, 1500.0, 2500.0), f0=120.0):
    """Tracks that do not move."""
    parts = np.tile([voice, aspiration, nose], (K, 1))
    return np.full(K, f0), np.tile(F, (K, 1)), parts


def coefficients(F, b):
    C = -np.exp(-2 * np.pi * b / RATE)
    B = 2 * np.exp(-np.pi * b / RATE) * np.cos(2 * np.pi * F / RATE)
    return 1 - B - C, B, C


def resonate(x, F, b):
    """Eq. (4), sample by sample; F and b numbers or one a sample."""
    A, B, C = (np.broadcast_to(a, len(x)) for a in coefficients(F, b))
    y = np.zeros(len(x) + 2)
    for k, value in enumerate(x):
        y[k] = A[k] * value + B[k] * y[k - 1] + C[k] * y[k - 2]
    return y[:-2]


def rms(a):
    return float(np.sqrt(np.mean(np.abs(a) ** 2)))


# --- sample by sample

@given(SEEDS)
def test_glottis_sample_by_sample(seed):
    pitch, _, parts = tracks(seed, 5)
    breath = 0.7
    got = formants.glottis(pitch, parts, np.random.default_rng(seed), breath)
    rng, at = np.random.default_rng(seed), np.arange(5 * HOP) / HOP
    f0, voice, air = (np.interp(at, np.arange(5), a)
                      for a in (pitch, parts[:, 0], parts[:, 1]))
    p, phases = rng.random(), []
    for f in f0:
        p += f / RATE
        phases.append(p)
    shimmer = 1 + 0.03 * rng.standard_normal(int(p) + 1)
    noise, before, low, wanted = rng.standard_normal(5 * HOP), None, 0.0, []
    pole = np.exp(-2 * np.pi * (6000 - 4000 * breath) / RATE)
    for k, p in enumerate(phases):
        x = (p - int(p)) / (0.5 + 0.3 * breath)
        flow = shimmer[int(p)] * 27 / 4 * x * x * (1 - x) if x < 1 else 0.0
        source = voice[k] * (flow - (flow if k == 0 else before)) * 100 / f0[k] ** 0.5 \
            + 0.05 * (1 + flow) * (air[k] + breath * voice[k] / 10) * noise[k]
        before = flow
        low = pole * low + (1 - pole) * source
        wanted.append(low)
    close(got, np.array(wanted), 1e-9)      # phases differ by rounding of sums


@given(SEEDS, st.booleans())
def test_tract_sample_by_sample(seed, nose):
    _, F, parts = tracks(seed, 5, nose)
    source = np.random.default_rng(seed).normal(size=5 * HOP)
    wanted, length = source, 0.15
    for upper in (3500, 4500, 5500, 6500, 7500):
        upper *= 0.175 / length
        wanted = resonate(wanted, upper, 50 + 0.05 * upper)
    for i, width in enumerate((60, 80, 120)):
        wanted = resonate(wanted, np.repeat(F[:, i], HOP),
                          np.repeat(width * (1 + parts[:, 2]), HOP))
    (A, B, C), (Z, Y, X) = (coefficients(f * 0.175 / length, 100)
                            for f in (950, 1650))
    nasal = np.zeros(len(source) + 2)
    for k, y in enumerate(wanted):
        y1, y2 = (wanted[k - j] if k >= j else 0 for j in (1, 2))
        nasal[k] = B * nasal[k - 1] + C * nasal[k - 2] + A / Z * (y - Y * y1 - X * y2)
    share = np.interp(np.arange(len(source)) / HOP, np.arange(5), parts[:, 2])
    wanted = (1 - share) * wanted + share * nasal[:-2]
    close(formants.tract(source, F, parts, length), wanted)


@given(SEEDS)
def test_friction_sample_by_sample(seed):
    centre, width = 3000.0, 1200.0
    got = formants.friction(500, centre, width, np.random.default_rng(seed))
    y, r = np.random.default_rng(seed).standard_normal(500), np.exp(
        -np.pi * width / RATE)
    for _ in range(2):
        n, y = y, np.zeros(502)
        for k in range(500):
            y[k] = (1 - r * r) / 2 * (n[k] - (n[k - 2] if k > 1 else 0)) \
                + 2 * r * np.cos(2 * np.pi * centre / RATE) * y[k - 1] \
                - r * r * y[k - 2]
        y = y[:-2]
    close(got, y / rms(y))


@given(SEEDS)
def test_sound_put_together_sample_by_sample(seed):
    pitch, F, parts = tracks(seed, 6)
    noises = [[0.0025, 0.01502, 0.4, 6500.0, 3500.0], [0.01, 0.03, 0.2, 2000.0, 900.0]]
    got = formants.synthesise(pitch, F, parts, noises, np.random.default_rng(seed),
                              length=0.16, breath=0.2, background=0.1, loudness=0.01)
    rng = np.random.default_rng(seed)
    sound = formants.tract(formants.glottis(pitch, parts, rng, 0.2), F, parts, 0.16)
    weight = np.repeat(parts[:, 0], HOP) ** 2
    sound /= np.sqrt(sum(weight * sound ** 2) / sum(weight))
    for (first, last), (*_, level, centre, width) in zip(
            [(120, 721), (480, 1440)], noises, strict=True):
        noise = formants.friction(last - first, centre, width, rng)
        for k, value in enumerate(noise):
            edge = k / len(noise)
            rise, fall = min(edge / 0.15, 1), min((1 - edge) / 0.3, 1)
            sound[first + k] += level * value * np.sin(np.pi / 2 * rise) \
                * np.sin(np.pi / 2 * fall)
    sound += 0.1 * rng.standard_normal(len(sound))
    close(got, 0.01 / rms(sound) * sound)


# --- spectra

def test_tract_resonates_at_the_formants():
    """The answer to an impulse is the product of closed forms, peaks at F."""
    K, F = 200, (450.0, 1400.0, 2600.0)
    impulse = np.zeros(K * HOP)
    impulse[0] = 1
    out = formants.tract(impulse, *steady(K, F=F)[1:])
    f = np.fft.rfftfreq(len(out), 1 / RATE)
    z, wanted = np.exp(-2j * np.pi * f / RATE), 1
    for F_, b in [*zip(F, (60, 80, 120), strict=True),
                  *((u, 50 + 0.05 * u) for u in (3500., 4500., 5500., 6500., 7500.))]:
        A, B, C = coefficients(F_, b)
        wanted = wanted * A / (1 - B * z - C * z * z)
    found = np.fft.rfft(out)
    close(found, wanted, 1e-9)
    size = np.abs(found)
    peaks = f[1:-1][(size[1:-1] > size[:-2]) & (size[1:-1] > size[2:])]
    np.testing.assert_allclose(peaks[:7], [*F, 3500, 4500, 5500, 6500], rtol=0.02)
    np.testing.assert_allclose(size[0], 1, rtol=1e-9)


def test_a_longer_tract_resonates_lower():
    impulse = np.zeros(200 * HOP)
    impulse[0] = 1
    size = [np.abs(np.fft.rfft(formants.tract(impulse, *steady(200)[1:], length)))
            for length in (0.175, 0.140)]
    f = np.fft.rfftfreq(len(impulse), 1 / RATE)
    near = [s * ((f > 3000) & (f < 5000)) for s in size]
    assert abs(f[near[0].argmax()] - 3500) < 50 and abs(f[near[1].argmax()] - 4375) < 50


def test_nasals_have_a_zero():
    impulse = np.zeros(200 * HOP)
    impulse[0] = 1
    mouth, nose = (np.abs(np.fft.rfft(formants.tract(
        impulse, *steady(200, nose=n)[1:]))) for n in (0.0, 1.0))
    f = np.fft.rfftfreq(len(impulse), 1 / RATE)
    ratio = nose / mouth
    near = (f > 1200) & (f < 2200)
    assert abs(f[near][ratio[near].argmin()] - 1650) < 60
    near = (f > 700) & (f < 1200)
    assert abs(f[near][ratio[near].argmax()] - 950) < 60


def test_moving_formants_do_not_click():
    """Above all formants a glide is 100 dB below the voice."""
    K = 60
    pitch, F, parts = steady(K)
    moving = F * np.linspace(0.8, 1.25, K)[:, None]
    nasal = parts.copy()
    nasal[20:40, 2] = 1
    calm, glide, nose = (formants.synthesise(
        pitch, a, b, [], np.random.default_rng(1), breath=0.0, background=0.0)
        for a, b in ((F, parts), (moving, parts), (F, nasal)))
    for a in (calm, glide, nose):
        spectrum = np.fft.rfft(a * np.hanning(len(a)))
        assert rms(spectrum[int(12000 * len(a) / RATE):]) < 1e-5 * rms(spectrum)


@pytest.mark.parametrize("f0", [90.0, 130.0, 210.0])
def test_voice_has_the_pitch(f0):
    source = formants.glottis(*steady(60, f0=f0)[::2], np.random.default_rng(1), 0.0)
    spectrum = np.abs(np.fft.rfft(source * np.hanning(len(source))))
    f = np.fft.rfftfreq(len(source), 1 / RATE)
    assert abs(f[spectrum.argmax()] % f0) < 5 or abs(f[spectrum.argmax()] % f0 - f0) < 5
    on, off = (np.mean([spectrum[np.abs(f - k * f0).argmin()] for k in ks])
               for ks in (np.arange(1, 15), np.arange(1.5, 15)))
    assert on > 15 * off


def test_breath_is_noise_and_softens():
    hard, soft, whisper = (
        formants.glottis(*steady(100, voice, air)[::2], np.random.default_rng(2), b)
        for voice, air, b in ((1, 0, 0.0), (1, 0, 1.0), (0, 1, 0.0)))
    lag = RATE // 120
    alike = [np.sum(a[lag:] * a[:-lag]) / np.sum(a * a)
             for a in (np.diff(a, 2) for a in (hard, soft, whisper))]   # high tones
    assert alike[0] > 0.9 > 0.5 > alike[1] and abs(alike[2]) < 0.1
    low = slice(2400, 7200)     # 10 to 30 harmonics: 2.4 to 7.2 kHz
    tilt = [rms(np.fft.rfft(a, RATE)[low]) / rms(np.fft.rfft(a, RATE)[100:500])
            for a in (hard, soft)]
    assert tilt[1] < 0.5 * tilt[0]


@pytest.mark.parametrize("centre, width", [(6500.0, 3500.0), (1300.0, 900.0)])
def test_friction_lies_in_its_band(centre, width):
    power = np.abs(np.fft.rfft(formants.friction(
        RATE, centre, width, np.random.default_rng(3)))) ** 2
    f = np.arange(len(power))
    inside = (f > centre - width) & (f < centre + width)
    assert 0.8 < power[inside].sum() / power.sum() < 0.99
    smooth = np.convolve(power, np.ones(301) / 301, "same")
    assert abs(smooth.argmax() - centre) < 0.25 * width


# --- whole sounds

def test_loudness_and_peak():
    args = (*steady(80), [[0.1, 0.2, 0.4, 6500, 3500]])
    for loudness in (0.01, 0.1):
        audio = formants.synthesise(*args, np.random.default_rng(1), loudness=loudness)
        np.testing.assert_allclose(rms(audio), loudness, rtol=1e-12)
    loud = formants.synthesise(*args, np.random.default_rng(1), loudness=1.0)
    np.testing.assert_allclose(np.abs(loud).max(), 0.95, rtol=1e-12)
    assert rms(loud) < 1


def test_a_noise_is_where_it_is_said_and_as_loud():
    pitch, F, parts = steady(100)
    parts[40:, 0] = 0
    one, none = (formants.synthesise(pitch, F, parts, noises, np.random.default_rng(4),
                                     background=0.0) for noises in (
        [[0.30, 0.45, 0.5, 6500, 3500]], []))
    scale = rms(none[2400:7200])
    silent = one[int(0.27 * RATE):int(0.30 * RATE)], one[int(0.45 * RATE):]
    assert max(map(rms, silent)) < 1e-3 * scale
    ratio = rms(one[int(0.33 * RATE):int(0.40 * RATE)]) / rms(one[2400:7200])
    assert 0.4 < ratio < 0.6


def test_background_has_its_level():
    audio = formants.synthesise(*steady(100), [], np.random.default_rng(1),
                                background=0.1, breath=0.0)
    high = np.fft.rfft(audio)[10000:]       # 20 kHz and above: no voice there
    level = np.sqrt(np.mean(np.abs(high) ** 2) / len(audio)) / rms(audio)
    assert 0.08 < level < 0.12


@given(SEEDS)
def test_depends_on_the_seed_alone(seed):
    args = (*tracks(seed), [[0.01, 0.03, 0.4, 6500, 3500]])
    kept = [np.array(a) for a in args]
    for a in args[:3]:
        a.setflags(write=False)
    one, two, other = (formants.synthesise(*args, np.random.default_rng(s))
                       for s in (seed, seed, seed + 1))
    assert (one == two).all() and not (one == other).any()
    assert one.dtype == np.float64 and one.shape == (12 * HOP,)
    assert all((a == b).all() for a, b in zip(args, kept, strict=True))


P, F3, PARTS = steady(10)
SOURCE, RNG = np.ones(2400), np.random.default_rng(0)
NOISE = [[0.01, 0.03, 0.4, 6500.0, 3500.0]]


def broken(array, value):
    array = np.array(array)
    array.flat[3] = value
    return array


def ends(name, low, high, call):
    """Both ends of a range are accepted, and what is next to them is not."""
    for value, beyond in ((low, -np.inf), (high, np.inf)):
        assert np.isfinite(call(float(value))).all()
        with pytest.raises(ValueError, match=f"{name} is"):
            call(np.nextafter(float(value), beyond))


def test_ends_of_ranges():
    seed = np.random.default_rng
    ends("pitch", 20, 2000, lambda v: formants.glottis(0 * P + v, PARTS, seed(0)))
    ends("parts", 0, 1, lambda v: formants.glottis(P, 0 * PARTS + v, seed(0)))
    ends("breath", 0, 1, lambda v: formants.glottis(P, PARTS, seed(0), v))
    ends("formants", 50, 10000, lambda v: formants.tract(SOURCE, 0 * F3 + v, PARTS))
    ends("parts", 0, 1, lambda v: formants.tract(SOURCE, F3, 0 * PARTS + v))
    ends("source", -1e9, 1e9, lambda v: formants.tract(0 * SOURCE + v, F3, PARTS))
    ends("length", 0.08, 0.25, lambda v: formants.tract(SOURCE, F3, PARTS, v))
    ends("centre", 100, 24000, lambda v: formants.friction(9, v, 1e3, seed(0)))
    ends("width", 10, 24000, lambda v: formants.friction(9, 1e3, v, seed(0)))
    assert formants.friction(2, 1e3, 1e3, seed(0)).shape == (2,)
    for name, low, high in (("background", 0, 10), ("loudness", 1e-6, 1)):
        ends(name, low, high, lambda v, name=name: formants.synthesise(
            P, F3, PARTS, [], seed(0), **{name: v}))
    ends("noises", 0, 24000, lambda v: formants.synthesise(
        P, F3, PARTS, [[0.01, 0.03, v, 1e3, 1e3]], seed(0)))


def test_shortest_and_last_noises():
    """Four samples, up to the end, and no shorter or later by one."""
    for first, last, good in ((2396, 2400, True), (2397, 2400, False),
                              (2396, 2401, False), (0, 4, True), (0, 3, False)):
        noise = [[first / RATE, last / RATE, 1.0, 1e3, 1e3]]
        if good:
            made = formants.synthesise(P, F3, PARTS, noise, np.random.default_rng(0))
            assert made.shape == (2400,)
        else:
            with pytest.raises(ValueError, match="must last 4 samples .* within 2400"):
                formants.synthesise(P, F3, PARTS, noise, np.random.default_rng(0))


def test_defaults_are_those_that_are_told():
    args = [*tracks(3), [[0.01, 0.03, 0.4, 6500, 3500]]]
    one = formants.synthesise(*args, np.random.default_rng(5))
    two = formants.synthesise(*args, np.random.default_rng(5), length=0.175, breath=0.3,
                              background=0.003, loudness=0.06)
    assert (one == two).all()
    assert (formants.glottis(args[0], args[2], np.random.default_rng(5))
            == formants.glottis(args[0], args[2], np.random.default_rng(5), 0.3)).all()
    source = np.random.default_rng(6).normal(size=12 * HOP)
    assert (formants.tract(source, *args[1:3])
            == formants.tract(source, *args[1:3], 0.175)).all()


def test_integers_will_do():
    """Tracks of whole numbers are those of floats."""
    whole = np.full(10, 120), np.tile([500, 1500, 2500], (10, 1)), np.ones((10, 3), int)
    one, two = (formants.synthesise(*(a.astype(kind) for a in whole), [],
                                    np.random.default_rng(0)) for kind in (int, float))
    assert (one == two).all() and one.any()


@pytest.mark.parametrize("call, match", [
    (lambda: formants.glottis(P[:0], PARTS[:0], RNG), "pitch is"),
    (lambda: formants.glottis(broken(P, np.nan), PARTS, RNG), "pitch is"),
    (lambda: formants.glottis(broken(P, 5.0), PARTS, RNG), "pitch is"),
    (lambda: formants.glottis(F3, PARTS, RNG), "pitch is"),
    (lambda: formants.glottis(P, PARTS[1:], RNG), "parts is"),
    (lambda: formants.glottis(P, broken(PARTS, 1.1), RNG), "parts is"),
    (lambda: formants.glottis(P, PARTS, RNG, 1.5), "breath is 1.5"),
    (lambda: formants.glottis(P, PARTS, 3), "rng is 3"),
    (lambda: formants.tract(SOURCE[1:], F3, PARTS), "source is"),
    (lambda: formants.tract(broken(SOURCE, np.inf), F3, PARTS), "source is"),
    (lambda: formants.tract(SOURCE, F3[:, :2], PARTS), "formants is"),
    (lambda: formants.tract(SOURCE, broken(F3, 2e4), PARTS), "formants is"),
    (lambda: formants.tract(SOURCE, F3, -PARTS), "parts is"),
    (lambda: formants.tract(SOURCE, F3, PARTS, 17.5), "length is 17.5"),
    (lambda: formants.tract(SOURCE, F3, PARTS, "long"), "length is 'long'"),
    (lambda: formants.friction(1, 1e3, 1e3, RNG), "samples is 1"),
    (lambda: formants.friction(9.0, 1e3, 1e3, RNG), "samples is 9.0"),
    (lambda: formants.friction(9, 3e4, 1e3, RNG), "centre is 30000"),
    (lambda: formants.friction(9, 1e3, 0.0, RNG), "width is 0"),
    (lambda: formants.friction(9, 1e3, 1e3, None), "rng is None"),
    (lambda: formants.synthesise(P, F3, 0 * PARTS, [], RNG), "no voice"),
    (lambda: formants.synthesise(P[1:], F3, PARTS, [], RNG), "parts is"),
    (lambda: formants.synthesise(P, F3[1:], PARTS, [], RNG), "parts is"),
    (lambda: formants.synthesise(P, F3, PARTS, NOISE[0], RNG), "noises is"),
    (lambda: formants.synthesise(P, F3, PARTS, broken(NOISE, -1), RNG), "noises is"),
    (lambda: formants.synthesise(P, F3, PARTS, broken(NOISE, 1), RNG), "centre is 1"),
    (lambda: formants.synthesise(P, F3, PARTS, [[0.03, 0.01, 1, 1e3, 1e3]], RNG),
     "must last 4"),
    (lambda: formants.synthesise(P, F3, PARTS, [[0.03, 0.06, 1, 1e3, 1e3]], RNG),
     "within 2400"),
    (lambda: formants.synthesise(P, F3, PARTS, [], RNG, background=-1), "background"),
    (lambda: formants.synthesise(P, F3, PARTS, [], RNG, loudness=2), "loudness is 2"),
    (lambda: formants.synthesise(P, F3, PARTS, [], RNG, length=0), "length is 0"),
    (lambda: formants.synthesise(P, F3, PARTS, [], RNG, breath=-1), "breath is -1"),
    (lambda: formants.synthesise(P, F3, PARTS, [], 1), "rng is 1")])
def test_bad_input_is_named(call, match):
    with pytest.raises(ValueError, match=match):
        call()
