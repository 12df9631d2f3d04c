"""The convolutional network: loops, differences, dense twins, ties, refusals."""

import itertools
from typing import List, NamedTuple

import numpy as np
import pytest
import strategies
from hypothesis import assume, given
from hypothesis import strategies as st
from proofs import proves
from tolerances import RTOL_FD, close

from refsnn import checks, convnet, mlp

TERMS = ("inputs", "signals", "outputs")
STEPS = 100         # of a finite difference to the nearest flip of a gate


class Net(NamedTuple):
    """A network, images, what `forward` says, and a source of more numbers."""

    weights: List[np.ndarray]
    biases: List[np.ndarray]
    x: np.ndarray
    pools: tuple
    recording: convnet.Recording
    rng: np.random.Generator


def flat(*lists):
    """All arrays of all lists in one."""
    return np.concatenate([np.ravel(a) for arrays in lists for a in arrays])


def split(vector, like):
    """Split a vector from `flat` into arrays of the shapes in `like`."""
    edges = np.cumsum([a.size for a in like])[:-1]
    return [v.reshape(a.shape) for v, a in zip(np.split(vector, edges), like,
                                               strict=True)]


def arranged(weights, biases):
    """Theta: layer by layer, weights and then biases."""
    return flat(*zip(weights, biases, strict=True))


def windows(z, pool):
    """(N, windows, c, 1 or 4): z of each window, row by row."""
    if not pool:
        return z.reshape(len(z), -1, z.shape[-1], 1)
    rows, columns = z.shape[1] // 2, z.shape[2] // 2
    found = [z[:, 2 * r:2 * r + 2, 2 * s:2 * s + 2].reshape(len(z), 4, -1)
             for r in range(rows) for s in range(columns)]
    return np.stack(found, axis=1).swapaxes(2, 3)


def margin(recording, pools):
    """Distance to the nearest flip of a ReLU or of a pool's winner."""
    found = []
    for i, z in enumerate(recording.pre[:-1]):
        views = np.sort(windows(z, i < len(pools) and pools[i]), axis=-1)
        top = views[..., -1]
        second = views[..., -2] if views.shape[-1] > 1 else 0 * top
        found.append(np.where(top > 0, top - np.maximum(second, 0), -top).min())
    return float(min(found))


def pattern(recording, pools):
    """Which position of each window lets a signal through, -1 for none."""
    return flat([np.where(views.max(axis=-1) > 0, views.argmax(axis=-1), -1)
                 for i, z in enumerate(recording.pre[:-1])
                 for views in [windows(z, i < len(pools) and pools[i])]])


def build(shapes, pools, image, N, seed, dtype=np.float64):
    """The `Net` of these sizes."""
    rng = np.random.default_rng(seed)
    weights = [(rng.normal(size=shape) * 1.5 / np.sqrt(np.prod(shape[1:]))
                ).astype(dtype) for shape in shapes]
    biases = [rng.normal(0.1, 0.3, shape[0]).astype(dtype) for shape in shapes]
    x = rng.normal(size=(N, *image)).astype(dtype)
    recording = convnet.forward(weights, biases, x, pools)
    return Net(weights, biases, x, pools, recording, rng)


@st.composite
def nets(draw, pooled=None, convolutions=(1, 3), least=2e-3):
    """A live `Net`, away from flips: odd sizes, kernels 1 to 3, ragged pools."""
    count = draw(st.integers(*convolutions))
    rows, columns = draw(st.integers(5, 9)), draw(st.integers(5, 9))
    image = (rows, columns, draw(st.integers(1, 3)))
    shapes, pools, c = [], [], image[2]
    for _ in range(count):
        k = draw(st.integers(1, min(3, rows, columns)))
        rows, columns = rows - k + 1, columns - k + 1
        shapes.append((draw(st.integers(1, 4)), k, k, c))
        c = shapes[-1][0]
        pool = min(rows, columns) > 1 and (
            draw(st.booleans()) if pooled is None else pooled)
        pools.append(pool)
        rows, columns = (rows // 2, columns // 2) if pool else (rows, columns)
    width = rows * columns * c
    if draw(st.booleans()):
        shapes.append((draw(st.integers(2, 6)), width))
        width = shapes[-1][0]
    shapes.append((draw(st.integers(1, 4)), width))
    N, seed = draw(st.integers(1, 3)), draw(strategies.SEEDS)
    for i in range(40):
        net = build(shapes, tuple(pools), image, N, [seed, i])
        signals = convnet.signals(net.weights, net.recording, net.pools)
        if margin(net.recording, net.pools) > least and all(
                np.any(a) for a in (*signals, *net.recording.inputs)):
            return net
    return assume(False)


def step(net):
    """h of finite differences that keep away from flips; f is checked for them."""
    return min(1e-3, margin(net.recording, net.pools) / STEPS)


def running(net, value):
    """theta -> value(weights, recording), with no gate flipped, for checks."""
    base = pattern(net.recording, net.pools)

    def f(theta):
        weights, biases = theta[:len(net.weights)], theta[len(net.weights):]
        recording = convnet.forward(weights, biases, net.x, net.pools)
        assert (pattern(recording, net.pools) == base).all(), "a gate has flipped"
        return float(value(weights, recording))

    return f


def names(net):
    return [f"{kind}[{i}]" for kind in ("weights", "biases")
            for i in range(len(net.weights))]


def naive(net):
    """(outputs, patches of each convolution) by loops over every number."""
    outputs, patches = [], [[] for _ in net.pools]
    for x in net.x:
        for i, (W, b) in enumerate(zip(net.weights, net.biases, strict=True)):
            if W.ndim == 2:
                x = W @ x.ravel() + b
                x = np.maximum(x, 0) if i < len(net.weights) - 1 else x
                continue
            k, (rows, columns) = W.shape[1], np.add(x.shape[:2], 1 - W.shape[1])
            z = np.empty((rows, columns, len(W)))
            for r, s, o in itertools.product(range(rows), range(columns),
                                             range(len(W))):
                z[r, s, o] = b[o] + sum(
                    W[o, p, q, c] * x[r + p, s + q, c] for p in range(k)
                    for q in range(k) for c in range(x.shape[2]))
            patches[i].append([[x[r + p, s + q, c] for p in range(k)
                                for q in range(k) for c in range(x.shape[2])]
                               for r in range(rows) for s in range(columns)])
            x = np.maximum(z, 0)
            if net.pools[i]:
                x = np.array([[[max(x[2 * r, 2 * s, o], x[2 * r, 2 * s + 1, o],
                                    x[2 * r + 1, 2 * s, o], x[2 * r + 1, 2 * s + 1, o])
                                for o in range(len(W))] for s in range(columns // 2)]
                              for r in range(rows // 2)])
        outputs.append(x)
    return np.array(outputs), [np.array(p) for p in patches]


def adjoints(net, terms, signals):
    """dinputs, dsignals, doutputs, None where a term is not asked for."""
    draw = net.rng.normal
    return ([draw(size=a.shape) for a in net.recording.inputs]
            if "inputs" in terms else None,
            [draw(size=g.shape) for g in signals] if "signals" in terms else None,
            draw(size=net.recording.outputs.shape) if "outputs" in terms else None)


def scalar(net, dinputs, dsignals, doutputs):
    """(weights, recording) -> the scalar of which the adjoints are derivatives."""
    def value(weights, recording):
        total = 0.0
        if dinputs is not None:
            total += flat(dinputs) @ flat(recording.inputs)
        if dsignals is not None:
            total += flat(dsignals) @ flat(
                convnet.signals(weights, recording, net.pools))
        if doutputs is not None:
            total += np.sum(doutputs * recording.outputs)
        return total

    return value


def check_second_order(net, terms, change=None):
    """Assert `second_order`, changed by `change`, against finite differences."""
    signals = convnet.signals(net.weights, net.recording, net.pools)
    given = adjoints(net, terms, signals)
    grad = convnet.second_order(net.weights, net.recording, signals, *given, net.pools)
    parts = [*grad.weights, *grad.biases]
    if change is not None:
        parts = change(parts)
    f = running(net, scalar(net, *given))
    theta = [*net.weights, *net.biases]
    live = [i for i, g in enumerate(parts) if np.any(g)]
    assert live

    def of_live(values):
        whole = list(theta)
        for i, v in zip(live, values, strict=True):
            whole[i] = v
        return f(whole)

    checks.directional(of_live, [theta[i] for i in live], [parts[i] for i in live],
                       net.rng, names=[names(net)[i] for i in live], step=step(net),
                       rtol=RTOL_FD, margin=margin(net.recording, net.pools))
    checks.directional(lambda v: f(split(v, theta)), flat(theta), flat(parts), net.rng,
                       step=step(net), rtol=RTOL_FD / 100)
    for i in set(range(len(theta))) - set(live):        # what is 0 is 0
        d = net.rng.normal(size=theta[i].shape)
        ends = [f([t + s * step(net) * d if j == i else t
                   for j, t in enumerate(theta)]) for s in (1, -1)]
        assert abs(ends[0] - ends[1]) <= 64 * np.finfo(float).eps * max(
            1, *map(abs, ends))


# --- values -----------------------------------------------------------------------

@proves("convnet", 1, 2)
@given(nets(least=0))
def test_forward_is_the_loop(net):
    outputs, patches = naive(net)
    close(net.recording.outputs, outputs)
    for i, p in enumerate(patches):
        assert (net.recording.inputs[i] == p).all() if i == 0 else True
        close(net.recording.inputs[i], p)
        N, P = p.shape[:2]
        z = (p @ net.weights[i].reshape(len(net.weights[i]), -1).T) + net.biases[i]
        close(net.recording.pre[i].reshape(N, P, -1), z)
    assert net.recording.outputs is net.recording.pre[-1]


@proves("convnet", 1, 2, 4, 5, 7, 9, 10)
def test_by_hand():
    """3 x 3 pixels 0 to 8, a 2 x 2 kernel of ones, the last of four wins."""
    weights = [np.ones((1, 2, 2, 1)), np.array([[3.0], [-1.0]])]
    x = np.arange(9.0).reshape(1, 3, 3, 1)
    recording = convnet.forward(weights, [np.ones(1), np.zeros(2)], x, (True,))
    assert recording.inputs[0].tolist() == [[[0, 1, 3, 4], [1, 2, 4, 5],
                                             [3, 4, 6, 7], [4, 5, 7, 8]]]
    assert recording.pre[0].tolist() == [[[[9], [13]], [[21], [25]]]]
    assert recording.outputs.tolist() == [[75, -25]]
    signals = convnet.signals(weights, recording, (True,))
    assert signals[0].tolist() == [[[[0], [0], [0], [3]], [[0], [0], [0], [-1]]]]
    assert signals[1].tolist() == [np.eye(2).tolist()]
    grad = convnet.backward(weights, recording, np.array([[1.0, 1.0]]), (True,))
    assert grad.weights[0].ravel().tolist() == [8, 10, 14, 16]
    assert [b.tolist() for b in grad.biases] == [[2], [1, 1]]
    dsignals = [np.arange(8.0).reshape(1, 2, 4, 1), None]
    grad = convnet.second_order(weights, recording, signals, None, dsignals, None,
                                (True,))
    assert grad.weights[1].tolist() == [[3], [7]] and not grad.weights[0].any()


def test_architectures_are_those_of_the_paper():
    sizes = {"lenet5_caffe": [(24, 24, 20), (8, 8, 50), (500,), (10,)],
             "conv4": [(30, 30, 64), (28, 28, 64), (12, 12, 128), (10, 10, 128),
                       (512,), (10,)]}
    assert sizes.keys() == convnet.ARCHITECTURES.keys()
    for name, (image, shapes, pools) in convnet.ARCHITECTURES.items():
        weights, biases = convnet.init(shapes, np.random.default_rng(1), np.float32)
        recording = convnet.forward(weights, biases, np.ones((1, *image), np.float32),
                                    pools)
        assert [z.shape[1:] for z in recording.pre] == sizes[name]
        assert recording.outputs.std() > 0
    assert sum(np.prod(s) for s in convnet.ARCHITECTURES["lenet5_caffe"][1]) == 430500


# --- first derivatives --------------------------------------------------------------

@proves("convnet", 5, 6)
@given(nets())
def test_gradient_by_differences(net):
    target = net.rng.normal(size=net.recording.outputs.shape)
    grad = convnet.backward(net.weights, net.recording,
                            net.recording.outputs - target, net.pools)
    f = running(net, lambda _, recording: np.sum((recording.outputs - target) ** 2) / 2)
    theta, parts = [*net.weights, *net.biases], [*grad.weights, *grad.biases]
    assume(all(map(np.any, parts)))
    checks.directional(f, theta, parts, net.rng, names=names(net), rtol=RTOL_FD,
                       step=step(net), margin=margin(net.recording, net.pools))
    direction = [net.rng.normal(size=t.shape) for t in theta]
    assert checks.taylor_slope(f, theta, parts, direction, start=2 * step(net),
                               halvings=5) >= 1.9


@proves("convnet", 7, 8)
@given(nets())
def test_jacobian_by_differences(net):
    signals = convnet.signals(net.weights, net.recording, net.pools)
    jac = convnet.jacobian(net.recording, signals)
    N, K = net.recording.outputs.shape
    theta, names_ = [*net.weights, *net.biases], names(net)
    order = [a for pair in zip(net.weights, net.biases, strict=True) for a in pair]
    for n, k in {(0, 0), (N - 1, K - 1)}:
        parts = split(jac[n, k], order)
        parts = [*parts[::2], *parts[1::2]]
        if not all(map(np.any, parts)):
            continue
        f = running(net, lambda _, rec, n=n, k=k: rec.outputs[n, k])
        checks.directional(f, theta, parts, net.rng, names=names_, step=step(net),
                           rtol=RTOL_FD)
        direction = [net.rng.normal(size=t.shape) for t in theta]
        assert checks.taylor_slope(f, theta, parts, direction, start=2 * step(net),
                                   halvings=5) >= 1.9


@given(nets(least=0))
def test_backward_is_credit_times_jacobian(net):
    doutputs = net.rng.normal(size=net.recording.outputs.shape)
    signals = convnet.signals(net.weights, net.recording, net.pools)
    jac = convnet.jacobian(net.recording, signals)
    grad = convnet.backward(net.weights, net.recording, doutputs, net.pools)
    close(arranged(*grad), np.einsum("nk,nkp->p", doutputs, jac))


# --- second derivatives -------------------------------------------------------------

@given(nets(), st.sampled_from(TERMS))
def test_second_order_of_one_term(net, term):
    check_second_order(net, (term,))


@proves("convnet", 9, 10, 11)
@given(nets())
def test_second_order_of_all_terms(net):
    check_second_order(net, TERMS)


@given(nets(pooled=True))
def test_second_order_through_pools(net):
    assert any(net.pools)
    check_second_order(net, ("inputs", "signals"))


@given(nets(pooled=False))
def test_second_order_without_pools(net):
    check_second_order(net, TERMS)


@given(nets(least=0))
def test_second_order_holds_backward(net):
    doutputs = net.rng.normal(size=net.recording.outputs.shape)
    signals = convnet.signals(net.weights, net.recording, net.pools)
    both = [convnet.backward(net.weights, net.recording, doutputs, net.pools),
            convnet.second_order(net.weights, net.recording, signals, None, None,
                                 doutputs, net.pools)]
    close(arranged(*both[1]), arranged(*both[0]))


@given(nets(least=0))
def test_second_order_adds_up_and_none_is_zero(net):
    signals = convnet.signals(net.weights, net.recording, net.pools)
    dinputs, dsignals, doutputs = adjoints(net, TERMS, signals)

    def run(*given):
        return arranged(*convnet.second_order(net.weights, net.recording, signals,
                                              *given, net.pools))

    whole = run(dinputs, dsignals, doutputs)
    close(run(dinputs, None, None) + run(None, dsignals, None)
          + run(None, None, doutputs), whole)
    lists = [[a if i == j else None for j, a in enumerate(dsignals)]
             for i in range(len(dsignals))]
    close(sum(run(None, one, None) for one in lists), run(None, dsignals, None))
    close(run([None, *dinputs[1:]], dsignals, doutputs), whole)   # images are given
    close(run(dinputs, [*dsignals[:-1], None], doutputs), whole)  # so is G[L-1]
    assert not run(None, None, None).any()


# --- the same network, dense --------------------------------------------------------

def unrolled(W, b, image):
    """A convolution as a dense layer: (P c_out, H W c_in) weights, biases."""
    (H, columns, c), k = image, W.shape[1]
    rows, across = H - k + 1, columns - k + 1
    dense = np.zeros((rows, across, len(W), H, columns, c))
    for r, s in np.ndindex(rows, across):
        dense[r, s, :, r:r + k, s:s + k] = W
    return dense.reshape(rows * across * len(W), -1), np.tile(b, rows * across)


def rolled(dense, W, image):
    """Gradient of the kernel from that of `unrolled` weights."""
    (H, columns, c), k = image, W.shape[1]
    rows, across = H - k + 1, columns - k + 1
    dense = dense.reshape(rows, across, len(W), H, columns, c)
    return sum(dense[r, s, :, r:r + k, s:s + k]
               for r, s in np.ndindex(rows, across))


@given(nets(pooled=False, convolutions=(1, 2), least=0))
def test_a_dense_network_with_shared_weights_is_the_same(net):
    image, weights, biases = net.x.shape[1:], [], []
    images = []
    for W, b in zip(net.weights, net.biases, strict=True):
        images.append(image)
        if W.ndim == 4:
            image = (image[0] - W.shape[1] + 1, image[1] - W.shape[1] + 1, len(W))
            W, b = unrolled(W, b, images[-1])
        weights.append(W)
        biases.append(b)
    N = len(net.x)
    recording = mlp.forward(weights, biases, net.x.reshape(N, -1))
    close(recording.outputs, net.recording.outputs)
    signals = convnet.signals(net.weights, net.recording, net.pools)
    others = mlp.signals(weights, recording)
    for a, b in zip(signals, others, strict=True):
        close(a.reshape(b.shape), b)
    _, dsignals, doutputs = adjoints(net, ("signals", "outputs"), signals)
    ours = convnet.second_order(net.weights, net.recording, signals, None, dsignals,
                                doutputs, net.pools)
    theirs = mlp.second_order(weights, recording, others, None, [
        d.reshape(o.shape) for d, o in zip(dsignals, others, strict=True)], doutputs)
    for i, W in enumerate(net.weights):
        dW, db = theirs.weights[i], theirs.biases[i]
        if W.ndim == 4:
            dW, db = rolled(dW, W, images[i]), db.reshape(-1, len(W)).sum(axis=0)
        close(ours.weights[i], dW)
        close(ours.biases[i], db)


# --- dropout ------------------------------------------------------------------------

def thinned(net, keep=0.7):
    """(masks, run with them): random masks of the x of each layer, gates clear of 0."""
    shapes, pools = [net.x.shape], [*net.pools, *[False] * len(net.weights)]
    for z, pool in zip(net.recording.pre[:-1], pools, strict=False):
        shapes.append((len(z), *(s // (1 + pool) for s in z.shape[1:-1]), z.shape[-1]))
    for _ in range(100):
        masks = [net.rng.random(shape) < keep for shape in shapes]
        recording = convnet.forward(net.weights, net.biases, net.x, net.pools, masks)
        grad = convnet.backward(net.weights, recording, recording.outputs, net.pools)
        if dropped_margin(recording, masks, pools) > 1e-3 and all(
                map(np.any, [*grad.weights, *grad.biases])) and np.abs(
                recording.outputs - net.recording.outputs).max() > 1e-3:
            return masks, recording
    return assume(False)


def dropped_margin(recording, masks, pools):
    """As `margin`, of the windows that are kept."""
    found = [np.inf]
    for z, mask, pool in zip(recording.pre[:-1], masks[1:], pools, strict=False):
        views = np.sort(windows(z, pool)[mask.reshape(len(z), -1, z.shape[-1])])
        second = views[:, -2] if pool else 0 * views[:, -1]
        top = views[:, -1]
        found.append(np.where(top > 0, top - np.maximum(second, 0), -top).min(
            initial=np.inf))
    return min(found)


def thinned_value(net, masks, base, value):
    """theta -> value(weights, recording) with recorded masks; no gate may flip."""
    before = pattern(base, net.pools)

    def f(theta):
        weights, biases = theta[:len(net.weights)], theta[len(net.weights):]
        recording = convnet.forward(weights, biases, net.x, net.pools, masks)
        assert (pattern(recording, net.pools) == before).all(), "a gate has flipped"
        return float(value(weights, recording))

    return f


@proves("convnet", 3)
@given(nets())
def test_gradient_with_dropout_by_differences(net):
    masks, recording = thinned(net)
    doutputs = net.rng.normal(size=recording.outputs.shape)
    f = thinned_value(net, masks, recording,
                      lambda _, run: np.sum(doutputs * run.outputs) + 100)
    theta = [*net.weights, *net.biases]
    grad, wrong = ([*g.weights, *g.biases] for g in (
        convnet.backward(net.weights, run, doutputs, net.pools)
        for run in (recording, net.recording)))
    assume(all(map(np.any, grad)))
    size = 1e-3 / STEPS
    checks.directional(f, theta, grad, net.rng, names=names(net), rtol=RTOL_FD,
                       step=size)
    with pytest.raises(AssertionError, match="off by"):
        checks.directional(f, theta, wrong, net.rng, names=names(net), step=size)
    signals = convnet.signals(net.weights, recording, net.pools)
    close(arranged(grad[:len(net.weights)], grad[len(net.weights):]),
          np.einsum("nk,nkp->p", doutputs, convnet.jacobian(recording, signals)))


@given(nets())
def test_second_order_with_dropout_by_differences(net):
    masks, recording = thinned(net)
    net = net._replace(recording=recording)
    signals = convnet.signals(net.weights, recording, net.pools)
    given = adjoints(net, TERMS, signals)
    grad = convnet.second_order(net.weights, recording, signals, *given, net.pools)
    f = thinned_value(net, masks, recording, scalar(net, *given))
    theta, parts = [*net.weights, *net.biases], [*grad.weights, *grad.biases]
    assert all(map(np.any, parts))
    checks.directional(f, theta, parts, net.rng, names=names(net), rtol=RTOL_FD,
                       step=1e-3 / STEPS)


@proves("convnet", 3)
@given(nets(least=0))
def test_dropout_without_pools_is_that_of_the_dense_network(net):
    """In a network of kernels of one pixel on images of one pixel."""
    widths = [len(W) for W in net.weights]
    rng, c = net.rng, net.x.shape[-1]
    shapes = [(n, m) for n, m in zip(widths, [c, *widths], strict=False)]
    weights, biases = [rng.normal(size=s) for s in shapes], net.biases
    x = rng.normal(size=(len(net.x), c))
    masks = [rng.random((len(x), m)) < 0.6 for _, m in shapes]
    folded = [W[:, None, None] if i < len(net.pools) else W
              for i, W in enumerate(weights)]
    pools = [False] * len(net.pools)
    run = convnet.forward(folded, biases, x[:, None, None], pools, [
        mask[:, None, None] if i <= len(pools) else mask
        for i, mask in enumerate(masks)])
    other = mlp.forward(weights, biases, x, dropout=masks)
    for a, b in zip([*run.inputs, *run.pre], [*other.inputs, *other.pre], strict=True):
        np.testing.assert_allclose(a.reshape(b.shape), b, rtol=1e-12, atol=1e-12)


@given(nets(least=0))
def test_masks_of_ones_and_none_change_no_bit(net):
    def run(masks):
        return convnet.forward(net.weights, net.biases, net.x, net.pools, masks)

    L, base, x = len(net.weights), net.recording, net.x.copy()
    maps = [net.x, *(convnet._largest(z, pool) for z, pool in zip(
        base.pre[:-1], [*net.pools, *[False] * L], strict=False))]
    ones = [np.ones(a.shape, bool) for a in maps]
    for masks in (None, [None] * L, ones, [*ones[:-1], None]):
        found = run(masks)
        for a, b in zip([*found.inputs, *found.pre], [*base.inputs, *base.pre],
                        strict=True):
            assert (a == b).all()
    zeros = [np.zeros_like(mask) for mask in ones]
    assert not run([zeros[0], *ones[1:]]).inputs[0].any() and (net.x == x).all()
    assert (run([*ones[:-1], zeros[-1]]).outputs == net.biases[-1]).all()


# --- what must be refused by the proofs ---------------------------------------------

SHAPES, POOLS, IMAGE = [(3, 3, 3, 2), (2, 2, 2, 3), (5, 8), (3, 5)], (True, False), \
    (8, 9, 2)


def example(dtype=np.float64):
    """A live net with a pool, far from flips."""
    for seed in range(1000):
        net = build(SHAPES, POOLS, IMAGE, 2, seed, dtype)
        signals = convnet.signals(net.weights, net.recording, net.pools)
        if margin(net.recording, net.pools) > 3e-3 and all(
                (np.any(g, axis=tuple(range(g.ndim - 1)))).all() for g in signals):
            return net
    raise AssertionError("no live net")


def scaled(parts):
    return [1.001 * p for p in parts]


def one_scaled(parts):
    return [1.001 * p if i == 1 else p for i, p in enumerate(parts)]


def without_bias(parts):
    half = len(parts) // 2
    return [*parts[:half + 1], parts[half + 1] + np.abs(parts[half + 1]).max(),
            *parts[half + 2:]]


def transposed(parts):
    return [p.swapaxes(1, 2) if p.ndim == 4 else p for p in parts]


@pytest.mark.parametrize("change", [scaled, one_scaled, without_bias, transposed])
def test_wrong_second_order_is_seen(change):
    check_second_order(example(), TERMS)
    with pytest.raises(AssertionError):
        check_second_order(example(), TERMS, change)


def shifted(recording):
    """Another position of each window wins."""
    z = recording.pre[0].copy()
    z[:, :, 0:6:2], z[:, :, 1:6:2] = z[:, :, 1:6:2], z[:, :, 0:6:2].copy()
    return recording._replace(pre=[z, *recording.pre[1:]])


def swapped(recording):
    """Patches in the order column, row, channel."""
    A = recording.inputs[0]
    A = A.reshape(*A.shape[:2], 3, 3, 2).swapaxes(2, 3).reshape(A.shape)
    return recording._replace(inputs=[A, *recording.inputs[1:]])


@pytest.mark.parametrize("spoil", [shifted, swapped])
def test_wrong_recordings_are_seen(spoil):
    net = example()
    doutputs = net.rng.normal(size=net.recording.outputs.shape)
    f = running(net, lambda _, recording: np.sum(doutputs * recording.outputs))
    theta = [*net.weights, *net.biases]

    def check(recording):
        grad = convnet.backward(net.weights, recording, doutputs, net.pools)
        checks.gradient(f, theta, [*grad.weights, *grad.biases], names=names(net),
                        rtol=RTOL_FD, step=step(net))

    check(net.recording)
    with pytest.raises(AssertionError, match="weights.0."):
        check(spoil(net.recording))


# --- ties and dead units --------------------------------------------------------------

@proves("convnet", 4)
@pytest.mark.parametrize("values, winner", [
    ((2, 2, 2, 2), 0), ((1, 2, 2, 2), 1), ((1, 1, 2, 2), 2), ((1, 2, 2, 1), 1),
    ((2, 1, 2, 1), 0), ((1, 1, 1, 2), 3), ((0, 0, 0, 0), None),
    ((-1, 0, -2, 0), None), ((-1, -1, -1, -1), None)])
def test_the_first_of_equals_wins(values, winner):
    x = np.array(values, float).reshape(1, 2, 2, 1)
    weights, biases = [np.ones((1, 1, 1, 1)), np.ones((1, 1))], [np.zeros(1)] * 2
    recording = convnet.forward(weights, biases, x, (True,))
    want = [[[float(i == winner)] for i in range(4)]]
    signals = convnet.signals(weights, recording, (True,))
    assert signals[0][0].tolist() == want
    assert recording.outputs.item() == max(*values, 0)
    won = 0.0 if winner is None else float(values[winner])
    grad = convnet.backward(weights, recording, np.ones((1, 1)), (True,))
    assert grad.weights[0].item() == won
    assert grad.biases[0].item() == (winner is not None)
    dsignals = [np.array([3.0, 5.0, 7.0, 11.0]).reshape(1, 1, 4, 1), None]
    grad = convnet.second_order(weights, recording, signals, None, dsignals, None,
                                (True,))
    assert grad.weights[1].item() == (0 if winner is None else (3, 5, 7, 11)[winner])


def test_no_relu_at_zero_without_a_pool():
    weights, biases = [np.ones((1, 1, 1, 1)), np.ones((1, 3))], [np.zeros(1)] * 2
    x = np.array([-1.0, 0.0, 1.0]).reshape(1, 1, 3, 1)
    recording = convnet.forward(weights, biases, x, (False,))
    assert convnet.signals(weights, recording, (False,))[0].ravel().tolist() == [
        0, 0, 1]


def test_dropped_edges_are_dead():
    weights, biases = [np.ones((1, 1, 1, 1)), np.ones((1, 1))], [np.zeros(1)] * 2
    x = np.array([[1.0, 2.0, 9.0], [3.0, 4.0, 9.0], [9.0, 9.0, 9.0]])[None, ..., None]
    recording = convnet.forward(weights, biases, x, (True,))
    assert recording.outputs.item() == 4
    assert convnet.signals(weights, recording, (True,))[0].ravel().tolist() == [
        0, 0, 0, 0, 1, 0, 0, 0, 0]


def test_dead_filters_and_empty_images_give_zeros():
    net = example()
    biases = [net.biases[0] - [0, 1e3, 0], *net.biases[1:]]
    x = net.x * [[[[1.0]]], [[[0.0]]]]
    recording = convnet.forward(net.weights, biases, x, net.pools)
    signals = convnet.signals(net.weights, recording, net.pools)
    assert not signals[0][..., 1].any() and signals[0][..., ::2].any()
    assert not recording.inputs[0][1].any()
    given = adjoints(net, TERMS, signals)
    for grad in (convnet.backward(net.weights, recording, given[2], net.pools),
                 convnet.second_order(net.weights, recording, signals, *given,
                                      net.pools)):
        assert not grad.weights[0][1].any() and grad.biases[0][1] == 0
        assert grad.weights[0][::2].all() and grad.biases[0][::2].all()
    jac = convnet.jacobian(recording, signals)
    assert np.isfinite(jac).all() and not jac[:, :, 18:36].any()


# --- types and memory -----------------------------------------------------------------

def everything(net):
    """Lists of all arrays that the functions return."""
    signals = convnet.signals(net.weights, net.recording, net.pools)
    rng = np.random.default_rng(5)
    dinputs, dsignals = ([rng.normal(size=a.shape).astype(net.x.dtype) for a in arrays]
                         for arrays in (net.recording.inputs, signals))
    doutputs = rng.normal(size=net.recording.outputs.shape).astype(net.x.dtype)
    args = net.weights, net.recording
    return [*net.recording.inputs, *net.recording.pre, *signals,
            convnet.jacobian(net.recording, signals),
            *itertools.chain(*convnet.backward(*args, doutputs, net.pools)),
            *itertools.chain(*convnet.second_order(*args, signals, dinputs, dsignals,
                                                   doutputs, net.pools)),
            *itertools.chain(*convnet.second_order(*args, signals, None, None, None,
                                                   net.pools))]


def test_float32_is_kept_and_means_the_same():
    net = example()
    narrow = [[a.astype(np.float32) for a in arrays] for arrays in net[:2]]
    wide = [[a.astype(np.float64) for a in arrays] for arrays in narrow]
    found = []
    for weights, biases in (narrow, wide):
        x = net.x.astype(np.float32).astype(weights[0].dtype)
        found.append(everything(net._replace(
            weights=weights, biases=biases, x=x,
            recording=convnet.forward(weights, biases, x, net.pools))))
    assert {a.dtype for a in found[0]} == {np.dtype(np.float32)}
    assert {a.dtype for a in found[1]} == {np.dtype(np.float64)}
    for a, b in zip(*found, strict=True):
        if b.any():
            close(a, b, rtol=64 * np.finfo(np.float32).eps)
        else:
            assert not a.any()


def test_arguments_are_kept_and_may_be_frozen():
    net = example()
    for array in (*net.weights, *net.biases, net.x):
        array.setflags(write=False)
    recording = convnet.forward(*net[:4])
    for array in (*recording.inputs, *recording.pre):
        array.setflags(write=False)
    before = [a.copy() for a in (*recording.inputs, *recording.pre)]
    everything(net._replace(recording=recording))
    assert all((a == b).all() for a, b in zip(
        before, (*recording.inputs, *recording.pre), strict=True))


def test_adjoints_and_signals_are_kept():
    net = example()
    signals = convnet.signals(net.weights, net.recording, net.pools)
    given = adjoints(net, TERMS, signals)
    arrays = [*given[0], *given[1], given[2], *signals]
    before = [a.copy() for a in arrays]
    convnet.second_order(net.weights, net.recording, signals, *given, net.pools)
    convnet.backward(net.weights, net.recording, given[2], net.pools)
    assert all((a == b).all() for a, b in zip(before, arrays, strict=True))


def test_blocks_change_nothing(monkeypatch):
    net = example()
    whole = everything(net)
    for block in (1, 3000, 2 ** 40):
        monkeypatch.setattr(convnet, "BLOCK", block)
        for a, b in zip(everything(net), whole, strict=True):
            assert not b.any() if not a.any() else close(a, b) is None


def test_arrays_of_any_layout_are_read():
    net = example()
    far = [np.asfortranarray(a) for a in net.weights]
    x = np.ascontiguousarray(net.x.transpose(3, 2, 1, 0)).transpose(3, 2, 1, 0)
    recording = convnet.forward(far, net.biases, x, net.pools)
    close(recording.outputs, net.recording.outputs)
    signals = convnet.signals(net.weights, net.recording, net.pools)
    given = adjoints(net, TERMS, signals)
    folded = [[np.asfortranarray(a) for a in arrays] for arrays in given[:2]]
    close(arranged(*convnet.second_order(
        far, recording, [np.asfortranarray(g) for g in signals], *folded,
        np.asfortranarray(given[2]), net.pools)), arranged(*convnet.second_order(
            net.weights, net.recording, signals, *given, net.pools)))


# --- the start ------------------------------------------------------------------------

@proves("convnet", 12)
def test_init_law():
    shapes = ((40, 5, 5, 30), (300, 200))
    weights, biases = convnet.init(shapes, np.random.default_rng(3))
    for W, variance in zip(weights, (2 / (25 * 70), 2 / 500), strict=True):
        assert abs(W.var() / variance - 1) < 0.03
        assert abs(W.mean()) < 4 * np.sqrt(variance / W.size)
        edge = 2 * np.sqrt(variance) / 0.87962566
        assert 0.98 * edge < np.abs(W).max() <= edge * (1 + 1e-8)
    assert [W.shape for W in weights] == list(shapes)
    assert [b.shape for b in biases] == [(40,), (300,)]
    assert abs(biases[1].std() / 0.01 - 1) < 0.15 and abs(biases[1].mean()) < 0.003


@proves("convnet", 12)
def test_numbers_beyond_two_are_drawn_again():
    (W,), (b,) = convnet.init([(20, 2, 2, 5)], np.random.default_rng(5))
    rng = np.random.default_rng(5)
    wanted = rng.standard_normal((20, 2, 2, 5))
    beyond = np.abs(wanted) > 2
    assert beyond.any()
    while beyond.any():
        wanted[beyond] = rng.standard_normal(beyond.sum())
        beyond = np.abs(wanted) > 2
    close(W, wanted * np.sqrt(2 / 100) / 0.8796256610342398)
    close(b, rng.normal(size=20) / 100)


def test_init_depends_on_the_seed_alone():
    shapes = ((2, 3, 3, 1), (4, 8))
    one, two, other = (convnet.init(shapes, np.random.default_rng(seed), dtype)
                       for seed, dtype in ((1, np.float64), (1, np.float32),
                                           (2, np.float64)))
    assert {a.dtype for a in itertools.chain(*two)} == {np.dtype(np.float32)}
    assert (flat(*one).astype(np.float32) == flat(*two)).all()
    assert (flat(*one) != flat(*other)).all()


# --- dtypes ---------------------------------------------------------------------------

W1, W2, W3 = np.ones((2, 3, 3, 1)), np.ones((3, 2, 2, 2)), np.ones((4, 3))
B1, X = [np.ones(2), np.ones(3), np.ones(4)], np.ones((2, 6, 6, 1))
P = (True, False)
REC = convnet.forward([W1, W2, W3], B1, X, P)
SIG = convnet.signals([W1, W2, W3], REC, P)
ONE = np.ones((2, 4))


def second(signals, dinputs, dsignals, doutputs, recording):
    return convnet.second_order([W1, W2, W3], recording, signals, dinputs, dsignals,
                                doutputs, P)


def test_arrays_are_cast_to_the_dtype_of_the_first_weights():
    single = np.float32
    narrow = [W.astype(single) for W in (W1, W2, W3)]
    found = convnet.forward([narrow[0], W2, W3], B1, X.astype(int), P)
    wanted = convnet.forward(narrow, [b.astype(single) for b in B1],
                             X.astype(single), P)
    for a, b in zip([*found.inputs, *found.pre], [*wanted.inputs, *wanted.pre],
                    strict=True):
        assert a.dtype == single and (a == b).all() and b.any()
    results = []
    for dtype in (single, np.float64):
        run = REC._replace(inputs=[a.astype(dtype) for a in REC.inputs],
                           pre=[z.astype(dtype) for z in REC.pre])
        g = [a.astype(dtype) for a in SIG]
        results.append(flat(*convnet.backward([W1, W2, W3], run, ONE.astype(dtype), P),
                            *second(g, run.inputs, g, ONE.astype(dtype), run)))
    assert results[0].dtype == np.float64 and (results[0] == results[1]).all()


def test_what_is_finite_passes_even_where_its_square_is_not():
    x = np.full((1, 2, 2, 1), 1e20, np.float32)
    weights = [np.full((1, 1, 1, 1), 1e-20, np.float32), np.ones((1, 1), np.float32)]
    biases = [np.zeros(1, np.float32)] * 2
    assert convnet.forward(weights, biases, x, (True,)).outputs.item() == 1
