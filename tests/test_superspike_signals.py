"""SuperSpike signals: delays, feedback of errors, moments of traces."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from proofs import proves
from strategies import SEEDS, spike_trains
from tolerances import RTOL

from refsnn.superspike_signals import delayed, feedback, hidden_signal, poisson_moment

FLOATS = st.sampled_from((np.float32, np.float64))


# --- delays --------------------------------------------------------------------

@proves("superspike_signals", 1)
@given(spike_trains(), st.integers(0, 15), st.integers(1, 11),
       st.sampled_from((np.float64, np.float32, bool)))
def test_delay_is_a_shift_for_any_blocks(drawn, D, cut, dtype):
    train = drawn[0].astype(dtype)
    T, B, n = train.shape
    past, parts = np.zeros((D, B, n)), []
    for part in (train[:cut], train[cut:]):
        if len(part):
            past, late = delayed(past, part)
            parts.append(late)
            assert past.dtype == late.dtype == dtype
    whole = np.concatenate([np.zeros((D, B, n)), train])
    assert (np.concatenate(parts) == whole[:T]).all() and (past == whole[T:]).all()


# --- feedback ------------------------------------------------------------------

@proves("superspike_signals", 2)
@given(SEEDS, st.tuples(*(st.integers(1, 4),) * 4), FLOATS)
def test_feedback_carries_signals(seed, sizes, dtype):
    rng = np.random.default_rng(seed)
    T, B, n, k = sizes
    W_out = rng.normal(size=(B, k, n)).astype(dtype)
    signal = rng.integers(-1, 2, (T, B, k)).astype(dtype)
    expected = {"symmetric": W_out.swapaxes(1, 2), "uniform": np.ones((B, n, k)),
                "random": np.random.default_rng(seed).standard_normal((B, n, k))}
    for kind, matrix in expected.items():
        made = feedback(kind, W_out, np.random.default_rng(seed))
        assert made.dtype == dtype and (made == matrix.astype(dtype)).all()
        hidden = hidden_signal(signal, made)
        rtol = RTOL if dtype == np.float64 else 1e-5
        np.testing.assert_allclose(hidden, np.einsum("bnk,tbk->tbn", made, signal),
                                   rtol=rtol, atol=rtol)
        assert hidden.dtype == dtype
    feedback("symmetric", W_out)[:] = 7
    assert not (W_out == 7).any()


# --- moments of the regulariser's trace ----------------------------------------

@proves("superspike_signals", 3, 4)
@given(st.floats(0.1, 200.0), st.floats(1e-3, 1.0))
def test_fourth_moment_is_the_polynomial_of_the_paper(rate, tau):
    r = rate * tau
    np.testing.assert_allclose(poisson_moment(rate, tau),
                               r / 12 * (3 + 25 * r + 36 * r**2 + 12 * r**3), rtol=RTOL)
    np.testing.assert_allclose(poisson_moment(rate, tau, 1), r, rtol=RTOL)
    np.testing.assert_allclose(poisson_moment(rate, tau, 2), r**2 + r / 2, rtol=RTOL)


@proves("superspike_signals", 3, 4)
@pytest.mark.parametrize("rate, order", [(4.0, 1), (4.0, 4), (10.0, 2), (10.0, 4),
                                         (30.0, 3), (30.0, 4)])
def test_moment_of_simulated_poisson_spikes(rate, order):
    """Within 4 standard errors of 40,000 traces."""
    tau, window, rng = 0.1, 2.0, np.random.default_rng([7, int(rate), order])
    counts = rng.poisson(rate * window, 40_000)     # older spikes are below e^-20
    weight = np.exp(-rng.uniform(0, window, (40_000, counts.max())) / tau)
    trace = np.where(np.arange(counts.max()) < counts[:, None], weight, 0).sum(axis=1)
    sample = trace ** order
    error = sample.std() / np.sqrt(len(sample))
    expected = poisson_moment(rate, tau, order)
    assert abs(sample.mean() - expected) < 4 * error
    assert error < 0.05 * expected      # small enough to detect a wrong coefficient
    if order == 4:
        r = rate * tau
        wrong = r / 12 * (3 + 25 * r + 36 * r**2 + 6 * r**3)
        assert abs(sample.mean() - wrong) > 4 * error or r < 1
