"""Train recurrent networks on an emulated analog chip to classify spoken words.

The task is taken from [CB22].  The network has 70 inputs, 186 recurrent neurons, and
one readout for each class of spoken words.  The forward pass runs on an emulated chip
(chip in the loop), or in software without the constraints of the chip.  In a control
network (`recurrence="fixed"`), the recurrent weights are the shuffled weights of a
trained network, and are kept fixed.  Only the input and readout weights of a control
network are trained, from random initial values.
"""

import numpy as np

from figures.chip import chip_coding, chip_images
from figures.run import seeds
from figures.train import lif_training, spoken_words
from refsnn import losses

HIDDEN, INPUTS, FIGURE = 186, 70, "chip_words"
SPEED = 2000.0                      # 1 s of speech takes 500 us on the chip
LONGEST = 1.4                       # s; later spikes are dropped
# The scaling is small, because the class scores are sums over about 300 steps.
RULE = chip_images.Rule(reduction="sum", scaling=0.1, burst=0.0)
EXCITED, BOUND = 1e-7, 3000.0       # rate penalty: coefficient, bound on spikes
AT_ONCE = 100                       # test words in one forward pass


def steps(words):
    """Return the number of time bins: 20 more than the longest word needs."""
    last = max((float(t.max(initial=0.0)) for t in words.times), default=0.0)
    return int(min(last, LONGEST) / SPEED / chip_images.DT_S) + 1 + chip_images.STEPS


def coded(words, index, T, spread=0.0, rng=None):
    """Return the input spikes (T, B, 70).

    Spike events are shifted by random numbers of channels.  `spread` is the standard
    deviation of the shifts, in channels of 700.  The words stored in the repository
    have only every ninth of the 700 channels.  For words from the repository, `spread`
    is divided by 9, to obtain the standard deviation in stored channels.
    """
    skip, stride = (70, 9) if words.channels == 700 else (0, 1)
    spread *= stride / 9
    return np.stack([chip_coding.words(
        words.times[i].astype(float), words.units[i].astype(int), T=T, speed=SPEED,
        skip=skip, stride=stride, channels=words.channels, spread=spread, rng=rng)
        for i in index], axis=1)


def shuffled(weights, rng):
    """Permute the recurrent weights at random."""
    recurrent = rng.permutation(weights.recurrent.ravel())
    return weights._replace(recurrent=recurrent.reshape(weights.recurrent.shape))


def predicted(run, weights, words, index, T):
    """Return the predicted classes of words."""
    return np.concatenate([
        run(weights, coded(words, index[first:first + AT_ONCE], T)).out.sum(axis=0)
        .argmax(axis=1) for first in range(0, len(index), AT_ONCE)])


def keywords(folder, kind, recurrence, epochs, spread, seed, repeat, first=0,
             count=None, classes=20, hidden=HIDDEN, batch=RULE.batch, before=None):
    """Train a network to classify spoken words; return a dict of the results.

    folder : folder of the files, or None for the words stored in the repository.
    kind : "chip" for the emulated chip, or "software".
    recurrence : "trained", or "fixed" for the control network.
    epochs : total number of training epochs.
    spread : standard deviation of the random channel shifts, in channels of 700.
    first, count : number of the first epoch, and number of epochs of this call.
    classes : number of classes; words with larger class labels are not used.
    before : result of the previous call, if `first` is not 0.  If `first` is 0 and
        `recurrence` is "fixed", `before` is the result of a call of `keywords` with
        `recurrence="trained"`.  The control network receives the trained recurrent
        weights in random order.
    """
    if recurrence not in ("trained", "fixed"):
        raise ValueError(f"recurrence is {recurrence!r}: must be 'trained' or 'fixed'")
    begun = first > 0
    if (begun or recurrence == "fixed") and not before:
        raise ValueError(f"before is {before!r}: must be the result of a trained "
                         "network")
    words = spoken_words.read(folder)
    sets = [index[words.label[index] < classes] for index in spoken_words.sets(words)]
    T, count = steps(words), count or epochs
    since = f"{repeat}, from {first}" if begun else repeat
    condition = f"{kind} {recurrence}" + f", shift {spread:g}" * (spread > 0)
    generator = seeds.rng(seed, FIGURE, condition, since)
    run = chip_images.in_software
    if kind == "chip":
        noise = seeds.rng(seed, FIGURE, f"{condition}, noise", since)
        run = chip_images.on_chip(chip_images.drawn(seed, repeat), noise)
    learner = chip_images.begin(generator, hidden, inputs=INPUTS, classes=classes,
                                recurrent=True)
    if begun:
        learner = chip_images.unpacked(before)
    elif recurrence == "fixed":
        other = shuffled(chip_images.unpacked(before).weights, generator)
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
        curves = np.concatenate([before["curves"], curves])
    found = {**lif_training.packed(*learner), "curves": curves, "steps": T}
    if first + count < epochs:
        return found
    tests = np.concatenate(sets[1:])
    answers = [predicted(run, learner.weights, words, index, T) for index in sets]
    shown = coded(words, tests[:1], T)
    recording = run(learner.weights, shown)
    return {**found, "data": words.title, "condition": f"{kind}, {recurrence}"
            + ", augmented" * (spread > 0),
            "classes": classes, "size": np.array([len(index) for index in sets]),
            "accuracy": np.array([(own == words.label[index]).mean()
                                  for own, index in zip(answers, sets, strict=True)]),
            "labels": words.label[tests], "speakers": words.speaker[tests],
            "predicted": np.concatenate(answers[1:]),
            "label": int(words.label[tests[0]]), "input": shown[:, 0],
            "spikes": recording.spikes[:, 0], "out": recording.out[:, 0]}
