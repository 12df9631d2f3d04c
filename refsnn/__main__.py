# refsnn 0.1.0 | __main__.py | SPDX-License-Identifier: MIT | needs: numpy, h5py | optional: tqdm
"""The command line: recordings to spikes, conformance, single modules.

  python -m refsnn convert AUDIO... -o FILE.h5 [--channels 700] [--seed 0]
  python -m refsnn vectors FOLDER
  python -m refsnn check RESULTS.npz
  python -m refsnn vendor MODULE DESTINATION

`vectors` writes the golden vectors of `conformance`, `check` compares
results with them and ends with status 1 if one is wrong or proves nothing,
`vendor` copies a module by `vendoring`.

`convert` reads mono WAV (or FLAC) recordings, at whatever rate, sends them
through `audio`, `basilar` and `cochlea`, and writes one HDF5 file by
`events`.  A label is the number of the recording's name (without folder
and suffix) in `extra/keys`; speakers are unknown, 0.

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

from refsnn import audio, basilar, cochlea, events, vendoring
from refsnn.oracle import check, files

__all__ = ["main"]

RATE = 48000
STATUSES = ("right", "wrong", "vacuous", "missing")


def _samples(path, ramp):
    """A recording, ready for the membrane; errors name the file."""
    sound, rate = audio.read(path)
    try:
        return audio.prepare(audio.resample(sound, rate, RATE), RATE, ramp=ramp)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _name(path):
    """What a recording is called, without folder and suffix."""
    try:
        return os.fsencode(os.path.splitext(os.path.basename(path))[0]).decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError(f"{path!a} has a name that is not UTF-8: must be renamed"
                         ) from None


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
    if not os.path.basename(output):
        raise ValueError(f"--output is {output!r}: must name a file")
    if os.path.lexists(output):
        raise ValueError(f"{output} is there already: must be a new file")
    if not os.path.isdir(os.path.dirname(output) or "."):
        raise ValueError(f"{output} has no folder: must be in one that exists")
    for path in paths:
        _samples(path, options.ramp)
    names = list(map(_name, paths))
    table = basilar.table(basilar.places(options.channels), options.membrane)
    response = functools.partial(basilar.interpolate, table)

    def convert(path):
        x = _samples(path, options.ramp)
        return cochlea.convert(x, response, options.channels,
                               _stream(x, options.seed), rate=RATE, longest=60.0)

    keys = list(dict.fromkeys(names))
    events.write(output, map(convert, _progress(paths)), list(map(keys.index, names)),
                 keys, speaker=np.zeros(len(paths), int), channels=options.channels)
    print(f"{output}: {len(paths)} recordings, {options.channels} channels")


def _vectors(options):
    """What the command `vectors` does."""
    count = files.write(options.folder)
    print(f"{options.folder}: {count} golden vectors, described in vectors.json")


def _check(options):
    """What the command `check` does; 1 if something is wrong."""
    findings = check.check(files.read(options.results))
    for f in findings:
        print(f"{f.vector}.{f.output}: {f.status}: {f.text}")
    count = [[f.status for f in findings].count(status) for status in STATUSES]
    print(", ".join(f"{n} {status}" for n, status in zip(count, STATUSES, strict=True)))
    return int(count[1] + count[2] > 0)


def _vendor(options):
    """What the command `vendor` does."""
    for path in vendoring.copy(options.module, options.destination):
        print(path)


def _refuse(parser, message):
    """One line of what is wrong, in place of usage."""
    parser.exit(2, f"{parser.prog.removeprefix('python -m ')}: {message}\n")


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
    convert.set_defaults(run=_convert)
    for name, run, text, arguments in (
            ("vectors", _vectors, "golden vectors as files", {
                "folder": "where to write; must not be there yet"}),
            ("check", _check, "compare results with them; status 1 if one is wrong", {
                "results": "npz file of arrays named VECTOR.OUTPUT"}),
            ("vendor", _vendor, "copy a module and the data it reads", {
                "module": "its name, such as lif",
                "destination": "folder, or new file that ends with .py"})):
        command = commands.add_parser(name, help=text, description=f"{text}.")
        command.set_defaults(run=run)
        for argument, told in arguments.items():
            command.add_argument(argument, metavar=argument.upper(), help=told)
    for one in (parser, *commands.choices.values()):
        one.error = functools.partial(_refuse, one)
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
        Exit status: 0, 1 if results are wrong, 2 after bad input, or 130 if
        interrupted.

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
        return options.run(options) or 0
    except (ValueError, OSError) as error:
        print(f"refsnn: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("refsnn: interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
