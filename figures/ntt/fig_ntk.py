"""Outputs of narrow and wide networks, and their prediction by the tangent kernel

The left panels show how three network outputs for one unseen image change during
training.  The upper panel shows a narrow network, and the lower panel shows a wide
network.  Dashed lines are the outputs that the tangent kernel predicts.  The middle
panel shows the relative prediction error after training.  The norm of the prediction
error is divided by the norm of the difference between the final and the initial
outputs.  Each dot is one seed.  The right panel shows the prediction error after only
one training step.

The tangent kernel of a network at its initial weights predicts how gradient descent on
the squared loss changes the outputs.  Networks with two hidden layers of ReLU units are
trained for 300 steps on 32 of the handwritten digits included in refsnn.  With the
option --full, the networks are trained on 32 MNIST images.  The learning rate is 0.5
divided by the largest eigenvalue of the tangent kernel.  The used learning rate is a
quarter of the largest stable learning rate.  Initial weights are sampled from a normal
distribution with variance 1 / fan-in, and initial biases are 0.

The networks of the right panel have tanh units, because ReLU units can turn on or off
during the training step.  For small learning rates, the prediction error of the correct
tangent kernel is proportional to the square of the learning rate.  In the sparse
networks, a random half of the weights is pruned (fixed at 0).  Two tangent kernels of
the sparse networks are compared.  The kernel called `through mask` is computed from the
derivatives of the outputs with respect to unpruned weights only.  The kernel called
`at masked` is computed from the derivatives of the outputs with respect to all weights,
including pruned weights.  Training does not change pruned weights, but the kernel
called `at masked` predicts the outputs as if training changed all weights.  Therefore,
the prediction error of the kernel called `at masked` is proportional to the learning
rate.  Tangent kernels are the basis of [LZ20].
"""

import numpy as np

from figures.run import claims as kinds
from figures.run import colours, seeds
from figures.ntt import ntt_training as training
from refsnn import mlp, ntk_dynamics, pruning
from refsnn.fast import ntk

PAPER = "[LZ20]"
FIGURE, TRAINED, UNSEEN, CLASSES, EVERY = "ntk", 32, 16, 10, 5
FOLDERS = {"full": ("mnist",)}              # required in the --data folder
WIDTHS = {"quick": (16, 64, 256), "default": (16, 32, 64, 128, 256, 512, 1024),
          "full": (16, 32, 64, 128, 256, 512, 1024, 2048, 4096)}
REPEATS = {"quick": 2, "default": 5, "full": 10}
STEPS, STEP_WIDTH = 300, 64
RATES = 2.0 ** -np.arange(1, 12)    # learning rates, in 1 / largest eigenvalue
KERNELS = ("dense", "through mask", "at masked")
COLOURS = dict(zip(KERNELS, (colours.BLUE, colours.GREEN, colours.VERMILION),
                   strict=True))


ARRAYS = {
    "widths": ("width", "1", "units of each hidden layer"),
    "steps": ("step", "1", "step of gradient descent"),
    "deviation": ("width, run, trained or unseen", "1", "relative deviation of the "
                  "outputs from the prediction, after the last step"),
    "found": ("width, step, output", "1", "outputs for one unseen image, first run"),
    "foretold": ("width, step, output", "1", "predicted outputs for the same image"),
    "rates": ("rate", "1", "learning rate times the largest eigenvalue of the kernel"),
    "left": ("run, kernel, rate", "1", "root mean square error of the outputs that are "
             f"predicted for one step; kernels: {', '.join(KERNELS)}")}


def jobs(size, seed, data, widths=None, repeats=None):
    shared = [{"folder": data if size == "full" else None, "repeat": repeat,
               "seed": seed} for repeat in range(repeats or REPEATS[size])]
    return [(descend, {"width": width, **kwargs})
            for width in reversed(widths or WIDTHS[size]) for kwargs in shared] \
        + [(step, kwargs) for kwargs in shared]


# ---- the network

def problem(folder, seed, repeat, width, dtype):
    """Return initial parameters, images and target outputs."""
    images = training.digits(seed, repeat) if folder is None \
        else training.stored(folder, "mnist")
    rng = seeds.rng(seed, FIGURE, width, repeat)
    chosen = rng.permutation(len(images.x))[:TRAINED]
    x, unseen = (a.reshape(len(a), -1).astype(dtype)
                 for a in (images.x[chosen], images.x_test[:UNSEEN]))
    sizes = (x.shape[1], width, width, CLASSES)
    weights = [rng.normal(0, n ** -0.5, (m, n)).astype(dtype)
               for n, m in zip(sizes[:-1], sizes[1:], strict=True)]
    targets = np.eye(CLASSES, dtype=dtype)[images.labels[chosen]]
    return weights, [np.zeros(n, dtype) for n in sizes[1:]], x, targets, unseen


def linearised(weights, biases, x, kind="relu"):
    """Return outputs, and arguments for `ntk.kernel`."""
    recording = mlp.forward(weights, biases, x, kind)
    return recording.outputs, (recording.inputs, mlp.signals(weights, recording, kind))


def largest(kernel):
    """Return the largest eigenvalue of a kernel."""
    size = len(kernel) * kernel.shape[2]
    return float(np.linalg.eigvalsh(kernel.swapaxes(1, 2).reshape(size, size))[-1])


def descended(weights, biases, gradient, rate):
    """Return the parameters after one step."""
    return tuple([a - rate * d for a, d in zip(some, slopes, strict=True)]
                 for some, slopes in zip((weights, biases), gradient, strict=True))


# ---- jobs

def descend(width, folder, repeat, seed):
    """Return actual and predicted network outputs."""
    weights, biases, x, targets, unseen = problem(folder, seed, repeat, width,
                                                  np.float32)
    f, batch = linearised(weights, biases, x)
    f_unseen, other = linearised(weights, biases, unseen)
    kernel, cross = ntk.kernel(batch), ntk.kernel(other, batch)
    rate, steps = 0.5 / largest(kernel), np.arange(0, STEPS + 1, EVERY)
    foretold = ntk_dynamics.predict(kernel, f, targets, steps, rate=rate, cross=cross,
                                    test_outputs=f_unseen)
    found = []
    for number in range(STEPS + 1):
        recording = mlp.forward(weights, biases, x)
        if number % EVERY == 0:
            found.append((recording.outputs,
                          mlp.forward(weights, biases, unseen).outputs))
        gradient = mlp.backward(weights, recording, recording.outputs - targets)
        weights, biases = descended(weights, biases, gradient, rate)
    found = [np.array(part) for part in zip(*found, strict=True)]
    return {"what": "descent", "width": width, "steps": steps,
            "deviation": [relative(*pair) for pair in
                          zip(found, foretold, strict=True)],
            "found": found[1][:, 0], "foretold": foretold.test[:, 0]}


def relative(found, foretold):
    """Return the final relative deviation."""
    return np.linalg.norm(found[-1] - foretold[-1]) / np.linalg.norm(
        found[-1] - found[0])


def step(folder, repeat, seed):
    """Compare output changes with three predictions."""
    weights, biases, x, targets, unseen = problem(folder, seed, repeat, STEP_WIDTH,
                                                  np.float64)
    masks = pruning.random(weights, 0.5, seeds.rng(seed, FIGURE, "masks", repeat))
    sparse = [W * M for W, M in zip(weights, masks, strict=True)]
    left = []
    for name in KERNELS:
        live, M = (weights, [1] * 3) if name == "dense" else (sparse, masks)
        options = {"masks": M, "kind": "through_mask"} if name == "through mask" else {}
        f, batch = linearised(live, biases, x, "tanh")
        f_unseen, other = linearised(live, biases, unseen, "tanh")
        dW, db = mlp.backward(live, mlp.forward(live, biases, x, "tanh"), f - targets,
                              "tanh")
        gradient = [m * d for m, d in zip(M, dW, strict=True)], db
        cross = ntk.kernel(other, batch, **options)
        left.append([])
        for rate in RATES / largest(ntk.kernel(batch, **options)):
            after = mlp.forward(*descended(live, biases, gradient, rate), unseen,
                                "tanh").outputs
            told = ntk_dynamics.one_step(cross, f_unseen, f - targets, rate)
            left[-1].append(np.sqrt(np.mean((after - told) ** 2)))
    return {"what": "step", "left": left}


def gather(results):
    descents = [r for r in results if r["what"] == "descent"]
    widths = sorted({int(r["width"]) for r in descents})
    by_width = [[r for r in descents if r["width"] == width] for width in widths]
    return {"widths": np.array(widths), "steps": descents[0]["steps"],
            "deviation": np.array([[r["deviation"] for r in some]
                                   for some in by_width]),   # (widths, repeats, 2)
            "found": np.array([some[0]["found"] for some in by_width]),
            "foretold": np.array([some[0]["foretold"] for some in by_width]),
            "rates": RATES,
            "left": np.array([r["left"] for r in results if r["what"] == "step"])}


def exponents(x, y):
    """Fit power laws; return their exponents."""
    return np.polyfit(np.log(x), np.log(y), 1)[0]


def claims(size):
    told = ("relative deviation of the outputs for unseen images after "
            f"{STEPS} steps, ")
    return [
        kinds.own("wide", told + "widest layers", high=0.1),
        kinds.own("narrow", told + "narrowest layers", low=0.3),
        *(kinds.own(f"exponent-{kind}", "exponent of the relative deviation against "
                    f"width, {kind} images", high=-0.35)
          for kind in ("unseen", "training")),
        *(kinds.own(f"step-{name.replace(' ', '-')}",
                    f"one step, {name}: exponent of the unpredicted change of the "
                    "outputs against the learning rate",
                    **{"high": 1.1} if name == "at masked" else {"low": 1.9})
          for name in KERNELS)]


def measured(data):
    trained, unseen = np.moveaxis(data["deviation"], 2, 0)
    return {"wide": unseen[-1], "narrow": unseen[0],
            "exponent-unseen": exponents(data["widths"], unseen),
            "exponent-training": exponents(data["widths"], trained),
            **{f"step-{name.replace(' ', '-')}":
               exponents(data["rates"][-6:], left[:, -6:].T)
               for name, left in zip(KERNELS, data["left"].swapaxes(0, 1),
                                     strict=True)}}


def plot(data, fig):
    fig.set_size_inches(12.5, 4.4)
    left, middle, right = fig.subfigures(1, 3, width_ratios=(1, 1, 1))
    _plot_outputs(data, left)
    axis = middle.subplots()
    widths = data["widths"]
    for i, (label, colour) in enumerate((("trained on", colours.SKY),
                                         ("unseen", colours.BLUE))):
        value = data["deviation"][:, :, i]
        axis.plot(widths, value, ".", color=colour, alpha=0.5)
        axis.plot(widths, np.exp(np.log(value).mean(axis=1)), color=colour,
                  label=f"{label}: exponent "
                        f"{exponents(widths, value).mean():.2f}")
    axis.set(xscale="log", yscale="log", xlabel="units per hidden layer",
             ylabel="relative deviation of the outputs",
             title=f"After {int(data['steps'][-1])} steps")
    axis.set_xticks(widths[::2], [f"{width:d}" for width in widths[::2]])
    ticks = [t for t in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1)
             if 0.8 * data["deviation"].min() < t < 1.2 * data["deviation"].max()]
    axis.set_yticks(ticks, [f"{t:g}" for t in ticks])
    axis.minorticks_off()
    axis.legend()
    _plot_step(data, right.subplots())


def _plot_outputs(data, fig):
    axes = fig.subplots(2, 1, sharex=True)
    for axis, i in zip(axes, (0, -1), strict=True):
        for unit, colour in zip(range(3), colours.PALETTE, strict=False):
            axis.plot(data["steps"], data["foretold"][i][:, unit], "--", lw=1.2,
                      color=colours.BLACK,
                      label="prediction" if unit == 0 else None)
            axis.plot(data["steps"], data["found"][i][:, unit], color=colour,
                      alpha=0.8, label="network" if unit == 0 else None)
        axis.set(ylabel="outputs", title=f"{data['widths'][i]} units per layer")
    axes[0].legend()
    axes[1].set_xlabel("step of gradient descent")


def _plot_step(data, axis):
    for name, left in zip(KERNELS, data["left"].swapaxes(0, 1), strict=True):
        axis.plot(data["rates"], left.T, ".", color=COLOURS[name], alpha=0.5)
        axis.plot(data["rates"], np.exp(np.log(left).mean(axis=0)),
                  color=COLOURS[name], label=name)
    top = data["left"].max()
    for power in (1, 2):
        axis.plot(data["rates"], 2 * top * data["rates"] ** power, ":", lw=1.2,
                  color=colours.GREY)
        at = data["rates"][4]
        axis.annotate(f"slope {power}", (at, 2 * top * at ** power), ha="right",
                      xytext=(-4, 6), textcoords="offset points", color=colours.GREY)
    axis.set(xscale="log", yscale="log", xlabel="learning rate x largest eigenvalue",
             ylabel="unpredicted change of outputs (rms)", title="One step")
    axis.legend()
