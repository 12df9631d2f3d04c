"""SuperSpike signals: delays, feedback of errors, moments of traces."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import SEEDS, spike_trains
from tolerances import RTOL

from refsnn.superspike_signals import delayed, feedback, hidden_signal, poisson_moment

FLOATS = st.sampled_from((np.float32, np.float64))


# --- delays --------------------------------------------------------------------

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


@pytest.mark.parametrize("past, train, match", [
    (np.zeros((2, 1, 3)), np.zeros((4, 1, 2)), r"^past is \(2, 1, 3\)"),
    (np.zeros(2), np.zeros((4, 1, 2)), r"^past is \(2,\)"),
    (0.0, np.zeros((4, 1, 2)), "^past is 0.0"),
    (np.full((2, 1, 2), 0.5), np.zeros((4, 1, 2), int), "^past is float64: .*int64"),
    (np.zeros((2, 1, 2)), np.zeros((0, 1, 2)), r"^train is \(0, 1, 2\)"),
    (np.zeros((2, 1, 2)), np.full((4, 1, 2), np.nan), "^train is .*must be finite"),
    (np.full((2, 1, 2), np.inf), np.zeros((4, 1, 2)), "^past is .*must be finite"),
    (np.zeros((2, 1, 2)), np.zeros((4, 1, 2), str), "^train is .*must be finite real")])
def test_a_bad_delay_is_refused(past, train, match):
    with pytest.raises(ValueError, match=match):
        delayed(past, train)


# --- feedback ------------------------------------------------------------------

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


@pytest.mark.parametrize("call, match", [
    (lambda: feedback("direct", np.ones((1, 2, 3))), "kind is 'direct'"),
    (lambda: feedback("random", np.ones((1, 2, 3))), "rng is None"),
    (lambda: feedback("uniform", np.ones((2, 3))), r"^W_out is \(2, 3\)"),
    (lambda: feedback("uniform", np.ones((1, 2, 3), int)), "^W_out is .*finite float"),
    (lambda: feedback("uniform", np.full((1, 2, 3), np.inf)), "^W_out is .*finite"),
    (lambda: hidden_signal(np.ones((2, 3)), np.ones((1, 4, 3))), r"^signal is \(2, 3"),
    (lambda: hidden_signal(np.ones((5, 1, 3)), np.ones((1, 3, 4))), "^matrix is "),
    (lambda: hidden_signal(np.ones((5, 2, 3)), np.ones((1, 4, 3))), "^matrix is "),
    (lambda: hidden_signal(np.ones((5, 1, 3)), np.ones((1, 4, 3), int)), "^matrix is "),
    (lambda: hidden_signal(np.full((5, 1, 3), np.nan), np.ones((1, 4, 3))),
     "^signal is .*must be finite")])
def test_bad_feedback_is_refused(call, match):
    with pytest.raises(ValueError, match=match):
        call()


# --- moments of the regulariser's trace ----------------------------------------

@given(st.floats(0.1, 200.0), st.floats(1e-3, 1.0))
def test_fourth_moment_is_the_polynomial_of_the_paper(rate, tau):
    r = rate * tau
    np.testing.assert_allclose(poisson_moment(rate, tau),
                               r / 12 * (3 + 25 * r + 36 * r**2 + 12 * r**3), rtol=RTOL)
    np.testing.assert_allclose(poisson_moment(rate, tau, 1), r, rtol=RTOL)
    np.testing.assert_allclose(poisson_moment(rate, tau, 2), r**2 + r / 2, rtol=RTOL)


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


@pytest.mark.parametrize("arguments, match", [
    ((0.0, 0.1), r"^rate_hz is 0.0: .*in \(0, inf\)"),
    ((np.nan, 0.1), "^rate_hz is nan"), ((np.inf, 0.1), "^rate_hz is inf"),
    ((5.0, -1), "^tau is -1"), ((5.0, True), "^tau is True"),
    ((5.0, 0.1, 0), r"^order is 0: .*in \[1, 100\]"),
    ((5.0, 0.1, 101), "^order is 101"), ((5.0, 0.1, 2.0), "^order is 2.0: .*int")])
def test_a_bad_moment_is_refused(arguments, match):
    with pytest.raises(ValueError, match=match):
        poisson_moment(*arguments)
