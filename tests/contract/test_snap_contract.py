"""What the functions of `refsnn.snap` accept and refuse."""

import numpy as np
import pytest
from harness import contract, verify

from refsnn import snap

SPARSE = "owner (p*) int in [0, 5), pattern (5, n) in {0, 1}"


def valid(module, rng, dtype, sizes):
    """Return a pattern of bools."""
    return {"pattern": rng.random((5, sizes["n"])) < 0.7}


FUNCTIONS = [
    contract(snap.reach, "V (n*, n*), order () int in [1, inf)"),
    contract(snap.owners, "n () int in [1, inf), m () int in [0, inf), recurrent bool"),
    contract(snap.stored, f"{SPARSE}, states () int in [1, inf)",
             given=lambda *given: valid(*given) | {"states": 2 * given[-1]["n"]},
             unchecked=["pattern", "states"]),
    contract(snap.step, f"J (B*, N, N) float, F (B*, N, p*), {SPARSE}", N=8,
             given=lambda *given: valid(*given) | {"blocks": None},
             unchecked=["pattern"]),
    contract(snap.gradient, f"J (T, B, N, N) float, F (T, B, N, p*), q (T, B, N), "
             f"{SPARSE}", given=valid, unchecked=["pattern"], N=8),
]


@pytest.mark.parametrize("c", FUNCTIONS, ids=lambda c: c.function.__name__)
def test_contract(c):
    bad = verify(c)
    assert not bad, "\n".join(bad)


EYE = np.eye(2, dtype=bool)
GOOD = {"J": np.ones((1, 4, 4)), "F": np.ones((1, 4, 5)), "owner": [0, 0, 1, 1, 0],
        "pattern": EYE}
BLOCKS = (np.ones((1, 2, 3)), np.ones((1, 2, 2)))


@pytest.mark.parametrize("change, match", [
    ({"pattern": EYE.astype(int)}, "^pattern is int64 of shape .*: must be bool"),
    ({"pattern": EYE[0]}, r"^pattern has shape \(2,\): must have 2 axes"),
    ({"pattern": None}, "^pattern is None"),
    ({"pattern": np.ma.masked_array(EYE)}, "^pattern is a masked array"),
    ({"pattern": EYE[:0]}, r"^pattern has 0 entries \(axis 0\)"),
    ({"pattern": EYE[:, :0]}, r"^pattern has 0 units \(axis 1\)"),
    ({"pattern": np.ones((2, 3), bool)},
     r"^pattern is bool of shape \(2, 3\): .* divisor of the 4 states"),
    ({"owner": [0, 0, 1, 1, 2]}, r"^owner is out of range .* in \[0, 2\)"),
    ({"owner": [0]}, r"^owner has 1 parameter \(axis 0\), F has 5 "),
    ({"blocks": BLOCKS[:1]}, "^blocks has 1 arrays: must have 2"),
    ({"blocks": list(BLOCKS)}, "^blocks is of type list: must be tuple"),
    ({"blocks": BLOCKS[0]}, "^blocks is of type ndarray: must be tuple"),
    ({"blocks": BLOCKS[::-1]}, r"^blocks\[0\] has 2 entries \(axis 2\): must have 3"),
    ({"blocks": (BLOCKS[0][:, :1], BLOCKS[1])}, r"^blocks\[0\] has 1 entry \(axis 1\)"),
    ({"blocks": (BLOCKS[0], BLOCKS[1][:0])}, r"^blocks\[1\] has 0 entries \(axis 0\)"),
    ({"blocks": (BLOCKS[0][0], BLOCKS[1])}, r"^blocks\[0\] has shape"),
    ({"blocks": (BLOCKS[0], None)}, r"^blocks\[1\] is None"),
    ({"blocks": (BLOCKS[0], np.nan * BLOCKS[1])}, r"^blocks\[1\] is nan"),
    ({"blocks": (np.ma.masked_array(BLOCKS[0]), BLOCKS[1])}, r"^blocks\[0\] is a mask"),
    ({"blocks": (1e300 * BLOCKS[0], BLOCKS[1]), "J": np.ones((1, 4, 4), "f")},
     r"^blocks\[0\] overflows in float32")])
def test_patterns_and_blocks(change, match):
    with pytest.raises(ValueError, match=match):
        snap.step(**{"blocks": None, **GOOD, **change})


def test_other_relations_between_arguments():
    with pytest.raises(ValueError, match="^pattern is .* a divisor of the 3 states"):
        snap.stored([0, 1], EYE, 3)
    for states in (0, 2.0, None):
        with pytest.raises(ValueError, match="^states is "):
            snap.stored([0, 1], EYE, states)
    assert snap.stored([0], EYE[:1, :1], 1) == 1
    listed = tuple(block.astype(int).tolist() for block in BLOCKS)
    for a, b in zip(snap.step(listed, **GOOD), snap.step(BLOCKS, **GOOD), strict=True):
        assert (a == b).all()
