"""Synaptic intelligence retains five tasks of split digits

A fully connected network of 64-100-100-10 units learns five tasks in sequence. In each
task, the network learns to distinguish two of the ten handwritten digits. Each task has
two separate output units (multi-head), and the larger of these two outputs determines
the predicted class. The penalty of synaptic intelligence (consolidation) has strength c
= 1 and damping 1e-3, as for split MNIST in [ZPG17]. After all tasks, the test accuracy,
averaged over the tasks and over 10 runs, is at least 0.96 with consolidation and at
most 0.92 without consolidation (c = 0). Consolidation lowers the test accuracy on the
last task by at most 0.06 (mean over runs).

Each of the first five panels shows the test accuracy on one task, measured after the
training on this task and after the training on each later task.  The last panel shows
the mean test accuracy over all tasks learnt so far.  Thin lines are single runs, thick
lines are means.  Output weights are initialised to 0.  The state of the optimiser Adam
is reset after each task, as in the code of the authors of [ZPG17].  Dashed lines are
means over further runs with the same seeds, in which the state of the optimiser Adam is
carried over from one task to the next.

With --full, the data are split MNIST with the published hyperparameters: 784-256-256-10
units, mini-batches of 64 images, 10 epochs per task and 10 runs. On split MNIST, the
mean test accuracy after all tasks must be at least 0.98 with consolidation and at most
0.92 without consolidation. On split MNIST, consolidation may lower the test accuracy on
the last task by at most 0.03. Stars mark the published accuracies after the last task,
which were measured on training images. Without consolidation, the published mean
accuracy on training images is 0.86. In 10 runs of refsnn without consolidation, the
mean accuracy on training images is 0.81 if the state of Adam is reset after each task,
and 0.86 if the state of Adam is carried over. The mean difference between runs with the
same seed (carried over minus reset) is 0.045, with a 95 % confidence interval from
0.005 to 0.085. The code of the authors of [ZPG17] also resets the state of Adam after
each task. The reason why the accuracy of refsnn (0.81) differs from the published
accuracy (0.86) is therefore unknown. This figure corresponds to [ZPG17] fig. 3.
"""

import numpy as np
from scipy import stats

from figures.run.claims import at_least, at_most, reported
from figures.run import colours, published, seeds
from figures.si import si_training as training

FIGURE, XI = "si_split", 1e-3
STRENGTHS = (1.0, 0.0)
NAMES = {1.0: "with consolidation", 0.0: "without"}       # as in the published keys
LABELS = {1.0: "with consolidation", 0.0: "without consolidation"}
COLOURS = {1.0: colours.BLUE, 0.0: colours.VERMILION}
MARKS = {1.0: "o", 0.0: "s"}
REPEATS = {"quick": 3, "default": 10, "full": 10}
FOLDERS = {"full": ("mnist",)}
SIZES, BATCH, EPOCHS = (64, 100, 100, 10), 16, 20
FULL_SIZES, FULL_BATCH, FULL_EPOCHS = (784, 256, 256, 10), 64, 10
# Bounds on the mean accuracy with consolidation, on the mean accuracy without
# consolidation, and on the accuracy that consolidation costs in the last task.  The
# key False stands for the embedded digits, True for MNIST.
BOUNDS = {False: (0.96, 0.92, 0.06), True: (0.98, 0.92, 0.03)}


def jobs(size, seed, data):
    return [(learn, {"strength": strength, "reset": reset, "repeat": repeat,
                     "seed": seed, "folder": data if size == "full" else None})
            for strength in STRENGTHS for reset in (True, False)
            for repeat in range(REPEATS[size])]


def learn(strength, reset, repeat, seed, folder):
    """Train a network on all tasks.

    Return the accuracies on test and training images, with the axes (last task learnt,
    tested task).  If `reset` is True, the state of the optimiser Adam is reset after
    each task.
    """
    images = training.digits(seed, repeat) if folder is None \
        else training.stored(folder, "mnist")
    sizes, batch, epochs = (SIZES, BATCH, EPOCHS) if folder is None \
        else (FULL_SIZES, FULL_BATCH, FULL_EPOCHS)
    listed = training.split(images, training.PAIRS)
    net = training.perceptron(*sizes, zero=True)
    generator = seeds.rng(seed, FIGURE, "learning", repeat)  # equal for all conditions
    learner = training.begin(net, generator)
    rule = training.Rule("SI", strength, XI, reset)
    rows = {"test": [], "train": []}
    for task in listed:
        learner = training.learn(net, learner, task, rule, epochs=epochs, batch=batch,
                                 generator=generator)
        learner = training.consolidate(net, learner, task, rule)
        rows["test"].append(training.tested(net, learner.parameters, listed))
        rows["train"].append([
            training.accuracy(net, learner.parameters, t.images.x, t.images.labels,
                              t.mask) for t in listed])
    return {"condition": name(strength, reset), "full": folder is not None,
            **{key: np.array(value) for key, value in rows.items()}}


def name(strength, reset=True):
    """Return the key of a condition."""
    return f"{strength:g}" if reset else f"{strength:g} kept"


def gather(results):
    found = {f"{kind} {condition}": np.array(
        [r[kind] for r in results if r["condition"] == condition])
        for condition in dict.fromkeys(r["condition"] for r in results)
        for kind in ("test", "train")}
    return {**found, "full": np.array(bool(results[0]["full"]))}


def claims(data):
    test, train = ({s: data[f"{kind} {s:g}"] for s in STRENGTHS}
                   for kind in ("test", "train"))
    full = bool(data["full"])
    high, low, lost = BOUNDS[full]
    kept, plain = (test[s][:, -1].mean(axis=1) for s in STRENGTHS)
    runs = len(test[1.0])
    paper = published.values(FIGURE) if full else {}
    found = [
        at_least(f"mean accuracy over the five tasks at the end, {LABELS[1.0]}, "
                 f"{runs} runs", kept, high),
        at_most(f"mean accuracy over the five tasks at the end, {LABELS[0.0]}", plain,
                low),
        at_least("share of runs in which consolidation raises the mean accuracy",
                 (kept > plain).mean(), 0.9),
        at_most("accuracy on the last task, without consolidation minus with",
                test[0.0][:, -1, -1] - test[1.0][:, -1, -1], lost)]
    for strength in STRENGTHS:
        final = train[strength][:, -1]
        for text, key, value in (
                ("mean accuracy over the five tasks at the end",
                 "mean over the five tasks", final.mean(axis=1)),
                ("accuracy on the first task at the end", "first task at the end",
                 final[:, 0])):
            found.append(reported(
                f"{text}, training images, {LABELS[strength]}", value,
                paper.get(f"{key}, training images, {NAMES[strength]}")))
    for strength in STRENGTHS:
        for kind, images in (("test", ""), ("train", ", training images")):
            kept, reset = (data[f"{kind} {name(strength, one)}"][:, -1].mean(axis=1)
                           for one in (False, True))
            told = f"mean accuracy at the end{images}, {LABELS[strength]}, Adam's state"
            mean, half = interval(kept - reset)
            found += [
                reported(f"{told} kept", kept),
                reported(f"{told} kept minus reset (mean of paired differences ± "
                         "half of the 95 % interval)", f"{mean:+.3f} ± {half:.3f}")]
    return found


def interval(differences):
    """Return a mean and its uncertainty."""
    count = len(differences)
    return float(differences.mean()), float(
        stats.t.ppf(0.975, count - 1) * differences.std(ddof=1) / np.sqrt(count))


def shown(test):
    """Return the accuracy curves in the panels."""
    tasks = range(test.shape[1])
    seen = np.stack([test[:, i, :i + 1].mean(axis=1) for i in tasks], axis=1)
    return [*(test[:, k:, k] for k in tasks), seen]


def plot(data, fig):
    fig.set_size_inches(13, 3.9)
    count = data["test 1"].shape[1]
    axes = fig.subplots(1, count + 1, sharey=True, sharex=True)
    for strength in STRENGTHS:
        test = data[f"test {strength:g}"]
        after = np.arange(1, count + 1)
        for axis, curve in zip(axes, shown(test), strict=True):
            x, colour = after[-curve.shape[1]:], COLOURS[strength]
            axis.plot(x, curve.T, color=colour, lw=0.6, alpha=0.35)
            axis.plot(x, curve.mean(axis=0), MARKS[strength] + "-", color=colour,
                      lw=2.2, label=LABELS[strength])
        for axis, curve in zip(axes, shown(data[f"test {name(strength, False)}"]),
                               strict=True):
            axis.plot(after[-curve.shape[1]:], curve.mean(axis=0), "--", color=colour,
                      lw=1.6, label=f"{LABELS[strength]}, state of Adam kept")
        if bool(data["full"]):
            _plot_published(axes, strength)
    for k, axis in enumerate(axes[:-1]):
        axis.set(title=f"Task {k + 1}: {2 * k} or {2 * k + 1}", xticks=after)
    lowest = min(data[f"test {s:g}"][:, i, :i + 1].min() for s in STRENGTHS
                 for i in range(count))
    axes[-1].set(title="Mean of tasks so far", ylim=(min(0.5, lowest) - 0.03, 1.02))
    axes[0].set_ylabel("test accuracy")
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
                  label=f"published, {LABELS[strength]}")
