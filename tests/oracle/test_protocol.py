"""Programs that follow the protocol are judged; all others are told and ended."""

import doctest
import json
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from schemas import complaints

from refsnn import __main__ as command
from refsnn.oracle import check, exchange, matching, protocol, stored
from refsnn.oracle.protocol import cases, expected, failures, run, save, table

SCHEMA = json.loads((stored.FOLDER / "report_schema.json").read_text("utf-8"))
PAGE = (stored.FOLDER / "PROTOCOL.md").read_text("utf-8")
# A harness that answers with stored outputs, also for fresh inputs; `reply` changes
# the reply before it is printed as a line.
HARNESS = """
import json, os, subprocess, sys, time
from refsnn.oracle import stored
def reply(request, found):
    return found
def show(text):
    print(text, flush=True)
{}
for line in sys.stdin:
    request = json.loads(line)
    found = {{"id": request["id"], "tool": "toy", "version": "3|1"}}
    if "vector" in request:
        vector = stored.load([request["vector"]])[request["vector"]]
        found = {{"id": request["id"], "outputs": stored._rows(vector.outputs)}}
    show(json.dumps(reply(request, found)))
"""
ENV = {"PYTHONPATH": str(Path(command.__file__).resolve().parents[1])}


@pytest.fixture(autouse=True)
def path(monkeypatch):
    for name, value in ENV.items():
        monkeypatch.setenv(name, value)


def harness(tmp_path, change=""):
    file = tmp_path / "harness.py"
    file.write_text(HARNESS.format(change))
    return [sys.executable, str(file)]


def judged(tmp_path, change="", only=("ewc",), **options):
    report = run(harness(tmp_path, change), list(only), **options)
    assert complaints(report, SCHEMA) == [] and report["command"] == "run"
    return report


def rows(report, status):
    return [row for row in report["findings"] if row["status"] == status]


# ---- problems

def test_fresh_problems_differ_from_stored_ones_and_catch_all_mistakes():
    every = cases()
    assert [c.vector.name for c in every if c.draw is None] == stored.names()
    fresh = [c for c in every if c.draw is not None]
    assert len(fresh) > 15 and cases(["bptt"])[1].id in {c.id for c in fresh}
    assert {c.draw for c in cases(["bptt", "rtrl"], 1)}.isdisjoint(
        {c.draw for c in fresh})
    stored_ones = check.vectors()
    for case in every:
        old = stored_ones[case.vector.name]
        assert not matching.flaw(case.vector) and not matching.unseen(case.vector)
        assert [m.id for m in case.vector.mutants] == [m.id for m in old.mutants]
        assert failures(case, case.vector.outputs) == []
        if case.draw is not None:
            assert case.id == f"{case.vector.name}-{case.draw}"
            assert failures(case, old.outputs)
            single = {key: np.asarray(a, np.float32)
                      for key, a in case.vector.outputs.items()}
            assert failures(case, single) == []
            assert not protocol._close(case.vector)


def test_a_potential_close_to_the_threshold_is_seen():
    vector = check.vectors(["bptt"])["bptt"]
    mem = vector.outputs["mem"].copy()
    mem[7, 1, 1] = 0.75 * (1 + 0.9e-5)
    assert not protocol._close(vector)
    assert protocol._close(vector._replace(outputs={"mem": mem}))
    adaptive = check.vectors(["bptt_adaptive"])["bptt_adaptive"]
    p, mem = adaptive.inputs, adaptive.outputs["mem"].copy()
    mem[7, 1, 1] = 0.75 * (1 + 0.9e-5) + p["adaptation"] * p["adapted"][7, 1, 1]
    assert p["adapted"][7, 1, 1] > 0 and not protocol._close(adaptive)
    assert protocol._close(adaptive._replace(outputs={"mem": mem}))
    stack = check.vectors(["lif_stack"])["lif_stack"]
    mem = stack.outputs["mem2"].copy()
    mem[7, 1, 1] = 0.75 * (1 + 0.9e-5)
    assert not protocol._close(stack)
    assert protocol._close(stack._replace(outputs={"mem2": mem}))


def test_draws_with_close_potentials_are_replaced(monkeypatch):
    before = cases(["bptt"])[1]
    gap = np.abs(before.vector.outputs["mem"] / 0.75 - 1).min()
    monkeypatch.setattr(protocol, "MARGIN", 1.01 * gap)
    after = cases(["bptt"])[1]
    assert protocol._close(before.vector) and not protocol._close(after.vector)
    monkeypatch.setattr(protocol, "MARGIN", 1.0)
    with pytest.raises(ValueError, match="seed is 0: must be one with live"):
        cases(["bptt"])


def test_levels_name_every_vector_once():
    found = stored.catalogue()
    assert sorted(found["required"] + found["optional"]) == stored.names()
    assert {c.level for c in cases(["bptt", "chip"])} == {"required", "optional"}


def test_mistakes_are_named_in_stored_and_fresh_problems():
    for case in cases(["bptt", "rnn"]):
        mutant = case.vector.mutants[0]
        summary = failures(case, case.vector.outputs | mutant.outputs)[-1]
        assert summary.status == "fault" and summary.mistakes == (mutant.id,)


# ---- programs that follow the protocol

def test_requests_hold_no_answers_and_come_in_a_drawn_order(tmp_path):
    only = ["ewc", "lif_stack", "pruning", "rnn", "si_paper", "surrogates"]
    log = tmp_path / "log"
    change = f"log = open({str(log)!r}, 'w')\n" \
        "def reply(request, found):\n    print(line.strip(), file=log, flush=True)\n" \
        "    return found\n"
    orders = []
    for seed in (0, 0, 1):
        report = judged(tmp_path, change, only, seed=seed)
        hello, *requests = map(json.loads, log.read_text().splitlines())
        assert hello == {"id": 0, "protocol": 1, "wanted": ["tool", "version"]}
        assert (report["tool"], report["version"], report["seed"]) == (
            "toy", "3|1", seed)
        assert all(list(r) == ["id", "vector", "dtype", "inputs", "wanted"]
                   for r in requests)
        orders.append([r["id"] for r in requests])
        by_id = {r["id"]: r for r in requests}
        assert len(by_id) == len(cases(only)) == 8
        for number, case in enumerate(cases(only, seed), 1):
            r, vector = by_id[number], case.vector
            assert (r["vector"], r["dtype"]) == (vector.name, "float64")
            assert r["wanted"] == list(vector.outputs)
            for key, value in exchange.arrays(r["inputs"]).items():
                assert np.array_equal(value, vector.inputs[key])
    assert orders[0] == orders[1] != orders[2] and sorted(orders[2]) != orders[2]


def test_requests_in_float32(tmp_path):
    log = tmp_path / "log"
    change = f"log = open({str(log)!r}, 'w')\n" \
        "def reply(request, found):\n    print(line.strip(), file=log, flush=True)\n" \
        "    for a in found.get('outputs', {}).values():\n" \
        "        a['data'] = [value * (1 + 1e-6) for value in a['data']]\n" \
        "    return found\n"
    report = judged(tmp_path, change, dtype="float32")
    request = json.loads(log.read_text().splitlines()[1])
    given = check.vectors(["ewc"])["ewc"].inputs
    assert report["passed"] and report["dtype"] == request["dtype"] == "float32"
    for key, value in exchange.arrays(request["inputs"]).items():
        kind = np.float32 if given[key].dtype == float else np.int64
        assert value.dtype == kind and np.array_equal(value, given[key].astype(kind))
    report = judged(tmp_path, change)
    assert not report["passed"] and report["dtype"] == "float64"
    with pytest.raises(ValueError, match="dtype is 'float16': must be one of"):
        judged(tmp_path, dtype="float16")


def test_a_number_too_large_for_float32_is_wrong(tmp_path):
    change = AFTER + "found['outputs']['penalty']['data'] = [1e300]; " \
        "print(json.dumps(found), flush=True)\n"
    row, = rows(judged(tmp_path, change, dtype="float32"), "wrong")
    assert row["text"] == "is inf at (): must be finite"


def test_stored_answers_pass_and_fresh_inputs_reveal_them(tmp_path):
    report = judged(tmp_path, only=["ewc", "rnn"])
    ewc = [row for row in report["findings"] if row["vector"] == "ewc"]
    assert {row["status"] for row in ewc} == {"right"} and len(ewc) == 9
    told = rows(report, "fault")
    assert told[-1]["text"] == "the stored outputs are returned for fresh inputs"
    assert not report["passed"] and told[-1]["draw"] is not None
    assert all(row["draw"] is None for row in rows(report, "right"))
    lines = table(report).splitlines()
    assert lines[0].startswith("toy 3\\|1, golden vectors 20") and \
        lines[0].endswith(", seed 0: 1 of 2 pass")
    assert lines[4] == "| ewc | required | passes | 9 of 9 |  |"
    assert lines[5].startswith("| rnn | required | fails | 5 of 10 | ")
    assert judged(tmp_path)["passed"]


def test_a_mistake_is_recognised(tmp_path):
    change = "def reply(request, found):\n    if 'vector' in request:\n" \
        "        found['outputs'] |= stored._rows(vector.mutants[0].outputs)\n" \
        "    return found\n"
    name = check.vectors(["ewc"])["ewc"].mutants[0].id
    report = judged(tmp_path, change)
    assert rows(report, "fault")[0]["mistakes"] == [name]
    assert f"| {name} |" in table(report)


def test_skipped_errored_and_optional(tmp_path):
    def change(kind):
        return "def reply(request, found):\n    return found if 'tool' in found else " \
            f"{{'id': request['id'], {kind!r}: 'no time'}}\n"
    report = judged(tmp_path, change("skipped"))
    assert report["passed"] and rows(report, "skipped")[0]["text"] == "no time"
    assert table(report).endswith("| ewc | required | skipped | 0 of 0 | no time |")
    report = judged(tmp_path, change("errored"), ["ewc", "si_nupic", "pruning"])
    assert not report["passed"]
    assert [row["text"] for row in rows(report, "errored")] == ["no time"] * 3
    assert judged(tmp_path, change("errored"), ["si_nupic"])["passed"]


def test_long_messages_are_shortened_in_the_table(tmp_path):
    change = "def reply(request, found):\n    return found if 'tool' in found else " \
        "{'id': request['id'], 'skipped': 'a' * 301}\n"
    report = judged(tmp_path, change)
    assert rows(report, "skipped")[0]["text"] == 301 * "a"
    assert table(report).endswith(f"| 0 of 0 | {300 * 'a'} |")


# ---- programs that do not

AFTER = "def show(text):\n    if 'tool' in text:\n        print(text, flush=True)\n" \
    "    else:\n        "
FAULTS = [
    (AFTER + "sys.exit(3)\n", "the program ends without a reply (exit status 3)"),
    (AFTER + "os.kill(os.getpid(), 9)\n", "ends without a reply (exit status -9)"),
    (AFTER + "time.sleep(99)\n", "no reply within 4 s"),
    (AFTER + "print(text[:50], end='', flush=True); time.sleep(99)\n",
     "no reply within 4 s, but a part of a line"),
    (AFTER + "print(text[:50], end='', flush=True); sys.exit(0)\n",
     "ends without a reply, but a part of a line (exit status 0)"),
    (AFTER + "os.close(1); time.sleep(99)\n", "a reply (standard output is closed)"),
    (AFTER + "print(text[:50], flush=True)\n", "the reply is not JSON: "),
    (AFTER + "print(line, flush=True)\n", "the program echoes the request"),
    (AFTER + "print('[1]', flush=True)\n", "the reply is a list: must be a JSON obj"),
    (AFTER + "print(text.replace('\"id\": ', '\"id\": 7'), flush=True)\n",
     "the reply has the id 71: must be 1"),
    (AFTER + "print(text.replace('\"id\": 1', '\"id\": true'), flush=True)\n",
     "the reply has the id True: must be 1"),
    (AFTER + "print(text.replace('[', '[nan, ', 1), flush=True)\n",
     "the reply holds nan or inf, and is not JSON"),
    (AFTER + "print('{\"id\": 1}', flush=True)\n",
     "the reply has the fields ['id']: must have id and one of outputs, skipped"),
    (AFTER + "print('{\"id\": 1, \"skipped\": \"\"}', flush=True)\n",
     "skipped is '': must be a text"),
    (AFTER + "print('{\"id\": 1, \"outputs\": {}}', flush=True)\n",
     "outputs is {}: must be an object of arrays"),
    (AFTER + "print('{\"id\": 1, \"outputs\": {\"a\": 1}}', flush=True)\n",
     "'a' is a int: must be an object with dtype, shape and data"),
    (AFTER + "print(text.replace('penalty\"', 'other\"'), flush=True)\n",
     "results hold 'ewc.other': must be VECTOR.OUTPUT"),
    (AFTER + "print('{\"id\": 1, \"skipped\": \"a\", \"errored\": \"b\"}', "
     "flush=True)\n",
     "the reply has the fields ['errored', 'id', 'skipped']: must have"),
    ("def show(text):\n    print('{\"id\": 0, \"tool\": \"\", \"version\": \"1\"}', "
     "flush=True)\n", "the first reply must have the fields id, tool and version")]


@pytest.mark.parametrize("change, text", FAULTS)
def test_replies_of_no_use_are_told(tmp_path, change, text):
    timeout = 4 if text.startswith("no reply") else 60
    row, = judged(tmp_path, change, timeout=timeout)["findings"]
    assert row["status"] == "errored" and text in row["text"]


def test_nan_in_an_array_is_wrong(tmp_path):
    change = AFTER + "found['outputs']['penalty']['data'] = [float('nan')]; " \
        "print(json.dumps(found), flush=True)\n"
    row, = rows(judged(tmp_path, change), "wrong")
    assert row["text"] == "is nan at (): must be finite"


def test_a_fault_costs_no_other_reply_and_three_end_the_run(tmp_path):
    only = ["ewc", "latency", "pruning", "si_paper", "surrogates"]
    crash = AFTER + "sys.exit(1) if request['vector'] in {!r} else print(text, " \
        "flush=True)\n"
    report = judged(tmp_path, crash.format(["pruning", "si_paper"]), only)
    assert {row["vector"] for row in rows(report, "errored")} == {"pruning", "si_paper"}
    assert {row["vector"] for row in rows(report, "right")} == {
        "ewc", "latency", "surrogates"}
    texts = [row["text"] for row in rows(judged(
        tmp_path, crash.format(only), only), "errored")]
    assert len(texts) == 5
    assert sum(text.startswith("not asked, because 3 replies") for text in texts) == 2


def test_echoes_and_programs_that_never_answer(tmp_path):
    report = run(["cat"], ["ewc"])
    assert report["tool"] == "unknown" and not report["passed"]
    assert rows(report, "errored")[0]["text"] == "the program echoes the request"
    assert run(["true"], ["ewc"])["findings"][0]["text"].startswith(
        "the program ends without a reply")
    with pytest.raises(ValueError, match="command 'no-such' cannot be started .*must"):
        run(["no-such"], ["ewc"])


@pytest.mark.parametrize("how", ["time.sleep(99)", "sys.exit(0)",
                                 "print(text, flush=True)"])
def test_no_process_is_left(tmp_path, how):
    pids = tmp_path / "pids"
    change = f"child = subprocess.Popen(['sleep', '99'], stdout=1)\n" \
        f"open({str(pids)!r}, 'a').write(f'{{os.getpid()}} {{child.pid}} ')\n" + (
            AFTER + how + "\n")
    start = time.monotonic()
    judged(tmp_path, change, timeout=4)
    assert time.monotonic() - start < 60
    found = list(map(int, pids.read_text().split()))
    assert len(found) == 2
    for pid in found:
        state = Path(f"/proc/{pid}/stat")
        end = time.monotonic() + 5
        while state.exists() and " Z " not in state.read_text():
            assert time.monotonic() < end, f"process {pid} is alive"
            time.sleep(0.01)


def test_a_process_in_a_session_of_its_own_does_not_hold_up_the_run(tmp_path):
    """It keeps the standard output open, and it is not stopped."""
    pid = tmp_path / "pid"
    change = "child = subprocess.Popen(['sleep', '40'], start_new_session=True)\n" \
        f"open({str(pid)!r}, 'w').write(str(child.pid))\n"
    assert judged(tmp_path, change)["passed"]
    assert " Z " not in Path(f"/proc/{pid.read_text()}/stat").read_text()
    os.kill(int(pid.read_text()), signal.SIGKILL)


@pytest.mark.parametrize("pause, sleep", [(1, 40), (60, 0)])
def test_a_program_has_time_to_end_by_itself(tmp_path, monkeypatch, pause, sleep):
    """It is stopped after `PAUSE`."""
    monkeypatch.setattr(protocol, "PAUSE", pause)
    ended = tmp_path / "ended"
    change = "import atexit, pathlib\natexit.register(pathlib.Path(" \
        f"{str(ended)!r}).touch)\natexit.register(time.sleep, {sleep})\n"
    assert judged(tmp_path, change)["passed"] and ended.exists() == (sleep < pause)


def test_a_program_that_prints_without_end_is_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(protocol, "LONGEST", 10 ** 6)
    change = AFTER + "\n        while True:\n            sys.stdout.write('1' * 9999)\n"
    row, = judged(tmp_path, change)["findings"]
    assert row["text"] == "the reply has more than 1000000 bytes"


def test_a_program_that_never_reads_is_stopped(tmp_path):
    change = "if True:\n    sys.stdin.readline()\n    print(json.dumps({'id': 0, " \
        "'tool': 'a', 'version': 'b'}), flush=True)\n    time.sleep(99)\n"
    texts = {row["text"] for row in judged(
        tmp_path, change, ["lif_wide"], timeout=1.5)["findings"]}
    assert texts == {"no reply within 1.5 s"}


# ---- expected failures

REASON = {"reason": "not yet", "link": "https://example.org/1"}


def test_expected_failures(tmp_path):
    zero = AFTER + "found['outputs']['penalty']['data'] = [0]; " \
        "print(json.dumps(found), flush=True)\n"
    for change, listed, passed, state in (
            (zero, (), False, "fails"), (zero, ["ewc.penalty"], True, "as expected"),
            (zero, ["ewc"], False, "fails"), (zero, ["ewc.F_W0"], False, "fails"),
            (zero, ["ewc.penalty", "ewc.F_W0"], False, "passes unexpectedly"),
            ("", ["ewc"], False, "passes unexpectedly"),
            ("", ["bptt.dW"], True, "passes"),
            (AFTER + "sys.exit(1)\n", ["ewc"], True, "as expected")):
        report = judged(tmp_path, change, listed=dict.fromkeys(listed, REASON))
        assert report["passed"] is passed
        state = state.replace("as expected", "fails as expected")
        assert f"| ewc | required | {state} | " in table(report)
        assert not passed or report["unexpected"] == []
    assert judged(tmp_path, zero, listed={"ewc.penalty": REASON, "ewc.F_W0": REASON})[
        "unexpected"] == ["ewc.F_W0"]


@pytest.mark.parametrize("text, match", [
    ("[]", "is a list"), ("{", "is not JSON"), ('{"ewc.a": 1}', "'ewc.a' is no output"),
    ('{"a.b": 1}', "'a' is not a vector"), ('{"ewc": 1}', "'ewc' is 1: must have the"),
    ('{"ewc": {"reason": "a", "link": ""}}', "must have the texts reason and link"),
    ('{"ewc": {"reason": "a"}}', "must have the texts reason and link")])
def test_a_bad_list_is_refused(tmp_path, text, match):
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(ValueError, match=f"x.json: .*{match}"):
        expected(tmp_path / "x.json")


# ---- the command

def test_the_command_writes_a_report_and_prints_a_table(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("x.json").write_text(json.dumps({"rnn.h": REASON}))
    arguments = ["run", "--only", "ewc", "rnn", "--seed", "3", "--dtype", "float32",
                 "--", *harness(tmp_path)]
    for more, status in (([], 1), (["--xfail", "x.json"], 1)):
        assert command.main([*arguments[:1], *more, *arguments[1:]]) == status
        told = capsys.readouterr()
        text = Path("report.json").read_text("utf-8")
        report = json.loads(text)
        assert told.out == table(report) + "\n" and told.err == ""
        assert text == stored._text(report) and report["seed"] == 3
        assert report["dtype"] == "float32"
        assert any(row["expected"] for row in report["findings"]) == bool(more)
        assert {row["level"] for row in report["findings"]} == {"required"}
    assert command.main(["run", "--only", "ewc", "--", *harness(tmp_path)]) == 0
    assert sorted(os.listdir()) == ["harness.py", "report.json", "x.json"]


@pytest.mark.parametrize("arguments, match", [
    (["--only", "other"], "'other' is not a vector"),
    (["--seed", "-1"], "seed is -1: must be an integer of at least 0"),
    (["--timeout", "0"], "timeout is 0.0: must be a positive time"),
    (["--timeout", "inf"], "timeout is inf: must be"),
    (["--xfail", "none.json"], "No such file"), ([], "report.json exists: must be")])
def test_bad_arguments_are_one_line(tmp_path, monkeypatch, capsys, arguments, match):
    monkeypatch.chdir(tmp_path)
    if not arguments:
        Path("report.json").write_text("{}")
    assert command.main(["run", *arguments, "--", "true"]) == 2
    told = capsys.readouterr()
    assert match in told.err and told.err.count("\n") == 1 and told.out == ""


def test_only_reports_are_replaced(tmp_path):
    path = tmp_path / "report.json"
    report = {"command": "run", "findings": []}
    save(report, path)
    save(report, path)
    assert json.loads(path.read_text()) == report and len(os.listdir(tmp_path)) == 1
    for text in ("mine", '{"command": "check"}'):
        path.write_text(text)
        with pytest.raises(ValueError, match="report.json exists: must be a new file"):
            save(report, path)
        assert path.read_text() == text


# ---- the page

def test_a_program_answers_like_a_function(tmp_path):
    vector = stored.load(["bptt"])["bptt"]
    with protocol.answering(harness(tmp_path), "bptt") as function:
        for _ in range(2):
            found = function(vector.inputs)
            assert found.keys() == vector.outputs.keys()
            assert all(np.array_equal(found[name], vector.outputs[name])
                       for name in found)
    change = ("def reply(request, found):\n    return found if 'tool' in found else "
              "{'id': found['id'], 'skipped': 'no'}")
    with protocol.answering(harness(tmp_path, change), "bptt") as function:
        with pytest.raises(ValueError, match="^replies 'no'"):
            function(vector.inputs)


def test_the_page_shows_requests_as_they_are_sent():
    assert exchange.line(protocol.HELLO) + "\n" in PAGE
    request = protocol._request(7, check.vectors(["bptt"])["bptt"], "float64")
    begin = exchange.line(request).partition('"inputs"')[0]
    assert begin in PAGE and "`--xfail FILE`" in PAGE


def test_examples(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    failed, tried = doctest.testmod(protocol)
    assert failed == 0 < tried
