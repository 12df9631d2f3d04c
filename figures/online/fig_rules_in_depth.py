"""Directions of the gradients of online rules, against the number of layers

Each curve shows one online learning rule.  The vertical axis is the cosine of the angle
between the gradient of a learning rule and the exact gradient of the loss.  The
horizontal axis is the number of hidden layers.  The upper panels show the gradient with
respect to the weights of the first hidden layer, which is farthest from the readout.
The lower panels show the gradient with respect to the weights of all hidden layers.
The left panels show networks before training, and the right panels show the same
networks after training.  Bands show the standard deviation over networks.

A network consists of recurrent layers of 20 leaky integrate-and-fire neurons with
subtractive reset, and of a leaky readout.  The network must produce two given curves in
response to each of eight spike patterns.  The optimiser Adam minimises the mean squared
error.  Training uses the exact gradient, which is computed by backpropagation through
time.  While the gradients of the learning rules are computed, the weights are held
constant.  The gradient of each rule is summed over all time steps.  The docstring of
`refsnn.stack.online` states which derivatives each rule keeps.  In the condition
"e-prop, random", the error of the readout reaches the hidden layers through fixed
random matrices.  In the condition "DECOLLE", each hidden layer has a fixed random
readout with the same target as the network.  In all other conditions, the error reaches
the hidden layers through the transposed weights of the layers above.  This figure does
not correspond to a published figure.
"""

import functools

import numpy as np

from figures.run import colours, seeds
from figures.run.claims import own, shown as report
from refsnn import lif, losses, optimisers, stack, surrogates

FIGURE = "rules_in_depth"
RULES = ("block", "implicit", "presynaptic", "e-prop, random", "OSTL", "OTTT", "SLTT",
         "DECOLLE")
TRANSPOSED = [rule for rule in RULES if rule not in ("e-prop, random", "DECOLLE")]
STATES = ("before training", "after training")
DEPTHS = (1, 2, 3, 4)
STEPS, BATCH, INPUTS, OUTPUTS = 60, 8, 30, 2
RATE = 0.1                          # input spikes per step
TAUS, DT = {"tau_syn": 5e-3, "tau_mem": 10e-3}, 1e-3
DECAYS = {"alpha": float(np.exp(-1 / 5)), "beta": float(np.exp(-1 / 10))}
SIZES = {"quick": (1, 20), "default": (5, 150), "full": (20, 500)}
LOOKS = dict(zip(RULES, zip(    # colour, marker, line
    (colours.VERMILION, colours.GREEN, colours.PURPLE, colours.BLACK, colours.BLUE,
     colours.ORANGE, colours.SKY, colours.GREY), "s^DvoPXp",
    ("-",) * 3 + (":",) + ("-",) * 4, strict=True), strict=True))
ARRAYS = {"depth": ("depth", "1", "numbers of hidden layers"),
          "cosine": ("state, rule, depth, run, part", "1", "cosine with the exact "
                     "gradient; parts: first hidden layer, all hidden layers"),
          "difference": ("depth, run", "1", "relative difference of the rule exact "
                         "from backpropagation through time, in one network"),
          "loss": ("state, depth, run", "1", "mean squared error"),
          "rate": ("state, depth, run", "1 / step", "spikes of hidden neurons")}


def jobs(size, seed, data, repeats=None, trained=None, hidden=20):
    """Return one job for each depth and run."""
    repeats, trained = repeats or SIZES[size][0], trained or SIZES[size][1]
    more = {"steps": 30} if size == "quick" else {}
    return [(learn, {"depth": depth, "trained": trained, "hidden": hidden, "seed": seed,
                     "repeat": repeat, **more})
            for repeat in range(repeats)
            for depth in (DEPTHS[::3] if size == "quick" else DEPTHS)]


surrogate = functools.partial(surrogates.fast_sigmoid, steepness=2.0)


def initial(generator, depth, hidden):
    """Sample the initial weights of all layers."""
    def matrix(n, m, scale):
        return scale * generator.standard_normal((n, m)) / np.sqrt(m)
    layers = [[matrix(hidden, hidden if i else INPUTS, 1.0),
               matrix(hidden, hidden, 0.3)] for i in range(depth)]
    return [*layers, [matrix(OUTPUTS, hidden, 0.02), None]]


def backward(weights, x, target):
    """Return loss, spike rate, error and gradients."""
    runs, inputs = [], x
    for W, V in weights[:-1]:
        runs.append(lif.simulate(inputs, W, V, **DECAYS))
        inputs = runs[-1].spikes
    y = lif.readout(inputs, weights[-1][0], **DECAYS)
    loss, dy = losses.square(y, target)
    top = lif.readout_backward(inputs, weights[-1][0], dy, **DECAYS)
    gradients, dspikes = [[top.dW, None]], top.dx
    for i, run in reversed(list(enumerate(runs))):
        below = lif.backward(runs[i - 1].spikes if i else x, *weights[i], run,
                             surrogate(run.mem - 1)[1], dspikes, **DECAYS)
        gradients.insert(0, [below.dW, below.dV])
        dspikes = below.dx
    return loss, np.mean([run.spikes.mean() for run in runs]), dy, gradients


def online(rule, weights, x, dy, feedback, target=None):
    """Return the summed gradient of a rule."""
    layers = [stack.layer(W, V, **TAUS) for W, V in weights]
    state, total = None, None
    for t, now in enumerate(x):
        def error(y, t=t):
            return dy[t] if target is None else (y - target[t]) / dy[t].size
        result, state = stack.step(
            layers, now, state, error, rule=rule.partition(",")[0], dt=DT,
            surrogate=surrogate, feedback=feedback)
        parts = [[g.W, g.V] for g in result.gradients]
        total = parts if total is None else [
            [None if a is None else a + b for a, b in zip(*pair, strict=True)]
            for pair in zip(total, parts, strict=True)]
    return total


def flat(gradients):
    """Join gradients in one vector."""
    return np.concatenate([part.ravel() for layer in gradients for part in layer])


def cosines(found, exact):
    """Return two cosines between two gradients."""
    pairs = (flat(found[:1]), flat(exact[:1])), (flat(found[:-1]), flat(exact[:-1]))
    return [a @ b / np.sqrt((a @ a) * (b @ b)) for a, b in pairs]


def learn(depth, trained, hidden, seed, repeat, steps=STEPS):
    """Compare each rule's gradient with the exact one, before and after training."""
    generator = seeds.rng(seed, FIGURE, depth, repeat)
    x = (generator.random((steps, BATCH, INPUTS)) < RATE).astype(float)
    phase = generator.random((BATCH, OUTPUTS))
    target = np.sin(2 * np.pi * (np.arange(steps)[:, None, None] / 30 + phase))
    weights = initial(generator, depth, hidden)
    feedback = [generator.standard_normal((OUTPUTS, hidden)) for _ in range(depth)]
    found = {"cosine": [], "loss": [], "rate": []}
    for state in STATES:
        if state == STATES[1]:
            weights = train(weights, x, target, trained)
        loss, rate, dy, exact = backward(weights, x, target)
        found["loss"].append(loss)
        found["rate"].append(rate)
        found["cosine"].append([cosines(online(
            rule, weights, x, dy, feedback if rule in ("e-prop, random", "DECOLLE") else
            None, target if rule == "DECOLLE" else None), exact) for rule in RULES])
    small = initial(generator, depth, 5)
    _, _, dy, exact = backward(small, x, target)
    exact, ours = (flat(g[:-1]) for g in (exact, online("exact", small, x, dy, None)))
    found["difference"] = np.linalg.norm(ours - exact) / np.linalg.norm(exact)
    return {**found, "depth": depth}


def train(weights, x, target, steps):
    """Train with exact gradients and Adam."""
    states = [[None, None] for _ in weights]
    for _ in range(steps):
        gradients = backward(weights, x, target)[3]
        moved = [[(None, 0) if g is None else optimisers.adam(s, g, rate=3e-3)
                  for g, s in zip(*pair, strict=True)]
                 for pair in zip(gradients, states, strict=True)]
        states = [[state for state, _ in pair] for pair in moved]
        weights = [[None if w is None else w + change
                    for w, (_, change) in zip(*pair, strict=True)]
                   for pair in zip(weights, moved, strict=True)]
    return weights


def gather(results):
    """Sort the results by depth and run."""
    depths = sorted({int(r["depth"]) for r in results})
    by = [[r for r in results if r["depth"] == depth] for depth in depths]
    data = {name: np.array([[r[name] for r in row] for row in by])
            for name in ("cosine", "loss", "rate", "difference")}
    return {"depth": np.array(depths), "difference": data["difference"],
            "cosine": data["cosine"].transpose(2, 3, 0, 1, 4),
            **{name: data[name].transpose(2, 0, 1) for name in ("loss", "rate")}}


def claims(size):
    """Return the claims on cosines."""
    return [
        own("exact-bptt", "largest relative difference of the gradient of the rule "
            "exact from backpropagation through time", high=1e-10),
        *[report(f"{_word(rule)}-{depth}", "cosine in the first hidden layer after "
                 f"training, {rule}, {depth} layer{'s' * (depth > 1)}")
          for rule in RULES for depth in (1, 4)],
        *[own(f"{_word(rule)}-falls", f"cosine in the first hidden layer, {rule}: 4 "
              "layers minus 1 layer, after training", high=0.0) for rule in TRANSPOSED],
        report("loss", "mean squared error after training / before training, 4 layers")]


def _word(rule):
    return rule.lower().replace(", ", "-")


def measured(data):
    """Return the values of all claims."""
    first = dict(zip(RULES, data["cosine"][1, :, :, :, 0], strict=True))
    found = {"exact-bptt": data["difference"].max(),
             "loss": data["loss"][1, -1] / data["loss"][0, -1]}
    for rule, cosine in first.items():
        found |= {f"{_word(rule)}-1": cosine[0], f"{_word(rule)}-4": cosine[-1]}
        if rule in TRANSPOSED:
            found[f"{_word(rule)}-falls"] = cosine[-1] - cosine[0]
    return found


def shown(data):
    """Return all data, which are small."""
    return data


def plot(data, fig):
    """Draw cosines against the number of layers."""
    fig.set_size_inches(10, 7.4)
    axes = fig.subplots(2, 2, sharex=True, sharey=True)
    for column, state in enumerate(STATES):
        for row, part in enumerate(("first hidden layer", "all hidden layers")):
            ax = axes[row, column]
            for i, rule in enumerate(RULES):
                values = data["cosine"][column, i, :, :, row]
                colour, marker, style = LOOKS[rule]
                mean, spread = values.mean(axis=1), values.std(axis=1)
                ax.fill_between(data["depth"], mean - spread, mean + spread, lw=0,
                                alpha=0.1, color=colour)
                ax.plot(data["depth"], mean, style, color=colour, marker=marker, ms=5.5,
                        label=rule, fillstyle="none" if style == ":" else "full")
            ax.axhline(0, color=colours.GREY, lw=0.8)
            ax.set(title=f"{'abcd'[2 * row + column]}  {part}, {state}",
                   xticks=data["depth"])
            ax.label_outer()
    for ax in axes[:, 0]:
        ax.set_ylabel("cosine with the exact gradient")
    for ax in axes[1]:
        ax.set_xlabel("hidden layers")
    fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center",
               ncols=5)
