"""The cosines of `rules_in_depth`, in small networks."""

import matplotlib.figure
import numpy as np
import pytest

from figures.online import fig_rules_in_depth as figure
from figures.run import claims


@pytest.fixture(scope="module")
def data():
    return figure.gather([figure.learn(depth, 3, 6, 0, repeat)
                          for repeat in range(2) for depth in figure.DEPTHS])


def test_cosines_are_those_of_live_networks(data):
    assert data["cosine"].shape == (2, len(figure.RULES), 4, 2, 2)
    assert (np.abs(data["cosine"]) <= 1).all() and np.ptp(data["cosine"]) > 0.5
    assert (data["rate"] > 0.01).all() and (data["rate"] < 0.9).all()
    assert (data["loss"][1] < data["loss"][0]).all()        # training lowers the loss
    assert data["difference"].max() < 1e-10


def test_one_layer_has_one_part(data):
    """In networks with one hidden layer, both parts are the same gradient."""
    one, more = data["cosine"][:, :, 0], data["cosine"][:, :, 1:]
    np.testing.assert_allclose(one[..., 0], one[..., 1], rtol=1e-12)
    assert np.abs(more[..., 0] - more[..., 1]).min() > 1e-6


def test_cosines_compare_directions():
    exact = [[np.array([3.0]), np.array([4.0])], [np.array([5.0]), None]]
    found = [[np.array([4.0]), np.array([-3.0])], [np.array([5.0]), None]]
    assert figure.cosines(found, exact) == [0, 0]
    assert figure.cosines(exact, exact) == [1, 1]


def test_claims_and_plot(data):
    for size in ("quick", "default", "full"):
        ids = {claim.id for claim in claims.declared(figure, size)}
        assert ids == set(figure.measured(data))
    figure.plot(figure.shown(data), matplotlib.figure.Figure(layout="constrained"))
