"""What the functions of `refsnn.ntk_dynamics` accept and refuse."""

import numpy as np
import pytest
from harness import contract, verify

from refsnn import ntk_dynamics

RATE = "rate () in (0, inf)"
PREDICT = ("kernel (N, N, K, K), outputs (N, K) float, targets (N, K), steps (s?) int "
           f"in [0, inf), {RATE}, loss {{sum, mean}}")
SIZES = {"N": 3, "M": 5, "K": 2, "s": 4}


def symmetric(module, rng, dtype, sizes):
    """Return a kernel with eigenvalues from 0.1 to 0.5."""
    N, K = sizes["N"], sizes["K"]
    Q = np.linalg.qr(rng.normal(size=(N * K, N * K)))[0]
    matrix = (Q * np.linspace(0.1, 0.5, N * K)) @ Q.T
    return {"kernel": matrix.reshape(N, K, N, K).swapaxes(1, 2).astype(dtype)}


FUNCTIONS = [
    contract(ntk_dynamics.one_step, "kernel (M, N, K, K), outputs (M, K) float, "
             f"doutputs (N, K), {RATE}", SIZES),
    contract(ntk_dynamics.predict, PREDICT, SIZES, given=symmetric),
    contract(ntk_dynamics.predict, f"{PREDICT}, cross? (M, N, K, K), test_outputs? "
             "(M, K)", SIZES, given=symmetric, needed=["cross", "test_outputs"])]


@pytest.mark.parametrize("c", FUNCTIONS, ids=lambda c: c.function.__name__)
def test_contract(c):
    bad = verify(c)
    assert not bad, "\n".join(bad)


K0 = np.einsum("nk,mq->nmkq", np.eye(3, 2), np.eye(3, 2))
F0 = np.ones((3, 2))


def predict(kernel=K0, outputs=F0, targets=F0, steps=1, rate=0.1, **others):
    return ntk_dynamics.predict(kernel, outputs, targets, steps, rate=rate, **others)


@pytest.mark.parametrize("call, match", [
    (lambda: predict(K0 + np.arange(2)), "^kernel is not symmetric"),
    (lambda: predict(-K0), "^kernel has eigenvalues"),
    (lambda: predict(0 * K0), "^kernel has eigenvalues"),
    (lambda: predict(rate=1e3, steps=10 ** 6), "^rate is too high for 1000000 steps"),
    (lambda: predict(cross=K0), "^cross or test_outputs is None: must be giv"),
    (lambda: predict(test_outputs=F0), "^cross or test_outputs is None: must be given"),
    (lambda: predict(outputs=F0.astype("f4"), rate=1e-60), "^rate is 1e-60 .*float32"),
    (lambda: predict(outputs=F0.astype("f4"), kernel=1e99 * K0), "^kernel overflows")])
def test_relations_between_arguments(call, match):
    with pytest.raises(ValueError, match=match):
        call()
