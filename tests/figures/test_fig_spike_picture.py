"""The picture drawn with spikes: spike trains from files replace the drawn ones."""

import json

import numpy as np
import pytest

from figures.superspike import fig_spike_picture as figure
from figures.superspike import ras
from figures.superspike import superspike_training as training

JITTERED = {"loop_s": 1.13, "input": {"units": 20},
            "target": {"order": "sort", "first_unit": 1}}


def test_trains_of_files(tmp_path):
    folder = tmp_path / "spike_picture"
    folder.mkdir()
    rng = np.random.default_rng(0)
    written = {}
    for name, units in (("input", 12), ("target", 7)):
        times = np.sort(rng.choice(8000, 60, replace=False)) * 1e-4
        written[name] = times, np.append(rng.integers(0, units, 59), units - 1)
        ras.write_ras(folder / f"{name}.ras", *written[name])
    x, target = figure.recorded(str(folder))
    assert x.shape == (10000, 1, 12) and target.shape == (10000, 1, 7)
    for name, train in (("input", x), ("target", target)):
        step, _, unit = np.nonzero(train)
        assert np.array_equal(step, np.rint(written[name][0] * 1e4))
        assert np.array_equal(unit, written[name][1])
    jobs = figure.jobs("quick", 0, str(tmp_path))
    results = [function(**{**kwargs, "loops": 1}) for function, kwargs in jobs]
    assert all(np.array_equal(r["target"], target[:, 0]) for r in results)
    data = {key: np.asarray(value) for key, value in figure.gather(results).items()}
    assert float(data["trial_s"]) == 1.0
    assert set(figure.measured(data)) == {claim.id for claim in figure.claims("quick")}


def jittered(folder, options):
    """Write a picture whose spike times are jittered within each column.

    The lines of the target are in the order of the columns, not in order of time, and
    its units are counted from 1.  Return the steps and the units of the target, sorted.
    """
    folder.mkdir()
    rng = np.random.default_rng(3)
    times = np.sort(rng.random(80))
    ras.write_ras(folder / "input.ras", times, rng.integers(0, 12, 80))
    column, row = np.nonzero(rng.random((110, 7)) < 0.4)
    steps = column * 100 + rng.integers(0, 100, len(column))
    (folder / "target.ras").write_bytes(b"".join(
        b"%.4f %d\n" % (step * 1e-4, unit + 1)
        for step, unit in zip(steps.tolist(), row.tolist(), strict=True)))
    (folder / "options.json").write_text(json.dumps(options))
    assert (np.diff(steps) < 0).any()
    order = np.lexsort((row, steps))
    return steps[order], row[order]


def test_a_picture_with_jittered_columns_is_learned(tmp_path):
    steps, units = jittered(tmp_path / "spike_picture", JITTERED)
    x, target = figure.recorded(tmp_path / "spike_picture")
    assert x.shape == (11300, 1, 20) and target.shape == (11300, 1, 7)
    step, _, unit = np.nonzero(target)
    assert np.array_equal(step, steps) and np.array_equal(unit, units)
    results = [function(**{**kwargs, "loops": 2})
               for function, kwargs in figure.jobs("quick", 0, str(tmp_path))]
    assert [r["trial_s"] for r in results] == pytest.approx([1.13] * len(results))
    assert all(len(r["after"]) == 11300 for r in results)
    assert all(np.isfinite(r["cost"]).all() for r in results)
    none = results[0]
    assert none["condition"] == "none" and none["cost"][1] != none["cost"][0]


@pytest.mark.parametrize("change, match", [
    ({"target": {"first_unit": 1}}, "target.ras, line .*must not fall, or order must "),
    ({"target": {"order": "sort", "units": 7}}, "target.ras, .*must be from 0 to 6"),
    ({"loop_s": 1.0}, r"target.ras, line .*: must be in \[0, 1.0\) s"),
    ({"loop_s": 0.4}, "loop_s is 0.4: must be a finite number of seconds of at least"),
    ({"loop_s": "1"}, "loop_s is '1'"), ({"loop": 1.0}, "must have only loop_s, input"),
    ({"input": {"limit": 9}}, "the latter two only order, first_unit, units")])
def test_bad_options_of_files_are_refused(tmp_path, change, match):
    jittered(tmp_path / "spike_picture", {**JITTERED, **change})
    with pytest.raises(ValueError, match=match):
        list(figure.recorded(tmp_path / "spike_picture"))


def test_truncated_pictures_are_refused(tmp_path):
    jittered(tmp_path / "spike_picture", JITTERED)
    path = tmp_path / "spike_picture" / "target.ras"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match="has no line end: file must not be truncated"):
        list(figure.recorded(tmp_path / "spike_picture"))


def test_spikes_next_to_the_end_of_the_loop_begin_the_next_one(tmp_path):
    for name in ("input", "target"):
        ras.write_ras(tmp_path / f"{name}.ras", np.array([0.2, 0.59997]),
                      np.array([0, 1]))
    (tmp_path / "options.json").write_text('{"loop_s": 0.6}')
    for train in figure.recorded(tmp_path):
        step, _, unit = np.nonzero(train)
        assert step.tolist() == [0, 2000] and unit.tolist() == [1, 0]


def test_a_trial_is_divided_into_blocks_of_about_equal_length(monkeypatch):
    lengths, times, original = [], [], training.update
    monkeypatch.setattr(training, "update", lambda *given: (
        times.append(given[-1]), original(*given))[1])
    x = training.poisson([np.random.default_rng(0)], 9, 50.0, 11300)
    W = training.weights([np.random.default_rng(1)], 2, 9, 0.05)
    target = np.zeros((11300, 1, 2))
    layers, cost = training.practise(
        [training.layer(W, training.OUTPUT)], x, target, 1, 1e-3,
        watch=lambda loop, part, blocks: lengths.append(len(blocks[0].spikes)))
    assert lengths == [3767, 3767, 3766] and cost.shape == (1, 1) and cost[0, 0] > 0
    assert times == pytest.approx([0.3767, 0.3767, 0.3766])
    assert 0 < np.abs(layers[0].W - W).max() <= 3.001e-3


def test_an_update_depends_on_the_time_since_the_last_one():
    W, m = np.zeros((1, 1, 2), np.float32), np.array([[[1.0, -2.0]]])
    layers = [training.layer(W, training.OUTPUT)]
    for block_s in (0.5, 0.25):
        fixed, = training.update(layers, [m], 1e-3, "fixed", block_s)
        assert fixed.W == pytest.approx(1e-3 * m / block_s)
        first = training.update(layers, [m], 1e-3, block_s=block_s)
        later, = training.update(first, [0 * m], 1e-3, block_s=block_s)
        decay = np.exp(-block_s / training.TAU_RMS_S)
        assert later.scale.scale == pytest.approx(decay * np.square(m / block_s))
    same, = training.update(layers, [m], 1e-3, "fixed")
    assert same.W == pytest.approx(2e-3 * m)


def test_fixed_hidden_weights_do_not_learn(monkeypatch):
    kept = {}

    def practise(layers, x, target, loops, rate, **more):
        kept["rates"] = rate(0), rate(10 ** 6)
        return original(layers, x, target, loops, rate, **more)

    original = training.practise
    monkeypatch.setattr(training, "practise", practise)
    for name, rates in (("fixed", ([0, 1e-3], [0, 1e-4])), ("none", ([1e-3], [1e-4])),
                        ("symmetric", ([1e-3] * 2, [1e-4] * 2))):
        figure.learn(name, 3, 1, "main", 0, 1)
        assert kept["rates"] == rates


def test_intervals_of_regular_and_of_poisson_trains():
    raster = np.zeros((100_000, 3), bool)
    raster[::500, 0] = True
    raster[:, 1] = np.random.default_rng(0).random(100_000) < 0.005
    raster[[10, 20, 50, 100], 2] = True                 # fewer than FEWEST intervals
    gaps, variation = figure.intervals(raster)
    assert gaps[:199] == pytest.approx(np.full(199, 0.05))
    assert gaps[-3:] == pytest.approx([1e-3, 3e-3, 5e-3])
    assert len(gaps) == raster.sum() - 3 and len(variation) == 2
    assert variation[0] < 1e-9 and variation[1] == pytest.approx(1, abs=0.15)


def test_numbers_at_full_are_ratios_in_the_published_order():
    cost = {"symmetric": 1.0, "none": 2.0, "random": 3.0, "uniform": 4.0, "fixed": 2.5}
    data = {"points": np.ones((1, 4))}
    for name in cost:
        data |= {f"{name}_cost": np.full((9, 1), cost[name]),
                 f"{name}_rates": np.array([[1.0, 2, 6]]),
                 f"{name}_medians": np.array([0.7, 0.9])}
    found = figure.measured(data)
    assert set(found) == {claim.id for claim in figure.claims("full")}
    assert found["none-over-symmetric"] == 2 and found["random-over-none"] == 3 / 2
    assert found["uniform-over-random"] == 4 / 3 and found["cost-fixed"] == 2.5
    assert found["rate"].tolist() == [2] and found["variation"].tolist() == [0.7, 0.9]


def test_runs_are_joined_in_their_order():
    one = {"role": "main", "condition": "symmetric", "trial_s": 3.5, "drawn": True,
           "hidden": 4, "cost": np.ones((9, 1)), "rates": np.ones((1, 4)),
           "intervals": np.ones(3), "variation": np.array([0.5, 0.7, 4]),
           "target": np.zeros((10, 3)), "after": np.eye(3)}
    other = {**one, "cost": 2 * one["cost"], "variation": np.zeros(0)}
    data = figure.gather([one, other])
    assert data["symmetric_cost"].tolist() == 9 * [[1, 2]]
    assert data["symmetric_rates"].shape == (2, 4)
    assert data["symmetric_variation"].shape == (3,)
    np.testing.assert_array_equal(data["symmetric_medians"], [0.7, np.nan])


def test_without_files_the_picture_is_drawn(tmp_path):
    assert figure.jobs("quick", 0, str(tmp_path)) == figure.jobs("quick", 0, None)
    function, kwargs = figure.jobs("quick", 0, None)[0]
    assert function(**{**kwargs, "loops": 1})["target"].sum() > 500


def test_rate_falls_once():
    rates = [figure.rate(time) for time in (0.0, 799.0, 800.0, 900.0)]
    assert rates == [1e-3, 1e-3, 1e-4, 1e-4]
