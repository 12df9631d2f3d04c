"""A recurrent network on an emulated chip learns to classify spoken words

The left panels show the input spikes, the hidden spikes and the readouts of the chip
after training, for one spoken test word.  A readout curve is the running sum of the
potential of one readout unit.  For each readout unit, the potential is summed over
time.  The network predicts the word whose readout unit has the largest summed
potential.  The top panel on the right shows the accuracy on training words, on test
words of the same speakers, and on test words of held-out speakers.  The bottom panels
show two results on the chip: the confusion matrix, and the test accuracy for each
speaker.  Small markers are single training runs, and large markers and bars are means.
Open diamonds are published accuracies for the Spiking Heidelberg Digits (SHD, 20
classes) [CB22].

A recurrent network of 186 spiking neurons is trained with an emulated analog chip in
the loop.  The inputs are spoken words of the data set Heidelberg Digits, which are
encoded as spikes in 70 channels.  The spike times of each word are divided by 2,000,
and 1 s of speech therefore takes 500 µs on the chip.  The same network is also trained
in ideal software (without the constraints of the chip).  The networks with "fixed
recurrence" receive the randomly permuted recurrent weights of a network that was
trained on the chip.  In networks with "fixed recurrence", only the input and readout
weights are trained.  The initial values of the input and readout weights are random.
During the training of the "augmented" networks, the channel of each input spike is
shifted at random.  Each repetition uses a different emulated chip.  The initial weights
and the order of the words differ between all training runs.

By default, the networks are trained for 6 epochs on the English words (10 classes)
among the 1,400 spoken words in the repository.  With --full, the networks are trained
for 30 epochs on all spoken words, which form 20 classes.  The networks of [CB22] were
trained for 100 epochs.  The title "SHD regenerated" means that refsnn has converted the
audio recordings of the words to spikes.  This figure corresponds to [CB22] fig. 5 and
table 1.
"""

import numpy as np

from figures.chip import chip_images
from figures.chip.chip_words import keywords    # noqa: F401, a job of this figure
from figures.run import colours
from figures.run.claims import Published, shown as report, stand_in
from figures.train import spoken_words

FOLDERS = {"full": spoken_words.FILES}
FIGURE = "chip_words"
SHIFT = 15.0                    # standard deviation of shifts, in channels of 700
CONDITIONS = (("chip", "trained", False), ("chip", "fixed", False),
              ("chip", "trained", True), ("software", "trained", False),
              ("software", "trained", True))
NAMES = {"chip, trained": "chip", "chip, fixed": "chip, fixed\nrecurrence",
         "chip, trained, augmented": "chip,\naugmented",
         "software, trained": "software",
         "software, trained, augmented": "software,\naugmented"}
TRAINED, FIXED, AUGMENTED, SOFTWARE = list(NAMES)[:4]
IDS = dict(zip(NAMES, ("chip", "fixed", "augmented", "software", "software-augmented"),
               strict=True))
# Published mean and standard deviation of the accuracy on test and on training words.
TEST = {TRAINED: (0.762, 0.013), FIXED: (0.643, 0.023), AUGMENTED: (0.806, 0.010),
        SOFTWARE: (0.712, 0.003), "software, trained, augmented": (0.799, 0.007)}
TRAINING = {TRAINED: (0.966, 0.005), AUGMENTED: (0.907, 0.005), SOFTWARE: (1.0, 0.0),
            "software, trained, augmented": (0.909, 0.002)}
SHORT = "training is perhaps too short, with 30 epochs in place of 100"
# Differences of test accuracies: id, words, the two conditions, cause.
GAINS = (
    ("gain-recurrence", "on the chip, recurrent weights trained minus shuffled and "
     "fixed", TRAINED, FIXED, ""),
    ("gain-augmentation", "on the chip, augmented minus not augmented", AUGMENTED,
     TRAINED, SHORT),
    ("chip-software", "on the chip minus in software", TRAINED, SOFTWARE, ""))
SIZES = {"quick": (1, 1, 2, 48), "default": (1, 6, 10, None),
         "full": (3, 30, 20, None)}     # repeats, epochs, classes, hidden neurons
PART = 5                        # epochs in one job, if words are read from files
IDEAL = f"{spoken_words.REGENERATED}; 30 epochs in place of 100"
ON_CHIP = f"{IDEAL}; an emulated chip in place of the real one"
ARRAYS = {
    "title": ("", "", "name of the data set"),
    "classes": ("", "1", "number of classes"),
    "size": ("set", "1", "number of words in each set"),
    "label": ("", "1", "class of the example word"),
    "input": ("bin, channel", "1", "input spikes of the example word"),
    "spikes": ("bin, neuron", "1", "spikes of hidden neurons"),
    "out": ("bin, class", "thresholds", "potentials of readouts"),
    "speakers": ("speaker", "1", "numbers of the speakers of test words"),
    "confusions": ("spoken class, predicted class", "1",
                   "share of the words of a spoken class, on the chip"),
    **{name: ("run, set", "accuracy", "accuracy on each set") for name in NAMES},
    **{f"{name}, speakers": ("run, speaker", "accuracy", "test accuracy by speaker")
       for name in NAMES}}


def jobs(size, seed, data, repeats=None, epochs=None, classes=None, hidden=None,
         shift=SHIFT):
    """Return the training jobs of all networks."""
    if not shift > 0:
        raise ValueError(f"shift is {shift!r}: must be above 0")
    listed, folder = [], spoken_words.folder(size, data)
    given = zip((repeats, epochs, classes, hidden), SIZES[size], strict=True)
    repeats, epochs, classes, hidden = (value or usual for value, usual in given)
    more = {"hidden": hidden} if hidden else {}
    for repeat in range(repeats):
        for kind, recurrence, augmented in CONDITIONS:
            spread = float(shift) if augmented else 0.0
            part = epochs if folder is None else PART
            for first in range(0, epochs, part):
                call = {"folder": folder, "kind": kind, "recurrence": recurrence,
                        "epochs": epochs, "spread": spread, "seed": seed,
                        "repeat": repeat, "first": first, "classes": classes,
                        "count": min(part, epochs - first), **more}
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


def claims(size):
    """Declare the claims about accuracies."""
    words, found = spoken_words.named(size), []
    for key, text, one, other, cause in GAINS:
        value = Published(round(TEST[one][0] - TEST[other][0], 3), "[CB22]", "table 1",
                          "read")
        text = f"{words}: test accuracy {text}"
        found.append(stand_in(key, text, value, ordered=True, differs=ON_CHIP,
                              cause=cause) if size == "full" else
                     report(key, text, published=value, why=spoken_words.SMALL))
    for name, key in IDS.items():
        found.append(_beside(size, key, f"{words}: test accuracy, {name}", name,
                             TEST[name]))
    for name, key in IDS.items():
        for i, (part, text) in enumerate(zip(spoken_words.KEYS, spoken_words.SETS,
                                             strict=True)):
            found.append(_beside(
                size, f"{key}-{part}", f"{words}: accuracy on {text}, {name}", name,
                TRAINING.get(name) if i == 0 else None))
    return found


def _beside(size, key, text, name, published):
    """Declare an accuracy beside a published one."""
    if published is None:
        return report(key, text)
    value = Published(published[0], "[CB22]", "text" if name == FIXED else "table 1",
                      "read", published[1], None if name == FIXED else 5)
    if size != "full":
        return report(key, text, published=value, why=spoken_words.SMALL)
    return stand_in(key, text, value, tolerance=0.03,
                    differs=IDEAL if "software" in name else ON_CHIP,
                    cause=SHORT * key.endswith("-training"))


def measured(data):
    """Return the numbers of the claims."""
    test = {name: spoken_words.tested(data, name) for name in NAMES}
    return {**{key: test[one] - test[other] for key, _, one, other, _ in GAINS},
            **{IDS[name]: value for name, value in test.items()},
            **{f"{key}-{part}": data[name][:, i] for name, key in IDS.items()
               for i, part in enumerate(spoken_words.KEYS)}}


def shown(data):
    """Return what is plotted."""
    return data


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
        axis.plot(x + 0.34, TEST[name][0], "D", color=colours.BLACK, ms=6, mfc="none",
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
