"""The command line: complete outputs or none, and refusals in one line."""

import doctest
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from schemas import complaints

from refsnn import __main__ as command
from refsnn import conventions, surrogates
from refsnn.bptt import gradient
from refsnn.convert import command as convert_command
from refsnn.oracle import check as oracle_check
from refsnn.oracle import exchange, files, protocol, stored


PATH = {**os.environ, "PYTHONPATH": str(Path(command.__file__).resolve().parents[1])}


@pytest.mark.parametrize("arguments", [["convert"], ["convert", "a.wav"], ["other"],
                                       ["vectors"], ["check"], ["check", "a", "b"],
                                       ["probes"], ["identify"], ["run"], ["nir"],
                                       ["run", "--seed", "a", "--", "true"],
                                       ["vendor", "lif"],
                                       ["convert", "a.wav", "-o", "b", "--seed", "x"],
                                       ["convert", "a", "-o", "b", "--like", "shd"],
                                       ["convert", "a", "-o", "b", "--clipped", "no"],
                                       ["convert", "a", "-o", "b", "--test", "list"]])
def test_what_is_not_understood(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        command.main(arguments)
    told = capsys.readouterr()
    assert stop.value.code == 2 and told.out == ""
    line, = told.err.splitlines()
    assert re.match(
        r"refsnn( (convert|vendor|vectors|check|run|probes|identify|nir))?: \w+", line)


def test_no_command_prints_the_help(capsys):
    assert command.main([]) == 2
    told = capsys.readouterr()
    assert told.out == "" and told.err.startswith("usage: python -m refsnn ")
    for name in ("convert", "vectors", "check", "run", "diagnose", "probes", "identify",
                 "nir", "vendor"):
        assert f"\n    {name} " in told.err


@pytest.mark.parametrize("old, new, told", [
    ("", "", "right: no term\nloss, spikes, mem, dW, dx and dV (float64) are right"),
    ("- through_reset * threshold * dU", "", "backward: reset\nWrong: dV, dW and dx.")])
def test_a_program_is_diagnosed(old, new, told, tmp_path, capsys):
    harness = Path(__file__).parent / "peers" / "harness" / "harness.py"
    path = tmp_path / "harness.py"
    path.write_text(harness.read_text("utf-8").replace(old, new), "utf-8")
    status = command.main(["diagnose", "--", sys.executable, str(path)])
    shown = capsys.readouterr().out
    assert shown.startswith(told) and status == bool(old)
    report = reported(["diagnose", "--json", "--", sys.executable, str(path)], status,
                      capsys)
    assert [report["side"], *report["terms"]] == told.partition("\n")[0].replace(
        "right: no term", "right").split(": ")
    assert report["lines"] == [shown.partition("\n")[2].strip()]
    assert command.main(["diagnose", "--rule", "rtrl", "--", sys.executable, str(path)])
    assert "'this harness knows only recurrent LIF layers'" in capsys.readouterr().out


@pytest.mark.parametrize("text", [
    "several files require --label", "several sounds are refused",
    "folder (the name of the folder that holds the sound)",
    "the label of a single sound is its file name",
    "--mix average the channels of stereo files"])
def test_the_help_of_convert_explains_labels_and_stereo(text, capsys):
    with pytest.raises(SystemExit):
        command.main(["convert", "--help"])
    assert text in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("name, module, function", [
    ("vectors DIR", files, "write"), ("check a.npz", files, "read"),
    ("run -- true", protocol, "run"), ("diagnose -- true", protocol, "answering"),
    ("probes DIR", files, "write_stimuli"), ("identify a.npz", files, "read"),
    ("vendor lif .", command, "_write"),
    ("convert a.wav -o a.h5", convert_command, "run")])
@pytest.mark.parametrize("error, status, text", [
    (KeyboardInterrupt(), 130, "interrupted"), (ValueError("bad"), 2, "bad"),
    (OSError("full"), 2, "full")])
def test_an_error_is_one_line(name, module, function, error, status, text, capsys,
                              monkeypatch):
    def stopped(*arguments, **options):
        raise error

    monkeypatch.setattr(module, function, stopped)
    assert command.main(name.split()) == status
    assert capsys.readouterr() == ("", f"refsnn: {text}\n")


@pytest.mark.parametrize("line, allowed", [
    ("vendor lif mine.py", set()), ("check none.npz", {"numpy", "scipy", "refsnn.lif"}),
    ("probes new", {"numpy"}), ("identify none.npz", {"numpy"}),
    ("nir none.nir", {"numpy", "scipy", "h5py"}),
    ("convert none.wav -o a.h5", {"numpy", "scipy", "h5py", "refsnn.audio"})])
def test_a_command_imports_what_it_needs_alone(tmp_path, line, allowed):
    code = ("import sys\nfrom refsnn.__main__ import main\nmain(sys.argv[1:])\n"
            "print(*sys.modules)")
    done = subprocess.run([sys.executable, "-c", code, *line.split()], text=True,
                          env=PATH, cwd=tmp_path, capture_output=True, check=True)
    heavy = {"numpy", "scipy", "h5py", "matplotlib", "refsnn.lif",
             "refsnn.audio"}
    assert heavy & set(done.stdout.split()) <= allowed


def test_its_examples(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    failed, tried = doctest.testmod(command)
    assert failed == 0 and tried == 1


# ---- golden vectors

def bptt():
    return oracle_check.vectors(["bptt"])["bptt"]


def check(tmp_path, **results):
    np.savez(tmp_path / "mine.npz", **{f"bptt.{name}": value
                                       for name, value in results.items()})
    return command.main(["check", str(tmp_path / "mine.npz")])


def test_vectors_are_written_and_their_answers_are_right(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(stored, "names", lambda: ["bptt", "si_paper"])
    assert command.main(["vectors", "new"]) == 0
    assert capsys.readouterr().out == (
        "new: 2 golden vectors, described in vectors.json\n")
    assert sorted(os.listdir("new")) == [
        "LICENSE", "PROTOCOL.md", "README.md", "bptt.json", "bptt.npz",
        "report_schema.json", "schema.json", "set.json", "si_paper.json",
        "si_paper.npz", "vectors.json"]
    assert command.main(["vectors", "new.zip"]) == 0
    assert capsys.readouterr().out == (
        "new.zip: 2 golden vectors, described in README.md\n")
    results = {}
    for name in ("bptt", "si_paper"):
        with np.load(f"new/{name}.npz", allow_pickle=False) as arrays:
            results |= {f"{name}.{key[4:]}": arrays[key] for key in arrays
                        if key.startswith("out.")}
    np.savez("mine.npz", **results)
    assert command.main(["check", "mine.npz"]) == 0
    told = capsys.readouterr().out.splitlines()
    right = len(results)
    assert told[-1] == f"{right} right, 0 wrong, 0 vacuous, 0 missing"
    assert len(told) == right + 1 > 8
    assert "bptt.dW: right: to 1e-09 of the largest entry" in told


def test_wrong_results_are_named_with_status_1(tmp_path, capsys):
    vector = bptt()
    late = next(m for m in vector.mutants if m.name == "reset detached")
    assert check(tmp_path, **late.outputs) == 1
    told = capsys.readouterr()
    assert told.err == "" and told.out.count(
        "mistake: reset detached (seen in norse lif_step, fzenke/spytorch#3)") == 1
    assert "\nbptt: fault: " in told.out
    missing = len(vector.outputs) - 3
    assert told.out.endswith(f"\n0 right, 3 wrong, 0 vacuous, {missing} missing\n")
    assert check(tmp_path, dW=vector.outputs["dW"], dV=2 * vector.outputs["dV"]) == 1
    assert f"1 right, 1 wrong, 0 vacuous, {missing + 1} missing" in \
        capsys.readouterr().out


def test_zeros_and_idle_knobs_have_status_1(tmp_path, capsys):
    right = bptt().outputs
    assert check(tmp_path, dW=0 * right["dW"]) == 1
    assert "bptt.dW: vacuous: 0 throughout" in capsys.readouterr().out
    np.savez(tmp_path / "idle.npz", **{"bptt.dW": right["dW"],
                                       "bptt_detached.dW": right["dW"]})
    assert command.main(["check", str(tmp_path / "idle.npz")]) == 1
    assert "detaching the reset changes nothing" in capsys.readouterr().out
    np.savez(tmp_path / "silent.npz", **{"lif_forward.spikes": np.zeros((40, 3, 3))})
    assert command.main(["check", str(tmp_path / "silent.npz")]) == 1
    assert "spikes: vacuous: 0 throughout" in capsys.readouterr().out


def test_results_in_float32_pass(tmp_path, capsys):
    assert check(tmp_path, dW=bptt().outputs["dW"].astype(np.float32)) == 0
    assert "dW: right: to 0.0001 of the largest entry" in capsys.readouterr().out


@pytest.mark.parametrize("arguments, match", [
    (["vectors", "there.npz"], "there.npz exists: must be a new file"),
    (["vectors", "no/new"], "no/new has no parent folder"),
    (["vectors", "no/new.zip"], "no/new.zip has no parent folder"),
    (["vectors", "there.zip"], "there.zip exists: must be a new file"),
    (["vectors", ""], "folder is '': must be a new folder"),
    (["check", "missing.npz"], "missing.npz is missing"),
    (["check", "."], "is not a regular file"), (["check", "text.npz"], "text.npz"),
    (["check", "there.npz"], "results hold 'other': must be VECTOR.OUTPUT"),
    (["vendor", "nothing", "."], "module is 'nothing': must be a module that stands"),
    (["vendor", "oracle/check", "."], "'oracle/check': must be a module that stands"),
    (["vendor", "lif", "no/lif.py"], "no/lif.py has no parent folder"),
    (["vendor", "lif", "lif.py"], "lif.py exists: must be a new file"),
    (["vendor", "lif", "text.npz"], "must be a folder that exists, or end with .py")])
def test_bad_input_is_one_line_and_status_2(tmp_path, monkeypatch, capsys, arguments,
                                            match):
    monkeypatch.chdir(tmp_path)
    np.savez("there.npz", other=np.ones(3))
    (tmp_path / "text.npz").write_text("no zip")
    (tmp_path / "lif.py").write_text("mine")
    (tmp_path / "there.zip").write_text("mine")
    before = {name: (tmp_path / name).read_bytes() for name in os.listdir()}
    assert command.main(arguments) == 2
    told = capsys.readouterr()
    assert told.out == "" and told.err.count("\n") == 1
    assert told.err.startswith("refsnn: ") and match in told.err
    assert {name: (tmp_path / name).read_bytes() for name in os.listdir()} == before


HUGE = np.full((3, 3), 1e308)
BAD_RESULTS = [     # array, status, text
    ({"bptt.dV": np.ones((3, 3), complex)}, 2, "is of dtype complex128: must be real"),
    ({"bptt.dV": np.array([{}])}, 2, "is of dtype object: must be real numbers"),
    ({"bptt.dV": np.array(["a"])}, 2, "is of dtype <U1: must be real numbers"),
    ({"bptt.dV": np.zeros(3, [("a", float)])}, 2, "must be real numbers"),
    ({"other.dV": HUGE}, 2, "'other.dV': must be VECTOR.OUTPUT, refsnn.oracle"),
    ({"bptt.dV": HUGE, "other.dV": HUGE}, 2, "'other.dV': must be VECTOR.OUTPUT"),
    ({"bptt.dQ": HUGE}, 2, "must be VECTOR.OUTPUT, outputs are ['dV', 'dW', 'dx'"),
    ({"bptt": HUGE}, 2, "results hold 'bptt': must be VECTOR.OUTPUT"),
    ({"dV": HUGE}, 2, "results hold 'dV': must be VECTOR.OUTPUT"),
    ({}, 2, "holds no array"),
    ({"bptt.dV": HUGE}, 1, "bptt.dV: wrong"), ({"bptt.dV": -HUGE}, 1, "bptt.dV: wrong"),
    ({"bptt.dV": HUGE[:2]}, 1, "is of shape (2, 3): must be (3, 3)"),
    ({"bptt.dV": np.zeros((0, 3))}, 1, "is of shape (0, 3): must be (3, 3)"),
    ({"bptt.dV": np.ones((3, 3), np.float16)}, 1, "is of dtype float16: must be"),
    ({"bptt.dV": 10 * HUGE.astype(np.longdouble)}, 1, "is inf at (0, 0): must be"),
    ({"bptt.dV": np.full((3, 3), np.nan)}, 1, "is nan at (0, 0): must be finite"),
    ({"lif_forward.spikes": np.full((40, 3, 3), -1)}, 1, "spikes: wrong"),
    ({"lif_forward.spikes": np.full((40, 3, 3), -1e308)}, 1, "spikes: wrong")]


@pytest.mark.parametrize("arrays, status, text", BAD_RESULTS)
def test_bad_results_are_one_line_or_a_finding(tmp_path, capsys, arrays, status, text):
    np.savez(tmp_path / "mine.npz", **arrays)
    with np.errstate(over="warn"):      # as in a process of its own
        assert command.main(["check", str(tmp_path / "mine.npz")]) == status
    told = capsys.readouterr()
    assert text in (told.err if status == 2 else told.out)
    assert told.err.count("\n") == (status == 2) and (told.out == "") == (status == 2)
    assert os.listdir(tmp_path) == ["mine.npz"]


@pytest.mark.parametrize("size", [0, 1, 21, 22, 100, -30, -1])
def test_truncated_results_are_one_line(tmp_path, capsys, size):
    assert check(tmp_path, dV=bptt().outputs["dV"]) == 0
    path = tmp_path / "mine.npz"
    path.write_bytes(path.read_bytes()[:size])
    capsys.readouterr()
    assert command.main(["check", str(path)]) == 2
    told = capsys.readouterr()
    assert told.out == "" and told.err.count("\n") == 1
    assert told.err.startswith(f"refsnn: {path} is broken or not an npz file: ")


@pytest.mark.parametrize("name", ["check", "identify"])
def test_json_in_another_form_is_refused_in_one_line(tmp_path, capsys, name):
    path = tmp_path / "bptt.json"
    path.write_text('{"bptt.loss": 1.0}')
    assert command.main([name, str(path)]) == 2
    assert capsys.readouterr().err == (
        f"refsnn: {path}: 'bptt.loss' is a float: must be an object with dtype, shape "
        "and data\n")
    assert command.main([name, str(path.rename(tmp_path / "bptt.txt"))]) == 2
    assert capsys.readouterr().err.endswith(
        ": must be an npz file, or end with .json; help('refsnn.__main__') describes "
        "both\n")


def as_json(path):
    """Write the arrays of an npz file to a JSON file; return its path."""
    with np.load(path) as arrays:
        found = {key: str(a) if a.dtype.kind == "U" else stored._rows({key: a})[key]
                 for key, a in arrays.items()}
    other = path.with_suffix(".json")
    other.write_text(exchange.line(found))
    return str(other)


def reported(arguments, status, capsys):
    """Run a command with --json; return its report, which follows the schema."""
    assert command.main(arguments) == status
    told = capsys.readouterr()
    report = json.loads(told.out)
    schema = json.loads((stored.FOLDER / "report_schema.json").read_text("utf-8"))
    assert told.out.count("\n") == 1 and told.err == ""
    assert complaints(report, schema) == [] and report["command"] == arguments[0]
    assert report["passed"] is (status == 0)
    return report


def test_check_reads_and_prints_json(tmp_path, capsys):
    right, late = bptt().outputs, bptt().mutants[0]
    for outputs, status in ((right, 0), (late.outputs, 1), (
            {"dW": right["dW"].astype(np.float32)}, 0), ({"dW": 0 * right["dW"]}, 1)):
        assert check(tmp_path, **outputs) == status
        lines = capsys.readouterr().out.splitlines()
        path = as_json(tmp_path / "mine.npz")
        assert command.main(["check", path]) == status
        assert capsys.readouterr().out.splitlines() == lines
        findings = reported(["check", "--json", path], status, capsys)["findings"]
        assert [f"{f['vector']}{'.' * bool(f['output'])}{f['output']}: {f['status']}: "
                f"{f['text']}" for f in findings] == lines[:-1]
        assert [f["mistakes"] for f in findings if f["output"]] == [[]] * 6
        if outputs is late.outputs:
            assert findings[-1]["mistakes"] == ["bptt/reset-detached"]


def test_identify_reads_and_prints_json(tmp_path, capsys):
    step = conventions.PRESETS["snntorch_leaky"]._replace(refractory=2, mute=True)
    path = recording(tmp_path / "a.npz", step)
    assert command.main(["identify", path]) == 0
    lines = capsys.readouterr().out.splitlines()
    report = reported(["identify", "--json", as_json(tmp_path / "a.npz")], 0, capsys)
    assert report["lines"] == lines
    assert report["presets"][0]["preset"] == "snntorch_leaky"
    assert report["presets"][0]["changes"] == {"refractory": 2, "mute": True}
    assert report["settled"]["reset"] == "subtract"
    assert report["open"]["compare"] == {
        "choices": [">", ">=", "half"], "probe": "ties"}
    path = recording(tmp_path / "b.npz", step, spikes=np.zeros((30, 2, 5)))
    assert reported(["identify", "--json", path], 1, capsys)["presets"] == []


def test_huge_results_are_one_line(tmp_path, capsys):
    path = tmp_path / "mine.npz"
    with open(path, "wb") as file:      # of holes
        file.truncate(10 ** 8 + 1)
    assert command.main(["check", str(path)]) == 2
    assert capsys.readouterr().err == (
        f"refsnn: {path} has 100000001 bytes: must have at most 100000000\n")


# ---- conventions

TAUS = {"tau_syn": 5.0, "tau_mem": 9.0, "dt": 1.0}


def recording(path, step, dtype=np.float32, keep=("spikes", "mem"), **changes):
    """Save a recorded layer; `changes` replace arrays, and None leaves them out."""
    rng = np.random.default_rng(4)
    x = ((rng.random((30, 2, 6)) < 0.3) * 1.0).astype(dtype)
    W = rng.normal(0.8, 1.5, (5, 6)).astype(dtype)
    rows = conventions.recorded(step, conventions.simulate(step, x, W, **TAUS))
    arrays = {"x": x, "W": W, "threshold": 1.0, **TAUS,
              **{key: rows[key] for key in keep}} | changes
    np.savez(path, **{key: a for key, a in arrays.items() if a is not None})
    return str(path)


def test_a_recording_is_named_with_status_0(tmp_path, capsys):
    step = conventions.PRESETS["snntorch_leaky"]
    for dtype in (np.float32, np.float64):
        for keep in (("spikes",), ("spikes", "mem")):
            path = recording(tmp_path / "a.npz", step, dtype, keep)
            assert command.main(["identify", path]) == 0
            told = capsys.readouterr()
            lines = told.out.splitlines()
            assert lines[0] == "as snntorch Leaky, subtract (snntorch_leaky)"
            assert lines[1].startswith("settled: decay exact, synapse none, ")
            assert lines[2].startswith("open: ") and "probe: ties" in lines[2]
            assert len(lines) == 3 and told.err == ""
    step = step._replace(refractory=2, mute=True)
    assert command.main(["identify", recording(tmp_path / "a.npz", step)]) == 0
    assert ", but refractory 2 and membrane not held" in capsys.readouterr().out
    decays = {"alpha": np.exp(-1 / 5), "beta": np.exp(-1 / 9)} | dict.fromkeys(TAUS)
    path = recording(tmp_path / "a.npz", step, **decays)
    assert command.main(["identify", path]) == 0
    assert "(decays are given)" in capsys.readouterr().out


def test_no_convention_and_no_spike_have_status_1(tmp_path, capsys):
    step = conventions.PRESETS["norse"]
    noise = np.random.default_rng(1).normal(size=(30, 2, 5)).astype(np.float32)
    for changes, text in (
            ({"mem": noise}, "no convention fits\n"),
            ({"tau_mem": 11.0}, "a least-squares fit, not a recognition"),
            ({"spikes": 0 * noise}, "no spike in the recording"),
            ({"mem": 0 * noise, "spikes": None}, "no spike in the recording"),
            ({"W": np.full((5, 6), 1e-3), "spikes": None, "mem": None, "syn": noise},
             "no convention fits\n")):
        path = recording(tmp_path / "a.npz", step, **changes)
        assert command.main(["identify", path]) == 1
        told = capsys.readouterr()
        assert text in told.out and told.err == ""


def test_gradients_settle_the_reset_path(tmp_path, capsys):
    step = conventions.PRESETS["snntorch_leaky"]
    with np.load(recording(tmp_path / "a.npz", step, np.float64)) as arrays:
        x, W = arrays["x"], arrays["W"]
    run = conventions.simulate(step, x, W, **TAUS)
    psi = surrogates.arctan(run.mem - 1, np.pi)[1]
    slopes = conventions.slopes(step, run, **TAUS)
    J, F, _ = conventions.linearise(x, W, None, run.spikes, psi, slopes)
    d = np.sin(np.arange(300.0)).reshape(30, 2, 5)
    dW = gradient(J, F, conventions.credit(psi, slopes, d)).reshape(5, 6)
    for more in ({}, {"surrogate": "arctan"}, {"surrogate": np.pi}):
        path = recording(tmp_path / "a.npz", step, dW=dW, dspikes=d, **more)
        assert command.main(["identify", path]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines[3] == ("gradients: surrogate arctan of steepness 3.14159, not "
                            "through the reset")
        assert "through_reset False" in lines[1]
    path = recording(tmp_path / "a.npz", step, dW=dW[::-1], dspikes=d)
    assert command.main(["identify", path]) == 1
    assert "differs in the gradients" in capsys.readouterr().out


BAD = [({"x": None}, "a.npz has no x"), ({"threshold": None}, "has no threshold"),
       ({"alpha": 0.5, "beta": 0.5}, "must hold either alpha and beta, or"),
       (dict.fromkeys(TAUS), "holds no decay: must hold either"),
       ({"mem": np.full((30, 2, 5), np.nan)}, "recording['mem'] is "),
       ({"mem": np.ones((30, 2, 4))}, "has 4 entries (axis 2): must have 5"),
       ({"mem": np.ones((30, 2, 5), complex)}, "is of dtype complex128"),
       ({"mem": np.ones((30, 2, 5), np.float16)}, "is of dtype float16"),
       ({"mem": np.array([{}])}, "is of dtype object"),
       ({"x": np.ones(3)}, "x has shape (3,): must have 3 axes"),
       ({"W": np.ones((6, 5))}, "W has 5 inputs"),
       ({"V": np.ones((5, 6))}, "V has 6 units (axis 1), W has 5 (axis 0)"),
       ({"tau_mem": -1.0}, "tau_mem is -1.0"),
       ({"tau_mem": np.ones(5)}, "tau_mem has shape (5,): must be a number"),
       ({"threshold": 0.0}, "threshold is"),
       ({"voltage": 1.0}, "holds 'voltage'"), ({"dW": np.ones((5, 6))}, "only a part")]


@pytest.mark.parametrize("changes, match", BAD)
def test_bad_recordings_are_one_line_and_status_2(tmp_path, capsys, changes, match):
    path = recording(tmp_path / "a.npz", conventions.PRESETS["norse"], **changes)
    assert command.main(["identify", path]) == 2
    told = capsys.readouterr()
    assert told.out == "" and told.err.count("\n") == 1
    assert told.err.startswith("refsnn: ") and match in told.err


def test_files_that_hold_no_recording_have_status_2(tmp_path, capsys):
    path = tmp_path / "a.npz"
    recording(path, conventions.PRESETS["norse"])
    data = path.read_bytes()
    for bad in (data[:-30], data[:100], b"", b"no zip"):
        path.write_bytes(bad)
        assert command.main(["identify", str(path)]) == 2
        told = capsys.readouterr()
        assert told.out == "" and told.err.count("\n") == 1
    assert command.main(["identify", str(tmp_path)]) == 2
    assert command.main(["identify", str(tmp_path / "none.npz")]) == 2
    assert "none.npz is missing" in capsys.readouterr().err


def test_probes_are_written_run_and_identified(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert command.main(["probes", "new"]) == 0
    assert capsys.readouterr().out == "new: 4 probes, described in probes.json\n"
    assert command.main(["probes", "new"]) == 2
    assert "new exists: must be a new file or folder" in capsys.readouterr().err
    with np.load("new/all.npz") as arrays:
        probe = dict(arrays)
    for name, taus in (("spikingjelly", {"tau_syn": 8, "tau_mem": 4}),
                       ("rockpool", {"tau_syn": -1 / np.log(0.875),
                                     "tau_mem": -1 / np.log(0.75)})):
        step = conventions.PRESETS[name]
        run = conventions.simulate(step, probe["x"], probe["W"], threshold=1.75, **taus)
        np.savez("mine.npz", **probe, spikes=conventions.recorded(step, run)["spikes"])
        assert command.main(["identify", "mine.npz"]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert f"({name})" in lines[0] and "compare >=" in lines[1]


def test_all_commands_but_convert_need_numpy_alone(tmp_path):
    step = conventions.PRESETS["snntorch_leaky"]
    recording(tmp_path / "a.npz", step, dW=np.ones((5, 6)), dspikes=np.ones((30, 2, 5)),
              surrogate="gaussian")
    np.savez(tmp_path / "mine.npz", **{"bptt.dV": bptt().outputs["dV"]})
    code = ("import sys\n"
            "sys.modules |= dict.fromkeys(('scipy', 'h5py', 'hypothesis'))\n"
            "from refsnn.__main__ import main\n"
            "assert [main(line.split()) for line in ('vectors new', 'check mine.npz',\n"
            "    'probes more', 'identify a.npz', 'vendor lif lif.py')] == "
            "[0, 0, 0, 1, 0]")
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=PATH,
                          capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "differs in the gradients" in done.stdout and "1 right" in done.stdout


def test_a_module_is_copied_and_proved(tmp_path):
    for arguments in (["refsnn", "vendor", "datasets", "mine.py"],
                      ["doctest", "mine.py"]):
        done = subprocess.run([sys.executable, "-m", *arguments], cwd=tmp_path,
                              env=PATH, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
        if arguments[0] == "refsnn":
            assert done.stdout.split() == [os.path.join("data", "digits.npz"),
                                           os.path.join("data", "README"), "mine.py"]
    assert (tmp_path / "mine.py").read_text().startswith("# refsnn ")
