"""Five pairs of digits, one after another: what synaptic intelligence keeps

Embedded digits, 64-100-100-10, two outputs for each pair of digits, of which
only those of the task at hand answer (multi-head).  With consolidation
(strength c = 1, damping 1e-3, both as for split MNIST in the paper) the
network keeps at least 0.96 of all five tasks in the mean over test images and
runs; without (c = 0) at most 0.92.  What it costs: the last task is learnt
less well, by at most 0.06.

Each panel follows one task, from when it is learnt on: test accuracy after
that task and each later one, a thin line for each run, and the mean.  The
last has the mean over all tasks seen so far.  Output weights start from 0 and
Adam anew with each task.

At --full, split MNIST as published: 784-256-256-10, batches of 64, 10 epochs
a task, 10 runs, with at least 0.98 against at most 0.92 on test images.  The
published figure, which is of training images, is drawn by its values at the
end.  Mirrors [ZPG17] fig. 3.
"""

import numpy as np

from figures.run.claims import Claim, at_least, at_most
from figures.run import colours, seeds
from figures.run import published
from figures.si import si_training

FIGURE, XI = "si_split", 1e-3
STRENGTHS = (1.0, 0.0)
NAMES = {1.0: "with consolidation", 0.0: "without"}
COLOURS = {1.0: colours.BLUE, 0.0: colours.VERMILION}
MARKS = {1.0: "o", 0.0: "s"}
REPEATS = {"quick": 3, "default": 10, "full": 10}
FOLDERS = {"full": ("mnist",)}
SIZES, BATCH, EPOCHS = (64, 100, 100, 10), 16, 20
FULL_SIZES, FULL_BATCH, FULL_EPOCHS = (784, 256, 256, 10), 64, 10
# Of the mean over tasks with and without, and of what the last task loses.
BOUNDS = {False: (0.96, 0.92, 0.06), True: (0.98, 0.92, 0.03)}


def jobs(size, seed, data):
    return [(learn, {"strength": strength, "repeat": repeat, "seed": seed,
                     "folder": data if size == "full" else None})
            for strength in STRENGTHS for repeat in range(REPEATS[size])]


def learn(strength, repeat, seed, folder):
    """All tasks: accuracy (after task, on task) on test and training images."""
    images = si_training.digits(seed, repeat) if folder is None \
        else si_training.stored(folder, "mnist")
    sizes, batch, epochs = (SIZES, BATCH, EPOCHS) if folder is None \
        else (FULL_SIZES, FULL_BATCH, FULL_EPOCHS)
    listed = si_training.split(images, si_training.PAIRS)
    net = si_training.perceptron(*sizes, zero=True)
    generator = seeds.rng(seed, FIGURE, "learning", repeat)    # of both strengths
    learner, rule = si_training.begin(net, generator), si_training.Rule("SI", strength, XI, True)
    rows = {"test": [], "train": []}
    for task in listed:
        learner = si_training.learn(net, learner, task, rule, epochs=epochs, batch=batch,
                                    generator=generator)
        learner = si_training.consolidate(net, learner, task, rule)
        rows["test"].append(si_training.tested(net, learner.parameters, listed))
        rows["train"].append([si_training.accuracy(net, learner.parameters, t.images.x,
                                                   t.images.labels, t.mask) for t in listed])
    return {"strength": strength, "full": folder is not None,
            **{key: np.array(value) for key, value in rows.items()}}


def gather(results):
    found = {f"{kind} {strength:g}": np.array(
        [r[kind] for r in results if r["strength"] == strength])
        for strength in STRENGTHS for kind in ("test", "train")}
    return {**found, "full": np.array(bool(results[0]["full"]))}


def claims(data):
    test, train = ({s: data[f"{kind} {s:g}"] for s in STRENGTHS}
                   for kind in ("test", "train"))
    full = bool(data["full"])
    high, low, lost = BOUNDS[full]
    kept, plain = (test[s][:, -1].mean() for s in STRENGTHS)
    runs = len(test[1.0])
    paper = published.values(FIGURE) if full else {}
    found = [
        at_least(f"mean over the five tasks at the end, with consolidation, "
                 f"{runs} runs", kept, high),
        at_most("mean over the five tasks at the end, without", plain, low),
        at_least("share of runs in which consolidation raises the mean",
                 (test[1.0][:, -1].mean(axis=1)
                  > test[0.0][:, -1].mean(axis=1)).mean(), 0.9),
        at_most("last task: accuracy without consolidation - with",
                (test[0.0][:, -1, -1] - test[1.0][:, -1, -1]).mean(), lost)]
    for strength in STRENGTHS:
        final = train[strength][:, -1]
        for text, value in (("mean over the five tasks, training images",
                             final.mean()),
                            ("first task at the end, training images",
                             final[:, 0].mean())):
            text = f"{text}, {NAMES[strength]}"
            found.append(Claim(text, float(value), "shown only", None,
                               paper.get(text)))
    return found


def plot(data, fig):
    fig.set_size_inches(13, 3.9)
    count = data["test 1"].shape[1]
    axes = fig.subplots(1, count + 1, sharey=True, sharex=True)
    for strength in STRENGTHS:
        test = data[f"test {strength:g}"]
        after = np.arange(1, count + 1)
        seen = np.stack([test[:, i, :i + 1].mean(axis=1) for i in range(count)], axis=1)
        curves = [*(test[:, k:, k] for k in range(count)), seen]
        for axis, curve in zip(axes, curves, strict=True):
            x, colour = after[-curve.shape[1]:], COLOURS[strength]
            axis.plot(x, curve.T, color=colour, lw=0.6, alpha=0.35)
            axis.plot(x, curve.mean(axis=0), MARKS[strength] + "-", color=colour,
                      lw=2.2, label=NAMES[strength])
        if bool(data["full"]):
            _plot_published(axes, strength)
    for k, axis in enumerate(axes[:-1]):
        axis.set(title=f"Task {k + 1}: {2 * k} or {2 * k + 1}", xticks=after)
    lowest = min(data[f"test {s:g}"][:, i, :i + 1].min() for s in STRENGTHS
                 for i in range(count))
    axes[-1].set(title="All seen so far", ylim=(min(0.5, lowest) - 0.03, 1.02))
    axes[0].set_ylabel("accuracy (share of the test images)")
    for axis in axes:
        axis.set_xlabel("after task")
        axis.axhline(0.5, color=colours.GREY, ls=":", lw=1.2)
    axes[-1].annotate("chance", (1, 0.5), xycoords=("axes fraction", "data"),
                      ha="right", va="bottom", color=colours.GREY, fontsize=9.5)
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside upper right", ncols=4)


def _plot_published(axes, strength):
    paper = published.values(FIGURE)
    for axis, what in ((axes[0], "first task at the end"),
                       (axes[-1], "mean over the five tasks")):
        axis.plot(5.15, paper[f"{what}, training images, {NAMES[strength]}"], "*",
                  color=COLOURS[strength], mec=colours.BLACK, mew=0.6, ms=11,
                  label=f"published, {NAMES[strength]}")
