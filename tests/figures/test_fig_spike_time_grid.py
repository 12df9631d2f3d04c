"""The errors and claims of `spike_time_grid`, with large steps."""

import matplotlib.figure
import numpy as np
import pytest

from figures.run import claims
from figures.spike_times import fig_spike_time_grid as figure


@pytest.fixture(scope="module")
def data():
    return figure.gather([figure.compare((1e-3, 1e-4, 5e-5), 0, repeat)
                          for repeat in range(2)])


def test_networks_spike_and_errors_fall(data):
    assert (data["rate"] > 1).all() and data["error"].shape == (3, 3, 2, 4, 2)
    assert (data["error"][1:] > 0).all() and (data["error"][1:, :, :, 0] < 5e-4).all()
    assert (data["error"][2, 2, 1, [0, 2, 3]] < data["error"][2, 2, 0, [0, 2, 3]]).all()
    assert (np.abs(data["cosine"]) <= 1).all() and np.ptp(data["cosine"]) > 0.5


def test_spikes_are_numbered_for_each_neuron():
    found, counts = figure.ranks(np.array([1, 0, 1, 1]), 3)
    assert found.tolist() == [0, 0, 1, 2] and counts.tolist() == [1, 3, 0]


def test_errors_grow_near_the_maximum(data):
    ahead, (end, between) = data["ahead"], data["touch"]
    assert (np.diff(ahead) > 0).all() and ahead[0] < 0.5 and ahead[-1] > 10
    assert np.nanmax(end[ahead < 2]) > 5 * np.nanmax(end[ahead > 10])
    assert np.nanmax(between[ahead > 1]) < np.nanmax(end[ahead > 1])


def test_claims_and_plot(data):
    for size in ("quick", "default", "full"):
        ids = {claim.id for claim in claims.declared(figure, size)}
        assert ids == set(figure.measured(data))
    figure.plot(figure.shown(data), matplotlib.figure.Figure(layout="constrained"))
