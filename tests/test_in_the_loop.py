"""Test gradients with a chip in the loop, for recordings from any source.

The differentiated model is written here a second time, with the deviation of
the chip from it as a frozen term.  Recordings are random arrays, and those of
networks and of drawn chips.
"""

import functools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from proofs import proves
from strategies import SEEDS
from tolerances import RTOL

from refsnn import checks, chip, chip_weights, lif, losses, optimisers, surrogates
from refsnn import in_the_loop as loop

SIZES = 8, 3, 4, 5, 3           # T, B, m, n, k
NOMINAL = {"tau_syn": 6e-6, "tau_mem": 6e-6, "dt": 1.7e-6}
VARIED = {      # different constants of each neuron, hidden neurons first
    "tau_syn": np.linspace(4e-6, 9e-6, 8), "tau_mem": np.linspace(11e-6, 5e-6, 8),
    "gain": np.linspace(0.5, 1.5, 8), "dt": 1.7e-6}


def decays(tau_syn=6e-6, tau_mem=6e-6, dt=1.7e-6):
    return np.exp(-dt / tau_syn), np.exp(-dt / tau_mem)


def drawn(seed, recurrent=False, sizes=SIZES, threshold=1.0):
    """Return weights, input, labels and a recording of random numbers."""
    T, B, m, n, k = sizes
    rng = np.random.default_rng(seed)
    weights = chip_weights.Weights(
        rng.normal(0, 0.5, (n, m)), rng.normal(0, 0.5, (n, n)) if recurrent else None,
        rng.normal(0, 0.5, (k, n)))
    x = (rng.random((T, B, m)) < 0.4).astype(float)
    mem, out = rng.normal(0.8, 0.4, (T, B, n)), rng.normal(0, 0.5, (T, B, k))
    mem[0] = out[0] = 0
    near = np.abs(mem - threshold) < 0.02       # away from the kink of the surrogate
    mem[near] = threshold - 0.03
    spikes = (rng.random((T, B, n)) < 0.3).astype(float)
    return weights, x, rng.integers(0, k, B), loop.Recording(mem, spikes, out)


def graph(weights, x, recording, *, steepness=50.0, threshold=1.0, **nominal):
    """Return the model near a recording as a function of theta, eqs. (1), (2)."""
    gain = np.broadcast_to(nominal.pop("gain", 1.0), sum(
        len(w) for w in (weights.hidden, weights.readout)))
    alphas, betas = (np.broadcast_to(a, gain.shape) for a in decays(
        **{**NOMINAL, **nominal}))
    n, recurrent = len(weights.hidden), weights.recurrent is not None
    both = slice(n), slice(n, None)             # hidden neurons, readouts
    spike = checks.anchored(lambda v: (v / (1 + steepness * np.abs(v)),
                                       (1 + steepness * np.abs(v)) ** -2),
                            recording.mem, threshold)
    kinks = recording.spikes - (recording.mem > threshold)

    def run(theta, residual=None):
        W, V, W_out = theta if recurrent else (theta[0], None, theta[1])
        rest = [np.zeros_like(a) for a in recording]
        mem, spikes, out = rest
        syn, syn_out = np.zeros((2, *mem[0].shape)), np.zeros((2, *out[0].shape))
        left = np.zeros_like(mem), np.zeros_like(out)       # syn holds I[t-1], I[t]
        for t in range(len(x)):
            for v, I, rec, r in ((mem, syn, recording.mem, 0),
                                 (out, syn_out, recording.out, 1)):
                u = betas[both[r]] * v[t - 1] + gain[both[r]] * I[0] if t else 0 * I[0]
                left[r][t] = rec[t] - u
                v[t] = rec[t] if residual is None else u + residual[r][t]
            spikes[t] = recording.spikes[t] if residual is None \
                else spike(t, mem[t]) + kinks[t]
            drive = x[t] @ W.T + (spikes[t] @ V.T if recurrent else 0)
            syn = np.stack([syn[1], alphas[:n] * syn[1] + drive])
            syn_out = np.stack([syn_out[1],
                                alphas[n:] * syn_out[1] + spikes[t] @ W_out.T])
        return loop.Recording(mem, spikes, out), left

    frozen = run(parameters(weights))[1]
    return lambda theta: run(theta, frozen)[0]


def parameters(weights):
    return [a for a in weights if a is not None]


def assert_gradient(weights, x, labels, recording, rng, options, nominal):
    """Check the gradient of the loss by finite differences and Taylor slope."""
    run = graph(weights, x, recording, **nominal)
    start = run(parameters(weights))
    for ours, theirs in zip(start, recording, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)

    def f(theta):
        return loop.loss(run(theta), labels, **options).value

    value, dout, dspikes = loop.loss(recording, labels, **options)
    assert value == pytest.approx(f(parameters(weights)), rel=RTOL)
    found = parameters(loop.gradients(weights, x, recording, dout, dspikes, **nominal))
    names = ["W", "V", "W_out"] if len(found) == 3 else ["W", "W_out"]
    checks.directional(f, parameters(weights), found, rng, names=names)
    direction = [rng.standard_normal(a.shape) for a in found]
    assert checks.taylor_slope(f, parameters(weights), found, direction,
                               start=1e-4) > 1.9
    return f, found


@proves("in_the_loop", 3, 5, 6, 7, 8, 9, 10, 11)
@given(seed=SEEDS, recurrent=st.booleans(),
       reduction=st.sampled_from(("max", "reached", "sum")),
       readout=st.sampled_from((0.0, 0.3)), burst=st.sampled_from((0.0, 0.2)),
       rate=st.sampled_from((0.0, 0.1)), steepness=st.sampled_from((50.0, 3.0)),
       threshold=st.sampled_from((1.0, 0.7)), tau=st.sampled_from((6e-6, 11e-6)))
def test_gradient_of_any_recording(seed, recurrent, reduction, readout, burst, rate,
                                   steepness, threshold, tau):
    case = drawn(seed, recurrent, threshold=threshold)
    options = {"reduction": reduction, "readout": readout, "burst": burst,
               "rate": rate, "bound": 1.0, "scaling": 2.0}
    nominal = {"steepness": steepness, "threshold": threshold, "tau_mem": tau}
    assert_gradient(*case, np.random.default_rng(seed), options, nominal)


@given(seed=SEEDS, recurrent=st.booleans())
def test_gradient_with_constants_of_each_neuron(seed, recurrent):
    weights, x, labels, recording = drawn(seed, recurrent, threshold=0)
    steepness, threshold = np.linspace(50, 3, 5), np.linspace(0.7, 1.2, 5)
    near = recording.mem + threshold            # at a distance from the threshold
    near[0] = 0
    assert_gradient(weights, x, labels, recording._replace(mem=near),
                    np.random.default_rng(seed), {"burst": 0.2, "scaling": 2.0},
                    {**VARIED, "steepness": steepness, "threshold": threshold})


@pytest.mark.parametrize("offset", [0.0, -2000.0])
def test_reached_takes_the_maximum_from_r_on_for_the_right_class(offset):
    """Compute r and the loss by hand; in a silent pattern r is T - 1."""
    T, first = 6, (0, 2, 3, 4, 5, None, 0)
    spikes, out = np.zeros((T, 7, 2)), np.zeros((T, 7, 2))
    for b, step in enumerate(first):
        if step is not None:
            spikes[step, b, b % 2] = 1
    out[:, :, 0] = 0.9 - 0.1 * np.arange(T)[:, None]
    out[3, :, 1] = 0.7
    out += offset
    labels = np.array([0, 0, 0, 0, 0, 0, 1])
    steps = np.array([[2, 4, 5, 5, 5, 5, 0], [3] * 7]).T
    recording = loop.Recording(np.zeros((T, 7, 2)), spikes, out)
    value, dout, _ = loop.loss(recording, labels, reduction="reached", scaling=3.0,
                               readout=0.5)
    peaks = np.take_along_axis(out, steps[None], 0)
    theirs, dz = losses.cross_entropy(3 * peaks, labels)
    assert value == pytest.approx(theirs + 0.5 * np.mean(peaks ** 2), rel=RTOL)
    expected = np.zeros_like(out)
    np.put_along_axis(expected, steps[None], 3 * dz + peaks / peaks.size, 0)
    np.testing.assert_allclose(dout, expected, rtol=RTOL)


def test_reached_equals_the_published_loss_above_zero():
    weights, x, labels = network(6)
    weights = weights._replace(readout=np.abs(weights.readout))
    recording = loop.record(ideal, chip_weights.integers(weights)[0], x,
                            dtype=np.float64)
    assert recording.out.max(axis=0).min() > 0
    for a, b in zip(*(loop.loss(recording, labels, reduction=name)
                      for name in ("max", "reached")), strict=True):
        assert np.array_equal(a, b)


@pytest.mark.parametrize("T", [1, 2, 3])
def test_reached_takes_the_last_of_few_steps(T):
    recording = loop.Recording(*(np.ones((T, 1, 2)) for _ in range(3)))
    recording.out[-1] = 0
    value, dout, _ = loop.loss(recording, np.array([1]), reduction="reached")
    wrong = recording.out[:, 0, 0].max()        # over all steps for the other class
    assert value == pytest.approx(np.log1p(np.exp(10 * wrong)))
    assert dout[-1, 0, 1] < 0 and not dout[:-1, 0, 1].any()


@pytest.mark.parametrize("reduction", ["max", "reached"])
def test_reached_recovers_a_readout_below_zero(reduction):
    """All weights of readout 0 are negative, so its maximum is 0 for all patterns."""
    weights, x, _ = network(4)
    weights = weights._replace(readout=np.abs(weights.readout)
                               * np.array([[-1], [1], [1]]))
    labels = np.zeros(x.shape[1], int)
    rates = []
    for _ in range(200):
        recording = loop.record(ideal, chip_weights.integers(weights)[0], x,
                                dtype=np.float64)
        assert recording.spikes.any(axis=(0, 2)).all()
        _, dout, _ = loop.loss(recording, labels, reduction=reduction)
        d = loop.gradients(weights, x, recording, dout)
        rates.append(np.abs(d.readout[0]).max())
        weights = weights._replace(readout=weights.readout - 1e-3 * d.readout)
    if reduction == "max":
        assert not np.any(rates) and recording.out[:, :, 0].max() == 0
    else:
        assert all(rates) and recording.out[:, :, 0].max() > 0
        assert losses.accuracy(recording.out, labels) == 1


@pytest.mark.parametrize("name", ["readout", "burst", "rate"])
@pytest.mark.parametrize("recurrent", [False, True])
def test_each_regulariser_alone(name, recurrent):
    """Compare its value with a formula, and what it adds to the gradient."""
    weights, x, labels, recording = drawn(5, recurrent)
    terms = {"readout": lambda r: np.mean(r.out.max(axis=0) ** 2),
             "burst": lambda r: np.mean(r.spikes.sum(axis=0) ** 2),
             "rate": lambda r: np.mean(np.maximum(
                 r.spikes.sum(axis=(0, 2)) - 1.5, 0) ** 2)}
    run = graph(weights, x, recording)
    plain, more = (loop.loss(recording, labels, bound=1.5, **options)
                   for options in ({}, {name: 0.7}))
    assert more.value - plain.value == pytest.approx(0.7 * terms[name](recording))
    found = [a - b for a, b in zip(*(parameters(loop.gradients(
        weights, x, recording, part.dout, part.dspikes)) for part in (more, plain)),
        strict=True)]
    checked = slice(None) if name == "readout" else slice(-1)   # W_out: no spikes of it
    theta = parameters(weights)

    def f(part):
        return 0.7 * terms[name](run([*part, *theta[len(part):]]))

    checks.directional(f, theta[checked], found[checked], np.random.default_rng(2))


@given(seed=SEEDS, recurrent=st.booleans(), reduction=st.sampled_from(("max", "sum")))
def test_on_a_software_network_the_gradient_is_that_of_lif(seed, recurrent, reduction):
    """The gradient of `lif` that does not follow the reset is a second route."""
    rng = np.random.default_rng(seed)
    weights, x, labels, _ = drawn(seed, recurrent)
    alpha, beta = decays(6e-6, 9e-6)
    constants = {"alpha": alpha, "beta": beta}
    layer = lif.simulate(x, 3 * weights.hidden, weights.recurrent, **constants)
    weights = weights._replace(hidden=3 * weights.hidden)
    out = lif.readout(layer.spikes, weights.readout, **constants)
    recording = loop.Recording(layer.mem, layer.spikes, out)
    value, dout, dspikes = loop.loss(recording, labels, reduction=reduction,
                                     scaling=3.0, burst=0.1)
    theirs, drecord = losses.cross_entropy(3 * out, labels, reduction)
    burst, dburst = losses.burst(layer.spikes)
    assert value == pytest.approx(theirs + 0.1 * burst, rel=RTOL)
    np.testing.assert_allclose(dout, 3 * drecord, rtol=RTOL)
    np.testing.assert_allclose(dspikes, 0.1 * dburst, rtol=RTOL)
    top = lif.readout_backward(layer.spikes, weights.readout, dout, **constants)
    psi = surrogates.fast_sigmoid(layer.mem - 1, 50.0)[1]
    below = lif.backward(x, weights.hidden, weights.recurrent, layer, psi,
                         top.dx + dspikes, through_reset=False, **constants)
    found = loop.gradients(weights, x, recording, dout, dspikes, tau_mem=9e-6)
    for ours, other in ((found.hidden, below.dW), (found.readout, top.dW),
                        *([(found.recurrent, below.dV)] if recurrent else [])):
        np.testing.assert_allclose(ours, other, rtol=RTOL, atol=1e-14)
    assert layer.spikes.any() and rng


def test_a_rate_bound_is_that_of_the_regularisers():
    _, _, labels, recording = drawn(3)
    plain, more = (loop.loss(recording, labels, rate=rate, bound=2.0)
                   for rate in (0.0, 0.5))
    n = recording.spikes.shape[2]
    value, dspikes = losses.upper_bound(recording.spikes, 2.0 / n, "population")
    assert more.value - plain.value == pytest.approx(0.5 * n ** 2 * value)
    np.testing.assert_allclose(more.dspikes, 0.5 * n ** 2 * dspikes, rtol=RTOL)
    assert dspikes.any()


def test_the_rate_bound_by_hand():
    """Counts below the bound add nothing; the default bound is 0."""
    zero = np.zeros((4, 2, 1))
    spikes = np.zeros((4, 2, 3))
    spikes[:3, 0], spikes[0, 1, 0] = 1, 1                # 9 spikes, and 1
    recording = loop.Recording(np.zeros((4, 2, 3)), spikes, zero)
    for bound, value, slopes in ((7.0, 2.0, (2.0, 0)), (9.5, 0, (0, 0)),
                                 (None, 41.0, (9.0, 1.0))):
        options = {} if bound is None else {"bound": bound}
        found = loop.loss(recording, np.zeros(2, int), rate=1.0, **options)
        assert found.value == value
        assert np.array_equal(found.dspikes, np.broadcast_to(
            np.reshape(slopes, (1, 2, 1)), spikes.shape))


@proves("in_the_loop", 3, 4)
def test_without_regularisers_the_loss_is_the_cross_entropy_of_peaks():
    _, _, labels, recording = drawn(3)
    value, dout, dspikes = loop.loss(recording, labels)
    theirs, drecord = losses.cross_entropy(10 * recording.out, labels)
    assert value == pytest.approx(theirs, rel=RTOL) and not dspikes.any()
    np.testing.assert_allclose(dout, 10 * drecord, rtol=RTOL)


@pytest.mark.parametrize("wrong", ["0.1 %", "one step late", "no + 1", "V transposed"])
def test_a_wrong_gradient_is_rejected(wrong):
    weights, x, labels, recording = drawn(8, recurrent=True)
    run = graph(weights, x, recording)
    _, dout, dspikes = loop.loss(recording, labels)
    if wrong == "V transposed":
        bad = loop.gradients(weights._replace(recurrent=weights.recurrent.T), x,
                             recording, dout)
    elif wrong == "one step late":
        late = recording._replace(spikes=np.roll(recording.spikes, 1, axis=0))
        bad = loop.gradients(weights, x, late, dout)
    elif wrong == "no + 1":             # as printed, off the threshold
        v = 50 * np.abs(recording.mem - 1)
        mem = 1 + (v - 1) / 50 * np.sign(recording.mem - 1)
        bad = loop.gradients(weights, x, recording._replace(mem=mem), dout)
    else:
        bad = loop.gradients(weights, x, recording, 1.001 * dout)

    def f(theta):
        return loop.loss(run(theta), labels).value

    with pytest.raises(AssertionError, match="gradient says"):
        checks.directional(f, parameters(weights), parameters(bad),
                           np.random.default_rng(1))


@proves("in_the_loop", 2)
def test_the_surrogate_in_closed_form():
    """With one spike, neuron and readout, the gradient is proportional to psi."""
    weights = {"hidden": np.array([[0.3]]), "readout": np.array([[0.7]])}
    x, dout = np.zeros((2, 5, 1, 1))
    x[0], dout[4] = 1, 1
    for v in (-2.0, 0.0, 0.5, 0.98, 1.0, 1.02, 1.7):
        recording = loop.Recording(np.full((5, 1, 1), v), *np.zeros((2, 5, 1, 1)))
        for steepness in (50.0, 1.0):
            d = loop.gradients(weights, x, recording, dout, steepness=steepness)
            assert d.hidden[0, 0] == pytest.approx(
                0.7 * (steepness * abs(v - 1) + 1) ** -2, rel=1e-12)
    assert d.readout == 0


# ---- chips

def network(seed, m=12, n=8, k=3, B=6, recurrent=False):
    """Return weights with which the neurons of a chip fire, input and labels."""
    rng = np.random.default_rng(seed)
    weights = chip_weights.initial(rng, m, n, k, recurrent=recurrent, dtype=np.float64)
    weights = chip_weights.clip(weights._replace(
        hidden=rng.normal(0.12, 0.1, (n, m))))
    x = np.zeros((20, B, m))
    x[rng.integers(0, 8, (B, m)), np.arange(B)[:, None], np.arange(m)] = 1
    return weights, x, rng.integers(0, k, B)


def plugged(drawn_chip, seed=0, **more):
    return functools.partial(chip.emulate, drawn_chip,
                             rng=np.random.default_rng(seed), **more)


@pytest.mark.parametrize("recurrent", [False, True])
def test_gradient_of_a_chip_s_recording(recurrent):
    weights, x, labels = network(4, recurrent=recurrent)
    drawn_chip = chip.draw(3, chip.CALIBRATED)
    recording = loop.record(plugged(drawn_chip), chip_weights.integers(weights)[0], x,
                            dtype=np.float64)
    assert 0 < recording.spikes.mean() < 1
    # Codes tie: shift membranes off the kink, and make the last maximum unique.
    ramp = np.linspace(0, 0.9 / 70, len(x))[:, None, None]
    off = recording._replace(mem=recording.mem + 0.2 / 70, out=recording.out + ramp)
    assert_gradient(weights, x, labels, off, np.random.default_rng(1),
                    {"burst": 0.1, "readout": 0.1}, {})


def batch_first(a):
    return np.ascontiguousarray(np.swapaxes(a, 0, 1)).swapaxes(0, 1)


@pytest.mark.parametrize("layout", [np.asfortranarray, batch_first])
@pytest.mark.parametrize("recurrent", [False, True])
def test_the_memory_layout_does_not_change_the_gradient(recurrent, layout):
    weights, x, labels = network(4, recurrent=recurrent)
    written = chip_weights.integers(weights)[0]
    spikes, codes = plugged(chip.draw(3, chip.CALIBRATED))(written, x)

    def found(change):
        used = chip_weights.Weights(*(w if w is None else change(w) for w in weights))
        recording = loop.record(lambda *_: (change(spikes), change(codes)), written,
                                change(x), dtype=np.float64)
        _, dout, dspikes = loop.loss(recording, labels, burst=0.1, readout=0.1)
        again = loop.Recording(*map(change, recording))
        return [loop.gradients(used, change(x), recording, dout, dspikes),
                loop.gradients(used, change(x), again, change(dout), change(dspikes))]

    first, *others = found(np.asarray) + found(layout)
    for other in others:
        for a, b in zip(parameters(first), parameters(other), strict=True):
            assert a.any()
            np.testing.assert_allclose(b, a, rtol=RTOL, atol=1e-14)


@pytest.mark.parametrize("recurrent", [False, True])
def test_the_gradient_does_not_read_the_chip(recurrent):
    """Scrambled private parameters change no bit if recordings are kept."""
    weights, x, labels = network(4, recurrent=recurrent)
    chips = [chip.draw(seed, chip.UNCALIBRATED) for seed in (3, 4)]
    run = plugged(chips[0])
    kept = run(chip_weights.integers(weights)[0], x)
    written = chip_weights.integers(weights)[0]

    def gradient():
        recording = loop.record(lambda *_: kept, written, x)
        _, dout, dspikes = loop.loss(recording, labels, burst=0.1, readout=0.1)
        return parameters(loop.gradients(weights, x, recording, dout, dspikes))

    before = gradient()
    for field, other in zip(chips[0], chips[1], strict=True):
        if isinstance(field, np.ndarray):
            field[...] = other
    again = run(written, x)
    assert not np.array_equal(again[1], kept[1]), "the chip has changed"
    for a, b in zip(before, gradient(), strict=True):
        assert a.any() and np.array_equal(a, b)


def test_the_ideal_chip_is_the_software_network():
    """They have equal recordings for equal, rounded weights."""
    weights, x, labels = network(6)
    written, s = chip_weights.integers(weights)
    effects = chip.IDEAL._replace(refractory=1.7e-6)
    run = plugged(chip.draw(1, effects, dtype=np.float64), step=1.7e-6)
    recording = loop.record(run, written, x, gain=240 / s, dtype=np.float64)
    rounded = chip_weights.Weights(written.hidden / 240, None, written.readout / s)
    alpha, beta = decays()
    layer = lif.simulate(x, rounded.hidden, alpha=alpha, beta=beta, reset="zero",
                         refractory=1)
    out = lif.readout(layer.spikes, rounded.readout, alpha=alpha, beta=beta)
    assert np.array_equal(recording.spikes, layer.spikes) and layer.spikes.any()
    np.testing.assert_allclose(recording.mem, layer.mem, rtol=0, atol=1e-10)
    np.testing.assert_allclose(recording.out, out, rtol=0, atol=1e-10)
    assert loop.loss(recording, labels).value > 0


# ---- spikes without samples, and several layers

def spiking(seed, recurrent):
    """Return weights, input, labels, decays and a layer whose neurons differ."""
    weights, x, labels, _ = drawn(seed, recurrent)
    weights = weights._replace(hidden=3 * weights.hidden)
    alpha, beta = decays(**{key: VARIED[key] for key in NOMINAL})
    hidden, readouts = ({"alpha": alpha[some], "beta": beta[some],
                         "gain": VARIED["gain"][some]} for some in (
        slice(5), slice(5, None)))
    threshold = np.linspace(0.7, 1.2, 5)
    layer = lif.simulate(x, weights.hidden, weights.recurrent, threshold=threshold,
                         **hidden)
    assert layer.spikes.any()
    return weights, x, labels, threshold, layer, readouts


@pytest.mark.parametrize("recurrent", [False, True])
def test_potentials_that_are_not_reported_are_those_of_lif(recurrent):
    weights, x, _, threshold, layer, readouts = spiking(1, recurrent)
    out = lif.readout(layer.spikes, weights.readout, **readouts)
    found = loop.complete(weights, x, loop.Recording(None, layer.spikes, None),
                          threshold=threshold, **VARIED)
    np.testing.assert_allclose(found.mem, layer.mem, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(found.out, out, rtol=1e-12, atol=1e-12)
    kept = loop.complete(weights, x, loop.Recording(-layer.mem, layer.spikes, 2 * out))
    assert np.array_equal(kept.mem, -layer.mem) and np.array_equal(kept.out, 2 * out)


@proves("in_the_loop", 12)
def test_potentials_by_hand():
    """Two spikes in a bin are reset twice; readouts have no reset."""
    weights = {"hidden": np.ones((1, 1)), "recurrent": np.full((1, 1), 0.5),
               "readout": np.full((1, 1), 3.0)}
    alpha, beta = decays()
    x = np.array([2.0, 0, 0, 0]).reshape(4, 1, 1)
    spikes = np.array([0, 2.0, 0, 0]).reshape(4, 1, 1)
    found = loop.complete(weights, x, loop.Recording(None, spikes, None), threshold=0.7)
    two = 2 - 2 * 0.7
    np.testing.assert_allclose(found.mem.ravel(), [
        0, 0, two, beta * two + 2 * alpha + 0.5 * 2])
    np.testing.assert_allclose(found.out.ravel(), [0, 0, 0, 6])
    out = np.full((4, 1, 1), 9.0)
    for mem, readouts in ((None, out), (out, None)):
        some = loop.complete(weights, x, loop.Recording(mem, spikes, readouts),
                             threshold=0.7)
        for a, kept, whole in zip(some[::2], (mem, readouts), found[::2], strict=True):
            assert np.array_equal(a, whole if kept is None else kept)
    single = {name: w.astype(np.float32) for name, w in weights.items()}
    found = loop.complete(single, x, loop.Recording(None, spikes, None))
    assert {a.dtype for a in found} == {np.dtype(np.float32)}


@given(seed=SEEDS)
def test_gradient_of_spikes_alone_by_frozen_differences(seed):
    """Recorded spikes are kept in resets and readouts; the loss reads dspikes . f."""
    weights, x, _, recording = drawn(seed)
    rng = np.random.default_rng(seed)
    nominal = {**VARIED, "threshold": np.linspace(0.7, 1.2, 5)}
    dout, dspikes = (rng.standard_normal(a.shape) for a in (
        recording.out, recording.mem))
    spikes = loop.Recording(None, rng.integers(0, 3, recording.mem.shape) * 1.0, None)
    assert spikes.spikes.max() > 1

    def f(theta):
        run = loop.complete(weights._replace(hidden=theta[0], readout=theta[1]), x,
                            spikes, **nominal)
        value = surrogates.fast_sigmoid(run.mem - nominal["threshold"], 5.0)[0]
        return (dout * run.out).sum() + (dspikes * value).sum()

    run = loop.complete(weights, x, spikes, **nominal)
    found = [loop.gradients(weights, x, run, dout * a, dspikes * (1 - a), steepness=5.0,
                            **nominal)[2 * a] for a in (0, 1)]
    checks.directional(f, [weights.hidden, weights.readout], found, rng,
                       names=["W", "W_out"])


@pytest.mark.parametrize("recurrent", [False, True])
def test_two_hidden_layers_are_one_with_blocks(recurrent):
    """The device is a stack of two layers of `lif`; its gradient is that of `lif`."""
    rng, (T, B, m, n1, n2, k) = np.random.default_rng(3), (12, 3, 4, 5, 6, 2)
    W1, W2, W_out = (rng.normal(0.6, 1, shape) for shape in (
        (n1, m), (n2, n1), (k, n2)))
    V1, V2 = (rng.normal(0, 0.3, (n, n)) * recurrent for n in (n1, n2))
    x, (alpha, beta) = (rng.random((T, B, m)) < 0.4) * 1.0, decays()
    constants = {"alpha": alpha, "beta": beta}
    first = lif.simulate(x, W1, V1, **constants)
    second = lif.simulate(first.spikes, W2, V2, **constants)
    assert first.spikes.any() and second.spikes.any()
    weights = chip_weights.Weights(
        np.block([[W1], [np.zeros((n2, m))]]),
        np.block([[V1, np.zeros((n1, n2))], [W2, V2]]),
        np.block([[np.zeros((k, n1)), W_out]]))

    def device(weights, x):
        return np.concatenate([first.spikes, second.spikes], axis=2), None

    run = loop.complete(weights, x, loop.record(device, weights, x, dtype=np.float64))
    np.testing.assert_allclose(run.mem, np.concatenate([first.mem, second.mem], 2),
                               rtol=1e-10, atol=1e-10)
    dout = rng.standard_normal(run.out.shape)
    found = loop.gradients(weights, x, run, dout)
    psi = [surrogates.fast_sigmoid(layer.mem - 1, 50.0)[1] for layer in (first, second)]
    top = lif.readout_backward(second.spikes, W_out, dout, **constants)
    upper = lif.backward(first.spikes, W2, V2, second, psi[1], top.dx,
                         through_reset=False, **constants)
    lower = lif.backward(x, W1, V1, first, psi[0], upper.dx, through_reset=False,
                         **constants)
    for ours, theirs in ((found.hidden[:n1], lower.dW), (found.readout[:, n1:], top.dW),
                         (found.recurrent[n1:, :n1], upper.dW),
                         (found.recurrent[:n1, :n1], lower.dV),
                         (found.recurrent[n1:, n1:], upper.dV)):
        assert theirs.any()
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)


# ---- learning

def ideal(weights, x):
    """Return the recordings of a software network for integer weights."""
    W, _, W_out = (a if a is None else a / 240 for a in weights)
    alpha, beta = decays()
    layer = lif.simulate(x, W, alpha=alpha, beta=beta)
    out = lif.readout(layer.spikes, W_out, alpha=alpha, beta=beta)
    return layer.spikes, 80 + 70 * np.concatenate([layer.mem, out], axis=2)


def silent_start():
    rng = np.random.default_rng(7)
    x = np.zeros((20, 40, 30))
    labels = np.arange(40) % 2
    for b, label in enumerate(labels):
        x[rng.integers(0, 4, 12), b, rng.permutation(15)[:12] + 15 * label] = 1
    weights = chip_weights.initial(rng, 30, 20, 2, dtype=np.float64)
    return chip_weights.Weights(0.3 * weights.hidden, None, 5 * weights.readout), x, \
        labels


CODES = chip.only(chip.CALIBRATED, "weight_limit", "fan_in", "adc_limit",
                  "refractory")


@pytest.mark.parametrize("run", [ideal, plugged(chip.draw(1, CODES),
                                                step=1.7e-6)], ids=["lif", "chip"])
def test_learning_starts_from_a_silent_hidden_layer(run):
    weights, x, labels = silent_start()
    states, curve, spikes = [None, None], [], []
    for _ in range(80):
        recording = loop.record(run, chip_weights.integers(weights)[0], x,
                                dtype=np.float64)
        value, dout, dspikes = loop.loss(recording, labels)
        d = loop.gradients(weights, x, recording, dout, dspikes)
        if not curve:
            assert not recording.spikes.any() and not recording.out.any()
            assert d.hidden.any() and not d.readout.any()
        stepped = []
        for i, (w, g) in enumerate(zip(parameters(weights), parameters(d),
                                       strict=True)):
            states[i], step = optimisers.adam(states[i], g, rate=5e-3)
            stepped.append(w + step)
        weights = chip_weights.clip(chip_weights.Weights(stepped[0], None,
                                                         stepped[1]))
        curve.append(value)
        spikes.append(recording.spikes.sum())
    assert spikes[0] == 0 < spikes[-1]
    assert curve[0] == pytest.approx(np.log(2)) and curve[-1] < 0.1
    assert losses.accuracy(recording.out, labels) == 1.0


def test_with_the_first_of_tied_steps_learning_would_not_start():
    weights, x, labels = silent_start()
    recording = loop.record(ideal, chip_weights.integers(weights)[0], x,
                            dtype=np.float64)
    _, dout, dspikes = loop.loss(recording, labels)
    assert dout[-1].any() and not dout[:-1].any()
    first = np.roll(dout, 1, axis=0)
    assert first[0].any()
    assert not loop.gradients(weights, x, recording, first, dspikes).hidden.any()


def test_straight_through():
    """The gradient at the integers is used as the gradient at the floats."""
    weights, x, labels = network(4)
    written, s = chip_weights.integers(weights)
    recording = loop.record(ideal, written, x, dtype=np.float64)
    _, dout, dspikes = loop.loss(recording, labels)
    found = loop.gradients(weights, x, recording, dout, dspikes)
    readout = chip_weights.Weights(weights.hidden + 0.5, None, weights.readout)
    same = loop.gradients(readout, x, recording, dout, dspikes)
    for a, b in zip(parameters(found), parameters(same), strict=True):
        assert a.any() and np.array_equal(a, b), "W itself is in no derivative"
    rounded = loop.gradients(weights._replace(readout=written.readout / s), x,
                             recording, dout, dspikes)
    assert not np.array_equal(rounded.hidden, found.hidden), "of floats, not rounded"


# ---- record

@proves("in_the_loop", 1)
def moved(a, steps):
    """Return an array that is late by `steps`, or early if `steps` is negative."""
    out = np.zeros_like(a)
    out[max(steps, 0):len(a) + min(steps, 0)] = a[max(-steps, 0):len(a) - max(steps, 0)]
    return out


@given(st.integers(-2, 2), st.integers(-2, 2), st.integers(-2, 2),
       st.sampled_from(["all", "readouts", "none"]))
def test_known_delays_are_undone(first, spikes_late, samples_late, reported):
    """A chip without memory: each step of its results depends on the same step of x."""
    rng = np.random.default_rng(1)
    x = rng.integers(0, 2, (9, 4, 3))
    x[0] = x[-1] = 1
    weights = {"hidden": np.ones((5, 3), int), "readout": np.ones((2, 5), int)}

    def chip(weights, x):
        spikes = (x @ np.arange(1, 4))[..., None] % np.arange(2, 7)
        samples = 80 + 70 * np.concatenate([spikes, spikes[..., :2] + 1], axis=2)
        return spikes, {"all": samples, "readouts": samples[..., 5:], "none": None}[
            reported]

    def late(weights, x):
        spikes, samples = chip(weights, moved(x, first))
        return moved(spikes, spikes_late), None if samples is None else moved(
            samples, samples_late)

    delay = {"input": first, "spikes": spikes_late, "samples": samples_late}
    right = loop.record(chip, weights, x)
    assert right.spikes[0].any() and right.spikes[-1].any()
    found = loop.record(late, weights, x, delay=delay)
    for a, b in zip(found, right, strict=True):
        assert (a is None) == (b is None) and (a is None or np.array_equal(a, b))
    if any(delay.values()) and first + spikes_late:
        wrong = loop.record(late, weights, x)
        assert not np.array_equal(wrong.spikes, right.spikes)


@pytest.mark.parametrize("delay, message", [
    ({"input": 1}, r"^delay has the keys \['input'\]: must have input, samples and"),
    ([1, 2, 3], "^delay is of type list: must be dict"),
    ({"input": 0.5, "spikes": 0, "samples": 0}, r"^delay\['input'\] is "),
    ({"input": 0, "spikes": 100, "samples": 0}, r"^delay\['spikes'\] is 100: must be")])
def test_wrong_delays(delay, message):
    weights = {"hidden": np.ones((1, 1), int), "readout": np.ones((1, 1), int)}
    with pytest.raises(ValueError, match=message):
        loop.record(lambda w, x: (x, None), weights, np.ones((3, 1, 1)), delay=delay)


def test_misspelt_weights_are_refused():
    one = np.ones((1, 1))
    weights = {"hidden": one, "recurent": one, "readout": one}
    with pytest.raises(ValueError, match="^weights' key is 'recurent': must be one of"):
        loop.record(lambda w, x: (x, None), weights, np.ones((3, 1, 1)))


def test_record():
    """It subtracts baselines, divides by 70 codes and scales the readouts."""
    codes = np.array([[[80, 90, 30]], [[150, 20, 65]]], np.uint8)
    fired = np.array([[[0, 1]], [[1, 0]]], bool)
    weights = {"hidden": np.ones((2, 4), np.int8), "readout": np.ones((1, 2), np.int8)}
    x = np.zeros((2, 1, 4))
    seen = []

    def run(w, spikes):
        seen.append((w is weights, spikes is x))
        return fired, codes

    for dtype in (np.float32, np.float64):
        recording = loop.record(run, weights, x, gain=2.0, dtype=dtype)
        assert [a.dtype for a in recording] == [dtype] * 3
        np.testing.assert_allclose(recording.mem, [[[0, 0]], [[1, -1]]], rtol=1e-6)
        np.testing.assert_allclose(recording.out, [[[0]], [[1]]], rtol=1e-6)
        assert np.array_equal(recording.spikes, fired)
    assert seen == [(True, True)] * 2 and codes[0, 0, 0] == 80
    plain = loop.record(run, weights, x, unit=35.0)
    assert plain.mem[1, 0, 0] == 2 and plain.out[1, 0, 0] == 1


def test_units_of_each_neuron():
    codes = np.arange(18).reshape(3, 2, 3)
    recording = loop.record(lambda *_: (np.zeros((3, 2, 2)), codes), {
        "hidden": np.ones((2, 4)), "readout": np.ones((1, 2))}, np.zeros((3, 2, 4)),
        unit=np.array([1, 2, 4]), gain=3.0, dtype=np.float64)
    np.testing.assert_allclose(recording.mem[1, 0], [6, 3])
    np.testing.assert_allclose(recording.out[1, 0], [4.5])


def test_readouts_alone_may_be_sampled():
    weights, codes = {"hidden": np.ones((2, 4)), "readout": np.ones((1, 2))}, \
        np.arange(6).reshape(3, 2, 1)
    found = [loop.record(lambda *_, samples=samples: (np.full((3, 2, 2), 2), samples),
                         weights, np.full((3, 2, 4), 3), unit=np.array([9, 9, 2]))
             for samples in (codes, None)]
    assert found[0].mem is found[1].mem is found[1].out is None
    assert (found[0].spikes == 2).all() and (found[1].spikes == 2).all()
    assert found[0].out[:, 0, 0].tolist() == [0, 1, 2]


def test_float32_stays():
    weights, x, labels, recording = drawn(2, recurrent=True)
    small = [a.astype(np.float32) for a in recording]
    recording32 = loop.Recording(*small)
    value, dout, dspikes = loop.loss(recording32, labels, burst=0.1, readout=0.1)
    assert dout.dtype == dspikes.dtype == np.float32 and isinstance(value, float)
    W = chip_weights.Weights(*(a.astype(np.float32) for a in weights))
    d = loop.gradients(W, x, recording32, dout, dspikes)
    assert {a.dtype for a in d} == {np.dtype(np.float32)}
    mixed = loop.Recording(small[0], small[1].astype(np.int8), recording.out)
    _, dout, dspikes = loop.loss(mixed, labels, burst=0.1, readout=0.1)
    assert dout.dtype == dspikes.dtype == np.float32 and dspikes.any()
    d64 = loop.gradients(W, x, mixed, dout.astype(float), dspikes.astype(float))
    for a, b in zip(d64, d, strict=True):
        assert a.dtype == np.float32
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    exact = loop.gradients(weights, x, recording, *loop.loss(
        recording, labels, burst=0.1, readout=0.1)[1:])
    for a, b in zip(d, exact, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)


def test_each_operation_is_rounded_to_float32():
    """Compare the currents of one readout with scalar operations, to the last bit."""
    alpha, beta, *rest = np.float32([*decays(6e-6, 9e-6), 0, 0])
    weights = {"hidden": np.ones((1, 1), "f"), "readout": np.ones((1, 1), "f")}
    dout = np.linspace(0.1, 1, 9, dtype="f")[:, None, None]
    dsyn, dmem = rest
    for t in range(8, 0, -1):
        dsyn, dmem = alpha * dsyn + dmem, beta * dmem + dout[t, 0, 0]
        recording = loop.Recording(*np.zeros((3, 9, 1, 1), "f"))
        recording.spikes[t - 1] = 1             # the gradient is the current at t
        d = loop.gradients(weights, 0 * dout, recording, dout, tau_mem=9e-6)
        assert d.readout.item() == dsyn
    assert dsyn > 1


def test_arrays_of_another_precision_are_cast():
    """Results have the dtype of the hidden weights."""
    weights, x, labels, recording = drawn(2, recurrent=True)
    _, dout, dspikes = loop.loss(recording, labels, burst=0.1)
    single = [a.astype(np.float32) for a in weights]
    wanted = loop.gradients(chip_weights.Weights(*single), x, recording, dout, dspikes)
    for mixed in (weights._replace(hidden=single[0]),
                  weights._replace(hidden=single[0], readout=single[2])):
        found = loop.gradients(mixed, x, recording, dout, dspikes)
        for a, b in zip(found, wanted, strict=True):
            assert a.dtype == np.float32 and np.array_equal(a, b) and a.any()
    back = loop.gradients(weights._replace(readout=single[2]), x, recording, dout)
    assert {a.dtype for a in back} == {np.dtype(np.float64)}


def test_inputs_are_not_modified():
    weights, x, labels, recording = drawn(2, recurrent=True)
    arrays = [*weights, x, labels, *recording]
    before = [a.copy() for a in arrays]
    _, dout, dspikes = loop.loss(recording, labels, burst=0.1, readout=1.0)
    kept = dout.copy()
    loop.gradients(weights, x, recording, dout, dspikes)
    assert all(map(np.array_equal, arrays, before)) and np.array_equal(dout, kept)


# ---- refused

def replying(spikes=None, samples=None):
    good = np.zeros((4, 2, 3)), np.full((4, 2, 5), 80, np.uint8)
    return lambda *_: (good[0] if spikes is None else spikes,
                       good[1] if samples is None else samples)


def answer(run, **more):
    weights = {"hidden": np.ones((3, 6), int), "readout": np.ones((2, 3), int)}
    return loop.record(run, weights, np.zeros((4, 2, 6)), **more)


def test_units_and_gains_of_any_size():
    codes = np.zeros((4, 2, 5))
    codes[1:] = 3.0
    for unit, gain in ((1.1e-9, 1.0), (9e8, 1.0), (1.0, 1.1e-9), (1.0, 9e8)):
        found = answer(replying(samples=codes), unit=unit, gain=gain, dtype=np.float64)
        assert found.mem.max() == pytest.approx(3 / unit)
        assert found.out.max() == pytest.approx(3 * gain / unit)


@pytest.mark.parametrize("dtype", [np.float32, "float64"])
def test_a_recording_is_a_copy(dtype):
    """Later writes to the buffers of the chip do not change it."""
    rng = np.random.default_rng(1)
    buffers = (rng.random((4, 2, 3)) < 0.5).astype(dtype), \
        rng.random((4, 2, 5)).astype(dtype)
    recording = answer(lambda *_: buffers, dtype=np.dtype(dtype))
    kept = [a.copy() for a in recording]
    for a in buffers:
        a[:] = 0
    for a, b in zip(recording, kept, strict=True):
        assert a.any() and np.array_equal(a, b) and a.dtype == dtype
