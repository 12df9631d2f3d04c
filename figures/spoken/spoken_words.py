"""Make or read the data sets of spoken digits for the figures of [CSSZ20].

By default, the words are synthetic: `speech` plans words, `formants` synthesises
sound, and the cochlea model converts the sound to spikes of 70 channels.  Each
word depends only on the seed and on its own index.  Each call of the job `part`
therefore makes a share of the words, and the function `joined` combines the
shares.  The job `recorded` converts recordings of the Free Spoken Digit Dataset
(FSDD), and `stored` reads files in the format of the Spiking Heidelberg Digits
(SHD).
"""

import functools
import os
import pathlib
from typing import NamedTuple

import h5py
import numpy as np

from figures.run import colours, seeds
from figures.spoken import formants, speech
from refsnn import audio, basilar, binning, cochlea, events

CHANNELS, RATE = 70, 48000  # channels of synthetic words; sampling rate, Hz
FINER = 210                 # channels of recordings with --full
PARTS = 4                   # number of jobs that make a data set
HELD_OUT = (4, 5)           # speakers in the test set only, as in SHD
SPEAKERS = {"quick": 6, "default": 12}
REPEATS = {"quick": 1, "default": 6}                # utterances of a digit by a speaker
SHARE = 0.1                 # share of test words among the words of other speakers
# Padded lengths of sounds, in steps at 24 kHz, with small prime factors for the FFT.
LENGTHS = (9600, 12000, 14400, 16200, 18000, 20000, 24000)
TOGETHER = 16               # number of words of CHANNELS channels in memory at once
TESTED = 5                  # recordings 0 ... 4 of a digit and speaker are test words
AT_ONCE = 2000              # number of words that are read from a file at once
MOVED = "synthetic to fsdd"         # data set: synthetic training words, FSDD for tests
TITLES = {"synthetic": "synthetic digits", "fsdd": "Free Spoken Digit Dataset",
          "shd": "Spiking Heidelberg Digits", "ssc": "Spiking Speech Commands"}
SHORT = TITLES | {"fsdd": "FSDD", "shd": "SHD", "ssc": "SSC"}       # in claims
SETS = ("training words", "held-out recordings of known speakers", "held-out speakers")
LOOKS = dict(zip(SETS, ((colours.GREY, "s"), (colours.ORANGE, "o"),
                        (colours.VERMILION, "^")), strict=True))


class Words(NamedTuple):
    """Hold the events of N words; the events of each word are sorted by time."""

    times: list             # times (E,) of each word, s
    units: list             # channels (E,) of each word
    label: np.ndarray       # (N,) class of each word
    speaker: np.ndarray     # (N,) number of the speaker of each word
    test: np.ndarray        # (N,) bool, whether the word is in the test set
    duration: np.ndarray    # (N,) duration of the sound, s
    channels: int


# ---- from sound to spikes ------------------------------------------------------

@functools.cache
def _response(channels, n):
    """Return the transfer function of the membrane at n frequencies.

    The frequencies go from 1 Hz to RATE / 2.
    """
    table = basilar.table(basilar.places(channels))
    return basilar.interpolate(table, np.linspace(1.0, RATE / 2, n))


def membrane(sound, channels=CHANNELS):
    """Return the velocity of the membrane, of shape (T, channels).

    The sound is sampled at 48 kHz, and the velocity at 24 kHz.  Silence is appended up
    to the next length in LENGTHS, so that the transfer function is computed only once
    for each length.
    """
    x, steps = audio.prepare(sound, RATE), len(sound) // 2 + 1
    n = next((length for length in LENGTHS if length >= steps), steps)
    x = np.pad(x, (0, max(2 * n - 1 - len(x), 0)))
    if n not in LENGTHS:
        table = basilar.table(basilar.places(channels))
        return cochlea.velocity(x, RATE, functools.partial(basilar.interpolate, table),
                                channels)
    answer = _response(channels, n)
    return cochlea.velocity(x, RATE, lambda f, some: answer[:, some], channels)[:steps]


def hear(sounds, generators, channels=CHANNELS):
    """Convert sounds to spikes; return a list of the pairs (times, units)."""
    order, found = np.argsort([len(sound) for sound in sounds]), [None] * len(sounds)
    together = max(1, TOGETHER * CHANNELS // channels)
    for first in range(0, len(sounds), together):
        some = order[first:first + together]
        moved = [membrane(sounds[i], channels) for i in some]
        v = np.zeros((len(moved[-1]), len(some) * channels))
        for k, own in enumerate(moved):
            v[:len(own), k * channels:(k + 1) * channels] = own
        P = cochlea.firing_probability(v, 2 / RATE, out=v)
        streams = [s for i in some for s in generators[i].spawn(channels)]
        steps, places = cochlea.bushy(cochlea.fibres(P, 2 / RATE, streams), 2 / RATE)
        for k, i in enumerate(some):
            own = (places // channels == k) & (steps < len(moved[k]))
            found[i] = steps[own] * (2 / RATE), places[own] % channels
    return found


def packed(events, **more):
    """Join the events of all words into one array of times and one array of units.

    The returned dict also holds the number of events of each word, and all
    entries of `more`.
    """
    times, units = zip(*events, strict=True)
    return {"times": np.concatenate(times).astype(np.float32),
            "units": np.concatenate(units).astype(np.uint16),
            "count": np.array([len(t) for t in times]), **more}


def say(plan, generator):
    """Synthesise the sound of a word from its plan."""
    return formants.synthesise(*plan.tracks, generator, **plan.voice)


def part(seed, speakers, repeats, first, parts=PARTS):
    """Make one part of the synthetic data: every `parts`-th word, from word `first` on.
    """
    plans = schedule(seed, speakers, repeats)
    index = np.arange(first, len(plans.label), parts)
    said = [speech.utterance(plans, int(i)) for i in index]
    sounds = [say(*one) for one in said]
    return packed(hear(sounds, [generator for _, generator in said]), index=index,
                  label=plans.label[index], speaker=plans.speaker[index],
                  test=np.isin(index, plans.test),
                  duration=np.array([len(sound) / RATE for sound in sounds]))


def schedule(seed, speakers, repeats):
    """Return the speaker, the digit and the set of each word."""
    number = int(seeds.rng(seed, "spoken", "data", 0).integers(2 ** 31))
    return speech.schedule(number, speakers, repeats, HELD_OUT, SHARE)


# ---- recordings ----------------------------------------------------------------

def recorded(folder, channels, first, seed, parts=PARTS):
    """Convert every `parts`-th sound file of a folder to spikes, from file `first` on.

    The files are named DIGIT_SPEAKER_INDEX.wav.
    """
    names = sorted(path.stem for path in pathlib.Path(folder).glob("?_*_*.wav"))
    if not names:
        raise ValueError(f"folder is {folder}: must have DIGIT_SPEAKER_INDEX.wav")
    who = sorted({name.split("_")[1] for name in names})
    index = np.arange(first, len(names), parts)
    sounds, rows = [], []
    for name in (names[i] for i in index):
        digit, speaker, take = name.split("_")
        samples, rate = audio.read(os.path.join(folder, f"{name}.wav"))
        sounds.append(audio.resample(samples, rate, RATE))
        rows.append((int(digit), who.index(speaker), int(take)))
    label, speaker, take = np.array(rows).T
    generators = [seeds.rng(seed, "spoken", "fsdd", int(i)) for i in index]
    return packed(hear(sounds, generators, channels), index=index, label=label,
                  speaker=speaker, channels=channels,
                  test=(take < TESTED) | np.isin(speaker, HELD_OUT),
                  duration=np.array([len(sound) / RATE for sound in sounds]))


def stored(folder, name):
    """Read the words of NAME_train.h5 and NAME_test.h5, in the format of SHD.

    If a file does not name speakers, all its words have speaker 0.
    """
    found = {}
    for kind in ("train", "test"):
        path = os.path.join(folder, f"{name}_{kind}.h5")
        with h5py.File(path, "r") as file:
            count = len(file["labels"])
        for start in range(0, count, AT_ONCE):
            some = events.read(path, start=start, stop=min(start + AT_ONCE, count))
            for key, values in (
                    ("times", [t.astype(np.float32) for t in some.times]),
                    ("units", [u.astype(np.uint16) for u in some.units]),
                    ("label", some.labels), ("speaker", np.zeros_like(
                        some.labels) if some.speaker is None else some.speaker),
                    ("test", [kind == "test"] * len(some.times))):
                found.setdefault(key, []).extend(values)
    last = [float(t[-1]) if len(t) else 0.0 for t in found["times"]]
    return Words(found["times"], found["units"], *(
        np.array(found[key]) for key in ("label", "speaker", "test")),
        np.array(last), 700)


# ---- data sets -----------------------------------------------------------------

def data_jobs(size, seed, data):
    """Return a dict that maps the name of each data set to (jobs, folder).

    The jobs make the data set.  The folder holds the files of a stored data set, and is
    None for all other data sets.
    """
    if size != "full":
        return {"synthetic": ([(part, {
            "seed": seed, "speakers": SPEAKERS[size], "repeats": REPEATS[size],
            "first": first}) for first in range(PARTS)], None)}
    files = [name for name in ("shd", "ssc")
             if os.path.isfile(os.path.join(data or "", f"{name}_train.h5"))]
    if files:
        return {name: ([], data) for name in files}
    folder = os.path.join(data or "", "fsdd")
    if not os.path.isdir(folder):
        raise ValueError(f"data is {data!r}: must have shd_train.h5 and shd_test.h5, "
                         "or a folder fsdd")
    return {"fsdd": (record_jobs(seed, folder, FINER), None)}


def record_jobs(seed, folder, channels):
    """Return the jobs that convert sound recordings to spikes."""
    return [(recorded, {"folder": folder, "channels": channels, "first": first,
                        "seed": seed}) for first in range(PARTS)]


def transfer_jobs(seed, folder):
    """Return the jobs that make synthetic training words and recorded test words."""
    made, _ = data_jobs("default", seed, None)["synthetic"]
    return made + record_jobs(seed, folder, CHANNELS)


def words(name, folder, before):
    """Return the data set `name`.

    The data set is read from files or joined from the results of earlier jobs.
    """
    if name == MOVED:
        return moved(joined(before[:PARTS]), joined(before[PARTS:]))
    return stored(folder, name) if folder is not None else joined(before)


def moved(made, real):
    """Return a data set that trains on synthetic words and tests on recorded words.

    The training words are the English words of `made`, and the test words are all words
    of `real`.
    """
    own = np.flatnonzero(made.label < 10)
    return Words([made.times[i] for i in own] + real.times,
                 [made.units[i] for i in own] + real.units,
                 np.append(made.label[own], real.label),
                 np.append(made.speaker[own], real.speaker + 1 + made.speaker.max()),
                 np.arange(len(own) + len(real.label)) >= len(own),
                 np.append(made.duration[own], real.duration), made.channels)


def joined(parts):
    """Join the words of all parts, and sort the words by their index."""
    label, speaker, test, index, duration, count = (
        np.concatenate([p[name] for p in parts])
        for name in ("label", "speaker", "test", "index", "duration", "count"))
    order, cuts = np.argsort(index), np.cumsum(count)[:-1]
    times, units = (np.split(np.concatenate([p[name] for p in parts]), cuts)
                    for name in ("times", "units"))
    return Words([times[i] for i in order], [units[i] for i in order], label[order],
                 speaker[order], test[order], duration[order],
                 int(parts[0].get("channels", CHANNELS)))


def sets(words):
    """Return three arrays of word indices, one for each set of words in `SETS`.

    Known speakers are the speakers of the training words.
    """
    known = np.isin(words.speaker, words.speaker[~words.test])
    return [np.flatnonzero(which) for which in
            (~words.test, words.test & known, words.test & ~known)]


def tested(data, name, condition):
    """Return the accuracies of a condition on all test words, of shape (repeats,)."""
    size = data[f"{name} size"][1:].astype(float)
    return np.nan_to_num(data[f"{name} {condition}"][:, 1:]) @ (size / size.sum())


def runs(count):
    """Return the number of training runs as a text for claims, such as "3 runs"."""
    return f"{count} run" + "s" * (count != 1)


def counts(words):
    """Return the number of spikes in each channel for each word.

    The result is of shape (N, channels).
    """
    return np.array([np.bincount(u, minlength=words.channels) for u in words.units],
                    float)


def binned(words, index, dt, longest):
    """Return the spike counts of the words in `index`, in time steps of `dt` seconds.

    The result is of shape (T, B, channels).  The counts are float32.  Events after
    `longest` seconds are dropped.
    """
    choices = binning.Binning(0.0, longest, dt, "left", "count", "drop", "keep")
    return binning.dense([words.times[i] for i in index],
                         [words.units[i] for i in index], words.channels, choices,
                         dtype=np.float32)
