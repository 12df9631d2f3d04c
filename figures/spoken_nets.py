"""Classifiers of spoken digits, trained on spikes in steps: the figures of [CSSZ20].

`classify` is a job: it continues those that make a data set, learns, and
tells how many words it gets right.  Networks are of three kinds, each a
`Network` of plain functions on a list of arrays: spiking (one to three
layers, or one that is recurrent), LSTM, convolutional; beside them, support
vector machines on spike counts.
"""

from typing import Any, Callable, NamedTuple

import numpy as np

import common
import spoken_tasks as tasks
import train
from refsnn import (convnet, kernel_classifier, lif_fast, losses, lstm, optimisers,
                    spike_noise)

AT_ONCE = 200                   # words in a test
LONGEST = 1.4                   # s; what comes later is left out
CACHE = 1 << 28                 # numbers of binned words that are kept in memory


class Options(NamedTuple):
    """How a network is made and learns; times in s."""

    dt: float = 0.02
    loss: str = "sum"           # of the readout over time: "max", "last" or "sum"
    wait: float = 0.2           # where "max" begins, s; see `score`
    layers: int = 1             # hidden
    hidden: int = 128
    recurrent: bool = False
    tau_mem: float = 0.02
    tau_syn: float = 0.01
    steepness: float = 10.0
    scale: float = 1.2          # of initial weights, by 1/sqrt(inputs)
    deep: float = 1.0           # of those between hidden layers
    loop: float = 0.5           # of recurrent ones
    out: float = 0.15           # of the readout's
    rate: float = 3e-3          # of Adam, falling to 0 as a cosine
    epochs: int = 40
    batch: int = 64
    dropout: float = 0.0        # of the LSTM, inputs and recurrence
    shuffled: bool = False      # times of each word permuted
    spread: float = 0.0         # augmentation: of times, s
    channels: float = 0.0       # of channels: each event and the whole word
    insert: float = 0.0         # events added, Hz a channel
    cost: float = 1.0           # of the vector machines


class Network(NamedTuple):
    """parameters = begin(generator, m, classes, T); record(parameters, x) is the
    readout (T, B, k); gradient(parameters, x, labels, generator) is (loss, list)."""

    begin: Callable[..., Any]
    record: Callable[..., Any]
    gradient: Callable[..., Any]


def start(o):
    """The first step that counts."""
    return round(o.wait / o.dt) if o.loss == "max" else 0


def score(record, labels, o):
    """Loss and its derivative by the readout (T, B, k).

    A readout begins at 0.  Were that step to count, one that the loss pushes
    below 0 would have its maximum there, before any spike, and no gradient
    would lead back: so the first steps do not count for the maximum.
    """
    first = start(o)
    loss, d = losses.cross_entropy(record[first:], labels, o.loss)
    return loss, np.concatenate([np.zeros_like(record[:first]), d])


# ---- networks ------------------------------------------------------------------

def spiking(o):
    """LIF layers and a leaky readout; `lif_fast` where there is one."""
    net = train.Net(float(np.exp(-o.dt / o.tau_syn)), float(np.exp(-o.dt / o.tau_mem)),
                    steepness=o.steepness)

    def begin(generator, m, classes, T):
        sizes = (m, *[o.hidden] * o.layers, classes)
        scales = o.scale, *[o.deep] * (o.layers - 1), o.out
        found = train.initial(generator, sizes, scales, np.float32)
        if o.recurrent:
            found += train.initial(generator, (o.hidden, o.hidden), o.loop, np.float32)
        return found

    def fast(p, x):
        return lif_fast.forward(x, p[0], p[2] if o.recurrent else None, p[1],
                                reset=net.reset, **net.constants())

    def record(p, x):
        return fast(p, x)[0] if o.layers == 1 else train.forward(p, x, net).record

    def gradient(p, x, labels, generator):
        if o.layers > 1:
            run = train.forward(p, x, net)
            loss, d = score(run.record, labels, o)
            return loss, train.gradients(p, x, run, d, net)
        out, tape = fast(p, x)
        loss, d = score(out, labels, o)
        dW, dV, dW_out = lif_fast.gradients(tape, d, steepness=o.steepness)
        return loss, [dW, dW_out, dV][:len(p)]

    return Network(begin, record, gradient)


def long_memory(o):
    """LSTM and a linear readout."""

    def begin(generator, m, classes, T):
        return [*lstm.init(m, o.hidden, generator, np.float32),
                *train.initial(generator, (o.hidden, classes), o.out, np.float32)]

    def record(p, x):
        return lstm.simulate(x, *p[:3]).h @ p[3].T

    def gradient(p, x, labels, generator):
        masks = {f"{name}_mask": lstm.dropout((x.shape[1], size), o.dropout, generator,
                                              np.float32)
                 for name, size in (("x", x.shape[2]), ("h", o.hidden))}
        run = lstm.simulate(x, *p[:3], **masks)
        loss, dout = score(run.h @ p[3].T, labels, o)
        d = lstm.backward(x, *p[:3], run, dout @ p[3], inputs=False, **masks)
        dout_W = dout.reshape(-1, len(p[3])).T @ run.h.reshape(-1, o.hidden)
        return loss, [d.dW, d.dV, d.db, dout_W]

    return Network(begin, record, gradient)


def convolutional(o):
    """Two convolutions with pooling over time and channels, and two dense layers."""
    pools, maps, side = (True, True), (8, 16), 5

    def image(x):
        """(B, T, rows, 1) of some 32 to 64 rows; roots, as counts have a long tail."""
        T, B, m = x.shape
        rows = -(-m // 64) if m > 70 else 2
        x = np.pad(x, ((0, 0), (0, 0), (0, -m % rows)))
        x = np.sqrt(x.reshape(T, B, -1, rows).sum(axis=3))
        return np.ascontiguousarray(x.transpose(1, 0, 2))[..., None]

    def begin(generator, m, classes, T):
        shape = image(np.zeros((T, 1, m), np.float32)).shape[1:3]
        for _ in pools:
            shape = [(size - side + 1) // 2 for size in shape]
        weights, biases = convnet.init(
            [(maps[0], side, side, 1), (maps[1], side, side, maps[0]),
             (o.hidden, maps[1] * shape[0] * shape[1]), (classes, o.hidden)],
            generator, np.float32)
        return [*weights, *biases]

    def record(p, x):
        return convnet.forward(p[:4], p[4:], image(x), pools).outputs[None]

    def gradient(p, x, labels, generator):
        run = convnet.forward(p[:4], p[4:], image(x), pools)
        loss, d = losses.cross_entropy(run.outputs[None], labels, "last")
        dweights, dbiases = convnet.backward(p[:4], run, d[0], pools)
        return loss, [*dweights, *dbiases]

    return Network(begin, record, gradient)


NETWORKS = {"spiking": spiking, "lstm": long_memory, "cnn": convolutional}


# ---- words in steps ------------------------------------------------------------

def steps(words, dt):
    """Length of all recordings, s: of the longest word, or LONGEST; whole steps."""
    return dt * int(np.ceil(min(words.duration.max(), LONGEST) / dt + 1e-9))


def changed(words, index, generator, o, longest):
    """Augmentation of some words: the same data set with others in their place."""
    times, units = list(words.times), list(words.units)
    longest *= 1 - 1e-9                 # the last step ends before it
    for i in index:
        t, u = times[i].astype(float), units[i].astype(int)
        if o.channels:
            t, u = spike_noise.jitter_channels(
                t, u, generator, spread=o.channels, shared=o.channels,
                channels=words.channels, outside="drop")
        if o.spread:
            t, u = spike_noise.jitter_times(t, u, generator, spread=o.spread,
                                            window=(0.0, longest), outside="clip")
        if o.insert:
            t, u = spike_noise.insert(t, u, generator, rate=o.insert,
                                      channels=words.channels, window=(0.0, longest))
        times[i], units[i] = t, u
    return words._replace(times=times, units=units)


def shuffled(words, generator):
    """All words with the times of their events permuted."""
    pairs = [spike_noise.shuffle_times(t.astype(float), u.astype(int), generator,
                                       law="permuted")
             for t, u in zip(words.times, words.units, strict=True)]
    times, units = zip(*pairs, strict=True)
    return words._replace(times=list(times), units=list(units))


def reader(words, o):
    """Function of indices: those words in steps, from memory if they fit there."""
    longest = steps(words, o.dt)
    size = longest / o.dt * len(words.label) * words.channels
    if size > CACHE:
        return lambda index: tasks.binned(words, index, o.dt, longest)
    x = tasks.binned(words, np.arange(len(words.label)), o.dt, longest)
    return lambda index: x[:, index]


# ---- learning ------------------------------------------------------------------

def fit(network, words, index, o, generator):
    """Parameters after training on some words, and the loss of each epoch."""
    longest, read = steps(words, o.dt), reader(words, o)
    classes, noisy = int(words.label.max()) + 1, o.channels or o.spread or o.insert
    parameters = network.begin(generator, words.channels, classes,
                               round(longest / o.dt))
    states, curve, done = [None] * len(parameters), np.zeros(o.epochs), 0
    for epoch in range(o.epochs):
        parts = train.batches(generator, len(index), o.batch)
        for part in parts:
            some = index[part]
            x = read(some) if not noisy else tasks.binned(
                changed(words, some, generator, o, longest), some, o.dt, longest)
            loss, d = network.gradient(parameters, x, words.label[some], generator)
            share = done / (o.epochs * len(parts))
            parameters, states = train.update(
                parameters, d, states, optimiser=optimisers.adam,
                rate=float(o.rate * (0.5 + 0.5 * np.cos(np.pi * share))))
            curve[epoch] += loss * len(some) / len(index)
            done += 1
    return parameters, curve


def accuracy(network, parameters, words, index, o, read=None):
    """Share of some words that are recognised; NaN of none."""
    read, right = read or reader(words, o), 0.0
    for first in range(0, len(index), AT_ONCE):
        some = index[first:first + AT_ONCE]
        record = network.record(parameters, read(some))
        counted = record if len(record) == 1 else record[start(o):]
        right += len(some) * losses.accuracy(counted, words.label[some], o.loss)
    return right / len(index) if len(index) else np.nan


def machine(kind, words, o):
    """Accuracies of a support vector machine on counts, of the three sets."""
    c, sets = tasks.counts(words), tasks.sets(words)
    found = kernel_classifier.fit(c[sets[0]], words.label[sets[0]], kind=kind,
                                  cost=o.cost)
    return [float((kernel_classifier.scores(found, c[i]).argmax(axis=1)
                   == words.label[i]).mean()) if len(i) else np.nan for i in sets]


# ---- jobs ----------------------------------------------------------------------

SPREADS = (0.0, 0.01, 0.02, 0.04, 0.08, 0.16)        # of jitter, s
RECURRENT = {"recurrent": True}
LSTM = {"hidden": 64, "dropout": 0.2, "epochs": 15, "out": 1.0, "rate": 5e-3,
        "loss": "max"}
CNN = {"hidden": 64, "rate": 2e-3, "epochs": 10}
CONDITIONS = {
    "counts, linear": ("linear", {}), "counts, radial": ("radial", {}),
    **{f"feed-forward, {n} layer{'s' * (n > 1)}": ("spiking", {"layers": n})
       for n in (1, 2, 3)},
    "recurrent": ("spiking", RECURRENT), "LSTM": ("lstm", LSTM), "CNN": ("cnn", CNN),
    "recurrent, shuffled": ("spiking", {**RECURRENT, "shuffled": True}),
    "LSTM, shuffled": ("lstm", {**LSTM, "shuffled": True}),
    "CNN, shuffled": ("cnn", {**CNN, "shuffled": True})}
JITTERED = ("recurrent", "LSTM")
# At --full: fsdd is small, so that networks learn it for longer and from words whose
# channels are moved (chosen on a third of the words to train on); files hold ten
# times the words and channels of the default data, and are read in the steps of the
# tutorial of SHD.
AUGMENTED = {"channels": 1.5}
LONGER, FILES = 6, {"dt": 0.014, "batch": 256}


def job(condition, name, folder, seed, repeat, before, **more):
    """A job of a figure; `more` are other options than those of the condition."""
    kind, options = CONDITIONS[condition]
    options = {**options, **more}
    if kind in NETWORKS:
        if name == "fsdd":
            options["epochs"] = LONGER * options.get("epochs", Options().epochs)
            options = {**AUGMENTED, **options}
        if folder is not None:
            options = {**FILES, **options}
    label = ", ".join([condition, *(f"{key} {value:g}" if isinstance(value, float)
                                    else f"{key} {value}"
                                    for key, value in more.items())])
    return (classify, {
        "name": name, "folder": folder, "condition": label, "kind": kind,
        "options": options, "seed": seed, "repeat": repeat, "jitters":
            list(SPREADS) if condition in JITTERED and not more else []}, *before)


def classify(name, folder, condition, kind, options, seed, repeat, jitters,
             before=None):
    """Train one classifier: its accuracies (3,) of `spoken_tasks.SETS`.

    jitters : spreads of event times, s, of the test words; `jittered` are the
        accuracies of all test words together.
    """
    words, o = tasks.words(name, folder, before), Options(**options)
    generator, sets = common.rng(seed, "spoken", condition, repeat), tasks.sets(words)
    found = {"data": name, "condition": condition, "repeat": repeat,
             "size": np.array([len(index) for index in sets]),
             "classes": int(words.label.max()) + 1}
    if kind not in NETWORKS:
        return {**found, "accuracy": np.array(machine(kind, words, o))}
    if o.shuffled:
        words = shuffled(words, generator)
    network = NETWORKS[kind](o)
    parameters, curve = fit(network, words, sets[0], o, generator)
    read, tests = reader(words, o), np.concatenate(sets[1:])
    found |= {"curve": curve, "accuracy": np.array([
        accuracy(network, parameters, words, index, o, read) for index in sets])}
    jittered = [accuracy(network, parameters, changed(
        words, tests, generator, Options(spread=spread), steps(words, o.dt)), tests, o)
        for spread in jitters]
    return {**found, "jittered": np.array(jittered)}
