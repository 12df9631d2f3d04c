# refsnn 0.1.0 | chip_effects.py | SPDX-License-Identifier: MIT | needs: numpy
r"""An analog neuromorphic chip, drawn from a seed: no two neurons alike.

The chip of [CB22] has 256 neurons with 256 signed inputs each, all built
to one plan and none equal.  `Effects` lists twenty ways in which such a
chip is no ideal network, each with its switch and magnitude; `draw` draws
the numbers that stay as they are from then on, a `Chip`, which the module
`chip` runs.  With N standard normal, each its own, and v a magnitude,

    factor = exp(s N - s^2 / 2),  s^2 = log(1 + v^2)                  (1)
    gain, tau_syn / nominal, tau_mem / nominal: factors (1)           (2)
    threshold = 1 + v N,  leak = v N,  reset = v N                    (3)
    tau_syn, tau_mem, threshold *= 1 + sigma N   (de-calibration)     (4)
    synapse = max(0, 1 + v N),  adc_offset = v N,  adc_gain = v N     (5)
    gain, tau_syn, tau_mem, threshold *=
        1 + v (N cos a + N' sin a),  a = 2 pi age / hour   (drift)    (6)

A factor (1) has mean 1 and standard deviation v.  Potentials are in units
of nominal threshold minus leak; threshold and reset are relative to the
neuron's own leak, the leak to the nominal one; ADC offsets are in codes.

Derivation.  The spreads are those of a published calibration of one chip
    (its settings taken as proportional to the parameters), of public code
    and of the paper, or plausible: `Effects` says which.
Approximate.  Neurons are independent, the trend of gains across the chip
    being part of their spread, and each drifts by itself.
Cost.   O(inputs neurons) time and memory.
Departures.  De-calibrated time constants end at 0.5 us, where the settings
    of a chip end.  Thresholds below the leak are kept, as in the paper.

[CB22] B. Cramer, S. Billaudelle et al., PNAS 119(4), e2109194119, 2022,
    arXiv 2006.07239.
"""

from typing import NamedTuple, Optional, Tuple

import numpy as np

__all__ = ["CALIBRATED", "Chip", "Effects", "IDEAL", "UNCALIBRATED", "aged", "draw",
           "only"]
_SHORTEST = 0.5e-6     # s, of a time constant
_HOUR = 3600.0         # s, period of the drift


class Effects(NamedTuple):
    """The twenty effects: None is off, anything else is the magnitude.

    The defaults are those of an uncalibrated chip.  Sources: [T] text of
    [CB22], [S] its public training code, [H] the chip's public software,
    [C] a published calibration of one chip, [P] plausible, not measured.

    weight_limit   weights are integers from -63 to 63              [T][S]
    fan_in         most signed inputs, and most neurons             [S][H]
    gain           spread of synaptic gains, exc. and inh.          [C]
    synapse        spread of single synapses, both rows of a weight [H][P]
    tau_syn        spread exc., inh., correlation of the two        [C]
    tau_mem        spread of membrane time constants                [C]
    threshold      spread of threshold - leak, and of leaks         [C][H]
    reset          spread of reset - leak                           [C][H]
    refractory     s at the reset after a spike; currents go on     [C]
    decalibration  sigma of time constants, and of thresholds       [T]
    noise          read, membrane and baseline noise, thresholds    [H][S]
    adc_limit      samples are integer codes from 0 to 255          [S][H]
    adc            spread of offsets in codes, and of gains         [C][P]
    sampling       s of latency of the samples, and of jitter       [T][P]
    hidden_peak    a sample at a spike shows the reset, no peak     [T]
    headroom       membrane below and above which slopes shrink,
                   and by which factor                              [H][P]
    timing         s between two input events of a bin, one after
                   the other; s from a spike to on-chip synapses    [P]
    loss           share of events that never arrive                [P]
    pathological   share of neurons that never, and always, fire    [T][P]
    drift          slow change of gains, time constants, thresholds [P]
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
    drift: Optional[float] = 0.015


UNCALIBRATED = Effects()
CALIBRATED = Effects(gain=(0.04, 0.04), tau_syn=(0.04, 0.04, 0.0), tau_mem=0.05,
                     threshold=(0.05, 0.03), reset=0.04, adc=(2.5, 0.02),
                     pathological=None)
IDEAL = Effects(*(None for _ in Effects._fields))


class Chip(NamedTuple):
    """One chip's private numbers; no learning rule may see them.

    `nominal` is (tau_syn, tau_mem), s; first axes (2) are exc., inh.; N
    neurons, M inputs.  `drift` holds N and N' of (6) for gain (2), tau_syn
    (2), tau_mem and threshold.
    """

    effects: Effects
    nominal: Tuple[float, float]
    gain: np.ndarray           # (2, N)
    synapse: np.ndarray        # (2, N, M)
    tau_syn: np.ndarray        # (2, N), s
    tau_mem: np.ndarray        # (N,), s
    threshold: np.ndarray      # (N,)
    leak: np.ndarray           # (N,)
    reset: np.ndarray          # (N,)
    adc_offset: np.ndarray     # (N,), codes
    adc_gain: np.ndarray       # (N,)
    drift: np.ndarray          # (2, 6, N)


def only(effects, *names):
    """The same effects with all but those named switched off.

    Parameters
    ----------
    effects : Effects
        Whose magnitudes are kept.
    *names : str
        Fields of `Effects`.

    Returns
    -------
    Effects

    Raises
    ------
    ValueError
        If there is no such effect.

    Examples
    --------
    >>> only(UNCALIBRATED, "tau_mem").tau_mem, only(UNCALIBRATED).tau_mem
    (0.13, None)
    """
    _record("effects", effects)
    for name in names:
        if name not in Effects._fields:
            raise ValueError(f"names has {name!r}: must be in {Effects._fields}")
    return Effects(*(value if name in names else None for name, value in
                     zip(Effects._fields, effects, strict=True)))


def _asarray(name, value):
    try:
        return np.asarray(value)
    except ValueError as error:
        raise ValueError(f"{name} is no array: {error}") from None


def _record(name, effects):
    """Refuses what is no valid record of effects."""
    if not isinstance(effects, tuple) or \
            getattr(effects, "_fields", None) != Effects._fields:
        raise ValueError(f"{name} is a {type(effects).__name__}: must be Effects")
    shapes = {field: np.shape(value) for field, value in
              Effects(decalibration=(0.0, 0.0))._asdict().items()}
    for field, value in effects._asdict().items():
        if value is None:
            continue
        array = _asarray(f"{name}.{field}", value)
        fits = array.shape == shapes[field] and array.dtype.kind in "fiub" \
            and np.isfinite(array).all()
        if not fits or ((array < 0).any() and field != "headroom"):
            raise ValueError(f"{name}.{field} is {value!r}: must be None or finite, "
                             f">= 0 and of shape {shapes[field]}")
        if field in ("weight_limit", "fan_in", "adc_limit"):
            _size(f"{name}.{field}", value, 255 if field == "adc_limit" else None)
        if field in ("loss", "pathological") and array.sum() > 1:
            raise ValueError(f"{name}.{field} is {value!r}: must be shares")
    if effects.headroom is not None:
        low, high, slope = effects.headroom
        if not low < 0 < high or not 0 < slope <= 1:
            raise ValueError(f"{name}.headroom is {effects.headroom!r}: must be below "
                             "0, above 0, and a factor in (0, 1]")
    if effects.tau_syn is not None and effects.tau_syn[2] > 1:
        raise ValueError(f"{name}.tau_syn is {effects.tau_syn!r}: must have a "
                         "correlation in [0, 1]")


def _size(name, value, most):
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) \
            or value < 1 or (most is not None and value > most):
        raise ValueError(f"{name} is {value!r}: must be an integer in "
                         f"[1, {'inf' if most is None else most}]")


def _factor(normal, spread):
    """Log-normal factors of mean 1 and standard deviation `spread`."""
    variance = np.log1p(np.square(spread))
    return np.exp(np.sqrt(variance) * normal - variance / 2)               # (1)


def draw(seed, effects=UNCALIBRATED, *, neurons=256, inputs=256, tau_mem=6e-6,
         tau_syn=6e-6, dtype=np.float32):
    """A chip's fixed pattern, eqs. (1)-(5).

    Each effect has a random stream of its own: to switch one off leaves
    what the others drew as it was, and magnitudes scale the same numbers.

    Parameters
    ----------
    seed : int or numpy.random.Generator
        Of the chip.
    effects : Effects
        Which, and how large; `UNCALIBRATED`, `CALIBRATED` or `IDEAL`, with
        changes by ``_replace(loss=None, decalibration=(0.3, 0.3))``.
    neurons, inputs : int
        Neurons and signed inputs of each.
    tau_mem, tau_syn : float
        Nominal time constants, s.
    dtype : {numpy.float32, numpy.float64}
        Of the chip and of its emulation: float64 for proofs.

    Returns
    -------
    Chip

    Raises
    ------
    ValueError
        If a seed, magnitude, size or time constant cannot be.

    Examples
    --------
    >>> chip = draw(7, only(CALIBRATED, "tau_mem"))
    >>> bool(4e-6 < chip.tau_mem.min() < 6e-6 < chip.tau_mem.max() < 8e-6)
    True
    >>> set(chip.threshold.tolist())
    {1.0}
    """
    _record("effects", effects)
    if isinstance(seed, bool) or not isinstance(
            seed, (int, np.integer, np.random.Generator)) or (
            not isinstance(seed, np.random.Generator) and seed < 0):
        raise ValueError(f"seed is {seed!r}: must be an integer >= 0 or a Generator")
    _size("neurons", neurons, effects.fan_in)
    _size("inputs", inputs, effects.fan_in)
    for name, value in (("tau_mem", tau_mem), ("tau_syn", tau_syn)):
        if not isinstance(value, (int, float, np.floating)) \
                or not _SHORTEST <= value < 1:
            raise ValueError(f"{name} is {value!r}: must be in [{_SHORTEST}, 1) s")
    if dtype not in (np.float32, np.float64):
        raise ValueError(f"dtype is {dtype!r}: must be float32 or float64")
    streams = dict(zip(Effects._fields, np.random.default_rng(seed).spawn(
        len(Effects._fields)), strict=True))
    z = {field: rng.standard_normal((2, neurons)) for field, rng in streams.items()}
    size = {field: value or 0 for field, value in effects._asdict().items()}
    sigma = size["decalibration"] or (0, 0)
    more = 1 + np.array([[sigma[0]], [sigma[0]], [sigma[1]]]) \
        * streams["decalibration"].standard_normal((3, neurons))           # (4)
    spread = np.array(size["gain"] or (0, 0))[:, None]
    syn, mem = _time_factors(size["tau_syn"] or (0, 0, 0), size["tau_mem"], z)
    level, leak = size["threshold"] or (0, 0)
    kind = _pathological(streams["pathological"], size["pathological"] or (0, 0),
                         neurons)
    synapse = streams["synapse"].standard_normal((2, neurons, inputs))
    offset, slope = size["adc"] or (0, 0)
    arrays = (
        _factor(z["gain"], spread), np.maximum(0, 1 + size["synapse"] * synapse),
        np.maximum(_SHORTEST, tau_syn * syn * more[0]),
        np.maximum(_SHORTEST, tau_mem * mem * more[1]),
        np.where(np.isnan(kind), (1 + level * z["threshold"][0]) * more[2], kind),
        leak * z["threshold"][1], size["reset"] * z["reset"][0],           # (3)
        offset * z["adc"][0], slope * z["adc"][1],                         # (5)
        streams["drift"].standard_normal((2, 6, neurons)))
    return Chip(effects, (float(tau_syn), float(tau_mem)),
                *(array.astype(dtype) for array in arrays))


def _time_factors(tau_syn, tau_mem, z):
    """Factors of the synaptic (2, N) and membrane (N,) time constants."""
    (first, second), r = z["tau_syn"], tau_syn[2]
    both = np.stack([first, r * first + np.sqrt(1 - r * r) * second])
    return (_factor(both, np.array(tau_syn[:2])[:, None]),
            _factor(z["tau_mem"][0], tau_mem))                             # (2)


def _pathological(rng, shares, neurons):
    """Thresholds of those that never or always fire; NaN for all others."""
    kind = rng.random(neurons)
    return np.where(kind < shares[0], np.inf,
                    np.where(kind >= 1 - shares[1], -0.5, np.nan))


def aged(chip, age):
    """The chip some time after it was drawn, eq. (6).

    Parameters
    ----------
    chip : Chip
        As drawn: ages do not add up.
    age : float
        s.

    Returns
    -------
    Chip
        The same one where drift is off.

    Raises
    ------
    ValueError
        If chip is no Chip, or the age not a finite number.

    Examples
    --------
    >>> chip = draw(7, only(CALIBRATED, "drift"))
    >>> now, soon, later = (aged(chip, age).gain for age in (0, 10, 900))
    >>> bool(abs(soon - now).max() < 0.002 < 0.02 < abs(later - now).max())
    True
    """
    if isinstance(age, bool) or not isinstance(
            age, (int, float, np.integer, np.floating)) or not np.isfinite(age):
        raise ValueError(f"age is {age!r}: must be a finite number, s")
    if getattr(chip, "_fields", None) != Chip._fields:
        raise ValueError(f"chip is a {type(chip).__name__}: must be a Chip")
    if not chip.effects.drift:
        return chip
    a, dtype = 2 * np.pi * age / _HOUR, chip.gain.dtype
    f = 1 + chip.effects.drift * (np.cos(a) * chip.drift[0]
                                  + np.sin(a) * chip.drift[1])             # (6)
    f = np.maximum(0.1, f).astype(dtype)
    return chip._replace(gain=chip.gain * f[:2], tau_syn=chip.tau_syn * f[2:4],
                         tau_mem=chip.tau_mem * f[4],
                         threshold=chip.threshold * f[5])
