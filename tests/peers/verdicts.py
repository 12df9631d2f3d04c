"""Judge tools in their environments, and write VERDICTS.md.

  python verdicts.py                        write VERDICTS.md from verdicts.json
  python verdicts.py FOLDER [TOOL ...]      judge first, with FOLDER/TOOL/bin/python

FOLDER is that of environments.py.  Without TOOL, all tools are judged.  A tool is
judged in a process of its own, which records its neurons in float32 and passes the
recordings to `python -m refsnn identify`, answers the requests of `python -m refsnn
run` about its golden vectors, and runs the lines that reproduce its faults.

The adapter of a tool is a module that imports the tool inside its functions:

  PINS        versions to install, the tool first
  NEURONS     for each neuron: the convention that `identify` must name
  RECURRENT   neurons that take V, the recurrent weights; V is None for all others
  SURROGATE   "default of the tool" if the adapter does not choose the surrogate
  DECAY       "exact" for exp(-dt/tau) or "euler" for 1 - dt/tau, if the neurons take
              time constants; None if they take decay factors
  record      (x, W, V, constants) -> dict of spikes, perhaps mem and syn, and dW, the
              gradient of sum(constants["dspikes"] * spikes), if the tool has gradients
  VECTORS     names of golden vectors that the tool can express
  results     (dict of these vectors) -> {"VECTOR.OUTPUT": array}
  GRADIENTS   names of gradients of spike times, if any
  spike_times (name, problem of spike_times.py) -> dict of spike times and gradients
  FAULTS      for each fault: what is wrong, its public place, perhaps the name of the
              known mistake that it is, lines of code that show it, the last line that
              they print (or the name of their error), and what they must print
"""

import contextlib
import datetime
import importlib.metadata
import io
import itertools
import json
import math
import pathlib
import re
import subprocess
import sys
import tempfile

from environments import HERE, TOOLS, adapter

ROOT = HERE.parent.parent
STORED, PAGE = HERE / "verdicts.json", HERE / "VERDICTS.md"
DECAYS = {"alpha": 0.875, "beta": 0.75}         # exact in float32
THRESHOLD = 1.75                                # of the probes
PLAIN = {       # the axes of a convention in words, see refsnn.conventions.Step
    "decay": ("decay", {"exact": "exp(-dt/tau)", "euler": "1 - dt/tau"}),
    "synapse": ("synaptic current", {
        "none": "none", "first": "decays first in a step",
        "between": "decays between input and reading",
        "last": "decays last in a step"}),
    "drive": ("input enters the current times", {"one": "1", "leak": "1 - alpha"}),
    "input": ("input acts", {"same": "in its own step", "next": "one step later"}),
    "gain": ("gain", {"one": "1", "leak": "1 - beta", "rate": "dt/tau",
                      "integral": "tau (1 - beta)"}),
    "compare": ("a tie", {">": "no spike", ">=": "a spike", "half": "half a spike"}),
    "spikes": ("spikes in a step", {"one": "at most one", "many": "several"}),
    "reset": ("reset", {"subtract": "by the threshold", "zero": "to a value",
                        "none": "none"}),
    "reset_at": ("reset acts", {
        "once": "in the step of the spike", "before": "before the next decay",
        "after": "after the next decay"}),
    "floor": ("lower bound", {"False": "none", "True": "yes"}),
    "refractory": ("refractory steps", {}),
    "test": ("spikes recorded", {
        "before": "before the step", "after": "after the step"}),
    "record": ("potential recorded", {
        "before": "before the step", "after": "after the step"}),
    "through_reset": ("gradient through the reset", {"True": "yes", "False": "no"})}
USUAL = {"drive": "one", "floor": "False", "refractory": "0"}   # need no words
EARLY = "reset before the decay: beta times threshold is subtracted"
ONCE = "reset in the step of the spike"
MISREAD = ("surrogate one step late", "surrogate read after the reset",
           "surrogate read at the membrane, threshold forgotten")
HEAD = """\
# What tools do, as judged by refsnn

This page is written by `python tests/peers/verdicts.py` from `verdicts.json`.  Each
tool was run in an environment of its own (`environments.py`) by its adapter in
`adapters/`, in float32 unless a vector asks for float64.

- Convention: what `python -m refsnn identify` answers for a recording of the tool's
  neuron, on the input that `python -m refsnn probes` writes.  First in words: the
  properties that the recording settles.  Alpha and beta are the decay factors of
  current and membrane; the gain is the factor with which the current, or the input
  without a synaptic current, enters the membrane.  If the decay is 1 - dt/tau, 1 - beta
  is dt/tau.  "Given as a factor" means that a neuron takes alpha and beta in place of
  time constants; its preset, which needs time constants, takes exp(-dt/tau).  Then by
  name: the nearest of the [presets](#presets).
- Gradient: what `identify` answers for the gradient of a layer of five neurons with
  threshold 1.  Where the tool allows it, the adapter chooses a surrogate of peak 1.
- Vectors: outputs of golden vectors (`python -m refsnn vectors`) that the tool can
  express, as `check` or `run` judges them.  Where the verdict is by `run`, problems of
  variable size are asked again with fresh inputs.  An output that differs is no fault
  if the tool documents another definition.  An output that equals the right one times
  a factor is named after the known mistake that has the same factor.  The LIF neurons
  of torch are a loop of its adapter, by which PyTorch's derivatives are judged.
- Gradient of spike times: the problem of `spike_times.py`, two layers in continuous
  time, is compared with `refsnn.eventprop`.  The verdict is right, or a known mistake
  of the vector `eventprop`, with the factor if it is not 1.  The cosine is that with
  the right gradient.  lambda_V and lambda_I are the adjoints of potential and current.
- Faults: each was reproduced in the version given, by the lines shown.  The place is
  a public issue, or the file of the tool if no issue is known.

Not judged: lava-dl 0.6.0, which has no package for Python 3.11.  Without a package
that `pip` finds, and not judged for this reason: hxtorch, ml_genn,
lolemacs/pytorch-eventprop and eventprop/eventprop.  The environment of bindsnet holds a
newer PyTorch than the others, because bindsnet requires it.

To judge a tool again:

    python tests/peers/environments.py FOLDER TOOL
    python tests/peers/verdicts.py FOLDER TOOL
"""


# ---- in the environment of a tool

def constants(module, threshold):
    """Return all constants for an adapter, and those that a recording holds."""
    alpha, beta = (1 / (1 - decay) if module.DECAY == "euler" else -1 / math.log(decay)
                   for decay in DECAYS.values())
    taus = {"tau_syn": alpha, "tau_mem": beta, "dt": 1.0}
    level = {"threshold": threshold}
    return DECAYS | taus | level, (taus if module.DECAY else DECAYS) | level


def recordings(module, neuron):
    """Record a neuron of an adapter on the probes, and a layer with its gradient."""
    import numpy as np

    from refsnn.oracle import identify
    probe = identify.make_stimuli(
        *([decay] for decay in DECAYS.values()), THRESHOLD)["all"]
    rng = np.random.default_rng(5)
    layer = ((rng.random((30, 3, 4)) < 0.4) * 1.0, rng.normal(1.5, 2, (5, 4)),
             -0.25 * rng.random((5, 5)))
    first = recording(module, neuron, THRESHOLD, probe.x, probe.W)
    for name in ("dW", "dspikes"):      # one weight does not tell surrogates apart
        first.pop(name, None)
    back = neuron in getattr(module, "RECURRENT", ())
    return first, recording(module, neuron, 1.0, *layer[:2 + back])


def recording(module, neuron, threshold, x, W, V=None):
    """Return the contents of a file for `python -m refsnn identify`, in float32."""
    import numpy as np
    given, stored = constants(module, threshold)
    arrays = {name: np.float32(a) for name, a in (("x", x), ("W", W), ("V", V))
              if a is not None}
    shape = *x.shape[:2], len(W)
    dspikes = np.random.default_rng(6).integers(-64, 64, shape).astype(np.float32) / 64
    rows = module.record(arrays["x"], arrays["W"], arrays.get("V"), given | {
        "neuron": neuron, "dspikes": dspikes})
    return arrays | rows | stored | ({"dspikes": dspikes} if "dW" in rows else {})


def identified(recording):
    """Return the status and the lines of `python -m refsnn identify`."""
    import numpy as np
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "recording.npz")
        np.savez(path, **recording)
        done = subprocess.run([sys.executable, "-m", "refsnn", "identify", path],
                              capture_output=True, text=True, cwd=ROOT)
    if done.returncode not in (0, 1):
        raise RuntimeError(done.stderr)
    return done.returncode, done.stdout.splitlines()


def reproduced(line):
    """Run the lines of a fault; return the last line printed, or the error's name."""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", line],
                          capture_output=True, text=True)
    if done.returncode:
        return re.findall(r"^([\w.]+Error)\b", done.stderr, re.M)[-1]
    return done.stdout.strip().splitlines()[-1]


def named(module):
    """Return the names of the gradients of spike times of an adapter."""
    return getattr(module, "GRADIENTS", ())


def version(module):
    """Return the installed version of a tool."""
    return importlib.metadata.version(project(module)).partition("+")[0]


def project(module):
    """Return the name under which a tool is installed."""
    return module.PINS[0].partition("==")[0]


def replies(module, requests):
    """Yield the replies of an adapter to requests, see PROTOCOL.md."""
    import numpy as np

    from refsnn.oracle import check, exchange, stored
    vectors = check.vectors(module.VECTORS)
    for request in requests:
        reply = {"tool": project(module), "version": version(module)}
        if "vector" in request:
            asked = request["vector"]
            inputs = {key: a[()] for key, a in exchange.arrays(
                request["inputs"]).items()}
            found = module.results(vectors | {
                asked: vectors[asked]._replace(inputs=inputs)})
            reply = {"outputs": stored._rows({
                key.partition(".")[2]: np.asarray(a) for key, a in found.items()
                if key.partition(".")[0] == asked})}
        yield {"id": request["id"]} | reply


def answered(command, only):
    """Return rows on stored and on fresh inputs: vector, output, status and text."""
    from refsnn.oracle import protocol
    found = [], []
    for row in protocol.run(command, list(only), timeout=600.0)["findings"]:
        if row["status"] != "missing":
            found[row["draw"] is not None].append(
                [row[key] for key in ("vector", "output", "status", "text")])
    return found


def judged(tool):
    """Return the verdict on a tool, in whose environment this function runs."""
    import spike_times
    module = adapter(tool)
    neurons = {}
    for neuron in module.NEURONS:
        probe, layer = map(identified, recordings(module, neuron))
        neurons[neuron] = {"probe": probe[1], "layer": layer[1]}
    vectors, fresh = answered([sys.executable, __file__, "--answer", tool],
                              module.VECTORS)
    return {"date": datetime.date.today().isoformat(), "version": version(module),
            "python": "%d.%d" % sys.version_info[:2],
            "neurons": neurons,
            "gradients": {name: spike_times.judged(module.spike_times(
                name, spike_times.problem())) for name in named(module)},
            "vectors": vectors, "fresh": fresh,
            "faults": [{"line": fault["line"], "shows": reproduced(fault["line"])}
                       for fault in module.FAULTS]}


# ---- the page

def page(stored):
    """Return the text of VERDICTS.md."""
    parts = [HEAD, presets()]
    for tool, verdict in sorted(stored.items()):
        parts.append(section(tool, adapter(tool), verdict))
    return "\n".join(parts)


def presets():
    """Return the part of the page on the conventions of `refsnn.conventions`."""
    from refsnn import conventions
    steps = {name: {axis: str(value) for axis, value in step._asdict().items()}
             for name, step in conventions.PRESETS.items()}
    axes = [axis for axis in PLAIN if len({step[axis] for step in steps.values()}) > 1]
    lines = ["## Presets", "",
             "The named conventions of `refsnn.conventions`.  No preset has refractory "
             "steps or a", "lower bound.  snnTorch and spyx take decay factors, for "
             "which the presets take", "exp(-dt/tau).", "",
             "| preset | " + " | ".join(PLAIN[axis][0] for axis in axes) + " |",
             "|---" * len(axes) + "|---|"]
    lines += [f"| {name} | " + " | ".join(PLAIN[axis][1][step[axis]] for axis in axes)
              + " |" for name, step in steps.items()]
    return "\n".join(lines) + "\n"


def settled(told):
    """Return the properties that recordings of a neuron settle, with their choices."""
    found = {}
    for name in ("layer", "probe"):
        line = next((one for one in told[name] if one.startswith("settled: ")), "")
        found |= re.findall(r"(\w+) ([^,(]+?)(?=,| \(|$)", line[9:])
    return {axis: found[axis] for axis in PLAIN if axis in found}


def in_words(told):
    """Return in words what recordings of a neuron settle."""
    found = settled(told)
    found.pop("through_reset", None)                # which the gradient tells
    words = [f"{PLAIN[axis][0]}: {PLAIN[axis][1].get(choice, choice)}"
             for axis, choice in found.items() if choice != USUAL.get(axis)]
    return "; ".join(["decay: given as a factor"] * ("decay" not in found) + words)


def differences(neurons):
    """Return rows (property, choice of `refsnn.lif`, choices of the neurons)."""
    from refsnn import conventions
    usual, rows = conventions.PRESETS["refsnn"]._asdict(), []
    for axis, (title, words) in PLAIN.items():
        own = str(usual[axis])
        some = [settled(told).get(axis) for told in neurons.values()]
        if {*some} - {own, None}:
            rows.append((title, *(words.get(one, one) for one in (own, *some))))
    return rows


def chosen(mistake, verdict):
    """Return {neuron: whether it has a known mistake as its convention}.

    A convention is told by `identify`.  A surrogate that `identify` names is read in
    the step of the spike, before the reset and at the distance from the threshold.
    """
    from refsnn.oracle.build import lif_layers
    axes = {name: axes for (name, _), axes in lif_layers.FORWARD.items()
            if axes != {"gain": "one"}} | {     # which is also a choice of refsnn
        "reset detached": {"through_reset": False},
        ONCE: {"reset": "subtract", "reset_at": "once"},
        EARLY: {"reset": "subtract", "reset_at": "before"}}
    wanted, found = axes.get(mistake, {}), {}
    for neuron, told in verdict["neurons"].items():
        own = settled(told)
        if mistake == EARLY and own.get("reset_at") == "once":
            continue        # subtracts beta times threshold, too, but shows it earlier
        if wanted and wanted.keys() <= own.keys():
            found[neuron] = all(own[axis] == str(wanted[axis]) for axis in wanted)
        elif mistake in MISREAD and any(re.match(
                "gradients: surrogate(?!.* the thr)", line) for line in told["layer"]):
            found[neuron] = False
    return found


def section(tool, module, verdict):
    """Return the part of the page on one tool."""
    lines = [f"## {project(module)} {verdict['version']}", "",
             f"Judged on {verdict['date']} by the adapter `adapters/{tool}.py`, Python "
             f"{verdict['python']}, "
             + ", ".join(f"`{pin}`" for pin in module.PINS) + "."]
    if verdict["neurons"]:
        lines += ["", "| neuron | time step | named | gradient |", "|---|---|---|---|"]
    for neuron, told in verdict["neurons"].items():
        gradient = next((line.removeprefix("gradients: ") for line in told["layer"]
                         if line.startswith("gradients: ")), "none computed")
        gradient = re.sub("^surrogate [^,]*", r"\g<0> (%s)" % getattr(
            module, "SURROGATE", "chosen by the adapter"), gradient)
        layer, probe = (told[key][0].removeprefix("as ") for key in ("layer", "probe"))
        name = (layer if layer in probe else probe).partition(": decay")[0]
        name = re.sub(r"\((\w+)\)", r"([\1](#presets))", name).removesuffix(", but")
        lines.append(f"| {neuron} | {in_words(told)} | {name} | {gradient} |")
    if verdict["vectors"]:
        lines += ["", "| vector | passes | differs |", "|---|---|---|"]
    for vector, key in itertools.product(module.VECTORS, ("vectors", "fresh")):
        right, wrong = outcome(vector, verdict.get(key, ()))
        if right or wrong or key == "vectors":
            lines.append(f"| {vector}{', fresh inputs' * (key == 'fresh')} | "
                         f"{', '.join(right) or '-'} | {'; '.join(wrong) or '-'} |")
    if any("times -2" in row[2] for row in sum(verdict["gradients"].values(), [])):
        lines += ["", "Right means the factor 1: a gradient times -2 points the wrong "
                  "way and is twice as large."]
    if verdict["gradients"]:
        lines += ["", "| gradient of spike times | by | cosine | verdict |",
                  "|---|---|---|---|"]
    for gradient, rows in verdict["gradients"].items():
        lines += [f"| {gradient} | {name} | {cosine:.4f} | {text} |"
                  for name, cosine, text in rows]
    for fault, seen in zip(module.FAULTS, verdict["faults"], strict=True):
        known = f"  Known mistake: {fault['mistake']}." if "mistake" in fault else ""
        lines += ["", f"Fault: {fault['fault']}  Place: {fault['place']}.{known}", "",
                  "```python", fault["line"], "```", "",
                  f"The output is `{seen['shows']}`; it must be {fault['right']}."]
    if not module.FAULTS:
        lines += ["", "No fault of this version is listed."]
    return "\n".join(lines) + "\n"


def outcome(vector, rows):
    """Return the right outputs of a vector, and each difference with its cause."""
    from refsnn.oracle import stored
    rows = [row[1:] for row in rows if row[0] == vector]
    factors = {output: float(found[1]) for output, _, text in rows
               if (found := re.search(r"output times ([\d.e+-]+)", text))}
    scaled = {}             # {mistake: outputs that it multiplies by these factors}
    if factors:
        known = stored.load([vector])[vector]
        scaled = {one.name: [output for output, factor in factors.items() if (
            abs(one.outputs[output] - factor * known.outputs[output]).max()
            < 1e-5 * factor * abs(known.outputs[output]).max()
            if output in one.outputs else False)] for one in known.mutants}
    wrong = []
    for output, status, text in rows:
        if status != "right":
            first, _, cause = text.replace(": yours ", ": tool ").partition("; ")
            named = max(scaled, key=lambda name: (output in scaled[name],
                                                  len(scaled[name])), default=None)
            cause += f", {named}" * (output in scaled.get(named, ()))
            wrong.append(f"{output}: {cause or first}" if output else cause)
    return [output for output, status, _ in rows if status == "right"], [
        text for text in wrong if text]


def main(arguments):
    stored = json.loads(STORED.read_text()) if STORED.exists() else {}
    if arguments[:1] == ["--inside"]:
        with contextlib.redirect_stdout(io.StringIO()):
            verdict = judged(arguments[1])
        print(json.dumps(verdict))
        return
    if arguments[:1] == ["--answer"]:
        shown, sys.stdout = sys.stdout, sys.stderr
        for reply in replies(adapter(arguments[1]), map(json.loads, sys.stdin)):
            print(json.dumps(reply), file=shown, flush=True)
        return
    folder, *tools = arguments or [None]
    for tool in (tools or TOOLS) if folder else ():
        python = pathlib.Path(folder, tool, "bin", "python").absolute()
        done = subprocess.run([python, __file__, "--inside", tool], check=True,
                              stdout=subprocess.PIPE, text=True)
        stored[tool] = json.loads(done.stdout.splitlines()[-1])
        STORED.write_text(json.dumps(dict(sorted(stored.items())), indent=1) + "\n")
        print(tool, flush=True)
    PAGE.write_text(page(stored))


if __name__ == "__main__":
    sys.path.append(str(ROOT))
    main(sys.argv[1:])
