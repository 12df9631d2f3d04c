"""Exact RTRL and block-diagonal RTRL with delays of 30 ms and more

The left panels show the input spikes, the hidden spikes and the readouts of one network
in two trials.  The upper middle panel shows the accuracy during training, for cues that
are separated by 30 ms.  The upper right panel shows the memory and the number of
multiplications per time step for each learning rule.  The memory is the number of
stored values.  The memory is given relative to the memory of exact RTRL, and the number
of multiplications relative to that of exact RTRL.  The bottom right panel shows the
accuracy of the trained networks for each delay between the cues.  In this panel, the
markers of different rules are shifted sideways.  Bands show the range over seeds.

A recurrent network of 24 spiking neurons receives two cues, separated by a delay, and
each cue has one of two values.  The task is a delayed XOR: the network must report
whether the two cues had equal values.  The chance accuracy is 0.5.  A delay of 30 ms
equals three membrane time constants.

The rules differ in the gradient for the input and recurrent weights
(`refsnn.sparse_rtrl`).  The rule "exact" is real-time recurrent learning (RTRL), which
yields the exact gradient of the loss.  The rule "block" is a block-diagonal
approximation of RTRL: the Jacobian has one block for the synaptic current and membrane
potential of each neuron.  With one block for each neuron, the rule "block" ignores how
a neuron influences the other neurons.  The rule "implicit" omits the part of the
gradient that passes through the recurrent connections.  The rule "presynaptic" omits
the parts of the gradient that pass through the recurrent connections or through the
reset.  In the condition "adaptive, e-prop", the networks consist of adaptive neurons,
which have a longer memory.  The threshold of an adaptive neuron rises with each of its
spikes, and decays with a time constant of 200 ms.  The rule e-prop (`refsnn.alif`)
keeps the part of the gradient that passes through the adaptive thresholds.  This rule
omits the parts of the gradient that pass through the recurrent connections or through
the reset.  In the condition "readout alone", the input and recurrent weights are not
trained.

The readout weights are always trained with the exact gradient.  In all conditions, the
networks start from the same initial weights and receive the same trials.  Because each
training step uses new trials, the learning curves show the accuracy on unseen trials.
The final accuracies are computed on 400 additional trials.  The hyperparameters were
chosen for exact RTRL at a delay of 60 ms, and are the same for all conditions.

To save computing time, the code of this figure computes all gradients backward in time.
A computation forward in time yields the same gradients, up to rounding errors.  This
figure does not correspond to a published figure.
"""

import numpy as np
from scipy import special

from figures.run import colours, seeds
from figures.run.claims import Published, own, shown as report, stand_in
from figures.train import lif_training
from refsnn import alif, lif, sparse_rtrl, surrogates

FIGURE, PAPER = "delay", "[ZN21]"
GROUP, CHANCE = 5, 0.5              # inputs for each value of each cue; chance level
CUE, WINDOW = 10, 20                # steps (1 ms) in a cue and in the response window
FIRING = 0.4                        # spike probability per time step during a cue
HIDDEN, READOUTS, BATCH, TESTED = 24, 2, 32, 400
SCALES = {"W": 2.0, "V": 0.3, "out": 0.3}
RATE, CLIP, STEEPNESS = 5e-3, 1.0, 5.0
CONSTANTS = lif_training.Net().constants()
# Constants of the adaptive neurons.  In trial runs with adaptive neurons, training the
# readout alone gave an accuracy of only 0.7 at delays of 60 and 80 ms.
RHO, ADAPTATION = float(np.exp(-1 / 200)), 0.1
ALIF, ALONE = "adaptive, e-prop", "readout alone"
RULES = (*sparse_rtrl.RULES, ALIF)
CONDITIONS = (*RULES, ALONE)
FIXED, BROKEN = 30, 60              # delays in ms for which claims are judged
SIZES = {"quick": (1, 20), "default": (1, 200), "full": (3, 200)}   # groups, epochs
NETWORKS = 5                        # networks in a group
DELAYS = {"quick": (FIXED,), "default": (FIXED, 45, BROKEN, 80),
          "full": (20, FIXED, 45, BROKEN, 80, 100)}
COLOURS = dict(zip(CONDITIONS, (
    colours.BLUE, colours.VERMILION, colours.GREEN, colours.PURPLE, colours.BLACK,
    colours.GREY), strict=True))
MARKS = dict(zip(CONDITIONS, "osD^vx", strict=True))
CURVE = 10                          # training steps averaged in one point
ARRAYS = {
    "delays": ("delay", "ms", "delays between the cues"),
    "carried": ("rule", "1", "numbers that a rule stores between two steps"),
    "multiplications": ("rule", "1", "multiplications of a rule in one step"),
    "deviation": ("job", "1", "largest relative difference of gradients computed "
                  "backward and forward in time"),
    **{f"{key}_{i}": (axes, "accuracy", f"{text}, {condition}")
       for i, condition in enumerate(CONDITIONS) for key, axes, text in (
           ("curve", "delay, run, step", "accuracy on the new trials of each step"),
           ("final", "delay, run", "accuracy after training"),
           ("learning", "run, point", "mean accuracy during training"))},
    "learning_step": ("point", "1", "training steps of the mean accuracies"),
    "inputs": ("time step, trial, unit", "1", "input spikes in two trials"),
    "hidden": ("time step, trial, neuron", "1", "hidden spikes in two trials"),
    "record": ("time step, trial, readout", "thresholds", "membrane potentials of the "
               "readouts in two trials")}


def jobs(size, seed, data, groups=None, epochs=None, delays=(), hidden=HIDDEN):
    """Return all jobs; `delays` are further delays."""
    groups, epochs = groups or SIZES[size][0], epochs or SIZES[size][1]
    return [(learn, {"condition": condition, "delay": delay, "group": group,
                     "repeats": NETWORKS, "epochs": epochs, "hidden": hidden,
                     "seed": seed})
            for group in range(groups) for delay in sorted({*DELAYS[size], *delays})
            for condition in CONDITIONS]


# ---- several networks at once, as one network with block-diagonal weights

def together(parts):
    """Combine matrices in a block-diagonal matrix."""
    N, a, b = parts.shape
    whole = np.zeros((N, a, N, b), parts.dtype)
    whole[np.arange(N), :, np.arange(N)] = parts
    return whole.reshape(N * a, N * b)


def apart(whole, N):
    """Extract the diagonal blocks of a matrix."""
    a, b = whole.shape[0] // N, whole.shape[1] // N
    return whole.reshape(N, a, N, b)[np.arange(N), :, np.arange(N)]


# ---- the task and the network

def trials(generators, delay, number):
    """Sample trials; return input spikes and labels."""
    steps, rows = 2 * CUE + delay + WINDOW, np.arange(number)
    spikes, labels = [], []
    for generator in generators:
        first, second = generator.integers(0, 2, (2, number))
        chance = np.zeros((steps, number, 4, GROUP), np.float32)
        chance[:CUE, rows, first] = FIRING
        chance[CUE + delay:2 * CUE + delay, rows, 2 + second] = FIRING
        fires = generator.random(chance.shape, np.float32) < chance
        spikes.append(fires.reshape(steps, number, -1))
        labels.append(first ^ second)
    return np.concatenate(spikes, axis=2).astype(np.float32), np.array(labels)


def response(steps):
    """Return the effect of spikes on readouts."""
    mean = np.zeros((steps, 1, 1), np.float32)
    mean[-WINDOW:] = 1 / WINDOW
    return lif.readout_backward(np.zeros_like(mean), np.ones((1, 1), np.float32), mean,
                                **CONSTANTS).dx


def initial(generators, hidden=HIDDEN):
    """Sample the initial weights of all networks."""
    shapes = {"W": (hidden, 4 * GROUP), "V": (hidden, hidden),
              "out": (READOUTS, hidden)}
    return [np.stack([lif_training.initial(generator, shape[::-1], SCALES[name],
                                           np.float32)[0] for generator in generators])
            for name, shape in shapes.items()]


def forward(condition, weights, x):
    """Simulate all networks at the same time."""
    W, V, out = weights
    layer = together(W), together(V)
    if condition == ALIF:
        recording = alif.simulate(x, *layer, rho=RHO, adaptation=ADAPTATION,
                                  **CONSTANTS)
    else:
        recording = lif.simulate(x, *layer, **CONSTANTS)
    counts = (response(len(x)) * recording.spikes).sum(axis=0)
    counts = counts.reshape(x.shape[1], len(W), -1).swapaxes(0, 1)
    return recording, counts @ out.swapaxes(1, 2), counts


def error(answers, labels):
    """Return the derivative of the loss."""
    target = np.arange(READOUTS) == labels[:, :, None]
    return (special.softmax(answers, axis=2) - target) / labels.shape[1]


def slope(condition, recording):
    """Return the surrogate derivatives of all networks."""
    v = recording.mem - 1
    if condition == ALIF:
        v -= ADAPTATION * recording.adapted
    return surrogates.fast_sigmoid(v, STEEPNESS)[1]


def backward(condition, weights, x, recording, dspikes):
    """Compute dL/dW and dL/dV backward in time."""
    W, V = (together(part) for part in weights[:2])
    psi, dmem = slope(condition, recording), None
    if condition == "block":
        V = np.diag(np.diag(V))
    if condition == ALIF:
        dmem = psi * through_adaptation(psi, dspikes)
        recording = lif.Recording(*recording[:2], recording.spikes, recording.clamp)
        psi, dspikes = np.zeros_like(psi), None
    found = lif.backward(x, W, V, recording, psi, dspikes, dmem, **CONSTANTS,
                         through_recurrence=condition in ("exact", "block"),
                         through_reset=condition not in ("presynaptic", ALIF))
    return [apart(part, len(weights[0])) for part in (found.dW, found.dV)]


def through_adaptation(psi, dspikes):
    """Add derivatives that pass through adaptive thresholds."""
    total, later = np.empty_like(dspikes), np.zeros_like(dspikes[0])
    for t in range(len(psi) - 1, -1, -1):
        total[t] = dspikes[t] + later
        later = RHO * later - ADAPTATION * psi[t] * total[t]
    return total


def gradients(condition, weights, x, labels):
    """Return the accuracies and the gradients."""
    recording, answers, counts = forward(condition, weights, x)
    danswers = error(answers, labels)
    dcounts = danswers @ weights[2]
    dspikes = response(len(x)) * dcounts.swapaxes(0, 1).reshape(x.shape[1], -1)
    hidden = [np.zeros_like(part) for part in weights[:2]] if condition == ALONE \
        else backward(condition, weights, x, recording, dspikes)
    return right(answers, labels), [*hidden, danswers.swapaxes(1, 2) @ counts]


def right(answers, labels):
    return (answers.argmax(axis=2) == labels).mean(axis=1)


def clipped(found):
    """Limit the gradient norm to `CLIP`."""
    norms = np.sqrt(sum((part ** 2).sum(axis=(1, 2)) for part in found))
    factors = np.minimum(1, CLIP / np.maximum(norms, CLIP))[:, None, None]
    return [factors * part for part in found]


def learn(condition, delay, group, repeats, epochs, seed, hidden):
    """Train `repeats` networks at the same time."""
    streams = [[seeds.rng(seed, FIGURE, f"{what} {delay}", group * repeats + i)
                for i in range(repeats)] for what in ("weights", "trials", "tests")]
    weights, states, curve = initial(streams[0], hidden), [None] * 3, []
    for epoch in range(epochs):
        accuracy, found = gradients(condition, weights,
                                    *trials(streams[1], delay, BATCH))
        rate = RATE * (0.5 + 0.5 * np.cos(np.pi * epoch / epochs))
        weights, states = lif_training.update(weights, clipped(found), states,
                                              rate=rate)
        curve.append(accuracy)
    x, labels = trials(streams[2], delay, TESTED)
    recording, answers, _ = forward(condition, weights, x)
    result = {"condition": condition, "delay": delay, "neurons": hidden,
              "curve": np.array(curve).T,
              "final": right(answers, labels),
              "deviation": deviation(condition, weights, x[:, :4], labels[:, :4])}
    if condition == RULES[0] and delay == FIXED and group == 0:
        chosen = [int(np.flatnonzero(labels[0] == label)[0]) for label in (0, 1)]
        result |= {"inputs": x[:, chosen, :4 * GROUP] > 0,
                   "hidden": recording.spikes[:, chosen, :hidden] > 0,
                   "record": lif.readout(recording.spikes[:, chosen, :hidden],
                                         weights[2][0], **CONSTANTS)}
    return result


def deviation(condition, weights, x, labels):
    """Compare backward and forward computed gradients."""
    if condition == ALONE:
        return 0.0
    weights, x = [part.astype(float) for part in weights], x.astype(float)
    _, found = gradients(condition, weights, x, labels)
    worst = 0.0
    for i, V in enumerate(weights[1]):
        alone = [part[i:i + 1] for part in weights]
        own = x[:, :, 4 * GROUP * i:4 * GROUP * (i + 1)]
        recording, answers, _ = forward(condition, alone, own)
        dspikes = response(len(x)) * (error(answers, labels[i:i + 1]) @ alone[2])
        run = own, V, recording, slope(condition, recording), dspikes
        traced = alif.gradient(*run, rho=RHO, adaptation=ADAPTATION, **CONSTANTS) \
            if condition == ALIF \
            else sparse_rtrl.gradient(*run, rule=condition, **CONSTANTS)
        for ours, theirs in zip(found, traced, strict=False):
            worst = max(worst, np.linalg.norm(ours[i] - theirs)
                        / max(np.linalg.norm(theirs), 1e-300))
    return worst


def carried(rule, n=HIDDEN):
    """Count the stored numbers."""
    c = 4 * GROUP + n
    traces = 2 * c + n * c if rule == ALIF \
        else sum(part.size for part in sparse_rtrl.rest(rule, 1, n, c))
    return traces + 2 * n * c * (READOUTS if rule == "exact" else 1)


def multiplications(rule, n=HIDDEN):
    """Count the multiplications in one time step."""
    c = 4 * GROUP + n
    return {"exact": n * c * (n * (n + 6) + READOUTS * (n + 4)), "block": 11 * n * c,
            "implicit": 10 * n * c, "presynaptic": 3 * c + 5 * n * c,
            ALIF: 3 * c + 8 * n * c}[rule]


def gather(results):
    delays = sorted({int(r["delay"]) for r in results})
    n = int(results[0]["neurons"])
    found = {"delays": np.array(delays),
             "carried": np.array([carried(rule, n) for rule in RULES]),
             "multiplications": np.array([multiplications(rule, n) for rule in RULES]),
             "deviation": np.array([r["deviation"] for r in results])}
    for i, condition in enumerate(CONDITIONS):
        for key in ("curve", "final"):
            found[f"{key}_{i}"] = np.array([np.concatenate(
                [r[key] for r in results if r["condition"] == condition
                 and r["delay"] == delay]) for delay in delays])
    first = next(r for r in results if "inputs" in r)
    return found | {name: np.asarray(first[name])
                    for name in ("inputs", "hidden", "record")}


def accuracies(data, delay):
    """Return the final accuracies at one delay."""
    row = list(data["delays"]).index(delay)
    return {condition: data[f"final_{i}"][row]
            for i, condition in enumerate(CONDITIONS)}


def claims(size):
    fixed, broken = f"delay {FIXED} ms", f"delay {BROKEN} ms"
    found = [
        own("exact-30", f"{fixed}: accuracy of exact RTRL", low=0.95),
        own("loss-block-30", f"{fixed}: accuracy, exact RTRL minus block-diagonal rule",
            high=0.05),
        stand_in("gain-block-30", f"{fixed}: accuracy, block-diagonal rule minus "
                 "readout alone", Published("learns well", "[ZN21]", "abstract",
                                            "words"),
                 ordered=True, differs="own task and networks"),
        report("memory", "memory, block-diagonal rule / exact RTRL, counted"),
        report("multiplications", "multiplications per step, block-diagonal rule / "
               "exact RTRL, counted"),
        own("deviation", "largest relative difference of gradients computed backward "
            "and forward in time", high=1e-10)]
    if size != "quick":
        found += [
            own("exact-60", f"{broken}: accuracy of exact RTRL", low=0.9),
            own("loss-block-60", f"{broken}: accuracy, exact RTRL minus block-diagonal "
                "rule", low=0.1, headline="Delayed XOR, 60 ms (own task, tuned for "
                "exact RTRL): accuracy lost by block-diagonal RTRL"),
            own("e-prop-60", f"{broken}: accuracy of adaptive neurons with e-prop",
                low=0.9)]
    return found


def measured(data):
    found = {"memory": data["carried"][1] / data["carried"][0],
             "multiplications": np.divide(*data["multiplications"][1::-1]),
             "deviation": data["deviation"].max()}
    at = accuracies(data, FIXED)
    found |= {"exact-30": at["exact"], "loss-block-30": at["exact"] - at["block"],
              "gain-block-30": at["block"] - at[ALONE]}
    if BROKEN in data["delays"]:
        at = accuracies(data, BROKEN)
        found |= {"exact-60": at["exact"], "loss-block-60": at["exact"] - at["block"],
                  "e-prop-60": at[ALIF]}
    return found


def shown(data):
    row = list(data["delays"]).index(FIXED)
    found = {name: data[name] for name in data
             if name != "deviation" and not name.startswith("curve")}
    for i in range(len(CONDITIONS)):
        curve = data[f"curve_{i}"][row].T
        points = max(1, len(curve) // CURVE)
        found[f"learning_{i}"] = np.transpose(
            [part.mean(axis=0) for part in np.array_split(curve, points)])
    return found | {"learning_step": (np.arange(points) + 0.5) * len(curve) / points}


def plot(data, fig):
    fig.set_size_inches(13, 6.6)
    left, right_ = fig.subfigures(1, 2, width_ratios=(1, 1.55))
    _plot_examples(data, left)
    grid = right_.add_gridspec(2, 2, height_ratios=(1, 1.1))
    curves = right_.add_subplot(grid[0, 0])
    _plot_curves(data, curves)
    _plot_cost(data, right_.add_subplot(grid[0, 1]))
    _plot_sweep(data, right_.add_subplot(grid[1, :], sharey=curves))
    right_.legend(*curves.get_legend_handles_labels(), loc="outside upper center",
                  ncols=len(CONDITIONS), handlelength=1.6, columnspacing=1.4)


def _plot_chance(axis):
    axis.axhline(CHANCE, color=colours.GREY, ls=":", lw=1.2)
    axis.annotate("chance", (1, CHANCE), xycoords=("axes fraction", "data"), ha="right",
                  va="top", xytext=(-2, -2), textcoords="offset points",
                  color=colours.GREY, fontsize=9.5)


def _plot_curves(data, axis):
    at = data["learning_step"]
    for i, condition in enumerate(CONDITIONS):
        curve = data[f"learning_{i}"]
        axis.fill_between(at, curve.min(axis=0), curve.max(axis=0), lw=0, alpha=0.13,
                          color=COLOURS[condition])
        axis.plot(at, curve.mean(axis=0), color=COLOURS[condition], lw=2.2,
                  marker=MARKS[condition], markevery=0.17, ms=5.5, label=condition)
    _plot_chance(axis)
    axis.set(xlabel=f"training step ({BATCH} new trials each)", ylim=(0.38, 1.04),
             ylabel="accuracy", title=f"Learning at a delay of {FIXED} ms")


def _plot_cost(data, axis):
    for row, (name, label) in enumerate((("carried", "memory"),
                                         ("multiplications", "multiplications"))):
        for i, condition in enumerate(RULES):
            share, y = 100 * data[name][i] / data[name][0], i + 0.3 * (row - 0.5)
            axis.plot([0.1, share], [y, y], color=COLOURS[condition], lw=1.2,
                      ls=("-", ":")[row])
            axis.plot(share, y, "so"[row], color=COLOURS[condition], ms=7,
                      mfc=(COLOURS[condition], "white")[row], mew=1.8)
            axis.annotate("100 %" if i == 0 else f"{share:.2g} %", (share, y),
                          xytext=(8, 0), textcoords="offset points", va="center",
                          fontsize=9)
        axis.plot([], [], "so"[row], color=colours.BLACK, label=label, mew=1.8,
                  mfc=(colours.BLACK, "white")[row])
    axis.set(xscale="log", xlim=(0.4, 2000), yticks=range(len(RULES)),
             yticklabels=RULES, ylim=(len(RULES) - 0.4, -0.6),
             title="Cost, forward in time",
             xlabel="share of exact RTRL, per step (%)")
    axis.grid(axis="y", visible=False)
    axis.set_xticks((1, 10, 100), labels=("1", "10", "100"))
    axis.minorticks_off()
    axis.legend(loc="lower right", handlelength=1)


def _plot_sweep(data, axis):
    delays = data["delays"]
    gap = np.diff(delays).min() if len(delays) > 1 else 20
    for i, condition in enumerate(CONDITIONS):
        final = data[f"final_{i}"]
        x = delays + gap * 0.13 * (i - (len(CONDITIONS) - 1) / 2)
        axis.plot(np.repeat(x, final.shape[1]), final.ravel(), MARKS[condition],
                  color=COLOURS[condition], ms=4.5, alpha=0.5)
        axis.plot(x, final.mean(axis=1), color=COLOURS[condition], lw=2.2,
                  marker=MARKS[condition], ms=8.5, mew=0.8 if condition != ALONE else 2,
                  mec="white" if condition != ALONE else None)
    _plot_chance(axis)
    axis.set(xlabel="delay between the cues (ms)", ylabel="accuracy", xticks=delays,
             title="Accuracy against delay: seeds (small) and means (large)")


def _plot_examples(data, fig):
    axes = fig.subplots(3, 2, sharex=True, sharey="row", height_ratios=(1.6, 1.6, 1))
    steps = len(data["inputs"])
    for b, column in enumerate(axes.T):
        for axis, spikes in zip(column[:2], (data["inputs"], data["hidden"]),
                                strict=True):
            step, unit = np.nonzero(spikes[:, b])
            axis.plot(step, unit, "|", color=colours.BLACK, ms=4, mew=1)
            axis.grid(visible=False)
            axis.set_ylim(-1, spikes.shape[2])
        for k, (colour, style) in enumerate(((colours.ORANGE, "-"),
                                             (colours.SKY, "--"))):
            column[2].plot(data["record"][:, b, k], style, color=colour,
                           label=("same", "different")[k])
        for axis in column:
            axis.axvspan(steps - WINDOW, steps, color=colours.GREY, alpha=0.15, lw=0)
        column[0].set_title(("same", "different")[b], fontweight="normal")
        column[2].set_xlabel("time (ms)")
    axes[0, 0].set(ylabel="input unit", yticks=np.arange(0, 4 * GROUP + 1, GROUP))
    axes[1, 0].set_ylabel("hidden unit")
    axes[2, 0].set_ylabel("readout\n(thresholds)")
    fig.legend(*axes[2, 1].get_legend_handles_labels(), loc="outside lower center",
               ncols=2, title="readout for", handlelength=1.8)
    fig.suptitle("Trained with the exact gradient; grey: response window",
                 fontweight="bold", fontsize=11.5, x=0.02, ha="left")
