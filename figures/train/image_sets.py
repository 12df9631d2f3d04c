"""Read training and test images for several figures."""

from typing import NamedTuple

import numpy as np

from figures.run import seeds
from refsnn import datasets


class Images(NamedTuple):
    """Training and test images of a data set."""

    x: np.ndarray
    labels: np.ndarray
    x_test: np.ndarray
    labels_test: np.ndarray


def digits(seed, figure, repeat, side=8):
    """Return the stored digits, split at random."""
    x, labels = datasets.digits()
    x = datasets.upsample(x, side).astype(np.float32)
    number = int(seeds.rng(seed, figure, "split", repeat).integers(2 ** 31))
    return Images(*(a[part] for part in datasets.split(labels, seed=number)
                    for a in (x, labels)))


def stored(folder):
    """Read a data set in the format of MNIST."""
    return Images(*(a for kind in ("train", "t10k")
                    for a in datasets.images(folder, kind)))
