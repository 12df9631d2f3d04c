# refsnn 0.1.0 | stack/network.py | SPDX-License-Identifier: MIT | needs: numpy
"""Store the parameters of layers, and change parameters with an optimiser.

`numpy.savez` saves a layer, and `numpy.load` loads the layer.  Fields that
are None are not saved:

    >>> import io
    >>> one = layer(np.ones((2, 3)), tau_syn=5e-3, tau_mem=20e-3)
    >>> fields = one._asdict().items()
    >>> file = io.BytesIO()               # or a name, such as "layer0.npz"
    >>> np.savez(file, **{k: v for k, v in fields if v is not None})
    >>> _ = file.seek(0)                  # not needed with a name
    >>> Layer(**np.load(file)).W.shape
    (2, 3)
"""

from typing import NamedTuple

import numpy as np

from refsnn._checks import arrays, shown

__all__ = ["CONSTANTS", "descend", "layer"]

CONSTANTS = ("tau_syn", "tau_mem", "threshold", "adaptation", "tau_adapt")


class Layer(NamedTuple):
    """The parameters of a layer.  The function `layer` describes the fields."""
    W: np.ndarray
    V: np.ndarray = None
    log_tau_syn: np.ndarray = None
    log_tau_mem: np.ndarray = None
    log_threshold: np.ndarray = None
    log_adaptation: np.ndarray = None
    log_tau_adapt: np.ndarray = None
    __repr__ = shown


def layer(W, V=None, *, tau_syn, tau_mem, threshold=1.0, adaptation=None,
          tau_adapt=None):
    """Return the parameters of a layer.

    >>> layer(np.ones((2, 3)), tau_syn=5e-3, tau_mem=20e-3).log_tau_mem.item()
    -3.912023005428146

    Parameters
    ----------
    W, V : (n, m) float, (n, n) float or None
        Input and recurrent weights.  The logarithms have the dtype of W.
    tau_syn, tau_mem, tau_adapt : float or (n,) float
        Time constants of current, membrane and adaptation, in s.
    threshold, adaptation : float or (n,) float
        Firing threshold, and increase of the threshold by a spike.  Only
        neurons with `adaptation` and `tau_adapt` adapt.  The readout has no
        threshold, and ignores the value of this argument.

    Returns
    -------
    Layer
        W, V            weights, (n, m) and (n, n); V may be None
        log_tau_syn, log_tau_mem, log_threshold, log_adaptation, log_tau_adapt
                        logarithms of the constants, () or (n,); the last two
                        are None for neurons without adaptation
    """
    W, V, *values = arrays(
        "W (n, m) float, V? (n, n), tau_syn (n?) in (0, inf), "
        "tau_mem (n?) in (0, inf), threshold (n?) in (0, inf), "
        "adaptation? (n?) in (0, inf), "
        "tau_adapt? (n?) in (0, inf)", W, V, tau_syn, tau_mem, threshold, adaptation,
        tau_adapt)
    if (adaptation is None) != (tau_adapt is None):
        raise ValueError("one of adaptation and tau_adapt is None: must be given both, "
                         "or neither")
    return Layer(W, V, *(None if v is None else np.log(v) for v in values))


def descend(layers, gradients, optimiser, states=None):
    """Apply one step of an optimiser to the parameters of all layers.  Return
    a list of the new layers and a list of the new states of the optimiser.

    >>> old = layer(np.ones((1, 1)), tau_syn=5e-3, tau_mem=20e-3)
    >>> gradient = Layer(np.ones((1, 1)), log_tau_mem=np.array(1.0))
    >>> (new,), _ = descend([old], [gradient], lambda s, g: (s, -g / 2))
    >>> new.W.item(), round((new.log_tau_mem - old.log_tau_mem).item(), 9)
    (0.5, -0.5)

    Parameters
    ----------
    layers, gradients : list of Layer
        Parameters, and derivatives of the loss with respect to each parameter.
        A parameter without derivative (None) does not change.
    optimiser : callable (state, gradient) -> (state, update)
        Function of the module `optimisers` with its options, for example
        ``functools.partial(optimisers.adam, rate=1e-3)``.
    states : list, optional
        Second result of the previous call; None at the start.
    """
    if gradients is None:
        raise ValueError("gradients is None: must be a list of Layer, which `step` "
                         "returns if its argument error is given")
    if states is None:
        states = [Layer(None)] * len(layers)
    for name, given in (("gradients", gradients), ("states", states)):
        if len(given) != len(layers):
            raise ValueError(f"{name} has {len(given)} entries: must have one for each "
                             f"of the {len(layers)} layers")
    for i, pair in enumerate(zip(layers, gradients, strict=True)):
        for name, value, change in zip(Layer._fields, *pair, strict=True):
            found, wanted = (None if a is None else np.shape(a)
                             for a in (change, value))
            if found not in (None, wanted):
                raise ValueError(f"gradients[{i}].{name} has shape {found}: must be "
                                 f"None or like layers[{i}].{name}, {wanted}")
    new, after = [], []
    for values, changes, held in zip(layers, gradients, states, strict=True):
        moved = [(state, 0) if change is None else optimiser(state, change)
                 for change, state in zip(changes, held, strict=True)]
        after.append(Layer(*(state for state, _ in moved)))
        new.append(Layer(*(
            None if value is None else np.asarray(value + update, value.dtype)
            for value, (_, update) in zip(values, moved, strict=True))))
    return new, after
