r"""Compute the exact path integrals of synaptic intelligence on quadratic losses.

The loss is E(x) = x^T H x / 2, where x is the vector of parameters relative
to the minimum.  Learning starts at x = d.  The path integral of parameter k
is the diagonal entry w_k = Q_kk of the matrix

    Q = E[sum_t rate g[t] g[t]^T]                        (1)  [ZPG17]

for gradient descent with steps -rate g and gradients g = H x + n, where n
is white noise with covariance N.  Let u_a and h_a be the eigenvectors and
eigenvalues of H, d_a = u_a.d and N_ab = u_a.N u_b.  Let
r = (1 - rate h_a)(1 - rate h_b) and G = sum_{t<T} r^t, which equals
(1 - r^T) / (1 - r), or T if r = 1.  Gradient descent of T steps yields

    S_ab = d_a d_b G + rate^2 N_ab (T - G) / (1 - r)     (2)
    Q = sum_ab u_a u_b^T rate (h_a h_b S_ab + T N_ab)    (3)

Derivation.  In the eigenvector basis, gradient descent is x_a[t+1] =
    (1 - rate h_a) x_a[t] - rate n_a[t], so that E[x_a[t] x_b[t]] =
    r^t d_a d_b + rate^2 N_ab (1 - r^t) / (1 - r).  The sum of this
    expectation over t is S_ab in eq. (2).  Eq. (3) follows from
    E[g_a g_b] = h_a h_b E[x_a x_b] + N_ab.
Special cases, without noise and for infinite time unless stated otherwise:
    A diagonal H with entry h yields w_k = h d_k^2 / (2 - rate h).  In the limit of
    a small rate, w_k divided by the squared distance d_k^2 is h / 2.
    H = h u u^T of rank 1: x moves only along u, and w_k = (u.d)^2 u_k^2 h /
    (2 - rate h).  Divided by the squared distance, w_k is equal for all k
    with u_k not 0.  In the limit of a small rate, this quotient is h / 2.
    Isotropic starts, with <d_a d_b> = s^2 if a = b and 0 otherwise: in the
    limit of a small rate, the mean is <Q> = s^2 H / 2.
    Finite steps: the sum of w is the trace of Q, sum_a h_a d_a^2 /
    (2 - rate h_a), but the loss decreases by sum_a h_a d_a^2 / 2.  Each
    summand of the trace is larger by the factor 1 / (1 - rate h_a / 2).
    Late steps with noise: each step adds rate N_aa / (1 - rate h_a / 2) to
    the sum of w for each a, but the loss no longer decreases.

[ZPG17] F. Zenke, B. Poole and S. Ganguli, ICML 2017, arXiv 1703.04200.
"""

import numpy as np


def descent(hessian, offset, rate, steps, noise=None):
    """Return the matrix Q of eq. (3).

    Parameters
    ----------
    hessian : (p, p) float64, symmetric matrix H without negative eigenvalues.
    offset : (p,) float64, vector d from the minimum to the start.
    rate : learning rate, below 2 divided by the largest eigenvalue.
    steps : number T of steps.
    noise : (p, p) float64, covariance N of the gradient noise; None means no noise.

    >>> H, d = np.diag([1.0, 4.0]), np.array([2.0, 1.0])
    >>> descent(H, d, 0.25, 1000).diagonal().round(6).tolist()      # 4/1.75, 4/1
    [2.285714, 4.0]
    """
    h, vectors = np.linalg.eigh(hessian)
    h = np.where(h <= 1e-12 * np.abs(h).max(), 0.0, h)
    d = vectors.T @ offset
    N = np.zeros_like(hessian) if noise is None else vectors.T @ noise @ vectors
    r = np.outer(1 - rate * h, 1 - rate * h)
    rest = rate * (np.add.outer(h, h) - rate * np.outer(h, h))         # 1 - r
    rest = np.where(rest == 0, 1, rest)         # where h is 0, eq. (3) does not use S
    small = np.minimum(rest, 0.5)               # 1 - r^T without cancellation
    spent = np.where(rest < 0.5, -np.expm1(steps * np.log1p(-small)), 1 - r ** steps)
    G = spent / rest
    S = np.outer(d, d) * G + rate ** 2 * N * (steps - G) / rest            # (2)
    return vectors @ (rate * (np.outer(h, h) * S + steps * N)) @ vectors.T     # (3)
