"""The range of usable learning rates is wider with RMSprop and RMaxProp than without

For each of three optimisers, a top panel shows how the ratio of final cost to initial
cost depends on the learning rate.  The cost ratio of a network is its mean cost in the
last 20 trials, divided by its cost in the first trial.  For each optimiser, the best
learning rate is that with the lowest cost ratio (median over networks).  The bottom
panels show how the cost changes from trial to trial at the best learning rates.  Thin
lines and dots show single networks, and thick lines show the median over networks.

Spiking networks with four hidden neurons learn to fire five output spikes at target
times.  The output error reaches the hidden neurons through the transposed output
weights, as with symmetric feedback in the figure `superspike_hidden`.  The input spikes
and the initial weights are the same for every learning rate.  The cost of a trial is
the root mean square of the filtered output error.  A learning rate is called usable if
training reduces the cost to at most 60 % of the initial cost (median over networks).

RMSprop divides each entry of the weight gradient by the running root mean square of
this entry.  RMaxProp divides each entry of the weight gradient by the running maximum
of the absolute value of this entry.  With a "fixed rate", the change of a weight is the
learning rate times the mean product of error and eligibility trace.  With a "fixed
rate", the learning rate has the unit V s (volt seconds).

Learning rates are tested on a logarithmic grid.  The usable range is the longest
sequence of consecutive usable learning rates.  The width of the usable range, in
decades, is computed as n d.  Here, n is the number of learning rates in the usable
range, and d is the distance between neighbouring learning rates, in decades.  The
output weights are positive before training, so that every hidden neuron receives a
useful error signal.  This figure corresponds to [ZG18] fig. 1, whose numerical values
are not published.
"""

import numpy as np

from figures.run.claims import Published, reproduction, shown as report
from figures.run import colours, seeds
from figures.superspike import superspike_training as training

INPUTS, HIDDEN, INPUT_HZ, TARGETS, SCALE_V = 100, 4, 5.0, 5, 0.02
RULES = ("fixed", "rmsprop", "rmaxprop")
LABELS = {"fixed": "fixed rate", "rmsprop": "RMSprop", "rmaxprop": "RMaxProp"}
COLOURS = dict(zip(RULES, (colours.VERMILION, colours.ORANGE, colours.BLUE),
                   strict=True))
USABLE = 0.6                # largest cost after learning / cost before learning
LAST = 20                   # trials at the end over which the cost is averaged
SIZES = {"quick": (1, 20, 1.0), "default": (3, 120, 0.5), "full": (10, 500, 0.25)}
CENTRE = {"fixed": 0.1, "rmsprop": 1e-3, "rmaxprop": 1e-3}
REACH = 2.0                 # decades on each side of the centre
ARRAYS = {f"{rule}_{key}": (axes, unit, f"{text}, {LABELS[rule]}")
          for rule in RULES for key, axes, unit, text in (
    ("rates", "rate", "V s" if rule == "fixed" else "V", "learning rates"),
    ("cost", "trial, rate, run", "1/s", "cost of a trial"),
    ("final", "rate, run", "1", "mean cost of the last trials / cost of the first"),
    ("best", "", "V s" if rule == "fixed" else "V", "best learning rate"),
    ("best_cost", "trial, run", "1/s", "cost of a trial, best learning rate"))}


def jobs(size, seed, data, repeats=None, loops=None, step=None):
    usual = SIZES[size]
    return [(learn, {"rule": rule, "step": step or usual[2],
                     "repeats": repeats or usual[0], "loops": loops or usual[1],
                     "seed": seed}) for rule in RULES]


def learn(rule, step, repeats, loops, seed):
    """Train networks with one optimiser."""
    rates = CENTRE[rule] * 10 ** np.arange(-REACH, REACH + step / 2, step)

    def generators(what):
        return [seeds.rng(seed, "superspike_rates", what, r) for r in range(repeats)]

    def every(a, axis):
        return np.repeat(a, len(rates), axis)   # networks: repeats, then rates

    x, drawn = training.poisson(generators("input"), INPUTS, INPUT_HZ), generators("W")
    W = [training.weights(drawn, HIDDEN, INPUTS, SCALE_V),
         abs(training.weights(drawn, 1, HIDDEN, SCALE_V))]
    layers = [training.layer(every(w, 0), settings)
              for w, settings in zip(W, (training.HIDDEN, training.OUTPUT),
                                     strict=True)]
    target = training.train_of(training.equidistant(TARGETS))
    _, cost = training.practise(layers, every(x, 1), target, loops,
                                np.tile(rates, repeats)[:, None, None], rule=rule)
    return {"rule": rule, "rates": rates,
            "cost": np.sqrt(cost).reshape(loops, repeats, -1).swapaxes(1, 2)}


def gather(results):
    return {f"{r['rule']}_{key}": np.asarray(r[key])
            for r in results for key in ("rates", "cost")}


def final(cost):
    """Return the cost ratios, (rates, repeats)."""
    return cost[-LAST:].mean(axis=0) / cost[0]


def decades(rates, share):
    """Return the width of the usable range."""
    usable, best, length = np.median(share, axis=1) <= USABLE, 0, 0
    for good in usable:
        length = length + 1 if good else 0
        best = max(best, length)
    return best * round(float(np.log10(rates[1] / rates[0])), 3)


def claims(size):
    wider = Published("wider", "[ZG18]", "fig. 1", "words")
    return [
        *[reproduction(f"{rule}-minus-fixed", "width of the range of usable rates, "
                       f"{LABELS[rule]} minus fixed rate", wider, ordered=True,
                       unit="decades", differs="input spikes drawn anew; a rate is "
                       f"called usable if the cost falls to {USABLE} of the first cost")
          for rule in RULES[1:]],
        *[report(f"width-{rule}", "width of the range of rates that are usable for the "
                 f"median network, {LABELS[rule]}", unit="decades") for rule in RULES]]


def measured(data):
    share = {rule: final(data[f"{rule}_cost"]) for rule in RULES}
    rates = {rule: data[f"{rule}_rates"] for rule in RULES}
    each = {rule: np.array([decades(rates[rule], run[:, None])
                            for run in share[rule].T]) for rule in RULES}
    return {**{f"{rule}-minus-fixed": each[rule] - each["fixed"] for rule in RULES[1:]},
            **{f"width-{rule}": decades(rates[rule], share[rule]) for rule in RULES}}


def shown(data):
    found = {}
    for rule in RULES:
        rates, cost = data[f"{rule}_rates"], data[f"{rule}_cost"]
        best = int(np.median(final(cost), axis=1).argmin())
        found |= {f"{rule}_rates": rates, f"{rule}_best": rates[best],
                  f"{rule}_final": final(cost).astype(np.float32),
                  f"{rule}_best_cost": cost[:, best].astype(np.float32)}
    return found


def plot(data, fig):
    fig.set_size_inches(12, 7)
    top, bottom = fig.subfigures(2, 1, height_ratios=(1.1, 1))
    axes = top.subplots(1, len(RULES), sharey=True)
    curves = bottom.subplots(1, len(RULES), sharey=True)
    for rule, axis, curve in zip(RULES, axes, curves, strict=True):
        rates, share = data[f"{rule}_rates"], data[f"{rule}_final"]
        middle = np.median(share, axis=1)
        axis.plot(rates, share, "o", color=COLOURS[rule], ms=4, alpha=0.5)
        axis.plot(rates, middle, color=COLOURS[rule], lw=2.4)
        axis.axhline(USABLE, color=colours.GREY, ls=":", lw=1.2)
        axis.set_xscale("log")
        axis.set(title=LABELS[rule], ylim=(0, None),
                 xlabel="learning rate (V)" if rule != "fixed"
                 else "learning rate (V s)")
        cost = data[f"{rule}_best_cost"]
        trial = np.arange(1, len(cost) + 1)
        curve.plot(trial, cost, color=COLOURS[rule], lw=0.8, alpha=0.5)
        curve.plot(trial, np.median(cost, axis=1), color=COLOURS[rule], lw=2.4)
        curve.set(xlabel="trial", ylim=(0, None),
                  title=f"best rate, {float(data[f'{rule}_best']):.2g}")
    axes[0].annotate("usable below", (0.02, USABLE), va="bottom", color=colours.GREY,
                     xycoords=("axes fraction", "data"), fontsize=9.5)
    axes[0].set_ylabel("cost after learning\n/ cost before")
    curves[0].set_ylabel("cost (1/s)")
