"""Synaptic intelligence retains ten tasks of permuted pixels

The left panel shows the mean test accuracy over all tasks learnt so far, against the
number of learnt tasks.  Thin lines are single runs, thick lines are means.  The middle
panel shows how the test accuracy on the first task changes while the network learns
further tasks.  The right panel shows the test accuracy on each task directly after the
training on this task.  The accuracy on a task directly after training is low if the
method impairs the learning of new tasks.  The grey dotted line is the chance accuracy.

A fully connected network of 784-200-200-10 units learns ten tasks in sequence.  The
images are the handwritten digits of refsnn, enlarged to 20x20 pixels and centred in
28x28 pixels as in MNIST.  The first task shows the digits unchanged.  In each later
task, the pixels of all images are reordered by a random permutation.  Three methods
penalise changes of the parameters: synaptic intelligence (SI, with damping 0.1),
elastic weight consolidation (EWC) and the L2 penalty.  Two methods have no penalty:
plain training, and training in which half of the hidden units are dropped at random
(dropout).  In EWC, the importance of a parameter is half its Fisher information.  The
L2 penalty is proportional to the sum of the squared changes of all parameters since the
last task.

In each run, all methods use the same pixel permutations, the same split into training
and test images, and the same initial weights.  The penalty strengths 5 (SI), 100 (EWC)
and 0.01 (L2) were selected in runs with other seeds.  The state of the optimiser Adam
is carried over from one task to the next.  The accuracies are lower than those
published for permuted MNIST, because there are only 1,437 training images and the
network is smaller.

With --full, the data are permuted MNIST with the published hyperparameters:
784-2000-2000-10 units, mini-batches of 256 images, 20 epochs per task, strength c = 0.1
and damping xi = 0.1.  SI is then run twice, and plain training and EWC are run once.
The strength of EWC is selected from 10, 100 and 1,000 by the test accuracy in trial
runs of three tasks with 5 epochs per task, other permutations and other initial
weights.  Dotted curves show the runs of the authors of [ZPG17] with SI and with plain
training, if the data folder contains their results.  This figure corresponds to [ZPG17]
fig. 4.
"""

import os

import numpy as np

from figures.run import claims as kinds
from figures.run import colours, seeds
from figures.run.claims import Published
from figures.si import si_training as training

FIGURE = "si_permuted"
CONDITIONS = ("SI", "plain", "EWC", "L2", "dropout")
FULL = {"SI": 2, "plain": 1, "EWC": 1}              # numbers of runs
LABELS = {"SI": "synaptic intelligence", "EWC": "elastic weight consolidation",
          "L2": "L2 penalty", "plain": "plain training",
          "dropout": "plain training, dropout 0.5"}
COLOURS = dict(zip(CONDITIONS, (colours.BLUE, colours.VERMILION, colours.GREEN,
                                colours.ORANGE, colours.PURPLE), strict=True))
MARKS = dict(zip(CONDITIONS, "osD^v", strict=True))
WEIGHTS = ("weights from a truncated Glorot normal distribution; published: "
           "uniform, with the same variance")
ANCHOR = ("; penalty of the first task: towards the initial weights; published: "
          "towards 0")
STRENGTHS, FULL_STRENGTHS = {"SI": 5.0, "EWC": 100.0, "L2": 0.01}, {"SI": 0.1}
TRIED, TRIAL = (10.0, 100.0, 1000.0), {"first": 0, "number": 3, "total": 3, "epochs": 5,
                                       "repeat": 100}       # strengths of EWC
SIZES, FULL_SIZES = (784, 200, 200, 10), (784, 2000, 2000, 10)
BATCH = {"quick": 32, "default": 32, "full": 256}
EPOCHS = {"quick": 1, "default": 7, "full": 20}
TASKS = {"quick": 3, "default": 10, "full": 10}
PART = {"quick": 3, "default": 10, "full": 2}       # tasks per job
REPEATS = {"quick": 1, "default": 2, "full": 1}
FOLDERS = {"full": ("mnist",)}
INSTEAD = {"full": {os.path.join("results", "permuted_mnist.npz"):
                    "the published accuracies are not drawn"}}
PUBLISHED = {
    "SI": Published(0.9694, "[ZPG17]", "fig. 4", "read", n=1),
    "plain": Published(0.5741, "[ZPG17]", "fig. 4", "read", n=1),
    "EWC": Published("about as accurate as SI", "[ZPG17]", "fig. 4", "recalled")}
ARRAYS = {
    "full": ("", "1", "1 for MNIST, 0 for the included digits"),
    **{name: ("run, last task learnt, tested task", "accuracy", "test accuracy with "
              f"{LABELS[name]}") for name in CONDITIONS},
    **{f"strength of {name}": ("", "1", f"strength of the penalty, {LABELS[name]}")
       for name in CONDITIONS},
    **{f"published {name}": ("last task learnt, tested task", "accuracy", "published "
                             f"test accuracy with {LABELS[name]}")
       for name in ("SI", "plain")}}


def jobs(size, seed, data, repeats=None, tasks=None, epochs=None, strength=None):
    """Return the training jobs of all networks."""
    folder = data if size == "full" else None
    strengths = STRENGTHS if folder is None else FULL_STRENGTHS
    strengths = strengths | ({"SI": strength} if strength else {})
    tasks = tasks or TASKS[size]
    counts = dict.fromkeys(CONDITIONS, REPEATS.get(size)) if folder is None else FULL
    shared = {"batch": BATCH[size], "seed": seed, "folder": folder}
    listed = [(learn, {"condition": "EWC", "strength": strength, **TRIAL, **shared})
              for strength in TRIED] * (folder is not None)
    for condition, count in counts.items():
        chosen = range(len(TRIED)) if folder is not None and condition == "EWC" else []
        c = None if chosen else strengths.get(condition, 0.0)
        for repeat in range(repeats or count):
            for first in range(0, tasks, PART[size]):
                listed.append((learn, {
                    "condition": condition, "strength": c, "first": first,
                    "number": min(PART[size], tasks - first), "total": tasks,
                    "epochs": epochs or EPOCHS[size], "repeat": repeat, **shared},
                    *([len(listed) - 1] if first else chosen)))
    return listed


def learn(condition, strength, first, number, total, epochs, batch, repeat, seed,
          folder, before=None):
    """Train on the next `number` tasks.

    The returned array "rows" contains test accuracies.  This array has one row for each
    trained task and one column for each tested task.  If `strength` is None, the
    strength of the most accurate run in `before` is used.
    """
    images, orders = training.sequence(folder, total, repeat, seed)
    net = training.perceptron(*(SIZES if folder is None else FULL_SIZES),
                              keep=0.5 if condition == "dropout" else 1.0)
    if strength is None:
        best = before if first else max(before, key=lambda run: run["rows"][-1].mean())
        strength = float(best["strength"])
    rule = training.Rule(condition if strength else "plain", strength)
    learner = training.unpacked(before) if first else training.begin(
        net, seeds.rng(seed, FIGURE, "weights", repeat))
    rows = []
    for index in range(first, first + number):
        task = training.permuted(images, orders[index])
        generator = seeds.rng(seed, FIGURE, f"task {index}", repeat)
        learner = training.learn(net, learner, task, rule, epochs=epochs, batch=batch,
                                 generator=generator)
        learner = training.consolidate(net, learner, task, rule)
        rows.append([training.tested(net, learner.parameters, [
            training.permuted(images, order)])[0] for order in orders])
    found = {"condition": condition, "repeat": repeat, "rows": np.array(rows),
             "strength": strength, "full": folder is not None}
    if folder is not None:
        found |= published_run(folder)
    if first + number < total:
        found |= training.packed(learner)
    return found


def published_run(folder):
    """Return the published test accuracies, or {}."""
    path = os.path.join(folder, "results", "permuted_mnist.npz")
    if not os.path.isfile(path):
        return {}
    with np.load(path) as stored:
        return {f"published {name}": stored[f"c={c}"]
                for name, c in (("SI", "0.1"), ("plain", "0"))}


def gather(results):
    """Return the test accuracies of each method."""
    found = {"full": np.array(bool(results[0]["full"]))}
    for condition in dict.fromkeys(str(r["condition"]) for r in results):
        own = [r for r in results if r["condition"] == condition
               and r["repeat"] != TRIAL["repeat"]]
        found[condition] = np.array([np.concatenate(
            [r["rows"] for r in own if r["repeat"] == repeat])
            for repeat in sorted({int(r["repeat"]) for r in own})])
        found[f"strength of {condition}"] = own[0]["strength"]
    return found | {key: value for r in results for key, value in r.items()
                    if key.startswith("published")}


def seen(matrix):
    """Average over the tasks learnt so far."""
    return np.stack([matrix[..., i, :i + 1].mean(axis=-1)
                     for i in range(matrix.shape[-1])], axis=-1)


def claims(size):
    full = size == "full"
    text = "mean accuracy over the tasks at the end, {}".format
    about = {"unit": "accuracy"}
    if full:
        found = [
            kinds.reproduction("si", text(LABELS["SI"]), PUBLISHED["SI"], **about,
                               differs=WEIGHTS + ANCHOR, headline="SI, 10 tasks of "
                               "permuted MNIST: mean accuracy"),
            kinds.reproduction("plain", text(LABELS["plain"]), PUBLISHED["plain"],
                               differs=WEIGHTS, **about)]
    else:
        found = [kinds.own("si", text(LABELS["SI"]), low=0.84, **about),
                 kinds.own("plain", text(LABELS["plain"]), high=0.8, **about)]
    found += [
        kinds.own("gain", text(f"{LABELS['SI']} minus {LABELS['plain']}"), low=0.05,
                  **about),
        kinds.own("newest", "mean accuracy on each task directly after learning it, "
                  f"{LABELS['plain']} minus {LABELS['SI']}", high=0.05, **about)]
    if full:
        return [*found, kinds.shown(
            "ewc", text(LABELS["EWC"]), published=PUBLISHED["EWC"], **about, why="the "
            "published curve is of another paper, and was recalled", differs="strength "
            "selected from 10, 100 and 1,000 by test accuracy")]
    return found + [kinds.shown(name.lower(), text(LABELS[name]), **about)
                    for name in CONDITIONS[2:]]


def measured(data):
    pairs = min(len(data["SI"]), len(data["plain"]))
    present = [name for name in CONDITIONS if name in data]
    found = {name.lower(): seen(data[name])[:, -1] for name in present}
    tasks = range(data["SI"].shape[1])
    newest = {name: data[name][:pairs, tasks, tasks].mean(axis=1)
              for name in ("SI", "plain")}
    return found | {"gain": found["si"][:pairs] - found["plain"][:pairs],
                    "newest": newest["plain"] - newest["SI"]}


def plot(data, fig):
    fig.set_size_inches(12.5, 4.4)
    wide, first, newest = fig.subplots(1, 3, width_ratios=(1.5, 1, 1), sharey=True)
    for name in filter(data.__contains__, CONDITIONS):
        count = data[name].shape[1]
        after, diagonal = np.arange(1, count + 1), range(count)
        for axis, curve in ((wide, seen(data[name])), (first, data[name][:, :, 0]),
                            (newest, data[name][:, diagonal, diagonal])):
            axis.plot(after, curve.T, color=COLOURS[name], lw=0.7, alpha=0.4)
            axis.plot(after, curve.mean(axis=0), MARKS[name] + "-",
                      color=COLOURS[name], lw=2.2, label=LABELS[name],
                      **{"ms": 5, "zorder": 3} if name == "SI" else {"ms": 8})
            paper = data.get(f"published {name}")
            if paper is not None:
                line = {wide: seen(paper), first: paper[:, 0],
                        newest: paper.diagonal()}[axis]
                axis.plot(np.arange(1, len(line) + 1), line, ":", color=COLOURS[name],
                          lw=2, label=f"published, {LABELS[name]}")
    wide.set(title="Mean over the tasks learnt so far", ylim=(0, 1.02), xticks=after,
             ylabel="test accuracy")
    first.set(title="First task", xticks=after)
    newest.set(title="Task learnt last", xticks=after)
    for axis in (wide, first, newest):
        axis.set_xlabel("number of tasks learnt")
        axis.axhline(0.1, color=colours.GREY, ls=":", lw=1.2)
    wide.annotate("chance", (0, 0.1), xycoords=("axes fraction", "data"), xytext=(4, 3),
                  textcoords="offset points", color=colours.GREY, fontsize=9.5)
    wide.legend(loc="lower left", bbox_to_anchor=(0, 0.13))
