"""Encode images and spoken words as input spikes of an analog chip.

Images are cropped and resized with cubic splines.  During training, each
image is rotated by a random angle.  Each pixel with grey level x in [0, 1]
sends at most one spike,

    t = tau log(x / (x - threshold)) for x > threshold                (1)
    bin = floor((t - first) / dt), a spike if bin < T                 (2)
    first = min of t over the batch                                   (3)

Eq. (1) gives the time at which a leaky integrator with constant input x reaches the
threshold.  By eq. (3), the code of an image depends on the other images of the batch.
A white pixel (x = 1) has the earliest possible spike time, tau log(1/(1 - threshold)).
If the caller passes this time as `first`, the code of an image does not depend on the
other images.

Words are spike events in 700 channels.  During training, each event may move
to another channel at random.  The lowest 70 channels are removed, every
ninth of the remaining channels is kept, and time is compressed,

    channel' = round(channel + spread N(0, 1))                        (4)
    input = (channel' - 70) / 9 if this is one of 0 ... 69            (5)
    bin = floor(t / speed / dt), a spike if bin < T                   (6)

The constants are taken from [CB22] and from its public code.  As in the
public code, the resized pixels are rounded to 8 bits.  Values beyond the
range of 8 bits are clipped.  The spread in eq. (4) is given in a supplement
of the paper that was not consulted.  Events that move beyond the channels 0
... 699 are removed.

[CB22] B. Cramer, S. Billaudelle et al., PNAS 119(4), e2109194119, 2022,
    arXiv 2006.07239.
"""

import numpy as np
from scipy import ndimage


def latency(values, *, T=20, dt=1.7e-6, tau=8e-6, threshold=0.2, first=None):
    """Return the latency code of a batch of images, eqs. (1)-(3).

    Parameters
    ----------
    values : (B, m) float
        Grey levels in [0, 1].
    T : int
        Number of time bins.
    dt, tau : float
        Width of a time bin and time constant, in s.
    threshold : float
        Largest grey level at which a pixel sends no spike; below 1.
    first : float, optional
        Time of the first bin in s, at most the time of the earliest spike.
        By default, eq. (3) determines the time.

    Returns
    -------
    (T, B, m) float
        Spikes 0 or 1, in the dtype of values.

    Examples
    --------
    >>> spikes = latency(np.array([[1.0, 0.5, 0.1]]))
    >>> spikes.sum(axis=0).tolist(), spikes.argmax(axis=0).tolist()
    ([[1.0, 1.0, 0.0]], [[0, 1, 0]])
    """
    _check_grey("values", values, 2)
    if not (T >= 1 and dt > 0 and tau > 0 and 0 < threshold < 1):
        raise ValueError(f"T, dt, tau and threshold are {T}, {dt}, {tau}, {threshold}: "
                         "must be positive, and threshold below 1")
    threshold = float(values.dtype.type(threshold))
    image, unit = np.nonzero(values > threshold)
    excess = values[image, unit].astype(np.float64) - threshold
    time = tau * np.log1p(threshold / excess)                              # (1)
    earliest = time.min(initial=np.inf)
    if first is None:
        first = earliest                                                   # (3)
    elif not 0 <= first <= earliest + 1e-3 * dt:        # beyond rounding
        raise ValueError(f"first is {first}: must be from 0 to the earliest spike, "
                         f"{earliest} s")
    step = np.floor(np.maximum(time - first, 0) / dt)                      # (2)
    kept = step < T
    spikes = np.zeros((T, *values.shape), values.dtype)
    spikes[step[kept].astype(int), image[kept], unit[kept]] = 1
    return spikes


def shrunk(images, *, crop=2, side=16):
    """Remove the border of images, and resize the images with cubic splines.

    Parameters
    ----------
    images : (N, H, H) uint8
        Images with 8-bit grey levels.
    crop : int
        Number of rows and columns removed on each side: 2 for MNIST, 0 for
        Fashion-MNIST.
    side : int
        Width of the resized images in pixels, at most the width of the
        cropped images.

    Returns
    -------
    (N, side, side) float32
        Grey levels in [0, 1], multiples of 1/255.

    Examples
    --------
    >>> small = shrunk(np.full((1, 28, 28), 255, np.uint8))
    >>> small.shape, float(small.min()), float(small.max())
    ((1, 16, 16), 1.0, 1.0)
    """
    if images.dtype != np.uint8 or images.ndim != 3:
        raise ValueError(f"images is of shape {images.shape}, dtype {images.dtype}: "
                         "must be (N, H, H) uint8")
    left = images.shape[1] - 2 * crop
    if crop < 0 or left < side:
        raise ValueError(f"side, crop are {side}, {crop}: must fit {images.shape[1]}")
    inner = images[:, crop:crop + left, crop:crop + left]
    small = np.empty((len(images), side, side), np.uint8)
    for image, result in zip(inner, small, strict=True):
        ndimage.zoom(image, side / left, output=result, order=3)
    return (small / np.float32(255)).astype(np.float32)


def rotated(images, rng, *, most=15.0):
    """Rotate each image about its centre by a separate random angle.

    Parameters
    ----------
    images : (B, H, W) float
        Grey levels in [0, 1].
    rng : numpy.random.Generator
        Random generator of the uniformly distributed angles.
    most : float
        Largest angle in degrees.

    Returns
    -------
    (B, H, W) float
        Rotated images, linearly interpolated.  Pixels whose source lies outside
        the original image are 0.

    Examples
    --------
    >>> cross = np.zeros((1, 5, 5))
    >>> cross[0, 2] = 1
    >>> turned = rotated(cross, np.random.default_rng(1), most=90.0)
    >>> float(turned[0, 2, 2]), turned[0, 1].round(2).tolist()
    (1.0, [0.0, 0.0, 0.0, 0.04, 0.0])
    """
    _check_grey("images", images, 3)
    angles = np.deg2rad(most) * rng.uniform(-1, 1, len(images))
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
    """Convert the events of one spoken word to input spikes, eqs. (4)-(6).

    Parameters
    ----------
    times_s : (E,) float
        Times of the events in s, in any order.
    units : (E,) int
        Channels of the events, 0 ... channels - 1.
    T : int
        Number of time bins; events after the last bin are dropped.
    dt : float
        Width of a time bin in s.
    speed : float
        Factor by which the chip runs faster than the speech.
    skip, stride : int
        The lowest `skip` channels are removed, and every `stride`-th of the
        remaining channels is kept.
    channels : int
        Number of channels.
    spread : float
        Standard deviation in eq. (4), in channels; 0 for test words.
    rng : numpy.random.Generator, optional
        Random generator; required if `spread` is not 0.

    Returns
    -------
    (T, m) float32
        Spikes 0 or 1.  The number m of inputs is (channels - skip) / stride,
        rounded up.

    Examples
    --------
    >>> x = words(np.array([0.0, 0.1]), np.array([70, 88]), T=40)
    >>> x.shape, np.argwhere(x).tolist()
    ((40, 70), [[0, 0], [29, 2]])
    """
    times, units = np.asarray(times_s, float), np.asarray(units)
    if units.shape != times.shape or units.dtype.kind not in "iu" \
            or not ((times >= 0) & (times < np.inf) & (units >= 0)
                    & (units < channels)).all():
        raise ValueError("times_s and units must be alike, finite times >= 0, and "
                         f"integers in 0 ... {channels - 1}")
    if not (T >= 1 and dt > 0 and speed > 0 and stride >= 1 and 0 <= skip < channels):
        raise ValueError(f"T, dt, speed, stride, skip are {T}, {dt}, {speed}, "
                         f"{stride}, {skip}: must be positive, skip below {channels}")
    units = units.astype(np.int64)
    if spread:
        moved = np.rint(units + spread * rng.standard_normal(len(units)))  # (4)
        units = np.clip(moved, -1, channels).astype(np.int64)
    line, rest = np.divmod(units - skip, stride)                           # (5)
    step = np.floor(times / speed / dt)                                    # (6)
    kept = (rest == 0) & (line >= 0) & (units < channels) & (step < T)
    x = np.zeros((T, -(-(channels - skip) // stride)), np.float32)
    x[step[kept].astype(int), line[kept]] = 1
    return x


def _check_grey(name, images, ndim):
    if images.ndim != ndim or images.dtype not in (np.float32, np.float64) \
            or not ((images >= 0) & (images <= 1)).all():
        raise ValueError(f"{name} is of shape {images.shape}, dtype {images.dtype}: "
                         f"must be float, in [0, 1], with {ndim} axes")
