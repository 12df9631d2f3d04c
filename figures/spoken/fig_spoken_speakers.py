"""Spoken digits: accuracy against the number of training speakers

The left panel shows how often a long short-term memory network (LSTM) confuses one
spoken digit with another.  The middle panel shows the accuracy of the classifiers on
the test words of each speaker, after training without the speakers 4 and 5.  The right
panel shows the accuracy on the words of the speakers 4 and 5, against the number of
training speakers.  The classifiers are a support vector machine (SVM) and an LSTM.
Training speakers are drawn at random from the ten other speakers.  Because the number
of training epochs is fixed, fewer speakers also mean fewer weight updates.  Dots show
single runs.  Lines and bars show means.

The classes are 10 English and 10 German words.  For each spoken word, one class is
correct and 19 classes are wrong.  The wrong classes are 9 words of the same language
and 10 words of the other language, for example "neun" for "nine".  Because 10 of the 19
wrong classes belong to the other language, random errors would choose the wrong
language with a probability of 10/19.

The caption of the figure `spoken_classifiers` describes the classifiers and the words.
This figure follows the tests on held-out speakers in [CSSZ20] and the confusion matrix
in [CB22] fig. 5.
"""

import numpy as np

from figures.run import colours
from figures.run.claims import own, shown as report
from figures.spoken import spoken_networks
from figures.spoken.spoken_networks import classify         # noqa: F401, a shared job
from figures.train import spoken_words

FOLDERS = {"full": spoken_words.FILES}
PAPER = "[CSSZ20]"
SHOWN = {"counts, radial": (colours.GREY, "SVM on counts"),
         "recurrent": (colours.BLUE, "spiking, recurrent"),
         "LSTM": (colours.VERMILION, "LSTM")}
IDS = dict(zip(SHOWN, ("svm", "recurrent", "lstm"), strict=True))
SOME = ("counts, radial", "LSTM")       # trained on the words of some speakers
COUNTS = (1, 2, 4, 6, 8)                # numbers of training speakers, besides all
ALL = 10
REPEATS = {"quick": 1, "default": 2, "full": 1}
ARRAYS = {
    "title": ("", "", "name of the data set"),
    "speakers": ("speaker", "1", "numbers of the speakers of test words"),
    "counts": ("count", "1", "numbers of training speakers"),
    "confusions": ("spoken class, predicted class", "1",
                   "share of the words of a spoken class, LSTM"),
    "between": ("run", "1", "share of the errors of the LSTM between the languages"),
    **{name: ("run, speaker", "accuracy", "test accuracy by speaker")
       for name in SHOWN},
    **{f"{name}, speakers": ("count, run", "accuracy", "accuracy on held-out speakers")
       for name in SOME}}


def jobs(size, seed, data, counts=COUNTS, repeats=None, epochs=None, hidden=None):
    """Return the jobs that train the classifiers.

    Each entry of `counts` is a number of training speakers, which is at most 9.
    """
    listed, changed = [], {"epochs": epochs, "hidden": hidden, "speakers": None}
    repeats = repeats or REPEATS[size]
    for condition in SHOWN:
        for repeat in range(1 if condition.startswith("counts") else repeats):
            spoken_networks.add(listed, condition, size, data, seed, repeat, changed)
            for count in sorted(counts) if condition in SOME else ():
                spoken_networks.add(listed, condition, size, data, seed, repeat,
                                    changed, speakers=count)
    return listed


def gather(results):
    """Return accuracies and the LSTM's confusion matrix."""
    done = [r for r in results if "accuracy" in r]
    speaker, label = done[0]["speaker"], done[0]["label"]
    begin = f"{SOME[0]}, speakers "
    counts = sorted(int(r["condition"][len(begin):]) for r in done
                    if r["condition"].startswith(begin))
    found = {"title": str(done[0]["data"]), "speakers": np.unique(speaker),
             "counts": np.array([*counts, ALL])}
    for name in SHOWN:
        own = [r for r in done if r["condition"] == name]
        found[name] = np.array([[(r["predicted"] == label)[speaker == k].mean()
                                 for k in found["speakers"]] for r in own])
        if name == "LSTM":
            confused = [confusions(label, r["predicted"]) for r in own]
            found["confusions"] = np.mean(confused, axis=0)
            found["between"] = np.array([between(matrix) for matrix in confused])
        if name in SOME:
            found[f"{name}, speakers"] = np.array([
                [r["accuracy"][2] for r in done
                 if r["condition"] == f"{name}, speakers {k}"] for k in counts]
                + [[r["accuracy"][2] for r in own]])
    return found


def confusions(label, predicted):
    """Return the confusion matrix with normalised rows."""
    found = np.zeros((20, 20))
    np.add.at(found, (label, predicted), 1)
    return found / found.sum(axis=1, keepdims=True)


def between(confused):
    """Return the share of errors between languages."""
    wrong = confused * (1 - np.eye(20))
    return (wrong[:10, 10:].sum() + wrong[10:, :10].sum()) / wrong.sum()


def claims(size):
    words = spoken_words.named(size)
    found = [own("gain", f"{words}: accuracy on held-out speakers, LSTM, ten training "
                 "speakers minus two", low=0.1),
             own("between", f"{words}: share of the errors of the LSTM that are words "
                 "of the other language", low=10 / 19)]
    for name, key in IDS.items():
        found += [report(f"{key}-{part}", f"{words}: accuracy, {SHOWN[name][1]}, mean "
                         f"of {text}") for part, text in (
                  ("known", "known speakers"), ("held-out", "held-out speakers"))]
    for name in SOME:
        found += [report(f"{IDS[name]}-{count}", f"{words}: accuracy on held-out "
                         f"speakers, {SHOWN[name][1]}, {count} training "
                         f"speaker{'s' * (count > 1)}") for count in (*COUNTS, ALL)]
    return found


def measured(data):
    """Return the results of each classifier."""
    held = np.isin(data["speakers"], spoken_words.HELD_OUT)
    found, counts = {"between": data["between"]}, data["counts"].tolist()
    for name, key in IDS.items():
        for part, which in (("known", ~held), ("held-out", held)):
            found[f"{key}-{part}"] = data[name][:, which].mean(axis=1)
    for name in SOME:
        found |= {f"{IDS[name]}-{count}": row for count, row in zip(
            counts, data[f"{name}, speakers"], strict=True)}
    if 2 in counts:
        found["gain"] = found[f"lstm-{ALL}"] - found["lstm-2"]
    return found | {key: found[key][0] for key in ("svm-known", "svm-held-out",
                                                   f"svm-{ALL}")}


def shown(data):
    return data


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
        if name in SOME:
            rows = data[f"{name}, speakers"]
            right.plot(data["counts"], rows, "o", color=colour, ms=3.5, alpha=0.6)
            right.plot(data["counts"], rows.mean(axis=1), "-", color=colour)
    right.axhline(1 / 20, color=colours.GREY, ls=":", lw=1.2)
    right.annotate("chance", (0.98, 1 / 20), xycoords=("axes fraction", "data"),
                   xytext=(0, 3), textcoords="offset points", color=colours.GREY,
                   fontsize=9.5, ha="right")
    right.set(title="Accuracy on the held-out speakers", ylim=(0, 1.02),
              xlabel="number of training speakers", ylabel="accuracy")
    right.set_xticks(data["counts"])
    fig.legend(*middle.get_legend_handles_labels(), loc="outside lower center", ncols=3)
