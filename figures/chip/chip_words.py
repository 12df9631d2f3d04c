"""Spoken words on an analog chip: 70 inputs, 186 recurrent neurons, 20 readouts.

The keyword task of [CB22], on any data set of `spoken_tasks`: synthetic digits,
recordings, or files in the format of the Spiking Heidelberg Digits.  `keywords`
is a job: it learns input, recurrent and readout weights with a chip in the
loop, or in ideal software.  Its control, recurrence="fixed", continues such a
job: it starts anew with that one's recurrent weights, shuffled, which then
stay.
"""

import numpy as np

from figures.chip import chip_images
from figures.run import seeds
from figures.spoken import spoken_words
from figures.surrogate import lif_training
from refsnn import chip, losses
from figures.chip import chip_coding

HIDDEN, INPUTS, FIGURE = 186, 70, "chip_words"
SPEED = 2000.0                      # a second of speech is 500 us on the chip
LONGEST = 1.4                       # s; what comes later is left out
# Scores are sums over some 300 steps: ten times less than the published scale.
RULE = chip_images.Rule(reduction="sum", scaling=0.1, burst=0.0)
EXCITED, BOUND = 1e-7, 3000.0       # homeostasis: spikes of the layer in a word
AT_ONCE = 100                       # words in a test


def steps(words):
    """Bins that the longest word takes on the chip, and 20 more."""
    last = max((float(t.max(initial=0.0)) for t in words.times), default=0.0)
    return int(min(last, LONGEST) / SPEED / chip_images.DT_S) + 1 + chip_images.STEPS


def coded(words, index, T, spread=0.0, rng=None):
    """Input spikes (T, B, 70) of some words; of SHD, as published."""
    skip, stride = (70, 9) if words.channels == 700 else (0, words.channels // INPUTS)
    return np.stack([chip_coding.words(
        words.times[i].astype(float), words.units[i].astype(int), T=T, dt=chip_images.DT_S,
        speed=SPEED, skip=skip, stride=stride, channels=words.channels, spread=spread,
        rng=rng) for i in index], axis=1)


def shuffled(weights, rng):
    """The same network with its recurrent weights in random places."""
    recurrent = rng.permutation(weights.recurrent.ravel())
    return weights._replace(recurrent=recurrent.reshape(weights.recurrent.shape))


def accuracy(run, weights, words, index, T):
    """Share of some words whose readout has the largest sum over time; NaN of none."""
    right = 0.0
    for first in range(0, len(index), AT_ONCE):
        some = index[first:first + AT_ONCE]
        out = run(weights, coded(words, some, T)).out
        right += losses.accuracy(out, words.label[some], "sum") * len(some)
    return right / len(index) if len(index) else np.nan


def keywords(name, folder, kind, recurrence, epochs, spread, seed, repeat, first=0,
             count=None, classes=None, hidden=HIDDEN, batch=RULE.batch, before=None):
    """Train on a data set, or go on: curves, weights, in the end accuracies.

    kind : "chip" or "software".
    recurrence : "trained", or "fixed", which needs the result of a trained network.
    spread : of the channels while learning (augmentation), in inputs' channels.
    first, count : which of the epochs; the others are those of jobs before and after.
    classes : words of the first so many classes only; None: all.
    before : results of the jobs that make the data, and of the one to go on from.
    """
    if recurrence not in ("trained", "fixed"):
        raise ValueError(f"recurrence is {recurrence!r}: must be 'trained' or 'fixed'")
    made, begun, earlier = list(before or ()), first > 0, None
    if begun or recurrence == "fixed":
        if not made:
            raise ValueError(f"before is {before!r}: must end with the result of a "
                             "trained network")
        earlier = made.pop()
    words = spoken_words.words(name, folder, made)
    sets = [index[words.label[index] < (classes or np.inf)]
            for index in spoken_words.sets(words)]
    T, count, classes = steps(words), count or epochs, classes or 1 + words.label.max()
    since = f"{repeat}, from {first}" if begun else repeat
    generator = seeds.rng(seed, FIGURE, f"{kind} {recurrence}", since)
    run = chip_images.in_software
    if kind == "chip":
        number = int(seeds.rng(seed, "chip", "drawn", repeat).integers(2 ** 31))
        run = chip_images.on_chip(chip.draw(number, chip.CALIBRATED),
                                  seeds.rng(seed, FIGURE, f"{recurrence}, noise", since))
    learner = chip_images.begin(generator, hidden, inputs=INPUTS, classes=int(classes),
                                recurrent=True)
    if begun:
        learner = chip_images.unpacked(earlier)
    elif earlier is not None:
        other = shuffled(chip_images.unpacked(earlier).weights, generator)
        learner = learner._replace(weights=learner.weights._replace(
            recurrent=other.recurrent))
    curves = np.zeros((count, 2))
    for epoch in range(count):
        rate = float(RULE.rate * RULE.fade ** (first + epoch))
        for part in lif_training.batches(generator, len(sets[0]), batch):
            some = sets[0][part]
            x = coded(words, some, T, spread, generator)
            value, d, recording = chip_images.gradient(
                run, learner.weights, x, words.label[some], RULE, generator,
                rate=EXCITED, bound=BOUND)
            learner = chip_images.step(learner, d, rate, kind == "chip",
                                       ("recurrent",) if recurrence == "fixed" else ())
            curves[epoch] += np.array([value, losses.accuracy(
                recording.out, words.label[some], "sum")]) * (len(part) / len(sets[0]))
    if begun:
        curves = np.concatenate([earlier["curves"], curves])
    found = {**chip_images.packed(learner), "curves": curves, "steps": T}
    if first + count < epochs:
        return found
    shown = np.concatenate(sets[1:])[:1]
    recording = run(learner.weights, coded(words, shown, T))
    return {**found, "data": name, "condition": f"{kind}, {recurrence}",
            "classes": int(classes), "size": np.array([len(index) for index in sets]),
            "accuracy": np.array([accuracy(run, learner.weights, words, index, T)
                                  for index in sets]),
            "label": int(words.label[shown[0]]), "input": coded(words, shown, T)[:, 0],
            "spikes": recording.spikes[:, 0], "out": recording.out[:, 0]}
