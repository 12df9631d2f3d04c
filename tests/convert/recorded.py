"""Recordings for the tests of the command `convert`, and the files that it writes."""

import os
from pathlib import Path

import h5py
import numpy as np
from scipy.io import wavfile

from refsnn import __main__

PATH = {**os.environ, "PYTHONPATH": str(Path(__main__.__file__).resolve().parents[1])}


def record(path, seconds=0.06, rate=16000, pitch=300.0):
    t = np.arange(round(seconds * rate)) / rate
    sound = np.sin(2 * np.pi * pitch * t) * (t % 0.02 < 0.008)
    wavfile.write(path, rate, np.rint(20000 * sound).astype(np.int16))
    return str(path)


def run(*arguments, label="(.*)"):
    return __main__.main(["convert", *map(str, arguments), "--channels", "16",
                         *(["--label", str(label)] if label else [])])


def contents(path):
    """Return [(times, units), ...], labels, keys and speakers of a file."""
    with h5py.File(path, "r") as file:
        spikes = list(zip(file["spikes/times"][:], file["spikes/units"][:],
                          strict=True))
        return (spikes, file["labels"][:].tolist(),
                [key.decode() for key in file["extra/keys"][:]],
                file["extra/speaker"][:].tolist())


def same(a, b):
    return len(a) == len(b) and all((x == y).all() for pair in zip(a, b, strict=True)
                                    for x, y in zip(*pair, strict=True))


def silent(path):
    wavfile.write(path, 8000, np.zeros(800, np.int16))


def clipped(path):
    wavfile.write(path, 8000, np.full(800, 32767, np.int16))


def stereo(path):
    wavfile.write(path, 8000, np.ones((800, 2), np.int16))
