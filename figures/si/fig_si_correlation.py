"""Correlations between the weight importances of different tasks, by layer

Each weight of a network has an importance for each task.  For each pair of tasks, the
left panels show the correlation between the importances for these two tasks.  Each left
panel shows mean correlations over runs for one layer of the network.  The right panels
show how the correlation between the importances for two tasks depends on the distance
between the tasks in the sequence.  Consecutive tasks have distance 1.  Thin lines are
single runs, and lines with markers are means over runs.

A fully connected network of 784-200-200-10 units learns six tasks in sequence.  The
images are the handwritten digits of refsnn, enlarged and centred in 28x28 pixels as in
MNIST.  The first task shows the digits unchanged.  In each later task, the pixels of
all images are reordered by a random permutation.  The importance of a weight for a task
is `w / (Delta^2 + xi)`.  The path integral w of a weight estimates how much the changes
of this weight contributed to the decrease of the loss.  Delta is the change of the
weight during the task, and the damping xi is 0.1.

Because the pixels are permuted, different tasks depend on different weights of the
first layer.  In the second layer and in the output layer, some weights are important
for several tasks.  Training with the penalty of synaptic intelligence is called
consolidation.  According to [ZPG17], consolidation reduces the correlation between the
importances of different tasks.  This statement about [ZPG17] was written from memory.

By default, each task has 1,437 training images and 450 training steps, and the strength
of the penalty is 5.  In a layer with more than 20,000 weights, the correlations are
computed for 20,000 randomly selected weights.  Runs with and without consolidation use
the same initial weights and the same pixel permutations.  With --full, a network of
784-2000-2000-10 units learns six tasks of permuted MNIST in one run.  Each task is
trained for 20 epochs, and the penalty has strength 0.1.  This figure corresponds to
[ZPG17] fig. 5, which gives no numerical values.
"""

import numpy as np

from figures.run import claims as kinds
from figures.run import colours, seeds
from figures.si import si_training as training

PAPER = "[ZPG17] fig. 5"
FIGURE, XI, SAMPLED = "si_correlation", 0.1, 20000
NAMES = ("with consolidation", "without consolidation")
COLOURS = (colours.BLUE, colours.VERMILION)
STRENGTH = {"quick": 5.0, "default": 5.0, "full": 0.1}
SIZES, FULL_SIZES = (784, 200, 200, 10), (784, 2000, 2000, 10)
LAYERS = ("first layer", "second layer", "output layer")
BATCH = {"quick": 32, "default": 32, "full": 256}
EPOCHS = {"quick": 1, "default": 10, "full": 20}
TASKS = {"quick": 3, "default": 6, "full": 6}
PART = {"quick": 3, "default": 6, "full": 2}        # tasks per job
REPEATS = {"quick": 1, "default": 2, "full": 1}
FOLDERS = {"full": ("mnist",)}
BOUNDS = {"first": {"high": 0.1}, "second": {"low": 0.15}, "output": {"low": 0.3}}
ARRAYS = {name: ("run, layer, task, other task", "1", "correlation of the weight "
                 f"importances of two tasks, {label}")
          for name, label in zip(("with", "without"), NAMES, strict=True)}


def jobs(size, seed, data, repeats=None, tasks=None, epochs=None, strength=None):
    """Return the training jobs of all networks."""
    listed, tasks = [], tasks or TASKS[size]
    for repeat in range(repeats or REPEATS[size]):
        for c in (strength or STRENGTH[size], 0.0):
            for first in range(0, tasks, PART[size]):
                listed.append((learn, {
                    "strength": c, "first": first,
                    "number": min(PART[size], tasks - first), "total": tasks,
                    "epochs": epochs or EPOCHS[size], "batch": BATCH[size],
                    "repeat": repeat, "seed": seed,
                    "folder": data if size == "full" else None},
                    *([len(listed) - 1] if first else [])))
    return listed


def learn(strength, first, number, total, epochs, batch, repeat, seed, folder,
          before=None):
    """Train on the next tasks, and return the importances of the weights.

    The argument `number` is the number of tasks on which this function trains.
    """
    images, orders = training.sequence(folder, total, repeat, seed)
    net = training.perceptron(*(SIZES if folder is None else FULL_SIZES))
    rule = training.Rule("SI", strength, XI)
    learner = training.begin(net, seeds.rng(seed, FIGURE, "weights", repeat)) \
        if before is None else training.unpacked(before)
    chosen = [seeds.rng(seed, FIGURE, f"chosen {i}", repeat).permutation(
        theta.size)[:SAMPLED] for i, theta in enumerate(learner.parameters[:3])]
    added = [[] for _ in chosen]
    for index in range(first, first + number):
        task = training.permuted(images, orders[index])
        generator = seeds.rng(seed, FIGURE, f"task {index}", repeat)
        learner = training.learn(net, learner, task, rule, epochs=epochs, batch=batch,
                                 generator=generator)
        for part, share, rows in zip(added, training.share(learner, XI), chosen,
                                     strict=False):
            part.append(share.ravel()[rows])
        learner = training.consolidate(net, learner, task, rule)
    found = {"strength": strength, "repeat": repeat,
             **{f"added {i}": np.array(part) for i, part in enumerate(added)}}
    return found | (training.packed(learner) if first + number < total else {})


def gather(results):
    """Return the correlations between the tasks' importances."""
    repeats = sorted({int(r["repeat"]) for r in results})
    return {name: np.array([[np.corrcoef(np.concatenate(
        [r[f"added {i}"] for r in results if r["repeat"] == repeat
         and (r["strength"] > 0) == (name == "with")]).astype(float))
        for i in range(len(LAYERS))] for repeat in repeats])
        for name in ("with", "without")}


def apart(matrices):
    """Return the mean correlation between different tasks."""
    count = matrices.shape[-1]
    return matrices[..., ~np.eye(count, dtype=bool)].mean(axis=-1)


def claims(size):
    text = "{}: mean correlation of the importances of two tasks, {}".format
    return [*(kinds.own(f"{key}-without", text(layer, NAMES[1]), **bound)
              for (key, bound), layer in zip(BOUNDS.items(), LAYERS, strict=True)),
            *(kinds.shown(f"{key}-with", text(layer, NAMES[0]))
              for key, layer in zip(BOUNDS, LAYERS, strict=True))]


def measured(data):
    return {f"{key}-{name}": values for name in ("with", "without")
            for key, values in zip(BOUNDS, apart(data[name]).T, strict=True)}


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
    axes[-1].set_xlabel("distance between the tasks in the sequence")
