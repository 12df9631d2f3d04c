"""Spoken digits: accuracy with recorded and with altered spike times

The first panel shows the test accuracy of three networks for recorded spike times, and
for two controls that change the spike times at random.  The second panel shows the
accuracy for several lengths of the time step.  For the third panel, networks are
trained on unchanged words, and tested on words whose spikes are shifted in time at
random.  The time shifts are normally distributed.  The fourth panel shows accuracies of
the recurrent spiking network.  The score of a class is the maximum of a readout over
time, its sum over time, or its last value.  Training and prediction use the same score.
Bars and lines are means, dots are single runs.  The black dotted line is the highest
accuracy of a support vector machine on spike counts.  Grey dotted lines mark the chance
accuracy.

The networks are a recurrent spiking network, a long short-term memory network (LSTM)
and a convolutional network (CNN).  The caption of the figure `spoken_classifiers`
describes the networks and the words.  The first control permutes the spike times of
each word at random, but does not change the channels of the spikes.  The permutation
preserves the number of spikes in each channel.  The permutation also preserves the
total number of spikes in each time step.  The second control replaces all spike times
by uniformly distributed random times up to the end of the longest word.  If uniformly
distributed times replace the spike times, only the number of spikes in each channel
stays the same.  The time constants of the spiking network do not depend on the time
step.  Because most spoken words end early, readouts with a time constant of 20 ms have
usually decayed before the last time step.
"""

import numpy as np

from figures.run import colours
from figures.run.claims import Published, own, shown as report, stand_in
from figures.spoken import spoken_networks
from figures.spoken.spoken_networks import classify         # noqa: F401, a shared job
from figures.train import spoken_words

FOLDERS = {"full": spoken_words.FILES}
COUNTING = tuple(name for name in spoken_networks.CONDITIONS if "counts" in name)
TIMED = ("recurrent", "LSTM", "CNN")
LAWS = {"": "recorded times", "permuted": "permuted times", "uniform": "uniform times"}
COARSE = (40, 80, 160)                  # time steps besides the usual one, ms
FINE = {"recurrent": (10, 20), "LSTM": (20,)}           # with --full
LOSSES = {"max": "maximum", "sum": "sum", "last": "last step"}
COLOURS = dict(zip(TIMED, (colours.BLUE, colours.VERMILION, colours.GREEN),
                   strict=True))
LABELS = {"recurrent": "spiking, recurrent", "LSTM": "LSTM", "CNN": "CNN"}
REPEATS = {"quick": 1, "default": 2, "full": 1}
CONTROLLED = {"LSTM": 3, "CNN": 3}      # runs of the first panel, with --full
ESSENTIAL = Published("the timing of spikes is essential", "[CSSZ20]", "abstract",
                      "words")
CAUSES = {"recurrent": "with recorded times, the recurrent network is hardly more "
                       "accurate than a support vector machine on counts"}
ARRAYS = {
    "title": ("", "", "name of the data set"),
    "spreads": ("spread", "s", "standard deviation of the jitter of test words"),
    "counts": ("kernel", "accuracy", "test accuracy of support vector machines"),
    **{name: ("times, run", "accuracy", "recorded, permuted, uniform spike times")
       for name in TIMED},
    **{f"{name}, steps": ("step", "ms", "time steps") for name in FINE},
    **{f"{name}, by step": ("step, run", "accuracy", "test accuracy by time step")
       for name in FINE},
    **{f"{name}, jittered": ("run, spread", "accuracy", "test accuracy with jitter")
       for name in FINE},
    "recurrent, by loss": ("loss, run", "accuracy", "loss of the maximum, of the sum, "
                           "of the last step")}


def jobs(size, seed, data, steps=COARSE, repeats=None, epochs=None, hidden=None):
    """Return the jobs that train the classifiers.

    The list `steps` holds the time steps, in ms, that the second panel compares.
    """
    listed, changed = [], {"epochs": epochs, "hidden": hidden}
    folder = spoken_words.folder(size, data)
    usual = {name: spoken_networks.options(name, folder) for name in FINE}
    runs = [(name, {"law": law} if law else {}) for name in TIMED for law in LAWS]
    runs += [(name, {"dt": ms / 1000}) for name in FINE for ms in (
        *(FINE[name] if size == "full" else ()), *steps)
             if ms / 1000 != usual[name].dt]
    runs += [("recurrent", {"loss": loss}) for loss in LOSSES
             if loss != usual["recurrent"].loss]
    for condition in COUNTING:
        spoken_networks.add(listed, condition, size, data, seed, 0)
    for condition, more in runs:
        whole = CONTROLLED.get(condition) if size == "full" and more.keys() <= {
            "law"} else None
        for repeat in range(repeats or whole or REPEATS[size]):
            spoken_networks.add(listed, condition, size, data, seed, repeat, changed,
                                **more)
    return listed


def gather(results):
    """Return the test accuracies of each condition."""
    done, right = [r for r in results if "accuracy" in r], {}
    for r in done:
        right.setdefault(str(r["condition"]), []).append(
            (r["predicted"] == r["label"]).mean())
    dt, loss = ({str(r["condition"]): r[key] for r in done} for key in ("dt", "loss"))
    found = {"title": str(done[0]["data"]),
             "spreads": np.array(spoken_networks.SPREADS),
             "counts": np.array([right[name][0] for name in COUNTING]),
             **{name: np.array([right[name + f", law {law}" * (law != "")]
                                for law in LAWS]) for name in TIMED}}
    for name in FINE:
        keys = sorted((key for key in right if key == name
                       or key.startswith(f"{name}, dt ")), key=dt.get)
        found |= {f"{name}, steps": np.array([round(1e3 * dt[key]) for key in keys]),
                  f"{name}, by step": np.array(
                      [right[key][:min(len(right[k]) for k in keys)] for key in keys]),
                  f"{name}, jittered": np.array([r["jittered"] for r in done
                                                 if r["condition"] == name])}
    keys = {str(loss[key]): key for key in right
            if key == "recurrent" or key.startswith("recurrent, loss ")}
    return found | {"recurrent, by loss": np.array([right[keys[name]]
                                                    for name in LOSSES])}


def claims(size):
    words, found = spoken_words.named(size), []
    for name in TIMED:
        key = f"lost-uniform-{name.lower()}"
        text = f"{words}: test accuracy lost with uniform spike times, {LABELS[name]}"
        found.append(stand_in(key, text, ESSENTIAL, ordered=True,
                              differs=f"{spoken_words.REGENERATED}; own control",
                              cause=CAUSES.get(name, "")) if size == "full" else
                     own(key, text, low=0.1))
    found.append(own("lost-steps", f"{words}: test accuracy lost with time steps of "
                     "160 ms, LSTM", low=0.05))
    found += [own(f"lost-jitter-{name.lower()}", f"{words}: test accuracy lost by "
                  f"jitter of 160 ms, {LABELS[name]}", low=0.1) for name in FINE]
    found += [report(f"{name.lower()}-{law or 'recorded'}", f"{words}: test accuracy, "
                     f"{LABELS[name]}, {text}")
              for name in TIMED for law, text in LAWS.items()]
    found.append(report("svm", f"{words}: test accuracy, best support vector machine "
                        "on counts"))
    for name in FINE:
        usual = spoken_networks.options(name, "" if size == "full" else None).dt
        fine = FINE[name] if size == "full" else ()
        found += [report(f"{name.lower()}-{ms}-ms", f"{words}: test accuracy, "
                         f"{LABELS[name]}, time step of {ms} ms")
                  for ms in (round(1e3 * usual), *fine, *COARSE)]
    found.append(report("gain-maximum", f"{words}: test accuracy, recurrent network, "
                        "trained on the maximum minus trained on the last step"))
    return found + [report(f"loss-{loss}", f"{words}: test accuracy, recurrent "
                           f"network, loss of the {text}")
                    for loss, text in LOSSES.items()]


def measured(data):
    steps, reduced = data["LSTM, by step"], data["recurrent, by loss"]
    found = {"svm": data["counts"].max(), "gain-maximum": reduced[0] - reduced[-1],
             **{f"loss-{loss}": row for loss, row in zip(LOSSES, reduced, strict=True)}}
    if data["LSTM, steps"][-1] == COARSE[-1]:
        found["lost-steps"] = steps[steps.mean(axis=1).argmax()] - steps[-1]
    for name in TIMED:
        found[f"lost-uniform-{name.lower()}"] = data[name][0] - data[name][-1]
        found |= {f"{name.lower()}-{law or 'recorded'}": row
                  for law, row in zip(LAWS, data[name], strict=True)}
    for name in FINE:
        curves = data[f"{name}, jittered"]
        found[f"lost-jitter-{name.lower()}"] = curves[:, 0] - curves[:, -1]
        found |= {f"{name.lower()}-{ms}-ms": row for ms, row in zip(
            data[f"{name}, steps"], data[f"{name}, by step"], strict=True)}
    return found


def shown(data):
    return data


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
        for x in range(len(LAWS)):
            _bar(axis, x + 0.27 * (i - 1), data[name][x], 0.25, COLOURS[name],
                 None if x else LABELS[name])
    axis.axhline(data["counts"].max(), color=colours.BLACK, ls=":", lw=1.2,
                 label="SVM on counts")
    axis.set_xticks(range(len(LAWS)), [text.replace(" ", "\n")
                                       for text in LAWS.values()])
    axis.grid(axis="x", visible=False)
    axis.set_title("Controls without spike times")


def _steps(data, axis):
    for name in FINE:
        steps, values = data[f"{name}, steps"], data[f"{name}, by step"]
        axis.plot(steps, values, "o", color=COLOURS[name], ms=3.5, alpha=0.6)
        axis.plot(steps, values.mean(axis=1), "-", color=COLOURS[name])
    ticks = np.unique([ms for name in FINE for ms in data[f"{name}, steps"]])
    axis.set(title="Time step", xlabel="time step (ms)", xscale="log")
    axis.set_xticks(ticks, ticks)
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
    for x, values in enumerate(data["recurrent, by loss"]):
        _bar(axis, x, values, 0.6, COLOURS["recurrent"])
    axis.set_xticks(range(len(LOSSES)), LOSSES.values())
    axis.grid(axis="x", visible=False)
    axis.set(title="Loss of the recurrent network",
             xlabel="reduction of the readouts over time")
