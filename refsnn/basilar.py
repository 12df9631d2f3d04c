# refsnn 0.1.0 | basilar.py | SPDX-License-Identifier: MIT | needs: numpy, scipy
r"""The basilar membrane: how each place along it answers each frequency.

Waves in shallow water over an elastic membrane whose stiffness falls from
base (c = 0, high tones) to apex.  With w = 2 pi f, lengths in cm and all
else in CGS units, the membrane's impedance, the wave number and the phase
that a wave has gathered at place c are

    xi(c) = C0 e^(-alpha c) - a - m w^2 - i w R0 e^(-alpha c/2),
            R0 = delta sqrt(C0 m)                    (1)  [SDR06] eq. ?
    g(c) = w sqrt(rho / (h xi(c)))                   (2)  [SDR06] eq. ?
    G(c) = (2/alpha) g(0) + int_0^c g(c') dc'        (3)  [SDR06] eq. ?

and, with Hankel functions H0 and H1, pressure and velocity are

    p(c) = sqrt(G/g) H0(G), H of the first kind      (4)  [SDR06] eq. ?
    Z = i sqrt(2 C0/h) conj(H0(u) / H1(u)),
        u = (2 w/alpha) sqrt(2/(h C0))               (5)  [SDR06] eq. ?
    V(f, c) = (2 w/xi(c)) Z p(c)/p(0)                (6)  [SDR06] eq. ?

Derivation.  (4) is the uniform (WKB) solution of p'' + g^2 p = 0, exact
    for stiffness alone, where G = 2 g/alpha.  With y = e^(alpha c/2), A =
    a + m w^2 and Q = C0 - i w R0 y - A y^2 = xi y^2, the integral (3) is
    that of dy/sqrt(Q), a logarithm:

    G(c) = (2/alpha) (g(0) + i w sqrt(rho/(h A)) log(N(y)/N(1))),
           N(y) = 2 A y + i w R0 + 2 i sqrt(A Q)     (7)

    Q lies below the real axis, so N in the first quadrant: no branch is
    ever crossed.  This form of the logarithm does not cancel either.
Exact.  `transfer`, to rounding.  `interpolate` puts a spline of degree 7
    through `transfer` at frequencies that are evenly spaced in

    s = arcsinh(f / 10 Hz)                           (8)

    and is within 1e-9 of the largest value at each place, with 1500 points
    up to 24 kHz and either published C0.
Cost.   O(F C); `interpolate` is about ten times faster than `transfer`,
    and one table serves clips of any length.
Departures.  C0 has two published values: the software of [CSSZ20] began
    with 1e8 (`MEMBRANES["2020"]`) and went to 1e9 (`MEMBRANES["2021"]`)
    in August 2021.  With 1e8 the stiffness is negative near the apex.
Errata.  (4) is a wave that travels to the apex if time goes as e^(-i w t).
    The published software puts V into an inverse Fourier transform, where
    it goes as e^(+i w t): every place answers before the sound arrives,
    by a few samples at the base and some 20 ms at the apex.  Published
    data were made so, and it is kept; the causal answer is that of
    conj(V).

[CSSZ20] B. Cramer, Y. Stradmann, J. Schemmel and F. Zenke, IEEE TNNLS,
    2020, arXiv 1910.07407; software lauscher 1.0.1.
[SDR06] N. Sieroka, H. G. Dosch and A. Rupp, Semirealistic models of the
    cochlea, J. Acoust. Soc. Am. 120, 297-304, 2006.
"""

from typing import NamedTuple

import numpy as np
from scipy import interpolate as splines
from scipy import special

__all__ = ["MEMBRANES", "Membrane", "Table", "interpolate", "phase", "places",
           "table", "transfer"]

LENGTH = 3.5            # cm, base to apex
BEND = 10.0             # Hz, below it (8) is linear
DEGREE = 7
MARGIN = 1.05           # the table goes beyond its top, where splines are worse


class Membrane(NamedTuple):
    """Constants of eqs. (1)-(5), CGS."""

    C0: float = 1e9         # stiffness at the base
    a: float = 3500.0       # taken off the stiffness everywhere
    alpha: float = 3.0      # 1/cm, how fast the stiffness falls
    rho: float = 1.0        # density of the fluid
    delta: float = 0.15     # damping
    h: float = 0.1          # height of the canal
    m: float = 0.05         # mass of the membrane


MEMBRANES = {"2020": Membrane(C0=1e8), "2021": Membrane()}


class Table(NamedTuple):
    """`transfer` at frequencies from 1 Hz to beyond `top`, to interpolate."""

    frequencies: np.ndarray     # (J,), Hz
    values: np.ndarray          # (J, C) complex
    top: float                  # Hz


def _membrane(membrane):
    if isinstance(membrane, str):
        if membrane not in MEMBRANES:
            raise ValueError(f"membrane is {membrane!r}: must be a Membrane or one of "
                             f"{sorted(MEMBRANES)}")
        return MEMBRANES[membrane]
    if not isinstance(membrane, Membrane):
        raise ValueError(f"membrane is {membrane!r}: must be a Membrane or one of "
                         f"{sorted(MEMBRANES)}")
    for name, value in zip(Membrane._fields, membrane, strict=True):
        if not 0 < value < np.inf:
            raise ValueError(f"membrane has {name} = {value!r}: must be above 0 and "
                             "finite")
    return membrane


def _axis(name, value, least, most):
    """`value` as (K,) float64 from least to most."""
    array = np.asarray(value)
    if array.ndim != 1 or array.dtype.kind not in "fiu" or array.size == 0:
        raise ValueError(f"{name} is of shape {array.shape}, dtype {array.dtype}: "
                         "must be (K,) real numbers, not empty")
    array = array.astype(np.float64)
    bad = np.flatnonzero(~((array >= least) & (array <= most)))
    if bad.size:
        raise ValueError(f"{name}[{bad[0]}] is {array[bad[0]]}: must be from {least} "
                         f"to {most}")
    return array


def _grid(frequencies, places, membrane):
    """Checked arguments: w as a column, places as a row."""
    f = _axis("frequencies", frequencies, 1e-3, 1e6)
    return 2 * np.pi * f[:, None], _axis("places", places, 0.0, LENGTH)[None], \
        _membrane(membrane)


def places(channels=700):
    """Places of evenly spaced channels, base first.

    Parameters
    ----------
    channels : int
        At least 1.

    Returns
    -------
    (channels,) float
        Distance from the base, from 0 to 3.5 cm.

    Raises
    ------
    ValueError
        If channels is no integer above 0.

    Examples
    --------
    >>> places(3).tolist()
    [0.0, 1.75, 3.5]
    """
    if isinstance(channels, bool) or not isinstance(channels, (int, np.integer)) \
            or channels < 1:
        raise ValueError(f"channels is {channels!r}: must be an integer of at least 1")
    return np.linspace(0, LENGTH, channels)


def _wave(w, c, k):
    """Impedance xi, wave number g and phase G, eqs. (1), (2) and (7)."""
    A, damping = k.a + k.m * w ** 2, 1j * w * k.delta * np.sqrt(k.C0 * k.m)

    def at(y):
        Q = k.C0 - damping * y - A * y ** 2
        N = 2 * A * y + damping + 2j * np.sqrt(A) * np.sqrt(Q)
        return Q / y ** 2, N                                               # (1)

    xi, N = at(np.exp(k.alpha * c / 2))
    xi0, N0 = at(1.0)
    scale = w * np.sqrt(k.rho / k.h)
    g, g0 = scale / np.sqrt(xi), scale / np.sqrt(xi0)                      # (2)
    path = 1j * scale / np.sqrt(A) * (np.log(N) - np.log(N0))
    return xi, g, 2 / k.alpha * (g0 + path)                             # (3, 7)


def phase(frequencies, places, membrane="2021"):
    """Complex phase G of the travelling wave, eq. (7).

    Parameters
    ----------
    frequencies : (F,) float
        Hz, from 0.001 to 1e6.
    places : (C,) float
        cm from the base, from 0 to 3.5.
    membrane : str or Membrane
        Name of published constants, or others.

    Returns
    -------
    (F, C) complex
        Its imaginary part, never negative, is the damping so far.

    Raises
    ------
    ValueError
        If a frequency, place or constant is out of range.

    Examples
    --------
    >>> G = phase(np.array([1000.0]), places(3))[0]
    >>> bool((np.diff(G.real) > 0).all() and (G.imag > 0).all())
    True
    """
    return _wave(*_grid(frequencies, places, membrane))[2]


def transfer(frequencies, places, membrane="2021"):
    """Velocity of the membrane for sound of unit amplitude, eq. (6).

    Parameters
    ----------
    frequencies, places, membrane
        As for `phase`.

    Returns
    -------
    (F, C) complex
        V(f, c).

    Raises
    ------
    ValueError
        If a frequency, place or constant is out of range.

    Examples
    --------
    >>> V = abs(transfer(np.array([100.0, 1000.0, 10000.0]), places(50)))
    >>> V.argmax(axis=1).tolist()           # high tones at the base
    [49, 28, 7]
    """
    w, c, k = _grid(frequencies, places, membrane)
    xi, g, G = _wave(w, c, k)
    _, g0, G0 = _wave(w, np.zeros((1, 1)), k)
    # Hankel functions without their e^(i G), which would underflow first
    p = np.sqrt(G / g) * special.hankel1e(0, G)                            # (4)
    p0 = np.sqrt(G0 / g0) * special.hankel1e(0, G0)
    u = 2 * w / k.alpha * np.sqrt(2 / (k.h * k.C0))
    Z = 1j * np.sqrt(2 * k.C0 / k.h) * special.hankel2(0, u) \
        / special.hankel2(1, u)                                            # (5)
    return 2 * w / xi * Z * (p / p0) * np.exp(1j * (G - G0))               # (6)


def table(places, membrane="2021", *, top=24000.0, points=1500):
    """The transfer function at frequencies to interpolate between.

    Parameters
    ----------
    places, membrane
        As for `phase`.
    top : float
        Highest frequency that will be asked for, Hz, from 10 to 1e5.
    points : int
        How many frequencies, at least 100.

    Returns
    -------
    Table
        For `interpolate`.

    Raises
    ------
    ValueError
        If a place, a constant, top or points is out of range.

    Examples
    --------
    >>> table(places(4), points=200).values.shape
    (200, 4)
    """
    top = float(_axis("top", [top], 10.0, 1e5)[0])
    if isinstance(points, bool) or not isinstance(points, (int, np.integer)) \
            or points < 100:
        raise ValueError(f"points is {points!r}: must be an integer of at least 100")
    s = np.linspace(np.arcsinh(1 / BEND), np.arcsinh(top * MARGIN / BEND), points)
    frequencies = BEND * np.sinh(s)                                        # (8)
    return Table(frequencies, transfer(frequencies, places, membrane), top)


def interpolate(table, frequencies, channels=None):
    """The transfer function between the frequencies of a table.

    Parameters
    ----------
    table : Table
        From `table`.
    frequencies : (F,) float
        Hz, from 1 to the table's top.
    channels : slice, optional
        Of the table's places; all of them by default.

    Returns
    -------
    (F, C) complex
        As `transfer`, close to it.

    Raises
    ------
    ValueError
        If a frequency is out of range, or channels leaves none.

    Examples
    --------
    >>> f = np.array([440.0])
    >>> close = interpolate(table(places(5)), f, slice(3, 5))
    >>> bool(np.allclose(close, transfer(f, places(5)[3:]), rtol=1e-8))
    True
    """
    f = _axis("frequencies", frequencies, 1.0, table.top)
    values = table.values if channels is None else table.values[:, channels]
    if values.ndim != 2 or values.shape[1] == 0:
        raise ValueError(f"channels is {channels!r}: must be a slice that leaves some "
                         f"of {table.values.shape[1]}")
    # splines of real and imaginary parts, side by side
    spline = splines.make_interp_spline(
        np.arcsinh(table.frequencies / BEND),
        np.ascontiguousarray(values).view(np.float64), k=DEGREE)
    return spline(np.arcsinh(f / BEND)).view(np.complex128)
