# refsnn 0.1.0 | oracle/nir/graphs.py | SPDX-License-Identifier: MIT | needs: numpy, h5py
"""Read a network from an HDF5 file in the format NIR.

A NIR file holds a graph: named nodes, such as neurons or weights, and
edges between the nodes.  A node sums the outputs of all nodes that have an
edge to this node.  A node can be a graph itself.  The function `read`
returns one flat graph, in which nodes of an inner graph are named
`GRAPH/NODE`.  All signals are vectors; arrays are flattened in C order.

The link, type, layout and size of each HDF5 field are checked before the
field is read.  Data in other files are not read.
"""

import collections
import contextlib
import math
import os
import zlib

import h5py
import numpy as np

from refsnn.events import SEQUENCE

__all__ = ["read"]

FIELDS = {              # required fields of each primitive
    "Input": "shape", "Output": "shape", "Linear": "weight", "Affine": "weight bias",
    "Scale": "scale", "Threshold": "threshold", "Delay": "delay",
    "Flatten": "start_dim end_dim", "I": "r", "IF": "r v_threshold",
    "LI": "tau r v_leak", "LIF": "tau r v_leak v_threshold",
    "CubaLI": "tau_syn tau_mem r v_leak",
    "CubaLIF": "tau_syn tau_mem r v_leak v_threshold"}
SPIKING, ANALOG = ("IF", "LIF", "CubaLIF"), ("I", "LI", "CubaLI")
STATES = SPIKING + ANALOG
DEFAULTS = {"v_reset": (0.0, SPIKING), "w_in": (1.0, ("CubaLI", "CubaLIF"))}
DEPTH, MEMBERS = 16, 2000       # largest depth, and number of nodes and graphs
MOST, TEXT = 1 << 28, 1 << 20   # bytes of all arrays, and of the texts of a field
CHUNKS = 1 << 12                # compressed chunks of a field
DEFLATE, FILTERS = 1, {1, 2, 3, 32000}      # also shuffle, Fletcher checksum, LZF
# A primitive, its arrays as stored, and the length of its output.
NODE = collections.namedtuple("NODE", "type fields size")
# Dicts of nodes, in an order of evaluation, and of the sources of each node; the edges
# (source, target) that run against this order; the reasons why nodes are left out.
GRAPH = collections.namedtuple("GRAPH", "nodes sources late skipped notes version")


def read(path, repair=False):
    """Read a `GRAPH` from an untrusted NIR file.

    If `repair` is true, the only unknown name in the edges of a graph stands
    for the only node without edges.

    >>> read("nowhere.nir")
    Traceback (most recent call last):
    ValueError: nowhere.nir is missing: must be an HDF5 file
    """
    nodes, edges, notes = {}, [], []
    with _opened(path) as file:
        version = _field(file, "version", path, "U", needed=False) or [""]
        _collect(file, "node", "", f"{path}: ", repair, (nodes, edges, notes, []))
    sources = {name: [] for name in nodes}
    for (a, b), count in sorted(collections.Counter(edges).items()):
        sources[b].append(a)
        if count > 1:
            notes.append(f"edge {a} -> {b} is given {count} times, and counts once")
    skipped = {name: f"{node.type} is not supported" for name, node in nodes.items()
               if node.type not in FIELDS}
    for bad in list(skipped):
        skipped |= {name: f"depends on {bad}" for name in nodes if name not in skipped
                    and bad in _upstream(name, sources)}
    nodes = {name: node if node.type != "Input" or not sources[name] else node._replace(
        type="Output") for name, node in nodes.items() if name not in skipped}
    order, late = _order(path, nodes, sources)
    for name in order * 2:      # twice, because of loops
        if not nodes[name].size:
            nodes[name] = nodes[name]._replace(size=max(
                (nodes[a].size for a in sources[name]), default=1))
    for name, node in nodes.items():
        for a in sources[name]:
            _need(nodes[a].size == _width(node), f"{path}: edge {a:.60} -> {name:.60} "
                  f"joins {nodes[a].size} and {_width(node)} values: must be equal")
        if node.type != "Input" and not sources[name]:
            notes.append(f"{name} has no input, which is taken as 0")
    nodes, sources = ({name: a[name] for name in order} for a in (nodes, sources))
    return GRAPH(nodes, sources, late, skipped, notes, version[0])


def _collect(parent, name, prefix, where, repair, found):
    """Collect the nodes and edges of graphs, and count their bytes."""
    nodes, edges, notes, sizes = found
    group, where = _member(parent, name, where), f"{where}{name:.60}/"
    kind, full = (_field(group, "type", where, "U") or [""])[0], prefix[:-1] or name
    _need(len(sizes) < MEMBERS and prefix.count("/") < DEPTH, f"{where} is too deep, "
          f"or one of many: must be {DEPTH} deep and {MEMBERS} nodes at most")
    sizes.append(0)
    if kind != "NIRGraph":
        nodes[full] = _node(group, kind, where)
        sizes[-1] = sum(a.nbytes for a in nodes[full].fields.values())
        _need(sum(sizes) <= MOST, f"{where} is one of many large nodes: must be "
              f"{MOST} bytes in sum")
        return [full], [full]
    inner, names = _members(group, "nodes", where)
    ends = {one: _collect(inner, one, f"{prefix}{one}/", f"{where}nodes/", repair,
                          found) for one in names}
    words = _field(group, "edges", where, "U")
    unknown = [word for word in dict.fromkeys(words) if word not in ends]
    if unknown:
        free = [one for one in ends if one not in words]
        single = len(unknown) == len(free) == 1
        hint = f"--repair reads {free[0]!r:.60}, which has no edge" if single else \
            "no single repair is possible"
        _need(single and repair, f"{where}edges names {unknown[0]!r:.60}, and no node "
              f"has this name: must name a node; {hint}")
        notes.append(f"{where.partition(': ')[2]}edges: {unknown[0]} is read as "
                     f"{free[0]}")
        words = [free[0] if word == unknown[0] else word for word in words]
    _need(len(words) % 2 == 0, f"{where}edges holds {len(words)} names: must be pairs")
    for a, b in zip(words[::2], words[1::2], strict=True):
        _need(len(ends[a][1]) == len(ends[b][0]) == 1, f"{where}edges: {a:.60} -> "
              f"{b:.60} joins graphs: must have one Output and one Input")
        edges.append((ends[a][1][0], ends[b][0][0]))
    own = [prefix + one for one in ends if prefix + one in nodes]
    return tuple([one for one in own if nodes[one].type == end]
                 for end in ("Input", "Output"))


def _node(group, kind, where):
    """Return a node, of size 0 if unknown."""
    fields = {name: _field(group, name, where) for name in FIELDS.get(kind, "").split()}
    for name in (name for name, (_, kinds) in DEFAULTS.items() if kind in kinds):
        found = _field(group, name, where, needed=False)
        fields[name] = np.asarray(DEFAULTS[name][0]) if found is None else found
    for name, a in fields.items():
        time = "tau" in name or name == "shape"
        low = a <= 0 if time else (a < 0) & (name == "delay")
        _need(a.size and np.isfinite(a).all() and not low.any(), f"{where}{name} holds "
              "NaN, infinity, too small values or nothing: must be finite, in range")
    shapes = {a.shape for a in fields.values() if a.shape}
    _need(kind not in STATES or len(shapes) < 2, f"{where} has parameters of shapes "
          f"{sorted(shapes)}: must be equal")
    _need(kind not in SPIKING or (fields["v_reset"] < fields["v_threshold"]).all(),
          f"{where}v_reset is not below v_threshold: must be, or spikes never end")
    size = max((a.size for a in fields.values()), default=0) * bool(shapes)
    if "shape" in fields:
        size = math.prod(map(int, fields["shape"].ravel()))
        _need(size <= MOST, f"{where}shape gives {size} values: must be fewer")
    elif "weight" in fields:
        W, bias = fields["weight"], fields.get("bias", np.zeros(()))
        _need(W.ndim == 2 and bias.shape in ((), W.shape[:1]), f"{where}weight and "
              f"bias are of shapes {W.shape} and {bias.shape}: must be (n, m) and (n)")
        size = len(W)
    return NODE(kind, fields, 0 if kind == "Flatten" else size)


def _order(path, nodes, sources):
    """Order the nodes for their evaluation."""
    left, order, late = dict.fromkeys(nodes), [], set()
    while left:
        free = [name for name in left if not any(a in left for a in sources[name])]
        if not free:
            known = nodes.keys() - left
            loops = [name for name in left if name in _upstream(name, sources, known)]
            some = [name for name in loops if nodes[name].type in ("Delay", *STATES)]
            _need(some, f"{path}: nodes {', '.join(sorted(loops))[:60]} form a loop: "
                  "must contain a neuron or a Delay")
            # a Delay is the first, else a neuron that has an evaluated source
            free = [min(some, key=lambda name: (
                nodes[name].type != "Delay", all(a in left for a in sources[name])))]
            late |= {(a, free[0]) for a in sources[free[0]] if a in left}
        order += free
        left = {name: None for name in left if name not in free}
    return order, late


def _upstream(name, sources, known=()):
    """Return the nodes that drive a node, without known nodes and their sources."""
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
def _opened(path):
    """Open an HDF5 file, and name it in every error."""
    _need(os.path.isfile(path), f"{path} is missing: must be an HDF5 file")
    try:
        with h5py.File(path, "r") as file:
            yield file
    except Exception as error:      # the HDF5 library raises errors of many kinds
        told = str(error) or type(error).__name__
        if not told.startswith(path):
            told = f"{path}: {told[:300]}: must be an intact HDF5 file"
        raise ValueError("".join(c if c.isprintable() else " " for c in told)) from None


def _member(group, name, where, needed=True):
    """Return a group or dataset, but no link, or None."""
    where = f"{where}{name:.60}"
    _need(isinstance(group, h5py.Group) and "/" not in name,
          f"{where} is in no group, or named as a path: must be in a group")
    link = group.get(name, getlink=True)
    _need(link or not needed, f"{where} is missing: must be present")
    _need(link is None or isinstance(link, h5py.HardLink),
          f"{where} is a soft or external link: must be stored in the file itself")
    return link and group[name]


def _members(group, name, where):
    """Return a group, and its names."""
    found = _member(group, name, where)
    names = list(found) if isinstance(found, h5py.Group) else [""] * MEMBERS
    _need(len(names) < MEMBERS and all(
        isinstance(one, str) and one.isprintable() for one in names),
        f"{where}{name:.60} is no group, or large, or holds control characters: must "
        f"be one of fewer than {MEMBERS} members with printable names")
    return found, names


def _field(group, name, where, kinds="fiub", needed=True):
    """Return an array, or texts, or None."""
    data, where = _member(group, name, where, needed), f"{where}{name:.60}"
    if data is None:
        return None
    _need(isinstance(data, h5py.Dataset) and data.shape is not None,
          f"{where} is no dataset, or holds nothing: must be an array")
    _need(not data.is_virtual and not data.external,
          f"{where} has its data in other files: must be stored in the file itself")
    plan, file = data.id.get_create_plist(), data.file.filename
    filters = [plan.get_filter(i)[0] for i in range(plan.get_nfilters())]
    size = data.dtype.itemsize * max(map(math.prod, (data.shape, data.chunks or ())))
    most = min(MOST, os.path.getsize(file) * (1032 if filters else 1))  # deflate
    _need(size <= most and len(filters) == len(FILTERS & {*filters}), f"{where} is of "
          f"shape {data.shape}, chunks {data.chunks}, filters {filters}: must have at "
          f"most {most} bytes, and different filters of {sorted(FILTERS)}")
    text = h5py.check_string_dtype(data.dtype)
    _need((data.dtype.kind if text is None else "U") in kinds or not data.size,
          f"{where} is of dtype {data.dtype}: must be of kind "
          f"{' or '.join(kinds)} (U: text)")
    if text and text.length is None and data.size:  # HDF5 allocates without a check
        offset = data.id.get_offset()
        _need(offset is not None and np.fromfile(
            file, SEQUENCE, data.size, offset=offset)["length"].sum(dtype=np.uint64)
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
    if "U" in kinds:
        found = [bytes(word).decode() for word in found.astype(object).ravel()]
        _need(all(map(str.isprintable, found)), f"{where} holds control characters: "
              "must be printable")
    return found


def _attribute(group, name, where, kind=str):
    """Return one text, or one finite number."""
    value = group.attrs.get(name) if name in group.attrs and group.attrs.get_id(
        name).shape == () else None
    value = value.decode() if isinstance(value, bytes) else value
    _need(isinstance(value, str) if kind is str else np.ndim(value) == 0 and np.asarray(
        value).dtype.kind in "fiu" and np.isfinite(value), f"{where}{name} is "
        f"{value!r:.60}: must be a {kind.__name__}")
    return kind(value)
