"""Stimuli: inputs, ties, and what they show."""

import doctest

import numpy as np
import pytest
from layers import LEVELS, problem, recorded

from refsnn import conventions
from refsnn.conventions import PRESETS
from refsnn.oracle.identify import stimuli


def test_decays_of_zero_have_stimuli():
    found = stimuli.make_stimuli([0.0], [0.0], 3.0)
    assert found["ties"].x.max() == 3.0 and found["overdrive"].x.max() == 27.0


def test_stimuli_by_hand():
    """alpha 1/4, beta 1/2: the least product of factors is 1/8."""
    found = stimuli.make_stimuli([0.25], [0.5])
    shapes = {"overdrive": [0, 1, 1, 1, 0, 0, 1], "ties": [0, 1],
              "inhibition": [0, -1, -1, 0, 1, 1, 1, 0.5]}
    for name, shape in shapes.items():
        x, W, _ = found[name]
        sizes = x[1, :, 0] * shape[1]
        assert W.tolist() == [[1.0]] and x.shape == (25, len(sizes), 1)
        wanted = np.outer(shape + [0] * (25 - len(shape)), sizes)
        np.testing.assert_allclose(x[:, :, 0], wanted, rtol=1e-12)
        if name != "ties":
            np.testing.assert_allclose(sizes, np.geomspace(0.6, 72, 40), rtol=1e-12)
    assert 1.0 in found["ties"].x[1] and 16 / 0.75 / 2 in found["ties"].x[1]
    low = stimuli.make_stimuli([0.75], [0.5])["overdrive"].x[1].max()
    np.testing.assert_allclose(low, 72, rtol=1e-12)
    for alpha, gains, least in ((0.0, (), 18), (0.75, [0.25], 144)):
        low = stimuli.make_stimuli([alpha], [0.5], gains=gains)["overdrive"].x[1].max()
        np.testing.assert_allclose(low, least, rtol=1e-12)


def test_every_tie_near_the_quotient_is_found():
    for alpha, beta, gain in np.random.default_rng(3).uniform(0.01, 0.99, (30, 3)):
        x = stimuli.make_stimuli([alpha], [beta], 1.1, [gain])["ties"].x[1, :, 0]
        for f1 in (1, 1 - alpha):
            for f2 in (1, alpha):
                for f3 in (1, 1 - beta, gain):
                    near = 1.1 / (f1 * f2 * f3)
                    near += np.arange(-8, 9) * np.spacing(near)
                    exact = f3 * (f2 * (f1 * near)) == 1.1
                    assert exact.any() == (f3 * (f2 * (f1 * x)) == 1.1).any()


def test_gains_that_are_not_positive_have_no_tie():
    found = stimuli.make_stimuli([0.5], [0.75], 2.0, [0.0, -1.0])["ties"]
    wanted = stimuli.make_stimuli([0.5], [0.75], 2.0)["ties"]
    np.testing.assert_array_equal(found.x, wanted.x)


def test_stimuli_hold_what_they_say():
    found = stimuli.make_stimuli([0.25], [0.5], 2.0)
    assert list(found) == ["overdrive", "inhibition", "ties", "all"]
    x = found["ties"].x
    for name in PRESETS:
        taus = {"exact": {"tau_syn": 1 / np.log(4), "tau_mem": 1 / np.log(2)},
                "euler": {"tau_syn": 4 / 3, "tau_mem": 2.0}}[PRESETS[name].decay]
        run = conventions.simulate(PRESETS[name]._replace(reset="none"), x, [[1.0]],
                                   threshold=2.0, **taus)
        assert (run.mem == 2.0).any(), name
    assert (found["inhibition"].x < 0).any() and not (found["overdrive"].x < 0).any()
    assert found["all"].x.shape[1] == sum(found[name].x.shape[1] for name in found
                                          if name != "all")
    assert all(W.tolist() == [[1.0]] and shows for _, W, shows in found.values())
    assert found["all"].shows == "all of these"


def test_stimuli_have_the_constants_of_a_problem():
    levels = {"threshold": np.array([1.75, 9]), "leak": 0.25, "reset_to": -0.5,
              "floor": np.array([-1.0])}
    first = dict(zip(levels, (1.75, 0.25, -0.5, -1.0), strict=True))
    taus = {"tau_syn": 8.0, "tau_mem": 6.0, "dt": 2.0}
    p = problem(np.ones((1, 1, 1)), np.eye(1), None, {}, taus=taus, levels=levels)
    simulate, found = stimuli._simulator(p)
    alphas, betas = [np.exp(-1 / 4), 0.75], [np.exp(-1 / 3), 1 - 1 / 3]
    gains = [gain for beta in betas for gain in (1 / 3, 6 * (1 - beta))]
    wanted = stimuli.make_stimuli(alphas, betas, 1.75, gains)
    assert list(found) == list(wanted)
    for name, stimulus in wanted.items():
        np.testing.assert_array_equal(found[name].x, stimulus.x)
    x, W, _ = wanted["all"]
    step = PRESETS["nir"]._replace(reset="zero", floor=True, refractory=1)
    rows = recorded(step, x, W, **taus, **first)
    run = simulate(step, x, W)
    assert rows["spikes"].any() and set(run) == set(rows)
    assert all(np.array_equal(run[name], rows[name]) for name in rows)


def test_stimuli_of_decays_of_zero_have_no_other_gains():
    p = problem(np.ones((1, 1, 1)), np.eye(1), None, {}, levels=LEVELS)
    p = p._replace(taus=(0.0, 0.0, 1.0), decays={"exact": (0.0, 0.0)})
    simulate, found = stimuli._simulator(p)
    wanted = stimuli.make_stimuli([0.0], [0.0])
    assert all(np.array_equal(found[name].x, wanted[name].x) for name in wanted)
    p = p._replace(taus=(0.0, 2.0, 1.0))
    ties = stimuli._simulator(p)[1]["ties"].x[1, :, 0]
    assert {1.0, 2.0} < set(ties.tolist())


@pytest.mark.parametrize("alphas, betas, match", [
    ([1.0], [0.5], "^alphas is"), ([0.5], [], "^betas has 0 entries"),
    ([[0.5]], [0.5], "^alphas")])
def test_decays_that_are_none_are_refused(alphas, betas, match):
    with pytest.raises(ValueError, match=match):
        stimuli.make_stimuli(alphas, betas)


def test_examples():
    failed, tried = doctest.testmod(stimuli)
    assert failed == 0 < tried


def test_which_stimulus_distinguishes_what():
    p = problem(np.ones((1, 1, 1)), np.eye(1), None, {},
                taus={"tau_syn": 4.0, "tau_mem": 8.0, "dt": 1.0},
                levels=LEVELS | {"reset_to": 0.125, "floor": -0.75})
    simulate, inputs = stimuli._simulator(p)
    first = PRESETS["snntorch_leaky"]
    for change, wanted in (({"compare": ">="}, "ties"), ({"spikes": "many"}, "over"),
                           ({"reset": "none"}, "over"), ({"floor": True}, "inhib"),
                           ({"record": "before"}, "overdrive, with syn and mem")):
        found = stimuli._telling(first, first._replace(**change), ["spikes"], simulate,
                                 inputs)
        assert found.startswith(wanted), change
    same = first._replace(drive="leak")         # there is no synapse to scale
    assert stimuli._telling(first, same, ["spikes"], simulate, inputs) == ""


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_rounding_distinguishes_nothing(scale):
    a = scale * np.array([1.0, -3.0, 0.5])
    for error, differ in ((0.9e-9, False), (1.1e-9, True)):
        assert stimuli._differ("mem", a, a + [3 * error * scale, 0, 0]) == differ
        assert stimuli._differ("syn", a, a - [3 * error * scale, 0, 0]) == differ
    assert stimuli._differ("spikes", np.ones(3), np.ones(3) + 1e-12)
