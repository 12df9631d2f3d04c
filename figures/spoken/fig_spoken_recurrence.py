"""Spoken digits: loss, initial weights, and the gain from recurrent weights

Spiking networks with one hidden layer of 128 neurons are trained on spoken digits.  The
left panel shows the test accuracy of networks without and with recurrent weights.  Dots
are single runs, bars are means.  Diamonds are published accuracies [CSSZ20].  The
cross-entropy loss uses the sum or the maximum of the readouts over time.  Initial
recurrent weights are normally distributed.  In conditions with "large initial weights",
the initial recurrent weights have a standard deviation of 1/sqrt(128).  In conditions
with "small initial weights", the standard deviation is 0.5/sqrt(128) by default, and
0.05/sqrt(128) with --full.  The right panel shows the training accuracy of each run.
The training accuracy is the fraction of words that are classified correctly just before
they are used to update the weights.

Some settings of [CSSZ20] are not known.  NH stands for the settings of the program
`neural_heterogeneity`, which other authors wrote to repeat [CSSZ20].  The loss uses the
maximum over the first 1.0 s of each word, and bounds the number of spikes.  The
surrogate derivative has a steepness of 100.  Initial weights are uniformly distributed
within 1/sqrt(number of inputs).  Membrane inputs are multiplied by 1 - beta, and a
reset subtracts the threshold.  Batches have 64 words.  Time steps are 2 ms (0.5 ms in
the program).

By default, the networks are trained for 12 epochs on 1,400 recordings of the Heidelberg
Digits.  By default, the words have 70 channels, and the time steps are 20 ms long.
With --full, the networks are trained on all recordings, and the words have 700
channels.  The first six conditions have time steps of 4 ms.  Training ends after
200 epochs, or earlier if the training accuracy has gained less than 0.005 in the last
20 epochs.
"""

import numpy as np

from figures.run import colours
from figures.run.claims import Published, own, shown as report, stand_in
from figures.spoken import spoken_networks
from figures.spoken.spoken_networks import classify         # noqa: F401, a shared job
from figures.train import spoken_words

FOLDERS = {"full": spoken_words.FILES}
FORWARD = "feed-forward, 1 layer"
# The settings of NH that differ from those of `spoken_networks`.
NH = {"dt": 0.002, "longest": 0.999, "loss": "max", "steepness": 100.0,
      "uniform": True, "scaled": True, "reset": "subtract", "penalty": "bounds",
      "batch": 64}
SMALLER = {"epochs": 12}
LOSSES = {"sum": "sum", "max": "maximum"}
RUNS = {**{f"{key}-{loss}": (net, {**more, "loss": loss})
           for loss in LOSSES for key, net, more in (
               ("forward", FORWARD, {}), ("small", "recurrent", {}),
               ("large", "recurrent", {"loop": 1.0}))},
        "forward-nh": (FORWARD, NH), "recurrent-nh": ("recurrent", NH)}
GAINS = {"sum-small": ("small-sum", "forward-sum"),
         "sum-large": ("large-sum", "forward-sum"),
         "max-small": ("small-max", "forward-max"),
         "max-large": ("large-max", "forward-max"),
         "nh": ("recurrent-nh", "forward-nh")}
LABELS = {"forward": "feed-forward", "small": "recurrent, small initial weights",
          "large": "recurrent, large initial weights", "recurrent": "recurrent"}
COLOURS = {"forward": colours.GREY, "small": colours.BLUE, "large": colours.VERMILION,
           "recurrent": colours.GREEN}
SOURCE = {key: Published(value, "[CSSZ20]", "table of SHD", "second-hand", spread)
          for key, value, spread in (("forward-nh", 0.481, 0.016),
                                     ("recurrent-nh", 0.714, 0.019),
                                     ("gain-nh", 0.233, None))}
DIFFERS = f"{spoken_words.REGENERATED}; settings of NH, but time steps of 2 ms"
REPEATS = {"quick": 1, "default": 1, "full": 3}
ARRAYS = spoken_networks.ARRAYS


def conditions(size, runs):
    """Return {condition: (name of the network, options)}."""
    if size == "full":
        return {key: (net, {**more, **spoken_networks.CONVERGED})
                for key, (net, more) in runs.items()}
    return {key: (net, {**{k: v for k, v in more.items() if k not in (
        "dt", "longest", "batch")}, **SMALLER}) for key, (net, more) in runs.items()}


def jobs(size, seed, data, repeats=None, epochs=None, hidden=None):
    """Return the jobs that train the networks."""
    return spoken_networks.listed(
        size, seed, data, conditions(size, RUNS), repeats or REPEATS[size],
        {"epochs": epochs, "hidden": hidden})


def gather(results):
    """Return the accuracies of each condition."""
    return spoken_networks.collected(results, RUNS)


def described(key):
    """Return the label of a condition."""
    net, _, kind = key.partition("-")
    return f"{LABELS[net]}, " + ("settings of NH" if kind == "nh" else
                                 f"loss of the {LOSSES[kind]}")


def claims(size):
    words, found = spoken_words.named(size), []
    text = f"{words}: test accuracy, "
    for key, published in SOURCE.items():
        name = text + (described(key) if key in RUNS else
                       "recurrent minus feed-forward network, settings of NH")
        found.append(stand_in(key, name, published, differs=DIFFERS, tolerance=0.03)
                     if size == "full" else
                     report(key, name, published=published, why=spoken_words.SMALL))
    if size == "full":
        found.append(own("gain-change", text + "recurrent minus feed-forward network, "
                         "with the maximum and large initial weights minus with the "
                         "sum and small initial weights", low=0.05))
    found += [report(f"gain-{key}", text + "recurrent minus feed-forward network, loss "
                     f"of the {LOSSES[key[:3]]}, {key[4:]} initial weights")
              for key in GAINS if key != "nh"]
    found += [report(key, text + described(key)) for key in RUNS if key not in SOURCE]
    found += [report(f"{key}-training", f"{words}: accuracy on training words, "
                     + described(key)) for key in RUNS]
    return found + [report("not-converged", f"{words}: number of runs that did not "
                           "converge")] * (size == "full")


def measured(data):
    names = data["names"].tolist()
    test, training = (dict(zip(names, values, strict=True))
                      for values in (data["test"], data["accuracy"][..., 0]))
    gains = {key: test[one] - test[other] for key, (one, other) in GAINS.items()}
    found = {**test, **{f"{key}-training": row for key, row in training.items()},
             **{f"gain-{key}": row for key, row in gains.items()}}
    if str(data["title"]) == spoken_words.EMBEDDED:
        return found
    return found | {"gain-change": gains["max-large"] - gains["sum-small"],
                    "not-converged": np.sum(~data["converged"])}


def shown(data):
    return data


def plot(data, fig):
    fig.set_size_inches(12, 4.6)
    left, right = fig.subplots(1, 2, width_ratios=(1.15, 1))
    fig.suptitle(f"Data: {data['title']}", x=0.01, ha="left", fontsize=11.5)
    names, used = data["names"].tolist(), set()
    for x, (key, values) in enumerate(zip(names, data["test"], strict=True)):
        net = key.partition("-")[0]
        left.bar(x, values.mean(), 0.8, color=COLOURS[net], alpha=0.75,
                 label=None if net in used else LABELS[net])
        used.add(net)
        left.plot([x] * len(values), values, "o", color=colours.BLACK, ms=3.5)
        if key in SOURCE:
            left.plot(x, SOURCE[key].value, "D", ms=7, mfc="none", mew=1.6,
                      color=colours.BLACK,
                      label="published" if key == "forward-nh" else None)
        style = {"sum": "--", "max": "-", "nh": ":"}[key.partition("-")[2]]
        curves = data["curves"][x]
        right.plot(np.arange(1, curves.shape[1] + 1), curves.T, style, lw=1.2,
                   color=COLOURS[net], marker=".", ms=4)
    for style, text in (("--", "loss of the sum"), ("-", "loss of the maximum"),
                        (":", "settings of NH")):
        right.plot([], [], style, color=colours.BLACK, label=text)
    left.axhline(1 / 20, color=colours.GREY, ls=":", lw=1.2)
    left.annotate("chance", (0.98, 1 / 20), xycoords=("axes fraction", "data"),
                  xytext=(0, 3), textcoords="offset points", color=colours.GREY,
                  fontsize=9.5, ha="right")
    left.set_xticks([1, 4, 6.5], ["sum", "maximum", "settings of NH"])
    left.grid(axis="x", visible=False)
    left.set(xlim=(-0.7, 8.7), ylim=(0, 1.02), ylabel="test accuracy",
             xlabel="loss, or all settings")
    right.set(ylim=(0, 1.02), ylabel="training accuracy", xlabel="epoch",
              title="Training")
    fig.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=5)
    right.legend(loc="lower right", fontsize=9)
