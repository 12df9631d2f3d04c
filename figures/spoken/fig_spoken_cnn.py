"""Spoken digits: the published convolutional network

A convolutional network learns to recognise spoken digits that are encoded as spikes.
The input of the network is an image.  Each pixel is the number of spikes in one time
bin and one group of neighbouring channels.  Only the first 1.0 s of each spoken word is
used.  The left panel shows the accuracy on training words, on test words of known
speakers, and on words of the held-out speakers 4 and 5.  Bars are means, dots are
single runs.  The diamond is the published accuracy on all test words, and the line is
the accuracy of refsnn on all test words.  The right panel shows the training accuracy
of each run.  The training accuracy is computed during training, with active dropout.
Each word is classified just before the weight update that uses this word.

The network has a convolution with 32 kernels of 11 x 11, and three blocks.  Each block
has two convolutions with 32 kernels of 3 x 3 and batch normalisation, then pooling,
then dropout of 0.2.  A dense layer of 128 neurons and the 20 outputs follow.  The
optimiser is Adamax, with a learning rate of 0.002 and batches of 32 words.  These
settings of [CSSZ20] are quoted by another source.  The padding, initial weights and
number of epochs of [CSSZ20] are not known.

By default, the data are 1,400 recordings of the Heidelberg Digits with 70 channels.
The time bins are 20 ms long, and training lasts 8 epochs.  The default network is
smaller than the published one.  The default network has two blocks, and its dense layer
has 64 neurons.  Each convolution of the default network has 8 kernels.  The kernels of
the first convolution are 5 x 5.  With --full, the network is trained for 16 epochs on
the complete Heidelberg Digits.  With --full, the words have 700 channels, and the time
bins are 10 ms long.
"""

import numpy as np

from figures.run import colours
from figures.run.claims import Published, reproduction, shown as report
from figures.spoken import spoken_networks
from figures.spoken.spoken_networks import classify         # noqa: F401, a shared job
from figures.train import spoken_words

FOLDERS = {"full": spoken_words.FILES}
SOURCE = Published(0.924, "[CSSZ20]", "table of SHD", "second-hand", 0.007)
DIFFERS = f"{spoken_words.REGENERATED}; 16 epochs, no padding (not known)"
REPEATS = {"quick": 1, "default": 1, "full": 3}
ARRAYS = {
    "title": ("", "", "name of the data set"),
    "size": ("set", "1", "number of words in each set"),
    "accuracy": ("run, set", "accuracy", "accuracy on training words, on words of "
                 "known speakers, and of held-out speakers"),
    "curves": ("run, epoch", "accuracy", "training accuracy")}


def jobs(size, seed, data, repeats=None, epochs=None, hidden=None):
    """Return the jobs that train the network."""
    listed = []
    for repeat in range(repeats or REPEATS[size]):
        spoken_networks.add(listed, spoken_networks.BLOCKS, size, data, seed, repeat,
                            {"epochs": epochs, "hidden": hidden})
    return listed


def gather(results):
    """Return the accuracies of all runs."""
    done = [r for r in results if "accuracy" in r]
    return {"title": str(done[0]["data"]), "size": done[0]["size"],
            "accuracy": np.array([r["accuracy"] for r in done]),
            "curves": np.array([r["curve"][:, 1] for r in done])}


def claims(size):
    words = spoken_words.named(size)
    text = f"{words}: test accuracy, CNN of the paper"
    found = [reproduction("cnn", text, SOURCE, tolerance=0.03, differs=DIFFERS)
             if size == "full" else report("cnn", text + ", smaller", published=SOURCE,
                                           why=spoken_words.SMALL)]
    return found + [report(f"cnn-{key}", f"{words}: accuracy on {name}, CNN")
                    for key, name in zip(spoken_words.KEYS, spoken_words.SETS,
                                         strict=True)]


def measured(data):
    return {"cnn": spoken_words.tested(data, "accuracy"), **{
        f"cnn-{key}": column for key, column in zip(
            spoken_words.KEYS, data["accuracy"].T, strict=True)}}


def shown(data):
    return data


def plot(data, fig):
    fig.set_size_inches(10, 4.2)
    left, right = fig.subplots(1, 2, sharey=True)
    fig.suptitle(f"Data: {data['title']}", x=0.01, ha="left", fontsize=11.5)
    for x, (values, (colour, _)) in enumerate(zip(
            data["accuracy"].T, spoken_words.LOOKS.values(), strict=True)):
        left.bar(x, values.mean(), 0.7, color=colour, alpha=0.75)
        left.plot([x] * len(values), values, "o", color=colours.BLACK, ms=3.5)
    left.plot([0.6, 2.4], [spoken_words.tested(data, "accuracy").mean()] * 2, "-",
              color=colours.BLACK, lw=1.5, label="all test words")
    left.plot(1.5, SOURCE.value, "D", ms=7, mfc="none", mew=1.6, color=colours.BLACK,
              label="published, all test words")
    left.axhline(1 / 20, color=colours.GREY, ls=":", lw=1.2, label="chance")
    left.set_xticks(range(3), ["training\nwords", "known\nspeakers",
                               "held-out\nspeakers"])
    left.grid(axis="x", visible=False)
    left.set(ylim=(0, 1.02), ylabel="accuracy")
    epochs = np.arange(1, data["curves"].shape[1] + 1)
    right.plot(epochs, data["curves"].T, color=colours.GREY, lw=1.2)
    right.set(title="Training words", xlabel="epoch")
    fig.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=3)
