"""A network classifies digits with few spikes

The left panel shows the test accuracy against the number of spikes of the hidden layer,
for several strengths of a penalty on bursts of spikes.  The right panels show the
number of hidden spikes and the test accuracy of networks whose hidden layer is silent
before training.  All seeds use the same test images.

A spiking network of 256-100-10 neurons classifies latency-coded digits of 16x16 pixels.
For the burst penalty, the spikes of each hidden neuron are counted for each pattern.
The burst penalty is the mean of the squared spike counts over all hidden neurons and
all patterns of a mini-batch.

The surrogate derivative (fast sigmoid) is nowhere 0.  Therefore, training activates a
silent hidden layer even without a penalty.  The layer becomes active faster with a
lower-bound penalty, which penalises each hidden neuron that does not spike in a
pattern.

This figure corresponds to [CB22] fig. 3E, which varies the strength of the burst
penalty for MNIST on an analog chip.  In [CB22], the accuracy stays constant if the
penalty reduces the hidden spikes to about 20 per pattern.
"""

import numpy as np

from figures.run import colours, seeds
from figures.run.claims import Published, own, stand_in
from figures.train import fast_training, lif_training
from refsnn import datasets, encoding, losses

SIDE, HIDDEN, CLASSES, STEPS = 16, 100, 10, 100
NET = lif_training.Net()
SCALE = 7 * (1 - NET.beta)
RATE, BATCH = 2e-3, 100
STRENGTHS = {"quick": (0.0, 0.1, 1.0),
             "default": (0.0, 0.03, 0.2, 1.0, 5.0),
             "full": (0.0, 3e-4, 1e-3, 3e-3, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)}
REPEATS = {"quick": 1, "default": 3, "full": 5}
EPOCHS = {"quick": 1, "default": 12, "full": 50}
REVIVAL = {"quick": 1, "default": 5, "full": 10}            # epochs
SILENT_SCALE, BOUND, LOWER_STRENGTH = 0.02, 1.0, 0.1
FEW = 20                    # hidden spikes per pattern, [CB22] fig. 3E
TICKS = (5, 10, 20, 50)
ARRAYS = {
    "strength": ("strength", "1", "strength of the burst penalty"),
    "spikes": ("strength, run", "1", "hidden spikes per test pattern after training"),
    "accuracy": ("strength, run", "accuracy", "test accuracy after training"),
    **{f"{key}_{name}": ("run, epoch", unit, f"{text}, initially silent layer, {words} "
                         "the lower-bound penalty")
       for name, words in (("free", "without"), ("bound", "with"))
       for key, unit, text in (("spikes", "1", "hidden spikes per test pattern"),
                               ("accuracy", "accuracy", "test accuracy"))}}


def task():
    """Return the training set and the test set."""
    images, labels = datasets.digits()
    values = datasets.upsample(images, SIDE).reshape(len(images), -1)
    parts = datasets.split(labels)
    return [(fast_training.events(encoding.latency(values[part], STEPS)), labels[part])
            for part in parts]


def sweep(seed, repeat, strength, epochs, hidden):
    """Train a network with a burst penalty."""
    def penalty(spikes):
        value, dspikes = losses.burst(spikes)
        return strength * value, np.float32(strength) * dspikes

    return {"part": "sweep", "strength": strength,
            **_train(seed, repeat, "sweep", SCALE, penalty, epochs, hidden)}


def revive(seed, repeat, lower, epochs, hidden):
    """Train an initially silent network."""
    def penalty(spikes):
        value, dspikes = losses.lower_bound(spikes, BOUND)
        return LOWER_STRENGTH * value, np.float32(LOWER_STRENGTH) * dspikes

    return {"part": "revive", "lower": lower,
            **_train(seed, repeat, "revive", (SILENT_SCALE, SCALE),
                     penalty if lower else None, epochs, hidden)}


def _train(seed, repeat, address, scale, penalty, epochs, hidden):
    generator = seeds.rng(seed, "regularisation", address, repeat)
    (x, labels), test = task()
    weights = lif_training.initial(generator, (SIDE * SIDE, hidden, CLASSES), scale,
                                   np.float32)
    curve = [fast_training.evaluate(weights, *test, NET)]
    weights, _ = fast_training.fit(
        weights, x, labels, NET, rate=RATE, epochs=epochs, generator=generator,
        batch=BATCH, penalty=penalty,
        after_epoch=lambda epoch, weights: curve.append(
            fast_training.evaluate(weights, *test, NET)))
    return {"spikes": np.array([scores.spikes for scores in curve]),
            "accuracy": np.array([scores.accuracy for scores in curve])}


def jobs(size, seed, data, repeats=None, epochs=None, strengths=None, hidden=HIDDEN):
    repeats = range(repeats or REPEATS[size])
    swept = [(sweep, {"seed": seed, "repeat": repeat, "strength": strength,
                      "epochs": epochs or EPOCHS[size], "hidden": hidden})
             for repeat in repeats
             for strength in sorted({0.0, *(strengths or STRENGTHS[size])})]
    return swept + [(revive, {"seed": seed, "repeat": repeat, "lower": lower,
                              "epochs": REVIVAL[size], "hidden": hidden})
                    for repeat in repeats for lower in (False, True)]


def gather(results):
    swept = [r for r in results if r["part"] == "sweep"]
    strengths = sorted({float(r["strength"]) for r in swept})
    found = {"strength": np.array(strengths)}
    for name in ("spikes", "accuracy"):                     # (strengths, repeats)
        found[name] = np.array([[r[name][-1] for r in swept if r["strength"] == s]
                                for s in strengths])
        for lower in (False, True):                         # (repeats, epochs + 1)
            found[f"{name}_{'bound' if lower else 'free'}"] = np.array(
                [r[name] for r in results
                 if r["part"] == "revive" and bool(r["lower"]) == lower])
    return found


def claims(size):
    return [
        stand_in("loss-at-few-spikes", "test accuracy lost with the weakest penalty "
                 f"that leaves at most {FEW} hidden spikes per pattern",
                 Published(0.0, "[CB22]", "fig. 3 E, text", "words"),
                 differs="embedded digits (8x8 images enlarged to 16x16) in place of "
                 "MNIST, 256-100-10 neurons in software in place of 256-246-10 on a "
                 "chip"),
        own("silent", "hidden spikes of the silent layers before training, all runs",
            low=0, high=0),
        own("revival", "hidden spikes after one epoch, with the lower-bound penalty / "
            "without", low=2, log=True)]


def measured(data):
    few = data["accuracy"][data["spikes"].mean(axis=1) <= FEW]
    lost = data["accuracy"][0] - (few[0] if len(few) else np.nan)
    silent = max(data["spikes_free"][:, 0].max(), data["spikes_bound"][:, 0].max())
    return {"loss-at-few-spikes": lost, "silent": silent,
            "revival": data["spikes_bound"][:, 1] / data["spikes_free"][:, 1]}


def shown(data):
    return data


def plot(data, fig):
    fig.set_size_inches(10.5, 4.6)
    parts = fig.subfigures(1, 2, width_ratios=(1.5, 1))
    _plot_sweep(data, parts[0].subplots())
    _plot_revival(data, parts[1].subplots(2, 1, sharex=True))


def _plot_sweep(data, axis):
    spikes, accuracy = data["spikes"], data["accuracy"]
    axis.axvline(FEW, color=colours.GREY, ls=":", lw=1.2)
    axis.plot(spikes.ravel(), accuracy.ravel(), "o", color=colours.BLUE, ms=4.5,
              alpha=0.45, label="one seed")
    axis.plot(spikes.mean(axis=1), accuracy.mean(axis=1), "o-", color=colours.BLUE,
              ms=8, mec="white", label="mean of the seeds")
    for x, strength in zip(spikes.mean(axis=1), data["strength"], strict=True):
        axis.annotate("none" if strength == 0 else f"{strength:g}", (x, 0.998),
                      ha="center", va="top", fontsize=8.5, rotation=90)
    low = min(accuracy.min(), 0.9)
    axis.annotate(f"{FEW} spikes", (FEW, low), xytext=(-4, 0), color=colours.GREY,
                  textcoords="offset points", fontsize=9.5, ha="right")
    axis.set(xscale="log", xlabel="hidden spikes per test pattern (whole layer)",
             ylabel="test accuracy", ylim=(low - 0.01, 1.0),
             title="Accuracy against activity; numbers: penalty strength")
    axis.set_xticks([], [], minor=True)
    axis.set_xticks(TICKS, [str(tick) for tick in TICKS])
    axis.legend(loc="lower right")


def _plot_revival(data, axes):
    epochs = np.arange(data["spikes_free"].shape[1])
    for name, colour, label in (("bound", colours.GREEN, "with a lower bound"),
                                ("free", colours.VERMILION, "without a lower bound")):
        for axis, what in zip(axes, ("spikes", "accuracy"), strict=True):
            values = data[f"{what}_{name}"]
            axis.plot(epochs, values.T, color=colour, lw=0.9, alpha=0.5)
            axis.plot(epochs, values.mean(axis=0), "o-", color=colour, lw=2.4,
                      label=label)
    axes[0].set(ylabel="hidden spikes per pattern",
                title="A layer that is silent at first")
    axes[1].set(xlabel="epoch", ylabel="test accuracy", ylim=(0, 1), xticks=epochs)
    axes[1].legend(loc="lower right")
