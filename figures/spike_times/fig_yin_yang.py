"""The gradients of spike times train a network to classify the yin-yang data

A point of the plane belongs to the class yin, yang or dot. Five input neurons encode
its coordinates x and y: four neurons spike at times that increase from 10 to 40 ms with
x, y, 1 - x and 1 - y, and one neuron spikes at 20 ms for all points. The network has
one hidden layer and three output neurons. The predicted class is that of the output
neuron that spikes first. Training uses the exact gradients of the spike times
(`refsnn.fast.eventprop`), the cross-entropy of the first output spikes, and the
optimiser Adam. Panel a shows the error on test points against the epoch. Panel b shows
the predicted classes of the test points of the first run after training, and crosses
mark wrong predictions.

The data, the network and the training are those of [WP21], except for the generator of
the data. There are 5000 training points (400 with --quick), and a fifth as many test
points. A third of the points belongs to each class. Training lasts 12 epochs by
default, 4 epochs with --quick, and 300 epochs with --full, as in [WP21].
"""

import numpy as np

from figures.run import colours, seeds
from figures.run.claims import Published, own, shown as report
from refsnn import eventprop, optimisers, spike_time
from refsnn.fast import eventprop as fast

FIGURE = "yin_yang"
SIZES = {"quick": (1, 4, 400), "default": (1, 12, 5000), "full": (10, 300, 5000)}
# runs, epochs, training points
TAUS, UNTIL = {"tau_mem": 20e-3, "tau_syn": 5e-3}, 60e-3              # s
SCALE, LATE_SCALE, LATE_COST = 0.5e-3, 6.4e-3, 3e-3                   # s, s, 1
BIG, SMALL = 0.5, 0.1           # radii of the figure and of the dots
BATCH, RATE, DECAY, EVERY = 256, 1e-2, 0.95, 5
ARRAYS = {"error": ("run, epoch", "1", "share of wrong test points"),
          "spikes": ("run", "1", "hidden spikes per sample after training"),
          "points": ("point, coordinate", "1", "test points of the first run"),
          "labels": ("point", "", "class: 0 yin, 1 yang, 2 dot"),
          "predicted": ("point", "", "predicted class")}


def jobs(size, seed, data, repeats=None, epochs=None, hidden=200, samples=None):
    """Return one job for each run."""
    repeats, epochs, samples = (given or usual for given, usual in zip(
        (repeats, epochs, samples), SIZES[size], strict=True))
    return [(learn, {"epochs": epochs, "hidden": hidden, "samples": samples,
                     "seed": seed, "repeat": repeat}) for repeat in range(repeats)]


def classes(points):
    """Return the class of each point: 0 yin, 1 yang, 2 dot."""
    right, left = (np.hypot(points[:, 0] - x * BIG, points[:, 1] - BIG)
                   for x in (1.5, 0.5))
    yin = (left <= BIG / 2) | ((points[:, 1] > BIG) & (right > BIG / 2))
    return np.where(np.minimum(left, right) < SMALL, 2, np.where(yin, 0, 1))


def drawn(rng, size):
    """Return points in the circle, and their classes, which are equally frequent."""
    points = rng.uniform(0, 2 * BIG, (60 * size, 2))
    points = points[np.hypot(*(points - BIG).T) <= BIG]
    labels = classes(points)
    kept = np.concatenate([np.flatnonzero(labels == c)[:size // 3 + (c < size % 3)]
                           for c in range(3)])
    kept = rng.permutation(kept)
    return points[kept], labels[kept]


def encode(points):
    """Return the times and neurons of the input spikes of all samples."""
    x = np.concatenate([points, 1 - points, np.full((len(points), 1), 1 / 3)], axis=1)
    return [*(10e-3 + 30e-3 * x)], [np.arange(5)] * len(x)


def network(weights, spikes):
    """Return the hidden and output recordings, and the first output spike times."""
    one = fast.simulate(*spikes, weights[0], until=UNTIL, **TAUS)
    two = fast.simulate(one.times, one.units, weights[1], until=UNTIL, **TAUS)
    return one, two, eventprop.first(two.times, two.units, 3)


def gradient(weights, points, labels):
    """Return the gradients of both weight matrices."""
    one, two, first = network(weights, encode(points))
    _, dfirst = spike_time.cross_entropy(first, labels, scale=SCALE, late=UNTIL)
    rows = np.arange(len(labels))
    t = first[rows, labels]
    early = np.isfinite(t)
    dfirst[rows[early], labels[early]] += LATE_COST / len(labels) / LATE_SCALE * np.exp(
        t[early] / LATE_SCALE)
    top = fast.backward(eventprop.first_backward(dfirst, two.times, two.units), two)
    return [fast.backward(top.dtimes, one).dW, top.dW]


def learn(epochs, hidden, samples, seed, repeat):
    """Train one network."""
    rng = seeds.rng(seed, FIGURE, 0, repeat)
    (points, labels), (tested, wanted) = drawn(rng, samples), drawn(rng, samples // 5)
    weights = [rng.normal(1.5, 0.78, (hidden, 5)),
               rng.normal(0.93, 0.1, (3, hidden)) * (200 / hidden) ** 0.5]
    states, error = [None, None], []
    for epoch in range(epochs):
        rate = RATE * DECAY ** (epoch // EVERY)
        order = rng.permutation(samples)
        for batch in np.split(order, range(BATCH, samples, BATCH)):
            for i, d in enumerate(gradient(weights, points[batch], labels[batch])):
                states[i], change = optimisers.adam(states[i], d, rate=rate)
                weights[i] = weights[i] + change
        one, _, first = network(weights, encode(tested))
        predicted = first.argmin(axis=1)
        error.append(np.mean(predicted != wanted))
    return {"error": np.array(error), "points": tested, "labels": wanted,
            "predicted": predicted, "spikes": np.mean([len(t) for t in one.times])}


def gather(results):
    """Sort the results by run."""
    return {"error": np.array([r["error"] for r in results]),
            "spikes": np.array([r["spikes"] for r in results]),
            **{name: results[0][name] for name in ("points", "labels", "predicted")}}


def claims(size):
    """Return the claim on the test accuracy."""
    text = f"test accuracy after {SIZES[size][1]} epochs"
    published = Published(0.981, "[WP21]", "fig. 2", "read", 0.0018, 10)
    first = own("accuracy", text, low=published.value - 0.005,
                differs="own generator of the data") if size == "full" else report(
        "accuracy", text, published=published,
        why="the published training has 300 epochs")
    return [first, report("spikes", "hidden spikes per sample after training")]


def measured(data):
    """Return the values of all claims."""
    return {"accuracy": 1 - data["error"][:, -1], "spikes": data["spikes"]}


def shown(data):
    """Return all data, which are small."""
    return data


def plot(data, fig):
    """Draw errors against epochs, and predicted classes."""
    fig.set_size_inches(9, 4.2)
    left, right = fig.subplots(1, 2)
    epochs = np.arange(1, data["error"].shape[1] + 1)
    left.plot(epochs, data["error"].T, color=colours.BLUE, lw=1)
    left.axhline(1 - 0.981, color=colours.GREY, ls="--", lw=1,
                 label="[WP21], 300 epochs")
    left.set(yscale="log", xlabel="epoch", ylabel="share of wrong test points",
             title="a  test error")
    left.legend()
    for c, (name, colour) in enumerate(zip(("yin", "yang", "dot"), (
            colours.BLUE, colours.ORANGE, colours.GREEN), strict=True)):
        some = data["predicted"] == c
        right.plot(*data["points"][some].T, ".", ms=4, color=colour,
                   label=f"predicted {name}")
    wrong = data["predicted"] != data["labels"]
    right.plot(*data["points"][wrong].T, "x", color=colours.BLACK, ms=5, label="wrong")
    right.set(aspect="equal", xlim=(-0.5, 1.05), xlabel="x", ylabel="y",
              title="b  test points")
    right.legend(fontsize=7, loc="upper left")
