# refsnn 0.1.0 | chip.py | SPDX-License-Identifier: MIT | needs: numpy, scipy
r"""The analog chip of [CB22]: weights and spikes in, spikes and samples out.

A neuron of a `Chip` (module `chip_effects`) has a membrane v, relative to
its leak, and two synaptic currents I_s, s = exc. or inh., carried on in
steps of h; tau_s and tau are its own time constants:

    I_s[j+1] = exp(-h/tau_s) I_s[j] + arrivals in step j + 1          (1)
    arrival: gain_s synapse_s |weight| / scale, s = sign of weight    (2)
    v[j+1] = exp(-h/tau) v[j] + c_e I_e[j] - c_i I_i[j] + k xi        (3)
    c_s = p(h, tau_s, tau) / p(dt, nominal tau_syn, nominal tau_mem),
    p(h, a, b) = (exp(-h/a) - exp(-h/b)) / (1/b - 1/a)                (4)
    spike if v > threshold; then v = reset for the refractory time    (5)
    beyond its headroom v relaxes back, steady responses have slope s < 1:
    v = edge + exp(-(h/tau) (1 - s)/s) (v - edge)                     (6)
    code = floor(80 + offset + 70 (1 + adc gain) (v + leak + noise))  (7)

with k = noise sqrt(1 - exp(-2h/tau)), xi uniform with variance 1 (on 2^16
levels; v sums up dozens), codes clipped to 0 .. 255.  Bin t of a recording
is the time from t dt to (t+1) dt: its input arrives when it is over, at
(t+1) dt, its sample is taken when it begins, any spike in it makes a 1.
These are the times of `lif`: x[t] enters I[t+1], nothing is shifted.

Derivation.  (3) solves tau dv/dt = -v + tau g I for decaying I; g is such
    that a nominal neuron has U[t+1] = beta U[t] + I[t] on grid points.
Exact.  Between events.  Spikes are seen at ends of steps; arrivals, delays
    and refractory times are rounded to steps: errors of order h.  Ideal
    chips, h = dt and r dt refractory, are `lif` with reset="zero", r > 0.
Cost.   A dozen passes over B N values a step, N = n + k; O(B T N) memory.
Departures.  Readouts have own rows; events of a bin come in input order.

[CB22] B. Cramer, S. Billaudelle et al., PNAS 119(4), e2109194119, 2022,
    arXiv 2006.07239.
"""

from collections import deque
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

__all__ = ["emulate"]
_IMAGES = 128          # images at a time: their state fits the cache
_OFF = {"noise": (0, 0, 0), "sampling": (0, 0), "timing": (0, 0), "refractory": 0,
        "headroom": (-np.inf, np.inf, 1), "loss": 0}


class _Model(NamedTuple):
    """Constants of a run, N = n + k."""
    K: int             # steps in a bin
    h: float           # s, of a step
    alpha: Any         # (2, 1, N)
    beta: Any          # (N,)
    threshold: Any     # (N,)
    reset: Any         # (N,)
    kick: Any          # (N,), of a level of xi
    headroom: Any      # (3, N): low, high and factor
    inputs: Any        # (m, 2 n), what events add to c_e I_e and -c_i I_i
    onward: Any        # (n, 2 targets), the last ones of N
    delay: int         # steps from a spike to a synapse
    hold: int          # steps of the refractory time


def _asarray(name, value):
    try:
        return np.asarray(value)
    except ValueError as error:
        raise ValueError(f"{name} is no array: {error}") from None


def _matrix(weights, name, rows, columns, limit):
    """A checked matrix of weights, rows or columns None if free; or None."""
    value = weights.get(name) if isinstance(weights, dict) \
        else getattr(weights, name, None)
    if value is None and name == "recurrent":
        return None
    array, most = _asarray(f"weights.{name}", value), limit or 1e9
    if array.ndim != 2 or array.dtype.kind not in ("iu" if limit else "iuf") \
            or rows not in (None, len(array)) or columns not in (None, array.shape[1]):
        raise ValueError(f"weights.{name} is of shape {array.shape}, {array.dtype}: "
                         f"must be {'integer' * bool(limit)} {(rows, columns)}, None "
                         "is free")
    if not ((array >= -most) & (array <= most)).all():
        raise ValueError(f"weights.{name} is from {array.min()} to {array.max()}: must "
                         f"be in [{-most}, {most}]")
    return array


def _network(chip, effects, weights, spikes):
    """Checked weights (hidden, recurrent or None, readout) and spikes."""
    limit, most = effects["weight_limit"], effects["fan_in"]
    hidden = _matrix(weights, "hidden", None, None, limit)
    n, m = hidden.shape
    recurrent = _matrix(weights, "recurrent", n, n, limit)
    readout = _matrix(weights, "readout", None, n, limit)
    rows = max(n * bool(len(readout)), m + n * (recurrent is not None))
    for name, count, room in (
            ("neurons", n + len(readout), chip.synapse.shape[1]),
            ("inputs of a neuron", rows, chip.synapse.shape[2])):
        if not 0 < min(n, count) <= count <= min(room, most or room):
            raise ValueError(f"weights have {count} {name}: must have 1 to "
                             f"{min(room, most or room)}")
    x = _asarray("spikes", spikes)
    if x.ndim != 3 or x.shape[2] != m or 0 in x.shape or x.dtype.kind not in "biuf":
        raise ValueError(f"spikes is of shape {x.shape}, dtype {x.dtype}: must be a "
                         f"real array (T, B, {m}), not empty")
    if x.dtype != bool and not ((x == 0) | (x == 1)).all():
        raise ValueError("spikes has entries that are not 0 or 1: must be spikes")
    return (hidden, recurrent, readout), x


def _kernel(h, a, b):
    """Response of the membrane after h to a unit current at 0."""
    x = np.abs(h * (1 / b - 1 / a))
    x = x + 1e-30 * (x == 0)                        # -expm1(-x) / x is then 1
    return h * np.exp(-h / np.maximum(a, b)) * (-np.expm1(-x) / x)


def _synapses(chip, matrices, scale, c):
    """What events add to c_e I_e and -c_i I_i: (m, 2 n) and (n, 2 targets)."""
    (hidden, recurrent, readout), (n, m) = matrices, matrices[0].shape

    def both(W, first, column):
        """Weights of each sign, (2, post, pre), as their rows deliver them."""
        part, W = slice(first, first + len(W)), W.astype(float) / scale
        rows = chip.synapse[:, part, column:column + W.shape[1]].reshape(2, *W.shape)
        return np.stack([np.maximum(W, 0), np.maximum(-W, 0)]) \
            * (c * chip.gain[:, :c.shape[1]])[:, part, None] * rows        # (2)

    onward = both(readout, n, 0)
    if recurrent is not None:
        onward = np.concatenate([both(recurrent, 0, m), onward], axis=1)
    return [W.transpose(2, 0, 1).reshape(W.shape[2], -1)
            for W in (both(hidden, 0, 0), onward)]


def _model(chip, effects, matrices, K, dt, scale):
    """Constants of the loop."""
    n, h, dtype = len(matrices[0]), dt / K, chip.gain.dtype
    N = n + len(matrices[2])
    tau_syn, tau_mem, leak = chip.tau_syn[:, :N], chip.tau_mem[:N], chip.leak[:N]
    c = _kernel(h, tau_syn, tau_mem) / _kernel(
        dt, *np.array(chip.nominal, dtype))                                # (4)
    c[1] *= -1
    beta, (low, high, slope) = np.exp(-h / tau_mem), effects["headroom"]
    arrays = [np.exp(-h / tau_syn)[:, None], beta,
              np.where(np.arange(N) < n, chip.threshold[:N], np.inf), chip.reset[:N],
              effects["noise"][1] * np.sqrt(12 * (1 - beta ** 2)) / 2 ** 16,
              [low - leak, high - leak, np.exp(-h / tau_mem * (1 - slope) / slope)],
              *_synapses(chip, matrices, scale, c)]
    return _Model(K, h, *(np.ascontiguousarray(a, dtype) for a in arrays),
                  max(1, round(effects["timing"][1] / h)),
                  round(effects["refractory"] / h))


def _arrivals(x, model, effects, rng):
    """Currents that input events add: ends by step, images, (R, 2 n)."""
    (T, B, m), K = x.shape, model.K
    t, b, i = np.nonzero(x)
    kept = rng.random(len(t)) >= effects["loss"]
    t, b, i = t[kept], b[kept], i[kept]
    slot = t * B + b
    rank = np.arange(len(slot)) - np.searchsorted(slot, slot)
    late = np.rint(rank * (effects["timing"][0] / model.h)).astype(int)
    row = ((t + 1) * K + late) * B + b
    order = np.lexsort((row,))                                  # stable
    order = order[:np.searchsorted(row[order], T * K * B)]      # later: not heard
    rows, begin = np.unique(row[order], return_index=True)
    events = sparse.csr_matrix((np.ones(len(order), model.inputs.dtype), i[order],
                                np.append(begin, len(order))), shape=(len(rows), m))
    ends = np.searchsorted(rows, np.arange(T * K + 1) * B)
    return ends, rows % B, events @ model.inputs


def _schedule(T, B, model, sampling, rng):
    """Samples by step: ends, their bins, images, places within the step."""
    at = np.repeat(np.arange(T) * float(model.K), B)
    at += (sampling[0] + sampling[1] * rng.standard_normal(T * B)) / model.h
    at = np.clip(at, 0, T * model.K - 1)
    step = np.ceil(at).astype(int)
    order = np.lexsort((step,))                                 # stable
    part = (1 - (step - at)[order]).astype(model.beta.dtype)[:, None]
    return (np.searchsorted(step[order], np.arange(T * model.K + 1)), order // B,
            order % B, part)


def _advance(model, v, syn, new, work, rng):
    """Membranes one step on, in `new`, and currents, without arrivals."""
    np.multiply(v, model.beta, out=new)
    new += syn[0]
    new += syn[1]
    if model.kick.any():
        xi = rng.integers(-2 ** 15, 2 ** 15, new.shape, np.int16)
        new += np.multiply(xi, model.kick, out=work)                       # (3)
    low, high, factor = model.headroom
    if np.isfinite(low[0]):
        edge = np.minimum(np.maximum(new, low, out=work), high, out=work)
        new -= edge
        new *= factor
        new += edge                                                        # (6)
    syn *= model.alpha


def _sample(seen, samples, j, v, new):
    """Takes the samples between steps j - 1 and j."""
    ends, when, whose, part = samples
    now = slice(ends[j], ends[j + 1])
    image, f = whose[now], part[now]
    if len(image):
        seen[when[now], image] = f * new[image] + (1 - f) * v[image]


def _onward(model, fired, last, loss, rng):
    """The currents that the spikes of a step will add, or None."""
    if not len(last):
        return None
    fired.ravel()[last[rng.random(len(last)) < loss]] = False
    sent = fired[:, :len(model.onward)].astype(model.onward.dtype)
    return (sent @ model.onward).reshape(len(sent), 2, -1).transpose(1, 0, 2)


def _loop(model, x, closes, effects, rng):
    """Membranes at the samples, spikes by bin, and spikes by step."""
    (T, B, _), (N,), n = x.shape, model.beta.shape, len(model.onward)
    zeros, dtype = np.zeros, model.beta.dtype
    ends, images, pulses = _arrivals(x, model, effects, rng)
    samples = _schedule(T, B, model, effects["sampling"], rng)
    v, new, syn, work = (zeros((*k, B, N), dtype) for k in ((), (), (2,), ()))
    if closes is not None:
        new += model.reset
    new += dtype.type(effects["noise"][1]) * rng.standard_normal((B, N), dtype)
    seen, spikes, events = zeros((T, B, N), dtype), zeros((T, B * N), np.uint8), []
    held, sent = deque(maxlen=model.hold), deque([None] * min(model.delay, T * model.K))
    for j in range(T * model.K):
        if j:
            _advance(model, v, syn, new, work, rng)
        shut = [] if closes is None else np.flatnonzero(np.repeat(closes <= j, N))
        quiet = np.concatenate([*held, shut]).astype(int)
        flat, fired = new.ravel(), new > model.threshold
        flat[quiet] = model.reset[quiet % N]
        fired.ravel()[quiet] = False
        shown, last = new if effects["hidden_peak"] else new.copy(), \
            np.flatnonzero(fired)
        flat[last] = model.reset[last % N]                                 # (5)
        _sample(seen, samples, j, v, shown)
        spikes[j // model.K, last] = 1
        events.append(j * B * N + last)
        held.append(last)
        now = slice(ends[j], ends[j + 1])
        syn[0, images[now], :n] += pulses[now, :n]
        syn[1, images[now], :n] += pulses[now, n:]                         # (1)
        arrived = sent.popleft()
        if arrived is not None:
            syn[:, :, N - arrived.shape[2]:] += arrived
        sent.append(_onward(model, fired, last, effects["loss"], rng))
        v, new = new, v
    return seen, spikes.reshape(T, B, N)[:, :, :n], np.concatenate(events)


def _codes(chip, effects, seen, code, rng):
    """Samples as the converter gives them; `seen` becomes what it was given."""
    N, dtype, (read, _, wander) = seen.shape[2], seen.dtype, effects["noise"]
    seen += chip.leak[:N]
    slope = (code[1] * (1 + chip.adc_gain[:N])).astype(dtype)
    codes = seen * slope + (code[0] + chip.adc_offset[:N]).astype(dtype)
    for size, shape in ((wander, seen.shape[1:]), (read, seen.shape)):
        if size:
            codes += dtype.type(size) * slope * rng.standard_normal(shape, dtype)
    return codes if not effects["adc_limit"] else \
        np.clip(np.floor(codes), 0, effects["adc_limit"]).astype(np.uint8)     # (7)


def _steps(chip, rng, step, dt, scale, code, reset_after):
    """Steps in a bin, all options checked."""
    if not hasattr(chip, "effects") or not isinstance(rng, np.random.Generator):
        raise ValueError(f"chip is a {type(chip).__name__}, rng is {rng!r}: must be a "
                         "Chip and a numpy.random.Generator")
    for name, value in (("dt", dt), ("step", step), ("scale", scale),
                        ("reset_after", 1 if reset_after is None else reset_after)):
        if isinstance(value, bool) or not isinstance(
                value, (int, float, np.integer, np.floating)) or not 1e-9 < value < 1e9:
            raise ValueError(f"{name} is {value!r}: must be a number in (1e-9, 1e9)")
    if step > 0.2e-6 and step != dt:
        raise ValueError(f"step is {step!r}: must be at most 2e-07 s, or dt")
    if dt > 30 * min(chip.nominal):
        raise ValueError(f"dt is {dt!r}: must be at most 30 nominal time constants, "
                         f"{chip.nominal} s")
    if np.shape(code) != (2,) or np.asarray(code).dtype.kind not in "iuf" \
            or not np.isfinite(code).all() or code[1] <= 0:
        raise ValueError(f"code is {code!r}: must be two numbers, the second > 0")
    return max(1, int(np.ceil(dt / step - 1e-9)))


def emulate(chip, weights, spikes, *, rng, step=0.2e-6, dt=1.7e-6, scale=240.0,
            code=(80.0, 70.0), reset_after=None, details=False):
    """Run a chip on a batch of images, eqs. (1)-(7).

    Parameters
    ----------
    chip : Chip
        From `chip_effects.draw`; its dtype is that of the computation.
    weights : dict or NamedTuple
        `hidden` (n, m), `recurrent` (n, n) or None, `readout` (k, n), post
        x pre: integers from -63 to 63 (floats where `weight_limit` is off).
    spikes : (T, B, m) float, int or bool
        Input, 0 and 1, of B images that know nothing of each other.
    rng : numpy.random.Generator
        Of what is random in each run: noise, jitter, losses.
    step : float
        Largest integration step, s: at most 0.2 us, or dt.  It is made
        shorter so that a whole number of steps is dt.
    dt : float
        Width of a bin, s; at most 30 nominal time constants.
    scale : float
        Hardware weight that equals a weight of 1 threshold.
    code : (float, float)
        Code of the leak, and codes from there to the threshold.
    reset_after : float, optional
        The fast mode, 10 us: s after the first input of an image when
        all membranes are reset and held there, whatever the currents, until
        the image ends.  Images then start from the reset, not from the leak.
    details : bool
        Whether to return `membranes` and `events`, too, which no chip
        tells: for tests and figures.

    Returns
    -------
    spikes : (T, B, n) uint8
        0 or 1.
    samples : (T, B, n + k) uint8
        Hidden neurons first; floats where `adc_limit` is off.
    membranes : (T, B, n + k) float
        When the samples are taken, before the ADC.
    events : (E, 3) int
        Step of h, image and neuron of each spike, those of one bin too.

    Raises
    ------
    ValueError
        If a shape, size, range, dtype or option does not fit.

    Examples
    --------
    >>> import collections
    >>> from types import SimpleNamespace as Space
    >>> names = ("weight_limit fan_in refractory noise adc_limit sampling "
    ...          "hidden_peak headroom timing loss").split()
    >>> off = collections.namedtuple("Off", names)(*[None] * 10)
    >>> one, zero = np.ones((2, 2)), np.zeros(2)
    >>> chip = Space(effects=off, nominal=(6e-6, 6e-6), gain=one,
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
    K = _steps(chip, rng, step, dt, scale, code, reset_after)
    effects = {name: _OFF.get(name) if value is None else value
               for name, value in chip.effects._asdict().items()}
    matrices, x = _network(chip, effects, weights, spikes)
    model = _model(chip, effects, matrices, K, dt, scale)
    closes, parts = None, []
    if reset_after is not None:
        first = np.where(x.any(axis=(0, 2)), x.any(axis=2).argmax(axis=0), len(x))
        closes = (first + 1) * K + round(reset_after / model.h)
    for b in range(0, x.shape[1], _IMAGES):
        part = slice(b, b + _IMAGES)
        seen, fired, events = _loop(model, x[:, part], closes if closes is None
                                    else closes[part], effects, rng)
        parts.append((fired, _codes(chip, effects, seen, code, rng), seen))
        if details:
            at = np.unravel_index(events, (len(x) * K, *seen.shape[1:]))
            parts[-1] += (np.stack(at, axis=1) + [0, b, 0],)
    joined = [np.concatenate(arrays, axis=1 if arrays[0].ndim == 3 else 0)
              for arrays in zip(*parts, strict=True)]
    return tuple(joined) if details else tuple(joined[:2])
