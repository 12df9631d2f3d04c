"""Write figures/RESULTS.md and the results in README.md.

Both come from the stored results of the full runs, figures/full/*.json, and
from the table below.  The table says what the stored results do not: on which
data and at which size a claim was tested, and how its published number is
known.
"""

import json
import re
from typing import NamedTuple

from figures.run import gallery, make
from figures.run.published import KNOWN

BEGIN, END = "<!-- results:begin -->\n", "<!-- results:end -->"
SAME = "At the published size and on the same data"
VERDICTS = {True: "holds", False: "**FAILS**", None: "not judged"}
MARKS = {"read": "", "plot": " (read off a plot)", "words": " (in words)",
         "second-hand": " (second-hand)", "recalled": " (recalled)"}


class Entry(NamedTuple):
    """What the stored result does not say about some claims of a figure.

    `data` describes data and size.  `known` is a key of `published.KNOWN`, or
    empty where no number is published.  `same` is True only if the size and
    the data are both those of the paper.
    """

    data: str
    known: str = ""
    same: bool = False


class Headline(NamedTuple):
    """A claim that README.md shows, with a short text and short data."""

    figure: str
    index: int
    text: str
    data: str


# ---- the table: {figure: {"indices of claims": entry}}

CHIP = "an emulated chip in place of the real one"
DIGITS = "embedded digits (8x8 images enlarged to 16x16) in place of MNIST"
CHIP_DIGITS = f"{DIGITS}, 256-100-10 neurons in place of 256-246-10, {CHIP}, 5 seeds"
CHIP_MNIST = "at 16x16, 256-246-10 neurons, 100 epochs, 1 seed in place of 5"
FSDD = ("1,200 recordings of the Free Spoken Digit Dataset (FSDD; 10 classes, 6 "
        "speakers, 2 of them held out) as spikes of ")
MERGED = ("MNIST and Fashion-MNIST, 784-300-100-10 neurons, 3 % of the weights, 5,000 "
          "steps of transfer and 5,000 with labels, 2 seeds")
PAIR = ("digits 0 and 1 of MNIST, 784-300-100-2 neurons, 10 % of the weights, 2,000 "
        "steps of transfer, 2 seeds")
TRANSFER = ("MNIST, 784-300-100-10 neurons, 3 % of the weights, 18,720 steps of "
            "transfer, 42,200 with labels, 5 runs")
ELSEWHERE = ("; distances on 64 test images, where the authors took 64 training images "
             "that they held out")
UNIFORM = ("; masks uniformly at random, where the authors' code keeps the number of "
           "weights of each unit")
LENET = ("MNIST, LeNet-5-Caffe, 3 % of the weights, 3,000 steps of transfer in place of "
         "18,720, 42,200 with labels, 1 run in place of 2")
FASHION = ("Fashion-MNIST in place of MNIST, 784-300-100-10 neurons, 3 % of the weights, "
           "18,720 steps of transfer, 42,200 with labels, 1 run")
TEACHERS = ("MNIST, 784-300-100-10 neurons, 3 % of the weights; distances on 64 of 120 "
            "held-out images, which are not the authors' images; {} where the authors "
            "had 2")
SUPERSPIKE = ("100 Poisson inputs of 5 Hz, 5 target spikes in 0.5 s, drawn anew at the "
              "paper's size")
XOR = ("task drawn anew, 20 runs of 1,250 s, {} hidden neurons; spike times, group "
       "sizes and rates, which the paper does not state, are ours")
PICTURE = ("a picture of ours in place of the published one, 100 inputs, 100 outputs, "
           "1,001 s, 1 network")
PERMUTED = ("permuted MNIST, 10 tasks, 784-2000-2000-10 neurons, batches of 256, 20 "
            "epochs, c = 0.1, xi = 0.1, 1 run")
SPLIT = ("split MNIST, 5 tasks, 784-256-256-10 neurons, batches of 64, 10 epochs, c = 1 "
         "or 0, 10 runs")
RANDOM = "random networks of 16 LIF neurons, 16 inputs, 50 steps"
XOR_DELAY = ("delayed exclusive or, 24 recurrent LIF neurons, 200 training steps, 15 "
             "networks")

TABLE = {
    "chip_calibration": {"0-1": Entry(CHIP_DIGITS, "words"), "2-6": Entry(CHIP_DIGITS),
                         "7-8": Entry(CHIP_DIGITS, "read")},
    "chip_timing": {
        "0": Entry(CHIP_DIGITS, "words"), "1, 4": Entry(CHIP_DIGITS, "read"),
        "2-3, 5": Entry(CHIP_DIGITS),
        "6": Entry("no result: the inverse of the published 11.8 µs for an image",
                   "read")},
    "chip_training": {
        "0, 3": Entry(f"MNIST {CHIP_MNIST}, {CHIP}", "read"),
        "1-2, 4-5": Entry(f"MNIST {CHIP_MNIST}", "read"),
        "6": Entry(f"Fashion-MNIST {CHIP_MNIST}, {CHIP}", "read"),
        "7-8": Entry(f"Fashion-MNIST {CHIP_MNIST}", "read")},
    "chip_words": {"0-13": Entry(
        f"{FSDD}70 channels in place of the Spiking Heidelberg Digits (SHD), 60 epochs "
        f"in place of 100, {CHIP}, 3 chips")},
    "delay": {"0-2, 6-8": Entry(XOR_DELAY), "3-4": Entry("counted for 24 neurons"),
              "5": Entry(f"gradients of the trained networks: {XOR_DELAY}")},
    "digits": {
        "0, 2-3": Entry("Fashion-MNIST, 784-100-10 neurons, 30 epochs as in the authors' "
                        "tutorial, 2 seeds, where the tutorial has 1", "read", True),
        "1": Entry("MNIST, 784-100-10 neurons, 30 epochs, 2 seeds")},
    "feedback": {"0-5": Entry("embedded digits, 8x8, 64-100-100-10 neurons, 20 epochs, 5 "
                              "seeds"),
                 "6-10": Entry("embedded digits, 8x8, 64-100-100-100-10 neurons, 20 "
                               "epochs, 5 seeds")},
    "ladder": {
        "0-1, 3-11": Entry(f"{RANDOM}, 50 networks"),
        "2": Entry("random networks of 6 LIF neurons in a ring, 50 steps, 50 networks"),
        "12": Entry("counted for 8 to 256 neurons", "second-hand"),
        "13-15": Entry("counted for 8 to 1,024 neurons"),
        "16": Entry("measured on one computer, 64 to 256 neurons"),
        "17-19": Entry("measured on one computer, 256 to 1,024 neurons")},
    "ntt_masks": {"0-16": Entry(
        "MNIST, 784-300-100-10 neurons, 3 % of the weights, 5,000 of the published "
        "18,720 steps of transfer, 2 seeds")},
    "ntt_merged": {"0-9": Entry(MERGED), "10-11": Entry(PAIR)},
    "ntt_teachers": {
        "0, 3, 5": Entry(TEACHERS.format("20 teachers"), "read"),
        "1-2, 4": Entry(TEACHERS.format("20 teachers")),
        "6": Entry(TEACHERS.format("5 teachers"), "read"),
        "7": Entry(TEACHERS.format("1 teacher")),
        "8-9": Entry(TEACHERS.format("1 teacher"), "read")},
    "ntt_transfer": {
        "0-1, 3": Entry(TRANSFER + ELSEWHERE, "read"), "2": Entry(TRANSFER + ELSEWHERE),
        "4, 6": Entry(TRANSFER, "read", True), "5, 7": Entry(TRANSFER + UNIFORM, "read"),
        "8": Entry(TRANSFER + UNIFORM),
        "9-10": Entry(LENET + ELSEWHERE, "read"), "11-12": Entry(LENET + ELSEWHERE),
        "13": Entry(LENET, "read"), "14": Entry(LENET + UNIFORM, "read"),
        "15": Entry(LENET), "16-17": Entry(LENET + UNIFORM),
        "18-21": Entry(f"{FASHION}; distances on 64 test images"),
        "22, 24": Entry(FASHION), "23, 25-26": Entry(FASHION)},
    "patterns": {
        "0, 3": Entry("random patterns of the tutorial's size, 100-4-2 neurons, 1,000 "
                      "epochs, 20 seeds"),
        "1-2": Entry("random patterns drawn anew at the tutorial's size, 100-4-2 "
                     "neurons, 1,000 epochs, 20 seeds in place of 1", "read")},
    "regularisation": {
        "0": Entry(f"{DIGITS}, 256-100-10 neurons in software, where the paper has "
                   "256-246-10 on its chip, 50 epochs, 5 seeds", "words"),
        "1-2": Entry("embedded digits (8x8 images enlarged to 16x16), 256-100-10 "
                     "neurons in software, 5 seeds")},
    "si_permuted": {"0-1": Entry(PERMUTED, "read", True),
                    "2-3": Entry(PERMUTED, "", True)},
    "si_split": {"0-3": Entry(f"{SPLIT}, test images", "", True),
                 "4-7": Entry(f"{SPLIT}, training images", "plot", True)},
    "si_theory": {"0-9": Entry("quadratic losses of 12 parameters; random starts and "
                               "Hessians")},
    "si_transfer": {"0-5": Entry(
        "MNIST, then Fashion-MNIST in 5 pairs of classes, 500 images of each class, "
        "LeNet-5-Caffe, 3 runs, in place of CIFAR-10 and CIFAR-100")},
    "sound": {
        "0, 3": Entry("2 synthetic words and 1 recording of FSDD, 700 channels"),
        "1-2, 4-5": Entry("1 synthetic word, 700 channels"),
        "6": Entry("1 recording of FSDD, 700 channels")},
    "spike_picture": {"0-1": Entry(f"{PICTURE} of each kind, 128 hidden neurons", "words"),
                      "2": Entry(f"{PICTURE}, no hidden neurons"),
                      "3-4": Entry(f"{PICTURE}, 128 hidden neurons")},
    "spoken_classifiers": {
        "0, 2-5, 11-16, 32-49": Entry(f"{FSDD}210 channels in place of SHD, 3 runs"),
        "1, 8-10, 23-31": Entry(f"{FSDD}210 channels in place of SHD; event times "
                                "permuted within each word, 3 runs"),
        "6-7, 17-22": Entry(f"{FSDD}210 channels in place of SHD, 1 run")},
    "spoken_data": {"0-8": Entry(f"{FSDD}210 channels in place of SHD")},
    "spoken_loss": {
        "0-11": Entry(f"{FSDD}210 channels in place of SHD, 1 run"),
        "12": Entry("synthetic English digits to train on, 1,200 recordings of FSDD to "
                    "test on, 70 channels, 1 run"),
        "13-15": Entry("synthetic English digits to train on, 1,200 recordings of FSDD to "
                       "test on, 70 channels, 3 runs")},
    "superspike": {"0-1": Entry(f"{SUPERSPIKE}, 20 neurons", "words"),
                   "2-4": Entry(f"{SUPERSPIKE}, 20 neurons, 800 s")},
    "superspike_hidden": {
        "0": Entry(f"{SUPERSPIKE}, 4 hidden neurons, 40 networks", "words"),
        "1-7": Entry(f"{SUPERSPIKE}, 4 hidden neurons, 250 s, 40 networks")},
    "superspike_rates": {
        "1-2": Entry(f"{SUPERSPIKE}, 4 hidden neurons, 250 s, 10 networks", "words"),
        "0, 3-5": Entry(f"{SUPERSPIKE}, 4 hidden neurons, 250 s, 10 networks")},
    "superspike_xor": {
        "0": Entry(XOR.format("no"), "words"), "15-16": Entry(XOR.format("no")),
        "1-2, 5-10, 17-22": Entry(XOR.format("8 in place of 4")),
        "3-4": Entry(XOR.format(4), "words"), "11-14, 23-26": Entry(XOR.format(4))},
}

HEADLINES = (
    Headline("digits", 0, "Surrogate gradients, Fashion-MNIST: test accuracy",
             "tutorial's size and data"),
    Headline("patterns", 2, "Surrogate gradients, random patterns: accuracy",
             "tutorial's size"),
    Headline("delay", 7, "Online, delay of 60 ms: accuracy lost by block-diagonal RTRL",
             "own task"),
    Headline("superspike", 1, "SuperSpike: neurons that hit all five target times",
             "paper's size"),
    Headline("superspike_xor", 3, "SuperSpike, XOR, 4 hidden neurons: runs that solve it",
             "paper's size, own details"),
    Headline("ntt_transfer", 4, "NTT, 3 % of the weights, MNIST: test accuracy",
             "paper's size and data"),
    Headline("ntt_transfer", 1, "NTT: kernel distance after / before transfer",
             "MNIST, 64 other images"),
    Headline("si_permuted", 0, "SI, 10 tasks of permuted MNIST: mean accuracy",
             "paper's size and data"),
    Headline("si_transfer", 2, "SI, later tasks: accuracy minus that of separate "
             "networks", "Fashion-MNIST for CIFAR"),
    Headline("chip_training", 0, "Chip in the loop, MNIST: test accuracy",
             "emulated chip, 1 seed of 5"),
    Headline("chip_calibration", 1, "Chip de-calibrated by 30 %: gain of learning in the "
             "loop", "8x8 digits for MNIST"),
    Headline("spoken_classifiers", 1, "Spoken digits: least accuracy lost when event "
             "times are permuted", "FSDD for SHD"),
)


# ---- the stored results

def indices(text):
    """Return the numbers in a text such as "0, 2-4".

    >>> indices("0, 2-4")
    [0, 2, 3, 4]
    """
    found = []
    for part in text.split(","):
        first, _, last = part.strip().partition("-")
        found += range(int(first), int(last or first) + 1)
    return found


def entries(name, count):
    """Return the entries of a figure's claims, in their order."""
    found = {i: entry for text, entry in TABLE.get(name, {}).items()
             for i in indices(text)}
    if sorted(found) != list(range(count)):
        raise ValueError(f"figure {name} has {count} claims, and the table in "
                         f"figures/run/results.py has entries for {sorted(found)}")
    return [found[i] for i in range(count)]


def documents(root):
    """Return the stored results of all figures, {name: document}."""
    paths = sorted((root / "figures" / "full").glob("*.json"))
    found = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in paths}
    return {name: found[name] for name in make.names(root) if name in found}


def counted(stored):
    """Return the sentence that counts claims and verdicts."""
    verdicts = [claim["ok"] for document in stored.values()
                for claim in document["claims"]]
    hold, fail, rest = (verdicts.count(ok) for ok in (True, False, None))
    return (f"Of {len(verdicts)} claims in {len(stored)} figures, {hold} hold, {fail} "
            f"fail, and {rest} are shown and not judged.")


def published_number(claim, entry):
    """Return the published number of a claim, and a mark of how it is known."""
    if (claim["paper"] is None) != (entry.known == ""):
        raise ValueError(f"claim {claim['text']!r}: published number {claim['paper']!r} "
                         f"is known as {entry.known!r}: must have one of "
                         f"{', '.join(KNOWN)} if there is a number, else nothing")
    return gallery.shown(claim["paper"]) + (MARKS[entry.known] if entry.known else "")


def row(*cells):
    """Return a row of a Markdown table."""
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def title_row(*cells):
    """Return the two lines with which a Markdown table begins."""
    return [row(*cells), "|" + "---|" * len(cells)]


# ---- RESULTS.md

HEAD = """\
# Results of the full runs

`python run_all.py --table` writes this file from `figures/full/*.json` and the
table in `figures/run/results.py`.  Do not edit it by hand.

**{count}**

## Claims that fail

{failing}

## How to read the tables

- *published*: the number in the paper or in its authors' code; "\u2013" if there is
  none.  A number without a mark was {read}.  Marks:
{marks}
- *refsnn*: our value, from the run that is stored in `figures/full`.
- *bound*: what our value must meet, as the code of the figure states it.  "none"
  means that the claim shows a value and is not judged.
- *data and size*: "{same}" stands only where both are equal.

"""


def failing(stored):
    """Return one list item for each claim that fails."""
    return [f"- `{name}`: {claim['text']}: {gallery.shown(claim['value'])}, must be "
            f"{gallery.bound(claim)}; published "
            f"{published_number(claim, entry)}"
            for name, document in stored.items()
            for claim, entry in zip(document["claims"], entries(
                name, len(document["claims"])), strict=True) if claim["ok"] is False]


def figure(name, document):
    """Return the part of RESULTS.md on one figure, as lines."""
    versions = document["versions"]
    lines = [f"## `{name}`: {document['title']}", "",
             f"{document['jobs']} jobs, {document['seconds'] / 60:.0f} min of computing, "
             f"seed {document['seeds']['seed']}, refsnn {versions['refsnn']}, NumPy "
             f"{versions['numpy']}, SciPy {versions['scipy']}, Python "
             f"{versions['python']}.", "",
             *title_row("claim", "published", "refsnn", "bound", "verdict",
                        "data and size")]
    above = None
    for claim, entry in zip(document["claims"], entries(name, len(document["claims"])),
                            strict=True):
        data = f"{SAME}: {entry.data}" if entry.same else entry.data
        lines.append(row(
            claim["text"], published_number(claim, entry), gallery.shown(claim["value"]),
            "none" if claim["ok"] is None else gallery.bound(claim),
            VERDICTS[claim["ok"]], "as above" if data == above else data))
        above = data
    return [*lines, ""]


def not_looked_up(root):
    """Return list items for the published numbers that nobody looked up."""
    found = []
    for path in sorted((root / "figures" / "reference").glob("*.json")):
        for key, entry in json.loads(path.read_text(encoding="utf-8")).items():
            if entry["known"] in ("recalled", "second-hand"):
                found.append(f"- `{path.stem}`, {key}: {entry['value']}"
                             f"{MARKS[entry['known']]}: {entry['source']}")
    return found


def text(root):
    """Return RESULTS.md."""
    stored = documents(root)
    lines = [HEAD.format(
        count=counted(stored), failing="\n".join(failing(stored)) or "None.",
        read=KNOWN["read"], same=SAME,
        marks="\n".join(f"  -{mark}: {KNOWN[known]}" for known, mark in MARKS.items()
                        if mark))]
    for name, document in stored.items():
        lines += figure(name, document)
    absent = [name for name in make.names(root) if name not in stored]
    lines += ["## Figures without a stored full run", "",
              ", ".join(f"`{name}`" for name in absent) + "." if absent else "None.", "",
              "## Published numbers that were not looked up", "",
              "Figures show these numbers beside their own.  They were recalled, or "
              "quoted by another source, and no result should be judged by them.", "",
              *(not_looked_up(root) or ["None."])]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)) + "\n"


# ---- README.md

def readme(root):
    """Return the results that README.md shows between its two markers."""
    stored, lines = documents(root), title_row("result", "published", "refsnn",
                                               "verdict", "data")
    for name, index, short, data in HEADLINES:
        claim = stored[name]["claims"][index]
        entry = entries(name, len(stored[name]["claims"]))[index]
        lines.append(row(short, published_number(claim, entry),
                         gallery.shown(claim["value"]), VERDICTS[claim["ok"]], data))
    return "\n".join([*lines, "", counted(stored), ""])


def write(root):
    """Write RESULTS.md, and README.md if it has the markers; return their paths."""
    paths = [root / "figures" / "RESULTS.md"]
    gallery.write_bytes(paths[0], text(root).encode())
    path = root / "README.md"
    page = path.read_text(encoding="utf-8") if path.is_file() else ""
    if BEGIN in page and END in page:
        before, _, rest = page.partition(BEGIN)
        gallery.write_bytes(path, (before + BEGIN + readme(root) + END
                                   + rest.partition(END)[2]).encode())
        paths.append(path)
    return paths
