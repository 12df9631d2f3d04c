# refsnn 0.1.0 | convert/command.py | SPDX-License-Identifier: MIT | needs: numpy, scipy, h5py
"""Convert all sound files to spikes, and write one or two output files.

The command first writes the spikes of each sound to a separate file,
`OUTPUT.parts/DIGEST.npz`.  DIGEST is a hash of the sound samples and of
the options.  An interrupted command can be run again.  The second run
skips all sounds whose spikes are already stored.
"""

import os
import re
import shutil
import sys
from typing import NamedTuple

from refsnn import events
from refsnn._checks import arrays
from refsnn.convert.labels import _labels, _speakers, _tested
from refsnn.convert.sounds import RATE, _digest, _load, _samples
from refsnn.convert.workers import _convert_all

__all__ = ["Recording", "Settings", "run"]

# --like: ramp, aligned, padded
STYLES = {None: (0.03, True, True), "lauscher-1.0.1": (None, False, False)}
OWN = r"[0-9a-f]{64}\.npz(\.\d+\.part)?|\d\.h5(\.\d+\.part)?"   # files in a work folder


class Settings(NamedTuple):
    """Hold the options for the conversion of sounds to spikes."""
    channels: int           # places along the cochlea
    seed: int               # of the random spikes
    aligned: bool           # the first spike is moved to t = 0
    ramp: float             # duration of each fade, s, or None for half the sound
    padded: bool            # silence is appended to make the conversion fast
    longest: float          # longest accepted duration, s
    clipped: str            # "refuse" or "keep" clipped sounds
    mix: bool               # stereo sounds are averaged over their channels


class Recording(NamedTuple):
    """Describe one conversion from a sound file to a file of spikes."""
    path: str               # of the recording
    seconds: float          # duration of the sound
    part: str               # path of the file of its spikes in the work folder


def run(options):
    """Convert sounds.  Return an int: 1 if a sound cannot be converted, else 0.

    >>> from refsnn.__main__ import main
    >>> main(["convert", "nowhere.wav", "-o", "spikes.h5"])
    2

    Parameters
    ----------
    options : argparse.Namespace, from the parser of `refsnn.__main__`
    """
    paths, settings = options.audio, _settings(options)
    texts, speakers = _labels(paths, options.label), _speakers(paths, options.speaker)
    tested = _tested(paths, options.test[0]) if options.test else set()
    outputs, folder = [options.output, *options.test[1:]], f"{options.output}.parts"
    others = [name for name in os.listdir(folder) if not re.fullmatch(OWN, name)] \
        if os.path.lexists(folder) else []
    if others:
        raise ValueError(f"{folder} holds {others[0]!a}: must be a work folder, or "
                         "absent")
    found, bad = {}, {}
    for i, path in enumerate(paths):
        try:
            x = _samples(path, settings)
        except (ValueError, OSError) as error:
            bad[i] = str(error)
        else:
            part = os.path.join(folder, f"{_digest(x, settings)}.npz")
            found[i] = Recording(path, x.size / RATE, part)
    errors = _convert_all({one.part: one for one in found.values()}, folder, settings,
                          options.jobs)
    bad |= {i: errors[one.part] for i, one in found.items() if one.part in errors}
    if bad and len(paths) == 1:
        raise ValueError(bad[0])
    for i in sorted(bad):
        print(f"refsnn: {bad[i]}", file=sys.stderr)
    splits = [[(found[i].part, texts[i], speakers[i]) for i in found
               if i not in bad and (i in tested) == test]
              for test in (False, True)[:len(outputs)]]
    _join(folder, splits, outputs, sorted(set(texts)), settings.channels)
    if bad:
        print(f"refsnn: {len(bad)} of {len(paths)} recordings are bad and left out; "
              f"{folder} keeps the others for another run; before this run, delete the "
              f"incomplete {' and '.join(outputs)}", file=sys.stderr)
    else:
        shutil.rmtree(folder)
    return int(bool(bad))


def _join(folder, splits, outputs, keys, channels):
    wholes = [os.path.join(folder, f"{i}.h5") for i in range(len(outputs))]
    for output, split in zip(outputs, splits, strict=True):
        if not split:
            raise ValueError(f"{output} is not written: no good recording is left")
    for whole, split in zip(wholes, splits, strict=True):
        if os.path.exists(whole):
            os.remove(whole)
        parts, texts, speakers = zip(*split, strict=True)
        events.write(whole, map(_load, parts), list(map(keys.index, texts)), keys,
                     speaker=speakers, channels=channels)
    for output in outputs:
        if os.path.lexists(output):
            raise ValueError(f"{output} was created meanwhile: must be a new file")
    for whole, output, split in zip(wholes, outputs, splits, strict=True):
        os.rename(whole, output)
        print(f"{output}: {len(split)} recordings, {channels} channels")


def _settings(options):
    o, (ramp, aligned, padded) = options, STYLES[options.like]
    arrays("channels () int in [1, 10000], seed () int in [0, inf), jobs () int in "
           "[1, inf), longest () in (0, 3600], ramp? () in (0, 3600]", o.channels,
           o.seed, o.jobs, o.longest, o.ramp)
    return Settings(o.channels, o.seed, aligned, ramp if o.ramp is None else o.ramp,
                    padded, o.longest, o.clipped, o.mix)
