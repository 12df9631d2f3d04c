"""Claims of figures on pruning and on synaptic intelligence, from small arrays."""

import numpy as np

from figures.ntt import (fig_ntt, fig_ntt_masks, fig_ntt_merged, fig_ntt_teachers,
                         fig_ntt_transfer)
from figures.ntt import ntt_baselines as baselines
from figures.run import claims
from figures.si import fig_si_permuted, fig_si_split, fig_si_transfer


def agree(figure, data, wanted, size="default"):
    """Compare the means of measured values, and the bounds of own claims.

    wanted : {id: (value, low, high)} of all own claims, and {id: value} of others
    """
    found = figure.measured(data)
    bounds = {claim.id: (claim.low, claim.high) for claim in figure.claims(size)
              if claim.kind == "own"}
    own = {key: value for key, value in wanted.items() if isinstance(value, tuple)}
    assert {key: tuple(value[1:]) for key, value in own.items()} == bounds
    for key, value in wanted.items():
        value = value[0] if isinstance(value, tuple) else value
        np.testing.assert_allclose(np.mean(found[key]), value, rtol=1e-9, err_msg=key)


def test_ntt_minus_baselines_on_digits():
    """GraSP is the best baseline; masks with one threshold are not compared."""
    bonus = {"NTT": 0.2, "GraSP": 0.15, "random": 0.05}
    done = [{"name": "digits", "row": f"{method}, {scope}", "density": density,
             "accuracy": np.array([0.1, 0.4]) + 0.01 * run
             + bonus.get(method, 0) * (scope == "layer") * np.array([2, 1])
             - density * (method == "random") * np.array([1, -4])}
            for method, scope in (*baselines.BOTH, ("dense", "layer"))
            for density in (0.02, 0.05) for run in range(3)]
    agree(fig_ntt, fig_ntt.gather(done), {
        "digits-gain-2": (0.15 - 0.08, 0.03, None), "digits-best-2": (0.05, 0, None),
        "digits-faster-5": (0.3 + 0.05, 0, None),
        "digits-gain-5": (0.15 - 0.2, -0.02, None), "digits-grasp-layer-2": 0.56,
        "digits-dense": 0.41})


def test_ntt_minus_baselines_on_mnist():
    """At 3 %, NTT with one threshold is the best other method."""
    def bonus(method, scope):
        return {("NTT", "layer"): (0.3, 0.2), ("NTT", "global"): (0.4, 0.205),
                ("SNIP", "layer"): (0.25, 0.1), ("magnitude", "layer"): (0, 0.05)
                }.get((method, scope), (0, 0))

    done = [{"name": "MNIST", "row": f"{method}, {scope}", "density": density,
             "accuracy": np.array([0.1, 0.4]) + 0.01 * run + bonus(method, scope)}
            for method, scope in (*baselines.BOTH, ("dense", "layer"))
            for density, runs in baselines.DENSITIES.items() for run in range(runs)]
    agree(fig_ntt, fig_ntt.gather(done), {
        "mnist-gain-1": 0.15, "mnist-gain-2": 0.15, "mnist-gain-3": 0.15,
        "mnist-best-3": -0.005, "mnist-faster-3": 0.05, "mnist-snip-layer-3": 0.51},
        "full")


def test_a_transfer_is_measured_relative_to_its_start():
    log = np.zeros((2, 4, 4))
    log[:, :, 0] = 0, 100, 200, 700
    log[:, :, 1] = [[10, 8, 6, 4], [20, 12, 8, 2]]
    log[:, :, 2] = [[5, 4, 3, 1], [5, 4, 3, 2]]
    curve = np.zeros((2, 21, 2))
    curve[..., 0] = 75 * np.arange(21)
    curve[..., 1] = np.linspace(0, 1, 21)
    data = {"digits_at_masked_log": log, "digits_at_masked_curve": curve,
            "digits_permuted_curve": curve * [1, 0.8]}
    last, soon = np.linspace(0, 1, 21)[-10:].mean(), 1 / 20
    ratios = {"start": 15, "kernel": (0.4 + 0.1) / 2, "outputs": (0.2 + 0.4) / 2,
              "soon": (0.6 + 0.4) / 2}
    wanted = {**ratios, "final": last, "gain-permuted": 0.2 * last, "ntt-101": soon,
              "permuted-101": 0.8 * soon, "gain-101": 0.2 * soon}
    bounds = {"kernel": (None, 0.5), "outputs": (None, 0.5), "gain-permuted": (0, None),
              "gain-101": (0.02, None)}
    agree(fig_ntt_transfer, data, {
        f"digits-{key}": (value, *bounds[key]) if key in bounds else value
        for key, value in wanted.items()})
    small = {f"LeNet{key.removeprefix('digits')}": value for key, value in data.items()}
    sets = log[:, [0, 2, 3], None, 1:3] * np.array([[[3.0], [2]]]) + [1, 0]
    early = np.array([[[0, 0], [101, 0.3]]])
    small |= {"LeNet_random_curve": curve * [1, 0.7], "LeNet_at_masked_sets": sets,
              "LeNet_random_early_curve": early, "LeNet_permuted_early_curve": early}
    agree(fig_ntt_transfer, small, {f"lenet-{key}": value for key, value in {
        **{f"{key}-authors": value for key, value in ratios.items()}, **wanted,
        "start-held": 46, "kernel-held": (13 / 31 + 7 / 61) / 2, "start": 31,
        "outputs": 0.3, "soon": (13 / 21 + 17 / 41) / 2, "gain": 0.3 * last,
        "permuted-101": (1.6 * soon + 0.3) / 3, "early": soon, "early-gain": 0.3 * soon,
        "early-random": (1.4 * soon + 0.3) / 3,
        "kernel": (9 / 21 + 5 / 41) / 2}.items()}, "full")
    published = {claim.id: claim.published.value for claim in
                 fig_ntt_transfer.claims("full") if claim.published}
    assert published["mlp-final"] == 0.9646 and published["mlp-kernel"] == 0.0665
    assert published["lenet-final"] == 0.98345
    assert published["lenet-soon-authors"] == 0.1121
    assert published["lenet-permuted-101"] == published["lenet-early-random"] == 0.3161


def test_published_runs_in_the_band_of_transfers():
    """Of three runs, the middle one is one above the line; the band is symmetric."""
    line, half = fig_ntt_transfer.predicted(
        np.array([-1.0, 0, 1]), np.array([0.0, 1, 0]), np.array([0.0, 2]))
    np.testing.assert_allclose(line, 1 / 3)
    np.testing.assert_allclose(half, 12.7062047 * np.sqrt(
        [2 / 3 * (4 / 3), 2 / 3 * (4 / 3 + 2)]), rtol=1e-8)
    declared = {claim.id: claim for claim in fig_ntt_transfer.claims("full")}

    def verdicts(factor, *starts):
        """Judge runs whose ratios are about `factor` times those of run 2."""
        log = np.zeros((5, 4, 4))
        log[:, :, 0] = 0, 100, 200, 700
        log[:, 0, 1], scale = starts, factor * np.exp([0.02, -0.02, 0.03, -0.03, 0])
        log[:, 2, 1], log[:, 3, 1] = starts * scale * 0.2568, starts * scale * 0.0659
        log[..., 2] = 1
        curve = np.ones((5, 21, 2)) * np.arange(0, 2100, 100)[:, None]
        values = fig_ntt_transfer.measured({
            "MLP_at_masked_log": log, "MLP_at_masked_curve": curve,
            "MLP_at_masked_sets": log[:, [0, 2, 3], None, 1:3] * np.ones((2, 1))})
        return [claims.judge(declared[key], claims.measure(values[key])).verdict
                for key in ("mlp-1-soon", "mlp-2-soon", "mlp-1-kernel", "mlp-2-kernel")]

    starts = 2000, 3000, 5000, 7000, 9000
    assert verdicts(1, *starts) == ["reproduced"] * 4
    assert verdicts(0.8, *starts) == verdicts(1.25, *starts) == ["not reproduced"] * 4
    for factor in (0.8, 1):
        assert set(verdicts(factor, 2000, 3000, 4000, 5000, 6400)) == {"not decided"}
        assert verdicts(factor, 2000, 3000, 4000, 5000, 8000)[1::2] == [
            "not decided"] * 2


def test_teachers():
    log = np.zeros((4, 21, 2))
    log[:, 0, 1], log[:, -1, 1] = [10, 20, 30, 40], [4, 6, 10.5, 10]
    end = np.array([[[0, 20], [18720, 4]], [[0, 30], [18720, 3]],
                    [[0, 40], [18720, 8]]], float)
    mean, correlation = (0.4 + 0.3 + 0.35 + 0.25) / 4, 1 - 6 * (9 + 0 + 0 + 9) / 60
    small = {"soon": log, "long": end[:0]}
    agree(fig_ntt_teachers, small, {
        "soon": (mean, None, 0.5), "correlation": (correlation, None, -0.3),
        "start-range": 4})
    agree(fig_ntt_teachers, {"soon": log, "long": end}, {
        "soon": mean, "correlation": (correlation, None, -0.3), "soon-smallest": 0.25,
        "soon-share": 0.25, "start": 25, "end": (0.2 + 0.1) / 2, "top-start": 40,
        "top-soon": 0.25, "top-end": 0.2}, "full")


def test_variances_of_masks():
    """The chance variance is (1 - density) times the mean count, here half of it."""
    data = {}
    for method, units, pixels in (
            ("NTT", [2, 6, 2, 6], [4, 4, 4, 4]), ("SNIP", [0, 8, 0, 8], [2, 6, 2, 6]),
            ("logit-SNIP", [3, 5, 3, 5], [1, 7, 1, 7]),
            ("magnitude", [4, 4, 4, 4], [3, 5, 3, 5]),
            ("random", [2, 6, 2, 6], [4, 4, 4, 4])):
        data |= {f"{method}_layer_counts": np.array([units]),
                 f"{method}_layer_pixels": np.array([pixels]),
                 f"{method}_layer_varies": np.array([[1.0, 2, 3, 4]]),
                 f"{method}_layer_whole": np.array([0.5]),
                 f"{method}_global_layers": np.array([[0.25, 0.5]])}
    agree(fig_ntt_masks, data, {
        "ntt-unit": (2, 2, None), "ntt-pixel": (0, None, 1.5),
        "snip-unit": (4, 4, None), "snip-pixel": (2, 2, None),
        "logit-snip-unit": (0.25, 4, None), "logit-snip-pixel": (4.5, 2, None),
        "magnitude": (0.5, None, 1.5), "random": (2, None, 1.5), "empty-snip": 0.5,
        "empty-ntt": 0, "layers-snip": 2})
    for method, units in (("NTT", [0, 8, 0, 8]), ("NTT without L2", [2, 6, 2, 6]),
                          ("permuted", [4, 4, 4, 4]), ("SNIP", [0, 0, 0, 8])):
        data[f"{method}_layer_counts"] = np.array([units])
        data.setdefault(f"{method}_layer_pixels", np.array([[1, 3, 1, 3]]))
    agree(fig_ntt_masks, data, {
        "ntt-unit": (8, 2, None), "ntt-pixel": (0, None, 1.5),
        "snip-unit": (1.5, 4, None), "snip-pixel": (2, 2, None),
        "logit-snip-unit": (1 / 16, 4, None), "logit-snip-pixel": (4.5, 2, None),
        "magnitude": (0.5, None, 1.5), "random": (2, None, 1.5),
        "permuted": (1, None, 1.5), "empty-closed": (1, 0.5, None),
        "snip-closed": (np.log(4) / np.log(4 / 1.5), 0.5, None),
        "logit-snip-closed": (np.log(4) / np.log(64), 0.5, None),
        "empty-ntt-without-l2": 0, "ntt-without-l2-unit": 2,
        "ntt-without-l2-pixel": 1}, "full")


def test_merged_transfers():
    steps = np.array([0, 100, 200, 300])

    def curves(*accuracy):
        return np.array([np.stack([steps, accuracy], axis=1)])

    data = {f"digits_{i}_{source}": curves(0, a, b, 1) for i, rows in enumerate((
        (("merged", 0.5, 0.7), ("own", 0.6, 0.8), ("random", 0.2, 0.2)),
        (("merged", 0.4, 0.4), ("own", 0.1, 0.3), ("random", 0.3, 0.3))))
        for source, a, b in (*rows, ("dense", 1, 1))}
    data |= {f"distance_{kind}": np.array([value]) for kind, value in zip(
        fig_ntt_merged.TWO, ([0, 0], [1, 3], [3, 5], [8, 8]), strict=True)}
    agree(fig_ntt_merged, data, {
        "merged-random": ((0.4 + 0.1) / 2, 0.02, None),
        "merged-own": ((-0.1 + 0.2) / 2, -0.05, None),
        "distance-through-mask": (0.25, None, 0.5), "distance-at-masked": 0.5,
        "digits-own": 1})


def test_consolidation_of_split_digits():
    final = {"with": [[0.9, 0.7], [0.8, 0.6]], "without": [[0.5, 0.8], [0.7, 0.9]]}
    data = {f"{kind} {condition} {reset}": np.array(
                [[[1.0, 0, 0, 0, 0], [*row, 0.5, 0.5, 0.5]] for row in rows])
            + 0.01 * (kind == "train")
            + (reset == "kept") * np.array([0.02, 0.04])[:, None, None]
            for kind in ("test", "train") for condition, rows in final.items()
            for reset in fig_si_split.RESETS}
    data["full"] = np.array(False)
    agree(fig_si_split, data, {
        "with": (0.6, 0.96, None), "without": (0.59, None, 0.92),
        "raised": (0.5, 0.9, None), "last-task": (0.0, None, 0.06),
        "train-with-moments": 0.61, "task-1-without": 0.61, "task-2-without": 0.86,
        "task-5-without": 0.51, "with-kept": 0.63, "with-all": 0.6,
        "train-without-kept": 0.63})
    full = {claim.id: claim for claim in fig_si_split.claims("full")}
    assert [full[key].published.value for key in (
        "train-without-moments", "task-1-with", "task-2-without", "task-5-without")] \
        == [0.86, 1, 0.58, 1]
    assert full["with"].low == 0.98 and full["last-task"].high == 0.03


def test_conditions_of_split_digits_are_named():
    done = [{"name": name, "reset": reset, "full": False, "test": np.full((2, 2), i),
             "train": np.full((2, 2), i + 0.5)} for i, (name, reset) in enumerate(
                 (("with", "all"), ("with", "kept"), ("without", "moments")))]
    data = fig_si_split.gather(done)
    assert [data[key].max() for key in (
        "test with all", "train with kept", "test without moments")] == [0, 1.5, 2]


def test_consolidation_of_permuted_digits():
    def matrix(*rows):
        return np.array([[[a, 0], [b, c]] for a, b, c in rows])

    data = {"SI": matrix((0.9, 0.8, 0.9), (0.8, 0.7, 0.8)),
            "plain": matrix((0.95, 0.6, 0.95), (0.9, 0.6, 0.8)),
            "full": np.array(False), "strength of SI": 5.0, "strength of plain": 0.0}
    agree(fig_si_permuted, data, {
        "si": ((0.85 + 0.75) / 2, 0.84, None), "plain": ((0.775 + 0.7) / 2, None, 0.8),
        "gain": ((0.075 + 0.05) / 2, 0.05, None),
        "newest": ((0.05 + 0.05) / 2, None, 0.05)})
    one = {**data, "plain": data["plain"][:1]}
    np.testing.assert_allclose(fig_si_permuted.measured(one)["gain"], [0.075])


def test_consolidation_against_separate_networks():
    """Separate networks are tested on their own task; the others after the last."""
    tasks = fig_si_transfer.TASKS["digits"]
    final = {10: 0.8 + 0.01 * np.arange(tasks), 0.1: np.full(tasks, 0.7),
             0: 0.5 + 0.05 * np.arange(tasks)}
    alone = np.linspace(0.5, 1, tasks)
    done = [{"name": "digits", "strength": 0.0, "task": 0, "repeat": 0,
             "accuracy": np.ones(tasks)},
            *({"name": "digits", "strength": strength, "task": task, "repeat": 0,
               "accuracy": np.ones(tasks) if task < tasks - 1 else row}
              for strength, row in final.items() for task in range(1, tasks)),
            *({"name": "digits", "strength": fig_si_transfer.SCRATCH, "task": task,
               "repeat": 0, "accuracy": np.eye(tasks)[task] * alone[task]}
              for task in range(1, tasks))]
    done[0]["accuracy"] = np.r_[0.5, np.zeros(tasks - 1)]
    data = fig_si_transfer.gather(done)
    assert data["digits strengths"].tolist() == [10, 0.1, 0]
    gain = 0.3 - 0.04 * np.arange(tasks)
    lost = 0.3 - 0.09 * np.arange(tasks)
    agree(fig_si_transfer, data, {
        "gain": (gain.mean(), 0.03, None),
        "gain-earlier": (gain[:-1].mean(), 0.03, None),
        "transfer": (lost[1:].mean(), -0.08, None), "end-kept": 0.825,
        "end-plain": 0.625, "end-separate": 0.75,
        "transfer-other": 0.7 - alone[1:].mean()})


def test_published_transfer_between_tasks():
    """The numbers are means of the published accuracies on six tasks."""
    claims = {claim.id: claim for claim in fig_si_transfer.claims("full")}
    for prefix in ("", "cifar-"):
        assert [claims[prefix + key].published.value for key in (
            "gain", "gain-earlier", "transfer", "end-kept", "end-plain", "end-separate")
            ] == [0.095, 0.131, 0.015, 0.72, 0.625, 0.711]
    assert claims["cifar-end-other"].published.value == 0.735
    assert claims["cifar-transfer-other"].published.value == 0.041
    assert claims["pairs-gain"].low == 0.02
