"""Golden vectors detect wrong results, and each known mistake is named."""

import doctest

import numpy as np
import pytest

from refsnn import bptt, conventions, lif, losses, rtrl, sparse_rtrl, surrogates
from refsnn.oracle import check
from refsnn.oracle.check import _alive, _comparable, _flaw, _judge, _same, _unseen
from refsnn.oracle.vector import Mutant, Vector

VECTORS = check.vectors()
MUTANTS = [(name, k) for name, v in VECTORS.items() for k in range(len(v.mutants))]


def results(name, changed=()):
    vector = VECTORS[name]
    return {f"{name}.{key}": value for key, value in
            (vector.outputs | dict(changed)).items()}


def texts(findings, status="wrong"):
    return [finding.text for finding in findings if finding.status == status]


@pytest.mark.parametrize("name", VECTORS)
def test_every_vector_is_alive_and_the_same_again(name):
    vector, again = VECTORS[name], check.vectors([name])[name]
    assert vector.name == name and _alive(vector) is vector
    assert all(np.array_equal(again.outputs[key], value)
               for key, value in vector.outputs.items())


@pytest.mark.parametrize("name", VECTORS)
def test_the_right_answer_passes(name):
    findings = check.check(results(name))
    assert [f.status for f in findings] == ["right"] * len(VECTORS[name].outputs)
    assert check.check(results(name), VECTORS) == findings


@pytest.mark.parametrize("name, k", MUTANTS,
                         ids=[f"{n}-{VECTORS[n].mutants[k].name}" for n, k in MUTANTS])
def test_each_mutant_is_caught_and_named(name, k):
    mutant = VECTORS[name].mutants[k]
    bad = [f for f in check.check(results(name, mutant.outputs), VECTORS)
           if f.status != "right"]
    assert bad and {f.output for f in bad} <= set(mutant.outputs)
    words = f"equals mutant: {mutant.name}" + (
        f" (seen in {mutant.seen})" if mutant.seen else "")
    assert all(f.text.endswith(words) for f in bad), [f.text for f in bad]


@pytest.mark.parametrize("name, k", MUTANTS)
def test_each_mutant_is_named_in_float32_too(name, k):
    mutant, vector = VECTORS[name].mutants[k], VECTORS[name]
    single = {key: np.asarray(value, np.float32) for key, value in
              (vector.outputs | mutant.outputs).items()}
    bad = [f for f in check.check(results(name, single), VECTORS)
           if f.status != "right"]
    assert bad and all(mutant.name in f.text for f in bad), [f.text for f in bad]


def test_there_are_enough():
    assert len(VECTORS) == 51 and len(MUTANTS) > 380
    assert all(len(v.mutants) >= 5 for v in VECTORS.values())
    places = {mutant.seen for v in VECTORS.values() for mutant in v.mutants}
    assert {"jeshraghian/snntorch#364", "norse/norse#302", "VITA-Group/TENAS#11",
            "ContinualAI/continual-learning-baselines#74", "neuromorphs/tonic#321",
            "fzenke/spytorch#2"} <= places
    for vector in VECTORS.values():
        names = [mutant.name for mutant in vector.mutants]
        assert len(set(names)) == len(names)


WELL_KNOWN = (      # vector, what is wrong, where it was seen
    ("bptt", "reset detached", "norse lif_step, fzenke/spytorch#3"),
    ("bptt_detached", "reset not detached",
     "norse lif_feed_forward_step, fzenke/spytorch#3"),
    ("lif_forward", "reset one step late", "jeshraghian/snntorch#364"),
    ("lif_forward", "missing factor: current enters the membrane without 1 - beta",
     "fangwei123456/spikingjelly#132"),
    ("bptt", "missing factor: current enters without 1 - beta",
     "fangwei123456/spikingjelly#132"),
    ("lif_forward", "input one step early", "norse/norse#325"),
    ("lif_forward", "spikes shown one step early", "fzenke/spytorch#10"),
    ("lif_forward", "decays are 1 - dt/tau, not exp(-dt/tau)", "norse/norse#302"),
    ("lif_forward_dyadic", "a tie is a spike: >=, not >", "lava-nc/lava#151"),
    ("bptt", "transposed V", ""), ("rtrl", "transposed V", ""),
    ("rtrl", "truncation after K=1 sold as RTRL", "snntorch 1.0.0, RTRL"),
    ("bptt", "surrogate times its steepness (SuperSpike's own code)",
     "fzenke/spytorch#2"),
    ("surrogates", "surrogate without +1", ""),
    ("si_paper", "regularised gradient", "GMvandeVen/continual-learning#14"),
    ("si_paper", "aliasing: kept weights are a view of the live ones",
     "ContinualAI/continual-learning-baselines#74"),
    ("ntk_full", "kernel of the sum of all logits", "VITA-Group/TENAS#11"),
    ("ntk_full", "trace over outputs, averaged", "google/neural-tangents#7"),
    ("ntt_at_masked", "kernel of kind through_mask",
     "fmi-basel/neural-tangent-transfer#3"),
    ("binning", "float16 times", "neuromorphs/tonic#321"),
    ("binning", "float16 times, divided in float16", "neuromorphs/tonic#321"),
    ("binning", "dt not equal to the bin: half of it", "SpyTorch tutorial 4"),
    ("binning", "dt not equal to the bin: twice it", ""))


@pytest.mark.parametrize("name, words, seen", WELL_KNOWN)
def test_the_well_known_mistakes_are_caught_by_name(name, words, seen):
    mutant = next(m for m in VECTORS[name].mutants if m.name == words)
    told = [f for f in check.check(results(name, mutant.outputs), VECTORS)
            if f.status != "right"]
    where = f" (seen in {seen})" if seen else ""
    assert told and all(f"equals mutant: {words}{where}" in f.text for f in told)


@pytest.mark.parametrize("name", ["lif_forward", "lif_forward_dyadic"])
def test_a_membrane_that_reads_the_new_current_is_named(name):
    p = VECTORS[name].inputs
    syn, mem = np.zeros((2, *p["x"].shape[1:2], len(p["W"])))
    rows = []
    for x in p["x"]:
        spikes = (mem > p["threshold"]).astype(float)
        rows.append((syn, mem, spikes))
        syn = p["alpha"] * syn + x @ p["W"].T + spikes @ p["V"].T
        mem = p["beta"] * mem + p["gain"] * syn - p["threshold"] * spikes
    told = texts(check.check({f"{name}.{key}": a for key, a in zip(
        ("syn", "mem", "spikes"), map(np.array, zip(*rows, strict=True)),
        strict=True)}))
    assert told and all("new current read in the step of its update" in text
                        for text in told)


def test_the_reset_one_step_late_is_named_with_its_issue():
    late = next(m for m in VECTORS["lif_forward"].mutants if "reset one" in m.name)
    assert texts(check.check(results("lif_forward", late.outputs)))[0].endswith(
        "equals mutant: reset one step late (seen in jeshraghian/snntorch#364)")


@pytest.mark.parametrize("change, words", [
    (lambda a: a.T, "equals the right output transposed"),
    (lambda a: 5 * a, "equals the right output times 5"),
    (lambda a: -a, "equals the right output times -1"),
    (lambda a: a + 1e-6 * np.abs(a).max(), "9 of 9 entries differ, first at (0, 0)"),
    (lambda a: a[:2], "is of shape (2, 3): must be (3, 3)"),
    (lambda a: a.astype(np.float16), "is of dtype float16: must be float32 or"),
    (lambda a: a + 0j, "is of dtype complex128"),
    (lambda a: a * np.where(np.eye(3) > 0, np.nan, 1), "is nan at (0, 0): must be")])
def test_what_else_may_be_wrong(change, words):
    wrong = change(VECTORS["bptt"].outputs["dV"].copy())
    found = check.check({"bptt.dV": wrong})
    assert [f.status for f in found if f.output == "dV"] == ["wrong"]
    assert words in texts(found)[0] and "mutant" not in texts(found)[0]


@pytest.mark.parametrize("change, words", [
    (lambda a: np.roll(a, -1, axis=0) * (np.arange(40) < 39)[:, None, None],
     "one step early"),
    (lambda a: a[::-1], "time reversed"),
    (lambda a: a.swapaxes(0, 1), "batch before time"),
    (lambda a: np.roll(a, 1, axis=0) * (np.arange(40) > 0)[:, None, None],
     "one step late"), (lambda a: a.T, "axes reversed")])
def test_recordings_out_of_step(change, words):
    wrong = change(VECTORS["bptt"].outputs["dx"].copy())
    assert texts(check.check({"bptt.dx": wrong}))[0].endswith(
        f"equals the right output {words}")


def test_tolerances_are_kept():
    dW = VECTORS["bptt"].outputs["dW"]
    for dtype, small, large in ((np.float64, 9e-10, 1.1e-9),
                                (np.float32, 9e-5, 1.2e-4)):
        for size, status in ((small, "right"), (large, "wrong")):
            near = dW + size * np.abs(dW).max() * (np.arange(12).reshape(3, 4) == 5)
            found = check.check({"bptt.dW": near.astype(dtype)})
            assert [f.status for f in found if f.output == "dW"] == [status]
    exact = VECTORS["bptt_dyadic"].outputs["dW"]
    near = {"bptt_dyadic.dW": np.nextafter(exact, 9)}
    assert texts(check.check(near))
    loss = {"bptt.loss": np.array([VECTORS["bptt"].outputs["loss"]])}
    assert check.check(loss)[0].status == "right"


def test_one_spike_more_is_wrong():
    spikes = VECTORS["lif_forward"].outputs["spikes"].copy()
    spikes[7, 1, 2] = 1 - spikes[7, 1, 2]
    told = texts(check.check({"lif_forward.spikes": spikes}))[0]
    assert "1 of 360 entries differ, first at (7, 1, 2)" in told and "nearest" in told


def test_what_is_not_given_is_said():
    found = check.check({"bptt.dV": VECTORS["bptt"].outputs["dV"]})
    assert [(f.output, f.status) for f in found] == [
        ("loss", "missing"), ("spikes", "missing"), ("mem", "missing"),
        ("dW", "missing"), ("dx", "missing"), ("dV", "right")]


# ---- no vacuous pass

@pytest.mark.parametrize("change, words", [
    ({"inputs": {"spikes": np.zeros((4, 1, 1))}}, "silent: spikes are 0"),
    ({"inputs": {"spikes": np.ones((4, 1, 1))}}, "never silent: spikes are 1"),
    ({"outputs": {"loss": 1.0, "spikes2": np.zeros(4)}}, "silent: spikes2 are 0"),
    ({"outputs": {"loss": 1.0, "dW": np.zeros((3, 4))}}, "dead: dW is 0 throughout"),
    ({"mutants": [Mutant("knob", "", {})]},
     r"blind: mutants \['knob'\] change nothing")])
def test_vacuous_vectors_are_refused(change, words):
    vector = VECTORS["bptt"]._replace(**change)
    with pytest.raises(ValueError, match=f"vector bptt is {words}"):
        check.check({"bptt.loss": 1.0}, {"bptt": vector})


def test_a_mutant_that_changes_nothing_is_refused():
    vector = VECTORS["bptt"]
    same = vector.mutants[0]._replace(outputs={"dW": vector.outputs["dW"]})
    with pytest.raises(ValueError, match="blind"):
        check.check(results("bptt"), {"bptt": vector._replace(mutants=[same])})


def test_zeros_are_vacuous_not_merely_wrong():
    found = check.check({"bptt.dV": np.zeros((3, 3))})[-1]
    assert found.status == "vacuous" and "0 throughout" in found.text
    aliased = {f"si_paper.{name}": 0 * value for name, value in
               VECTORS["si_paper"].outputs.items()}
    assert all("aliasing" in text and "continual-learning-baselines#74" in text
               for text in texts(check.check(aliased), "vacuous"))


@pytest.mark.parametrize("one, other, knob, seen", check.KNOBS)
def test_a_knob_that_changes_nothing_is_told(one, other, knob, seen):
    a, b = VECTORS[one], VECTORS[other]
    assert all(np.array_equal(a.inputs[key], b.inputs[key])
               for key in set(a.inputs) & set(b.inputs))
    mine = results(one) | {key.replace(one, other): value
                           for key, value in results(one).items()}
    told = texts(check.check(mine), "vacuous")
    assert told and all(f"{knob} changes nothing (seen in {seen})" in text
                        and f"equals your {one}." in text for text in told)
    near = {key: value * (1 + 1e-12) if key.startswith(other) else value
            for key, value in mine.items()}
    if not (a.exact or b.exact):        # a change by rounding is none
        assert len(texts(check.check(near), "vacuous")) == len(told)
    assert not texts(check.check(results(one) | results(other)), "vacuous")


@pytest.mark.parametrize("given, words", [
    ({}, "results is {}"), ([], "results is"), (None, "results is None"),
    ({"bptt.dw": 1.0}, r"'bptt.dw': must be VECTOR.OUTPUT, outputs are \['dV'"),
    ({"bptt": 1.0}, "results hold 'bptt'"), ({"other.dW": 1.0}, "vectors are")])
def test_results_that_are_none(given, words):
    with pytest.raises(ValueError, match=words):
        check.check(given)


def test_unknown_vectors_are_refused():
    with pytest.raises(ValueError, match="'other' is not a vector"):
        check.vectors(["bptt", "other"])
    assert list(check.vectors(["bptt"])) == ["bptt"]


# ---- the function of somebody else

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
    dW, dV = rtrl.lif_gradient(p["x"], p["V"], tuple(run), psi, d, **constants)
    return {"dW": dW, "dV": dV}


def block(p):
    run, psi, d, constants = layer(p)
    g = sparse_rtrl.gradient(p["x"], p["V"], tuple(run), psi, d, rung="block",
                             **constants)
    return {"dW": g.dW, "dV": g.dV}


@pytest.mark.parametrize("rule, function", [
    ("bptt", backward), ("bptt", by_arrays), ("rtrl", forward_in_time),
    ("rtrl", backward), ("bptt", forward_in_time), ("rtrl_block", block),
    ("bptt_detached", lambda p: backward(p, through_reset=False))])
def test_right_functions_pass(rule, function):
    def chosen(p):
        known = VECTORS[rule].outputs
        return {key: value for key, value in function(p).items() if key in known}

    assert check.check_gradient(rule, chosen) > 20


@pytest.mark.parametrize("rule, function, name", [
    ("bptt", lambda p: backward(p, through_reset=False), "reset detached"),
    ("bptt_detached", backward, "reset not detached"),
    ("bptt", lambda p: backward(p, through_recurrence=False), "recurrent path cut"),
    ("rtrl", block, "block-diagonal RTRL, not exact RTRL"),
    ("rtrl_block", forward_in_time, "exact RTRL, not block-diagonal RTRL")])
def test_wrong_functions_are_shrunk_and_named(rule, function, name):
    def chosen(p):
        known = VECTORS[rule].outputs
        return {key: value for key, value in function(p).items() if key in known}

    with pytest.raises(AssertionError, match="smallest network") as error:
        check.check_gradient(rule, chosen)
    told = str(error.value)
    small = 2 if "V" in name or "block" in name else 1
    assert name in told and f"B=1, m=1, n={small}, " in told and "W = [[" in told
    for T in range(4, int(told.partition(" T=")[2].partition(",")[0])):
        for seed in range(5):               # fewer steps do not show it
            vector = check._network(rule, small, 1, 1, T, seed)
            assert _flaw(vector) or not check._fault(vector, chosen)


def test_only_live_networks_are_judged():
    def picky(p):
        found = backward(p)
        assert 0 < p["spikes"].mean() < 1 and all(map(np.any, found.values()))
        return found

    assert check.check_gradient("bptt", picky) > 20


def test_dyadic_rules_are_compared_by_tolerance_when_drawn():
    def rounded(p):
        run, _, d, constants = layer(p | {"V": None})
        psi = surrogates.triangle(run.mem - p["threshold"], p["steepness"])[1]
        g = lif.backward(p["x"], p["W"], None, run, psi, d, **constants)
        return {"dW": g.dW * (1 + 1e-12)}

    assert check.check_gradient("bptt_dyadic", rounded) > 20


def test_the_complaints_of_a_function_are_its_own():
    def complain(p):
        raise AssertionError("mine")

    with pytest.raises(AssertionError, match="^mine"):
        check.check_gradient("bptt", complain)


def test_any_failure_is_shrunk_to_four_steps():
    with pytest.raises(AssertionError, match="network, T=4, B=1, m=1, n=1, seed="):
        check.check_gradient("feedback", lambda p: {
            "direct": 2 * p["error"] @ p["H"]})


def test_a_failure_of_some_seeds_only_is_shrunk_too():
    first = check._network("feedback", 1, 1, 1, 20, 0).inputs["H"]
    assert first[0, 0] > 0
    with pytest.raises(AssertionError, match="T=4, B=1, m=1, n=1, seed=[1-4]: direct"):
        check.check_gradient("feedback", lambda p: {
            "direct": (1 + (p["H"][0, 0] < 0)) * p["error"] @ p["H"]})


def test_a_failure_that_only_large_networks_show_is_shrunk_to_the_least_of_them():
    def large(p):
        found = backward(p)
        return found if p["x"].shape[1:] != (2, 3) else {"dW": 2 * found["dW"]}

    with pytest.raises(AssertionError, match="T=., B=2, m=3, n=1, seed=. *"):
        check.check_gradient("bptt", large)


def test_a_function_may_spoil_its_inputs():
    def selfish(p):
        found = backward(p)
        for value in p.values():
            if np.ndim(value):
                value[...] = 0
        return found

    assert check.check_gradient("bptt", selfish) > 20


@pytest.mark.parametrize("function", [
    lambda p: {}, lambda p: None, lambda p: {"dw": p["W"]}])
def test_functions_that_return_nothing_to_judge(function):
    with pytest.raises(ValueError, match="results"):
        check.check_gradient("bptt", function)


def test_too_few_networks_are_no_proof():
    with pytest.raises(ValueError, match="live networks do not show"):
        check.check_gradient("bptt", backward, 1)
    for examples in (0, 1.5, True):
        with pytest.raises(ValueError, match="examples is"):
            check.check_gradient("bptt", backward, examples)
    with pytest.raises(ValueError, match="rule is 'ntk_full'"):
        check.check_gradient("ntk_full", backward)


# ---- one vector

RIGHT = np.array([[1.0, 2.0], [3.0, -4.0]])


def toy(mutants=(), exact=False, name="dW"):
    return Vector("toy", "", {}, {name: RIGHT}, list(mutants), exact)


def test_tolerance_is_that_of_the_largest_entry():
    assert _same(RIGHT + 3.9e-9, RIGHT, False)
    assert not _same(RIGHT + 4.1e-9, RIGHT, False)
    assert _same(RIGHT + 0.3, RIGHT, False, 0.1)
    assert not _same(RIGHT + 0.5, RIGHT, False, 0.1)
    assert not _same(RIGHT + 1e-15, RIGHT, True) and _same(RIGHT.copy(), RIGHT, True)
    assert not _same(RIGHT[None], RIGHT, False)
    assert not _same(RIGHT + np.nan, RIGHT, False)
    assert _same(0.0, 0.0, False) and not _same(1e-300, 0.0, False)


def test_flaws():
    spikes = np.array([0.0, 1.0])
    for inputs, outputs, words in (
            ({}, {"spikes": 0 * spikes}, "silent"),
            ({"spikes": 0 * spikes}, {}, "silent"),
            ({"spikes": spikes * 0 + 1}, {"dW": RIGHT}, "never silent"),
            ({"spikes": spikes}, {"dW": RIGHT, "dV": 0 * RIGHT}, "dead: dV"),
            ({"spikes": spikes}, {"dW": RIGHT}, "")):
        told = _flaw(Vector("toy", "", inputs, outputs, [], False))
        assert told.startswith(words) and bool(told) == bool(words)


def test_mutants_must_be_told_in_float32():
    near = Mutant("near", "", {"dW": RIGHT + 3e-4})
    far = Mutant("far", "", {"dW": RIGHT + 5e-4})
    assert _unseen(toy([near, far])) == ["near"]
    assert _unseen(toy([near, far], exact=True)) == []
    assert _unseen(toy([Mutant("one more", "", {"spikes": RIGHT + 1e-9})],
                       name="spikes")) == []
    assert _alive(toy([far])).mutants == [far]
    with pytest.raises(ValueError, match=r"toy is blind: mutants \['near'\] change"):
        _alive(toy([far, near]))


@pytest.mark.parametrize("value, rtol", [
    (RIGHT, 1e-9), (RIGHT.astype(np.float32), 1e-4),
    (RIGHT.astype(np.longdouble), 1e-9), (RIGHT.astype(int), 1e-9), (RIGHT > 0, 1e-9),
    (3, 1e-9)])
def test_what_is_compared(value, rtol):
    found, tolerance = _comparable(value)
    assert found.dtype == np.float64 and tolerance == rtol
    assert (found == np.asarray(value)).all()


@pytest.mark.parametrize("value, words", [
    (RIGHT.astype(np.float16), "float16: must be float32"), ("text", "dtype <U4"),
    (RIGHT * 1j, "complex128"), (None, "object"),
    ([1, np.inf], "is inf at (1,): must be finite")])
def test_what_is_not(value, words):
    found, why = _comparable(value)
    assert found is None and words in why


@pytest.mark.parametrize("wrong, words", [
    (RIGHT.T, "equals the right output transposed"),
    (-RIGHT, "the right output times -1"),
    (2 * RIGHT, "equals mutant: doubled (seen in a#1)"),
    (RIGHT[:1], "is of shape (1, 2): must be (2, 2)"),
    (RIGHT + np.eye(2), "2 of 4 entries differ, first at (0, 0), most at (0, 0): yours "
                        "2, right 1"),
    (RIGHT + [[0, 0], [1, 2]], "2 of 4 entries differ, first at (1, 0), most at "
                               "(1, 1): yours -2, right -4")])
def test_what_is_wrong_is_said(wrong, words):
    doubled = Mutant("doubled", "a#1", {"dW": 2 * RIGHT})
    found = _judge(toy([doubled]), {"dW": wrong})
    assert [f.status for f in found] == ["wrong"] and words in found[0].text
    assert ("mutant" in found[0].text) == ("mutant" in words)


def test_two_outputs_tell_which_mutant_it_is():
    one = Mutant("one", "", {"a": 2 * RIGHT, "b": 3 * RIGHT})
    two = Mutant("two", "", {"a": 2 * RIGHT})
    toy = Vector("toy", "", {}, {"a": RIGHT, "b": RIGHT}, [one, two], False)
    assert _judge(toy, {"a": 2 * RIGHT})[0].text.endswith("equals mutant: one, or: two")
    both = _judge(toy, {"a": 2 * RIGHT, "b": 3 * RIGHT})
    assert all(f.text.endswith("equals mutant: one") for f in both)
    mixed = _judge(toy, {"a": 2 * RIGHT, "b": RIGHT})
    assert mixed[0].text.endswith("equals mutant: two") and mixed[1].status == "right"


def test_toy_recordings_out_of_step():
    right = np.arange(24.0).reshape(4, 2, 3) + 1
    toy = Vector("toy", "", {}, {"mem": right}, [], False)
    late, early = np.zeros((2, 4, 2, 3))
    late[1:], early[:-1] = right[:-1], right[1:]
    for wrong, words in ((late, "one step late"), (early, "one step early"),
                         (right[::-1], "time reversed"), (right.T, "axes reversed"),
                         (right.swapaxes(0, 1), "batch before time")):
        told = _judge(toy, {"mem": wrong})[0].text
        assert told.endswith(f"equals the right output {words}")


def test_axes_in_any_order_are_named():
    right = np.arange(120.0).reshape(2, 3, 4, 5) + 1
    toy = Vector("toy", "", {}, {"kernel": right}, [], False)
    for wrong, words in ((right.transpose(0, 2, 1, 3), "with its axes in the order "
                          "(0, 2, 1, 3)"), (right.ravel(), "flattened")):
        told = _judge(toy, {"kernel": wrong})[0]
        assert told.status == "wrong"
        assert told.text.endswith(f"equals the right output {words}")


def test_a_single_number_is_no_multiple_but_of_whole_numbers():
    toy = Vector("toy", "", {}, {"loss": np.float64(6)}, [], False)
    for wrong, words in ((-6.0, "times -1"), (18.0, "times 3"), (2.0, "times 0.333333"),
                         (7.5, "")):
        told = _judge(toy, {"loss": wrong})[0].text
        assert told.endswith(f"equals the right output {words}" if words else "right 6")


def test_exact_vectors_and_counts_are_compared_bit_by_bit():
    near = np.nextafter(RIGHT, 9)
    for vector, status in ((toy(), "right"), (toy(exact=True), "wrong"),
                           (toy(name="spikes"), "wrong")):
        assert _judge(vector, {next(iter(vector.outputs)): near})[0].status == status


def test_zeros_and_absence():
    found = _judge(toy(), {"dW": 0 * RIGHT})[0]
    assert found.status == "vacuous" and "0 throughout" in found.text
    assert _judge(toy(), {})[0].status == "missing"
    none = _judge(toy(), {"dW": np.zeros((0, 2))})[0]
    assert none.status == "wrong" and "of shape (0, 2): must be (2, 2)" in none.text
    assert _judge(toy(), {"dW": None})[0].status == "wrong"


# ---- conventions of another tool

def test_a_forward_pass_of_another_tool_is_named():
    p, step = VECTORS["lif_forward"].inputs, conventions.PRESETS["norse"]
    rows = conventions.recorded(step, conventions.simulate(
        step, p["x"], p["W"], p["V"], tau_syn=p["tau_syn"], tau_mem=p["tau_mem"],
        dt=p["dt"], threshold=p["threshold"]))
    results = {f"lif_forward.{key}": value for key, value in rows.items()}
    assert "as norse" in " ".join(texts(check.check(results)))


def test_arrays_that_cannot_be_identified_are_left_out():
    right = VECTORS["lif_forward"].outputs
    spikes = right["spikes"].copy()
    spikes[7, 1, 2] = 1 - spikes[7, 1, 2]
    wrong = {"lif_forward.spikes": spikes}
    assert "nearest: as " in texts(check.check(wrong))[0]
    for bad, status in ((right["syn"] + np.inf, "wrong"), (0 * right["syn"], "vacuous"),
                        (right["syn"][1:], "wrong")):
        found = check.check(wrong | {"lif_forward.syn": bad})
        assert [f.status for f in found] == ["wrong", "missing", status]
        assert sum("nearest: as " in f.text for f in found) == 1
    alone = check.check({"lif_forward.mem": right["mem"] * np.nan})
    assert "nearest" not in texts(alone)[0] and "must be finite" in texts(alone)[0]


def test_examples():
    failed, tried = doctest.testmod(check)
    assert failed == 0 < tried
