"""Spoken digits are recognised better from spike times than from spike counts

Classifiers are trained on the same spikes of spoken digits.  Support vector
machines receive the number of spikes in each channel.  Spiking networks, an
LSTM and a convolutional network (CNN) receive the spikes in time steps.  The
spiking networks are feed-forward with one to three hidden layers, or recurrent.
The LSTM and the CNN are each at least 0.05 more accurate on test words than the
best support vector machine.  In a control, the event times of each word are
permuted, so that the number of spikes in each channel stays the same.  With
permuted times, the LSTM, the CNN and the recurrent spiking network each lose at
least 0.05 of test accuracy.  The test accuracy of the recurrent spiking network
is at least 0.05 above the test accuracy of the feed-forward spiking network
with the same number of neurons.

Test accuracy is computed on all test words.  The figure shows the accuracy on
training words, on held-out recordings of known speakers (speakers of training
words), and on words of held-out speakers.  Small markers are single runs, large
markers are means.  Black diamonds are the published test accuracies on the
Spiking Heidelberg Digits (SHD) [CSSZ20].  SHD has ten times the channels and
eight times the training words of the synthetic digits.

By default, the data are synthetic digits of 20 classes.  Spiking networks have
128 neurons per layer, time steps of 20 ms, a membrane time constant of 20 ms,
and a synaptic time constant of 10 ms.  The readout with the largest sum over
time determines the predicted class.  For the LSTM, the maximum over time
replaces the sum.

With --full, the data are SHD and the Spiking Speech Commands (SSC), if their
files are in the data folder.  Where known, hyperparameters are taken from
[CSSZ20].  Spiking networks then have time steps of 2 ms and regularisers that
bound the activity.  The maximum of the readouts over time then determines the
predicted class.  The LSTM has 128 cells.  The CNN has two convolutions (32
maps, kernels of 11x11).  LSTM and CNN have time steps of 10 ms.  Training uses
Adamax with a learning rate of 0.001, mini-batches of 256 words and 50 epochs.
On SHD, a further network has hyperparameters of the authors' tutorial: 200
neurons, time steps of 14 ms, time constants of 140 and 70 ms, and 200 epochs.

Without the files of SHD and SSC, the data are recordings of the Free Spoken
Digit Dataset (FSDD).  FSDD has 10 classes and 6 speakers, two of whom are held
out.  The spikes have 210 channels.  In the training words, the channels of the
events are randomly jittered.  On held-out recordings of known speakers, the
recurrent spiking network has an accuracy of at least 0.8.  With permuted
times, the CNN loses only 0.02 of test accuracy, because 600 training words are
too few.  The figure follows the comparison of classifiers in [CSSZ20].
"""

import numpy as np

from figures.run import colours, published
from figures.run.claims import Claim, at_least
from figures.spoken import spoken_networks, spoken_words
from figures.spoken.spoken_networks import classify         # noqa: F401, a shared job
from figures.spoken.spoken_words import part, recorded      # noqa: F401, shared jobs

FIGURE = "spoken_classifiers"
SPIKING = ("feed-forward, 1 layer", "feed-forward, 2 layers", "feed-forward, 3 layers",
           "recurrent")
COUNTING = ("counts, linear", "counts, radial")
TIMED = ("recurrent", "LSTM", "CNN")
CONDITIONS = (*COUNTING, *(f"{name}, shuffled" for name in TIMED), *SPIKING, "LSTM",
              "CNN")
TUTORIAL = "recurrent, tutorial"         # settings of the tutorial, for SHD only
REPEATS = {"quick": 1, "default": 3, "full": 3}


def jobs(size, seed, data):
    """Return the jobs that make each data set, and the jobs that train each classifier.
    """
    listed = []
    for name, (makers, folder) in spoken_words.data_jobs(size, seed, data).items():
        before = range(len(listed), len(listed) + len(makers))
        listed += makers
        setting = "own" if folder is None else "paper"
        runs = [(condition, setting) for condition in CONDITIONS]
        runs += [("recurrent", "tutorial")] if name == "shd" else []
        for condition, how in runs:
            for repeat in range(1 if condition in COUNTING else REPEATS[size]):
                spoken_networks.add(listed, condition, name, folder, seed, repeat,
                                    before, how)
    return listed


def rows(data, name):
    """Return the names of the classifiers that were trained on a data set."""
    return [*CONDITIONS, TUTORIAL] if f"{name} {TUTORIAL}" in data else CONDITIONS


def published_for(name):
    """Return the published test accuracies of a data set.

    For synthetic digits, return the published accuracies on SHD.
    """
    paper = published.values(FIGURE)
    if name == "ssc":
        return {key.removeprefix("SSC: "): value for key, value in paper.items()
                if key.startswith("SSC: ")}
    return paper if name in ("synthetic", "shd") else {}


def difference(paper, one, other):
    """Return the difference between two published accuracies.

    Return None if one of the accuracies is missing.
    """
    return round(paper[one] - paper[other], 3) if {one, other} <= set(paper) else None


def gather(results):
    """Return the accuracies on all data sets, and the size of each set of words.

    The entry "NAME CONDITION" holds the accuracies (repeats, 3) on the data set NAME.
    The entry "NAME size" holds the sizes.  The 3 columns are the sets in
    `spoken_words.SETS`.
    """
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
        paper, text = published_for(name), spoken_words.SHORT[name]
        several = f"{text}, {spoken_words.runs(len(data[f'{name} recurrent']))}"
        test = {key: spoken_words.tested(data, name, key).mean()
                for key in rows(data, name)}
        counted = max(test[key] for key in COUNTING)
        gained = [test[key] - test[f"{key}, shuffled"] for key in TIMED]
        forward = max(test[key] for key in SPIKING[1:3])
        found += [
            at_least(f"{several}: test accuracy, worse of LSTM and CNN minus best "
                     "classifier of counts",
                     min(test["LSTM"], test["CNN"]) - counted, 0.05,
                     difference(paper, "LSTM", "counts, radial")),
            at_least(f"{several}: test accuracy lost when event times are permuted, "
                     "least of LSTM, CNN and recurrent spiking network",
                     min(gained), 0.05),
            at_least(f"{several}: test accuracy, recurrent spiking network minus "
                     "feed-forward one with 1 layer",
                     test["recurrent"] - test[SPIKING[0]], 0.05,
                     difference(paper, "recurrent", SPIKING[0])),
            Claim(f"{text}: test accuracy, recurrent spiking network minus best deeper "
                  "feed-forward one",
                  float(test["recurrent"] - forward), "compared", None),
            Claim(f"{text}: test accuracy, recurrent spiking network minus best "
                  "classifier of counts",
                  float(test["recurrent"] - counted), "compared", None,
                  difference(paper, "recurrent", "counts, radial"))]
        if name == "fsdd":
            found.append(at_least(
                f"{several}: accuracy on {spoken_words.SETS[1]}, recurrent spiking "
                "network", data["fsdd recurrent"][:, 1].mean(), 0.8))
        found += [Claim(f"{text}: test accuracy, {described(key)}", float(value),
                        "compared", None, paper.get(key))
                  for key, value in test.items()]
        found += [Claim(f"{text}: accuracy on {words}, {described(key)}",
                        float(data[f"{name} {key}"][:, i].mean()), "shown only",
                        None)
                  for key in test for i, words in enumerate(spoken_words.SETS)
                  if data[f"{name} size"][i]]
    return found


def described(condition):
    """Return the name of a condition, for use in claims and axis labels."""
    kind = "spiking, " * condition.startswith(("feed-forward", "recurrent"))
    return kind + {TUTORIAL: "recurrent, settings of the tutorial"}.get(
        condition, condition.replace("shuffled", "event times permuted"))


def plot(data, fig):
    names = data["names"].tolist()
    fig.set_size_inches(9.5, 5.9 * len(names))
    for axis, name in zip(np.atleast_1d(fig.subplots(len(names), 1)), names,
                          strict=True):
        _classifiers(data, name, axis)


def _classifiers(data, name, axis):
    paper, shown = published_for(name), rows(data, name)
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
    axis.set_yticks(range(len(shown)), [described(condition) for condition in shown])
    for line in (1.5, 4.5, 8.5):
        axis.axhline(line, color="#B0B0B0", lw=0.8)
    axis.set(title=f"Data: {spoken_words.TITLES[name]}, {size[0]:,} training words, "
             f"{size[1]} + {size[2]} test words", ylim=(len(shown) - 0.4, -0.6),
             xlim=(0, 1.02), xlabel="accuracy")
    axis.figure.legend(*axis.get_legend_handles_labels(), loc="outside lower center",
                       ncols=4)
