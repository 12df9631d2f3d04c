"""Four hidden neurons: the cases differ in the feedback that they claim to have."""

import numpy as np
import pytest

from figures.superspike import fig_superspike_hidden as figure
from figures.superspike import superspike_training as training


@pytest.mark.parametrize("kind", [*figure.KINDS, "negative"])
def test_feedback_of_each_case(kind, monkeypatch):
    kept = []
    original = training.accumulate
    monkeypatch.setattr(training, "accumulate", lambda layers, ran, signal, matrix: (
        kept.append(matrix), original(layers, ran, signal, matrix))[1])
    n = figure.MORE if kind == figure.WIDE else figure.HIDDEN
    result = figure.learn(kind, 6, 1, 3, n)
    matrix, = kept
    assert result["feedback"].shape == result["output"].shape == (6, n)
    assert result["counts"].tolist() == [0] and not result["hits"].any()
    if kind == "symmetric":
        assert matrix is None
    elif kind == "uniform":
        assert (matrix == 1).all()
    elif kind == "negative":
        assert (matrix < 0).all() and len(np.unique(matrix)) == matrix.size
    else:
        assert 0.2 < (matrix > 0).mean() < 0.8 and (matrix > 0).any(axis=1).all()


def test_the_spikes_of_hidden_and_output_neurons_are_counted():
    """With positive feedback, networks of the same seed become active."""
    active, silent = (figure.learn(kind, 2, 25, 3, 4)["counts"]
                      for kind in ("uniform", "negative"))
    assert active[0] == 0 and active[-1] > 0
    assert len(silent) == 25 and not silent.any()
