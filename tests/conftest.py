"""Fixtures and settings that every test shares."""

import os

import hypothesis
import numpy as np
import pytest

for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

hypothesis.settings.register_profile(
    "refsnn", deadline=None, derandomize=True, print_blob=True, max_examples=25,
    suppress_health_check=[hypothesis.HealthCheck.too_slow,
                           hypothesis.HealthCheck.filter_too_much])
hypothesis.settings.load_profile("refsnn")


@pytest.fixture(autouse=True)
def strict_floats():
    """Silent NaN and infinity are errors; decaying traces may underflow."""
    with np.errstate(divide="raise", over="raise", invalid="raise",
                     under="ignore"):
        yield
