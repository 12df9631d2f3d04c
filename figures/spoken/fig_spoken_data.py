"""Twenty spoken digits by many speakers: the data set as spikes

Ten English and ten German digits, as in the Spiking Heidelberg Digits
[CSSZ20]; two speakers, 4 and 5, are in the test set only, and so is a share
of the words of the others.  No word of the held-out speakers is trained on,
no class is short of words, none is longer than 1.4 s, and speakers differ in
how many spikes their words make although all are made equally loud.

Upper row: words of each speaker and of each class; how long the sounds are.
Lower row: spikes in a word; the same by speaker (median, quartiles, and 5 to
95 %); spikes of a channel in the mean word, channel 0 being tuned to the
highest tones.

The default data are synthetic: formant synthesis and the cochlea model, 70
channels.  At --full, files in the format of SHD (shd_train.h5 and
shd_test.h5, ssc_...) where the data folder has them, or else recordings of
the Free Spoken Digit Dataset, turned into spikes of 210 channels by the same
model.
"""

import numpy as np

from figures.run.claims import Claim, at_least, at_most, exactly
from figures.run import colours
from figures.run import published
from figures.spoken import spoken_words
from figures.spoken.spoken_words import part, recorded  # noqa: F401, jobs that figures share

FIGURE = "spoken_data"
COLOURS = dict(zip(spoken_words.SETS, (colours.BLUE, colours.ORANGE, colours.VERMILION),
                   strict=True))


def jobs(size, seed, data):
    """The jobs that make a data set, and one that looks at it."""
    listed = []
    for name, (makers, folder) in spoken_words.data_jobs(size, seed, data).items():
        first = len(listed)
        listed += [*makers, (survey, {"name": name, "folder": folder, "seed": seed},
                             *range(first, first + len(makers)))]
    return listed


def survey(name, folder, seed, before=None):
    """What the figure shows of a data set."""
    words = spoken_words.words(name, folder, before)
    found = np.zeros(len(words.label), int)
    for i, index in enumerate(spoken_words.sets(words)):
        found[index] = i
    spikes = np.array([len(u) for u in words.units])
    total = np.zeros((3, words.channels))
    for i in range(3):
        for n in np.flatnonzero(found == i):
            total[i] += np.bincount(words.units[n], minlength=words.channels)
    words_of = np.bincount(found, minlength=3)
    return {"name": name, "label": words.label, "speaker": words.speaker,
            "set": found, "duration": words.duration.astype(float),
            "spikes": spikes, "profile": total / np.maximum(words_of, 1)[:, None]}


def gather(results):
    """Of each data set, NAME FIELD."""
    found = [r for r in results if "profile" in r]
    return {f"{r['name']} {key}": value for r in found for key, value in r.items()
            if key != "name"} | {"names": [str(r["name"]) for r in found]}


def of(data, name):
    """Fields of one data set."""
    return {key.removeprefix(f"{name} "): value for key, value in data.items()
            if key.startswith(f"{name} ")}


def by(groups, values, function):
    return np.array([function(values[groups == g]) for g in np.unique(groups)])


def claims(data):
    paper, found = published.values("spoken_data"), []
    for name in data["names"].tolist():
        d = of(data, name)
        train, held = d["set"] == 0, d["set"] == 2
        both = np.intersect1d(d["speaker"][train], d["speaker"][held])
        classes = by(d["label"][train], d["label"][train], len)
        means = by(d["speaker"], d["spikes"], np.mean)
        theirs = paper if name == "shd" or name == "synthetic" else {}
        found += [
            exactly(f"{name}: held-out speakers among those trained on",
                    len(both), 0),
            at_least(f"{name}: words to train on of the rarest class, share of "
                     "the mean", classes.min() / classes.mean(), 0.5),
            Claim("fsdd: longest word, s", float(d["duration"].max()),
                  "shown only", None) if name == "fsdd" else
            at_most(f"{name}: longest word, s", d["duration"].max(), 1.4,
                    theirs.get("longest word (s)")),
            at_least(f"{name}: spikes of a word, speaker with most / speaker "
                     "with fewest", means.max() / means.min(), 1.2)]
        found += [Claim(f"{name}: {text}", float(value), "compared", None,
                        theirs.get(text)) for text, value in (
            ("words to train on", train.sum()), ("words to test", (~train).sum()),
            ("share of test words by held-out speakers",
             held.sum() / max((~train).sum(), 1)),
            ("speakers", len(means)),
            ("spikes of a channel in the median word",
             np.median(d["spikes"]) / d["profile"].shape[1]))]
    return found


def plot(data, fig):
    names = data["names"].tolist()
    fig.set_size_inches(12, 7.2 * len(names))
    for name, part_ in zip(names, np.atleast_1d(fig.subfigures(len(names), 1)),
                           strict=True):
        d = of(data, name)
        axes = part_.subplots(2, 3)
        part_.suptitle(f"{name}: {len(d['label']):,} words, "
                       f"{d['spikes'].sum():,} spikes, "
                       f"{d['profile'].shape[1]} channels",
                       x=0.01, ha="left", fontweight="bold", fontsize=12)
        _numbers(d, axes[0])
        _spikes(d, axes[1])


def _numbers(d, axes):
    for axis, key in zip(axes, ("speaker", "label"), strict=False):
        which, low = np.unique(d[key]), 0
        for i, text in enumerate(spoken_words.SETS):
            n = by(d[key], d["set"] == i, np.sum)
            axis.bar(which, n, bottom=low, color=COLOURS[text], width=0.8, label=text)
            low = low + n
        axis.set(xlabel=key, ylabel="words")
        axis.grid(axis="x", visible=False)
        axis.xaxis.get_major_locator().set_params(integer=True)
    axes[0].set(title="Words by speaker", ylim=(0, 1.45 * axes[0].get_ylim()[1]))
    axes[0].legend(loc="upper right", ncols=1)
    axes[1].set(title="Words by class", xlabel="class (0-9 English, 10-19 German)"
                if d["label"].max() == 19 else "class")
    _histogram(axes[2], d, d["duration"], "duration (s)")
    axes[2].set_title("Length of the sound")


def _histogram(axis, d, values, text):
    edges = np.linspace(values.min(), np.quantile(values, 0.995), 25)
    for i, name in enumerate(spoken_words.SETS):
        own = values[d["set"] == i]
        if len(own):
            axis.hist(own, edges, weights=np.full(len(own), 1 / len(own)),
                      histtype="step", lw=2, color=COLOURS[name], label=name)
    axis.set(xlabel=text, ylabel="share of the words")


def _spikes(d, axes):
    _histogram(axes[0], d, d["spikes"], "spikes")
    axes[0].set_title("Spikes in a word")
    for speaker in np.unique(d["speaker"]):
        own = d["speaker"] == speaker
        colour = COLOURS[spoken_words.SETS[2 if (d["set"][own] == 2).all() else 0]]
        low, first, middle, third, high = np.quantile(
            d["spikes"][own], (0.05, 0.25, 0.5, 0.75, 0.95))
        axes[1].plot([speaker, speaker], [low, high], color=colour, lw=1.2)
        axes[1].plot([speaker, speaker], [first, third], color=colour, lw=7,
                     solid_capstyle="butt", alpha=0.6)
        axes[1].plot(speaker, middle, "o", color=colour, ms=5, mec="white")
    axes[1].set(title="Spikes in a word, by speaker", xlabel="speaker", ylabel="spikes",
                ylim=(0, None))
    axes[1].xaxis.get_major_locator().set_params(integer=True)
    for i, name in enumerate(spoken_words.SETS):
        if (d["set"] == i).any():
            axes[2].plot(d["profile"][i], color=COLOURS[name], label=name)
    axes[2].set(title="Where they are", xlabel="channel", ylim=(0, None),
                ylabel="spikes in the mean word")
