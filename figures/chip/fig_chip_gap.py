"""Training in the loop and software weights, with increasing mismatch or noise

The top panels show the test accuracy of networks on emulated analog chips.  Some
networks are trained with the chip in the loop.  Further networks are trained in ideal
software (without noise and mismatch), and then transferred to the chip.  The bottom
panels show the test accuracy with the chip in the loop minus the test accuracy with
weights from software.  In the left panels, the time constants and thresholds of
calibrated chips are multiplied by random factors (de-calibration).  In the right
panels, the read noise and the membrane noise are multiplied by a factor.  Small markers
are single runs, and large markers are means.  The vertical lines in the bottom panels
are 95 % confidence intervals of the mean accuracy difference.

In [CB22] fig. 4 B, networks trained in software are less accurate on the calibrated
chip than networks trained in the loop.  On the calibrated emulated chip, training in
the loop and training in software lead to equal accuracies (figure `chip_calibration`).
This figure searches for the smallest mismatch or noise at which training in the loop
increases the accuracy by at least 0.01.  The figure does not show how much mismatch or
noise the real chip has.  In each repetition, all networks start from the same weights
and receive the images in the same order.  In each repetition, all emulated chips are
copies of one calibrated chip, some with increased mismatch or noise.

By default, networks with 100 hidden neurons classify the handwritten digits included in
refsnn ("embedded digits").  With --full, networks with 246 hidden neurons are trained
for 20 epochs on MNIST images of 16x16 pixels.  The number of repetitions was fixed
before the first run.
"""

import numpy as np

from figures.chip import chip_images
from figures.run import claims as verdicts, colours, seeds
from figures.run.claims import own, shown as report
from figures.train import lif_training
from refsnn import chip

FIGURE = "chip_gap"
FOLDERS = {"full": ("mnist",)}
# Standard deviations of de-calibration, %, and factors on the noise.
LEVELS = {"quick": ((20,), (8,)), "default": ((10, 20), (4, 8)),
          "full": ((5, 10, 15, 20), (2, 4, 8))}
SIZES = {"quick": (1, 1, 30), "default": (2, 8, chip_images.HIDDEN["digits"]),
         # repeats, epochs, hidden neurons
         "full": (3, chip_images.EPOCHS["mnist"], chip_images.HIDDEN["mnist"])}
SOFTWARE = "software"
LOST = 0.01                     # accuracy that weights from software lose at least
COLOURS = {"loop": colours.BLUE, "transfer": colours.VERMILION}
NAMES = {"loop": "trained with the chip in the loop",
         "transfer": "trained in software, then transferred"}
ARRAYS = {
    "decalibration": ("chip", "%", "de-calibration of time constants and thresholds"),
    "noise": ("chip", "1", "factor on read noise and membrane noise"),
    "loop": ("chip, run", "accuracy", "test accuracy, chip in the loop"),
    "transfer": ("chip, run", "accuracy", "test accuracy, weights from software"),
    "software": ("run", "accuracy", "test accuracy in ideal software")}


def chips(size):
    """List (de-calibration, noise factor) of all chips."""
    levels, factors = LEVELS[size]
    return [(0, 1), *((level, 1) for level in levels),
            *((0, factor) for factor in factors)]


def label(level, factor):
    """Return the name of a chip."""
    return f"decalibrated-{level}" if level else f"noise-{factor}" if factor > 1 \
        else "calibrated"


def jobs(size, seed, data, repeats=None, epochs=None, hidden=None):
    """Return the training jobs of all networks."""
    task, folder = ("mnist", data) if size == "full" else ("digits", None)
    repeats, epochs, hidden = (given or usual for given, usual in zip(
        (repeats, epochs, hidden), SIZES[size], strict=True))
    listed = []
    for repeat in range(repeats):
        for level, factor in (*chips(size), (None, None)):
            for first, count in chip_images.parts(epochs, task):
                listed.append((learn, {
                    "task": task, "folder": folder, "level": level, "factor": factor,
                    "tests": [] if factor else [list(pair) for pair in chips(size)],
                    "epochs": epochs, "first": first, "count": count, "seed": seed,
                    "repeat": repeat, "hidden": hidden},
                    *([len(listed) - 1] if first else [])))
    return listed


def runner(level, factor, seed, repeat, rng):
    """Return the function that runs a network."""
    if factor is None:
        return chip_images.in_software
    read, membrane, baseline = chip.CALIBRATED.noise
    return chip_images.on_chip(chip_images.drawn(seed, repeat, chip.CALIBRATED._replace(
        noise=(factor * read, factor * membrane, baseline),
        decalibration=(level / 100, level / 100) if level else None)), rng)


def learn(task, folder, level, factor, tests, epochs, first, count, seed, repeat,
          hidden, before=None):
    """Train a network; return weights and accuracies."""
    images = chip_images.load(task, folder, seed, repeat)
    learner = chip_images.unpacked(before) if first else chip_images.begin(
        seeds.rng(seed, FIGURE, "weights", repeat), hidden)
    for epoch in range(first, first + count):
        order, noise = (seeds.rng(seed, FIGURE, f"{what} {repeat}", epoch)
                        for what in ("order", "noise"))
        learner, _ = chip_images.learn(
            runner(level, factor, seed, repeat, noise), learner, images,
            chip_images.RULES[task], order, 1, first=epoch, clamp=factor is not None)
    found = lif_training.packed(*learner)
    if first + count < epochs:
        return found

    def tested(level, factor):
        run = runner(level, factor, seed, repeat, seeds.rng(seed, FIGURE, "test",
                                                            repeat))
        return chip_images.test(run, learner.weights, images).accuracy

    return {**found, "kind": SOFTWARE if factor is None else label(level, factor),
            "level": level or 0, "factor": factor or 1,
            "accuracy": tested(level, factor),
            "transfer": [tested(*pair) for pair in tests]}


def gather(results):
    """Stack the accuracies of all networks."""
    done = [r for r in results if "accuracy" in r]
    soft = [r for r in done if r["kind"] == SOFTWARE]
    loop = {}
    for r in done:
        if r["kind"] != SOFTWARE:
            loop.setdefault((int(r["level"]), int(r["factor"])), []).append(
                r["accuracy"])
    levels, factors = zip(*loop, strict=True)
    return {"decalibration": levels, "noise": factors, "loop": list(loop.values()),
            "transfer": np.array([r["transfer"] for r in soft]).T,
            "software": [r["accuracy"] for r in soft]}


def described(level, factor):
    """Describe a chip in words."""
    return f"{level} % de-calibration" if level else f"noise times {factor}" \
        if factor > 1 else "calibrated chip"


def claims(size):
    """Declare the claims about the differences."""
    full = size == "full"
    data, found = "MNIST" if full else "embedded digits", []
    for key, text, unit in (("decalibrated", "de-calibration", "%"),
                            ("noise", "factor on the noise", "")):
        found.append(report(f"least-{key}", f"{data}: smallest {text} at which weights "
                            f"from software lose at least {LOST}", unit=unit))
    largest = (LEVELS[size][0][-1], 1), (0, LEVELS[size][1][-1])
    for pair in chips(size):
        text = (f"{data}: test accuracy, chip in the loop minus weights from software, "
                f"{described(*pair)}")
        key = f"gap-{label(*pair)}"
        found.append(own(key, text, low=LOST) if full and pair in largest
                     else report(key, text))
    for pair in chips(size):
        found += [report(f"{kind}-{label(*pair)}", f"{data}: test accuracy, "
                         f"{NAMES[kind]}, {described(*pair)}") for kind in NAMES]
    return [*found, report("software", f"{data}: test accuracy, ideal software")]


def lost(values):
    """Compare the accuracy difference with `LOST`."""
    return verdicts.judge(own("lost", "lost", low=LOST), verdicts.measure(values))


def measured(data):
    """Return the numbers of the claims."""
    pairs = list(zip(data["decalibration"].tolist(), data["noise"].tolist(),
                     strict=True))
    gap = dict(zip(pairs, data["loop"] - data["transfer"], strict=True))
    enough = [pair for pair in pairs if lost(gap[pair]).verdict == "holds"]
    found = {"least-decalibrated": min((level for level, _ in enough if level),
                                       default=np.nan),
             "least-noise": min((factor for _, factor in enough if factor > 1),
                                default=np.nan), "software": data["software"]}
    for i, pair in enumerate(pairs):
        found[f"gap-{label(*pair)}"] = gap[pair]
        found |= {f"{kind}-{label(*pair)}": data[kind][i] for kind in NAMES}
    return found


def shown(data):
    """Return what is plotted."""
    return data


def plot(data, fig):
    fig.set_size_inches(11, 7)
    gaps = data["loop"] - data["transfer"]
    axes = fig.subplots(2, 2, sharex="col", sharey="row", height_ratios=(1.2, 1))
    for column, key, other in ((0, "decalibration", data["noise"] == 1),
                               (1, "noise", data["decalibration"] == 0)):
        top, bottom = axes[:, column]
        chosen = np.flatnonzero(other)
        x = data[key][chosen]
        for kind in NAMES:
            accuracy = data[kind][chosen]
            top.plot(x, accuracy, "o", color=COLOURS[kind], ms=4, alpha=0.5)
            top.plot(x, accuracy.mean(axis=1), "o-" if kind == "loop" else "s--",
                     color=COLOURS[kind], lw=2.2, ms=7, mec=colours.BLACK, mew=0.7,
                     label=NAMES[kind])
        gap = gaps[chosen]
        bottom.plot(x, gap, "o", color=colours.GREY, ms=4)
        bottom.plot(x, gap.mean(axis=1), "D-", color=colours.BLACK, lw=1.6, ms=6)
        for at, values in zip(x, gap, strict=True):
            interval = lost(values).interval
            if interval:
                bottom.plot([at, at], interval, color=colours.BLACK, lw=1.2)
        bottom.axhline(0, color=colours.GREY, lw=1)
        bottom.axhline(LOST, color=colours.PURPLE, ls=":", lw=1.6)
    axes[1, 0].set_ylim(min(gaps.min(), 0) - 0.02, max(gaps.max(), LOST) + 0.02)
    axes[0, 0].axhline(data["software"].mean(), color=colours.GREY, ls="--", lw=1.2)
    axes[0, 1].axhline(data["software"].mean(), color=colours.GREY, ls="--", lw=1.2,
                       label="ideal software")
    axes[1, 0].annotate(f"loss of {LOST}", (0.2, LOST), xytext=(0, 3),
                        xycoords=("axes fraction", "data"), textcoords="offset points",
                        color=colours.PURPLE, fontsize=9.5)
    axes[0, 0].set(title="Mismatch", ylabel="test accuracy")
    axes[0, 1].set(title="Noise")
    fig.legend(*axes[0, 1].get_legend_handles_labels(), loc="outside lower center",
               ncols=3)
    axes[1, 0].set(ylabel="in the loop minus\nweights from software",
                   xlabel="standard deviation of time constants and thresholds (%)",
                   xticks=data["decalibration"][data["noise"] == 1])
    axes[1, 1].set(xlabel="factor on read noise and membrane noise", xscale="log",
                   xlim=(0.9, data["noise"].max() * 1.1))
    axes[1, 1].set_xticks(data["noise"][data["decalibration"] == 0].tolist(),
                          data["noise"][data["decalibration"] == 0].tolist())
    axes[1, 1].minorticks_off()
