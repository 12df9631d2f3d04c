"""The true loss is a step function, and surrogate gradients still reduce it

The top left panel shows seven surrogate derivatives of a spike.  These derivatives
differ only in shape: all have the peak value 1 and the same area under the curve (2/3
of the threshold).  For each surrogate derivative and for the true derivative, the top
right panel shows the loss during training (median over networks).  In the bottom
panels, the hidden weights of one network are varied along the line through their
initial and trained values.  The bottom left panel shows the loss along the line through
the initial and trained weights.  The bottom right panel shows the true derivative and
the surrogate derivative of this loss.

Networks of 2-2-2 spiking neurons learn to reproduce the output spikes of a teacher
network.  Only the hidden weights are trained.  On the line through the initial and
trained weights, the loss is constant except for jumps.  The true derivative is
therefore 0 at nearly all points.  To verify the surrogate derivative of the loss, each
spike is replaced by a smooth spike function of the membrane potential.  The derivative
of the smooth spike function is the surrogate derivative of the spike.  For each neuron
and time step, the function `checks.anchored` adds a constant to the smooth spike
function.  With the added constants, the network with smooth spike functions has the
same output as the spiking network with the same weights.  In the network with smooth
spike functions, a finite difference of the loss equals the surrogate derivative of the
loss, up to rounding errors.

This figure corresponds to [NMZ19] figs. 3 and 4.
"""

import numpy as np

from figures.run import colours, seeds
from figures.run.claims import own
from figures.surrogate import ensemble
from figures.train import lif_training
from refsnn import checks, losses, optimisers, surrogates

STEPS, INPUT_HZ, CANDIDATES = 100, 100.0, 1000
TAU_RISE_S, TAU_DECAY_S = 5e-3, 10e-3
STEEPNESS, RATE = 3.0, 0.01
AREAS = {"fast_sigmoid": 2.0, "sigmoid": 4.0, "triangle": 1.0,
         "gaussian": (2 * np.pi) ** 0.5, "arctan": np.pi, "slayer": 2.0,
         "boxcar": 2.0}                                     # at steepness 1
LABELS = {"fast_sigmoid": "fast sigmoid (SuperSpike)", "sigmoid": "sigmoid",
          "triangle": "piecewise linear", "gaussian": "Gaussian",
          "arctan": "arctan", "slayer": "exponential (SLAYER)", "boxcar": "boxcar",
          "none": "true derivative"}
LINED = "fast_sigmoid"
REPEATS = {"quick": 2, "default": 12, "full": 50}
EPOCHS = {"quick": 30, "default": 300, "full": 1000}
POINTS = {"quick": 151, "default": 601, "full": 3001}
NET = lif_training.Net(reset="subtract", through_reset=True)
NAMES = (*AREAS, "none")
TINY, SMALL = 1e-9, 1e-6    # steps of finite differences: true, anchored
PAPER = "[NMZ19] figs. 3 and 4"
QUARTILES = (25, 50, 75)            # in percent
ARRAYS = {
    "at": ("point", "1", "position on the line (0: initial weights, 1: trained "
           "weights)"),
    "loss": ("run, point", "1/s", "loss on the line"),
    "surrogate": ("run, point", "1/s", "surrogate derivative along the line"),
    "true": ("run, point", "1/s", "finite difference of the loss along the line"),
    "anchored": ("run, point", "1/s", "finite difference of the loss of the anchored "
                 "network along the line"),
    "names": ("derivative", "", "name of the derivative"),
    "curves": ("derivative, step, run", "1/s", "loss before each training step, and at "
               "the end"),
    "networks": ("", "1", "number of networks"),
    "quartiles": ("quartile, derivative, step", "1", "quartiles over networks of the "
                  "loss divided by the first loss"),
    "loss_first": ("point", "1/s", "loss on the line, first network"),
    "surrogate_first": ("point", "1/s", "surrogate derivative, first network")}


def steepness(name):
    """Return the steepness for the area 2/3."""
    return STEEPNESS * AREAS[name] / AREAS[LINED]


def forward(W1, W2, x, spikes=(None, None)):
    """Simulate both layers."""
    first = ensemble.drive(W1, x)
    hidden = ensemble.layer(first, NET, spikes[0])
    second = ensemble.drive(W2, hidden.spikes)
    return first, hidden, second, ensemble.layer(second, NET, spikes[1])


def loss(spikes, target):
    """Return the distance and its derivative."""
    T, N, B, n = spikes.shape
    mean, dmean = losses.van_rossum(spikes.reshape(T, -1, n), target.reshape(T, -1, n),
                                    TAU_RISE_S, TAU_DECAY_S, lif_training.DT_S)
    derivative = N * B * dmean.reshape(spikes.shape)
    # The distance is quadratic in the difference d, so it equals <gradient, d> / 2.
    return 0.5 * ((spikes - target) * derivative).sum(axis=(0, 2, 3)), derivative


def slopes(names, recording):
    """Return all surrogate derivatives, in an array of shape (T, N, B, n)."""
    psi = np.zeros_like(recording.mem)
    for i, name in enumerate(names):
        part = slice(None) if len(names) == 1 else slice(i, i + 1)
        if name != "none":
            psi[:, part] = surrogates.SURROGATES[name](
                recording.mem[:, part] - 1, steepness(name))[1]
    return psi


def gradient(W1, W2, x, target, names):
    """Return the losses and the hidden-weight gradients."""
    first, hidden, second, output = forward(W1, W2, x)
    value, dspikes = loss(output.spikes, target)
    dsecond = ensemble.layer_backward(second, output, slopes(names, output), dspikes,
                                      NET)
    dhidden = ensemble.by_inputs(dsecond, W2)
    dfirst = ensemble.layer_backward(first, hidden, slopes(names, hidden), dhidden, NET)
    return value, ensemble.by_weights(dfirst, x)


def task(seed, repeat):
    """Sample input, weights and target spikes."""
    generator = seeds.rng(seed, "surrogates", "task", repeat)
    shape = (CANDIDATES, 2, 2)
    while True:
        x = generator.random((STEPS, 1, 1, 2)) < INPUT_HZ * lif_training.DT_S
        x = np.broadcast_to(x.astype(float), (STEPS, CANDIDATES, 1, 2))
        teacher, start = generator.normal(0.15, 0.2, (2, *shape))
        W2 = generator.normal(0.1, 0.2, shape)
        runs = [forward(W1, W2, x) for W1 in (teacher, start)]
        counts = np.concatenate([layer.spikes.sum(axis=0)[:, 0]
                                 for run in runs for layer in (run[1], run[3])], 1)
        target = runs[0][3].spikes
        alive = ((counts >= 1) & (counts <= 15)).all(axis=1)
        found = np.flatnonzero(alive & (loss(runs[1][3].spikes, target)[0] > 50))
        if found.size:
            i = slice(found[0], found[0] + 1)
            return x[:, i], W2[i], target[:, i], start[i]


def many(count, x, W2, target):
    """Copy the arrays for `count` networks."""
    return [np.repeat(array, count, axis)
            for array, axis in ((x, 1), (W2, 0), (target, 1))]


def descend(seed, repeat, epochs, points):
    """Train one network with each surrogate derivative."""
    *rest, start = task(seed, repeat)
    x, W2, target = many(len(NAMES), *rest)
    W1, curve, state = np.repeat(start, len(NAMES), 0), [], None
    for _ in range(epochs):
        value, dW1 = gradient(W1, W2, x, target, NAMES)
        curve.append(value)
        state, step = optimisers.adam(state, dW1, rate=RATE)
        W1 = W1 + step
    curve.append(gradient(W1, W2, x, target, NAMES)[0])
    direction = W1[NAMES.index(LINED)] - start
    return {"curve": np.array(curve), **line(rest, start, direction, points)}


def line(rest, start, direction, points):
    """Return the loss along a line."""
    at = np.linspace(-0.25, 1.25, points)
    x, W2, target = many(points, *rest)
    W1 = start + at[:, None, None] * direction

    def along(step, spikes=(None, None)):
        output = forward(W1 + step * direction, W2, x, spikes)[3]
        return loss(output.spikes, target)[0] / (2 * step)

    value, dW1 = gradient(W1, W2, x, target, (LINED,))
    _, hidden, _, output = forward(W1, W2, x)
    anchors = [checks.anchored(surrogate, layer.mem.reshape(STEPS, points, 2), 1.0)
               for layer in (hidden, output)]
    return {"at": at, "loss": value, "surrogate": (dW1 * direction).sum(axis=(1, 2)),
            "true": along(TINY) + along(-TINY),
            "anchored": along(SMALL, anchors) + along(-SMALL, anchors)}


def surrogate(v):
    return surrogates.SURROGATES[LINED](v, steepness(LINED))


def jobs(size, seed, data, repeats=None, epochs=None, points=None):
    return [(descend, {"seed": seed, "repeat": repeat, "epochs": epochs or EPOCHS[size],
                       "points": points or POINTS[size]})
            for repeat in range(repeats or REPEATS[size])]


def gather(results):
    found = {name: np.array([r[name] for r in results])     # (repeats, points)
             for name in ("loss", "surrogate", "true", "anchored")}
    found["at"] = results[0]["at"]
    found["names"] = np.array(NAMES)                # (names, epochs + 1, repeats)
    found["curves"] = np.array([r["curve"] for r in results]).transpose(2, 1, 0)
    return found


def claims(size):
    return [
        own("true-zero", "fraction of points on the line with a true derivative of "
            "exactly 0", low=0.99),
        own("surrogate-nonzero", "fraction of points on the line with a surrogate "
            "derivative other than 0", low=0.99),
        own("anchored", "largest difference between surrogate derivative and anchored "
            "finite differences, relative to the largest derivative", high=1e-6),
        own("loss-surrogate", "loss after training / loss before, median network, "
            "worst of 7 surrogates", high=0.5),
        own("loss-true", "loss after training / loss before, true derivative, network "
            "with the largest change", low=1, high=1)]


def measured(data):
    slope, ours = data["true"], data["surrogate"]
    scale = abs(ours).max(axis=1, keepdims=True)
    ratio = data["curves"][:, -1] / data["curves"][:, 0]    # (names, repeats)
    true = data["names"] == "none"
    return {"true-zero": (slope == 0).mean(axis=1),
            "surrogate-nonzero": (ours != 0).mean(axis=1),
            "anchored": (abs(data["anchored"] - ours) / scale).max(),
            "loss-surrogate": np.median(ratio[~true], axis=1).max(),
            "loss-true": abs(ratio[true] - 1).max() + 1}


def shown(data):
    relative = data["curves"] / data["curves"][:, :1]
    return {"names": data["names"], "networks": data["curves"].shape[2],
            "quartiles": np.percentile(relative, QUARTILES, axis=2).astype(np.float32),
            "at": data["at"], "loss_first": data["loss"][0],
            "surrogate_first": data["surrogate"][0]}


def plot(data, fig):
    fig.set_size_inches(11, 7.4)
    (shapes, curves), (above, below) = fig.subplots(2, 2)
    _plot_shapes(shapes)
    _plot_training(data, curves)
    _plot_line(data, above, below)


def _colours():
    return dict(zip(AREAS, colours.PALETTE, strict=True))


def _plot_shapes(axis):
    v = np.linspace(-2, 1, 1501)
    for name, colour in _colours().items():
        psi = surrogates.SURROGATES[name](v, steepness(name))[1]
        axis.plot(1 + v, psi, color=colour, label=LABELS[name])
    axis.plot(1 + v, v > 0, color=colours.GREY, lw=1.2, ls="--", label="spike (step)")
    axis.set(xlabel="membrane potential (thresholds)", ylabel="surrogate derivative",
             title="Seven surrogates of equal area", xlim=(-1, 2))
    axis.legend(loc="upper left", fontsize=9, handlelength=1.4)


def _plot_training(data, axis):
    for name, low, middle, high in zip(data["names"], *data["quartiles"], strict=True):
        epochs = np.arange(len(middle))
        colour = _colours().get(str(name), colours.GREY)
        axis.plot(epochs, middle, color=colour, ls="--" if name == "none" else "-",
                  lw=1.6)
        if name == LINED:
            axis.fill_between(epochs, low, high, color=colour, alpha=0.15, lw=0)
    axis.annotate("true derivative: no change", (0.98, 1), ha="right", va="bottom",
                  xycoords=("axes fraction", "data"), xytext=(0, 3),
                  textcoords="offset points", color=colours.GREY, fontsize=9.5)
    axis.set(xlabel="training step", ylabel="loss / first loss", yscale="log",
             ylim=(None, 2),
             title=f"Median loss of {int(data['networks'])} networks in training")
    axis.annotate("band: quartiles, fast sigmoid", (0.02, 0.03), fontsize=9.5,
                  xycoords="axes fraction", color=colours.BLUE)


def _plot_line(data, above, below):
    at, value, ours = data["at"], data["loss_first"], data["surrogate_first"]
    above.step(at, value, where="mid", color=colours.BLACK, lw=1.4)
    above.set(ylabel="loss (s$^{-1}$)",
              title="Loss along the line of training, one network")
    below.plot(at, ours, color=colours.BLUE, label="surrogate derivative")
    below.axhline(0, color=colours.BLACK, lw=1.4,
                  label="true derivative: 0, infinite at the triangles")
    jump = np.diff(value)
    middle = (at[1:] + at[:-1]) / 2
    top, bottom = 1.12 * ours.max(), min(1.12 * ours.min(), -1e-9)
    for sign, height in ((1, top), (-1, bottom)):
        chosen = middle[sign * jump > 0]
        below.plot(chosen, np.full(chosen.shape, height),
                   "^" if sign > 0 else "v", color=colours.BLACK, ms=3.5)
    below.set(ylabel="derivative along the line (s$^{-1}$)",
              title="True and surrogate derivative of this loss")
    below.legend(loc="lower right", bbox_to_anchor=(1, 0.1))
    for axis in (above, below):
        axis.set_xlabel("position on the line (0: initial weights, 1: trained weights)")
        axis.axvline(0, color=colours.GREY, lw=1, ls=":")
        axis.axvline(1, color=colours.GREY, lw=1, ls=":")
