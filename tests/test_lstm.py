"""Test the LSTM by hand values, differences, complex steps and its plain form."""

import math
from typing import NamedTuple

import numpy as np
import pytest
import strategies
from hypothesis import given
from hypothesis import strategies as st
from proofs import proves
from tolerances import RTOL, RTOL_FD, close

from refsnn import bptt, checks, lstm

GRADIENTS = ("dW", "dV", "db", "dx", "dh0", "dcell0")


class Net(NamedTuple):
    """Hold the arguments of one run, and the loss <e, h> + <k, c[T-1]>."""

    theta: list         # W, V, b, x, h0, c0
    masks: dict
    e: np.ndarray
    k: np.ndarray


def net(seed, T, B, m, n, masks="steps"):
    rng = np.random.default_rng(seed)
    shapes = (4 * n, m), (4 * n, n), (4 * n,), (T, B, m), (B, n), (B, n)
    theta = [rng.normal(0, 0.8, shape) for shape in shapes]
    drawn = {"x_mask": rng.choice([0, 1.25], (T, B, m)),
             "h_mask": rng.choice([0, 1.25], (T, B, n))}
    drawn["x_mask"][:, 0, 0] = drawn["h_mask"][:, 0, 0] = 1.25      # some input is kept
    if masks == "one":
        drawn = {name: mask[0] for name, mask in drawn.items()}
    return Net(theta, {} if masks == "none" else drawn, rng.normal(size=(T, B, n)),
               rng.normal(size=(B, n)))


@st.composite
def nets(draw):
    size = draw(strategies.sizes(T=(1, 6)))
    return net(draw(strategies.SEEDS), *size,
               draw(st.sampled_from(("none", "one", "steps"))))


def simulate(net, theta=None):
    W, V, b, x, h0, c0 = net.theta if theta is None else theta
    return lstm.simulate(x, W, V, b, h0=h0, cell0=c0, **net.masks)


def backward(net, run=None, **options):
    W, V, b, x, h0, c0 = net.theta
    return lstm.backward(x, W, V, b, simulate(net) if run is None else run, net.e,
                         h0=h0, cell0=c0, dcell_last=net.k, **net.masks, **options)


def loss(net, theta):
    run = simulate(net, theta)
    return float(np.sum(net.e * run.h) + np.sum(net.k * run.cell[-1]))


def plain(net, theta):
    """Return outputs and cells by (1)-(4) as written, analytic in theta."""
    W, V, b, x, h, c = theta
    hs, cs = [], []
    for t in range(len(x)):
        p, q = (np.broadcast_to(net.masks.get(name, 1.0), (len(x),) + a.shape)[t]
                for name, a in (("x_mask", x[0]), ("h_mask", h)))
        z = (p * x[t]) @ W.T + (q * h) @ V.T + b
        i, f, g, o = np.split(z, 4, axis=1)
        i, f, o = (1 / (1 + np.exp(-a)) for a in (i, f, o))
        c = f * c + i * np.tanh(g)
        h = o * np.tanh(c)
        hs.append(h)
        cs.append(c)
    return np.array(hs), np.array(cs)


# --- hand values

def s(z):
    return 1 / (1 + math.exp(-z))


def one_cell():
    """Return two steps of input and the weights of one cell."""
    W, V = np.array([[0.5], [-1.0], [2.0], [0.25]]), np.array([[1.0], [2], [-1], [3]])
    return np.array([[[1.0]], [[-2.0]]]), W, V, np.array([0.1, 0.2, 0.3, 0.4])


@proves("lstm", 1, 2, 3, 4, 10)
def test_two_steps_by_hand():
    run = lstm.simulate(*one_cell(), h0=np.array([[0.5]]), cell0=np.array([[-0.75]]))
    i, f, g, o = s(0.5 + 0.5 + 0.1), s(-1 + 1 + 0.2), math.tanh(2 - 0.5 + 0.3), \
        s(0.25 + 1.5 + 0.4)
    c = f * -0.75 + i * g
    h = o * math.tanh(c)
    np.testing.assert_allclose(run.gates[0, 0], [i, f, g, o], rtol=1e-15)
    np.testing.assert_allclose([run.cell[0, 0, 0], run.h[0, 0, 0]], [c, h], rtol=1e-15)
    i, f, g, o = s(-1 + h + 0.1), s(2 + 2 * h + 0.2), math.tanh(-4 - h + 0.3), \
        s(-0.5 + 3 * h + 0.4)
    c = f * c + i * g
    np.testing.assert_allclose(run.gates[1, 0], [i, f, g, o], rtol=1e-15)
    np.testing.assert_allclose([run.cell[1, 0, 0], run.h[1, 0, 0]],
                               [c, o * math.tanh(c)], rtol=1e-15)


@proves("lstm", 5, 6, 7, 8, 9)
def test_gradient_of_one_step_by_hand():
    x, W, V, b = one_cell()
    h0, c0 = np.array([[0.5]]), np.array([[-0.75]])
    run = lstm.simulate(x[:1], W, V, b, h0=h0, cell0=c0)
    i, f, g, o = run.gates[0, 0]
    c = run.cell[0, 0, 0]
    grad = lstm.backward(x[:1], W, V, b, run, np.full((1, 1, 1), 2.0), h0=h0, cell0=c0,
                         dcell_last=np.array([[3.0]]))
    dc = 2 * o * (1 - math.tanh(c) ** 2) + 3
    dz = [dc * g * i * (1 - i), dc * -0.75 * f * (1 - f), dc * i * (1 - g * g),
          2 * math.tanh(c) * o * (1 - o)]
    for got, wanted in zip(grad, (np.array(dz)[:, None], 0.5 * np.array(dz)[:, None],
                                  dz, [[[dz @ W[:, 0]]]], [[dz @ V[:, 0]]],
                                  [[dc * f]]), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-13)


def test_a_cell_that_remembers():
    """Open the forget gate and shut the input gate: the cell keeps its value."""
    x = np.zeros((50, 1, 1))
    x[0] = 1
    W, V = np.array([[80.0], [0], [0.5], [0]]), np.zeros((4, 1))
    b = np.array([-40.0, 40, 0, 40])
    run = lstm.simulate(x, W, V, b)
    assert (run.cell == math.tanh(0.5)).all()
    e = np.zeros((50, 1, 1))
    e[-1] = 1
    grad = lstm.backward(x, W, V, b, run, e)
    slope = 1 - math.tanh(math.tanh(0.5)) ** 2      # no decay over 49 steps
    np.testing.assert_allclose(grad.dW[2, 0], slope * (1 - math.tanh(0.5) ** 2),
                               rtol=1e-14)
    np.testing.assert_allclose(grad.dcell0[0, 0], slope, rtol=1e-14)


def test_saturated_gates_do_not_overflow():
    x, W, V, b = one_cell()
    run = lstm.simulate(1e6 * x, W, V, b)
    assert np.isin(run.gates, [-1, 0, 1]).all() and len(np.unique(run.gates)) == 3


# --- derivatives

@proves("lstm", 1, 2, 3, 4, 10)
@given(nets())
def test_equals_its_plain_form(net):
    run = simulate(net)
    h, c = plain(net, net.theta)
    close(run.h, h)
    close(run.cell, c)


@proves("lstm", 5, 6, 7, 8, 9)
@given(nets())
def test_gradient_by_differences(net):
    grad = list(backward(net))
    checks.gradient(lambda p: loss(net, p), net.theta, grad, names=GRADIENTS,
                    rtol=RTOL_FD)


@given(nets())
def test_remainder_is_of_second_order(net):
    direction = [np.cos(np.arange(t.size)).reshape(t.shape) for t in net.theta]
    assert 1.9 <= checks.taylor_slope(lambda p: loss(net, p), net.theta,
                                      list(backward(net)), direction, start=1e-3)


@given(nets())
def test_gradient_by_complex_steps(net):
    for k, grad in enumerate(backward(net)):
        d = np.cos(np.arange(grad.size)).reshape(grad.shape)

        def value(a, k=k):
            h, c = plain(net, [a if j == k else t for j, t in enumerate(net.theta)])
            return np.sum(net.e * h) + np.sum(net.k * c[-1])

        assert np.linalg.norm(grad) > 0
        np.testing.assert_allclose(checks.complex_step(value, net.theta[k], d),
                                   np.sum(grad * d), rtol=RTOL,
                                   atol=RTOL * np.linalg.norm(grad))


@given(st.integers(0, 50))
def test_equals_the_generic_sweep(seed):
    """Linearise (h, c) by complex steps and compare with `bptt.gradient`."""
    case = net(seed, 4, 1, 2, 2, "steps")
    W, V, b, x, h, c = case.theta
    run, J, F = simulate(case), [], []
    for t in range(4):
        step = case._replace(masks={k: v[t:t + 1] for k, v in case.masks.items()})

        def after(a, t=t, step=step, h=h, c=c):
            new = plain(step, [W, V, a[None, 4:].T.reshape(-1), x[t:t + 1],
                               a[None, :2], a[None, 2:4]])
            return np.concatenate([new[0][0, 0], new[1][0, 0]])

        at = np.concatenate([h[0], c[0], b])
        table = np.array([[checks.complex_step(lambda a, r=r, f=after: f(a)[r], at, d)
                           for d in np.eye(len(at))] for r in range(4)])
        J.append(table[None, :, :4])
        F.append(table[None, :, 4:])
        h, c = run.h[t], run.cell[t]
    q = np.concatenate([case.e, 0 * case.e], axis=2)
    q[-1, 0, 2:] = case.k[0]
    close(backward(case).db, bptt.gradient(np.array(J), np.array(F), q))


@given(nets())
def test_a_wrong_gradient_is_seen(net):
    grad = list(backward(net))
    rng = np.random.default_rng(0)
    with pytest.raises(AssertionError, match="off by"):
        checks.directional(lambda p: loss(net, p), net.theta,
                           [1.001 * g for g in grad], rng, rtol=RTOL_FD)


# --- masks

def test_a_mask_of_all_steps_is_one_of_each():
    case = net(3, 5, 2, 3, 2, "one")
    each = case._replace(masks={
        k: np.repeat(v[None], 5, axis=0) for k, v in case.masks.items()})
    for a, b in zip(simulate(case) + backward(case), simulate(each) + backward(each),
                    strict=True):
        assert (a == b).all() and a.any()


def test_a_mask_is_that_input_scaled():
    """x_mask scales the columns of W for one sample, and h_mask those of V."""
    case = net(4, 5, 1, 3, 2, "one")
    W, V, b, x, h0, c0 = case.theta
    p, q = case.masks["x_mask"], case.masks["h_mask"]
    other = lstm.simulate(x, W * p, V * q, b, h0=h0, cell0=c0)
    run, grad = simulate(case), backward(case)
    close(other.h, run.h)
    theirs = lstm.backward(x, W * p, V * q, b, other, case.e, h0=h0, cell0=c0,
                           dcell_last=case.k)
    for got, wanted in ((grad.dW, theirs.dW * p), (grad.dV, theirs.dV * q),
                        (grad.db, theirs.db), (grad.dx, theirs.dx),
                        (grad.dh0, theirs.dh0), (grad.dcell0, theirs.dcell0)):
        close(got, wanted)
    bare = simulate(case._replace(masks={}))
    assert np.abs(bare.h - run.h).max() > 1e-3


def test_dropped_inputs_learn_nothing():
    case = net(5, 4, 1, 3, 2)
    mask = np.ones((1, 3))
    mask[0, 1] = 0
    grad = backward(case._replace(masks={"x_mask": mask}))
    assert not grad.dW[:, 1].any() and not grad.dx[..., 1].any()
    assert grad.dW[:, [0, 2]].all() and grad.dx[..., [0, 2]].all()


def test_masks_are_drawn_at_their_rate():
    rng = np.random.default_rng(7)
    mask = lstm.dropout((200, 300), 0.2, rng, np.float32)
    assert mask.dtype == np.float32 and set(np.unique(mask)) == {0, 1.25}
    kept = np.count_nonzero(mask)       # 5 standard deviations: 1 in 10^6
    assert abs(kept - 48000) < 5 * math.sqrt(60000 * 0.2 * 0.8)
    assert (lstm.dropout((3, 4), 0.0, rng) == 1).all()
    one, two = (lstm.dropout((9, 9), 0.5, np.random.default_rng(1)) for _ in range(2))
    assert (one == two).all()


def test_weights_are_drawn_by_their_laws():
    W, V, b = lstm.init(70, 32, np.random.default_rng(2))
    bound = math.sqrt(6 / (70 + 128))
    assert 0.98 * bound < np.abs(W).max() < bound
    # Mean of 8960 uniform numbers: 5 standard deviations.
    assert abs(W.mean()) < 5 * bound / math.sqrt(3 * W.size)
    np.testing.assert_allclose(V.T @ V, np.eye(32), atol=1e-13)
    assert b.tolist() == [0] * 32 + [1] * 32 + [0] * 64
    same = lstm.init(70, 32, np.random.default_rng(2), np.float32)
    assert all(a.dtype == np.float32 and (a == c.astype(np.float32)).all()
               for a, c in zip(same, (W, V, b), strict=True))


@proves("lstm", 11, 12)
def test_draws_one_by_one():
    rng = np.random.default_rng(4)
    drawn = rng.random((3, 5))
    assert (lstm.dropout((3, 5), 0.25, np.random.default_rng(4))
            == np.where(drawn < 0.25, 0, 1 / 0.75)).all() and (drawn < 0.25).any()
    W, V, b = lstm.init(3, 2, np.random.default_rng(4))
    rng = np.random.default_rng(4)
    np.testing.assert_allclose(W, math.sqrt(6 / 11) * rng.uniform(-1, 1, (8, 3)),
                               rtol=1e-15)
    # columns of normal numbers, made orthonormal one after the other
    G, Q = rng.standard_normal((8, 2)), []
    for column in G.T:
        for q in Q:
            column = column - (q @ column) * q
        Q.append(column / math.sqrt(column @ column))
    np.testing.assert_allclose(V, np.stack(Q, axis=1), atol=1e-14)
    assert lstm.init(1, 1, rng)[2].tolist() == [0, 1, 0, 0]


def test_masks_may_be_any_numbers():
    """Allow negative masks, and masks of 0, which remove all input."""
    case = net(12, 4, 2, 3, 2, "none")
    W, V, b, x, h0, c0 = case.theta
    deaf = simulate(case._replace(masks={"x_mask": 0 * x, "h_mask": 0 * h0}))
    np.testing.assert_allclose(deaf.gates, np.broadcast_to(deaf.gates[0, 0], (4, 2, 8)),
                               rtol=1e-15)
    turned = simulate(case._replace(masks={"x_mask": -np.ones_like(x)}))
    close(turned.h, simulate(case, [-W, V, b, x, h0, c0]).h)
    assert np.abs(turned.h - simulate(case).h).max() > 1e-3


def test_large_entries_are_finite_ones():
    """Accept finite entries whose squares overflow."""
    W, V, b = lstm.init(1, 1, np.random.default_rng(1))
    for dtype, big in ((np.float64, 1e200), (np.float32, 1e30)):
        run = lstm.simulate(np.full((2, 1, 1), big, dtype), *(
            a.astype(dtype) for a in (W, V, b)))
        assert np.isfinite(run.h).all() and (np.abs(run.gates[0]) > 0.99).any()


def test_directions_of_recurrent_weights_are_even():
    """Without the sign of R, all first entries would have the same sign."""
    signs = [np.sign(lstm.init(1, 1, np.random.default_rng(k))[1][0, 0])
             for k in range(40)]
    assert 8 < signs.count(1) < 32      # fails once in 10^4 for an even coin


# --- surface

def test_dx_is_left_out_on_demand():
    case = net(6, 3, 2, 2, 2)
    full, part = backward(case), backward(case, inputs=False)
    assert part.dx is None and full.dx.any()
    assert all((a == b).all() for a, b in zip(full, part, strict=True)
               if b is not None)


def test_starts_at_rest_by_default():
    case = net(8, 3, 2, 2, 2, "none")
    W, V, b, x, h0, c0 = case.theta
    rest = [W, V, b, x, 0 * h0, 0 * c0]
    run = lstm.simulate(x, W, V, b)
    assert all((a == c).all() for a, c in zip(run, simulate(case, rest), strict=True))
    bare = lstm.backward(x, W, V, b, run, case.e)
    full = lstm.backward(x, W, V, b, run, case.e, h0=rest[4], cell0=rest[5],
                         dcell_last=0 * h0)
    assert all((a == c).all() and a.any() for a, c in zip(bare, full, strict=True))


def test_halves_of_a_sequence_are_the_whole():
    case = net(9, 6, 2, 3, 2, "none")
    W, V, b, x, h0, c0 = case.theta
    whole, grad = simulate(case), backward(case)
    first = lstm.simulate(x[:3], W, V, b, h0=h0, cell0=c0)
    after = {"h0": first.h[-1], "cell0": first.cell[-1]}
    second = lstm.simulate(x[3:], W, V, b, **after)
    close(np.concatenate([first.h, second.h]), whole.h)
    late = lstm.backward(x[3:], W, V, b, second, case.e[3:], dcell_last=case.k, **after)
    e = case.e[:3].copy()
    e[-1] += late.dh0
    early = lstm.backward(x[:3], W, V, b, first, e, dcell_last=late.dcell0, h0=h0,
                          cell0=c0)
    close(early.dW + late.dW, grad.dW)
    close(early.dV + late.dV, grad.dV)
    close(early.dcell0, grad.dcell0)


def test_arguments_are_kept():
    case = net(10, 3, 2, 2, 2)
    run = simulate(case)
    arrays = [*case.theta, *case.masks.values(), case.e, case.k, *run]
    before = [a.copy() for a in arrays]
    for a in arrays:
        a.setflags(write=False)
    backward(case, simulate(case))
    assert all((a == b).all() for a, b in zip(arrays, before, strict=True))


def test_float32_is_kept_and_close():
    case = net(11, 5, 3, 4, 3)
    small = Net([a.astype(np.float32) for a in case.theta],
                {k: v.astype(np.float32) for k, v in case.masks.items()},
                case.e.astype(np.float32), case.k.astype(np.float32))
    for got, wanted in zip(simulate(small) + backward(small),
                           simulate(case) + backward(case), strict=True):
        assert got.dtype == np.float32
        close(got, wanted, 1e-5)


def test_what_is_in_new_memory_does_not_matter(monkeypatch):
    """Uninitialised memory is not read."""
    rng = np.random.default_rng(3)
    weights, x = lstm.init(3, 2, rng), rng.standard_normal((4, 5, 3))
    mask = lstm.dropout((5, 2), 0.5, rng)
    expected = lstm.simulate(x, *weights, h_mask=mask)
    monkeypatch.setattr(np, "empty", lambda shape, dtype=np.float64: np.full(
        shape, np.finfo(dtype).max, dtype))
    with np.errstate(all="raise"):
        found = lstm.simulate(x, *weights, h_mask=mask)
    np.testing.assert_array_equal(found.h, expected.h)
