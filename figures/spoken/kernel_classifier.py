"""Train linear, polynomial and radial support vector machines on spike counts.

The classifiers receive the number of spikes in each channel and no spike
times.  Counts c (N, m) of N words in m channels are standardised with the mean
and standard deviation of the training words.  A kernel k compares two words:

    z = (c - mean) / deviation, 0 where the deviation is 0       (1)
    "linear"      k(z, z') = z . z' / m                          (2)
    "polynomial"  k(z, z') = (1 + z . z' / m)^degree             (3)
    "radial"      k(z, z') = exp(-|z - z'|^2 / m)                (4)

Let K (N, N) be the kernel matrix of the training words, and let Y be 1 for the class
of a word and -1 for the other classes.  For each class, one machine learns to
separate the class from all other classes.  The coefficients A and the biases b of
all machines minimise E:

    f = K A + b                                                  (5)
    E = sum A * K A / 2 + cost sum max(0, 1 - Y f)^2             (6)

Derivation.  Let D be the derivative of the second term of E with respect to f,

    D = -2 cost Y max(0, 1 - Y f)                                (7)
    dE/dA = K (A + D),  dE/db = sum_n D                          (8)

    Both derivatives vanish if A = -D.  The matrix D is 0 except for the set S
    of words with Y f < 1.  For a known S, the condition A = -D is linear,
    because Y^2 = 1:

    (K_SS + 1/(2 cost)) A_S + b = Y_S,  sum A_S = 0              (9)

    Newton's method solves eq. (9) for the current S.  Each iteration takes the
    full step, or halves the step until E decreases.  The method stops if S
    does not change.  The scores of new words z are

    f(z) = k(z, z_train) A + b                                   (10)

Exact.  The objective E is convex and piecewise quadratic.  The unique minimum
    in K A and b is found up to rounding.  The second derivative of E jumps
    at Y f = 1.
Cost.   The kernel matrix takes O(N^2 m) time.  Each class takes about ten
    Newton steps of O(|S|^3) time.
Departures.  [CSSZ20] used a library with a hinge loss that is not squared.
    The library trains one machine for each pair of classes and lets these
    machines vote.

[CSSZ20] B. Cramer, Y. Stradmann, J. Schemmel and F. Zenke, IEEE TNNLS
    33(7), 2744-2757, 2022, arXiv 1910.07407.
"""

from typing import NamedTuple

import numpy as np

KINDS = ("linear", "polynomial", "radial")
STEPS = 200             # largest number of Newton steps


class Classifier(NamedTuple):
    """Hold the classifier that `fit` returns; all arrays are float64."""

    mean: np.ndarray            # (m,) mean in eq. (1)
    deviation: np.ndarray       # (m,) standard deviation in eq. (1)
    support: np.ndarray         # (S, m) standardised support vectors
    A: np.ndarray               # (S, k) coefficients
    b: np.ndarray               # (k,) biases
    kind: str
    degree: int


def compare(z, other, kind, degree=2):
    """Return the kernel matrix of two sets of words, eqs. (2)-(4).

    Parameters
    ----------
    z, other : (N, m) and (S, m) float
        Standardised counts.
    kind : {"linear", "polynomial", "radial"}
        Kind of the kernel.
    degree : int
        Degree of the polynomial, 1 to 9.

    Returns
    -------
    (N, S) float64

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
    if kind not in KINDS or degree not in range(1, 10):
        raise ValueError(f"kind, degree are {kind!r}, {degree!r}: must be one of "
                         f"{KINDS} and an integer from 1 to 9")
    inner = z @ other.T / m
    if kind == "linear":
        return inner                                                       # (2)
    if kind == "polynomial":
        return (1 + inner) ** int(degree)                                  # (3)
    squares = (z ** 2).sum(axis=1)[:, None] + (other ** 2).sum(axis=1)
    return np.exp(-np.maximum(squares / m - 2 * inner, 0))                 # (4)


def objective(A, b, K, labels, cost):
    """Return the training objective and its gradient, eqs. (5)-(8).

    Parameters
    ----------
    A, b : (N, k) and (k,) float
        Coefficients and biases.
    K : (N, N) float
        Symmetric kernel matrix of the training words.
    labels : (N,) int
        Classes of the training words, 0 ... k-1.
    cost : float
        Weight of the squared hinge loss.

    Returns
    -------
    value : float
    dA, db : (N, k) and (k,) float64

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
    Y, KA = _targets(labels, N, k), K @ A
    f = KA + b                                                             # (5)
    hinge = np.maximum(1 - Y * f, 0)
    value = np.sum(A * KA) / 2 + cost * np.sum(hinge ** 2)                 # (6)
    D = -2 * cost * Y * hinge                                              # (7)
    return float(value), K @ (A + D), D.sum(axis=0)                        # (8)


def fit(counts, labels, kind="linear", *, cost=1.0, degree=2):
    """Train one support vector machine for each class on spike counts, eqs. (1)-(9).

    Parameters
    ----------
    counts : (N, m) float or int
        Number of spikes of each channel in each word.
    labels : (N,) int
        Classes of the words; the number of classes is the largest label + 1.
        At least two classes must occur.  A class without words has the score
        -1 for every word.
    kind, degree
        Kind and degree of the kernel, as for `compare`.
    cost : float
        Weight of the squared hinge loss; larger values fit the training
        words more closely.

    Returns
    -------
    Classifier

    Examples
    --------
    >>> counts = np.array([[0, 9], [1, 8], [9, 0], [8, 1]])
    >>> found = fit(counts, np.array([0, 0, 1, 1]))
    >>> scores(found, np.array([[2, 7]])).argmax(axis=1).tolist()
    [0]
    """
    counts = _array("counts", counts, None, None)
    Y = _targets(labels, len(counts))
    if not 0 < cost < 1e12:
        raise ValueError(f"cost is {cost!r}: must be above 0 and below 1e12")
    mean, deviation = counts.mean(axis=0), counts.std(axis=0)
    deviation[np.ptp(counts, axis=0) == 0] = 0          # rounding of the mean
    z = _standardised(counts, mean, deviation)
    K = compare(z, z, kind, degree)
    A, b = zip(*(_machine(K, y, float(cost)) for y in Y.T), strict=True)
    A = np.stack(A, axis=1)
    used = A.any(axis=1)
    return Classifier(mean, deviation, z[used], A[used], np.array(b), kind, int(degree))


def _standardised(counts, mean, deviation):
    return np.divide(counts - mean, deviation, out=np.zeros(counts.shape),
                     where=deviation > 0)                                  # (1)


def _machine(K, y, cost):
    """Train one class against all other classes.

    Return the bias b and the coefficients A, an array of shape (N,).
    """
    A, f, b, value = np.zeros(len(y)), np.zeros(len(y)), 0.0, np.inf
    for _ in range(STEPS):
        S, to = np.flatnonzero(y * f < 1), np.zeros(len(y))
        M = K[np.ix_(S, S)] + np.eye(len(S)) / (2 * cost)
        u, v = np.linalg.solve(M, np.stack([y[S], np.ones(len(S))], axis=1)).T
        bias = u.sum() / v.sum() if len(S) else b       # S empty: any b is optimal
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
        else:                           # no further decrease because of rounding
            return A, b
        A, f, b, value = A1, f1, b1, least
        if stays:
            return A, b
    raise ValueError(f"cost is {cost!r}: must be smaller, Newton's method did not "
                     f"converge in {STEPS} steps")


def scores(classifier, counts):
    """Return the score of each word for each class, eqs. (1) and (10).

    The predicted class is the class with the largest score.

    Parameters
    ----------
    classifier : Classifier
        Result of `fit`.
    counts : (N, m) float or int
        Number of spikes of each channel in each word.

    Returns
    -------
    (N, k) float64

    Examples
    --------
    >>> one = Classifier(np.zeros(1), np.ones(1), np.ones((1, 1)),
    ...                  np.array([[1.0, -1.0]]), np.zeros(2), "linear", 2)
    >>> scores(one, np.array([[3]])).tolist()
    [[3.0, -3.0]]
    """
    mean, deviation, support, A, b, kind, degree = classifier
    z = _standardised(_array("counts", counts, None, len(mean)), mean, deviation)
    return compare(z, support, kind, degree) @ A + b                      # (10)


# ---- checks --------------------------------------------------------------------

def _array(name, value, *shape):
    """Check that a value is finite and of the given shape; return it as float64.

    An entry None in `shape` allows any length above 0.
    """
    a = np.array(value, np.float64)
    if a.ndim != len(shape) or not a.size or not np.isfinite(a).all() or any(
            want not in (None, size) for want, size in zip(shape, a.shape,
                                                           strict=True)):
        raise ValueError(f"{name} is of shape {a.shape}: must be finite, of shape "
                         f"{shape}")
    return a


def _targets(labels, N, k=None):
    """Return the targets Y, an array of shape (N, k).

    An entry is 1 for the class of a word, and -1 otherwise.
    """
    labels = np.asarray(labels)
    if labels.shape != (N,) or labels.dtype.kind not in "iu":
        raise ValueError(f"labels is of shape {labels.shape}, dtype {labels.dtype}: "
                         f"must be integers of shape ({N},)")
    low, high = labels.min(), labels.max()
    if low < 0 or (low == high if k is None else high >= k):
        raise ValueError(f"labels is from {low} to {high}: must contain at least two "
                         "classes, numbered from 0")
    k = int(high) + 1 if k is None else k
    return np.where(labels[:, None] == np.arange(k), 1.0, -1.0)
