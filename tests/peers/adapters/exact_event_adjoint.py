"""Compute exact-event-adjoint's gradients of spike times."""

PINS = ("exact-event-adjoint==0.2.0", "torch==2.13.0")
NEURONS = {}
DECAY = None
VECTORS = ()
GRADIENTS = ("ExactAdjointMultiSpike",)
MOST = 8                # spikes of a neuron
MS = 1e3                # ms in a second; the tool's tolerances are for times in ms


def spike_times(name, p):
    """Return spike times and gradients in float64."""
    import torch
    from exact_event_adjoint import ExactAdjointMultiSpike
    tau_mem, tau_syn, until = (MS * p[key] for key in ("tau_mem", "tau_syn", "until"))
    W, W2, given = (torch.tensor(p[key], requires_grad=True)
                    for key in ("W", "W2", "input_times"))

    def layer(times, weights):
        # Each input neuron of the tool spikes once, so that each spike has a weight.
        made = ExactAdjointMultiSpike(times.shape[1], len(weights), MOST, tau_mem,
                                      tau_syn, p["threshold"], t_max=until)
        del made.weight
        made.weight = weights / tau_mem
        return made(times)[:, 0]

    lower = layer(MS * given[None], W[:, p["input_units"]])
    upper = layer(lower.reshape(1, -1), W2.repeat_interleave(MOST, 1))
    on = upper < until
    errors = upper / MS - torch.tensor(p["target"])[:, None]
    ((errors ** 2 * on).sum() / 2).backward()
    return {"times": (upper[on] / MS).detach().numpy(), "dW": W.grad.numpy(),
            "dW2": W2.grad.numpy(), "dinput_times": given.grad.numpy()}


FAULTS = ()
