# refsnn 0.1.0 | oracle/nir/graphs.py | SPDX-License-Identifier: MIT | needs: numpy, h5py
"""Read a network from an HDF5 file in the format NIR.

A NIR file holds a graph of nodes and edges.  A node is, for example, a
group of neurons or a matrix of weights.  A node sums the outputs of all
nodes that have an edge to this node.  A node A may itself be a graph.  The
name of a node B in the graph A is `A/B`.  Arrays are flattened in C order.
"""

import collections
import itertools
import math
import re

import numpy as np

from refsnn.oracle import hdf5
from refsnn.oracle.hdf5 import need

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
NAMES = {"data", "dt", "idx", "time", "value", "n_neurons", "t_max", *TEXTS,
         *" ".join(FIELDS.values()).split()}
MOST = 1 << 29              # values of a node
# A primitive, its arrays as stored, and the length of its output.
NODE = collections.namedtuple("NODE", "type fields size")
# Dicts of nodes, in an order of evaluation, and of the sources of each node; the edges
# (source, target) that run against this order; the reasons why nodes are left out.
GRAPH = collections.namedtuple("GRAPH", "nodes sources late skipped notes version")


def read(path, repair=False):
    """Read a `GRAPH` from an untrusted NIR file.

    If `repair` is true, `read` corrects a wrong name (a name that no node has)
    in the list of edges.  A wrong name is corrected only if all other names
    are right, and exactly one node has no edge.  `read` then replaces the
    wrong name by the name of the node without an edge.

    >>> read("nowhere.nir")
    Traceback (most recent call last):
    ValueError: nowhere.nir is missing: must be a file
    """
    with hdf5.naming(path):
        groups, notes = hdf5.read(path, NAMES, TEXTS), []
        version, = groups[""].get("version") or [""]
        groups = {"/".join(place.split("/")[2::2]): found for place, found in sorted(
            groups.items()) if re.fullmatch("node(/nodes/[^/]+)*", place)}
        nodes = {name: _node(name or "node", found) for name, found in groups.items()}
        need("" in nodes and nodes[""].type == "NIRGraph", "node is missing, or no "
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
                need(nodes[a].size == _width(node), f"edge {a} -> {name} joins "
                     f"{nodes[a].size} and {_width(node)} values: must be equal")
            if node.type != "Input" and not sources[name]:
                notes.append(f"{name} has no input, which is taken as 0")
    nodes, sources = ({name: a[name] for name in order} for a in (nodes, sources))
    return GRAPH(nodes, sources, late, skipped, notes, version)


def _node(name, found):
    """Return a `NODE`.  A size of 0 means that the size is not known yet."""
    kind = (found.get("type") or [""])[0]
    names, fields, found = FIELDS.get(kind, "").split(), {}, DEFAULTS | found
    for field in ("type", *names):
        need(field in found, f"{name}/{field} is missing: must be present")
    for field in names:
        a = fields[field] = found[field]
        low = a <= 0 if field in POSITIVE else (a < 0) & (field == "delay")
        need(a.size and np.isfinite(a).all() and not low.any(), f"{name}/{field} is "
             "empty, not finite, or too small: must be finite numbers in range")
    shapes = {a.shape for a in fields.values() if a.shape}
    need(kind not in STATES or len(shapes) < 2, f"{name} has parameters of shapes "
         f"{sorted(shapes)}: must be equal")
    need(kind not in SPIKING or (fields["v_reset"] < fields["v_threshold"]).all(),
         f"{name}/v_reset is not below v_threshold: must be, or spikes never end")
    size = max((a.size for a in fields.values()), default=0) * bool(shapes)
    if "shape" in fields:
        size = math.prod(map(int, fields["shape"].ravel()))
        need(size <= MOST, f"{name}/shape gives {size} values: must be fewer")
    elif "weight" in fields:
        W, bias = fields["weight"], fields.get("bias", np.zeros(()))
        need(W.ndim == 2 and bias.shape in ((), W.shape[:1]), f"{name}/weight and "
             f"bias are of shapes {W.shape} and {bias.shape}: must be (n, m) and (n)")
        size = len(W)
    return NODE(kind, fields, 0 if kind == "Flatten" else size)


def _edges(graph, found, nodes, repair, notes):
    """Return the edges.  Edges from a subgraph start at the Output node of the
    subgraph.  Edges to a subgraph end at the Input node of the subgraph."""
    where, words, ends = f"{graph}/edges".lstrip("/"), found.get("edges"), []
    need(words is not None, f"{where} is missing: must be present")
    own = {name.rpartition("/")[2]: name for name in nodes
           if name and name.rpartition("/")[0] == graph}
    free, unknown = ([word for word in dict.fromkeys(some) if word not in others]
                     for some, others in ((own, words), (words, own)))
    for word in unknown:
        single = len(unknown) == len(free) == 1
        hint = f"--repair reads {free[0]!r}, which has no edge" if single else \
            "no single repair is possible"
        need(single and repair, f"{where} names {word!r}, and no node has this name: "
             f"must name a node; {hint}")
        notes.append(f"{where}: {word} is read as {free[0]}")
        own[word] = own[free[0]]
    for word, kind in zip(words, itertools.cycle(("Output", "Input"))):
        some = [own[word]] if nodes[own[word]].type != "NIRGraph" else [
            name for name, node in nodes.items()
            if node.type == kind and name.rpartition("/")[0] == own[word]]
        need(len(some) == 1, f"{where} joins the graph {word}, which has {len(some)} "
             f"nodes {kind}: must have one")
        ends += some
    need(len(ends) % 2 == 0, f"{where} holds {len(ends)} names: must be pairs")
    return zip(ends[::2], ends[1::2], strict=True)


def _order(nodes, sources):
    left, order, late = dict.fromkeys(nodes), [], set()
    while left:
        free = [name for name in left if not any(a in left for a in sources[name])]
        if not free:
            known = nodes.keys() - left
            loops = [name for name in left if name in _upstream(name, sources, known)]
            some = [name for name in loops if nodes[name].type in ("Delay", *STATES)]
            need(some, f"nodes {', '.join(sorted(loops))} form a loop: must contain a "
                 "neuron or a Delay")
            # a Delay is the first, else a neuron that has an evaluated source
            free = [min(some, key=lambda name: (
                nodes[name].type != "Delay", all(a in left for a in sources[name])))]
            late |= {(a, free[0]) for a in sources[free[0]] if a in left}
        order += free
        left = {name: None for name in left if name not in free}
    return order, late


def _upstream(name, sources, known=()):
    """Return all direct and indirect sources of a node, without nodes in `known`."""
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
