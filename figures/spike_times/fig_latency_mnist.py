"""The gradients of spike times train a network to classify images in a latency code

Each pixel of an image is encoded as at most one input spike.  Pixel values are between
0 (black) and 1 (white).  A pixel with the value x spikes at the time `(1 - x) * 30 ms`,
and black pixels do not spike.  The network has one hidden layer of spiking neurons, and
ten readout neurons that do not spike.  The predicted class is that of the readout whose
membrane potential has the highest maximum.  The loss is the cross-entropy of the
maximum potentials of the ten readouts.  Training uses exact gradients of the loss
(`refsnn.fast.eventprop`) and the optimiser Adam.  In training, Gaussian jitter with a
standard deviation of 1 ms is added to the input spike times.  The weights of hidden
neurons that are silent in a whole mini-batch increase slightly.  The time constants are
20 ms for potentials and 5 ms for currents.

Panel a shows the accuracy on the first 2000 test images against the epoch.  The final
test accuracy is measured on all test images.  Panels b and c show the hidden spikes and
the readouts of the first network after training, for one test image.  The blue line is
the readout of the correct class.

By default, three networks with 100 hidden neurons learn to classify images of digits
that are included in refsnn.  The images of digits have 8x8 pixels.  With --full, one
network with 350 hidden neurons learns MNIST for 18 epochs.  This training takes about 3
core-hours.  With --full, mini-batches have 128 images.  The learning rate for MNIST is
0.005 in the first epoch, and falls by 3 % each epoch.  For MNIST, the mini-batch size,
the learning rate and the spike-time jitter are the same as in [WP21].  In [WP21], ten
networks learn for 100 epochs.  For the digits, mini-batches have 32 images.  The
learning rate for the digits is 0.1 in the first epoch, and falls by 30 % each epoch.
The initial weights for the digits have wider distributions than those for MNIST.
"""

import os

import numpy as np

from figures.run import colours, seeds
from figures.run.claims import Published, own, shown as report, stand_in
from figures.train import image_sets, lif_training
from refsnn import eventprop, losses
from refsnn.fast import eventprop as fast

FIGURE = "latency_mnist"
FOLDERS = {"full": ("mnist",)}          # required in the --data folder
# Runs, epochs, hidden neurons, training images, images of a mini-batch.
SIZES = {"quick": (1, 2, 40, 384, 32), "default": (3, 6, 100, 1408, 32),
         "full": (1, 18, 350, 60000, 128)}
TAUS, UNTIL = {"tau_mem": 20e-3, "tau_syn": 5e-3}, 60e-3                # s
LATEST, JITTER, BLACK = 30e-3, 1e-3, 1.5 / 255                          # s, s, 1
CLASSES, RAISED = 10, 6.9e-5
# Learning rate and its decay; mean and standard deviation of the initial weights.
MNIST = 5e-3, 0.97, (0.065, 0.045), (0.2, 0.37)
DIGITS = 0.1, 0.7, (0.2, 0.8), (0.2, 1.0)
PART = 94                               # mini-batches of a job, a fifth of MNIST
WATCHED, TESTED = 2000, 128         # test images of the learning curve, and at once
PUBLISHED = Published(0.9758, "[WP21]", "fig. 3", "read", 0.0012, 10)
ARRAYS = {
    "accuracy": ("run, epoch", "accuracy", "accuracy on test images after the epoch"),
    "tested": ("run", "accuracy", "accuracy on all test images after training"),
    "spikes": ("run", "1", "hidden spikes per test image after training"),
    "times": ("spike", "s", "hidden spike times of one test image, first run"),
    "units": ("spike", "1", "hidden neurons of these spikes"),
    "mem": ("time, class", "thresholds", "potentials of the readouts, first run"),
    "label": ("", "1", "class of the test image")}


def jobs(size, seed, data, repeats=None, epochs=None, hidden=None):
    """Return the list of jobs.

    Within a run, each job continues the training where the previous job ended.
    """
    repeats, epochs, hidden = (given or usual for given, usual in zip(
        (repeats, epochs, hidden), SIZES[size][:3], strict=True))
    (samples, batch), listed = SIZES[size][3:], []
    folder = os.path.join(data, "mnist") if size == "full" else None
    for repeat in range(repeats):
        for first in range(0, epochs * -(-samples // batch), PART):
            kwargs = {"folder": folder, "first": first, "epochs": epochs,
                      "hidden": hidden, "samples": samples, "batch": batch,
                      "seed": seed, "repeat": repeat}
            listed.append((learn, kwargs, *([len(listed) - 1] if first else [])))
    return listed


def encode(images, rng=None):
    """Return the input spikes of images (B, pixel), with jitter if `rng` is given."""
    units = [np.flatnonzero(x > BLACK) for x in images]
    times = [LATEST * (1 - x[j].astype(float)) for x, j in zip(images, units,
                                                               strict=True)]
    if rng is not None:
        times = [np.maximum(t + rng.normal(0, JITTER, len(t)), 0) for t in times]
    return times, units


def highest(times, units, W):
    """Find the time at which the potential of each readout is highest.

    Return three arrays of shape (B, k).  The first array holds the times at which the
    potentials of the readouts are highest.  If a hidden neuron spikes when the
    potential of a readout is highest, the second array holds the derivative of this
    potential just before the hidden spike.  If a hidden neuron spikes when the
    potential of a readout is highest, the third array holds the index of the hidden
    spike.  If no hidden neuron spikes when the potential of a readout is highest, the
    second array holds 0, and the third array holds -1.

    Between two spikes, the potential is c (a exp(-p t) - b exp(-q t)), with p =
    1/tau_mem, q = 1/tau_syn, c = p/(q - p), a = sum_j W_j exp(p t_j) and b = sum_j W_j
    exp(q t_j), where the sums contain the earlier spikes.
    """
    p, q = 1 / TAUS["tau_mem"], 1 / TAUS["tau_syn"]
    rows, found = np.arange(len(W)), []
    for t, j in zip(times, units, strict=True):
        start, end = np.append(0.0, t), np.append(t, UNTIL)
        w = np.concatenate([np.zeros((len(W), 1)), W[:, j]], axis=1)
        a, b = (np.cumsum(w * np.exp(start * rate), axis=1) for rate in (p, q))
        rises = (a > 0) & (b * q > a * p)
        ratio = np.where(rises, b * q, 1) / np.where(rises, a * p, 1)
        at = np.minimum(np.log(ratio) / (q - p), end)
        high = np.where(rises & (at > start), a * np.exp(-p * at) - b * np.exp(-q * at),
                        -np.inf)
        best = high.argmax(axis=1)
        at, a, b = (x[rows, best] for x in (np.where(high > 0, at, 0), a, b))
        spike = np.where((at == end[best]) & (best < len(t)), best, -1)
        slope = p / (q - p) * (q * b * np.exp(-q * at) - p * a * np.exp(-p * at))
        found.append((at, np.where(spike >= 0, slope, 0), spike))
    return [np.array(x) for x in zip(*found, strict=True)]


def network(weights, spikes):
    """Simulate the network, and find the highest potential of each readout."""
    hidden = fast.simulate(*spikes, weights[0], until=UNTIL, **TAUS)
    tops = highest(hidden.times, hidden.units, weights[1])
    return hidden, tops, eventprop.readout(tops[0][None], hidden.times, hidden.units,
                                           weights[1], **TAUS)[0]


def gradient(weights, spikes, labels):
    """Return the recording of the hidden layer, and the gradients of all weights."""
    hidden, (at, slope, spike), top = network(weights, spikes)
    _, dtop = losses.cross_entropy(top[None], labels)
    grad = eventprop.readout_backward(dtop, at[None], hidden.times, hidden.units,
                                      weights[1], **TAUS)
    for dtimes, k, d in zip(grad.dtimes, spike, dtop[0] * slope, strict=True):
        np.add.at(dtimes, k[k >= 0], d[k >= 0])     # the maximum moves with the spike
    return hidden, [fast.backward(grad.dtimes, hidden).dW, grad.dW]


def test(weights, images, labels):
    """Return the accuracy, and the number of hidden spikes per image."""
    right = spikes = 0
    for first in range(0, len(labels), TESTED):
        part = slice(first, first + TESTED)
        hidden, _, top = network(weights, encode(images[part]))
        right += (top.argmax(axis=1) == labels[part]).sum()
        spikes += sum(map(len, hidden.times))
    return right / len(labels), spikes / len(labels)


def learn(folder, epochs, hidden, samples, batch, seed, repeat, first=0, before=None):
    """Train one network on at most `PART` mini-batches, starting at index `first`."""
    found = image_sets.digits(seed, FIGURE, repeat) if folder is None \
        else image_sets.stored(folder)
    (x, labels), (tested, wanted) = ((a.reshape(len(a), -1), b) for a, b in (
        (found.x[:samples], found.labels[:samples]), (found.x_test, found.labels_test)))
    rate, decay, *laws = DIGITS if folder is None else MNIST
    rng = seeds.rng(seed, FIGURE, "weights", repeat)
    weights = [rng.normal(*law, size) for law, size in zip(laws, (
        (hidden, x.shape[1]), (CLASSES, hidden)), strict=True)]
    states, accuracy = [None, None], []
    if before is not None:
        (weights, states), accuracy = lif_training.unpacked(before), [
            *before["accuracy"]]
    count = -(-len(labels) // batch)        # mini-batches of an epoch
    last = min(first + PART, epochs * count)
    for step in range(first, last):
        epoch, k = divmod(step, count)
        order = seeds.rng(seed, FIGURE, f"order {epoch}", repeat).permutation(
            len(labels))
        part = order[k * batch:(k + 1) * batch]
        spikes = encode(x[part], seeds.rng(seed, FIGURE, f"jitter {step}", repeat))
        rec, grads = gradient(weights, spikes, labels[part])
        weights, states = lif_training.update(weights, grads, states,
                                              rate=rate * decay ** epoch)
        silent = ~np.isin(np.arange(hidden), np.concatenate(rec.units))
        weights[0] = weights[0] + RAISED * silent[:, None]
        if k == count - 1:
            accuracy.append(test(weights, tested[:WATCHED], wanted[:WATCHED])[0])
    found = {"accuracy": np.array(accuracy), "repeat": repeat,
             **lif_training.packed(weights, states)}
    if last == epochs * count:
        found["tested"], found["spikes"] = test(weights, tested, wanted)
        rec, _, _ = network(weights, encode(tested[:1]))
        found |= {"times": rec.times[0], "units": rec.units[0], "label": wanted[0],
                  "mem": eventprop.readout(instants(), rec.times, rec.units,
                                           weights[1], **TAUS)[:, 0]}
    return found


def instants():
    """Return the times at which panel c shows potentials."""
    return np.linspace(0, UNTIL, 241)


def gather(results):
    """Sort the results of completed runs."""
    ends = [r for r in results if "tested" in r]
    return {**{name: np.array([r[name] for r in ends])
               for name in ("accuracy", "tested", "spikes")},
            **{name: ends[0][name] for name in ("times", "units", "mem", "label")}}


def claims(size):
    """Return the statements to test.  Their bounds were fixed before all runs."""
    _, epochs, hidden, *_ = SIZES[size]
    text = f"test accuracy, {hidden} hidden neurons, {epochs} epochs"
    first = stand_in(
        "accuracy", f"{text}, MNIST", PUBLISHED, tolerance=0.01, unit="accuracy",
        differs=f"{epochs} epochs in place of 100, one run, all 10,000 test images in "
        "place of 5,000") if size == "full" else own(
        "accuracy", f"{text}, digits of refsnn", low=0.9, unit="accuracy")
    return [first, report("spikes", "hidden spikes per test image after training")]


def measured(data):
    return {"accuracy": data["tested"], "spikes": data["spikes"]}


def shown(data):
    """Return all data, which are small."""
    return data


def plot(data, fig):
    """Draw learning curves, and the response of a trained network to one image."""
    fig.set_size_inches(12, 4)
    a, b, c = fig.subplots(1, 3)
    epochs = np.arange(1, data["accuracy"].shape[1] + 1)
    a.plot(epochs, data["accuracy"].T, color=colours.BLUE, lw=1, marker="o", ms=3)
    a.axhline(PUBLISHED.value, color=colours.GREY, ls="--", lw=1,
              label="[WP21], MNIST, 100 epochs")
    a.set(xlabel="epoch", ylabel="test accuracy", title="a  learning")
    a.xaxis.get_major_locator().set_params(integer=True)
    a.legend(loc="lower right")
    b.plot(1e3 * data["times"], data["units"], ".", ms=3, color=colours.BLACK)
    b.set(xlim=(0, 1e3 * UNTIL), xlabel="time (ms)", ylabel="hidden neuron",
          title="b  hidden spikes")
    t, label = 1e3 * instants(), int(data["label"])
    c.plot(t, data["mem"], color=colours.GREY, lw=0.8)
    c.plot(t, data["mem"][:, label], color=colours.BLUE, lw=2, label=f"digit {label}")
    row, said = np.unravel_index(data["mem"].argmax(), data["mem"].shape)
    c.plot(t[row], data["mem"][row, said], "o", color=colours.VERMILION,
           label=f"predicted: {said}")
    c.set(xlabel="time (ms)", ylabel="potential (thresholds)", title="c  readouts")
    c.legend()
