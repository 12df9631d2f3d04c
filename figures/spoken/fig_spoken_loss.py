"""What the loss reads, and how much timing counts, for spoken digits

A recurrent spiking network, a feed-forward one and an LSTM learn spoken
digits, as in the figure of classifiers, with other losses, other steps and
jittered spikes.  The maximum over time of the readouts makes a better loss
for the recurrent network than their last step.  Spikes of test words
jittered by 160 ms cost the recurrent network and the LSTM at least 10
points, and steps of 160 ms cost the LSTM at least 5 against the best of finer
ones.

Left: test accuracy (all test words) when the loss, and the decision, is of
the readouts' sum, maximum or last step, which comes after most words, when
readouts of 20 ms have forgotten them.  Middle: trained and tested with
other steps, the time constants unchanged.  Right: the networks of 20 ms,
tested on words with each spike moved in time by a normal draw.  Small marks
are single runs.

The default data are synthetic digits, 20 classes.  At --full, SHD (and SSC)
where the data folder has it, or else recordings of the Free Spoken Digit
Dataset (fsdd), and then also a recurrent network of 1,024 neurons, trained
on words whose channels are moved and with events added (published: 83.2 % on
SHD [CSSZ20]); and where there is fsdd, classifiers trained on synthetic
English digits and tested on its recordings.
"""

import os

import numpy as np

from figures.run.claims import Claim, at_least
from figures.run import colours
from figures.run import published
from figures.spoken import spoken_networks
from figures.spoken import spoken_words
from figures.spoken.spoken_networks import classify  # noqa: F401, jobs that figures share
from figures.spoken.spoken_words import part, recorded  # noqa: F401

FIGURE = "spoken_loss"
FORWARD = "feed-forward, 1 layer"
LOSSES = ("sum", "max", "last")
BINS = {"recurrent": (0.01, 0.04, 0.08, 0.16), "LSTM": (0.01, 0.04, 0.08, 0.16)}
FINE, COARSE = (0.01, 0.02, 0.04), 0.16
LARGE = {"hidden": 1024, "channels": 1.5, "spread": 0.005, "insert": 0.1,
         "rate": 2e-3, "epochs": 20}
MOVED = spoken_words.MOVED                             # from synthetic words to recordings
TRANSFERRED = ("counts, radial", "recurrent", "LSTM", "CNN")
COLOURS = {"recurrent": colours.BLUE, FORWARD: colours.GREEN, "LSTM": colours.VERMILION}
REPEATS = {"quick": 1, "default": 2, "full": 1}


def jobs(size, seed, data):
    """The jobs that make a data set, and one for each condition and repeat."""
    listed = []
    for name, (makers, folder) in spoken_words.data_jobs(size, seed, data).items():
        before = range(len(listed), len(listed) + len(makers))
        listed += makers
        for condition, more in conditions(size):
            for repeat in range(REPEATS[size]):
                spoken_networks.add(listed, condition, name, folder, seed, repeat, before, **more)
    real = os.path.join(data or "", "fsdd")
    if size == "full" and os.path.isdir(real):
        makers = spoken_words.transfer_jobs(seed, real)
        at = [listed.index(maker) if maker in listed else None for maker in makers]
        for i, maker in enumerate(makers):
            if at[i] is None:
                at[i] = len(listed)
                listed.append(maker)
        for condition in TRANSFERRED:
            for repeat in range(1 if condition == TRANSFERRED[0] else 3):
                spoken_networks.add(listed, condition, MOVED, None, seed, repeat, at)
    return listed


def conditions(size):
    """(condition, other options) of all networks."""
    found = [(name, {"loss": loss} if loss != LOSSES[0] else {})
             for name in ("recurrent", FORWARD) for loss in LOSSES]
    found += [("LSTM", {}), *((name, {"dt": dt}) for name, bins in BINS.items()
                              for dt in bins)]
    return [*found, ("recurrent", LARGE)] if size == "full" else found


def gather(results):
    """Test accuracies {NAME CONDITION: (repeats,)}, with jitter (repeats, spreads)."""
    found = {"names": [], "spreads": np.array(spoken_networks.SPREADS)}
    for r in (r for r in results if "accuracy" in r):
        name, condition = str(r["data"]), str(r["condition"])
        if name not in found["names"]:
            found["names"].append(name)
        size = r["size"][1:].astype(float)
        test = np.nan_to_num(r["accuracy"][1:]) @ size / size.sum()
        found.setdefault(f"{name} {condition}", []).append(test)
        if "jittered" in r and len(r["jittered"]):
            found.setdefault(f"{name} {condition}, jittered", []).append(r["jittered"])
        found[f"{name} classes"] = r["classes"]
    return {key: np.array(value) for key, value in found.items()}


def by_bin(data, name, condition):
    """Steps, s, and test accuracies (steps, repeats)."""
    bins = sorted({*BINS[condition], spoken_networks.Options().dt})
    keys = [f"{name} {condition}" + ("" if dt == spoken_networks.Options().dt else f", dt {dt:g}")
            for dt in bins]
    return np.array(bins), np.array([data[key] for key in keys])


def claims(data):
    found = []
    for name in data["names"].tolist():
        if name == MOVED:
            found += [Claim(
                f"trained on synthetic digits, tested on fsdd: {key}",
                float(data[f"{name} {key}"].mean()), "shown only", None)
                for key in TRANSFERRED]
            continue
        means = {key: data[f"{name} {key}"].mean() for key in (
            "recurrent", "recurrent, loss max", "recurrent, loss last", FORWARD,
            f"{FORWARD}, loss max", f"{FORWARD}, loss last", "LSTM")}
        found.append(at_least(
            f"{name}: recurrent, loss of the maximum - of the last step",
            means["recurrent, loss max"] - means["recurrent, loss last"], 0.0))
        for key in spoken_networks.JITTERED:
            curve = data[f"{name} {key}, jittered"].mean(axis=0)
            found.append(at_least(f"{name}: {key}, lost by jitter of 160 ms",
                                  curve[0] - curve[-1], 0.1))
        bins, values = by_bin(data, name, "LSTM")
        fine = values[np.isin(bins, FINE)].mean(axis=1).max()
        found.append(at_least(f"{name}: LSTM, lost with steps of 160 ms",
                              fine - values[bins == COARSE].mean(), 0.05))
        found += [Claim(f"{name}: test accuracy, {key}", float(value),
                        "shown only", None) for key, value in means.items()]
        large = large_key(data, name)
        if large:
            paper = published.values("spoken_classifiers")
            found.append(Claim(
                f"{name}: test accuracy, recurrent, 1,024 neurons, augmented",
                float(data[large].mean()), "compared", None,
                paper["recurrent, 1,024 neurons, augmented"] if name == "shd"
                else None))
    return found


def large_key(data, name):
    """Key of the largest network, None if there is none."""
    return next((key for key in data if key.startswith(f"{name} recurrent, hidden")),
                None)


TITLES = {"synthetic": "synthetic digits", "shd": "Spiking Heidelberg Digits",
          "ssc": "Spiking Speech Commands", "fsdd": "Free Spoken Digit Dataset"}


def plot(data, fig):
    names = [name for name in data["names"].tolist() if name != MOVED]
    moved = MOVED in data["names"].tolist()
    fig.set_size_inches(12.5, 4.4 * len(names) + 0.3)
    rows = np.atleast_1d(fig.subfigures(len(names), 1))
    for i, (name, row) in enumerate(zip(names, rows, strict=True)):
        last = moved and i == len(names) - 1
        axes = row.subplots(1, 4 if last else 3, sharey=True)
        row.suptitle(f"Data: {TITLES[name]}", x=0.01, ha="left", fontsize=11.5)
        _losses(data, name, axes[0])
        _bins(data, name, axes[1])
        _jitter(data, name, axes[2])
        if last:
            _moved(data, axes[3])
        for axis in axes[:3]:
            axis.axhline(1 / int(data[f"{name} classes"]), color=colours.GREY, ls=":",
                         lw=1.2)
        axes[0].set(ylim=(0, 1.02), ylabel="share of the test words recognised")
        axes[1].annotate("chance", (0.02, 1 / int(data[f"{name} classes"])),
                         xycoords=("axes fraction", "data"), xytext=(0, 3),
                         textcoords="offset points", color=colours.GREY, fontsize=9.5)


def _losses(data, name, axis):
    for i, key in enumerate(("recurrent", FORWARD)):
        for x, loss in enumerate(LOSSES):
            more = f", loss {loss}" if x else ""
            values = data[f"{name} {key}{more}"]
            at = x + 0.36 * (i - 0.5)
            axis.bar(at, values.mean(), 0.34, color=COLOURS[key], alpha=0.75,
                     label=f"spiking, {key}" if not x else None)
            axis.plot([at] * len(values), values, "o", color=colours.BLACK, ms=3.5)
    large = large_key(data, name)
    if large:
        values = data[large]
        axis.bar(3, values.mean(), 0.5, color=colours.SKY)
        axis.plot([3] * len(values), values, "o", color=colours.BLACK, ms=3.5)
    axis.set_xticks(range(4 if large else 3), ["sum", "maximum", "last step",
                                               "1,024,\nnoise"][:4 if large else 3])
    axis.grid(axis="x", visible=False)
    axis.set(title="What the loss reads", xlabel="of the readouts over time")
    axis.legend(loc="upper right")


def _bins(data, name, axis):
    for key in BINS:
        bins, values = by_bin(data, name, key)
        axis.plot(1e3 * bins, values, "o", color=COLOURS[key], ms=3.5, alpha=0.6)
        axis.plot(1e3 * bins, values.mean(axis=1), "-", color=COLOURS[key],
                  label="spiking, recurrent" if key == "recurrent" else key)
    axis.set(title="Length of a step", xlabel="step (ms)", xscale="log")
    axis.set_xticks(1e3 * bins, [f"{1e3 * dt:g}" for dt in bins])
    axis.minorticks_off()
    axis.legend(loc="upper right")


def _jitter(data, name, axis):
    at = np.arange(len(data["spreads"]))
    for key in spoken_networks.JITTERED:
        curves = data[f"{name} {key}, jittered"]
        axis.plot(at, curves.T, "o", color=COLOURS[key], ms=3.5, alpha=0.6)
        axis.plot(at, curves.mean(axis=0), "-", color=COLOURS[key],
                  label="spiking, recurrent" if key == "recurrent" else key)
    axis.set_xticks(at, [f"{1e3 * s:g}" for s in data["spreads"]])
    axis.set(title="Jitter of the test words", xlabel="standard deviation (ms)")
    axis.legend(loc="upper right")


def _moved(data, axis):
    for i, key in enumerate(TRANSFERRED):
        values = data[f"{MOVED} {key}"]
        axis.bar(i, values.mean(), 0.6, color=colours.PURPLE, alpha=0.75)
        axis.plot([i] * len(values), values, "o", color=colours.BLACK, ms=3.5)
    axis.axhline(0.1, color=colours.GREY, ls=":", lw=1.2)
    axis.set_xticks(range(len(TRANSFERRED)), ["counts", *TRANSFERRED[1:]])
    axis.grid(axis="x", visible=False)
    axis.set(title="Trained on synthetic words", xlabel="tested on recordings, fsdd")
