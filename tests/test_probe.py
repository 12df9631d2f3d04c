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
    "sign": ("hidden", np.negative,
             "Hidden weights or samples of neurons have the opposite sign."),
    "sign of samples": ("samples", lambda a: 160 - a * 1.0,
                        "Hidden weights or samples of neurons have the opposite sign."),
    "sign of readouts": ("readout", np.negative, "Readout weights or samples of "
                         "readouts have the opposite sign."),
    "sign of samples of readouts": (
        "samples", lambda a: np.where(np.arange(11) < 8, a, 160. - a),
        "Readout weights or samples of readouts have the opposite sign."),
    "dead input": ("x", constant(3, 0), "Input 3 has no effect."),
    "silent neurons": ("spikes", lambda a: constant(2, 0)(constant(5, 0)(a)),
                       "Neurons 2 and 5 never spike."),
    "restless neuron": ("spikes", constant(4, 1, 5),
                        "Neuron 4 spikes without weights."),
    "sign of a neuron": ("hidden", lambda a: a * (1 - 2 * (np.arange(len(a)) == 2))[
        :, None], "Hidden weights or samples of neuron 2 have the opposite sign."),
    "sign lost": ("hidden", np.abs, "The sign of the hidden weights is lost."),
    "sign of readouts lost": ("readout", np.abs,
                              "The sign of the readout weights is lost."),
    "previous spikes": ("spikes", lambda a: np.roll(a, 1, axis=1),
                        "The spikes are those of the previous pattern."),
    "next spikes": ("spikes", lambda a: np.roll(a, -1, axis=1),
                    "The spikes are those of the next pattern."),
    "previous samples": ("samples", lambda a: np.roll(a, 1, axis=1),
                         "The samples are those of the previous pattern."),
    "next samples": ("samples", lambda a: np.roll(a, -1, axis=1),
                     "The samples are those of the next pattern."),
    "cut off readout": ("samples", lambda a: np.minimum(a, np.where(
        np.arange(11) == 10, 98, np.inf)),
        "Samples of readout 2 are cut off close to rest."),
    "cut off neuron": ("samples", lambda a: np.maximum(a, np.where(
        np.arange(11) == 5, 62, -np.inf)),
        "Samples of neuron 5 are cut off close to rest."),
    "strength of a neuron": ("samples", lambda a: 80 + (a - 80.) * np.where(
        np.arange(11) == 2, 3, 1), "Neuron 2 responds more or less strongly than the "
        "other neurons by a factor above 2."),
    "dead readout": ("readout", lambda a: a * (np.arange(len(a)) != 1)[:, None],
                     "Readout 1 does not respond to spikes."),
    "dead readouts": ("readout", np.zeros_like,
                      "Readouts 0, 1 and 2 do not respond to spikes."),
    "idle neuron": ("hidden", lambda a: a * (np.arange(len(a)) != 1)[:, None],
                    "Samples of neuron 1 do not respond to input.")}


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
    assert not report.noise.any() and report.unit == pytest.approx(1, abs=0.05)
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


@proves("probe", 6)
def test_late_samples_after_a_reset():
    run = faulty(functools.partial(software, after=True), "samples", late(1, 80))
    report = probe.probe(run, *SIZES)
    assert report.after_reset and report.delay == {**RIGHT, "samples": 1}


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_wrong_scales(device, factor):
    run = DEVICES[device]
    text, = named(run, scale=240.0 / factor)
    assert text.startswith("Weights are ") and "; or codes are, and thresholds" in text
    assert float(text.split()[2]) == pytest.approx(1 / factor, rel=0.3)
    text, = named(run, unit=70.0 / factor)
    assert text.startswith("Codes are ")
    assert text.endswith("; or weights and thresholds are.")
    assert float(text.split()[2]) == pytest.approx(factor, rel=0.3)


@pytest.mark.parametrize("measured, wanted", [
    ((1.0, 2.0, 1.0), "Thresholds are 2.00 times as high"),
    ((0.5, 1.0, 1.0), "Hidden weights are 0.50 times as strong"),
    ((1.0, 1.0, 2.0), "Readout weights are 2.00 times as strong"),
    ((0.5, 0.5, 0.5), "Codes are 0.50 times as large"),
    ((2.0, 1.0, 2.0), "Weights are 2.00 times as strong"),
    ((1.1, 0.9, 0.65), "Readout weights are 0.65 times as strong"),
    ((2.0, 1.0, 0.5), "In codes, responses to input are 2.00 times, thresholds 1.00"),
    ((1.0, -0.1, 1.0), "In codes, responses to input are 1.00 times, thresholds -0.10")]
)
def test_causes_of_wrong_scales(measured, wanted):
    text, = probe._scales(*measured)
    assert text.startswith(wanted) and probe._scales(1.2, 0.9, 1.1) == []
    assert probe._scales(0.8, 0.68, 0.95) == []         # as with codes at 0.80


def test_a_single_readout_may_be_weaker_by_30_percent():
    assert named(faulty(software, "readout", lambda a: 0.72 * a), (12, 8, 1)) == ()
    assert probe._scales(1.0, 1.0, 0.69) and not probe._scales(1.0, 1.0, 0.71)
    assert probe._scales(0.71, 1.0, 1.0) and probe._scales(1.0, 0.71, 1.0)


def test_a_scaled_readout_and_weak_weights():
    weak = faulty(software, "hidden", lambda a: 0.3 * a)
    assert named(weak)[0].startswith("Hidden weights are 0.3")
    one = faulty(software, "readout", lambda a: a * np.where(
        np.arange(3) == 1, 4, 1)[:, None])
    assert named(one) == ("Readout 1 responds more or less strongly than the other "
                          "readouts by a factor above 1.7.",)
    one = faulty(software, "readout", lambda a: a * np.where(
        np.arange(3) == 1, -1, 1)[:, None])
    assert named(one) == ("Readout 1 acts with the opposite sign.",)


def strong(factor, weights, x, after=False):
    """Return the recordings of a chip with high thresholds."""
    weights = weights._replace(hidden=weights.hidden / factor)
    spikes, samples = software(weights, x, after=after)
    samples[:, :, :8] = 80 + factor * (samples[:, :, :8] - 80)
    return spikes, samples


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("factor", [0.5, 1, 1.8])
def test_thresholds_are_measured_without_bias(factor, after):
    run = functools.partial(strong, factor, after=after)
    report = probe.probe(run, *SIZES)
    assert np.median(report.unit) == pytest.approx(factor, rel=0.06)
    text = "".join(t for t in report.faults if not t.startswith("Each sample is"))
    assert text.startswith("Thresholds are ") == (factor != 1) == bool(text)


@pytest.mark.parametrize("share", [0.2, 0.4])
def test_lost_spikes(share):
    rng = np.random.default_rng(1)
    text, = named(faulty(software, "spikes", lambda a: a * (
        rng.random(a.shape) >= share)))
    assert text.startswith("About ") and text.endswith(
        " % of the resets have no recorded spike.")
    assert float(text.split()[1]) == pytest.approx(100 * share, abs=8)


def test_few_lost_spikes_are_no_fault():
    rng = np.random.default_rng(1)
    assert named(faulty(software, "spikes", lambda a: a * (
        rng.random(a.shape) >= 0.03))) == ()


def test_weights_of_readouts_that_are_wrong_in_part():
    signs = np.random.default_rng(3).choice([-1, 1], (3, 8))
    assert named(faulty(software, "readout", lambda a: a * signs)) == (
        "The readouts do not follow from the weights.",)


def test_a_state_that_is_not_reset_between_patterns():
    """Run all patterns one after the other."""
    def run(weights, x):
        T, B, m = x.shape
        answer = software(weights, x.transpose(1, 0, 2).reshape(T * B, 1, m))
        return tuple(a.reshape(B, T, -1).transpose(1, 0, 2) for a in answer)

    assert named(run) == ("The state is not reset between patterns.",)


@pytest.mark.parametrize("other, name", [(1, "previous"), (-1, "next")])
def test_all_results_of_another_pattern(other, name):
    def run(weights, x):
        return tuple(np.roll(a, other, axis=1) for a in software(weights, x))

    assert named(run) == (f"The samples are those of the {name} pattern.",)
    assert named(lambda weights, x: (run(weights, x)[0], None)) == (
        f"The spikes are those of the {name} pattern.",)


def test_a_cycle_of_neurons_is_no_cycle_of_patterns():
    text, = named(faulty(software, "spikes", lambda a: np.roll(a, 1, axis=2)))
    assert text == "The spikes of i are those of i - 1 modulo 8."


# ---- time constants

def slow(weights, x, a=6.0, b=6.0, noise=None):
    """Return the recordings of neurons with the time constants a and b, in us."""
    decays = {"alpha": np.exp(-1.7 / a), "beta": np.exp(-1.7 / b)}
    layer = lif.simulate(x, weights.hidden / 240, **decays)
    out = lif.readout(layer.spikes, weights.readout / 240, **decays)
    samples = 80 + 70 * np.concatenate([layer.mem, out], axis=2)
    return layer.spikes, samples if noise is None else samples + noise.normal(
        size=samples.shape)


@pytest.mark.parametrize("noisy", [False, True])
@pytest.mark.parametrize("a, b", [(9, 9), (4, 4), (7.5, 7.5), (9, 3), (12, 6), (6, 12)])
def test_wrong_time_constants(a, b, noisy):
    noise = np.random.default_rng(1) if noisy else None
    report = probe.probe(functools.partial(slow, a=a, b=b, noise=noise), 32, 24, 4)
    texts = report.faults
    assert all("time constants" in text for text in texts)
    assert noisy or not any("times as strong" in text for text in texts)
    total = np.median(report.tau_sum[:, 0])
    assert total == pytest.approx((a + b) * 1e-6, rel=0.01 if noisy else 1e-4)
    errors = [text.split()[8] for text in texts if "±" in text]
    assert all(len(error.replace(".", "").strip("0")) == 1 for error in errors)
    told = [float(text.split()[6]) for text in texts if "add up to" in text
            and "readouts" not in text]
    assert told == ([] if a + b == 12 else [pytest.approx(a + b, abs=0.15)])
    if a != b:
        pair = f"The time constants are {max(a, b):.1f} and {min(a, b):.1f} µs in"
        assert any(text.startswith(pair[:24]) for text in texts)
        assert np.nanmedian(report.tau, axis=0) == pytest.approx(
            [max(a, b) * 1e-6, min(a, b) * 1e-6], rel=0.1 if noisy else 1e-3)
    assert report.delay == RIGHT and not report.after_reset


@pytest.mark.parametrize("seed", range(4))
def test_errors_of_time_constants_cover_those_of_emulated_chips(seed):
    drawn = chip.draw(seed, chip.CALIBRATED)
    run = functools.partial(chip.emulate, drawn, rng=np.random.default_rng(seed))
    report = probe.probe(run, 24, 24, 2)
    right = drawn.tau_syn[:, :24].mean(axis=0) + drawn.tau_mem[:24]     # both signs
    value, error = report.tau_sum.T
    assert 0.005 < np.median(error / value) < 0.04
    assert np.sqrt(np.mean(((value - right) / error) ** 2)) < 2
    assert np.std(right) > 1.5 * np.median(error)


def test_one_neuron_with_other_time_constants():
    def run(weights, x):
        spikes, samples = software(weights, x)
        others = slow(weights, x, 12, 12)
        for a, b in zip((spikes, samples), others, strict=True):
            a[:, :, 2] = b[:, :, 2]
        return spikes, samples

    assert named(run) == ("Neuron 2 has time constants that add up to 24.0 µs, while "
                          "the median is 12.0 µs.",)


@proves("probe", 2)
@pytest.mark.parametrize("a, b", [(3.0, 5.0), (5.0, 3.0), (0.5, 20.0), (4.0, 4.0)])
def test_the_response_in_closed_form(a, b):
    total, q, s = a + b, ((a - b) / (a + b)) ** 2, np.arange(1, 20)
    alpha, beta = np.exp(-1 / a), np.exp(-1 / b)
    wanted = s * alpha ** (s - 1) if a == b else (
        alpha ** s - beta ** s) / (alpha - beta)
    found = probe._response(total, q, 2, 27)
    assert not found[:8].any()
    assert_allclose(found[8:], wanted, rtol=1e-9)
    drive = np.eye(1, 27, 6)[0]
    assert_allclose(found, probe._model(drive, alpha, beta)[1], rtol=1e-9, atol=1e-12)


def test_a_fit_returns_constants_lag_and_errors():
    rng, errors = np.random.default_rng(1), []
    u = probe._centred(probe._response(7.0, 0.3, 1.25, 40))
    p, _ = probe._fitted(u, 1e-3, 9.0)
    assert p == pytest.approx([7.0, 0.3, 1.25], rel=1e-5)
    for _ in range(40):
        p, error = probe._fitted(u + 0.01 * rng.normal(size=40), 0.01, 9.0)
        errors.append((np.array(p) - [7.0, 0.3, 1.25]) / error)
    assert np.std(errors, axis=0) == pytest.approx(1, abs=0.35)


def test_neurons_that_spike_late():
    def slow(weights, x):
        return software(weights, x * (np.arange(40) > 26)[:, None, None] if (
            x[-1].any() and weights.readout.any()) else x)

    assert named(slow) == ("Neurons spike late: `steps` is too small.",)


def test_weights_are_doubled_for_a_neuron_that_spikes_late():
    decay, calls = np.exp(-1.7 / 14), []

    def run(weights, x):
        calls.append(weights)
        hidden = weights.hidden / 2400 * np.where(np.arange(8) == 2, 0.55, 1)[:, None]
        layer = lif.simulate(x, hidden, reset="subtract", alpha=decay, beta=decay)
        out = lif.readout(layer.spikes, weights.readout / 2400, alpha=decay, beta=decay)
        return layer.spikes, 80 + 70 * np.concatenate([layer.mem, out], axis=2)

    report = probe.probe(run, *SIZES, scale=2400, limit=630, tau_syn=14e-6,
                         tau_mem=14e-6)
    assert report.faults == () and report.delay == RIGHT
    assert_allclose(calls[-1].hidden, 2 * calls[-2].hidden, atol=1)


def test_several_inputs_and_neurons():
    run = faulty(software, "x", lambda a: constant(3, 0)(constant(5, 0)(a)))
    assert named(run) == ("Inputs 3 and 5 have no effect.",)
    signs = 1 - 2 * np.isin(np.arange(8), (1, 2))[:, None]
    assert named(faulty(software, "hidden", lambda a: a * signs)) == (
        "Hidden weights or samples of neurons 1 and 2 have the opposite sign.",)
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

    first, *more = calls(1)
    last = more[-1]
    weakly = [pair for pair in more if not pair[0].readout.any()]
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


# ---- inputs

@pytest.mark.parametrize("m", [8, 16, 32, 64])
@pytest.mark.parametrize("kind", ["pair", "two pairs", "reversed", "shifted"])
def test_exchanged_inputs(m, kind):
    order = np.arange(m)
    if kind in ("pair", "two pairs"):
        order[[1, 5]] = 5, 1
    if kind == "two pairs":
        order[[2, 7]] = 7, 2
    order = order[::-1] if kind == "reversed" else np.roll(order, -1) \
        if kind == "shifted" else order
    text, = named(faulty(software, "hidden", lambda a: a[:, order]), (m, 24, 4))
    moved = np.flatnonzero(order != np.arange(m))
    wanted = ", ".join(f"{i} acts with the weights of input {order[i]}"
                       for i in moved)
    if kind in ("reversed", "shifted"):
        wanted = "i acts with the weights of input " + (
            f"{m - 1} - i" if kind == "reversed" else f"i + 1 modulo {m}")
    assert text == f"Input {wanted}."


@pytest.mark.parametrize("m", [4, 32])
@pytest.mark.parametrize("n", [2, 24])
def test_signs_of_inputs(m, n):
    for wrong, text in (([1], "Input 1 acts with the opposite sign."),
                        ([1, 3], "Inputs 1 and 3 act with the opposite sign.")):
        signs = 1 - 2 * np.isin(np.arange(m), wrong)
        found = named(faulty(software, "hidden", lambda a, s=signs: a * s), (m, n, 2))
        assert found == (text,)


@pytest.mark.parametrize("columns, text", [
    ([3], "Input 3 is always on."), ([3, 5], "Inputs 3 and 5 are always on.")])
def test_inputs_that_are_always_on(columns, text):
    def on(x):
        x = x.copy()
        x[:, :, columns] = 1
        return x

    for run in (software, DEVICES["zero"]):
        assert named(faulty(run, "x", on), (16, 12, 2)) == (text,)


def test_an_input_that_is_always_on_and_codes_that_are_cut_off():
    def run(weights, x):
        x = x.copy()
        x[:, :, 3] = 1
        spikes, samples = software(weights, x)
        return spikes, np.clip(samples, 40, None)

    assert named(run, (16, 12, 2)) == ("Input 3 is always on.",)


def test_neurons_that_respond_without_input_of_another_kind():
    def run(weights, x):
        spikes, samples = software(weights, x)
        samples[:, :, :8] += 30 * np.sign(weights.hidden.sum(axis=1)) * (
            np.arange(8) % 2)
        return spikes, samples

    assert named(run) == ("Neurons respond although there are no input spikes.",)


@pytest.mark.parametrize("low, high, text", [
    (-15, 15, "Weights saturate at 15."), (-63, 20, "Positive weights saturate at 20."),
    (-31, 63, "Negative weights saturate at 31.")])
def test_weights_that_saturate(low, high, text):
    clipped = faulty(software, "hidden", lambda a: np.clip(a, low, high))
    assert named(clipped) == (text,)
    assert named(clipped, (32, 24, 4)) == (text,)


# ---- neurons

@pytest.mark.parametrize("whole", [True, False])
def test_exchanged_neurons(whole):
    """Exchange neurons in the report, or only rows of the hidden weights."""
    order = np.arange(12)
    order[[1, 2, 5]] = 2, 5, 1

    def run(weights, x):
        if not whole:
            return software(weights._replace(hidden=weights.hidden[order]), x)
        spikes, samples = software(weights, x)
        return spikes[:, :, order], samples[:, :, [*order, 12, 13, 14]]

    text, = named(run, (16, 12, 3))
    one = "Neurons are exchanged in spikes and samples: "
    two = "Rows of the hidden weights are exchanged: "
    assert text.startswith((one if whole else two)
                           + "1 are those of 2, 2 are those of 5, 5 are those of 1; or")


# ---- parts of the measurement

def constants(alpha, beta, n=1):
    """Return the fit of (B) for neurons with two decay factors."""
    a, b = -1 / np.log(alpha), -1 / np.log(beta)
    return probe._FIT(0.0, np.full(n, a + b), np.full(n, ((a - b) / (a + b)) ** 2),
                      np.zeros((n, 2)), np.ones(n), np.arange(n))


@proves("probe", 6)
@pytest.mark.parametrize("L", range(-2, 3))
@pytest.mark.parametrize("R", range(-2, 3))
def test_all_delays_that_agree_with_the_lags(L, R):
    late, texts = probe._delays(L, R)
    assert L == late["input"] + late["samples"]
    assert R == late["samples"] - late["spikes"]
    fewest = min(sum(d != 0 for d in (L - s, s - R, s)) for s in range(-9, 10))
    assert sum(d != 0 for d in late.values()) == fewest
    told = texts[0][:-1].split(", or ") if texts else []
    assert all(text.count(" come") == fewest for text in told)
    assert len(told) == len(set(told)) == (0, 1, 3)[fewest]


@proves("probe", 1)
@pytest.mark.parametrize("alpha, beta", [(0.5, 0.8), (0.8, 0.3)])
def test_the_nominal_potential_in_closed_form(alpha, beta):
    drive = np.random.default_rng(1).normal(size=(9, 2))
    steps = np.arange(9)
    kernel = (alpha ** steps - beta ** steps) / (alpha - beta)      # kernel[0] is 0
    wanted = [kernel[:t][::-1] @ drive[:t] for t in steps]
    found = probe._model(drive, alpha, beta)[1]
    assert_allclose(found, wanted, rtol=1e-12, atol=1e-12)


@proves("probe", 3)
@pytest.mark.parametrize("lag", [-2, 0, 3])
def test_measured_weights_are_a_least_squares_fit(lag):
    rng, (m, n) = np.random.default_rng(4), (8, 4)
    W = rng.integers(1, 50, (3, n, m)) * rng.choice([-1, 1], (3, n, m))
    K = probe._response(7.0, 0.0, lag, 40)
    y = np.einsum("t,rij->rtji", K, W / 240)
    y = np.concatenate([y, np.zeros((3, 40, 1, n))], axis=2)
    y[:, :, :-1] += 0.005 * rng.normal(size=(3, 40, m, n))
    blank = probe._FIT(0.0, *np.full((n, 2), (7.0, 0.0)).T, np.zeros((n, 2)),
                       np.ones(n), np.arange(n))
    report, fit = probe._weak(probe.Report((), restless=np.zeros(n, bool)), blank, W,
                              240.0, y, np.zeros_like(y), np.full(n, 0.005), 70.0)
    assert report.faults == () and round(fit.lag) == lag
    for i in range(n):
        shape = probe._response(fit.total[i], fit.q[i], fit.lag, 40)
        design = np.stack([shape, np.ones(40)], axis=1)
        g = np.linalg.lstsq(design, y[:, :, :-1, i].transpose(1, 0, 2).reshape(40, -1),
                            rcond=None)[0][0]
        w = W[:, i].ravel() / 240
        assert fit.gain[i] == pytest.approx(w @ g / (w @ w), rel=1e-9)


@proves("probe", 4)
@proves("probe", 5)
def test_the_potential_that_a_spike_lacks_by_hand():
    """Potentials far above the reset; a spike lowers them by 1, two steps later."""
    T, x = 40, np.ones((40, 1, 1))
    y, fired = np.full((T, 1, 1), 1e4), np.zeros((T, 1, 1))
    fired[[8, 20], 0, 0] = 1
    for t in range(T - 1):
        current = sum(0.5 ** k * 1e3 for k in range(t))         # eq. (1) with alpha 0.5
        y[t + 1] = 0.8 * y[t] + current - (1 if t in (10, 22) else 0)
    bounds, D, missed = probe._resets(y, fired, np.array([[1e3]]), x,
                                      constants(0.5, 0.8))
    assert D == 2 and missed == 0
    assert bounds.ravel() == pytest.approx([y[:11].max(), y[11, 0, 0] + 1], rel=1e-12)


@proves("probe", 5)
def test_a_threshold_is_the_mean_of_both_bounds(monkeypatch):
    """Also if the samples of two neurons are exchanged."""
    found, resets = [], probe._resets
    monkeypatch.setattr(probe, "_resets", lambda *given: found.append(
        resets(*given)) or found[-1])
    for order in (np.arange(11), np.array([3, 1, 2, 0, *range(4, 11)])):
        report = probe.probe(faulty(software, "samples", lambda a, order=order:
                                    a[:, :, order]), *SIZES)
        assert bool(report.faults) == (order[0] == 3) and np.ptp(report.unit) > 0
        low, high = found[-1][0]            # in the order of the weights
        assert report.unit == pytest.approx(((low + high) / 2)[order[:8]], rel=1e-12)


def test_a_nominal_potential_of_1_is_no_spike():
    x = np.tile(np.array([1.0, 2.0, 1.0])[:, None], (9, 1, 1))
    spikes = np.zeros((9, 3, 2))
    spikes[3:, 1] = 1
    forgetful = constants(1e-9, 1e-9, n=2)
    silent, _, _ = probe._trains(spikes, np.array([[1.0], [1.5]]), np.where(
        x > 1, x, [[1.0], [1.0], [0.5]]), forgetful)
    assert not silent.any()
    assert probe._trains(spikes, np.array([[1.0], [1.0]]), x, forgetful)[2] == []


@pytest.mark.parametrize("D", [0, 1])
def test_of_two_lags_that_fit_that_of_the_resets_is_chosen(D):
    drive = (np.random.default_rng(1).random((40, 5, 2)) < 0.1) * 1.0
    v = probe._model(drive, 0.95, 0.95)[1]
    for share, best in ((0.7, 1), (0.8, 0)):            # between lags 0 and 1
        y = share * v + (1 - share) * probe._late(v, 1)
        pair = [(2 / -np.log(0.95), 0.0)]
        _, R, sent, _, faults = probe._readouts(y, drive, pair, D, np.zeros(2))
        assert R == D and faults == [] and sent == pytest.approx([1, 1], abs=0.1)
        assert probe._readouts(y, drive, pair, 3, np.zeros(2))[1] == best


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
    alpha, beta = 0.8, 0.5
    signs = np.random.default_rng(1).choice([-1, 1], (4, 6))
    W, x = probe._bursts(signs, 10 ** 6, 2.5e4, 30, constants(alpha, beta, n=4))
    assert not x[:4].any() and (x[4:] == x[4]).all() and set(np.unique(x)) == {0, 1}
    assert np.array_equal(x[4], W > 0) and np.array_equal(np.sign(W), signs)
    for i in range(4):
        v = probe._model(x[:, i] @ W.T / 1e4, alpha, beta)[1]
        last = x[4, i] @ W[i] / 1e4 / ((1 - alpha) * (1 - beta))
        assert last == pytest.approx(2.5, rel=1e-3)
        assert v[-1, i] == pytest.approx(2.5, rel=0.02)


def test_resets_are_found_by_what_input_does_not_explain():
    """Potentials rise steeply, so that only eq. (4) tells a reset from the input."""
    T = 40
    x = np.zeros((T, 1, 1))
    x[4:9], x[9:14], x[14:] = 0, 1, 0.1
    W, gain = np.array([[2.0]]), np.array([0.5])
    layer = lif.simulate(x, gain * W, alpha=0.3, beta=0.9)
    for lag in (0, 2):
        y = probe._late(layer.mem, lag)
        fit = constants(0.9, 0.3)._replace(lag=float(lag), gain=gain)
        _, D, missed = probe._resets(y, layer.spikes, W, x, fit)
        assert D == lag and missed == 0


@proves("probe", 6)
def test_two_delays():
    run = faulty(faulty(software, "x", late(1)), "spikes", late(1))
    report = probe.probe(run, *SIZES)
    assert report.delay == {"input": 1, "spikes": 1, "samples": 0}
    text, = report.faults
    assert "nput comes 1 step late and spikes come 1 step late" in text
    assert "pikes come 2 steps late and samples come 1 step late" in text
    assert "nput comes 2 steps late and samples come 1 step early" in text


def test_lost_input_spikes_are_no_dead_inputs():
    """Where one spike in 1,000 is lost, as on real chips, nothing is reported."""
    rng = np.random.default_rng(4)
    run = faulty(software, "x", lambda x: x * (rng.random(x.shape) >= 0.001))
    assert named(run, (32, 24, 4)) == ()
    run = faulty(software, "x", lambda x: x * (rng.random(x.shape) >= 0.4))
    (_, share, *rest), = map(str.split, named(run, (32, 24, 4)))
    assert " ".join(rest) == "% of the input spikes have no effect."
    assert int(share) == pytest.approx(40, abs=10)              # of 96 spikes


@pytest.mark.parametrize("seed", range(3))
def test_short_time_constants_are_no_delays_and_no_gains(seed):
    """Spikes within long time steps make the prediction of readouts inexact."""
    drawn = chip.draw(seed, chip.CALIBRATED, tau_syn=4e-6, tau_mem=4e-6)
    rng = np.random.default_rng(seed)
    faults = named(lambda w, x: chip.emulate(drawn, w, x, rng=rng, dt=2e-6),
                   (64, 20, 5), dt=2e-6, seed=seed)
    assert len(faults) >= 2 and all(text.startswith("The time constants")
                                    for text in faults)


@pytest.mark.parametrize("noise", [0.0, 3.0])
def test_codes_that_are_cut_off_at_rest_are_no_weights_that_saturate(noise):
    """Without noise, both causes explain that no code lies below that of the rest."""
    rng = np.random.default_rng(2)

    def run(weights, x):
        spikes, samples = software(weights, x)
        samples = np.rint(samples + noise * rng.normal(size=samples.shape))
        samples[..., :8] = np.maximum(samples[..., :8], 79)
        return spikes, samples

    text, = named(run)
    if noise:
        assert text == ("Samples of neurons 0, 1, 2, 3, 4, 5, 6 and 7 are cut off "
                        "close to rest.")
    else:
        assert " are cut off close to rest, or negative weights saturate at " in text


def test_samples_of_readouts_that_come_first():
    text, more = named(faulty(software, "samples", lambda a: np.roll(a, 3, axis=2)))
    assert text == "Samples of neurons 0, 1 and 2 do not respond to input."
    assert more == ("Samples of readouts 0, 1 and 2 respond to input although no "
                    "neuron spikes.")


def test_weights_that_come_one_run_late():
    last = [None]

    def run(weights, x):
        late, last[0] = last[0] or weights, weights
        return software(late, x)

    assert named(run) == ("The weights of each run are those of the previous run.",)


@pytest.mark.parametrize("sign, name", [(1, "Positive"), (-1, "Negative")])
def test_weights_of_one_sign_without_effect(sign, name):
    run = faulty(software, "hidden", lambda W: np.where(W * sign > 0, 0, W))
    assert named(run) == (f"{name} weights have no effect.",)


@pytest.mark.parametrize("factor", [0.3, 2.5])
def test_one_neuron_with_another_threshold(factor):
    drawn = chip.draw(3, chip.CALIBRATED)
    drawn = drawn._replace(threshold=drawn.threshold * np.where(
        np.arange(len(drawn.threshold)) == 1, factor, 1))
    rng = np.random.default_rng(1)
    faults = named(lambda w, x: chip.emulate(drawn, w, x, rng=rng))
    assert faults == ("Neuron 1 has a threshold that differs from those of the other "
                      "neurons by a factor above 2.",)


def test_delays_that_do_not_agree():
    def run(weights, x):
        spikes, samples = software(weights, x)
        samples[:, :, 8:] = late(-1, 80)(samples[:, :, 8:])
        return spikes, samples

    assert named(run) == ("The delays of spikes, samples and readouts do not agree.",)


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

@pytest.mark.parametrize("low, high", [(40, np.inf), (0, 120)])
def test_codes_of_readouts_that_are_cut_off(low, high):
    def cut(samples):
        return np.concatenate([samples[..., :24], np.clip(
            samples[..., 24:], low, high)], axis=2)

    assert named(faulty(software, "samples", cut), (32, 24, 4)) == ()


def test_spikes_without_samples():
    def run(weights, x):
        return software(weights, x)[0], None

    report = probe.probe(run, *SIZES)
    assert report.faults == () and report.delay is report.gain is report.noise is None
    for fault in ("order of spikes", "silent neurons", "restless neuron"):
        what, change, text = FAULTS[fault]
        assert named(faulty(run, what, change)) == (text,)


def test_all_exchanged_neurons_are_listed():
    text, = named(faulty(software, "samples", lambda a: np.concatenate(
        [a[..., 7::-1], a[..., 8:]], axis=2)))
    assert text == "The samples of i are those of 7 - i."


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
