"""Four hidden neurons learn the exclusive or of spike patterns

The left panels show the input spikes, the hidden spikes and the output spikes in the
last 0.5 s of the best run with random feedback.  The upper right panel shows the
fraction of misclassified ("wrong") patterns against the training time.  A pattern is
misclassified if the wrong output neuron spikes in the response window, or if the
correct output neuron does not spike.  The lower right panels show the fraction of
misclassified patterns and the number of active ("live") hidden neurons in the last 20 s
of each run.  A hidden neuron counts as active if its mean firing rate in the last 20 s
of the run is at least 1 Hz.

A spiking network with two outputs learns the exclusive or (XOR) of spike patterns.  The
100 inputs form three groups: a reference group, group A and group B.  In each pattern,
the reference group is active, and each of the groups A and B is active with probability
1/2.  Each input of an active group spikes once within the first 10 ms of the pattern.
In each run, the time of this spike is drawn once, and is the same in all patterns.
Output neuron 1 must spike if exactly one of the groups A and B is active, and otherwise
output neuron 0 must spike.  The output error reaches the hidden neurons through the
transposed output weights (symmetric feedback), through fixed random weights (random
feedback), or through weights that are all 1 (uniform feedback).  A network reaches zero
error if the last third of its training contains 20 consecutive seconds (about 320
patterns) without an error.

In networks with symmetric or random feedback, the feedback weights satisfy a sign
condition, which is not part of [ZG18].  The two feedback weights of each hidden neuron
have opposite signs, and the positive weight has the larger absolute value.  Half of the
hidden neurons have a positive feedback weight from output 0, and the other half from
output 1.  Symmetric feedback weights are equal to the output weights, which change
during training.  After training, symmetric feedback weights may violate the sign
condition (opposite signs and a positive sum).  If the signs of the two feedback weights
of a hidden neuron are not constrained, the sum of the two weights can be negative.  If
neither output neuron spikes, hidden neurons with a negative sum of feedback weights
become less active on average, and can become permanently silent.  With --full, the
figure also shows networks whose feedback weights are normally distributed, as in
[ZG18].  These networks are called "unbalanced", because their feedback weights need not
satisfy the sign condition.  In the networks called "common times", all inputs of a
group spike at the same time.

The figure also shows networks without hidden neurons, networks with eight hidden
neurons, and networks with the heterosynaptic regulariser in [ZG18] eq. (A.5).  The
regulariser reduces each weight w in proportion to `w z^4 e^2`, where z is the filtered
spike train of the hidden neuron and e is the filtered error of this neuron.  This
figure corresponds to [ZG18] fig. 5.  In [ZG18], all networks with four hidden neurons
and random feedback solve the task, and networks with uniform feedback make more errors
on average.

As in [ZG18], the 100 inputs also fire noise spikes at random times (4 Hz).  The correct
output neuron must spike within the response window, which begins with the pattern and
ends 15 ms after the last possible input spike of the pattern.  For the learning rule,
the error signal of the wrong output neuron is -1 at each of its spikes.  If the correct
output neuron does not spike, its error signal is 1 at the end of the response window.

The following settings were chosen in trial runs with other seeds.  The three groups
have 34, 33 and 33 inputs.  A new pattern begins every 50 to 70 ms.  The learning rule
treats all output spikes outside the response windows as errors.  These spikes do not
affect the fraction of misclassified patterns.  The learning rates of the optimiser
RMaxProp have the unit of the weights.  For the weights of synapses from the inputs, the
learning rate is 0.3 mV.  For weights from hidden to output neurons, the learning rate
is 5 mV with symmetric feedback, and 10 mV with other feedback.  The rates are divided
by 10 after 60 % of the training time, and by 100 after 85 %.  The standard deviation of
the initial weights is s / sqrt(fan-in).  For weights from the inputs, s is 20 mV.  For
weights from hidden to output neurons, s is 100 mV with symmetric feedback, and 30 mV
with other feedback.  Weights from the inputs to hidden neurons are clipped to
[-3 mV, 3 mV], so that the input weights of silent hidden neurons do not become very
negative.  The strength of the regulariser is 1e-3.
"""

import numpy as np

from figures.run.claims import Published, own, shown as report, stand_in
from figures.run import colours, seeds
from figures.superspike import superspike_training as training

INPUTS, OUTPUTS, NOISE_HZ = 100, 2, 4.0
HIDDEN, MORE = 4, 8
GROUPS = (np.arange(34), np.arange(34, 67), np.arange(67, 100))     # reference, A, B
SPAN, WINDOW, GAPS = 100, 250, (500, 700)      # steps: stimulus, response, interval
RATE_V, SCALE_V = 3e-4, 0.02            # weights from the inputs
# Weights from hidden to output neurons: symmetric feedback, and all other kinds.
RATES_V, SCALES_V = (5e-3, 1e-2), (0.1, 0.03)
BOUND_V, DROPS = 3e-3, (0.6, 0.85)      # bound on hidden weights; rate drops
REGULARISER = {"rho": 1e-3, "het": "error"}
REPEATS = {"quick": 2, "default": 6, "full": 20}
BLOCKS = {"quick": 20, "default": 200, "full": 1200}
SHOWN = {"quick": 4, "default": 6, "full": 11}          # number of cases
LAST, ERROR, LIVE_HZ = 40, 0.1, 1.0     # LAST: blocks; ERROR: bound on the share
JUDGED = ("symmetric", "random")    # kinds of feedback whose best run is judged
# {name: (kind of feedback, number of hidden neurons, label, text in claims)}
CASES = {
    "none": ("none", 0, "no hidden layer", "no hidden layer"),
    **{kind: (kind, HIDDEN, kind, f"{kind} feedback, {HIDDEN} hidden neurons")
       for kind in training.FEEDBACK},
    "regularised": ("random", HIDDEN, "random, regulariser",
                    f"random feedback, regulariser, {HIDDEN} hidden neurons"),
    **{f"{kind} {MORE}": (kind, MORE, f"{kind}, {MORE} hidden",
                          f"{kind} feedback, {MORE} hidden neurons")
       for kind in ("random", "symmetric")},
    "common": ("random", HIDDEN, "random, common times",
               f"random feedback, {HIDDEN} hidden neurons, common times"),
    "unbalanced": ("random", HIDDEN, "random, unbalanced",
                   f"random feedback with unbalanced signs, {HIDDEN} hidden neurons"),
    "wide": ("random", HIDDEN, "random, unbalanced, wide",
             f"random feedback with unbalanced signs, {HIDDEN} hidden neurons, hidden "
             f"weights up to {1e3 * training.BOUND_V:g} mV"),
    "large": ("random", HIDDEN, "random, unbalanced, wide, large",
              f"random feedback with unbalanced signs, {HIDDEN} hidden neurons, hidden "
              f"weights up to {1e3 * training.BOUND_V:g} mV, larger initial weights")}
CONTROLS = ("common", "unbalanced", "wide", "large")
UNBALANCED = CONTROLS[1:]
WIDE, LARGE_V = CONTROLS[2:], 0.05      # LARGE_V: initial weights of "large"
COLOURS = dict(zip(CASES, (colours.BLACK, colours.BLUE, colours.VERMILION,
                           colours.ORANGE, colours.GREEN, colours.PURPLE, colours.SKY,
                           colours.GREY, colours.VERMILION, colours.ORANGE,
                           colours.GREEN), strict=True))


IDS = {name: name.replace(" ", "-") for name in CASES}
ARRAYS = {
    **{f"{name}_{key}": (axes, "1", f"{text}, {CASES[name][2]}")
       for name in CASES for key, axes, text in (
           ("errors", "block, quantity, run", "wrong patterns and all patterns"),
           ("fired", "block, run, neuron", "spikes of hidden neurons"),
           ("wrong", "point, run", "fraction of wrong patterns"),
           ("last", "run", "fraction of wrong patterns at the end"),
           ("solved", "run", "whether zero error is reached"),
           ("live", "run", "number of live hidden neurons at the end"))},
    "time": ("point", "s", "training time"),
    "best": ("", "1", "number of the shown run"),
    "labels": ("step", "1", "correct output in the response windows, otherwise -1"),
    "x": ("step, input", "1", "input spikes of the shown run"),
    "spikes": ("step, neuron", "1", "spikes of the hidden and output neurons")}


def stimuli(generators, times):
    """Sample the patterns of one block of trials.

    The integer array `times` has the shape (B, 100).  For each of the 100 inputs,
    `times` holds the time step of the input spike, counted from the start of a pattern.
    """
    B = len(generators)
    x = np.zeros((training.STEPS, B, INPUTS), bool)
    labels, ends = np.full((training.STEPS, B), -1), np.zeros((training.STEPS, B), bool)
    starts = [[] for _ in range(B)]
    for b, generator in enumerate(generators):
        count = generator.poisson(NOISE_HZ * INPUTS * training.BLOCK_S)
        x[generator.integers(0, training.STEPS, count), b,
          generator.integers(0, INPUTS, count)] = True
        start = int(generator.integers(0, GAPS[0]))
        while start + WINDOW + training.AXON <= training.STEPS:
            present = generator.integers(0, 2, 2)
            for group, there in zip(GROUPS, (1, *present), strict=True):
                used = group[:len(group) * there]
                x[start + times[b, used], b, used] = True
            first, last = start + training.AXON, start + training.AXON + WINDOW
            labels[first:last, b] = present[0] ^ present[1]
            ends[last - 1, b] = True
            starts[b].append((start, *present))
            start += int(generator.integers(*GAPS))
    return x, labels, ends, starts


def classification(heard, spikes, labels, ends):
    """Return the error signal of a classification task.

    The error signal of an output unit is -1 at each wrong spike.  All spikes between
    response windows are wrong.  Within a window, only the correct unit may spike, and
    all spikes of the other units are wrong.  If the correct unit does not spike, its
    error signal is 1 in the last step of the window.  The paper [ZG18] does not state
    whether spikes between response windows are errors.

    heard : (B,) bool, whether the correct unit has already spiked in the current
        window; False in the first call, and later the array that the previous call
        returned.
    spikes : (T, B, k) float, spikes of the output units.
    labels : (T, B) int, correct unit at each step; -1 between windows.
    ends : (T, B) bool, True in the last step of each window.

    Return `heard` and the error signal.
    """
    right = labels[:, :, None] == np.arange(spikes.shape[2])
    signal = np.where(right, spikes.dtype.type(0), 0 - spikes)
    hits = np.cumsum(((spikes != 0) & right).any(axis=2), axis=0)
    since = -heard.astype(int)
    for t, b in np.argwhere(ends):
        if hits[t, b] == since[b]:
            signal[t, b, labels[t, b]] = 1
        since[b] = hits[t, b]
    return hits[-1] > since, signal


def wrong(signal, starts):
    """Count misclassified patterns and all patterns.

    Row 0 of the result holds the number of misclassified patterns of each network, and
    row 1 holds the number of all patterns of each network.
    """
    counts = [[signal[start + training.AXON:start + training.AXON + WINDOW, b].any()
               for start, *_ in each] for b, each in enumerate(starts)]
    return np.array([[sum(each), len(each)] for each in counts]).T


def jobs(size, seed, data, repeats=None, blocks=None):
    """Return the training jobs of all networks."""
    groups = {}
    for name in list(CASES)[:SHOWN[size]]:
        groups.setdefault((CASES[name][1], name == "regularised"), []).append(name)
    return [(learn, {"names": names, "repeats": repeats or REPEATS[size],
                     "blocks": blocks or BLOCKS[size], "seed": seed})
            for names in groups.values()][::-1]


def balanced(matrix):
    """Return feedback weights of shape (B, n, 2) that satisfy the sign condition.

    By the sign condition, the two feedback weights of a hidden neuron have opposite
    signs and a positive sum.
    """
    small, large = np.moveaxis(np.sort(np.abs(matrix), axis=2), 2, 0)[..., None]
    positive = (np.arange(matrix.shape[1])[:, None] + np.arange(OUTPUTS)) % 2 == 0
    return np.where(positive, large, -small)


def spike_times(generators, common):
    """Sample the inputs' spike times, (B, 100)."""
    if not common:
        return np.array([g.integers(0, SPAN, INPUTS) for g in generators])
    of_groups = np.array([(SPAN, *g.integers(0, SPAN, 2)) for g in generators])
    return np.repeat(of_groups, [len(group) for group in GROUPS], axis=1)


def networks(name, repeats, seed):
    """Sample the networks of one case."""
    def generators(what):
        return [seeds.rng(seed, "superspike_xor", what, r) for r in range(repeats)]

    kind, hidden, *_ = CASES[name]
    times, first = spike_times(generators("times"), name == "common"), generators("W")
    streams = generators("stream")
    if not hidden:
        W = training.weights(first, OUTPUTS, INPUTS, SCALE_V)
        return streams, times, [W], np.zeros((repeats, 0, OUTPUTS), np.float32)
    W = [training.weights(first, hidden, INPUTS,
                          LARGE_V if name == "large" else SCALE_V),
         training.weights(first, OUTPUTS, hidden, SCALES_V[kind != "symmetric"])]
    matrix = training.feedback(kind, generators("feedback"), hidden, OUTPUTS)
    if kind == "symmetric":
        matrix = balanced(W[1].swapaxes(1, 2))
        W[1] = matrix.swapaxes(1, 2)
    elif kind == "random" and name not in UNBALANCED:
        matrix = balanced(matrix)
    return streams, times, W, np.broadcast_to(matrix, (repeats, hidden, OUTPUTS))


def learn(names, repeats, blocks, seed):
    """Train all networks of one job."""
    streams, times, W, matrix = zip(*(networks(name, repeats, seed) for name in names),
                                    strict=True)
    streams, times, matrix = sum(streams, []), *map(np.concatenate, (times, matrix))
    kinds = np.repeat([CASES[name][0] for name in names], repeats)[:, None, None]
    symmetric, hidden = kinds == "symmetric", CASES[names[0]][1]
    rates = [RATE_V, np.where(symmetric, *RATES_V).astype(np.float32)]
    bounds = np.array([training.BOUND_V if name in WIDE else BOUND_V for name in names],
                      np.float32).repeat(repeats)[:, None, None]
    options = REGULARISER if "regularised" in names else {}
    settings = [training.HIDDEN._replace(**options), training.OUTPUT][-len(W[0]):]
    layers = [training.layer(np.concatenate(each), own)
              for *each, own in zip(*W, settings, strict=True)]
    counts, fired, heard = [], [], np.zeros(len(times), bool)
    for block in range(blocks):
        x, labels, ends, starts = stimuli(streams, times)
        layers, ran, arriving = training.run(layers, x)
        heard, signal = classification(heard, arriving, labels, ends)
        if hidden:
            matrix = np.where(symmetric, layers[1].W.swapaxes(1, 2), matrix)
        layers, found, _ = training.accumulate(layers, ran, signal, matrix)
        late = 10.0 ** -sum(block >= part * blocks for part in DROPS)
        layers = training.update(layers, found,
                                 [late * each for each in rates[:len(layers)]])
        if hidden:
            layers[0] = layers[0]._replace(W=layers[0].W.clip(-bounds, bounds))
        counts.append(wrong(signal, starts))
        fired.append(ran[0].spikes.sum(axis=0)[:, :hidden])
    return {"names": ", ".join(names), "x": x, "labels": labels,
            "errors": np.array(counts, float), "fired": np.array(fired),
            "spikes": np.concatenate([each.spikes > 0 for each in ran], axis=2)}


def rate(errors):
    """Return the fraction of wrong patterns."""
    wrong_, patterns = errors.sum(axis=0)
    return wrong_ / np.maximum(patterns, 1)


def solved(errors):
    """Return whether each network reaches zero error."""
    part = errors[-max(len(errors) // 3, LAST):, 0]
    total = np.concatenate([0 * part[:1], part.cumsum(axis=0)])
    return (total[LAST:] == total[:-LAST]).any(axis=0)


def live(fired):
    """Count the live neurons of each network."""
    return (fired.mean(axis=0) >= LIVE_HZ * training.BLOCK_S).sum(axis=1)


def bins(counts, function):
    """Apply a function to time bins."""
    parts = np.array_split(counts, max(len(counts) // LAST, 5))
    middle = (np.arange(len(parts)) + 0.5) / len(parts)
    return training.BLOCK_S * len(counts) * middle, np.array(
        [function(part) for part in parts])


def gather(results):
    found = {}
    for r in results:
        names = str(r["names"]).split(", ")
        for name, errors, fired in zip(names, np.split(r["errors"], len(names), axis=2),
                                       np.split(r["fired"], len(names), axis=1),
                                       strict=True):
            found |= {f"{name}_errors": errors, f"{name}_fired": fired}
        if "random" in names:
            example, first = r, names.index("random") * errors.shape[2]
    last = found["random_errors"][-LAST:]
    best = int(rate(last).argmin())
    return {**found, "best": best,
            **{key: example[key][:, first + best] for key in ("labels", "x", "spikes")}}


def drawn(data):
    """Return the names of the plotted networks."""
    return [name for name in CASES if {f"{name}_errors", f"{name}_last"} & data.keys()]


def claims(size):
    def published(value):
        return Published(value, "[ZG18]", "fig. 5", "words", n=20)

    names, full = list(CASES)[:SHOWN[size]], size == "full"
    text = {name: case[-1] for name, case in CASES.items()}
    reach = f"share of runs that reach {LAST * training.BLOCK_S:g} s without an error"
    settings = ("task drawn anew; group sizes, intervals between patterns, learning "
                "rates and the bound on hidden weights were chosen here")
    signs = f"{settings}; the feedback weights satisfy a sign condition"
    found = [report("smallest-none", "smallest share of wrong patterns, no hidden "
                    "layer", published=published("not solved"), why="the network "
                    "without a hidden layer learned nothing, so that its errors do not "
                    "show whether the task needs a hidden layer")]
    if not full:
        found += [own(f"smallest-{name}", "smallest share of wrong patterns, "
                      f"{text[name]}", high=ERROR) for name in JUDGED]
    else:
        found += [stand_in(f"solved-{name}", f"{reach}, {text[name]}", published(1),
                           tolerance=0.05, differs=signs) for name in JUDGED]
        found += [
            *[stand_in(f"solved-{name}", f"{reach}, {text[name]}", published(1),
                       tolerance=0.05, differs=settings, cause="hidden neurons with a "
                       "negative sum of feedback weights become permanently silent",
                       cause_run="the same networks with balanced signs")
              for name in UNBALANCED],
            stand_in("random-minus-uniform", f"{reach}, random minus uniform feedback",
                     published("uniform feedback is worse on average"), ordered=True,
                     differs=signs)]
        found += [report(f"solved-{IDS[name]}", f"{reach}, {text[name]}")
                  for name in names if name not in ("none", *UNBALANCED, *JUDGED)]
        found += [report(f"solved-{key}-live", "symmetric or random feedback, "
                         f"{words} of {HIDDEN} hidden neurons live at the end: {reach}")
                  for key, words in (("few", "at most 2"), ("most", "3 or 4"))]
    found += [report(f"live-{IDS[name]}", "number of live hidden neurons at the end, "
                     f"{text[name]}") for name in names[1:]]
    return found + [report(f"{words}-{IDS[name]}", f"{words} share of wrong patterns, "
                           f"{text[name]}") for name in names
                    for words in ("median", "largest")]


def measured(data):
    names = drawn(data)
    full = CONTROLS[-1] in names
    last = {name: rate(data[f"{name}_errors"][-LAST:]) for name in names}
    solves = {name: solved(data[f"{name}_errors"]).astype(float) for name in names[1:]}
    alive = {name: live(data[f"{name}_fired"][-LAST:]) for name in names[1:]}
    found = {"smallest-none": last["none"].min(),
             **{f"live-{IDS[name]}": alive[name] for name in names[1:]},
             **{f"median-{IDS[name]}": np.median(last[name]) for name in names},
             **{f"largest-{IDS[name]}": last[name].max() for name in names}}
    if not full:
        return found | {f"smallest-{name}": last[name].min() for name in JUDGED}
    few, ok = (np.concatenate([value[name] for name in names[1:]
                               if CASES[name][1] == HIDDEN and name != "uniform"])
               for value in (alive, solves))
    return {**found, **{f"solved-{IDS[name]}": solves[name] for name in names[1:]},
            "random-minus-uniform": solves["random"] - solves["uniform"],
            **{f"solved-{key}-live": ok[of] if of.any() else np.nan
               for key, of in (("few", few <= 2), ("most", few > 2))}}


def shown(data):
    found = {key: data[key] for key in ("best", "labels", "x", "spikes")}
    for name in drawn(data):
        errors = data[f"{name}_errors"]
        found["time"], values = bins(errors, rate)
        found |= {f"{name}_wrong": values.astype(np.float32),
                  f"{name}_last": rate(errors[-LAST:]),
                  f"{name}_solved": solved(errors),
                  f"{name}_live": live(data[f"{name}_fired"][-LAST:])}
    return found


def plot(data, fig):
    fig.set_size_inches(12.5, 10)
    left, right = fig.subfigures(1, 2, width_ratios=(1.15, 1))
    _plot_example(data, left)
    curves, finals, alive = right.subplots(3, 1, height_ratios=(1.5, 1, 1))
    names = drawn(data)
    for name in names:
        time, values = data["time"], data[f"{name}_wrong"]
        if name not in CONTROLS:
            curves.plot(time, values, color=COLOURS[name], lw=0.5, alpha=0.25)
        curves.plot(time, values.mean(axis=1), color=COLOURS[name], lw=2.4,
                    ls=":" if name in CONTROLS else "-", label=CASES[name][2])
    runs = values.shape[1]
    curves.set(xlabel="training time (s)", ylabel="share of wrong patterns",
               ylim=(0, 1.02), yticks=np.linspace(0, 1, 6),
               title=f"{runs} runs each, and the mean")
    right.legend(ncols=2, loc="outside upper center")
    for i, name in enumerate(names):
        last, ok = data[f"{name}_last"], data[f"{name}_solved"]
        order = np.lexsort((ok, last))
        at = i + np.linspace(-0.3, 0.3, runs)
        _plot_runs(finals, at, last[order], ok[order], COLOURS[name])
        finals.plot([i - 0.38, i + 0.38], [np.median(last)] * 2, color=COLOURS[name],
                    lw=2.4)
        if name != "none":
            number = data[f"{name}_live"]
            order = np.lexsort((number, ~ok))
            _plot_runs(alive, at, number[order], ok[order], COLOURS[name])
    finals.set(ylabel="share of wrong patterns", ylim=(-0.05, 1.02),
               title=f"Last {LAST * training.BLOCK_S:g} s: runs and median; filled: "
                     "solved")
    alive.set(ylabel="live neurons", ylim=(-0.4, None),
              title="Hidden neurons that still spike; filled: solved")
    alive.yaxis.get_major_locator().set_params(integer=True)
    for axis in (finals, alive):
        axis.set(xticks=range(len(names)), xlim=(-0.6, len(names) - 0.4))
        axis.grid(axis="x", visible=False)
    finals.tick_params(labelbottom=False)
    alive.set_xticklabels([CASES[name][2] for name in names], rotation=30, ha="right",
                          rotation_mode="anchor")


def _plot_runs(axis, at, values, ok, colour):
    axis.plot(at[ok], values[ok], "o", color=colour, ms=4.5)
    axis.plot(at[~ok], values[~ok], "o", color=colour, ms=4.5, mfc="white")


def _plot_example(data, fig):
    axes = fig.subplots(3, 1, sharex=True, height_ratios=(2.6, 1, 0.7))
    labels = data["labels"]
    for axis, raster, size in ((axes[0], data["x"], 3),
                               (axes[1], data["spikes"][:, :-OUTPUTS], 9),
                               (axes[2], data["spikes"][:, -OUTPUTS:], 11)):
        step, unit = np.nonzero(raster)
        axis.plot(step * training.DT_S, unit, "|", color=colours.BLACK, ms=size, mew=1)
        axis.set_ylim(-0.7, raster.shape[1] - 0.3)
        axis.grid(False)
        for name, label, colour in (("class 0", 0, colours.SKY),
                                    ("class 1", 1, colours.PURPLE)):
            axis.fill_between(np.arange(len(labels)) * training.DT_S, 0, 1,
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
                xlim=(0, training.BLOCK_S))
