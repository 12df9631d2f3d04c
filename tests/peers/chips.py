"""Connect other simulators to `in_the_loop` as if they were chips.

Each function has the form run(weights, x) -> (spikes, samples), as for
`in_the_loop.record`.  Weights are integers in units of 1/240.  Recurrent weights are
ignored.  `probe` tests such a function before training.
"""

import numpy as np

SCALE, DECAYS = 240, {"alpha": float(np.exp(-1.7 / 6)), "beta": float(np.exp(-1.7 / 6))}


def snntorch_chip(weights, x):
    """Run a network in snnTorch, and return its spikes and membrane potentials.

    In snnTorch, an input spike changes the membrane potential in the same step.  In
    `in_the_loop`, it does so two steps later.  The adapter therefore delays the input
    and the hidden spikes by two steps.
    """
    import snntorch
    import torch
    W, W_out = (torch.tensor(np.float32(w) / SCALE) for w in (
        weights.hidden, weights.readout))
    x = torch.tensor(np.float32(x))
    hidden = snntorch.Synaptic(**DECAYS, reset_mechanism="subtract")
    readout = snntorch.Synaptic(**DECAYS, reset_mechanism="none")
    state, state_out = ([0 * x[0] @ w.T] * 2 for w in (W, W_out @ W))
    spikes, samples, none = [], [], 0 * state[0]
    for t in range(len(x)):
        S, *state = hidden(x[t - 2] @ W.T if t > 1 else none, *state)
        _, *state_out = readout((spikes[t - 2] if t > 1 else none) @ W_out.T,
                                *state_out)
        spikes.append(S)
        samples.append(torch.cat([state[1], state_out[1]], dim=1))
    return (torch.stack(spikes).detach().numpy(),
            80 + 70 * torch.stack(samples).detach().numpy())


def norse_chip(weights, x):
    """Run hidden neurons in Norse, and return only their spikes.

    As in snnTorch, input acts in the same step, and the adapter delays it by two steps.
    Norse resets potentials to 0.  The readout weights are not used.
    """
    import torch
    from norse.torch import LIFCell, LIFParameters
    W, dt = torch.tensor(np.float32(weights.hidden) / SCALE), 1.7e-3
    x = torch.tensor(np.float32(x))
    rates = [torch.tensor((1 - DECAYS[name]) / dt) for name in ("alpha", "beta")]
    cell, state, spikes = LIFCell(LIFParameters(*rates), dt=dt), None, []
    with torch.no_grad():
        for t in range(len(x)):
            drive = x[t - 2] @ W.T if t > 1 else x[0] @ W.T * 0
            S, state = cell(drive / (1 - DECAYS["beta"]), state)
            spikes.append(S)
    return torch.stack(spikes).numpy(), None
