"""Fuzz the file readers: a damaged file is refused clearly or read correctly.

Each reader runs in a separate process with 1 GB of memory, so that a crash of
a C library is detected; the file that caused it is kept and named.  REFSNN_FUZZ
sets the number of files for each reader: 60 by default, 10000 to be thorough.
"""

import gzip
import io
import os
import pathlib
import select
import struct
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.io import wavfile

from refsnn import events

pytest.importorskip("resource", reason="resource is missing: no Unix")

FILES = int(os.environ.get("REFSNN_FUZZ", "60"))
SECONDS = 30            # limit for one file
HANGS = f"wrong: took over {SECONDS} s"
WORKER = pathlib.Path(__file__).with_name("reader_process.py")


# --- good files ---------------------------------------------------------------

def written(suffix, write):
    """Return the bytes that a function writes to a path."""
    import tempfile
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, f"good{suffix}")
        write(path)
        return pathlib.Path(path).read_bytes()


def idx_files():
    plain = struct.pack(">HBBIII", 0, 8, 3, 4, 3, 2) + bytes(range(24))
    floats = struct.pack(">HBBI", 0, 13, 1, 3) + struct.pack(">3f", 0.5, -1, 2)
    return [plain, floats, gzip.compress(plain, mtime=0)]


def hdf5_files():
    spikes = [(np.array([0.0, 0.25, 0.5]), np.array([3, 699, 3])),
              (np.array([]), np.array([], int)), (np.array([1.5]), np.array([0]))]
    meta = events.Speakers(["f", "m"], [20, 30], [1.6, 1.8])
    return [written(".h5", lambda path: events.write(
                path, spikes, [1, 0, 1], ["a", "b"], speaker=[0, 1, 0], meta=meta)),
            written(".h5", lambda path: events.write(path, spikes, [0, 0, 0], ["a"]))]


def wav_files():
    tone = np.sin(np.arange(400) / 5)
    return [written(".wav", lambda path, a=a: wavfile.write(path, 16000, a)) for a in (
        (tone * 2e4).astype(np.int16), (tone * 2e9).astype(np.int32),
        (tone * 100 + 128).astype(np.uint8), (tone / 2).astype(np.float32))]


def flac_files():
    soundfile = pytest.importorskip("soundfile", reason="soundfile is missing")
    tone = np.sin(np.arange(400) / 5)
    return [written(".flac", lambda path, bits=bits: soundfile.write(
        path, tone / 2, 16000, subtype=f"PCM_{bits}")) for bits in (16, 24)]


def npz_files():
    found = []
    for save in (np.savez, np.savez_compressed):
        buffer = io.BytesIO()
        save(buffer, **{"bptt.dW": np.arange(6.0).reshape(2, 3), "bptt.loss": 0.5,
                        "lif.spikes": np.eye(3, dtype=np.uint8)})
        found.append(buffer.getvalue())
    return found


def bad_npz_files():
    """Return files of complex numbers, of pickled objects and of a false shape."""
    found = []
    for array in (np.ones(3, complex), np.array([{"a": 1}, None]), np.ones(3, "f8,i4")):
        buffer = io.BytesIO()
        np.savez(buffer, **{"bptt.dW": array})
        found.append(buffer.getvalue())
    buffer, header = io.BytesIO(), io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {
        "descr": "<f8", "fortran_order": False, "shape": (10 ** 12,)})
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("bptt.dW.npy", header.getvalue())
    return [*found, buffer.getvalue()]


def ras_files():
    return [b"0.001 1\n0.0015 2\n0.25 1\n1e1 17\n", b"# a comment\n0.5 3\n\n0.75 3\n"]


def nine_graphs(suffix):
    """Return small graphs of NIR, or their recordings."""
    folder = WORKER.parent / "oracle" / "nir" / "graphs"
    return [(folder / f"{name}{suffix}").read_bytes() for name in ("LIF", "nested")]


def nir_files():
    return nine_graphs(".nir")


def nirdata_files():
    return nine_graphs(".h5")


GOOD = {"idx": idx_files, "hdf5": hdf5_files, "wav": wav_files, "flac": flac_files,
        "npz": npz_files, "ras": ras_files, "nir": nir_files, "nirdata": nirdata_files}
BAD = {"npz": bad_npz_files}


# --- damage -------------------------------------------------------------------

EXTREMES = [number.to_bytes(size, order) for size in (1, 2, 4, 8)
            for number in (0, 1, 2 ** (8 * size - 1) - 1, 2 ** (8 * size - 1),
                           2 ** (8 * size) - 1) for order in ("little", "big")]
TEXTS = [b"nan", b"inf", b"-1", b"1e400", b"\n", b"\x00", b" ", b"9" * 30]


ACCIDENTS = ("flip", "set", "cut", "drop", "repeat", "insert")


def damage(data, draw):
    """Return the bytes after one to four kinds of damage."""
    for kind in draw(st.lists(st.sampled_from(ACCIDENTS), min_size=1, max_size=4)):
        at = draw(st.integers(0, len(data)))
        length = draw(st.integers(1, 40))
        if kind == "flip":
            hit = bytes(b ^ draw(st.integers(1, 255)) for b in data[at:at + 1])
            data = data[:at] + hit + data[at + 1:]
        elif kind == "set":
            value = draw(st.sampled_from(EXTREMES + TEXTS))
            data = data[:at] + value + data[at + len(value):]
        elif kind == "cut":
            data = data[:at]
        elif kind == "drop":
            data = data[:at] + data[at + length:]
        elif kind == "repeat":
            data = data[:at] + data[at:at + length] * 3 + data[at + length:]
        else:
            data = data[:at] + draw(st.sampled_from(EXTREMES + TEXTS)) + data[at:]
    return data


def inner(data, draw):
    """Damage the unpacked content and pack it again with a valid checksum."""
    if data[:2] == b"\x1f\x8b":
        return gzip.compress(damage(gzip.decompress(data), draw), mtime=0)
    if data[:2] != b"PK":
        return damage(data, draw)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    hit, buffer = draw(st.sampled_from(sorted(members))), io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, member in members.items():
            archive.writestr(name, damage(member, draw) if name == hit else member)
    return buffer.getvalue()


# --- readers ------------------------------------------------------------------

class Process:
    """The process of a reader, which is restarted when it has died."""

    def __init__(self, name):
        self.name, self.process = name, None

    def ask(self, path):
        if self.process is None:
            self.process = subprocess.Popen(
                [sys.executable, str(WORKER), self.name], stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        print(path, file=self.process.stdin, flush=True)
        ready = select.select([self.process.stdout], [], [], SECONDS)[0]
        line = self.process.stdout.readline().rstrip("\n") if ready else ""
        if not line:
            line = "wrong: died" if ready else HANGS
            self.stop()
        return line

    def stop(self):
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
            self.process = None


@pytest.fixture
def process(request):
    reader = Process(request.param)
    yield reader
    reader.stop()


each_reader = pytest.mark.parametrize("process", sorted(GOOD), indirect=True)


@each_reader
def test_good_files_are_read(process, tmp_path):
    for i, data in enumerate(GOOD[process.name]()):
        path = tmp_path / str(i)
        path.write_bytes(data)
        assert process.ask(path) == "right"


@pytest.mark.parametrize("process", sorted(BAD), indirect=True)
def test_bad_files_are_refused(process, tmp_path):
    for i, data in enumerate(BAD[process.name]()):
        path = tmp_path / str(i)
        path.write_bytes(data)
        assert process.ask(path).startswith("refused")


@each_reader
def test_damaged_files_are_refused_or_read(process, tmp_path):
    good, told, path = GOOD[process.name](), [], tmp_path / "damaged"
    good += BAD.get(process.name, list)()

    @settings(max_examples=FILES, derandomize=FILES == 60, database=None)
    @given(st.data())
    def run(data):
        draw = data.draw
        some = good[draw(st.integers(0, len(good) - 1))]
        path.write_bytes((inner if draw(st.booleans()) else damage)(some, draw))
        told.append(process.ask(path))
        if told[-1] != HANGS or process.name not in ("hdf5", "nir", "nirdata"):
            assert not told[-1].startswith("wrong"), f"{path}: {told[-1]}"

    run()
    assert sum(line.startswith("refused") for line in told) > FILES / 10
    assert told.count(HANGS) <= FILES / 100     # the HDF5 library, on a damaged heap


@pytest.mark.parametrize("process, member, length", [
    ("npz", "bptt.dW.npy", 11)], indirect=["process"])
def test_headers_that_numpy_stumbles_over(process, member, length, tmp_path):
    """NumPy raises errors of several lines, or of undocumented kinds."""
    path, good = tmp_path / "damaged", io.BytesIO(GOOD[process.name]()[0])
    with zipfile.ZipFile(good) as archive, zipfile.ZipFile(path, "w") as other:
        for name in archive.namelist():
            data = archive.read(name)
            other.writestr(name, 2 * data[:length] * (name == member) + data)
    assert process.ask(path).startswith("refused")


def test_what_is_wrong_is_seen(tmp_path, monkeypatch):
    """A reader that dies, takes too much memory or gives no clear message fails."""
    code = "\n".join((
        "import os, sys, reader_process as r",
        "def die(path): path and os.abort()",
        "def greedy(path): path and bytearray(2 << 30)",
        "def vague(path):",
        "    raise ValueError('bad file')",
        "r.READERS |= {f.__name__: f for f in (die, greedy, vague)}",
        "r.main(sys.argv[1])"))
    script = tmp_path / "worker.py"
    script.write_text(f"import sys\nsys.path.append({str(WORKER.parent)!r})\n{code}\n")
    monkeypatch.setattr(sys.modules[__name__], "WORKER", script)
    for name, why in (("die", "died"), ("greedy", "MemoryError"),
                      ("vague", "no clear message")):
        reader = Process(name)
        assert why in reader.ask(tmp_path / "file")
        reader.stop()
