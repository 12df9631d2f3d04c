"""Which tool a recording follows, with the presets of the field."""

import doctest

import numpy as np
import pytest

from refsnn import conventions, lif, surrogates
from refsnn.oracle import check, identify_presets
from refsnn.oracle.identify_presets import identify

VECTORS = check.vectors(["lif_forward", "bptt"])


@pytest.mark.parametrize("name, step", [
    ("norse", conventions.PRESETS["norse"]),
    ("spytorch", conventions.PRESETS["spytorch"])])
def test_identify_knows_the_presets(name, step):
    p = VECTORS["lif_forward"].inputs
    taus = {key: p[key] for key in ("tau_syn", "tau_mem", "dt", "threshold")}
    x, W, V = 3 * p["x"], p["W"], p["V"]
    rows = conventions.recorded(step, conventions.simulate(step, x, W, V, **taus))
    report = identify(x, W, rows, V, **taus)
    assert name in [member.preset for member in report.members if member.axis is None]


def test_identify_judges_gradients():
    x, W = VECTORS["bptt"].inputs["x"], VECTORS["bptt"].inputs["W"]
    taus = {"tau_syn": 5e-3, "tau_mem": 10e-3, "dt": 2e-3, "threshold": 0.75}
    decays = {"alpha": np.exp(-0.4), "beta": np.exp(-0.2), "threshold": 0.75}
    run = lif.simulate(x, W, **decays)
    d = np.sin(np.arange(run.mem.size)).reshape(run.mem.shape)

    def surrogate(v):
        return surrogates.fast_sigmoid(v, 2.0)

    for through in (True, False):
        g = lif.backward(x, W, None, run, surrogate(run.mem - 0.75)[1], d,
                         through_reset=through, **decays)
        report = identify(
            x, W, {"mem": run.mem, "spikes": run.spikes}, gradients=g.dW, dspikes=d,
            surrogate=surrogate, **taus)
        first = report.members[0]
        assert (first.preset, first.axis) == (
            ("refsnn", None) if through else ("refsnn", "through_reset"))
    with pytest.raises(ValueError, match="dspikes and surrogate"):
        identify(x, W, {"mem": run.mem}, gradients=g.dW, **taus)


def test_time_constants_below_a_step_have_no_euler_decay():
    x, W = np.zeros((6, 1, 1)), np.eye(1)
    x[:3] = 2.0
    run = lif.simulate(x, W, alpha=np.exp(-2.0), beta=np.exp(-2.0))
    report = identify(
        x, W, {"mem": run.mem, "spikes": run.spikes}, tau_syn=0.5, tau_mem=0.5)
    assert "refsnn" in [m.preset for m in report.members if m.axis is None]


def test_examples():
    failed, tried = doctest.testmod(identify_presets)
    assert failed == 0 < tried
