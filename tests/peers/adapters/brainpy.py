"""Record BrainPy's LIF neuron."""

from adapters import loops

PINS = ("brainpy==2.8.2", "brainstate==0.5.4", "jax==0.10.2")
NEURONS = {
    "state.LIF":
        "snntorch Leaky, subtract (snntorch_leaky), but current enters the membrane "
        "times 1 - beta and reset before the decay of the next step"}
DECAY = "exact"
VECTORS = ()


def record(x, W, V, constants):
    """Return float32 spikes and membranes, and the gradient with respect to W."""
    import brainpy
    import brainstate
    import braintools
    import brainunit as u
    neuron = brainpy.state.LIF(
        len(W), tau=constants["tau_mem"] * u.ms, V_th=constants["threshold"] * u.mV,
        spk_fun=braintools.surrogate.ReluGrad(alpha=2.0, width=0.5))

    def step(drive, state):
        if state is None:
            neuron.init_state(batch_size=len(drive))
        with brainstate.environ.context(dt=1.0 * u.ms):
            spikes = neuron.update(drive * u.mA)
        return {"spikes": spikes, "mem": neuron.V.value.to_decimal(u.mV)}, neuron

    return loops.jax_loop(step, x, W, constants["dspikes"])


FAULTS = ()
