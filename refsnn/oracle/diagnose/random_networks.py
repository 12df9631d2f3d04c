# refsnn 0.1.0 | oracle/diagnose/random_networks.py | SPDX-License-Identifier: MIT | needs: numpy | optional: hypothesis
"""This module tests a function of another program on random networks.

The function `assert_correct` builds golden vectors (test problems) from
random weights and inputs.  If the tested function returns a wrong output,
`assert_correct` searches for a smaller and simpler network for which the
tested function makes the same error.  Two errors are the same if the same
outputs are wrong, and if the function `locate` finds the same wrong
entries and the same explanation.  A known mistake that explains the error
must also explain the error for the smaller network.
"""

import itertools
import re
from typing import NamedTuple

import numpy as np

from refsnn.oracle import matching
from refsnn.oracle.build import registry
from refsnn.oracle.build.vector import Vector, numbers
from refsnn.oracle.diagnose.variants import _copied

__all__ = ["assert_correct"]

SIZES = (3, 3, 3, (4, 20), 99)      # largest n, m, B; range of T; largest seed
SEED = 2            # seed with which Hypothesis draws sizes and seeds of networks
LARGE = 3, 2, 4, 20                 # n, m, B and T of a network that shows faults well
SEEDS = 5           # seeds that the search for a smaller network tries
REPEATED = 1e-6     # difference between two calls, relative to the largest entry
TRIES = 600         # largest number of networks in this search


class _Fault(NamedTuple):
    """Hold wrong results for one network."""
    vector: Vector      # golden vector of the network
    results: dict
    wrong: list         # names of the wrong outputs


class _Kind(NamedTuple):
    """Hold the properties that identify an error."""
    places: dict        # place of the error, "refused" or "vacuous", by wrong output
    mistakes: list      # known mistakes that give the same results


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
        Number of tested networks, without those with constant spikes or zero
        outputs.

    Raises
    ------
    AssertionError
        If a result of the function is wrong.  The message holds Python code
        with the inputs, the right outputs and the outputs of the function.
    ValueError
        If an argument is invalid, or if too few `examples` detect a mistake.
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
    judged, mutants, told, bad = [], set(), set(), []
    checks = hypothesis.HealthCheck

    @hypothesis.seed(SEED)          # the default seed depends on the text of `run`
    @hypothesis.settings(max_examples=examples, deadline=None, derandomize=True,
                         database=None, phases=[hypothesis.Phase.generate],
                         suppress_health_check=[checks.filter_too_much,
                                                checks.too_slow])
    @hypothesis.given(*(st.integers(1, most) for most in SIZES[:3]),
                      st.integers(*SIZES[3]), st.integers(0, SIZES[4]))
    def run(n, m, B, T, seed):
        draws = seed, {}
        vector = _network(rule, draws, n, m, B, T)
        hypothesis.assume(vector)
        judged.append(seed)
        names = {mutant.name for mutant in vector.mutants}
        mutants.update(names)
        told.update(names - set(matching.unseen(vector)))
        fault = _fault(vector, function)
        if fault:
            bad.append((fault, draws, (n, m, B, T)))
            raise AssertionError(rule)

    try:
        run()
    except (AssertionError, hypothesis.errors.Unsatisfiable):
        if bad:
            raise AssertionError(_failure(rule, function, *bad[0])) from None
        if judged:
            raise                       # `function` itself raised the error
    if mutants - told or not judged:
        raise ValueError(f"examples is {examples}: must be more, the {len(judged)} "
                         f"live networks do not show {sorted(mutants - told)}")
    return len(judged)


def _built(rule, draws, n, m, B, T):
    seed, streams = draws

    def source(stream, shape):
        if tuple(stream) not in streams:
            streams[tuple(stream)] = numbers([seed, *stream], *shape)
        return streams[tuple(stream)][tuple(map(slice, shape))].copy()

    return registry.build(rule, (source, T, B, m, n))._replace(exact=False)


def _network(rule, draws, *sizes):
    vector = _built(rule, draws, *sizes)
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
    for name, value in fault.results.items():
        one, two = (matching.judge(fault.vector, name, a).found
                    for a in (value, again[name]))
        if one is not None and two is not None and (one.shape != two.shape or np.any(
                np.abs(one - two) > REPEATED * np.abs(two).max(initial=0))):
            return True
    return False


def _kind(fault):
    places = {}
    for name in fault.wrong:
        judged = matching.judge(fault.vector, name, fault.results[name])
        places[name] = _state(judged.found) or matching.place(
            fault.vector, name, judged)
    return _Kind(places, matching.mistakes(fault.vector, fault.results))


def _state(found):
    """Classify a result: "refused", "vacuous" or ""."""
    return "refused" if found is None else "" if found.any() else "vacuous"


def _shows(kind, fault):
    """Return whether two errors are the same."""
    if sorted(kind.places) != sorted(fault.wrong):
        return False
    for name, place in kind.places.items():
        judged = matching.judge(fault.vector, name, fault.results[name])
        state = _state(judged.found)
        if isinstance(place, str) or state:
            if place != state:
                return False
        elif not matching.same_place(fault.vector, name, judged, place):
            return False
    return not kind.mistakes or bool(_common(kind, fault))


def _common(kind, fault):
    names = matching.mistakes(fault.vector, fault.results)
    return [name for name in kind.mistakes if name in names]


def _failure(rule, function, fault, draws, sizes):
    if _varies(function, fault):
        return (f"{rule} is wrong, and a second call with the same inputs gives other "
                f"results: {_told(_kind(fault), fault)}\n\n{_code(fault, function)}")

    def found(draws, sizes):
        try:
            vector = _network(rule, draws, *sizes)
            return vector and _fault(vector, function)
        except Exception:               # this failure is another one
            return None

    for seed in range(SEEDS):       # a large network distinguishes kinds of faults
        large = found((seed, {}), LARGE)
        if large and _shows(_kind(large), fault):
            fault, draws, sizes = large, (seed, {}), LARGE
            break
    kind, tries = _kind(fault), iter(range(TRIES))

    def attempt(draws, sizes):
        other = next(tries, None) is not None and found(draws, sizes)
        return other if other and _shows(kind, other) else None

    best = _smaller(attempt, fault, draws, sizes, SEEDS)
    best = _simpler(rule, attempt, *best)
    small, _, least = _smaller(attempt, *best, 0)
    kind = kind._replace(mistakes=_common(kind, small))
    shown, first = ("T={3}, B={2}, m={1}, n={0}".format(*at) for at in (least, sizes))
    return (f"{rule} is wrong for the smallest network, {shown}.  With {first}: "
            f"{_told(kind, fault)}\n\n{_code(small, function)}")


def _smaller(attempt, fault, draws, sizes, seeds):
    best = fault, draws, sizes

    def shown(*sizes):
        nonlocal best
        for tried in (best[1], *((seed, {}) for seed in range(seeds))):
            fault = attempt(tried, sizes)
            if fault:
                best = fault, tried, sizes
                return True
        return False

    *widths, T = sizes
    for tried in itertools.product(*(range(1, most + 1) for most in widths)):
        if shown(*tried, T):
            break
    for steps in range(1, T):
        if shown(*best[2][:3], steps):
            break
    return best


def _simpler(rule, attempt, fault, draws, sizes):
    seed, streams = draws
    now = fault.vector.inputs
    for key in sorted(streams):
        low, high = (_built(rule, (seed, streams | {
            key: np.full_like(streams[key], u)}), *sizes).inputs for u in (0, 1))
        name = next((name for name, a in low.items() if np.ndim(a) ==
                     streams[key].ndim and np.any(a != high[name])), None)
        if name is None:                # the network has no such input
            continue
        low, high = low[name], high[name]
        for at in (np.s_[:], *np.ndindex(low.shape)):
            span = (high - low)[at]
            for goal in _goals(now[name][at]) if np.all(span) else ():
                u = (goal - low[at]) / span
                if np.any(u < 0) or np.any(u > 1):
                    continue
                changed = streams[key].copy()
                changed[tuple(map(slice, low.shape))][at] = u
                found = attempt((seed, streams | {key: changed}), sizes)
                if found and np.all(found.vector.inputs[name][at] == goal):
                    streams, fault = streams | {key: changed}, found
                    now = found.vector.inputs
                    break
    return fault, (seed, streams), sizes


def _goals(value):
    """Return simpler numbers that may replace `value`."""
    if np.ndim(value):
        return [0.0] * bool(np.any(value))
    goals = list(dict.fromkeys([0.0, float(round(value)), float(f"{value:.1g}"),
                                float(f"{value:.2g}")]))
    return goals[:goals.index(value)] if value in goals else goals


def _told(kind, fault):
    told = [f"{name} {{}}".format(
        "is 0 throughout" if place == "vacuous" else place.text if place != "refused"
        else matching.judge(fault.vector, name, fault.results[name]).why)
        for name, place in kind.places.items()]
    if kind.mistakes:
        told.append("equals known mistake: " + ", or: ".join(kind.mistakes))
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
