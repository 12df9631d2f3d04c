"""Training with an emulated chip in the loop is nearly as accurate as ideal software

The top panels show the response of the chip to one test image, before and after
training.  The bottom panels show the training loss and the test accuracy.  Colours
distinguish spiking networks on the chip, spiking networks in ideal software, and ReLU
networks of the same size.  Thin lines are single seeds, thick lines are means over
seeds.

A spiking network with 256 inputs, 100 hidden neurons and 10 readouts classifies the
handwritten digits included in refsnn ("embedded digits"), which are encoded as spike
latencies.  With the chip in the loop, the forward pass runs on an emulated analog chip
with 6-bit weights, noise and mismatch.  The backward pass uses the nominal time
constants and thresholds of the chip.  Ideal software has none of these constraints.
The seed determines the mismatch of the chip, the initial weights and the order of the
images.  The seed also determines which of the handwritten digits included in refsnn are
test images.

With --full, networks with 246 hidden neurons are trained for 100 epochs on MNIST and
Fashion-MNIST images of 16x16 pixels.  Further networks are trained on MNIST with
dropout and random rotation of the images.  This figure corresponds to [CB22] fig. 3 A,
B and table 1.
"""

import numpy as np

from figures.chip import chip_images
from figures.run import colours, seeds
from figures.run.claims import Published, own, reproduction, shown as report, stand_in
from figures.train import lif_training

FIGURE = "chip_training"
KINDS = ("chip", "software", "ReLU")
FOLDERS = {"full": ("mnist", "fashion_mnist")}
COLOURS = {"chip": colours.BLUE, "software": colours.VERMILION, "ReLU": colours.GREEN}
NAMES = {"chip": "chip in the loop", "software": "ideal software",
         "ReLU": "ReLU network"}
TITLES = {"digits": "embedded digits", "mnist": "MNIST",
          "fashion_mnist": "Fashion-MNIST"}
AUGMENTED = {"dropout": 0.4, "degrees": 15.0}
TESTS = 6                           # number of tests during training
EPOCHS_FULL = 100                   # training epochs with --full
SIZES = {"quick": (1, 1), "default": (5, chip_images.EPOCHS["digits"]),
         "full": (3, EPOCHS_FULL)}  # seeds, epochs
CLASS = 3                           # of the test image in the figure
# (task, augmented): mean and standard deviation of the test accuracy of each kind
TABLE = {("mnist", False): ((0.972, 0.001), (0.975, 0.001), (0.981, 0.001)),
         ("mnist", True): ((0.976, 0.001), (0.980, 0.0), (0.987, 0.001)),
         ("fashion_mnist", False): ((0.842, 0.002), (0.855, 0.001), (0.880, 0.002))}
ON_CHIP, IDEAL = ("an emulated chip in place of the real one; factor 4 in place of 10 "
                  "on the class scores", "factor 4 in place of 10 on the class scores")
HEADLINE = "Chip in the loop, MNIST: test accuracy"
DIFFERS = {"chip": ON_CHIP, "software": IDEAL, "ReLU": ""}
ARRAYS = {
    **{f"{task} {augmented} {kind} {name}": (f"run, {axis}, value", unit, text)
       for task in TITLES for augmented in (False, True) for kind in KINDS
       for name, axis, unit, text in (
           ("curves", "epoch", "nats, accuracy", "training loss, training accuracy"),
           ("tests", "test", "1, accuracy", "number of epochs, test accuracy"))},
    **{f"{when} {name}": axes for when in ("first", "last") for name, axes in {
        "input": ("bin, pixel", "1", "input spikes"),
        "spikes": ("bin, neuron", "1", "spikes of hidden neurons"),
        "mem": ("bin, neuron", "thresholds", "membrane potentials of hidden neurons"),
        "out": ("bin, class", "thresholds", "potentials of readouts")}.items()}}


def jobs(size, seed, data, repeats=None, epochs=None, hidden=None):
    """Return the jobs of all networks."""
    epochs = epochs or SIZES[size][1]
    pairs = list(TABLE) if size == "full" else [("digits", False)]
    more = {"hidden": hidden} if hidden else {}
    found = []
    for task, augmented in pairs:
        for kind in KINDS:
            for repeat in range(repeats or SIZES[size][0]):
                for first, count in chip_images.parts(epochs, task):
                    kwargs = {"task": task, "folder": data if size == "full" else None,
                              "kind": kind, "augmented": augmented,
                              "first": first, "epochs": count,
                              "every": max(1, epochs // TESTS),
                              "last": first + count == epochs, "seed": seed,
                              "repeat": repeat, **more}
                    index = [len(found) - 1] if first else []
                    found.append((learn, kwargs, *index))
    return found


def learn(task, folder, kind, augmented, first, epochs, every, last, seed, repeat,
          hidden=None, before=None):
    """Train a network; return weights and results."""
    images = chip_images.load(task, folder, seed, repeat)
    generator = seeds.rng(seed, FIGURE, task, f"{repeat}, from {first}")
    rule = chip_images.RULES[task]._replace(**(AUGMENTED if augmented else {}))
    hidden, found = hidden or chip_images.HIDDEN[task], []

    def after_epoch(epoch, weights):
        if (epoch + 1) % every == 0 or (last and epoch + 1 == first + epochs):
            found.append([epoch + 1, score(weights)])

    if kind == "ReLU":
        net = chip_images.reference_begin(generator, hidden) if before is None \
            else chip_images.Reference(*lif_training.unpacked(before))

        def score(net):
            return chip_images.reference_test(net, images)

        net, curves = chip_images.reference_learn(net, images, rule, generator, epochs,
                                                  first=first, after_epoch=after_epoch)
        result = lif_training.packed(*net)
    else:
        noise = seeds.rng(seed, FIGURE, "noise", f"{repeat}, from {first}")
        run = chip_images.in_software if kind == "software" else chip_images.on_chip(
            chip_images.drawn(seed, repeat), noise)

        def score(weights):
            return chip_images.test(run, weights, images).accuracy

        learner = chip_images.begin(generator, hidden) if before is None \
            else chip_images.unpacked(before)
        result = {} if before is None else {
            name: before[name] for name in before if name.startswith("first ")}
        if before is None:
            result |= picture("first", run, learner.weights, images)
        learner, curves = chip_images.learn(
            run, learner, images, rule, generator, epochs, first=first,
            clamp=kind == "chip", after_epoch=after_epoch)
        result |= lif_training.packed(*learner)
        result |= picture("last", run, learner.weights, images)
    tests = np.array(found).reshape(-1, 2)
    if before is not None:
        curves = np.concatenate([before["curves"], curves])
        tests = np.concatenate([before["tests"], tests])
    return {**result, "curves": curves, "tests": tests, "task": task, "kind": kind,
            "augmented": augmented, "ended": last}


def picture(when, run, weights, images):
    """Return the response to one image."""
    chosen = [int(np.argmax(images.labels_test == CLASS))]
    x = chip_images.coded(images.x_test[chosen])
    recording = run(weights, x)
    return {f"{when} input": x[:, 0], f"{when} spikes": recording.spikes[:, 0],
            f"{when} mem": recording.mem[:, 0], f"{when} out": recording.out[:, 0]}


def gather(results):
    """Return the results of all conditions."""
    ended = [r for r in results if r["ended"]]
    found = {}
    for r in ended:
        for name in ("curves", "tests"):
            key = f"{r['task']} {r['augmented']} {r['kind']} {name}"
            found.setdefault(key, []).append(r[name])
    pictures = {name: value for name, value in ended[0].items()
                if name.split()[0] in ("first", "last")}
    return {**found, **pictures}


def conditions(data):
    """List (data set, augmented) of all conditions."""
    return [(task, augmented) for task in TITLES for augmented in (False, True)
            if f"{task} {augmented} chip tests" in data]


def claims(size):
    """Declare the claims about the test accuracies."""
    if size != "full":
        text = "embedded digits: test accuracy, "
        return [own("digits-loss", text + "ideal software minus chip in the loop",
                    high=0.01),
                own("digits-chip", text + NAMES["chip"], low=chip_images.LEARNT),
                report("digits-software", text + NAMES["software"]),
                report("digits-relu", text + NAMES["ReLU"])]
    found = []
    for (task, augmented), row in TABLE.items():
        for kind, (value, spread) in zip(KINDS, row, strict=True):
            declare = stand_in if kind == "chip" else reproduction
            name = label(task, augmented, kind)
            found.append(declare(
                name, f"{titled(task, augmented)}: test accuracy, {NAMES[kind]}",
                Published(value, "[CB22]", "table 1", "read", spread, 5),
                differs=DIFFERS[kind],
                headline=HEADLINE if name == "mnist-chip" else ""))
    return found


def label(task, augmented, kind):
    """Return the id of a claim."""
    return f"{task.partition('_')[0]}{'-augmented' * augmented}-{kind.lower()}"


def titled(task, augmented):
    """Return the title of a condition."""
    return TITLES[task] + ", dropout and rotation" * augmented


def measured(data):
    """Return the numbers of the claims."""
    found = {label(*pair, kind): data["{} {} {} tests".format(*pair, kind)][:, -1, 1]
             for pair in conditions(data) for kind in KINDS}
    if "digits-chip" in found:
        found["digits-loss"] = found["digits-software"] - found["digits-chip"]
    return found


def shown(data):
    """Return what is plotted."""
    return data


def plot(data, fig):
    drawn = conditions(data)
    rows = min(len(drawn), 2)
    fig.set_size_inches(11, 5.5 + 3.1 * rows)
    top, bottom = fig.subfigures(2, 1, height_ratios=(1.75, rows))
    _pictures(data, top.subplots(4, 2, sharex=True, sharey="row",
                                 height_ratios=(0.8, 1, 1.1, 1.1)))
    # A single condition has a row of two panels; of several, each has a column.
    axes = bottom.subplots(rows, 2 if rows == 1 else len(drawn), squeeze=False)
    for condition, pair in zip(drawn, axes if rows == 1 else axes.T, strict=True):
        _curves(data, *condition, pair)


def _pictures(data, axes):
    time_us = np.arange(chip_images.STEPS) * chip_images.DT_S * 1e6
    for column, when, title in zip(axes.T, ("first", "last"),
                                   (f"Image of a {CLASS}, before training",
                                    "After training"),
                                   strict=True):
        for ax, name in ((column[0], "input"), (column[1], "spikes")):
            step, unit = np.nonzero(data[f"{when} {name}"])
            ax.plot(time_us[step], unit, "|", color=colours.BLACK, ms=3, mew=0.8)
            ax.set(ylim=(data[f"{when} {name}"].shape[1], -1))
        column[2].plot(time_us, data[f"{when} mem"], color=colours.BLUE, lw=0.5,
                       alpha=0.4)
        column[2].axhline(1, color=colours.BLACK, ls="--", lw=1)
        for k, mem in enumerate(data[f"{when} out"].T):
            right = k == CLASS
            column[3].plot(time_us, mem, color=colours.BLUE if right else colours.GREY,
                           lw=2.2 if right else 0.9, zorder=3 if right else 2,
                           label=f"readout of class {k}" if right else
                           "other readouts" if k == (CLASS + 1) % 10 else None)
        column[0].set_title(title)
        column[3].set_xlabel("time (µs)")
    labels = ("input pixel", "hidden neuron", "membranes\n(thresholds)",
              "readouts\n(thresholds)")
    for ax, text in zip(axes[:, 0], labels, strict=True):
        ax.set_ylabel(text)
    axes[2, 1].annotate("threshold", (time_us[-1], 1), (0, 3), ha="right",
                        textcoords="offset points", fontsize=9)
    axes[3, 0].legend(loc="upper right")


def _curves(data, task, augmented, axes):
    low = 1.0
    for kind in KINDS:
        curves, tests = (data[f"{task} {augmented} {kind} {name}"]
                         for name in ("curves", "tests"))
        epochs = np.arange(1, curves.shape[1] + 1)
        axes[0].plot(epochs, curves[:, :, 0].T, color=COLOURS[kind], lw=0.6, alpha=0.4)
        axes[0].plot(epochs, curves[:, :, 0].mean(axis=0), color=COLOURS[kind], lw=2.2)
        at, accuracy = tests[0, :, 0], tests[:, :, 1]
        axes[1].plot(at, accuracy.T, color=COLOURS[kind], lw=0.6, alpha=0.4)
        axes[1].plot(at, accuracy.mean(axis=0), "o-", color=COLOURS[kind], lw=2.2,
                     ms=5, label=f"{NAMES[kind]}: {accuracy[:, -1].mean():.3f}")
        low = min(low, accuracy[:, -1].min())
    name = titled(task, augmented)
    axes[0].set(title=name, ylabel="training loss (nats)", yscale="log", xlabel="epoch")
    axes[0].yaxis.set_minor_formatter("")
    axes[1].set(title=name, ylabel="test accuracy", ylim=(low - 0.12, 1.0),
                xlabel="epoch")
    axes[1].legend(loc="lower right")
    for ax in axes:
        ax.xaxis.get_major_locator().set_params(integer=True)
