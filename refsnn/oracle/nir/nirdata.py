# refsnn 0.1.0 | oracle/nir/nirdata.py | SPDX-License-Identifier: MIT | needs: numpy, h5py
"""Read and write recordings of a NIR graph.

A recording holds the input of a graph, and spikes, potentials or currents
of nodes.  Row k of a recording is the time from k dt to (k + 1) dt.
Potentials and currents are values at the end of a row.  Three formats are
read: NIRData, the HDF5 format of the package nir; npz files with the
arrays x, NAME/spikes, NAME/mem and NAME/syn of shape (T, n) or (S, T, n)
for S samples, and perhaps dt; and CSV files with the columns x, v and
spikes of a single neuron.
"""

import collections
import io
import math
import os

import h5py
import numpy as np

from refsnn.oracle import files
from refsnn.oracle.hdf5 import attribute, field, member, names, need, opened
from refsnn.oracle.nir import dynamics
from refsnn.oracle.nir.graphs import DEPTH, SPIKING, STATES

__all__ = ["image", "read"]

KEYS = {"spikes": "spikes", "membrane": "membrane", "mem": "membrane", "v": "membrane",
        "voltage": "membrane", "current": "current", "syn": "current", "i": "current"}
TYPES = "TimeGriddedData", "EventData", "ValuedEventData"
ENTRIES = 1 << 26       # largest number of entries of an array, and of bytes of a CSV
# Arrays (S, T, n) of each Input, a dict of arrays of each node, the duration of a row
# in s or None, and the names that are no nodes of the graph.
RECORDING = collections.namedtuple("RECORDING", "inputs nodes dt unknown")


def read(path, graph, dt=None):
    """Read a recording of a graph from an untrusted file.

    >>> read("nowhere.csv", None)
    Traceback (most recent call last):
    ValueError: nowhere.csv is missing: must be a file

    Parameters
    ----------
    path : str, of a NIRData file, or of a file that ends with .npz or .csv
    graph : graphs.Graph
    dt : float, optional
        Duration of a row in s; must equal the duration in the file.

    Returns
    -------
    Recording
    """
    need(dt is None or 0 < dt < math.inf, f"dt is {dt}: must be positive, in s")
    need(os.path.isfile(path), f"{path} is missing: must be a file")
    if path.endswith((".csv", ".npz")):
        found, own = (_csv if path.endswith(".csv") else _npz)(path, graph)
    else:
        with opened(path) as file:
            found, own = _nirdata(file, f"{path}: ", dt)
    need(None in (own, dt) or math.isclose(own, dt, rel_tol=1e-6), f"{path}: dt is "
         f"{own}, and --dt is {dt}: must be equal")
    inputs, nodes, shapes = {}, {}, set()
    for (name, key), a in found.items():
        node = graph.nodes.get(name)
        if node:
            need(a.ndim == 3 and a.size and a.shape[2] == node.size and np.isfinite(
                a).all(), f"{path}: {name}/{key} is of shape {a.shape}, or not finite: "
                f"must be (samples, rows, {node.size}), and finite")
            shapes.add(a.shape[:2])
            if node.type == "Input":
                inputs[name] = a.astype(float)
            elif node.type in STATES:
                nodes.setdefault(name, {})[key] = a
    need(len(shapes) < 2, f"{path} has numbers of samples and rows {sorted(shapes)}: "
         "must be equal")
    return RECORDING(inputs, nodes, own or dt, sorted(
        {name for name, _ in found} - {*graph.nodes, *graph.skipped}))


def _single(path, graph, *kinds):
    found = [name for name, node in graph.nodes.items() if node.type in kinds]
    need(len(found) == 1, f"{path} names no {kinds[0]}, and the graph has "
         f"{len(found)}: must be a recording of a graph with one")
    return found[0]


def _csv(path, graph):
    need(os.path.getsize(path) <= ENTRIES, f"{path} is large: must be {ENTRIES} bytes")
    try:
        with open(path, encoding="utf-8") as file:
            table = np.array([line.split(",") for line in file], float)
    except ValueError as error:
        raise ValueError(f"{path}: {str(error)[:100]}: must hold numbers") from None
    need(table.ndim == 2 and table.shape[1] == 3, f"{path} is of shape {table.shape}: "
         "must have the columns x, v and spikes")
    x, name = _single(path, graph, "Input"), _single(path, graph, *STATES)
    return {key: table[None, :, i:i + 1] for i, key in enumerate((
        (x, "spikes"), (name, "membrane"), (name, "spikes")))}, None


def _npz(path, graph):
    found, arrays = {}, files.read(path)
    dt = arrays.pop("dt", None)
    need(dt is None or dt.shape == () and 0 < dt < math.inf, f"{path}: dt is "
         f"{dt!s:.60}: must be a positive number")
    for title, a in arrays.items():
        name, _, key = title.rpartition("/")
        if title == "x":
            name, key = _single(path, graph, "Input"), "spikes"
        found[(name, KEYS[key]) if name and key in KEYS else (title, "spikes")] = \
            a[None] if a.ndim == 2 else a
    return found, dt if dt is None else float(dt)


def _nirdata(file, where, dt):
    groups = dict(_observables(file, "", where))
    steps = {dt} - {None} | {attribute(one, "dt", place, float) for place, one, kind
                             in groups.values() if kind == TYPES[0]}
    need(steps and 0 < max(steps) < min(steps) * (1 + 1e-6), f"{where}dt is {steps}: "
         "must be positive and equal; for events, --dt gives it")
    return {key: field(group, "data", where) if kind == TYPES[0] else _rows(
        group, where, min(steps)) for key, (where, group, kind) in groups.items()}, min(
        steps)


def _observables(group, prefix, where):
    """Yield name and key, and place, group and type, of each observable."""
    kind = attribute(group, "__type__", where)
    graph = kind == "NIRGraphData" and prefix.count("/") < DEPTH
    need(graph or kind == "NIRNodeData" and prefix, f"{where}__type__ is {kind:.60}, "
         "or too deep: must be NIRGraphData, or NIRNodeData in it")
    part = "nodes" if graph else "observables"
    inner = member(group, part, where)
    for name in names(inner, f"{where}{part}"):
        one, place = member(inner, name, where), f"{where}{part}/{name:.60}/"
        if graph:
            yield from _observables(one, f"{prefix}{name}/", place)
        elif name.lower() in KEYS:
            kind = attribute(one, "__type__", place)
            need(kind in TYPES, f"{place}__type__ is {kind:.60}: must be in {TYPES}")
            yield (prefix[:-1], KEYS[name.lower()]), (place, one, kind)


def _rows(group, where, dt):
    """Return events as an array of rows."""
    n, end = (attribute(group, name, where, float) for name in ("n_neurons", "t_max"))
    index, time = field(group, "idx", where, "iu"), field(group, "time", where)
    value = field(group, "value", where, needed=False)
    value = np.ones(index.shape) if value is None else value
    T = math.ceil(end / dt - 1e-6) if 0 < end / dt < ENTRIES else 0
    need(index.ndim == 2 and index.shape == time.shape == value.shape and T > 0 and
         1 <= n <= ENTRIES and len(index) * T * n <= ENTRIES, f"{where}: idx and time "
         f"are of shapes {index.shape} and {time.shape}, t_max is {end:.6g}, n_neurons "
         f"{n:.6g}: must be equal shapes (S, events), and 1 to {ENTRIES} entries")
    at, i = time[index != -1], index[index != -1]
    need(((i >= 0) & (i < n) & (at >= 0) & (at < end + 1e-6 * dt)).all(), f"{where} "
         f"has an event outside {n:.0f} neurons or {end:.6g} s: must be in, or idx -1")
    found = np.zeros((len(index), T, int(n)))
    t = np.minimum(np.floor(at / dt + 1e-6).astype(int), T - 1)
    np.add.at(found, (np.nonzero(index != -1)[0], t, i), value[index != -1])
    return found


def image(graph, recording, convention="", pulse=True):
    """Return a simulation of a graph as the bytes of a NIRData file.

    >>> image(None, RECORDING({}, {}, 1.0, []))
    Traceback (most recent call last):
    ValueError: the recording holds no input or no dt: must hold both

    Parameters
    ----------
    graph : graphs.Graph
    recording : Recording, whose inputs drive the graph
    convention : str
        Choices such as "decay=Euler,when=next row", see `dynamics.AXES`;
        empty for the exact solution.
    pulse : bool, as for `judgement.judge`

    Returns
    -------
    bytes
    """
    inputs, dt, (one, lists) = recording.inputs, recording.dt, (
        dynamics._named(convention), {})
    need(inputs and dt and all(node.type != "Input" or name in inputs
                               for name, node in graph.nodes.items()),
         "the recording holds no input or no dt: must hold both")
    need(one.loop != "lag 0", "convention has loop=lag 0: must have a lag of 1 or 2")
    kinds = {name: node.type for name, node in graph.nodes.items()
             if node.type in STATES}
    if convention:
        traces = {name: dynamics.TRACE(*(a[0] for a in dynamics._replay(
            graph, [one], inputs, dt, {}, name))) for name in kinds}
    else:
        traces, lists = dynamics._solve(graph, inputs, dt, pulse)
    nodes = {name: {"spikes": a} for name, a in inputs.items()}
    for name, trace in traces.items():
        nodes[name] = {"membrane": trace.after}
        if "Cuba" in kinds[name]:
            nodes[name]["current"] = trace.current
        if kinds[name] in SPIKING:
            nodes[name]["spikes"] = lists.get(name, trace.spikes)
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for name, values in nodes.items():
            group = file
            for part in name.split("/"):
                group.attrs["__type__"] = "NIRGraphData"
                group = group.require_group(f"nodes/{part}")
            group.attrs["__type__"] = "NIRNodeData"
            for key, value in values.items():
                one = group.create_group(f"observables/{key}")
                if isinstance(value, np.ndarray):
                    one.attrs["__type__"], one.attrs["dt"] = TYPES[0], dt
                    one["data"] = value
                    continue
                for place, rows in zip(("time", "idx"), value, strict=True):
                    fill, most = {"time": np.inf, "idx": -1}[place], max(map(len, rows))
                    one[place] = [np.append(row, [fill] * (most - len(row))).astype(
                        type(fill)) for row in rows]
                _, T, n = traces[name].after.shape
                one.attrs["__type__"], one.attrs["n_neurons"] = TYPES[1], n
                one.attrs["t_max"] = T * dt
    return buffer.getvalue()
