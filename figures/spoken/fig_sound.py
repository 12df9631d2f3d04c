"""A model of the inner ear converts spoken digits to spikes

One synthetic speaker says an English digit, "seven", and a German digit,
"acht".  The sound moves the basilar membrane.  Each place of the membrane
responds most to one frequency, from high frequencies at the base (channel 0) to
low frequencies at the apex.  Hair cells convert the motion at each of 700
places into the firing probability of 40 nerve fibres.  The fibres excite one
bushy cell per place.  The spikes of the bushy cells are the output, as in the
Spiking Heidelberg Digits [CSSZ20].

A bin is a pair of a channel and a time interval of 2 ms.  At least 60 % of the
spikes occur in the 20 % of all bins with the highest firing probability.  In
"seven", the membrane moves closer to the base during the fricative than during
the first vowel.  The mean channels of these motions differ by at least 20 % of
the number of channels.  In "acht", cells closer to the base spike during the
fricative than during the vowel.  The mean channels of these spikes differ by
at least 5 % of the number of channels.  Successive spikes of a cell are at
least 1 ms apart.

The first panel from the top shows the sound with its phonemes in SAMPA.  The
second panel shows the speed of the membrane (root mean square in 2 ms, in dB
below the maximum).  The third panel shows the probability that a non-refractory
fibre fires in a step of 1/24 ms (mean over 2 ms).  The fourth panel shows the
spikes of the bushy cells.  The axis on the right shows the frequency to which a
channel responds most.

The digits are made by formant synthesis.  With --full, the figure also shows a
recording of the Free Spoken Digit Dataset (FSDD).  The figure follows the
conversion of sound to spikes in [CSSZ20].
"""

import os

import numpy as np

from figures.run import colours, seeds
from figures.run.claims import Claim, at_least
from figures.spoken import formants, speech
from refsnn import audio, basilar, cochlea

FIGURE = "sound"
FOLDERS = {"full": ("fsdd",)}
CHANNELS = {"quick": 70, "default": 700, "full": 700}
RATE = 48000
WORDS, RECORDED = ("seven", "acht"), "7_theo_5.wav"
FINE = 48                               # steps of 1/24 ms in a bin of 2 ms
FLOOR_DB = -50                          # smallest speed that is drawn


def jobs(size, seed, data):
    """Return one job for each word."""
    found = [(hear, {"word": word, "channels": CHANNELS[size], "folder": None,
                     "seed": seed}) for word in WORDS]
    if size == "full":
        found.append((hear, {"word": RECORDED, "channels": CHANNELS[size],
                             "folder": os.path.join(data, "fsdd"), "seed": seed}))
    return found


def sound(word, folder, seed):
    """Make or read the sound of one word; return (samples, random generator, phonemes).

    The sampling rate is 48 kHz.  Each phoneme is a tuple (name, start, stop) with
    times in seconds.
    """
    generator = seeds.rng(seed, FIGURE, word, 0)
    if folder is not None:
        samples, rate = audio.read(os.path.join(folder, word))
        return audio.resample(samples, rate), generator, []
    number = int(seeds.rng(seed, FIGURE, "speaker", 0).integers(2 ** 31))
    plan = speech.plan(word, speech.speakers(number, 1)[0], generator)
    return (formants.synthesise(*plan.tracks, generator, **plan.voice), generator,
            [one for one in plan.sounds if one[0] != "-"])


def binned(a):
    """Average an array over bins of `FINE` time steps.

    The array is of shape (T, C).  An incomplete last bin is dropped.
    """
    return a[:len(a) // FINE * FINE].reshape(-1, FINE, a.shape[1]).mean(axis=1)


def hear(word, channels, folder, seed):
    """Convert one word to spikes; return a dict of the signals of all stages."""
    samples, generator, planned = sound(word, folder, seed)
    x, dt = audio.prepare(samples, RATE), 2 / RATE
    table = basilar.table(basilar.places(channels))
    v = cochlea.velocity(x, RATE, lambda f, some: basilar.interpolate(table, f, some),
                         channels)
    speed = np.sqrt(binned(v ** 2))
    P = cochlea.firing_probability(v, dt, out=v)
    steps, units = cochlea.bushy(cochlea.fibres(P, dt, generator), dt)
    tones = np.geomspace(60, 12000, 800)
    answer = np.abs(basilar.interpolate(table, tones))
    return {"word": word, "wave": x[::2].astype(np.float32),
            "speed": speed.astype(np.float32), "P": binned(P).astype(np.float32),
            "times": steps * dt, "units": units, "channels": channels,
            "best": tones[answer.argmax(axis=0)],
            "sounds": [name for name, *_ in planned] or [""],
            "spans": np.array([span for _, *span in planned] or [[0.0, 0.0]])}


def gather(results):
    """Return a dict that maps "NAME i" to the signal NAME of word number i."""
    return {f"{name} {i}": value for i, result in enumerate(results)
            for name, value in result.items()} | {"count": np.array(len(results))}


def concentrated(data, i):
    """Return the share of the spikes in the 20 % of bins with the highest probability.

    A bin is a pair of a channel and a time interval of 2 ms.  The probability is the
    firing probability of a nerve fibre.
    """
    P = data[f"P {i}"]
    rows = np.minimum((data[f"times {i}"] * RATE / 2 / FINE).astype(int), len(P) - 1)
    return float(np.mean(P[rows, data[f"units {i}"]] >= np.quantile(P, 0.8)))


def span_s(data, i, name):
    """Return the start and the end of the middle half of a phoneme, in seconds."""
    start, stop = data[f"spans {i}"][data[f"sounds {i}"].tolist().index(name)]
    return start + (stop - start) / 4, stop - (stop - start) / 4


def moved(data, i, name):
    """Return the mean channel of the membrane motion during a phoneme.

    Channels are weighted by the squared speed of the membrane.  The mean channel is
    divided by the number of channels.
    """
    start, stop = (round(t * RATE / 2 / FINE) for t in span_s(data, i, name))
    energy = (data[f"speed {i}"][start:stop].astype(float) ** 2).sum(axis=0)
    return float(np.arange(len(energy)) @ energy / energy.sum() / len(energy))


def spiked(data, i, name):
    """Return the mean channel of the spikes during a phoneme.

    The mean channel is divided by the number of channels.
    """
    start, stop = span_s(data, i, name)
    t = data[f"times {i}"]
    units = data[f"units {i}"][(t >= start) & (t < stop)]
    return float(units.mean() / int(data[f"channels {i}"])) if len(units) else np.nan


def shortest_ms(data):
    """Return the shortest interval between two spikes of one cell, in milliseconds."""
    found = []
    for i in range(int(data["count"])):
        order = np.lexsort((data[f"times {i}"], data[f"units {i}"]))
        t, unit = data[f"times {i}"][order], data[f"units {i}"][order]
        found.append(np.diff(t)[np.diff(unit) == 0].min())
    return 1e3 * min(found)


def claims(data):
    count = range(int(data["count"]))
    words = "2 synthetic words" + " and 1 recording" * (len(count) > 2)
    return [
        at_least("smallest share of spikes in the fifth of channels and times with "
                 f"the highest probability, {words}",
                 min(concentrated(data, i) for i in count), 0.6),
        at_least('membrane in "seven": mean channel of the vowel E minus mean channel '
                 "of the hiss, share of all channels",
                 moved(data, 0, "E") - moved(data, 0, "s"), 0.2),
        at_least('spikes in "acht": mean channel of the vowel minus mean channel of '
                 "the hiss, share of all channels",
                 spiked(data, 1, "A") - spiked(data, 1, "x"), 0.05),
        at_least("shortest interval between two spikes of one cell (ms)",
                 shortest_ms(data), 1 - 1e-9),
        *[Claim(f'number of spikes of {"the recording " * (i > 1)}'
                f'"{data[f"word {i}"]}", {int(data[f"channels {i}"])} channels',
                float(len(data[f"times {i}"])), "shown only", None)
          for i in count]]


def plot(data, fig):
    count = int(data["count"])
    fig.set_size_inches(5.2 * count + 0.6, 8.6)
    axes = fig.subplots(4, count, sharex="col", squeeze=False,
                        height_ratios=(0.75, 1, 1, 1.35))
    for i in range(count):
        _word(data, i, axes[:, i])
    for row in axes[1:]:
        for axis in row[1:]:
            axis.tick_params(labelleft=False)
    for axis, text in zip(axes[:, 0], ("sound\n(normalised)", *["channel"] * 3),
                          strict=True):
        axis.set_ylabel(text)
    _tones(data, axes[1:, -1])


def _word(data, i, axes):
    wave, word, channels = data[f"wave {i}"], str(data[f"word {i}"]), \
        int(data[f"channels {i}"])
    last_ms = 2e3 * len(wave) / RATE
    extent = (0, last_ms, channels - 0.5, -0.5)
    axes[0].plot(np.linspace(0, last_ms, len(wave)), wave, lw=0.4, color=colours.BLUE)
    top = 1.35 * abs(wave).max()
    axes[0].set(ylim=(-top / 1.25, top), xlim=(0, last_ms), title={
        "seven": '"seven", English, synthetic', "acht": '"acht", German, synthetic'
    }.get(word, f'recording "{word}"'))
    if i:
        axes[0].tick_params(labelleft=False)
    for name, (start, stop) in zip(data[f"sounds {i}"], 1e3 * data[f"spans {i}"],
                                   strict=True):
        for axis in axes if stop else ():
            axis.axvline(start, color=colours.GREY, lw=0.7, ls=":")
        if stop - start > 15 and "_" not in str(name):   # closures are not labelled
            axes[0].annotate(str(name), ((start + stop) / 2, 0.84 * top), ha="center",
                             color=colours.BLACK, fontsize=9.5)
    decibels = 20 * np.log10(np.maximum(data[f"speed {i}"], 1e-9)
                             / data[f"speed {i}"].max())
    most = max(data[f"P {k}"].max() for k in range(int(data["count"])))
    for axis, values, low, high, text, unit in (
            (axes[1], decibels, FLOOR_DB, 0, "speed of the basilar membrane", "dB"),
            (axes[2], data[f"P {i}"], 0, most, "firing probability",
             "per step of 1/24 ms")):
        image = axis.imshow(values.T, aspect="auto", extent=extent, vmin=low,
                            vmax=high)
        axis.grid(False)
        if i == int(data["count"]) - 1:
            axis.figure.colorbar(image, ax=axis, fraction=0.045, pad=0.13,
                                 label=unit)
        axis.set_title(text, fontweight="normal", fontsize=10.5)
    axes[3].plot(1e3 * data[f"times {i}"], data[f"units {i}"], ",",
                 color=colours.BLACK)
    axes[3].set(ylim=extent[2:], xlabel="time (ms)")
    axes[3].set_title(f"{len(data[f'times {i}']):,} spikes of bushy cells",
                      fontweight="normal", fontsize=10.5)


def _tones(data, axes):
    """Add an axis on the right that shows the best frequencies of the channels."""
    best, last = data["best 0"], len(data["best 0"]) - 1
    tones = [tone for tone in (8000, 4000, 2000, 1000, 500, 250, 125)
             if best.min() < tone < best.max()]
    where = [int(np.argmin(abs(np.log(best / tone)))) for tone in tones]
    for axis in axes:
        other = axis.twinx()
        other.grid(False)
        other.set(ylim=(last + 0.5, -0.5), ylabel="best frequency (kHz)")
        other.set_yticks(where, [f"{tone / 1000:g}" for tone in tones])
