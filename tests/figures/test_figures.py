"""Every figure is documented, seeded, computed in miniature, judged and drawn."""

import ast
import copy
import importlib
import inspect
import json
import pathlib
import pickle

import matplotlib.style
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from figures.chip import fig_chip_calibration
from figures.ntt import ntt_baselines
from figures.run import claims as claims_
from figures.run import (expected, gallery, jobs, notebook, origin, published,
                         storage)
from figures.si import fig_si_split
from figures.surrogate import ensemble
from figures.train import fast_training, lif_training
from refsnn import lif
from tolerances import RTOL

FOLDER = pathlib.Path(jobs.__file__).resolve().parents[1]
PATHS = {path.stem: path for path in sorted(FOLDER.glob("*/fig_*.py"))}
NAMES = list(PATHS)
SPEED = "fig_speed"                 # measures this computer, and runs alone
COMPUTED = [name for name in NAMES if name != SPEED]
TINY = {"epochs": 1, "hidden": 16, "labelled": 20, "loops": 20, "points": 21,
        "repeat": 1, "repeats": 2, "steps": 20}     # largest arguments of a tiny job
QUICK = ntt_baselines.TASKS["quick"]
CONSTANTS = ((fig_chip_calibration.DRAWS, "digits", 1),
             (vars(fig_si_split), "EPOCHS", 1),
             (QUICK, "digits", QUICK["digits"]._replace(steps=20, labelled=300)))
# Numbers of claims that depend on integers alone, or are extreme or NaN in tiny jobs.
FIXED = {"fig_chip_gap": 2, "fig_chip_timing": 3, "fig_chip_word_settings": 9,
         "fig_delay": 2, "fig_ladder": 4, "fig_ntt_masks": 3, "fig_online": 2,
         "fig_regularisation": 1, "fig_sound": 2, "fig_spoken_data": 8,
         "fig_superspike_hidden": 4, "fig_superspike_rates": 3,
         "fig_superspike_trials": 10, "fig_superspike_xor": 3, "fig_surrogates": 1}
GIVEN = ("densities", "strengths")      # conditions, not results
UNSEEDED = {"fig_ntt_replay": ("replay", "starts"), "fig_spoken_data": ("survey",)}
OWN = ("fig_delay", "fig_patterns", "fig_regularisation", "fig_surrogates", "fig_xor")


def tiny(kwargs):
    """Return the arguments of a tiny job."""
    return {key: min(TINY[key], value) if key in TINY
            else tiny(value) if isinstance(value, dict) else value
            for key, value in kwargs.items()}


def load(name):
    """Import a figure."""
    return importlib.import_module(f"figures.{PATHS[name].parent.name}.{name}")


@pytest.fixture(scope="module")
def computed():
    """Yield a function that computes the data of a figure from tiny jobs, once."""
    found, shared = {}, {}

    def result(function, small, keys):
        """Compute a job, unless a figure did before; return the key of its result."""
        key = (function.__module__, function.__name__, repr(small), *keys)
        if key not in shared:
            before = [copy.deepcopy(shared[k]) for k in keys]
            more = {"before": before if len(keys) > 1 else before[0]} if keys else {}
            shared[key] = jobs.normalised(function(**small, **more), key[1])
        return key

    def compute(name):
        if name not in found:
            figure, keys = load(name), []
            for function, kwargs, *index in figure.jobs("quick", 0, None):
                keys.append(result(function, tiny(kwargs), [keys[i] for i in index]))
            results = [copy.deepcopy(shared[key]) for key in keys]
            found[name] = jobs.normalised(figure.gather(results), name)
        return found[name]

    with pytest.MonkeyPatch.context() as patch:
        for constants, key, value in CONSTANTS:
            patch.setitem(constants, key, value)
        yield compute


def test_there_are_figures():
    assert set(OWN) <= set(NAMES)
    assert len(NAMES) == len(list(FOLDER.rglob("fig_*.py"))), "each name must be unique"


@pytest.mark.parametrize("name", NAMES)
def test_docstring_has_title_and_claim(name):
    text = ast.get_docstring(ast.parse(PATHS[name].read_bytes()))
    title, _, caption = text.partition("\n")
    assert 0 < len(title) <= 88
    assert caption.strip()


@pytest.mark.parametrize("name", NAMES)
def test_no_matplotlib_outside_plot(name):
    tree = ast.parse(PATHS[name].read_bytes())
    outside = [node for part in tree.body
               if not (isinstance(part, ast.FunctionDef)
                       and part.name.lstrip("_").startswith("plot"))
               for node in ast.walk(part)
               if isinstance(node, (ast.Import, ast.ImportFrom))]
    modules = [getattr(node, "module", None) or node.names[0].name for node in outside]
    assert modules
    assert not [module for module in modules if module.startswith("matplotlib")]


@pytest.mark.parametrize("size", ["quick", "default"])
@pytest.mark.parametrize("name", NAMES)
def test_jobs_are_plain_picklable_and_addressed(name, size):
    figure = load(name)
    listed = figure.jobs(size, 7, None)
    assert listed
    keys = [(function.__name__, json.dumps(more, sort_keys=True))
            for function, *more in listed]
    assert len(set(keys)) == len(keys)
    for function, kwargs, *index in listed:
        assert pickle.loads(pickle.dumps((function, kwargs))) == (function, kwargs)
        assert getattr(figure, function.__name__) is function
        assert not index or "before" in inspect.signature(function).parameters
        if name != SPEED and function.__name__ not in UNSEEDED.get(name, ()):
            assert kwargs["seed"] == 7


def test_stored_seconds_fit_the_default_run():
    stored = json.loads(expected.PATH.read_text(encoding="utf-8"))
    assert {f"fig_{name}": len(times) for name, times in stored.items()} == {
        name: len(load(name).jobs("default", 0, None)) for name in NAMES}


@pytest.mark.parametrize("name", OWN)
def test_full_jobs_need_no_data_and_are_more(name):
    sizes = [load(name).jobs(size, 0, None) for size in ("quick", "default", "full")]
    work = [sum(kwargs["epochs"] * kwargs.get("repeats", 1) for _, kwargs, *_ in listed)
            for listed in sizes]
    assert work[0] < work[1] < work[2]


@pytest.mark.parametrize("name", NAMES)
def test_a_figure_names_the_data_that_its_full_jobs_read(name):
    figure = load(name)
    read = origin.used("DATA", ("some",), [job[1] for job in figure.jobs(
        "full", 0, "DATA")])
    assert not read or getattr(figure, "FOLDERS", {}).get("full")


@pytest.mark.parametrize("name", OWN)
def test_a_job_depends_on_its_seed_alone(name):
    function, kwargs = load(name).jobs("quick", 3, None)[0]
    small = {**kwargs, **{key: 1 for key in TINY if key in kwargs}}
    first, again = function(**small), function(**small)
    other = function(**{**small, "seed": 4})
    for key, value in first.items():
        assert np.array_equal(value, again[key])
    assert not all(np.array_equal(value, other[key]) for key, value in first.items()
                   if key in other)


@pytest.mark.parametrize("size", notebook.SIZES)
@pytest.mark.parametrize("name", NAMES)
def test_claims_are_declared(name, size):
    declared = claims_.declared(load(name), size)
    assert declared or name == SPEED
    assert len({claim.text for claim in declared}) == len(declared)


@pytest.mark.parametrize("name", COMPUTED)
def test_claims_come_from_the_data(name, computed):
    figure, data = load(name), computed(name)
    results = claims_.measured(figure, data, "quick")
    kinds = {claim.id: claim for claim in claims_.declared(figure, "quick")}
    assert all(claims_.judge(kinds[key], result) for key, result in results.items())
    rng, fixed = np.random.default_rng(0), set(results)
    for _ in range(4):
        with np.errstate(all="ignore"):
            changed = claims_.measured(figure, {
                key: value if key.endswith(GIVEN) else moved(value, rng)
                for key, value in data.items()}, "quick")
        fixed -= {key for key, old in results.items()
                  if old.value == old.value != changed[key].value}  # NaN does not count
    assert len(fixed) <= FIXED.get(name, 0), fixed


@pytest.mark.parametrize("name", COMPUTED)
def test_arrays_are_described_and_what_is_shown_is_small(name, computed):
    """Also in the size of stored results, which is seen in the next line."""
    figure, data = load(name), computed(name)
    described = figure.ARRAYS
    small = storage.shown(figure, data)
    for arrays in (data, small):
        content = storage.packed(figure, arrays)
        back = storage.unpacked(content)
        assert set(back) == set(arrays) <= set(described)
    assert len(content) <= storage.LARGEST_B
    for axes, unit, text in described.values():
        assert len(text) > 3 and text[0] == text[0].strip() and "\n" not in text
        assert isinstance(unit, str) and isinstance(axes, str)


@pytest.mark.parametrize("name", COMPUTED)
def test_options_are_few_and_have_defaults(name):
    options = notebook.options_of(load(name))
    assert 1 <= len(options) <= 5
    assert inspect.Parameter.empty not in options.values()


def moved(value, rng):
    """Return an array with other numbers; integers and texts may be keys, and stay."""
    if value.dtype.kind == "f":
        return value * rng.uniform(0.4, 1, value.shape) + 0.01
    return np.logical_not(value) if value.dtype == bool else value


def _numeric(labels):
    for label in labels:
        text = label.get_text().replace("\N{MINUS SIGN}", "-")
        if label.get_visible() and text and "mathdefault" in text:
            return True
        try:
            float(text)
        except ValueError:
            continue
        if label.get_visible():
            return True
    return False


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("name", COMPUTED)
def test_every_scale_that_is_drawn_is_named(name, computed):
    data = computed(name)
    before = copy.deepcopy(data)
    with np.errstate(all="ignore"), \
            matplotlib.style.context([str(gallery.LOOK)]):
        fig = Figure()
        load(name).plot(storage.shown(load(name), data), fig)
        FigureCanvasAgg(fig).draw()
    axes = fig.findobj(lambda artist: hasattr(artist, "get_xlabel"))
    assert axes
    for axis in axes:
        for labels, own, shared in (
                (axis.get_xticklabels(), axis.get_xlabel, axis.get_shared_x_axes()),
                (axis.get_yticklabels(), axis.get_ylabel, axis.get_shared_y_axes())):
            if not axis.axison or not _numeric(labels):
                continue
            names = [getattr(other, own.__name__)()
                     for other in shared.get_siblings(axis)]
            assert any(names), f"{name}: {axis.get_title(loc='left')!r} has a scale " \
                               "without a name"
    for key, value in data.items():
        assert np.array_equal(value, before[key], equal_nan=value.dtype.kind == "f")


@pytest.mark.parametrize("path_", sorted((FOLDER / "reference").glob("*.json")),
                         ids=lambda path: path.stem)
def test_published_numbers_have_a_source(path_):
    entries = published.entries(path_.stem)
    assert entries
    for entry in entries.values():
        assert list(entry)[:3] == ["value", "known", "source"]
        assert set(entry) <= {"value", "known", "source", "spread", "n"}
        assert isinstance(entry["value"], (int, float, str))
        assert len(entry["source"]) > 10
        assert entry["known"] in claims_.KNOWN
        assert (entry["known"] == "recalled") == ("recalled" in entry["source"])


def test_published_values():
    for name in ("si_split", "si_transfer"):
        assert all(isinstance(value, float)
                   for value in published.values(name).values())


def test_ensemble_is_lif_with_own_weights():
    """Each network of an ensemble equals a LIF layer of its own."""
    rng = np.random.default_rng(0)
    x = (rng.random((20, 3, 2, 4)) < 0.4).astype(float)
    W = rng.normal(0.3, 0.3, (3, 5, 4))
    net = lif_training.Net(reset="subtract", steepness=5.0)
    credit = rng.normal(size=(20, 3, 2, 5))
    current = ensemble.drive(W, x)
    recording = ensemble.layer(current, net)
    psi = lif_training.psi(recording, net)
    back = ensemble.layer_backward(current, recording, psi, credit, net)
    assert 0 < recording.spikes.mean() < 1
    for i in range(3):
        alone = lif.simulate(x[:, i], W[i], reset="subtract", **net.constants())
        np.testing.assert_array_equal(alone.spikes, recording.spikes[:, i])
        found = lif.backward(x[:, i], W[i], None, alone, lif_training.psi(alone, net),
                             credit[:, i], reset="subtract", through_reset=False,
                             **net.constants())
        assert abs(found.dW).max() > 0
        for ours, theirs in ((ensemble.by_weights(back, x)[i], found.dW),
                             (ensemble.by_inputs(back, W)[:, i], found.dx)):
            np.testing.assert_allclose(ours, theirs, rtol=RTOL,
                                       atol=RTOL * abs(theirs).max())


def test_fast_training_selects_patterns_and_refuses_other_networks():
    fast, rng = fast_training, np.random.default_rng(1)
    x, labels = rng.random((30, 12, 8)) < 0.2, rng.integers(0, 3, 12)
    net = lif_training.Net(steepness=10.0)
    weights = lif_training.initial(rng, (8, 6, 3), 2.0, np.float32)
    with pytest.raises(ValueError, match="net is"):
        fast.fit(weights, fast.events(x), labels, net._replace(surrogate="triangle"),
                 rate=1e-3, epochs=1)
    chosen = fast.select(fast.events(x), 12, np.array([4, 1])).toarray()
    np.testing.assert_array_equal(chosen.reshape(30, 2, 8), x[:, [4, 1]])
