"""Encode images and spoken words as input spikes of an analog chip.

A pixel with the grey level x in [0, 1] sends at most one spike.  The time of the spike
is t, and the index of the time bin is `bin`:

    t = tau log(x / (x - threshold)) for x > threshold                (1)
    bin = floor((t - first) / dt), a spike if bin < T                 (2)
    first = min of t over the batch                                   (3)

Eq. (1) gives the time at which a leaky integrator with constant input x reaches the
threshold.  If `first` is not given, eq. (3) is used, and the input spikes of each image
depend on all images of the batch.

A spoken word is a list of spike events in 700 frequency channels.  During training,
each spike event is shifted by a random number of channels, eq. (4).  The lowest 70
channels are removed, and every ninth of the remaining channels is kept, eq. (5).  The
times of the spike events are divided by the factor `speed`, eq. (6).

    channel' = round(channel + spread N(0, 1))                        (4)
    input = (channel' - 70) / 9 if this is one of 0 ... 69            (5)
    bin = floor(t / speed / dt), a spike if bin < T                   (6)

All constants except `spread` are taken from [CB22] or from its public code.  As in the
public code of [CB22], grey levels of resized images are clipped to the range from 0 to
255, and rounded to integers.  The value of `spread` is published only in a supplement
of [CB22], which was not consulted.

[CB22] B. Cramer, S. Billaudelle et al., PNAS 119(4), e2109194119, 2022,
    arXiv 2006.07239.
"""

import numpy as np
from scipy import ndimage


STEPS, DT_S = 20, 1.7e-6            # number and width of the time bins of an image
TAU_S, THRESHOLD = 8e-6, 0.2        # constants of eq. (1)
CHANNELS = 700


def latency(values, *, first=None):
    """Encode grey levels of images as spikes, eqs. (1)-(3).

    `values` (B, m) holds grey levels in [0, 1].  The first time bin begins at the time
    `first`, in seconds.  The result (T, B, m) holds spikes (0 or 1).

    >>> spikes = latency(np.array([[1.0, 0.5, 0.1]]))
    >>> spikes.sum(axis=0).tolist(), spikes.argmax(axis=0).tolist()
    ([[1.0, 1.0, 0.0]], [[0, 1, 0]])
    """
    threshold = float(values.dtype.type(THRESHOLD))
    image, unit = np.nonzero(values > threshold)
    excess = values[image, unit].astype(np.float64) - threshold
    time = TAU_S * np.log1p(threshold / excess)                            # (1)
    if first is None:
        first = time.min(initial=np.inf)                                   # (3)
    step = np.floor(np.maximum(time - first, 0) / DT_S)                    # (2)
    kept = step < STEPS
    spikes = np.zeros((STEPS, *values.shape), values.dtype)
    spikes[step[kept].astype(int), image[kept], unit[kept]] = 1
    return spikes


def shrunk(images, *, crop, side):
    """Remove the border of images, and resize the images with cubic splines.

    `images` (N, H, H) holds 8-bit grey levels.  On each side, `crop` pixels are
    removed.  The result has the shape (N, side, side), and holds grey levels in [0, 1].

    >>> small = shrunk(np.full((1, 28, 28), 255, np.uint8), crop=2, side=16)
    >>> small.shape, float(small.min()), float(small.max())
    ((1, 16, 16), 1.0, 1.0)
    """
    left = images.shape[1] - 2 * crop
    inner = images[:, crop:crop + left, crop:crop + left]
    small = np.empty((len(images), side, side), np.uint8)
    for image, result in zip(inner, small, strict=True):
        ndimage.zoom(image, side / left, output=result, order=3)
    return (small / np.float32(255)).astype(np.float32)


def rotated(images, rng, *, most):
    """Rotate each image about its centre.

    `images` (B, H, W) holds grey levels in [0, 1].  The rotation angles in degrees are
    uniformly distributed between `-most` and `most`.

    >>> cross = np.zeros((1, 5, 5))
    >>> cross[0, 2] = 1
    >>> turned = rotated(cross, np.random.default_rng(1), most=90.0)
    >>> float(turned[0, 2, 2]), turned[0, 1].round(2).tolist()
    (1.0, [0.0, 0.0, 0.0, 0.04, 0.0])
    """
    angles = np.deg2rad(most) * rng.uniform(-1, 1, len(images))
    middle = (np.array(images.shape[1:]) - 1) / 2
    result = np.empty_like(images)
    for image, turned, c, s in zip(images, result, np.cos(angles), np.sin(angles),
                                   strict=True):
        turn = np.array([[c, s], [-s, c]])
        ndimage.affine_transform(image, turn, middle - turn @ middle, output=turned,
                                 order=1)
    return np.clip(result, 0, 1, out=result)


def words(times_s, units, *, T, speed=2000.0, skip=70, stride=9, channels=CHANNELS,
          spread=0.0, rng=None):
    """Convert the spike events of one spoken word to input spikes, eqs. (4)-(6).

    times_s : (E,) time of each spike event in seconds, in any order.
    units : (E,) channel of each spike event.
    T : number of time bins; later spike events are dropped.
    speed : factor by which the times of the spike events are divided, eq. (6).
    skip, stride : number of removed channels, and step between kept channels, eq. (5).
    spread : standard deviation of the random shifts, in channels; 0 for test words.
    rng : random generator; required if `spread` is not 0.

    The result (T, m) holds spikes (0 or 1) as float32.  The number m of input channels
    is `(channels - skip) / stride`, rounded up.

    >>> x = words(np.array([0.0, 0.1]), np.array([70, 88]), T=40)
    >>> x.shape, np.argwhere(x).tolist()
    ((40, 70), [[0, 0], [29, 2]])
    """
    if spread:
        moved = np.rint(units + spread * rng.standard_normal(len(units)))  # (4)
        units = np.clip(moved, -1, channels).astype(np.int64)
    line, rest = np.divmod(units - skip, stride)                           # (5)
    step = np.floor(times_s / speed / DT_S)                                # (6)
    kept = (rest == 0) & (line >= 0) & (units < channels) & (step < T)
    x = np.zeros((T, -(-(channels - skip) // stride)), np.float32)
    x[step[kept].astype(int), line[kept]] = 1
    return x
