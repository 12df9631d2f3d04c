"""Train and test classifiers of spoken digits for the figures of [CSSZ20].

The job `classify` trains one classifier on a data set that other jobs make, and returns
the accuracies of the classifier.  If the words are read from files, the training is
split into a chain of jobs.  The networks are spiking networks (one to three hidden
layers, or one recurrent layer), an LSTM, or a convolutional network.  A `Network` holds
functions that act on a list of weight arrays.  Support vector machines on spike counts
are the baselines.
"""

from typing import Any, Callable, NamedTuple

import numpy as np

from figures.run import seeds
from figures.spoken import kernel_classifier, spike_noise, spoken_words
from figures.surrogate import lif_training
from refsnn import convnet, losses, lstm, optimisers
from refsnn.fast import lif as fast_lif

AT_ONCE = 200                   # number of words in one forward pass of a test
LONGEST = 1.4                   # longest duration, s; later events are dropped
CACHE = 1 << 28                 # largest number of entries of the binned words


class Options(NamedTuple):
    """Hold the hyperparameters of a network and of its training; times are in s."""

    dt: float = 0.02            # time step
    loss: str = "sum"           # reduction over time: "max", "last" or "sum"
    wait: float = 0.2           # initial time that the loss "max" ignores
    layers: int = 1             # number of hidden layers
    hidden: int = 128           # neurons of each hidden layer
    recurrent: bool = False     # add recurrent weights to the hidden layer
    tau_mem: float = 0.02
    tau_syn: float = 0.01
    steepness: float = 10.0     # steepness of the surrogate derivative
    scale: float = 1.2          # sd of initial input weights, in 1/sqrt(fan-in)
    deep: float = 1.0           # sd of initial weights between hidden layers
    loop: float = 0.5           # sd of initial recurrent weights
    out: float = 0.15           # sd of initial weights of the readout
    gain: bool = False          # scale weights by 1 - beta, as in leaky integrators
    penalty: str = "none"       # "none", "bounds" or "total", see `penalty`
    optimiser: str = "adam"
    rate: float = 3e-3          # learning rate
    falling: bool = True        # decrease the learning rate to 0 as a cosine
    epochs: int = 40
    batch: int = 64
    dropout: float = 0.0        # dropout of inputs and recurrence in the LSTM
    maps: tuple = (8, 16)       # number of maps of the convolutional layers
    side: int = 5               # side of the convolution kernels
    shuffled: bool = False      # permute the event times of each word
    spread: float = 0.0         # augmentation: jitter of event times, s
    channels: float = 0.0       # augmentation: sd of channel shifts, events and words
    insert: float = 0.0         # augmentation: rate of added events, Hz per channel
    cost: float = 1.0           # weight of the hinge loss in support vector machines


class Network(NamedTuple):
    """Hold the functions of a network, whose parameters are a list of arrays.

    The function begin(generator, m, classes, T) samples the initial parameters for m
    inputs and T steps.  The function record(parameters, x) returns the readout, of
    shape (T, B, k).  The function gradient(parameters, x, labels, generator) returns
    the loss and the list of its derivatives.
    """

    begin: Callable[..., Any]
    record: Callable[..., Any]
    gradient: Callable[..., Any]


def start(o):
    """Return the first time step at which the readout enters the loss."""
    return round(o.wait / o.dt) if o.loss == "max" else 0


def score(record, labels, o):
    """Return the loss and its derivative for the readout.

    The derivative is of shape (T, B, k).  Each readout starts at 0.  If a readout stays
    below 0 afterwards, the maximum over time is the initial value, and the gradient
    vanishes.  The loss "max" therefore ignores the first steps.
    """
    first = start(o)
    loss, d = losses.cross_entropy(record[first:], labels, o.loss)
    return loss, np.concatenate([np.zeros_like(record[:first]), d])


def penalty(spikes, o):
    """Return a penalty on the spikes of a layer, and the derivative of the penalty.

    The spikes are of shape (T, B, n).  The penalty "bounds" penalises neurons that do
    not spike in a word, and layers whose neurons fire more than 100 spikes per word on
    average.  The regularisation strengths are taken from the authors' code.  The
    penalty "total" follows the authors' tutorial and has two terms.  One term is the
    number of spikes of the layer in a mini-batch.  The other term is the squared number
    of spikes of a neuron in the mini-batch, averaged over neurons.
    """
    T, B, n = spikes.shape
    if o.penalty == "bounds":
        terms = ((100.0, losses.lower_bound(spikes, 1e-3)),
                 (0.06, losses.upper_bound(spikes, 100.0, power=1)))
    else:
        value, d = losses.burst(spikes.reshape(T * B, 1, n))
        terms = ((2e-6 * B, losses.total(spikes)),
                 (2e-6, (value, d.reshape(T, B, n))))
    return (sum(strength * value for strength, (value, _) in terms),
            sum(np.float32(strength) * d for strength, (_, d) in terms))


# ---- networks ------------------------------------------------------------------

def spiking(o):
    """Return a network with LIF layers and a leaky readout.

    A network with one hidden layer uses `refsnn.fast.lif`.
    """
    net = lif_training.Net(float(np.exp(-o.dt / o.tau_syn)),
                           float(np.exp(-o.dt / o.tau_mem)), steepness=o.steepness)
    gain = np.float32(1 - net.beta if o.gain else 1)

    def begin(generator, m, classes, T):
        sizes = (m, *[o.hidden] * o.layers, classes)
        scales = o.scale, *[o.deep] * (o.layers - 1), o.out
        found = lif_training.initial(generator, sizes, scales, np.float32)
        if o.recurrent:
            found += lif_training.initial(generator, (o.hidden, o.hidden), o.loop,
                                          np.float32)
        return found

    def fast(p, x):
        return fast_lif.forward(x, p[0], p[2] if o.recurrent else None, p[1],
                                reset=net.reset, **net.constants())

    def record(p, x):
        p = [gain * a for a in p]
        if o.layers == 1:
            return fast(p, x)[0]
        return lif_training.forward(p, x, net).record

    def costs(spikes):
        if o.penalty == "none":
            return 0.0, None
        values, found = zip(*(penalty(S, o) for S in spikes), strict=True)
        return sum(values), found

    def gradient(p, x, labels, generator):
        p = [gain * a for a in p]
        if o.layers > 1:
            run = lif_training.forward(p, x, net)
            loss, d = score(run.record, labels, o)
            cost, dspikes = costs([layer.spikes for layer in run.hidden])
            found = lif_training.gradients(p, x, run, d, net, dspikes)
        else:
            out, tape = fast(p, x)
            loss, d = score(out, labels, o)
            cost, dspikes = costs([(tape.mem > 1).astype(out.dtype)])
            dW, dV, dW_out = fast_lif.gradients(
                tape, d, steepness=o.steepness, dspikes=dspikes and dspikes[0])
            found = [dW, dW_out, dV][:len(p)]
        return loss + cost, [gain * a for a in found]

    return Network(begin, record, gradient)


def long_memory(o):
    """Return an LSTM with a linear readout."""

    def begin(generator, m, classes, T):
        return [*lstm.init(m, o.hidden, generator, np.float32),
                *lif_training.initial(generator, (o.hidden, classes), o.out,
                                      np.float32)]

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
    """Return a network with two convolutional layers and two dense layers.

    After each convolution, pooling halves the numbers of time steps and of rows.
    """
    pools, maps, side = (True, True), o.maps, o.side

    def image(x):
        """Convert binned words to images (B, T, rows, 1).

        Each pixel is the square root of a spike count, summed over neighbouring
        channels.  Images have about 32 to 64 rows.  The square root compresses the
        long tail of the counts.
        """
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
    """Return the common duration of all binned words, in seconds.

    The common duration is the duration of the longest word, but at most LONGEST,
    rounded up to whole time steps.
    """
    return dt * int(np.ceil(min(words.duration.max(), LONGEST) / dt + 1e-9))


def changed(words, index, generator, o, longest):
    """Return a copy of the data set with random changes to the words in `index`."""
    times, units = list(words.times), list(words.units)
    longest *= 1 - 1e-9                 # times must be before the end of the last step
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
    """Return the data set after a random permutation of the event times of each word.
    """
    pairs = [spike_noise.shuffle_times(t.astype(float), u.astype(int), generator,
                                       law="permuted")
             for t, u in zip(words.times, words.units, strict=True)]
    times, units = zip(*pairs, strict=True)
    return words._replace(times=list(times), units=list(units))


def reader(words, o):
    """Return a function that maps word indices to binned words.

    The binned words are of shape (T, B, channels).  All words are binned at once if the
    result has at most CACHE entries.
    """
    longest = steps(words, o.dt)
    size = longest / o.dt * len(words.label) * words.channels
    if size > CACHE:
        return lambda index: spoken_words.binned(words, index, o.dt, longest)
    x = spoken_words.binned(words, np.arange(len(words.label)), o.dt, longest)
    return lambda index: x[:, index]


# ---- learning ------------------------------------------------------------------

def fit(network, words, index, o, generator, first=0, count=None, learner=None):
    """Train for `count` epochs; return (parameters, states) and the loss of each epoch.

    index : indices of the training words.
    first : number of the first epoch.
    count : number of epochs; by default `o.epochs`.
    learner : initial (parameters, optimiser states); by default, the parameters are
        sampled.
    """
    longest, read = steps(words, o.dt), reader(words, o)
    classes, noisy = int(words.label.max()) + 1, o.channels or o.spread or o.insert
    if learner is None:
        parameters = network.begin(generator, words.channels, classes,
                                   round(longest / o.dt))
        learner = parameters, [None] * len(parameters)
    (parameters, states), curve = learner, np.zeros(count or o.epochs)
    for epoch in range(len(curve)):
        parts = lif_training.batches(generator, len(index), o.batch)
        for at, part in enumerate(parts):
            some = index[part]
            x = read(some) if not noisy else spoken_words.binned(
                changed(words, some, generator, o, longest), some, o.dt, longest)
            loss, d = network.gradient(parameters, x, words.label[some], generator)
            share = ((first + epoch) * len(parts) + at) / (o.epochs * len(parts))
            fall = 0.5 + 0.5 * np.cos(np.pi * share) if o.falling else 1.0
            parameters, states = lif_training.update(
                parameters, d, states, rate=float(o.rate * fall),
                optimiser={"adam": optimisers.adam,
                           "adamax": optimisers.adamax}[o.optimiser])
            curve[epoch] += loss * len(some) / len(index)
    return (parameters, states), curve


def packed(learner):
    """Return a dict of the parameters and of the states of the optimiser."""
    return {f"{name} {i}": value for i, (array, state) in
            enumerate(zip(*learner, strict=True)) for name, value in
            {"array": array, **state._asdict()}.items()}


def unpacked(found):
    """Restore the parameters and the optimiser states from a dict that `packed` made.
    """
    rows = range(sum(name.startswith("array ") for name in found))
    return ([found[f"array {i}"] for i in rows],
            [optimisers.State(int(found[f"step {i}"]), found[f"mean {i}"],
                              found[f"scale {i}"]) for i in rows])


def accuracy(network, parameters, words, index, o, read=None):
    """Return the accuracy on the words in `index`, or NaN if `index` is empty."""
    read, right = read or reader(words, o), 0.0
    for first in range(0, len(index), AT_ONCE):
        some = index[first:first + AT_ONCE]
        record = network.record(parameters, read(some))
        counted = record if len(record) == 1 else record[start(o):]
        right += len(some) * losses.accuracy(counted, words.label[some], o.loss)
    return right / len(index) if len(index) else np.nan


def machine(kind, words, o):
    """Return the accuracy of a support vector machine on each set of words.

    The machine is trained on spike counts.
    """
    c, sets = spoken_words.counts(words), spoken_words.sets(words)
    found = kernel_classifier.fit(c[sets[0]], words.label[sets[0]], kind=kind,
                                  cost=o.cost)
    return [float((kernel_classifier.scores(found, c[i]).argmax(axis=1)
                   == words.label[i]).mean()) if len(i) else np.nan for i in sets]


# ---- jobs ----------------------------------------------------------------------

SPREADS = (0.0, 0.01, 0.02, 0.04, 0.08, 0.16)   # jitter of test words, s
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
JITTERED = ("recurrent", "LSTM")                # networks tested on jittered words
# FSDD has only 600 training words.  The number of epochs is therefore multiplied by
# LONGER, and the channels of the training words are jittered.  Both values were
# chosen by validation on a third of the training words.
LONGER, AUGMENTED = 6, {"channels": 1.5}
# SHD has about eight times the training words and ten times the channels of the
# default data.  Each job of a chain therefore trains a network for PART epochs.
FILES, PART = {"batch": 256}, 5
# The settings "paper" are those of [CSSZ20] where known, and otherwise those of the
# authors' training code.  The settings "tutorial" are those of the authors' tutorial
# on SHD.  The tutorial computes decay factors for steps of 1 ms but uses steps of
# 14 ms, so that its time constants are 14 times the nominal values.
PAPER = {"epochs": 50, "optimiser": "adamax", "rate": 1e-3, "falling": False,
         "batch": 256, "hidden": 128}
SETTINGS = {
    "own": {},
    "paper": {
        "spiking": {**PAPER, "dt": 0.002, "loss": "max", "wait": 0.0, "gain": True,
                    "steepness": 100.0, "penalty": "bounds", "scale": 3.0, "deep": 3.0,
                    "loop": 1.0, "out": 1.0},
        "lstm": {**PAPER, "dt": 0.01, "dropout": 0.2},
        "cnn": {**PAPER, "dt": 0.01, "maps": (32, 32), "side": 11}},
    "tutorial": {
        "spiking": {"dt": 0.014, "tau_mem": 0.14, "tau_syn": 0.07, "loss": "max",
                    "wait": 0.0, "steepness": 100.0, "penalty": "total",
                    "hidden": 200, "scale": 0.2, "loop": 0.2, "out": 0.2,
                    "optimiser": "adamax", "rate": 2e-4, "falling": False,
                    "epochs": 200, "batch": 256}}}


def add(listed, condition, name, folder, seed, repeat, before, setting="own", **more):
    """Append the jobs of a classifier to a list of jobs.

    A classifier has one job or a chain of jobs.

    before : indices of the jobs that make the data set.
    setting : "own", "paper" or "tutorial"; used for data from files only.
    more : options that override the options of the condition.
    """
    kind, options = CONDITIONS[condition]
    label = condition if setting in ("own", "paper") else f"{condition}, {setting}"
    label = ", ".join([label, *(f"{key} {value:g}" if isinstance(value, float)
                                else f"{key} {value}" for key, value in more.items())])
    if kind in NETWORKS:
        if name == "fsdd":
            own = {**options, **more}.get("epochs", Options().epochs)
            options = {**AUGMENTED, **options, **more, "epochs": LONGER * own}
        elif folder is not None:
            options = {**FILES, **options, **SETTINGS[setting].get(kind, {}), **more}
        else:
            options = {**options, **more}
    jitters = list(SPREADS) if condition in JITTERED and label == condition else []
    job = {"name": name, "folder": folder, "condition": label, "kind": kind,
           "options": options, "seed": seed, "repeat": repeat, "jitters": jitters}
    if kind not in NETWORKS or folder is None:
        listed.append((classify, job, *before))
        return
    epochs = options.get("epochs", Options().epochs)
    for first in range(0, epochs, PART):
        part = {"first": first, "count": min(PART, epochs - first)}
        listed.append((classify, {**job, **part},
                       *([len(listed) - 1] if first else before)))


def classify(name, folder, condition, kind, options, seed, repeat, jitters, first=0,
             count=None, before=None):
    """Train one classifier; return its accuracy on each set of `spoken_words.SETS`.

    The result is of shape (3,).

    jitters : standard deviations of the jitter of event times, s.  The result
        `jittered` holds the accuracy on all test words for each jitter.
    first, count : first epoch and number of epochs of a job in a chain.  Only the
        last job of a chain returns accuracies.
    before : results of the jobs that made the data set, or of the previous job of
        the chain.
    """
    words, o = spoken_words.words(name, folder, before), Options(**options)
    generator = seeds.rng(seed, "spoken", condition, repeat)
    sets = spoken_words.sets(words)
    found = {"data": name, "condition": condition, "repeat": repeat,
             "size": np.array([len(index) for index in sets]),
             "classes": int(words.label.max()) + 1}
    if kind not in NETWORKS:
        return {**found, "accuracy": np.array(machine(kind, words, o))}
    if o.shuffled:
        words = shuffled(words, generator)
    network, learner, curve = NETWORKS[kind](o), None, np.zeros(0)
    if first:
        generator = seeds.rng(seed, "spoken", condition, f"{repeat}, from {first}")
        learner, curve = unpacked(before[0]), before[0]["curve"]
    learner, more = fit(network, words, sets[0], o, generator, first, count, learner)
    curve, parameters = np.append(curve, more), learner[0]
    if len(curve) < o.epochs:
        return {"curve": curve, **packed(learner)}
    read, tests = reader(words, o), np.concatenate(sets[1:])
    found |= {"curve": curve, "accuracy": np.array([
        accuracy(network, parameters, words, index, o, read) for index in sets])}
    jittered = [accuracy(network, parameters, changed(
        words, tests, generator, Options(spread=spread), steps(words, o.dt)), tests, o)
        for spread in jitters]
    return {**found, "jittered": np.array(jittered)}
