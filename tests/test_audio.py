"""Reading recordings: every format, and every kind of bad file."""

import contextlib
import os
import struct
import sys
import types
import wave

import numpy as np
import pytest
from proofs import proves
from scipy import signal
from scipy.io import wavfile
from tolerances import RTOL

from refsnn import audio

RATE = 8000


def tone(n=400, frequency=440.0, rate=RATE, amplitude=0.5):
    return amplitude * np.sin(2 * np.pi * frequency * np.arange(n) / rate)


def write(path, samples, rate=RATE):
    wavfile.write(path, rate, samples)
    return path


def write24(path, samples):
    """Write a 24-bit WAV file, which SciPy reads but cannot write."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(3)
        file.setframerate(RATE)
        file.writeframes(b"".join(int(s).to_bytes(3, "little", signed=True)
                                  for s in samples))
    return path


def header(*fields):
    """Return a WAV file of two bytes of data with the given format fields."""
    return b"RIFF" + bytes(4) + b"WAVEfmt " + struct.pack("<IHHIIHH", 16, *fields) \
        + b"data" + struct.pack("<I", 2) + b"ab"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.wav"


# ---- what is read

@proves("audio", 1)
@pytest.mark.parametrize("bits", [8, 16, 24, 32])
def test_integers_are_read_exactly(path, bits):
    values = np.rint(tone() * 2 ** (bits - 1)).astype(np.int64)
    values[:4] = 0, 1, -1, -2 ** (bits - 1)
    if bits == 24:
        write24(path, values)
    else:
        write(path, (values + 128).astype(np.uint8) if bits == 8
              else values.astype(f"i{bits // 8}"))
    samples, rate = audio.read(path)
    assert rate == RATE and samples.dtype == np.float64
    assert (samples * 2.0 ** (bits - 1) == values).all()


def extensible(values, bits, valid, kind=1):
    """Return a WAV file whose header declares the number of valid bits."""
    size = bits // 8
    fmt = struct.pack("<HHIIHHHHIH", 0xFFFE, 1, RATE, RATE * size, size, bits, 22,
                      valid, 4, kind) + bytes.fromhex("000000001000800000aa00389b71")
    data = values.astype(f"<{'if'[kind == 3]}{size}").tobytes()
    body = b"WAVEfmt " + struct.pack("<I", 40) + fmt + b"data" \
        + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


def test_a_format_chunk_of_odd_length_is_read(path):
    """SciPy expects a pad byte after a chunk of odd length."""
    values = (tone() * 1000).astype("<i2")
    fmt = struct.pack("<HHIIHH", 1, 1, RATE, 2 * RATE, 2, 16)
    body = b"WAVEfmt " + struct.pack("<I", 17) + fmt + b"\0\0data" \
        + struct.pack("<I", 2 * len(values)) + values.tobytes()
    path.write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)
    assert (audio.read(path)[0] * 2.0 ** 15 == values).all()


@pytest.mark.parametrize("bits, valid", [(16, 16), (32, 24), (32, 20), (16, 8)])
def test_bits_that_count_are_those_of_the_header(path, bits, valid):
    values = np.rint(tone() * 2 ** (valid - 1)).astype(np.int64)
    values[9] = 2 ** (valid - 1) - 1
    path.write_bytes(extensible(values << (bits - valid), bits, valid))
    assert (audio.read(path)[0] * 2.0 ** (valid - 1) == values).all()
    values[9:13] = values[9]            # full scale of the valid bits only
    path.write_bytes(extensible(values << (bits - valid), bits, valid))
    with pytest.raises(ValueError, match="a.wav.*clipped after 0.001 s"):
        audio.read(path)
    for other in (0, 7, bits + 1):      # invalid declarations: all bits count
        path.write_bytes(extensible(values << (bits - valid), bits, other))
        if valid < bits:
            assert audio.read(path)[0].size == 400
    path.write_bytes(extensible(3 * tone(), 32, 32, kind=3))
    assert (audio.read(path)[0] == (3 * tone()).astype(np.float32)).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_floats_are_read_exactly(path, dtype):
    values = (3 * tone()).astype(dtype)                # beyond full scale, unclipped
    samples, _ = audio.read(write(path, values, 44100))
    assert (samples == values).all() and samples.dtype == np.float64


def test_other_chunks_are_passed_over(path):
    write(path, np.rint(tone() * 32767).astype(np.int16))
    raw = path.read_bytes()
    extra = b"LIST" + struct.pack("<I", 3) + b"abc\0"
    raw = raw[:12] + extra + raw[12:] + extra
    path.write_bytes(raw[:4] + struct.pack("<I", len(raw) - 8) + raw[8:])
    assert audio.read(path)[0].size == 400


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "PCM_S8"])
def test_flac_is_read_exactly(tmp_path, subtype):
    soundfile = pytest.importorskip("soundfile", reason="soundfile is missing")
    bits = {"PCM_16": 16, "PCM_24": 24, "PCM_S8": 8}[subtype]
    values = np.rint(tone() * 2 ** (bits - 1)) / 2 ** (bits - 1)
    path = tmp_path / "a.flac"
    soundfile.write(path, values, RATE, subtype=subtype)
    samples, rate = audio.read(path)
    assert (samples == values).all() and rate == RATE
    named = path.rename(tmp_path / "b.wav")             # content counts, not names
    assert (audio.read(named)[0] == values).all()
    whole = named.read_bytes()
    for size in (4, 20, 60, len(whole) // 2, len(whole) - 20):
        named.write_bytes(whole[:size])
        with pytest.raises(ValueError, match="b.wav"):
            audio.read(named)
    for bad, match in ((np.stack([values] * 2, 1), "2 channels"),
                       (values * 0 + 1, "clipped"),
                       (np.tile(values, 700), "lasts 35.000 s")):
        soundfile.write(path, bad, RATE, subtype=subtype)
        with pytest.raises(ValueError, match=match):
            audio.read(path)
    soundfile.write(path, np.stack([values, 0 * values], 1), RATE, subtype=subtype)
    assert (audio.read(path, mix=True)[0] == values / 2).all()


def test_flac_without_soundfile(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "soundfile", None)
    path = tmp_path / "a.flac"
    path.write_bytes(b"fLaC" + bytes(100))
    with pytest.raises(ValueError, match="a.flac is FLAC: soundfile must be installed"):
        audio.read(path)


@pytest.mark.parametrize("given, match", [(400, None), (399, "holds 399 samples"),
                                          (None, "broken.*intact")])
def test_flac_that_yields_less_than_it_says(tmp_path, monkeypatch, given, match):
    class SoundFile(contextlib.nullcontext):        # stands for soundfile's
        frames, samplerate, channels, subtype = 400, RATE, 1, "PCM_16"

        def __enter__(self):
            return self

        def read(self, dtype):
            if given is None:
                raise RuntimeError("broken")
            return tone(given).astype(dtype)

    monkeypatch.setitem(sys.modules, "soundfile",
                        types.SimpleNamespace(SoundFile=SoundFile))
    path = tmp_path / "a.flac"
    path.write_bytes(b"fLaC")
    if match is None:
        assert (audio.read(path)[0] == tone()).all()
    else:
        with pytest.raises(ValueError, match=f"a.flac.*{match}"):
            audio.read(path)


# ---- what is refused

@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
def test_every_truncation_is_seen(path, dtype):
    whole = write(path, (tone(60) * 120 + 128).astype(dtype)).read_bytes()
    assert audio.read(path)[0].size == 60
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        with pytest.raises(ValueError, match="a.wav"):
            audio.read(path)


def test_header_bytes_may_be_anything(path):
    whole = write(path, np.rint(tone(50) * 32767).astype(np.int16)).read_bytes()
    refused = 0
    for at in range(44):
        for value in (0, 1, 2, 127, 255):
            path.write_bytes(whole[:at] + bytes([value]) + whole[at + 1:])
            try:
                samples, rate = audio.read(path)
            except ValueError as error:
                refused += str(path) in str(error)
                assert str(path) in str(error)
            else:
                assert samples.size <= 50 and 1000 <= rate <= 768000
    assert refused > 60


def test_names_of_fields_are_told_on_one_line(path):
    path.write_bytes(b"RIFF" + bytes(4) + b"WAVEq\xfb\ni" + struct.pack("<I", 99))
    with pytest.raises(ValueError, match=r"a.wav, field q\\xfb\\ni: declares 99 bytes"):
        audio.read(path)


def test_length_is_judged_before_memory_is_taken(path):
    write(path, np.zeros(1, np.int16))
    raw = bytearray(path.read_bytes())
    size = 1 << 31
    raw[40:44] = struct.pack("<I", size)
    path.write_bytes(raw)
    os.truncate(path, 44 + size)                        # a hole, no blocks on disk
    with pytest.raises(ValueError, match="lasts 134217.728 s: must be at most"):
        audio.read(path)


@pytest.mark.parametrize("samples, match", [
    (np.zeros((5, 2), np.int16), "2 channels: must be mono"),
    (np.zeros(0, np.int16), "field data: is empty"),
    (np.array([0.0, np.nan]), "NaN or infinity"),
    (np.array([0.0, np.inf]), "NaN or infinity"),
    (np.zeros(8 * 31 * 1000, np.uint8), "lasts 31.000 s"),
    (np.array([0, 32767, 32767, -32768, 32767, 0], np.int16), "clipped after 0.000 s"),
    (np.array([0] * 80 + [255] * 4, np.uint8), "clipped after 0.000 s"),
    (np.array([128] * 80 + [255] * 4, np.uint8), "clipped after 0.010 s"),
    (np.array([0.1] * 80 + [-1.0] * 4, np.float32), "clipped after 0.010 s")])
def test_bad_recordings_are_named(path, samples, match):
    with pytest.raises(ValueError, match=f"a.wav.*{match}"):
        audio.read(write(path, samples))


def test_three_samples_at_full_scale_are_no_clipping(path):
    samples = np.array([0, 32767, 32767, 32767, 0, 32767, 32767, 1], np.int16)
    assert audio.read(write(path, samples))[0].size == 8


@pytest.mark.parametrize("content, match", [
    (b"", "magic: is b''"), (b"ID3\4" + bytes(50), "magic: is b'ID3"),
    (b"RIFX" + bytes(50), "magic"), (b"RIFF" + bytes(4) + b"AVI " + bytes(50), "WAVE"),
    (b"RIFF" + bytes(4) + b"WAVEdata" + bytes(4), "field fmt: is missing"),
    (header(6, 1, 8000, 8000, 1, 8), "format 6"),
    (header(1, 1, 7, 7, 1, 8), "rate, is 7"),
    (header(1, 1, 8000, 8000, 3, 16), "3 bytes"),
    (header(3, 1, 8000, 8, 2, 16), "of 16 b"),
    (header(65534, 1, 8000, 8000, 1, 8), "field data")])
def test_what_is_no_recording_is_named(path, content, match):
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"a.wav.*{match}"):
        audio.read(path)


def test_clipped_sounds_are_kept_on_request(path):
    samples = np.array([0, 32767, 32767, -32768, 32767, 0], np.int16)
    kept, _ = audio.read(write(path, samples), clipped="keep")
    assert (kept * 32768 == samples).all()


@pytest.mark.parametrize("dtype", [np.int16, np.float32])
def test_channels_are_averaged_on_request(path, dtype):
    samples = np.array([[100, 300, 2], [-8, 0, 8], [1, 2, 3]], dtype)
    mixed, _ = audio.read(write(path, samples), mix=True)
    scale = 32768 if dtype == np.int16 else 1
    np.testing.assert_allclose(mixed * scale, [134, 0, 2], rtol=RTOL)
    mono = tone(9)
    assert (audio.read(write(path, mono), mix=True)[0] == mono).all()
    samples = np.zeros((9, 2), np.int16)
    samples[3:7, 1] = 32767             # clipped in one channel, and not in the mean
    with pytest.raises(ValueError, match="clipped after 0.000 s"):
        audio.read(write(path, samples), mix=True)
    assert audio.read(path, mix=True, clipped="keep")[0].max() < 0.5
    path.write_bytes(header(1, 0, 8000, 8000, 0, 8))
    with pytest.raises(ValueError, match="0 channels: must be mono"):
        audio.read(path, mix=True)


def test_missing_files_and_folders(tmp_path):
    with pytest.raises(FileNotFoundError, match="none.wav is missing"):
        audio.read(tmp_path / "none.wav")
    with pytest.raises(ValueError, match="no regular file"):
        audio.read(tmp_path)


# ---- rates

@pytest.mark.parametrize("rate", [8000, 16000, 22050, 44100, 96000])
def test_a_tone_stays_a_tone(rate):
    y = audio.resample(tone(rate // 10, 1000.0, rate), rate)
    truth = tone(4800, 1000.0, 48000)
    assert y.shape == truth.shape
    assert np.abs(y - truth)[400:-400].max() < 0.002        # ripple of the filter
    assert np.abs(np.roll(truth, 1) - y)[400:-400].max() > 0.05


@proves("audio", 2)
@pytest.mark.parametrize("rate, to", [(8000, 12000), (12000, 8000), (8000, 44100)])
def test_resampling_inserts_zeros_filters_and_keeps_some_samples(rate, to):
    x = np.random.default_rng(1).normal(size=200)
    up, down = to // np.gcd(rate, to), rate // np.gcd(rate, to)
    half = 10 * max(up, down)
    filled = np.zeros(200 * up)
    filled[::up] = x
    low = signal.firwin(2 * half + 1, 1 / max(up, down), window=("kaiser", 5.0)) * up
    wanted = np.convolve(filled, low)[half::down][:-(-200 * up // down)]
    np.testing.assert_allclose(audio.resample(x, rate, to), wanted, rtol=1e-9,
                               atol=1e-12)


def test_tones_that_do_not_fit_vanish():
    y = audio.resample(tone(9600, 30000.0, 96000), 96000)
    assert np.abs(y[200:-200]).max() < 0.01
    assert np.abs(tone(9600, 30000.0, 96000)).max() > 0.4


def test_ends_of_ranges(path):
    for rate in (1000, 768000):
        assert audio.resample(A, rate, rate).tolist() == A.tolist()
        wavfile.write(path, rate, tone(50))
        assert audio.read(path)[1] == rate
    for rate in (999, 768001):
        with pytest.raises(ValueError, match=f"to is {rate}"):
            audio.resample(A, 8000, rate)
        wavfile.write(path, rate, tone(50))
        with pytest.raises(ValueError, match=f"a.wav, field rate, is {rate}"):
            audio.read(path)
    for ramp, good in ((5 / 8000, True), (6 / 8000, False), (1 / 8000, True)):
        if good:
            assert audio.prepare(A, 8000, ramp=ramp).shape == (10,)
        else:
            with pytest.raises(ValueError, match="is 6: must be 4 or more"):
                audio.prepare(A, 8000, ramp=ramp)
    assert audio.prepare(A[:4], 8000).any()
    for level in (1e12, 1.01e12):
        if level == 1e12:
            assert audio.prepare(A, 8000, level=level).max() > 1e11
        else:
            with pytest.raises(ValueError, match=r"^level is 1.*in \(0, 1e12\]"):
                audio.prepare(A, 8000, level=level)


def test_longest_recording(path):
    """The default limit is 30 s, and the limit itself is accepted."""
    wavfile.write(path, 1000, tone(30000, rate=1000))
    assert audio.read(path)[0].size == 30000
    assert audio.read(path, longest=30)[0].size == 30000
    with pytest.raises(ValueError, match="lasts 30.000 s: must be at most longest"):
        audio.read(path, longest=29.999)
    wavfile.write(path, 1000, tone(30001, rate=1000))
    with pytest.raises(ValueError, match="lasts 30.001 s"):
        audio.read(path)


@pytest.mark.parametrize("at", [0, 3, 96])
def test_where_it_is_clipped(path, at):
    """Runs at the start, inside and at the end are found; signs may alternate."""
    samples = np.rint(tone(100) * 30000).astype(np.int16)
    samples[at:at + 4] = 32767, -32768, 32767, -32768
    with pytest.raises(ValueError, match=f"clipped after {at / RATE:.3f} s"):
        audio.read(write(path, samples))
    samples[at + 2] = 32766
    assert (audio.read(write(path, samples))[0] * 32768 == samples).all()
    loud = tone(100)
    loud[at:at + 4] = 1.5, -1.5, 1.5, -1.5              # floats: beyond 1, at the most
    with pytest.raises(ValueError, match="clipped after"):
        audio.read(write(path, loud))
    loud[at + 1] = 1.25
    assert (audio.read(write(path, loud))[0] == loud).all()
    loud[at:at + 4] = 0.9                               # below 1 none is clipped
    assert (audio.read(write(path, loud))[0] == loud).all()


def test_the_same_rate_is_a_copy():
    x = tone()
    y = audio.resample(x, RATE, RATE)
    assert (x == y).all() and not np.shares_memory(x, y)


# ---- loudness and fading

@pytest.mark.parametrize("N", [10, 11])
def test_full_length_window(N):
    a = np.random.default_rng(N).normal(size=N)
    x = audio.prepare(a, RATE)
    window = np.hanning(10)
    if N == 11:
        window = np.insert(window, 5, 1.0)
    np.testing.assert_allclose(x, window * a * 0.3 / np.sqrt(np.mean(a ** 2)),
                               rtol=RTOL, atol=1e-14)


@proves("audio", 3, 4)
def test_short_ramps():
    a = np.full(100, -0.2)
    x = audio.prepare(a, 1000.0, level=0.5, ramp=0.01)
    rise = (1 - np.cos(2 * np.pi * np.arange(10) / 19)) / 2
    np.testing.assert_allclose(x[:10], -0.5 * rise, rtol=RTOL, atol=1e-14)
    np.testing.assert_allclose(x[-10:], -0.5 * rise[::-1], rtol=RTOL, atol=1e-14)
    np.testing.assert_allclose(x[10:-10], -0.5, rtol=RTOL)


def test_loudness_of_the_recording_does_not_matter():
    a = np.random.default_rng(1).normal(size=500)
    x = audio.prepare(a, RATE)
    for scale in (1e-200, 1e-3, 7.0, 1e200):
        np.testing.assert_allclose(audio.prepare(scale * a, RATE), x, rtol=RTOL)


def test_arguments_are_kept():
    a = tone()
    audio.prepare(a, RATE)
    audio.resample(a, RATE)
    assert (a == tone()).all()
    assert audio.prepare(a.astype(np.float32), RATE).dtype == np.float64


A = np.ones(10)


def test_the_ramp_is_rounded_to_samples():
    x = np.ones(20)
    assert (audio.prepare(x, 10.0, ramp=0.29) == audio.prepare(x, 10.0, ramp=0.3)).all()


def test_integers_of_64_bits_are_refused(tmp_path):
    path = tmp_path / "a.wav"
    wavfile.write(path, 8000, np.array([1 << 62, 0], np.int64))
    data = path.read_bytes()
    assert data[20:22] == b"\x01\x00"
    fmt = struct.pack("<HHIIHHHHI16s", 0xFFFE, 1, 8000, 64000, 8, 64, 22, 64, 4,
                      bytes.fromhex("0100000000001000800000aa00389b71"))
    body = b"WAVEfmt " + struct.pack("<I", len(fmt)) + fmt + b"data" + struct.pack(
        "<Iqq", 16, 1 << 62, 0)
    path.write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)
    with pytest.raises(ValueError, match="64 bits: must be of at most 32 bits"):
        audio.read(path)
