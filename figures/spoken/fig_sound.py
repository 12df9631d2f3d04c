"""A model of the inner ear converts spoken digits to spikes

The upper panels show the sound and its spectrogram.  The panels below show the speed of
the basilar membrane, the firing probability of a nerve fibre, and the spikes of the
bushy cells.  One speaker says the English word "eight", and another says the German
word "acht".  The speed of the basilar membrane is plotted in dB relative to the largest
speed in the spoken word.  The firing probability is the probability that a
non-refractory nerve fibre spikes within 1/24 ms.  The squared speed of the basilar
membrane and the firing probability are averaged over 2 ms.  The speed and the firing
probability are then averaged over five neighbouring channels.  The right axis shows the
frequency to which each channel responds most.

The sound moves the basilar membrane.  The model computes the motion of this membrane at
700 places, which are called channels.  Each channel responds most to one frequency.
Channel 0 lies at the base and responds to high frequencies; the last channel lies at
the apex and responds to low frequencies.  In each channel, a hair cell converts the
motion of the basilar membrane into the firing probability of 40 nerve fibres.  These
fibres excite one bushy cell.  The spikes of the 700 bushy cells are the output of the
model, as in the data set Spiking Heidelberg Digits [CSSZ20].

Both recordings belong to the Heidelberg Digits.  For 70 of the 700 channels, refsnn
contains stored spikes of these recordings.  The stored spikes and the spikes in this
figure were computed with different random numbers.  For these 70 channels, the number
of spikes computed for this figure is compared with the number of spikes stored in
refsnn.  This comparison counts at most one spike per channel and millisecond.
"""

import numpy as np
from scipy import signal, stats

from figures.run import colours, seeds
from figures.run.claims import own, shown as report
from figures.train import spoken_words
from refsnn import audio, basilar, cochlea

FIGURE, PAPER = "sound", "[CSSZ20]"
CHANNELS, RATE = 700, 48000
WORDS = {"eight": '"eight", English, speaker 8', "acht": '"acht", German, speaker 5'}
FINE = 48                               # steps of 1/24 ms in a bin of 2 ms
FLOOR_DB = -50                          # smallest level that is drawn
FRAME_S, GROUP = 0.01, 10               # intervals and groups of channels in `tuned`
LOW_HZ, HIGH_HZ = 60, 12e3              # of the spectrogram
ROW = 5                                 # neighbouring channels that are drawn as one
ARRAYS = {"count": ("", "1", "number of words"), **{
    f"{name} {i}": entry for i in range(len(WORDS)) for name, entry in {
        "word": ("", "", "name of the recording"),
        "wave": ("sample", "1", "sound, at 24 kHz"),
        "speed": ("bin of 2 ms, channel", "1", "speed of the basilar membrane"),
        "P": ("bin of 2 ms, channel", "1", "firing probability per step of 1/24 ms"),
        "times": ("spike", "s", "times of the spikes"),
        "units": ("spike", "1", "channels of the spikes"),
        "best": ("channel", "Hz", "frequency to which the channel responds most"),
        "hertz": ("frequency", "Hz", "frequencies of the spectrogram"),
        "at": ("interval", "s", "times of the spectrogram"),
        "power": ("frequency, interval", "1", "spectrogram"),
        "stored": ("", "1", "number of stored spikes"),
        "speed in dB": ("bin of 2 ms, channels", "dB", "speed below its maximum"),
        "power in dB": ("frequency, interval", "dB", "spectrogram below its maximum"),
        "rate": ("bin of 2 ms, channels", "1", "firing probability per step"),
        }.items()}}


def jobs(size, seed, data, words=tuple(WORDS), channels=CHANNELS):
    """Return one job for each word."""
    more = {} if channels == CHANNELS else {"channels": channels}
    return [(hear, {"word": word, "seed": seed, **more}) for word in words]


def sound(word):
    """Return a recording and its file name."""
    with np.load(spoken_words.FOLDER / "hd_sounds.npz") as file:
        samples = np.cumsum(file[word], dtype=np.int16)
        return samples / 2.0 ** 15, str(file["names"][list(WORDS).index(word)])


def binned(a):
    """Average an array over bins of `FINE` time steps."""
    return a[:len(a) // FINE * FINE].reshape(-1, FINE, a.shape[1]).mean(axis=1)


def hear(word, seed, channels=CHANNELS):
    """Convert one word to spikes."""
    (samples, name), generator = sound(word), seeds.rng(seed, FIGURE, word, 0)
    x, dt = audio.prepare(samples, RATE, ramp=0.03), 2 / RATE
    table = basilar.table(basilar.places(channels))
    v = cochlea.velocity(x, RATE, basilar.response(table), channels)
    speed = np.sqrt(binned(v ** 2))
    P = cochlea.firing_probability(v, dt, out=v)
    steps, units = cochlea.bushy(cochlea.fibres(P, dt, generator), dt)
    tones = np.geomspace(60, 12000, 800)
    answer = np.abs(basilar.interpolate(table, tones))
    hertz, at, power = signal.spectrogram(x, RATE, nperseg=480, noverlap=384, nfft=2048)
    words = spoken_words.embedded()
    theirs = spoken_words.names().index(name)
    return {"word": word, "wave": x[::2].astype(np.float32),
            "speed": speed.astype(np.float32), "P": binned(P).astype(np.float32),
            "times": steps * dt, "units": units, "best": tones[answer.argmax(axis=0)],
            "hertz": hertz, "at": at, "power": power.astype(np.float32),
            "stored": len(words.times[theirs])}


def gather(results):
    """Collect the signals of all words."""
    return {f"{name} {i}": value for i, result in enumerate(results)
            for name, value in result.items()} | {"count": np.array(len(results))}


def concentrated(data, i):
    """Return the fraction of spikes in bins with high firing probability (top 20 %)."""
    P = data[f"P {i}"]
    rows = np.minimum((data[f"times {i}"] * RATE / 2 / FINE).astype(int), len(P) - 1)
    return float(np.mean(P[rows, data[f"units {i}"]] >= np.quantile(P, 0.8)))


def tuned(data, i):
    """Correlate spike counts with the sound's power."""
    frame = (data[f"times {i}"] / FRAME_S).astype(int)
    at = (data[f"at {i}"] / FRAME_S).astype(int)
    best = data[f"best {i}"].reshape(-1, GROUP).mean(axis=1)
    row = np.abs(data[f"hertz {i}"][:, None] - best).argmin(axis=0)
    spikes, power = np.zeros((2, 1 + max(frame.max(), at.max()), len(best)))
    np.add.at(spikes, (frame, data[f"units {i}"] // GROUP), 1)
    np.add.at(power, at, data[f"power {i}"][row].T)
    return float(stats.spearmanr(spikes.ravel(), power.ravel())[0])


def stored(data, i):
    """Divide computed by stored spike counts."""
    t, unit = data[f"times {i}"], data[f"units {i}"]
    kept = (unit >= 70) & ((unit - 70) % 9 == 0) & (unit < 700)
    step = (1e3 * (t - t.min()) + 1e-9).astype(int)
    return len(np.unique(step[kept] * CHANNELS + unit[kept])) / int(data[f"stored {i}"])


def shortest_ms(data, i):
    """Return the shortest interspike interval, in ms."""
    order = np.lexsort((data[f"times {i}"], data[f"units {i}"]))
    t, unit = data[f"times {i}"][order], data[f"units {i}"][order]
    return 1e3 * np.diff(t)[np.diff(unit) == 0].min()


def claims(size):
    return [
        own("concentrated", "share of spikes in the 20 % of bins with the highest "
            "firing probability", low=0.6),
        own("interval", "shortest interval between two spikes of one cell", unit="ms",
            low=1 - 1e-9),
        own("stored", "relative difference of the number of spikes in 70 channels from "
            "the stored spikes of the same recording", low=-0.1, high=0.1),
        report("tuned", "rank correlation of the number of spikes and the power of the "
               "sound at the best frequency"),
        *[report(f"spikes-{word}", f'number of spikes of "{word}"') for word in WORDS]]


def measured(data):
    count = range(int(data["count"]))
    found = {key: np.array([function(data, i) for i in count]) for key, function in (
        ("concentrated", concentrated), ("interval", shortest_ms), ("tuned", tuned))}
    if len(data["best 0"]) == CHANNELS:
        found["stored"] = np.array([stored(data, i) - 1 for i in count])
    return found | {f"spikes-{data[f'word {i}']}": np.array([len(data[f"times {i}"])])
                    for i in count}


def shown(data):
    """Return the plotted data at lower resolution."""
    found = {"count": data["count"]}
    for i in range(int(data["count"])):
        drawn = (data[f"hertz {i}"] >= LOW_HZ) & (data[f"hertz {i}"] <= HIGH_HZ)
        power = data[f"power {i}"]
        found |= {
            f"word {i}": data[f"word {i}"], f"at {i}": data[f"at {i}"],
            f"hertz {i}": data[f"hertz {i}"][drawn][::3],
            f"power in dB {i}": decibels(power[drawn][::3], power.max()),
            f"speed in dB {i}": decibels(rows(data[f"speed {i}"]) ** 2,
                                         data[f"speed {i}"].max() ** 2),
            f"rate {i}": np.round(rows(data[f"P {i}"]), 4).astype(np.float32),
            f"wave {i}": np.round(data[f"wave {i}"], 2).astype(np.float32),
            f"times {i}": data[f"times {i}"].astype(np.float32),
            f"units {i}": data[f"units {i}"].astype(np.int16),
            f"best {i}": data[f"best {i}"].astype(np.float32)}
    return found


def rows(a):
    """Average an array over `ROW` neighbouring channels."""
    return a[:, :a.shape[1] // ROW * ROW].reshape(len(a), -1, ROW).mean(axis=2)


def decibels(power, most):
    """Return levels in steps of 2 dB."""
    floor = 10.0 ** (FLOOR_DB / 10 - 1)
    return (2 * np.rint(5 * np.log10(np.maximum(power / most, floor)))).astype(np.int8)


def plot(data, fig):
    count = int(data["count"])
    fig.set_size_inches(5.2 * count + 0.6, 10.2)
    axes = fig.subplots(5, count, sharex="col", squeeze=False,
                        height_ratios=(0.7, 1, 1, 1, 1.35))
    for i in range(count):
        _word(data, i, axes[:, i])
    for row in axes:
        for axis in row[1:]:
            axis.tick_params(labelleft=False)
    for axis, text in zip(axes[:, 0], (
            "sound\n(normalised)", "frequency (kHz)", *["channel"] * 3), strict=True):
        axis.set_ylabel(text)
    _tones(data, axes[2:, -1])


def _word(data, i, axes):
    wave, last = data[f"wave {i}"], i == int(data["count"]) - 1
    last_ms = 2e3 * len(wave) / RATE
    channels = len(data[f"best {i}"])
    extent = (0, last_ms, channels - 0.5, -0.5)
    axes[0].plot(np.linspace(0, last_ms, len(wave)), wave, lw=0.4, color=colours.BLUE)
    axes[0].set(xlim=(0, last_ms), title=WORDS[str(data[f"word {i}"])])
    most = max(data[f"rate {k}"].max() for k in range(int(data["count"])))
    image = axes[1].pcolormesh(1e3 * data[f"at {i}"], data[f"hertz {i}"] / 1e3,
                               data[f"power in dB {i}"], vmin=FLOOR_DB, vmax=0,
                               rasterized=True)
    axes[1].set(ylim=(LOW_HZ / 1e3, HIGH_HZ / 1e3), yscale="log", yticks=[0.1, 1, 10],
                yticklabels=["0.1", "1", "10"])
    axes[1].grid(False)
    axes[1].set_title("spectrogram of the sound", fontweight="normal", fontsize=10.5)
    if last:
        axes[1].figure.colorbar(image, ax=axes[1], fraction=0.045, pad=0.13, label="dB")
    for axis, values, low, high, text, unit in (
            (axes[2], data[f"speed in dB {i}"], FLOOR_DB, 0,
             "speed of the basilar membrane", "dB"),
            (axes[3], data[f"rate {i}"], 0, most, "firing probability",
             "per step of 1/24 ms")):
        image = axis.imshow(values.T, aspect="auto", extent=extent, vmin=low,
                            vmax=high)
        axis.grid(False)
        if last:
            axis.figure.colorbar(image, ax=axis, fraction=0.045, pad=0.13,
                                 label=unit)
        axis.set_title(text, fontweight="normal", fontsize=10.5)
    axes[4].plot(1e3 * data[f"times {i}"], data[f"units {i}"], ",",
                 color=colours.BLACK)
    axes[4].set(ylim=extent[2:], xlabel="time (ms)")
    axes[4].set_title(f"{len(data[f'times {i}']):,} spikes of bushy cells",
                      fontweight="normal", fontsize=10.5)


def _tones(data, axes):
    """Add an axis with best frequencies."""
    best, last = data["best 0"], len(data["best 0"]) - 1
    tones = [tone for tone in (8000, 4000, 2000, 1000, 500, 250, 125)
             if best.min() < tone < best.max()]
    where = [int(np.argmin(abs(np.log(best / tone)))) for tone in tones]
    for axis in axes:
        other = axis.twinx()
        other.grid(False)
        other.set(ylim=(last + 0.5, -0.5), ylabel="best frequency (kHz)")
        other.set_yticks(where, [f"{tone / 1000:g}" for tone in tones])
