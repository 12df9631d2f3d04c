"""Training with an emulated chip in the loop is nearly as accurate as ideal software

A spiking network with 256 inputs, 100 hidden neurons and 10 readouts classifies the
handwritten digits included in refsnn ("embedded digits"), which are encoded as spike
latencies.  The forward pass runs on an emulated analog chip, which has 6-bit weights
and noisy neurons with mismatch.  The backward pass runs in software, and uses the
nominal time constants and thresholds of the chip.  The same network is also trained in
ideal software (without the constraints of the chip).  The mean test accuracy after
training with the chip in the loop is at most 0.01 below the mean test accuracy after
training in software (5 seeds).  For comparison, a ReLU network of the same size is also
trained.

The top panels show the response of the chip to one test image, before and after
training. The bottom panels show the training loss and the test accuracy. Thin lines are
single seeds, thick lines are means over seeds. The seed determines the mismatch of the
chip, the initial weights, the order of the images, and the split of the images into
training and test images.

With the option --full, networks with 246 hidden neurons are trained for 100 epochs on
MNIST and Fashion-MNIST images of 16x16 pixels.  Networks are also trained on MNIST with
dropout and random rotation of the images.  On MNIST without dropout and rotation, the
spiking networks are trained with 3 seeds, both on the chip and in software.  All other
networks, such as the ReLU networks and the networks on Fashion-MNIST, are trained with
1 seed.  The stored results of networks that were trained on the chip with 1 seed were
computed with an earlier version of the emulated chip.  The test accuracy with the chip
in the loop must be at least 0.967 on MNIST, 0.970 on MNIST with dropout and rotation,
and 0.835 on Fashion-MNIST.  The test accuracy of the software network on MNIST must be
at least 0.972.  This figure corresponds to [CB22] fig. 3 A, B and table 1.
"""

import numpy as np

from figures.chip import chip_images
from figures.run import colours, published, seeds
from figures.run.claims import at_least, at_most, reported
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
# (task, augmented, kind): number of seeds with --full, if more than 1
REPEATS = {("mnist", False, "chip"): 3, ("mnist", False, "software"): 3}
# (task, augmented): lower bounds on the accuracy of the chip and of software
BOUNDS = {("mnist", False): (0.967, 0.972), ("mnist", True): (0.970, None),
          ("fashion_mnist", False): (0.835, None)}
SHOWN = 3                           # class of the test image in the figure


def jobs(size, seed, data):
    """Return the jobs of all networks."""
    if size == "full":
        pairs = [("mnist", False), ("mnist", True), ("fashion_mnist", False)]
        repeats, epochs = 1, EPOCHS_FULL
    else:
        pairs = [("digits", False)]
        repeats, epochs = {"quick": (1, 3),
                           "default": (5, chip_images.EPOCHS["digits"])}[size]
    found = []
    for task, augmented in pairs:
        for kind in KINDS:
            for repeat in range(REPEATS.get((task, augmented, kind), repeats)):
                for first, count in chip_images.parts(epochs, task):
                    kwargs = {"task": task, "folder": data if size == "full" else None,
                              "kind": kind, "augmented": augmented,
                              "first": first, "epochs": count,
                              "every": max(1, epochs // TESTS),
                              "last": first + count == epochs, "seed": seed,
                              "repeat": repeat}
                    index = [len(found) - 1] if first else []
                    found.append((learn, kwargs, *index))
    return found


def learn(task, folder, kind, augmented, first, epochs, every, last, seed, repeat,
          before=None):
    """Train a network; return weights and results."""
    images = chip_images.load(task, folder, seed, repeat)
    generator = seeds.rng(seed, FIGURE, task, f"{repeat}, from {first}")
    rule = chip_images.RULES[task]._replace(**(AUGMENTED if augmented else {}))
    hidden, found = chip_images.HIDDEN[task], []

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
    shown = [int(np.argmax(images.labels_test == SHOWN))]
    x = chip_images.coded(images.x_test[shown])
    recording = run(weights, x)
    return {f"{when} input": x[:, 0], f"{when} spikes": recording.spikes[:, 0],
            f"{when} mem": recording.mem[:, 0], f"{when} out": recording.out[:, 0]}


def gather(results):
    """Return the results of all conditions.

    Each condition has its own arrays, because conditions differ in their number of
    repetitions.
    """
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
    """List the conditions as pairs (data set, augmented)."""
    return [(task, augmented) for task in TITLES for augmented in (False, True)
            if f"{task} {augmented} chip tests" in data]


def claims(data):
    found, paper = [], published.values(FIGURE)
    for task, augmented in conditions(data):
        on_chip, software, relu = (data[f"{task} {augmented} {kind} tests"][:, -1, 1]
                                   for kind in KINDS)
        name = TITLES[task] + ", dropout and rotation" * augmented
        if task == "digits":
            found += [at_most(
                f"{name}: test accuracy, ideal software minus chip in the loop, mean "
                f"of {len(on_chip)} seeds", software - on_chip, 0.01,
                round(paper["MNIST, software"] - paper["MNIST, chip"], 4)),
                at_least(f"{name}: test accuracy, chip", on_chip,
                         chip_images.LEARNT)]
            bounds = None, None
        else:
            bounds = BOUNDS[task, augmented]
        for kind, value, bound in (("chip", on_chip, bounds[0]),
                                   ("software", software, bounds[1]),
                                   ("ReLU", relu, None)):
            if kind == "chip" and task == "digits":
                continue
            text, number = f"{name}: test accuracy, {kind}", \
                paper.get(f"{name}, {kind}")
            found.append(reported(text, value, number) if bound is None else
                         at_least(text, value, bound, number))
    return found


def plot(data, fig):
    shown = conditions(data)
    rows = min(len(shown), 2)
    fig.set_size_inches(11, 5.5 + 3.1 * rows)
    top, bottom = fig.subfigures(2, 1, height_ratios=(1.75, rows))
    _pictures(data, top.subplots(4, 2, sharex=True, sharey="row",
                                 height_ratios=(0.8, 1, 1.1, 1.1)))
    # The two panels of a single condition are side by side.  Of several conditions,
    # each has one column.
    axes = bottom.subplots(rows, 2 if rows == 1 else len(shown), squeeze=False)
    for condition, pair in zip(shown, axes if rows == 1 else axes.T, strict=True):
        _curves(data, *condition, pair)


def _pictures(data, axes):
    time_us = np.arange(chip_images.STEPS) * chip_images.DT_S * 1e6
    for column, when, title in zip(axes.T, ("first", "last"),
                                   (f"Image of a {SHOWN}, before training",
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
            right = k == SHOWN
            column[3].plot(time_us, mem, color=colours.BLUE if right else colours.GREY,
                           lw=2.2 if right else 0.9, zorder=3 if right else 2,
                           label=f"readout of class {k}" if right else
                           "other readouts" if k == (SHOWN + 1) % 10 else None)
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
    name = TITLES[task] + ", dropout and rotation" * augmented
    axes[0].set(title=name, ylabel="training loss (nats)", yscale="log", xlabel="epoch")
    axes[0].yaxis.set_minor_formatter("")
    axes[1].set(title=name, ylabel="test accuracy", ylim=(low - 0.12, 1.0),
                xlabel="epoch")
    axes[1].legend(loc="lower right")
    for ax in axes:
        ax.xaxis.get_major_locator().set_params(integer=True)
