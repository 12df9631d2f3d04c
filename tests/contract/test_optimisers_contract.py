"""What the functions of `refsnn.optimisers` accept and refuse."""

import numpy as np
import pytest
from harness import contract, verify

from refsnn import optimisers
from refsnn.optimisers import State, adam, adamax, rmaxprop, rmsprop, sgd

FUNCTIONS = [
    contract(f, f"gradient (n, m) float, rate () in [0, inf), {options}, "
             f"state.step () int in [0, inf), {arrays}", given=given,
             unchecked=given or ())
    for f, options, arrays, given in (
        (sgd, "momentum () in [0, 1)", "state.mean (n, m)", {"state.scale": None}),
        *((f, "beta1 () in [0, 1), beta2 () in [0, 1), eps () in [1e-18, inf)",
           "state.mean (n, m), state.scale (n, m) in [0, inf)", None)
          for f in (adam, adamax)),
        *((f, "decay () in [0, 1), eps () in [1e-18, inf)",
           "state.mean? (n, m), state.scale (n, m) in [0, inf)", {"state.mean": None})
          for f in (rmsprop, rmaxprop)))]


@pytest.mark.parametrize("c", FUNCTIONS, ids=lambda c: c.function.__name__)
def test_contract(c):
    bad = verify(c)
    assert not bad, "\n".join(bad)


EACH = pytest.mark.parametrize("f", [sgd, adam, adamax, rmsprop, rmaxprop])
ONE = np.ones(3)


@EACH
def test_a_gradient_may_have_any_shape_but_not_be_empty(f):
    for shape in ((), (2, 1, 3)):
        assert f(None, np.ones(shape), rate=0.1)[1].shape == shape
    with pytest.raises(ValueError, match=r"^gradient has shape \(2, 0\): must not"):
        f(None, np.ones((2, 0)), rate=0.1)
    with pytest.raises(ValueError, match="^gradient is of type list and no array"):
        f(None, [np.zeros((2, 3)), np.zeros(2)], rate=0.1)


@pytest.mark.parametrize("f", [adam, adamax, rmsprop, rmaxprop])
@pytest.mark.parametrize("eps, dtype", [(1e-160, np.float64), (1e-32, np.float32)])
def test_the_square_of_eps_must_not_underflow(f, eps, dtype):
    with pytest.raises(ValueError, match=r"^eps is .*: must be in \[1\.\d+e-\d+, i"):
        f(None, np.ones(2, dtype), rate=0.1, eps=eps)
    least = float(np.sqrt(np.finfo(dtype).tiny))
    assert f(None, np.ones(2, dtype), rate=0.1, eps=least)[1].all()


@pytest.mark.parametrize("f", [adam, rmsprop, rmaxprop])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_squares_of_gradients_must_not_overflow(f, dtype):
    largest = float(np.sqrt(np.finfo(dtype).max))
    with pytest.raises(ValueError, match=r"^gradient\^2 is inf at index \(0,\): "):
        f(None, np.array([2 * largest], dtype), rate=0.1)
    f(None, np.array([0.5 * largest], dtype), rate=0.1)


@EACH
@pytest.mark.parametrize("number", [np.float16, np.float32, np.float64])
def test_options_may_be_numbers_of_numpy(f, number):
    exact = f(None, ONE, rate=0.125)[1]
    assert f(None, ONE, rate=number(0.125))[1].tolist() == exact.tolist()
    for bad in (number("inf"), number("nan"), number(-1), 10**400):
        with pytest.raises(ValueError, match="^rate "):
            f(None, ONE, rate=bad)


@EACH
def test_states_of_other_arrays_or_optimisers_are_refused(f):
    state, _ = f(None, ONE, rate=0.1)
    short = State(1, *(a if a is None else a[:2] for a in state[1:]))
    for bad, match in (
            (short, r"state\.(mean|scale) has shape \(2,\), gradient has \(3,\): must"),
            ((1, None, None), r"state\.(mean|scale) is None: must be that of the "),
            ({}, "state is of type dict"), (state[:2], "state is of type tuple")):
        with pytest.raises(ValueError, match=f"^{match}"):
            f(bad, ONE, rate=0.1)
    both = State(1, ONE, ONE)
    if f in (adam, adamax):
        assert f(both, ONE, rate=0.1)[0].step == 2
    else:
        with pytest.raises(ValueError, match=r"^state\.(mean|scale) is not None: "):
            f(both, ONE, rate=0.1)


@EACH
def test_states_are_cast_to_the_dtype_of_the_gradient(f):
    state = f(None, ONE, rate=0.1)[0]
    single = State(1, *(a if a is None else a.astype(np.float32) for a in state[1:]))
    one, two = (f(s, ONE, rate=0.1) for s in (state, single))
    np.testing.assert_allclose(one[1], two[1], rtol=1e-6)
    assert two[1].dtype == np.float64


def test_every_optimiser_has_a_contract():
    assert {c.function.__name__ for c in FUNCTIONS} == set(optimisers.__all__)
