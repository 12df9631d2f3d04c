"""Spoken words on an analog chip: 70 inputs, 186 recurrent neurons, 20 readouts.

The keyword task of [CB22], on any pair of files in the format of the Spiking
Heidelberg Digits, NAME_train.h5 and NAME_test.h5.  `keywords` is a job: it
learns input, recurrent and readout weights with a chip in the loop, or in
ideal software.  Its control, recurrence="fixed", continues such a job: it
starts anew with that one's recurrent weights, shuffled, which then stay.
"""

import pathlib

import numpy as np

import chip_tasks as tasks
import common
import train
from refsnn import chip_coding, chip_effects, events, losses

HIDDEN, FIGURE = 186, "chip_words"
SPEED = 2000.0                      # a second of speech is 500 us on the chip
# Scores are sums over some 300 steps: ten times less than the published scale.
RULE = tasks.Rule(scaling=0.1, burst=0.0)
EXCITED, BOUND = 1e-7, 3000.0       # homeostasis: spikes of the layer in a word


def read(path):
    """All words of a file, as `events.Recordings`."""
    return events.read(path, unsorted="sort")


def find(folder):
    """Paths of the training and the test file in a folder."""
    found = sorted(pathlib.Path(folder).glob("*_train.h5"))
    for path in found:
        test = path.with_name(path.name.replace("_train", "_test"))
        if test.is_file():
            return path, test
    raise ValueError(f"{folder}: has no NAME_train.h5 with NAME_test.h5, the "
                     "recordings in the format of SHD")


def steps(words):
    """Bins that the longest word takes on the chip, and 20 more."""
    last = max((t.max(initial=0.0) for t in words.times), default=0.0)
    return int(last / SPEED / tasks.DT_S) + 1 + tasks.STEPS


def coded(words, index, T, spread=0.0, rng=None):
    """Input spikes (T, B, 70) of some words."""
    return np.stack([chip_coding.words(words.times[i], words.units[i], T=T,
                                       dt=tasks.DT_S, speed=SPEED, spread=spread,
                                       rng=rng) for i in index], axis=1)


def shuffled(weights, rng):
    """The same network with its recurrent weights in random places."""
    recurrent = rng.permutation(weights.recurrent.ravel())
    return weights._replace(recurrent=recurrent.reshape(weights.recurrent.shape))


def accuracy(run, weights, words, T, size=100):
    """Share of words whose readout has the largest sum over time."""
    right = 0.0
    for first in range(0, len(words.labels), size):
        index = np.arange(first, min(first + size, len(words.labels)))
        out = run(weights, coded(words, index, T)).out
        right += losses.accuracy(out, words.labels[index], "sum") * len(index)
    return right / len(words.labels)


def keywords(folder, kind, recurrence, epochs, spread, seed, repeat, hidden=HIDDEN,
             batch=RULE.batch, before=None):
    """Train on a data set; curves, accuracies, and weights.

    kind : "chip" or "software".
    recurrence : "trained", or "fixed", which needs the result `before` of a
        trained network.
    spread : of the channels while learning (augmentation), in channels.
    """
    words, words_test = (read(path) for path in find(folder))
    if (recurrence == "fixed") != (before is not None):
        raise ValueError(f"recurrence is {recurrence!r}: must be 'trained', or 'fixed' "
                         "with the result of a trained network before")
    T = max(steps(words), steps(words_test))
    classes = 1 + int(max(words.labels.max(), words_test.labels.max()))
    generator = common.rng(seed, FIGURE, f"{kind} {recurrence}", repeat)
    run = tasks.in_software
    if kind == "chip":
        number = int(common.rng(seed, "chip", "drawn", repeat).integers(2 ** 31))
        run = tasks.on_chip(chip_effects.draw(number, chip_effects.CALIBRATED),
                            common.rng(seed, FIGURE, "noise", repeat))
    learner = tasks.begin(generator, hidden, inputs=70, classes=classes, recurrent=True)
    fixed = ()
    if before is not None:
        other = shuffled(tasks.unpacked(before).weights, generator)
        learner = learner._replace(weights=learner.weights._replace(
            recurrent=other.recurrent))
        fixed = ("recurrent",)
    curves = np.zeros((epochs, 2))
    for epoch in range(epochs):
        for part in train.batches(generator, len(words.labels), batch):
            x = coded(words, part, T, spread, generator)
            value, d, recording = tasks.gradient(
                run, learner.weights, x, words.labels[part], RULE, generator,
                reduction="sum", rate=EXCITED, bound=BOUND)
            learner = tasks.step(learner, d, float(RULE.rate * RULE.fade ** epoch),
                                 kind == "chip", fixed)
            curves[epoch] += np.array([value, losses.accuracy(
                recording.out, words.labels[part], "sum")]) \
                * (len(part) / len(words.labels))
    return {**tasks.packed(learner), "curves": curves, "steps": T,
            "accuracy": accuracy(run, learner.weights, words_test, T)}
