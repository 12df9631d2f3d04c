"""Consolidation, fine-tuning and separate networks in a sequence of six tasks

The left panels show the test accuracy on each task, measured after the training on the
last task.  Small markers are single runs, large markers are means.  The middle panels
show the mean test accuracy over the tasks learnt so far.  The right panel shows
validation accuracies that [ZPG17] reports (means over 5 runs).  In [ZPG17], the first
task is CIFAR-10, and each later task has ten classes of CIFAR-100.

A convolutional network learns six tasks in sequence.  Each task has its own outputs.
In the first task, the network learns to classify images of the ten handwritten digits.
In each of the other five tasks, the network learns to distinguish two digits, whose
images are rotated by 90 degrees, from only four training images per digit.  The network
learns with synaptic intelligence (consolidation of strength c = 10 or 0.1, damping
1e-3) or with fine-tuning (training without a penalty, c = 0).  For comparison, a
separate, newly initialised network is trained for each later task.  Because two digits
are easy to distinguish, the training on earlier tasks does not help.

With --full, the first task is MNIST.  In each of the other five tasks, the network
learns to distinguish two classes of Fashion-MNIST with 500 training images per class,
as in CIFAR-100.  The network is LeNet-5-Caffe, and the penalty strength c is 0.1, 1 or
0.  The network of [ZPG17] also learns the published tasks, with 60 epochs per task and
with c = 0.1, 0.01 or 0.  In one more run, this network learns CIFAR-10, divided into
five tasks of two classes, with 10 epochs per task.  In this run, its third convolution
has no padding.  The networks that learn CIFAR are trained with mini-batches of 256
images and with dropout.  This figure corresponds to [ZPG17] fig. 6.
"""

import os

import numpy as np

from figures.run import claims as kinds
from figures.run import colours, published, seeds
from figures.run.claims import Published
from figures.si import si_training as training
from figures.train import image_sets
from refsnn import datasets

FIGURE, XI, SCRATCH = "si_transfer", 1e-3, -1.0
PAIRS = tuple((10 + a, 10 + b) for a, b in training.PAIRS)
ROTATED = 4                     # training images per class of the rotated digits
FASHION = 500                   # training images per class of Fashion-MNIST
CIFAR = ("cifar-10-batches-bin", "cifar-100-binary")
FRAMED = {2: (17, 17)}          # see `widened`
FOLDERS = {"full": ("mnist", "fashion_mnist", *CIFAR)}
# The claims judge the first strength, which an argument of `jobs` can replace.
STRENGTHS = {"digits": (10.0, 0.1, 0.0), "Fashion": (0.1, 1.0, 0.0),
             "pairs": (0.1, 0.0), "CIFAR": (0.1, 0.01, 0.0)}
REPEATS = {"digits": 5, "Fashion": 3, "pairs": 1, "CIFAR": 1}
BATCH = {"digits": (32, 10), "Fashion": (256, 256), "pairs": (256, 256),
         "CIFAR": (256, 256)}
# Epochs of each job: for the first task, and for each later task.
PARTS = {"digits": ((10,), (40,)), "Fashion": ((5,), (60,)), "pairs": ((10,), (10,)),
         "CIFAR": ((5,) * 12, (30,) * 2)}
TITLES = {"digits": "Digits, then rotated digits", "CIFAR": "CIFAR-10, then CIFAR-100",
          "Fashion": "MNIST, then Fashion-MNIST", "pairs": "CIFAR-10 in five pairs"}
TASKS = {"digits": 6, "Fashion": 6, "pairs": 5, "CIFAR": 6}
COLOURS = {0.0: colours.VERMILION, 0.01: colours.SKY, 0.1: colours.BLUE,
           SCRATCH: colours.GREY}
MARKS = {0.0: "s", 0.01: "^", 0.1: "o", SCRATCH: "D"}
OTHER = {"color": colours.GREEN, "marker": "v"}         # of all other strengths
# What differs from the publication.
FASHIONS = ("MNIST, then 5 pairs of classes of Fashion-MNIST with 500 training images "
            "per class, LeNet-5-Caffe, 3 runs, in place of CIFAR-10, then CIFAR-100; "
            "published: validation accuracies, 5 runs")
HALVES = ("5 pairs of classes of CIFAR-10, the published network, except that its "
          "third convolution has no padding, 10 epochs, 1 run, in place of CIFAR-10, "
          "then CIFAR-100")
INITIAL = "hidden weights are truncated normal numbers, not those of Keras"
ARRAYS = {key: value for name, title in TITLES.items() for key, value in (
    (f"{name} strengths", ("strength", "1", f"strength c of the penalty, {title}")),
    (f"{name} tested", ("strength, run, last task learnt, tested task", "accuracy",
                        f"test accuracy, {title}")),
    (f"{name} separate", ("run, task of the network, tested task", "accuracy",
                          "test accuracy of separate networks for the later tasks, "
                          f"{title}")))}


def label(strength):
    """Return the key of a penalty strength."""
    return "scratch" if strength == SCRATCH else f"c = {strength:g}"


def legend(strength):
    """Return the legend text for networks with this penalty strength."""
    return "separate networks" if strength == SCRATCH else label(strength)


def style(strength):
    """Return the colour and marker of curves."""
    return {"color": COLOURS[strength], "marker": MARKS[strength]} \
        if strength in COLOURS else OTHER


def jobs(size, seed, data, repeats=None, strength=None):
    """Return the training jobs of all networks."""
    names = ["digits"] if size != "full" else ["Fashion", "pairs", "CIFAR"]
    listed = []

    def chain(spans, index, **what):
        for task, part, epochs, ends in spans:
            listed.append((learn, {**what, "task": task, "part": part, "epochs": epochs,
                                   "ends": ends, "seed": seed,
                                   "folder": data if size == "full" else None},
                           *([] if index is None else [index])))
            index = len(listed) - 1
        return index

    for name in names:
        for repeat in range(repeats or (1 if size == "quick" else REPEATS[name])):
            what = {"name": name, "repeat": repeat}
            first = chain(spans(name, 0), None, strength=0.0, **what)
            for c in (strength or STRENGTHS[name][0], *STRENGTHS[name][1:]):
                chain([span for task in range(1, TASKS[name])
                       for span in spans(name, task)], first, strength=c, **what)
            for task in range(1, TASKS[name]):
                chain(spans(name, task), None, strength=SCRATCH, **what)
    return listed


def spans(name, task):
    """Split the training on a task into jobs."""
    parts = PARTS[name][min(task, 1)]
    return [(task, i, epochs, i == len(parts) - 1) for i, epochs in enumerate(parts)]


# ---- images and networks -----------------------------------------------------

def problem(name, folder, repeat, seed):
    """Return an untrained network and its tasks."""
    if name in ("CIFAR", "pairs"):
        margin, dense, outputs = (3, 2304, 60) if name == "CIFAR" else (1, 1600, 10)
        parts = [widened(os.path.join(folder, f), classes, margin)
                 for f, classes in zip(CIFAR[:2 if name == "CIFAR" else 1], (10, 100),
                                       strict=False)]
        shapes = ((32, 3, 3, 3), (32, 3, 3, 32), (64, 3, 3, 32), (64, 3, 3, 64),
                  (512, dense), (outputs, 512))
        net = training.convolutional(shapes, (False, True, False, True),
                                     keep=(1, 0.75, 1, 0.75, 0.5),
                                     framed=FRAMED if name == "CIFAR" else None)
        if name == "pairs":
            return net, training.split(*parts, training.PAIRS)
        first, second = parts
        # Labels of the later tasks are shifted by 10 below.
        groups = [range(10 * i, 10 * i + 10) for i in range(1, 6)]
    else:
        if name == "Fashion":
            first, second = (training.stored(folder, f, flat=False)
                             for f in ("mnist", "fashion_mnist"))
            shapes = ((20, 5, 5, 1), (50, 5, 5, 20), (500, 800), (20, 500))
            net = training.convolutional(shapes, (True, True))
        else:
            first = training.digits(seed, repeat, flat=False)
            second = first._replace(x=np.rot90(first.x, axes=(1, 2)).copy(),
                                    x_test=np.rot90(first.x_test, axes=(1, 2)).copy())
            shapes = ((16, 3, 3, 1), (16, 3, 3, 16), (64, 64), (20, 64))
            net = training.convolutional(shapes, (False, True))
        second = few(second, FASHION if name == "Fashion" else ROTATED)
        groups = PAIRS
    second = second._replace(labels=second.labels + 10,
                             labels_test=second.labels_test + 10)
    classes = shapes[-1][0]
    return net, [*training.split(first, [range(10)], classes),
                 *training.split(second, groups, classes)]


def few(images, number):
    """Keep `number` training images of each class."""
    rows = np.sort(np.concatenate([np.flatnonzero(images.labels == label)[:number]
                                   for label in np.unique(images.labels)]))
    return images._replace(x=images.x[rows], labels=images.labels[rows])


def widened(folder, classes, margin):
    """Load CIFAR images, and add `margin` black pixels on each side.

    The first convolution of the published network pads images with zeros.  A margin of
    1 black pixel around each image has the same effect as this zero padding.  With a
    margin of 3 pixels, the feature maps after the first pooling have 17 x 17 entries.
    The inner 15 x 15 entries of these maps equal the feature maps of the published
    network.  The third convolution of the published network pads its input maps with
    zeros.  Therefore, the entries at the edges of the 17 x 17 maps are set to 0.
    """
    parts, sides = [], (margin, margin)
    for kind in ("train", "test"):
        x, labels = datasets.cifar(folder, kind, classes=classes)
        parts += [np.pad(x, ((0, 0), sides, sides, (0, 0))), labels]
    return image_sets.Images(*parts)


# ---- learning ----------------------------------------------------------------

def learn(name, strength, task, part, epochs, ends, repeat, seed, folder, before=None):
    """Train a network on one task."""
    net, listed = problem(name, folder, repeat, seed)
    learner = training.begin(net, seeds.rng(seed, FIGURE, f"{name} weights", repeat)) \
        if before is None else training.unpacked(before)
    rule = training.Rule("SI", max(strength, 0.0), XI,
                         "moments" if name == "CIFAR" else "all")
    learner = training.learn(
        net, learner, listed[task], rule, epochs=epochs,
        batch=BATCH[name][min(task, 1)],
        generator=seeds.rng(seed, FIGURE, f"{name} task {task} part {part}", repeat))
    found = {"name": name, "strength": strength, "task": task, "repeat": repeat}
    if ends:
        learner = training.consolidate(net, learner, listed[task], rule)
        found["accuracy"] = training.tested(net, learner.parameters, listed)
    last = ends and (task == TASKS[name] - 1 or strength == SCRATCH)
    return found if last else found | training.packed(learner)


def gather(results):
    """Return the test accuracies of all networks."""
    found = {}
    for name in dict.fromkeys(str(r["name"]) for r in results):
        own = [r for r in results if r["name"] == name and "accuracy" in r]
        repeats = sorted({int(r["repeat"]) for r in own})
        strengths = list(dict.fromkeys(float(r["strength"]) for r in own if r["task"]))
        strengths.remove(SCRATCH)
        tested = np.array([[[next(
            r["accuracy"] for r in own if r["repeat"] == repeat
            and r["task"] == task and (task == 0 or r["strength"] == strength))
            for task in range(TASKS[name])] for repeat in repeats]
            for strength in (*strengths, SCRATCH)])
        found |= {f"{name} strengths": np.array(strengths),
                  f"{name} tested": tested[:-1], f"{name} separate": tested[-1]}
    return found


def final(data, name, strength):
    """Return the final test accuracy on each task."""
    if strength == SCRATCH:
        return data[f"{name} separate"].diagonal(axis1=1, axis2=2)
    index = list(data[f"{name} strengths"]).index(strength)
    return data[f"{name} tested"][index, :, -1]


def names_of(data):
    """Return the names of the data sets."""
    return [name for name in STRENGTHS if f"{name} tested" in data]


def claims(size):
    if size != "full":
        return [*judged("digits", "", (0.03, 0.03, -0.08)), *ends("digits"),
                other("digits")]
    paper = published.values(FIGURE)
    tasks = np.array([[paper[f"{label(s)}, task {i + 1}"] for i in range(6)]
                      for s in (0.1, 0.0, SCRATCH)])
    kept, plain, alone = tasks

    def number(value):
        return Published(round(float(value), 3), "[ZPG17]", "fig. 6", "read", n=5)

    gains = [number(value) for value in (
        (kept - plain).mean(), (kept - plain)[:-1].mean(), (kept - alone)[1:].mean())]
    cause = ("the published strength c = 0.1 is perhaps too low for these data; with "
             "c = 1, this difference is nearer to 0 (`si_transfer`, claim "
             "transfer-other)")
    found = [
        kinds.stand_in(key, text, value, ordered=True, differs=FASHIONS,
                       unit="accuracy", **more)
        for (key, text), value, more in zip(texts("Fashion"), gains, (
            {}, {}, {"cause": cause, "headline": "SI, later tasks (Fashion-MNIST in "
                     "place of CIFAR-100): accuracy minus that of separate networks "
                     "(only the sign is judged)"}), strict=True)]
    found += [claim._replace(published=number(value), differs=FASHIONS,
                             why="accuracies on other images cannot be compared")
              for claim, value in zip(ends("Fashion"), tasks.mean(axis=1), strict=True)]
    pairs = [*judged("pairs", "pairs-", (0.02, None, None)), *ends("pairs", "pairs-")]
    medium = np.array([paper[f"{label(0.01)}, task {i + 1}"] for i in range(6)])
    alike = [*((f"cifar-{key}", text, gain, True) for (key, text), gain in zip(
                 texts("CIFAR"), gains, strict=True)),
             *((claim.id, claim.text, number(value), False) for claim, value in zip(
                 ends("CIFAR", "cifar-"), tasks.mean(axis=1), strict=True)),
             ("cifar-end-other", f"{TITLES['CIFAR']}: mean accuracy over the tasks at "
              "the end, consolidation with c = 0.01", number(medium.mean()), False),
             ("cifar-transfer-other", other("CIFAR").text,
              number((medium - alone)[1:].mean()), True)]
    return [*found, other("Fashion"),
            *(claim._replace(differs=HALVES) for claim in pairs),
            *(kinds.reproduction(key, text, value, ordered=ordered, differs=INITIAL,
                                 unit="accuracy")
              for key, text, value, ordered in alike)]


def texts(name):
    """Return the ids and texts of claims."""
    text = f"{TITLES[name]}: mean accuracy over {{}}, consolidation minus {{}}".format
    return (("gain", text("the tasks", "fine-tuning")),
            ("gain-earlier", text("all tasks but the last", "fine-tuning")),
            ("transfer", text("all tasks but the first", "separate networks")))


def judged(name, prefix, bounds):
    """Yield the claims of `texts` with `bounds`."""
    for (key, text), bound in zip(texts(name), bounds, strict=True):
        yield kinds.shown(prefix + key, text, unit="accuracy") if bound is None \
            else kinds.own(prefix + key, text, low=bound, unit="accuracy")


def ends(name, prefix=""):
    """Yield the mean accuracy of each method."""
    for key, text in (("kept", "consolidation"), ("plain", "fine-tuning"),
                      ("separate", "separate networks")):
        yield kinds.shown(f"{prefix}end-{key}", f"{TITLES[name]}: mean accuracy over "
                          f"the tasks at the end, {text}", unit="accuracy")


def other(name):
    """Return the claim about the other strength."""
    return kinds.shown(
        "transfer-other", f"{TITLES[name]}: mean accuracy over all tasks but the "
        f"first, c = {STRENGTHS[name][1]:g} minus separate networks", unit="accuracy")


def measured(data):
    found = {}
    for name in names_of(data):
        prefix = {"pairs": "pairs-", "CIFAR": "cifar-"}.get(name, "")
        best, *others = data[f"{name} strengths"]
        kept, plain, alone = (final(data, name, s) for s in (best, 0.0, SCRATCH))
        values = {"gain": (kept - plain).mean(axis=1),
                  "gain-earlier": (kept - plain)[:, :-1].mean(axis=1),
                  "transfer": (kept - alone)[:, 1:].mean(axis=1),
                  "end-kept": kept.mean(axis=1), "end-plain": plain.mean(axis=1),
                  "end-separate": alone.mean(axis=1)}
        if name != "pairs":
            values["transfer-other"] = (final(data, name, others[0])
                                        - alone)[:, 1:].mean(axis=1)
        if name == "CIFAR":
            values["end-other"] = final(data, name, others[0]).mean(axis=1)
        found |= {prefix + key: value for key, value in values.items()}
    return found


def plot(data, fig):
    names = names_of(data)
    fig.set_size_inches(12.5, 4.2 * len(names))
    axes = fig.subplots(len(names), 3, squeeze=False, width_ratios=(1.3, 0.8, 1.1))
    for row, name in zip(axes, names, strict=True):
        _plot_final(data, name, row[0])
        _plot_seen(data, name, row[1])
    _plot_published(axes[0, 2])
    for axis in axes[1:, 2]:
        axis.set_axis_off()


def _plot_final(data, name, axis):
    strengths = (*data[f"{name} strengths"], SCRATCH)
    for i, strength in enumerate(strengths):
        values = final(data, name, strength)
        x = np.arange(1, values.shape[1] + 1) + 0.17 * (i - (len(strengths) - 1) / 2)
        axis.plot(np.tile(x, len(values)), values.ravel(), ls="", ms=3.5, alpha=0.45,
                  **style(strength))
        axis.plot(x, values.mean(axis=0), ls="", ms=8.5, mec="white", mew=0.8,
                  label=legend(strength), **style(strength))
    axis.set(title=f"{TITLES[name]}, at the end", xlabel="task",
             ylabel="test accuracy", xticks=range(1, TASKS[name] + 1))
    axis.legend(ncols=2, loc="lower left")
    axis.set_ylim(axis.get_ylim()[0] - 0.08, 1.02)


def _plot_seen(data, name, axis):
    after = range(1, TASKS[name] + 1)
    for strength, runs in zip(data[f"{name} strengths"], data[f"{name} tested"],
                              strict=True):
        curve = np.stack([runs[:, i, :i + 1].mean(axis=1) for i in range(TASKS[name])],
                         axis=1)
        axis.plot(after, curve.T, color=style(strength)["color"], lw=0.7, alpha=0.45)
        axis.plot(after, curve.mean(axis=0), label=legend(strength), **style(strength))
    axis.set(title="Mean of tasks so far", xlabel="after task", ylabel="test accuracy",
             xticks=after)
    axis.set_ylim(None, 1.02)
    axis.legend()


def _plot_published(axis):
    paper, strengths = published.values(FIGURE), (0.1, 0.01, 0.0, SCRATCH)
    for i, strength in enumerate(strengths):
        x = np.arange(1, 7) + 0.17 * (i - (len(strengths) - 1) / 2)
        axis.plot(x, [paper[f"{label(strength)}, task {k + 1}"] for k in range(6)],
                  ls="", mec=colours.BLACK, ms=7, mew=0.7, label=legend(strength),
                  **style(strength))
    axis.set(title="Published: CIFAR-10, then CIFAR-100", xlabel="task",
             ylabel="validation accuracy", ylim=(0.35, 0.85),
             xticks=range(1, 7))
    axis.legend(ncols=2, loc="lower right")
