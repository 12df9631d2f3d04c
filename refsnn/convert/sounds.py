# refsnn 0.1.0 | convert/sounds.py | SPDX-License-Identifier: MIT | needs: numpy, scipy, h5py
"""Convert sounds to spikes, and write the spikes of each sound to a file.

The spikes of each sound are stored in a separate file, called a part.  The
name of the file is a hash of the sound samples, of the options and of the
version of refsnn.
"""

import hashlib
import os
import zipfile

import numpy as np

import refsnn
from refsnn import audio, basilar, cochlea

RATE = 48000            # sampling rate of all sounds after resampling, Hz
OPTIONS = {" is clipped after ": "--clipped keep accepts clipped sounds",
           " channels: must be mono": "--mix averages these channels"}


def _samples(path, settings):
    try:
        sound, rate = audio.read(path, longest=settings.longest,
                                 clipped=settings.clipped, mix=settings.mix)
    except ValueError as error:
        told = "".join(f"; the option {OPTIONS[words]}" for words in OPTIONS
                       if words in str(error))
        raise ValueError(f"{error}{told}") from None
    try:
        return audio.prepare(audio.resample(sound, rate, RATE), RATE,
                             ramp=settings.ramp)
    except ValueError as error:
        before = f", {sound.size} samples at {rate} Hz" * ("audio has" in str(error))
        raise ValueError(f"{path}{before}: {error}") from None


def _stream(x, seed):
    digest = hashlib.sha256(x.astype("<f8").tobytes()).digest()
    return np.random.default_rng([seed, *np.frombuffer(digest, "<u4").tolist()])


def _digest(x, settings):
    digest = hashlib.sha256(x.astype("<f8").tobytes())
    digest.update(f"{refsnn.__version__} {settings[:5]}".encode())
    return digest.hexdigest()


def _convert(group, table, settings):
    """Write the spike files.  Return an error message or None for each sound."""
    found, sounds = [None] * len(group), {}
    for i, one in enumerate(group):
        try:
            x = _samples(one.path, settings)
        except (ValueError, OSError) as error:
            found[i] = str(error)
            continue
        if _digest(x, settings) in one.part:
            sounds[i] = x
        else:
            found[i] = f"{one.path} has changed meanwhile: must stay as it is"
    more = {"rate": RATE, "padded": settings.padded}
    response = basilar.response(table)
    rngs = [_stream(x, settings.seed) for x in sounds.values()]
    if len(sounds) < 2:             # in blocks of channels, for long recordings
        spikes = [cochlea.convert(x, response, settings.channels, *rngs,
                                  longest=(x.size + 1) / RATE, **more)
                  for x in sounds.values()]
    else:
        spikes = cochlea.convert_many([*sounds.values()], response, settings.channels,
                                      rngs, **more)
    for i, (times, units) in zip(sounds, spikes, strict=True):
        if settings.aligned:
            times = times - times[:1].sum()
        new = f"{group[i].part}.{os.getpid()}.part"
        with open(new, "wb") as file:
            np.savez(file, times=times.astype(np.float16),
                     units=units.astype(np.uint16))
        os.replace(new, group[i].part)
    return found


def _load(part):
    try:
        with open(part, "rb") as file, np.load(file, allow_pickle=False) as arrays:
            return arrays["times"], arrays["units"]
    except (ValueError, LookupError, EOFError, zipfile.BadZipFile):
        raise ValueError(f"{part} is damaged: must be deleted; the same command then "
                         "continues") from None
