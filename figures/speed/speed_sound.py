"""Measure the speed of converting sound into spikes.

The package refsnn is compared with the library lauscher.  In refsnn, the measured time
includes the computation of the frequency responses of the basilar membrane.  All
numbers are float64.
"""

import functools

import numpy as np

from figures.run import seeds
from figures.speed.speed_workers import installed
from refsnn import audio, basilar, cochlea

TASK, OURS = "cochlea", "refsnn"
TASKS = {TASK: "0.2 s of sound to spikes, 700 channels"}
RATE_HZ, SAMPLES, CHANNELS = 48_000, 9_600, 700


def sound(seed):
    """Return a synthetic vowel with noise."""
    generator, t = seeds.rng(seed, "speed", TASK, 0), np.arange(SAMPLES) / RATE_HZ
    tones = sum(np.sin(2 * np.pi * f * t) for f in (150, 800, 2500))
    return audio.prepare(tones + 0.3 * generator.standard_normal(SAMPLES), RATE_HZ)


def refsnn(x):
    """Convert a sound into spikes with refsnn."""
    table = basilar.table(basilar.places(CHANNELS))
    return cochlea.convert(x, basilar.response(table), CHANNELS,
                           np.random.default_rng(0))


def lauscher(x):
    """Return a conversion function of lauscher."""
    from lauscher.audiowaves import MonoAudioWave
    from lauscher.helpers import CommandLineArguments
    from lauscher.transformations.wave2spike import Wave2Spike
    CommandLineArguments().num_concurrent_jobs = 1
    return lambda: MonoAudioWave(x.copy(), RATE_HZ).transform(
        Wave2Spike(num_channels=CHANNELS))


PEERS = {"lauscher": ("lauscher", lauscher)}


def contenders(task, seed, threads):
    """Return a dict {name: build}."""
    builders = {OURS: lambda x: functools.partial(refsnn, x)} | {
        name: PEERS[name][1] for name in installed(PEERS)}
    return {name: functools.partial(build, sound(seed))
            for name, build in builders.items()}
