"""Cards: sums of known bytes, editions by count, warnings."""

import doctest
import json
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refsnn import provenance
from refsnn.provenance import card, checksums, resolution, text
from refsnn.spike_lists import Binning

BINNING = Binning(0.0, 1.4, 0.014, "left", "count", "drop", "refuse")


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "words.h5"
    file.write_bytes(b"abc")
    return file


def made(path, N=3, **options):
    return card(path, [np.array([0.25, 0.75])] * N, np.arange(N) % 2,
                **{"scored": N, **options})


def test_sums_are_the_published_ones_of_known_bytes(path, tmp_path):
    assert checksums(path) == (
        "900150983cd24fb0d6963f7d28e17f72",
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    (tmp_path / "a").write_bytes(b"a" * 1_000_000)
    assert checksums(tmp_path / "a")[1].startswith("cdc76e5c9914fb9281a1c7e284d73e67")
    long = tmp_path / "b"
    long.write_bytes(b"a" * (3 * provenance.BLOCK) + b"b")
    one = checksums(long)
    long.write_bytes(b"a" * (3 * provenance.BLOCK) + b"c")
    assert all(a != b for a, b in zip(one, checksums(long), strict=True))
    for wrong in (tmp_path / "no", tmp_path):
        with pytest.raises(ValueError, match="path is .*must be a file"):
            checksums(wrong)


@given(st.integers(0, 0x7BFE))
def test_resolution_is_the_distance_to_the_next_float16(bits):
    t, following = np.array([bits, bits + 1], np.uint16).view(np.float16).astype(float)
    assert resolution(t) == following - t
    between = t + 0.7 * (following - t)
    assert resolution(between) == following - t


@pytest.mark.parametrize("wrong", [-1e-9, np.nan, np.inf, 65505, "1", True, None])
def test_times_beyond_float16(wrong):
    with pytest.raises(ValueError, match="t is .*must be in 0"):
        resolution(wrong)


def test_a_card(path):
    found = made(path, speaker=[4, 4, 5], binning=BINNING)
    assert found.file == "words.h5" and found.size == 3
    assert (found.md5, found.sha256) == checksums(path)
    assert found.published == "" and found.edition == ""
    assert (found.recordings, found.scored, found.classes, found.speakers,
            found.spikes) == (3, 3, 2, 2, 6)
    assert found.last == 0.75 and found.resolution == 2.0 ** -11
    assert found.binning == BINNING._asdict()
    assert json.loads(json.dumps(found._asdict())) == found._asdict()
    lines = text(found).splitlines()
    assert lines[0].startswith("file: words.h5, 3 bytes, SHA-256 ba7816bf")
    assert lines[1] == "MD5: 900150983cd24fb0d6963f7d28e17f72, no published file"
    assert lines[2] == "edition: none has as many recordings"
    assert lines[3] == "recordings: 3, 3 scored, 2 classes, 2 speakers"
    assert lines[4] == "spikes: 6, the latest at 0.75 s, where times have steps of " \
        "0.000488 s"
    assert lines[5] == "binning: t0 0.0, t1 1.4, dt 0.014, closed left, " \
        "duplicates count, outside drop, partial refuse"


def test_a_card_of_little(path):
    found = card(path, [np.zeros(0)], [7], scored=1)
    assert found.last == 0 and found.spikes == 0 and found.speakers == -1
    assert "speakers unknown" in text(found) and "binning: not told" in text(found)


@pytest.mark.parametrize("N, part", [
    (8156, "SHD, training of 8156 + 2264"), (2264, "SHD, test of 8156 + 2264"),
    (8332, "SHD, training of 8332 + 2088"), (2088, "SHD, test of 8332 + 2088"),
    (75466, "SSC, training"), (9981, "SSC, validation"), (20382, "SSC, test")])
def test_editions_are_told_apart_by_their_counts(path, N, part):
    found = made(path, N)
    assert found.edition == part and f"edition: {part}\n" in text(found)
    assert made(path, N, scored=N).recordings == N


def test_editions_have_as_many_recordings():
    shd = [N for N, part in provenance.COUNTS.items() if part.startswith("SHD")]
    assert shd[0] + shd[1] == shd[2] + shd[3] == 10420
    assert sum(N for N, part in provenance.COUNTS.items()
               if part.startswith("SSC")) == 105829


def test_published_files_are_known_by_their_sum(path, monkeypatch):
    monkeypatch.setitem(provenance.SUMS, checksums(path)[0], "abc.h5")
    assert made(path).published == "abc.h5" and ", abc.h5\n" in text(made(path))
    assert len(set(provenance.SUMS.values())) == len(provenance.SUMS)
    assert all(len(one) == 32 and set(one) <= set("0123456789abcdef")
               for one in provenance.SUMS)


def test_what_was_left_out_is_warned_of(path):
    with pytest.warns(UserWarning, match="2048 of 2264 recordings were scored, 216"):
        assert made(path, 2264, scored=2048).scored == 2048
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made(path, binning=BINNING)


def test_steps_finer_than_the_times_are_warned_of(path):
    with pytest.warns(UserWarning, match="steps of 0.0004 s are finer .* 0.000488 s at "
                                         "0.75 s"):
        made(path, binning=BINNING._replace(dt=0.0004))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made(path, binning=BINNING._replace(dt=0.0005))


@pytest.mark.parametrize("options, match", [
    ({"scored": 0}, "scored is 0"), ({"scored": 4}, "scored is 4: must be in 1 ... 3"),
    ({"scored": 2.0}, "scored is 2.0"), ({"scored": True}, "scored is True"),
    ({"speaker": [1, 2]}, "speaker is of shape"), ({"binning": 3}, "binning is 3"),
    ({"binning": {"dt": 1.0}}, "binning is"),
    ({"binning": BINNING._replace(dt=None)}, "binning is")])
def test_bad_options(path, options, match):
    with pytest.raises(ValueError, match=match):
        made(path, **options)


@pytest.mark.parametrize("times, labels", [
    ([], []), ([np.zeros(1)], [0, 1]), ([np.zeros(1)], [0.5]), ([np.zeros(1)], 0),
    ([np.zeros(1)], [[0]])])
def test_bad_lists(path, times, labels):
    with pytest.raises(ValueError, match="labels is of shape"):
        card(path, times, labels, scored=1)


def test_what_is_no_card():
    for wrong in (None, (1, 2), "card"):
        with pytest.raises(ValueError, match="must be a Card"):
            text(wrong)


def test_its_examples():
    failed, tried = doctest.testmod(provenance)
    assert failed == 0 and tried >= 5
