"""Calibration reduces the mismatch between the neurons of an emulated chip

The top left and top middle panels show how the membrane potentials of all neurons
respond to one input spike.  The chip is calibrated in the top middle panel, but not in
the top left panel.  Black lines are means over the neurons.  The top right panel shows
the membrane potentials of the hidden neurons of a trained network, during one test
image.  The network was trained with the calibrated chip in the loop.  The dashed line
is the nominal threshold.

The bottom panel shows the spread of each neuron parameter before and after calibration.
The spread of a parameter is the standard deviation of the parameter over all neurons
that can fire.  For gains and time constants, the standard deviation is divided by the
mean over the same neurons.  The spreads of potentials are divided by the nominal
distance between leak potential and threshold.  Bars are means over chips, and dots are
single chips.  Diamonds are published spreads among neurons of the calibrated chip.  The
published standard deviations are taken or estimated from tests in the public software
that calibrates the real chip.

An emulated chip is calibrated in two rounds.  In each round, the parameters of all 256
neurons are measured from their spikes and membrane potentials, and then corrected.
Before calibration, the parameters are sampled with the spreads in `chip.UNCALIBRATED`.
Most standard deviations in `chip.UNCALIBRATED` are estimated from a published
calibration of one real chip.  Each neuron has an analog-to-digital converter (ADC),
which measures the membrane potential.  An ADC offset changes the measured potential in
the same way as an error of the leak potential.  After calibration, the leak potentials
therefore vary as much as the ADC offsets do.  For the bars "calibrated with
references", the ADC offset of each neuron is measured before the calibration.  While
the ADC offsets are measured, an external voltage holds all membranes at the nominal
leak potential.  The ADC code measured at this voltage is the reference of the neuron.

An emulated chip is easier to calibrate than a real chip.  Setting one parameter of an
emulated chip does not change other parameters.  The parameters of an emulated chip do
not drift.  In the other figures, the parameters of calibrated chips are sampled with
the spreads in `chip.CALIBRATED`.  The spreads in `chip.CALIBRATED` are taken from the
tests of the public calibration software.  Only the spread of the reset potential (4 %)
is not taken from these tests.

This figure corresponds to [CB22] figs. 2 and 4 A.
"""

import functools
import warnings

import numpy as np

from figures.chip import chip_images
from figures.run import colours, seeds
from figures.run.claims import own, shown as report
from refsnn import calibration, chip

FIGURE, PAPER = "chip_pattern", "[CB22] figs. 2 and 4 A"
NEURONS, ROUNDS, SWEEPS = 256, 2, 8
STAGES = "uncalibrated", "calibrated", "calibrated with references"
COLOURS = dict(zip(STAGES, (colours.VERMILION, colours.BLUE, colours.SKY), strict=True))
# {quantity: (id, spread after calibration from the public tests)}
SPREADS = {
    "synaptic gain": ("gain", 0.04), "synaptic time constant": ("tau-syn", 0.04),
    "membrane time constant": ("tau-mem", 0.05), "threshold": ("threshold", 0.05),
    "leak": ("leak", 0.03), "reset": ("reset", 0.045)}
QUANTITIES = tuple(SPREADS)
RELATIVE = QUANTITIES[:3]           # quantities whose spread is relative to the mean
NEAR = 8 / 70       # published: 95 % of the thresholds are within 8 codes, of 70
# Published: largest spread after calibration, and largest ratio of the spreads after
# and before calibration.
MOST = {"synaptic gain": 0.05, "reset": 0.06}
RATIO = {"synaptic time constant": 0.2, "membrane time constant": 0.45}
SIZES = {"quick": (1, 1), "default": (3, 6), "full": (10, 15)}  # chips, epochs
ARRAYS = {
    "spreads": ("chip, stage, parameter", "1", "spread over the neurons of a chip"),
    "near": ("chip", "1", "share of the thresholds within 8 codes of the nominal one"),
    "traces": ("stage, step, neuron", "ADC codes", "response to one spike"),
    "after": ("step, neuron", "thresholds", "membrane potentials during a test image"),
    "accuracy": ("", "accuracy", "test accuracy of the network on the first chip")}


def jobs(size, seed, data, repeats=None, epochs=None):
    """Return one job for each emulated chip."""
    repeats, epochs = repeats or SIZES[size][0], epochs or SIZES[size][1]
    less = {"rounds": 1, "sweeps": 1} if size == "quick" else {}
    return [(bench, {"epochs": 0 if repeat else epochs, "seed": seed, "repeat": repeat,
                     **less}) for repeat in range(repeats)]


def bench(epochs, seed, repeat, rounds=ROUNDS, sweeps=SWEEPS):
    """Calibrate a chip; then train a network."""
    rng = seeds.rng(seed, FIGURE, "noise", repeat)
    drawn = before = chip_images.drawn(seed, repeat, chip.UNCALIBRATED)
    spreads, traces = [spread(drawn)], [response(drawn, rng)]
    for codes in (reference(drawn, rng), None):
        drawn = before
        for _ in range(rounds):
            with warnings.catch_warnings():     # some neurons of a chip never fire
                warnings.simplefilter("ignore", UserWarning)
                found = calibration.calibrate(functools.partial(
                    chip.emulate, drawn, rng=rng), reference=codes, repeats=sweeps)
            drawn = calibration.corrected(drawn, found)
        spreads.insert(1, spread(drawn))
    traces.append(response(drawn, rng))
    able = np.isfinite(drawn.threshold)
    near = np.mean(np.abs(drawn.threshold[able] - 1) <= NEAR)
    result = {"spreads": spreads, "traces": traces, "near": near,
              "trained": bool(epochs)}
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


def spread(drawn):
    """Return the spread of each parameter."""
    able, values = np.isfinite(drawn.threshold), []
    for name, array in zip(QUANTITIES, (drawn.gain, drawn.tau_syn, drawn.tau_mem,
                                        drawn.threshold, drawn.leak, drawn.reset),
                           strict=True):
        array = np.atleast_2d(array)[:, able].astype(float)
        deviation = np.sqrt(array.var(axis=1).mean())
        values.append(deviation / array.mean() if name in RELATIVE else deviation)
    return values


def blank(count):
    """Return zero weights, without readouts."""
    return {"hidden": np.zeros((count, NEURONS), np.int8), "recurrent": None,
            "readout": np.zeros((0, count), np.int8)}


def reference(drawn, rng):
    """Return each neuron's ADC reference sample."""
    held = drawn._replace(leak=np.zeros_like(drawn.leak),
                          threshold=np.full_like(drawn.threshold, np.inf))
    x = np.zeros((chip_images.STEPS, 64, NEURONS), np.uint8)
    return chip.emulate(held, blank(NEURONS), x, rng=rng)[1].mean(axis=(0, 1))


def response(drawn, rng):
    """Return the ADC codes of all membrane potentials after one input spike."""
    weights = blank(NEURONS)
    weights["hidden"][:, 0] = 63
    x = np.zeros((chip_images.STEPS, 1, NEURONS), np.uint8)
    x[0, 0, 0] = 1
    return chip.emulate(drawn, weights, x, rng=rng)[1][:, 0]


def gather(results):
    trained = [r for r in results if r["trained"]]
    return {"spreads": [r["spreads"] for r in results],
            "near": [r["near"] for r in results],
            "traces": results[0]["traces"].astype(int), "after": trained[0]["after"],
            "accuracy": trained[0]["accuracy"]}


def claims(size):
    """Declare the claims about the spreads."""
    text, found = "spread of the {}, {} calibration", []
    for name, most in RATIO.items():
        found.append(own(f"{SPREADS[name][0]}-ratio",
                         text.format(name, "after / before"), high=most))
    found += [
        own("near", "share of the thresholds within 8 codes after calibration",
            low=0.95),
        own("leak-ratio", "spread of the leak, calibrated with / without references",
            high=0.5)]
    for name, (key, _) in SPREADS.items():
        found.append(report(f"{key}-before", text.format(name, "before")
                            + ", an input of the model"))
        for stage, when in (("after", text.format(name, "after")),
                            ("references", text.format(name, "after")
                             + " with references")):
            if stage == "after" and name in MOST:
                found.append(own(f"{key}-after", when, high=MOST[name]))
            else:
                found.append(report(f"{key}-{stage}", when))
    return [*found, report("accuracy", "embedded digits: test accuracy, trained in the "
                           "loop on the calibrated chip")]


def measured(data):
    """Return the numbers of the claims."""
    found = {"near": data["near"], "accuracy": np.atleast_1d(data["accuracy"])}
    for (name, (key, _)), each in zip(SPREADS.items(), data["spreads"].T, strict=True):
        found |= dict(zip((f"{key}-before", f"{key}-after", f"{key}-references"), each,
                          strict=True))
        if name in RATIO:
            found[f"{key}-ratio"] = each[1] / each[0]
        if name == "leak":
            found["leak-ratio"] = each[2] / each[1]
    return found


def shown(data):
    """Return what is plotted."""
    return data


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
    ax = bottom.subplots()
    place = np.arange(len(QUANTITIES))
    for s, stage in enumerate(STAGES):
        values, at = 100 * data["spreads"][:, s], place + 0.28 * (s - 1)
        ax.bar(at, values.mean(axis=0), 0.26, color=COLOURS[stage],
               label=stage + ", input of the model" * (not s))
        for one in values:
            ax.plot(at, one, ".", color=colours.BLACK, ms=4)
    ax.plot(place + 0.14, [100 * value for _, value in SPREADS.values()],
            "D", color="white", mec=colours.BLACK, mew=1.3, ms=7,
            label="public tests, calibrated")
    ax.set_xticks(place, [name.replace(" ", "\n", 1) for name in QUANTITIES])
    ax.set(title="Spread over the neurons of a chip",
           ylabel="standard deviation (%)")
    ax.legend(loc="upper right")
