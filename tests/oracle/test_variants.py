"""Networks with terms switched off, and residuals of the equations of `lif`."""

import numpy as np
import pytest
from corruptions import corrupted

from refsnn import bptt, lif
from refsnn.oracle import variants
from refsnn.oracle.variants import ALL, RULES, T, TINY, Variant

RIGHT = corrupted()
LOUD = [v for v in variants.variants() if v.W == 1]


def run(change=(), v=ALL, rule="bptt", seed=1):
    detached = rule == "bptt_detached"
    names = RULES[rule]

    def function(p):
        found = corrupted(*change, detached=detached)(p)
        return {name: found[name] for name in names}
    return variants.ask(function, rule, variants.network(v, seed))


def test_all_combinations_of_terms_are_switched_off():
    assert len(set(variants.variants())) == 20 and len(LOUD) == 16
    for v in variants.variants():
        p = variants.network(v, 0)
        assert (p["alpha"], p["beta"], p["V"].any()) == (v.alpha, v.beta, v.V > 0)
        assert p["alpha"] in (0, 0.7) and p["beta"] in (0, 0.8)
        assert p["threshold"] == v.threshold and p["threshold"] in (0.7, TINY)
        assert (p["gain"], p["steepness"]) == (0.4, 2.0)
    assert [str(v) for v in (ALL, Variant(0.0, 0.0, 0.0, TINY, 0.02))] == [
        "all terms on", "alpha = 0, beta = 0, V = 0, threshold = 0, no spikes"]
    assert str(Variant(0.0)) == "alpha = 0" and str(Variant(W=0.5)) == "no spikes"


@pytest.mark.parametrize("v", variants.variants() + [
    Variant(B=1), Variant(diagonal=True), Variant(gain=1.0), Variant(steepness=TINY)])
def test_networks_spike_and_pause_clear_of_the_threshold(v):
    for seed in range(3):
        p = variants.network(v, seed)
        assert p["x"].shape == (T, v.B, T * v.B) and p["mem"].shape == (T, v.B, 3)
        assert (p["x"].sum(axis=2) == 1).all() and (p["x"].sum(axis=(0, 1)) == 1).all()
        rate = p["spikes"].mean(axis=(0, 1))
        assert ((0.1 < rate) & (rate < 0.7)).all() if v.W == 1 else not rate.any()
        assert p["mem"].any() and p["syn"].any()
        gap = np.abs(p["mem"] - v.threshold)[p["mem"] != 0]
        assert gap.min() > 1e-3
        assert np.array_equal(p["V"] == 0, (np.eye(3) == 0) & v.diagonal | (v.V == 0))
        assert 0 <= p["target"].min() < p["target"].max() < 1
        again = variants.network(v, seed)
        assert all(np.array_equal(p[key], again[key]) for key in p)
        assert not np.array_equal(p["W"], variants.network(v, seed + 1)["W"])


@pytest.mark.parametrize("rule", RULES)
def test_the_right_answers_are_those_of_bptt(rule):
    found = run(rule=rule)
    p, right = found.p, found.right
    assert found.wrong == frozenset() and found.broken == () and found.changed == ()
    assert set(right) == set(RULES[rule]) and found.reset == (rule != "bptt_detached")
    c = {key: p[key] for key in ("alpha", "beta", "gain", "threshold")}
    rec = lif.simulate(p["x"], p["W"], p["V"], **c)
    psi, d = variants.slope(p), (rec.spikes - p["target"]) / 2
    J, F, _ = lif.linearise(p["x"], p["W"], p["V"], rec, psi, **c,
                            through_reset=rule != "bptt_detached")
    flat = bptt.gradient(J, F, lif.credit(psi, d))
    for name, part in (("dW", flat[:-9]), ("dV", flat[-9:])):
        np.testing.assert_allclose(right[name].ravel(), part, rtol=1e-10, atol=1e-12)
    assert right["loss"] == pytest.approx((d * d).sum())          # B = 2


def test_outputs_are_compared_by_their_dtype():
    def rough(factor, dtype):
        return lambda p: {name: np.asarray(factor * value, dtype) for name, value in
                          RIGHT(p).items()}

    p = variants.network(ALL, 2)
    every = set(RULES["bptt"])
    assert variants.ask(rough(1 + 1e-10, float), "bptt", p).wrong == set()
    assert variants.ask(rough(1 + 1e-8, float), "bptt", p).wrong == every
    assert variants.ask(rough(1 + 1e-5, np.float32), "bptt", p).wrong == set()
    assert variants.ask(rough(1 + 1e-3, np.float32), "bptt", p).wrong == every
    a = np.array([1.0, -4.0])
    assert variants.same(a + 3.9e-9, a) and not variants.same(a + 4.1e-9, a)
    assert variants.same(a + 1.9e-9, a, 2.0) and not variants.same(a - 2.1e-9, a, 2.0)
    assert not variants.same(np.array([np.nan]), np.array([1.0]))
    assert variants.same(a[:0], a[:0])


def test_rounding_of_zeros_is_no_fault():
    def noisy(p):
        found = RIGHT(p)
        found["spikes"] = found["spikes"] + 1e-13
        return found | {"dV": found["dV"] + 1e-13 * np.abs(found["dW"]).max()}

    p = variants.network(Variant(W=0.02), 1)
    found = variants.ask(noisy, "bptt", p)
    assert not found.right["spikes"].any() and not found.right["dV"].any()
    assert found.wrong == frozenset()
    far = variants.ask(lambda p: {"dV": RIGHT(p)["dV"] + 1e-11 * np.abs(
        RIGHT(p)["dW"]).max()}, "bptt", p)
    assert far.wrong == {"dV"}
    assert variants.ask(lambda p: {"spikes": RIGHT(p)["spikes"] + 1e-8}, "bptt",
                        p).wrong == {"spikes"}


def test_unusable_results_are_described():
    p = variants.network(ALL, 0)

    def found(name, value):
        return variants.ask(lambda p: RIGHT(p) | {name: value(p)}, "bptt", p)

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
        assert result.found is result.right
    raised = variants.ask(lambda p: p["missing"], "bptt", p)
    assert raised.broken == ("", "raises KeyError: 'missing'") and not raised.wrong
    assert found("loss", lambda p: RIGHT(p)["loss"].reshape(1, 1)).broken == ()
    assert found("spikes", lambda p: RIGHT(p)["spikes"] > 0).wrong == frozenset()


@pytest.mark.parametrize("value", [None, {}, {"dw": 0.0}, [1.0], {"loss": 1.0, 2: 1.0}])
def test_what_is_no_result_is_refused(value):
    with pytest.raises(ValueError, match="^function returns .*: must be a dict with some "
                       r"of \('loss', 'spikes'"):
        variants.ask(lambda p: value, "bptt", variants.network(ALL, 0))


def test_inputs_are_copied_and_changes_of_them_are_seen():
    p = variants.network(ALL, 0)
    before = variants.copied(p)

    def spoiled(key, action):
        def function(p):
            found = RIGHT(p)
            action(p, key)
            return found
        return variants.ask(function, "bptt", p).changed

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
    own = variants.copied(p)
    assert variants.ask(lambda q: RIGHT(q) if q is own else {}, "bptt", p, own).wrong == \
        frozenset()


def test_a_right_simulation_leaves_no_residual():
    for v in LOUD:
        for term, (residual, part) in variants.residuals(run(v=v)).items():
            assert np.abs(residual).max() < 1e-13, (v, term)
            assert part.shape == residual.shape
            assert part.any() or term == "recurrence" and not v.V


@pytest.mark.parametrize("term", ["input", "recurrence", "reset", "current decay",
                                  "membrane decay", "gain"])
def test_a_factor_of_a_term_is_the_factor_of_its_residual(term):
    found = run(("forward", term, "factor"))
    residual, part = variants.residuals(found)[term]
    scale = -found.p["threshold"] if term == "reset" else {
        "current decay": 0.7, "membrane decay": 0.8}.get(term, 1)
    np.testing.assert_allclose(residual, 0.3 * scale * part, rtol=1e-9, atol=1e-12)
    assert part.any()


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("v", LOUD)
def test_a_right_gradient_leaves_no_residual(v, rule):
    found = run(v=v, rule=rule)
    dI, right = variants.adjoints(found)
    np.testing.assert_allclose(dI, right, rtol=1e-9, atol=1e-12)
    flat = found.right["dW"].reshape(3, T, 2).transpose(1, 2, 0)
    np.testing.assert_allclose(dI, flat, rtol=1e-9, atol=1e-12)
    assert not dI[-2:].any() and dI[-3].all()
    for term, (residual, part) in variants.back_residuals(found).items():
        assert np.abs(residual).max() < 1e-12, term
        assert part.shape == residual.shape and (part.any() or term == "recurrence")


@pytest.mark.parametrize("rule", ["bptt", "rtrl"])
@pytest.mark.parametrize("term", ["recurrence", "reset", "current decay", "surrogate",
                                  "membrane decay", "gain", "error"])
def test_a_factor_of_an_adjoint_term_is_the_factor_of_its_residual(term, rule):
    found = run(("backward", term, "factor"), rule=rule)
    residual, part = variants.back_residuals(found)[term]
    scale = {"current decay": 0.7, "membrane decay": 0.8, "reset": -0.7}.get(term, 1)
    np.testing.assert_allclose(residual, 0.3 * scale * part, rtol=1e-9, atol=1e-12)
    assert part.any()


def test_adjoints_keep_the_dtype_of_the_output():
    p = variants.network(ALL, 0)
    for keep in (("dx",), ("dW",)):
        found = variants.ask(lambda p: {name: RIGHT(p)[name].astype(np.float32) for name
                                        in keep}, "bptt", p)   # noqa: B023
        dI, right = variants.adjoints(found)
        assert dI.dtype == np.float32 and right.dtype == np.float64
        assert variants.same(dI, right)
