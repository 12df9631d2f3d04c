"""Provide the settings and fixtures that all tests share."""

import os

# One BLAS thread, set before NumPy loads: with more, small products are slower.
for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import hypothesis                                                   # noqa: E402
import numpy as np                                                  # noqa: E402
import pytest                                                       # noqa: E402

hypothesis.settings.register_profile(
    "refsnn", deadline=None, derandomize=True, print_blob=True, max_examples=25,
    suppress_health_check=[hypothesis.HealthCheck.too_slow,
                           hypothesis.HealthCheck.filter_too_much])
hypothesis.settings.register_profile(
    "dev", hypothesis.settings.get_profile("refsnn"), max_examples=5,
    phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate])
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "refsnn"))


def pytest_configure(config):
    """Draw few examples in a quick run."""
    if config.getoption("markexpr") == "quick":
        hypothesis.settings.load_profile("dev")


def pytest_ignore_collect(collection_path, config):
    """Do not import tests that are never quick."""
    if config.getoption("markexpr") == "quick" and collection_path.name in (
            "figures", "oracle", "convert"):
        return True


def pytest_collection_modifyitems(items):
    """Mark the proofs of the core, the contracts and the rules as quick.

    Two rules that take seconds are left out.
    """
    slow = "test_nothing_uses_global_random_state", "test_readme_examples_run"
    for item in items:
        rule = item.path.name in ("test_house.py", "test_docs.py")
        if item.get_closest_marker("proves") or item.path.parent.name == "contract" \
                or rule and item.name not in slow:
            item.add_marker("quick")


@pytest.fixture(autouse=True)
def strict_floats():
    """Raise an error for NaN and infinity; decaying traces may underflow."""
    with np.errstate(divide="raise", over="raise", invalid="raise",
                     under="ignore"):
        yield


def _forbid_skips(report):
    """Report a skipped test as failed if REFSNN_NO_SKIP is 1."""
    if (os.environ.get("REFSNN_NO_SKIP") == "1" and report.outcome == "skipped"
            and not hasattr(report, "wasxfail")):
        report.outcome = "failed"
        report.longrepr = f"skipped, and REFSNN_NO_SKIP is 1: {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport():
    return _forbid_skips((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report():
    return _forbid_skips((yield))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Keep the tests of a file in one process, since they share results."""
    from xdist.scheduler import LoadFileScheduling
    return LoadFileScheduling(config, log)
