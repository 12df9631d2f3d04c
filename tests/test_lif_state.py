"""Test runs of a LIF layer from a given state, and gradients by its constants."""

import itertools

import numpy as np
import proofs
import pytest
import strategies
from hypothesis import assume, given
from hypothesis import strategies as st
from proofs import examples, proves
from tolerances import RTOL, RTOL_FD, close

from refsnn import bptt, checks, lif, rtrl

NAMES = ("alpha", "beta", "gain", "threshold")
HALF = {"alpha": 0.5, "beta": 0.5}
CHUNKS = 1e-12      # chunks against the whole run, whose products differ by rounding


def whole(net):
    """Return the arguments of `lif.run` and its options."""
    return (net.x, net.W, net.V), {**net.model, "refractory": net.refractory}


def joined(recordings):
    return lif.Recording(*(np.concatenate(field) for field in
                           zip(*recordings, strict=True)))


# --- steps, chunks and whole runs ----------------------------------------------

@given(st.sampled_from((np.float32, np.float64)), st.data())
def test_steps_equal_the_run_to_the_last_bit(dtype, data):
    net = data.draw(strategies.live_lif(dtype=dtype))
    (x, W, V), options = whole(net)
    drive = (x.reshape(-1, x.shape[2]) @ W.T).reshape(net.recording.mem.shape)
    rows, state = [], None
    for t in range(len(x)):
        row, state = lif.step(drive[t], V, state, **options)
        rows.append([field[None] for field in row])
    recording, after = lif.run(x, W, V, **options)
    for found in (joined(rows), recording):
        assert all((a == b).all() and a.dtype == b.dtype
                   for a, b in zip(found, net.recording, strict=True))
    assert all((a == b).all() for a, b in zip(state, after, strict=True))
    assert state.spikes.shape == (net.refractory, *state.mem.shape)


@given(strategies.live_lif(strategies.sizes(T=(6, 14))), st.data())
def test_chunks_equal_the_run(net, data):
    (x, W, V), options = whole(net)
    edges = sorted(data.draw(st.sets(st.integers(1, len(x) - 1), max_size=4)))
    assume(strategies.gap(net) > 1e-9)
    parts, state = [], None
    for part in np.split(x, edges):
        recording, state = lif.run(part, W, V, state, **options)
        parts.append(recording)
    found, (_, after) = joined(parts), lif.run(x, W, V, **options)
    assert (found.spikes == net.recording.spikes).all()
    assert (found.clamp == net.recording.clamp).all()
    close(found.mem, net.recording.mem, CHUNKS)
    np.testing.assert_allclose(found.syn, net.recording.syn, rtol=0,
                               atol=CHUNKS * np.abs(found.syn).max())
    for a, b in zip(state, after, strict=True):
        np.testing.assert_allclose(a, b, rtol=CHUNKS, atol=CHUNKS)


def test_a_refractory_period_longer_than_a_chunk():
    x, V = np.ones((7, 1, 1)), None
    options = {"alpha": 0.0, "beta": 0.0, "refractory": 3}
    alone, state = lif.simulate(x, [[2.0]], V, **options), None
    for t in range(7):
        recording, state = lif.run(x[t:t + 1], [[2.0]], V, state, **options)
        assert recording.mem[0] == alone.mem[t] and recording.clamp[0] == alone.clamp[t]
    assert alone.spikes.ravel().tolist() == [0, 0, 1, 0, 0, 0, 1]
    assert state.spikes.ravel().tolist() == [0, 0, 1]


def test_a_given_mask_is_recorded_from_step_0():
    clamp = np.array([1, 0, 1]).reshape(3, 1, 1)
    recording, _ = lif.run(np.ones((3, 1, 1)), [[1.0]], clamp=clamp, **HALF)
    assert (recording.clamp == clamp).all() and not recording.mem[2].any()


def test_a_state_without_spikes_is_a_state_of_silent_neurons():
    syn, mem = np.array([[0.5]]), np.array([[1.5]])
    for spikes in (None, np.zeros((2, 1, 1))):
        recording, after = lif.run(np.zeros((2, 1, 1)), [[1.0]], None, lif.State(
            syn, mem, spikes), alpha=0.5, beta=0.5, refractory=2)
        assert recording.mem.ravel().tolist() == [1.5, 0]
        assert recording.spikes.ravel().tolist() == [1, 0]
        assert after.spikes.ravel().tolist() == [1, 0]
    assert syn == 0.5 and mem == 1.5


def test_the_state_shares_no_memory_with_the_recording():
    recording, after = lif.run(np.ones((3, 1, 1)), [[1.0]], alpha=0.5, beta=0.5,
                               refractory=2)
    assert not any(np.shares_memory(a, b.base if b.base is not None else b)
                   for a in after for b in recording)
    assert after.mem.tolist() == [[2.0]] and after.syn.tolist() == [[1.75]]


@given(st.data())
def test_readout_steps_chunks_and_gradient(data):
    size = data.draw(strategies.sizes(T=(2, 9)))
    rng = np.random.default_rng(data.draw(strategies.SEEDS))
    x, W = rng.normal(size=(size.T, size.B, size.m)), rng.normal(size=(size.n, size.m))
    start = lif.State(*rng.normal(size=(2, size.B, size.n)))
    constants = {name: rng.uniform(0.1, 0.9, size.n) for name in NAMES[:3]}
    drive = (x.reshape(-1, size.m) @ W.T).reshape(size.T, size.B, size.n)
    mem, after = lif.readout_run(x, W, start, **constants)
    state = start
    for t in range(size.T):
        now, state = lif.readout_step(drive[t], state, **constants)
        assert (now == mem[t]).all()
    assert (state.mem == after.mem).all() and (state.syn == after.syn).all()
    cut = size.T // 2
    first, middle = lif.readout_run(x[:cut], W, start, **constants)
    close(np.concatenate([first, lif.readout_run(x[cut:], W, middle, **constants)[0]]),
          mem, CHUNKS)
    dmem, dstate = rng.normal(size=mem.shape), lif.State(*rng.normal(
        size=(2, size.B, size.n)))
    grad = lif.readout_backward(x, W, dmem, state=start, dstate=dstate, **constants,
                                constants=True)

    def value(theta):
        W, x, syn, mem, alpha, beta, gain = theta
        out, last = lif.readout_run(x, W, lif.State(syn, mem), alpha=alpha, beta=beta,
                                    gain=gain)
        return float((dmem * out).sum() + (dstate.syn * last.syn).sum()
                     + (dstate.mem * last.mem).sum())

    theta = [W, x, start.syn, start.mem, *constants.values()]
    found = [grad.dW, grad.dx, grad.dstate.syn, grad.dstate.mem, grad.dalpha,
             grad.dbeta, grad.dgain]
    checks.directional(value, theta, found, rng, rtol=RTOL_FD)


# --- gradients by constants and by the initial state -----------------------------

def anchored(net, state, recording, function, x):
    """Return a function of [W, V, x, I, U, constants] that runs the anchored layer.

    `recording` is the recorded run of `x` from `state`.
    """
    paths, threshold = net.paths, net.model["threshold"]
    spike = checks.anchored(function, recording.mem, threshold)
    frozen = {}
    if not paths["through_reset"]:
        frozen["reset_spikes"] = recording.spikes
    if net.V is not None and not paths["through_recurrence"]:
        frozen["recurrent_spikes"] = recording.spikes

    def run(theta):
        W, V, x, syn, mem, *constants = theta
        model = dict(zip(NAMES, constants, strict=True))
        moved = model["threshold"] - threshold
        return lif.run(x, W, V, state._replace(syn=syn, mem=mem), **model,
                       spike=lambda t, u: spike(t, u - moved), clamp=recording.clamp,
                       reset=net.model["reset"], refractory=net.refractory, **frozen)

    return run


def parts(net, cut):
    """Return the input, the first state and the recording of the second part."""
    (x, W, V), options = whole(net)
    _, state = lif.run(x[:cut], W, V, **options)
    recording, after = lif.run(x[cut:], W, V, state, **options)
    return x[cut:], state, recording, after


OPTIONS = list(itertools.product(("subtract", "zero"), (False, True),
                                 ("forward", "cut", "followed"), (0, 2)))


def drawn(reset, through, recurrence, refractory, per_neuron=True):
    """Return a live network whose second part spikes, and its surrogate."""
    options = strategies.Options(0.6, 0.8, "other", 1.3, reset, refractory,
                                 recurrence != "forward", through,
                                 recurrence == "followed", per_neuron, True)
    for seed in range(300):
        net = strategies.network(options, strategies.Sizes(14, 2, 3, 3), seed)
        late = net.recording.spikes[5:]
        if strategies.live(late) and late[-1].any() and late.any(axis=(0, 1)).all() \
                and proofs.margin(net, "sigmoid", 1.5) > 2e-3:
            return net, proofs.surrogate("sigmoid", 1.5)
    raise AssertionError("no network spikes enough")


def gradient(net, x, recording, after, function, **adjoints):
    psi = function(recording.mem - net.model["threshold"])[1]
    return lif.backward(x, net.W, net.V, recording, psi, after=after, **adjoints,
                        **net.model, **net.paths, constants=True)


@proves("lif", 7, 8, 9, 10, 11, 16, 17, 18, 19, 20, 21)
@pytest.mark.parametrize("reset, through, recurrence, refractory", OPTIONS)
def test_constants_and_state_by_differences(reset, through, recurrence, refractory):
    net, function = drawn(reset, through, recurrence, refractory)
    x, state, recording, after = parts(net, 5)
    a, b = net.rng.normal(size=(2, *recording.mem.shape))
    dstate = lif.State(*net.rng.normal(size=(2, *state.mem.shape)))
    grad = gradient(net, x, recording, after, function, dspikes=a, dmem=b,
                    dstate=dstate)
    run = anchored(net, state, recording, function, x)

    def value(theta):
        rec, last = run(theta)
        return float((a * rec.spikes).sum() + (b * rec.mem).sum()
                     + (dstate.syn * last.syn).sum() + (dstate.mem * last.mem).sum())

    theta = [net.W, net.V, x, state.syn, state.mem,
             *(np.broadcast_to(net.model[name], 3).copy() for name in NAMES)]
    found = [grad.dW, grad.dV, grad.dx, grad.dstate.syn, grad.dstate.mem, grad.dalpha,
             grad.dbeta, grad.dgain, grad.dthreshold + grad.direct]
    base, last = run(theta)
    assert (base.mem == recording.mem).all() and (last.mem == after.mem).all()
    kept = [i for i in range(len(theta)) if theta[i] is not None]
    for i in kept:
        def part(one, i=i):
            return value([one if j == i else t for j, t in enumerate(theta)])

        checks.directional(part, theta[i], found[i], net.rng, rtol=RTOL_FD,
                           names=[("W", "V", "x", "syn", "mem", *NAMES)[i]])
    direction = [net.rng.normal(size=theta[i].shape) for i in range(5, 9)]
    slope = checks.taylor_slope(lambda constants: value(theta[:5] + constants),
                                theta[5:], found[5:], direction, halvings=5, start=1e-4)
    assert slope >= 1.9


@proves("lif", 20, 21)
@pytest.mark.parametrize("reset", ["subtract", "zero"])
def test_threshold_without_a_last_state_by_differences(reset):
    """The direct derivative includes the spikes of the last recorded step."""
    net, function = drawn(reset, True, "followed", 2)
    x, state, recording, _ = parts(net, 5)
    assert recording.spikes[-1].any()
    a = net.rng.normal(size=recording.mem.shape)
    grad = gradient(net, x, recording, None, function, dspikes=a)
    run = anchored(net, state, recording, function, x)
    rest = [net.W, net.V, x, state.syn, state.mem, *(net.model[k] for k in NAMES[:3])]
    checks.directional(lambda threshold: float((a * run([*rest, threshold])[
        0].spikes).sum()), net.model["threshold"], grad.dthreshold + grad.direct,
        net.rng, rtol=RTOL_FD)


@pytest.mark.parametrize("wrong", ["no direct term", "V transposed", "no reset path",
                                   "no recurrent path"])
@pytest.mark.parametrize("reset", ["subtract", "zero"])
def test_wrong_gradients_by_the_threshold_are_rejected(reset, wrong):
    net, function = drawn(reset, True, "followed", 2)
    x, state, recording, after = parts(net, 5)
    a = net.rng.normal(size=recording.mem.shape)
    changed = {"V transposed": net._replace(V=net.V.T), "no reset path": net._replace(
        paths={**net.paths, "through_reset": False}), "no recurrent path":
        net._replace(paths={**net.paths, "through_recurrence": False})}.get(wrong, net)
    grad = gradient(changed, x, recording, after, function, dspikes=a)
    found = grad.dthreshold + (0 if wrong == "no direct term" else grad.direct)
    run = anchored(net, state, recording, function, x)
    rest = [net.W, net.V, x, state.syn, state.mem, *(net.model[k] for k in NAMES[:3])]
    with pytest.raises(AssertionError, match="gradient says"):
        checks.directional(lambda threshold: float((a * run([*rest, threshold])[
            0].spikes).sum()), net.model["threshold"], found, net.rng, rtol=RTOL_FD)


def flat(gradient):
    """Return a gradient in the order of the columns of F."""
    return np.concatenate([np.ravel(part) for part in (
        gradient.dW, gradient.dV, gradient.dalpha, gradient.dbeta, gradient.dgain,
        gradient.dthreshold) if part is not None])


@proves("lif", 12, 13, 15, 19)
@given(strategies.live_lif(strategies.sizes(T=(6, 12))), strategies.surrogates(),
       st.data())
@examples(60)
def test_chunks_backward_and_forward_equal_the_whole_gradient(net, chosen, data):
    (x, W, V), options = whole(net)
    function = proofs.surrogate(*chosen)
    a, b = net.rng.normal(size=(2, *net.recording.mem.shape))
    first = gradient(net, x, net.recording, None, function, dspikes=a, dmem=b)
    cut = data.draw(st.integers(1, len(x) - 1))
    early, state = lif.run(x[:cut], W, V, **options)
    late, _ = lif.run(x[cut:], W, V, state, **options)
    assert (late.spikes == net.recording.spikes[cut:]).all()
    second = gradient(net, x[cut:], late, None, function, dspikes=a[cut:], dmem=b[cut:])
    former = gradient(net, x[:cut], early, state, function, dspikes=a[:cut],
                      dmem=b[:cut], dstate=second.dstate)
    size = np.linalg.norm(flat(first))
    assert size > 0
    assert np.linalg.norm(flat(former) + flat(second) - flat(first)) <= CHUNKS * size
    for field in ("dx", "dsyn"):
        both = np.concatenate([getattr(g, field) for g in (former, second)])
        np.testing.assert_allclose(both, getattr(first, field), rtol=0,
                                   atol=CHUNKS * max(size, np.abs(both).max()))
    np.testing.assert_allclose(former.direct + second.direct, first.direct, rtol=RTOL,
                               atol=CHUNKS)
    # the same with the linearised layer, backward and forward in time
    args, q = {**net.model, **net.paths, "constants": True}, []
    psi = function(net.recording.mem - net.model["threshold"])[1]
    J, F, _ = lif.linearise(x, W, V, net.recording, psi, **args)
    q = lif.credit(psi, a, b)
    for found in (bptt.gradient(J, F, q), rtrl.gradient(J, F, q)):
        assert np.linalg.norm(found - flat(first)) <= RTOL * size
    start = bptt.adjoint(J, q)[0]
    np.testing.assert_allclose(start, np.concatenate(first.dstate[:2], axis=1),
                               rtol=0, atol=RTOL * max(1, np.abs(start).max()))
    J2, F2, _ = lif.linearise(x[cut:], W, V, late, psi[cut:], **args)
    J1, F1, E1 = lif.linearise(x[:cut], W, V, early, psi[:cut], state, **args)
    assert len(J1) == len(F1) == len(E1) == cut + 1
    for part, rows in ((J1, J), (F1, F)):
        np.testing.assert_allclose(part[1:], rows[1:cut + 1], rtol=0, atol=1e-9 * max(
            1, np.abs(rows).max()))
    tail = bptt.adjoint(J2, q[cut:])
    total, dstate = bptt.chunk(J1, F1, q[:cut], tail[0])
    total = total + bptt.gradient(J2, F2, q[cut:])
    assert np.linalg.norm(total - flat(first)) <= RTOL * size
    np.testing.assert_allclose(dstate, start, rtol=0,
                               atol=RTOL * max(1, np.abs(start).max()))


@given(strategies.live_lif(per_neuron=True, gain="leak"))
@examples(30)
def test_chain_rules_of_the_docstring(net):
    """Check tau, a sigmoid, a clamp, gain = 1 - beta, and shared constants."""
    x, state, recording, after = parts(net, 1)
    n, rng = len(net.W), net.rng
    function = proofs.surrogate("sigmoid", 1.5)
    b = rng.normal(size=recording.mem.shape)
    assume(min(net.model["alpha"].min(), net.model["beta"].min()) > 0.02)
    grad = gradient(net, x, recording, after, function, dmem=b)
    run = anchored(net, state, recording, function, x)
    alpha, beta, _, threshold = (net.model[name] for name in NAMES)
    dbeta, dt = grad.dbeta - grad.dgain, 0.5

    def value(alpha=alpha, beta=beta, threshold=threshold):
        return float((b * run([net.W, net.V, x, state.syn, state.mem, alpha, beta,
                               1 - beta, threshold])[0].mem).sum())

    tau, logit = -dt / np.log(alpha), np.log(beta / (1 - beta))
    inside = np.arange(n) % 2                   # the other neurons are clamped
    low = np.where(inside, 0.0, beta)
    free = np.where(inside, beta, beta - 0.01)
    assume(n > 1 and all(np.linalg.norm(d) > 1e-6 for d in (
        grad.dalpha, dbeta, inside * dbeta)))
    rules = ((lambda tau: value(alpha=np.exp(-dt / tau)), tau,
              grad.dalpha * alpha * dt / tau ** 2),
             (lambda logit: value(beta=1 / (1 + np.exp(-logit))), logit,
              dbeta * beta * (1 - beta)),
             (lambda free: value(beta=np.clip(free, low, 1)), free, dbeta * inside))
    for f, at, found in rules:
        checks.directional(f, at, found, rng, rtol=RTOL_FD)
    checks.directional(lambda s: value(alpha=alpha + s), np.zeros(()),
                       np.array(grad.dalpha.sum()), rng, rtol=RTOL_FD)


def test_constants_learn_online_from_one_step_at_a_time():
    """Sum q[t] M[t] with M from `rtrl.step`, as the docstring says."""
    net, function = drawn("subtract", True, "followed", 2)
    (x, W, V), options = whole(net)
    psi = function(net.recording.mem - net.model["threshold"])[1]
    q = lif.credit(psi, psi)
    M, state, total = None, None, 0
    for t in range(len(x)):
        if M is not None:
            total = total + rtrl.step_gradient(M, q[t])
        recording, state = lif.run(x[t:t + 1], W, V, state, **options)
        J, F, _ = lif.linearise(x[t:t + 1], W, V, recording, psi[t:t + 1], state,
                                constants=True, **net.model)
        M = rtrl.step(M, J[1], F[1])
    J, F, _ = lif.linearise(x, W, V, net.recording, psi, constants=True, **net.model)
    close(total, bptt.gradient(J, F, q), RTOL)


X, W1, ONE = np.zeros((4, 2, 3)), np.ones((2, 3)), np.ones((2, 2))
REC, AFTER = lif.run(X, W1, **HALF)
PSI = np.ones((4, 2, 2))


def test_defaults_of_every_function():
    own, one = {"alpha": 0.5, "beta": 0.75}, {"gain": 1.0, "threshold": 1.0}
    rest = {"reset": "subtract", "refractory": 0}
    x, W, V = np.ones((6, 1, 2)), np.array([[2.0, 0.0], [1.0, 1.0]]), np.eye(2)
    run, state = lif.run(x, W, V, **own)
    assert run.spikes.sum() > 4 and (run.spikes[1:] * run.spikes[:-1]).any()
    gain = {"gain": 1.0}
    for call, args, given_ in (
            (lif.run, (x, W, V), one | rest), (lif.step, (x[0], V, state), one | rest),
            (lif.readout_run, (x, W), gain), (lif.readout_step, (x[0], state), gain)):
        for a, b in zip(call(*args, **own), call(*args, **own, **given_), strict=True):
            for c, d in zip(np.atleast_1d(a) if isinstance(a, np.ndarray) else a, b,
                            strict=True):
                assert np.array_equal(c, d)
    grad = lif.backward(x, W, V, run, run.mem, run.mem, **own)
    out = lif.readout_backward(x, W, run.mem, **own)
    assert grad.dalpha is None and out.dalpha is None


@proves("lif", 15)
def test_the_direct_derivative_is_the_sum_of_its_parts():
    psi, a, b = np.random.default_rng(0).normal(size=(3, 4, 2, 3))
    both = lif.credit(psi, a, b)
    assert not both[..., :3].any() and np.array_equal(both[..., 3:], b + psi * a)
    assert np.array_equal(lif.credit(psi, a)[..., 3:], psi * a)
    assert np.array_equal(lif.credit(psi, None, b)[..., 3:], b)
