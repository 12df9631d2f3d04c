"""A recurrent network on an analog chip learns to classify spoken words

A recurrent network of 186 neurons is trained with an emulated chip in the
loop.  The inputs are spoken words, encoded as spikes in 70 channels.  The chip
receives the spikes 2,000 times faster than the words were spoken.  The same
network is also trained in ideal software.  In a control, the recurrent weights
of a network trained on the chip are shuffled and fixed, and all other weights
are trained anew.  The published test accuracies on the Spiking Heidelberg
Digits (SHD) are 0.762 (chip), 0.643 (control) and 0.712 (software) [CB22].
Two claims are judged on SHD and on the Spiking Speech Commands (SSC).  First,
shuffling and fixing the recurrent weights lowers the test accuracy on the chip
by at least 0.05.  Second, the test accuracy in software is at most 0.05 above
the test accuracy on the chip.  All other data sets are too small to
distinguish the three conditions.  On these data sets, the differences in
accuracy are shown without a bound.

The left panels show the response of the chip to one test word after training:
input spikes, hidden spikes, and the cumulative sum of each readout over time.
The readout with the largest final sum determines the predicted word.  The
middle panel shows the training loss.  Thin lines are single runs, thick lines
are means.  Each run has its own chip, initial weights and order of the words.
The right panel shows the accuracy on training words and on two sets of test
words (known speakers and held-out speakers).  Small markers are single runs,
large markers are means.  Black diamonds are the published accuracies on all
test words of SHD (20 classes).

By default, the words are synthetic English digits, and networks are trained
for 6 epochs.  With --full, networks are trained on SHD and SSC for 100
epochs.  If the files of SHD and SSC are missing, networks are trained for 60
epochs on recordings of the Free Spoken Digit Dataset (FSDD).  This figure
corresponds to [CB22] fig. 5 A, B and table 1.
"""

import numpy as np

from figures.chip import chip_images
from figures.chip.chip_words import keywords    # noqa: F401, a job of this figure
from figures.run import colours, published
from figures.run.claims import Claim, at_least, at_most
from figures.spoken import spoken_words
from figures.spoken.spoken_words import part, recorded      # noqa: F401, shared jobs

FIGURE = "chip_words"
CONDITIONS = (("chip", "trained"), ("chip", "fixed"), ("software", "trained"))
NAMES = {"chip, trained": "chip in the loop",
         "chip, fixed": "chip, recurrent weights\nshuffled and fixed",
         "software, trained": "ideal software"}
COLOURS = {"chip, trained": colours.BLUE, "chip, fixed": colours.PURPLE,
           "software, trained": colours.VERMILION}
TITLES = {"synthetic": "synthetic digits", "fsdd": "Free Spoken Digit Dataset",
          "shd": "Spiking Heidelberg Digits", "ssc": "Spiking Speech Commands"}
SHORT = TITLES | {"fsdd": "FSDD", "shd": "SHD", "ssc": "SSC"}       # in claims
SETS = ("training words", "held-out recordings of known speakers", "held-out speakers")
SIZES = {"quick": (1, 1), "default": (2, 6), "fsdd": (3, 60), "files": (5, 100)}
PART = 10                       # epochs in one job, if words are read from files


def jobs(size, seed, data):
    """Return the jobs that make the data sets, and a chain of jobs for each network."""
    listed = []
    for name, (makers, folder) in spoken_words.data_jobs(size, seed, data).items():
        before = list(range(len(listed), len(listed) + len(makers)))
        listed += makers
        files = folder is not None
        repeats, epochs = SIZES["files" if files else name if name == "fsdd" else size]
        for repeat in range(repeats):
            trained = {}
            for kind, recurrence in CONDITIONS:
                for first in range(0, epochs, PART if files else epochs):
                    call = {"name": name, "folder": folder, "kind": kind,
                            "recurrence": recurrence, "epochs": epochs, "spread": 0.0,
                            "seed": seed, "repeat": repeat, "first": first,
                            "count": min(PART, epochs - first) if files else epochs,
                            "classes": 10 if name == "synthetic" else None}
                    earlier = [len(listed) - 1] if first else \
                        [trained[kind]] if recurrence == "fixed" else []
                    listed.append((keywords, call, *before, *earlier))
                trained[kind] = len(listed) - 1
    return listed


def gather(results):
    """Return the accuracies and the losses of each data set and condition.

    The accuracies are of shape (repeats, 3).  For each data set, the result also holds
    the response of one network to a test word.
    """
    found = {"names": []}
    for r in (r for r in results if "accuracy" in r):
        name, condition = str(r["data"]), str(r["condition"])
        if name not in found["names"]:
            found["names"].append(name)
            found |= {f"{name} {key}": r[key] for key in
                      ("size", "classes", "label", "input", "spikes", "out")}
        found.setdefault(f"{name} {condition}", []).append(r["accuracy"])
        found.setdefault(f"{name} {condition}, loss", []).append(r["curves"][:, 0])
    return {key: np.array(value) for key, value in found.items()}


def claims(data):
    found = []
    for name in data["names"].tolist():
        paper = published.values(FIGURE) if name == "shd" else {}
        test = {key: spoken_words.tested(data, name, key).mean() for key in NAMES}
        trained, fixed, software = test.values()
        beside = (round(paper["chip, trained"] - paper["chip, fixed"], 3),
                  round(paper["software, trained"] - paper["chip, trained"], 3)) \
            if paper else (None, None)
        conditions = {key: "{}, recurrent weights {}".format(*key.split(", "))
                      for key in NAMES}
        control, ideal = (f"{SHORT[name]}: test accuracy, {text}" for text in (
            "chip in the loop, recurrent weights trained minus shuffled and fixed",
            "ideal software minus chip in the loop"))
        found += [at_least(control, trained - fixed, 0.05, beside[0]),
                  at_most(ideal, software - trained, 0.05, beside[1])] \
            if name in ("shd", "ssc") else \
            [Claim(control, float(trained - fixed), "compared", None),
             Claim(ideal, float(software - trained), "compared", None)]
        found += [Claim(f"{SHORT[name]}: test accuracy, {conditions[key]}",
                        float(value), "compared", None, paper.get(key))
                  for key, value in test.items()]
        found += [Claim(f"{SHORT[name]}: accuracy on {text}, {conditions[key]}",
                        float(data[f"{name} {key}"][:, i].mean()), "shown only",
                        None)
                  for key in NAMES for i, text in enumerate(SETS)
                  if data[f"{name} size"][i]]
    return found


def plot(data, fig):
    names = data["names"].tolist()
    fig.set_size_inches(12.5, 5.4 * len(names))
    rows = np.atleast_1d(fig.subfigures(len(names), 1))
    for name, row in zip(names, rows, strict=True):
        left, right = row.subfigures(1, 2, width_ratios=(1, 1.9))
        _word(data, name, left.subplots(3, 1, sharex=True, height_ratios=(0.8, 1.2, 1)))
        size = data[f"{name} size"]
        right.suptitle(f"Data: {TITLES[name]}, {data[f'{name} classes']} classes, "
                       f"{size[0]:,} training words, {size[1]} + {size[2]} test words",
                       fontsize=11.5)
        losses, accuracies = right.subplots(1, 2)
        _losses(data, name, losses)
        _accuracies(data, name, accuracies)


def _word(data, name, axes):
    time_us = np.arange(len(data[f"{name} input"])) * chip_images.DT_S * 1e6
    label, out = int(data[f"{name} label"]), data[f"{name} out"].cumsum(axis=0)
    for ax, key, text in zip(axes, ("input", "spikes"),
                             ("input channel", "hidden neuron"), strict=False):
        step, unit = np.nonzero(data[f"{name} {key}"])
        ax.plot(time_us[step], unit, "|", color=colours.BLACK, ms=2, mew=0.7)
        ax.set(ylabel=text, ylim=(-1, data[f"{name} {key}"].shape[1]))
    for k, course in enumerate(out.T):
        right = k == label
        axes[2].plot(time_us, course, color=colours.BLUE if right else colours.GREY,
                     lw=2.2 if right else 0.8, zorder=3 if right else 2,
                     label="readout of the word" if right else
                     "other readouts" if k == (label + 1) % len(out.T) else None)
    axes[0].set_title("A test word on the chip, after training")
    axes[2].set(ylabel="sum of readout\n(thresholds)", xlabel="time on the chip (µs)")
    axes[2].legend(loc="best")


def _losses(data, name, axis):
    for key, text in NAMES.items():
        curves = data[f"{name} {key}, loss"]
        epochs = np.arange(1, curves.shape[1] + 1)
        axis.plot(epochs, curves.T, color=COLOURS[key], lw=0.6, alpha=0.5)
        axis.plot(epochs, curves.mean(axis=0), "o-", color=COLOURS[key], lw=2.2, ms=4,
                  label=text)
    axis.set(title="Training", xlabel="epoch", ylabel="training loss (nats)")
    axis.xaxis.get_major_locator().set_params(integer=True)
    axis.set_ylim(bottom=0)
    axis.legend(loc="upper right")


def _accuracies(data, name, axis):
    paper = published.values(FIGURE) if name in ("shd", "synthetic") else {}
    for x, key in enumerate(NAMES):
        values = data[f"{name} {key}"]
        looks = spoken_words.LOOKS.values()
        for i, (text, (colour, mark)) in enumerate(zip(SETS, looks, strict=True)):
            at = x + 0.16 * (i - 1)
            axis.plot([at] * len(values), values[:, i], mark, color=colour, ms=4,
                      alpha=0.5, mew=0)
            axis.plot(at, values[:, i].mean(), mark, color=colour, ms=9, mec="white",
                      label=text if not x else None)
        if key in paper:
            axis.plot(x + 0.34, paper[key], "D", color=colours.BLACK, ms=6, mfc="none",
                      mew=1.6, label=None if x else "published, SHD")
    axis.axhline(1 / int(data[f"{name} classes"]), color=colours.GREY, ls=":", lw=1.2)
    axis.annotate("chance", (0.02, 1 / int(data[f"{name} classes"])),
                  xycoords=("axes fraction", "data"), xytext=(0, 3),
                  textcoords="offset points", color=colours.GREY, fontsize=9.5)
    axis.set_xticks(range(len(NAMES)), [
        "chip in\nthe loop", "chip, fixed\nrecurrence", "ideal\nsoftware"])
    axis.set(title="After training", ylabel="accuracy", ylim=(0, 1.02),
             xlim=(-0.5, 2.6))
    axis.grid(axis="x", visible=False)
    axis.figure.legend(*axis.get_legend_handles_labels(), loc="outside lower right",
                       ncols=4)
