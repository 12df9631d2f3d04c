# refsnn 0.1.0 | chip.py | SPDX-License-Identifier: MIT | needs: numpy, scipy
r"""The analog chip of [CB22], emulated: integer weights and spikes in,
binned spikes and samples of all membranes out.

A neuron i of a chip (see `chip_effects`) has a membrane v, relative to its
leak, and two synaptic currents, s = exc. and inh., which it integrates in
steps of h with exact exponential propagators,

    I_s[j+1] = exp(-h/tau_s) I_s[j] + arrivals of step j + 1          (1)
    v[j+1] = exp(-h/tau_mem) v[j] + c_e I_e[j] - c_i I_i[j] + k N     (2)
    c_s = p(h, tau_s, tau_mem) / p(dt, nominal tau_syn, tau_mem)
    p(h, a, b) = (exp(-h/a) - exp(-h/b)) / (1/b - 1/a)                (3)
    an arrival adds gain_s synapse_s |weight| / 240 to I_s, s by sign (4)
    S = 1 if v > threshold; then v = reset for the refractory time    (5)
    code = floor(80 + offset + 70 (1 + gain) (v + leak + noise))      (6)

with N standard normal, k = noise sqrt(1 - exp(-2h/tau_mem)), codes clipped
to 0 .. 255.  Bin t of a recording is the time from t dt to (t+1) dt: its
input arrives when it ends, at (t+1) dt, its sample is taken when it
begins, and a spike at any time in it is a 1 (several are one too).  This
is the time of `lif`: x[t] enters I[t+1].  Beyond its headroom a membrane
relaxes back so that steady responses grow with a slope s < 1 only,

    v - edge = exp(-(h/tau_mem) (1 - s)/s) (v - edge)                 (7)

and parameters drift with the age of the chip, by factors

    1 + drift (z_1 cos a + z_2 sin a),  a = 2 pi age / hour           (8)

Derivation.  (2) is the solution of tau_mem dv/dt = -v + tau_mem g I for
    an exponentially decaying I; g makes a nominal neuron on grid points
    equal to U[t+1] = beta U[t] + I[t], whatever h.
Exact.  In h, between events; a spike is seen at the end of its step, and
    arrivals, delays and refractory times are rounded to steps.  With no
    effects, h = dt and the reset of `lif` it is `lif.simulate`.
Cost.   Per step and image a dozen passes over N membranes, and O(n) for
    each event; O(B T N) memory for the result, else O(N) an image.
Departures.  The chip also has adaptive and multi-compartment neurons, not
    used by [CB22].  Readouts have synapse rows of their own.

[CB22] B. Cramer, S. Billaudelle et al., PNAS 119(4), e2109194119, 2022,
    arXiv 2006.07239.
"""

from collections import deque
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

__all__ = ["Details", "emulate", "grid"]
_IMAGES = 128          # images at a time: their state fits the cache
_HOUR = 3600.0         # s, period of the drift


class Details(NamedTuple):
    """What no chip tells: for tests and figures.

    `membranes` (T, B, n + k) at the times of the samples, before the ADC;
    `times` (s), `images`, `neurons` of all spikes, several in a bin apart.
    """

    membranes: np.ndarray
    times: np.ndarray
    images: np.ndarray
    neurons: np.ndarray


class _Model(NamedTuple):
    """Constants of a run, ready for its loop; N = n + k."""

    alpha: Any         # (2, 1, N)
    beta: Any          # (N,)
    gain: Any          # (2, 1, N), of inh. negative
    threshold: Any     # (N,)
    reset: Any         # (N,)
    kick: Any          # (N,) or None
    spread: Any        # (N,) or None: membrane noise at the start
    headroom: Any      # (low, high, factor), (N,) each, or None
    inputs: Any        # (m, 2 n)
    onward: Any        # (n, 2 targets), targets from `first` on
    first: int
    delay: int         # steps from a spike to a synapse
    hold: int          # steps of the refractory time
    subtract: bool
    hidden: int        # n
    loss: float
    hidden_peak: bool


def grid(times, steps=20, *, dt=1.7e-6):
    """Spike times on the grid, as `emulate` takes them.

    Parameters
    ----------
    times : (B, m) float
        One spike time of each input, s; infinite where there is none.
    steps : int
        T; a spike in [t dt, (t+1) dt) is in bin t.
    dt : float
        Width of a bin, s.

    Returns
    -------
    (T, B, m) uint8

    Raises
    ------
    ValueError
        If a time lies outside the window [0, T dt) or is NaN.

    Examples
    --------
    >>> grid(np.array([[0.0, 2e-6, np.inf]]), 2)[:, 0].tolist()
    [[1, 0, 0], [0, 1, 0]]
    """
    times = np.asarray(times)
    if times.ndim != 2 or times.dtype.kind != "f":
        raise ValueError(f"times is of shape {times.shape}, dtype {times.dtype}: must "
                         "be a float array (B, m)")
    if isinstance(steps, bool) or not isinstance(steps, (int, np.integer)) or steps < 1:
        raise ValueError(f"steps is {steps!r}: must be an integer >= 1")
    _positive("dt", dt)
    there = ~np.isposinf(times)
    late = there & ~((times >= 0) & (times < steps * dt))
    if late.any():
        raise ValueError(f"times has {times[late][0]!r}: must be in the window [0, "
                         f"{steps * dt}) s, or inf for no spike")
    out = np.zeros((steps, *times.shape), np.uint8)
    image, unit = np.nonzero(there)
    bins = np.minimum((times[there] / dt).astype(int), steps - 1)
    out[bins, image, unit] = 1
    return out


def _positive(name, value, least=0.0):
    if isinstance(value, bool) or not isinstance(
            value, (int, float, np.integer, np.floating)) \
            or not least < value < np.inf:
        raise ValueError(f"{name} is {value!r}: must be a finite number > {least}")


def _matrix(weights, name, shape, limit):
    """A checked matrix of weights, whose None axes are free."""
    value = weights.get(name) if isinstance(weights, dict) \
        else getattr(weights, name, None)
    array = np.asarray(value)
    if array.ndim != 2 or any(want not in (None, size) for want, size in
                              zip(shape, array.shape, strict=True)):
        want = "({})".format(", ".join("*" if s is None else str(s) for s in shape))
        raise ValueError(f"weights.{name} is of shape {array.shape}: must be {want}")
    if array.dtype.kind not in ("iu" if limit else "fiu"):
        raise ValueError(f"weights.{name} is of dtype {array.dtype}: must be integers")
    if not np.isfinite(array).all():
        raise ValueError(f"weights.{name} has NaN or infinite entries: must be finite")
    if limit and array.size and max(int(array.max()), -int(array.min())) > limit:
        raise ValueError(f"weights.{name} is in [{array.min()}, {array.max()}]: must "
                         f"be in [-{limit}, {limit}]")
    return array


def _network(chip, weights, spikes):
    """Checked weights (hidden, recurrent or None, readout) and spikes."""
    limit, most = chip.effects.weight_limit, chip.effects.fan_in
    hidden = _matrix(weights, "hidden", (None, None), limit)
    n, m = hidden.shape
    recurrent = weights.get("recurrent") if isinstance(weights, dict) \
        else getattr(weights, "recurrent", None)
    if recurrent is not None:
        recurrent = _matrix(weights, "recurrent", (n, n), limit)
    readout = _matrix(weights, "readout", (None, n), limit)
    neurons, rows = n + len(readout), m + n * (recurrent is not None)
    has = chip.synapse.shape[1:]
    for name, count, room in (("neurons", neurons, has[0]), ("inputs", rows, has[1]),
                              ("inputs of a readout", n, has[1])):
        if count > min(room, most or room) or not count:
            raise ValueError(f"weights have {count} {name}: must have 1 to "
                             f"{min(room, most or room)}")
    x = np.asarray(spikes)
    if x.ndim != 3 or x.shape[2] != m or 0 in x.shape or x.dtype.kind not in "biuf":
        raise ValueError(f"spikes is of shape {x.shape}, dtype {x.dtype}: must be a "
                         f"real array (T, B, {m}), not empty")
    if x.dtype != bool and not ((x == 0) | (x == 1)).all():
        raise ValueError("spikes has entries that are not 0 or 1: must be spikes")
    return (hidden, recurrent, readout), x


def _kernel(h, a, b):
    """Response of the membrane after h to a unit current at 0."""
    x = h * (1 / b - 1 / a)
    safe = np.where(x == 0, 1, x)
    return h * np.exp(-h / b) * np.where(x == 0, 1, np.expm1(safe) / safe)  # (3)


def _aged(chip, age):
    """The chip with its gains, time constants and thresholds drifted."""
    size = chip.effects.drift
    if not size:
        return chip
    a = 2 * np.pi * age / _HOUR
    N = len(chip.threshold)
    f = np.maximum(0.1, 1 + size * (chip.drift[0] * np.cos(a)
                                    + chip.drift[1] * np.sin(a)))          # (8)
    assert f.shape == (6, N)
    return chip._replace(gain=chip.gain * f[:2], tau_syn=chip.tau_syn * f[2:4],
                         tau_mem=chip.tau_mem * f[4],
                         threshold=chip.threshold * f[5])


def _rows(W, columns, chip, first, scale):
    """Weights of both signs (2, post, pre) as their synapses deliver them."""
    W, low = W.astype(float), first
    part = slice(low, low + len(W))
    signs = np.stack([np.maximum(W, 0), np.maximum(-W, 0)])
    return signs / scale * chip.gain[:, part, None] \
        * chip.synapse[:, part, columns]                                   # (4)


def _model(chip, matrices, h, dt, scale, reset, dtype):
    """Constants of the loop."""
    (hidden, recurrent, readout), e = matrices, chip.effects
    (n, m), N = hidden.shape, len(hidden) + len(readout)
    tau_syn, tau_mem, leak = chip.tau_syn[:, :N], chip.tau_mem[:N], chip.leak[:N]
    gain = _kernel(h, tau_syn, tau_mem) / _kernel(dt, *map(np.asarray, chip.nominal))
    gain[1] *= -1
    beta, headroom, noise = np.exp(-h / tau_mem), None, (e.noise or (0, 0, 0))[1]
    if e.headroom:
        low, high, slope = e.headroom
        headroom = (low - leak, high - leak,
                    np.exp(-h / tau_mem * (1 - slope) / slope))            # (7)
    inputs = _rows(hidden, slice(0, m), chip, 0, scale)
    onward = _rows(readout, slice(0, n), chip, n, scale)
    if recurrent is not None:
        back = _rows(recurrent, slice(m, m + n), chip, 0, scale)
        onward = np.concatenate([back, onward], axis=1)
    threshold = np.where(np.arange(N) < n, chip.threshold[:N], np.inf)

    def cast(a):
        return np.ascontiguousarray(a, dtype)

    return _Model(
        cast(np.exp(-h / tau_syn)[:, None]), cast(beta), cast(gain[:, None]),
        cast(threshold), cast(chip.reset[:N]),
        cast(noise * np.sqrt(1 - beta ** 2)) if noise else None,
        cast(np.full(N, noise)) if noise else None,
        headroom and tuple(map(cast, headroom)),
        cast(inputs.transpose(2, 0, 1).reshape(m, -1)),
        cast(onward.transpose(2, 0, 1).reshape(n, -1)),
        n if recurrent is None else 0,
        max(1, round((e.timing or (0, 0))[1] / h)), round((e.refractory or 0) / h),
        reset == "subtract", n, e.loss or 0.0, bool(e.hidden_peak))


def _arrivals(x, model, K, h, spacing, rng):
    """Currents that input events add: (ends by step, images, (R, 2 n))."""
    T, B, m = x.shape
    t, b, i = np.nonzero(x)
    if model.loss:
        kept = rng.random(len(t)) >= model.loss
        t, b, i = t[kept], b[kept], i[kept]
    slot = t * B + b
    rank = np.arange(len(slot)) - np.searchsorted(slot, slot)
    step = (t + 1) * K + np.rint(rank * (spacing / h)).astype(int)
    inside = step < T * K
    row, i = (step * B + b)[inside], i[inside]
    order = np.argsort(row, kind="stable")
    rows, begin = np.unique(row[order], return_index=True)
    events = sparse.csr_matrix(
        (np.ones(len(row), model.inputs.dtype), i[order], np.append(begin, len(row))),
        shape=(len(rows), m))
    ends = np.searchsorted(rows // B, np.arange(T * K + 1))
    return ends, rows % B, events @ model.inputs


def _schedule(T, B, K, h, sampling, rng):
    """Which samples (t, image) fall in which step, and where in the step."""
    at = np.broadcast_to(np.arange(T)[:, None] * float(K), (T, B))
    if sampling:
        at = at + (sampling[0] + sampling[1] * rng.standard_normal((T, B))) / h
    at = np.clip(at, 0, T * K - 1).ravel()
    step = np.ceil(at).astype(int)
    order = np.argsort(step, kind="stable")
    part = 1 - (step - at)[order]
    ends = np.searchsorted(step[order], np.arange(T * K + 1))
    return ends, order // B, order % B, part


def _advance(model, v, syn, new, work, rng):
    """The membranes one step on, in `new`."""
    np.multiply(v, model.beta, out=new)
    np.multiply(syn, model.gain, out=work)
    new += work[0]
    new += work[1]                                                         # (2)
    if model.kick is not None:
        rng.standard_normal(out=work[0], dtype=work.dtype)
        work[0] *= model.kick
        new += work[0]
    if model.headroom is not None:
        low, high, factor = model.headroom
        edge = np.clip(new, low, high, out=work[0])
        new -= edge
        new *= factor
        new += edge


def _loop(model, x, closes, K, h, effects, rng):
    """Membranes at the samples, spikes by bin, and all spike events."""
    (T, B, _), N, dtype = x.shape, len(model.beta), model.beta.dtype
    ends, images, pulses = _arrivals(x, model, K, h, (effects.timing or (0,))[0], rng)
    sends, when, whose, part = _schedule(T, B, K, h, effects.sampling, rng)
    part = part.astype(dtype)[:, None]
    v, new, n = np.zeros((B, N), dtype), np.zeros((B, N), dtype), model.hidden
    syn, work = np.zeros((2, B, N), dtype), np.empty((2, B, N), dtype)
    if closes is not None:
        v += model.reset
    if model.spread is not None:
        v += model.spread * rng.standard_normal((B, N), dtype=dtype)
    new[:] = v
    seen, spikes = np.zeros((T, B, N), dtype), np.zeros((T, B * N), np.uint8)
    held, queue = deque(maxlen=model.hold), [None] * model.delay
    last, events = np.zeros(0, int), []
    for j in range(T * K):
        if j:
            _advance(model, v, syn, new, work, rng)
            syn *= model.alpha
        flat, fired = new.reshape(-1), None
        if model.subtract and len(last):
            flat[last] -= model.threshold[last % N]
        quiet = np.concatenate(held) if held else last[:0]
        flat[quiet] = model.reset[quiet % N]
        fired = (new > model.threshold).reshape(-1)
        fired[quiet] = False
        shut = None if closes is None else closes <= j
        if shut is not None and shut.any():
            new[shut] = model.reset
            fired.reshape(B, N)[shut] = False
        last = np.flatnonzero(fired)                                       # (5)
        if not model.hidden_peak:
            _sample(seen, v, new, sends, when, whose, part, j)
        if not model.subtract:
            held.append(last)
            flat[last] = model.reset[last % N]
        if model.hidden_peak:
            _sample(seen, v, new, sends, when, whose, part, j)
        spikes[j // K, last] = 1
        events.append((np.full(len(last), j), last))
        now = slice(ends[j], ends[j + 1])
        syn[0, images[now], :n] += pulses[now, :n]
        syn[1, images[now], :n] += pulses[now, n:]                         # (1)
        _onward(model, syn, fired, last, queue, j, rng)
        if shut is not None:
            syn[:, shut] = 0
        v, new = new, v
    step, index = (np.concatenate(a) for a in zip(*events, strict=True))
    return seen, spikes.reshape(T, B, N), Details(
        seen, step * h, index // N, index % N)


def _sample(seen, v, new, ends, when, whose, part, j):
    """Takes the samples that fall in the step from j - 1 to j."""
    now = slice(ends[j], ends[j + 1])
    image, f = whose[now], part[now]
    if len(image):
        seen[when[now], image] = f * new[image] + (1 - f) * v[image]


def _onward(model, syn, fired, last, queue, j, rng):
    """Spikes of this step set off; those of `delay` steps ago arrive."""
    (_, B, N), slot = syn.shape, j % model.delay
    if queue[slot] is not None:
        syn[:, :, model.first:] += queue[slot]
    queue[slot] = None
    if len(last):
        if model.loss:
            fired[last[rng.random(len(last)) < model.loss]] = False
        sent = fired.reshape(B, N)[:, :model.hidden].astype(syn.dtype)
        pulse = (sent @ model.onward).reshape(B, 2, -1)
        queue[slot] = pulse.transpose(1, 0, 2)


def _codes(chip, seen, wander, rng):
    """Samples as the converter gives them."""
    e, N = chip.effects, seen.shape[2]
    volts = seen + chip.leak[:N].astype(seen.dtype)
    shown = volts.copy()
    if e.noise and e.noise[2]:
        shown += np.float32(e.noise[2]) * rng.standard_normal(
            shown.shape[1:], dtype=seen.dtype)
    if e.noise and e.noise[0]:
        shown += np.float32(e.noise[0]) * rng.standard_normal(
            shown.shape, dtype=seen.dtype)
    return volts, shown


def emulate(chip, weights, spikes, *, rng, step=0.2e-6, dt=1.7e-6, scale=240.0,
            code=(80.0, 70.0), reset="zero", reset_after=None, age=0.0,
            dtype=np.float32, details=False):
    """Run a chip on a batch of images, eqs. (1)-(8).

    Parameters
    ----------
    chip : Chip
        From `chip_effects.draw`.
    weights : dict or NamedTuple
        `hidden` (n, m), `recurrent` (n, n) or None, `readout` (k, n), post
        x pre: integers from -63 to 63 (floats where `weight_limit` is off).
    spikes : (T, B, m) float, int or bool
        Input of 0 and 1.
    rng : numpy.random.Generator
        Of noise and losses, fresh in each run.
    step : float
        Largest integration step, s: at most 0.2 us, or dt.  It is made
        shorter so that a whole number of steps is dt.
    dt : float
        Width of a bin, s.
    scale : float
        Units of hardware weight for a weight of 1 threshold.
    code : (float, float)
        Code of the leak, and codes from leak to threshold.
    reset : {"zero", "subtract"}
        "subtract" is for comparison only: no chip can do it.
    reset_after : float, optional
        s after the first input of an image at which membranes and currents
        are reset, and held until it ends: the fast mode (10 us; images
        then start from the reset, not from the leak).
    age : float
        s since the chip was drawn; it drifts.
    dtype : {numpy.float32, numpy.float64}
        Of the computation.
    details : bool
        Whether to return `Details` too.

    Returns
    -------
    spikes : (T, B, n) uint8
        0 or 1.
    samples : (T, B, n + k) uint8
        Hidden neurons first; floats where `adc_limit` is off.
    details : Details
        If asked for.

    Raises
    ------
    ValueError
        If a shape, size, range, dtype or option does not fit.

    Examples
    --------
    >>> from types import SimpleNamespace as Space
    >>> off = dict.fromkeys(["weight_limit", "fan_in", "refractory", "noise",
    ...     "adc_limit", "sampling", "hidden_peak", "headroom", "timing",
    ...     "loss", "drift"])
    >>> one, zero = np.ones((2, 2)), np.zeros(2)
    >>> chip = Space(effects=Space(**off), nominal=(6e-6, 6e-6), gain=one,
    ...     synapse=np.ones((2, 2, 2)), tau_syn=6e-6 * one, leak=zero,
    ...     tau_mem=6e-6 * one[0], threshold=one[0], reset=zero,
    ...     adc_offset=zero, adc_gain=zero)
    >>> x = np.zeros((4, 1, 1), int)
    >>> x[0] = 1
    >>> run = emulate(chip, {"hidden": [[360]], "readout": [[240]]}, x,
    ...               rng=np.random.default_rng(1))
    >>> run[0].ravel().tolist(), run[1][:, 0, 0].round().tolist()
    ([0, 1, 1, 1], [80.0, 80.0, 115.0, 124.0])
    """
    matrices, x = _network(chip, weights, spikes)
    _positive("dt", dt)
    _positive("step", step)
    if step > 0.2e-6 and step != dt:
        raise ValueError(f"step is {step!r}: must be at most 2e-07 s, or dt")
    K = max(1, int(np.ceil(dt / step - 1e-9)))
    h = dt / K
    aged = _aged(chip, age)
    model = _model(aged, matrices, h, dt, scale, reset, dtype)
    T, B, _ = x.shape
    parts = []
    for first in range(0, B, _IMAGES):
        part = x[:, first:first + _IMAGES]
        closes = None
        if reset_after is not None:
            there = part.any(axis=2)
            closes = np.where(there.any(axis=0), (there.argmax(axis=0) + 1) * K
                              + round(reset_after / h), T * K)
        seen, fired, more = _loop(model, part, closes, K, h, chip.effects, rng)
        volts, shown = _codes(aged, seen, None, rng)
        e, N = chip.effects, seen.shape[2]
        codes = shown * (code[1] * (1 + aged.adc_gain[:N])).astype(dtype)
        codes += (code[0] + aged.adc_offset[:N]).astype(dtype)
        if e.adc_limit:
            codes = np.clip(np.floor(codes), 0, e.adc_limit).astype(np.uint8)  # (6)
        parts.append((fired[:, :, :model.hidden], codes,
                      more._replace(membranes=volts, images=more.images + first)))
    spikes, samples = (np.concatenate([p[i] for p in parts], axis=1) for i in (0, 1))
    if not details:
        return spikes, samples
    return spikes, samples, Details(
        np.concatenate([p[2].membranes for p in parts], axis=1),
        *(np.concatenate([p[2][i] for p in parts]) for i in (1, 2, 3)))
