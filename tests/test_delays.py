"""Test delays against differences, shifted inputs and exact delays."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from proofs import examples, proves
from strategies import SEEDS
from tolerances import RTOL, RTOL_FD, close

from refsnn import checks, eventprop, lif
from refsnn.delays import delayed, delayed_backward, settle, taps, taps_backward

KERNELS = st.sampled_from(["linear", "gaussian", "normalised"])


def problem(seed, kernel, synapses, K=6):
    """Return input, weights, delays between whole steps, and options."""
    rng = np.random.default_rng(seed)
    x = (rng.random((9, 2, 3)) < 0.4) * rng.uniform(0.5, 2, (9, 2, 3))
    size = (4, 3) if synapses else 3
    W = rng.normal(size=size) if synapses else np.ones(size)
    delays = rng.integers(0, K, size) + rng.uniform(0.1, 0.9, size)
    width = None if kernel == "linear" else rng.uniform(0.3, 4, size)
    return x, W, delays, {"kernel": kernel, "most": K, "width": width}, rng


@proves("delays", 1, 2, 3, 4, 5)
@pytest.mark.parametrize("kernel", ["nearest", "linear", "gaussian", "normalised"])
def test_taps_and_outputs_by_sums(kernel):
    x, W, delays, options, rng = problem(1, kernel, True)
    if kernel in ("nearest", "linear"):
        options["width"] = None
    a = taps(delays, **options)
    state = rng.normal(size=(6, 2, 3))
    y, after = delayed(x, W * a, state)
    wanted, every = np.zeros(y.shape), np.concatenate([state, x])
    for i, j in np.ndindex(4, 3):
        d, s = delays[i, j], options["width"] if options["width"] is None \
            else options["width"][i, j]
        column = [{"nearest": float(k == round(d)),
                   "linear": max(0.0, 1 - abs(k - d))}[kernel] if s is None else
                  float(np.exp(-0.5 * ((k - d) / s) ** 2)) for k in range(7)]
        if kernel == "normalised":
            column = [e / sum(column) for e in column]
        close(a[:, i, j], column)
        for t in range(9):
            wanted[t, :, i] += sum(W[i, j] * column[k] * every[6 + t - k, :, j]
                                   for k in range(7))
    close(y, wanted)
    assert np.array_equal(after, every[-6:])
    if kernel != "gaussian":
        close(a.sum(axis=0), np.ones((4, 3)))


@proves("delays", 6, 7, 8, 9, 10)
@examples(12)
@given(SEEDS, KERNELS, st.booleans())
def test_gradients_by_differences(seed, kernel, synapses):
    x, W, delays, options, rng = problem(seed, kernel, synapses)
    state = rng.normal(size=(6, 2, 3))
    dy = rng.normal(size=(9, 2, 4 if synapses else 3))
    width = options.pop("width")

    def loss(values):
        moved = dict(zip(names, values, strict=True))
        a = taps(moved["delays"], width=moved.get("width"), **options)
        y, _ = delayed(moved["x"], moved["W"] * a, moved["state"])
        return float((np.sin(y) * dy).sum())

    a = taps(delays, width=width, **options)
    y, _ = delayed(x, W * a, state)
    dx, dtaps, dstate = delayed_backward(np.cos(y) * dy, x, W * a, state)
    ddelays, dwidth = taps_backward(W * dtaps, delays, width=width, **options)
    found = {"x": (x, dx), "state": (state, dstate), "delays": (
        delays, ddelays), "W": (W, (a * dtaps).sum(axis=0))}
    if width is not None:
        found["width"] = width, dwidth
    names = [*found]
    values, grads = zip(*found.values(), strict=True)
    checks.directional(loss, [*values], [*grads], rng, rtol=RTOL_FD, names=names,
                       directions=1, step=1e-5)
    toward = [rng.normal(size=v.shape) for v in values]
    assert checks.taylor_slope(loss, [*values], [*grads], toward, start=1e-3) >= 1.9


@proves("delays", 2, 6)
def test_whole_delays_shift_the_input_and_have_one_sided_derivatives():
    x, _, _, _, rng = problem(3, "linear", False)
    delays, dy = np.array([0.0, 2.0, 6.0]), rng.normal(size=(9, 2, 3))
    for kernel in ("nearest", "linear"):
        y, _ = delayed(x, taps(delays, most=6, kernel=kernel))
        for j, d in enumerate([0, 2, 6]):
            assert np.array_equal(y[d:, :, j], x[:9 - d, :, j])
            assert not y[:d, :, j].any()
    a = taps(delays, most=6)
    dtaps = delayed_backward(dy, x, a)[1]
    found, none = taps_backward(dtaps, delays, most=6)
    h = np.array([1e-6, 1e-6, -1e-6])                       # the last from the left
    close(found, (dtaps * (taps(delays + h, most=6) - a)).sum(axis=0) / h, RTOL_FD)
    left = (dtaps[1:-1] * (a - taps(delays - [0, 1e-6, 0], most=6))[1:-1]).sum(axis=0)
    assert abs(found[1] - left[1] / 1e-6) > 1e-2 and not none.any()
    assert not np.any(taps_backward(dtaps, delays, most=6, kernel="nearest"))
    assert not np.any(taps_backward(dtaps[:1], np.zeros(3), most=0))


@given(SEEDS, KERNELS, st.integers(1, 4))
def test_blocks_of_steps_equal_one_call(seed, kernel, size):
    x, W, delays, options, _ = problem(seed, kernel, True)
    a = W * taps(delays, **options)
    whole, last = delayed(x, a)
    parts, state = [], None
    for t in range(0, 9, size):
        y, state = delayed(x[t:t + size], a, state)
        parts.append(y)
    close(np.concatenate(parts), whole)
    assert np.array_equal(state, last)


def test_narrow_and_wide_kernels_stay_finite():
    for width in (1e-3, 1e3):
        a = taps([0.5, 2.3, 6.0], most=6, kernel="normalised", width=width)
        close(a.sum(axis=0), np.ones(3))
        close(a[:, 2], np.eye(7)[6] if width < 1 else np.full(7, 1 / 7), 1e-4)


@proves("delays", 2)
@pytest.mark.parametrize("kernel, width", [("linear", None), ("normalised", 0.5)])
def test_rounding_reports_the_change_of_the_output(kernel, width):
    x, W, delays, _, _ = problem(5, kernel, True)
    options = {"most": 6, "kernel": kernel, "width": width}
    rounded, change = settle(delays, x, W, **options)
    assert rounded.tolist() == np.rint(delays).tolist()
    old = delayed(x, W * taps(delays, **options))[0]
    new = np.zeros(old.shape)
    for i, j in np.ndindex(4, 3):
        d = int(rounded[i, j])
        new[d:, :, i] += W[i, j] * x[:9 - d, :, j]
    wanted = np.sqrt(((new - old) ** 2).mean() / (old ** 2).mean())
    assert change == pytest.approx(wanted, rel=RTOL)
    assert 0.05 < change < 1
    assert settle(rounded, x, W, most=6)[1] == settle(delays, 0 * x, W, most=6)[1] == 0
    x = np.array([1.0, 0.0]).reshape(2, 1, 1)
    assert settle([0.4], x, most=1)[1] == pytest.approx(0.4 * np.sqrt(2 / 0.52))


def test_small_steps_lead_to_eventprop():
    """Errors of potentials, and of gradients by delays, fall as dt."""
    rng = np.random.default_rng(4)
    times, units = np.sort(rng.integers(1, 12, 8)) / 8, rng.integers(0, 3, 8)
    W, D = rng.normal(size=(4, 3)), rng.uniform(0.1, 0.9, (4, 3))
    taus, at = {"tau_mem": 1.0, "tau_syn": 0.4}, np.array([1.5, 2.0])
    dmem = rng.normal(size=(2, 1, 4))
    spikes = [times], [units], W
    wanted = eventprop.readout(at, *spikes, delays=D, **taus)
    exact = eventprop.readout_backward(dmem, at, *spikes, delays=D, **taus)
    errors = []
    for steps in (128, 512, 2048):                          # in a second
        x, most = np.zeros((2 * steps + 1, 1, 3)), steps
        np.add.at(x, (np.rint(times * steps).astype(int), 0, units), 1.0)
        decays = {name: np.exp(-1 / (steps * taus[tau])) for name, tau in (
            ("alpha", "tau_syn"), ("beta", "tau_mem"))}
        decays["gain"] = 1 - decays["beta"]
        a = W * taps(D * steps, most=most)
        drive, _ = delayed(x, a)
        index, one = np.rint(at * steps).astype(int), np.eye(4)
        mem = lif.readout(drive, one, **decays)
        dout = np.zeros(mem.shape)
        dout[index] = dmem
        ddrive = lif.readout_backward(drive, one, dout, **decays).dx
        dtaps = delayed_backward(ddrive, x, a)[1]
        ddelays = taps_backward(W * dtaps, D * steps, most=most)[0] * steps
        errors.append([np.linalg.norm(mem[index] - wanted) / np.linalg.norm(wanted),
                       np.linalg.norm(ddelays - exact.ddelays)
                       / np.linalg.norm(exact.ddelays)])
    falls = -np.diff(np.log(errors), axis=0) / np.log(4)
    assert ((falls > 0.8) & (falls < 1.3)).all() and np.max(errors[-1]) < 0.01


def test_the_dtype_of_settled_delays():
    x, W = np.ones((4, 1, 1), np.float32), np.full((1, 1), 1 / 3)
    half = np.array([[0.5]], np.float32)
    rounded, change = settle(half, x, W, most=1)
    assert rounded.dtype == np.float32
    assert change == settle(half, x, W.astype(np.float32), most=1)[1]
