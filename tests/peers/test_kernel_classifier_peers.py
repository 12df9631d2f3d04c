"""Support vector machines: decision values equal those of scikit-learn.

A squared hinge of weight `cost` equals a hard margin with the kernel K + I / (2 cost).
Not part of the suite: needs the `peers` extra.
"""

import numpy as np
import pytest

from figures.spoken import kernel_classifier as machine


def words(seed, N=120, m=20, classes=4):
    rng = np.random.default_rng(seed)
    labels = np.arange(N) % classes
    means = np.random.default_rng(0).gamma(2.0, 3.0, (classes, m))
    return rng.poisson(means[labels]), labels


@pytest.mark.parametrize("cost", [0.1, 1.0, 30.0])
@pytest.mark.parametrize("kind", machine.KINDS)
def test_decision_values(kind, cost):
    from sklearn.svm import SVC
    counts, labels = words(1)
    test, _ = words(2)
    found = machine.fit(counts, labels, kind, cost=cost)
    scores = machine.scores(found, test)
    z, unseen = (np.divide(c - counts.mean(axis=0), counts.std(axis=0))
                 for c in (counts, test))
    K = machine.compare(z, z, kind)
    some = 0
    for k in range(4):
        svc = SVC(kernel="precomputed", C=1e8, tol=1e-9)
        svc.fit(K + np.eye(len(K)) / (2 * cost), labels == k)
        wanted = svc.decision_function(machine.compare(unseen, z, kind))
        assert np.abs(scores[:, k] - wanted).max() < 1e-4
        some += len(svc.support_) < len(K)
    assert some                         # not every word is a support vector
    assert np.ptp(scores) > 0.5


def test_another_cost_gives_other_decision_values():
    counts, labels = words(1)
    one, two = (machine.scores(machine.fit(counts, labels, "radial", cost=cost), counts)
                for cost in (1.0, 1.01))
    assert np.abs(one - two).max() > 1e-3
