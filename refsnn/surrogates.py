# refsnn 0.1.0 | surrogates.py | SPDX-License-Identifier: MIT | needs: numpy, scipy
r"""Compute surrogate spike derivatives and their antiderivatives.

A neuron spikes if its membrane potential u exceeds the threshold: S = H(v)
with v = u - threshold and the Heaviside step function H.  A surrogate
gradient replaces the derivative of H by an even function f'(v), the
derivative of an odd function f(v).  With the steepness k and a = k |v|, f'
and f for v >= 0 are

  fast_sigmoid  f' = 1/(1 + a)^2    k f = a/(1 + a)     (1)  [ZG18]
  sigmoid       f' = 4 s(a) s(-a)   k f = 2 tanh(a/2)   (2)
  triangle      f' = max(0, 1 - a)  k f = y - y^2/2     (3)  [NMZ19]
  gaussian      f' = exp(-a^2/2)    k f = (pi/2)^.5 erf(a/2^.5)
                                                        (4)
  arctan        f' = 1/(1 + a^2)    k f = arctan(a)     (5)
  slayer        f' = exp(-a)        k f = 1 - exp(-a)   (6)  [NMZ19]
  boxcar        f' = H(1 - a)       k f = y             (7)  [NMZ19]

with s(a) = 1/(1 + exp(-a)) and y = min(a, 1).  To check surrogate
gradients by finite differences, replace H(v) by H(v0) + f(v) - f(v0),
where v0 is the value of v in the original simulation.  At v = v0, the
continuous function H(v0) + f(v) - f(v0) has the value H(v0) and the
derivative f'(v0).

Derivation.  By da/dv = k, df/dv is the derivative of k f with respect to
    a, which is f'.  The peak is f'(0) = 1, and |f| is at most 2/k.
Exact.  f' is the derivative of f at every v, except for boxcar at |v| =
    1/k, where f has a corner and f' is set to 0.
Cost.   The time is O(1) for each entry of v.
Departures.  The code of [ZG18] and other simulators scale the peak to k,
    or the area to 1.  Here, the peak is 1, and k sets only the width.

[NMZ19] E. O. Neftci, H. Mostafa, F. Zenke, 2019, arXiv 1901.09948, fig. 3.
[ZG18] F. Zenke, S. Ganguli, Neural Comp. 30, 1514, 2018, arXiv 1705.11146.
"""

import numpy as np
from scipy.special import erf

# `python -m refsnn vendor NAME FILE` adds these functions to a copy.
from refsnn._checks import arrays

__all__ = ["SURROGATES", "arctan", "boxcar", "fast_sigmoid", "gaussian",
           "sigmoid", "slayer", "triangle"]


def fast_sigmoid(v, steepness):
    """Compute the fast-sigmoid surrogate derivative and its integral f, eq. (1).
    Return (f, f') with v's shape and dtype.  The integral f has the unit of v.

    >>> value, derivative = fast_sigmoid(np.array([-1.0, 0.0, 1.0]), 1)
    >>> value.tolist(), derivative.tolist()
    ([-0.5, 0.0, 0.5], [0.25, 1.0, 0.25])

    Parameters
    ----------
    v, steepness : (...) float, float
        Membrane potential minus threshold in threshold units, and positive
        steepness k in inverse threshold units.
    """
    v, k, a = _scaled(v, steepness)
    g = 1 / (1 + a)
    return _pair(v, k, a * g, g * g)                                       # (1)


def _scaled(v, steepness):
    """Return v, k and k |v|."""
    v, k = arrays("v (...) float, steepness () in (0, inf)", v, steepness)
    k = v.dtype.type(k)
    with np.errstate(over="ignore"):
        a = k * np.abs(v)
    return v, k, np.minimum(a, np.sqrt(np.finfo(v.dtype).max) / 2)


def _pair(v, k, height, bump):
    return (np.copysign(height / k, v).astype(v.dtype, copy=False),
            bump.astype(v.dtype, copy=False))


def sigmoid(v, steepness):
    """Compute the logistic surrogate derivative and its integral f, eq. (2).

    >>> [a.tolist() for a in sigmoid(np.array([0.0, 1000.0]), 2)]
    [[0.0, 1.0], [1.0, 0.0]]

    Arguments and results as for `fast_sigmoid`.
    """
    v, k, a = _scaled(v, steepness)
    e = np.exp(-a)
    return _pair(v, k, 2 * np.tanh(a / 2), 4 * e / (1 + e) ** 2)           # (2)


def triangle(v, steepness):
    """Compute the triangular surrogate derivative and its integral f, eq. (3).

    >>> [a.tolist() for a in triangle(np.array([0.25, -0.5, 3.0]), 2)]
    [[0.1875, -0.25, 0.25], [0.5, 0.0, 0.0]]

    Arguments and results as for `fast_sigmoid`.
    """
    v, k, a = _scaled(v, steepness)
    y = np.minimum(a, 1)
    return _pair(v, k, y * (1 - y / 2), 1 - y)                             # (3)


def gaussian(v, steepness):
    """Compute the Gaussian surrogate derivative and its integral f, eq. (4).

    >>> [a.round(4).tolist() for a in gaussian(np.array([0.0, 1.0]), 1)]
    [[0.0, 0.8556], [1.0, 0.6065]]

    Arguments and results as for `fast_sigmoid`.
    """
    v, k, a = _scaled(v, steepness)
    height, width = (v.dtype.type(x ** 0.5) for x in (np.pi / 2, 0.5))
    return _pair(v, k, height * erf(a * width), np.exp(-a * a / 2))        # (4)


def arctan(v, steepness):
    """Compute the arctangent surrogate derivative and its integral f, eq. (5).

    >>> [a.round(4).tolist() for a in arctan(np.array([0.0, 0.5]), 2)]
    [[0.0, 0.3927], [1.0, 0.5]]

    Arguments and results as for `fast_sigmoid`.
    """
    v, k, a = _scaled(v, steepness)
    return _pair(v, k, np.arctan(a), 1 / (1 + a * a))                      # (5)


def slayer(v, steepness):
    """Compute the SLAYER surrogate derivative and its integral f, eq. (6).

    >>> [a.tolist() for a in slayer(np.array([0.0, -1000.0]), 2)]
    [[0.0, -0.5], [1.0, 0.0]]

    Arguments and results as for `fast_sigmoid`.
    """
    v, k, a = _scaled(v, steepness)
    return _pair(v, k, -np.expm1(-a), np.exp(-a))                          # (6)


def boxcar(v, steepness):
    """Compute the rectangular surrogate derivative and its integral f, eq. (7).

    >>> [a.tolist() for a in boxcar(np.array([-0.25, 0.5, 3.0]), 2)]
    [[-0.25, 0.5, 0.5], [1.0, 0.0, 0.0]]

    Arguments and results as for `fast_sigmoid`.
    """
    v, k, a = _scaled(v, steepness)
    y = np.minimum(a, 1)
    return _pair(v, k, y, y < 1)                                           # (7)


SURROGATES = {f.__name__: f for f in (
    fast_sigmoid, sigmoid, triangle, gaussian, arctan, slayer, boxcar)}
