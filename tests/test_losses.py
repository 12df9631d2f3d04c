"""Test losses and regularisers: values by hand, derivatives by differences."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from proofs import proves
from strategies import SEEDS, labelled_records, spike_trains
from tolerances import RTOL, RTOL_FD

from refsnn import checks, lif, losses
from refsnn.losses import burst, lower_bound, total, upper_bound

REDUCTIONS = st.sampled_from(("max", "sum", "last"))
TIMES = st.floats(0.5, 20.0)            # time constants, in steps of dt = 1
BOUNDED = pytest.mark.parametrize("bounded, sign", [(lower_bound, -1),
                                                    (upper_bound, 1)])
PER = st.sampled_from(("neuron", "population"))
POWER = st.sampled_from((1, 2))
EPS32 = float(np.finfo(np.float32).eps)


def proved(f, theta, derivative, seed=0, margin=None):
    """Check a derivative by entry, along a direction and by its Taylor slope."""
    rng = np.random.default_rng(seed)
    checks.directional(f, theta, derivative, rng, rtol=RTOL_FD, margin=margin)
    checks.gradient(f, theta, derivative, rtol=RTOL_FD, margin=margin)
    direction = rng.standard_normal(theta.shape)
    start = 1e-2 if margin is None else min(1e-2, margin / 10)
    assert checks.taylor_slope(f, theta, derivative, direction, start=start) > 1.9
    with pytest.raises(AssertionError, match="off by"):
        checks.gradient(f, theta, 1.001 * derivative, rtol=RTOL_FD)


# ---------------------------------------------------------------- cross entropy

@proves("losses", 1, 3, 4, 5)
@pytest.mark.parametrize("reduction, step", [("max", [1, 2]), ("last", [2, 2])])
def test_cross_entropy_by_hand(reduction, step):
    record = np.array([[[0, 0]], [[math.log(3), -2]], [[0, 0]]], float)
    if reduction == "last":
        record[2, 0, 0] = math.log(3)
    loss, drecord = losses.cross_entropy(record, np.array([0]), reduction)
    assert loss == pytest.approx(math.log(4 / 3), rel=RTOL)
    expected = np.zeros_like(record)
    expected[step[0], 0, 0], expected[step[1], 0, 1] = -0.25, 0.25
    np.testing.assert_allclose(drecord, expected, rtol=RTOL)


@proves("losses", 2, 4, 5)
def test_cross_entropy_of_spike_counts_by_hand():
    spikes = np.zeros((5, 1, 3))
    spikes[1:4, 0, 1] = spikes[:2, 0, 2] = 1
    loss, dspikes = losses.cross_entropy(spikes, np.array([2]), "sum")
    p = np.exp([0, 3, 2]) / np.exp([0, 3, 2]).sum()
    assert loss == pytest.approx(-math.log(p[2]), rel=RTOL)
    np.testing.assert_allclose(dspikes, np.broadcast_to(p - [0, 0, 1], (5, 1, 3)),
                               rtol=RTOL)


@proves("losses", 5)
@given(labelled_records(), REDUCTIONS)
def test_cross_entropy_derivative(drawn, reduction):
    record, labels, _ = drawn
    top = np.sort(record, axis=0)[-2:]
    margin = float((top[-1] - top[0]).min()) if len(record) > 1 else 1.0
    assume(reduction != "max" or margin > 1e-3)
    loss, drecord = losses.cross_entropy(record, labels, reduction)
    assert isinstance(loss, float) and loss > 0
    proved(lambda r: losses.cross_entropy(r, labels, reduction)[0], record, drecord,
           margin=margin if reduction == "max" else None)


@given(labelled_records(), REDUCTIONS)
def test_loss_is_a_batch_mean_of_its_columns(drawn, reduction):
    record, labels, _ = drawn
    loss, drecord = losses.cross_entropy(record, labels, reduction)
    columns = [losses.cross_entropy(record[:, [b]], labels[[b]], reduction)
               for b in range(len(labels))]
    assert loss == pytest.approx(np.mean([c[0] for c in columns]), rel=RTOL)
    np.testing.assert_allclose(
        drecord, np.concatenate([c[1] for c in columns], axis=1) / len(labels),
        rtol=RTOL)


@given(labelled_records(T=(2, 6)), st.floats(-300, 300))
def test_adding_a_constant_changes_nothing(drawn, constant):
    record, labels, _ = drawn
    loss, drecord = losses.cross_entropy(record, labels, "last")
    moved = losses.cross_entropy(record + constant, labels, "last")
    np.testing.assert_allclose(moved[0], loss, rtol=RTOL, atol=1e3 * RTOL)
    np.testing.assert_allclose(moved[1], drecord, rtol=RTOL, atol=RTOL)


def test_huge_scores_do_not_overflow():
    record = np.array([[[1e4, -1e4, 9e3]]])
    loss, drecord = losses.cross_entropy(record, np.array([1]))
    assert loss == 2e4 and drecord.tolist() == [[[1.0, -1.0, 0.0]]]
    assert losses.cross_entropy(record, np.array([0]))[0] == 0
    both = np.concatenate([record, np.zeros_like(record)], axis=1)
    assert losses.cross_entropy(both, np.array([0, 2]))[0] == np.log(3) / 2


def test_last_of_tied_steps_carries_the_derivative():
    record = np.zeros((5, 1, 2))
    record[[1, 3], 0, 0] = 2
    _, drecord = losses.cross_entropy(record, np.array([0]))
    assert np.nonzero(drecord[:, 0, 0])[0].tolist() == [3]
    assert np.nonzero(drecord[:, 0, 1])[0].tolist() == [4]


@given(SEEDS)
def test_silent_readout_learns_only_by_the_last_tied_step(seed):
    """Test that the last of tied steps passes a gradient to a silent readout.

    A readout whose weights are 0 stays at 0, so all steps tie.  Step 0 is at
    rest for any weights, so a gradient through it reaches no weight.
    """
    rng = np.random.default_rng(seed)
    T, B, m, k = 7, 3, 4, 2
    x = (rng.random((T, B, m)) < 0.5).astype(float)
    x[:2] = 1
    W, decays = np.zeros((k, m)), {"alpha": 0.8, "beta": 0.9}
    record = lif.readout(x, W, **decays)
    assert not record.any()
    _, drecord = losses.cross_entropy(record, np.array([0, 1, 1]), "max")
    assert not drecord[:-1].any() and drecord[-1].all()
    assert lif.readout_backward(x, W, drecord, **decays).dW.all()
    first = np.zeros_like(drecord)
    first[0] = drecord[-1]
    assert not lif.readout_backward(x, W, first, **decays).dW.any()


# ---------------------------------------------------------------- accuracy

def test_accuracy_by_hand():
    record = np.zeros((3, 2, 2))
    record[1, 0] = 5, 1          # max: 0   sum: 1   last: 1
    record[2, 0] = -4, 1
    record[:, 1, 1] = 1          # 1 in all
    for reduction, right in (("max", [0, 1]), ("sum", [1, 1]), ("last", [1, 1])):
        right = np.array(right)
        assert losses.accuracy(record, right, reduction) == 1.0
        assert losses.accuracy(record, 1 - right, reduction) == 0.0
        assert losses.accuracy(record, [right[0], 1 - right[1]], reduction) == 0.5
    assert losses.accuracy(record, np.array([0, 1])) == 1.0         # of the maxima
    tied = np.zeros((3, 1, 4))
    for reduction in ("max", "sum", "last", "first"):
        assert losses.accuracy(tied, [0], reduction) == 1.0     # the lowest class
        assert losses.accuracy(tied, [3], reduction) == 0.0


def test_accuracy_of_the_first_spike():
    spikes = np.zeros((4, 2, 3))
    spikes[2:, 0, 0] = spikes[1, 0, 2] = 1      # unit 2 is first, 0 spikes more
    spikes[3, 1, 1] = 1                         # the only one
    assert losses.accuracy(spikes, np.array([2, 1]), "first") == 1.0
    assert losses.accuracy(spikes, np.array([0, 1]), "first") == 0.5


# ---------------------------------------------------------------- first spike time

@proves("losses", 4, 6, 7)
def test_first_spike_time_by_hand():
    spikes = np.zeros((5, 1, 3))
    spikes[[1, 3], 0, 0] = spikes[2, 0, 1] = 1  # times 1 dt, 2 dt and 5 dt
    dt, tau = 1e-3, 2e-3
    loss, dspikes = losses.first_spike_time(spikes, np.array([1]), tau, dt)
    q = np.exp([-0.5, -1, -2.5])
    assert loss == pytest.approx(-math.log(q[1] / q.sum()), rel=RTOL)
    # dt_k/dS[s] by hand, in units of dt: the delay that a spike in step s removes
    steps = np.array([[-1, -2, -5], [-2, -1, -4], [0, -3, -3], [0, 0, -2], [0, 0, -1]])
    expected = steps / 2 * ([0, 1, 0] - q / q.sum())
    np.testing.assert_allclose(dspikes[:, 0], expected, rtol=RTOL)


def brute_first_spike(S, s):
    """Return t/dt and its derivative by S[s], from products without factor s."""
    T = len(S)
    t = sum(math.prod(1 - S[:k + 1]) for k in range(T))
    d = -sum(math.prod(np.delete(1 - S[:k + 1], s)) for k in range(s, T))
    return t, d


@proves("losses", 6, 7)
@given(labelled_records(T=(1, 9)), st.booleans(), st.floats(0.2, 5.0), SEEDS)
def test_first_spike_time_derivative(drawn, binary, tau, seed):
    record, labels, _ = drawn
    rng = np.random.default_rng(seed)
    S = rng.random(record.shape)
    S = (S < 0.3).astype(float) if binary else S
    dt = 0.5
    loss, dspikes = losses.first_spike_time(S, labels, tau * dt * 3, dt)
    assert loss > 0 and dspikes.any()
    proved(lambda s: losses.first_spike_time(s, labels, tau * dt * 3, dt)[0], S,
           dspikes, seed)
    T, B, k = S.shape
    t = np.empty((B, k))
    dt_dS = np.empty((T, B, k))
    for b, c, s in np.ndindex(B, k, T):
        t[b, c], dt_dS[s, b, c] = brute_first_spike(S[:, b, c], s)
    q = np.exp(-t / tau / 3)
    q /= q.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(loss, -np.log(q[np.arange(B), labels]).mean(), rtol=RTOL)
    np.testing.assert_allclose(
        dspikes, dt_dS / (3 * tau * B) * (np.eye(k)[labels] - q), rtol=RTOL,
        atol=RTOL * np.abs(dspikes).max())


@given(spike_trains(n=(2, 4)))
def test_first_spike_time_counts_steps(drawn):
    spikes, _ = drawn
    T, B, n = spikes.shape
    steps = np.where(spikes.any(axis=0), spikes.argmax(axis=0), T)
    labels = np.zeros(B, int)
    loss, _ = losses.first_spike_time(spikes, labels, 0.3, 0.1)
    expected, _ = losses.cross_entropy(-steps[None] / 3.0, labels, "last")
    assert loss == pytest.approx(expected, rel=RTOL)


def test_silent_output_units_have_a_gradient():
    T = 6
    loss, dspikes = losses.first_spike_time(np.zeros((T, 1, 2)), np.array([0]), 1., 1.)
    assert loss == pytest.approx(math.log(2), rel=RTOL)
    np.testing.assert_allclose(dspikes[:, 0, 0], -0.5 * np.arange(T, 0, -1), rtol=RTOL)
    np.testing.assert_allclose(dspikes[:, 0, 1], 0.5 * np.arange(T, 0, -1), rtol=RTOL)


# ---------------------------------------------------------------- van Rossum

def kernel(T, tau_rise, tau_decay, dt):
    """Return the kernel (8), summed term by term."""
    a, b = math.exp(-dt / tau_rise), math.exp(-dt / tau_decay)
    return np.array([(1 - a) * (1 - b) / dt
                     * sum(a**i * b**(t - 1 - i) for i in range(t)) for t in range(T)])


def toeplitz(K):
    T = len(K)
    return np.array([[K[t - s] if t >= s else 0.0 for s in range(T)] for t in range(T)])


@proves("losses", 8, 9, 10)
@given(spike_trains(), TIMES, TIMES, st.booleans(), st.sampled_from((1e-3, 0.5, 2.0)))
def test_van_rossum_is_the_dense_convolution(drawn, rise, decay, equal, dt):
    spikes, rng = drawn
    target = (rng.random(spikes.shape) < 0.3).astype(float)
    assume((spikes[:-1] != target[:-1]).any())
    rise, decay = rise * dt, (rise if equal else decay) * dt
    K = toeplitz(kernel(len(spikes), rise, decay, dt))
    e = np.einsum("ts,sbi->tbi", K, spikes - target)
    loss, dspikes = losses.van_rossum(spikes, target, rise, decay, dt)
    B = spikes.shape[1]
    assert loss > 0 and dspikes.any()
    assert loss == pytest.approx(dt / (2 * B) * np.sum(e * e), rel=RTOL)
    np.testing.assert_allclose(dspikes, dt / B * np.einsum("ts,tbi->sbi", K, e),
                               rtol=RTOL, atol=RTOL * np.abs(dspikes).max())


@proves("losses", 10)
@given(spike_trains(), TIMES, TIMES)
def test_van_rossum_derivative(drawn, rise, decay):
    spikes, rng = drawn
    target = (rng.random(spikes.shape) < 0.3).astype(float)
    assume((spikes[:-1] != target[:-1]).any())

    def f(s):
        return losses.van_rossum(s, target, rise, decay, 1.0)[0]

    proved(f, spikes, losses.van_rossum(spikes, target, rise, decay, 1.0)[1])


@given(spike_trains(), TIMES, TIMES, SEEDS)
def test_van_rossum_is_a_symmetric_quadratic_form(drawn, rise, decay, seed):
    spikes, rng = drawn
    zero = np.zeros_like(spikes)

    def field(s):
        return losses.van_rossum(s, zero, rise, decay, 0.5)[1]

    shape = spikes.shape
    assert checks.adjoint_gap(field, field, shape, shape, rng) < RTOL
    noise = rng.normal(size=shape)
    loss, dspikes = losses.van_rossum(noise, zero, rise, decay, 0.5)
    assert loss == pytest.approx(0.5 * np.sum(noise * dspikes), rel=RTOL)
    assert losses.van_rossum(spikes, spikes, rise, decay, 0.5)[0] == 0


@given(TIMES, TIMES, st.sampled_from((1e-3, 1.0)))
def test_kernel_is_of_unit_area(rise, decay, dt):
    """Test that one spike in each step gives the smoothed rate 1/dt in the end."""
    T = int(40 * max(rise, decay)) + 5
    spikes = np.ones((T, 1, 1))
    long, short = (losses.van_rossum(s, 0 * s, rise * dt, decay * dt, dt)[0]
                   for s in (spikes, spikes[1:]))
    assert long - short == pytest.approx(0.5 * dt * (1 / dt) ** 2, rel=RTOL * T)
    assert dt * kernel(T, rise * dt, decay * dt, dt).sum() == pytest.approx(1, rel=RTOL)


def test_kernel_is_a_sampled_double_exponential():
    """Test that each further step adds dt K[t]^2 / 2 to the loss of one spike."""
    spikes, dt = np.zeros((31, 1, 1)), 0.5
    spikes[0] = 1
    loss = [losses.van_rossum(spikes[:T], 0 * spikes[:T], 1.5, 4.0, dt)[0]
            for T in range(1, 31)]
    assert loss[0] == 0
    K = np.sqrt(2 / dt * np.diff(loss))
    t = dt * np.arange(1, 30)
    shape = np.exp(-t / 4.0) - np.exp(-t / 1.5)
    np.testing.assert_allclose(K / K[0], shape / shape[0], rtol=RTOL)


def test_equal_time_constants_are_the_limit_and_their_order_is_nothing():
    rng = np.random.default_rng(2)
    spikes = (rng.random((40, 2, 3)) < 0.2).astype(float)
    zero = np.zeros_like(spikes)
    equal = losses.van_rossum(spikes, zero, 5.0, 5.0, 1.0)
    near = losses.van_rossum(spikes, zero, 5.0, 5.0 * (1 + 1e-7), 1.0)
    np.testing.assert_allclose(near[0], equal[0], rtol=RTOL_FD)
    np.testing.assert_allclose(near[1], equal[1], rtol=RTOL_FD)
    there = losses.van_rossum(spikes, zero, 5.0, 9.0, 1.0)
    back = losses.van_rossum(spikes, zero, 9.0, 5.0, 1.0)
    np.testing.assert_allclose(there[0], back[0], rtol=RTOL)
    np.testing.assert_allclose(there[1], back[1], rtol=RTOL)


# ---------------------------------------------------------------- square

@proves("losses", 11, 12)
def test_square_by_hand():
    record = np.array([[[1.0, 2.0]], [[0.0, -1.0]]])
    target = np.array([[[0, 0]], [[0, 1]]])
    loss, drecord = losses.square(record, target)
    assert loss == 0.5 * (1 + 4 + 4)
    assert drecord.tolist() == [[[1.0, 2.0]], [[0.0, -2.0]]]
    twice = losses.square(np.tile(record, (1, 2, 1)), np.tile(target, (1, 2, 1)))
    assert twice[0] == loss and twice[1][:, :1].tolist() == (drecord / 2).tolist()


@proves("losses", 12)
@given(labelled_records())
def test_square_derivative(drawn):
    record, _, rng = drawn
    target = rng.normal(size=record.shape)
    proved(lambda r: losses.square(r, target)[0], record,
           losses.square(record, target)[1])


# ---------------------------------------------------------------- regularisers

def three_neurons():
    """Return spikes of two samples, with the counts 3 0 1 and 0 0 2."""
    spikes = np.zeros((4, 2, 3))
    spikes[1:, 0, 0] = spikes[2, 0, 2] = spikes[:2, 1, 2] = 1
    return spikes


@proves("losses", 13, 14, 15, 16)
@pytest.mark.parametrize("f, per, bound, power, value, slopes", [
    (lower_bound, "neuron", 2, 2, (4 + 1 + 4 + 4) / 6,
     [[0, -4 / 6, -2 / 6], [-4 / 6, -4 / 6, 0]]),
    (lower_bound, "neuron", 2, 1, (2 + 1 + 2 + 2) / 6,
     [[0, -1 / 6, -1 / 6], [-1 / 6, -1 / 6, 0]]),
    (upper_bound, "neuron", 1, 2, (4 + 1) / 6, [[4 / 6, 0, 0], [0, 0, 2 / 6]]),
    (upper_bound, "neuron", 1, 1, 3 / 6, [[1 / 6, 0, 0], [0, 0, 1 / 6]]),
    (lower_bound, "population", 1, 2, (1 / 9) / 2, [[0] * 3, [-1 / 9] * 3]),
    (upper_bound, "population", 1, 2, (1 / 9) / 2, [[1 / 9] * 3, [0] * 3]),
    (upper_bound, "population", 1, 1, (1 / 3) / 2, [[1 / 6] * 3, [0] * 3]),
])
def test_bounds_by_hand(f, per, bound, power, value, slopes):
    got, dspikes = f(three_neurons(), bound, per, power)
    assert got == pytest.approx(value, rel=RTOL)
    scale = np.abs(slopes).max()
    np.testing.assert_allclose(dspikes, np.broadcast_to(
        np.array(slopes)[None], (4, 2, 3)), rtol=RTOL, atol=RTOL * scale)


def test_defaults_are_neurons_below_and_the_population_above():
    spikes = three_neurons()
    assert lower_bound(spikes, 2)[0] == lower_bound(spikes, 2, "neuron", 2)[0]
    assert upper_bound(spikes, 1)[0] == upper_bound(spikes, 1, "population", 2)[0]


@proves("losses", 17, 18)
def test_burst_and_total_by_hand():
    spikes = three_neurons()
    value, dspikes = burst(spikes)
    assert value == pytest.approx((9 + 1 + 4) / 6, rel=RTOL)
    np.testing.assert_allclose(
        dspikes, np.broadcast_to([[[1, 0, 1 / 3], [0, 0, 2 / 3]]], (4, 2, 3)),
        rtol=RTOL)
    value, dspikes = total(spikes)
    assert value == 3.0 and (dspikes == 0.5).all() and dspikes.shape == (4, 2, 3)


@BOUNDED
@given(drawn=spike_trains(), per=PER, power=POWER, seed=SEEDS)
def test_derivatives_of_the_bounds(bounded, sign, drawn, per, power, seed):
    spikes, _ = drawn
    rng = np.random.default_rng(seed)
    counts = spikes.sum(axis=0)
    if per == "population":
        counts = counts.mean(axis=1)
    bound = rng.uniform(counts.min(), counts.max() + 0.5) if sign < 0 \
        else rng.uniform(max(0, counts.min() - 0.5), counts.max())
    margin = np.abs(counts - bound).min()
    assume(margin > 1e-2)
    value, dspikes = bounded(spikes, bound, per, power)
    violated = sign * (counts - bound) > 0
    assume(violated.any())
    assert value > 0 and dspikes.any()

    def f(s):
        return bounded(s, bound, per, power)[0]

    checks.gradient(f, spikes, dspikes, rtol=RTOL_FD, margin=margin)
    checks.directional(f, spikes, dspikes, rng, rtol=RTOL_FD, margin=margin)
    if power == 2:
        direction = rng.standard_normal(spikes.shape)
        assert checks.taylor_slope(f, spikes, dspikes, direction,
                                   start=1e-3 * margin) > 1.9
    with pytest.raises(AssertionError, match="off by"):
        checks.gradient(f, spikes, 1.001 * dspikes, rtol=RTOL_FD)


@given(spike_trains(), SEEDS)
def test_derivatives_of_burst_and_total(drawn, seed):
    spikes, _ = drawn
    rng = np.random.default_rng(seed)
    for f in (burst, total):
        value, dspikes = f(spikes)
        assert value > 0
        checks.gradient(lambda s, f=f: f(s)[0], spikes, dspikes, rtol=RTOL_FD)
        checks.directional(lambda s, f=f: f(s)[0], spikes, dspikes, rng, rtol=RTOL_FD)
        assert checks.taylor_slope(lambda s, f=f: f(s)[0], spikes, dspikes,
                                   rng.standard_normal(spikes.shape)) > 1.9


@BOUNDED
@pytest.mark.parametrize("per", ["neuron", "population"])
@pytest.mark.parametrize("power", [1, 2])
def test_a_bound_met_exactly_has_no_derivative(bounded, sign, per, power):
    spikes = np.zeros((4, 2, 3))
    spikes[:2] = 1                                       # all counts are 2
    value, dspikes = bounded(spikes, 2, per, power)
    assert value == 0 and not dspikes.any()
    value, dspikes = bounded(spikes, 2 - sign, per, power)
    assert value == 1 and (sign * dspikes > 0).all()
    value, dspikes = bounded(spikes, 2 + sign, per, power)
    assert value == 0 and not dspikes.any()


@given(spike_trains(), PER, POWER)
def test_values_are_batch_means(drawn, per, power):
    spikes, _ = drawn
    B = spikes.shape[1]
    for f in (burst, total, lambda s: lower_bound(s, 3.3, per, power),
              lambda s: upper_bound(s, 0.7, per, power)):
        value, dspikes = f(spikes)
        columns = [f(spikes[:, [b]]) for b in range(B)]
        assert value == pytest.approx(np.mean([c[0] for c in columns]), rel=RTOL)
        np.testing.assert_allclose(
            dspikes, np.concatenate([c[1] for c in columns], axis=1) / B, rtol=RTOL)


@given(spike_trains(), st.floats(0.5, 6.0))
def test_published_terms_of_other_scale(drawn, bound):
    spikes, _ = drawn
    T, B, n = spikes.shape
    assert B * total(spikes)[0] == pytest.approx(spikes.sum(), rel=RTOL)
    strung, dstrung = burst(spikes.reshape(T * B, 1, n))
    batch_counts = spikes.sum(axis=(0, 1))
    assert strung == pytest.approx(np.mean(batch_counts ** 2), rel=RTOL)
    np.testing.assert_allclose(
        dstrung.reshape(T, B, n),
        np.broadcast_to(2 * batch_counts / n, spikes.shape), rtol=RTOL)
    layer = np.mean(np.maximum(0, spikes.sum(axis=(0, 2)) - bound) ** 2)
    ours = n * n * upper_bound(spikes, bound / n, "population")[0]
    assert ours == pytest.approx(layer, rel=RTOL, abs=RTOL)


def test_one_neuron_is_its_population():
    spikes = three_neurons()[:, :, :1]
    for f in (lower_bound, upper_bound):
        neuron, population = f(spikes, 1, "neuron"), f(spikes, 1, "population")
        assert neuron[0] == population[0] > 0
        np.testing.assert_array_equal(neuron[1], population[1])


# ---------------------------------------------------------------- all of them

ALL = {
    "cross_entropy": lambda r: losses.cross_entropy(r, np.array([0, 2])),
    "sum": lambda r: losses.cross_entropy(r, np.array([0, 2]), "sum"),
    "last": lambda r: losses.cross_entropy(r, np.array([0, 2]), "last"),
    "first_spike_time": lambda r: losses.first_spike_time(r, np.array([0, 2]), 2., 1.),
    "van_rossum": lambda r: losses.van_rossum(r, np.zeros((6, 2, 3), bool), 3., 2., 1.),
    "square": lambda r: losses.square(r, np.zeros((6, 2, 3), np.int8)),
}


@pytest.mark.parametrize("name", ALL)
def test_float32_is_kept_and_inputs_too(name):
    record = np.random.default_rng(8).random((6, 2, 3))
    record.setflags(write=False)
    loss, derivative = ALL[name](record)
    single = record.astype(np.float32)
    loss32, derivative32 = ALL[name](single)
    assert derivative.dtype == np.float64 and derivative32.dtype == np.float32
    assert derivative.shape == derivative32.shape == record.shape
    assert isinstance(loss, float) and isinstance(loss32, float)
    assert loss32 == pytest.approx(loss, rel=64 * EPS32)
    np.testing.assert_allclose(derivative32, derivative, rtol=64 * EPS32,
                               atol=64 * EPS32 * np.abs(derivative).max())
    derivative += 1
    ALL[name](record)


REGULARISERS = {
    "burst": burst,
    "total": total,
    "lower": lambda s: lower_bound(s, 2.5),
    "upper": lambda s: upper_bound(s, 0.4),
    "lower L1": lambda s: lower_bound(s, 2.5, "population", 1),
    "upper L1": lambda s: upper_bound(s, 0.4, "neuron", 1),
}


@pytest.mark.parametrize("name", REGULARISERS)
def test_float32_is_kept_by_regularisers(name):
    spikes = three_neurons()
    spikes.setflags(write=False)
    value, dspikes = REGULARISERS[name](spikes)
    value32, dspikes32 = REGULARISERS[name](spikes.astype(np.float32))
    assert isinstance(value, float) and isinstance(value32, float) and value > 0
    assert dspikes.dtype == np.float64 and dspikes32.dtype == np.float32
    assert value32 == pytest.approx(value, rel=8 * EPS32)
    np.testing.assert_allclose(dspikes32, dspikes, rtol=8 * EPS32)
    dspikes += 1            # writable, and no view of anything


def test_surface():
    assert losses.__all__ == [
        "accuracy", "burst", "cross_entropy", "first_spike_time", "lower_bound",
        "square", "total", "upper_bound", "van_rossum"]
