"""Test the feedback rules: exactness, frozen differences and negative controls."""

import numpy as np
import proofs
import strategies
from hypothesis import given
from hypothesis import strategies as st
from proofs import proves
from tolerances import RTOL, RTOL_FD

from refsnn import checks, feedback, lif, losses

HALF = {"alpha": 0.5, "beta": 0.5}


def above(net, k=3):
    """Return weights, gradient and error of a readout of the layer's spikes."""
    G = net.rng.normal(size=(k, len(net.W)))
    dmem = net.rng.normal(size=(*net.x.shape[:2], k))
    grad = lif.readout_backward(net.recording.spikes, G, dmem, **HALF)
    return G, grad, dmem


@proves("feedback", 1)
@given(strategies.live_lif())
def test_transport_by_the_weights_is_backpropagation(net):
    G, grad, _ = above(net)
    e = feedback.transport(grad.dsyn, G)
    assert np.abs(e).max() > 0 and not e[-1].any()
    np.testing.assert_allclose(e, grad.dx, rtol=RTOL,
                               atol=RTOL * np.abs(grad.dx).max())


@given(strategies.live_lif(), st.sampled_from(("alignment", "direct", "square",
                                              "cross_entropy")))
def test_a_random_rule_is_the_gradient_with_its_error_recorded(net, rule):
    """Compare dW with differences of sum_t <e[t], S[t]> with e recorded."""
    if proofs.margin(net, "arctan", 2.0) < 1e-3:
        return
    function = proofs.surrogate("arctan", 2.0)
    rec = net.recording
    _, grad, dmem = above(net)
    B = net.rng.normal(size=(3, len(net.W)))
    if rule == "alignment":
        e = feedback.transport(grad.dsyn, B)
    elif rule == "direct":
        e = feedback.direct(dmem, B)
    elif rule == "square":
        e = feedback.local_square(rec.spikes, B, dmem)[1]
    else:
        labels = net.rng.integers(0, 3, net.x.shape[1])
        e = feedback.local_cross_entropy(rec.spikes, B, labels)[1]
    psi = function(rec.mem - net.model["threshold"])[1]
    dW = lif.backward(net.x, net.W, net.V, rec, psi, e, **net.model, **net.paths).dW
    run = proofs.anchored_run(net, function, **net.paths)
    loss = checks.frozen(lambda W, e: float(np.sum(e * run(W, net.V, net.x).spikes)), e)
    checks.directional(loss, net.W, dW, net.rng, rtol=RTOL_FD)


@given(strategies.live_lif())
def test_random_feedback_differs_from_backpropagation(net):
    G, grad, dmem = above(net)
    B = net.rng.normal(size=G.shape)
    for e in (feedback.transport(grad.dsyn, B), feedback.direct(dmem, B)):
        assert abs(feedback.alignment(e, grad.dx)) < 0.999


@proves("feedback", 6, 7)
@given(strategies.live_lif(reset="subtract", recurrent=False, refractory=0,
                           per_neuron=False))
def test_three_factors_are_exact_where_the_reset_is_a_recorded_term(net):
    rec = net.recording
    psi = proofs.surrogate("fast_sigmoid", 2.0)(rec.mem - net.model["threshold"])[1]
    e = net.rng.normal(size=psi.shape)
    constants = {k: net.model[k] for k in ("alpha", "beta", "gain")}
    trace = feedback.presynaptic_trace(net.x, **constants)
    dW = feedback.three_factor(psi * e, trace)
    exact = lif.backward(net.x, net.W, None, rec, psi, e, **net.model,
                         through_reset=False).dW
    assert np.linalg.norm(dW) > 0
    np.testing.assert_allclose(dW, exact, rtol=RTOL, atol=RTOL * np.linalg.norm(dW))
    full = lif.backward(net.x, net.W, None, rec, psi, e, **net.model).dW
    assert np.linalg.norm(full - dW) > 1e-6 * np.linalg.norm(dW)


def test_three_factors_differ_with_a_hard_reset():
    x = np.ones((8, 1, 1))
    rec = lif.simulate(x, [[0.8]], reset="zero", **HALF)
    assert 0 < rec.spikes.sum() < 6
    psi = np.ones_like(rec.mem)
    exact = lif.backward(x, [[0.8]], None, rec, psi, psi, reset="zero",
                         through_reset=False, **HALF).dW
    trace = feedback.presynaptic_trace(x, **HALF)
    assert feedback.three_factor(psi, trace) > 1.5 * exact


@proves("feedback", 6)
def test_trace_is_the_membrane_per_weight():
    rng = np.random.default_rng(0)
    x = rng.random((9, 2, 3))
    trace = feedback.presynaptic_trace(x, alpha=0.3, beta=0.8, gain=0.2)
    W = rng.normal(size=(2, 3))
    np.testing.assert_allclose(trace @ W.T, lif.readout(x, W, alpha=0.3, beta=0.8,
                                                        gain=0.2), rtol=1e-9)
    one = feedback.presynaptic_trace(x, alpha=0.3, beta=0.8)
    np.testing.assert_allclose(0.2 * one, trace, rtol=1e-12)


@proves("feedback", 3, 4, 5)
@given(strategies.spike_trains(), st.integers(2, 4))
def test_local_losses_by_differences(drawn, k):
    spikes, rng = drawn
    G = rng.normal(size=(k, spikes.shape[2]))
    target = rng.normal(size=(*spikes.shape[:2], k))
    labels = rng.integers(0, k, spikes.shape[1])
    for rule, wanted in ((feedback.local_square, target),
                         (feedback.local_cross_entropy, labels)):
        checks.directional(lambda s, r=rule, w=wanted: r(s, G, w)[0], spikes,
                           rule(spikes, G, wanted)[1], rng, rtol=RTOL_FD)


@proves("feedback", 3, 4, 5)
@given(strategies.spike_trains(), st.integers(2, 4))
def test_local_losses_are_those_of_a_readout(drawn, k):
    """Compare with the losses of `losses`, summed over steps, for the record y."""
    spikes, rng = drawn
    G = rng.normal(size=(k, spikes.shape[2]))
    target = rng.normal(size=(*spikes.shape[:2], k))
    labels = rng.integers(0, k, spikes.shape[1])
    y = spikes @ G.T
    loss, dy = losses.square(y, target)
    found, e = feedback.local_square(spikes, G, target)
    assert abs(found / loss - 1) < RTOL
    np.testing.assert_allclose(e, dy @ G, rtol=RTOL, atol=RTOL * abs(e).max())
    steps = [losses.cross_entropy(row[None], labels) for row in y]
    found, e = feedback.local_cross_entropy(spikes, G, labels)
    assert abs(found / sum(value for value, _ in steps) - 1) < RTOL
    dy = np.concatenate([d for _, d in steps])
    np.testing.assert_allclose(e, dy @ G, rtol=RTOL, atol=RTOL * abs(e).max())


def test_logits_of_a_thousand_do_not_overflow():
    """Expect a loss of 1,000 for the wrong class, and 0 for the right class."""
    spikes, G = np.full((1, 2, 1), 1000.0), np.array([[1.0], [0.0]])
    loss, e = feedback.local_cross_entropy(spikes, G, np.array([1, 0]))
    assert loss == 500 and e.ravel().tolist() == [0.5, 0]


@proves("feedback", 2, 7)
def test_event_driven_random_backpropagation_by_hand():
    """Test one event with the boxcar 1 and the error 2 at step 1: dW = 2."""
    x = np.array([0.0, 1.0, 1.0]).reshape(3, 1, 1)
    box = np.array([0.0, 1.0, 0.0]).reshape(3, 1, 1)
    e = feedback.direct(np.full((3, 1, 1), 0.5), np.array([[4.0]]))
    assert feedback.three_factor(box * e, x).tolist() == [[2.0]]


def test_alignment():
    a = np.array([3.0, 4.0])
    assert feedback.alignment(a, 2 * a) == 1.0
    assert feedback.alignment(a, -a) == -1.0
    assert abs(feedback.alignment(a, np.array([4.0, -3.0]))) < 1e-15
    assert feedback.alignment([1e-6, 0.0], [1e-6, 0.0]) == 1.0
    assert abs(feedback.alignment(a * 1e200, a * 1e-200) - 1) < 1e-15
    many = np.random.default_rng(0).normal(size=(300, 5))
    cosines = [feedback.alignment(row, s * row) for row in many for s in (3, -3)]
    assert max(cosines) == 1 and min(cosines) == -1     # rounding included


def test_float32_is_kept():
    x = np.ones((3, 1, 2), np.float32)
    B = np.ones((2, 4), np.float32)
    arrays = [feedback.transport(x, B), feedback.direct(x, B),
              feedback.local_square(x, B.T, np.ones((3, 1, 4)))[1],
              feedback.local_cross_entropy(x, B.T, [1])[1],
              feedback.presynaptic_trace(x, alpha=0.5, beta=0.5),
              feedback.three_factor(x, x)]
    assert {a.dtype for a in arrays} == {np.dtype(np.float32)}


def test_local_loss_is_a_float():
    a = np.ones((1, 1, 1), np.float32)
    assert type(feedback.local_square(a, a[0], 0 * a)[0]) is float
