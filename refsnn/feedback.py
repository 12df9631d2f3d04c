# refsnn 0.1.0 | feedback.py | SPDX-License-Identifier: MIT | needs: numpy
r"""Compute error signals for hidden neurons with exact or random feedback.

The error signal `dspikes` of a hidden layer is the derivative of the loss
L with respect to its spikes S[t], or an estimate of this derivative.  With
the input weights W of the next layer, and the derivative dI of L with
respect to the currents I of the next layer,

    backpropagation       dspikes[t] = W^T dI[t+1]           (1)  [NMZ19]
    feedback alignment    dspikes[t] = G^T dI[t+1], G random      [NMZ19]
    direct feedback       dspikes[t] = H^T error[t], H random
        with error[t] = dL/dU[t] of the readout's membrane   (2)  [NMZ19]
    local errors          y[t] = G S[t], L = mean sum_t l(y[t])
        dspikes[t] = G^T dL/dy[t], G random                  (3)  [NMZ19]
        with l = |y - target|^2 / 2                               (4)
        or l = -log softmax(y)[label]                             (5)
        and the mean over the batch

A three-factor rule multiplies the error signal of a neuron, the surrogate
derivative psi and a trace of an input x.  The trace is the membrane
potential of a neuron without reset that receives only x, with weight 1:

    syn[t+1] = alpha syn[t] + x[t]
    trace[t+1] = beta trace[t] + gain syn[t]                      (6)
    dW = sum_t (psi[t] dspikes[t]) trace[t]^T                     (7)

Event-driven random backpropagation inserts the direct feedback (2) into
rule (7).  In this algorithm, the input x replaces the trace, and a boxcar
function of the membrane potential replaces psi.

Derivation.  Eq. (1) is the chain rule for the term W S[t] of the current
    I[t+1].  Without a reset, U[t] = W trace[t], which gives (7).
Approximate.  Eq. (1) is exact if the loss does not depend on any state
    after the last time step.  Eq. (3) is exact for the local loss.  For
    one layer without recurrence and refractory period, rule (7) is exact
    if the spikes in the reset are treated as constants and the reset is by
    subtraction.  Feedback alignment and rules (2) and (3) do not compute
    the derivative of the loss of the network.  With these rules, the
    weight gradient is the gradient of sum_t <dspikes[t], S[t]>, where
    dspikes is treated as a constant.
Cost.   Error signals take O(T B n k) time, and rule (7) takes O(T B n m).
Departures.  In [NMZ19], the error is fed back within one time step.  Here,
    spikes enter the next currents one step later, see (1).

[NMZ19] E. O. Neftci, H. Mostafa and F. Zenke, 2019, arXiv 1901.09948.
"""

import numpy as np

# `python -m refsnn vendor NAME FILE` adds these functions to a copy.
from refsnn._checks import arrays

__all__ = ["alignment", "direct", "local_cross_entropy", "local_square",
           "presynaptic_trace", "three_factor", "transport"]


def transport(dsyn, G):
    """Compute the error signal `dspikes` (T, B, n), eq. (1).  The error signal
    is 0 at the last time step, because a spike only affects later currents.

    >>> transport(np.array([[[1.0]], [[2.0]]]), np.array([[3.0]])).tolist()
    [[[6.0]], [[0.0]]]

    Parameters
    ----------
    dsyn : (T, B, k) float
        dI of the next layer.  The result has the dtype of `dsyn`.
    G : (k, n) float
        Input weights W of the next layer, or a fixed random matrix.
    """
    dsyn, G = arrays("dsyn (T, B, k) float, G (k, n)", dsyn, G)
    dspikes = np.zeros((*dsyn.shape[:2], G.shape[1]), dsyn.dtype)
    dspikes[:-1] = dsyn[1:] @ G                                            # (1)
    return dspikes


def direct(error, H):
    """Compute the error signal `dspikes` (T, B, n) from output errors, eq. (2).

    >>> direct(np.array([[[1.0, -1.0]]]), np.array([[3.0], [1.0]])).tolist()
    [[[2.0]]]

    Parameters
    ----------
    error : (T, B, k) float
        error[t] of eq. (2), or another error.  The result has the same dtype.
    H : (k, n) float
    """
    error, H = arrays("error (T, B, k) float, H (k, n)", error, H)
    return error @ H                                                       # (2)


def local_square(spikes, G, target):
    """Compute the squared error of a fixed random readout, eqs. (3) and (4).
    Return the error and the derivative of the error with respect to `spikes`.
    The derivative has the shape (T, B, n) and the dtype of `G`.

    >>> loss, e = local_square(np.ones((1, 1, 1)), [[2.0]], [[[1.0]]])
    >>> loss, e.tolist()
    (0.5, [[[2.0]]])

    Parameters
    ----------
    spikes, G : (T, B, n) and (k, n) float
        Spikes of the layer, and fixed random readout weights.
    target : (T, B, k) float, of the local readout at each step
    """
    G, spikes, target = arrays("G (k, n) float, spikes (T, B, n), target (T, B, k)",
                               G, spikes, target)
    miss, batch = spikes @ G.T - target, spikes.shape[1]
    loss = float(np.sum(miss ** 2)) / (2 * batch)                          # (4)
    return loss, miss @ G / batch                                          # (3)


def local_cross_entropy(spikes, G, labels):
    """Compute the cross entropy of a fixed random readout, eqs. (3) and (5).

    >>> loss, e = local_cross_entropy(np.zeros((1, 1, 1)), np.eye(2, 1), [0])
    >>> round(loss, 3), e.tolist()
    (0.693, [[[-0.5]]])

    Results as for `local_square`.

    Parameters
    ----------
    spikes, G
        As for `local_square`.  A trace of the spikes can replace the spikes.
    labels : (B,) int in [0, k), the class of each sample
    """
    G, spikes = arrays("G (k, n) float, spikes (T, B, n)", G, spikes)
    batch = spikes.shape[1]
    _, labels = arrays(f"spikes (_, B, _), labels (B) int in [0, {len(G)})",
                       spikes[:1], labels)
    y = spikes @ G.T
    y -= y.max(axis=2, keepdims=True)
    y -= np.log(np.exp(y).sum(axis=2, keepdims=True))
    own = np.arange(batch)
    loss = -float(np.sum(y[:, own, labels])) / batch                       # (5)
    miss = np.exp(y)
    miss[:, own, labels] -= 1
    return loss, miss @ G / batch                                          # (3)


def presynaptic_trace(x, *, alpha, beta, gain=1.0):
    """Compute the presynaptic trace (T, B, m) of each input, eq. (6).

    >>> x = np.array([1.0, 0, 0, 0]).reshape(4, 1, 1)
    >>> presynaptic_trace(x, alpha=0.5, beta=0.25).ravel().tolist()
    [0.0, 0.0, 1.0, 0.75]

    Parameters
    ----------
    x : (T, B, m) float
    alpha, beta, gain : float
        Constants of eq. (6): decay factors in [0, 1), and positive gain.
    """
    x, alpha, beta, gain = arrays(
        "x (T, B, m) float, alpha () in [0, 1), beta () in [0, 1), "
        "gain () in (0, inf)", x, alpha, beta, gain)
    trace, syn = np.zeros_like(x), np.zeros_like(x[0])
    for t in range(1, len(x)):
        trace[t] = beta * trace[t - 1] + gain * syn                        # (6)
        syn = alpha * syn + x[t - 1]                                       # (6)
    return trace


def three_factor(post, trace):
    """Compute the weight gradient (n, m) by a three-factor rule, eq. (7).
    The gradient is a sum over steps and batch.

    >>> three_factor(np.full((2, 1, 1), 2.0), np.full((2, 1, 1), 3.0)).tolist()
    [[12.0]]

    Parameters
    ----------
    post, trace : (T, B, n) and (T, B, m) float
        Product psi[t] dspikes[t], and result of `presynaptic_trace` or input.
        The gradient has the dtype of `post`.
    """
    post, trace = arrays("post (T, B, n) float, trace (T, B, m)", post, trace)
    n, m = post.shape[2], trace.shape[2]
    return post.reshape(-1, n).T @ trace.reshape(-1, m)                    # (7)


def alignment(a, b):
    """Return the cosine of the angle between two gradients, a float.

    >>> alignment(np.array([1.0, 0.0]), np.array([1.0, 1.0])) ** 2 < 0.51
    True

    Parameters
    ----------
    a, b : (...) float, gradients of the same shape
    """
    a, b = arrays("a (...), b (...)", a, b, dtype=np.float64)
    if a.shape != b.shape:
        raise ValueError(f"b has shape {b.shape}, a has {a.shape}: must be equal")
    if not (np.any(a) and np.any(b)):
        raise ValueError("a or b is zero or empty: must be non-zero")
    a, b = (v / np.abs(v).max() for v in (a, b))        # so that squares are finite
    cosine = np.sum(a * b) / (np.linalg.norm(a) * np.linalg.norm(b))
    return float(np.clip(cosine, -1, 1))
