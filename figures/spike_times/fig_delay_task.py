"""Learned delays are compared with random delays in a task of spike order

In each sample, eight input neurons spike one after the other, and each neuron spikes
once.  Without jitter, the interval between two consecutive spikes is 15 ms.  The eight
classes differ only in the order in which the eight input neurons spike.  Each run draws
these orders at random.  Each spike time is shifted by Gaussian jitter with a standard
deviation of 4 ms, and is rounded to time steps of 5 ms.  A pattern lasts 105 ms, or 14
membrane time constants of 7.5 ms.  Panel a shows the patterns of three classes.

The network is one layer of leaky neurons that do not spike (`lif.readout`).  The
predicted class is that of the neuron whose membrane potential has the highest maximum
over time.  Three conditions are compared, each with 128 trainable parameters.  With
learned delays, each class has one neuron with 8 weights and 8 delays.  Delays between
two time steps are interpolated linearly (module `delays`).  In the other two
conditions, the delays are random and fixed, or there are no delays.  In these two
conditions, each class has two neurons, and each neuron has 8 weights.  The score of a
class is proportional to the highest membrane potential of its two neurons.  The fixed
delays are drawn from the range of the learned delays, 0 to 120 ms.

In all conditions, Adam minimises the cross-entropy with exact gradients.  New training
samples are drawn at each training step, and are the same in all conditions.  For each
condition and run, networks are trained with five learning rates.  The network with the
fewest wrong predictions on 400 validation samples is selected.  Panel b shows the test
errors of the selected networks on 2000 other samples.  Each line connects the three
errors of one run, and large markers show means over runs.  Panel c shows the validation
errors against the learning rate; thick lines are medians over runs.  On the logarithmic
axes of panels b and c, an error of 0 is drawn at 0.25 divided by the number of samples.

For the first run, panel d shows the arrival times of input spikes before and after
delays are learned.  Each row of panel d belongs to one class.  The row shows when the
eight input spikes of a sample from this class arrive at the neuron that represents the
class.  The arrival times do not include jitter.  Marker areas are proportional to the
absolute weights after learning, and crosses mark negative weights.  After learning,
most inputs with positive weights arrive at nearly the same time.

The test errors are measured with learned delays that are not rounded.  The figure also
reports how much the test accuracy changes if the learned delays are rounded to whole
time steps (`delays.settle`).

The results hold for this single layer.  In trial runs, learned and fixed delays were
also compared in networks with hidden spiking neurons and equal numbers of parameters.
In most trial runs with hidden spiking neurons, learned delays led to at least as many
errors as fixed delays.  This figure does not correspond to a published figure.
"""

import numpy as np

from figures.run import colours, seeds
from figures.run.claims import own, shown as report
from refsnn import delays, lif, losses, optimisers

FIGURE = "delay_task"
CONDITIONS = ("learned delays", "fixed delays", "no delays")
LEARNED, FIXED, NONE = CONDITIONS
SIZES = {"quick": (1, 15), "default": (10, 400), "full": (20, 1000)}     # runs, steps
DT_MS = 5                           # of a time step
CLASSES = INPUTS = 8
START, INTERVAL, JITTER, LONGEST, DURATION = 2, 3, 0.8, 24, 52          # steps
CONSTANTS = {"alpha": float(np.exp(-1)), "beta": float(np.exp(-1 / 1.5))}
RATES = (0.03, 0.1, 0.3, 1.0, 3.0)
PACE = 5                            # steps of delays for a change of weights by 1
MEAN, SPREAD, SCALE = 0.3, 0.3, 5   # of the initial weights; scores per potential
BATCH, VALIDATED, TESTED = 24, 400, 2000
COLOURS = dict(zip(CONDITIONS, (colours.BLUE, colours.VERMILION, colours.BLACK),
                   strict=True))
MARKS = dict(zip(CONDITIONS, "osD", strict=True))
ARRAYS = {
    "error": ("condition, run", "1", "share of wrong test samples"),
    "validation": ("condition, run, rate", "1", "share of wrong validation samples"),
    "rate": ("condition, run", "1", "selected learning rates"),
    "rounded": ("run", "1", "share of wrong test samples with rounded delays"),
    "change": ("run", "1", "relative change of the currents by rounding"),
    "orders": ("class, input", "1", "places of the inputs in the patterns, first run"),
    "delay": ("stage, class, input", "ms", "delays before and after learning, first "
              "run"),
    "weights": ("class, input", "1", "weights after learning, first run")}


def jobs(size, seed, data, repeats=None, steps=None):
    """Return one job for each condition of each run."""
    repeats, steps = repeats or SIZES[size][0], steps or SIZES[size][1]
    return [(learn, {"condition": condition, "steps": steps, "seed": seed,
                     "repeat": repeat})
            for repeat in range(repeats) for condition in CONDITIONS]


def drawn(rng):
    """Sample the order of inputs per class."""
    return rng.permuted(np.tile(np.arange(INPUTS), (CLASSES, 1)), axis=1)


def trials(rng, orders, number):
    """Return input spikes and classes."""
    labels = rng.integers(0, CLASSES, number)
    times = START + INTERVAL * orders[labels] + rng.normal(0, JITTER, (number, INPUTS))
    x = np.zeros((DURATION, number, INPUTS), np.float32)
    x[np.rint(times).astype(int).clip(0), np.arange(number)[:, None],
      np.arange(INPUTS)] = 1
    return x, labels


def initial(rng, condition):
    """Return weights, delays and the largest delay."""
    shape = (CLASSES * (1 if condition == LEARNED else 2), INPUTS)
    W = rng.normal(MEAN, SPREAD, shape)
    if condition == NONE:
        return W, np.zeros(shape), 0
    delay = rng.uniform(0, LONGEST, shape)
    return W, delay if condition == LEARNED else np.rint(delay), LONGEST


def simulate(x, W, delay, most):
    """Return kernels, currents and potentials.

    `W` and `delay` have the shape (networks, neurons, inputs).
    """
    kernel = delays.taps(delay.reshape(-1, INPUTS), most=most)
    current = delays.delayed(x, W.reshape(-1, INPUTS) * kernel)[0]
    return kernel, current, lif.readout(current, _one(current), **CONSTANTS)


def _one(current):
    """Return an identity matrix as weights."""
    return np.eye(current.shape[-1], dtype=current.dtype)


def scores(mem, networks):
    """Return the scaled potentials of the classes."""
    T, B, _ = mem.shape
    apart = np.moveaxis(mem.reshape(T, B, networks, CLASSES, -1), -1, 0)
    return SCALE * apart.reshape(-1, B * networks, CLASSES)


def scores_backward(dscores, mem, networks):
    """Backpropagate through the function `scores`."""
    T, B, _ = mem.shape
    apart = dscores.reshape(-1, T, B, networks, CLASSES)
    return SCALE * np.moveaxis(apart, 0, -1).reshape(mem.shape)


def gradient(x, labels, W, delay, most):
    """Return gradients with respect to weights and delays."""
    kernel, current, mem = simulate(x, W, delay, most)
    _, dscores = losses.cross_entropy(scores(mem, len(W)), labels.repeat(len(W)))
    dmem = len(W) * scores_backward(dscores, mem, len(W))
    dcurrent = lif.readout_backward(current, _one(current), dmem, **CONSTANTS).dx
    flat = W.reshape(-1, INPUTS)
    dtaps = delays.delayed_backward(dcurrent, x, flat * kernel)[1]
    ddelay, _ = delays.taps_backward(flat * dtaps, delay.reshape(-1, INPUTS), most=most)
    return (dtaps * kernel).sum(axis=0).reshape(W.shape), ddelay.reshape(W.shape)


def wrong(x, labels, W, delay, most):
    """Return each network's share of wrong predictions."""
    found = scores(simulate(x, W, delay, most)[-1], len(W)).max(axis=0).argmax(axis=1)
    return (found.reshape(-1, len(W)) != labels[:, None]).mean(axis=0)


def learn(condition, steps, seed, repeat):
    """Train networks; test the selected network."""
    task, training, held_out = (seeds.rng(seed, FIGURE, name, repeat) for name in (
        "task", "training", "held out"))
    orders = drawn(task)
    W, delay, most = initial(seeds.rng(seed, FIGURE, condition, repeat), condition)
    W, delay = (np.tile(a, (len(RATES), 1, 1)).astype(np.float32) for a in (W, delay))
    rates, states = np.array(RATES, np.float32)[:, None, None], [None, None]
    before = delay
    for step in range(steps):
        rate = rates * np.float32(1 - step / steps)
        dW, ddelay = gradient(*trials(training, orders, BATCH), W, delay, most)
        states[0], change = optimisers.adam(states[0], dW, rate=1.0, beta2=0.99)
        W = W + rate * change
        if condition == LEARNED:
            states[1], change = optimisers.adam(states[1], ddelay, rate=1.0, beta2=0.99)
            delay = (delay + PACE * rate * change).clip(0, most)
    x, labels = trials(held_out, orders, VALIDATED)
    validation = wrong(x, labels, W, delay, most)
    best = validation.argmin()
    W, delay, before = (a[best:best + 1] for a in (W, delay, before))
    tested = trials(held_out, orders, TESTED)
    found = {"validation": validation, "rate": RATES[best], "orders": orders,
             "error": wrong(*tested, W, delay, most)[0]}
    if condition == LEARNED:
        rounded, found["change"] = delays.settle(delay[0], x, W[0], most=most)
        found |= {"rounded": wrong(*tested, W, rounded[None], most)[0], "weights": W[0],
                  "delay": DT_MS * np.concatenate([before, delay])}
    return found


def gather(results):
    """Sort the results by condition and run."""
    count = len(CONDITIONS)
    return {**{name: np.stack([[r[name] for r in results[i::count]]
                               for i in range(count)])
               for name in ("error", "validation", "rate")},
            **{name: np.array([r[name] for r in results[::count]])
               for name in ("rounded", "change")},
            **{name: results[0][name] for name in ("orders", "delay", "weights")}}


def claims(size):
    """Return the statements to test.  Their bounds were fixed before the runs."""
    text = "test errors with learned delays, divided by those with {}, with equal " \
        "numbers of parameters (mean of logarithms; half an error is added to each)"
    return [
        own("ratio-fixed", text.format("fixed random delays"), high=0.5, log=True),
        own("ratio-none", text.format("no delays"), high=0.5, log=True),
        *[report(f"error-{c.split()[0]}", f"share of wrong test samples, {c}")
          for c in CONDITIONS],
        report("rounding", "change of the test accuracy by rounding learned delays to "
               f"steps of {DT_MS} ms"),
        report("change", "relative change of the currents by rounding")]


def measured(data):
    error, count = data["error"], data["error"] * TESTED + 0.5
    return {"ratio-fixed": count[0] / count[1], "ratio-none": count[0] / count[2],
            **{f"error-{c.split()[0]}": error[i] for i, c in enumerate(CONDITIONS)},
            "rounding": error[0] - data["rounded"], "change": data["change"]}


def shown(data):
    """Return all data, which are small."""
    return data


def plot(data, fig):
    """Draw panels a to d."""
    fig.set_size_inches(9, 7.6)
    (a, b), (c, d) = fig.subplots(2, 2)
    times = DT_MS * (START + INTERVAL * data["orders"])
    for i, (colour, mark) in enumerate(zip((colours.BLUE, colours.ORANGE, colours.GREEN
                                            ), "osD", strict=True)):
        a.plot(times[i], np.arange(INPUTS) + 0.2 * (i - 1), mark, color=colour, ms=5,
               label=f"class {i}")
    a.set(xlabel="time of the spike without jitter (ms)", ylabel="input neuron",
          ylim=(-0.6, INPUTS + 1.1), title="a  three patterns")
    a.legend(ncols=3, loc="upper center", fontsize=8.5, handletextpad=0.1)
    error = np.maximum(data["error"], 0.25 / TESTED)
    b.plot(range(3), error, color=colours.GREY, lw=0.7)
    for i, condition in enumerate(CONDITIONS):
        look = {"marker": MARKS[condition], "color": COLOURS[condition], "ls": ""}
        b.plot(np.full(error.shape[1], i), error[i], ms=4, fillstyle="none", **look)
        b.plot(i + 0.2, error[i].mean(), ms=9, **look)
        values = np.maximum(data["validation"][i], 0.25 / VALIDATED)
        c.plot(RATES, values.T, ms=3, alpha=0.5, fillstyle="none", **look)
        c.plot(RATES, np.median(values, axis=0), color=COLOURS[condition], lw=2,
               marker=MARKS[condition], label=condition)
    b.set(yscale="log", xticks=range(3), xlim=(-0.4, 2.6),
          ylabel="share of wrong test samples", title="b  test errors")
    b.set_xticklabels([f"{condition}\n{neurons}" for condition, neurons in zip(
        CONDITIONS, ("8 neurons", "16 neurons", "16 neurons"), strict=True)])
    c.set(xscale="log", yscale="log", xlabel="learning rate",
          ylabel="share of wrong validation samples", title="c  choice of the rate")
    c.legend(fontsize=8.5)
    area = 90 * np.abs(data["weights"]) / np.abs(data["weights"]).max()
    for stage, (colour, shift) in enumerate(((colours.GREY, 0.18),
                                             (colours.BLUE, -0.18))):
        at, rows = times + data["delay"][stage], np.arange(CLASSES)[:, None] + shift
        rows = np.broadcast_to(rows, at.shape)
        for mark, some in (("o", data["weights"] >= 0), ("x", data["weights"] < 0)):
            d.scatter(at[some], rows[some], area[some], colour, marker=mark, alpha=0.7,
                      label=("before", "after")[stage] if mark == "o" else None)
    d.set(xlabel="mean arrival at the neuron (ms)", ylabel="class",
          ylim=(-0.6, CLASSES + 0.7), title="d  arrivals with learned delays")
    d.legend(ncols=2, loc="upper center", fontsize=8.5)
