"""Hidden layers trained with random feedback or with local errors

The top left panel shows the test accuracy against the epoch for five learning rules, in
networks with two hidden layers.  The top right panel shows the cosine between the
weight gradient of each rule and the backpropagation gradient (mean over layers).  The
networks of the bottom panels have three hidden layers, and are trained by local errors
or by backpropagation ("end to end").  The bottom right panel shows the cosine between
the weight gradients of local errors and backpropagation.  The bottom left panel also
shows the test accuracy of the fixed random readout of each layer.  Lines are means and
bands are ranges over seeds.

The networks classify latency-coded digits of 8x8 pixels.  Each hidden layer has 100
neurons.  For each seed, the initial weights are the same for all rules.  All rules
compute the exact gradient for the readout weights.  The rules differ in how an error
reaches the hidden layers.  In backpropagation, the error passes from each layer to the
layer below through the transposed forward weights.  In feedback alignment, fixed random
weights replace the transposed weights.  In direct feedback alignment, the error of the
readout passes directly to each hidden layer through fixed random weights.  Event-driven
random backpropagation resembles direct feedback alignment, but ignores the neuron
dynamics and the reset.  This rule multiplies the error by a boxcar function of the
membrane potential, and by the unfiltered input spikes.  In learning with local errors,
each hidden layer has a separate, fixed random readout, and learns from the error of
this readout.  All gradients treat the reset term of the membrane potential as a
constant.  All seeds use the same test images.

Learning with fixed random feedback weights works because the forward weights adapt to
the feedback weights.  The cosine between the gradients of feedback alignment and
backpropagation therefore rises from near 0 during training.  The gradients of the local
losses are only partly aligned with the backpropagation gradients.  This figure
corresponds to [NMZ19] fig. 5, which is a schematic without numbers.
"""

import numpy as np

from figures.run import colours, seeds
from figures.run.claims import own, shown as report
from figures.train import lif_training
from refsnn import datasets, encoding, feedback, lif, losses, surrogates

FIGURE, PAPER = "feedback", "[NMZ19] fig. 5"
STEPS, TAU_S = 50, 10e-3            # time steps and time constant of the latency code
HIDDEN, CLASSES = 100, 10
NET = lif_training.Net(steepness=10.0)
SCALES = {"hidden": 1.3, "out": 0.3, "random": 1.0, "local": 2.0}
BOXCAR = 2.0            # steepness: the derivative is 1 from 0.5 to 1.5 thresholds
ALIGNED = 100                       # training images on which cosines are computed
# Largest accepted difference in mean accuracy, backpropagation minus rule.  In trial
# runs on another data split, the differences were 0.04 to 0.09.
GAPS = {"feedback alignment": 0.1, "direct feedback": 0.1, "local errors": 0.15}
RULES = ("backpropagation", "feedback alignment", "direct feedback",
         "event-driven random", "local errors")
SIZES = {"quick": (1, 2, 40), "default": (2, 8, HIDDEN),     # repeats, epochs, hidden
         "full": (5, 20, HIDDEN)}
DEEP = 3                            # hidden layers of the deeper networks
COSINE = "cosine with the backpropagation gradient, before and after each epoch"
ARRAYS = {
    "accuracy": ("rule, run, epoch", "accuracy", "test accuracy, two hidden layers"),
    "cosine": ("rule, run, epoch, layer", "1", f"{COSINE}, two hidden layers"),
    **{f"deep_{key}_accuracy": ("run, epoch", "accuracy",
                                f"test accuracy, three hidden layers, {text}")
       for key, text in (("exact", "backpropagation"), ("local", "local errors"))},
    "deep_cosine": ("run, epoch, layer", "1", f"{COSINE}, three hidden layers, local "
                    "errors"),
    "deep_readouts": ("run, epoch, layer", "accuracy", "test accuracy of the fixed "
                      "random readout of each layer, three hidden layers")}


def jobs(size, seed, data, repeats=None, epochs=None, hidden=None):
    """Return the training jobs of all networks."""
    given = zip((repeats, epochs, hidden), SIZES[size], strict=True)
    repeats, epochs, hidden = (value or usual for value, usual in given)
    runs = [(rule, 2) for rule in RULES] + [(RULES[0], DEEP), (RULES[-1], DEEP)]
    return [(learn, {"rule": rule, "layers": layers, "rate": 5e-3, "epochs": epochs,
                     "batch": 100, "seed": seed, "repeat": repeat, "hidden": hidden})
            for repeat in range(repeats) for rule, layers in runs]


def load():
    """Return the training set and the test set."""
    images, labels = datasets.digits()
    x = encoding.latency(images.reshape(len(images), -1).astype(np.float32), STEPS,
                         tau=TAU_S)
    return [(x[:, part], labels[part]) for part in datasets.split(labels, 0.2, seed=0)]


def random_matrices(generator, rule, weights):
    """Sample the fixed random feedback weights."""
    above = [W.shape[0] if rule == "feedback alignment" else CLASSES
             for W in weights[1:]]
    scale = SCALES["local" if rule == "local errors" else "random"]
    return [lif_training.initial(generator, (W.shape[1], n), scale, np.float32)[0]
            for W, n in zip(weights[1:], above, strict=True)]


def output_loss(record, labels):
    """Return the cross-entropy loss and its derivative."""
    loss, drecord = losses.cross_entropy(record / STEPS, labels, "sum")
    return loss, drecord / STEPS


def local_error(spikes, G, labels):
    """Return dL/d(spikes) for a local loss L."""
    trace = feedback.presynaptic_trace(spikes, **NET.constants())
    _, error = feedback.local_cross_entropy(trace, G, labels)
    return feedback.presynaptic_trace(error[::-1], **NET.constants())[::-1]


def gradients(rule, weights, x, labels, run, drecord, fixed):
    """Return the rule's gradients for all weights."""
    inputs = [x, *(recording.spikes for recording in run.hidden)]
    top = lif.readout_backward(inputs[-1], weights[-1], drecord, **NET.constants())
    found, dsyn = [top.dW], top.dsyn
    for i in range(len(run.hidden) - 1, -1, -1):
        recording = run.hidden[i]
        if rule == "backpropagation":
            error = feedback.transport(dsyn, weights[i + 1])
        elif rule == "feedback alignment":
            error = feedback.transport(dsyn, fixed[i])
        elif rule == "local errors":
            error = local_error(recording.spikes, fixed[i], labels)
        else:
            error = feedback.direct(drecord, fixed[i])
        if rule == "event-driven random":
            box = surrogates.boxcar(recording.mem - 1, BOXCAR)[1]
            found.insert(0, feedback.three_factor(box * error, inputs[i]))
            continue
        below = lif.backward(inputs[i], weights[i], None, recording,
                             lif_training.psi(recording, NET), error, reset=NET.reset,
                             through_reset=False, **NET.constants())
        found.insert(0, below.dW)
        dsyn = below.dsyn
    return found


def cosines(rule, weights, x, labels, fixed):
    """Return the cosines to the backpropagation gradients."""
    if rule == RULES[0]:
        return [1.0] * (len(weights) - 1)
    run = lif_training.forward(weights, x, NET)
    _, drecord = output_loss(run.record, labels)
    ours, exact = (gradients(r, weights, x, labels, run, drecord, fixed)[:-1]
                   for r in (rule, RULES[0]))
    return [feedback.alignment(a, b) for a, b in zip(ours, exact, strict=True)]


def local_accuracy(run, labels, fixed):
    """Return the accuracies of the random readouts."""
    return [losses.accuracy(lif.readout(recording.spikes, G, **NET.constants()),
                            labels, "sum")
            for recording, G in zip(run.hidden, fixed, strict=True)]


def learn(rule, layers, rate, epochs, batch, seed, repeat, hidden):
    """Train one network."""
    (x, labels), (x_test, labels_test) = load()
    generator = seeds.rng(seed, FIGURE, layers, repeat)
    sizes = (x.shape[2], *[hidden] * layers, CLASSES)
    scales = [SCALES["hidden"]] * layers + [SCALES["out"]]
    weights = lif_training.initial(generator, sizes, scales, np.float32)
    fixed = random_matrices(seeds.rng(seed, FIGURE, f"{rule} {layers}", repeat),
                            rule, weights)
    states, steps = [None] * len(weights), 0
    sample = x[:, :ALIGNED], labels[:ALIGNED]
    accuracy, local = [], []
    aligned = [cosines(rule, weights, *sample, fixed)]
    for _ in range(epochs):
        parts = lif_training.batches(generator, len(labels), batch)
        for part in parts:
            xs, targets = x[:, part], labels[part]
            run = lif_training.forward(weights, xs, NET)
            _, drecord = output_loss(run.record, targets)
            found = gradients(rule, weights, xs, targets, run, drecord, fixed)
            fade = 0.5 + 0.5 * np.cos(np.pi * steps / (epochs * len(parts)))
            weights, states = lif_training.update(weights, found, states,
                                                  rate=float(rate * fade))
            steps += 1
        run = lif_training.forward(weights, x_test, NET)
        accuracy.append(losses.accuracy(run.record, labels_test, "sum"))
        aligned.append(cosines(rule, weights, *sample, fixed))
        local.append(local_accuracy(run, labels_test, fixed)
                     if rule == "local errors" else [np.nan] * layers)
    return {"rule": rule, "layers": layers, "accuracy": accuracy,
            "cosine": np.array(aligned), "local": np.array(local)}


def gather(results):
    """Stack the curves of all repetitions."""
    def stacked(rule, layers, name):
        return [r[name] for r in results
                if (str(r["rule"]), int(r["layers"])) == (rule, layers)]

    deep = {"exact": RULES[0], "local": RULES[-1]}
    return {"accuracy": [stacked(rule, 2, "accuracy") for rule in RULES],
            "cosine": [stacked(rule, 2, "cosine") for rule in RULES],
            **{f"deep_{key}_accuracy": stacked(rule, DEEP, "accuracy")
               for key, rule in deep.items()},
            "deep_cosine": stacked(RULES[-1], DEEP, "cosine"),
            "deep_readouts": stacked(RULES[-1], DEEP, "local")}


def claims(size):
    """Declare the claims on accuracies and cosines."""
    return [
        own("backpropagation", "test accuracy on digits, backpropagation", low=0.88),
        *[own(f"loss-{rule.replace(' ', '-')}", "test accuracy on digits, "
              f"backpropagation minus {rule}", high=gap) for rule, gap in GAPS.items()],
        own("event-driven", "test accuracy on digits, event-driven random "
            "backpropagation", low=0.7),
        own("rise-of-cosine", "feedback alignment: rise of the cosine with the exact "
            "gradient, mean of both layers", low=0.1),
        own("deep-loss", "three layers: test accuracy, end-to-end minus local errors",
            low=0.02),
        own("deep-local", "three layers, local errors: test accuracy", low=0.7),
        own("deep-cosine", "three layers: cosine of the local with the end-to-end "
            "gradient, mean of layers", low=0.03),
        own("deep-cosine-largest", "three layers: cosine of the local with the "
            "end-to-end gradient, layer with the largest mean", high=0.6),
        *[report(f"deep-readout-{i}", "three layers, local errors: test accuracy of "
                 f"the readout of layer {i}") for i in range(1, DEEP + 1)]]


def measured(data):
    """Return the numbers of the claims."""
    final = dict(zip(RULES, data["accuracy"][:, :, -1], strict=True))
    turned = (data["cosine"][1, :, -1] - data["cosine"][1, :, 0]).mean(axis=1)
    exact, local = (data[f"deep_{key}_accuracy"][:, -1]
                    for key in ("exact", "local"))
    cosine = data["deep_cosine"][:, -1]
    return {"backpropagation": final[RULES[0]],
            **{f"loss-{rule.replace(' ', '-')}": final[RULES[0]] - final[rule]
               for rule in GAPS},
            "event-driven": final["event-driven random"], "rise-of-cosine": turned,
            "deep-loss": exact - local, "deep-local": local,
            "deep-cosine": cosine.mean(axis=1),
            "deep-cosine-largest": cosine[:, cosine.mean(axis=0).argmax()],
            **{f"deep-readout-{i + 1}": data["deep_readouts"][:, -1, i]
               for i in range(DEEP)}}


def shown(data):
    """Return what is plotted."""
    return data


COLOURS = (colours.BLACK, colours.BLUE, colours.GREEN, colours.ORANGE,
           colours.VERMILION)
LAYERS = (colours.SKY, colours.BLUE, colours.PURPLE)


def plot(data, fig):
    """Plot the accuracies and the cosines."""
    fig.set_size_inches(10, 7.4)
    axes = fig.subplots(2, 2, sharex=True)
    _rules(data, axes[0])
    _deep(data, axes[1])
    for ax in axes[:, 0]:
        low = min(line.get_ydata().min() for line in ax.lines)
        ax.set(ylabel="test accuracy (chance: 0.1)",
               ylim=(max(0, np.floor(low * 10 - 1) / 10), 1))
    for ax in axes[:, 1]:
        ax.set(ylabel="cosine with the exact gradient", ylim=(-0.3, 0.8))
        ax.axhline(0, color=colours.GREY, lw=0.8)
    for ax in axes[1]:
        ax.set_xlabel("epoch")
        ax.xaxis.get_major_locator().set_params(integer=True)


def _band(ax, curves, colour, first, **line):
    """Plot the mean and the range."""
    epochs = np.arange(first, first + curves.shape[1])
    ax.fill_between(epochs, curves.min(axis=0), curves.max(axis=0), color=colour,
                    alpha=0.15, lw=0)
    ax.plot(epochs, curves.mean(axis=0), color=colour, **line)


def _rules(data, axes):
    styles = ("-", "-", "--", "-.", ":")
    for rule, colour, style, accuracy, cosine in zip(
            RULES, COLOURS, styles, data["accuracy"], data["cosine"], strict=True):
        _band(axes[0], accuracy, colour, 1, ls=style,
              label=f"{rule}: {accuracy[:, -1].mean():.3f}")
        if rule != RULES[0]:
            _band(axes[1], cosine.mean(axis=2), colour, 0, ls=style, label=rule)
    axes[0].set_title("Two hidden layers")
    axes[0].legend()
    axes[1].set_title("Gradients, mean of the two layers")
    axes[1].legend(loc="upper left", ncols=2)


def _deep(data, axes):
    exact = data["deep_exact_accuracy"]
    _band(axes[0], exact, colours.BLACK, 1,
          label=f"end to end: {exact[:, -1].mean():.3f}")
    local = data["deep_local_accuracy"]
    _band(axes[0], local, colours.VERMILION, 1, ls=":",
          label=f"local errors: {local[:, -1].mean():.3f}")
    for i, (colour, style) in enumerate(zip(LAYERS, ("-", "--", "-."), strict=True)):
        own = data["deep_readouts"][:, :, i]
        _band(axes[0], own, colour, 1, ls=style,
              label=f"own readout of layer {i + 1}: {own[:, -1].mean():.3f}")
        _band(axes[1], data["deep_cosine"][:, :, i], colour, 0, ls=style,
              label=f"layer {i + 1}")
    axes[0].set_title("Three hidden layers, local errors")
    axes[0].legend()
    axes[1].set_title("Local against end-to-end gradient")
    axes[1].legend(loc="upper left", ncols=3)
