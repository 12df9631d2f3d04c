"""Test drawn chips: spread, switch and random stream of each effect.

Statistical tests are seeded.  A correct implementation fails one with a
probability of at most 1e-6 over seeds.
"""

import re

import numpy as np
import pytest
from proofs import proves
from scipy import stats

from refsnn import chip

N = 20_000
FIXED = ("gain", "synapse", "tau_syn", "tau_mem", "threshold", "leak", "reset",
         "adc_offset", "adc_gain")
CHANGES = {"gain": {"gain"}, "synapse": {"synapse"}, "tau_syn": {"tau_syn"},
           "tau_mem": {"tau_mem"}, "threshold": {"threshold", "leak"},
           "reset": {"reset"}, "adc": {"adc_offset", "adc_gain"},
           "decalibration": {"tau_syn", "tau_mem", "threshold"},
           "pathological": {"threshold"}, "driver": {"synapse"}}
FULL = chip.UNCALIBRATED._replace(fan_in=None, decalibration=(0.1, 0.15))


def drawn(*names, effects=FULL, seed=3, neurons=N, inputs=2):
    return chip.draw(seed, chip.only(effects, *names), neurons=neurons, inputs=inputs,
                     dtype=np.float64)


def assert_normal(z):
    """Check distribution, mean and variance of standard normal numbers."""
    z = np.ravel(z)
    assert stats.kstest(z, "norm").pvalue > 1e-6
    assert abs(z.mean()) * np.sqrt(z.size) < 4.9
    assert abs(z.var() - 1) * np.sqrt(z.size / 2) < 5.1


def log_normal(factor, spread):
    """Return the normal numbers from which factors of mean 1 were made."""
    s = np.sqrt(np.log1p(spread ** 2))
    return np.log(factor) / s + s / 2


def test_the_record_names_each_effect_and_its_source():
    entries = re.findall(r"^    (\w+)  +(\S.*(?:\n {6,}\S.*)*)", chip.Effects.__doc__,
                         re.M)
    assert tuple(name for name, _ in entries) == chip.Effects._fields
    for name, text in entries:
        assert re.search(r"\S.*(\[[TSHCP]\])+$", text), name


TABLE = {       # uncalibrated, calibrated
    "weight_limit": (63, 63), "fan_in": (256, 256),
    "gain": ((0.103, 0.104), (0.04, 0.04)), "synapse": (0.05, 0.05),
    "tau_syn": ((0.233, 0.213, 0.13), (0.04, 0.04, 0.0)), "tau_mem": (0.13, 0.05),
    "threshold": ((0.22, 0.2), (0.05, 0.03)), "reset": (0.17, 0.04),
    "refractory": (2e-6, 2e-6), "decalibration": (None, None),
    "noise": ((0.02, 0.015, 0.03),) * 2, "adc_limit": (255, 255),
    "adc": ((9.9, 0.02), (2.5, 0.02)), "sampling": ((0.2e-6, 0.07e-6),) * 2,
    "hidden_peak": (True, True), "headroom": ((-1.0, 1.75, 0.2),) * 2,
    "timing": ((8e-9, 0.3e-6),) * 2, "loss": (0.001, 0.001),
    "pathological": ((0.005, 0.005), None), "driver": (0.05, 0.05),
    "levels": (1022, 1022)}


def test_magnitudes_equal_those_of_the_sources():
    assert list(TABLE) == list(chip.Effects._fields)
    for effects, column in ((chip.UNCALIBRATED, 0), (chip.CALIBRATED, 1)):
        assert effects._asdict() == {k: v[column] for k, v in TABLE.items()}


def test_all_effects_but_decalibration_are_on():
    assert [f for f, v in chip.UNCALIBRATED._asdict().items() if v is None] \
        == ["decalibration"]
    assert set(chip.IDEAL) == {None}


@pytest.mark.parametrize("name", chip.Effects._fields)
def test_an_effect_alone_changes_its_own_numbers(name):
    c, ideal = drawn(name, neurons=400), drawn(neurons=400)
    for field in FIXED:
        same = np.array_equal(getattr(c, field), getattr(ideal, field))
        assert same != (field in CHANGES.get(name, ())), field


@pytest.mark.parametrize("name", sorted(set(CHANGES) - {"pathological"}))
def test_switching_an_effect_off_keeps_the_others(name):
    on = chip.draw(3, chip.CALIBRATED._replace(decalibration=(0.1, 0.2)))
    off = chip.draw(3, on.effects._replace(**{name: None}))
    changed = {f for f in FIXED if not np.array_equal(getattr(on, f), getattr(off, f))}
    assert changed == CHANGES[name]


def test_an_ideal_chip_is_nominal():
    c = drawn()
    assert (c.tau_syn == 6e-6).all() and (c.tau_mem == 6e-6).all()
    assert (c.gain == 1).all() and (c.synapse == 1).all()
    assert (c.threshold == 1).all()
    assert not any(getattr(c, f).any()
                   for f in ("leak", "reset", "adc_offset", "adc_gain"))
    assert c.nominal == (6e-6, 6e-6)


def test_gains():
    gain = drawn("gain").gain
    for row, spread in zip(gain, FULL.gain, strict=True):
        assert_normal(log_normal(row, spread))
        assert abs(row.mean() - 1) < 4.9 * spread / np.sqrt(N)
        assert abs(row.std() - spread) < 6 * spread / np.sqrt(2 * N)
    assert abs(np.corrcoef(gain)[0, 1]) < 4.9 / np.sqrt(N)


def test_synapses():
    synapse = drawn("synapse").synapse
    assert synapse.shape == (2, N, 2)
    assert_normal((synapse - 1) / FULL.synapse)
    wide = drawn("synapse", effects=FULL._replace(synapse=2.0)).synapse
    share = stats.norm.cdf(-0.5)                # negative ones are set to 0
    assert wide.min() == 0
    assert stats.binomtest(int((wide == 0).sum()), wide.size, share).pvalue > 1e-6


@proves("chip", 1, 2, 3, 4, 5)
def test_parameters_of_a_seed_by_hand():
    """Transform the random numbers of each stream with SciPy's distributions."""
    effects = FULL._replace(pathological=None, driver=0.3, decalibration=(0.1, 0.15))
    c = drawn(*chip.Effects._fields, effects=effects, seed=9, neurons=30, inputs=4)
    streams = dict(zip(chip.Effects._fields, np.random.default_rng(9).spawn(21),
                       strict=True))
    normal = {name: rng.standard_normal((2, 30)) for name, rng in streams.items()}

    def factor(z, size):
        """Return log-normal numbers of mean 1 and standard deviation `size`."""
        sigma = np.sqrt(np.log(1 + size ** 2))
        return stats.lognorm.ppf(stats.norm.cdf(z), sigma, scale=np.exp(
            -sigma ** 2 / 2))

    syn, mem, level = (1 + s * z for s, z in zip((0.1, 0.1, 0.15), streams[
        "decalibration"].standard_normal((3, 30)), strict=True))
    first, second = normal["tau_syn"]
    single = streams["synapse"].standard_normal((2, 30, 4))
    driver = streams["driver"].standard_normal((2, 1, 4))
    wanted = {
        "gain": [factor(normal["gain"][0], 0.103), factor(normal["gain"][1], 0.104)],
        "tau_syn": [6e-6 * factor(first, 0.233) * syn, 6e-6 * syn * factor(
            0.13 * first + np.sqrt(1 - 0.13 ** 2) * second, 0.213)],
        "tau_mem": 6e-6 * factor(normal["tau_mem"][0], 0.13) * mem,
        "threshold": (1 + 0.22 * normal["threshold"][0]) * level,
        "leak": 0.2 * normal["threshold"][1], "reset": 0.17 * normal["reset"][0],
        "synapse": (1 + 0.05 * single) * factor(driver, 0.3),
        "adc_offset": 9.9 * normal["adc"][0], "adc_gain": 0.02 * normal["adc"][1]}
    assert set(wanted) == set(FIXED)
    for name, value in wanted.items():
        np.testing.assert_allclose(getattr(c, name), value, rtol=1e-9)


def test_drivers():
    """Each driver has one factor, for the synapses of all neurons in its row."""
    effects = FULL._replace(driver=0.3)
    synapse = drawn("driver", effects=effects, neurons=3, inputs=N).synapse
    assert (synapse == synapse[:, :1]).all()
    for row in synapse[:, 0]:
        assert_normal(log_normal(row, 0.3))
    assert abs(np.corrcoef(synapse[:, 0])[0, 1]) < 4.9 / np.sqrt(N)
    both, plain = (drawn(*names, effects=effects, neurons=3, inputs=N).synapse
                   for names in (("driver", "synapse"), ("synapse",)))
    np.testing.assert_allclose(both, plain * synapse, rtol=1e-12)


def test_time_constants():
    c = drawn("tau_syn", "tau_mem")
    z = [log_normal(row / 6e-6, spread) for row, spread in
         zip((*c.tau_syn, c.tau_mem), (0.233, 0.213, 0.13), strict=True)]
    for row in z:
        assert_normal(row)
    r = np.corrcoef(z) - np.eye(3)
    r = np.arctanh(r) * np.sqrt(N - 3)                   # normal, by Fisher
    assert abs(r[0, 1] - np.arctanh(0.13) * np.sqrt(N - 3)) < 4.9
    assert abs(r[0, 2]) < 4.9 and abs(r[1, 2]) < 4.9
    other = chip.draw(1, chip.IDEAL, tau_mem=1e-5, tau_syn=2e-6)
    assert (other.tau_mem == np.float32(1e-5)).all()
    assert (other.tau_syn == np.float32(2e-6)).all()
    single = chip.draw(1, chip.IDEAL, tau_mem=np.float32(1e-5), neurons=2, inputs=2)
    assert (single.tau_mem == np.float32(1e-5)).all()


def test_potentials():
    c = drawn("threshold", "reset", "adc")
    z = [(c.threshold - 1) / 0.22, c.leak / 0.2, c.reset / 0.17,
         c.adc_offset / 9.9, c.adc_gain / 0.02]
    for row in z:
        assert_normal(row)
    r = np.corrcoef(z) - np.eye(5)
    assert np.abs(r).max() < 5.3 / np.sqrt(N)


@pytest.mark.parametrize("sigma, parts", [
    ((0.1, 0.0), {"tau"}), ((0.0, 0.1), {"threshold"}),
    ((0.1, 0.2), {"tau", "threshold"})])
def test_decalibration_of_each_kind(sigma, parts):
    c = drawn("decalibration", effects=FULL._replace(decalibration=sigma))
    z = []
    if "tau" in parts:
        assert np.array_equal(*c.tau_syn)    # exc. and inh. share a draw
        z += [(c.tau_syn[0] / 6e-6 - 1) / sigma[0],
              (c.tau_mem / 6e-6 - 1) / sigma[0]]
    else:
        assert (c.tau_mem == 6e-6).all() and (c.tau_syn == 6e-6).all()
    if "threshold" in parts:
        z += [(c.threshold - 1) / sigma[1]]
    else:
        assert (c.threshold == 1).all()
    for row in z:
        assert_normal(row)
    if len(z) > 1:
        assert np.abs(np.corrcoef(z) - np.eye(len(z))).max() < 5.2 / np.sqrt(N)


def test_decalibration_multiplies_what_was_drawn():
    names = "tau_syn", "tau_mem", "threshold"
    c, plain, change = (drawn(*n) for n in (
        (*names, "decalibration"), names, ("decalibration",)))
    for name, nominal in (("tau_syn", 6e-6), ("tau_mem", 6e-6), ("threshold", 1.0)):
        np.testing.assert_allclose(
            getattr(c, name), getattr(plain, name) * getattr(change, name) / nominal,
            rtol=1e-10)


def test_strong_decalibration_keeps_leaks_over_thresholds():
    c = drawn("decalibration", effects=FULL._replace(decalibration=(0.5, 0.5)))
    share = stats.norm.cdf(-2.0)
    assert stats.binomtest(int((c.threshold < 0).sum()), N, share).pvalue > 1e-6
    end = stats.norm.cdf((0.5 / 6 - 1) / 0.5)
    count = int((c.tau_mem == 0.5e-6).sum())
    assert stats.binomtest(count, N, end).pvalue > 1e-6
    assert min(c.tau_mem.min(), c.tau_syn.min()) == 0.5e-6


def test_pathological_neurons():
    c = drawn("pathological", "threshold", "decalibration",
              effects=FULL._replace(pathological=(0.03, 0.01),
                                    decalibration=(0.5, 0.5)))
    never, always = np.isposinf(c.threshold), c.threshold == -0.5
    assert stats.binomtest(int(never.sum()), N, 0.03).pvalue > 1e-6
    assert stats.binomtest(int(always.sum()), N, 0.01).pvalue > 1e-6
    assert np.isfinite(c.threshold[~never]).all()


def test_published_spreads():
    for effects, bounds in ((chip.UNCALIBRATED, (0.10, 0.22, 0.13, 0.22, 0.17, 9.9)),
                            (chip.CALIBRATED, (0.04, 0.04, 0.05, 0.05, 0.04, 2.5))):
        c = chip.draw(11, effects._replace(fan_in=None, pathological=None),
                      neurons=N, inputs=1)
        found = (c.gain.std(), c.tau_syn.std() / 6e-6, c.tau_mem.std() / 6e-6,
                 c.threshold.std(), c.reset.std(), c.adc_offset.std())
        np.testing.assert_allclose(found, bounds, rtol=0.06)


def test_a_seed_determines_the_chip():
    one, same, other = (chip.draw(seed) for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(one[2:], same[2:], strict=True))
    assert not any(np.array_equal(a, b)
                   for a, b in zip(one[2:], other[2:], strict=True))
    rng = chip.draw(np.random.default_rng(1))
    assert all(np.array_equal(a, b) for a, b in zip(one[2:], rng[2:], strict=True))


def test_magnitudes_scale_the_same_numbers():
    half = FULL._replace(threshold=(0.11, 0.1), reset=0.085)
    big, small = drawn("threshold", "reset"), drawn("threshold", "reset", effects=half)
    np.testing.assert_allclose(big.threshold - 1, 2 * (small.threshold - 1), rtol=1e-10,
                               atol=1e-15)
    assert np.array_equal(big.reset, 2 * small.reset)


def test_dtypes():
    for dtype in (np.float32, np.float64):
        c = chip.draw(1, dtype=dtype)
        assert {a.dtype for a in c[2:]} == {np.dtype(dtype)}
    assert chip.draw(1).gain.dtype == np.float32
    double = chip.draw(1, dtype=np.float64)
    np.testing.assert_allclose(chip.draw(1).tau_mem, double.tau_mem, rtol=1e-6)


def test_sizes():
    c = chip.draw(1, neurons=5, inputs=7)
    assert c.synapse.shape == (2, 5, 7) and c.gain.shape == (2, 5)
    assert c.reset.shape == (5,)
