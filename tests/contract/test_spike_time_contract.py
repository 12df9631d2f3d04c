"""What the functions of `refsnn.spike_time` accept and refuse."""

import numpy as np
import pytest
from harness import contract, verify

from refsnn import spike_time

LAYER = "inputs (B, m) in [0, inf], W (n, m) float, tau () in (0, inf)"
FUNCTIONS = [
    contract(spike_time.forward, f"{LAYER}, threshold () in (0, inf)"),
    contract(spike_time.backward, f"{LAYER}, dtimes (B, n), crossing.times (B, n) in "
             "[0, inf], crossing.causal (B, n, m), crossing.slope (B, n) in [0, inf)"),
    contract(spike_time.potential, f"at (T*), {LAYER}"),
    contract(spike_time.silent_cost, "W (n, m) float, tau () in (0, inf), "
             "threshold () in (0, inf)"),
    contract(spike_time.cross_entropy, "times (B, k) float in [0, inf], "
             "labels (B) int in [0, 5], scale () in (0, inf), late () in (0, inf)",
             given=lambda module, rng, dtype, sizes: {
                 "labels": rng.integers(0, sizes["k"], sizes["B"])}),
    contract(spike_time.latency, "times (B, k) float in [0, inf], targets (B, k), "
             "late () in (0, inf)"),
]


@pytest.mark.parametrize("c", FUNCTIONS, ids=lambda c: c.function.__name__)
def test_contract(c):
    bad = verify(c)
    assert not bad, "\n".join(bad)


INPUTS, W = np.array([[0.5, 1.0], [np.inf, 0.2]]), np.array([[3.0, 1.0]] * 3)
OUT, ONES = spike_time.forward(INPUTS, W, tau=1.0, threshold=1.0), np.ones((2, 3))


@pytest.mark.parametrize("dtimes, crossing, match", [
    (ONES, None, "crossing is of type NoneType: must be a Crossing"),
    (ONES, OUT[:2], "crossing is of type tuple"),
    (ONES, [*OUT], "crossing is of type list"),
    (ONES, OUT._replace(times=ONES, slope=0 * ONES),
     "crossing.slope is not positive at a finite time: must be above 0"),
    (ONES[:, :2], OUT, r"dtimes is float64 of shape \(2, 2\): must be .* \(2, 3\)"),
    (ONES * 1j, OUT, "dtimes is complex128 of shape")])
def test_relations_between_arguments(dtimes, crossing, match):
    with pytest.raises(ValueError, match=f"^{match}"):
        spike_time.backward(dtimes, INPUTS, W, crossing, tau=1.0)


def test_a_unit_may_spike_at_time_0():
    loss, dtimes = spike_time.cross_entropy(0 * ONES, [0, 1], scale=1.0, late=1.0)
    assert loss > 0 and dtimes.all()
    loss, _ = spike_time.latency(np.array([[0.0, np.inf]]), ONES[:1, :2] * 0, late=2.0)
    assert loss == 2.0
    crossing = OUT._replace(times=0 * ONES, slope=ONES, causal=INPUTS[:, None] <= 0 * W)
    dW, dinputs = spike_time.backward(ONES, INPUTS, W, crossing, tau=1.0)
    assert not dW.any() and not dinputs.any()


def test_the_message_about_labels_names_the_times():
    with pytest.raises(ValueError, match=r"^labels has 1 sample \(axis 0\), times"):
        spike_time.cross_entropy(OUT.times, [0], scale=1.0, late=1.0)
    with pytest.raises(ValueError, match=r"^labels is .*\(1,\): must be in \[0, 3\)"):
        spike_time.cross_entropy(OUT.times, [0, 3], scale=1.0, late=1.0)


@pytest.mark.parametrize("change", [{"scale": 1e-50}, {"late": 1e39}])
def test_constants_beyond_the_range_of_float32_are_refused(change):
    with pytest.raises(ValueError, match=f"^{[*change][0]} .* float32"):
        spike_time.cross_entropy(np.array([[1, np.inf]], "f4"), [0],
                                 **{"scale": 1.0, "late": 2.0} | change)
