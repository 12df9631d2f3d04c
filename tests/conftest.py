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
    "dev", hypothesis.settings.get_profile("refsnn"), max_examples=4,
    phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate])
hypothesis.settings.register_profile(       # a failure is enough: it is not shrunk
    "faults", hypothesis.settings.get_profile("refsnn"),
    phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate])
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "refsnn"))


def pytest_configure(config):
    """Draw few examples in a quick run."""
    if config.getoption("markexpr") == "quick":
        hypothesis.settings.load_profile("dev")


def pytest_ignore_collect(collection_path, config):
    """Do not import a test file without quick tests in a quick run."""
    if config.getoption("markexpr") == "quick" and collection_path.is_file() and not (
            collection_path.parent.name == "contract"
            or "@proves(" in collection_path.read_text(encoding="utf-8")):
        return True


def pytest_collection_modifyitems(items):
    """Mark the contracts, and the proofs of the core but two slow ones, as quick."""
    slow = ("test_online_and_fast_form_agree_with_every_option",
            "test_two_layers_and_a_readout_by_differences")
    for item in items:
        if item.path.parent.name == "contract" or (
                item.get_closest_marker("proves") and item.originalname not in slow):
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
