"""Spike files in text: exact round trips, and refusals by line."""

import doctest
import os
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from figures.superspike import ras
from figures.superspike.ras import BLOCK, LINE, read_ras, write_ras
from refsnn import binning

SEEDS = st.integers(0, 2 ** 32 - 1)


def drawn(seed, events, m):
    """Draw spikes in the order of time, some at equal times."""
    rng = np.random.default_rng(seed)
    times = np.sort(rng.choice(np.append(rng.exponential(0.3, 50), 0.0), events))
    return times, rng.integers(0, m, events)


def file(folder, content):
    path = folder / "spikes.ras"
    path.write_bytes(content)
    return path


# good files

@given(SEEDS, st.integers(0, 40), st.integers(1, 9), st.integers(0, 3))
def test_what_is_written_is_read_to_the_bit(tmp_path_factory, seed, events, m, first):
    times, units = drawn(seed, events, m)
    path = tmp_path_factory.mktemp("ras") / "spikes.ras"
    kept = times.copy(), units.copy()
    write_ras(path, times, units, first_unit=first)
    got_times, got_units = read_ras(str(path), duration=100.0, units=m,
                                    first_unit=first)
    assert got_times.dtype == np.float64 and got_units.dtype == np.int64
    assert_array_equal(got_times, times)
    assert_array_equal(got_units, units)
    assert_array_equal(times, kept[0])
    assert_array_equal(units, kept[1])
    assert os.listdir(path.parent) == ["spikes.ras"]
    if events:
        window = binning.Binning(0.0, 10.0, 0.05, "left", "count", "refuse", "refuse")
        assert binning.dense([got_times], [got_units], m, window).sum() == events


def test_forms_of_a_line(tmp_path):
    path = file(tmp_path, b"# made by hand\n\n0 3\n  .5\t4  \n1.  5\r\n"
                          b"+1.5e0 6 # late\n \t\n   # more\n2.000100  7\n1.e1 0\n")
    times, units = read_ras(path)
    assert times.tolist() == [0, 0.5, 1, 1.5, 2.0001, 10]
    assert units.tolist() == [3, 4, 5, 6, 7, 0]


def test_nothing_in_a_file_is_a_silent_trial(tmp_path):
    for content in (b"", b"# nothing\n\n"):
        times, units = read_ras(file(tmp_path, content), duration=1.0, units=3)
        assert times.shape == units.shape == (0,)
        assert times.dtype == np.float64 and units.dtype == np.int64


def test_repeats_are_kept(tmp_path):
    times, units = read_ras(file(tmp_path, b"0.5 1\n0.5 1\n0.5 0\n"))
    assert times.tolist() == [0.5] * 3 and units.tolist() == [1, 1, 0]


def test_bounds_are_half_open(tmp_path):
    path = file(tmp_path, b"0 0\n0.9999 2\n")
    assert len(read_ras(path, duration=1.0, units=3)[0]) == 2
    assert len(read_ras(path, duration=np.float32(1), units=np.int64(3))[0]) == 2
    with pytest.raises(ValueError, match=r"line 2: time is 0.9999: must be in \[0, "):
        read_ras(path, duration=0.9999)
    with pytest.raises(ValueError, match="line 2: unit is 2: must be from 0 to 1"):
        read_ras(path, units=2)


def test_numbers_from_one_are_named_or_refused(tmp_path):
    """A published benchmark has 200 outputs with the numbers 1 to 200."""
    content = b"".join(b"%r %d\n" % (0.01 * i, i + 1) for i in range(200))
    path = file(tmp_path, content)
    assert_array_equal(read_ras(path, units=200, first_unit=1)[1], np.arange(200))
    with pytest.raises(ValueError, match="line 200: unit is 200: must be from 0 to 1"):
        read_ras(path, units=200)
    path = file(tmp_path, b"0.5 1\n0.6 0\n")
    with pytest.raises(ValueError, match="line 2: unit is 0: must be from 1 on"):
        read_ras(path, first_unit=1)


def test_long_files_are_read_whole_and_faults_found_in_any_block(tmp_path):
    count = 2 * BLOCK + 5
    times = np.arange(count) / 1024
    path = tmp_path / "spikes.ras"
    write_ras(path, times, np.arange(count) % 7)
    got = read_ras(path, duration=count / 1024, units=7)
    assert_array_equal(got[0], times)
    assert_array_equal(got[1], np.arange(count) % 7)
    lines = path.read_bytes().splitlines(keepends=True)
    for at in (BLOCK, 2 * BLOCK + 1):           # the first of a block, and one inside
        spoilt = lines[:at] + [b"0.0 1\n"] + lines[at + 1:]
        with pytest.raises(ValueError, match=f"line {at + 1}: time is 0.0 after .*: "
                                             "must not fall"):
            read_ras(file(tmp_path, b"".join(spoilt)))


def columns(seed, width=20, height=9):
    """Return the content of a file with the layout of the published pictures.

    The file lists the pixels column by column.  The time of a spike is the time of its
    column with jitter, and units are counted from 1.
    """
    rng = np.random.default_rng(seed)
    column, row = np.nonzero(rng.random((width, height)) < 0.5)
    times = np.round((column + rng.random(len(column))) * 0.01, 6)
    content = b"".join(b"%.6f %d\n" % pair for pair in zip(times.tolist(), row + 1))
    return content, times, row


@given(SEEDS)
def test_jittered_columns_are_sorted_on_demand_only(tmp_path_factory, seed):
    content, times, row = columns(seed)
    path = file(tmp_path_factory.mktemp("ras"), content)
    fall = int(np.argmax(np.diff(times) < 0)) + 1
    assert times[fall] < times[fall - 1], "the file must not be in order of time"
    for order in ({}, {"order": "file"}):
        with pytest.raises(ValueError, match=f"^{path}, line {fall + 1}: .*must not "
                                             "fall, or order must be 'sort'$"):
            read_ras(path, first_unit=1, **order)
    got_times, got_units = read_ras(path, first_unit=1, units=9, order="sort")
    order = np.lexsort((np.arange(len(times)), times))
    assert_array_equal(got_times, times[order])
    assert_array_equal(got_units, row[order])
    assert got_times.dtype == np.float64 and got_units.dtype == np.int64
    with pytest.raises(ValueError, match="must be from 0 to 8"):
        read_ras(path, units=9, order="sort")


def test_sorting_is_stable_and_spans_blocks(tmp_path):
    count = BLOCK + 5
    lines = [b"%d %d\n" % (time, unit) for unit, time in enumerate(
        [*range(1, count - 2), 0, 0, 1])]
    times, units = read_ras(file(tmp_path, b"".join(lines)), order="sort")
    assert_array_equal(times, [0, 0, 1, 1, *range(2, count - 2)])
    assert_array_equal(units[:5], [count - 3, count - 2, 0, count - 1, 1])


@pytest.mark.parametrize("content, words", [
    (b"0.2 1\n0.1 1", "line 2: has no line end: file must not be truncated"),
    (b"0.2 1\n0.1\n", "line 2: is"),
    (b"0.2 1\n-0.1 1\n", r"line 2: time is -0.1: must be in \[0, 2.0\) s"),
    (b"0.2 1\n2.0 1\n0.1 1\n", r"line 2: time is 2.0: must be in \[0, 2.0\) s"),
    (b"0.2 1\n0.1 -1\n", "line 2: unit is -1: must be from 0 on")])
def test_sorting_accepts_no_other_fault(tmp_path, content, words):
    path = file(tmp_path, content)
    with pytest.raises(ValueError, match=f"^{path}, {words}"):
        read_ras(path, duration=2.0, order="sort")


# bad files

@pytest.mark.parametrize("content, words", [
    (b"0.1 1\n-0.1 1\n", r"line 2: time is -0.1: must be in \[0, inf\) s"),
    (b"0.2 1\n#\n0.1 1\n", "line 3: time is 0.1 after 0.2: must not fall"),
    (b"0.1 -1\n", "line 1: unit is -1: must be from 0 on"),
    (b"nan 1\n", "line 1: is b'nan 1.n': must be a time in seconds"),
    (b"inf 1\n", "line 1: is"),
    (b"1e999 1\n", r"line 1: time is inf: must be in \[0"),
    (b"0.1\n", "line 1: is"),
    (b"0.1 1 2\n", "line 1: is"),
    (b"0.1 1.0\n", "line 1: is"),
    (b"0.1 1_0\n", "line 1: is"),
    (b"1_0 1\n", "line 1: is"),
    (b"0.1,1\n", "line 1: is"),
    (b". 1\n", "line 1: is"),
    (b"0x1 1\n", "line 1: is"),
    (b"0.1 1\r0.2 2\n", "line 1: is"),
    (b"0.1 1\x00\n", "line 1: is"),
    (b"0.1 \xd9\xa1\n", "line 1: is"),
    (b"0.1 " + b"9" * 19 + b"\n", "line 1: is .*: must be a time .* at most 18 digits"),
    (b"0.1 1\n0.2 1", "line 2: has no line end: file must not be truncated"),
    (b"# torn", "line 1: has no line end"),
    (b"0" * LINE + b" 1\n", f"line 1: has more than {LINE} bytes"),
    (b"#" + b" " * 10_000_000, f"line 1: has more than {LINE} bytes"),
    (bytes(5000), f"line 1: has more than {LINE} bytes"),
    (b"\x89HDF\r\n\x1a\n" + bytes(8), "line 1: is"),
])
def test_bad_lines_are_refused_by_file_and_line(tmp_path, content, words):
    path = file(tmp_path, content)
    with pytest.raises(ValueError, match=f"^{path}, {words}"):
        read_ras(path)


def test_a_line_may_be_as_long_as_it_says(tmp_path):
    line = b"0.5 1 #"
    line += b"x" * (LINE - len(line) - 1) + b"\n"
    assert read_ras(file(tmp_path, line))[1].tolist() == [1]
    with pytest.raises(ValueError, match="has more than"):
        read_ras(file(tmp_path, b"x" + line))


@given(SEEDS)
def test_corrupt_files_are_refused_or_still_in_order(tmp_path_factory, seed):
    rng = np.random.default_rng(seed)
    folder = tmp_path_factory.mktemp("ras")
    write_ras(folder / "good.ras", *drawn(seed, 30, 9))
    data = bytearray((folder / "good.ras").read_bytes())
    if rng.random() < 0.3:
        del data[int(rng.integers(0, len(data))):]
    for i in rng.integers(0, max(len(data), 1), 3 * bool(data)):
        data[i] ^= int(rng.integers(1, 256))
    path = file(folder, data)
    try:
        times, units = read_ras(path, duration=100.0, units=9)
    except ValueError as error:
        assert str(error).startswith(f"{path}, line ")
    else:
        assert (np.diff(times) >= 0).all() and np.isin(units, range(9)).all()
        assert ((times >= 0) & (times < 100)).all()


def test_what_is_no_file_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="none.ras is missing: must be a file"):
        read_ras(tmp_path / "none.ras")
    with pytest.raises(ValueError, match="no regular file"):
        read_ras(tmp_path)
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(ValueError, match="no regular file"):
        read_ras(tmp_path / "fifo")


def peak(function):
    """Return the peak memory and the message of a call that must raise."""
    tracemalloc.start()
    try:
        with pytest.raises(ValueError) as caught:
            function()
        return tracemalloc.get_traced_memory()[1], str(caught.value)
    finally:
        tracemalloc.stop()


def test_huge_files_take_little_memory(tmp_path):
    path = tmp_path / "huge.ras"
    with open(path, "wb") as sparse:
        sparse.truncate(1 << 40)
    memory, text = peak(lambda: read_ras(path))
    assert memory < 1 << 20
    assert f"{path} has {1 << 40} bytes: must have at most limit = {1 << 28}" in text
    memory, text = peak(lambda: read_ras(path, limit=1 << 50))
    assert memory < 1 << 20 and "line 1: has more than" in text


def test_memory_is_bounded_by_the_spikes(tmp_path):
    """Memory is 32 bytes for each spike and one block; comments take none."""
    path = file(tmp_path, b"# nothing\n" * 100_000 + b"0 1\n" * 100_000 + b"x\n")
    memory, text = peak(lambda: read_ras(path))
    assert "line 200001: is b'x" in text
    assert memory < 32 * 100_000 + 400 * BLOCK


def test_limit_is_the_largest_file(tmp_path):
    path = file(tmp_path, b"0.5 1\n")
    assert len(read_ras(path, limit=6)[0]) == 1
    with pytest.raises(ValueError, match="has 6 bytes: must have at most limit = 5"):
        read_ras(path, limit=5)


def test_a_file_that_grows_while_it_is_read_is_refused(tmp_path, monkeypatch):
    path = file(tmp_path, b"0.5 1\n0.6 1\n")
    monkeypatch.setattr(os.path, "getsize", lambda path: 6)
    with pytest.raises(ValueError, match="line 2: file has grown: must have at"):
        read_ras(path, limit=6)


@pytest.mark.parametrize("name, values", [
    ("duration", (0, -1.0, np.nan, np.inf, "1", True)),
    ("units", (0, -1, 1.0, "1", True)),
    ("first_unit", (-1, 1.0, None, True, 1 << 62)),
    ("limit", (0, 1.5, None, True)),
    ("order", (None, True, "sorted", 0, np.array(["sort"])))])
def test_options_are_refused_by_name(tmp_path, name, values):
    path = file(tmp_path, b"0.5 1\n")
    for value in values:
        with pytest.raises(ValueError, match=f"^{name} is "):
            read_ras(path, **{name: value})
    if name == "first_unit":
        with pytest.raises(ValueError, match="^first_unit is -1"):
            write_ras(path, np.zeros(1), np.zeros(1, int), first_unit=-1)


# writing

@pytest.mark.parametrize("times, units, words", [
    ([0.2, 0.1], [0, 0], "spike 1: time is 0.1 after 0.2: must not fall"),
    ([-0.2], [0], "spike 0: time is -0.2"),
    ([np.nan], [0], "spike 0: time is nan"),
    ([np.inf], [0], "spike 0: time is inf"),
    ([0.1, 0.2], [0, -1], "spike 1: unit is -1: must be from 0"),
    ([0.1], [10 ** 18], "spike 0: unit is 1000000000000000000"),
    ([0.1], [0.0], "units is of shape"), ([0.1], [0, 1], "units is of shape"),
    ([[0.1]], [[0]], "times_s is of shape"), ([1], [0], "times_s is of shape")])
def test_what_may_not_be_written(tmp_path, times, units, words):
    path = file(tmp_path, b"before\n")
    with pytest.raises(ValueError, match=words):
        write_ras(path, np.array(times), np.array(units))
    assert path.read_bytes() == b"before\n"
    assert os.listdir(tmp_path) == ["spikes.ras"]


def test_the_largest_numbers_go_both_ways(tmp_path):
    path = tmp_path / "spikes.ras"
    write_ras(path, np.zeros(2), np.array([0, 10 ** 18 - 2]), first_unit=1)
    assert read_ras(path, first_unit=1)[1].tolist() == [0, 10 ** 18 - 2]
    with pytest.raises(ValueError, match="unit is 999999999999999999: must be from 0 "
                                         "to 999999999999999998"):
        write_ras(path, np.zeros(1), np.array([10 ** 18 - 1]), first_unit=1)


def test_a_write_that_fails_leaves_the_file_as_it_was(tmp_path, monkeypatch):
    path = file(tmp_path, b"before\n")

    def fail(*paths):
        raise OSError("no space")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="no space"):
        write_ras(path, np.zeros(1), np.zeros(1, int))
    assert path.read_bytes() == b"before\n"
    assert os.listdir(tmp_path) == ["spikes.ras"]


def test_examples(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    failed, tried = doctest.testmod(ras)
    assert failed == 0 and tried > 4 and os.listdir() == []
