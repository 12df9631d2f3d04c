"""On a time grid, gradients of spike times have errors of first order

Simulations in time steps are compared with the exact, event-based simulation of the
module `eventprop`.  Panels a to d show errors against the length of the time step.
Panel a shows the errors of the spike times, and panel b shows the errors of the loss.
Panel c shows the errors of the gradient with respect to the weights.  Panel d shows the
errors of the gradient with respect to the input spike times.  The loss is a weighted
sum of all spike times, with random positive coefficients.  The relative error of a
gradient is computed for each neuron separately.  The gradient error of a network is the
median of the gradient errors of its neurons.  Lines in panels a to e show medians over
networks, and bands show quartiles.  Three integration schemes are compared.  The scheme
"euler" is the explicit Euler method.  The scheme "held" assumes that the current does
not change during a step, as in `lif`.  The scheme "exact" uses the exact solution
between spikes.  If each spike is placed at the end of its time step (solid lines), the
errors of all schemes are proportional to the time step.  With the scheme "exact",
linear interpolation of spike times (dashed lines) leads to errors that are proportional
to the squared time step.  Panel e shows the share of neurons whose number of spikes
differs from that in the exact simulation.  Neurons with a different number of spikes
are left out in panels a to d.

Panel f shows why the gradients of some neurons have much larger errors than the median.
A neuron receives one input spike, and its potential U crosses the threshold shortly
before the maximum of U.  The gradient of the spike time with respect to the weight is
proportional to `1/(dU/dt)`, where dU/dt is the slope of U at the crossing.  The slope
is nearly 0 close to the maximum of U.  The potential U can cross the threshold at any
time within a time step.  However, a simulation in time steps computes dU/dt from the
current at the end of the step.  If U reaches its maximum within a few steps after the
crossing, the computed dU/dt is too small or has the wrong sign.  With interpolated
spike times, the gradient is accurate if U reaches its maximum at least one step after U
crosses the threshold.

Panel g shows the cosine of the angle between the surrogate gradient of the same
networks and the exact gradient, for three losses sum_i a_i sum_k f(t_k), where neuron i
spikes at the times t_k.  A surrogate gradient follows mainly the number of spikes,
which the exact gradient of spike times keeps fixed.  The two gradients therefore agree
if earlier and more spikes have the same effect on the loss (f = exp(-t/20 ms)), and
have opposite directions for f = t.  The cosine is not an error of either gradient.

Each network is one layer of 8 neurons (membrane time constant 20 ms, synaptic time
constant 5 ms), and receives 60 input spikes at whole milliseconds.  This figure does
not correspond to a published figure.
"""

import numpy as np

from figures.run import colours, seeds
from figures.run.claims import own, shown as report
from figures.spike_times import time_grid as grid
from refsnn import eventprop, lif, surrogates

FIGURE = "spike_time_grid"
SCHEMES = ("euler", "held", "exact")
FORMS = ("at the end of the step", "interpolated")
QUANTITIES = ("spike times", "loss", "W", "input times")
TAUS, UNTIL = (20e-3, 5e-3), 70e-3                          # s
EXACT = {"tau_mem": TAUS[0], "tau_syn": TAUS[1]}
STEPS = {"quick": (1e-3, 1e-4, 1e-5), "default": (1e-3, 1e-4, 1e-5, 1e-6)}      # s
REPEATS = {"quick": 1, "default": 8, "full": 20}
LOSSES = ("exp(-t/20 ms)", "t", "cos(2 pi t/30 ms)")
TOUCH = 1e-4                                                # s, step of panel f
ARRAYS = {
    "dt": ("step", "s", "time steps"),
    "error": ("step, scheme, form, quantity, network", "see the quantity",
              "in s for spike times, otherwise relative; NaN if no neuron is left"),
    "changed": ("step, scheme, form, network", "1", "share of neurons with another "
                "number of spikes"),
    "rate": ("network", "1", "spikes per neuron"),
    "slope": ("network", "1 / s", "smallest slope of U / threshold at a spike"),
    "ahead": ("case", "1", "steps from the crossing to the maximum of U"),
    "touch": ("form, case", "1", "relative error of the gradient by the weight; NaN if "
              "the spike is missed"),
    "cosine": ("loss, network", "1", "cosine of surrogate and exact gradient")}


def jobs(size, seed, data, repeats=None):
    """Return one job for each network."""
    dts = STEPS["quick" if size == "quick" else "default"]
    return [(compare, {"dts": dts, "seed": seed, "repeat": repeat})
            for repeat in range(repeats or REPEATS[size])]


def drawn(seed, repeat, n=8, m=20, S=60):
    """Return input spikes, weights and a generator."""
    rng = seeds.rng(seed, FIGURE, 0, repeat)
    return (np.sort(rng.integers(0, 60, S)), rng.integers(0, m, S),
            rng.normal(0.5, 0.7, (n, m)), rng)


def ranks(units, n):
    """Return spike ranks and spike counts."""
    found = np.zeros(len(units), int)
    for i in range(n):
        found[units == i] = np.arange((units == i).sum())
    return found, np.bincount(units, minlength=n)


def compare(dts, seed, repeat):
    """Compare all schemes with the exact simulation."""
    ms, inputs, W, rng = drawn(seed, repeat)
    rec = eventprop.simulate([ms * 1e-3], [inputs], W, until=UNTIL, **EXACT)
    rank, counts = ranks(rec.units[0], len(W))
    factors = rng.uniform(0.5, 1.5, (len(W), 200))
    weights = factors[rec.units[0], rank]
    error = np.zeros((len(dts), len(SCHEMES), len(FORMS), len(QUANTITIES)))
    changed = np.zeros(error.shape[:3])
    for s, c, f in np.ndindex(changed.shape):
        options = {"steps": round(UNTIL / dts[s]), "dt": dts[s], "taus": TAUS,
                   "scheme": SCHEMES[c]}
        arrivals = np.rint(ms * 1e-3 / dts[s]).astype(int)
        found = grid.simulate(arrivals, inputs, W, between=bool(f), **options)
        other, others = ranks(found.units, len(W))
        same = counts == others
        order, own = (np.lexsort((k, units)) for k, units in (
            (rank, rec.units[0]), (other, found.units)))
        times = rec.times[0][order][same[rec.units[0][order]]]
        moved = found.times[own][same[found.units[own]]] - times
        g = weights[order][same[rec.units[0][order]]]
        kept = factors[found.units, np.minimum(other, 199)] * same[found.units]
        dW, darrival = grid.backward(kept, arrivals, inputs, W, found, **options)
        exact = eventprop.backward([weights * same[rec.units[0]]], [inputs], W, None,
                                   rec, **EXACT)
        live = same & (counts > 0)
        changed[s, c, f] = 1 - same.mean()
        if not live.any():
            error[s, c, f] = np.nan
            continue
        pairs = (dW, exact.dW), (darrival, exact.ddelays)
        error[s, c, f] = [
            np.abs(moved).mean(), abs(g @ moved) / (g @ times),
            *(np.median(np.linalg.norm(a - b, axis=1)[live]
                        / np.linalg.norm(b, axis=1)[live]) for a, b in pairs)]
    return {"dt": np.array(dts), "error": error, "changed": changed,
            "rate": counts.mean(), "slope": rec.slope[0],
            "cosine": cosines(ms, inputs, W, rec, rng),
            **(touching() if repeat == 0 else {})}


def cosines(ms, inputs, W, rec, rng, dt=1e-4):
    """Return cosines of surrogate and exact gradients."""
    T = round(UNTIL / dt)
    x = np.zeros((T, 1, W.shape[1]))
    np.add.at(x, (np.rint(ms * 1e-3 / dt).astype(int), 0, inputs), 1.0)
    beta = np.exp(-dt / TAUS[0])
    model = {"alpha": np.exp(-dt / TAUS[1]), "beta": beta, "gain": 1 - beta,
             "reset": "zero"}
    run = lif.simulate(x, W, **model)
    psi = surrogates.fast_sigmoid(run.mem - 1, 10.0)[1]
    a, found = rng.normal(size=len(W)), []
    for f, slope in ((lambda t: np.exp(-t / 20e-3), lambda t: -np.exp(-t / 20e-3)
                      / 20e-3), (lambda t: t, np.ones_like), (
            lambda t: np.cos(2 * np.pi * t / 30e-3),
            lambda t: -2 * np.pi / 30e-3 * np.sin(2 * np.pi * t / 30e-3))):
        dspikes = f(np.arange(T) * dt)[:, None, None] * a
        one = lif.backward(x, W, None, run, psi, dspikes, **model).dW
        two = eventprop.backward([a[rec.units[0]] * slope(rec.times[0])], [inputs], W,
                                 None, rec, **EXACT).dW
        found.append((one * two).sum() / np.linalg.norm(one) / np.linalg.norm(two))
    return np.array(found)


def touching():
    """Compute the errors in panel f."""
    top = np.log(TAUS[0] / TAUS[1]) * TAUS[0] * TAUS[1] / (TAUS[0] - TAUS[1])
    largest = eventprop.readout([top], [[0.0]], [np.array([0])], np.ones((1, 1)),
                                **EXACT)[0, 0, 0]
    options = {"steps": 200, "dt": TOUCH, "taus": TAUS, "scheme": "exact"}
    ahead, touch, none = [], [], np.zeros(1, int)
    for excess in np.geomspace(1e-5, 0.1, 400):
        W = np.array([[(1 + excess) / largest]])
        rec = eventprop.simulate([[0.0]], [none], W, until=0.02, **EXACT)
        dtimes = np.array([1.0] + [0.0] * (len(rec.times[0]) - 1))
        exact = eventprop.backward([dtimes], [none], W, None, rec, **EXACT).dW[0, 0]
        ahead.append((top - rec.times[0][0]) / TOUCH)
        row = []
        for between in (False, True):
            found = grid.simulate(none, none, W, between=between, **options)
            dtimes = np.array([1.0] + [0.0] * (len(found.times) - 1))[
                :len(found.times)]
            dW = grid.backward(dtimes, none, none, W, found, **options)[0][0, 0]
            row.append(abs(dW / exact - 1) if len(found.times) else np.nan)
        touch.append(row)
    return {"ahead": np.array(ahead), "touch": np.array(touch).T}


def gather(results):
    """Sort the results by network."""
    return {**{name: results[0][name] for name in ("dt", "ahead", "touch")},
            **{name: np.stack([r[name] for r in results], axis=-1)
               for name in ("error", "changed", "rate", "slope", "cosine")}}


def claims(size):
    """Return the statements to test.  Their bounds were chosen before the runs."""
    text = "order of convergence of the error of the {} from steps of 0.1 ms to the " \
        "smallest, "
    near = "largest relative error of the gradient of one neuron if the maximum of U " \
        "follows {} after the crossing, spikes "
    cosine = "cosine of the surrogate gradient and the exact gradient, f(t) = {}"
    return [
        *[own(f"order-{scheme}", text.format("spike times") + f"scheme {scheme}, "
              "spikes at the end of the step", low=0.8, high=1.2)
          for scheme in SCHEMES],
        *[own(f"order-{_word(q)}", text.format(
            q if q == "loss" else f"gradient by {q}") + "scheme held, spikes at the "
            "end of the step", low=0.7, high=1.3) for q in QUANTITIES[1:]],
        *[own(f"order-interpolated-{_word(q)}", text.format(
            q if q in QUANTITIES[:2] else f"gradient by {q}") + "scheme exact, "
            "interpolated", low=1.7, high=2.4) for q in QUANTITIES],
        report("touch-near", near.format("less than 2 steps") + FORMS[0]),
        own("touch-far", near.format("10 steps or more") + FORMS[0], high=0.2),
        own("touch-interpolated", near.format("1 step or more") + FORMS[1], high=0.2),
        own("surrogate-exp", cosine.format("exp(-t/20 ms)"), low=0.5),
        own("surrogate-t", cosine.format("t"), high=-0.5),
        report("surrogate-cos", cosine.format("cos(2 pi t/30 ms)")),
        report("changed", "share of neurons with another number of spikes, step 1 ms, "
               "scheme held, spikes at the end of the step")]


def _word(quantity):
    return quantity.lower().replace(" ", "-")


def measured(data):
    first = int(np.argmin(np.abs(data["dt"] - 1e-4)))
    orders = np.log(data["error"][first] / data["error"][-1]) / np.log(
        data["dt"][first] / data["dt"][-1])     # (scheme, form, quantity, network)
    found = {f"order-{s}": orders[c, 0, 0] for c, s in enumerate(SCHEMES)}
    for q, name in enumerate(QUANTITIES):
        if q:
            found[f"order-{_word(name)}"] = orders[1, 0, q]
        found[f"order-interpolated-{_word(name)}"] = orders[2, 1, q]
    ahead, (end, between) = data["ahead"], data["touch"]
    return {**found, "touch-near": np.nanmax(end[ahead < 2]),
            "touch-far": np.nanmax(end[ahead >= 10]),
            "touch-interpolated": np.nanmax(between[ahead >= 1]),
            "surrogate-exp": data["cosine"][0], "surrogate-t": data["cosine"][1],
            "surrogate-cos": data["cosine"][2], "changed": data["changed"][0, 1, 0]}


def shown(data):
    """Return all data, which are small."""
    return data


def plot(data, fig):
    """Draw panels a to g."""
    fig.set_size_inches(12, 6.4)
    axes = fig.subplots(2, 4).ravel()
    looks = dict(zip(SCHEMES, (colours.VERMILION, colours.BLUE, colours.BLACK),
                     strict=True))
    titles = ("spike times", "loss", "gradient by W", "gradient by inputs",
              "neurons left out")
    labels = ("mean error (s)", *["relative error"] * 3, "share")
    for q, ax in enumerate(axes[:5]):
        for c, f in np.ndindex(len(SCHEMES), 2):
            values = data["changed"][:, c, f] if q == 4 else data["error"][:, c, f, q]
            low, middle, high = np.nanquantile(values, (0.25, 0.5, 0.75), axis=-1)
            ax.plot(data["dt"], middle, ("-o", "--s")[f], color=looks[SCHEMES[c]],
                    ms=4, label=f"{SCHEMES[c]}, {FORMS[f]}")
            ax.fill_between(data["dt"], low, high, color=looks[SCHEMES[c]], alpha=0.15,
                            lw=0)
        if q < 4:
            ax.set_yscale("log")
        ax.set(xscale="log", title=f"{'abcde'[q]}  {titles[q]}", xlabel="time step (s)",
               ylabel=labels[q])
    ax, edges = axes[5], np.geomspace(0.2, 30, 16)
    for f, row in enumerate(data["touch"]):
        for reduce, style in ((np.median, "o-"), (np.max, "o:")):
            middle, values = [], []
            for low, high in zip(edges[:-1], edges[1:], strict=True):
                some = row[(data["ahead"] >= low) & (data["ahead"] < high)]
                if np.isfinite(some).any():
                    middle.append(np.sqrt(low * high))
                    values.append(reduce(some[np.isfinite(some)]))
            ax.plot(middle, values, style, ms=3.5, fillstyle="none",
                    color=(colours.BLUE, colours.GREEN)[f],
                    label=f"{FORMS[f]}, {'largest' if reduce is np.max else 'median'}")
    ax.set(xscale="log", yscale="log", xlabel="steps from crossing to maximum",
           ylabel="relative error", title="f  gradient of one neuron")
    axes[7].axis("off")
    axes[7].add_artist(axes[7].legend(*axes[0].get_legend_handles_labels(),
                                      loc="upper center", title="a to e",
                                      fontsize=8.5))
    axes[7].legend(*ax.get_legend_handles_labels(), loc="lower center", title="f",
                   fontsize=8.5)
    ax = axes[6]
    for i, values in enumerate(data["cosine"]):
        ax.plot(np.full(len(values), i), values, "o", color=colours.PURPLE,
                fillstyle="none")
    ax.axhline(0, color=colours.GREY, lw=0.8)
    ax.set(xticks=range(3), xlim=(-0.5, 2.5), ylim=(-1.05, 1.05),
           ylabel="cosine", title="g  surrogate gradient")
    ax.set_xticklabels(LOSSES, fontsize=8, rotation=15)
