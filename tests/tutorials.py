"""Run the tutorials in examples/, and check their text and their pictures."""

import ast
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
from matplotlib import image

ROOT = Path(__file__).resolve().parent.parent
PATHS = {path.stem: path for path in sorted((ROOT / "examples").glob("*.py"))}
LINES = 80                      # largest length of a tutorial
PACKAGES = sys.stdlib_module_names | {"matplotlib", "numpy", "refsnn"}
SMALLEST = 300                  # smallest side of a picture, pixels
BACKGROUND = 0.5, 0.99          # share of pixels that are white


def run(name, folder):
    """Run a tutorial in an empty folder, and return what it prints."""
    folder.mkdir()
    temporary = folder.with_name("temporary")
    temporary.mkdir()
    env = {key: value for key, value in os.environ.items() if key != "REFSNN_DATA"}
    done = subprocess.run(
        [sys.executable, PATHS[name]], cwd=folder, capture_output=True, text=True,
        env=env | {"PYTHONPATH": str(ROOT), "MPLBACKEND": "Agg",
                   "TMPDIR": str(temporary)})
    assert done.returncode == 0, done.stderr
    assert [path.name for path in folder.iterdir()] == [f"{name}.png"]
    assert bad_picture(image.imread(folder / f"{name}.png")) == []
    return done.stdout


def number(text, name):
    """Return the number that follows a name in printed text."""
    found, = re.findall(rf"\b{name} ([0-9.]+)\b", text)
    return float(found)


def guessing(classes, samples):
    """Return an accuracy above that of guessing, by five standard deviations."""
    p = 1 / classes
    return p + 5 * (p * (1 - p) / samples) ** 0.5


def bad_picture(picture):
    """Return complaints about a picture (height, width, colour): small or blank."""
    white = float((picture > 0.99).all(axis=2).mean())
    colours = len(np.unique(np.rint(10 * picture[:, :, :3]) @ [10000, 100, 1]))
    bad = []
    if min(picture.shape[:2]) < SMALLEST:
        bad.append(f"the picture has {picture.shape[:2]} pixels")
    if not BACKGROUND[0] < white < BACKGROUND[1]:
        bad.append(f"{white:.0%} of the picture are white")
    if colours < 4:
        bad.append(f"the picture has {colours} colours")
    return bad


def public(module, name):
    """Return whether a name is exported by a module of refsnn, or is a public class or
    a public module of it."""
    found = importlib.import_module(module)
    if name in getattr(found, "__all__", ()):
        return True
    return not name.startswith("_") and (
        isinstance(getattr(found, name, None), type)
        or hasattr(found, "__path__") and bool(
            importlib.util.find_spec(f"{module}.{name}")))


def bad_tutorial(source, name, packages=PACKAGES):
    """Return complaints about the form of a tutorial."""
    lines, tree = source.splitlines(), ast.parse(source)
    title, line, *_ = [*(ast.get_docstring(tree) or "").splitlines(), "", ""]
    bad = []
    if len(lines) > LINES:
        bad.append(f"it has {len(lines)} lines: must be at most {LINES}")
    if not title or line != len(title) * "=":
        bad.append("its docstring has no title that is underlined by =")
    if "At the end of this tutorial, you have" not in source:
        bad.append("it does not say what the reader has at its end")
    if not re.search(r"^# .*\bNext[,:]", source.rpartition("# %%")[2], re.M):
        bad.append("its last cell does not say where to go next")
    if re.findall(r"savefig\(\"([^\"]*)\"", source) != [f"{name}.png"]:
        bad.append(f"it does not save one picture, {name}.png")
    modules, used = {}, []          # modules of refsnn by name, and (module, name)
    for node in ast.walk(tree):
        packs = []
        if isinstance(node, ast.Import):
            packs = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            packs = [node.module]
            if node.module.split(".")[0] == "refsnn":
                used += [(node.module, alias.name) for alias in node.names]
                modules |= {name: f"{module}.{name}" for module, name in used}
        bad += [f"it imports {pack}" for pack in packs
                if pack.split(".")[0] not in packages]
    used += [(modules[node.value.id], node.attr) for node in ast.walk(tree)
             if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
             and node.value.id in modules]
    return bad + [f"it uses {module}.{name}, which is not public"
                  for module, name in used if not public(module, name)]
