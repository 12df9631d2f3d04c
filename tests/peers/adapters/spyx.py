"""Record Spyx's neurons and its spike functions."""

from adapters import loops

PINS = ("spyx==1.0.0", "jax==0.10.2", "flax==0.12.8")
NEURONS = {"LIF": "spyx LIF (spyx_lif)",
           "CuBaLIF": "spyx CuBaLIF (spyx_cubalif)"}
DECAY = None            # the neurons take decay factors
VECTORS = ("surrogates",)


def record(x, W, V, constants):
    """Return float32 spikes and states, and the gradient with respect to W."""
    from flax import nnx
    from spyx import axn, nn
    n, cuba = len(W), constants["neuron"] == "CuBaLIF"
    layer = getattr(nn, constants["neuron"])(
        (n,), beta=constants["beta"], threshold=constants["threshold"],
        activation=axn.superspike(2.0), rngs=nnx.Rngs(0),
        **({"alpha": constants["alpha"]} if cuba else {}))

    def step(drive, state):
        state = layer.initial_state(len(drive)) if state is None else state
        spikes, state = layer(drive, state)
        return {"spikes": spikes, "mem": state[:, :n]} | (
            {"syn": state[:, n:]} if cuba else {}), state

    return loops.jax_loop(step, x, W, constants["dspikes"])


def results(vectors):
    """Return surrogate derivatives."""
    import jax
    import numpy as np
    from spyx import axn
    p, k = vectors["surrogates"].inputs, vectors["surrogates"].inputs["steepness"]
    spikes = {"fast_sigmoid": axn.superspike(k), "arctan": axn.arctan(k / np.pi),
              "triangle": axn.triangular(k), "boxcar": axn.boxcar(2 / k, 1.0)}
    v = jax.numpy.asarray(p["v"], "float32")
    return {f"surrogates.{name}": np.asarray(jax.grad(lambda v, f=f: f(v).sum())(v))
            for name, f in spikes.items()}


FAULTS = ()
