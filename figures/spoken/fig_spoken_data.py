"""The data set of spoken digits has held-out speakers and balanced classes

The upper panels show the number of words of each speaker, the number of words of each
class, and the distribution of word durations.  The duration of a spoken word is the
time of its last spike.  The lower left panel shows the distribution of the number of
spikes per word.  The lower middle panel shows the number of spikes per word for each
speaker.  The lower right panel shows the mean number of spikes per word in each
channel.  Dots are medians, thick lines join the quartiles, and thin lines join the 5 %
and the 95 % quantile.  Channel 0 responds to the highest frequencies.

The data are recordings of ten English and ten German spoken digits.  The recordings are
converted to spikes by the method of [CSSZ20].  The data set of [CSSZ20] is called
Spiking Heidelberg Digits (SHD).  The test set contains all words of the held-out
speakers 4 and 5, and some words of every other speaker.  Although all words have the
same loudness, the mean number of spikes per word differs between speakers.

By default, the data are 1,400 recordings in 70 channels.  For each digit, the data
contain five recordings by each of the speakers 4 and 5, and six recordings by each of
the other speakers.  With --full, the data are all 10,420 recordings in 700 channels.
"""

import numpy as np

from figures.run import colours
from figures.run.claims import Published, own, reproduction, shown as report
from figures.train import spoken_words

# {id: (published number, paper, place, tolerance, text)}
FOLDERS = {"full": spoken_words.FILES}
PUBLISHED = {
    "training": (8156, "[CSSZ20]", "data files", 0, "number of training words"),
    "test": (2264, "[CSSZ20]", "data files", 0, "number of test words"),
    "held-out": (0.81, "[CB22]", "fig. 5 D", 0.01,
                 "share of test words by held-out speakers"),
    "speakers": (12, "[CSSZ20]", "description of the data", 0,
                 "number of speakers")}
# What the numbers of --full follow from.
SPLIT = ("; this number follows from the recordings and from the split, whose sizes "
         "are those of SHD, so that it checks the data files of refsnn, and no "
         "computed result")
ARRAYS = {
    "title": ("", "", "name of the data set"),
    "label": ("word", "1", "class, 0-9 English, 10-19 German"),
    "speaker": ("word", "1", "number of the speaker"),
    "set": ("word", "1", "0 training, 1 test of a known speaker, 2 held-out speaker"),
    "duration": ("word", "s", "time of the last spike"),
    "spikes": ("word", "1", "number of spikes"),
    "profile": ("set, channel", "1", "mean number of spikes per word")}
COLOURS = dict(zip(spoken_words.SETS, (colours.BLUE, colours.ORANGE, colours.VERMILION),
                   strict=True))


def jobs(size, seed, data, validated=False):
    """Return the job that describes the words.

    If `validated` is true, training words of two speakers replace the usual test words.
    """
    more = {"validated": True} if validated else {}
    return [(survey, {"folder": spoken_words.folder(size, data), **more})]


def survey(folder, validated=False):
    """Return the properties of each word."""
    words = spoken_words.read(folder)
    words = spoken_words.validation(words) if validated else words
    counts, sets = spoken_words.counts(words), spoken_words.sets(words)
    found = np.zeros(len(words.label), int)
    for i, index in enumerate(sets):
        found[index] = i
    return {"title": words.title, "label": words.label, "speaker": words.speaker,
            "set": found, "duration": spoken_words.durations(words),
            "spikes": counts.sum(axis=1).astype(int),
            "profile": np.array([counts[index].sum(axis=0) / max(len(index), 1)
                                 for index in sets])}


def gather(results):
    """Return the result of the only job."""
    return results[0]


def grouped(groups, values, function):
    """Apply a function to each group."""
    return np.array([function(values[groups == g]) for g in np.unique(groups)])


def claims(size):
    words = spoken_words.named(size)
    found = [own("rarest", f"{words}: training words of the rarest class / mean over "
                 "classes", low=0.5),
             own("loudest", f"{words}: mean spikes per word, speaker with most / "
                 "speaker with fewest", low=1.2)]
    for key, (value, paper, place, tolerance, text) in PUBLISHED.items():
        value = Published(value, paper, place, "read")
        found.append(reproduction(
            key, f"{words}: {text}", value, tolerance=tolerance,
            differs=spoken_words.REGENERATED + SPLIT)
            if size == "full" else
            report(key, f"{words}: {text}", published=value, why=spoken_words.SMALL))
    return [*found,
            report("longest", f"{words}: duration of the longest word", unit="s"),
            report("median", f"{words}: spikes per channel in the median word")]


def measured(data):
    d = data
    train, held = d["set"] == 0, d["set"] == 2
    classes = grouped(d["label"][train], d["label"][train], len)
    means = grouped(d["speaker"], d["spikes"], np.mean)
    return {"rarest": classes.min() / classes.mean(),
            "loudest": means.max() / means.min(), "training": train.sum(),
            "test": (~train).sum(), "held-out": held.sum() / (~train).sum(),
            "speakers": len(means), "longest": d["duration"].max(),
            "median": np.median(d["spikes"]) / d["profile"].shape[1]}


def shown(data):
    """Return the plotted arrays in types of 1 or 4 bytes per number, to save space."""
    kinds = {"label": np.int8, "speaker": np.int8, "set": np.int8, "spikes": np.int32,
             "duration": np.float32, "profile": np.float32}
    return data | {name: data[name].astype(kind) for name, kind in kinds.items()}


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
