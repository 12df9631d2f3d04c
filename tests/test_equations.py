"""The tool that puts faults into marked lines works; REFSNN_EQUATIONS=1 runs it.

Any other value of REFSNN_EQUATIONS, such as the hash of a commit, determines a tenth of
the equations, which is then tried.
"""

import ast
import os

import equations
import numpy as np
import pytest

TEXT = '''
import numpy as np

def f(x, y, out, flag):
    a = 2 * x                                                              # (1)
    a += y                                                                 # (2)
    np.add(out, a, out=out)                                                # (3)
    if x > 1:                                                              # (4)
        return np.concatenate([x + y,                                      # (5)
                               x - y])                                     # (6)
    return flag, 3                                                         # (7)
'''


@pytest.mark.parametrize("number, changed", [
    (5, "a = _fault(2 * x)"), (6, "a += _fault(y)"),
    (7, "_fault_out(np.add, out, a, out=out)"), (8, "if _fault(x > 1):"),
    (9, "return np.concatenate([_fault(x + y), x - y])"),
    (10, "return np.concatenate([x + y, _fault(x - y)])"),
    (11, "return _fault((flag, 3))")])
def test_the_value_of_a_marked_line_gets_the_fault(number, changed):
    before, after = (text.splitlines() for text in (
        ast.unparse(ast.parse(TEXT)), equations.faulty(TEXT, number)))
    assert [b.strip() for a, b in zip(before, after, strict=True)
            if a != b] == [changed]


def test_faults_of_values():
    assert equations.fault(2.0) == 2.002 and equations.fault(3) == 4
    assert equations.fault(True) is False
    assert equations.fault((1, [False])) == (2, [True])
    single = equations.fault(np.float32([1, 2]))
    assert single.dtype == np.float32 and np.allclose(single, [1.001, 2.002])
    assert (equations.fault(np.array([True, False])) == [False, True]).all()
    assert equations.fault(np.float64(2)) == 2.002 and equations.fault("x") == "x"


def test_increments_get_the_fault():
    a, b = np.ones(2), np.ones(2)
    assert equations.fault_out(np.add, a, 1.0, out=a) is a
    assert np.allclose(a, 1 + 1.001)                       # only the sum in place
    equations.fault_out(np.add, a, 1.0, out=b)
    assert np.allclose(b, 1.001 * (a + 1))
    S = np.zeros(2, bool)
    equations.fault_out(np.greater, a, 1.0, out=S)
    assert not S.any()


def test_marks_are_found():
    assert equations.marked("toy", TEXT)[0] == equations.Line("toy", 1, 5)
    assert len(equations.marked("toy", TEXT)) == 7
    assert len(equations.marked("toy", "a = 1  # (1, 2)\n# see (3)\n")) == 2
    assert {"lif", "fast/lif"} <= set(equations.modules())


def test_proofs_are_found(tmp_path):
    (tmp_path / "test_a.py").write_text(
        "@proves('lif', 1, 2)\n@proves('rnn', 3)\ndef test_b():\n    pass\n")
    assert equations.proofs(tmp_path) == [("test_a.py", "test_b", "lif", [1, 2]),
                                          ("test_a.py", "test_b", "rnn", [3])]


def test_a_fault_without_a_failing_proof_survives(tmp_path):
    """Run tests of the line (2) of `lif` that can, and that cannot, fail."""
    (tmp_path / "test_seen.py").write_text(
        "import numpy as np\nfrom refsnn import lif\n\n\ndef test_a():\n"
        "    mem = lif.simulate(np.ones((3, 1, 1)), np.ones((1, 1)), alpha=0.5,\n"
        "                       beta=0.5).mem\n    assert mem[2, 0, 0] == 1\n")
    (tmp_path / "test_blind.py").write_text("def test_a():\n    assert True\n")
    line = next(line for line in equations.marked("lif") if line.equation == 2)
    text = equations.source("lif")
    for name, seen in (("test_seen.py", True), ("test_blind.py", False)):
        tests = [str(tmp_path / name), "-c", str(equations.ROOT / "setup.cfg")]
        assert equations.detect(tests, "lif", equations.faulty(
            text, line.number)) is seen
        assert not equations.detect(tests, "lif", text)


def test_a_part_is_a_tenth():
    lines = [line for name in equations.modules() for line in equations.marked(name)]
    assert len(lines) > 300 and equations.chosen(lines, "1") == lines
    for part in ("0a", "7f"):
        assert 0.05 < len(equations.chosen(lines, part)) / len(lines) < 0.15


def test_each_fault_is_detected_by_a_proof():
    part = os.environ.get("REFSNN_EQUATIONS")
    lines = [line for name in equations.modules() for line in equations.marked(name)]
    found = equations.survivors(equations.chosen(lines, part) if part else [])
    assert [(line, code) for line, code in found
            if (line.module, line.equation, code) not in equations.SURVIVORS] == []
