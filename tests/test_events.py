"""Spike files of spoken words: exact round trips and refusals."""

import os
import struct
import subprocess
import sys
import tracemalloc
import zlib

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refsnn import events
from refsnn.events import Speakers, read, write

SEEDS = st.integers(0, 2 ** 32 - 1)
KEYS = ("zero", "null", "fünf")
TIMES = ([0.125, 0.25, 0.25], [], [0.0, 1.375])
UNITS = ([3, 699, 0], [], [5, 5])
FLOAT16, UINT16 = np.dtype("f2"), np.dtype("u2")


@st.composite
def parts(draw):
    """Draw a data set: spikes, labels, keys, speaker, meta."""
    rng = np.random.default_rng(draw(SEEDS))
    N, classes, people = (draw(st.integers(1, most)) for most in (5, 4, 3))
    bits = [np.sort(rng.integers(0, 0x7C00, rng.integers(0, 9)).astype(np.uint16))
            for _ in range(N)]                      # every float16 that is not negative
    times = [b.view(np.float16).astype(np.float64) for b in bits]
    units = [rng.integers(0, 700, len(t)) for t in times]
    keys = [f"{draw(st.text('aß ', max_size=3))}{i}" for i in range(classes)]
    speaker = draw(st.sampled_from([None, rng.integers(0, people, N)]))
    meta = draw(st.sampled_from([None, Speakers(
        np.array(["f", "männlich", "m"])[:people], rng.integers(20, 60, people),
        rng.normal(170, 9, people))]))
    return list(zip(times, units, strict=True)), rng.integers(0, classes, N), keys, \
        speaker, meta


@settings(max_examples=60, deadline=None)
@given(parts())
def test_what_was_written_is_read_to_the_bit(tmp_path_factory, part):
    spikes, labels, keys, speaker, meta = part
    folder = tmp_path_factory.mktemp("words")
    write(folder / "a.h5", iter(spikes), labels, keys, speaker=speaker, meta=meta)
    found = read(folder / "a.h5")
    for (t, u), mine, units in zip(spikes, found.times, found.units, strict=True):
        assert mine.dtype == np.float64 and units.dtype == np.int64
        assert mine.tobytes() == t.tobytes() and units.tolist() == u.tolist()
    assert found.keys == tuple(keys) and found.labels.tolist() == labels.tolist()
    assert (found.speaker is None) == (speaker is None)
    assert speaker is None or found.speaker.tolist() == speaker.tolist()
    assert (found.meta is None) == (meta is None)
    for a, b in zip(meta or (), found.meta or (), strict=True):
        assert a.tolist() == b.tolist() and a.dtype.kind == b.dtype.kind
    write(folder / "b.h5", zip(found.times, found.units, strict=True), found.labels,
          found.keys, speaker=found.speaker, meta=found.meta)
    assert (folder / "a.h5").read_bytes() == (folder / "b.h5").read_bytes()
    assert sorted(os.listdir(folder)) == ["a.h5", "b.h5"]


def test_layout_is_the_published_one(tmp_path):
    write(tmp_path / "a.h5", zip(map(np.array, TIMES), map(
        lambda u: np.array(u, int), UNITS), strict=True), [2, 0, 1], KEYS,
        speaker=[1, 0, 1], meta=Speakers(["f", "m"], [30, 40], [170, 180.5]))
    with h5py.File(tmp_path / "a.h5") as file:
        names = []
        file.visititems(lambda name, item: names.append(name)
                        if isinstance(item, h5py.Dataset) else None)
        assert sorted(names) == [
            "extra/keys", "extra/meta_info/age", "extra/meta_info/body_height",
            "extra/meta_info/gender", "extra/speaker", "labels", "spikes/times",
            "spikes/units"]
        assert all(len(file[name].shape) == 1 for name in names)
        assert h5py.check_vlen_dtype(file["spikes/times"].dtype) == FLOAT16
        assert h5py.check_vlen_dtype(file["spikes/units"].dtype) == UINT16
        assert file["labels"].dtype == file["extra/speaker"].dtype == UINT16
        assert [k.decode() for k in file["extra/keys"][:]] == list(KEYS)
        assert file["spikes/times"][2].tolist() == [0.0, 1.375]


def test_times_are_rounded_to_float16_and_widened(tmp_path):
    write(tmp_path / "a.h5", [(np.array([0.1, 1.4]), np.array([0, 1]))], [0], ["a"])
    (times,) = read(tmp_path / "a.h5").times
    assert times.tolist() == [float(np.float16(0.1)), float(np.float16(1.4))]
    assert np.isfinite(times * 1e6).all()


def make(path, change=None):
    """Write a good file with h5py alone, then change it."""
    with h5py.File(path, "w") as file:
        for name, kind, rows in (("times", FLOAT16, TIMES), ("units", UINT16, UNITS)):
            data = file.create_dataset(f"spikes/{name}", (3,), h5py.vlen_dtype(kind))
            for i, row in enumerate(rows):
                data[i] = np.array(row, kind)
        file["labels"] = np.array([2, 0, 1], np.uint16)
        file["extra/speaker"] = np.array([0, 1, 1], np.uint16)
        file.create_dataset("extra/keys", data=KEYS, dtype=h5py.string_dtype())
        if change:
            change(file)
    return path


def put(name, rows, kind):
    """Return a change that gives a field of spikes other rows or another dtype."""
    def change(file):
        del file[name]
        data = file.create_dataset(name, (len(rows),), h5py.vlen_dtype(np.dtype(kind)))
        for i, row in enumerate(rows):
            data[i] = np.array(row, kind)
    return change


def replaced(name, value):
    def change(file):
        if name in file:
            del file[name]
        if value is not None:
            file[name] = value
    return change


def agrees(found):
    return [t.tolist() for t in found.times] == list(TIMES) \
        and [u.tolist() for u in found.units] == list(UNITS) \
        and found.labels.tolist() == [2, 0, 1] and found.keys == KEYS


@pytest.mark.parametrize("options", [
    {}, {"chunks": (2,)}, {"chunks": (2,), "compression": "gzip", "shuffle": True},
    {"chunks": (2,), "maxshape": (None,)}])
def test_files_of_other_tools_are_read(tmp_path, options):
    def change(file):
        for name in ("spikes/times", "spikes/units"):
            rows, kind = file[name][:], file[name].dtype
            del file[name]
            file.create_dataset(name, (3,), kind, **options)[:] = rows
    assert agrees(read(make(tmp_path / "a.h5", change)))


@pytest.mark.parametrize("floats, integers", [("f4", "i8"), ("f8", "u4")])
def test_other_widths_are_read(tmp_path, floats, integers):
    def change(file):
        put("spikes/times", TIMES, floats)(file)
        put("spikes/units", UNITS, integers)(file)
    assert agrees(read(make(tmp_path / "a.h5", change)))


def test_some_of_the_recordings(tmp_path):
    path = make(tmp_path / "a.h5")
    some = read(path, start=1, stop=3)
    assert [t.tolist() for t in some.times] == list(TIMES[1:])
    assert [u.tolist() for u in some.units] == list(UNITS[1:])
    assert some.labels.tolist() == [0, 1] and some.speaker.tolist() == [1, 1]
    assert read(path, start=np.int64(2)).labels.tolist() == [1]
    for start, stop in ((3, 3), (0, 4), (2, 1)):
        with pytest.raises(ValueError, match=f"a.h5: start is {start}, stop is {stop}: "
                                             "must be start < stop <= 3, the number"):
            read(path, start=start, stop=stop)
    size = 16 * 5 + 3 * 256
    assert agrees(read(path, limit=size)) and agrees(read(path, limit=np.inf))
    with pytest.raises(ValueError, match=f"take {size} bytes: .*limit = {size - 1}"):
        read(path, limit=size - 1)


def test_falling_times_are_sorted_on_request(tmp_path):
    path = make(tmp_path / "a.h5", put("spikes/times", ([0.25, 0.125, 0.25], [],
                                                        [0.0, 1.375]), "f2"))
    with pytest.raises(ValueError, match="recording 0, spikes/times: spike 1 is 0.125 "
                                         "after 0.25: must not fall"):
        read(path)
    found = read(path, unsorted="sort")
    assert found.times[0].tolist() == [0.125, 0.25, 0.25]
    assert found.units[0].tolist() == [699, 3, 0]
    with pytest.raises(ValueError, match="unsorted is 'no'"):
        read(path, unsorted="no")


def test_equal_times_stay_in_order_when_they_are_sorted(tmp_path):
    def change(file):
        put("spikes/times", (np.tile([0.25, 0.125], 200), [], []), "f2")(file)
        put("spikes/units", (range(400), [], []), "u2")(file)
    found = read(make(tmp_path / "a.h5", change), unsorted="sort")
    assert found.units[0].tolist() == [*range(1, 400, 2), *range(0, 400, 2)]


def soft(file):
    del file["labels"]
    file["other"] = np.zeros(3, np.uint16)
    file["labels"] = h5py.SoftLink("/other")


def external(file):
    del file["labels"]
    file["labels"] = h5py.ExternalLink(file.filename, "/extra/speaker")


def external_group(file):
    file["kept"] = file["spikes"]
    del file["spikes"]
    file["spikes"] = h5py.ExternalLink(file.filename, "/kept")


def virtual(file):
    source = h5py.VirtualSource(file["extra/speaker"])
    layout = h5py.VirtualLayout((3,), np.uint16)
    layout[:] = source
    del file["labels"]
    file.create_virtual_dataset("labels", layout)


def outside(file):
    del file["labels"]
    with open(file.filename + ".raw", "wb") as raw:
        raw.write(bytes(6))
    file.create_dataset("labels", (3,), np.uint16,
                        external=[(file.filename + ".raw", 0, 6)])


def references(file):
    del file["labels"]
    file.create_dataset("labels", (3,), h5py.ref_dtype)


def many(file):
    del file["labels"]
    file.create_dataset("labels", (1 << 40,), np.uint16, chunks=(1024,))


def wide(file):
    del file["labels"]
    file.create_dataset("labels", (3,), np.uint16, chunks=(1 << 28,), maxshape=(None,))


def long_words(file):
    del file["extra/keys"]
    file.create_dataset("extra/keys", (1 << 12,), "S1024", chunks=(1,))


def a_long_word(file):
    del file["extra/keys"]
    file.create_dataset("extra/keys", data=["a" * (1 << 21)], dtype=h5py.string_dtype())


def other_filter(file):
    rows, kind = file["spikes/times"][:], file["spikes/times"].dtype
    del file["spikes/times"]
    file.create_dataset("spikes/times", (3,), kind, chunks=(2,), compression="lzf")[:] \
        = rows


def half_meta(file):
    file["extra/meta_info/age"] = [30, 31]


def meta(gender=(b"f", b"m"), age=(30, 31), height=(170.0, 171.0)):
    def change(file):
        for name, value in zip(Speakers._fields, (gender, age, height), strict=True):
            file[f"extra/meta_info/{name}"] = value
    return change


def no_recordings(file):
    for name in ("spikes/times", "spikes/units", "labels"):
        kind = file[name].dtype
        del file[name]
        file.create_dataset(name, (0,), kind, chunks=(3,), maxshape=(None,))


BAD = {
    "no recordings": (no_recordings, "labels is of shape (0,): must be one for each"),
    "no times": (replaced("spikes/times", None), "a.h5, spikes/times is missing"),
    "no units": (replaced("spikes/units", None), "a.h5, spikes/units is missing"),
    "no spikes": (replaced("spikes", None), "a.h5, spikes is missing"),
    "no labels": (replaced("labels", None), "a.h5, labels is missing"),
    "no keys": (replaced("extra/keys", None), "a.h5, extra/keys is missing"),
    "no extra": (replaced("extra", None), "a.h5, extra is missing"),
    "a group": (lambda file: [replaced("labels", None)(file),
                              file.create_group("labels")], "labels is no dataset"),
    "no group": (replaced("spikes", np.zeros(3)), "spikes is no group"),
    "times": (put("spikes/times", ([0.1, 0.2], [], [0.0, 1.0]), "f2"),
              "recording 0: spikes/times and spikes/units have different lengths"),
    "fewer": (put("spikes/times", TIMES[:2], "f2"), "have 3, 2, 3 entries"),
    "labels": (replaced("labels", np.zeros(2, int)), "have 2, 3, 3 entries"),
    "negative": (put("spikes/times", ([0, 0, 0], [], [-0.5, 0]), "f2"),
                 "recording 2, spikes/times: spike 0 is -0.5: must be finite"),
    "nan": (put("spikes/times", ([0, np.nan, 0], [], [0, 0]), "f2"),
            "recording 0, spikes/times: spike 1 is nan"),
    "inf": (put("spikes/times", ([0, 0, np.inf], [], [0, 0]), "f2"),
            "recording 0, spikes/times: spike 2 is inf"),
    "unit": (put("spikes/units", ([0, 1, 700], [], [0, 0]), "u2"),
             "recording 0, spikes/units: spike 2 is 700: must be in 0 ... 699"),
    "negative unit": (put("spikes/units", ([0, 1, 2], [], [0, -1]), "i4"),
                      "recording 2, spikes/units: spike 1 is -1"),
    "times of integers": (put("spikes/times", TIMES, "i4"), "spikes/times is of dtype"),
    "units of floats": (put("spikes/units", UNITS, "f4"), "spikes/units is of dtype"),
    "bytes reversed": (put("spikes/times", TIMES, np.dtype("f2").newbyteorder()),
                       "spikes/times is of dtype"),
    "flat times": (replaced("spikes/times", np.zeros(3)), "sequences of variable"),
    "table": (replaced("labels", np.zeros((3, 1), int)), "labels is of shape (3, 1)"),
    "scalar": (replaced("labels", 3), "labels is of shape ()"),
    "nothing": (replaced("labels", h5py.Empty("u2")), "labels is of shape None"),
    "label": (replaced("labels", [0, 3, 0]),
              "recording 1, labels is 3: must be in 0 ... 2"),
    "negative label": (replaced("labels", [0, 1, -1]), "recording 2, labels is -1"),
    "labels of floats": (replaced("labels", np.zeros(3)), "labels is of dtype float64"),
    "keys of numbers": (replaced("extra/keys", [1, 2, 3]), "extra/keys is of dtype"),
    "same keys": (replaced("extra/keys", [b"a", b"b", b"a"]), "different texts"),
    "keys of bytes": (replaced("extra/keys", [b"\xff", b"b", b"a"]), "codec"),
    "speaker": (replaced("extra/speaker", [0, 1, -1]), "recording 2, extra/speaker"),
    "speakers": (replaced("extra/speaker", [0, 1]), "extra/speaker is of shape (2,)"),
    "unknown speaker": (lambda file: [meta()(file), replaced(
        "extra/speaker", [0, 2, 0])(file)], "recording 1, extra/speaker is 2"),
    "half": (half_meta, "extra/meta_info lacks fields"),
    "meta of nan": (meta(height=[1.0, np.nan]), "extra/meta_info/body_height (meta.bo"),
    "uneven meta": (meta(age=[1]), "extra/meta_info/age (meta.age) is of"),
    "soft link": (soft, "labels is a soft or external link"),
    "external link": (external, "labels is a soft or external link"),
    "external group": (external_group, "spikes is a soft or external link"),
    "virtual": (virtual, "labels has its data in other files"),
    "outside": (outside, "labels has its data in other files"),
    "references": (references, "labels is of dtype object"),
    "many": (many, "labels is of shape (1099511627776,)"),
    "wide chunks": (wide, "labels has chunks of (268435456,)"),
    "long words": (long_words, "extra/keys has 4194304 bytes"),
    "a long word": (a_long_word, "extra/keys has 2097152 bytes"),
    "other filter": (other_filter, "spikes/times has filter b'lzf'"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files_are_refused_by_file_recording_and_field(tmp_path, name):
    change, message = BAD[name]
    assert agrees(read(make(tmp_path / "good.h5")))
    path = make(tmp_path / "a.h5", change)
    with pytest.raises(ValueError) as caught:
        read(path)
    assert str(caught.value).startswith(str(path)) and message in str(caught.value)
    assert str(caught.value).count(str(path)) == 1


def test_fewer_channels(tmp_path):
    path = make(tmp_path / "a.h5")
    assert agrees(read(path, channels=700))
    with pytest.raises(ValueError, match="spike 1 is 699: must be in 0 ... 698"):
        read(path, channels=699)


def test_what_is_no_such_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="no.h5 is missing"):
        read(tmp_path / "no.h5")
    for name, content in (("empty", b""), ("text", b"words"), ("gz", b"\x1f\x8b" * 99)):
        (tmp_path / name).write_bytes(content)
        match = f"{name} is not an HDF5 file: .*unpack it"
        with pytest.raises(ValueError, match=match):
            read(tmp_path / name)
    with pytest.raises(ValueError, match="is not an HDF5 file"):
        read(tmp_path)


@pytest.mark.parametrize("share", [0.05, 0.3, 0.5, 0.8, 0.99, 0.9999])
def test_truncated_files_are_refused(tmp_path, share):
    path = make(tmp_path / "a.h5")
    os.truncate(path, int(share * os.path.getsize(path)))
    with pytest.raises(ValueError, match=r"a\.h5: .*truncated.*: must be an intact"):
        read(path)


BOMB = """
import resource, sys
from refsnn import events
events.read(sys.argv[2])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    events.read(sys.argv[1])
except ValueError as error:
    print(error)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.parametrize("name, chunked", [
    ("spikes/times", False), ("spikes/units", True), ("extra/keys", False)])
def test_declared_lengths_take_no_memory(tmp_path, name, chunked):
    """A small file declares a sequence of 2^30 items, which h5py would allocate."""
    def change(file):
        if chunked:
            rows, kind = file[name][:], file[name].dtype
            del file[name]
            file.create_dataset(name, (3,), kind, chunks=(3,))[:] = rows
        info = file[name].id.get_chunk_info(0).byte_offset if chunked \
            else file[name].id.get_offset()
        places.append(info)
    pytest.importorskip("resource", reason="resource is missing: no Unix")
    places = []
    path, good = make(tmp_path / "a.h5", change), make(tmp_path / "good.h5")
    assert agrees(read(path))
    with open(path, "r+b") as file:
        file.seek(places[0])
        assert struct.unpack("<I", file.read(4))[0] in (3, 4)
        file.seek(places[0])
        file.write(struct.pack("<I", 1 << 30))
    done = subprocess.run([sys.executable, "-c", BOMB, str(path), str(good)],
                          capture_output=True, text=True, check=True)
    message, taken = done.stdout.splitlines()
    assert f"{name} declares" in message and int(taken) < 50_000       # kB


def test_the_file_is_as_large_as_its_sequences(tmp_path):
    places = []
    path = make(tmp_path / "a.h5", lambda file: places.append(
        file["spikes/times"].id.get_offset()))
    size = os.path.getsize(path)
    assert size % 2 == 0
    for total, match in ((size, "recording 0: spikes/times and spikes/units have diff"),
                         (size + 2, f"declares {size + 2} bytes: must hold at most ")):
        with open(path, "r+b") as file:     # the other sequences have two times
            file.seek(places[0])
            file.write(struct.pack("<I", total // 2 - 2))
        with pytest.raises(ValueError, match=f"a.h5, .*{match}"):
            read(path)


def test_a_chunk_is_not_expanded_beyond_the_limit(tmp_path, monkeypatch):
    """A chunk of 48 bytes is followed by 4 MB, compressed to some kB."""
    def change(file):
        rows, kind = file["spikes/units"][:], file["spikes/units"].dtype
        del file["spikes/units"]
        data = file.create_dataset("spikes/units", (3,), kind, chunks=(3,),
                                   compression="gzip")
        data[:] = rows
        file.flush()
        content = zlib.decompress(data.id.read_direct_chunk((0,))[1])
        data.id.write_direct_chunk((0,), zlib.compress(content + bytes(1 << 22)))
    path = make(tmp_path / "a.h5", change)
    monkeypatch.setattr(events, "CHUNK", 48)
    tracemalloc.start()
    try:
        assert agrees(read(path))
        assert tracemalloc.get_traced_memory()[1] < 1 << 22
    finally:
        tracemalloc.stop()


def spikes():
    return list(zip(map(np.array, TIMES), (np.array(u, int) for u in UNITS),
                    strict=True))


def changed(i, times=None, units=None):
    some = spikes()
    some[i] = (some[i][0] if times is None else np.array(times),
               some[i][1] if units is None else np.array(units))
    return some


@pytest.mark.parametrize("change, message", [
    ({"spikes": changed(2, times=[1.0, 0.5])},
     "a.h5, recording 2, spikes/times: spike 1 is 0.5 after 1.0: must not fall"),
    ({"spikes": changed(0, times=[0.0, 1.0])},
     r"^spikes\[0\].units has 3 entries .axis 0., spikes\[0\].times has 2 "),
    ({"spikes": changed(0, times=[0, 1, 2])},
     r"^spikes\[0\].times is int64: must be floats, in s"),
    ({"spikes": changed(2, times=[0.0, np.nan])},
     r"^spikes\[2\].times is nan at index \(1,\): must be finite"),
    ({"spikes": changed(2, times=[-1.0, 0.0])},
     "a.h5, recording 2, spikes/times: spike 0 is -1.0: must be finite, in s, and not"),
    ({"spikes": changed(2, times=[0.0, 65505.0])},
     "a.h5, recording 2, spikes/times: the last spike is at 65505.0 s: must be at most "
     "65504.0 s"),
    ({"spikes": changed(2, units=[0, 700])},
     "a.h5, recording 2, spikes/units: spike 1 is 700: must be in 0 ... 699"),
    ({"spikes": changed(2, units=[0.0, 1.0])},
     r"^spikes\[2\].units is float64: must hold integers"),
    ({"spikes": [*spikes()[:2], (np.zeros(2), [0, 0], 0)]},
     r"^spikes\[2\] is of type tuple: must be a pair"),
    ({"spikes": [*spikes()[:2], {0: 1, 1: 2}]}, r"^spikes\[2\] is of type dict: m"),
    ({"spikes": None}, "^spikes is None: must be Iterable"),
    ({"spikes": spikes()[:2]}, "a.h5: spikes has 2 recordings: must have 3, as labels"),
    ({"spikes": []}, "a.h5: spikes has 0 recordings: must have 3, as labels"),
    ({"spikes": spikes() + spikes()},
     "a.h5: spikes has more recordings than labels: must have 3"),
    ({"labels": [0, 1, 3]}, "a.h5, recording 2, labels is 3: must be in 0 ... 2"),
    ({"labels": []}, "^labels is float64: must hold integers"),
    ({"keys": []}, r"a.h5, extra/keys is of shape \(0,\), dtype float64: must be from "
     "1 to 65536 different texts"),
    ({"keys": np.array([], "U1")}, r"extra/keys is of shape \(0,\), dtype <U1: must"),
    ({"keys": "abc"}, r"extra/keys is of shape \(\), dtype <U3: must be"),
    ({"keys": [["a", "b", "c"]]}, r"extra/keys is of shape \(1, 3\), dtype <U1: must"),
    ({"keys": [1, 2, 3]}, "extra/keys is of shape .* dtype int64: must be"),
    ({"keys": ["a", "a", "b"]}, "extra/keys is of shape .* dtype <U1: must be"),
    ({"keys": np.ma.masked_array(KEYS, [0, 1, 0])}, "^keys or meta holds a masked arr"),
    ({"speaker": [0, 1]}, "^speaker has 2 entries .axis 0., labels has 3 .axis 0.: mu"),
    ({"speaker": [0, 1, 2], "meta": Speakers(["f"] * 2, [1, 2], [3, 4])},
     "a.h5, recording 2, extra/speaker is 2: must be in 0 ... 1"),
    ({"meta": (["f"], [1])}, "^meta is of type tuple: must be a Speakers"),
    ({"meta": Speakers(["f"], [1], np.ma.masked_array([170.0], [True]))},
     "^keys or meta holds a masked array: must hold plain arrays"),
    ({"meta": Speakers(["f"] * 2, [1, 2, 3], [3, 4])}, r"a.h5, extra/meta_info/age "
     r".meta.age. is of shape \(3,\), dtype int64: must be finite numbers or texts, "),
    ({"meta": Speakers(["f"], [1], [np.inf])}, "extra/meta_info/body_height"),
    ({"meta": Speakers(["f"], [None], [170])}, "extra/meta_info/age .* dtype object"),
    ({"meta": Speakers([["f"]], [[1]], [[170]])}, "extra/meta_info/gender"),
    ({"meta": Speakers([], [], [])}, "extra/meta_info/gender")])
def test_what_could_not_be_read_is_not_written(tmp_path, change, message):
    call = {"spikes": spikes(), "labels": [2, 0, 1], "keys": KEYS, **change}
    with pytest.raises(ValueError, match=message):
        write(tmp_path / "a.h5", call.pop("spikes"), **call)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("path", [None, 7, b"bytes"])
def test_paths_are_texts_or_paths(path):
    for call in (read, lambda path: write(path, spikes(), [2, 0, 1], KEYS)):
        with pytest.raises(ValueError, match="^path is .*: must be one of str, PathLi"):
            call(path)


def test_largest_times_and_units(tmp_path):
    write(tmp_path / "a.h5", [(np.array([0.0, 65504.0]), np.array([0, 65535]))], [0],
          ["a"], channels=1 << 16)
    found = read(tmp_path / "a.h5", channels=1 << 16)
    assert found.times[0][-1] == 65504 and found.units[0][-1] == 65535


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError, MemoryError])
def test_what_is_interrupted_leaves_nothing(tmp_path, error):
    def made():
        yield spikes()[0]
        raise error("in the middle")

    with pytest.raises(error, match="in the middle"):
        write(tmp_path / "a.h5", made(), [2, 0, 1], KEYS)
    assert os.listdir(tmp_path) == []


FULL = """
import os, resource, sys
import numpy as np
from refsnn import events
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    events.write(sys.argv[1], [(np.array([0.5]), np.array([3]))], [0], ["a"])
except OSError as error:
    print(type(error).__name__)
"""


def test_a_full_disk_is_an_error_and_no_crash(tmp_path):
    """The HDF5 library would crash at the end of the process."""
    pytest.importorskip("resource", reason="resource is missing: no Unix")
    done = subprocess.run([sys.executable, "-c", FULL, str(tmp_path / "a.h5")],
                          capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "OSError\n", "")
    assert os.listdir(tmp_path) == []


def test_nothing_is_overwritten(tmp_path):
    path = tmp_path / "a.h5"

    def made():
        yield from spikes()
        path.write_text("another's")

    with pytest.raises(ValueError, match="a.h5 was created meanwhile"):
        write(path, made(), [2, 0, 1], KEYS)
    with pytest.raises(ValueError, match="a.h5 exists: must be a new file"):
        write(path, spikes(), [2, 0, 1], KEYS)
    assert path.read_text() == "another's" and os.listdir(tmp_path) == ["a.h5"]
    (tmp_path / "b.h5").symlink_to(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="b.h5 exists"):
        write(tmp_path / "b.h5", spikes(), [2, 0, 1], KEYS)
    with pytest.raises(ValueError, match="c.h5 has no parent folder"):
        write(tmp_path / "no" / "c.h5", spikes(), [2, 0, 1], KEYS)
    part = tmp_path / f"d.h5.{os.getpid()}.part"
    part.write_text("another's")
    with pytest.raises(OSError, match="exist"):
        write(tmp_path / "d.h5", spikes(), [2, 0, 1], KEYS)
    assert part.read_text() == "another's"


def test_arguments_are_not_modified(tmp_path):
    some, labels = spikes(), np.array([2, 0, 1])
    write(tmp_path / "a.h5", some, labels, KEYS)
    assert all((a == b).all() for pair in zip(some, spikes(), strict=True)
               for a, b in zip(*pair, strict=True)) and labels.tolist() == [2, 0, 1]
    assert events.ENTRIES * 16 <= events.CHUNK


@pytest.mark.parametrize("name, most, match", [
    ("WORDS", 3, "extra/keys is of shape"), ("ENTRIES", 3, "is of shape .3,.: must"),
    ("CHUNK", 16, "labels has chunks of"), ("TEXT", 13, "extra/keys has 13 bytes")])
def test_largest_sizes(tmp_path, monkeypatch, name, most, match):
    def change(file):
        del file["labels"]
        file.create_dataset("labels", data=np.array([2, 0, 1], np.uint16), chunks=(8,),
                            maxshape=(None,))
    path = make(tmp_path / "a.h5", change)
    monkeypatch.setattr(events, name, most)
    assert agrees(read(path))
    write(tmp_path / "b.h5", spikes(), [2, 0, 1], KEYS)
    monkeypatch.setattr(events, name, most - 1)
    with pytest.raises(ValueError, match=f"a.h5, .*{match}"):
        read(path)
    if name in ("WORDS", "ENTRIES"):
        with pytest.raises(ValueError, match=f"c.h5, .*{match}"):
            write(tmp_path / "c.h5", spikes(), [2, 0, 1], KEYS)
        assert not (tmp_path / "c.h5").exists()


def test_most_speakers(tmp_path, monkeypatch):
    meta = Speakers(["f", "m"], [30, 40], [170, 180])
    for most in (2, 1):
        monkeypatch.setattr(events, "WORDS", most)
        call = [tmp_path / f"{most}.h5", spikes(), [0, 0, 0], ["a"]]
        if most == 2:
            write(*call, meta=meta)
    with pytest.raises(ValueError, match="meta.gender. is of shape .2,., dtype <U1"):
        write(*call, meta=meta)


def test_unusual_addresses_are_refused(tmp_path):
    plan = h5py.h5p.create(h5py.h5p.FILE_CREATE)
    plan.set_sizes(4, 4)
    name = str(tmp_path / "a.h5").encode()
    with h5py.File(h5py.h5f.create(name, h5py.h5f.ACC_TRUNC, plan)) as file:
        data = file.create_dataset("spikes/times", (3,), h5py.vlen_dtype(FLOAT16))
        data[0] = np.array([0.5], FLOAT16)
    with h5py.File(tmp_path / "b.h5", "w") as file:     # no data are written
        file.create_dataset("spikes/times", (3,), h5py.vlen_dtype(FLOAT16))
    for path in (tmp_path / "a.h5", tmp_path / "b.h5"):
        with pytest.raises(ValueError, match="spikes/times has unusual addresses: must "
                                             "be stored at addresses of 8 bytes"):
            read(path)


def test_texts_of_the_largest_size_are_read(tmp_path):
    path, text = str(tmp_path / "a.h5"), "a" * events.TEXT
    write(path, [(np.array([0.5]), np.array([1]))], [0], ["a"])
    with h5py.File(path, "a") as file:
        del file["extra/keys"]
        file["extra/keys"] = np.array([text.encode()])
    assert read(path).keys == (text,)


@pytest.mark.parametrize("keys", [["a", 1], ["a", float("nan")], ["a", np.ma.masked],
                                  [b"a"]])
def test_keys_that_are_no_texts_are_refused(tmp_path, keys):
    spikes = [(np.array([0.1]), np.array([1]))]
    with pytest.raises(ValueError, match="keys (holds an entry that is no text: must "
                                         "hold|is of shape)"):
        events.write(tmp_path / "a.h5", spikes, [0], keys)
    assert not any(tmp_path.iterdir())
