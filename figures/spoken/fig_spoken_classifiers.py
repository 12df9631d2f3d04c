"""Spoken digits: new speakers are harder than known speakers

Classifiers learn to recognise spoken digits that are encoded as spikes.  Support vector
machines (SVM) receive the number of spikes in each channel.  Spiking networks, a long
short-term memory network (LSTM) and a convolutional network (CNN) receive the number of
spikes in each channel and time step.  The spiking networks are feed-forward with one to
three hidden layers, or recurrent.  In the training of networks called "augmented", all
spikes of the spoken training words are shifted at random, with new random shifts in
each epoch.  Each spike is shifted in time by a normally distributed interval with a
standard deviation of 10 ms.  Each spike is also shifted by two random numbers of
channels: the first number is different for each spike, and the second number is the
same for all spikes of a spoken word.  With 70 channels, each of the two random numbers
has a standard deviation of 2.  With 700 channels, the standard deviation is 20.

Known speakers are the speakers of the training words.  The figure shows the accuracy on
training words, on test words of known speakers, and on words of the speakers 4 and 5,
who are held out from training.  Small markers are single runs, large markers are means.
Diamonds are accuracies on all test words.  Filled diamonds are results of refsnn.  Open
diamonds are published accuracies on the Spiking Heidelberg Digits (SHD) [CSSZ20].  The
published network of 1,024 neurons was also trained with noise, and the published
tutorial of the authors of [CSSZ20] used only 2,048 test words.  The accuracy published
in the tutorial of the authors of [CSSZ20] was read in the tutorial itself.  The other
published accuracies were quoted from another source, or recalled from memory without a
check (grey).

By default, the words are 1,400 recordings of the Heidelberg Digits, encoded in 70
channels, and all networks have time steps of 20 ms.  The test accuracy of the recurrent
network is at least 0.04 higher than the test accuracy of the feed-forward network with
one hidden layer.  Averaged over all classifiers, the accuracy on known speakers is at
least 0.02 higher than the accuracy on held-out speakers.  Both lower bounds, 0.04 and
0.02, were fixed after a trial run on other recordings, in which the two differences in
accuracy were 0.08 and 0.09.

With --full, the words have 700 channels.  The words are either the data set SHD, or all
recordings of the Heidelberg Digits after conversion to spikes by refsnn ("SHD
regenerated").  The LSTM is trained for 50 epochs and the CNN for 10 epochs, both with
time steps of 10 ms.  Spiking networks are trained for 50 epochs with time steps of 4
ms, with two exceptions.  The network of 1,024 neurons is trained for 30 epochs with
time steps of 10 ms.  The network with the settings of the tutorial of the authors of
[CSSZ20] has 200 neurons, a membrane time constant of 140 ms and a synaptic time
constant of 70 ms, and is trained for 200 epochs with time steps of 14 ms.  The tutorial
of the authors of [CSSZ20] states time constants of 10 ms and 5 ms, but computes the
decay factors for time steps of 1 ms although the tutorial uses time steps of 14 ms.

With --full, the bounds are: the test accuracy is at least 0.66 (recurrent), 0.82 (LSTM)
and 0.86 (CNN); the recurrent network is at least 0.10 more accurate than the
feed-forward network with one layer; augmentation raises the accuracy of the recurrent
network by at least 0.02; and each classifier is at least 0.05 less accurate on held-out
speakers than on known speakers.  These bounds were fixed before the runs.  In the
stored results for SHD regenerated, three bounds are not met: the bound on the accuracy
of the CNN, the bound on the difference between the recurrent and the feed-forward
network, and the bound on the increase of the accuracy by augmentation.  The figure
follows the comparison of classifiers in [CSSZ20].
"""

import numpy as np

from figures.run import colours, published
from figures.run.claims import at_least, reported, runs
from figures.spoken import spoken_networks
from figures.spoken.spoken_networks import classify         # noqa: F401, a shared job
from figures.train import spoken_words

FIGURE = "spoken_classifiers"
FORWARD, LARGE, TUTORIAL = "feed-forward, 1 layer", \
    "recurrent, 1,024 neurons, augmented", "recurrent, tutorial"
CONDITIONS = tuple(spoken_networks.CONDITIONS)
SMALL = tuple(name for name in CONDITIONS if name not in (LARGE, TUTORIAL))
# Number of training runs of the classifiers with several runs.
REPEATS = {"full": {FORWARD: 3, "recurrent": 3, "recurrent, augmented": 3, LARGE: 2,
                    "LSTM": 3, "CNN": 3},
           "default": {FORWARD: 3, "recurrent": 3, "recurrent, augmented": 2,
                       "LSTM": 2, "CNN": 2}, "quick": {}}


def jobs(size, seed, data):
    """Return the jobs that train the classifiers."""
    listed, repeats = [], REPEATS[size]
    for repeat in range(max(repeats.values(), default=1)):
        for condition in CONDITIONS if size == "full" else SMALL:
            if repeat < repeats.get(condition, 1):
                spoken_networks.add(listed, condition, size, data, seed, repeat)
    return listed


def gather(results):
    """Return the accuracies of each classifier."""
    done = [r for r in results if "accuracy" in r]
    return {"title": str(done[0]["data"]), "size": done[0]["size"]} | {
        name: np.array([r["accuracy"] for r in done if r["condition"] == name])
        for name in CONDITIONS if any(r["condition"] == name for r in done)}


def rows(data):
    """Return the names of the classifiers."""
    return [name for name in CONDITIONS if name in data]


def claims(data):
    paper, text = published.values(FIGURE), str(data["title"])
    test = {name: spoken_words.tested(data, name) for name in rows(data)}
    lost = {name: np.subtract(*data[name].mean(axis=0)[1:]) for name in test}
    small = text == spoken_words.EMBEDDED
    several = f"{text}, {runs(len(data['recurrent']))}"
    found = [at_least(
        f"{several}: test accuracy, recurrent spiking network minus feed-forward one "
        "with 1 layer", test["recurrent"].mean() - test[FORWARD].mean(),
        0.04 if small else 0.1, round(paper["recurrent"] - paper[FORWARD], 3))]
    if small:
        found.append(at_least(
            f"{text}: accuracy on known minus held-out speakers, mean of "
            f"{len(lost)} classifiers", np.mean(list(lost.values())), 0.02))
    else:
        found += [
            at_least(f"{several}: test accuracy, recurrent spiking network",
                     test["recurrent"], 0.66, paper["recurrent"]),
            *[at_least(f"{text}, {runs(len(data[name]))}: test "
                       f"accuracy, {name}", test[name], bound, paper[name])
              for name, bound in (("LSTM", 0.82), ("CNN", 0.86))],
            at_least(f"{several}: test accuracy, recurrent spiking network, augmented "
                     "minus not augmented", test["recurrent, augmented"].mean()
                     - test["recurrent"].mean(), 0.02),
            at_least(f"{text}: accuracy on known minus held-out speakers, least of "
                     f"{len(lost)} classifiers", min(lost.values()), 0.05)]
    found += [reported(f"{text}: test accuracy, {described(name)}", value,
                       paper.get(name)) for name, value in test.items()
              if small or name not in ("recurrent", "LSTM", "CNN")]
    return found + [reported(f"{text}: accuracy on {words}, {described(name)}",
                             data[name][:, i], paper.get(f"{name}, {words}"))
                    for name in test for i, words in enumerate(spoken_words.SETS)]


def described(condition):
    """Return the label of a classifier."""
    kind, _, rest = condition.partition(", ")
    return {"counts": f"SVM on counts, {rest}", "LSTM": "LSTM", "CNN": "CNN"}.get(
        kind, f"spiking, {condition}".replace("tutorial", "settings of the tutorial"))


def plot(data, fig):
    paper, shown = published.entries(FIGURE), rows(data)
    kinds = {False: "published, SHD, all test words", True: "published, recalled"}
    fig.set_size_inches(9.5, 1.6 + 0.36 * len(shown))
    axis, size = fig.subplots(), data["size"]
    for row, condition in enumerate(shown):
        values = data[condition]
        axis.plot(values.mean(axis=0)[[0, -1]], [row, row], color="#D0D0D0", lw=1,
                  zorder=1)
        for i, (text, (colour, mark)) in enumerate(spoken_words.LOOKS.items()):
            at = row + 0.13 * (i - 1)                   # markers do not hide each other
            axis.plot(values[:, i], [at] * len(values), mark, color=colour, ms=4,
                      alpha=0.5, mew=0)
            axis.plot(values[:, i].mean(), at, mark, color=colour, ms=9, mec="white",
                      label=text if not row else None, zorder=4 - i)
        axis.plot(spoken_words.tested(data, condition).mean(), row, "D", zorder=5,
                  color=colours.BLACK, ms=4.5, label=None if row else "all test words")
        if condition in paper:
            recalled = paper[condition]["known"] == "recalled"
            axis.plot(paper[condition]["value"], row, "D", ms=6, mfc="none", mew=1.6,
                      color=colours.GREY if recalled else colours.BLACK, zorder=6,
                      label=kinds.pop(recalled, None))
    axis.axvline(1 / 20, color=colours.GREY, ls=":", lw=1.2)
    axis.annotate("chance", (1 / 20, 0.25), xytext=(4, 0), textcoords="offset points",
                  color=colours.GREY, fontsize=9.5)
    axis.set_yticks(range(len(shown)), [described(condition) for condition in shown])
    for name in ("feed-forward, 1 layer", "LSTM"):
        axis.axhline(shown.index(name) - 0.5, color="#B0B0B0", lw=0.8)
    axis.set(ylim=(len(shown) - 0.4, -0.6), xlim=(0, 1.02), xlabel="accuracy")
    fig.suptitle(f"Data: {data['title']}, {size[0]:,} training words, {size[1]} + "
                 f"{size[2]:,} test words", x=0.01, ha="left", fontsize=11.5)
    fig.legend(*axis.get_legend_handles_labels(), loc="outside lower center", ncols=3)
