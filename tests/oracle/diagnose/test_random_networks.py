"""Functions of somebody else on random networks: right ones pass, faults shrink."""

import doctest
import functools
import importlib.util
import itertools
import re

import numpy as np
import pytest
from answers import ANSWERS
from faults import build

from refsnn import bptt, lif, losses, sparse_rtrl, surrogates
from refsnn.oracle import check
from refsnn.oracle.build.registry import REGISTRY
from refsnn.oracle.diagnose import random_networks
from refsnn.oracle.diagnose.random_networks import _fault, _network, assert_correct

VECTORS = check.vectors()


def layer(p):
    constants = {name: p[name] for name in ("alpha", "beta", "gain", "threshold")}
    run = lif.Recording(p["syn"], p["mem"], p["spikes"], np.zeros(p["mem"].shape, bool))
    _, d = losses.square(run.spikes, p["target"])
    psi = surrogates.fast_sigmoid(run.mem - p["threshold"], p["steepness"])[1]
    return run, psi, d, constants


def backward(p, **options):
    run, psi, d, constants = layer(p)
    g = lif.backward(p["x"], p["W"], p["V"], run, psi, d, **constants, **options)
    return {"dW": g.dW, "dV": g.dV, "dx": g.dx}


def by_arrays(p):
    run, psi, d, constants = layer(p)
    J, F, _ = lif.linearise(p["x"], p["W"], p["V"], run, psi, **constants)
    flat = bptt.gradient(J, F, lif.credit(psi, d))
    return {"dW": flat[:p["W"].size].reshape(p["W"].shape)}


def forward_in_time(p):
    run, psi, d, constants = layer(p)
    g = sparse_rtrl.gradient(p["x"], p["V"], tuple(run), psi, d, rule="exact",
                             **constants)
    return {"dW": g.dW, "dV": g.dV}


def block(p):
    run, psi, d, constants = layer(p)
    g = sparse_rtrl.gradient(p["x"], p["V"], tuple(run), psi, d, rule="block",
                             **constants)
    return {"dW": g.dW, "dV": g.dV}


def test_a_python_number_beside_float32_arrays_has_the_tolerance_of_float32():
    """The loss of PyTorch in float32 becomes a Python number by `item`."""
    def mine(p, V):
        single = {name: np.float32(a) for name, a in (p | {"V": V}).items()}
        found = backward(single) | {"loss": losses.square(p["spikes"], p["target"])[0]}
        return {"loss": float(np.float32(found["loss"])), "dW": np.float32(found["dW"])}

    assert assert_correct("bptt", lambda p: mine(p, p["V"])) > 0
    with pytest.raises(AssertionError, match=r"  With T=.*: dW .* differ"):
        assert_correct("bptt", lambda p: mine(p, p["V"].T))


@pytest.mark.parametrize("rule, function", [
    ("bptt", backward), ("bptt", by_arrays), ("rtrl", forward_in_time),
    ("rtrl", backward), ("bptt", forward_in_time), ("rtrl_block", block),
    ("bptt_detached", lambda p: backward(p, through_reset=False))])
def test_right_functions_pass(rule, function):
    def chosen(p):
        known = VECTORS[rule].outputs
        return {key: value for key, value in function(p).items() if key in known}

    assert assert_correct(rule, chosen) > 20


def report(rule, function):
    """Return the error message of `assert_correct`, and the namespace in which its
    code ran.  The code must fail with the function, and pass without the fault."""
    with pytest.raises(AssertionError, match="is wrong for the smallest") as error:
        assert_correct(rule, function)
    told, _, code = str(error.value).partition("\n\n")
    scope = {function.__name__: function, "function": function}
    with pytest.raises(AssertionError):
        exec(code, scope)
    right = scope["expected"]
    exec(code, {function.__name__: lambda p: right, "function": lambda p: right})
    return told, scope


def sizes(told):
    """Return T, B, m and n of the smallest network."""
    found = re.search("T=(.*), B=(.*), m=(.*), n=(.*)\\.  With", told)
    return tuple(map(int, found.groups()))


def same(a, b):
    return np.shape(a) == np.shape(b) and np.allclose(a, b, 1e-9, 0)


@pytest.mark.parametrize("rule, function, name, small", [
    ("bptt", lambda p: backward(p, through_reset=False), "reset detached", (1, 1, 1)),
    ("bptt_detached", backward, "reset not detached", (1, 1, 1)),
    ("bptt", lambda p: backward(p, through_recurrence=False), "recurrent path cut",
     (1, 1, 1)),
    ("rtrl", block, "block-diagonal RTRL, not exact RTRL", (1, 1, 2)),
    ("rtrl_block", forward_in_time, "exact RTRL, not block-diagonal RTRL", (1, 1, 2))])
def test_wrong_functions_are_shrunk_and_named(rule, function, name, small):
    def mine(p):
        return {key: value for key, value in function(p).items()
                if key in VECTORS[rule].outputs}

    told, scope = report(rule, mine)
    assert f"equals known mistake: {name}" in told and sizes(told)[1:] == small
    T, B, m, n = sizes(told)
    p, right, found = scope["inputs"], scope["expected"], scope["found"]
    assert p["x"].shape == (T, B, m) and p["W"].shape == (n, m)
    assert all(same(value, found[key]) for key, value in mine(p).items())
    wrong = [key for key in right if not same(right[key], found[key])]
    assert wrong
    for steps in range(3, T):                       # fewer steps do not show it
        for seed in range(5):
            vector = _network(rule, seed, n, m, B, steps)
            fault = vector and _fault(vector, mine)
            assert not fault or sorted(fault.wrong) != sorted(wrong)


def test_the_printed_inputs_are_a_network_and_its_right_outputs():
    def mine(p):
        return backward(p, through_reset=False)

    _, scope = report("bptt", mine)
    p, right = scope["inputs"], backward(scope["inputs"])
    constants = {name: p[name] for name in ("alpha", "beta", "gain", "threshold")}
    run = lif.simulate(p["x"], p["W"], p["V"], **constants)
    assert same(run.mem, p["mem"]) and same(run.spikes, p["spikes"])
    assert all(same(value, scope["expected"][key]) for key, value in right.items())


@pytest.mark.parametrize("change, told", [
    (lambda a: np.nan * a, "dW is nan at (0, 0): must be finite"),
    (lambda a: a.astype(np.float16), "dW is of dtype float16: must be float32 or"),
    (lambda a: None, "dW is of dtype object: must be float32 or float64"),
    (lambda a: 0 * a, "dW is 0 throughout")])
def test_the_reason_is_given_for_results_that_are_refused(change, told):
    with pytest.raises(AssertionError) as raised:
        assert_correct("bptt", lambda p: {"dW": change(backward(p)["dW"])}, 9)
    assert f": {told}" in str(raised.value)


def test_any_failure_is_shrunk_to_three_steps():
    told, scope = report("feedback", lambda p: {"direct": 2 * p["error"] @ p["H"]})
    assert sizes(told) == (3, 1, 1, 1) and "equals the right output times 2" in told
    assert same(scope["found"]["direct"], 2 * scope["expected"]["direct"])


def after(first, function):
    """Return a function that is right up to the first network of a kind."""
    begun = []

    def mine(p):
        begun.extend([p] * first(p))
        return function(p) if begun else backward(p)

    return mine


def test_the_same_outputs_and_known_mistakes_stay_wrong():
    """Networks of one neuron show another fault, which comes first."""
    def other_output(p):
        found = backward(p)
        one = len(p["W"]) == 1
        return found | ({"dx": 3 * found["dx"]} if one else {"dV": found["dV"].T})

    def other_mistake(p):
        return backward(p, through_reset=len(p["W"]) == 1) | (
            {"dW": 3 * backward(p)["dW"]} if len(p["W"]) == 1 else {})

    for function, words in ((other_output, "transposed"),
                            (other_mistake, "equals known mistake: reset detached")):
        with pytest.raises(AssertionError, match="n=2.  With") as error:
            assert_correct("bptt", after(lambda p: len(p["W"]) > 1, function))
        assert words in str(error.value)
        with pytest.raises(AssertionError, match="n=1.  With") as error:
            assert_correct("bptt", after(lambda p: len(p["W"]) == 1, function))
        assert words not in str(error.value)


def test_a_failure_of_some_seeds_only_is_shrunk_too():
    def mine(p):
        return {"direct": (1 + (p["H"][0, 0] < 0)) * p["error"] @ p["H"]}

    first = _network("feedback", 0, 1, 1, 1, 20).inputs["H"]
    told, scope = report("feedback", mine)
    assert first[0, 0] > 0 > scope["inputs"]["H"][0, 0]
    assert sizes(told) == (3, 1, 1, 1)


def test_a_failure_that_only_large_networks_show_is_shrunk_to_the_least_of_them():
    def large(p):
        found = backward(p)
        return found if p["x"].shape[1:] != (2, 3) else {"dW": 2 * found["dW"]}

    told, _ = report("bptt", large)
    assert sizes(told)[1:] == (2, 3, 1)


def test_errors_of_a_function_on_smaller_networks_are_other_faults():
    def narrow(p):
        if p["x"].shape[1] < 2:
            raise RuntimeError
        return {"dW": 2 * backward(p)["dW"]}

    with pytest.raises(AssertionError, match="B=2, m=1, n=1.  With"):
        assert_correct("bptt", after(lambda p: p["x"].shape[1] > 1, narrow))


def test_errors_of_a_function_on_large_networks_are_other_faults():
    def small(p):
        if p["x"].shape[1] > 2:
            raise RuntimeError
        return {"dW": 2 * backward(p)["dW"]}

    with pytest.raises(AssertionError, match="B=1, m=1, n=1.  With T=.*, B=2") as error:
        assert_correct("bptt", after(lambda p: p["x"].shape[1] == 2, small))
    told = str(error.value)
    assert "missing factor 1/2" in told and "errors summed" not in told


@pytest.mark.parametrize("rule", [key for key, entry in REGISTRY.items() if entry.size])
def test_networks_of_each_kind_shrink(rule):
    def mine(p):
        found = ANSWERS[rule](p)
        key = next(key for key in ("dW", "dm", "mem") if key in found)
        return {key: found[key] ** 2}

    with pytest.raises(AssertionError, match="B=1, m=., n=1.  With T=") as error:
        assert_correct(rule, mine)
    with pytest.raises(AssertionError):
        exec(str(error.value).partition("\n\n")[2], {"mine": mine})


def test_the_reason_belongs_to_the_network_that_is_named():
    def last(p):
        dW = backward(p)["dW"]
        dW[-1, -1] = np.nan
        return {"dW": dW}

    with pytest.raises(AssertionError, match=r"m=1, n=1\.  With T=20, B=4, m=2, n=3: "
                                             r"dW is nan at \(2, 1\): must be finite"):
        assert_correct("bptt", last)


@pytest.mark.parametrize("wrong, text", [
    (lambda a: np.float32(3 * a), "np.float32"), (lambda a: a * np.inf, "np."),
    (lambda a: a * np.nan, "np.nan"), (lambda a: a[:, :0], "[]"),
    (lambda a: a.astype(np.float16), "np.float16"), (lambda a: None, "None"),
    (lambda a: (a > 0), "True"), (lambda a: a * 1j, "j")])
def test_strange_results_are_printed_as_code_too(wrong, text):
    def mine(p):
        return {"dW": wrong(np.abs(backward(p)["dW"]) + 1)}

    with np.errstate(invalid="ignore"), pytest.raises(AssertionError) as error:
        assert_correct("bptt", mine)
    code = str(error.value).partition("\n\n")[2]
    found = code[code.index("found = "):code.index("again")]
    assert text in found
    exec(code[:code.index("again")], scope := {})
    assert scope["found"].keys() == {"dW"}


def test_results_of_half_precision_fail_in_the_printed_code():
    def half(p):
        return {"dW": backward(p)["dW"].astype(np.float16)}

    report("bptt", half)


def test_the_message_separates_outputs_and_mistakes():
    def mine(p):
        return {key: backward(p)[key] * p["x"].shape[1] for key in ("dW", "dV")}

    fault = _fault(_network("bptt", 2, 1, 1, 2, 20), mine)
    told = random_networks._told(fault)
    assert told.startswith("dW ") and told.count("; dV ") == 1
    assert "; equals known mistake: errors summed, not averaged, over the batch, or: " \
        in told


def test_functions_without_a_name_and_constants_are_printed():
    with pytest.raises(AssertionError) as error:
        assert_correct("bptt", functools.partial(backward, through_reset=False))
    code = str(error.value).partition("\n\n")[2]
    assert "again = function(copies)" in code and '    "gain": 0.18126' in code
    assert "float64" not in code


def test_small_changes_between_calls_are_rounding():
    for change, varies in ((0, False), (1e-8, False), (1e-4, True), (np.nan, False)):
        calls = itertools.count()

        def mine(p, change=change, calls=calls):
            return {"dW": (2 + change * (next(calls) > 0)) * backward(p)["dW"]}

        fault = _fault(_network("bptt", 0, 3, 2, 4, 20), mine)
        assert random_networks._varies(mine, fault) == varies


def test_spikes_must_be_equal():
    def mine(p, error=0.0):
        found = ANSWERS["lif_forward"](p)
        return {"spikes": found["spikes"] + error, "mem": found["mem"] + error}

    vector = _network("lif_forward", 0, 3, 2, 4, 20)
    assert _fault(vector, mine) is None
    assert _fault(vector, lambda p: mine(p, 1e-12)).wrong == ["spikes"]


def test_float32_is_compared_as_such():
    def mine(p):
        return {key: np.float32(value) for key, value in backward(p).items()}

    assert assert_correct("bptt", mine) > 20
    with pytest.raises(AssertionError, match=r"0, 0.0001 \* np.abs"):
        assert_correct("bptt", lambda p: {"dW": 2 * mine(p)["dW"]})


@pytest.mark.parametrize("loop, old, new, words", [
    ("numpy", "dI @ V - threshold * dU", "dI @ V",
     "equals known mistake: reset detached"),
    ("torch", '- p["threshold"] * S', '- p["threshold"] * S.detach()',
     "equals known mistake: reset detached"),
    ("torch", '"dV": V.grad', '"dV": V.grad.T', "equals the right output transposed"),
    ("numpy", "dV += dI.T @ spikes[t]", "dV += dI.T @ spikes[t - 1]",
     "dV 9 of 9 entries differ")])
def test_loops_in_frameworks(loop, old, new, words):
    if importlib.util.find_spec(loop) is None:
        pytest.skip(f"{loop} is not installed")
    assert assert_correct("bptt", build(loop)) > 20
    with pytest.raises(AssertionError, match="smallest network") as error:
        assert_correct("bptt", build(loop, (old, new)))
    told, _, code = str(error.value).partition("\n\n")
    assert words in told
    with pytest.raises(AssertionError):
        exec(code, {"function": build(loop, (old, new))})
    exec(code, {"function": build(loop)})


def test_functions_that_keep_something_between_calls_are_told():
    summed = {}

    def mine(p):
        found, key = backward(p)["dW"], p["x"].shape
        summed[key] = summed.get(key, 0) + found
        return {"dW": summed[key]}

    with pytest.raises(AssertionError, match="^bptt is wrong, and a second") as error:
        assert_correct("bptt", mine)
    told, _, code = str(error.value).partition("\n\n")
    assert "dW " in told and "factor 1/2" not in told and "smallest" not in told
    with pytest.raises(AssertionError):
        exec(code, {"mine": mine})


def test_only_live_networks_are_judged():
    def picky(p):
        found = backward(p)
        assert 0 < p["spikes"].mean() < 1 and all(map(np.any, found.values()))
        return found

    assert assert_correct("bptt", picky) > 20


def test_dyadic_rules_are_compared_by_tolerance_when_drawn():
    def rounded(p):
        run, _, d, constants = layer(p | {"V": None})
        psi = surrogates.triangle(run.mem - p["threshold"], p["steepness"])[1]
        g = lif.backward(p["x"], p["W"], None, run, psi, d, **constants)
        return {"dW": g.dW * (1 + 1e-12)}

    assert assert_correct("bptt_dyadic", rounded) > 20


def test_the_complaints_of_a_function_are_its_own():
    def complain(p):
        raise AssertionError("mine")

    with pytest.raises(AssertionError, match="^mine"):
        assert_correct("bptt", complain)


def test_a_function_may_spoil_its_inputs():
    def selfish(p):
        found = backward(p)
        for value in p.values():
            if np.ndim(value):
                value[...] = 0
        return found

    assert assert_correct("bptt", selfish) > 20


@pytest.mark.parametrize("function", [
    lambda p: {}, lambda p: None, lambda p: {"dw": p["W"]}])
def test_functions_that_return_nothing_to_judge(function):
    with pytest.raises(ValueError, match="results|must be a dict"):
        assert_correct("bptt", function)


def test_a_function_is_callable_and_returns_no_masked_arrays():
    with pytest.raises(ValueError, match="^function is None: must be callable$"):
        assert_correct("bptt", None)
    with pytest.raises(ValueError, match="^bptt.dV is a masked array"):
        assert_correct("bptt", lambda p: {"dV": np.ma.array(p["V"])})


def test_too_few_networks_are_no_proof():
    with pytest.raises(ValueError, match="live networks do not show"):
        assert_correct("bptt", backward, 1)
    for examples in (0, 1.5, True):
        with pytest.raises(ValueError, match="examples is"):
            assert_correct("bptt", backward, examples)
    with pytest.raises(ValueError, match="rule is 'ntk_full'"):
        assert_correct("ntk_full", backward)


def test_examples():
    failed, tried = doctest.testmod(random_networks)
    assert failed == 0 < tried
