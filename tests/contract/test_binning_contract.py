"""What the functions of `refsnn.binning` accept and refuse."""

import numpy as np
import pytest
from harness import contract, verify

from refsnn import binning
from refsnn.binning import Binning

WINDOW = ("binning.t0 (), binning.t1 (), binning.dt () in (0, inf), "
          "binning.closed {left, right}, binning.duplicates {count, clip}, "
          "binning.outside {drop, clip}, binning.partial {drop, keep}")
EVENTS = ("times[0] (p*), times[1] (k*), units[0] (p*) int in [0, 5], "
          "units[1] (k*) int in [0, 5], " + WINDOW)
PLAIN = Binning(0.0, 1.0, 0.25, "left", "count", "refuse", "refuse")
ONE = {"times": [np.array([0.1])], "units": [np.array([0])], "binning": PLAIN}
GIVEN = {"binning.t0": 0.0, "binning.t1": 10.0, "binning.dt": 0.25}


FUNCTIONS = [
    contract(binning.steps, WINDOW, given=GIVEN),
    contract(binning.sparse, EVENTS, given=GIVEN | {"channels": 6}),
    contract(binning.dense, EVENTS, given=GIVEN | {"channels": 6, "dtype": np.float32}),
    contract(binning.sparse, "channels () int in [1, inf)", given=ONE),
    contract(binning.time_constant, "decay () in (0, 1), dt () in (0, inf), "
             "tolerance () in [0, inf)", given={"name": "alpha"}),
]


@pytest.mark.parametrize("c", FUNCTIONS, ids=lambda c: c.function.__name__)
def test_contract(c):
    bad = verify(c)
    assert not bad, "\n".join(bad)


@pytest.mark.parametrize("changes, match", [
    ({"times": [], "units": []}, "^times has 0 recordings, units has 0: must be"),
    ({"units": []}, "^times has 1 recordings, units has 0: must be"),
    ({"times": None}, "^times is None: must be one of list, tuple"),
    ({"units": None}, "^units is None: must be one of list, tuple"),
    ({"units": [np.array([0, 0])]}, r"^units\[0\] has 2 events .*, times\[0\] has 1"),
    ({"units": [np.array([1])]}, r"^units\[0\] is out of .*in \[0, 0\]"),
    ({"units": [np.array([0.0])]}, r"^units\[0\] is float64: must hold integers"),
    ({"binning": PLAIN[:3]}, "^binning is of type tuple: must be a Binning")])
def test_relations_between_arguments(changes, match):
    for function in (binning.sparse, binning.dense):
        with pytest.raises(ValueError, match=match):
            function(**{**ONE, "channels": 1, **changes})


def test_arrays_of_recordings_and_times_of_any_type():
    found = [binning.dense(times, np.zeros((2, 1), int), 1, PLAIN) for times in (
        np.zeros((2, 1)), np.zeros((2, 1), int), np.zeros((2, 1), np.float16))]
    assert all(x.tolist() == [[[1.0]] * 2] + [[[0.0]] * 2] * 3 for x in found)


@pytest.mark.parametrize("changes, match", [
    ({"t1": 0.0}, "dt is 0.25: must make 1 to 16777216 steps of 0.0 s"),
    ({"dt": 2.0}, "dt is 2.0: must make 1 to"), ({"dt": 1e-9}, "dt is 1e-09: must"),
    ({"t0": 1e17, "t1": 1e17 + 64, "dt": 4.0}, "dt is 4.0: must exceed the float64"),
    ({"dt": 0.4}, "dt is 0.4: must divide 1.0, or partial='keep'")])
def test_a_window_has_whole_steps(changes, match):
    with pytest.raises(ValueError, match=f"^binning.{match}"):
        binning.steps(PLAIN._replace(**changes))


def test_most_steps(monkeypatch):
    choice = PLAIN._replace(t0=4.0, t1=12.0, dt=1.0)
    monkeypatch.setattr(binning, "MOST", 8)
    assert binning.steps(choice) == 8
    monkeypatch.setattr(binning, "MOST", 7)
    with pytest.raises(ValueError, match="dt is 1.0: must make 1 to 7 steps of 8.0"):
        binning.steps(choice)


@pytest.mark.parametrize("meant, match", [
    (0.0, r"0.0: must be in \(0, inf\)"), (np.nan, "nan: must be in"),
    (np.inf, "inf: must be in"), ("x", "'x': must be a real number")])
def test_a_meant_time_constant_is_positive(meant, match):
    with pytest.raises(ValueError, match=f"^meant is {match}"):
        binning.time_constant("alpha", 0.5, 1.0, meant=meant)
