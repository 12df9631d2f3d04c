"""Spoken digits are recognised better from spike times than from spike counts

Three networks are trained on the spikes of spoken digits: a recurrent spiking network,
a long short-term memory network (LSTM) and a convolutional network (CNN).  The caption
of the figure `spoken_classifiers` describes the networks and the words.  In a first
control, networks are trained and tested on spoken words whose spike times are replaced
by uniformly distributed random times.  Random spike times preserve only the number of
spikes in each channel of a spoken word.  The test accuracy of each network is at least
0.1 lower with uniform random spike times than with the original spike times.  In the
stored results with --full, for which refsnn converted all recordings of the Heidelberg
Digits to spikes, the bound of 0.1 is not met for the recurrent network.  With time
steps of 160 ms, the test accuracy of the LSTM is at least 0.05 lower than the highest
test accuracy with shorter time steps.  If each spike of the spoken test words is
shifted by a normally distributed random time with a standard deviation of 160 ms, the
test accuracies of the recurrent network and of the LSTM both fall by at least 0.1.

The first panel also shows a second control, in which the spike times are permuted among
all spikes of a spoken word.  The permutation of spike times preserves the number of
spikes in each channel and the number of spikes in each time step.  The black dotted
line is the highest accuracy of a support vector machine, which receives only spike
counts.  Grey dotted lines mark the chance accuracy.  The second and third panels show
the recurrent spiking network and the LSTM.  In the second panel, the spiking network
and the LSTM are trained and tested with different time steps.  The time constants of
the spiking network are the same for all time steps.  In the third panel, the spiking
network and the LSTM are trained on unchanged spoken words, and only the spikes of the
test words are shifted.  In the fourth panel, the recurrent spiking network is trained
and tested with three values of the readouts: the maximum over time, the sum over time,
or the value in the last time step.  Because most spoken words end before the last time
step, and the readouts have a time constant of 20 ms, the readouts have usually decayed
before the last time step.  The test accuracy with the maximum over time is at least as
high as with the last time step.  Bars and lines are means, dots are single runs.  The
figure follows the comparisons of losses and of time steps in [CSSZ20].
"""

import numpy as np

from figures.run import colours
from figures.run.claims import at_least, reported, runs
from figures.spoken import spoken_networks
from figures.spoken.spoken_networks import classify         # noqa: F401, a shared job

COUNTING = tuple(name for name in spoken_networks.CONDITIONS if "counts" in name)
TIMED = ("recurrent", "LSTM", "CNN")
LAWS = {"": "recorded times", "permuted": "permuted times", "uniform": "uniform times"}
COARSE = (0.04, 0.08, 0.16)             # time steps besides the usual one, s
FINE = {"recurrent": (0.01, 0.02), "LSTM": (0.02,)}     # with --full
LOSSES = {"max": "maximum", "sum": "sum", "last": "last step"}
COLOURS = dict(zip(TIMED, (colours.BLUE, colours.VERMILION, colours.GREEN),
                   strict=True))
LABELS = {"recurrent": "spiking, recurrent", "LSTM": "LSTM", "CNN": "CNN"}
REPEATS = {"quick": 1, "default": 2, "full": 1}


def jobs(size, seed, data):
    """Return the jobs that train the classifiers."""
    listed = []
    usual = spoken_networks.options("recurrent", None).loss
    runs = [(name, {"law": law} if law else {}) for name in TIMED for law in LAWS]
    runs += [(name, {"dt": dt}) for name in FINE
             for dt in (FINE[name] if size == "full" else ()) + COARSE]
    runs += [("recurrent", {"loss": loss}) for loss in LOSSES if loss != usual]
    for condition in COUNTING:
        spoken_networks.add(listed, condition, size, data, seed, 0)
    for condition, more in runs:
        for repeat in range(REPEATS[size]):
            spoken_networks.add(listed, condition, size, data, seed, repeat, **more)
    return listed


def gather(results):
    """Return the test accuracies of each condition."""
    done = [r for r in results if "accuracy" in r]
    found = {"title": str(done[0]["data"]),
             "spreads": np.array(spoken_networks.SPREADS)}
    for r in done:
        right = (r["predicted"] == r["label"]).mean()
        found.setdefault(str(r["condition"]), []).append(right)
        if len(r["jittered"]):
            found.setdefault(f"{r['condition']}, jittered", []).append(r["jittered"])
        found[f"dt of {r['condition']}"] = r["dt"]
        found[f"loss of {r['condition']}"] = str(r["loss"])
    return {key: np.array(value) for key, value in found.items()}


def by_step(data, name):
    """Return the time steps and the accuracies."""
    keys = [key for key in data if key == name or key.startswith(f"{name}, dt ")]
    keys.sort(key=lambda key: data[f"dt of {key}"])
    return (np.array([data[f"dt of {key}"] for key in keys]),
            np.array([data[key] for key in keys]))


def by_loss(data):
    """Return the accuracies for each loss."""
    keys = {str(data[f"loss of {key}"]): key for key in data
            if key == "recurrent" or key.startswith("recurrent, loss ")}
    return {loss: data[keys[loss]] for loss in LOSSES}


def claims(data):
    text = f"{data['title']}, {runs(len(data['LSTM']))}"
    counted = max(float(data[name][0]) for name in COUNTING)
    lost = {name: data[name].mean() - data[f"{name}, law uniform"].mean()
            for name in TIMED}
    steps, values = by_step(data, "LSTM")
    reduced = by_loss(data)
    found = [
        at_least(f"{text}: smallest loss of test accuracy with uniform spike times, of "
                 "recurrent network, LSTM and CNN", min(lost.values()), 0.1),
        at_least(f"{text}: test accuracy lost with time steps of 160 ms, LSTM",
                 values.mean(axis=1).max() - values[-1].mean(), 0.05)]
    for name in spoken_networks.JITTERED:
        curve = data[f"{name}, jittered"].T
        found.append(at_least(f"{text}: test accuracy lost by jitter of 160 ms, "
                              f"{LABELS[name]}", curve[0] - curve[-1], 0.1))
    found.append(at_least(
        f"{text}: test accuracy, recurrent network, trained on the maximum minus "
        "trained on the last step",
        reduced["max"].mean() - reduced["last"].mean(), 0.0))
    return found + [
        reported(f"{text}: test accuracy, {LABELS[name]}, {words}",
                 data[name + f", law {law}" * (law != "")])
        for name in TIMED for law, words in LAWS.items()] + [
        reported(f"{data['title']}: test accuracy, best of {len(COUNTING)} support "
                 "vector machines on counts", counted)] + [
        reported(f"{text}: test accuracy, {LABELS[name]}, time step of {1e3 * dt:g} ms",
                 row)
        for name in FINE for dt, row in zip(*by_step(data, name), strict=True)] + [
        reported(f"{text}: test accuracy, recurrent network, loss of the "
                 f"{LOSSES[loss]}", value) for loss, value in reduced.items()]


def plot(data, fig):
    fig.set_size_inches(13, 4.6)
    axes = fig.subplots(1, 4, sharey=True)
    fig.suptitle(f"Data: {data['title']}", x=0.01, ha="left", fontsize=11.5)
    for draw, axis in zip((_laws, _steps, _jitter, _losses), axes, strict=True):
        draw(data, axis)
        axis.axhline(1 / 20, color=colours.GREY, ls=":", lw=1.2)
    axes[0].set(ylim=(0, 1.02), ylabel="test accuracy")
    axes[1].annotate("chance", (0.02, 1 / 20), xycoords=("axes fraction", "data"),
                     xytext=(0, 3), textcoords="offset points", color=colours.GREY,
                     fontsize=9.5)
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center",
               ncols=4)


def _bar(axis, at, values, width, colour, label=None):
    axis.bar(at, values.mean(), width, color=colour, alpha=0.75, label=label)
    axis.plot([at] * len(values), values, "o", color=colours.BLACK, ms=3.5)


def _laws(data, axis):
    for i, name in enumerate(TIMED):
        for x, law in enumerate(LAWS):
            _bar(axis, x + 0.27 * (i - 1), data[name + f", law {law}" * (law != "")],
                 0.25, COLOURS[name], None if x else LABELS[name])
    counted = max(float(data[name][0]) for name in COUNTING)
    axis.axhline(counted, color=colours.BLACK, ls=":", lw=1.2, label="SVM on counts")
    axis.set_xticks(range(len(LAWS)), [text.replace(" ", "\n")
                                       for text in LAWS.values()])
    axis.grid(axis="x", visible=False)
    axis.set_title("Controls without spike times")


def _steps(data, axis):
    for name in FINE:
        steps, values = by_step(data, name)
        axis.plot(1e3 * steps, values, "o", color=COLOURS[name], ms=3.5, alpha=0.6)
        axis.plot(1e3 * steps, values.mean(axis=1), "-", color=COLOURS[name])
    ticks = sorted({*by_step(data, "recurrent")[0], *by_step(data, "LSTM")[0]})
    axis.set(title="Time step", xlabel="time step (ms)", xscale="log")
    axis.set_xticks([1e3 * dt for dt in ticks], [f"{1e3 * dt:g}" for dt in ticks])
    axis.minorticks_off()


def _jitter(data, axis):
    at = np.arange(len(data["spreads"]))
    for name in spoken_networks.JITTERED:
        curves = data[f"{name}, jittered"]
        axis.plot(at, curves.T, "o", color=COLOURS[name], ms=3.5, alpha=0.6)
        axis.plot(at, curves.mean(axis=0), "-", color=COLOURS[name])
    axis.set_xticks(at, [f"{1e3 * s:g}" for s in data["spreads"]])
    axis.set(title="Jitter of test words", xlabel="standard deviation (ms)")


def _losses(data, axis):
    for x, values in enumerate(by_loss(data).values()):
        _bar(axis, x, values, 0.6, COLOURS["recurrent"])
    axis.set_xticks(range(len(LOSSES)), LOSSES.values())
    axis.grid(axis="x", visible=False)
    axis.set(title="Loss of the recurrent network",
             xlabel="reduction of the readouts over time")
