"""Weights of each unit and of each pixel in NTT masks and in other masks

A mask selects the weights that a network keeps (called "live weights" in the figure).
The top panel shows the density of each layer, which is the fraction of kept weights.
Filled markers are masks with one pruning threshold for the whole network, and open
markers are masks with a separate pruning threshold for each layer.  Error bars are the
standard deviation over seeds.  The dotted line is the density of the whole network.

All panels below the top panel show only the first layer.  The masks in the lower panels
have a separate pruning threshold for each layer.  The middle panels show the number of
kept weights of each input pixel, averaged over seeds.  The last panel of the middle row
shows the standard deviation of the grey level of each pixel over the training images.
In the titles, r is the correlation between two properties of the pixels: the number of
kept weights, and the standard deviation of the grey level.  The bottom left panel shows
the number of kept weights of each hidden unit, in descending order.  Thin lines are
single seeds, and thick lines are means.  The thick line for magnitude masks almost
coincides with the thick line for random masks, because the initial weights are random.
The bottom right panels show the incoming weights of six hidden units for the first
seed.  A blank square is an empty unit, whose weights are all pruned.

Magnitude masks keep the initial weights with the largest absolute values.  Neural
Tangent Transfer (NTT) starts from a magnitude mask, and changes the mask during
training without labels.  SNIP (single-shot network pruning) keeps the weights w for
which `|w dL/dw|` is largest, where L is the loss.  Logit-SNIP replaces L by a function
that needs no labels.  Random masks keep randomly selected weights of each layer or of
the whole network.

In the first layer, the kept weights are counted for each hidden unit, and also for each
pixel.  The variance of the counts is computed over all hidden units, and also over all
pixels.  Each variance is divided by the variance that is expected for random masks
(chance variance).  The chance variance is the mean count times (1 - density).  NTT
masks keep few weights of pixels whose grey level hardly varies between images.
Therefore, the variance of the counts is also computed within groups of 16 pixels.  With
the option --full, each group has 28 pixels.  To form the groups, the pixels are sorted
by the standard deviation of their grey levels.

By default, the images are the handwritten digits included in refsnn, the network has
256-100-50-10 units, the density is 0.1, and NTT takes 500 steps.  With the option
--full, the images are MNIST, the network has 784-300-100-10 units, the density is 0.03,
and NTT takes 18,720 steps, as published.  As in the code of [LZ20], the loss of NTT
contains an L2 penalty with the coefficient 1e-4.  Because this penalty could empty
units, NTT without the penalty is also tested with --full.  With --full, permuted masks
are also tested.  As in the code of [LZ20], a permuted mask is a magnitude mask in which
the incoming weights of each unit are shuffled.  This figure tests what [LZ20] states
about the masks within each layer.
"""

import numpy as np

from figures.run import claims as kinds
from figures.run import colours, seeds
from figures.ntt import ntt_training as training
from refsnn import pruning

FIGURE, PAPER = "ntt_masks", "[LZ20]"
FOLDERS = {"full": ("mnist",)}
METHODS = ("NTT", "magnitude", "SNIP", "logit-SNIP", "random")
FREE, MORE = "NTT without L2", ("NTT without L2", "permuted")   # MORE only with --full
NAMES = {method: method for method in METHODS + MORE} | {
    method: f"{method} masks" for method in ("random", "permuted")}
COLOURS = training.COLOURS | {FREE: colours.SKY, "permuted": colours.ORANGE}
SCOPES = ("global", "layer")
DENSITY = {"digits": 0.1, "mnist": 0.03}
SIZES = {"digits": (256, 100, 50, 10), "mnist": training.SIZES["mnist"]}
STEPS = {"quick": 100, "default": 500, "full": 18720}
REPEATS = {"quick": 1, "default": 3, "full": 3}
LEAST = 4                           # variance per unit of SNIP / of NTT
UNITS = 6                           # number of units whose weights are shown
DRAWN = ("NTT", "SNIP")             # methods of these weights
ARRAYS = {f"{method}_{scope}_{key}": (axes, unit, text + (
    f", masks of {method}, one threshold "
    + {"global": "for the network", "layer": "per layer"}[scope]))
    for method in METHODS + MORE for scope in SCOPES for key, axes, unit, text in (
        ("layers", "run, layer", "1", "density of each layer"),
        ("whole", "run", "1", "density of the whole network"),
        ("counts", "run, unit", "1", "unpruned weights of each unit, first layer"),
        ("pixels", "run, pixel", "1", "unpruned weights of each input pixel"),
        ("units", "run, unit, pixel", "1", "weights of some units of the first layer"),
        ("varies", "run, pixel", "1", "standard deviation of the grey level"))}
PIXELS = ("on MNIST, the masks keep few weights of pixels that hardly vary, such as "
          "those at the border; within groups of pixels of similar standard deviation, "
          "the variance is near the chance variance")
EMPTY = ("the L2 penalty leaves units of the first layer without any live weight in "
         "the NTT masks; without the penalty, no unit is empty; the bound was fixed on "
         "the embedded digits, with 500 steps")


def jobs(size, seed, data, repeats=None, steps=None):
    name = "mnist" if size == "full" else "digits"
    return [(masks, {"name": name, "folder": data if size == "full" else None,
                     "method": method, "scope": scope,
                     "steps": steps or STEPS[size],
                     "repeat": repeat, "seed": seed})
            for method in (METHODS + MORE if size == "full" else METHODS)
            for scope in (SCOPES if method in METHODS else SCOPES[1:])
            for repeat in range(repeats or REPEATS[size])]


def masks(name, folder, method, scope, steps, repeat, seed):
    """Compute masks; return statistics of the masks."""
    _, images = training.problem(name, folder, seed, repeat)
    net = training.perceptron(*SIZES[name])
    teacher = net.init(rng=seeds.rng(seed, FIGURE, "weights", repeat))
    known = "NTT" if method == FREE else method
    student = training.student(known, net, teacher, images, DENSITY[name],
                               seeds.rng(seed, FIGURE, f"{known} {scope}", repeat),
                               scope, steps=steps, rate=training.RATES[name],
                               l2=0 if method == FREE else 1e-4)
    first = student.masks[0]
    whole, layers = pruning.density(student.masks)
    return {"method": method, "scope": scope, "whole": whole, "layers": layers,
            "pixels": first.sum(axis=0), "counts": first.sum(axis=1),
            "units": student.weights[0][:UNITS] * first[:UNITS],
            "varies": images.x.std(axis=0).ravel()}


def gather(results):
    found = {}
    for r in results:
        for key in ("layers", "pixels", "counts", "units", "whole", "varies"):
            found.setdefault(f"{r['method']}_{r['scope']}_{key}", []).append(r[key])
    return {key: np.array(value) for key, value in found.items()}


def follows(data, method):
    """Correlate unpruned weights with the pixels' variability."""
    return np.array([np.corrcoef(a, b)[0, 1] for a, b in
                     zip(data[f"{method}_layer_pixels"], data["NTT_layer_varies"],
                         strict=True)])


def unevenness(counts, density):
    """Return the variance of `counts`, divided by the variance for random masks."""
    return counts.var(axis=1) / counts.mean(axis=1) / (1 - density)


def unevenness_given(varies, counts, density):
    """Return the variance of `counts` within groups of similar pixels.

    Each group contains pixels with similar standard deviations of the grey level.  The
    variance of `counts` is divided by the variance that is expected for random masks.
    """
    order = np.argsort(varies, axis=1)
    groups = np.take_along_axis(counts, order, axis=1)
    side = int(np.sqrt(counts.shape[1]))
    within = groups.reshape(len(counts), side, side).var(axis=2, ddof=1).mean(axis=1)
    return within / counts.mean(axis=1) / (1 - density)


def claims(size):
    pixels, empty = (PIXELS, EMPTY) if size == "full" else ("", "")
    text = "variance of the number of live weights per {}"
    chance = f"{{}}: {text}, relative to chance".format
    found = [
        kinds.own("ntt-unit", chance("NTT", "unit"), low=2),
        kinds.own("ntt-pixel", chance("NTT", "pixel"), high=1.5, cause=pixels,
                  cause_run="`ntt_masks`, claim ntt-pixel-within" * bool(pixels)),
        kinds.shown("ntt-pixel-within", chance("NTT", "pixel") + ", within groups of "
                    "pixels of similar standard deviation")]
    for method in METHODS[2:4]:
        found += [
            kinds.own(f"{method.lower()}-unit", text.format("unit")
                      + f", {method} / NTT", low=LEAST, log=True, cause=empty,
                      cause_run=(f"`ntt_masks`, claim {method.lower()}-closed"
                                 * bool(empty))),
            kinds.own(f"{method.lower()}-pixel", chance(method, "pixel"), low=2)]
    more = MORE if size == "full" else ()
    found += [kinds.own(method, f"{NAMES[method]}: larger of the variances per unit "
                        "and per pixel, relative to chance", high=1.5)
              for method in ("magnitude", "random", *more[1:])]
    found += [kinds.shown("empty-" + method.lower().replace(" ", "-"), "fraction of "
                          f"units without any live weight, {NAMES[method]}")
              for method in METHODS + more]
    if more:
        found += [
            kinds.shown("ntt-without-l2-unit", chance(FREE, "unit")),
            kinds.shown("ntt-without-l2-pixel", chance(FREE, "pixel")),
            kinds.own("empty-closed", "fraction of units without any live weight, NTT: "
                      f"share that {FREE} closes", low=0.5),
            *(kinds.own(f"{method.lower()}-closed", text.format("unit") + f", {method} "
                        f"/ NTT: share of the gap to {LEAST} that {FREE} closes, in "
                        "logarithms", low=0.5) for method in METHODS[2:4])]
    return found + [
        kinds.shown(f"layers-{method.lower()}", f"{method}, one threshold: density of "
                    "the last layer / density of the first layer")
        for method in METHODS[:4]]


def computed(data):
    """Return the methods in the results."""
    return [method for method in METHODS + MORE if f"{method}_layer_counts" in data]


def measured(data):
    density = float(data["NTT_layer_whole"].mean())
    methods = computed(data)
    units, pixels = ({method: unevenness(data[f"{method}_layer_{key}"], density)
                      for method in methods} for key in ("counts", "pixels"))
    found = {"ntt-unit": units["NTT"], "ntt-pixel": pixels["NTT"],
             "ntt-pixel-within": unevenness_given(
                 data["NTT_layer_varies"], data["NTT_layer_pixels"], density)}
    for method in METHODS[2:4]:
        found |= {f"{method.lower()}-unit": units[method] / units["NTT"],
                  f"{method.lower()}-pixel": pixels[method]}
    for method in {"magnitude", "random", "permuted"} & set(methods):
        found[method] = max(units[method], pixels[method], key=np.mean)
    for method in methods:
        found["empty-" + method.lower().replace(" ", "-")] = (
            data[f"{method}_layer_counts"] == 0).mean(axis=1)
    if FREE in methods:
        gain = np.log(units["NTT"] / units[FREE])
        found |= {"ntt-without-l2-unit": units[FREE],
                  "ntt-without-l2-pixel": pixels[FREE],
                  "empty-closed": (1 - found["empty-ntt-without-l2"]
                                   / found["empty-ntt"]),
                  **{f"{method.lower()}-closed": gain / np.log(
                      LEAST * units["NTT"] / units[method]) for method in METHODS[2:4]}}
    for method in METHODS[:4]:
        layers = data[f"{method}_global_layers"]
        found[f"layers-{method.lower()}"] = layers[:, -1] / layers[:, 0]
    return found


def shown(data):
    """Return the plotted arrays."""
    found = {key: value for key, value in data.items() if key.endswith("_layers")
             or key.endswith(("_layer_pixels", "_layer_counts"))}
    return found | {key: data[key] for key in ("NTT_layer_whole", "NTT_layer_varies")} \
        | {f"{method}_layer_units": data[f"{method}_layer_units"][:1]
           for method in DRAWN}


def plot(data, fig):
    fig.set_size_inches(12.5, 9.4)
    top, middle, bottom = fig.subfigures(3, 1, height_ratios=(1, 0.85, 1))
    _plot_layers(data, top.subplots())
    _plot_pixels(data, middle)
    _plot_units(data, bottom)


def _plot_layers(data, axis):
    layers = data["NTT_global_layers"].shape[1]
    methods = computed(data)
    for i, method in enumerate(methods):
        for scope in SCOPES if method in METHODS else SCOPES[1:]:
            mean, spread = training.mean_and_spread(data[f"{method}_{scope}_layers"])
            x = np.arange(layers) + 0.05 * (scope == "layer") \
                + 0.8 / len(methods) * (i - (len(methods) - 1) / 2)
            axis.errorbar(x, mean, spread, ls="", marker="os^vDpX"[i], capsize=2,
                          color=COLOURS[method],
                          mfc=COLOURS[method] if scope == "global" else "none",
                          label=method if scope == "global" or method in MORE else None)
    axis.set(yscale="log", ylabel="density of the layer",
             title="One threshold (filled) or one per layer (open)")
    axis.set_xticks(range(layers), ["first layer", *[f"layer {i}" for i in
                                                     range(2, layers)], "last layer"])
    ticks = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1]
    axis.set_yticks(ticks, [f"{t:g}" for t in ticks])
    axis.minorticks_off()
    everything = np.concatenate([data[f"{m}_global_layers"].ravel() for m in METHODS])
    axis.set_ylim(everything.min() / 1.4, min(1.5, everything.max() * 2.2))
    axis.axhline(data["NTT_layer_whole"].mean(), color=colours.GREY, lw=1, ls=":")
    axis.legend(ncols=7, loc="upper left")


def _image(axis, values, **options):
    side = int(np.sqrt(values.size))
    axis.set(xticks=[], yticks=[])
    axis.grid(False)
    axis.spines[:].set(visible=True, color=colours.GREY)
    return axis.imshow(values.reshape(side, side), **options)


def _plot_pixels(data, fig):
    methods = computed(data)
    axes = fig.subplots(1, len(methods) + 1)
    counts = [data[f"{method}_layer_pixels"].mean(axis=0) for method in methods]
    top = np.percentile(counts, 99.5)
    for axis, method, count in zip(axes, methods, counts, strict=False):
        image = _image(axis, count, vmin=0, vmax=top)
        axis.set_title(method.replace(" ", "\n", 1)
                       + f"\nr = {follows(data, method).mean():.2f}")
    fig.colorbar(image, ax=axes[:-1], label="live weights", extend="max",
                 shrink=0.8)
    image = _image(axes[-1], data["NTT_layer_varies"].mean(axis=0), cmap="gray")
    axes[-1].set_title("standard\ndeviation of\nthe pixel")
    fig.colorbar(image, ax=axes[-1], label="grey level (standardised)", shrink=0.8)


def _plot_units(data, fig):
    left, right = fig.subfigures(1, 2, width_ratios=(1, 2.6))
    axis = left.subplots()
    for method in computed(data):
        counts = np.sort(data[f"{method}_layer_counts"], axis=1)[:, ::-1]
        share = np.linspace(0, 1, counts.shape[1])
        axis.plot(share, counts.T, color=COLOURS[method], lw=0.6, alpha=0.4)
        axis.plot(share, counts.mean(axis=0), color=COLOURS[method],
                  label=method)
    axis.set(xlabel="rank of the unit / number of units", title="First layer",
             ylabel="live weights per unit")
    axis.set_yscale("symlog", linthresh=10)
    axis.set_yticks([0, 5, 10, 20, 50, 100, 200], [0, 5, 10, 20, 50, 100, 200])
    axis.minorticks_off()
    axis.legend(loc="upper right", fontsize=7, labelspacing=0.3)
    axes = right.subplots(2, len(data["NTT_layer_units"][0]))
    for row, method in zip(axes, DRAWN, strict=True):
        units = data[f"{method}_layer_units"][0]
        top = np.abs(units).max()
        for i, (axis, unit) in enumerate(zip(row, units, strict=True)):
            image = _image(axis, unit, cmap="RdBu_r", vmin=-top, vmax=top)
            axis.set_title(f"{method}, unit {i + 1}", fontsize=9.5)
        right.colorbar(image, ax=row, label="weight")
