"""What the functions of `refsnn.fast.ntk` accept and refuse: the same as of `ntk`."""

import pytest
import test_ntk_contract
from harness import verify

from refsnn.fast import ntk

FUNCTIONS = test_ntk_contract.contracts(ntk)


@pytest.mark.parametrize("c", FUNCTIONS, ids=lambda c: c.function.__name__)
def test_contract(c):
    bad = verify(c)
    assert not bad, "\n".join(bad)


@pytest.mark.parametrize("call, match", test_ntk_contract.RELATIONS)
def test_relations_between_arguments(call, match):
    with pytest.raises(ValueError, match=match):
        call(ntk)
