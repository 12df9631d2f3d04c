# refsnn 0.1.0 | __main__.py | SPDX-License-Identifier: MIT | needs: numpy, h5py | optional: tqdm
"""The command line: recordings to spikes in the format of SHD.

  python -m refsnn convert AUDIO... -o FILE.h5 [--channels 700] [--seed 0]

reads mono WAV (or FLAC) recordings, at whatever rate, sends them through
`audio`, `basilar` and `cochlea`, and writes one HDF5 file: `spikes/times`
(float16, s), `spikes/units` (uint16), `labels`, `extra/keys`,
`extra/speaker`.  A label is the number of the recording's name (without
folder and suffix) in `extra/keys`; speakers are unknown, 0.

All recordings are read, and bad ones refused, before the first is
converted.  The file appears when it is complete, never over another one.
Spikes of a recording depend on its samples, the seed and the options, not
on its name or its companions.  Bad input is one line on standard error and
exit status 2.

Times are rounded to float16, as published: to 0.5 ms from 0.5 to 1 s, 1 ms
from 1 to 2 s, and so on: finer differences are lost.
"""

import argparse
import functools
import hashlib
import os
import sys

import numpy as np

from refsnn import audio, basilar, cochlea, events

__all__ = ["main"]

RATE = 48000


def _samples(path, ramp):
    """A recording, ready for the membrane; errors name the file."""
    sound, rate = audio.read(path)
    try:
        return audio.prepare(audio.resample(sound, rate, RATE), RATE, ramp=ramp)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _stream(x, seed):
    """Random numbers of one recording."""
    digest = hashlib.sha256(x.astype("<f8").tobytes()).digest()
    words = [int(word) for word in np.frombuffer(digest, "<u4")]
    return np.random.default_rng(np.random.SeedSequence([seed, *words]))


def _progress(paths):
    """The paths, one after the other, with signs of life on standard error."""
    try:
        import tqdm
    except ImportError:
        for number, path in enumerate(paths, 1):
            print(f"{number}/{len(paths)} {path}", file=sys.stderr, flush=True)
            yield path
    else:
        yield from tqdm.tqdm(paths, unit="recording", file=sys.stderr)


def _convert(options):
    """What the command `convert` does."""
    paths, output = options.audio, options.output
    if not 1 <= options.channels <= 10000:
        raise ValueError(f"--channels is {options.channels}: must be from 1 to 10000")
    if options.seed < 0:
        raise ValueError(f"--seed is {options.seed}: must not be negative")
    if os.path.lexists(output):
        raise ValueError(f"{output} is there already: must be a new file")
    if not os.path.isdir(os.path.dirname(output) or "."):
        raise ValueError(f"{output} has no folder: must be in one that exists")
    for path in paths:
        _samples(path, options.ramp)
    table = basilar.table(basilar.places(options.channels), options.membrane)
    response = functools.partial(basilar.interpolate, table)

    def convert(path):
        x = _samples(path, options.ramp)
        return cochlea.convert(x, response, options.channels,
                               _stream(x, options.seed), rate=RATE, longest=60.0)

    names = [os.path.splitext(os.path.basename(path))[0] for path in paths]
    keys = list(dict.fromkeys(names))
    events.write(output, map(convert, _progress(paths)), list(map(keys.index, names)),
                 keys, speaker=np.zeros(len(paths), int), channels=options.channels)
    print(f"{output}: {len(paths)} recordings, {options.channels} channels")


def _parser():
    parser = argparse.ArgumentParser(prog="python -m refsnn", description=(
        "Reference learning algorithms for spiking networks: tools."))
    commands = parser.add_subparsers(dest="command", required=True)
    convert = commands.add_parser("convert", help="recordings to spikes",
                                  description="Recordings to a file of spikes.")
    convert.add_argument("audio", nargs="+", metavar="AUDIO",
                         help="mono WAV or FLAC files, of at most 30 s each")
    convert.add_argument("-o", "--output", required=True, metavar="FILE.h5",
                         help="where to write; must not be there yet")
    convert.add_argument("--channels", type=int, default=700, metavar="N",
                         help="places along the cochlea (default: 700)")
    convert.add_argument("--seed", type=int, default=0, metavar="N",
                         help="of the fibres' spikes (default: 0)")
    convert.add_argument("--membrane", default="2021",
                         choices=sorted(basilar.MEMBRANES),
                         help="published constants (default: 2021)")
    convert.add_argument("--ramp", type=float, metavar="S",
                         help="fade over S seconds, not over half the recording")
    return parser


def main(arguments=None):
    """Run the command line.

    Parameters
    ----------
    arguments : list of str, optional
        What follows `python -m refsnn`; by default that of this process.

    Returns
    -------
    int
        Exit status: 0, or 2 after bad input.

    Raises
    ------
    SystemExit
        With status 2, if the arguments are not understood.

    Examples
    --------
    >>> main(["convert", "nowhere.wav", "-o", "spikes.h5"])
    2
    """
    options = _parser().parse_args(arguments)
    try:
        _convert(options)
    except (ValueError, OSError) as error:
        print(f"refsnn: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
