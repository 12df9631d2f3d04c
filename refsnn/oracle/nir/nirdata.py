# refsnn 0.1.0 | oracle/nir/nirdata.py | SPDX-License-Identifier: MIT | needs: numpy, h5py
"""Read and write recorded states and spikes of a network in the format NIR.

Row k of a recording covers the time step from `k dt` to `(k + 1) dt`, and
holds the potentials and currents at the end of this time step.
`help("refsnn.__main__")` describes the file formats.
"""

import collections
import io
import itertools
import math
import os

import h5py
import numpy as np

from refsnn.oracle import files, hdf5
from refsnn.oracle.hdf5 import need
from refsnn.oracle.nir import dynamics
from refsnn.oracle.nir.graphs import NAMES, SPIKING, STATES, TEXTS

__all__ = ["image", "read"]

KEYS = {"spikes": "spikes", "membrane": "membrane", "mem": "membrane", "v": "membrane",
        "voltage": "membrane", "current": "current", "syn": "current", "i": "current"}
EVENTS = "n_neurons", "t_max", "idx", "time"
ENTRIES = 1 << 26       # largest number of entries of all arrays, and of bytes of a CSV
# Arrays (S, T, n) for S samples of each Input, a dict of arrays of each node, the
# duration of a row in s or None, and the names that are no nodes of the graph.
RECORDING = collections.namedtuple("RECORDING", "inputs nodes dt unknown")


def read(path, graph, dt=None):
    """Read a `RECORDING` from a file that may be damaged or malicious.  The
    argument `dt` is the duration of a time step of the recording in seconds.

    >>> read("nowhere.csv", None)
    Traceback (most recent call last):
    ValueError: nowhere.csv is missing: must be a file
    """
    inputs, nodes, shapes = {}, {}, set()
    with hdf5.naming(path):
        found, steps = (_table if path[-4:] in (".csv", ".npz") else _nirdata)(
            path, graph, dt)
        steps = [step for step in (*steps, dt) if step is not None]
        need(all(0 < step < math.inf and math.isclose(step, steps[0], rel_tol=1e-6)
                 for step in steps), f"dt is {steps}: must be positive and equal")
        for (name, key), a in found.items():
            node = graph.nodes.get(name)
            if not node:
                continue
            need(a.ndim == 3 and a.size and a.shape[2] == node.size and np.isfinite(
                a).all(), f"{name}/{key} is of shape {a.shape}, or not finite: must be "
                f"(samples, rows, {node.size}), and finite")
            shapes.add(a.shape[:2])
            if node.type == "Input":
                inputs[name] = a.astype(float)
            elif node.type in STATES:
                nodes.setdefault(name, {})[key] = a
        need(len(shapes) < 2, f"numbers of samples and rows are {sorted(shapes)}: "
             "must be equal")
    return RECORDING(inputs, nodes, steps[0] if steps else None, sorted(
        {name for name, _ in found} - {*graph.nodes, *graph.skipped}))


def _single(graph, *kinds):
    found = [name for name, node in graph.nodes.items() if node.type in kinds]
    need(len(found) == 1, f"the file names no {kinds[0]}, and the graph has "
         f"{len(found)}: must be a recording of a graph with one")
    return found[0]


def _table(path, graph, dt):
    """Return the arrays of a CSV or npz file, and their time step in s."""
    if path.endswith(".csv"):
        need(os.path.getsize(path) <= ENTRIES, f"is large: must be {ENTRIES} bytes")
        columns = np.loadtxt(path, delimiter=",", ndmin=2, encoding="utf-8").T
        need(len(columns) == 3, f"has {len(columns)} columns: must have x, v, spikes")
        name, (x, v, spikes) = _single(graph, *STATES), columns[:, None, :, None]
        arrays = {"x": x, f"{name}/v": v, f"{name}/spikes": spikes}
    else:
        arrays = files.read(path)
    steps, found = [arrays.pop("dt").item()] if "dt" in arrays else [], {}
    for title, a in arrays.items():
        name, _, key = title.rpartition("/")
        if title == "x":
            name, key = _single(graph, "Input"), "spikes"
        found[(name, KEYS[key]) if name and key in KEYS else (title, "spikes")] = \
            a[None] if a.ndim == 2 else a
    return found, steps


def _nirdata(path, graph, dt):
    """Return the arrays of a NIRData file, and their time steps in s."""
    groups, found = {}, {}
    for place, one in hdf5.read(path, NAMES, TEXTS).items():
        node, _, key = place.rpartition("/observables/")
        if node and key.lower() in KEYS:
            groups["/".join(node.split("/")[1::2]), KEYS[key.lower()]] = place, one
    steps = [one.get("dt") for _, one in groups.values() if "data" in one] or [dt]
    need(None not in steps, "dt is missing: for events, --dt must give it")
    for key, (place, one) in groups.items():
        need("data" in one or {*EVENTS} <= one.keys(), f"{place} lacks data, or one "
             f"of {', '.join(EVENTS)}: must be present")
        found[key] = one["data"] if "data" in one else _rows(one, place, steps[0])
        need(sum(a.size for a in found.values()) <= ENTRIES, f"{place} is one of many "
             f"large arrays: must be {ENTRIES} entries in sum")
    return found, steps


def _rows(events, where, dt):
    """For each neuron and time step, return the sum of all event values."""
    n, end, index, time = (events[name] for name in EVENTS)
    value = events.get("value", np.ones(index.shape))
    T = math.ceil(end / dt - 1e-6) if 0 < end / dt < ENTRIES else 0
    need(index.dtype.kind in "iu" and index.ndim == 2 and T > 0 and index.shape ==
         time.shape == value.shape and 1 <= n and len(index) * T * n <= ENTRIES,
         f"{where}: idx and time are of shapes {index.shape} and {time.shape}, t_max "
         f"is {end:.6g}, n_neurons {n:.6g}: must be equal shapes (S, events), and 1 "
         f"to {ENTRIES} entries")
    real, found = index != -1, np.zeros((len(index), T, int(n)))
    at, i = time[real], index[real]
    need(((i >= 0) & (i < n) & (at >= 0) & (at < end + 1e-6 * dt)).all(), f"{where} "
         f"has an event outside {n:.0f} neurons or {end:.6g} s: must be in, or idx -1")
    t = np.minimum(np.floor(at / dt + 1e-6).astype(int), T - 1)
    np.add.at(found, (np.nonzero(real)[0], t, i), value[real])
    return found


def image(graph, recording, convention="", pulse=True):
    """Simulate a graph, and return the bytes of a NIRData file.

    A text `convention`, such as "decay=Euler, order=new I", selects how time
    steps are computed.  If `convention` is the empty string, the exact
    solution is computed.

    >>> image(None, RECORDING({}, {}, 1.0, []))
    Traceback (most recent call last):
    ValueError: the recording holds no input or no dt: must hold both
    """
    inputs, dt, one = recording.inputs, recording.dt, dynamics._named(convention)
    need(inputs and dt and all(node.type != "Input" or name in inputs
                               for name, node in graph.nodes.items()),
         "the recording holds no input or no dt: must hold both")
    need(one.loop != "lag 0", "convention has loop=lag 0: must have a lag of 1 or 2")
    if convention:
        traces, events = {name: dynamics._replay(graph, [one], inputs, dt, {}, name)[0]
                          for name, node in graph.nodes.items() if node.type in STATES
                          }, {}
    else:
        traces, events = dynamics._solve(graph, inputs, dt, pulse)
    found = {(name, "spikes"): x for name, x in inputs.items()}
    for name, trace in traces.items():
        kind = graph.nodes[name].type
        found[name, "membrane"] = trace.after
        found |= {(name, "current"): trace.current} if "Cuba" in kind else {}
        found |= {(name, "spikes"): trace.spikes} if kind in SPIKING else {}
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for (name, key), a in found.items():
            group = file
            for part in name.split("/"):
                group.attrs["__type__"] = "NIRGraphData"
                group = group.require_group(f"nodes/{part}")
            group.attrs["__type__"] = "NIRNodeData"
            one = group.create_group(f"observables/{key}")
            if key == "spikes" and name in events:
                one.attrs.update({"__type__": "EventData", "n_neurons": a.shape[2],
                                  "t_max": a.shape[1] * dt})
                padded = np.array([*itertools.zip_longest(
                    *events[name], fillvalue=(np.inf, -1))]).reshape(-1, len(a), 2)
                one["time"], one["idx"] = padded[..., 0].T, padded[..., 1].T.astype(int)
            else:
                one.attrs.update({"__type__": "TimeGriddedData", "dt": dt})
                one["data"] = a
    return buffer.getvalue()
