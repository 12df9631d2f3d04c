"""Errors of an emulated chip are small at an integration step of 0.1 µs

The left panel shows four measures of the emulation error against the length of the
integration step.  The errors are measured relative to a reference emulation with very
short steps of 5 ns.  All errors are averaged over the test images.  The curve "fewer
hidden spikes" shows the relative decrease of the number of hidden spikes, compared with
the reference emulation.  If the steps are longer than 5 ns, some hidden spikes of the
reference emulation move to another time bin, or disappear.  The curve "hidden spikes
not in the same bin" shows the fraction of hidden spikes that move or disappear.  Lines
are means over chips, and dots are single chips.  The right panel shows the readout
potentials for one test image on one chip.

A spiking network with 256 inputs, 100 hidden neurons and 10 readouts is trained in
software to classify the handwritten digits included in refsnn ("embedded digits").  The
trained weights are clipped and rounded, and then used on emulated chips with mismatch.
The emulations have no noise, no loss of spikes, and no delay in the sampling of
membrane potentials.

The emulation detects spikes only at the ends of integration steps.  Each spike is
therefore detected up to one step too late, and the delays of successive spikes
accumulate.  A delayed spike also delays the reset of the membrane potential.  If the
membrane potential later comes close to the threshold, the delayed reset can add or
remove a spike.  The shorter the integration steps are, the fewer spikes are added or
removed.  The effect of each added or removed spike on the readouts does not depend on
the length of the step.  The root mean square (RMS) error of the readouts therefore
decreases more slowly than the mean absolute error.

Each time bin of the chip (1.7 µs) is divided into equal steps.  At a step of 0.189 µs,
the refractory time (2 µs) and the delay of spikes (0.3 µs) must be rounded to multiples
of the step.
"""

import numpy as np

from figures.chip import chip_images
from figures.run import colours, seeds
from figures.run.claims import own, shown as report
from refsnn import chip, chip_weights

FIGURE = "chip_steps"
PARTS = 9, 17, 34, 68, 136                      # steps in a time bin of 1.7 µs
FINE = 340
DEFAULT, LONG, SHORT = 1, 0, 4                  # indices in PARTS
ERRORS = {"readouts, RMS error": (colours.BLUE, "o-"),
          "readouts, mean absolute error": (colours.SKY, "v-"),
          "hidden spikes not in the same bin": (colours.VERMILION, "s--"),
          "fewer hidden spikes": (colours.GREEN, "^:")}
# Numbers of chips, of epochs, and of test images (None for all).
SIZES = {"quick": (1, 1, 20), "default": (3, 12, None), "full": (5, 18, None)}
ARRAYS = {
    "errors": ("chip, step, kind of error", "1", "errors relative to steps of 5 ns"),
    "traces": ("step, bin, readout", "thresholds",
               "readout potentials at steps of 0.189 µs, 0.1 µs and 5 ns"),
    "spikes": ("chip", "1", "hidden spikes per test image")}


def jobs(size, seed, data, repeats=None, epochs=None, images=None):
    """Return one job for each emulated chip."""
    given = zip((repeats, epochs, images), SIZES[size], strict=True)
    repeats, epochs, images = (value or usual for value, usual in given)
    return [(learn, {"epochs": epochs, "images": images, "seed": seed,
                     "repeat": repeat}) for repeat in range(repeats)]


def learn(epochs, images, seed, repeat):
    """Emulate a trained network with all steps."""
    digits = chip_images.digits(seed, repeat)
    generator = seeds.rng(seed, FIGURE, "network", repeat)
    learner = chip_images.begin(generator, chip_images.HIDDEN["digits"])
    learner, _ = chip_images.learn(chip_images.in_software, learner, digits,
                                   chip_images.DEFAULT, generator, epochs)
    written, _ = chip_weights.integers(learner.weights)
    drawn = chip_images.drawn(seed, repeat, chip.CALIBRATED._replace(
        noise=None, sampling=None, loss=None))
    x, n = chip_images.coded(digits.x_test[:images]), len(written.hidden)
    runs = []
    for parts in (*PARTS, FINE):
        spikes, _, mem, _ = chip.emulate(
            drawn, written, x, rng=generator, step=chip_images.DT_S / parts,
            details=True)
        runs.append((spikes > 0, mem[..., n:]))
    fine = runs.pop()
    traces = [mem[:, 0] for _, mem in (runs[LONG], runs[DEFAULT], fine)]
    return {"errors": [errors(run, fine) for run in runs], "traces": traces,
            "spikes": fine[0].sum() / x.shape[1]}


def errors(run, fine):
    """Return the four errors of an emulation."""
    (fired, mine), (spikes, out) = run, fine
    return (np.sqrt(np.mean((mine - out) ** 2) / np.mean(out ** 2)),
            np.mean(np.abs(mine - out)) / np.mean(np.abs(out)),
            1 - (fired & spikes).sum() / spikes.sum(),
            1 - fired.sum() / spikes.sum())


def gather(results):
    """Stack the errors of all chips."""
    return {"errors": [r["errors"] for r in results], "traces": results[0]["traces"],
            "spikes": [r["spikes"] for r in results]}


def step_us(parts):
    """Return the step length in microseconds."""
    return chip_images.DT_S * 1e6 / np.array(parts)


def claims(size):
    """Declare the claims about the errors."""
    fewer = "relative decrease of the number of hidden spikes at a step of "
    rms = "RMS error of the readouts at a step of {} µs / their RMS value"
    return [own("spikes-usual", fewer + "0.1 µs", low=-0.02, high=0.02),
            own("rms-usual", rms.format(0.1), high=0.05),
            own("mean-ratio", "mean absolute error of the readouts at a step of 0.189 "
                "µs / at 0.0125 µs", low=8),
            report("bins-usual", "share of hidden spikes not in the same time bin at a "
                   "step of 0.1 µs"),
            report("rms-long", rms.format(0.189)),
            report("spikes-long", fewer + "0.189 µs"),
            report("spikes", "hidden spikes per image")]


def measured(data):
    """Return the numbers of the claims."""
    rms, mean, bins, fewer = data["errors"].T                   # (steps, chips)
    return {"spikes-usual": fewer[DEFAULT], "rms-usual": rms[DEFAULT],
            "mean-ratio": mean[LONG] / mean[SHORT], "bins-usual": bins[DEFAULT],
            "rms-long": rms[LONG], "spikes-long": fewer[LONG],
            "spikes": data["spikes"]}


def shown(data):
    """Return what is plotted."""
    return data


def plot(data, fig):
    fig.set_size_inches(11, 4.6)
    left, right = fig.subplots(1, 2)
    step = step_us(PARTS)
    for i, (name, (colour, style)) in enumerate(ERRORS.items()):
        errors = 100 * data["errors"][:, :, i]
        left.plot(step, errors.T, ".", color=colour, ms=4, alpha=0.6)
        left.plot(step, errors.mean(axis=0), style, color=colour, lw=2, label=name)
    left.axvline(step[DEFAULT], color=colours.BLACK, ls=":", lw=1.2)
    left.annotate("default", (step[DEFAULT], 0.02), (-4, 4), ha="right",
                  xycoords=left.get_xaxis_transform(), textcoords="offset points")
    left.set(title="Errors relative to steps of 5 ns", xlabel="step (µs)",
             ylabel="error (%)", xscale="log", yscale="log")
    left.set_xticks(step, [f"{s:.3g}" for s in step])
    left.set_yticks((0.1, 1, 10), ("0.1", "1", "10"))
    left.minorticks_off()
    left.legend(loc="upper left")
    time_us = np.arange(chip_images.STEPS) * chip_images.DT_S * 1e6
    for trace, colour, style, name in zip(
            data["traces"], (colours.VERMILION, colours.BLUE, colours.BLACK),
            (":", "--", "-"), ("0.189 µs", "0.1 µs", "5 ns"), strict=True):
        lines = right.plot(time_us, trace, style, color=colour, lw=1.5)
        lines[0].set_label(name)
    right.set(title="Readouts for one test image", xlabel="time (µs)",
              ylabel="membrane (thresholds)")
    right.legend(title="step", loc="upper left")
