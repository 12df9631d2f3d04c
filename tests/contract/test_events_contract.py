"""What the functions of `refsnn.events` accept and refuse, apart from files."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
from harness import contract, verify

from refsnn import events


def write(times, units, labels, **options):
    """Write recordings with equal spikes; return the sums of what `read` finds."""
    options = {"keys": ["a", "b", "c"], "channels": 6} | options
    spikes = [(times, units)] * len(labels) if isinstance(labels, (
        list, np.ndarray)) else []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.h5"
        assert events.write(path, iter(spikes), labels, **options) is None
        found = events.read(path, channels=1 << 16)
    return [sum(sum(a) for a in found.times), sum(sum(a) for a in found.units),
            found.labels] + [a.sum() for a in [found.speaker] if a is not None]


def read(unsorted="refuse", limit=1e6, channels=6, start=0, stop=None):
    """Read a file of three recordings, or return 0 if the file does not agree with the
    arguments."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.h5"
        events.write(path, [(np.array([0.25, 0.5]), np.array([3, 5]))] * 3, [0, 1, 2],
                     ["a", "b", "c"])
        try:
            found = events.read(path, channels=channels, unsorted=unsorted, start=start,
                                stop=stop, limit=limit)
        except ValueError as error:
            if str(error).startswith(str(path)):
                return np.zeros(())
            raise
    return [*found.times, *found.units, found.labels]


FUNCTIONS = [
    contract(write, "times (p*) in [0, 65504], units (p*) int in [0, 5], "
             "labels (N) int in [0, 2], speaker? (N) int in [0, 65535]",
             given=lambda module, rng, dtype, sizes: {
                 "times": np.linspace(0, 1, sizes["p"])}, N=3),
    contract(write, "channels () int in [1, 65536]", given={
        "times": np.array([0.5]), "units": np.array([0]), "labels": np.array([1])}),
    contract(read, "unsorted {refuse, sort}, limit () in [0, inf], "
             "channels () int in [1, 65536], start () int in [0, inf), "
             "stop? () int in [1, inf)", given={"limit": 1e6, "start": 1, "stop": 3}),
]


@pytest.mark.parametrize("c", FUNCTIONS, ids=lambda c: c.function.__name__)
def test_contract(c):
    bad = verify(c)
    assert not bad, "\n".join(bad)
