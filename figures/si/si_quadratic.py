r"""Compute the exact path integrals of synaptic intelligence on quadratic losses.

The loss is E(x) = x^T H x / 2, where x is the vector of parameters relative
to the minimum.  Learning starts at x = d.  The path integral of parameter k
is the diagonal entry w_k = Q_kk of a matrix Q.  This matrix is

    Q = tau integral x' x'^T dt                          (1)  [ZPG17]

for gradient flow tau x' = -H x, and

    Q = E[sum_t rate g[t] g[t]^T]                        (2)

for gradient descent with steps -rate g and gradients g = H x + n, where n
is white noise with covariance N.  Let u_a and h_a be the eigenvectors and
eigenvalues of H, d_a = u_a.d and N_ab = u_a.N u_b.  Gradient flow of
duration t yields

    Q = sum_ab u_a u_b^T h_a h_b / (h_a + h_b) d_a d_b
        (1 - exp(-(h_a + h_b) t / tau))                  (3)  [ZPG17]

Let r = (1 - rate h_a)(1 - rate h_b) and G = sum_{t<T} r^t, which equals
(1 - r^T) / (1 - r), or T if r = 1.  Gradient descent of T steps yields

    S_ab = d_a d_b G + rate^2 N_ab (T - G) / (1 - r)     (4)
    Q = sum_ab u_a u_b^T rate (h_a h_b S_ab + T N_ab)    (5)

Derivation.  Inserting x_a = d_a exp(-h_a t / tau) in eq. (1) yields eq. (3).
    In the eigenvector basis, gradient descent is x_a[t+1] =
    (1 - rate h_a) x_a[t] - rate n_a[t], so that E[x_a[t] x_b[t]] =
    r^t d_a d_b + rate^2 N_ab (1 - r^t) / (1 - r).  The sum of this
    expectation over t is S_ab in eq. (4).  Eq. (5) follows from
    E[g_a g_b] = h_a h_b E[x_a x_b] + N_ab.
Special cases, without noise and for infinite time unless stated otherwise:
    A diagonal H with entry h yields w_k = h d_k^2 / (2 - rate h).  In the limit of
    a small rate, w_k divided by the squared distance d_k^2 is h / 2.
    H = h u u^T of rank 1: x moves only along u, and w_k = (u.d)^2 u_k^2 h /
    (2 - rate h).  Divided by the squared distance, w_k is equal for all k
    with u_k not 0.  In the limit of a small rate, this quotient is h / 2.
    Isotropic starts, with <d_a d_b> = s^2 if a = b and 0 otherwise: gradient
    flow has the mean <Q> = s^2 H / 2.
    Finite steps: the sum of w is the trace of Q, sum_a h_a d_a^2 /
    (2 - rate h_a), but the loss decreases by sum_a h_a d_a^2 / 2.  The
    contribution of eigenvector a to the sum of w is therefore larger than
    its contribution to this decrease, by a factor of 1 / (1 - rate h_a / 2).
    Late steps with noise: each step adds rate N_aa / (1 - rate h_a / 2) to
    the sum of w for each a, but the loss no longer decreases.

All equations hold for symmetric H without negative eigenvalues.  Gradient
descent also requires rate h_a < 2 for all a.

[ZPG17] F. Zenke, B. Poole and S. Ganguli, ICML 2017, arXiv 1703.04200.
"""

import math
import numbers

import numpy as np


def flow(hessian, offset, time=None):
    """Return the matrix Q of the path integral under gradient flow, eqs. (1) and (3).

    Parameters
    ----------
    hessian : (p, p) float64
        Symmetric matrix H without negative eigenvalues.
    offset : (p,) float64
        Vector d from the minimum to the start.
    time : float, optional
        Duration t / tau; None means infinite time.

    Returns
    -------
    (p, p) float64
        Matrix Q.  The diagonal holds the path integral of each parameter,
        and the trace is the decrease of the loss.

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
    """Return the expected matrix Q of gradient descent, eqs. (2), (4) and (5).

    Parameters
    ----------
    hessian, offset
        H and d, as for `flow`.
    rate : float
        Learning rate, below 2 divided by the largest eigenvalue.
    steps : int, optional
        Number T of steps; None means infinitely many steps, and requires that
        `noise` is None.
    noise : (p, p) float64, optional
        Covariance N of the gradient noise; None means no noise.

    Returns
    -------
    (p, p) float64
        Matrix Q, as returned by `flow`; exact if there is no noise.

    Examples
    --------
    >>> H, d = np.diag([1.0, 4.0]), np.array([2.0, 1.0])
    >>> descent(H, d, rate=0.25).diagonal().round(6).tolist()  # 4/1.75, 4/1
    [2.285714, 4.0]
    """
    h, vectors, d = _problem(hessian, offset)
    rate = _number("rate", rate, 2 / float(h[-1]) if h[-1] else math.inf)
    if steps is None and noise is not None:
        raise ValueError("steps is None: must be given if there is noise")
    if steps is not None and (not isinstance(steps, (int, np.integer))
                              or isinstance(steps, bool) or not 0 < steps < 2 ** 63):
        raise ValueError(f"steps is {steps!r:.30}: must be an integer above 0 and "
                         "below 2**63, or None")
    N = np.zeros((len(h), len(h))) if noise is None \
        else vectors.T @ _matrix("noise", noise, len(h))[0] @ vectors
    with np.errstate(over="ignore", invalid="ignore"):
        r = np.outer(1 - rate * h, 1 - rate * h)
        rest = rate * (np.add.outer(h, h) - rate * np.outer(h, h))     # 1 - r
        rest = np.where(rest == 0, 1, rest)     # where h is 0, eq. (5) does not use S
        T = 0 if steps is None else int(steps)
        small = np.minimum(rest, 0.5)           # 1 - r^T without cancellation
        spent = np.where(rest < 0.5, -np.expm1(T * np.log1p(-small)), 1 - r ** T)
        G = (1 if steps is None else spent) / rest
        S = np.outer(d, d) * G + rate ** 2 * N * (T - G) / rest            # (4)
        Q = rate * (np.outer(h, h) * S + T * N)                            # (5)
    return _back(vectors, Q)                                               # (2)


def _back(vectors, Q):
    """Transform Q from the eigenvector basis to the parameter basis.

    Raise an error if the result overflows.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        Q = vectors @ Q @ vectors.T
    if not np.isfinite(Q).all():
        raise ValueError("hessian, offset, rate or noise are so large that Q overflows "
                         "float64: must be smaller")
    return Q


def _problem(hessian, offset):
    """Return the eigenvalues and eigenvectors of H, and d in the eigenvector basis."""
    _, h, vectors = _matrix("hessian", hessian, None)
    d = np.asarray(offset)
    if d.dtype != np.float64 or d.shape != h.shape or not np.isfinite(d).all():
        raise ValueError(f"offset is of shape {d.shape}, dtype {d.dtype}: must be "
                         f"finite float64 of shape {h.shape}")
    return h, vectors, vectors.T @ d


def _matrix(name, value, p):
    """Check that a matrix of shape (p, p) is symmetric, and decompose the matrix.

    Return the matrix, its eigenvalues and its eigenvectors.
    """
    a = np.asarray(value)
    if a.dtype != np.float64 or a.ndim != 2 or a.shape != (p or len(a),) * 2 \
            or a.size == 0 or not np.isfinite(a).all() \
            or np.abs(a - a.T).max() > 1e-12 * np.abs(a).max():
        raise ValueError(f"{name} is of shape {a.shape}, dtype {a.dtype}: must be a "
                         f"finite symmetric float64 matrix of {p or 'some'} rows")
    values, vectors = np.linalg.eigh(a)
    floor = 1e-12 * np.abs(values).max()
    if not np.isfinite(floor) or values[0] < -floor:
        raise ValueError(f"{name} has eigenvalues from {values[0]:.3g} to "
                         f"{values[-1]:.3g}: must be finite and not below 0")
    return a, np.where(values <= floor, 0.0, values), vectors


def _number(name, value, high=math.inf):
    if not isinstance(value, numbers.Real) or isinstance(value, bool) \
            or not 0 < value < high or value > float(np.finfo(float).max):
        raise ValueError(f"{name} is {value!r}: must be a number in (0, {high:.6g})")
    return float(value)
