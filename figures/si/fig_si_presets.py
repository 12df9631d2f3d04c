"""Accuracy and importances of seven presets of synaptic intelligence

The left panel shows the mean test accuracy over five tasks at the end of training,
against the strength c of the penalty.  Colours stand for seven variants of synaptic
intelligence, called presets.  For each preset (variant of synaptic intelligence), a
ring marks the accuracy at the default strength of the penalty.  The middle panel shows
correlation coefficients between parameter importances.  Each correlation coefficient
compares one preset (variant of synaptic intelligence) with the preset `pathint`.  For
the right panel, the sum of all parameter importances is multiplied by the prefactor of
the penalty.  The right panel shows the product of sum and prefactor for each preset,
divided by the product for the preset `pathint`.  Thin lines and small markers are
single runs, and thick lines and large markers are means.

A fully connected network of 64-50-50-10 units learns five tasks in sequence.  In each
task, the network learns to distinguish two of the ten handwritten digits with two
output units that belong to this task.  The presets (`si.PRESETS`) reproduce published
implementations of synaptic intelligence.  The preset `pathint` reproduces the code of
[ZPG17].  In the middle and right panels, the importances of all presets are computed
from the same training run with the preset `pathint` and c = 1.

At equal strength c of the penalty, five of the seven presets lead to similar
accuracies.  The default strength of the penalty is 10 in the preset `vandeven`, 1 in
the preset `avalanche`, and 0.1 in all other presets.  In the preset `avalanche`, refsnn
sets the strength of the penalty to 1, because the software library `avalanche` has no
default strength.  Two settings hardly change the accuracy: whether the path integral
includes the gradient of the penalty, and whether negative parameter importances are set
to 0.

With the presets `mammoth_old` and `avalanche`, the accuracies and the importances
differ from those of the other five presets.  The preset `mammoth_old` reproduces the
versions of the software library `mammoth` before September 2024.  Before September
2024, the library `mammoth` trained networks with Adam, but computed the path integral
as for plain gradient descent.  In the library `avalanche`, the damping is only 1e-7,
and the importance of each parameter is at most 1e-3.  Nearly all parameters therefore
have the same importance, as in an L2 penalty.
"""

import numpy as np

from figures.run import claims as kinds
from figures.run import colours, seeds
from figures.si import si_training as training
from refsnn import optimisers, si
from refsnn.fast import si as fast_si

PAPER = "[ZPG17]"
FIGURE, SIZES, BATCH, WATCHED = "si_presets", (64, 50, 50, 10), 16, 1.0
NAMES = tuple(si.PRESETS)
DEVIANT = ("mammoth_old", "avalanche")
COLOURS = dict(zip(NAMES, (colours.GREY, colours.BLUE, colours.ORANGE, colours.GREEN,
                           colours.VERMILION, colours.PURPLE, colours.SKY),
                   strict=True))
MARKS = dict(zip(NAMES, "os^vDPX", strict=True))
GRID = {"quick": (0.1, 10.0), "default": (0.1, 1.0, 10.0, 100.0, 1000.0),
        "full": (0.01, 0.1, 1.0, 10.0, 100.0, 1e3, 1e4)}
REPEATS = {"quick": 1, "default": 3, "full": 10}
EPOCHS = {"quick": 1, "default": 6, "full": 20}
PRESETS = f"presets: {', '.join(NAMES)}"
ARRAYS = {
    "strengths": ("strength", "1", "strength c of the penalty"),
    "final": ("preset, strength, run, task", "accuracy", "test accuracy after the last "
              f"task; {PRESETS}"),
    "negative": ("run", "1", "fraction of negative importances with the preset paper"),
    "like": ("run, preset", "1", f"correlation of importances with pathint; {PRESETS}"),
    "size": ("run, preset", "1", "sum of importances times prefactor, relative to "
             f"pathint; {PRESETS}"),
    "apart": ("run", "1", "relative difference of the path integrals of refsnn.fast.si "
              "and refsnn.si")}


def jobs(size, seed, data, repeats=None, strengths=None, epochs=None):
    shared = [{"epochs": epochs or EPOCHS[size], "repeat": repeat, "seed": seed}
              for repeat in range(repeats or REPEATS[size])]
    return [(watch, one) for one in shared] + [
        (learn, {"preset": preset, "strength": strength, **one})
        for preset in NAMES for strength in strengths or GRID[size] for one in shared]


def start(seed, repeat):
    """Return the initial network and its tasks."""
    generator = seeds.rng(seed, FIGURE, "learning", repeat)
    net = training.perceptron(*SIZES, zero=True)
    listed = training.split(training.digits(seed, repeat), training.PAIRS)
    return net, listed, training.begin(net, generator).parameters, generator


def learn(preset, strength, epochs, repeat, seed):
    """Train a network on all tasks."""
    net, listed, parameters, generator = start(seed, repeat)
    settings = si.PRESETS[preset]._replace(strength=strength)
    memory, adam = si.begin(parameters), None
    for task in listed:
        parameters, memory, adam = training.learn_clearly(
            net, parameters, memory, task, settings, epochs=epochs, batch=BATCH,
            generator=generator, adam=adam)
        memory = si.consolidate(memory, parameters, settings)
    return {"preset": preset, "strength": strength, "repeat": repeat,
            "final": training.tested(net, parameters, listed)}


def watch(repeat, epochs, seed):
    """Compute the importances with all presets."""
    net, listed, parameters, generator = start(seed, repeat)
    lead = si.PRESETS["pathint"]._replace(strength=WATCHED)
    memories = {name: si.begin(parameters) for name in NAMES}
    adam = [None] * len(parameters)
    for task in listed:
        images = task.images
        for rows in training.batches(generator, len(images.x), epochs, BATCH):
            _, found = training.gradient(net, parameters, images.x[rows],
                                         images.labels[rows], task.mask)
            pull = si.penalty_gradient(memories["pathint"], parameters, lead)
            moved = [optimisers.adam(state, g + p, rate=training.RATE)
                     for state, g, p in zip(adam, found, pull, strict=True)]
            adam, steps = (list(part) for part in zip(*moved, strict=True))
            memories = {name: si.accumulate(memory, steps, found, pull,
                                            si.PRESETS[name])
                        for name, memory in memories.items()}
            parameters = [a + step for a, step in zip(parameters, steps, strict=True)]
        memories = {name: si.consolidate(memory, parameters, si.PRESETS[name])
                    for name, memory in memories.items()}
    flat = [np.minimum(np.concatenate([a.ravel() for a in memories[name].importance]),
                       si.PRESETS[name].cap) for name in NAMES]
    lead = flat[NAMES.index("pathint")]
    return {"repeat": repeat,
            "like": [float(np.corrcoef(part, lead)[0, 1]) for part in flat],
            "size": [float(si.PRESETS[name].factor * part.sum() / lead.sum())
                     for name, part in zip(NAMES, flat, strict=True)],
            "negative": float((flat[0] < 0).mean()),
            "apart": distance(seed, repeat, epochs)}


def distance(seed, repeat, epochs):
    """Compare the path integrals of `fast.si` and `si`."""
    net, listed, parameters, generator = start(seed, repeat)
    _, clear, _ = training.learn_clearly(
        net, parameters, si.begin(parameters), listed[0], si.PRESETS["pathint"],
        epochs=epochs, batch=BATCH, generator=generator)
    net, listed, parameters, generator = start(seed, repeat)
    learner = training.Learner(parameters, fast_si.begin(parameters),
                               si.begin(parameters))
    fast = training.learn(net, learner, listed[0], training.Rule("SI"), epochs=epochs,
                          batch=BATCH, generator=generator).memory
    a, b = (np.concatenate([w.ravel() for w in memory.path_integral])
            for memory in (clear, fast))
    return float(np.linalg.norm(a - b) / np.linalg.norm(a))


def gather(results):
    runs = [r for r in results if "final" in r]
    strengths = sorted({float(r["strength"]) for r in runs})
    repeats = sorted({int(r["repeat"]) for r in runs})
    table = {(str(r["preset"]), float(r["strength"]), int(r["repeat"])): r["final"]
             for r in runs}
    watched = [r for r in results if "like" in r]
    return {"strengths": np.array(strengths),
            "final": np.array([[[table[name, c, repeat] for repeat in repeats]
                                for c in strengths] for name in NAMES]),
            **{key: np.array([r[key] for r in watched])
               for key in ("negative", "like", "size", "apart")}}


def default(name, strengths):
    """Return the index of the default strength."""
    return int(np.abs(np.log(strengths / si.PRESETS[name].strength)).argmin())


def claims(size):
    found = [
        kinds.own("apart", "path integral of the first task: relative difference "
                  "between refsnn.fast.si and refsnn.si, largest of all runs",
                  high=1e-4),
        kinds.own("alike", "mean accuracy over tasks: largest difference between five "
                  "presets at the same strength (without mammoth_old and avalanche)",
                  high=0.03, unit="accuracy"),
        kinds.own("old-gradient", "mean accuracy over tasks at strength 10, pathint "
                  "minus mammoth_old", low=0.005, unit="accuracy"),
        kinds.own("old-size", "sum of importances on the same path, mammoth_old / "
                  "pathint", high=0.3, log=True),
        kinds.own("avalanche-like", "correlation of importances on the same path, "
                  "avalanche with pathint", high=0.5),
        kinds.shown("negative", "preset paper: fraction of negative importances on the "
                    "path")]
    for name in NAMES:
        found += [kinds.shown(key("default", name), f"preset {name}: mean accuracy "
                              "over tasks at its default strength", unit="accuracy"),
                  kinds.shown(key("best", name), f"preset {name}: strength with the "
                              "highest mean accuracy over tasks")]
    return found


def key(what, name):
    """Return the id of a claim."""
    return f"{what}-{name}".replace("_", "-")


def measured(data):
    final, strengths = data["final"].mean(axis=3), data["strengths"]
    means = final.mean(axis=2)
    alike = [i for i, name in enumerate(NAMES) if name not in DEVIANT]
    widest = int(np.ptp(means[alike], axis=0).argmax())
    high, low = (alike[int(pick(means[alike, widest]))]
                 for pick in (np.argmax, np.argmin))
    ten = int(np.abs(np.log(strengths / 10)).argmin())
    like, size = (dict(zip(NAMES, data[what].T, strict=True))
                  for what in ("like", "size"))
    return {"apart": data["apart"].max(),
            "alike": final[high, widest] - final[low, widest],
            "old-gradient": final[NAMES.index("pathint"), ten]
            - final[NAMES.index("mammoth_old"), ten],
            "old-size": size["mammoth_old"], "avalanche-like": like["avalanche"],
            "negative": data["negative"],
            **{key("default", name): final[i, default(name, strengths)]
               for i, name in enumerate(NAMES)},
            **{key("best", name): [strengths[means[i].argmax()]]
               for i, name in enumerate(NAMES)}}


def plot(data, fig):
    fig.set_size_inches(12.5, 4.6)
    wide, like, size = fig.subplots(1, 3, width_ratios=(1.7, 1, 1))
    strengths = data["strengths"]
    for i, name in enumerate(NAMES):
        runs = data["final"][i].mean(axis=2)
        wide.plot(strengths, runs, color=COLOURS[name], lw=0.6, alpha=0.5)
        wide.plot(strengths, runs.mean(axis=1), MARKS[name] + "-", color=COLOURS[name],
                  label=name)
        k = default(name, strengths)
        wide.plot(strengths[k], runs[k].mean(), "o", mfc="none", ms=13, mew=1.6,
                  mec=COLOURS[name])
        for axis, key in ((like, "like"), (size, "size")):
            values = data[key][:, i]
            axis.plot(values, np.full(len(values), i), MARKS[name], ms=4, alpha=0.5,
                      color=COLOURS[name])
            axis.plot(values.mean(), i, MARKS[name], ms=8, color=COLOURS[name])
    wide.set(xscale="log", xlabel="strength c", title="After five tasks",
             ylabel="mean test accuracy over tasks")
    low, high = wide.get_ylim()
    wide.set_ylim(low, high + 0.35 * (high - low))
    wide.legend(fontsize=9, loc="upper left", ncols=3)
    like.set(xlabel="correlation with pathint", yticks=range(len(NAMES)),
             yticklabels=NAMES, title="Correlation of importances",
             ylim=(len(NAMES) - 0.5, -0.5))
    size.set(xlabel="sum relative to pathint", yticks=range(len(NAMES)),
             yticklabels=[], title="Sum of importances", xscale="log",
             ylim=(len(NAMES) - 0.5, -0.5))
