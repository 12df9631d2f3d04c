"""The picture drawn with spikes: spike trains from files replace the drawn ones."""

import numpy as np

from figures.superspike import fig_spike_picture as figure
from figures.superspike import ras


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
    claims = figure.claims(data)
    assert claims and all(claim.ok is None for claim in claims)


def test_without_files_the_picture_is_drawn(tmp_path):
    assert figure.jobs("quick", 0, str(tmp_path)) == figure.jobs("quick", 0, None)
    function, kwargs = figure.jobs("quick", 0, None)[0]
    assert function(**{**kwargs, "loops": 1})["target"].sum() > 500


def test_rate_falls_once():
    rates = [figure.rate(time) for time in (0.0, 799.0, 800.0, 900.0)]
    assert rates == [1e-3, 1e-3, 1e-4, 1e-4]
