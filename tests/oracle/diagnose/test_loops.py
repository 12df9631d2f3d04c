"""Loops with one fault, and the faults that explain the results of a program."""

import numpy as np
import pytest
from corruptions import corrupted
from faults import build
from strategies import thinned

from refsnn.oracle.diagnose import diagnose, loops, variants
from refsnn.oracle.diagnose.variants import ALL

RIGHT = corrupted()
RUNS = [variants._ask(RIGHT, "bptt", variants._network(v, 1)) for v in (
    ALL, ALL._replace(V=0.0), ALL._replace(alpha=0.0), ALL._replace(beta=0.0))]
OTHERS = [variants._ask(RIGHT, "bptt", p) for p in (
    variants._long(0), variants._loud(RUNS[0].p))]


def faulty(fault, forward, runs=RUNS):
    """Return the runs of a loop with one fault."""
    return [variants._compared(run._replace(found=run.found | loops._result(
        fault, run, forward))) for run in runs]


@pytest.mark.parametrize("forward", [True, False])
def test_without_a_fault_the_loops_are_right(forward):
    for run in faulty(loops.Fault((), "", {}), forward):
        assert run.wrong == frozenset()


@pytest.mark.parametrize("forward", [True, False])
def test_each_fault_shows_and_is_recognised(forward):
    for fault in loops.FORWARD if forward else thinned(loops.BACKWARD, 4):
        rows = faulty(fault, forward)
        found = loops._reproduced(rows, forward)
        assert rows[0].wrong, fault.words
        assert any(other is fault for other in found), fault.words
        found = loops._reproduced(faulty(fault, forward, OTHERS), forward, found)
        if any(run.found["dW" if not forward else "mem"].any() for run in rows):
            assert {other.terms for other in found} == {fault.terms}, found
    assert loops._reproduced(RUNS, forward) == []


STEP = "        mem[t] = U\n"
INIT = "I, U = np.zeros((B, n)), np.zeros((B, n))\n    s"
BACK = "dI, dU = alpha * dI + gain * dU, beta * dU + psi[t] * dS"
PSI = 'psi = 1 / (1 + p["steepness"] * np.abs(mem - threshold)) ** 2'
END = '    return {"loss"'
CASES = [       # names of the terms, and changes of the loop in NumPy
    ("forward", ("initial state",), (INIT, INIT.replace("np.zeros((B, n))\n", (
        "np.full((B, n), 0.1)\n")))),
    ("forward", ("initial state",), (INIT, INIT.replace("I, U = np.zeros((B, n))", (
        "I, U = np.full((B, n), 0.2)")))),
    ("forward", ("bias",), ("x[t] @ W.T", "x[t] @ W.T + 0.05")),
    ("forward", ("bias",), ("gain * I -", "gain * I + 0.1 * np.arange(n) -")),
    ("forward", ("clamp",), (STEP, "        mem[t] = U = np.maximum(U, -0.2)\n")),
    ("forward", ("clamp",), ("beta * U +", "beta * np.maximum(U, 0) +")),
    ("forward", ("current decay", "membrane decay"), (
        "alpha, beta, gain, threshold = p[\"alpha\"], p[\"beta\"]",
        "alpha, beta, gain, threshold = p[\"beta\"], p[\"alpha\"]")),
    ("forward", ("refractory period",), (STEP, (
        "        U = np.where(spikes[max(t - 2, 0):t].any(0), 0, U)\n" + STEP))),
    ("forward", ("reset",), ("threshold * spikes[t])", (
        "threshold * (spikes[t] + (t > 0) * spikes[t - 1]))"))),
    ("forward", ("membrane decay",), ("beta * U +", "np.linspace(0.6, 0.9, n) * U +")),
    ("forward", ("current decay",), ("alpha * I +", "0.9 * I +")),
    ("forward", ("input",), ("x[t] @ W.T", "(t > 2) * x[t - 3] @ W.T")),
    ("forward", ("input",), ("x[t] @ W.T", "x[T - 1 - t] @ W.T")),
    ("forward", (), ("x[t] @ W.T", "x[t].mean(axis=0) @ W.T")),     # or the gain
    ("forward", ("reset",), ("alpha * I +", "alpha * I * (1 - spikes[t]) +")),
    ("forward", ("recurrence",), ("spikes[t] @ V.T", (
        "(spikes[t] @ V.T - 0.2 * spikes[t].sum(1)[:, None])"))),
    ("forward", ("last step",), ("for t in range(T):\n        mem", (
        "for t in range(T - 1):\n        mem"))),
    ("backward", ("truncation",), (BACK, BACK + (
        "\n        if t % 5 == 2: dI, dU = 0 * dI, 0 * dU"))),
    ("backward", ("truncation",), ("reversed(range(T))", "range(T - 1, 5, -1)")),
    ("backward", ("last step",), ("reversed(range(T))", "reversed(range(T - 1))")),
    ("backward", ("first step",), ("reversed(range(T))", "reversed(range(1, T))")),
    ("backward", ("reset", "recurrence"), ("error[t] + dI @ V - threshold * dU", (
        "error[t]"))),
    ("backward", ("current decay", "membrane decay"), (BACK, (
        "dI, dU = beta * dI + gain * dU, alpha * dU + psi[t] * dS"))),
    ("backward", ("surrogate",), (PSI, PSI + " * (mem > threshold)")),
    ("backward", ("surrogate",), (PSI, PSI + " * np.linspace(0.5, 1, n)")),
    ("backward", ("float16",), (END, (
        "    dW, dV, dx = (a.astype(np.float16) + 0.0 for a in (dW, dV, dx))\n"
        "    dW, dV, dx = (a.astype(float) for a in (dW, dV, dx))\n" + END))),
    ("backward", ("clipping",), (END, (
        "    dW, dV, dx = (np.clip(a, -0.01, 0.01) for a in (dW, dV, dx))\n" + END))),
    ("backward", ("clipping",), (END, (
        "    k = min(1, 0.1 / np.sqrt((dW ** 2).sum() + (dV ** 2).sum()))\n"
        "    dW, dV = k * dW, k * dV\n" + END)))]


@pytest.mark.parametrize("index", range(len(CASES)))
def test_faults_are_named(index):
    side, terms, change = CASES[index]
    function = build("numpy", change)
    assert diagnose(function)[:2] == (side, terms)

    def some(p):
        return {name: function(p)[name] for name in ("loss", "dW", "dV")}

    if terms != ("last step",) or side == "backward":       # its membranes are hidden
        assert diagnose(some)[:2] == (side, terms)


U = "beta * U + gain * I - threshold * spikes[t]"
WORDS = [       # changes of the loop in NumPy; words for six and for three outputs
    ((U, U + " - threshold * spikes[t]"), *["the reset acts twice"] * 2),
    ((U, "beta * (U - threshold * spikes[t]) + gain * I"), *[
        "the reset acts before the decay, and has the factor beta"] * 2),
    ((U, "beta * (U + gain * I) - threshold * spikes[t]"), *[
        "the current enters before the decay, and has the factor beta"] * 2),
    ((U, U.replace("gain * ", "")), *["the gain has the factor 1/gain"] * 2),
    ((U, U.replace("- ", "- 1.3 * ")), "The term has the factor 1.3.",
     "The term has the factor 1.3."),
    ((U, U + " + 0.05"), "right-hand side of (3) of lif. V",
     "right-hand side of (2) or (3)"),
    (("x[t] @ W.T", "x[t] @ W.T + 0.05"), "right-hand side of (2) of lif. V",
     "right-hand side of (2) or (3)"),
    (("x[t] @ W.T", "(t > 3) * x[t - 4] @ W.T"), *["the input is 4 steps late"] * 2),
    (("spikes[t] @ V.T", "spikes[t] @ V"), *["V is transposed"] * 2),
    (("beta * U +", "beta * np.maximum(U, 0) +"), *["no lower than 0"] * 2),
    ((STEP, "        mem[t] = U = np.maximum(U, 0)\n"), "never below 0. ", ""),
    ((STEP, "        mem[t] = U = np.minimum(U, 0.9)\n"), "never above 0.9. ", ""),
    ((STEP, "        mem[t] = U = np.clip(U, -0.2, 0.9)\n"),
     "never below -0.2 or above 0.9. ", ""),
    ((PSI, PSI.replace("mem - threshold", "mem")), *[
        "psi is read at U, not at U - threshold"] * 2),
    ((PSI, PSI.replace("mem -", "mem - threshold * spikes -")), *[
        "psi is read after the reset"] * 2),
    (("psi[t] * dS", "psi[t - 1] * dS"), *["psi is read one step late"] * 2),
    ((PSI, PSI.replace("np.abs(mem -", "np.abs(np.append(mem[1:], U[None], axis=0) -")),
     *["psi is read one step early, after the update of U"] * 2),
    (("spikes[t] @ V.T", "spikes[t - 1] @ V.T"), *[
        "the recurrence is one step late"] * 2),
    (("spikes[t] @ V.T", "np.maximum(spikes[t] @ V.T, 0)"), *[
        "Only one term acts in exactly those variants whose results are wrong."] * 2),
    ((PSI, PSI + "\n    psi = np.where(mem > threshold, psi, 0.7)"), *[
        "It is wrong only below the threshold."] * 2),
    ((PSI, PSI + "\n    psi = np.where(mem > threshold, 0.7, psi)"), *[
        "It is wrong only above the threshold."] * 2),
    ((BACK, BACK + "\n        if t % 10 == 0: dI, dU = 0 * dI, 0 * dU"), *[
        "the gradient is cut every 10 steps"] * 2),
    (("reversed(range(T))", "reversed(range(T - 2))"), *["from step T - 2 on"] * 2),
    (("/ (2 * B)", "/ B"), *["equals the right output times 2."] * 2)]


@pytest.mark.parametrize("index", range(len(WORDS)))
def test_the_text_says_what_of_a_term_is_wrong(index):
    change, six, three = WORDS[index]
    function = build("numpy", change)
    assert six in diagnose(function).text
    told = diagnose(lambda p: {key: function(p)[key] for key in ("loss", "dW", "dV")})
    assert three in told.text and told.side in ("forward", "backward")


@pytest.mark.parametrize("change", [
    ("psi[t] * dS", "(psi[t] * dS).astype(np.float16)"),
    ("return {", "dW, dV = (a.astype(np.float16) + 0.0 for a in (dW, dV))\n    "
     "return {")])
def test_rounding_of_the_gradient_alone_belongs_to_the_backward_pass(change):
    """Membranes are not returned, but the gradient is wrong with a flat surrogate."""
    function = build("numpy", change)
    told = diagnose(lambda p: {key: function(p)[key].astype(float) for key in (
        "loss", "dW", "dV")})
    assert told[:2] == ("backward", ("float16",))


def test_explanations_that_remain_are_listed():
    """Without input and with a gain of 0, all results are equal."""
    for change in ((U, U.replace("gain * I", "0 * I")), ("x[t] @ W.T", "0 * I")):
        told = diagnose(build("numpy", change))
        assert told[:2] == ("forward", ()) and (
            "A loop in which the input has the factor 0 or the gain has the factor 0 "
            "gives the same results. The wrong term is not known.") in told.text


@pytest.mark.parametrize("change", [
    (END, "    dW, dV = 2 * dW, 2 * dV\n" + END),
    ("error = (spikes - target) / B", "error = 2 * (spikes - target) / B")])
def test_scaled_gradients_need_dx(change):
    function = build("numpy", change)
    terms = ("error",) if "error" in change[0] else ("dV", "dW")
    assert diagnose(function)[:2] == ("backward", terms)
    told = diagnose(lambda p: {key: function(p)[key] for key in ("loss", "dW", "dV")})
    assert told[:2] == ("backward", ())
    assert " or both dW and dV, have a factor: dx would decide. " in told.text


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_right_functions_are_not_blamed_on_other_networks(dtype):
    def function(p):
        found = RIGHT({name: np.asarray(value, dtype) for name, value in p.items()})
        return {name: np.asarray(value, dtype) for name, value in found.items()}

    for seed in range(10, 40):
        run = variants._ask(function, "bptt", variants._network(ALL, seed))
        assert run.wrong == frozenset()
        states = variants._recovered(lambda p: variants._ask(
            lambda q: {"dW": function(q)["dW"]}, "bptt", p), run.p)
        assert states.wrong == frozenset() and "mem" in states.found
