"""Find stored results that the code of the checked-out git commit might not reproduce.

For each result, the current code is compared with the code that computed the result.
The comparison ignores code that cannot change the computed numbers, such as plotting
code (see `digest`).
"""

import functools
import pathlib

from figures.run import digest, storage

SIZE = "full"
DEPENDS = ("jobs", "gather", "measured")    # on these functions, all numbers depend
MOST = 8                                    # names that are listed
SHORT = 10                                  # digits of a commit in a message


def report(root, names):
    """Yield messages about code that was changed after stored results were computed.

    The function also lists the figures in groups such as "damaged" and "up to date".
    """
    code = functools.cache(lambda commit: code_of(root, commit))
    head = code("HEAD")
    if head is None:
        raise storage.Refused(f"{root} is not a repository of git with a commit")
    groups = {"damaged": [], "no origin recorded": [], "not up to date": [],
              "up to date": [], "computed with another check engine": [],
              "computed with another version of refsnn": []}
    for name in names:
        folder = pathlib.Path(root, "figures", "full")
        if not (folder / f"{name}.json").exists():
            continue
        try:
            found = storage.document(folder, name)
        except storage.Refused as error:
            groups["damaged"].append(name)
            yield str(error)
            continue
        if not all(commit and known for commit, known in _commits(found)):
            groups["no origin recorded"].append(name)
            continue
        lines = list(differences(name, found, code))
        yield from (f"{name}: {line}" for line in lines)
        groups["not up to date" if lines else "up to date"].append(name)
        if _other_engine(found, code):
            groups["computed with another check engine"].append(name)
        if {origin["versions"]["refsnn"] for origin in found["origins"]} != {
                version(head)}:
            groups["computed with another version of refsnn"].append(name)
    yield from (f"{text}: {', '.join(listed)}" for text, listed in groups.items()
                if listed)


def code_of(root, commit):
    """Return the parsed code of a commit, or None if the commit does not exist."""
    files = digest.in_commit(root, commit)
    return files and digest.Code(files, SIZE)


def version(code):
    """Return the version of refsnn."""
    lines = code.read("refsnn/__init__.py").decode().splitlines()
    return next((line.split('"')[1] for line in lines
                 if line.startswith("__version__ = ")), None)


def _commits(found):
    """Return pairs (commit, hash of the code) that are stored with a result."""
    return [(one.get("commit"), one.get("digest"))
            for one in (found.get("code", {}), *found["origins"])]


def differences(name, found, code):
    """Yield messages about code that was changed after a stored result was computed."""
    functions = {found["code"]["commit"]: set(DEPENDS)}
    for job in found["jobs"]:
        called = job["call"].partition("(")[0]
        functions[found["code"]["commit"]].add(called)
        commit = found["origins"][job["origin"]]["commit"]
        functions.setdefault(commit, set()).add(called)
    new = code("HEAD")
    if module_of(new, name) is None:
        yield "there is no such figure at HEAD"
        return
    for commit, called in functions.items():
        if commit == found["code"]["commit"] and found["code"]["digest"] == new.digest(
                roots(new, name, called)):
            continue
        old = code(commit)
        if old is None:
            yield (f"the code differs from {commit[:SHORT]}, which is not in this "
                   "repository")
            continue
        before, after = (one.reached(roots(one, name, called)) for one in (old, new))
        changed = sorted(label for label in before.keys() | after.keys()
                         if before.get(label) != after.get(label))
        if changed:
            more = f" and {len(changed) - MOST} more" if len(changed) > MOST else ""
            yield (f"changed since {commit[:SHORT]}: {', '.join(changed[:MOST])}{more}")


def module_of(code, name):
    """Return the module name of a figure."""
    for path in code.below("figures"):
        if path.endswith(f"/fig_{name}.py"):
            return path.removesuffix(".py").replace("/", ".")
    return None


def roots(code, name, called):
    """Return a (module, function) pair for each function name in `called`."""
    return [(module_of(code, name), one) for one in sorted(called)]


def _other_engine(found, code):
    """Return whether `refsnn/_checks.py` has changed since a result was computed."""
    new = code("HEAD").checks()
    pairs = {(found["code"]["commit"], found["code"].get("checks")), *(
        (one["commit"], one["versions"].get("checks")) for one in found["origins"])}
    for commit in {pair[0] for pair in pairs if pair[1] != new}:
        old = code(commit)
        if old is None or old.checks() != new:
            return True
    return False
