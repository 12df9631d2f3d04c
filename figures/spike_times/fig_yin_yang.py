"""The gradients of spike times train a network to classify the yin-yang data

A point of the plane belongs to the class yin, yang or dot.  One input neuron encodes
the coordinate x of the point, a number from 0 to 1, and spikes at (10 + 30 x) ms.
Three more input neurons encode y, 1 - x and 1 - y in the same way.  The fifth input
neuron always spikes at 20 ms.  The network has 200 hidden neurons and three output
neurons.  The predicted class is that of the output neuron that spikes first.  The loss
is a cross-entropy whose logits are the negative first spike times of the output neurons
(in units of 0.5 ms).  A small additional term in the loss penalises late spikes of the
correct output neuron.  Training uses exact gradients of the loss
(`refsnn.fast.eventprop`) and the optimiser Adam.  Panel a shows the error on test
points against the epoch.  Panel b shows the class that the trained network of the first
run predicts for each test point.

The data, the network and the training are as in [WP21], but the code that draws the
points was written for this figure.  There are 5000 training points and 1000 test
points.  With --quick, there are 400 training points and 80 test points.  Each class has
a third of the points.  The time constants are 20 ms for membrane potentials and 5 ms
for currents.  Mini-batches have 256 points.  The learning rate is 0.01 at first, and
falls by 5 % every 5 epochs.  Training lasts 12 epochs by default, and 4 epochs with
--quick.  With --full, ten networks learn for 300 epochs, as in [WP21].  This training
takes about 3 core-hours.
"""

import numpy as np

from figures.run import colours, seeds
from figures.run.claims import Published, reproduction, shown as report
from figures.train import lif_training
from refsnn import eventprop, spike_time
from refsnn.fast import eventprop as fast

FIGURE = "yin_yang"
SIZES = {"quick": (1, 4, 400), "default": (1, 12, 5000), "full": (10, 300, 5000)}
# runs, epochs, training points
PART = 30                       # epochs of a job
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
    """Return the list of jobs.

    Within a run, each job continues the training where the previous job ended.
    """
    repeats, epochs, samples = (given or usual for given, usual in zip(
        (repeats, epochs, samples), SIZES[size], strict=True))
    listed = []
    for repeat in range(repeats):
        for first in range(0, epochs, PART):
            kwargs = {"first": first, "epochs": epochs, "hidden": hidden,
                      "samples": samples, "seed": seed, "repeat": repeat}
            listed.append((learn, kwargs, *([len(listed) - 1] if first else [])))
    return listed


def classes(points):
    """Return the class of each point: 0 yin, 1 yang, 2 dot."""
    right, left = (np.hypot(points[:, 0] - x * BIG, points[:, 1] - BIG)
                   for x in (1.5, 0.5))
    yin = (left <= BIG / 2) | ((points[:, 1] > BIG) & (right > BIG / 2))
    return np.where(np.minimum(left, right) < SMALL, 2, np.where(yin, 0, 1))


def drawn(rng, size):
    """Return random points and their classes."""
    points = rng.uniform(0, 2 * BIG, (60 * size, 2))
    points = points[np.hypot(*(points - BIG).T) <= BIG]
    labels = classes(points)
    kept = np.concatenate([np.flatnonzero(labels == c)[:size // 3 + (c < size % 3)]
                           for c in range(3)])
    kept = rng.permutation(kept)
    return points[kept], labels[kept]


def encode(points):
    """Return the input spikes of all samples."""
    x = np.concatenate([points, 1 - points, np.full((len(points), 1), 1 / 3)], axis=1)
    return [*(10e-3 + 30e-3 * x)], [np.arange(5)] * len(x)


def network(weights, spikes):
    """Return recordings and first output spike times."""
    one = fast.simulate(*spikes, weights[0], until=UNTIL, **TAUS)
    two = fast.simulate(one.times, one.units, weights[1], until=UNTIL, first=True,
                        **TAUS)
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


def learn(epochs, hidden, samples, seed, repeat, first=0, before=None):
    """Train one network for at most `PART` epochs, starting at the epoch `first`."""
    rng = seeds.rng(seed, FIGURE, 0, repeat)
    (points, labels), (tested, wanted) = drawn(rng, samples), drawn(rng, samples // 5)
    weights = [rng.normal(1.5, 0.78, (hidden, 5)),
               rng.normal(0.93, 0.1, (3, hidden)) * (200 / hidden) ** 0.5]
    states, error = [None, None], []
    if before is not None:
        (weights, states), error = lif_training.unpacked(before), [*before["error"]]
    for epoch in range(min(first + PART, epochs)):
        rate = RATE * DECAY ** (epoch // EVERY)
        order = rng.permutation(samples)
        if epoch < first:
            continue                    # only draws the same numbers again
        for batch in np.split(order, range(BATCH, samples, BATCH)):
            found = gradient(weights, points[batch], labels[batch])
            weights, states = lif_training.update(weights, found, states, rate=rate)
        one, _, output = network(weights, encode(tested))
        predicted = output.argmin(axis=1)
        error.append(np.mean(predicted != wanted))
    return {"error": np.array(error), "points": tested, "labels": wanted,
            "predicted": predicted, "spikes": np.mean([len(t) for t in one.times]),
            "repeat": repeat, **lif_training.packed(weights, states)}


def gather(results):
    """Collect the final results of all runs."""
    results = [*{int(r["repeat"]): r for r in results}.values()]
    return {"error": np.array([r["error"] for r in results]),
            "spikes": np.array([r["spikes"] for r in results]),
            **{name: results[0][name] for name in ("points", "labels", "predicted")}}


def claims(size):
    """Return the statements to test.  The tolerance was fixed before the full run."""
    text = f"test accuracy after {SIZES[size][1]} epochs"
    published = Published(0.981, "[WP21]", "fig. 2", "read", 0.0018, 10)
    first = reproduction(
        "accuracy", text, published, tolerance=0.005, unit="accuracy",
        differs="own generator of the data", cause="most hidden neurons become silent "
        "during the training, and a silent neuron has no gradient",
        headline="Gradients of spike times, yin-yang data: test accuracy"
    ) if size == "full" else report(
        "accuracy", text, published=published,
        why="the published training has 300 epochs")
    return [first, report("spikes", "hidden spikes per sample after training")]


def measured(data):
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
    left.xaxis.get_major_locator().set_params(integer=True)
    left.legend()
    for c, (name, colour) in enumerate(zip(("yin", "yang", "dot"), (
            colours.BLUE, colours.ORANGE, colours.GREEN), strict=True)):
        some = data["predicted"] == c
        right.plot(*data["points"][some].T, ".", ms=4, color=colour,
                   label=f"predicted {name}")
    wrong = data["predicted"] != data["labels"]
    right.plot(*data["points"][wrong].T, "x", color=colours.BLACK, ms=5, label="wrong")
    right.set(aspect="equal", xlim=(0, 1), ylim=(0, 1), xlabel="x", ylabel="y",
              title="b  test points")
    right.legend(loc="center left", bbox_to_anchor=(1, 0.5))
