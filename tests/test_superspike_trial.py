"""SuperSpike by blocks of steps: the same numbers as step by step."""

import itertools

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from strategies import SEEDS
from tolerances import RTOL

from refsnn import superspike, superspike_trial

NAMES = tuple(superspike.OPTIONS)
GRID = list(itertools.product(*superspike.OPTIONS.values(), (0.0, 3e-4), (0.0, 0.5)))
# Short time constants: some tens of steps see every filter at work.
QUICK = {"dt": 1e-4, "tau_mem": 3e-3, "tau_syn": 2e-3, "tau_rise": 1.5e-3,
         "tau_decay": 2.5e-3, "tau_het": 5e-3, "refractory": 1e-3, "exponent": 2.0}


def both(**changes):
    """Coefficients, as each of the two modules has them."""
    k = superspike.coefficients(superspike.Settings(**{**QUICK, **changes}))
    return k, superspike_trial.Coefficients(*k)


def close(a, b):
    """Equal to RTOL of the largest entry; whether that is not 0."""
    assert np.shape(a) == np.shape(b) and a.dtype == b.dtype
    np.testing.assert_allclose(a, b, rtol=0, atol=RTOL * np.abs(a).max(initial=0))
    return bool(np.any(a))


def online(setting, state, W, x, signal):
    """Steps of the online form as a block: state, steps, m, error."""
    m, steps, errors = 0.0, [], []
    for arriving, events in zip(x, signal, strict=True):
        state, step = superspike.forward(setting, state, W, arriving)
        state, dm, error = superspike.accumulate(setting, state, W, step, events)
        m = m + dm
        steps.append(step)
        errors.append(error)
    return state, superspike.Step(*map(np.stack, zip(*steps, strict=True))), m, \
        np.stack(errors)


def compare_blocks(changes, seed, sizes=(2, 3, 5), lengths=(40, 1, 2, 70)):
    """Blocks with carried states and moving weights: spikes, what was not 0."""
    rng = np.random.default_rng(seed)
    B, n, m = sizes
    slow, fast = both(**changes)
    a, b = superspike.rest(slow, B, n, m), superspike_trial.rest(fast, B, n, m)
    W = rng.normal(0.03, 0.05, (B, n, m))
    spikes, live = [], set()
    for T in lengths:
        x = rng.random((T, B, m)) < 0.1
        signal = rng.integers(-1, 2, (T, B, n)) * (rng.random((T, B, n)) < 0.3)
        a, step, dm, error = online(slow, a, W, x, signal)
        b, block = superspike_trial.forward(fast, b, W, x)
        b, m_block, e_block = superspike_trial.accumulate(fast, b, W, block, signal)
        assert (step.spikes == block.spikes).all()
        pairs = [("step mem", step.mem, block.mem), ("psi", step.psi, block.psi),
                 ("error", error, e_block), ("m", dm, m_block),
                 *zip(a._fields, a, b, strict=True)]
        live |= {name for name, one, two in pairs if close(one, two)}
        spikes.append(block.spikes)
        W = W + 1e-3 * dm / max(np.abs(dm).max(), 1e-30)
    return np.concatenate(spikes), live


@pytest.mark.parametrize("values", GRID, ids=lambda v: "-".join(map(str, v)))
def test_online_and_trial_form_agree_with_every_option(values):
    changes = dict(zip((*NAMES, "delay", "rho"), values, strict=True))
    spikes, live = compare_blocks(changes, 1)
    assert 10 < spikes.sum() < spikes.size / 2
    late = {"past_x", "past_psi"} if changes["delay"] == 0 else set()
    assert live == {"step mem", "psi", "m", *superspike.State._fields} - late


@given(SEEDS, st.tuples(*(st.integers(1, 4),) * 3), st.sampled_from(GRID),
       st.lists(st.integers(1, 30), min_size=1, max_size=4))
@settings(max_examples=15)
def test_online_and_trial_form_agree_in_drawn_blocks(seed, sizes, values, lengths):
    changes = dict(zip((*NAMES, "delay", "rho"), values, strict=True))
    spikes, live = compare_blocks(changes, seed, sizes, (60, *lengths))
    assume(spikes.any())
    assert "m" in live


def test_input_of_another_shape_is_refused():
    _, fast = both()
    state = superspike_trial.rest(fast, 2, 3, 4)
    with pytest.raises(ValueError, match="x is of shape"):
        superspike_trial.forward(fast, state, np.ones((2, 3, 4)), np.ones((5, 2, 3)))
