"""NIR files are read as flat graphs, and bad files are refused in one line."""

import doctest
import pathlib
import zlib

import h5py
import numpy as np
import pytest
from nir_writer import LIF, chain, graph, lif, node, write

from refsnn.oracle import hdf5
from refsnn.oracle.nir import graphs
from refsnn.oracle.nir.graphs import read

CUBA = {"tau_syn": [1e-3, 2e-3], "tau_mem": [2e-3, 3e-3], "r": [1.0, 2.0],
        "v_leak": [0.0, 0.0], "v_threshold": [1.0, 1.0]}


def loop(inner="lif"):
    """Return a graph with a recurrent inner graph, whose edges name a node `inner`."""
    return graph({
        "input": node("Input", shape=[2]),
        "sub": graph({"input": node("Input", shape=[2]), "lif": node("CubaLIF", **CUBA),
                      "w": node("Linear", weight=np.eye(2)),
                      "output": node("Output", shape=[2])},
                     [("input", inner), (inner, "w"), ("w", inner), (inner, "output")]),
        "output": node("Output", shape=[2])}, chain("input", "sub", "output"))


@pytest.mark.parametrize("version, compression", [("0.1.1", None), ("", None),
                                                  ("1.0.8", "gzip"), ("1.0.8", "lzf")])
def test_a_graph_is_read(tmp_path, version, compression):
    write(tmp_path / "a.nir", lif(), version, compression)
    found = read(str(tmp_path / "a.nir"))
    assert list(found.nodes) == ["input", "fc", "lif", "output"]
    assert found.sources == {"input": [], "fc": ["input"], "lif": ["fc"],
                             "output": ["lif"]}
    assert (found.late, found.skipped, found.notes) == (set(), {}, [])
    assert found.version == version
    fields = found.nodes["lif"].fields
    assert {name: fields[name].tolist() for name in LIF} == LIF
    assert fields["v_reset"] == 0 and found.nodes["lif"].size == 1


def test_an_inner_graph_is_flat(tmp_path):
    write(tmp_path / "a.nir", loop())
    found = read(str(tmp_path / "a.nir"))
    assert found.sources["sub/lif"] == ["sub/input", "sub/w"]
    assert found.sources["output"] == ["sub/output"]
    assert found.sources["sub/input"] == ["input"]
    assert found.late == {("sub/w", "sub/lif")}
    assert found.nodes["sub/lif"].fields["w_in"] == 1


def test_a_repair(tmp_path):
    path = str(tmp_path / "a.nir")
    write(path, loop("lif1"))
    with pytest.raises(ValueError, match="'lif1'.* --repair reads 'lif', which"):
        read(path)
    found = read(path, repair=True)
    assert found.notes == ["sub/edges: lif1 is read as lif"]
    write(path, loop())
    assert read(path).sources == found.sources
    bad = lif()
    bad["edges"].append(("fc", "nothing"))
    write(path, bad)
    with pytest.raises(ValueError, match="'nothing'.*no single repair is possible"):
        read(path, repair=True)


def test_a_delay_breaks_a_loop(tmp_path):
    nodes = {"input": node("Input", shape=[1]), "lif": node("LIF", **LIF),
             "d": node("Delay", delay=[0.01]), "output": node("Output", shape=[1])}
    write(tmp_path / "a.nir", graph(nodes, chain("input", "lif", "d", "lif", "output")))
    assert read(str(tmp_path / "a.nir")).late == {("lif", "d")}


def test_unusual_graphs_are_read_with_a_note(tmp_path):
    root, path = lif(), str(tmp_path / "a.nir")
    root["edges"] += [("fc", "lif")]
    root["nodes"]["alone"] = node("LI", tau=[1.0], r=[1.0], v_leak=[0.0])
    root["nodes"]["lif"]["metadata"] = {"anything": np.array(3)}
    root["nodes"]["output"] = node("Output", shape=[1, 1, 1])
    write(path, root)
    assert read(path).notes == ["edge fc -> lif is given 2 times, and counts once",
                                "alone has no input, which is taken as 0"]


def test_other_primitives_are_skipped_with_what_depends_on_them(tmp_path):
    root = lif()
    root["nodes"]["fc"] = node("Conv1d", weight=np.ones((1, 1, 3)))
    root["nodes"]["free"] = node("Scale", scale=[2.0])
    root["edges"] += [("input", "free")]
    write(tmp_path / "a.nir", root)
    found = read(str(tmp_path / "a.nir"))
    assert found.skipped == {"fc": "Conv1d is not supported", "lif": "depends on fc",
                             "output": "depends on fc"}
    assert set(found.nodes) == {"input", "free"}


def test_scalars_take_the_size_of_their_source(tmp_path):
    root = graph({"input": node("Input", shape=[2, 3]), "f": node(
        "Flatten", start_dim=0, end_dim=-1),
        "li": node("LI", tau=1.0, r=2.0, v_leak=0.0)}, chain("input", "f", "li"))
    write(tmp_path / "a.nir", root)
    found = read(str(tmp_path / "a.nir"))
    assert [found.nodes[name].size for name in ("f", "li")] == [6, 6]


def change(root, place, value):
    *names, last = place.split("/")
    for name in names:
        root = root[name]
    if value is None:
        del root[last]
    else:
        root[last] = value


@pytest.mark.parametrize("place, value, told", [
    ("type", None, "node/type is missing"), ("nodes", None, "no node has this name"),
    ("edges", None, "edges is missing"),
    ("type", "LIF", "is missing"), ("type", "Conv2d", "must be a NIRGraph"),
    ("nodes/lif/tau", None, "lif/tau is missing"),
    ("nodes/lif/type", None, "lif/type is missing"),
    ("nodes/lif/tau", np.array([0.0]), "tau is empty, not finite, or too small"),
    ("nodes/lif/tau", np.array([np.nan]), "tau is empty, not finite, or too small"),
    ("nodes/lif/tau", np.zeros(0), "tau is empty"),
    ("nodes/lif/tau", np.array([1j]), "tau is of dtype complex128"),
    ("nodes/lif/tau", "text", "tau is of dtype object"),
    ("nodes/lif/r", np.ones(2), "lif has parameters of shapes"),
    ("nodes/lif/v_reset", np.array([0.1]), "v_reset is not below v_threshold"),
    ("nodes/fc/weight", np.ones((1, 2)), "input -> fc joins 1 and 2 values"),
    ("nodes/fc/weight", np.ones(2), "weight and bias are of shapes"),
    ("nodes/fc/bias", np.ones(2), "weight and bias are of shapes"),
    ("nodes/input/shape", np.array([1 << 40]), "shape gives"),
    ("nodes/input/shape", np.array([0]), "shape is empty"),
    ("edges", [("input",)], "edges holds 1 names"),
    ("edges", [("input", "other")], "no node has this name"),
    ("edges", [("fc", "fc")], "form a loop")])
def test_a_bad_graph_is_refused(tmp_path, place, value, told):
    root, path = lif(), str(tmp_path / "a.nir")
    change(root, place, value)
    write(path, root)
    with pytest.raises(ValueError) as error:
        read(path)
    assert told in str(error.value) and str(error.value).startswith(path)
    assert ": must " in str(error.value) and "\n" not in str(error.value)


def hostile(kind, file):
    """Replace the field tau of the node lif by something dangerous."""
    place = file["node/nodes/lif"]
    del place["tau"]
    if kind == "external link":
        place["tau"] = h5py.ExternalLink("other.h5", "/tau")
    elif kind == "soft link":
        place["tau"] = h5py.SoftLink("/node/nodes/lif/r")
    elif kind == "external data":
        place.create_dataset("tau", (1,), "f8", external=[("other.raw", 0, 8)])
    elif kind == "virtual":
        layout = h5py.VirtualLayout((1,), "f8")
        layout[:] = h5py.VirtualSource("other.h5", "tau", (1,))
        place.create_virtual_dataset("tau", layout)
    elif kind == "huge":
        place.create_dataset("tau", (1 << 40,), "f8")
    elif kind == "huge chunks":
        place.create_dataset("tau", (1 << 20,), "f8", chunks=(1 << 20,))
    elif kind == "group":
        place.create_group("tau")
    elif kind == "bomb":        # packed twice, three numbers become 16 MB
        plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plan.set_chunk((3,))
        for _ in range(2):
            plan.set_deflate(9)
        packed = zlib.compress(zlib.compress(bytes(1 << 24), 9), 9)
        space = h5py.h5s.create_simple((3,))
        h5py.h5d.create(place.id, b"tau", h5py.h5t.NATIVE_DOUBLE, space,
                        plan).write_direct_chunk((0,), packed)
    elif kind == "wide chunk":
        place.create_dataset("tau", (3,), "f8", chunks=(3,), compression="gzip")
        place["tau"].id.write_direct_chunk((0,), zlib.compress(bytes(1 << 20)))
    elif kind == "many chunks":
        place.create_dataset("tau", data=np.ones(5000), chunks=(1,), compression="gzip")
    elif kind == "ring":
        del place["type"]
        place["type"], place["edges"] = "NIRGraph", np.zeros((0, 2))
        place["nodes"] = file["node/nodes"]


@pytest.mark.parametrize("kind, told", [
    ("external link", "soft or external link"), ("soft link", "soft or external link"),
    ("external data", "data in other files"), ("virtual", "data in other files"),
    ("huge", "of shape"), ("huge chunks", "of shape"), ("group", "tau is missing"),
    ("bomb", r"filters \[1, 1\]"), ("wide chunk", "a chunk of more than 24 bytes"),
    ("many chunks", "has 5000 compressed chunks"), ("ring", "is too deep")])
def test_a_hostile_file_is_refused(tmp_path, kind, told):
    path = str(tmp_path / "a.nir")
    write(path, lif())
    with h5py.File(path, "r+") as file:
        hostile(kind, file)
    with pytest.raises(ValueError, match=told) as error:
        read(path)
    assert "lif" in str(error.value)


def test_a_name_that_is_a_path_leads_to_no_other_file(tmp_path):
    path, root = str(tmp_path / "a.nir"), lif()
    root["nodes"] |= {"oXo": node("Scale", scale=[1.0])}
    write(path, root)
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["o/type"], other["o/scale"] = "Scale", [2.0]
    with h5py.File(path, "r+") as file:
        file["node/nodes/o"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "/")
    raw = pathlib.Path(path).read_bytes()
    pathlib.Path(path).write_bytes(raw.replace(b"oXo", b"o/o"))
    with pytest.raises(ValueError, match="link|is a path"):
        read(path)


def test_texts_and_names_are_printable(tmp_path):
    path = str(tmp_path / "a.nir")
    for name, kind, told in (("a\nb", "Scale", "a printable name"),
                             ("other", "Sc\nale", "other/type holds control")):
        root = lif()
        root["nodes"][name] = node(kind, scale=[1.0])
        write(path, root)
        with pytest.raises(ValueError, match=told) as error:
            read(path)
        assert str(error.value).isprintable()
    raw = pathlib.Path(path).read_bytes()       # no UTF-8
    pathlib.Path(path).write_bytes(raw.replace(b"other", b"\xffther"))
    with pytest.raises(ValueError, match="a printable name"):
        read(path)


def test_many_nodes_or_arrays_are_refused_together(tmp_path, monkeypatch):
    path = str(tmp_path / "a.nir")
    write(path, lif())
    found = hdf5.read(path, graphs.NAMES, graphs.TEXTS).values()
    texts = [text for one in found for name in graphs.TEXTS
             for text in one.get(name, [])]
    size = sum(a.nbytes for one in read(path).nodes.values()
               for name, a in one.fields.items() if name not in graphs.DEFAULTS)
    size += sum(map(len, texts)) + 50 * len(texts)
    monkeypatch.setattr(hdf5, "MOST", size)
    assert len(read(path).nodes) == 4
    monkeypatch.setattr(hdf5, "MOST", size - 1)
    with pytest.raises(ValueError, match="one of many large arrays"):
        read(path)
    monkeypatch.undo()
    with h5py.File(path, "w") as file:          # 15^3 empty graphs by hard links
        for k in range(4):
            file[f"g{k}/type"] = "NIRGraph"
            file[f"g{k}/edges"] = np.zeros((0, 2))
            file.create_group(f"g{k}/nodes")
        for k in range(3):
            for i in range(15):
                file[f"g{k}/nodes/{i}"] = file[f"g{k + 1}"]
        file["node"] = file["g0"]
    with pytest.raises(ValueError, match="too deep, or one of many"):
        read(path)


def test_a_file_of_another_kind_is_refused(tmp_path):
    path = str(tmp_path / "a.nir")
    pathlib.Path(path).write_bytes(b"no HDF5")
    with pytest.raises(ValueError, match="must be an intact file"):
        read(path)
    write(path, lif())
    whole = pathlib.Path(path).read_bytes()
    pathlib.Path(path).write_bytes(whole[:len(whole) // 2])
    with pytest.raises(ValueError, match="must be an intact file"):
        read(path)
    with h5py.File(path, "w") as file:
        file["other"] = 1
    with pytest.raises(ValueError, match="node is missing, or no graph"):
        read(path)


def test_its_examples():
    failed, tried = doctest.testmod(graphs)
    assert failed == 0 and tried >= 1
