"""Online learning of digits and Braille letters: exact RTRL and its approximations

Panel a shows the test accuracy of each learning rule against the number of training
sequences.  Bands show the range over repetitions.  Panel b shows the test accuracy
against the number of multiplications during training.  Panel c shows the final test
accuracies.

Networks with a recurrent layer of 16 spiking neurons and a leaky readout are trained to
classify spike trains.  At every time step, the loss is the cross entropy of the readout
potentials.  An online rule computes the gradient of the loss forward in time, and
changes all weights at every time step.  The caption of the figure `delay` describes the
five online rules.  The rule "exact" is real-time recurrent learning (RTRL).  For
comparison, backpropagation through time (BPTT) changes the weights once for each batch,
after the last time step.  In the condition "readout alone", online training changes
only the readout weights.

Each weight change uses the mean gradient over a batch of 16 digits or 20 letters.  In
each repetition, the data are split anew into training and test sequences.  The networks
of all rules start from the same initial weights and receive the same sequences in the
same order.  The weights do not change during tests.

By default, the networks classify the handwritten digits of 8x8 pixels included in
refsnn.  The pixel rows of a digit are presented one after the other, for 4 ms each.
With --full, the data are recordings of four tactile sensors that were moved over
Braille letters (27 classes).  The input signals are the grey levels in each pixel
column, or the signals of the sensors.  An input channel spikes when an input signal
crosses a fixed level.  A constant signal therefore causes no spikes.  The readout unit
with the largest mean potential determines the predicted class.  The mean potential is
computed over the last 8 ms for digits, and over all 76 time steps for Braille letters.

Panel b counts the multiplications that compute the simulation, the eligibility traces
and the gradient.  Multiplications by spikes are not counted.  BPTT needs few
multiplications, but must store the states of all time steps.  The gain of a rule is its
mean accuracy minus the mean accuracy of "readout alone".

With --full, panel c also shows four control conditions, which test why an approximation
can be more accurate than exact RTRL.  In the condition "exact, half rate", the learning
rate of exact RTRL is halved.  In the three conditions with "after" in their name, the
weights change only after each batch of sequences.  The conditions with "after" in their
name use the optimiser and the learning rate that were chosen for BPTT.

All hyperparameters were chosen with other seeds, on held-out sequences of the training
set.  The learning rate was chosen for exact RTRL, and is the same for all online rules.
Separate learning rates were chosen for BPTT and for the condition "readout alone".  The
optimiser is Adam, with beta1 = 0.9 for BPTT, and beta1 = 0.99 for all rules that change
the weights at every time step.  The bounds were fixed before the networks were trained.
Approximations were expected to be at most as accurate as exact RTRL.  The claims allow
an approximation to exceed the accuracy of exact RTRL by up to 0.02, because accuracies
vary at random.  This figure does not correspond to a published figure.  No published
accuracy of RTRL or its approximations on these recordings is known.
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
COMPARED = ("exact", "block", "implicit")       # with MANY runs with --full
MANY = 30
HALF = "exact, half rate"
# {name: (rule, factor of the learning rate, whether the weights change only after each
# batch, number of runs)}, with --full.  The learning rate of "after" is that of BPTT.
CONTROLS = {HALF: ("exact", 0.5, False, MANY),
            **{f"{rule}, after": (rule, 1.0, True, 10) for rule in COMPARED}}
RATES = {"digits": dict.fromkeys(RULES, 5e-4) | {BPTT: 1e-2, ALONE: 3e-3},
         "braille": dict.fromkeys(RULES, 2e-4) | {BPTT: 3e-3, ALONE: 1e-3}}
COLOURS = dict(zip(RULES, (
    colours.BLUE, colours.VERMILION, colours.GREEN, colours.PURPLE, colours.BLACK,
    colours.ORANGE, colours.GREY), strict=True))
COLOURS |= {name: COLOURS[rule] for name, (rule, *_) in CONTROLS.items()}
MARKS = dict(zip((*RULES, *CONTROLS), "osD^vPx<>12", strict=True))
IDS = {rule: rule.replace(", ", "-").replace(" ", "-").lower()
       for rule in (*RULES, *CONTROLS)}
ARRAYS = {
    **{key: ("run, point", "accuracy", f"test accuracy, {rule}")
       for rule, key in IDS.items()},
    "seen": ("point", "1", "training sequences seen"),
    "chance": ("", "accuracy", "chance accuracy"),
    "multiplications": ("rule", "1", "multiplications for one batch of sequences")}


def jobs(size, seed, data, repeats=None, epochs=None, hidden=16):
    """Return one training job for each network."""
    count, epochs = repeats or SIZES[size][0], epochs or SIZES[size][1]
    full = size == "full"
    task = "braille" if full else "digits"
    rates = RATES[task]
    listed = [(rule, rates[rule], False,
               MANY if full and not repeats and rule in COMPARED else count)
              for rule in RULES]
    if full:
        listed += [(rule, rates[BPTT if after else rule] * factor, after, repeats or n)
                   for rule, factor, after, n in CONTROLS.values()]
    common = {"task": task, "folder": os.path.join(data, task) if full else None,
              "epochs": epochs, "hidden": hidden, "seed": seed}
    return [(learn, {**common, "rule": rule, "rate": rate, "repeat": repeat,
                     **({"after": True} if after else {})})
            for repeat in range(max(n for *_, n in listed))
            for rule, rate, after, n in listed if repeat < n]


def gather(results):
    """Return test accuracies and numbers of multiplications."""
    name, steps = str(results[0]["task"]), int(results[0]["steps"])
    task = online_training.TASKS[name]._replace(hidden=int(results[0]["neurons"]))
    found = {}
    for r in results:
        rule = str(r["rule"])
        if r["after"]:
            rule = f"{rule}, after"
        elif r["rate"] != RATES[name][rule]:
            rule = HALF
        found.setdefault(IDS[rule], []).append(r["curve"])
    per_step = [online_training.multiplications(rule, task) for rule in RULES]
    return {**{key: np.array(curves) for key, curves in found.items()},
            "seen": results[0]["seen"], "chance": 1 / task.classes,
            "multiplications": steps * np.array(per_step)}


def claims(size):
    full = size == "full"
    test = "test accuracy on " + ("Braille letters" if full else "digits")
    found = [
        *[report(IDS[rule], f"{test}, {rule}")
          for rule in (IDS if full else RULES)],
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
    if full:
        found += [report("half-minus-exact", f"{test}, exact RTRL, half the learning "
                         "rate minus the usual rate"),
                  *[report(f"{rule}-minus-exact-after", f"{test}, weights change after "
                           f"the sequence, {rule} minus exact RTRL")
                    for rule in COMPARED[1:]]]
    return found


def measured(data):
    final = {rule: data[key][:, -1] for rule, key in IDS.items() if key in data}

    def minus(a, b):
        """Return paired differences of accuracies."""
        n = min(len(final[a]), len(final[b]))
        return final[a][:n] - final[b][:n]

    exact, cheap = minus("exact", ALONE), minus(CHEAPEST, ALONE)
    cost = dict(zip(RULES, data["multiplications"], strict=True))
    found = {**{IDS[rule]: accuracy for rule, accuracy in final.items()},
             **{f"{rule}-minus-exact": minus(rule, "exact") for rule in ONLINE[1:4]},
             "gain": cheap / np.where(exact > 0, exact, np.nan),
             "multiplications": cost["exact"] / cost[CHEAPEST]}
    if HALF in final:
        found["half-minus-exact"] = minus(HALF, "exact")
        found |= {f"{rule}-minus-exact-after": minus(f"{rule}, after", "exact, after")
                  for rule in COMPARED[1:]}
    return found


def shown(data):
    return data


def plot(data, fig):
    fig.set_size_inches(13, 4.6)
    sequences, products, final = fig.subplots(1, 3, sharey=True,
                                              width_ratios=(1, 1, 0.9))
    seen, drawn = data["seen"], [rule for rule in IDS if IDS[rule] in data]
    top = max(data[IDS[rule]].max() for rule in drawn)
    for rule, each in zip(RULES, data["multiplications"], strict=True):
        curve = data[IDS[rule]]
        _plot_curve(sequences, rule, seen, curve)
        _plot_curve(products, rule, seen * float(each), curve)
    sequences.set(xlabel="sequences seen", ylabel="test accuracy", xlim=(0, None),
                  title="a  Accuracy against sequences", ylim=(0, 1.08 * top))
    products.set(xscale="log", xlabel="multiplications spent",
                 title="b  Accuracy against multiplications")
    for i, rule in enumerate(drawn):
        last = data[IDS[rule]][:, -1]
        final.plot(np.linspace(i - 0.22, i + 0.22, len(last)), last, MARKS[rule],
                   color=COLOURS[rule], ms=4.5, alpha=0.5)
        final.plot([i - 0.35, i + 0.35], 2 * [last.mean()], color=COLOURS[rule], lw=2.5)
        final.annotate(f"{last.mean():.2f}", (i, last.max()), xytext=(0, 6),
                       textcoords="offset points", ha="center", fontsize=9.5)
    final.set_xticks(range(len(drawn)), drawn, rotation=35, ha="right",
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
