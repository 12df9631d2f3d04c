"""Test that `probe` accepts right connections to a chip and names each mistake."""

import doctest
import functools

import numpy as np
import pytest
from numpy.testing import assert_allclose
from proofs import proves

from refsnn import chip, lif, probe

SIZES = 12, 8, 3            # m, n, k
DECAY = np.exp(-1.7 / 6)
RIGHT = {"input": 0, "spikes": 0, "samples": 0}


def software(weights, x, reset="subtract", after=False):
    """Return the recordings of a network of `lif`, sampled before or after resets."""
    constants = {"alpha": DECAY, "beta": DECAY}
    layer = lif.simulate(x, weights.hidden / 240, reset=reset, **constants)
    out = lif.readout(layer.spikes, weights.readout / 240, **constants)
    mem = layer.mem - layer.spikes * after
    return layer.spikes, 80 + 70 * np.concatenate([mem, out], axis=2)


def emulated(seed, effects):
    drawn = chip.draw(seed, effects)
    return functools.partial(chip.emulate, drawn, rng=np.random.default_rng(seed))


DEVICES = {"software": software, "zero": functools.partial(software, reset="zero"),
           "calibrated": emulated(3, chip.CALIBRATED),
           "uncalibrated": emulated(3, chip.UNCALIBRATED)}


@pytest.fixture(autouse=True)
def chips_do_not_depend_on_earlier_tests():
    """Start the noise of the chips anew."""
    DEVICES.update(calibrated=emulated(3, chip.CALIBRATED),
                   uncalibrated=emulated(3, chip.UNCALIBRATED))


def late(lag, rest=0):
    return lambda a: probe._late(a - float(rest), lag) + rest


def scrambled(a):
    return np.random.default_rng(0).permuted(a)


def swapped(a):
    a = a.copy()
    a[..., [1, 2]] = a[..., [2, 1]]
    return a


def constant(column, value, step=None):
    def change(a):
        a = a.copy()
        a[slice(None) if step is None else step, :, column] = value
        return a
    return change


def turned(a):
    return np.ascontiguousarray(a.T)


FAULTS = {      # name: what is changed, how, and the sentence
    "samples 1": ("samples", late(1, 80), "Samples come 1 step late."),
    "samples 2": ("samples", late(2, 80), "Samples come 2 steps late."),
    "samples -1": ("samples", late(-1, 80), "Samples come 1 step early."),
    "spikes 1": ("spikes", late(1), "Spikes come 1 step late."),
    "spikes -1": ("spikes", late(-1), "Spikes come 1 step early."),
    "input 1": ("x", late(1), "Input comes 1 step late."),
    "input 2": ("x", late(2), "Input comes 2 steps late."),
    "order of samples": ("samples", swapped, "The samples of 1 are those of 2, 2 are "
                         "those of 1."),
    "order of spikes": ("spikes", swapped, "The spikes of 1 are those of 2, 2 are "
                        "those of 1."),
    "order of readouts": ("readout", lambda a: swapped(a.T).T, "The readouts of 1 are "
                          "those of 2, 2 are those of 1."),
    "transposed": ("hidden", turned, "The matrix of the hidden weights is transposed."),
    "scrambled": ("hidden", scrambled,
                  "The samples do not follow from the weights."),
    "sign": ("hidden", np.negative, "Weights act with the opposite sign."),
    "sign of readouts": ("readout", np.negative,
                         "Readout weights act with the opposite sign."),
    "dead input": ("x", constant(3, 0), "Input 3 has no effect."),
    "silent neurons": ("spikes", lambda a: constant(2, 0)(constant(5, 0)(a)),
                       "Neurons 2 and 5 never spike."),
    "restless neuron": ("spikes", constant(4, 1, 5),
                        "Neuron 4 spikes without weights."),
    "sign of a neuron": ("hidden", lambda a: a * (1 - 2 * (np.arange(len(a)) == 2))[
        :, None], "Neuron 2 has weights that act with the opposite sign."),
    "strength of a neuron": ("samples", lambda a: 80 + (a - 80.) * np.where(
        np.arange(11) == 2, 3, 1), "Neuron 2 responds more or less strongly than the "
        "other neurons by a factor above 2."),
    "dead readout": ("readout", lambda a: a * (np.arange(len(a)) != 1)[:, None],
                     "Readout 1 does not respond to spikes."),
    "dead readouts": ("readout", np.zeros_like,
                      "Readouts 0, 1 and 2 do not respond to spikes."),
    "idle neuron": ("hidden", lambda a: a * (np.arange(len(a)) != 1)[:, None],
                    "Neuron 1 does not respond to input.")}


def faulty(run, what, change):
    """Return a device in whose connection one thing is changed."""
    def other(weights, x):
        if what in ("hidden", "readout"):
            weights = weights._replace(**{what: change(getattr(weights, what))})
        spikes, samples = run(weights, change(x) if what == "x" else x)
        return (change(spikes) if what == "spikes" else spikes,
                change(samples) if what == "samples" else samples)
    return other


def named(run, sizes=SIZES, **more):
    return probe.probe(run, *sizes, **more).faults


# ---- right connections

@pytest.mark.parametrize("device, sizes", [
    *((device, sizes) for device in DEVICES for sizes in (SIZES, (4, 3, 2), (9, 9, 1))),
    *((device, (60, 40, 10)) for device in list(DEVICES)[:3]),
    *((device, (3, 1, 1)) for device in list(DEVICES)[:2])])      # noise: too small
def test_a_right_connection_has_no_fault(device, sizes):
    report = probe.probe(DEVICES[device], *sizes)
    assert report.faults == () and report.delay == RIGHT and not report.after_reset
    assert not (report.restless.any() or report.silent.any() or report.dead.any())
    m, n, k = sizes
    assert report.gain.shape == report.unit.shape == (n,)
    assert report.noise.shape == (n + k,) and report.dead.shape == (m,)


@pytest.mark.parametrize("seed", range(12))
def test_no_fault_for_many_chips_and_seeds(seed):
    for run in (software, emulated(seed, chip.CALIBRATED)):
        report = probe.probe(run, *SIZES, seed=seed)
        assert report.faults == () and report.delay == RIGHT


def test_what_is_measured():
    report = probe.probe(software, *SIZES)
    assert_allclose(report.gain, 1, rtol=1e-9)
    assert not report.noise.any() and ((report.unit > 1) & (report.unit < 1.4)).all()
    for name, sizes in (("gain", "gain"), ("threshold", "unit")):
        effects = chip.only(chip.UNCALIBRATED, name)
        drawn = chip.draw(5, effects)
        run = functools.partial(chip.emulate, drawn, rng=np.random.default_rng(1))
        found = getattr(probe.probe(run, *SIZES), sizes)
        true = getattr(drawn, name)
        true = true.mean(axis=0)[:8] if name == "gain" else true[:8]
        assert np.corrcoef(found, true)[0, 1] > 0.9 and np.ptp(true) > 0.2
    rng = np.random.default_rng(2)

    def noisy(weights, x):
        spikes, samples = software(weights, x)
        return spikes, samples + rng.normal(0, 2 * (np.arange(11) == 9), samples.shape)

    report = probe.probe(noisy, *SIZES)
    assert report.faults == () and report.noise[9] == pytest.approx(2, rel=0.1)
    assert not np.delete(report.noise, 9).any()


# ---- mistakes

@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("fault", FAULTS)
def test_each_mistake_is_named(fault, device):
    what, change, text = FAULTS[fault]
    sizes = (8, 8, 3) if fault == "transposed" else SIZES
    assert named(faulty(DEVICES[device], what, change), sizes) == (text,)


@pytest.mark.parametrize("lag", [0, 1, 2])
def test_samples_after_a_reset(lag):
    """The first spike seems to lag behind its reset by one step more."""
    run = faulty(functools.partial(software, after=True), "spikes", late(lag))
    report = probe.probe(run, *SIZES)
    told = f"Spikes come {lag} step{'s' * (lag > 1)} late."
    assert report.faults == (told,) * (lag > 0) + (
        "Each sample is taken after the reset of its step.",)
    assert report.after_reset and report.delay == {**RIGHT, "spikes": lag}


@proves("probe", 4)
def test_late_samples_after_a_reset():
    run = faulty(functools.partial(software, after=True), "samples", late(1, 80))
    report = probe.probe(run, *SIZES)
    assert report.after_reset and report.delay == {**RIGHT, "samples": 1}


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_wrong_scales(device, factor):
    run = DEVICES[device]
    texts = named(run, scale=240.0 / factor)
    assert [text.split()[0] for text in texts] == ["Input", "Readouts"]
    for text in texts:
        assert text.endswith(" times as strong as described.")
        assert float(text.split()[2]) == pytest.approx(1 / factor, rel=0.3)
    text, = named(run, unit=70.0 / factor)
    assert text.startswith("Neurons spike at ") and text.endswith(" above the leak.")
    assert float(text.split()[3]) == pytest.approx(factor, rel=0.3)


@pytest.mark.parametrize("device", list(DEVICES)[:3])
def test_weak_weights_and_weak_readouts(device):
    run = DEVICES[device]
    texts = named(faulty(run, "hidden", lambda a: 0.3 * a) if run is software else run,
                  scale=240.0 if run is software else 800.0)
    assert [text.split()[0] for text in texts] == ["Input", "Readouts"][
        :1 + (run is not software)]
    strong = faulty(run, "samples", lambda a: 80 + (a - 80.) * np.where(
        np.arange(11) < 8, 1, 2))
    text, = named(strong)
    assert text.startswith("Readouts are ")
    assert float(text.split()[2]) == pytest.approx(2, rel=0.2)


@pytest.mark.parametrize("device", list(DEVICES)[:3])
@pytest.mark.parametrize("more", [{"tau_syn": 18e-6, "tau_mem": 18e-6},
                                  {"tau_mem": 2e-6, "tau_syn": 2e-6},
                                  {"dt": 0.6e-6}])
def test_wrong_time_constants(device, more):
    found = named(DEVICES[device], **more)
    assert found == ("Responses do not have the shape of the nominal time constants "
                     "and time step.",) or device == "calibrated" and found     # noise


def test_neurons_that_spike_late():
    def slow(weights, x):
        return software(weights, x * (np.arange(40) > 26)[:, None, None] if (
            x[-1].any() and weights.readout.any()) else x)

    assert named(slow) == ("Neurons spike late: `steps` is too small.",)


def test_wrong_time_constants_of_a_noisy_chip():
    rng = np.random.default_rng(3)

    def noisy(weights, x):
        spikes, samples = software(weights, x)
        return spikes, samples + rng.normal(0, 1, samples.shape)

    for more in ({}, {"tau_syn": 18e-6, "tau_mem": 18e-6}):
        assert [text[:30] for text in named(noisy, **more)] == bool(more) * [
            "Responses do not have the shap"]


def test_several_inputs_and_neurons():
    run = faulty(software, "x", lambda a: constant(3, 0)(constant(5, 0)(a)))
    assert named(run) == ("Inputs 3 and 5 have no effect.",)
    signs = 1 - 2 * np.isin(np.arange(8), (1, 2))[:, None]
    assert named(faulty(software, "hidden", lambda a: a * signs)) == (
        "Neurons 1 and 2 have weights that act with the opposite sign.",)
    factors = np.where(np.isin(np.arange(8), (1, 2)), 3, 1)[:, None]
    text, = named(faulty(software, "hidden", lambda a: a * factors))
    assert text.startswith("Neurons 1 and 2 respond more or less strongly than")
    assert named(software, (1, 1, 1)) == ()


def test_two_restless_neurons():
    run = faulty(software, "spikes", lambda a: constant(3, 1, 5)(constant(4, 1, 5)(a)))
    assert named(run) == ("Neurons 3 and 4 spike without weights.",)
    assert probe.probe(run, *SIZES).gain is not None        # of the other neurons


def test_the_smallest_weight_may_be_1():
    assert probe.probe(software, *SIZES, scale=5.0).noise is not None


def test_readouts_without_effect_hide_no_potentials():
    what, change, text = FAULTS["dead readout"]
    report = probe.probe(faulty(software, what, change), *SIZES)
    assert report.faults == (text,) and report.unit == pytest.approx(1.1, abs=0.2)


def test_one_silent_neuron():
    assert named(faulty(software, "spikes", constant(2, 0))) == (
        "Neuron 2 never spikes.",)


@pytest.mark.parametrize("limit, weak", [(63, 56), (4, 4), (1, 1)])
def test_weights_are_weak_and_within_the_limit(limit, weak):
    """A weak weight raises the potential to 0.4 of the threshold at most."""
    def calls(seed, samples=True):
        asked = []

        def run(weights, x):
            asked.append((weights, x))
            spikes, values = software(weights, x)
            return spikes, values if samples else None

        probe.probe(run, *SIZES, limit=limit, seed=seed)
        return asked

    first, *weakly, last = calls(1)
    assert not first[0].hidden.any() and not first[0].readout.any()
    assert first[1].mean() == pytest.approx(0.3, abs=0.02) and len(weakly) == 3
    W = np.abs([weights.hidden for weights, _ in weakly])
    assert W.max() == weak and W.min() == 1
    assert not any(weights.readout.any() for weights, _ in weakly)
    low = max(1, weak // 3)
    assert set(np.abs(last[0].readout).flat) <= {*range(low, min(2 * low, limit) + 1)}
    assert np.abs(last[0].readout).min() < 1.3 * low
    assert np.abs(last[0].hidden).max() <= limit
    blind = calls(1, False)[-1]
    if limit == 63:
        steady = (blind[1][-1] * blind[0].hidden).sum(axis=1) / 240 / (1 - DECAY) ** 2
        assert steady == pytest.approx(2.5, rel=0.1)
    for (one, x), (same, y), (other, _) in zip(calls(1), calls(1), calls(2),
                                               strict=True):
        assert np.array_equal(one.hidden, same.hidden) and np.array_equal(x, y)
        assert not one.hidden.any() or not np.array_equal(one.hidden, other.hidden)


# ---- parts of the measurement

def exact(W, gains):
    """Return the faults of (B) for responses that are exact in binary arithmetic."""
    W, kernel = np.array(W, float), np.eye(1, 24, 5)[0]
    g = np.concatenate(W * gains[:, None], axis=1)
    return probe._responses(np.einsum("qi,t->tiq", g, kernel), W, kernel,
                            np.zeros(len(gains), bool), np.zeros(len(gains)))["faults"]


def test_gains_may_differ_by_a_factor_of_2():
    W = np.random.default_rng(1).choice([-1, 1], (3, 5, 7))
    for gains, count in (([1, 2, 0.5, 1, 1], 0), ([1, 2.1, 1, 1, 1], 1),
                         ([1, 1, 0.49, 1, 1], 1)):
        assert len(exact(W, np.array(gains))) == count
    W[:, 2] *= 64                           # strong weights, weak response to them
    assert exact(W / 64, np.ones(5)) == []


def test_rows_follow_others_from_a_correlation_on():
    rng = np.random.default_rng(1)
    b = rng.normal(size=(6, 40))
    a = b + 0.5 * rng.normal(size=b.shape)
    least = np.median(np.abs(probe._paired(a, b)[1]))
    assert probe._ordered("rows", a, b, least) == []
    assert probe._ordered("rows", a, b, 1.0001 * least) == [
        "The rows do not follow from the weights."]
    order = np.array([1, 2, 3, 4, 0, 5])
    assert probe._ordered("rows", b[order], b) == [
        "The rows of 0 are those of 1, 1 are those of 2, 2 are those of 3, 3 are those "
        "of 4, ...."]
    order[3:5] = 0, 4
    assert probe._ordered("rows", b[order], b)[0].endswith("3 are those of 0.")


@proves("probe", 1)
@pytest.mark.parametrize("alpha, beta", [(0.5, 0.8), (0.8, 0.3)])
def test_the_nominal_potential_in_closed_form(alpha, beta):
    drive = np.random.default_rng(1).normal(size=(9, 2))
    steps = np.arange(9)
    kernel = (alpha ** steps - beta ** steps) / (alpha - beta)      # kernel[0] is 0
    wanted = [kernel[:t][::-1] @ drive[:t] for t in steps]
    found = probe._potential(drive, alpha, beta)
    assert_allclose(found, wanted, rtol=1e-12, atol=1e-12)


@proves("probe", 2)
@pytest.mark.parametrize("lag", [-2, 0, 3])
def test_measured_weights_are_a_least_squares_fit(lag):
    rng, (m, n) = np.random.default_rng(4), (5, 4)
    W, pulse = rng.normal(size=(3, n, m)), np.eye(1, 30, 6)[0]
    kernel = probe._potential(pulse, 0.6, 0.7)
    shifted = probe._late(kernel, lag)
    y = np.einsum("t,rij->trji", shifted, W).reshape(30, 3 * m, n)
    y += 0.05 * rng.normal(size=y.shape)
    found = probe._responses(y, W, kernel, np.zeros(n, bool), np.zeros(n))
    assert found["faults"] == [] and found["lag"] == lag
    fit = np.linalg.lstsq(shifted[:, None], y.reshape(30, -1), rcond=None)[0]
    for i, g in enumerate(fit.reshape(3 * m, n).T):
        w = np.concatenate(W[:, i])
        assert found["gain"][i] == pytest.approx(np.linalg.lstsq(
            w[:, None], g, rcond=None)[0][0], rel=1e-10)


@proves("probe", 3)
def test_the_potential_that_a_spike_lacks_by_hand():
    """Potentials far above the reset; a spike lowers them by 1, two steps later."""
    T, x = 40, np.ones((40, 1, 1))
    y, fired = np.full((T, 1, 1), 1e4), np.zeros((T, 1, 1))
    fired[[8, 20], 0, 0] = 1
    for t in range(T - 1):
        current = sum(0.5 ** k * 1e3 for k in range(t))         # eq. (1) with alpha 0.5
        y[t + 1] = 0.8 * y[t] + current - (1 if t in (10, 22) else 0)
    size, D = probe._resets(y, fired, np.array([[1e3]]), x, (0.5, 0.8), {
        "lag": 0, "gain": np.ones(1)})
    assert D == 2 and size == max(y[10], y[9])


def test_a_nominal_potential_of_1_is_no_spike():
    x = np.tile(np.array([1.0, 2.0, 1.0])[:, None], (9, 1, 1))
    spikes = np.zeros((9, 3, 2))
    spikes[3:, 1] = 1
    silent, faults = probe._trains(spikes, np.array([[1.0], [1.5]]), np.where(
        x > 1, x, [[1.0], [1.0], [0.5]]), (0.0, 0.0))
    assert not silent.any()
    only = probe._trains(spikes, np.array([[1.0], [1.0]]), x, (0.0, 0.0))
    assert only[1] == []


@pytest.mark.parametrize("D", [0, 1])
def test_of_two_lags_that_fit_that_of_the_resets_is_chosen(D):
    drive = (np.random.default_rng(1).random((40, 5, 2)) < 0.1) * 1.0
    v = probe._potential(drive, 0.95, 0.95)
    for share, best in ((0.7, 1), (0.8, 0)):            # between lags 0 and 1
        y = share * v + (1 - share) * probe._late(v, 1)
        R, sent, faults = probe._readouts(y, drive, (0.95, 0.95), D)
        assert R == D and faults == [] and sent == pytest.approx(1, abs=0.1)
        assert probe._readouts(y, drive, (0.95, 0.95), 3)[0] == best


@pytest.mark.parametrize("lag", range(-3, 4))
def test_shifts(lag):
    a, wanted = np.arange(1, 11).reshape(5, 2), np.zeros((5, 2), int)
    for t in range(5):
        if 0 <= t - lag < 5:
            wanted[t] = a[t - lag]
    assert np.array_equal(probe._late(a, lag), wanted) and a.all()


def test_a_scale_is_wrong_from_the_limit_on():
    for scale, wrong in ((1.35, True), (1 / 1.35, True), (1.34, False), (0.75, False),
                         (-1.0, True)):
        assert probe._far(scale) == wrong


@pytest.mark.parametrize("share, best", [(0.98, 0), (0.96, 1)])
def test_rows_keep_their_place_if_the_correlation_is_almost_as_large(share, best):
    basis = np.linalg.qr(np.concatenate([np.ones((6, 1)), np.random.default_rng(
        1).normal(size=(6, 3))], axis=1))[0].T[1:]
    a = 0.8 * share * basis[0] + 0.8 * basis[1] + 0.3 * basis[2]
    order, r = probe._paired(np.stack([a + 3, basis[1] - 1]),
                             3 * basis[:2] + [[5], [-2]])       # means do not count
    assert order.tolist() == [best, 1]
    size = np.linalg.norm(a)
    assert_allclose(r[0], (0.8 * share if best == 0 else 0.8) / size)


def test_strong_weights_reach_the_wanted_potential():
    alpha, beta = 0.5, 0.8
    W, x = probe._bursts(np.random.default_rng(1), 6, 4, 10 ** 6, 1e4, 30,
                         (alpha, beta))
    assert not x[:4].any() and (x[4:] == x[4]).all() and set(np.unique(x)) == {0, 1}
    assert np.array_equal(x[4], W > 0) and set(np.unique(np.sign(W))) == {-1, 1}
    for i in range(4):
        v = probe._potential(x[:, i] @ W.T / 1e4, alpha, beta)
        last = x[4, i] @ W[i] / 1e4 / ((1 - alpha) * (1 - beta))
        assert last == pytest.approx(2.5, rel=1e-3)
        assert v[-1, i] == pytest.approx(2.5, rel=0.02)


def test_resets_are_found_by_what_input_does_not_explain():
    """Potentials rise steeply, so that only eq. (3) tells a reset from the input."""
    T, decays = 40, (0.3, 0.9)
    x = np.zeros((T, 1, 1))
    x[4:9], x[9:14], x[14:] = 0, 1, 0.1
    W, gain = np.array([[2.0]]), np.array([0.5])
    layer = lif.simulate(x, gain * W, alpha=0.3, beta=0.9)
    for lag in (0, 2):
        found = {"lag": 0, "gain": gain}
        y = probe._late(layer.mem, lag)
        size, D = probe._resets(y, layer.spikes, W, x, decays, found | {"lag": lag})
        assert D == lag and size == pytest.approx(layer.mem[layer.spikes > 0][0])


@proves("probe", 4)
def test_two_delays():
    run = faulty(faulty(software, "x", late(1)), "spikes", late(1))
    report = probe.probe(run, *SIZES)
    assert report.delay == {"input": 1, "spikes": 1, "samples": 0}
    assert report.faults == ("Input comes 1 step late.", "Spikes come 1 step late.")


def test_delays_that_do_not_agree():
    def run(weights, x):
        spikes, samples = software(weights, x)
        samples[:, :, 8:] = late(-1, 80)(samples[:, :, 8:])
        return spikes, samples

    assert named(run) == ("Spikes come 1 step late.",
                          "The delays of spikes, samples and readouts do not agree.")


@pytest.mark.parametrize("lag", [2, -2, -1])
def test_readouts_that_are_late_alone(lag):
    """Only readouts one step late cannot be told from samples after the reset."""
    def run(weights, x):
        spikes, samples = software(weights, x)
        samples[:, :, 8:] = late(lag, 80)(samples[:, :, 8:])
        return spikes, samples

    assert named(run)[-1] == \
        "The delays of spikes, samples and readouts do not agree."


# ---- chips without samples

def test_spikes_without_samples():
    def run(weights, x):
        return software(weights, x)[0], None

    report = probe.probe(run, *SIZES)
    assert report.faults == () and report.delay is report.gain is report.noise is None
    for fault in ("order of spikes", "silent neurons", "restless neuron"):
        what, change, text = FAULTS[fault]
        assert named(faulty(run, what, change)) == (text,)


def test_long_lists_are_cut():
    text, = named(faulty(software, "samples", lambda a: np.concatenate(
        [a[..., 7::-1], a[..., 8:]], axis=2)))
    assert text == ("The samples of 0 are those of 7, 1 are those of 6, 2 are those of "
                    "5, 3 are those of 4, ....")


def test_examples():
    failed, tried = doctest.testmod(probe)
    assert failed == 0 < tried


@pytest.mark.parametrize("seed", range(15))
@pytest.mark.parametrize("sizes", [(1, 2, 1), (2, 2, 1), (2, 3, 2)])
def test_equal_patterns_are_no_fault(sizes, seed):
    """With few inputs, all patterns of (C) can be the same."""
    assert named(software, sizes=sizes, seed=seed) == ()


@pytest.mark.parametrize("what, lags", [
    ("x", (3, 4)), ("spikes", (4, 5)), ("samples", (3, 4))])
def test_long_delays_are_noticed_but_not_measured(what, lags):
    for lag in lags:
        run = faulty(software, what, late(lag, 80 * (what == "samples")))
        report = probe.probe(run, *SIZES)
        assert report.delay is None and report.faults == (
            "The delays of input, spikes or samples are too large to measure.",)
