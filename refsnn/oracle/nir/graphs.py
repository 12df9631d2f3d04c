# refsnn 0.1.0 | oracle/nir/graphs.py | SPDX-License-Identifier: MIT | needs: numpy, h5py
"""Read a network from an HDF5 file in the format NIR.

A NIR file holds a graph: nodes, such as neurons or weights, and edges.  A
node sums the outputs of all nodes that have an edge to this node.  A node
can be a graph itself; `read` names the nodes of this graph `GRAPH/NODE`.
Arrays are flattened in C order.  Each HDF5 field is checked before the
field is read, and must not refer to other files.
"""

import collections
import contextlib
import itertools
import math
import os
import re
import zlib

import h5py
import numpy as np

from refsnn.events import SEQUENCE

__all__ = ["read"]

FIELDS = {              # of each primitive; those without default are required
    "Input": "shape", "Output": "shape", "Linear": "weight", "Affine": "weight bias",
    "Scale": "scale", "Threshold": "threshold", "Delay": "delay",
    "Flatten": "start_dim end_dim", "I": "r", "IF": "r v_threshold v_reset",
    "LI": "tau r v_leak", "LIF": "tau r v_leak v_threshold v_reset",
    "CubaLI": "tau_syn tau_mem r v_leak w_in", "NIRGraph": "",
    "CubaLIF": "tau_syn tau_mem r v_leak w_in v_threshold v_reset"}
DEFAULTS = {"v_reset": np.zeros(()), "w_in": np.ones(())}
SPIKING, ANALOG = ("IF", "LIF", "CubaLIF"), ("I", "LI", "CubaLI")
STATES = SPIKING + ANALOG
POSITIVE, TEXTS = {"shape", "tau", "tau_syn", "tau_mem"}, {"version", "type", "edges"}
# Names of the fields and attributes that are read.
NAMES = {"data", "dt", "idx", "time", "value", "n_neurons", "t_max", *TEXTS,
         *" ".join(FIELDS.values()).split()}
MEMBERS, PLACE = 20_000, 1000   # groups and datasets of a file, characters of a path
MOST, TEXT = 1 << 29, 1 << 20   # bytes of all arrays, and of the texts of a field
CHUNKS = 1 << 12                # compressed chunks of a field
DEFLATE, FILTERS = 1, {1, 2, 3, 32000}      # also shuffle, Fletcher checksum, LZF
# A primitive, its arrays as stored, and the length of its output.
NODE = collections.namedtuple("NODE", "type fields size")
# Dicts of nodes, in an order of evaluation, and of the sources of each node; the edges
# (source, target) that run against this order; the reasons why nodes are left out.
GRAPH = collections.namedtuple("GRAPH", "nodes sources late skipped notes version")


def read(path, repair=False):
    """Read a `GRAPH` from an untrusted NIR file.

    If `repair` is true, the only name in the edges that no node has is read
    as the name of the only node without an edge.

    >>> read("nowhere.nir")
    Traceback (most recent call last):
    ValueError: nowhere.nir is missing: must be a file
    """
    with _reading(path):
        groups, notes = _contents(path), []
        version, = groups[""].get("version") or [""]
        groups = {"/".join(place.split("/")[2::2]): found for place, found in sorted(
            groups.items()) if re.fullmatch("node(/nodes/[^/]+)*", place)}
        nodes = {name: _node(name or "node", found) for name, found in groups.items()}
        _need("" in nodes and nodes[""].type == "NIRGraph", "node is missing, or no "
              "graph: must be a NIRGraph")
        edges = collections.Counter(
            edge for name, found in groups.items() if nodes[name].type == "NIRGraph"
            for edge in _edges(name, found, nodes, repair, notes))
        nodes = {name: node for name, node in nodes.items() if node.type != "NIRGraph"}
        sources = {name: [] for name in nodes}
        for (a, b), count in sorted(edges.items()):
            sources[b].append(a)
            if count > 1:
                notes.append(f"edge {a} -> {b} is given {count} times, and counts once")
        skipped = {name: f"{node.type} is not supported" for name, node in nodes.items()
                   if node.type not in FIELDS}
        for bad in list(skipped):
            skipped |= {name: f"depends on {bad}" for name in nodes
                        if name not in skipped and bad in _upstream(name, sources)}
        nodes = {name: node._replace(type="Output") if node.type == "Input"
                 and sources[name] else node for name, node in nodes.items()
                 if name not in skipped}
        order, late = _order(nodes, sources)
        for name in order * 2:      # twice, because of loops
            if not nodes[name].size:
                nodes[name] = nodes[name]._replace(size=max(
                    (nodes[a].size for a in sources[name]), default=1))
        for name, node in nodes.items():
            for a in sources[name]:
                _need(nodes[a].size == _width(node), f"edge {a} -> {name} joins "
                      f"{nodes[a].size} and {_width(node)} values: must be equal")
            if node.type != "Input" and not sources[name]:
                notes.append(f"{name} has no input, which is taken as 0")
    nodes, sources = ({name: a[name] for name in order} for a in (nodes, sources))
    return GRAPH(nodes, sources, late, skipped, notes, version)


def _node(name, found):
    """Return a `NODE`; the size is 0 if the fields do not determine it."""
    kind = (found.get("type") or [""])[0]
    names, fields, found = FIELDS.get(kind, "").split(), {}, DEFAULTS | found
    for field in ("type", *names):
        _need(field in found, f"{name}/{field} is missing: must be present")
    for field in names:
        a = fields[field] = found[field]
        low = a <= 0 if field in POSITIVE else (a < 0) & (field == "delay")
        _need(a.size and np.isfinite(a).all() and not low.any(), f"{name}/{field} is "
              "empty, not finite, or too small: must be finite numbers in range")
    shapes = {a.shape for a in fields.values() if a.shape}
    _need(kind not in STATES or len(shapes) < 2, f"{name} has parameters of shapes "
          f"{sorted(shapes)}: must be equal")
    _need(kind not in SPIKING or (fields["v_reset"] < fields["v_threshold"]).all(),
          f"{name}/v_reset is not below v_threshold: must be, or spikes never end")
    size = max((a.size for a in fields.values()), default=0) * bool(shapes)
    if "shape" in fields:
        size = math.prod(map(int, fields["shape"].ravel()))
        _need(size <= MOST, f"{name}/shape gives {size} values: must be fewer")
    elif "weight" in fields:
        W, bias = fields["weight"], fields.get("bias", np.zeros(()))
        _need(W.ndim == 2 and bias.shape in ((), W.shape[:1]), f"{name}/weight and "
              f"bias are of shapes {W.shape} and {bias.shape}: must be (n, m) and (n)")
        size = len(W)
    return NODE(kind, fields, 0 if kind == "Flatten" else size)


def _edges(graph, found, nodes, repair, notes):
    """Return the edges of a graph; an inner graph stands for its Input or Output."""
    where, words, ends = f"{graph}/edges".lstrip("/"), found.get("edges"), []
    _need(words is not None, f"{where} is missing: must be present")
    own = {name.rpartition("/")[2]: name for name in nodes
           if name and name.rpartition("/")[0] == graph}
    free, unknown = ([word for word in dict.fromkeys(some) if word not in others]
                     for some, others in ((own, words), (words, own)))
    for word in unknown:
        single = len(unknown) == len(free) == 1
        hint = f"--repair reads {free[0]!r}, which has no edge" if single else \
            "no single repair is possible"
        _need(single and repair, f"{where} names {word!r}, and no node has this name: "
              f"must name a node; {hint}")
        notes.append(f"{where}: {word} is read as {free[0]}")
        own[word] = own[free[0]]
    for word, kind in zip(words, itertools.cycle(("Output", "Input"))):
        some = [own[word]] if nodes[own[word]].type != "NIRGraph" else [
            name for name, node in nodes.items()
            if node.type == kind and name.rpartition("/")[0] == own[word]]
        _need(len(some) == 1, f"{where} joins the graph {word}, which has {len(some)} "
              f"nodes {kind}: must have one")
        ends += some
    _need(len(ends) % 2 == 0, f"{where} holds {len(ends)} names: must be pairs")
    return zip(ends[::2], ends[1::2], strict=True)


def _order(nodes, sources):
    """Order the nodes for their evaluation."""
    left, order, late = dict.fromkeys(nodes), [], set()
    while left:
        free = [name for name in left if not any(a in left for a in sources[name])]
        if not free:
            known = nodes.keys() - left
            loops = [name for name in left if name in _upstream(name, sources, known)]
            some = [name for name in loops if nodes[name].type in ("Delay", *STATES)]
            _need(some, f"nodes {', '.join(sorted(loops))} form a loop: must contain a "
                  "neuron or a Delay")
            # a Delay is the first, else a neuron that has an evaluated source
            free = [min(some, key=lambda name: (
                nodes[name].type != "Delay", all(a in left for a in sources[name])))]
            late |= {(a, free[0]) for a in sources[free[0]] if a in left}
        order += free
        left = {name: None for name in left if name not in free}
    return order, late


def _upstream(name, sources, known=()):
    """Return all nodes that drive a node, directly or not through `known` nodes."""
    found, new = set(), [name]
    while new:
        some = {a for a in sources[new.pop()] if a not in known} - found
        found |= some
        new += some
    return found


def _width(node):
    """Return the length of a node's input."""
    return node.fields["weight"].shape[1] if "weight" in node.fields else node.size


def _constants(node):
    """Return neuron parameters as float64 vectors."""
    return {name: np.broadcast_to(a.astype(float).ravel(), node.size)
            for name, a in node.fields.items()}


def _need(good, told):
    if not good:
        raise ValueError(told)


@contextlib.contextmanager
def _reading(path):
    """Name a file in every error."""
    _need(os.path.isfile(path), f"{path} is missing: must be a file")
    try:
        yield
    except Exception as error:      # the HDF5 library raises errors of many kinds
        told = str(error).removeprefix(path).strip(": .") or type(error).__name__
        told = told if ": must" in told else f"{told}: must be an intact file"
        told = told if len(told) < 360 else f"{told[:180]} ... {told[-180:]}"
        raise ValueError("".join(c if c.isprintable() else " "
                                 for c in f"{path}: {told}")) from None


def _contents(path):
    """Return the known fields and attributes of all groups of an HDF5 file."""
    found, count, size = {}, 0, 0
    with h5py.File(path, "r") as file:
        groups = [("", file)]
        for place, group in groups:         # inner groups are appended
            members = list(group)
            count += len(members)
            _need(count <= MEMBERS and len(place) <= PLACE, f"{place} is too deep, or "
                  f"one of many: must be one of {MEMBERS} members at most")
            fields = found[place[:-1]] = {
                name: float(group.attrs[name]) for name in NAMES & {*group.attrs}
                if group.attrs.get_id(name).shape == ()
                and group.attrs.get_id(name).dtype.kind in "fiu"}
            for name in members:
                where = f"{place}{name}"
                _need(isinstance(name, str) and where.isprintable() and "/" not in name,
                      f"{where!r} is a path, or holds control characters: must have a "
                      "printable name")
                _need(isinstance(group.get(name, getlink=True), h5py.HardLink),
                      f"{where} is a soft or external link: must be stored in the file "
                      "itself")
                if isinstance(group[name], h5py.Group):
                    groups.append((f"{where}/", group[name]))
                elif name in NAMES:
                    text = name in TEXTS
                    a = fields[name] = _field(group[name], where, text)
                    size += sum(len(word) + 50 for word in a) if text else a.nbytes
                    _need(size <= MOST, f"{where} is one of many large arrays: must be "
                          f"{MOST} bytes in sum")
    return found


def _field(data, where, text):
    """Return an array, or a list of texts."""
    _need(isinstance(data, h5py.Dataset) and data.shape is not None and not (
        data.is_virtual or data.external), f"{where} holds nothing, or has its data in "
        "other files: must be an array in the file itself")
    plan, path = data.id.get_create_plist(), data.file.filename
    filters = [plan.get_filter(i)[0] for i in range(plan.get_nfilters())]
    size = data.dtype.itemsize * max(map(math.prod, (data.shape, data.chunks or ())))
    most = min(MOST, os.path.getsize(path) * (1032 if filters else 1))  # deflate
    _need(size <= most and len(filters) == len(FILTERS & {*filters}), f"{where} is of "
          f"shape {data.shape}, chunks {data.chunks}, filters {filters}: must have at "
          f"most {most} bytes, and different filters of {sorted(FILTERS)}")
    kind = h5py.check_string_dtype(data.dtype)
    _need(not data.size or (kind if text else data.dtype.kind in "fiub"), f"{where} is "
          f"of dtype {data.dtype}: must be {'text' if text else 'numbers'}")
    if kind and kind.length is None and data.size:  # HDF5 allocates without a check
        offset = data.id.get_offset()
        _need(offset is not None and np.fromfile(
            path, SEQUENCE, data.size, offset=offset)["length"].sum(dtype=np.uint64)
            <= TEXT, f"{where} holds texts in pieces, or long ones: must have at most "
            f"{TEXT} bytes")
    count = data.id.get_num_chunks() if DEFLATE in filters else 0
    _need(count <= CHUNKS, f"{where} has {count} compressed chunks: must be at most "
          f"{CHUNKS}")
    for chunk in map(data.id.get_chunk_info, range(count)):
        stream = zlib.decompressobj()       # HDF5 expands a chunk without a limit
        if not chunk.filter_mask >> filters.index(DEFLATE) & 1:
            packed = data.id.read_direct_chunk(chunk.chunk_offset)[1]
            stream.decompress(packed, size + 4)     # 4 bytes of a checksum
        _need(not stream.unconsumed_tail, f"{where} has a chunk of more than {size} "
              "bytes: must be as large as declared")
    found = np.asarray(data[()])
    if not text:
        return found
    found = [bytes(word).decode() for word in found.astype(object).ravel()]
    _need(all(map(str.isprintable, found)), f"{where} holds control characters: must "
          "be printable")
    return found
