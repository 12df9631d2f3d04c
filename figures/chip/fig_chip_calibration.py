"""Training in the loop compensates for mismatch of an emulated chip

The left panel shows the test accuracy against the size of random parameter errors
(de-calibration) of emulated chips.  The right panel shows the relative increase of the
test error against the fraction of hidden neurons that are silenced after training.
Small markers are single seeds, large markers are means over seeds, and stars are
published values.

Spiking networks on emulated analog chips classify the handwritten digits included in
refsnn ("embedded digits").  The networks have 256 inputs, 100 hidden neurons and 10
readouts.  For a de-calibration of 30 %, the time constants and thresholds of a
calibrated chip are multiplied by random factors with mean 1 and standard deviation 0.3.
If the standard deviation of the random factors is 0.5, some thresholds lie below the
leak potential.  Neurons with such thresholds fire without input.

Some networks are trained with the chip in the loop: the forward pass runs on the
de-calibrated chip, and the backward pass uses the nominal time constants and
thresholds.  Other networks are trained in ideal software (without noise and mismatch).
The weights from software are clipped to the range of the chip, rounded, and transferred
to the chip.  Further networks are trained on a twin of the de-calibrated chip, and then
transferred to the de-calibrated chip.  The twin is a second emulated chip.  The neuron
parameters of the twin are measured from spikes and membrane potentials of the
de-calibrated chip.  The networks in the right panel were trained with the calibrated
chip in the loop.

With --full, networks with 246 hidden neurons are trained for 20 epochs on MNIST images
of 16x16 pixels.  This figure corresponds to [CB22] fig. 4, which uses MNIST.
"""

import functools

import numpy as np

from figures.chip import chip_images
from figures.run import colours, seeds
from figures.run.claims import Published, own, shown as report, stand_in
from refsnn import calibration, chip

FIGURE = "chip_calibration"
FOLDERS = {"full": ("mnist",)}
LEVELS = {"quick": (0, 30), "default": (0, 30, 50),          # de-calibration, %
          "full": (0, 15, 30, 50)}
TWIN = 30                           # de-calibration of chips with a twin, %
# Effects that a twin shares with the chip; mismatch and latency are measured.
SHARED = ("weight_limit", "fan_in", "refractory", "noise", "adc_limit", "hidden_peak",
          "headroom", "timing", "loss")
SHARES = (0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4)      # shares of silenced neurons
DRAWS = {"digits": 3, "mnist": 10}  # random selections of silenced neurons per share
DROPOUT = 0.4
COLOURS = {"loop": colours.BLUE, "transfer": colours.VERMILION,
           "twin": colours.GREEN}
NAMES = {"loop": "trained with the chip in the loop",
         "twin": "trained on a twin of the chip, then transferred",
         "transfer": "trained in software, then transferred"}
DROPPED = {"silenced": "without dropout", "silenced-dropout": "with 40 % dropout"}
RISE = {name: Published(value, "[CB22]", "fig. 4 C", "read")
        for name, value in (("silenced", 0.37), ("silenced-dropout", 0.10))}
HARDLY, GROWS, LOWER = (Published(value, "[CB22]", "fig. 4 B", "words") for value in (
    0.0, "the gap grows dramatically", "weights from software are less accurate"))
SMALL = "the embedded digits are smaller and easier than MNIST"
DIFFERS = ("an emulated chip in place of the real one; 20 epochs in place of 100; "
           "factor 4 in place of 10 on the class scores")
BOTH = "; time constants and thresholds de-calibrated together only"
ARRAYS = {
    "level": ("level", "%", "de-calibration"),
    "loop": ("level, run", "accuracy", "test accuracy, chip in the loop"),
    "restless": ("level, run", "1", "number of neurons that fire without input"),
    "transfer": ("level, run", "accuracy", "test accuracy, weights from software"),
    "twin": ("run", "accuracy", f"test accuracy at {TWIN} %, weights from a twin"),
    "software": ("run", "accuracy", "test accuracy in ideal software"),
    "silenced": ("dropout, run, share", "accuracy",
                 "test accuracy with silenced neurons, without and with dropout")}


def jobs(size, seed, data, levels=None, repeats=None, epochs=None, hidden=None):
    """Return one job for each trained network."""
    task, folder = ("mnist", data) if size == "full" else ("digits", None)
    levels = tuple(sorted({0, TWIN, *(LEVELS[size] if levels is None else levels)}))
    shared = [{"task": task, "folder": folder, "epochs": epochs or (
                   1 if size == "quick" else chip_images.EPOCHS[task]),
               "seed": seed, "repeat": repeat, **({"hidden": hidden} if hidden else {})}
              for repeat in range(repeats or (1 if size == "quick" else 2))]
    conditions = [*((level, 0.0) for level in levels), (0, DROPOUT)]
    draws, sweeps = ({"draws": 2}, {"sweeps": 1}) if size == "quick" else ({}, {})
    return [(learn, {"level": level, "dropout": dropout, **kwargs, **draws})
            for level, dropout in conditions for kwargs in shared] + [
        (transfer, {"levels": levels, **kwargs}) for kwargs in shared] + [
        (copied, {**kwargs, **sweeps}) for kwargs in shared]


def drawn(level, seed, repeat):
    """Sample a de-calibrated chip."""
    return chip_images.drawn(seed, repeat, chip.CALIBRATED._replace(
        decalibration=(level / 100, level / 100) if level else None))


def begun(task, folder, seed, repeat, hidden):
    """Return images, random generator and untrained network."""
    generator = seeds.rng(seed, FIGURE, task, f"{repeat}, from 0")
    return (chip_images.load(task, folder, seed, repeat), generator,
            chip_images.begin(generator, hidden or chip_images.HIDDEN[task]))


def learn(task, folder, level, dropout, epochs, seed, repeat, hidden=None, draws=None):
    """Train with the chip in the loop."""
    images, generator, learner = begun(task, folder, seed, repeat, hidden)
    noise = seeds.rng(seed, FIGURE, f"noise all {level}", f"{repeat}, from 0")
    run = chip_images.on_chip(drawn(level, seed, repeat), noise)
    rule = chip_images.RULES[task]._replace(dropout=dropout)
    learner, _ = chip_images.learn(run, learner, images, rule, generator, epochs)
    scores = chip_images.test(run, learner.weights, images)
    result = {"kind": "loop", "level": level, "dropout": dropout,
              "accuracy": scores.accuracy, "restless": restless(run, learner.weights)}
    if level == 0:
        cut = seeds.rng(seed, FIGURE, "silenced", repeat)
        result["silenced"] = np.array([np.mean([chip_images.test(
            run, chip_images.silenced(learner.weights, cut, share), images).accuracy
            for _ in range((draws or DRAWS[task]) if share else 1)])
            for share in SHARES])
    return result


def restless(run, weights):
    """Count neurons that fire without input."""
    x = np.zeros((chip_images.STEPS, 4, weights.hidden.shape[1]), np.float32)
    return int((run(weights, x).spikes.mean(axis=(0, 1)) > 0.05).sum())


def transfer(task, folder, levels, epochs, seed, repeat, hidden=None):
    """Train in software; test on de-calibrated chips."""
    images, generator, learner = begun(task, folder, seed, repeat, hidden)
    software, found = chip_images.in_software, []
    learner, _ = chip_images.learn(software, learner, images, chip_images.RULES[task],
                                   generator, epochs)
    for level in levels:
        noise = seeds.rng(seed, FIGURE, f"transfer all {level}", repeat)
        run = chip_images.on_chip(drawn(level, seed, repeat), noise)
        found.append(chip_images.test(run, learner.weights, images).accuracy)
    return {"kind": "transfer", "accuracy": found,
            "software": chip_images.test(software, learner.weights, images).accuracy}


def copied(task, folder, epochs, seed, repeat, hidden=None, sweeps=8):
    """Test weights from an emulated twin."""
    images, generator, learner = begun(task, folder, seed, repeat, hidden)
    noise = seeds.rng(seed, FIGURE, f"twin {TWIN}", repeat)
    real = drawn(TWIN, seed, repeat)
    found = calibration.measure(functools.partial(chip.emulate, real, rng=noise),
                                repeats=sweeps)
    effects = chip.only(chip.CALIBRATED, *SHARED)
    model = chip.draw(0, effects._replace(timing=(0.0, effects.timing[1])))
    run = chip_images.on_chip(calibration.twin(model, found), noise)
    learner, _ = chip_images.learn(run, learner, images, chip_images.RULES[task],
                                   generator, epochs)
    return {"kind": "twin", "accuracy": chip_images.test(
        chip_images.on_chip(real, noise), learner.weights, images).accuracy}


def gather(results):
    """Stack the results of all networks."""
    loop, sent, twins = ([r for r in results if r["kind"] == kind]
                         for kind in ("loop", "transfer", "twin"))
    plain, dropped = ([r for r in loop if (r["dropout"] > 0) == wanted]
                      for wanted in (False, True))
    levels = list(dict.fromkeys(int(r["level"]) for r in plain))

    def stack(name):
        return [[r[name] for r in plain if r["level"] == level] for level in levels]

    return {"level": levels, "loop": stack("accuracy"), "restless": stack("restless"),
            "transfer": np.array([r["accuracy"] for r in sent]).T,
            "twin": [r["accuracy"] for r in twins],
            "software": [r["software"] for r in sent],
            "silenced": [[r["silenced"] for r in runs if r["level"] == 0]
                         for runs in (plain, dropped)]}


def grown(data):
    """Return relative increases of the test error."""
    error = 1 - data["silenced"]
    return error / np.maximum(error[:, :, :1].mean(axis=1, keepdims=True), 1e-3) - 1


def claims(size):
    """Declare the claims about test accuracies."""
    full, data = size == "full", "MNIST" if size == "full" else "embedded digits"
    lost = f"{data}: test accuracy lost at 30 % de-calibration, "
    more = lost + "weights from software minus chip in the loop"
    gap = (f"{data}: test accuracy on the calibrated chip, chip in the loop minus "
           "weights from software")
    if full:
        found = [
            stand_in("lost-30", lost + "chip in the loop", HARDLY,
                     differs=DIFFERS + BOTH),
            stand_in("gap-30", more, GROWS, ordered=True, differs=DIFFERS + BOTH,
                     headline="30 % de-calibration: accuracy lost, software weights "
                     "minus chip in the loop"),
            stand_in("gap-0", gap, LOWER, ordered=True, differs=DIFFERS,
                     cause="the mismatch and the noise of the calibrated emulated chip "
                     "are perhaps too small")]
    else:
        found = [own("lost-30", lost + "chip in the loop", high=0.02),
                 own("gap-30", more, low=0.03),
                 report("gap-0", gap, published=LOWER, why=SMALL)]
    found.append(own("loop-0", f"{data}: test accuracy on the calibrated chip, chip in "
                     "the loop", low=chip_images.LEARNT))
    for name, text in DROPPED.items():
        text = (f"{data}: relative rise of the test error when 15 % of the hidden "
                f"neurons are silenced, {text}")
        found.append(stand_in(name, text, RISE[name], tolerance=0.1, differs=DIFFERS)
                     if full else report(name, text, published=RISE[name], why=SMALL))
    found.append(own("twin-share", lost + "relative to ideal software, weights from a "
                     "twin / weights from software", high=0.5))
    at = f"{data}: test accuracy at {{}} % de-calibration, {{}}"
    found += [report("software-0", at.format(0, "weights from software")),
              report("loop-30", at.format(30, "chip in the loop")),
              report("twin-30", at.format(30, "weights from a twin")),
              report("software-30", at.format(30, "weights from software"))]
    return found + [
        report("loop-50", at.format(50, "chip in the loop")),
        report("software-50", at.format(50, "weights from software")),
        report("restless-50", f"{data}: hidden neurons that fire without input at 50 % "
               "de-calibration")] * (50 in LEVELS[size])


def measured(data):
    """Return the numbers of the claims."""
    at = {level: i for i, level in enumerate(data["level"].tolist())}
    loop, sent = ({level: data[name][i] for level, i in at.items()}
                  for name in ("loop", "transfer"))
    lost, twin = loop[0] - loop[30], data["software"] - data["twin"]
    written = data["software"] - sent[30]
    rises = grown(data)[:, :, SHARES.index(0.15)]
    found = {
        "lost-30": lost, "gap-30": sent[0] - sent[30] - lost,
        "gap-0": loop[0] - sent[0], "loop-0": loop[0],
        **dict(zip(DROPPED, rises, strict=True)),
        "twin-share": np.where(written > 0, twin / np.where(written > 0, written, 1),
                               np.nan),
        "software-0": sent[0], "loop-30": loop[30], "twin-30": data["twin"],
        "software-30": sent[30]}
    if 50 in at:
        found |= {"loop-50": loop[50], "software-50": sent[50],
                  "restless-50": data["restless"][at[50]]}
    return found


def shown(data):
    """Return what is plotted."""
    return data


def plot(data, fig):
    fig.set_size_inches(11, 4.8)
    left, right = fig.subplots(1, 2, width_ratios=(1.25, 1))
    for kind, level, accuracy, mark in (
            ("loop", data["level"], data["loop"], "o"),
            ("transfer", data["level"], data["transfer"], "o"),
            ("twin", [TWIN], data["twin"][None], "D")):
        left.plot(level, accuracy, mark, color=COLOURS[kind], ms=4, alpha=0.5)
        left.plot(level, accuracy.mean(axis=1), mark + "-", color=COLOURS[kind], lw=2.2,
                  ms=8, mec=colours.BLACK, mew=0.7, label=NAMES[kind])
    left.axhline(data["software"].mean(), color=colours.GREY, ls="--", lw=1.2)
    left.annotate("ideal software", (data["level"].max(), data["software"].mean()),
                  (0, 4), textcoords="offset points", ha="right", color=colours.GREY)
    left.set(title="De-calibrated chips", ylabel="test accuracy", ylim=(0, 1.04),
             xlabel="standard deviation of time constants and thresholds (%)")
    left.legend(loc="lower left")
    for (name, colour, style), error in zip(
            (("without dropout", colours.PURPLE, "s-"),
             ("with 40 % dropout", colours.GREEN, "o-")), grown(data), strict=True):
        right.plot(100 * np.array(SHARES), 100 * error.T, style[0], color=colour, ms=4,
                   alpha=0.5)
        right.plot(100 * np.array(SHARES), 100 * error.mean(axis=0), style, lw=2.2,
                   ms=6, color=colour, label=name)
    for (name, text), colour in zip(DROPPED.items(), (colours.PURPLE, colours.GREEN),
                                    strict=True):
        right.plot(15, 100 * RISE[name].value, "*", color=colour, mec=colours.BLACK,
                   mew=0.6, ms=13, label=f"published, {text}")
    right.set(title="Neurons silenced after training",
              xlabel="silenced hidden neurons (%)",
              ylabel="relative increase of the test error (%)")
    right.legend(loc="upper left")
