"""Test the parameters of a stack, and their changes."""

import functools

import numpy as np
import pytest

from refsnn import optimisers, stack

TAUS = {"tau_syn": 5e-3, "tau_mem": 1e-2}


@pytest.mark.parametrize("change, message", [
    ({"W": np.ones(3)}, "W has shape"),
    ({"V": np.ones((3, 2))}, "V has"),
    ({"tau_mem": -1}, "tau_mem is -1"),
    ({"tau_syn": np.ones(3)}, "tau_syn has 3"),
    ({"threshold": 0}, "threshold is 0"),
    ({"tau_adapt": 0.1}, "one of adaptation and tau_adapt is None"),
    ({"adaptation": 0.1}, "one of adaptation and tau_adapt is None"),
    ({"adaptation": 0, "tau_adapt": 1}, "adaptation is 0"),
])
def test_bad_constants_are_refused(change, message):
    options = {"W": np.ones((2, 3)), **TAUS}
    stack.layer(**options)
    with pytest.raises(ValueError, match=message):
        stack.layer(**options | change)


def test_gradients_and_states_must_fit():
    layers = [stack.layer(np.ones(shape), **TAUS) for shape in ((2, 3), (1, 2))]
    sgd, none = functools.partial(optimisers.sgd, rate=0.1), stack.Layer(None)
    for gradients, states, message in (
            (None, None, "gradients is None: must be"),
            ([none], None, "gradients has 1 entries: must have one for each of the 2"),
            ([none] * 2, [none] * 3, "states has 3 entries: must have one for each"),
            ([none, stack.Layer(np.ones((1, 1)))], None,
             r"gradients\[1\].W has shape \(1, 1\): must be .*\[1\].W, \(1, 2\)"),
            ([stack.Layer(None, log_tau_mem=np.ones(2)), none], None,
             r"gradients\[0\].log_tau_mem has shape \(2,\): must be .*, \(\)"),
            ([stack.Layer(None, np.ones((2, 2))), none], None,
             r"gradients\[0\].V has shape \(2, 2\): must be .*\.V, None")):
        with pytest.raises(ValueError, match=message):
            stack.descend(layers, gradients, sgd, states)


def test_a_layer_holds_logarithms_in_the_dtype_of_its_weights():
    taus = np.array([5e-3, 7e-3])
    one = stack.layer(np.ones((2, 3), np.float32), tau_syn=taus, tau_mem=1e-2,
                      adaptation=0.5, tau_adapt=0.2)
    np.testing.assert_allclose(np.exp(one.log_tau_syn), taus, rtol=1e-6)
    np.testing.assert_allclose(np.exp(one[3:]), [1e-2, 1, 0.5, 0.2], rtol=1e-6)
    assert {value.dtype for value in one if value is not None} == {np.dtype("f4")}


def test_descend_steps_each_parameter_with_its_own_state():
    """Two steps of Adam, as with the optimiser alone."""
    rng = np.random.default_rng(0)
    layers = [stack.layer(rng.random((2, 3)), rng.random((2, 2)), **TAUS),
              stack.layer(rng.random((1, 2)), **TAUS)]
    gradients = [stack.Layer(rng.random((2, 3)), rng.random((2, 2)),
                             log_tau_mem=rng.random()), stack.Layer(None)]
    adam = functools.partial(optimisers.adam, rate=0.1)
    new, states = stack.descend(layers, gradients, adam)
    new, states = stack.descend(new, gradients, adam, states)
    for name in ("W", "V", "log_tau_mem"):
        value, state = getattr(layers[0], name), None
        for _ in range(2):
            state, update = adam(state, getattr(gradients[0], name))
            value = value + update
        np.testing.assert_array_equal(getattr(new[0], name), value)
    assert new[0].log_tau_syn == layers[0].log_tau_syn
    _, kept = stack.descend(new, [stack.Layer(None)] * 2, adam, states)
    assert kept[0].W is states[0].W is not None
    for a, b in zip(new[1], layers[1], strict=True):
        assert a is None and b is None or np.array_equal(a, b)
