r"""Synthesise speech from tracks of formants and pitch.

Tracks have one row every 5 ms.  The sampling rate of the sound is 48 kHz.
Let p be the phase of the vocal folds, f0 the pitch and q the open quotient.
The air flow through the vocal folds and the source signal are

    p[k] = p[k-1] + f0[k] / 48000,  x = (p mod 1) / q            (1)
    flow = 27/4 x^2 (1 - x) if x < 1 else 0           (2)  [KK90]
    source[k] = voice 100 / sqrt(f0) (flow[k] - flow[k-1])
        + 0.05 (1 + flow) (aspiration + breath voice / 10) noise[k]  (3)

A first-order low-pass filter smooths the source signal; the cut-off
frequency is lower for a breathier voice.  The vocal tract is a chain of
resonators with frequency F and bandwidth b,

    y[k] = A x[k] + B y[k-1] + C y[k-2],  A = 1 - B - C,
    C = -exp(-2 pi b / 48000),
    B = 2 exp(-pi b / 48000) cos(2 pi F / 48000)      (4)  [K80]

Three of the resonators change every 5 ms, and five are constant.  In nasal
sounds, the track `nose` is the weight with which a signal z replaces y.  A
filter with a pole (A', B', C') and a zero (A, B, C) computes z from y,

    z[k] = B' z[k-1] + C' z[k-2]
           + A'/A (y[k] - B y[k-1] - C y[k-2])                   (5)

Friction and bursts are white noise n that passes a band-pass filter twice,

    y[k] = (1 - r^2)/2 (n[k] - n[k-2]) - r^2 y[k-2]
           + 2 r cos(2 pi centre / 48000) y[k-1],
    r = exp(-pi width / 48000)                                   (6)

The level of the noise is relative to the rms of the voice, weighted by
`voice`^2.  An envelope fades the noise in and out.  Background noise is
added, and the sum is scaled to a given loudness,

    audio = min(loudness / rms, 0.95 / peak) sound               (7)

Derivation.  Eq. (3) differentiates the flow to model the radiation from the
    lips.  The code uses differences of flow samples, because these differences
    cause less aliasing than samples of the derivative.  Eq. (4) has gain 1 at
    0 Hz, and eq. (6) has gain 1 near the centre frequency.  When the
    coefficients change, the previous outputs y remain in use, so that the
    sound has no clicks.
Exact.  The filters are computed exactly: after a change of coefficients, a
    resonator still reads its own previous outputs.
Approximate.  The model of speech has no interaction between vocal folds and
    vocal tract.  No vowel is radiated through the nose alone.  The spectrum of
    each friction noise is constant in time.
Cost.  The synthesis of a word of 0.6 s takes 4 ms, and needs memory for 8
    arrays with one entry per sample.
Departures.  [K80] does not interpolate tracks.  [K80] filters fricatives by
    separate resonators; this module uses band-pass filters.  The
    formants above the third are the formants of a uniform tube.

[K80] D. H. Klatt, J. Acoust. Soc. Am. 67, 971-995, 1980.
[KK90] D. H. and L. C. Klatt, J. Acoust. Soc. Am. 87, 820-857, 1990.
"""

import numpy as np
from scipy.signal import lfilter, sosfilt

__all__ = ["friction", "glottis", "synthesise", "tract"]

RATE = 48000        # samples per second
HOP = 240           # samples of a row of tracks
REFERENCE = 0.175                                   # length of a tract, m, that has
UPPER = 3500.0, 4500.0, 5500.0, 6500.0, 7500.0      # these formants, Hz, and
NASAL = 950.0, 1650.0                               # this pole and zero of the nose
WIDTHS = 60.0, 80.0, 120.0                          # of the first three formants, Hz


def _within(name, value, low, high, *shape):
    """Check that a value is an array of shape `shape` with entries in [low, high].

    Return the array as floats.  An entry None in `shape` allows any length above 0.
    """
    a = np.asarray(value)
    fits = a.ndim == len(shape) and all(
        size == want or (want is None and size)
        for want, size in zip(shape, a.shape, strict=True))
    if not fits or a.dtype.kind not in "fi" or not ((a >= low) & (a <= high)).all():
        want = ", ".join("1+" if w is None else str(w) for w in shape)
        raise ValueError(f"{name} is {a.tolist()!r:.60}, of shape {a.shape}: must be "
                         f"numbers in [{low:g}, {high:g}] of shape ({want})")
    return a.astype(float)


def _source_of(rng):
    if not isinstance(rng, np.random.Generator):
        raise ValueError(f"rng is {rng!r}: must be a numpy.random.Generator")


def glottis(pitch, parts, rng, breath=0.3):
    """Return the source signal of the larynx, eqs. (1)-(3).

    Parameters
    ----------
    pitch : (K,) float
        Pitch f0 in Hz, 20 to 2000.
    parts : (K, 3) float
        Tracks of voice, aspiration and nose (unused), 0 to 1.
    rng : numpy.random.Generator
        Random generator of the noise and of the initial phase.
    breath : float
        Breathiness, from 0 (pressed, with long closures) to 1 (breathy).

    Returns
    -------
    (240 K,) float64
        Source signal in arbitrary units.

    Raises
    ------
    ValueError
        If the shape or range of an argument is invalid.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> silence = glottis(np.full(4, 100.0), np.zeros((4, 3)), rng)
    >>> len(silence), float(abs(silence).max())
    (960, 0.0)
    """
    pitch = _within("pitch", pitch, 20, 2000, None)
    parts = _within("parts", parts, 0, 1, len(pitch), 3)
    breath = _within("breath", breath, 0, 1)
    _source_of(rng)
    at = np.arange(len(pitch) * HOP) / HOP
    f0, voice, aspiration = (np.interp(at, np.arange(len(pitch)), track)
                             for track in (pitch, parts[:, 0], parts[:, 1]))
    p = np.cumsum(f0 / RATE) + rng.random()
    x = (p % 1) / (0.5 + 0.3 * breath)                                     # (1)
    flow = np.where(x < 1, 6.75 * x ** 2 * (1 - x), 0)                     # (2)
    shimmer = 1 + 0.03 * rng.standard_normal(int(p[-1]) + 1)
    flow *= shimmer[p.astype(int)]
    source = voice * np.diff(flow, prepend=flow[0]) * (100 / np.sqrt(f0))
    source += 0.05 * (1 + flow) * (aspiration + breath * voice / 10) \
        * rng.standard_normal(len(at))                                     # (3)
    pole = np.exp(-2 * np.pi * (6000 - 4000 * breath) / RATE)
    return lfilter([1 - pole], [1, -pole], source)


def _resonator(F, b):
    """Return the coefficients A, B and C of a resonator, eq. (4)."""
    C = -np.exp(-2 * np.pi * b / RATE)
    B = 2 * np.exp(-np.pi * b / RATE) * np.cos(2 * np.pi * F / RATE)
    return 1 - B - C, B, C                                                 # (4)


def _sections(F, b):
    """Return the resonators as second-order sections, an array of shape (..., 6)."""
    A, B, C = np.broadcast_arrays(*_resonator(F, b))
    return np.stack([A, 0 * A, 0 * A, 1 + 0 * A, -B, -C], axis=-1)


def tract(source, formants, parts, length=REFERENCE):
    """Filter a source signal with the vocal tract and the nose, eqs. (4) and (5).

    Parameters
    ----------
    source : (240 K,) float
        Source signal, as returned by `glottis`.
    formants : (K, 3) float
        Frequencies of the first three formants in Hz, 50 to 10,000.
    parts : (K, 3) float
        Tracks of voice and aspiration (both unused) and nose, 0 to 1.
    length : float
        Length of the vocal tract in m, 0.08 to 0.25.  The length
        determines the higher formants.

    Returns
    -------
    (240 K,) float64

    Raises
    ------
    ValueError
        If the shape or range of an argument is invalid.

    Examples
    --------
    >>> vowel = np.tile([500.0, 1500.0, 2500.0], (9, 1))
    >>> float(tract(np.ones(9 * 240), vowel, np.zeros((9, 3)))[-1].round(2))
    1.0
    """
    formants = _within("formants", formants, 50, 10000, None, 3)
    parts = _within("parts", parts, 0, 1, len(formants), 3)
    source = _within("source", source, -1e9, 1e9, len(formants) * HOP)
    higher = REFERENCE / _within("length", length, 0.08, 0.25)
    above = np.array(UPPER) * higher
    source = sosfilt(_sections(above, 50 + 0.05 * above), source)
    moving = _sections(formants, np.array(WIDTHS) * (1 + parts[:, 2:]))
    B, C = -moving[..., 4], -moving[..., 5]
    y1, y2, out = np.zeros(3), np.zeros(3), np.empty_like(source)
    for k, section in enumerate(moving):
        now = slice(k * HOP, (k + 1) * HOP)
        state = np.stack([B[k] * y1 + C[k] * y2, C[k] * y1], axis=1)
        out[now], state = sosfilt(section, source[now], zi=state)
        y1 = state[:, 1] / C[k]
        y2 = (state[:, 0] - B[k] * y1) / C[k]
    if not parts[:, 2].any():
        return out
    pole, zero = (_resonator(F * higher, 100.0) for F in NASAL)
    nasal = lfilter(np.array([1, -zero[1], -zero[2]]) * pole[0] / zero[0],
                    [1, -pole[1], -pole[2]], out)                          # (5)
    nose = np.interp(np.arange(len(out)) / HOP, np.arange(len(parts)), parts[:, 2])
    return out + nose * (nasal - out)


def friction(samples, centre, width, rng):
    """Return band-pass noise with an rms of 1, eq. (6).

    Parameters
    ----------
    samples : int
        Number of samples.
    centre, width : float
        Centre frequency and width of the band in Hz.
    rng : numpy.random.Generator
        Random generator of the noise.

    Returns
    -------
    (samples,) float64

    Raises
    ------
    ValueError
        If a number is out of range, or rng is invalid.

    Examples
    --------
    >>> noise = friction(1000, 6500.0, 3500.0, np.random.default_rng(1))
    >>> float(np.mean(noise ** 2).round(9))
    1.0
    """
    if not isinstance(samples, (int, np.integer)) or isinstance(samples, bool) \
            or samples < 2:
        raise ValueError(f"samples is {samples!r}: must be an integer, 2 or more")
    centre = _within("centre", centre, 100, RATE / 2)
    width = _within("width", width, 10, RATE / 2)
    _source_of(rng)
    r = np.exp(-np.pi * width / RATE)
    band = [(1 - r * r) / 2, 0, -(1 - r * r) / 2,
            1, -2 * r * np.cos(2 * np.pi * centre / RATE), r * r]
    noise = sosfilt([band, band], rng.standard_normal(samples))            # (6)
    return noise / np.sqrt(np.mean(noise ** 2))


def synthesise(pitch, formants, parts, noises, rng, *, length=REFERENCE, breath=0.3,
               background=0.003, loudness=0.06):
    """Synthesise the sound that the given tracks describe, eqs. (1)-(7).

    Parameters
    ----------
    pitch, formants, parts : (K,), (K, 3) and (K, 3) float
        Tracks, as for `glottis` and `tract`.  The columns of `parts` are
        voice, aspiration and nose.
    noises : (N, 5) float
        Start and stop (s), level, centre and width (Hz) of each noise.  A
        noise of level 1 is as loud as the voice.  N may be 0.
    rng : numpy.random.Generator
        Random generator of the noise.
    length, breath : float
        Parameters of the speaker, as for `tract` and `glottis`.
    background : float
        Rms of the background noise; 1 is as loud as the voice.
    loudness : float
        Rms of the sound, reduced if the peak would exceed 0.95.

    Returns
    -------
    (240 K,) float64
        Sound at 48 kHz, from -0.95 to 0.95.

    Raises
    ------
    ValueError
        If the shape or range of an argument is invalid, if a noise is
        shorter than 4 samples or ends too late, or if `voice` is 0
        everywhere.

    Examples
    --------
    >>> pitch = np.full(60, 120.0)
    >>> vowel = np.tile([500.0, 1500.0, 2500.0], (60, 1))
    >>> voice, s = np.tile([1.0, 0, 0], (60, 1)), [[0.1, 0.2, 0.4, 6500, 3500]]
    >>> audio = synthesise(pitch, vowel, voice, s, np.random.default_rng(1))
    >>> audio.shape, float(np.sqrt(np.mean(audio ** 2)).round(9))
    ((14400,), 0.06)
    """
    parts = _within("parts", parts, 0, 1, None, 3)
    noises = np.reshape(noises, (0, 5)) if np.size(noises) == 0 else _within(
        "noises", noises, 0, RATE / 2, None, 5)
    spans = np.round(noises[:, :2] * RATE).astype(int)
    if (spans[:, 1] - spans[:, 0] < 4).any() or (spans > len(parts) * HOP).any():
        raise ValueError(f"noises start and stop at the samples {spans.tolist()}: must "
                         f"last 4 samples or more, within {len(parts) * HOP}")
    if not parts[:, 0].any():
        raise ValueError("parts has no voice (column 0) at all: must have some")
    background = _within("background", background, 0, 10)
    loudness = _within("loudness", loudness, 1e-6, 1)
    sound = tract(glottis(pitch, parts, rng, breath), formants, parts, length)
    voice = np.repeat(parts[:, 0] ** 2, HOP)
    sound /= np.sqrt(np.sum(voice * sound ** 2) / np.sum(voice))
    for (start, stop), (level, *band) in zip(spans, noises[:, 2:], strict=True):
        edge = np.arange(stop - start) / (stop - start)
        envelope = np.sin(np.pi / 2 * np.minimum(edge / 0.15, 1)) \
            * np.sin(np.pi / 2 * np.minimum((1 - edge) / 0.3, 1))
        sound[start:stop] += level * envelope * friction(len(edge), *band, rng)
    sound += background * rng.standard_normal(len(sound))
    rms, peak = np.sqrt(np.mean(sound ** 2)), np.abs(sound).max()
    return min(loudness / rms, 0.95 / peak) * sound                        # (7)
