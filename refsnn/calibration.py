# refsnn 0.1.0 | calibration.py | SPDX-License-Identifier: MIT | needs: numpy
r"""Calibrate analog neurons from their spikes and membrane potentials.

The function `calibrate` uses a chip only through a function `run(weights,
spikes)`, which returns the spikes and the membrane potentials of all
neurons.  Potentials are sampled by an analog-to-digital converter (ADC),
whose integer output is called an ADC code.  An image is a pattern of input
spikes, which all arrive at the end of time bin 0.  The response of the
chip to an image is recorded for 20 time bins.  For each image, the
variable `drive` is the sum of the weights of all spiking inputs.  The
baseline of a neuron is its mean ADC code while no input spikes arrive.
The variable y is the ADC code minus the baseline.  The variable `unit` is
the nominal difference between the ADC codes of the threshold and of the
leak potential.  The variable `scale` is the factor that converts a weight
of the network model to a weight on the chip.  Let t0 be the time from the
first sample of the membrane potential to the mean arrival time of the
input spikes.  The neuron parameters follow from

    below threshold: y(t) = drive P(t)                                (1)
    P(t) = (unit gain / scale) p(t - t0, tau_syn, tau_mem) / p_nominal
                                                                      (2)
    p(t, a, b) = (exp(-t/a) - exp(-t/b)) / (1/b - 1/a), 0 for t < 0   (3)
    at time u after a reset:
    y(u) - drive P(u) = -jump exp(-u/tau_mem)                         (4)
    threshold = drive50 max_t P(t) / unit,
    where neurons spike if drive > drive50                            (5)
    reset = (mean of y one sample after the first spike) / unit,
    leak = (mean sample without input - reference) / unit             (6)

In eq. (2), p_nominal is p(dt, a, b), where dt is the length of a time bin,
and a and b are the nominal time constants.  The amplitude `jump` of eq.
(4) depends on the image (input pattern).  In eq. (6), `reference` is the
ADC code of the nominal leak potential.  An exchange of tau_syn and tau_mem
does not change P(t) in eq. (2).  Therefore, tau_mem is measured with eq.
(4).  Each neuron parameter is set by a digital number with `levels`
possible values.  The function `corrected` therefore rounds corrections:

    gain, tau_syn, tau_mem *= 1 + multiples of 2 / levels
    potentials += multiples of 5.45 / levels                          (7)

Derivation.  Eq. (2) is the impulse response of two low-pass filters in
    series.  Eq. (4) is the difference between the membrane potentials with
    and without a reset.  The synaptic currents cancel in this difference.
Approximate.  Without the argument `reference`, an offset of the ADC
    appears as a shift of the leak potential.  A gain error of the ADC
    multiplies all measured synaptic gains and potentials of a neuron by
    the same factor.  Membrane noise lowers the measured threshold by up to
    the standard deviation of the noise.  Because synapses differ,
    measurements with different synapses are averaged.
Cost.   The measurement is repeated `repeats` times.  Each time, it uses
    about 1.2 N images for a chip with N > 150 inputs, and else about 190.
Departures.  Eq. (7) assumes that nominal gains and time constants lie in
    the middle of their ranges.  The number 5.45 in eq. (7) is the ratio of
    1.8 V, the range of the potentials, to 0.33 V.  The threshold nominally
    lies 0.33 V above the leak potential.  The function `corrected` may
    return parameters that a real chip cannot reach.

[CB22] B. Cramer, S. Billaudelle et al., PNAS 119, 2022, arXiv 2006.07239.
"""

import warnings
from collections import namedtuple
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

# `python -m refsnn vendor NAME FILE` adds these functions to a copy.
from refsnn._checks import arrays, bundle, one_of, shown, unread

__all__ = ["calibrate", "corrected", "measure", "twin"]
_RANGE = 2.0, 5.45     # ranges of settings: of factors, and of potentials
_CLASSES = 10          # input weights are 0 .. 10 units
_STEPS = 20            # T, number of time bins of an image
_QUIET = 64            # number of images without input
_LAGS = 3, 10          # first and last lag + 1 in (4), in samples after a spike
_RESOLVED = 0.5        # codes; smaller values of (4) are rounding errors of the ADC
_FAINT = 1e-6          # codes; smallest amplitude, so that its logarithm is finite
_SPAN = 6, 400         # range, in tau_syn, and number of points to find the peak of P
_FITS = 15, 10         # steps of the fit with one t0 per neuron, and with a common t0
_MOST = 0.3            # largest change in a step, because long steps diverge
_DIFFERENCE = 1e-5     # finite difference of logarithms and of t0 / dt in the fit
_REACH = 2             # least value of the largest input, in nominal thresholds
_DARK = -0.5           # correction of the threshold of a neuron that fires late
_RESTLESS = -0.5       # threshold of a neuron that fires without input, as in `chip`
_WEIGHTS = namedtuple("_WEIGHTS", "hidden recurrent readout")
_CHIP = ("chip.gain (2, N) float, chip.tau_syn (2, N), chip.tau_mem (N), "
         "chip.threshold (N) in (-inf, inf], chip.leak (N), chip.reset (N)")
_CORRECTIONS = (
    "corrections.gain (2, N) in (0, inf), corrections.tau_syn (2, N) in (0, inf), "
    "corrections.tau_mem (N) in (0, inf), corrections.threshold (N), "
    "corrections.leak (N), corrections.reset (N)")


class Measurement(NamedTuple):
    """The function `measure` describes the fields."""
    gain: np.ndarray
    tau_syn: np.ndarray
    tau_mem: np.ndarray
    threshold: np.ndarray
    leak: np.ndarray
    reset: np.ndarray
    restless: np.ndarray
    silent: np.ndarray
    latency: float
    offset: np.ndarray
    __repr__ = shown


class Corrections(NamedTuple):
    """The function `calibrate` describes the fields."""
    gain: np.ndarray
    tau_syn: np.ndarray
    tau_mem: np.ndarray
    threshold: np.ndarray
    leak: np.ndarray
    reset: np.ndarray
    __repr__ = shown


def measure(run, *, neurons=256, inputs=256, dt=1.7e-6, tau_mem=6e-6, tau_syn=6e-6,
            scale=240.0, code=(80.0, 70.0), repeats=8, reference=None, limit=63):
    """Measure the parameters of all neurons of a chip, eqs. (1)-(6).

    >>> dead = lambda weights, x: (0 * x[..., :2], 0.0 * x[..., :2] + 87)
    >>> found = measure(dead, neurons=2, repeats=1)
    >>> found.silent.tolist(), found.leak.round(6).tolist()
    ([True, True], [0.1, 0.1])

    Parameters
    ----------
    run : callable (weights, spikes) -> (spikes, samples)
        Function that runs the chip with hidden neurons only.  The integers
        weights.hidden have the shape (neurons, inputs), weights.recurrent is
        None, and weights.readout has the shape (0, neurons).  Input spikes (0
        or 1) have the shape (T, B, inputs) for T time bins and B images, and
        the returned spikes and samples (T, B, neurons).
    neurons, inputs : int, of the chip, which has at least 11 inputs
    dt, tau_mem, tau_syn : float
        Length of a time bin (at most the refractory time), and nominal time
        constants, in seconds.
    scale, code : float, (float, float)
        Weight on the chip that represents the weight 1 of the network model,
        nominal ADC code of the leak and codes from the leak to the threshold.
    repeats : int, the number of measurements that are averaged
    reference : (neurons,) float, optional
        Samples in ADC codes while all membranes are held at the nominal leak
        potential; code[0] by default.
    limit : int, the largest weight on the chip

    Returns
    -------
    Measurement
        Measured parameters of N neurons, NaN if they could not be measured.
        Potentials are in units of code[1] ADC codes.  If a neuron fires
        without input, its leak potential is inaccurate, because some samples
        follow a reset.

        gain       (2, N), exc. and inh., nominally 1
        tau_syn    (2, N), exc. and inh., s
        tau_mem    (N,), s
        leak       (N,), relative to the reference
        threshold, reset  (N,), relative to the leak
        restless   (N,) bool, True if the neuron fires without input
        silent     (N,) bool, True if the neuron never fires, or fires too late
                   to measure
        latency    s, dt - t0, where t0 is the time in eq. (2)
        offset     (N,), ADC codes, reference - code[0]
    """
    one_of("run", run, Callable)
    neurons, inputs, repeats, dt, tau_mem, tau_syn, scale, code, limit = arrays(
        f"neurons () int in [1, inf), inputs () int in [{_CLASSES + 1}, inf), repeats "
        "() int in [1, inf), dt () in (0, inf), tau_mem () in (0, inf), tau_syn () in "
        "(0, inf), scale () in (0, inf), code (2), limit () int in [1, inf)", neurons,
        inputs, repeats, dt, tau_mem, tau_syn, scale, code, limit)
    code = code.tolist()
    if code[1] <= 0:
        raise ValueError(f"code[1] is {code[1]}: must be above 0")
    reference = np.full(neurons, code[0], float) if reference is None else reference
    reference, = arrays(f"reference ({neurons})", reference, dtype=np.float64)
    nominal = _kernel(np.float64(dt), np.float64(tau_syn), np.float64(tau_mem))
    t = tau_syn * np.linspace(0, *_SPAN)[:, None]
    threshold = float(scale * nominal / _kernel(t, tau_syn, tau_mem).max())
    most = max(_CLASSES * (inputs // (_CLASSES + 1)),
               int(np.ceil(_REACH * threshold / 2)))
    if not _classes(inputs, most) and not _powers(inputs, most, limit // 2):
        raise ValueError(
            f"inputs is {inputs}, with weights of at most {limit}: must reach {_REACH} "
            f"times the nominal threshold, a total weight of {2 * most}, with more "
            "inputs, a larger `limit` or a smaller `scale`")
    images = np.zeros((_QUIET, inputs), np.uint8)
    spikes, samples = _trial(run, np.zeros(inputs, int), images, neurons)
    base, restless = samples.mean(axis=(0, 1), dtype=float), spikes.any(axis=(0, 1))
    sweep = _sweep(run, neurons, inputs, base, 2, most, repeats)
    P, half = _response(sweep)
    tau, reset = _jump(sweep, P, dt)
    Q, _ = _response(_sweep(run, neurons, inputs, base, -1, most // 3, repeats))
    mem = np.where(np.isnan(tau), tau_mem, tau)
    gains, taus, starts = map(np.stack, zip(*(
        _fit(p, mem, tau_syn, dt) for p in (P, Q)), strict=True))
    peak = gains[0] * _kernel(t, taus[0], mem).max(axis=0)
    blank = np.where(np.isnan(tau), np.nan, 1.0)    # P alone does not identify tau
    return Measurement(blank * gains * nominal * scale / code[1], blank * taus, tau,
                       blank * half * peak / code[1],                      # (5)
                       (base - reference) / code[1], reset / code[1],      # (6)
                       restless, np.isnan(tau) & ~restless,
                       dt - float(starts[0]), reference - code[0])


def _response(sweep):
    """Return P and drive50, eqs. (1), (5)."""
    top, bottom, free = 0, 0, 0
    for drive, spikes, y in sweep:
        below = ~spikes.any(axis=0)
        top = top + np.einsum("b,tbn->tn", drive, y * below)
        bottom = bottom + drive ** 2 @ below
        free = free + below.sum(axis=0)
    unit = sweep[0][0][1]
    return top / np.maximum(bottom, 1), unit * (free / len(sweep) - 0.5)   # (1)


def _jump(sweep, P, dt):
    """Return tau_mem, eq. (4), and the reset."""
    lags, E, count, after, spiking = np.arange(*_LAGS), 0, 0, 0, 0
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
    E = np.minimum(E / np.maximum(count, 1), -_RESOLVED)
    weight = E ** 2 / (E ** 2).sum(axis=0)          # for a fit of log(-E)
    lag = lags[:, None] - (weight * lags[:, None]).sum(axis=0)
    slope = (weight * lag * np.log(-E)).sum(axis=0) / (weight * lag ** 2).sum(axis=0)
    known = (count > 0) & (slope < 0)
    return (np.where(known, -dt / np.where(known, slope, -1), np.nan),     # (4)
            np.where(spiking > 0, after / np.maximum(spiking, 1), np.nan))


def _fit(P, tau_mem, tau_syn, dt):
    """Fit eq. (2) by Gauss-Newton steps."""
    t, N = dt * np.arange(_STEPS), P.shape[1]
    theta = np.stack([np.log(np.maximum(P.max(axis=0), _FAINT) / tau_syn * np.e),
                      np.full(N, np.log(tau_syn)), np.full(N, dt)])
    for k, free in enumerate([3] * _FITS[0] + [2] * _FITS[1]):
        if k == _FITS[0]:
            theta[2] = np.nanmedian(theta[2])           # t0 is common to all neurons
        now, slopes = _shape(theta, t, tau_mem), []
        for i, small in enumerate((_DIFFERENCE, _DIFFERENCE, _DIFFERENCE * dt)[:free]):
            moved = theta.copy()
            moved[i] += small
            slopes.append((_shape(moved, t, tau_mem) - now) / small * (1, 1, dt)[i])
        slopes = np.stack(slopes, axis=-1).transpose(1, 0, 2)      # (N, T, free)
        right = np.einsum("ntf,tn->nf", slopes, P - now)
        normal = slopes.transpose(0, 2, 1) @ slopes
        with np.errstate(invalid="ignore"):
            dead = ~(np.abs(np.linalg.slogdet(normal)[0]) > 0)  # no response to input
        if dead.all():
            raise ValueError("run.samples do not respond to input: must respond")
        normal[dead] = np.nan
        step = np.linalg.solve(normal, right[..., None])[..., 0]
        step = np.clip(step, -_MOST, _MOST).T
        theta[:free] += step * np.array([1, 1, dt])[:free, None]
    return np.exp(theta[0]), np.exp(theta[1]), theta[2, 0]


def _shape(theta, t, tau_mem):
    """Return the response P of eq. (2)."""
    size, tau, t0 = theta
    return np.exp(size) * _kernel(t[:, None] - t0, np.exp(tau), tau_mem)   # (2)


def _kernel(t, a, b):
    t = np.maximum(t, 0)
    x = t * (1 / b - 1 / a)
    x = x + 1e-30 * (x == 0)                        # expm1(x) / x is then 1
    return t * np.exp(-t / b) * (np.expm1(x) / x)                          # (3)


def _sweep(run, neurons, inputs, base, unit, most, repeats):
    """Record tuples (drive, spikes, y)."""
    found = []
    for k in range(repeats):
        weights, images = _stimuli(inputs, unit, most, k * inputs // repeats)
        spikes, samples = _trial(run, weights, images, neurons)
        found.append((images @ weights, spikes, samples - base))
    return found


def _stimuli(inputs, unit, most, shift):
    weights, images = np.zeros(inputs, int), np.zeros((most + 1, inputs), np.uint8)
    if _classes(inputs, most):
        size = inputs // (_CLASSES + 1)     # number of inputs with the same weight
        weights[:size * (_CLASSES + 1)] = unit * np.repeat(
            np.arange(_CLASSES + 1), size)
        for drive in range(most + 1):
            low, more = divmod(drive, size)
            images[drive, low * size:(low + 1) * size - more] = 1
            images[drive, (low + 1) * size:(low + 1) * size + more] = 1
    else:                           # the first inputs have the weights 1, 2, 4, ...
        count, weight = _powers(inputs, most)
        weights[:count], weights[count:] = unit * 2 ** np.arange(count), unit * weight
        for drive in range(most + 1):
            equal = min(drive // weight, inputs - count)
            images[drive, count:count + equal] = 1
            images[drive, :count] = drive - equal * weight >> np.arange(count) & 1
    return np.roll(weights, shift), np.roll(images, shift, axis=1)


def _classes(inputs, most):
    """Return whether `_CLASSES` weights suffice."""
    return most <= _CLASSES * (inputs // (_CLASSES + 1))


def _powers(inputs, most, limit=np.inf):
    """Return powers of 2, and remaining weight."""
    for count in range(inputs):
        weight = -(-most // (inputs - count))
        if weight <= 2 ** count:
            return (count, weight) if weight <= limit else None
    return None


def _trial(run, weights, images, neurons):
    x = np.zeros((_STEPS, *images.shape), np.uint8)
    x[0] = images
    record = run(_WEIGHTS(np.tile(weights, (neurons, 1)), None,
                          np.zeros((0, neurons), int)), x)
    if not isinstance(record, (tuple, list)) or len(record) != 2:
        raise ValueError(f"run returned a {type(record).__name__}: must be a pair, "
                         "(spikes, samples)")
    shape = _STEPS, len(images), neurons
    spikes, samples = arrays(f"run.spikes {shape} in {{0, 1}}, run.samples {shape}",
                             *record, dtype=np.float32)
    return spikes > 0, samples


def calibrate(run, *, neurons=256, inputs=256, dt=1.7e-6, tau_mem=6e-6, tau_syn=6e-6,
              scale=240.0, code=(80.0, 70.0), repeats=8, reference=None, limit=63):
    """Measure a chip, and return corrections to nominal neuron parameters.

    >>> def restless(weights, x):               # neurons that always fire
    ...     return 0 * x[..., :2] + 1, 0.0 * x[..., :2] + 87
    >>> calibrate(restless, neurons=2, repeats=1).threshold.round(6).tolist()
    [1.0, 1.0]

    If a neuron fires without input, `calibrate` corrects only the threshold of
    this neuron.  The threshold is raised by code[1] ADC codes.  If a neuron
    spikes too late for a measurement of tau_mem, `calibrate` corrects its leak
    potential.  If a neuron spikes too late, the distance between its threshold
    and its leak potential is reduced by half of the nominal distance.  If a
    neuron fires without input or spikes too late, apply the returned
    corrections, and then call `calibrate` again.  If a neuron never fires,
    `calibrate` warns and corrects only the leak potential.

    Arguments as for `measure`.

    Returns
    -------
    Corrections
        Factors, and offsets in units of code[1] ADC codes.  The offsets of
        threshold and reset are absolute, not relative to the leak.

        gain, tau_syn  (2, N), factors, exc. and inh.
        tau_mem        (N,), factors
        threshold, leak, reset  (N,), offsets
    """
    found = measure(run, neurons=neurons, inputs=inputs, dt=dt, tau_mem=tau_mem,
                    tau_syn=tau_syn, scale=scale, code=code, repeats=repeats,
                    reference=reference, limit=limit)
    never = found.silent & np.isnan(found.reset)
    if never.any():
        warnings.warn(f"neurons {np.flatnonzero(never).tolist()} never fire: their "
                      "thresholds are not corrected", stacklevel=2)
    able = ~(found.restless | found.silent)

    def known(value, otherwise):
        return np.where(able & np.isfinite(value), value, otherwise)

    leak = np.where(found.restless, 0.0, -found.leak)
    away = np.where(able, 1 - known(found.threshold, 1),
                    found.restless + _DARK * (found.silent & ~never))
    return Corrections(
        1.0 / known(found.gain, 1.0), tau_syn / known(found.tau_syn, tau_syn),
        tau_mem / known(found.tau_mem, tau_mem), away + leak, leak,
        leak - known(found.reset, 0))


def corrected(chip, corrections):
    """Return a copy of an emulated `Chip` with corrected parameters, eq. (7).

    >>> one, zero = np.ones((2, 1)), np.zeros(1)
    >>> plain = Corrections(one, one, one[0], zero, zero, zero)
    >>> Model = namedtuple("Model", ("effects", *Corrections._fields))
    >>> model = Model(namedtuple("Effects", "levels")(1022), *plain)
    >>> move = plain._replace(leak=zero + 0.25)
    >>> corrected(model, move).leak.round(4).tolist()
    [0.2506]

    Parameters
    ----------
    chip, corrections : Chip, Corrections
        Emulated chip, and result of `calibrate`, which is not rounded if
        ``chip.effects.levels`` is None.
    """
    if not hasattr(chip, "effects"):
        raise ValueError(f"chip is of type {type(chip).__name__}: must be an emulated "
                         "chip, such as a result of `chip.draw`")
    levels = getattr(chip.effects, "levels", None)
    levels, = arrays("chip.effects.levels? () int in [1, inf)", levels)
    new, names = {}, Corrections._fields
    checked = arrays(f"{_CHIP}, {_CORRECTIONS}", *_parts(chip), *_parts(corrections))
    for name, old, value in zip(names, checked, checked[len(names):], strict=False):
        factor = name in ("gain", "tau_syn", "tau_mem")
        if levels:
            unit = old.dtype.type(_RANGE[not factor] / levels)
            steps = np.rint((value - factor) / unit)
            least = -((levels - 1) // 2) if factor else -np.inf     # factors are > 0
            value = factor + unit * np.maximum(steps, least)
        new[name] = old * value if factor else old + value
    for name in ("threshold", "reset"):            # both are relative to the leak
        new[name] = new[name] - (new["leak"] - chip.leak)                  # (7)
    return chip._replace(**new)


def twin(chip, found):
    """Return a twin: an emulated `Chip` with measured parameters of another chip.

    >>> names = "effects", *Corrections._fields, "adc_offset"
    >>> one, effects = np.ones(2), namedtuple("Effects", "sampling")(None)
    >>> model = namedtuple("Model", names)(
    ...     effects, *2 * [np.ones((2, 2))], *5 * [one])
    >>> dead = lambda weights, x: (0 * x[..., :2], 0.0 * x[..., :2] + 87)
    >>> twin(model, measure(dead, neurons=2, repeats=1)).leak.round(6).tolist()
    [0.1, 0.1]

    Parameters
    ----------
    chip : Chip
        Emulated chip with the same number of neurons, such as
        ``draw(0, only(CALIBRATED, "refractory"))`` of the module `chip`, for
        parameters that `found` does not hold.  Its ``effects.timing[0]``
        should be 0, because the measured latency assumes that all input spikes
        of an image arrive at once.  If `measure` was called without
        `reference`, the ADC offset shifts the leak potential of the twin.
    found : Measurement
        Result of `measure`.  Parameters that could not be measured are those
        of `chip`.  In the twin, `silent` neurons never fire, and `restless`
        neurons fire without input.
    """
    new, found = {}, bundle("found", found, Measurement)
    checked = arrays(_CHIP, *_parts(chip))
    for name, old in zip(Corrections._fields, checked, strict=True):
        value = unread(f"found.{name}", getattr(found, name), old.shape, np.float32,
                       np.float64)
        new[name], = arrays(f"found.{name} (...) in [-inf, inf]", np.where(
            np.isfinite(value), value, old), dtype=old.dtype)
    old = new["leak"]
    latency, = arrays("found.latency () in [-1, 1]", found.latency)
    offset, = arrays(f"found.offset {old.shape}", found.offset, dtype=old.dtype)
    for name, level in (("silent", np.inf), ("restless", _RESTLESS)):
        which = unread(f"found.{name}", getattr(found, name), old.shape, bool)
        new["threshold"][which] = level
    new["adc_offset"] = offset.copy()
    effects = chip.effects._replace(sampling=(max(latency, 0.0), 0.0))
    return chip._replace(effects=effects, **new)


def _parts(chip):
    """Return six neuron parameters, or six corrections."""
    return [getattr(chip, name, None) for name in Corrections._fields]
