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


U = "beta * U + gain * I - threshold * spikes[t]"
BACK = "dI, dU = alpha * dI + gain * dU, beta * dU + psi[t] * dS"
PSI = 'psi = 1 / (1 + p["steepness"] * np.abs(mem - threshold)) ** 2'
STEP = "        mem[t] = U\n"
DECAYS = "current decay", "membrane decay"
SITES = {       # terms of the loop in NumPy, in the forward and in the backward pass
    "current decay": ("alpha * I", "alpha * dI"), "gain": ("gain * I", "gain * dU"),
    "membrane decay": ("beta * U", "beta * dU"), "input": ("x[t] @ W.T", ""),
    "reset": ("threshold * spikes[t])", "threshold * dU"),
    "recurrence": ("spikes[t] @ V.T", "dI @ V -"), "surrogate": ("", "psi[t] * dS")}
FORWARD = [     # terms, words, and changes of the loop in NumPy
    (DECAYS, "alpha and beta are swapped", ("alpha * I", "beta * I"), (
        "beta * U", "alpha * U")),
    (DECAYS[:1], "alpha equals beta", ("alpha * I", "beta * I")),
    (DECAYS[1:], "beta equals alpha", ("beta * U", "alpha * U")),
    ("gain", "the gain is 1 - alpha", ("gain * I", "(1 - alpha) * I")),
    ("gain", "the gain is 1 - beta", ("gain * I", "(1 - beta) * I")),
    ("recurrence", "V is transposed", ("@ V.T", "@ V")),
    *(("clamp", f"updates read U no {words}", ("beta * U", f"beta * U.clip({ends})"))
      for words, ends in (("lower than 0", "0"), ("higher than 1", "None, 1"),
                          ("lower than -1 or higher than 1", "-1, 1"))),
    *(("threshold", f"the threshold is {words}", ("> threshold", f"> {size}"), *more)
      for words, size in (("1", "1"), ("halved", "threshold / 2"),
                          ("doubled", "threshold * 2"))
      for more in ((), [("threshold * spikes", f"{size} * spikes")])),
    ("current", "U is updated with the new current", (
        "gain * I", "gain * (alpha * I + x[t] @ W.T + spikes[t] @ V.T)")),
    ("current", "U is updated with the previous current", ("gain * I", "gain * J"), (
        STEP, "        mem[t], J, K = U, K if t else 0 * I, I.copy()\n")),
    ("gain", "the current enters before the decay, and has the factor beta", (
        "gain * I", "beta * gain * I")),
    ("reset", "the reset acts before the decay, and has the factor beta", (
        U, "beta * (U - threshold * spikes[t]) + gain * I")),
    ("reset", "the reset acts twice", (U, f"{U} - threshold * spikes[t]")),
    ("reset", "the reset subtracts 1", ("- threshold * spikes", "- spikes")),
    ("reset", "the reset sets U to 0", (U, "(1 - spikes[t]) * (beta * U + gain * I)")),
    ("reset", "U is set to 0 before the decay", (
        U, "beta * U * (1 - spikes[t]) + gain * I")),
    ("reset", "the reset also sets I to 0", ("* I +", "* I * (1 - spikes[t]) +")),
    ("reset", "the reset acts one step late", (U, U.replace("[t]", "[t - 1]"))),
    ("reset", "the reset acts in two steps", (U, f"{U} - threshold * spikes[t - 1]")),
    ("recurrence", "the recurrence is one step late", ("s[t] @", "s[t - 1] @")),
    ("last step", "the last step is missing", ("range(T):\n        m", (
        "range(T - 1):\n        m"))),
    *(("input", f"the input is {words} late", ("x[t] @", f"(t >= {k}) * x[t - {k}] @"))
      for k, words in ((1, "1 step"), (2, "2 steps"), (9, "9 steps"))),
    *(("refractory period", f"spikes are missing for {words} after a spike", (
        "U > threshold", f"(U > threshold) & ~spikes[max(t - {k}, 0):t].any(axis=0)"))
      for k, words in ((1, "1 step"), (11, "11 steps"))),
    *(("refractory period", f"U is 0 for {words} after a spike", (
        "mem[t] = U", f"mem[t] = U = U * ~spikes[max(t - {k}, 0):t].any(axis=0)"))
      for k, words in ((2, "2 steps"), (11, "11 steps")))]
BACKWARD = [
    (DECAYS, "alpha and beta are swapped", ("alpha * dI", "beta * dI"), (
        "beta * dU", "alpha * dU")),
    (DECAYS[:1], "alpha equals beta", ("alpha * dI", "beta * dI")),
    (DECAYS[1:], "beta equals alpha", ("beta * dU", "alpha * dU")),
    (DECAYS, "the decays pass no gradient", ("alpha * dI +", ""), ("beta * dU +", "")),
    ("gain", "the gain is 1 - alpha", ("gain * dU", "(1 - alpha) * dU")),
    ("gain", "the gain is 1 - beta", ("gain * dU", "(1 - beta) * dU")),
    ("recurrence", "V is transposed", ("dI @ V -", "dI @ V.T -")),
    (("reset", "recurrence"), "spikes pass no gradient", (
        " + dI @ V - threshold * dU", "")),
    (("membrane decay", "reset"), "U passes no gradient to U", (
        " - threshold * dU", ""), ("beta * dU +", "")),
    *(("reset", f"{words} has the factor 1 - S", *changes, *more)
      for words, *changes in (
          ("beta dU", ("beta * dU", "(1 - spikes[t]) * beta * dU")),
          ("dU", ("beta * dU", "(1 - spikes[t]) * beta * dU"), (
              "gain * dU", "gain * (1 - spikes[t]) * dU")))
      for more in ((), [(" - threshold * dU", "")])),
    ("current", "dI reads dU one step early", (
        "gain * dU", "gain * (beta * dU + psi[t] * dS)")),
    ("current", "dI reads dU one step late", ("gain * dU", "gain * K"), (
        "        dS =", "        J, K = dU, J if t < T - 1 else 0 * dU\n        dS =")),
    *(("last step", f"the errors are missing from step T - {k} on", (
        "error[t] +", f"error[t] * (t < T - {k}) +")) for k in (1, 2, 3)),
    *(("truncation" if k > 1 else "first step", (
        f"the adjoints before step {k} are missing"), ("(range(T)", f"(range({k}, T)"))
      for k in (1, 2, 9)),
    *(("surrogate", f"psi is {words}", (PSI, PSI + change)) for words, change in (
        ("0 below the threshold", " * (mem > threshold)"),
        ("0 above the threshold", " * (mem <= threshold)"),
        ("constant, 1", " * 0 + 1"))),
    *(("surrogate", f"psi is read {words}", ("np.abs(mem", f"np.abs({mem}"))
      for words, mem in (
          ("at U, not at U - threshold", "mem + threshold"),
          ("one step early, after the update of U", "np.append(mem[1:], U[None], 0)"),
          ("one step late, before the update of U", "np.roll(mem, 1, 0)"),
          ("after the reset", "mem - threshold * spikes"))),
    *(("truncation", f"the gradient is cut {words}", (
        BACK, f"{BACK}\n        if {cut}: dI, dU = 0 * dI, {kept}"))
      for kept in ("0", "psi[t] * dS", "psi[t] * error[t]") for words, cut in (
          ("every 1 step", "True"), ("every 10 steps", "t == 7"),
          ("every 5 steps", "t % 5 == 4"), ("at step 2", "t == 2"),
          ("at step 10", "t == 10")))]


@pytest.mark.parametrize("forward", [True, False])
def test_the_words_describe_a_change_of_a_loop(forward):
    known = loops.FORWARD if forward else loops.BACKWARD
    for terms, words, *changes in (FORWARD if forward else BACKWARD) + [
            (term, f"the {term} has the factor {size}", (site, f"({size}) * {site}"))
            for term, sites in SITES.items() for site in sites[not forward:][:1] if site
            for size in ("0", "-1", "2", "1/2", "1 - alpha", "1 - beta", "alpha",
                         "beta", "gain", "1/gain")]:
        names = (terms,) if isinstance(terms, str) else terms
        faults = [fault for fault in known if fault[:2] == (names, words)]
        function = build("numpy", *changes)
        rows = [variants._ask(function, "bptt", run.p) for run in RUNS]
        assert faults and loops._reproduced(rows, forward, faults), words


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


FLOOR = "np.maximum((beta * U + gain * I) * (1 - spikes[t]), 0)"
INIT = "I, U = np.zeros((B, n)), np.zeros((B, n))\n    s"
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
    ("forward", ("reset", "clamp"), (U, FLOOR)),
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


WORDS = [       # changes of the loop in NumPy; words for six and for three outputs
    ((U, U + " - threshold * spikes[t]"), *["the reset acts twice"] * 2),
    ((U, "beta * (U - threshold * spikes[t]) + gain * I"), *[
        "the reset acts before the decay, and has the factor beta"] * 2),
    ((U, "beta * (U + gain * I) - threshold * spikes[t]"), *[
        "the current enters before the decay, and has the factor beta"] * 2),
    ((U, U.replace("gain * ", "")), *["the gain has the factor 1/gain"] * 2),
    ((U, U.replace("- ", "- threshold * ")), *[
        "The term has the factor 0.703 (threshold)."] * 2),
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
    ((U, FLOOR), *["By `identify`: as the right layer, but reset to a value and "
                   "membrane bounded below. V"] * 2),
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
