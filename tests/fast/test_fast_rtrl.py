"""Test fast RTRL against the clear forms and differences."""

import itertools
from unittest import mock

import numpy as np
import proofs
import pytest
import strategies
from hypothesis import given
from hypothesis import strategies as st
from proofs import examples, proves
from tolerances import RTOL, RTOL_FD, close

from refsnn import checks, lif, rnn, rtrl, sparse_rtrl
from refsnn.fast import rtrl as fast_rtrl

# --- tanh networks ----------------------------------------------------------------


@st.composite
def networks(draw, T=(2, 9), n=(1, 5)):
    T, B, m, n = draw(strategies.sizes(T=T, n=n))
    rng = np.random.default_rng(draw(strategies.SEEDS))
    start = draw(st.sampled_from((None, rng.normal(size=(B, n)))))
    return (rng.normal(size=(T, B, m)), rng.normal(size=(n, m)),
            rng.normal(size=(n, n)), start, rng.normal(size=(T, B, n)))


def by_rows(F, n, m):
    """Reorder columns from W, then V, row by row, to the rows of [W | V]."""
    order = np.concatenate([np.arange(n * m).reshape(n, m),
                            n * m + np.arange(n * n).reshape(n, n)], axis=1)
    return F[..., order.ravel()]


def before(h, start):
    first = np.zeros_like(h[0]) if start is None else start
    return np.concatenate([first[None], h[:-1]])


@proves("fast/rtrl", 1)
def test_by_hand():
    """Use theta = (w, v) and h = tanh(w x + v h'), where h' is fixed at first."""
    x, start, V = np.array([[2.0]]), np.array([[0.5]]), np.array([[3.0]])
    h = np.array([[0.6]])
    M = fast_rtrl.step(None, x, start, h, V)
    close(M, [[[0.64 * 2.0, 0.64 * 0.5]]])
    close(fast_rtrl.step(M, x, h, h, V),
          [[[0.64 * (3 * 1.28 + 2.0), 0.64 * (3 * 0.32 + 0.6)]]])


def test_one_step():
    x, h, V = np.full((1, 1, 1), 2.0), np.full((1, 1, 1), 0.6), np.array([[3.0]])
    dW, dV = fast_rtrl.gradient(x, V, h, 0 * h + 5)
    close(dW, [[0.64 * 2 * 5]])
    assert dV.tolist() == [[0.0]]
    close(fast_rtrl.gradient(x, V, h, 0 * h + 5, h[0])[1], [[0.64 * 0.6 * 5]])


@proves("fast/rtrl", 1, 2)
@given(networks())
def test_structured_steps_are_the_generic_ones(network):
    x, W, V, start, dh = network
    h = rnn.simulate(x, W, V, start)
    J, F = rnn.linearise(x, W, V, h, start)
    F, earlier = by_rows(F, *W.shape), before(h, start)
    M = generic = None
    total = 0
    for t in range(len(x)):
        generic = rtrl.step(generic, J[t], F[t])
        M = fast_rtrl.step(M, x[t], earlier[t], h[t], V)
        close(M, generic)
        total = total + rtrl.step_gradient(M, dh[t])
    dW, dV, *_ = rnn.backward(x, W, V, h, dh, start)
    close(total.reshape(len(W), -1), np.concatenate([dW, dV], axis=1))
    found = fast_rtrl.gradient(x, V, h, dh, start)
    close(found[0], dW)
    close(found[1], dV)


@proves("fast/rtrl", 1, 2)
@given(networks())
def test_gradient_by_differences(network):
    x, W, V, start, e = network
    grad = fast_rtrl.gradient(x, V, rnn.simulate(x, W, V, start), e, start)

    def loss(theta):
        return float(np.sum(e * rnn.simulate(x, *theta, start)))

    checks.directional(loss, [W, V], list(grad), np.random.default_rng(3),
                       rtol=RTOL_FD)


@given(networks(T=(4, 9), n=(2, 5)))
def test_wrong_gradients_are_told_apart(network):
    x, W, V, start, dh = network
    h = rnn.simulate(x, W, V, start)
    right = rnn.backward(x, W, V, h, dh, start)[0]
    for wrong in (fast_rtrl.gradient(x, V.T, h, dh, start)[0],
                  fast_rtrl.gradient(np.roll(x, 1, axis=0), V, h, dh, start)[0],
                  fast_rtrl.gradient(x, V, h, np.roll(dh, 1, axis=0), start)[0],
                  1.001 * fast_rtrl.gradient(x, V, h, dh, start)[0]):
        with pytest.raises(AssertionError):
            close(wrong, right)


@given(networks())
def test_columns_in_blocks_and_all_at_once(network):
    x, W, V, start, dh = network
    h = rnn.simulate(x, W, V, start)
    whole, size = fast_rtrl.gradient(x, V, h, dh, start), fast_rtrl.BLOCK
    try:
        for fast_rtrl.BLOCK in (1, 8 * len(V) ** 2 * 3):
            for a, b in zip(fast_rtrl.gradient(x, V, h, dh, start), whole, strict=True):
                close(a, b)
    finally:
        fast_rtrl.BLOCK = size


def test_buffers_hold_the_same_and_inputs_are_kept():
    rng = np.random.default_rng(0)
    x, V = rng.normal(size=(2, 2, 3)), rng.normal(size=(4, 4))
    h, M = np.tanh(rng.normal(size=(2, 2, 4))), rng.normal(size=(2, 4, 28))
    arrays = [x, V, h, M]
    kept = [a.copy() for a in arrays]
    for a in arrays:
        a.setflags(write=False)
    out = np.full_like(M, np.nan)
    found = fast_rtrl.step(M, x[1], h[0], h[1], V, out=out)
    assert found is out and (found == fast_rtrl.step(M, x[1], h[0], h[1], V)).all()
    assert (found == fast_rtrl.step(M.transpose(2, 0, 1).copy().transpose(1, 2, 0),
                                    x[1], h[0], h[1], V)).all()
    fast_rtrl.gradient(x, V, h, h, h[0])
    assert all((a == b).all() for a, b in zip(arrays, kept, strict=True))


@given(networks())
def test_float32_is_kept_and_close(network):
    x, W, V, _, dh = (None if a is None else a.astype(np.float32) for a in network)
    h = rnn.simulate(x, W, V)
    found = fast_rtrl.gradient(x, V, h, dh)
    exact = fast_rtrl.gradient(*(a.astype(float) for a in (x, V, h, dh)))
    for a, b in zip(found, exact, strict=True):
        assert a.dtype == np.float32
        assert np.linalg.norm(a - b) <= 1e-4 * np.linalg.norm(np.concatenate(
            exact, axis=1))
    assert fast_rtrl.step(None, x[0], h[0], h[1], V).dtype == np.float32


def test_fast_and_slow_checks_give_the_same_results():
    """Lists and integers take the slow checks."""
    rng = np.random.default_rng(1)
    x, V, h = rng.integers(0, 2, (3, 2, 4)) + 0.0, rng.normal(size=(5, 5)), \
        np.tanh(rng.normal(size=(3, 2, 5)))
    wanted = fast_rtrl.gradient(x, V, h, h)
    for other in (fast_rtrl.gradient(x.astype(int), V, h, h),
                  fast_rtrl.gradient(x, V.tolist(), h, h),
                  fast_rtrl.gradient(x, V, h, h, 0 * h[0])):
        assert all((a == b).all() and a.any() for a, b in
                   zip(other, wanted, strict=True))
    wanted = fast_rtrl.step(None, x[0], h[0], h[1], V)
    assert (fast_rtrl.step(None, x[0] > 0, h[0], h[1].tolist(), V) == wanted).all()


# --- LIF layers -------------------------------------------------------------------

GRID = list(itertools.product(("subtract", "zero"), (False, True), (False, True),
                              (0, 2), (False, True)))
CONSTANTS = {"alpha": 0.5, "beta": 0.75, "gain": 2.0}


def same(found, wanted, rtol=RTOL):
    """Assert that gradients agree relative to the norm of both gradients."""
    assert (found[1] is None) == (wanted[1] is None)
    size = np.linalg.norm([np.linalg.norm(a) for a in wanted if a is not None])
    for a, b in zip(found, wanted, strict=True):
        if b is not None:
            assert a.shape == b.shape and np.linalg.norm(a - b) <= rtol * size
    return size > 0


def surrogate(net, name="fast_sigmoid", steepness=2.0):
    return proofs.surrogate(name, steepness)(
        net.recording.mem - net.model["threshold"])[1]


def clear(*arrays, through_recurrence=True, **options):
    """Return the gradient (dW, dV) of the core."""
    return sparse_rtrl.gradient(*arrays, **options,
                                rule="exact" if through_recurrence else "implicit")


def both(net, psi, dspikes, dmem, **changes):
    """Return the gradients of the fast form and of the clear form."""
    return (f(net.x, net.V, net.recording, psi, dspikes, dmem,
              **{**net.model, **net.paths, **changes})
            for f in (fast_rtrl.lif_gradient, clear))


def drawn(recurrent=True, refractory=2, **fixed):
    """Return a live network, psi and both derivatives of the loss."""
    options = strategies.Options(**{**dict(zip(strategies.Options._fields, (
        0.6, 0.8, "other", 1.2, "zero", refractory, recurrent, True, True, True, True),
        strict=True)), **fixed})
    nets = (strategies.network(options, strategies.Sizes(11, 2, 3, 5), seed)
            for seed in range(100))
    net = next(net for net in nets if strategies.live(net.recording.spikes)
               and strategies.heard(net))
    assert net.recording.clamp.any() == (refractory > 0)
    return net, surrogate(net), *net.rng.normal(size=(2, *net.recording.mem.shape))


@proves("fast/rtrl", 3, 4, 5)
@given(strategies.live_lif(), strategies.surrogates(),
       st.sampled_from((1, 300, 2000, fast_rtrl.BLOCK)))
@examples(150)
def test_lif_layers_have_the_gradient_of_the_clear_form(net, chosen, size):
    psi = surrogate(net, *chosen)
    dspikes, dmem = net.rng.normal(size=(2, *psi.shape))
    assert strategies.live(net.recording.spikes)
    with mock.patch.object(fast_rtrl, "BLOCK", size):
        for ds, du in ((dspikes, dmem), (dspikes, None), (None, dmem)):
            assert same(*both(net, psi, ds, du)) or du is None


@pytest.mark.parametrize("reset, through_reset, recurrence, refractory, recurrent",
                         GRID)
def test_all_options_of_lif_layers(reset, through_reset, recurrence, refractory,
                                   recurrent):
    net, *arrays = drawn(recurrent, refractory, reset=reset)
    paths = {"through_reset": through_reset, "through_recurrence": recurrence}
    found, wanted = both(net, *arrays, **paths)
    assert same(found, wanted)
    for name in ["through_reset", "through_recurrence"][:1 + recurrent]:
        other, _ = both(net, *arrays, **{**paths, name: not paths[name]})
        assert np.linalg.norm(other[0] - wanted[0]) > 1e-6 * np.linalg.norm(wanted[0])
    exact = lif.backward(net.x, net.W, net.V, net.recording, *arrays, **net.model,
                         **paths)
    same(found, (exact.dW, exact.dV))


@proves("fast/rtrl", 3, 4, 5)
def test_lif_by_hand():
    """Use one neuron with theta = (w, v), whose only spike is S[0] = 1."""
    S, dmem = np.eye(5)[0].reshape(5, 1, 1), np.array([0.0, 0, 5, 7, 9])
    x, psi, V = 3 + 0 * S, 0.25 + 0 * S, np.array([[4.0]])
    dI1, dI2 = np.array([3, 1]), np.array([1.5 + 3, 0.5])
    dU2 = 2 * dI1
    dU3 = (0.75 - 0.25) * dU2 + 2 * dI2
    dI3 = 0.5 * dI2 + 4 * 0.25 * dU2 + [3, 0]
    dU4 = (0.75 - 0.25) * dU3 + 2 * dI3
    found = fast_rtrl.lif_gradient(x, V, (0 * S, 0 * S, S, 0 * S), psi, None,
                                   dmem.reshape(5, 1, 1), **CONSTANTS)
    close(np.ravel(found), 5 * dU2 + 7 * dU3 + 9 * dU4)


@pytest.mark.parametrize("recurrent", [False, True])
def test_graded_spikes_reset_in_part(recurrent):
    """The clear form defines the reset to zero for spikes between 0 and 1."""
    net, *arrays = drawn(recurrent, refractory=0)
    rec = net.recording._replace(spikes=0.3 * net.recording.spikes)
    assert same(*both(net._replace(recording=rec), *arrays))


@pytest.mark.parametrize("name, recurrent, size, calls", [
    ("_lif_block", True, 1, 10), ("_lif_block", True, 3000, 6),
    ("_lif_block", True, 2**20, 2), ("_local", False, 500, 2),
    ("_local", False, 3000, 1)])
def test_lif_in_blocks_and_all_at_once(name, recurrent, size, calls):
    """Blocks divide the 5 neurons of each of 2 sequences, or the 2 sequences."""
    net, *arrays = drawn(recurrent)
    with mock.patch.object(fast_rtrl, "BLOCK", size), mock.patch.object(
            fast_rtrl, name, wraps=getattr(fast_rtrl, name)) as spy:
        assert same(*both(net, *arrays))
    assert spy.call_count == calls


def test_spoilt_lif_layers_are_told_apart():
    net, psi, dspikes, dmem = drawn()
    _, right = both(net, psi, dspikes, dmem)
    wrong = [net._replace(V=net.V.T), net._replace(x=np.roll(net.x, 1, axis=0)),
             net._replace(recording=net.recording._replace(
                 clamp=0 * net.recording.clamp))]
    found = [next(both(other, psi, dspikes, dmem)) for other in wrong]
    found += [next(both(net, np.roll(psi, 1, axis=0), dspikes, dmem)),
              next(both(net, psi, dspikes, np.roll(dmem, 1, axis=0))),
              next(both(net, psi, dspikes, dmem, reset="subtract"))]
    for other in found:
        with pytest.raises(AssertionError):
            same(other, right, 1e-3)


@pytest.mark.parametrize("recurrent", [False, True])
@pytest.mark.parametrize("per_neuron", [False, True])
@pytest.mark.parametrize("reset, refractory", [("zero", 2), ("subtract", 0)])
def test_lif_float32_is_kept_and_close(recurrent, per_neuron, reset, refractory):
    net, *arrays = drawn(recurrent, refractory, reset=reset, per_neuron=per_neuron)
    _, wanted = both(net, *arrays)
    single = net._replace(x=net.x.astype("f"), V=net.V if net.V is None else
                          net.V.astype("f"))
    found, clear = both(single, *(a.astype("f") for a in arrays))
    for a in (*found, *clear):
        assert a is None or a.dtype == np.float32
    same(found, wanted, 1e-5)
    assert same(found, clear, 1e-6)


def test_the_defaults_of_lif_layers():
    net, psi, dspikes, _ = drawn(refractory=0)
    args = net.x, net.V, net.recording, psi, dspikes
    one, two = (f(*args, alpha=0.5, beta=0.75) for f in
                (fast_rtrl.lif_gradient, clear))
    assert same(one, two)


@pytest.mark.parametrize("recurrent", [False, True])
def test_lif_inputs_and_the_buffer_size_are_kept(recurrent):
    net, *arrays = drawn(recurrent)
    kept = [a for a in (net.x, net.V, *net.recording, *arrays) if a is not None]
    before, size = [a.copy() for a in kept], np.getbufsize()
    for a in kept:
        a.setflags(write=False)
    found, _ = both(net, *arrays)
    assert all(a is None or a.any() for a in found)
    assert all((a == b).all() for a, b in zip(kept, before, strict=True))
    assert np.getbufsize() == size
    if recurrent:
        with mock.patch.object(fast_rtrl, "_lif_block", side_effect=MemoryError), \
                pytest.raises(MemoryError):
            next(both(net, *arrays))
        assert np.getbufsize() == size


def test_integers_and_booleans_of_lif_layers_are_numbers():
    rng = np.random.default_rng(4)
    x, syn, mem, S, clamp, ds, du = (rng.integers(0, 2, (5, 2, 3)) for _ in range(7))
    V, psi = rng.integers(-1, 2, (3, 3)), rng.random((5, 2, 3))
    whole = x > 0, V, (syn, mem, S > 0, clamp > 0), psi, ds, du > 0
    real = x + 0.0, V + 0.0, (syn + 0.0, mem + 0.0, S + 0.0, clamp + 0.0), psi, \
        ds + 0.0, du + 0.0
    for flag in (True, np.bool_(False)):
        for a, b in zip(*(fast_rtrl.lif_gradient(
                *arrays, alpha=0.5, beta=0.75, through_reset=flag,
                through_recurrence=flag) for arrays in (whole, real)), strict=True):
            assert (a == b).all() and a.any()


@pytest.mark.parametrize("T, m, n", [(1, 1, 1), (2, 2, 1), (3, 1, 1), (4, 0, 2)])
def test_smallest_lif_layers(T, m, n):
    rng = np.random.default_rng(3)
    x, states = rng.random((T, 1, m)), rng.random((4, T, 1, n))
    states[3] = 0
    for V in (None, rng.random((n, n))):
        args = x, V, tuple(states), rng.random((T, 1, n)), None, rng.random((T, 1, n))
        live = same(*(f(*args, **CONSTANTS) for f in
                      (fast_rtrl.lif_gradient, clear)))
        assert live == (T > 2 and (m > 0 or V is not None))
