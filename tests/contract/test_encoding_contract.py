"""What the functions of `refsnn.encoding` accept and refuse."""

import numpy as np
import pytest
from harness import contract, verify

from refsnn import encoding

LATENCY = ("values (B, m) float, T () int in [1, inf), tau () in (0, inf), "
           "threshold () in (0, inf), dt () in (0, inf)")


def rare(module, rng, dtype, sizes):
    """Return rates of at most 0.3 Hz; T is not the size of a batch."""
    rates = 0.3 * rng.random((sizes["B"], sizes["m"]))
    return {"rates_hz": rates.astype(dtype), "T": 4}


FUNCTIONS = [
    contract(encoding.latency_events, LATENCY),
    contract(encoding.latency, LATENCY),
    contract(encoding.poisson, "rates_hz (B, m) float in [0, inf), "
             "T () int in [1, inf), dt () in (0, inf), rng generator", given=rare),
]


@pytest.mark.parametrize("c", FUNCTIONS, ids=lambda c: c.function.__name__)
def test_contract(c):
    bad = verify(c)
    assert not bad, "\n".join(bad)


RATE, RNG = np.ones((2, 3)), np.random.default_rng(1)


@pytest.mark.parametrize("rates, T, match", [
    (RATE[0], 4, r"^rates_hz has shape \(3,\): must have \(B, m\), or \(T, B, m\) w"),
    (np.ones((1, 4, 2, 3)), 4, "^rates_hz has shape"),
    (np.ones((1, 2, 3)), 4, r"^rates_hz has shape \(1, 2, 3\): .* with T = 4"),
    (RATE[:0], 4, "^rates_hz has shape .*, and not be empty"),
    (1001 * RATE, 4, "^rates_hz exceeds 1/dt = 1000"),
    (-RATE, 4, r"^rates_hz is out of range at index \(0, 0\): must be in \[0, inf\)")])
def test_rates_fit_the_steps(rates, T, match):
    with pytest.raises(ValueError, match=match):
        encoding.poisson(rates, T, 1e-3, RNG)


def test_a_rate_of_float32_may_exceed_the_inverse_of_the_step():
    dt = 0.005933030161344869
    with pytest.raises(ValueError, match="^rates_hz exceeds 1/dt = 168"):
        encoding.poisson(np.array([[1 / dt]], np.float32), 4, dt, RNG)


@pytest.mark.parametrize("dtype", [np.float16, int, bool, complex, "yes", 32])
def test_results_are_float32_or_float64(dtype):
    for call in (lambda: encoding.latency(RATE, 10, dtype=dtype),
                 lambda: encoding.poisson(RATE, 10, 1e-3, RNG, dtype=dtype)):
        with pytest.raises(ValueError, match="^dtype is .*must be float32 or float64"):
            call()
