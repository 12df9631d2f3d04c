"""Spoken words on an analog chip, and what its recurrent weights are worth

A recurrent network of 186 neurons on an emulated chip learns words of 70
channels, 2,000 times faster than they were spoken, with the chip in the
loop.  Its control keeps the recurrent weights of a trained network, in random
places, and learns the others anew: on the Spiking Heidelberg Digits (SHD) it
is published 12 points behind, and the network on the chip 5 points before
the one in ideal software [CB22].  The few words and epochs of the default
data do not tell the three apart, so that only runs on SHD and SSC judge this.

Left: what one test word makes of the chip after learning, namely spikes of
the input and of the hidden layer, and the readouts summed over time, whose
largest one decides.  Middle: the loss, a thin line for each run (a chip,
initial weights, order of the words).  Right: share of words recognised; small
marks are single runs.  Black diamonds are published for SHD, 20 classes, all
test words.

The default data are synthetic English digits, 6 epochs.  At --full, SHD (and
SSC) where the data folder has it, 100 epochs, or else recordings of the Free
Spoken Digit Dataset, 60 epochs.  Mirrors [CB22] fig. 5 A and B, and table 1.
"""

import numpy as np

from figures.chip import chip_words
from figures.run.claims import Claim, at_least, at_most
from figures.run import colours
from figures.run import published
from figures.spoken import spoken_words
from figures.chip.chip_words import keywords  # noqa: F401, a job
from figures.spoken.spoken_words import part, recorded  # noqa: F401, jobs that figures share

FIGURE = "chip_words"
CONDITIONS = (("chip", "trained"), ("chip", "fixed"), ("software", "trained"))
NAMES = {"chip, trained": "chip in the loop",
         "chip, fixed": "chip, recurrent weights\nshuffled and fixed",
         "software, trained": "ideal software"}
COLOURS = {"chip, trained": colours.BLUE, "chip, fixed": colours.PURPLE,
           "software, trained": colours.VERMILION}
TITLES = {"synthetic": "synthetic digits", "fsdd": "Free Spoken Digit Dataset",
          "shd": "Spiking Heidelberg Digits", "ssc": "Spiking Speech Commands"}
SIZES = {"quick": (1, 1), "default": (2, 6), "fsdd": (3, 60), "files": (5, 100)}
PART = 10                       # epochs that make a job, of files


def jobs(size, seed, data):
    """The jobs that make a data set, and one or a chain for each network."""
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
    """Of each data set: accuracies (conditions, repeats, 3), losses, one word."""
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
        control, ideal = (f"{name}: recurrent weights trained - shuffled and fixed, "
                          "chip in the loop", f"{name}: ideal software - chip in the "
                          "loop")
        found += [at_least(control, trained - fixed, 0.05, beside[0]),
                  at_most(ideal, software - trained, 0.05, beside[1])] \
            if name in ("shd", "ssc") else \
            [Claim(control, float(trained - fixed), "compared", None),
             Claim(ideal, float(software - trained), "compared", None)]
        found += [Claim(f"{name}: test accuracy, {key}", float(value),
                        "compared", None, paper.get(key))
                  for key, value in test.items()]
        found += [Claim(f"{name}: {text}, {key}",
                        float(data[f"{name} {key}"][:, i].mean()), "shown only",
                        None)
                  for key in NAMES for i, text in enumerate(spoken_words.SETS)
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
                       f"{size[0]:,} words to train on, {size[1]} + {size[2]} to test",
                       fontsize=11.5)
        losses, shares = right.subplots(1, 2)
        _losses(data, name, losses)
        _shares(data, name, shares)


def _word(data, name, axes):
    time_us = np.arange(len(data[f"{name} input"])) * chip_words.tasks.DT_S * 1e6
    label, out = int(data[f"{name} label"]), data[f"{name} out"].cumsum(axis=0)
    for ax, key, text in zip(axes, ("input", "spikes"), ("input", "hidden neuron"),
                             strict=False):
        step, unit = np.nonzero(data[f"{name} {key}"])
        ax.plot(time_us[step], unit, "|", color=colours.BLACK, ms=2, mew=0.7)
        ax.set(ylabel=text, ylim=(-1, data[f"{name} {key}"].shape[1]))
    for k, course in enumerate(out.T):
        axes[2].plot(time_us, course, color=colours.BLUE if k == label else colours.GREY,
                     lw=2.2 if k == label else 0.8, zorder=3 if k == label else 2,
                     label="of the word" if k == label else
                     "of the others" if k == (label + 1) % len(out.T) else None)
    axes[0].set_title("A test word on the chip, after learning")
    axes[2].set(ylabel="summed readouts\n(thresholds)", xlabel="time on the chip (µs)")
    axes[2].legend(loc="best")


def _losses(data, name, axis):
    for key, text in NAMES.items():
        curves = data[f"{name} {key}, loss"]
        epochs = np.arange(1, curves.shape[1] + 1)
        axis.plot(epochs, curves.T, color=COLOURS[key], lw=0.6, alpha=0.5)
        axis.plot(epochs, curves.mean(axis=0), "o-", color=COLOURS[key], lw=2.2, ms=4,
                  label=text)
    axis.set(title="Learning", xlabel="epoch", ylabel="training loss (nats)")
    axis.xaxis.get_major_locator().set_params(integer=True)
    axis.set_ylim(bottom=0)
    axis.legend(loc="upper right")


def _shares(data, name, axis):
    paper = published.values(FIGURE) if name in ("shd", "synthetic") else {}
    for x, key in enumerate(NAMES):
        values = data[f"{name} {key}"]
        for i, (text, (colour, mark)) in enumerate(spoken_words.LOOKS.items()):
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
    axis.set(title="Recognition", ylabel="share of words recognised", ylim=(0, 1.02),
             xlim=(-0.5, 2.6))
    axis.grid(axis="x", visible=False)
    axis.figure.legend(*axis.get_legend_handles_labels(), loc="outside lower right",
                       ncols=4)
