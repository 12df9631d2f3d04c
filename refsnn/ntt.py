# refsnn 0.1.0 | ntt.py | SPDX-License-Identifier: MIT | needs: numpy
r"""Train a sparse network to reproduce the tangent kernel of a dense network.

In Neural Tangent Transfer (NTT), the teacher is a dense network with
random weights that are never trained.  The student is a sparse network
that learns to reproduce the outputs and the tangent kernel of the teacher,
without labels.  Layer l of the student has dense weights W_l and a mask
M_l, which is 0 for pruned weights and otherwise 1.  The sparse weights of
layer l are M_l W_l, an entrywise product.  A batch of B inputs is divided
into two parts of N and N' inputs.  Both networks have k outputs.  The
teacher has the tangent kernel K*, and the student has the tangent kernel
K.  Both kernels have the shape (N, N', k, k).  The kernel entry of two
outputs is the scalar product of their gradients with respect to the
parameters.  One output belongs to an input in the first part of the batch,
the other output to an input in the second part.  The outputs of the
teacher are f*, and the outputs of the student are f.  Both arrays have the
shape (B, k).  The loss L is

    L = strength / (N N' k^2) sum (K - K*)^2              (1)  [LZ20]
        + 1 / (B k) sum (f - f*)^2                        (2)  [LZ20]
        + l2 / density sum_l |M_l W_l|^2                  (3)  [LZ20]

The fraction of unpruned weights is `density`.  The derivatives of the loss
with respect to K and f are

    D = 2 strength / (N N' k^2) (K - K*),
    df = 2 / (B k) (f - f*)                               (4)

Layer l has the inputs a_l, the pre-activations pre_l and the signals g_l =
df/dpre_l.  The kernel K depends on all layer inputs a_l and all
derivatives g_l of the outputs.  The function `adjoint` computes the
derivatives da_l and dg_l of the loss with respect to a_l and g_l.  The
function `second_order` computes the gradient of the loss terms (1) and (2)
with respect to M_l W_l:

    (da_l, dg_l) = adjoint(a, g, D)                                     (5)
    dW_l = M_l (second_order(da, dg, df)_l + 2 l2 / density M_l W_l)    (6)

New masks are computed from the dense weights W_l at intervals of `every`
training steps, but not in the last `every` steps.  The gradient of pruned
weights is 0, but the momentum of an optimiser can still change these
weights.  A pruned weight becomes active again if its new mask entry is 1.

Derivation.  Eqs. (5) and (6) are the chain rule.  The factor M_l in (6)
    arises because the loss depends on W_l only through M_l W_l.
Exact.  The gradient of the loss is exact wherever the kernel K is a smooth
    function of the weights.  K is discontinuous if a ReLU unit switches on
    or off, or if another entry of a pooling window becomes the largest.
Cost.   For each network and each part of the batch, a training step calls
    the functions `forward` and `signals` once.  A training step calls
    `kernel` and `second_order` twice, and `adjoint` once.
Departures.  No departures from [LZ20] are known.  If kind="at_masked", the
    tangent kernel K includes derivatives with respect to pruned weights,
    as in the code of [LZ20].  If kind="through_mask", the kernel only
    includes derivatives with respect to biases and unpruned weights.
    Therefore, this kernel describes the training of the sparse network.

[LZ20] T. Liu and F. Zenke, ICML 2020, arXiv 2006.08228.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

# `python -m refsnn vendor NAME FILE` adds these functions to a copy.
from refsnn._checks import arrays, bundle, one_of, shown

__all__ = ["gradient", "target", "transfer"]


class Model(NamedTuple):
    """Hold functions of a model.  The function `target` describes the fields."""
    forward: Callable
    signals: Callable
    second_order: Callable
    kernel: Callable
    adjoint: Callable
    map: Callable = map


class Target(NamedTuple):
    """Hold teacher results.  The function `target` describes the fields."""
    outputs: np.ndarray
    kernel: np.ndarray
    __repr__ = shown


class Loss(NamedTuple):
    """Hold the loss L and its terms.  The terms omit strength, l2 and density."""
    total: float                    # L
    kernel: float                   # sum (K - K*)^2 / (N N' k^2)
    outputs: float                  # sum (f - f*)^2 / (B k)
    l2: float                       # sum_l |M_l W_l|^2


class Gradient(NamedTuple):
    """Hold loss and gradient.  The function `gradient` describes the fields."""
    loss: Loss
    weights: list
    biases: list
    __repr__ = shown


class Student(NamedTuple):
    """Hold a sparse student.  The function `transfer` describes the fields."""
    weights: list
    biases: list
    masks: list
    __repr__ = shown


def target(model, weights, biases, x):
    """Compute the outputs and the tangent kernel of the teacher for one batch.

    >>> layer = NamedTuple("Layer", [("inputs", list), ("outputs", list)])
    >>> model = Model(lambda W, b, x: layer([x], x @ W[0].T),
    ...               lambda W, r: [np.ones((len(r.outputs), 1, 1))],
    ...               None, lambda l, r: l[0][0] @ r[0][0].T, None)
    >>> x = np.array([[1.0], [2.0]])
    >>> found = target(model, [np.array([[3.0]])], [], x)
    >>> found.outputs.tolist(), found.kernel.tolist()
    ([[3.0], [6.0]], [[2.0]])

    Parameters
    ----------
    model : Model
        Functions for a network, such as `mlp.forward` and `ntk.kernel`.

        forward       (weights, biases, x) -> recording with inputs, outputs
        signals       (weights, recording) -> list of arrays
        second_order  (weights, recording, signals, da, dg, df) -> (dW, db)
        kernel        (left, right, masks=, kind=) -> (N, N', k, k) array
        adjoint       (left, right, D, masks=, kind=, constant=True); it may
                      return None for the constants inputs[0] and signals[-1]
        map           like the built-in function, which is the default; the
                      method `map` of a thread pool gives the same numbers
    weights, biases : lists of arrays of the dense teacher
    x : (B, ...) float, at least 2 inputs; the first part has N = B // 2

    Returns
    -------
    Target
        outputs, kernel  f* (B, k), and K* (N, N', k, k)
    """
    _, halves, outputs = _recorded(model, weights, biases, x)
    return Target(outputs, model.kernel(*halves))


def _recorded(model, weights, biases, x):
    """Run the model on both halves of the batch `x`."""
    model, (x,) = bundle("model", model, Model), arrays("x (...)", x)
    if x.ndim < 2 or len(x) < 2:
        raise ValueError(f"x has shape {x.shape}: must be a batch (B, ...) of at least "
                         "2 samples")
    half = len(x) // 2
    recordings = list(model.map(lambda part: model.forward(weights, biases, part),
                                (x[:half], x[half:])))
    signals = model.map(lambda record: model.signals(weights, record), recordings)
    halves = [(record.inputs, g) for record, g in zip(recordings, signals, strict=True)]
    return recordings, halves, np.concatenate([r.outputs for r in recordings])


def gradient(model, student, x, goal, *, density, strength=1e-3, l2=1e-4,
             kind="at_masked"):
    """Compute the loss L and its gradient for one batch, eqs. (1)-(6).

    >>> layer = NamedTuple("Layer", [("inputs", list), ("outputs", list)])
    >>> model = Model(lambda W, b, x: layer([x], x @ W[0].T),
    ...               lambda W, r: [np.ones((len(r.outputs), 1, 1))],
    ...               lambda W, r, g, da, dg, df: ([df.T @ r.inputs[0]], []),
    ...               lambda l, r, **options: l[0][0] @ r[0][0].T,
    ...               lambda l, r, D, **options: (l, r))
    >>> student = Student([np.array([[3.0]])], [], [np.array([[1.0]])])
    >>> goal = Target(np.array([[1.0], [4.0]]), np.array([[2.0]]))
    >>> found = gradient(model, student, np.array([[1.0], [2.0]]), goal,
    ...                  density=1.0, l2=0.1)
    >>> round(found.loss.total, 9), found.weights[0].round(9).tolist()
    (4.9, [[6.6]])

    Parameters
    ----------
    model, x : as for `target`
    student : Student
    goal : Target, result of `target` for the same batch
    density : float, fraction of unpruned weights, in (0, 1]
    strength, l2 : float, coefficients of (1) and (3)
    kind : {"at_masked", "through_mask"}

    Returns
    -------
    Gradient, which is exactly 0 for pruned weights
        loss  `Loss`, with L and its terms without coefficients
        weights, biases  lists of derivatives, in the shapes of the parameters
    """
    one_of("kind", kind, "at_masked", "through_mask")
    density, strength, l2 = arrays(
        "density () in (0, 1], strength () in [0, inf), l2 () in [0, inf)", density,
        strength, l2)
    student, live = _masked(student)
    goal = bundle("goal", goal, Target)
    recordings, halves, outputs = _recorded(model, live, student.biases, x)
    options = {"kind": kind, "masks": student.masks if kind == "through_mask" else None}
    kernel = model.kernel(*halves, **options)
    dkernel = kernel - _like("goal.kernel", goal.kernel, kernel)
    doutputs = outputs - _like("goal.outputs", goal.outputs, outputs)
    squares = [_square(a) / a.size for a in (dkernel, doutputs)]
    decay = sum(map(_square, live))
    total = strength * squares[0]                                          # (1)
    total += squares[1]                                                    # (2)
    total += l2 / density * decay                                          # (3)
    dkernel *= 2 * strength / dkernel.size                                 # (4)
    doutputs *= 2 / doutputs.size                                          # (4)
    adjoints = model.adjoint(*halves, dkernel, constant=True, **options)   # (5)
    half = len(x) // 2
    parts = list(model.map(
        lambda record, half, adjoint, df: model.second_order(
            live, record, half[1], *adjoint, df),
        recordings, halves, adjoints, (doutputs[:half], doutputs[half:])))
    dweights, dbiases = ([a + b for a, b in zip(*found, strict=True)]
                         for found in zip(*parts, strict=True))
    for W, M, dW in zip(live, student.masks, dweights, strict=True):   # in place
        W *= 2 * l2 / density                                              # (6)
        W += dW                                                            # (6)
        W *= M                                                             # (6)
    return Gradient(Loss(total, *squares, decay), live, list(dbiases))


def _square(a):
    a = a.ravel(order="K")          # memory order avoids a copy
    return float(np.vdot(a, a))


def transfer(model, weights, biases, batches, *, density, prune, optimiser,
             every=100, strength=1e-3, l2=1e-4, kind="at_masked", student=None,
             watch=None):
    """Train a sparse student network to match a dense teacher.

    >>> layer = NamedTuple("Layer", [("inputs", list), ("outputs", list)])
    >>> model = Model(lambda W, b, x: layer([x], x @ W[0].T),
    ...               lambda W, r: [np.ones((len(r.outputs), 1, 1))],
    ...               lambda W, r, g, da, dg, df: ([df.T @ r.inputs[0]], []),
    ...               lambda l, r, **options: l[0][0] @ r[0][0].T,
    ...               lambda l, r, D, **options: (l, r))
    >>> W, x = np.array([[2.0, 0.5]]), np.array([[1.0, 1.0], [1.0, 0.0]])
    >>> student = transfer(
    ...     model, [W], [], [x] * 100, density=0.5, l2=0.0,
    ...     prune=lambda W: [(abs(W[0]) > 1).astype(float)],
    ...     optimiser=lambda state, g: (state, -0.5 * g))
    >>> student.masks[0].tolist(), student.weights[0].round(9).tolist()
    ([[1.0, 0.0]], [[2.25, 0.5]])

    Parameters
    ----------
    model, density, strength, l2, kind : as for `gradient`
    weights, biases : lists of arrays of the teacher
    batches : sequence of (B, ...) float, one for each training step
    prune : callable (dense weights) -> masks, such as `pruning.magnitude`
    optimiser : callable (state, gradient) -> (state, update)
        Function that returns the update of an array; `state` is None at first.
    every : int, number of steps between two computations of the masks
    student : Student, optional
        Initial student; by default, the teacher with the masks prune(weights).
    watch : callable (step, student), optional
        Function that is called before each step and after the last step.  The
        call precedes the computation of new masks.

    Returns
    -------
    Student, whose sparse network has the weights masks * weights
        weights, biases  lists of arrays, including the pruned weights of W_l
        masks            list of M_l, arrays of 0 and 1
    """
    arrays("every () int in [1, inf)", every)
    one_of("optimiser", optimiser, Callable)
    one_of("watch", watch, Callable, type(None))
    if not hasattr(batches, "__len__"):
        raise ValueError(f"batches is {batches!r:.60}: must have a length")
    if student is None:
        one_of("prune", prune, Callable)
        student = Student(list(weights), list(biases), prune(weights))
    student = bundle("student", student, Student)
    states = [[None] * len(weights), [None] * len(biases)]
    for step, x in enumerate(batches):
        if watch is not None:
            watch(step, student)
        if step and step % every == 0 and step < len(batches) - every:
            student = student._replace(masks=prune(student.weights))
        found = gradient(model, student, x, target(model, weights, biases, x),
                         density=density, strength=strength, l2=l2, kind=kind)
        states[0], moved = _moved(optimiser, states[0], student.weights, found.weights)
        states[1], shifted = _moved(optimiser, states[1], student.biases, found.biases)
        student = Student(moved, shifted, student.masks)
    if watch is not None:
        watch(len(batches), student)
    return student


def _moved(optimiser, states, arrays, gradients):
    found = list(map(optimiser, states, gradients))
    return ([state for state, _ in found],
            [a + update for a, (_, update) in zip(arrays, found, strict=True)])


def _masked(student):
    """Return student and masked weights."""
    student = bundle("student", student, Student)
    weights, masks = arrays("student.weights[] (...) float, student.masks[] (...) in "
                            "{0, 1}", student.weights, student.masks)
    shapes, found = ([a.shape for a in part] for part in (weights, masks))
    if not shapes or found != shapes:
        raise ValueError(f"student.masks has the shapes {found}, student.weights has "
                         f"{shapes}: must be equal, with at least one layer")
    return student, [W * M for W, M in zip(weights, masks, strict=True)]


def _like(name, value, own):
    return arrays(f"{name} {own.shape}", value, dtype=own.dtype)[0]
