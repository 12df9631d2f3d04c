# refsnn 0.1.0 | provenance.py | SPDX-License-Identifier: MIT | needs: numpy
r"""A card beside a result: which file, which edition, how much of it counted.

The Spiking Heidelberg Digits were published in two editions, which differ
in what is training and what is test; results on one are not those on the
other.  A card states the file's sums, what published file has them or as
many recordings, how events were binned, and how many recordings were
scored; it warns where these do not fit together.

    edition             training    test
    in use today        8156        2264
    first page          8332        2088

Times are float16: they have steps, and binning finer than that tells
nothing,

    step = 2^(floor(log2 t) - 10) s, for t >= 2^-14 s                 (1)

Derivation.  Of (1): a float16 has 10 bits after the leading one.
Exact.  Sums identify a file; counts do not prove that it is the published
    one.
Cost.   The file is read once, a block at a time.
Departures.  The published MD5 sums are quoted from public loaders; the
    files themselves were not at hand.  Which edition the sums belong to is
    not stated there: the count says.

Data.  B. Cramer, Y. Stradmann, J. Schemmel and F. Zenke, The Heidelberg
    Spiking Data Sets, IEEE TNNLS 33(7), 2744-2757, 2022, CC BY 4.0.
"""

import hashlib
import math
import os
import warnings
from typing import Any, NamedTuple

import numpy as np

__all__ = ["Card", "card", "checksums", "resolution", "text"]

BLOCK = 1 << 20
SUMS = {                # MD5: file
    "f3252aeb598ac776c1b526422d90eecb": "shd_train.h5.zip",
    "1503a5064faa34311c398fb0a1ed0a6f": "shd_test.h5.zip",
    "d47c9825dee33347913e8ce0f2be08b0": "shd_train.h5.gz",
    "3062a80ec0c5719404d5b02e166543b1": "shd_test.h5.gz",
    "8e9877c85f29a28dd353ea6a54402667": "shd_train.h5",
    "207ad1295a0ab611e22d1734989c254e": "shd_test.h5",
    "d102be95e7144fcc0553d1f45ba94170": "ssc_train.h5.zip",
    "b4eee3516a4a90dd0c71a6ac23a8ae43": "ssc_valid.h5.zip",
    "a35ff1e9cffdd02a20eb850c17c37748": "ssc_test.h5.zip",
}
COUNTS = {              # recordings: part
    8156: "SHD, training of 8156 + 2264", 2264: "SHD, test of 8156 + 2264",
    8332: "SHD, training of 8332 + 2088", 2088: "SHD, test of 8332 + 2088",
    75466: "SSC, training", 9981: "SSC, validation", 20382: "SSC, test",
}


class Card(NamedTuple):
    """What a number was computed on."""

    file: str               # name without folder
    size: int               # bytes
    md5: str
    sha256: str
    published: str          # the published file with this MD5, or ""
    edition: str            # the published part with as many recordings, or ""
    recordings: int
    scored: int             # recordings that counted
    classes: int            # labels that occur
    speakers: int           # that occur, or -1
    spikes: int
    last: float             # s, of the latest event
    resolution: float       # s, of float16 there
    binning: Any            # dict, or None


def checksums(path):
    """MD5, by which data sets are published, and SHA-256 of a file.

    Parameters
    ----------
    path : str or path
        Of any file.

    Returns
    -------
    (str, str)
        Hexadecimal.

    Raises
    ------
    ValueError
        If path is no file.

    Examples
    --------
    >>> [len(one) for one in checksums(__file__)]
    [32, 64]
    """
    if not os.path.isfile(path):
        raise ValueError(f"path is {os.fspath(path)!r}: must be a file")
    sums = hashlib.md5(usedforsecurity=False), hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(BLOCK):
            for one in sums:
                one.update(block)
    return sums[0].hexdigest(), sums[1].hexdigest()


def resolution(t):
    """Distance of the float16 numbers around a time, eq. (1).

    Parameters
    ----------
    t : float
        s, at most the largest float16.

    Returns
    -------
    float
        s.

    Raises
    ------
    ValueError
        If t is negative or beyond float16.

    Examples
    --------
    >>> [resolution(t) * 1024 for t in (0.25, 0.9, 1.0, 1.4)]
    [0.25, 0.5, 1.0, 1.0]
    """
    if isinstance(t, bool) or not isinstance(t, (int, float, np.integer, np.floating)) \
            or not 0 <= t <= 65504:
        raise ValueError(f"t is {t!r}: must be in 0 ... 65504 s")
    return 2.0 ** (max(math.frexp(t)[1] - 1, -14) - 10) if t else 2.0 ** -24   # (1)


def _lists(times, labels, speaker):
    """Arrays of labels and speakers, one for each recording."""
    times, labels = list(times), np.asarray(labels)
    if labels.ndim != 1 or labels.dtype.kind not in "iu" or not 0 < len(labels) \
            == len(times):
        raise ValueError(f"labels is of shape {labels.shape}, dtype {labels.dtype}: "
                         f"must be integers, one for each of {len(times)} recordings")
    if speaker is not None and np.shape(speaker) != labels.shape:
        raise ValueError(f"speaker is of shape {np.shape(speaker)}: must be that of "
                         f"labels, {labels.shape}")
    return times, labels


def card(path, times, labels, *, scored, speaker=None, binning=None):
    """The card of a file and of a result on it.

    Parameters
    ----------
    path : str or path
        Of the file; its folder is not told.
    times : list of (E,) float
        Of its recordings, s.
    labels : (N,) int
        As many.
    scored : int
        How many recordings the result is a mean over; fewer than N are
        warned of.
    speaker : (N,) int, optional
        Who speaks.
    binning : NamedTuple with a field dt, optional
        How events became steps; steps finer than those of float16 are
        warned of.

    Returns
    -------
    Card
        Its `_asdict()` can be written as JSON.

    Raises
    ------
    ValueError
        If there is no such file, lists do not fit together, scored is not
        in 1 ... N, or binning has no dt.

    Examples
    --------
    >>> made = card(__file__, [np.array([0.1, 0.9])], [3], scored=1)
    >>> made.recordings, made.spikes, made.last, made.published
    (1, 2, 0.9, '')
    """
    times, labels = _lists(times, labels, speaker)
    N = len(labels)
    if isinstance(scored, bool) or not isinstance(scored, (int, np.integer)) \
            or not 1 <= scored <= N:
        raise ValueError(f"scored is {scored!r}: must be in 1 ... {N}")
    last = max((float(np.max(t)) for t in times if len(t)), default=0.0)
    step = resolution(last)
    if binning is not None:
        dt = getattr(binning, "dt", None)
        if not hasattr(binning, "_asdict") or not isinstance(dt, (int, float)):
            raise ValueError(f"binning is {binning!r}: must be a NamedTuple with a dt")
        if dt < step:
            warnings.warn(f"steps of {dt:.3g} s are finer than those of the times, "
                          f"{step:.3g} s at {last:.3g} s", stacklevel=2)
        binning = dict(binning._asdict())
    if scored < N:
        warnings.warn(f"{scored} of {N} recordings were scored, {N - scored} were left "
                      "out", stacklevel=2)
    md5, sha256 = checksums(path)
    return Card(os.path.basename(os.fsdecode(path)), os.path.getsize(path), md5, sha256,
                SUMS.get(md5, ""), COUNTS.get(N, ""), N, int(scored),
                len(np.unique(labels)),
                -1 if speaker is None else len(np.unique(speaker)),
                sum(len(t) for t in times), last, step, binning)


def text(made):
    """A card as lines for people.

    Parameters
    ----------
    made : Card
        Of `card`.

    Returns
    -------
    str
        Lines.

    Raises
    ------
    ValueError
        If it is no card.

    Examples
    --------
    >>> made = card(__file__, [np.array([0.1, 0.9])], [3], scored=1)
    >>> print(text(made).splitlines()[3])
    recordings: 1, 1 scored, 1 classes, speakers unknown
    """
    if not isinstance(made, tuple) or len(made) != len(Card._fields):
        raise ValueError(f"made is {made!r}: must be a Card")
    made = Card(*made)
    who = "speakers unknown" if made.speakers < 0 else f"{made.speakers} speakers"
    steps = "not told" if made.binning is None else ", ".join(
        f"{name} {value}" for name, value in made.binning.items())
    return "\n".join([
        f"file: {made.file}, {made.size} bytes, SHA-256 {made.sha256}",
        f"MD5: {made.md5}, {made.published or 'no published file'}",
        f"edition: {made.edition or 'none has as many recordings'}",
        f"recordings: {made.recordings}, {made.scored} scored, {made.classes} classes, "
        f"{who}",
        f"spikes: {made.spikes}, the latest at {made.last:.6g} s, where times have "
        f"steps of {made.resolution:.3g} s",
        f"binning: {steps}"])
