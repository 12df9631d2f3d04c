"""An emulated chip classifies digits within 10 µs; 40 hidden spikes are sufficient

Spiking networks with 256 inputs, 100 hidden neurons and 10 readouts are trained to
classify the handwritten digits included in refsnn ("embedded digits").  In training,
the forward pass runs on an emulated analog chip (chip in the loop).  A regulariser
penalises the spikes of the hidden neurons.  Regularisation strengths above 0 are
considered if they yield at most 40 hidden spikes per test image.  Among these
strengths, the strength with the highest training accuracy is selected.  The mean test
accuracy with the selected regularisation strength is at most 0.01 below the mean test
accuracy without regulariser (2 seeds).

The left panel shows the test accuracy when only the readout samples up to a given time
after the first input spike are used to predict the class.  From 10 µs after the first
input spike on, the test accuracy without regulariser is at most 0.01 below its final
value.  In the fast mode of the chip, all membranes are reset 10 µs after the first
input spike, and the chip needs 11.8 µs for each image [CB22].  The fast mode lowers the
test accuracy without regulariser by at most 0.01.  The right panel shows the test
accuracy against the mean number of hidden spikes per image.  Each colour stands for one
regularisation strength.  Dots are single seeds, and diamonds are means over seeds.

A synaptic event is the arrival of one spike at one synapse.  Each input spike reaches
all hidden neurons, and each spike of a hidden neuron reaches all readouts.  On the
chip, each weight has an excitatory and an inhibitory synapse.  The sign of the weight
selects which of the two synapses is active.  Each spike therefore causes one synaptic
event for each neuron that the spike reaches.  Synaptic events are counted without the
fast mode, so the membranes are not reset after 10 µs.  The figure also reports an
energy per synaptic event.  This energy is the published energy of 2.4 µJ per
image, divided by the mean number of synaptic events per image in networks that are
trained without regulariser.  The published energy per image was measured in the fast
mode, on a network of 246 hidden neurons.

With the option --full, networks with 246 hidden neurons are trained for 20 epochs on
MNIST images of 16x16 pixels, and the regularisation strength is 0 (no regulariser), 0.3
or 1.  In [CB22], the test accuracy hardly changes if a regulariser reduces the number
of hidden spikes to about 20 per image.  In [CB22], the test accuracy without
regulariser reaches its maximum within 8 µs.  This figure corresponds to [CB22] fig. 3
C, D and E, which use MNIST.
"""

import numpy as np

from figures.chip import chip_images
from figures.run import colours, published, seeds
from figures.run.claims import at_least, at_most, reported
FIGURE = "chip_timing"
FOLDERS = {"full": ("mnist",)}
# After 4 epochs on 10,000 training images of MNIST with another chip, the strengths 0.3
# and 1 yielded 33 and 19 hidden spikes per image.
STRENGTHS = {"quick": (0.0, 0.1), "default": (0.0, 0.03, 0.1, 0.3),
             "full": (0.0, 0.3, 1.0)}
RESET_S, IMAGE_S = 10e-6, 11.8e-6
COLOURS = (colours.BLACK, colours.BLUE, colours.GREEN, colours.ORANGE)


def jobs(size, seed, data):
    """Return one job for each trained network."""
    task, folder = ("mnist", data) if size == "full" else ("digits", None)
    repeats = 1 if size == "quick" else 2
    epochs = 3 if size == "quick" else chip_images.EPOCHS[task]
    return [(learn, {"task": task, "folder": folder, "strength": strength,
                     "epochs": epochs, "seed": seed, "repeat": repeat})
            for strength in STRENGTHS[size] for repeat in range(repeats)]


def learn(task, folder, strength, epochs, seed, repeat):
    """Train a network; test both modes."""
    images = chip_images.load(task, folder, seed, repeat)
    generator = seeds.rng(seed, FIGURE, task, f"{repeat}, from 0")
    rule = chip_images.RULES[task]._replace(burst=strength)
    drawn = chip_images.drawn(seed, repeat)
    noise = seeds.rng(seed, FIGURE, "noise", f"{repeat}, from 0")
    run = chip_images.on_chip(drawn, noise)
    learner = chip_images.begin(generator, chip_images.HIDDEN[task])
    learner, curves = chip_images.learn(run, learner, images, rule, generator, epochs)
    scores = chip_images.test(run, learner.weights, images)
    fast = chip_images.test(chip_images.on_chip(drawn, noise, reset_after=RESET_S),
                            learner.weights, images)
    return {"strength": strength, "train": curves[-1, 1], "until": scores.until,
            "spikes": scores.spikes, "events": events(scores, chip_images.HIDDEN[task]),
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


def decided_us(data):
    """Return the time of the final accuracy."""
    until = data["until"][0].mean(axis=0)
    near = until >= until[-1] - 0.01
    return float(times_us()[len(near) - near[::-1].argmin() if not near.all() else 0])


def sparsest(data):
    """Return the index of the selected strength."""
    sparse = (data["spikes"].mean(axis=1) <= 40) & (data["strength"] > 0)
    learnt = np.where(sparse, data["train"].mean(axis=1), -1)
    return int(learnt.argmax()) if sparse.any() else None


def claims(data):
    accuracy, spikes = data["accuracy"], data["spikes"]
    repeats, paper = accuracy.shape[1], published.values(FIGURE)
    best = sparsest(data)
    lost = float("nan") if best is None else accuracy[0] - accuracy[best]
    return [
        at_most("test accuracy lost with at most 40 hidden spikes per image, "
                f"mean of {repeats} seeds", lost, 0.01,
                paper["accuracy lost at 20 hidden spikes"]),
        reported("hidden spikes per image with the selected strength",
                 float("nan") if best is None else spikes[best],
                 paper["hidden spikes, accuracy still flat"]),
        at_least("test accuracy without regulariser", accuracy[0],
                 chip_images.LEARNT),
        reported("hidden spikes per image without regulariser", spikes[0]),
        at_most("time from the first input spike until the accuracy is at most 0.01 "
                "below its final value (µs)", decided_us(data), 10.0,
                paper["decision after the first input spike (us)"]),
        at_most("test accuracy lost in the fast mode with a reset after 10 µs",
                accuracy[0] - data["fast"][0], 0.01),
        reported("inverse of the published duration of one image, 11.8 µs (images per "
                 "second)", 1 / IMAGE_S, paper["images/s"]),
        reported("synaptic events per image without regulariser", data["events"][0]),
        reported("energy per synaptic event: published 2.4 µJ per image divided by our "
                 "count (pJ)",
                 1e6 * paper["energy per image (uJ)"] / data["events"][0])]


def plot(data, fig):
    fig.set_size_inches(11, 4.6)
    left, right = fig.subplots(1, 2)
    low = data["until"].mean(axis=1)[:, -1].min()
    for i, (strength, colour) in enumerate(zip(data["strength"], COLOURS,
                                               strict=False)):
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
