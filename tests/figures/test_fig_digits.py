"""The figure on digits: a training in parts, and the penalty on spikes."""

from numpy.testing import assert_array_equal

from figures.surrogate import fig_digits as figure

ONE = {"folder": None, "followed": False, "steepness": 100.0, "rate": 2e-3,
       "batch": 64, "seed": 0, "repeat": 0, "epochs": 3, "hidden": 20}


def test_parts_of_a_training_give_what_the_whole_gives():
    for task, fade in (("digits", True), (figure.FEWER, False)):
        whole = figure.learn(task, fade=fade, **ONE)
        first = figure.learn(task, fade=fade, first=0, last=1, **ONE)
        second = figure.learn(task, fade=fade, first=1, last=3, before=first, **ONE)
        data = figure.gather([first, second])
        for name in ("train_loss", "train_accuracy", "test_accuracy"):
            assert_array_equal(data[name][0][0], whole[name])
        assert whole["train_loss"][2] < whole["train_loss"][0]
        assert_array_equal(data["record"], whole["record"])


def test_the_penalty_reduces_spikes(monkeypatch):
    def counts():
        found = figure.learn(figure.FEWER, fade=False, **{**ONE, "rate": 1e-2})
        return found["hidden"].sum()

    few = counts()
    monkeypatch.setattr(figure, "STRENGTH", 0.0)
    assert few < 0.8 * counts()


def test_full_runs_are_chains_of_short_jobs():
    listed = figure.jobs("full", 0, "folder", repeats=2)
    assert len(listed) == 2 * 3 * 3
    for k, (_, kwargs, *index) in enumerate(listed):
        assert index == ([] if k % 3 == 0 else [k - 1])
        assert (kwargs["first"], kwargs["last"]) == (10 * (k % 3), 10 * (k % 3) + 10)
    assert {kwargs["folder"] for _, kwargs, *_ in listed
            if kwargs["task"] == figure.FEWER} == {"folder/fashion_mnist"}
