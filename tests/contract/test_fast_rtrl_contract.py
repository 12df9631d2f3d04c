"""What the functions of `refsnn.fast.rtrl` accept and refuse."""

import numpy as np
import pytest
from harness import contract, verify

from refsnn.fast import rtrl

FUNCTIONS = [
    contract(rtrl.step, "x (B, m*), before (B, n), h (B, n), V (n, n) float",
             given={"M": None}),
    contract(rtrl.gradient, "x (T, B, m*), V (n, n) float, h (T, B, n), dh (T, B, n), "
             "state? (B, n)"),
    contract(rtrl.lif_gradient, "x (T, B, m*), V? (n, n), recording.syn (T, B, n), "
             "recording.mem (T, B, n), recording.spikes (T, B, n), recording.clamp "
             "(T, B, n) in {0, 1}, psi (T, B, n) float, dspikes? (T, B, n), "
             "dmem? (T, B, n), alpha (n?) in [0, 1), beta (n?) in [0, 1), "
             "gain (n?) in (0, inf), threshold (n?) in (0, inf), reset {subtract, "
             "zero}, through_reset bool, through_recurrence bool"),
]


@pytest.mark.parametrize("c", FUNCTIONS, ids=lambda c: c.function.__name__)
def test_contract(c):
    bad = verify(c)
    assert not bad, "\n".join(bad)


X, H, V, M = np.ones((2, 4)), np.full((2, 2), 0.5), np.eye(2), np.zeros((2, 2, 12))
FIXED = np.zeros((2, 2, 12))
FIXED.setflags(write=False)


@pytest.mark.parametrize("change, match", [
    ({"M": M[:, :, :4]}, r"^M, .* is float64 of shape \(2, 2, 4\): .*\(2, 2, 12\)"),
    ({"M": M.astype("f")}, "^M, .* is float32 of shape .*: must be float64"),
    ({"M": np.ma.masked_array(M)}, "^M, .* is a masked array"),
    ({"M": M, "out": M}, "^out shares memory"),
    ({"out": M[:1]}, r"^out is float64 of shape \(1, 2, 12\)"),
    ({"out": M.astype("f")}, "^out is float32"), ({"out": 1}, "^out is int64"),
    ({"out": M.tolist()}, "^out is of type list"), ({"out": FIXED}, "^out .*writeable"),
    ({"out": np.asfortranarray(M)}, "^out is .* C-contiguous"),
    ({"out": np.ma.masked_array(M)}, "^out is a masked array")])
def test_influences_and_buffers(change, match):
    with pytest.raises(ValueError, match=match):
        rtrl.step(**{"M": None, "x": X, "before": H, "h": H, "V": V, **change})


@pytest.mark.parametrize("name", ["x", "before", "h", "V"])
def test_the_buffer_is_separate_from_all_arguments(name):
    given, out = {"x": X, "before": H, "h": H + 0, "V": V}, M.copy()
    given[name] = out.reshape(-1)[:given[name].size].reshape(given[name].shape)
    with pytest.raises(ValueError, match="^out shares memory"):
        rtrl.step(None, **given, out=out)


def test_entries_of_an_influence_are_not_read():
    assert np.isnan(rtrl.step(np.nan * M, X, H, H, V)).any()


@pytest.mark.parametrize("recording", [np.ones((4, 3, 1, 2)), None, (H[None],) * 3])
def test_recordings_have_four_fields(recording):
    with pytest.raises(ValueError, match=r"^recording is of type .*\(syn, mem, "):
        rtrl.lif_gradient(X[None], V, recording, H[None], alpha=0.5, beta=0.5)
