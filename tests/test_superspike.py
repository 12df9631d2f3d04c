"""SuperSpike step by step."""

import numpy as np
import pytest

from refsnn import superspike


def test_weights_of_another_shape_are_refused():
    setting = superspike.coefficients(superspike.Settings())
    state = superspike.rest(setting, 2, 3, 4)
    step = superspike.forward(setting, state, np.ones((2, 3, 4)), np.ones((2, 4)))[1]
    with pytest.raises(ValueError, match="W is of shape"):
        superspike.forward(setting, state, np.ones((3, 4)), np.ones((2, 4)))
    with pytest.raises(ValueError, match="signal is of shape"):
        superspike.accumulate(setting, state, np.ones((2, 3, 4)), step, np.ones((2, 4)))
