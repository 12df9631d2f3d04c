"""What the functions of `refsnn.sparse_rtrl` accept and refuse."""

import numpy as np
import pytest
from harness import contract, verify

from refsnn import sparse_rtrl as sparse

NUMBERS = "alpha () in [0, 1), beta () in [0, 1), gain () in (0, inf)"
LEAK = NUMBERS.replace("()", "(n?)")
OPTIONS = ("threshold (n?) in (0, inf), reset {subtract, zero}, through_reset bool, "
           "rule {exact, block, implicit, presynaptic}")
STEP = ("x (B*, m*), V? (n, n), syn (B*, n), mem (B*, n), spikes (B*, n), "
        "psi (B*, n) float, clamp? (B*, n) in {0, 1}, ") + OPTIONS
RUN = ("x (T, B, m*), V? (n, n), recording.syn (T, B, n), recording.mem (T, B, n), "
       "recording.spikes (T, B, n), recording.clamp (T, B, n) in {0, 1}, psi (T, B, n) "
       "float, dspikes? (T, B, n), dmem? (T, B, n), ") + OPTIONS
FUNCTIONS = [contract(function, f"{text}, {constants}", given={"rule": rule} | more)
             for function, text, more in ((sparse.lif_step, STEP, {"traces": None}),
                                          (sparse.gradient, RUN, {}))
             for rule, constants in (("exact", LEAK), ("block", LEAK),
                                     ("presynaptic", NUMBERS))]
FUNCTIONS += [
    contract(sparse.rest, "rule {exact, block, implicit, presynaptic}, B () int in "
             "[0, inf), n () int in [0, inf), count () int in [0, inf)",
             given=lambda module, rng, dtype, sizes: {"dtype": dtype}),
    contract(sparse.eligibility, "traces.syn (B*, n, p*), traces.mem (B*, n, p*), "
             "psi (B*, n) float"),
    contract(sparse.eligibility, "traces.syn (B*, p*), traces.mem (B*, p*), "
             "psi (B*, n) float"),
    contract(sparse.readout_step, "filtered.syn (B*, n, p*), filtered.mem (B*, n, p*),"
             f" eligibility (B*, n, p*) float, {NUMBERS}"),
]


@pytest.mark.parametrize("c", FUNCTIONS, ids=lambda c: c.function.__name__)
def test_contract(c):
    bad = verify(c)
    assert not bad, "\n".join(bad)


ONE, X, V = np.ones((2, 3)), np.ones((2, 1)), np.eye(3)
TRACES = sparse.rest("block", 2, 3, 4)
CONSTANTS = {"alpha": 0.5, "beta": 0.5}


def step(traces, V=V, rule="block", out=None, x=X, psi=ONE):
    return sparse.lif_step(traces, x, V, ONE, ONE, ONE, psi, rule=rule, out=out,
                           **CONSTANTS)


def traces(shape, dtype=float):
    return sparse.Traces(*np.zeros((2, *shape), dtype))


@pytest.mark.parametrize("given, options, match", [
    (None, {"rule": "diagonal"}, "^rule is 'diagonal': must be one of 'exact', "),
    (ONE, {}, "^traces is of type ndarray: must be a Traces"),
    (TRACES[:1], {}, "^traces is of type tuple: must be a Traces"),
    (traces((1, 3, 4)), {}, r"^traces.syn has 1 sample \(axis 0\), psi has 2"),
    (traces((2, 2, 4)), {}, r"^traces.syn has 2 units \(axis 1\), psi has 3"),
    (traces((2, 3, 3)), {}, r"^traces.syn has 3 entries \(axis 2\): must have 4"),
    (TRACES, {"V": None}, r"^traces.syn has 4 entries \(axis 2\): must have 1"),
    (TRACES, {"rule": "exact"}, r"^traces.syn has 4 .*: must have 12"),
    (TRACES, {"rule": "presynaptic"}, "^traces.syn has shape .* 2 axes"),
    (traces((3, 4)), {"rule": "presynaptic"}, "^traces.syn has 3 .*, psi has 2"),
    (traces((2, 3)), {"rule": "presynaptic"}, "^traces.syn has 3 .* must have 4"),
    (TRACES._replace(mem=ONE), {}, "^traces.mem has shape"),
    (TRACES._replace(mem=None), {}, "^traces.mem is None"),
    (TRACES._replace(syn=np.ma.masked_array(TRACES.syn)), {}, "^traces.syn is a mask"),
    (TRACES._replace(mem=np.ma.masked_array(TRACES.mem)), {}, "^traces.mem is a mask"),
    (TRACES._replace(syn=1j * TRACES.syn), {}, "^traces.syn is complex128"),
    (TRACES._replace(syn=1e300 + TRACES.syn), {"psi": ONE.astype("f")},
     "^traces.syn overflows in float32"),
    (None, {"out": TRACES[:1]}, "^out is of type tuple: must be a Traces"),
    (None, {"out": (TRACES.syn, 1)}, "^out.mem is int64 of shape"),
    (None, {"out": traces((2, 3, 4), "f")}, "^out.syn is float32 .* must be float64"),
    (None, {"out": traces((2, 3, 3))}, r"^out.syn is .* must be .* \(2, 3, 4\)"),
    (TRACES, {"out": TRACES}, "^out.syn shares memory"),
    (None, {"out": (TRACES.syn, TRACES.syn)}, "^out.syn and out.mem share memory")])
def test_traces_and_buffers_of_a_step(given, options, match):
    with pytest.raises(ValueError, match=match):
        step(given, **options)


@pytest.mark.parametrize("name", ["x", "V", "syn", "mem", "spikes", "psi"])
def test_buffers_are_separate_from_all_arguments(name):
    out = traces((2, 3, 4))
    now = {"x": X, "V": V, "syn": ONE, "mem": ONE, "spikes": ONE, "psi": ONE}
    now[name] = out.mem.reshape(-1)[:now[name].size].reshape(now[name].shape)
    with pytest.raises(ValueError, match="^out.mem shares memory"):
        sparse.lif_step(None, **now, rule="block", out=out, **CONSTANTS)


def test_entries_of_traces_are_read_only_if_they_are_cast():
    bad = sparse.Traces(*(np.full_like(a, np.nan) for a in TRACES))
    assert np.isnan(step(bad).mem).all()
    for wrong in (sparse.Traces(*(a.astype("f") for a in bad)), bad):
        with pytest.raises(ValueError, match="^traces.syn is nan"):
            step(wrong, psi=ONE.astype("f" if wrong is bad else float))


def test_bundles_and_the_dtype_between_arguments():
    rec, psi = (np.ones((2, 2, 3)),) * 4, np.ones((2, 2, 3))
    for wrong in (rec[:3], None, np.ones((4, 2, 2, 3))):
        with pytest.raises(ValueError, match=r"^recording is of type .* \(syn, "):
            sparse.gradient(psi, V, wrong, psi, rule="block", **CONSTANTS)
    for last in (TRACES, None, TRACES[:1]):
        for function in (lambda last: sparse.eligibility(last, ONE[:, :2]),
                         lambda last: sparse.readout_step(last, TRACES.mem[:1],
                                                          **CONSTANTS)):
            with pytest.raises(ValueError, match="^(traces|filtered).* (is of|has) "):
                function(last)
    with pytest.raises(ValueError, match="^dtype is "):
        sparse.rest("block", 1, 1, 1, int)


@pytest.mark.parametrize("rule", sparse.RULES)
def test_traces_of_another_dtype_are_cast(rule):
    start = sparse.Traces(*(a + 1 for a in sparse.rest(rule, 2, 3, 4)))
    wanted = step(start, rule=rule)
    for kind in ("f", int, None):
        given = sparse.Traces(*(a.tolist() if kind is None else a.astype(kind)
                                for a in start))
        for a, b in zip(step(given, rule=rule), wanted, strict=True):
            assert a.dtype == float and (a == b).all() and a.any()
