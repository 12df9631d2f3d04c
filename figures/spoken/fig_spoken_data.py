"""The data set of spoken digits has held-out speakers and balanced classes

The data are recordings of the ten English and the ten German digits, encoded as spikes
as in the Spiking Heidelberg Digits (SHD) [CSSZ20].  The test set contains all words of
the speakers 4 and 5, who are held out from training, and some words of every other
speaker.  The training set contains no word of the speakers 4 and 5.  In each of the 20
classes, the number of spoken training words is at least half of the mean over classes.
No spoken word is longer than 1.4 s, the duration that the tutorial of the authors of
[CSSZ20] uses.  Although all words have the same loudness, the mean number of spikes per
word differs between speakers.  The speaker with the largest mean has at least 1.2 times
as many spikes per word as the speaker with the smallest mean.

The upper row of panels shows the number of words of each speaker, the number of words
of each class, and the distribution of the durations of the words.  The duration of a
spoken word is the time of its last spike.  The lower row of panels shows the
distribution of the number of spikes per word, for all words together and for each
speaker, and the mean number of spikes per word in each channel.  Dots are medians,
thick lines join the quartiles, and thin lines join the 5 % and the 95 % quantile.
Channel 0 responds to the highest frequencies.

By default, the data are 1,400 recordings of the Heidelberg Digits, encoded in 70
channels.  For each digit, the data contain five recordings by each of the speakers 4
and 5, and six recordings by each other speaker.  With --full, the data are all 10,420
recordings, encoded in 700 channels.  The figure follows the description of the data in
[CSSZ20].
"""

import numpy as np

from figures.run import colours, published
from figures.run.claims import at_least, at_most, exactly, reported
from figures.train import spoken_words

FIGURE = "spoken_data"
COLOURS = dict(zip(spoken_words.SETS, (colours.BLUE, colours.ORANGE, colours.VERMILION),
                   strict=True))


def jobs(size, seed, data):
    """Return the job that summarises the words."""
    return [(survey, {"folder": spoken_words.folder(size, data)})]


def survey(folder):
    """Return the properties of each word."""
    words = spoken_words.read(folder)
    counts, sets = spoken_words.counts(words), spoken_words.sets(words)
    found = np.zeros(len(words.label), int)
    for i, index in enumerate(sets):
        found[index] = i
    return {"title": words.title, "label": words.label, "speaker": words.speaker,
            "set": found, "duration": spoken_words.durations(words),
            "spikes": counts.sum(axis=1).astype(int),
            "profile": np.array([counts[index].mean(axis=0) for index in sets])}


def gather(results):
    """Return the result of the only job."""
    return results[0]


def grouped(groups, values, function):
    """Apply a function to each group."""
    return np.array([function(values[groups == g]) for g in np.unique(groups)])


def claims(data):
    d, text, paper = data, str(data["title"]), published.values(FIGURE)
    train, held = d["set"] == 0, d["set"] == 2
    both = np.intersect1d(d["speaker"][train], d["speaker"][held])
    classes = grouped(d["label"][train], d["label"][train], len)
    means = grouped(d["speaker"], d["spikes"], np.mean)
    found = [
        exactly(f"{text}: number of held-out speakers who are in the training set",
                len(both), 0),
        at_least(f"{text}: training words of the rarest class / mean over classes",
                 classes.min() / classes.mean(), 0.5),
        at_most(f"{text}: longest word (s)", d["duration"].max(), 1.4),
        at_least(f"{text}: mean spikes per word, speaker with most / speaker with "
                 "fewest", means.max() / means.min(), 1.2)]
    return found + [reported(f"{text}: {quantity}", value, paper.get(key))
                    for quantity, value, key in (
        ("number of training words", train.sum(), "words to train on"),
        ("number of test words", (~train).sum(), "words to test"),
        ("share of test words by held-out speakers", held.sum() / (~train).sum(),
         "share of test words by held-out speakers"),
        ("number of speakers", len(means), "speakers"),
        ("spikes per channel in the median word",
         np.median(d["spikes"]) / d["profile"].shape[1], None))]


def plot(data, fig):
    fig.set_size_inches(12, 7.2)
    axes = fig.subplots(2, 3)
    fig.suptitle(f"Data: {data['title']}, {len(data['label']):,} words, "
                 f"{data['spikes'].sum():,} spikes, "
                 f"{data['profile'].shape[1]} channels", x=0.01, ha="left",
                 fontweight="bold", fontsize=12)
    _numbers(data, axes[0])
    _spikes(data, axes[1])


def _numbers(d, axes):
    for axis, key in zip(axes, ("speaker", "label"), strict=False):
        which, low = np.unique(d[key]), 0
        for i, text in enumerate(spoken_words.SETS):
            n = grouped(d[key], d["set"] == i, np.sum)
            axis.bar(which, n, bottom=low, color=COLOURS[text], width=0.8, label=text)
            low = low + n
        axis.set(xlabel=key, ylabel="number of words")
        axis.grid(axis="x", visible=False)
        axis.xaxis.get_major_locator().set_params(integer=True)
    axes[0].set(title="Words by speaker", ylim=(0, 1.45 * axes[0].get_ylim()[1]))
    axes[0].legend(loc="upper right", ncols=1)
    axes[1].set(title="Words by class", xlabel="class (0-9 English, 10-19 German)")
    _histogram(axes[2], d, d["duration"], "duration (s)")
    axes[2].set_title("Duration of the words")


def _histogram(axis, d, values, text):
    edges = np.linspace(values.min(), np.quantile(values, 0.995), 25)
    for i, name in enumerate(spoken_words.SETS):
        own = values[d["set"] == i]
        if len(own):
            axis.hist(own, edges, weights=np.full(len(own), 1 / len(own)),
                      histtype="step", lw=2, color=COLOURS[name], label=name)
    axis.set(xlabel=text, ylabel="share of words")


def _spikes(d, axes):
    _histogram(axes[0], d, d["spikes"], "number of spikes")
    axes[0].set_title("Spikes per word")
    for speaker in np.unique(d["speaker"]):
        own = d["speaker"] == speaker
        colour = COLOURS[spoken_words.SETS[2 if (d["set"][own] == 2).all() else 0]]
        low, first, middle, third, high = np.quantile(
            d["spikes"][own], (0.05, 0.25, 0.5, 0.75, 0.95))
        axes[1].plot([speaker, speaker], [low, high], color=colour, lw=1.2)
        axes[1].plot([speaker, speaker], [first, third], color=colour, lw=7,
                     solid_capstyle="butt", alpha=0.6)
        axes[1].plot(speaker, middle, "o", color=colour, ms=5, mec="white")
    axes[1].set(title="Spikes per word of each speaker", xlabel="speaker",
                ylabel="number of spikes", ylim=(0, None))
    axes[1].xaxis.get_major_locator().set_params(integer=True)
    for i, name in enumerate(spoken_words.SETS):
        if (d["set"] == i).any():
            axes[2].plot(d["profile"][i], color=COLOURS[name], label=name)
    axes[2].set(title="Spikes per channel", xlabel="channel", ylim=(0, None),
                ylabel="mean spikes per word")
