"""Accuracy of sparse networks from Neural Tangent Transfer and from other masks

The two left columns show the test accuracy after 100 steps of training with labels.
The two right columns show the final test accuracy (mean of the last five tests).  The
density is the fraction of kept weights.  Error bars are the standard deviation over
runs, and the dashed line is the accuracy of a dense network.  Layer-wise masks have the
same density in each layer, as in [LZ20].  In the panels titled "one threshold", the
same pruning threshold applies to all layers.  Therefore, the density can differ between
layers.

Neural Tangent Transfer (NTT) trains a sparse network without labels, and selects the
weights that are kept (the mask).  All other methods compute only a mask, and keep the
initial weights of the dense network.  Random masks keep randomly selected weights, and
magnitude masks keep the weights with the largest absolute values.  SNIP (single-shot
network pruning), logit-SNIP (SNIP without labels) and GraSP (gradient signal
preservation) compute masks from 100 training images.  In the condition "NTT masks", the
sparse network has the mask that NTT selects, but the initial weights of the dense
network.  In each run, all methods start from the same dense network, and all sparse
networks are then trained with labels on the same mini-batches.

By default, the networks have 256-300-100-10 units.  The images are the handwritten
digits that are included in refsnn.  Neural Tangent Transfer takes 500 steps.

With the option --full, perceptrons with 784-300-100-10 units are trained on MNIST and
on Fashion-MNIST, with the same initial weights on both data sets.  NTT takes 18,720
steps, as published.  The training with labels takes 18,720 steps in place of the
published 42,200 steps.  Each method is run three times at densities up to 3 %, and once
at higher densities.  At a density of 1 %, a layer-wise magnitude mask keeps only 9 of
the 1,000 weights of the output layer.  In each layer, layer-wise NTT masks and
layer-wise random masks keep the same number of weights as layer-wise magnitude masks.
With only 9 weights, at least one of the 10 output units has no incoming weight.

With the option --full, two convolutional networks without dropout are also trained.
LeNet-5-Caffe is trained on MNIST, at densities of 3 and 10 %.  Conv-4 is trained on
CIFAR-10, at a density of 5 %.  Neural Tangent Transfer takes 3,000 steps.  The sparse
networks are then trained with labels for 5,000 steps.  Each method is run once at each
density.  For Conv-4, Neural Tangent Transfer uses mini-batches of 16 images.  Several
methods are not tested with Conv-4.
"""

import numpy as np

from figures.ntt import ntt_baselines, ntt_training as training
from figures.ntt.ntt_baselines import BOTH, EARLY, SCOPES
from figures.ntt.ntt_baselines import learn, transfer       # noqa: F401, shared jobs
from figures.run import claims as kinds
from figures.run.claims import Published

PAPER = "[LZ20] density curves"
TITLES = {"layer": "layer-wise", "global": "one threshold"}
TASKS = {"full": ("MNIST", "Fashion-MNIST", "LeNet", "Conv-4")}
LOW = (0.01, 0.02, 0.03)            # densities of the claims with --full
HIGH = 0.05                         # highest density of numbers that are only shown
FOLDERS = {"full": ("mnist", "fashion_mnist", training.CIFAR)}
MEASURES = {"early": f"test accuracy at step {EARLY}", "final": "final test accuracy"}
HIGHER = Published("higher accuracy", "[LZ20]", "abstract", "words")
FASTER = Published("faster convergence", "[LZ20]", "abstract", "words")
DIFFERS = ("18,720 training steps with labels in place of 42,200, {} runs in place of "
           "5; uniformly random masks")
SHORT = {"LeNet": "3,000 steps of transfer in place of 18,720, 5,000 with labels in "
                  "place of 42,200, 1 run",
         "Conv-4": "CIFAR-10, no dropout, 3,000 steps of transfer with mini-batches of "
                   "16, 5,000 with labels, 1 run"}
ARRAYS = {key: value for name in ("digits", *TASKS["full"]) for key, value in (
    (f"{name} densities", ("density", "1", "fraction of the weights that are kept")),
    *((f"{name}: {method}, {scope}", (
        "density, run, early or final", "accuracy", f"test accuracy, {method}, masks "
        f"{TITLES[scope]}, at step {EARLY} and at the end; NaN without a run"))
      for method, scope in (*BOTH, ("dense", "layer"))))}


def jobs(size, seed, data, repeats=None, steps=None, labelled=None):
    return ntt_baselines.jobs(size, TASKS.get(size, ("digits",)), seed, data, repeats,
                              steps=steps, labelled=labelled)


def gather(results):
    """Return the test accuracies of all methods, with NaN for missing runs."""
    done, found = [r for r in results if "accuracy" in r], {}
    for r in done:
        rows = found.setdefault(f"{r['name']}: {r['row']}", {})
        rows.setdefault(float(r["density"]), []).append(r["accuracy"])
    answer = {f"{name} densities": np.array(sorted(
        {float(r["density"]) for r in done if r["name"] == name}))
        for name in dict.fromkeys(str(r["name"]) for r in done)}
    for key, rows in found.items():
        runs = max(len(row) for row in rows.values())
        answer[key] = np.array([
            rows[density] + [(np.nan, np.nan)] * (runs - len(rows[density]))
            for density in sorted(rows)])
    return answer


def names(data):
    """Return the names of the tasks."""
    return [key.removesuffix(" densities") for key in data if key.endswith("densities")]


def accuracies(data, name, measure, density, scopes=SCOPES):
    """Return the early (`measure=0`) or the final (`measure=1`) test accuracies."""
    at = int(np.abs(data[f"{name} densities"] - density).argmin())
    return {(method, scope): finite(values[at, :, measure])
            for method, scope in BOTH if scope in scopes
            for values in [data.get(f"{name}: {method}, {scope}")]
            if values is not None}


def finite(values):
    """Return the finite entries of an array."""
    return values[np.isfinite(values)]


def claims(size):
    found = []
    for name in TASKS.get(size, ("digits",)):
        task = ntt_baselines.TASKS[size][name]
        found += small(task) if name == "digits" else large(name, task) \
            if name in ("MNIST", "Fashion-MNIST") else []
        about = {"unit": "accuracy", "differs": SHORT.get(name, "")}
        found += [kinds.shown(
            key(name, f"{method}-{scope}", density), f"{name}, {100 * density:g} %: "
            f"{MEASURES['final']}, {method}, {TITLES[scope]}", **about)
            for density in sorted(task.densities) if density <= HIGH
            for method, scope in task.rows]
        found.append(kinds.shown(key(name, "dense"), f"{name}: {MEASURES['final']}, "
                                 "dense network", **about))
    return found


def key(name, what, density=None):
    """Return the id of a claim."""
    percent = f"-{100 * density:g}" if density else ""
    return f"{name}-{what}{percent}".lower().replace(" ", "-")


def small(task):
    """Yield the claims about the digits."""
    low, high = min(task.densities), max(task.densities)
    rows = [("gain", low, "final", "random masks", 0.03),
            ("best", low, "final", "masks of the best baseline", 0),
            ("faster", high, "early", "random masks", 0)]
    if low < high:
        rows.append(("gain", high, "final", "random masks", -0.02))
    for what, density, measure, other, bound in rows:
        yield kinds.own(key("digits", what, density), f"digits, {100 * density:g} %: "
                        f"{MEASURES[measure]}, layer-wise NTT minus layer-wise {other}",
                        low=bound, unit="accuracy")


def large(name, task):
    """Yield the claims about MNIST or Fashion-MNIST."""
    told = f"{name}, {{:g}} %: {{}}, layer-wise NTT minus {{}}".format
    rows = [*(("gain", density, "final", "better of layer-wise random and magnitude "
               "masks") for density in LOW),
            ("best", LOW[-1], "final", "best other method, NTT with one threshold "
             "included"), ("faster", LOW[-1], "early", "best other layer-wise method")]
    for what, density, measure, other in rows:
        yield kinds.stand_in(
            key(name, what, density), told(100 * density, MEASURES[measure], other),
            HIGHER if measure == "final" else FASTER, ordered=True, unit="accuracy",
            differs=DIFFERS.format(task.densities[density]))


def measured(data):
    found = {}
    for name in names(data):
        if name == "digits":
            found |= measured_small(data)
        elif name in ("MNIST", "Fashion-MNIST"):
            found |= measured_large(data, name)
        for density in data[f"{name} densities"]:
            if density <= HIGH:
                rows = accuracies(data, name, 1, density)
                found |= {key(name, "-".join(row), density): values
                          for row, values in rows.items()}
        found[key(name, "dense")] = finite(data[f"{name}: dense, layer"][0, :, 1])
    return found


def measured_small(data):
    """Compute the claimed numbers for the digits."""
    low, high = data["digits densities"][[0, -1]]
    final, last = (accuracies(data, "digits", 1, density, SCOPES[:1])
                   for density in (low, high))
    early = accuracies(data, "digits", 0, high, SCOPES[:1])
    return {key("digits", "gain", high): ahead(last, "random"),
            key("digits", "gain", low): ahead(final, "random"),
            key("digits", "best", low): ahead(final, *training.METHODS[2:]),
            key("digits", "faster", high): ahead(early, "random")}


def measured_large(data, name):
    """Compute the claimed numbers for `name`."""
    found = {key(name, "gain", density): ahead(accuracies(
        data, name, 1, density, SCOPES[:1]), "random", "magnitude") for density in LOW}
    return found | {
        key(name, "best", LOW[-1]): ahead(accuracies(data, name, 1, LOW[-1])),
        key(name, "faster", LOW[-1]): ahead(accuracies(data, name, 0, LOW[-1],
                                                       SCOPES[:1]))}


def ahead(rows, *others):
    """Return the accuracy of layer-wise NTT minus that of the best other method."""
    ours = "NTT", "layer"
    return rows[ours] - max((values for row, values in rows.items() if row != ours
                             and (row[0] in others or not others)), key=np.mean)


def plot(data, fig):
    listed = names(data)
    fig.set_size_inches(12.5, 1 + 3.2 * len(listed))
    grid = fig.subplots(len(listed), 4, squeeze=False)
    for axes, name in zip(grid, listed, strict=True):
        for i, axis in enumerate(axes):
            _plot_one(data, name, i // 2, SCOPES[i % 2], axis)
        for pair in (axes[:2], axes[2:]):
            low = min(axis.get_ylim()[0] for axis in pair)
            high = max(axis.get_ylim()[1] for axis in pair)
            for axis in pair:
                axis.set_ylim(low, high)
    handles = {}
    for axis in grid.flat:
        handles.update(zip(*reversed(axis.get_legend_handles_labels()), strict=True))
    fig.legend(handles.values(), handles.keys(), loc="outside lower center",
               ncols=len(handles))


def _plot_one(data, name, measure, scope, axis):
    densities = data[f"{name} densities"]
    for i, method in enumerate(training.METHODS):
        kind = scope if method != "dense" else "layer"
        values = data.get(f"{name}: {method}, {kind}")
        if values is None:
            continue
        style = {"color": training.COLOURS[method], "label": method}
        mean, spread = np.transpose([training.mean_and_spread(finite(row))
                                     for row in values[..., measure]])
        if method == "dense":
            axis.axhline(mean[0], lw=1.2, ls="--", **style)
        else:
            axis.errorbar(densities * 1.012 ** (i - 3), mean, spread, lw=1.4, ms=5,
                          marker=training.MARKS[method], **style)
    axis.set(xscale="log", xlabel="density (%)",
             title=f"{name.removesuffix('-MNIST')}, {TITLES[scope]}",
             ylabel=("final test accuracy" if measure
                     else f"test accuracy, step {EARLY}"))
    axis.set_xticks(densities, [f"{100 * d:g}" for d in densities])
    axis.set_xlim(densities[0] / 1.25, densities[-1] * 1.25)
    axis.minorticks_off()
