"""Telling spoken digits apart: who sees timing, and who only counts

Classifiers of the same spikes: support vector machines on how often each
channel spiked; spiking networks, feed-forward with one to three hidden
layers or recurrent; an LSTM; a convolutional network.  Those on counts fall
at least 5 points behind LSTM and convolutions.  Each network loses as much
when the times of each word's events are permuted, which leaves every channel
as active as before.  The recurrent spiking network beats the feed-forward
one with as many neurons by at least 5 points.

Test accuracy is that of all test words.  Drawn are words trained on, other
words of the same speakers ("held-out index"), and words of speakers that are
heard in no other; small marks are single runs.  Black diamonds are published
for the Spiking Heidelberg Digits (SHD) [CSSZ20], another data set with ten
times the channels and eight times the words.

The default data are synthetic digits, 20 classes.  At --full, SHD (and SSC)
where the data folder has shd_train.h5 and shd_test.h5, or else recordings of
the Free Spoken Digit Dataset: 10 classes, 6 speakers, two held out, 210
channels, with augmentation (channels moved); there the recurrent network
reaches at least 80 % of the held-out indices, and the convolutional one, which
600 words do not suffice for, loses only 2 points with permuted times.  Spiking
networks have 128 neurons a layer, steps of 20 ms, and time constants of 20
and 10 ms; the sum of their readouts over time decides, of the LSTM's the
maximum.  On SHD and SSC the settings are the paper's as far as they are
known: steps of 2 ms, of 10 ms for LSTM (128 cells) and convolutions (two of
32 maps, 11x11), the maximum decides, bounds on activity, Adamax at 0.001,
batches of 256, 50 epochs; and on SHD those of the authors' tutorial beside:
200 neurons, steps of 14 ms, time constants of 140 and 70 ms, 200 epochs.
"""

import numpy as np

from figures.run.claims import Claim, at_least
from figures.run import colours
from figures.run import published
from figures.spoken import spoken_networks
from figures.spoken import spoken_words
from figures.spoken.spoken_networks import classify  # noqa: F401, jobs that figures share
from figures.spoken.spoken_words import part, recorded  # noqa: F401

FIGURE = "spoken_classifiers"
SPIKING = ("feed-forward, 1 layer", "feed-forward, 2 layers", "feed-forward, 3 layers",
           "recurrent")
COUNTING = ("counts, linear", "counts, radial")
TIMED = ("recurrent", "LSTM", "CNN")
CONDITIONS = (*COUNTING, *(f"{name}, shuffled" for name in TIMED), *SPIKING, "LSTM",
              "CNN")
TUTORIAL = "recurrent, tutorial"         # on SHD itself, in the tutorial's settings
REPEATS = {"quick": 1, "default": 3, "full": 3}


def jobs(size, seed, data):
    """The jobs that make a data set, and one for each classifier and repeat."""
    listed = []
    for name, (makers, folder) in spoken_words.data_jobs(size, seed, data).items():
        before = range(len(listed), len(listed) + len(makers))
        listed += makers
        setting = "own" if folder is None else "paper"
        runs = [(condition, setting) for condition in CONDITIONS]
        runs += [("recurrent", "tutorial")] if name == "shd" else []
        for condition, how in runs:
            for repeat in range(1 if condition in COUNTING else REPEATS[size]):
                spoken_networks.add(listed, condition, name, folder, seed, repeat, before, how)
    return listed


def rows(data, name):
    """Conditions that a data set has."""
    return [*CONDITIONS, TUTORIAL] if f"{name} {TUTORIAL}" in data else CONDITIONS


def theirs(name):
    """Published test accuracies; those of SHD for synthetic digits, too."""
    paper = published.values(FIGURE)
    if name == "ssc":
        return {key.removeprefix("SSC: "): value for key, value in paper.items()
                if key.startswith("SSC: ")}
    return paper if name in ("synthetic", "shd") else {}


def difference(paper, one, other):
    """Of two published accuracies, or None."""
    return round(paper[one] - paper[other], 3) if {one, other} <= set(paper) else None


def gather(results):
    """Accuracies {NAME CONDITION: (repeats, 3)} and {NAME size: (3,)}."""
    found = {"names": []}
    for r in (r for r in results if "accuracy" in r):
        name = str(r["data"])
        if name not in found["names"]:
            found["names"].append(name)
        found.setdefault(f"{name} {r['condition']}", []).append(r["accuracy"])
        found[f"{name} size"] = r["size"]
    return {key: np.array(value) for key, value in found.items()}


def claims(data):
    found = []
    for name in data["names"].tolist():
        paper = theirs(name)
        test = {key: spoken_words.tested(data, name, key).mean() for key in rows(data, name)}
        counted = max(test[key] for key in COUNTING)
        gained = [test[key] - test[f"{key}, shuffled"] for key in TIMED]
        forward = max(test[key] for key in SPIKING[1:3])
        found += [
            at_least(f"{name}: least of LSTM and CNN - best on counts",
                     min(test["LSTM"], test["CNN"]) - counted, 0.05,
                     difference(paper, "LSTM", "counts, radial")),
            at_least(f"{name}: least of LSTM, CNN and recurrent spiking - the "
                     "same on permuted times", min(gained), 0.05),
            at_least(
                f"{name}: recurrent spiking - feed-forward, 1 layer",
                test["recurrent"] - test[SPIKING[0]], 0.05,
                difference(paper, "recurrent", SPIKING[0])),
            Claim(f"{name}: recurrent spiking - best of deeper ones",
                  float(test["recurrent"] - forward), "compared", None),
            Claim(f"{name}: recurrent spiking - best on counts",
                  float(test["recurrent"] - counted), "compared", None,
                  difference(paper, "recurrent", "counts, radial"))]
        if name == "fsdd":
            found.append(at_least(
                "fsdd: recurrent spiking, held-out indices",
                data["fsdd recurrent"][:, 1].mean(), 0.8))
        found += [Claim(f"{name}: test accuracy, {key}", float(value),
                        "compared", None, paper.get(key))
                  for key, value in test.items()]
        found += [Claim(f"{name}: {text}, {key}",
                        float(data[f"{name} {key}"][:, i].mean()), "shown only",
                        None)
                  for key in test for i, text in enumerate(spoken_words.SETS)
                  if data[f"{name} size"][i]]
    return found


TITLES = {"synthetic": "Synthetic digits", "shd": "Spiking Heidelberg Digits",
          "ssc": "Spiking Speech Commands", "fsdd": "Free Spoken Digit Dataset"}


def plot(data, fig):
    names = data["names"].tolist()
    fig.set_size_inches(9.5, 5.9 * len(names))
    for axis, name in zip(np.atleast_1d(fig.subplots(len(names), 1)), names,
                          strict=True):
        _classifiers(data, name, axis)


def _classifiers(data, name, axis):
    paper, shown = theirs(name), rows(data, name)
    for row, condition in enumerate(shown):
        values = data[f"{name} {condition}"]
        axis.plot(values.mean(axis=0)[[0, -1]], [row, row], color="#D0D0D0", lw=1,
                  zorder=1)
        for i, (text, (colour, mark)) in enumerate(spoken_words.LOOKS.items()):
            axis.plot(values[:, i], [row] * len(values), mark, color=colour, ms=4,
                      alpha=0.5, mew=0)
            axis.plot(values[:, i].mean(), row, mark, color=colour, ms=9, mec="white",
                      label=text if not row else None, zorder=4 - i)
        if condition in paper:
            source = "SSC" if name == "ssc" else "SHD"
            axis.plot(paper[condition], row, "D", color=colours.BLACK, ms=6, zorder=6,
                      mfc="none", mew=1.6, label=f"published, {source}, test words"
                      if condition == next(key for key in shown if key in paper)
                      else None)
    size, classes = data[f"{name} size"], {"fsdd": 10, "ssc": 35}.get(name, 20)
    axis.axvline(1 / classes, color=colours.GREY, ls=":", lw=1.2)
    axis.annotate("chance", (1 / classes, 0.25), xytext=(4, 0),
                  textcoords="offset points", color=colours.GREY, fontsize=9.5)
    axis.set_yticks(range(len(shown)), [
        f"spiking, {text}" if text in SPIKING else
        f"spiking, {text.removesuffix(', shuffled')}, times permuted"
        if text == "recurrent, shuffled" else "spiking, recurrent, tutorial's settings"
        if text == TUTORIAL else text.replace("shuffled", "times permuted")
        for text in shown])
    for line in (1.5, 4.5, 8.5):
        axis.axhline(line, color="#B0B0B0", lw=0.8)
    axis.set(title=f"{TITLES[name]}: {size[0]:,} words to train on, "
             f"{size[1]} + {size[2]} to test", ylim=(len(shown) - 0.4, -0.6),
             xlim=(0, 1.02), xlabel="share of words recognised")
    axis.figure.legend(*axis.get_legend_handles_labels(), loc="outside lower center",
                       ncols=4)
