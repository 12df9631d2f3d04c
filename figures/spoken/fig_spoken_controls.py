"""Spoken digits: a spiking network without spike times, with time steps of 10 ms

A recurrent spiking network is trained and tested on spoken digits.  The figure compares
recorded spike times with two controls, which change the spike times at random.  The
first control permutes the spike times of each word at random, but does not change the
channels of the spikes.  The second control replaces all spike times by uniformly
distributed random times.  Bars are means of the test accuracy, dots are single runs.

With --full, the time steps are 10 ms long.  In the figure `spoken_timing`, the time
steps of this network are 4 ms long.  The network is less accurate with time steps of
4 ms than with time steps of 10 ms.  By default, the time steps of this network are
20 ms long in this figure and in the figure `spoken_timing`.  By default, this figure
and the figure `spoken_timing` show the same runs of this network.
"""

from figures.run import colours
from figures.run.claims import Published, own, shown as report, stand_in
from figures.spoken import spoken_networks
from figures.spoken.spoken_networks import classify         # noqa: F401, a shared job
from figures.train import spoken_words

FOLDERS = {"full": spoken_words.FILES}
LAWS = {"recorded": "recorded times", "permuted": "permuted times",
        "uniform": "uniform times"}
ESSENTIAL = Published("the timing of spikes is essential", "[CSSZ20]", "abstract",
                      "words")
REPEATS = {"quick": 1, "default": 2, "full": 3}
ARRAYS = spoken_networks.ARRAYS


def runs(size):
    """Return the network and options per condition."""
    step = {"dt": 0.01} if size == "full" else {}
    return {key: ("recurrent", {**({"law": key} if key != "recorded" else {}), **step})
            for key in LAWS}


def jobs(size, seed, data, repeats=None, epochs=None, hidden=None):
    """Return the jobs that train the networks."""
    return spoken_networks.listed(
        size, seed, data, runs(size), repeats or REPEATS[size],
        {"epochs": epochs, "hidden": hidden})


def gather(results):
    """Return the accuracies of each condition."""
    return spoken_networks.collected(results, LAWS)


def claims(size):
    text = f"{spoken_words.named(size)}: test accuracy"
    lost = f"{text} lost with uniform spike times, spiking, recurrent"
    if size == "full":
        lost += ", time steps of 10 ms"
    return [stand_in("lost-uniform", lost, ESSENTIAL, ordered=True,
                     differs=f"{spoken_words.REGENERATED}; own control")
            if size == "full" else own("lost-uniform", lost, low=0.1),
            report("lost-permuted", lost.replace("uniform", "permuted")),
            *[report(key, f"{text}, spiking, recurrent, {label}")
              for key, label in LAWS.items()]]


def measured(data):
    found = dict(zip(LAWS, data["test"], strict=True))
    return found | {f"lost-{law}": found["recorded"] - found[law]
                    for law in ("permuted", "uniform")}


def shown(data):
    return {key: data[key] for key in ("title", "test")}


def plot(data, fig):
    fig.set_size_inches(6, 4.2)
    axis = fig.subplots()
    for x, values in enumerate(data["test"]):
        axis.bar(x, values.mean(), 0.6, color=colours.BLUE, alpha=0.75)
        axis.plot([x] * len(values), values, "o", color=colours.BLACK, ms=3.5)
    axis.axhline(1 / 20, color=colours.GREY, ls=":", lw=1.2)
    axis.annotate("chance", (0.98, 1 / 20), xycoords=("axes fraction", "data"),
                  xytext=(0, 3), textcoords="offset points", color=colours.GREY,
                  fontsize=9.5, ha="right")
    axis.set_xticks(range(len(LAWS)), LAWS.values())
    axis.grid(axis="x", visible=False)
    axis.set(ylim=(0, 1.02), xlim=(-0.5, 2.7), ylabel="test accuracy")
    fig.suptitle(f"Data: {data['title']}", x=0.01, ha="left", fontsize=11.5)
