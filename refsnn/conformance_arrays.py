# refsnn 0.1.0 | conformance_arrays.py | SPDX-License-Identifier: MIT | needs: numpy
"""Golden vectors that need no spiking layer, each with its wrong answers.

Surrogates, the loss of the maximum over time and the binning of events, as
`Vector`s of `conformance_spikes`.
"""

import numpy as np

from refsnn import encoding, losses, surrogates
from refsnn.conformance_spikes import Mutant, Vector, numbers

__all__ = ["ARRAYS"]


def _surrogates():
    """Seven bumps of peak 1, and what tools of the same name have."""
    v, k = np.linspace(-1.7, 1.9, 36), 2.5
    z = k * np.abs(v)
    right = {name: f(v, k)[1] for name, f in surrogates.SURROGATES.items()}
    mutants = [
        Mutant("surrogate without +1", "", {"fast_sigmoid": z ** -2.0}),
        Mutant("square forgotten: 1/(1 + z)", "", {"fast_sigmoid": 1 / (1 + z)}),
        Mutant("times the steepness: peak k, not 1", "fzenke/spytorch#2",
               {name: k * bump for name, bump in right.items()}),
        Mutant("scaled to unit area", "", {
            "sigmoid": k / 4 * right["sigmoid"], "triangle": k * right["triangle"],
            "gaussian": k / (2 * np.pi) ** 0.5 * right["gaussian"],
            "arctan": k / np.pi * right["arctan"], "slayer": k / 2 * right["slayer"],
            "boxcar": k / 2 * right["boxcar"],
            "fast_sigmoid": k / 2 * right["fast_sigmoid"]}),
        Mutant("steepness ignored", "", {
            name: f(v, 1.0)[1] for name, f in surrogates.SURROGATES.items()}),
        Mutant("primitive, not derivative", "fangwei123456/spikingjelly#215", {
            name: f(v, k)[0] for name, f in surrogates.SURROGATES.items()}),
        Mutant("width pi k/2, as other tools define it", "spikingjelly, snntorch ATan",
               {"arctan": surrogates.arctan(v, np.pi / 2 * k)[1]})]
    return Vector("surrogates", "derivatives f' of steepness k at v, peak 1: "
                  "refsnn.surrogates, (1)-(7)", {"v": v, "steepness": k}, right,
                  mutants, False)


def _max_loss():
    """Cross entropy of the maximum over time, with tied steps."""
    record = np.round(8 * numbers([11, 0], 12, 4, 3) - 3)
    labels = np.array([0, 2, 1, 2])

    def loss(record, reduction="max"):
        return dict(zip(("loss", "drecord"), losses.cross_entropy(
            record, labels, reduction), strict=True))

    right = loss(record)
    top = record == record.max(axis=0)
    scores = right["drecord"].sum(axis=0)
    rolled = loss(record[::-1])["drecord"][::-1]
    mutants = [
        Mutant("first of the tied steps, not the last", "PyTorch max", {
            "drecord": rolled}),
        Mutant("tied steps share the derivative", "PyTorch amax, JAX max", {
            "drecord": top * scores / top.sum(axis=0)}),
        Mutant("all tied steps get the whole derivative", "", {
            "drecord": top * scores}),
        Mutant("sum over time, not the maximum", "", loss(record, "sum")),
        Mutant("last step, not the maximum", "", loss(record, "last")),
        Mutant("softmax at each step, then the mean over time", "", dict(zip(
            ("loss", "drecord"), _each_step(record, labels), strict=True))),
        Mutant("summed, not averaged, over the batch", "", {
            "loss": 4 * right["loss"], "drecord": 4 * right["drecord"]}),
        Mutant("softmax twice", "", dict(zip(("loss",), [_twice(record, labels)],
                                             strict=True)))]
    return Vector("max_over_time", "cross entropy of the maximum over time, mean over "
                  "the batch, nats; the last of tied steps carries the derivative: "
                  "refsnn.losses.cross_entropy, (1), (4), (5)",
                  {"record": record, "labels": labels}, right, mutants, False)


def _each_step(record, labels):
    """Cross entropy of every step, averaged."""
    pairs = [losses.cross_entropy(row[None], labels) for row in record]
    return (np.mean([loss for loss, _ in pairs]),
            np.concatenate([d for _, d in pairs]) / len(record))


def _twice(record, labels):
    """The loss of softmax scores, handed to a softmax again."""
    scores = np.exp(record.max(axis=0))
    return losses.cross_entropy((scores / scores.sum(axis=1, keepdims=True))[None],
                                labels)[0]


def _binning():
    """Events in seconds as counts, in bins of dt from 0 on."""
    T, m, dt, E = 280, 5, 5e-3, 300
    times = np.sort(0.012 + 1.38 * (numbers([12, 0], E) + numbers([12, 1], E) / 64))
    units = (5 * numbers([12, 2], E)).astype(int)
    times[30], units[30] = times[29], units[29]

    def bins(times=times, dt=dt, start=0.0, duplicates="count"):
        return {"counts": encoding.bin_events(
            times, units, T, m, dt=dt, start=start, outside="drop",
            duplicates=duplicates)}

    halves = times.astype(np.float16).astype(float)
    span = (times[-1] - times[0]) / T
    mutants = [
        Mutant("float16 times", "neuromorphs/tonic#321", bins(halves)),
        Mutant("counts clipped to one spike", "", bins(duplicates="clip")),
        Mutant("bins numbered from 1: bin 0 is always empty", "SpyTorch tutorial 4",
               bins(start=-dt)),
        Mutant("time starts at the first event", "fangwei123456/spikingjelly#361",
               bins(times - times[0])),
        Mutant("edges from the first and last event", "neuromorphs/tonic#264",
               bins(times - times[0], dt=span)),
        Mutant("rounded to the nearest step, not down", "", bins(times + dt / 2)),
        Mutant("dt not equal to the bin: half of it", "SpyTorch tutorial 4",
               bins(dt=dt / 2))]
    return Vector("binning", "events (s, unit) counted in T bins [t dt, (t + 1) dt): "
                  "refsnn.encoding.bin_events, (4), (5)",
                  {"times": times, "units": units, "T": T, "m": m, "dt": dt}, bins(),
                  mutants, False)


ARRAYS = {      # name: function
    "surrogates": _surrogates, "max_over_time": _max_loss, "binning": _binning}
