"""Surrogate gradients train a hidden layer that the true gradient cannot train

The left panels show how a network responds to three patterns after training with the
surrogate gradient.  For each pattern, the panels show the input spikes, the hidden
spikes and the membrane potentials of the readouts.  The right panels compare two groups
of networks.  One group is trained with the surrogate gradient, and the other group is
trained with the true gradient.  The wide right panel shows the accuracy against the
epoch, and the narrow right panel shows the final accuracy.  Thin lines and dots are
single seeds, and thick lines are means over seeds.

A spiking network of 100-4-2 neurons learns to classify 256 random patterns of Poisson
spikes (5 Hz, 200 steps of 1 ms).  The class of each pattern, 0 or 1, is random.
Because the true derivative of the spike function is 0, the true gradient of the loss
with respect to the hidden weights is exactly 0.  With the true gradient, only the
readout weights change during training.

The predicted class is the class whose readout has the larger maximum over time.  Each
readout starts at 0.  If neither readout ever exceeds 0, both maxima are equal to the
initial value 0.  If both maxima are equal (a tie), class 0 is predicted, as in the
tutorial of [NMZ19].  The initial values of the readouts do not depend on the weights.
Therefore, if neither readout exceeds 0 during a pattern, the gradient of the loss for
the pattern is 0.  Because the number of ties affects the accuracy, the figure also
reports a second accuracy, in which each tie counts as half a correct answer.

This figure corresponds to the first experiment of the tutorials that accompany [NMZ19].
The network is trained with Adam at a learning rate of 2e-3 for 1,000 epochs, with all
patterns in one batch.
"""

import numpy as np

from figures.run import colours, seeds
from figures.run.claims import Published, own, reproduction, shown as report
from figures.train import fast_training, lif_training
from refsnn import encoding, lif, losses

INPUTS, HIDDEN, CLASSES = 100, 4, 2
PATTERNS, STEPS, RATE_HZ = 256, 200, 5.0
LEARNING_RATE = 2e-3
NET = lif_training.Net()
SCALE = 7 * (1 - NET.beta)
REPEATS = {"quick": 2, "default": 3, "full": 20}
EPOCHS = {"quick": 40, "default": 1000, "full": 1000}
EXAMPLES, POINTS = 3, 50
TUTORIAL = {name: Published(value, "[NMZ19]", "tutorial 1", "read", n=1)
            for name, value in (("true", 0.512), ("surrogate", 0.859))}
ANEW = "patterns and initial weights drawn anew"
DRAWN = ("surrogate_epochs", "surrogate_accuracy", "true_epochs", "true_accuracy",
         "inputs", "hidden_spikes", "record", "labels")
ARRAYS = {
    **{f"{name}_{key}": (axes, unit, f"{text}, {name} gradient")
       for name in ("surrogate", "true") for key, axes, unit, text in (
           ("epochs", "point", "1", "epochs of the accuracies"),
           ("accuracy", "run, point", "accuracy", "accuracy on the 256 patterns"),
           ("loss", "run, epoch", "nat", "mean loss"))},
    "hidden_gradient": ("run", "1", "largest entry of the true gradient of the loss "
                        "with respect to the hidden weights, first and last epoch"),
    "surrogate_halved": ("run", "accuracy", "accuracy, ties counted as half correct"),
    "inputs": ("step, pattern, unit", "1", "input spikes of the first patterns"),
    "hidden_spikes": ("step, pattern, unit", "1", "hidden spikes"),
    "record": ("step, pattern, class", "thresholds", "membrane potentials of readouts"),
    "labels": ("pattern", "1", "classes of the first patterns")}


def task(seed, repeat, hidden):
    """Sample input spikes, labels and initial weights."""
    generator = seeds.rng(seed, "patterns", "task", repeat)
    rates = np.full((PATTERNS, INPUTS), RATE_HZ)
    x = encoding.poisson(rates, STEPS, lif_training.DT_S, generator)
    labels = generator.integers(0, CLASSES, PATTERNS)
    sizes = INPUTS, hidden, CLASSES
    return x, labels, lif_training.initial(generator, sizes, SCALE, np.float32)


def surrogate(seed, repeat, epochs, hidden):
    """Train both layers with the surrogate gradient."""
    x, labels, weights = task(seed, repeat, hidden)
    events, curve = fast_training.events(x), []
    every = max(1, epochs // POINTS)

    def record(epoch, weights):
        if epoch % every == 0 or epoch == epochs - 1:
            scores = fast_training.evaluate(weights, events, labels, NET)
            curve.append((epoch + 1, scores.accuracy))

    weights, loss = fast_training.fit(weights, events, labels, NET, epochs=epochs,
                                      rate=LEARNING_RATE, after_epoch=record)
    peaks = fast_training.forward(weights, events, PATTERNS, NET)[0].max(axis=0)
    right = np.sign(peaks[np.arange(PATTERNS), labels]
                    - peaks[np.arange(PATTERNS), 1 - labels])
    return {"condition": "surrogate", "curve": np.array(curve), "loss": loss,
            "halved": float((1 + right).mean() / 2),
            **(example(x, labels, weights) if repeat == 0 else {})}


def example(x, labels, weights):
    """Return the responses to the example patterns."""
    few = x[:, :EXAMPLES].astype(np.float32)
    run = lif_training.forward(weights, few, NET)
    return {"inputs": few > 0, "hidden_spikes": run.hidden[0].spikes > 0,
            "record": run.record, "labels": labels[:EXAMPLES]}


def true(seed, repeat, epochs, hidden):
    """Train both layers with the true gradient."""
    x, labels, weights = task(seed, repeat, hidden)
    x = x.astype(np.float32)
    net = NET._replace(surrogate="none")
    run = lif_training.forward(weights, x, net)
    response = lif.readout(run.hidden[0].spikes, np.eye(hidden, dtype=np.float32),
                           **net.constants())
    largest, losses_, curve, state = [], np.zeros(epochs), [], [None]
    every = max(1, epochs // POINTS)
    for epoch in range(epochs):
        record = response @ weights[1].T
        losses_[epoch], drecord = losses.cross_entropy(record, labels)
        if epoch in (0, epochs - 1):
            run = lif_training.forward(weights, x, net)
            dW = lif_training.gradients(weights, x, run, drecord, net)[0]
            largest.append(abs(dW).max())
        dW_out = np.einsum("tbk,tbn->kn", drecord, response)
        new, state = lif_training.update(weights[1:], [dW_out], state,
                                         rate=LEARNING_RATE)
        weights = [weights[0], *new]
        if epoch % every == 0 or epoch == epochs - 1:
            curve.append((epoch + 1, losses.accuracy(response @ new[0].T, labels)))
    return {"condition": "true", "curve": np.array(curve), "loss": losses_,
            "hidden": float(max(largest))}


def jobs(size, seed, data, repeats=None, epochs=None, hidden=HIDDEN):
    return [(function, {"seed": seed, "repeat": repeat,
                        "epochs": epochs or EPOCHS[size], "hidden": hidden})
            for repeat in range(repeats or REPEATS[size])
            for function in (surrogate, true)]


def gather(results):
    found = {}
    for name in ("surrogate", "true"):
        chosen = [r for r in results if r["condition"] == name]
        found[f"{name}_epochs"] = chosen[0]["curve"][:, 0]
        found[f"{name}_accuracy"] = np.array([r["curve"][:, 1] for r in chosen])
        found[f"{name}_loss"] = np.array([r["loss"] for r in chosen])
    found["hidden_gradient"] = np.array([r["hidden"] for r in results
                                         if r["condition"] == "true"])
    found["surrogate_halved"] = np.array([r["halved"] for r in results
                                          if r["condition"] == "surrogate"])
    first = next(r for r in results if "inputs" in r)
    for name in ("inputs", "hidden_spikes", "record", "labels"):
        found[name] = np.asarray(first[name])
    return found


def claims(size):
    return [
        own("hidden-gradient", "largest entry of the true gradient of the hidden "
            "layer, all networks", low=0, high=0),
        reproduction("true", "accuracy with the true gradient", TUTORIAL["true"],
                     differs=ANEW),
        reproduction("surrogate", "accuracy with the surrogate gradient",
                     TUTORIAL["surrogate"], differs=f"{ANEW}; earlier stored outputs "
                     "of the tutorial are 0.957 and 1.000"),
        report("surrogate-ties", "accuracy with the surrogate gradient, each tie of "
               "the readouts counted as half correct")]


def measured(data):
    return {"hidden-gradient": abs(data["hidden_gradient"]).max(),
            "true": data["true_accuracy"][:, -1],
            "surrogate": data["surrogate_accuracy"][:, -1],
            "surrogate-ties": data["surrogate_halved"]}


def shown(data):
    return {name: data[name] for name in DRAWN}


def plot(data, fig):
    fig.set_size_inches(11, 5.4)
    rasters = fig.subfigures(1, 2, width_ratios=(1.15, 1))
    _plot_examples(data, rasters[0])
    left, right = rasters[1].subplots(1, 2, width_ratios=(2.3, 1), sharey=True)
    for i, (name, colour) in enumerate((("surrogate", colours.BLUE),
                                        ("true", colours.VERMILION))):
        epochs, accuracy = data[f"{name}_epochs"], data[f"{name}_accuracy"]
        left.plot(epochs, accuracy.T, color=colour, lw=0.8, alpha=0.45)
        left.plot(epochs, accuracy.mean(axis=0), color=colour, lw=2.6)
        final = accuracy[:, -1]
        x = i + np.linspace(-0.16, 0.16, len(final))
        right.plot(x, final, "o", color=colour, ms=6, alpha=0.75)
        right.plot([i - 0.3, i + 0.3], [final.mean()] * 2, color=colour, lw=2.6)
        right.annotate(f"{final.mean():.2f}", (i + 0.3, final.mean()),
                       xytext=(3, 0), textcoords="offset points", va="center")
    left.axhline(0.5, color=colours.GREY, ls=":", lw=1.2)
    left.annotate("chance", (1, 0.5), xycoords=("axes fraction", "data"), ha="right",
                  va="top", xytext=(0, -2), textcoords="offset points",
                  color=colours.GREY, fontsize=9.5)
    right.axhline(0.5, color=colours.GREY, ls=":", lw=1.2)
    left.set(xlabel="epoch", ylabel="accuracy on the 256 patterns", ylim=(0.4, 1.02),
             title="Each seed and the mean")
    right.set(xticks=(0, 1), xticklabels=["surrogate", "true"], xlabel="gradient",
              xlim=(-0.5, 1.75), title="At the end")
    right.grid(axis="x", visible=False)


def _plot_examples(data, fig):
    axes = fig.subplots(3, data["inputs"].shape[1], sharex=True, sharey="row",
                        height_ratios=(2.6, 0.9, 1.6))
    time_ms = np.arange(len(data["inputs"])) * lif_training.DT_S * 1e3
    for b, column in enumerate(axes.T):
        for axis, spikes in zip(column[:2], (data["inputs"], data["hidden_spikes"]),
                                strict=True):
            step, unit = np.nonzero(spikes[:, b])
            axis.plot(time_ms[step], unit, "|", color=colours.BLACK,
                      ms=3 if axis is column[0] else 8, mew=1)
            axis.grid(False)
        column[1].set_ylim(-0.7, spikes.shape[2] - 0.3)
        label = int(data["labels"][b])
        for k, colour in enumerate((colours.GREEN, colours.PURPLE)):
            column[2].plot(time_ms, data["record"][:, b, k], color=colour,
                           label=f"readout {k}")
        column[0].set_title(f"pattern of class {label}", fontsize=10.5,
                            fontweight="normal")
        column[2].set_xlabel("time (ms)")
    axes[0, 0].set_ylabel("input unit")
    axes[1, 0].set(ylabel="hidden\nunit", yticks=range(data["hidden_spikes"].shape[2]))
    axes[2, 0].set_ylabel("readout\nmembrane\n(thresholds)")
    fig.legend(*axes[2, 0].get_legend_handles_labels(), loc="upper right", ncols=2,
               handlelength=1.2)
    fig.suptitle("Trained with the surrogate gradient", fontweight="bold",
                 fontsize=11.5, x=0.02, ha="left")
