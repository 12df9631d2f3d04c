"""Spoken digits: accuracy grows with the number of training speakers

The left panel shows how often a long short-term memory network (LSTM) that classifies
spoken digits confuses one word with another. The middle panel shows the accuracy of the
classifiers on the test words of each speaker. No classifier is trained on words of the
speakers 4 and 5, who are held out. For the right panel, a support vector machine (SVM)
and an LSTM are trained on the words of some of the other ten speakers. Both classifiers
are tested on all words of the speakers 4 and 5. The training speakers are drawn at
random for each classifier and each number of training speakers. The accuracy of the
LSTM on the words of the speakers 4 and 5 is at least 0.1 higher with ten training
speakers than with two training speakers. Because the number of training epochs is
fixed, training with fewer speakers also means fewer weight updates. In at least 10/19
of the errors of the LSTM (with equal weight for each class), the predicted word is in
the other language, for example "neun" for "nine". For random errors, the fraction of
predicted words in the other language would be 10/19, because each word has 10 of the 19
wrong words in the other language.

The captions of the figures `spoken_classifiers` and `spoken_timing` describe the
classifiers and the recordings.  Dots are single runs, lines and bars are means.  The
figure follows the tests on held-out speakers in [CSSZ20] and the confusion matrix in
[CB22] fig. 5.
"""

import numpy as np

from figures.run import colours
from figures.run.claims import at_least, reported, runs
from figures.spoken import spoken_networks
from figures.spoken.spoken_networks import classify         # noqa: F401, a shared job
from figures.train import spoken_words

SHOWN = {"counts, radial": (colours.GREY, "SVM on counts"),
         "recurrent": (colours.BLUE, "spiking, recurrent"),
         "LSTM": (colours.VERMILION, "LSTM")}
COUNTS = (1, 2, 4, 6, 8)                # numbers of training speakers, besides all ten
REPEATS = {"quick": 1, "default": 2, "full": 1}


def jobs(size, seed, data):
    """Return the jobs that train the classifiers."""
    listed = []
    for condition in SHOWN:
        for repeat in range(1 if condition.startswith("counts") else REPEATS[size]):
            spoken_networks.add(listed, condition, size, data, seed, repeat)
            for count in COUNTS if condition != "recurrent" else ():
                spoken_networks.add(listed, condition, size, data, seed, repeat,
                                    speakers=count)
    return listed


def gather(results):
    """Return accuracies and the LSTM's confusion matrix."""
    done = [r for r in results if "accuracy" in r]
    speaker, label = done[0]["speaker"], done[0]["label"]
    found = {"title": str(done[0]["data"]), "speakers": np.unique(speaker)}
    for name in SHOWN:
        own = [r for r in done if r["condition"] == name]
        found[name] = np.array([[(r["predicted"] == label)[speaker == k].mean()
                                 for k in found["speakers"]] for r in own])
        if name == "LSTM":
            confused = np.zeros((20, 20))
            for r in own:
                np.add.at(confused, (label, r["predicted"]), 1)
            found["confusions"] = confused / confused.sum(axis=1, keepdims=True)
        if name != "recurrent":
            found[f"{name}, speakers"] = np.array([
                [r["accuracy"][2] for r in done
                 if r["condition"] == f"{name}, speakers {k}"] for k in COUNTS]
                + [[r["accuracy"][2] for r in own]])
    return found


def claims(data):
    text = f"{data['title']}, {runs(len(data['LSTM']))}"
    rows, confused = data["LSTM, speakers"].mean(axis=1), data["confusions"]
    wrong = confused * (1 - np.eye(20))
    between = wrong[:10, 10:].sum() + wrong[10:, :10].sum()
    held = np.isin(data["speakers"], spoken_words.HELD_OUT)
    return [
        at_least(f"{text}: accuracy on held-out speakers, LSTM, ten training speakers "
                 "minus two", rows[-1] - rows[COUNTS.index(2)], 0.1),
        at_least(f"{text}: share of the LSTM's errors that are words of the other "
                 "language",
                 between / wrong.sum(), 10 / 19),
        *[reported(f"{text}: accuracy, {label}, mean of {words}",
                   data[name][:, which].mean(axis=1))
          for name, (_, label) in SHOWN.items()
          for words, which in (("known speakers", ~held), ("held-out speakers", held))],
        *[reported(f"{text}: accuracy on held-out speakers, {SHOWN[name][1]}, "
                   f"{count} training speaker{'s' * (count > 1)}", row)
          for name in SHOWN if f"{name}, speakers" in data
          for count, row in zip((*COUNTS, 10), data[f"{name}, speakers"],
                                strict=True)]]


def plot(data, fig):
    fig.set_size_inches(13, 4.6)
    left, middle, right = fig.subplots(1, 3, width_ratios=(1.05, 1, 1))
    fig.suptitle(f"Data: {data['title']}", x=0.01, ha="left", fontsize=11.5)
    image = left.imshow(data["confusions"], vmin=0, vmax=1)
    left.grid(False)
    left.set(title="Confusions of the LSTM", xlabel="predicted word",
             ylabel="spoken word")
    for draw in (left.axhline, left.axvline):
        draw(9.5, color="white", lw=0.8)
    left.set_xticks(range(20), spoken_words.WORDS, rotation=90, fontsize=8)
    left.set_yticks(range(20), spoken_words.WORDS, fontsize=8)
    fig.colorbar(image, ax=left, label="share of the words of the class",
                 fraction=0.046)
    at = np.arange(len(data["speakers"]))
    for i, (name, (colour, label)) in enumerate(SHOWN.items()):
        middle.bar(at + 0.28 * (i - 1), data[name].mean(axis=0), 0.27, color=colour,
                   label=label)
    held = np.flatnonzero(np.isin(data["speakers"], spoken_words.HELD_OUT))
    middle.axvspan(held[0] - 0.5, held[-1] + 0.5, color="#E0E0E0", zorder=0)
    middle.annotate("held out", (np.mean(held), 0.97), ha="center", fontsize=9.5)
    middle.set_xticks(at, data["speakers"])
    middle.grid(axis="x", visible=False)
    middle.set(title="Accuracy by speaker", xlabel="speaker", ylim=(0, 1.02),
               ylabel="test accuracy")
    for name, (colour, _) in SHOWN.items():
        if f"{name}, speakers" in data:
            rows = data[f"{name}, speakers"]
            right.plot((*COUNTS, 10), rows, "o", color=colour, ms=3.5, alpha=0.6)
            right.plot((*COUNTS, 10), rows.mean(axis=1), "-", color=colour)
    right.axhline(1 / 20, color=colours.GREY, ls=":", lw=1.2)
    right.annotate("chance", (0.98, 1 / 20), xycoords=("axes fraction", "data"),
                   xytext=(0, 3), textcoords="offset points", color=colours.GREY,
                   fontsize=9.5, ha="right")
    right.set(title="Accuracy on the held-out speakers", ylim=(0, 1.02),
              xlabel="number of training speakers", ylabel="accuracy")
    right.set_xticks((*COUNTS, 10))
    fig.legend(*middle.get_legend_handles_labels(), loc="outside lower center", ncols=3)
