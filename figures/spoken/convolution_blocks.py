"""Compute outputs of the convolutional network of [CSSZ20], and the gradient of a loss.

The input is a batch of images (N, H, W, 1).  The first layer is a convolution with
biases and a ReLU.  Each of the following blocks has two convolutions of 3 x 3 without
biases, then 2 x 2 max pooling and dropout.  Batch normalisation and a ReLU follow each
convolution of a block.  The last two layers are dense, with a ReLU between them.
Convolutions have stride 1 and no padding.  The padding in [CSSZ20] is unknown.

Each function that computes a layer returns the output of the layer and a function named
`back`.  For a loss L, `back` maps dL/d(output) to dL/d(input) and dL/d(parameters).

[CSSZ20] B. Cramer, Y. Stradmann, J. Schemmel and F. Zenke, IEEE TNNLS
    33(7), 2744-2757, 2022, arXiv 1910.07407.
"""

import numpy as np

from figures.spoken import batch_normalisation
from refsnn import convnet

SIDE = 3                # of the convolutions in blocks


def initial(generator, shape, o, classes, dtype=np.float32):
    """Return the initial parameters for images of the shape (H, W).

    The first convolution and the dense layers have weights and biases.  Each further
    convolution has weights, a scale and a shift.
    """
    maps = o.maps[0]
    sides = [size - o.side + 1 for size in shape]
    for _ in range(o.blocks):
        sides = [(size - 2 * (SIDE - 1)) // 2 for size in sides]
    weights, biases = convnet.init(
        [(maps, o.side, o.side, 1), *[(maps, SIDE, SIDE, maps)] * (2 * o.blocks),
         (o.hidden, maps * sides[0] * sides[1]), (classes, o.hidden)], generator, dtype)
    found = [weights[0], biases[0]]
    for W in weights[1:-2]:
        found += [W, np.ones(maps, dtype), np.zeros(maps, dtype)]
    return found + [weights[-2], biases[-2], weights[-1], biases[-1]]


def forward(p, x, o, generator=None, statistics=None):
    """Return outputs, `back` and batch statistics.

    The function `back` maps dL/d(outputs) to the derivatives with respect to all
    parameters.  The statistics are a list with one pair (mean, variance) for each batch
    normalisation.

    The argument `generator` is a random generator for dropout.  If `generator` is None,
    there is no dropout.  The argument `statistics` is a list with one pair
    (mean, variance) for each batch normalisation.  If `statistics` is None, the mean
    and the variance of the batch are used.
    """
    steps, used = [], []

    def through(x, layer, *arguments):
        x, back = layer(x, *arguments)
        steps.append(back)
        return x

    x = through(x, convolution, p[0], False)
    x = relu_of(through, through(x, biased, p[1]))
    for i in range(2 * o.blocks):
        W, scale, shift = p[2 + 3 * i:5 + 3 * i]
        x = through(x, convolution, W)
        x, tape = batch_normalisation.forward(
            x, scale, shift, statistics and statistics[i])
        steps.append(lambda d, scale=scale, tape=tape: _split(
            batch_normalisation.backward(d, scale, tape)))
        used.append((tape.mean, tape.variance))
        x = relu_of(through, x)
        if i % 2:
            x = through(x, pooling)
            if generator is not None and o.dropout:
                x = through(x, dropped, o.dropout, generator)
    shape = x.shape
    steps.append(lambda d: (d.reshape(shape), []))
    x = relu_of(through, through(x.reshape(len(x), -1), dense, *p[-4:-2]))
    x = through(x, dense, *p[-2:])

    def back(d):
        found = []
        for step in reversed(steps):
            d, more = step(d)
            found = [*more, *found]
        return found

    return x, back, used


def _split(found):
    return found[0], list(found[1:])


def relu_of(through, x):
    """Apply a ReLU."""
    return through(x, lambda x: (np.maximum(x, 0), lambda d: (d * (x > 0), [])))


def patches(x, side):
    """Return a matrix whose rows are the square patches of a feature map (H, W, c)."""
    H, W, c = x.shape
    views = np.lib.stride_tricks.sliding_window_view(
        x.reshape(H, W * c), (side, side * c))[:, ::c]
    return views.reshape(-1, side * side * c)


def convolved(x, W):
    """Convolve the maps with the kernels W."""
    flat, side = W.reshape(len(W), -1).T, W.shape[1]
    shape = x.shape[1] - side + 1, x.shape[2] - side + 1, len(W)
    return np.stack([(patches(one, side) @ flat).reshape(shape) for one in x])


def convolution(x, W, inputs=True):
    """Convolve x with W, which has the shape (c_out, side, side, c_in)."""
    def back(d):
        dW = sum(one.reshape(-1, len(W)).T @ patches(a, W.shape[1])
                 for one, a in zip(d, x, strict=True))
        if not inputs:
            return None, [dW.reshape(W.shape)]
        edge = W.shape[1] - 1
        wide = np.pad(d, ((0, 0), (edge, edge), (edge, edge), (0, 0)))
        return convolved(wide, np.ascontiguousarray(
            W[:, ::-1, ::-1].transpose(3, 1, 2, 0))), [dW.reshape(W.shape)]

    return convolved(x, W), back


def biased(x, b):
    """Add a bias to each channel."""
    return x + b, lambda d: (d, [d.reshape(-1, len(b)).sum(axis=0)])


def pooling(x):
    """Take the maximum of each window of 2 x 2.

    If several entries of a window equal the maximum, each receives the whole
    derivative.  Two outputs of a ReLU are usually equal only if both outputs are 0.  A
    ReLU with the output 0 has the derivative 0.
    """
    H, W = (size // 2 * 2 for size in x.shape[1:3])
    parts = [(slice(None), slice(i, H, 2), slice(j, W, 2)) for i in (0, 1)
             for j in (0, 1)]
    largest = np.maximum(np.maximum(x[parts[0]], x[parts[1]]),
                         np.maximum(x[parts[2]], x[parts[3]]))

    def back(d):
        dx = np.zeros_like(x)
        for part in parts:
            dx[part] = d * (x[part] == largest)
        return dx, []

    return largest, back


def dropped(x, rate, generator):
    """Drop a share `rate` of all entries."""
    mask = (generator.random(x.shape, np.float32) >= rate) / x.dtype.type(1 - rate)
    mask = mask.astype(x.dtype)
    return x * mask, lambda d: (d * mask, [])


def dense(x, W, b):
    """Apply a dense layer."""
    return x @ W.T + b, lambda d: (d @ W, [d.T @ x, d.sum(axis=0)])
