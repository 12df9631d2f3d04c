# refsnn 0.1.0 | surrogates.py | SPDX-License-Identifier: MIT | needs: numpy, scipy
r"""Surrogate derivatives of the spike, each with its primitive.

A spike S = H(v), v = u - threshold, has the derivative 0 or infinity.  The
surrogate gradient puts a bump f'(v) in its place.  f is the primitive of
the bump: a run with H(v0) + f(v) - f(v0), v0 recorded, is the hard one at
the base point and has the surrogate gradient as its ordinary one.  With k
the steepness, in units of 1/v, and z = k |v|, for v >= 0 (f' is even, f
odd):

  fast_sigmoid  f' = 1/(1 + z)^2    k f = z/(1 + z)     (1)  [ZG18] eq. ?
  sigmoid       f' = 4 s(z) s(-z)   k f = 2 tanh(z/2)   (2)
  triangle      f' = max(0, 1 - z)  k f = y - y^2/2     (3)  [NMZ19] eq. ?
  gaussian      f' = exp(-z^2/2)    k f = c erf(z/2^.5)  (4)
  arctan        f' = 1/(1 + z^2)    k f = arctan(z)     (5)
  slayer        f' = exp(-z)        k f = 1 - exp(-z)   (6)  [NMZ19] eq. ?
  boxcar        f' = H(1 - z)       k f = y             (7)  [NMZ19] eq. ?

with s(z) = 1/(1 + exp(-z)), y = min(z, 1) and c = (pi/2)^.5.

Derivation.  d(k f)/dz = f' and f(0) = 0, line by line; dz/dv = k, v > 0.
    Each bump is scaled to the peak f'(0) = 1, whatever the steepness, so f
    rises by at most 2/k on either side of the threshold.
Exact.  At the kinks too: fast_sigmoid, triangle and slayer have theirs at
    v = 0, where f' = 1 is both one-sided derivatives of f; triangle is 0
    from z = 1 on; boxcar is 1 for z < 1 and 0 from z = 1 on, tie included
    (there f has the one-sided derivatives 1 and 0).  The support is
    |v| < 1/k for triangle and boxcar, all v for the others.
Cost.   O(1) for each entry; one pass over v for each elementary operation.
Departures.  [ZG18]'s own code and other simulators scale the bump by k, or
    to unit area; here the peak is 1 and k sets the width alone.  (2), (4)
    and (5) are not in [NMZ19] fig. 3; they are what today's tools offer.

[NMZ19] E. O. Neftci, H. Mostafa and F. Zenke, IEEE Signal Processing
    Magazine 36(6), 51-63, 2019, arXiv 1901.09948, fig. 3.
[ZG18] F. Zenke and S. Ganguli, Neural Computation 30(6), 1514-1541, 2018,
    arXiv 1705.11146.
"""

import numpy as np
from scipy.special import erf

__all__ = ["SURROGATES", "arctan", "boxcar", "fast_sigmoid", "gaussian",
           "sigmoid", "slayer", "triangle"]


def _scaled(v, steepness):
    """v, k and z = k |v| in v's dtype; (1 + z)^2 does not overflow."""
    v = np.asarray(v)
    if v.dtype not in (np.float32, np.float64):
        raise ValueError(f"v is of dtype {v.dtype}: must be float32 or float64")
    if not np.isfinite(v).all():
        raise ValueError("v has NaN or infinite entries: must be finite")
    k = np.asarray(steepness)
    if k.shape != () or k.dtype.kind not in "fiu":
        raise ValueError(f"steepness is {steepness!r}: must be a number above 0")
    with np.errstate(over="ignore"):
        k = v.dtype.type(k)
    if not (0 < k < np.inf):
        raise ValueError(f"steepness is {steepness!r}: must be finite and above 0 "
                         f"in {v.dtype}")
    with np.errstate(over="ignore"):
        z = k * np.abs(v)
    return v, k, np.minimum(z, np.sqrt(np.finfo(v.dtype).max) / 2)


def _pair(v, k, height, bump):
    """f of v's sign, from k f at z, and f'; of v's dtype, also if 0-d."""
    return (np.copysign(height / k, v).astype(v.dtype, copy=False),
            bump.astype(v.dtype, copy=False))


def fast_sigmoid(v, steepness):
    """Fast sigmoid (SuperSpike), eq. (1).

    Parameters
    ----------
    v : (...) float
        Membrane minus threshold, threshold units.
    steepness : float
        k, above 0, in 1/threshold units.

    Returns
    -------
    value, derivative : (...) float
        f(v), threshold units, and f'(v), of v's shape and dtype.

    Raises
    ------
    ValueError
        If v is not float or not finite, or steepness not above 0.

    Examples
    --------
    >>> value, derivative = fast_sigmoid(np.array([-1.0, 0.0, 1.0]), 1)
    >>> value.tolist(), derivative.tolist()
    ([-0.5, 0.0, 0.5], [0.25, 1.0, 0.25])
    """
    v, k, z = _scaled(v, steepness)
    g = 1 / (1 + z)
    return _pair(v, k, z * g, g * g)                                       # (1)


def sigmoid(v, steepness):
    """Derivative of the logistic function, eq. (2).

    Parameters
    ----------
    v : (...) float
        Membrane minus threshold, threshold units.
    steepness : float
        k, above 0, in 1/threshold units.

    Returns
    -------
    value, derivative : (...) float
        f(v), threshold units, and f'(v), of v's shape and dtype.

    Raises
    ------
    ValueError
        If v is not float or not finite, or steepness not above 0.

    Examples
    --------
    >>> value, derivative = sigmoid(np.array([0.0, 1000.0]), 2)
    >>> value.tolist(), derivative.tolist()
    ([0.0, 1.0], [1.0, 0.0])
    """
    v, k, z = _scaled(v, steepness)
    e = np.exp(-z)
    return _pair(v, k, 2 * np.tanh(z / 2), 4 * e / (1 + e) ** 2)           # (2)


def triangle(v, steepness):
    """Piecewise linear bump, 0 from |v| = 1/k on, eq. (3).

    Parameters
    ----------
    v : (...) float
        Membrane minus threshold, threshold units.
    steepness : float
        k, above 0, in 1/threshold units.

    Returns
    -------
    value, derivative : (...) float
        f(v), threshold units, and f'(v), of v's shape and dtype.

    Raises
    ------
    ValueError
        If v is not float or not finite, or steepness not above 0.

    Examples
    --------
    >>> value, derivative = triangle(np.array([0.25, -0.5, 3.0]), 2)
    >>> value.tolist(), derivative.tolist()
    ([0.1875, -0.25, 0.25], [0.5, 0.0, 0.0])
    """
    v, k, z = _scaled(v, steepness)
    y = np.minimum(z, 1)
    return _pair(v, k, y * (1 - y / 2), 1 - y)                             # (3)


def gaussian(v, steepness):
    """Gaussian bump of standard deviation 1/k, eq. (4).

    Parameters
    ----------
    v : (...) float
        Membrane minus threshold, threshold units.
    steepness : float
        k, above 0, in 1/threshold units.

    Returns
    -------
    value, derivative : (...) float
        f(v), threshold units, and f'(v), of v's shape and dtype.

    Raises
    ------
    ValueError
        If v is not float or not finite, or steepness not above 0.

    Examples
    --------
    >>> value, derivative = gaussian(np.array([0.0, 1.0]), 1)
    >>> [round(a, 4) for a in value.tolist() + derivative.tolist()]
    [0.0, 0.8556, 1.0, 0.6065]
    """
    v, k, z = _scaled(v, steepness)
    c, r = (v.dtype.type(a ** 0.5) for a in (np.pi / 2, 0.5))
    return _pair(v, k, c * erf(z * r), np.exp(-z * z / 2))                 # (4)


def arctan(v, steepness):
    """Derivative of the arc tangent, eq. (5).

    Parameters
    ----------
    v : (...) float
        Membrane minus threshold, threshold units.
    steepness : float
        k, above 0, in 1/threshold units.

    Returns
    -------
    value, derivative : (...) float
        f(v), threshold units, and f'(v), of v's shape and dtype.

    Raises
    ------
    ValueError
        If v is not float or not finite, or steepness not above 0.

    Examples
    --------
    >>> value, derivative = arctan(np.array([0.0, 0.5]), 2)
    >>> float(8 * value[1]) == np.pi, derivative.tolist()
    (True, [1.0, 0.5])
    """
    v, k, z = _scaled(v, steepness)
    return _pair(v, k, np.arctan(z), 1 / (1 + z * z))                      # (5)


def slayer(v, steepness):
    """Two-sided exponential (SLAYER), eq. (6).

    Parameters
    ----------
    v : (...) float
        Membrane minus threshold, threshold units.
    steepness : float
        k, above 0, in 1/threshold units.

    Returns
    -------
    value, derivative : (...) float
        f(v), threshold units, and f'(v), of v's shape and dtype.

    Raises
    ------
    ValueError
        If v is not float or not finite, or steepness not above 0.

    Examples
    --------
    >>> value, derivative = slayer(np.array([0.0, -1000.0]), 2)
    >>> value.tolist(), derivative.tolist()
    ([0.0, -0.5], [1.0, 0.0])
    """
    v, k, z = _scaled(v, steepness)
    return _pair(v, k, -np.expm1(-z), np.exp(-z))                          # (6)


def boxcar(v, steepness):
    """One for |v| < 1/k, otherwise 0 (the tie included), eq. (7).

    Parameters
    ----------
    v : (...) float
        Membrane minus threshold, threshold units.
    steepness : float
        k, above 0, in 1/threshold units.

    Returns
    -------
    value, derivative : (...) float
        f(v), threshold units, and f'(v), of v's shape and dtype.

    Raises
    ------
    ValueError
        If v is not float or not finite, or steepness not above 0.

    Examples
    --------
    >>> value, derivative = boxcar(np.array([-0.25, 0.5, 3.0]), 2)
    >>> value.tolist(), derivative.tolist()
    ([-0.25, 0.5, 0.5], [1.0, 0.0, 0.0])
    """
    v, k, z = _scaled(v, steepness)
    y = np.minimum(z, 1)
    return _pair(v, k, y, y < 1)                                           # (7)


SURROGATES = {
    "fast_sigmoid": fast_sigmoid, "sigmoid": sigmoid, "triangle": triangle,
    "gaussian": gaussian, "arctan": arctan, "slayer": slayer, "boxcar": boxcar}
