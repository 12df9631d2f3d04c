"""Random graphs of the package nir are read back equal; tools are recorded by rows."""

import pathlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from proofs import examples
from strategies import SEEDS

from refsnn.oracle.nir import graphs, nirdata

nir = pytest.importorskip(      # the folder tests/oracle/nir has no version
    "nir", minversion="1", reason="nir is missing: extra peers")
WEIGHTED, POINTWISE = ("Affine", "Linear"), ("Scale", "Threshold", "Delay")


@pytest.fixture(autouse=True)
def gradients_are_on():
    """Do without PyTorch."""


def primitive(kind, size, rng, dtype):
    """Return a random node, and the length of its output."""
    def draw(*shape):
        return rng.uniform(0.5, 2, shape).astype(dtype)
    if kind in WEIGHTED:
        new = int(rng.integers(1, 5))
        parts = {"weight": draw(new, size)} | ({"bias": draw(new)} if kind == "Affine"
                                               else {})
        return getattr(nir, kind)(**parts), new
    if kind in POINTWISE:
        return getattr(nir, kind)(draw(size)), size
    if kind == "Flatten":
        return nir.Flatten({"input": np.array([size])}, 0, -1), size
    fields = {name: draw(size) * (-1 if name == "v_reset" else 1)
              for name in graphs.FIELDS[kind].split()}
    return getattr(nir, kind)(**fields), size


def drawn(rng, depth=1):
    """Return a random graph of nir: a chain with shortcuts, loops and inner graphs."""
    dtype = (np.float32, np.float64)[rng.integers(2)]
    size = first = int(rng.integers(1, 5))
    nodes, edges, sizes = {"input": nir.Input({"input": np.array([size])})}, [], {}
    last = "input"
    kinds = (*WEIGHTED, *POINTWISE, "Flatten", *graphs.STATES)
    for k in range(int(rng.integers(1, 7))):
        name = f"{'abc'[rng.integers(3)]}.{k}"
        if depth and rng.random() < 0.2:
            nodes[name], width = drawn(rng, depth - 1)
            size, old = width[1], size
            if old != width[0]:
                bridge = f"{name} bridge"
                nodes[bridge] = nir.Linear(np.ones((width[0], old), dtype))
                edges.append((last, bridge))
                last = bridge
        else:
            kind = kinds[rng.integers(len(kinds))]
            nodes[name], size = primitive(kind, size, rng, dtype)
        edges.append((last, name))
        last, sizes[name] = name, size
        if type(nodes[name]).__name__ in graphs.STATES and rng.random() < 0.5:
            back = f"{name} back"
            nodes[back] = nir.Linear(rng.normal(size=(size, size)).astype(dtype))
            edges += [(name, back), (back, name)]
    nodes["output"] = nir.Output({"output": np.array([size])})
    edges.append((last, "output"))
    rng.shuffle(edges)
    return nir.NIRGraph(nodes, [tuple(edge) for edge in edges]), (first, size)


def flat(graph, prefix=""):
    """Return the nodes and edges of a graph of nir without inner graphs."""
    nodes, edges = {}, set()
    inner = {name for name, one in graph.nodes.items() if isinstance(one, nir.NIRGraph)}
    for name in graph.nodes:
        if name in inner:
            more, others = flat(graph.nodes[name], f"{prefix}{name}/")
            nodes, edges = nodes | more, edges | others
        else:
            nodes[prefix + name] = graph.nodes[name]
    for a, b in graph.edges:
        edges.add((f"{prefix}{a}" + "/output" * (a in inner),
                   f"{prefix}{b}" + "/input" * (b in inner)))
    return nodes, edges


@examples(60)
@given(SEEDS, st.sampled_from(["gzip", "lzf", 9]))
def test_graphs_of_nir_are_read_back_equal(tmp_path_factory, seed, compression):
    path = str(tmp_path_factory.mktemp("nir") / "a.nir")
    graph, _ = drawn(np.random.default_rng(seed))
    nir.write(path, graph, compression=compression)
    found, (nodes, edges) = graphs.read(path), flat(nir.read(path))
    assert set(found.nodes) == set(nodes) and found.version == nir.version
    assert {(a, b) for b, some in found.sources.items() for a in some} == edges
    assert found.skipped == {} and found.notes == []
    order = list(found.nodes)
    for a, b in edges:
        assert (order.index(a) < order.index(b)) == ((a, b) not in found.late)
    for name, node in found.nodes.items():
        kind = type(nodes[name]).__name__
        assert node.type == kind or kind == "Input" and "/" in name
        for field, a in node.fields.items():
            wanted = {"Input": lambda one, _: one.input_type["input"],
                      "Output": lambda one, _: one.output_type["output"]}.get(
                kind, getattr)(nodes[name], field)
            assert np.array_equal(a, wanted)
            assert a.dtype == np.asarray(wanted).dtype or a.dtype.kind == "i"


@examples(10)
@given(SEEDS)
def test_recordings_are_those_of_nir(tmp_path_factory, seed):
    rng, folder = np.random.default_rng(seed), tmp_path_factory.mktemp("nir")
    x, n = (rng.random((2, 30, 3)) < 0.3), 3
    graph = nir.NIRGraph.from_list(nir.LIF(
        tau=np.full(n, 4e-3), r=np.full(n, 2.0), v_leak=np.zeros(n),
        v_threshold=np.full(n, 0.5), v_reset=np.zeros(n)))
    nir.write(str(folder / "a.nir"), graph)
    found = graphs.read(str(folder / "a.nir"))
    spikes = nir.TimeGriddedData(x, 1e-3)
    for name, data in ("a", spikes), ("b", spikes.to_event(90, time_shift=5e-4)), (
            "c", spikes.to_event(90)):
        nir.write_data(str(folder / name), nir.NIRGraphData({
            "input": nir.NIRNodeData({"spikes": data})}))
        recording = nirdata.read(str(folder / name), found, 1e-3)
        assert (recording.inputs["input"] == x).all()
    (folder / "d").write_bytes(nirdata.image(found, recording))
    read = nir.read_data(str(folder / "d")).nodes["lif"].observables
    times = read["spikes"].time[np.isfinite(read["spikes"].time)]
    assert len(times) > 3 and read["membrane"].data.shape == (2, 30, 3)


@pytest.fixture
def tools(monkeypatch):
    """Return the module that runs graphs in tools."""
    folder = pathlib.Path(__file__).resolve().parents[1] / "oracle" / "nir"
    monkeypatch.syspath_prepend(str(folder))
    import nir_tools
    return nir_tools


@pytest.mark.filterwarnings("ignore")
def test_potentials_of_tools_are_recorded_in_each_row(tools, tmp_path):
    path, x = str(tmp_path / "a.nir"), np.random.default_rng(1).random((1, 20, 3))
    tools.nir_writer.write(path, tools.plain(tools.nine_graphs.made()["CubaLIF"], 1e-3))
    for own in (next(tools.Norse.networks(x))[2], tools.Spyx.run(path, x, "first")):
        assert own["mem"].shape == (1, 20, 2)
        assert len(np.unique(own["mem"])) > 10


def test_a_tool_may_choose_the_duration_of_a_row(tools, tmp_path):
    path, x = str(tmp_path / "a.nir"), np.ones((1, 20, 3))
    tools.nir_writer.write(path, tools.nine_graphs.made()["LIF"])
    graph = graphs.read(path)
    given = nirdata.RECORDING({"input": x}, {}, 4e-3, [])
    (tmp_path / "a.h5").write_bytes(nirdata.image(graph, given))
    v = nirdata.read(str(tmp_path / "a.h5"), graph).nodes["first"]["membrane"]
    for own, told in ({}, "not named"), ({"dt": 4e-3}, "named"):
        assert tools.judged(path, "first", x, own | {"mem": v}, 1e-3).status == told


def test_results_are_refused_failed_or_withheld(tools, monkeypatch):
    names = iter([*tools.nine_graphs.made()] * 2)

    class Tool:
        packages, dt = ("nir",), 1e-3

        @staticmethod
        def run(path, x, node):
            name = next(names)
            if name == "IF":
                raise AssertionError
            if name == "LIF":
                raise RuntimeError("sizes")
            if name == "recurrent":
                return {"spikes": np.ones((*x.shape[:2], 2))}
            raise ValueError(f"{name} is not supported")

        @staticmethod
        def networks(x):
            yield "cell", list, {}          # list() is no graph

    monkeypatch.setitem(tools.TOOLS, "tool", Tool)
    found = tools.results("tool")
    assert found["refused"].pop("AssertionError()") == ["IF", "plain IF"]
    assert found["failed"] == ["LIF", "plain LIF", "export of cell"]
    assert found["withheld"] == ["recurrent", "plain recurrent"]
    assert len(found["refused"]) == 6 and found["rows"] == found["silent"] == []
