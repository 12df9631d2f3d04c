"""The chip that is drawn: spreads, switches, streams."""

import numpy as np
import pytest

from refsnn import chip_effects as ce


def test_a_seed_is_a_chip():
    one, same, other = (ce.draw(seed) for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(one[2:], same[2:], strict=True))
    assert not np.array_equal(one.gain, other.gain)


@pytest.mark.parametrize("call, words", [
    (lambda: ce.draw(-1), "seed is -1"),
    (lambda: ce.draw(1, neurons=257), "neurons is 257"),
    (lambda: ce.draw(1, inputs=257), "inputs is 257")])
def test_refuses(call, words):
    with pytest.raises(ValueError, match=words):
        call()
