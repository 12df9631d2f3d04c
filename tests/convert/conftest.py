"""Fixtures for the tests of the command `convert`."""

import os

import pytest
from recorded import record


@pytest.fixture
def words(tmp_path):
    return [record(tmp_path / "one.wav"), record(tmp_path / "two.wav", pitch=900.0)]


@pytest.fixture
def many(tmp_path, monkeypatch):
    """Record words of two folders, of the same names, and enter their folder."""
    monkeypatch.chdir(tmp_path)
    paths = [f"{word}/speaker-{speaker:02}_{speaker - 6}.wav" for word in ("yes", "no")
             for speaker in (7, 8, 11)]
    for i, path in enumerate(paths):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        record(path, seconds=0.1, pitch=300 + 50 * i)
    return paths
