"""One transfer without labels for two sets of images

The top panels show the test accuracy on two image sets during the training with labels.
With the option --full, the panels for MNIST and Fashion-MNIST show only the first 1,000
steps.  Thin lines are single runs, and thick lines are means.  The bottom panels show
networks that learn to distinguish the digits 0 and 1.  With two classes, the
classification margin of an image is the logit of the correct class minus the logit of
the wrong class.  The bottom left panel shows the mean classification margin over unseen
images, for the first seed.  Successive dots are 20 training steps apart.  The bottom
right panel shows the root mean square difference between the logits of each sparse
network and the logits of the dense network.  The logits of both networks are computed
for unseen images, after the same number of training steps.

Neural Tangent Transfer (NTT) needs no labels, and can therefore train one sparse
network on two image sets.  The sparse network keeps 5 % of the weights, and is then
trained with labels on one of the two image sets.  For comparison, NTT is also run on
each image set alone.  The resulting sparse network is then trained with the labels of
the same image set.

The networks that learn to distinguish the digits 0 and 1 are trained by gradient
descent.  The sparse networks keep 10 % of the weights of the dense network.  Two
variants of NTT are compared.  In the variant `through mask`, the tangent kernel is
computed from the derivatives of the outputs with respect to the kept weights only.  The
kernel of the variant `through mask` determines how gradient descent changes the outputs
of a sparse network.  In the variant `at masked`, the tangent kernel is computed from
the derivatives of the outputs with respect to all weights, including pruned weights.
The variant `at masked` is used in the published code of [LZ20].

The first image set contains the handwritten digits included in refsnn.  The second
image set contains the transposed images of the same digits with inverted grey levels.
The networks for two image sets have 256-300-100-10 units, and the networks for the
digits 0 and 1 have 256-100-100-2 units.

With the option --full, the image sets are MNIST and Fashion-MNIST.  The networks have
784-300-100-10 units, and keep 3 % of the weights.  Neural Tangent Transfer and the
training with labels take 5,000 steps each.  For the digits 0 and 1, the networks have
784-300-100-2 units, and NTT takes 2,000 steps.  If the data folder holds CIFAR-10 and
SVHN images, the network Conv-4 is also trained on 10,000 images of each data set.  For
Conv-4, Neural Tangent Transfer takes only 200 steps.  The top and the bottom panels
correspond to two separate experiments of [LZ20].
"""

import os

import numpy as np

from figures.ntt import ntt_training as training
from figures.run import claims as kinds
from figures.run import colours, seeds
from figures.run.claims import Published
from figures.train import image_sets
from refsnn import datasets, mlp

FIGURE, CLASSES = "ntt_merged", 2
FOLDERS = {"full": ("mnist", "fashion_mnist")}
PAIRS = {"digits": ("digits", "transposed negatives"),
         "mnist": ("mnist", "fashion_mnist"), "cifar": ("cifar-10", "svhn")}
PATHS = ("cifar-10-batches-bin", "svhn")
INSTEAD = {"full": dict.fromkeys(PATHS, "CIFAR-10 and SVHN are left out")}
SOURCES = ("merged", "own", "random", "dense")
SOURCE_COLOURS = dict(zip(SOURCES, (colours.BLUE, colours.SKY, colours.VERMILION,
                                    colours.BLACK), strict=True))
LABELS = {"merged": "transfer on both sets", "own": "transfer on the same set",
          "random": "random masks", "dense": "dense network"}            # in claims
TITLES = {"mnist": "MNIST", "fashion_mnist": "Fashion-MNIST"}           # in claims
DENSITY = {"digits": 0.05, "mnist": 0.03, "cifar": 0.05}
STEPS = {"quick": (25, 80), "default": (350, 200), "full": (5000, 5000),
         "cifar": (200, 1000)}
REPEATS = {"quick": 1, "default": 3, "full": 2}
TWO = {"dense": colours.BLACK, "NTT, through mask": colours.ORANGE,
       "NTT, at masked": colours.BLUE, "random": colours.VERMILION}
PAIR_SIZES, PAIR_DENSITY, PAIR_RATE, PAIR_STEPS = (100, 100, CLASSES), 0.1, 0.02, 100
EARLY = 200
SERVES = Published("one transfer for two data sets", "[LZ20]", "merged data", "words")
FOLLOWS = Published("outputs follow the dense network", "[LZ20]", "two classes",
                    "words")
ARRAYS = {
    **{f"{name}_{i}_{source}": (
        "run, test, step or accuracy", "accuracy", "number of steps with labels and "
        f"test accuracy on {label}, {LABELS[source]}")
       for name, labels in PAIRS.items() for i, label in enumerate(labels)
       for source in SOURCES},
    **{f"distance_{kind}": ("run, step", "1", "root mean square difference of the "
                            f"logits from the dense network, {kind}") for kind in TWO},
    **{f"plane_{kind}": ("run, step, class", "1", "mean margin of unseen images of the "
                         f"digits 0 and 1, {kind}") for kind in TWO}}


def jobs(size, seed, data, repeats=None, steps=None, labelled=None):
    """Return the jobs of both experiments."""
    repeats = repeats or REPEATS[size]
    name = "mnist" if size == "full" else "digits"
    folder = data if size == "full" else None

    def listed(name, repeats, steps):
        return [(learn, {"name": name, "folder": folder, "source": source,
                         "steps": steps[0], "labelled": steps[1], "repeat": repeat,
                         "seed": seed})
                for source in SOURCES for repeat in range(repeats)]

    spans = steps or STEPS[size][0], labelled or STEPS[size][1]
    found = listed(name, repeats, spans)
    if size == "full" and all(os.path.isdir(os.path.join(data or "", path))
                              for path in PATHS):
        found = listed("cifar", 1, STEPS["cifar"]) + found
    return found + [(two_classes, {"folder": folder, "kind": kind, "seed": seed,
                                   "steps": min(spans[0], 2000),
                                   "repeat": repeat})
                    for kind in TWO for repeat in range(repeats)]


# ---- two sets of images

def sets(name, folder, seed, repeat):
    """Return the network and two image sets."""
    if name == "cifar":
        net = training.convolutional("conv4")
        parts = zip((datasets.cifar, datasets.svhn), PATHS, strict=True)
        both = [image_sets.Images(*(
            array[:most] for kind, most in (("train", 10000), ("test", 1000))
            for array in read(os.path.join(folder, path), kind)))
            for read, path in parts]
    else:
        net, first = training.problem(name, folder, seed, repeat)
        second = first._replace(**{key: -getattr(first, key).swapaxes(1, 2)
                                   for key in ("x", "x_test")}) if folder is None \
            else training.stored(folder, "fashion_mnist")
        both = [first, second]
    every = np.concatenate([images.x.ravel() for images in both])
    mean, deviation = every.mean(dtype=np.float64), every.std(dtype=np.float64)
    return net, [images._replace(**{
        key: ((getattr(images, key) - mean) / deviation).astype(np.float32)
        for key in ("x", "x_test")}) for images in both]


def learn(name, folder, source, steps, labelled, repeat, seed):
    """Train on each image set."""
    net, both = sets(name, folder, seed, repeat)
    seen = both if source != "merged" else [both[0]._replace(
        x=np.concatenate([images.x for images in both]))]
    batch = 16 if name == "cifar" else training.BATCH
    teacher = net.init(rng=seeds.rng(seed, FIGURE, "weights", repeat))
    students = [training.student(
        source if source in ("random", "dense") else "NTT", net, teacher, images,
        DENSITY[name], seeds.rng(seed, FIGURE, source, repeat), steps=steps,
        rate=training.RATES.get(name, 5e-4), batch=batch,
        l2=1e-5 if name == "cifar" else 1e-4) for images in seen]
    listed = [*range(0, min(EARLY + 1, labelled), 200 if name == "cifar" else 25),
              *range(EARLY + 100, labelled, max(50, labelled // 20))]
    curves = [training.supervise(net, student, own, steps=labelled, every=listed,
                                 rate=1e-3, generator=seeds.rng(
                                     seed, FIGURE, "batches", repeat))[2]
              for student, own in zip(2 * students, both, strict=False)]
    return {"what": "learn", "name": name, "source": source, "curves": curves}


# ---- two classes

def pair(folder, seed, repeat):
    """Return a network and its images."""
    _, images = training.problem("digits" if folder is None else "mnist", folder, seed,
                                 repeat)
    parts = []
    for x, labels in ((images.x, images.labels), (images.x_test, images.labels_test)):
        chosen = np.concatenate([np.flatnonzero(labels == c)[:250]
                                 for c in range(CLASSES)])
        parts += [x[chosen], labels[chosen]]
    sizes = PAIR_SIZES if folder is None else (300, 100, CLASSES)
    return training.perceptron(parts[0][0].size, *sizes), image_sets.Images(*parts)


def two_classes(folder, kind, steps, repeat, seed):
    """Return logits of unseen images."""
    net, images = pair(folder, seed, repeat)
    rng = seeds.rng(seed, FIGURE, f"two {kind}", repeat)
    teacher = net.init(rng=seeds.rng(seed, FIGURE, "two", repeat))
    method, _, kernel = kind.partition(", ")
    order = rng.permutation(len(images.x))
    student = training.student(method, net, teacher, images._replace(x=images.x[order]),
                               PAIR_DENSITY, rng, steps=steps, rate=2e-3,
                               kind=kernel.replace(" ", "_"))
    weights, biases = [W * M for W, M in zip(student.weights, student.masks,
                                             strict=True)], student.biases
    x, found = training.read(net, images.x), []
    rate = PAIR_RATE * (256 / x.shape[1])       # kernels grow with the number of inputs
    for _ in range(PAIR_STEPS + 1):
        found.append(training.outputs(net, weights, biases, images.x_test))
        recording = mlp.forward(weights, biases, x)
        doutputs = training.cross_entropy(recording.outputs, images.labels)[1]
        dW, db = mlp.backward(weights, recording, doutputs)
        weights = [W - rate * M * d for W, M, d in
                   zip(weights, student.masks, dW, strict=True)]
        biases = [b - rate * d for b, d in zip(biases, db, strict=True)]
    return {"what": "two", "kind": kind, "logits": np.array(found),
            "labels": images.labels_test}


# ---- results

def gather(results):
    """Stack the results of both experiments."""
    found = {}
    for r in results:
        if r["what"] == "learn":
            for i, curve in enumerate(r["curves"]):
                found.setdefault(f"{r['name']}_{i}_{r['source']}", []).append(curve)
    paths = {kind: [r for r in results if r["what"] == "two" and r["kind"] == kind]
             for kind in TWO}
    for kind, some in paths.items():
        found[f"distance_{kind}"] = [
            np.sqrt(np.mean((r["logits"] - dense["logits"]) ** 2, axis=(1, 2)))
            for r, dense in zip(some, paths["dense"], strict=True)]
        found[f"plane_{kind}"] = [plane(r["logits"], r["labels"]) for r in some]
    return {key: np.array(value) for key, value in found.items()}


def plane(logits, labels):
    """Return the mean margin of each class."""
    margin = logits[:, :, 1] - logits[:, :, 0]
    return np.stack([-margin[:, labels == 0].mean(axis=1),
                     margin[:, labels == 1].mean(axis=1)], axis=1)


def early(curves):
    """Return each run's mean early test accuracy."""
    steps = curves[0, :, 0]
    return curves[:, (0 < steps) & (steps <= EARLY), 1].mean(axis=1)


def names(data):
    """Return the names of all pairs."""
    return [name for name in PAIRS if f"{name}_0_merged" in data]


def claims(size):
    name = "mnist" if size == "full" else "digits"
    labels = [TITLES.get(label, label) for label in PAIRS[name]]
    found = [kinds.shown(f"{label.lower().replace(' ', '-')}-{source}",
                         f"{label}: final test accuracy, {LABELS[source]}",
                         unit="accuracy") for label in labels for source in SOURCES]
    text = f"{' and '.join(labels)}: mean test accuracy up to step {EARLY}, " \
        f"{LABELS['merged']} minus "
    far = "two classes: mean distance to the outputs of the dense network, NTT "
    if size == "full":
        found += [
            kinds.stand_in("merged-random", text + LABELS["random"], SERVES,
                           ordered=True, unit="accuracy", differs="5,000 steps of "
                           "transfer and 5,000 with labels, 3 % of the weights, 2 "
                           "runs; the paper's settings and numbers were not seen"),
            kinds.own("merged-own", text + LABELS["own"], low=-0.05, unit="accuracy")]
    else:
        found += [
            kinds.own("merged-random", text + LABELS["random"], low=0.02,
                      unit="accuracy"),
            kinds.own("merged-own", text + LABELS["own"], low=-0.05, unit="accuracy")]
    return found + [
        kinds.own("distance-through-mask", far + "through mask / random masks",
                  high=0.5, log=True),
        kinds.shown("distance-at-masked", far + "at masked / random masks",
                    published=FOLLOWS if size == "full" else None,
                    why="the paper's figure was not seen" * (size == "full"))]


def measured(data):
    found = {}
    for name in set(names(data)) - {"cifar"}:       # this pair only tests the code
        soon = []
        for i, label in enumerate(PAIRS[name]):
            curves = {source: data[f"{name}_{i}_{source}"] for source in SOURCES}
            soon.append({source: early(values) for source, values in curves.items()})
            title = TITLES.get(label, label).lower().replace(" ", "-")
            found |= {f"{title}-{source}": values[:, -1, 1]
                      for source, values in curves.items()}
        found |= {f"merged-{other}": np.mean(
            [one["merged"] - one[other] for one in soon], axis=0)
            for other in ("random", "own")}
    far = {kind: data[f"distance_{kind}"].mean(axis=1) for kind in TWO}
    return found | {f"distance-{kind.replace(' ', '-')}":
                    far[f"NTT, {kind}"] / far["random"]
                    for kind in ("through mask", "at masked")}


def plot(data, fig):
    listed = names(data)
    fig.set_size_inches(11.5, 4.3 * (len(listed) + 1))
    rows = fig.subfigures(len(listed) + 1, 1)
    for row, name in zip(rows, listed, strict=False):
        _plot_learning(data, name, row.subplots(1, 2))
    _plot_two(data, rows[-1].subplots(1, 2))


def _plot_learning(data, name, axes):
    labels = {"merged": "NTT on both sets", "own": "NTT on this set",
              "random": "random masks"}
    for i, (axis, title) in enumerate(zip(axes, PAIRS[name], strict=True)):
        for source, colour in SOURCE_COLOURS.items():
            curves = data[f"{name}_{i}_{source}"]
            axis.plot(curves[:, :, 0].T, curves[:, :, 1].T, color=colour, lw=0.6,
                      alpha=0.5)
            axis.plot(curves[0, :, 0], curves[:, :, 1].mean(axis=0), color=colour,
                      label=labels.get(source, source))
        axis.set(xlabel="step with labels", ylabel="test accuracy",
                 title=f"Trained on {title}".replace("_", "-"))
        if name == "mnist":
            axis.set_xlim(0, 1000)
    axes[0].legend(loc="lower right")


def _plot_two(data, axes):
    for kind, colour in TWO.items():
        path, distance = data[f"plane_{kind}"][0], data[f"distance_{kind}"]
        axes[0].plot(*path.T, color=colour, label=kind)
        axes[0].plot(*path[::20].T, "o", color=colour)
        axes[0].plot(*path[0], "x", color=colour, ms=9, mew=2)
        if kind != "dense":
            axes[1].plot(distance.T, color=colour, lw=0.6, alpha=0.5)
            axes[1].plot(distance.mean(axis=0), color=colour, label=kind)
    axes[0].set(xlabel="margin of the correct class, images of 0",
                ylabel="margin of the correct class, images of 1",
                title="Two classes: path of the outputs (x: initial)")
    axes[0].legend(loc="lower right")
    axes[1].set(xlabel="step of gradient descent", ylim=(0, None),
                ylabel="distance of the logits (rms)",
                title="Distance to the dense network")
