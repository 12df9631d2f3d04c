# refsnn 0.1.0 | checks.py | SPDX-License-Identifier: MIT | needs: numpy
r"""Check gradients of spiking and other networks by finite differences.

The gradient of a function L of the parameters theta is tested along a
direction d.  Central differences D with steps h and h/2 are combined:

    D(h) = (L(theta + h d) - L(theta - h d)) / (2 h)                  (1)
    D = (4 D(h/2) - D(h)) / 3                                         (2)

The finite difference D must equal the inner product <gradient, d>.
Because the derivative of a step function is 0 or infinite, a spiking
network is simulated again with the spike function

    s(u) = H(u0 - threshold) + f(u - threshold) - f(u0 - threshold)   (3)

where H is the step function, f' is the surrogate derivative, and u0 is the
recorded membrane potential.  At u = u0, s(u) equals the recorded spike,
and ds/du equals the surrogate derivative.  To check a learning rule that
treats a variable as a constant, use the function `frozen`, which fixes the
variable at its recorded values.  With a correct gradient, the error of the
linear approximation of L falls as h^2.  The function `taylor_slope`
estimates the exponent of h in eq. (4):

    |L(theta + h d) - L(theta) - h <gradient, d>| = O(h^2)            (4)

Derivation.  In eq. (2), the errors of order h^2 of the two central
    differences cancel.  A relative rounding error eps of the loss L
    changes D by at most 4 eps |L| / h.  This rounding noise is added to
    the tolerance.  The check fails if the noise exceeds both 2e-4
    |<gradient, d>| and 2e-4 |D|.  Therefore, noise cannot hide a gradient
    error of 0.1 % from `directional`.
Exact.  In `complex_step`, Im L(theta + i h d) / h has no cancellation.
Cost.   The loss is evaluated 4 times for each direction or entry.
Departures.  Tolerances are relative.  Parameters, gradients and directions
    must be float64.
"""

from collections.abc import Callable

import numpy as np

# `python -m refsnn vendor NAME FILE` adds these functions to a copy.
from refsnn._checks import arrays, lists, one_of

__all__ = ["adjoint_gap", "anchored", "complex_step", "directional", "frozen",
           "gradient", "taylor_slope"]

STEP = 1e-5         # step h of (1), for parameters of order 1
RESOLVED = 2e-4     # largest relative noise of a conclusive comparison
SMALL = 1e-3        # times the largest entry: the least scale of relative errors
LEAN = 0.5          # times sign(gradient), added so that <gradient, d> is not small
ROUNDING = 32       # times eps times the loss: remainders below are rounding error
OPTIONS = "rtol () in (0, 1), step () in (0, inf), margin? () in [-inf, inf]"


def directional(f, theta, gradient, rng, *, names=None, rtol=1e-6,
                directions=3, step=STEP, margin=None):
    """Check a gradient along random directions, eqs. (1) and (2).

    >>> w, rng = np.array([1.0, 2.0]), np.random.default_rng(1)
    >>> directional(lambda w: float(w @ w), w, 2 * w, rng)

    AssertionError is raised if the finite difference D differs from
    <gradient, d>, or if both are 0.  AssertionError is also raised if the
    rounding noise of D may hide an error.

    Parameters
    ----------
    f : callable (theta) -> float
    theta, gradient : array or list of arrays, float64
        Parameters, and the gradient to test.  Each array is tested separately.
    rng : numpy.random.Generator
    rtol : float, relative to the larger of |<gradient, d>| and |D|
    directions, step : int, float
        Number of directions for each parameter array, and h in eq. (1).
    names, margin : list of str, float, optional
        Names of the parameters, and distance of the potentials from the
        nearest threshold or kink, for error messages.
    """
    loss, (thetas, gradients) = _loss(f, theta), _pairs(theta, gradient)
    names = _labels(names, len(thetas))
    arrays(f"{OPTIONS}, directions () int in [1, inf)", rtol, step, margin, directions)
    one_of("rng", rng, np.random.Generator)
    for i, name in enumerate(names):
        for k in range(directions):
            d = [np.zeros_like(t) for t in thetas]
            d[i] = np.asarray(rng.standard_normal(np.shape(thetas[i])))
            d[i] += LEAN * np.sign(gradients[i])
            analytic = float(np.sum(gradients[i] * d[i]))
            numeric, noise = _difference(loss, thetas, d, step)
            _judge(f"{name}, direction {k}", analytic, numeric, noise, rtol, margin)


def _difference(loss, thetas, direction, step):
    """Return the finite difference D of eq. (2), and the rounding noise of D."""
    central, size = [], 0.0
    for h in (step / 2, step):
        ends = [loss([t + sign * h * d for t, d in zip(thetas, direction, strict=True)])
                for sign in (1, -1)]
        slope = (ends[0] - ends[1]) / (2 * h)                              # (1)
        central.append(slope)
        size = max(size, *map(abs, ends))
    numeric = (4 * central[0] - central[1]) / 3                            # (2)
    return numeric, 4 * np.finfo(float).eps * size / step


def _judge(where, analytic, numeric, noise, rtol, margin, scale=0.0):
    """Raise AssertionError if gradients disagree."""
    larger = max(abs(analytic), abs(numeric), scale)
    if larger == 0 or not noise <= RESOLVED * larger:
        fault = (f"finite difference {numeric:.17g} has rounding noise {noise:.3g}, "
                 f"gradient says {analytic:.17g}: the comparison is inconclusive; "
                 "rescale f or choose another point")
    elif not abs(analytic - numeric) <= rtol * larger + noise:
        fault = (f"gradient says {analytic:.17g}, finite difference says "
                 f"{numeric:.17g}, off by {abs(analytic - numeric) / larger:.3g} "
                 f"relative to the larger value, allowed {rtol:.3g}")
        if numeric == 0:
            fault += "; does f run with a hard threshold? see `anchored`"
    else:
        return
    if margin is not None:
        fault += f"; nearest threshold at a distance of {float(margin):.3g}"
    raise AssertionError(f"{where}: {fault}")


def gradient(f, theta, gradient, *, names=None, rtol=1e-6, step=STEP, margin=None):
    """Assert that each entry of a gradient is correct, eqs. (1) and (2).

    >>> f, w = lambda w: float(w @ w), np.ones(2)
    >>> gradient(f, w, 2 * w)
    >>> gradient(f, w, 2.002 * w)           # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    AssertionError: theta[0][0]: gradient says 2.00..., finite difference ...

    The function raises AssertionError if a gradient entry differs from its
    finite difference, or if rounding noise may hide an error.  The function
    also raises AssertionError if a gradient array contains only zeros.

    Parameters
    ----------
    f, theta, gradient, names, step, margin : as for `directional`
    rtol : float
        Tolerance relative to the largest of three values: the gradient entry,
        its finite difference, and 1/1000 of the largest entry of the array.
    """
    loss, (thetas, gradients) = _loss(f, theta), _pairs(theta, gradient)
    names = _labels(names, len(thetas))
    arrays(OPTIONS, rtol, step, margin)
    for i, name in enumerate(names):
        scale = SMALL * float(np.max(np.abs(gradients[i]), initial=0.0))
        for index in np.ndindex(np.shape(thetas[i])):
            d = [np.zeros_like(t) for t in thetas]
            d[i][index] = 1.0
            numeric, noise = _difference(loss, thetas, d, step)
            _judge(f"{name}{list(index)}", float(gradients[i][index]), numeric,
                   noise, rtol, margin, scale)


def anchored(surrogate, mem, threshold=1.0):
    """Return the spike function of eq. (3), a callable with the time step t and
    the potentials u as arguments.  The array u and the returned float array
    have the shape (B, n).

    >>> spike = anchored(lambda v: (v / 2, 0.5), np.full((1, 1, 1), 1.5))
    >>> [spike(0, np.array([[u]])).tolist() for u in (1.5, 1.75)]
    [[[1.0]], [[1.125]]]

    Parameters
    ----------
    surrogate : callable (v) -> (value, derivative)
        Function that returns f(v) and f'(v) of eq. (3) for v = u - threshold.
    mem, threshold : (T, B, n) float64, float or (n,) float
        Recorded potentials u0 and threshold of a layer simulated with H.
    """
    one_of("surrogate", surrogate, Callable)
    fixed, limit = (a.copy() for a in arrays(
        "mem (T*, B*, n*), threshold (n*?)", mem, threshold))
    _float64("mem is", mem)
    hard = fixed > limit
    pair = surrogate(fixed - limit)
    if not isinstance(pair, tuple) or len(pair) != 2 \
            or np.shape(pair[0]) != fixed.shape:
        raise ValueError(f"surrogate returned a {type(pair).__name__}: must return a "
                         f"pair (value, derivative), value of shape {fixed.shape}")

    def spike(t, u):
        if np.shape(u) != fixed.shape[1:] or not 0 <= t < len(fixed):
            raise ValueError(
                f"u has shape {np.shape(u)} at step {t}, mem has shape {fixed.shape}: "
                f"must be {fixed.shape[1:]}, at a step from 0 to {len(fixed) - 1}")
        return hard[t] + (surrogate(u - limit)[0] - pair[0][t])            # (3)

    return spike


def frozen(run, *recording):
    """Return a callable that takes only theta, and returns the loss as a float.
    The callable uses a copy of the recorded values.

    >>> loss = frozen(lambda w, s: float(w * s[0]), np.array([2.0]))
    >>> loss(3.0)
    6.0

    Parameters
    ----------
    run : callable (theta, *recording) -> float
        Loss.  The recording holds what a learning rule treats as constant.
    recording : at least one array
    """
    one_of("run", run, Callable)
    if not recording:
        raise ValueError("recording is empty: must be at least one array")
    copies = [np.array(array) for array in arrays("recording[] (...)", recording)[0]]
    for array in copies:
        array.setflags(write=False)
    return lambda theta: run(theta, *copies)


def complex_step(f, theta, direction, step=1e-30):
    """Differentiate f along `direction` by a complex step.  Return a float.

    >>> complex_step(lambda w: (w ** 3).sum(), np.array([2.0]), np.ones(1))
    12.0

    Parameters
    ----------
    f : callable (complex array) -> complex
        Analytic function, without abs, comparisons or conjugation.
    theta, direction, step : float64 arrays of equal shapes, float
        Point, direction and size of the imaginary step.
    """
    one_of("f", f, Callable)
    (theta,), (direction,) = _pairs([theta], [direction], "direction")
    arrays("step () in (0, inf)", step)
    value = f(theta + 1j * step * direction)
    if not np.iscomplexobj(value) or np.ndim(value):
        raise ValueError(f"f returned {np.asarray(value).dtype} of shape "
                         f"{np.shape(value)}: must return a complex number")
    return float(np.imag(value) / step)


def taylor_slope(f, theta, gradient, direction, *, start=1e-2, halvings=8):
    """Return a float that estimates the exponent of h in eq. (4).  The estimated
    exponent is about 2 for a correct and 1 for a wrong gradient.  If the left
    side of eq. (4) is smaller than its rounding error, the result is infinity.

    >>> w, d = np.array([1.0, 2.0]), np.array([1.0, -0.5])
    >>> f = lambda w: float(np.sum(w ** 3))
    >>> round(taylor_slope(f, w, 3 * w ** 2, d), 1)
    2.0

    Parameters
    ----------
    f, theta, gradient : as for `directional`
    direction : array or list of arrays, float64
    start, halvings : float, int
        Largest h, and number of values h, h/2, h/4, ... (at least 3).
    """
    loss, (thetas, gradients) = _loss(f, theta), _pairs(theta, gradient)
    _, directions = _pairs(theta, direction, "direction")
    arrays("start () in (0, inf), halvings () int in [3, inf)", start, halvings)
    if not any(np.any(d) for d in directions):
        raise ValueError("direction is zero: must have an entry other than 0")
    base = loss(thetas)
    slope = sum(float(np.sum(g * d))
                for g, d in zip(gradients, directions, strict=True))
    points, moved = [], slope != 0
    for h in start * 0.5 ** np.arange(halvings):
        value = loss([t + h * d for t, d in zip(thetas, directions, strict=True)])
        moved |= value != base
        change = h * slope                                                 # (4)
        remainder = abs(value - base - change)
        if remainder > ROUNDING * np.finfo(float).eps * max(abs(value), abs(base)):
            points.append((np.log(h), np.log(remainder)))
    if not moved:
        raise AssertionError(f"f is {base:.17g} along direction, and gradient is 0: "
                             "the comparison is inconclusive; choose another point")
    if len(points) < 3:
        return float("inf")
    return float(np.polyfit(*np.transpose(points), 1)[0])


def adjoint_gap(jvp, vjp, shape_in, shape_out, rng):
    """Return a float: the absolute difference between <J A, B> and <A, J^T B> for
    random A and B, divided by |J A| |B|.  If `vjp` is the transpose of `jvp`,
    the result is 0 up to rounding.

    >>> M, rng = np.array([[1.0, 2.0]]), np.random.default_rng(0)
    >>> adjoint_gap(lambda a: M @ a, lambda b: b @ M, (2,), (1,), rng) < 1e-14
    True

    Parameters
    ----------
    jvp, vjp : callable, the maps A -> J A and B -> J^T B
    shape_in, shape_out : tuple of int, the shapes of A and B
    rng : numpy.random.Generator
    """
    one_of("jvp", jvp, Callable)
    one_of("vjp", vjp, Callable)
    one_of("rng", rng, np.random.Generator)
    shape_in, shape_out = (tuple(map(int, shape)) for shape in arrays(
        "shape_in[] () int in [1, inf), shape_out[] () int in [1, inf)", shape_in,
        shape_out))
    a, b = rng.standard_normal(shape_in), rng.standard_normal(shape_out)
    forward, backward = arrays(f"jvp(a) {shape_out}, vjp(b) {shape_in}", jvp(a),
                               vjp(b))
    size = np.linalg.norm(forward) * np.linalg.norm(b)
    if size == 0:
        raise ValueError("jvp returned zeros: must return a value other than 0")
    return float(abs(np.sum(forward * b) - np.sum(a * backward)) / size)


def _loss(f, theta):
    """Return `f` with checked results."""
    one_of("f", f, Callable)
    single = not isinstance(theta, (list, tuple))
    return lambda thetas: float(*arrays(
        "f(theta) ()", f(thetas[0] if single else list(thetas))))


def _pairs(theta, other, what="gradient"):
    """Return two checked lists of arrays."""
    several = isinstance(theta, (list, tuple))
    thetas = lists("theta", theta if several else [theta])
    others = lists(what, [*one_of(what, other, list, tuple, np.ndarray)] if several
                   else [other])
    _float64(f"theta and {what} are", *thetas, *others)
    return thetas, lists(what, others, thetas, "theta")


def _float64(names, *values):
    dtypes = {np.asarray(a).dtype for a in values}
    if dtypes != {np.dtype(np.float64)}:
        raise ValueError(f"{names} {' and '.join(sorted(map(str, dtypes)))}: must be "
                         "float64, because rounding in float32 hides errors")


def _labels(names, count):
    names = [f"theta[{i}]" for i in range(count)] if names is None else names
    if len(one_of("names", names, list, tuple)) != count:
        raise ValueError(f"names has {len(names)} entries, theta has {count}: must be "
                         "equal")
    return names
