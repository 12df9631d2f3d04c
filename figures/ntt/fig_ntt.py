"""At low density, Neural Tangent Transfer outperforms random masks

Neural Tangent Transfer (NTT) finds masks and weights without labels in 500 steps.  The
sparse networks have 256-300-100-10 units and the same density in each layer.  After the
transfer, the sparse networks are trained with labels on the embedded digits.  The
baselines are random masks, random masks with weights scaled by 1 / sqrt(density), SNIP
and logit-SNIP.  SNIP and logit-SNIP use 100 images, and logit-SNIP needs no labels.  At
the lowest density, 2 %, the final test accuracy with NTT is at least 0.03 higher than
with random masks, and at least as high as with every other baseline.  After 100 steps
with labels at a density of 5 %, the test accuracy is at least as high with NTT as with
random masks.  At the end of training, the test accuracy with NTT is at most 0.02 lower
than with random masks.

The left panel shows the final accuracy (mean of the last five tests) against the
density.  Error bars are the standard deviation over seeds.  The other panels show the
learning curve of each seed.  The panel title states the density.  For each seed, all
methods start from the same dense weights and train on the same mini-batches.

With --full, the data are MNIST, and the network has 784-300-100-10 units.  The transfer
has 5,000 steps (published: 18,720).  The training has 10,000 steps (published: 42,200).
Like [LZ20], this figure plots accuracy against density.  This project chose the claims.
"""

import numpy as np

from figures.run.claims import Claim, at_least, mean_and_spread
from figures.run import seeds
from figures.ntt import ntt_training as training

FIGURE, TASK = "ntt", {"full": "mnist"}
FOLDERS = {"full": ("mnist",)}
SIZES = {"digits": (256, 300, 100, 10), "mnist": (784, 300, 100, 10)}
DENSITIES = {"quick": (0.05,), "default": (0.02, 0.05, 0.2),
             "full": (0.01, 0.03, 0.1, 0.3)}
STEPS = {"quick": (200, 200), "default": (500, 800), "full": (5000, 10000)}
RATES = {"digits": 2e-3, "mnist": 5e-4}     # learning rates of the transfer
REPEATS = {"quick": 1, "default": 6, "full": 3}
EARLY, FIRST = 100, 200                     # steps


def jobs(size, seed, data):
    """Return the training jobs, with the longest jobs (NTT) first.

    The dense network is trained once per repetition, not once per density.
    """
    name = TASK.get(size, "digits")
    folder = data if size == "full" else None
    (steps, labelled), low = STEPS[size], DENSITIES[size][0]
    return [(learn, {"name": name, "folder": folder, "method": method,
                     "density": density, "steps": steps, "labelled": labelled,
                     "repeat": repeat, "seed": seed})
            for method in training.METHODS
            for density in (DENSITIES[size] if method != "dense" else (low,))
            for repeat in range(REPEATS[size])]


def problem(name, folder, seed, repeat):
    """Return the network, and the training and test images in random order."""
    net = training.perceptron(*SIZES[name])
    if folder is None:
        return net, training.digits(seed, repeat)
    images = training.stored(folder, name)
    order = seeds.rng(seed, FIGURE, "order", 0).permutation(len(images.x))
    return net, images._replace(x=images.x[order], labels=images.labels[order])


def learn(name, folder, method, density, steps, labelled, repeat, seed):
    """Train a sparse network with labels; return its learning curve."""
    net, images = problem(name, folder, seed, repeat)
    teacher = net.init(rng=seeds.rng(seed, FIGURE, "weights", repeat))
    student = training.student(method, net, teacher, images, density,
                               seeds.rng(seed, FIGURE, f"{method} {density}", repeat),
                               steps=steps, rate=RATES[name])
    listed = [*range(0, min(FIRST + 1, labelled), 25),
              *range(FIRST + 100, labelled, max(50, labelled // 40))]
    curve = training.supervise(net, student, images, steps=labelled, every=listed,
                               rate=1e-3, generator=seeds.rng(seed, FIGURE, "batches",
                                                              repeat))[2]
    return {"method": method, "density": density, "curve": curve[:, :2]}


def gather(results):
    """Return the densities, and one array of learning curves for each method."""
    densities = list(dict.fromkeys(float(r["density"]) for r in results))
    return {"densities": np.array(densities),
            **{method: np.array([[r["curve"] for r in results if r["method"] == method
                                  and r["density"] == density] for density in densities
                                 if method != "dense" or density == densities[0]])
               for method in training.METHODS}}


def final(curves):
    """Return the mean test accuracy over the last five tests.

    The result is of shape (densities, repeats).
    """
    return curves[..., -5:, 1].mean(axis=-1)


def early(curves):
    """Return the test accuracy after `EARLY` training steps.

    The result is of shape (densities, repeats).
    """
    return curves[:, :, np.abs(curves[0, 0, :, 0] - EARLY).argmin(), 1]


def gap(data, measure, at, other):
    """Return the difference in test accuracy between NTT and another method.

    The difference is averaged over repetitions.  `measure` is `final` or `early`, and
    `at` is the index of the density.
    """
    return (measure(data["NTT"])[at] - measure(data[other])[at]).mean()


def shown(densities):
    """Return the index of the density whose learning curves are drawn."""
    return min(1, len(densities) - 1)


def claims(data):
    densities, digits = data["densities"], data["densities"][0] != 0.01
    low, at = f"{100 * densities[0]:g} %", shown(densities)
    others = [m for m in training.METHODS if m not in ("NTT", "dense")]
    found = [at_least(f"final test accuracy at {low}, NTT minus random masks",
                      gap(data, final, 0, "random"), 0.03 if digits else 0.02),
             at_least(f"final test accuracy at {low}, NTT minus best other method",
                      min(gap(data, final, 0, m) for m in others), 0),
             at_least(f"test accuracy at step {EARLY}, {100 * densities[at]:g} "
                      "%, NTT minus random masks", gap(data, early, at, "random"),
                      0)]
    if at:
        found.append(at_least(
            f"final test accuracy at {100 * densities[at]:g} %, NTT minus random masks",
            gap(data, final, at, "random"), -0.02))
    for method in training.METHODS:
        found.append(Claim(
            f"final test accuracy at {low if method != 'dense' else '100 %'}, {method}",
            float(final(data[method])[0].mean()), "shown only", None))
    return found


def plot(data, fig):
    fig.set_size_inches(12.5, 4.6)
    left, middle, right = fig.subplots(1, 3)
    densities, at = data["densities"], shown(data["densities"])
    for i, method in enumerate(training.METHODS):
        style = {"color": training.COLOURS[method], "label": method}
        mean, spread = mean_and_spread(final(data[method]), axis=1)
        if method == "dense":
            left.axhline(mean[0], lw=1.2, ls="--", **style)
        else:
            left.errorbar(densities * 1.03 ** (i - 2), mean, spread, lw=1.4,
                          marker=training.MARKS[method], **style)
        curves = data[method][at if method != "dense" else 0]
        for axis in (middle, right):
            axis.plot(curves[:, :, 0].T, curves[:, :, 1].T, color=style["color"],
                      lw=0.6, alpha=0.4)
            axis.plot(curves[0, :, 0], curves[:, :, 1].mean(axis=0), **style)
    left.set(xscale="log", xlabel="density (share of live weights)",
             ylabel="final test accuracy", title="Training with labels")
    left.set_xticks(densities, [f"{d:g}" for d in densities])
    left.minorticks_off()
    left.legend()
    middle.set(xlim=(0, FIRST), xlabel="step", ylabel="test accuracy",
               title=f"Density {densities[at]:g}, first steps")
    right.set(xlabel="step", ylabel="test accuracy",
              title=f"Density {densities[at]:g}, all steps")
