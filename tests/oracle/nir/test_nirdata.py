"""Recordings are read from three formats, and written as NIRData."""

import doctest
import io

import h5py
import numpy as np
import pytest
from nir_writer import lif, write

from refsnn.oracle import hdf5
from refsnn.oracle.nir import graphs, nirdata
from refsnn.oracle.nir.nirdata import RECORDING, image, read

DT = 1e-4


@pytest.fixture
def graph(tmp_path):
    write(tmp_path / "a.nir", lif())
    return graphs.read(str(tmp_path / "a.nir"))


def drive(S=2, T=200, seed=0):
    x = (np.random.default_rng(seed).random((S, T, 1)) < 0.3).astype(float)
    return RECORDING({"input": x}, {}, DT, [])


def test_csv_and_npz_and_nirdata_are_read_alike(tmp_path, graph):
    given = drive(S=1)
    path = tmp_path / "a.h5"
    path.write_bytes(image(graph, given, "decay=Euler"))
    wanted = read(str(path), graph)
    assert wanted.dt == DT and wanted.unknown == []
    x, own = wanted.inputs["input"], wanted.nodes["lif"]
    assert own["spikes"].sum() > 3 and (x == given.inputs["input"]).all()
    columns = np.concatenate([x, own["membrane"], own["spikes"]], axis=2)[0]
    np.savetxt(tmp_path / "a.csv", columns, delimiter=",")
    np.savez(tmp_path / "a.npz", x=x[0], dt=DT, **{
        "lif/mem": own["membrane"][0], "lif/spikes": own["spikes"][0], "other": x})
    for name, dt, unknown in (("a.csv", DT, []), ("a.npz", None, ["other"])):
        found = read(str(tmp_path / name), graph, dt)
        assert found.dt == DT and found.unknown == unknown
        assert (found.inputs["input"] == x).all()
        for key in ("membrane", "spikes"):
            assert (found.nodes["lif"][key] == own[key]).all()


def test_events_are_read_as_rows(tmp_path, graph):
    """Also if their times are multiples of dt, or in the middle of a row."""
    given = drive(T=1000)
    path = tmp_path / "a.h5"
    for shift in (0.0, 0.5):
        with h5py.File(io.BytesIO(image(graph, given)), "r") as file, \
                h5py.File(path, "w") as other:
            for name in file:
                file.copy(name, other)
            other.attrs["__type__"] = "NIRGraphData"
            place = other["nodes/input/observables"]
            del place["spikes"]
            events = place.create_group("spikes")
            events.attrs["__type__"], events.attrs["n_neurons"] = "ValuedEventData", 1
            events.attrs["t_max"] = 1000 * DT
            x = given.inputs["input"]
            rows = [np.flatnonzero(one) for one in x[..., 0]]
            most = max(map(len, rows)) + 2
            events["time"] = [np.pad((row + shift) * DT, (0, most - len(row)),
                                     constant_values=np.inf) for row in rows]
            events["idx"] = [np.pad(0 * row, (0, most - len(row)), constant_values=-1)
                             for row in rows]
            events["value"] = np.full((2, most), 2.0)
        found = read(str(path), graph)
        assert (found.inputs["input"] == 2 * x).all()


def test_the_exact_solution_is_written_with_exact_times(tmp_path, graph):
    path = tmp_path / "a.h5"
    path.write_bytes(image(graph, drive()))
    with h5py.File(path) as file:
        spikes = file["nodes/lif/observables/spikes"]
        assert spikes.attrs["__type__"] == "EventData"
        times = spikes["time"][0]
    rows = np.flatnonzero(read(str(path), graph).nodes["lif"]["spikes"][0, :, 0])
    times = times[np.isfinite(times)]
    assert len(times) > 3 and (np.floor(times / DT) == rows).all()
    assert (times / DT % 1).std() > 0.1


@pytest.mark.parametrize("T", [9, 1])
def test_a_solution_without_spikes_is_written(tmp_path, graph, T):
    path, silent = tmp_path / "a.h5", {"input": np.zeros((2, T, 1))}
    path.write_bytes(image(graph, drive()._replace(inputs=silent)))
    spikes = read(str(path), graph).nodes["lif"]["spikes"]
    assert spikes.shape == (2, T, 1) and not spikes.any()


def broken(kind, path, graph):
    """Write a recording that is wrong in one place."""
    x, suffix = drive().inputs["input"], ".npz"
    arrays = {"x": x, "dt": np.array(DT), "lif/mem": 0 * x}
    if kind in ("x", "lif/mem", "dt"):
        arrays[kind] = {"x": x[:, :5], "lif/mem": np.full(x.shape, np.nan),
                        "dt": np.array(-1.0)}[kind]
    elif kind == "wide":
        arrays["lif/mem"] = np.zeros((2, 200, 2))
    elif kind in ("words", "columns"):
        path.with_suffix(".csv").write_text("a,b,c\n" if kind == "words" else "1,2\n")
        return str(path.with_suffix(".csv"))
    else:
        suffix = ".h5"
        path.with_suffix(suffix).write_bytes(image(graph, drive()))
        with h5py.File(path.with_suffix(suffix), "r+") as file:
            lif_node = file["nodes/lif/observables"]
            if kind == "field":
                del lif_node["spikes/idx"]
            elif kind == "attribute":
                lif_node["spikes"].attrs["n_neurons"] = "text"
            elif kind == "step":
                del lif_node["membrane"].attrs["dt"]
            elif kind == "steps":
                lif_node["membrane"].attrs["dt"] = 2 * DT
            elif kind == "neurons":
                lif_node["spikes"].attrs["n_neurons"] = 10 ** 12
            elif kind == "time":
                lif_node["spikes/time"][:, :1] = 1e9
            elif kind == "index":
                lif_node["spikes/idx"][:, :1] = 7
            elif kind == "link":
                del lif_node["membrane"]
                lif_node["membrane"] = h5py.ExternalLink("other.h5", "a")
    if suffix == ".npz":
        np.savez(path.with_suffix(suffix), **arrays)
    return str(path.with_suffix(suffix))


@pytest.mark.parametrize("kind, told", [
    ("x", "numbers of samples and rows"), ("lif/mem", "not finite"),
    ("dt", "must be positive and equal"), ("wide", "must be (samples, rows, 1)"),
    ("words", "could not convert string 'a'"), ("columns", "must have x, v, spikes"),
    ("field", "lacks data, or one of"), ("attribute", "lacks data, or one of"),
    ("step", "dt is missing"), ("steps", "must be positive and equal"),
    ("neurons", "n_neurons 1e+12"),
    ("time", "has an event outside"), ("index", "has an event outside"),
    ("link", "soft or external link")])
def test_a_bad_recording_is_refused(tmp_path, graph, kind, told):
    path = broken(kind, tmp_path / "b", graph)
    with pytest.raises(ValueError) as error:
        read(path, graph)
    assert told in str(error.value) and str(error.value).startswith(path)
    assert str(error.value).isprintable()


def test_many_parts_or_arrays_are_refused_together(tmp_path, graph, monkeypatch):
    path = tmp_path / "a.h5"
    path.write_bytes(image(graph, drive()))
    monkeypatch.setattr(nirdata, "ENTRIES", 3 * 400)        # of two samples
    assert read(str(path), graph).nodes
    monkeypatch.setattr(nirdata, "ENTRIES", 3 * 400 - 1)
    with pytest.raises(ValueError, match="one of many large arrays"):
        read(str(path), graph)
    (tmp_path / "a.csv").write_text("1,0,0\n" * 200)
    with pytest.raises(ValueError, match="a.csv: is large: must be 1199 bytes"):
        read(str(tmp_path / "a.csv"), graph)
    with h5py.File(path, "w") as file:          # 15^3 empty graphs by hard links
        for k in range(4):
            file.create_group(f"g{k}/nodes")
            file[f"g{k}"].attrs["__type__"] = "NIRGraphData"
        for k in range(3):
            for i in range(15):
                file[f"g{k}/nodes/{i}"] = file[f"g{k + 1}"]
        file.attrs["__type__"], file["nodes/a"] = "NIRGraphData", file["g0"]
    monkeypatch.setattr(hdf5, "MEMBERS", 2000)
    with pytest.raises(ValueError, match="too deep, or one of many"):
        read(str(path), graph, DT)


def test_two_durations_that_differ_are_refused(tmp_path, graph):
    path = tmp_path / "a.h5"
    path.write_bytes(image(graph, drive()))
    assert read(str(path), graph, DT).dt == DT
    with pytest.raises(ValueError, match="dt"):
        read(str(path), graph, 2 * DT)
    with pytest.raises(ValueError, match="must be positive"):
        read(str(path), graph, -1.0)


def test_a_simulation_needs_input_and_dt(graph):
    for lacking in {"dt": None}, {"inputs": {}}:
        with pytest.raises(ValueError, match="holds no input or no dt"):
            image(graph, drive()._replace(**lacking))
    with pytest.raises(ValueError, match="lag of 1 or 2"):
        image(graph, drive(), "loop=lag 0")


def test_its_examples():
    failed, tried = doctest.testmod(nirdata)
    assert failed == 0 and tried >= 2
