"""Recognition of spoken digits depends on the loss, the time step and spike jitter

A recurrent spiking network, a feed-forward spiking network and an LSTM learn
spoken digits with several losses and time steps.  The caption of the figure
`spoken_classifiers` describes these networks.  The trained networks are also
tested on jittered spikes.  The loss of the recurrent network uses the maximum of
the readouts over time or the last step.  With the maximum, the test accuracy is
at least as high as with the last step.  If the spike times of the test words are
jittered with a standard deviation of 160 ms, the recurrent network and the LSTM
each lose at least 0.1 of test accuracy.  With time steps of 160 ms, the LSTM
loses at least 0.05 of test accuracy, compared with the best of the time steps
10, 20 and 40 ms.

In the left panel, the loss and the prediction use the sum over time, the maximum
over time or the last step of the readouts.  Most words end before the last step,
and the readouts have a time constant of 20 ms.  In the last step, the readouts
have therefore decayed.  The middle panel shows the test accuracy of networks that
are trained and tested with other time steps and unchanged time constants.  In the
right panel, each spike of the test words is shifted by a normally distributed
random time, and the time step is 20 ms.  Bars and lines are means, dots are
single runs.

By default, the data are synthetic digits of 20 classes.  With --full, the data are
the Spiking Heidelberg Digits (SHD) and the Spiking Speech Commands (SSC), if their
files are in the data folder, or recordings of the Free Spoken Digit Dataset
(FSDD).  With --full, a recurrent network of 1,024 neurons is added.  The training
words of the network of 1,024 neurons have jittered times, jittered channels and
additional random events.  The published test accuracy of a network of this size is
0.832 on SHD [CSSZ20].  If FSDD is in the data folder, classifiers trained on
synthetic English digits are tested on FSDD.  The figure follows the comparison of
losses and of time steps in [CSSZ20].
"""

import os

import numpy as np

from figures.run import colours, published
from figures.run.claims import Claim, at_least
from figures.spoken import spoken_networks, spoken_words
from figures.spoken.spoken_networks import classify         # noqa: F401, a shared job
from figures.spoken.spoken_words import part, recorded      # noqa: F401, shared jobs

FIGURE = "spoken_loss"
FORWARD = "feed-forward, 1 layer"
LOSSES = {"sum": "sum", "max": "maximum", "last": "last step"}
BINS = {"recurrent": (0.01, 0.04, 0.08, 0.16), "LSTM": (0.01, 0.04, 0.08, 0.16)}
FINE, COARSE = (0.01, 0.02, 0.04), 0.16
LARGE = {"hidden": 1024, "channels": 1.5, "spread": 0.005, "insert": 0.1,
         "rate": 2e-3, "epochs": 20}
MOVED = spoken_words.MOVED              # synthetic training words, recorded test words
TRANSFERRED = ("counts, radial", "recurrent", "LSTM", "CNN")
COLOURS = {"recurrent": colours.BLUE, FORWARD: colours.GREEN, "LSTM": colours.VERMILION}
LABELS = {"recurrent": "spiking, recurrent", FORWARD: f"spiking, {FORWARD}",
          "LSTM": "LSTM"}
REPEATS = {"quick": 1, "default": 2, "full": 1}


def jobs(size, seed, data):
    """Return the jobs that make each data set, and the jobs that train each network."""
    listed = []
    for name, (makers, folder) in spoken_words.data_jobs(size, seed, data).items():
        before = range(len(listed), len(listed) + len(makers))
        listed += makers
        for condition, more in conditions(size):
            for repeat in range(REPEATS[size]):
                spoken_networks.add(listed, condition, name, folder, seed, repeat,
                                    before, **more)
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
    """Return a list of the pairs (condition, options), with one pair for each network.
    """
    found = [(name, {"loss": loss} if loss != "sum" else {})
             for name in ("recurrent", FORWARD) for loss in LOSSES]
    found += [("LSTM", {}), *((name, {"dt": dt}) for name, bins in BINS.items()
                              for dt in bins)]
    return [*found, ("recurrent", LARGE)] if size == "full" else found


def gather(results):
    """Return a dict that maps "NAME CONDITION" to the test accuracies.

    Each value is an array of shape (repeats,).  NAME is a data set.  The entry
    "NAME CONDITION, jittered" (repeats, spreads) is for jittered words.
    """
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
    """Return the time steps of a network in seconds, and the test accuracies.

    The accuracies have the shape (time steps, repeats).
    """
    usual = spoken_networks.Options().dt
    bins = sorted({*BINS[condition], usual})
    keys = [f"{name} {condition}" + ("" if dt == usual else f", dt {dt:g}")
            for dt in bins]
    return np.array(bins), np.array([data[key] for key in keys])


def claims(data):
    found = []
    for name in data["names"].tolist():
        if name == MOVED:
            found += [Claim(
                "trained on synthetic digits: test accuracy on FSDD, "
                + LABELS.get(key, key), float(data[f"{name} {key}"].mean()),
                "shown only", None) for key in TRANSFERRED]
            continue
        text = spoken_words.SHORT[name]
        several = f"{text}, {spoken_words.runs(len(data[f'{name} recurrent']))}"
        means = {key: data[f"{name} {key}"].mean() for key in (
            "recurrent", "recurrent, loss max", "recurrent, loss last", FORWARD,
            f"{FORWARD}, loss max", f"{FORWARD}, loss last", "LSTM")}
        found.append(at_least(
            f"{several}: test accuracy, {LABELS['recurrent']}, loss of the maximum "
            "minus loss of the last step",
            means["recurrent, loss max"] - means["recurrent, loss last"], 0.0))
        for key in spoken_networks.JITTERED:
            curve = data[f"{name} {key}, jittered"].mean(axis=0)
            found.append(at_least(
                f"{several}: test accuracy lost by jitter of 160 ms, {LABELS[key]}",
                curve[0] - curve[-1], 0.1))
        bins, values = by_bin(data, name, "LSTM")
        fine = values[np.isin(bins, FINE)].mean(axis=1).max()
        found.append(at_least(
            f"{several}: test accuracy lost with time steps of 160 ms, LSTM",
            fine - values[bins == COARSE].mean(), 0.05))
        found += [Claim(f"{text}: test accuracy, {described(key)}", float(value),
                        "shown only", None) for key, value in means.items()]
        large = large_key(data, name)
        if large:
            paper = published.values("spoken_classifiers")
            found.append(Claim(
                f"{text}: test accuracy, {LABELS['recurrent']}, 1,024 neurons, "
                "augmented",
                float(data[large].mean()), "compared", None,
                paper["recurrent, 1,024 neurons, augmented"] if name == "shd"
                else None))
    return found


def described(condition):
    """Return the name of a condition, for use in claims."""
    if condition == "LSTM":
        return condition
    network, _, loss = condition.partition(", loss ")
    return f"{LABELS[network]}, loss of the {LOSSES[loss or 'sum']}"


def large_key(data, name):
    """Return the key of the network of 1,024 neurons, or None if `data` lacks it."""
    return next((key for key in data if key.startswith(f"{name} recurrent, hidden")),
                None)


def plot(data, fig):
    names = [name for name in data["names"].tolist() if name != MOVED]
    moved = MOVED in data["names"].tolist()
    fig.set_size_inches(12.5, 4.4 * len(names) + 0.3)
    rows = np.atleast_1d(fig.subfigures(len(names), 1))
    for i, (name, row) in enumerate(zip(names, rows, strict=True)):
        last = moved and i == len(names) - 1
        axes = row.subplots(1, 4 if last else 3, sharey=True)
        row.suptitle(f"Data: {spoken_words.TITLES[name]}", x=0.01, ha="left",
                     fontsize=11.5)
        _losses(data, name, axes[0])
        _bins(data, name, axes[1])
        _jitter(data, name, axes[2])
        if last:
            _moved(data, axes[3])
        for axis in axes[:3]:
            axis.axhline(1 / int(data[f"{name} classes"]), color=colours.GREY, ls=":",
                         lw=1.2)
        axes[0].set(ylim=(0, 1.02), ylabel="test accuracy")
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
                     label=LABELS[key] if not x else None)
            axis.plot([at] * len(values), values, "o", color=colours.BLACK, ms=3.5)
    large = large_key(data, name)
    if large:
        values = data[large]
        axis.bar(3, values.mean(), 0.5, color=colours.SKY)
        axis.plot([3] * len(values), values, "o", color=colours.BLACK, ms=3.5)
    axis.set_xticks(range(4 if large else 3), [
        *LOSSES.values(), *["1,024,\naugmented"] * bool(large)])
    axis.grid(axis="x", visible=False)
    axis.set(title="Loss and decision", xlabel="reduction of the readouts over time")
    axis.legend(loc="upper right")


def _bins(data, name, axis):
    for key in BINS:
        bins, values = by_bin(data, name, key)
        axis.plot(1e3 * bins, values, "o", color=COLOURS[key], ms=3.5, alpha=0.6)
        axis.plot(1e3 * bins, values.mean(axis=1), "-", color=COLOURS[key],
                  label=LABELS[key])
    axis.set(title="Time step", xlabel="time step (ms)", xscale="log")
    axis.set_xticks(1e3 * bins, [f"{1e3 * dt:g}" for dt in bins])
    axis.minorticks_off()
    axis.legend(loc="upper right")


def _jitter(data, name, axis):
    at = np.arange(len(data["spreads"]))
    for key in spoken_networks.JITTERED:
        curves = data[f"{name} {key}, jittered"]
        axis.plot(at, curves.T, "o", color=COLOURS[key], ms=3.5, alpha=0.6)
        axis.plot(at, curves.mean(axis=0), "-", color=COLOURS[key],
                  label=LABELS[key])
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
    axis.set(title="Trained on synthetic words",
             xlabel="tested on recordings (FSDD)")
