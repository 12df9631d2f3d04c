"""Computing times of refsnn, of bare matrix products and of other tools

Each panel shows the computing times of one task in refsnn and in other tools.  Within a
panel, all times are divided by the time of one bar of refsnn with the same number of
threads; the label of this bar is bold.  Some panels also show the bare products: the
dense matrix products of the task, without any other computation.  refsnn can be faster
than the bare products if it skips zeros, or works on blocks that fit the cache.  Black
lines are lower bounds for other tools.  In the following paragraphs, "at most" and "at
least" state bounds, not results.  The bounds were fixed before the measurements.
Ratios of times depend on the computer, and on each computer so far some bounds were not
met.

The first network is recurrent (700-200-20 units, 100 time steps, batches of 256
patterns).  In each step, 5 % of the inputs are active.  refsnn receives the spikes as
an array ("dense input") or as a sparse matrix ("sparse input"); a further bar shows
sparse input with 10 % of the inputs active.  Training takes at most 1.10 times as long
as the bare products with dense input, and at most 0.75 times as long with sparse
input.  JAX, Norse and a time-major loop in PyTorch take at least 2 times as long as
refsnn with sparse input.  snnTorch, SpikingJelly and a batch-major loop in PyTorch take
at least 3 times as long.

The second network is feed-forward and receives at most one spike per input (256-246-10
units, 50 time steps, batches of 100 patterns).  JAX takes at least 5 times as long as
refsnn for inference and for training.  For training with two threads, the bound is 1.5.
PyTorch and the tools based on PyTorch take at least 14 times as long for inference, and
at least 9 times as long for training.

Real-time recurrent learning (RTRL) propagates the influence of all weights on the
states of a network.  The times of RTRL include the simulation of the network.  For the
bar "recording", refsnn first simulates the network and then computes the influence.
For the bar "step by step", refsnn computes the influence during the simulation.  For a
tanh network (32 inputs, 64 units, 100 steps), "recording" takes at most 1.15 times as
long as the bare products.  In JAX, automatic differentiation of each step takes at
least 1.5 times as long as "recording", in PyTorch at least 3 times.  Forward mode is
not measured with batches of 8 sequences, because one run takes 30 s.  For a spiking
network (32 inputs, 32 neurons), "recording" takes at most 1.6 times as long as the bare
products.  In JAX, reverse mode takes at least 1.8 times as long, and forward mode at
least 6 times.  In PyTorch, forward mode takes at least 30 times as long.

For the tangent kernel (NTK) of a 784-300-100-10 network (100 samples), torch.func and
the three implementations in neural-tangents take at least as long as refsnn.  The peak
memory of refsnn is at most a hundredth of the peak memory of two implementations in
neural-tangents.  For the kernel of LeNet-5-Caffe (32 samples), all three
implementations take at least 1.5 times as long.  For a gradient of Neural Tangent
Transfer (NTT, batch 64), the structured implementation in neural-tangents takes at
least 1.8 times as long.  The two other implementations and PyTorch take at least 50
times as long.

The path integral of synaptic intelligence (SI) makes a training step of a
784-2000-2000-10 network (batch 256, Adam) at most 5 % longer; path integral and penalty
make it at most 12 % longer.  The path integral adds at most 2.2 times the time of one
copy of all parameters.  Path integral and penalty add at most 3 times the time of two
such copies.  The relative increase in refsnn is at most the relative increase in the
fastest of three PyTorch ports.

The network of the analog chip has 256 inputs, 246 hidden neurons, 10 readouts and 20
time steps.  It runs without hardware constraints ("ideal") and on an emulated,
calibrated chip.  The chip itself takes 1.18 ms for a batch of 100 images.  The cochlea
of refsnn converts sound into spikes of 700 channels.  For sound of the same length, the
published software lauscher takes at least 100 times as long.  The conversion of two
seconds of sound needs at most 1 GB of memory.  Absolute times and rates are not judged.

Bars are medians of 5 interleaved runs in float32 (cochlea: float64) after a warm-up run
(25 runs with --full).  Each contender runs in a process of its own, except for
lauscher, which runs once.  Short runs are repeated 4 or 8 times in succession, and the
mean time of all repetitions but the first is used.  After a run, threads of JAX stay
busy for a while; pauses separate the runs if JAX takes part.  For the first two
networks, all contenders receive the same spikes and weights and, for training, the same
derivative of the loss with respect to the readout.  The loss is not computed.  Norse,
snnTorch and SpikingJelly use their own LIF neurons.  The recurrent container of
SpikingJelly also multiplies the input by the identity matrix.  The loops in PyTorch and
JAX compute the same network as refsnn.  With two threads, each thread computes the bare
products of half of the batch, and the recurrent training of refsnn uses two processes,
each with half of the batch.  For the second network, refsnn uses one thread in both
cases, because the time steps are too short to be divided between threads.  All other
tasks are measured with one thread.  The last lines below the bars name the tools that
are not installed, the processor and the libraries for matrix products.  No published
figure corresponds to this figure.
"""

import contextlib
import functools
import os
import platform
import re
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from figures.run import colours, seeds
from figures.run.claims import at_most, reported
from figures.speed import (speed_chip, speed_halves, speed_ntk, speed_peers, speed_rtrl,
                           speed_si, speed_workers)
from figures.train import fast_training
from refsnn.fast import lif as fast_lif

ALPHA, BETA, STEEPNESS = float(np.exp(-1 / 5)), float(np.exp(-1 / 10)), 10.0
RECURRENT, INFERENCE, TRAINING = "recurrent training", "inference", "training"
SIZES = {RECURRENT: (100, 256, 700, 200, 20), INFERENCE: (50, 100, 256, 246, 10)}
SIZES[TRAINING] = SIZES[INFERENCE]
DENSITY, DENSER = 0.05, 0.10              # shares of active inputs, recurrent training
BARE, DENSE, SPARSE = "bare products", "refsnn, dense input", "refsnn, sparse input"
TWICE = f"{SPARSE}, {DENSER:.0%} active"
MODEL = {"alpha": ALPHA, "beta": BETA}
PYTORCH = ("PyTorch, batch-major", "PyTorch, time-major", "Norse", "snnTorch",
           "SpikingJelly")
# task, contenders, bound on (their time / time of refsnn with sparse input)
FASTER = [(RECURRENT, ("JAX scan", "Norse"), 2),
          (RECURRENT, ("snnTorch", "SpikingJelly", "PyTorch, batch-major"), 3),
          (RECURRENT, ("PyTorch, time-major",), 2),
          (INFERENCE, ("JAX scan",), 5), (INFERENCE, PYTORCH, 14),
          (TRAINING, ("JAX scan",), 5), (TRAINING, PYTORCH, 9)]
TWO_THREADS = {(TRAINING, ("JAX scan",)): 1.5}      # bounds that differ from one thread
PRODUCTS = [(DENSE, 1.10), (SPARSE, 0.75)]
DRAWN = (*SIZES, *speed_rtrl.SIZES, *speed_ntk.TASKS, *speed_si.TASKS,
         *speed_chip.TASKS)


def jobs(size, seed, data):
    """Return one `measure` job for each number of threads, and all other jobs."""
    counts = {"quick": (1,), "default": (1, 2), "full": (1, 2)}[size]
    repeats = {"quick": 2, "default": 5, "full": 25}[size]
    return [(measure, {"threads": threads, "repeats": repeats, "seed": seed})
            for threads in counts] \
        + [(function, {"threads": 1, "repeats": repeats, "seed": seed})
           for function in (measure_rtrl, measure_ntk, measure_si, measure_chip)]


def problem(task, density, threads, seed):
    """Return the `Problem` of a task, with weights that make hidden neurons spike."""
    generator = seeds.rng(seed, "speed", task, 0)
    T, B, m, n, k = SIZES[task]
    if task == RECURRENT:
        x = generator.random((T, B, m)) < density
        scale = 0.25 / np.sqrt(m * density)
    else:       # each input spikes once, half of the inputs within the T steps
        x = np.arange(T)[:, None, None] == generator.integers(0, 2 * T, (B, m))
        scale = 0.25
    V = 0.2 / np.sqrt(n) * generator.standard_normal((n, n))
    dout = generator.standard_normal((T, B, k)) / B
    arrays = [None if a is None else a.astype(np.float32) for a in (
        x, scale * generator.standard_normal((n, m)), V if task == RECURRENT else None,
        generator.standard_normal((k, n)) / np.sqrt(n),
        None if task == INFERENCE else dout)]
    return speed_peers.Problem(*arrays, ALPHA, BETA, STEEPNESS, threads)


def training(p, as_events):
    """Return a function that runs one training step of `refsnn`."""
    x, steps, last = fast_training.events(p.x) if as_events else p.x, len(p.x), [None]

    def step():
        _, last[0] = fast_lif.forward(x, p.W, p.V, p.W_out, steps=steps,
                                      work=last[0], **MODEL)
        return fast_lif.gradients(last[0], p.dout, steepness=p.steepness)

    return step


def dense(p):
    """Return a function that runs one training step of `refsnn` on dense input."""
    return training(p, False)


def sparsely(p):
    """Return a function that runs one training step of `refsnn` on a sparse matrix."""
    return training(p, True)


def halved(build, p):
    """Return a function that runs one step on both halves of a batch in two threads.

    The call `build(problem)` returns a function that runs one training step.
    """
    steps = [build(part) for part in speed_halves.halves(p)]
    pool = ThreadPoolExecutor(2)
    return lambda: list(pool.map(lambda one: one(), steps))


def products(p):
    """Return a function that computes only the matrix products of a training step."""
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
    """Return a function that runs `refsnn` on the input without training."""
    x, steps = fast_training.events(p.x), len(p.x)
    return lambda: fast_lif.scores(x, p.W, p.W_out, steps=steps, **MODEL)


def contenders(task, seed, threads):
    """Return pairs (name, build) of all contenders in a task, for `speed_workers`.
    """
    p = problem(task, DENSITY, threads, seed)
    if task != RECURRENT:
        build = inference if task == INFERENCE else sparsely
        found = [(SPARSE, lambda: build(p))]
    else:
        denser = problem(task, DENSER, threads, seed)
        half = (lambda build, case: build(case)) if threads == 1 \
            else speed_halves.shared
        found = [(BARE, lambda: products(p) if threads == 1 else halved(products, p)),
                 (DENSE, lambda: half(dense, p)), (SPARSE, lambda: half(sparsely, p)),
                 (TWICE, lambda: half(sparsely, denser))]
    found += [(name, functools.partial(speed_peers.BUILDERS[name][1], p))
              for name in speed_peers.installed()[0]]
    return [(name, lambda build=build: (build(), None)) for name, build in found]


@contextlib.contextmanager
def processors(count):
    """Restrict this process to `count` processors, if the operating system allows it.
    """
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(before)[-count:])
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _rows(module, tasks, threads, repeats, seed, times=1):
    """Return the rows of times and the peak memory of all contenders in some tasks."""
    rows, memory = [], {}
    with processors(threads):
        for task in tasks:
            found, taken = speed_workers.measured(module, task, threads, repeats, seed,
                                                  times)
            rows, memory = rows + found, memory | taken
    return rows, memory


def measure(threads, repeats, seed):
    """Return the quartiles of the running times for the tasks of this module."""
    rows = _rows(__name__, (RECURRENT,), threads, repeats, seed)[0]
    rows += _rows(__name__, (INFERENCE, TRAINING), threads, repeats, seed, 4)[0]
    return {"rows": rows, "missing": speed_peers.installed()[1],
            "computer": computer()}


def computer():
    """Return the names of the processor and of the BLAS library as a text."""
    import threadpoolctl
    name = platform.processor() or platform.machine()
    with contextlib.suppress(OSError, StopIteration), \
            open("/proc/cpuinfo", encoding="utf-8") as lines:
        name = next(line.partition(":")[2].strip() for line in lines
                    if line.startswith("model name"))
    libraries = {" ".join(filter(None, (pool["internal_api"], pool["version"],
                                        pool.get("architecture"))))
                 for pool in threadpoolctl.threadpool_info()
                 if pool["user_api"] == "blas"}
    return f"{name}, {', '.join(sorted(libraries)) or 'unknown BLAS'}"


def measure_rtrl(threads, repeats, seed):
    """Return the quartiles of the running times for the tasks of `speed_rtrl`."""
    rows = _rows(speed_rtrl.__name__, speed_rtrl.SIZES, threads, repeats, seed)[0]
    return {"rows": rows, "missing": speed_peers.installed()[1]}


def measure_ntk(threads, repeats, seed):
    """Return the quartiles of the running times and the peak memory for `speed_ntk`."""
    module = speed_ntk.__name__
    others = [task for task in speed_ntk.TASKS if task != speed_ntk.MLP]
    rows, memory = _rows(module, (speed_ntk.MLP,), threads, repeats, seed,
                         speed_ntk.QUICK)
    rows += _rows(module, others, threads, repeats, seed, speed_ntk.QUICK)[0]
    rows += _rows(module, (speed_ntk.TRANSFER,), threads, min(repeats, 3), seed)[0]
    return {"rows": rows, "memory": list(memory.items()),
            "missing": speed_ntk.missing()}


def measure_si(threads, repeats, seed):
    """Return the quartiles of the running times for the task of `speed_si`."""
    rows = _rows(speed_si.__name__, (speed_si.TASK,), threads, repeats, seed)[0]
    return {"rows": rows, "missing": []}


def measure_chip(threads, repeats, seed):
    """Return the quartiles of the running times and the peak memory for `speed_chip`.
    """
    rows = _rows(speed_chip.__name__, speed_chip.TASKS, threads, repeats, seed,
                 {speed_chip.IDEAL: 8})[0] + speed_chip.peer(seed)
    return {"rows": rows, "memory": list(speed_chip.memory(seed).items()),
            "missing": [] if speed_chip.installed() else ["lauscher"]}


def gather(results):
    """Return the running times, for each task, contender and number of threads.

    The result also holds the peak memory in bytes, and the names of the tools that are
    not installed.
    """
    rows = [row for result in results for row in result["rows"]]
    memory = [entry for result in results for entry in result.get("memory", [])]
    missing = dict.fromkeys(re.sub(" scan|,.*", "", str(name)) for result in results
                            for name in result["missing"])
    names = ("task", "name", "threads", "lower", "median", "upper")
    return {**{name: list(column) for name, column in zip(
        names, zip(*rows, strict=True), strict=True)},
        "memory_of": [str(name) for name, _ in memory],
        "memory": [int(size) for _, size in memory], "missing": ", ".join(missing),
        "computer": next(str(r["computer"]) for r in results if "computer" in r)}


def medians(data):
    """Return a dict that maps (task, name, threads) to the median time in seconds."""
    return {(str(task), str(name), int(threads)): float(median)
            for task, name, threads, median in zip(
                data["task"], data["name"], data["threads"], data["median"],
                strict=True)}


def claims(data):
    """Return the claims of all tasks, for each number of threads."""
    found, made = medians(data), []
    for threads in sorted({key[2] for key in found if key[0] in SIZES}):
        label = f"{threads} thread{'s' * (threads > 1)}"
        for name, bound in PRODUCTS:
            value = found[RECURRENT, name, threads] / found[RECURRENT, BARE, threads]
            made.append(at_most(f"{RECURRENT}, {label}: time of {name} / time of the "
                                "dense matrix products alone", value, bound))
        for task, names, bound in FASTER:
            bound = TWO_THREADS.get((task, names), bound) if threads == 2 else bound
            made += speed_peers.faster(found, task, names, SPARSE, bound, threads,
                                       f"{task}, {label}")
        if threads == 1:
            made.append(reported(f"{INFERENCE}, {label}: patterns per second",
                                 SIZES[INFERENCE][1] / found[INFERENCE, SPARSE, 1]))
    memory = dict(zip(map(str, data["memory_of"]), map(int, data["memory"]),
                      strict=True))
    made += speed_rtrl.claims(found) + speed_ntk.claims(found, memory) \
        + speed_si.claims(found) + speed_chip.claims(found, memory)
    missing = str(np.asarray(data["missing"]).item())
    made.append(reported("processor and BLAS",
                         str(np.asarray(data["computer"]).item())))
    return made + [reported("not installed, and therefore not compared (python -m pip "
                            "install -e '.[peers]' installs most of these tools)",
                            missing)] * bool(missing)


def _base(task):
    """Return the contender by whose time all times in the panel of a task are divided.
    """
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
    """Draw the times, relative to the time of the reference contender, and the bounds.
    """
    found, least = medians(data), {}
    for task, names, bound in FASTER + speed_rtrl.FASTER + speed_ntk.FASTER:
        for name in names:
            least[task, name, 1] = bound
            least[task, name, 2] = TWO_THREADS.get((task, names), bound)
    tasks = [task for task in DRAWN if any(key[0] == task for key in found)]
    orders = {task: list(dict.fromkeys(key[1] for key in found if key[0] == task))
              for task in tasks}
    left = {*SIZES, *speed_rtrl.SIZES}
    columns = [[task for task in tasks if task in left],
               [task for task in tasks if task not in left]]
    fig.set_size_inches(13, 1.2 + 0.25 * max(
        sum(len(orders[task]) + 2 for task in column) for column in columns))
    spread = {key: found[key] / found[key[0], _base(key[0]), key[2]] for key in found
              if key[0] in tasks}
    axes = [ax for part, column in zip(fig.subfigures(1, 2), columns, strict=True)
            for ax in part.subplots(len(column), 1, sharex=True, gridspec_kw={
                "height_ratios": [len(orders[task]) + 0.4 for task in column]})]
    for ax, task in zip(axes, sum(columns, []), strict=True):
        counts = sorted({key[2] for key in found if key[0] == task})
        for c, threads in enumerate(counts):
            base = found[task, _base(task), threads]
            ratios = [found[task, name, threads] / base for name in orders[task]]
            height = 0.8 / len(counts)
            y = np.arange(len(ratios)) + (c - (len(counts) - 1) / 2) * height
            ax.barh(y, ratios, height, color=(colours.BLUE, colours.ORANGE)[c],
                    label=f"{threads} thread{'s' * (threads > 1)}")
            for place, name, value in zip(y, orders[task], ratios, strict=True):
                ax.vlines(least.get((task, name, threads), []), place - 0.55 * height,
                          place + 0.55 * height, colours.BLACK, lw=1.5)
                spent = value * base
                spent = f"{spent:.3g} s" if spent >= 0.9995 else f"{1e3 * spent:.3g} ms"
                value = f"{value:.3g}" if value < 1000 else f"{value:.0f}"
                ax.text(0.99, place, f"{value} ({spent})", ha="right", va="center",
                        fontsize=7.5, transform=ax.get_yaxis_transform())
        ax.set_title(_title(task), fontsize=10)
        ax.set_xscale("log")
        ax.set_yticks(range(len(orders[task])), orders[task], fontsize=8.5)
        ax.xaxis.set_major_formatter("{x:g}")
        column = columns[task not in left]
        shown = [ratio for key, ratio in spread.items() if key[0] in column]
        low, high = min(0.5, 0.8 * min(shown)), max(2.0, *shown)
        ax.set_xlim(low, high * (high / low) ** 0.4)    # the times stand on the right
        ax.get_yticklabels()[orders[task].index(_base(task))].set_fontweight("bold")
        ax.invert_yaxis()
    axes[0].legend(loc="lower right", bbox_to_anchor=(0.8, 0))
    missing = str(np.asarray(data["missing"]).item())
    fig.supxlabel("time / time of the bar with the bold label (in brackets: time of "
                  "one run; black line: lower bound)"
                  + f"\nnot installed: {missing}" * bool(missing)
                  + f"\n{np.asarray(data['computer']).item()}", fontsize=9.5)
