"""Test spike times against the integrated equation, and their derivatives."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from proofs import proves
from scipy.integrate import solve_ivp
from strategies import SEEDS
from tolerances import RTOL, RTOL_FD

from refsnn import checks, losses, spike_time
from refsnn.spike_time import backward, forward, potential, silent_cost

INF = float("inf")
LOG2 = math.log(2)
EPS32 = float(np.finfo(np.float32).eps)


def layer(seed, B=3, m=5, n=4, drive=3.0, missing=0.15):
    """Return (inputs, W, constants) with missing inputs and silent units."""
    rng = np.random.default_rng(seed)
    tau, threshold = rng.uniform(0.2, 3), rng.uniform(0.3, 2)
    inputs = rng.uniform(0.1, 3, (B, m)) * tau
    inputs[rng.random((B, m)) < missing] = INF
    W = rng.normal(drive / m, 1.0, (n, m)) * threshold / tau
    return inputs, W, {"tau": tau, "threshold": threshold}


def margins(inputs, W, out, tau, threshold):
    """Return the distance from a change of a causal set: time, slope, height."""
    with np.errstate(invalid="ignore"):
        apart = np.abs(out.times[:, :, None] - inputs[:, None, :]) / tau
    fired = np.isfinite(out.times)
    slope = out.slope[fired] * tau / threshold
    heights = []
    for b, i in zip(*np.nonzero(~fired), strict=True):
        seen = np.append(inputs[b][np.isfinite(inputs[b])], 1e3 * tau)
        U = potential(seen, inputs[[b]], W[[i]], tau=tau)
        heights.append(1 - U.max() / threshold)
    earlier = []            # peaks before the crossing, which could be touches
    for b, i in zip(*np.nonzero(fired), strict=True):
        seen = inputs[b][inputs[b] < out.times[b, i]]
        U = potential(seen, inputs[[b]], W[[i]], tau=tau)
        earlier.append(1 - U.max() / threshold)
    apart = np.nan_to_num(apart, nan=INF)
    return min([apart.min(), slope.min(initial=INF), *heights, *earlier])


@st.composite
def live_layers(draw, **sizes):
    """Draw a layer with firing and silent units, far from a change."""
    seed = draw(SEEDS)
    inputs, W, constants = layer(seed, **sizes)
    out = forward(inputs, W, **constants)
    fired = np.isfinite(out.times)
    assume(0 < fired.mean() < 1)
    assume(margins(inputs, W, out, **constants) > 5e-3)
    return inputs, W, constants, out, np.random.default_rng(seed + 1)


# ---------------------------------------------------------------- forward

def integrated(inputs, w, tau, threshold):
    """Find the first crossing of one unit by numerical integration."""
    order = np.sort(inputs[np.isfinite(inputs)])
    if not len(order):
        return INF

    def crossing(t, y):
        return y[1] - threshold
    crossing.terminal, crossing.direction = True, 1
    state = np.zeros(2)
    for start, end in zip(order, [*order[1:], order[-1] + 40 * tau], strict=True):
        state[0] += w[inputs == start].sum() if start not in order[order < start] else 0
        if end == start:
            continue
        run = solve_ivp(lambda t, y: [-y[0] / tau, y[0]], (start, end), state,
                        method="DOP853", rtol=1e-11, atol=1e-13, events=crossing)
        if len(run.t_events[0]):
            return float(run.t_events[0][0])
        state = run.y[:, -1]
    return INF


@proves("spike_time", 1, 3, 4)
@given(live_layers(B=2, m=4, n=3))
def test_times_are_those_of_the_integrated_equation(drawn):
    inputs, W, constants, out, _ = drawn
    for b, i in np.ndindex(out.times.shape):
        brute = integrated(inputs[b], W[i], **constants)
        if math.isinf(brute):
            assert math.isinf(out.times[b, i])
        else:
            assert out.times[b, i] == pytest.approx(brute, rel=RTOL_FD)


def closed_y(t_in, w, causal, tau, threshold):
    """Return y_i, the denominator of (3) and y = exp(t/tau) as printed."""
    y = np.exp(t_in[causal] / tau)
    a = w[causal].sum() - threshold / tau
    return (w[causal] * y).sum() / a, a, y


@proves("spike_time", 3, 4, 5, 6)
@given(live_layers())
def test_two_forms_of_time_and_derivative_agree(drawn):
    """Compare the closed form in y with the implicit derivative of the crossing."""
    inputs, W, constants, out, _ = drawn
    tau, threshold = constants["tau"], constants["threshold"]
    fired = np.argwhere(np.isfinite(out.times))
    assert len(fired)
    for b, i in fired:
        causal = inputs[b] <= out.times[b, i]
        np.testing.assert_array_equal(out.causal[b, i], causal)
        y_i, a, y = closed_y(inputs[b], W[i], causal, tau, threshold)
        np.testing.assert_allclose(out.times[b, i], tau * math.log(y_i), rtol=RTOL)
        ago = out.times[b, i] - inputs[b][causal]
        current = (W[i][causal] * np.exp(-ago / tau)).sum()
        np.testing.assert_allclose(out.slope[b, i], current, rtol=RTOL)
        np.testing.assert_allclose(out.slope[b, i], a, rtol=RTOL)
        dtimes = np.zeros(out.times.shape)
        dtimes[b, i] = 1
        dW, dinputs = backward(dtimes, inputs, W, out, tau=tau)
        implicit = -tau * (1 - np.exp(-ago / tau)) / current
        closed = tau / y_i * (y - y_i) / a              # dt = tau dy/y, by (3)
        np.testing.assert_allclose(dW[i][causal], implicit, rtol=RTOL)
        np.testing.assert_allclose(dW[i][causal], closed, rtol=RTOL)
        np.testing.assert_allclose(dinputs[b][causal], W[i][causal] * y / (y_i * a),
                                   rtol=RTOL)
        assert (closed < 0).all()           # a larger weight advances the spike
        assert dinputs[b].sum() == pytest.approx(1, rel=1e3 * RTOL)  # all shifted
        assert not np.delete(dW, i, axis=0).any() and not dW[i][~causal].any()
        assert not np.delete(dinputs, b, axis=0).any() and not dinputs[b][~causal].any()


@proves("spike_time", 2)
@given(live_layers())
def test_potential_meets_the_threshold_at_the_crossing_and_not_before(drawn):
    inputs, W, constants, out, _ = drawn
    for b, i in np.ndindex(out.times.shape):
        end = min(out.times[b, i], 60 * constants["tau"])
        U = potential(np.linspace(0, end, 200), inputs[[b]], W[[i]],
                      tau=constants["tau"])[:, 0, 0]
        assert (U[:-1] < constants["threshold"]).all()
        if np.isfinite(out.times[b, i]):
            assert U[-1] == pytest.approx(constants["threshold"], rel=1e2 * RTOL)


def test_one_input_by_hand():
    out = forward(np.array([[1.0]]), np.array([[2.0], [1.0], [-1.0]]), tau=1.0,
                  threshold=1.0)
    np.testing.assert_allclose(out.times[0], [1 + LOG2, INF, INF], rtol=RTOL)
    assert out.slope.tolist() == [[1.0, 0.0, 0.0]]
    assert out.causal[0, :, 0].tolist() == [True, False, False]
    # With tau = 2 s, threshold 3 and W = 3/s, U tends to 6 and is 3 at 2 s log 2.
    out = forward(np.array([[0.0]]), np.array([[3.0]]), tau=2.0, threshold=3.0)
    assert out.times[0, 0] == pytest.approx(2 * LOG2, rel=RTOL)


@pytest.mark.parametrize("dtype, tau", [
    (np.float32, 1e3), (np.float32, 1e6), (np.float64, 1e12), (np.float64, 1e17)])
def test_slow_currents_lose_no_digits(dtype, tau):
    """With constant currents, U = 2 (t - 0.25) + 2 (t - 0.5) is 1 at t = 0.625."""
    inputs, W = np.array([[0.25, 0.5]], dtype), np.array([[2, 2]], dtype)
    times = forward(inputs, W, tau=tau, threshold=1.0).times
    rel = 1 / tau + 4 * float(np.finfo(dtype).eps)
    assert times.item() == pytest.approx(0.625, rel=rel)


def test_inhibition_by_hand():
    one = {"tau": 1.0, "threshold": 1.0}
    for late, expected in ((0.1, INF), (0.6, INF), (0.7, LOG2), (INF, LOG2)):
        out = forward(np.array([[0.0, late]]), np.array([[2.0, -3.0]]), **one)
        np.testing.assert_allclose(out.times, [[expected]], rtol=RTOL)
        assert out.causal.tolist() == [[[expected < INF, False]]]
    # Weak inhibition delays the spike: z = (2 - e^.5 / 4) / (1 - 1/4).
    out = forward(np.array([[0.0, 0.5]]), np.array([[2.0, -0.25]]), **one)
    delayed = math.log((2 - math.exp(0.5) / 4) / 0.75)
    assert out.times[0, 0] == pytest.approx(delayed, rel=RTOL)
    assert delayed > LOG2


def test_a_touch_is_no_spike_and_a_tied_input_has_no_weight_yet():
    """Test inputs that arrive exactly at the time of the crossing."""
    one = {"tau": 1.0, "threshold": 1.0}
    crossing = forward(np.array([[0.0]]), np.array([[2.0]]), **one).times[0, 0]
    inputs = np.array([[0.0, crossing]])
    touched = forward(inputs, np.array([[2.0, -4.0]]), **one)
    assert touched.times.tolist() == [[INF]]
    passed = forward(inputs, np.array([[2.0, 4.0]]), **one)
    assert passed.times[0, 0] == pytest.approx(crossing, rel=RTOL)
    assert passed.causal.tolist() == [[[True, True]]]
    dW, _ = backward(np.ones((1, 1)), inputs, np.array([[2.0, 4.0]]), passed, tau=1.0)
    assert dW[0, 0] < 0 and abs(dW[0, 1]) <= 1e-15 * abs(dW[0, 0])


@pytest.mark.parametrize("tau", [0.3, 1.0, 1.7])
def test_no_spike_precedes_its_causal_inputs(tau):
    for first in np.linspace(1.1, 5, 40) / tau:
        one = {"tau": tau, "threshold": 1.0}
        crossing = forward(np.zeros((1, 1)), np.array([[first]]), **one).times[0, 0]
        out = forward(np.array([[0.0, crossing]]), np.array([[first, 1.0]]), **one)
        assert out.times[0, 0] >= crossing


@given(live_layers(), st.integers(0, 4))
def test_equal_times_act_as_one_input_in_any_order(drawn, j):
    inputs, W, constants, out, rng = drawn
    share = rng.uniform(-2, 3, len(W))
    split = np.column_stack([W, W[:, j] * share])
    split[:, j] *= 1 - share
    doubled = np.column_stack([inputs, inputs[:, j]])
    order = rng.permutation(doubled.shape[1])
    twice = forward(doubled[:, order], split[:, order], **constants)
    np.testing.assert_allclose(twice.times, out.times, rtol=1e2 * RTOL)
    causal = np.empty((*out.times.shape, len(order)), bool)
    causal[:, :, order] = twice.causal
    np.testing.assert_array_equal(causal[:, :, :-1], out.causal)
    np.testing.assert_array_equal(causal[:, :, -1], out.causal[:, :, j])


@given(live_layers(), st.floats(0.5, 5000.0))
def test_a_shift_of_time_is_a_shift_of_spikes(drawn, shift):
    inputs, W, constants, out, _ = drawn
    moved = forward(inputs + shift * constants["tau"], W, **constants)
    np.testing.assert_allclose(moved.times, out.times + shift * constants["tau"],
                               rtol=RTOL)


def test_far_times_do_not_overflow():
    inputs = np.array([[0.0, 5e3, 1e4, INF], [INF] * 4])
    W = np.array([[0.5, 0.25, 1.25, 9.0]])
    out = forward(inputs, W, tau=1.0, threshold=1.0)
    np.testing.assert_allclose(out.times, [[1e4 + math.log(1.25)], [INF]], rtol=RTOL)
    dW, dinputs = backward(np.ones((2, 1)), inputs, W, out, tau=1.0)
    np.testing.assert_allclose(dW, [[-1, -1, -0.2, 0]], rtol=1e3 * RTOL)
    np.testing.assert_allclose(dinputs, [[0, 0, 1, 0], [0] * 4], rtol=1e3 * RTOL)
    grazing = np.array([[1.0 + 1e-15]])
    out = forward(np.array([[1e-3]]), grazing, tau=1.0, threshold=1.0)
    assert 30 < out.times[0, 0] < 40 and out.slope[0, 0] > 0
    tiny = forward(np.array([[0.0]]), np.array([[2.0]]), tau=1e-3, threshold=1e-3)
    assert tiny.times[0, 0] == pytest.approx(1e-3 * LOG2, rel=RTOL)


# ---------------------------------------------------------------- derivatives

@proves("spike_time", 5, 6)
@given(live_layers())
def test_derivatives_of_spike_times(drawn):
    inputs, W, constants, out, rng = drawn
    tau, fired = constants["tau"], np.isfinite(out.times)
    shape = out.times.shape
    weights = rng.uniform(0.5, 2, shape) * rng.choice([-1, 1], shape)
    margin = margins(inputs, W, out, **constants)
    spiked = np.isfinite(inputs)

    def loss(theta):
        moved = inputs.copy()
        moved[spiked] = theta[1]
        run = forward(moved, theta[0], **constants)
        np.testing.assert_array_equal(run.causal, out.causal)
        return float(np.sum(weights[fired] * run.times[fired]))

    dW, dinputs = backward(weights, inputs, W, out, tau=tau)
    assert dW.any() and dinputs.any() and not dinputs[~spiked].any()
    theta, gradient = [W, inputs[spiked]], [dW, dinputs[spiked]]
    step = 1e-6 * min(1.0, tau)
    options = {"names": ["W", "inputs"], "rtol": RTOL_FD, "margin": margin}
    checks.directional(loss, theta, gradient, rng, step=10 * step, **options)
    checks.gradient(loss, theta, gradient, step=10 * step, **options)
    direction = [rng.standard_normal(t.shape) for t in theta]
    assert checks.taylor_slope(loss, theta, gradient, direction,
                               start=1e-2 * margin * min(1.0, tau)) > 1.9
    with pytest.raises(AssertionError, match="off by"):
        checks.gradient(loss, theta, [1.001 * dW, gradient[1]], step=10 * step,
                        **options)
    with pytest.raises(AssertionError, match="off by"):
        checks.gradient(loss, theta, [dW, 1.001 * gradient[1]], step=10 * step,
                        **options)


@given(SEEDS)
def test_two_layers_chained_by_their_input_times(seed):
    inputs, W1, constants = layer(seed, B=2, m=3, n=4, drive=8.0, missing=0)
    rng = np.random.default_rng(seed + 2)
    W2 = rng.normal(2, 1, (2, 4)) * constants["threshold"] / constants["tau"]
    hidden = forward(inputs, W1, **constants)
    out = forward(hidden.times, W2, **constants)
    assume(np.isfinite(out.times).all())
    assume(margins(inputs, W1, hidden, **constants) > 1e-2)
    assume(margins(hidden.times, W2, out, **constants) > 1e-2)
    labels = np.array([0, 1])
    options = {"scale": constants["tau"], "late": 100 * constants["tau"]}

    def loss(theta):
        first = forward(inputs, theta[0], **constants)
        second = forward(first.times, theta[1], **constants)
        np.testing.assert_array_equal(first.causal, hidden.causal)
        np.testing.assert_array_equal(second.causal, out.causal)
        return spike_time.cross_entropy(second.times, labels, **options)[0]

    _, dtimes = spike_time.cross_entropy(out.times, labels, **options)
    dW2, dhidden = backward(dtimes, hidden.times, W2, out, tau=constants["tau"])
    dW1, _ = backward(dhidden, inputs, W1, hidden, tau=constants["tau"])
    assert dW1.any() and dW2.any()
    checks.directional(loss, [W1, W2], [dW1, dW2], rng, names=["W1", "W2"],
                       rtol=RTOL_FD)


@given(live_layers())
def test_silent_units_have_no_gradient(drawn):
    inputs, W, constants, out, rng = drawn
    silent = np.isinf(out.times)
    assert silent.any() and not out.causal[silent].any() and not out.slope[silent].any()
    dW, dinputs = backward(silent.astype(float), inputs, W, out, tau=constants["tau"])
    assert not dW.any() and not dinputs.any()
    weights = rng.normal(size=out.times.shape)
    everything = backward(weights, inputs, W, out, tau=constants["tau"])
    firing = backward(np.where(silent, 1e9, weights), inputs, W, out,
                      tau=constants["tau"])
    for a, b in zip(everything, firing, strict=True):
        np.testing.assert_array_equal(a, b)


# ---------------------------------------------------------------- silent cost

@proves("spike_time", 7)
def test_silent_cost_by_hand():
    W = np.array([[1.0, 2.0], [0.5, -1.0], [1.5, 0.5]])
    value, dW = silent_cost(W, tau=0.5, threshold=1.0)         # sums must pass 2
    assert value == 2.5 and dW.tolist() == [[0, 0], [-1, -1], [0, 0]]


@proves("spike_time", 7)
@given(SEEDS)
def test_silent_cost_derivative_and_what_it_is_for(seed):
    inputs, W, constants = layer(seed, drive=0.5, missing=0)
    rng = np.random.default_rng(seed)
    margin = np.abs(W.sum(axis=1) - constants["threshold"] / constants["tau"]).min()
    value, dW = silent_cost(W, **constants)
    assume(margin > 1e-3 and value > 0)
    checks.directional(lambda w: silent_cost(w, **constants)[0], W, dW, rng,
                       rtol=RTOL_FD, margin=margin)
    checks.gradient(lambda w: silent_cost(w, **constants)[0], W, dW, rtol=RTOL_FD)
    dead = dW.any(axis=1)
    raised = W.copy()
    for _ in range(1000):
        value, dW = silent_cost(raised, **constants)
        if value == 0:
            break
        raised -= 0.1 * constants["threshold"] / constants["tau"] * dW
    assert value == 0
    revived = forward(inputs, raised, **constants).times
    assert np.isfinite(revived[:, dead]).all()      # all inputs spike: all fire
    np.testing.assert_array_equal(raised[~dead], W[~dead])


# ---------------------------------------------------------------- cross entropy

@proves("spike_time", 8, 9)
def test_cross_entropy_of_times_by_hand():
    times = np.array([[1.0, 3.0, INF, 9.0]])
    loss, dtimes = spike_time.cross_entropy(times, np.array([1]), scale=2.0, late=5.0)
    q = np.exp([-0.5, -1.5, -2.5, -2.5])
    q /= q.sum()
    assert loss == pytest.approx(-math.log(q[1]), rel=RTOL)
    np.testing.assert_allclose(dtimes, [[-q[0] / 2, (1 - q[1]) / 2, 0, 0]], rtol=RTOL)
    loss, dtimes = spike_time.cross_entropy(times, np.array([2]), scale=2.0, late=5.0)
    assert loss == pytest.approx(-math.log(q[2]), rel=RTOL)     # finite
    np.testing.assert_allclose(dtimes, [[-q[0] / 2, -q[1] / 2, 0, 0]], rtol=RTOL)
    loss, _ = spike_time.cross_entropy(np.array([[5e3, 5e3 + 1]]), np.array([0]),
                                       scale=1.0, late=1e4)
    assert loss == pytest.approx(math.log(1 + math.exp(-1)), rel=RTOL)
    at_late, dtimes = spike_time.cross_entropy(np.array([[5.0, 5.0]]), np.array([0]),
                                               scale=1.0, late=5.0)
    assert at_late == pytest.approx(LOG2, rel=RTOL) and not dtimes.any()


@proves("spike_time", 9)
@given(SEEDS, st.floats(0.2, 4.0))
def test_cross_entropy_of_times_derivative(seed, scale):
    rng = np.random.default_rng(seed)
    times, late = rng.uniform(0.5, 4, (3, 4)), 3.0
    labels = rng.integers(0, 4, 3)
    margin = np.abs(times - late).min()
    assume(margin > 1e-3 and (times < late).any())
    loss, dtimes = spike_time.cross_entropy(times, labels, scale=scale, late=late)

    def f(t):
        return spike_time.cross_entropy(t, labels, scale=scale, late=late)[0]

    checks.gradient(f, times, dtimes, rtol=RTOL_FD, margin=margin)
    checks.directional(f, times, dtimes, rng, rtol=RTOL_FD, margin=margin)
    assert not dtimes[times > late].any()
    pinned, dscores = losses.cross_entropy(-np.minimum(times, late)[None] / scale,
                                           labels, "last")
    np.testing.assert_allclose(loss, pinned, rtol=RTOL)
    np.testing.assert_allclose(dtimes, np.where(times < late, -dscores[0] / scale, 0),
                               rtol=RTOL)


# ---------------------------------------------------------------- latency

@proves("spike_time", 10)
def test_latency_loss_by_hand():
    times = np.array([[2.0, 0.5, INF], [INF, 3.0, INF]])
    loss, dtimes = spike_time.latency(times, np.ones((2, 3)), late=2.5)
    assert loss == (1 + 0.25 + 4 * 2.25) / 4
    assert dtimes.tolist() == [[0.5, -0.25, 0], [0, 0, 0]]


# ---------------------------------------------------------------- all of them

def test_float32_is_kept_and_inputs_too():
    inputs, W, constants = layer(4)
    inputs.setflags(write=False)
    W.setflags(write=False)
    tau, labels = constants["tau"], np.array([0, 1, 2])
    results = []
    for dtype in (np.float64, np.float32):
        t, w = inputs.astype(dtype), W.astype(dtype)
        out = forward(t, w, **constants)
        weights = np.ones(out.times.shape, dtype)
        loss, dtimes = spike_time.cross_entropy(out.times, labels, scale=tau,
                                                late=9 * tau)
        value, dcost = silent_cost(w, **constants)
        assert isinstance(loss, float) and isinstance(value, float)
        arrays = [out.times, out.slope, dtimes, dcost,
                  *backward(weights, t, w, out, tau=tau),
                  potential([0.5 * tau, 2 * tau], t, w, tau=tau)]
        assert {a.dtype for a in arrays} == {np.dtype(dtype)}
        assert out.causal.dtype == bool
        results.append([out.causal, np.array([loss, value]), *arrays])
    assert 0 < np.isfinite(results[0][2]).mean() < 1
    for double, single in zip(*results, strict=True):
        finite = double[np.isfinite(double)]
        np.testing.assert_allclose(single, double, rtol=1e3 * EPS32,
                                   atol=1e2 * EPS32 * np.abs(finite).max(initial=1))


def test_derivatives_have_the_dtype_of_the_weights():
    W, inputs = np.ones((2, 3), np.float32), np.zeros((1, 3), np.float32)
    out = forward(inputs, W, tau=1.0, threshold=0.5)
    for crossing in (out, out._replace(times=out.times.astype(float))):
        found = backward(np.ones((1, 2)), inputs, W, crossing, tau=1.0)
        assert [a.dtype for a in found] == [np.float32] * 2


def test_derivatives_of_silent_units_may_be_infinite():
    inputs, W = np.array([[1.0]]), np.array([[2.0], [0.1]])
    found = forward(inputs, W, tau=1.0, threshold=1.0)
    assert np.isinf(found.times).tolist() == [[False, True]]
    dtimes = 2 * (found.times - 1)
    dW, dinputs = backward(dtimes, inputs, W, found, tau=1.0)
    wanted = backward(np.where(np.isinf(dtimes), 0, dtimes), inputs, W, found, tau=1.0)
    assert dW.all(axis=1).tolist() == [True, False]
    assert np.array_equal(dW, wanted[0]) and np.array_equal(dinputs, wanted[1])
    with pytest.raises(ValueError, match="^dtimes is nan at index"):
        backward(np.full((1, 2), np.nan), inputs, W, found, tau=1.0)
