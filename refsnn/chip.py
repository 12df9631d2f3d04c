# refsnn 0.1.0 | chip.py | SPDX-License-Identifier: MIT | needs: numpy, scipy
r"""Emulate an analog neuromorphic chip with mismatched neurons.

The analog chip of [CB22] has 256 spiking neurons with 256 signed inputs
each.  The class `Effects` lists twenty-one effects that make a network on
a chip differ from an ideal network.  The function `draw` samples the fixed
parameters of a chip, and `emulate` simulates a network on this chip.  In
eqs. (1)-(5), `size` is the magnitude of an effect in `Effects`.  Each use
of `normal` is a new random number from the standard normal distribution:

    factor = exp(sigma normal - sigma^2/2)
    sigma^2 = log(1 + size^2)                                         (1)
    gain, tau_syn / nominal, tau_mem / nominal: factors (1)           (2)
    threshold = 1 + size normal,  leak, reset = size normal           (3)
    decalibration: tau_syn, tau_mem, threshold *= 1 + size normal     (4)
    synapse = max(0, 1 + size normal) times the factor (1) of its driver,
    adc_offset, adc_gain = size normal                                (5)

The factors of eq. (1) have mean 1 and standard deviation `size`.  Eq. (4)
multiplies both synaptic time constants of a neuron by the same random
factor.  In eq. (5), each input has one driver circuit for its excitatory
synapses, and another driver circuit for its inhibitory synapses.  Time
constants are at least 0.5 microseconds.  The unit of all potentials is the
nominal difference between the threshold and the leak potential.

`emulate` uses integration steps of length h.  A neuron has an excitatory
(s = e) and an inhibitory (s = i) synaptic current I_s with the time
constant tau_s.  The variable v is the membrane potential minus the leak
potential.  The membrane time constant is tau.  The headroom of a neuron is
the range of potentials, from a lower to an upper edge, in which its
dynamics are linear:

    I_s[j+1] = exp(-h/tau_s) I_s[j] + arrivals in step j + 1          (6)
    arrival: gain_s synapse_s |weight| / scale, s = sign of weight    (7)
    v[j+1] = exp(-h/tau) v[j] + rise_e I_e[j] - rise_i I_i[j]
             + kick uniform                                           (8)
    rise_s = p(h, tau_s, tau) / p(dt, nominal tau_syn, nominal tau_mem),
    p(h, a, b) = (exp(-h/a) - exp(-h/b)) / (1/b - 1/a)                (9)
    if v is beyond an edge of its headroom,
    v := edge + exp(-(h/tau) (1 - slope) / slope) (v - edge)         (10)
    then, if v > threshold: spike, and v = reset for the refractory
    time                                                             (11)
    code = floor(80 + adc_offset
                 + 70 (1 + adc_gain) (v + leak + noise))             (12)

In eq. (8), `uniform` is a uniformly distributed random number with mean 0
and variance 1.  The factor `kick` is the product of sqrt(1 - exp(-2h/tau))
and the standard deviation of the membrane noise.  If the potential v is
outside its linear range, eq. (10) moves v towards this range.  Consider
the steady potential v at a constant current I, for h << tau.  Outside the
linear range, the derivative dv/dI is `slope` times as large as inside the
linear range.  Eq. (12) gives the output (code) of the analog-to-digital
converter (ADC).  The ADC codes are clipped to the range from 0 to
`adc_limit`.  The argument `code` replaces 80 and 70.  The noise of eq.
(12) is the sum of read noise, drawn for each sample, and baseline noise,
drawn once for each neuron and input pattern.

Time bin t starts at the time t*dt and has the length dt.  The membrane
potential is sampled at the start of a bin, and input spikes arrive at its
end.  As in `lif`, the input x[t] enters the current I[t+1].  At most one
spike of a neuron is recorded in a bin.

Derivation.  Eq. (8) solves tau dv/dt = -v + tau a I for exponentially
    decaying I.  The constant a is chosen such that nominal neurons follow
    U[t+1] = beta U[t] + I[t].
Exact.  Without noise, eqs. (6) and (8) are exact between two arrivals of
    spikes.  Eq. (10) has an error of order h.  Samples between two steps
    are interpolated linearly.  Spikes are detected at the ends of steps,
    and arrival times, delays and refractory times are rounded to multiples
    of h.  With h = dt and a refractory time k dt > 0, an ideal chip equals
    `lif` with reset="zero" and refractory=k.
Cost.   `draw` takes O(M N) time and memory for N neurons with M inputs.
    `emulate` takes O(B N) time per step and O(N) time per event.  With K
    steps per bin, the memory is O(B N (T min(M, K) + K)).
Departures.  Neurons are independent, but share the synapse drivers.  Input
    j of a hidden neuron and input j of a readout have the same driver,
    although they receive different spikes.

[CB22] B. Cramer, S. Billaudelle et al., PNAS 119, 2022, arXiv 2006.07239.
"""

from typing import Any, NamedTuple, Optional, Tuple

import numpy as np
from scipy import sparse

# `python -m refsnn vendor NAME FILE` adds these functions to a copy.
from refsnn._checks import arrays, bundle, flags, float_dtype, one_of, shown

__all__ = ["CALIBRATED", "IDEAL", "UNCALIBRATED", "draw", "emulate", "only"]
_SHORTEST = 0.5e-6     # s, smallest time constant
_IMAGES = 128          # images emulated together, so that their state fits the cache
_LONGEST = 0.2e-6      # s, longest step unless h = dt; limits errors of (10) and (11)
_RESTLESS = -0.5       # threshold below the leak of neurons that fire without input
_LEVELS = 2 ** 16      # number of noise levels: 16 random bits per neuron and step
_ROUNDING = 1e-9       # tolerance, because rounding may lift dt / step above an integer
_LARGE = 1e9           # bound of options and weights that keeps float32 results finite
_OFF = {"noise": (0, 0, 0), "sampling": (0, 0), "timing": (0, 0), "refractory": 0,
        "headroom": (-np.inf, np.inf, 1), "loss": 0}


class Effects(NamedTuple):
    """This class holds the magnitudes of twenty-one non-ideal effects of a chip.

    The value None switches an effect off; with timing=None, spikes still reach
    on-chip synapses one integration step later.  A spread is a standard
    deviation across neurons or synapses; the spreads of gains and time
    constants are relative to their mean.  The sources are [T] the text of
    [CB22], [S] the authors' training code, [H] the chip's public software, and
    [C] a published calibration of one chip.  Values from [C] assume that each
    parameter of this chip is proportional to one digital setting.  Values
    marked [P] are assumed, not measured.  `CALIBRATED` has published spreads.

    weight_limit   largest magnitude of the integer weights         [T][S]
    fan_in         largest number of signed inputs of a neuron, and
                   largest number of neurons                        [S][H]
    gain           spread of synaptic gains, exc. and inh.          [C]
    synapse        spread of single synapses, exc. and inh.         [H][P]
    tau_syn        spreads, exc. and inh., and their correlation    [C]
    tau_mem        spread of membrane time constants                [C]
    threshold      spreads of threshold - leak and of the leak      [C][H]
    reset          spread of reset - leak                           [C][H]
    refractory     time at the reset potential after a spike, s     [C][H]
    decalibration  spreads of factors on time constants, thresholds [T]
    noise          std. of read, membrane and baseline noise        [H][S]
    adc_limit      largest integer code of the samples              [S][H]
    adc            spreads of ADC offsets, in codes, and ADC gains  [C][P]
    sampling       latency of the samples, and its jitter, s        [T][P]
    hidden_peak    a sample at a spike shows the reset potential    [T]
    headroom       lower and upper edge of the linear membrane range,
                   relative to the nominal leak potential, and
                   slope of the response beyond this range          [H][P]
    timing         interval between input events of one bin, and
                   delay from a spike to on-chip synapses, s        [P]
    loss           probability that an event is lost                [P]
    pathological   probabilities that a neuron never fires, and
                   that it fires without input                      [T][P]
    driver         spread of drivers, each with one row of synapses [P]
    levels         number of values of a setting, see `calibration` [H]
    """
    weight_limit: Optional[int] = 63
    fan_in: Optional[int] = 256
    gain: Optional[Tuple[float, float]] = (0.103, 0.104)
    synapse: Optional[float] = 0.05
    tau_syn: Optional[Tuple[float, float, float]] = (0.233, 0.213, 0.13)
    tau_mem: Optional[float] = 0.13
    threshold: Optional[Tuple[float, float]] = (0.22, 0.2)
    reset: Optional[float] = 0.17
    refractory: Optional[float] = 2e-6
    decalibration: Optional[Tuple[float, float]] = None
    noise: Optional[Tuple[float, float, float]] = (0.02, 0.015, 0.03)
    adc_limit: Optional[int] = 255
    adc: Optional[Tuple[float, float]] = (9.9, 0.02)
    sampling: Optional[Tuple[float, float]] = (0.2e-6, 0.07e-6)
    hidden_peak: Optional[bool] = True
    headroom: Optional[Tuple[float, float, float]] = (-1.0, 1.75, 0.2)
    timing: Optional[Tuple[float, float]] = (8e-9, 0.3e-6)
    loss: Optional[float] = 0.001
    pathological: Optional[Tuple[float, float]] = (0.005, 0.005)
    driver: Optional[float] = 0.05
    levels: Optional[int] = 1022


UNCALIBRATED = Effects()
CALIBRATED = Effects(gain=(0.04, 0.04), tau_syn=(0.04, 0.04, 0.0), tau_mem=0.05,
                     threshold=(0.05, 0.03), reset=0.04, adc=(2.5, 0.02),
                     pathological=None)
IDEAL = Effects(*(None for _ in Effects._fields))


class Chip(NamedTuple):
    """The function `draw` describes the fields."""
    effects: Effects
    nominal: Tuple[float, float]
    gain: np.ndarray
    synapse: np.ndarray
    tau_syn: np.ndarray
    tau_mem: np.ndarray
    threshold: np.ndarray
    leak: np.ndarray
    reset: np.ndarray
    adc_offset: np.ndarray
    adc_gain: np.ndarray
    __repr__ = shown


def draw(seed, effects=UNCALIBRATED, *, neurons=256, inputs=256, tau_mem=6e-6,
         tau_syn=6e-6, dtype=np.float32):
    """Sample the parameters of a chip, eqs. (1)-(5).

    >>> chip = draw(7, only(CALIBRATED, "tau_mem"))
    >>> bool(4e-6 < chip.tau_mem.min() < 6e-6 < chip.tau_mem.max() < 8e-6)
    True

    If an effect is switched off, all other effects keep their random numbers.

    Parameters
    ----------
    seed : int or numpy.random.Generator
    effects : Effects
        `UNCALIBRATED`, `CALIBRATED` or `IDEAL`; change single effects with
        ``_replace(loss=None, decalibration=(0.3, 0.3))``.
    neurons, inputs, tau_mem, tau_syn : int, int, float, float
        Number of neurons, number of signed inputs of each neuron, and nominal
        membrane and synaptic time constants, s.
    dtype : {numpy.float32, numpy.float64}

    Returns
    -------
    Chip Parameters of N neurons with M inputs each.  Learning rules must not
        read the parameters, because those of a real chip are unknown.  In an
        axis of length 2, the excitatory value precedes the inhibitory value.

        effects     magnitudes of the effects, `Effects`
        nominal     nominal tau_syn and tau_mem, s
        gain, synapse  (2, N) and (2, N, M), factors of gains and synapses
        tau_syn, tau_mem  (2, N) and (N,), time constants, s
        threshold   (N,), relative to the leak; inf if the neuron never fires
        leak        (N,), relative to the nominal leak potential
        reset       (N,), relative to the leak
        adc_offset  (N,), ADC codes
        adc_gain    (N,), relative deviation of the ADC gain
    """
    effects = _effects("effects", effects)
    most = effects.fan_in or np.inf
    arrays(f"neurons () int in [1, {most}], inputs () int in [1, {most}], tau_mem () "
           f"in [{_SHORTEST}, 1), tau_syn () in [{_SHORTEST}, 1)", neurons, inputs,
           tau_mem, tau_syn)
    one_of("seed", seed, int, np.integer, np.random.Generator)
    if isinstance(seed, bool) or not isinstance(seed, np.random.Generator) and seed < 0:
        raise ValueError(f"seed is {seed!r}: must be an integer >= 0 or a Generator")
    float_dtype(dtype)
    streams = dict(zip(Effects._fields, np.random.default_rng(seed).spawn(
        len(Effects._fields)), strict=True))
    normal = {field: rng.standard_normal((2, neurons))
              for field, rng in streams.items()}
    size = {field: value or 0 for field, value in effects._asdict().items()}
    sigma = size["decalibration"] or (0, 0)
    more = 1 + np.array([[sigma[0]], [sigma[0]], [sigma[1]]]) \
        * streams["decalibration"].standard_normal((3, neurons))           # (4)
    spread = np.array(size["gain"] or (0, 0))[:, None]
    exc, inh, correlation = size["tau_syn"] or (0, 0, 0)
    first, second = normal["tau_syn"]
    syn = np.stack([first, correlation * first
                    + np.sqrt(1 - correlation * correlation) * second])
    syn = _factor(syn, np.array([[exc], [inh]]))                           # (2)
    mem = _factor(normal["tau_mem"][0], size["tau_mem"])                   # (2)
    level, leak = size["threshold"] or (0, 0)
    threshold = (1 + level * normal["threshold"][0]) * more[2]             # (3)
    never, always = size["pathological"] or (0, 0)
    kind = streams["pathological"].random(neurons)
    threshold[kind >= 1 - always] = _RESTLESS
    threshold[kind < never] = np.inf
    synapse = np.maximum(
        0, 1 + size["synapse"] * streams["synapse"].standard_normal(
            (2, neurons, inputs))) * _factor(
        streams["driver"].standard_normal((2, 1, inputs)), size["driver"])  # (5)
    offset, slope = size["adc"] or (0, 0)
    fields = (
        _factor(normal["gain"], spread), synapse,
        np.maximum(_SHORTEST, tau_syn * syn * more[0]),
        np.maximum(_SHORTEST, tau_mem * mem * more[1]), threshold,
        leak * normal["threshold"][1], size["reset"] * normal["reset"][0],  # (3)
        offset * normal["adc"][0], slope * normal["adc"][1])               # (5)
    return Chip(effects, (float(tau_syn), float(tau_mem)),
                *(array.astype(dtype) for array in fields))


def _factor(normal, spread):
    variance = np.log1p(np.square(spread))
    return np.exp(np.sqrt(variance) * normal - variance / 2)               # (1)


def only(effects, *names):
    """Return a copy of `effects` as an `Effects` object.  In the copy, only the
    effects listed in `names` are switched on.

    >>> only(UNCALIBRATED, "tau_mem").tau_mem, only(UNCALIBRATED).tau_mem
    (0.13, None)

    Parameters
    ----------
    effects, *names : Effects, str
    """
    effects = _effects("effects", effects)
    for name in names:
        one_of("names", name, *Effects._fields)
    return IDEAL._replace(**{name: getattr(effects, name) for name in names})


def emulate(chip, weights, spikes, *, rng, step=0.1e-6, dt=1.7e-6, scale=240.0,
            code=(80.0, 70.0), reset_after=None, details=False):
    """Emulate a chip that runs a network on a batch of images, eqs. (6)-(12).

    >>> chip = draw(1, IDEAL, neurons=2, inputs=1)
    >>> x = np.eye(4, 1).reshape(4, 1, 1)
    >>> run = emulate(chip, {"hidden": [[360]], "readout": [[240]]}, x,
    ...               rng=np.random.default_rng(1))
    >>> run[0].ravel().tolist(), run[1][:, 0, 0].round().tolist()
    ([0, 1, 1, 1], [80.0, 80.0, 117.0, 127.0])

    Parameters
    ----------
    chip : Chip from `draw`, whose dtype all computations use
    weights : dict or NamedTuple
        `hidden` (n, m), `recurrent` (n, n) or None and `readout` (k, n):
        integers up to weight_limit, or floats if this effect is off.
    spikes : (T, B, m) of 0 and 1, for B independent images
    rng : numpy.random.Generator
    step, dt : float
        Largest integration step, and width of a time bin, in seconds.  The
        step is h = dt / K for the smallest integer K with h <= `step`.
    scale, code : float, (float, float)
        Integer weight that represents the weight 1 of an ideal network, and
        nominal ADC code of the leak and codes from the leak to the threshold.
    reset_after : float, optional
        Time in seconds after the first input of an image (1e-5 in the chip's
        fast mode).  All membranes are then held at the reset potential.  At
        the start of an image, all membranes are also at the reset potential.
    details : bool, whether `membranes` and `events` are also returned

    Returns
    -------
    spikes : (T, B, n) uint8
    samples : (T, B, n + k) uint8
        ADC codes, hidden neurons first; floats if `adc_limit` is off.
    membranes : (T, B, n + k) float
        Sampled potentials v + leak, in units of threshold - leak.
    events : (E, 3) int, integration step, image and neuron of every spike
    """
    chip, step, dt, scale, code, reset_after = _options(
        chip, rng, step, dt, scale, code, reset_after, details)
    effects = {name: _OFF.get(name) if value is None else value
               for name, value in chip.effects._asdict().items()}
    matrices, x = _network(chip, effects, weights, spikes)
    K = max(1, int(np.ceil(dt / step - _ROUNDING)))
    model = _model(chip, effects, matrices, K, dt, scale)
    closes, parts = None, []
    if reset_after is not None:
        first = np.where(x.any(axis=(0, 2)), x.any(axis=2).argmax(axis=0), len(x))
        closes = (first + 1) * model.K + round(reset_after / model.h)
    for b in range(0, x.shape[1], _IMAGES):
        part = slice(b, b + _IMAGES)
        seen, fired, events = _loop(model, x[:, part], closes if closes is None
                                    else closes[part], effects, rng)
        parts.append((fired, _codes(chip, effects, seen, code, rng)))
        if details:
            at = np.unravel_index(events, (len(x) * model.K, *seen.shape[1:]))
            parts[-1] += seen, np.stack(at, axis=1) + [0, b, 0]
    return tuple(np.concatenate(arrays, axis=1 if arrays[0].ndim == 3 else 0)
                 for arrays in zip(*parts, strict=True))


class _Model(NamedTuple):
    """This class holds the constants of `emulate`."""
    K: int             # number of integration steps in a time bin
    h: float           # length of a step, s
    reset: Any         # (1, N)
    alpha: Any         # (2, 1, N)
    beta: Any          # (1, N)
    threshold: Any     # (1, N)
    kick: Any          # (1, N), membrane noise per unit of a random integer
    headroom: Any      # (3, 1, N): lower edge, upper edge and factor of (10)
    inputs: Any        # (m, 2, n), change of rise_s I_s in (8) by one input event
    onward: Any        # (n, 2, targets), change of rise_s I_s of the targets by a spike
    delay: int         # delay from a spike to a synapse, in steps
    hold: int          # refractory time, in steps


def _model(chip, effects, matrices, K, dt, scale):
    n, h, dtype = len(matrices[0]), dt / K, chip.gain.dtype
    N = n + len(matrices[2])
    tau_syn, tau_mem, leak = chip.tau_syn[:, :N], chip.tau_mem[:N], chip.leak[:N]
    rise = _kernel(h, tau_syn, tau_mem) / _kernel(
        dt, *np.array(chip.nominal, dtype))                               # (9)
    rise[1] *= -1
    beta, (low, high, slope) = np.exp(-h / tau_mem), effects["headroom"]
    threshold = np.where(np.arange(N) < n, chip.threshold[:N], np.inf)
    rows = [chip.reset[:N], np.exp(-h / tau_syn), beta, threshold,
            effects["noise"][1] * np.sqrt(12 * (1 - beta ** 2)) / _LEVELS,
            [low - leak, high - leak, np.exp(-h / tau_mem * (1 - slope) / slope)]]
    fields = [*(np.array(a)[..., None, :] for a in rows),
              *_synapses(chip, matrices, scale, rise)]
    return _Model(K, h, *(np.ascontiguousarray(a, dtype) for a in fields),
                  max(1, round(effects["timing"][1] / h)),
                  round(effects["refractory"] / h))


def _kernel(h, a, b):
    x = np.abs(h * (1 / b - 1 / a))
    x = x + 1e-30 * (x == 0)                # for a = b, so that -expm1(-x) / x is 1
    return h * np.exp(-h / np.maximum(a, b)) * (-np.expm1(-x) / x)


def _synapses(chip, matrices, scale, rise):
    """Return rise_s I_s of single spikes."""
    (hidden, recurrent, readout), (n, m) = matrices, matrices[0].shape

    def both(W, first, column):
        """Return eq. (7) times rise_s for W."""
        part, W = slice(first, first + len(W)), W.astype(float) / scale
        rows = chip.synapse[:, part, column:column + W.shape[1]].reshape(2, *W.shape)
        return np.stack([np.maximum(W, 0), np.maximum(-W, 0)]) \
            * (rise * chip.gain[:, :rise.shape[1]])[:, part, None] * rows  # (7)

    onward = both(readout, n, 0)
    if recurrent is not None:
        onward = np.concatenate([both(recurrent, 0, m), onward], axis=1)
    return both(hidden, 0, 0).transpose(2, 0, 1), onward.transpose(2, 0, 1)


def _loop(model, x, closes, effects, rng):
    (T, B, _), N, K, dtype = x.shape, model.reset.size, model.K, model.beta.dtype
    n, _, targets = model.onward.shape
    model = model._replace(delay=min(model.delay, T * K), **{
        name: np.repeat(getattr(model, name), B, axis=-2)     # broadcasting is slower
        for name in ("reset", "alpha", "beta", "threshold", "kick", "headroom")})
    inputs = _arrivals(x, model, effects, rng)
    samples = _schedule(T, B, model, effects["sampling"], rng)
    v, syn, work = (np.zeros((*k, B, N), dtype) for k in ((), (2,), ()))
    if closes is not None:
        v += model.reset
    v += dtype.type(effects["noise"][1]) * rng.standard_normal((B, N), dtype)
    seen, fired, none = np.zeros((T, B, N), dtype), [], np.zeros(0, int)
    flat, reset, ready = v.reshape(-1), model.reset.reshape(-1), np.zeros(B * N, int)
    quiet, rest, noise, outward = none, none, None, syn[:, :, N - targets:]
    most, (low, high, factor) = model.kick.max() * _LEVELS / 2, model.headroom
    edge = min(model.threshold.min(), high.min(), -low.max())
    for j in range(T * K):
        if most and not j % K:              # one 64-bit integer has 4 random numbers
            noise = rng.integers(-2 ** 63, 2 ** 63 - 1, (K, -(-B * N // 4)),
                                 endpoint=True).view(np.int16)[:, :B * N]
        if not j % K:                       # in a calm bin, no |v| can reach `edge`
            calm = inputs.keys().isdisjoint(range(j, j + K)) and not any(
                map(len, fired[-model.hold - 2 * model.delay:])) and np.abs(
                    v).max() + K * (2 * np.abs(syn).max() + most) < edge
        when, image, part = samples.get(j, (none, none, None))
        if len(image):
            past = (1 - part) * v.take(image, axis=0)
        if j:
            _advance(model, v, syn, work, noise[j % K].reshape(B, N) if most else None)
            if not calm:
                _compress(v, low, high, factor, work)
        last = none if calm else (v > model.threshold).reshape(-1).nonzero()[0]
        if len(last):                       # neurons held at the reset do not spike
            last = last[ready.take(last) <= j]
        if closes is not None:
            last = last[closes[last // N] > j]
            v[closes <= j] = model.reset[closes <= j]
        if len(quiet):
            flat[quiet] = rest
        shown = v if effects["hidden_peak"] else v.copy()
        if len(last):
            flat[last] = reset.take(last)                                  # (11)
            ready[last] = j + 1 + model.hold
        if len(image):
            past += part * shown.take(image, axis=0)
            seen[when, image] = past
        if j in inputs:
            syn[:, :, :n] += inputs[j]                                     # (6)
        if not j % model.delay:
            arriving = _onward(model, fired[-model.delay:], j, B, effects["loss"], rng)
        images, currents = arriving[j % model.delay]
        if len(images):
            outward[:, images] = outward.take(images, axis=1) + currents   # (6)
        fired.append(j * B * N + last if len(last) else none)
        left = fired[j - model.hold] if j >= model.hold else none
        if len(last) or len(left):
            quiet = np.concatenate((quiet, last))[len(left):]
            rest = reset.take(quiet)
    events, spikes = np.concatenate(fired), np.zeros((T, B * N), np.uint8)
    spikes[events // (K * B * N), events % (B * N)] = 1
    return seen, spikes.reshape(T, B, N)[:, :, :n], events


def _arrivals(x, model, effects, rng):
    (T, B, m), K = x.shape, model.K
    at = np.flatnonzero(x > 0)
    t, b, i = np.unravel_index(at[rng.random(len(at)) >= effects["loss"]], x.shape)
    slot = t * B + b
    rank = np.arange(len(slot)) - np.searchsorted(slot, slot)
    late = np.rint(rank * (effects["timing"][0] / model.h)).astype(int)
    row = ((t + 1) * K + late) * B + b
    order = np.lexsort((row,))                                  # the sort is stable
    order = order[:np.searchsorted(row[order], T * K * B)]  # without later arrivals
    step, b = np.divmod(row[order], B)
    steps, at = np.unique(step, return_inverse=True)
    begin = np.searchsorted(at * B + b, np.arange(len(steps) * B + 1))
    events = sparse.csr_matrix((np.ones(len(order), model.inputs.dtype), i[order],
                                begin), shape=(len(steps) * B, m))
    currents = (events @ model.inputs.reshape(m, -1)).reshape(
        len(steps), B, 2, model.inputs.shape[2])
    return dict(zip(steps.tolist(), currents.transpose(0, 2, 1, 3), strict=True))


def _schedule(T, B, model, sampling, rng):
    """Draw the sampling times."""
    at = np.repeat(np.arange(T) * float(model.K), B)
    at += (sampling[0] + sampling[1] * rng.standard_normal(T * B)) / model.h
    at = np.clip(at, 0, T * model.K - 1)
    step = np.ceil(at).astype(int)
    order = np.lexsort((step,))                                 # the sort is stable
    part = (1 - (step - at)[order]).astype(model.beta.dtype)[:, None]
    steps, begin = np.unique(step[order], return_index=True)
    return dict(zip(steps.tolist(), zip(*(np.split(a, begin[1:]) for a in (
        order // B, order % B, part)), strict=True), strict=True))


def _advance(model, v, syn, work, noise):
    """Update potentials and currents in place."""
    v *= model.beta
    v += syn[0]
    v += syn[1]                                                            # (8)
    if noise is not None:
        work[:] = noise
        work *= model.kick
        v += work                                                          # (8)
    syn *= model.alpha                                                     # (6)


def _compress(v, low, high, factor, work):
    """Apply eq. (10) to `v` in place."""
    edge = np.minimum(np.maximum(v, low, out=work), high, out=work)
    v -= edge
    v *= factor
    v += edge                                                              # (10)


def _onward(model, fired, now, B, loss, rng):
    """Return pairs (images, currents) for each step."""
    if not any(map(len, fired)):
        return [((), ())] * model.delay
    spikes = np.concatenate(fired)
    row, neuron = np.divmod(spikes[rng.random(len(spikes)) >= loss],
                            model.reset.shape[1])
    begin, = np.concatenate((row[:1] >= 0, row[1:] != row[:-1])).nonzero()
    count = np.append(begin[1:], len(row)) - begin
    currents = model.onward.take(neuron.take(begin), axis=0)
    for i in range(1, count.max(initial=0)):
        more, = (count > i).nonzero()
        currents[more] += model.onward.take(neuron.take(begin.take(more) + i), axis=0)
    step, image = np.divmod(row.take(begin), B)
    cuts = np.searchsorted(step, np.arange(now - model.delay, now + 1)).tolist()
    return [(image[a:b], currents[a:b].transpose(1, 0, 2))
            for a, b in zip(cuts[:-1], cuts[1:], strict=True)]


def _codes(chip, effects, seen, code, rng):
    N, dtype, (read, _, wander) = seen.shape[2], seen.dtype, effects["noise"]
    slope = (code[1] * (1 + chip.adc_gain[:N])).astype(dtype)
    offset, limit = (code[0] + chip.adc_offset[:N]).astype(dtype), effects["adc_limit"]
    if wander:
        drift = dtype.type(wander) * slope * rng.standard_normal(seen.shape[1:], dtype)
    codes = np.empty(seen.shape, np.uint8 if limit else dtype)
    for v, found in zip(seen, codes, strict=True):          # one bin fits the cache
        v += chip.leak[:N]
        now = v * slope + offset                                           # (12)
        if wander:
            now += drift                                                   # (12)
        if read:
            noise = rng.standard_normal(v.shape, dtype)
            now += dtype.type(read) * slope * noise                        # (12)
        found[:] = np.clip(now, 0, limit, out=now) if limit else now       # (12)
    return codes


_RULES = {                  # all other effects: one number in [0, inf)
    "weight_limit": "() int in [1, inf)", "fan_in": "() int in [1, inf)",
    "gain": "(2) in [0, inf)", "tau_syn": "(3) in [0, inf)",
    "threshold": "(2) in [0, inf)", "decalibration": "(2) in [0, inf)",
    "noise": "(3) in [0, inf)", "adc_limit": "() int in [1, 255]",
    "adc": "(2) in [0, inf)", "sampling": "(2) in [0, inf)", "headroom": "(3)",
    "timing": "(2) in [0, 1e6)", "refractory": "() in [0, 1e6)", "loss": "() in [0, 1]",
    "pathological": "(2) in [0, 1]", "levels": "() int in [1, inf)"}


def _effects(name, effects):
    given = bundle(name, effects, Effects)
    found = arrays(", ".join(f"{name}.{field}? {_RULES.get(field, '() in [0, inf)')}"
                             for field in Effects._fields),
                   *given._replace(hidden_peak=None))
    effects = Effects(*(tuple(a.tolist()) if isinstance(a, np.ndarray) else a
                        for a in found))._replace(hidden_peak=one_of(
                            f"{name}.hidden_peak", given.hidden_peak, bool, np.bool_,
                            type(None)))
    low, high, slope = effects.headroom or (-1, 1, 1)
    if not low < 0 < high or not 0 < slope <= 1:
        raise ValueError(f"{name}.headroom is {low}, {high}, {slope}: must be a lower "
                         "edge < 0, an upper edge > 0 and a slope in (0, 1]")
    if effects.tau_syn is not None and effects.tau_syn[2] > 1:
        raise ValueError(f"{name}.tau_syn[2] is {effects.tau_syn[2]}: must be a "
                         "correlation in [0, 1]")
    if (total := sum(effects.pathological or ())) > 1:
        raise ValueError(f"{name}.pathological has the sum {total}: must be two shares "
                         "with a sum of at most 1")
    return effects


def _options(chip, rng, step, dt, scale, code, reset_after, details):
    chip = bundle("chip", chip, Chip)
    chip = Chip(_effects("chip.effects", chip.effects), *arrays(
        "chip.nominal (2) in (0, 1), chip.gain (2, N) float, chip.synapse (2, N, M), "
        "chip.tau_syn (2, N) in (0, inf), chip.tau_mem (N) in (0, inf), chip.threshold "
        "(N) in (-inf, inf], chip.leak (N), chip.reset (N), chip.adc_offset (N), "
        "chip.adc_gain (N)", *chip[1:]))
    one_of("rng", rng, np.random.Generator)
    flags("details", details)
    span = f"() in ({1 / _LARGE}, {_LARGE})"
    step, dt, scale, code, reset_after = arrays(
        f"step {span}, dt {span}, scale {span}, code (2), reset_after? {span}", step,
        dt, scale, code, reset_after)
    if step > _LONGEST and step != dt:
        raise ValueError(f"step is {step}: must be at most {_LONGEST} s, or dt")
    if dt > 30 * min(chip.nominal):
        raise ValueError(f"dt is {dt}: must be at most 30 times each time constant of "
                         f"chip.nominal, which are {chip.nominal[0]} s and "
                         f"{chip.nominal[1]} s")
    if code[1] <= 0:
        raise ValueError(f"code[1] is {code[1]}: must be above 0")
    return chip, step, dt, scale, code.tolist(), reset_after


def _network(chip, effects, weights, spikes):
    limit, names = effects["weight_limit"], ("hidden", "recurrent", "readout")
    for name in weights if isinstance(weights, dict) else ():
        one_of("weights' key", name, *names)
    given = [weights.get(name) if isinstance(weights, dict)
             else getattr(weights, name, None) for name in names]
    rule = f"{' int' * bool(limit)} in [-{limit or _LARGE}, {limit or _LARGE}]"
    *matrices, x = arrays(
        f"weights.hidden (n, m){rule}, weights.recurrent? (n, n){rule}, "
        f"weights.readout (k*, n){rule}, spikes (T, B, m) in {{0, 1}}", *given, spikes)
    (n, m), k, most = matrices[0].shape, len(matrices[2]), effects["fan_in"]
    for name, count, room in (
            ("neurons", n + k, chip.synapse.shape[1]),
            ("inputs of a neuron", max(n * (k > 0), m + n * (matrices[1] is not None)),
             chip.synapse.shape[2])):
        if count > min(room, most or room):
            raise ValueError(f"weights have {count} {name}: must have 1 to "
                             f"{min(room, most or room)}")
    return matrices, x
