"""Spoken digits: plans by hand, and whether they sound like the words."""

import math

import numpy as np
import pytest
from scipy.linalg import solve_toeplitz
from scipy.signal import resample_poly

from figures.spoken import formants, speech

RATE = 48000
WORDS = list(speech.WORDS)
NEUTRAL = speech.Speaker("male", 30, 1.8, 0.175, 100.0, 1.0, 0.06, 0.0, 0.0,
                         np.ones((len(speech.PHONEMES), 3)))
FRICTION = {"s", "z", "f", "T", "v", "x"}
PITCHED = {"i", "I", "e", "E", "a", "A", "V", "O", "o", "u", "U", "w", "j", "y", "Y",
           "r", "l", "n", "6"}


def said(word, speaker=NEUTRAL, seed=0, variation=0.0):
    """(plan, audio) of a word."""
    rng = np.random.default_rng(seed)
    plan = speech.plan(word, speaker, rng, variation)
    return plan, formants.synthesise(*plan.tracks, rng, **plan.voice)


def parts(plan, audio, name):
    """Middle halves of the sound of each occurrence of a phoneme."""
    found = [audio[int((0.75 * start + 0.25 * stop) * RATE):
                   int((0.25 * start + 0.75 * stop) * RATE)]
             for sound, start, stop in plan.sounds if sound == name]
    assert found, f"no {name} in {plan.sounds}"
    return found


def rms(a):
    return float(np.sqrt(np.mean(a ** 2)))


def share(a, low, high):
    """Part of the power that lies between two frequencies."""
    power = np.abs(np.fft.rfft(a * np.hanning(len(a)))) ** 2
    f = np.fft.rfftfreq(len(a), 1 / RATE)
    return float(power[(f >= low) & (f < high)].sum() / power.sum())


def resonances(a):
    """Formants below 4 kHz by linear prediction at 12 kHz."""
    a = resample_poly(a, 1, 4)
    a = np.append(a[0], a[1:] - 0.97 * a[:-1]) * np.hamming(len(a))
    r = np.correlate(a, a, "full")[len(a) - 1:len(a) + 14]
    r[0] *= 1 + 1e-9
    roots = np.roots(np.append(1, -solve_toeplitz(r[:-1], r[1:])))
    roots = roots[roots.imag > 0.01]
    f, b = np.angle(roots) * 6000 / np.pi, -np.log(np.abs(roots)) * 12000 / np.pi
    return np.sort(f[(b < 500) & (f < 4000)])


def period(a):
    """Pitch by the first peak of the autocorrelation, Hz."""
    a = a - a.mean()
    r = np.fft.irfft(np.abs(np.fft.rfft(a, 2 * len(a))) ** 2)[:len(a)] \
        / np.arange(len(a), 0, -1)
    lags = slice(RATE // 400, min(RATE // 60, int(0.8 * len(a))))
    best = r[lags].max()
    lag = lags.start + np.flatnonzero(r[lags] > 0.93 * best)[0]
    while r[lag + 1] > r[lag]:
        lag += 1
    return RATE / lag


# --- tables

def test_labels_are_those_of_shd():
    assert WORDS == ["zero", "one", "two", "three", "four", "five", "six", "seven",
                     "eight", "nine", "null", "eins", "zwei", "drei", "vier", "fuenf",
                     "sechs", "sieben", "acht", "neun"]


def test_the_table_is_whole():
    used = {name for word in WORDS for name in speech.WORDS[word].split()}
    assert used | {"-"} == set(speech.PHONEMES)
    for name, row in speech.PHONEMES.items():
        ms, glide, F1, F2, F3, voice, breath, nose, level, centre, width = row
        assert 5 <= ms <= 250 and 10 <= glide <= 120, name
        assert 200 <= F1 < F2 < F3 < 3500, name
        assert {voice, breath, nose, level} <= set(np.arange(0, 1.001, 0.01).round(2))
        assert (level > 0) == (centre > 0) == (width > 0), name
    assert len({speech.WORDS[w] for w in WORDS}) == 20


def test_vowels_lie_as_phonetics_has_them():
    """F1 rises from close to open, F2 falls from front to back, r lowers F3."""
    F1, F2, F3 = ({name: row[k] for name, row in speech.PHONEMES.items()}
                  for k in (2, 3, 4))
    for close, middle, open_ in (("i", "I", "E"), ("I", "E", "a"), ("Y", "E", "A"),
                                 ("u", "U", "O"), ("U", "O", "V"), ("u", "o", "O"),
                                 ("I", "e", "E"), ("O", "V", "a"), ("j", "@", "6")):
        assert F1[close] < F1[middle] < F1[open_]
    for front, middle, back in (("i", "Y", "u"), ("I", "@", "U"), ("e", "@", "o"),
                                ("E", "a", "O"), ("j", "y", "w"), ("I", "Y", "U")):
        assert F2[front] > F2[middle] > F2[back]
    assert F3["r"] < 1800 < min(f for name, f in F3.items() if name != "r")


# --- plans

def test_a_plan_by_hand():
    """two: silence, closure, burst, release, vowel, silence, and its glides."""
    plan = speech.plan("two", NEUTRAL, np.random.default_rng(0), 0.0)
    assert [name for name, _, _ in plan.sounds] == ["-", "t_", "t", "t+", "u", "-"]
    edges = np.cumsum([0, 0.070, 0.085, 0.015, 0.055, 0.215, 0.070])
    np.testing.assert_allclose([s for _, s, _ in plan.sounds], edges[:-1], atol=1e-12)
    np.testing.assert_allclose([e for _, _, e in plan.sounds], edges[1:], atol=1e-12)
    assert len(plan.tracks.pitch) == math.ceil(edges[-1] / 0.005 - 1e-9)
    F2, at = plan.tracks.formants[:, 1], lambda t: round(t / 0.005)
    assert F2[at(0.0)] == 1500 and F2[at(0.125)] == 1750 and F2[at(0.365)] == 1000
    # From t+ (1700 Hz, until 60/2 ms before its end, its middle here) to u.
    start, stop = edges[3] + 0.0275, edges[4] + 0.030
    t = 0.225
    np.testing.assert_allclose(F2[at(t)], 1700 - 700 * (t - start) / (stop - start),
                               rtol=1e-9)
    (burst, release), noise = plan.tracks.noises, speech.PHONEMES["t"][8:]
    np.testing.assert_allclose(burst, [edges[2], edges[3], *noise])
    np.testing.assert_allclose(release[:2], [edges[3], edges[4]])
    assert plan.voice == {"length": 0.175, "breath": 0.0, "background": 0.0,
                          "loudness": 0.06}
    np.testing.assert_allclose(plan.tracks.pitch[[0, -1]], [
        100 * 2 ** 0.1, 100 * 2 ** (0.25 * (0.4 - 0.505 / 0.510))], rtol=1e-9)
    voice = plan.tracks.parts[:, 0]
    assert voice[at(0.19)] == 0 and voice[at(0.25)] == 1 and voice[0] == 0


def test_a_sound_too_short_for_its_glides_is_reached_in_its_middle():
    """b of sieben: 8 ms, between glides of 20 and 50 ms."""
    starts, stops = np.array([0.0, 0.06, 0.07]), np.array([0.06, 0.07, 0.2])
    track = speech._track(starts, stops, np.array([[1.0], [5.0], [2.0]]),
                          np.array([0.0, 0.02, 0.05]), np.array([0.05, 0.065, 0.095]))
    np.testing.assert_allclose(track.ravel(), [1, 5, 2])
    before = speech._track(starts, stops, np.array([[1.0], [5.0], [2.0]]),
                           np.array([0.0, 0.02, 0.05]), np.array([0.0575, 0.07, 0.08]))
    np.testing.assert_allclose(before.ravel(), [3, 4.5, 3.5])


def test_pitch_wanders():
    """Beyond its steady fall, and more with more variation."""
    def beyond(variation):
        pitch = speech.plan("six", NEUTRAL, np.random.default_rng(1),
                            variation).tracks.pitch
        return np.abs(np.diff(np.log2(pitch), 2)).std()

    assert beyond(0.0) < 1e-12 < 1e-4 < beyond(1.0) < beyond(3.0) < 0.02


def test_a_speaker_changes_what_it_should():
    base = speech.plan("five", NEUTRAL, np.random.default_rng(0), 0.0)
    short = speech.plan("five", NEUTRAL._replace(length=0.14),
                        np.random.default_rng(0), 0.0)
    np.testing.assert_allclose(short.tracks.formants, 1.25 * base.tracks.formants)
    np.testing.assert_allclose(short.tracks.noises[:, 3],
                               1.25 ** 0.5 * base.tracks.noises[:, 3])
    quick = speech.plan("five", NEUTRAL._replace(rate=1.25), np.random.default_rng(0),
                        0.0)
    np.testing.assert_allclose([e for *_, e in quick.sounds],
                               [e / 1.25 for *_, e in base.sounds])
    accent = np.ones((len(speech.PHONEMES), 3))
    accent[list(speech.PHONEMES).index("a"), 1] = 1.1
    other = speech.plan("five", NEUTRAL._replace(accent=accent),
                        np.random.default_rng(0), 0.0)
    ratio = other.tracks.formants / base.tracks.formants
    assert abs(ratio[:, 1].max() - 1.1) < 1e-9 and (ratio[:, [0, 2]] == 1).all()
    high = speech.plan("five", NEUTRAL._replace(pitch=200.0), np.random.default_rng(0),
                       0.0)
    np.testing.assert_allclose(high.tracks.pitch, 2 * base.tracks.pitch)


@pytest.mark.parametrize("variation", [0.0, 1.0, 3.0])
@pytest.mark.parametrize("rate", [0.3, 1.0, 3.0])
def test_every_plan_can_be_said(rate, variation):
    """Of 0.3 to 1 s, inside full scale, also at the ends of all ranges."""
    for k, word in enumerate(WORDS):
        speaker = NEUTRAL._replace(rate=rate, length=(0.08, 0.25)[k % 2],
                                   pitch=(40.0, 600.0)[k // 2 % 2], loudness=0.5)
        plan, audio = said(word, speaker, k, variation)
        assert 0.3 <= len(audio) / RATE + 1e-9 and len(audio) / RATE <= 1.005
        assert np.abs(audio).max() <= 0.95 * (1 + 1e-12)
        assert rms(audio) > 0.03


def test_utterances_vary_and_a_seed_repeats_them():
    speaker = speech.speakers(3)[2]
    plans = [speech.plan("nine", speaker, np.random.default_rng(s)) for s in range(40)]
    again = speech.plan("nine", speaker, np.random.default_rng(0))
    assert all((a == b).all() for a, b in zip(plans[0].tracks, again.tracks,
                                              strict=True))
    lasts = np.array([[stop - start for _, start, stop in p.sounds] for p in plans])
    spread = np.log(lasts / lasts.mean(axis=0)).std(axis=0)
    assert (0.05 < spread).all() and (spread < 0.25).all()
    middle = [p.tracks.formants[len(p.tracks.formants) // 2] for p in plans]
    assert (np.std(np.log(middle), axis=0) > 0.01).all()
    assert 0.1 < np.std(np.log([p.voice["loudness"] for p in plans])) < 0.3
    pitch = [p.tracks.pitch.mean() for p in plans]
    assert 0.03 < np.std(np.log(pitch)) < 0.12
    still = [speech.plan("nine", speaker, np.random.default_rng(s), 0.0)
             for s in (1, 2)]
    assert all((a == b).all() for a, b in zip(still[0].tracks, still[1].tracks,
                                              strict=True))


# --- speakers

def test_speakers_are_twelve_voices():
    found = speech.speakers(1)
    assert len(found) == 12
    assert [s.gender for s in found] == ["female", "male"] * 6
    for name in ("length", "pitch", "rate", "loudness", "breath", "background",
                 "height"):
        assert len({getattr(s, name) for s in found}) == 12, name
    assert len({s.accent.tobytes() for s in found}) == 12
    women, men = found[::2], found[1::2]
    assert max(s.length for s in women) < min(s.length for s in men)
    assert all(165 < s.pitch < 255 for s in women)
    assert all(90 < s.pitch < 145 for s in men)
    assert all(21 <= s.age <= 56 and 1.5 < s.height < 2 for s in found)


def test_a_speaker_does_not_depend_on_how_many_there_are():
    few, many = speech.speakers(7, 3), speech.speakers(7, 20)
    for a, b in zip(few, many, strict=False):
        assert a[:-1] == b[:-1] and (a.accent == b.accent).all()
    assert speech.speakers(8, 1)[0].pitch != few[0].pitch


def test_a_voice_draw_by_draw():
    for i in (0, 3):
        rng = np.random.default_rng(np.random.SeedSequence(6, spawn_key=(0, i)))
        size, age = rng.uniform(-1, 1), int(rng.integers(21, 57))
        height, length, pitch = ((1.67, 0.145, 205), (1.80, 0.170, 115))[i % 2]
        wanted = [age, height + 0.1 * size, length + 0.01 * size,
                  pitch * 2 ** rng.uniform(-0.3, 0.3), 2 ** rng.uniform(-0.3, 0.3),
                  0.06 * 2 ** rng.uniform(-0.8, 0.8), rng.uniform(),
                  10 ** rng.uniform(-2.5, -1.5)]
        got = speech.speakers(6, 4)[i]
        np.testing.assert_allclose(got[1:-1], wanted, rtol=1e-12)
        accent = np.exp(0.03 * rng.standard_normal((len(speech.PHONEMES), 3)))
        np.testing.assert_allclose(got.accent, accent, rtol=1e-12)


@pytest.mark.parametrize("word, rate, variation", [
    ("eight", 1.1, 1.0), ("seven", 0.35, 0.5), ("vier", 2.8, 2.0)])
def test_a_plan_draw_by_draw(word, rate, variation):
    """What differs between utterances, in the order in which it is drawn."""
    voice = speech.speakers(2)[1]._replace(rate=rate)
    got = speech.plan(word, voice, np.random.default_rng(9), variation)
    rng, names = np.random.default_rng(9), ["-", *speech.WORDS[word].split(), "-"]

    def vary(width, *shape):
        return np.exp(width * variation * rng.normal(size=shape))

    row = np.array([speech.PHONEMES[name] for name in names])
    lasts = row[:, 0] / 1000 * vary(0.12, len(names)) * vary(0.07) / rate
    whole = lasts.sum()
    lasts *= min(max(whole, 0.3), 1.0) / whole
    stops = np.cumsum(lasts)
    np.testing.assert_allclose([stop for *_, stop in got.sounds], stops, rtol=1e-12)
    np.testing.assert_allclose([start for _, start, _ in got.sounds], stops - lasts,
                               atol=1e-12)
    assert (word == "eight") == (0.31 < whole < 0.99)       # neither end, both ends
    steps, accent = math.ceil(stops[-1] / 0.005), voice.accent[
        [list(speech.PHONEMES).index(name) for name in names]]
    target = row[:, 2:5] * accent * vary(0.03, len(names), 3) * 0.175 / voice.length
    assert [len(track) for track in got.tracks[:3]] == [steps] * 3
    np.testing.assert_allclose(got.tracks.formants[0], target[0], rtol=1e-12)
    np.testing.assert_allclose(got.tracks.formants[-1], target[-1], rtol=1e-12)
    fall = 0.25 + 0.1 * variation * rng.uniform(-1, 1)
    wander = np.cumsum(0.002 * variation * rng.normal(size=steps))
    pitch = voice.pitch * vary(0.06) * 2 ** (
        fall * (0.4 - 0.005 * np.arange(steps) / stops[-1]) + wander)
    np.testing.assert_allclose(got.tracks.pitch, pitch, rtol=1e-12)
    level, centre = row[:, 8] * vary(0.25, len(names)), row[:, 9] * vary(
        0.04, len(names)) * math.sqrt(0.175 / voice.length)
    noises = np.stack([stops - lasts, stops, level, centre, row[:, 10]], axis=1)
    np.testing.assert_allclose(got.tracks.noises, noises[row[:, 8] > 0], rtol=1e-12)
    np.testing.assert_allclose(got.voice["loudness"], voice.loudness * vary(0.2),
                               rtol=1e-12)


def test_parts_move_faster_than_formants():
    """A voice sets in over 20 ms at most, and ends by its own glide's half."""
    plan = speech.plan("zwei", NEUTRAL, np.random.default_rng(0), 0.0)
    names = [name for name, *_ in plan.sounds]
    v, start = names.index("v"), plan.sounds[names.index("v")][1]
    assert names[v - 1] == "s" and plan.tracks.parts[:, 0].max() == 1
    at = np.arange(len(plan.tracks.pitch)) * 0.005
    knots = [start - 0.01, start + 0.01]                # glide of v: 40 ms, cut to 20
    near = (at > start - 0.03) & (at < start + 0.015)
    np.testing.assert_allclose(plan.tracks.parts[near, 0],
                               np.interp(at[near], knots, [0, 0.5]), atol=1e-12)
    end = plan.sounds[-1][1]                            # silence: 50 ms, not cut
    near = (at > end - 0.035) & (at < end + 0.04)
    np.testing.assert_allclose(plan.tracks.parts[near, 0], np.interp(
        at[near], [end - 0.025, end + 0.025], [1, 0]), atol=1e-12)


def test_pitch_and_loudness_stay_in_range():
    tracks = [speech.plan("one", NEUTRAL._replace(pitch=p, loudness=a),
                          np.random.default_rng(s), 3.0) for p in (40.0, 600.0)
              for a in (1e-4, 0.5) for s in range(60)]
    pitch = np.concatenate([plan.tracks.pitch for plan in tracks])
    loudness = [plan.voice["loudness"] for plan in tracks]
    assert (min(loudness), max(loudness)) == (1e-4, 0.5)
    assert pitch.min() == 30 and pitch.max() <= 1200
    rare = speech.plan("one", NEUTRAL._replace(pitch=600.0),
                       np.random.default_rng(6862), 3.0).tracks.pitch
    assert rare.max() == 1200 and (rare < 1200).any()


def test_split_is_drawn_class_by_class():
    rng = np.random.default_rng(np.random.SeedSequence(3, spawn_key=(2,)))
    s, taken = speech.schedule(3), []
    for k in range(20):
        others = np.flatnonzero((s.label == k) & ~np.isin(s.speaker, (4, 5)))
        taken += rng.choice(others, 5, replace=False).tolist()
    taken += np.flatnonzero(np.isin(s.speaker, (4, 5))).tolist()
    assert s.test.tolist() == sorted(taken)


# --- does it sound like the words

@pytest.mark.parametrize("word", WORDS)
def test_voice_and_friction_are_where_the_word_has_them(word):
    speaker = speech.speakers(1)[3]._replace(background=0.001)
    plan, audio = said(word, speaker, 5, 1.0)
    vowel = max(rms(a) for name, *_ in plan.sounds if name in PITCHED
                for a in parts(plan, audio, name))
    ends = audio[:int(0.3 * plan.sounds[0][2] * RATE)], audio[-int(0.01 * RATE):]
    assert max(map(rms, ends)) < 0.02 * vowel
    for name, start, stop in plan.sounds[1:-1]:
        a = audio[int((0.75 * start + 0.25 * stop) * RATE):
                  int((0.25 * start + 0.75 * stop) * RATE)]
        if name in ("t_", "k_"):
            assert rms(a) < 0.05 * vowel, name
        elif name in ("s", "z"):
            assert share(a, 4000, 24000) > (0.75 if name == "s" else 0.2), name
        elif name in ("f", "T"):
            assert share(a, 3000, 24000) > 0.7 and rms(a) < 0.15 * vowel, name
        elif name == "x":
            assert share(a, 500, 3000) > 0.6, name
        elif name in ("t", "k"):
            before = audio[int((start - 0.03) * RATE):int((start - 0.005) * RATE)]
            assert rms(a) > 5 * rms(before), name
        elif name in PITCHED:
            assert share(a, 0, 3600) > 0.9 and rms(a) > 0.08 * vowel, name


def test_six():
    plan, audio = said("six")
    (first, last), (vowel,) = (parts(plan, audio, name) for name in "sI")
    assert min(share(a, 4000, 24000) for a in (first, last)) > 0.8
    assert share(vowel, 0, 3600) > 0.98
    (gap,), (burst,) = (parts(plan, audio, name) for name in ("k_", "k"))
    assert rms(gap) < 0.02 * rms(vowel) < 0.2 * rms(burst)
    assert share(burst, 1000, 4000) > 0.7
    np.testing.assert_allclose(resonances(vowel)[:3], [400, 1950, 2550], rtol=0.06)


def test_eins():
    plan, audio = said("eins")
    (a,), (j,), (n,), (s,) = (parts(plan, audio, name) for name in "ajns")
    open_, close = resonances(a), resonances(j)
    assert open_[0] > close[0] + 150 and close[1] > open_[1] + 300
    assert rms(n) < 0.6 * rms(a) and share(n, 0, 500) > 0.8
    assert share(s, 4000, 24000) > 0.8


VOWELS = [("three", "i"), ("six", "I"), ("eight", "e"), ("seven", "E"), ("five", "a"),
          ("acht", "A"), ("one", "V"), ("four", "O"), ("zero", "o"), ("two", "u"),
          ("null", "U"), ("fuenf", "Y"), ("zero", "r")]


@pytest.mark.parametrize("length", [0.175, 0.15])
@pytest.mark.parametrize("word, name", VOWELS)
def test_formants_are_those_of_the_table(word, name, length):
    """By linear prediction, against the plan, where it is the table's."""
    plan, audio = said(word, NEUTRAL._replace(length=length, rate=0.9))
    (sound,) = parts(plan, audio, name)
    start, stop = next((b, e) for s, b, e in plan.sounds if s == name)
    track = plan.tracks.formants[int((0.75 * start + 0.25 * stop) / 0.005) + 1:
                                 int((0.25 * start + 0.75 * stop) / 0.005)]
    target = np.array(speech.PHONEMES[name][2:5]) * 0.175 / length
    assert (np.abs(track / target - 1).min(axis=0) < 0.03).all()
    np.testing.assert_allclose(resonances(sound)[:3], track.mean(axis=0), rtol=0.1)


@pytest.mark.parametrize("who", [0, 1, 4, 5])
@pytest.mark.parametrize("word, name", [("three", "i"), ("vier", "i"), ("two", "u"),
                                        ("zwei", "a")])
def test_vowels_have_the_pitch_of_the_plan(word, name, who):
    speaker = speech.speakers(2)[who]
    plan, audio = said(word, speaker, 4, 1.0)
    (sound,) = parts(plan, audio, name)
    start, stop = next((b, e) for s, b, e in plan.sounds if s == name)
    middle = plan.tracks.pitch[int((start + stop) / 2 / 0.005)]
    assert abs(period(sound) / middle - 1) < 0.06
    assert abs(math.log2(middle / speaker.pitch)) < 0.5


def test_words_are_told_apart_by_their_spectrograms():
    """Each word is nearest to itself said another time, by the same speaker."""
    speaker = speech.speakers(1)[6]
    edges = np.geomspace(150, 12000, 25)

    def picture(word, seed):
        _, audio = said(word, speaker, seed, 1.0)
        rows = []
        for piece in np.array_split(audio, 12):
            power = np.abs(np.fft.rfft(piece * np.hanning(len(piece)))) ** 2
            f = np.fft.rfftfreq(len(piece), 1 / RATE)
            rows.append([power[(f >= a) & (f < b)].mean() for a, b in
                         zip(edges[:-1], edges[1:], strict=True)])
        rows = np.log(np.array(rows) + 1e-3 * np.mean(rows))
        return rows - rows.mean()

    known = [picture(word, 100) for word in WORDS]
    right = 0
    for k, word in enumerate(WORDS):
        seen = picture(word, 200)
        right += int(np.argmin([np.sum((a - seen) ** 2) for a in known])) == k
    assert right >= 17


# --- the data set

def test_two_speakers_are_for_the_test_alone():
    s = speech.schedule(3)
    assert len(s.speaker) == 12 * 20 * 10
    assert sorted([*s.train, *s.test]) == list(range(2400))
    assert not np.isin(s.speaker[s.train], (4, 5)).any()
    assert set(s.speaker[s.train]) == set(range(12)) - {4, 5}
    known = s.test[~np.isin(s.speaker[s.test], (4, 5))]
    assert np.bincount(s.label[known], minlength=20).tolist() == [5] * 20
    assert len(s.test) == 400 + 100
    assert len(set(zip(s.speaker, s.label, s.repeat, strict=True))) == 2400


def test_a_split_is_that_of_its_seed():
    one, two, other = (speech.schedule(s) for s in (3, 3, 4))
    assert all((np.asarray(a) == b).all() for a, b in zip(one, two, strict=True))
    assert (one.test != other.test).any()


def test_other_splits():
    s = speech.schedule(1, count=3, repeats=2, held_out=(), share=0.0)
    assert len(s.test) == 0 and len(s.train) == 120
    s = speech.schedule(1, count=3, repeats=2, held_out=[2], share=0.001)
    assert np.bincount(s.label[s.test]).tolist() == [3] * 20
    s = speech.schedule(1, count=3, repeats=4, held_out=[0], share=0.5)
    assert np.bincount(s.label[s.train]).tolist() == [4] * 20


def test_an_utterance_depends_on_its_address_alone():
    small, large = (speech.schedule(5, count=c, repeats=r) for c, r in ((6, 2), (8, 3)))
    where = {(w, k, r): i for i, (w, k, r) in enumerate(
        zip(large.speaker, large.label, large.repeat, strict=True))}
    for i in (200, 7, 133):
        j = where[small.speaker[i], small.label[i], small.repeat[i]]
        (a, rng_a), (b, rng_b) = speech.utterance(small, i), speech.utterance(large, j)
        assert a.sounds == b.sounds and a.voice == b.voice
        assert (formants.synthesise(*a.tracks, rng_a, **a.voice)
                == formants.synthesise(*b.tracks, rng_b, **b.voice)).all()
        words = [name for name, *_ in a.sounds[1:-1]]
        assert words == speech.WORDS[WORDS[small.label[i]]].split()
    c, _ = speech.utterance(speech.schedule(6, count=6, repeats=2), 7)
    d, _ = speech.utterance(small, 6)
    a, _ = speech.utterance(small, 7)
    assert a.sounds != c.sounds and a.sounds != d.sounds


def test_an_utterance_is_its_speakers():
    s = speech.schedule(5, count=6, repeats=2)
    voices = speech.speakers(5, 6)
    for i in range(0, 240, 37):
        plan, _ = speech.utterance(s, i, variation=0.5)
        assert plan.voice["length"] == voices[s.speaker[i]].length


def test_steps_and_rate_are_those_of_the_synthesiser():
    assert speech.STEP == formants.HOP / formants.RATE


@pytest.mark.parametrize("name, low, high", [
    ("length", 0.08, 0.25), ("pitch", 40, 600), ("rate", 0.3, 3),
    ("loudness", 1e-4, 0.5), ("breath", 0, 1), ("background", 0, 10)])
def test_ends_of_ranges(name, low, high):
    for value, beyond in ((low, -np.inf), (high, np.inf)):
        speech.plan("one", NEUTRAL._replace(**{name: float(value)}), RNG)
        with pytest.raises(ValueError, match=f"speaker.{name} is"):
            speech.plan("one", NEUTRAL._replace(
                **{name: np.nextafter(float(value), beyond)}), RNG)
    shape = NEUTRAL.accent.shape
    for value, beyond in ((0.5, 0.0), (2.0, 3.0)):
        speech.plan("one", NEUTRAL._replace(accent=np.full(shape, value)), RNG)
        with pytest.raises(ValueError, match="speaker.accent is"):
            speech.plan("one", NEUTRAL._replace(
                accent=np.full(shape, np.nextafter(value, beyond))), RNG)
    with pytest.raises(ValueError, match="variation is .*3.0000"):
        speech.plan("one", NEUTRAL, RNG, np.nextafter(3, 4))


RNG = np.random.default_rng(0)


@pytest.mark.parametrize("call, match", [
    (lambda: speech.speakers(-1), "seed is -1"),
    (lambda: speech.speakers(1.0), "seed is 1.0"),
    (lambda: speech.speakers(1, 0), "count is 0"),
    (lambda: speech.plan("ten", NEUTRAL, RNG), "word is 'ten'"),
    (lambda: speech.plan(["six"], NEUTRAL, RNG), "word is"),
    (lambda: speech.plan("six", 4, RNG), "speaker is 4"),
    (lambda: speech.plan("six", NEUTRAL._replace(pitch=20.0), RNG), "speaker.pitch is"),
    (lambda: speech.plan("six", NEUTRAL._replace(rate=np.nan), RNG), "speaker.rate is"),
    (lambda: speech.plan("six", NEUTRAL._replace(length=17.5), RNG), "length is 17.5"),
    (lambda: speech.plan("six", NEUTRAL._replace(breath="a"), RNG), "speaker.breath"),
    (lambda: speech.plan("six", NEUTRAL._replace(background=-1), RNG), "background"),
    (lambda: speech.plan("six", NEUTRAL._replace(loudness=[1]), RNG), "loudness is"),
    (lambda: speech.plan("six", NEUTRAL._replace(accent=np.ones(3)), RNG), "accent is"),
    (lambda: speech.plan("six", NEUTRAL, 1), "rng is 1"),
    (lambda: speech.plan("six", NEUTRAL, RNG, -0.1), "variation is -0.1"),
    (lambda: speech.plan("six", NEUTRAL, RNG, np.nan), "variation is nan"),
    (lambda: speech.schedule(None), "seed is None"),
    (lambda: speech.schedule(1, count=0), "count is 0"),
    (lambda: speech.schedule(1, repeats=True), "repeats is True"),
    (lambda: speech.schedule(1, held_out=4), "held_out is 4"),
    (lambda: speech.schedule(1, count=5), r"held_out\[1\] is 5"),
    (lambda: speech.schedule(1, share=1.0), "share is 1.0"),
    (lambda: speech.schedule(1, count=2, held_out=(0, 1)), "must leave"),
    (lambda: speech.schedule(1, count=1, repeats=1, held_out=()), "must leave"),
    (lambda: speech.utterance([], 0), "schedule is"),
    (lambda: speech.utterance(speech.schedule(1), 2400), "index is 2400"),
    (lambda: speech.utterance(speech.schedule(1), -1), "index is -1"),
    (lambda: speech.utterance(speech.schedule(1), 0, 9), "variation is 9")])
def test_bad_input_is_named(call, match):
    with pytest.raises(ValueError, match=match):
        call()
