"""What the functions of `refsnn.datasets` accept and refuse, apart from files."""

import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
from harness import contract, verify
from scipy.io import savemat

from refsnn import datasets

NOWHERE = os.path.join("no", "folder")


def idx(**options):
    """Read a small IDX file, or return 0 if the file is larger than the limit."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a"
        path.write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 2, 1]))
        try:
            return datasets.idx(path, **options)
        except ValueError as error:
            if str(error).startswith(str(path)):
                return np.zeros(3, np.uint8)
            raise


def images(**options):
    """Read three images of 1 pixel, with the labels 0, 1 and 0."""
    with tempfile.TemporaryDirectory() as folder:
        for kind in ("train", "t10k"):
            for name, shape in (("images-idx3", [3, 1, 1]), ("labels-idx1", [3])):
                head = [0, 0, 8, len(shape)] + [a for n in shape for a in (0, 0, 0, n)]
                (Path(folder) / f"{kind}-{name}-ubyte").write_bytes(
                    bytes([*head, 0, 1, 0]))
        return datasets.images(folder, **options)


def svhn(**options):
    """Read a file of two images."""
    with tempfile.TemporaryDirectory() as folder:
        for kind in ("train", "test"):
            savemat(Path(folder) / f"{kind}_32x32.mat", {
                "X": np.full((32, 32, 3, 2), 9, np.uint8),
                "y": np.array([[10], [3]], np.uint8)})
        return datasets.svhn(folder, **{"checked": False} | options)


def missing(function):
    """Return a function that returns 0 if `function` accepts its arguments, and then
    finds no files."""
    def call(**options):
        with pytest.raises(FileNotFoundError, match="is missing: must"):
            function(NOWHERE, **options)
        return np.zeros(())

    call.__name__ = function.__name__
    return call


DTYPE = "dtype {float32, float64}"
FUNCTIONS = [
    contract(datasets.upsample, "images (N, side, side) float", given={"size": 4}, N=2,
             side=3),
    contract(datasets.upsample, "size () int in [3, inf)", given={
        "images": np.ones((2, 3, 3), np.float32)}),
    contract(datasets.split, "labels (N) int, test_fraction () in (0, 1), "
             "seed () int in [0, inf)", given={"labels": np.arange(6) // 2}, N=6),
    contract(idx, "limit () in [0, inf]", given={"limit": 3}),
    contract(images, f"kind {{train, t10k}}, classes () int in [2, inf), {DTYPE}",
             unchecked=["classes"]),
    contract(missing(datasets.images), "kind {train, t10k}, classes () int in [1, inf)",
             unchecked=["kind"]),
    contract(missing(datasets.cifar), f"kind {{train, test}}, {DTYPE}, "
             "classes () int in {10, 100}"),
    contract(svhn, f"kind {{train, test}}, {DTYPE}"),
    contract(missing(datasets.svhn), "checked bool"),
]


@pytest.mark.parametrize("c", FUNCTIONS, ids=lambda c: c.function.__name__)
def test_contract(c):
    bad = verify(c)
    assert not bad, "\n".join(bad)


@pytest.mark.parametrize("call, match", [
    (lambda a: datasets.idx(a), "path"),
    (lambda a: datasets.images(a), "folder"), (lambda a: datasets.cifar(a), "folder"),
    (lambda a: datasets.svhn(a), "folder"),
    (lambda a: datasets.fetch("mnist", a), "folder")])
@pytest.mark.parametrize("value", [7, b"bytes", ["list"]])
def test_paths_are_texts_or_paths(call, match, value):
    with pytest.raises(ValueError, match=f"^{match} is .*: must be one of str, PathLi"):
        call(value)


@pytest.mark.parametrize("call", [
    datasets.idx, datasets.images, datasets.cifar, datasets.svhn,
    lambda a: datasets.fetch("mnist", a)])
def test_no_path_is_refused(call):
    with pytest.raises(ValueError, match="^(path|folder) is None: must be one of str"):
        call(None)


@pytest.mark.parametrize("labels", [[0, 0, 1], [2]])
def test_each_class_needs_two_samples(labels):
    with pytest.raises(ValueError, match=f"^labels has 1 sample of class {labels[-1]}: "
                                         "must have at least 2 of each class"):
        datasets.split(labels)
    assert [part.tolist() for part in datasets.split([5, 5])][0] in ([0], [1])
