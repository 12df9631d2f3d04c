"""Sparse networks that learn sooner and better: density by density

Masks and weights that Neural Tangent Transfer finds without labels (500
steps), then training with labels (256-300-100-10 on the embedded digits, the
same share of each layer's weights kept), against masks at random, at random
with weights scaled up by 1 / sqrt(density), and by saliency on 100 images:
SNIP, and its form without labels, logit-SNIP.  At the lowest density, 2 %, NTT
ends ahead of random masks by at least 0.03 in test accuracy and ahead of all
others; at 5 % it is ahead of random masks after 100 steps with labels, and
level with them, to 0.02, in the end.

Left: accuracy at the end, the mean of the last five tests, against density;
bars are the standard deviation over seeds.  Right: learning curves at the
density named, one thin line a seed.  Every method starts from the same
dense weights, of one seed, and its training sees the same batches.

At --full: MNIST, 784-300-100-10, 5,000 steps of transfer and 10,000 with
labels (of the published 18,720 and 42,200).  Mirrors the accuracy of [LZ20]
against density, layer by layer; claims are ours.
"""

import numpy as np

from figures.run.claims import Claim, at_least, mean_and_spread
from figures.run import seeds
from figures.ntt import ntt_training

FIGURE, TASK = "ntt", {"full": "mnist"}
FOLDERS = {"full": ("mnist",)}
SIZES = {"digits": (256, 300, 100, 10), "mnist": (784, 300, 100, 10)}
DENSITIES = {"quick": (0.05,), "default": (0.02, 0.05, 0.2),
             "full": (0.01, 0.03, 0.1, 0.3)}
STEPS = {"quick": (200, 200), "default": (500, 800), "full": (5000, 10000)}
RATES = {"digits": 2e-3, "mnist": 5e-4}     # of transfer
REPEATS = {"quick": 1, "default": 6, "full": 3}
EARLY, FIRST = 100, 200                     # steps


def jobs(size, seed, data):
    """The longest first: NTT; the dense network once for all densities."""
    name = TASK.get(size, "digits")
    folder = data if size == "full" else None
    (steps, labelled), low = STEPS[size], DENSITIES[size][0]
    return [(learn, {"name": name, "folder": folder, "method": method,
                     "density": density, "steps": steps, "labelled": labelled,
                     "repeat": repeat, "seed": seed})
            for method in ntt_training.METHODS
            for density in (DENSITIES[size] if method != "dense" else (low,))
            for repeat in range(REPEATS[size])]


def problem(name, folder, seed, repeat):
    """The network, and images in an order that no file has."""
    net = ntt_training.perceptron(*SIZES[name])
    if folder is None:
        return net, ntt_training.digits(seed, repeat)
    images = ntt_training.stored(folder, name)
    order = seeds.rng(seed, FIGURE, "order", 0).permutation(len(images.x))
    return net, images._replace(x=images.x[order], labels=images.labels[order])


def learn(name, folder, method, density, steps, labelled, repeat, seed):
    """A sparse network's learning curve."""
    net, images = problem(name, folder, seed, repeat)
    teacher = net.init(rng=seeds.rng(seed, FIGURE, "weights", repeat))
    student = ntt_training.student(method, net, teacher, images, density,
                                   seeds.rng(seed, FIGURE, f"{method} {density}", repeat),
                                   steps=steps, rate=RATES[name])
    listed = [*range(0, min(FIRST + 1, labelled), 25),
              *range(FIRST + 100, labelled, max(50, labelled // 40))]
    curve = ntt_training.supervise(net, student, images, steps=labelled, every=listed,
                                   rate=1e-3, generator=seeds.rng(seed, FIGURE, "batches",
                                                                  repeat))[2]
    return {"method": method, "density": density, "curve": curve[:, :2]}


def gather(results):
    """{method: (densities, repeats, steps, 2)}, and the densities."""
    densities = list(dict.fromkeys(float(r["density"]) for r in results))
    return {"densities": np.array(densities),
            **{method: np.array([[r["curve"] for r in results if r["method"] == method
                                  and r["density"] == density] for density in densities
                                 if method != "dense" or density == densities[0]])
               for method in ntt_training.METHODS}}


def final(curves):
    """Mean accuracy of the last five tests, (densities, repeats)."""
    return curves[..., -5:, 1].mean(axis=-1)


def early(curves):
    """Accuracy after `EARLY` steps, (densities, repeats)."""
    return curves[:, :, np.abs(curves[0, 0, :, 0] - EARLY).argmin(), 1]


def gap(data, measure, at, other):
    """NTT's mean over repeats minus that of another method."""
    return (measure(data["NTT"])[at] - measure(data[other])[at]).mean()


def shown(densities):
    """Index of the density whose learning curves are drawn."""
    return min(1, len(densities) - 1)


def claims(data):
    densities, digits = data["densities"], data["densities"][0] != 0.01
    low, at = f"{100 * densities[0]:g} %", shown(densities)
    others = [m for m in ntt_training.METHODS if m not in ("NTT", "dense")]
    found = [at_least(f"final test accuracy at {low}, NTT - random masks",
                      gap(data, final, 0, "random"), 0.03 if digits else 0.02),
             at_least(f"final test accuracy at {low}, NTT - best of the others",
                      min(gap(data, final, 0, m) for m in others), 0),
             at_least(f"test accuracy at step {EARLY}, {100 * densities[at]:g} "
                      "%, NTT - random masks", gap(data, early, at, "random"),
                      0)]
    if at:
        found.append(at_least(
            f"final test accuracy at {100 * densities[at]:g} %, NTT - random masks",
            gap(data, final, at, "random"), -0.02))
    for method in ntt_training.METHODS:
        found.append(Claim(
            f"final test accuracy at {low if method != 'dense' else '100 %'}, {method}",
            float(final(data[method])[0].mean()), "shown only", None))
    return found


def plot(data, fig):
    fig.set_size_inches(12.5, 4.6)
    left, middle, right = fig.subplots(1, 3)
    densities, at = data["densities"], shown(data["densities"])
    for i, method in enumerate(ntt_training.METHODS):
        style = {"color": ntt_training.COLOURS[method], "label": method}
        mean, spread = mean_and_spread(final(data[method]), axis=1)
        if method == "dense":
            left.axhline(mean[0], lw=1.2, ls="--", **style)
        else:
            left.errorbar(densities * 1.03 ** (i - 2), mean, spread, lw=1.4,
                          marker=ntt_training.MARKS[method], **style)
        curves = data[method][at if method != "dense" else 0]
        for axis in (middle, right):
            axis.plot(curves[:, :, 0].T, curves[:, :, 1].T, color=style["color"],
                      lw=0.6, alpha=0.4)
            axis.plot(curves[0, :, 0], curves[:, :, 1].mean(axis=0), **style)
    left.set(xscale="log", xlabel="density: share of weights that live",
             ylabel="final test accuracy", title="Trained with labels")
    left.set_xticks(densities, [f"{d:g}" for d in densities])
    left.minorticks_off()
    left.legend()
    middle.set(xlim=(0, FIRST), xlabel="step", ylabel="test accuracy",
               title=f"Density {densities[at]:g}, first steps")
    right.set(xlabel="step", ylabel="test accuracy", title="to the end")
