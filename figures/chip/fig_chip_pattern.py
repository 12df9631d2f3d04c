"""No two neurons of an analog chip are alike, and calibration makes them so, nearly

One input spike of the largest weight, and how the membranes of all 256
neurons of an emulated chip respond to it, as its own readout shows them: the
chip uncalibrated, and after two rounds of calibration through this readout.
Of three chips, the measured spreads before calibration are within a quarter
of those that a published calibration of one chip implies; after it, each is
at most half as large.

Top: membranes; the third panel has those of the hidden neurons of a network
trained in the loop on the calibrated chip, for one test image: trained
neurons differ by purpose.  Bottom: measured spreads, relative to the mean or
to threshold minus leak, beside published ones.

Mirrors [CB22] figs. 2 and 4 A.
"""

import functools

import numpy as np

from figures.chip import chip_images
from figures.run.claims import Claim, at_most
from figures.run import colours, seeds
from figures.run import published
from refsnn import calibration, chip

FIGURE = "chip_pattern"
NEURONS, ROUNDS = 256, 2
STAGES = ("uncalibrated", "calibrated")
COLOURS = {"uncalibrated": colours.VERMILION, "calibrated": colours.BLUE}
QUANTITIES = ("synaptic gain", "synaptic time constant", "membrane time constant",
              "threshold", "leak", "reset")
RELATIVE = QUANTITIES[:3]           # to the mean; potentials to threshold - leak
NEAR = ("synaptic gain", "synaptic time constant", "membrane time constant")


def jobs(size, seed, data):
    """A chip each, calibrated; one of them learns."""
    repeats, epochs = {"quick": (1, 2), "default": (3, 6), "full": (10, 15)}[size]
    return [(bench, {"epochs": 0 if repeat else epochs, "seed": seed, "repeat": repeat})
            for repeat in range(repeats)]


def bench(epochs, seed, repeat):
    """Measure, calibrate, measure again; and train for `epochs`."""
    number = int(seeds.rng(seed, "chip", "drawn", repeat).integers(2 ** 31))
    rng = seeds.rng(seed, FIGURE, "noise", repeat)
    drawn = chip.draw(number, chip.UNCALIBRATED)
    spreads, traces = [], []
    for _ in STAGES:
        run = functools.partial(chip.emulate, drawn, rng=rng)
        spreads.append(spread(calibration.measure(run)))
        traces.append(response(run))
        for _ in range(ROUNDS):
            drawn = calibration.corrected(drawn, calibration.calibrate(
                functools.partial(chip.emulate, drawn, rng=rng)))
    result = {"spreads": spreads, "traces": traces, "trained": bool(epochs)}
    if epochs:
        images = chip_images.digits(seed, repeat)
        run = chip_images.on_chip(drawn, rng)
        learner, _ = chip_images.learn(run, chip_images.begin(rng, NEURONS - chip_images.CLASSES), images,
                                       chip_images.DEFAULT, rng, epochs)
        result["after"] = run(learner.weights, chip_images.coded(images.x_test[:1])).mem[:, 0]
        result["accuracy"] = chip_images.test(run, learner.weights, images).accuracy
    return result


def spread(found):
    """Of the neurons that could be measured; exc. and inh. taken together."""
    able = ~(found.restless | found.silent)
    values = []
    for name, array in zip(QUANTITIES, (found.gain, found.tau_syn, found.tau_mem,
                                        found.threshold, found.leak, found.reset),
                           strict=True):
        array = np.atleast_2d(array)[:, able]
        deviation = np.sqrt(np.nanmean(np.nanvar(array, axis=1)))
        values.append(deviation / np.nanmean(array) if name in RELATIVE else deviation)
    return values


def response(run):
    """Codes (T, N) of all neurons to one input spike of weight 63."""
    hidden = np.zeros((NEURONS, NEURONS), np.int8)
    hidden[:, 0] = 63
    x = np.zeros((chip_images.STEPS, 1, NEURONS), np.uint8)
    x[0, 0, 0] = 1
    return run({"hidden": hidden, "recurrent": None,
                "readout": np.zeros((0, NEURONS), np.int8)}, x)[1][:, 0]


def gather(results):
    trained = [r for r in results if r["trained"]]
    return {"spreads": [r["spreads"] for r in results],
            "traces": results[0]["traces"].astype(int), "after": trained[0]["after"],
            "accuracy": trained[0]["accuracy"]}


def claims(data):
    mean, paper = data["spreads"].mean(axis=0), published.values(FIGURE)
    chips = len(data["spreads"])
    found = [at_most(
        f"uncalibrated, {chips} chips: largest deviation of the spreads of gains and "
        "time constants from the published ones", max(
            abs(mean[0, QUANTITIES.index(name)] / paper[f"{name}, uncalibrated"] - 1)
            for name in NEAR), 0.25),
        at_most("calibrated: largest spread that is left, as a part of what it "
                "was", (mean[1] / mean[0]).max(), 0.5)]
    for i, name in enumerate(QUANTITIES):
        for stage, value in zip(STAGES, mean[:, i], strict=True):
            found.append(Claim(f"spread of {name}, {stage}", float(value),
                               "shown only", None, paper[f"{name}, {stage}"]))
    return found + [Claim(
        "test accuracy, trained in the loop on a self-calibrated chip",
        float(data["accuracy"]), "shown only", None)]


def plot(data, fig):
    fig.set_size_inches(11, 7.4)
    top, bottom = fig.subfigures(2, 1, height_ratios=(1.15, 1))
    axes = top.subplots(1, 3)
    time_us = np.arange(chip_images.STEPS) * chip_images.DT_S * 1e6
    low, high = data["traces"].min() - 3, data["traces"].max() + 3
    for ax, stage, trace in zip(axes, STAGES, data["traces"], strict=False):
        ax.plot(time_us, trace, color=COLOURS[stage], lw=0.5, alpha=0.35)
        ax.plot(time_us, trace.mean(axis=1), color=colours.BLACK, lw=2)
        ax.set(title=stage.capitalize(), ylabel="membrane (ADC codes)",
               xlabel="time (µs)", ylim=(low, high))
    axes[2].plot(time_us, data["after"], color=colours.GREEN, lw=0.5, alpha=0.4)
    axes[2].axhline(1, color=colours.BLACK, ls="--", lw=1)
    axes[2].set(title="After learning, one image", xlabel="time (µs)",
                ylabel="membrane (thresholds)")
    ax, paper = bottom.subplots(), published.values(FIGURE)
    place = np.arange(len(QUANTITIES))
    for s, stage in enumerate(STAGES):
        values = 100 * data["spreads"][:, s]
        ax.bar(place + 0.4 * s - 0.2, values.mean(axis=0), 0.36, color=COLOURS[stage],
               label=f"{stage}, measured")
        for one in values:
            ax.plot(place + 0.4 * s - 0.2, one, ".", color=colours.BLACK, ms=4)
        ax.plot(place + 0.4 * s - 0.2,
                [100 * paper[f"{name}, {stage}"] for name in QUANTITIES], "D",
                color="white", mec=colours.BLACK, mew=1.3, ms=7,
                label="published" if s else None)
    ax.set_xticks(place, [name.replace(" ", "\n", 1) for name in QUANTITIES])
    ax.set(title="Spread over the neurons of a chip", ylabel="spread (%)")
    ax.legend(loc="upper right")
