"""Make an environment for a tool: python environments.py FOLDER TOOL [TOOL ...]

The environment FOLDER/TOOL is a virtual environment of the Python that runs this
script.  It holds the versions that adapters/TOOL.py pins, and this checkout of
refsnn.  TOOL may be "all".  To save gigabytes, set PIP_FIND_LINKS to a folder with a
CPU build of PyTorch.
"""

import importlib
import pathlib
import subprocess
import sys
import venv

HERE = pathlib.Path(__file__).resolve().parent
TOOLS = tuple(sorted(path.stem for path in (HERE / "adapters").glob("*.py")
                     if path.stem != "loops"))


def adapter(tool):
    """Return the adapter of a tool.  No tool is imported."""
    if tool not in TOOLS:
        raise ValueError(f"tool is {tool!r}: must be one of {TOOLS}")
    return importlib.import_module(f"adapters.{tool}")


def make(folder, tool):
    """Make the environment of a tool in a folder; return the path of its Python."""
    pins = adapter(tool).PINS
    venv.create(folder / tool, with_pip=True, clear=True)
    python = folder / tool / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "-q", *pins, "-e",
                    HERE.parent.parent], check=True)
    return python


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    names = TOOLS if sys.argv[2:] == ["all"] else sys.argv[2:]
    for name in names:
        print(make(pathlib.Path(sys.argv[1]).resolve(), name), flush=True)
