"""Four hidden neurons learn from the error of one output

A spiking network receives 100 Poisson spike trains (5 Hz), which are the same in every
trial of 0.5 s.  The network has four hidden neurons, and one output neuron that must
spike at five target times in each trial.  All neurons are silent before training.  The
output error reaches the hidden neurons through the transposed output weights (symmetric
feedback), through fixed random weights (random feedback), or through weights that are
all 1 (uniform feedback).  A network hits all targets in a trial if its output neuron
fires exactly one spike within 5 ms of each target time and no other spike.  With each
kind of feedback, at least 6 of 8 networks hit all five targets in at least one of 300
trials of 0.5 s (with --full, at least 30 of 40 networks in one of 500 trials).  At
least three quarters of the networks with eight hidden neurons and random feedback
(dotted curves) must also hit all targets.

With random feedback, at least three quarters of the hidden neurons acquire an output
weight of the same sign as their fixed feedback weight.  Hidden neurons with a negative
feedback weight become active later, when the output neuron fires too many spikes.  The
paper [ZG18] reports that learning with random feedback fails if all feedback weights
are negative.  The probability that all random feedback weights are negative is 1/16
with four hidden neurons, and 1/256 with eight hidden neurons.  In control networks, all
four random feedback weights are made negative.  Networks with four negative feedback
weights fire no spike in 60 trials (100 with --full).  This figure corresponds to [ZG18]
fig. 4, in which the three kinds of feedback also lead to similar results.

The left panels show the spikes of one network with random feedback, before training,
after 40 s of training and at the end of training.  The shown network hits all targets
in at least one trial.  The right panels show the cost of each network with four hidden
neurons, the mean cost over networks, and the fraction of networks that have hit all
targets in the current trial or in an earlier trial.  The cost of a trial is the root
mean square of the filtered output error.  The learning rate is 1 mV, reduced to 0.1 mV
after trial 250.  The standard deviation of the initial weights is 20 mV / sqrt(fan-in).
"""

import numpy as np

from figures.run.claims import at_least, exactly, reported
from figures.run import colours, seeds
from figures.superspike import superspike_training as training

INPUTS, HIDDEN, MORE, INPUT_HZ, TARGETS, WINDOW = 100, 4, 8, 5.0, 5, 50
RATE_V, LATE, SCALE_V = 1e-3, 250, 0.02
LOOPS = {"quick": 50, "default": 300, "full": 500}
REPEATS = {"quick": 3, "default": 8, "full": 40}
WIDE = f"random {MORE}"
KINDS = (*training.FEEDBACK, WIDE)
TEXTS = {**{kind: f"{kind} feedback" for kind in training.FEEDBACK},
         WIDE: f"random feedback, {MORE} hidden neurons"}
COLOURS = dict(zip(KINDS, (colours.BLUE, colours.VERMILION, colours.ORANGE,
                           colours.BLACK), strict=True))
SHORT = 5                       # the case "negative" has 1/SHORT as many trials


def jobs(size, seed, data):
    return [(learn, {"kind": kind, "repeats": REPEATS[size], "seed": seed,
                     "loops": LOOPS[size] // (SHORT if kind == "negative" else 1)})
            for kind in (*KINDS, "negative")]


def rate(loop):
    """Return the learning rate in volts."""
    return RATE_V if loop < LATE else RATE_V / 10


def learn(kind, repeats, loops, seed):
    """Train networks with one kind of feedback."""
    def generators(what):
        return [seeds.rng(seed, "superspike_hidden", what, r) for r in range(repeats)]

    x, drawn = training.poisson(generators("input"), INPUTS, INPUT_HZ), generators("W")
    hidden = MORE if kind == WIDE else HIDDEN
    layers = [training.layer(training.weights(drawn, n, m, SCALE_V), settings)
              for n, m, settings in ((hidden, INPUTS, training.HIDDEN),
                                     (1, hidden, training.OUTPUT))]
    matrix = training.feedback("random" if kind in (WIDE, "negative") else kind,
                               generators("feedback"), hidden, 1)
    matrix = -np.abs(matrix) if kind == "negative" else matrix
    times = training.equidistant(TARGETS)
    chosen = sorted({0, min(79, loops // 2), loops - 1})
    hits, kept, counts = [], [], []

    def watch(loop, part, blocks):
        hidden, output = (block.spikes > 0 for block in blocks)
        hits.append(training.hits(output[:, :, 0], times, WINDOW))
        counts.append(hidden.sum() + output.sum())
        if loop in chosen:
            kept.append(np.concatenate([hidden, output], axis=2))

    layers, cost = training.practise(layers, x, training.train_of(times), loops, rate,
                                     matrix=matrix, watch=watch)
    matrix = layers[1].W.swapaxes(1, 2) if matrix is None else matrix
    return {"kind": kind, "cost": np.sqrt(cost), "hits": np.array(hits),
            "rasters": np.array(kept), "loops": np.array(chosen),
            "counts": np.array(counts), "feedback": matrix[:, :, 0],
            "output": layers[1].W[:, 0]}


def gather(results):
    found = {f"{r['kind']}_{key}": np.asarray(r[key]) for r in results
             for key in ("cost", "hits", "counts", "feedback", "output")}
    drawn = next(r for r in results if r["kind"] == "random")
    first = int(drawn["hits"].any(axis=0).argmax())
    return {**found, "rasters": drawn["rasters"][:, :, first],
            "loops": drawn["loops"], "drawn": first}


def claims(data):
    loops, repeats = data["random_hits"].shape
    found = [exactly("number of spikes in the first trial, all networks",
                     sum(data[f"{kind}_counts"][0] for kind in KINDS), 0, 0)]
    for kind in KINDS:
        hits, cost = data[f"{kind}_hits"], data[f"{kind}_cost"]
        found.append(at_least(
            f"{TEXTS[kind]}: share of {repeats} networks that hit all targets "
            f"in at least one of {loops} trials", hits.any(axis=0).mean(), 0.75))
        found.append(reported(
            f"{TEXTS[kind]}: cost of the last 20 trials / cost of the first trial, "
            "median", np.median(cost[-20:].mean(axis=0) / cost[0])))
    same = np.sign(data["random_feedback"]) == np.sign(data["random_output"])
    counts = data["negative_counts"]
    return [*found, at_least("random feedback: share of hidden neurons whose "
                             "output weight has the sign of their feedback weight",
                             same.mean(axis=1), 0.75),
            exactly(f"random feedback, all {HIDDEN} weights negative: spikes of "
                    f"{repeats} networks in {len(counts)} trials", counts.sum(), 0,
                    "silent")]


def plot(data, fig):
    fig.set_size_inches(12, 6.4)
    left, right = fig.subfigures(1, 2, width_ratios=(1, 1.05))
    _plot_rasters(data, left)
    costs, shares = right.subplots(2, 1, sharex=True, height_ratios=(1.5, 1))
    for kind in KINDS:
        cost, hits = data[f"{kind}_cost"], data[f"{kind}_hits"]
        trial, line = np.arange(1, len(cost) + 1), ":" if kind == WIDE else "-"
        if kind != WIDE:
            costs.plot(trial, cost, color=COLOURS[kind], lw=0.5,
                       alpha=min(0.3, 3 / cost.shape[1]))
        costs.plot(trial, cost.mean(axis=1), color=COLOURS[kind], lw=2.2, ls=line,
                   zorder=3, label=TEXTS[kind].replace(" feedback", "").replace(
                       " neurons", ""))
        shares.step(trial, np.logical_or.accumulate(hits).mean(axis=1), ls=line,
                    color=COLOURS[kind], where="post", lw=2.2)
    costs.set(ylabel="cost (1/s)", ylim=(0, None),
              title=f"{hits.shape[1]} networks for each feedback, and the mean")
    costs.legend(ncols=2)
    shares.axhline(0.75, color=colours.GREY, ls=":", lw=1.2)
    shares.annotate("bound", (1, 0.75), xycoords=("axes fraction", "data"),
                    ha="right", va="top", color=colours.GREY, fontsize=9.5)
    shares.set(xlabel="trial", ylabel="all targets hit", ylim=(0, 1.03),
               xlim=(0, len(hits)))
    if len(hits) > LATE:
        for axis in (costs, shares):
            axis.axvline(LATE, color=colours.GREY, ls=":", lw=1.2)
        shares.annotate("rate / 10", (LATE, 0.04), xytext=(4, 0), color=colours.GREY,
                        textcoords="offset points")


def _plot_rasters(data, fig):
    axes = fig.subplots(len(data["loops"]), 1, sharex=True)
    weights = data["random_feedback"][int(data["drawn"])]
    for axis, loop, raster in zip(axes, data["loops"], data["rasters"], strict=True):
        for unit, spikes in enumerate(raster.T):
            at = np.flatnonzero(spikes) * training.DT_S
            axis.plot(at, np.full(len(at), unit), "|", ms=13, mew=1.5,
                      color=colours.BLACK if unit == HIDDEN else colours.BLUE)
        times = training.equidistant(TARGETS) * training.DT_S
        axis.plot(times, np.full(TARGETS, HIDDEN + 0.8), "v", color=colours.VERMILION)
        axis.set(ylim=(-0.6, HIDDEN + 1.2), yticks=range(HIDDEN + 1),
                 yticklabels=[*(f"hidden {w:+.1f}" for w in weights), "output"],
                 title=f"Trial {loop + 1}, {(loop + 1) * training.BLOCK_S:g} s")
    axes[-1].set(xlabel="time in the trial (s); hidden neurons with their feedback "
                        "weight", xlim=(0, training.BLOCK_S))
