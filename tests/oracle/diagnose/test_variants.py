"""Networks with terms switched off, and residuals of the equations of `lif`."""

import numpy as np
import pytest
from corruptions import corrupted

from refsnn import bptt, lif
from refsnn.oracle.diagnose import variants
from refsnn.oracle.diagnose.variants import ALL, RULES, T, TINY, Variant

RIGHT = corrupted()
LOUD = [v for v in variants._variants() if v.W == 1]


def run(change=(), v=ALL, rule="bptt", seed=1):
    detached = rule == "bptt_detached"
    names = RULES[rule]

    def function(p):
        found = corrupted(*change, detached=detached)(p)
        return {name: found[name] for name in names}
    return variants._ask(function, rule, variants._network(v, seed))


def test_all_combinations_of_terms_are_switched_off():
    assert len(set(variants._variants())) == len(variants._variants()) > len(LOUD)
    for v in variants._variants():
        p = variants._network(v, 0)
        assert (p["alpha"], p["beta"], p["V"].any()) == (v.alpha, v.beta, v.V > 0)
        assert p["alpha"] in (0, 0.7) and p["beta"] in (0, 0.8)
        assert p["threshold"] == v.threshold and p["threshold"] in (0.703, TINY)
        assert (p["gain"], p["steepness"]) == (0.4, 1.95)
    assert [variants._label(v) for v in (ALL, Variant(0.0, 0.0, 0.0, TINY, 0.02))] == [
        "all terms on", "alpha = 0, beta = 0, V = 0, threshold = 0, no spikes"]
    assert variants._label(Variant(0.0)) == "alpha = 0"
    assert variants._label(Variant(W=0.5)) == "no spikes"


@pytest.mark.parametrize("v", variants._variants() + [
    Variant(B=1), Variant(diagonal=True), Variant(gain=1.0), Variant(steepness=TINY)])
def test_networks_spike_and_pause_clear_of_the_threshold(v):
    for seed in range(3):
        p = variants._network(v, seed)
        assert p["x"].shape == (T, v.B, T * v.B) and p["mem"].shape == (T, v.B, 3)
        assert (p["x"].sum(axis=2) == 1).all() and (p["x"].sum(axis=(0, 1)) == 1).all()
        rate = p["spikes"].mean(axis=(0, 1))
        assert ((0.1 < rate) & (rate < 0.7)).all() if v.W == 1 else not rate.any()
        assert p["mem"].any() and p["syn"].any()
        gap = np.abs(p["mem"] - v.threshold)[p["mem"] != 0]
        assert gap.min() > 1e-3
        assert np.array_equal(p["V"] == 0, (np.eye(3) == 0) & v.diagonal | (v.V == 0))
        assert 0 <= p["target"].min() < p["target"].max() < 1
        size = p["W"].std() / v.W * v.gain / np.sqrt(
            (1 - v.alpha) * (1 - v.beta) * (1 - v.alpha * v.beta))
        assert 1.1 < size < 1.9
        again = variants._network(v, seed)
        assert all(np.array_equal(p[key], again[key]) for key in p)
        assert not np.array_equal(p["W"], variants._network(v, seed + 1)["W"])


@pytest.mark.parametrize("rule", RULES)
def test_the_right_answers_are_those_of_bptt(rule):
    found = run(rule=rule)
    p, right = found.p, found.right
    assert found.wrong == frozenset() and found.broken == () and found.changed == ()
    assert set(right) == {*RULES[rule], *variants.LEARNED}
    assert found.reset == (rule != "bptt_detached")
    c = {key: p[key] for key in ("alpha", "beta", "gain", "threshold")}
    rec = lif.simulate(p["x"], p["W"], p["V"], **c)
    psi, d = variants._slope(p), (rec.spikes - p["target"]) / 2
    J, F, _ = lif.linearise(p["x"], p["W"], p["V"], rec, psi, **c,
                            through_reset=rule != "bptt_detached")
    flat = bptt.gradient(J, F, lif.credit(psi, d))
    for name, part in (("dW", flat[:-9]), ("dV", flat[-9:])):
        np.testing.assert_allclose(right[name].ravel(), part, rtol=1e-10, atol=1e-12)
    _, F, _ = lif.linearise(p["x"], p["W"], p["V"], rec, psi, **c, constants=True,
                            through_reset=rule != "bptt_detached")
    learned = bptt.gradient(J, F, lif.credit(psi, d))[-12:].reshape(4, 3).sum(axis=1)
    learned[3] -= (psi * d).sum()                       # eq. (21) of lif
    every = variants._answer(p, rule)
    for name, value in zip(("alpha", "beta", "gain", "threshold"), learned,
                           strict=True):
        assert every[f"d{name}"] == pytest.approx(value, rel=1e-10)
    for tau, name in (("tau_syn", "alpha"), ("tau_mem", "beta")):
        size, h = -1 / np.log(p[name]), 1e-4
        slope = (np.exp(-1 / (size + h)) - np.exp(-1 / (size - h))) / (2 * h)
        assert every[f"d{tau}"] == pytest.approx(slope * every[f"d{name}"], rel=1e-6)
        assert every[f"dlog_{tau}"] == pytest.approx(size * every[f"d{tau}"])
    assert right["loss"] == pytest.approx((d * d).sum())          # B = 2


def test_outputs_are_compared_by_their_dtype():
    def rough(factor, dtype):
        return lambda p: {name: np.asarray(factor * value, dtype) for name, value in
                          RIGHT(p).items()}

    p = variants._network(ALL, 2)
    every = set(RULES["bptt"])
    assert variants._ask(rough(1 + 1e-10, float), "bptt", p).wrong == set()
    assert variants._ask(rough(1 + 1e-8, float), "bptt", p).wrong == every
    assert variants._ask(rough(1 + 1e-5, np.float32), "bptt", p).wrong == set()
    assert variants._ask(rough(1 + 1e-3, np.float32), "bptt", p).wrong == every
    small = np.array([1e-3])
    assert variants._same(small + 9e-13, small)
    assert not variants._same(small + 2e-12, small)
    whole = np.array([1, 0])
    assert variants._same(whole, 1.0 * whole)
    assert not variants._same(whole, whole + 1e-8)
    a = np.array([1.0, -4.0])
    assert variants._same(a + 3.9e-9, a) and not variants._same(a + 4.1e-9, a)
    assert variants._same(a + 1.9e-9, a, 2.0) and not variants._same(a - 2.1e-9, a, 2.0)
    assert not variants._same(np.array([np.nan]), np.array([1.0]))
    assert variants._same(a[:0], a[:0])


def test_rounding_of_zeros_is_no_fault():
    def noisy(p):
        found = RIGHT(p)
        found["spikes"] = found["spikes"] + 1e-13
        return found | {"dV": found["dV"] + 1e-13 * np.abs(found["dW"]).max()}

    p = variants._network(Variant(W=0.02), 1)
    found = variants._ask(noisy, "bptt", p)
    assert not found.right["spikes"].any() and not found.right["dV"].any()
    assert found.wrong == frozenset()
    far = variants._ask(lambda p: {"dV": RIGHT(p)["dV"] + 1e-11 * np.abs(
        RIGHT(p)["dW"]).max()}, "bptt", p)
    assert far.wrong == {"dV"}
    far = variants._ask(lambda p: {"spikes": RIGHT(p)["spikes"] + 1e-8}, "bptt", p)
    assert far.wrong == {"spikes"}
    for size, wrong in ((0.9, frozenset()), (1.1, {"spikes", "dV"})):
        found = variants._ask(lambda p: {
            "spikes": RIGHT(p)["spikes"] + size * 1e-12,                # noqa: B023
            "dV": RIGHT(p)["dV"] + size * 1e-12 * max(                  # noqa: B023
                np.abs(RIGHT(p)[name]).max() for name in ("dW", "dx"))}, "bptt", p)
        assert found.wrong == wrong


def test_unusable_results_are_described():
    p = variants._network(ALL, 0)

    def found(name, value):
        return variants._ask(lambda p: RIGHT(p) | {name: value(p)}, "bptt", p)

    cases = {
        ("dW", "is of shape (24, 3): must be (3, 24)"): lambda p: RIGHT(p)["dW"].T,
        ("loss", "is of shape (2,): must be ()"): lambda p: np.ones(2),
        ("dV", "is of shape (): must be (3, 3)"): lambda p: 1.0,
        ("mem", "is not finite"): lambda p: RIGHT(p)["mem"] / 0,
        ("dx", "is of dtype complex128: must be float32 or float64"):
            lambda p: 1j * RIGHT(p)["dx"],
        ("spikes", "is of dtype float16: must be float32 or float64"):
            lambda p: RIGHT(p)["spikes"].astype(np.float16)}
    for told, value in cases.items():
        result = found(told[0], value)
        assert result.broken == told and result.wrong == {told[0]}
        assert result.found is result.right and result.p is p
        assert set(result.given) == set(RIGHT(p))       # they tell which pass is known
        assert result.reset is True and result.changed == ()
    with pytest.raises(ValueError, match="^mem is a masked array: must be a plain"):
        found("mem", lambda p: np.ma.array(RIGHT(p)["mem"]))
    raised = variants._ask(lambda p: p["missing"], "bptt", p)
    assert raised.broken == ("", "raises KeyError: 'missing'") and not raised.wrong
    assert raised.given == {}
    assert found("loss", lambda p: RIGHT(p)["loss"].reshape(1, 1)).broken == ()
    assert found("spikes", lambda p: RIGHT(p)["spikes"] > 0).wrong == frozenset()
    flat = found("loss", lambda p: RIGHT(p)["loss"].reshape(1, 1))
    assert flat.found["loss"].shape == () and flat.given["loss"].shape == (1, 1)
    text = found("mem", lambda p: np.full((T, 2, 3), "f"))
    assert text.broken[1].startswith("is of dtype <U1: must be")


@pytest.mark.parametrize("value", [None, {}, {"dw": 0.0}, [1.0], {"loss": 1.0, 2: 1.0}])
def test_what_is_no_result_is_refused(value):
    with pytest.raises(ValueError, match="^function returns .*: must be a dict with "
                       r"some of \('loss', 'spikes'"):
        variants._ask(lambda p: value, "bptt", variants._network(ALL, 0))


def test_inputs_are_copied_and_changes_of_them_are_seen():
    p = variants._network(ALL, 0)
    before = variants._copied(p)
    assert type(before["alpha"]) is np.float64 and before["W"] is not p["W"]

    def spoiled(key, action):
        def function(p):
            found = RIGHT(p)
            action(p, key)
            return found
        return variants._ask(function, "bptt", p).changed

    def add(p, key):
        p[key] += 1

    for key in p:
        assert spoiled(key, add) == (key,)
    assert spoiled("V", lambda p, key: p.pop(key)) == ("V",)
    assert spoiled("W", lambda p, key: p.update(W=p["W"].tolist())) == ()

    class Tensor:
        def __array__(self, dtype=None, copy=None):
            raise RuntimeError("is no array")
    assert spoiled("W", lambda p, key: p.update(W=Tensor())) == ()
    assert all(np.array_equal(p[key], before[key]) for key in p)
    own = variants._copied(p)
    found = variants._ask(lambda q: RIGHT(q) if q is own else {}, "bptt", p, own)
    assert found.wrong == frozenset()


def test_a_right_simulation_leaves_no_residual():
    for v in LOUD:
        for term, (residual, part) in variants._residuals(run(v=v)).items():
            assert np.abs(residual).max() < 1e-13, (v, term)
            assert part.shape == residual.shape
            assert part.any() or (term == "recurrence" and not v.V) or (
                term == "current decay" and not v.alpha) or (
                term == "membrane decay" and not v.beta)


def test_spikes_found_drive_the_network():
    found = run(("forward", "threshold", "factor"))
    p, spikes = found.p, found.found["spikes"]
    assert variants._same(variants._follow(p, spikes).mem, found.found["mem"])
    assert not variants._same(variants._follow(p).mem, found.found["mem"])
    assert variants._same(variants._follow(p).mem, p["mem"])
    alone = found._replace(found={"mem": found.found["mem"]})
    other = {name: a.copy() for name, (a, _) in variants._residuals(alone).items()}
    assert not variants._same(other["reset"], variants._residuals(found)["reset"][0])
    right = run()
    alone = right._replace(found={"mem": right.found["mem"]})
    spikes = variants._residuals(alone)["reset"][1]
    assert np.array_equal(spikes, -0.703 * right.found["spikes"][:-1])


def test_multiples_and_maps():
    rng = np.random.default_rng(1)
    term, other = rng.normal(size=(2, 9, 2, 2))

    def fits(*parts):
        return tuple(variants._fits(parts))

    assert fits({"a": (0.3 * term, term), "b": (0.3 * term, other)}) == ("a",)
    assert fits({"a": (term, term)}, {"a": (other, term)}) == ()
    assert fits({"a": (-term, term), "b": (term, 2 * term)}) == ("a", "b")
    parts = {"a": (0.3 * term, term)}, {"a": (0 * term, 0 * term)}
    assert fits(*parts) == ("a",) and fits(parts[1]) == ()
    for k in (1 + 1e-11, 1 - 1e-11, -1, 1 + 1e-8):
        assert fits({"a": (term, term)}, {"a": (k * other, other)}) == ("a",) * (
            abs(k - 1) < 1e-10)
    fixed = np.array([[0.3, 1.0], [0.0, -2.0]])         # one map for all samples
    assert fits({"a": (term @ fixed, term), "b": (term, other)}) == ("a",)
    assert fits({"a": (term @ fixed, term)}, {"a": (0.3 * other, other)}) == ()
    for name in ("a", "gain", "reset"):                 # also maps between samples
        assert fits({name: (term[:, ::-1], term)}) == (name,) * (name != "a")
    wrong, right = variants._fits([{"a": (0.3 * term, term)}])["a"]
    np.testing.assert_allclose(wrong, 1.3 * right)
    single = (np.float32(0.3) * term.astype(np.float32), term.astype(np.float32))
    assert fits({"a": single}) == ("a",)
    assert fits({"a": (1e-11 * term, term)}) == ()      # rounding
    for size in (0.9, 1.1):
        residual = np.array([0.0, size * 1e-9 / 20 * 4])
        assert variants._zero(residual, np.array([-4.0, 1.0])) == (size < 1)
        assert variants._zero(-residual, np.array([-4.0, 1.0])) == (size < 1)
    fixed = rng.normal(size=(4, 4))
    image = (term.reshape(9, 4) @ fixed).reshape(9, 2, 2)
    assert variants._mapped(image, term, True) and not variants._mapped(image, term)
    assert not variants._mapped(other, term, True)
    assert variants._mapped(image[:5], term[:5], True)
    assert not variants._mapped(image[:4], term[:4], True)  # any map would do
    assert variants._mapped(image.astype(np.float32), term, True)


@pytest.mark.parametrize("term", ["input", "recurrence", "reset", "current decay",
                                  "membrane decay", "gain"])
def test_a_factor_of_a_term_is_the_factor_of_its_residual(term):
    found = run(("forward", term, "factor"))
    residual, part = variants._residuals(found)[term]
    np.testing.assert_allclose(residual, 0.3 * part, rtol=1e-9, atol=1e-12)
    assert part.any()


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("v", LOUD)
def test_a_right_gradient_leaves_no_residual(v, rule):
    found = run(v=v, rule=rule)
    dI, right = variants._adjoints(found)
    np.testing.assert_allclose(dI, right, rtol=1e-9, atol=1e-12)
    flat = found.right["dW"].reshape(3, T, 2).transpose(1, 2, 0)
    np.testing.assert_allclose(dI, flat, rtol=1e-9, atol=1e-12)
    assert not dI[-2:].any() and dI[-3].all()
    for term, (residual, part) in variants._back_residuals(found).items():
        assert np.abs(residual).max() < 1e-12, term
        assert part.shape == residual.shape and (part.any() or term in (
            "recurrence", "reset", "current decay", "membrane decay"))


@pytest.mark.parametrize("rule", ["bptt", "rtrl"])
@pytest.mark.parametrize("term", ["recurrence", "reset", "current decay", "surrogate",
                                  "membrane decay", "gain", "error"])
def test_a_factor_of_an_adjoint_term_is_the_factor_of_its_residual(term, rule):
    found = run(("backward", term, "factor"), rule=rule)
    residual, part = variants._back_residuals(found)[term]
    np.testing.assert_allclose(residual, 0.3 * part, rtol=1e-9, atol=1e-12)
    assert part.any()


def test_adjoints_keep_the_dtype_of_the_output():
    p = variants._network(ALL, 0)
    for function in (lambda p: {"dx": RIGHT(p)["dx"].astype(np.float32)},
                     lambda p: {"dW": RIGHT(p)["dW"].astype(np.float32)}):
        found = variants._ask(function, "bptt", p)
        dI, right = variants._adjoints(found)
        assert dI.dtype == np.float32 and right.dtype == np.float64
        assert variants._same(dI, right)


def test_no_two_constants_are_equal():
    for p in (variants._network(ALL, 0), variants._long(0)):
        sizes = [*p["x"].shape[:2], variants.N]
        values = [p[key] for key in ("alpha", "beta", "gain", "threshold",
                                     "steepness")] + sizes
        assert len({round(x, 9) for value in values for x in (value, 1 / value)}
                   ) == 2 * len(values)
