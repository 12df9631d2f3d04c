"""The path integral of synaptic intelligence on quadratic losses follows theory

Black lines show theoretical values, and markers show simulated values.  In each
simulation, gradient descent minimises a quadratic loss of 12 parameters, and synaptic
intelligence computes the path integral of each parameter.

The top left panel shows `w / Delta^2`, the importance of each parameter without
damping.  Here, w is the path integral of the parameter, and Delta is the total change
of the parameter.  For parameter k, the diagonal entry of the Hessian is H_kk.  For a
diagonal Hessian, the importance of parameter k without damping tends to `H_kk / 2` as
the learning rate tends to 0.  In a quadratic loss with the Hessian H, the square of the
value of parameter k has the coefficient `H_kk / 2`.  A Hessian of rank 1 has one
nonzero eigenvalue.  For a Hessian of rank 1, every parameter has an importance
`w / Delta^2` that tends to half the nonzero eigenvalue as the learning rate tends to 0.
For random Hessians of full rank ("generic"), `w / Delta^2` is large for parameters with
a small total change.  The top middle panel shows the importance `w / (Delta^2 + xi)`
against the damping xi.  The importance is divided by `H_kk / 2`.  The damping limits
the importance of parameters with a small total change.  The top right panel shows the
mean path integral of each parameter over 4,000 random start points (40,000 with
--full).  The start points have a standard normal distribution.  As the learning rate
tends to 0, the expected path integral of parameter k tends to `H_kk / 2`.

The bottom left panel compares the sum of the path integrals of all parameters with the
decrease of the loss.  For small learning rates, the relative difference between the sum
of the path integrals and the decrease of the loss is proportional to the learning rate.
The bottom middle panel shows simulations with gradient noise.  The sum of the path
integrals is divided by the difference between the initial loss and the minimum of the
loss.  The sum of the path integrals increases linearly with the variance of the
gradient noise.  The bottom right panel shows the relative difference between the
simulated and the theoretical path integral of each parameter.  Learning is simulated
with one diagonal Hessian, one Hessian of rank 1, and 40 generic Hessians (400 with
--full).  For the generic Hessians, each marker shows the largest relative difference
between simulation and theory.  This figure tests predictions of [ZPG17].
"""

import numpy as np

from figures.run import claims as kinds
from figures.run import colours, seeds
from figures.run.claims import Published
from figures.si import si_quadratic
from refsnn import si

FIGURE, SIZE, RATE = "si_theory", 12, 1e-3
LARGEST = 4.0                       # largest eigenvalue
KINDS = ("diagonal", "rank 1", "generic")
COLOURS = dict(zip(KINDS, (colours.BLUE, colours.VERMILION, colours.GREEN),
                   strict=True))
MARKS = dict(zip(KINDS, "osD", strict=True))
RATES = (0.003, 0.01, 0.03, 0.1, 0.2, 0.3, 0.4)
SPREADS = (0.0, 0.05, 0.1, 0.2, 0.35, 0.5)      # standard deviations of the noise
NOISY_RATE, NOISY_STEPS = 0.02, 400
XIS = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)
STEPS = {"quick": 5000, "default": 20000, "full": 40000}
RUNS = {"quick": 50, "default": 500, "full": 4000}
STARTS = {"quick": 500, "default": 4000, "full": 40000}
DRAWS = {"quick": 10, "default": 40, "full": 400}
DRAWN = 10                                      # Hessians in the panel of single paths
LIMITS = (0, 25, 50, 75, 100)                   # percentiles in the panel of damping
EXACT = Published(0.0, "[ZPG17]", "section on theory", "second-hand")
TEXTS = {"entry": "diagonal entries of the Hessian", "w": "path integrals",
         "moved": "changes of the parameters", "theory": "predicted path integrals"}
ARRAYS = {
    **{f"{kind} {what}": ("draw, parameter", "1", f"{text}, {kind} Hessian")
       for kind in KINDS for what, text in TEXTS.items()},
    **{f"{kind} damped": ("percentile, xi", "1", "importance divided by half the "
                          f"diagonal entry, {kind} Hessian; percentiles "
                          f"{', '.join(map(str, LIMITS))}, xi 1e-6 to 1")
       for kind in KINDS},
    **{f"{kind} away": ("parameter", "1", "largest relative difference between path "
                        f"integral and theory, {kind} Hessian") for kind in KINDS},
    "start entry": ("parameter", "1", "diagonal entries of the Hessian"),
    "start mean": ("parameter", "1", "path integral, mean over start points"),
    "start error": ("parameter", "1", "standard error of this mean"),
    "step": ("rate", "1", "sum of the path integrals / decrease of the loss"),
    "step theory": ("rate", "1", "prediction of this ratio"),
    "noise": ("spread of the noise, run", "1", "sum of the path integrals / decrease "
              "of the loss, with gradient noise"),
    "noise theory": ("spread of the noise", "1", "prediction of the mean ratio"),
    "noise drawn": ("spread of the noise, statistic", "1", "mean, 5th and 95th "
                    "percentile of this ratio over runs")}


def jobs(size, seed, data, runs=None, points=None, draws=None, steps=None):
    """Return all simulation jobs."""
    return [(trajectories, {"kind": kind, "draws": (draws or DRAWS[size])
                            if kind == "generic" else 1,
                            "steps": steps or STEPS[size], "seed": seed})
            for kind in KINDS] + [
        (starts, {"number": points or STARTS[size], "seed": seed}),
        (inflation, {"runs": runs or RUNS[size], "seed": seed})]


def hessian(kind, generator):
    """Sample a random Hessian."""
    if kind == "diagonal":
        return np.diag(LARGEST * generator.permutation(np.linspace(0.1, 1, SIZE)))
    if kind == "rank 1":
        u = generator.normal(size=SIZE)
        return LARGEST * np.outer(u, u) / (u @ u)
    basis = np.linalg.qr(generator.normal(size=(SIZE, SIZE)))[0]
    return basis * (LARGEST * np.geomspace(0.05, 1, SIZE)) @ basis.T


def descend(H, start, rate, steps, noise=None):
    """Return the path integrals and the final parameters."""
    state, x = si.begin(start), start
    for _ in range(steps):
        g = x @ H if noise is None else x @ H + noise()
        state = si.accumulate(state, -rate * g, g)
        x = x - rate * g
    return state.path_integral, x


def trajectories(kind, draws, steps, seed):
    """Compute path integrals for random Hessians."""
    generator = seeds.rng(seed, FIGURE, kind, 0)
    H = np.array([hessian(kind, generator) for _ in range(draws)])
    start = generator.normal(size=(draws, 1, SIZE))
    w, end = descend(H, start, RATE, steps)
    theory = [si_quadratic.descent(h, x[0], RATE, steps).diagonal()
              for h, x in zip(H, start, strict=True)]
    return {f"{kind} entry": H.diagonal(axis1=1, axis2=2), f"{kind} w": w[:, 0],
            f"{kind} moved": (end - start)[:, 0], f"{kind} theory": np.array(theory)}


def starts(number, seed):
    """Average path integrals over random start points."""
    generator = seeds.rng(seed, FIGURE, "starts", 0)
    H = hessian("generic", generator)
    w, _ = descend(H, generator.normal(size=(number, SIZE)), 0.02, 2000)
    return {"start entry": H.diagonal(), "start mean": w.mean(axis=0),
            "start error": w.std(axis=0, ddof=1) / number ** 0.5}


def inflation(runs, seed):
    """Compare summed path integrals with theory."""
    generator = seeds.rng(seed, FIGURE, "inflation", 0)
    H, start = hessian("generic", generator), generator.normal(size=SIZE)
    found = {"step": [], "step theory": [], "noise": [], "noise theory": []}
    for rate in RATES:
        w, end = descend(H, start, rate, round(40 / rate))
        found["step"].append(w.sum() / dropped(H, start, end))
        theory = si_quadratic.descent(H, start, rate, round(40 / rate))
        found["step theory"].append(theory.trace() / dropped(H, start, end))
    for spread in SPREADS:
        shape = (runs, SIZE)
        w, _ = descend(H, np.tile(start, (runs, 1)), NOISY_RATE, NOISY_STEPS,
                       lambda s=spread, n=shape: s * generator.normal(size=n))
        drop = dropped(H, start, 0 * start)
        found["noise"].append(w.sum(axis=1) / drop)
        found["noise theory"].append(si_quadratic.descent(
            H, start, NOISY_RATE, NOISY_STEPS,
            spread ** 2 * np.eye(SIZE)).trace() / drop)
    return {key: np.array(value) for key, value in found.items()}


def dropped(H, start, end):
    """Return the decrease of the loss."""
    return (start @ H @ start - end @ H @ end) / 2


def gather(results):
    return {key: value for r in results for key, value in r.items()}


def ratio(data, kind, xi=0.0):
    """Divide importances by half the Hessian's diagonal."""
    return 2 * data[f"{kind} w"] / (data[f"{kind} moved"] ** 2 + xi) \
        / data[f"{kind} entry"]


def claims(size):
    return [
        kinds.own("path", "largest relative difference between a path integral and "
                  "theory", high=1e-9),
        kinds.reproduction("diagonal", "diagonal Hessian: largest relative difference "
                           "between w / Delta^2 and half the diagonal entry", EXACT,
                           tolerance=5e-3),
        kinds.reproduction("rank-one", "Hessian of rank 1: largest relative difference "
                           "between w / Delta^2 and half the eigenvalue", EXACT,
                           tolerance=5e-3),
        kinds.own("generic", "generic Hessian: largest w / Delta^2, relative to half "
                  "the diagonal entry", low=10),
        kinds.own("damping", "generic Hessian: largest importance relative to half the "
                  "diagonal entry, damping 0.1 / no damping", high=0.5),
        kinds.reproduction("starts", "isotropic starts: largest relative difference "
                           "between the mean path integral and half the diagonal entry",
                           EXACT, tolerance=0.1),
        kinds.own("step", "finite steps: largest relative difference of sum(w) / drop "
                  "of the loss from theory", high=1e-9),
        kinds.own("exponent", "finite steps: |exponent - 1| of the power law of sum(w) "
                  "/ drop - 1 at small learning rates", high=0.05),
        kinds.own("noise", "gradient noise: largest relative difference of the mean "
                  "sum(w) / drop of the loss from theory", high=0.05),
        kinds.own("noise-sum", f"gradient noise of {SPREADS[-1]:g}: sum(w) / drop of "
                  "the loss", low=2)]


def measured(data):
    half = LARGEST / 2 * data["rank 1 moved"] ** 2
    slope = np.polyfit(np.log(RATES[:3]), np.log(data["step"][:3] - 1), 1)[0]
    noise = data["noise"].mean(axis=1)
    largest = ratio(data, "generic").max()
    return {
        "path": max(away(data, kind).max() for kind in KINDS),
        "diagonal": abs(ratio(data, "diagonal") - 1).max(),
        "rank-one": abs(data["rank 1 w"] / half - 1).max(),
        "generic": largest, "damping": ratio(data, "generic", 0.1).max() / largest,
        "starts": abs(2 * data["start mean"] / data["start entry"] - 1).max(),
        "step": abs(data["step"] / data["step theory"] - 1).max(),
        "exponent": abs(slope - 1),
        "noise": abs(noise / data["noise theory"] - 1).max(),
        "noise-sum": data["noise"][-1]}


def away(data, kind):
    """Return the largest relative error per parameter."""
    return abs(data[f"{kind} w"] / data[f"{kind} theory"] - 1).max(axis=0)


def shown(data):
    """Return the plotted part of the data."""
    found = {key: value for key, value in data.items()
             if key.startswith(("start", "step")) or key == "noise theory"}
    for kind in KINDS:
        found |= {f"{kind} {what}": data[f"{kind} {what}"][:DRAWN]
                  for what in ("entry", "w", "moved")}
        found[f"{kind} away"] = away(data, kind)
        found[f"{kind} damped"] = np.transpose([np.percentile(
            ratio(data, kind, xi), LIMITS) for xi in XIS])
    noise = data["noise"]
    return found | {"noise drawn": np.stack(
        [noise.mean(axis=1), *np.percentile(noise, (5, 95), axis=1)], axis=1)}


def plot(data, fig):
    fig.set_size_inches(12.5, 7.4)
    axes = fig.subplots(2, 3)
    _plot_single(data, axes[0, 0])
    _plot_damping(data, axes[0, 1])
    _plot_starts(data, axes[0, 2])
    _plot_steps(data, axes[1, 0])
    _plot_noise(data, axes[1, 1])
    _plot_runs(data, axes[1, 2])


def _plot_single(data, axis):
    ends = np.array([data["generic entry"].min() / 2, LARGEST * 1.1])
    axis.plot(ends, ends / 2, color=colours.BLACK, lw=1.4,
              label="half the diagonal entry")
    axis.axhline(LARGEST / 2, ls=":", color=colours.BLACK, lw=1.4,
                 label="half the eigenvalue (rank 1)")
    for kind in KINDS:
        w = data[f"{kind} w"] / data[f"{kind} moved"] ** 2
        axis.plot(data[f"{kind} entry"].ravel(), w.ravel(), MARKS[kind],
                  color=COLOURS[kind], ms=6 if kind != "generic" else 3.5, label=kind,
                  alpha=0.5 if kind == "generic" else 1, mec="none")
    axis.set(xscale="log", yscale="log", title="Single paths",
             xlim=(3e-3, 1.3 * LARGEST), ylabel="w$_k$ / Delta$_k^2$",
             xlabel="diagonal entry of the Hessian, H$_{kk}$")
    axis.set_ylim(3e-2, 3e4)
    axis.legend(fontsize=9, loc="upper left", ncols=1)


def _plot_damping(data, axis):
    for kind in KINDS:
        least, low, median, high, most = data[f"{kind} damped"]
        for ends, alpha in (((least, most), 0.12), ((low, high), 0.3)):
            axis.fill_between(XIS, *ends, lw=0, color=COLOURS[kind], alpha=alpha)
        axis.plot(XIS, median, MARKS[kind] + "-", color=COLOURS[kind], label=kind)
    axis.axhline(1, color=colours.BLACK, lw=1.2)
    axis.set(xscale="log", yscale="log", ylim=(1e-3, None),
             xlabel="damping xi (unit of Delta squared)",
             ylabel="importance / half the diagonal entry",
             title="Damping: median, quartiles, range")
    axis.legend(fontsize=9, title="Hessian", title_fontsize=9)


def _plot_starts(data, axis):
    entry = data["start entry"]
    ends = np.array([0, entry.max() * 1.08])
    axis.plot(ends, ends / 2, color=colours.BLACK, lw=1.4,
              label="half the diagonal entry")
    axis.errorbar(entry, data["start mean"], 2 * data["start error"], fmt="D",
                  color=colours.GREEN, label="mean, 2 standard errors")
    axis.set(xlabel="diagonal entry of the Hessian, H$_{kk}$", xlim=(0, None),
             ylim=(0, None), ylabel="mean path integral w$_k$",
             title="Isotropic starts of unit variance")
    axis.legend(fontsize=9)


def _plot_steps(data, axis):
    axis.plot(RATES, data["step theory"] - 1, color=colours.BLACK, lw=1.4,
              label="theory")
    axis.plot(RATES, data["step"] - 1, "o", color=colours.BLUE, label="simulated")
    axis.plot(RATES, (data["step theory"][0] - 1) * np.array(RATES) / RATES[0], ":",
              color=colours.GREY, label="slope 1")
    axis.set(xscale="log", yscale="log", xlabel="learning rate (1 / curvature)",
             ylabel="sum(w) / drop of the loss - 1", title="Finite learning rates")
    axis.legend(fontsize=9)


def _plot_noise(data, axis):
    spreads = np.array(SPREADS)
    axis.plot(spreads, data["noise theory"], color=colours.BLACK, lw=1.4,
              label="theory, mean")
    mean, *parts = data["noise drawn"].T
    axis.fill_between(spreads, *parts, color=colours.ORANGE, alpha=0.25, lw=0,
                      label="90 % of the runs")
    axis.plot(spreads, mean, "o", color=colours.ORANGE,
              label="simulated, mean")
    axis.set(xlabel="standard deviation of the gradient noise", ylim=(0, None),
             ylabel="sum(w) / drop of the loss",
             title=f"Gradient noise, rate {NOISY_RATE:g}, {NOISY_STEPS} steps")
    axis.legend(fontsize=9)


def _plot_runs(data, axis):
    for kind in KINDS:
        axis.plot(np.arange(1, SIZE + 1), np.maximum(data[f"{kind} away"], 1e-17),
                  MARKS[kind], color=COLOURS[kind], label=kind)
    axis.axhline(1e-9, color=colours.GREY, ls=":", lw=1.2)
    axis.annotate("bound", (1, 1e-9), xycoords=("axes fraction", "data"), ha="right",
                  va="bottom", color=colours.GREY, fontsize=9.5)
    axis.set(yscale="log", xlabel="parameter", ylim=(1e-17, 1e-7),
             ylabel="relative difference",
             title="si.accumulate against theory")
    axis.legend(fontsize=9, title="Hessian", title_fontsize=9)
