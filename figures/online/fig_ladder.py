"""Local learning rules need little memory, and their gradients are not exact

Panel a shows the relative error of approximate gradients against the strength of the
recurrent weights.  Panel b shows the cosine of the angle between approximate and exact
gradients.  Panel c shows the relative error of the gradient of truncated
backpropagation through time (BPTT) against the number of backpropagated time steps.
Panel d shows the relative error of the gradient of SnAp-n, the sparse n-step
approximation of real-time recurrent learning (RTRL).  Panel e shows how the memory of
each learning rule depends on the number of neurons.  Panel f shows the computing time
of one time step against the number of neurons.  Lines are means, and bands show the
range over networks.

Each gradient of the loss is compared with the exact gradient, which is computed by
BPTT.  The gradient of RTRL is exact.  Truncated BPTT is exact if it covers all time
steps.  SnAp-n keeps the effect of a weight on a neuron only if the effect passes
through at most n synapses.  The first synapse that SnAp-n counts is the synapse to
which the weight belongs.  In a ring of n neurons, SnAp-n is therefore exact.  The rules
"block", "implicit", "presynaptic" and "e-prop" are described in the caption of the
figure `delay`.

In a layer with n neurons and n inputs, the memory of exact RTRL grows as `n^3`, and the
memory of the rule "block" as `n^2`.  The rule "presynaptic" stores two traces per input
and two per neuron.  The memory of the rule "presynaptic" is therefore linear in n.

A layer of 16 recurrent leaky integrate-and-fire neurons with subtractive reset receives
16 Poisson inputs for 50 ms.  The loss is the squared difference between the output of a
leaky readout and a smooth random target, summed over time.  The recurrent weights, in
units of the spike threshold, are sampled from a normal distribution with mean 0 and
standard deviation s / 4.  The strength s is varied in panels a and b.  The strength s
is 1 in panel c and in the sparse layer of panel d.  The relative error of a gradient g
is `|g - G| / |G|`, where G is the exact gradient for all input and recurrent weights.

For the rule "e-prop", the neurons of the layer are replaced by adaptive neurons, but
the weights are unchanged.  The gradient of e-prop is compared with the exact gradient
of the adaptive layer.  The rules approximate the derivative of the spikes with respect
to the weights.  All rules compute the derivatives of the readout exactly.  In the ring
of 6 neurons, each neuron excites the next neuron with weight 1.  In the sparse layer,
about one tenth of the recurrent weights are non-zero.

The memory of a rule is the size of the float32 arrays that must be kept between two
time steps, for one input sequence.  The computing time includes argument checks and the
computation of the gradient.  The plotted computing time is the shortest of several
repetitions.  This figure does not correspond to a published figure.  A translation of
the paper [NMZ19] states that the memory of RTRL grows as n^3.
"""

import time

import numpy as np

from figures.run import colours, seeds
from figures.run.claims import Published, own, shown as report, stand_in
from figures.train import lif_training
from refsnn import (alif, bptt, encoding, lif, losses, rtrl, snap, sparse_rtrl,
                    surrogates)

FIGURE, PAPER = "ladder", "[ZN21]"
NEURONS, STEPS, BATCH, OUTPUTS, RATE_HZ = 16, 50, 4, 4, 60.0
STEEPNESS, SCALE = 5.0, 2.0
CONSTANTS = lif_training.Net().constants()
ADAPTIVE = {"rho": float(np.exp(-1 / 100)), "adaptation": 0.2}
STRENGTHS = (0.0, 0.1, 0.3, 1.0, 3.0)
RING, DENSITY, ORDERS = 6, 0.1, 6
RULES = ("RTRL", "block", "implicit", "presynaptic", "e-prop (ALIF)")
SIZES = {"quick": (8, 16, 32), "default": (8, 16, 32, 64, 128),
         "full": (8, 16, 32, 64, 128, 256)}
LARGER = (256, 512, 1024)           # further sizes, for all rules except RTRL
REPEATS = {"quick": (2, 3), "default": (10, 15), "full": (50, 25)}
COSTED = ("exact", "block", "implicit", "presynaptic")
NAMES = dict(zip(COSTED, RULES, strict=False))
COLOURS = dict(zip((*RULES, "exact"), (
    colours.BLACK, colours.BLUE, colours.GREEN, colours.PURPLE, colours.ORANGE,
    colours.BLACK), strict=True))
FLOOR = 1e-17                       # plotted value of a difference of 0
ERRORS = "relative error and memory (as a share of RTRL)"
ARRAYS = {
    "deviation": ("run, strength, rule, quantity", "1",
                  "relative error, and 1 minus cosine, of the gradient of a rule"),
    "truncated": ("run, horizon", "1", "relative error of truncated BPTT"),
    "sparse": ("run, order, quantity", "1", f"{ERRORS} of SnAp-n, sparse layer"),
    "ring": ("run, order, quantity", "1", f"{ERRORS} of SnAp-n, ring of neurons"),
    "rule": ("measurement", "", "rule whose cost is measured"),
    "neurons": ("measurement", "1", "number of neurons"),
    "bytes": ("measurement", "byte", "memory that is kept between two steps"),
    "seconds": ("measurement", "s", "shortest computing time of a step")}


def jobs(size, seed, data, networks=None, repeats=None, sizes=None):
    """Return the jobs for gradients and costs."""
    networks, repeats = networks or REPEATS[size][0], repeats or REPEATS[size][1]
    larger = () if sizes or size == "quick" else LARGER
    sizes = sizes or SIZES[size]
    return [(deviate, {"seed": seed, "network": i}) for i in range(networks)] \
        + [(cost, {"seed": seed, "rule": rule, "neurons": n, "repeats": repeats})
           for rule in COSTED
           for n in sorted({*sizes, *(larger if rule != "exact" else ())})]


def weights(generator, n, strength, density=1.0):
    """Sample input and recurrent weights."""
    W = SCALE * generator.standard_normal((n, n)) / np.sqrt(n)
    V = generator.standard_normal((n, n)) * (generator.random((n, n)) < density)
    return W, strength * V / np.sqrt(n * density)


def problem(generator, n):
    """Sample input spikes, readout weights and target."""
    rates = np.full((BATCH, n), RATE_HZ)
    x = encoding.poisson(rates, STEPS, lif_training.DT_S, generator).astype(float)
    x[0] = 1                                # all inputs spike in the first step
    W_out, teacher = generator.standard_normal((2, OUTPUTS, n)) / np.sqrt(n)
    return x, W_out, lif.readout(x, teacher, **CONSTANTS)


def credit(spikes, W_out, target):
    """Return dL/d(spikes) for the squared error L."""
    dout = losses.square(lif.readout(spikes, W_out, **CONSTANTS), target)[1]
    return lif.readout_backward(spikes, W_out, dout, **CONSTANTS).dx


def surrogate(v):
    return surrogates.fast_sigmoid(v, STEEPNESS)[1]


def flat(gradient):
    return np.concatenate([part.ravel() for part in gradient[:2]])


def compared(found, exact):
    """Compare a gradient with the exact gradient."""
    cosine = found @ exact / np.linalg.norm(found) / np.linalg.norm(exact)
    return np.linalg.norm(found - exact) / np.linalg.norm(exact), max(0, 1 - cosine)


def ladder(x, W, V, W_out, target):
    """Return the gradient error of each rule."""
    run = lif.simulate(x, W, V, **CONSTANTS)
    psi, dspikes = surrogate(run.mem - 1), credit(run.spikes, W_out, target)
    args = (x, V, run, psi, dspikes)
    exact = flat(lif.backward(x, W, V, run, psi, dspikes, **CONSTANTS))
    rows = [compared(flat(sparse_rtrl.gradient(*args, rule=rule, **CONSTANTS)), exact)
            for rule in COSTED]
    run = alif.simulate(x, W, V, **ADAPTIVE, **CONSTANTS)
    psi = surrogate(run.mem - ADAPTIVE["adaptation"] * run.adapted - 1)
    dspikes = credit(run.spikes, W_out, target)
    J, F = alif.linearise(x, W, V, run, psi, **ADAPTIVE, **CONSTANTS)
    exact = bptt.gradient(J, F, alif.credit(run, psi, dspikes,
                                            adaptation=ADAPTIVE["adaptation"]))
    found = alif.gradient(x, V, run, psi, dspikes, **ADAPTIVE, **CONSTANTS)
    return rows + [compared(flat(found), exact)]


def arrays(x, W, V, W_out, target):
    """Return the arguments of `bptt.gradient`."""
    run = lif.simulate(x, W, V, **CONSTANTS)
    psi = surrogate(run.mem - 1)
    J, F, _ = lif.linearise(x, W, V, run, psi, **CONSTANTS)
    return J, F, lif.credit(psi, credit(run.spikes, W_out, target))


def snapped(system, V):
    """Return gradient error and memory of SnAp-n."""
    exact, n, rows = bptt.gradient(*system), len(V), []
    owner = snap.owners(n, n)
    for order in range(1, ORDERS + 1):
        pattern = snap.reach(V, order)
        share = snap.stored(owner, pattern, 2 * n) / (len(owner) * 2 * n)
        rows.append((compared(snap.gradient(*system, owner, pattern), exact)[0], share))
    return rows


def deviate(seed, network):
    """Return all gradient errors of one network."""
    generator = seeds.rng(seed, FIGURE, "deviate", network)
    x, W_out, target = problem(generator, NEURONS)
    W, V = weights(generator, NEURONS, 1.0)
    found = [ladder(x, W, s * V, W_out, target) for s in STRENGTHS]
    J, F, q = arrays(x, W, V, W_out, target)
    exact = bptt.gradient(J, F, q)
    truncated = [compared(bptt.truncated(J, F, q, K), exact)[0]
                 for K in range(1, STEPS)]
    few, thin = weights(generator, NEURONS, 1.0, DENSITY)
    sparse = snapped(arrays(x, few, thin, W_out, target), thin)
    x, W_out, target = problem(generator, RING)
    W = weights(generator, RING, 1.0)[0]
    V = np.roll(np.eye(RING), 1, axis=0)
    return {"deviation": found, "truncated": truncated, "sparse": sparse,
            "ring": snapped(arrays(x, W, V, W_out, target), V)}


def cost(seed, rule, neurons, repeats):
    """Measure memory and computing time."""
    generator = seeds.rng(seed, FIGURE, rule, neurons)
    x, now, V = (generator.random(shape).astype(np.float32) for shape in (
        (1, neurons), (4, 1, neurons), (neurons, neurons)))
    V /= 2 * neurons
    one, two, seconds, total = None, None, [], 0
    for r in range(repeats + 2):            # the first two allocate the buffers
        start = time.perf_counter()
        if rule == "exact":
            one, two = sparse_rtrl.lif_step(one, x, V, *now, rule=rule, out=two,
                                            **CONSTANTS), one
            total = total + rtrl.step_gradient(one.mem, now[0])
        else:
            one = sparse_rtrl.lif_step(one, x, V, *now, rule=rule, **CONSTANTS)
            total = total + now[0].T * one.mem[0]
        seconds += [time.perf_counter() - start] * (r > 1)
    return {"rule": rule, "neurons": neurons, "bytes": sum(a.nbytes for a in one),
            "seconds": min(seconds)}


def gather(results):
    """Stack gradient errors, memory and computing times."""
    networks = [r for r in results if "deviation" in r]
    found = {name: np.array([r[name] for r in networks])
             for name in ("deviation", "truncated", "sparse", "ring")}
    steps = [r for r in results if "rule" in r]
    return found | {name: np.array([r[name] for r in steps])
                    for name in ("rule", "neurons", "bytes", "seconds")}


def exponent(data, rule, name, largest=None):
    """Fit a power law; return its exponent."""
    own = np.asarray(data["rule"]).astype(str) == rule
    n, value = np.asarray(data["neurons"])[own], np.asarray(data[name])[own]
    kept = np.argsort(n)[-(largest or len(n)):]
    return float(np.polyfit(np.log(n[kept]), np.log(value[kept]), 1)[0])


def claims(size):
    largest = "largest relative error of the gradient"
    published = Published(3, "[NMZ19]", "text", "second-hand")
    ids = {rule: rule.split()[0].lower() for rule in RULES}
    return [
        stand_in("rtrl", f"RTRL: {largest}, all strengths",
                 Published(0, "[ZN21]", "abstract", "words"), tolerance=1e-10,
                 differs="random networks of refsnn"),
        own("bptt", f"BPTT truncated after {STEPS - 1} steps of {STEPS}: {largest}",
            high=1e-10),
        own("snap", f"SnAp-{RING} in a ring of {RING} neurons: {largest}", high=1e-10),
        own("no-recurrence", f"block and implicit without recurrence: {largest}",
            high=1e-10),
        *[report(f"smallest-error-{ids[rule]}", f"{rule}: smallest relative error of "
                 "the gradient, strength 1") for rule in RULES[1:]],
        *[report(f"cosine-{ids[rule]}", f"{rule}: cosine to the exact gradient, "
                 "strength 1") for rule in RULES[1:]],
        *[report(f"memory-{ids[rule]}", f"{rule}: exponent of the memory in n, counted",
                 published=published if rule == "RTRL" else None,
                 why="the exponent is that of a formula, and cannot differ"
                 if rule == "RTRL" else "") for rule in NAMES.values()],
        *[report(f"time-{ids[rule]}", f"{rule}: exponent of the time of a step in n, "
                 "three largest n, one computer") for rule in NAMES.values()]]


def measured(data):
    error, usual = data["deviation"][..., 0], STRENGTHS.index(1.0)
    found = {"rtrl": error[:, :, 0].max(), "bptt": data["truncated"][:, -1].max(),
             "snap": data["ring"][:, RING - 1, 0].max(),
             "no-recurrence": error[:, 0, 1:3].max()}
    for k, rule in enumerate(RULES[1:], 1):
        name = rule.split()[0].lower()
        found |= {f"smallest-error-{name}": error[:, usual, k].min(),
                  f"cosine-{name}": 1 - data["deviation"][:, usual, k, 1]}
    for rule, name in NAMES.items():
        found |= {f"memory-{name.lower()}": exponent(data, rule, "bytes"),
                  f"time-{name.lower()}": exponent(data, rule, "seconds", 3)}
    return found


def shown(data):
    return data


def plot(data, fig):
    fig.set_size_inches(12.5, 7.8)
    (errors, cosines, cut), (snaps, memory, seconds) = fig.subplots(2, 3)
    _plot_ladder(errors, data["deviation"][..., 0])
    errors.set(ylabel="relative error", title="a  Error of each rule")
    errors.set_ylim(bottom=-0.05)
    worst = data["deviation"][:, :, 0, 0].max()
    errors.legend(errors.get_lines(), [f"RTRL (at most {worst:.0e})", *RULES[1:]],
                  loc="upper left")
    _plot_ladder(cosines, 1 - data["deviation"][..., 1])
    cosines.set(ylabel="cosine", title="b  Cosine with the exact gradient",
                ylim=(min(0, 1 - 1.05 * data["deviation"][..., 1].max()), 1.04))
    _plot_band(cut, np.arange(1, STEPS), data["truncated"], colours.VERMILION)
    cut.set(yscale="log", xlabel="horizon K (steps)",
            ylabel="relative error", title="c  Truncated BPTT")
    _plot_snap(data, snaps)
    for ax, name, unit, title in ((memory, "bytes", 1, "e  Memory"),
                                  (seconds, "seconds", 1e3, "f  Time of a step")):
        _plot_cost(ax, data, name, unit)
        ax.set(title=title, xlabel="neurons n (and as many inputs)")
    memory.set_ylabel("bytes passed on per step")
    seconds.set_ylabel("ms (float32, one sequence)")


def _plot_band(ax, x, values, colour, label=None, style="o-", floor=FLOOR):
    """Plot mean and range over all networks."""
    values = np.maximum(values, floor)
    ax.fill_between(x, values.min(axis=0), values.max(axis=0), color=colour,
                    alpha=0.15, lw=0)
    ax.plot(x, values.mean(axis=0), style, color=colour, label=label, ms=4)


def _plot_ladder(ax, values):
    for k, rule in enumerate(RULES):
        _plot_band(ax, range(len(STRENGTHS)), values[:, :, k], COLOURS[rule], rule,
                   floor=-1)
    ax.set(xlabel="strength of recurrence", xticks=range(len(STRENGTHS)),
           xticklabels=[f"{s:g}" for s in STRENGTHS])


def _plot_snap(data, ax):
    for name, colour, label, offset in (
            ("ring", colours.BLUE, f"ring of {RING}", (3, 6)),
            ("sparse", colours.VERMILION, f"{NEURONS} neurons, one weight in ten",
             (-4, -13))):
        _plot_band(ax, np.arange(1, ORDERS + 1), data[name][..., 0], colour, label)
        for order, share in enumerate(data[name][..., 1].mean(axis=0), 1):
            level = max(data[name][:, order - 1, 0].mean(), FLOOR)
            ax.annotate(f"{share:.0%}", (order, level), xytext=offset, fontsize=8.5,
                        textcoords="offset points", color=colour,
                        ha="left" if offset[0] > 0 else "right")
    ax.set(yscale="log", xlabel="n of SnAp-n (labels: share of RTRL memory)",
           ylabel="relative error", title="d  SnAp-n", xlim=(0.5, ORDERS + 0.7))
    ax.legend(loc="lower left")


def _plot_cost(ax, data, name, unit):
    rules, n = np.asarray(data["rule"]).astype(str), np.asarray(data["neurons"])
    for rule in COSTED:
        own = rules == rule
        slope = exponent(data, rule, name, None if name == "bytes" else 3)
        ax.plot(n[own], data[name][own] * unit, "o:" if rule == "implicit" else "o-",
                color=COLOURS[rule], ms=7 if rule == "block" else 4,
                label=f"{NAMES[rule]}: n^{slope:.2f}")
    sizes = sorted(set(n.tolist()))
    ax.set(xscale="log", yscale="log")
    ax.set_ylim(top=300 * data[name].max() * unit)
    ax.set_xticks(sizes, [str(size) for size in sizes])
    ax.minorticks_off()
    ax.legend(loc="upper left", handlelength=1.6)
