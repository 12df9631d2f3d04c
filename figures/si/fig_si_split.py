"""Synaptic intelligence retains five tasks of split digits

Each of the first five panels shows the test accuracy on one task, measured after the
training on this task and after the training on each later task.  The last panel shows
the mean test accuracy over all tasks learnt so far.  Thin lines are single runs, thick
lines are means.  Dashed lines are means over further runs with the same seeds, in which
the state of the optimiser Adam is carried over from one task to the next.  In all other
runs, the state of Adam is reset after each task, as in the code of the authors of
[ZPG17].

A fully connected network of 64-100-100-10 units learns five tasks in sequence.  In each
task, the network learns to distinguish two of the ten handwritten digits.  Each task
has two separate output units (multi-head), and the larger of these two outputs
determines the predicted class.  The penalty of synaptic intelligence (consolidation)
has strength c = 1 and damping 1e-3, as for split MNIST in [ZPG17].  Without
consolidation, c is 0.  Output weights are initialised to 0.

With --full, the data are split MNIST with the published hyperparameters: 784-256-256-10
units, mini-batches of 64 images, 10 epochs per task and 10 runs.  Stars mark the
published accuracies after the last task, which were measured on training images.  This
figure corresponds to [ZPG17] fig. 3.
"""

import numpy as np

from figures.run import claims as kinds
from figures.run import colours, published, seeds
from figures.si import si_training as training

FIGURE, XI = "si_split", 1e-3
STRENGTH = 1.0
NAMES = {"with": "with consolidation", "without": "without"}    # in the published keys
LABELS = {"with": "with consolidation", "without": "without consolidation"}
COLOURS = {"with": colours.BLUE, "without": colours.VERMILION}
MARKS = {"with": "o", "without": "s"}
REPEATS = {"quick": 1, "default": 10, "full": 10}
FOLDERS = {"full": ("mnist",)}
SIZES, BATCH, EPOCHS = (64, 100, 100, 10), 16, 20
FULL_SIZES, FULL_BATCH, FULL_EPOCHS = (784, 256, 256, 10), 64, 10
# Bounds on the mean accuracy with consolidation, on the mean accuracy without
# consolidation, and on the accuracy that consolidation costs in the last task.  The
# key False stands for the embedded digits, True for MNIST.
BOUNDS = {False: (0.96, 0.92, 0.06), True: (0.98, 0.92, 0.03)}
# Without consolidation, the published accuracy is higher.
CAUSE = ("the reset of Adam in the authors' code seems to act on the moments but not "
         "on the step counter, or on nothing, depending on the version of Keras; with "
         "the state of Adam carried over, the accuracy is near the published one")
DIFFERS = ("hidden weights from a truncated Glorot normal distribution; published: the "
           "default of Keras, and perhaps another reset of Adam")
ARRAYS = {"full": ("", "1", "1 for MNIST, 0 for the included digits")} | {
    f"{kind} {name}{kept}": (
        "run, last task learnt, tested task", "accuracy", f"accuracy on {images} "
        f"images, {label}" + ", state of Adam kept" * bool(kept))
    for kind, images in (("test", "test"), ("train", "training"))
    for name, label in LABELS.items() for kept in ("", " kept")}


def jobs(size, seed, data, repeats=None, strength=STRENGTH):
    return [(learn, {"strength": c, "reset": reset, "repeat": repeat,
                     "seed": seed, "folder": data if size == "full" else None,
                     **({"epochs": 4} if size == "quick" else {})})
            for c in (strength, 0.0) for reset in (True, False)
            for repeat in range(repeats or REPEATS[size])]


def learn(strength, reset, repeat, seed, folder, epochs=None):
    """Train a network on all tasks.

    Return the accuracies on test and training images, with the axes (last task learnt,
    tested task).  If `reset` is True, the state of the optimiser Adam is reset after
    each task.
    """
    images = training.digits(seed, repeat) if folder is None \
        else training.stored(folder, "mnist")
    sizes, batch, usual = (SIZES, BATCH, EPOCHS) if folder is None \
        else (FULL_SIZES, FULL_BATCH, FULL_EPOCHS)
    listed = training.split(images, training.PAIRS)
    net = training.perceptron(*sizes, zero=True)
    generator = seeds.rng(seed, FIGURE, "learning", repeat)  # equal for all conditions
    learner = training.begin(net, generator)
    rule = training.Rule("SI", strength, XI, reset)
    rows = {"test": [], "train": []}
    for task in listed:
        learner = training.learn(net, learner, task, rule, epochs=epochs or usual,
                                 batch=batch, generator=generator)
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
    found = {f"{kind} {called(condition)}": np.array(
        [r[kind] for r in results if r["condition"] == condition])
        for condition in dict.fromkeys(str(r["condition"]) for r in results)
        for kind in ("test", "train")}
    return {**found, "full": np.array(bool(results[0]["full"]))}


def called(condition):
    """Return the name of a condition in the data."""
    strength, _, kept = condition.partition(" ")
    return ("without" if strength == "0" else "with") + " kept" * bool(kept)


def claims(size):
    full = size == "full"
    high, low, lost = BOUNDS[full]
    mean = "mean accuracy over the five tasks at the end, {}".format
    about = {"unit": "accuracy"}
    found = [
        kinds.own("with", mean(LABELS["with"]), low=high, **about),
        kinds.own("without", mean(LABELS["without"]), high=low, **about),
        kinds.own("raised", "fraction of runs in which consolidation raises the mean "
                  "accuracy", low=0.9),
        kinds.own("last-task", "accuracy on the last task, without consolidation minus "
                  "with", high=lost, **about)]
    for name, label in LABELS.items():
        for key, text, known in (
                (f"train-{name}", mean(f"training images, {label}"),
                 "mean over the five tasks"),
                (f"first-{name}", "accuracy on the first task at the end, training "
                 f"images, {label}", "first task at the end")):
            if full:
                found.append(kinds.reproduction(key, text, published.number(
                    FIGURE, f"{known}, training images, {NAMES[name]}", "[ZPG17]",
                    "fig. 3"), differs=DIFFERS, cause=CAUSE * (key == "train-without"),
                    **about))
            else:
                found.append(kinds.shown(key, text, **about))
    for name, label in LABELS.items():
        for kind, images in (("", ""), ("train-", "training images, ")):
            text = mean(f"{images}{label}, state of Adam kept")
            found += [kinds.shown(f"{kind}{name}-kept", text, **about),
                      kinds.shown(f"{kind}{name}-gain", f"{text} minus reset", **about)]
    return found


def measured(data):
    end = {key: values[:, -1].mean(axis=1) for key, values in data.items()
           if values.ndim}
    found = {"with": end["test with"], "without": end["test without"],
             "raised": end["test with"] > end["test without"],
             "last-task": (data["test without"] - data["test with"])[:, -1, -1]}
    for name in LABELS:
        found |= {f"train-{name}": end[f"train {name}"],
                  f"first-{name}": data[f"train {name}"][:, -1, 0]}
        for kind, key in (("test", name), ("train", f"train-{name}")):
            kept = end[f"{kind} {name} kept"]
            found |= {f"{key}-kept": kept, f"{key}-gain": kept - end[f"{kind} {name}"]}
    return found


def courses(test):
    """Return the accuracy curves in the panels."""
    tasks = range(test.shape[1])
    seen = np.stack([test[:, i, :i + 1].mean(axis=1) for i in tasks], axis=1)
    return [*(test[:, k:, k] for k in tasks), seen]


def plot(data, fig):
    fig.set_size_inches(13, 3.9)
    count = data["test with"].shape[1]
    axes = fig.subplots(1, count + 1, sharey=True, sharex=True)
    for name, label in LABELS.items():
        after, colour = np.arange(1, count + 1), COLOURS[name]
        for axis, curve, kept in zip(axes, courses(data[f"test {name}"]),
                                     courses(data[f"test {name} kept"]), strict=True):
            x = after[-curve.shape[1]:]
            axis.plot(x, curve.T, color=colour, lw=0.6, alpha=0.35)
            axis.plot(x, curve.mean(axis=0), MARKS[name] + "-", color=colour, lw=2.2,
                      label=label)
            axis.plot(x, kept.mean(axis=0), "--", color=colour, lw=1.6,
                      label=f"{label}, state of Adam kept")
        if bool(data["full"]):
            _plot_published(axes, name)
    for k, axis in enumerate(axes[:-1]):
        axis.set(title=f"Task {k + 1}: {2 * k} or {2 * k + 1}", xticks=after)
    lowest = min(data[f"test {name}"][:, i, :i + 1].min() for name in LABELS
                 for i in range(count))
    axes[-1].set(title="Mean of tasks so far", ylim=(min(0.5, lowest) - 0.03, 1.02))
    axes[0].set_ylabel("test accuracy")
    for axis in axes:
        axis.set_xlabel("after task")
        axis.axhline(0.5, color=colours.GREY, ls=":", lw=1.2)
    axes[-1].annotate("chance", (1, 0.5), xycoords=("axes fraction", "data"),
                      ha="right", va="bottom", color=colours.GREY, fontsize=9.5)
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside upper right", ncols=4)


def _plot_published(axes, name):
    paper = published.values(FIGURE)
    for axis, what in ((axes[0], "first task at the end"),
                       (axes[-1], "mean over the five tasks")):
        axis.plot(5.15, paper[f"{what}, training images, {NAMES[name]}"], "*",
                  color=COLOURS[name], mec=colours.BLACK, mew=0.6, ms=11,
                  label=f"published, {LABELS[name]}")
