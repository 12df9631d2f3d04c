"""What the functions of `refsnn.basilar` accept and refuse."""

import numpy as np
import pytest
from harness import contract, verify

from refsnn import basilar

PLACES = "places (C) in [0, 3.5]"
GRID = f"frequencies (F) in [1e-3, 1e6], {PLACES}"
MEMBRANE = ", ".join(f"membrane.{name} () in (0, inf)"
                     for name in basilar.Membrane._fields)
SMALL = basilar.table(basilar.places(3), points=100)


def sums(result):
    """Return the sum of absolute values, because results are always double."""
    return np.abs(result).sum()


def transfer(**options):
    return sums(basilar.transfer(**options))


def table(**options):
    return sums(basilar.table(**options).values)


def interpolate(**options):
    return sums(basilar.interpolate(SMALL, **options))


def response(**options):
    return sums(basilar.response(SMALL)(**options))


FEW = {"frequencies": np.array([100.0, 2000.0]), "places": np.array([0.5, 1.0, 3.0])}
FUNCTIONS = [
    contract(lambda channels: sums(basilar.places(channels)),
             "channels () int in [1, inf)", given={"channels": 3}),
    contract(transfer, f"{GRID}, {MEMBRANE}", F=2, C=3),
    contract(transfer, f"{GRID}, membrane {{2020, 2021}}", F=2, C=3),
    contract(table, f"{PLACES}, {MEMBRANE}, top () in [10, 1e5], points () int in "
             "[100, inf)", C=2, given={"points": 100}),
    contract(interpolate, "frequencies (F) in [1, 24000]", F=2),
    contract(response, "frequencies (F) in [1, 24000]", F=2),
]


@pytest.mark.parametrize("c", FUNCTIONS, ids=lambda c: c.function.__name__)
def test_contract(c):
    bad = verify(c)
    assert not bad, "\n".join(bad)


F, C = np.array([1.0, 2.0]), np.array([0.0, 3.5])


@pytest.mark.parametrize("call, match", [
    (lambda: basilar.transfer(F, C, 1e9), "^membrane is of type float: must be a Memb"),
    (lambda: basilar.transfer(F, C, (1.0, 2.0)), "^membrane is of type tuple"),
    (lambda: basilar.interpolate(3, F), "^table is of type int: must be a Table"),
    (lambda: basilar.interpolate(SMALL, F, [0, 9]),
     "^channels is of type list: must be "),
    (lambda: basilar.interpolate(SMALL, F, 0), "^channels is 0: must be one of slice"),
    (lambda: basilar.interpolate(SMALL, F, slice(3, 4)),
     "^channels is slice.*: must select places of the table"),
    (lambda: basilar.interpolate(SMALL, F * 24001),
     r"^frequencies is out of range at ")])
def test_relations_between_arguments(call, match):
    with pytest.raises(ValueError, match=match):
        call()


def test_ends_are_accepted():
    assert basilar.transfer(np.array([1e-3, 1e6]), C).shape == (2, 2)
    assert basilar.table(C, top=1e5, points=100).values.shape == (100, 2)
    ends = np.array([1.0, 24000.0])
    assert basilar.interpolate(SMALL, ends, slice(2, 9)).shape == (2, 1)
