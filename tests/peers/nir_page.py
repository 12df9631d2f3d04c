"""Write NIR.md: the conventions of public recordings of NIR graphs.

    python tests/peers/nir_page.py DATA     # DATA/nir holds graphs and recordings
"""

import pathlib
import sys

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
if __name__ == "__main__":
    sys.path.append(str(HERE.parent.parent))

from refsnn.oracle.nir import dynamics, graphs, judgement, nirdata  # noqa: E402

HEAD = """\
# Public recordings of NIR graphs

This page is written by `python tests/peers/nir_page.py DATA` from published recordings
and graphs (github.com/neuromorphs/NIR, commit 7232ada, paper/01_lif and paper/03_rnn),
and from one run of norse 1.1.0 on a random input (norse_random_input.npz).  NIR leaves
time step, integration, lag and form of the reset open: a convention is no fault.

- The versions of the tools are not stored in the published files (of 2023 and 2024).
- The input of lif_sinabs.csv is 0.04 for each spike, so that the tool's gain of 1 is
  dt/tau; the notebook scaled it, not the tool.
- Error: largest difference between the recording and the replay from the graph,
  relative to the largest value.  All spikes are equal in all replays of this page.
- "not decided": choices that give this recording equally well.
- "to exact": as told by `python -m refsnn nir`; the exact solution is that of NIR's
  equations in continuous time, with pulses of height 1 and duration dt.

"""
GRAPHS = {      # recordings of each graph, with the duration of a row in s
    "lif/lif_norse.nir": ("lif/lif_*.csv", "lif/*.h5"),
    "braille/braille_noDelay_bias_zero.nir": ("braille/norse*.npz", "braille/act*.npz")}


def page(data):
    """Return the text of the page from a folder of data."""
    told = [HEAD]
    for name, patterns in GRAPHS.items():
        graph = graphs.read(str(data / name))
        told.append(f"## {name}\n\n| recording | node | axes | lag | unit | error | "
                    "not decided | to exact |\n|---|---|---|---|---|---|---|---|\n")
        for path in sum((sorted(data.glob(pattern)) for pattern in patterns), []):
            recording = nirdata.read(str(path), graph, 1e-4)
            verdicts = judgement.judge(graph, recording)
            told += [row(path.name, verdict) for verdict in verdicts]
            if not verdicts:
                told.append(f"| {path.name} | - | not judged: no input is published "
                            "| | | | | |\n")
        told.append("\n")
    return "".join(told)[:-1]


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
