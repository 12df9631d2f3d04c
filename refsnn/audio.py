# refsnn 0.1.0 | audio.py | SPDX-License-Identifier: MIT | needs: numpy, scipy | optional: soundfile
r"""Recordings from files, at one rate and one loudness.

WAV files of 8, 16, 24 or 32 bit integers or of floats are read by SciPy,
FLAC files by soundfile where that is installed.  What is truncated, too
long, not mono, clipped or not finite is refused by file and field, before
it takes memory where the header tells.

    a = s / 2^(bits - 1),  s signed; (s - 128)/128 of 8 bits      (1)
    y = a at `to` samples a second, band-limited                  (2)
    x = level fade y / rms(y)                        (3)  [CSSZ20] eq. ?
    fade[i] = (1 - cos(2 pi i/(2 r - 1)))/2, i < r, from both ends,
              and 1 between                          (4)  [CSSZ20] eq. ?

Derivation.  (2) inserts zeros, filters below half the lower rate and keeps
    every so manyth sample (`scipy.signal.resample_poly`).
Exact.  Integers of up to 32 bits are exact in float64.  Times in (2) are
    those of a: its filter is symmetric.
Cost.   O(N) memory and time; reads no more than `longest` seconds.
Departures.  The software of [CSSZ20] does not resample; its constants are
    for 48 kHz.  It fades over half the clip at either end (`ramp=None`,
    r = N//2); the paper tells of short ramps (`ramp=0.03`, in s).  Clipped
    is what has 4 samples in a row at the ends of the range of integers (of
    the bits that the header calls valid), or for floats at the largest
    value, if that is 1 or more.

[CSSZ20] B. Cramer, Y. Stradmann, J. Schemmel and F. Zenke, IEEE TNNLS,
    2020, arXiv 1910.07407; software lauscher 1.0.1.
"""

import io
import math
import os
import struct

import numpy as np
from scipy import signal
from scipy.io import wavfile

__all__ = ["prepare", "read", "resample"]

RUN = 4                             # samples in a row that are clipped
FORMATS = {1: (8, 16, 24, 32), 3: (32, 64), 0xFFFE: (8, 16, 24, 32, 64)}
FLAC_BITS = {"PCM_S8": 8, "PCM_16": 16, "PCM_24": 24}


def _positive(name, value, most=1e12):
    if isinstance(value, (bool, np.bool_)) or not isinstance(
            value, (int, float, np.integer, np.floating)) or not 0 < value <= most:
        raise ValueError(f"{name} is {value!r}: must be a number above 0, at most "
                         f"{most:g}")


def _rate(name, value):
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)) \
            or not 1000 <= value <= 768000:
        raise ValueError(f"{name} is {value!r}: must be an integer from 1000 to 768000 "
                         "Hz")
    return int(value)


def _audio(audio):
    """Checked samples, as a new float64 array."""
    audio = np.asarray(audio)
    if audio.ndim != 1 or audio.dtype not in (np.float32, np.float64) \
            or audio.size == 0:
        raise ValueError(f"audio is of shape {audio.shape}, dtype {audio.dtype}: must "
                         "be a float array (N,), not empty")
    if not np.isfinite(audio).all():
        raise ValueError("audio has NaN or infinite entries: must be finite")
    return audio.astype(np.float64)


def _chunks(path, file):
    """The format chunk of a WAV file and the bytes of its data, which follow."""
    size, fmt = os.path.getsize(path), None
    if file.read(12)[8:] != b"WAVE":
        raise ValueError(f"{path}, field magic: must be RIFF with WAVE")
    while len(head := file.read(8)) == 8:
        name, length = struct.unpack("<4sI", head)
        start = file.tell()
        if start + length > size:
            field = ascii(name.decode("latin-1").strip())[1:-1]     # one line
            raise ValueError(f"{path}, field {field}: says {length} bytes, and "
                             f"{size - start} are left: must not be truncated")
        if name == b"data" and fmt:
            return fmt, length
        if name == b"fmt " and length >= 16:
            fmt = file.read(min(length, 40))
        file.seek(start + length + length % 2)
    raise ValueError(f"{path}, field {'data' if fmt else 'fmt'}: is missing: must not "
                     "be truncated")


def _length(path, channels, rate, frames, longest):
    if channels != 1:
        raise ValueError(f"{path} has {channels} channels: must be mono; mix or choose "
                         "one first")
    _rate(f"{path}, field rate,", rate)
    if frames == 0:
        raise ValueError(f"{path}, field data: is empty: must have samples")
    if frames > longest * rate:
        raise ValueError(f"{path} lasts {frames / rate:.3f} s: must be at most longest "
                         f"= {longest} s")


def _wav(path, file, longest):
    """Samples, rate, bits of a WAV file; 0 bits for floats."""
    fmt, length = _chunks(path, file)
    tag, channels, rate, _, align, bits = struct.unpack("<HHIIHH", fmt[:16])
    if bits not in FORMATS.get(tag, ()) or align * 8 != channels * bits:
        raise ValueError(f"{path}, field fmt: format {tag} of {bits} bits, {align} "
                         "bytes a sample: must be integers (1) of 8, 16, 24, 32 or "
                         "floats (3) of 32, 64")
    _length(path, channels, rate, length // max(align, 1), longest)
    if tag == 0xFFFE and len(fmt) >= 20:                # 24 valid bits of 32, say
        valid = struct.unpack("<H", fmt[18:20])[0]
        bits = valid if 8 <= valid <= bits else bits
    # For SciPy the essentials only: no other chunk can mislead it.
    data = file.read(length)
    parts = [b"WAVEfmt ", struct.pack("<I", len(fmt)), fmt, b"data",
             struct.pack("<I", length), data]
    plain = io.BytesIO(b"".join([b"RIFF", struct.pack("<I", sum(map(len, parts))),
                                 *parts]))
    try:
        rate, samples = wavfile.read(plain)
    except (ValueError, struct.error) as error:
        raise ValueError(f"{path}, field data: {error}: must be an intact WAV file"
                         ) from None
    if samples.dtype.kind == "f":
        return samples.astype(np.float64), rate, 0
    shift = 128 if samples.dtype == np.uint8 else 0
    scale = 2.0 ** (8 * samples.dtype.itemsize - 1)      # 24 bits come as 32
    return (samples.astype(np.float64) - shift) / scale, rate, bits        # (1)


def _flac(path, longest):
    """As `_wav`, of a FLAC file."""
    try:
        import soundfile
    except ImportError:
        raise ValueError(f"{path} is FLAC: must have soundfile to read it (extra "
                         "audio)") from None
    try:
        with soundfile.SoundFile(path) as file:
            frames, rate = file.frames, file.samplerate
            bits = FLAC_BITS.get(file.subtype, 24)
            _length(path, file.channels, rate, frames, longest)
            samples = file.read(dtype="float64")
    except RuntimeError as error:
        raise ValueError(f"{path}, field data: {error}: must be an intact FLAC file"
                         ) from None
    if len(samples) != frames:
        raise ValueError(f"{path}, field data: holds {len(samples)} samples: must hold "
                         f"{frames}, not truncated")
    return samples, rate, bits


def read(path, *, longest=30.0):
    """Samples of a mono WAV or FLAC file, eq. (1).

    Parameters
    ----------
    path : str or path
        Of the file; what it is is read from it, not its name.
    longest : float
        Longest recording that is accepted, s.

    Returns
    -------
    audio : (N,) float64
        Full scale is 1.
    rate : int
        Samples a second.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is not WAV or FLAC, truncated, empty, too long, not
        mono, clipped or not finite, or soundfile is needed and missing;
        names file and field.

    Examples
    --------
    >>> import tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "a.wav")
    >>> wavfile.write(path, 8000, np.array([0, 1 << 14, -1 << 15], np.int16))
    >>> audio, rate = read(path)
    >>> audio.tolist(), rate
    ([0.0, 0.5, -1.0], 8000)
    """
    path = os.fspath(path)
    _positive("longest", longest)
    if not os.path.exists(path):
        raise FileNotFoundError(f"{path} is missing: must be a WAV or FLAC file")
    if not os.path.isfile(path):
        raise ValueError(f"{path} is no regular file: must be a WAV or FLAC file")
    with open(path, "rb") as file:
        magic = file.read(4)
        file.seek(0)
        if magic not in (b"RIFF", b"fLaC"):
            raise ValueError(f"{path}, field magic: is {magic!r}: must be RIFF (WAV) "
                             "or fLaC")
        audio, rate, bits = _wav(path, file, longest) if magic == b"RIFF" \
            else _flac(path, longest)
    if not np.isfinite(audio).all():
        raise ValueError(f"{path}, field data: has NaN or infinite samples: must be "
                         "finite")
    end = 1 - 2.0 ** (1 - bits) if bits else max(1.0, np.abs(audio).max())
    full = np.concatenate([[0], np.cumsum(np.abs(audio) >= end)])
    if (full[RUN:] - full[:-RUN] == RUN).any():
        at = int(np.argmax(full[RUN:] - full[:-RUN] == RUN))
        raise ValueError(f"{path}, field data: is clipped after {at / rate:.3f} s: "
                         f"must not have {RUN} samples in a row at full scale")
    return audio, int(rate)


def resample(audio, rate, to=48000):
    """The same sound at another rate, eq. (2).

    Parameters
    ----------
    audio : (N,) float
        Samples.
    rate, to : int
        Samples a second, before and after, 1000 to 768000.

    Returns
    -------
    (N to/rate, rounded up) float64
        y; a copy of audio if both rates are the same.

    Raises
    ------
    ValueError
        If audio is no finite array with samples, or a rate out of range.

    Examples
    --------
    >>> resample(np.ones(3), 8000).size
    18
    """
    audio, rate, to = _audio(audio), _rate("rate", rate), _rate("to", to)
    if rate == to:
        return audio
    common = math.gcd(rate, to)
    return signal.resample_poly(audio, to // common, rate // common)       # (2)


def prepare(audio, rate, *, level=0.3, ramp=None):
    """One loudness, faded in and out, eqs. (3) and (4).

    Parameters
    ----------
    audio : (N,) float
        Samples, of any unit.
    rate : float
        Samples a second.
    level : float
        Root mean square before fading.
    ramp : float, optional
        Time from silence to full loudness, s; half the clip by default.

    Returns
    -------
    (N,) float64
        x.

    Raises
    ------
    ValueError
        If audio is silent, not finite or has less than four samples, ramp
        does not fit into half of it, or rate or level is not positive.

    Examples
    --------
    >>> prepare(np.array([1.0, -1.0, 1.0, -1.0, 1.0]), 8, level=2).tolist()
    [0.0, -1.5, 2.0, -1.5, 0.0]
    """
    audio = _audio(audio)
    _positive("rate", rate)
    _positive("level", level)
    _positive("ramp", 1 if ramp is None else ramp)
    r = audio.size // 2 if ramp is None else round(ramp * rate)
    if not 1 <= r <= audio.size // 2 or audio.size < 4:
        raise ValueError(f"audio has {audio.size} samples, and ramp = {ramp!r} is {r}: "
                         "must be 4 or more, and a ramp from 1 to half of them")
    peak = np.abs(audio).max()
    if peak == 0:
        raise ValueError("audio is silent: must have samples other than 0")
    audio /= peak                                       # squares stay in range
    audio *= level / np.sqrt(np.mean(audio ** 2))                          # (3)
    fade = np.hanning(2 * r)[:r]                                           # (4)
    audio[:r] *= fade
    audio[-r:] *= fade[::-1]
    return audio
