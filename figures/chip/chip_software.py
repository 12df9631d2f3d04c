"""Simulate recurrent networks in software, with selected effects of an analog chip.

The module `refsnn.chip` defines effects of the chip, such as noise.  If no effect is
simulated, and each time bin has one integration step, the network has the same results
as the function `chip_images.in_software`, up to rounding.  Numbers in comments, such as
`(10)`, refer to equations of `refsnn.chip`.  Mismatch is not simulated.
"""

import numpy as np

from figures.chip import chip_images
from refsnn import chip_weights, in_the_loop

# Integer weight that represents the weight 1, ADC code of the leak potential, and ADC
# codes from the leak to the threshold: the defaults of `refsnn.chip.emulate`.
SCALE, CODE = 240.0, (80.0, 70.0)


def simulated(effects, rng, parts=1):
    """Return a function `run(weights, x)` as described in `chip_images`.

    effects : `refsnn.chip.Effects`.  The simulation includes only the effects
        `weight_limit`, `refractory`, `noise`, `loss` (random loss of spikes),
        `headroom` and `adc_limit`.
    rng : random generator for the noise and for the loss of spikes.
    parts : number of integration steps per time bin.

    The simulated noise consists of read noise and membrane noise.  With `refractory`, a
    spike resets the membrane potential to 0 for the refractory time.  Without
    `refractory`, a spike reduces the membrane potential by the threshold.  A neuron
    spikes at most once in a time bin.  A spike reaches its targets after one
    integration step.  Currents are scaled such that the response to an input spike does
    not depend on the number of integration steps.
    """
    read, membrane, _ = effects.noise or (0.0, 0.0, 0.0)
    share = chip_images.DT_S / parts / chip_images.TAU_S
    decay = np.float32(np.exp(-share))
    gain = np.float32(np.exp((parts - 1) * share) / parts)
    hold = round((effects.refractory or 0) * parts / chip_images.DT_S)     # steps

    def normal(size, *shape):
        return np.float32(size) * rng.standard_normal(shape, np.float32) if size else 0

    def kept(events):
        return events * (rng.random(events.shape, np.float32) >= effects.loss) \
            if effects.loss else events

    def run(weights, x):
        written, scale = chip_weights.integers(weights)
        if effects.weight_limit:
            weights = chip_weights.Weights(*(
                (w / factor).astype(np.float32) for w, factor in
                zip(written, (SCALE, SCALE, scale), strict=True)))
        (T, B, _), n, k = x.shape, len(weights.hidden), len(weights.readout)
        # Potential on the chip that represents the potential 1.
        unit = np.repeat(np.float32([1, scale / SCALE]), [n, k])
        onward = np.concatenate([weights.recurrent, weights.readout]).T
        sent = kept(x) @ weights.hidden.T
        if effects.headroom:
            low, high = (edge / unit for edge in np.float32(effects.headroom[:2]))
            slope = effects.headroom[2]
            factor = np.float32(np.exp(-share * (1 - slope) / slope))
        kick = membrane * np.sqrt(1 - decay * decay)
        samples, spikes = (np.zeros((T, B, size), np.float32) for size in (n + k, n))
        current, wait = np.zeros((B, n + k), np.float32), np.zeros((B, n), int)
        v = current + normal(membrane, B, n + k) / unit
        for t in range(T):
            samples[t] = v
            for _ in range(parts):
                fired = ((v[:, :n] > 1) & (wait == 0)).astype(np.float32)
                wait = np.where(fired, max(hold, parts - 1), np.maximum(wait - 1, 0))
                spikes[t] += fired
                v = decay * v + gain * current + normal(kick, B, n + k) / unit
                if hold:
                    v[:, :n][wait > 0] = 0                                 # (11)
                else:
                    v[:, :n] -= fired
                if effects.headroom:
                    edge = np.clip(v, low, high)
                    v = edge + factor * (v - edge)                         # (10)
                current *= decay
                if fired.any():
                    current += kept(fired) @ onward
            current[:, :n] += sent[t]
        samples += normal(read, T, B, n + k) / unit
        if effects.adc_limit:
            codes = np.floor(np.clip(CODE[0] + CODE[1] * unit * samples, 0,
                                     effects.adc_limit))                   # (12)
            samples = (codes - CODE[0]) / (CODE[1] * unit)
        samples -= samples[0].copy()
        return in_the_loop.Recording(samples[:, :, :n], spikes, samples[:, :, n:])

    return run
