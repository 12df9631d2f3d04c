"""Arrays survive the way through JSON, and broken text is refused in one line."""

import doctest
import json

import numpy as np
import pytest
from schemas import complaints

from refsnn.oracle import exchange, stored
from refsnn.oracle.exchange import arrays, identify_report, line, parse, report


def row(**changes):
    return {"dtype": "float64", "shape": [2], "data": [1, 0.5]} | changes


@pytest.mark.parametrize("value", [
    np.array([[0.1, -0.0], [1e300, 5e-324]]), np.float32([0.1, 3.4e38]), np.arange(3),
    np.zeros((2, 0, 3)), np.float64(1) / 3, np.int64(-7)])
def test_arrays_survive_to_the_last_bit(value):
    found = arrays(parse(line(stored._rows({"a": value}))))["a"]
    assert np.array_equal(found, value)
    assert (found.dtype, found.shape) == (value.dtype, value.shape)


def test_numbers_that_are_not_finite_are_read():
    found = arrays(parse('{"a": {"dtype": "float32", "shape": [4], "data": [NaN, '
                         'Infinity, -Infinity, 1e300]}}'))["a"]
    assert np.isnan(found[0]) and found[1:].tolist() == [np.inf, -np.inf, np.inf]


@pytest.mark.parametrize("bad, text", [
    ([1], "is a list: must be an object with dtype, shape and data"),
    ({"dtype": "float64"}, "has the fields ['dtype']: must be an object with dtype"),
    (row(more=1), "has the fields ['data', 'dtype', 'more', 'shape']: must be"),
    (row(dtype="float16"), "is of dtype 'float16': must be one of ('float64', 'float3"),
    (row(dtype=["float64"]), "is of dtype ['float64']: must be one of"),
    (row(shape=2), "has the shape 2: must be a list of at most 8 sizes"),
    (row(shape=[2.0]), "has the shape [2.0]: must be a list"),
    (row(shape=[True]), "has the shape [True]: must be a list"),
    (row(shape=[-2]), "has the shape [-2]: must be a list"),
    (row(shape=[1] * 8 + [2]), "must be a list of at most 8 sizes"),
    (row(shape=[3]), "has 2 numbers: must have 3 for the shape [3]"),
    (row(shape=[]), "has 2 numbers: must have 1 for the shape []"),
    (row(data="12"), "has other data than a list of numbers: must be numbers of dtype"),
    (row(data=[1, "2"]), "has other data than a list"),
    (row(data=[1, True]), "has other data than a list"),
    (row(data=[1, [2]]), "has other data than a list"),
    (row(dtype="int64"), "has other data than a list of numbers: must be numbers of d"),
    (row(dtype="int64", data=[1, 2 ** 63]), "holds a number that is too large: must"),
    (row(data=[1, 10 ** 400]), "holds a number that is too large: must fit float64")])
def test_bad_arrays_are_refused(bad, text):
    with pytest.raises(ValueError) as error:
        arrays({"W": bad})
    assert str(error.value).startswith("'W' ") and text in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text, match", [
    ("", "is not JSON: "), ("{", "is not JSON: "), (b"\xff", "is not JSON: "),
    ('{"a": 1, "a": 2}', "is not JSON: a name exists twice"),
    ('{"a": nan}', "is not JSON: "), ("[" * 10 ** 5, "is not JSON: "),
    ('{"a": ' + "1" * 5000 + "}", "is not JSON: "),
    ("3", "is a int: must be a JSON object")])
def test_text_that_is_no_object_is_refused(text, match):
    with pytest.raises(ValueError, match=match) as error:
        parse(text)
    assert "\n" not in str(error.value)


def test_only_named_texts_are_read():
    assert str(arrays({"a": "b"}, ("a",))["a"]) == "b"
    with pytest.raises(ValueError, match="'a' is a str"):
        arrays({"a": "b"}, ("c",))


def test_a_line_has_the_spacing_of_the_files():
    contents = {"a": {"b": [1, 2.5]}, "c": "x: y, z"}
    assert line(contents) == '{"a": {"b": [1,2.5]},"c": "x: y, z"}'
    assert '"b": [1,2.5]' in stored._text(contents)
    with pytest.raises(ValueError, match="JSON"):
        line({"a": np.nan})


def test_reports_follow_the_schema():
    schema = json.loads((stored.FOLDER / "report_schema.json").read_text("utf-8"))
    good = report("check", True, {"findings": []})
    assert complaints(good, schema) == []
    for key, value in (("format", 2), ("command", "vendor"), ("passed", 1),
                       ("vectors", "1.0"), ("findings", [{}]), ("other", 1)):
        assert complaints(good | {key: value}, schema)
    assert "identify" in identify_report.__name__


def test_examples():
    failed, tried = doctest.testmod(exchange)
    assert failed == 0 < tried
