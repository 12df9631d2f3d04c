"""Vectors of delayed inputs by finite differences of sums written out."""

import numpy as np
import pytest

from refsnn.oracle import check

VECTORS = check.vectors(["delays_linear", "delays_gaussian"])
STEP = 1e-5


def output(p):
    """Return the delayed input, one tap after the other."""
    y = np.zeros(p["dy"].shape)
    for i, j in np.ndindex(p["W"].shape):
        apart = np.arange(p["most"] + 1) - p["delays"][i, j]
        if "width" in p:
            taps = np.exp(-0.5 * (apart / p["width"][i, j]) ** 2)
            taps = taps / taps.sum()
        else:
            taps = np.maximum(1 - np.abs(apart), 0)
        for b in range(y.shape[1]):
            y[:, b, i] += p["W"][i, j] * np.convolve(p["x"][:, b, j], taps)[:len(y)]
    return y


@pytest.mark.parametrize("name", VECTORS)
def test_right_answers_by_differences(name):
    p, right = VECTORS[name].inputs, VECTORS[name].outputs
    p = p | {"most": int(p["most"])}
    assert np.allclose(output(p), right["y"], rtol=1e-12, atol=1e-12)
    rng = np.random.default_rng(5)
    for key in ("x", "W", "delays", *(["width"] if "width" in p else [])):
        toward = rng.normal(size=p[key].shape)
        up, down = ((p["dy"] * output(p | {key: p[key] + sign * STEP * toward})).sum()
                    for sign in (1, -1))
        slope = float((right[f"d{key}"] * toward).sum())
        assert abs(slope) > 1e-3
        assert np.isclose((up - down) / (2 * STEP), slope, rtol=1e-6), key
