"""What the functions of `refsnn.fast.lif` accept and refuse."""

import numpy as np
import pytest
from harness import contract, verify
from scipy import sparse

from refsnn.fast import lif

SCALES = "gain () in [1e-9, 1e9), threshold () in [1e-9, 1e9)"
WEIGHTS = "W (n, m) float, W_out (k, n)"


def events(module, rng, dtype, sizes):
    """Return sparse events; the rows of each step are the samples."""
    T, B, m = (sizes[letter] for letter in "TBm")
    return {"x": sparse.csr_matrix((rng.random((T * B, m)) < 0.5).astype(dtype)),
            "steps": T}


def recorded(module, rng, dtype, sizes):
    T, B, m, n, k = (sizes[letter] for letter in "TBmnk")
    return {"tape": module.forward(
        rng.random((T, B, m)).astype(dtype), np.full((n, m), 0.75, dtype), None,
        np.ones((k, n), dtype), alpha=0.5, beta=0.5)[1]}


FUNCTIONS = [
    contract(lif.forward, f"x (T, B, m), V? (n, n), {WEIGHTS}, alpha () in [0, 1), "
             f"beta () in [0, 1), {SCALES}, reset {{subtract, zero}}"),
    contract(lif.gradients, "dout (T, B, k), steepness () in [1e-6, 1e6), "
             "dspikes? (T, B, n)", given=recorded),
    *(contract(function, f"{WEIGHTS}, alpha () in [1e-9, 1), beta () in [1e-9, 1), "
               f"{SCALES}, reset {{subtract, zero}}", given=events)
      for function in (lif.record, lif.scores)),
]


@pytest.mark.parametrize("c", FUNCTIONS, ids=lambda c: c.function.__name__)
def test_contract(c):
    bad = verify(c)
    assert not bad, "\n".join(bad)


X, W, W_OUT = np.ones((6, 2, 3)), np.ones((4, 3)), np.ones((2, 4))
EVENTS = sparse.csr_matrix(X.reshape(12, 3))
HALF = {"alpha": 0.5, "beta": 0.5}
TAPE = lif.forward(X, W, None, W_OUT, **HALF)[1]


def broken(indices=0, indptr=0):
    """Return events with one column or one row end shifted."""
    bad = EVENTS.copy()
    bad.indices[-1] += indices
    bad.indptr[1] += indptr
    return bad


def forward(x, steps=None, W=W, work=None):
    return lif.forward(x, W, None, W_OUT, steps=steps, work=work, **HALF)


def record(x, steps=None, W=W, work=None):
    return lif.record(x, W, W_OUT, steps=steps, **HALF)


@pytest.mark.parametrize("call", [forward, record])
@pytest.mark.parametrize("x, steps, match", [
    (EVENTS, 5, r"^x has 12 rows \(axis 0\), steps is 5: .* multiple of steps"),
    (EVENTS[:0], 6, r"^x has 0 rows \(axis 0\), steps is 6: .* positive"),
    (EVENTS, 0, r"^steps is 0: must be in \[1, inf\)"),
    (EVENTS, 6.0, "^steps is 6.0: must be an integer"),
    (EVENTS, True, "^steps is True: must be an integer"),
    (EVENTS, None, "^steps is None: must be an integer"),
    (EVENTS.tocsc(), 6, "^x is of type csc_matrix: must be a scipy.sparse CSR matrix"),
    (EVENTS[:, :2], 6, r"^x has shape \(12, 2\), W has 3 inputs \(axis 1\)"),
    (EVENTS.astype(complex), 6, "^x.data is complex128: must be a real array"),
    (broken(indices=9), 6, "^x is not a valid CSR matrix"),
    (broken(indices=-9), 6, "^x is not a valid CSR matrix"),
    (broken(indptr=-9), 6, "^x is not a valid CSR matrix")])
def test_events_are_checked(call, x, steps, match):
    with pytest.raises(ValueError, match=match):
        call(x, steps)


@pytest.mark.parametrize("call, match", [
    (lambda: record(X, 6), "^x is of type ndarray: must be a scipy.sparse CSR matrix"),
    (lambda: record(EVENTS * np.nan, 6), "^x has NaN .* or overflows: must be finite"),
    (lambda: record(EVENTS[:, :0], 6, W[:, :0]), r"^W has 0 inputs \(axis 1\): must h"),
    (lambda: forward(X, 5), r"^steps is 5, x has 6 steps \(axis 0\): must be equal"),
    (lambda: forward(X, "6"), "^steps is '6': must be an integer"),
    (lambda: forward(X[:1], True), "^steps is True: must be an integer"),
    (lambda: forward(X, work=()), "^work is of type tuple: must be one of Tape, None"),
    (lambda: forward(X, work="yes"), "^work is 'yes': must be one of Tape, None"),
    (lambda: forward(X[:5], work=TAPE),
     r"^work is of shape \(6, 2, 4\), float64: must be of a run of shape \(5, 2, 4\)"),
    (lambda: forward(X, W=W.astype(np.float32), work=TAPE),
     "^work is of shape .* float64: must be of a run of shape .* float32"),
    (lambda: lif.gradients(None, X, steepness=1.0), "^tape is None: must be Tape"),
    (lambda: lif.gradients(TAPE, np.ones((6, 2, 3)), steepness=1.0),
     r"^dout has 3 outputs \(axis 2\), tape.out has 2 \(axis 2\): must be equal"),
    (lambda: lif.gradients(TAPE, np.ones((6, 2, 2)), steepness=1.0,
                           dspikes=np.ones((6, 2, 1))),
     r"^dspikes has 1 unit \(axis 2\), tape.mem has 4 \(axis 2\): must be equal")])
def test_relations_between_arguments(call, match):
    with pytest.raises(ValueError, match=match):
        call()


def test_decays_of_one_step_and_of_many():
    """The smallest decays, and decays that round to 1 in float32."""
    out = lif.record(EVENTS, W, W_OUT, steps=6, alpha=1e-9, beta=1e-9)
    assert out.any()
    single = W.astype(np.float32)
    for name in ("alpha", "beta"):
        assert forward(X, W=single)[0].dtype == np.float32
        with pytest.raises(ValueError, match=rf"^{name} is .*\(1.0\) in float32"):
            lif.forward(X, single, None, W_OUT, **HALF | {name: 1 - 1e-9})
