"""Test that `fast.convnet` computes the numbers of `convnet`, in any blocks."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from proofs import proves
from test_convnet import build, nets
from tolerances import close

from refsnn import convnet
from refsnn.fast import convnet as fast_convnet

# Maps in one block, and the smallest width of a segment of one row.
CUTS = st.sampled_from([(2 ** 19, 64), (1, 64), (3000, 1), (1, 1)])
SHAPES = ((4, 3, 3, 2), (5, 2, 2, 4), (6, 30), (3, 6))


def both(net, masks=None, doutputs=None):
    """Return outputs and gradients of the clear module and of the fast module."""
    recording = convnet.forward(net.weights, net.biases, net.x, net.pools, masks)
    tape = fast_convnet.forward(*net[:4], masks)
    d = recording.outputs if doutputs is None else doutputs
    right = convnet.backward(net.weights, recording, d, net.pools)
    found = fast_convnet.backward(tape, d)
    assert [a.shape for a in found.weights] == [a.shape for a in net.weights]
    assert [a.shape for a in found.biases] == [a.shape for a in net.biases]
    return (recording.outputs, *right), (tape.outputs, *found)


def same(right, found, rtol=1e-10):
    close(found[0], right[0], rtol)
    for one, other in zip(right[1:], found[1:], strict=True):
        for a, b in zip(one, other, strict=True):
            if a.any():
                close(b, a, rtol)
            else:
                assert not b.any()


@proves("fast/convnet", 1, 2, 3, 4, 5, 6, 7)
@given(nets(), CUTS, st.booleans())
def test_the_results_equal_those_of_convnet(net, cuts, dropped):
    masks = None
    if dropped:
        masks = [(net.rng.random(a.shape) < 0.7).astype(float) for a in
                 fast_convnet.forward(*net[:4]).inputs]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fast_convnet, "BLOCK", cuts[0])
        patch.setattr(fast_convnet, "WIDE", cuts[1])
        d = net.rng.normal(size=net.recording.outputs.shape)
        same(*both(net, masks, d))


@proves("fast/convnet", 4, 5)
def test_the_first_of_equal_entries_has_the_gradient():
    """Of two equal entries of a window, at any places, only the first one counts."""
    weights, biases = [np.ones((1, 1, 1, 1)), np.ones((1, 1))], [np.zeros(1)] * 2
    for first in range(4):
        for second in range(first + 1, 4):
            x = np.zeros(4)
            x[[first, second]] = 2, 2
            tape = fast_convnet.forward(weights, biases, x.reshape(1, 2, 2, 1), (True,))
            dpre = np.zeros_like(tape.pre[0])
            fast_convnet._gated(dpre, np.ones((1, 1, 1, 1)), tape.inputs[1],
                                tape.pre[0])
            assert dpre.ravel().tolist() == [i == first for i in range(4)]


def test_float32_is_kept_and_the_arguments_are_not_changed():
    for dtype in (np.float32, np.float64):
        net = build(SHAPES, (True, False), (10, 8, 2), 7, 3, dtype)
        masks = [(net.rng.random(a.shape) < 0.7).astype(dtype) for a in
                 fast_convnet.forward(*net[:4]).inputs]
        given = [a.copy() for a in (*net.weights, *net.biases, net.x)]
        right, found = both(net, masks)
        same(right, found, 1e-5 if dtype == np.float32 else 1e-10)
        assert {a.dtype for part in found[1:] for a in part} == {np.dtype(dtype)}
        for a, b in zip(given, (*net.weights, *net.biases, net.x), strict=True):
            assert (a == b).all()


def test_maps_may_have_any_memory_order():
    net = build(SHAPES, (True, False), (10, 8, 2), 7, 3)
    turned = net._replace(x=np.asfortranarray(net.x),
                          weights=[np.asfortranarray(W) for W in net.weights])
    same(both(net)[0], both(turned)[1])


def test_a_fault_is_seen():
    net = build(SHAPES, (True, False), (10, 8, 2), 7, 3)
    right, found = both(net)
    same(right, found)
    found[1][0][...] = found[1][0][:, ::-1]
    with pytest.raises(AssertionError):
        same(right, found)


def test_no_patches_are_stored():
    """The memory of 3 x 3 patches is nine times that of the maps."""
    net = build(((8, 3, 3, 8), (2, 8 * 30 * 30)), (False,), (32, 32, 8), 40, 1)

    def step():
        tape = fast_convnet.forward(*net[:4])
        fast_convnet.backward(tape, tape.outputs)

    tracemalloc.start()
    step()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3 * net.x.nbytes + 8 * fast_convnet.BLOCK
