"""What the functions of `refsnn.chip_weights` accept and refuse."""

import numpy as np
import pytest
from harness import contract, verify

from refsnn import chip_weights as cw

WEIGHTS = ("weights.hidden (n, m) float, weights.recurrent? (n, n) float, "
           "weights.readout (k, n) float")
RANGE = "scale () in (0, inf), limit () int in [1, 32767]"
RNG = {"rng": np.random.default_rng(1)}


def paired(options):
    """Return options whose limits are a tuple."""
    return {name: tuple(value) if isinstance(value, list) else value
            for name, value in options.items()}


def integers(weights, **options):
    return cw.integers(cw.Weights(*weights), **paired(options))


def clip(weights, **options):
    return cw.clip(cw.Weights(*weights), **paired(options))


def drop(weights, kept):
    return cw.drop(cw.Weights(*weights), kept)


def penalty(weights, **strengths):
    return cw.penalty(cw.Weights(*weights), **strengths)


def bools(module, rng, dtype, sizes):
    return {"kept": rng.random(sizes["n"]) < 0.5}


FUNCTIONS = [
    contract(integers, f"{WEIGHTS}, {RANGE}, most () in [1e-9, inf)"),
    contract(integers, f"{WEIGHTS}, scale () in (0, inf), "
             "limit[0] () int in [-32767, -1], limit[1] () int in [1, 32767]"),
    contract(clip, f"{WEIGHTS}, {RANGE}"),
    contract(clip, f"{WEIGHTS}, scale () in (0, inf), "
             "limit[0] () int in [-32767, -1], limit[1] () int in [1, 32767]"),
    contract(cw.dropout, "rng generator, n () int in [1, inf), rate () in [0, 1)"),
    contract(drop, f"{WEIGHTS}, kept (n)", given=bools),
    contract(penalty, f"{WEIGHTS}, hidden () in [0, inf), recurrent () in [0, inf), "
             "readout () in [0, inf)"),
    contract(cw.initial, "rng generator, m () int in [1, inf), n () int in [1, inf), "
             "k () int in [1, inf), recurrent bool, tau_mem () in (0, inf), "
             "dt () in (0, inf)"),
]


@pytest.mark.parametrize("c", FUNCTIONS, ids=lambda c: c.function.__name__)
def test_contract(c):
    bad = verify(c)
    assert not bad, "\n".join(bad)


NET = cw.Weights(np.ones((5, 7)), np.ones((5, 5)), np.ones((3, 5)))


def test_the_widest_range_is_accepted():
    for limit in (32767, (-32767, 32767)):
        assert cw.integers(NET, scale=1e9, limit=limit)[0].hidden.min() == 32767


@pytest.mark.parametrize("call, match", [
    (lambda: cw.integers(NET._asdict() | {"recurent": None}),
     "^weights' key is 'recurent': must be one of"),
    (lambda: cw.clip(NET, limit=(-8, 7, 1)), "^limit has shape"),
    (lambda: cw.clip(NET, limit=[-8, 7]), "^limit has shape"),
    (lambda: cw.integers(None), "^weights.hidden is "),
    (lambda: cw.drop(NET, np.ones(5)), "^kept is of dtype float64: must be bool"),
    (lambda: cw.initial(np.random.default_rng(1), 2, 3, 4, dtype=int), "^dtype is ")])
def test_relations_between_arguments(call, match):
    with pytest.raises(ValueError, match=match):
        call()
