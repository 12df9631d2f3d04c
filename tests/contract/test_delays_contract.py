"""What the functions of `refsnn.delays` accept and refuse."""

import numpy as np
import pytest
from harness import contract, verify

from refsnn import delays

KERNEL = "delays (n, m) float in [0, 5], kernel {gaussian, normalised}, width (n, m) " \
    "in (0, inf)"
MOST = {"given": {"most": 5}, "unchecked": ["most"]}
FUNCTIONS = [
    contract(delays.taps, f"{KERNEL}, most () int in [0, inf)", **MOST),
    contract(delays.taps, "delays (...) float in [0, 5], kernel {nearest, linear}, "
             "width () in (0, inf)", given={"most": 5, "width": None},
             unchecked=["width"]),
    contract(delays.taps_backward, f"dtaps (6, n, m), {KERNEL}, most () int in "
             "[0, inf)", **MOST),
    contract(delays.delayed, "x (T, B, m), taps (6, m) float, state? (5, B, m)"),
    contract(delays.delayed, "x (T, B, m), taps (6, n, m) float, state? (5, B, m)"),
    contract(delays.delayed_backward, "dy (T, B, m), x (T, B, m), taps (6, m) float, "
             "state? (5, B, m)"),
    contract(delays.delayed_backward, "dy (T, B, n), x (T, B, m), taps (6, n, m) "
             "float, state? (5, B, m)"),
    contract(delays.settle, f"{KERNEL}, x (T, B, m), W? (n, m), most () int in "
             "[0, inf)", **MOST),
]


@pytest.mark.parametrize("c", FUNCTIONS, ids=lambda c: c.function.__name__)
def test_contract(c):
    bad = verify(c)
    assert not bad, "\n".join(bad)


X, D = np.ones((4, 2, 3)), np.full(3, 1.5)


@pytest.mark.parametrize("call, match", [
    (lambda: delays.taps(D, most=1), r"delays is out of range .* must be in \[0, 1\]"),
    (lambda: delays.taps(D, most=-1), "most is -1"),
    (lambda: delays.taps(D, most=2.0), "most is 2.0: must be an integer"),
    (lambda: delays.taps(D * np.inf, most=2), "delays is inf"),
    (lambda: delays.taps(D, most=2, width=1.0),
     "width is given: must be None for the kernel 'linear'"),
    (lambda: delays.taps(D, most=2, kernel="nearest", width=1.0), "width is given: mu"),
    (lambda: delays.taps(D, most=2, kernel="gaussian"), "width is None"),
    (lambda: delays.taps(D, most=2, kernel="normalised", width=0.0), "width is 0.0"),
    (lambda: delays.taps(D, most=2, kernel="gaussian", width=np.ones(2)),
     r"width has shape \(2,\), delays \(3,\): must be equal, or width a number"),
    (lambda: delays.taps_backward(np.ones((3, 2)), D, most=2),
     r"dtaps has shape \(3, 2\): must have \(3, 3\), as taps"),
    (lambda: delays.delayed(X, np.ones(3)), r"taps has shape \(3,\): must have 2 or 3"),
    (lambda: delays.delayed(X, np.ones((1, 1, 1, 3))), "taps has shape"),
    (lambda: delays.delayed(X, np.ones((3, 2))), r"x has 3 inputs .* taps has 2"),
    (lambda: delays.delayed(X, np.ones((3, 3)), np.ones((1, 2, 3))),
     r"state has 1 .* taps\[1:\] has 2"),
    (lambda: delays.delayed_backward(X[:3], X, np.ones((3, 3))), "(x|dy) has"),
    (lambda: delays.settle(D, X, np.ones((2, 3)), most=2), "(delays|W) has shape")])
def test_relations_between_arguments(call, match):
    with pytest.raises(ValueError, match=f"^{match}"):
        call()


def test_without_delay_there_is_no_state():
    y, state = delays.delayed(X, np.ones((1, 3)))
    assert np.array_equal(y, X) and state.shape == (0, 2, 3)
    assert np.array_equal(delays.delayed(X, np.ones((1, 3)), state)[0], X)
