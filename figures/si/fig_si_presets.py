"""Known implementations of synaptic intelligence, side by side

Split digits, 64-50-50-10, five pairs of digits with outputs of their own, and
the choices of seven implementations (`si.PRESETS`).  At the same strength,
five of them are within 0.03 of each other in the mean accuracy at the end:
whether the gradient of the penalty counts hardly matters here, and how negative
importances are clamped not at all, as none is negative.  Their default
strengths are 0.1 and 10, and this does.  Two deviate.  With the displacement of
plain descent, mammoth of before September 2024 has importances of at most 0.3
of the size, on other parameters, and at strength 10 the authors' code has at
least 0.005 more.  avalanche's damping of 1e-7 and cap of 1e-3 make its penalty
nearly the same for all parameters, an L2 anchor, with a correlation of at most
0.5 with the authors' importances; it too needs a larger strength.

Left: mean test accuracy over the five tasks at the end, by strength c, with
the default of each preset ringed (avalanche has none; 1 is taken).  Middle
and right: all presets watch one and the same path, of the authors' code with
c = 1: the correlation of their importances, as their penalty reads them, with
those of the authors' code, and the sum of them, times the factor of the
penalty, relative to that.  Repeats are thin or small.  No preset shares the
fault of one port, whose stored weights alias the live ones, so that nothing
is held: `si.consolidate` refuses that.
"""

import numpy as np

from figures.run.claims import Claim, at_least, at_most
from figures.run import colours, seeds
from figures.si import si_training
from refsnn import optimisers, si

FIGURE, SIZES, BATCH, WATCHED = "si_presets", (64, 50, 50, 10), 16, 1.0
NAMES = tuple(si.PRESETS)
DEVIANT = ("mammoth_old", "avalanche")
COLOURS = dict(zip(NAMES, (colours.GREY, colours.BLUE, colours.ORANGE, colours.GREEN,
                           colours.VERMILION, colours.PURPLE, colours.SKY), strict=True))
MARKS = dict(zip(NAMES, "os^vDPX", strict=True))
GRID = {"quick": (0.1, 10.0), "default": (0.1, 1.0, 10.0, 100.0, 1000.0),
        "full": (0.01, 0.1, 1.0, 10.0, 100.0, 1e3, 1e4)}
REPEATS = {"quick": 1, "default": 3, "full": 10}
EPOCHS = {"quick": 1, "default": 6, "full": 20}


def jobs(size, seed, data):
    runs = [(watch, {"repeat": repeat, "epochs": EPOCHS[size], "seed": seed})
            for repeat in range(REPEATS[size])]
    return runs + [(learn, {"preset": preset, "strength": strength,
                            "epochs": EPOCHS[size], "repeat": repeat, "seed": seed})
                   for preset in NAMES for strength in GRID[size]
                   for repeat in range(REPEATS[size])]


def start(seed, repeat):
    """Network, tasks, parameters and generator: the same for all presets."""
    generator = seeds.rng(seed, FIGURE, "learning", repeat)
    net = si_training.perceptron(*SIZES, zero=True)
    listed = si_training.split(si_training.digits(seed, repeat), si_training.PAIRS)
    return net, listed, si_training.begin(net, generator).parameters, generator


def learn(preset, strength, epochs, repeat, seed):
    """All tasks with one preset and strength: final test accuracy on each."""
    net, listed, parameters, generator = start(seed, repeat)
    settings = si.PRESETS[preset]._replace(strength=strength)
    memory, adam = si.begin(parameters), None
    for task in listed:
        parameters, memory, adam = si_training.learn_clearly(
            net, parameters, memory, task, settings, epochs=epochs, batch=BATCH,
            generator=generator, adam=adam)
        memory = si.consolidate(memory, parameters, settings)
    return {"preset": preset, "strength": strength, "repeat": repeat,
            "final": si_training.tested(net, parameters, listed)}


def watch(repeat, epochs, seed):
    """Importances of each preset on one path; and the fast step on the same."""
    net, listed, parameters, generator = start(seed, repeat)
    lead, adam = si.PRESETS["pathint"]._replace(strength=WATCHED), None
    memories = {name: si.begin(parameters) for name in NAMES}
    adam = [None] * len(parameters)
    for task in listed:
        images = task.images
        for rows in si_training.batches(generator, len(images.x), epochs, BATCH):
            _, found = si_training.gradient(net, parameters, images.x[rows],
                                            images.labels[rows], task.mask)
            pull = si.penalty_gradient(memories["pathint"], parameters, lead)
            moved = [optimisers.adam(state, g + p, rate=si_training.RATE)
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
    """Relative distance of the first task's path integral, si_adam from si."""
    net, listed, parameters, generator = start(seed, repeat)
    _, clear, _ = si_training.learn_clearly(
        net, parameters, si.begin(parameters), listed[0], si.PRESETS["pathint"],
        epochs=epochs, batch=BATCH, generator=generator)
    net, listed, parameters, generator = start(seed, repeat)
    learner = si_training.Learner(parameters, si_training.fast_si.begin(parameters),
                                  si.begin(parameters))
    fast = si_training.learn(net, learner, listed[0], si_training.Rule("SI"), epochs=epochs,
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
    """Place of the default strength of a preset in the grid."""
    return int(np.abs(np.log(strengths / si.PRESETS[name].strength)).argmin())


def claims(data):
    means, strengths = data["final"].mean(axis=(2, 3)), data["strengths"]
    alike = [NAMES.index(name) for name in NAMES if name not in DEVIANT]
    ten = int(np.abs(np.log(strengths / 10)).argmin())
    like, size = (dict(zip(NAMES, data[key].mean(axis=0), strict=True))
                  for key in ("like", "size"))
    found = [
        at_most("path integral of a task, si_adam from si: relative distance",
                data["apart"].max(), 1e-4),
        at_most("all but two: largest distance of mean accuracy at the same "
                "strength", np.ptp(means[alike], axis=0).max(), 0.03),
        at_least(f"strength {strengths[ten]:g}: pathint - mammoth_old",
                 means[NAMES.index("pathint"), ten]
                 - means[NAMES.index("mammoth_old"), ten], 0.005),
        at_most("mammoth_old: sum of importances, relative to pathint",
                size["mammoth_old"], 0.3),
        at_most("avalanche: correlation of importances with pathint's",
                like["avalanche"], 0.5)]
    found.append(Claim("paper: share of importances below 0 on the path",
                       float(data["negative"].mean()), "shown only", None))
    for i, name in enumerate(NAMES):
        found += [Claim(f"{name}: mean accuracy at its own strength",
                        float(means[i, default(name, strengths)]), "shown only",
                        None),
                  Claim(f"{name}: strength with the best mean accuracy",
                        float(strengths[means[i].argmax()]), "shown only", None)]
    return found


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
    wide.set(xscale="log", xlabel="strength c", title="At the end of five tasks",
             ylabel="mean accuracy (share of the test images)")
    low, high = wide.get_ylim()
    wide.set_ylim(low, high + 0.35 * (high - low))
    wide.legend(fontsize=9, loc="upper left", ncols=3)
    like.set(xlabel="correlation with pathint", yticks=range(len(NAMES)),
             yticklabels=NAMES, title="Importances, one path",
             ylim=(len(NAMES) - 0.5, -0.5))
    size.set(xlabel="sum of importances / pathint's", yticks=range(len(NAMES)),
             yticklabels=[], title="Size", ylim=(len(NAMES) - 0.5, -0.5), xscale="log")
