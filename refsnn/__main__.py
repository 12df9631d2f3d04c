# refsnn 0.1.0 | __main__.py | SPDX-License-Identifier: MIT | needs: numpy, scipy, h5py
"""Run the commands of `python -m refsnn`.

  python -m refsnn convert AUDIO... -o FILE.h5 [--label LABEL] [...]
  python -m refsnn vectors FOLDER
  python -m refsnn check RESULTS [--json]
  python -m refsnn run [--only ID...] [--xfail FILE] [...] -- COMMAND
  python -m refsnn diagnose [--rule RULE] [--timeout S] [--json] -- COMMAND
  python -m refsnn probes FOLDER
  python -m refsnn identify RECORDING [--json]
  python -m refsnn nir GRAPH [RECORDING] [--json] [--run INPUT ...]
  python -m refsnn vendor MODULE DESTINATION

If the input is invalid, a command prints one line to standard error and
returns exit status 2.  Each output file is written completely or not at
all.  Only one file may be overwritten: report.json, by the command `run`.
Only `convert`, `run`, `diagnose` and `nir` need more than NumPy.

The command `convert` reads WAV or FLAC files, converts the sounds to
spikes with a cochlea model, and writes an HDF5 file in the format of the
module `events`.  The command `convert --help` explains all options.  By
default, each sound fades in and out over 0.03 s, as in the paper about the
Heidelberg data sets.  As in the Heidelberg data sets, the first spike of
each sound is moved to time 0.  Silence is appended to each sound to make
the Fourier transform faster.  The published data sets have no appended
silence.  In the HDF5 file, the list `extra/keys` holds the sorted labels
of all sounds.  In the text file for the option `--test`, names of sound
files may omit the suffix and the folders.  The next command writes a
training file and a test file.  Each sound has a label such as english-0:

  python -m refsnn convert audio/*.flac -o shd_train.h5 \\
      --label 'lang-(\\w+)_.*digit-(\\d+)' --speaker 'speaker-(\\d+)' \\
      --test test_filenames.txt shd_test.h5 --jobs 2

To continue an interrupted conversion, repeat the command.  The folder
FILE.h5.parts holds the sounds that are already converted.  If a sound
cannot be converted, it is omitted and listed at the end, and the exit
status is 1.  If an output file would be empty, the exit status is 2.

A golden vector is a small test problem with its correct results.  The
command `vectors` writes the golden vectors of `refsnn.oracle` (test
problems and correct results) as JSON and npz files.  If FOLDER ends with
.zip, the command `vectors` writes one zip file with JSON files, but no npz
files.  The command `check` compares the results of a simulator with the
correct results.  RESULTS is an npz or .json file with the arrays that the
simulator computed.  For example, bptt.dW holds the result dW of the
simulator for the test problem bptt.  A .json file holds arrays such as

  {"bptt.dV": {"dtype": "float64", "shape": [2,2], "data": [1,0.5,-3,2]}}

The exit status of `check` is 1 if a result is wrong, or if all entries of
a result are 0.  The command `vectors` also writes the file
report_schema.json, which is a JSON schema of all reports.

The command `run` starts the program COMMAND, sends the inputs of golden
vectors to its standard input, and compares the replies with the correct
results.  The file PROTOCOL.md, which the command `vectors` writes,
specifies the inputs and the replies of the program COMMAND.  The command
`run` prints a table, and writes report.json to the current folder.  The
exit status of `run` is 1 if a required output is wrong, or if an expected
failure does not occur.  The option `--xfail` names a file that lists
expected failures in the format of PROTOCOL.md.  The command `diagnose`
tests the program COMMAND with 100 to 500 networks.  If a result is wrong,
`diagnose` names the wrong term of the equations, and the exit status is 1.

Simulators compute a time step of leaky integrate-and-fire (LIF) neurons in
different ways, which are called conventions.  For example, the type of
reset differs between simulators.  The command `probes` writes network
inputs for which simulators with different conventions give different
results.  From a recording of spikes or states, the command `identify`
infers the convention of a simulator, i.e. how the simulator computes a
time step.  The exit status of `identify` is 1 if the recording has no
spike, or agrees with no known way to compute a time step.  The exit status
is also 1 if no surrogate derivative reproduces the gradient dW.  A
recording is an npz or JSON file as for `check`, with

  x (T, B, m), W (n, m)     input and weights; optional V (n, n)
  spikes, mem, syn          some of these, (T, B, n), in the tool's dtype
  threshold                 optional: leak, reset_to, floor and refractory
  alpha, beta               or tau_syn, tau_mem and dt; with alpha and
                            beta, the unit of time is the time step
  dW (n, m), dspikes        optional: gradient of a loss, and derivative of
                            the loss with respect to spikes; optional
                            surrogate, a name such as "fast_sigmoid" or
                            "fast_sigmoid:25", or a steepness

The command `nir` reads the graph of a spiking network from a NIR file.  A
node of a NIR graph is, for example, a layer of neurons.  For each node
with a recording, the command searches for a convention (a way to compute a
time step) that reproduces the recording.  The command also compares the
recording with the exact solution in continuous time.  RECORDING is an npz
file, a CSV file, or an HDF5 file in the format NIRData.  In an npz file,
the array x with the shape (T, n) or (S, T, n) is the input.  The arrays
NAME/spikes, NAME/mem and NAME/syn are recordings of the node NAME.  The
time step dt is optional.  A CSV file holds the columns x, v and spikes of
a single neuron.  The exit status is 1 if the recording of any node has no
spike, or agrees with no known way to compute a time step.  The exit status
is also 1 if a recording cannot be judged, for example because the input is
missing.  With the option `--run INPUT`, the command `nir` solves the
equations of the graph's nodes exactly.  The file INPUT holds the input of
the graph.  With `--out FILE`, the command `nir` writes the exact solution
of the node equations to the new NIRData file FILE.  With --convention,
`nir` writes a simulation in time steps, for example with
"decay=Euler,reset=subtract"; see `refsnn.oracle.nir.dynamics`.

The command `vendor` copies a module of `refsnn` or of `refsnn.fast` to a
folder or to a new .py file.  The copy needs no other module of `refsnn`.
If the module reads data files, the command copies these files and their
licence to a folder `data` next to the copy of the module.  Line 2 of the
copy holds a SHA-256 digest of all other lines.  To test the copy, run

    sed 2d COPY.py | sha256sum      # must equal the digest in line 2
    python -m doctest COPY.py       # must print nothing
"""

import argparse
import ast
import hashlib
import os
import re
import sys
from pathlib import Path

import refsnn

__all__ = ["main"]

LONGEST = 30.0                          # s, as in `audio.read`
STATUSES = ("right", "wrong", "vacuous", "missing")
PACKAGES = ("python", "numpy", "scipy", "h5py")
DATA = {"datasets": ("data/digits.npz", "data/README")}     # data files of a module


def _convert(options):
    for path in (options.output, *options.test[1:]):
        if not os.path.basename(path):
            raise ValueError(f"output is {path!r}: must name a file")
        _new(path)
    if os.path.abspath(options.output) in map(os.path.abspath, options.test[1:]):
        raise ValueError(f"{options.output} is given twice: must differ from the file "
                         "of --test")
    from refsnn.convert import command
    return command.run(options)


def _vectors(options):
    from refsnn.oracle import files
    count = files.write(options.folder)
    where = "README.md" if options.folder.endswith(".zip") else "vectors.json"
    print(f"{options.folder}: {count} golden vectors, described in {where}")


def _check(options):
    from refsnn.oracle import check, exchange, files
    findings = check.check(files.read(options.results))
    passed = not any(f.status in ("wrong", "vacuous") for f in findings)
    count = [[f.status for f in findings].count(status) for status in STATUSES]
    return _told(options, exchange.report("check", passed, {
        "findings": [f._asdict() for f in findings]}), [
        *(f"{f.vector}{f'.{f.output}' if f.output else ''}: {f.status}: {f.text}"
          for f in findings),
        ", ".join(f"{n} {status}" for n, status in zip(count, STATUSES, strict=True))])


def _told(options, report, lines):
    """Print a report, and return the exit status."""
    from refsnn.oracle import exchange
    print(exchange.line(report) if options.json else "\n".join(lines))
    return int(not report["passed"])


def _run(options):
    from refsnn.oracle import protocol
    protocol._free()
    report = protocol.run(
        options.command_line, options.only,
        options.xfail and protocol.expected(options.xfail), options.seed,
        options.timeout, options.dtype)
    protocol.save(report)
    print(protocol.table(report))
    return int(not report["passed"])


def _diagnose(options):
    from refsnn.oracle import diagnose, exchange, protocol
    with protocol.answering(options.command_line, options.rule,
                            options.timeout) as function:
        told = diagnose.diagnose(function, options.rule)
    return _told(options, exchange.report("diagnose", told.side == "right", {
        "side": told.side, "terms": list(told.terms), "lines": [told.text]}),
        [f"{told.side}: {', '.join(told.terms) or 'no term'}", told.text])


def _probes(options):
    from refsnn.oracle import files
    count = files.write_stimuli(options.folder)
    print(f"{options.folder}: {count} probes, described in probes.json")


def _identify(options):
    from refsnn.oracle import exchange, files, identify
    arguments, given = files.read_recording(options.recording)
    report = identify.identify(*arguments, **given)
    return _told(options, exchange.identify_report(report), report.lines)


def _nir(options):
    from refsnn.oracle import exchange
    from refsnn.oracle.nir import graphs, judgement, nirdata
    if bool(options.run_input) != bool(options.out):
        raise ValueError("--run or --out is given alone: must be given together")
    if options.out:
        _new(options.out)
    graph, pulse = graphs.read(options.graph, options.repair), options.spike == "pulse"
    lines = [f"{options.graph}: NIR {graph.version or 'without version'}: " + " ".join(
        f"{name} ({node.type}, n = {node.size})" for name, node in graph.nodes.items())]
    lines += [f"  {name} is skipped: {reason}" for name, reason in
              graph.skipped.items()] + [f"  {note}" for note in graph.notes]
    if options.out:
        driven = nirdata.read(options.run_input, graph, options.dt)
        _write({options.out: nirdata.image(graph, driven, options.convention, pulse)})
        lines.append(options.out)
    passed = True
    if options.recording:
        recording = nirdata.read(options.recording, graph, options.dt)
        verdicts = judgement.judge(graph, recording, pulse)
        lines += [line for verdict in verdicts for line in verdict.lines]
        lines += [f"{name}: not judged: the graph has no such node"
                  for name in recording.unknown]
        passed = not recording.unknown and bool(verdicts) and all(
            verdict.status == "named" for verdict in verdicts)
    return _told(options, exchange.report("nir", passed, {"lines": lines}), lines)


def _vendor(options):
    module, path = options.module, options.destination
    folder = os.path.dirname(os.path.abspath(__file__))
    source = os.path.join(folder, *f"{module}.py".split("/"))
    if not re.fullmatch(r"(fast/)?[a-z][a-z0-9_]*", module) or \
            not os.path.isfile(source):
        raise ValueError(f"module is {module!r}: must be a module that stands alone, "
                         "in refsnn/ (such as lif) or refsnn/fast/ (such as fast/lif)")
    if os.path.isdir(path):
        path = os.path.join(path, os.path.basename(source))
    if not path.endswith(".py"):
        raise ValueError(f"destination is {path}: must be a folder that exists, or end "
                         "with .py")
    checks = Path(folder, "_checks.py").read_text(encoding="utf-8")
    text = Path(source).read_text(encoding="utf-8")
    text = _alone(text, checks).encode()
    wanted = {}
    for name in DATA.get(module, ()):
        data = Path(folder, name).read_bytes()
        to = os.path.join(os.path.dirname(path), *name.split("/"))
        if not (os.path.isfile(to) and Path(to).read_bytes() == data):
            wanted[to] = data
    first, _, rest = text.partition(b"\n")
    digest = hashlib.sha256(text).hexdigest()
    wanted[path] = first + f"\n# sha256 of the rest: {digest}\n".encode() + rest
    _new(path)
    _write(wanted)
    print(*wanted, sep="\n")


def _alone(text, checks):
    """Return a module's source with argument checks."""
    tree = ast.parse(text)
    wanted = next((node for node in tree.body if isinstance(node, ast.ImportFrom)
                   and node.module == "refsnn._checks"), None)
    if wanted is None:
        return text
    imports, parts = {}, {}         # statements of `checks`, by the name they define
    for node in ast.parse(checks).body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            imports |= {alias.asname or alias.name: node for alias in node.names}
        elif isinstance(node, ast.Assign):
            parts[node.targets[0].id] = node
        elif not isinstance(node, ast.Expr):
            parts[node.name] = node
    reached, new = set(), {alias.name for alias in wanted.names}
    while new:
        reached |= new
        new = {node.id for name in new & set(parts) for node in ast.walk(parts[name])
               if isinstance(node, ast.Name)} & (set(parts) | set(imports)) - reached
    start = {name: min([node.lineno, *(d.lineno for d in getattr(
        node, "decorator_list", ()))]) - 1 for name, node in parts.items()}
    blocks = {name: "\n".join(checks.split("\n")[start[name]:node.end_lineno])
              for name, node in parts.items() if name in reached}
    early = {node.value.id for one in tree.body if isinstance(one, ast.ClassDef)
             for node in one.body if isinstance(node, ast.Assign)}
    lines, own = text.split("\n"), {ast.unparse(node) for node in tree.body}
    lines[wanted.lineno - 1:wanted.end_lineno] = [
        *sorted({ast.unparse(imports[name]) for name in reached & set(imports)} - own),
        *(f"\n\n{blocks.pop(name)}\n" for name in sorted(early))]   # used by classes
    first, needs, given = lines[0].partition("needs: ")
    told = given.partition(" | ")
    lines[0] = first + needs + ", ".join(
        name for name in PACKAGES if name in told[0].split(", ")
        or name in checks.partition("\n")[0].partition("needs: ")[2].split(", ")
    ) + told[1] + told[2]
    return "\n".join([*lines, "", "# ---- argument checks of refsnn, by `vendor`",
                      "\n\n\n".join(blocks.values()), ""])


def _write(wanted):
    """Write files {path: bytes}.  Each file is written completely or not at all."""
    for to in wanted:
        if os.path.lexists(to):
            raise ValueError(f"{to} exists: must be a new file")
    for to, data in wanted.items():
        os.makedirs(os.path.dirname(to) or ".", exist_ok=True)
        part = f"{to}.{os.getpid()}.part"
        try:
            Path(part).write_bytes(data)
            if os.path.lexists(to):
                raise ValueError(f"{to} was created meanwhile: must be a new file")
            os.rename(part, to)
        finally:
            if os.path.exists(part):
                os.remove(part)


def _new(path):
    if os.path.lexists(path):
        raise ValueError(f"{path} exists: must be a new file")
    if not os.path.isdir(os.path.dirname(path) or "."):
        raise ValueError(f"{path} has no parent folder: must be in an existing folder")


def _parser():
    parser = argparse.ArgumentParser(prog="python -m refsnn", description=(
        "Tools of refsnn, reference learning algorithms for spiking networks."))
    parser.add_argument("--version", action="version", version=refsnn.__version__)
    parser.set_defaults(run=lambda options: parser.print_help(sys.stderr) or 2)
    commands = parser.add_subparsers(dest="command")
    for name, run, text, arguments in (
            ("convert", _convert, "convert sounds to spikes", {}),
            ("vectors", _vectors, "write the golden vectors", {
                "folder": "new folder for the vectors, or new .zip file"}),
            ("check", _check, "compare results with the golden vectors", {
                "results": "npz or JSON file of arrays such as bptt.dW"}),
            ("run", _run, "test a program that follows the protocol", {}),
            ("diagnose", _diagnose, "find the wrong term of a program", {}),
            ("probes", _probes, "write inputs that distinguish LIF conventions", {
                "folder": "new folder for the probes"}),
            ("identify", _identify, "name the convention of a recorded LIF layer", {
                "recording": "npz or JSON file, see help('refsnn.__main__')"}),
            ("nir", _nir, "judge recordings of a network in the format NIR", {
                "graph": "NIR file"}),
            ("vendor", _vendor, "copy a module and the data that it reads", {
                "module": "name, such as lif or fast/lif",
                "destination": "folder, or new file that ends with .py"})):
        command = commands.add_parser(name, help=text,
                                      description=f"{text[0].upper()}{text[1:]}.")
        command.set_defaults(run=run)
        for argument, told in arguments.items():
            command.add_argument(argument, metavar=argument.upper(), help=told)
    for name in ("check", "diagnose", "identify", "nir"):
        commands.choices[name].add_argument("--json", action="store_true",
                                            help="print a report in JSON")
    nir = commands.choices["nir"]
    nir.add_argument("recording", nargs="?", metavar="RECORDING",
                     help="NIRData, npz or CSV file, see help('refsnn.__main__')")
    nir.add_argument("--run", dest="run_input", metavar="INPUT",
                     help="file like RECORDING, whose input drives the graph")
    nir.add_argument("--out", metavar="FILE", help="new NIRData file for --run")
    nir.add_argument("--convention", default="", metavar="AXIS=CHOICE,...",
                     help="convention for --run (default: the exact solution)")
    nir.add_argument("--repair", action="store_true",
                     help="correct an edge to an unknown node if one node can be meant")
    nir.add_argument("--dt", type=float, metavar="S",
                     help="duration of a row in seconds, if the file does not hold it")
    nir.add_argument("--spike", choices=("pulse", "dirac"), default="pulse",
                     help="spike in the exact solution: pulse of height 1 for dt, or "
                          "Dirac pulse of area 1 (default: pulse)")
    test = commands.choices["run"]
    for command in (test, commands.choices["diagnose"]):
        command.add_argument("command_line", nargs="+", metavar="COMMAND",
                             help="program to test and its arguments, after --")
        command.add_argument("--timeout", type=float, default=60.0, metavar="S",
                             help="longest time for a reply, in seconds (default: 60)")
    commands.choices["diagnose"].add_argument(
        "--rule", default="bptt", metavar="RULE",
        help="name of a golden vector of variable size (default: bptt)")
    test.add_argument("--only", nargs="+", metavar="ID",
                      help="names of golden vectors (default: all)")
    test.add_argument("--xfail", metavar="FILE",
                      help="JSON file of expected failures, see PROTOCOL.md")
    test.add_argument("--seed", type=int, default=0, metavar="N",
                      help="seed of the order and of fresh inputs (default: 0)")
    test.add_argument("--dtype", choices=("float64", "float32"), default="float64",
                      help="precision of the inputs (default: float64)")
    convert = commands.choices["convert"]
    convert.add_argument("audio", nargs="+", metavar="AUDIO",
                         help="WAV or FLAC files; several files require --label")
    convert.add_argument("-o", "--output", required=True, metavar="FILE.h5",
                         help="new file for the spikes")
    convert.add_argument("--label", metavar="LABEL", help=(
        "label of each sound: folder (the name of the folder that holds the sound), or "
        "a regular expression that is searched in each file name without suffix (its "
        "groups, joined by -); without --label, the label of a single sound is its "
        "file name without suffix, and several sounds are refused"))
    convert.add_argument("--speaker", metavar="PATTERN", help=(
        "regular expression that is searched in the file name, and whose first group "
        "is the number of the speaker (default: speaker 0)"))
    convert.add_argument("--test", nargs=2, default=[], metavar=("LIST", "TEST.h5"),
                         help="write the sounds that the lines of LIST name to "
                              "TEST.h5, and not to FILE.h5")
    convert.add_argument("--jobs", type=int, default=1, metavar="N",
                         help="number of processes (default: 1)")
    convert.add_argument("--channels", type=int, default=700, metavar="N",
                         help="number of places along the cochlea (default: 700)")
    convert.add_argument("--seed", type=int, default=0, metavar="N",
                         help="seed of the random spikes (default: 0)")
    convert.add_argument("--longest", type=float, default=LONGEST, metavar="S",
                         help=f"longest sound, in seconds (default: {LONGEST:g})")
    convert.add_argument("--clipped", default="refuse", choices=("refuse", "keep"),
                         help="treatment of clipped sounds (default: refuse)")
    convert.add_argument("--mix", action="store_true",
                         help="average the channels of stereo files (without --mix, "
                              "stereo files are refused)")
    convert.add_argument("--ramp", type=float, metavar="S",
                         help="duration of each fade, in seconds (default: 0.03)")
    convert.add_argument("--like", choices=("lauscher-1.0.1",), help=(
        "as in the published software, fade over half the sound, shift no spikes and "
        "append no silence"))
    for one in (parser, *commands.choices.values()):    # errors without usage text
        one.error = lambda message, one=one: one.exit(
            2, f"{one.prog.removeprefix('python -m ')}: {message}\n")
    return parser


def main(arguments=None):
    """Run the command-line interface, and return the exit status, an int.  An
    interrupt gives the exit status 130.

    >>> main(["convert", "nowhere.wav", "-o", "spikes.h5"])
    2

    Parameters
    ----------
    arguments : list of str, optional; by default sys.argv[1:]
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
