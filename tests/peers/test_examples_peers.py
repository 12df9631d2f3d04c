"""The tutorial on PyTorch runs, and finds the mistake.

Not part of the suite: needs the `peers` extra.
"""

import tutorials


def test_check_pytorch(tmp_path):
    told = tutorials.run("check_pytorch", tmp_path / "run")
    assert "Diagnosis of the first version: backward reset\n" in told
    assert "Check of the first version: dW wrong: " in told
    assert "equals known mistake: reset detached" in told
    assert "Diagnosis of the corrected version: right" in told
    assert "Check of the corrected version: dW right: " in told
    assert "corrected version: dV right: " in told
