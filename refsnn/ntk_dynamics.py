# refsnn 0.1.0 | ntk_dynamics.py | SPDX-License-Identifier: MIT | needs: numpy
r"""Use the tangent kernel to predict the outputs of a network in training.

An entry of the tangent kernel is the scalar product of the parameter
gradients of two network outputs.  Let f be the outputs for the training
samples, f* the outputs for arbitrary test samples, and K* the kernel
between test samples and training samples.  To first order in the learning
rate `rate`, a step of gradient descent on the training loss L gives

    f* <- f* - rate K* dL/df                              (1)  [LZ20]

Let y be the targets of the N training samples.  The squared loss is
share/2 times the sum of all entries of (f - y)^2, where `share` is 1 for
loss="sum" and 1/N for loss="mean".  Let K = Q diag(lambda) Q^T be the
kernel between training samples.  If K and K* are constant, s steps give

    f_s = y + Q diag((1 - rate share lambda)^s) Q^T (f_0 - y)  (2)
    D_s = (1 - (1 - rate share lambda)^s) / lambda             (3)
    f*_s = f*_0 - K* Q diag(D_s) Q^T (f_0 - y)                 (4)

Derivation.  Eq. (2) follows from s applications of (1) in the eigenbasis
    of K.  Eq. (3) is the geometric series D_s = sum_{t<s} rate share (1 -
    rate share lambda)^t.  For lambda = 0, D_s is rate share s.
Approximate.  The predictions neglect the change of the kernels.  They are
    exact for a network whose outputs are linear in the weights.  Masked
    weights need the kernel of kind "through_mask".
Cost.   For k outputs, N training samples and M test samples, the
    eigendecomposition takes O((N k)^3) time, and the prediction takes O((N
    + M) N k^2) time for each s.
Departures.  The steps are discrete, not a flow in continuous time.

[LZ20] T. Liu and F. Zenke, ICML 2020, arXiv 2006.08228.
"""

from typing import NamedTuple

import numpy as np

# `python -m refsnn vendor NAME FILE` adds these functions to a copy.
from refsnn._checks import arrays, one_of, shown

__all__ = ["one_step", "predict"]

LOSSES = ("sum", "mean")
SYMMETRY = 1e-3         # tolerated asymmetry, as a fraction of the largest entry
NEGATIVE = 100          # tolerated negative eigenvalue, in units of rounding
SLOW = 0.5              # for smaller rate * lambda, log1p and expm1 lose no digits
RATE = "rate () in (0, inf)"


class Trajectory(NamedTuple):
    """Hold predicted outputs.  The function `predict` describes the fields."""
    train: np.ndarray
    test: np.ndarray | None
    __repr__ = shown


def one_step(kernel, outputs, doutputs, rate):
    """Predict the network outputs (M, K) for the test samples after one step of
    gradient descent, eq. (1).

    >>> one_step(np.full((1, 1, 1, 1), 4.0), np.ones((1, 1)), np.ones((1, 1)),
    ...          0.1).tolist()
    [[0.6]]

    Parameters
    ----------
    kernel : (M, N, K, K) float, between M test and N training samples
    outputs : (M, K) float, outputs f* for the test samples before the step
    doutputs : (N, K) float, derivative dL/df
    rate : float
    """
    outputs, doutputs, kernel, _ = arrays(
        f"outputs (M, K) float, doutputs (N, K), kernel (M, N, K, K), {RATE}", outputs,
        doutputs, kernel, rate)
    moved = (_matrix(kernel) @ doutputs.ravel()).reshape(outputs.shape)
    return outputs - float(rate) * moved                                   # (1)


def _matrix(kernel):
    N, M, K, _ = kernel.shape
    return kernel.swapaxes(1, 2).reshape(N * K, M * K)


def predict(kernel, outputs, targets, steps, *, rate, loss="sum", cross=None,
            test_outputs=None):
    """Predict the outputs after training with the squared loss, eqs. (2)-(4).

    >>> found = predict(np.full((1, 1, 1, 1), 5.0), np.ones((1, 1)),
    ...                 np.zeros((1, 1)), [0, 1, 2], rate=0.1)
    >>> found.train.ravel().tolist()
    [1.0, 0.5, 0.25]

    Parameters
    ----------
    kernel : (N, N, K, K) float, between the training samples
    outputs, targets : (N, K) float, outputs f_0 before training, and targets y
    steps : int or (S,) int, numbers of training steps, at least 0
    rate : as for `one_step`
    loss : {"sum", "mean"}
    cross, test_outputs : (M, N, K, K) and (M, K) float, optional
        Kernel K* and outputs f*_0, for predictions of the test outputs.

    Returns
    -------
    Trajectory
        train  (S, N, K) outputs for the training samples
        test   (S, M, K) outputs for the test samples; None without `cross`
    """
    one_of("loss", loss, *LOSSES)
    if (cross is None) != (test_outputs is None):
        raise ValueError("cross or test_outputs is None: must be given together")
    outputs, targets, kernel, f0, cross, _, steps = arrays(
        "outputs (N, K) float, targets (N, K), kernel (N, N, K, K), test_outputs? "
        f"(M, K), cross? (M, N, K, K), {RATE}, steps (S?) int in [0, inf)", outputs,
        targets, kernel, test_outputs, cross, rate, steps)
    (N, K), matrix = outputs.shape, _matrix(kernel)
    if np.abs(matrix - matrix.T).max() > SYMMETRY * np.abs(matrix).max():
        raise ValueError("kernel is not symmetric: must equal its transpose")
    values, Q = np.linalg.eigh((matrix + matrix.T) / 2)
    noise = len(values) * np.finfo(matrix.dtype).eps * max(values[-1], 0)
    if values[0] < -NEGATIVE * noise or values[-1] <= 0:
        raise ValueError(f"kernel has eigenvalues {values[0]} to {values[-1]}: must "
                         "be non-negative and not all 0")
    values = np.maximum(values, 0)          # remove rounding errors
    left, moved = _powers(values, float(rate) / (N if loss == "mean" else 1),
                          np.atleast_1d(steps)[:, None].astype(kernel.dtype))
    start = Q.T @ (outputs - targets).ravel()
    with np.errstate(over="ignore", invalid="ignore"):
        train = targets + ((left * start) @ Q.T).reshape(-1, N, K)         # (2)
        test = None if cross is None else f0 - (
            (moved * start) @ Q.T @ _matrix(cross).T).reshape(-1, *f0.shape)  # (4)
    if not all(np.isfinite(f).all() for f in (train, test) if f is not None):
        raise ValueError(f"rate is {rate!r}: must be lower, because the outputs "
                         f"overflow within {int(np.max(steps))} steps")
    return Trajectory(train, test)


def _powers(values, pace, steps):
    with np.errstate(over="ignore"):
        left = (1 - pace * values) ** steps
    if not np.isfinite(left).all():
        raise ValueError(f"rate is too high for {int(steps.max())} steps: must be "
                         f"at most {2 / (pace * values[-1]):.3g} of this rate")
    slow = np.where(pace * values < SLOW, pace * values, 0)
    left = np.where(slow > 0, np.exp(steps * np.log1p(-slow)), left)       # (2)
    safe = np.where(values == 0, 1, values)
    spent = np.where(slow > 0, -np.expm1(steps * np.log1p(-slow)), 1 - left)
    return left, np.where(values == 0, pace * steps, spent / safe)         # (3)
