# refsnn 0.1.0 | ntt.py | SPDX-License-Identifier: MIT | needs: numpy
r"""Neural Tangent Transfer (NTT): sparse networks that train like dense ones.

A dense network at its random start is the teacher; it is never trained,
and no label is seen.  A student with masks M_l (0 where a weight is
pruned), run at the weights M_l W_l, learns to have the teacher's outputs
f* and the teacher's empirical tangent kernel K* between the two halves of
a batch: what the dense network would learn, the sparse one then learns
too.  For a batch of B inputs, N of them in the first half and N' in the
second, and k outputs, it climbs down

    L = strength / (N N' k^2) sum (K - K*)^2              (1)  [LZ20] eq. ?
        + 1 / (B k) sum (f - f*)^2                        (2)  [LZ20] eq. ?
        + l2 / density sum_l |M_l W_l|^2                  (3)  [LZ20] eq. ?

with sums over all entries of K (N, N', k, k) and f (B, k).  With the
derivatives by kernel and outputs

    D = 2 strength / (N N' k^2) (K - K*),
    df = 2 / (B k) (f - f*)                                             (4)

the kernel hands D on to the arrays that it is made of, inputs a_l of
layers and signals g_l = df/dz_l, and the model takes those and df back to
its parameters:

    (da_l, dg_l) = adjoint(a, g, D)                                     (5)
    dW_l = M_l (second_order(da, dg, df)_l + 2 l2 / density M_l W_l)    (6)

Every `every` steps, but not in the last `every` ones, the masks are drawn
anew from the sizes of the dense weights W_l, pruned ones included.  Those
keep the value they had (and what momentum adds to it), get no gradient and
no L2 decay, and come back once a live weight has shrunk below them.

Derivation.  (1)-(3) depend on the weights through M_l W_l alone, hence the
    M_l in (6).  K is a function of a and g, both of them functions of the
    weights; (5) and (6) are the chain rule, and nothing is left out.
Exact.  The gradient of L wherever no gate of a ReLU and no winner of a
    pool changes: there K jumps.
Cost.   For a batch two forward passes, two sweeps of signals and two
    kernels (teacher and student), one adjoint and one second-order product
    on B k rows; memory of the signals, O(B k n) for n neurons.
Departures.  Which tangent kernel: kind "at_masked" has derivatives at all
    positions, pruned ones too, evaluated at the sparse point.  It is what
    the authors' code computes, and what reproduces their logs.
    "through_mask" is J M J^T, the kernel that governs how the sparse
    network trains.  The teacher has no mask.  The models and kernels come
    in as functions, see `Model`.

[LZ20] T. Liu and F. Zenke, ICML 2020, arXiv 2006.08228.
"""

import numbers
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

__all__ = ["Gradient", "Loss", "Model", "Student", "Target", "gradient", "target",
           "transfer"]

KINDS = ("at_masked", "through_mask")


class Model(NamedTuple):
    """A network and its kernel, as functions.

    forward(weights, biases, x) -> recording with fields inputs and outputs,
    signals(weights, recording) -> list, second_order(weights, recording,
    signals, dinputs, dsignals, doutputs) -> (weights, biases): mlp.py or
    convnet.py; kernel(left, right, masks=, kind=) and adjoint(left, right,
    dkernel, masks=, kind=, constant=True): ntk.py.  Of what is constant
    (inputs of the first layer, signals of the last) the derivative may be
    None.
    """

    forward: Callable
    signals: Callable
    second_order: Callable
    kernel: Callable
    adjoint: Callable


class Target(NamedTuple):
    """What a student is to have on a batch: (B, k), and (N, N', k, k)."""

    outputs: np.ndarray
    kernel: np.ndarray


class Loss(NamedTuple):
    """Mean squares of (1) and (2) and the sum of (3), all without factors."""

    total: float                    # L
    kernel: float                   # sum (K - K*)^2 / (N N' k^2)
    outputs: float                  # sum (f - f*)^2 / (B k)
    l2: float                       # sum_l |M_l W_l|^2


class Gradient(NamedTuple):
    """The loss and its derivatives, lists like weights and biases."""

    loss: Loss
    weights: list
    biases: list


class Student(NamedTuple):
    """Dense weights W_l (pruned ones hold stale values), biases, masks."""

    weights: list
    biases: list
    masks: list


def _number(name, value, low=0.0):
    if isinstance(value, bool) or not isinstance(value, numbers.Real) \
            or not low <= value < np.inf:
        raise ValueError(f"{name} is {value!r}: must be a finite number of at least "
                         f"{low:g}")
    return float(value)


def _density(value):
    if isinstance(value, bool) or not isinstance(value, numbers.Real) \
            or not 0 < value <= 1:
        raise ValueError(f"density is {value!r}: must be in (0, 1]")
    return float(value)


def _masked(weights, masks):
    """M_l W_l, everything checked."""
    for name, value in (("weights", weights), ("masks", masks)):
        if not isinstance(value, (list, tuple)) or not value:
            raise ValueError(f"{name} is {value!r:.60}: must be a list of arrays, one "
                             "for each layer")
    if len(masks) != len(weights):
        raise ValueError(f"masks has {len(masks)} arrays: must be {len(weights)} like "
                         "weights")
    for i, (W, M) in enumerate(zip(weights, masks, strict=True)):
        if getattr(W, "dtype", None) not in (np.float32, np.float64):
            raise ValueError(f"weights[{i}] is {W!r:.60}: must be an array of float32 "
                             "or float64")
        if getattr(M, "shape", None) != W.shape or M.dtype != W.dtype:
            raise ValueError(f"masks[{i}] is of shape {np.shape(M)}, dtype "
                             f"{getattr(M, 'dtype', None)}: must be an array of "
                             f"{W.shape}, {W.dtype} like weights[{i}]")
        if not ((M == 0) | (M == 1)).all():
            raise ValueError(f"masks[{i}] has entries that are neither 0 nor 1: must "
                             "be a mask")
    return [W * M for W, M in zip(weights, masks, strict=True)]


def _recorded(model, weights, biases, x):
    """Recording and signals of a batch, and both for each of its halves."""
    if getattr(model, "_fields", None) != Model._fields:
        raise ValueError(f"model is {model!r:.60}: must be a Model")
    if np.ndim(x) < 2 or len(x) < 2:
        raise ValueError(f"x is of shape {np.shape(x)}: must be a batch (B, ...) of "
                         "at least 2 samples, for it is cut into halves")
    recording = model.forward(weights, biases, x)
    signals, half = model.signals(weights, recording), len(x) // 2
    halves = [([a[part] for a in recording.inputs], [g[part] for g in signals])
              for part in (slice(None, half), slice(half, None))]
    return recording, signals, halves


def _difference(name, own, goal):
    """own - goal.name, of the same shape and dtype."""
    other = np.asarray(getattr(goal, name, None))
    if other.shape != own.shape or other.dtype != own.dtype:
        raise ValueError(f"goal.{name} is of shape {other.shape}, dtype {other.dtype}: "
                         f"must be {own.shape}, {own.dtype}, of the same batch and "
                         "network")
    if not np.isfinite(other).all():
        raise ValueError(f"goal.{name} has NaN or infinite entries: must be finite")
    return own - other


def _square(a):
    """Sum of squares, in the order of memory: nothing is copied."""
    a = a.ravel(order="K")
    return float(np.vdot(a, a))


def target(model, weights, biases, x):
    """The teacher's outputs and its kernel between the halves of a batch.

    Parameters
    ----------
    model : Model
        Functions of the network.
    weights, biases : lists of arrays
        Of the dense teacher.
    x : (B, ...) float
        At least 2 inputs; the first B // 2 are the first half.

    Returns
    -------
    Target
        f* and K*.

    Raises
    ------
    ValueError
        If model is no Model, B is less than 2, or what the model refuses.

    Examples
    --------
    >>> layer = NamedTuple("Layer", [("inputs", list), ("outputs", list)])
    >>> model = Model(lambda W, b, x: layer([x], x @ W[0].T),
    ...               lambda W, r: [np.ones((len(r.outputs), 1, 1))],
    ...               None, lambda l, r: l[0][0] @ r[0][0].T, None)
    >>> x = np.array([[1.0], [2.0]])
    >>> found = target(model, [np.array([[3.0]])], [], x)
    >>> found.outputs.tolist(), found.kernel.tolist()
    ([[3.0], [6.0]], [[2.0]])
    """
    recording, _, halves = _recorded(model, weights, biases, x)
    return Target(recording.outputs, model.kernel(*halves))


def gradient(model, student, x, goal, *, density, strength=1e-3, l2=1e-4,
             kind="at_masked"):
    """Transfer loss of a batch and its gradient, eqs. (1)-(6).

    Parameters
    ----------
    model : Model
        Functions of the network.
    student : Student
        Dense weights, biases, and masks of 0 and 1.
    x : (B, ...) float
        The batch.
    goal : Target
        From `target`, for the same batch.
    density : float
        Share of weights that live, in (0, 1]: the L2 term is divided by it.
    strength, l2 : float
        Factors of (1) and (3).
    kind : {"at_masked", "through_mask"}
        Which kernel the student has.

    Returns
    -------
    Gradient
        Exactly 0 for pruned weights.

    Raises
    ------
    ValueError
        If a mask does not fit or is not 0 or 1, a number is out of range,
        kind is another one, or goal is of another batch or network.

    Examples
    --------
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
    """
    if kind not in KINDS:
        raise ValueError(f"kind is {kind!r}: must be one of {KINDS}")
    if getattr(student, "_fields", None) != Student._fields:
        raise ValueError(f"student is {student!r:.60}: must be a Student")
    density = _density(density)
    strength, l2 = _number("strength", strength), _number("l2", l2)
    live = _masked(student.weights, student.masks)
    recording, signals, halves = _recorded(model, live, student.biases, x)
    options = {"kind": kind,
               "masks": student.masks if kind == "through_mask" else None}
    kernel = model.kernel(*halves, **options)
    dkernel = _difference("kernel", kernel, goal)
    doutputs = _difference("outputs", recording.outputs, goal)
    squares = [_square(a) / a.size for a in (dkernel, doutputs)]
    decay = sum(map(_square, live))
    total = strength * squares[0]                                          # (1)
    total += squares[1]                                                    # (2)
    total += l2 / density * decay                                          # (3)
    dkernel *= 2 * strength / dkernel.size                                 # (4)
    doutputs *= 2 / doutputs.size
    adjoints = model.adjoint(*halves, dkernel, constant=True, **options)   # (5)
    dinputs, dsignals = (
        [None if pair[0] is None else np.concatenate(pair)
         for pair in zip(*parts, strict=True)] for parts in zip(*adjoints, strict=True))
    dweights, dbiases = model.second_order(live, recording, signals, dinputs,
                                           dsignals, doutputs)
    for W, M, dW in zip(live, student.masks, dweights, strict=True):   # in their place
        W *= 2 * l2 / density
        W += dW
        W *= M                                                             # (6)
    return Gradient(Loss(total, *squares, decay), live, list(dbiases))


def _moved(optimiser, states, arrays, gradients):
    """Optimiser states and arrays after a step."""
    if not arrays:
        return [], []
    states, updates = zip(*map(optimiser, states, gradients), strict=True)
    return list(states), [a + update for a, update in zip(arrays, updates, strict=True)]


def transfer(model, weights, biases, batches, *, density, prune, optimiser,
             every=100, strength=1e-3, l2=1e-4, kind="at_masked", masks=None,
             watch=None):
    """Make a sparse student of a dense teacher: descend, and redraw the masks.

    Parameters
    ----------
    model : Model
        Functions of the network.
    weights, biases : lists of arrays
        Of the teacher, and of the student at the start.
    batches : sequence of (B, ...) float
        One for each step; needs a length.
    density : float
        Share of weights that live, in (0, 1].
    prune : callable
        prune(weights) -> masks, from the student's dense weights.
    optimiser : callable
        optimiser(state, gradient) -> (state, update); state None at the
        start, one for each array.
    every : int
        Steps between masks, at least 1.
    strength, l2, kind
        As for `gradient`.
    masks : list of arrays, optional
        The first masks; None: prune(weights).
    watch : callable, optional
        Called with (step, student) before each step, with the masks that it
        has learned with, not yet drawn anew; and once at the end.

    Returns
    -------
    Student
        Trained; weights are dense, the network is at masks * weights.

    Raises
    ------
    ValueError
        As `gradient`, or if every is no positive integer or batches has no
        length.

    Examples
    --------
    One layer f = W x of two weights, the smaller one pruned:

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
    """
    if isinstance(every, bool) or not isinstance(every, numbers.Integral) or every < 1:
        raise ValueError(f"every is {every!r}: must be an integer of at least 1")
    if not hasattr(batches, "__len__"):
        raise ValueError(f"batches is {batches!r:.60}: must be a sequence with a "
                         "length")
    masks = prune(weights) if masks is None else masks
    student = Student(list(weights), list(biases), masks)
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
