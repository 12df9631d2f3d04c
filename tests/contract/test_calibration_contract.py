"""What the functions of `refsnn.calibration` accept and refuse."""

from collections import namedtuple

import warnings

import numpy as np
import pytest
from harness import contract, verify

from refsnn import calibration as cal

Chip = namedtuple("Chip", ("effects", *cal.Corrections._fields, "adc_offset"))
Effects = namedtuple("Effects", "levels sampling")


def dead(weights, x):
    """Return the silence of a chip that does not respond."""
    shape = (*x.shape[:2], len(weights.hidden))
    return np.zeros(shape, np.uint8), np.full(shape, 87, np.uint8)


def measure(function=cal.measure, **options):
    """Measure a chip, with times in microseconds, and return sums alone."""
    for name in ("dt", "tau_mem", "tau_syn"):
        if type(options.get(name)) is float:
            options[name] *= 1e-6
    return [np.nansum(a) for a in function(**options)]


def calibrate(**options):
    """Calibrate a chip whose neurons never fire."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return measure(cal.calibrate, **options)


def linear(weights, x):
    """Return the samples of a chip whose neurons never spike."""
    t, drive = np.arange(len(x))[:, None, None], x[0] @ weights.hidden.T
    return np.zeros((len(x), *drive.shape)), 80 + 5.0 * drive * t * 0.75 ** t


def answered(spikes, samples):
    """Call `measure` for a chip with 2 neurons whose first answer is given."""
    answers = [(spikes, samples)]
    return measure(run=lambda *call: answers.pop() if answers else linear(*call),
                   neurons=2, inputs=11, repeats=1)


def small(module, rng, dtype, sizes):
    return {"run": dead, "neurons": 2, "inputs": 11, "repeats": 1,
            "code": np.array([80.0, 70.0])}


def real(chip):
    return Chip(Effects(*chip[0]), *chip[1:])


def corrected(chip, corrections):
    """Correct a chip, and return its parameters alone."""
    return cal.corrected(real(chip), cal.Corrections(*corrections))[1:]


def twin(chip, found):
    return cal.twin(real(chip), found)[1:]


def measured(module, rng, dtype, sizes):
    return {"found.restless": np.arange(sizes["N"]) == 0,
            "found.silent": np.arange(sizes["N"]) == 1}


OPTIONS = ("run callable, inputs () int in [11, inf), dt () in (0, inf), "
           "tau_mem () in (0, inf), tau_syn () in (0, inf), scale () in (0, inf), "
           "code (2), repeats () int in [1, inf), limit () int in [1, inf)")
CHIP = ("chip.effects.levels? () int in [1, inf), chip.effects.sampling (), "
        "chip.gain (2, N) float, chip.tau_syn (2, N), chip.tau_mem (N), "
        "chip.threshold (N) in (-inf, inf], chip.leak (N), chip.reset (N), "
        "chip.adc_offset (N)")
FIELDS = ("gain (2, N), tau_syn (2, N), tau_mem (N), threshold (N), leak (N), "
          "reset (N), restless (N), silent (N)").replace("), ", "), found.")
UNREAD = ["chip.effects.sampling", "chip.adc_offset"]
FUNCTIONS = [
    contract(measure, f"{OPTIONS}, neurons () int in [1, inf)", given=small),
    contract(measure, "run callable, reference? (2)", given=small),
    contract(calibrate, "run callable, code (2)", given=small),
    contract(answered, "spikes (20, 64, 2) in {0, 1}, samples (20, 64, 2)"),
    contract(corrected, f"{CHIP}, corrections.gain (2, N) in (0, inf), "
             "corrections.tau_syn (2, N) in (0, inf), corrections.tau_mem (N) in "
             "(0, inf), corrections.threshold (N), corrections.leak (N), "
             "corrections.reset (N)", N=3, unchecked=UNREAD),
    contract(twin, f"{CHIP}, found.{FIELDS}, found.latency () in [-1, 1], "
             "found.offset (N)", N=3, given=measured, unchecked=[
                 *UNREAD, "chip.effects.levels",
                 *(f"found.{name}" for name in cal.Measurement._fields[:8])]),
]


@pytest.mark.parametrize("c", FUNCTIONS, ids=lambda c: c.function.__name__)
def test_contract(c):
    bad = verify(c)
    assert not bad, "\n".join(bad)


FOUND = cal.Measurement(*np.ones((2, 2, 2)), *np.ones((4, 2)), *np.zeros((2, 2), bool),
                        0.0, np.zeros(2))
MODEL = Chip(Effects(None, None), *np.ones((2, 2, 2)), *np.ones((5, 2)))
PLAIN = cal.Corrections(*FOUND[:6])
SHORT = {"neurons": 2, "inputs": 11, "repeats": 1}


@pytest.mark.parametrize("call, match", [
    (lambda: cal.measure(dead, code=(80.0, 0.0), **SHORT),
     r"^code\[1\] is 0.0: must be above 0"),
    (lambda: cal.measure(dead, reference=np.zeros(3), **SHORT), "^reference has 3 ent"),
    (lambda: cal.measure(lambda w, x: x, **SHORT), "^run returned a ndarray: must be"),
    (lambda: cal.measure(lambda w, x: (x, x, x), **SHORT), "^run returned a tuple"),
    (lambda: cal.measure(lambda w, x: (dead(w, x)[0], np.zeros((20, 64, 3))), **SHORT),
     r"^run.samples has 3 entries \(axis 2\): must have 2"),
    (lambda: cal.corrected(MODEL, PLAIN._replace(gain=np.ones((2, 3)))),
     r"^corrections.gain has 3 entries \(axis 1\), chip.gain has 2 \(axis 1\)"),
    (lambda: cal.corrected(MODEL, ()), "^corrections.gain is "),
    (lambda: cal.corrected(None, PLAIN), "^chip is of type NoneType: must be an emu"),
    (lambda: cal.twin(None, FOUND), "^chip.gain is "),
    (lambda: cal.twin(MODEL, 3), "^found is of type int: must be a Measurement"),
    (lambda: cal.twin(MODEL, FOUND._replace(gain=np.ones((2, 3)))),
     r"^found.gain is float64 of shape \(2, 3\): must be float64 of shape \(2, 2\)"),
    (lambda: cal.twin(MODEL, FOUND._replace(reset=np.ma.masked_array([1.0, 2.0]))),
     "^found.reset is a masked array"),
    (lambda: cal.twin(MODEL, FOUND._replace(leak=np.ones(2, int))), "^found.leak is i"),
    (lambda: cal.twin(MODEL, FOUND._replace(offset=np.ones(3))), "^found.offset has 3"),
    (lambda: cal.twin(MODEL, FOUND._replace(silent=np.zeros(3, bool))),
     "^found.silent is bool of shape"),
    (lambda: cal.twin(MODEL, FOUND._replace(restless=np.zeros(2, int))),
     "^found.restless is int64 of shape")])
def test_relations_between_arguments(call, match):
    with pytest.raises(ValueError, match=match):
        call()


def test_ends_are_accepted():
    assert cal.measure(dead, code=(80.0, 0.5), **SHORT).leak.tolist() == [14, 14]
    deaf = MODEL._replace(threshold=np.full(2, np.inf))
    assert np.isinf(cal.corrected(deaf, PLAIN).threshold).all()
    lost = FOUND._replace(threshold=np.full(2, np.nan))
    assert np.isinf(cal.twin(deaf, lost).threshold).all()
