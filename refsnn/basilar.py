# refsnn 0.1.0 | basilar.py | SPDX-License-Identifier: MIT | needs: numpy, scipy
r"""Compute the transfer function of the basilar membrane of the inner ear.

The model describes the fluid in the cochlea as shallow water over an
elastic membrane.  The stiffness of the membrane decreases from the base,
where high tones are detected, to the apex.  The class `Membrane` holds the
constants of the model in centimetres, grams and seconds (CGS units).  For
a tone with the frequency f and the angular frequency w = 2 pi f, the
membrane impedance Y, the wave number g and the phase G of the wave at a
distance s from the base are

    Y(s) = C0 e^(-alpha s) - a - m w^2 - i w R0 e^(-alpha s/2),
           R0 = delta sqrt(C0 m)                           (1)  [SDR06]
    g(s) = w sqrt(rho / (h Y(s)))                          (2)  [SDR06]
    G(s) = (2/alpha) g(0) + int_0^s g(s') ds'              (3)  [SDR06]

With the Hankel functions H0 and H1 of the first kind, the pressure p, the
input impedance Z and the velocity V of the membrane are

    p(s) = sqrt(G/g) H0(G)                                 (4)  [SDR06]
    Z = i sqrt(2 C0/h) conj(H0(u) / H1(u)),
        u = (2 w/alpha) sqrt(2/(h C0))                     (5)  [SDR06]
    V(f, s) = (2 w/Y(s)) Z p(s)/p(0)                       (6)  [SDR06]

Derivation.  Eq. (4) is the uniform WKB approximation of the solution of
    the wave equation p'' + g^2 p = 0.  The approximation is exact if the
    stiffness C0 e^(-alpha s) is the only term of the membrane impedance Y
    in eq. (1).  With y = e^(alpha s/2), A = a + m w^2 and Q = Y y^2, the
    integral in eq. (3) becomes the integral of dy/sqrt(Q), which is a
    logarithm, because Q = C0 - i w R0 y - A y^2:

    G(s) = (2/alpha) (g(0) + i w sqrt(rho/(h A)) log(N(y)/N(1))),
           N(y) = 2 A y + i w R0 + 2 i sqrt(A Q)           (7)

    Eq. (7) crosses no branch cut, because Im Q < 0, Re N > 0 and Im N > 0.
Exact.  The function `transfer` is exact up to rounding errors.  The
    function `interpolate` uses a spline of degree 7 through stored values
    of V at frequencies f that are equidistant in

    arcsinh(f / 10 Hz)                                     (8)

    For 1500 frequencies up to 24 kHz, the error of the spline at each
    place of the membrane is below 1e-9 times the largest V at this place.
Cost.   The time is O(F C) for F frequencies and C places.  For many
    frequencies, `interpolate` is faster than `transfer`.
Departures.  In August 2021, the authors of [CSSZ20] changed C0 in their
    software from 1e8, as in `MEMBRANES["2020"]`, to 1e9, as in
    `MEMBRANES["2021"]`.  With C0 = 1e8, the stiffness C0 e^(-alpha s) - a
    is negative near the apex.
Errata.  If the time factor is e^(-i w t), eq. (4) describes a wave that
    travels to the apex.  The published software applies an inverse Fourier
    transform to V, which assumes the time factor e^(+i w t).  As a
    consequence, the motion of the membrane precedes the sound by a few
    samples at the base and by 20 to 30 ms at the apex.  This module keeps
    the published form of V, because the published data sets were computed
    with it.  The complex conjugate of V gives a causal response.

[CSSZ20] B. Cramer et al., 2020, arXiv 1910.07407; software lauscher 1.0.1.
[SDR06] N. Sieroka, H. Dosch, A. Rupp, J. Acoust. Soc. Am. 120, 297, 2006.
"""

from typing import NamedTuple

import numpy as np
from scipy import interpolate as splines, special

# `python -m refsnn vendor NAME FILE` adds these functions to a copy.
from refsnn._checks import arrays, bundle, one_of, shown

__all__ = ["MEMBRANES", "interpolate", "places", "response", "table", "transfer"]

LENGTH = 3.5            # cm, base to apex
BEND = 10.0             # Hz; (8) is about linear below this frequency
DEGREE = 7
MARGIN = 1.05           # tables exceed `top`, because splines are inaccurate at ends
LOWEST = 1.0            # Hz, lowest frequency of a table, as in the published software


class Membrane(NamedTuple):
    """The function `transfer` describes the fields."""
    C0: float = 1e9
    a: float = 3500.0
    alpha: float = 3.0
    rho: float = 1.0
    delta: float = 0.15
    h: float = 0.1
    m: float = 0.05


MEMBRANES = {"2020": Membrane(C0=1e8), "2021": Membrane()}
CONSTANTS = ", ".join(f"membrane.{name} () in (0, inf)" for name in Membrane._fields)


class Table(NamedTuple):
    """This table holds V.  The function `table` describes the fields."""
    frequencies: np.ndarray
    values: np.ndarray
    coefficients: np.ndarray
    top: float
    __repr__ = shown


def places(channels=700):
    """Return a float64 array of shape (channels,) with equidistant places on the
    basilar membrane.  The entries are distances from the base of the cochlea,
    from 0 to 3.5 cm.

    >>> places(3).tolist()
    [0.0, 1.75, 3.5]

    Parameters
    ----------
    channels : int
    """
    return np.linspace(0, LENGTH, *arrays("channels () int in [1, inf)", channels))


def _wave(w, s, own):
    """Return impedance, wave number and phase."""
    A, damping = own.a + own.m * w ** 2, 1j * w * own.delta * np.sqrt(own.C0 * own.m)

    def at(y):
        Q = own.C0 - damping * y - A * y ** 2
        N = 2 * A * y + damping + 2j * np.sqrt(A) * np.sqrt(Q)
        return Q / y ** 2, N                                               # (1)

    Y, N = at(np.exp(own.alpha * s / 2))
    Y0, N0 = at(1.0)
    scale = w * np.sqrt(own.rho / own.h)
    g, g0 = scale / np.sqrt(Y), scale / np.sqrt(Y0)                        # (2)
    path = 1j * scale / np.sqrt(A) * (np.log(N) - np.log(N0))              # (7)
    return Y, g, 2 / own.alpha * (g0 + path)                            # (3, 7)


def transfer(frequencies, places, membrane="2021"):
    """Return the velocity V of the membrane for tones of amplitude 1, eq. (6).
    The result is a complex array of shape (F, C).

    >>> V = abs(transfer(np.array([100.0, 1000.0, 10000.0]), places(50)))
    >>> V.argmax(axis=1).tolist()           # high tones at the base
    [49, 28, 7]

    Parameters
    ----------
    frequencies, places : (F,) float and (C,) float
        Frequencies, 0.001 to 1e6 Hz, and distances from the base, 0 to 3.5 cm.
    membrane : {"2020", "2021"} or Membrane
        Published or own constants in CGS units.  The defaults come first:

        C0     1e9, stiffness at the base
        a      3500.0, constant subtracted from the stiffness
        alpha  3.0, 1/cm, decay rate of the stiffness
        rho    1.0, density of the fluid; (5) assumes 1
        delta  0.15, damping
        h      0.1, height of the canal
        m      0.05, mass of the membrane
    """
    w, s, own = _grid(frequencies, places, membrane)
    Y, g, G = _wave(w, s, own)
    _, g0, G0 = _wave(w, np.zeros((1, 1)), own)
    # Scaled Hankel functions are used because e^(i G) alone would underflow.
    p = np.sqrt(G / g) * special.hankel1e(0, G)                            # (4)
    p0 = np.sqrt(G0 / g0) * special.hankel1e(0, G0)
    u = 2 * w / own.alpha * np.sqrt(2 / (own.h * own.C0))
    Z = 1j * np.sqrt(2 * own.C0 / own.h) * special.hankel2(0, u) \
        / special.hankel2(1, u)                                            # (5)
    return 2 * w / Y * Z * (p / p0) * np.exp(1j * (G - G0))               # (6)


def table(places, membrane="2021", *, top=24000.0, points=1500):
    """Tabulate the transfer function at the frequencies of eq. (8).

    >>> table(places(4), points=200).values.shape
    (200, 4)

    Parameters
    ----------
    places, membrane : as for `transfer`
    top, points : float and int
        Highest frequency, 10 to 1e5 Hz, and number of points, at least 100.

    Returns
    -------
    Table
        frequencies   (J,), Hz, from 1 Hz to slightly above `top`
        values, coefficients  (J, C) complex, V and the spline's coefficients
        top           Hz
    """
    top, points = arrays("top () in [10, 1e5], points () int in [100, inf)", top,
                         points, dtype=np.float64)
    ends = np.arcsinh(LOWEST / BEND), np.arcsinh(top * MARGIN / BEND)
    frequencies = BEND * np.sinh(np.linspace(*ends, points))               # (8)
    values = transfer(frequencies, places, membrane)
    coefficients = _spline(frequencies, values).c.view(np.complex128)
    return Table(frequencies, values, coefficients, top)


def _spline(frequencies, values):
    return splines.make_interp_spline(
        np.arcsinh(frequencies / BEND),
        np.ascontiguousarray(values).view(np.float64), k=DEGREE)


def interpolate(table, frequencies, channels=None):
    """Return the interpolated transfer function V, a complex array (F, C).

    >>> f = np.array([440.0])
    >>> close = interpolate(table(places(5)), f, slice(3, 5))
    >>> bool(np.allclose(close, transfer(f, places(5)[3:]), rtol=1e-8))
    True

    Parameters
    ----------
    table : Table
    frequencies : (F,) float in Hz, from 1 to the `top` of the table
    channels : slice of the places, optional; by default all
    """
    return response(table)(frequencies, channels)


def response(table):
    """Return a function that interpolates the transfer function V.

    >>> V = response(table(places(5)))
    >>> V(np.array([440.0]), slice(3, 5)).shape
    (1, 2)

    The returned function takes the same arguments `frequencies` and `channels`
    as `interpolate`.  Repeated calls with the same frequencies are fast.

    Parameters
    ----------
    table : Table

    Returns
    -------
    callable, argument `response` of `cochlea.velocity` and `cochlea.convert`
    """
    table = bundle("table", table, Table)
    knots = _spline(table.frequencies, table.values[:, :1]).t
    known, weights = None, None

    def V(frequencies, channels=None):
        nonlocal known, weights
        f, = arrays(f"frequencies (F) in [{LOWEST}, {table.top}]", frequencies,
                    dtype=np.float64)
        one_of("channels", channels, slice, type(None))
        some = table.coefficients[:, slice(None) if channels is None else channels]
        if some.ndim != 2 or some.shape[1] == 0:
            raise ValueError(f"channels is {channels!r}: must select places of the "
                             "table")
        if known is None or not np.array_equal(f, known):
            known, weights = f.copy(), splines.BSpline.design_matrix(
                np.arcsinh(f / BEND), knots, DEGREE)
        return (weights @ np.ascontiguousarray(some).view(float)).view(complex)

    return V


def _grid(frequencies, places, membrane):
    """Return w, s and membrane constants."""
    f, s = arrays(f"frequencies (F) in [1e-3, 1e6], places (C) in [0, {LENGTH}]",
                  frequencies, places, dtype=np.float64)
    if isinstance(membrane, str):
        membrane = MEMBRANES[str(one_of("membrane", membrane, *MEMBRANES))]
    membrane = Membrane(*arrays(CONSTANTS, *bundle("membrane", membrane, Membrane)))
    return 2 * np.pi * f[:, None], s[None], membrane
