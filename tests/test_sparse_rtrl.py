"""Test that each rule is exact for the terms that it keeps."""

import itertools

import numpy as np
import proofs
import pytest
import strategies
from hypothesis import assume, given
from hypothesis import strategies as st
from proofs import examples, proves
from tolerances import RTOL, RTOL_FD, close

from refsnn import bptt, checks, feedback, lif, rtrl, sparse_rtrl

HALF = {"alpha": 0.5, "beta": 0.5}
SMOOTH = st.sampled_from(("arctan", "sigmoid", "gaussian"))
LONG = strategies.sizes(T=(9, 12), n=(2, 4))     # long enough for V to have an effect


def adjoints(net, name="arctan", steepness=2.0):
    """Return psi, dspikes and dmem of a random linear loss."""
    v = net.recording.mem - net.model["threshold"]
    psi = proofs.surrogate(name, steepness)(v)[1]
    return psi, *net.rng.normal(size=(2, *psi.shape))


def reset_path(net):
    return {"through_reset": net.paths["through_reset"]}


def assert_close(found, right):
    """Assert that two gradients agree and are not 0."""
    assert np.linalg.norm(right[0]) > 0
    assert (found[1] is None) == (right[1] is None)
    for a, b in zip(found[:2], right[:2], strict=True):
        if b is not None:
            np.testing.assert_allclose(a, b, rtol=RTOL, atol=RTOL * np.abs(b).max())


def flat(gradient):
    return np.concatenate([g.ravel() for g in gradient[:2] if g is not None])


def distance(found, right):
    """Return the norm of the difference over that of `right`."""
    found, right = flat(found), flat(right)
    return np.linalg.norm(found - right) / np.linalg.norm(right)


# --- rules and the backward sweep ----------------------------------------------

@proves("sparse_rtrl", 1, 2, 3, 4, 5, 8)
@given(strategies.live_lif(through_recurrence=True))
@examples(60)
def test_exact_block_and_implicit_are_backward_sweeps(net):
    """Compare with sweeps through V, through its diagonal, and stopped at V."""
    psi, ds, dm = adjoints(net)
    rec, reset = net.recording, reset_path(net)
    diagonal = None if net.V is None else np.diag(np.diagonal(net.V))
    for rule, V, follow in (("exact", net.V, True), ("block", diagonal, True),
                            ("implicit", net.V, False)):
        found = sparse_rtrl.gradient(net.x, net.V, rec, psi, ds, dm, rule=rule,
                                     **net.model, **reset)
        assert_close(found, lif.backward(net.x, net.W, V, rec, psi, ds, dm, **reset,
                                         through_recurrence=follow, **net.model))


@proves("sparse_rtrl", 1, 2, 3, 8)
@given(strategies.live_lif(through_recurrence=True))
def test_exact_is_the_sweep_over_arrays(net):
    psi, ds, dm = adjoints(net)
    J, F, _ = lif.linearise(net.x, net.W, net.V, net.recording, psi, **net.model,
                            **net.paths)
    found = sparse_rtrl.gradient(net.x, net.V, net.recording, psi, ds, dm,
                                 rule="exact", **net.model, **reset_path(net))
    right = bptt.gradient(J, F, lif.credit(psi, ds, dm))
    np.testing.assert_allclose(flat(found), right, rtol=RTOL,
                               atol=RTOL * np.abs(right).max())


@given(strategies.live_lif(recurrent=True), st.sampled_from(("sum", "difference")))
def test_block_is_exact_with_diagonal_recurrence(net, sign):
    V = np.diag(np.diagonal(net.V)) * (1 if sign == "sum" else -1)
    rec = lif.simulate(net.x, net.W, V, refractory=net.refractory, **net.model)
    assume(strategies.live(rec.spikes))
    net = net._replace(V=V, recording=rec)
    psi, ds, dm = adjoints(net)
    found = sparse_rtrl.gradient(net.x, V, rec, psi, ds, dm, rule="block",
                                 **net.model, **reset_path(net))
    assert_close(found, lif.backward(net.x, net.W, V, rec, psi, ds, dm, **net.model,
                                     **reset_path(net)))


@given(strategies.live_lif(recurrent=False))
def test_without_recurrence_block_and_implicit_are_exact(net):
    psi, ds, dm = adjoints(net)
    right = lif.backward(net.x, net.W, None, net.recording, psi, ds, dm, **net.model,
                         **reset_path(net))
    silent = 0 * np.eye(len(net.W))
    for rule, V in itertools.product(("block", "implicit"), (None, silent)):
        found = sparse_rtrl.gradient(net.x, V, net.recording, psi, ds, dm, rule=rule,
                                     **net.model, **reset_path(net))
        assert_close((found.dW, None), right)


@given(strategies.live_lif(recurrent=True))
@examples(10)
def test_derivatives_that_are_not_given_are_zero(net):
    psi, ds, dm = adjoints(net)
    only, others, both = (flat(sparse_rtrl.gradient(
        net.x, net.V, net.recording, psi, *parts, rule="block", **net.model,
        **reset_path(net))) for parts in ((ds, None), (None, dm), (ds, dm)))
    np.testing.assert_allclose(only + others, both, rtol=0,
                               atol=RTOL * np.abs(both).max())


@proves("sparse_rtrl", 6)
@given(strategies.live_lif(reset="subtract", refractory=0, per_neuron=False))
def test_presynaptic_is_implicit_without_its_reset(net):
    psi, ds, dm = adjoints(net)
    args = (net.x, net.V, net.recording, psi, ds, dm)
    found = sparse_rtrl.gradient(*args, rule="presynaptic", **net.model)
    right = sparse_rtrl.gradient(*args, rule="implicit", through_reset=False,
                                 **net.model)
    assert_close(found, right)
    trace = feedback.presynaptic_trace(
        net.x.astype(float), alpha=net.model["alpha"], beta=net.model["beta"],
        gain=net.model["gain"])
    assert_close((found.dW, None), (feedback.three_factor(psi * ds + dm, trace), None))


@pytest.mark.parametrize("reset, refractory", [("subtract", 2), ("zero", 0),
                                               ("zero", 2)])
def test_presynaptic_is_no_more_than_that(reset, refractory):
    """Test that refractoriness and a reset to zero are not one added term."""
    far = []
    for seed in range(20):
        options = strategies.Options(0.6, 0.8, "one", 1.0, reset, refractory, True,
                                     False, False, False, False)
        net = strategies.network(options, strategies.Sizes(12, 2, 3, 3), seed)
        psi, ds, dm = adjoints(net)
        args = (net.x, net.V, net.recording, psi, ds, dm)
        one, two = (sparse_rtrl.gradient(*args, rule=rule, through_reset=False,
                                         **net.model)
                    for rule in ("presynaptic", "implicit"))
        far.append(distance(one, two))
    assert min(far) > 1e-3 and np.median(far) > 0.1


@pytest.mark.parametrize("reset", ["subtract", "zero"])
def test_with_generic_recurrence_each_rule_differs(reset):
    """Test that the cosine of each pair of rules is below 1."""
    cosines = []
    for seed in range(20):
        options = strategies.Options(0.6, 0.8, "one", 1.0, reset, 0, True, True, True,
                                     False, False)
        net = strategies.network(options, strategies.Sizes(14, 2, 3, 3), seed)
        psi, ds, dm = adjoints(net)
        args = (net.x, net.V, net.recording, psi, ds, dm)
        found = {rule: sparse_rtrl.gradient(*args, rule=rule, **net.model)
                 for rule in sparse_rtrl.RULES}
        for one, two in itertools.combinations(sparse_rtrl.RULES, 2):
            assert distance(found[one], found[two]) > 1e-3, (seed, one, two)
        cosines.append([feedback.alignment(flat(found["exact"]), flat(found[rule]))
                        for rule in sparse_rtrl.RULES[1:]])
    assert (np.array(cosines) < 1 - 1e-6).all()
    assert (np.median(cosines, axis=0) < 0.999).all()


# --- rules and frozen finite differences -----------------------------------------

def prove(loss, net, gradient):
    """Check dW by differences and by the Taylor slope, and dV by differences."""
    checks.directional(lambda W: loss(W, net.V), net.W, gradient.dW, net.rng,
                       names=["W"], rtol=RTOL_FD)
    if gradient.dV is not None and np.abs(gradient.dV).max() > 0:
        checks.directional(lambda V: loss(net.W, V), net.V, gradient.dV, net.rng,
                           names=["V"], rtol=RTOL_FD)
    assert any(checks.taylor_slope(
        lambda W: loss(W, net.V), net.W, gradient.dW, net.rng.normal(size=net.W.shape),
        start=1e-3, halvings=6) >= 1.9 for _ in range(3))   # one may cross a kink


def value(rec, ds, dm):
    return float(np.sum(ds * rec.spikes) + np.sum(dm * rec.mem))


@proves("sparse_rtrl", 1, 2, 3, 5, 8)
@pytest.mark.parametrize("rule", ["exact", "implicit"])
@pytest.mark.parametrize("recurrent", [False, True])
@given(st.data(), SMOOTH)
@examples(12)
def test_exact_and_implicit_by_differences(rule, recurrent, data, name):
    net = data.draw(strategies.live_lif(recurrent=recurrent))
    psi, ds, dm = adjoints(net, name)
    run = proofs.anchored_run(net, proofs.surrogate(name, 2.0), **reset_path(net),
                              through_recurrence=rule == "exact")
    grad = sparse_rtrl.gradient(net.x, net.V, net.recording, psi, ds, dm, rule=rule,
                                **net.model, **reset_path(net))
    prove(lambda W, V: value(run(W, V, net.x), ds, dm), net, grad)


def alone(net, i, function, W, V, through_reset):
    """Run neuron i with its own spikes and the recorded spikes of the others."""
    rec, model = net.recording, {
        key: number if np.ndim(number) == 0 else number[i:i + 1]
        for key, number in net.model.items()}
    others = np.delete(np.arange(len(W)), i)
    x = np.concatenate([net.x, rec.spikes[:, :, others]], axis=2)
    own, reset = slice(i, i + 1), {}
    if not through_reset:
        reset["reset_spikes"] = rec.spikes[:, :, own]
    return lif.simulate(
        x, np.concatenate([W[own], V[own][:, others]], axis=1), V[own, own],
        spike=checks.anchored(function, rec.mem[:, :, own].copy(), model["threshold"]),
        clamp=rec.clamp[:, :, own], refractory=net.refractory, **model, **reset)


@proves("sparse_rtrl", 4, 8)
@given(strategies.live_lif(recurrent=True), SMOOTH)
def test_block_by_differences_of_each_neuron_alone(net, name):
    psi, ds, dm = adjoints(net, name)
    function, path = proofs.surrogate(name, 2.0), net.paths["through_reset"]
    grad = sparse_rtrl.gradient(net.x, net.V, net.recording, psi, ds, dm,
                                rule="block", through_reset=path, **net.model)

    def loss(W, V):
        total = 0.0
        for i in range(len(W)):
            run = alone(net, i, function, W, V, path)
            total += value(run, ds[:, :, i:i + 1], dm[:, :, i:i + 1])
        return total

    base = alone(net, 0, function, net.W, net.V, path)
    np.testing.assert_allclose(base.mem[..., 0], net.recording.mem[..., 0], rtol=RTOL,
                               atol=RTOL * np.abs(net.recording.mem).max())
    prove(loss, net, grad)


def added(net, function, W, V):
    """Run with reset and clamp as one recorded term, and recorded recurrence."""
    rec, (a, b, g, th) = net.recording, (net.model[k] for k in (
        "alpha", "beta", "gain", "threshold"))
    spike = checks.anchored(function, rec.mem, th)
    syn, mem, spikes = (np.zeros_like(rec.mem) for _ in range(3))
    for t in range(len(mem)):
        if t:
            term = rec.mem[t] - b * rec.mem[t - 1] - g * rec.syn[t - 1]
            syn[t] = a * syn[t - 1] + net.x[t - 1] @ W.T
            if V is not None:
                syn[t] += rec.spikes[t - 1] @ V.T
            mem[t] = b * mem[t - 1] + g * syn[t - 1] + term
        spikes[t] = spike(t, mem[t])
    return lif.Recording(syn, mem, spikes, rec.clamp)


@proves("sparse_rtrl", 6, 8)
@given(strategies.live_lif(per_neuron=False), SMOOTH)
@examples(40)
def test_presynaptic_by_differences_with_one_recorded_term(net, name):
    psi, ds, dm = adjoints(net, name)
    function = proofs.surrogate(name, 2.0)
    grad = sparse_rtrl.gradient(net.x, net.V, net.recording, psi, ds, dm,
                                rule="presynaptic", **net.model)
    prove(lambda W, V: value(added(net, function, W, V), ds, dm), net, grad)


@pytest.mark.parametrize("mutant", ["factor", "shift", "other rule", "transpose"])
@pytest.mark.parametrize("rule", sparse_rtrl.RULES)
def test_wrong_gradients_are_rejected(rule, mutant):
    """Test that the differences which accept the right gradient reject others."""
    options = strategies.Options(0.6, 0.8, "one", 1.0, "zero", 1, True, True, True,
                                 False, False)
    net = strategies.network(options, strategies.Sizes(12, 2, 3, 3), 3)
    assert strategies.live(net.recording.spikes)
    psi, ds, dm = adjoints(net, "arctan")
    function = proofs.surrogate("arctan", 2.0)

    def gradient(rule=rule, V=net.V, ds=ds):
        return sparse_rtrl.gradient(net.x, V, net.recording, psi, ds, dm, rule=rule,
                                    **net.model)

    def block(W, V):
        return sum(value(alone(net, i, function, W, V, True), ds[:, :, i:i + 1],
                         dm[:, :, i:i + 1]) for i in range(3))

    losses = {rule: lambda W, V, follow=rule == "exact": value(
        proofs.anchored_run(net, function, through_recurrence=follow)(W, V, net.x),
        ds, dm) for rule in ("exact", "implicit")} | {
        "block": block, "presynaptic": lambda W, V: value(
            added(net, function, W, V), ds, dm)}
    prove(losses[rule], net, gradient())
    right, other = gradient(), sparse_rtrl.RULES[sparse_rtrl.RULES.index(rule) - 1]
    if mutant == "transpose" and rule != "exact":
        return                          # the diagonal is its own transpose
    wrong = {"factor": lambda: right._replace(dW=1.001 * right.dW),
             "shift": lambda: gradient(ds=np.roll(ds, 1, axis=0)),
             "other rule": lambda: gradient(rule=other),
             "transpose": lambda: gradient(V=net.V.T)}[mutant]()
    with pytest.raises(AssertionError, match="gradient says"):
        prove(losses[rule], net, wrong)


# --- online ------------------------------------------------------------------------

def online(net, psi, rule):
    """Yield (traces, eligibility) of each step, by the public functions."""
    rec, c = net.recording, net.x.shape[2] + (0 if net.V is None else len(net.W))
    traces = sparse_rtrl.rest(rule, *psi.shape[1:], c, psi.dtype)
    for t in range(len(psi)):
        if t:
            traces = sparse_rtrl.lif_step(
                None if t == 1 else traces, net.x[t - 1], net.V, rec.syn[t - 1],
                rec.mem[t - 1], rec.spikes[t - 1], psi[t - 1], rec.clamp[t], rule=rule,
                **net.model, **reset_path(net))
        yield traces, sparse_rtrl.eligibility(traces, psi[t])


def by_rows(F, n, m):
    """Reorder parameters from W, then V, row by row, to the rows of [W | V]."""
    parts = [F[..., :n * m].reshape(*F.shape[:-1], n, m),
             F[..., n * m:].reshape(*F.shape[:-1], n, -1)]
    return np.concatenate(parts, axis=-1).reshape(F.shape)


@proves("sparse_rtrl", 1, 2, 3)
@pytest.mark.parametrize("recurrent", [False, True])
@given(st.data())
def test_the_rule_exact_is_the_recursion_over_arrays(recurrent, data):
    """Compare I and U with the states of generic RTRL, at each step."""
    net = data.draw(strategies.live_lif(LONG, recurrent=recurrent,
                                        through_recurrence=True))
    psi, (n, m) = adjoints(net)[0], net.W.shape
    J, F, _ = lif.linearise(net.x, net.W, net.V, net.recording, psi, **net.model,
                            **net.paths)
    M, largest = None, 0
    for t, (traces, _) in enumerate(online(net, psi, "exact")):
        M = rtrl.step(M, J[t], by_rows(F[t], n, m))
        np.testing.assert_allclose(np.concatenate(traces, axis=1), M, rtol=RTOL,
                                   atol=RTOL * np.abs(M).max())
        largest = max(largest, np.abs(traces.mem).max())
    assert largest > 0


def test_a_loss_that_is_known_at_its_step_only():
    """Draw the target of each step after the step, from the network's output."""
    net = strategies.network(strategies.Options(
        0.6, 0.8, "other", 1.2, "subtract", 0, True, True, True, True, True),
        strategies.Sizes(11, 2, 3, 4), 0)
    assert strategies.live(net.recording.spikes)
    model, (T, B, _), n = net.model, net.x.shape, len(net.W)
    alpha, beta, gain, threshold = (model[k] for k in
                                    ("alpha", "beta", "gain", "threshold"))
    function = proofs.surrogate("fast_sigmoid", 2.0)
    syn, mem, traces, total, told = *np.zeros((2, B, n)), None, 0, []
    for t in range(T):
        spikes, psi = (mem > threshold) * 1.0, function(mem - threshold)[1]
        miss = spikes - (net.rng.random((B, n)) < 0.5 * spikes + 0.1)
        told.append(miss)
        if t:
            total = total + rtrl.step_gradient(traces.mem, psi * miss)
        traces = sparse_rtrl.lif_step(traces, net.x[t], net.V, syn, mem, spikes, psi,
                                      rule="exact", **model)
        syn, mem = (alpha * syn + net.x[t] @ net.W.T + spikes @ net.V.T,
                    beta * mem + gain * syn - threshold * spikes)
    rec = lif.simulate(net.x, net.W, net.V, **model)
    psi = function(rec.mem - threshold)[1]
    grad = lif.backward(net.x, net.W, net.V, rec, psi, np.array(told), **model)
    close(total.reshape(n, -1), np.concatenate([grad.dW, grad.dV], axis=1))


@pytest.mark.parametrize("rule", sparse_rtrl.RULES)
@given(strategies.live_lif(LONG, per_neuron=False))
@examples(8)
def test_buffers_hold_the_same_and_inputs_are_kept(rule, net):
    psi, rec = adjoints(net)[0], net.recording
    steps = [traces for traces, _ in online(net, psi, rule)]
    last, given = steps[5], (net.x[5], net.V, *(a[5] for a in rec[:3]), psi[5],
                             rec.clamp[6])
    before = [None if a is None else a.copy() for a in (*last, *given)]
    out = sparse_rtrl.Traces(*(np.full_like(a, np.nan) for a in last))
    found = sparse_rtrl.lif_step(last, *given, rule=rule, out=out, **net.model,
                                 **reset_path(net))
    for name, a, b in zip(out._fields, found, steps[6], strict=True):
        assert a is getattr(out, name) and (a == b).all()
    assert found.syn.any() or found.mem.any()
    for a, b in zip((*last, *given), before, strict=True):
        assert (a is None and b is None) or (a == b).all()


@pytest.mark.parametrize("rule", sparse_rtrl.RULES)
@given(strategies.live_lif(per_neuron=False))
@examples(12)
def test_steps_add_up_to_the_gradient(rule, net):
    psi, ds, dm = adjoints(net)
    n, total = len(net.W), 0
    for t, (traces, e) in enumerate(online(net, psi, rule)):
        assert isinstance(traces, sparse_rtrl.Traces)
        mem = traces.mem if traces.mem.ndim == 3 else traces.mem[:, None, :]
        terms = ds[t][:, :, None] * e + dm[t][:, :, None] * mem
        total = total + (terms.sum(axis=(0, 1)).reshape(n, -1) if rule == "exact"
                         else terms.sum(axis=0))
    found = sparse_rtrl.gradient(net.x, net.V, net.recording, psi, ds, dm, rule=rule,
                                 **net.model, **reset_path(net))
    m = net.x.shape[2]
    assert_close(found, (total[:, :m], None if net.V is None else total[:, m:]))


@proves("sparse_rtrl", 7, 9)
@pytest.mark.parametrize("rule, kind", [
    ("block", "diagonal"), ("block", "full"), ("block", "none"),
    ("implicit", "full"), ("presynaptic", "full")])
@given(st.data())
@examples(12)
def test_a_readout_is_a_filter_on_the_eligibility(rule, kind, data):
    """Compare errors used online with credit that is sent back in time.

    For `block` with diagonal V this is the exact gradient of the two layers.
    """
    net = data.draw(strategies.live_lif(LONG, per_neuron=False,
                                        recurrent=kind != "none"))
    if kind == "diagonal":
        V = np.diag(np.diagonal(net.V))
        net = net._replace(V=V, recording=lif.simulate(
            net.x, net.W, V, refractory=net.refractory, **net.model))
        assume(strategies.live(net.recording.spikes))
    rec, k = net.recording, 2
    psi = adjoints(net)[0]
    out = {"alpha": net.rng.uniform(0, 0.9), "beta": net.rng.uniform(0, 0.9),
           "gain": net.rng.uniform(0.2, 2)}
    W_out = net.rng.normal(size=(k, len(net.W)))
    y = lif.readout(rec.spikes, W_out, **out)
    a = y - net.rng.normal(size=y.shape)                    # of a square loss
    dspikes = lif.readout_backward(rec.spikes, W_out, a, **out).dx
    total, filtered = 0, None
    for t, (_, e) in enumerate(online(net, psi, rule)):
        if filtered is None:
            filtered = sparse_rtrl.Traces(0 * e, 0 * e)
        total = total + ((a[t] @ W_out)[:, :, None] * filtered.mem).sum(axis=0)
        filtered = sparse_rtrl.readout_step(filtered, e, **out)
    m = net.x.shape[2]
    total = total[:, :m], None if net.V is None else total[:, m:]
    assume(np.abs(total[0]).max() > 0)
    assert_close(total, sparse_rtrl.gradient(net.x, net.V, rec, psi, dspikes, rule=rule,
                                             **net.model, **reset_path(net)))
    if rule == "block" and kind != "full":
        assert_close(total, lif.backward(net.x, net.W, net.V, rec, psi, dspikes,
                                         **net.model, **reset_path(net)))


# --- by hand, sizes, types ---------------------------------------------------------

def test_own_synapse_and_reset_by_hand():
    """Test psi = 1: block keeps V_ii and the reset, implicit only the reset."""
    one, V = np.ones((1, 1)), np.array([[3.0]])
    start = sparse_rtrl.Traces(0.25 * np.ones((1, 1, 2)), 0.5 * np.ones((1, 1, 2)))

    def after(rule, traces=start, clamp=None, reset="subtract"):
        """Return dI and dU by the input weight and by the own synapse; S = 1."""
        step = sparse_rtrl.lif_step(traces, [[2]], V, 3 * one, 2 * one, one, one,
                                    clamp, rule=rule, gain=4.0, threshold=0.125,
                                    reset=reset, **HALF)
        return step.syn.ravel().tolist(), step.mem.ravel().tolist()

    mem = 0.5 * 0.5 + 4 * 0.25 - 0.125 * 0.5
    for rule, own in (("exact", 1.5), ("block", 1.5), ("implicit", 0.0)):
        syn = [0.125 + 2 + own, 0.125 + 1 + own]
        assert after(rule) == (syn, [mem, mem])
        assert after(rule, clamp=one) == (syn, [0.0, 0.0])
        assert after(rule, reset="zero") == (syn, [-(0.5 * 2 + 4 * 3) * 0.5] * 2)
    for clamp, reset in ((None, "zero"), (one, "subtract")):
        assert after("presynaptic", sparse_rtrl.Traces(*(a[0] for a in start)), clamp,
                     reset) == ([2.125, 1.125], [1.25, 1.25])


def test_defaults():
    net = strategies.network(strategies.Options(
        0.6, 0.8, "one", 1.0, "subtract", 0, True, True, True, False, False),
        strategies.Sizes(10, 2, 3, 3), 5)
    psi, ds, _ = adjoints(net)
    args = (net.x, net.V, net.recording, psi, ds)
    two = {"rule": "block", "alpha": 0.6, "beta": 0.8}
    found = sparse_rtrl.gradient(*args, **two)
    same = sparse_rtrl.gradient(*args, None, **two, gain=1.0, threshold=1.0,
                                reset="subtract", through_reset=True)
    assert (found.dW == same.dW).all() and (found.dV == same.dV).all()
    state, now = None, (net.x[5], net.V, *(a[5] for a in net.recording[:3]), psi[5])
    for _ in range(3):
        state = sparse_rtrl.lif_step(state, *now, **two)
    again = sparse_rtrl.lif_step(state, *now, 0 * psi[5], **two, gain=1.0,
                                 threshold=1.0, reset="subtract", through_reset=True)
    first = sparse_rtrl.lif_step(state, *now, **two)
    assert (first.mem == again.mem).all() and (first.syn == again.syn).all()
    f = sparse_rtrl.readout_step(state, state.mem, **HALF)
    assert (f.mem == 0.5 * state.mem + state.syn).all()


def test_state_is_as_small_as_stated():
    B, n, c = 2, 5, 7
    count = {rule: sum(a.size for a in sparse_rtrl.rest(rule, B, n, c))
             for rule in sparse_rtrl.RULES}
    assert count == {"exact": 2 * B * n * n * c, "block": 2 * B * n * c,
                     "implicit": 2 * B * n * c, "presynaptic": 2 * B * c}


@pytest.mark.parametrize("rule", sparse_rtrl.RULES)
def test_one_step_and_no_inputs(rule):
    one = np.ones((1, 1, 2))
    found = sparse_rtrl.gradient(one, np.eye(2), (one,) * 4, one, one, rule=rule,
                                 **HALF)
    assert not found.dW.any() and not found.dV.any()
    assert (found.dW.shape, found.dV.shape) == ((2, 2), (2, 2))
    two = np.ones((3, 1, 2))
    found = sparse_rtrl.gradient(np.ones((3, 1, 0)), np.eye(2), (two,) * 3 + (0 * two,),
                                 two, two, rule=rule, **HALF)
    assert found.dW.shape == (2, 0) and found.dV.all()
    assert sparse_rtrl.rest(rule, 0, 0, 0).mem.size == 0


@given(strategies.live_lif(per_neuron=False), st.sampled_from(sparse_rtrl.RULES))
def test_float32_is_kept_and_close_and_inputs_are_not_modified(net, rule):
    psi, ds, dm = adjoints(net)
    arrays = [net.x, net.V, *net.recording, psi, ds, dm]
    for a in arrays:
        if a is not None:
            a.setflags(write=False)
    double = sparse_rtrl.gradient(net.x, net.V, net.recording, psi, ds, dm, rule=rule,
                                  **net.model, **reset_path(net))
    single = sparse_rtrl.gradient(net.x, net.V, net.recording, psi.astype(np.float32),
                                  ds, dm, rule=rule, **net.model, **reset_path(net))
    assert {a.dtype for a in single if a is not None} == {np.dtype(np.float32)}
    assert {a.dtype for a in double if a is not None} == {np.dtype(np.float64)}
    assert np.linalg.norm(flat(single) - flat(double)) \
        <= 1e-4 * np.linalg.norm(flat(double))
    for traces, e in online(net, psi.astype(np.float32), rule):
        assert {a.dtype for a in (*traces, e)} == {np.dtype(np.float32)}
    assert sparse_rtrl.readout_step(sparse_rtrl.Traces(e, e), e, **HALF).mem.dtype \
        == np.float32


def test_what_is_wider_than_the_surrogate_derivative_is_cast():
    psi, wide = np.ones((2, 3), np.float32), np.ones((2, 3))
    for rule, shape in (("block", (2, 3, 4)), ("presynaptic", (2, 4))):
        traces = sparse_rtrl.Traces(np.ones(shape), np.ones(shape))
        e = sparse_rtrl.eligibility(traces, psi)
        filtered = sparse_rtrl.readout_step(sparse_rtrl.Traces(*(1.0 * e,) * 2), e,
                                            **HALF)
        new = sparse_rtrl.lif_step(traces, np.ones((2, 4)), None, wide, wide, wide, psi,
                                   rule=rule, **HALF)
        assert {a.dtype for a in (e, *filtered, *new)} == {np.dtype(np.float32)}
        assert all(a.any() for a in (e, *filtered, *new))
    wide = sparse_rtrl.readout_step(sparse_rtrl.Traces(e.astype(float), e), e, **HALF)
    assert wide.mem.dtype == wide.syn.dtype == np.float32


# --- options and types --------------------------------------------------------------

X, PSI, V2 = np.ones((4, 2, 3)), np.ones((4, 2, 2)), np.eye(2)
REC = (PSI,) * 3 + (0 * PSI,)
NAN = np.full((4, 2, 2), np.nan)
START = sparse_rtrl.rest("block", 2, 2, 5)


def gradient(x=X, V=V2, rec=REC, psi=PSI, ds=PSI, dm=None, rule="block", alpha=0.5,
             beta=0.5, gain=1.0, threshold=1.0, reset="zero", through_reset=True):
    return sparse_rtrl.gradient(x, V, rec, psi, ds, dm, rule=rule, alpha=alpha,
                                beta=beta, gain=gain, threshold=threshold,
                                reset=reset, through_reset=through_reset)


def step(traces=START, x=X[0], V=V2, syn=PSI[0], mem=PSI[0], spikes=PSI[0], psi=PSI[0],
         clamp=PSI[0], rule="block", alpha=0.5, reset="zero", through_reset=True):
    return sparse_rtrl.lif_step(traces, x, V, syn, mem, spikes, psi, clamp, rule=rule,
                                alpha=alpha, beta=0.5, reset=reset,
                                through_reset=through_reset)


@pytest.mark.parametrize("rule", sparse_rtrl.RULES)
def test_each_operation_is_rounded_to_float32(rule):
    """Compare with single steps for one neuron, to the last bit."""
    rng = np.random.default_rng(2)
    x, psi, ds = rng.random((3, 15, 1, 1), np.float32)
    rec = (0 * x, 0 * x, 0 * x, x > 1)
    two = {"rule": rule, "alpha": np.float32(1 / 3), "beta": np.float32(0.7)}
    found = sparse_rtrl.gradient(x, None, rec, psi, ds, **two).dW
    traces, total = None, np.zeros((1, 1), np.float32)
    for t in range(1, 15):
        traces = sparse_rtrl.lif_step(traces, x[t - 1], None, *(a[t - 1] for a in rec[
            :3]), psi[t - 1], rec[3][t], **two)
        total += psi[t] * ds[t] * traces.mem.reshape(1, 1)
    assert found == total != 0


def test_flags_may_be_numpy_bools():
    for flag in (True, False):
        one, two = (gradient(reset="subtract", through_reset=f).dW
                    for f in (flag, np.bool_(flag)))
        assert (one == two).all() and one.any()


@pytest.mark.parametrize("rule", sparse_rtrl.RULES)
def test_arrays_that_are_cast_give_the_same_step(rule):
    """Compare lists, integers and bool arrays with arrays of the dtype of psi."""
    start = sparse_rtrl.Traces(*(a + 1 for a in sparse_rtrl.rest(rule, 2, 2, 5)))
    options = {"rule": rule, "reset": "subtract"}
    mask = np.array([[0, 1], [0, 0]])
    right = step(start, clamp=mask.astype(float), **options)
    assert all(a.any() for a in right)
    one = PSI[0]
    for kind in (int, bool, np.float32):
        x, V, now = X[0].astype(kind), V2.astype(kind), one.astype(kind)
        found = step(start, x, V, now, now, now, clamp=mask.astype(kind), **options)
        for a, b in zip(found, right, strict=True):
            assert a.dtype == np.float64
            np.testing.assert_array_equal(a, b)
    found = step(start, X[0].tolist(), V2.tolist(), one.tolist(), clamp=mask.tolist(),
                 **options)
    for a, b in zip(found, right, strict=True):
        np.testing.assert_array_equal(a, b)
