"""Compute a hash of all code on which the results of a figure depend.

This hash is called the digest.  The digest of a function depends on the code of the
function.  The digest also depends on all functions, classes and constants of this
repository that the function uses, even indirectly.  Unused code, docstrings, comments,
annotations, layout and the version of Python do not change the digest.  The digest (a
hash of code) does not depend on the argument checks in `refsnn/_checks.py` or on the
version of refsnn.

To compute the digest of a function, this module finds the definition of every name that
the function uses.  For example, the definition of `lif.backward` is the function
`backward` in the module `lif`.  If a function uses a class, the digest depends on all
methods of this class.  If a module itself is an argument, as in `f(lif)`, the digest
depends on the whole code of this module.  If a function calls `eval` or
`import_module`, the digest depends on the whole code of the function's module.  If a
function uses code of a module, the digest of the function also depends on all
statements with side effects in this module.  If a function uses `__file__`, the digest
also depends on the files `data/*.npz` in the folder of the function's module.
"""

import ast
import functools
import hashlib
import io
import json
import pathlib
import subprocess
import tarfile

FOLDERS = ("figures", "refsnn")
CHECKS = "refsnn._checks"
UNSEEN = ("__all__", "__version__")         # names at module level that do not count
DYNAMIC = ("__import__", "eval", "exec", "globals", "import_module")
REFERENCE = "figures.run.published"         # reads figures/reference/NAME.json
SIZES = ("quick", "default", "full")
SKIPPED = ("annotation", "ctx", "kind", "returns", "type_comment", "type_params")
SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
DIGITS = 32                 # of SHA-256: 128 bits, so that two digests never agree


# ---- where files come from

def in_folder(root):
    """Return a function that reads a file, and a function that lists files."""
    root = pathlib.Path(root)

    def read(path):
        try:
            return (root / path).read_bytes()
        except OSError:
            return None

    def below(folder):
        return sorted(path.relative_to(root).as_posix()
                      for path in (root / folder).rglob("*") if path.is_file())

    return read, below


def in_commit(root, commit):
    """Return two functions for one git commit.

    The first function reads a file of the commit, and the second function lists the
    files in a folder of the commit.  If git does not find the commit, the result is
    None.
    """
    done = subprocess.run(["git", "-C", str(root), "archive", commit, *FOLDERS],
                          capture_output=True)
    if done.returncode:
        return None
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        files = {entry.name: archive.extractfile(entry).read()
                 for entry in archive if entry.isfile()}
    return files.get, lambda folder: sorted(
        path for path in files if path.startswith(folder + "/"))


# ---- digests

class Code:
    """Parse the modules in a folder or in a git commit, and compute hashes of the code.

    files : the result of `in_folder` or `in_commit`.
    size : if given, values for other sizes are ignored in a dict such as
        `EPOCHS = {"quick": 1, "default": 5, "full": 40}`, and in expressions such as
        `1 if size == "quick" else 5`.
    """

    def __init__(self, files, size=None):
        self.read, self.below = files
        self.size = size
        self._modules = {}

    def module(self, name):
        """Return the `Module` with this name, or None."""
        if name not in self._modules:
            path = name.replace(".", "/")
            inside = name.partition(".")[0] in FOLDERS
            for found in (f"{path}/__init__.py", f"{path}.py") if inside else ():
                text = self.read(found)
                if text is not None:
                    self._modules[name] = Module(self, name, found, text)
                    break
            else:
                self._modules[name] = None
        return self._modules[name]

    @functools.cached_property
    def file(self):
        """Return a function that computes the digest of a file."""
        return functools.cache(
            lambda path: hashlib.sha256(self.read(path)).hexdigest()[:DIGITS])

    def reached(self, roots):
        """Return a hash of each definition that the functions in `roots` use."""
        walk = _Walk(self)
        for module, name in roots:
            walk.name(module, name)
        return walk.run()

    def digest(self, roots):
        """Return one digest for a list of (module, name) pairs."""
        return hashed(json.dumps(sorted(self.reached(roots).items())))

    def checks(self):
        """Return the digest of `refsnn/_checks.py`."""
        return self.digest([(CHECKS, None)])


def hashed(text):
    """Return the digest of a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]


class Module:
    """The statements and the imports of a module."""

    def __init__(self, code, name, path, text):
        self.name, self.path = name, path
        self.package = name if path.endswith("__init__.py") else name.rpartition(".")[0]
        self.statements, self.bound, self.imports, self.effects = [], {}, {}, []
        self.dumped = functools.cache(lambda index: dump(self.statements[index]))
        self.loaded = functools.cache(
            lambda index: list(loads(self.statements[index], {}, self.package)))
        tree = ast.parse(text, path)
        if code.size is not None:
            _reduce(tree, code.size)
        for statement in tree.body:
            for part in _split(statement):
                self._add(part)

    def _add(self, statement):
        if _is_empty(statement, False) or _is_main(statement):
            return
        statement = _plain(statement)
        for node in _within(statement):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                for name, target in imported(node, self.package):
                    self.imports.setdefault(name, []).append(target)
        if isinstance(statement, (ast.Import, ast.ImportFrom)):
            return
        names = stored(statement) if not isinstance(statement, SCOPES) \
            else {statement.name}
        if names & set(UNSEEN):
            return
        index = len(self.statements)
        self.statements.append(statement)
        for name in names:
            self.bound.setdefault(name, []).append(index)
        if not names or _has_effect(statement):
            self.effects.append(index)

    @functools.cached_property
    def labels(self):
        """Return the name of each statement."""
        found = {}
        for name in sorted(self.bound):
            for index in self.bound[name]:
                found.setdefault(index, f"{self.name}.{name}")
        return [found.get(index, f"{self.name} (statements)")
                for index in range(len(self.statements))]


class _Walk:
    """Collect all code that some functions use."""

    def __init__(self, code):
        self.code = code
        self.seen, self.open = set(), []        # pairs (module, index of a statement)
        self.modules, self.outside, self.files = set(), set(), set()

    def run(self):
        while self.open:
            module, index = self.open.pop()
            for name, attributes, target in module.loaded(index):
                if name == "__file__":
                    self._data(module)
                elif name in DYNAMIC or set(attributes) & set(DYNAMIC):
                    self._whole(module)
                if target is not None:
                    self._target(target, attributes, module, index)
                else:
                    self._name(module, name, attributes, index)
        found = {}
        for module, index in sorted(self.seen, key=lambda seen: (seen[0].name, seen[1])
                                    ):
            label = module.labels[index]
            found[label] = found.get(label, "") + module.dumped(index) + "\n"
        found = {label: hashed(text) for label, text in found.items()}
        found.update((f"import {name}", "") for name in self.outside)
        found.update((path, self.code.file(path)) for path in self.files)
        return found

    def name(self, module, name):
        """Collect the code that defines a name."""
        found = self.code.module(module)
        if found is None:
            self.outside.add(module)
        elif name not in found.bound and name not in found.imports:
            self._whole(found)
        else:
            self._name(found, name, (), None)

    def _name(self, module, name, attributes, index):
        for i in module.bound.get(name, ()):
            self._add(module, i)
        for target in module.imports.get(name, ()):
            self._target(target, attributes, module, index)

    def _add(self, module, index):
        self._effects(module)
        if (module, index) not in self.seen:
            self.seen.add((module, index))
            self.open.append((module, index))

    def _effects(self, module):
        """Collect statements that have side effects."""
        if module not in self.modules:
            self.modules.add(module)
            parts = module.name.split(".")
            above = [self.code.module(".".join(parts[:n]))
                     for n in range(1, len(parts))]
            for one in filter(None, [*above, module]):
                self.modules.add(one)
                for index in one.effects:
                    self._add(one, index)

    def _whole(self, module):
        self._effects(module)
        for index in range(len(module.statements)):
            self._add(module, index)

    def _data(self, module):
        folder = module.path.rpartition("/")[0] + "/data"
        self.files.update(path for path in self.code.below(folder)
                          if path.endswith(".npz"))

    def _target(self, target, attributes, user, index):
        """Collect the code of one imported name."""
        name, wanted = target
        parts = [*([] if wanted is None else [wanted]), *attributes]
        if name == CHECKS or (name, wanted) == tuple(CHECKS.rsplit(".", 1)) \
                and user.name != CHECKS:
            return
        module = self.code.module(name)
        if module is None:
            self.outside.add(name if wanted is None else f"{name}.{wanted}")
            return
        if name == REFERENCE and index is not None:
            self._reference(user, index)
        while parts:
            first, *rest = parts
            if first in module.bound or first in module.imports:
                self._name(module, first, rest, index)
                return
            if first.startswith("__") and first.endswith("__"):
                return
            below = self.code.module(f"{module.name}.{first}")
            if below is None:
                break
            if below.name == CHECKS:
                return
            module, parts = below, rest
            if module.name == REFERENCE and index is not None:
                self._reference(user, index)
        self._whole(module)

    def _reference(self, user, index):
        """Find the files in `figures/reference` whose names occur in a given statement.

        The argument `index` is the number of the Python statement in the module `user`.
        """
        for node in ast.walk(user.statements[index]):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                path = f"figures/reference/{node.value}.json"
                if node.value.isidentifier() and self.code.read(path) is not None:
                    self.files.add(path)


# ---- names

def imported(node, package):
    """Yield each imported name with its source."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            first = alias.name.partition(".")[0]
            yield (alias.asname, (alias.name, None)) if alias.asname else (
                first, (first, None))
        return
    parts = package.split(".")
    above = parts[:len(parts) - node.level + 1] if node.level else []
    module = ".".join([*above, *filter(None, [node.module])])
    for alias in node.names:
        yield alias.asname or alias.name, (
            module, None if alias.name == "*" else alias.name)


def stored(*nodes):
    """Return the names that the given statements define.

    Global names, and names that are defined inside nested functions, classes or
    comprehensions, are not returned.
    """
    found, shared = set(), set()
    for node in nodes:
        for part in _within(node):
            if isinstance(part, ast.Name) and not isinstance(part.ctx, ast.Load):
                found.add(part.id)
            elif isinstance(part, (*FUNCTIONS, ast.ClassDef)):
                found.add(part.name)
            elif isinstance(part, (ast.Import, ast.ImportFrom)):
                found.update(name for name, _ in imported(part, ""))
            elif isinstance(part, (ast.Global, ast.Nonlocal)):
                shared.update(part.names)
            else:               # names of exceptions and of patterns in `match`
                found.update(word for word in (
                    getattr(part, "name", None), getattr(part, "rest", None))
                    if isinstance(word, str))
    return found - shared


def _within(node):
    """Yield the syntax nodes of one scope."""
    yield node
    if isinstance(node, (*SCOPES, ast.ListComp, ast.SetComp, ast.DictComp,
                         ast.GeneratorExp)):
        return
    for part in ast.iter_child_nodes(node):
        yield from _within(part)


def loads(node, hidden, package):
    """Yield each name that code reads.

    hidden : dict.  The keys are the names of local variables.  If a local import
        statement defines a name, the dict maps this name to the pair (module, name).
        If no import statement defines a local name, the dict maps the name to None.
    """
    if isinstance(node, FUNCTIONS + (ast.Lambda,)):
        for part in [*getattr(node, "decorator_list", []), *node.args.defaults,
                     *filter(None, node.args.kw_defaults)]:
            yield from loads(part, hidden, package)
        body = node.body if isinstance(node.body, list) else [node.body]
        inside = {**hidden, **dict.fromkeys(stored(*body)),
                  **dict.fromkeys(part.arg for part in ast.walk(node.args)
                                  if isinstance(part, ast.arg))}
        for name in [name for part in body for one in _within(part)
                     if isinstance(one, ast.Global) for name in one.names]:
            inside.pop(name, None)
        for part in body:
            for one in _within(part):
                if isinstance(one, (ast.Import, ast.ImportFrom)):
                    inside.update(imported(one, package))
        for part in body:
            yield from loads(part, inside, package)
        return
    if isinstance(node, (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)):
        yield from loads(node.generators[0].iter, hidden, package)
        hidden = {**hidden, **dict.fromkeys(
            part.id for one in node.generators for part in ast.walk(one.target)
            if isinstance(part, ast.Name))}
    attributes, root = [], node
    while isinstance(root, ast.Attribute):
        attributes.insert(0, root.attr)
        root = root.value
    if isinstance(root, ast.Name):
        if root.id not in hidden:
            yield root.id, tuple(attributes), None
        elif hidden[root.id] is not None:
            yield root.id, tuple(attributes), hidden[root.id]
        return
    if attributes:
        if set(attributes) & set(DYNAMIC):
            yield "", tuple(attributes), None
        yield from loads(root, hidden, package)
        return
    for field, value in ast.iter_fields(node):
        if field not in SKIPPED:
            for part in value if isinstance(value, list) else [value]:
                if isinstance(part, ast.AST) and not _is_text(part):
                    yield from loads(part, hidden, package)


# ---- statements

def dump(node):
    """Convert a syntax tree to a text that is the same in all versions of Python."""
    if isinstance(node, list):
        return "[" + ",".join(map(dump, node)) + "]"
    if not isinstance(node, ast.AST):
        return repr(node)
    if isinstance(node, ast.Constant):
        return f"{type(node.value).__name__}:{node.value!r}"
    if isinstance(node, ast.JoinedStr):
        return "JoinedStr" + dump(_merged(node.values))
    parts = []
    for field, value in ast.iter_fields(node):
        if field in SKIPPED:
            continue
        if field in ("body", "orelse", "finalbody") and isinstance(value, list):
            value = [part for part in value if not _is_empty(
                part, isinstance(node, ast.ClassDef))]
            if not isinstance(node, ast.ClassDef):
                value = [_plain(part) for part in value]
        parts.append(f"{field}={dump(value)}")
    return f"{type(node).__name__}({','.join(parts)})"


def _merged(values):
    """Merge neighbouring texts of a formatted string."""
    found = []
    for value in values:
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            if found and isinstance(found[-1], ast.Constant):
                value = ast.Constant(found.pop().value + value.value)
            if not value.value:
                continue
        found.append(value)
    return found


def _plain(node):
    """Convert an annotated assignment to an assignment without annotation."""
    if isinstance(node, ast.AnnAssign):
        return ast.Assign(targets=[node.target], value=node.value)
    return node


def _split(node):
    """Split `a, b = 1, 2` into `a = 1` and `b = 2` if the order does not matter."""
    if not (isinstance(node, ast.Assign) and len(node.targets) == 1
            and isinstance(node.targets[0], ast.Tuple)
            and isinstance(node.value, ast.Tuple)):
        return [node]
    names, values = node.targets[0].elts, node.value.elts
    read = {part.id for part in ast.walk(node.value) if isinstance(part, ast.Name)}
    if len(names) != len(values) or not all(
            isinstance(name, ast.Name) and name.id not in read for name in names) \
            or any(isinstance(value, ast.Starred) for value in values):
        return [node]
    return [ast.Assign(targets=[name], value=value)
            for name, value in zip(names, values, strict=True)]


def _is_text(node):
    """Return whether a statement is only a constant, such as a docstring."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _is_empty(node, in_class):
    """Return whether a statement does nothing, such as `a: int` outside a class."""
    return _is_text(node) or isinstance(node, ast.Pass) or (
        isinstance(node, ast.AnnAssign) and node.value is None and not in_class)


def _is_main(node):
    """Return whether a statement is `if __name__ == "__main__"`."""
    return isinstance(node, ast.If) and isinstance(node.test, ast.Compare) \
        and isinstance(node.test.left, ast.Name) and node.test.left.id == "__name__"


def _has_effect(statement):
    """Return whether a statement at module level does more than define names."""
    if isinstance(statement, (*FUNCTIONS, ast.ClassDef)):
        return any(not _is_pure(part) for part in statement.decorator_list)
    for node in _within(statement):
        if isinstance(node, (ast.For, ast.While, ast.With, ast.Delete, ast.Assert)) \
                or isinstance(node, ast.Expr) and not _is_text(node) \
                or isinstance(node, (ast.Attribute, ast.Subscript)) \
                and not isinstance(node.ctx, ast.Load):
            return True
    return False


def _is_pure(decorator):
    """Return whether a decorator is known to have no side effects."""
    while isinstance(decorator, (ast.Call, ast.Attribute)):
        decorator = getattr(decorator, "func", None) or decorator.value
    return isinstance(decorator, ast.Name) and decorator.id in (
        "contextlib", "dataclasses", "functools", "property", "staticmethod")


class _Choice(ast.NodeTransformer):
    """Replace `a if size == "quick" else b` by the value for the size."""

    def __init__(self, size):
        self.size = size

    def visit_IfExp(self, node):
        self.generic_visit(node)
        test = node.test
        if isinstance(test, ast.Compare) and isinstance(test.left, ast.Name) \
                and test.left.id == "size" and len(test.ops) == 1 \
                and isinstance(test.ops[0], ast.Eq) \
                and isinstance(test.comparators[0], ast.Constant) \
                and test.comparators[0].value in SIZES:
            return node.body if test.comparators[0].value == self.size else node.orelse
        return node


def _reduce(tree, size):
    """In the syntax tree `tree`, keep only settings for one size of a figure.

    The argument `size` is "quick", "default" or "full".
    """
    _Choice(size).visit(tree)
    fixed = {node.value.id for node in ast.walk(tree)
             if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name)
             and isinstance(node.slice, ast.Constant) and node.slice.value in SIZES}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and all(
                isinstance(target, ast.Name) and target.id not in fixed
                for target in node.targets):
            found = node.value
        elif isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Name):
            found = node.value
        else:
            continue
        if isinstance(found, ast.Dict) and found.keys and all(
                isinstance(key, ast.Constant) and key.value in SIZES
                for key in found.keys):
            kept = [(key, value) for key, value in zip(
                found.keys, found.values, strict=True) if key.value == size]
            found.keys = [key for key, _ in kept]
            found.values = [value for _, value in kept]
