# refsnn 0.1.0 | oracle/diagnose/random_networks.py | SPDX-License-Identifier: MIT | needs: numpy | optional: hypothesis
"""This module tests a user-defined function on random networks.

The function `assert_correct` builds golden vectors (test problems) from
random weights and inputs.  If the tested function makes an error, the
package Hypothesis searches for the smallest network with the same error.
"""

import re
from typing import NamedTuple

import numpy as np

from refsnn.oracle import matching
from refsnn.oracle.build import registry
from refsnn.oracle.build.vector import Vector
from refsnn.oracle.diagnose.variants import _copied

__all__ = ["assert_correct"]

SIZES = (1, 3), (1, 3), (1, 3), (3, 20), (0, 99)        # ranges of n, m, B, T and seed
SEED = 2            # seed with which Hypothesis draws sizes and seeds of networks
LARGE = 3, 2, 4, 20                 # n, m, B and T of a network that shows faults well
SEEDS = 20          # seeds that the search for networks of other sizes tries
REPEATED = 1e-6     # difference between two calls, relative to the largest entry


class _Fault(NamedTuple):
    """Wrong results for one network."""
    vector: Vector      # golden vector of the network
    results: dict
    wrong: list         # names of the wrong outputs


def assert_correct(rule, function, examples=60):
    """Test a function on random networks.

    >>> try:
    ...     assert_correct("bptt", lambda p: {"dV": 0 * p["V"]}, 9)
    ... except AssertionError as error:
    ...     print(str(error)[:39])
    bptt is wrong for the smallest network,

    Parameters
    ----------
    rule : str, the name of a golden vector of variable size, such as "bptt"
    function : callable (inputs) -> dict of some or all outputs
    examples : int, the number of networks that Hypothesis samples

    Returns
    -------
    int
        Number of tested networks.  Networks with constant spikes or zero
        outputs are not counted.

    Raises
    ------
    AssertionError
        If a result of the function is wrong.  The message holds Python code
        with the inputs, the right outputs and the outputs of the function.
    ValueError
        If an argument is invalid, or if `examples` is too small.
    """
    sized = sorted(name for name, entry in registry.REGISTRY.items() if entry.size)
    if rule not in sized:
        raise ValueError(f"rule is {rule!r}: must be one of {sized}")
    if not callable(function):
        raise ValueError(f"function is {function!r:.60}: must be callable")
    if type(examples) is not int or examples < 1:
        raise ValueError(f"examples is {examples!r}: must be an integer above 0")
    try:
        import hypothesis
    except ImportError:
        raise ImportError("assert_correct needs Hypothesis: python -m pip install "
                          "hypothesis") from None
    from hypothesis import strategies as st
    judged, mutants, told, faults = [], set(), set(), []

    @hypothesis.seed(SEED)          # the default seed depends on the text of `run`
    @hypothesis.settings(max_examples=examples, deadline=None, derandomize=True,
                         database=None, report_multiple_bugs=False,
                         phases=[hypothesis.Phase.generate, hypothesis.Phase.shrink],
                         suppress_health_check=list(hypothesis.HealthCheck))
    @hypothesis.given(*(st.integers(*ends) for ends in SIZES))
    def run(n, m, B, T, seed):
        sizes = n, m, B, T
        if faults:                      # Hypothesis makes the network smaller
            found = _similar(rule, function, sizes, lambda other: _same(
                faults[0][0], other))
        else:
            vector = _network(rule, seed, *sizes)
            hypothesis.assume(vector)
            judged.append(seed)
            names = {mutant.name for mutant in vector.mutants}
            mutants.update(names)
            told.update(names - set(matching.unseen(vector)))
            fault = _fault(vector, function)
            # a large network distinguishes kinds of errors
            found = fault and (_similar(rule, function, LARGE, lambda other: _same(
                other, fault)) or (fault, sizes))
        if found:
            faults.append(found)
            raise AssertionError(rule)

    try:
        run()
    except (AssertionError, hypothesis.errors.HypothesisException):
        if faults:
            raise AssertionError(_failure(rule, function, faults)) from None
        if judged:
            raise                       # `function` itself raised the error
    if mutants - told or not judged:
        raise ValueError(f"examples is {examples}: must be more, the {len(judged)} "
                         f"live networks do not show {sorted(mutants - told)}")
    return len(judged)


def _network(rule, seed, n, m, B, T):
    vector = registry.build(rule, (seed, T, B, m, n))._replace(exact=False)
    return None if matching.flaw(vector) else vector


def _fault(vector, function):
    results = function(_copied(vector.inputs))
    if not isinstance(results, dict):
        raise ValueError(f"function returns a {type(results).__name__}: must be a dict")
    results = matching.group(
        {f"{vector.name}.{name}": value for name, value in results.items()},
        {vector.name: vector})[vector.name]
    wrong = [name for name, value in results.items()
             if not matching.judge(vector, name, value).right]
    return _Fault(vector, results, wrong) if wrong else None


def _varies(function, fault):
    again = function(_copied(fault.vector.inputs))
    pairs = [[matching.judge(fault.vector, name, a).found for a in (value, again[name])]
             for name, value in fault.results.items()]
    return any(a is not None and b is not None and (a.shape != b.shape or np.any(
        np.abs(a - b) > REPEATED * np.abs(b).max(initial=0))) for a, b in pairs)


def _same(one, other):
    """Return whether two networks show the same error."""
    names = set(matching.mistakes(*one[:2]))
    return sorted(one.wrong) == sorted(other.wrong) and (
        not names or bool(names & set(matching.mistakes(*other[:2]))))


def _similar(rule, function, sizes, same):
    """Test networks of given sizes.  Return the first error that `same` accepts."""
    for seed in range(SEEDS):
        try:
            vector = _network(rule, seed, *sizes)
            fault = vector and _fault(vector, function)
        except Exception:               # this failure is another one
            continue
        if fault and same(fault):
            return fault, sizes
    return None


def _failure(rule, function, faults):
    (fault, first), (small, sizes) = faults[0], faults[-1]
    if _varies(function, fault):
        return (f"{rule} is wrong, and a second call with the same inputs gives other "
                f"results: {_told(fault)}\n\n{_code(fault, function)}")
    shown, first = ("T={3}, B={2}, m={1}, n={0}".format(*at) for at in (sizes, first))
    return (f"{rule} is wrong for the smallest network, {shown}.  With {first}: "
            f"{_told(fault, small)}\n\n{_code(small, function)}")


def _told(fault, small=None):
    told = []
    for name in fault.wrong:
        judged = matching.judge(fault.vector, name, fault.results[name])
        told.append(f"{name} {judged.why}" if judged.found is None else
                    f"{name} is 0 throughout" if not judged.found.any() else
                    f"{name} {matching.place(fault.vector, name, judged).text}")
    names = [name for name in matching.mistakes(*fault[:2])
             if small is None or name in matching.mistakes(*small[:2])]
    told += ["equals known mistake: " + ", or: ".join(names)] * bool(names)
    return "; ".join(told)


def _code(fault, function):
    name = getattr(function, "__name__", "")
    name = name if name.isidentifier() else "function"
    right = {key: fault.vector.outputs[key] for key in fault.results}
    rtol = max(matching.judge(fault.vector, key, value).rtol
               for key, value in fault.results.items())
    return "\n".join([
        f"# to be run where {name} is defined", "import numpy as np", "",
        _dict("inputs", fault.vector.inputs), _dict("expected", right),
        _dict("found", fault.results),
        "copies = {key: np.array(a)[()] for key, a in inputs.items()}",
        f"again = {name}(copies)",
        f"for key in {fault.wrong}:",
        "    right = expected[key]",
        "    assert np.shape(again[key]) == np.shape(right) and np.allclose(",
        f"        again[key], right, 0, {rtol:g} * np.abs(right).max()), key"])


def _dict(name, values):
    rows = [f'    "{key}": {_text(value)},' for key, value in values.items()]
    return "\n".join([f"{name} = {{", *rows, "}"])


def _text(value):
    array = np.asarray(value)
    if array.dtype.kind not in "fiub":
        return repr(f"{value!r:.60}")
    text = re.sub("nan|inf", r"np.\g<0>", repr(array.tolist()))
    dtype = "" if array.dtype in (float, int, bool) else f", np.{array.dtype}"
    return f"np.array({text}{dtype})" if array.ndim or dtype else text
