"""Decision time and number of hidden spikes on an emulated chip

The left panel shows the test accuracy against the decision time, measured from the
first input spike.  Readout samples after the decision time do not influence the
predicted class.  The right panel shows the test accuracy against the mean number of
hidden spikes per image.  Each colour stands for one strength of a regulariser, which
penalises the spikes of the hidden neurons.  Dots are single seeds, and diamonds are
means over seeds.

Spiking networks with 256 inputs, 100 hidden neurons and 10 readouts classify the
handwritten digits included in refsnn ("embedded digits").  The networks are trained
with an emulated analog chip in the loop.  The claims about sparse activity are tested
at a single positive strength of the regulariser.  Strengths that lead to more than 40
hidden spikes per test image are excluded.  Among all other positive strengths of the
regulariser, the strength with the highest training accuracy is selected.  In the fast
mode of the chip, all membranes are reset 10 µs after the first input spike.

A synaptic event is the arrival of one spike at one synapse.  Each input spike reaches
all hidden neurons, and each hidden spike reaches all readouts.  Synaptic events are
counted while the fast mode is off.  The published energy per image was measured in the
fast mode, on a network of 246 hidden neurons.

With --full, networks with 246 hidden neurons are trained for 20 epochs on MNIST images
of 16x16 pixels.  This figure corresponds to [CB22] fig. 3 C, D and E, which use MNIST.
"""

import itertools

import numpy as np

from figures.chip import chip_images
from figures.run import colours, seeds
from figures.run.claims import Published, own, shown as report, stand_in

FIGURE = "chip_timing"
FOLDERS = {"full": ("mnist",)}
# In a trial run, the strengths 0.3 and 1 gave 33 and 19 hidden spikes per MNIST image.
STRENGTHS = {"quick": (0.0, 0.1), "default": (0.0, 0.03, 0.1, 0.3),
             "full": (0.0, 0.3, 1.0)}
RESET_S, RESET_US = 10e-6, 10.0
IMAGE_UJ = 2.4                      # published energy per image, [CB22] table 2
COLOURS = (colours.BLACK, colours.BLUE, colours.GREEN, colours.ORANGE,
           colours.VERMILION, colours.PURPLE, colours.SKY)
FLAT, SPARSE, SOON, ALWAYS = (
    Published(value, "[CB22]", place, known) for value, place, known in (
        (0.0, "fig. 3 E", "words"), (20, "fig. 3 E", "words"), (8, "fig. 3 C", "read"),
        ("always less than 10 µs", "fig. 3 C", "words")))
DIFFERS = ("an emulated chip in place of the real one; 20 epochs in place of 100; "
           "factor 4 in place of 10 on the class scores; three strengths of the "
           "regulariser")
ARRAYS = {
    "strength": ("strength", "1", "strength of the regulariser"),
    "until": ("strength, run, sample", "accuracy",
              "test accuracy from the samples up to this one"),
    "spikes": ("strength, run", "1", "hidden spikes per test image"),
    "events": ("strength, run", "1", "synaptic events per test image"),
    "accuracy": ("strength, run", "accuracy", "test accuracy"),
    "fast": ("strength, run", "accuracy", "test accuracy in the fast mode"),
    "train": ("strength, run", "accuracy", "training accuracy in the last epoch")}


def jobs(size, seed, data, strengths=None, repeats=None, epochs=None, hidden=None):
    """Return one job for each trained network."""
    task, folder = ("mnist", data) if size == "full" else ("digits", None)
    strengths = STRENGTHS[size] if strengths is None else map(float, strengths)
    epochs = epochs or (1 if size == "quick" else chip_images.EPOCHS[task])
    return [(learn, {"task": task, "folder": folder, "strength": strength,
                     "epochs": epochs, "seed": seed, "repeat": repeat,
                     **({"hidden": hidden} if hidden else {})})
            for strength in sorted({0.0, *strengths})
            for repeat in range(repeats or (1 if size == "quick" else 2))]


def learn(task, folder, strength, epochs, seed, repeat, hidden=None):
    """Train a network; test both modes."""
    hidden = hidden or chip_images.HIDDEN[task]
    images = chip_images.load(task, folder, seed, repeat)
    generator = seeds.rng(seed, FIGURE, task, f"{repeat}, from 0")
    rule = chip_images.RULES[task]._replace(burst=strength)
    drawn = chip_images.drawn(seed, repeat)
    noise = seeds.rng(seed, FIGURE, "noise", f"{repeat}, from 0")
    run = chip_images.on_chip(drawn, noise)
    learner = chip_images.begin(generator, hidden)
    learner, curves = chip_images.learn(run, learner, images, rule, generator, epochs)
    scores = chip_images.test(run, learner.weights, images)
    fast = chip_images.test(chip_images.on_chip(drawn, noise, reset_after=RESET_S),
                            learner.weights, images)
    return {"strength": strength, "train": curves[-1, 1], "until": scores.until,
            "spikes": scores.spikes, "events": events(scores, hidden),
            "accuracy": scores.accuracy, "fast": fast.accuracy}


def events(scores, hidden):
    """Return the mean number of synaptic events per image."""
    return scores.inputs * hidden + scores.spikes * chip_images.CLASSES


def gather(results):
    """Stack the results of all networks."""
    strengths = list(dict.fromkeys(float(r["strength"]) for r in results))
    return {"strength": strengths,
            **{name: [[r[name] for r in results if r["strength"] == s]
                      for s in strengths]
               for name in ("until", "spikes", "events", "accuracy", "fast",
                            "train")}}


def times_us():
    """Return the times of samples in microseconds."""
    return (np.arange(chip_images.STEPS) - 1) * chip_images.DT_S * 1e6


def decided_us(until):
    """Return the time of the final accuracy."""
    near = until >= until[-1] - 0.01
    return float(times_us()[len(near) - near[::-1].argmin() if not near.all() else 0])


def sparsest(data):
    """Return the index of the selected strength."""
    sparse = (data["spikes"].mean(axis=1) <= 40) & (data["strength"] > 0)
    learnt = np.where(sparse, data["train"].mean(axis=1), -1)
    return int(learnt.argmax()) if sparse.any() else None


def claims(size):
    """Declare the claims of this figure."""
    data = "MNIST" if size == "full" else "embedded digits"
    lost = f"{data}: test accuracy lost with at most 40 hidden spikes per image"
    decided = ("time from the first input spike until the accuracy is at most 0.01 "
               "below its final value")
    margin = f"{data}: 10 µs minus {decided}"
    if size == "full":
        found = [stand_in("lost-sparse", lost, FLAT, differs=DIFFERS),
                 stand_in("margin", margin, ALWAYS, unit="µs", ordered=True,
                          differs=DIFFERS)]
    else:
        found = [own("lost-sparse", lost, high=0.01),
                 own("margin", margin, unit="µs", low=0)]
    return [
        *found,
        report("decided", f"{data}: {decided}", unit="µs", published=SOON,
               why="the published time ends at the peak of the accuracy"),
        own("accuracy", f"{data}: test accuracy without regulariser",
            low=chip_images.LEARNT),
        own("lost-fast", f"{data}: test accuracy lost in the fast mode with a reset "
            "after 10 µs", high=0.01),
        report("spikes-sparse", f"{data}: hidden spikes per image with the selected "
               "strength", published=SPARSE, why="the published number is the smallest "
               "one without a loss of accuracy, which refsnn does not search"),
        report("spikes", f"{data}: hidden spikes per image without regulariser"),
        report("events", f"{data}: synaptic events per image without regulariser"),
        report("energy", "energy per synaptic event: published 2.4 µJ per image, "
               "divided by our count", unit="pJ")]


def measured(data):
    """Return the numbers of the claims."""
    accuracy, best = data["accuracy"], sparsest(data)
    times = np.array([decided_us(until) for until in data["until"][0]])
    none = np.full(len(accuracy[0]), np.nan)
    return {"lost-sparse": none if best is None else accuracy[0] - accuracy[best],
            "spikes-sparse": none if best is None else data["spikes"][best],
            "decided": times, "margin": RESET_US - times, "accuracy": accuracy[0],
            "lost-fast": accuracy[0] - data["fast"][0], "spikes": data["spikes"][0],
            "events": data["events"][0], "energy": 1e6 * IMAGE_UJ / data["events"][0]}


def shown(data):
    """Return what is plotted."""
    return data


def plot(data, fig):
    fig.set_size_inches(11, 4.6)
    left, right = fig.subplots(1, 2)
    low = data["until"].mean(axis=1)[:, -1].min()
    for i, (strength, colour) in enumerate(zip(
            data["strength"], itertools.cycle(COLOURS), strict=False)):
        until = data["until"][i]
        left.plot(times_us(), until.mean(axis=0), color=colour, lw=2,
                  label=f"{strength:g}")
        right.plot(data["spikes"][i], data["accuracy"][i], "o", color=colour, ms=4,
                   alpha=0.5)
        right.plot(data["spikes"][i].mean(), data["accuracy"][i].mean(), "D",
                   color=colour, ms=9, mec=colours.BLACK, mew=0.8,
                   label=f"{strength:g}")
    order = np.argsort(data["spikes"].mean(axis=1))
    right.plot(data["spikes"].mean(axis=1)[order],
               data["accuracy"].mean(axis=1)[order], color=colours.GREY, lw=1, zorder=0)
    left.axvline(10, color=colours.BLACK, ls=":", lw=1.2)
    left.annotate("reset in the fast mode", (10, low - 0.12), (5, 2),
                  textcoords="offset points", fontsize=9)
    left.set(title="Accuracy from the first samples only", ylabel="test accuracy",
             xlabel="time of the last sample after the first input spike (µs)",
             ylim=(low - 0.12, 1), xlim=(0, times_us()[-1]))
    right.axvline(40, color=colours.BLACK, ls=":", lw=1.2)
    right.annotate("40 spikes", (40, 1), (5, -12), xycoords=right.get_xaxis_transform(),
                   textcoords="offset points", fontsize=9)
    right.set(title="Accuracy against activity", ylabel="test accuracy",
              xlabel="hidden spikes per image", xscale="log")
    fewest, most = right.get_xlim()
    ticks = [n for n in (1, 2, 5, 10, 20, 40, 80, 160) if fewest <= n <= most]
    right.set_xticks(ticks, [str(n) for n in ticks])
    right.minorticks_off()
    left.legend(title="strength of the\nburst regulariser", loc="lower right")
