"""Spoken words: single differences between software and the chip

The left panel shows the accuracy of trained networks on spoken test words.  Some
networks are trained in software, and the others are trained with an emulated analog
chip in the loop.  The rows "software" and "chip" show networks with the standard
settings.  Each of the remaining rows shows networks for which one setting differs from
the standard settings.  The vertical lines are the mean accuracies of the networks with
the standard settings.  For each changed setting, the right panel shows which fraction
of the accuracy difference between software and chip is removed.  Bars are means, dots
are single runs, horizontal lines are 95 % confidence intervals, and diamonds are
published accuracies [CB22].

In [CB22], the chip is more accurate than software.  In the figure `chip_words`,
software is more accurate than the chip.  A setting is regarded as a cause of the
accuracy difference if a change of this setting removes significantly more than one half
of the difference.  Significance is judged by 95 % confidence intervals.  The noise of
the chip consists of read noise, membrane noise and lost spikes.  A reset of the chip
sets the membrane potential to 0 for 2 µs.  Weights on the chip are integers from -63 to
63.  The chip records potentials as 8-bit codes.  On the chip, membrane potentials below
-1 times the threshold or above 1.75 times the threshold respond only weakly to input.
The row "with time steps of 0.34 µs" shows networks that are trained in software, with
five time steps in each time bin of 1.7 µs.  In the rows "without penalties", the loss
has no penalties on spikes and weights.  In each repetition, all networks have the same
initial weights and the same order of words, and all chips have the same mismatch.

By default, small networks are trained on spoken English words, which are stored in the
repository.  With --full, networks of the same size as in the figure `chip_words` are
trained for 30 epochs on all spoken words.  The number of repetitions was fixed before
the first run.
"""

import numpy as np

from figures.chip import chip_images, chip_software, chip_words
from figures.run import claims as verdicts, colours, seeds
from figures.run.claims import Published, own, shown as report
from figures.train import lif_training, spoken_words
from refsnn import chip, losses

FOLDERS = {"full": spoken_words.FILES}
FIGURE = "chip_word_settings"
# Effects of the chip that software adopts, or that the chip loses.
EFFECTS = {"noise": ("noise", "loss"), "reset": ("refractory",),
           "weights": ("weight_limit",), "range": ("headroom", "adc_limit")}
PARTS = 5                       # integration steps of 0.34 µs in a time bin
NETWORKS = {
    "software": "software", "software-noise": "with noise of the chip",
    "software-reset": "with reset of the chip",
    "software-weights": "with integer weights",
    "software-range": "with limited potentials",
    "software-steps": "with time steps of 0.34 µs",
    "software-penalties": "without penalties",
    "chip": "chip", "chip-noise": "without noise", "chip-weights": "with exact weights",
    "chip-range": "with unlimited potentials", "chip-penalties": "without penalties"}
# Networks in software and on the chip that are compared, for each share.
SHARES = {**{name: (name, "chip") if name.startswith("software") else ("software", name)
             for name in NETWORKS if "-" in name and "penalties" not in name},
          "penalties": ("software-penalties", "chip-penalties")}
HALF = 0.5                      # the share of a cause
COLOURS = {"software": colours.VERMILION, "chip": colours.BLUE,
           "penalties": colours.GREY}
TEST = {"software": 0.712, "chip": 0.762}
SIZES = {"quick": (1, 1, 2, 16, 100), "default": (2, 4, 3, 48, 25),
         # repeats, epochs, classes, hidden neurons, words in a mini-batch
         "full": (3, 30, 20, chip_words.HIDDEN, chip_words.RULE.batch)}
PART = 5                        # epochs in one job, if words are read from files
ARRAYS = {
    "title": ("", "", "name of the data set"),
    "classes": ("", "1", "number of classes"),
    "names": ("network", "", "names of the networks"),
    "test": ("network, run", "accuracy", "accuracy on all test words"),
    "training": ("network, run", "accuracy", "accuracy in the last epoch of training")}


def jobs(size, seed, data, repeats=None, epochs=None, classes=None, hidden=None):
    """Return the training jobs of all networks."""
    listed, folder = [], spoken_words.folder(size, data)
    *usual, batch = SIZES[size]
    repeats, epochs, classes, hidden = (given or value for given, value in zip(
        (repeats, epochs, classes, hidden), usual, strict=True))
    part = epochs if folder is None else PART
    for repeat in range(repeats):
        for name in NETWORKS:
            for first in range(0, epochs, part):
                call = {"folder": folder, "name": name, "epochs": epochs, "seed": seed,
                        "repeat": repeat, "first": first, "classes": classes,
                        "count": min(part, epochs - first), "hidden": hidden,
                        "batch": batch}
                listed.append((learn, call, *([len(listed) - 1] if first else [])))
    return listed


def runner(name, seed, repeat, rng):
    """Return the function that runs a network."""
    kind, _, change = name.partition("-")
    effects = EFFECTS.get(change, ())
    if kind == "chip":
        return chip_images.on_chip(chip_images.drawn(
            seed, repeat, chip.CALIBRATED._replace(**dict.fromkeys(effects))), rng)
    if effects or change == "steps":
        return chip_software.simulated(chip.only(chip.CALIBRATED, *effects), rng,
                                       PARTS if change == "steps" else 1)
    return chip_images.in_software


def learn(folder, name, epochs, seed, repeat, first, count, classes, hidden, batch,
          before=None):
    """Train a network; return weights and results."""
    words = spoken_words.read(folder)
    train, *tests = [index[words.label[index] < classes]
                     for index in spoken_words.sets(words)]
    T, (kind, _, change) = chip_words.steps(words), name.partition("-")
    free = change == "penalties"
    rule = chip_words.RULE._replace(**({"decay": 0.0} if free else {}))
    clamp = (kind == "chip") != (change == "weights")
    learner = chip_images.unpacked(before) if first else chip_images.begin(
        seeds.rng(seed, FIGURE, "weights", repeat), hidden, inputs=chip_words.INPUTS,
        classes=classes, recurrent=True)
    curve = np.zeros(count)
    for i, epoch in enumerate(range(first, first + count)):
        order, noise = (seeds.rng(seed, FIGURE, f"{what} {repeat}", epoch)
                        for what in ("order", "noise"))
        run, rate = runner(name, seed, repeat, noise), rule.rate * rule.fade ** epoch
        for part in lif_training.batches(order, len(train), batch):
            some = train[part]
            x, labels = chip_words.coded(words, some, T), words.label[some]
            _, d, recording = chip_images.gradient(
                run, learner.weights, x, labels, rule, None,
                rate=0.0 if free else chip_words.EXCITED, bound=chip_words.BOUND)
            learner = chip_images.step(learner, d, rate, clamp)
            curve[i] += losses.accuracy(recording.out, labels, "sum") \
                * (len(part) / len(train))
    if first:
        curve = np.concatenate([before["curve"], curve])
    found = {**lif_training.packed(*learner), "curve": curve}
    if first + count < epochs:
        return found
    tests = np.concatenate(tests)
    run = runner(name, seed, repeat, seeds.rng(seed, FIGURE, "test", repeat))
    answers = chip_words.predicted(run, learner.weights, words, tests, T)
    return {**found, "name": name, "data": words.title, "classes": classes,
            "accuracy": (answers == words.label[tests]).mean()}


def gather(results):
    """Return the accuracies of all networks."""
    done = [r for r in results if "accuracy" in r]
    own_ = [[r for r in done if r["name"] == name] for name in NETWORKS]
    return {"title": str(done[0]["data"]), "classes": done[0]["classes"],
            "names": list(NETWORKS),
            "test": np.array([[r["accuracy"] for r in runs] for runs in own_]),
            "training": np.array([[r["curve"][-1] for r in runs] for runs in own_])}


def described(name):
    """Return the label of a bar."""
    kind, _, change = name.partition("-")
    return f"{kind} {NETWORKS[name]}" if change else {
        "penalties": "software and chip without penalties"}.get(name, name)


def claims(size):
    """Declare the claims about shares and accuracies."""
    words, found = spoken_words.named(size), []
    for key in SHARES:
        text = (f"{words}: share of the difference in test accuracy between software "
                f"and chip that is removed, {described(key)}")
        found.append(own(f"share-{key}", text, low=HALF) if size == "full"
                     else report(f"share-{key}", text))
    found.append(report(
        "gap", f"{words}: test accuracy, software minus chip", why=(
            "judged in the figure chip_words"),
        published=Published(round(TEST["software"] - TEST["chip"], 3), "[CB22]",
                            "table 1", "read")))
    for name in NETWORKS:
        found += [report(name, f"{words}: test accuracy, {described(name)}"),
                  report(f"{name}-training", f"{words}: accuracy in the last epoch of "
                         f"training, {described(name)}")]
    return found


def share(gap, left):
    """Return the share of the accuracy difference `gap` that a changed setting removes.

    gap : accuracy in software minus accuracy on the chip, under standard settings.
    left : accuracy in software minus accuracy on the chip, under one changed setting.

    The function returns one value for each run.  The mean of the returned values is
    `1 - left.mean() / gap.mean()`, which is the removed share of the mean accuracy
    difference.  If the confidence interval of the mean value lies above 0.5, the
    changed setting removes more than one half of the accuracy difference.  This test is
    Fieller's method for ratios of means.
    """
    whole = gap.mean()
    if whole <= 0:
        return np.full(len(gap), np.nan)
    return HALF + ((1 - HALF) * gap - left) / whole


def measured(data):
    """Return the numbers of the claims."""
    names = data["names"].tolist()
    test, training = (dict(zip(names, data[key], strict=True))
                      for key in ("test", "training"))
    gap = test["software"] - test["chip"]
    return {**{f"share-{key}": share(gap, test[one] - test[other])
               for key, (one, other) in SHARES.items()}, "gap": gap, **test,
            **{f"{name}-training": values for name, values in training.items()}}


def shown(data):
    """Return what is plotted."""
    return data


def plot(data, fig):
    fig.set_size_inches(12, 5.4)
    left, right = fig.subplots(1, 2, width_ratios=(1.15, 1))
    fig.suptitle(f"Data: {data['title']}, {data['classes']} classes", x=0.01, ha="left",
                 fontsize=11.5)
    found, names = measured(data), data["names"].tolist()
    for y, (name, values) in enumerate(zip(names, data["test"], strict=True)):
        kind, _, change = name.partition("-")
        left.barh(y, values.mean(), 0.75, color=COLOURS[kind], alpha=0.4 if change
                  else 0.9)
        left.plot(values, [y] * len(values), "o", color=colours.BLACK, ms=3.5,
                  label=None if y else "single run")
        if not change:
            left.axvline(values.mean(), color=COLOURS[kind], lw=1.4)
            left.plot(TEST[kind], y, "D", ms=7, mfc="none", mew=1.6,
                      color=colours.BLACK,
                      label=None if y else "published, SHD, 20 classes")
    left.axvline(1 / int(data["classes"]), color=colours.GREY, ls=":", lw=1.2,
                 label="chance")
    left.set_yticks(range(len(names)), [NETWORKS[name] for name in names])
    left.set(ylim=(len(names) - 0.4, -0.6), xlim=(0, 1.02), xlabel="test accuracy")
    for y, key in enumerate(SHARES):
        values, colour = found[f"share-{key}"], COLOURS[key.partition("-")[0]]
        right.barh(y, values.mean(), 0.75, color=colour, alpha=0.4)
        right.plot(values, [y] * len(values), "o", color=colours.BLACK, ms=3.5)
        judged = verdicts.judge(own("share", "share", low=HALF),
                                verdicts.measure(values))
        if judged.interval:
            right.plot(judged.interval, [y, y], color=colours.BLACK, lw=1.2,
                       label=None if y else "95 % confidence interval")
    for at, style, text in ((0, "-", None), (HALF, "--", "one half of the difference"),
                            (1, ":", "whole difference")):
        right.axvline(at, color=colours.BLACK, ls=style, lw=1.2, label=text)
    right.set_yticks(range(len(SHARES)), map(described, SHARES))
    right.set(ylim=(len(SHARES) - 0.4, -0.6), xlim=(-1.6, 2.6),
              xlabel="removed share of the difference")
    for axis in (left, right):
        axis.grid(axis="y", visible=False)
    handles, labels = (a + b for a, b in zip(left.get_legend_handles_labels(),
                                             right.get_legend_handles_labels(),
                                             strict=True))
    fig.legend(handles, labels, loc="outside lower center", ncols=3)
