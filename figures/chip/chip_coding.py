# refsnn 0.1.0 | chip_coding.py | SPDX-License-Identifier: MIT | needs: numpy, scipy
r"""Images and spoken words as input spikes of an analog chip.

Images are cut and made smaller by cubic splines, turned a little while
learning, and each pixel x of [0, 1] sends at most one spike,

    t = tau log(x / (x - threshold)) for x > threshold                (1)
    bin = floor((t - first) / dt), a spike if bin < T                 (2)
    first = min of t over the batch                                   (3)

Words are events of 700 channels.  While learning each event may move to
another channel; then the lowest are left out, of the others every ninth
is kept, and time runs faster,

    channel' = round(channel + spread N(0, 1))                        (4)
    input = (channel' - 70) / 9 where that is one of 0 ... 69         (5)
    bin = floor(t / speed / dt), a spike if bin < T                   (6)

Derivation.  (1) is when a leaky integrator driven towards x reaches the
    threshold; at a tie it never does.
Exact.  (3) makes the code of an image depend on the batch it is in; a
    white pixel is at tau log(1/(1 - threshold)), so where each batch has
    one, `first` is that number, which the caller may give.
Cost.   O(T B m), and per image a spline of its pixels.
Departures.  All constants are those of [CB22] and of its public code.
    Pixels are rounded to 8 bits after the spline, as there, and what it
    overshoots is cut off.  The spread of (4) is in a supplement that was
    not looked up.  A channel that leaves 0 ... 699 is lost.

[CB22] B. Cramer, S. Billaudelle et al., PNAS 119(4), e2109194119, 2022,
    arXiv 2006.07239.
"""

import numpy as np
from scipy import ndimage

__all__ = ["latency", "rotated", "shrunk", "words"]


def _number(name, value, zero=False):
    if isinstance(value, (bool, np.bool_)) or not isinstance(
            value, (int, float, np.integer, np.floating)) \
            or not 0 <= value < np.inf or (value == 0 and not zero):
        raise ValueError(f"{name} is {value!r}: must be a finite number "
                         f"{'of at least' if zero else 'above'} 0")
    return float(value)


def _count(name, value, least=1):
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) \
            or value < least:
        raise ValueError(f"{name} is {value!r}: must be an integer of at least {least}")
    return int(value)


def _generator(rng):
    if not isinstance(rng, np.random.Generator):
        raise ValueError(f"rng is {rng!r}: must be a numpy.random.Generator")


def _asarray(name, value):
    try:
        return np.asarray(value)
    except ValueError as error:
        raise ValueError(f"{name} is no array: {error}") from None


def _grey(name, value, shape):
    """A float array of `shape` in [0, 1], whose None axes are free."""
    array = _asarray(name, value)
    if array.dtype not in (np.float32, np.float64) or array.ndim != len(shape) \
            or 0 in array.shape:
        raise ValueError(f"{name} is of shape {array.shape}, dtype {array.dtype}: must "
                         f"be a float32 or float64 array {shape}, not empty")
    if not ((array >= 0) & (array <= 1)).all():
        raise ValueError(f"{name} has entries from {array.min()} to {array.max()}: "
                         "must be in [0, 1]")
    return array


def latency(values, *, T=20, dt=1.7e-6, tau=8e-6, threshold=0.2, first=None):
    """Latency code of a batch, eqs. (1)-(3).

    Parameters
    ----------
    values : (B, m) float
        Grey levels in [0, 1].
    T : int
        Bins.
    dt, tau : float
        Width of a bin and time constant, s.
    threshold : float
        Grey levels up to it send no spike; below 1.
    first : float, optional
        s, not after the earliest spike; by default (3).

    Returns
    -------
    (T, B, m) float
        0 or 1, of the dtype of values.

    Raises
    ------
    ValueError
        If values are no floats in [0, 1], or a number is out of range.

    Examples
    --------
    >>> spikes = latency(np.array([[1.0, 0.5, 0.1]]))
    >>> spikes.sum(axis=0).tolist(), spikes.argmax(axis=0).tolist()
    ([[1.0, 1.0, 0.0]], [[0, 1, 0]])
    """
    values = _grey("values", values, ("B", "m"))
    T, dt, tau = _count("T", T), _number("dt", dt), _number("tau", tau)
    threshold = float(values.dtype.type(_number("threshold", threshold)))
    if threshold >= 1:
        raise ValueError(f"threshold is {threshold}: must be below 1")
    if first is not None:
        first = _number("first", first, zero=True)
    image, unit = np.nonzero(values > threshold)
    excess = values[image, unit].astype(np.float64) - threshold
    time = tau * np.log1p(threshold / excess)                              # (1)
    earliest = time.min(initial=np.inf)
    if first is None:
        first = earliest                                                   # (3)
    elif first > earliest + 1e-3 * dt:          # more than rounding
        raise ValueError(f"first is {first}: must not be after the earliest spike, "
                         f"{earliest} s")
    step = np.floor(np.maximum(time - first, 0) / dt)                      # (2)
    kept = step < T
    spikes = np.zeros((T, *values.shape), values.dtype)
    spikes[step[kept].astype(int), image[kept], unit[kept]] = 1
    return spikes


def shrunk(images, *, crop=2, side=16):
    """Images without their border, made smaller by cubic splines.

    Parameters
    ----------
    images : (N, H, H) uint8
        As they are stored.
    crop : int
        Rows and columns left out on each side: 2 for MNIST, 0 for
        Fashion-MNIST.
    side : int
        Of the result, at most that of what is left.

    Returns
    -------
    (N, side, side) float32
        In [0, 1], multiples of 1/255.

    Raises
    ------
    ValueError
        If images are not (N, H, H) uint8, or a number does not fit.

    Examples
    --------
    >>> small = shrunk(np.full((1, 28, 28), 255, np.uint8))
    >>> small.shape, float(small.min()), float(small.max())
    ((1, 16, 16), 1.0, 1.0)
    """
    images, crop, side = _asarray("images", images), _count("crop", crop, 0), \
        _count("side", side)
    if images.dtype != np.uint8 or images.ndim != 3 or images.size == 0 \
            or images.shape[1] != images.shape[2]:
        raise ValueError(f"images is of shape {images.shape}, dtype {images.dtype}: "
                         "must be (N, H, H) uint8, not empty")
    left = images.shape[1] - 2 * crop
    if left < side:
        raise ValueError(f"side is {side}: must be at most {left}, what is left of "
                         f"{images.shape[1]} without {crop} on each side")
    inner = images[:, crop:crop + left, crop:crop + left]
    small = np.empty((len(images), side, side), np.uint8)
    for image, result in zip(inner, small, strict=True):
        ndimage.zoom(image, side / left, output=result, order=3)
    return (small / np.float32(255)).astype(np.float32)


def rotated(images, rng, *, most=15.0):
    """Images, each turned by an angle of its own about its middle.

    Parameters
    ----------
    images : (B, H, W) float
        Grey levels in [0, 1].
    rng : numpy.random.Generator
        Draws the angles, uniformly.
    most : float
        Largest angle, degrees.

    Returns
    -------
    (B, H, W) float
        By linear interpolation; 0 where the turned image has no pixel.

    Raises
    ------
    ValueError
        If images are no floats in [0, 1], or most out of range.

    Examples
    --------
    >>> cross = np.zeros((1, 5, 5))
    >>> cross[0, 2] = 1
    >>> turned = rotated(cross, np.random.default_rng(1), most=90.0)
    >>> float(turned[0, 2, 2]), turned[0, 1].round(2).tolist()
    (1.0, [0.0, 0.0, 0.0, 0.04, 0.0])
    """
    images = _grey("images", images, ("B", "H", "W"))
    _generator(rng)
    angles = np.deg2rad(_number("most", most, zero=True)) \
        * rng.uniform(-1, 1, len(images))
    middle = (np.array(images.shape[1:]) - 1) / 2
    result = np.empty_like(images)
    for image, turned, c, s in zip(images, result, np.cos(angles), np.sin(angles),
                                   strict=True):
        turn = np.array([[c, s], [-s, c]])
        ndimage.affine_transform(image, turn, middle - turn @ middle, output=turned,
                                 order=1)
    return np.clip(result, 0, 1, out=result)


def words(times_s, units, *, T, dt=1.7e-6, speed=2000.0, skip=70, stride=9,
          channels=700, spread=0.0, rng=None):
    """Events of one spoken word as input spikes, eqs. (4)-(6).

    Parameters
    ----------
    times_s : (E,) float
        s, in any order.
    units : (E,) int
        Channels, 0 ... channels - 1.
    T : int
        Bins; later events are left out.
    dt : float
        Width of a bin, s.
    speed : float
        How much faster than sound the chip runs.
    skip, stride : int
        Channels left out, and how many make one input.
    channels : int
        Of the events.
    spread : float
        Standard deviation of (4), channels; 0 where nothing is learned.
    rng : numpy.random.Generator, optional
        Needed where there is a spread.

    Returns
    -------
    (T, m) float32
        0 or 1, m = (channels - skip) / stride inputs, rounded up.

    Raises
    ------
    ValueError
        If times or units do not fit together, or a number is out of range.

    Examples
    --------
    >>> x = words(np.array([0.0, 0.1]), np.array([70, 88]), T=40)
    >>> x.shape, np.argwhere(x).tolist()
    ((40, 70), [[0, 0], [29, 2]])
    """
    times, units = _asarray("times_s", times_s), _asarray("units", units)
    if times.ndim != 1 or times.dtype.kind != "f" or units.shape != times.shape \
            or units.dtype.kind not in "iu":
        raise ValueError(f"times_s and units are of shapes {times.shape}, "
                         f"{units.shape}, {times.dtype}, {units.dtype}: must be (E,) "
                         "float and int")
    T, channels, skip, stride = (_count("T", T), _count("channels", channels),
                                 _count("skip", skip, 0), _count("stride", stride))
    dt, speed, spread = (_number("dt", dt), _number("speed", speed),
                         _number("spread", spread, zero=True))
    if skip >= channels:
        raise ValueError(f"skip is {skip}: must be below {channels} channels")
    times, units = times.astype(np.float64), units.astype(np.int64)
    if not ((times >= 0) & (times < np.inf)).all() or (
            len(units) and not 0 <= units.min() <= units.max() < channels):
        raise ValueError("times_s must be finite, not negative, and units in "
                         f"0 ... {channels - 1}: one is not")
    if spread:
        _generator(rng)
        moved = np.rint(units + spread * rng.standard_normal(len(units)))  # (4)
        units = np.clip(moved, -1, channels).astype(np.int64)
    line, rest = np.divmod(units - skip, stride)                           # (5)
    step = np.floor(times / speed / dt)                                    # (6)
    kept = (rest == 0) & (line >= 0) & (units < channels) & (step < T)
    x = np.zeros((T, -(-(channels - skip) // stride)), np.float32)
    x[step[kept].astype(int), line[kept]] = 1
    return x
