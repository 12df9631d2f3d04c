"""SuperSpike by blocks of steps equals SuperSpike step by step."""

import itertools

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix
from proofs import examples, proves
from strategies import SEEDS, thinned
from tolerances import RTOL

from refsnn import lif, optimisers, superspike, superspike_signals
from refsnn.fast import superspike as fast_superspike

NAMES = tuple(superspike.OPTIONS)
GRID = list(itertools.product(*superspike.OPTIONS.values(), (0.0, 3e-4), (0.0, 0.5)))
# Short time constants: every filter acts within some tens of steps.
QUICK = {"dt": 1e-4, "tau_mem": 3e-3, "tau_syn": 2e-3, "tau_rise": 1.5e-3,
         "tau_decay": 2.5e-3, "tau_het": 5e-3, "refractory": 1e-3, "exponent": 2.0}


def both(**changes):
    """Return coefficients as each of the two modules defines them."""
    k = superspike.coefficients(superspike.Settings(**{**QUICK, **changes}))
    return k, fast_superspike.Coefficients(*k)


def close(a, b):
    """Assert equality to RTOL of the largest entry; return whether that is not 0."""
    assert np.shape(a) == np.shape(b) and a.dtype == b.dtype
    np.testing.assert_allclose(a, b, rtol=0, atol=RTOL * np.abs(a).max(initial=0))
    return bool(np.any(a))


def online(setting, state, W, x, signal):
    """Return state, steps, m and error of a block by the online form."""
    m, steps, errors = 0.0, [], []
    for arriving, events in zip(x, signal, strict=True):
        state, step = superspike.forward(setting, state, W, arriving)
        state, dm, error = superspike.accumulate(setting, state, W, step, events)
        m = m + dm
        steps.append(step)
        errors.append(error)
    return state, superspike.Step(*map(np.stack, zip(*steps, strict=True))), m, \
        np.stack(errors)


def compare_blocks(changes, seed, sizes=(2, 3, 5),
                   lengths=(fast_superspike.BLOCK, 1, 2 * fast_superspike.BLOCK + 7)):
    """Compare blocks with changing weights; return spikes and nonzero arrays."""
    rng = np.random.default_rng(seed)
    B, n, m = sizes
    slow, fast = both(**changes)
    a, b = superspike.rest(slow, B, n, m), fast_superspike.rest(fast, B, n, m)
    W = rng.normal(0.03, 0.05, (B, n, m))
    spikes, live = [], set()
    for T in lengths:
        x = rng.random((T, B, m)) < 0.1
        signal = rng.integers(-1, 2, (T, B, n)) * (rng.random((T, B, n)) < 0.3)
        a, step, dm, error = online(slow, a, W, x, signal)
        b, block = fast_superspike.forward(fast, b, W, x)
        b, m_block, e_block = fast_superspike.accumulate(fast, b, W, block, signal)
        assert (step.spikes == block.spikes).all()
        pairs = [("step mem", step.mem, block.mem), ("psi", step.psi, block.psi),
                 ("error", error, e_block), ("m", dm, m_block),
                 *zip(a._fields, a, b, strict=True)]
        live |= {name for name, one, two in pairs if close(one, two)}
        spikes.append(block.spikes)
        W = W + 1e-3 * dm / max(np.abs(dm).max(), 1e-30)
    return np.concatenate(spikes), live


@proves("fast/superspike", 1, 2, 3, 4, 5, 6, 7)
@pytest.mark.parametrize("values", thinned(GRID), ids=lambda v: "-".join(map(str, v)))
def test_online_and_fast_form_agree_with_every_option(values):
    changes = dict(zip((*NAMES, "delay", "rho"), values, strict=True))
    spikes, live = compare_blocks(changes, 1)
    assert 10 < spikes.sum() < spikes.size / 2
    late = {"past_x", "past_psi"} if changes["delay"] == 0 else set()
    assert live == {"step mem", "psi", "m", *superspike.State._fields} - late


@proves("fast/superspike", 1, 2, 3, 4, 5, 6, 7)
@given(SEEDS, st.tuples(*(st.integers(1, 4),) * 3), st.sampled_from(GRID),
       st.lists(st.integers(1, 30), min_size=1, max_size=4))
@examples(15)
def test_online_and_fast_form_agree_in_drawn_blocks(seed, sizes, values, lengths):
    changes = dict(zip((*NAMES, "delay", "rho"), values, strict=True))
    spikes, live = compare_blocks(changes, seed, sizes, (60, *lengths))
    assume(spikes.any())
    assert "m" in live


@pytest.mark.parametrize("refractory", [6.5e-3, 20e-3])
def test_a_neuron_may_rest_longer_than_a_block(refractory):
    spikes, _ = compare_blocks({"refractory": refractory}, 2,
                               lengths=(200, 1, 2, 50, 64, 129, 300))
    count = spikes.sum(axis=0)
    assert count.max() > 2 and (spikes[:200].sum(axis=0) > 0).any()


@pytest.mark.parametrize("refractory", [0, 1])
def test_a_tie_is_no_spike(refractory):
    k = fast_superspike.Coefficients(syn=0.5, mem=0.5, gain=0.5, threshold=1.0,
                                     refractory=refractory)
    for W, spikes in ((2.0, 0), (2.0 * (1 + 2**-50), 1)):
        _, block = fast_superspike.forward(k, fast_superspike.rest(k, 1, 1, 1),
                                           np.full((1, 1, 1), W), np.eye(4, 1)[:, None])
        assert block.mem.max() == W / 2 and block.spikes.sum() == spikes


def layers(module, k, sizes, rng):
    """Return states and weights of a hidden and an output layer of B replicas."""
    B, m, n, units = sizes
    states = [module.rest(k, B, n, m), module.rest(k, B, units, n)]
    return states, [rng.normal(mean, 0.05, shape) for mean, shape in (
        (0.03, (B, n, m)), (0.05, (B, units, n)))]


def by_steps(k, states, W, matrix, past, x, target):
    """Run a hidden layer online: one loop over time, axons as shift registers."""
    states, integrals, out = list(states), [0.0, 0.0], []
    sent, seen, wanted = past
    for arriving, wish in zip(x, target, strict=True):
        states[0], hidden = superspike.forward(k, states[0], W[0], arriving)
        sent.append(hidden.spikes)
        states[1], output = superspike.forward(k, states[1], W[1], sent.pop(0))
        seen.append(output.spikes)
        wanted.append(wish)
        signal = wanted.pop(0) - seen.pop(0)
        errors = np.einsum("bnk,bk->bn", matrix, signal), signal
        for i, step in enumerate((hidden, output)):
            states[i], dm, _ = superspike.accumulate(k, states[i], W[i], step,
                                                     errors[i])
            integrals[i] = integrals[i] + dm
        out.append(output.spikes)
    return states, integrals, np.stack(out)


def by_blocks(k, states, W, matrix, past, x, target):
    """Run the same layers by blocks, with the functions of superspike_signals.py."""
    hidden_state, hidden = fast_superspike.forward(k, states[0], W[0], x)
    past[0], arriving = superspike_signals.delayed(past[0], hidden.spikes)
    out_state, output = fast_superspike.forward(k, states[1], W[1], arriving)
    past[1], seen = superspike_signals.delayed(past[1], output.spikes)
    past[2], wanted = superspike_signals.delayed(past[2], target)
    signal = wanted - seen
    hidden_state, first, _ = fast_superspike.accumulate(
        k, hidden_state, W[0], hidden, superspike_signals.hidden_signal(signal, matrix))
    out_state, second, _ = fast_superspike.accumulate(k, out_state, W[1], output,
                                                      signal)
    return [hidden_state, out_state], [first, second], output.spikes


@pytest.mark.parametrize("kind", ["symmetric", "random", "uniform"])
def test_a_hidden_layer_learns_the_same_online_and_by_blocks(kind):
    """Three blocks, with RMaxProp and clipping between them, give the same weights."""
    rng, sizes = np.random.default_rng(5), (2, 6, 4, 3)
    slow, fast = both(delay=3e-4, rho=0.3)
    a, W = layers(superspike, slow, sizes, rng)
    b, _ = layers(fast_superspike, fast, sizes, rng)
    shapes = (2, 4), (2, 3), (2, 3)
    lists = [[np.zeros(s) for _ in range(3)] for s in shapes]
    tails, optimisers_ = [np.zeros((3, *s)) for s in shapes], [None, None]
    matrix, rate, spiked = superspike_signals.feedback(kind, W[1], rng), 0.01, 0
    for T in (60, 40, 50):
        x = rng.random((T, 2, 6)) < 0.1
        target = (rng.random((T, 2, 3)) < 0.1).astype(float)
        a, one, spikes = by_steps(slow, a, W, matrix, lists, x, target)
        b, two, fast_spikes = by_blocks(fast, b, W, matrix, tails, x, target)
        assert (spikes == fast_spikes).all()
        assert all([close(*pair) for pair in zip(one, two, strict=True)])
        for i in range(2):
            for pair in zip(a[i], b[i], strict=True):
                close(*pair)
            optimisers_[i], update = optimisers.rmaxprop(optimisers_[i], -two[i],
                                                         rate=rate)
            new = np.clip(W[i] + update, -0.1, 0.1)
            assert 0 < np.abs(new - np.clip(W[i], -0.1, 0.1)).max() <= rate * (1 + RTOL)
            W[i] = new
        if kind == "symmetric":
            matrix = superspike_signals.feedback(kind, W[1])
        spiked += spikes.sum()
    assert spiked > 10


# --- neurons, dtypes, packed input -----------------------------------------------

@proves("fast/superspike", 1, 2)
@given(SEEDS, st.integers(1, 3), st.integers(1, 80), st.sampled_from((1e-4, 8e-4)))
def test_neurons_of_blocks_are_those_of_the_lif_layer(seed, B, cut, refractory):
    """Checked over two blocks; step 0 of `lif.simulate` is rest."""
    rng, k = np.random.default_rng(seed), both(refractory=refractory)[1]
    W, x = rng.normal(0.03, 0.05, (B, 3, 5)), rng.random((90, B, 5)) < 0.08
    state, first = fast_superspike.forward(k, fast_superspike.rest(k, B, 3, 5), W,
                                           x[:cut])
    state, second = fast_superspike.forward(k, state, W, x[cut:])
    spikes, mem = (np.concatenate([getattr(block, name) for block in (first, second)])
                   for name in ("spikes", "mem"))
    assume(0 < spikes.mean() < 0.4)
    for b in range(B):
        rec = lif.simulate(np.concatenate([x, x[:1]])[:, b:b + 1], W[b], alpha=k.syn,
                           beta=k.mem, gain=k.gain, threshold=k.threshold, reset="zero",
                           refractory=k.refractory)
        assert (rec.spikes[1:, 0] == spikes[:, b]).all()
        np.testing.assert_allclose(mem[:, b], rec.mem[1:, 0], rtol=RTOL,
                                   atol=RTOL * k.threshold)


def whole_block(k, W, x, signal, dtype=np.float64):
    """Return State, Block, m and error of one block from rest."""
    state = fast_superspike.rest(k, *W.shape, dtype)
    state, block = fast_superspike.forward(k, state, W.astype(dtype), x)
    state, m, error = fast_superspike.accumulate(k, state, W.astype(dtype), block,
                                                 signal)
    return state, block, m, error


def test_a_packed_train_equals_the_dense_train():
    rng, k = np.random.default_rng(3), both(delay=3e-4)[1]
    W, x = rng.normal(0.05, 0.05, (2, 3, 4)), rng.normal(size=(50, 2, 4))
    x[rng.random(x.shape) < 0.8] = 0
    signal = rng.normal(size=(50, 2, 3))
    one = whole_block(k, W, x, signal)
    two = whole_block(k, W, one[1].x, signal)
    assert one[1].spikes.any()
    assert all((a == b).all() for a, b in zip((*one[0], *one[2:]), (*two[0], *two[2:]),
                                              strict=True))
    np.testing.assert_array_equal(one[0].past_x, x[-3:])


def test_repeated_entries_of_a_sparse_train_are_added_in_the_delay_too():
    k = both(delay=3e-4)[1]
    twice = csr_matrix((np.ones(2), np.zeros(2, int), [0, 0, 0, 0, 0, 2]), (5, 1))
    W, signal = np.full((1, 1, 1), 0.02), np.ones((5, 1, 1))
    one, two = (whole_block(k, W, x, signal) for x in (
        twice, twice.toarray()[:, None]))
    assert one[0].past_x.ravel().tolist() == two[0].past_x.ravel().tolist() == [0, 0, 2]


def test_float32_is_kept_and_is_close_to_float64():
    rng, k = np.random.default_rng(4), both(delay=3e-4, rho=0.3)[1]
    W, x = rng.normal(0.05, 0.05, (2, 3, 4)), rng.random((200, 2, 4)) < 0.05
    signal = rng.normal(size=(200, 2, 3))
    full, half = (whole_block(k, W, x, signal, t) for t in (np.float64, np.float32))
    assert (full[1].spikes == half[1].spikes).mean() > 0.99
    arrays = [*half[0][:2], *half[0][3:], *half[1][:3], *half[2:]]
    assert {a.dtype for a in arrays} == {np.dtype(np.float32)}
    assert half[1].x.dtype == np.float32 and half[0].held.dtype == int
    assert np.abs(half[3] - full[3]).max() < 1e-4 * np.abs(full[3]).max()


def test_inputs_are_not_modified():
    rng, k = np.random.default_rng(6), both(delay=3e-4, rho=0.3)[1]
    W, x = rng.normal(0.05, 0.05, (2, 3, 4)), rng.random((40, 2, 4)) < 0.2
    signal, state = rng.normal(size=(40, 2, 3)), fast_superspike.rest(k, 2, 3, 4)
    for _ in range(2):
        for array in (*state, W, x, signal):
            array.setflags(write=False)
        state, block = fast_superspike.forward(k, state, W, x)
        for array in (*state, *block[:3], block.x.data, block.x.indices):
            array.setflags(write=False)
        before = state
        state, m, _ = fast_superspike.accumulate(k, state, W, block, signal)
        again = fast_superspike.accumulate(k, before, W, block, signal)
        assert (again[1] == m).all() and m.any()


def test_coefficients_of_the_two_modules_are_the_same():
    one = superspike.coefficients(superspike.Settings())
    two = fast_superspike.Coefficients()
    assert one._fields == two._fields
    assert superspike.State._fields == fast_superspike.State._fields
    for a, b in zip(one, two, strict=True):
        assert type(a) is type(b)
        if not isinstance(a, str):
            np.testing.assert_allclose(a, b, rtol=RTOL)
        else:
            assert a == b


# --- the regulariser's fixed point, and learning ----------------------------------

@pytest.mark.parametrize("het, exponent", [
    ("plain", 0.0), ("plain", 4.0), ("error", 4.0), ("published", 2.0)])
def test_fixed_point_of_the_regulariser(het, exponent):
    """For fixed activity, weights approach drive / (rho <zeta>) from any start."""
    rng = np.random.default_rng(8)
    free, k = (both(het=het, exponent=exponent, rho=rho)[1] for rho in (0.0, 0.7))
    state, W = fast_superspike.rest(k, 1, 2, 3), rng.normal(0.1, 0.05, (1, 2, 3))
    x, signal = rng.random((300, 1, 3)) < 0.05, rng.normal(size=(300, 1, 2))
    state, block = fast_superspike.forward(k, state, W, x)
    drive, error = fast_superspike.accumulate(free, state, W, block, signal)[1:]
    trace, zeta = np.zeros(2), np.zeros(2)
    for t in range(300):
        trace = k.het * trace + block.spikes[t, 0]
        power = trace ** exponent if exponent else np.ones(2)
        weight = {"plain": 1, "error": error[t, 0] ** 2,
                  "published": np.abs(error[t, 0]) * k.dt >= 1e-7}[het]
        zeta += k.dt * power * weight
    assert block.spikes.any(axis=(0, 1)).all() and (zeta > 0).all()
    fixed = drive / (0.7 * zeta[None, :, None])
    rest = fast_superspike.accumulate(k, state, fixed, block, signal)[1]
    assert np.abs(rest).max() < RTOL * np.abs(drive).max()
    w = W
    for _ in range(400):        # each step shrinks the distance by a fifth or less
        w = w + 0.2 / (0.7 * zeta.max()) * fast_superspike.accumulate(
            k, state, w, block, signal)[1]
    far, near = (np.abs(a - fixed)[0].max(axis=1) for a in (W, w))
    rate = 1 - 0.2 * zeta / zeta.max()
    np.testing.assert_allclose(near / far, rate ** 400, rtol=0.01, atol=1e-9)


def test_one_neuron_learns_its_target_from_silence():
    """Trials of 100 ms, two target spikes, 3 replicas, which are silent at first."""
    k = fast_superspike.Coefficients()
    rng = np.random.default_rng(11)
    x = rng.random((1000, 3, 60)) < 2e-3
    target = np.zeros((1000, 3, 1))
    target[[400, 800]] = 1
    W, state = np.zeros((3, 1, 60)), fast_superspike.rest(k, 3, 1, 60)
    past, optimiser, costs = np.zeros((8, 3, 2)), None, []
    for _ in range(120):
        state, block = fast_superspike.forward(k, state, W, x)
        both_trains = np.concatenate([target, block.spikes], axis=2)
        past, late = superspike_signals.delayed(past, both_trains)
        state, m, error = fast_superspike.accumulate(
            k, state, W, block, late[:, :, :1] - late[:, :, 1:])
        optimiser, update = optimisers.rmaxprop(optimiser, -m, rate=2e-3)
        W = np.clip(W + update, -0.1, 0.1)
        costs.append((error ** 2).mean(axis=(0, 2)))
        if len(costs) == 1:
            assert not block.spikes.any()
    silent, learned = costs[1], np.mean(costs[-20:], axis=0)
    assert (learned < silent).all() and learned.mean() < 0.5 * silent.mean()
    assert block.spikes.any(axis=0).all()
