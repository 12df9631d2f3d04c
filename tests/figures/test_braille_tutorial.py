"""The example of SpyTorch's tutorial 5: its input, its encoder and its training."""

import numpy as np
from numpy.testing import assert_array_equal
from tolerances import RTOL_FD

from figures.online import braille_tutorial as tutorial
from refsnn import lif, losses


def stored(folder):
    """Write recordings of 27 letters in which the letter decides all signals."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(27), 5).astype(np.uint8)
    taxels = rng.integers(0, 256, (27, 77, 12), dtype=np.uint8)[labels]
    np.savez(folder / "braille.npz", taxels=taxels, letter=labels)
    return taxels, labels


def test_input_is_four_inverted_signals_at_twice_the_rate(tmp_path):
    taxels, labels = stored(tmp_path)
    x, found = tutorial.load(tmp_path)
    assert x.shape == (152, 135, 5) and x.dtype == np.float32
    assert_array_equal(found, labels)
    assert (x[..., 4] == 1).all()
    shown = 255 - taxels[:, :76, [1, 2, 6, 10]].swapaxes(0, 1).astype(float)
    for row in (0, 1):
        np.testing.assert_allclose(x[row::2, :, :4] * 255, shown, atol=1e-4)


def test_each_encoder_neuron_learns_one_gain_and_one_offset(tmp_path):
    stored(tmp_path)
    x, labels = tutorial.load(tmp_path)
    weights, used = tutorial.initial(np.random.default_rng(1))
    assert [W.shape for W in weights] == [(128, 5), (200, 128), (200, 200), (28, 200)]
    assert_array_equal(used.sum(axis=0), [32, 32, 32, 32, 128])
    _, found = tutorial.gradients(weights, used, x[:, :20], labels[:20])
    for part, W in zip(found, weights, strict=True):
        assert part.shape == W.shape and abs(part).max() > 0
    assert not found[0][used == 0].any() and not weights[0][used == 0].any()


def test_readout_gradient_points_downhill(tmp_path):
    """The loss is smooth in the readout weights, unlike in the others."""
    stored(tmp_path)
    x, labels = tutorial.load(tmp_path)
    x, labels = x[:, :20].astype(float), labels[:20]
    weights, used = tutorial.initial(np.random.default_rng(1))
    weights = [W.astype(float) for W in weights]
    _, second, record = tutorial.forward(weights, x)
    dout = tutorial.gradients(weights, used, x, labels)[1][3]
    loss = [losses.cross_entropy(lif.readout(
        second.spikes, weights[3] + sign * 1e-6 * dout, **tutorial.LEAK) / 152, labels,
        "sum")[0] for sign in (1, -1)]
    np.testing.assert_allclose((loss[0] - loss[1]) / 2e-6, (dout ** 2).sum(),
                               rtol=RTOL_FD)
    assert record.shape == (152, 20, 28)


def test_training_sees_whole_batches(tmp_path):
    stored(tmp_path)
    history = tutorial.train(*tutorial.load(tmp_path), 2)   # 108 for training, 27 not
    assert len(history) == 2 and all(0 <= a <= 1 for pair in history for a in pair)
    assert all(round(100 * seen, 9) % 1 == 0 for seen, _ in history)
