# refsnn 0.1.0 | chip_weights.py | SPDX-License-Identifier: MIT | needs: numpy
r"""Convert real-valued weights to the integer weights of an analog chip.

Training updates real weights w, and the chip receives integer weights w'.
A network has m inputs, n hidden neurons and k readouts.  The hidden
weights W have the shape (n, m), the recurrent weights V have the shape
(n, n), and the readout weights W_out have the shape (k, n):

    hidden, recurrent: w' = round(scale w), clipped to low .. high    (1)
    readout: w' = round(s w),
             s = min(high / max w, low / min w, most)                 (2)

The limits are low = -limit and high = limit if `limit` is a number.  Eq.
(2) omits high / max w if max w <= 0, and low / min w if min w >= 0.
Because readout neurons do not spike, all readout weights may be multiplied
by a common scale s.  This scale maps the largest or the smallest readout
weight to an end of the range low .. high, but is at most `most`.  The
gradient of the loss at the integer weights w' is used to update the real
weights w (straight-through estimator).  After each optimiser step, hidden
and recurrent weights are clipped to

    low / scale <= w <= high / scale                                  (3)

If dropout removes the hidden neuron i for all images of a mini-batch, all
weights to and from this neuron are set to 0:

    W'[i, :] = 0, V'[i, :] = V'[:, i] = 0, W_out'[:, i] = 0           (4)

Eq. (5) is the weight penalty, and eq. (6) specifies the initial weights:

    strength mean(w^2), summed over W, V and W_out                    (5)
    hidden N(0.001, g^2/m), others N(0, g^2/n)                        (6)

Here, g = 0.7 (1 - exp(-dt/tau_mem)), and N(mean, variance) is a Gaussian.

Derivation.  Eq. (4) multiplies each weight by 0 or 1.  By the chain rule,
    eq. (4) therefore also converts the gradient dL/dW' to dL/dW.
Exact.  The integer weight is exact only if the product of the real weight
    and its scale is an integer between `low` and `high`.
Cost.   All functions take O(n (m + n + k)) time.
Departures.  Eqs. (1)-(3) are from the text of [CB22], and eqs. (5) and (6)
    are from the public code of its authors.  Recurrent weights are
    initialised like readout weights.

[CB22] B. Cramer, S. Billaudelle et al., PNAS 119, 2022, arXiv 2006.07239.
"""

from typing import NamedTuple, Optional

import numpy as np

# `python -m refsnn vendor NAME FILE` adds these functions to a copy.
from refsnn._checks import arrays, flags, float_dtype, one_of, shown

__all__ = ["clip", "drop", "dropout", "initial", "integers", "penalty"]
NETWORK = ("weights.hidden (n, m) float, weights.recurrent? (n, n) float, "
           "weights.readout (k, n) float")
SIZES = ("m () int in [1, inf), n () int in [1, inf), k () int in [1, inf), "
         "tau_mem () in (0, inf), dt () in (0, inf)")
SPREAD, MEAN = 0.7, 0.001       # numbers of (6), from the authors' public code


class Weights(NamedTuple):
    """This class holds the weights of a network.  The unit of real-valued weights
    is the threshold potential.  The function `initial` describes the fields."""
    hidden: np.ndarray
    recurrent: Optional[np.ndarray]
    readout: np.ndarray
    __repr__ = shown


def integers(weights, *, scale=240.0, limit=63, most=250.0):
    """Return integer `Weights` and the scale s of the readout, eqs. (1), (2).
    The dtype is int8, or int16 if `limit` exceeds the range of int8.

    >>> weights = Weights(np.array([[0.1, 1.0]]), None, np.array([[-0.5]]))
    >>> written, s = integers(weights)
    >>> written.hidden.tolist(), written.readout.tolist(), s
    ([[24, 63]], [[-63]], 126.0)

    Parameters
    ----------
    weights : Weights, or dict with its fields
    scale : float, the integer weight that represents the real weight 1
    limit : int or (int, int)
        Largest magnitude of integer weights, up to 32767, or the smallest
        (negative) and the largest (positive) weight, such as (-128, 127).
    most : float, the largest readout scale s
    """
    weights, written = _weights(weights), []
    scale, low, high = _range(scale, limit)
    most, = arrays("most () in [1e-9, inf)", most)
    top, bottom = float(weights.readout.max()), float(weights.readout.min())
    s = min(high / max(top, high / most), low / min(bottom, low / most), most)  # (2)
    dtype = np.int8 if -128 <= low and high <= 127 else np.int16
    for w, factor in zip(weights, (scale, scale, s), strict=True):
        if w is not None:
            w = np.clip(w.astype(np.float64), low / factor, high / factor)
            w = np.rint(w * factor).astype(dtype)                          # (1)
        written.append(w)
    return Weights(*written), s


def clip(weights, *, scale=240.0, limit=63):
    """Clip the hidden and recurrent weights by eq. (3).  Return new `Weights`.

    >>> weights = Weights(np.array([[0.1, 1.0]]), None, np.array([[-0.5]]))
    >>> clip(weights).hidden.tolist(), clip(weights).readout.tolist()
    ([[0.1, 0.2625]], [[-0.5]])

    Arguments as for `integers`.
    """
    hidden, recurrent, readout = _weights(weights)
    scale, *ends = _range(scale, limit)
    ends = [hidden.dtype.type(end / scale) for end in ends]
    return Weights(np.clip(hidden, *ends), None if recurrent is None
                   else np.clip(recurrent, *ends), readout)                # (3)


def dropout(rng, n, rate=0.4):
    """Sample the dropout mask (n,) of the hidden neurons for a mini-batch.  The
    mask is True for kept neurons.

    >>> dropout(np.random.default_rng(1), 6).tolist()
    [True, True, False, True, False, True]

    Parameters
    ----------
    rng : numpy.random.Generator
    n, rate : int, float
        Number of hidden neurons, and probability of removal, in [0, 1).
    """
    one_of("rng", rng, np.random.Generator)
    n, rate = arrays("n () int in [1, inf), rate () in [0, 1)", n, rate)
    return rng.random(n) >= rate


def drop(weights, kept):
    """Return `Weights` in which all weights of removed neurons are 0, eq. (4).

    >>> drop(Weights(np.ones((2, 1)), None, np.ones((1, 2))),
    ...      np.array([True, False])).hidden.tolist()
    [[1.0], [0.0]]

    Parameters
    ----------
    weights : Weights, or dict with its fields; weights or their gradient
    kept : (n,) bool, result of `dropout`
    """
    hidden, recurrent, readout = _weights(weights)
    kept, = arrays(f"kept ({len(hidden)})", kept)
    if kept.dtype != bool:
        raise ValueError(f"kept is of dtype {kept.dtype}: must be bool")
    rows = kept[:, None]
    return Weights(hidden * rows, None if recurrent is None
                   else recurrent * rows * kept, readout * kept)           # (4)


def penalty(weights, hidden=0.1, recurrent=0.0, readout=0.0):
    """Return the weight penalty and its derivative, eq. (5).  The derivative has
    the type `Weights`.

    >>> weights = Weights(np.full((1, 2), 3.0), None, np.ones((1, 1)))
    >>> value, d = penalty(weights)
    >>> round(value, 9), d.hidden.round(9).tolist(), d.readout.tolist()
    (0.9, [[0.3, 0.3]], [[0.0]])

    Parameters
    ----------
    weights : as for `integers`
    hidden, recurrent, readout : float, at least 0; the default is from [CB22]
    """
    weights = _weights(weights)
    strengths = arrays("hidden () in [0, inf), recurrent () in [0, inf), readout () in "
                       "[0, inf)", hidden, recurrent, readout)
    value, found = 0.0, []
    for w, strength in zip(weights, strengths, strict=True):
        if w is not None:
            value += strength * float((w * w).mean())                      # (5)
        found.append(None if w is None else w.dtype.type(2 * strength / w.size) * w)
    return value, Weights(*found)


def initial(rng, m, n, k, *, recurrent=False, tau_mem=6e-6, dt=1.7e-6,
            dtype=np.float32):
    """Sample initial weights for which hidden neurons rarely spike, eq. (6).

    >>> weights = initial(np.random.default_rng(1), 256, 246, 10)
    >>> round(float(weights.hidden.std()), 3), weights.readout.shape
    (0.011, (10, 246))

    Parameters
    ----------
    rng : numpy.random.Generator
    m, n, k : int, numbers of inputs, hidden neurons and readouts
    recurrent : bool, True if recurrent weights are sampled too
    tau_mem, dt : float, nominal membrane time constant and time step, s
    dtype : float32 or float64

    Returns
    -------
    Weights
        hidden, recurrent, readout  (n, m), (n, n) or None, and (k, n)
    """
    one_of("rng", rng, np.random.Generator)
    m, n, k, tau_mem, dt = arrays(SIZES, m, n, k, tau_mem, dt)
    flags("recurrent", recurrent)
    float_dtype(dtype)
    g = SPREAD * -np.expm1(-dt / tau_mem)
    shapes = (n, m), (n, n) if recurrent else None, (k, n)
    return Weights(*(None if shape is None else (
        rng.standard_normal(shape) * (g / np.sqrt(shape[1])) + mean        # (6)
        ).astype(dtype) for shape, mean in zip(shapes, (MEAN, 0, 0), strict=True)))


def _range(scale, limit):
    """Return the scale, `low` and `high`."""
    pair = isinstance(limit, tuple) and len(limit) == 2
    scale, low, high = arrays(
        "scale () in (0, inf), limit () int in [-32767, -1], limit () int in "
        "[1, 32767]", scale, *(limit if pair else (-1, limit)))
    return scale, low if pair else -high, high


def _weights(weights):
    for name in weights if isinstance(weights, dict) else ():
        one_of("weights' key", name, *Weights._fields)
    given = weights if isinstance(weights, dict) else {
        name: getattr(weights, name, None) for name in Weights._fields}
    return Weights(*arrays(NETWORK, *map(given.get, Weights._fields)))
