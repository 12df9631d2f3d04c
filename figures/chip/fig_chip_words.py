"""A recurrent network on an emulated chip learns to classify spoken words

A recurrent network of 186 spiking neurons is trained with an emulated analog chip in
the loop. The inputs are spoken words of the data set Heidelberg Digits, encoded as
spikes in 70 channels. The chip receives the spikes 2,000 times faster than the words
were spoken. The same network is also trained in ideal software (without the constraints
of the chip). In a control experiment, the recurrent weights are shuffled weights of a
network that was trained on the chip, and are kept fixed. Only the input and readout
weights of the control network are trained, from random initial values. During the
training of the "augmented" networks, the channel of each input spike is shifted by a
random number of channels.

The left panels show the response of the chip to one spoken test word after training:
input spikes, spikes of the hidden neurons, and the cumulative sum of each readout
potential over time.  The readout with the largest final sum determines the predicted
word.  The top panel on the right shows the accuracy on training words, on test words of
the same speakers, and on test words of held-out speakers.  The bottom panels show the
confusion matrix of the network on the chip, and the test accuracy on the chip for each
speaker.  Speakers 4 and 5 are held out.  Each repetition uses a different emulated
chip.  The initial weights and the order of the spoken words differ between all training
runs.  Small markers are single training runs, and large markers and bars are means.
Filled diamonds are accuracies on all spoken test words.  Open diamonds are accuracies
that were published for the Spiking Heidelberg Digits (SHD, 20 classes) [CB22].

In the repository, 1,400 spoken words are stored ("embedded words").  By default, the
networks are trained for 6 epochs on the English words (10 classes) among the 1,400
stored words.  With the option --full, the networks are trained for 30 epochs ([CB22]:
100) on all spoken words (20 classes), in three repetitions.  The words for the option
--full are audio recordings that refsnn has converted to spikes ("SHD regenerated").
With the option --full, the test accuracy on the chip must be at least 0.05 higher with
trained recurrent weights than in the control experiment, and at least 0.02 higher with
augmentation than without augmentation.  The bound of 0.02 on the effect of augmentation
is not met.  Augmentation raises the mean accuracy on held-out speakers by 0.029
(standard error 0.012), but lowers the mean accuracy on known speakers by 0.035
(standard error 0.020).  This figure corresponds to [CB22] fig. 5 and table 1.
"""

import numpy as np

from figures.chip import chip_images
from figures.chip.chip_words import keywords    # noqa: F401, a job of this figure
from figures.run import colours, published
from figures.run.claims import at_least, reported, runs
from figures.train import spoken_words

FIGURE = "chip_words"
SHIFT = 15.0                    # standard deviation of shifts, in channels of 700
CONDITIONS = (("chip", "trained", 0.0), ("chip", "fixed", 0.0),
              ("chip", "trained", SHIFT), ("software", "trained", 0.0),
              ("software", "trained", SHIFT))
NAMES = {"chip, trained": "chip", "chip, fixed": "chip, fixed\nrecurrence",
         "chip, trained, augmented": "chip,\naugmented",
         "software, trained": "software",
         "software, trained, augmented": "software,\naugmented"}
TRAINED, FIXED, AUGMENTED = list(NAMES)[:3]
GAINS = (("recurrent weights trained minus shuffled and fixed", TRAINED, FIXED, 0.05),
         ("augmented minus not augmented", AUGMENTED, TRAINED, 0.02))
SIZES = {"quick": (1, 1, 2), "default": (1, 6, 10), "full": (3, 30, 20)}
PART = 5                        # epochs in one job, if words are read from files


def jobs(size, seed, data):
    """Return the training jobs of all networks."""
    listed, folder = [], spoken_words.folder(size, data)
    repeats, epochs, classes = SIZES[size]
    for repeat in range(repeats):
        for kind, recurrence, spread in CONDITIONS:
            part = epochs if folder is None else PART
            for first in range(0, epochs, part):
                call = {"folder": folder, "kind": kind, "recurrence": recurrence,
                        "epochs": epochs, "spread": spread, "seed": seed,
                        "repeat": repeat, "first": first, "classes": classes,
                        "count": min(part, epochs - first)}
                going = first > 0 or recurrence == "fixed"
                earlier = [len(listed) - 1] if going else []
                listed.append((keywords, call, *earlier))
    return listed


def gather(results):
    """Return the results of all conditions."""
    done = [r for r in results if "accuracy" in r]
    found = {key: done[0][key] for key in ("size", "classes", "label", "input",
                                           "spikes", "out")}
    found |= {"title": str(done[0]["data"]), "speakers": np.unique(done[0]["speakers"])}
    for name in NAMES:
        own = [r for r in done if r["condition"] == name]
        found[name] = np.array([r["accuracy"] for r in own])
        found[f"{name}, speakers"] = np.array([
            [(r["predicted"] == r["labels"])[r["speakers"] == k].mean()
             for k in found["speakers"]] for r in own])
        if name == TRAINED:
            confused = np.zeros((int(found["classes"]),) * 2)
            for r in own:
                np.add.at(confused, (r["labels"], r["predicted"]), 1)
            found["confusions"] = confused / confused.sum(axis=1, keepdims=True)
    return found


def claims(data):
    paper, text = published.values(FIGURE), str(data["title"])
    text += f", {data['classes']} classes, {runs(len(data[TRAINED]))}"
    test = {name: spoken_words.tested(data, name) for name in NAMES}
    gains = [(f"{text}: test accuracy on the chip, {words}",
              test[one] - test[other], bound, round(paper[one] - paper[other], 3))
             for words, one, other, bound in GAINS]
    small = text.startswith(spoken_words.EMBEDDED)
    found = [reported(words, value, beside) if small else
             at_least(words, value, bound, beside)
             for words, value, bound, beside in gains]
    found += [reported(f"{text}: test accuracy, {name}", value, paper[name])
              for name, value in test.items()]
    return found + [reported(f"{text}: accuracy on {words}, {name}", data[name][:, i],
                             paper.get(f"{name}, {words}"))
                    for name in NAMES for i, words in enumerate(spoken_words.SETS)]


def plot(data, fig):
    fig.set_size_inches(13, 7.6)
    left, right = fig.subfigures(1, 2, width_ratios=(1, 2.1))
    _word(data, left.subplots(3, 1, sharex=True, height_ratios=(0.8, 1.2, 1)))
    size = data["size"]
    right.suptitle(f"Data: {data['title']}, {data['classes']} classes, {size[0]:,} "
                   f"training words, {size[1]} + {size[2]:,} test words", fontsize=11.5)
    axes = right.subplot_mosaic("AA;BC", height_ratios=(1, 0.9))
    _accuracies(data, axes["A"])
    _confusions(data, axes["B"])
    _speakers(data, axes["C"])


def _word(data, axes):
    time_us = np.arange(len(data["input"])) * chip_images.DT_S * 1e6
    label, out = int(data["label"]), data["out"].cumsum(axis=0)
    for ax, key, text in zip(axes, ("input", "spikes"),
                             ("input channel", "hidden neuron"), strict=False):
        step, unit = np.nonzero(data[key])
        ax.plot(time_us[step], unit, "|", color=colours.BLACK, ms=2, mew=0.7)
        ax.set(ylabel=text, ylim=(-1, data[key].shape[1]))
    for k, course in enumerate(out.T):
        right = k == label
        axes[2].plot(time_us, course, color=colours.BLUE if right else colours.GREY,
                     lw=2.2 if right else 0.8, zorder=3 if right else 2,
                     label="readout of the word" if right else
                     "other readouts" if k == (label + 1) % len(out.T) else None)
    axes[0].set_title("A test word on the chip, after training")
    axes[2].set(ylabel="sum of readout\n(thresholds)", xlabel="time on the chip (µs)")
    axes[2].set_ylim(top=2 * out.max())
    axes[2].legend(loc="upper left")


def _accuracies(data, axis):
    paper = published.values(FIGURE)
    for x, name in enumerate(NAMES):
        values = data[name]
        for i, (text, (colour, mark)) in enumerate(spoken_words.LOOKS.items()):
            at = x + 0.16 * (i - 1)
            axis.plot([at] * len(values), values[:, i], mark, color=colour, ms=4,
                      alpha=0.5, mew=0)
            axis.plot(at, values[:, i].mean(), mark, color=colour, ms=9, mec="white",
                      label=text if not x else None)
        axis.plot(x + 0.34, spoken_words.tested(data, name).mean(), "D", ms=6,
                  color=colours.BLACK, label=None if x else "all test words")
        axis.plot(x + 0.34, paper[name], "D", color=colours.BLACK, ms=6, mfc="none",
                  mew=1.6, label=None if x else "published, SHD, all test words")
    axis.axhline(1 / int(data["classes"]), color=colours.GREY, ls=":", lw=1.2)
    axis.annotate("chance", (0.005, 1 / int(data["classes"])),
                  xycoords=("axes fraction", "data"), xytext=(0, 3),
                  textcoords="offset points", color=colours.GREY, fontsize=9.5)
    axis.set_xticks(range(len(NAMES)), NAMES.values())
    axis.set(title="After training", ylabel="accuracy", ylim=(0, 1.02),
             xlim=(-0.5, len(NAMES) - 0.4))
    axis.grid(axis="x", visible=False)
    axis.figure.legend(*axis.get_legend_handles_labels(), loc="outside lower right",
                       ncols=2)


def _confusions(data, axis):
    image = axis.imshow(data["confusions"], vmin=0, vmax=1)
    axis.grid(False)
    axis.set(title="Confusions on the chip", xlabel="predicted word",
             ylabel="spoken word")
    words = spoken_words.WORDS[:int(data["classes"])]
    axis.set_xticks(range(len(words)), words, rotation=90, fontsize=8)
    axis.set_yticks(range(len(words)), words, fontsize=8)
    axis.figure.colorbar(image, ax=axis, label="share of the words of the class")


def _speakers(data, axis):
    numbers = data["speakers"].tolist()
    values = data[f"{TRAINED}, speakers"]
    axis.bar(range(len(numbers)), values.mean(axis=0), 0.7, alpha=0.75,
             color=[colours.VERMILION if k in spoken_words.HELD_OUT else colours.ORANGE
                    for k in numbers])
    for row in values:
        axis.plot(range(len(numbers)), row, "o", color=colours.BLACK, ms=3.5)
    axis.set_xticks(range(len(numbers)), numbers)
    axis.grid(axis="x", visible=False)
    axis.set(title="Speakers, on the chip", xlabel="speaker (4, 5 held out)",
             ylabel="test accuracy", ylim=(0, 1.02))
