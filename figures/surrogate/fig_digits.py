"""A spiking network classifies handwritten digits

The left panels show the test accuracy and the training loss against the epoch.  Thin
lines are single seeds, and thick lines are means over seeds.  The right panels show
three test images, their input spikes, the spikes of the trained hidden layer, and the
membrane potentials of the readouts.  The blue line is the membrane potential of the
readout of the correct class.  The readout with the highest maximum over time determines
the predicted class.  A dot marks the maximum.

Each pixel of an image is encoded as at most one input spike, and brighter pixels spike
earlier (latency code).  The network has 256 inputs (16x16 pixels), 100 hidden LIF
neurons and 10 leaky readouts.  The network is trained on about 1,440 images and tested
on 360 images.  The left panels compare two gradients.  The gradient called "stopped at
the reset" treats the reset term of the membrane potential as a constant.  The gradient
called "through the reset" includes the derivative of the reset term.  Most hidden
neurons spike at most once per image.  Therefore, training with either gradient (stopped
at the reset or through the reset) leads to nearly the same accuracy.  The seed
determines the initial weights, the order of the training images, and the split into
training and test images.

With --full, networks with 784 inputs learn Fashion-MNIST or MNIST, and the gradient is
stopped at the reset.  The hyperparameters are those of the second tutorial that
accompanies [NMZ19].  In "Fashion-MNIST, fewer spikes", the loss includes a penalty on
hidden spikes, with the hyperparameters of the third tutorial of [NMZ19].
"""

import os

import numpy as np
from scipy import sparse

from figures.run import colours, seeds
from figures.run.claims import Published, own, reproduction, shown as report
from figures.train import fast_training, image_sets, lif_training
from refsnn import encoding, losses, optimisers

FIGURE, FASHION = "digits", "fashion_mnist"
FOLDERS = {"full": (FASHION, "mnist")}      # required in the --data folder
STEPS, SIDE, HIDDEN, CLASSES = 100, 16, 100, 10
NET = lif_training.Net()
SCALE = 7 * (1 - NET.beta)
SHOWN = (2, 5, 8)                   # classes of the example images
SIZES = {"quick": (1, 2), "default": (3, 14), "full": (5, 30)}      # repeats, epochs
PART = 10                           # epochs of a job
# Tutorial 3: standard deviation of the initial weights, strength of the penalty.
FEWER, FEWER_SCALE, STRENGTH = "fewer spikes", 0.2, 1e-5
SILENT = ("one of five networks does not learn in the first 20 epochs, because few "
          "hidden neurons spike with these initial weights")
TUTORIAL = {name: Published(value, "[NMZ19]", f"tutorial {number}", "read", n=1)
            for name, value, number in (
                ("test", 0.863, 2), ("training", 0.912, 2), ("loss", 0.254, 2),
                ("fewer-test", 0.827, 3), ("fewer-training", 0.848, 3))}
ARRAYS = {
    "task": ("condition", "", "name of the data set"),
    "followed": ("condition", "", "whether the gradient includes the reset"),
    "train_loss": ("condition, run, epoch", "nat", "mean training loss of the epoch"),
    "train_accuracy": ("condition, run, epoch", "accuracy",
                       "training accuracy during the epoch, before each update"),
    "test_accuracy": ("condition, run, epoch", "accuracy",
                      "test accuracy after the epoch"),
    "record": ("step, image, class", "thresholds", "membrane potentials of readouts"),
    "hidden": ("step, image, neuron", "1", "spikes of the hidden layer"),
    "input": ("step, image, pixel", "1", "input spikes"),
    "image": ("image, row, column", "1", "grey levels of the example images"),
    "label": ("image", "1", "correct class of the example images")}


def jobs(size, seed, data, repeats=None, epochs=None, hidden=HIDDEN):
    """Return the training jobs of all networks."""
    repeats, epochs = repeats or SIZES[size][0], epochs or SIZES[size][1]
    common = {"epochs": epochs, "hidden": hidden, "seed": seed}
    if size == "full":
        listed = []
        for repeat in range(repeats):
            for task in (*FOLDERS["full"], FEWER):
                fewer = task == FEWER
                for first in range(0, epochs, PART):
                    kwargs = {
                        "task": task, "followed": False, "steepness": 100.0,
                        "folder": os.path.join(data, FASHION if fewer else task),
                        "rate": 2e-4, "fade": False, "batch": 256, "repeat": repeat,
                        "first": first, "last": min(first + PART, epochs), **common}
                    listed.append((learn, kwargs) if first == 0
                                  else (learn, kwargs, len(listed) - 1))
        return listed
    return [(learn, {"task": "digits", "folder": None, "followed": followed,
                     "steepness": 10.0, "rate": 2e-3, "fade": True, "batch": 64,
                     "repeat": repeat, **common})
            for followed in (False, True) for repeat in range(repeats)]


def load(folder, seed, repeat):
    """Return the training set and the test set."""
    found = image_sets.digits(seed, FIGURE, repeat, SIDE) if folder is None \
        else image_sets.stored(folder)
    return [(images.reshape(len(images), -1), labels)
            for images, labels in (found[:2], found[2:])]


def events(values):
    """Encode pixel values (B, m) for `fast.lif`."""
    found = encoding.latency_events(values, STEPS)
    rows = STEPS * len(values)
    ends = np.zeros(rows + 1, np.int32)
    np.cumsum(np.bincount(found.step * len(values) + found.sample, minlength=rows),
              out=ends[1:])
    ones = np.ones(len(found.unit), np.float32)
    return sparse.csr_matrix((ones, found.unit.astype(np.int32), ends),
                             shape=(rows, values.shape[1]))


def forward(values, weights):
    """Return the readouts and the saved variables."""
    return fast_training.forward(weights, events(values), len(values), NET)


def gradients(values, labels, weights, followed, steepness, strength=0.0):
    """Return the loss, the accuracy and the gradients.

    If `followed` is True, the gradients include the derivative of the reset.  The
    coefficient `strength` of the penalty on spikes is used only if `followed` is False.
    """
    if followed:
        net = NET._replace(through_reset=True, steepness=steepness)
        x = encoding.latency(values, STEPS)
        run = lif_training.forward(weights, x, net)
        loss, drecord = losses.cross_entropy(run.record, labels)
        return (loss, losses.accuracy(run.record, labels),
                lif_training.gradients(weights, x, run, drecord, net))
    record, tape = forward(values, weights)
    loss, drecord = losses.cross_entropy(record, labels)
    accuracy = losses.accuracy(record, labels)
    net, dspikes = NET._replace(steepness=steepness), None
    if strength:
        cost, dspikes = lif_training.penalty(fast_training.spikes(tape), strength)
        loss += cost
    return loss, accuracy, fast_training.gradients(tape, drecord, net, dspikes)


def test(values, labels, weights, batch=250):
    """Return the accuracy on a data set."""
    right = 0.0
    for first in range(0, len(labels), batch):
        part = slice(first, first + batch)
        record, _ = forward(values[part], weights)
        right += losses.accuracy(record, labels[part]) * len(labels[part])
    return right / len(labels)


def learn(task, folder, followed, steepness, rate, fade, epochs, batch, seed, repeat,
          hidden, first=0, last=None, before=None):
    """Train one network from epoch `first` up to, but not including, epoch `last`."""
    (images, labels), (images_test, labels_test) = load(folder, seed, repeat)
    generator, fewer = seeds.rng(seed, FIGURE, task, repeat), task == FEWER
    weights = lif_training.initial(generator, (images.shape[1], hidden, CLASSES),
                                   FEWER_SCALE if fewer else SCALE, np.float32)
    optimiser = optimisers.adamax if fewer else optimisers.adam
    states, last = [None, None], last or epochs
    if before is not None:
        weights, states = lif_training.unpacked(before)
    curves = np.zeros((3, last - first))
    for epoch in range(last):
        parts = lif_training.batches(generator, len(labels), batch)
        if epoch < first:
            continue                    # only draws the same numbers again
        for i, part in enumerate(parts):
            loss, accuracy, found = gradients(images[part], labels[part], weights,
                                              followed, steepness, STRENGTH * fewer)
            steps = epoch * len(parts) + i
            done = steps / (epochs * len(parts)) if fade else 0
            now = rate * (0.5 + 0.5 * np.cos(np.pi * done))
            weights, states = lif_training.update(weights, found, states,
                                                  optimiser=optimiser, rate=float(now))
            curves[:2, epoch - first] += loss / len(parts), accuracy / len(parts)
        curves[2, epoch - first] = test(images_test, labels_test, weights)
    chosen = [int(np.argmax(labels_test == label)) for label in SHOWN]
    record, tape = forward(images_test[chosen], weights)
    side = round(images.shape[1] ** 0.5)
    return {"train_loss": curves[0], "train_accuracy": curves[1],
            "test_accuracy": curves[2], "record": record, "hidden": tape.mem > 1,
            "input": encoding.latency(images_test[chosen], STEPS),
            "image": images_test[chosen].reshape(-1, side, side),
            "label": labels_test[chosen], "task": task, "followed": followed,
            "repeat": repeat, **lif_training.packed(weights, states)}


def gather(results):
    """Stack the learning curves of all jobs."""
    runs = {}
    for r in results:
        runs.setdefault((str(r["task"]), bool(r["followed"])), {}).setdefault(
            int(r["repeat"]), []).append(r)
    conditions = list(runs)
    data = {name: [[np.concatenate([r[name] for r in parts])
                    for parts in runs[condition].values()] for condition in conditions]
            for name in ("train_loss", "train_accuracy", "test_accuracy")}
    return {**data, "task": [task for task, _ in conditions],
            "followed": [followed for _, followed in conditions],
            **{name: runs[conditions[0]][0][-1][name]
               for name in ("record", "hidden", "input", "image", "label")}}


def claims(size):
    """Declare the claims about the accuracies."""
    if size != "full":
        return [own("stopped", "test accuracy on the embedded digits, gradient stopped "
                    "at the reset", low=0.96),
                report("through", "test accuracy on the embedded digits, gradient "
                       "through the reset")]
    return [
        reproduction("fashion-test", "test accuracy on Fashion-MNIST", TUTORIAL["test"],
                     headline="Surrogate gradients, Fashion-MNIST: test accuracy"),
        own("mnist-test", "test accuracy on MNIST", low=0.965),
        reproduction("fashion-training", "training accuracy on Fashion-MNIST in the "
                     "last epoch", TUTORIAL["training"],
                     differs="measured on each mini-batch before the update of the "
                     "weights; published: after the last epoch"),
        reproduction("fashion-loss", "training loss on Fashion-MNIST in the last epoch",
                     TUTORIAL["loss"], unit="nats"),
        reproduction("fewer-test", "test accuracy on Fashion-MNIST, with a penalty on "
                     "spikes", TUTORIAL["fewer-test"], cause=SILENT),
        reproduction("fewer-training", "training accuracy on Fashion-MNIST in the last "
                     "epoch, with a penalty on spikes", TUTORIAL["fewer-training"],
                     differs="measured on each mini-batch before the update of the "
                     "weights; published: after the last epoch", cause=SILENT)]


def measured(data):
    """Return the numbers of the claims."""
    kinds = list(zip(data["task"].tolist(), data["followed"].tolist(), strict=True))
    final = dict(zip(kinds, data["test_accuracy"][:, :, -1], strict=True))
    if ("digits", False) in final:
        return {"stopped": final["digits", False], "through": final["digits", True]}
    first, fewer = kinds.index((FASHION, False)), kinds.index((FEWER, False))
    return {"fashion-test": final[FASHION, False], "mnist-test": final["mnist", False],
            "fashion-training": data["train_accuracy"][first, :, -1],
            "fashion-loss": data["train_loss"][first, :, -1],
            "fewer-test": final[FEWER, False],
            "fewer-training": data["train_accuracy"][fewer, :, -1]}


def shown(data):
    """Return what is plotted."""
    return {**{name: data[name] for name in data if name != "train_accuracy"},
            "record": data["record"].astype(np.float32)}


def plot(data, fig):
    """Draw learning curves and three example responses."""
    fig.set_size_inches(10, 6.6)
    left, right = fig.subfigures(1, 2, width_ratios=(1, 1.55))
    _curves(data, left.subplots(2, 1, sharex=True))
    _images(data, right.subplots(4, 3, height_ratios=(0.8, 1.35, 1, 1.15)))
    right.suptitle("Three test images in the trained network (first seed)",
                   fontsize=11.5, fontweight="bold", x=0.02, ha="left")


NAMES = {("digits", False): "gradient stopped at the reset",
         ("digits", True): "gradient through the reset",
         (FASHION, False): "Fashion-MNIST", ("mnist", False): "MNIST",
         (FEWER, False): "Fashion-MNIST, fewer spikes"}


def _curves(data, axes):
    conditions = list(zip(data["task"].tolist(), data["followed"].tolist(),
                          strict=True))
    looks = ((colours.BLUE, "-"), (colours.VERMILION, "--"), (colours.GREEN, "-."))
    for c, (condition, (colour, style)) in enumerate(zip(conditions, looks,
                                                         strict=False)):
        for ax, kind in zip(axes, ("test_accuracy", "train_loss"), strict=True):
            curves = data[kind][c]
            epochs = np.arange(1, curves.shape[1] + 1)
            ax.plot(epochs, curves.T, style, color=colour, lw=0.6, alpha=0.45)
            ax.plot(epochs, curves.mean(axis=0), style, color=colour, lw=2.2,
                    label=f"{NAMES[condition]}: {curves[:, -1].mean():.3f}")
    low = min(0.85, data["test_accuracy"][:, :, -1].min() - 0.08)
    if (FASHION, False) in conditions:
        value = TUTORIAL["test"].value
        axes[0].axhline(value, color=colours.BLACK, ls=":", lw=1.2,
                        label=f"Fashion-MNIST, published: {value}")
    axes[0].set(title="Learning", ylabel="test accuracy", ylim=(low, 1.0))
    axes[0].legend(loc="lower right")
    axes[1].set(ylabel="training loss (nats)", xlabel="epoch", yscale="log")
    axes[1].xaxis.get_major_locator().set_params(integer=True)


def _images(data, axes):
    time_ms = np.arange(STEPS) * lif_training.DT_S * 1e3
    peak = data["record"].max(axis=0)
    for i, column in enumerate(axes.T):
        label, said = data["label"][i], peak[i].argmax()
        column[0].imshow(data["image"][i], cmap="gray_r", vmin=0, vmax=1)
        column[0].set_axis_off()
        for ax, name in ((column[1], "input"), (column[2], "hidden")):
            step, unit = np.nonzero(data[name][:, i])
            ax.plot(time_ms[step], unit, "|" if name == "hidden" else ".",
                    color=colours.BLACK, ms=2.5, mew=0.7)
            ax.set(ylim=(data[name].shape[2], -1))
        for k in range(CLASSES):
            ax, mem = column[3], data["record"][:, i, k]
            colour = colours.BLUE if k == label else colours.GREY
            ax.plot(time_ms, mem, color=colour, lw=2.0 if k == label else 0.7,
                    zorder=3 if k == label else 2)
        first = data["record"][:, i, said].argmax()
        column[3].plot(time_ms[first], peak[i, said], "o", color=colours.VERMILION,
                       ms=6, zorder=4)
        column[3].set(ylim=(data["record"].min() * 1.05, peak.max() * 1.35),
                      xlabel="time (ms)")
        column[3].annotate(f"predicted: {said}", (time_ms[first], peak[i, said]),
                           (6, 5), textcoords="offset points",
                           color=colours.VERMILION)
        for ax in column[1:]:
            ax.set_xlim(-2, STEPS)
            ax.label_outer()
    labels = ("input pixel", "hidden neuron", "readout (thresholds)")
    for ax, text in zip(axes[1:, 0], labels, strict=True):
        ax.set_ylabel(text)
