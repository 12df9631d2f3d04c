"""Calibration reduces the mismatch between the neurons of an analog chip

An emulated chip is calibrated in two rounds.  Each round measures all 256
neurons, using only the spikes and membrane samples that the chip records.
The spread of a parameter is its standard deviation over the neurons.  Before
calibration, the mean spreads of the synaptic gain and of both time constants
(over 3 chips) deviate by at most 25 % from published spreads of one chip.
After calibration, each spread is at most half of its value before
calibration.

The top left panel (before calibration) and the top middle panel (after
calibration) show the responses of all membranes to one input spike with the
largest weight.  Black lines are means over the neurons.  The top right panel
shows the membranes of the hidden neurons during one test image, after
training with the calibrated chip in the loop.  The membranes in the top right
panel also differ because the weights of the neurons differ.  The bottom panel
shows the spreads before and after calibration.  Spreads of the gain and the
time constants are relative to the mean.  Spreads of potentials are relative
to the difference between threshold and leak potential.  Bars are means, dots
are single chips, and diamonds are published values.

This figure corresponds to [CB22] figs. 2 and 4 A.
"""

import functools

import numpy as np

from figures.chip import chip_images
from figures.run import colours, published, seeds
from figures.run.claims import Claim, at_most
from refsnn import calibration, chip

FIGURE = "chip_pattern"
NEURONS, ROUNDS = 256, 2
STAGES = ("uncalibrated", "calibrated")
COLOURS = {"uncalibrated": colours.VERMILION, "calibrated": colours.BLUE}
QUANTITIES = ("synaptic gain", "synaptic time constant", "membrane time constant",
              "threshold", "leak", "reset")
RELATIVE = QUANTITIES[:3]           # quantities whose spread is relative to the mean
NEAR = ("synaptic gain", "synaptic time constant", "membrane time constant")


def jobs(size, seed, data):
    """Return one job for each chip; only the first chip is used to train a network."""
    repeats, epochs = {"quick": (1, 2), "default": (3, 6), "full": (10, 15)}[size]
    return [(bench, {"epochs": 0 if repeat else epochs, "seed": seed, "repeat": repeat})
            for repeat in range(repeats)]


def bench(epochs, seed, repeat):
    """Measure a chip before and after calibration, and train a network on the chip.

    If `epochs` is 0, no network is trained.
    """
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
        learner = chip_images.begin(rng, NEURONS - chip_images.CLASSES)
        learner, _ = chip_images.learn(run, learner, images, chip_images.DEFAULT, rng,
                                       epochs)
        x = chip_images.coded(images.x_test[:1])
        result["after"] = run(learner.weights, x).mem[:, 0]
        result["accuracy"] = chip_images.test(run, learner.weights, images).accuracy
    return result


def spread(found):
    """Return the spread of each quantity over all neurons that could be measured.

    The spreads of excitatory and inhibitory synapses are combined.
    """
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
    """Return the membrane samples (T, N) that follow one input spike of weight 63.
    """
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
        "spreads of synaptic gain and time constants before calibration, means of "
        f"{chips} chips: largest relative deviation from the published spreads", max(
            abs(mean[0, QUANTITIES.index(name)] / paper[f"{name}, uncalibrated"] - 1)
            for name in NEAR), 0.25),
        at_most("spread after calibration / spread before calibration, means of "
                f"{chips} chips, largest ratio of all parameters",
                (mean[1] / mean[0]).max(), 0.5)]
    for i, name in enumerate(QUANTITIES):
        for stage, value in zip(STAGES, mean[:, i], strict=True):
            found.append(Claim(f"spread of the {name}, {stage}, mean of {chips} chips",
                               float(value), "shown only", None,
                               paper[f"{name}, {stage}"]))
    return found + [Claim(
        "test accuracy on the embedded digits, trained in the loop on the calibrated "
        "chip, 1 seed", float(data["accuracy"]), "shown only", None)]


def plot(data, fig):
    fig.set_size_inches(11, 7.4)
    top, bottom = fig.subfigures(2, 1, height_ratios=(1.15, 1))
    axes = top.subplots(1, 3)
    time_us = np.arange(chip_images.STEPS) * chip_images.DT_S * 1e6
    low, high = data["traces"].min() - 3, data["traces"].max() + 3
    for ax, stage, trace in zip(axes, STAGES, data["traces"], strict=False):
        ax.plot(time_us, trace, color=COLOURS[stage], lw=0.5, alpha=0.35)
        ax.plot(time_us, trace.mean(axis=1), color=colours.BLACK, lw=2)
        ax.set(title=f"{stage.capitalize()}, one input spike",
               ylabel="membrane (ADC codes)",
               xlabel="time (µs)", ylim=(low, high))
    axes[2].plot(time_us, data["after"], color=colours.GREEN, lw=0.5, alpha=0.4)
    axes[2].axhline(1, color=colours.BLACK, ls="--", lw=1)
    axes[2].set(title="Trained, one test image", xlabel="time (µs)",
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
    ax.set(title="Spread over the neurons of a chip",
           ylabel="standard deviation (%)")
    ax.legend(loc="upper right")
