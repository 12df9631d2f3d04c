"""Four hidden neurons learn from the error of one output

The left panels show the spikes of one network with random feedback, before training,
after 40 s of training and at the end of training.  The upper right panel shows the cost
of each trial.  Thin lines are single networks with four hidden neurons, and thick lines
are means over networks.  The lower right panel shows, for each trial, the fraction of
networks that have hit all five target times in this or an earlier trial.  Dotted curves
belong to networks with eight hidden neurons and random feedback.

A spiking network receives 100 Poisson spike trains (5 Hz), which are the same in every
trial of 0.5 s.  The network has four hidden neurons, and one output neuron that must
spike at five target times in each trial.  All neurons are silent before training.  The
output error reaches the hidden neurons through the transposed output weights (symmetric
feedback), through fixed random weights (random feedback), or through weights that are
all 1 (uniform feedback).  A network hits all target times in a trial if its output
neuron fires one spike within 5 ms of each target time and no other spike.  The cost of
a trial is the root mean square of the filtered output error.

With random feedback, most hidden neurons acquire an output weight of the same sign as
their fixed feedback weight.  Hidden neurons with a negative feedback weight do not
become active until the output neuron fires too many spikes.  The paper [ZG18] reports
that learning fails if all random feedback weights are negative.  The probability that
all random feedback weights are negative is 1/16 with four hidden neurons, and 1/256
with eight hidden neurons.  In control networks, all random feedback weights are made
negative.

This figure corresponds to [ZG18] fig. 4.  In both figures, the three kinds of feedback
lead to similar results.  The learning rate of the optimiser RMaxProp has the unit of
the weights.  The learning rate is 1 mV until trial 250, and 0.1 mV afterwards.  The
standard deviation of the initial weights is 20 mV / sqrt(fan-in).
"""

import numpy as np

from figures.run.claims import Published, own, reproduction, shown as report
from figures.run import colours, seeds
from figures.superspike import superspike_training as training

INPUTS, HIDDEN, MORE, INPUT_HZ, TARGETS, WINDOW = 100, 4, 8, 5.0, 5, 50
RATE_V, LATE, SCALE_V = 1e-3, 250, 0.02
LOOPS = {"quick": 20, "default": 300, "full": 500}
REPEATS = {"quick": 2, "default": 8, "full": 40}
WIDE = f"random {MORE}"
KINDS = (*training.FEEDBACK, WIDE)
TEXTS = {**{kind: f"{kind} feedback" for kind in training.FEEDBACK},
         WIDE: f"random feedback, {MORE} hidden neurons"}
COLOURS = dict(zip(KINDS, (colours.BLUE, colours.VERMILION, colours.ORANGE,
                           colours.BLACK), strict=True))
SHORT = 5                       # the case "negative" has 1/SHORT as many trials
CURVE = 100                     # drawn points of the costs
IDS = {kind: kind.replace(" ", "-") for kind in KINDS}
ARRAYS = {
    **{f"{kind}_{key}": (axes, unit, f"{text}, feedback: {kind}")
       for kind in (*KINDS, "negative") for key, axes, unit, text in (
           ("cost", "trial, run", "1/s", "cost of a trial"),
           ("hits", "trial, run", "1", "whether all targets are hit"),
           ("counts", "trial", "1", "spikes of all hidden and output neurons"),
           ("feedback", "run, neuron", "1", "feedback weights"),
           ("output", "run, neuron", "V", "output weights after training"))},
    "trial": ("trial", "1", "numbers of the trials of the costs"),
    "rasters": ("example, step, neuron", "1", "spikes of the hidden neurons and of the "
                "output neuron of one network in three trials"),
    "loops": ("example", "1", "numbers of these trials, from 0"),
    "drawn": ("", "1", "number of this network")}


def jobs(size, seed, data, repeats=None, loops=None, hidden=HIDDEN):
    loops = loops or LOOPS[size]
    return [(learn, {"kind": kind, "repeats": repeats or REPEATS[size], "seed": seed,
                     "loops": max(loops // (SHORT if kind == "negative" else 1), 1),
                     "hidden": MORE if kind == WIDE else hidden})
            for kind in (*KINDS, "negative")]


def rate(loop):
    """Return the learning rate in volts."""
    return RATE_V if loop < LATE else RATE_V / 10


def learn(kind, repeats, loops, seed, hidden):
    """Train networks with one kind of feedback."""
    def generators(what):
        return [seeds.rng(seed, "superspike_hidden", what, r) for r in range(repeats)]

    x, drawn = training.poisson(generators("input"), INPUTS, INPUT_HZ), generators("W")
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
        middle, output = (block.spikes > 0 for block in blocks)
        hits.append(training.hits(output[:, :, 0], times, WINDOW))
        counts.append(middle.sum() + output.sum())
        if loop in chosen:
            kept.append(np.concatenate([middle, output], axis=2))

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


def claims(size):
    def published(value):
        return Published(value, "[ZG18]", "fig. 4", "words")

    anew = "input spikes drawn anew"
    reach = "share of networks that hit all targets in at least one trial"
    return [
        reproduction("first-trial", "spikes of all networks in the first trial",
                     published(0), unit="spikes", differs=anew),
        *[own(f"hit-{IDS[kind]}", f"{TEXTS[kind]}: {reach}", low=0.75)
          for kind in KINDS],
        *[reproduction(f"hit-{kind}-minus-symmetric", f"{kind} minus symmetric "
                       f"feedback: {reach}", published(0), tolerance=0.1,
                       differs=f"{anew}; published: no striking difference")
          for kind in ("random", "uniform")],
        *[report(f"cost-{IDS[kind]}", f"{TEXTS[kind]}: cost of the last 20 trials / "
                 "cost of the first trial, median over networks") for kind in KINDS],
        own("same-sign", "random feedback: share of hidden neurons whose output weight "
            "has the sign of their feedback weight", low=0.75),
        reproduction("negative", "random feedback, all weights negative: spikes of all "
                     "networks in all trials", published(0), unit="spikes",
                     differs=f"{anew}; the signs were forced, and the training is "
                     "shorter")]


def measured(data):
    hit = {kind: data[f"{kind}_hits"].any(axis=0).astype(float) for kind in KINDS}
    same = np.sign(data["random_feedback"]) == np.sign(data["random_output"])
    found = {"first-trial": sum(data[f"{kind}_counts"][0] for kind in KINDS),
             "same-sign": same.mean(axis=1), "negative": data["negative_counts"].sum()}
    for kind in KINDS:
        cost = data[f"{kind}_cost"]
        found |= {f"hit-{IDS[kind]}": hit[kind], f"cost-{IDS[kind]}": np.median(
            cost[-20:].mean(axis=0) / cost[0])}
    return found | {f"hit-{kind}-minus-symmetric": hit[kind] - hit["symmetric"]
                    for kind in ("random", "uniform")}


def shown(data):
    trials = len(data["random_cost"])
    trial = np.unique(np.linspace(0, trials - 1, CURVE).round().astype(int))
    return {"trial": trial + 1,
            **{f"{kind}_cost": data[f"{kind}_cost"][trial].astype(np.float32)
               for kind in KINDS},
            **{name: data[name] for name in ("rasters", "loops", "drawn",
                                             "random_feedback")},
            **{f"{kind}_hits": data[f"{kind}_hits"] for kind in KINDS}}


def plot(data, fig):
    fig.set_size_inches(12, 6.4)
    left, right = fig.subfigures(1, 2, width_ratios=(1, 1.05))
    _plot_rasters(data, left)
    costs, shares = right.subplots(2, 1, sharex=True, height_ratios=(1.5, 1))
    for kind in KINDS:
        cost, hits = data[f"{kind}_cost"], data[f"{kind}_hits"]
        trial, line = data["trial"], ":" if kind == WIDE else "-"
        if kind != WIDE:
            costs.plot(trial, cost, color=COLOURS[kind], lw=0.5,
                       alpha=min(0.3, 3 / cost.shape[1]))
        costs.plot(trial, cost.mean(axis=1), color=COLOURS[kind], lw=2.2, ls=line,
                   zorder=3, label=TEXTS[kind].replace(" feedback", "").replace(
                       " neurons", ""))
        share = np.logical_or.accumulate(hits).mean(axis=1)
        shares.step(np.arange(1, len(hits) + 1), share, ls=line, color=COLOURS[kind],
                    where="post", lw=2.2)
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
    n = len(weights)
    for axis, loop, raster in zip(axes, data["loops"], data["rasters"], strict=True):
        for unit, spikes in enumerate(raster.T):
            at = np.flatnonzero(spikes) * training.DT_S
            axis.plot(at, np.full(len(at), unit), "|", ms=13, mew=1.5,
                      color=colours.BLACK if unit == n else colours.BLUE)
        times = training.equidistant(TARGETS) * training.DT_S
        axis.plot(times, np.full(TARGETS, n + 0.8), "v", color=colours.VERMILION)
        axis.set(ylim=(-0.6, n + 1.2), yticks=range(n + 1),
                 yticklabels=[*(f"hidden {w:+.1f}" for w in weights), "output"],
                 title=f"Trial {loop + 1}, {(loop + 1) * training.BLOCK_S:g} s")
    axes[-1].set(xlabel="time in the trial (s); hidden neurons with their feedback "
                        "weight", xlim=(0, training.BLOCK_S))
