# refsnn 0.1.0 | audio.py | SPDX-License-Identifier: MIT | needs: numpy, scipy | optional: soundfile
r"""Read sounds, and convert sounds to a common sampling rate and loudness.

SciPy reads WAV files with 8-, 16-, 24- or 32-bit integers or with floats.
The optional package soundfile reads FLAC files.  The function `read`
rejects damaged files.  By default, `read` also rejects clipped sounds and
stereo files.  Eq. (1) converts an integer sample s with `bits` bits to a
number a from -1 to 1.  Eq. (3) scales the sound y to the root mean square
`level`.  The result x fades in during the first N samples (`ramp`
seconds), and fades out during the last N samples:

    a = s / 2^(bits - 1);  (s - 128)/128 for 8 bits in WAV files  (1)
    y = a resampled to `to` samples per second, band-limited      (2)
    x = level fade y / rms(y)                          (3)  [CSSZ20]
    fade[i] = (1 - cos(2 pi i/(2 N - 1)))/2, i < N, from both ends
              and 1 between                            (4)  [CSSZ20]

Derivation.  Eq. (2) is computed by `scipy.signal.resample_poly`.
Exact.  Eq. (1) is exact for integers.  The filter (2) causes no delay.
Cost.   Resampling T samples from the rate Q to the rate R takes O(T +
    max(Q, R) / gcd(Q, R)) time and memory.
Departures.  The software of [CSSZ20] assumes a sampling rate of 48 kHz,
    and does not resample.  A fade lasts half the sound in this software
    (ramp=None, N = T//2), and 0.03 s in the paper (ramp=0.03).  A sound is
    called clipped if four successive samples are at full scale.  For float
    samples, full scale is the larger of 1 and the largest absolute value.

[CSSZ20] B. Cramer et al., 2020, arXiv 1910.07407; software lauscher 1.0.1.
"""

import io
import math
import os
import struct

import numpy as np
from scipy import signal
from scipy.io import wavfile

# `python -m refsnn vendor NAME FILE` adds these functions to a copy.
from refsnn._checks import arrays, flags, one_of

__all__ = ["prepare", "read", "resample"]

RUN = 4                             # successive full-scale samples, counted as clipping
FORMATS = {1: (8, 16, 24, 32), 3: (32, 64), 0xFFFE: (8, 16, 24, 32, 64)}
FLAC_BITS = {"PCM_S8": 8, "PCM_16": 16, "PCM_24": 24}
LONGEST_FORMAT = 40                 # bytes of a WAV format chunk; SciPy reads no more
LOWEST, HIGHEST = 1000, 768000      # sampling rates, Hz
RATE = f"() int in [{LOWEST}, {HIGHEST}]"
POSITIVE = "() in (0, 1e12]"        # such that products with sample counts stay exact


def read(path, *, longest=30.0, clipped="refuse", mix=False):
    """Return the float64 samples (N,) of a WAV or FLAC file, and the sampling
    rate in Hz.  Eq. (1) scales integer samples to the range from -1 to 1.

    >>> import tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "a.wav")
    >>> wavfile.write(path, 8000, np.array([0, 1 << 14, -1 << 15], np.int16))
    >>> audio, rate = read(path)
    >>> audio.tolist(), rate
    ([0.0, 0.5, -1.0], 8000)

    Parameters
    ----------
    path, longest : str or path, float
        Sound file, and longest accepted duration in seconds.
    clipped : {"refuse", "keep"}
        "refuse" raises an error if any channel is clipped.
    mix : bool
        If True, all channels are averaged.  If False, only mono is accepted.
    """
    path = os.fspath(one_of("path", path, str, os.PathLike))
    longest, = arrays(f"longest {POSITIVE}", longest)
    one_of("clipped", clipped, "refuse", "keep")
    flags("mix", mix)
    if not os.path.exists(path):
        raise FileNotFoundError(f"{path} is missing: must be a WAV or FLAC file")
    if not os.path.isfile(path):
        raise ValueError(f"{path} is no regular file: must be a WAV or FLAC file")
    with open(path, "rb") as file:
        magic = file.read(4)
        file.seek(0)
        if magic not in (b"RIFF", b"fLaC"):
            raise ValueError(f"{path}, field magic: is {magic!r}: must be RIFF or fLaC")
        audio, rate, bits = _wav(path, file, longest, mix) \
            if magic == b"RIFF" else _flac(path, longest, mix)
    if not np.isfinite(audio).all():
        raise ValueError(f"{path}, field data: has NaN or infinity: must be finite")
    end = 1 - 2.0 ** (1 - bits) if bits else max(1.0, np.abs(audio).max())
    for channel in audio.T.reshape(-1, len(audio)) if clipped == "refuse" else ():
        full = np.concatenate([[0], np.cumsum(np.abs(channel) >= end)])
        runs = np.flatnonzero(full[RUN:] - full[:-RUN] == RUN)
        if runs.size:
            raise ValueError(
                f"{path}, field data: is clipped after {runs[0] / rate:.3f} s: must "
                f"not have {RUN} successive samples at full scale")
    return audio if audio.ndim == 1 else audio.mean(axis=1), int(rate)


def _wav(path, file, longest, mix):
    """Return samples, rate and valid bits."""
    fmt, length = _chunks(path, file)
    tag, channels, rate, _, align, bits = struct.unpack("<HHIIHH", fmt[:16])
    if bits not in FORMATS.get(tag, ()) or align * 8 != channels * bits:
        raise ValueError(f"{path}, field fmt: format {tag} of {bits} bits, {align} "
                         "bytes a sample: must be integers (1) of 8, 16, 24, 32 or "
                         "floats (3) of 32, 64")
    _length(path, channels, rate, length // max(align, 1), longest, mix)
    if tag == 0xFFFE and len(fmt) >= 20:                # e.g. 24 valid bits of 32
        valid = struct.unpack("<H", fmt[18:20])[0]
        bits = valid if 8 <= valid <= bits else bits
    # SciPy reads only the two essential chunks, because other chunks may mislead SciPy.
    head = struct.pack(f"<4sI8sI{len(fmt)}s4sI", b"RIFF", 20 + len(fmt) + length,
                       b"WAVEfmt ", len(fmt), fmt, b"data", length)
    try:
        rate, samples = wavfile.read(io.BytesIO(head + file.read(length)))
    except (ValueError, struct.error) as error:
        raise ValueError(f"{path}, field data: {error}: must be intact") from None
    if samples.dtype == np.int64:
        raise ValueError(f"{path}, field fmt: integers of 64 bits: must be of at most "
                         "32 bits")
    if samples.dtype.kind == "f":
        return samples.astype(np.float64), rate, 0
    shift = 128 if samples.dtype == np.uint8 else 0
    scale = 2.0 ** (8 * samples.dtype.itemsize - 1)     # SciPy returns 24 bits as 32
    return (samples.astype(np.float64) - shift) / scale, rate, bits        # (1)


def _chunks(path, file):
    size, fmt = os.path.getsize(path), None
    if file.read(12)[8:] != b"WAVE":
        raise ValueError(f"{path}, field magic: must be RIFF with WAVE")
    while len(head := file.read(8)) == 8:
        name, length = struct.unpack("<4sI", head)
        start = file.tell()
        if start + length > size:
            field = ascii(name.decode("latin-1").strip())[1:-1]     # without newlines
            raise ValueError(f"{path}, field {field}: declares {length} bytes, but "
                             f"{size - start} are left: must not be truncated")
        if name == b"data" and fmt:
            return fmt, length
        if name == b"fmt " and length >= 16:
            fmt = file.read(min(length, LONGEST_FORMAT) & ~1)  # SciPy pads odd sizes
        file.seek(start + length + length % 2)
    raise ValueError(f"{path}, field {'data' if fmt else 'fmt'}: is missing: must be a "
                     "chunk of the file")


def _flac(path, longest, mix):
    try:
        import soundfile
    except ImportError:
        raise ValueError(f"{path} is FLAC: soundfile must be installed to read it "
                         "(extra audio)") from None
    try:
        with soundfile.SoundFile(path) as file:
            frames, rate = file.frames, file.samplerate
            bits = FLAC_BITS.get(file.subtype, 24)
            _length(path, file.channels, rate, frames, longest, mix)
            samples = file.read(dtype="float64")
    except RuntimeError as error:
        raise ValueError(f"{path}, field data: {error}: must be intact") from None
    if len(samples) != frames:
        raise ValueError(f"{path}, field data: holds {len(samples)} samples: must hold "
                         f"{frames}, not truncated")
    return samples, rate, bits


def resample(audio, rate, to=48000):
    """Return the resampled sound of eq. (2), a float64 array of shape (M,).  For
    N samples of `audio`, the number M of new samples is N * to / rate, rounded
    up to an integer.

    >>> resample(np.ones(3), 8000).size
    18

    Parameters
    ----------
    audio : (N,) float
    rate, to : int, sampling rates before and after, 1000 to 768000 Hz
    """
    audio, rate, to = arrays(f"audio (N) float, rate {RATE}, to {RATE}", audio, rate,
                             to, dtype=np.float64)
    if rate == to:
        return audio.copy()
    common = math.gcd(rate, to)
    return signal.resample_poly(audio, to // common, rate // common)       # (2)


def prepare(audio, rate, *, level=0.3, ramp=None):
    """Scale a sound to a given root mean square, and fade it in and out,
    eqs. (3), (4).  The result is a float64 array of shape (N,).

    >>> prepare(np.array([1.0, -1.0, 1.0, -1.0, 1.0]), 8, level=2).tolist()
    [0.0, -1.5, 2.0, -1.5, 0.0]

    Parameters
    ----------
    audio : (N,) float, at least four samples in any unit, not all 0
    rate, level : float
        Sampling rate in Hz, and root mean square before the fades.
    ramp : float, duration of each fade in s; by default half the sound
    """
    audio, rate, level, ramp = arrays(
        f"audio (N) float, rate {POSITIVE}, level {POSITIVE}, ramp? {POSITIVE}", audio,
        rate, level, ramp, dtype=np.float64)
    N = audio.size // 2 if ramp is None else round(ramp * rate)
    if not 1 <= N <= audio.size // 2 or audio.size < 4:
        raise ValueError(f"audio has {audio.size} samples, and ramp = {ramp!r} is {N}: "
                         "must be 4 or more, with a ramp of 1 to half of the samples")
    peak = np.abs(audio).max()
    if peak == 0:
        raise ValueError("audio is silent: must have samples other than 0")
    audio = audio / peak                                # squares stay in range
    audio *= level / np.sqrt(np.mean(audio ** 2))                          # (3)
    fade = np.hanning(2 * N)[:N]                                           # (4)
    audio[:N] *= fade
    audio[-N:] *= fade[::-1]
    return audio


def _length(path, channels, rate, frames, longest, mix):
    if channels != 1 and not (mix and channels):
        raise ValueError(f"{path} has {channels} channels: must be mono")
    if not LOWEST <= rate <= HIGHEST:
        raise ValueError(f"{path}, field rate, is {rate}: must be {LOWEST} to "
                         f"{HIGHEST} Hz")
    if frames == 0:
        raise ValueError(f"{path}, field data: is empty: must have samples")
    if frames > longest * rate:
        raise ValueError(f"{path} lasts {frames / rate:.3f} s: must be at most longest "
                         f"= {longest} s")
