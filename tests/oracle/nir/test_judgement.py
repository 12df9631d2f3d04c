"""Conventions are named from recordings, and distances to the exact solution told."""

import doctest
import json
import os
import pathlib
import re

import nine_graphs
import numpy as np
import pytest
from nir_writer import lif, write
from schemas import complaints

from refsnn import __main__ as command
from refsnn.oracle import stored
from refsnn.oracle.nir import dynamics, graphs, judgement, nirdata
from refsnn.oracle.nir.judgement import judge

DT = 1e-4
GRAPHS = sorted(path.stem for path in nine_graphs.FOLDER.glob("*.nir"))
PUBLIC = pathlib.Path(os.environ.get("REFSNN_DATA", "../shared/data")) / "nir"


def drive(S, T, n, seed=0, rate=0.3):
    return (np.random.default_rng(seed).random((S, T, n)) < rate).astype(float)


def recorded(path, graph, convention, x, name="input"):
    """Return a recording of a graph in a convention."""
    path.write_bytes(nirdata.image(graph, nirdata.RECORDING({name: x}, {}, DT, []),
                                   convention))
    return nirdata.read(str(path), graph)


@pytest.fixture
def graph(tmp_path):
    write(tmp_path / "a.nir", lif())
    return graphs.read(str(tmp_path / "a.nir"))


@pytest.mark.parametrize("name", GRAPHS)
def test_the_exact_answers_of_nine_graphs_are_judged_exact(name, capsys):
    path = str(nine_graphs.FOLDER / name)
    assert command.main(["nir", f"{path}.nir", f"{path}.h5"]) == 0
    told = capsys.readouterr().out
    named = re.findall(r"^\S+ \(.*exact solution in continuous time", told, re.M)
    assert len(named) == (2 if name == "delay" else 1)
    spiking = name not in graphs.ANALOG
    assert told.count(" spikes for ") == spiking * len(named)
    assert told.count("first difference: none") == len(named)
    assert not spiking or all(int(n) > 5 for n in re.findall(r"(\d+) spikes for", told))


def test_the_nine_graphs_are_those_of_the_script(tmp_path):
    assert len(GRAPHS) == 9
    nine_graphs.write(tmp_path)
    for name in GRAPHS:
        old, new = (graphs.read(str(folder / f"{name}.nir"))
                    for folder in (nine_graphs.FOLDER, tmp_path))
        assert str(old) == str(new)
        old, new = (nirdata.read(str(folder / f"{name}.h5"), old)
                    for folder in (nine_graphs.FOLDER, tmp_path))
        for one, values in old.nodes.items():
            for key, a in values.items():
                assert np.allclose(a, new.nodes[one][key], rtol=1e-12, atol=1e-13)


CONVENTIONS = ["decay=Euler", "decay=Euler,reset=subtract",
               "gain=dt/tau,reset=subtract", "gain=1,spikes=many,reset=subtract",
               "decay=Euler,when=next row"]


@pytest.mark.parametrize("text", CONVENTIONS)
@pytest.mark.parametrize("lag, unit", [(0, 1.0), (1, 25.0), (0, 10.0), (2, 7.7)])
def test_convention_lag_and_unit_are_named(tmp_path, graph, text, lag, unit):
    x = drive(2, 400, 1) * (2.0 if "many" in text else 1.0)
    found = recorded(tmp_path / "a.h5", graph, text, x)
    own = found.nodes["lif"]
    assert own["spikes"].sum() > 10
    own |= {"membrane": judgement._late(own["membrane"], lag) * unit,
            "spikes": judgement._late(own["spikes"], lag)}
    verdict, = judge(graph, found)
    fit = verdict.fit
    assert (verdict.status, fit.lag, fit.late) == ("named", lag, lag)
    assert fit.name == {1.0: "1", 25.0: "tau/dt", 10.0: "1/v_threshold"}.get(
        unit, "fitted")
    assert np.mean(fit.unit) == pytest.approx(unit)
    axes, wanted = dynamics._candidates({"LIF"}, False, False, False)[0], \
        dynamics._named(text)
    for axis in axes:
        choices = verdict.undecided.get(axis, [getattr(fit.convention, axis)])
        assert getattr(wanted, axis) in choices
    assert {"decay", "gain", "reset"} & set(verdict.undecided) == set()


def test_potentials_before_the_reset_and_marked_rows_are_named(tmp_path, graph):
    found = recorded(tmp_path / "a.h5", graph, "decay=Euler", drive(1, 400, 1))
    own, one = found.nodes["lif"], dynamics._named("decay=Euler")
    trace, = dynamics._replay(graph, [one], found.inputs, DT, {}, "lif")
    own["membrane"] = trace.before
    assert judge(graph, found)[0].fit.shown == "before"
    own["membrane"] = np.where(own["spikes"] > 0, 3.0, trace.after)
    assert judge(graph, found)[0].fit.shown == "marked"


@pytest.mark.parametrize("text", ["gain=1,spikes=many,reset=subtract", ""])
def test_several_spikes_of_a_row_may_be_recorded_as_one(tmp_path, graph, text):
    found = recorded(tmp_path / "a.h5", graph, text, drive(1, 100, 1) * 20)
    own = found.nodes["lif"]
    assert own["spikes"].max() > 1
    own["spikes"] = np.minimum(own["spikes"], 1)
    verdict, = judge(graph, found)
    assert verdict.status == "named"
    assert verdict.fit.convention is None or verdict.fit.convention.spikes == "many"
    assert (verdict.fit.convention is None) == (text == "")


def test_integers_are_named(tmp_path, graph):
    """As on chips: decays of 12 bits, products cut off."""
    x, v, rows = drive(1, 400, 1), 0, []
    for now in x.ravel():
        v = (v * (4096 - 163)) // 4096 + 640 * int(now)
        spike = v > 1600
        v = 0 if spike else v
        rows.append((v, spike))
    v, spikes = np.array(rows).T[:, None, :, None]
    found = nirdata.RECORDING({"input": x}, {"lif": {"membrane": v, "spikes": spikes}},
                              DT, [])
    verdict, = judge(graph, found)
    assert verdict.status == "named" and verdict.fit.error < 1e-15
    assert verdict.fit.convention.decay == "12 bit" and verdict.fit.unit == 16000


@pytest.mark.parametrize("keys", [("spikes",), ("membrane",), ("spikes", "current")])
@pytest.mark.parametrize("text", ["decay=Euler,order=new I,loop=lag 1 from bias",
                                  "order=old I,synapse=1,reset=subtract", ""])
def test_a_recurrent_layer_is_named_from_some_quantities(tmp_path, keys, text):
    graph = graphs.read(str(nine_graphs.FOLDER / "recurrent.nir"))
    path, x = tmp_path / "a.h5", drive(2, 60, 3, rate=0.6)
    given = nirdata.RECORDING({"input": x}, {}, 1e-3, [])
    path.write_bytes(nirdata.image(graph, given, text))
    found = nirdata.read(str(path), graph)
    found.nodes["first"] = {key: found.nodes["first"][key] for key in keys}
    verdict, = judge(graph, found)
    assert verdict.status == "named"
    if text:
        wanted = dynamics._named(text)
        for axis in ("decay", "order", "synapse", "reset"):
            assert getattr(wanted, axis) in verdict.undecided.get(
                axis, [getattr(verdict.fit.convention, axis)])
    else:
        assert verdict.fit.convention is None


def test_a_loop_is_not_solved_with_a_larger_gain(tmp_path):
    """Its spikes could drive each other without end."""
    graph = graphs.read(str(nine_graphs.FOLDER / "nested.nir"))
    path, given = tmp_path / "a.h5", nirdata.RECORDING(
        {"input": drive(1, 60, 3, 3)}, {}, 1e-3, [])
    path.write_bytes(nirdata.image(graph, given, "gain=1,reset=subtract,spikes=many"))
    verdict, = judge(graph, nirdata.read(str(path), graph))
    assert verdict.status == "named" and verdict.fit.convention.gain == "1"
    assert "exact solution: " in verdict.lines[-1]


def test_simulated_spikes_replace_those_that_are_not_recorded(tmp_path):
    graph = graphs.read(str(nine_graphs.FOLDER / "delay.nir"))
    path, x = tmp_path / "a.h5", drive(1, 60, 3, rate=0.6)
    path.write_bytes(nirdata.image(graph, nirdata.RECORDING({"input": x}, {}, 1e-3, []),
                                   "decay=Euler,order=new I"))
    found = nirdata.read(str(path), graph)
    assert all("recorded inputs" in str(one.lines) for one in judge(graph, found))
    del found.nodes["first"]
    verdict, = judge(graph, found)
    assert verdict.status == "named" and verdict.fit.convention.decay == "Euler"
    assert "spikes of first are simulated" in str(verdict.lines)


def test_rounding_without_leak_adds_up(tmp_path):
    """A float32 simulator of an IF neuron is named, and silence is no potential."""
    fields = {"r": np.array([0.37]), "v_threshold": np.array([9.1]),
              "v_reset": np.zeros(1)}
    nodes = {"x": graphs.NODE("Input", {}, 1), "z": graphs.NODE("IF", fields, 1)}
    found = graphs.GRAPH(nodes, {"x": [], "z": ["x"]}, set(), {}, [], "")
    x, v, rows = drive(1, 4000, 1), np.float32(0), []
    for now in x.ravel():
        v += np.float32(0.37) * np.float32(now)
        spike = v > np.float32(9.1)
        v -= np.float32(9.1) * spike
        rows.append((v, spike))
    v, spikes = np.array(rows).T[:, None, :, None]
    own = {"membrane": v, "spikes": spikes}
    verdict, = judge(found, nirdata.RECORDING({"x": x}, {"z": own}, DT, []))
    assert verdict.status == "named" and 1e-6 < verdict.fit.error < 1e-4
    own = {"membrane": 0 * v}
    verdict, = judge(found, nirdata.RECORDING({"x": x}, {"z": own}, DT, []))
    assert verdict.status == "not named" and verdict.undecided == {}


def test_what_follows_no_convention_is_not_named(tmp_path, graph):
    found = recorded(tmp_path / "a.h5", graph, "decay=Euler", drive(1, 300, 1))
    v = found.nodes["lif"]["membrane"]
    v[:, 100] += 1e-3
    verdict, = judge(graph, found)
    assert verdict.status == "not named"
    assert "does not follow the graph in any known convention" in verdict.lines[0]
    assert "decay Euler" in verdict.lines[0]
    row = int(re.search(r"  first difference: row (\d+)", "\n".join(verdict.lines))[1])
    assert row == 100


def test_potentials_are_compared_up_to_the_first_wrong_spike(tmp_path, graph):
    found = recorded(tmp_path / "a.h5", graph, "decay=Euler", drive(1, 300, 1))
    own = found.nodes["lif"]
    own["spikes"][:, 200] = 1 - own["spikes"][:, 200]
    own["membrane"][:, 200:] += 0.05
    fit = judge(graph, found)[0].fit
    assert fit.misses == 1 and fit.error < 1e-9 and fit.convention.decay == "Euler"


def test_steps_that_diverge_are_no_obstacle(tmp_path):
    write(tmp_path / "a.nir", lif(tau=[1e-5], v_threshold=[2.0]))
    graph = graphs.read(str(tmp_path / "a.nir"))
    x = drive(1, 400, 1) * 3.0
    verdict, = judge(graph, recorded(tmp_path / "a.h5", graph, "reset=subtract", x))
    assert verdict.status == "named" and verdict.fit.error < 1e-12
    assert verdict.fit.convention.reset == "subtract"
    assert verdict.fit.convention.decay == "exact"


def test_silence_and_a_missing_input_are_told(tmp_path, graph):
    x = drive(1, 300, 1, rate=0.02)
    found = recorded(tmp_path / "a.h5", graph, "decay=Euler", x)
    verdict, = judge(graph, found)
    assert verdict.status == "no spike" and "reset" in verdict.undecided
    verdict, = judge(graph, found._replace(inputs={}))
    assert verdict.status == "not judged" and "no input input" in verdict.lines[0]
    with pytest.raises(ValueError, match="holds no dt"):
        judge(graph, found._replace(dt=None))


def test_no_potential_is_compared_after_a_spike_in_the_first_row(tmp_path, graph):
    x = drive(1, 300, 1)
    for first, told in ((0, True), (1e3, False)):
        x[:, 0] = first
        verdict, = judge(graph, recorded(tmp_path / "a.h5", graph, "decay=Euler", x))
        assert verdict.status == "named"
        assert ("error of the potential" in str(verdict.lines)) == told


def test_a_convention_is_named_without_an_exact_solution(tmp_path, graph):
    """Its spikes are endless."""
    x = drive(1, 100, 1)
    x[:, 0] = 1e5
    for text in "decay=Euler", "gain=1,reset=subtract,spikes=many":
        verdict, = judge(graph, recorded(tmp_path / "a.h5", graph, text, x))
        assert verdict.status == "named" and verdict.fit.convention is not None
        assert re.search("exact solution: not judged, lif spikes more than 1000 times "
                         r"in a row of the exact solution, at \S+ s$",
                         verdict.lines[-1])


def test_shifts_and_counts_are_those_of_the_exact_solution(tmp_path, graph):
    exact = recorded(tmp_path / "a.h5", graph, "", drive(1, 400, 1))
    own = exact.nodes["lif"]
    count = int(own["spikes"].sum())
    own["spikes"] = judgement._late(own["spikes"], 2)
    own["membrane"] = 1.25 * own["membrane"]
    verdict, = judge(graph, exact)
    assert f"{count} spikes for {count} exact, spikes 2 to 2 rows late" in str(
        verdict.lines)
    assert verdict.fit.convention is None and verdict.fit.unit == pytest.approx(1.25)


# ---- the command

def test_the_command_runs_and_judges(tmp_path, capsys):
    path, out = str(tmp_path / "a.nir"), str(tmp_path / "out.h5")
    write(path, lif())
    graph = graphs.read(path)
    recorded(tmp_path / "in.h5", graph, "decay=Euler", drive(1, 200, 1))
    given = [path, "--run", str(tmp_path / "in.h5"), "--out", out]
    assert command.main(["nir", *given, "--convention", "reset=subtract"]) == 0
    assert command.main(["nir", *given]) == 2 and "exists" in capsys.readouterr().err
    assert command.main(["nir", path, out]) == 0
    shown = capsys.readouterr().out
    assert "reset subtract" in shown
    assert command.main(["nir", path, out, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    schema = json.loads((stored.FOLDER / "report_schema.json").read_text("utf-8"))
    assert complaints(report, schema) == [] and report["passed"]
    assert report["lines"] == shown.splitlines()
    assert command.main(["nir", path, "--run", out]) == 2
    assert "must be given together" in capsys.readouterr().err
    os.remove(out)
    assert command.main(["nir", *given, "--spike", "dirac"]) == 0
    found = nirdata.read(out, graph).nodes["lif"]["spikes"]
    assert found.sum() == drive(1, 200, 1).sum()    # each pulse is above the threshold


def test_unknown_names_and_skipped_nodes_are_told(tmp_path, capsys):
    root = lif()
    root["nodes"]["conv"] = {"type": "Conv2d"}
    write(tmp_path / "a.nir", root)
    np.savez(tmp_path / "a.npz", **{"other": np.zeros((3, 1))})
    arguments = ["nir", str(tmp_path / "a.nir"), str(tmp_path / "a.npz")]
    assert command.main(arguments) == 1
    told = capsys.readouterr().out
    assert "conv is skipped: Conv2d is not supported" in told
    assert "other: not judged: the graph has no such node" in told
    (tmp_path / "a.nir").write_bytes(b"")
    assert command.main(arguments) == 2
    line, = capsys.readouterr().err.splitlines()
    assert line.startswith(f"refsnn: {tmp_path}")


# ---- public recordings

@pytest.mark.skipif(not PUBLIC.is_dir(), reason=f"{PUBLIC} is missing")
@pytest.mark.parametrize("tool, words", [
    ("exact", "exact solution"), ("nengo", "decay exact, gain 1 - decay"),
    ("norse", "decay Euler, gain 1 - decay, reset v_reset"),
    ("snntorch", "unit of v tau/dt = 25"), ("spyx", "reset subtract, when next row"),
    ("sinabs", "decay exact, gain 1, reset subtract"),
    ("lava_cpu_fixed", "decay 12 bit"), ("lava_loihi_fixed", "in rows of spikes")])
def test_public_recordings_are_replayed(tool, words):
    graph = graphs.read(str(PUBLIC / "lif" / "lif_norse.nir"))
    found = nirdata.read(str(PUBLIC / "lif" / f"lif_{tool}.csv"), graph, DT)
    verdict, = judge(graph, found)
    assert verdict.status == "named" and words in verdict.lines[0]
    assert verdict.fit.error < 1e-6
    wanted = {"sinabs": "0.018", "exact": "1e-09", "nengo": "1e-09"}.get(
        tool, "0.0091" if "fixed" in tool else "0.0094")
    assert f"up to {wanted} times the threshold" in str(verdict.lines)


@pytest.mark.skipif(not PUBLIC.is_dir(), reason=f"{PUBLIC} is missing")
def test_the_public_recurrent_network_is_replayed():
    graph = graphs.read(str(PUBLIC / "braille" / "braille_noDelay_bias_zero.nir"))
    found = nirdata.read(str(PUBLIC / "braille" / "norse_random_input.npz"), graph, DT)
    for verdict in judge(graph, found):
        assert verdict.status == "named" and verdict.fit.error < 1e-6
        for words in "decay Euler, gain 1 - decay", "order new I, reset v_reset":
            assert words in verdict.lines[0]


@pytest.mark.skipif(not PUBLIC.is_dir(), reason=f"{PUBLIC} is missing")
def test_the_page_of_public_recordings_is_current(monkeypatch):
    peers = pathlib.Path(__file__).resolve().parents[2] / "peers"
    monkeypatch.syspath_prepend(str(peers))
    import nir_page
    assert nir_page.page(PUBLIC) == (peers / "NIR.md").read_text(encoding="utf-8")


def test_its_examples():
    failed, tried = doctest.testmod(judgement)
    assert failed == 0 and tried >= 3
