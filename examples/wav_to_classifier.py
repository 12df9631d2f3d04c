"""From your own WAV files to a classifier
=======================================

At the end of this tutorial, you have converted WAV files to spikes with a model of the
ear, have seen these spikes, and have trained a spiking network to recognise the words.
"""
import subprocess
import sys
import tempfile
import wave
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from refsnn import binning, events, lif, losses, optimisers, surrogates

# %%
# The sounds.  This cell makes three words of two vowels each.  The words "ai" and "ia"
# differ only in the order of their vowels.  To use your own sounds, remove the loop,
# and let ``sounds`` be the path of your folder, with three or more files of each word.
rng, sounds = np.random.default_rng(1), Path(tempfile.mkdtemp())
vowels = {"a": (700, 1200), "i": (300, 2300), "o": (450, 800)}      # resonances, Hz
for name in [f"{word}_{i}" for word in ("ai", "ia", "ao") for i in range(24)]:
    pitch, parts = rng.uniform(110, 220), []                        # Hz
    for vowel in name[:2]:
        t = np.arange(rng.integers(1900, 2900)) / 16000             # s
        tones = np.arange(1, 4000 // pitch)[:, None] * pitch
        sizes = sum(1 / (1 + ((tones - f) / 100) ** 2) for f in vowels[vowel])
        parts.append((sizes * np.sin(2 * np.pi * tones * t)).sum(axis=0) / sizes.sum())
    sound = 30000 * np.concatenate(parts)
    with wave.open(str(sounds / f"{name}.wav"), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))    # mono, 2 bytes, 16000 Hz
        file.writeframes(sound.astype("<i2").tobytes())

# %%
# The conversion, by a command that you can also run in a terminal.  The pattern after
# ``--label`` finds the word in file names such as ai_7.wav.  If each word has its own
# folder, write "folder" instead of the pattern.  For stereo files, add "--mix" to the
# list.  Every third sound is held out.
files, folder = sorted(map(str, sounds.resolve().rglob("*.wav"))), tempfile.mkdtemp()
Path(folder, "test.txt").write_text("\n".join(files[::3]))
subprocess.run([
    sys.executable, "-m", "refsnn", "convert", *files, "--label", "(.*)_", "--channels",
    "70", "-o", "train.h5", "--test", "test.txt", "test.h5"], cwd=folder, check=True)

# %%
# The picture shows the spikes of one sound of each word.
train, test = (events.read(f"{folder}/{f}.h5", channels=70) for f in ("train", "test"))
k = len(train.keys)                                                 # number of words
fig, axes = plt.subplots(1, k, figsize=(10, 3.8), sharey=True, layout="constrained")
for i, (ax, word) in enumerate(zip(axes, train.keys, strict=True)):
    b = list(train.labels).index(i)
    ax.plot(1e3 * train.times[b], train.units[b], "k.", markersize=3)
    ax.set(title=f"Spikes of the word {word}", xlabel="time (ms)")
axes[0].set_ylabel("channel (low frequencies at the top)")
fig.savefig("wav_to_classifier.png", dpi=150)

# %%
# The classifier: a recurrent layer of leaky integrate-and-fire (LIF) neurons, and one
# leaky readout for each word.  The input counts spikes in steps of 4 ms, up to t1; for
# longer sounds, increase t1.  Next, ``help("refsnn.__main__")`` explains ``convert``.
grid = binning.Binning(t0=0.0, t1=0.4, dt=0.004, outside="drop")
x, x_test = (binning.dense(s.times, s.units, 70, grid) for s in (train, test))
decays = {"alpha": np.exp(-4 / 10), "beta": np.exp(-4 / 20)}        # 10 ms and 20 ms
weights = [rng.normal(0, 0.1, size) for size in ((40, 70), (40, 40), (k, 40))]
states = [None] * 3
for _ in range(60):
    W, V, W_out = weights
    layer = lif.simulate(x, W, V, **decays)
    out = lif.readout(layer.spikes, W_out, gain=0.01, **decays)
    _, dout = losses.cross_entropy(out, train.labels, "sum")
    top = lif.readout_backward(layer.spikes, W_out, dout, gain=0.01, **decays)
    psi = surrogates.fast_sigmoid(layer.mem - 1.0, 5.0)[1]
    d = lif.backward(x, W, V, layer, psi, top.dx, **decays)
    for i, gradient in enumerate((d.dW, d.dV, top.dW)):
        states[i], step = optimisers.adam(states[i], gradient, rate=0.005)
        weights[i] = weights[i] + step
layer = lif.simulate(x_test, *weights[:2], **decays)
out = lif.readout(layer.spikes, weights[2], gain=0.01, **decays)
print(f"Held-out sounds: accuracy {losses.accuracy(out, test.labels, 'sum'):.3f}")
