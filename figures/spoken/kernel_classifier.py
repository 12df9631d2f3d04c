# refsnn 0.1.0 | kernel_classifier.py | SPDX-License-Identifier: MIT | needs: numpy
r"""Support vector machines on spike counts: linear, polynomial, radial.

A classifier that sees how often each channel spiked, and not when.  Counts
c (N, m) are standardised with what was trained on, and compared by k:

    z = (c - mean) / deviation, 0 where the deviation is 0       (1)
    "linear"      k(z, z') = z . z' / m                          (2)
    "polynomial"  k(z, z') = (1 + z . z' / m)^degree             (3)
    "radial"      k(z, z') = exp(-|z - z'|^2 / m)                (4)

With K of the N words trained on, coefficients A (N, k), biases b (k,), and
Y = 1 for the label's class and -1 for the others, one machine for each
class against the rest minimises

    f = K A + b                                                  (5)
    E = sum A * K A / 2 + cost sum max(0, 1 - Y f)^2    (6)  [CSSZ20] eq. ?

Derivation.  With D the derivative of the second sum by f,

    D = -2 cost Y max(0, 1 - Y f)                                (7)
    dE/dA = K (A + D),  dE/db = sum_n D                          (8)

    vanish where A = -D, which is 0 but for the words S on the wrong side
    of their margin.  If S is known, that is linear, as Y^2 = 1:

    (K_SS + 1/(2 cost)) A_S + b = Y_S,  sum A_S = 0              (9)

    so Newton's method solves (9) for the present S, goes all or, halving
    until (6) falls, some of the way there, and ends where S stays.  Other
    words z have the scores

    f(z) = k(z, z_train) A + b                                   (10)

Exact.  (6) is convex, of finitely many parabolas; it has one minimum in
    K A and b, found to rounding.  Its second derivative jumps at Y f = 1.
Cost.   O(N^2 m) for K, and O(S^3) a step and class, some ten steps.
Departures.  [CSSZ20] took a library's machines, whose hinge is not squared
    and which vote for each pair of classes.

[CSSZ20] B. Cramer, Y. Stradmann, J. Schemmel and F. Zenke, IEEE TNNLS
    33(7), 2744-2757, 2022, arXiv 1910.07407.
"""

from typing import NamedTuple

import numpy as np

__all__ = ["Classifier", "compare", "fit", "objective", "scores"]

KINDS = ("linear", "polynomial", "radial")
STEPS = 200             # of Newton's method, at most


class Classifier(NamedTuple):
    """What `fit` found, float64."""

    mean: np.ndarray            # (m,) of eq. (1)
    deviation: np.ndarray       # (m,)
    support: np.ndarray         # (S, m) words trained on, standardised
    A: np.ndarray               # (S, k)
    b: np.ndarray               # (k,)
    kind: str
    degree: int


def _array(name, value, *shape):
    """`value` as finite float64 of `shape`, whose None axes are free, not 0."""
    a = np.asarray(value)
    if a.ndim != len(shape) or 0 in a.shape or a.dtype.kind not in "fiu" or any(
            want not in (None, size) for want, size in zip(shape, a.shape,
                                                           strict=True)):
        want = ", ".join("1+" if s is None else str(s) for s in shape)
        raise ValueError(f"{name} is of shape {a.shape}, dtype {a.dtype}: must be "
                         f"numbers of shape ({want})")
    if not np.isfinite(a).all():
        raise ValueError(f"{name} has NaN or infinite entries: must be finite")
    return a.astype(np.float64)


def _labels(labels, N, k=None):
    """Checked labels, and Y (N, k)."""
    labels = np.asarray(labels)
    if labels.shape != (N,) or labels.dtype.kind not in "iu":
        raise ValueError(f"labels is of shape {labels.shape}, dtype {labels.dtype}: "
                         f"must be integers of shape ({N},)")
    one = k is None and labels.min() == labels.max()        # nothing to tell apart
    k = int(labels.max()) + 1 if k is None else k
    if one or k < 2 or labels.min() < 0 or labels.max() >= k:
        raise ValueError(f"labels reaches from {labels.min()} to {labels.max()}: must "
                         f"be in 0 ... {max(k, 2) - 1}, of 2 classes or more")
    return np.where(labels[:, None] == np.arange(k), 1.0, -1.0)


def _cost(cost):
    if isinstance(cost, bool) or not isinstance(
            cost, (int, float, np.integer, np.floating)) or not 0 < cost < 1e12:
        raise ValueError(f"cost is {cost!r}: must be a number above 0, below 1e12")


def _standardised(counts, mean, deviation):
    return np.divide(counts - mean, deviation, out=np.zeros(counts.shape),
                     where=deviation > 0)                                  # (1)


def compare(z, other, kind, degree=2):
    """Kernel of two sets of words, eqs. (2)-(4).

    Parameters
    ----------
    z, other : (N, m) and (S, m) float
        Standardised counts.
    kind : {"linear", "polynomial", "radial"}
        Which kernel.
    degree : int
        Of the polynomial, 1 to 9.

    Returns
    -------
    (N, S) float64

    Raises
    ------
    ValueError
        If a shape does not fit, an entry is not finite, or kind or degree
        another.

    Examples
    --------
    >>> z = np.array([[1.0, 0.0], [0.0, 2.0]])
    >>> compare(z, z[:1], "linear").tolist()
    [[0.5], [0.0]]
    >>> compare(z, z[:1], "polynomial").tolist()
    [[2.25], [1.0]]
    """
    z = _array("z", z, None, None)
    m = z.shape[1]
    other = _array("other", other, None, m)
    if not isinstance(kind, str) or kind not in KINDS:
        raise ValueError(f"kind is {kind!r}: must be one of {list(KINDS)}")
    if isinstance(degree, bool) or not isinstance(degree, (int, np.integer)) \
            or not 1 <= degree <= 9:
        raise ValueError(f"degree is {degree!r}: must be an integer from 1 to 9")
    inner = z @ other.T / m
    if kind == "linear":
        return inner                                                       # (2)
    if kind == "polynomial":
        return (1 + inner) ** int(degree)                                  # (3)
    squares = (z ** 2).sum(axis=1)[:, None] + (other ** 2).sum(axis=1)
    return np.exp(-np.maximum(squares / m - 2 * inner, 0))                 # (4)


def objective(A, b, K, labels, cost):
    """What training minimises, and its gradient, eqs. (5)-(8).

    Parameters
    ----------
    A, b : (N, k) and (k,) float
        Coefficients and biases.
    K : (N, N) float
        Kernel of the words trained on, symmetric.
    labels : (N,) int
        Right classes, 0 ... k-1.
    cost : float
        Of a squared hinge.

    Returns
    -------
    value : float
    dA, db : (N, k) and (k,) float64

    Raises
    ------
    ValueError
        If a shape, label or range does not fit, or an entry is not finite.

    Examples
    --------
    >>> A, b, K = np.array([[0.0, 2.0]]), np.zeros(2), np.ones((1, 1))
    >>> value, dA, db = objective(A, b, K, np.array([1]), 0.5)
    >>> value, dA.tolist(), db.tolist()
    (2.5, [[1.0, 2.0]], [1.0, 0.0])
    """
    A = _array("A", A, None, None)
    N, k = A.shape
    b, K = _array("b", b, k), _array("K", K, N, N)
    if not np.array_equal(K, K.T):
        raise ValueError("K differs from its transpose: must be symmetric")
    _cost(cost)
    Y, KA = _labels(labels, N, k), K @ A
    f = KA + b                                                             # (5)
    hinge = np.maximum(1 - Y * f, 0)
    value = np.sum(A * KA) / 2 + cost * np.sum(hinge ** 2)                 # (6)
    D = -2 * cost * Y * hinge                                              # (7)
    return float(value), K @ (A + D), D.sum(axis=0)                        # (8)


def _machine(K, y, cost):
    """A (N,) and b of one class against the rest."""
    A, f, b, value = np.zeros(len(y)), np.zeros(len(y)), 0.0, np.inf
    for _ in range(STEPS):
        S, to = np.flatnonzero(y * f < 1), np.zeros(len(y))
        M = K[np.ix_(S, S)] + np.eye(len(S)) / (2 * cost)
        u, v = np.linalg.solve(M, np.stack([y[S], np.ones(len(S))], axis=1)).T
        bias = u.sum() / v.sum() if len(S) else b       # all are right: any b does
        to[S] = u - bias * v                                               # (9)
        goal, part = K @ to + bias, 1.0
        stays = np.array_equal(np.flatnonzero(y * goal < 1), S)
        while part > 1e-9:
            A1, f1, b1 = (old + part * (new - old) for old, new in
                          ((A, to), (f, goal), (b, bias)))
            least = A1 @ (f1 - b1) / 2 + cost * np.sum(np.maximum(1 - y * f1, 0) ** 2)
            if stays or least < value:
                break
            part /= 2
        else:                           # as low as rounding allows
            return A, b
        A, f, b, value = A1, f1, b1, least
        if stays:
            return A, b
    raise ValueError(f"cost is {cost!r}: must be less, {STEPS} steps did not do")


def fit(counts, labels, kind="linear", *, cost=1.0, degree=2):
    """Train on spike counts, eqs. (1)-(9).

    Parameters
    ----------
    counts : (N, m) float or int
        Spikes of each channel in each word.
    labels : (N,) int
        Classes from 0 on; the largest says how many there are.  One that is
        absent has the score -1 throughout; two must be there.
    kind, degree
        As for `compare`.
    cost : float
        Of a squared hinge: the larger, the closer to the training set.

    Returns
    -------
    Classifier

    Raises
    ------
    ValueError
        If a shape, label or range does not fit.

    Examples
    --------
    >>> counts = np.array([[0, 9], [1, 8], [9, 0], [8, 1]])
    >>> found = fit(counts, np.array([0, 0, 1, 1]))
    >>> scores(found, np.array([[2, 7]])).argmax(axis=1).tolist()
    [0]
    """
    counts = _array("counts", counts, None, None)
    Y = _labels(labels, len(counts))
    _cost(cost)
    mean, deviation = counts.mean(axis=0), counts.std(axis=0)
    z = _standardised(counts, mean, deviation)
    K = compare(z, z, kind, degree)
    A, b = zip(*(_machine(K, y, float(cost)) for y in Y.T), strict=True)
    A = np.stack(A, axis=1)
    used = A.any(axis=1)
    return Classifier(mean, deviation, z[used], A[used], np.array(b), kind, int(degree))


def scores(classifier, counts):
    """Scores of words, eqs. (1) and (10); the largest decides.

    Parameters
    ----------
    classifier : Classifier
        From `fit`.
    counts : (N, m) float or int
        Spikes of each channel.

    Returns
    -------
    (N, k) float64

    Raises
    ------
    ValueError
        If the classifier or the shape is another, or an entry not finite.

    Examples
    --------
    >>> one = Classifier(np.zeros(1), np.ones(1), np.ones((1, 1)),
    ...                  np.array([[1.0, -1.0]]), np.zeros(2), "linear", 2)
    >>> scores(one, np.array([[3]])).tolist()
    [[3.0, -3.0]]
    """
    if not isinstance(classifier, Classifier):
        raise ValueError(f"classifier is {classifier!r:.60}: must be a Classifier")
    mean, deviation, support, A, b, kind, degree = classifier
    z = _standardised(_array("counts", counts, None, len(mean)), mean, deviation)
    return compare(z, support, kind, degree) @ A + b                      # (10)
