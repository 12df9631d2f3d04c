r"""Plan utterances of English and German digits by many random speakers.

The utterances replace the recordings of the Spiking Heidelberg Digits (SHD)
[CSSZ20].  The utterances have the same 20 classes and any number of
speakers, of whom two are held out by default.  A word is a sequence of
sounds (`WORDS`), and each sound has a row of acoustic parameters
(`PHONEMES`).  A plan holds tracks, which are time courses of these
parameters.  The function `formants.synthesise` converts tracks to sound.
Between the targets y of two successive sounds, a track changes linearly
during the glide of the later sound.  Let `next` be the duration of the glide
of the next sound.  A track is then

    y(t) linear through (start + glide/2, y) and (stop - next/2, y)   (1)

If a sound is too short for its glides, points that would pass the middle of
the sound are moved to the middle.  The table lists the formants of a vocal
tract of 17.5 cm.  A speaker with another tract length has the formants

    F = 0.175 m / length * accent * F_table                      (2)

where `accent` is a random factor of the speaker and the formant.  The centre
frequencies of friction noise are proportional to the square root of
0.175 m / length.  Pitch falls during a word of duration T,

    f0 = pitch * 2^(fall (0.4 - t / T) + wander)                 (3)

The test set holds all utterances of the held-out speakers.  Of the
utterances of the other speakers, the test set holds

    round(share * utterances), at least 1, of every class        (4)

The following code writes utterance 100 of a data set to a sound file::

    p, rng = speech.utterance(speech.schedule(seed=1), 100)
    audio = formants.synthesise(*p.tracks, rng, **p.voice)
    scipy.io.wavfile.write("word.wav", 48000, audio.astype("float32"))

Derivation.  The equations are not derived.  The targets and levels are
    rounded values for an adult male, from common knowledge of formants.
Approximate.  No parameter is fitted to recordings.  Speakers are adults.
    Speakers differ in pitch, tract length, rate, loudness, breathiness,
    noise and vowels, but not in dialect.  The utterances of a speaker vary
    in durations, formants, levels and pitch.
Cost.  Planning takes 0.3 ms.  An utterance depends only on the seed, speaker,
    word and repetition, so that each utterance can be made separately.
Departures.  [CSSZ20] recorded twelve people.

[CSSZ20] B. Cramer and others, arXiv 1910.07407.
"""

import math
from typing import Any, Dict, List, NamedTuple, Tuple

import numpy as np

__all__ = ["Plan", "Schedule", "Speaker", "Tracks", "plan", "schedule", "speakers",
           "utterance"]

STEP = 0.005                    # from one row of tracks to the next, s
LASTS = 0.3, 1.0                # a word with its margins, s
RANGES = {"length": (0.08, 0.25), "pitch": (40, 600), "rate": (0.3, 3),
          "loudness": (1e-4, 0.5), "breath": (0, 1), "background": (0, 10)}

# Classes in the order of their labels: 0-9 English, 10-19 German.  Sounds are
# in SAMPA, with these exceptions: _ is the closure before a burst, + is an
# aspirated release, j w y are the second halves of diphthongs, r is the English
# r, R is the German r, and A is the vowel of "acht".
WORDS = {
    "zero": "z I r o w", "one": "w V n", "two": "t_ t t+ u", "three": "T r i",
    "four": "f O r", "five": "f a j v", "six": "s I k_ k s",
    "seven": "s E v @ n", "eight": "e j t_ t t+", "nine": "n a j n",
    "null": "n U l", "eins": "a j n s", "zwei": "t_ t s v a j",
    "drei": "d_ d R a j", "vier": "f i 6", "fuenf": "f Y n f",
    "sechs": "z E k_ k s", "sieben": "z i b_ b @ n", "acht": "A x t_ t t+",
    "neun": "n O y n"}

# Columns: duration of the sound, and of the glide into the sound, ms; three
# formants, Hz; voice, aspiration and nose, 0 to 1; level of the friction noise
# (1 is as loud as a vowel); centre and width of the noise band, Hz.
TABLE = """
-    70  50    500 1500 2500   0    0    0   0       0    0
i   205  60    290 2250 2950   1    0    0   0       0    0
I   120  50    400 1950 2550   1    0    0   0       0    0
e   130  50    460 2000 2550   1    0    0   0       0    0
E   145  50    560 1780 2480   1    0    0   0       0    0
a   155  50    740 1300 2450   1    0    0   0       0    0
A   155  50    750 1220 2450   1    0    0   0       0    0
V   155  60    640 1200 2400   1    0    0   0       0    0
O   155  60    560  880 2400   1    0    0   0       0    0
o   145  60    470  930 2350   1    0    0   0       0    0
u   215  60    310 1000 2250   1    0    0   0       0    0
U   130  60    390 1020 2300   1    0    0   0       0    0
w    85  90    320  800 2250   1    0    0   0       0    0
j   110 110    370 2050 2600   1    0    0   0       0    0
y   110 110    380 1600 2250   1    0    0   0       0    0
Y   130  50    390 1500 2200   1    0    0   0       0    0
@    60  50    500 1450 2450   1    0    0   0       0    0
6   130 100    620 1250 2450   1    0    0   0       0    0
r    95  80    340 1150 1650   0.8  0    0   0       0    0
R    70  50    450 1100 2250   0.6  0.2  0   0.10 1300  900
l   130  40    350 1250 2650   0.7  0    0   0       0    0
n   110  30    290 1500 2400   0.5  0    1   0       0    0
v    85  40    300 1100 2200   0.5  0    0   0.06 7000 8000
z   110  40    300 1600 2550   0.4  0    0   0.20 6500 3500
s   155  40    320 1650 2600   0    0    0   0.40 6500 3500
f   130  40    320 1100 2200   0    0    0   0.08 7000 9000
T   130  40    320 1350 2550   0    0    0   0.06 7500 5000
x   130  50    600 1250 2400   0    0.4  0   0.30 1300  900
t_   85  30    320 1750 2650   0    0    0   0       0    0
t    15  20    320 1750 2650   0    0.1  0   0.40 4500 4000
t+   55  40    400 1700 2600   0    0.6  0   0.06 4500 4000
k_   85  30    320 1900 2300   0    0    0   0       0    0
k    20  20    350 1900 2300   0    0.2  0   0.40 2000 1200
d_   60  30    250 1750 2650   0.2  0    0   0       0    0
d    10  20    300 1750 2650   0.3  0    0   0.30 4000 4000
b_   60  30    220 1000 2200   0.2  0    0   0       0    0
b     8  20    300 1000 2250   0.3  0    0   0.15  900 1500
"""
PHONEMES = {row.split()[0]: tuple(map(float, row.split()[1:]))
            for row in TABLE.strip().splitlines()}


class Speaker(NamedTuple):
    """Hold the parameters of one voice."""

    gender: str             # "female" or "male"
    age: int                # years
    height: float           # m
    length: float           # of the vocal tract, m
    pitch: float            # Hz
    rate: float             # of speaking, 1 in the mean
    loudness: float         # rms of a word, full scale is 1
    breath: float           # 0 pressed ... 1 breathy
    background: float       # rms of its noise, 1 is as loud as a vowel
    accent: np.ndarray      # factors of the formants, (phonemes, 3)


class Tracks(NamedTuple):
    """Hold the noises of an utterance and the tracks, which have one row every 5 ms."""

    pitch: np.ndarray       # (K,) Hz
    formants: np.ndarray    # (K, 3) Hz
    parts: np.ndarray       # (K, 3) voice, aspiration, nose: 0 to 1
    noises: np.ndarray      # (N, 5) start and stop in s, level, centre, width


class Plan(NamedTuple):
    """Hold the plan of an utterance.

    ``formants.synthesise(*plan.tracks, rng, **plan.voice)`` returns the sound.
    """

    sounds: List[Tuple[str, float, float]]      # name, start and stop in s
    tracks: Tracks
    voice: Dict[str, Any]                       # length, breath, background, loudness


class Schedule(NamedTuple):
    """Hold the utterances of a data set, split into a training set and a test set."""

    seed: int
    speaker: np.ndarray     # (N,) int64
    label: np.ndarray       # (N,) int64; the words are `list(WORDS)`
    repeat: np.ndarray      # (N,) int64
    train: np.ndarray       # indices of utterances, ascending
    test: np.ndarray


def _integer(name, value, least, beyond=2 ** 63):
    if not isinstance(value, (int, np.integer)) or isinstance(value, bool) \
            or not least <= value < beyond:
        raise ValueError(f"{name} is {value!r}: must be an integer in "
                         f"[{least}, {beyond})")
    return int(value)


def _generator(seed, *address):
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=address))


def _source_of(rng):
    if not isinstance(rng, np.random.Generator):
        raise ValueError(f"rng is {rng!r}: must be a numpy.random.Generator")


def _is(name, value, kind):
    if not isinstance(value, kind):
        raise ValueError(f"{name} is {value!r:.60}: must be a {kind.__name__}")


def _within(name, value, low, high, *shape):
    """Raise an error unless a value is an array of shape `shape` within [low, high]."""
    a = np.asarray(value)
    if a.dtype.kind not in "fi" or a.shape != shape or a.size == 0 \
            or not (np.min(a) >= low and np.max(a) <= high):
        raise ValueError(f"{name} is {a.tolist()!r:.60}, of shape {a.shape}: must be "
                         f"numbers in [{low}, {high}] of shape {shape}")


def _can_speak(speaker):
    _is("speaker", speaker, Speaker)
    for name, (low, high) in RANGES.items():
        _within(f"speaker.{name}", getattr(speaker, name), low, high)
    _within("speaker.accent", speaker.accent, 0.5, 2, len(PHONEMES), 3)


def speakers(seed, count=12):
    """Sample speakers; female and male speakers alternate.

    Parameters
    ----------
    seed : int
        Seed, 0 or more.  Speaker i does not depend on `count`.
    count : int
        Number of speakers.

    Returns
    -------
    list of Speaker

    Raises
    ------
    ValueError
        If seed is not an integer of at least 0, or count is not an integer
        of at least 1.

    Examples
    --------
    >>> [s.gender for s in speakers(1, 3)]
    ['female', 'male', 'female']
    """
    seed = _integer("seed", seed, 0)
    return [_speaker(seed, i) for i in range(_integer("count", count, 1))]


def _speaker(seed, i):
    rng, female = _generator(seed, 0, i), i % 2 == 0
    size = rng.uniform(-1, 1)
    return Speaker(
        "female" if female else "male", int(rng.integers(21, 57)),
        (1.67 if female else 1.80) + 0.10 * size,
        (0.145 if female else 0.170) + 0.010 * size,
        (205.0 if female else 115.0) * 2 ** rng.uniform(-0.3, 0.3),
        2 ** rng.uniform(-0.3, 0.3), 0.06 * 2 ** rng.uniform(-0.8, 0.8),
        rng.uniform(0, 1), 10 ** rng.uniform(-2.5, -1.5),
        np.exp(0.03 * rng.standard_normal((len(PHONEMES), 3))))


def _track(starts, stops, values, glides, at):
    """Return a track that joins its target values by straight lines, eq. (1)."""
    half = np.append(glides[1:], 0) / 2
    middle = (starts + stops) / 2
    first = np.minimum(starts + glides / 2, middle)
    last = np.maximum(stops - half, middle)
    knots = np.stack([first, last], axis=1).ravel()
    return np.stack([np.interp(at, knots, np.repeat(column, 2))
                     for column in values.T], axis=1)                      # (1)


def plan(word, speaker, rng, variation=1.0):
    """Plan a random utterance of one word by one speaker, eqs. (1)-(3).

    Parameters
    ----------
    word : str
        One of `WORDS`.
    speaker : Speaker
        Speaker of the word.
    rng : numpy.random.Generator
        Random generator of the variation between utterances.
    variation : float
        Scale of the variation; 0 means no variation.  At 1, the standard
        deviations are 12 % of each duration, 7 % of the total duration, 3 %
        of each formant, 6 % of the pitch, 25 % of each noise level and 20 %
        of the loudness.

    Returns
    -------
    Plan
        Plan of an utterance of 0.3 to 1 s.

    Raises
    ------
    ValueError
        If the word is unknown, if variation is outside [0, 3], or if speaker
        or rng is invalid.

    Examples
    --------
    >>> lisa = speakers(1)[0]
    >>> p = plan("six", lisa, np.random.default_rng(2))
    >>> [name for name, start, stop in p.sounds]
    ['-', 's', 'I', 'k_', 'k', 's', '-']
    """
    if not isinstance(word, str) or word not in WORDS:
        raise ValueError(f"word is {word!r:.60}: must be one of {list(WORDS)}")
    _can_speak(speaker)
    _source_of(rng)
    if not isinstance(variation, (int, float)) or not 0 <= variation <= 3:
        raise ValueError(f"variation is {variation!r}: must be a number in [0, 3]")

    def vary(width, *shape):
        return np.exp(width * variation * rng.standard_normal(shape))

    names = ["-", *WORDS[word].split(), "-"]
    rows = np.array([PHONEMES[name] for name in names])
    accent = speaker.accent[[list(PHONEMES).index(name) for name in names]]
    lasts = rows[:, 0] / 1000 * vary(0.12, len(names)) * vary(0.07) / speaker.rate
    lasts *= np.clip(lasts.sum(), *LASTS) / lasts.sum()
    stops = np.cumsum(lasts)
    starts, glides = stops - lasts, rows[:, 1] / 1000
    steps = math.ceil(stops[-1] / STEP)
    at = np.arange(steps) * STEP
    targets = rows[:, 2:5] * accent * vary(0.03, len(names), 3) \
        * (0.175 / speaker.length)                                         # (2)
    quick = np.append(np.minimum(glides[:-1], 0.02), glides[-1])
    fall = 0.25 + 0.1 * variation * rng.uniform(-1, 1)      # octaves
    wander = 0.002 * variation * np.cumsum(rng.standard_normal(steps))
    course = fall * (0.4 - at / stops[-1]) + wander
    pitch = np.clip(speaker.pitch * vary(0.06) * 2 ** course, 30, 1200)    # (3)
    noises = np.stack([starts, stops, rows[:, 8] * vary(0.25, len(names)),
                       rows[:, 9] * vary(0.04, len(names))
                       * (0.175 / speaker.length) ** 0.5, rows[:, 10]], axis=1)
    tracks = Tracks(pitch, _track(starts, stops, targets, glides, at),
                    _track(starts, stops, rows[:, 5:8], quick, at),
                    noises[rows[:, 8] > 0])
    voice = {name: float(getattr(speaker, name))
             for name in ("length", "breath", "background")}
    voice["loudness"] = float(np.clip(speaker.loudness * vary(0.2), 1e-4, 0.5))
    return Plan(list(zip(names, starts.tolist(), stops.tolist(), strict=True)),
                tracks, voice)


def schedule(seed, count=12, repeats=10, held_out=(4, 5), share=0.05):
    """Return all utterances of a data set, with a training and a test set, eq. (4).

    Parameters
    ----------
    seed : int
        Seed of the data set.
    count, repeats : int
        Number of speakers, and number of utterances of each word by each
        speaker.
    held_out : sequence of int
        Speakers who occur only in the test set.
    share : float
        Share of the utterances of the other speakers that is in the test set.

    Returns
    -------
    Schedule
        Schedule of count * 20 * repeats utterances.

    Raises
    ------
    ValueError
        If a number is out of range, or if no utterance is left for training.

    Examples
    --------
    >>> s = schedule(1)
    >>> len(s.train), len(s.test)
    (1900, 500)
    """
    seed, count = _integer("seed", seed, 0), _integer("count", count, 1)
    repeats = _integer("repeats", repeats, 1)
    if not isinstance(held_out, (list, tuple)):
        raise ValueError(f"held_out is {held_out!r}: must be a list of speakers")
    held = {_integer(f"held_out[{i}]", s, 0, count) for i, s in enumerate(held_out)}
    if not isinstance(share, (int, float)) or not 0 <= share < 1:
        raise ValueError(f"share is {share!r}: must be a number in [0, 1)")
    speaker, label, repeat = (a.ravel() for a in np.indices(
        (count, len(WORDS), repeats)))
    test, rng = np.isin(speaker, list(held)), _generator(seed, 2)
    for k in range(len(WORDS)):
        others = np.flatnonzero((label == k) & ~test)
        taken = max(1, round(share * len(others))) if share else 0         # (4)
        if taken >= len(others):
            raise ValueError(f"count is {count}, repeats {repeats}, held_out "
                             f"{held_out!r}: must leave utterances to train on")
        test[rng.choice(others, taken, replace=False)] = True
    return Schedule(seed, speaker, label, repeat, np.flatnonzero(~test),
                    np.flatnonzero(test))


def utterance(schedule, index, variation=1.0):
    """Plan one of the utterances that a schedule lists.

    Parameters
    ----------
    schedule : Schedule
        Result of `schedule`.
    index : int
        Index of the utterance.
    variation : float
        Scale of the variation, as for `plan`.

    Returns
    -------
    plan : Plan
        Plan that depends only on seed, speaker, word, repetition and variation.
    rng : numpy.random.Generator
        Random generator to pass to `formants.synthesise`.

    Raises
    ------
    ValueError
        If index is not an index of the schedule, or another argument is
        invalid.

    Examples
    --------
    >>> s = schedule(1, count=6, repeats=2)
    >>> p, rng = utterance(s, 7)
    >>> list(WORDS)[s.label[7]], len(p.sounds)
    ('three', 5)
    """
    _is("schedule", schedule, Schedule)
    index = _integer("index", index, 0, len(schedule.label))
    who, label = int(schedule.speaker[index]), int(schedule.label[index])
    rng = _generator(schedule.seed, 1, who, label, int(schedule.repeat[index]))
    voice = _speaker(schedule.seed, who)
    return plan(list(WORDS)[label], voice, rng, variation), rng
