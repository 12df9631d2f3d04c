"""Run a tool's neuron over time in float32, and differentiate the recording."""

import numpy as np


def torch_loop(step, x, W, V, dspikes):
    """Record `step` in PyTorch.

    Parameters
    ----------
    step : callable (drive, state) -> (rows, state)
        One time step of the tool.  `drive` is W x[t] + V spikes[t - 1], (B, n);
        `state` is None at first; `rows` is a dict of the recorded tensors.
    x, W, V : (T, B, m), (n, m) and (n, n) float32
        Input and weights; V may be None.
    dspikes : (T, B, n) float32
        Derivative of a loss with respect to the recorded spikes.

    Returns
    -------
    dict
        The recorded arrays, (T, B, n), and "dW", the gradient of the loss.
    """
    import torch
    W, state, found = torch.tensor(W, requires_grad=True), None, []
    for now in torch.tensor(x):
        drive = now @ W.T
        if V is not None and found:
            drive = drive + found[-1]["spikes"] @ torch.tensor(V).T
        rows, state = step(drive, state)
        found.append(rows)
    found = {name: torch.stack([rows[name] for rows in found]) for name in found[0]}
    (torch.tensor(dspikes) * found["spikes"]).sum().backward()
    return {name: row.detach().numpy() for name, row in found.items()} | {
        "dW": W.grad.numpy()}


def jax_loop(step, x, W, dspikes):
    """Record `step` in JAX, without recurrent weights; otherwise as `torch_loop`."""
    import jax

    def loss(W):
        state, found = None, []
        for now in jax.numpy.asarray(x):
            rows, state = step(now @ W.T, state)
            found.append(rows)
        found = {name: jax.numpy.stack([rows[name] for rows in found])
                 for name in found[0]}
        return (dspikes * found["spikes"]).sum(), found

    dW, found = jax.grad(loss, has_aux=True)(jax.numpy.asarray(W))
    return {name: np.asarray(row) for name, row in found.items()} | {
        "dW": np.asarray(dW)}


def torch_slopes(functions, v):
    """Return the derivative of each spike function at v, computed by PyTorch."""
    import torch
    found = {}
    for name, function in functions.items():
        at = torch.tensor(v, requires_grad=True)
        function(at).sum().backward()
        found[name] = at.grad.numpy()
    return found
