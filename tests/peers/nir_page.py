"""Write NIR.md: the conventions of public recordings of NIR graphs, and of tools.

    python tests/peers/nir_page.py DATA     # DATA/nir holds graphs and recordings

The results of tools are those of nir_tools.json, which nir_tools.py writes.
"""

import json
import pathlib
import sys
import textwrap

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
if __name__ == "__main__":
    sys.path.append(str(HERE.parent.parent))

from refsnn.oracle.nir import dynamics, graphs, judgement, nirdata  # noqa: E402

HEAD = """\
# NIR: compare a recording

NIR is a file format for the graph of a spiking network: its nodes, weights and time
constants.  NIR leaves the time step, the integration, the lag and the form of the reset
open, so that two tools compute one graph differently.  Such a choice is no fault.

## Do tools follow an imported graph?

"yes": the tool follows the graph with all its fields.  "plain": it follows only a graph
without v_leak, v_reset and w_in, and with r = 1.  "no": no known convention gives its
result.  "fails": the tool ends with an error.  "refused": the tool tells that it does
not support the node or a field.  The sections of the tools name the conventions.

GRAPHS

## Your own recording

```sh
python -m refsnn nir net.nir data.h5                # a file in the format NIRData
python -m refsnn nir net.nir data.npz --dt 1e-3     # --dt: seconds of a row
python -m refsnn nir net.nir data.csv --dt 1e-3 --json
```

The command replays each recorded neuron node from the graph and the recorded inputs in
every convention of the table below, and names the convention that reproduces the
recording.  It also compares the recording with the exact solution of NIR's equations in
continuous time.  The graph gives weights, time constants and thresholds, and the file
of the recording is one of the following:

- NIRData, the HDF5 format of the package nir, with the spikes of each input node, and
  the spikes, potentials or currents of neuron nodes;
- an npz file with the input x, of shape (T, n) for T rows or (S, T, n) for S samples,
  with NAME/spikes, NAME/mem and NAME/syn of the node NAME, and perhaps dt;
- a CSV file without a header, with the columns x, v and spikes of a single neuron.

Row k covers the time from k dt to (k + 1) dt.  Potentials and currents are recorded at
the end of a row.  For lif_norse.csv, which is described below, the command prints the
following lines:

```
EXAMPLE
```

If no convention fits a node, the command prints the nearest one after "does not follow
the graph in any known convention", with the first difference, and returns exit status
1.

## Axes of a convention

| axis | choices | meaning |
|---|---|---|
AXES

The first choice is the default of the option --convention.  The factors 1 - alpha and
1 - beta, for current and potential, are called "1 - decay".

## Public recordings

The following tables are written by `python tests/peers/nir_page.py DATA` from published
recordings and graphs (github.com/neuromorphs/NIR, commit 7232ada, paper/01_lif and
paper/03_rnn), and from one run of norse 1.1.0 on a random input
(norse_random_input.npz).

- The versions of the tools are not stored in the published files (of 2023 and 2024).
- The input of lif_sinabs.csv is 0.04 for each spike, so that the tool's gain of 1 is
  dt/tau; the notebook scaled it, not the tool.
- "lag": rows by which the recording is later than the replay.  "unit": that of the
  recorded potential, in units of the graph.
- "shown before the reset": in the row of a spike, the recorded potential is that before
  the reset.  "a constant in rows of spikes": it is a number that marks the spike.
- Error: largest difference between the recording and the replay from the graph,
  relative to the largest value.  All spikes are equal in all replays of this page.
- "not decided": choices that give this recording equally well.
- "to exact": as told by `python -m refsnn nir`; the exact solution is that of NIR's
  equations in continuous time, with pulses of height 1 and duration dt.  The error of
  the potential is relative to the threshold.  "33 spikes for 32 exact": the recording
  has 33 spikes, the exact solution has 32.  Spikes that are -1 rows late are early.

"""
TABLE = ("| recording | node | follows the graph with | lag | unit | error | not "
         "decided | to exact |\n"
         "|---|---|---|---|---|---|---|---|\n")
TOOLS = """
## Graphs in tools

Each tool imported and ran the nine graphs of `tests/oracle/nir/graphs`, and plain
variants of these (r 1, v_leak 0, v_threshold 0.47, no v_reset, no w_in).  Each tool
also exported small networks of its own, whose recordings were compared with the export
(`python tests/peers/nir_tools.py FOLDER`).

- A row names the convention in which the tool follows the graph, or says that no known
  convention gives the result, or that the tool fails.  Details that the judgement of
  the tool does not list are withheld until the authors of the tool are told.
- "LIF, plain" is the plain variant of the graph "LIF, all fields".  A tool that ignores
  a field, such as v_reset, can follow the plain graph alone.  With "reset v_reset", a
  spike sets the potential to the v_reset of the graph, which is 0 in plain graphs.
- The judgement of each tool, which the link names, lists faults of its import.
- The time constants of plain graphs suit the step of the tool: dt is 0.1 ms for
  snntorch, 1 s for sinabs, which counts in rows, and 1 ms for the other tools.  The
  import of rockpool takes tau_mem / (1 + r) as dt, 4 ms for "CubaLIF, plain".
- The neurons of snntorch take decay factors.  Its export turns a factor beta into the
  time constant dt / (1 - beta), and hence has the decay Euler.
- Graphs with a Delay have other results in each run of norse: some runs end with an
  error, and others follow no known convention.
- Refused: the tool, or the version of nir that it requires, does not support a node or
  a field, and tells so.
- No spike: the tool sent no spike, which tells nothing about threshold and reset.
"""
OTHER = {"withheld": "does not follow the graph in any known convention",
         "failed": "fails: the tool ends with an error"}
ABOUT = {
    "decay": "factor of potential and current in a row: exp(-dt/tau), 1 - dt/tau, or "
             "rounded to 12 bit",
    "order": "potential and current are solved jointly, or the potential reads the new "
             "or the old current",
    "gain": "factor with which input or current enters the potential",
    "synapse": "factor with which the input enters the current",
    "reset": "potential after a spike: v_reset, or less by v_threshold - v_reset",
    "when": "the reset acts in the row of the spike, or in the next row",
    "spikes": "a neuron emits at most one spike in a row, or many",
    "tie": "whether a potential that equals the threshold is a spike",
    "start": "first potential",
    "numbers": "potentials are floating-point numbers or integers",
    "loop": "rows by which recurrent spikes arrive late; before the first row, the "
            "recurrent input is 0 or its bias"}
GRAPHS = {      # recordings of each graph, with the duration of a row in s
    "lif/lif_norse.nir": ("lif/lif_*.csv", "lif/*.h5"),
    "braille/braille_noDelay_bias_zero.nir": ("braille/norse*.npz", "braille/act*.npz")}


def page(data):
    """Return the text of the page from a folder of data."""
    graph = graphs.read(str(data / "lif/lif_norse.nir"))
    first, = judgement.judge(graph, nirdata.read(
        str(data / "lif/lif_norse.csv"), graph, 1e-4))
    lines = [textwrap.fill(line, 84, subsequent_indent=6 * " ") for line in first.lines]
    axes = [f"| {axis} | {', '.join(choices)} | {ABOUT[axis]} |"
            for axis, choices in dynamics.AXES.items()]
    told = [HEAD.replace("EXAMPLE", "\n".join(lines)).replace("AXES", "\n".join(axes))
            .replace("GRAPHS\n", matrix(stored := json.loads((
                HERE / "nir_tools.json").read_text(encoding="utf-8"))))]
    for name, patterns in GRAPHS.items():
        graph = graphs.read(str(data / name))
        told.append(f"## Recordings of {name}\n\n{TABLE}")
        for path in sum((sorted(data.glob(pattern)) for pattern in patterns), []):
            recording = nirdata.read(str(path), graph, 1e-4)
            verdicts = judgement.judge(graph, recording)
            told += [row(path.name, verdict) for verdict in verdicts]
            if not verdicts:
                told.append(f"| {path.name} | - | not judged: no input is published "
                            "| | | | | |\n")
        told.append("\n")
    return "".join(told)[:-1] + tools(stored)


def matrix(stored):
    """Return the table of graphs and tools."""
    names = sorted({name for found in stored.values() for name in (
        *sum(found["refused"].values(), []), *found["withheld"], *found["failed"])
        if not name.startswith(("plain ", "export "))}, key=str.casefold)
    lines = ["| graph | " + " | ".join(f"[{tool}](#{tool})" for tool in stored) + " |",
             "|---" * len(stored) + "|---|"]
    for name in names:
        cells = []
        for found in stored.values():
            right = [row[2:].partition(" |")[0] for row in found["rows"]]
            refused = sum(found["refused"].values(), [])
            cells.append("yes" if name in right else "plain" if f"plain {name}" in right
                         else "refused" if {name, f"plain {name}"} <= {*refused}
                         else "no" if {name, f"plain {name}"} & {*found["withheld"]}
                         else "fails")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n\n"


def tools(stored):
    """Return the text about tools."""
    told = [TOOLS]
    for tool, found in stored.items():
        versions = ", ".join(" ".join(pair) for pair in found["versions"].items())
        anchor = f"{tool}-{found['versions'][tool].replace('.', '')}"
        told.append(f"\n### {tool}\n\n{versions}; {found['date']}; [judgement of "
                    f"{tool}](VERDICTS.md#{anchor})\n\n")
        rows = [row[2:].partition(" |") for row in found["rows"]]
        rows += [(graph, "", f" - | {text} | | | | | |\n")
                 for key, text in OTHER.items() for graph in found[key]]
        told += [TABLE, *(f"| {name} |{rest}" for name, rest in sorted(
            (named(graph), rest) for graph, _, rest in rows))]
        lines = [f"- Refused, `` {words} ``: {'; '.join(map(named, names))}\n"
                 for words, names in found["refused"].items()]
        lines += [f"- No spike: {'; '.join(found['silent'])}\n"] * bool(found["silent"])
        told += ["\n", *lines] * bool(lines)
    return "".join(told)


def named(graph):
    """Return the name of a graph, or of an export, in the text."""
    if graph.startswith("export"):
        return graph
    plain = graph.removeprefix("plain ")
    return f"{plain}, {'all fields' if plain == graph else 'plain'}"


def row(name, verdict):
    fit, one = verdict.fit, verdict.fit.convention
    axes = "exact solution" if one is None else ", ".join(
        f"{axis} {getattr(one, axis)}" for axis in dynamics.AXES
        if f"{axis} {getattr(one, axis)}" in verdict.lines[0])
    open_ = "; ".join(f"{axis} {' or '.join(some)}"
                      for axis, some in verdict.undecided.items())
    exact = verdict.lines[-1].partition(": ")[2].partition(", first difference")[0]
    lag = f"{fit.lag}" + f", spikes {fit.late}" * (fit.late != fit.lag)
    unit = fit.name + f" = {np.mean(fit.unit):.6g}" * (fit.name != "1")
    error = "below 1e-6" if fit.error < 1e-6 else f"{fit.error:.1e}"
    return (f"| {name} | {verdict.node} | {axes}{judgement.SHOWN[fit.shown]} | {lag} | "
            f"{unit} | {error} | {open_} | {exact} |\n")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    text = page(pathlib.Path(sys.argv[1]) / "nir")
    (HERE / "NIR.md").write_text(text, encoding="utf-8")
