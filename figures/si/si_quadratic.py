# refsnn 0.1.0 | si_quadratic.py | SPDX-License-Identifier: MIT | needs: numpy
r"""Path integrals of synaptic intelligence on quadratic losses, exactly.

The loss E(x) = x^T H x / 2, x the distance to its minimum, is descended
from x = d.  What the parameters share is the diagonal of a matrix Q: of

    Q = tau integral x' x'^T dt                          (1)  [ZPG17] eq. ?

under gradient flow tau x' = -H x, and under plain descent with steps
-rate g and gradients g = H x + n, n white noise of covariance N,

    Q = E[sum_t rate g[t] g[t]^T]                        (2)

w_k = Q_kk.  With H = sum_a h_a u_a u_a^T, d_a = u_a.d, N_ab = u_a.N u_b,

    Q = sum_ab u_a u_b^T h_a h_b / (h_a + h_b) d_a d_b
        (1 - exp(-(h_a + h_b) t / tau))                  (3)  [ZPG17] eq. ?

for flow of time t and, for T steps, with r = (1 - rate h_a)(1 - rate h_b)
and G = sum_{t<T} r^t = (1 - r^T) / (1 - r), or T if r = 1,

    S_ab = d_a d_b G + rate^2 N_ab (T - G) / (1 - r)     (4)
    Q = sum_ab u_a u_b^T rate (h_a h_b S_ab + T N_ab)    (5)

Derivation.  (3): x_a = d_a exp(-h_a t / tau) in (1).  (5): in eigenvectors
    x_a[t+1] = (1 - rate h_a) x_a[t] - rate n_a[t], so that E[x_a x_b] is
    r^t d_a d_b + rate^2 N_ab (1 - r^t) / (1 - r); its sum is (4) and E[g_a
    g_b] = h_a h_b E[x_a x_b] + N_ab.
    A diagonal H gives, without noise and at the end, w_k = h d_k^2 / (2 -
    rate h): over the squared distance, h / 2 as the rate goes to 0.
    Rank 1, H = h u u^T: x moves along u alone, w_k = (u.d)^2 u_k^2 h /
    (2 - rate h): over the squared distance the same for every k with u_k
    not 0, h / 2 as the rate goes to 0.
    Isotropic starts, <d_a d_b> = s^2 if a = b, else 0: <Q> = s^2 H / 2.
    The sum of w is the trace of Q, sum_a h_a d_a^2 / (2 - rate h_a), while
    the loss drops by sum_a h_a d_a^2 / 2: steps inflate each direction's
    share by 1 / (1 - rate h_a / 2).  Noise adds, in the end, rate N_aa /
    (1 - rate h_a / 2) with each step, while the loss no longer drops.
Exact.  For any symmetric H without negative eigenvalues, and rate h < 2.
Cost.   O(p^3) time and O(p^2) memory.
Departures.  None known.

[ZPG17] F. Zenke, B. Poole and S. Ganguli, ICML 2017, arXiv 1703.04200.
"""

import math
import numbers

import numpy as np

__all__ = ["descent", "flow"]


def _matrix(name, value, p):
    """A finite symmetric float64 (p, p) matrix and its eigenvalues, vectors."""
    a = np.asarray(value)
    if a.dtype != np.float64 or a.ndim != 2 or a.shape != (p or len(a),) * 2 \
            or a.size == 0 or not np.isfinite(a).all() \
            or np.abs(a - a.T).max() > 1e-12 * np.abs(a).max():
        raise ValueError(f"{name} is of shape {a.shape}, dtype {a.dtype}: must be a "
                         f"finite symmetric float64 matrix of {p or 'some'} rows")
    values, vectors = np.linalg.eigh(a)
    if not np.isfinite(values).all():
        raise ValueError(f"{name} has an infinite eigenvalue: must be smaller")
    floor = 1e-12 * np.abs(values).max()
    if values[0] < -floor:
        raise ValueError(f"{name} has the eigenvalue {values[0]:.3g}: must have none "
                         "below 0")
    return a, np.where(values <= floor, 0.0, values), vectors


def _problem(hessian, offset):
    """Eigenvalues h (p,), eigenvectors (p, p), d in them (p,)."""
    _, h, vectors = _matrix("hessian", hessian, None)
    d = np.asarray(offset)
    if d.dtype != np.float64 or d.shape != h.shape or not np.isfinite(d).all():
        raise ValueError(f"offset is of shape {d.shape}, dtype {d.dtype}: must be "
                         f"finite float64 of shape {h.shape}")
    return h, vectors, vectors.T @ d


def _number(name, value, high=math.inf):
    if not isinstance(value, numbers.Real) or isinstance(value, bool) \
            or not 0 < value < high or value > float(np.finfo(float).max):
        raise ValueError(f"{name} is {value!r}: must be a number in (0, {high:.6g})")
    return float(value)


def _back(vectors, Q):
    """Q from eigenvectors to parameters, refused if it overflowed."""
    with np.errstate(over="ignore", invalid="ignore"):
        Q = vectors @ Q @ vectors.T
    if not np.isfinite(Q).all():
        raise ValueError("hessian, offset, rate or noise are so large that Q overflows "
                         "float64: must be smaller")
    return Q


def flow(hessian, offset, time=None):
    """Q of gradient flow, eqs. (1) and (3).

    Parameters
    ----------
    hessian : (p, p) float64
        H, symmetric, without negative eigenvalues.
    offset : (p,) float64
        d, the start minus the minimum.
    time : float, optional
        t / tau; None, for ever.

    Returns
    -------
    (p, p) float64
        Q; its diagonal is the path integral of each parameter, its trace
        the drop of the loss.

    Raises
    ------
    ValueError
        If a shape or dtype does not fit, an entry is not finite, H is not
        symmetric or has a negative eigenvalue, time is not positive, or Q
        overflows.

    Examples
    --------
    >>> flow(np.diag([1.0, 4.0]), np.array([2.0, 1.0])).diagonal().tolist()
    [2.0, 2.0]
    """
    h, vectors, d = _problem(hessian, offset)
    with np.errstate(over="ignore", invalid="ignore"):
        total = np.add.outer(h, h)
        Q = np.outer(h * d, h * d) / np.where(total > 0, total, 1)         # (3)
    if time is not None:
        Q *= -np.expm1(-total * _number("time", time))
    return _back(vectors, Q)                                               # (1)


def descent(hessian, offset, rate, steps=None, noise=None):
    """Q of plain gradient descent, expected, eqs. (2), (4) and (5).

    Parameters
    ----------
    hessian, offset
        As for `flow`.
    rate : float
        Of the steps -rate g, below 2 / the largest eigenvalue.
    steps : int, optional
        T; None, for ever, if there is no noise.
    noise : (p, p) float64, optional
        Covariance N of the gradient noise; None is none.

    Returns
    -------
    (p, p) float64
        Q, as `flow`; without noise, not only expected.

    Raises
    ------
    ValueError
        As `flow`; or if rate or steps is out of range, or steps is None
        with noise.

    Examples
    --------
    >>> H, d = np.diag([1.0, 4.0]), np.array([2.0, 1.0])
    >>> descent(H, d, rate=0.25).diagonal().round(6).tolist()  # 4/1.75, 4/1
    [2.285714, 4.0]
    """
    h, vectors, d = _problem(hessian, offset)
    rate = _number("rate", rate, 2 / float(h[-1]) if h[-1] else math.inf)
    if steps is None and noise is not None:
        raise ValueError("steps is None: must be given with noise, whose sum has no "
                         "end")
    if steps is not None and (not isinstance(steps, (int, np.integer))
                              or isinstance(steps, bool) or not 0 < steps < 2 ** 63):
        raise ValueError(f"steps is {steps!r:.30}: must be an integer above 0, and "
                         "below 2**63, or None")
    N = np.zeros((len(h), len(h))) if noise is None \
        else vectors.T @ _matrix("noise", noise, len(h))[0] @ vectors
    with np.errstate(over="ignore", invalid="ignore"):
        r = np.outer(1 - rate * h, 1 - rate * h)
        rest = rate * (np.add.outer(h, h) - rate * np.outer(h, h))     # 1 - r
        rest = np.where(rest == 0, 1, rest)     # there h is 0: S does not count in (5)
        T = 0 if steps is None else int(steps)
        G = (1 if steps is None else 1 - r ** T) / rest
        S = np.outer(d, d) * G + rate ** 2 * N * (T - G) / rest            # (4)
        Q = rate * (np.outer(h, h) * S + T * N)                            # (5)
    return _back(vectors, Q)                                               # (2)
