"""The stored golden vectors follow their schema, and today's code computes them.

`identifiers.txt` lists all identifiers of golden vectors and mistakes.  New identifiers
are appended.  An identifier is never changed or removed.

`versions.txt` lists the versions of the set, each with a digest of all golden vectors.
If a golden vector changes, a line with a new version is appended.
"""

import doctest
import hashlib
import json
import math
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from schemas import complaints

from refsnn.oracle import matching, stored
from refsnn.oracle.build import registry
from refsnn.oracle.stored import FOLDER, catalogue, load, names, write

CONTENTS = {name: stored._read(FOLDER, name) for name in names()}
SCHEMA = json.loads((FOLDER / "schema.json").read_text(encoding="utf-8"))
README = (FOLDER / "README.md").read_text(encoding="utf-8")
FROZEN = Path(__file__).with_name("identifiers.txt").read_text("utf-8").splitlines()
PUBLISHED = 498         # number of lines that can no longer change, and their digest
DIGEST = "4f7bf8e152ff5f447d4af169b14bbf4b5e9709196ce20bb50fc2e6be4ad30bb9"
VERSIONS = [line.split() for line in Path(__file__).with_name(
    "versions.txt").read_text("utf-8").splitlines()]
ROUNDED = {"mem", "syn", "adapted", "alpha", "beta", "gain"}    # inputs that use exp


# ---- the numbers

@pytest.mark.parametrize("name", registry.REGISTRY)
def test_the_code_computes_the_stored_numbers(name):
    old = CONTENTS[name]
    new = stored._recomputed(name, old)
    assert stored._differences(old, new) == []
    assert all(new["inputs"][key] == row for key, row in old["inputs"].items()
               if key not in ROUNDED)


def test_every_vector_is_stored():
    assert names() == sorted(registry.REGISTRY) == list(load())


def test_spikes_counts_and_exact_vectors_are_compared_exactly():
    for vector in load().values():
        for arrays in (vector.inputs, vector.outputs, *(m.outputs for m in
                                                        vector.mutants)):
            for key, value in arrays.items():
                if vector.exact or key in matching.COUNTED:
                    assert not np.any(np.asarray(value) % stored.UNIT)
                    assert np.abs(value).max() < 2 ** 20


def row(*data):
    return {"dtype": "float64", "shape": [len(data)], "data": list(data)}


@pytest.mark.parametrize("old, new, same", [
    (row(0.1, 1000), row(0.1 + 9e-10, 1000), True),         # of the largest entry
    (row(0.1, 1000), row(0.1 + 1.1e-9, 1000), False),
    (row(0.1, -1000), row(0.1, -1000 - 0.9e-9), True),
    (row(0.1, -1000), row(0.1, -1000 - 1.2e-9), False),
    (row(0, 1), row(0, 1), True), (row(0, 1), row(0, 1 + 1e-15), True),
    (row(0, 1 + 1e-15), row(0, 1), False),                  # a multiple of 2**-30
    (row(0, 3 + 1e-14), row(0, 3 * 2 ** -30), False),
    (row(2 ** 20), row(2 ** 20 + 5e-7), True), (row(2 ** 20), row(2 ** 20 + 2), False),
    (row(2 ** 20 + 5e-7), row(2 ** 20), True),
    (row(2 ** 20 - 1), row(2 ** 20 - 1 - 2 ** -30), False),
    ({".mutants": row(0.1)}, {".mutants": row(0.1 + 0.9e-11)}, True),
    ({".mutants": row(0.1)}, {".mutants": row(0.1 + 1.1e-11)}, False),
    (row(0.1), row(0.1, 0.1), False), (row(0.1), row(-0.1), False),
    (row(0.1), row(np.nan), False), (row(np.nan, 1), row(0.1, 1), False),
    ({"a": "b"}, {"a": "c"}, False), ({"a": "b"}, {"c": "b"}, False),
    ({"a": "b"}, {"a": "b", "c": "d"}, False), ({"a": True}, {"a": False}, False),
    ({"a": []}, {"a": []}, True), ({"a": [1]}, {"a": []}, False),
    ({"a": {}}, {"a": []}, False), ({"a": []}, {"a": {}}, False),
    ({"a": "b"}, {"a": {}}, False), ({"a": 1}, {"a": [1]}, False),
    ([{"a": 1}], [{"a": 1}], True), ([{"a": 1}, {"a": 1}], [{"a": 1}], False)])
def test_differences(old, new, same):
    assert bool(stored._differences(old, new)) is not same


def test_differences_are_located():
    old = CONTENTS["bptt"]
    new = json.loads(json.dumps(old))
    new["outputs"]["spikes"]["data"][7] = 1 - new["outputs"]["spikes"]["data"][7]
    new["inputs"]["x"]["shape"] = [40, 4, 3]
    new["idle"]["x"]["reason"] = "none"
    new["mutants"][2]["outputs"]["dW"]["data"][1] *= 2
    assert stored._differences(old, new) == [
        ".inputs.x.shape", ".outputs.spikes.data", ".idle.x.reason",
        ".mutants.2.outputs.dW.data"]


@pytest.mark.parametrize("name", registry.REGISTRY)
def test_a_file_gives_back_the_vector_to_the_last_bit(name):
    vector = registry.build(name)
    back = stored._vector(json.loads(stored._text(stored._contents(vector))))
    assert back._replace(inputs={}, outputs={}, mutants=[], idle={}) == vector._replace(
        inputs={}, outputs={}, mutants=[], idle={})
    pairs = [(vector.inputs, back.inputs), (vector.outputs, back.outputs)]
    for a, b in zip(vector.mutants, back.mutants, strict=True):
        assert a._replace(outputs={}) == b._replace(outputs={})
        pairs.append((a.outputs, b.outputs))
    for one, other in pairs:
        assert list(one) == list(other)
        for key, value in one.items():
            assert np.array_equal(value, other[key])
            assert np.asarray(value).dtype == np.asarray(other[key]).dtype
            assert np.ndim(value) or isinstance(other[key], np.generic)
    assert list(vector.idle) == list(back.idle)
    for key, (mask, reason) in vector.idle.items():
        assert back.idle[key][0].dtype == bool and back.idle[key][1] == reason
        assert np.array_equal(back.idle[key][0], mask)


def test_loading():
    assert list(load(["si_paper", "bptt"])) == ["si_paper", "bptt"] and load([]) == {}
    for chosen in (["bptt", "other"], "bptt", ["schema"], ["set"], ["../vectors/bptt"]):
        with pytest.raises(ValueError, match="is not a vector: |is a string"):
            load(chosen)
    with pytest.raises(ValueError, match="folder is 'none': must be a folder"):
        names(Path("none"))


# ---- the format

@pytest.mark.parametrize("name", CONTENTS)
def test_the_files_follow_the_schema(name):
    told = CONTENTS[name]
    assert complaints(told, SCHEMA) == [] and told["id"] == name
    outputs = told["outputs"]
    for arrays in (told["inputs"], outputs, *(m["outputs"] for m in told["mutants"])):
        for array in arrays.values():
            assert len(array["data"]) == math.prod(array["shape"])
            assert all(map(math.isfinite, array["data"]))
            assert array["dtype"] == "float64" or all(
                isinstance(a, int) for a in array["data"])
    for key, idle in told["idle"].items():
        assert max(idle["entries"]) < len(told["inputs"][key]["data"])
    for mutant in told["mutants"]:
        assert mutant["outputs"].keys() <= outputs.keys()
        assert mutant["id"].startswith(f"{name}/")


@pytest.mark.parametrize("path, value, word", [
    (("format",), 2, "format: const"), (("id",), "Bptt", "id: pattern"),
    (("text",), "", "text: minLength"), (("exact",), 1, "exact: type"),
    (("more",), 1, "$: additionalProperties"), (("inputs",), {}, "minProperties"),
    (("inputs", "x", "dtype"), "float32", "dtype: enum"),
    (("inputs", "x", "shape"), [0], "shape[]: minimum"),
    (("inputs", "x", "shape"), [1.5], "shape[]: type"),
    (("outputs", "dW", "data"), [], "data: minItems"),
    (("outputs", "dW", "data"), ["1"], "data[]: type"),
    (("outputs", "dW"), {"dtype": "float64"}, "dW: required"),
    (("idle", "x", "entries"), [3, 3], "entries: uniqueItems"),
    (("idle", "x", "entries"), [-1], "entries[]: minimum"),
    (("mutants",), [], "mutants: minItems"), (("mutants", 0), {}, "[]: required"),
    (("mutants", 0, "id"), "bptt/a--b", "id: pattern"),
    (("mutants", 0, "seen"), None, "seen: type")])
def test_the_schema_refuses(path, value, word):
    told = json.loads(json.dumps(CONTENTS["bptt"]))
    at = told
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    found = complaints(told, SCHEMA)
    assert word in found[0] and (len(found) == 1 or value == {})


def test_the_catalogue_names_each_vector_once():
    found = catalogue()
    assert re.fullmatch(r"20\d\d\.[01]\d(\.\d+)?", found.pop("version"))
    assert list(found) == ["required", "optional"]
    assert sorted(sum(found.values(), [])) == names()


def digest(contents):
    """Digest of all golden vectors without their texts, which may be reworded."""
    kept = [[told[key] for key in ("format", "id", "exact", "inputs", "outputs")] + [
        {key: idle["entries"] for key, idle in told["idle"].items()},
        [[m["id"], m["outputs"]] for m in told["mutants"]]]
        for _, told in sorted(contents.items())]
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()


def test_a_changed_vector_has_a_new_version():
    found = [catalogue()["version"], digest(CONTENTS)]
    assert VERSIONS[-1] == found, "a new version in set.json and versions.txt is needed"
    dates = [tuple(map(int, version.split("."))) for version, _ in VERSIONS]
    assert dates == sorted(set(dates))
    assert len({row[1] for row in VERSIONS}) == len(VERSIONS)


@pytest.mark.parametrize("change, same", [
    (lambda told: told.update(text="-"), True),
    (lambda told: told["mutants"][0].update(seen="-", name="-"), True),
    (lambda told: told["idle"]["x"].update(reason="-"), True),
    (lambda told: told.update(format=2), False),
    (lambda told: told.update(id="-"), False),
    (lambda told: told.update(exact=True), False),
    (lambda told: told["mutants"][0].update(id="-"), False),
    (lambda told: told["idle"]["x"]["entries"].pop(), False),
    (lambda told: told["inputs"]["gain"].update(data=[0.25]), False),
    (lambda told: told["outputs"]["loss"].update(data=[0.25]), False),
    (lambda told: told["mutants"][0]["outputs"]["dW"]["data"].reverse(), False),
    (lambda told: told["mutants"].pop(), False)])
def test_the_digest_depends_on_all_but_the_texts(change, same):
    told = json.loads(json.dumps(CONTENTS["bptt"]))
    change(told)
    assert (digest(CONTENTS | {"bptt": told}) == digest(CONTENTS)) is same


def test_all_files_together_are_small():
    paths = list(FOLDER.iterdir())
    assert {path.name for path in paths} == {
        "README.md", "PROTOCOL.md", "LICENSE",
        *(f"{name}.json" for name in (*stored.OTHERS, *CONTENTS))}
    root = Path(__file__).parents[2]
    assert (FOLDER / "LICENSE").read_bytes() == (root / "LICENSE").read_bytes()
    assert sum(path.stat().st_size for path in paths) < 3_000_000


def test_the_readme_describes_the_format_and_the_comparison():
    fields = re.findall(r"^\| `(\w+)`", README, re.M)
    assert fields == list(SCHEMA["properties"]) == list(CONTENTS["bptt"])
    assert f"version of the format, {stored.FORMAT} " in README
    assert [line for line in README.splitlines() if line.startswith("| float")] == [
        f"| {dtype} | {rtol:g} |" for dtype, rtol in matching.RTOL.items()]
    counted = re.search(r"The outputs (.*), and all outputs of exact", README)[1]
    assert tuple(re.findall(r"`(\w+)`", counted)) == matching.COUNTED
    x = load(["bptt"])["bptt"].inputs["x"]
    told, (T, B, n) = CONTENTS["bptt"]["inputs"]["x"], x.shape
    assert all(told["data"][(t * B + b) * n + k] == x[t, b, k]
               for t in range(T) for b in range(B) for k in range(n))


# ---- identifiers

def test_identifiers_are_unique_and_never_disappear():
    found = [name for told in CONTENTS.values()
             for name in (told["id"], *(m["id"] for m in told["mutants"]))]
    assert len(set(found)) == len(found) == len(FROZEN)
    assert set(found) == set(FROZEN)
    published = "\n".join(FROZEN[:PUBLISHED]).encode()
    assert hashlib.sha256(published).hexdigest() == DIGEST
    assert all(m.id == told["id"] for name, vector in load().items() for m, told in
               zip(vector.mutants, CONTENTS[name]["mutants"], strict=True))


# ---- writing

@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return a copy of two stored golden vectors, the only ones in the registry."""
    chosen = {name: registry.REGISTRY[name] for name in ("bptt_dyadic", "si_paper")}
    monkeypatch.setattr(registry, "REGISTRY", chosen)
    for name in (*chosen, "schema"):
        shutil.copy(FOLDER / f"{name}.json", tmp_path)
    return tmp_path


def changed(folder, name, change):
    told = stored._read(folder, name)
    change(told)
    (folder / f"{name}.json").write_text(json.dumps(told))


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_up_to_date_files_are_kept(folder):
    def change(told):       # by rounding, and in its layout
        told["outputs"]["penalty"]["data"][0] *= 1 + 1e-13

    changed(folder, "si_paper", change)
    before = contents(folder)
    assert write(folder) == [] and contents(folder) == before


@pytest.mark.parametrize("change", [
    lambda told: told["outputs"]["dW"]["data"].reverse(),
    lambda told: told["inputs"]["x"].update(data=[0] * 72),
    lambda told: told.update(text="-"), lambda told: told.update(format=0),
    lambda told: told["mutants"][0].update(seen="-"),
    lambda told: told["mutants"].reverse()])
def test_files_that_differ_are_replaced(folder, change):
    changed(folder, "bptt_dyadic", change)
    assert write(str(folder)) == ["bptt_dyadic"]
    assert contents(folder) == {path: (FOLDER / path).read_bytes() for path in (
        "bptt_dyadic.json", "si_paper.json", "schema.json")}


def test_numbers_that_differ_by_rounding_are_kept(folder):
    def change(told):
        told["text"] = "-"
        told["outputs"]["penalty"]["data"][0] *= 1 + 1e-13
        told["mutants"][2]["outputs"]["importance"]["data"][1] *= 1 + 1e-11
        told["mutants"][0]["outputs"]["importance"]["data"][1] *= 1 + 1e-9
        told["mutants"].pop(1)

    changed(folder, "si_paper", change)
    before, right = stored._read(folder, "si_paper"), CONTENTS["si_paper"]
    assert write(folder) == ["si_paper"]
    after = stored._read(folder, "si_paper")
    assert after["text"] == right["text"] and after["outputs"] == before["outputs"]
    assert [m["name"] for m in after["mutants"]] == [
        m["name"] for m in right["mutants"]]
    assert after["mutants"][2] == before["mutants"][1] != right["mutants"][2]
    assert after["mutants"][0] != before["mutants"][0]


def test_new_mistakes_get_identifiers_from_their_names(folder):
    (folder / "bptt_dyadic.json").unlink()
    assert write(folder) == ["bptt_dyadic"]
    ids = [m["id"] for m in stored._read(folder, "bptt_dyadic")["mutants"]]
    assert ids[0] == "bptt_dyadic/reset-detached"
    assert "bptt_dyadic/missing-factor-1-2-of-the-square-loss" in ids
    assert complaints(stored._read(folder, "bptt_dyadic"), SCHEMA) == []


def test_identifiers_consist_of_letters_digits_and_hyphens():
    assert stored._identifier("a_b", "(No 1/2: Sum)") == "a_b/no-1-2-sum"


def test_whole_numbers_are_written_without_a_point():
    numbers = [1.0, -3.0, 0.5, 2.0 ** 53 - 1, -2.0 ** 53, 1e300]
    data = stored._rows({"a": np.array(numbers)})["a"]["data"]
    assert json.dumps(data) == ("[1, -3, 0.5, 9007199254740991, -9007199254740992.0, "
                                "1e+300]")


def test_identifiers_are_never_lost(folder):
    changed(folder, "bptt_dyadic", lambda told: told["mutants"][1].update(name="old"))
    before = contents(folder)
    with pytest.raises(ValueError, match=r"mutants .*dw-input-late.* are stored"):
        write(folder)
    changed(folder, "bptt_dyadic", lambda told: told["mutants"][1].update(
        name="input one step late in dW", id="bptt_dyadic/errors-late"))
    with pytest.raises(ValueError, match="identifiers are .*: must be unique"):
        write(folder)
    shutil.copy(FOLDER / "rnn.json", folder)
    with pytest.raises(ValueError, match=r"vectors \['rnn'\] are stored: must be in"):
        write(folder)
    assert contents(folder).keys() == {*before, "rnn.json"}
    with pytest.raises(ValueError, match="folder is '.*none': must be a folder"):
        write(folder / "none")


def test_numbers_that_json_lacks_are_refused():
    vector = load(["bptt"])["bptt"]
    with pytest.raises(ValueError, match="JSON"):
        stored._text(stored._contents(vector._replace(outputs={"loss": np.inf})))


def test_examples():
    failed, tried = doctest.testmod(stored)
    assert failed == 0 < tried
