"""What the functions of `refsnn.losses` accept and refuse."""

import numpy as np
import pytest
from harness import contract, verify

from refsnn import losses

LABELS = "labels (B) int in [0, 5]"         # for 6 units
SPIKES = "spikes (T, B, n) float"
BOUND = "bound () in [0, inf), per {neuron, population}, power () in {1, 2}"


def labels(module, rng, dtype, sizes):
    return {"labels": rng.integers(0, sizes["k"], sizes["B"])}


FUNCTIONS = [
    contract(losses.cross_entropy, f"record (T, B, k) float, {LABELS}, "
             "reduction {max, sum, last}", given=labels),
    contract(losses.accuracy, f"record (T, B, k) float, {LABELS}, "
             "reduction {max, sum, last, first}", given=labels),
    contract(losses.first_spike_time, f"spikes (T, B, k) float, {LABELS}, "
             "tau () in (0, inf), dt () in (0, inf)", given=labels),
    contract(losses.van_rossum, f"{SPIKES}, target (T, B, n), tau_rise () in (0, inf), "
             "tau_decay () in (0, inf), dt () in (0, inf)"),
    contract(losses.square, "record (T, B, k) float, target (T, B, k)"),
    contract(losses.lower_bound, f"{SPIKES}, {BOUND}"),
    contract(losses.upper_bound, f"{SPIKES}, {BOUND}"),
    contract(losses.burst, SPIKES),
    contract(losses.total, SPIKES),
]


@pytest.mark.parametrize("c", FUNCTIONS, ids=lambda c: c.function.__name__)
def test_contract(c):
    bad = verify(c)
    assert not bad, "\n".join(bad)


RECORD = np.zeros((4, 2, 3))


def test_the_message_about_labels_names_the_record():
    with pytest.raises(ValueError, match=r"^labels has 1 sample \(axis 0\), record has "
                                         r"2 \(axis 1\): must be equal"):
        losses.cross_entropy(RECORD, np.array([0]))
    with pytest.raises(ValueError, match=r"^labels is .* at index \(1,\).*in \[0, 3\)"):
        losses.accuracy(RECORD, np.array([0, 3]))


def test_the_first_spike_is_no_reduction_of_the_loss():
    with pytest.raises(ValueError, match="^reduction is 'first': must be one of 'max'"):
        losses.cross_entropy(RECORD, np.array([0, 1]), "first")


def test_a_target_that_overflows_in_the_cast_is_refused():
    for call in (losses.square, lambda r, t: losses.van_rossum(r, t, 1.0, 2.0, 1.0)):
        with pytest.raises(ValueError, match="^target overflows in float32 at index"):
            call(RECORD.astype(np.float32), np.full((4, 2, 3), 1e300))
