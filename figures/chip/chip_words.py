"""Train recurrent networks on an emulated analog chip to classify spoken words.

The task is the keyword task of [CB22].  The network has 70 inputs, 186
recurrent neurons, and one readout for each word (20 readouts in the paper).
The words come from one of the data sets of the module `spoken_words`: synthetic
digits, recordings, or files in the format of the Spiking Heidelberg Digits
(SHD).  The function `keywords` trains the input, recurrent and readout weights,
with a chip in the loop or in ideal software.  With recurrence="fixed",
`keywords` trains a control network instead.  The recurrent weights of the
control network are copied from a trained network, shuffled and then fixed.  The
other weights are trained from random initial values.
"""

import numpy as np

from figures.chip import chip_coding, chip_images
from figures.run import seeds
from figures.spoken import spoken_words
from figures.surrogate import lif_training
from refsnn import chip, losses

HIDDEN, INPUTS, FIGURE = 186, 70, "chip_words"
SPEED = 2000.0                      # 1 s of speech takes 500 us on the chip
LONGEST = 1.4                       # s; later spikes are dropped
# The scores are sums over about 300 steps, so their factor is smaller than the factor
# of 10 on the maxima in `chip_images.Rule`.
RULE = chip_images.Rule(reduction="sum", scaling=0.1, burst=0.0)
EXCITED, BOUND = 1e-7, 3000.0       # regulariser: strength, hidden spikes per word
AT_ONCE = 100                       # test words in one run


def steps(words):
    """Return the number of time bins of the longest word, plus 20 time bins."""
    last = max((float(t.max(initial=0.0)) for t in words.times), default=0.0)
    return int(min(last, LONGEST) / SPEED / chip_images.DT_S) + 1 + chip_images.STEPS


def coded(words, index, T, spread=0.0, rng=None):
    """Return the input spikes of the words in `index`, of shape (T, B, 70).

    If the words have 700 channels, as in SHD, the 70 channels of the paper are
    selected.
    """
    skip, stride = (70, 9) if words.channels == 700 else (0, words.channels // INPUTS)
    return np.stack([chip_coding.words(
        words.times[i].astype(float), words.units[i].astype(int), T=T,
        dt=chip_images.DT_S, speed=SPEED, skip=skip, stride=stride,
        channels=words.channels, spread=spread, rng=rng) for i in index], axis=1)


def shuffled(weights, rng):
    """Return the weights after a random permutation of the recurrent weights."""
    recurrent = rng.permutation(weights.recurrent.ravel())
    return weights._replace(recurrent=recurrent.reshape(weights.recurrent.shape))


def accuracy(run, weights, words, index, T):
    """Return the accuracy on the words in `index`, or NaN if `index` is empty.

    The readout with the largest sum over time determines the predicted word.
    """
    right = 0.0
    for first in range(0, len(index), AT_ONCE):
        some = index[first:first + AT_ONCE]
        out = run(weights, coded(words, some, T)).out
        right += losses.accuracy(out, words.label[some], "sum") * len(some)
    return right / len(index) if len(index) else np.nan


def keywords(name, folder, kind, recurrence, epochs, spread, seed, repeat, first=0,
             count=None, classes=None, hidden=HIDDEN, batch=RULE.batch, before=None):
    """Train a network on a data set; return a dict of the weights and training curves.

    The job that trains the last epoch also returns the accuracies, and the response to
    one test word.

    kind : "chip" or "software".
    recurrence : "trained", or "fixed" for the control network.
    epochs : total number of training epochs.
    spread : standard deviation of the random channel shifts during training.
    first, count : this job trains the epochs first ... first + count - 1.
    classes : number of classes; words of higher classes are not used.  None selects all
        classes.
    before : results of the jobs that make the data set.  If the job continues an
        earlier job, `before` ends with the result of the earlier job.  If the job
        begins a control network, `before` ends with the result of the trained network.
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
        noise = seeds.rng(seed, FIGURE, f"{recurrence}, noise", since)
        run = chip_images.on_chip(chip.draw(number, chip.CALIBRATED), noise)
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
