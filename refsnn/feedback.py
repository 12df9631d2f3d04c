# refsnn 0.1.0 | feedback.py | SPDX-License-Identifier: MIT | needs: numpy
r"""How an error reaches a hidden spiking layer: exactly, at random, locally.

Each rule turns an error into `dspikes`, the credit e[t] of a hidden
layer's spikes S[t], which any rule for one layer can then use.  With dI
the adjoint of the currents one layer up and W its input weights,

    backpropagation       e[t] = W^T dI[t+1]             (1)  [NMZ19] eq. ?
    feedback alignment    e[t] = G^T dI[t+1], G random        [NMZ19] eq. ?
    direct feedback       e[t] = H^T o[t], H random      (2)  [NMZ19] eq. ?
        from the error o[t] = dL/dU[t] of the readout's membrane
    local errors          y[t] = G S[t], L = sum_t l(y[t])    [NMZ19] eq. ?
                          e[t] = G^T dl/dy[t], G random            (3)
        with l = |y - target|^2 / 2                                (4)
        or l = -log softmax(y)[label]                              (5)

and a weight change in three factors uses a trace of each input alone, the
response of a membrane without reset to that input,

    i[t+1] = alpha i[t] + x[t],  P[t+1] = beta P[t] + gain i[t]     (6)
    dW = sum_t (psi[t] e[t]) P[t]^T                                 (7)

Event-driven random backpropagation is (2) and (7) with a boxcar for psi
and the bare events x for P: neither dynamics nor reset are followed.

Derivation.  (1) is the chain rule through I[t+1] = ... + W S[t]; the
    random rules put another matrix in its place.  (6) and (7): without
    reset, U[t] = W P[t], so that dL/dW = sum_t dL/dU[t] P[t]^T.
Approximate.  Exact when: (1) always; (7) for one layer without recurrence
    whose reset is a recorded additive term (subtract, not followed, and no
    refractoriness); (3) for the local loss.  Drops: (2), (3) and random G
    the true path to the loss above; the rule's gradient is that of
    sum_t <e[t], S[t]> with e recorded.
Cost.   O(T B n k) time for an error from k units, O(T B n m) for (7).
Departures.  [NMZ19] feeds back at the same step; the LIF step has one step
    from spikes to currents, hence t+1 in (1).

[NMZ19] E. O. Neftci, H. Mostafa and F. Zenke, IEEE Signal Processing
    Magazine 36(6), 51-63, 2019, arXiv 1901.09948.
"""

import numpy as np

__all__ = ["alignment", "direct", "local_cross_entropy", "local_square",
           "presynaptic_trace", "three_factor", "transport"]


def _array(name, value, shape, dtype=None):
    """`value` as a finite float array of `shape`, no axis 0, None: any."""
    array = np.asarray(value)
    if dtype is not None and array.dtype.kind in "iub":
        array = array.astype(dtype)
    fits = array.ndim == len(shape) and 0 not in array.shape and all(
        want in (None, size) for want, size in zip(shape, array.shape, strict=True))
    if not fits or array.dtype not in (np.float32, np.float64):
        want = "({})".format(", ".join("*" if s is None else str(s) for s in shape))
        raise ValueError(f"{name} is of shape {array.shape}, dtype {array.dtype}: "
                         f"must be a float array of shape {want}, not empty")
    with np.errstate(over="ignore"):        # what is too large becomes infinite
        array = array if dtype is None else array.astype(dtype, copy=False)
    if not np.isfinite(array).all():
        raise ValueError(f"{name} has NaN or infinite entries: must be finite")
    return array


def _number(name, value, low, high, dtype):
    """`value`, a number in [low, high) as rounded to dtype too."""
    if not isinstance(value, (int, float, np.integer, np.floating)) \
            or not low <= value < high or not low <= dtype.type(value) < high:
        raise ValueError(f"{name} is {value!r}: must be a number in [{low}, {high}), "
                         f"also when rounded to {dtype}")
    return dtype.type(value)


def transport(dsyn, B):
    """Error of a layer from the currents above it, eq. (1).

    Parameters
    ----------
    dsyn : (T, B, n_above) float
        Adjoint of the currents of the layer above.
    B : (n_above, n) float
        Its input weights W (backpropagation), or a fixed random matrix of
        that shape (feedback alignment).

    Returns
    -------
    (T, B, n) float
        ``dspikes`` of the layer; 0 at the last step, which reaches nothing.

    Raises
    ------
    ValueError
        If shapes disagree or an entry is not finite.

    Examples
    --------
    >>> transport(np.array([[[1.0]], [[2.0]]]), np.array([[3.0]])).tolist()
    [[[6.0]], [[0.0]]]
    """
    dsyn = _array("dsyn", dsyn, (None, None, None))
    B = _array("B", B, (dsyn.shape[2], None), dsyn.dtype)
    dspikes = np.zeros((*dsyn.shape[:2], B.shape[1]), dsyn.dtype)
    dspikes[:-1] = dsyn[1:] @ B                                            # (1)
    return dspikes


def direct(error, H):
    """Error of a layer straight from the readout, eq. (2).

    Parameters
    ----------
    error : (T, B, k) float
        dL/dU of the readout's membranes, or any output error.
    H : (k, n) float
        Fixed random matrix.

    Returns
    -------
    (T, B, n) float
        ``dspikes`` of the layer.

    Raises
    ------
    ValueError
        If shapes disagree or an entry is not finite.

    Examples
    --------
    >>> direct(np.array([[[1.0, -1.0]]]), np.array([[3.0], [1.0]])).tolist()
    [[[2.0]]]
    """
    error = _array("error", error, (None, None, None))
    return error @ _array("H", H, (error.shape[2], None), error.dtype)     # (2)


def local_square(spikes, G, target):
    """Local square error of a layer's fixed random readout, eqs. (3), (4).

    Parameters
    ----------
    spikes : (T, B, n) float
        Spikes of the layer.
    G : (k, n) float
        Fixed random readout.
    target : (T, B, k) float
        What it should say at each step.

    Returns
    -------
    loss : float
        Summed over steps, mean over the batch.
    dspikes : (T, B, n) float
        Its derivative.

    Raises
    ------
    ValueError
        If shapes disagree or an entry is not finite.

    Examples
    --------
    >>> loss, e = local_square(np.ones((1, 1, 1)), np.array([[2.0]]),
    ...                        np.ones((1, 1, 1)))
    >>> loss, e.tolist()
    (0.5, [[[2.0]]])
    """
    G = _array("G", G, (None, None))
    spikes = _array("spikes", spikes, (None, None, G.shape[1]), G.dtype)
    y = spikes @ G.T
    miss = y - _array("target", target, y.shape, G.dtype)
    batch = spikes.shape[1]
    loss = float(np.sum(miss ** 2)) / (2 * batch)                          # (4)
    return loss, miss @ G / batch                                          # (3)


def local_cross_entropy(spikes, G, labels):
    """Local cross entropy of a layer's fixed random readout, eqs. (3), (5).

    Parameters
    ----------
    spikes : (T, B, n) float
        Spikes (or any trace of them) of the layer.
    G : (k, n) float
        Fixed random readout.
    labels : (B,) int
        Class of each sample, in [0, k).

    Returns
    -------
    loss : float
        Summed over steps, mean over the batch.
    dspikes : (T, B, n) float
        Its derivative.

    Raises
    ------
    ValueError
        If shapes disagree, an entry is not finite or a label out of range.

    Examples
    --------
    >>> loss, e = local_cross_entropy(np.zeros((1, 1, 1)), np.array([[1.0],
    ...                               [-1.0]]), [0])
    >>> round(loss, 3), e.tolist()
    (0.693, [[[-1.0]]])
    """
    G = _array("G", G, (None, None))
    spikes = _array("spikes", spikes, (None, None, G.shape[1]), G.dtype)
    labels, batch = np.asarray(labels), spikes.shape[1]
    if labels.shape != (batch,) or labels.dtype.kind not in "iu":
        raise ValueError(f"labels is of shape {labels.shape}, dtype {labels.dtype}: "
                         f"must be {batch} integers")
    if not (0 <= labels.min() and labels.max() < len(G)):
        raise ValueError(f"labels is in [{labels.min()}, {labels.max()}]: must be "
                         f"in [0, {len(G) - 1}]")
    y = spikes @ G.T
    y -= y.max(axis=2, keepdims=True)
    y -= np.log(np.exp(y).sum(axis=2, keepdims=True))
    own = np.arange(batch)
    loss = -float(np.sum(y[:, own, labels])) / batch                       # (5)
    miss = np.exp(y)
    miss[:, own, labels] -= 1
    return loss, miss @ G / batch


def presynaptic_trace(x, *, alpha, beta, gain=1.0):
    """Membrane response to each input alone, eq. (6).

    Parameters
    ----------
    x : (T, B, m) float
        Input spikes.
    alpha, beta : float
        Decays of current and membrane, in [0, 1).
    gain : float
        Factor on the current, in [1e-9, 1e9).

    Returns
    -------
    (T, B, m) float
        P[t]; 0 at the first two steps.

    Raises
    ------
    ValueError
        If x is not a finite (T, B, m) float array or a decay out of range.

    Examples
    --------
    >>> x = np.array([1.0, 0, 0, 0]).reshape(4, 1, 1)
    >>> presynaptic_trace(x, alpha=0.5, beta=0.25).ravel().tolist()
    [0.0, 0.0, 1.0, 0.75]
    """
    x = _array("x", x, (None, None, None))
    alpha, beta, gain = (_number(*option, x.dtype) for option in (
        ("alpha", alpha, 0, 1), ("beta", beta, 0, 1), ("gain", gain, 1e-9, 1e9)))
    P, i = np.zeros_like(x), np.zeros_like(x[0])
    for t in range(1, len(x)):
        P[t] = beta * P[t - 1] + gain * i
        i = alpha * i + x[t - 1]                                           # (6)
    return P


def three_factor(post, pre):
    """Weight gradient from postsynaptic credit and a presynaptic trace, (7).

    Parameters
    ----------
    post : (T, B, n) float
        Surrogate derivative times error, psi[t] e[t].
    pre : (T, B, m) float
        `presynaptic_trace`, or the bare events (event-driven random
        backpropagation).

    Returns
    -------
    (n, m) float
        dW, summed over steps and batch.

    Raises
    ------
    ValueError
        If shapes disagree or an entry is not finite.

    Examples
    --------
    >>> three_factor(np.full((2, 1, 1), 2.0), np.full((2, 1, 1), 3.0)).tolist()
    [[12.0]]
    """
    post = _array("post", post, (None, None, None))
    pre = _array("pre", pre, (*post.shape[:2], None), post.dtype)
    return post.reshape(-1, post.shape[2]).T @ pre.reshape(-1, pre.shape[2])  # (7)


def alignment(a, b):
    """Cosine of the angle between two gradients.

    Parameters
    ----------
    a, b : array of one shape, float
        The gradients.

    Returns
    -------
    float
        In [-1, 1].

    Raises
    ------
    ValueError
        If shapes differ, or one of them is not real, not finite or zero.

    Examples
    --------
    >>> alignment(np.array([1.0, 0.0]), np.array([1.0, 1.0])) ** 2 < 0.51
    True
    """
    for name, value in (("a", a), ("b", b)):
        if np.asarray(value).dtype.kind not in "fiub":
            raise ValueError(f"{name} is of dtype {np.asarray(value).dtype}: must be "
                             "real numbers")
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if a.shape != b.shape:
        raise ValueError(f"b is of shape {b.shape}: must be {a.shape} like a")
    if not all(np.isfinite(v).all() and v.any() for v in (a, b)):
        raise ValueError("a or b is zero, or has NaN or infinite entries: must be "
                         "non-zero and finite")
    a, b = (v / np.abs(v).max() for v in (a, b))        # squares do not overflow
    cosine = np.sum(a * b) / (np.linalg.norm(a) * np.linalg.norm(b))
    return float(np.clip(cosine, -1, 1))
