"""Golden vectors see every entry of their inputs.

One entry at a time is changed: bits are flipped, integers are moved, and other
numbers are set to 1000.  An output must change by more than 1e-6 of its largest entry,
except where the vector says that the entry is idle.  At most 20 entries of each input
and 20 idle ones are changed (200 of wide layers); the environment variable
REFSNN_FULL_SWEEP=1 selects all entries.
"""

import numpy as np
import pytest
from answers import ANSWERS, si_path
from strategies import FULL

from refsnn import lif, losses, si, sparse_rtrl, surrogates
from refsnn.oracle import check
from refsnn.oracle.build import registry
from refsnn.oracle.build.vector import marked
from refsnn.oracle.matching import COUNTED, _same

VECTORS = check.vectors()
SPIKING = [(name, key) for name, v in VECTORS.items()
           for key in sorted({"spikes", "spikes2"} & {*v.inputs, *v.outputs})]
CONTINUAL = [name for name in registry.REGISTRY if name.startswith(("si_", "ewc"))]


def values(array, old):
    """Return the values that replace an entry, in the order in which they are tried."""
    if array.dtype.kind in "iu":
        return [old + 1, old - 1, 1000, -old]
    if array.ndim and np.isin(array, (0, 1)).all():
        return [1 - old]
    return [1000.0, -1000.0, 0.0, old / 2, 2 * old, old + 0.25]


def changed(vector, name, at, value):
    """Return the inputs with one changed entry."""
    old = vector.inputs[name]
    if not np.ndim(old):
        return vector.inputs | {name: type(old)(value)}
    new = old.copy()
    new[at] = value
    return vector.inputs | {name: new}


def differs(vector, found, rtol=1e-6):
    return not all(_same(found[key], right, vector.exact or key in COUNTED, rtol)
                   for key, right in vector.outputs.items())


def seen(vector, answer, name, at, rtol=1e-6, tried=None):
    """Return whether a change of one entry changes an output."""
    array = np.asarray(vector.inputs[name])
    for value in values(array, array[at])[:tried]:
        try:
            with np.errstate(all="ignore"):
                found = answer(changed(vector, name, at, value))
        except ValueError:              # a value that the module refuses
            continue
        if differs(vector, found, rtol):
            return True
    return False


def sweep(vector, answer, most=None):
    """Return the entries that no output sees, and the idle entries that one sees."""
    blind, busy, rng = [], [], np.random.default_rng(1)
    for name, value in vector.inputs.items():
        idle, reason = vector.idle.get(name, (np.zeros(np.shape(value), bool), ""))
        assert idle.shape == np.shape(value) and bool(reason) == bool(idle.any())
        for mask, found, rtol, tried in ((~idle, blind, 1e-6, None),
                                         (idle, busy, 1e-12, 1)):
            for at in map(tuple, rng.permutation(np.argwhere(mask)).tolist()[:most]):
                if seen(vector, answer, name, at, rtol, tried) == idle[at]:
                    found.append((name, at))
    return sorted(blind), sorted(busy)


@pytest.mark.parametrize("name", registry.REGISTRY)
def test_the_inputs_give_the_outputs_and_each_entry_matters(name):
    vector, answer = VECTORS[name], ANSWERS[name]
    found = answer(vector.inputs)
    assert found.keys() == vector.outputs.keys() and not differs(vector, found, 1e-10)
    assert vector.idle.keys() <= vector.inputs.keys()
    most = None if FULL else 200 if "lif_wide" in name else 20
    assert sweep(vector, answer, most) == ([], [])


@pytest.mark.parametrize("name", registry.REGISTRY)
def test_inputs_in_float32_give_the_outputs_within_its_tolerance(name):
    single = {key: np.asarray(a).astype(np.float32).astype(float)[()]
              if np.asarray(a).dtype == float else a
              for key, a in VECTORS[name].inputs.items()}
    assert not differs(VECTORS[name], ANSWERS[name](single), 1e-4)


def test_the_sweep_finds_a_silent_neuron_and_a_wrong_mark():
    silent = registry.build("lif_forward", (1, 40, 3, 4, 3))  # neuron 0 never spikes
    blind, busy = sweep(silent, ANSWERS["lif_forward"])
    assert blind == [("V", (k, 0)) for k in range(3)] and not busy
    vector = VECTORS["lif_forward"]
    x = vector.inputs["x"]
    wrong = vector._replace(idle=vector.idle | {"x": (marked(x, -1, (7, 0, 0)), "-")})
    assert sweep(wrong, ANSWERS["lif_forward"]) == ([], [("x", (7, 0, 0))])
    late = vector._replace(idle={})
    blind, _ = sweep(late, ANSWERS["lif_forward"])
    assert {name for name, _ in blind} == {"x", "tau_syn", "tau_mem", "dt"}


@pytest.mark.parametrize("name, key", SPIKING)
def test_each_neuron_spikes_and_pauses(name, key):
    spikes = np.asarray((VECTORS[name].inputs | VECTORS[name].outputs)[key])
    trials = tuple(range(spikes.ndim - 1))
    assert spikes.any(axis=trials).all() and not spikes.all(axis=trials).any()


# ---- mistakes that must be caught, although no vector names all of them

def caught(name, found):
    return any(f.status == "wrong" for f in check.check(
        {f"{name}.{key}": value for key, value in found.items()}, VECTORS))


@pytest.mark.parametrize("name", CONTINUAL)
def test_importances_of_the_last_task_alone_are_caught(name):
    p, right = VECTORS[name].inputs, VECTORS[name].outputs
    if name.startswith("ewc"):
        second = {key: p[f"second_{key}"] for key in ("W0", "W1", "b0", "b1", "x")}
        twice = ANSWERS[name](p | second)           # the second task, then again
        found = {key: value / (1 + p.get("decay", 1.0)) for key, value in twice.items()}
    else:
        assert len(p["task_ends"]) == 2
        found = si_path(p, name[3:], overwrite=True)
    assert found.keys() == right.keys() and caught(name, found)
    assert not caught(name, ANSWERS[name](p))


def test_there_is_a_vector_for_each_preset_of_synaptic_intelligence():
    assert set(CONTINUAL) == {"ewc", "ewc_online"} | {
        f"si_{preset}" for preset in si.PRESETS}


@pytest.mark.parametrize("column", range(3))
def test_a_wrong_column_of_the_recurrent_weights_is_caught(column):
    p = VECTORS["lif_forward"].inputs
    V = p["V"].copy()
    V[:, column] = 1000
    assert caught("lif_forward", ANSWERS["lif_forward"](p | {"V": V}))


@pytest.mark.parametrize("rule", ["implicit", "block"])
@pytest.mark.parametrize("column", range(3))
def test_a_lost_column_of_the_recurrent_weights_is_caught(rule, column):
    p = VECTORS[f"rtrl_{rule}"].inputs
    V, own = p["V"].copy(), {key: p[key] for key in ("alpha", "beta", "gain",
                                                     "threshold")}
    V[:, column] = 0
    run = lif.simulate(p["x"], p["W"], V, **own)
    _, d = losses.square(run.spikes, p["target"])
    psi = surrogates.fast_sigmoid(run.mem - p["threshold"], p["steepness"])[1]
    g = sparse_rtrl.gradient(p["x"], V, tuple(run), psi, d, rule=rule, **own)
    assert caught(f"rtrl_{rule}", {"dW": g.dW})
    assert caught(f"rtrl_{rule}", {"spikes": run.spikes})


@pytest.mark.parametrize("first", [1024, 2000, 2047])
def test_neurons_that_a_sum_leaves_out_are_caught(first):
    p = VECTORS["lif_wide"].inputs
    found = ANSWERS["lif_wide"](p | {"W": p["W"][:first]})
    assert all(caught("lif_wide", {key: value}) for key, value in found.items())


def test_late_events_in_the_last_bin_are_caught():
    p = VECTORS["binning"].inputs
    late = p["times"] >= p["T"] * p["dt"]
    assert 3 < late.sum() < 50
    times = np.where(late, (p["T"] - 0.5) * p["dt"], p["times"])
    assert caught("binning", ANSWERS["binning"](p | {"times": times}))
