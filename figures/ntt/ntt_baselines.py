"""Prune networks with different methods, and train the networks on labelled images.

The function `transfer` runs Neural Tangent Transfer (NTT).  NTT computes the masks and
the weights of a sparse network, and needs no labels.  The other pruning methods compute
masks from the initial weights.  The function `learn` trains one sparse network on
labelled images.
"""

from typing import NamedTuple

import numpy as np

from figures.ntt import ntt_training as training
from figures.run import seeds

FIGURE, EARLY, TESTS = "ntt", 100, 5  # step of the early test; number of final tests
SCOPES = ("layer", "global")
BOTH = tuple((method, scope) for method in training.METHODS[:-1] for scope in SCOPES)


class Task(NamedTuple):
    """This class holds the settings of one comparison of pruning methods."""

    data: str               # key of training.SIZES, or a folder of the data folder
    densities: dict         # {density: number of runs}
    steps: int              # steps of transfer
    labelled: int           # steps of training with labels
    net: str = "perceptron"         # or a key of convnet.ARCHITECTURES
    rows: tuple = BOTH              # (method, scope); scope: see `pruning`
    rate: float = 5e-4              # learning rate of the transfer
    l2: float = 1e-4
    batch: int = training.BATCH     # mini-batch of the transfer
    part: int = 18720               # steps of transfer in one job
    threads: int = 1                # threads of the transfer


DENSITIES = {0.01: 3, 0.02: 3, 0.03: 3, 0.05: 1, 0.1: 1, 0.2: 1}
TASKS = {
    "quick": {"digits": Task("digits", {0.05: 1}, 40, 150, rate=2e-3)},
    "default": {"digits": Task("digits", {0.02: 3, 0.05: 3}, 500, 800, rate=2e-3)},
    "full": {
        "MNIST": Task("mnist", DENSITIES, 18720, 18720),
        "Fashion-MNIST": Task("fashion_mnist", DENSITIES, 18720, 18720),
        "LeNet": Task("mnist", {0.03: 1, 0.1: 1}, 3000, 5000, "lenet5_caffe", l2=1e-5),
        "Conv-4": Task(training.CIFAR, {0.05: 1}, 3000, 5000, "conv4", (
            ("NTT", "layer"), ("NTT masks", "layer"), ("random", "layer"),
            ("magnitude", "layer"), ("SNIP", "global")), l2=1e-5, batch=16, part=600,
            threads=2)}}


def jobs(size, names, seed, data, repeats=None, **steps):
    """Return the jobs of all networks.

    Each keyword argument in `steps` replaces the field of `Task` with the same name.
    """
    listed, steps = [], {key: value for key, value in steps.items() if value}
    for name in names:
        task = TASKS[size][name]._replace(**steps)
        for density, usual in task.densities.items():
            for repeat in range(repeats or usual):
                one = {"size": size, "name": name, "density": density,
                       "repeat": repeat, "seed": seed,
                       "folder": data if size == "full" else None, **steps}
                _add(listed, task, one)
    return listed


def _add(listed, task, one):
    transfers = {}
    for scope in SCOPES:
        if ("NTT", scope) in task.rows:
            for first in range(0, task.steps, task.part):
                before = [transfers[scope]] if first else []
                transfers[scope] = len(listed)
                listed.append((transfer, {**one, "scope": scope, "first": first},
                               *before))
    dense = [("dense", "layer")] if one["density"] == min(task.densities) else []
    for method, scope in (*task.rows, *dense):
        before = [transfers[scope]] if method.startswith("NTT") else []
        listed.append((learn, {**one, "method": method, "scope": scope}, *before))


def problem(size, name, folder, repeat, seed, **steps):
    """Return task, network, initial parameters and images."""
    task = TASKS[size][name]._replace(**steps)
    if task.net == "perceptron":
        net, images = training.problem(task.data, folder, seed, repeat)
    else:
        net = training.convolutional(task.net)
        images = training.shuffled(folder, task.data, seed)
    return task, net, net.init(rng=seeds.rng(seed, FIGURE, "weights", repeat)), images


def transfer(size, name, folder, scope, density, repeat, seed, first, before=None,
             **steps):
    """Run a part of Neural Tangent Transfer."""
    task, net, teacher, images = problem(size, name, folder, repeat, seed, **steps)
    return training.transfer_part(
        net, teacher, images.x, density=density, total=task.steps, first=first,
        count=min(task.part, task.steps - first), rate=task.rate, l2=task.l2,
        scope=scope, batch=task.batch, before=before, threads=task.threads,
        generator=seeds.rng(seed, FIGURE, f"transfer {density} {scope} {first}",
                            repeat))


def learn(size, name, folder, method, scope, density, repeat, seed, before=None,
          **steps):
    """Train on labelled images, and return test accuracies at step 100 and at the end.

    before : result of the function `transfer`, for methods with NTT.
    """
    task, net, teacher, images = problem(size, name, folder, repeat, seed, **steps)
    if before is None:
        student = training.student(
            method, net, teacher, images, density,
            seeds.rng(seed, FIGURE, f"{method} {density}", repeat), scope)
    else:
        student = training.unpacked(before)
    if method == "NTT masks":
        student = student._replace(weights=teacher[0], biases=teacher[1])
    tests = [EARLY, *(task.labelled - 50 * i for i in reversed(range(1, TESTS)))]
    curve = training.supervise(net, student, images, steps=task.labelled, every=tests,
                               rate=1e-3, generator=seeds.rng(seed, FIGURE, "batches",
                                                              repeat))[2]
    return {"name": name, "row": f"{method}, {scope}", "density": density,
            "accuracy": np.array([curve[curve[:, 0] == EARLY, 1][0],
                                  curve[-TESTS:, 1].mean()])}
