"""When an analog chip decides, and with how many spikes

Networks of 256-100-10 trained with a chip in the loop, at several strengths
of the burst regulariser.  With some strengths at most 40 hidden spikes an
image are left.  Of these, the one that the training images are learnt best
with stays within 0.01 of the mean test accuracy without regulariser (three
seeds).

Left: test accuracy if only samples up to a time after an image's first input
spike count.  Not later than 10 us after it the unregularised networks are
within 0.01 of their final accuracy, so that a chip that is reset then, and
takes 11.8 us for an image, loses no more than that.  Right: accuracy against
mean hidden spikes an image of the whole layer, as the regulariser's strength
is raised.

At --full, more strengths and five seeds, of the same networks.  Mirrors
[CB22] fig. 3 C, D and E, which are on MNIST.
"""

import numpy as np

from figures.chip import chip_images
from figures.run.claims import Claim, at_least, at_most
from figures.run import colours, seeds
from figures.run import published
from refsnn import chip

FIGURE = "chip_timing"
STRENGTHS = {"quick": (0.0, 0.1), "default": (0.0, 0.03, 0.1, 0.3),
             "full": (0.0, 5e-4, 2e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0)}
RESET_S, IMAGE_S = 10e-6, 11.8e-6
COLOURS = (colours.BLACK, colours.BLUE, colours.GREEN, colours.ORANGE, colours.VERMILION,
           colours.PURPLE, colours.SKY, colours.GREY)


def jobs(size, seed, data):
    """One for each strength and repeat."""
    repeats, epochs = {"quick": (1, 3), "default": (3, chip_images.EPOCHS["digits"]),
                       "full": (5, chip_images.EPOCHS["digits"])}[size]
    return [(learn, {"strength": strength, "epochs": epochs, "seed": seed,
                     "repeat": repeat})
            for strength in STRENGTHS[size] for repeat in range(repeats)]


def learn(strength, epochs, seed, repeat):
    """A run in the loop, and its tests."""
    images = chip_images.digits(seed, repeat)
    generator = seeds.rng(seed, FIGURE, "digits", f"{repeat}, from 0")
    rule = chip_images.DEFAULT._replace(burst=strength)
    number = int(seeds.rng(seed, "chip", "drawn", repeat).integers(2 ** 31))
    drawn = chip.draw(number, chip.CALIBRATED)
    noise = seeds.rng(seed, FIGURE, "noise", f"{repeat}, from 0")
    run = chip_images.on_chip(drawn, noise)
    learner, curves = chip_images.learn(run, chip_images.begin(generator, chip_images.HIDDEN["digits"]),
                                        images, rule, generator, epochs)
    scores = chip_images.test(run, learner.weights, images)
    fast = chip_images.test(chip_images.on_chip(drawn, noise, reset_after=RESET_S),
                            learner.weights, images)
    return {"strength": strength, "train": curves[-1, 1], "until": scores.until,
            "spikes": scores.spikes, "accuracy": scores.accuracy,
            "fast": fast.accuracy}


def gather(results):
    """Arrays (strengths, repeats, ...)."""
    strengths = list(dict.fromkeys(float(r["strength"]) for r in results))
    return {"strength": strengths,
            **{name: [[r[name] for r in results if r["strength"] == s]
                      for s in strengths]
               for name in ("until", "spikes", "accuracy", "fast", "train")}}


def times_us():
    """Of the samples, after the first input spike, which arrives after bin 0."""
    return (np.arange(chip_images.STEPS) - 1) * chip_images.DT_S * 1e6


def decided_us(data):
    """When the unregularised networks are within 0.01 of their final accuracy."""
    until = data["until"][0].mean(axis=0)
    near = until >= until[-1] - 0.01
    return float(times_us()[len(near) - near[::-1].argmin() if not near.all() else 0])


def sparsest(data):
    """Of regularised networks of at most 40 spikes, those learnt best; or None."""
    sparse = (data["spikes"].mean(axis=1) <= 40) & (data["strength"] > 0)
    learnt = np.where(sparse, data["train"].mean(axis=1), -1)
    return int(learnt.argmax()) if sparse.any() else None


def claims(data):
    accuracy, spikes = (data[name].mean(axis=1) for name in ("accuracy", "spikes"))
    repeats, paper = data["accuracy"].shape[1], published.values(FIGURE)
    best = sparsest(data)
    lost = float("nan") if best is None else accuracy[0] - accuracy[best]
    return [
        at_most("test accuracy lost with at most 40 hidden spikes an image, "
                f"means of {repeats} seeds", lost, 0.01,
                paper["accuracy lost at 20 hidden spikes"]),
        Claim("hidden spikes an image in these networks",
              float("nan") if best is None else float(spikes[best]),
              "shown only", None, paper["hidden spikes, accuracy still flat"]),
        at_least("test accuracy without regulariser", accuracy[0],
                 chip_images.LEARNT),
        Claim("hidden spikes an image without regulariser", float(spikes[0]),
              "shown only", None),
        at_most("time after the first input spike when accuracy is within 0.01 "
                "of its final value (µs)", decided_us(data), 10.0,
                paper["decision after the first input spike (us)"]),
        at_most("test accuracy lost in the fast mode, reset after 10 µs",
                accuracy[0] - data["fast"][0].mean(), 0.01),
        Claim("images/s of a chip in the fast mode, 11.8 µs each", 1 / IMAGE_S,
              "shown only", None, paper["images/s"])]


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
    left.set(title="When the decision falls", ylabel="test accuracy",
             xlabel="only samples until ... after the first input spike count (µs)",
             ylim=(low - 0.12, 1), xlim=(0, times_us()[-1]))
    right.axvline(40, color=colours.BLACK, ls=":", lw=1.2)
    right.annotate("40 spikes", (40, 1), (5, -12), xycoords=right.get_xaxis_transform(),
                   textcoords="offset points", fontsize=9)
    right.set(title="Accuracy against activity", ylabel="test accuracy",
              xlabel="hidden spikes an image", xscale="log")
    fewest, most = right.get_xlim()
    ticks = [n for n in (1, 2, 5, 10, 20, 40, 80, 160) if fewest <= n <= most]
    right.set_xticks(ticks, [str(n) for n in ticks])
    right.minorticks_off()
    left.legend(title="burst regulariser", loc="lower right")
