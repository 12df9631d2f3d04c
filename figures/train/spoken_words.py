"""Read the data sets of spoken digits for the figures of [CSSZ20] and [CB22].

The words are the ten English and ten German digits, spoken by twelve speakers and
converted to spikes.  The function `embedded` reads 1,400 spoken words with 70 channels
from the file `data/hd_words.npz`, which is described in the file `data/README`.  The
function `stored` reads spoken words with 700 channels from the files `shd_train.h5` and
`shd_test.h5`.  These two files contain either the published Spiking Heidelberg Digits
(SHD), or spikes that the command `python -m refsnn convert` computes from the same
audio recordings.
"""

import os
import pathlib
from typing import NamedTuple

import h5py
import numpy as np

from figures.run import colours
from refsnn import binning, events

FOLDER = pathlib.Path(__file__).parent / "data"
EMBEDDED = "1,400 Heidelberg Digits"            # name of the embedded words
FILES = ("shd_train.h5", "shd_test.h5")
# How the words for --full differ from those of the papers.
REGENERATED = ("spikes computed by refsnn from the recordings (SHD regenerated; other "
               "random numbers, and another choice of the 424 test words of known "
               "speakers), unless the files of SHD are given")
SMALL = "1,400 words in 70 channels in place of 10,420 words in 700 channels"
KEYS = ("training", "known", "held-out")        # of the next three sets, in ids
SETS = ("training words", "held-out recordings of known speakers", "held-out speakers")
LOOKS = dict(zip(SETS, ((colours.GREY, "s"), (colours.ORANGE, "o"),
                        (colours.VERMILION, "^")), strict=True))
WORDS = ("zero one two three four five six seven eight nine null eins zwei drei vier "
         "fünf sechs sieben acht neun").split()         # of the classes 0, 1, ...
HELD_OUT = (4, 5)           # speakers of test words only
# Speakers of training words, and of words that replace the test words in order to
# choose hyperparameters.
VALIDATED = (3, 9)
AT_ONCE = 2000              # number of words that are read from a file at once


class Words(NamedTuple):
    """Hold N spoken words, with spikes sorted by time."""

    times: list             # times (E,) of each word, s
    units: list             # channels (E,) of each word
    label: np.ndarray       # (N,) class of each word
    speaker: np.ndarray     # (N,) number of the speaker of each word
    test: np.ndarray        # (N,) bool, whether the word is in the test set
    channels: int
    title: str              # name of the data set


def folder(size, data):
    """Return the data folder, or None without --full."""
    return (data or "") if size == "full" else None


def named(size):
    """Return the name of the words of a size."""
    return "Heidelberg Digits" if size == "full" else EMBEDDED


def read(folder):
    """Read spoken words from a folder or the repository."""
    return embedded() if folder is None else stored(folder)


def embedded():
    """Return the 1,400 spoken words stored in the repository."""
    with np.load(FOLDER / "hd_words.npz") as file:
        d = dict(file)
    cuts = d["ends"][:-1]
    times = [(1e-3 * (np.cumsum(steps, dtype=int) + 0.5)).astype(np.float32)
             for steps in np.split(d["steps"], cuts)]
    return Words(times, np.split(d["units"].astype(np.uint16), cuts),
                 d["labels"].astype(int), d["speakers"].astype(int), d["part"] > 0, 70,
                 EMBEDDED)


def names():
    """Return the file names of the audio recordings."""
    with np.load(FOLDER / "hd_words.npz") as file:
        return file["names"].tolist()


def stored(folder):
    """Read the words from the files `FILES`."""
    found = {}
    for name in FILES:
        path = os.path.join(folder, name)
        if not os.path.isfile(path):
            raise ValueError(f"data is {folder!r}: must have the files "
                             + " and ".join(FILES))
        with h5py.File(path, "r") as file:
            count, theirs = len(file["labels"]), "meta_info" in file["extra"]
        for start in range(0, count, AT_ONCE):
            some = events.read(path, start=start, stop=min(start + AT_ONCE, count))
            for key, values in (
                    ("times", [t.astype(np.float32) for t in some.times]),
                    ("units", [u.astype(np.uint16) for u in some.units]),
                    ("label", some.labels), ("speaker", some.speaker),
                    ("test", [name == FILES[1]] * len(some.times))):
                found.setdefault(key, []).extend(values)
    return Words(found["times"], found["units"], *(
        np.array(found[key]) for key in ("label", "speaker", "test")), 700,
        "SHD" if theirs else "SHD regenerated")


def validation(words):
    """Split the training words by speaker."""
    kept = np.flatnonzero(~words.test)
    return words._replace(
        times=[words.times[i] for i in kept], units=[words.units[i] for i in kept],
        label=words.label[kept], speaker=words.speaker[kept],
        test=np.isin(words.speaker[kept], VALIDATED))


def sets(words):
    """Return the word indices of each set.

    Known speakers are the speakers of training words.
    """
    known = np.isin(words.speaker, words.speaker[~words.test])
    return [np.flatnonzero(which) for which in
            (~words.test, words.test & known, words.test & ~known)]


def tested(data, condition):
    """Return the accuracy on all test words."""
    size = data["size"][1:].astype(float)
    return np.nan_to_num(data[condition][:, 1:]) @ (size / size.sum())


def durations(words):
    """Return the last spike time of each spoken word."""
    return np.array([float(t.max(initial=0.0)) for t in words.times])


def counts(words):
    """Return the spike counts (N, channels) of N spoken words."""
    return np.array([np.bincount(u, minlength=words.channels) for u in words.units],
                    float)


def binned(words, index, dt, longest):
    """Return binned spikes of the words `index`.

    The spike counts have the shape (T, B, channels). Spikes later than `longest`
    seconds are dropped.
    """
    choices = binning.Binning(0.0, longest, dt, "left", "count", "drop", "keep")
    return binning.dense([words.times[i] for i in index],
                         [words.units[i] for i in index], words.channels, choices,
                         dtype=np.float32)
