"""Test that the strategies draw spiking networks with all values of all options."""

import itertools

import hypothesis
import numpy as np
import pytest
import strategies
from hypothesis import find, given, settings

from refsnn import lif

COUNT = 600


def collect(strategy, count=COUNT):
    """Return a list of `count` or more draws."""
    drawn = []

    @settings(max_examples=count, database=None, phases=[hypothesis.Phase.generate])
    @given(strategy)
    def keep(value):
        drawn.append(value)

    keep()
    return drawn


NETWORKS = []


def networks():
    """Draw networks once, for all tests of this file."""
    if not NETWORKS:
        NETWORKS.extend(collect(strategies.live_lif()))
    return NETWORKS


def test_enough_networks_are_drawn_and_they_differ():
    seen = networks()
    assert len(seen) >= 400
    assert len({net.x.shape + net.W.shape for net in seen}) >= 100
    assert len({float(net.W[0, 0]) for net in seen}) >= 300


def test_networks_spike_but_not_always():
    rates = [net.recording.spikes.mean() for net in networks()]
    assert 0 < min(rates) and max(rates) < 1
    assert min(rates) < 0.15 and max(rates) > 0.4
    assert all(np.isin(net.recording.spikes, (0, 1)).all() for net in networks())
    assert all(strategies.gap(net) > 1e-4 for net in networks())


def test_spikes_have_consequences():
    for net in networks():
        assert net.recording.spikes[:-2].any()
    with_memory = [net for net in networks() if net.V is not None]
    deaf = [lif.simulate(net.x, net.W, np.zeros_like(net.V),
                         refractory=net.refractory, **net.model)
            for net in with_memory]
    changed = [not np.array_equal(net.recording.mem, other.mem)
               for net, other in zip(with_memory, deaf, strict=True)]
    assert np.mean(changed) > 0.9


def test_gradients_are_not_zero():
    nonzero = []
    for net in networks():
        rec = net.recording
        psi = 1 / (1 + np.abs(rec.mem - net.model["threshold"])) ** 2
        got = lif.backward(net.x, net.W, net.V, rec, psi,
                           net.rng.normal(size=psi.shape),
                           net.rng.normal(size=psi.shape), **net.model, **net.paths)
        nonzero.append(np.abs(got.dW).max() > 0
                       and (net.V is None or np.abs(got.dV).max() > 0))
    assert all(nonzero)


def test_every_value_of_every_option_occurs():
    seen = [net.options for net in networks()]
    for name in strategies.Options._fields:
        values = {getattr(options, name) for options in seen}
        wanted = {"gain": {"one", "leak", "other"}, "reset": {"subtract", "zero"},
                  "refractory": {0, 1, 2}}.get(name, {False, True})
        if name in ("alpha", "beta", "threshold"):
            wanted = {0.0} if name != "threshold" else {1.0}
            assert len(values) >= 10, name
        assert wanted <= values, (name, values)
    assert np.mean([o.threshold != 1 for o in seen]) > 0.5
    flags = [(o.reset, o.through_reset, o.recurrent, o.through_recurrence,
              o.refractory > 0, o.per_neuron, o.analog) for o in seen]
    for i, j in itertools.combinations(range(len(flags[0])), 2):
        assert len({(f[i], f[j]) for f in flags}) == 4, "a pair is missing"


def test_sizes_reach_one_and_more():
    shapes = np.array([net.x.shape + net.W.shape[:1] for net in networks()])
    assert (shapes[:, 1:].min(axis=0) == 1).all()
    assert (shapes[:, 1:].max(axis=0) >= 3).all()
    assert len(set(shapes[:, 0])) >= 6


def test_arrays_are_no_constants():
    for net in networks():
        assert net.x.size < 16 or np.ptp(net.x) > 0
        assert net.W.size == 1 or np.ptp(net.W) > 0
        assert net.V is None or net.V.size == 1 or np.ptp(net.V) > 0
        assert net.x.any() and net.W.all()


def test_fixed_options_and_dtype_are_kept():
    drawn = collect(strategies.live_lif(dtype=np.float32, reset="zero",
                                        recurrent=True, refractory=2), 20)
    for net in drawn:
        assert net.model["reset"] == "zero" and net.refractory == 2
        assert {net.x.dtype, net.W.dtype, net.V.dtype,
                net.recording.mem.dtype} == {np.dtype(np.float32)}


def test_the_seed_and_options_determine_the_network():
    net = networks()[-1]
    size = strategies.Sizes(*net.x.shape, len(net.W))
    again = strategies.network(net.options, size, net.seed)
    assert np.array_equal(again.recording.mem, net.recording.mem)


def test_silence_is_not_live():
    """`live` rejects spikes that are absent, permanent or too late."""
    silent = np.zeros((6, 1, 2))
    late = silent.copy()
    late[-1] = 1
    early = silent.copy()
    early[1, 0, 1] = 1
    assert not strategies.live(silent)
    assert not strategies.live(np.ones((6, 1, 2)))
    assert not strategies.live(late)
    assert strategies.live(early)


def test_other_draws_vary():
    systems = collect(strategies.linear_systems(), 60)
    assert len({F.shape for _, F, _ in systems}) > 20
    assert all(J.any() and F.any() and q.any() for J, F, q in systems)
    records = collect(strategies.labelled_records(), 60)
    assert all(0 <= labels.min() and labels.max() < record.shape[2]
               for record, labels, _ in records)
    assert {0, 1, 2} <= {int(v) for _, labels, _ in records for v in labels}
    trains = [spikes for spikes, _ in collect(strategies.spike_trains(), 60)]
    assert all(0 < spikes.mean() < 1 for spikes in trains)
    names = {name for name, _ in collect(strategies.surrogates(), 100)}
    assert names == set(strategies.SURROGATE_NAMES)


def test_an_unknown_option_is_refused():
    with pytest.raises(TypeError, match="rest"):
        find(strategies.lif_options(rest="zero"), lambda options: True)
