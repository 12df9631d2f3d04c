"""Provide simulations close to a recorded layer, for tests of derivatives."""

import numpy as np
import pytest
from hypothesis import settings
from tolerances import RTOL_FD

from refsnn import checks, lif, surrogates


def proves(module, *equations):
    """Mark a test that compares equations of a module, such as "lif" or "fast/lif",
    with an independent route: differences, a closed form, another implementation."""
    return pytest.mark.proves(module, *equations)


def examples(count):
    """Set the number of examples that Hypothesis draws for a test.

    The profile "dev", which a quick run loads, draws no more than its own number.
    """
    dev = settings.get_profile("dev").max_examples
    return settings(max_examples=min(count, dev) if settings.default.max_examples == dev
                    else count)


def surrogate(name, steepness):
    """Return a function v -> (value, derivative) of a named surrogate."""
    return lambda v: surrogates.SURROGATES[name](v, steepness)


def margin(net, name, steepness):
    """Return the smallest distance of a membrane to threshold or to a kink of psi."""
    v = net.recording.mem - net.model["threshold"]
    edge = np.abs(np.abs(v) - 1 / steepness) if name == "triangle" else np.abs(v)
    return float(min(np.abs(v).min(), edge.min()))


def anchored_run(net, function, through_reset=True, through_recurrence=True):
    """Return a function (W, V, x) -> Recording, anchored at a recording.

    The function replaces each spike by the recorded spike plus the change of the
    surrogate's value (`checks.anchored`).  If the path through the reset or through
    the recurrence is not followed, recorded spikes enter there.
    """
    rec = net.recording
    spike = checks.anchored(function, rec.mem, net.model["threshold"])
    frozen = {}
    if not through_reset:
        frozen["reset_spikes"] = rec.spikes
    if net.V is not None and not through_recurrence:
        frozen["recurrent_spikes"] = rec.spikes

    def run(W, V, x):
        return lif.simulate(x, W, V, refractory=net.refractory, spike=spike,
                            clamp=rec.clamp, **net.model, **frozen)

    return run


def parameters(net):
    """Return the arrays W, V (unless it is None) and x, and their names."""
    if net.V is None:
        return [net.W, net.x], ["W", "x"]
    return [net.W, net.V, net.x], ["W", "V", "x"]


def unpack(theta):
    """Return (W, V, x) from the arrays of `parameters`."""
    return (theta[0], None, theta[1]) if len(theta) == 2 else tuple(theta)


def gradients(grad):
    """Return the gradients in the order of `parameters`."""
    return [a for a in (grad.dW, grad.dV, grad.dx) if a is not None]


def slopes_hold(value, at, derivative, seed, step=1e-5):
    """Return whether a derivative equals a central difference in a random direction."""
    toward = np.random.default_rng(seed).normal(size=at.shape)
    slope = float((derivative * toward).sum())
    up, down = (value(at + sign * step * toward) for sign in (1, -1))
    assert abs(slope) > 1e-3
    return np.isclose((up - down) / (2 * step), slope, rtol=RTOL_FD, atol=0)


def blinded(vector):
    """Return the golden vector with one mutant, whose outputs are the correct ones."""
    return vector._replace(mutants=[vector.mutants[-1]._replace(
        name="blind", outputs=vector.outputs)])
