"""Test images and words as input spikes of a chip."""

import doctest

import numpy as np
import pytest
from hypothesis import given
from scipy import ndimage
from strategies import SEEDS
from tolerances import RTOL

from refsnn import encoding
from figures.chip import chip_coding

BLANK = -8e-6 * np.log(0.8)         # s, of a white pixel
BRIGHT = np.array([[0.3, 1.0]])


@given(seed=SEEDS)
def test_latency_is_that_of_the_code_shifted(seed):
    rng = np.random.default_rng(seed)
    values = rng.random((5, 40))
    values[0, :3] = 1.0, 0.2, 0.2 + 1e-12
    x = chip_coding.latency(values)
    t = np.full(values.shape, np.inf)
    seen = values > 0.2
    t[seen] = 8e-6 * np.log(values[seen] / (values[seen] - 0.2))
    step = np.floor((t - BLANK) / 1.7e-6)
    for b, i in np.ndindex(values.shape):
        assert x[:, b, i].sum() == (step[b, i] < 20)
        if step[b, i] < 20:
            assert x[int(max(step[b, i], 0)), b, i] == 1
    assert 0 < x.mean() < 1 and x[0, 0, 0] == 1
    # without a shift, the code equals that of `encoding`
    unshifted = chip_coding.latency(values, first=0.0)
    other = encoding.latency(values, 20, tau=8e-6, threshold=0.2, dt=1.7e-6)
    assert np.array_equal(unshifted, other) and other.any()


def test_the_first_spike_of_a_batch_is_at_its_beginning():
    values = np.array([[0.5, 0.4], [0.3, 0.0]])
    x = chip_coding.latency(values)
    assert x[0, 0, 0] == 1 and x.sum() == 3
    assert np.array_equal(chip_coding.latency(values[1:])[0], [[1, 0]])
    fixed = chip_coding.latency(values, first=BLANK)
    assert fixed[0].sum() == 0 and fixed.sum() == 3
    near = chip_coding.latency(BRIGHT, first=BLANK + 1e-12), \
        chip_coding.latency(BRIGHT.astype(np.float32), first=BLANK)
    for x in near:                      # rounding errors have no effect
        assert np.array_equal(x, chip_coding.latency(BRIGHT))
    assert not chip_coding.latency(np.zeros((2, 3)), first=1.0).any()
    assert not chip_coding.latency(np.zeros((2, 3))).any()
    assert chip_coding.latency(values.astype(np.float32)).dtype == np.float32


def test_shrunk_is_the_middle_in_eight_bits():
    rng = np.random.default_rng(1)
    images = np.zeros((3, 28, 28), np.uint8)
    images[:, 5:23, 5:23] = rng.integers(0, 256, (3, 18, 18))
    images[:, 2, 2] = 99
    small = chip_coding.shrunk(images, crop=2, side=16)
    assert small.shape == (3, 16, 16) and small.dtype == np.float32
    codes = small * 255
    np.testing.assert_allclose(codes, np.rint(codes), atol=1e-4)
    assert small.min() == 0 and 0.9 < small.max() <= 1
    edge = images.copy()
    edge[:, :2], edge[:, -2:], edge[:, :, :2], edge[:, :, -2:] = 255, 255, 255, 255
    assert np.array_equal(chip_coding.shrunk(edge, crop=2, side=16), small), \
        "the border is cut off"
    assert not np.array_equal(chip_coding.shrunk(edge, crop=0, side=16), small)
    assert np.array_equal(chip_coding.shrunk(images, crop=6, side=16),
                          (images[:, 6:22, 6:22] / 255).astype(np.float32))
    # corners of the cropped image are corners of the result
    assert small[0, 0, 0] == images[0, 2, 2] / np.float32(255)
    cubic = ndimage.zoom(images[0, 2:26, 2:26].astype(float), 16 / 24, order=3)
    assert np.array_equal(codes[0].round(), np.floor(np.clip(cubic, 0, 255) + 0.5))


def test_rotated_turns_about_the_middle():
    rng = np.random.default_rng(2)
    image = np.zeros((400, 9, 9))
    image[:, 4, 4:] = 1             # points along +x
    turned = chip_coding.rotated(image, rng, most=15.0)
    y, x = np.mgrid[-4:5, -4:5]
    angle = np.arctan2((turned * y).sum((1, 2)), (turned * x).sum((1, 2)))
    degrees = np.rad2deg(angle)
    assert 12 < degrees.max() < 16.5 and -16.5 < degrees.min() < -12
    assert abs(degrees.mean()) < 5 * 15 / np.sqrt(3 * 400)
    assert abs(np.std(degrees) - 15 / np.sqrt(3)) < 1.0
    assert np.array_equal(chip_coding.rotated(image, rng, most=0), image)
    assert (turned >= 0).all() and (turned <= 1).all()
    single = image.astype(np.float32)
    assert chip_coding.rotated(single, rng, most=15.0).dtype == np.float32
    white = np.ones((300, 16, 16))                      # rounding would exceed 1
    assert chip_coding.rotated(white, np.random.default_rng(3), most=15.0).max() == 1
    again = [chip_coding.rotated(image, np.random.default_rng(3), most=15.0)
             for _ in range(2)]
    assert np.array_equal(*again)


@pytest.mark.parametrize("shape", [(9, 9), (8, 11)])
def test_rotated_equals_scipy(shape):
    images = np.random.default_rng(2).random((30, *shape))
    turned = chip_coding.rotated(images, np.random.default_rng(3), most=15.0)
    degrees = 15 * np.random.default_rng(3).uniform(-1, 1, 30)
    for image, ours, angle in zip(images, turned, degrees, strict=True):
        theirs = ndimage.rotate(image, angle, reshape=False, order=1)
        np.testing.assert_allclose(ours, theirs, rtol=RTOL, atol=1e-12)
        assert np.abs(ours - image).max() > 0.01


def test_words():
    times = np.array([0.0, 0.003, 0.003, 0.5, 0.9], np.float32)
    units = np.array([69, 70, 71, 79, 691])
    x = chip_coding.words(times, units, T=200)
    assert x.shape == (200, 70) and x.dtype == np.float32
    # channel 69 is removed, 71 is skipped, 0.9 s is bin 264
    assert np.argwhere(x).tolist() == [[0, 0], [147, 1]]
    assert chip_coding.words(times, units, T=300)[264, 69] == 1
    assert chip_coding.words(times, units, T=147).sum() == 1, "bin 147 is out"
    assert chip_coding.words(times, units, T=300, speed=1000.0).sum() == 2
    two = chip_coding.words(np.array([0.0, 0.001]), np.array([70, 70]), T=9)
    assert two.sum() == 1, "events of a bin are one"
    assert chip_coding.words(np.zeros(0), np.zeros(0, int), T=9).sum() == 0


def test_words_move_between_channels():
    units = np.full(20_000, 70 + 9 * 30)
    times = np.arange(len(units)) * 3.5e-3
    x = chip_coding.words(times, units, T=45_000, spread=20.0,
                          rng=np.random.default_rng(1))
    line = np.nonzero(x)[1]
    assert abs(len(line) / len(units) - 1 / 9) < 5 * np.sqrt(1 / 9 / len(units))
    assert abs(line.mean() - 30) < 0.3 and abs(line.std() - 20 / 9) < 0.15
    lost = chip_coding.words(times, np.full(20_000, 699), T=45_000, spread=20.0,
                             rng=np.random.default_rng(1))
    assert 0 < lost.sum() < 0.7 * x.sum(), "beyond the ends they are lost"


@pytest.mark.parametrize("skip, stride, spread", [(0, 1, 3.0), (70, 9, 20.0)])
def test_words_by_hand(skip, stride, spread):
    """Move events by rounded draws; those that leave the channels are lost."""
    rng = np.random.default_rng(4)
    units, bins = rng.integers(0, 700, 400), rng.integers(0, 60, 400)
    units[:40], units[40:80] = 0, 699
    times = (bins + rng.choice((0.001, 0.5, 0.999), 400)) * 1.7e-6 * 2000
    moved = np.rint(units + spread * np.random.default_rng(5).standard_normal(400))
    expected = np.zeros((50, -(-(700 - skip) // stride)), np.float32)
    for unit, step in zip(moved.astype(int), bins, strict=True):
        line, rest = divmod(unit - skip, stride)
        if 0 <= unit < 700 and line >= 0 and rest == 0 and step < 50:
            expected[step, line] = 1
    x = chip_coding.words(times, units, T=50, skip=skip, stride=stride, spread=spread,
                          rng=np.random.default_rng(5))
    assert np.array_equal(x, expected) and x.sum() > 20
    assert (moved < 0).any() and (moved > 699).any()
    below = chip_coding.words(np.zeros(7), np.arange(7, 70, 9), T=5)
    assert not below.any(), "channels that are left out, nine apart"


def test_the_threshold_has_the_precision_of_the_values():
    """A grey level equal to the threshold in its own precision sends no spike."""
    x = chip_coding.latency(np.array([[0.2, 1.0]], np.float32))
    assert x.sum(axis=(0, 1)).tolist() == [0, 1]


def test_inputs_are_not_modified():
    rng = np.random.default_rng(1)
    images = rng.random((3, 8, 8))
    kept = images.copy()
    chip_coding.rotated(images, rng, most=15.0)
    chip_coding.latency(images.reshape(3, -1))
    assert np.array_equal(images, kept)


def test_the_examples_of_the_docstrings_hold():
    failed, tried = doctest.testmod(chip_coding)
    assert failed == 0 and tried > 7
