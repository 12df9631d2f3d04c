"""Spoken digits: support vector machines and networks, known and held-out speakers

The figure shows the accuracy of classifiers on three sets of words: training words,
test words of known speakers, and words of the held-out speakers 4 and 5.  The known
speakers also speak training words.  Small markers are single runs, large markers are
means.  Diamonds are accuracies on all test words.  Filled diamonds are results of
refsnn.  Open diamonds are published accuracies on the Spiking Heidelberg Digits (SHD)
[CSSZ20].  Black open diamonds show accuracies that were read in a tutorial by authors
of [CSSZ20], or in sources that quote [CSSZ20].  Grey open diamonds show accuracies that
are from memory, and were not looked up.

Classifiers learn to recognise spoken digits that are encoded as spikes.  Support vector
machines (SVM) receive the number of spikes in each channel.  The SVMs have the default
settings of the library scikit-learn.  Other sources report these settings for [CSSZ20].
Spiking networks, a long short-term memory network (LSTM) and a convolutional network
(CNN) receive the number of spikes in each channel and time step.  The spiking networks
are feed-forward with one to three hidden layers, or recurrent.

Networks called "augmented" are trained on words whose spikes are shifted at random,
with new shifts in each epoch.  Each spike is shifted in time by a normally distributed
interval with a standard deviation of 10 ms.  The channel number of each spike is
changed by the sum of two random shifts.  One channel shift is drawn for each spike, and
the other channel shift is drawn once for each spoken word.  Both channel shifts are
normally distributed.  If the data have 70 channels, each channel shift has a standard
deviation of 2 channels.  If the data have 700 channels, each channel shift has a
standard deviation of 20 channels.

By default, the words are 1,400 recordings of the Heidelberg Digits, encoded in 70
channels, and all networks have time steps of 20 ms.  With --full, the classifiers use
the complete Heidelberg Digits, encoded in 700 channels.  The label "SHD" means
published spikes.  The label "SHD regenerated" means spikes that refsnn computed from
the audio recordings.  The LSTM is trained for 50 epochs and the CNN for 10 epochs, both
with time steps of 10 ms.  Most spiking networks are trained for 50 epochs, with time
steps of 4 ms.  The network of 1,024 neurons is trained for 30 epochs with time steps of
10 ms.  Another network has the settings of the tutorial: 200 neurons, time steps of
14 ms, and 200 epochs.  The tutorial states time constants of 10 ms (membrane) and 5 ms
(synapse).  However, the code of the tutorial computes decay factors for time steps of
1 ms, not 14 ms.  The network of the tutorial therefore has time constants that are 14
times as large as stated: 140 ms (membrane) and 70 ms (synapse).
"""

import numpy as np

from figures.run import colours
from figures.run.claims import Published, own, reproduction, shown as report, stand_in
from figures.spoken import spoken_networks
from figures.spoken.spoken_networks import classify         # noqa: F401, a shared job
from figures.train import spoken_words

FOLDERS = {"full": spoken_words.FILES}
FIGURE = "spoken_classifiers"
FORWARD, LARGE, TUTORIAL = "feed-forward, 1 layer", \
    "recurrent, 1,024 neurons, augmented", "recurrent, tutorial"
CONDITIONS = tuple(name for name in spoken_networks.CONDITIONS
                   if name != spoken_networks.BLOCKS)
MACHINES = tuple(name for name in CONDITIONS if name.startswith("counts"))
IDS = dict(zip(CONDITIONS, (
    "svm-linear", "svm-polynomial", "svm-cubic", "svm-radial", "forward-1", "forward-2",
    "forward-3", "recurrent", "augmented", "large", "tutorial", "lstm", "cnn"),
    strict=True))
TABLE = {name: Published(value, "[CSSZ20]", "table of SHD", known, spread)
         for name, value, spread, known in (
             ("counts, linear", 0.560, None, "second-hand"),
             ("counts, polynomial of degree 2", 0.483, None, "second-hand"),
             ("counts, polynomial of degree 3", 0.467, None, "second-hand"),
             ("counts, radial", 0.600, None, "second-hand"),
             (FORWARD, 0.481, 0.016, "second-hand"),
             ("recurrent", 0.714, 0.019, "second-hand"),
             (LARGE, 0.832, 0.013, "second-hand"),
             ("LSTM", 0.890, 0.002, "recalled"), ("CNN", 0.924, 0.007, "second-hand"))}
TUTORIAL_TEST, TUTORIAL_TRAINING = (
    Published(value, "[NMZ19]", "tutorial 4", "read", n=1) for value in (0.692, 0.982))
BESIDE = {**TABLE, TUTORIAL: TUTORIAL_TEST}
SETTINGS = "; other loss, time step, initial weights and regulariser"
DIFFERS = {
    **dict.fromkeys(MACHINES, "; the SVM uses no random numbers, but the spikes are "
                    "one conversion of the recordings, and the 424 test words of "
                    "known speakers one choice, and both depend on chance"),
    FORWARD: SETTINGS, "recurrent": SETTINGS,
    LARGE: "; time steps of 10 ms; 30 epochs; no noise",
    TUTORIAL: "; all 2,264 test words in place of 2,048"}
UNJUDGED = {"LSTM": "the published number is recalled",
            "CNN": "another network; `spoken_cnn` has the published one"}
CAUSES = {FORWARD: "the loss: refsnn uses the sum over time in place of the maximum"}
ARRAYS = {"title": ("", "", "name of the data set"),
          "size": ("set", "1", "number of words in each set"),
          **{name: ("run, set", "accuracy", "accuracy on training words, on words of "
                    "known speakers, and of held-out speakers") for name in CONDITIONS}}
SMALL = tuple(name for name in CONDITIONS if name not in (LARGE, TUTORIAL))
# Number of training runs of the classifiers with several runs.
REPEATS = {"full": {FORWARD: 3, "recurrent": 3, "recurrent, augmented": 3, LARGE: 2,
                    TUTORIAL: 5, "LSTM": 3, "CNN": 3},
           "default": {FORWARD: 3, "recurrent": 3, "recurrent, augmented": 2,
                       "LSTM": 2, "CNN": 2}, "quick": {}}


def jobs(size, seed, data, classifiers=None, repeats=None, epochs=None, hidden=None):
    """Return the jobs that train the classifiers."""
    listed, usual = [], CONDITIONS if size == "full" else SMALL
    names = usual if classifiers is None else classifiers
    unknown = set(names) - set(CONDITIONS)
    if unknown or not names:
        raise ValueError(f"classifiers is {names!r}: must be some of "
                         + "; ".join(CONDITIONS))
    count = {name: 1 if name in MACHINES else repeats or REPEATS[size].get(name, 1)
             for name in names}
    for repeat in range(max(count.values())):
        for condition in names:
            if repeat < count[condition]:
                spoken_networks.add(listed, condition, size, data, seed, repeat,
                                    {"epochs": epochs, "hidden": hidden})
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


def claims(size):
    words, full = spoken_words.named(size), size == "full"
    gain = f"{words}: test accuracy, recurrent minus feed-forward network with 1 layer"
    least = f"{words}: accuracy on known minus held-out speakers, "
    if full:
        found = [
            stand_in("gain-recurrence", gain, Published(
                round(TABLE["recurrent"].value - TABLE[FORWARD].value, 3), "[CSSZ20]",
                "table of SHD", "second-hand"), ordered=True,
                differs=spoken_words.REGENERATED + SETTINGS, cause="the loss and the "
                "small initial recurrent weights", headline="Spoken digits: accuracy, "
                "recurrent minus feed-forward network (only the sign is judged)"),
            own("gain-augmentation", f"{words}: test accuracy, recurrent network, "
                "augmented minus not augmented", low=0.02, cause="training is perhaps "
                "too short for augmented words"),
            own("speakers-least", least + "classifier with the smallest difference",
                low=0.05)]
    else:
        found = [own("gain-recurrence", gain, low=0.04),
                 own("speakers-mean", least + "one number for each classifier",
                     low=0.02)]
    names = CONDITIONS if full else SMALL
    for name in names:
        found.append(_beside(size, IDS[name], f"{words}: test accuracy, "
                             + described(name), name, BESIDE.get(name)))
    for name in names:
        for key, text in zip(spoken_words.KEYS, spoken_words.SETS, strict=True):
            found.append(_beside(
                size, f"{IDS[name]}-{key}", f"{words}: accuracy on {text}, "
                + described(name), name, TUTORIAL_TRAINING
                if (name, key) == (TUTORIAL, "training") else None))
    return found


def _beside(size, key, text, name, published):
    """Declare an accuracy beside a published one."""
    if published is None:
        return report(key, text)
    if size != "full" or name in UNJUDGED:
        return report(key, text, published=published, why=spoken_words.SMALL
                      if size != "full" else UNJUDGED[name])
    declare = reproduction if name in (TUTORIAL, *MACHINES) else stand_in
    return declare(key, text, published, tolerance=0.03, cause=CAUSES.get(name, ""),
                   differs=spoken_words.REGENERATED + DIFFERS[name])


def measured(data):
    """Return the results of each classifier."""
    names, found = rows(data), {}
    test = {name: spoken_words.tested(data, name) for name in names}
    lost = {name: data[name][:, 1] - data[name][:, 2] for name in names}
    for name in names:
        for key, value in ((IDS[name], test[name]), *zip(
                (f"{IDS[name]}-{part}" for part in spoken_words.KEYS), data[name].T,
                strict=True)):
            found[key] = value[0] if name in MACHINES else value
    small = str(data["title"]) == spoken_words.EMBEDDED
    gains = [("gain-recurrence", "recurrent", FORWARD)]
    gains += [("gain-augmentation", "recurrent, augmented", "recurrent")] * (not small)
    for key, one, other in gains:
        if one in test and other in test:
            count = min(len(test[one]), len(test[other]))
            found[key] = test[one][:count] - test[other][:count]
    if small:
        return found | {"speakers-mean": [value.mean() for value in lost.values()]}
    least = min(lost, key=lambda name: lost[name].mean())
    return found | {"speakers-least":
                    lost[least][0] if least in MACHINES else lost[least]}


def shown(data):
    return data


def described(condition):
    """Return the label of a classifier."""
    kind, _, rest = condition.partition(", ")
    return {"counts": f"SVM on counts, {rest}", "LSTM": "LSTM", "CNN": "CNN"}.get(
        kind, f"spiking, {condition}".replace("tutorial", "settings of the tutorial"))


def plot(data, fig):
    names = rows(data)
    kinds = {False: "published: SHD, 700 channels, all test words",
             True: "published, recalled"}
    fig.set_size_inches(9.5, 1.6 + 0.36 * len(names))
    axis, size = fig.subplots(), data["size"]
    for row, condition in enumerate(names):
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
        if condition in BESIDE:
            recalled = BESIDE[condition].known == "recalled"
            axis.plot(BESIDE[condition].value, row, "D", ms=6, mfc="none", mew=1.6,
                      color=colours.GREY if recalled else colours.BLACK, zorder=6,
                      label=kinds.pop(recalled, None))
    axis.axvline(1 / 20, color=colours.GREY, ls=":", lw=1.2)
    axis.annotate("chance", (1 / 20, 0.25), xytext=(4, 0), textcoords="offset points",
                  color=colours.GREY, fontsize=9.5)
    axis.set_yticks(range(len(names)), [described(condition) for condition in names])
    for name in {"feed-forward, 1 layer", "LSTM"}.intersection(names):
        axis.axhline(names.index(name) - 0.5, color="#B0B0B0", lw=0.8)
    axis.set(ylim=(len(names) - 0.4, -0.6), xlim=(0, 1.02), xlabel="accuracy")
    fig.suptitle(f"Data: {data['title']}, {size[0]:,} training words, {size[1]} + "
                 f"{size[2]:,} test words", x=0.01, ha="left", fontsize=11.5)
    fig.legend(*axis.get_legend_handles_labels(), loc="outside lower center", ncols=3)
