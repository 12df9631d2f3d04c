"""Diagnosis of corrupted loops, of faults between calls, and of unusable results."""

import doctest
import functools

import numpy as np
import pytest
from answers import ANSWERS
from corruptions import CHANGES, INVISIBLE, TERMS, corrupted
from faults import FAULTS, build
from strategies import thinned

from refsnn import surrogates
from refsnn.oracle.diagnose import diagnosis as module
from refsnn.oracle.diagnose import diagnose, variants
from refsnn.oracle.diagnose.variants import RULES, Run

RIGHT = corrupted()
UNNAMED = {     # several terms explain the results: no signal at all, or rounding
    ("forward", "input", "missing"), ("forward", "gain", "missing"),
    ("forward", "gain", "float16"), ("forward", "gain", "bfloat16"),
    ("backward", "gain", "missing"), ("backward", "gain", "float16"),
    ("backward", "gain", "bfloat16"), ("backward", "surrogate", "missing"),
    ("backward", "error", "missing")}

FORMULAS = {    # in the equations of lif, forward and backward
    "input": ("W x[t] in (2)",), "threshold": ("U[t] > threshold in (1)",),
    "recurrence": ("V S[t] in (2)", "V^T dI[t+1] in (8)"),
    "reset": ("threshold S[t] in (3)", "threshold dU[t+1] in (8)"),
    "current decay": ("alpha I[t] in (2)", "alpha dI[t+1] in (7)"),
    "membrane decay": ("beta U[t] in (3)", "beta dU[t+1] in (9)"),
    "gain": ("gain I[t] in (3)", "gain dU[t+1] in (7)"),
    "current": ("the time of I in (3)", "the time of dU in (7)"),
    "surrogate": ("", "psi[t] in (9)"), "error": ("", "dspikes[t] in (8)")}


@pytest.fixture(scope="module", autouse=True)
def networks_are_drawn_once():
    """Keep the networks, to save time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_network", functools.cache(module._network))
        yield


def only(names, function=RIGHT):
    return lambda p: {name: value for name, value in function(p).items()
                      if name in names}


def test_doctest():
    assert doctest.testmod(module).failed == 0


# ---- right functions

@pytest.mark.parametrize("names", [RULES["bptt"], ("loss", "dW", "dV"), ("spikes",),
                                   ("mem",), ("dV",), ("dx", "dW"), ("loss",)])
def test_a_right_function_is_right(names):
    told = diagnose(only(names))
    assert told[:3] == ("right", (), ())
    *first, last = (name for name in RULES["bptt"] if name in names)
    listed = f"{', '.join(first)} and {last}" if first else last
    assert told.text == f"{listed} (float64) are right in all variants."


@pytest.mark.parametrize("rule", RULES)
def test_float32_is_right(rule):
    loop = corrupted(detached=rule == "bptt_detached")

    def function(p):
        found = loop({key: np.asarray(value, np.float32) for key, value in p.items()})
        return {name: np.asarray(found[name], np.float32) for name in RULES[rule]}
    assert diagnose(function, rule).side == "right"
    assert "(float32) are right" in diagnose(function, rule).text
    told = diagnose(lambda p: function(p) | {"loss": float(function(p)["loss"])}, rule)
    assert told.side == "right"         # a number of float64, computed in float32

    def wrong(p):
        found = function(p)
        return found | {"dW": found["dW"] * np.float32(1 + 1e-3 * (p["alpha"] > 0))}
    text = diagnose(wrong, rule).text
    assert "by more than 0.0001 of the largest" in text and "times 1.001" in text


@pytest.mark.parametrize("side, term", TERMS[:7] + TERMS[10:17])
def test_float32_names_the_same_term(side, term):
    loop = corrupted(side, term, "factor")

    def function(p):
        found = loop({key: np.asarray(value, np.float32) for key, value in p.items()})
        return {name: np.asarray(value, np.float32) for name, value in found.items()}
    assert diagnose(function)[:2] == (side, (term,))


@pytest.mark.parametrize("factor", [1.0003, 0.999])
@pytest.mark.parametrize("term", ["surrogate", "error", "reset"])
def test_small_factors_in_float32_belong_to_their_term(term, factor):
    loop = corrupted("backward", term, lambda a, b, p: factor * a)

    def function(p):
        found = loop({key: np.asarray(value, np.float32) for key, value in p.items()})
        return {name: np.asarray(value, np.float32) for name, value in found.items()}
    assert diagnose(function)[:2] == ("backward", (term,))


@pytest.mark.parametrize("side, term", [("forward", "recurrence"), ("forward", "input"),
                                        ("backward", "recurrence"),
                                        ("backward", "surrogate")])
def test_rounding_to_float32_hides_no_other_fault(side, term):
    """The function computes in float32, and returns float64."""
    def rounded(function):
        return lambda p: {name: np.float64(np.float32(value))
                          for name, value in function(p).items()}
    told = diagnose(rounded(corrupted(side, term, "factor")))
    assert told[:2] == (side, (term,))
    assert told.text.endswith(" Apart from this, results are rounded to float32.")
    assert diagnose(rounded(RIGHT)).terms == ("float32",)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_right_dV_does_not_acquit_the_adjoints(dtype):
    """The surrogate is wrong in one early step, without an earlier spike."""
    calls = iter(range(10 ** 6))

    def change(a, b, p):        # from the last step to the first
        T = len(p["x"])
        return a * (1.5 if T - 1 - next(calls) % T == 2 else 1)

    loop = corrupted("backward", "surrogate", change)

    def function(p):
        return {name: value.astype(dtype) for name, value in loop(p).items()
                if name in ("loss", "dW", "dV")}
    assert diagnose(function)[:2] == ("backward", ("surrogate",))


def test_each_rule_has_its_own_answer():
    told = diagnose(RIGHT, "bptt_detached")
    assert told[:2] == ("backward", ("reset",))
    assert diagnose(corrupted(detached=True))[:2] == told[:2]
    assert diagnose(only(RULES["rtrl"]), "rtrl").side == "right"


# ---- corrupted terms

def judged(side, term, change, rule="bptt", names=None):
    loop = only(names or RULES[rule], corrupted(side, term, change,
                                                rule == "bptt_detached"))
    told, own = diagnose(loop, rule), {term, change}
    if (term, change) == ("gain", "late"):
        own = {"current"}
    assert set(told.terms) <= own, (side, term, change, told)
    for name in own & set(told.terms) & set(FORMULAS):
        shown = FORMULAS[name][side == "backward"]
        assert f" The {name} is wrong: {shown} of lif. " in told.text
    return told


@pytest.mark.parametrize("index", range(len(TERMS)))
def test_a_corrupted_term_is_named(index):
    side, term = TERMS[index]
    for change in list(CHANGES)[index % 3::3]:
        told = judged(side, term, change)
        if change in INVISIBLE.get(term, ()):
            assert told.side == "right"
            continue
        assert told.side == side
        assert bool(told.terms) == ((side, term, change) not in UNNAMED
                                    or change == "float16")


@pytest.mark.parametrize("case", sorted(UNNAMED))
def test_what_several_terms_explain_has_no_name(case):
    told = judged(*case)
    assert told.side == case[0]
    assert told.terms == ("float16",) * (case[2] == "float16")
    assert ("The wrong term is not known." in told.text) == (not told.terms)
    assert ("Each of " in told.text or " has the factor 0 or the " in told.text) == (
        case[2] == "missing")


@pytest.mark.parametrize("rule", ["bptt_detached", "rtrl"])
@pytest.mark.parametrize("term", ["recurrence", "current decay", "membrane decay",
                                  "error"])
def test_other_rules(term, rule):
    for change in ("sign", "factor 1 - alpha", "late"):
        told = judged("backward", term, change, rule)
        open_ = term == "error" and change != "late" and rule == "rtrl"
        assert told[:2] == ("backward", (term,) * (not open_))
        assert ("dx would decide." in told.text) == open_


def test_without_reset_a_factor_belongs_to_gain_or_surrogate():
    for term in ("gain", "surrogate"):
        told = judged("backward", term, "factor", "bptt_detached")
        assert told.terms == ()
        assert "Each of gain and surrogate alone would explain this." in told.text
    told = judged("backward", "surrogate", "late", "bptt_detached")
    assert told.terms == ("surrogate",)


@pytest.mark.parametrize("names", [("loss", "dW", "dV"), ("spikes",), ("dW", "dV"),
                                   ("mem", "dV"), ("spikes", "mem", "dx")])
def test_some_outputs_lead_to_no_wrong_name(names):
    for index, (side, term) in enumerate(thinned(TERMS[:7] + TERMS[10:17], 2)):
        change = ("sign", "late", "float32")[index % 3]
        told = judged(side, term, change, names=names)
        assert told.side in (side, "unknown", "right")


@pytest.mark.parametrize("names", [("loss", "dW", "dV"), ("spikes", "dW")])
def test_gradients_show_the_membranes(names):
    for term in ("reset", "gain", "current decay"):
        assert judged("forward", term, "factor", names=names).terms == (term,)


@pytest.mark.parametrize("names", [("loss",), ("spikes",), ("loss", "dV")])
def test_without_membranes_a_wrong_reset_is_only_suspected(names):
    told = judged("forward", "reset", "factor", names=names)
    assert told[:2] == ("forward", ())
    assert (" The results are right without spikes: the input, gain, reset, threshold, "
            "their time steps or the loss can be wrong. The wrong term is not known "
            "without mem" in told.text)


@pytest.mark.parametrize("names", [("spikes", "mem"), ("loss", "spikes", "mem"),
                                   ("loss", "spikes", "mem", "dV"), RULES["bptt"]])
def test_a_wrong_output_beside_right_ones(names):
    for term in {"spikes", "mem"} & set(names):
        told = judged("forward", term, "factor", names=names)
        assert told[:3] == ("forward", (term,), (term,))
        others = [name for name in sorted(names) if name != term]
        assert told.text.startswith(f"Wrong: {term}. Right: ")
        assert all(name in told.text for name in others)
    for grad in ("dW", "dx"):
        told = judged("forward", "mem", "factor", names=("mem", grad))
        assert told.text.startswith(f"Wrong: mem. Right: {grad}. ")
    late = ("loss = (", "spikes = np.roll(spikes, 1, 0)\n    loss = (")
    told = diagnose(only(names, loop(late)))
    assert told[:2] == ("forward", ("spikes",))
    told = judged("forward", "mem", "float32", names=names)
    terms = ("mem", "float32") if "dW" in names else ("float32",)
    assert told[:2] == ("forward", terms)


def test_a_loss_alone_is_told_from_spikes():
    for change in ("sign", "factor", "float32"):
        for names in (("loss",), ("loss", "dW"), ("loss", "spikes"), ("loss", "mem")):
            told = judged("forward", "loss", change, names=names)
            rounded = (change, names) == ("float32", ("loss",))
            assert told[:3] == ("forward", ("float32" if rounded else "loss",),
                                ("loss",))
    told = judged("forward", "loss", "factor", names=("loss",))
    assert told.text.startswith(
        "Wrong: loss. The losses for three targets have a wrong difference. The "
        "computation of loss is wrong. The losses of all networks: ")
    assert "equals the right output times 1.3" in told.text
    told = judged("forward", "recurrence", "sign", names=("loss",))
    assert told[:2] == ("forward", ("recurrence",))
    told = diagnose(only(("loss", "spikes"), loop((
        "loss = (", "spikes = np.roll(spikes, 1, 0)\n    loss = ("))))
    assert told[:2] == ("forward", ())
    told = judged("forward", "recurrence", "sign", names=("loss", "dW", "dV"))
    assert told[:2] == ("forward", ("recurrence",))
    told = judged("forward", "threshold", "sign", names=("loss", "dW", "dV"))
    assert told[:2] == ("forward", ())


def test_without_membranes_the_side_may_be_unknown():
    for side, term, change, names in (
            ("forward", "threshold", "sign", ("dW", "dV", "dx")),
            ("backward", "error", "sign", ("dW", "dV", "dx"))):
        told = judged(side, term, change, names=names)
        assert told[:2] == ("unknown", ())
        assert (f"{told.arrays[-1]}. The pass is unknown without spikes and mem. The "
                "wrong term is not known. ") in told.text
    for change in ("sign", "float32"):
        told = judged("backward", "current decay", change, names=("loss", "dW", "dV"))
        assert told[:2] == ("backward", ("current decay",))
    told = judged("backward", "dV", "factor", names=("dW", "dV", "dx"))
    assert told[:2] == ("backward", ("dV",))


def test_spikes_that_are_no_spikes():
    told = judged("forward", "spikes", "factor 1 - alpha",
                  names=("loss", "spikes", "dV"))
    assert told[:2] == ("forward", ())
    assert (" The spikes are not 0 or 1. The wrong term is not known without mem. "
            in told.text)
    told = judged("forward", "recurrence", "sign", names=("spikes",))
    assert told[:2] == ("forward", ("recurrence",))         # spikes of 0 and 1
    told = judged("forward", "reset", "sign", names=("spikes", "mem"))
    assert told[:2] == ("forward", ("reset",))


def loop(*changes):
    return build("numpy", *changes)


@pytest.mark.parametrize("old, new, side, term", [
    ("beta * U", "(1 - gain) * U", "forward", "membrane decay"),
    ("alpha * I", "beta * I", "forward", "current decay"),
    ("beta * U", "alpha * U", "forward", "membrane decay"),
    ("beta * dU", "alpha * dU", "backward", "membrane decay"),
    ("alpha * dI", "beta * dI", "backward", "current decay"),
    ("beta * U + gain * I - threshold * spikes[t]",
     "(beta * U + gain * I) * (1 - spikes[t])", "forward", "reset"),
    ("beta * U + gain * I - threshold * spikes[t]",
     "beta * (U - threshold * spikes[t]) + gain * I", "forward", "reset"),
    ("spikes[t] = U > threshold", "spikes[t] = U > 1", "forward", "threshold"),
    ("spikes[t] = U > threshold", "spikes[t] = mem[t - 1] > threshold", "forward",
     "threshold"),
    ("gain * I", "gain * (alpha * I + x[t] @ W.T + spikes[t] @ V.T)", "forward",
     "current"),
    ("gain * I -", "gain * I * np.arange(1, n + 1) -", "forward", "gain"),
    ("gain * dU,", "gain * dU * np.arange(1, n + 1),", "backward", "gain"),
    ("x[t] @ W.T", "x[t - 1] @ W.T", "forward", "input"),
    ("gain * dU,", "gain * (beta * dU + psi[t] * dS),", "backward", "current"),
    ("psi[t] * dS", "psi[t] * (mem[t] > threshold) * dS", "backward", "surrogate"),
    ("= error[t] + dI", "= error[t] * (mem[t] > threshold) + dI", "backward", "error"),
    ("= error[t] + dI", "= error[t - 1] + dI", "backward", "error"),
    ("(spikes - target) / B", "spikes / B", "backward", "error"),
    ("np.abs(mem - threshold)", "np.abs(mem)", "backward", "surrogate"),
    ("psi[t] * dS", "psi[(t + 1) % T] * dS", "backward", "surrogate"),
    ("dx[t] = dI @ W", "dx[t] = dI @ W / m", "backward", "dx"),
    ("dW += dI.T @ x[t]", "dW += dI.T @ x[t - 1]", "backward", "dW"),
    ('"mem": mem', '"mem": mem[::-1]', "forward", "mem"),
    ('"spikes": spikes', '"spikes": np.roll(spikes, 1, 0)', "forward", "spikes")])
def test_faults_that_are_no_corruption_of_a_term(old, new, side, term):
    assert diagnose(loop((old, new)))[:2] == (side, (term,))


@pytest.mark.parametrize("reset", ("", " - threshold * dU"))
def test_a_reset_to_zero_in_the_backward_pass_alone_is_no_wrong_surrogate(reset):
    told = diagnose(loop(
        ("dI @ V - threshold * dU", f"dI @ V{reset}"),
        ("gain * dU, beta * dU", "gain * (1 - spikes[t - 1]) * dU, beta * (1 - "
                                 "spikes[t - 1]) * dU")))
    assert told[:2] == ("backward", ())


def test_of_two_outputs_that_are_not_finite_the_first_is_named():
    for names in (("dW", "mem"), ("mem", "dW")):
        told = diagnose(lambda p: {name: np.full(p[  # noqa: B023
            name[-1:] if name == "dW" else name].shape, np.nan)
            for name in names})                      # noqa: B023
        assert told[:2] == ("forward", ()) and told.text == "mem is not finite."


@pytest.mark.parametrize("dtype", (np.float64, np.float32))
def test_another_threshold_is_told_from_a_wrong_reset(dtype):
    def rounded(found):
        return {name: np.asarray(value, dtype) for name, value in found.items()}

    for moved in (lambda p: 1.0, lambda p: p["threshold"] / 2):
        told = diagnose(lambda p: rounded(RIGHT(
            p | {"threshold": moved(p)})))                          # noqa: B023
        assert told[:2] == ("forward", ("threshold",))
        assert "in which the threshold is " in told.text
        told = diagnose(lambda p: rounded(RIGHT(
            p | {"threshold": moved(p), "V": p["V"].T})))           # noqa: B023
        assert told[:2] == ("forward", ()) and "at another threshold." in told.text
    told = diagnose(lambda p: rounded(RIGHT(p | {"threshold": 0.9})))
    assert told[:2] == ("forward", ("threshold",))
    assert ("spikes. The spikes follow from the membranes, but at another threshold. "
            "The threshold is wrong: U[t] > threshold in (1) of lif. ") in told.text
    told = diagnose(loop(("- threshold * spikes[t]", "- threshold / 2 * spikes[t]")))
    assert told[:2] == ("forward", ("reset",))


REFRACTORY = "spikes[t] = U > threshold", (
    "spikes[t] = ((U > threshold) & (spikes[max(t - {0}, 0):t].sum(axis=0) < 0.5))")


@pytest.mark.parametrize("steps, words", [
    (1, "for 1 step after"), (3, "for 3 steps after"), (9, "for 9 steps after")])
def test_a_refractory_period_is_no_wrong_threshold(steps, words):
    old, new = REFRACTORY
    for change in ("", " + 1e-12"):
        told = diagnose(loop((old, new.format(steps) + change)))
        assert told[:2] == ("forward", ("refractory period",))
        assert (f" A loop in which spikes are missing {words} a spike gives the same "
                "results. Variant ") in told.text


@pytest.mark.parametrize("change", [
    "(U > threshold) & (t % 3 > 0)",
    "(U > threshold) & ((spikes[t - 1] < 1) | (np.arange(n) > 0))",
    "(beta * U + gain * I) > threshold",
    "(U > 0.8 * threshold) & (spikes[max(t - 1, 0):t].sum(axis=0) == 0)"])
def test_missing_spikes_at_other_times_are_no_refractory_period(change):
    told = diagnose(loop((REFRACTORY[0], f"spikes[t] = {change}")))
    assert told[:2] == ("forward", ("threshold",))


def test_soft_spikes_are_no_wrong_threshold():
    old = REFRACTORY[0]
    told = diagnose(loop((old, "spikes[t] = 1 / (1 + np.exp(9 * (threshold - U)))")))
    assert told[:2] == ("forward", ()) and "The spikes are not 0 or 1." in told.text
    told = diagnose(loop((old, "f = np.tanh(U); spikes[t] = (U > threshold) + f - f"),
                         ("spikes[t] @ V.T,", "spikes[t] @ V,")))
    assert told[:2] == ("forward", ("recurrence",))      # 1 and 0 to rounding


def test_several_spikes_in_a_step_follow_from_the_membranes():
    several = loop((REFRACTORY[0], (
        "spikes[t] = np.maximum(np.ceil(U / threshold) - 1, 0)")))
    told = diagnose(several)
    assert told[:2] == ("forward", ("several spikes",))
    assert " The spikes are not 0 or 1, but several in a step. Variant " in told.text
    for function in (only(("spikes",), several), loop((
            REFRACTORY[0], "spikes[t] = np.maximum(np.ceil(U / 0.5) - 1, 0)"))):
        told = diagnose(function)
        assert told[:2] == ("forward", ())
        assert " The spikes are not 0 or 1. The wrong term is not known" in told.text


def test_a_loss_alone_in_float32_is_rounded():
    def told(change):
        return diagnose(lambda p: {"loss": np.float64(change(RIGHT(p)["loss"]))})

    assert told(np.float32)[:3] == ("forward", ("float32",), ("loss",))
    assert told(np.float32).text == "Wrong: loss. All results are rounded to float32."
    for change in (lambda a: a * (1 + 1e-6), lambda a: np.float32(2 * a),
                   lambda a: np.float32(a * (1 + 5e-5))):
        assert "float32" not in told(change)[1]


def test_spikes_alone_are_not_called_rounded():
    told = diagnose(only(("spikes",), lambda p: RIGHT(p | {"threshold": 0.9})))
    assert told[:2] == ("forward", ()) and "float32" not in told.text


def test_a_missing_recurrence_with_a_gradient_of_zero():
    told = diagnose(lambda p: RIGHT(p | {"V": 0 * p["V"]}) | {"dV": 0 * p["V"]})
    assert told[:2] == ("forward", ("recurrence",))


def test_a_batch_size_that_is_not_read():
    def function(p):
        factor = p["x"].shape[1] / 2
        return {name: value * (1 if name in ("spikes", "mem") else factor)
                for name, value in RIGHT(p).items()}

    told = diagnose(function)
    assert told[:2] == ("backward", ()) or told[:2] == ("forward", ())
    assert told.arrays == ("dV", "dW", "dx", "loss")
    assert "only in a longer sequence of four samples" in told.text


def test_two_wrong_outputs():
    told = diagnose(loop(("dW += dI.T", "dW += 2 * dI.T"),
                         ("dV += dI.T", "dV -= dI.T")))
    assert told[:3] == ("backward", ("dV", "dW"), ("dV", "dW"))
    assert "Right: dx. The computation of dV and dW is wrong." in told.text
    told = diagnose(only(("dW", "dV", "loss"), loop(("dW += dI.T", "dW += 2 * dI.T"))))
    assert told[:2] == ("backward", ("dW",))
    told = diagnose(only(("dW", "loss"), loop(("dW += dI.T", "dW += 2 * dI.T"))))
    assert told[:2] == ("backward", ())
    assert told.text.startswith("Wrong: dW. The wrong term is not known. Variant ")
    told = diagnose(only(("dV", "loss"), loop(("dV += dI.T", "dV += 2 * dI.T"))))
    assert told[:2] == ("backward", ())
    assert told.text.startswith("Wrong: dV. The wrong term is not known. ")


def test_two_faults_have_no_name():
    told = diagnose(loop(("alpha * dI", "dI"), ("beta * dU", "dU")))
    assert told[:2] == ("backward", ())
    told = diagnose(loop(("alpha * I", "I"), ("+ gain * I", "+ I")))
    assert told[:2] == ("forward", ())
    told = diagnose(loop(("reversed(range(T))", "reversed(range(T - 3))")))
    assert told[:2] == ("backward", ("last step",))
    assert diagnose(loop(("alpha * dI", "dI"), ("beta * dU", "dU"))).text.startswith(
        "Wrong: dV, dW and dx. The wrong term is not known. ")
    told = diagnose(only(("loss", "dW", "dV"), loop(
        ("dI @ V -", "dI @ V.T -"), ("/ (2 * B)", "/ (2 * B) + 1"))))
    assert told[:2] == ("forward", ("loss",))
    assert " The gradients belong to the right membranes. " in told.text
    told = diagnose(loop(("V, target =", "V, _ ="), (
        "(T, B, m)", "target = p['target'] / (1 + np.arange(len(x)))[:, None, None]\n"
        "    (T, B, m)")))
    assert told[:2] == ("forward", ("loss",))


def test_rounding_of_all_inputs():
    for dtype, terms in ((np.float32, ("float32",)), (np.float16, ("float16",))):
        def function(p):
            return RIGHT(p | {key: p[key].astype(dtype).astype(float)   # noqa: B023
                              for key in ("x", "W", "V", "target")})
        told = diagnose(function)
        assert told[:2] == ("forward", terms)
        assert "the error has the size of rounding to " in told.text
        assert ("All results are rounded to float32. " in told.text) == (
            terms == ("float32",))


def test_a_wrong_surrogate_has_not_the_size_of_rounding():
    """Its error is between 0.2 % and 2 % if no neuron spikes."""
    arctan = loop(("psi = 1 / (1 + p[\"steepness\"] * np.abs(mem - threshold)) ** 2",
                   "psi = 1 / (1 + (np.pi / 2 * p['steepness'] * ("
                   "mem - threshold)) ** 2)"))
    told = diagnose(only(("spikes", "dW"), arctan))
    assert told[:3] == ("unknown", (), ("dW",)) and "rounding" not in told.text
    assert diagnose(arctan).terms == ("surrogate",)


@pytest.mark.parametrize("fault", [f for f in FAULTS if f.loop == "numpy"])
def test_the_list_of_faults(fault):
    told = diagnose(build(fault.loop, (fault.old, fault.new)))
    assert told.side == fault.side
    assert told.terms and set(told.terms) <= set(fault.terms)


# ---- learned constants

LEARNED = ("dalpha", "dbeta", "dgain", "dthreshold", "dtau_syn", "dtau_mem",
           "dlog_tau_syn", "dlog_tau_mem")


def learned(change=lambda p, found: {}, function=RIGHT):
    def answer(p):
        right = variants._answer(p, "bptt")
        with np.errstate(all="ignore"):
            p = p | {"tau_syn": -1 / np.log(p["alpha"]), "tau_mem": -1 / np.log(
                p["beta"])}                     # 0 if the decay factor is 0
            found = {name: right[name] for name in LEARNED}
            return function(p) | found | change(p, found)
    return answer


def test_right_derivatives_of_constants_are_right():
    assert diagnose(learned()).side == "right"
    assert diagnose(only(LEARNED, learned())).side == "right"
    nan = diagnose(learned(lambda p, found: {"dtau_mem": found["dtau_mem"] / p[
        "beta"] * p["beta"]}))                  # nan if beta is 0
    assert nan.side == "right"


@pytest.mark.parametrize("name, change, words", [
    ("dtau_mem", lambda p, found: found["dlog_tau_mem"], "4.48142 (tau_mem)"),
    ("dlog_tau_syn", lambda p, found: found["dtau_syn"], "0.356675 (1/tau_syn)"),
    ("dtau_syn", lambda p, found: found["dtau_syn"] / p["alpha"],
     "1.42857 (1/alpha)"),
    ("dbeta", lambda p, found: found["dbeta"] / 3, "0.333333 (1/3, 1/n)"),
    ("dthreshold", lambda p, found: -found["dthreshold"], "-1."),
    ("dgain", lambda p, found: found["dgain"] + 1, "most at ")])
def test_a_wrong_derivative_of_a_constant_is_named_with_its_factor(name, change, words):
    told = diagnose(learned(lambda p, found: {name: change(p, found)}))
    assert told[:3] == ("backward", (name,), (name,))
    assert f" The {name} of all networks: " in told.text and words in told.text


def test_a_wrong_term_makes_derivatives_of_constants_wrong():
    surrogate = corrupted("backward", "surrogate", "late")
    told = diagnose(learned(lambda p, found: {
        name: 1.1 * found[name] for name in LEARNED}, surrogate))
    assert told[:2] == ("backward", ("surrogate",)) and "dbeta" in told.arrays
    told = diagnose(only(("loss", "dbeta"), learned(
        lambda p, found: {"dbeta": 2 * found["dbeta"]})))
    assert told[:2] == ("backward", ()) and told.arrays == ("dbeta",)


# ---- the text

def test_the_text_states_the_reason():
    text = judged("forward", "recurrence", "late").text
    assert text.startswith("Wrong: dV, dW, dx, loss, mem and spikes. A loop in which "
                           "the recurrence is one step late gives the same results. "
                           "The recurrence is wrong: V S[t] in (2) of lif. ")
    told = judged("backward", "recurrence", "sign")
    assert "The recurrence is wrong: V^T dI[t+1] in (8) of lif. " in told.text
    assert "All results are right with one sample. " in judged(
        "backward", "error", "factor B").text
    sums = corrupted("backward", "error", "factor B")
    assert "one sample" not in diagnose(lambda p: sums(p) | (
        {"dV": 1 / 0} if p["x"].shape[1] == 1 else {})).text
    assert "All results are right with gain = 1. " in judged(
        "forward", "gain", "factor gain").text
    assert " with a flat surrogate. " in diagnose(loop((
        'p["steepness"]', '3 * p["steepness"]'))).text
    assert " with a diagonal V. " in diagnose(loop(("dI @ V -", "dI @ V.T -"))).text
    assert "times 1.3" in judged("backward", "dW", "factor").text
    scaled = ("In an equation of lif, the residual is a linear map of one term. The "
              "term has the factor 1.3.")
    for term in ("recurrence", "input"):
        assert f" spikes. {scaled} The {term} is " in judged(
            "forward", term, "factor").text
    told = judged("backward", "dV", "float16")
    assert told.terms == ("dV", "float16")
    assert " The computation of dV is wrong. " in told.text
    for size, words in (("T", "12 (T)"), ("n", "3, which equals n")):
        text = diagnose(loop(("dW += dI.T", f"dW += {size} * dI.T"))).text
        assert f"times {words}" in text
    assert judged("forward", "mem", "float32", names=("mem", "dW")).terms == (
        "mem", "float32")
    assert judged("forward", "threshold", "factor", names=("spikes", "mem")).terms == (
        "threshold",)
    assert "wrong: W x[t] in (2) of lif" in judged("forward", "input", "sign").text
    for term, change, why in (
            ("surrogate", "late",
             "The surrogate that the adjoints imply does not depend on targets."),
            ("error", "late",
             "The error that the adjoints imply does not depend on the surrogate."),
            ("gain", "late", (
                "A loop in which dI reads dU one step late gives the same results.")),
            ("gain", "units reversed",
             "In an equation of lif, the residual is a linear map of one term."),
            ("surrogate", "factor", scaled)):
        assert f" dx. {why} The " in judged("backward", term, change).text
    for term, change, why in (
            ("threshold", "factor", "The spikes do not follow from the membranes."),
            ("input", "samples reversed",
             "The input that (2) implies does not depend on V.")):
        assert f" spikes. {why} The " in judged("forward", term, change).text
    text = judged("backward", "dV", "factor B").text
    assert "Variant \"" in text and ", dV: " in text
    assert "times 2, which equals B" in text
    text = diagnose(loop(("dx[t] = dI @ W", "dx[t] = dI @ W * (t > 6)"))).text
    assert ", last at step 6" in text


# ---- sizes of errors

def run_with(wrong, **errors):
    """Return a run whose outputs are 1, and differ from the right ones by `errors`."""
    found = {name: np.ones(3) + error * (np.arange(3) == 0)
             for name, error in errors.items()}
    return Run({}, {name: np.ones(3) for name in errors}, found, frozenset(wrong), {},
               True)


@pytest.mark.parametrize("ratio, even", [(999.5, True), (1000, False)])
def test_even_errors_differ_by_less_than_1000(ratio, even):
    first, last = 2.0 ** -10, ratio * 2.0 ** -10             # without rounding
    runs = [run_with(["mem"], mem=first), run_with(["mem", "loss", "dW"], mem=last,
                                                   loss=1e-9, dW=1e-9)]
    assert module._even(runs, True) is even
    runs = [run_with(["dW"], dW=first), run_with(["dW", "mem"], dW=last, mem=1e-9)]
    assert module._even(runs, False) is even


# ---- between calls

def test_faults_between_calls():
    kept = {}

    def buffered(p):
        found = RIGHT(p)
        row = kept.setdefault("dW", found["dW"].copy())
        row[:] = found["dW"]
        return found | {"dW": row}

    def counted(p):
        kept["calls"] = kept.get("calls", 0) + 1
        if kept["calls"] > 1:
            raise RuntimeError("graph was freed")
        return RIGHT(p)

    def accumulated(p):
        found = RIGHT(p)
        kept["sum"] = kept.get("sum", 0) + found["dV"]
        return found | {"dV": kept["sum"].copy()}

    def by_identity(key):
        def function(p):
            if kept.get(key, (0,))[0] is not p[key]:
                kept[key] = p[key], p[key].copy()
            return RIGHT(p | {key: kept[key][1]})
        return function

    def cached(key, function=RIGHT):
        store = {}
        return lambda p: function(p | {key: store.setdefault(p["x"].shape, p[key])})

    def trained(p):
        W = kept.setdefault("trained", p["W"].copy())
        found = RIGHT(p | {"W": W})
        W -= found["dW"]
        return found

    def random(p):
        return RIGHT(p | {"V": p["V"] + kept.setdefault(
            "rng", np.random.default_rng(1)).normal(0, 0.1, (3, 3))})

    def spoiled(p):
        p["target"] += 1
        return RIGHT(p | {"target": p["target"] - 1})

    cases = [
        (buffered, (), "overwrites the results"), (counted, (), "RuntimeError"),
        (accumulated, ("gradient",), "another dV, as if gradients accumulated"),
        (by_identity("W"), ("weights",), "if the values of the arrays W and V change"),
        (by_identity("V"), ("weights",), "if the values of the arrays W and V change"),
        (cached("W"), ("weights",), "for another W, as if"),
        (cached("V"), ("weights",), "for another V, as if"),
        (cached("x"), (), "for another x, as if"),
        (cached("target"), (), "for another target, as if"),
        (trained, ("weights",), "silent without input"),
        (random, (), "another dV, dW, dx and mem. The first results are wrong, too."),
        (spoiled, ("inputs",), "changes target in place"),
        (build("numpy", ("I, U = np.zeros((B, n)), np.zeros((B, n))\n    s",
                         "I, U = kept.setdefault(1, (np.zeros((B, n)), "
                         "np.zeros((B, n))))\n    s")), ("state",), "active without")]

    def stateful():
        return build("numpy", ("I, U = np.zeros((B, n)), np.zeros((B, n))\n    s", (
            "I, U = kept.setdefault(1, (np.zeros((B, n)), np.zeros((B, n))))\n    s")))

    for function, terms in ((stateful(), ("state",)), (trained, ("weights",))):
        kept.clear()
        told = diagnose(only(("loss", "dW", "dV"), function))
        assert told[:2] == ("between calls", terms)

    for name in ("spikes", "mem"):
        assert diagnose(only(("loss", name), stateful())).terms == ("state",)
    kept.clear()
    assert diagnose(counted).text == ("The second call with the same inputs fails: "
                                      "raises RuntimeError: graph was freed.")
    kept.clear()

    def scaled(p):                  # from the second call on
        kept["all"] = kept.get("all", 0) + 1
        return RIGHT(p) | {"dW": RIGHT(p)["dW"] * (1 + 0.5 * (kept["all"] > 1))}

    assert diagnose(scaled)[:3] == ("between calls", (), ("dW",))
    kept.clear()
    for function, terms, text in cases:
        told = diagnose(function)
        assert told[:2] == ("between calls", terms), function
        assert text in told.text
        if function is buffered:
            assert told.text == "A later call overwrites the results of an earlier one."
        assert bool(told.arrays) == (function not in (buffered, counted, spoiled))
    assert diagnose(cached("V", corrupted("forward", "reset", "sign")))[:2] == (
        "between calls", ("weights",))
    told = diagnose(accumulated)        # a second time: the first call is wrong, too
    assert told[:3] == ("between calls", ("gradient",), ("dV",))


# ---- faults that act rarely, and evidence that misleads

EARLY = "error[:len(x) // 3] = 0\n    psi = 1 /"
INHIBITION = "V = V - np.eye(len(W))\n    (T, B, m), n"


@pytest.mark.parametrize(("names", "side", "terms", "edits"), [
    # the last step is not computed: rarely wrong, but in the first call of a network
    (RULES["bptt"], "forward", {"spikes", "threshold"}, [(
        "spikes[t] = U > threshold", "spikes[t] = (U > threshold) * (t < T - 1)")]),
    # a recurrence that does not vanish if V = 0 is no reset
    (RULES["bptt"], "forward", {"recurrence"}, [("(T, B, m), n", INHIBITION)]),
    (RULES["bptt"], "forward", {"recurrence"}, [
        ("spikes[t] @ V.T", "spikes[t] @ V"), ("dI @ V -", "dI @ V.T -"),
        ("dV += dI.T @ spikes[t]", "dV += spikes[t].T @ dI")]),
    # the early spikes are 0, so that dV does not show wrong early adjoints
    (("loss", "dW", "dV"), "backward", {"error"}, [("psi = 1 /", EARLY)]),
    (RULES["bptt"], "backward", {"error"}, [("psi = 1 /", EARLY)]),
    # right in all networks that spike
    (RULES["bptt"], "backward", set(), [(
        "in reversed(range(T)):", "in reversed(range(T * bool(spikes.any()))):")]),
    # right if beta = 0 but for the gradient, so that beta is not to blame
    (("loss", "dW", "dV"), "forward", {"clamp"}, [(
        "        mem[t] = U\n", "        mem[t] = U = np.maximum(U, 0)\n")]),
    (RULES["bptt"], "forward", set(), [
        ("alpha * I", "alpha * np.maximum(I, 0)"), ("dW += dI.T", "dW += 2 * dI.T")]),
    # small errors in one variant, large ones in another: no rounding
    (RULES["bptt"], "backward", {"dW"}, [(
        '    return {"loss"', '    dW = dW + 1e-3 * W\n    return {"loss"')])])
def test_no_wrong_name(names, side, terms, edits):
    told = diagnose(only(names, build("numpy", *edits)))
    assert told.side == side and set(told.terms) <= terms, told
    assert told.arrays
    if not terms:
        assert " The wrong term is not known. " in told.text
    if terms == {"recurrence"}:
        assert told.terms == ("recurrence",)        # dV is wrong for V = 0, too


@pytest.mark.parametrize("edits", [
    # one of two inputs of a sample is lost
    [("    for t in range(T):\n", "    for t in range(T):\n        b, i = "
      "np.nonzero(x[t])\n        drive = np.zeros((B, n))\n        "
      "drive[b] += x[t][b, i, None] * W[:, i].T\n"), ("x[t] @ W.T", "drive")],
    [("x[t] @ W.T", "(x[t] > 0) @ W.T")],
    [("dW += dI.T @ x[t]", "b, i = np.nonzero(x[t])\n        dW[:, i] = dI[b].T")],
    [("dI, dU = alpha", "dI, dU = 0 * dI if t == T - 20 else alpha")]])
def test_faults_of_long_sequences_and_graded_inputs(edits):
    told = diagnose(build("numpy", *edits))
    assert told.side == ("forward" if "mem" in told.arrays else "backward")
    assert told.terms == () and "only in a longer sequence" in told.text


def test_a_function_that_fails_in_long_sequences():
    told = diagnose(lambda p: RIGHT(p) if len(p["x"]) < 13 else 1 / 0)
    assert told[:2] == ("unknown", ())
    assert "ZeroDivisionError: division by zero (a longer sequence" in told.text


@pytest.mark.parametrize("name", module.CONSTANTS)
def test_a_constant_that_is_not_read_is_reported(name):
    store = {}
    told = diagnose(lambda p: RIGHT(p | {name: store.setdefault(name, p[name])}))
    assert told[:2] == ("unknown", ())
    assert f"for another {name}, as if it were not read anew" in told.text


def test_inputs_may_be_replaced_or_locked():
    def function(p):
        found = RIGHT(p)
        for name in ("W", "V"):
            p[name].flags.writeable = False
            p[name] = tuple(map(tuple, p[name]))
        return found

    assert diagnose(function).side == "right"


# ---- unusable results and bad input

def test_an_unusable_result_is_described():
    def told(name, value):
        return diagnose(lambda p: RIGHT(p) | {name: value(p)})

    def shown(p):
        return {} if p["alpha"] else {"dx": np.full_like(p["x"], np.nan)}

    assert diagnose(lambda p: {"dV": np.nan * p["V"]})[:2] == ("unknown", ())
    assert told("dV", lambda p: np.nan * p["V"])[:] == (
        "backward", (), ("dV",), "dV is not finite.")
    assert told("mem", lambda p: p["mem"].T)[:] == (
        "forward", ("mem",), ("mem",), "mem is of shape (3, 2, 12): must be "
        "(12, 2, 3).")
    assert diagnose(lambda p: p["missing"])[:] == (
        "unknown", (), (), "The function raises KeyError: 'missing'.")
    assert diagnose(lambda p: exec("raise ValueError(\"One line.\")"))[3] == (
        "The function raises ValueError: One line.")
    late = diagnose(lambda p: RIGHT(p) | shown(p))
    assert late[:3] == ("backward", (), ("dx",))
    some = diagnose(only(("dW", "loss"), lambda p: RIGHT(p) | (
        {} if p["alpha"] else {"dW": 1 / 0 if not p["beta"] else p["W"]})))
    assert some.side == "unknown" and "ZeroDivisionError" in some.text
    told = diagnose(lambda p: only(("loss", "dW") if p["alpha"] else ("loss",))(p))
    assert told[:2] == ("unknown", ())
    assert told.text == ("The function returns other outputs in another call "
                         "(variant \"alpha = 0\").")


@pytest.mark.parametrize("rule, name, found", [
    ("lif_stack", "dW", ("backward", ("layer 1",), ("dW",))),
    ("lif_stack", "mem2", ("forward", ("layer 2",), ("mem2",))),
    ("lif_readout", "dW_out", ("backward", ("readout",), ("dW_out",))),
    ("bptt_adaptive", "loss", ("forward", (), ("loss",))),
    ("tbptt_chunks", "dV", ("backward", (), ("dV",))),
    ("eprop", "", ("right", (), ()))])
def test_errors_of_other_networks_are_located(rule, name, found):
    def function(p):
        outputs = ANSWERS[rule](p)
        return outputs | ({name: 3 * outputs[name]} if name else {})

    told = diagnose(function, rule)
    assert told[:3] == found
    assert "times 3" in told.text or name in told.text


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="^function is 3: must be callable"):
        diagnose(3)
    for rule in ("surrogates", None, 3):
        with pytest.raises(ValueError, match=f"^rule is {rule!r}: must be one of"):
            diagnose(RIGHT, rule)
    with pytest.raises(ValueError, match="^function returns 3.*must be a dict with"):
        diagnose(lambda p: 3)
    with pytest.raises(ValueError, match=(
            r"^function returns \['dV', 'dW', 'dx', .*some of \('loss', 'spikes'")):
        diagnose(RIGHT, "rtrl")


@pytest.mark.parametrize("shared", [np.mean, np.sum])
def test_an_influence_shared_by_the_batch_is_no_wrong_gain(shared):
    def rtrl(p):
        x, W, V = p["x"], p["W"], p["V"]
        (T, B, m), n = x.shape, len(W)
        syn = mem = np.zeros((B, n))
        by_syn = by_mem = np.zeros((B, n, n, m + n))
        loss, d, rows = 0, 0, []
        for t in range(T):
            spikes, v = (mem > p["threshold"]) * 1.0, mem - p["threshold"]
            by_spikes = surrogates.fast_sigmoid(v, p["steepness"])[1][
                :, :, None, None] * by_mem
            error = (spikes - p["target"][t]) / B
            loss += B * (error ** 2).sum() / 2
            d = d + np.einsum("bi,bijk->jk", error, by_spikes)
            direct = np.einsum("ij,bk->bijk", np.eye(n), np.concatenate(
                [x[t], spikes], axis=1))
            by_syn, by_mem = (
                p["alpha"] * by_syn + direct + np.einsum("il,bljk->bijk", V, by_spikes),
                p["beta"] * by_mem + p["gain"] * by_syn - p["threshold"] * by_spikes)
            if shared is not None:
                by_syn, by_mem = (np.broadcast_to(shared(M, axis=0), M.shape)
                                  for M in (by_syn, by_mem))
            rows.append((spikes, mem))
            syn, mem = (p["alpha"] * syn + x[t] @ W.T + spikes @ V.T,
                        p["beta"] * mem + p["gain"] * syn - p["threshold"] * spikes)
        spikes, mem = map(np.array, zip(*rows, strict=True))
        return {"loss": loss, "spikes": spikes, "mem": mem, "dW": d[:, :m],
                "dV": d[:, m:]}

    told = diagnose(rtrl, "rtrl")
    assert told[:2] == ("backward", ())
    assert "The wrong term is not known. All results are right with one sample." \
        in told.text
    shared = None
    assert diagnose(rtrl, "rtrl").side == "right"
