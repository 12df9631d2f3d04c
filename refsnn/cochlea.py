# refsnn 0.1.0 | cochlea.py | SPDX-License-Identifier: MIT | needs: numpy, scipy
r"""Convert sound to spikes as in the Spiking Heidelberg Digits data set.

A sound x, scaled by `audio.prepare`, moves the basilar membrane of the
inner ear.  Each place of the membrane drives one hair cell.  The 40 nerve
fibres of a hair cell fire at random and excite one bushy cell.  The spikes
of all bushy cells are the output.  Let X be the Fourier transform of a
sound x with N samples and the sampling rate fs.  Let V be the transfer
function of the membrane from the module `basilar`.  With n = N//2 + 1 and
the time step dt = 2/fs, the velocity v of the membrane is

    f[j] = 1 + j (fs/2 - 1)/(n - 1), j = 0 .. n-1, in Hz       (1)
    v[t] = Re (1/n) sum_j V(f[j]) X[j] e^(2 pi i j t/n)        (2)

The transmitter of a hair cell moves between three pools: `free` can be
released, `cleft` is in the synaptic cleft, and `store` is being recycled.
In [M86], the pools `free`, `cleft` and `store` are called q, c and w.  The
class `HairCell` holds the constants of eqs. (3)-(7).  In eqs. (4) and (6),
x is a rate constant, and not the sound.  With s = max(v + A, 0), the
permeability k, the pools and the firing probability P of a fibre are

    k[t] = g dt s[t]/(s[t] + B)                           (3)  [M86]
    free[t] = free + y dt max(M - free, 0) + x dt store - k[t] free
                                                          (4)  [M86]
    cleft[t] = cleft + k[t] free - (l + r) dt cleft       (5)  [M86]
    store[t] = store + r dt cleft - x dt store            (6)  [M86]
    P[t] = h dt cleft[t]                                  (7)  [M88]

where the pools on the right-hand sides are the values at step t-1.
Initially, the pools are in the steady state for v = 0.  A fibre that is
not refractory fires in step t with probability P[t].  If F[t] fibres of a
hair cell fire in step t, the synaptic current I and the membrane potential
U of the bushy cell are

    I[t] = e^(-dt/tau_syn) I[t-1] + F[t]                  (8)  [CSSZ20]
    U[t] = e^(-dt/tau_mem) U[t-1] + weight dt I[t]        (9)  [CSSZ20]

A bushy cell spikes if its membrane potential U is at least 1.  After a
spike, the potential U is held at 0 for the refractory time.

Derivation.  Eqs. (3)-(6) are Euler steps of the differential equations of
    [M86].  If a Poisson process has the rate -log(1 - P) per step, the
    probability of at least one event in a step is P.  For each hair cell,
    one Poisson process with the summed rate of all fibres is sampled.
    Each event is assigned to a random fibre.  Events within the refractory
    time after a spike of the same fibre are deleted.
Exact.  Eqs. (1)-(7) give the same values as the software of [CSSZ20].  The
    spike trains have the same probability distribution in both programs.
Cost.   For C channels processed together and N samples, the time is O(C N
    log N), and the memory is O(C N).
Departures.  This module keeps the following peculiarities of the published
    software.  Frequencies of v above fs/4 are aliased, because v is
    sampled at the rate fs/2.  Eq. (2) computes v at intervals of N/(n fs),
    which are slightly shorter than dt.  The frequencies f[j] start at 1 Hz
    instead of 0 Hz.  The Fourier transform treats the sound as periodic in
    time.  Therefore, the end of the sound can affect the first values of
    the velocity v, and the start of the sound can affect the last values.

[CSSZ20] B. Cramer et al., 2020, arXiv 1910.07407; software lauscher 1.0.1.
[M86] R. Meddis, J. Acoust. Soc. Am. 79, 702-711, 1986.
[M88] R. Meddis, J. Acoust. Soc. Am. 83, 1056-1063, 1988.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import fft

# `python -m refsnn vendor NAME FILE` adds these functions to a copy.
from refsnn._checks import arrays, bundle, flags, one_of, unread

__all__ = ["bushy", "convert", "convert_many", "fibres", "firing_probability",
           "transmitter", "velocity"]

TOGETHER = 1 << 18      # about the number of steps times channels computed at once
BUFFER = 5 << 23        # about the largest size of v, so that v takes 320 MB
CHUNK = 256             # number of steps whose input is computed at once
ROUNDING = 1e-9         # tolerance: refractory / dt may be just above an integer
POSITIVE = "() in (0, 1e12]"            # such that products with step counts stay exact
COUNT = "() int in [1, 1e12]"
TYPES = np.float32, np.float64, np.complex64, np.complex128     # of a response


class HairCell(NamedTuple):
    """The function `transmitter` describes the fields."""
    y: float = 5.05
    g: float = 2000.0
    l: float = 2500.0  # noqa: E741
    r: float = 6580.0
    x: float = 66.3
    A: float = 5.0
    B: float = 300.0
    h: float = 50000.0
    M: float = 1.0


CELL = ", ".join(f"cell.{name} {POSITIVE}" for name in HairCell._fields)


def velocity(x, rate, response, channels, *, out=None):
    """Return the velocity v of the basilar membrane, eq. (2).  The result has the
    shape (n, C), for C channels, and n time steps of 2/rate seconds each.

    >>> x = np.cos(np.pi * np.arange(16) / 4)       # whole periods
    >>> v = velocity(x, 16.0, lambda f, c: np.ones((f.size, 1)), 1)
    >>> v.shape, float(v[0, 0].round(12))
    ((9, 1), 0.888888888889)

    Parameters
    ----------
    x, rate : (N,) float and float
        Sound, such as a result of `audio.prepare`, and sampling rate in Hz.
    response : callable (frequencies, channels) -> (F, C) complex
        Transfer function V at frequencies in Hz for a slice of channels, such
        as a result of `basilar.response`.
    channels : int or slice
    out : (n, C) float64 for the result, optional
    """
    x, rate = arrays(f"x (N) float, rate {POSITIVE}", x, rate, dtype=np.float64)
    one_of("response", response, Callable)
    first, last = _range(channels)
    n = x.size // 2 + 1
    if n < 2:
        raise ValueError("x has 1 sample: must have 2 or more")
    out = _buffer(out, (n, last - first))
    X = fft.fft(x / 2)[:n, None]
    frequencies = np.linspace(1.0, rate / 2, n)                            # (1)
    width = 1 + TOGETHER // n
    for i in range(first, last, width):
        j = min(i + width, last)
        V = unread("response(frequencies,channels)", response(frequencies, slice(i, j)),
                   (n, j - i), *TYPES)
        # The spectrum of the real part is the Hermitian part of V X.
        half, mirrored = (V[some] * X[some] for some in (
            slice(n // 2 + 1), slice(n - 1, (n - 1) // 2, -1)))
        half[0] += half[0].conj()
        half[1:] += np.conj(mirrored, out=mirrored)
        out[:, i - first:j - first] = fft.irfft(half, n, axis=0)              # (2)
    return out


def transmitter(v, dt, *, cell=None):
    """Return a float64 array of shape (3, T, C) with the contents of the pools
    `free`, `cleft` and `store` at each time step, eqs. (3)-(6).

    >>> free, cleft, store = transmitter(np.zeros((100, 1)), 1e-5)
    >>> bool(np.ptp(free) < 1e-12), float(free[-1, 0].round(3))
    (True, 0.359)

    Parameters
    ----------
    v, dt : (T, C) float, float
        Membrane velocity, and time step, s, below 1/(l + r), 1/g, 1/x and 1/y.
    cell : HairCell, optional
        Constants of the hair cell; the published constants by default.  Rates
        have the unit 1/s, and velocities cm/s.  The defaults come first:

        y  5.05, replenishment
        g  2000.0, largest release
        l  2500.0, loss from the cleft
        r  6580.0, return from the cleft
        x  66.3, transfer from `store` to `free`
        A  5.0, transmitter is released if v > -A
        B  300.0, release is half of the largest release if v = B - A
        h  50000.0, firing rate if `cleft` is 1
        M  1.0, level to which `free` is replenished
    """
    (v,), (cell, dt) = arrays("v (T, C) float", v), _cell(cell, dt)
    out = np.empty((3, *v.shape))
    for t, pools in enumerate(_pools(v, dt, cell)):
        out[:, t] = pools
    return out


def _pools(v, dt, cell):
    y, g, l, r, x, A, B, _, M = cell                                       # noqa: E741
    k = g * A / (A + B)                     # steady state in silence
    cleft = M * y * k / (l * k + y * (l + r))
    free, cleft, store = (np.full(v.shape[1], pool) for pool in (
        cleft * (l + r) / k, cleft, cleft * r / x))
    released, made, back, kept = (np.empty_like(free) for _ in range(4))
    for start in range(0, len(v), CHUNK):
        k = np.maximum(v[start:start + CHUNK] + A, 0)
        k *= g * dt / (k + B)                                              # (3)
        for now in k:
            np.multiply(now, free, out=released)
            np.subtract(M, free, out=made)
            np.maximum(made, 0, out=made)
            made *= y * dt
            np.multiply(store, x * dt, out=back)
            np.multiply(cleft, r * dt, out=kept)
            free -= released
            free += made                                                   # (4)
            free += back                                                   # (4)
            cleft *= 1 - (l + r) * dt                                      # (5)
            cleft += released                                              # (5)
            store -= back
            store += kept                                                  # (6)
            yield free, cleft, store


def firing_probability(v, dt, *, cell=None, out=None):
    """Return the firing probability P of a nerve fibre that is not refractory,
    eq. (7).  The result has the shape (T, C) and the dtype float64.

    >>> float(firing_probability(np.zeros((1, 1)), 1 / 24000)[0, 0].round(6))
    0.002699

    Parameters
    ----------
    v, dt, cell : as for `transmitter`
    out : (T, C) float64 for the result, optional; may be `v`
    """
    (v,), (cell, dt) = arrays("v (T, C) float", v), _cell(cell, dt)
    out = _buffer(out, v.shape)
    for t, (_, cleft, _) in enumerate(_pools(v, dt, cell)):
        np.multiply(cleft, cell.h * dt, out=out[t])                        # (7)
    return out


def fibres(P, dt, rng, *, count=40, refractory=1e-3):
    """Return a uint8 array of shape (T, C) with the sampled number of nerve
    fibres that fire in each time step and channel.

    >>> P = np.full((1000, 2), 0.01)
    >>> n = fibres(P, 1e-4, np.random.default_rng(1))
    >>> n.shape, bool(abs(n.mean() - 40 * 0.01 / (1 + 9 * 0.01)) < 0.04)
    ((1000, 2), True)

    Parameters
    ----------
    P : (T, C) float
        Firing probability of a non-refractory fibre in a step, in [0, 1).
    dt, refractory : float, time step and refractory time of a fibre, s
    rng : numpy.random.Generator, or a list with one for each channel
    count : int, the number of fibres of each channel, from 1 to 255
    """
    P, = arrays("P (T, C) float in [0, 1)", P)
    dt, count, refractory = arrays(f"dt {POSITIVE}, count () int in [1, 255], "
                                   f"refractory {POSITIVE}", dt, count, refractory)
    T, C = P.shape
    out, steps = np.empty((T, C), np.uint8), _steps(refractory, dt)
    streams = _streams(rng, C)
    width = 1 + TOGETHER // T
    for first in range(0, C, width):
        some = np.negative(P[:, first:first + width], dtype=np.float64)
        np.negative(np.log1p(some, out=some), out=some)
        hazards, fired = (np.empty((some.shape[1], T), dtype) for dtype in (
            np.float64, np.uint8))
        np.cumsum(some, axis=0, out=hazards.T)
        for k, (hazard, own) in enumerate(zip(hazards, streams[first:], strict=False)):
            points = own.uniform(0, hazard[-1], own.poisson(count * hazard[-1]))
            points.sort()
            at = np.minimum(np.searchsorted(hazard, points, side="right"), T - 1)
            # All fibres share one time axis, on which refractory times separate them.
            at += own.integers(0, count, at.size) * (T + steps)
            at.sort()
            at = _ready(at, steps) % (T + steps)
            fired[k] = np.bincount(at, minlength=T)
        out[:, first:first + width] = fired.T
    return out


def _steps(refractory, dt):
    return max(math.ceil(refractory / dt - ROUNDING), 1)


def _ready(points, steps):
    """Delete events during refractory times."""
    heads = np.ones(points.size, bool)
    heads[1:] = np.diff(points) >= steps
    at = np.flatnonzero(heads[:-1] & ~heads[1:])
    while at.size:
        at = np.searchsorted(points, points[at] + steps)
        at = at[at < points.size]
        at = at[~heads[at]]
        heads[at] = True
    return points[heads]


def bushy(n, dt, *, tau_mem=1e-3, tau_syn=5e-4, refractory=1e-3, weight=13000 / 40):
    """Return the time steps and channels of all spikes of the bushy cells, eqs.
    (8) and (9).  For E spikes, the results are int64 arrays of shape (E,).
    The spikes are sorted by time step, and then by channel.

    >>> n = np.zeros((6, 2), np.uint8)
    >>> n[1, 1] = 40
    >>> [a.tolist() for a in bushy(n, 1 / 24000)]   # U is 0.54, then 1.02
    [[2], [1]]

    Parameters
    ----------
    n : (T, C) int, number of firing fibres, such as a result of `fibres`
    dt, tau_mem, tau_syn, refractory, weight : float
        Time step, time constants and refractory time, s, and synaptic weight
        of a fibre, in thresholds per second.
    """
    n, = arrays("n (T*, C*) int in [0, inf)", n)
    dt, tau_mem, tau_syn, refractory, weight = arrays(
        f"dt {POSITIVE}, tau_mem {POSITIVE}, tau_syn {POSITIVE}, "
        f"refractory {POSITIVE}, weight {POSITIVE}", dt, tau_mem, tau_syn, refractory,
        weight)
    alpha, beta = math.exp(-dt / tau_syn), math.exp(-dt / tau_mem)
    T, C = n.shape
    current, U = np.zeros((2, C))
    held, steps = np.zeros(C, np.int64), _steps(refractory, dt)    # first free step
    found = [(np.zeros(0, np.int64),) * 2]
    for t in range(T - 1):
        if t % CHUNK == 0:
            drive = n[t:t + CHUNK] * (weight * dt)
        current *= alpha
        current += drive[t % CHUNK]                                        # (8)
        U *= beta
        U += current                                                       # (9)
        U *= held <= t
        if U.max(initial=0) >= 1:
            fired = np.flatnonzero(U >= 1)
            U[fired], held[fired] = 0, t + steps + 1
            found.append((np.full(fired.size, t), fired))
    return tuple(np.concatenate(part) for part in zip(*found, strict=True))


def convert(x, response, channels, rng, *, rate=48000, cell=None, block=None,
            padded=False, longest=30.0):
    """Convert a sound to spikes, eqs. (1)-(9).  For E spikes, return two arrays
    of shape (E,): the sorted spike times in seconds (float64), and the channel
    of each spike (int64).

    >>> x = np.sin(0.2 * np.arange(4800))
    >>> response = lambda frequencies, _: np.full((frequencies.size, 2), 999.0)
    >>> times, units = convert(x, response, 2, np.random.default_rng(1))
    >>> times.size > 10, sorted(set(units.tolist()))
    (True, [0, 1])

    The following lines convert a recorded word::

        x = audio.prepare(audio.resample(*audio.read("word.wav")), 48000)
        table = basilar.table(basilar.places(700))      # once for all words
        response = basilar.response(table)
        times_s, units = cochlea.convert(x, response, 700, rng)

    Parameters
    ----------
    x, response, rng, rate, cell
        As for `velocity`, `fibres` and `transmitter`; `x` must not be silent.
    channels : int
    block : int, optional
        Number of channels processed together; by default, v takes about 320 MB
        or less.  The sampled spikes do not depend on `block`.
    padded : bool
        If True, silence is appended to the sound, so that the Fourier
        transform is fast.  The frequencies (1) then differ from [CSSZ20].
    longest : float, longest accepted duration, in seconds
    """
    longest, rate, channels, block = arrays(
        f"longest {POSITIVE}, rate {POSITIVE}, channels {COUNT}, block? {COUNT}",
        longest, rate, channels, block)
    if np.size(x) > longest * rate:         # before the sound is copied
        raise ValueError(f"x lasts {np.size(x) / rate} s: must be at most longest = "
                         f"{longest} s")
    x, = arrays("x (N) float", x)
    if not x.any():
        raise ValueError("x is silent: must have samples other than 0")
    steps = x.size // 2 + 1
    flags("padded", padded)
    x = _padded(x) if padded else x
    block = min(BUFFER // steps + 1 if block is None else block, channels)
    n = x.size // 2 + 1
    v = np.empty(n * block)
    streams, dt, found = _streams(rng, channels), 2 / rate, []
    for first in range(0, channels, block):
        some = slice(first, min(first + block, channels))
        own = v[:n * (some.stop - first)].reshape(n, -1)        # contiguous
        own = velocity(x, rate, response, some, out=own)[:steps]
        P = firing_probability(own, dt, cell=cell, out=own)
        at, units = bushy(fibres(P, dt, streams[some]), dt)
        found.append((at, units + first))
    at, units = (np.concatenate(part) for part in zip(*found, strict=True))
    order = np.lexsort((units, at))
    return at[order] * dt, units[order]


def convert_many(sounds, response, channels, rngs, *, rate=48000, cell=None,
                 padded=True):
    """Convert several short sounds at once, which is faster than `convert`.
    Return a list with a pair (times, channels) for each sound.  The sounds may
    have different durations.  A sound may contain only zeros.

    >>> response = lambda frequencies, _: np.full((frequencies.size, 2), 999.0)
    >>> x, rng = np.sin(0.2 * np.arange(4800)), np.random.default_rng
    >>> pairs = convert_many([x, x[:2400]], response, 2, [rng(1), rng(2)])
    >>> times, units = convert(x, response, 2, rng(1), padded=True)
    >>> bool((pairs[0][0] == times).all() and (pairs[0][1] == units).all())
    True

    Parameters
    ----------
    sounds, rngs : list of (N,) float, list of numpy.random.Generator
        Sounds, and one random generator for each sound.
    response, channels, rate, cell, padded
        As for `convert`, but `padded` is True by default.  The velocity v
        takes 8 bytes for each channel, sound and step of the longest sound.
    """
    rate, channels, sounds = arrays(
        f"rate {POSITIVE}, channels {COUNT}, sounds[] (_) float", rate, channels,
        sounds, dtype=np.float64)
    if len(sounds) != len(one_of("rngs", rngs, list)):
        raise ValueError(f"rngs has {len(rngs)} entries: must have {len(sounds)}")
    flags("padded", padded)
    if not sounds:
        return []
    steps, dt = [x.size // 2 + 1 for x in sounds], 2 / rate
    sounds = [_padded(x) if padded else x for x in sounds]
    n = [x.size // 2 + 1 for x in sounds]
    v = np.zeros((max(n), len(sounds) * channels))
    own = [slice(k * channels, (k + 1) * channels) for k in range(len(sounds))]
    for x, rows, some in zip(sounds, n, own, strict=True):
        velocity(x, rate, response, channels, out=v[:rows, some])
    v = v[:max(steps)]
    P = firing_probability(v, dt, cell=cell, out=v)
    for T, some in zip(steps, own, strict=True):
        P[T:, some] = 0
    n = fibres(P, dt, [stream for rng in rngs for stream in _streams(rng, channels)])
    at, units = bushy(n, dt)
    found = []
    for k, T in enumerate(steps):
        kept = (units // channels == k) & (at < T - 1)
        found.append((at[kept] * dt, units[kept] % channels))
    return found


def _padded(x):
    n = fft.next_fast_len(x.size // 2 + 2, real=True)
    return np.pad(x, (0, 2 * (n - 1) - x.size))


def _range(channels):
    """Return start and end."""
    if not isinstance(channels, slice):
        return 0, *arrays(f"channels {COUNT}", channels)
    first, last = channels.start or 0, channels.stop
    if channels.step not in (None, 1) or last is None or not 0 <= first < last:
        raise ValueError(f"channels is {channels!r}: must have a step of 1 and an end")
    return first, last


def _buffer(out, shape):
    if one_of("out", out, np.ndarray, type(None)) is None:
        return np.empty(shape)
    if not unread("out", out, shape, np.float64).flags.writeable:
        raise ValueError("out is read-only: must be writeable")
    return out


def _cell(cell, dt):
    dt, *cell = arrays(f"dt {POSITIVE}, {CELL}", dt, *(
        HairCell() if cell is None else bundle("cell", cell, HairCell)))
    cell = HairCell(*cell)
    fastest = max(cell.l + cell.r, cell.g, cell.x, cell.y)
    if fastest * dt >= 1:
        raise ValueError(f"dt is {dt!r}: must be below {1 / fastest} for this cell")
    return cell, dt


def _streams(rng, channels):
    many = isinstance(rng, list)
    if any(not isinstance(own, np.random.Generator) for own in (
            rng if many else [rng])) or (many and len(rng) != channels):
        raise ValueError(f"rng is {rng!r:.60}: must be a Generator, or a list of "
                         f"{channels} Generators")
    return rng if many else rng.spawn(channels)
