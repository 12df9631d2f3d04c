"""What the functions of `refsnn.chip` accept and refuse."""

from typing import Any, NamedTuple

import numpy as np
import pytest
from harness import contract, verify

from refsnn import chip


class Weights(NamedTuple):
    """Hold the weights of a network on a chip."""
    hidden: Any
    recurrent: Any
    readout: Any


def emulate(weights, **options):
    return chip.emulate(weights=Weights(*weights), **options)


def only(effects, names):
    return chip.only(effects, names)


def draw(effects, seed=1, neurons=1, inputs=1, **options):
    return chip.draw(seed, effects, neurons=neurons, inputs=inputs, **options)


def ideal(module, rng, dtype, sizes):
    """Return the fields of an ideal chip for a small network."""
    c = chip.draw(1, chip.IDEAL, neurons=sizes["n"] + sizes["k"],
                  inputs=sizes["n"] + sizes["m"], dtype=dtype)
    return {f"chip.{name}": value for name, value in c._asdict().items()} | {
        "rng": np.random.default_rng(1), "step": 1e-7, "dt": 1.7e-6,
        "code": np.array([80.0, 70.0])}


def limited(module, rng, dtype, sizes):
    """Return a chip that accepts integer weights."""
    effects = chip.only(chip.UNCALIBRATED, "weight_limit", "fan_in", "adc_limit")
    return {"chip": chip.draw(1, effects, neurons=10, inputs=7, dtype=dtype),
            "rng": np.random.default_rng(1)}


EFFECTS = (
    "effects.weight_limit? () int in [1, inf), effects.fan_in? () int in [1, inf), "
    "effects.gain? (2) in [0, inf), effects.synapse? () in [0, inf), "
    "effects.tau_syn? (3) in [0, inf), effects.tau_mem? () in [0, inf), "
    "effects.threshold? (2) in [0, inf), effects.reset? () in [0, inf), "
    "effects.refractory? () in [0, 1e6), effects.decalibration? (2) in [0, inf), "
    "effects.noise? (3) in [0, inf), effects.adc_limit? () int in [1, 255], "
    "effects.adc? (2) in [0, inf), effects.sampling? (2) in [0, inf), "
    "effects.hidden_peak? bool, effects.headroom? (3), "
    "effects.timing? (2) in [0, 1e6), "
    "effects.loss? () in [0, 1], effects.pathological? (2) in [0, 1], "
    "effects.driver? () in [0, inf), effects.levels? () int in [1, inf)")
GOOD = {f"effects.{name}": value for name, value in chip.UNCALIBRATED._replace(
    decalibration=(0.1, 0.1))._asdict().items()}
FIELDS = ("chip.nominal (2) in (0, 1), chip.gain (2, N) float, "
          "chip.synapse (2, N, M), chip.tau_syn (2, N) in (0, inf), "
          "chip.tau_mem (N) in (0, inf), chip.threshold (N) in (-inf, inf], "
          "chip.leak (N), chip.reset (N), chip.adc_offset (N), chip.adc_gain (N)")
OPTIONS = ("rng generator, step () in (1e-9, 2e-7], dt () in (1e-9, 1.8e-4], "
           "scale () in (1e-9, 1e9), code (2), reset_after? () in (1e-9, 1e9), "
           "details bool")
FUNCTIONS = [
    contract(draw, EFFECTS, given=GOOD),
    contract(chip.draw, "seed () int in [0, inf), neurons () int in [1, 256], "
             "inputs () int in [1, 256], tau_mem () in [0.5e-6, 1), "
             "tau_syn () in [0.5e-6, 1)",
             given={"neurons": 3, "inputs": 2}),
    contract(only, f"{EFFECTS}, names {{{', '.join(chip.Effects._fields)}}}",
             given=GOOD),
    contract(emulate, f"chip.effects, {FIELDS}, weights.hidden (n, m), "
             "weights.recurrent? (n, n), weights.readout (k*, n), spikes (T, B, m) in "
             f"{{0, 1}}, {OPTIONS}",
             given=ideal, unchecked=["chip.effects"], N=10, M=7, T=2),
    contract(emulate, "weights.hidden (n, m) int in [-63, 63], "
             "weights.recurrent? (n, n) int in [-63, 63], "
             "weights.readout (k*, n) int in [-63, 63], "
             "spikes (T, B, m) in {0, 1}", given=limited, T=2),
]


@pytest.mark.parametrize("c", FUNCTIONS, ids=lambda c: c.function.__name__)
def test_contract(c):
    bad = verify(c)
    assert not bad, "\n".join(bad)


CHIP = chip.draw(1)
X, HIDDEN, READOUT = np.zeros((2, 1, 9)), np.ones((5, 9), int), np.ones((2, 5), int)


def run(c=CHIP, x=X, hidden=HIDDEN, recurrent=None, readout=READOUT, **options):
    weights = {"hidden": hidden, "recurrent": recurrent, "readout": readout}
    return chip.emulate(c, weights, x, rng=np.random.default_rng(1), **options)[0]


def wide(n, m):
    return {"hidden": np.ones((n, m), int), "readout": np.ones((2, n), int),
            "x": np.zeros((2, 1, m))}


def changed(**changes):
    return chip.UNCALIBRATED._replace(**changes)


@pytest.mark.parametrize("call, match", [
    (lambda: run(**wide(5, 257)),
     "^weights have 257 inputs of a neuron: must have 1 to 256"),
    (lambda: run(**wide(5, 252), recurrent=np.ones((5, 5), int)),
     "^weights have 257 inputs of a neuron"),
    (lambda: run(**wide(255, 9)), "^weights have 257 neurons: must have 1 to 256"),
    (lambda: run(chip.draw(1, neurons=6)), "^weights have 7 neurons: must have 1 to 6"),
    (lambda: run(chip.draw(1, inputs=8)), "^weights have 9 inputs of a neuron"),
    (lambda: run(chip.draw(1, chip.only(chip.IDEAL), inputs=8)),
     "^weights have 9 inputs of a neuron: must have 1 to 8"),
    (lambda: run(chip.draw(1, inputs=6), **wide(7, 3)), "^weights have 7 inputs of a "),
    (lambda: chip.emulate(CHIP, {"hidden": HIDDEN, "recurent": None,
                                 "readout": READOUT}, X, rng=np.random.default_rng(1)),
     "^weights' key is 'recurent': must be one of"),
    (lambda: run(HIDDEN), "^chip is of type ndarray"),
    (lambda: run(CHIP._replace(effects=changed(loss=2.0))),
     "^chip.effects.loss is 2.0"),
    (lambda: run(step=0.21e-6), "^step is 2.1e-07: must be at most 2e-07 s, or dt"),
    (lambda: run(dt=181e-6),
     "^dt is 0.000181: must be at most 30 times each time constant of chip.nominal"),
    (lambda: run(chip.draw(1, tau_syn=1e-6), dt=31e-6), "^dt is 3.1e-05: must be at "),
    (lambda: run(code=(80.0, 0.0)), r"^code\[1\] is 0.0: must be above 0"),
    (lambda: chip.draw(-1), "^seed is -1: must be an integer >= 0 or a Generator"),
    (lambda: chip.draw(True), "^seed is True: must be an integer >= 0"),
    (lambda: chip.draw(1, neurons=257), r"^neurons is 257: must be in \[1, 256"),
    (lambda: chip.draw(1, changed(fan_in=9), neurons=1, inputs=10),
     r"^inputs is 10: must be in \[1, 9"),
    (lambda: chip.draw(1, dtype=np.float16), "^dtype is"),
    (lambda: chip.draw(1, None), "^effects is of type NoneType: must be a Effects"),
    (lambda: chip.draw(1, (1, 2)), "^effects is of type tuple"),
    (lambda: chip.draw(1, changed(tau_syn=(0.1, 0.1, 1.5))),
     r"^effects.tau_syn\[2\] is 1.5: must be a correlation in \[0, 1\]"),
    (lambda: chip.draw(1, changed(pathological=(0.6, 0.6))),
     "^effects.pathological has the sum 1.2: must be two shares"),
    (lambda: chip.draw(1, changed(headroom=(0.5, 1.5, 0.2))),
     "^effects.headroom is 0.5, 1.5, 0.2: must be a lower edge < 0, an upper edge > 0"),
    (lambda: chip.draw(1, changed(headroom=(0.0, 1.5, 0.2))), "^effects.headroom"),
    (lambda: chip.draw(1, changed(headroom=(-1.0, 0.0, 0.2))), "^effects.headroom"),
    (lambda: chip.draw(1, changed(headroom=(-1.0, 1.5, 0.0))), "^effects.headroom"),
    (lambda: chip.draw(1, changed(headroom=(-1.0, 1.5, 1.1))), "^effects.headroom"),
    (lambda: chip.only({}, "gain"), "^effects is of type dict"),
    (lambda: chip.only(chip.IDEAL, "volume"), "^names is 'volume'")])
def test_relations_between_arguments(call, match):
    with pytest.raises(ValueError, match=match):
        call()


def test_ends_of_the_relations_are_accepted():
    assert run(**wide(254, 9)).shape == (2, 1, 254)
    assert run(**wide(5, 256)).shape == run(**wide(5, 251), recurrent=np.ones(
        (5, 5), int)).shape == (2, 1, 5)
    few = {**wide(7, 3), "readout": np.ones((0, 7), int)}
    assert run(chip.draw(1, inputs=6), **few).shape == (2, 1, 7)
    assert run(step=0.2e-6).shape == run(step=1.7e-6).shape == (2, 1, 5)
    for effects in (changed(tau_syn=(0.1, 0.1, 1.0)), tuple(chip.UNCALIBRATED),
                    changed(headroom=(-1.0, 1.0, 1.0)),
                    changed(pathological=(0.5, 0.5))):
        assert run(chip.draw(2**100, effects)).shape == (2, 1, 5)
    assert run(tuple(CHIP)).shape == (2, 1, 5)
