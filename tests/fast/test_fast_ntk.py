"""Test that `fast.ntk` computes the numbers of `ntk`, in any tiles."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from proofs import proves
from strategies import SEEDS
from test_ntk import CONVOLUTIONS, DENSE, EVERY, NETS, draw, draw_masks, example
from tolerances import close

from refsnn import ntk
from refsnn.fast import ntk as fast_ntk


@pytest.fixture(params=[(500, 2 ** 20), (6, 100), (1, 1)],
                ids=["whole", "pieces", "smallest"])
def tiles(request, monkeypatch):
    """Set the size of tiles so that there is one tile, or many of unequal sizes."""
    monkeypatch.setattr(fast_ntk, "SIDE", request.param[0])
    monkeypatch.setattr(fast_ntk, "CHUNK", request.param[1])


def same(found, right):
    """Assert that two results of `adjoint` are equal up to rounding, or both 0."""
    for one, other in zip(found, right, strict=True):
        for a, b in zip(one[0] + one[1], other[0] + other[1], strict=True):
            assert (a is None) == (b is None)
            if b is not None and b.any():
                close(a, b)
            else:
                assert a is None or not a.any()


@proves("fast/ntk", 1, 2, 3, 4)
@pytest.mark.parametrize("reduction", ntk.REDUCTIONS)
@EVERY
def test_kernel_equals_that_of_ntk(name, kind, reduction, tiles):
    left, right, options, _ = example(name, kind)
    for other in (right, left, None):
        found, wanted = (module.kernel(left, other, reduction=reduction, **options)
                         for module in (fast_ntk, ntk))
        close(found, wanted)


def test_masks_of_convolutions_may_have_four_axes():
    left, right, options, _ = example("convolution", "through_mask")
    masks = [M.reshape(4, 3, 3, 3) if M.shape == (4, 27) else M
             for M in options["masks"]]
    assert masks[1].ndim == 4
    for module in (fast_ntk, ntk):
        close(module.kernel(left, right, **options | {"masks": masks}),
              module.kernel(left, right, **options))


@proves("fast/ntk", 5, 6, 7, 8, 9, 10, 11, 12, 13)
@pytest.mark.parametrize("constant", [False, True])
@EVERY
def test_adjoint_equals_that_of_ntk(name, kind, constant, tiles):
    left, right, options, rng = example(name, kind)
    D = rng.normal(size=(5, 7, 3, 3))
    same(*(module.adjoint(left, right, D, constant=constant, **options)
           for module in (fast_ntk, ntk)))


@given(st.sampled_from(sorted(NETS)), st.integers(1, 6), st.integers(1, 6),
       st.integers(1, 4), SEEDS)
def test_any_sizes(name, N, M, K, seed):
    rng = np.random.default_rng(seed)
    left, right = draw(NETS[name], N, K, rng), draw(NETS[name], M, K, rng)
    D = rng.normal(size=(N, M, K, K))
    for options in ({}, {"masks": draw_masks(NETS[name], rng), "kind": "through_mask"}):
        close(fast_ntk.kernel(left, right, **options),
              ntk.kernel(left, right, **options))
        same(*(module.adjoint(left, right, D, **options) for module in (fast_ntk, ntk)))


@pytest.mark.parametrize("silent", [(0, 2), (0,), (2,), range(5)], ids=str)
@EVERY
def test_units_without_signals_change_nothing(name, kind, silent, tiles):
    """Silence `silent` units of the last hidden layer; on the right, not unit 2."""
    left, right, options, rng = example(name, kind)
    silent, every = [u for u in silent if u < left[1][-2].shape[-1]], len(silent) == 5
    left[1][-2][..., silent] = 0
    right[1][-2][..., [unit for unit in silent if unit != 2 or every]] = 0
    for other in (right, None):
        close(fast_ntk.kernel(left, other, **options),
              ntk.kernel(left, other, **options))
    D = rng.normal(size=(5, 7, 3, 3))
    same(*(module.adjoint(left, right, D, **options) for module in (fast_ntk, ntk)))


def test_a_fault_is_seen():
    left, right, _, rng = example("convolution", "at_masked")
    D = rng.normal(size=(5, 7, 3, 3))
    with pytest.raises(AssertionError):
        close(1.001 * fast_ntk.kernel(left, right), ntk.kernel(left, right))
    with pytest.raises(AssertionError):
        same(fast_ntk.adjoint(left, right, D.swapaxes(2, 3)),
             ntk.adjoint(left, right, D))


@EVERY
def test_float32_is_kept(name, kind):
    left, right, options, rng = example(name, kind)
    D = rng.normal(size=(5, 7, 3, 3))
    wide = fast_ntk.kernel(left, right, **options)
    left, right = (tuple([a.astype(np.float32) for a in part] for part in batch)
                   for batch in (left, right))
    for reduction in ntk.REDUCTIONS:
        found = fast_ntk.kernel(left, right, reduction=reduction, **options)
        assert found.dtype == np.float32
    close(fast_ntk.kernel(left, right, **options), wide, rtol=1e-5)
    found = fast_ntk.adjoint(left, right, D.astype(np.float32), **options)
    assert {a.dtype for batch in found for part in batch for a in part} \
        == {np.dtype(np.float32)}


def peak(call):
    tracemalloc.start()
    call()
    found = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return found


@pytest.mark.parametrize("reduction, size", [
    ("full", 100), ("per_class", 10), ("trace_mean", 1), ("trace_sum", 1),
    ("sum_logits", 1)])
def test_memory_is_that_of_the_result_and_of_a_tile(reduction, size):
    """A tile has at most 500 x 500 entries, and the sum over inputs as many again."""
    batch = draw([(40, 30), (30, 10)], 400, 10, np.random.default_rng(7))
    result, tile, signals = 400 ** 2 * size * 8, 2 * 500 ** 2 * 8, 400 * 400 * 8
    assert peak(lambda: fast_ntk.kernel(batch, reduction=reduction)) \
        < result + tile + signals + 2 ** 20


@pytest.mark.parametrize("net, entries", [(DENSE, 32), (CONVOLUTIONS, 64)])
def test_smaller_tiles_need_less_memory(net, entries, monkeypatch):
    rng = np.random.default_rng(6)
    batch = draw([(*layer[:-1], entries) for layer in net], 60, 4, rng)
    masks = draw_masks([(*layer[:-1], entries) for layer in net], rng)
    options = {"masks": masks, "kind": "through_mask", "reduction": "sum_logits"}
    whole = peak(lambda: fast_ntk.kernel(batch, **options))
    monkeypatch.setattr(fast_ntk, "SIDE", 20)
    monkeypatch.setattr(fast_ntk, "CHUNK", 2 ** 10)
    assert peak(lambda: fast_ntk.kernel(batch, **options)) < 0.7 * whole
