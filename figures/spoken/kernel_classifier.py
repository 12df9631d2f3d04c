"""Train linear, polynomial and radial support vector machines on spike counts.

The input of a classifier is the number of spikes of a spoken word in each channel,
without the spike times.  The spike counts c (N, m) of N spoken words in m channels are
standardised with the mean and the standard deviation over the training words.  A kernel
k(z, z') measures the similarity of two spoken words with the standardised counts z and
z':

    z = (c - mean) / deviation, 0 where the deviation is 0       (1)
    "linear"      k(z, z') = z . z' / m                          (2)
    "polynomial"  k(z, z') = (1 + z . z' / m)^2                  (3)
    "radial"      k(z, z') = exp(-|z - z'|^2 / m)                (4)

For each class, one support vector machine learns to separate the class from all other
classes.  Let K (N, N) be the kernel matrix of the spoken training words, and let the
matrix Y have the entry 1 for the class of a word and -1 for all other classes.  The
scores f of the spoken training words depend on the coefficients A and the biases b,
which minimise the objective E:

    f = K A + b                                                  (5)
    E = sum A * K A / 2 + cost sum max(0, 1 - Y f)^2             (6)

Derivation.  Let D be the derivative of the second term of E with respect to f,

    D = -2 cost Y max(0, 1 - Y f)                                (7)
    dE/dA = K (A + D),  dE/db = sum_n D                          (8)

    Both derivatives vanish if A = -D.  The matrix D is 0 except for the set S
    of words with Y f < 1.  For a known S, the condition A = -D is linear,
    because Y^2 = 1:

    (K_SS + 1/(2 cost)) A_S + b = Y_S,  sum A_S = 0              (9)

    Each iteration of Newton's method solves eq. (9) for the current set S.  In each
    iteration, the change of A and b is halved until the objective E decreases.  The
    iteration stops if the set S does not change.  The scores of new words z are

    f(z) = k(z, z_train) A + b                                   (10)

Exact.  The objective E is convex and piecewise quadratic.  Newton's method finds the
    unique minimum of E with respect to K A and b, up to rounding.  The second
    derivative of E with respect to f is discontinuous at Y f = 1.
Cost.   The kernel matrix takes O(N^2 m) time.  The machine of each class takes about
    ten Newton steps of O(|S|^3) time.
Departures.  [CSSZ20] used a library with a hinge loss that is not squared.
    The library used in [CSSZ20] trains one support vector machine for each pair of
    classes, and these machines vote.

[CSSZ20] B. Cramer, Y. Stradmann, J. Schemmel and F. Zenke, IEEE TNNLS
    33(7), 2744-2757, 2022, arXiv 1910.07407.
"""

from typing import NamedTuple

import numpy as np

KINDS = ("linear", "polynomial", "radial")
STEPS = 200             # largest number of Newton steps


class Classifier(NamedTuple):
    """Hold a trained classifier, in float64."""

    mean: np.ndarray            # (m,) mean in eq. (1)
    deviation: np.ndarray       # (m,) standard deviation in eq. (1)
    support: np.ndarray         # (S, m) standardised support vectors
    A: np.ndarray               # (S, k) coefficients
    b: np.ndarray               # (k,) biases
    kind: str


def compare(z, other, kind):
    """Return a kernel matrix, eqs. (2)-(4).

    The arrays `z` (N, m) and `other` (S, m) hold standardised spike counts.

    >>> z = np.array([[1.0, 0.0], [0.0, 2.0]])
    >>> compare(z, z[:1], "linear").tolist()
    [[0.5], [0.0]]
    >>> compare(z, z[:1], "polynomial").tolist()
    [[2.25], [1.0]]
    """
    m = z.shape[1]
    inner = z @ other.T / m
    if kind == "linear":
        return inner                                                       # (2)
    if kind == "polynomial":
        return (1 + inner) ** 2                                            # (3)
    squares = (z ** 2).sum(axis=1)[:, None] + (other ** 2).sum(axis=1)
    return np.exp(-np.maximum(squares / m - 2 * inner, 0))                 # (4)


def fit(counts, labels, kind, *, cost=1.0):
    """Train a classifier on spike counts, eqs. (1)-(9).

    If no spoken training word belongs to a class, the score of this class is -1 for
    every word.

    Parameters
    ----------
    counts : (N, m) float, number of spikes of each channel in each word.
    labels : (N,) int, classes of the words; the number of classes is the largest
        label + 1.
    kind : kind of the kernel, one of `KINDS`.
    cost : weight of the squared hinge loss; larger values fit the training words more
        closely.

    >>> counts = np.array([[0.0, 9], [1, 8], [9, 0], [8, 1]])
    >>> found = fit(counts, np.array([0, 0, 1, 1]), "linear")
    >>> scores(found, np.array([[2.0, 7]])).argmax(axis=1).tolist()
    [0]
    """
    Y = np.where(labels[:, None] == np.arange(labels.max() + 1), 1.0, -1.0)
    mean, deviation = counts.mean(axis=0), counts.std(axis=0)
    deviation[np.ptp(counts, axis=0) == 0] = 0          # rounding of the mean
    z = _standardised(counts, mean, deviation)
    K = compare(z, z, kind)
    A, b = zip(*(_machine(K, y, cost) for y in Y.T), strict=True)
    A = np.stack(A, axis=1)
    used = A.any(axis=1)
    return Classifier(mean, deviation, z[used], A[used], np.array(b), kind)


def _standardised(counts, mean, deviation):
    return np.divide(counts - mean, deviation, out=np.zeros(counts.shape),
                     where=deviation > 0)                                  # (1)


def _machine(K, y, cost):
    """Train one class against all other classes."""
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
    """Return the scores (N, k), eq. (10).

    The predicted class is the class with the largest score.

    >>> one = Classifier(np.zeros(1), np.ones(1), np.ones((1, 1)),
    ...                  np.array([[1.0, -1.0]]), np.zeros(2), "linear")
    >>> scores(one, np.array([[3.0]])).tolist()
    [[3.0, -3.0]]
    """
    mean, deviation, support, A, b, kind = classifier
    z = _standardised(counts, mean, deviation)
    return compare(z, support, kind) @ A + b                              # (10)
