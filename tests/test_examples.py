"""The tutorials in examples/ run, show what they promise, and keep their form."""

import math
import re

import numpy as np
import pytest
import tutorials

README = tutorials.ROOT / "README.md"
GOOD = '''"""A title
=======

At the end of this tutorial, you have nothing.
"""
import numpy as np
from refsnn import lif
from refsnn.oracle import check

lif.simulate, check.vectors
fig.savefig("name.png")
# %%
# Next: another tutorial.
'''


def test_surrogate_gradients(tmp_path):
    told = tutorials.run("surrogate_gradients", tmp_path / "run")
    assert "finite difference says 0," in told and "dW is correct" in told
    assert tutorials.number(told, "loss") < math.log(4)
    assert tutorials.number(told, "accuracy") > tutorials.guessing(4, 200)


def test_learn_online(tmp_path):
    told = tutorials.run("learn_online", tmp_path / "run")
    nothing, *learned = map(float, re.findall(r"accuracy (\S+)", told))
    assert len(learned) == 2
    assert nothing < tutorials.guessing(3, 134) < min(learned)


def test_train_a_chip(tmp_path):
    told = tutorials.run("train_a_chip", tmp_path / "run")
    assert "The probe says: Samples come 2 steps late.\n" in told
    assert tutorials.number(told, "accuracy") > tutorials.guessing(4, 180)


def test_wav_to_classifier(tmp_path):
    told = tutorials.run("wav_to_classifier", tmp_path / "run")
    assert "train.h5: 48 recordings, 70 channels" in told
    assert tutorials.number(told, "accuracy") > tutorials.guessing(3, 24)


@pytest.mark.parametrize("name", tutorials.PATHS)
def test_a_tutorial_keeps_the_form(name):
    more = {"torch"} if name == "check_pytorch" else set()
    source = tutorials.PATHS[name].read_text(encoding="utf-8")
    assert tutorials.bad_tutorial(source, name, tutorials.PACKAGES | more) == []


def test_the_readme_lists_each_tutorial():
    part = README.read_text(encoding="utf-8").partition("\n## Tutorials\n")[2]
    found = re.findall(r"\]\(examples/(\w+)\.py\)", part.partition("\n## ")[0])
    assert sorted(found) == sorted(tutorials.PATHS)


@pytest.mark.parametrize("old, new, told", [
    ("=======\n", "======\n", "no title"), ("# %%\n", "# %%\n" + 80 * "\n", "93 lines"),
    ("you have", "you had", "what the reader has"), ("Next:", "Then:", "where to go"),
    ("name.png", "other.png", "one picture"), ("import numpy", "import torch", "torch"),
    ('fig.savefig("name.png")', "", "one picture"), ("numpy", "figures", "figures"),
    ("import lif", "import _checks, lif", "refsnn._checks, which"),
    ("lif.simulate", "lif._scan", "refsnn.lif._scan, which"),
    ("check.vectors", "check.KNOBS", "refsnn.oracle.check.KNOBS, which")])
def test_a_bad_tutorial_is_seen(old, new, told):
    assert tutorials.bad_tutorial(GOOD, "name") == []
    assert GOOD.count(old) == 1
    bad, = tutorials.bad_tutorial(GOOD.replace(old, new), "name")
    assert told in bad


def test_a_bad_picture_is_seen():
    picture = np.ones((400, 500, 3))
    assert tutorials.bad_picture(picture)
    picture[50:100, 50:450] = np.linspace(0, 0.9, 400)[:, None]
    assert tutorials.bad_picture(picture) == []
    assert tutorials.bad_picture(picture[:250]) and tutorials.bad_picture(0 * picture)
    assert tutorials.bad_picture(np.where(picture < 1, 0.5, 1))
