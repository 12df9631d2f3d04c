"""Spoken digits: settings of a re-implementation, removed one by one

Spiking networks with and without recurrent weights are trained on spoken digits.  The
program `neural_heterogeneity` is an independent re-implementation of experiments of
[CSSZ20].  The reference condition, called NH, uses most of the settings of the program
`neural_heterogeneity`.  The caption of the figure `spoken_recurrence` lists the
settings of the reference condition.  In each other condition, one setting of the
reference condition is replaced by the setting of the figure `spoken_classifiers`.  Each
bar shows the test accuracy of one run.  Diamonds are published accuracies [CSSZ20].

By default, recurrent networks with time steps of 20 ms are trained for 12 epochs on
1,400 recordings of the Heidelberg Digits.  With --full, networks are trained on all
Heidelberg Digits.  Training ends after 200 epochs, or earlier if the training
accuracy has gained less than 0.005 in the last 20 epochs.
"""

import numpy as np

from figures.run import colours
from figures.run.claims import shown as report
from figures.spoken import fig_spoken_recurrence as base, spoken_networks
from figures.spoken.spoken_networks import classify         # noqa: F401, a shared job
from figures.train import spoken_words

FOLDERS = {"full": spoken_words.FILES}
PAPER = "[CSSZ20]"
REMOVED = {     # label of each setting that replaces a setting of NH
    "dt": "time steps of 4 ms", "longest": "whole words",
    "loss": "loss of the sum", "steepness": "steepness 10",
    "uniform": "normal initial weights, small", "scaled": "membrane input times 1",
    "reset": "reset to 0", "penalty": "no bounds on spikes", "batch": "batches of 256"}
FINE = ("dt", "longest", "batch")               # only with --full
NETS = {"recurrent": "recurrent", "forward": base.FORWARD}
COLOURS = {"recurrent": colours.GREEN, "forward": colours.GREY}
ARRAYS = spoken_networks.ARRAYS


def runs(full):
    """Return the network and options per condition."""
    removed = [key for key in REMOVED if full or key not in FINE]
    return {f"{net}-{key}": (name, {k: v for k, v in base.NH.items() if k != key})
            for net, name in NETS.items() if full or net == "recurrent"
            for key in ("nh", *removed)}


def jobs(size, seed, data, repeats=1, epochs=None, hidden=None):
    """Return the jobs that train the networks."""
    return spoken_networks.listed(
        size, seed, data, base.conditions(size, runs(size == "full")), repeats,
        {"epochs": epochs, "hidden": hidden})


def gather(results):
    """Return the accuracies of each condition."""
    small = any(r.get("data") == spoken_words.EMBEDDED for r in results)
    return spoken_networks.collected(results, runs(not small))


def described(key):
    """Return the label of a condition."""
    net, _, setting = key.partition("-")
    return f"{base.LABELS[net]}, settings of NH" + (
        "" if setting == "nh" else f", but {REMOVED[setting]}")


def claims(size):
    words, full = spoken_words.named(size), size == "full"
    found = [report(key, f"{words}: test accuracy, {described(key)}")
             for key in runs(full)]
    if full:
        found += [report(f"gain-{key}", f"{words}: test accuracy, recurrent minus feed-"
                         f"forward network, settings of NH, but {text}")
                  for key, text in REMOVED.items()]
        found.append(report("not-converged", f"{words}: number of runs that did not "
                            "converge"))
    return found


def measured(data):
    found = dict(zip(data["names"].tolist(), data["test"], strict=True))
    if "forward-nh" not in found:
        return found
    return found | {"not-converged": np.sum(~data["converged"]), **{
        f"gain-{key}": found[f"recurrent-{key}"] - found[f"forward-{key}"]
        for key in REMOVED}}


def shown(data):
    return {key: value for key, value in data.items() if key != "curves"}


def plot(data, fig):
    names = [name.split("-") for name in data["names"].tolist()]
    rows = list(dict.fromkeys(setting for _, setting in names))
    nets = list(dict.fromkeys(net for net, _ in names))
    fig.set_size_inches(9, 1.8 + 0.4 * len(rows))
    axis = fig.subplots()
    for (net, setting), values in zip(names, data["test"], strict=True):
        y = rows.index(setting) + 0.4 * (nets.index(net) - (len(nets) - 1) / 2)
        first = setting == "nh"
        axis.barh(y, values.mean(), 0.38, color=COLOURS[net], alpha=0.75,
                  label=base.LABELS[net] if first else None)
        axis.plot(values, [y] * len(values), "o", color=colours.BLACK, ms=3.5)
        if first:
            axis.axvline(values.mean(), color=COLOURS[net], lw=1)
            axis.plot(base.SOURCE[f"{net}-nh"].value, y, "D", ms=7, mfc="none", mew=1.6,
                      color=colours.BLACK, label="published" if y <= 0 else None)
    axis.axvline(1 / 20, color=colours.GREY, ls=":", lw=1.2)
    axis.annotate("chance", (1 / 20, len(rows) - 0.5), xytext=(4, 0),
                  textcoords="offset points", color=colours.GREY, fontsize=9.5)
    axis.set_yticks(range(len(rows)), ["settings of NH", *(
        f"but {REMOVED[key]}" for key in rows[1:])])
    axis.grid(axis="y", visible=False)
    axis.set(ylim=(len(rows) - 0.4, -0.6), xlim=(0, 1.02), xlabel="test accuracy")
    fig.suptitle(f"Data: {data['title']}", x=0.01, ha="left", fontsize=11.5)
    fig.legend(*axis.get_legend_handles_labels(), loc="outside lower center", ncols=3)
