"""Test SnAp-n: its definition, frozen differences, and cases where it is exact."""

import numpy as np
import proofs
import pytest
import strategies
from hypothesis import assume, given
from hypothesis import strategies as st
from proofs import examples, proves
from tolerances import RTOL, RTOL_FD

from refsnn import bptt, checks, lif, snap, sparse_rtrl

LONG = strategies.sizes(T=(9, 12), n=(2, 4))


def masked(J, F, q, owner, pattern):
    """Apply definition (1) to the whole matrix, one sequence at a time."""
    copies = q.shape[2] // pattern.shape[1]
    keep = np.concatenate([pattern[owner].T] * copies)
    total = np.zeros(F.shape[3])
    for b in range(q.shape[1]):
        M = np.zeros(F.shape[2:])
        for t in range(len(q)):
            M = keep * (J[t, b] @ M + F[t, b])
            total += q[t, b] @ M
    return total


def near(found, right):
    assert np.abs(right).max() > 0
    np.testing.assert_allclose(found, right, rtol=RTOL,
                               atol=RTOL * np.abs(right).max())


def layer(net, name="arctan"):
    """Return (J, F, q), the owners and the adjoints behind q."""
    v = net.recording.mem - net.model["threshold"]
    psi = proofs.surrogate(name, 2.0)(v)[1]
    ds, dm = net.rng.normal(size=(2, *psi.shape))
    J, F, _ = lif.linearise(net.x, net.W, net.V, net.recording, psi, **net.model,
                            through_reset=net.paths["through_reset"])
    owner = snap.owners(len(net.W), net.x.shape[2], net.V is not None)
    return (J, F, lif.credit(psi, ds, dm)), owner, (psi, ds, dm)


def ring(net, rng):
    """Return the network in which each neuron projects to the next one alone."""
    n = len(net.W)
    V = np.roll(np.eye(n), 1, axis=0) * np.abs(net.W).mean() * rng.uniform(0.5, 1, n)
    return rewired(net, V)


def rewired(net, V):
    rec = lif.simulate(net.x, net.W, V, refractory=net.refractory, **net.model)
    assume(strategies.live(rec.spikes) and rec.spikes[:3].any())
    return net._replace(V=V, recording=rec)


# --- the definition ----------------------------------------------------------------

@proves("snap", 1, 3)
@given(strategies.linear_systems(), st.data())
def test_definition_on_any_recurrence(system, data):
    J, F, q = system
    states, p = F.shape[2:]
    copies = data.draw(st.sampled_from([c for c in (1, 2, 3) if states % c == 0]))
    rng = np.random.default_rng(data.draw(strategies.SEEDS))
    g = data.draw(st.integers(1, 4))
    owner = rng.integers(0, g, p)
    pattern = rng.random((g, states // copies)) < 0.6
    pattern[owner, 0] = True
    near(snap.gradient(J, F, q, owner, pattern), masked(J, F, q, owner, pattern))


@proves("snap", 1, 3)
@given(strategies.linear_systems())
def test_all_kept_is_exact(system):
    J, F, q = system
    owner = np.zeros(F.shape[3], int)
    near(snap.gradient(J, F, q, owner, np.ones((1, F.shape[2]), bool)),
         bptt.gradient(J, F, q))


@given(strategies.linear_systems(), st.data())
def test_steps_add_up_and_store_what_is_stated(system, data):
    J, F, q = system
    p = F.shape[3]
    rng = np.random.default_rng(data.draw(strategies.SEEDS))
    owner, pattern = rng.integers(0, 3, p), rng.random((3, F.shape[2])) < 0.7
    pattern[owner, 0] = True
    blocks, total = None, np.zeros(p)
    for t in range(len(q)):
        blocks = snap.step(blocks, J[t], F[t], owner, pattern)
        for g, block in enumerate(blocks):
            total[owner == g] += np.einsum("bk,bkp->p", q[t][:, pattern[g]], block)
    near(total, snap.gradient(J, F, q, owner, pattern))
    assert sum(block[0].size for block in blocks) \
        == snap.stored(owner, pattern, F.shape[2])


# --- relation to other rules --------------------------------------------------------

@given(strategies.live_lif(recurrent=True))
def test_order_one_is_the_block_rule(net):
    system, owner, adjoints = layer(net)
    block = sparse_rtrl.gradient(net.x, net.V, net.recording, *adjoints, rule="block",
                                 through_reset=net.paths["through_reset"], **net.model)
    near(snap.gradient(*system, owner, snap.reach(net.V, 1)),
         np.concatenate([block.dW.ravel(), block.dV.ravel()]))


@given(strategies.live_lif(LONG, recurrent=True))
def test_order_two_is_exact_on_a_dense_network(net):
    system, owner, _ = layer(net)
    exact = bptt.gradient(*system)
    near(snap.gradient(*system, owner, snap.reach(net.V, 2)), exact)
    first = snap.gradient(*system, owner, snap.reach(net.V, 1))
    assert np.linalg.norm(first - exact) > RTOL_FD * np.linalg.norm(exact)


@given(strategies.live_lif(recurrent=True))
def test_order_one_is_exact_with_diagonal_recurrence(net):
    net = rewired(net, np.diag(np.diagonal(net.V)))
    system, owner, _ = layer(net)
    near(snap.gradient(*system, owner, snap.reach(net.V, 1)), bptt.gradient(*system))


@proves("snap", 1, 2, 3)
@given(strategies.live_lif(strategies.sizes(T=(14, 18), n=(3, 5)), recurrent=True,
                           refractory=0, reset="subtract"))
def test_on_a_ring_it_grows_to_the_exact_one(net):
    """Test that each order keeps more, and the order of the ring's length all."""
    net = ring(net, net.rng)
    system, owner, _ = layer(net)
    exact, n = bptt.gradient(*system), len(net.W)
    stored, far = [], []
    for order in range(1, n + 2):
        pattern = snap.reach(net.V, order)
        assert (pattern.sum(axis=1) == min(order, n)).all()
        stored.append(snap.stored(owner, pattern, 2 * n))
        far.append(np.linalg.norm(snap.gradient(*system, owner, pattern) - exact)
                   / np.linalg.norm(exact))
    assert (np.diff(stored[:n]) > 0).all() and stored[n] == stored[n - 1]
    assert stored[n - 1] == len(owner) * 2 * n
    assert far[0] > RTOL_FD and max(far[n - 1:]) <= RTOL


# --- frozen differences ----------------------------------------------------------

def kept_run(net, kept, function, W, V):
    """Run the kept neurons with the recorded spikes of all others as input."""
    rec, others = net.recording, np.flatnonzero(~kept)
    model = {key: number if np.ndim(number) == 0 else number[kept]
             for key, number in net.model.items()}
    x = np.concatenate([net.x, rec.spikes[:, :, others]], axis=2)
    frozen = {} if net.paths["through_reset"] else {
        "reset_spikes": rec.spikes[:, :, kept]}
    inside = np.flatnonzero(kept)
    spike = checks.anchored(function, rec.mem[:, :, kept].copy(), model["threshold"])
    return lif.simulate(
        x, np.concatenate([W[kept], V[np.ix_(inside, others)]], axis=1),
        V[np.ix_(inside, inside)], spike=spike, clamp=rec.clamp[:, :, kept],
        refractory=net.refractory, **model, **frozen)


@proves("snap", 1, 2, 3)
@given(strategies.live_lif(strategies.sizes(T=(9, 14), n=(3, 5)), recurrent=True),
       st.integers(1, 4), st.sampled_from(("arctan", "sigmoid", "gaussian")),
       st.booleans())
@examples(40)
def test_by_differences_of_one_pass_for_each_neuron(net, order, name, sparse):
    net = ring(net, net.rng) if sparse else net
    system, owner, (_, ds, dm) = layer(net, name)
    pattern, (n, m) = snap.reach(net.V, order), net.W.shape
    function = proofs.surrogate(name, 2.0)
    found = snap.gradient(*system, owner, pattern)
    dW, dV = found[:n * m].reshape(n, m), found[n * m:].reshape(n, n)

    def loss(W, V):
        """Change row i of W and V in the pass of neuron i alone."""
        total = 0.0
        for i in range(n):
            rows = np.arange(n) == i
            run = kept_run(net, pattern[i], function,
                           np.where(rows[:, None], W, net.W),
                           np.where(rows[:, None], V, net.V))
            total += float(np.sum(ds[:, :, pattern[i]] * run.spikes)
                           + np.sum(dm[:, :, pattern[i]] * run.mem))
        return total

    checks.directional(lambda W: loss(W, net.V), net.W, dW, net.rng, names=["W"],
                       rtol=RTOL_FD)
    if np.abs(dV).max() > 0:
        checks.directional(lambda V: loss(net.W, V), net.V, dV, net.rng, names=["V"],
                           rtol=RTOL_FD)
    with pytest.raises(AssertionError, match="W, direction 0: gradient says"):
        checks.directional(lambda W: loss(W, net.V), net.W, 1.001 * dW, net.rng,
                           names=["W"], rtol=RTOL_FD)


@given(strategies.live_lif(LONG, recurrent=True, through_reset=True))
def test_the_exact_run_refuses_order_one(net):
    """Test that differences of the whole network contradict `block`."""
    system, owner, (_, ds, dm) = layer(net)
    run = proofs.anchored_run(net, proofs.surrogate("arctan", 2.0))
    exact = bptt.gradient(*system)[:net.W.size].reshape(net.W.shape)
    first = snap.gradient(*system, owner, snap.reach(net.V, 1))[:net.W.size].reshape(
        net.W.shape)
    assume(np.linalg.norm(first - exact) > 0.01 * np.linalg.norm(exact))

    def loss(W):
        rec = run(W, net.V, net.x)
        return float(np.sum(ds * rec.spikes) + np.sum(dm * rec.mem))

    checks.directional(loss, net.W, exact, net.rng, names=["W"], rtol=RTOL_FD)
    with pytest.raises(AssertionError, match="gradient says"):
        checks.directional(loss, net.W, first, net.rng, names=["W"], rtol=RTOL_FD)


# --- by hand, types ----------------------------------------------------------------

@proves("snap", 2)
def test_reach_by_hand():
    """Test neurons 0 to 1 to 2 in a chain and an isolated neuron 3."""
    V = np.zeros((4, 4))
    V[1, 0], V[2, 1] = -0.5, 1e-300
    found = [snap.reach(V, order).astype(int).tolist() for order in (1, 2, 3, 9)]
    assert found[0] == np.eye(4).tolist()
    assert found[1] == [[1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
    assert found[2] == [[1, 1, 1, 0], [0, 1, 1, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
    assert found[3] == found[2]


def test_owners_by_hand():
    assert snap.owners(2, 3).tolist() == [0, 0, 0, 1, 1, 1, 0, 0, 1, 1]
    assert snap.owners(2, 3, False).tolist() == [0, 0, 0, 1, 1, 1]
    none = snap.owners(2, 0, False)
    assert snap.owners(1, 0).tolist() == [0] and none.size == 0
    assert snap.stored(none, np.eye(2, dtype=bool), 4) == 0


def test_first_jacobian_is_not_used_inputs_are_kept_and_float32_too():
    rng = np.random.default_rng(0)
    J, F, q = rng.normal(size=(3, 2, 2, 2)), rng.normal(size=(3, 2, 2, 4)), \
        rng.normal(size=(3, 2, 2))
    owner, pattern = np.array([0, 1, 1, 0]), np.array([[True, False], [True, True]])
    for a in (J, F, q, owner, pattern):
        a.setflags(write=False)
    other = J.copy()
    other[0] = 7
    assert (snap.gradient(J, F, q, owner, pattern)
            == snap.gradient(other, F, q, owner, pattern)).all()
    single = [a.astype(np.float32) for a in (J, F, q)]
    found = snap.gradient(*single, owner, pattern)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, snap.gradient(J, F, q, owner, pattern), rtol=1e-4)
    blocks = snap.step(None, *(a[0] for a in single[:2]), owner, pattern)
    blocks = snap.step(blocks, *(a[1] for a in single[:2]), owner, pattern)
    assert [b.shape for b in blocks] == [(2, 1, 2), (2, 2, 2)]
    assert {b.dtype for b in blocks} == {np.dtype(np.float32)}


# --- types ----------------------------------------------------------------------------

EYE = np.eye(2, dtype=bool)
GOOD = {"J": np.ones((3, 1, 4, 4)), "F": np.ones((3, 1, 4, 5)), "q": np.ones((3, 1, 4)),
        "owner": [0, 0, 1, 1, 0], "pattern": EYE}


def test_the_jacobian_sets_the_dtype():
    single = GOOD["J"].astype(np.float32)
    assert snap.gradient(**{**GOOD, "J": single}).dtype == np.float32
    blocks = snap.step(None, single[0], GOOD["F"][0], GOOD["owner"], EYE)
    assert {block.dtype for block in blocks} == {np.dtype(np.float32)}
    with pytest.raises(ValueError, match="^F overflows in float32"):
        snap.gradient(**{**GOOD, "J": single, "F": 1e300 * GOOD["F"]})


def test_blocks_take_the_dtype_of_the_jacobian():
    J, F = np.full((1, 1, 1), 0.5, "f4"), np.ones((1, 1, 2), "f4")
    owner, pattern = [0, 0], np.array([[True]])
    blocks = snap.step(None, J, F, owner, pattern)
    wide = snap.step(tuple(b.astype(float) for b in blocks), J, F, owner, pattern)
    assert [b.dtype for b in wide] == [np.float32]
    assert wide[0].tolist() == [[[1.5, 1.5]]]
