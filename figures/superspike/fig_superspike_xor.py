"""Spiking XOR: what a layer of spiking neurons cannot do alone

Inputs of three groups spike once each in a pattern: the reference
always, A and B by chance.  Output 1 is to answer A or B alone, output 0
neither or both.  Without hidden layer no run gets below 10 % wrong
patterns; with eight hidden neurons and symmetric or random feedback the
best of 6 runs of 100 s does.  With --full (20 runs of 1,250 s) at least
90 % of runs reach zero error: 20 s, some 320 patterns, without one, in
the last third of the time.

[ZG18] has four hidden neurons, and reports that all runs are solved; with
four, drawn beside them at --full, ours fall short of 90 %: a fixed matrix
may hold no positive weight from one of the outputs (12 % of draws of four,
0.8 % of eight), and then no hidden neuron is told to spike when that
output fails to.  Mirrors [ZG18] fig. 5, where uniform feedback too is
worse on average: 100 inputs, 4 Hz of noise, fixed random times within 10
ms, a window that outlasts the stimulus by 15 ms.  A wrong spike is an
error at once, a missed one at the window's end.

Ours are, chosen in trial runs with other seeds: groups of 34, 33 and 33
with one time each, the reference last, at 10 ms; 50 to 70 ms from pattern
to pattern; spikes outside windows are wrong to the rule, but not counted;
rates 0.3 (hidden) and 10 mV, a tenth after 60 % of the time and a
hundredth after 85 %; initial weights 20 (without hidden layer too) and 30
mV / sqrt(fan-in); hidden weights held within 3 mV (else those of neurons
told to be silent run far down).

Left: the last 0.5 s of the best run with random feedback.  Right: shares
of wrong patterns (any error in the window).
"""

import numpy as np

from figures.run.claims import Claim, at_least, at_most
from figures.run import colours, seeds
from figures.superspike import signals, superspike_training

INPUTS, OUTPUTS, NOISE_HZ = 100, 2, 4.0
HIDDEN, FEWER = 8, 4                # FEWER: of [ZG18], at --full
GROUPS = (np.arange(34), np.arange(34, 67), np.arange(67, 100))     # reference, A, B
SPAN, WINDOW, GAPS = 100, 250, (500, 700)      # steps: stimulus, response, intervals
RATES_V, SCALES_V = (3e-4, 1e-2), (0.02, 0.03)  # hidden, output
BOUND_V, DROPS = 3e-3, (0.6, 0.85)      # of hidden weights; rates / 10 from there on
REPEATS = {"quick": 2, "default": 6, "full": 20}
BLOCKS = {"quick": 20, "default": 200, "full": 2500}
LAST, ERROR = 40, 0.1       # blocks without an error; bound on shares of errors
KINDS = ("none", *superspike_training.FEEDBACK)
FEW = tuple(f"{kind} {FEWER}" for kind in ("symmetric", "random"))
COLOURS = dict(zip((*KINDS, *FEW), (colours.BLACK, colours.BLUE, colours.VERMILION,
                                    colours.ORANGE, colours.SKY, colours.PURPLE),
                   strict=True))
LABELS = {"none": "no hidden layer", **{kind: kind for kind in superspike_training.FEEDBACK},
          **{name: f"{name} hidden" for name in FEW}}


def stimuli(generators, times, gaps=GAPS):
    """One block: input (T, B, 100), labels (T, B), ends (T, B), starts.

    `times` (B, 3) are the steps at which the groups spike; starts is a list
    of B lists of (step, A, B).
    """
    B = len(generators)
    x = np.zeros((superspike_training.STEPS, B, INPUTS), bool)
    labels, ends = np.full((superspike_training.STEPS, B), -1), np.zeros((superspike_training.STEPS, B), bool)
    starts = [[] for _ in range(B)]
    for b, generator in enumerate(generators):
        count = generator.poisson(NOISE_HZ * INPUTS * superspike_training.BLOCK_S)
        x[generator.integers(0, superspike_training.STEPS, count), b,
          generator.integers(0, INPUTS, count)] = True
        start = int(generator.integers(0, gaps[0]))
        while start + WINDOW + superspike_training.AXON <= superspike_training.STEPS:
            present = generator.integers(0, 2, 2)
            for group, time, there in zip(GROUPS, times[b], (1, *present), strict=True):
                x[start + time, b, group[:len(group) * there]] = True
            first, last = start + superspike_training.AXON, start + superspike_training.AXON + WINDOW
            labels[first:last, b] = present[0] ^ present[1]
            ends[last - 1, b] = True
            starts[b].append((start, *present))
            start += int(generator.integers(*gaps))
    return x, labels, ends, starts


def wrong(signal, starts):
    """Patterns with an error, and patterns, of each network: (B,) each."""
    counts = [[signal[start + superspike_training.AXON:start + superspike_training.AXON + WINDOW, b].any()
               for start, *_ in each] for b, each in enumerate(starts)]
    return np.array([[sum(each), len(each)] for each in counts]).T


def jobs(size, seed, data):
    cases = [(kind, HIDDEN) for kind in KINDS[::-1]]
    if size == "full":
        cases += [(kind, FEWER) for kind in ("symmetric", "random")]
    return [(learn, {"kind": kind, "hidden": hidden, "repeats": REPEATS[size],
                     "blocks": BLOCKS[size], "seed": seed}) for kind, hidden in cases]


def learn(kind, hidden, repeats, blocks, seed):
    """Train networks with one kind of feedback; errors, and a raster at the end."""
    def generators(what):
        return [seeds.rng(seed, "superspike_xor", what, r) for r in range(repeats)]

    times = np.array([(SPAN, *g.integers(0, SPAN, 2)) for g in generators("times")])
    first, streams, layers, matrix = generators("W"), generators("stream"), [], None
    if kind != "none":
        layers.append(superspike_training.layer(superspike_training.weights(first, hidden, INPUTS, SCALES_V[0]),
                                                superspike_training.HIDDEN))
        matrix = superspike_training.feedback(kind, generators("feedback"), hidden, OUTPUTS)
    fan_in, scale = (hidden, SCALES_V[1]) if layers else (INPUTS, SCALES_V[0])
    layers.append(superspike_training.layer(superspike_training.weights(first, OUTPUTS, fan_in, scale),
                                            superspike_training.OUTPUT))
    counts, heard = [], np.zeros(repeats, bool)
    for block in range(blocks):
        x, labels, ends, starts = stimuli(streams, times)
        layers, ran, arriving = superspike_training.run(layers, x)
        heard, signal = signals.classification(heard, arriving, labels, ends,
                                               outside="wrong")
        layers, found, _ = superspike_training.accumulate(layers, ran, signal, matrix)
        late = 10.0 ** -sum(block >= part * blocks for part in DROPS)
        layers = superspike_training.update(layers, found, [late * r for r in RATES_V[:len(layers)]])
        if kind != "none":
            layers[0] = layers[0]._replace(W=layers[0].W.clip(-BOUND_V, BOUND_V))
        counts.append(wrong(signal, starts))
    return {"kind": kind if hidden == HIDDEN else f"{kind} {hidden}", "x": x,
            "labels": labels, "errors": np.array(counts, float),
            "spikes": np.concatenate([each.spikes > 0 for each in ran], axis=2)}


def rate(errors):
    """Errors / patterns of counts (..., 2, B), summed over the first axis."""
    wrong_, patterns = errors.sum(axis=0)
    return wrong_ / np.maximum(patterns, 1)


def solved(errors):
    """Whether LAST blocks in a row of the last third are without an error: (B,)."""
    part = errors[-max(len(errors) // 3, LAST):, 0]
    total = np.concatenate([0 * part[:1], part.cumsum(axis=0)])
    return (total[LAST:] == total[:-LAST]).any(axis=0)


def gather(results):
    found = {f"{r['kind']}_errors": np.asarray(r["errors"]) for r in results}
    example = next(r for r in results if r["kind"] == "random")
    best = int(rate(example["errors"][-LAST:]).argmin())
    return {**found, "labels": example["labels"][:, best], "best": best,
            "x": example["x"][:, best], "spikes": example["spikes"][:, best]}


def drawn(data):
    """The conditions that were run, in order."""
    return [kind for kind in (*KINDS, *FEW) if f"{kind}_errors" in data]


def claims(data):
    last = {kind: rate(data[f"{kind}_errors"][-LAST:]) for kind in drawn(data)}
    runs = len(last["none"])
    found = [at_least(f"smallest error of {runs} runs without hidden layer",
                      last["none"].min(), ERROR, "not solved")]
    reach = (f"share of {runs} runs that reach {LAST * superspike_training.BLOCK_S:g} s without an "
             "error")
    for kind in ("symmetric", "random"):
        if runs >= 20:
            found.append(at_least(
                f"{reach}, {kind} feedback, {HIDDEN} hidden",
                solved(data[f"{kind}_errors"]).mean(), 0.9))
        else:
            found.append(at_most(
                f"smallest error of {runs} runs, {kind} feedback",
                last[kind].min(), ERROR, "zero"))
    found += [Claim(f"{reach}, {LABELS[kind]}",
                    float(solved(data[f"{kind}_errors"]).mean()), "shown only",
                    None, "all solved") for kind in FEW if kind in last]
    found += [Claim(f"share of {runs} runs {text}, {LABELS[kind]}",
                    float(value(last[kind]).mean()), "shown only", None)
              for kind in last if runs >= 20 and kind != "none"
              for text, value in (
                  (f"without an error in the last {LAST * superspike_training.BLOCK_S:g} s",
                   lambda rates: rates == 0),
                  ("below 5 % error at the end", lambda rates: rates < 0.05))]
    return found + [Claim(f"{text} error of {runs} runs, {LABELS[kind]}",
                          float(value(last[kind])), "shown only", None)
                    for kind in last
                    for text, value in (("median", np.median), ("largest", np.max))]


def plot(data, fig):
    fig.set_size_inches(12.5, 7.4)
    left, right = fig.subfigures(1, 2, width_ratios=(1.25, 1))
    _plot_example(data, left)
    curves, finals = right.subplots(2, 1, height_ratios=(1.3, 1))
    kinds = drawn(data)
    for i, kind in enumerate(kinds):
        errors = data[f"{kind}_errors"]
        bins = np.array([rate(part) for part in np.array_split(
            errors, max(len(errors) // LAST, 1))])
        time = superspike_training.BLOCK_S * len(errors) * (np.arange(len(bins)) + 0.5) / len(bins)
        curves.plot(time, bins, color=COLOURS[kind], lw=0.6, alpha=0.35)
        curves.plot(time, bins.mean(axis=1), color=COLOURS[kind], lw=2.4,
                    label=LABELS[kind])
        last = rate(errors[-LAST:])
        finals.plot(i + np.linspace(-0.25, 0.25, len(last)), np.sort(last), "o",
                    color=COLOURS[kind], ms=5, alpha=0.75)
        finals.plot([i - 0.35, i + 0.35], [np.median(last)] * 2, color=COLOURS[kind],
                    lw=2.4)
    curves.set(xlabel="time of learning (s)", ylabel="share of wrong patterns",
               ylim=(0, 1.02), title=f"{len(last)} runs each, and the mean")
    curves.legend(ncols=2)
    finals.set(xticks=range(len(kinds)),
               xticklabels=[LABELS[kind].replace(" ", "\n", 1) for kind in kinds],
               ylabel="share of wrong\npatterns", ylim=(-0.03, 1.02), xlabel="feedback",
               title=f"Last {LAST * superspike_training.BLOCK_S:g} s: each run, and the median")
    finals.grid(axis="x", visible=False)


def _plot_example(data, fig):
    axes = fig.subplots(3, 1, sharex=True, height_ratios=(2.6, 1, 0.7))
    labels = data["labels"]
    for axis, raster, size in ((axes[0], data["x"], 3),
                               (axes[1], data["spikes"][:, :-OUTPUTS], 9),
                               (axes[2], data["spikes"][:, -OUTPUTS:], 11)):
        step, unit = np.nonzero(raster)
        axis.plot(step * superspike_training.DT_S, unit, "|", color=colours.BLACK, ms=size, mew=1)
        axis.set_ylim(-0.7, raster.shape[1] - 0.3)
        axis.grid(False)
        for name, label, colour in (("class 0", 0, colours.SKY),
                                    ("class 1", 1, colours.PURPLE)):
            axis.fill_between(np.arange(len(labels)) * superspike_training.DT_S, 0, 1,
                              where=labels == label, color=colour, alpha=0.3, lw=0,
                              transform=axis.get_xaxis_transform(), label=name)
    axes[0].set(ylabel="input unit", yticks=[group.mean() for group in GROUPS],
                yticklabels=["reference", "A", "B"],
                title="One run with random feedback, at the end")
    axes[1].legend(ncols=2, loc="lower right", bbox_to_anchor=(1, 1.0),
                   borderaxespad=0.1)
    axes[1].set(ylabel="hidden unit", yticks=range(HIDDEN))
    axes[2].set(ylabel="output", yticks=range(OUTPUTS), xlabel="time (s)",
                yticklabels=[f"class {k}" for k in range(OUTPUTS)],
                xlim=(0, superspike_training.BLOCK_S))
