"""What the functions of `refsnn.surrogates` accept and refuse."""

import numpy as np
import pytest
from harness import contract, verify

from refsnn.surrogates import SURROGATES

FUNCTIONS = [contract(f, "v (...) float, steepness () in (0, inf)")
             for f in SURROGATES.values()]


@pytest.mark.parametrize("c", FUNCTIONS, ids=lambda c: c.function.__name__)
def test_contract(c):
    bad = verify(c)
    assert not bad, "\n".join(bad)


@pytest.mark.parametrize("f", SURROGATES.values(), ids=SURROGATES)
def test_a_steepness_out_of_the_range_of_float32_is_refused(f):
    for steepness, told in ((1e300, r"steepness overflows in float32"),
                            (1e-300, r"steepness is 1e-300 \(0.0\) in float32")):
        with pytest.raises(ValueError, match=rf"^{told}: must be in \(0, inf\)"):
            f(np.zeros(3, np.float32), steepness)
        assert f(np.zeros(3), steepness)[1].tolist() == [1.0] * 3
