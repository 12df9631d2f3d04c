"""The basilar membrane: quadrature, closed forms, the table, the arrow of time."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from proofs import proves
from scipy import integrate, special
from tolerances import RTOL, RTOL_FD

from refsnn import basilar

TABLE = 1e-9            # documented error of the table
FREQUENCIES = np.array([1.0, 37.0, 100.0, 440.0, 3000.0, 9999.0, 23999.0])


def impedance(f, c, k):
    """Return xi, written as in the published software."""
    w = 2 * np.pi * f
    stiffness = k.C0 * np.exp(-k.alpha * c) - k.a
    resistance = k.delta * np.sqrt(k.C0 * k.m) * np.exp(-k.alpha * c / 2)
    return stiffness - k.m * w ** 2 - 1j * w * resistance


def wave_number(f, c, k):
    return 2 * np.pi * f * np.sqrt(k.rho / (k.h * impedance(f, c, k)))


def quadrature(f, c, k):
    """Return the phase by adaptive integration of the wave number, eq. (3)."""
    path = integrate.quad(lambda s: wave_number(f, s, k), 0, c, complex_func=True,
                          epsabs=0, epsrel=1e-12, limit=500)[0]
    return 2 / k.alpha * wave_number(f, 0.0, k) + path


def velocity(f, c, k):
    """Return the transfer function for one f and c, with phases of `quadrature`."""
    w = 2 * np.pi * f
    G, G0 = quadrature(f, c, k), 2 / k.alpha * wave_number(f, 0.0, k)
    p = np.sqrt(G / wave_number(f, c, k)) * special.hankel1(0, G)
    p0 = np.sqrt(G0 / wave_number(f, 0.0, k)) * special.hankel1(0, G0)
    u = 4 * np.pi * f / k.alpha * np.sqrt(2 / (k.h * k.C0))
    Z = np.sqrt(2 * k.C0 / k.h) * (1j * special.j0(u) + special.y0(u)) \
        / (special.j1(u) - 1j * special.y1(u))
    return 2 * w / impedance(f, c, k) * p / p0 * Z


def phase(frequencies, places, membrane="2021"):
    """Return the phase G of the travelling wave."""
    return basilar._wave(*basilar._grid(frequencies, places, membrane))[2]


@proves("basilar", 1, 2, 3, 7)
@pytest.mark.parametrize("name", ["2020", "2021"])
def test_phase_is_the_integral_of_the_wave_number(name):
    places = np.array([0.0, 0.3, 1.1, 2.5, 3.5])
    expected = [[quadrature(f, c, basilar.MEMBRANES[name]) for c in places]
                for f in FREQUENCIES]
    np.testing.assert_allclose(phase(FREQUENCIES, places, name), expected,
                               rtol=RTOL)


@given(st.integers(0, 2**32 - 1))
def test_phase_with_other_constants(seed):
    rng = np.random.default_rng(seed)
    k = basilar.Membrane(*(v * rng.uniform(0.3, 3) for v in basilar.Membrane()))
    f, c = np.exp(rng.uniform(0, 10)), rng.uniform(0, 3.5)
    G = phase(np.array([f]), np.array([c]), k)[0, 0]
    np.testing.assert_allclose(G, quadrature(f, c, k), rtol=RTOL)
    assert G.imag > 0


@proves("basilar", 4, 5, 6)
@pytest.mark.parametrize("name", ["2020", "2021"])
def test_transfer_function_from_quadrature(name):
    places = np.array([0.0, 0.9, 2.0, 3.5])
    k = basilar.MEMBRANES[name]
    V = basilar.transfer(FREQUENCIES, places, name)
    for i, f in enumerate(FREQUENCIES):
        for j, c in enumerate(places):
            np.testing.assert_allclose(V[i, j], velocity(f, c, k), rtol=RTOL)


def test_phase_one_permille_off_is_seen():
    k = basilar.Membrane()
    off = k._replace(C0=1.001 * k.C0)
    G = phase(FREQUENCIES, np.array([2.0]), off)[3, 0]
    assert abs(G / quadrature(FREQUENCIES[3], 2.0, k) - 1) > 1e-4


def test_stiffness_alone_has_a_closed_form():
    k = basilar.Membrane(a=1e-3, delta=1e-12, m=1e-14)
    c = np.array([0.5, 2.0])
    V = basilar.transfer(FREQUENCIES, c, k)
    w = 2 * np.pi * FREQUENCIES[:, None]
    G = 2 * w / (k.alpha * np.sqrt(k.h * k.C0)) * np.exp(k.alpha * c / 2)
    G0 = 2 * w / (k.alpha * np.sqrt(k.h * k.C0))
    ratio = special.hankel1(0, G) / special.hankel1(0, G0)
    base = basilar.transfer(FREQUENCIES, np.zeros(1), k)
    np.testing.assert_allclose(V / base, ratio * np.exp(k.alpha * c), rtol=RTOL_FD)


def test_constants_are_the_published_ones():
    assert basilar.MEMBRANES["2020"] == (1e8, 3500, 3, 1, 0.15, 0.1, 0.05)
    assert basilar.MEMBRANES["2021"] == (1e9, 3500, 3, 1, 0.15, 0.1, 0.05)
    assert basilar.transfer(FREQUENCIES, np.ones(1)).tolist() \
        == basilar.transfer(FREQUENCIES, np.ones(1), "2021").tolist()
    new, old = (basilar.transfer(FREQUENCIES, np.ones(1), name)
                for name in ("2021", "2020"))
    assert (np.abs(new / old - 1) > 0.01).all()


def test_high_tones_at_the_base():
    f = np.geomspace(130, 20000, 30)
    best = np.abs(basilar.transfer(f, basilar.places())).argmax(axis=1)
    assert (np.diff(best) < 0).all() and best[0] > 600 and best[-1] < 30


@pytest.mark.parametrize("name", ["2020", "2021"])
def test_table_keeps_its_promise(name):
    places = basilar.places(30)
    f = np.concatenate([np.linspace(1, 24000, 1001), np.linspace(1, 6, 100),
                        np.linspace(6, 200, 200), np.linspace(23000, 24000, 100)])
    exact = basilar.transfer(f, places, name)
    error = np.abs(basilar.interpolate(basilar.table(places, name), f) - exact)
    assert 0 < (error.max(axis=0) / np.abs(exact).max(axis=0)).max() < TABLE
    coarse = basilar.table(places, name, points=500)
    assert np.abs(basilar.interpolate(coarse, f) - exact).max() > 100 * error.max()


@proves("basilar", 8)
def test_frequencies_of_the_table():
    """Frequencies are equidistant in arcsinh(f / 10 Hz), to 5 % beyond the top."""
    for table, top, points in ((basilar.table(C), 24000.0, 1500),
                               (basilar.table(C, top=10.0, points=100), 10.0, 100),
                               (basilar.table(C, top=1e5, points=100), 1e5, 100)):
        s = np.arcsinh(table.frequencies / 10)
        assert table.top == top and len(s) == points and table.values.dtype == complex
        np.testing.assert_allclose(np.diff(s), (s[-1] - s[0]) / (points - 1), rtol=1e-8)
        np.testing.assert_allclose(table.frequencies[[0, -1]], [1, 1.05 * top],
                                   rtol=1e-12)
        np.testing.assert_array_equal(table.values, basilar.transfer(
            table.frequencies, C))


@pytest.mark.parametrize("degree, exact", [(7, True), (8, False)])
def test_splines_are_of_degree_seven(degree, exact):
    s = np.linspace(0.1, 1.1, 30)
    values = np.stack([s ** degree, 1j * s], axis=1)
    values, f = values.astype(complex), 10 * np.sinh(s)
    table = basilar.Table(f, values, basilar._spline(f, values).c.view(complex), 13.0)
    at = np.linspace(0.11, 1.07, 40)
    found = basilar.interpolate(table, 10 * np.sinh(at))
    error = np.abs(found - np.stack([at ** degree, 1j * at], axis=1)).max(axis=0)
    assert (error[0] < 1e-13) == exact and error[1] < 1e-13


def test_ends_of_ranges():
    """The limits of frequencies, places, constants and the table's top."""
    basilar.transfer(np.array([1e-3, 1e6]), np.array([0.0, 3.5]))
    for f, c, match in ((np.nextafter(1e-3, 0), 0.0, "frequencies"),
                        (np.nextafter(1e6, 2e6), 0.0, "frequencies"),
                        (1.0, np.nextafter(0, -1), "places"),
                        (1.0, np.nextafter(3.5, 4), "places")):
        with pytest.raises(ValueError, match=rf"^{match} is .* in \["):
            basilar.transfer(np.array([f]), np.array([c]))
    for top in (np.nextafter(10, 0), np.nextafter(1e5, 1e6)):
        with pytest.raises(ValueError, match=r"^top is .* in \[10, 1e5\]"):
            basilar.table(C, top=top)
    for name in basilar.Membrane._fields:
        with pytest.raises(ValueError, match=rf"^membrane\.{name} is -5e-324: .*\(0, "):
            basilar.transfer(F, C, basilar.Membrane(**{name: -5e-324}))
    assert basilar.transfer(np.array([1, 2]), np.array([0, 3])).shape == (2, 2)


def test_table_by_parts():
    table, f = basilar.table(basilar.places(9), points=300), np.array([1.0, 24000.0])
    whole = basilar.interpolate(table, f)
    parts = [basilar.interpolate(table, f, slice(i, i + 3)) for i in (0, 3, 6)]
    assert (np.concatenate(parts, axis=1) == whole).all()
    V = basilar.response(table)
    for some in (f, f[::-1], f, f[:1]):         # the weights are those of each call
        np.testing.assert_array_equal(V(some), basilar.interpolate(table, some))
    np.testing.assert_array_equal(V(f, slice(2, 5)), whole[:, 2:5])
    low = basilar.table(basilar.places(2), top=500.0, points=300)
    np.testing.assert_allclose(
        basilar.interpolate(low, np.array([500.0])),
        basilar.transfer(np.array([500.0]), basilar.places(2)), rtol=RTOL)


def test_answers_come_before_or_after_the_sound():
    n, fs = 2401, 24000
    V = basilar.transfer(np.linspace(1, fs, n), np.array([0.5, 2.0, 3.0]))
    impulse = np.exp(-2j * np.pi * np.arange(n) * 1200 / n)[:, None]
    for sign, response in ((-1, V), (1, V.conj())):
        answer = np.fft.ifft(response * impulse, axis=0).real ** 2
        share = np.cumsum(answer, axis=0) / answer.sum(axis=0)
        delay = sign * (np.argmax(share > 0.5, axis=0) - 1200)
        assert (np.diff(delay) > 0).all() and delay[0] >= 2 and delay[2] > 120


def test_arguments_are_kept():
    f, c = FREQUENCIES.copy(), np.ones(2)
    basilar.interpolate(basilar.table(c, points=100), f)
    assert (f == FREQUENCIES).all() and (c == 1).all()


F, C = np.array([1.0, 2.0]), np.array([0.0, 3.5])


def test_response_after_changes_in_place():
    table = basilar.table(basilar.places(3), points=100)
    response, f = basilar.response(table), np.array([100.0, 500.0])
    response(f)
    f[:] = 1000.0, 2000.0
    assert (response(f) == basilar.interpolate(table, f)).all()
