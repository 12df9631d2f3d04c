# refsnn 0.1.0 | oracle/protocol.py | SPDX-License-Identifier: MIT | needs: numpy
"""Test a program that is written in any programming language.

A golden vector is a test problem with its correct results, see `oracle`.
The tested program reads requests and writes replies.  A request contains
the inputs of a test problem.  The reply contains the program's outputs.
Each request or reply is one line of JSON.  `vectors/PROTOCOL.md` describes
the format.  For some test problems, the program also receives random
inputs.  Therefore, a program that has memorised the correct outputs fails.

For tests in Python, `cases` returns test problems, and `failures` checks
results:

    @pytest.mark.parametrize("case", cases(["bptt"]), ids=lambda c: c.id)
    def test_mine(case):
        assert not failures(case, mine(case.vector.inputs))
"""

import contextlib
import itertools
import os
import pathlib
import queue
import re
import signal
import subprocess
import threading
import time
from typing import NamedTuple

import numpy as np

from refsnn import _checks
from refsnn.oracle import check, exchange, matching, stored
from refsnn.oracle.build.vector import Vector

__all__ = ["Case", "answering", "cases", "expected", "failures", "run", "save", "table"]

HELLO = {"id": 0, "protocol": 1, "wanted": ["tool", "version"]}     # first request
LONGEST = 2 * 10**7     # bytes of a reply
FAULTY = 3          # replies in a row without use, after which the run ends
TRIES = 50          # seeds that are tried for fresh inputs
MARGIN = 1e-5       # smallest distance of a membrane potential from the threshold,
#                     relative to the threshold, that programs in float32 resolve
PAUSE = 2.0         # s, for a program to end by itself
BAD = "wrong", "vacuous", "errored"


class Case(NamedTuple):
    """A test problem for one request."""
    id: str             # such as "bptt", or "bptt-17" with fresh inputs of seed 17
    vector: Vector
    level: str          # "required" or "optional"
    draw: object        # seed of the fresh inputs, or None
    __repr__ = _checks.shown


class _Peer(NamedTuple):
    """A running program."""
    process: subprocess.Popen
    chunks: queue.Queue
    buffer: bytearray   # bytes that were read and not used
    reader: threading.Thread


def cases(only=None, seed=0):
    """Return the stored test problems as a list of `Case`.  For many stored
    problems, the list also contains a similar problem with random inputs.

    >>> [case.draw is None for case in cases(["bptt", "ewc"])]
    [True, False, True]

    Parameters
    ----------
    only : list of str, optional; by default all golden vectors
    seed : int, from which the seeds of the fresh inputs are drawn
    """
    from refsnn.oracle.build.registry import REGISTRY       # imports SciPy
    if type(seed) is not int or seed < 0:
        raise ValueError(f"seed is {seed!r}: must be an integer of at least 0")
    optional, found = stored.catalogue()["optional"], []
    for name, vector in sorted(check.vectors(only).items()):
        level = "optional" if name in optional else "required"
        found.append(Case(name, vector, level, None))
        if REGISTRY[name].size and not vector.exact:
            draw, vector = _fresh(vector, seed)
            found.append(Case(f"{name}-{draw}", vector, level, draw))
    return found


def _fresh(vector, seed):
    """Return a seed and its test problem."""
    from refsnn.oracle.build import registry
    ids = {m.name: m.id for m in vector.mutants}
    size = registry.REGISTRY[vector.name].size
    rng = np.random.default_rng([seed, *vector.name.encode()])
    for draw in rng.integers(1000, 10**6, TRIES).tolist():
        found = registry.build(vector.name, (draw, *size[1:]))
        if not (matching.flaw(found) or matching.unseen(found) or _close(found)):
            return draw, found._replace(mutants=[
                m._replace(id=ids[m.name]) for m in found.mutants])
    raise ValueError(f"seed is {seed}: must be one with live inputs of {vector.name}")


def _close(vector):
    arrays = vector.inputs | vector.outputs
    raised = arrays.get("adaptation", 0) * arrays.get("adapted", 0)
    return any(np.any(np.abs(arrays[name] - raised - arrays["threshold"])
                      < MARGIN * np.max(arrays["threshold"]))
               for name in ("mem", "mem2") if name in arrays)


def failures(case, outputs):
    """Return a list of `Finding` for all wrong results.  The last `Finding`
    is a summary.

    >>> case, _ = cases(["bptt"])
    >>> failures(case, {"dV": case.vector.outputs["dV"]})
    []

    Parameters
    ----------
    case, outputs : Case, dict
        Test problem, and some or all outputs of the tested program.
    """
    return [f for f in _findings(case, outputs) if f.status not in ("right", "missing")]


def _findings(case, outputs):
    name = case.vector.name
    return check.check({f"{name}.{key}": value for key, value in outputs.items()},
                       {name: case.vector})


def run(command, only=None, listed=None, seed=0, timeout=60.0, dtype="float64"):
    """Test a program that follows the protocol.  Return a report: a dict
    in the format of `vectors/report_schema.json`.

    >>> run(["true"], ["bptt"], timeout=-1)
    Traceback (most recent call last):
    ValueError: timeout is -1: must be a positive time in s

    Parameters
    ----------
    command : list of str, program and arguments
    only : as for `cases`
    listed : dict of expected failures, as from `expected`, optional
    seed, timeout : int, float
        `seed` determines the order of requests and the fresh inputs.
        `timeout` is the longest time for each reply, in s.
    dtype : {"float64", "float32"}
        Precision of the inputs.  With "float32", the inputs are rounded, and
        the tolerance of float32 applies to all results.
    """
    if not 0 < timeout < np.inf:
        raise ValueError(f"timeout is {timeout!r}: must be a positive time in s")
    _checks.one_of("dtype", dtype, "float64", "float32")
    asked, listed = cases(only, seed), listed or {}
    rows, faulty, tool, greeted = [[] for _ in asked], 0, {}, False
    peer = _start(command)              # raises an error if there is no such program
    try:
        for k in np.random.default_rng(seed).permutation(len(asked)).tolist():
            if faulty == FAULTY:
                rows[k] = [_row(asked[k], "errored", (
                    f"not asked, because {FAULTY} replies in a row were of no use"))]
                continue
            try:
                if peer is None:
                    peer, greeted = _start(command), False
                if not greeted:
                    tool, greeted = _named(_ask(peer, HELLO, timeout)), True
                reply = _ask(peer, _request(k + 1, asked[k].vector, dtype), timeout)
                rows[k], faulty = _judged(asked[k], reply, dtype), 0
            except ValueError as error:
                rows[k], faulty = [_row(asked[k], "errored", str(error))], faulty + 1
                if peer is not None:
                    _stop(peer, 0)
                peer = None
    finally:
        if peer is not None:
            _stop(peer, PAUSE)
    findings = [row | {"expected": _key(row) in listed}
                for some in rows for row in some]
    lucky = _lucky(findings, listed)
    passed = not lucky and not any(state == "fails" and level == "required" for
                                   level, state in _states(findings, lucky).values())
    return exchange.report("run", passed, {
        "tool": tool.get("tool", "unknown"), "version": tool.get("version", "unknown"),
        "seed": seed, "dtype": dtype, "findings": findings, "unexpected": lucky})


def _request(number, vector, dtype):
    inputs = stored._rows(_rounded(vector.inputs, dtype))
    return {"id": number, "vector": vector.name, "dtype": dtype, "inputs": inputs,
            "wanted": list(vector.outputs)}


def _rounded(arrays, dtype):
    with np.errstate(over="ignore"):
        return {name: np.asarray(a).astype(dtype) if np.asarray(a).dtype == np.float64
                else a for name, a in arrays.items()}


def _named(reply):
    tool = {key: reply.get(key) for key in HELLO["wanted"]}
    if reply.keys() != {"id", *tool} or not all(
            isinstance(text, str) and text for text in tool.values()):
        raise ValueError("the first reply must have the fields id, tool and version, "
                         "and both texts must not be empty")
    return tool


def _judged(case, reply, dtype):
    kind = "".join(reply.keys() & {"outputs", "skipped", "errored"})
    if reply.keys() != {"id", kind}:
        raise ValueError(f"the reply has the fields {sorted(reply)!s:.80}: must have "
                         "id and one of outputs, skipped and errored")
    value = reply[kind]
    if kind != "outputs":
        if not isinstance(value, str) or not value:
            raise ValueError(f"{kind} is {value!r:.60}: must be a text")
        return [_row(case, kind, value)]
    if not isinstance(value, dict) or not value:
        raise ValueError(f"outputs is {value!r:.60}: must be an object of arrays")
    outputs = _rounded(exchange.arrays(value), dtype)
    found = _findings(case, outputs)
    rows = [_row(case, f.status, f.text, f.output, f.mistakes) for f in found]
    if case.draw is not None and any(row["status"] in BAD for row in rows):
        stored_case = case._replace(vector=check.vectors([case.vector.name])[
            case.vector.name])
        if not failures(stored_case, outputs):
            rows.append(_row(case, "fault", "the stored outputs are returned for fresh "
                             "inputs"))
    return rows


def _row(case, status, text, output="", mistakes=()):
    return {"vector": case.vector.name, "output": output, "status": status,
            "text": text, "mistakes": list(mistakes), "level": case.level,
            "draw": case.draw}


def _start(command):
    try:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0,
            start_new_session=True)
    except OSError as error:
        raise ValueError(f"command {command[0]!r} cannot be started "
                         f"({error.strerror}): must be a program") from None
    chunks = queue.Queue(64)
    reader = threading.Thread(target=_collect, args=(process.stdout, chunks),
                              daemon=True)
    reader.start()
    return _Peer(process, chunks, bytearray(), reader)


def _collect(stream, chunks):
    chunk = True
    with stream:
        while chunk:
            chunk = stream.read(65536)
            chunks.put(chunk)


def _send(stream, text):
    with contextlib.suppress(OSError, ValueError):
        while text:
            text = text[stream.write(text):]


def _ask(peer, request, timeout):
    end = time.monotonic() + timeout
    text = memoryview(exchange.line(request).encode() + b"\n")
    threading.Thread(target=_send, args=(peer.process.stdin, text), daemon=True).start()
    while b"\n" not in peer.buffer:
        part = ", but a part of a line" * bool(peer.buffer)
        if len(peer.buffer) > LONGEST:
            raise ValueError(f"the reply has more than {LONGEST} bytes")
        try:
            chunk = peer.chunks.get(timeout=max(0, end - time.monotonic()))
        except queue.Empty:
            raise ValueError(f"no reply within {timeout:g} s{part}") from None
        if not chunk:
            raise ValueError(f"the program ends without a reply{part} ({_end(peer)})")
        peer.buffer.extend(chunk)
    reply, _, rest = bytes(peer.buffer).partition(b"\n")
    peer.buffer[:] = rest
    try:
        found = exchange.parse(reply)
    except ValueError as error:
        nan = "holds nan or inf, and " * bool(re.search(rb"\b(nan|inf)\b", reply, re.I))
        raise ValueError(f"the reply {nan}{error}") from None
    if "wanted" in found:
        raise ValueError("the program echoes the request")
    if type(found.get("id")) is not int or found["id"] != request["id"]:
        raise ValueError(f"the reply has the id {found.get('id')!r:.40}: must be "
                         f"{request['id']}")
    return found


def _end(peer):
    try:
        return f"exit status {peer.process.wait(PAUSE)}"
    except subprocess.TimeoutExpired:
        return "standard output is closed"


def _stop(peer, pause):
    """Kill a program and its process group."""
    process = peer.process
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        process.stdin.close()
        process.wait(pause)
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()
    end = time.monotonic() + PAUSE
    while peer.reader.is_alive() and time.monotonic() < end:
        with contextlib.suppress(queue.Empty):
            peer.chunks.get(timeout=0.01)


def expected(path):
    """Read a JSON file of outputs that are expected to be wrong; return a dict.

    >>> expected("nowhere.json")
    Traceback (most recent call last):
    FileNotFoundError: [Errno 2] No such file or directory: 'nowhere.json'

    Parameters
    ----------
    path : str
        Path of a JSON file.  Each name is VECTOR.OUTPUT, or VECTOR if no
        useful reply is expected.  Each value holds the texts `reason` and
        `link`.
    """
    try:
        found = exchange.parse(pathlib.Path(path).read_bytes())
        for key, value in found.items():
            name, _, output = key.partition(".")
            known = stored.load([name])[name].outputs
            if "." in key and output not in known:
                raise ValueError(f"{key!r:.60} is no output: must be one of "
                                 f"{sorted(known)}")
            if not isinstance(value, dict) or value.keys() != {"reason", "link"} or \
                    not all(isinstance(text, str) and text for text in value.values()):
                raise ValueError(f"{key!r:.60} is {value!r:.60}: must have the texts "
                                 "reason and link")
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    return found


def _key(row):
    """Return "VECTOR.OUTPUT", or "VECTOR" without an output."""
    return row["vector"] + f".{row['output']}" * bool(row["output"])


def _lucky(findings, listed):
    """Return the listed failures that pass."""
    bad = {_key(row) for row in findings if row["status"] in BAD}
    right = {key for row in findings if row["status"] == "right"
             for key in (_key(row), row["vector"])}
    return [key for key in listed if key in right and key not in bad]


def _states(findings, lucky):
    """Judge the results for each golden vector."""
    found = {}
    for name in dict.fromkeys(row["vector"] for row in findings):
        rows = [row for row in findings if row["vector"] == name]
        bad = [row for row in rows if row["status"] in BAD]
        if not all(row["expected"] for row in bad):
            state = "fails"
        elif any(key.partition(".")[0] == name for key in lucky):
            state = "passes unexpectedly"
        elif bad:
            state = "fails as expected"
        else:
            state = "passes" if any(row["status"] == "right" for row in rows) else \
                "skipped"
        found[name] = rows[0]["level"], state
    return found


def save(report, path="report.json"):
    """Write a report to a file.  An existing report in the file is replaced.

    >>> save({}, ".")
    Traceback (most recent call last):
    ValueError: . exists: must be a new file, or a report of `run`

    Parameters
    ----------
    report, path : dict and str, result of `run` and path of the file
    """
    _free(path)
    part = f"{path}.{os.getpid()}.part"
    try:
        pathlib.Path(part).write_text(stored._text(report), "utf-8", newline="\n")
        os.replace(part, path)
    finally:
        if os.path.exists(part):
            os.remove(part)


def _free(path="report.json"):
    """Check that `save` may write a file."""
    if os.path.lexists(path):
        try:
            old = exchange.parse(pathlib.Path(path).read_bytes()).get("command")
        except (OSError, ValueError):
            old = None
        if old != "run":
            raise ValueError(f"{path} exists: must be a new file, or a report of `run`")


def table(report):
    """Return a report as a str in Markdown: a headline, and a table with one row
    for each golden vector.

    >>> report = {"tool": "a", "version": "1", "vectors": "2026.11", "seed": 0}
    >>> print(table(report | {"findings": [], "unexpected": []})[:48])
    a 1, golden vectors 2026.11, seed 0: 0 of 0 pass

    Parameters
    ----------
    report : dict, result of `run`
    """
    states = _states(report["findings"], report["unexpected"])
    count = sum(state.startswith("passes") for _, state in states.values())
    lines = [_cell(f"{report['tool']} {report['version']}") + (
        f", golden vectors {report['vectors']}, seed {report['seed']}: {count} of "
        f"{len(states)} pass"), "", "| vector | level | verdict | right | remarks |",
        "|---|---|---|---|---|"]
    for name, (level, state) in states.items():
        rows = [row for row in report["findings"] if row["vector"] == name]
        outputs = [row for row in rows if row["output"]]
        right = sum(row["status"] == "right" for row in outputs)
        told = dict.fromkeys(
            ", ".join(row["mistakes"]) or row["text"] for row in rows
            if row["status"] in ("fault", "skipped", "errored"))
        lines.append(f"| {name} | {level} | {state} | {right} of {len(outputs)} | "
                     f"{_cell('; '.join(told))} |")
    return "\n".join(lines)


def _cell(text):
    """Escape and shorten a table cell."""
    return " ".join(text.replace("|", "\\|").split())[:300]


@contextlib.contextmanager
def answering(command, vector, timeout=60.0):
    """Yield a function that returns a program's outputs for a dict of inputs.

    >>> with answering(["true"], "bptt") as function:
    ...     pass
    Traceback (most recent call last):
    ValueError: the program ends without a reply (exit status 0)

    Parameters
    ----------
    command, vector, timeout : list of str, str, float
        As for `run`.  `vector` is the name of a test problem with such inputs.
    """
    example = stored.load([vector])[vector]
    peer, number = _start(command), itertools.count(1)

    def function(inputs):
        reply = _ask(peer, _request(
            next(number), example._replace(inputs=inputs), "float64"), timeout)
        if "outputs" not in reply:
            raise ValueError(f"replies {reply.get('errored', reply.get('skipped'))!r}")
        return exchange.arrays(reply["outputs"])

    try:
        _named(_ask(peer, HELLO, timeout))
        yield function
    finally:
        _stop(peer, PAUSE)
