"""Record jaxpike's LIF neuron and its surrogate derivatives."""

from adapters import loops

PINS = ("jaxpike==0.1.4", "jax==0.10.2")
NEURONS = {
    "LIF": "snntorch Leaky, subtract (snntorch_leaky), but current enters the "
           "membrane times 1 - beta and reset in the step of the spike",
    "LIF, reset='zero'":
        "hxtorch LIF (hxtorch), but no synaptic filter and input one step early"}
DECAY = "exact"
VECTORS = ("surrogates",)


def record(x, W, V, constants):
    """Return float32 spikes and membranes, and the gradient with respect to W."""
    import jaxpike
    neuron = jaxpike.LIF(
        tau=constants["tau_mem"], threshold=constants["threshold"],
        reset="zero" if "zero" in constants["neuron"] else "subtract",
        surrogate=jaxpike.FastSigmoid(2.0))

    def step(drive, state):
        state = neuron.init_state(drive.shape) if state is None else state
        state, spikes = neuron(state, drive)
        return {"spikes": spikes, "mem": state.v}, state

    return loops.jax_loop(step, x, W, constants["dspikes"])


def results(vectors):
    """Return surrogate derivatives."""
    import jax
    import jaxpike
    import numpy as np
    p, k = vectors["surrogates"].inputs, vectors["surrogates"].inputs["steepness"]
    spikes = {"fast_sigmoid": jaxpike.FastSigmoid(k),
              "arctan": jaxpike.ATan(2 * k / np.pi),
              "triangle": jaxpike.Triangular(1 / k), "boxcar": jaxpike.Boxcar(2 / k)}
    v = jax.numpy.asarray(p["v"], "float32")
    return {f"surrogates.{name}": np.asarray(jax.grad(lambda v, f=f: f(v).sum())(v))
            for name, f in spikes.items()}


FAULTS = ()
