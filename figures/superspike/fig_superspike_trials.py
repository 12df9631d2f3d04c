"""Learning rate and initial weights set how many trials a neuron needs

Each dot belongs to one neuron.  The dot shows the number of trials until this neuron
first hits all its targets.  If the neuron never hits all targets, the dot shows the
total number of trials.  Lines show geometric means over neurons.  The grey line is the
number of trials in [ZG18] fig. 2.  Stars mark the settings of the figure `superspike`.
With the settings of the figure `superspike`, neurons learn to spike at all target times
in far fewer trials than in the paper [ZG18].

The neurons, inputs, targets and learning rule are those of the figure `superspike`.  A
neuron hits all targets in a trial if it fires exactly one spike within 5 ms of each
target time and no other spike.  The learning rate of the optimiser RMaxProp is either
constant, or divided by 10 after trial 300.  The paper lists the five learning rates as
a grid, but does not state the learning rate of its fig. 2.  The standard deviation of
the initial weights is 2 mV, as in the figure `superspike`, or 5 mV, as in the published
code.  In the panel titles, the standard deviations of the initial weights are given as
20 mV / sqrt(100) and 50 mV / sqrt(100).  In these formulas, 100 is the number of
inputs.
"""

import numpy as np

from figures.run import colours, seeds
from figures.run.claims import shown as report
from figures.superspike import fig_superspike, superspike_training as training

RATES_V = (1e-4, 5e-4, 1e-3, 5e-3, 1e-2)
SCALES_V = (0.02, 0.05)
LAWS = {"constant": "constant learning rate",
        "drop": f"learning rate / 10 after trial {fig_superspike.LATE}"}
MARKS, COLOURS = {"constant": "o", "drop": "s"}, {"constant": colours.BLUE,
                                                  "drop": colours.ORANGE}
SIZES = {"quick": (1, 20), "default": (5, 200), "full": (20, 1600)}
PUBLISHED = 500
ARRAYS = {"rates": ("rate", "V", "learning rates"),
          "scales": ("scale", "V", "standard deviation of the initial weights, times "
                     "the square root of the number of inputs"),
          "loops": ("", "1", "number of trials"),
          **{law: ("scale, rate, run", "1", "trials until a neuron hits all targets, "
                   f"{text}; if never, all trials") for law, text in LAWS.items()}}


def jobs(size, seed, data, repeats=None, loops=None):
    usual = SIZES[size]
    return [(learn, {"scale": scale, "law": law, "repeats": repeats or usual[0],
                     "loops": loops or usual[1], "seed": seed})
            for scale in SCALES_V for law in LAWS
            if law == "constant" or (loops or usual[1]) > fig_superspike.LATE]


def learn(scale, law, repeats, loops, seed):
    """Count the trials until each neuron hits all targets, for each learning rate."""
    generators = [seeds.rng(seed, "superspike_trials", "neuron", r)
                  for r in range(repeats)]
    x = training.poisson(generators, fig_superspike.INPUTS, fig_superspike.INPUT_HZ)
    W = training.weights(generators, 1, fig_superspike.INPUTS, scale)
    rates = np.repeat(RATES_V, repeats)[:, None, None]
    times = training.equidistant(fig_superspike.TARGETS)
    hits = []

    def watch(loop, part, blocks):
        hits.append(training.hits(blocks[0].spikes[:, :, 0], times,
                                  fig_superspike.WINDOW))

    training.practise(
        [training.layer(np.tile(W, (len(RATES_V), 1, 1)), training.OUTPUT)],
        np.tile(x, (1, len(RATES_V), 1)), training.train_of(times), loops,
        lambda loop: rates / 10 if law == "drop" and loop >= fig_superspike.LATE
        else rates, watch=watch)
    hits = np.array(hits)
    trials = np.where(hits.any(axis=0), hits.argmax(axis=0) + 1, loops)
    return {"scale": scale, "law": law, "loops": loops,
            "trials": trials.reshape(len(RATES_V), repeats)}


def gather(results):
    laws = dict.fromkeys(str(r["law"]) for r in results)
    return {"rates": np.array(RATES_V), "scales": np.array(SCALES_V),
            "loops": np.array(int(results[0]["loops"])),
            **{law: np.array([r["trials"] for r in results if r["law"] == law])
               for law in laws}}


def claims(size):
    return [report(f"log-trials-{1e3 * scale:.0f}-mv-{1e6 * rate:.0f}-uv",
                   "decimal logarithm of the trials until a neuron hits all targets, "
                   f"initial weights {1e3 * scale:.0f} mV / sqrt(100), learning rate "
                   f"{1e3 * rate:g} mV") for scale in SCALES_V for rate in RATES_V]


def measured(data):
    return {claim.id: np.log10(trials) for claim, trials in zip(
        claims(None), data["constant"].reshape(-1, data["constant"].shape[-1]),
        strict=True)}


def plot(data, fig):
    fig.set_size_inches(12, 4.6)
    axes = fig.subplots(1, len(data["scales"]), sharey=True)
    rates = 1e3 * data["rates"]
    for i, (axis, scale) in enumerate(zip(axes, data["scales"], strict=True)):
        for law in LAWS:
            if law not in data:
                continue
            shift = 1.08 if law == "drop" else 1 / 1.08
            axis.plot(rates * shift, data[law][i], MARKS[law], color=COLOURS[law], ms=4,
                      alpha=0.4)
            axis.plot(rates * shift, np.exp(np.log(data[law][i]).mean(axis=1)),
                      color=COLOURS[law], lw=2.2, label=LAWS[law])
        axis.axhline(PUBLISHED, color=colours.GREY, lw=1.6, label="[ZG18] fig. 2")
        if scale == fig_superspike.SCALE_V:
            axis.plot(1e3 * fig_superspike.RATE_V, np.exp(np.log(
                data["constant"][i, RATES_V.index(fig_superspike.RATE_V)]).mean()), "*",
                color=colours.BLACK, ms=13, label="settings of superspike", ls="")
        axis.set(xscale="log", yscale="log", xlabel="learning rate (mV)",
                 title=f"initial weights {1e3 * scale:g} mV / sqrt(100)")
    axes[0].set_ylabel("trials until all targets are hit")
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside upper right", ncols=4)
