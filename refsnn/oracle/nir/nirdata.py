# refsnn 0.1.0 | oracle/nir/nirdata.py | SPDX-License-Identifier: MIT | needs: numpy, h5py
"""Read and write recordings of a NIR graph.

Row k of a recording covers the time from `k dt` to `(k + 1) dt`.
Potentials and currents are recorded at the end of a row.  NIRData is
the HDF5 format of the package nir; `refsnn.__main__` describes npz and CSV
files.
"""

import collections
import io
import itertools
import math
import os

import h5py
import numpy as np

from refsnn.oracle import files
from refsnn.oracle.nir import dynamics
from refsnn.oracle.nir.graphs import (DEPTH, MEMBERS, SPIKING, STATES, _attribute,
                                      _field, _member, _members, _need, _opened)

__all__ = ["image", "read"]

KEYS = {"spikes": "spikes", "membrane": "membrane", "mem": "membrane", "v": "membrane",
        "voltage": "membrane", "current": "current", "syn": "current", "i": "current"}
GRID, EVENTS, VALUED = "TimeGriddedData", "EventData", "ValuedEventData"
ENTRIES = 1 << 26       # largest number of entries of an array, and of bytes of a CSV
# Arrays (S, T, n) for S samples of each Input, a dict of arrays of each node, the
# duration of a row in s or None, and the names that are no nodes of the graph.
RECORDING = collections.namedtuple("RECORDING", "inputs nodes dt unknown")


def read(path, graph, dt=None):
    """Read a `RECORDING` of a graph from an untrusted file; dt is in s.

    >>> read("nowhere.csv", None)
    Traceback (most recent call last):
    ValueError: nowhere.csv is missing: must be a file
    """
    _need(dt is None or 0 < dt < math.inf, f"dt is {dt}: must be positive, in s")
    _need(os.path.isfile(path), f"{path} is missing: must be a file")
    reader = {".csv": _csv, ".npz": _npz}.get(path[-4:], _nirdata)
    found, own = reader(path, graph, dt)
    _need(None in (own, dt) or math.isclose(own, dt, rel_tol=1e-6), f"{path}: dt is "
          f"{own}, and --dt is {dt}: must be equal")
    inputs, nodes, shapes = {}, {}, set()
    for (name, key), a in found.items():
        node = graph.nodes.get(name)
        if not node:
            continue
        _need(a.ndim == 3 and a.size and a.shape[2] == node.size and np.isfinite(
            a).all(), f"{path}: {name}/{key} is of shape {a.shape}, or not finite: "
            f"must be (samples, rows, {node.size}), and finite")
        shapes.add(a.shape[:2])
        if node.type == "Input":
            inputs[name] = a.astype(float)
        elif node.type in STATES:
            nodes.setdefault(name, {})[key] = a
    _need(len(shapes) < 2, f"{path} has numbers of samples and rows {sorted(shapes)}: "
          "must be equal")
    return RECORDING(inputs, nodes, own or dt, sorted(
        {name for name, _ in found} - {*graph.nodes, *graph.skipped}))


def _single(path, graph, *kinds):
    found = [name for name, node in graph.nodes.items() if node.type in kinds]
    _need(len(found) == 1, f"{path} names no {kinds[0]}, and the graph has "
          f"{len(found)}: must be a recording of a graph with one")
    return found[0]


def _csv(path, graph, dt):
    _need(os.path.getsize(path) <= ENTRIES, f"{path} is large: must be {ENTRIES} bytes")
    try:
        table = np.loadtxt(path, delimiter=",", ndmin=2, encoding="utf-8")
    except ValueError as error:
        raise ValueError(f"{path}: {str(error)[:100]}: must hold numbers") from None
    _need(table.shape[1] == 3, f"{path} is of shape {table.shape}: must have the "
          "columns x, v and spikes")
    x, name = _single(path, graph, "Input"), _single(path, graph, *STATES)
    keys = (x, "spikes"), (name, "membrane"), (name, "spikes")
    return {key: table[None, :, i:i + 1] for i, key in enumerate(keys)}, dt


def _npz(path, graph, dt):
    found, arrays = {}, files.read(path)
    own = arrays.pop("dt", dt)
    _need(own is None or np.ndim(own) == 0 and 0 < own < math.inf, f"{path}: dt is "
          f"{own!s:.60}: must be a positive number")
    for title, a in arrays.items():
        name, _, key = title.rpartition("/")
        if title == "x":
            name, key = _single(path, graph, "Input"), "spikes"
        found[(name, KEYS[key]) if name and key in KEYS else (title, "spikes")] = \
            a[None] if a.ndim == 2 else a
    return found, own if own is None else float(own)


def _nirdata(path, graph, dt):
    with _opened(path) as file:
        parts = list(itertools.islice(_observables(file, "", f"{path}: "), MEMBERS))
        _need(len(parts) < MEMBERS, f"{path} has {MEMBERS} parts: must have fewer")
        groups, found = dict(filter(None, parts)), {}
        steps = {_attribute(one, "dt", where, float) for where, one, kind
                 in groups.values() if kind == GRID} or {dt}
        _need(None not in steps and 0 < max(steps) < min(steps) * (1 + 1e-6), f"{path}"
              f": dt is {steps}: must be positive and equal; for events, --dt gives it")
        own = min(steps)
        for key, (where, group, kind) in groups.items():
            found[key] = _field(group, "data", where) if kind == GRID else _rows(
                group, where, own)
            _need(sum(a.size for a in found.values()) <= ENTRIES, f"{where} is one of "
                  f"many large arrays: must be {ENTRIES} entries in sum")
    return found, own


def _observables(group, prefix, where):
    """Yield None for each group, and the place of each observable."""
    yield None
    kind = _attribute(group, "__type__", where)
    graph = kind == "NIRGraphData" and prefix.count("/") < DEPTH
    _need(graph or kind == "NIRNodeData" and prefix, f"{where}__type__ is {kind:.60}, "
          "or too deep: must be NIRGraphData, or NIRNodeData in it")
    part = "nodes" if graph else "observables"
    inner, names = _members(group, part, where)
    for name in names:
        one, place = _member(inner, name, where), f"{where}{part}/{name:.60}/"
        if graph:
            yield from _observables(one, f"{prefix}{name}/", place)
        elif name.lower() in KEYS:
            kind = _attribute(one, "__type__", place)
            _need(kind in (GRID, EVENTS, VALUED), f"{place}__type__ is {kind:.60}: "
                  f"must be {GRID}, {EVENTS} or {VALUED}")
            yield (prefix[:-1], KEYS[name.lower()]), (place, one, kind)


def _rows(group, where, dt):
    """Return events as an array of rows."""
    n, end = (_attribute(group, name, where, float) for name in ("n_neurons", "t_max"))
    index, time = _field(group, "idx", where, "iu"), _field(group, "time", where)
    value = _field(group, "value", where, needed=False)
    value = np.ones(index.shape) if value is None else value
    T = math.ceil(end / dt - 1e-6) if 0 < end / dt < ENTRIES else 0
    _need(index.ndim == 2 and index.shape == time.shape == value.shape and T > 0 and
          1 <= n <= ENTRIES and len(index) * T * n <= ENTRIES, f"{where}: idx and time "
          f"are of shapes {index.shape} and {time.shape}, t_max is {end:.6g}, n_neurons"
          f" {n:.6g}: must be equal shapes (S, events), and 1 to {ENTRIES} entries")
    real, found = index != -1, np.zeros((len(index), T, int(n)))
    at, i = time[real], index[real]
    _need(((i >= 0) & (i < n) & (at >= 0) & (at < end + 1e-6 * dt)).all(), f"{where} "
          f"has an event outside {n:.0f} neurons or {end:.6g} s: must be in, or idx -1")
    t = np.minimum(np.floor(at / dt + 1e-6).astype(int), T - 1)
    np.add.at(found, (np.nonzero(real)[0], t, i), value[real])
    return found


def image(graph, recording, convention="", pulse=True):
    """Simulate a graph, and return the bytes of a NIRData file.

    The input is taken from a recording.  The text `convention` holds choices
    such as "decay=Euler".  With an empty text, the graph is solved exactly.

    >>> image(None, RECORDING({}, {}, 1.0, []))
    Traceback (most recent call last):
    ValueError: the recording holds no input or no dt: must hold both
    """
    inputs, dt, one = recording.inputs, recording.dt, dynamics._named(convention)
    _need(inputs and dt and all(node.type != "Input" or name in inputs
                                for name, node in graph.nodes.items()),
          "the recording holds no input or no dt: must hold both")
    _need(one.loop != "lag 0", "convention has loop=lag 0: must have a lag of 1 or 2")
    if convention:
        traces, events = {name: dynamics.TRACE(*(a[0] for a in dynamics._replay(
            graph, [one], inputs, dt, {}, name))) for name, node in graph.nodes.items()
            if node.type in STATES}, {}
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
            if key != "spikes" or name not in events:
                one.attrs.update({"__type__": GRID, "dt": dt})
                one["data"] = a
                continue
            one.attrs.update({"__type__": EVENTS, "n_neurons": a.shape[2],
                              "t_max": a.shape[1] * dt})
            most = max(map(len, events[name]))
            padded = np.array([some + [(np.inf, -1)] * (most - len(some))
                               for some in events[name]]).reshape(len(a), most, 2)
            one["time"], one["idx"] = padded[..., 0], padded[..., 1].astype(int)
    return buffer.getvalue()
