"""Online, the presynaptic rule keeps most of the accuracy of exact RTRL

Panel a shows the test accuracy against the number of training sequences for each
learning rule, and bands show the range over repetitions.  Panel b shows the test
accuracy against the number of multiplications.  Panel c shows the final test
accuracies.

Networks with a recurrent layer of 16 spiking neurons and a leaky readout are trained to
classify spike trains. At every time step, the loss is the cross entropy of the readout
potentials. An online rule computes the gradient of the loss forward in time, and
changes all weights at every time step. Five online rules are compared: exact real-time
recurrent learning (RTRL), the three approximations of RTRL in `refsnn.sparse_rtrl`
("block", "implicit" and "presynaptic"), and e-prop in a layer of adaptive neurons
(`refsnn.alif`). The caption of the figure `delay` describes the five learning rules.
All online rules use the exact derivative of the loss with respect to the spikes of the
recurrent layer. For comparison, backpropagation through time (BPTT) changes the weights
only once per sequence, after the last time step. In the condition "readout alone", only
the readout weights are changed, at every time step.

The 16 digits or 20 letters of a batch are presented at the same time, and each weight
change uses the mean gradient over the batch.  In each repetition, the data are split
anew into training and test sequences, and the networks of all rules start from the same
initial weights and receive the same sequences in the same order.  Accuracies are
measured on test sequences, without weight changes.

By default, the networks classify the handwritten digits of 8x8 pixels included in
refsnn.  The pixel rows of a digit are presented one after the other, for 4 ms each.
With the option --full, the data are recordings of four tactile sensors that were moved
over Braille letters (27 classes).  A larger network in the fifth tutorial that
accompanies [NMZ19] classifies the same recordings.  For digits and for Braille letters,
an input channel spikes when the grey level or the sensor signal crosses a fixed level.
Because a constant grey level or signal yields no spikes, the network must remember
earlier spikes.  The predicted class is the class of the readout unit with the largest
mean potential over the last 8 ms (digits) or over all 76 time steps (letters).

Panel b counts the multiplications for the simulation, the eligibility traces and the
gradient.  Multiplications by spikes and multiplications in the optimiser are not
counted (see `online_training.multiplications`).  BPTT needs few multiplications, but
must store the states of all time steps.  The rule "presynaptic" stores only two traces
for each input and each neuron.  The gain of a rule is the mean accuracy with this rule
minus the mean accuracy of "readout alone".

All hyperparameters were chosen with other seeds, on held-out sequences of the training
set.  The learning rate was chosen for exact RTRL, and is the same for all online rules.
Separate learning rates were chosen for BPTT and for the condition "readout alone".  The
optimiser is Adam, with the decay factor beta1 = 0.9 of the mean gradient for BPTT, and
beta1 = 0.99 for all rules that change the weights at every time step.  The bounds were
fixed before the networks were trained.  This figure does not correspond to a published
figure.
"""

import os

import numpy as np

from figures.online import online_training
from figures.online.online_training import learn
from figures.run import colours
from figures.run.claims import own, shown as report

FOLDERS = {"full": ("braille",)}    # required in the --data folder
PAPER = "[ZN21]"
SIZES = {"quick": (1, 0.1), "default": (3, 2.5), "full": (5, 15)}   # repeats, epochs
RULES, ONLINE = online_training.RULES, online_training.ONLINE
ALONE, BPTT = online_training.ALONE, online_training.BPTT
CHEAPEST = "presynaptic"
RATES = {"digits": dict.fromkeys(RULES, 5e-4) | {BPTT: 1e-2, ALONE: 3e-3},
         "braille": dict.fromkeys(RULES, 2e-4) | {BPTT: 3e-3, ALONE: 1e-3}}
COLOURS = dict(zip(RULES, (
    colours.BLUE, colours.VERMILION, colours.GREEN, colours.PURPLE, colours.BLACK,
    colours.ORANGE, colours.GREY), strict=True))
MARKS = dict(zip(RULES, "osD^vPx", strict=True))
IDS = {rule: rule.replace(", ", "-").replace(" ", "-").lower() for rule in RULES}
ARRAYS = {
    "curve": ("rule, run, point", "accuracy", "test accuracy"),
    "seen": ("point", "1", "training sequences seen"),
    "chance": ("", "accuracy", "chance accuracy"),
    "multiplications": ("rule", "1", "multiplications for one batch of sequences")}


def jobs(size, seed, data, repeats=None, epochs=None, hidden=16):
    """Return one training job for each network."""
    repeats, epochs = repeats or SIZES[size][0], epochs or SIZES[size][1]
    task = "braille" if size == "full" else "digits"
    folder = os.path.join(data, task) if size == "full" else None
    return [(learn, {"task": task, "folder": folder, "rule": rule,
                     "rate": RATES[task][rule], "epochs": epochs, "hidden": hidden,
                     "seed": seed, "repeat": repeat})
            for repeat in range(repeats) for rule in RULES]


def gather(results):
    """Return test accuracies and numbers of multiplications."""
    name, steps = str(results[0]["task"]), int(results[0]["steps"])
    task = online_training.TASKS[name]._replace(hidden=int(results[0]["neurons"]))
    curve = np.array([[r["curve"] for r in results if r["rule"] == rule]
                      for rule in RULES])
    per_step = [online_training.multiplications(rule, task) for rule in RULES]
    return {"curve": curve, "seen": results[0]["seen"], "chance": 1 / task.classes,
            "multiplications": steps * np.array(per_step)}


def claims(size):
    test = "test accuracy on " + ("Braille letters" if size == "full" else "digits")
    return [
        *[report(IDS[rule], f"{test}, {rule}") for rule in RULES],
        own("block-minus-exact", f"{test}, block minus exact RTRL", high=0.02,
            headline="Online, Braille (own network): test accuracy, block-diagonal "
            "minus exact RTRL"),
        own("implicit-minus-exact", f"{test}, implicit minus exact RTRL", high=0.02),
        own("presynaptic-minus-exact", f"{test}, presynaptic minus exact RTRL",
            high=0.02),
        own("gain", f"gain in {test} over the readout alone, presynaptic / exact RTRL",
            low=0.75),
        report("multiplications", "multiplications per step, exact RTRL / presynaptic, "
               "counted")]


def measured(data):
    final = dict(zip(RULES, data["curve"][:, :, -1], strict=True))
    exact, cheap, alone = (final[rule] for rule in ("exact", CHEAPEST, ALONE))
    cost = dict(zip(RULES, data["multiplications"], strict=True))
    return {**{IDS[rule]: final[rule] for rule in RULES},
            **{f"{rule}-minus-exact": final[rule] - exact for rule in ONLINE[1:4]},
            "gain": (cheap - alone) / np.where(exact > alone, exact - alone, np.nan),
            "multiplications": cost["exact"] / cost[CHEAPEST]}


def shown(data):
    return data


def plot(data, fig):
    fig.set_size_inches(13, 4.6)
    sequences, products, final = fig.subplots(1, 3, sharey=True,
                                              width_ratios=(1, 1, 0.9))
    seen, top = data["seen"], data["curve"].max()
    for rule, curve, each in zip(RULES, data["curve"], data["multiplications"],
                                 strict=True):
        _plot_curve(sequences, rule, seen, curve)
        _plot_curve(products, rule, seen * float(each), curve)
    sequences.set(xlabel="sequences seen", ylabel="test accuracy", xlim=(0, None),
                  title="a  Accuracy against sequences", ylim=(0, 1.08 * top))
    products.set(xscale="log", xlabel="multiplications spent",
                 title="b  Accuracy against multiplications")
    for i, (rule, curve) in enumerate(zip(RULES, data["curve"], strict=True)):
        last = curve[:, -1]
        final.plot(np.linspace(i - 0.22, i + 0.22, len(last)), last, MARKS[rule],
                   color=COLOURS[rule], ms=4.5, alpha=0.5)
        final.plot([i - 0.35, i + 0.35], 2 * [last.mean()], color=COLOURS[rule], lw=2.5)
        final.annotate(f"{last.mean():.2f}", (i, last.max()), xytext=(0, 6),
                       textcoords="offset points", ha="center", fontsize=9.5)
    final.set_xticks(range(len(RULES)), RULES, rotation=35, ha="right",
                     rotation_mode="anchor")
    final.set(title="c  After training: seeds and means")
    final.grid(axis="x", visible=False)
    for axis in (sequences, products, final):
        axis.axhline(data["chance"], color=colours.GREY, ls=":", lw=1.2)
    sequences.annotate("chance", (1, data["chance"]), ha="right", va="bottom",
                       xycoords=("axes fraction", "data"), fontsize=9.5,
                       color=colours.GREY)
    fig.legend(*sequences.get_legend_handles_labels(), loc="outside upper center",
               ncols=len(RULES), handlelength=1.6, columnspacing=1.4)


def _plot_curve(axis, rule, x, curve):
    """Plot mean and range of the accuracy."""
    axis.fill_between(x, curve.min(axis=0), curve.max(axis=0), lw=0, alpha=0.12,
                      color=COLOURS[rule])
    axis.plot(x, curve.mean(axis=0), color=COLOURS[rule], marker=MARKS[rule], lw=2.0,
              markevery=(len(x) - 1) // 4 or 1, ms=5.5, label=rule)
