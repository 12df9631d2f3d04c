"""Compute eventax's gradients of spike times, with its default adjoint."""

PINS = ("eventax==0.1.0", "jax==0.10.2", "diffrax==0.7.2", "equinox==0.13.8")
NEURONS = {}
DECAY = None
VECTORS = ()
GRADIENTS = ("RecursiveCheckpointAdjoint",)
STEP = 1e-3             # s, of the solver


def spike_times(name, p):
    """Return spike times and gradients in float64."""
    import diffrax
    import equinox
    import jax
    import numpy as np
    import optimistix
    jax.config.update("jax_enable_x64", True)
    from eventax.evnn import FFEvNN
    from eventax.neuron_models import LIF
    (n, m), given = p["W"].shape, p["input_times"]
    weights = np.zeros((2 * n + m, 2 * n))
    weights[2 * n:, :n], weights[:n, n:] = p["W"].T, p["W2"].T
    net = FFEvNN(
        [n, n], m, LIF, max_solver_time=p["until"], key=jax.random.PRNGKey(0),
        solver_stepsize=STEP, max_event_steps=80, solver=diffrax.Tsit5(),
        root_finder=optimistix.Newton(1e-10, 1e-10, optimistix.rms_norm),
        dtype="float64", thresh=p["threshold"], tsyn=p["tau_syn"], tmem=p["tau_mem"],
        init_bias=0.0, init_weights=weights)
    at = p["input_units"], np.arange(len(given))

    def loss(learned):
        net, given = learned
        found = net.spikes_until_t(jax.numpy.full((m, given.size), np.inf).at[at].set(
            given), p["until"], max_spikes=20)
        on = jax.numpy.isfinite(found)
        errors = jax.numpy.where(on, found, 0) - p["target"][:, None]
        return (errors ** 2 * on).sum() / 2, found

    (dnet, dtimes), found = equinox.filter_grad(loss, has_aux=True)(
        (net, jax.numpy.asarray(given)))
    slopes, found = np.asarray(dnet.neuron_model.weights), np.asarray(found)
    return {"times": found[np.isfinite(found)], "dinput_times": np.asarray(dtimes),
            "dW": slopes[2 * n:, :n].T, "dW2": slopes[:n, n:].T}


FAULTS = ()
