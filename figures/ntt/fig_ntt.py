"""At low density, layer-wise Neural Tangent Transfer outperforms other layer-wise masks

Neural Tangent Transfer (NTT) computes the weights of a sparse network and a mask, which
selects the weights that are kept. NTT trains each sparse network for 500 steps without
labels. The sparse networks with 256-300-100-10 units are afterwards trained with labels
on the handwritten digits included in refsnn ("embedded digits"), in three runs. Other
pruning methods serve as baselines; their sparse networks start from the initial weights
of the dense network. The random masks keep randomly selected weights, and the magnitude
masks keep the weights with the largest absolute values. The masks of SNIP (single-shot
network pruning), logit-SNIP (SNIP without labels) and GraSP (gradient signal
preservation) are computed from 100 training images. The density of a mask is the
fraction of the weights that are kept. Layer-wise masks have the same density in each
layer; masks with one threshold use the same pruning threshold for all weights of the
network. In the condition "NTT masks", the masks of NTT are applied to the initial
weights of the dense network.

At the lowest density, 2 %, the final test accuracy with layer-wise NTT is at least 0.03
higher than with layer-wise random masks, and at least as high as with every other
layer-wise baseline.  At a density of 5 %, the test accuracy after 100 steps with labels
is at least as high with layer-wise NTT as with layer-wise random masks.  At a density
of 5 %, the final test accuracy of NTT with layer-wise masks is at most 0.02 lower than
with layer-wise random masks.  On the digits included in refsnn, two differences of
accuracies are about as large as their standard errors over three runs: the difference
between NTT and the best baseline, and the difference between NTT and random masks after
100 steps.

The panels show the test accuracy after 100 steps with labels and the final test
accuracy (mean of the last five tests); the horizontal axis is the density of the masks.
Error bars are the standard deviation over runs, and the dashed line is the accuracy of
a dense network.  In each run, all methods start from the same dense network, and all
sparse networks are trained with labels on the same mini-batches.

With the option --full, perceptrons with 784-300-100-10 units are trained on MNIST and
on Fashion-MNIST.  Each perceptron is trained for 18,720 steps of NTT without labels (as
published) and for 18,720 steps with labels (published: 42,200).  Each method has three
runs at densities of 1, 2 and 3 %, and one run at densities of 5, 10 and 20 %.  On MNIST
and on Fashion-MNIST, the perceptrons have the same initial weights.  On MNIST and on
Fashion-MNIST, layer-wise NTT must be at least as accurate as layer-wise random and
magnitude masks at densities of 1, 2 and 3 %.  At a density of 1 %, the layer-wise masks
of NTT, of the magnitude method and of the random method keep 9 of the 1,000 weights of
the output layer (equations (2) and (5) of the module `pruning`).  At least one of the
10 output units therefore has no incoming weight.  At a density of 3 %, the final test
accuracy of layer-wise NTT may be at most 0.01 below the accuracy of the best other
method; NTT with one threshold also counts as another method.  At a density of 3 % and
after 100 steps with labels, layer-wise NTT must be at least as accurate as every other
layer-wise method.

With the option --full, the convolutional network LeNet-5-Caffe is trained on MNIST at
densities of 3 and 10 %, for 3,000 steps of NTT without labels and 5,000 steps with
labels. The convolutional network Conv-4 is trained on CIFAR-10 at a density of 5 %
without dropout, for 3,000 steps of NTT with mini-batches of 16 images and for 5,000
steps with labels. For the network Conv-4, only five pruning methods are compared. Four
methods use layer-wise masks: NTT, NTT masks, random masks and magnitude masks. The
fifth method is SNIP with one threshold. The convolutional networks are trained once for
each density, and no bounds are set on their accuracies. As in [LZ20], the figure shows
the test accuracy against the density of the masks.
"""

import numpy as np

from figures.ntt import ntt_baselines, ntt_training as training
from figures.ntt.ntt_baselines import BOTH, EARLY, SCOPES
from figures.ntt.ntt_baselines import learn, transfer       # noqa: F401, shared jobs
from figures.run.claims import at_least, mean_and_spread, reported, runs

TITLES = {"layer": "layer-wise", "global": "one threshold"}
TASKS = {"full": ("MNIST", "Fashion-MNIST", "LeNet", "Conv-4")}
LOW = (0.01, 0.02, 0.03)            # densities of the claims with --full
FOLDERS = {"full": ("mnist", "fashion_mnist", training.CIFAR)}


def jobs(size, seed, data):
    return ntt_baselines.jobs(size, TASKS.get(size, ("digits",)), seed, data)


def gather(results):
    """Return the test accuracies of all methods.

    Missing accuracies are NaN.
    """
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
    """Return the test accuracies at one density.

    measure : 0 for the test accuracy after `EARLY` steps, 1 for the final test
    accuracy.
    """
    at = int(np.abs(data[f"{name} densities"] - density).argmin())
    return {(method, scope): finite(values[at, :, measure])
            for method, scope in BOTH if scope in scopes
            for values in [data.get(f"{name}: {method}, {scope}")]
            if values is not None}


def finite(values):
    """Return the finite entries of an array."""
    return values[np.isfinite(values)]


def claims(data):
    found = []
    for name in names(data):
        found += small(data) if name == "digits" else large(data, name) \
            if name in ("MNIST", "Fashion-MNIST") else []
        for density in data[f"{name} densities"]:
            for measure, text in enumerate((f"test accuracy at step {EARLY}",
                                            "final test accuracy")):
                for scope in SCOPES:
                    rows = accuracies(data, name, measure, density, (scope,))
                    told = ", ".join(f"{method} {values.mean():.4f}" for (method, _),
                                     values in rows.items())
                    count = runs(len(next(iter(rows.values()), ())))
                    found += [reported(
                        f"{name}, {count}, {100 * density:g} %: "
                        f"{text}, {TITLES[scope]}", told)] * bool(rows)
        found.append(reported(f"{name}: final test accuracy, dense network",
                              finite(data[f"{name}: dense, layer"][0, :, 1])))
    return found


def ahead(rows, *others):
    """Return accuracy differences to the best method."""
    ours = "NTT", "layer"
    return rows[ours] - max((values for row, values in rows.items() if row != ours
                             and (row[0] in others or not others)), key=np.mean)


def small(data):
    """Yield the claims about the digits."""
    low, high = data["digits densities"][[0, -1]]
    text, layer = "at {:g} %, layer-wise NTT minus {}".format, SCOPES[:1]
    final = accuracies(data, "digits", 1, low, layer)
    yield at_least(f"final test accuracy {text(100 * low, 'random masks')}",
                   ahead(final, "random"), 0.03)
    yield at_least(f"final test accuracy {text(100 * low, 'best layer-wise baseline')}",
                   ahead(final, *training.METHODS[2:]), 0)
    random = text(100 * high, "random masks")
    yield at_least(f"test accuracy at step {EARLY} {random}",
                   ahead(accuracies(data, "digits", 0, high, layer), "random"), 0)
    if low < high:
        yield at_least(f"final test accuracy {random}", ahead(
            accuracies(data, "digits", 1, high, layer), "random"), -0.02)


def large(data, name):
    """Yield the claims about MNIST or Fashion-MNIST."""
    layer, runs = SCOPES[:1], len(data[f"{name}: NTT, layer"][0])
    told = f"{name}, {runs} runs, {{:g}} %: {{}}, layer-wise NTT minus {{}}".format
    for density in LOW:
        yield at_least(told(100 * density, "final test accuracy",
                            "better of layer-wise random and magnitude"),
                       ahead(accuracies(data, name, 1, density, layer), "random",
                             "magnitude"), 0)
    yield at_least(told(100 * LOW[-1], "final test accuracy",
                        "best other method, NTT with one threshold included"),
                   ahead(accuracies(data, name, 1, LOW[-1])), -0.01)
    yield at_least(told(100 * LOW[-1], f"test accuracy at step {EARLY}",
                        "best other layer-wise method"),
                   ahead(accuracies(data, name, 0, LOW[-1], layer)), 0)


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
        mean, spread = np.transpose([mean_and_spread(finite(row))
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
