"""Ten tasks of permuted pixels: how much of them a network keeps

Embedded digits laid out as those of MNIST (20x20 in a frame of 28x28),
784-200-200-10, and ten tasks, each with the pixels in another order, the
first as they are.  After all ten, synaptic intelligence (strength 5, damping
0.1) has at least 0.84 in the mean over the tasks, plain training at most
0.80.  Beside them: elastic weight consolidation, a quadratic anchor that
holds all parameters alike (L2), and dropout of half the hidden units without
any anchor.

Left: mean test accuracy over the tasks seen so far, a thin line for each run.
Middle: accuracy on the first task, as more are learnt; right: on each task
when it has just been learnt, the price in plasticity.  Orders, splits and
starting weights are the same for all.  The strengths, chosen on other seeds,
are 5 (SI), 100 (EWC, of half the Fisher information) and 0.01 (L2); Adam goes
on from task to task.  The digits are few, 1,437, so that ten tasks are harder
to keep than with MNIST.

At --full, permuted MNIST as published: 784-2000-2000-10, batches of 256, 20
epochs a task, c = 0.1, xi = 0.1, one run: at least 0.96 against at most 0.65
of plain training; the other three are left to the digits.  The published run
is drawn dotted where the data folder has it.  Mirrors [ZPG17] fig. 4; there
dropout is called far worse than SI.
"""

import os

import numpy as np

from figures.run.claims import Claim, at_least, at_most
from figures.run import colours, seeds
from figures.si import si_training

FIGURE = "si_permuted"
CONDITIONS = ("SI", "plain", "EWC", "L2", "dropout")
FULL_CONDITIONS = ("SI", "plain")
LABELS = {"SI": "synaptic intelligence", "EWC": "elastic weight consolidation",
          "L2": "L2 anchor", "plain": "plain", "dropout": "plain, dropout 0.5"}
COLOURS = dict(zip(CONDITIONS, (colours.BLUE, colours.VERMILION, colours.GREEN,
                                colours.ORANGE, colours.PURPLE), strict=True))
MARKS = dict(zip(CONDITIONS, "osD^v", strict=True))
STRENGTHS, FULL_STRENGTHS = {"SI": 5.0, "EWC": 100.0, "L2": 0.01}, {"SI": 0.1}
SIZES, FULL_SIZES = (784, 200, 200, 10), (784, 2000, 2000, 10)
BATCH = {"quick": 32, "default": 32, "full": 256}
EPOCHS = {"quick": 5, "default": 10, "full": 20}
TASKS = {"quick": 3, "default": 10, "full": 10}
PART = {"quick": 3, "default": 10, "full": 2}       # tasks of a job
REPEATS = {"quick": 1, "default": 3, "full": 1}
FOLDERS = {"full": ("mnist",)}


def jobs(size, seed, data):
    """Chains of jobs, one for each condition and run."""
    listed = []
    for repeat in range(REPEATS[size]):
        for condition in FULL_CONDITIONS if size == "full" else CONDITIONS:
            for first in range(0, TASKS[size], PART[size]):
                listed.append((learn, {
                    "condition": condition, "first": first, "tasks_": PART[size],
                    "of": TASKS[size], "epochs": EPOCHS[size], "batch": BATCH[size],
                    "repeat": repeat, "seed": seed,
                    "folder": data if size == "full" else None},
                    *([len(listed) - 1] if first else [])))
    return listed


def sequence(folder, of, repeat, seed):
    """All tasks, of one split and one set of orders."""
    images = si_training.framed(seed, repeat) if folder is None \
        else si_training.stored(folder, "mnist")
    orders = si_training.task_sequences.permutations(
        seeds.rng(seed, "si", "orders", repeat), of, 784)
    return images, orders


def learn(condition, first, tasks_, of, epochs, batch, repeat, seed, folder,
          before=None):
    """Some tasks of a sequence: accuracy after each of them on all."""
    images, orders = sequence(folder, of, repeat, seed)
    strengths = STRENGTHS if folder is None else FULL_STRENGTHS
    net = si_training.perceptron(*(SIZES if folder is None else FULL_SIZES),
                                 keep=0.5 if condition == "dropout" else 1.0)
    rule = si_training.Rule(condition if condition in strengths else "plain",
                            strengths.get(condition, 0.0))
    learner = si_training.begin(net, seeds.rng(seed, FIGURE, "weights", repeat)) \
        if before is None else si_training.unpacked(before)
    rows = []
    for index in range(first, first + tasks_):
        task = si_training.permuted(images, orders[index])
        learner = si_training.learn(net, learner, task, rule, epochs=epochs, batch=batch,
                                    generator=seeds.rng(seed, FIGURE, f"task {index}",
                                                        repeat))
        learner = si_training.consolidate(net, learner, task, rule)
        rows.append([si_training.tested(net, learner.parameters, [
            si_training.permuted(images, order)])[0] for order in orders])
    found = {"condition": condition, "repeat": repeat, "rows": np.array(rows),
             "full": folder is not None}
    if folder is not None:
        found |= published_run(folder)
    if first + tasks_ < of:
        found |= si_training.packed(learner)
    return found


def published_run(folder):
    """The authors' run with c = 0.1 and that with c = 0, if at hand."""
    path = os.path.join(folder, "results", "permuted_mnist.npz")
    if not os.path.isfile(path):
        return {}
    with np.load(path) as stored:
        return {f"published {name}": stored[f"c={c}"]
                for name, c in (("SI", "0.1"), ("plain", "0"))}


def gather(results):
    """{condition: (repeats, after task, on task)}."""
    found = {"full": np.array(bool(results[0]["full"]))}
    for condition in dict.fromkeys(str(r["condition"]) for r in results):
        runs = [[r["rows"] for r in results if r["condition"] == condition
                 and r["repeat"] == repeat]
                for repeat in sorted({int(r["repeat"]) for r in results})]
        found[condition] = np.array([np.concatenate(run) for run in runs])
    return found | {key: value for r in results for key, value in r.items()
                    if key.startswith("published")}


def seen(matrix):
    """Mean over the tasks seen so far, (..., tasks)."""
    return np.stack([matrix[..., i, :i + 1].mean(axis=-1)
                     for i in range(matrix.shape[-1])], axis=-1)


def claims(data):
    runs, count = data["plain"].shape[:2]
    shown = [name for name in CONDITIONS if name in data]
    end = {name: seen(data[name])[:, -1].mean() for name in shown}
    paper = {name: float(seen(data[f"published {name}"])[-1])
             for name in ("SI", "plain") if f"published {name}" in data}
    text = f"mean over {count} tasks at the end"
    high, low = (0.96, 0.65) if bool(data["full"]) \
        else (0.84, 0.8)
    newest = {name: data[name][:, range(count), range(count)].mean()
              for name in shown}
    found = [
        at_least(f"{text}, SI, {runs} run{'s' * (runs > 1)}", end["SI"], high,
                 paper.get("SI")),
        at_most(f"{text}, plain", end["plain"], low, paper.get("plain")),
        at_least(f"{text}, least of SI - plain over runs",
                 (seen(data["SI"]) - seen(data["plain"]))[:, -1].min(), 0.05),
        at_most("each task when just learnt: mean accuracy plain - SI",
                newest["plain"] - newest["SI"], 0.05)]
    return found + [Claim(f"{text}, {LABELS[name]}", float(end[name]),
                          "shown only", None)
                    for name in shown if name not in FULL_CONDITIONS]


def plot(data, fig):
    fig.set_size_inches(12.5, 4.4)
    wide, first, newest = fig.subplots(1, 3, width_ratios=(1.5, 1, 1), sharey=True)
    for name in filter(data.__contains__, CONDITIONS):
        count = data[name].shape[1]
        after, diagonal = np.arange(1, count + 1), range(count)
        for axis, curve in ((wide, seen(data[name])), (first, data[name][:, :, 0]),
                            (newest, data[name][:, diagonal, diagonal])):
            axis.plot(after, curve.T, color=COLOURS[name], lw=0.7, alpha=0.4)
            axis.plot(after, curve.mean(axis=0), MARKS[name] + "-", ms=6,
                      color=COLOURS[name], lw=2.2, label=LABELS[name])
            paper = data.get(f"published {name}")
            if paper is not None:
                line = {wide: seen(paper), first: paper[:, 0],
                        newest: paper.diagonal()}[axis]
                axis.plot(np.arange(1, len(line) + 1), line, ":", color=COLOURS[name],
                          lw=2, label=f"published, {LABELS[name]}")
    wide.set(title="Mean over the tasks seen so far", ylim=(0, 1.02), xticks=after,
             ylabel="accuracy (share of the test images)")
    first.set(title="First task", xticks=after)
    newest.set(title="The task just learnt", xticks=after)
    for axis in (wide, first, newest):
        axis.set_xlabel("tasks learnt")
        axis.axhline(0.1, color=colours.GREY, ls=":", lw=1.2)
    wide.annotate("chance", (0, 0.1), xycoords=("axes fraction", "data"), xytext=(4, 3),
                  textcoords="offset points", color=colours.GREY, fontsize=9.5)
    wide.legend(loc="lower left", bbox_to_anchor=(0, 0.13))
