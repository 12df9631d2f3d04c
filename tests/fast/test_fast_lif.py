"""The fast layer against the clear one: same spikes, same gradients."""

from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from strategies import live_lif
from tolerances import RTOL

from refsnn import lif, surrogates
from refsnn.fast import lif as fast_lif

RTOL_SINGLE = 2**10 * float(np.finfo(np.float32).eps)      # rounding, 1.2e-4
SUPPORTED = {"refractory": 0, "per_neuron": False, "through_reset": False,
             "through_recurrence": True}
FORMS = st.tuples(st.booleans(), st.sampled_from((1, 8, 2**18)))


def distance(got, wanted):
    """Norm of the difference relative to the wanted one, which is not 0."""
    assert got.shape == wanted.shape and np.linalg.norm(wanted) > 0
    return np.linalg.norm(got - wanted) / np.linalg.norm(wanted)


def events(x):
    return sparse.csr_matrix(x.reshape(-1, x.shape[2]))


def reference(net, W_out, dout, dspikes, steepness, **paths):
    """out, dW, dV, dW_out of `lif` in float64."""
    decays = {name: net.model[name] for name in ("alpha", "beta")}
    rec = net.recording
    out = lif.readout(rec.spikes, W_out, **decays)
    psi = surrogates.fast_sigmoid(rec.mem - net.model["threshold"], steepness)[1]
    top = lif.readout_backward(rec.spikes, W_out, dout, **decays)
    low = lif.backward(net.x, net.W, net.V, rec, psi, top.dx + dspikes, None,
                       **net.model, **(net.paths | paths))
    return out, low.dW, low.dV, top.dW


def fast(net, W_out, dout, dspikes, steepness, form=(False, 2**18), dtype=np.float64):
    """The same of `lif_fast`; `form` is (sparse, size of a block)."""
    x, W, V, W_out = (a if a is None else a.astype(dtype)
                      for a in (net.x, net.W, net.V, W_out))
    for a in (x, W, V, W_out, dout, dspikes):
        if a is not None:
            a.flags.writeable = False
    with mock.patch.object(fast_lif, "_BLOCK", form[1]):
        out, tape = fast_lif.forward(events(x) if form[0] else x, W, V, W_out,
                                     steps=len(x) if form[0] else None, **net.model)
        return out, tape, *fast_lif.gradients(tape, dout, steepness=steepness,
                                              dspikes=dspikes)


def drawn(net, k=3):
    """Readout weights, and adjoints of its membranes and the hidden spikes."""
    return (net.rng.normal(size=(k, net.W.shape[0])),
            net.rng.normal(size=net.x.shape[:2] + (k,)),
            net.rng.normal(size=net.recording.mem.shape))


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


def broken(x, indices=0, indptr=0):
    """CSR events of x with a column or a row end that is off by so much."""
    bad = events(x)
    bad.indices[-1] += indices
    bad.indptr[1] += indptr
    return bad


def valid():
    rng = np.random.default_rng(1)
    return {"x": (rng.random((6, 2, 3)) < 0.5).astype(float),
            "W": rng.normal(1, 1, (4, 3)), "V": rng.normal(size=(4, 4)),
            "W_out": rng.normal(size=(2, 4)), "alpha": 0.5, "beta": 0.9}


def run(changes):
    case = valid() | changes
    args = [case.pop(name) for name in ("x", "W", "V", "W_out")]
    return fast_lif.forward(*args, **case)


X, NAN = valid()["x"], np.full((4, 3), np.nan)


@pytest.mark.parametrize("changes, words", [
    ({"x": X[0]}, r"x is of shape \(2, 3\)"),
    ({"x": X[:, :, :2]}, r"x is of shape \(6, 2, 2\)"),
    ({"x": X[:0]}, r"x is of shape \(0, 2, 3\)"),
    ({"x": X + 1j}, "x is of shape .* complex128"),
    ({"x": X, "steps": 5}, "steps is 5: must be None or T, 6 in x"),
    ({"x": X, "steps": "6"}, "steps is '6'"), ({"x": X[:1], "steps": True}, "is True"),
    ({"x": events(X)}, "steps is None"),
    ({"x": events(X), "steps": 5}, "steps is 5"),
    ({"x": events(X), "steps": 0}, "steps is 0"),
    ({"x": events(X), "steps": 6.0}, "steps is 6.0"),
    ({"x": events(X).tocsc(), "steps": 6}, "x is csc"),
    ({"x": events(X[:, :, :2]), "steps": 6}, "x is csr"),
    ({"x": events(X).astype(complex), "steps": 6}, "x is csr, complex128"),
    ({"x": broken(X, indices=9), "steps": 6}, "x is not a valid CSR matrix"),
    ({"x": broken(X, indices=-9), "steps": 6}, "x is not a valid CSR matrix"),
    ({"x": broken(X, indptr=-9), "steps": 6}, "x is not a valid CSR matrix"),
    ({"W": X}, "W is of shape"),
    ({"W": NAN}, "W is float64, W float64, or W not finite"),
    ({"W": valid()["W"].astype(int)}, "W is int64"),
    ({"W": valid()["W"].astype(np.float32)}, "W_out is float64, W float32"),
    ({"V": np.ones((4, 3))}, r"V is of shape \(4, 3\)"),
    ({"V": np.full((4, 4), np.inf)}, "V not finite"),
    ({"W_out": np.ones((2, 3))}, r"W_out is of shape \(2, 3\)"),
    ({"W_out": np.full((2, 4), np.nan)}, "W_out not finite"),
    ({"alpha": 1.0}, r"alpha is 1.0: must be a number in \[0, 1\)"),
    ({"alpha": float("nan")}, "alpha is nan"),
    ({"beta": -0.1}, "beta is -0.1"),
    ({"beta": np.full(4, 0.5)}, "beta is array"),
    ({"gain": 0.0}, "gain is 0.0"),
    ({"threshold": float("inf")}, "threshold is inf"),
    ({"reset": "soft"}, "reset is 'soft': must be 'subtract' or 'zero'"),
    ({"reset": np.ones(2)}, "reset is array"),
    ({"gain": True}, "gain is True"),
    ({"gain": 1e9}, "gain is 1000000000.0"),
    ({"threshold": 1e9}, "threshold is 1000000000.0"),
    ({"gain": np.complex64(1)}, "gain is"),
    ({"work": "yes"}, "work is 'yes': must be a Tape"),
    ({"work": ()}, r"work is \(\): must be a Tape"),
])
def test_forward_refuses(changes, words):
    with pytest.raises(ValueError, match=words):
        run(changes)


@pytest.mark.parametrize("changes, words", [
    ({"dout": np.ones((6, 2, 3))}, r"dout is of shape \(6, 2, 3\)"),
    ({"dout": np.ones((6, 2, 2)) * 1j}, "dout is of shape .* complex128"),
    ({"dspikes": np.ones((6, 2, 1))}, r"dspikes is of shape \(6, 2, 1\)"),
    ({"steepness": 0.0}, "steepness is 0.0"),
    ({"steepness": float("nan")}, "steepness is nan"),
])
def test_gradients_refuses(changes, words):
    _, tape = run({})
    case = {"dout": np.ones((6, 2, 2)), "steepness": 2.0} | changes
    with pytest.raises(ValueError, match=words):
        fast_lif.gradients(tape, case.pop("dout"), **case)
    with pytest.raises(ValueError, match="tape is None: must be a Tape"):
        fast_lif.gradients(None, np.ones((6, 2, 2)), steepness=2.0)


def test_decays_that_round_to_one_are_refused():
    case = {k: a.astype(np.float32) for k, a in valid().items() if k[0] in "WV"}
    for name in ("alpha", "beta"):
        assert run(case | {name: 1 - 1e-7})[0].dtype == np.float32
        with pytest.raises(ValueError, match=f"{name} is .* rounded to float32"):
            run(case | {name: 1 - 1e-9})


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
    with pytest.raises(ValueError, match="x has NaN or infinite entries, or overflows"):
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
