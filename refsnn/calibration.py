# refsnn 0.1.0 | calibration.py | SPDX-License-Identifier: MIT | needs: numpy
r"""Calibrate an analog chip through what it lets out: spikes and samples.

`calibrate` knows a chip only as a callable, run(weights, spikes) ->
(spikes, samples), as one knows a real chip on a bench.  All neurons get
the same inputs at the end of bin 0: r of them, whose weights sum up to a
drive d, in images of growing d.  Neuron by neuron, in codes above the
silent trace, averaged over images,

    below threshold        y_d(t) = d P(t)                            (1)
    P(t) = (c gain / scale) p(t - t0, tau_syn, tau_mem) / p_nominal   (2)
    p(t, a, b) = (exp(-t/a) - exp(-t/b)) / (1/b - 1/a), 0 for t < 0   (3)
    after a single spike   y_d(t) - d P(t) = -D exp(-t/tau_mem)       (4)
    threshold = d50 max_t P(t) / c,  half of the images spike at d50  (5)
    reset = sample after a spike / c,  leak = silent trace / c        (6)

with c codes from leak to threshold.  P is symmetric in tau_syn and
tau_mem, it cannot tell them apart; (4) can: neuron and synapses go on as
if there had been no spike, but for a jump that the membrane forgets.
`corrected` turns the settings of a drawn chip by what was found,

    gain, tau_syn, tau_mem *= factors;  potentials += offsets         (7)

Derivation.  (2) is the answer of two low-pass filters in a row; subtract
    it from the same with a reset at any time: the currents cancel.
Approximate.  Leak and ADC offset are seen as one; the ADC's gain errors
    enter all amplitudes; membrane noise lowers thresholds by about its
    size.  Synaptic mismatch averages out over `repeats` choices of rows.
Cost.   O(300 repeats) images: about 2 s on the emulated chip.
Departures.  [CB22] calibrates with the chip's own tools, which can also
    connect known voltages; here only what a network needs is used.

[CB22] B. Cramer, S. Billaudelle et al., PNAS 119(4), e2109194119, 2022,
    arXiv 2006.07239.
"""

from typing import NamedTuple

import numpy as np

__all__ = ["Corrections", "Measurement", "calibrate", "corrected", "measure"]
_CLASSES = 10          # weights of the inputs are 0 .. 10 units
_STEPS = 20            # T, bins of an image


class Measurement(NamedTuple):
    """What the bench found, N neurons; NaN where it could not be found."""

    gain: np.ndarray           # (2, N), exc. and inh., nominal is 1
    tau_syn: np.ndarray        # (2, N), s
    tau_mem: np.ndarray        # (N,), s
    threshold: np.ndarray      # (N,), relative to the leak
    leak: np.ndarray           # (N,), with the ADC's offset
    reset: np.ndarray          # (N,), relative to the leak
    restless: np.ndarray       # (N,) bool: fires without input
    silent: np.ndarray         # (N,) bool: fired never, or too late to tell


class Corrections(NamedTuple):
    """How to turn the settings: factors, then offsets of potentials."""

    gain: np.ndarray           # (2, N)
    tau_syn: np.ndarray        # (2, N)
    tau_mem: np.ndarray        # (N,)
    threshold: np.ndarray      # (N,)
    leak: np.ndarray           # (N,)
    reset: np.ndarray          # (N,)


class _Weights(NamedTuple):
    """What a chip is given: integers, no recurrent weights, no readouts."""

    hidden: np.ndarray         # (N, inputs)
    recurrent: None
    readout: np.ndarray        # (0, N)


def _kernel(t, a, b):
    """Answer of the membrane to a current that starts at 0 and decays."""
    t = np.maximum(t, 0)
    x = t * (1 / b - 1 / a)
    x = x + 1e-30 * (x == 0)                        # expm1(x) / x is then 1
    return t * np.exp(-t / b) * (np.expm1(x) / x)                          # (3)


def _stimuli(inputs, unit, most, shift):
    """Weights (inputs,) and images (most + 1, inputs), image d of drive d."""
    r = inputs // (_CLASSES + 1)
    weights, images = np.zeros(inputs, int), np.zeros((most + 1, inputs), np.uint8)
    weights[:r * (_CLASSES + 1)] = unit * np.repeat(np.arange(_CLASSES + 1), r)
    for d in range(most + 1):
        low, more = divmod(d, r)
        images[d, low * r:(low + 1) * r - more] = 1
        images[d, (low + 1) * r:(low + 1) * r + more] = 1
    return np.roll(weights, shift), np.roll(images, shift, axis=1)


def _trial(run, weights, images, neurons):
    """Spikes and samples (T, B, N) of images whose events are in bin 0."""
    x = np.zeros((_STEPS, *images.shape), np.uint8)
    x[0] = images
    record = run(_Weights(np.tile(weights, (neurons, 1)), None,
                          np.zeros((0, neurons), int)), x)
    if not isinstance(record, (tuple, list)) or len(record) != 2:
        raise ValueError(f"run returned a {type(record).__name__}: must be a pair, "
                         "(spikes, samples)")
    try:
        spikes, samples = map(np.asarray, record)
    except ValueError as error:
        raise ValueError(f"run returned what is no array: {error}") from None
    for name, value in (("spikes", spikes), ("samples", samples)):
        if value.shape != (_STEPS, len(images), neurons) \
                or value.dtype.kind not in "biuf" or not np.isfinite(value).all():
            raise ValueError(f"run returned {name} of shape {value.shape}, dtype "
                             f"{value.dtype}: must be finite and of shape "
                             f"{(_STEPS, len(images), neurons)}")
    if not ((spikes == 0) | (spikes == 1)).all():
        raise ValueError("run returned spikes that are not 0 or 1: must be spikes")
    return spikes > 0, samples.astype(np.float32)


def _sweep(run, neurons, inputs, base, unit, most, repeats):
    """[(drive (B,), spikes, codes above silence), ...] by choice of rows."""
    found = []
    for k in range(repeats):
        weights, images = _stimuli(inputs, unit, most, k * inputs // repeats)
        spikes, samples = _trial(run, weights, images, neurons)
        found.append((images @ weights, spikes, samples - base))
    return found


def _response(sweep):
    """P (T, N), and the drive at which half of the images spike (N,)."""
    top, bottom, free = 0, 0, 0
    for drive, spikes, y in sweep:
        below = ~spikes.any(axis=0)
        top = top + np.einsum("b,tbn->tn", drive, y * below)
        bottom = bottom + drive ** 2 @ below
        free = free + below.sum(axis=0)
    unit = sweep[0][0][1]
    return top / np.maximum(bottom, 1), unit * (free / len(sweep) - 0.5)   # (1)


def _jump(sweep, P, dt):
    """tau_mem and reset, in codes, from images with spikes; NaN without."""
    lags, E, count, after, spiking = np.arange(3, 10), 0, 0, 0, 0
    for drive, spikes, y in sweep:
        first, fired = spikes.argmax(axis=0), spikes.any(axis=0)
        early = fired & (first < _STEPS - 1)
        after = after + (np.take_along_axis(y, np.minimum(
            first + 1, _STEPS - 1)[None], 0)[0] * early).sum(axis=0)
        spiking = spiking + early.sum(axis=0)
        once = (spikes.sum(axis=0) == 1) & (first + lags[-1] < _STEPS)
        rest = y - drive[:, None] * P[:, None]
        at = np.minimum(first + lags[:, None, None], _STEPS - 1)
        E = E + (np.take_along_axis(rest, at, 0) * once).sum(axis=1)
        count = count + once.sum(axis=0)
    E = np.minimum(E / np.maximum(count, 1), -0.5)                         # (4)
    w = E ** 2 / (E ** 2).sum(axis=0)
    x = lags[:, None] - (w * lags[:, None]).sum(axis=0)
    slope = (w * x * np.log(-E)).sum(axis=0) / (w * x ** 2).sum(axis=0)
    known = (count > 0) & (slope < 0)
    return (np.where(known, -dt / np.where(known, slope, -1), np.nan),
            np.where(spiking > 0, after / np.maximum(spiking, 1), np.nan))


def _shape(theta, t, tau_mem):
    """P of eq. (2), (T, N), of log amplitude, log tau_syn and start."""
    size, tau, start = theta
    return np.exp(size) * _kernel(t[:, None] - start, np.exp(tau), tau_mem)


def _fit(P, tau_mem, tau_syn, dt):
    """Amplitude of the current and tau_syn (N,) by Gauss-Newton steps."""
    t, N = dt * np.arange(_STEPS), P.shape[1]
    theta = np.stack([np.log(np.maximum(P.max(axis=0), 1e-6) / tau_syn * np.e),
                      np.full(N, np.log(tau_syn)), np.full(N, dt)])
    for k, free in enumerate([3] * 15 + [2] * 10):
        if k == 15:
            theta[2] = np.median(theta[2])              # of all neurons the same
        now, J = _shape(theta, t, tau_mem), []
        for i, small in enumerate((1e-5, 1e-5, 1e-5 * dt)[:free]):
            moved = theta.copy()
            moved[i] += small
            J.append((_shape(moved, t, tau_mem) - now) / small * (1, 1, dt)[i])
        J = np.stack(J, axis=-1).transpose(1, 0, 2)                # (N, T, free)
        right = np.einsum("ntf,tn->nf", J, P - now)
        step = np.linalg.solve(J.transpose(0, 2, 1) @ J, right[..., None])[..., 0]
        theta[:free] += np.clip(step, -0.3, 0.3).T * np.array([1, 1, dt])[:free, None]
    return np.exp(theta[0]), np.exp(theta[1])                              # (2)


def _arguments(run, neurons, inputs, repeats, code, numbers):
    """Refuses what is no bench."""
    if not callable(run):
        raise ValueError(f"run is {run!r}: must be a callable (weights, spikes)")
    for name, value, least in (("neurons", neurons, 1), ("repeats", repeats, 1),
                               ("inputs", inputs, _CLASSES + 1)):
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) \
                or value < least:
            raise ValueError(f"{name} is {value!r}: must be an integer >= {least}")
    for name, value in numbers.items():
        if isinstance(value, bool) or not isinstance(
                value, (int, float, np.integer, np.floating)) or not 0 < value < np.inf:
            raise ValueError(f"{name} is {value!r}: must be a finite number > 0")
    if np.shape(code) != (2,) or np.asarray(code).dtype.kind not in "iuf" \
            or not np.isfinite(code).all() or code[1] <= 0:
        raise ValueError(f"code is {code!r}: must be two numbers, the second > 0")


def measure(run, *, neurons=256, inputs=256, dt=1.7e-6, tau_mem=6e-6, tau_syn=6e-6,
            scale=240.0, code=(80.0, 70.0), repeats=8):
    """Find the parameters of all neurons of a chip, eqs. (1)-(6).

    All of the chip's neurons have to be spiking ones in these runs, that
    is run(weights, spikes) with a readout of 0 neurons.

    Parameters
    ----------
    run : callable (weights, spikes) -> (spikes, samples)
        The chip: weights.hidden (neurons, inputs) int, weights.recurrent
        None, weights.readout (0, neurons) int; spikes, 0 or 1, of shapes
        (T, B, inputs) and (T, B, neurons), samples as the latter.
    neurons, inputs : int
        All that the chip has; at least 11 inputs, rather 100.
    dt : float
        Width of a bin, s; no longer than the refractory time.
    tau_mem, tau_syn : float
        Nominal time constants, s.
    scale : float
        Hardware weight that equals a weight of 1 threshold.
    code : (float, float)
        Nominal code of the leak, and codes from there to the threshold.
    repeats : int
        Choices of rows that are averaged.

    Returns
    -------
    Measurement

    Raises
    ------
    ValueError
        If an argument is out of range, or a record of the wrong shape.

    Examples
    --------
    >>> def dead(weights, spikes):
    ...     shape = (*spikes.shape[:2], len(weights.hidden))
    ...     return np.zeros(shape), np.full(shape, 87)
    >>> found = measure(dead, neurons=2, repeats=1)
    >>> found.silent.tolist(), found.leak.round(6).tolist()
    ([True, True], [0.1, 0.1])
    """
    _arguments(run, neurons, inputs, repeats, code, {
        "dt": dt, "tau_mem": tau_mem, "tau_syn": tau_syn, "scale": scale})
    images = np.zeros((64, inputs), np.uint8)
    spikes, samples = _trial(run, np.zeros(inputs, int), images, neurons)
    base, restless = samples.mean(axis=(0, 1), dtype=float), spikes.any(axis=(0, 1))
    most = _CLASSES * (inputs // (_CLASSES + 1))
    sweep = _sweep(run, neurons, inputs, base, 2, most, repeats)
    P, half = _response(sweep)
    tau, reset = _jump(sweep, P, dt)
    Q, _ = _response(_sweep(run, neurons, inputs, base, -1, most // 3, repeats))
    mem = np.where(np.isnan(tau), tau_mem, tau)
    gains, taus = map(np.stack, zip(*(_fit(p, mem, tau_syn, dt) for p in (P, Q)),
                                    strict=True))
    t = tau_syn * np.linspace(0, 6, 400)[:, None]
    peak = gains[0] * _kernel(t, taus[0], mem).max(axis=0)
    nominal = _kernel(np.float64(dt), np.float64(tau_syn), np.float64(tau_mem))
    blank = np.where(np.isnan(tau), np.nan, 1.0)    # P alone cannot tell
    return Measurement(blank * gains * nominal * scale / code[1], blank * taus, tau,
                       blank * half * peak / code[1],                      # (5)
                       (base - code[0]) / code[1], reset / code[1],        # (6)
                       restless, np.isnan(tau) & ~restless)


def calibrate(run, *, neurons=256, inputs=256, dt=1.7e-6, tau_mem=6e-6, tau_syn=6e-6,
              scale=240.0, code=(80.0, 70.0), repeats=8):
    """Corrections that make a chip's neurons nominal ones, by `measure`.

    Of neurons that fire without input nothing is corrected but the
    threshold, raised by 1; of those that never fire, or too late, the leak,
    and the threshold, lowered by 0.5.  So calibrate twice or more, each
    time as last corrected.

    Parameters
    ----------
    run, neurons, inputs, dt, tau_mem, tau_syn, scale, code, repeats
        As for `measure`.

    Returns
    -------
    Corrections
        For `corrected`, or for the settings of a real chip.

    Raises
    ------
    ValueError
        As `measure`.

    Examples
    --------
    >>> def dead(weights, spikes):
    ...     shape = (*spikes.shape[:2], len(weights.hidden))
    ...     return np.zeros(shape), np.full(shape, 87)
    >>> calibrate(dead, neurons=2, repeats=1).leak.round(6).tolist()
    [-0.1, -0.1]
    """
    found = measure(run, neurons=neurons, inputs=inputs, dt=dt, tau_mem=tau_mem,
                    tau_syn=tau_syn, scale=scale, code=code, repeats=repeats)
    able = ~(found.restless | found.silent)

    def known(value, otherwise):
        return np.where(able & np.isfinite(value), value, otherwise)

    def factor(target, value):
        return target / known(value, target)

    leak = np.where(found.restless, 0.0, -found.leak)
    away = np.where(able, 1 - known(found.threshold, 1),
                    found.restless - 0.5 * found.silent)
    return Corrections(
        factor(1.0, found.gain), factor(tau_syn, found.tau_syn),
        factor(tau_mem, found.tau_mem), away + leak, leak,
        leak - known(found.reset, 0))


def corrected(chip, corrections):
    """The same chip with its settings turned, eq. (7).

    Parameters
    ----------
    chip : Chip
        From `chip_effects.draw`, or corrected before.
    corrections : Corrections
        From `calibrate`.

    Returns
    -------
    Chip

    Raises
    ------
    ValueError
        If a field is missing, of the wrong shape or not finite, or a
        factor not positive.

    Examples
    --------
    >>> one, zero = np.ones((2, 1)), np.zeros(1)
    >>> plain = Corrections(one, one, one[0], zero, zero, zero)
    >>> raised = plain._replace(threshold=zero + 0.25)
    >>> corrected(plain, raised).threshold.tolist()
    [0.25]
    """
    new, factors = {}, ("gain", "tau_syn", "tau_mem")
    for name in Corrections._fields:
        old, value = (np.asarray(getattr(a, name, None)) for a in (chip, corrections))
        if old.dtype.kind != "f":
            raise ValueError(f"chip is a {type(chip).__name__} without {name}: must be "
                             "a Chip")
        if value.shape != old.shape or value.dtype.kind not in "fiu" \
                or not np.isfinite(value).all() \
                or (name in factors and (value <= 0).any()):
            raise ValueError(
                f"corrections.{name} is of shape {value.shape}, dtype {value.dtype}: "
                f"must be finite numbers{' > 0' * (name in factors)}, {old.shape}")
        value = value.astype(old.dtype)
        new[name] = old * value if name in factors else old + value
    for name in ("threshold", "reset"):            # kept relative to the leak
        new[name] = new[name] - (new["leak"] - chip.leak)                  # (7)
    return chip._replace(**new)
