"""Run tests in a process in which one module of refsnn has another source."""

import contextlib
import importlib
import os
import sys
import types
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def fails(module, text, run, **names):
    """Return whether `run` returns True or raises in a process in which the module
    has the source `text` and the given additional names.

    The module is such as lif or fast/lif.
    """
    child = os.fork()
    if child == 0:
        status = 1
        try:
            with open(os.devnull, "w") as sink, contextlib.redirect_stdout(sink), \
                    contextlib.redirect_stderr(sink):
                install(module, text, names)
                status = int(run())
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0


def install(module, text, names):
    """Make a source a module of this process, before anything imports the module."""
    for name, other in list(sys.modules.items()):       # they may hold the old module
        if Path(getattr(other, "__file__", None) or "/").is_relative_to(ROOT):
            del sys.modules[name]
    sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests" / "contract")]
    full = f"refsnn.{module.replace('/', '.')}"
    package = importlib.import_module(full.rpartition(".")[0])
    made = types.ModuleType(full)
    made.__file__ = str(ROOT / "refsnn" / f"{module}.py")
    made.__dict__.update(names)
    sys.modules[full] = made
    setattr(package, full.rpartition(".")[2], made)
    exec(compile(text, made.__file__, "exec"), made.__dict__)
    for name, value in list(vars(package).items()):     # what the package exports
        if getattr(value, "__module__", None) == full:
            setattr(package, name, getattr(made, name))


def tests_fail(arguments):
    """Return whether a test fails that the arguments of pytest select."""
    return pytest.main(["-x", "-q", "-p", "no:cacheprovider", "--hypothesis-profile",
                        "faults", "-W", "ignore::pytest.PytestAssertRewriteWarning",
                        *arguments]) != 0
