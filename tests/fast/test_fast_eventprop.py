"""Test fast event-driven layers against `eventprop`: same spikes, same gradients."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from proofs import examples, proves
from strategies import SEEDS
from tolerances import close

from refsnn import eventprop
from refsnn.fast import eventprop as fast

FIELDS = ["dW", "ddelays", "dtau_mem", "dtau_syn", "dthreshold"]


def layer(rng, n, m, delayed):
    """Return weights and options of a random layer.

    The time constants of a neuron are equal, almost equal or different.
    """
    tau_mem = rng.uniform(0.5, 2, n)
    apart = rng.uniform(-0.8, 3, n) * rng.choice([0, 1e-9, 1, 1], n)
    return rng.normal(2.0, 1, (n, m)), {
        "tau_mem": tau_mem, "tau_syn": tau_mem * (1 + apart),
        "threshold": rng.uniform(0.6, 1.2, n), "until": 14.0,
        "delays": rng.uniform(0, 1, (n, m)) if delayed else None}


def clear(dtimes, units, W, rec, options):
    return eventprop.backward(dtimes, units, W, None, rec, **{
        name: options[name] for name in ("tau_mem", "tau_syn", "threshold")})


def equal(found, wanted):
    for name in FIELDS:
        close(getattr(found, name), getattr(wanted, name))
    close(np.concatenate(found.dtimes), np.concatenate(wanted.dtimes))
    assert [len(a) for a in found.dtimes] == [len(a) for a in wanted.dtimes]


@proves("fast/eventprop", 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18,
        19)
@examples(10)
@given(SEEDS, st.booleans())
def test_two_layers_equal_eventprop(seed, delayed):
    rng = np.random.default_rng(seed)
    spikes = [np.sort(rng.uniform(0, 12, size)) for size in (6, 9, 0)]
    units = [rng.integers(0, 3, len(t)) for t in spikes]
    lower, upper = layer(rng, 4, 3, delayed), layer(rng, 2, 4, delayed)
    wanted, found = [], []
    for mod, recs in ((eventprop, wanted), (fast, found)):
        recs.append(mod.simulate(spikes, units, lower[0], **lower[1]))
        recs.append(mod.simulate(*recs[0][:2], upper[0], **upper[1]))
    for one, two in zip(found, wanted, strict=True):
        assume(two.margin.min() > 1e-6 and two.slope.min() > 1e-3)
        for a, b in zip(one.units, two.units, strict=True):
            assert a.tolist() == b.tolist()
        close(np.concatenate(one.times), np.concatenate(two.times))     # not silent
        assert max(map(len, two.times)) > 4
    dtimes = [rng.normal(size=len(t)) for t in wanted[1].times]
    top = clear(dtimes, wanted[0].units, upper[0], wanted[1], upper[1])
    fast_top = fast.backward(dtimes, found[1])
    equal(fast_top, top)
    equal(fast.backward(fast_top.dtimes, found[0]),
          clear(top.dtimes, units, lower[0], wanted[0], lower[1]))


@examples(10)
@given(SEEDS, st.booleans())
def test_first_spikes_are_those_of_all_spikes(seed, delayed):
    rng = np.random.default_rng(seed)
    times = [np.sort(rng.uniform(0, 9, size)) for size in (5, 0, 12)]
    units = [rng.integers(0, 3, len(t)) for t in times]
    W, options = layer(rng, 4, 3, delayed)
    some, every = (fast.simulate(times, units, W, first=first, **options)
                   for first in (True, False))
    wanted = eventprop.first(every.times, every.units, 4)
    np.testing.assert_array_equal(eventprop.first(some.times, some.units, 4), wanted)
    count = np.isfinite(wanted).sum()
    assert sum(map(len, some.times)) == count
    assume(sum(map(len, every.times)) > count > 2)
    dfirst = np.where(np.isfinite(wanted), rng.normal(size=wanted.shape), 0)
    equal(*(fast.backward(eventprop.first_backward(dfirst, *rec[:2]), rec)
            for rec in (some, every)))


@examples(10)
@given(SEEDS)
def test_float32_and_the_order_of_the_input_spikes(seed):
    rng = np.random.default_rng(seed)
    times, units = rng.uniform(0, 5, 9).astype(np.float32), rng.integers(0, 3, 9)
    W, options = layer(rng, 4, 3, True)
    W, order = W.astype(np.float32), np.argsort(times)
    rec = fast.simulate([times], [units], W, **options)
    wanted = eventprop.simulate([times[order]], [units[order]], W, **options)
    assume(wanted.margin.min() > 1e-3 and wanted.slope.min() > 0.1)
    assert rec.times[0].dtype == np.float32 and len(rec.times[0])
    assert rec.units[0].tolist() == wanted.units[0].tolist()
    np.testing.assert_allclose(rec.times[0], wanted.times[0], rtol=1e-6)
    one = np.ones(len(rec.times[0]))
    found, back = fast.backward([one], rec), clear([one], [units[order]], W, wanted,
                                                   options)
    close(found.dtimes[0][order], back.dtimes[0], 1e-4)
    close(found.dW, back.dW, 1e-4)


@proves("fast/eventprop", 6, 7)
@pytest.mark.parametrize("tau_mem, tau_syn, largest", [(1.0, 1.0, np.exp(-1)),
                                                       (2.0, 1.0, 0.25)])
def test_neurons_close_to_a_touch(tau_mem, tau_syn, largest):
    W = np.array([[1 - 1e-6], [1 + 1e-6]]) / largest        # the maximum of U
    rec = fast.simulate([[0.0]], [np.array([0])], W, tau_mem=tau_mem, tau_syn=tau_syn,
                        until=5.0)
    assert rec.units[0].tolist() == [1]


def test_simultaneous_spikes_arrivals_and_the_end():
    options = {"tau_mem": 1.0, "tau_syn": 1.0, "until": 3.0}
    W, one = np.full((2, 1), 4.0), np.array([0, 0, 0])
    for times in ([0.0, 0.0, 9.0], [0.0, 3.0, 3.5]):
        found = fast.simulate([times], [one], W, **options)
        wanted = eventprop.simulate([times], [one], W, **options)
        assert found.units[0].tolist() == wanted.units[0].tolist()
        assert found.units[0][:2].tolist() == [0, 1] and np.ptp(found.times[0][:2]) == 0
        dtimes = [np.arange(1.0, 1 + len(found.times[0]))]
        grad = fast.backward(dtimes, found)
        close(grad.dtimes[0], clear(dtimes, [one], W, wanted, options | {
            "threshold": 1.0}).dtimes[0])
        assert grad.dtimes[0][0] and not grad.dtimes[0][2]      # after the end


def test_more_spikes_than_allowed_are_refused():
    one = [[0.0]], [np.array([0])], np.full((2, 1), 3.0)
    options = {"tau_mem": 1.0, "tau_syn": 1.0, "until": 5.0}
    assert len(fast.simulate(*one, **options, most=2).times[0]) == 2
    for W, most in ((3.0, 1), (1e300, 50)):
        with pytest.raises(ValueError, match=f"^most is {most}: sample 0 has more spi"):
            fast.simulate(*one[:2], np.full((2, 1), W), **options, most=most)
    with pytest.raises(ValueError, match="^most is 3: sample 1 has more spikes"):
        fast.simulate([[6.0, 7.0, 8.0], [0.0], [6.0, 7.0]], [np.zeros(size, int)
                                                             for size in (3, 1, 2)],
                      np.array([[0.0], [9.0]]), **options, most=3)
