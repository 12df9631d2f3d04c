"""What the function of `refsnn.probe` accepts and refuses."""

import numpy as np
import pytest
from harness import contract, verify

from refsnn import lif, probe

DECAY = float(np.exp(-1.7 / 6))


def software(weights, x):
    """Return the recordings of a network of `lif`."""
    layer = lif.simulate(x, weights.hidden / 240, alpha=DECAY, beta=DECAY)
    out = lif.readout(layer.spikes, weights.readout / 240, alpha=DECAY, beta=DECAY)
    return layer.spikes, 80 + 70 * np.concatenate([layer.mem, out], axis=2)


def scaled(**options):
    """Probe with times in microseconds and scales in units of 240."""
    for name, unit in (("dt", 1e-6), ("tau_mem", 1e-6), ("tau_syn", 1e-6),
                       ("scale", 240)):
        if type(options.get(name)) is float:
            options[name] *= unit
    return len(probe.probe(**options).faults)


def answered(spikes, samples):
    """Probe a chip whose first answer is given."""
    answers = [(spikes, samples)]
    return len(probe.probe(lambda *call: answers.pop() if answers else software(*call),
                           3, 4, 6, steps=24).faults)


def counts(module, rng, dtype, sizes):
    return {"spikes": rng.integers(0, 2, (24, 32, 4)).astype(dtype)}


FUNCTIONS = [
    contract(scaled, "run callable, m () int in [1, inf), n () int in [1, inf), "
             "k () int in [1, inf), scale () in (0, inf), limit () int in [1, inf), "
             "unit () in (0, inf), tau_syn () in (0, inf), tau_mem () in (0, inf), "
             "dt () in (0, inf), steps () int in [24, inf), seed () int in [0, inf)",
             given={"run": software, "m": 3, "n": 2, "k": 1, "limit": 63}),
    contract(answered, "spikes (24, 32, 4) in [0, inf), samples? (24, 32, 10)",
             given=counts),
]


@pytest.mark.parametrize("c", FUNCTIONS, ids=lambda c: c.function.__name__)
def test_contract(c):
    bad = verify(c)
    assert not bad, "\n".join(bad)


@pytest.mark.parametrize("call, match", [
    (lambda: probe.probe(software, 2, 2, 1, scale=1.0),
     "^scale is 1.0: must be at least 4.27, so that a weight of 1 is weak"),
    (lambda: probe.probe(software, 2, 2, 1, tau_syn=6.0, tau_mem=6.0),
     "^tau_syn is 6.0 and tau_mem is 6.0: must be shorter, so that the response to a "
     "spike reaches its maximum within 40 steps of 1.7e-06 s"),
    (lambda: probe.probe(software, 2, 2, 1, dt=1e-3),
     "^tau_syn is 6e-06 and tau_mem is 6e-06: one must be at least 0.0001, a tenth of "
     "dt"),
    (lambda: probe.probe(lambda w, x: None, 2, 2, 1),
     "^run returned a NoneType: must be a pair"),
    (lambda: probe.probe(lambda w, x: (x, x, x), 2, 2, 1), "^run returned a tuple"),
    (lambda: probe.probe(lambda w, x: (x + 0.5, None), 2, 2, 1),
     "^run.spikes holds fractions: must hold numbers of spikes"),
    (lambda: probe.probe(lambda w, x: (x, x), 2, 2, 1),
     r"^run.samples has 2 entries \(axis 2\): must have 3")])
def test_relations_between_arguments(call, match):
    with pytest.raises(ValueError, match=match):
        call()
