"""Test what calibration measures and corrects, and that it reads recordings only."""

import functools
import inspect

import numpy as np
import pytest
from proofs import proves
from scipy import integrate

from refsnn import calibration as cal
from refsnn import chip

QUIET = {"noise": None, "adc_limit": None, "adc": None, "sampling": None,
         "synapse": None, "loss": None, "timing": None, "headroom": None,
         "pathological": None, "driver": None, "levels": None}
SMALL = {"neurons": 40, "inputs": 220}


def bench(c, seed=1):
    return functools.partial(chip.emulate, c, rng=np.random.default_rng(seed))


def quiet(seed=5, **changes):
    return chip.draw(seed, chip.UNCALIBRATED._replace(**QUIET | changes), **SMALL,
                     dtype=np.float64)


def spreads(c):
    """Return the spreads of gain, tau_syn, tau_mem, threshold, reset and silent code.

    Neurons that never fire are left out, because they cannot be measured.
    """
    these = np.isfinite(c.threshold)
    return np.array([c.gain[:, these].std(), c.tau_syn[:, these].std() / 6e-6,
                     c.tau_mem[these].std() / 6e-6, c.threshold[these].std(),
                     c.reset[these].std(),
                     (c.adc_offset + 70 * (1 + c.adc_gain) * c.leak)[these].std()])


PUBLISHED = np.array([0.05, 0.04, 0.05, 0.06, 0.06, 3.0])      # calibrated


def test_an_ideal_chip_is_measured_as_ideal():
    c = chip.draw(1, chip.IDEAL._replace(refractory=2e-6), **SMALL, dtype=np.float64)
    found = cal.measure(bench(c), **SMALL)
    np.testing.assert_allclose(found.gain, 1, rtol=1e-4)
    np.testing.assert_allclose(found.tau_syn, 6e-6, rtol=1e-4)
    np.testing.assert_allclose(found.tau_mem, 6e-6, rtol=1e-4)
    np.testing.assert_allclose(found.threshold, 1, rtol=0.01)   # steps of drive: 0.014
    assert np.abs(found.leak).max() < 1e-6 and np.abs(found.reset).max() < 1e-5
    assert not found.restless.any() and not found.silent.any()


@proves("calibration", 1, 2, 3, 5, 6)
def test_a_chip_without_noise_is_measured_exactly():
    c = quiet()
    found = cal.measure(bench(c), **SMALL)
    assert (spreads(c) > [0.08, 0.15, 0.08, 0.12, 0.1, 9]).all()
    for name, rtol in (("gain", 1e-3), ("tau_syn", 1e-3), ("tau_mem", 1e-3)):
        np.testing.assert_allclose(getattr(found, name), getattr(c, name), rtol=rtol)
    np.testing.assert_allclose(found.threshold, c.threshold, atol=0.02)
    assert abs((found.threshold - c.threshold).mean()) < 0.002      # half a step: 0.007
    np.testing.assert_allclose(found.leak, c.leak, atol=1e-5)
    np.testing.assert_allclose(found.reset, c.reset, atol=1e-5)


@pytest.mark.parametrize("latency", [0.0, 0.4e-6])
def test_a_twin_acts_as_the_measured_chip(latency):
    c = quiet(sampling=(latency, 0.0))
    never, always = np.arange(40) == 3, np.arange(40) == 5
    c.threshold[never], c.threshold[always] = np.inf, -0.5
    found = cal.measure(bench(c), **SMALL)
    assert found.latency == pytest.approx(latency, abs=0.02e-6)
    model = chip.draw(0, chip.IDEAL._replace(refractory=2e-6), **SMALL,
                      dtype=np.float64)
    twin = cal.twin(model, found)
    assert not np.shares_memory(twin.adc_offset, found.offset)
    assert np.array_equal(twin.threshold == np.inf, never)
    assert np.array_equal(twin.threshold == -0.5, always)
    assert twin.effects == model.effects._replace(sampling=(max(found.latency, 0), 0))
    rng = np.random.default_rng(2)
    weights = {"hidden": rng.integers(-20, 30, (40, 220)), "recurrent": None,
               "readout": np.zeros((0, 40), int)}
    x = (rng.random((20, 10, 220)) < 0.02) * 1
    real, same, other = (bench(device)(weights, x) for device in (c, twin, model))
    assert 0.01 < real[0].mean() < 0.5
    wrong, before = (np.abs(run[1] - real[1]).mean() for run in (same, other))
    assert wrong < 0.1 * before
    assert (same[0] != real[0]).mean() < 0.1 * (other[0] != real[0]).mean()


def test_a_twin_of_a_chip_with_references_has_its_converters():
    c = quiet(adc=(9.9, 0.0))
    model = chip.draw(0, chip.only(c.effects, "refractory"), **SMALL, dtype=np.float64)
    twin = cal.twin(model, cal.measure(bench(c), **SMALL,
                                       reference=80 + c.adc_offset))
    np.testing.assert_allclose(twin.adc_offset, c.adc_offset)
    np.testing.assert_allclose(twin.leak, c.leak, atol=1e-5)


def test_defaults_are_those_of_the_chip():
    def defaults(function, *names):
        values = inspect.signature(function).parameters
        return [values[name].default for name in names]

    for function in cal.measure, cal.calibrate:
        for other, names in ((chip.draw, ("neurons", "inputs", "tau_mem", "tau_syn")),
                             (chip.emulate, ("dt", "scale", "code"))):
            assert defaults(function, *names) == defaults(other, *names)
        assert defaults(function, "repeats", "reference") == [8, None]


def trial(spikes, y):
    """Return a sweep of one image and one neuron."""
    return [(np.array([0.0]), np.array(spikes, bool)[:, None, None],
             np.array(y, float)[:, None, None])]


def test_the_sample_after_a_late_spike_shows_the_reset():
    t = np.arange(20)
    _, reset = cal._jump(trial(t == 18, 3.0 * (t == 18) - 7 * (t == 19)),
                         np.zeros((20, 1)), 1.0)
    assert reset == [-7]
    assert np.isnan(cal._jump(trial(t == 19, t), np.zeros((20, 1)), 1.0)[1])


@proves("calibration", 2, 3)
@pytest.mark.parametrize("syn, mem", [(4.0, 9.0), (9.0, 4.0), (6.0, 6.0)])
def test_the_response_is_that_of_two_filters_in_series(syn, mem):
    """Integrate an exponential current with an exponential membrane."""
    for t in (0.5, 2.0, 3.0, 11.0):
        wanted = 1.7 * integrate.quad(lambda u, t=t: np.exp(-u / syn) * np.exp(
            -(t - 2.0 - u) / mem), 0, max(t - 2.0, 0))[0]
        theta = np.log([[1.7], [syn], [np.exp(2.0)]])
        found = cal._shape(theta, np.array([t]), np.array([mem]))
        np.testing.assert_allclose(found, [[wanted]], rtol=1e-10)


@proves("calibration", 4)
@pytest.mark.parametrize("slope, tau", [(-0.25, 4.0), (0.25, np.nan)])
def test_a_jump_must_decay(slope, tau):
    t = np.arange(20)
    y = -10 * np.exp(slope * (t - 4)) * (t > 4)
    for first, wanted in ((4, tau), (11, np.nan)):      # 9 samples must follow
        found = cal._jump(trial(t == first, y), np.zeros((20, 1)), 1.0)[0]
        np.testing.assert_allclose(found, [wanted])
    twice = cal._jump(trial((t == 4) | (t == 6), y), np.zeros((20, 1)), 1.0)[0]
    assert np.isnan(twice).all()


def test_a_chip_without_any_response_is_refused(monkeypatch):
    monkeypatch.setattr(cal, "_shape", lambda theta, t, tau_mem: 0 * t[:, None] + 0 * (
        theta[0]))
    with pytest.raises(ValueError, match="^run.samples do not respond to input"):
        cal.measure(dead, neurons=2, repeats=1)


def test_a_neuron_without_response_does_not_stop_the_measurement():
    model = chip.draw(2, chip.CALIBRATED)
    model.gain[:, 0] *= 1e-3
    found = cal.measure(functools.partial(chip.emulate, model,
                                          rng=np.random.default_rng(1)))
    assert found.silent[0] and np.isnan(found.gain[:, 0]).all()
    assert np.isfinite(found.gain[:, 1:]).all() and np.isfinite(found.latency)
    assert (np.isnan(found.tau_syn).all(axis=0) == (np.arange(256) == 0)).all()
    found = np.abs(found.gain[:, 1:] / model.gain[:, 1:] - 1)
    assert np.median(found) < 0.1


def test_the_latency_is_a_median_over_neurons():
    c = quiet(sampling=(0.4e-6, 0.0))
    c.gain[:, 3] *= 0.02
    found = cal.measure(bench(c), **SMALL, repeats=1)
    assert found.latency == pytest.approx(0.4e-6, rel=1e-5)


@pytest.mark.parametrize("width", [0.0, 0.152e-6])
def test_the_latency_under_noise_and_jitter(width):
    """It precedes the sampling time by half the time in which 20 inputs arrive.

    A single measurement has an error of about 0.007 us.
    """
    found = [cal.measure(bench(quiet(
        seed, noise=chip.UNCALIBRATED.noise, sampling=(0.4e-6, 0.07e-6),
        timing=(width / 19, 0.3e-6)), seed), **SMALL, repeats=2).latency
        for seed in range(4)]
    assert np.mean(found) == pytest.approx(0.4e-6 - width / 2, abs=0.02e-6)


def test_the_latency_is_fitted_to_all_neurons_together():
    """With strong noise, single neurons would give errors of up to 0.15 us."""
    for seed in range(3):
        c = quiet(seed, noise=(0.2, 0.0, 0.0), sampling=(0.4e-6, 0.0))
        found = cal.measure(bench(c), **SMALL, repeats=1)
        assert found.latency == pytest.approx(0.4e-6, abs=0.04e-6)


def test_a_twin_keeps_what_could_not_be_measured():
    found = cal.measure(dead, neurons=2, repeats=1)
    model = chip.draw(0, chip.CALIBRATED, neurons=2)
    twin = cal.twin(model, found)
    assert np.array_equal(twin.tau_mem, model.tau_mem)
    assert np.isinf(twin.threshold).all()
    assert np.array_equal(twin.gain, model.gain) and twin.gain is not model.gain
    assert cal.twin(model, found._replace(latency=-1e-9)).effects.sampling == (0, 0)
    single = cal.twin(chip.draw(0, chip.CALIBRATED, neurons=2, dtype=np.float32), found)
    assert {a.dtype for a in single[2:]} == {np.dtype(np.float32)}


@proves("calibration", 2, 4)
@pytest.mark.parametrize("syn, mem", [(4e-6, 9e-6), (9e-6, 4e-6), (6e-6, 6e-6)])
def test_the_two_time_constants_are_separated(syn, mem):
    """Below threshold, the responses of both chips differ by a factor only."""
    c = chip.draw(1, chip.IDEAL._replace(refractory=2e-6), **SMALL, dtype=np.float64)
    c = c._replace(tau_syn=np.full((2, 40), syn), tau_mem=np.full(40, mem))
    found = cal.measure(bench(c), **SMALL)
    np.testing.assert_allclose(found.tau_syn, syn, rtol=1e-3)
    np.testing.assert_allclose(found.tau_mem, mem, rtol=1e-3)


def test_excitation_and_inhibition_are_separated():
    c = chip.draw(1, chip.IDEAL._replace(refractory=2e-6), **SMALL, dtype=np.float64)
    one = np.ones(40)
    c = c._replace(gain=np.stack([1.2 * one, 0.8 * one]),
                   tau_syn=np.stack([5e-6 * one, 8e-6 * one]))
    found = cal.measure(bench(c), **SMALL)
    np.testing.assert_allclose(found.gain, c.gain, rtol=1e-3)
    np.testing.assert_allclose(found.tau_syn, c.tau_syn, rtol=1e-3)


def test_calibration_reaches_the_published_spreads():
    """Calibrate twice; neurons that never fire are left out."""
    c = chip.draw(2, chip.UNCALIBRATED)
    able = np.isfinite(c.threshold)
    before, history = spreads(c), []
    for k in range(2):
        c = cal.corrected(c, cal.calibrate(bench(c, k)))
        history.append(spreads(c))
    assert (before > 1.6 * PUBLISHED).all()
    assert (history[0] < 1.6 * PUBLISHED).all()
    assert (history[1] < PUBLISHED).all()
    assert abs(c.threshold[able].mean() - 1) < 0.03
    assert abs(c.gain.mean() - 1) < 0.02 and abs(c.reset[able].mean()) < 0.02
    assert abs(c.tau_mem.mean() / 6e-6 - 1) < 0.02
    assert abs(c.tau_syn.mean() / 6e-6 - 1) < 0.02


def test_a_decalibrated_chip_is_calibrated():
    c = chip.draw(4, chip.CALIBRATED._replace(decalibration=(0.3, 0.3)))
    assert c.tau_mem.std() > 0.25 * 6e-6
    for k in range(3):      # one neuron with fast synapses never fires
        with pytest.warns(UserWarning, match=r"^neurons \[104\] never fire: their"):
            c = cal.corrected(c, cal.calibrate(bench(c, k), repeats=4))
    c.threshold[104] = c.threshold[103]
    c.tau_mem[104], c.tau_syn[:, 104], c.gain[:, 104] = (
        a[..., 103] for a in (c.tau_mem, c.tau_syn, c.gain))
    assert (spreads(c) < PUBLISHED).all()


def test_only_recordings_are_read():
    """Replayed recordings give the same corrections to the last bit."""
    c, tape, asked = chip.draw(8, chip.UNCALIBRATED, **SMALL), [], []
    run = bench(c)

    def recorded(weights, spikes):
        asked.append((weights, spikes.copy()))
        tape.append(run(weights, spikes))
        return tape[-1]

    def replayed(weights, spikes):
        return tape.pop(0)

    first = cal.calibrate(recorded, **SMALL, repeats=2)
    second = cal.calibrate(replayed, **SMALL, repeats=2)
    assert not tape and all(map(np.array_equal, first, second))
    assert not np.array_equal(first.gain, np.ones((2, 40)))
    for weights, spikes in asked:
        assert weights.recurrent is None and weights.readout.shape == (0, 40)
        assert weights.hidden.dtype.kind == "i" and spikes.dtype == np.uint8
        assert np.abs(weights.hidden).max() <= 63
        assert set(np.unique(spikes)) <= {0, 1}
        assert not spikes[1:].any()
    assert all(spikes[0].any() for _, spikes in asked[1:])
    rows = np.stack([weights.hidden[0] for weights, _ in asked[1:]])
    for part in rows[:2], rows[2:]:         # excitatory, inhibitory
        assert (part != 0).any(axis=0).all() and not (part != 0).all()


@pytest.mark.filterwarnings("ignore:neurons")
def test_eight_choices_of_rows_are_averaged():
    for function in cal.measure, cal.calibrate:
        asked = []
        function(lambda weights, spikes, asked=asked: (
            asked.append(weights), dead(weights, spikes))[1], **SMALL)
        assert len(asked) == 1 + 2 * 8


def test_all_rows_are_used_and_images_differ_in_drive_only():
    weights, images = zip(*(cal._stimuli(220, 2, 200, 27 * k) for k in range(8)))
    for w, x in zip(weights, images, strict=True):
        assert (x @ w).tolist() == list(range(0, 402, 2))
        assert (x.sum(axis=1) == 20).all()
    assert (np.max(weights, axis=0) > 0).all()
    assert len({tuple(w) for w in weights}) == 8


def test_restless_and_silent_neurons():
    c = quiet()
    threshold = c.threshold.copy()
    threshold[:2] = np.inf, -0.4
    c = c._replace(threshold=threshold)
    found = cal.measure(bench(c), **SMALL)
    assert np.flatnonzero(found.silent).tolist() == [0]
    assert np.flatnonzero(found.restless).tolist() == [1]
    assert np.isnan(found.threshold[0]) and np.isnan(found.tau_mem[0])
    with pytest.warns(UserWarning, match=r"^neurons \[0\] never fire: their"):
        turned = cal.calibrate(bench(c), **SMALL)
    assert all(np.isfinite(a).all() for a in turned)
    for name in ("gain", "tau_syn", "tau_mem"):
        assert (getattr(turned, name)[..., :2] == 1).all()
        assert (getattr(turned, name)[..., 2:] != 1).all()
    assert turned.reset[1] == turned.leak[1] == 0, "its leak is unknown"
    new = cal.corrected(c, turned)
    assert new.threshold[0] == np.inf
    np.testing.assert_allclose(turned.threshold[0], -found.leak[0], rtol=1e-10)
    np.testing.assert_allclose(new.threshold[1], 0.6, rtol=1e-9)
    assert new.leak[1] == c.leak[1] and abs(new.leak[0]) < 1e-4
    with pytest.warns(UserWarning, match=r"^neurons \[0\] never fire: their"):
        again = cal.corrected(new, cal.calibrate(bench(new), **SMALL))
    assert abs(again.threshold[1] - 1) < 0.02


@pytest.mark.parametrize("inputs", [11, 16, 40, 64, 100, 150])
def test_few_inputs_reach_every_neuron(inputs):
    c = quiet()
    c.threshold[:] = np.linspace(0.6, 1.2, len(c.threshold))
    found = cal.measure(bench(c), neurons=SMALL["neurons"], inputs=inputs)
    assert not found.silent.any()
    np.testing.assert_allclose(found.threshold, c.threshold, atol=0.03)
    np.testing.assert_allclose(found.tau_mem, c.tau_mem, rtol=0.02)


def test_drives_of_few_inputs_are_consecutive():
    for inputs, most in ((11, 140), (16, 140), (64, 140), (100, 140), (160, 145)):
        count, weight = cal._powers(inputs, most)
        assert not cal._classes(inputs, most)
        for unit in (2, -1):
            weights, images = cal._stimuli(inputs, unit, most, 3)
            assert (images @ weights).tolist() == [unit * k for k in range(most + 1)]
            assert np.abs(weights).max() == abs(unit) * max(weight, 2 ** count // 2)


def test_a_drive_that_cannot_reach_the_threshold_is_refused():
    for options in ({"limit": 20, "inputs": 11}, {"scale": 3000.0, "inputs": 16}):
        with pytest.raises(ValueError, match=(
                r"^inputs is 1[16], with weights of at most \d+: must reach 2 times "
                "the nominal threshold, a total weight of .* smaller `scale`")):
            cal.measure(dead, neurons=2, repeats=1, **options)


def test_of_a_neuron_that_fires_late_only_the_threshold_is_corrected():
    """Its time constants cannot be measured before its threshold is corrected."""
    c = quiet()
    c.tau_mem[3], c.tau_syn[:, 3], c.threshold[3] = 20e-6, 20e-6, 9.2
    found = cal.measure(bench(c), **SMALL)
    assert np.flatnonzero(found.silent).tolist() == [3] and not np.isnan(found.reset[3])
    for name in ("gain", "tau_syn", "tau_mem", "threshold"):
        assert np.isnan(getattr(found, name)[..., 3]).all()
        assert np.isfinite(np.delete(getattr(found, name), 3, axis=-1)).all()
    turned = cal.calibrate(bench(c), **SMALL)
    assert all(np.isfinite(a).all() for a in turned)
    assert turned.reset[3] == turned.leak[3] != 0
    new = cal.corrected(c, turned)
    assert new.tau_syn[0, 3] == 20e-6 and abs(new.threshold[3] - 8.7) < 1e-9
    for _ in range(2):
        new = cal.corrected(new, cal.calibrate(bench(new), **SMALL))
    np.testing.assert_allclose(new.tau_mem, 6e-6, rtol=0.01)
    np.testing.assert_allclose(new.tau_syn, 6e-6, rtol=0.01)
    assert abs(new.threshold[3] - 1) < 0.02


def test_corrections_are_targets_over_measurements():
    c = quiet()
    found, turned = (f(bench(c), **SMALL) for f in (cal.measure, cal.calibrate))
    np.testing.assert_allclose(turned.gain * found.gain, 1, rtol=1e-10)
    np.testing.assert_allclose(turned.tau_syn * found.tau_syn, 6e-6, rtol=1e-10)
    np.testing.assert_allclose(turned.tau_mem * found.tau_mem, 6e-6, rtol=1e-10)
    np.testing.assert_allclose(turned.leak, -found.leak, rtol=1e-10)
    np.testing.assert_allclose(turned.threshold, 1 - found.threshold - found.leak,
                               rtol=1e-10)
    np.testing.assert_allclose(turned.reset, -found.reset - found.leak, rtol=1e-10)
    new = cal.corrected(c, turned)
    for name, value, atol in (("gain", 1, 1e-3), ("threshold", 1, 0.02),
                              ("leak", 0, 1e-4), ("reset", 0, 1e-4)):
        np.testing.assert_allclose(getattr(new, name), value, atol=atol)
    np.testing.assert_allclose(new.tau_mem, 6e-6, rtol=1e-3)
    np.testing.assert_allclose(new.tau_syn, 6e-6, rtol=1e-3)
    for name in ("adc_offset", "adc_gain", "synapse"):
        assert getattr(new, name) is getattr(c, name)


def test_other_targets():
    c = quiet()
    turned = cal.calibrate(bench(c), **SMALL, tau_mem=8e-6, tau_syn=5e-6)
    new = cal.corrected(c, turned)
    np.testing.assert_allclose(new.tau_mem, 8e-6, rtol=1e-3)
    np.testing.assert_allclose(new.tau_syn, 5e-6, rtol=1e-3)


def test_other_units():
    """Codes, weights and time are in the units of the caller."""
    c = quiet()
    run = functools.partial(bench(c), code=(100.0, 35.0), scale=200.0, dt=1.5e-6)
    found = cal.measure(run, **SMALL, code=(100.0, 35.0), scale=200.0, dt=1.5e-6)
    np.testing.assert_allclose(found.gain, c.gain, rtol=1e-3)
    np.testing.assert_allclose(found.tau_mem, c.tau_mem, rtol=1e-3)
    np.testing.assert_allclose(found.leak, c.leak, atol=1e-5)
    np.testing.assert_allclose(found.threshold, c.threshold, atol=0.02)
    np.testing.assert_allclose(found.reset, c.reset, atol=1e-5)


@proves("calibration", 7)
def test_offsets_move_potentials():
    c = quiet()
    one, zero = np.ones((2, 40)), np.zeros(40)
    plain = cal.Corrections(one, one, one[0], zero, zero, zero)
    assert all(np.array_equal(a, b) for a, b in
               zip(cal.corrected(c, plain)[2:], c[2:], strict=True))
    leak = cal.corrected(c, plain._replace(leak=zero + 0.25))
    np.testing.assert_allclose(leak.leak, c.leak + 0.25, rtol=1e-10)
    np.testing.assert_allclose(leak.threshold, c.threshold - 0.25, rtol=1e-10)
    np.testing.assert_allclose(leak.reset, c.reset - 0.25, rtol=1e-10)
    both = cal.corrected(c, plain._replace(
        threshold=zero + 0.25, reset=zero - 0.5, tau_mem=one[0] * 2))
    np.testing.assert_allclose(both.threshold, c.threshold + 0.25, rtol=1e-10)
    np.testing.assert_allclose(both.reset, c.reset - 0.5, rtol=1e-10)
    np.testing.assert_allclose(both.tau_mem, 2 * c.tau_mem, rtol=1e-10)
    single = cal.corrected(chip.draw(1, **SMALL), plain)
    assert {a.dtype for a in single[2:]} == {np.dtype(np.float32)}


def test_a_reference_parts_the_leak_from_the_converter():
    c = quiet(adc=(9.9, 0.0))
    known = {"reference": 80 + c.adc_offset}
    for options, offset in (({}, c.adc_offset / 70), (known, 0)):
        found = cal.measure(bench(c), **SMALL, **options)
        np.testing.assert_allclose(found.leak, c.leak + offset, atol=1e-5)
        new = cal.corrected(c, cal.calibrate(bench(c), **SMALL, **options))
        np.testing.assert_allclose(new.leak, -offset + 0 * c.leak, atol=1e-4)
        np.testing.assert_allclose(new.threshold, 1, atol=0.02)
        np.testing.assert_allclose(found.offset, c.adc_offset * bool(options))
    assert c.adc_offset.std() > 8
    whole = cal.measure(dead, neurons=2, repeats=1, reference=[81, 80], code=(80, 0.5))
    assert whole.offset.tolist() == [1, 0] and whole.offset.dtype == np.float64
    assert whole.leak.tolist() == [-2, 0]


@proves("calibration", 7)
def test_settings_have_steps():
    c, first = quiet(levels=10), np.eye(40)[0]
    moves = PLAIN._replace(gain=1 + 0.13 * np.stack([first, -0.2 * first]),
                           tau_mem=1 - 0.98 * first, leak=0.3 * first,
                           reset=-0.3 * first, threshold=-0.2 * first)
    new = cal.corrected(c, moves)
    np.testing.assert_allclose(new.gain[:, 0], c.gain[:, 0] * (1.2, 1.0), rtol=1e-12)
    assert new.tau_mem[0] == pytest.approx(0.2 * c.tau_mem[0])      # not 0
    assert new.leak[0] == pytest.approx(c.leak[0] + 0.545)
    assert new.reset[0] == pytest.approx(c.reset[0] - 2 * 0.545)
    assert new.threshold[0] == pytest.approx(c.threshold[0] - 0.545)
    low = cal.corrected(c, PLAIN._replace(leak=-3 * first))
    assert low.leak[0] == pytest.approx(c.leak[0] - 6 * 0.545)
    for name in cal.Corrections._fields:
        np.testing.assert_allclose(getattr(new, name)[..., 1:],
                                   getattr(c, name)[..., 1:], rtol=1e-12)
    for levels in (1, 3, 1022, 1023):
        same = cal.corrected(quiet(levels=levels), PLAIN)
        assert all(np.array_equal(a, b) for a, b in zip(c[2:], same[2:], strict=True))
    for levels in (0, 2.5, True, "x"):
        odd = c._replace(effects=c.effects._replace(levels=levels))
        with pytest.raises(ValueError, match="^chip.effects.levels "):
            cal.corrected(odd, PLAIN)
    plain = cal.corrected(quiet(), moves)
    assert plain.leak[0] == pytest.approx(c.leak[0] + 0.3)
    assert plain.tau_mem[0] == pytest.approx(0.02 * c.tau_mem[0])


def dead(weights, spikes):
    shape = (*spikes.shape[:2], len(weights.hidden))
    return np.zeros(shape, np.uint8), np.full(shape, 80, np.uint8)


def broken(change):
    return lambda weights, spikes: change(*dead(weights, spikes))


PLAIN = cal.Corrections(np.ones((2, 40)), np.ones((2, 40)), np.ones(40),
                        *np.zeros((3, 40)))


def test_a_list_is_a_pair_too():
    found = cal.measure(broken(lambda s, v: [s.tolist(), v.tolist()]), neurons=2,
                        inputs=11, repeats=1)
    assert found.silent.all() and not found.leak.any()
