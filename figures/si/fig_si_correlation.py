"""Which parameters matter: the same ones for each task, or others

How much alike are the importances of two tasks?  Permuted digits, laid out as
those of MNIST, six tasks, 784-200-200-10.  What a task adds to the
importances, w / (Delta^2 + xi), is correlated over the weights of a layer
between each two tasks.  Where the pixels enter, the permutations see to it
that tasks use different weights (mean correlation at most 0.1).  In the second
layer, without consolidation, they share them: a mean correlation of at least
0.15, and in the output layer of at least 0.3.

In the paper consolidation drives tasks apart there.  With these few images,
450 steps a task, it does so only a little, and that is shown, not claimed.

Left: the correlation matrices of the three layers, mean over runs.  Right:
mean correlation of two tasks by how many tasks lie between them, a thin line
for each run.  Of a layer with more than 20,000 weights that many are drawn.
Strength 5 (at --full: 0.1), damping 0.1; the same orders and starting weights
with and without.  At --full, MNIST and 784-2000-2000-10, 20 epochs a task,
one run.  Mirrors [ZPG17] fig. 5, which has no numbers to compare.
"""

import numpy as np

from figures.run.claims import Claim, at_least, at_most
from figures.run import colours, seeds
from figures.si import si_training

FIGURE, XI, SAMPLED = "si_correlation", 0.1, 20000
NAMES = ("with consolidation", "without")
COLOURS = (colours.BLUE, colours.VERMILION)
STRENGTH = {"quick": 5.0, "default": 5.0, "full": 0.1}
SIZES, FULL_SIZES = (784, 200, 200, 10), (784, 2000, 2000, 10)
LAYERS = ("first layer", "second layer", "output layer")
BATCH = {"quick": 32, "default": 32, "full": 256}
EPOCHS = {"quick": 5, "default": 10, "full": 20}
TASKS = {"quick": 3, "default": 6, "full": 6}
PART = {"quick": 3, "default": 6, "full": 2}        # tasks of a job
REPEATS = {"quick": 1, "default": 3, "full": 1}
FOLDERS = {"full": ("mnist",)}


def jobs(size, seed, data):
    """Chains of jobs, one for each strength and run."""
    listed = []
    for repeat in range(REPEATS[size]):
        for strength in (STRENGTH[size], 0.0):
            for first in range(0, TASKS[size], PART[size]):
                listed.append((learn, {
                    "strength": strength, "first": first, "tasks_": PART[size],
                    "of": TASKS[size], "epochs": EPOCHS[size], "batch": BATCH[size],
                    "repeat": repeat, "seed": seed,
                    "folder": data if size == "full" else None},
                    *([len(listed) - 1] if first else [])))
    return listed


def learn(strength, first, tasks_, of, epochs, batch, repeat, seed, folder,
          before=None):
    """Some tasks of a sequence: what each adds to the importances."""
    images = si_training.framed(seed, repeat) if folder is None \
        else si_training.stored(folder, "mnist")
    orders = si_training.task_sequences.permutations(
        seeds.rng(seed, "si", "orders", repeat), of, 784)
    net = si_training.perceptron(*(SIZES if folder is None else FULL_SIZES))
    rule = si_training.Rule("SI", strength, XI)
    learner = si_training.begin(net, seeds.rng(seed, FIGURE, "weights", repeat)) \
        if before is None else si_training.unpacked(before)
    chosen = [seeds.rng(seed, FIGURE, f"chosen {i}", repeat).permutation(
        theta.size)[:SAMPLED] for i, theta in enumerate(learner.parameters[:3])]
    added = [[] for _ in chosen]
    for index in range(first, first + tasks_):
        task = si_training.permuted(images, orders[index])
        learner = si_training.learn(net, learner, task, rule, epochs=epochs, batch=batch,
                                    generator=seeds.rng(seed, FIGURE, f"task {index}",
                                                        repeat))
        for part, share, rows in zip(added, si_training.share(learner, XI), chosen,
                                     strict=False):
            part.append(share.ravel()[rows])
        learner = si_training.consolidate(net, learner, task, rule)
    found = {"strength": strength, "repeat": repeat,
             **{f"added {i}": np.array(part) for i, part in enumerate(added)}}
    return found | (si_training.packed(learner) if first + tasks_ < of else {})


def gather(results):
    """{"with", "without"}: correlations (repeats, layers, task, task)."""
    repeats = sorted({int(r["repeat"]) for r in results})
    return {name: np.array([[np.corrcoef(np.concatenate(
        [r[f"added {i}"] for r in results if r["repeat"] == repeat
         and (r["strength"] > 0) == (name == "with")]).astype(float))
        for i in range(len(LAYERS))] for repeat in repeats])
        for name in ("with", "without")}


def apart(matrices):
    """Mean correlation of different tasks, one for each run and layer."""
    count = matrices.shape[-1]
    return matrices[..., ~np.eye(count, dtype=bool)].mean(axis=-1)


def claims(data):
    held, free = (apart(data[name]).mean(axis=0) for name in ("with", "without"))
    runs = len(data["with"])
    found = [
        at_most(f"first layer: mean correlation without consolidation, {runs} "
                f"run{'s' * (runs > 1)}", free[0], 0.1),
        at_least("second layer: mean correlation without consolidation",
                 free[1], 0.15),
        at_least("output layer: mean correlation without consolidation",
                 free[2], 0.3)]
    return found + [Claim(
        f"{layer}: mean correlation with consolidation", float(value), "shown only",
        None) for layer, value in zip(LAYERS, held, strict=True)]


def plot(data, fig):
    fig.set_size_inches(12.5, 5)
    left, right = fig.subfigures(1, 2, width_ratios=(1.6, 1))
    count, pairs = data["with"].shape[-1], (data["with"], data["without"])
    axes = left.subplots(2, 3, sharex=True, sharey=True)
    for row, name, matrices in zip(axes, NAMES, pairs, strict=True):
        for i, axis in enumerate(row):
            image = axis.imshow(matrices[:, i].mean(axis=0), vmin=0, vmax=1)
            axis.grid(visible=False)
            axis.set(xticks=range(count), xticklabels=range(1, count + 1),
                     yticks=range(count), yticklabels=range(1, count + 1))
        row[0].set_ylabel(f"{name}\n\ntask")
    for i, axis in enumerate(axes[0]):
        axis.set_title(LAYERS[i].capitalize())
        axes[1, i].set_xlabel("task")
    left.colorbar(image, ax=axes, label="correlation of importances", shrink=0.7)
    axes = right.subplots(3, 1, sharex=True, sharey=True)
    lags = np.arange(1, count)
    for i, axis in enumerate(axes):
        for name, colour, mark, matrices in zip(NAMES, COLOURS, "os", pairs,
                                                strict=True):
            curve = np.array([[np.diagonal(m[i], lag).mean() for lag in lags]
                              for m in matrices])
            axis.plot(lags, curve.T, color=colour, lw=0.8, alpha=0.5)
            axis.plot(lags, curve.mean(axis=0), mark + "-", color=colour, label=name)
        axis.axhline(0, color=colours.GREY, ls=":", lw=1.2)
        axis.set(title=LAYERS[i].capitalize(), ylabel="correlation", xticks=lags)
    axes[0].legend(ncols=2)
    axes[-1].set_xlabel("tasks from one to the other")
