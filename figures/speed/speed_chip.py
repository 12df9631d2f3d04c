"""Measure the speed of the chip emulation and of the cochlea, for `fig_speed`.

As in [CB22], a network of 256-246-10 neurons receives images of 16x16 pixels,
in 20 steps of 1.7 microseconds and batches of 100 images.  The module
`fast.lif` runs the network without hardware constraints.  The module `chip`
emulates the network with the effects of a calibrated chip, in steps of 0.1
microseconds.  A training step in the loop consists of the emulation, the
gradient and the Adam update.  The chip itself takes 11.8 microseconds and
2.4 microjoules to process an image.  The module `cochlea` converts one second
of sound into spikes of 700 channels.  The measured time includes the
computation of the table of membrane responses.  If the published software
lauscher is installed, lauscher converts 0.2 s of sound.
"""

import functools
import importlib.util
import time
import tracemalloc

import numpy as np

from figures.chip import chip_images
from figures.run import seeds
from figures.run.claims import at_least, at_most, reported
from figures.train import fast_training
from refsnn import audio, basilar, chip, cochlea
from refsnn.fast import lif as fast_lif

TASK, SOUND = "chip", "cochlea"
TASKS = (TASK, SOUND)
BATCH, IMAGES = 100, 60_000
IDEAL, EMULATED, STEP = ("refsnn, ideal", "refsnn, emulated chip",
                         "refsnn, step of training in the loop")
OURS, LAUSCHER = "refsnn, 1 s of sound", "lauscher, 0.2 s of sound"
PUBLISHED_S, PUBLISHED_J = 11.8e-6, 2.4e-6      # time and energy of the chip per image
RATE, CLIP = 48_000, 9_600                      # Hz, samples for lauscher


def network(seed):
    """Return the weights and the input of the network.

    The input is of shape (T, B, 256).  With these weights, a tenth of the neurons
    spike.
    """
    generator = seeds.rng(seed, "speed", TASK, 0)
    weights = chip_images.begin(generator, chip_images.HIDDEN["mnist"]).weights
    hidden = weights.hidden + 0.03 * generator.standard_normal(weights.hidden.shape)
    images = generator.random((BATCH, 256)) * (generator.random((BATCH, 256)) < 0.4)
    x = chip_images.coded(images.astype(np.float32))
    return weights._replace(hidden=hidden.astype(np.float32)), x


def sound(seed):
    """Return a synthetic vowel of one second with noise, faded in and out."""
    generator, t = seeds.rng(seed, "speed", SOUND, 0), np.arange(RATE) / RATE
    tones = sum(np.sin(2 * np.pi * f * t) for f in (150, 800, 2500))
    return audio.prepare(tones + 0.3 * generator.standard_normal(RATE), RATE)


def convert(x, channels=700):
    """Convert a sound into spikes; return the times and the units of the spikes."""
    table = basilar.table(basilar.places(channels))
    return cochlea.convert(x, basilar.response(table), channels,
                           np.random.default_rng(0))


def lauscher(x):
    """Return a function that converts a sound into spikes with the library lauscher."""
    from lauscher.audiowaves import MonoAudioWave
    from lauscher.helpers import CommandLineArguments
    from lauscher.transformations.wave2spike import Wave2Spike
    CommandLineArguments().num_concurrent_jobs = 1
    return lambda: MonoAudioWave(x[:CLIP].copy(), RATE).transform(
        Wave2Spike(num_channels=700))


def contenders(task, seed, threads=1):
    """Return pairs (name, build) of all contenders in a task, for `speed_workers`."""
    if task == SOUND:
        return [(OURS, lambda: (functools.partial(convert, sound(seed)), None))]
    (weights, x), rule = network(seed), chip_images.Rule()
    drawn = chip.draw(seed, chip.CALIBRATED)
    run = chip_images.on_chip(drawn, np.random.default_rng(seed))
    labels = np.arange(BATCH) % 10
    events = fast_training.events(x)
    learner = chip_images.Learner(weights, (None, None, None))

    def step():
        d = chip_images.gradient(run, learner.weights, x, labels, rule, None)[1]
        return chip_images.step(learner, d, 1e-3, True)

    ideal = functools.partial(fast_lif.scores, events, weights.hidden, weights.readout,
                              steps=len(x), alpha=chip_images.DECAY,
                              beta=chip_images.DECAY, reset="zero")
    return [(IDEAL, lambda: (ideal, None)), (STEP, lambda: (step, None)),
            (EMULATED, lambda: (functools.partial(run, weights, x), None))]


def memory(seed):
    """Return a dict that maps each contender to its peak memory in bytes.

    Each contender converts two seconds of sound.
    """
    tracemalloc.start()
    convert(np.tile(sound(seed), 2))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return {OURS: peak}


def installed():
    """Return whether the library lauscher is installed."""
    return importlib.util.find_spec("lauscher") is not None


def peer(seed):
    """Run the library lauscher once; return a list with one row of results.

    The list is empty if lauscher is not installed.
    """
    if not installed():
        return []
    run, start = lauscher(sound(seed)), time.perf_counter()
    run()
    return [(SOUND, LAUSCHER, 1, *[time.perf_counter() - start] * 3)]


def claims(found, taken):
    """Return the claims on the median times and on the peak memory.

    The times are in seconds, and the memory is in bytes.

    found : {(task, name, threads): seconds}.
    taken : {name: bytes}.
    """
    ideal, emulated, step = (found[TASK, name, 1] for name in (IDEAL, EMULATED, STEP))
    energy = PUBLISHED_J * BATCH / ideal
    made = [
        reported("chip, ideal software: images per second on one core",
                 BATCH / ideal, 1 / PUBLISHED_S),
        reported("chip, ideal software: images per second on one core / images per "
                 "second of the chip", PUBLISHED_S * BATCH / ideal, 1.0),
        reported("chip, ideal software: power of a core (W) that needs as much energy "
                 "per image as the chip (2.4 uJ)", energy),
        reported("chip, emulated: images per second on one core",
                 BATCH / emulated, 1 / PUBLISHED_S),
        reported("chip, training in the loop: time of an epoch of 60,000 images on "
                 "one core (s)", IMAGES / BATCH * step),
        reported("cochlea: time for 1 s of sound, 700 channels, on one core (s)",
                 found[SOUND, OURS, 1]),
        at_most("cochlea: peak memory for 2 s of sound (GB)", taken[OURS] / 1e9, 1.0)]
    if (SOUND, LAUSCHER, 1) in found:
        made.append(at_least(
            "cochlea: time of lauscher / time of refsnn, for sound of the same length",
            found[SOUND, LAUSCHER, 1] * RATE / CLIP / found[SOUND, OURS, 1], 100))
    return made


def title(task):
    """Return the title of the panel of a task."""
    return "chip, 256-246-10, 20 steps, batch 100" if task == TASK \
        else "sound to spikes, 700 channels"
