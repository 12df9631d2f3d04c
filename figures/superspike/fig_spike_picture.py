"""A hundred spiking neurons learn to write a picture

The top panels show the target spikes and the output spikes in the last trial.  The
panels below show the cost of each trial.  For hidden neurons, further panels show
firing rates, interspike intervals and the variation of interspike intervals.  With
--full, one more panel shows the final output error (cost) against the number of hidden
neurons.  Another panel shows, for networks with random feedback, how the final cost
depends on the strength of the regulariser.  In the panel about the regulariser, each
marker is labelled with the mean firing rate of the hidden neurons.

A spiking network receives 100 Poisson spike trains (5 Hz), which are the same in every
trial of 3.5 s.  The network has 100 output neurons, and the spike raster of these
neurons must reproduce a picture.  The cost of a trial is the root mean square of the
filtered output error.  The final cost is the root mean square of the costs of the last
three trials.  The output error reaches the hidden layer through the transposed output
weights (symmetric feedback), through fixed random weights (random feedback), or through
weights that are all 1 (uniform feedback).

In a control network, the weights of the hidden layer stay fixed, and only the output
weights learn.  The linear learning rule sets the derivative of a spike to 1 in both
layers.  The heterosynaptic regulariser reduces each weight w of a hidden neuron in
proportion to `w z^4`, where z is the filtered spike train of the neuron.  In one
variant of the regulariser, the exponent of z is 0, and each weight is reduced in
proportion to its value.  In another variant of the regulariser, each weight w is
reduced in proportion to `w z^4 e^2`, where e is the filtered error of the neuron.  This
figure corresponds to [ZG18] figs. 6 to 8, with another target picture and other network
sizes.  The target picture and the training costs in [ZG18] are published only as plots.

The interspike intervals of hidden neurons are measured in the last three trials.  The
coefficient of variation, which is 1 for a Poisson process, is the standard deviation of
the intervals divided by their mean.  The coefficient of variation is computed for
hidden neurons with at least five interspike intervals.

With `--data DIR`, the spike trains in `input.ras` and `target.ras` of the folder
`DIR/spike_picture` replace the generated spike trains.  The spikes in these files must
be in order of time, and the neurons must be numbered from 0.  The duration of a trial
is the time of the last spike, rounded up to a multiple of 0.5 s.  The file
`DIR/spike_picture/options.json` can change these defaults, for example:

    {"loop_s": 1.89, "target": {"order": "sort", "first_unit": 1, "units": 200}}

The entry "loop_s" is the duration of a trial in seconds.  The entries "input" and
"target" hold options for reading the two files with `ras.read_ras`.

The learning rate of the optimiser RMaxProp has the unit of the weights, and is 1 mV, as
in the published code.  The standard deviation of the initial weights is 50 mV /
sqrt(fan-in), as in the published code.  After 800 s of training, the learning rate is
divided by 10 (after 400 s in the published code).  The heterosynaptic regulariser has
strength 1 and exponent 4.  In networks with the regulariser, the product of error and
eligibility trace is multiplied by about 5, as in the published code.  Another variant
of the regulariser uses the squared filtered error e^2, with strength 1e-4.  For hidden
neurons, the squared filtered error e^2 is about 10,000 per second squared.
"""

import json
import math
import pathlib

import numpy as np

from figures.run.claims import Published, own, shown as report, stand_in
from figures.run import colours, seeds
from figures.superspike import superspike_training as training
from figures.superspike import ras

UNITS, INPUT_HZ, INK_HZ = 100, 5.0, 25.0
TRIAL = 35000                                           # steps
RATE_V, SCALE_V, LATE_S = 1e-3, 0.05, 800.0
AVERAGED = 3                    # number of last trials over which the cost is averaged
FEWEST = 5                      # intervals of a neuron that gives a variation
FILES, READ = ("input", "target"), ("order", "first_unit", "units")     # with --data
# {name: (kind of feedback, options of the hidden layer)}
CONDITIONS = {
    "none": (None, {}),
    "symmetric": ("symmetric", {}),
    "random": ("random", {}),
    "uniform": ("uniform", {}),
    "fixed": ("symmetric", {}),
    "regularised": ("random", {"rho": 1.0, "drive": "published"}),
    "by error": ("random", {"rho": 1e-4, "drive": "published", "het": "error"}),
    "linear": ("symmetric", {"surrogate": "linear"})}
LABELS = {"none": "no hidden layer", "symmetric": "symmetric", "random": "random",
          "uniform": "uniform", "fixed": "fixed hidden layer",
          "regularised": "random, regulariser",
          "by error": "random, regulariser with e\N{SUPERSCRIPT TWO}",
          "linear": "symmetric, linear rule"}
COLOURS = dict(zip(CONDITIONS, (colours.BLACK, colours.BLUE, colours.VERMILION,
                                colours.ORANGE, colours.GREY, colours.GREEN,
                                colours.SKY, colours.PURPLE), strict=True))
MAIN = ("none", "symmetric", "random", "uniform", "fixed")              # with --full
ORDER = ("symmetric", "none", "random", "uniform")          # published order of costs
PAPER = "[ZG18] figs. 6 to 8"
TEXTS = {"none": "no hidden layer", "fixed": "fixed hidden layer",       # in claims
         **{name: f"{name} feedback" for name in training.FEEDBACK}}
STRENGTHS, EXPONENTS = (0.01, 1.0, 100.0), (0.0, 4.0)
SIZES = {"quick": (1, 2, 32), "default": (2, 16, 32),   # repeats, loops, hidden
         "full": (5, 286, 128)}
CURVE = 150                     # drawn points of a learning curve
EDGES = np.arange(0, 0.3001, 0.01)      # bins of the intervals, s
RASTERS = MAIN[:3]              # networks whose output spikes are shown
IDS = {name: name.replace(" ", "-") for name in CONDITIONS}
RASTER = ("quantity, spike", "s, 1", "time in the trial, neuron")
ARRAYS = {
    **{f"{name}_{key}": (axes, unit, f"{text}, {LABELS[name]}")
       for name in CONDITIONS for key, axes, unit, text in (
           ("cost", "trial, run", "1/s", "cost of a trial"),
           ("raster", *RASTER[:2], f"output spikes of the last trial: {RASTER[2]}"),
           ("rates", "run, neuron", "Hz", "rates of hidden neurons, last trial"),
           ("intervals", "interval", "s", "interspike intervals of hidden neurons"),
           ("variation", "neuron", "1", "coefficient of variation of the intervals"),
           ("medians", "run", "1", "median over neurons of this coefficient"),
           ("density", "bin", "1/s", "density of the intervals"),
           ("mean_interval", "", "s", "mean interval"),
           ("short", "", "1/s", "final cost after the short training"))},
    "target": (*RASTER[:2], f"target spikes: {RASTER[2]}"),
    "trial": ("trial", "1", "numbers of the trials of the costs"),
    "edges": ("edge", "s", "limits of the bins of the intervals"),
    "trial_s": ("", "s", "duration of a trial"),
    "drawn": ("", "1", "whether the picture was generated by refsnn"),
    "main_hidden": ("", "1", "number of hidden neurons"),
    "short_loops": ("", "1", "trials of the short training"),
    "points": ("network, quantity", "1, 1, 1/s, Hz", "short training: number of the "
               "condition, hidden neurons, final cost, mean rate"),
    "sweep": ("network, quantity", "1, 1, 1/s, Hz", "regulariser: exponent, strength, "
              "final cost, mean rate")}


def jobs(size, seed, data, repeats=None, loops=None, hidden=None):
    """Return the jobs, the longest first."""
    usual = SIZES[size]
    loops, hidden = loops or usual[1], hidden or usual[2]
    count, common_ = repeats or usual[0], {"seed": seed}
    folder = None if data is None else pathlib.Path(data, "spike_picture")
    if folder is not None and (folder / "target.ras").is_file():
        common_["folder"] = str(folder)

    def job(condition, hidden, loops, role, repeat=0, **regulariser):
        return (learn, {"condition": condition, "hidden": hidden, "loops": loops,
                        "role": role, "repeat": repeat, **regulariser, **common_})

    listed = [job(name, hidden, loops, "main", repeat)
              for name in (MAIN if size == "full" else (*MAIN[:3], "regularised"))
              for repeat in range(count)]
    if size != "full":
        return listed
    listed += [job(name, hidden, 40, "short")
               for name in ("regularised", "by error", "linear")]
    listed += [job(name, n, 40, "short") for name in ("symmetric", "random")
               for n in (8, 32, 256)]
    return listed + [job("regularised", 32, 20, "sweep", rho=rho, exponent=exponent)
                     for exponent in EXPONENTS for rho in STRENGTHS]


def rate(time_s):
    """Return the learning rate, in volts."""
    return RATE_V if time_s < LATE_S else RATE_V / 10


def recorded(folder):
    """Read the input and target spike trains."""
    loop_s, read = options(folder)
    found = [ras.read_ras(pathlib.Path(folder, f"{name}.ras"), duration=loop_s,
                          **read[name]) for name in FILES]
    last = max((times[-1] for times, _ in found if len(times)), default=0.0)
    steps = training.STEPS * math.ceil((last + training.DT_S) / training.BLOCK_S) \
        if loop_s is None else round(loop_s / training.DT_S)
    for name, (times, units) in zip(FILES, found, strict=True):
        count = read[name].get("units", max(units, default=0) + 1)
        train = np.zeros((steps, 1, count), bool)
        train[np.rint(times / training.DT_S).astype(int) % steps, 0, units] = True
        yield train


def options(folder):
    """Read the file options.json."""
    path = pathlib.Path(folder, "options.json")
    found = json.loads(path.read_text()) if path.is_file() else {}
    read = {name: found.get(name, {}) for name in FILES}
    loop_s = found.get("loop_s")
    if not set(found) <= {"loop_s", *FILES} or not all(
            set(arguments) <= set(READ) for arguments in read.values()):
        raise ValueError(f"{path} has {found!r:.200}: must have only loop_s, input and "
                         f"target, and the latter two only {', '.join(READ)}")
    if loop_s is not None and not (isinstance(loop_s, (int, float))
                                   and training.BLOCK_S <= loop_s < math.inf):
        raise ValueError(f"{path}: loop_s is {loop_s!r}: must be a finite number of "
                         f"seconds of at least {training.BLOCK_S}")
    return loop_s, read


def learn(condition, hidden, loops, role, seed, repeat, rho=None, exponent=4.0,
          folder=None):
    """Train a network; return costs, firing rates and spike rasters."""
    def generators(*what):
        return [seeds.rng(seed, "picture", " ".join(map(str, what)), repeat)]

    if folder is None:
        x = training.poisson(generators("input"), UNITS, INPUT_HZ, TRIAL)
        target = training.picture(seeds.rng(seed, "picture", "target", 0), TRIAL, UNITS,
                                  INK_HZ)
    else:
        x, target = recorded(folder)
    inputs, outputs, trial_s = x.shape[2], target.shape[2], len(x) * training.DT_S
    kind, settings = CONDITIONS[condition]
    if rho is not None:
        settings = {**settings, "rho": rho, "exponent": exponent}
    surrogate = {k: v for k, v in settings.items() if k == "surrogate"}
    drawn, layers, matrix = generators("weights", hidden), [], None
    if kind is not None:
        layers.append(training.layer(training.weights(drawn, hidden, inputs, SCALE_V),
                                     training.HIDDEN._replace(**settings)))
        matrix = training.feedback(kind, generators("feedback", hidden), hidden,
                                   outputs)
    fan_in = hidden if layers else inputs
    layers.append(training.layer(training.weights(drawn, outputs, fan_in, SCALE_V),
                                 training.OUTPUT._replace(**surrogate)))
    rates, first, last, late = [], [], [], []

    def watch(loop, part, blocks):
        if loop == loops - 1:
            rates.append(blocks[0].spikes.sum(axis=0) / trial_s)
        if loop >= loops - AVERAGED and kind is not None:
            late.append(blocks[0].spikes.reshape(len(blocks[0].spikes), -1) > 0)
        for chosen, kept in ((0, first), (loops - 1, last)):
            if loop == chosen:
                kept.append(blocks[-1].spikes[:, 0] > 0)

    learning = [0.0 if condition == "fixed" else 1.0, 1.0][-len(layers):]
    _, cost = training.practise(
        layers, x, target, loops,
        lambda loop: [rate(loop * trial_s) * factor for factor in learning],
        matrix=matrix, watch=watch)
    gaps, variation = intervals(np.concatenate(late)) if late else (np.zeros(0),) * 2
    return {"condition": condition, "hidden": 0 if kind is None else hidden,
            "role": role, "trial_s": trial_s, "drawn": folder is None,
            "rho": settings.get("rho", 0.0), "exponent": exponent,
            "cost": np.sqrt(cost), "rates": sum(rates), "intervals": gaps,
            "variation": variation, "target": target[:, 0] > 0,
            "before": np.concatenate(first), "after": np.concatenate(last)}


def intervals(raster):
    """Return intervals and coefficients of variation."""
    each = [np.diff(np.flatnonzero(train)) * training.DT_S for train in raster.T]
    return np.concatenate(each), np.array([part.std() / part.mean() for part in each
                                           if len(part) >= FEWEST])


def final(cost):
    """Return the final cost of each network."""
    return np.sqrt(np.square(cost[-AVERAGED:]).mean(axis=0))


def gather(results):
    found, points, sweep = {}, [], []
    main = [r for r in results if r["role"] == "main"]
    for name in dict.fromkeys(str(r["condition"]) for r in main):
        runs = [r for r in main if r["condition"] == name]
        found[f"{name}_raster"] = spikes(runs[0]["after"])
        for key in ("cost", "rates", "intervals", "variation"):
            found[f"{name}_{key}"] = np.concatenate([r[key] for r in runs],
                                                    axis=int(key == "cost"))
        found[f"{name}_medians"] = np.array([
            np.median(r["variation"]) if len(r["variation"]) else np.nan for r in runs])
    found["target"] = spikes(main[0]["target"])
    for r in results:
        if r["role"] == "sweep":
            sweep.append((r["exponent"], r["rho"], final(r["cost"]).mean(),
                          r["rates"].mean()))
        elif r["role"] == "short":
            points.append((list(CONDITIONS).index(str(r["condition"])), r["hidden"],
                           final(r["cost"]).mean(), r["rates"].mean()))
    found["trial_s"], found["drawn"] = results[0]["trial_s"], results[0]["drawn"]
    found["main_hidden"] = max(r["hidden"] for r in results if r["role"] == "main")
    found["short_loops"] = max([len(r["cost"]) for r in results
                                if r["role"] == "short"], default=0)
    found["points"] = np.reshape(points, (-1, 4))
    found["sweep"] = np.reshape(sweep, (-1, 4))
    return found


def spikes(raster):
    """Return spike times and neuron numbers."""
    step, unit = np.nonzero(raster)
    return np.array([step * training.DT_S, unit])


def claims(size):
    full = size == "full"
    _, _, hidden = SIZES[size]
    names = MAIN if full else (*MAIN[:3], "regularised")
    differs = ("a picture of this project in place of the published picture, "
               f"{hidden} hidden neurons")
    order = f"final cost, {TEXTS['random']} / {TEXTS['none']}"
    if full:
        above = Published("above 1", "[ZG18]", "fig. 7 a", "words")
        found = [stand_in(key, text, above, ordered=True, log=True, differs=differs)
                 for key, text in (
            ("none-over-symmetric", f"final cost, {TEXTS['none']} / "
             f"{TEXTS['symmetric']}"),
            ("random-over-none", order),
            ("uniform-over-random", f"final cost, {TEXTS['uniform']} / "
             f"{TEXTS['random']}"))]
    else:
        found = [own("none-learns", f"{TEXTS['none']}: final cost / cost of the first "
                     "trial", high=0.85),
                 own("symmetric-learns", f"{TEXTS['symmetric']}: final cost / cost of "
                     "the first trial", high=1),
                 own("random-over-none", order, low=1, log=True)]
    return [
        *found,
        *[report(f"cost-{IDS[name]}", f"final cost, {_text(name, hidden)}", unit="1/s")
          for name in names],
        stand_in("rate", "median rate of hidden neurons in the last trial, symmetric "
                 "feedback", Published(15, "[ZG18]", "fig. 6", "words"), tolerance=5,
                 unit="Hz", differs=f"{differs}; published: 10 to 20 Hz"),
        stand_in("variation", "median coefficient of variation of interspike "
                 "intervals, symmetric feedback",
                 Published(1, "[ZG18]", "fig. 6", "words"), tolerance=0.2,
                 differs=f"{differs}; published: nearly exponentially distributed "
                 "intervals")]


def measured(data):
    cost = {name: final(data[f"{name}_cost"])
            for name in CONDITIONS if f"{name}_cost" in data}
    start = {name: data[f"{name}_cost"][0] for name in cost}
    found = {**{f"cost-{IDS[name]}": value for name, value in cost.items()},
             "rate": np.median(data["symmetric_rates"], axis=1),
             "variation": data["symmetric_medians"],
             "random-over-none": cost["random"] / cost["none"]}
    if len(data["points"]):
        return found | {"none-over-symmetric": cost["none"] / cost["symmetric"],
                        "uniform-over-random": cost["uniform"] / cost["random"]}
    return found | {f"{name}-learns": cost[name] / start[name]
                    for name in ("none", "symmetric")}


def shown(data):
    names = [name for name in CONDITIONS if f"{name}_cost" in data]
    loops = len(data["none_cost"])
    trial = np.unique(np.linspace(0, loops - 1, CURVE).round().astype(int))
    found = {name: data[name] for name in ("trial_s", "main_hidden", "short_loops",
                                           "points", "sweep")}
    found |= {"trial": trial + 1, "edges": EDGES,
              "target": data["target"].astype(np.float32)}
    for name in names:
        cost, gaps = data[f"{name}_cost"], data[f"{name}_intervals"]
        density = np.histogram(gaps, EDGES)[0] / max(len(gaps), 1) / np.diff(EDGES)
        found |= {f"{name}_cost": cost[trial].astype(np.float32),
                  f"{name}_short": final(cost[:int(data["short_loops"])]).mean()
                  if data["short_loops"] else np.nan,
                  f"{name}_density": density,
                  f"{name}_mean_interval": gaps.mean() if len(gaps) else np.nan,
                  f"{name}_rates": data[f"{name}_rates"],
                  f"{name}_variation": data[f"{name}_variation"].astype(np.float32)}
        if name in RASTERS:
            found[f"{name}_raster"] = data[f"{name}_raster"].astype(np.float32)
    return found


def _text(name, hidden):
    if name in ("none", "fixed"):
        return TEXTS[name] + f", {hidden} hidden neurons" * (name == "fixed")
    return f"feedback: {LABELS[name]}, {hidden} hidden neurons"


def plot(data, fig):
    names = [name for name in CONDITIONS if f"{name}_cost" in data]
    full, trial_s = len(data["points"]) > 0, float(data["trial_s"])
    fig.set_size_inches(12.5, 13.8 if full else 11.2)
    grid = fig.add_gridspec(4 if full else 3, 12)
    rasters = [("target", "Target", colours.BLACK)] + [
        (f"{name}_raster", LABELS[name], COLOURS[name])
        for name in RASTERS if f"{name}_raster" in data]
    axis = None
    for i, (key, title, colour) in enumerate(rasters):
        axis = fig.add_subplot(grid[0, 3 * i:3 * i + 3], sharey=axis)
        times, units = data[key]
        axis.plot(times, units, "|", color=colour, ms=2.6, mew=0.9)
        axis.set(title=title, xlabel="time (s)", xlim=(0, trial_s), ylim=(-1, None))
        axis.grid(False)
        if i == 0:
            axis.set_ylabel("output neuron")
        else:
            axis.tick_params(labelleft=False)
    curves = fig.add_subplot(grid[1, :7])
    for name in names:
        cost = data[f"{name}_cost"]
        time = trial_s * data["trial"]
        curves.plot(time, cost, color=COLOURS[name], lw=0.8, alpha=0.5)
        curves.plot(time, cost.mean(axis=1), color=COLOURS[name], lw=2,
                    label=LABELS[name])
    curves.set(xlabel="training time (s)", ylabel="cost of a trial (1/s)",
               title="Training: each network and the mean", ylim=(0, None))
    if time[-1] > LATE_S:
        curves.axvline(LATE_S, color=colours.GREY, ls=":", lw=1.2)
        curves.annotate("rate / 10", (LATE_S, 0.02), xycoords=("data", "axes fraction"),
                        xytext=(4, 0), textcoords="offset points", color=colours.GREY)
    curves.legend(ncols=2)
    _plot_shares(data, names[1:], "rates", fig.add_subplot(grid[1, 7:]))
    _plot_intervals(data, names[1:], fig.add_subplot(grid[2, :7]))
    _plot_shares(data, names[1:], "variation", fig.add_subplot(grid[2, 7:]))
    if full:
        _plot_points(data, fig.add_subplot(grid[3, :7]))
        _plot_sweep(data, fig.add_subplot(grid[3, 7:]))


def _plot_shares(data, names, key, axis):
    for name in names:
        values = np.sort(data[f"{name}_{key}"].ravel())
        axis.plot(values, np.arange(1, len(values) + 1) / max(len(values), 1), lw=2,
                  color=COLOURS[name], label=LABELS[name], drawstyle="steps-post")
    xlabel, title = {
        "rates": ("rate of a hidden neuron in the last trial (Hz)", "Hidden neurons"),
        "variation": ("coefficient of variation",
                      "Variation of interspike intervals")}[key]
    axis.set(xlabel=xlabel, ylabel="cumulative share of neurons", title=title,
             ylim=(0, 1.02))
    if key == "rates":
        axis.legend(loc="lower right", bbox_to_anchor=(0.93, 0), handlelength=1.2)
    else:
        axis.axvline(1, color=colours.GREY, ls=":", lw=1.2)
        axis.annotate("Poisson", (1, 0.02), xytext=(4, 0), color=colours.GREY,
                      textcoords="offset points")


def _plot_intervals(data, names, axis):
    edges = data["edges"]
    for name in names:
        density, mean = data[f"{name}_density"], float(data[f"{name}_mean_interval"])
        if np.isfinite(mean):
            axis.stairs(density, edges, color=COLOURS[name], lw=2)
            if name == "symmetric":
                middle = (edges[1:] + edges[:-1]) / 2
                axis.plot(middle, np.exp(-middle / mean) / mean,
                          color=COLOURS[name], ls=":", lw=1.2,
                          label="exponential density with the mean of symmetric")
                axis.legend()
    axis.set_yscale("log")
    axis.set(xlabel="interspike interval of a hidden neuron (s)",
             ylabel="density (1/s)", title="Interspike intervals", xlim=(0, edges[-1]))


def _plot_points(data, axis):
    loops, order = int(data["short_loops"]), list(CONDITIONS)
    rows = [*map(tuple, data["points"][:, :3])]
    rows += [(i, 0 if name == "none" else int(data["main_hidden"]),
              float(data[f"{name}_short"]))
             for i, name in enumerate(order) if f"{name}_cost" in data]
    for i, name in enumerate(order):
        own = np.array(sorted(row[1:] for row in rows if row[0] == i))
        if name == "none":
            axis.axhline(own[0, 1], color=COLOURS[name], lw=1.5, label=LABELS[name])
        elif len(own):
            axis.plot(*own.T, "o-", color=COLOURS[name], label=LABELS[name])
    axis.set_xscale("log", base=2)
    axis.set(xlabel="hidden neurons", ylabel="cost (1/s)",
             title=f"After {loops * float(data['trial_s']):.0f} s")
    low, high = axis.get_ylim()
    axis.set_ylim(low - 0.45 * (high - low), high)         # room for the legend
    axis.legend(ncols=2, loc="lower left")


def _plot_sweep(data, axis):
    for exponent, colour, marker, offset in zip(
            EXPONENTS, (colours.ORANGE, colours.GREEN), "so", (6, -15), strict=True):
        own = data["sweep"][data["sweep"][:, 0] == exponent]
        axis.plot(own[:, 1], own[:, 2], marker=marker, color=colour,
                  label=f"exponent {exponent:g}")
        for _, rho, cost, rate_ in own:
            axis.annotate(f"{rate_:.0f} Hz", (rho, cost), xytext=(0, offset),
                          ha="center", textcoords="offset points", fontsize=9)
    axis.set_xscale("log")
    axis.set(xlabel="strength of the regulariser", ylabel="cost (1/s)",
             title="Random feedback, 32 hidden neurons, "
                   f"{20 * float(data['trial_s']):.0f} s")
    axis.margins(0.12, 0.18)
    axis.legend()
