"""Provide training images and test images with labels for several figures."""

from typing import NamedTuple

import numpy as np

from figures.run import seeds
from refsnn import datasets


class Images(NamedTuple):
    """Hold the training images and the test images of one data set.

    N images are an array of shape (N, ...), and their labels are integers of shape
    (N,).
    """

    x: np.ndarray
    labels: np.ndarray
    x_test: np.ndarray
    labels_test: np.ndarray


def digits(seed, figure, repeat, side=8):
    """Return the digits included in refsnn as float32 images of shape (N, side, side).

    In each repetition, the images are split at random into training and test images.
    """
    x, labels = datasets.digits()
    x = datasets.upsample(x, side).astype(np.float32)
    number = int(seeds.rng(seed, figure, "split", repeat).integers(2 ** 31))
    return Images(*(a[part] for part in datasets.split(labels, seed=number)
                    for a in (x, labels)))


def stored(folder):
    """Read the training and test images of a data set in the format of MNIST."""
    return Images(*(a for kind in ("train", "t10k")
                    for a in datasets.images(folder, kind)))
