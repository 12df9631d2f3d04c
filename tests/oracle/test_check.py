"""Golden vectors detect wrong results, and each known mistake is named."""

import doctest

import numpy as np
import pytest
from answers import ANSWERS, si_path

from refsnn import conventions
from refsnn.oracle import check, matching
from refsnn.oracle.build import registry
from refsnn.oracle.build.vector import Mutant, Vector
from refsnn.oracle.check import _judged

VECTORS = check.vectors()
MUTANTS = [(name, k) for name, v in VECTORS.items() for k in range(len(v.mutants))]


def results(name, changed=()):
    vector = VECTORS[name]
    return {f"{name}.{key}": value for key, value in
            (vector.outputs | dict(changed)).items()}


def fault(findings):
    """Return the text of the only summary among some findings."""
    text, = texts(findings, "fault")
    return text


def texts(findings, status="wrong"):
    return [finding.text for finding in findings if finding.status == status]


@pytest.mark.parametrize("name", VECTORS)
def test_every_vector_is_alive_and_the_same_again(name):
    vector, again = VECTORS[name], check.vectors([name])[name]
    assert vector.name == name and matching._alive(vector) is vector
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
    told = check.check(results(name, mutant.outputs), VECTORS)
    bad = {f.output for f in told if f.status in ("wrong", "vacuous")}
    assert bad and bad <= set(mutant.outputs)
    words = f"equals known mistake: {mutant.name}" + (
        f" (seen in {mutant.seen})" if mutant.seen else "")
    assert fault(told).endswith(words)
    assert not any("known mistake" in f.text for f in told if f.output)


@pytest.mark.parametrize("name, k", MUTANTS)
def test_each_mutant_is_named_in_float32_too(name, k):
    mutant, vector = VECTORS[name].mutants[k], VECTORS[name]
    single = {key: np.asarray(value, np.float32) for key, value in
              (vector.outputs | mutant.outputs).items()}
    assert f": {mutant.name}" in fault(check.check(results(name, single), VECTORS))


def test_there_are_enough():
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
    ("rtrl", "truncated after K=1, not RTRL", "snntorch 1.0.0, RTRL"),
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
    where = f" (seen in {seen})" if seen else ""
    told = fault(check.check(results(name, mutant.outputs), VECTORS))
    assert f"equals known mistake: {words}{where}" in told


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
    told = fault(check.check({f"{name}.{key}": a for key, a in zip(
        ("syn", "mem", "spikes"), map(np.array, zip(*rows, strict=True)),
        strict=True)}))
    assert "equals known mistake: new current read in the step of its update" in told


def test_the_reset_one_step_late_is_named_with_its_issue():
    late = next(m for m in VECTORS["lif_forward"].mutants if "reset one" in m.name)
    assert fault(check.check(results("lif_forward", late.outputs))).endswith(
        "equals known mistake: reset one step late (seen in jeshraghian/snntorch#364)")


@pytest.mark.parametrize("change, words", [
    (lambda a: a.T, "equals the right output transposed"),
    (lambda a: 5 * a, "equals the right output times 5"),
    (lambda a: -a, "equals the right output times -1"),
    (lambda a: a + 1e-6 * np.abs(a).max(), "9 of 9 entries differ by more than 1e-09 "
     "of the largest; most at ("),
    (lambda a: a[:2], "is of shape (2, 3): must be (3, 3)"),
    (lambda a: a.astype(np.float16), "is of dtype float16: must be float32 or"),
    (lambda a: a + 0j, "is of dtype complex128"),
    (lambda a: [[1.0], [1.0, 2.0]], "is not an array: setting an array element"),
    (lambda a: a * np.where(np.eye(3) > 0, np.nan, 1), "is nan at (0, 0): must be")])
def test_what_else_may_be_wrong(change, words):
    wrong = change(VECTORS["bptt"].outputs["dV"].copy())
    found = check.check({"bptt.dV": wrong})
    assert [f.status for f in found if f.output == "dV"] == ["wrong"]
    assert words in texts(found)[0] and "known mistake" not in fault(found)


def test_a_wrong_layout_is_no_wrong_pass():
    right = VECTORS["bptt"].outputs
    spikes, dW = right["spikes"].swapaxes(0, 1), right["dW"].ravel()
    for given, told in (({"spikes": spikes}, "layout: spikes"),
                        ({"dW": dW, "spikes": spikes}, "layout: spikes, dW"),
                        ({"dx": right["dx"].transpose(1, 2, 0)}, "layout: dx"),
                        ({"dx": right["dx"].swapaxes(0, 1).ravel()}, "layout: dx"),
                        ({"dW": 2 * dW, "spikes": spikes}, "forward pass: spikes, dW"),
                        ({"spikes": 2 * spikes}, "forward pass: spikes")):
        found = check.check({f"bptt.{name}": value for name, value in given.items()})
        assert fault(found).startswith(told)


@pytest.mark.parametrize("change, words", [
    (lambda a: np.roll(a, -1, axis=0) * (np.arange(40) < 39)[:, None, None],
     "one step early"),
    (lambda a: a[::-1], "time reversed"),
    (lambda a: a.swapaxes(0, 1), "batch before time"),
    (lambda a: np.roll(a, 1, axis=0) * (np.arange(40) > 0)[:, None, None],
     "one step late"), (lambda a: a.T, "with its axes reversed")])
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
    assert "1 of 360 entries differ, first at step 7, only where sample = 1 and " \
        "neuron = 2; most at (7, 1, 2): yours " in told


def test_what_is_not_given_is_said():
    found = check.check({"bptt.dV": VECTORS["bptt"].outputs["dV"]})
    assert [(f.output, f.status) for f in found] == [
        ("loss", "missing"), ("spikes", "missing"), ("mem", "missing"),
        ("dW", "missing"), ("dx", "missing"), ("dV", "right")]


# ---- where

RIGHTS = VECTORS["bptt"].outputs


@pytest.mark.parametrize("given, words", [
    ({"dW": 3 * RIGHTS["dW"]},
     "backward pass: dW (right: loss, spikes, mem, dx, dV)"),
    ({"dW": 3 * RIGHTS["dW"], "mem": 2 * RIGHTS["mem"]},
     "forward pass: mem, dW (right: loss, spikes, dx, dV)"),
    ({"loss": 3.0}, "loss: loss (right: spikes, mem, dW, dx, dV)"),
    ({"loss": 3.0, "dx": RIGHTS["dx"] + 1}, "loss: loss, dx (right: "),
    ({"dV": RIGHTS["dV"] * 0}, "backward pass: dV (right: "),
    ({"dV": RIGHTS["dV"] * np.nan}, "backward pass: dV (right: ")])
def test_forward_and_backward_faults_part(given, words):
    assert fault(check.check(results("bptt", given))).startswith(words)


def test_an_explained_shift_is_not_contradicted():
    for mem in (np.roll(RIGHTS["mem"], 1, 0), np.roll(RIGHTS["mem"], -1, 0)):
        found = check.check({"bptt.mem": mem})
        assert "equals the right output one step " in texts(found)[0]
        assert fault(found) == "forward pass: mem"
    found = check.check({"bptt.mem": mem, "bptt.spikes": 1 - RIGHTS["spikes"]})
    assert "; no convention fits" in fault(found)


def test_a_factor_that_equals_a_constant_by_chance():
    text, = texts(check.check({"bptt.dV": 2 * RIGHTS["dV"]}))
    assert text.endswith("equals the right output times 2, which equals steepness")


@pytest.mark.parametrize("given, words", [
    (("dW",), "pass unknown without spikes, mem, loss: dW"),
    (("spikes", "dW"), "pass unknown without mem, loss: dW (right: spikes)"),
    (("spikes", "mem", "dW"), "backward pass or loss: dW (right: spikes, mem)"),
    (("loss", "dW"), "pass unknown without spikes, mem: dW (right: loss)")])
def test_the_side_is_known_only_from_the_arrays_given(given, words):
    found = {f"bptt.{key}": RIGHTS[key] for key in given}
    assert fault(check.check(found | {"bptt.dW": 7 * RIGHTS["dW"]})) == words


def test_some_vectors_have_no_sides():
    for name, key in (("surrogates", "sigmoid"), ("si_paper", "importance"),
                      ("feedback", "direct"), ("lif_forward_dyadic", "mem")):
        wrong = VECTORS[name].outputs[key] + 0.7
        assert fault(check.check({f"{name}.{key}": wrong})) == key


def test_a_forgotten_zero_grad_is_no_missing_factor():
    """Gradients are twice the right ones, and the loss is right."""
    for name in ("bptt", "bptt_detached", "rnn", "lstm", "lif_readout"):
        right = VECTORS[name].outputs
        twice = {key: 2 * a for key, a in right.items() if key[0] == "d"}
        told = check.check(results(name, twice))
        assert "known mistake" not in fault(told)
        assert fault(told).startswith("backward pass")
        assert all("equals the right output times 2" in text for text in texts(told))
        assert len(texts(told)) == len(twice)
    factor = "equals known mistake: missing factor 1/2 of the square loss"
    doubled = {"loss": 2 * RIGHTS["loss"]} | {
        key: 2 * RIGHTS[key] for key in ("dW", "dV", "dx")}
    assert fault(check.check(results("bptt", doubled))).endswith(factor)
    assert fault(check.check({"bptt.dW": doubled["dW"]})).endswith(
        f"{factor} (only if loss, not given, is wrong too)")


def test_contradicted_names_are_not_given():
    detached = next(m for m in VECTORS["bptt"].mutants if m.name == "reset detached")
    told = fault(check.check(results("bptt", detached.outputs | {
        "dx": RIGHTS["dx"]})))
    assert "known mistake" not in told
    told = fault(check.check(results("bptt", detached.outputs | {
        "mem": RIGHTS["mem"] + 1e-3})))
    assert "known mistake" not in told and told.startswith("forward pass: mem")


def test_places_are_said():
    def said(name, key, change):
        wrong = VECTORS[name].outputs[key].copy()
        change(wrong)
        return texts(check.check({f"{name}.{key}": wrong}))[0]

    def late(a):
        a[30:, :, 1] += 1

    def early(a):
        a[:8, 2] += 1

    def last(a):
        a[:, 2] *= 0.25

    assert ", first at step 30, only where neuron = 1; " in said("bptt", "mem", late)
    assert ", last at step 7, only where sample = 2; most" in said("bptt", "dx", early)
    assert "only where column = 2; the wrong entries equal the right ones times 0.25 " \
        "(1/4, 1/m)" in said("bptt", "dW", last)
    assert "only where entry = 2; " in said("surrogates", "sigmoid",
                                            lambda a: np.add.at(a, 2, 1))
    assert "only where input = 1; " in said("bptt", "dx", lambda a: np.add.at(
        a, np.s_[:, :, 1], RIGHTS["loss"] * np.arange(3) + 1))
    assert ", first at step 4, " in said("feedback", "direct", lambda a: np.add.at(
        a, np.s_[4:9, 1, 1], [1, 2, 4, 3, 1]))
    gain = VECTORS["bptt"].inputs["gain"]
    assert f"times {gain:.6g} (gain)" in texts(check.check({
        "bptt.dx": RIGHTS["dx"] * gain}))[0]
    assert "times 0.333333 (1/3, 1/B, 1/n)" in texts(check.check({
        "bptt.dx": RIGHTS["dx"] / 3}))[0]
    assert "times 0.025 (1/T)" in texts(check.check({"bptt.dx": RIGHTS["dx"] / 40}))[0]
    assert "times 0.00277778 (1/(T B n))" in texts(check.check({
        "bptt.dx": RIGHTS["dx"] / 360}))[0]


def test_the_tolerance_of_the_dtype_is_said():
    for dtype, rtol in ((np.float64, "1e-09"), (np.float32, "0.0001")):
        right, wrong = (check.check({"bptt.dW": value.astype(dtype)}) for value in (
            RIGHTS["dW"], RIGHTS["dW"] + 1))
        assert texts(right, "right") == [f"to {rtol} of the largest entry"]
        assert f"differ by more than {rtol} of the largest" in texts(wrong)[0]


def test_half_precision_is_refused_and_called_rounding():
    words = "float16: must be float32 or float64; the error has the size of rounding"
    half = RIGHTS["dW"].astype(np.float16)
    assert texts(check.check({"bptt.dW": half}))[0].endswith(words)
    for other in (half + np.float16(1), half.T, half[:1]):
        assert "rounding" not in texts(check.check({"bptt.dW": other}))[0]
    told = texts(check.check({"bptt.dW": half.astype(np.float32)}))
    assert told[0].endswith("the error has the size of rounding to float16")
    assert fault(check.check({"bptt.dW": half, "bptt.dV": RIGHTS["dV"]})) == (
        "dtype: dW (right: dV)")


def test_a_number_beside_float32_arrays_has_their_tolerance():
    loss = float(np.float32(RIGHTS["loss"])) * (1 + 1e-6)
    single = RIGHTS["dW"].astype(np.float32)
    for value in (loss, np.float64(loss), np.array(loss)):
        told = check.check({"bptt.dW": single, "bptt.loss": value})
        assert texts(told, "right") == 2 * ["to 0.0001 of the largest entry"]
        told = check.check({"bptt.dW": RIGHTS["dW"], "bptt.loss": value})
        assert texts(told, "right") == ["to 1e-09 of the largest entry"]


def test_bfloat16_is_refused_and_called_rounding():
    class Tensor:                       # as of a package that NumPy does not know
        dtype = "bfloat16"

        def __array__(self, dtype=None, copy=None):
            bits = (RIGHTS["dW"].astype(np.float32).view(np.uint32) + 0x8000) >> 16
            values = (bits << 16).view(np.float32)
            return values.astype(object if dtype is None else dtype)

    told = texts(check.check({"bptt.dW": Tensor()}))[0]
    assert told.endswith("float64; the error has the size of rounding")
    Tensor.dtype = "object"
    assert "rounding" not in texts(check.check({"bptt.dW": Tensor()}))[0]


def test_each_finding_names_its_vector_and_output():
    found = check.check({"bptt.dV": 2 * RIGHTS["dV"], "bptt.loss": np.nan,
                         "surrogates.sigmoid": np.arange(36.0)})
    named = [finding[:3] for finding in found if finding.status != "missing"]
    assert named == [("bptt", "loss", "wrong"), ("bptt", "dV", "wrong"),
                     ("bptt", "", "fault"), ("surrogates", "sigmoid", "wrong"),
                     ("surrogates", "", "fault")]
    assert [f.vector for f in found] == ["bptt"] * 7 + ["surrogates"] * 8
    zero = check.check({"bptt.dV": 0 * RIGHTS["dV"]})[-2]
    assert zero[:4] == ("bptt", "dV", "vacuous", "0 throughout, which proves nothing")
    right = check.check({"bptt.spikes": RIGHTS["spikes"],
                         "bptt_dyadic.dW": VECTORS["bptt_dyadic"].outputs["dW"]})
    assert texts(right, "right") == ["exact", "exact"]
    single = check.check({"bptt.dV": np.ones((1, 1))})
    assert texts(single) == ["is of shape (1, 1): must be (3, 3)"]
    knob = check.check({"bptt.dV": RIGHTS["dV"], "bptt_detached.dV": RIGHTS["dV"]})[-1]
    assert knob[:3] == ("bptt_detached", "dV", "vacuous")


# ---- four faults that a vector may miss: a neuron, a task, a column, an event

def test_importances_that_are_overwritten_are_located():
    p = VECTORS["si_paper"].inputs
    told = fault(check.check(results("si_paper", si_path(p, "paper", overwrite=True))))
    assert told.startswith("importance, ") and "right: path_integral" in told


@pytest.mark.parametrize("column", range(3))
def test_a_wrong_recurrent_column_is_located(column):
    p = VECTORS["lif_forward"].inputs
    V = p["V"].copy()
    V[:, column] = 1000
    found = check.check(results("lif_forward", ANSWERS["lif_forward"](p | {"V": V})))
    spikes = VECTORS["lif_forward"].outputs["spikes"][:, :, column]
    first = np.flatnonzero(spikes.any(axis=1))[0] + 1
    told = next(f.text for f in found if f.output == "syn")
    assert f"first at step {first}" in told and "known mistake" not in fault(found)


def test_a_lost_recurrent_column_is_located():
    p = VECTORS["rtrl_implicit"].inputs
    V = p["V"].copy()
    V[:, 0] = 0
    told = fault(check.check(results("rtrl_implicit", ANSWERS["rtrl_implicit"](
        p | {"V": V}))))
    assert told.startswith("forward pass: spikes, mem (right: dW, dV); no convention "
                           "fits; nearest: as the right layer; differs first at step 5")


def test_late_events_in_the_last_bin_are_located():
    p = VECTORS["binning"].inputs
    times = np.minimum(p["times"], (p["T"] - 0.5) * p["dt"])
    found = check.check({"binning.counts": ANSWERS["binning"](
        p | {"times": times})["counts"]})
    assert f"only where row = {p['T'] - 1}" in texts(found)[0]
    assert "equals known mistake: late events put into the last bin" in fault(found)


# ---- no vacuous pass

@pytest.mark.parametrize("change, words", [
    ({"inputs": {"spikes": np.zeros((4, 1, 1))}}, "silent: spikes are 0"),
    ({"inputs": {"spikes": np.ones((4, 1, 1))}}, "never silent: spikes are 1"),
    ({"outputs": {"loss": 1.0, "spikes2": np.zeros(4)}}, "silent: spikes2 are 0"),
    ({"outputs": {"loss": 1.0, "dW": np.zeros((3, 4))}}, "dead: dW is 0 throughout"),
    ({"mutants": [Mutant("knob", "", {})]},
     r"blind to the mistakes \['knob'\]")])
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
    found = check.check({"bptt.dV": np.zeros((3, 3))})[-2]
    assert found.status == "vacuous" and "0 throughout" in found.text
    aliased = check.check({f"si_paper.{name}": 0 * value for name, value in
                           VECTORS["si_paper"].outputs.items()})
    assert len(texts(aliased, "vacuous")) == 4
    assert "aliasing" in fault(aliased)
    assert "continual-learning-baselines#74" in fault(aliased)


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
    found = check.check(results(other) | {key.replace(other, one): value for
                                          key, value in results(other).items()})
    found = [finding for finding in found if "changes nothing" in finding.text]
    assert {finding.vector for finding in found} == {one}, "the other one is right"
    near = {key: value * (1 + 1e-12) if key.startswith(other) else value
            for key, value in mine.items()}
    if not (a.exact or b.exact):        # a change by rounding is none
        assert len(texts(check.check(near), "vacuous")) == len(told)
    assert not texts(check.check(results(one) | results(other)), "vacuous")


@pytest.mark.parametrize("given, words", [
    ({}, "results is {}"), ([], "results is"), (None, "results is None"),
    ({"bptt.dw": 1.0}, r"'bptt.dw': must be VECTOR.OUTPUT, outputs are \['dV'"),
    ({"bptt": 1.0}, "results hold 'bptt'"), ({"other.dW": 1.0}, "lists all")])
def test_results_that_are_none(given, words):
    with pytest.raises(ValueError, match=words):
        check.check(given)


def test_unknown_vectors_are_refused():
    with pytest.raises(ValueError, match="'other' is not a vector"):
        check.vectors(["bptt", "other"])
    assert list(check.vectors(["bptt"])) == ["bptt"]


def test_a_single_name_is_no_list_of_names():
    with pytest.raises(ValueError, match="^'bptt' is a string: must be a list"):
        check.vectors("bptt")


def test_unknown_vectors_are_told_the_nearest_name():
    for call in (lambda: check.vectors(["bptt_detach"]),
                 lambda: check.check({"bptt_detach.dW": 1.0}),
                 lambda: check.check({"bptt.dW": 1.0, "bptt_detach.dW": 1.0})):
        with pytest.raises(ValueError) as raised:
            call()
        text = str(raised.value)
        assert len(text) < 160 and text.endswith(
            "the nearest name is 'bptt_detached', and refsnn.oracle.stored.names() "
            "lists all vectors")
    for key, words in (("bptt", "the nearest name is 'bptt', and "), ("dW", ""),
                       ("", ""), (3, "")):
        with pytest.raises(ValueError, match=f"VECTOR.OUTPUT, {words}refsnn"):
            check.check({key: 1.0})


def test_masked_arrays_are_refused():
    right = VECTORS["bptt"].outputs
    for name, value in (("dV", np.ma.array(right["dV"])), ("loss", np.ma.masked),
                        ("dW", list(np.ma.array(right["dW"])))):
        given = {"bptt.dx": right["dx"].astype(np.float32), f"bptt.{name}": value}
        with pytest.raises(ValueError, match=f"^bptt.{name} is a masked array: must be "
                           "a plain array, for example after .filled"):
            check.check(given)


# ---- one vector

RIGHT = np.array([[1.0, 2.0], [3.0, -4.0]])


def toy(mutants=(), exact=False, name="dW"):
    return Vector("toy", "", {}, {name: RIGHT}, list(mutants), exact)


@pytest.mark.parametrize("wrong, words", [
    (RIGHT.T, "equals the right output transposed"),
    (-RIGHT, "the right output times -1"),
    (2 * RIGHT, "the right output times 2"),
    (RIGHT[:1], "is of shape (1, 2): must be (2, 2)"),
    (RIGHT + np.eye(2), "2 of 4 entries differ by more than 1e-09 of the largest, only "
                        "on the diagonal; most at (0, 0): yours 2, right 1"),
    (RIGHT + [[0, 0], [1, 2]], "2 of 4 entries differ by more than 1e-09 of the "
     "largest, only where row = 1; most at (1, 1): yours -2, right -4")])
def test_what_is_wrong_is_said(wrong, words):
    doubled = Mutant("doubled", "a#1", {"dW": 2 * RIGHT})
    found = _judged(toy([doubled]), {"dW": wrong})
    assert [f.status for f in found] == ["wrong"] and words in found[0].text
    told = fault(check.check({"toy.dW": wrong}, {"toy": toy([doubled])}))
    assert told == "layout: " * words.endswith("transposed") + "dW" + (
        "; equals known mistake: doubled (seen in a#1)" * words.endswith("times 2"))


def test_a_mistake_is_named_if_all_arrays_agree():
    one = Mutant("one", "", {"a": 2 * RIGHT, "b": 3 * RIGHT})
    two = Mutant("two", "", {"a": 2 * RIGHT})
    known = {"toy": Vector("toy", "", {}, {"a": RIGHT, "b": RIGHT}, [one, two], False)}
    wrong = {"toy.a": 2 * RIGHT}
    for b, name in ((3 * RIGHT, "one"), (RIGHT, "two"), (RIGHT * np.nan, ""),
                    (RIGHT + 1e-6, ""), (RIGHT[:1], ""), (0 * RIGHT, "")):
        told = fault(check.check(wrong | {"toy.b": b}, known))
        assert told.partition("; equals known mistake: ")[2] == name
    told = fault(check.check({"toy.a": RIGHT, "toy.b": 3 * RIGHT}, known))
    assert "known mistake" not in told
    assert fault(check.check(wrong, known)) == (
        "a; equals known mistake: one (only if b, not given, is wrong too), or: two")
    more = Mutant("more", "", {"a": 2 * RIGHT, "b": -RIGHT, "c": RIGHT, "e": -RIGHT,
                               "da": -RIGHT, "counts": RIGHT + 1e-12})
    known = {"toy": Vector("toy", "", {}, dict.fromkeys(
        ("a", "b", "c", "e", "da", "counts"), RIGHT), [more], False)}
    assert fault(check.check(wrong, known)).endswith(
        "more (only if b, e, counts, not given, are wrong too)")


def test_counts_of_a_mistake_are_compared_exactly():
    more = Mutant("more", "", {"counts": RIGHT + 1})
    known = {"toy": Vector("toy", "", {}, {"counts": RIGHT}, [more], False)}
    for error, named in ((0, True), (1e-12, False)):
        told = fault(check.check({"toy.counts": RIGHT + 1 + error}, known))
        assert ("mistake: more" in told) == named


def test_exact_vectors_are_compared_bit_by_bit_and_counts_up_to_rounding():
    near, far = np.nextafter(RIGHT, 9), RIGHT + 1e-14
    for vector, given, status in (
            (toy(), far, "right"), (toy(exact=True), near, "wrong"),
            (toy(name="spikes"), near, "right"), (toy(name="spikes"), far, "wrong"),
            (toy(name="spikes"), np.float32(RIGHT + 2e-7), "right"),
            (toy(name="spikes"), np.float32(RIGHT + 4e-6), "wrong"),
            (toy(name="spikes", exact=True), near, "wrong")):
        assert _judged(vector, {next(iter(vector.outputs)): given})[0].status == status


def test_zeros_and_absence():
    found = _judged(toy(), {"dW": 0 * RIGHT})[0]
    assert found.status == "vacuous" and "0 throughout" in found.text
    assert _judged(toy(), {})[0].status == "missing"
    none = _judged(toy(), {"dW": np.zeros((0, 2))})[0]
    assert none.status == "wrong" and "of shape (0, 2): must be (2, 2)" in none.text
    assert _judged(toy(), {"dW": None})[0].status == "wrong"


# ---- conventions of another tool

def test_a_forward_pass_of_another_tool_is_named():
    p, step = VECTORS["lif_forward"].inputs, conventions.PRESETS["norse"]
    rows = conventions.recorded(step, conventions.simulate(
        step, p["x"], p["W"], p["V"], tau_syn=p["tau_syn"], tau_mem=p["tau_mem"],
        dt=p["dt"], threshold=p["threshold"]))
    results = {f"lif_forward.{key}": value for key, value in rows.items()}
    told = fault(check.check(results))
    assert told.startswith("spikes, mem, syn; as norse ") and told.count("; ") == 1


@pytest.mark.parametrize("name", ["bptt", "rtrl_block", "tbptt_chunks"])
def test_a_wrong_forward_pass_is_described_relative_to_the_right_layer(name):
    p = VECTORS[name].inputs

    def told(**changes):
        step = conventions.Step(gain="leak")._replace(**changes)
        rows = conventions.recorded(step, conventions.simulate(
            step, p["x"], p["W"], p["V"], tau_syn=p["tau_syn"], tau_mem=p["tau_mem"],
            dt=p["dt"], threshold=p["threshold"]))
        rows["dW"] = rows["mem"]                # no recording of the layer
        return fault(check.check({f"{name}.{key}": rows[key] for key in (
            "mem", "spikes", "dW")}, VECTORS))

    assert told().startswith("backward pass or loss: dW (right: ")
    start = "forward pass: spikes, mem, dW; as the right layer, but "
    assert told(drive="leak") == (
        start + "input enters the current times 1 - alpha; wrong: gain")
    many = told(decay="euler", input="same", drive="leak", reset="zero")
    assert many.startswith("forward pass: spikes, mem, dW; as ")
    assert "right layer" not in many
    assert told(test="after", record="after", reset="zero") == start + (
        "spikes one step early and reset to a value and state recorded one step early"
        "; wrong: spikes, reset, mem")
    assert told(refractory=1, mute=True) == (
        start + "refractory 1 and membrane not held while refractory; wrong: "
        "refractory period")
    assert told(decay="euler", input="same") == (
        start + "decays are 1 - dt/tau and input one step early; wrong: decays, "
        "current")
    assert told(gain="one") == (
        "forward pass: spikes, mem, dW; as refsnn lif (refsnn); as the right layer, "
        "but current enters the membrane unscaled; wrong: gain")
    assert told(floor=True).endswith(
        "; as the right layer, but membrane bounded below; wrong: clamp")


@pytest.mark.parametrize("name, wrong, place", [
    ("lif_stack", ["spikes2", "mem2", "dW"], ("forward pass", "layer 2")),
    ("lif_stack", ["dW_out", "dW2", "dW"], ("backward pass", "readout")),
    ("lif_stack", ["dW2", "dW", "dx"], ("backward pass", "layer 2")),
    ("lif_stack", ["loss"], ("loss", "")),
    ("lif_readout", ["out", "dW"], ("forward pass", "readout")),
    ("lif_readout", ["dV"], ("backward pass", "layer 1")),
    ("bptt_adaptive", ["dthreshold"], ("backward pass", "")),
    ("eprop", ["mem"], ("forward pass", ""))])
def test_the_wrong_layer_is_the_first_of_its_pass(name, wrong, place):
    right = VECTORS[name].outputs.keys() - set(wrong)
    assert check.where(VECTORS[name], wrong, right) == place
    told = fault(check.check({f"{name}.{key}": VECTORS[name].outputs[key] + (
        key in wrong) for key in VECTORS[name].outputs}, VECTORS))
    assert told.startswith(f"{', '.join(filter(None, place))}: ")


def test_right_spikes_beside_a_membrane_that_cannot_be_read_prove_nothing():
    right = VECTORS["bptt"].outputs
    for mem in (0 * right["mem"], right["mem"] * np.nan, right["mem"].swapaxes(0, 1),
                right["mem"].astype(np.float16)):
        told = fault(check.check({"bptt.mem": mem, "bptt.spikes": right["spikes"]}))
        assert told.endswith(" mem (right: spikes)")


def test_spikes_of_layers_without_recurrence_follow_no_convention():
    for name in ("superspike", "bushy", "chip"):
        spikes = 1 - VECTORS[name].outputs["spikes"]
        assert "convention" not in fault(check.check({f"{name}.spikes": spikes}))


def test_arrays_that_cannot_be_identified_are_left_out():
    right = VECTORS["lif_forward"].outputs
    spikes = right["spikes"].copy()
    spikes[7, 1, 2] = 1 - spikes[7, 1, 2]
    wrong = {"lif_forward.spikes": spikes}
    told = fault(check.check(wrong))
    assert told == "spikes; no convention fits"
    for bad, status in ((right["syn"] + np.inf, "wrong"), (0 * right["syn"], "vacuous"),
                        (right["syn"][1:], "wrong")):
        found = check.check(wrong | {"lif_forward.syn": bad})
        assert [f.status for f in found] == ["wrong", "missing", status, "fault"]
        assert fault(found).endswith("; no convention fits")
    alone = check.check({"lif_forward.mem": right["mem"] * np.nan})
    assert fault(alone) == "mem" and "must be finite" in texts(alone)[0]


def test_examples():
    failed, tried = doctest.testmod(check)
    assert failed == 0 < tried


def test_a_named_mistake_is_not_called_rounding():
    vector = check.vectors(["linearised"])["linearised"]
    mutant = next(m for m in vector.mutants if "continuous" in m.name)
    told = check.check({"linearised.train": mutant.outputs["train"]})
    text = " ".join(finding.text for finding in told)
    assert mutant.name in text and "rounding" not in text


def test_spikes_in_float16_are_counts():
    spikes = RIGHTS["spikes"].astype(np.float16)
    assert check.check({"bptt.spikes": spikes})[1].status == "right"
    spikes[3] += np.float16(0.25)
    assert texts(check.check({"bptt.spikes": spikes}))[0].startswith(
        "9 of 360 entries differ, first at step 3")


@pytest.mark.parametrize("name, output, factor, words", [
    ("spike_time", "dW", 1 / 4, "times 0.25 (1/4, 1/B)"),
    ("convnet", "dW0", 3, "times 3, which equals B"),
    ("van_rossum", "dspikes", 2, "times 2, which equals n"),
    ("lstm", "dW", 2 / 36, "2/(T n)")])
def test_sizes_that_no_recording_shows(name, output, factor, words):
    """B is the number of labels or rows of x, and n does not count the gates."""
    right = check.vectors([name])[name].outputs[output]
    assert words in texts(check.check({f"{name}.{output}": factor * right}))[0]


def test_mistakes_with_equal_constants_elsewhere():
    """An error of one factor is not called another, because no two constants of
    these vectors are equal."""
    for name in ("superspike", "spike_time", "ntt_at_masked", "in_the_loop"):
        inputs = check.vectors([name])[name].inputs
        B = len(inputs["labels"]) if "labels" in inputs else len(inputs["x"])
        values = [a for a in inputs.values()
                  if isinstance(a, float) and a not in (0, 1)]
        assert len(values) == len({*values, 1 / B}) - 1


# ---- constants in float32

PERHAPS = "; within the tolerance of float32, perhaps constants are rounded to float32"


@pytest.mark.parametrize("name", registry.REGISTRY)
def test_constants_rounded_to_float32_are_named(name):
    rounded, right = registry.build(name, single=True), VECTORS[name]
    changed = {key for key, value in rounded.outputs.items()
               if not matching.judge(right, key, value).right}
    assert bool(changed) == ("decays" in registry.REGISTRY[name].options)
    if changed:
        words = "; equals the right output with constants rounded to float32"
        given = {f"{name}.{key}": value for key, value in rounded.outputs.items()}
        assert fault(check.check(given)).endswith(words)
        key = sorted(changed)[0]
        assert words in fault(check.check({f"{name}.{key}": rounded.outputs[key]}))
        given[f"{name}.{key}"] = rounded.outputs[key] * (1 + 1e-7)
        assert fault(check.check(given)).endswith(PERHAPS)


def test_errors_of_the_size_of_rounded_constants_are_told():
    """Recorded states are not rounded, so that no known program agrees."""
    told = []
    for name, vector in VECTORS.items():
        found = ANSWERS[name](vector.inputs | {
            key: np.float64(np.float32(a)) for key, a in vector.inputs.items()
            if not np.ndim(a) and np.asarray(a).dtype == float})
        told += [f.text for f in check.check({
            f"{name}.{key}": a for key, a in found.items()}) if f.status == "fault"]
    assert len(told) == 35 and all(" rounded to float32" in text for text in told)
    assert len([text for text in told if text.endswith(PERHAPS)]) == 31


def test_larger_errors_and_invalid_results_are_not_called_rounding():
    right = RIGHTS["dW"]
    for value, near in ((right * (1 + 9e-5), True), (right * (1 + 1.1e-4), False),
                        (right[:2], False), (right.astype(np.float16), False),
                        (1e39 * right, False), ("a", False)):
        assert (PERHAPS in fault(check.check({"bptt.dW": value}))) == near
    exact = VECTORS["bptt_dyadic"].outputs["dW"]
    assert PERHAPS not in fault(check.check({"bptt_dyadic.dW": exact * (1 + 1e-6)}))


def test_numbers_among_the_inputs_keep_float64():
    for vector in VECTORS.values():
        for value in vector.inputs.values():
            assert isinstance(value, np.ndarray | np.float64 | np.int64)
    assert isinstance(VECTORS["bptt"].inputs["alpha"], np.float64)
    assert isinstance(VECTORS["tbptt_rolling"].inputs["K"], np.int64)


def test_a_factor_that_several_quantities_share_is_told_with_all():
    right = VECTORS["lif_wide"].outputs["dx"]
    assert texts(check.check({"lif_wide.dx": 2 * right}))[0].endswith(
        "equals the right output times 2, which equals B and steepness")
