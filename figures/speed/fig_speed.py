"""Time of one step beside its matrix products and beside other tools

Bounds, set before anything was measured here: a training step of a recurrent
layer (700-200-20, 100 steps, batch 256, one input in 20 active) takes at most
1.10 times its bare matrix products, and 0.75 times with sparse input, which
is 2 to 3 times faster than other tools; with one spike an input (256-246-10,
50 steps, batch 100) inference and training are 5 times faster than in JAX, 14
and 9 times faster than in PyTorch and its tools.  Exact real-time recurrent
learning over 100 steps takes a tanh network (32-64) at most 1.15 times its
bare products, and is 1.5 times faster than JAX's and 3 times faster than
PyTorch's automatic differentiation of each step; of a spiking network (32-32)
it is 6 and 30 times faster than their forward modes.  The tangent kernel of
784-300-100-10 (100 samples) is faster than each way of neural-tangents and
than torch.func, in a hundredth of the memory of two of them; that of LeNet-5
(32 samples) 1.5 times; a gradient of Neural Tangent Transfer (batch 64) 1.8
times faster than the best of them, 50 times than the rest and than PyTorch,
and all 18,720 steps take at most 4 minutes.

Synaptic intelligence adds at most 5 % to a training step of 784-2000-2000-10
(batch 256, Adam), 12 % with its penalty, and takes at most 2.2 and 3 times
what copying as many bytes does. One core runs 50,000 images a second through
the ideal network of the analog chip and 1,000 through its emulation
(256-246-10, 20 steps; the chip does 85,000), and learns from 60,000 in the
loop in 180 s; a second of sound becomes spikes of 700 channels in 2.5 s, 100
times faster than by lauscher, with at most 1 GB for two seconds. Ratios depend
on the machine: most were met on one when they were set, and need not be on
this one.

Medians of interleaved runs in one process (of short runs: of means of three in
a row), in float32, of those tools that are installed; where JAX runs, with
pauses between them, as its threads do not rest at once.  Every
contender is handed the same input, weights and adjoint of the readout, so
that no loss is timed.  The tools run their own LIF neuron; the loops of
PyTorch and JAX compute what refsnn computes.  On two threads, the bare
products have half of the batch on each, refsnn's recurrent training has it in
each of two processes, and its other two tasks, whose steps are too short to
share, use one; all other tasks are measured on one alone.  No paper's figure
is mirrored.
"""

import contextlib
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from scipy import sparse

from figures.run.claims import Claim, at_least, at_most
from figures.run import colours, seeds
from figures.speed import speed_chip
from figures.speed import speed_halves
from figures.speed import speed_ntk
from figures.speed import speed_peers
from figures.speed import speed_rtrl
from figures.speed import speed_si
from refsnn.fast import lif as fast_lif

ALPHA, BETA, STEEPNESS = float(np.exp(-1 / 5)), float(np.exp(-1 / 10)), 10.0
RECURRENT, INFERENCE, TRAINING = "recurrent training", "inference", "training"
SIZES = {RECURRENT: (100, 256, 700, 200, 20), INFERENCE: (50, 100, 256, 246, 10)}
SIZES[TRAINING] = SIZES[INFERENCE]
DENSITY, DENSER = 0.05, 0.10              # of the recurrent layer's input
BARE, DENSE, SPARSE = "bare products", "refsnn, dense input", "refsnn, sparse input"
TWICE = f"{SPARSE}, {DENSER:.0%} active"
MODEL = {"alpha": ALPHA, "beta": BETA}
PYTORCH = ("PyTorch, batch-major", "PyTorch, time-major", "Norse", "snnTorch",
           "SpikingJelly")
# task, contenders, how many times faster the sparse path must be
FASTER = [(RECURRENT, ("JAX scan", "Norse"), 2),
          (RECURRENT, ("snnTorch", "SpikingJelly", "PyTorch, batch-major"), 3),
          (RECURRENT, ("PyTorch, time-major",), 2),
          (INFERENCE, ("JAX scan",), 5), (INFERENCE, PYTORCH, 14),
          (TRAINING, ("JAX scan",), 5), (TRAINING, PYTORCH, 9)]
PRODUCTS = [(DENSE, 1.10), (SPARSE, 0.75)]
PATTERNS = 40_000                         # a second and core, inference
DRAWN = (*SIZES, *speed_rtrl.SIZES, *speed_ntk.TASKS, *speed_si.TASKS,
         *speed_chip.TASKS)


def jobs(size, seed, data):
    """One process for each number of threads."""
    counts = {"quick": (1,), "default": (1, 2), "full": (1, 2)}[size]
    repeats = {"quick": 2, "default": 7, "full": 25}[size]
    return [(measure, {"threads": threads, "repeats": repeats, "seed": seed})
            for threads in counts] \
        + [(function, {"threads": 1, "repeats": repeats, "seed": seed})
           for function in (measure_rtrl, measure_ntk, measure_si, measure_chip)]


def problem(task, density, threads, seed):
    """The `Problem` of a task: spike trains, and weights that make some."""
    generator = seeds.rng(seed, "speed", task, 0)
    T, B, m, n, k = SIZES[task]
    if task == RECURRENT:
        x = generator.random((T, B, m)) < density
        scale = 0.25 / np.sqrt(m * density)
    else:                        # one spike an input, half of them in the window
        x = np.arange(T)[:, None, None] == generator.integers(0, 2 * T, (B, m))
        scale = 0.25
    V = 0.2 / np.sqrt(n) * generator.standard_normal((n, n))
    dout = generator.standard_normal((T, B, k)) / B
    arrays = [None if a is None else a.astype(np.float32) for a in (
        x, scale * generator.standard_normal((n, m)), V if task == RECURRENT else None,
        generator.standard_normal((k, n)) / np.sqrt(n),
        None if task == INFERENCE else dout)]
    return speed_peers.Problem(*arrays, ALPHA, BETA, STEEPNESS, threads)


def events(x):
    return sparse.csr_matrix(x.reshape(-1, x.shape[2]))


def training(p, as_events):
    """A function that runs one training step of refsnn."""
    x, steps, last = events(p.x) if as_events else p.x, len(p.x), [None]

    def step():
        _, last[0] = fast_lif.forward(x, p.W, p.V, p.W_out, steps=steps,
                                      work=last[0], **MODEL)
        return fast_lif.gradients(last[0], p.dout, steepness=p.steepness)

    return step


def dense(p):
    return training(p, False)


def sparsely(p):
    return training(p, True)


def halved(build, p, pool):
    """A function that runs what `build` makes of each half of the batch at once,
    on two Python threads."""
    steps = [build(part) for part in speed_halves.halves(p)]
    return lambda: list(pool.map(lambda one: one(), steps))


def products(p):
    """The matrix products of a recurrent training step, and nothing else."""
    (T, B, _), n, k = p.x.shape, len(p.W), len(p.W_out)
    generator = np.random.default_rng(0)
    spikes = (generator.random((T, B, n)) < 0.1).astype(np.float32)
    dsyn = generator.standard_normal((T, B, n)).astype(np.float32)
    x, S, dI, dR = (a.reshape(T * B, -1) for a in (p.x, spikes, dsyn, p.dout))
    W, V, W_out = (np.ascontiguousarray(a.T) for a in (p.W, p.V, p.W_out))
    wide, narrow = np.empty((T * B, n), np.float32), np.empty((T * B, k), np.float32)
    one = np.empty((B, n), np.float32)

    def step():
        np.matmul(x, W, out=wide)
        for t in range(T):
            np.matmul(spikes[t], V, out=one)
        np.matmul(S, W_out, out=narrow)
        np.matmul(dR, p.W_out, out=wide)
        for t in range(T):
            np.matmul(dsyn[t], p.V, out=one)
        return dI.T @ x, dI.T @ S, dR.T @ S

    return step


def inference(p):
    x, steps = events(p.x), len(p.x)
    return lambda: fast_lif.scores(x, p.W, p.W_out, steps=steps, **MODEL)


def contenders(task, threads, seed, stack):
    """(name, function, BLAS threads it may use) of all that take part."""
    p = problem(task, DENSITY, threads, seed)
    if task == INFERENCE:
        yield SPARSE, inference(p), 1
    elif task == TRAINING:
        yield SPARSE, training(p, True), 1
    else:
        denser = problem(task, DENSER, threads, seed)
        pool = stack.enter_context(ThreadPoolExecutor(2))
        yield BARE, products(p) if threads == 1 else halved(products, p, pool), 1
        for name, build, case in ((DENSE, dense, p), (SPARSE, sparsely, p),
                                  (TWICE, sparsely, denser)):
            yield name, build(case) if threads == 1 else stack.enter_context(
                speed_halves.shared(build, case)), 1
    for name in speed_peers.installed()[0]:
        yield name, speed_peers.BUILDERS[name][1](p), threads


@contextlib.contextmanager
def processors(count):
    """Keep this process to `count` processors, where the system can."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(before)[-count:])
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _seconds(run, times):
    """Mean of so many runs; the first of several, after another contender's
    has emptied the caches, is left out."""
    if times > 1:
        run()
    start = time.perf_counter()
    for _ in range(max(1, times - 1)):
        run()
    return (time.perf_counter() - start) / max(1, times - 1)


def _rows(task, threads, runs, repeats, times):
    """Quartiles of interleaved runs of a task's contenders.

    `times` is how many runs in a row, for all or for each by name (else 1).
    """
    import threadpoolctl
    limits = threadpoolctl.ThreadpoolController()
    # JAX's threads wait for work in a busy loop, and take the next one's processor.
    rest = 0.2 if "jax" in sys.modules else 0.0
    seconds = np.zeros((repeats, len(runs)))
    for r in range(-1, repeats):                       # the first one warms up
        for c, (name, run, blas) in enumerate(runs):
            row = times if isinstance(times, int) else times.get(name, 1)
            time.sleep(rest)
            with limits.limit(limits=blas, user_api="blas"):
                spent = _seconds(run, row)
            if r >= 0:
                seconds[r, c] = spent
    quartiles = np.quantile(seconds, (0.25, 0.5, 0.75), axis=0).T
    return [(task, run[0], threads, *of.tolist())
            for run, of in zip(runs, quartiles, strict=True)]


def measure(threads, repeats, seed):
    """Quartiles of the seconds of each contender at each task."""
    rows = []
    with processors(threads), contextlib.ExitStack() as stack:
        for task in SIZES:
            runs = list(contenders(task, threads, seed, stack))
            rows += _rows(task, threads, runs, repeats, 1 if task == RECURRENT else 4)
    return {"rows": rows, "missing": speed_peers.installed()[1]}


def measure_rtrl(threads, repeats, seed):
    """The same for the tasks of `speed_rtrl`."""
    rows = []
    with processors(threads):
        for task in speed_rtrl.SIZES:
            runs = [(*run, 1) for run in speed_rtrl.contenders(task, seed)]
            rows += _rows(task, threads, runs, repeats, 1)
    return {"rows": rows, "missing": speed_peers.installed()[1]}


def measure_ntk(threads, repeats, seed):
    """The same for the tasks of `speed_ntk`, and bytes that some take."""
    rows, memory = [], {}
    with processors(threads):
        for task in speed_ntk.TASKS:
            runs, taken = speed_ntk.contenders(task, seed)
            rows += _rows(task, threads, [(*run, 1) for run in runs], repeats,
                          speed_ntk.QUICK)
            memory = taken if task == speed_ntk.MLP else memory
        run = speed_ntk.steps(seed, speed_ntk.TIMED)
        rows += _rows(speed_ntk.TRANSFER, threads, [(speed_ntk.OURS, run, 1)],
                      min(repeats, 3), 1)
    return {"rows": rows, "memory": list(memory.items()),
            "missing": speed_ntk.missing()}


def measure_si(threads, repeats, seed):
    """The same for the task of `speed_si`."""
    with processors(threads):
        runs = [(*run, 1) for run in speed_si.contenders(speed_si.TASK, seed)]
        return {"rows": _rows(speed_si.TASK, threads, runs, repeats, 1), "missing": []}


def measure_chip(threads, repeats, seed):
    """The same for the tasks of `speed_chip`."""
    rows = []
    with processors(threads):
        for task in speed_chip.TASKS:
            runs = [(*run, 1) for run in speed_chip.contenders(task, seed)]
            rows += _rows(task, threads, runs, repeats, {speed_chip.IDEAL: 8})
        rows += speed_chip.peer(seed)
        memory = speed_chip.memory(seed)
    return {"rows": rows, "memory": list(memory.items()), "missing": []}


def gather(results):
    """One entry for each task, contender and number of threads; bytes by name."""
    rows = [row for result in results for row in result["rows"]]
    memory = [entry for result in results for entry in result.get("memory", [])]
    missing = dict.fromkeys(str(name) for result in results
                            for name in result["missing"])
    names = ("task", "name", "threads", "lower", "median", "upper")
    return {**{name: list(column) for name, column in zip(
        names, zip(*rows, strict=True), strict=True)},
        "memory_of": [str(name) for name, _ in memory],
        "memory": [int(size) for _, size in memory], "missing": ", ".join(missing)}


def medians(data):
    """{(task, name, threads): seconds}"""
    return {(str(task), str(name), int(threads)): float(median)
            for task, name, threads, median in zip(
                data["task"], data["name"], data["threads"], data["median"],
                strict=True)}


def claims(data):
    """Each bound, for each number of threads."""
    found, made = medians(data), []
    for threads in sorted({key[2] for key in found if key[0] in SIZES}):
        label = f"{threads} thread{'s' * (threads > 1)}"
        for name, bound in PRODUCTS:
            value = found[RECURRENT, name, threads] / found[RECURRENT, BARE, threads]
            made.append(at_most(f"{RECURRENT}, {label}: {name}, time over that "
                                "of the bare dense products", value, bound))
        for task, names, bound in FASTER:
            ratios = {name: found[task, name, threads] / found[task, SPARSE, threads]
                      for name in names if (task, name, threads) in found}
            text = f"{task}, {label}: times faster than "
            if ratios:
                made.append(at_least(text + ", ".join(ratios) + " (least)"
                                            * (len(ratios) > 1),
                                            min(ratios.values()), bound))
            else:
                made.append(Claim(text + ", ".join(names), "not installed",
                                         f">= {bound}", None))
        if threads == 1:
            value = SIZES[INFERENCE][1] / found[INFERENCE, SPARSE, 1]
            made.append(at_least("inference: patterns a second and core", value,
                                 PATTERNS))
    memory = dict(zip(map(str, data["memory_of"]), map(int, data["memory"]),
                      strict=True))
    return made + speed_rtrl.claims(found) + speed_ntk.claims(found, memory) \
        + speed_si.claims(found) + speed_chip.claims(found, memory)


def _base(task):
    """The contender of refsnn that the others are compared with."""
    for section, name in ((speed_rtrl.SIZES, speed_rtrl.OURS),
                          (speed_ntk.TASKS, speed_ntk.OURS),
                          (speed_si.TASKS, speed_si.ADAM),
                          ((speed_chip.TASK,), speed_chip.EMULATED),
                          ((speed_chip.SOUND,), speed_chip.OURS)):
        if task in section:
            return name
    return SPARSE


def _title(task):
    for section, tasks in ((speed_rtrl, speed_rtrl.SIZES), (speed_ntk, speed_ntk.TASKS),
                           (speed_si, speed_si.TASKS), (speed_chip, speed_chip.TASKS)):
        if task in tasks:
            return section.title(task)
    T, B, m, n, k = SIZES[task]
    return f"{task}, {m}-{n}-{k}, {T} steps, batch {B}"


def plot(data, fig):
    """Bars of time over refsnn's (with sparse input); a tick marks each bound."""
    found, least = medians(data), {}
    for task, names, bound in FASTER + speed_rtrl.FASTER + speed_ntk.FASTER:
        least.update({(task, name): bound for name in names})
    tasks = [task for task in DRAWN if any(key[0] == task for key in found)]
    orders = {task: list(dict.fromkeys(key[1] for key in found if key[0] == task))
              for task in tasks}
    fig.set_size_inches(9, 0.9 + 0.33 * sum(len(o) + 2 for o in orders.values()))
    spread = [found[key] / found[key[0], _base(key[0]), key[2]] for key in found
              if key[0] in tasks]
    axes = fig.subplots(len(tasks), 1, squeeze=False, gridspec_kw={
        "height_ratios": [len(orders[task]) for task in tasks]})[:, 0]
    for ax, task in zip(axes, tasks, strict=True):
        counts = sorted({key[2] for key in found if key[0] == task})
        for c, threads in enumerate(counts):
            base = found[task, _base(task), threads]
            ratios = [found[task, name, threads] / base for name in orders[task]]
            height = 0.8 / len(counts)
            y = np.arange(len(ratios)) + (c - (len(counts) - 1) / 2) * height
            ax.barh(y, ratios, height, color=(colours.BLUE, colours.ORANGE)[c],
                    label=f"{threads} thread{'s' * (threads > 1)}")
            for place, value in zip(y, ratios, strict=True):
                spent = value * base
                spent = f"{spent:.3g} s" if spent >= 0.9995 else f"{1e3 * spent:.3g} ms"
                ax.text(value * 1.03, place, f"{value:.3g} ({spent})", va="center",
                        fontsize=8)
        for row, name in enumerate(orders[task]):
            if (task, name) in least:
                ax.plot([least[task, name]] * 2, [row - 0.45, row + 0.45],
                        color=colours.BLACK, lw=1.5)
        ax.set(title=_title(task), xscale="log",
               yticks=range(len(orders[task])), yticklabels=orders[task])
        ticks = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000]
        ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        ax.minorticks_off()
        ax.set_xlim(min(0.5, 0.8 * min(spread)), max(3.0, 5 * max(spread)))
        ax.invert_yaxis()
    axes[0].legend(loc="lower right")
    missing = str(np.asarray(data["missing"]).item())
    axes[-1].set_xlabel("time / time of refsnn (in brackets: of one "
                        "run, of RTRL one recording; black: bound)"
                        + (f"\nnot installed: {missing}" if missing else ""),
                        fontsize=9.5)
