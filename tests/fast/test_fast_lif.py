"""Test fast training and inference against `lif`: same spikes, same gradients."""

import platform
import subprocess
import sys
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from proofs import proves
from scipy import sparse
from scipy.linalg import blas
from strategies import live_lif
from tolerances import RTOL

from refsnn import lif, surrogates
from refsnn.fast import lif as fast_lif

RTOL_SINGLE = 2**10 * float(np.finfo(np.float32).eps)      # rounding, 1.2e-4
SUPPORTED = {"refractory": 0, "per_neuron": False, "through_reset": False,
             "through_recurrence": True}
FORMS = st.tuples(st.booleans(), st.sampled_from((1, 8, 2**18)))


def distance(got, wanted):
    """Return the norm of the difference relative to the norm of `wanted`."""
    assert got.shape == wanted.shape and np.linalg.norm(wanted) > 0
    return np.linalg.norm(got - wanted) / np.linalg.norm(wanted)


def events(x):
    return sparse.csr_matrix(x.reshape(-1, x.shape[2]))


def reference(net, W_out, dout, dspikes, steepness, **paths):
    """Return out, dW, dV and dW_out of `lif` in float64."""
    decays = {name: net.model[name] for name in ("alpha", "beta")}
    rec = net.recording
    out = lif.readout(rec.spikes, W_out, **decays)
    psi = surrogates.fast_sigmoid(rec.mem - net.model["threshold"], steepness)[1]
    top = lif.readout_backward(rec.spikes, W_out, dout, **decays)
    low = lif.backward(net.x, net.W, net.V, rec, psi, top.dx + dspikes, None,
                       **net.model, **(net.paths | paths))
    return out, low.dW, low.dV, top.dW


def fast(net, W_out, dout, dspikes, steepness, form=(False, 2**18), dtype=np.float64):
    """Return out, tape and gradients; `form` is (sparse, size of a block)."""
    x, W, V, W_out = (a if a is None else a.astype(dtype)
                      for a in (net.x, net.W, net.V, W_out))
    for a in (x, W, V, W_out, dout, dspikes):
        if a is not None:
            a.flags.writeable = False
    with mock.patch.object(fast_lif, "BLOCK", form[1]):
        out, tape = fast_lif.forward(events(x) if form[0] else x, W, V, W_out,
                                     steps=len(x) if form[0] else None, **net.model)
        return out, tape, *fast_lif.gradients(tape, dout, steepness=steepness,
                                              dspikes=dspikes)


def drawn(net, k=3):
    """Return readout weights, dout and dspikes."""
    return (net.rng.normal(size=(k, net.W.shape[0])),
            net.rng.normal(size=net.x.shape[:2] + (k,)),
            net.rng.normal(size=net.recording.mem.shape))


@proves("fast/lif", 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12)
@given(live_lif(**SUPPORTED), FORMS, st.floats(0.5, 8.0))
def test_equals_lif(net, form, steepness):
    arrays = drawn(net)
    out, tape, *found = fast(net, *arrays, steepness, form)
    wanted, *gradients = reference(net, *arrays, steepness)
    assert np.array_equal(tape.mem > 1, net.recording.spikes > 0)
    assert distance(tape.mem * net.model["threshold"], net.recording.mem) < RTOL
    assert np.allclose(out, wanted, rtol=RTOL, atol=RTOL * np.abs(wanted).max())
    for got, right in zip(found, gradients, strict=True):
        assert (got is None) == (right is None)
        if right is not None and np.any(right):
            assert distance(got, right) < RTOL


@given(live_lif(**SUPPORTED), FORMS, st.floats(0.5, 8.0))
def test_float32_is_float64_to_rounding(net, form, steepness):
    arrays = drawn(net)
    out, tape, *found = fast(net, *arrays, steepness, form, np.float32)
    wanted, *gradients = reference(net, *arrays, steepness)
    assert np.array_equal(tape.mem > 1, net.recording.spikes > 0)
    for got, right in zip((out, *found), (wanted, *gradients), strict=True):
        if right is not None and np.any(right):
            assert got.dtype == np.float32
            assert distance(got.astype(float), right) < RTOL_SINGLE


@given(live_lif(**(SUPPORTED | {"through_reset": True, "reset": "subtract"})))
def test_gradient_does_not_follow_the_reset(net):
    arrays = drawn(net)
    dW = fast(net, *arrays, 2.0)[2]
    assert distance(dW, reference(net, *arrays, 2.0, through_reset=False)[1]) < RTOL
    followed = reference(net, *arrays, 2.0, through_reset=True)[1]
    if not np.array_equal(followed, reference(net, *arrays, 2.0,
                                              through_reset=False)[1]):
        assert not np.array_equal(dW, followed)


@given(live_lif(**SUPPORTED), live_lif(**SUPPORTED), st.booleans())
def test_buffers_of_an_earlier_run_change_nothing(net, other, as_events):
    def step(net, work):
        x = events(net.x) if as_events else net.x
        out, tape = fast_lif.forward(x, net.W, net.V, W_out, work=work,
                                     steps=len(net.x), **net.model)
        return tape, out.copy(), *fast_lif.gradients(tape, dout, steepness=3.0)

    W_out, dout, _ = drawn(net)
    tape, *first = step(net, None)
    again, *second = step(net, tape)
    assert again.buffers is tape.buffers
    for a, b in zip(first, second, strict=True):
        assert np.array_equal(a, b) if a is not None else b is None
    W_out, dout, _ = drawn(other)
    if other.recording.mem.shape != net.recording.mem.shape:
        with pytest.raises(ValueError, match="work is of shape"):
            step(other, tape)


@given(live_lif(**SUPPORTED, analog=False), st.sampled_from((bool, np.uint8, np.int64)))
def test_input_of_other_types_and_strides(net, dtype):
    W_out, dout, _ = drawn(net)
    wanted, _ = fast_lif.forward(net.x, net.W, net.V, W_out, **net.model)
    strided = np.zeros(net.x.shape[:2] + (2 * net.x.shape[2],), dtype)[:, :, ::2]
    strided[:] = net.x
    loose = sparse.csr_matrix(strided.reshape(-1, net.x.shape[2]).astype(dtype))
    for x in (strided, loose, sparse.csr_array(loose)):
        out, _ = fast_lif.forward(x, net.W, net.V, W_out, steps=len(net.x), **net.model)
        assert np.array_equal(out, wanted)


@pytest.mark.parametrize("dtype", [np.float64, np.int64])
@pytest.mark.parametrize("form", [np.asarray, events])
def test_results_have_the_dtype_of_the_weights(dtype, form):
    W, x = np.ones((4, 3), np.float32), np.ones((9, 2, 3), dtype)
    out, tape = fast_lif.forward(form(x), W, np.eye(4), np.ones((2, 4)), steps=9,
                                 alpha=0.5, beta=0.9)
    found = out, *fast_lif.gradients(tape, np.ones((9, 2, 2)), steepness=1.0)
    assert [a.dtype for a in found] == [np.float32] * 4 and all(map(np.any, found))


def test_repeated_and_unsorted_events_add_up():
    x = sparse.csr_matrix((np.array([1.0, 2.0, 4.0]), np.array([1, 0, 1]),
                           np.array([0, 3, 3, 3, 3, 3])), shape=(5, 2))
    W = np.array([[0.25, 0.125]])
    out, tape = fast_lif.forward(x, W, None, np.ones((1, 1)), alpha=0.5, beta=0.5,
                                 steps=5)
    assert tape.mem[:, 0, 0].tolist() == [0, 0, 1.125, 0.125, 0.34375]
    assert out[:, 0, 0].tolist() == [0, 0, 0, 0, 1]


def test_tie_is_no_spike_and_one_step_is_rest():
    one = np.ones((1, 1))
    x = np.array([1.0, 0, 0, 0]).reshape(4, 1, 1)
    _, tape = fast_lif.forward(x, one, None, one, alpha=0.0, beta=0.0)
    assert tape.mem[:, 0, 0].tolist() == [0, 0, 1, 0] and not (tape.mem > 1).any()
    out, tape = fast_lif.forward(x[:1], one, one, one, alpha=0.5, beta=0.5)
    found = fast_lif.gradients(tape, np.ones((1, 1, 1)), steepness=1.0)
    assert [out.item()] + [g.item() for g in found] == [0, 0, 0, 0]


@proves("fast/lif", 1)
@pytest.mark.parametrize("reset", ["subtract", "zero"])
@pytest.mark.parametrize("recurrent", [False, True])
def test_a_tie_is_no_spike_in_the_gradient(reset, recurrent):
    """Neuron 1 reaches the threshold at steps 2 and 3, and neuron 2 spikes."""
    x, W = np.eye(9)[0].reshape(9, 1, 1), np.array([[1.0], [1.5]])
    V, W_out = 0.0 * np.eye(2) if recurrent else None, np.ones((1, 2))
    model = {"alpha": 0.5, "beta": 0.5, "reset": reset}
    dout = np.random.default_rng(0).normal(size=(9, 1, 1))
    _, tape = fast_lif.forward(x, W, V, W_out, **model)
    assert tape.mem[2:4, 0, 0].tolist() == [1, 1] and tape.mem[2, 0, 1] == 1.5
    found = fast_lif.gradients(tape, dout, steepness=2.0)
    rec = lif.simulate(x, W, V, **model)
    psi = surrogates.fast_sigmoid(rec.mem - 1, 2.0)[1]
    top = lif.readout_backward(rec.spikes, W_out, dout, alpha=0.5, beta=0.5)
    low = lif.backward(x, W, V, rec, psi, top.dx, through_reset=False, **model)
    for got, wanted in zip(found, (low.dW, low.dV, top.dW), strict=True):
        assert wanted is got is None or distance(got, wanted) < RTOL
    assert top.dW[0, 0] == 0 and low.dW.all()


def valid():
    rng = np.random.default_rng(1)
    return {"x": (rng.random((6, 2, 3)) < 0.5).astype(float),
            "W": rng.normal(1, 1, (4, 3)), "V": rng.normal(size=(4, 4)),
            "W_out": rng.normal(size=(2, 4)), "alpha": 0.5, "beta": 0.9}


def run(changes):
    case = valid() | changes
    args = [case.pop(name) for name in ("x", "W", "V", "W_out")]
    return fast_lif.forward(*args, **case)


X = valid()["x"]


def test_weights_are_cast_to_the_dtype_of_the_input_weights():
    case = {name: a.astype(np.float32) for name, a in valid().items() if name in "WV"}
    for mixed in ({}, {"V": valid()["V"]}):
        out, tape = run(case | mixed)
        wanted = run(case | {"W_out": valid()["W_out"].astype(np.float32)})
        assert out.dtype == tape.mem.dtype == np.float32
        assert (out == wanted[0]).all() and (tape.mem == wanted[1].mem).all()
        assert out.any()
    x = {"x": EVENTS, "W": TRAINED["W"].astype(np.float32)}
    assert fast_lif.record(**TRAINED | x).dtype == np.float32


def test_numbers_of_other_types_give_the_same():
    other = {"alpha": np.float64(0.5), "beta": np.array(0.9), "gain": 2, "threshold": 1}
    plain = {name: float(value) for name, value in other.items()}
    assert (run(other)[0] == run(plain)[0]).all() and run(plain)[0].any()
    assert (fast_lif.record(**TRAINED | other)
            == fast_lif.record(**TRAINED | plain)).all()
    gradients = [fast_lif.gradients(run({})[1], np.ones((6, 2, 2)), steepness=k)[0]
                 for k in (2, 2.0, np.float32(2))]
    assert all((dW == gradients[0]).all() and dW.any() for dW in gradients)


@given(st.sampled_from((np.nan, np.inf, -np.inf, 1e300)), st.integers(0, 5),
       st.booleans(), st.sampled_from(("subtract", "zero")),
       st.sampled_from((np.float32, np.float64)), st.sampled_from((0.0, 0.5)))
def test_no_value_of_x_makes_a_silent_nan(bad, t, as_events, reset, dtype, decay):
    case = {name: a.astype(dtype) for name, a in valid().items() if name[0] in "WV"}
    x = X.copy()
    x[t, 1, 2] = bad
    if bad == 1e300:
        case["W"] = case["W"] * dtype(1e30)
        x = np.where(x == bad, np.finfo(dtype).max, x)
    with pytest.raises(ValueError, match="^x has NaN .*or overflows"):
        run(case | {"x": events(x) if as_events else x, "steps": 6, "reset": reset,
                    "alpha": decay, "beta": decay})


@given(st.sampled_from((np.nan, np.inf)), st.integers(0, 5), st.booleans(),
       st.booleans())
def test_no_adjoint_makes_a_silent_nan(bad, t, hidden, as_events):
    _, tape = run({"x": events(X) if as_events else X, "steps": 6})
    dout, dspikes = np.ones((6, 2, 2)), np.ones((6, 2, 4))
    (dspikes if hidden else dout)[t, 1, 1] = bad
    with pytest.raises(ValueError, match="dout or dspikes has NaN or infinite"):
        fast_lif.gradients(tape, dout, steepness=2.0, dspikes=dspikes)


def test_membrane_alone_may_overflow():
    x, one = np.full((9, 1, 1), 1e308), np.ones((1, 1))
    with pytest.raises(ValueError, match="overflows"):
        fast_lif.forward(x, one, None, one, alpha=0.0, beta=0.9)


def test_adjoint_is_checked_where_no_event_meets_it():
    x = X.copy()
    x[:, 1] = 0
    dspikes = np.ones((6, 2, 4))
    dspikes[3, 1, 1] = np.nan
    _, tape = run({"x": events(x), "V": None, "steps": 6})
    with pytest.raises(ValueError, match="dout or dspikes has NaN or infinite"):
        fast_lif.gradients(tape, np.ones((6, 2, 2)), steepness=2.0, dspikes=dspikes)


# --- inference -----------------------------------------------------------------

DECAYS = st.sampled_from((0.001, 0.3, 0.9)) | st.floats(0.05, 0.95)


@st.composite
def feed_forward(draw):
    return draw(live_lif(refractory=0, per_neuron=False, recurrent=False,
                         alpha=draw(DECAYS), beta=draw(DECAYS)))


def readout(net, W_out):
    """Return the membranes of the readout by `lif`."""
    return lif.readout(net.recording.spikes, W_out, alpha=net.model["alpha"],
                       beta=net.model["beta"])


@proves("fast/lif", 13, 14, 15, 16, 17, 18)
@given(feed_forward(), st.sampled_from((1, 12, 2**17)), st.sampled_from((1e3, 1e9)),
       st.sampled_from((1, 7, 10_000)))
def test_inference_equals_lif(net, block, units, short):
    W_out = net.rng.normal(size=(3, net.W.shape[0]))
    x = events(net.x)
    for a in (net.W, W_out, x.data, x.indices, x.indptr):
        a.flags.writeable = False
    with mock.patch.multiple(fast_lif, EVENT_BLOCK=block, RANGE=units, SHORT=short):
        out = fast_lif.record(x, net.W, W_out, steps=len(net.x), **net.model)
        best = fast_lif.scores(x, net.W, W_out, steps=len(net.x), **net.model)
    wanted = readout(net, W_out)
    assert wanted.any()
    assert np.linalg.norm(out - wanted) < RTOL * np.linalg.norm(wanted)
    assert np.array_equal(best, out.max(axis=0))


@pytest.mark.parametrize("reset", ["subtract", "zero"])
def test_blas_gets_no_vector_that_it_adds_in_several_threads(reset):
    """OpenBLAS starts threads above 10,000 entries; this took six times as long."""
    lengths, (axpy,) = [], blas.get_blas_funcs(("axpy",), dtype=np.float64)

    def counted(x, y, a):
        lengths.append(len(x))
        return axpy(x, y, a=a)

    x = sparse.csr_matrix(np.ones((8 * 50, 4)))
    with mock.patch.object(fast_lif.blas, "get_blas_funcs", lambda *_, **__: counted):
        found = fast_lif.scores(x, np.ones((450, 4)), np.ones((1, 450)), steps=8,
                                alpha=0.5, beta=0.5, reset=reset)
    assert found.min() > 0 and sum(lengths) >= 8 * 50 * 450 and max(lengths) <= 10_000


MEMORY = """
import resource
import numpy as np
import {module}
for _ in range(20):
    arrays = [np.ones(2**17) for _ in range(4)]
    del arrays
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc")
def test_memory_of_freed_arrays_is_reused():
    plain, ours = (int(subprocess.run(
        [sys.executable, "-c", MEMORY.format(module=module)], check=True,
        capture_output=True).stdout) for module in ("scipy.sparse", "refsnn.fast.lif"))
    assert ours < plain - 10_000


@given(feed_forward())
def test_inference_in_float32_is_float64_to_rounding(net):
    W_out = net.rng.normal(size=(3, net.W.shape[0]))
    out = fast_lif.record(events(net.x.astype(np.float32)), net.W.astype(np.float32),
                          W_out.astype(np.float32), steps=len(net.x), **net.model)
    wanted = readout(net, W_out)
    assert out.dtype == np.float32
    assert np.linalg.norm(out - wanted) < RTOL_SINGLE * np.linalg.norm(wanted)


@proves("fast/lif", 13, 14, 15, 16, 17, 18)
@pytest.mark.parametrize("reset", ["subtract", "zero"])
@pytest.mark.parametrize("alpha, beta", [(0.6, 0.9), (0.98, 0.9), (0.98, 1e-6),
                                         (1e-6, 0.98)])
@pytest.mark.parametrize("steps", [1, 63, 64, 65, 200])
def test_long_inference_crosses_blocks(reset, alpha, beta, steps):
    rng = np.random.default_rng(steps)
    x = (rng.random((steps, 8, 5)) < 0.3).astype(float)
    W = rng.normal(0.1, 1, (40, 5)) * (1 - alpha) * (1 - beta) * 10
    W_out = rng.normal(size=(3, 40))
    model = {"alpha": alpha, "beta": beta, "threshold": 1.3, "gain": 0.7}
    recording = lif.simulate(x, W, reset=reset, **model)
    wanted = lif.readout(recording.spikes, W_out, alpha=alpha, beta=beta)
    assert wanted.any() == (steps > 1)
    for block in (1, 20 * 320, 2**17):            # 1, 20 and many steps at once
        with mock.patch.object(fast_lif, "EVENT_BLOCK", block):
            out = fast_lif.record(events(x), W, W_out, steps=steps, reset=reset,
                                  **model)
        assert np.linalg.norm(out - wanted) <= RTOL * np.linalg.norm(wanted)


@pytest.mark.parametrize("block", [1, 2**17])
def test_a_tie_is_no_spike_in_inference(block):
    x, one = sparse.csr_matrix(np.eye(8)[0].reshape(8, 1)), np.ones((1, 1))
    with mock.patch.object(fast_lif, "EVENT_BLOCK", block):
        tie = fast_lif.record(x, one, one, steps=8, alpha=0.25, beta=0.25)
        more = fast_lif.record(x, one * 1.125, one, steps=8, alpha=0.25, beta=0.25)
    assert not tie.any() and more.any()


@pytest.mark.parametrize("steps", range(2, 26))
def test_inference_in_float64_is_not_rounded_to_float32(steps):
    """One event brings the potential just below or just above the threshold."""
    x = sparse.csr_matrix(np.eye(steps + 3)[steps - 2].reshape(-1, 1))
    for factor, spikes in ((1 - 1e-9, False), (1 + 1e-9, True)):
        out = fast_lif.record(x, np.full((1, 1), factor), np.ones((1, 1)),
                              steps=steps + 3, alpha=0.3, beta=0.35)
        assert out.any() == spikes


def test_inference_checks_the_last_event_and_the_membrane():
    x, one = sparse.csr_matrix(np.eye(6)[5].reshape(6, 1)), np.ones((1, 1))
    with pytest.raises(ValueError, match="^x has NaN or infinite entries"):
        fast_lif.record(x * np.nan, one, one, steps=6, alpha=0.5, beta=0.5)
    often = np.zeros((261, 1))
    often[::29] = 4e307
    with pytest.raises(ValueError, match="overflows"):
        fast_lif.record(sparse.csr_matrix(often), one, one, steps=261, alpha=0.5,
                        beta=0.9998)


def test_inference_without_events_is_silent():
    x = sparse.csr_matrix((12, 2))
    one = np.ones((2, 2))
    assert not fast_lif.scores(x, one, one, steps=4, alpha=0.5, beta=0.5).any()


EVENTS = events((np.arange(36).reshape(6, 2, 3) % 2).astype(float))
TRAINED = {"x": EVENTS, "W": np.ones((4, 3)), "W_out": np.ones((2, 4)), "steps": 6,
           "alpha": 0.5, "beta": 0.9}
