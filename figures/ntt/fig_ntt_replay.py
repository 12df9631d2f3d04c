"""The authors' logged transfers are reproduced until rounding separates the runs

Neural Tangent Transfer (NTT) trains a sparse network without labels to match the
outputs and the tangent kernel of a dense network (the teacher).  The authors of NTT
[LZ20] published the logs of four NTT runs on MNIST: two runs with perceptrons of
784-300-100-10 units, and two runs with the convolutional network LeNet-5-Caffe.  Each
sparse network keeps 3 % of the weights of its teacher, and all other weights are
pruned.  For this figure, the weights of the same four teachers are sampled with the
pseudo-random numbers of the code of [LZ20].  Before training, the sum of the squared
unpruned weights of each of the four sparse networks differs from the published value by
at most 0.01 %.

With the option --full, the four published NTT runs are repeated with the same images in
the same mini-batches.  The perceptrons are trained for 18,720 steps, as published.  The
LeNet networks are trained for 1,100 steps (published: 18,720); the first 1,000 of these
steps are compared with the published log, but no bound is set.  The kernel distance is
the mean squared difference between the tangent kernels of the sparse network and of the
teacher on 64 held-out images.  The output distance is the mean squared difference
between the outputs of the sparse network and of the teacher on the same held-out
images.  For both perceptrons, the kernel distance and the sum of the squared unpruned
weights after 100, 200 and 300 training steps differ from the published values by at
most 0.02 %.  For both perceptrons, the output distance after 100, 200 and 300 training
steps differs from the published log by at most 0.001, which is the precision of the
log.  At the end of training, the kernel distance of each perceptron differs from the
published value by at most 5 %.

On the hardware of the published runs, float32 numbers were rounded differently than in
this figure.  To show the effect of rounding, all runs except the second run with LeNet
are repeated in float64.  If the input of a ReLU unit is almost zero, a rounding error
can turn the unit on in one computation of a run and off in another computation.  The
gradients of the two computations then differ, and the weights of the two computations
diverge.  The masks are updated after every 100 training steps, so that the masks of the
two computations can also become different.

By default, the data are the handwritten digits included in refsnn.  The networks have
256-100-50-10 units, and 10 % of the weights are kept.  After 100, 200 and 300 training
steps without labels, the kernel distances of the networks in float32 and in float64
differ by at most 0.02 %.

The first panels show the kernel distance against the training step. The next panel
shows the relative difference between the kernel distance in float32 and the kernel
distance in the published log (circles) or in float64 (dots). For 100 further teachers
and the same held-out images, the histogram shows the kernel distances before training.
Vertical lines mark the repeated runs. This figure corresponds to the demonstration that
the authors of [LZ20] published.
"""

import functools

import numpy as np

from figures.ntt import fig_ntt_transfer, threefry
from figures.ntt import ntt_training as training
from figures.run import colours, published
from figures.run.claims import at_most, reported
from refsnn import mlp, ntt, optimisers, pruning

FIGURE, FOLDERS = "ntt_replay", {"full": ("mnist", "results")}
TASKS = {               # layer shapes as in the authors' code; None has no weights
    "digits": ((256, 100), None, (100, 50), None, (50, 10)),
    "MLP": ((784, 300), None, (300, 100), None, (100, 10)),
    "LeNet": ((5, 5, 1, 20), None, None, (5, 5, 20, 50), None, None, None, (800, 500),
              None, (500, 10))}
L2 = {"digits": 1e-4, "MLP": 1e-4, "LeNet": 1e-5}
DENSITY = {"digits": 0.1, "MLP": 0.03, "LeNet": 0.03}
END, RUNS, BATCH = 18720, (1, 2), training.BATCH
STEPS = {"quick": 100, "default": 1000, "MLP": END, "LeNet": 1100}
SOON = 300                                  # last step of the first claims
HELD = 120                                  # number of held-out MNIST images
RUN_COLOURS = colours.BLUE, colours.VERMILION
TITLES = {"digits": "Embedded digits, perceptron", "MLP": "MNIST, perceptron",
          "LeNet": "MNIST, LeNet-5-Caffe"}
DTYPES = ("float64", "float32")


def jobs(size, seed, data):
    """Return the jobs of all networks."""
    folder = data if size == "full" else None
    names = ("LeNet", "MLP") if folder else ("digits",)
    runs = RUNS[:1] if size == "quick" else RUNS
    return [(replay, {"name": name, "folder": folder, "run": run, "dtype": dtype,
                      "steps": STEPS[name if folder else size]})
            for name in names for dtype in DTYPES for run in runs
            if (name, dtype, run) != ("LeNet", "float64", 2)] + [
        (starts, {"name": names[-1], "folder": folder, "count": 100})]


def teacher(name, run):
    """Sample a teacher as in [LZ20].

    Layers without weights also use random keys.
    """
    key, weights, biases = np.array([0, run], np.uint32), [], []
    for shape in TASKS[name]:
        key, layer = threefry.split(key)
        if shape is None:
            continue
        first, second = threefry.split(layer)
        fan = int(np.prod(shape[:-2])) * (shape[-2] + shape[-1])
        W = threefry.truncated_normal(first, shape) * np.float32(
            np.sqrt(2 / fan) / mlp.CUT_STD)
        weights.append(np.ascontiguousarray(np.moveaxis(W, -1, 0)))
        biases.append(np.float32(0.01) * threefry.normal(second, shape[-1]))
    return weights, biases


def masks(name, weights):
    return pruning.magnitude(weights, DENSITY[name])


def problem(name, folder):
    """Return network, training images and held-out images."""
    if folder is None:
        images = training.digits(0, 0)
        return training.perceptron(256, 100, 50, 10), images.x, images.x_test
    net = training.convolutional("lenet5_caffe") if name == "LeNet" \
        else training.perceptron(784, 300, 100, 10)
    x, order = training.stored(folder, "mnist").x, list(range(60000))
    np.random.RandomState(9).shuffle(order)
    return net, x[order[HELD:]], x[order[:HELD]]


def order(count, run, steps):
    """Return the image indices of all mini-batches."""
    stream, each, first = np.random.RandomState(0), count // BATCH, END * (run - 1)
    epochs = [stream.permutation(count)[:each * BATCH]
              for _ in range(-(-(first + steps) // each))]
    return np.concatenate(epochs).reshape(-1, BATCH)[first:first + steps]


def replay(name, folder, run, dtype, steps):
    """Repeat a published run; return both logs.

    Each row of the log holds the step, the kernel distance, the output distance and the
    sum of the squared unpruned weights.
    """
    net, x, held = problem(name, folder)
    weights, biases = ([array.astype(dtype) for array in arrays]
                       for arrays in teacher(name, run))
    x, held = (training.read(net, images.astype(dtype)) for images in
               (x, held[:BATCH]))
    goal, log = ntt.target(net.model, weights, biases, held), []

    def watch(step, now):
        if step % 100 == 0 or step == steps:
            log.append((step, *ntt.gradient(net.model, now, held, goal,
                                            density=DENSITY[name]).loss[1:]))

    ntt.transfer(net.model, weights, biases,
                 training.Batches(x, order(len(x), run, steps)), density=DENSITY[name],
                 prune=functools.partial(masks, name), l2=L2[name], watch=watch,
                 optimiser=functools.partial(optimisers.adam, rate=5e-4))
    paper = fig_ntt_transfer.published_log(
        name, folder, "log", ("iter", "ntk_dist", "targ_dist", "l2"))
    return {"name": name, "run": run, "dtype": dtype, "log": np.array(log),
            **{key: value for key, value in paper.items() if key.endswith(f"{run}")}}


def starts(name, folder, count):
    """Return initial kernel distances of other teachers."""
    net, _, held = problem(name, folder)
    held, found = training.read(net, held[:BATCH]), []
    for run in range(RUNS[-1] + 1, RUNS[-1] + 1 + count):
        weights, biases = teacher(name, run)
        student = ntt.Student(weights, biases, masks(name, weights))
        goal = ntt.target(net.model, weights, biases, held)
        found.append(ntt.gradient(net.model, student, held, goal,
                                  density=DENSITY[name]).loss.kernel)
    live = []
    for kind in ("MLP", "LeNet"):
        for run in RUNS:
            weights, _ = teacher(kind, run)
            live.append(sum(float((W.astype(float) ** 2 * M).sum()) for W, M in
                            zip(weights, masks(kind, weights), strict=True)))
    return {"starts": np.array(found), "live": np.array(live)}


def gather(results):
    """Return the logs in a dict.

    For published logs, DTYPE is "log".
    """
    found = {}
    for r in results:
        if "log" not in r:
            found |= r
            continue
        name = f"{r['name']} {r['run']}"
        found[f"{name} {r['dtype']}"] = r["log"]
        found |= {f"{name} log": value for key, value in r.items()
                  if key.startswith("paper")}
    return found


def runs(data):
    """Return the names of the runs."""
    return [key.removesuffix(" float32") for key in data if key.endswith(" float32")]


def pair(data, run, other):
    """Return the common steps of two logs.

    The first log is the float32 log.
    """
    ours, other = data[f"{run} float32"], data[f"{run} {other}"]
    last = STEPS["LeNet"] - 100 if run.startswith("LeNet") else ours[-1, 0]
    steps = np.intersect1d(ours[:, 0], other[:, 0])
    steps = steps[steps <= last]            # masks stay the same in the last 100 steps
    return [log[np.isin(log[:, 0], steps)] for log in (ours, other)]


def apart(data, run, other):
    """Return relative differences of kernel distances."""
    ours, other = pair(data, run, other)
    return ours[:, 0], np.abs(ours[:, 1] / other[:, 1] - 1)


def claims(data):
    paper, found = published.values(FIGURE), []
    known = [paper[f"live weights {name} {run}"] for name in ("MLP", "LeNet")
             for run in RUNS]
    found.append(at_most("sum of squared live weights before the transfer: largest "
                         "relative difference from the logs of four runs",
                         np.abs(data["live"] / known - 1).max(), 1e-4))
    for run in runs(data):
        found += judged(data, run) if f"{run} log" in data else [at_most(
            f"{run}: kernel distance after 100 to 300 steps, largest relative "
            "difference of float32 and float64",
            soon(*apart(data, run, "float64")), 2e-4)]
    return found + [
        reported(f"share of further teachers with a first kernel distance of at least "
                 f"that of {run}",
                 (data["starts"] >= data[f"{run} float32"][0, 1]).mean())
        for run in runs(data) if not run.startswith("LeNet")]


def soon(steps, differences):
    """Return the largest difference until step `SOON`."""
    return np.max(differences[steps <= SOON]) if (steps <= SOON).any() else np.nan


def judged(data, run):
    """Yield the claims about a published run."""
    ours, log = pair(data, run, "log")
    steps, kernel = apart(data, run, "log")
    outputs, live = (np.abs(ours[:, i] - log[:, i]) for i in (2, 3))
    rows = [("kernel distance after 100 to 300 steps, largest relative difference from "
             "the log", soon(steps, kernel), 2e-4),
            ("sum of squared live weights after 100 to 300 steps, largest relative "
             "difference from the log", soon(steps, live / log[:, 3]), 2e-4),
            ("output distance after 100 to 300 steps, largest difference from the log",
             soon(steps, outputs), 0.001),
            (f"kernel distance after {steps[-1]:,.0f} steps, relative difference from "
             "the log", kernel[-1], 0.05)]
    for text, value, bound in rows:
        text = f"{run}: {text}"
        yield at_most(text, value, bound) if run.startswith("MLP") \
            else reported(text, value)


def plot(data, fig):
    listed = runs(data)
    names = list(dict.fromkeys(run.split()[0] for run in listed))
    fig.set_size_inches(11, 3.6 * len(names))
    axes = fig.subplots(len(names), 3 if len(names) == 1 else 2).ravel()
    for run in listed:
        name, number = run.split()
        axis, color = axes[names.index(name)], RUN_COLOURS[int(number) - 1]
        for dtype, style in (("float64", ":"), ("float32", "-")):
            if f"{run} {dtype}" in data:
                log = data[f"{run} {dtype}"]
                axis.plot(log[:, 0], log[:, 1], style, color=color, lw=1.4,
                          label=f"run {number}, {dtype}")
        if f"{run} log" in data:
            log = pair(data, run, "log")[1][::1 if name == "LeNet" else 5]
            axis.plot(log[:, 0], log[:, 1], "o", color=color, ms=4, mfc="none",
                      label=f"run {number}, published")
        for other, mark in (("log", "o"), ("float64", ".")):
            if f"{run} {other}" in data:
                steps, differences = apart(data, run, other)
                axes[-2].plot(steps[steps > 0], differences[steps > 0], mark, ms=4,
                              color=color,
                              mfc="none" if name == "MLP" else None,
                              label=f"{run}, {other}")
    for axis, name in zip(axes, names, strict=False):
        axis.set(title=TITLES[name], xlabel="step of transfer", yscale="log",
                 ylabel="kernel distance")
        axis.legend()
    axes[-2].set(xscale="log", yscale="log", xlabel="step of transfer",
                 ylabel="relative difference of kernel distance",
                 title="Difference of runs")
    axes[-2].legend()
    axes[-1].hist(data["starts"], 20, color=colours.GREY)
    for run in listed:
        if run.split()[0] == names[-1]:
            axes[-1].axvline(data[f"{run} float32"][0, 1], label=run,
                             color=RUN_COLOURS[int(run[-1]) - 1])
    axes[-1].set(xlabel="first kernel distance", ylabel="number of teachers",
                 title="Other teachers")
    axes[-1].legend()
