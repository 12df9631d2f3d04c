"""Write nine small NIR graphs, with inputs and exact answers, to the folder graphs.

    python tests/oracle/nir/nine_graphs.py      # replaces all files

There is one graph for each neuron primitive of NIR, one with a recurrent layer, one
with an inner graph, and one with a delay.  NAME.nir is the graph, NAME.h5 the recording
in the format NIRData: the input, and potentials, currents and spike times of the exact
solution, in which a spike is a pulse of height 1 and duration dt.
"""

import pathlib
import sys

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[3]
FOLDER = pathlib.Path(__file__).with_name("graphs")
if __name__ == "__main__":
    sys.path.append(str(ROOT))

import nir_writer as w                                              # noqa: E402

from refsnn.oracle.nir import graphs, nirdata                       # noqa: E402

DT, T = 1e-3, 60
P = {"r": [1.0, 2.0], "v_leak": [0.0, 0.125], "tau": [8e-3, 12e-3],
     "tau_mem": [8e-3, 8e-3], "tau_syn": [4e-3, 8e-3], "w_in": [1.0, 0.5],
     "v_threshold": [0.5, 0.75], "v_reset": [0.0, -0.25]}


def neuron(kind, **changes):
    wanted = graphs.FIELDS[kind].split()
    return w.node(kind, **{name: value for name, value in (P | changes).items()
                           if name in wanted})


def layers(first, *others):
    """Return input -> affine -> first -> others -> output, as nodes and edges."""
    nodes = {"input": w.node("Input", shape=[3]),
             "fc": w.node("Affine", weight=[[0.75, -0.5, 1.5], [1.0, 1.25, -0.25]],
                          bias=[0.125, 0.0]), "first": first} | dict(others)
    nodes["output"] = w.node("Output", shape=[2])
    return nodes, w.chain(*nodes)


def made():
    """Return all graphs."""
    fast = {"r": [60.0, 90.0]}
    found = {kind: layers(neuron(kind, **fast if kind in ("I", "IF") else {}))
             for kind in graphs.STATES}
    back = w.node("Affine", weight=[[0.0, -1.0], [1.5, 0.5]], bias=[0.0, 0.25])
    nodes, edges = layers(neuron("CubaLIF"))
    edges = edges + w.chain("first", "back", "first")
    found["recurrent"] = nodes | {"back": back}, edges
    inner = {"input": w.node("Input", shape=[2]), "lif": neuron("LIF"), "back": back,
             "output": w.node("Output", shape=[2])}
    found["nested"] = layers(w.graph(inner, w.chain("input", "lif", "back", "lif")
                                     + [("lif", "output")]))
    found["delay"] = layers(neuron("LIF"), ("late", w.node(
        "Delay", delay=[2.5e-3, 4e-3])), ("last", neuron("CubaLIF", r=[12.0, 16.0])))
    return {name: w.graph(*parts) for name, parts in found.items()}


def write(folder):
    """Write all graphs and their exact answers to a folder."""
    rng = np.random.default_rng(57)
    for name, root in made().items():
        path = str(folder / f"{name}.nir")
        w.write(path, root)
        graph = graphs.read(path)
        x = (rng.random((2, T, 3)) < 0.3).astype(float)
        recording = nirdata.RECORDING({"input": x}, {}, DT, [])
        (folder / f"{name}.h5").write_bytes(nirdata.image(graph, recording))


if __name__ == "__main__":
    write(FOLDER)
