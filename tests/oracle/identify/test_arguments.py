"""Arguments of `identify` and `make_stimuli` that are refused or converted."""

import numpy as np
import pytest
from layers import EPS, recorded

from refsnn.conventions import PRESETS
from refsnn.oracle import identify
from refsnn.oracle.identify import arguments

X, W = np.full((4, 3, 2), 3.0), np.ones((1, 2))
SEEN = recorded(PRESETS["lava"], X, W, tau_syn=4.0, tau_mem=8.0)
MEM = SEEN["mem"]
DECAYS = {"tau_syn": None, "tau_mem": None, "alpha": 0.5, "beta": 0.5}
SINGLE = float(np.finfo(np.float32).eps)


def taken(x=X, W=W, seen=SEEN, V=None, tau_syn=1.0, tau_mem=1.0, dt=1.0, **options):
    return identify.identify(x, W, seen, V, tau_syn=tau_syn, tau_mem=tau_mem, dt=dt,
                             **options)


@pytest.mark.parametrize("change, match", [
    ({"x": X[0]}, r"^x has shape \(3, 2\): must have 3 axes, \(T, B, m\)"),
    ({"x": X[:0]}, r"^x has 0 steps \(axis 0\): must have at least 1"),
    ({"x": X * 1j}, r"^x is complex128: must be a real array \(T, B, m\)"),
    ({"x": X * np.nan}, "^x is .*nan.*must be finite"),
    ({"W": W[0]}, r"^W has shape \(2,\): must have 2 axes, \(n, m\)"),
    ({"W": np.ones((1, 3))}, r"^W has 3 inputs \(axis 1\), x has 2 \(axis 2\)"),
    ({"W": W.T}, r"^W has 1 input \(axis 1\), x has 2 \(axis 2\)"),
    ({"W": W * np.nan}, "^W is .*must be finite"),
    ({"seen": {}}, r"^recording is \{\}: must be a dict with some of"),
    ({"seen": [1]}, r"^recording is \[1\]"),
    ({"seen": np.eye(2)}, r"^recording is array\(\[\[1., 0.\], \[0., 1.\]\]\): must"),
    ({"seen": {"mem": 1.0}}, r"^recording\['mem'\] is 1.0"), ({"x": 1.0}, "^x is 1.0"),
    ({"seen": {"voltage": X}}, r"^recording is \{'voltage'.*must be a dict"),
    ({"seen": {"mem": X}}, r"^recording\['mem'\] has 2 .*\(axis 2\): must have 1"),
    ({"seen": {"mem": MEM + np.inf}}, r"^recording\['mem'\] is .*inf"),
    ({"seen": {"mem": MEM.astype(np.float16)}},
     r"^recording\['mem'\] is of dtype float16: must be float32 or float64"),
    ({"seen": {"spikes": -SEEN["spikes"]}}, r"^recording\['spikes'\] is .*\[0, inf\)"),
    ({"seen": {"mem": [[1], [2, 3]]}}, r"^recording\['mem'\] is"),
    ({"tau_syn": None}, "^tau_syn is None: must be a real number"),
    ({"tau_mem": "1"}, "^tau_mem is '1'"), ({"dt": 0}, "^dt is 0"),
    ({"tau_syn": np.inf}, "^tau_syn is inf"), ({"V": np.ones((2, 2))}, "^V"),
    ({"alpha": 0.5}, "^alpha and beta are given: tau_syn and tau_mem must be None"),
    ({"beta": 0.5, "tau_syn": None}, "^alpha and beta are given"),
    (DECAYS | {"tau_mem": 1.0}, "^alpha and beta are given"),
    (DECAYS | {"tau_syn": 1.0}, "^alpha and beta are given"),
    (DECAYS | {"beta": None}, "^beta is None"),
    (DECAYS | {"alpha": 1.0}, r"^alpha is 1.0: .*\[0, 1\)"),
    (DECAYS | {"beta": 1.5}, r"^beta is 1.5: .*\[0, 1\]"),
    ({"threshold": -0.05}, "^threshold is -0.05: must be above 0; subtract a resting"),
    ({"threshold": 0}, "^threshold is 0"),
    ({"threshold": [1.0, 2]}, r"^threshold has 2 units .*W has 1 \(axis 0\): must be"),
    ({"leak": np.nan}, "^leak is nan"),
    ({"reset_to": [1.0, 2]}, r"^reset_to has 2 units .*W has 1 \(axis 0\): must be"),
    ({"floor": "0"}, "^floor is '0'"),
    ({"gradients": W}, "^gradients are given without dspikes: .*, or dspikes alone$"),
    ({"gradients": W, "surrogate": np.tanh}, "dspikes and surrogate must be"),
    ({"gradients": W, "dspikes": W}, r"^dspikes has shape \(1, 2\): .*\(4, 3, 1\)"),
    ({"gradients": W.T, "dspikes": MEM}, r"^gradients has 2 .*\(axis 0\): must have 1"),
    ({"gradients": 0 * W, "dspikes": MEM}, "^gradients are 0 throughout: must not be"),
    ({"gradients": W.astype(np.float16), "dspikes": MEM}, "^gradients is of dtype fl")])
def test_bad_arguments_are_named(change, match):
    with np.errstate(invalid="ignore"), pytest.raises(ValueError, match=match):
        taken(**change)


@pytest.mark.parametrize("surrogate, match", [
    ("relu", "^surrogate is 'relu': must be a callable, a steepness or one of"),
    (":2", "^surrogate is ':2'"), (-1, "^surrogate is -1"), (0, "^surrogate is 0"),
    ("boxcar:x", "^surrogate is 'x'"),
    ([1.0, 2.0], r"^surrogate has shape \(2,\): must be a number"),
    (np.array([1.0, 2.0]), r"^surrogate has shape \(2,\): must be a number"),
    (np.inf, "^surrogate is inf"), ("arctan:0", "^surrogate is 0.0")])
def test_bad_surrogates_are_named(surrogate, match):
    with pytest.raises(ValueError, match=match):
        taken(gradients=W, dspikes=MEM, surrogate=surrogate)


@pytest.mark.parametrize("given, match", [
    (([], [0.5]), r"^alphas has 0 entries \(axis 0\): must have at least 1"),
    (([0.5], 0.5), "^betas is 0.5"),
    (([0.5], [1.0]), r"^betas is out of range at index \(0,\): must be in \[0, 1\)"),
    (([0.5], [0.5], 0), "^threshold is 0: must")])
def test_bad_arguments_of_make_stimuli_are_named(given, match):
    with pytest.raises(ValueError, match=match):
        identify.make_stimuli(*given)


@pytest.mark.parametrize("surrogate, wanted", [
    (None, (None, None)), ("boxcar", ("boxcar", None)), (2, (None, 2.0)),
    ("boxcar:0.5", ("boxcar", 0.5)), (np.array(3.0), (None, 3.0)),
    ("step:0", ("step", 0.0))])
def test_a_surrogate_is_a_name_a_steepness_or_both(surrogate, wanted):
    found = arguments._gradient(np.float32(W), MEM, surrogate, MEM.shape, W.shape)
    assert found[2] == wanted and found[3] == SINGLE
    assert found[0].dtype == found[1].dtype == np.float64


def test_a_surrogate_may_be_a_function():
    found = arguments._gradient(W, MEM, lambda v: (0, v + 1), MEM.shape, W.shape)
    psi = found[2][0](np.array([2]))
    assert psi.tolist() == [3] and psi.dtype == np.float64
    assert found[2][1] is None and found[3] == EPS


@pytest.mark.parametrize("kinds, eps", [
    ({"mem": np.float64}, EPS), ({"mem": np.float32}, SINGLE),
    ({"spikes": np.float16}, SINGLE), ({"spikes": np.uint8}, EPS),
    ({"spikes": bool}, EPS), ({"spikes": np.float32, "mem": np.float64}, EPS),
    ({"syn": np.float32, "mem": np.float64}, SINGLE),
    ({"mem": np.float32, "syn": np.float64}, SINGLE)])
def test_the_precision_is_that_of_the_states(kinds, eps):
    seen = {name: MEM.astype(dtype) for name, dtype in kinds.items()}
    rows, found = arguments._recorded(seen, MEM.shape)
    assert found == eps and list(rows) == sorted(seen, key=arguments.QUANTITIES.index)
    assert all(row.dtype == np.float64 for row in rows.values())


def test_decays_and_time_constants():
    decays, taus = arguments._decays(4.0, 8.0, 2.0, None, None)
    assert taus == (4.0, 8.0, 2.0) and list(decays) == ["exact", "euler"]
    assert np.allclose(decays["exact"], (np.exp(-0.5), np.exp(-0.25)))
    assert decays["euler"] == (0.5, 0.75)
    assert list(arguments._decays(2.0, 2.0, 2.0, None, None)[0]) == ["exact", "euler"]
    for taus in ((1.9, 2.0), (2.0, 1.9)):       # 1 - dt/tau is below 0
        assert list(arguments._decays(*taus, 2.0, None, None)[0]) == ["exact"]
    decays, taus = arguments._decays(None, None, 1.0, np.float32(0.5), 0)
    assert decays == {"exact": (0.5, 0.0)} and taus == (1 / np.log(2), 0.0, 1.0)


def test_constants_from_files_are_arrays():
    taus = {"tau_syn": np.array(1.0), "tau_mem": np.array(1), "dt": np.array(1.0)}
    assert taken(**taus).text == taken().text
