"""Fast inference against the clear layer and readout."""

from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from strategies import live_lif
from tolerances import RTOL

from refsnn import lif
from refsnn.fast import lif_infer

RTOL_SINGLE = 2**10 * float(np.finfo(np.float32).eps)      # rounding, 1.2e-4
DECAYS = st.sampled_from((0.001, 0.3, 0.9)) | st.floats(0.05, 0.95)


@st.composite
def networks(draw):
    return draw(live_lif(refractory=0, per_neuron=False, recurrent=False,
                         alpha=draw(DECAYS), beta=draw(DECAYS)))


def events(x, dtype=None):
    return sparse.csr_matrix(x.reshape(-1, x.shape[2]).astype(dtype or x.dtype))


def reference(net, W_out):
    """Membranes of the readout by `lif`."""
    return lif.readout(net.recording.spikes, W_out, alpha=net.model["alpha"],
                       beta=net.model["beta"])


@given(networks(), st.sampled_from((1, 12, 2**17)), st.sampled_from((1e3, 1e9)))
def test_equals_lif(net, block, units):
    W_out = net.rng.normal(size=(3, net.W.shape[0]))
    x = events(net.x)
    for a in (net.W, W_out, x.data, x.indices, x.indptr):
        a.flags.writeable = False
    with mock.patch.multiple(lif_infer, _BLOCK=block, _RANGE=units):
        out = lif_infer.record(x, net.W, W_out, steps=len(net.x), **net.model)
        best = lif_infer.scores(x, net.W, W_out, steps=len(net.x), **net.model)
    wanted = reference(net, W_out)
    assert wanted.any()
    assert np.linalg.norm(out - wanted) < RTOL * np.linalg.norm(wanted)
    assert np.array_equal(best, out.max(axis=0))


@given(networks())
def test_float32_is_float64_to_rounding(net):
    W_out = net.rng.normal(size=(3, net.W.shape[0]))
    out = lif_infer.record(events(net.x, np.float32), net.W.astype(np.float32),
                           W_out.astype(np.float32), steps=len(net.x), **net.model)
    wanted = reference(net, W_out)
    assert out.dtype == np.float32
    assert np.linalg.norm(out - wanted) < RTOL_SINGLE * np.linalg.norm(wanted)


@pytest.mark.parametrize("reset", ["subtract", "zero"])
@pytest.mark.parametrize("alpha", [0.6, 0.98])
@pytest.mark.parametrize("steps", [1, 63, 64, 65, 200])
def test_long_runs_cross_blocks(reset, alpha, steps):
    rng = np.random.default_rng(steps)
    x = (rng.random((steps, 8, 5)) < 0.3).astype(float)
    W, W_out = rng.normal(0.1, 1, (40, 5)) * (1 - alpha), rng.normal(size=(3, 40))
    model = {"alpha": alpha, "beta": 0.9, "threshold": 1.3, "gain": 0.7}
    recording = lif.simulate(x, W, reset=reset, **model)
    wanted = lif.readout(recording.spikes, W_out, alpha=alpha, beta=0.9)
    assert wanted.any() == (steps > 1)
    for block in (1, 20 * 320, 2**17):            # 1, 20 and many steps at once
        with mock.patch.object(lif_infer, "_BLOCK", block):
            out = lif_infer.record(events(x), W, W_out, steps=steps, reset=reset,
                                   **model)
        assert np.linalg.norm(out - wanted) <= RTOL * np.linalg.norm(wanted)


@pytest.mark.parametrize("block", [1, 2**17])
def test_tie_is_no_spike(block):
    x, one = sparse.csr_matrix(np.eye(8)[0].reshape(8, 1)), np.ones((1, 1))
    with mock.patch.object(lif_infer, "_BLOCK", block):
        tie = lif_infer.record(x, one, one, steps=8, alpha=0.25, beta=0.25)
        more = lif_infer.record(x, one * 1.125, one, steps=8, alpha=0.25, beta=0.25)
    assert not tie.any() and more.any()


def test_no_events_no_output():
    x = sparse.csr_matrix((12, 2))
    one = np.ones((2, 2))
    assert not lif_infer.scores(x, one, one, steps=4, alpha=0.5, beta=0.5).any()


X = events((np.arange(36).reshape(6, 2, 3) % 2).astype(float))
BROKEN = X.copy()
BROKEN.indices[0] = 3
VALID = {"x": X, "W": np.ones((4, 3)), "W_out": np.ones((2, 4)), "steps": 6,
         "alpha": 0.5, "beta": 0.9}


@pytest.mark.parametrize("function", [lif_infer.record, lif_infer.scores])
@pytest.mark.parametrize("changes, words", [
    ({"x": X.toarray()}, r"x is a ndarray of shape \(12, 3\)"),
    ({"x": X.tocsc()}, "x is a csc"),
    ({"x": X[:, :2]}, r"x is a csr_matrix of shape \(12, 2\)"),
    ({"x": X[:0]}, r"x is a csr_matrix of shape \(0, 3\)"),
    ({"x": X.astype(complex)}, "must be a real"),
    ({"x": X * np.nan}, "x has NaN or infinite entries, or overflows"),
    ({"x": X * np.inf}, "x has NaN or infinite entries, or overflows"),
    ({"x": BROKEN}, "x is not a valid CSR matrix"),
    ({"steps": 5}, "steps is 5"),
    ({"steps": 0}, "steps is 0"),
    ({"steps": None}, "steps is None"),
    ({"steps": True}, "steps is True"),
    ({"gain": True}, "gain is True"),
    ({"threshold": np.complex64(1)}, "threshold is"),
    ({"reset": np.ones(2)}, "reset is array"),
    ({"W": np.ones(3)}, r"W is of shape \(3,\)"),
    ({"W": np.ones((4, 3), int)}, "W is of shape .*int64"),
    ({"W": np.full((4, 3), np.inf)}, "W has NaN"),
    ({"W_out": np.ones((2, 3))}, r"W_out is of shape \(2, 3\)"),
    ({"W_out": np.full((2, 4), np.nan)}, "W_out has NaN"),
    ({"alpha": 0.0}, r"alpha is 0.0: must be a number in \[1e-09, 1\)"),
    ({"beta": 1.0}, "beta is 1.0"),
    ({"beta": np.full(4, 0.5)}, "beta is array"),
    ({"gain": -1.0}, "gain is -1.0"),
    ({"threshold": float("nan")}, "threshold is nan"),
    ({"reset": "hard"}, "reset is 'hard'"),
])
def test_refuses(function, changes, words):
    case = VALID | changes
    with pytest.raises(ValueError, match=words):
        function(case.pop("x"), case.pop("W"), case.pop("W_out"), **case)
