# refsnn 0.1.0 | superspike_signals.py | SPDX-License-Identifier: MIT | needs: numpy
r"""Compute the delayed spikes and the error signals of SuperSpike networks.

The learning rule in the module `superspike` needs a delayed error signal
for each neuron.  Arrays (T, B, n) hold T steps of n neurons in B copies of
a network (replicas).  An axonal delay of D steps yields

    late[t] = train[t - D]                              (1)  [ZG18]

The error signal of an output neuron is the delayed target spike train
minus the delayed output spike train.  A feedback matrix of shape (B, n, k)
maps the signals of k output neurons to the signals of n hidden neurons,

    signal_i = sum_j matrix_ij signal_j                 (2)  [ZG18]

A "symmetric" feedback matrix is the transposed matrix of the output
weights.  A "random" feedback matrix holds standard normal samples.  All
entries of a "uniform" feedback matrix are 1.  The trace `het` of output
spikes decays exponentially.  The second term of eq. (11) in `superspike`
depends on the trace `het` and moves the weights of active neurons towards
0.  For a Poisson spike train of the rate nu, the trace with the time
constant tau has the cumulants kappa_j and the moments <het^q>,

    kappa_j = nu tau / j                                               (3)
    <het^q> = sum_{j=1..q} binom(q-1, j-1) kappa_j <het^(q-j)>
                                                     (4)  [ZG18] eq. A.4

Let <> be a mean over time.  With drive="paper" and het="plain" in
superspike.py, the mean weight change is 0 at the weight <e lambda> /
(rho <het^exponent>).

Derivation.  The trace `het` is the sum of exp(-age/tau) over all past
    spikes.  By Campbell's theorem, the j-th cumulant of het is nu
    int_0^inf exp(-j t/tau) dt.  Eq. (4) holds for all random variables.
    For q = 4 and with the mean mu = nu tau, eq. (4) gives the moment
    (mu/12) (3 + 25 mu + 36 mu^2 + 12 mu^3) of [ZG18].
Exact.  Eqs. (3) and (4) are exact in continuous time.  In a simulation,
    time steps of length dt change the moments by O(dt/tau).
Cost.   The function `delayed` takes O(T B n) time and memory.  The
    feedback (2) takes O(B n k) time for each step with an error event.
Departures.  As in the published code, error signals are filtered after
    (2).  The order has no effect on the result, because (2) is linear.

[ZG18] F. Zenke, S. Ganguli, Neural Comp. 30, 1514, 2018, arXiv 1705.11146.
"""

import math

import numpy as np

# `python -m refsnn vendor NAME FILE` adds these functions to a copy.
from refsnn._checks import arrays, one_of

__all__ = ["delayed", "feedback", "hidden_signal", "poisson_moment"]


def delayed(past, train):
    """Delay a spike train by D steps, eq. (1).  Return the last D steps of the
    train, of shape (D, B, n), and the delayed spike train, of shape (T, B, n).

    >>> past, late = delayed(np.zeros((2, 1, 1)), np.ones((3, 1, 1)))
    >>> past.ravel().tolist(), late.ravel().tolist()
    ([1.0, 1.0], [0.0, 0.0, 1.0])

    Parameters
    ----------
    past, train : (D, B, n) and (T, B, n) float, int or bool
        `past` holds the spikes of the D steps before this block: zeros at
        first, and later the first result of the previous call.  `train` holds
        the spikes of this block.  The results have the dtype of `train`.
    """
    train, past = arrays("train (T, B, n), past (D*, B, n)", train, past)
    cast, = arrays("past (...)", past, dtype=train.dtype)
    if train.dtype.kind != "f" and not (past == cast).all():
        raise ValueError(f"past is {past.dtype}: must fit the dtype of train, "
                         f"{train.dtype}")
    whole = np.concatenate([cast, train])
    return whole[len(train):], whole[:len(train)]                          # (1)


def feedback(kind, W_out, rng=None):
    """Return an array of shape (B, n, k) with one feedback matrix, eq. (2), for
    each of B networks.  If W_out changes, recompute a "symmetric" matrix.

    >>> feedback("symmetric", np.array([[[1.0, 2.0]]])).tolist()
    [[[1.0], [2.0]]]

    Parameters
    ----------
    kind : {"symmetric", "random", "uniform"}
    W_out : (B, k, n) float, from n hidden to k output neurons
    rng : numpy.random.Generator, needed for "random"
    """
    W_out, = arrays("W_out (B, k, n) float", W_out)
    one_of("kind", kind, "symmetric", "random", "uniform")
    one_of("rng", rng, np.random.Generator, *[type(None)] * (kind != "random"))
    if kind == "symmetric":
        return W_out.swapaxes(1, 2).copy()
    shape = (W_out.shape[0], *W_out.shape[:0:-1])
    if kind == "uniform":
        return np.ones(shape, W_out.dtype)
    return rng.standard_normal(shape).astype(W_out.dtype)


def hidden_signal(signal, matrix):
    """Compute the error signals (T, B, n) of the hidden neurons, eq. (2).

    >>> signal, matrix = np.array([[[1.0, -1.0]]]), np.array([[[3.0, 1.0]]])
    >>> hidden_signal(signal, matrix).tolist()
    [[[2.0]]]

    Parameters
    ----------
    signal : (T, B, k) float or int, unfiltered signals of the output neurons
    matrix : (B, n, k) float from `feedback`, of the dtype of the result
    """
    matrix, signal = arrays("matrix (B, n, k) float, signal (T, B, k)", matrix, signal)
    hidden = np.zeros((*signal.shape[:2], matrix.shape[1]), signal.dtype)
    for b in range(signal.shape[1]):
        rows = np.flatnonzero(signal[:, b].any(axis=1))
        hidden[rows, b] = signal[rows, b] @ matrix[b].T                    # (2)
    return hidden


def poisson_moment(rate_hz, tau, order=4):
    """Return the q-th moment (4) of a filtered Poisson spike train as a float.

    >>> [poisson_moment(10.0, 0.1, order) for order in (1, 2)]
    [1.0, 1.5]

    Parameters
    ----------
    rate_hz, tau, order : float, float, int
        Firing rate nu in Hz, time constant of the trace in s, and order q of
        the moment, 1 to 100.
    """
    rate_hz, tau, order = arrays(
        "rate_hz () in (0, inf), tau () in (0, inf), order () int in [1, 100]", rate_hz,
        tau, order, dtype=np.float64)
    mean, moments = rate_hz * tau, [1.0]
    kappa = [mean / j for j in range(1, order + 1)]                        # (3)
    for q in range(1, order + 1):
        terms = [math.comb(q - 1, j - 1) * kappa[j - 1] * moments[q - j]   # (4)
                 for j in range(1, q + 1)]
        moments.append(sum(terms))
    return moments[-1]
