# refsnn 0.1.0 | chip_weights.py | SPDX-License-Identifier: MIT | needs: numpy
r"""Weights of a network on an analog chip: floats in software, integers there.

Learning keeps real weights; what is written to the chip is

    hidden, recurrent: w' = round(scale w), clipped to +-limit        (1)
    readout: w' = round(s w), s = min(limit / max |w|, most)          (2)

A readout does not spike, so its weights may have any scale, and the
largest is made to use the range.  The gradient at w' is taken for that at
w (straight-through).  After each step of an optimiser

    |w| <= limit / scale, hidden and recurrent                        (3)

Dropout leaves out a hidden neuron i in all images of a batch, by setting
to 0 all that it receives and sends,

    W'[i, :] = 0, V'[i, :] = V'[:, i] = 0, W_out'[:, i] = 0           (4)

and does not make the others larger.  A penalty on weights and the weights
to begin with are

    sum over matrices of strength mean w^2                            (5)
    hidden N(0.001, g^2/m), others N(0, g^2/n), g = 0.7 (1 - beta)    (6)

Derivation.  (4) is linear and its own adjoint: the gradient by W is (4) of
    that by W'.  (1) and (2) have the derivative 0 almost everywhere; on
    average over an interval of 1/scale it is that of scale w, which is
    what straight-through puts in its place, the scale being the chip's
    unit of weight.
Exact.  (3)-(6).  Of (1) and (2), where w scale is an integer.
Cost.   O(n (m + n + k)).
Departures.  [CB22] gives (1)-(3) in the text, (5) and (6) in its public
    code; recurrent weights begin here as readouts do.  A tie of the
    rounding goes to the even integer.  Where all readouts are 0, s = most.

[CB22] B. Cramer, S. Billaudelle et al., PNAS 119(4), e2109194119, 2022,
    arXiv 2006.07239.
"""

from typing import NamedTuple, Optional

import numpy as np

__all__ = ["Weights", "clamp", "drop", "dropout", "initial", "integers", "penalty"]


class Weights(NamedTuple):
    """Post x pre, in software in units of the threshold."""

    hidden: np.ndarray                          # (n, m)
    recurrent: Optional[np.ndarray]             # (n, n)
    readout: np.ndarray                         # (k, n)


def _asarray(name, value):
    try:
        return np.asarray(value)
    except ValueError as error:
        raise ValueError(f"{name} is no array: {error}") from None


def _weights(weights):
    """Checked Weights of a dict or of anything with these three fields."""
    given = [weights.get(name) if isinstance(weights, dict)
             else getattr(weights, name, None) for name in Weights._fields]
    arrays = [None if a is None else _asarray(f"weights.{name}", a)
              for name, a in zip(Weights._fields, given, strict=True)]
    n = len(arrays[0]) if arrays[0] is not None and arrays[0].ndim else 0
    shapes = (n, None), (n, n), (None, n)
    for name, a, shape in zip(Weights._fields, arrays, shapes, strict=True):
        if a is None and name == "recurrent":
            continue
        if a is None or a.ndim != 2 or 0 in a.shape or a.dtype.char not in "fd" or any(
                want not in (None, size) for want, size in zip(
                    shape, a.shape, strict=True)):
            what = "None" if a is None else f"of shape {a.shape}, {a.dtype}"
            raise ValueError(f"weights.{name} is {what}: must be a float32 or float64 "
                             f"array of shape {shape}, None is free, not empty")
        if not np.isfinite(a).all():
            raise ValueError(f"weights.{name} has NaN or infinite entries: must be "
                             "finite")
    return Weights(*arrays)


def _number(name, value, high=np.inf, zero=False):
    """Refuses what is no number in (0, high), or in [0, high)."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(
            value, (int, float, np.integer, np.floating)) \
            or not 0 <= value < high or (value == 0 and not zero):
        raise ValueError(f"{name} is {value!r}: must be a number in "
                         f"{'[' if zero else '('}0, {high})")


def _count(name, value, most=np.inf):
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) \
            or not 1 <= value <= most:
        raise ValueError(f"{name} is {value!r}: must be an integer of at least 1"
                         + f", at most {most}" * (most < np.inf))


def _generator(rng):
    if not isinstance(rng, np.random.Generator):
        raise ValueError(f"rng is {rng!r}: must be a numpy.random.Generator")


def _range(scale, limit):
    _number("scale", scale)
    _count("limit", limit, 127)


def integers(weights, *, scale=240.0, limit=63, most=250.0):
    """Weights as they are written to the chip, eqs. (1) and (2).

    Parameters
    ----------
    weights : Weights, or dict with its fields
        Of the software.
    scale : float
        Hardware weight that equals a weight of 1 threshold.
    limit : int
        Largest hardware weight, at most 127.
    most : float
        Largest scale of the readouts.

    Returns
    -------
    Weights
        int8.
    s : float
        Scale of the readouts.

    Raises
    ------
    ValueError
        If a shape, dtype or range does not fit, or a weight is not finite.

    Examples
    --------
    >>> weights = Weights(np.array([[0.1, 1.0]]), None, np.array([[-0.5]]))
    >>> written, s = integers(weights)
    >>> written.hidden.tolist(), written.readout.tolist(), s
    ([[24, 63]], [[-63]], 126.0)
    """
    weights = _weights(weights)
    _range(scale, limit)
    _number("most", most)
    largest = float(np.abs(weights.readout).max())
    s = min(limit / max(largest, limit / most), float(most))

    def rounded(w, factor):
        most = limit / factor
        w = np.rint(np.clip(w.astype(np.float64), -most, most) * factor)
        return w.astype(np.int8)

    hidden, recurrent, readout = weights
    return Weights(rounded(hidden, scale), None if recurrent is None
                   else rounded(recurrent, scale),                         # (1)
                   rounded(readout, s)), s                                 # (2)


def clamp(weights, *, scale=240.0, limit=63):
    """Weights that the chip can hold, eq. (3).

    Parameters
    ----------
    weights : Weights, or dict with its fields
        After a step of an optimiser.
    scale, limit
        As for `integers`.

    Returns
    -------
    Weights
        The readouts are those that were given.

    Raises
    ------
    ValueError
        If a shape, dtype or range does not fit, or a weight is not finite.

    Examples
    --------
    >>> weights = Weights(np.array([[0.1, 1.0]]), None, np.array([[-0.5]]))
    >>> clamp(weights).hidden.tolist(), clamp(weights).readout.tolist()
    ([[0.1, 0.2625]], [[-0.5]])
    """
    hidden, recurrent, readout = _weights(weights)
    _range(scale, limit)
    most = hidden.dtype.type(limit / scale)
    return Weights(np.clip(hidden, -most, most), None if recurrent is None
                   else np.clip(recurrent, -most, most), readout)          # (3)


def dropout(rng, n, rate=0.4):
    """Which of n hidden neurons stay in a batch.

    Parameters
    ----------
    rng : numpy.random.Generator
        Draws them.
    n : int
        Hidden neurons.
    rate : float
        Chance of each one to be left out, in [0, 1).

    Returns
    -------
    (n,) bool

    Raises
    ------
    ValueError
        If n is no positive integer, or the rate out of range.

    Examples
    --------
    >>> dropout(np.random.default_rng(1), 6).tolist()
    [True, True, False, True, False, True]
    """
    _generator(rng)
    _count("n", n)
    _number("rate", rate, 1, zero=True)
    return rng.random(n) >= rate


def drop(weights, kept):
    """Weights, or their gradient, without some hidden neurons, eq. (4).

    Parameters
    ----------
    weights : Weights, or dict with its fields
        Or `in_the_loop.Gradient`.
    kept : (n,) bool
        From `dropout`.

    Returns
    -------
    Weights

    Raises
    ------
    ValueError
        If a shape or dtype does not fit, or a weight is not finite.

    Examples
    --------
    >>> drop(Weights(np.ones((2, 1)), None, np.ones((1, 2))),
    ...      np.array([True, False])).hidden.tolist()
    [[1.0], [0.0]]
    """
    hidden, recurrent, readout = _weights(weights)
    kept = _asarray("kept", kept)
    if kept.dtype != bool or kept.shape != (len(hidden),):
        raise ValueError(f"kept is of shape {kept.shape}, dtype {kept.dtype}: must be "
                         f"({len(hidden)},) bool")
    rows = kept[:, None]
    return Weights(hidden * rows, None if recurrent is None
                   else recurrent * rows * kept, readout * kept)           # (4)


def penalty(weights, hidden=0.1, recurrent=0.0, readout=0.0):
    """Mean squared weights and their derivative, eq. (5).

    Parameters
    ----------
    weights : Weights, or dict with its fields
        Of the software.
    hidden, recurrent, readout : float
        Strengths, at least 0; the default is that of published code.

    Returns
    -------
    value : float
    Weights
        The derivative.

    Raises
    ------
    ValueError
        If a shape, dtype or range does not fit, or a weight is not finite.

    Examples
    --------
    >>> weights = Weights(np.full((1, 2), 3.0), None, np.ones((1, 1)))
    >>> value, d = penalty(weights)
    >>> round(value, 9), d.hidden.round(9).tolist(), d.readout.tolist()
    (0.9, [[0.3, 0.3]], [[0.0]])
    """
    weights = _weights(weights)
    value, found = 0.0, []
    for name, w, strength in zip(Weights._fields, weights,
                                 (hidden, recurrent, readout), strict=True):
        _number(name, strength, zero=True)
        if w is not None:
            value += strength * float((w * w).mean())                      # (5)
        found.append(None if w is None else w.dtype.type(2 * strength / w.size) * w)
    return value, Weights(*found)


def initial(rng, m, n, k, *, recurrent=False, tau_mem=6e-6, dt=1.7e-6,
            dtype=np.float32):
    """Weights to begin with, eq. (6): the hidden layer is silent, or nearly so.

    Parameters
    ----------
    rng : numpy.random.Generator
        Draws them.
    m, n, k : int
        Inputs, hidden neurons and readouts.
    recurrent : bool
        Whether there are recurrent weights.
    tau_mem, dt : float
        Nominal time constant and step, s.
    dtype : float32 or float64
        Of the result.

    Returns
    -------
    Weights

    Raises
    ------
    ValueError
        If a number is not positive, or dtype another one.

    Examples
    --------
    >>> weights = initial(np.random.default_rng(1), 256, 246, 10)
    >>> round(float(weights.hidden.std()), 3), weights.readout.shape
    (0.011, (10, 246))
    """
    _generator(rng)
    for name, count in (("m", m), ("n", n), ("k", k)):
        _count(name, count)
    _number("tau_mem", tau_mem)
    _number("dt", dt)
    if dtype not in (np.float32, np.float64):
        raise ValueError(f"dtype is {dtype!r}: must be float32 or float64")
    g = 0.7 * -np.expm1(-dt / tau_mem)
    shapes = (n, m), (n, n) if recurrent else None, (k, n)
    return Weights(*(None if shape is None else (
        rng.standard_normal(shape) * (g / np.sqrt(shape[1])) + mean).astype(dtype)
        for shape, mean in zip(shapes, (0.001, 0, 0), strict=True)))       # (6)
