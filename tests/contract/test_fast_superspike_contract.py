"""What the functions of `refsnn.fast.superspike` accept and refuse."""

import numpy as np
import pytest
from harness import contract, verify
from scipy.sparse import csr_matrix
from test_superspike_contract import LAYER, REST, bad_coefficients

from refsnn.fast import superspike
from refsnn.fast.superspike import Block, Coefficients, rest

K = Coefficients()
BLOCK = ("block.spikes (T, B, n), block.mem (T, B, n), block.psi (T, B, n), "
         "block.x (T, B, m)")


def layer(module, rng, dtype, sizes):
    """Return the coefficients of a layer, and a trace that has a power."""
    return {"k": module.Coefficients(delay=sizes["D"], rho=0.5),
            "state.het": rng.random((sizes["B"], sizes["n"])).astype(dtype)}


FUNCTIONS = [
    contract(rest, "B () int in [1, inf), n () int in [1, inf), m () int in [1, inf)",
             given=lambda module, rng, dtype, sizes: {"k": K, "dtype": dtype}),
    contract(superspike.forward, f"{LAYER}, x (T, B, m)", given=layer, D=3),
    contract(superspike.accumulate, f"{LAYER}, {BLOCK}, signal (T, B, n)", given=layer,
             D=3),
]


@pytest.mark.parametrize("c", FUNCTIONS, ids=lambda c: c.function.__name__)
def test_contract(c):
    bad = verify(c)
    assert not bad, "\n".join(bad)


STATE, W, ONE = rest(K, 2, 3, 4), np.ones((2, 3, 4)), np.ones((5, 2, 3))


def packed(T, B, m, value=1.0, dtype=np.float64):
    """Return the field x of a block whose inputs all have one value."""
    state = rest(K, B, 1, m)
    x = superspike.forward(K, state, np.ones((B, 1, m)), np.ones((T, B, m)))[1].x
    data = np.full(x.data.shape, value, dtype)
    return csr_matrix((data, x.indices, x.indptr), x.shape)


@pytest.mark.parametrize("x, match", [
    (packed(5, 2, 3), r"^x is a sparse matrix of shape \(10, 6\): must be .*\(2, 3, 4"),
    (packed(5, 4, 2), "^x is a sparse"), (packed(5, 1, 8), "^x is a sparse"),
    (packed(5, 2, 4)[:7], "^x is a sparse"), (packed(5, 2, 4)[:0], "^x is a sparse"),
    (packed(5, 2, 4).tocsc(), "^x is a sparse"),
    (packed(5, 2, 4, np.inf), "^x.data is inf at index"),
    (packed(5, 2, 4, 1j, complex), "^x.data is complex128: must be a real")])
def test_a_sparse_input_must_be_that_of_a_block(x, match):
    with pytest.raises(ValueError, match=match):
        superspike.forward(K, STATE, W, x)


def test_an_input_must_not_overflow_in_the_dtype_of_the_weights():
    for x, name in ((packed(5, 2, 4, 1e300), "x"), (np.full((5, 2, 4), 1e300), "x")):
        with pytest.raises(ValueError, match=f"^{name}.data overflows in float32 at"):
            superspike.forward(K, STATE, W.astype(np.float32), x)


GOOD = Block(ONE, ONE, ONE, packed(5, 2, 4))


@pytest.mark.parametrize("call, match", [
    (lambda: rest(K, 1, 1, 1, np.int64), "^dtype is .*: must be float32 or float64"),
    (lambda: superspike.forward(K._replace(delay=9), STATE, W, ONE),
     r"^state.past_x has 8 steps \(axis 0\): must have 9, as k.delay"),
    (lambda: superspike.forward(K, STATE[:3], W, ONE), "^state is of type tuple"),
    (lambda: superspike.accumulate(K, STATE, W, None, ONE), "^block is of type None"),
    (lambda: superspike.accumulate(K, STATE, W, GOOD[:3], ONE), "^block is of type"),
    (lambda: superspike.accumulate(K, STATE, W, GOOD._replace(x=packed(4, 2, 4)), ONE),
     "^block.x has 8 rows, block.psi 5 steps .axis 0. of 2 samples .axis 1"),
    (lambda: superspike.accumulate(K, STATE, W, GOOD._replace(
        spikes=ONE[1:], mem=ONE[1:]), ONE[1:]), "^block.psi has 5 steps .*, signal h"),
    (lambda: superspike.accumulate(K, STATE, W, GOOD._replace(x=packed(5, 4, 2)), ONE),
     "^block.x is a sparse matrix of shape")])
def test_relations_between_arguments(call, match):
    with pytest.raises(ValueError, match=match):
        call()


@pytest.mark.parametrize("k, match", [*bad_coefficients()])
def test_bad_coefficients_are_refused(k, match):
    with pytest.raises(ValueError, match=match):
        rest(k, 1, 1, 1)
    with pytest.raises(ValueError, match=match):
        superspike.forward(k, REST, np.ones((1, 1, 1)), np.ones((1, 1, 1)))


def test_a_decay_must_be_below_1_in_the_dtype_of_the_layer():
    k = K._replace(het=1 - 1e-9, mem=0.0, refractory=0)
    assert rest(k, 1, 1, 1).het == 0
    with pytest.raises(ValueError, match=r"^k\..*het.* out of range in float32 at"):
        rest(k, 1, 1, 1, np.float32)


def test_refractory_steps_of_any_integer_type_give_the_same_block():
    held = [np.full((2, 3), 70, kind) for kind in (int, np.int8, np.uint8)]
    x = np.ones((90, 2, 4))
    found = [superspike.forward(K, STATE._replace(held=a), W, x) for a in held]
    for state, block in found:
        assert (state.held == found[0][0].held).all() and state.held.dtype == int
        assert (block.spikes == found[0][1].spikes).all() and block.spikes.any()
