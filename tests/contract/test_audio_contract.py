"""What the functions of `refsnn.audio` accept and refuse, apart from files."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
from harness import contract, verify
from scipy.io import wavfile

from refsnn import audio

RATE = "() int in [1000, 768000]"


def read(**options):
    """Read a small file, and return the sum of its samples."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.wav"
        wavfile.write(path, 8000, np.arange(8, dtype=np.int16))
        return audio.read(path, **options)[0].sum()


def resample(**options):
    """Resample a sound, and return the sum of its samples, which are float64."""
    return audio.resample(**options).sum()


def prepare(audio_, **options):
    """Prepare a sound that is long enough, and return the sum of its squares."""
    if type(audio_) is np.ndarray and audio_.ndim == 1 and audio_.size:
        audio_ = np.tile(audio_, 4)
    elif type(audio_) is list:
        audio_ = audio_ * 4
    return (audio.prepare(audio_, **options) ** 2).sum()


FUNCTIONS = [
    contract(read, "longest () in (0, 1e12], clipped {refuse, keep}, mix bool"),
    contract(resample, f"audio (N) float, rate {RATE}, to {RATE}",
             given={"rate": 8000, "to": 12000}, N=9),
    contract(lambda audio, **more: prepare(audio, **more), "audio (N) float, "
             "rate () in (0, 1e12], level () in (0, 1e12]", N=9),
]


@pytest.mark.parametrize("c", FUNCTIONS, ids=lambda c: c.function.__name__)
def test_contract(c):
    bad = verify(c)
    assert not bad, "\n".join(bad)


A = np.ones(10)


@pytest.mark.parametrize("call, match", [
    (lambda: audio.read(None), "^path is None: must be one of str, PathLike"),
    (lambda: audio.read(7), "^path is 7"),
    (lambda: audio.prepare(A * 0, 8000), "^audio is silent: must have samples other"),
    (lambda: audio.prepare(A[:3], 8000), "^audio has 3 samples, .*: must be 4 or more"),
    (lambda: audio.prepare(A, 8000, ramp=0.001), "ramp = 0.001 is 8: must be 4 or mo"),
    (lambda: audio.prepare(A, 8000, ramp=6 / 8000), "is 6: must be 4 or more"),
    (lambda: audio.prepare(A, 8000, ramp=1e-5), "ramp = 1e-05 is 0"),
    (lambda: audio.prepare(A, 8000, ramp=True), "^ramp is True: must be a real number"),
    (lambda: audio.prepare(A, 8000, ramp=0), r"^ramp is 0.*: must be in \(0, 1e12\]"),
    (lambda: audio.prepare(A, 8000, ramp=2e12), r"^ramp is 2.*: must be in \(0, 1e12")])
def test_relations_between_arguments(call, match):
    with pytest.raises(ValueError, match=match):
        call()


def test_ends_are_accepted():
    assert audio.prepare(A, 8000, ramp=5 / 8000).shape == (10,)
    assert audio.prepare(A[:4], 1e-12, ramp=1e12).shape == (4,)
    assert read(longest=1e12) > 0
    for rate in (1000, 768000):
        assert audio.resample(A, rate, rate).shape == (10,)
    assert audio.prepare(A, 1e12, level=1e12).max() > 1e11
