"""Test adaptive neurons by hand values, anchored differences and e-prop traces."""

import itertools
from typing import Any, Dict, NamedTuple, Optional

import numpy as np
import proofs
import pytest
import strategies
from hypothesis import assume, given
from hypothesis import strategies as st
from proofs import examples, proves
from tolerances import RTOL, RTOL_FD, close

from refsnn import alif, bptt, checks, feedback, lif, rtrl, sparse_rtrl

HALF = {"alpha": 0.5, "beta": 0.5, "rho": 0.75, "adaptation": 0.5}
SMOOTH = st.sampled_from(("arctan", "sigmoid", "gaussian"))


class Adaptive(NamedTuple):
    """Hold an ALIF layer that spikes, its input and its recording."""

    x: np.ndarray
    W: np.ndarray
    V: Optional[np.ndarray]
    model: Dict[str, Any]
    refractory: int
    recording: alif.Recording
    rng: np.random.Generator


def network(seed, size, recurrent, refractory, per_neuron, x_kind="spikes"):
    """Return a layer with weights so large that each neuron reaches threshold."""
    rng = np.random.default_rng([seed, *size])
    x = (rng.random((size.T, size.B, size.m)) < 0.5).astype(float)
    x[:2] = 1
    if x_kind == "analog":
        x += rng.normal(0, 0.3, x.shape)
    n = size.n if per_neuron else None
    draw = {"alpha": (0, 0.8), "beta": (0.2, 0.9), "rho": (0.5, 0.98),
            "adaptation": (0.05, 0.6), "gain": (0.3, 2), "threshold": (0.5, 2)}
    model = {name: rng.uniform(*ends, n) if per_neuron else float(rng.uniform(*ends))
             for name, ends in draw.items()}
    W = rng.normal(0.5, 1, (size.n, size.m))
    free = lif.readout(x, W, **{k: model[k] for k in ("alpha", "beta", "gain")})
    peak = free.max(axis=(0, 1))
    W = W * (np.sign(peak) * model["threshold"] * rng.uniform(1.3, 2, size.n)
             / np.maximum(np.abs(peak), 1e-2 * np.abs(free).max() + 1e-9))[:, None]
    V = None
    if recurrent:
        V = np.abs(W).mean() * rng.normal(0, 1, (size.n, size.n))
    return Adaptive(x, W, V, model, refractory, alif.simulate(
        x, W, V, refractory=refractory, **model), rng)


@st.composite
def live(draw, size=None, recurrent=None, refractory=None, per_neuron=None):
    """Draw an `Adaptive` that spikes early enough for adaptation to matter."""
    chosen = [draw(st.booleans()) if fixed is None else fixed
              for fixed in (recurrent, per_neuron)]
    steps = draw(st.sampled_from((0, 1, 2))) if refractory is None else refractory
    size = draw(strategies.sizes(T=(8, 13), n=(1, 4)) if size is None else size)
    net = network(draw(strategies.SEEDS), size, chosen[0], steps, chosen[1],
                  draw(st.sampled_from(("spikes", "analog"))))
    spikes = net.recording.spikes
    assume(0 < spikes.mean() < 1 and spikes[:5].any())
    assume(np.abs(distance(net)).min() > 1e-4)
    return net


def distance(net):
    """Return U - adaptation A - threshold."""
    rec = net.recording
    return rec.mem - net.model["adaptation"] * rec.adapted - net.model["threshold"]


def adjoints(net, name="arctan"):
    """Return psi, dspikes and dmem of a random linear loss."""
    psi = proofs.surrogate(name, 2.0)(distance(net))[1]
    return psi, *net.rng.normal(size=(2, *psi.shape))


def online(net):
    """Return the constants that the traces need."""
    return {name: value for name, value in net.model.items() if name != "threshold"}


def anchored(net, name, through_reset=True, through_recurrence=True):
    """Return a function (W, V) -> Recording, anchored at the recording."""
    rec, frozen = net.recording, {}
    v = rec.mem - net.model["adaptation"] * rec.adapted
    spike = checks.anchored(proofs.surrogate(name, 2.0), v, net.model["threshold"])
    if not through_reset:
        frozen["reset_spikes"] = rec.spikes
    if net.V is not None and not through_recurrence:
        frozen["recurrent_spikes"] = rec.spikes
    return lambda W, V: alif.simulate(net.x, W, V, refractory=net.refractory,
                                      spike=spike, clamp=rec.clamp, **net.model,
                                      **frozen)


def value(rec, ds, dm):
    return float(np.sum(ds * rec.spikes) + np.sum(dm * rec.mem))


def split(net, flat):
    """Split a flat gradient into (dW, dV)."""
    size = net.W.size
    assert flat.size == size + (0 if net.V is None else net.V.size)
    return flat[:size].reshape(net.W.shape), \
        None if net.V is None else flat[size:].reshape(net.V.shape)


def prove(net, loss, dW, dV):
    """Test dW, and dV if not 0, by differences and the order of the remainder."""
    checks.directional(lambda W: loss(W, net.V), net.W, dW, net.rng, names=["W"],
                       rtol=RTOL_FD)
    if dV is not None and np.abs(dV).max() > 0:
        checks.directional(lambda V: loss(net.W, V), net.V, dV, net.rng, names=["V"],
                           rtol=RTOL_FD)
    assert any(checks.taylor_slope(lambda W: loss(W, net.V), net.W, dW, halvings=6,
                                   start=1e-3, direction=net.rng.normal(size=dW.shape))
               >= 1.9 for _ in range(3))    # one may cross a flat direction


def near(found, right):
    assert np.abs(right[0]).max() > 0
    assert (found[1] is None) == (right[1] is None)
    for a, b in zip(found, right, strict=True):
        if b is not None:
            np.testing.assert_allclose(a, b, rtol=RTOL, atol=RTOL * np.abs(b).max())


def by_arrays(net, psi, ds, dm, **paths):
    J, F = alif.linearise(net.x, net.W, net.V, net.recording, psi, **net.model, **paths)
    q = alif.credit(net.recording, psi, ds, dm, adaptation=net.model["adaptation"])
    return split(net, bptt.gradient(J, F, q))


# --- the model ------------------------------------------------------------------

@proves("alif", 1, 2, 3, 4)
def test_adaptation_by_hand():
    """Expect U = 3, 1.5 - 2 + 3, ..., and A + 1 per spike, halved per step."""
    x = np.full((6, 1, 1), 3.0)
    run = alif.simulate(x, np.eye(1), alpha=0.0, beta=0.5, rho=0.5, adaptation=0.75,
                        threshold=2.0)
    assert run.syn.ravel().tolist() == [0, 3, 3, 3, 3, 3]
    assert run.mem.ravel().tolist() == [0, 0, 3, 2.5, 4.25, 3.125]
    assert run.adapted.ravel().tolist() == [0, 0, 0, 1, 0.5, 1.25]
    assert run.spikes.ravel().tolist() == [0, 0, 1, 0, 1, 1]


@proves("alif", 1, 2, 3)
def test_a_tie_is_no_spike_and_gain_scales_the_current():
    x = np.zeros((3, 1, 1))
    x[0] = 2
    for W, spikes in ((0.5, 0), (0.5 + 1e-15, 1)):
        run = alif.simulate(x, np.full((1, 1), W), gain=4.0, threshold=4.0, **HALF)
        assert run.spikes.sum() == spikes
    assert run.mem[2].item() == pytest.approx(4)


@proves("alif", 1, 2, 5)
def test_recurrence_and_refractoriness_by_hand():
    x = np.zeros((7, 1, 1))
    x[0] = 1
    V = np.array([[0, 0], [3.0, 0]])
    run = alif.simulate(x, [[1.5], [0.0]], V, alpha=0.0, beta=0.0, rho=0.0,
                        adaptation=0.0)
    assert np.argwhere(run.spikes[:, 0]).tolist() == [[2, 0], [4, 1]]
    x, free = np.ones((8, 1, 1)), {"alpha": 0.0, "beta": 0.0, "rho": 0.0,
                                   "adaptation": 0.0}
    for k, times in ((0, [2, 3, 4, 5, 6, 7]), (1, [2, 4, 6]), (2, [2, 5])):
        run = alif.simulate(x, [[3.0]], refractory=k, **free)
        assert np.flatnonzero(run.spikes).tolist() == times
        assert (run.clamp & (run.spikes > 0)).sum() == 0
    assert np.flatnonzero(run.clamp).tolist() == [3, 4, 6, 7]
    assert run.mem.ravel().tolist() == [0, 0, 3, 2, 3, 3, 2, 3]  # U is not clamped


@given(strategies.live_lif(reset="subtract", refractory=0))
def test_without_adaptation_it_is_the_lif_layer(net):
    constants = {k: v for k, v in net.model.items() if k != "reset"}
    run = alif.simulate(net.x, net.W, net.V, rho=0.9, adaptation=0.0, **constants)
    for name in ("syn", "mem", "spikes"):
        assert (getattr(run, name) == getattr(net.recording, name)).all()
    psi, ds, dm = net.rng.uniform(0.1, 1, (3, *run.mem.shape))
    right = lif.backward(net.x, net.W, net.V, net.recording, psi, ds, dm, **net.model,
                         **net.paths)
    own = Adaptive(net.x, net.W, net.V, constants | {"rho": 0.9, "adaptation": 0.0}, 0,
                   run, net.rng)
    near(by_arrays(own, psi, ds, dm, **net.paths), (right.dW, right.dV))


@given(live())
def test_adaptation_makes_spikes_fewer(net):
    """Adaptation keeps the first spike; very strong adaptation stops all others."""
    more = alif.simulate(net.x, net.W, None, **{**net.model, "adaptation": 1e6})
    less = alif.simulate(net.x, net.W, None, **{**net.model, "adaptation": 0})
    assert more.spikes.sum(axis=0).max() == 1 <= less.spikes.sum(axis=0).max()
    for i, b in np.ndindex(len(net.W), net.x.shape[1]):
        first = np.flatnonzero(less.spikes[:, b, i])[:1]
        assert np.flatnonzero(more.spikes[:, b, i])[:1].tolist() == first.tolist()


# --- exact: anchored differences ------------------------------------------------

@proves("alif", 10, 11, 12)
@pytest.mark.parametrize("reset, recurrence, recurrent",
                         list(itertools.product((False, True), repeat=3)))
@given(st.data(), SMOOTH)
@examples(8)
def test_linearisation_by_differences(reset, recurrence, recurrent, data, name):
    """Test J, F and q by BPTT, with each path either followed or frozen."""
    net = data.draw(live(recurrent=recurrent))
    paths = {"through_reset": reset, "through_recurrence": recurrence}
    psi, ds, dm = adjoints(net, name)
    dW, dV = by_arrays(net, psi, ds, dm, **paths)
    run = anchored(net, name, **paths)
    base = run(net.W, net.V)
    assert all((a == b).all() for a, b in zip(base, net.recording, strict=True))
    prove(net, lambda W, V: value(run(W, V), ds, dm), dW, dV)


def test_default_follows_every_path():
    net = network(4, strategies.Sizes(13, 2, 3, 3), True, 0, False)
    assert net.recording.spikes[:5].any()
    psi, ds, dm = adjoints(net)
    both = {"through_reset": True, "through_recurrence": True}
    found = [by_arrays(net, psi, ds, dm, **paths)[0] for paths in (
        {}, both, {"through_reset": False}, {"through_recurrence": False})]
    assert (found[0] == found[1]).all()
    assert all(np.abs(found[0] - other).max() > 1e-3 * np.abs(found[0]).max()
               for other in found[2:])
    plain = {k: v for k, v in net.model.items() if k not in ("gain", "threshold")}
    one = alif.simulate(net.x, net.W, net.V, **plain)
    two = alif.simulate(net.x, net.W, net.V, gain=1.0, threshold=1.0, refractory=0,
                        **plain)
    assert (one.mem == two.mem).all() and one.spikes.any()
    J = [alif.linearise(net.x, net.W, net.V, one, psi, **plain, **given_)[0]
         for given_ in ({}, {"gain": 1.0, "threshold": 1.0})]
    assert (J[0] == J[1]).all()
    g = [alif.gradient(net.x, net.V, one, psi, ds, **plain, **given_)[0]
         for given_ in ({}, {"gain": 1.0})]
    assert (g[0] == g[1]).all()
    state = alif.Traces(*(np.ones(s) for s in ((2, 6), (2, 6), (2, 3, 6))))
    s = [alif.trace_step(state, np.ones((2, 6)), psi[3], **plain, **given_)
         for given_ in ({}, {"gain": 1.0})]
    assert all((a == b).all() for a, b in zip(*s, strict=True))


# --- e-prop: frozen differences ------------------------------------------------

@proves("alif", 6, 7, 9)
@given(live(per_neuron=False), SMOOTH)
@examples(40)
def test_traces_by_differences_with_reset_and_recurrence_frozen(net, name):
    psi, ds, dm = adjoints(net, name)
    dW, dV = alif.gradient(net.x, net.V, net.recording, psi, ds, dm, **online(net))
    cut = {"through_reset": False, "through_recurrence": False}
    near((dW, dV), by_arrays(net, psi, ds, dm, **cut))
    run = anchored(net, name, **cut)
    prove(net, lambda W, V: value(run(W, V), ds, dm), dW, dV)
    with pytest.raises(AssertionError, match="W, direction 0: gradient says"):
        prove(net, lambda W, V: value(run(W, V), ds, dm), 1.001 * dW, None)


@given(live(strategies.sizes(T=(10, 13), n=(2, 4)), recurrent=True, per_neuron=False))
def test_traces_differ_from_the_exact_gradient(net):
    psi, ds, dm = adjoints(net)
    found = alif.gradient(net.x, net.V, net.recording, psi, ds, dm, **online(net))
    exact = by_arrays(net, psi, ds, dm)
    found, exact = (np.concatenate([g.ravel() for g in pair])
                    for pair in (found, exact))
    assert np.linalg.norm(found - exact) > RTOL_FD * np.linalg.norm(exact)
    assert feedback.alignment(found, exact) < 1


@pytest.mark.parametrize("wrong", [
    "no adaptation", "shift", "other sign", "unclamp", "exact"])
def test_wrong_gradients_are_rejected(wrong):
    net = network(4, strategies.Sizes(13, 2, 3, 3), True, 1, False)
    assert net.recording.spikes[:5].any() and net.recording.clamp.any()
    psi, ds, dm = adjoints(net)
    args, own = (net.x, net.V, net.recording, psi, ds, dm), online(net)
    cut = {"through_reset": False, "through_recurrence": False}
    run = anchored(net, "arctan", **cut)

    def loss(W, V):
        return value(run(W, V), ds, dm)

    prove(net, loss, *alif.gradient(*args, **own))
    dW = {"no adaptation": lambda: alif.gradient(*args, **{**own, "adaptation": 0})[0],
          "shift": lambda: alif.gradient(net.x, net.V, net.recording,
                                         np.roll(psi, 1, axis=0), ds, dm, **own)[0],
          "other sign": lambda: alif.gradient(net.x, net.V, net.recording, psi, -ds, dm,
                                              **own)[0],
          "unclamp": lambda: alif.gradient(
              net.x, net.V, net.recording._replace(clamp=0 * psi), psi, ds, dm,
              **own)[0],
          "exact": lambda: by_arrays(net, psi, ds, dm)[0]}[wrong]()
    with pytest.raises(AssertionError, match="W, direction .: gradient says"):
        prove(net, loss, dW, None)


@given(live(per_neuron=False, refractory=0))
def test_without_adaptation_it_is_the_presynaptic_rule(net):
    psi, ds, dm = adjoints(net)
    own = {k: net.model[k] for k in ("alpha", "beta", "gain")}
    found = alif.gradient(net.x, net.V, net.recording, psi, ds, dm, adaptation=0.0,
                          rho=net.model["rho"], **own)
    rec = net.recording
    right = sparse_rtrl.gradient(
        net.x, net.V, (rec.syn, rec.mem, rec.spikes, 0 * psi), psi, ds, dm,
        rule="presynaptic", **own)
    near(found, (right.dW, right.dV))


@proves("alif", 6, 7, 8, 9)
@given(live(per_neuron=False))
def test_steps_add_up_to_the_gradient(net):
    psi, ds, dm = adjoints(net)
    psi = psi * ~net.recording.clamp
    spikes, a = net.recording.spikes, net.model["adaptation"]
    z = net.x if net.V is None else np.concatenate([net.x, spikes], axis=2)
    (T, B, n), c = psi.shape, z.shape[2]
    traces = alif.Traces(np.zeros((B, c)), np.zeros((B, c)), np.zeros((B, n, c)))
    total = 0
    for t in range(T):
        if t:
            traces = alif.trace_step(traces, z[t - 1], psi[t - 1], **online(net))
        e = alif.eligibility(traces, psi[t], adaptation=a)
        total = total + (ds[t][:, :, None] * e).sum(axis=0) \
            + dm[t].T @ traces.mem
    m = net.x.shape[2]
    near((total[:, :m], None if net.V is None else total[:, m:]),
         alif.gradient(net.x, net.V, net.recording, psi, ds, dm, **online(net)))


def test_numbers_and_arrays_of_constants_agree():
    """Let rho and adaptation differ between neurons."""
    net = network(4, strategies.Sizes(13, 2, 3, 3), True, 0, False)
    mixed = {**net.model, "rho": np.array([0.5, 0.9, 0.7]),
             "adaptation": np.array([0.0, 0.6, 0.3])}
    rec = alif.simulate(net.x, net.W, net.V, **mixed)
    assert rec.spikes[:5].any()
    net = net._replace(model=mixed, recording=rec)
    psi, ds, dm = adjoints(net)
    near(alif.gradient(net.x, net.V, rec, psi, ds, dm, **online(net)),
         by_arrays(net, psi, ds, dm, through_reset=False, through_recurrence=False))


# --- types, sizes ---------------------------------------------------------------

@given(live(per_neuron=False))
def test_float32_is_kept_and_close_and_inputs_are_not_modified(net):
    psi, ds, dm = adjoints(net)
    for a in (net.x, net.W, net.V, *net.recording, psi, ds, dm):
        if a is not None:
            a.setflags(write=False)
    W, V = (None if a is None else a.astype(np.float32) for a in (net.W, net.V))
    half = psi.astype(np.float32)
    run = alif.simulate(net.x, W, V, refractory=net.refractory, **net.model)
    assert {a.dtype for a in run} == {np.dtype(np.float32), np.dtype(bool)}
    single = alif.gradient(net.x, V, net.recording, half, ds, dm, **online(net))
    double = alif.gradient(net.x, net.V, net.recording, psi, ds, dm, **online(net))
    for a, b in zip(single, double, strict=True):
        if b is not None:
            assert a.dtype == np.float32 and b.dtype == np.float64
            assert np.linalg.norm(a - b) <= 1e-4 * np.linalg.norm(double[0]) + \
                1e-4 * np.linalg.norm(b)
    J, F = alif.linearise(net.x, W, V, net.recording, half, **net.model)
    q = alif.credit(net.recording, half, ds, dm, adaptation=0.5)
    assert J.dtype == F.dtype == q.dtype == np.float32
    assert not J[0].any() and not F[0].any()
    z = np.ones((len(psi[0]), 2), np.float32)
    traces = alif.Traces(z, z, np.ones((*half[0].shape, 2)))
    traces = alif.trace_step(traces, z, half[0], **online(net))
    assert {a.dtype for a in traces} == {np.dtype(np.float32)}
    assert alif.eligibility(traces, half[0], adaptation=0.5).dtype == np.float32


def test_fast_and_slow_checks_give_the_same_steps():
    """Lists, integers and arrays of constants take the slow checks."""
    rng = np.random.default_rng(3)
    z, psi = rng.integers(0, 2, (2, 5)) + 0.0, rng.random((2, 3))
    traces = alif.Traces(*(rng.integers(-3, 4, s) + 0.0 for s in
                           ((2, 5), (2, 5), (2, 3, 5))))
    own = {"alpha": 0.5, "beta": 0.75, "rho": 0.25, "adaptation": 1.0, "gain": 2.0}
    wanted = alif.trace_step(traces, z, psi, **own)
    e = alif.eligibility(traces, psi, adaptation=1.0)
    for changed, args in (
            ({}, (alif.Traces(*(a.astype(int) for a in traces)), z, psi)),
            ({}, (traces, z > 0, psi.tolist())), ({"adaptation": 1}, (traces, z, psi)),
            ({"rho": np.full(3, 0.25)}, (traces, z, psi)),
            ({"gain": np.float32(2)}, (traces, z, psi))):
        found = alif.trace_step(*args, **{**own, **changed})
        assert all((a == b).all() and a.any() for a, b in
                   zip(found, wanted, strict=True))
        assert (alif.eligibility(args[0], args[2], adaptation=1) == e).all()


def test_smallest_sizes():
    run = alif.simulate(np.ones((1, 1, 1)), [[9.0]], **HALF)
    assert all(field.shape == (1, 1, 1) and not field.any() for field in run)
    one = np.ones((1, 1, 1))
    assert not alif.gradient(one, one[0], run, one, one, **HALF)[0].any()
    none = alif.simulate(np.ones((3, 2, 0)), np.ones((1, 0)), **HALF)
    assert none.mem.shape == (3, 2, 1) and not none.mem.any()


def test_grid_of_options_is_live():
    """Networks spike for every combination of options."""
    for options in itertools.product((False, True), (0, 1, 2), (False, True)):
        spiking = [network(seed, strategies.Sizes(12, 2, 3, 3), *options)
                   .recording.spikes for seed in range(5)]
        assert all(0 < s.mean() < 1 for s in spiking)


# --- states and constants -------------------------------------------------------

NAMES = ("alpha", "beta", "gain", "threshold", "rho", "adaptation")


def begin(net):
    """Return the layer run from a random state, that state and the last one."""
    size, model = net.recording.mem[0].shape, dict(net.model)
    model["alpha"] = 0.05 + 0.9 * model["alpha"]    # so that differences stay above 0
    syn, mem = model["threshold"] * net.rng.uniform(-0.5, 1.5, (2, *size))
    start = alif.State(syn, mem, net.rng.uniform(0, 1, size),
                       (net.rng.random((net.refractory, *size)) < 0.3) * 1.0)
    rec, end = alif.run(net.x, net.W, net.V, start, refractory=net.refractory, **model)
    return net._replace(model=model, recording=rec), start, end


@st.composite
def begun(draw, **fixed):
    """Draw the results of `begin` for a layer that spikes."""
    net, *states = begin(draw(live(**fixed)))
    spikes = net.recording.spikes
    assume(0 < spikes.mean() < 1 and spikes[:5].any())
    assume(np.abs(distance(net)).min() > 1e-4)
    return net, *states


def losses(net, name="arctan"):
    """Return psi, and a random linear loss of spikes, membranes and last state."""
    return *adjoints(net, name), alif.State(
        *net.rng.normal(size=(3, *net.recording.mem[0].shape)))


def credit_and_last(rec, psi, ds, dm, later, adaptation):
    """Return q, with the derivative by the last state as an additional step."""
    q = alif.credit(rec, psi, ds, dm, adaptation=adaptation)
    return q if later is None else np.concatenate(
        [q, np.concatenate(later[:3], axis=-1)[None]])


def complete(net, end, psi, ds, dm, later, **paths):
    """Return the gradients with respect to weights, constants and first state."""
    rec, a, n = net.recording, net.model["adaptation"], len(net.W)
    J, F = alif.linearise(net.x, net.W, net.V, rec, psi, end, constants=True,
                          **net.model, **paths)
    q = credit_and_last(rec, psi, ds, dm, later, a)
    flat = bptt.gradient(J, F, q)
    close(rtrl.gradient(J, F, q), flat)
    found = dict(zip(NAMES, flat[-6 * n:].reshape(6, n), strict=True))
    by_spike = psi * ds * ~rec.clamp
    found["threshold"] = found["threshold"] - by_spike.sum(axis=(0, 1))
    found["adaptation"] = found["adaptation"] - (by_spike * rec.adapted).sum((0, 1))
    found = {key: np.asarray(g if np.ndim(net.model[key]) else g.sum())
             for key, g in found.items()}
    found["W"], dV = split(net, flat[:-6 * n])
    if dV is not None:
        found["V"] = dV
    first = np.split(bptt.adjoint(J, q)[0], 3, axis=-1)
    return found | dict(zip(alif.State._fields, first, strict=False))


def point(net, start):
    """Return the values of all parameters, in the order of `complete`."""
    values = {key: np.asarray(net.model[key]) for key in NAMES} | {"W": net.W}
    if net.V is not None:
        values["V"] = net.V
    return values | dict(zip(alif.State._fields[:3], start, strict=False))


def loss_of(net, start, ds, dm, later, name="arctan", reset=True, recurrence=True):
    """Return the loss as a function of all parameters, anchored at the recording."""
    rec, frozen = net.recording, {}
    spike = checks.anchored(proofs.surrogate(name, 2.0), rec.mem - net.model[
        "adaptation"] * rec.adapted, net.model["threshold"])
    if not reset:
        frozen["reset_spikes"] = rec.spikes
    if net.V is not None and not recurrence:
        frozen["recurrent_spikes"] = rec.spikes

    def loss(values):
        model = dict(zip(point(net, start), values, strict=True))
        W, V, *state = (model.pop(key, None) for key in (
            "W", "V", *alif.State._fields[:3]))
        shift = net.model["threshold"] - model["threshold"]
        run, end = alif.run(net.x, W, V, alif.State(*state, start.spikes),
                            refractory=net.refractory, clamp=rec.clamp,
                            spike=lambda t, v: spike(t, v + shift), **model, **frozen)
        return value(run, ds, dm) + sum(
            float(np.sum(k * s)) for k, s in zip(later[:3], end[:3], strict=True))

    return loss


@proves("alif", 10, 11, 12, 13, 14, 15)
@pytest.mark.parametrize("reset, recurrence, recurrent",
                         list(itertools.product((False, True), repeat=3)))
@given(st.data(), SMOOTH)
@examples(8)
def test_constants_and_states_by_differences(reset, recurrence, recurrent, data, name):
    net, start, end = data.draw(begun(recurrent=recurrent))
    psi, *adjoint = losses(net, name)
    found = complete(net, end, psi, *adjoint, through_reset=reset,
                     through_recurrence=recurrence)
    values = point(net, start)
    assert list(values) == list(found)
    loss = loss_of(net, start, *adjoint, name, reset, recurrence)
    theta, grad = list(values.values()), list(found.values())
    checks.directional(loss, theta, grad, net.rng, names=list(values), rtol=RTOL_FD)
    assert any(checks.taylor_slope(loss, theta, grad, [
        net.rng.normal(size=t.shape) for t in theta], start=1e-3, halvings=6) >= 1.9
        for _ in range(3))      # one may cross a flat direction


def example(refractory=1):
    """Return the results of `begin` for one live layer with unequal constants."""
    net, *states = begin(network(4, strategies.Sizes(13, 2, 3, 3), True, refractory,
                                 True))
    assert net.recording.spikes[:5].any()
    assert net.recording.clamp.any() == (refractory > 0)
    return net, *states


@pytest.mark.parametrize("wrong", [
    *NAMES, "V", "syn", "mem", "adapted", "direct", "direct adaptation", "no last step",
    "reset", "recurrence"])
def test_wrong_derivatives_by_constants_and_states_are_rejected(wrong):
    net, start, end = example()
    psi, ds, dm, later = losses(net)
    loss = loss_of(net, start, ds, dm, later)
    values, found = point(net, start), complete(net, end, psi, ds, dm, later)
    by_spike = psi * ds * ~net.recording.clamp
    checked = {"direct": "threshold", "direct adaptation": "adaptation"}.get(wrong)
    if wrong in found:
        checked, bad = wrong, 1.001 * found[wrong]
    elif wrong == "direct":
        bad = found[checked] + by_spike.sum((0, 1))
    elif wrong == "direct adaptation":
        bad = found[checked] + (by_spike * net.recording.adapted).sum((0, 1))
    elif wrong == "no last step":
        checked, bad = "alpha", complete(net, None, psi, ds, dm, None)["alpha"]
    else:
        checked = "threshold"
        bad = complete(net, end, psi, ds, dm, later,
                       **{f"through_{wrong}": False})[checked]

    def of_one(theta):
        return loss(list((values | {checked: theta}).values()))

    checks.gradient(of_one, values[checked], found[checked], rtol=RTOL_FD)
    with pytest.raises(AssertionError, match="gradient says .* off by"):
        checks.gradient(of_one, values[checked], bad, rtol=RTOL_FD)


def test_constants_come_after_the_weights_and_the_last_step_after_the_others():
    """The columns are those of each neuron; rows and columns are only added."""
    net, _, end = example()
    psi = losses(net)[0]
    args, n = (net.x, net.W, net.V, net.recording, psi), 3
    J, F = alif.linearise(*args, **net.model)
    long, more = alif.linearise(*args, end, constants=True, **net.model)
    T = len(net.x)
    assert len(J) == len(F) == T and len(long) == len(more) == T + 1
    assert (long[:T] == J).all() and (more[:T, ..., :-6 * n] == F).all()
    assert F.shape[-1] == net.W.size + net.V.size and more.shape[-1] == \
        F.shape[-1] + 6 * n and not more[0].any()
    assert (more[5, :, 1, -6 * n + 1] == net.recording.syn[4, :, 1]).all()


@proves("alif", 1, 2, 3, 4, 5)
def test_a_step_by_hand():
    """Neuron 1 spikes; neuron 2 spiked before, and its refractory period lasts."""
    state = alif.State(*(np.array([pair]) for pair in (
        (1.0, 2.0), (3.0, 1.0), (1.0, 0.0))), np.array([[[0.0, 1.0]]]))
    own = {"alpha": 0.5, "beta": 0.25, "rho": 0.5, "adaptation": 0.5, "gain": 2.0,
           "threshold": [2, 0.5], "refractory": 1}
    now, after = alif.step(np.ones((1, 2)), np.array([[0, 0], [4.0, 0]]), state, **own)
    assert [a[0].tolist() for a in now] == [[1, 2], [3, 1], [1, 0], [1, 0],
                                            [False, True]]
    assert [a.ravel().tolist() for a in after] == [[1.5, 6], [0.75, 4.25], [1.5, 0],
                                                   [1, 0]]
    assert after.spikes.shape == (1, 1, 2)
    free = alif.step(np.ones((1, 2)), None, state._replace(spikes=None), **own)[0]
    assert free.spikes.tolist() == [[1, 1]] and not free.clamp.any()


def test_refractory_periods_pass_from_run_to_run():
    free = {"alpha": 0.0, "beta": 0.0, "rho": 0.0, "adaptation": 0.0, "refractory": 2}
    x, W = np.ones((3, 1, 1)), np.array([[3.0]])
    first, state = alif.run(x, W, **free)
    second, after = alif.run(x, W, None, state, **free)
    for rec, spikes, clamp in ((first, [0, 0, 1], [0, 0, 0]),
                               (second, [0, 0, 1], [1, 1, 0])):
        assert rec.spikes.ravel().tolist() == spikes
        assert rec.clamp.ravel().tolist() == clamp
    assert state.spikes.ravel().tolist() == after.spikes.ravel().tolist() == [0, 1]
    for faint in (None, 0.4 * state.spikes):            # no spike
        forgot = alif.run(x, W, None, state._replace(spikes=faint), **free)[0]
        assert forgot.spikes.ravel().tolist() == [1, 0, 0]


@given(begun(), st.sampled_from((np.float32, np.float64)))
def test_steps_equal_the_run_to_the_last_bit(layer, dtype):
    net, start, _ = layer
    W, V, *start = (None if a is None else a.astype(dtype)
                    for a in (net.W, net.V, *start))
    x, state, own = net.x.astype(dtype), alif.State(*start), {
        **net.model, "refractory": net.refractory}
    for a in (x, W, *start):
        a.setflags(write=False)
    whole, end = alif.run(x, W, V, state, **own)
    assert whole.spikes.any()
    assert not any(np.shares_memory(a, b) for a in end for b in (*whole, *start))
    (T, B, m), rows = x.shape, []
    for drive in (x.reshape(T * B, m) @ W.T).reshape(T, B, -1):
        now, state = alif.step(drive, V, state, **own)
        rows.append(now)
    found = [*map(np.array, zip(*rows, strict=True)), *state]
    for a, b in zip(found, (*whole, *end), strict=True):
        assert a.dtype == b.dtype and a.shape == b.shape and (a == b).all()
    assert {a.dtype for a in (*end, *whole[:4])} == {np.dtype(dtype)}
    rest = alif.State(*(0 * a for a in start[:3]))
    both = alif.run(x, W, V, rest, **own)[0], alif.simulate(x, W, V, **own)
    assert all((a == b).all() for a, b in zip(*both, strict=True))


@given(begun(), st.data())
def test_chunks_equal_the_whole(layer, data):
    """Test states, spikes and gradients; without adjoints the gradient differs."""
    net, start, end = layer
    T, own = len(net.x), {**net.model, "refractory": net.refractory}
    cuts = [0, *sorted(data.draw(st.sets(st.integers(1, T - 1), min_size=2,
                                         max_size=2))), T]
    parts, state = [], start
    for first, last in itertools.pairwise(cuts):
        rec, state = alif.run(net.x[first:last], net.W, net.V, state, **own)
        parts.append((slice(first, last), rec, state))
    for a, b in zip((*map(np.concatenate, zip(*(rec for _, rec, _ in parts),
                                              strict=True)), *state),
                    (*net.recording, *end), strict=True):
        if b.any():
            close(1.0 * a, 1.0 * b, RTOL / 100)
    assert (np.concatenate([rec.spikes for _, rec, _ in parts])
            == net.recording.spikes).all()
    _, ds, dm, later = losses(net)
    psi = proofs.surrogate("arctan", 2.0)(distance(net))[1]

    def gradient(x, rec, psi, ds, dm, after, later):
        J, F = alif.linearise(x, net.W, net.V, rec, psi, after, constants=True,
                              **net.model)
        q = credit_and_last(rec, psi, ds, dm, later, net.model["adaptation"])
        return bptt.gradient(J, F, q), alif.State(*np.split(
            bptt.adjoint(J, q)[0], 3, axis=-1))

    whole, first = gradient(net.x, net.recording, psi, ds, dm, end, later)
    sums, truncated, back = 0, 0, later
    for rows, rec, after in reversed(parts):
        chunk = net.x[rows], rec, psi[rows], ds[rows], dm[rows]
        truncated = truncated + gradient(*chunk, None, None)[0]
        flat, back = gradient(*chunk, after, back)
        sums = sums + flat
    close(sums, whole, RTOL / 100)
    for a, b in zip(back[:3], first[:3], strict=True):
        close(a, b, RTOL / 100)
    assert np.linalg.norm(truncated - whole) > RTOL_FD * np.linalg.norm(whole)


def test_float32_states_and_constants_are_kept():
    net, _, end = example()
    psi, ds, dm, _ = losses(net)
    W, V, half = (a.astype(np.float32) for a in (net.W, net.V, psi))
    last = alif.State(*(None if a is None else a.astype(np.float32) for a in end))
    J, F = alif.linearise(net.x, W, V, net.recording, half, last, constants=True,
                          **net.model)
    q = alif.credit(net.recording, half, ds, dm, adaptation=net.model["adaptation"])
    assert J.dtype == F.dtype == q.dtype == np.float32
    exact = alif.linearise(net.x, net.W, net.V, net.recording, psi, end,
                           constants=True, **net.model)
    for a, b in zip((J, F), exact, strict=True):
        assert np.linalg.norm(a - b) <= 1e-6 * np.linalg.norm(b)


def test_defaults_and_flags_of_numpy():
    net, start, end = example(refractory=0)
    one = {"gain": 1.0, "threshold": 1.0, "refractory": 0}
    own = {key: net.model[key] for key in ("alpha", "beta", "rho", "adaptation")}
    args, psi = (net.x, net.W, net.V, start), losses(net)[0]
    drive = net.x[0] @ net.W.T
    for call, values in ((alif.run, args), (alif.step, (drive, *args[2:]))):
        (rec, last), (same, state) = call(*values, **own), call(*values, **own, **one)
        assert all((a == b).all() for a, b in zip((*rec, *last), (*same, *state),
                                                  strict=True))
    for flag in (True, False):
        found, wanted = (alif.linearise(
            net.x, net.W, net.V, net.recording, psi, end, through_reset=yes,
            through_recurrence=yes, constants=yes, **net.model)
            for yes in (flag, np.bool_(flag)))
        assert all((a == b).all() for a, b in zip(found, wanted, strict=True))
    nothing = alif.credit(net.recording, psi, adaptation=0.5)
    assert nothing.shape == (*psi.shape[:2], 9) and nothing.dtype == float
    assert not nothing.any()


def test_credit_keeps_psi():
    zero, psi = np.zeros((2, 1, 2)), np.ones((2, 1, 2))
    clamp = zero > 0
    clamp[1] = True
    alif.credit(alif.Recording(zero, zero, zero, zero, clamp), psi, zero,
                adaptation=0.5)
    assert (psi == 1).all()
