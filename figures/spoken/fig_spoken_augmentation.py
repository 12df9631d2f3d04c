"""Spoken digits: training on shifted spikes, to convergence

A recurrent spiking network is trained on spoken digits, with or without augmentation.
Augmentation shifts each spike of the training words at random, as the caption of the
figure `spoken_classifiers` describes.  The left panel shows the accuracy on training
words, on test words of known speakers, and on words of the held-out speakers 4 and 5.
The accuracies in the left panel are measured without random shifts of the spikes.  Bars
are means, dots are single runs.  The right panel shows the training accuracy of each
run.  The training accuracy is measured during training.  The network classifies each
training word just before the word is used to update the weights.  With augmentation,
the spikes of a training word are shifted at random before the network classifies the
word.

In the figure `spoken_classifiers`, training with --full lasts 50 epochs.  After 50
epochs, the network has not yet learned the shifted words.  With --full, training in
this figure ends when the training accuracy has gained less than 0.005 in 20 epochs, or
after 200 epochs.  The time steps are 10 ms with --full.  By default, this figure shows
the same runs as `spoken_classifiers`.
"""

import numpy as np

from figures.run import colours
from figures.run.claims import own, shown as report
from figures.spoken import spoken_networks
from figures.spoken.spoken_networks import classify         # noqa: F401, a shared job
from figures.train import spoken_words

FOLDERS = {"full": spoken_words.FILES}
PAPER = "[CSSZ20]"
RUNS = {"plain": "recurrent", "augmented": "recurrent, augmented"}
LABELS = {"plain": "without augmentation", "augmented": "with augmentation"}
COLOURS = {"plain": colours.GREY, "augmented": colours.BLUE}
REPEATS = {"quick": 1, "default": 2, "full": 3}
ARRAYS = spoken_networks.ARRAYS


def jobs(size, seed, data, repeats=None, epochs=None, hidden=None):
    """Return the jobs that train the networks."""
    more = {"dt": 0.01, **spoken_networks.CONVERGED} if size == "full" else {}
    return spoken_networks.listed(
        size, seed, data, {key: (net, more) for key, net in RUNS.items()},
        repeats or REPEATS[size], {"epochs": epochs, "hidden": hidden})


def gather(results):
    """Return the accuracies of each condition."""
    return spoken_networks.collected(results, RUNS)


def claims(size):
    words, full = spoken_words.named(size), size == "full"
    gain = f"{words}: test accuracy, recurrent network, augmented minus not augmented"
    found = [own("gain", gain, low=0.02) if full else report("gain", gain)]
    found += [report(f"{key}-{part}", f"{words}: accuracy on {text}, recurrent network "
                     f"{LABELS[key]}") for key in RUNS for part, text in zip(
        ("test", *spoken_words.KEYS), ("all test words", *spoken_words.SETS),
        strict=True)]
    return found + [report("not-converged", f"{words}: number of runs that did not "
                           "converge")] * full


def measured(data):
    found = {"gain": data["test"][1] - data["test"][0]}
    for i, key in enumerate(RUNS):
        found[f"{key}-test"] = data["test"][i]
        found |= {f"{key}-{part}": values for part, values in zip(
            spoken_words.KEYS, data["accuracy"][i].T, strict=True)}
    if str(data["title"]) == spoken_words.EMBEDDED:
        return found
    return found | {"not-converged": np.sum(~data["converged"])}


def shown(data):
    return data


def plot(data, fig):
    fig.set_size_inches(11, 4.2)
    left, right = fig.subplots(1, 2, sharey=True)
    fig.suptitle(f"Data: {data['title']}", x=0.01, ha="left", fontsize=11.5)
    for i, key in enumerate(RUNS):
        for x, values in enumerate(data["accuracy"][i].T):
            at = x + 0.4 * (i - 0.5)
            left.bar(at, values.mean(), 0.38, color=COLOURS[key], alpha=0.75,
                     label=None if x else LABELS[key])
            left.plot([at] * len(values), values, "o", color=colours.BLACK, ms=3.5)
        curves = data["curves"][i]
        right.plot(np.arange(1, curves.shape[1] + 1), curves.T, color=COLOURS[key],
                   lw=1.2)
    left.axhline(1 / 20, color=colours.GREY, ls=":", lw=1.2, label="chance")
    left.set_xticks(range(3), ["training\nwords", "known\nspeakers",
                               "held-out\nspeakers"])
    left.grid(axis="x", visible=False)
    left.set(ylim=(0, 1.02), ylabel="accuracy")
    right.set(xlabel="epoch", title="Training words")
    fig.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=3)
