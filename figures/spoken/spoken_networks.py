"""Train and test classifiers of spoken digits for the figures of [CSSZ20].

The function `classify` trains one classifier and returns its accuracies.  The code of
several figures calls `classify` in jobs that run in parallel.  The networks are
feed-forward spiking networks with one to three hidden layers, a recurrent spiking
network, a long short-term memory network (LSTM) and convolutional networks (CNN).  For
comparison, support vector machines are trained on spike counts.

One network can be trained by several calls of `classify`, to keep each job short.
Each call continues with the weights, the optimiser state and the random generator of
the previous call.  Therefore, the number of calls does not change the results.
"""

import json
from typing import Any, Callable, NamedTuple

import numpy as np
from scipy import sparse

from figures.run import seeds
from figures.spoken import convolution_blocks, spike_noise
from figures.train import lif_training, spoken_words
from refsnn import convnet, losses, lstm, optimisers
from refsnn.fast import convnet as fast_convnet
from refsnn.fast import lif as fast_lif

AT_ONCE = 200                   # number of words in one forward pass of a test
LONGEST = 1.4                   # longest duration, s; later events are dropped
CACHE = 1 << 28                 # largest number of entries of the binned words
GAIN = 0.005                    # smallest gain of training accuracy, see `ended`
# Options of scikit-learn for each support vector machine.
MACHINES = {"linear": {"kernel": "linear"},
            "polynomial of degree 2": {"kernel": "poly", "degree": 2},
            "polynomial of degree 3": {"kernel": "poly", "degree": 3},
            "radial": {"kernel": "rbf"}}


class Options(NamedTuple):
    """This class holds hyperparameters; all times are in s."""

    dt: float = 0.02            # time step
    longest: float = LONGEST    # events after the time step of this time are dropped
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
    uniform: bool = False       # initial weights uniform within 1/sqrt(fan-in)
    scaled: bool = False        # multiply the input of membranes by 1 - beta
    reset: str = "zero"         # "zero" or "subtract"
    penalty: str = ""           # key of PENALTIES: term of the loss
    optimiser: str = "adam"
    rate: float = 3e-3          # learning rate
    falling: bool = True        # decrease the learning rate to 0 as a cosine
    epochs: int = 24            # largest number of epochs
    patience: int = 0           # number of epochs in `ended`; 0: all epochs
    batch: int = 64
    dropout: float = 0.0        # dropout of inputs and recurrence in the LSTM
    maps: tuple = (8, 16)       # number of maps of the convolutional layers
    side: int = 5               # side of the convolution kernels
    blocks: int = 2             # number of blocks of `block_network`
    law: str = ""               # "permuted" or "uniform": replace the event times
    speakers: int = 0           # number of speakers to train on; 0 for all
    validated: bool = False     # test on VALIDATED speakers of the training words
    spread: float = 0.0         # augmentation: jitter of event times, s
    channels: float = 0.0       # augmentation: sd of channel shifts, of 70 channels


class Network(NamedTuple):
    """This class holds the functions that are used to train and test a network.

    The parameters are a list of arrays.  The function `begin(generator, m, classes, T)`
    samples the initial parameters for m inputs and T time steps.  The function
    `record(parameters, x)` returns the readouts (T, B, k).  The function
    `gradient(parameters, x, labels, generator)` returns the loss, the accuracy, and the
    derivatives of the loss with respect to the parameters.  The optional function
    `settle(parameters, batches)` is called after training, and returns the parameters
    that are used in tests.
    """

    begin: Callable[..., Any]
    record: Callable[..., Any]
    gradient: Callable[..., Any]
    settle: Callable[..., Any] = None
    sparse: bool = False        # True if x is a pair (sparse matrix, number of steps)


def start(o):
    """Return the first step of the loss."""
    return round(o.wait / o.dt) if o.loss == "max" else 0


def score(record, labels, o):
    """Return the loss L, the accuracy and dL/d(readouts)."""
    first = start(o)
    loss, d = losses.cross_entropy(record[first:], labels, o.loss)
    return (loss, losses.accuracy(record[first:], labels, o.loss),
            np.concatenate([np.zeros_like(record[:first]), d]))


def tutorial(spikes):
    """Return a penalty on spikes and its derivative, as in tutorial 4 of [NMZ19]."""
    return lif_training.penalty(spikes, 2e-6)


def bounds(spikes):
    """Return a penalty on spikes and its derivative.

    The penalty is the sum of two terms, as in the program `neural_heterogeneity`.  The
    first term is the mean of `max(s - 0.01, 0)**2`, where s is the number of spikes of
    a neuron per time step.  The second term is the mean of `0.06 * max(M - 100, 0)**2`,
    where M is the mean spike count of all neurons in response to one word.
    """
    T = len(spikes)
    rates, drates = losses.upper_bound(spikes, 0.01 * T, per="neuron")
    count, dcount = losses.upper_bound(spikes, 100.0)
    return (rates / T ** 2 + 0.06 * count,
            drates / np.float32(T ** 2) + np.float32(0.06) * dcount)


PENALTIES = {"tutorial": tutorial, "bounds": bounds}


# ---- networks ------------------------------------------------------------------

def spiking(o):
    """Return a network of spiking LIF neurons and leaky, non-spiking readouts."""
    net = lif_training.Net(float(np.exp(-o.dt / o.tau_syn)),
                           float(np.exp(-o.dt / o.tau_mem)), reset=o.reset,
                           steepness=o.steepness)
    initial = uniform if o.uniform else lif_training.initial

    def begin(generator, m, classes, T):
        sizes = (m, *[o.hidden] * o.layers, classes)
        scales = o.scale, *[o.deep] * (o.layers - 1), o.out
        found = initial(generator, sizes, scales, np.float32)
        if o.recurrent:
            found += initial(generator, (o.hidden, o.hidden), o.loop, np.float32)
        return found

    def fast(p, x):
        x, steps = x
        return fast_lif.forward(x, p[0], p[2] if o.recurrent else None, p[1],
                                reset=net.reset, steps=steps, **net.constants())

    def record(p, x):
        if o.layers == 1:
            return fast(p, x)[0]
        return lif_training.forward(p, x, net).record

    def costs(spikes):
        if not o.penalty:
            return 0.0, None
        values, found = zip(*map(PENALTIES[o.penalty], spikes), strict=True)
        return sum(values), found

    def gradient(p, x, labels, generator):
        if o.layers > 1:
            run = lif_training.forward(p, x, net)
            loss, right, d = score(run.record, labels, o)
            cost, dspikes = costs([layer.spikes for layer in run.hidden])
            found = lif_training.gradients(p, x, run, d, net, dspikes)
        else:
            out, tape = fast(p, x)
            loss, right, d = score(out, labels, o)
            cost, dspikes = costs([(tape.mem > 1).astype(out.dtype)] * bool(o.penalty))
            dW, dV, dW_out = fast_lif.gradients(
                tape, d, steepness=o.steepness, dspikes=dspikes and dspikes[0])
            found = [dW, dW_out, dV][:len(p)]
        return loss + cost, right, found

    network = Network(begin, record, gradient, sparse=o.layers == 1)
    return rescaled(network, 1 - net.beta) if o.scaled else network


def uniform(generator, sizes, scale, dtype):
    """Sample weights uniformly between -1/sqrt(fan-in) and 1/sqrt(fan-in).

    The argument `scale` is ignored.
    """
    return [(generator.uniform(-1, 1, (post, pre)) / np.sqrt(pre)).astype(dtype)
            for pre, post in zip(sizes[:-1], sizes[1:], strict=True)]


def rescaled(network, gain):
    """Return the network with all weights multiplied by `gain`."""
    def times(arrays):
        return [gain * a for a in arrays]

    def gradient(p, x, labels, generator):
        loss, right, d = network.gradient(times(p), x, labels, generator)
        return loss, right, times(d)

    return Network(network.begin, lambda p, x: network.record(times(p), x), gradient,
                   sparse=network.sparse)


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
        loss, right, dout = score(run.h @ p[3].T, labels, o)
        d = lstm.backward(x, *p[:3], run, dout @ p[3], inputs=False, **masks)
        dout_W = dout.reshape(-1, len(p[3])).T @ run.h.reshape(-1, o.hidden)
        return loss, right, [d.dW, d.dV, d.db, dout_W]

    return Network(begin, record, gradient)


def convolutional(o):
    """Return a network of two convolutional layers and two dense layers."""
    pools, maps, side = (True, True), o.maps, o.side

    def image(x):
        return np.sqrt(images(x))

    def begin(generator, m, classes, T):
        shape = images(np.zeros((T, 1, m), np.float32)).shape[1:3]
        for _ in pools:
            shape = [(size - side + 1) // 2 for size in shape]
        weights, biases = convnet.init(
            [(maps[0], side, side, 1), (maps[1], side, side, maps[0]),
             (o.hidden, maps[1] * shape[0] * shape[1]), (classes, o.hidden)],
            generator, np.float32)
        return [*weights, *biases]

    def record(p, x):
        return fast_convnet.forward(p[:4], p[4:], image(x), pools).outputs[None]

    def gradient(p, x, labels, generator):
        tape = fast_convnet.forward(p[:4], p[4:], image(x), pools)
        loss, d = losses.cross_entropy(tape.outputs[None], labels, "last")
        dweights, dbiases = fast_convnet.backward(tape, d[0])
        right = losses.accuracy(tape.outputs[None], labels, "last")
        return loss, right, [*dweights, *dbiases]

    return Network(begin, record, gradient)


def images(x):
    """Return spike counts as images, in an array of shape (B, T, groups, 1).

    Each pixel holds the spike count of one group of neighbouring channels in one time
    step.
    """
    T, B, m = x.shape
    rows = -(-m // 64) if m > 70 else 2
    x = np.pad(x, ((0, 0), (0, 0), (0, -m % rows)))
    x = x.reshape(T, B, -1, rows).sum(axis=3)
    return np.ascontiguousarray(x.transpose(1, 0, 2))[..., None]


def block_network(o):
    """Return the convolutional network of the module `convolution_blocks`.

    After training, the statistics of each batch normalisation are averaged over batches
    of training words, and appended to the parameters.
    """
    count = 2 + 6 * o.blocks + 4                    # of the parameters

    def begin(generator, m, classes, T):
        shape = images(np.zeros((T, 1, m), np.float32)).shape[1:3]
        return convolution_blocks.initial(generator, shape, o, classes)

    def record(p, x):
        kept = list(zip(p[count::2], p[count + 1::2], strict=True)) or None
        return convolution_blocks.forward(p[:count], images(x), o,
                                          statistics=kept)[0][None]

    def gradient(p, x, labels, generator):
        outputs, back, _ = convolution_blocks.forward(p, images(x), o, generator)
        loss, right, d = score(outputs[None], labels, o._replace(loss="last"))
        return loss, right, back(d[0])

    def settle(p, batches):
        rows = [[a for pair in convolution_blocks.forward(p, images(x), o)[2]
                 for a in pair] for x in batches]
        return [*p, *(np.mean(a, axis=0) for a in zip(*rows, strict=True))]

    return Network(begin, record, gradient, settle)


NETWORKS = {"spiking": spiking, "lstm": long_memory, "cnn": convolutional,
            "blocks": block_network}


# ---- words in steps ------------------------------------------------------------

def steps(words, dt, longest=LONGEST):
    """Round the longest duration up to whole steps."""
    last = min(spoken_words.durations(words).max(), longest)
    return dt * int(np.ceil(last / dt + 1e-9))


def changed(words, index, generator, o, longest):
    """Randomly shift the times and channels of all spikes in the selected words."""
    times, units = list(words.times), list(words.units)
    longest *= 1 - 1e-9                 # times must be before the end of the last step
    for i in index:
        t, u = times[i].astype(float), units[i].astype(int)
        if o.channels:
            sd = o.channels * words.channels / 70       # of each event, and of the word
            t, u = spike_noise.jitter_channels(t, u, generator, spread=sd, shared=sd,
                                               channels=words.channels)
        if o.spread:
            t, u = spike_noise.jitter_times(t, u, generator, spread=o.spread,
                                            end=longest)
        times[i], units[i] = t, u
    return words._replace(times=times, units=units)


def shuffled(words, law, generator):
    """Permute or randomise the spike times, eqs. (3) and (4) of `spike_noise`."""
    end = spoken_words.durations(words).max()
    pairs = [spike_noise.shuffle_times(t.astype(float), u.astype(int), generator,
                                       law=law, end=end)
             for t, u in zip(words.times, words.units, strict=True)]
    times, units = zip(*pairs, strict=True)
    return words._replace(times=list(times), units=list(units))


def chosen(words, count, generator):
    """Restrict the training words to `count` speakers."""
    found = spoken_words.sets(words)
    if count:
        known = generator.permutation(np.unique(words.speaker[found[0]]))[:count]
        found[:2] = (index[np.isin(words.speaker[index], known)] for index in found[:2])
    return found


def binned(network, words, index, o, longest):
    """Return binned words in the network's form."""
    if network.sparse:
        return (spoken_words.sparsely(words, index, o.dt, longest),
                round(longest / o.dt))
    return spoken_words.binned(words, index, o.dt, longest)


def reader(network, words, o):
    """Return a function that maps the indices of words to the words' spike counts."""
    longest, count = steps(words, o.dt, o.longest), len(words.label)
    if network.sparse:
        T, parts = round(longest / o.dt), []
        for first in range(0, count, AT_ONCE):
            part = spoken_words.sparsely(words, range(count)[first:first + AT_ONCE],
                                         o.dt, longest)
            parts.append(part[np.arange(part.shape[0]).reshape(T, -1).T.ravel()])
        rows, step = sparse.vstack(parts, "csr"), np.arange(T)[:, None]
        return lambda index: (rows[(T * index + step).ravel()], T)
    if longest / o.dt * count * words.channels > CACHE:
        return lambda index: spoken_words.binned(words, index, o.dt, longest)
    x = spoken_words.binned(words, np.arange(count), o.dt, longest)
    return lambda index: x[:, index]


# ---- learning ------------------------------------------------------------------


def ended(curve, o):
    """Return whether the accuracy rose by less than `GAIN` in `o.patience` epochs."""
    accuracy, count = np.asarray(curve)[:, 1], o.patience
    return 0 < count < len(accuracy) and (
        accuracy[-count:].max() - accuracy[:-count].max() < GAIN)


def fit(network, words, index, o, generator, count=None, learner=None, curve=()):
    """Train a network for at most `count` epochs.

    Return the pair (parameters, optimiser states), and an array (epochs, 2) with the
    loss and the training accuracy of each epoch.  For the training accuracy, each word
    is classified before the weights are updated with this word.

    The array `index` holds the indices of the training words.  The default value of
    `count` is `o.epochs`.  The arguments `learner` and `curve` are the results that the
    previous call of `fit` returned, if any.
    """
    longest, noisy = steps(words, o.dt, o.longest), o.channels or o.spread
    read, classes = None if noisy else reader(network, words, o), words.label.max() + 1
    if learner is None:
        parameters = network.begin(generator, words.channels, classes,
                                   round(longest / o.dt))
        learner = parameters, [None] * len(parameters)
    (parameters, states), first = learner, len(curve)
    curve = [*curve]
    for epoch in range(first, first + (count or o.epochs)):
        if curve and ended(curve, o):
            break
        curve.append(np.zeros(2))
        parts = lif_training.batches(generator, len(index), o.batch)
        for at, part in enumerate(parts):
            some = index[part]
            x = read(some) if not noisy else binned(
                network, changed(words, some, generator, o, longest), some, o, longest)
            *found, d = network.gradient(parameters, x, words.label[some], generator)
            share = (epoch * len(parts) + at) / (o.epochs * len(parts))
            fall = 0.5 + 0.5 * np.cos(np.pi * share) if o.falling else 1.0
            parameters, states = lif_training.update(
                parameters, d, states, rate=float(o.rate * fall),
                optimiser={"adam": optimisers.adam,
                           "adamax": optimisers.adamax}[o.optimiser])
            curve[-1] += np.array(found) * len(some) / len(index)
    return (parameters, states), np.array(curve)


def reduced(record, o):
    """Reduce the readouts to class scores."""
    record = record if len(record) == 1 else record[start(o):]
    return record[-1] if o.loss == "last" else getattr(record, o.loss)(axis=0)


def predicted(network, parameters, words, index, o):
    """Return the predicted class of each word."""
    longest, found = steps(words, o.dt, o.longest), []
    for first in range(0, len(index), AT_ONCE):
        record = network.record(parameters, binned(
            network, words, index[first:first + AT_ONCE], o, longest))
        found.append(reduced(record, o).argmax(axis=1))
    return np.concatenate(found)


def machine(kind, words, sets):
    """Predict classes with a support vector machine.

    For each spoken word, the input z is the vector of spike counts in all channels.  In
    each channel, z is standardised to mean 0 and variance 1 over the training words.
    With m channels, the kernels are `z.z'`, `(z.z'/m)^degree` and `exp(-|z - z'|^2/m)`.
    """
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC
    c = spoken_words.counts(words)
    scaler = StandardScaler().fit(c[sets[0]])
    found = SVC(**MACHINES[kind], C=1.0, gamma=1 / words.channels, coef0=0.0)
    found.fit(scaler.transform(c[sets[0]]), words.label[sets[0]])
    return found.predict(scaler.transform(c))


# ---- jobs ----------------------------------------------------------------------

JITTERED = ("recurrent", "LSTM")                # networks tested on jittered words
SPREADS = (0.0, 0.01, 0.02, 0.04, 0.08, 0.16)   # jitter of test words, s
BLOCKS = "CNN of blocks"
RECURRENT = {"recurrent": True}
AUGMENTED = {"channels": 2.0, "spread": 0.01}
CONDITIONS = {
    **{f"counts, {kind}": (kind, {}) for kind in MACHINES},
    **{f"feed-forward, {n} layer{'s' * (n > 1)}": ("spiking", {"layers": n})
       for n in (1, 2, 3)},
    "recurrent": ("spiking", RECURRENT),
    "recurrent, augmented": ("spiking", {**RECURRENT, **AUGMENTED}),
    "recurrent, 1,024 neurons, augmented": ("spiking", {
        **RECURRENT, **AUGMENTED, "hidden": 1024, "dt": 0.01, "epochs": 30}),
    "recurrent, tutorial": ("spiking", RECURRENT),
    "LSTM": ("lstm", {}), "CNN": ("cnn", {}),
    BLOCKS: ("blocks", {"longest": 0.999, "dropout": 0.2, "optimiser": "adamax",
                        "rate": 2e-3, "falling": False, "batch": 32})}
# Epochs in one job of a chain; for spiking networks with shorter steps, fewer.
PART, PART_S, PARTS = 5, 0.0025, {"blocks": 1}
THIRD = 3                   # with --quick, a third of the words
# The settings "own" are for the 1,400 embedded words.  The settings "paper" are for all
# words: time steps, time constants and numbers of neurons and of epochs were fixed in
# advance, and all other settings were chosen by the accuracy on the speakers VALIDATED.
# The condition "recurrent, tutorial" has the settings of the authors' tutorial on SHD;
# the caption of `spoken_classifiers` explains its time constants.
PAPER = {"batch": 64, "hidden": 128, "dt": 0.01}
SETTINGS = {
    "own": {
        "lstm": {"hidden": 64, "dropout": 0.2, "epochs": 30, "out": 1.0, "rate": 5e-3,
                 "loss": "max"},
        "cnn": {"hidden": 64, "rate": 2e-3, "epochs": 10},
        "blocks": {"hidden": 64, "maps": (8,), "epochs": 8},
        "recurrent, augmented": {"epochs": 40}},
    "paper": {
        "spiking": {**PAPER, "dt": 0.004, "epochs": 50, "rate": 1e-3, "batch": 256,
                    "wait": 0.0, "scale": 0.03, "loop": 0.05, "out": 0.02},
        "lstm": {**PAPER, "epochs": 50, "rate": 3e-3, "dropout": 0.2, "out": 1.0,
                 "loss": "max"},
        "cnn": {**PAPER, "epochs": 10, "rate": 2e-3, "maps": (32, 32), "side": 11},
        "blocks": {**PAPER, "epochs": 16, "maps": (32,), "side": 11, "blocks": 3},
        "recurrent, tutorial": {
            "dt": 0.014, "tau_mem": 0.14, "tau_syn": 0.07, "loss": "max", "wait": 0.0,
            "steepness": 100.0, "penalty": "tutorial", "hidden": 200, "scale": 0.2,
            "loop": 0.2, "out": 0.2, "optimiser": "adamax", "rate": 2e-4,
            "falling": False, "epochs": 200, "batch": 256}}}


def options(condition, folder, **more):
    """Return the `Options` of a classifier."""
    kind, own = CONDITIONS[condition]
    setting = SETTINGS["own" if folder is None else "paper"]
    return Options(**{**setting.get(kind, {}), **own, **setting.get(condition, {}),
                      **more})


def named(condition, more):
    """Return a label with the changed options."""
    return ", ".join([condition, *(f"{key} {value:g}" if isinstance(value, float)
                                   else f"{key} {value}"
                                   for key, value in more.items())])


def add(listed, condition, size, data, seed, repeat, changed=None, **more):
    """Append the jobs of one classifier.

    The keyword arguments `more` are options of the classifier, and are appended to the
    name of the condition.  The dictionary `changed` holds options of the classifier
    that do not appear in the name of the condition.  Options in `changed` with the
    value None, 0 or False are ignored.
    """
    folder = spoken_words.folder(size, data)
    kind, o = CONDITIONS[condition][0], options(condition, folder, **more)
    if size == "quick":
        o = o._replace(epochs=1)
    o = o._replace(**{key: value for key, value in (changed or {}).items() if value})
    label = named(condition, more)
    job = {"folder": folder, "condition": label, "kind": kind, "options": o._asdict(),
           "seed": seed, "repeat": repeat,
           "jitters": list(SPREADS) if label in JITTERED else [],
           **({"every": THIRD} if size == "quick" else {})}
    if kind not in NETWORKS or folder is None:
        listed.append((classify, job))
        return
    most = PARTS.get(kind, max(1, min(PART, int(PART * o.dt / PART_S))))
    for first in range(0, o.epochs, most):
        part = {"first": first, "count": min(most, o.epochs - first)}
        earlier = [len(listed) - 1] if first else []
        listed.append((classify, {**job, **part}, *earlier))


def classify(folder, condition, kind, options, seed, repeat, jitters, first=0,
             count=None, before=None, every=1):
    """Train and test one classifier.

    If successive calls train one network, only the last call returns accuracies.

    jitters : standard deviations, in s, of the time shifts of spikes in test words.
    first : index of the first epoch in this call.
    count : number of epochs in this call.
    before : result of the previous call, if `first` is not 0.
    every : if `every` is n, only every n-th word is used.
    """
    o = Options(**options)
    count = o.epochs - first if count is None else count
    if first and first + count < o.epochs and ended(before["curve"], o):
        return before
    words = spoken_words.read(folder)
    if every > 1:
        words = spoken_words.chosen(words, np.arange(0, len(words.label), every))
    if o.validated:
        words = spoken_words.validation(words)
    generator = seeds.rng(seed, "spoken", condition, repeat)
    if o.law:
        words = shuffled(words, o.law, generator)
    sets = chosen(words, o.speakers, generator)
    if kind in NETWORKS:
        network, learner, curve = NETWORKS[kind](o), None, ()
        if first:
            learner, curve = lif_training.unpacked(before), before["curve"]
            generator.bit_generator.state = json.loads(str(before["generator"]))
        learner, curve = fit(network, words, sets[0], o, generator, count, learner,
                             curve)
        if first + count < o.epochs:
            return {"curve": curve, **lif_training.packed(*learner),
                    "generator": json.dumps(generator.bit_generator.state)}
        parameters = learner[0]
        if network.settle:
            longest = steps(words, o.dt, o.longest)
            parameters = network.settle(parameters, (
                spoken_words.binned(words, sets[0][part], o.dt, longest) for part in
                lif_training.batches(generator, len(sets[0]), o.batch)))
        answer = predicted(network, parameters, words, np.arange(len(words.label)), o)
    else:
        answer, curve = machine(kind, words, sets), np.zeros((1, 2))
    tests = np.concatenate(sets[1:])
    jittered = [(predicted(network, parameters, changed(
        words, tests, generator, Options(spread=spread), steps(
            words, o.dt, o.longest)), tests, o)
        == words.label[tests]).mean() for spread in jitters]
    right = answer == words.label
    return {"data": words.title, "condition": condition, "repeat": repeat,
            "dt": o.dt, "loss": o.loss, "curve": curve, "converged": ended(curve, o),
            "size": np.array([len(index) for index in sets]),
            "accuracy": np.array([right[index].mean() if len(index) else np.nan
                                  for index in sets]),
            "label": words.label[tests], "speaker": words.speaker[tests],
            "predicted": answer[tests], "jittered": np.array(jittered)}


# ---- figures of several conditions ---------------------------------------------

CONVERGED = {"epochs": 200, "patience": 20, "falling": False}
ARRAYS = {
    "title": ("", "", "name of the data set"),
    "names": ("condition", "", "names of the conditions"),
    "test": ("condition, run", "accuracy", "accuracy on all test words"),
    "accuracy": ("condition, run, set", "accuracy", "accuracy on training words, on "
                 "words of known speakers, and of held-out speakers"),
    "converged": ("condition, run", "1", "whether the training accuracy grew no more"),
    "curves": ("condition, run, epoch", "accuracy", "training accuracy, NaN after the "
               "last epoch of a run")}


def listed(size, seed, data, runs, repeats, changed):
    """Return all jobs.  `runs` lists the name and the options of each experiment."""
    found = []
    for repeat in range(repeats):
        for condition, more in runs.values():
            add(found, condition, size, data, seed, repeat, changed, **more)
    return found


def collected(results, runs):
    """Return the arrays that `ARRAYS` describes."""
    done = [r for r in results if "accuracy" in r]
    shape = len(done) // len(runs), len(runs)
    curves = np.full((len(done), max(len(r["curve"]) for r in done)), np.nan)
    for row, r in zip(curves, done, strict=True):
        row[:len(r["curve"])] = r["curve"][:, 1]
    found = {"test": [(r["predicted"] == r["label"]).mean() for r in done],
             "accuracy": [r["accuracy"] for r in done],
             "converged": [bool(r["converged"]) for r in done], "curves": curves}
    return {"title": str(done[0]["data"]), "names": np.array(list(runs)), **{
        key: np.swapaxes(np.reshape(value, (*shape, *np.shape(value)[1:])), 0, 1)
        for key, value in found.items()}}
