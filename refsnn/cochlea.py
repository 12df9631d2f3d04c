# refsnn 0.1.0 | cochlea.py | SPDX-License-Identifier: MIT | needs: numpy, scipy
r"""From sound to spikes, as the Heidelberg digits were made from recordings.

Sound x, of the loudness that `audio.prepare` gives it, moves a membrane,
whose places drive hair cells; 40 fibres for each place fire at random and
excite one bushy cell, whose spikes are the result.  The membrane is any
function V of frequency, such as that of `basilar`; all the rest is here.
With rate fs, N samples, Fourier transform X, n = N//2 + 1, dt = 2/fs:

    f[k] = 1 + k (fs/2 - 1)/(n - 1), k = 0 .. n-1, in Hz  (1)
    v[t] = Re (1/n) sum_k V(f[k]) X[k] e^(2 pi i k t/n)   (2)

The hair cell's transmitter, in pools q (to release), c (cleft) and w
(recovery), with s = max(v + A, 0), permeability k, firing probability P:

    k[t] = g dt s[t]/(s[t] + B)                      (3)  [M86] eq. ?
    q[t] = q + y dt max(M - q, 0) + x dt w - k[t] q  (4)  [M86] eq. ?
    c[t] = c + k[t] q - (l + r) dt c                 (5)  [M86] eq. ?
    w[t] = w + r dt c - x dt w                       (6)  [M86] eq. ?
    P[t] = h dt c[t]                                 (7)  [M88] eq. ?

where q, c, w on the right are those of t-1, and at rest in silence first.
Each fibre fires in step t with P[t] unless it did within the refractory
time; the bushy cell, with n[t] fibres firing, sums

    I[t] = e^(-dt/tau_syn) I[t-1] + n[t]             (8)  [CSSZ20] eq. ?
    U[t] = e^(-dt/tau_mem) U[t-1] + weight dt I[t]   (9)  [CSSZ20] eq. ?

spikes where U >= 1, and then holds U = 0 for its refractory time.

Derivation.  (3)-(6) are Euler steps of the model's differential equations;
    what leaves one pool enters the next, but for l c, lost, and y (M - q),
    made.  Below (l + r) dt = 1 no pool can become negative.
    A fibre's spikes are those of a Poisson process with rate -log(1 - P)
    in each step: it has a point there with probability P.  All points of
    all fibres are drawn at once, and those too near in time deleted.
    Fibres differ in nothing but their spikes, so currents add up to (8).
Exact.  As published, in each number up to the spikes and in distribution
    from there on.  Every channel has a random stream of its own.
Cost.   O(C N) memory for C channels at a time, never fibres x channels x
    steps; O(C N log N) time.
Departures.  From the software of [CSSZ20]: seeded, limited in length.
    Kept from it, with what it means for times: v is sampled at fs/2, so
    that what moves the membrane above fs/4 is folded below it; steps count
    as 2/fs, though n of them last N/fs, so the last time is one step off;
    frequencies begin at 1 Hz, not 0; the clip is taken for periodic: what
    leaves it at one end enters at the other (Errata of `basilar` on the
    direction of time); a spike in the last step is lost; U = 1 does spike.

[CSSZ20] B. Cramer, Y. Stradmann, J. Schemmel and F. Zenke, IEEE TNNLS,
    2020, arXiv 1910.07407; software lauscher 1.0.1.
[M86] R. Meddis, J. Acoust. Soc. Am. 79, 702-711, 1986.
[M88] R. Meddis, J. Acoust. Soc. Am. 83, 1056-1063, 1988.
"""

import math
from typing import NamedTuple

import numpy as np
from scipy import fft

__all__ = ["HairCell", "bushy", "convert", "fibres", "firing_probability",
           "transmitter", "velocity"]

WIDTH = 16              # channels that are transformed together, always the same ones
BUFFER = 1 << 27        # samples x channels that `convert` holds: 512 MB of v
CHUNK = 256             # steps whose permeability is computed at once


class HairCell(NamedTuple):
    """Constants of eqs. (3)-(7): rates in 1/s, velocities in cm/s."""

    y: float = 5.05         # replenishment
    g: float = 2000.0       # release at most
    l: float = 2500.0       # loss from the cleft                          # noqa: E741
    r: float = 6580.0       # return from the cleft
    x: float = 66.3         # from recovery to release
    A: float = 5.0          # velocity at which release begins, below rest
    B: float = 300.0        # and at which it is half its most, above A
    h: float = 50000.0      # firing, for transmitter 1 in the cleft
    M: float = 1.0          # to which q is replenished


def _array(name, value, ndim, wide=False):
    """`value` as a finite, non-empty array of float64, or of its own float."""
    array = np.asarray(value)
    if array.ndim != ndim or array.dtype not in (np.float32, np.float64) \
            or array.size == 0:
        raise ValueError(f"{name} is of shape {array.shape}, dtype {array.dtype}: must "
                         f"be a float array of {ndim} dimensions, not empty")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} has NaN or infinite entries: must be finite")
    return array.astype(np.float64) if wide else array


def _positive(name, value, integer=False, most=1e12):
    kinds = (int, np.integer) if integer else (int, float, np.integer, np.floating)
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, kinds) \
            or not 0 < value <= most:
        raise ValueError(f"{name} is {value!r}: must be {'an integer' * integer}"
                         f"{'a number' * (not integer)} above 0, at most {most:g}")


def velocity(x, rate, response, channels, *, out=None):
    """Motion of the membrane at each channel, eq. (2).

    Parameters
    ----------
    x : (N,) float
        Sound, as from `audio.prepare`.
    rate : float
        Its samples a second, Hz.
    response : callable
        ``response(frequencies, channels)``: V, (F, C) complex, for (F,) Hz
        and a slice of C channels: `basilar.interpolate` with a table.
    channels : int or slice
        How many there are, or which of them: begins at a multiple of 16.
    out : (n, C) float64, optional
        Where to write.

    Returns
    -------
    (n, C) float64
        v, every 2/rate seconds.

    Raises
    ------
    ValueError
        If x is no finite array, rate or channels is out of range, or
        response or out has another shape.

    Examples
    --------
    >>> x = np.cos(np.pi * np.arange(16) / 4)       # whole periods
    >>> v = velocity(x, 16.0, lambda f, c: np.ones((f.size, 1)), 1)
    >>> v.shape, float(v[0, 0].round(12))
    ((9, 1), 0.888888888889)
    """
    x = _array("x", x, 1, wide=True)
    _positive("rate", rate)
    if not isinstance(channels, slice):
        _positive("channels", channels, integer=True)
        channels = slice(0, channels)
    first, last, n = channels.start or 0, channels.stop, x.size // 2 + 1
    if channels.step not in (None, 1) or last is None or first % WIDTH \
            or not 0 <= first < last or n < 2:
        raise ValueError(f"channels is {channels!r} for {x.size} samples: must begin "
                         f"at a multiple of {WIDTH}, end above, for 2 samples or more")
    shape = (n, last - first)
    out = np.empty(shape) if out is None else out
    if out.shape != shape or out.dtype != np.float64:
        raise ValueError(f"out is of shape {out.shape}, dtype {out.dtype}: must be "
                         f"{shape} float64")
    X = fft.fft(x)[:n]
    frequencies = np.linspace(1.0, rate / 2, n)                            # (1)
    for i in range(first, last, WIDTH):
        j = min(i + WIDTH, last)
        V = np.asarray(response(frequencies, slice(i, j)))
        if V.shape != (n, j - i):
            raise ValueError(f"response gives shape {V.shape}: must be {(n, j - i)}")
        # Two real signals, those of even and odd channels, in one transform:
        # each by the part of its spectrum that is Hermitian.
        S = np.zeros((n, j - i + (j - i) % 2), complex)
        np.multiply(V, X[:, None], out=S[:, :j - i])
        odd = 1j * S[:, 1::2]
        pair, mirror = S[:, ::2] + odd, S[:, ::2] - odd
        pair[0] += mirror[0].conj()
        pair[1:] += mirror[:0:-1].conj()
        z = fft.ifft(pair, axis=0, overwrite_x=True)
        out[:, i - first:j - first:2] = z.real / 2                         # (2)
        out[:, i - first + 1:j - first:2] = z.imag[:, :(j - i) // 2] / 2
    return out


def _cell(cell, dt):
    if not isinstance(cell, HairCell):
        raise ValueError(f"cell is {cell!r}: must be a HairCell")
    _positive("dt", dt)
    for name, value in zip(HairCell._fields, cell, strict=True):
        _positive(f"cell.{name}", value)
    fastest = max(cell.l + cell.r, cell.g, cell.x, cell.y)
    if fastest * dt >= 1:
        raise ValueError(f"dt is {dt!r}: must be below {1 / fastest}, or the cell's "
                         "Euler steps overshoot")


def _rest(cell):
    """Steady pools in silence: (q, c, w)."""
    y, g, l, r, x, A, B, _, M = cell                                       # noqa: E741
    k = g * A / (A + B)
    c = M * y * k / (l * k + y * (l + r))
    return c * (l + r) / k, c, c * r / x


def _pools(v, dt, cell):
    """Pools after each step of v, one after the other, in the same buffers."""
    q, c, w = (np.full(v.shape[1], pool) for pool in _rest(cell))
    released, made, back, kept = (np.empty_like(q) for _ in range(4))
    y, g, l, r, x, A, B, _, M = cell                                       # noqa: E741
    for start in range(0, len(v), CHUNK):
        k = np.maximum(v[start:start + CHUNK] + A, 0)
        k *= g * dt / (k + B)                                              # (3)
        for now in k:
            np.multiply(now, q, out=released)
            np.subtract(M, q, out=made)
            np.maximum(made, 0, out=made)
            made *= y * dt
            np.multiply(w, x * dt, out=back)
            np.multiply(c, r * dt, out=kept)
            q -= released
            q += made
            q += back                                                      # (4)
            c *= 1 - (l + r) * dt
            c += released                                                  # (5)
            w -= back
            w += kept                                                      # (6)
            yield q, c, w


def transmitter(v, dt, *, cell=None):
    """Transmitter in the three pools of each hair cell, eqs. (3)-(6).

    Parameters
    ----------
    v : (T, C) float
        Velocity of the membrane.
    dt : float
        Step, s.
    cell : HairCell, optional
        Constants; the published ones by default.

    Returns
    -------
    (3, T, C) float64
        q, c and w after each step; before the first they are at rest.

    Raises
    ------
    ValueError
        If v is not finite, a constant not positive, or dt too long.

    Examples
    --------
    >>> q, c, w = transmitter(np.zeros((100, 1)), 1e-5)
    >>> bool(np.ptp(q) < 1e-12), float(q[-1, 0].round(3))
    (True, 0.359)
    """
    v, cell = _array("v", v, 2), HairCell() if cell is None else cell
    _cell(cell, dt)
    out = np.empty((3, *v.shape))
    for t, pools in enumerate(_pools(v, dt, cell)):
        out[:, t] = pools
    return out


def firing_probability(v, dt, *, cell=None, out=None):
    """Probability that a ready fibre fires, step by step, eq. (7).

    Parameters
    ----------
    v, dt, cell
        As for `transmitter`.
    out : (T, C) float64, optional
        Where to write; may be v itself.

    Returns
    -------
    (T, C) float64
        P.

    Raises
    ------
    ValueError
        If v is not finite, a constant not positive, dt too long, or out of
        another shape.

    Examples
    --------
    >>> float(firing_probability(np.zeros((1, 1)), 1 / 24000)[0, 0].round(6))
    0.002699
    """
    v, cell = _array("v", v, 2), HairCell() if cell is None else cell
    _cell(cell, dt)
    out = np.empty(v.shape) if out is None else out
    if out.shape != v.shape or out.dtype != np.float64:
        raise ValueError(f"out is of shape {out.shape}, dtype {out.dtype}: must be "
                         f"{v.shape} float64")
    for t, (_, c, _) in enumerate(_pools(v, dt, cell)):
        np.multiply(c, cell.h * dt, out=out[t])                            # (7)
    return out


def _streams(rng, channels):
    """One generator for each channel."""
    many = isinstance(rng, list)
    if any(not isinstance(own, np.random.Generator) for own in (
            rng if many else [rng])) or (many and len(rng) != channels):
        raise ValueError(f"rng is {rng!r:.60}: must be a numpy.random.Generator, or a "
                         f"list of {channels}")
    return rng if many else rng.spawn(channels)


def _steps(refractory, dt):
    """Steps that a refractory time takes, rounded up."""
    return max(math.ceil(refractory / dt - 1e-9), 1)


def _ready(points, steps):
    """Which of rising points remain, none within `steps` of one before it."""
    heads = np.ones(points.size, bool)
    heads[1:] = np.diff(points) >= steps
    onward = np.searchsorted(points, points + steps)
    found, at = heads.copy(), np.flatnonzero(heads)
    while at.size:
        at = onward[at]
        at = at[at < points.size]
        at = at[~found[at]]
        found[at] = True
    return points[found]


def fibres(P, dt, rng, *, count=40, refractory=1e-3):
    """How many of a channel's fibres fire in each step.

    Parameters
    ----------
    P : (T, C) float
        Firing probability of one ready fibre, in [0, 1).
    dt : float
        Step, s.
    rng : numpy.random.Generator or list of C of them
        One for each channel; a single one spawns them.
    count : int
        Fibres a channel, from 1 to 255.
    refractory : float
        Time in which a fibre does not fire again, s.

    Returns
    -------
    (T, C) uint8
        0 .. count.

    Raises
    ------
    ValueError
        If P is out of range, or another argument.

    Examples
    --------
    >>> P = np.full((1000, 2), 0.01)
    >>> n = fibres(P, 1e-4, np.random.default_rng(1))
    >>> n.shape, bool(abs(n.mean() - 40 * 0.01 / (1 + 9 * 0.01)) < 0.04)
    ((1000, 2), True)
    """
    P = _array("P", P, 2)
    if P.min() < 0 or P.max() >= 1:
        raise ValueError(f"P is from {P.min()} to {P.max()}: must be in [0, 1)")
    _positive("dt", dt)
    _positive("count", count, integer=True, most=255)
    _positive("refractory", refractory)
    T, C = P.shape
    out, steps = np.empty((T, C), np.uint8), _steps(refractory, dt)
    for channel, own in enumerate(_streams(rng, C)):
        hazard = np.cumsum(-np.log1p(-P[:, channel], dtype=np.float64))
        points = own.uniform(0, hazard[-1], own.poisson(count * hazard[-1]))
        points.sort()
        at = np.minimum(np.searchsorted(hazard, points, side="right"), T - 1)
        # fibres one after the other on one axis, refractory times between
        at += own.integers(0, count, at.size) * (T + steps)
        at.sort()
        at = _ready(at, steps) % (T + steps)
        out[:, channel] = np.bincount(at, minlength=T)
    return out


def bushy(n, dt, *, tau_mem=1e-3, tau_syn=5e-4, refractory=1e-3, weight=13000 / 40):
    """Spikes of the bushy cells, eqs. (8) and (9).

    Parameters
    ----------
    n : (T, C) uint8
        Fibres that fire in each step.
    dt : float
        Step, s.
    tau_mem, tau_syn, refractory : float
        Time constants, s.
    weight : float
        Of a fibre, thresholds a second.

    Returns
    -------
    steps, channels : (E,) int64
        Of the spikes, in the order of steps, then channels.

    Raises
    ------
    ValueError
        If n is no array of uint8, or another argument not positive.

    Examples
    --------
    >>> n = np.zeros((6, 2), np.uint8)
    >>> n[1, 1] = 40
    >>> [a.tolist() for a in bushy(n, 1 / 24000)]   # after 0.54, 1.02
    [[2], [1]]
    """
    n = np.asarray(n)
    if n.ndim != 2 or n.dtype != np.uint8:
        raise ValueError(f"n is of shape {n.shape}, dtype {n.dtype}: must be (T, C) "
                         "uint8")
    for name, value in (("dt", dt), ("tau_mem", tau_mem), ("tau_syn", tau_syn),
                        ("refractory", refractory), ("weight", weight)):
        _positive(name, value)
    alpha, beta = math.exp(-dt / tau_syn), math.exp(-dt / tau_mem)
    T, C = n.shape
    current, U, drive = (np.zeros(C) for _ in range(3))
    held, steps = np.zeros(C, np.int64), _steps(refractory, dt)    # first free step
    found = [(np.zeros(0, np.int64),) * 2]
    for t in range(T - 1):
        current *= alpha
        current += np.multiply(n[t], weight * dt, out=drive, dtype=float)  # (8)
        U *= beta
        U += current                                                       # (9)
        U *= held <= t
        if U.max(initial=0) >= 1:
            fired = np.flatnonzero(U >= 1)
            U[fired], held[fired] = 0, t + steps + 1
            found.append((np.full(fired.size, t), fired))
    return tuple(np.concatenate(part) for part in zip(*found, strict=True))


def convert(x, response, channels, rng, *, rate=48000, cell=None, block=None,
            longest=30.0):
    """Spikes of a sound: eqs. (1) to (9), one after the other.

    With a recording and the membrane of `basilar`::

        x = audio.prepare(audio.resample(*audio.read("word.wav")), 48000)
        table = basilar.table(basilar.places(700))      # once for all words
        response = functools.partial(basilar.interpolate, table)
        times_s, units = cochlea.convert(x, response, 700, rng)

    Many short words are faster side by side: `firing_probability`, `fibres`
    and `bushy` take any number of columns, of whatever words.

    Parameters
    ----------
    x : (N,) float
        Sound, as from `audio.prepare`.
    response : callable
        As for `velocity`.
    channels : int
        How many the response has.
    rng : numpy.random.Generator
        Draws the fibres' spikes.
    rate : float
        Samples a second, Hz; published are 48000.
    cell : HairCell, optional
        Constants; the published ones by default.
    block : int, optional
        Channels in memory at a time, rounded up to 16; as many as take
        512 MB, by default.  Does not change the result.
    longest : float
        Longest sound that is accepted, s.

    Returns
    -------
    times_s : (E,) float64
        Of the spikes, s, never falling.
    units : (E,) int64
        Channels, 0 at the base.

    Raises
    ------
    ValueError
        If x is empty, silent, not finite or too long, or another argument
        out of range.

    Examples
    --------
    >>> x = np.sin(0.2 * np.arange(4800))
    >>> def response(frequencies, channels):
    ...     return np.full((frequencies.size, 2), 999.0)
    >>> times, units = convert(x, response, 2, np.random.default_rng(1))
    >>> times.size > 10, sorted(set(units.tolist()))
    (True, [0, 1])
    """
    _positive("longest", longest)
    _positive("rate", rate)
    x = np.asarray(x)
    if x.size > longest * rate:
        raise ValueError(f"x lasts {x.size / rate} s: must be at most longest = "
                         f"{longest} s")
    if not _array("x", x, 1).any():
        raise ValueError("x is silent: must have samples other than 0")
    _positive("channels", channels, integer=True)
    block = BUFFER // x.size + 1 if block is None else block
    _positive("block", block, integer=True)
    block += -block % WIDTH
    streams, dt, found = _streams(rng, channels), 2 / rate, []
    for first in range(0, channels, block):
        some = slice(first, min(first + block, channels))
        v = velocity(x, rate, response, some)
        n = fibres(firing_probability(v, dt, cell=cell, out=v), dt, streams[some])
        steps, units = bushy(n, dt)
        found.append((steps, units + first))
    steps, units = (np.concatenate(part) for part in zip(*found, strict=True))
    order = np.lexsort((units, steps))
    return steps[order] * dt, units[order]
