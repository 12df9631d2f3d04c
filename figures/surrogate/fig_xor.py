"""Temporal XOR is learned from the first output spike

The figure compares two learning methods.  For each method, the left panels show the
trained network with the smallest final loss.  The left panels show the input spikes,
the hidden spikes and the output membrane potentials for the four input patterns.
Triangles mark the first output spikes.  The right panels show the loss of all runs.

In the temporal XOR task, each of two inputs spikes once, either early (at 0 ms) or late
(at 10 ms, two synaptic time constants).  In a network of 2-4-2 neurons, output neuron 0
must spike first if the two inputs spiked at the same time.  Otherwise, output neuron 1
must spike first.  The loss depends on the first output spike times.  In the
surrogate-gradient method, the LIF neurons can spike more than once.  The spike-time
method uses the exact gradient and non-leaky neurons, which spike at most once.

A run is a success if, in each pattern, the correct output neuron spikes, and the other
output neuron spikes strictly later or not at all.  This figure corresponds to [NMZ19]
fig. 7, and its spike-time method follows [M17].
"""

import numpy as np

from figures.run import colours, seeds
from figures.run.claims import Published, own, reproduction
from figures.surrogate import ensemble
from figures.train import lif_training
from refsnn import losses, spike_time

TAU_SYN_S = 5e-3
LATE_S = 2 * TAU_SYN_S
TIMES_S = LATE_S * np.array([[0, 0], [0, 1], [1, 0], [1, 1]])   # (patterns, inputs)
LABELS = np.array([0, 1, 1, 0])
HIDDEN, OUTPUTS = 4, 2
REPEATS = {"quick": 8, "default": 20, "full": 100}
EPOCHS = {"quick": 100, "default": 600, "full": 2000}
# Constants of the surrogate gradient, in discrete time.
DT_S, STEPS = 0.5e-3, 80
NET = lif_training.Net(alpha=float(np.exp(-DT_S / TAU_SYN_S)),
                       beta=float(np.exp(-DT_S / 10e-3)), reset="subtract",
                       through_reset=True, steepness=3.0)
RATE, LOSS_TAU_S = 0.02, 2e-3
# Constants of the exact gradient; weights are in thresholds / synaptic time constant.
TIME_RATE, SILENT, SCALE_S, END_S = 0.02, 1.0, 1e-3, 8 * TAU_SYN_S
METHODS = {"surrogate": "surrogate gradient", "exact": "spike-time gradient"}
POINTS = 150                        # drawn points of a learning curve
ARRAYS = {
    f"{name}_{key}": (axes, unit, f"{text}, {words}") for name, words in METHODS.items()
    for key, axes, unit, text in (
        ("loss", "step, run", "nat", "loss"),
        ("step", "step", "1", "training steps of the loss"),
        ("best", "", "1", "run with the smallest final loss"),
        ("success", "run", "1", "whether all patterns are classified correctly"),
        ("times", "pattern, output", "s", "first output spike times, best run"),
        ("output", "time step, pattern, output", "thresholds",
         "membrane potentials of the output neurons, best run"))}
ARRAYS["surrogate_hidden"] = ("time step, pattern, neuron", "1", "hidden spikes, best "
                              "run, surrogate gradient")
ARRAYS["exact_hidden"] = ("pattern, neuron", "s", "hidden spike times, best run, "
                          "spike-time gradient")


def right_first(times):
    """Return whether the correct output spikes first."""
    rows = np.arange(len(LABELS))
    return times[..., rows, LABELS] < times[..., rows, 1 - LABELS]


def inputs():
    """Return the input spikes."""
    x = np.zeros((STEPS, 1, *TIMES_S.shape))
    np.put_along_axis(x[:, 0], np.rint(TIMES_S / DT_S).astype(int)[None], 1.0, axis=0)
    return x


def surrogate(seed, repeats, epochs, hidden):
    """Train all networks with the surrogate gradient."""
    W = [np.stack(layer) for layer in zip(*(
        _start(seeds.rng(seed, "xor", "surrogate", r), hidden, 0.35, 0.25)
        for r in range(repeats)), strict=True)]
    x = np.repeat(inputs(), repeats, axis=1)
    labels, states, curve = np.tile(LABELS, repeats), [None, None], []
    for epoch in range(epochs + 1):
        first = ensemble.drive(W[0], x)
        middle = ensemble.layer(first, NET)
        second = ensemble.drive(W[1], middle.spikes)
        output = ensemble.layer(second, NET)
        times = _first(output.spikes)
        curve.append(_losses(times, LOSS_TAU_S))
        if epoch == epochs:
            break
        _, dspikes = losses.first_spike_time(
            output.spikes.reshape(STEPS, -1, OUTPUTS), labels, LOSS_TAU_S, DT_S)
        dspikes = repeats * dspikes.reshape(output.spikes.shape)
        dsecond = ensemble.layer_backward(
            second, output, lif_training.psi(output, NET), dspikes, NET)
        dfirst = ensemble.layer_backward(first, middle, lif_training.psi(middle, NET),
                                         ensemble.by_inputs(dsecond, W[1]), NET)
        gradients = [ensemble.by_weights(dfirst, x),
                     ensemble.by_weights(dsecond, middle.spikes)]
        W, states = lif_training.update(W, gradients, states, rate=RATE)
    best = int(np.argmin(curve[-1]))
    return {"name": "surrogate", "loss": np.array(curve), "best": best,
            "success": right_first(times).all(axis=-1), "times": times[best],
            "hidden": middle.spikes[:, best] > 0, "output": output.mem[:, best]}


def _start(generator, hidden, mean, spread):
    return [generator.normal(mean, spread, shape)
            for shape in ((hidden, 2), (OUTPUTS, hidden))]


def _first(spikes):
    """Return the first spike times, in seconds."""
    return np.where(spikes.any(axis=0), spikes.argmax(axis=0) * DT_S, np.inf)


def _losses(times, scale_s):
    """Return the loss `spike_time.cross_entropy` of each repetition."""
    late = STEPS * DT_S
    return [spike_time.cross_entropy(each, LABELS, scale=scale_s, late=late)[0]
            for each in times]


def exact(seed, repeats, epochs, hidden):
    """Train all networks with the exact gradient."""
    runs = [_exact(seeds.rng(seed, "xor", "exact", r), epochs, hidden)
            for r in range(repeats)]
    curve = np.array([run[0] for run in runs]).T
    best = int(np.argmin(curve[-1]))
    _, early, times, W = runs[best]
    at = np.arange(STEPS) * DT_S
    return {"name": "exact", "loss": curve, "best": best,
            "success": np.array([right_first(run[2]).all() for run in runs]),
            "times": times, "hidden": early,
            "output": spike_time.potential(at, early, W[1], tau=TAU_SYN_S)}


def _exact(generator, epochs, neurons):
    options = {"tau": TAU_SYN_S, "threshold": 1.0}
    W = [layer / TAU_SYN_S for layer in _start(generator, neurons, 1.0, 0.7)]
    states, curve = [None, None], []
    for epoch in range(epochs + 1):
        hidden = spike_time.forward(TIMES_S, W[0], **options)
        output = spike_time.forward(hidden.times, W[1], **options)
        loss, dtimes = spike_time.cross_entropy(output.times, LABELS, scale=SCALE_S,
                                                late=END_S)
        curve.append(loss)
        if epoch == epochs:
            return curve, hidden.times, output.times, W
        dW_out, dhidden = spike_time.backward(dtimes, hidden.times, W[1], output,
                                              tau=TAU_SYN_S)
        dW, _ = spike_time.backward(dhidden, TIMES_S, W[0], hidden, tau=TAU_SYN_S)
        gradients = [d + SILENT * spike_time.silent_cost(w, **options)[1]
                     for d, w in zip((dW, dW_out), W, strict=True)]
        W, states = lif_training.update(W, gradients, states,
                                        rate=TIME_RATE / TAU_SYN_S)


def jobs(size, seed, data, repeats=None, epochs=None, hidden=HIDDEN):
    kwargs = {"seed": seed, "repeats": repeats or REPEATS[size],
              "epochs": epochs or EPOCHS[size], "hidden": hidden}
    return [(surrogate, kwargs), (exact, kwargs)]


def gather(results):
    return {f"{r['name']}_{key}": np.asarray(value) for r in results
            for key, value in r.items() if key != "name"}


def claims(size):
    published = Published(4, "[NMZ19]", "fig. 7", "words", n=1)
    return [
        *[own(f"success-{name}", f"share of networks that classify all four patterns "
              f"correctly, {words}", low=0.5) for name, words in METHODS.items()],
        *[reproduction(f"best-{name}", "correct patterns of the network with the "
                       f"smallest loss, {words}", published, tolerance=0.5,
                       unit="patterns", differs="best of several networks, and two "
                       "learning methods") for name, words in METHODS.items()]]


def measured(data):
    return {**{f"success-{name}": data[f"{name}_success"] for name in METHODS},
            **{f"best-{name}": right_first(data[f"{name}_times"]).sum()
               for name in METHODS}}


def shown(data):
    found = dict(data)
    for name in METHODS:
        loss = data[f"{name}_loss"]
        step = np.unique(np.linspace(0, len(loss) - 1, POINTS).round().astype(int))
        found |= {f"{name}_step": step, f"{name}_loss": loss[step].astype(np.float32)}
    return found


def plot(data, fig):
    fig.set_size_inches(12.5, 7.6)
    grid = fig.add_gridspec(4, 5, height_ratios=(1, 1.3, 1, 1.3),
                            width_ratios=(1, 1, 1, 1, 1.5))
    for row, (name, title) in enumerate((
            ("surrogate", "LIF neurons,\nsurrogate gradient"),
            ("exact", "Non-leaky neurons,\nspike-time gradient"))):
        _plot_run(data, name, title, fig, grid, 2 * row)
        _plot_losses(data, name, fig.add_subplot(grid[2 * row:2 * row + 2, 4]))
    fig.suptitle("Run with the smallest final loss (the first if several are equal); "
                 "triangles: first output spikes", x=0.01, ha="left",
                 fontsize=11.5, fontweight="bold")


def _plot_run(data, name, title, fig, grid, row):
    pair = (colours.BLUE, colours.VERMILION)
    membrane, times = data[f"{name}_output"], data[f"{name}_times"]
    at_ms = np.arange(len(membrane)) * DT_S * 1e3
    low, high = max(min(membrane.min(), 0), -2.0) - 0.15, 2.2
    for b, label in enumerate(LABELS):
        above = fig.add_subplot(grid[row, b])
        below = fig.add_subplot(grid[row + 1, b], sharex=above)
        spikes = _hidden_ms(data, name, b)
        trains, n = [1e3 * TIMES_S[b, [i]] for i in range(2)] + spikes, len(spikes)
        above.eventplot(trains, lineoffsets=np.arange(n + 2)[::-1], linelengths=0.7,
                        linewidths=2, colors=[colours.BLACK] * 2 + [colours.GREEN] * n)
        above.set(ylim=(-0.6, n + 1.6), yticks=(n + 0.5, (n - 1) / 2), yticklabels=())
        above.tick_params(labelbottom=False, length=0)
        above.grid(axis="y", visible=False)
        for k, colour in enumerate(pair):
            u = membrane[:, b, k]
            if name == "exact":                 # plotted until the first output spike
                u = np.where(at_ms <= 1e3 * times[b, k] + 1e-9, u, np.nan)
            below.plot(at_ms, u, color=colour,
                       label=("same time", "apart")[k])
            if np.isfinite(times[b, k]):
                below.plot(1e3 * times[b, k], 1.9, "v", color=colour, ms=8,
                           mec="white", zorder=5)
        below.axhline(1, color=colours.GREY, lw=1, ls=":")
        below.set(ylim=(low, high), xlim=(-1, 1e3 * STEPS * DT_S), xlabel="time (ms)")
        words = ["late" if late else "early" for late in TIMES_S[b] > 0]
        above.set_title(" / ".join(words) + f": {('same', 'apart')[label]}",
                        fontweight="normal", fontsize=10)
        if b == 0:
            above.set(yticklabels=("input", "hidden"))
            below.set_ylabel(f"{title}\noutput (thresholds)")
            below.legend(loc="lower right", fontsize=8, handlelength=1, borderpad=0.1,
                         title="output", title_fontsize=8)
        else:
            below.tick_params(labelleft=False)


def _hidden_ms(data, name, b):
    """Return hidden spike times in milliseconds."""
    hidden = data[f"{name}_hidden"]
    if name == "surrogate":
        return [1e3 * DT_S * np.flatnonzero(train) for train in hidden[:, b].T]
    return [1e3 * time[np.isfinite(time)] for time in hidden[b][:, None]]


def _plot_losses(data, name, axis):
    curves, success = data[f"{name}_loss"], data[f"{name}_success"]
    step = data[f"{name}_step"]
    for i, curve in enumerate(curves.T):
        axis.plot(step, np.maximum(curve, 1e-4), lw=1, alpha=0.7, zorder=2 + success[i],
                  color=colours.SKY if success[i] else colours.ORANGE)
    for colour, word, count in ((colours.SKY, "success", success.sum()),
                                (colours.ORANGE, "failure", (~success).sum())):
        axis.plot([], [], color=colour, label=f"{word} {count}/{len(success)}")
    axis.plot(step, np.maximum(curves[:, data[f"{name}_best"]], 1e-4), lw=1.8,
              color=colours.BLACK, label="best run", zorder=5)
    axis.set(yscale="log", xlabel="training step", ylabel="loss (nats)", ylim=(8e-5, 9))
    axis.set_title("All seeds", fontsize=10, fontweight="normal", pad=22)
    axis.legend(loc="lower left", bbox_to_anchor=(-0.05, 1), ncols=3, fontsize=8,
                handlelength=1, columnspacing=1, borderpad=0.1)
