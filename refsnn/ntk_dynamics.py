# refsnn 0.1.0 | ntk_dynamics.py | SPDX-License-Identifier: MIT | needs: numpy
r"""Training of a linearised network, foretold from its tangent kernel.

To first order in the weights, gradient descent with some rate on any loss
L moves the outputs f of any samples by the kernel K between these and the
training samples,

    f <- f - rate K dL/df                                 (1)  [LZ20] eq. ?

Held fixed over all steps, with the square loss L = c/2 sum (f - y)^2 over
training samples and outputs, c = 1 ("sum") or 1/N ("mean", over samples
alone), and K = Q diag(lambda) Q^T among the training samples, step s has

    f_s = y + Q (1 - rate c lambda)^s Q^T (f_0 - y)       (2)
    S_s = (1 - (1 - rate c lambda)^s) / lambda            (3)
    f_s = f_0 - K Q S_s Q^T (f_0 - y)                     (4)

where (4) holds for other samples, K being theirs with the training ones.

Derivation.  (2) is s times (1) in the eigenbasis of K.  Summing its errors
    over the steps before s gives (3), the sum of rate c (1 - rate c
    lambda)^t, which is rate c s where lambda is 0.
Approximate.  Exact for a network that is linear in its weights; else it
    drops the change of K along the way, of order 1/width for one step.
    Needs the kernel of the weights that are trained: "through_mask" of
    `ntk` for a masked network.
Cost.   O((N k)^3) once, then O((N + M) N k^2) a step asked for.
Departures.  Discrete steps of gradient descent, not its continuous flow.

[LZ20] T. Liu and F. Zenke, ICML 2020, arXiv 2006.08228.
"""

from typing import NamedTuple

import numpy as np

__all__ = ["Trajectory", "one_step", "predict"]

LOSSES = ("sum", "mean")


class Trajectory(NamedTuple):
    """Outputs after each number of steps, (S, N, K), (S, M, K) or None."""

    train: np.ndarray
    test: np.ndarray


def _array(name, value, shape):
    array = np.asarray(value)
    fits = array.ndim == len(shape) and all(
        want in (None, size) for want, size in zip(shape, array.shape, strict=True))
    if not fits or array.dtype not in (np.float32, np.float64) or 0 in array.shape:
        want = "({})".format(", ".join("*" if s is None else str(s) for s in shape))
        raise ValueError(f"{name} is of shape {array.shape}, dtype {array.dtype}: "
                         f"must be a float array of shape {want}, not empty")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} has NaN or infinite entries: must be finite")
    return array


def _rate(rate):
    if isinstance(rate, (bool, np.bool_)) or np.ndim(rate) \
            or np.asarray(rate).dtype.kind not in "fiu" or not 0 < rate < np.inf:
        raise ValueError(f"rate is {rate!r}: must be a finite number above 0")


def _matrix(kernel):
    """(N K, M K) of a kernel (N, M, K, K)."""
    N, M, K, _ = kernel.shape
    return kernel.swapaxes(1, 2).reshape(N * K, M * K)


def one_step(kernel, outputs, doutputs, rate):
    """Outputs after one step of gradient descent on any loss, eq. (1).

    Parameters
    ----------
    kernel : (M, N, K, K) float
        Between the samples asked for and those trained on.
    outputs : (M, K) float
        Before the step.
    doutputs : (N, K) float
        Derivative of the loss by the outputs of the training samples.
    rate : float
        Of the descent.

    Returns
    -------
    (M, K) float
        Outputs after it, to first order in the rate.

    Raises
    ------
    ValueError
        If a shape, dtype or number does not fit, or an entry is not finite.

    Examples
    --------
    >>> one_step(np.full((1, 1, 1, 1), 4.0), np.ones((1, 1)), np.ones((1, 1)),
    ...          0.1).tolist()
    [[0.6]]
    """
    outputs = _array("outputs", outputs, (None, None))
    M, K = outputs.shape
    doutputs = _array("doutputs", doutputs, (None, K))
    kernel = _array("kernel", kernel, (M, len(doutputs), K, K))
    _rate(rate)
    moved = (_matrix(kernel) @ doutputs.ravel()).reshape(M, K)
    return outputs - float(rate) * moved                                   # (1)


def _steps(steps):
    array = np.atleast_1d(np.asarray(steps))
    if array.ndim != 1 or array.dtype.kind not in "iu" or array.size == 0 \
            or array.min() < 0:
        raise ValueError(f"steps is {steps!r}: must be integers of at least 0")
    return array


def _powers(values, pace, steps):
    """(1 - pace values)^s and (3), both (S, N K)."""
    with np.errstate(over="ignore"):
        left = (1 - pace * values) ** steps
    if not np.isfinite(left).all():
        raise ValueError(f"rate is too high for {int(steps.max())} steps: must be "
                         f"{2 / (pace * values[-1]):.3g} of what it is, or less")
    slow, safe = np.where(pace * values < 0.5, pace * values, 0), np.where(
        values == 0, 1, values)
    spent = np.where(slow > 0, -np.expm1(steps * np.log1p(-slow)), 1 - left)
    return left, np.where(values == 0, pace * steps, spent / safe)         # (3)


def _eigen(matrix):
    """Eigenvalues, those that rounding took below 0 at 0, and eigenvectors."""
    if np.abs(matrix - matrix.T).max() > 1e-3 * np.abs(matrix).max():
        raise ValueError("kernel is not symmetric: must be that of the training "
                         "samples with themselves")
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    noise = len(values) * np.finfo(matrix.dtype).eps * max(values[-1], 0)
    if values[0] < -100 * noise or values[-1] <= 0:
        raise ValueError(f"kernel has eigenvalues {values[0]} to {values[-1]}: must "
                         "have none below 0 and some above")
    return np.maximum(values, 0), vectors


def predict(kernel, outputs, targets, steps, *, rate, loss="sum", cross=None,
            test_outputs=None):
    """Outputs after given numbers of steps on the square loss, (2) and (4).

    Parameters
    ----------
    kernel : (N, N, K, K) float
        Among the training samples.
    outputs : (N, K) float
        Of the training samples before the first step.
    targets : (N, K) float
        What they are trained towards.
    steps : int or (S,) int
        Numbers of steps, of at least 0.
    rate : float
        Of the descent.
    loss : str
        "sum": 1/2 sum of all squares; "mean": that by the N samples.
    cross : (M, N, K, K) float, optional
        Kernel between other samples and the training ones.
    test_outputs : (M, K) float, optional
        Of these other samples before the first step.

    Returns
    -------
    Trajectory
        train (S, N, K) and test (S, M, K), or None without `cross`.

    Raises
    ------
    ValueError
        If a shape, dtype or number does not fit, an entry is not finite,
        the kernel is not symmetric or has an eigenvalue below 0, or the
        descent leaves the range of floats.

    Examples
    --------
    >>> found = predict(np.full((1, 1, 1, 1), 5.0), np.ones((1, 1)),
    ...                 np.zeros((1, 1)), [0, 1, 2], rate=0.1)
    >>> found.train.ravel().tolist()
    [1.0, 0.5, 0.25]
    """
    outputs = _array("outputs", outputs, (None, None))
    N, K = outputs.shape
    targets = _array("targets", targets, (N, K))
    kernel = _array("kernel", kernel, (N, N, K, K))
    if not isinstance(loss, str) or loss not in LOSSES:
        raise ValueError(f"loss is {loss!r}: must be one of {', '.join(LOSSES)}")
    if (cross is None) != (test_outputs is None):
        raise ValueError("cross and test_outputs: must be given together, one is None")
    _rate(rate)
    values, Q = _eigen(_matrix(kernel))
    left, moved = _powers(values, float(rate) / (N if loss == "mean" else 1),
                          _steps(steps)[:, None].astype(kernel.dtype))
    start = Q.T @ (outputs - targets).ravel()
    train = targets + ((left * start) @ Q.T).reshape(-1, N, K)             # (2)
    if cross is None:
        return Trajectory(train, None)
    f0 = _array("test_outputs", test_outputs, (None, K))
    cross = _array("cross", cross, (len(f0), N, K, K))
    test = (moved * start) @ Q.T @ _matrix(cross).T
    return Trajectory(train, f0 - test.reshape(-1, *f0.shape))             # (4)
