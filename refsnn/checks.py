# refsnn 0.1.0 | checks.py | SPDX-License-Identifier: MIT | needs: numpy
r"""Proof tools: finite differences that mean something for spiking networks.

Central differences of two steps, extrapolated, along a direction d,

    D(h) = (f(theta + h d) - f(theta - h d)) / (2 h)                  (1)
    D = (4 D(h/2) - D(h)) / 3                                         (2)

stand against <gradient, d>.  A hard threshold has no useful derivative, so
a spiking network is re-run about a recording u0 of itself with

    s(u) = H(u0 - threshold) + f(u - threshold) - f(u0 - threshold)   (3)

whose value at u0 is the hard spike to the last bit and whose derivative is
the surrogate f'.  A path that a rule drops reads recorded values instead
(`frozen`).  The remainder of a correct gradient falls as

    |f(theta + h d) - f(theta) - h <gradient, d>| = O(h^2)            (4)

Derivation.  (2) cancels the h^2 term of (1).  Rounding of f by eps |f|
    enters D as 4 eps |f| / h: this noise is added to the tolerance, and a
    difference that it would drown is refused rather than passed.  What is
    0.1 % off never passes.
Exact.  Complex steps, Im f(theta + i h d) / h, have no cancellation at
    all, for f that is analytic and written without abs or comparisons.
Cost.   `directional` 4 runs a direction, `gradient` 4 runs an entry.
Departures.  Tolerances are relative to the larger of the two values, never
    absolute; float32 is refused.
"""

import numpy as np

__all__ = ["adjoint_gap", "anchored", "complex_step", "directional", "frozen",
           "gradient", "taylor_slope"]

STEP = 1e-5         # of the differences, relative to entries of size 1
RESOLVED = 2e-4     # noise above this part of the value: nothing is shown


def _number(name, value, low=0, high=np.inf,
            kinds=(int, float, np.integer, np.floating)):
    """Refuse what is no number in (low, high)."""
    if not isinstance(value, kinds) or isinstance(value, bool) \
            or not low < value < high:
        what = "a number" if float in kinds else "an integer"
        raise ValueError(f"{name} is {value!r}: must be {what} in ({low}, {high})")


def _generator(rng):
    if not isinstance(rng, np.random.Generator):
        raise ValueError(f"rng is {rng!r}: must be a numpy.random.Generator")


def _parameters(theta, gradient, names):
    """Lists of float64 arrays (parameters, gradients) and their names."""
    single = not isinstance(theta, (list, tuple))
    thetas, gradients = ([theta], [gradient]) if single else (theta, gradient)
    if len(thetas) != len(gradients):
        raise ValueError(f"gradient has {len(gradients)} arrays: must have "
                         f"{len(thetas)}, one for each of theta")
    if not thetas:
        raise ValueError("theta is an empty list: must hold an array")
    names = [f"theta[{i}]" for i in range(len(thetas))] if names is None else names
    if not isinstance(names, (list, tuple)) or len(names) != len(thetas):
        raise ValueError(f"names is {names!r}: must be a list of {len(thetas)}, one "
                         "for each array of theta")
    for kind, arrays in (("theta", thetas), ("gradient", gradients)):
        for name, array in zip(names, arrays, strict=True):
            dtype = np.asarray(array).dtype
            if dtype != np.float64:
                raise ValueError(f"{kind} of {name} is of dtype {dtype}: must be "
                                 "float64, rounding drowns differences in less; "
                                 "check in float64 and pin float32 to it")
            if not np.isfinite(array).all():
                raise ValueError(f"{kind} of {name} has NaN or infinite entries: "
                                 "must be finite")
    for name, t, g in zip(names, thetas, gradients, strict=True):
        if np.shape(t) != np.shape(g):
            raise ValueError(f"gradient of {name} is of shape {np.shape(g)}: must "
                             f"be {np.shape(t)} like theta")
    return thetas, gradients, names, single


def _value(f, thetas, single):
    value = f(thetas[0] if single else list(thetas))
    if np.ndim(value) or np.asarray(value).dtype.kind not in "fiu" \
            or not np.isfinite(value):
        raise ValueError(f"f returned {value!r}: must be one finite number")
    return float(value)


def _difference(f, thetas, direction, single, step):
    """Extrapolated central difference and its rounding noise."""
    size = 0.0

    def central(h):
        nonlocal size
        ends = [_value(f, [t + sign * h * d for t, d in
                           zip(thetas, direction, strict=True)], single)
                for sign in (1, -1)]
        size = max(size, *map(abs, ends))
        return (ends[0] - ends[1]) / (2 * h)                               # (1)

    numeric = (4 * central(step / 2) - central(step)) / 3                  # (2)
    return numeric, 4 * np.finfo(float).eps * size / step


def _where(margin):
    return "" if margin is None \
        else f"; nearest threshold at a distance of {float(margin):.3g}"


def _judge(where, analytic, numeric, noise, rtol, margin, scale=0.0):
    """AssertionError unless both values agree and the noise lets one see it."""
    larger = max(abs(analytic), abs(numeric), scale)
    if larger == 0 or not noise <= RESOLVED * larger:
        raise AssertionError(
            f"{where}: finite difference {numeric:.17g} has rounding noise "
            f"{noise:.3g}, gradient says {analytic:.17g}: nothing is shown, "
            f"rescale f or take another point{_where(margin)}")
    if not abs(analytic - numeric) <= rtol * larger + noise:
        raise AssertionError(
            f"{where}: gradient says {analytic:.17g}, finite difference says "
            f"{numeric:.17g}, off by {abs(analytic - numeric) / larger:.3g} of the "
            f"larger, allowed {rtol:.3g}{_where(margin)}"
            + ("; does f run with a hard threshold? see `anchored`" * (numeric == 0)))


def directional(f, theta, gradient, rng, *, names=None, rtol=1e-6,
                directions=3, step=STEP, margin=None):
    """Assert a gradient along random directions, eqs. (1) and (2).

    Every parameter array is checked by itself, along `directions` random
    directions, so that a failure names it.

    Parameters
    ----------
    f : callable (theta) -> float
        The loss.
    theta : array or list of arrays, float64
        Where.
    gradient : array or list of arrays, float64
        What is claimed to be df/dtheta.
    rng : numpy.random.Generator
        Draws the directions.
    names : list of str, optional
        Of the parameters, for messages.
    rtol : float
        Allowed distance as a part of the larger of the two values.
    directions : int
        How many.
    step : float
        h of (1).
    margin : float, optional
        Distance to the nearest threshold or kink, for messages.

    Raises
    ------
    ValueError
        If theta is not float64, shapes disagree or an option is no positive
        number.
    AssertionError
        If the two differ, or are zero or below rounding noise (a comparison
        of zeros shows nothing); names parameter, direction and both values.

    Examples
    --------
    >>> theta = np.array([1.0, 2.0])
    >>> directional(lambda w: float(w @ w), theta, 2 * theta,
    ...             np.random.default_rng(1))
    """
    thetas, gradients, names, single = _parameters(theta, gradient, names)
    _number("rtol", rtol, high=1)
    _number("step", step)
    _number("directions", directions, kinds=(int, np.integer))
    _generator(rng)
    for i, name in enumerate(names):
        for k in range(directions):
            d = [np.zeros_like(t) for t in thetas]
            d[i] = np.asarray(rng.standard_normal(np.shape(thetas[i])))
            d[i] += 0.5 * np.sign(gradients[i])     # no lost cancellation
            analytic = float(np.sum(gradients[i] * d[i]))
            numeric, noise = _difference(f, thetas, d, single, step)
            _judge(f"{name}, direction {k}", analytic, numeric, noise, rtol, margin)


def gradient(f, theta, gradient, *, names=None, rtol=1e-6, step=STEP, margin=None):
    """Assert a gradient entry by entry, eqs. (1) and (2).

    Parameters
    ----------
    f, theta, gradient, names, rtol, step, margin
        As for `directional`.  Entries are compared relative to the larger
        of the two values or a thousandth of the largest entry of theirs.

    Raises
    ------
    ValueError
        If theta is not float64, shapes disagree or an option is no positive
        number.
    AssertionError
        At the first entry that differs, naming parameter, index and both
        values; or if a whole parameter's gradient is zero.

    Examples
    --------
    >>> f, w = lambda w: float(w @ w), np.ones(2)
    >>> gradient(f, w, 2 * w)
    >>> gradient(f, w, 2.002 * w)           # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    AssertionError: theta[0][0]: gradient says 2.00..., finite difference ...
    """
    thetas, gradients, names, single = _parameters(theta, gradient, names)
    _number("rtol", rtol, high=1)
    _number("step", step)
    for i, name in enumerate(names):
        scale = 1e-3 * float(np.max(np.abs(gradients[i]), initial=0.0))
        if scale == 0:
            raise AssertionError(f"{name}: gradient is zero in every entry: nothing "
                                 f"is shown, take a live point{_where(margin)}")
        for index in np.ndindex(np.shape(thetas[i])):
            d = [np.zeros_like(t) for t in thetas]
            d[i][index] = 1.0
            numeric, noise = _difference(f, thetas, d, single, step)
            _judge(f"{name}{list(index)}", float(gradients[i][index]), numeric,
                   noise, rtol, margin, scale)


def anchored(surrogate, mem, threshold=1.0):
    """The spike function of an anchored run about a recording, eq. (3).

    Parameters
    ----------
    surrogate : callable (v) -> (value, derivative)
        Primitive and surrogate derivative, v = u - threshold.
    mem : (T, B, n) float64
        Recorded membranes of the hard-spiking run.
    threshold : float or (n,) float
        Its threshold.

    Returns
    -------
    callable (t, u) -> (B, n) float
        To be handed to a simulator in place of the hard threshold.

    Raises
    ------
    ValueError
        If mem is not float64 (T, B, n), or an entry is not finite.

    Examples
    --------
    >>> spike = anchored(lambda v: (v / 2, 0.5), np.full((1, 1, 1), 1.5))
    >>> [spike(0, np.array([[u]])).tolist() for u in (1.5, 1.75)]
    [[[1.0]], [[1.125]]]
    """
    mem = np.array(mem)
    if mem.dtype != np.float64 or not np.isfinite(mem).all():
        raise ValueError(f"mem is of dtype {mem.dtype}: must be float64 and finite, "
                         "rounding drowns differences in less")
    if mem.ndim != 3:
        raise ValueError(f"mem is of shape {mem.shape}: must be (T, B, n)")
    threshold = np.array(threshold)
    if threshold.shape not in ((), mem.shape[2:]) or threshold.dtype.kind not in "fiu" \
            or not np.isfinite(threshold).all():
        raise ValueError(f"threshold is {threshold!r}: must be a finite number or "
                         f"{mem.shape[2:]} array")
    mem.setflags(write=False)
    hard = mem > threshold
    pair = surrogate(mem - threshold)
    if not isinstance(pair, tuple) or len(pair) != 2 or np.shape(pair[0]) != mem.shape:
        raise ValueError("surrogate returned something else: must be a pair (value, "
                         f"derivative), value of the shape {mem.shape} of its argument")
    base = pair[0]

    def spike(t, u):
        return hard[t] + (surrogate(u - threshold)[0] - base[t])           # (3)

    return spike


def frozen(run, *recording):
    """A run whose recorded arguments can no longer move.

    Parameters
    ----------
    run : callable (theta, *recording) -> float
        A loss that reads recorded values where a rule drops a path.
    recording : arrays
        The recorded values.

    Returns
    -------
    callable (theta) -> float
        `run` on write-protected copies of the recording.

    Raises
    ------
    ValueError
        If nothing is recorded.

    Examples
    --------
    >>> spikes = np.array([2.0])
    >>> loss = frozen(lambda w, s: float(w * s[0]), spikes)
    >>> spikes[0] = 7.0
    >>> loss(3.0)
    6.0
    """
    if not recording:
        raise ValueError("recording is empty: must be at least one array to freeze")
    copies = [np.array(array) for array in recording]
    for array in copies:
        array.setflags(write=False)
    return lambda theta: run(theta, *copies)


def complex_step(f, theta, direction, step=1e-30):
    """Directional derivative of an analytic f without cancellation.

    Parameters
    ----------
    f : callable (complex array) -> complex
        Analytic: no abs, comparisons or conjugation inside.
    theta, direction : array, float64
        Where, and along what.
    step : float
        Imaginary step.

    Returns
    -------
    float
        Im f(theta + i step direction) / step.

    Raises
    ------
    ValueError
        If theta or direction is not finite float64, shapes differ, step is
        not positive, or f returns a real number.

    Examples
    --------
    >>> complex_step(lambda w: (w ** 3).sum(), np.array([2.0]), np.ones(1))
    12.0
    """
    theta, direction = np.asarray(theta), np.asarray(direction)
    if theta.dtype != np.float64 or theta.shape != direction.shape:
        raise ValueError(f"theta is of dtype {theta.dtype}, shape {theta.shape}, "
                         f"direction of shape {direction.shape}: must be float64 of "
                         "one shape")
    if direction.dtype != np.float64 or not np.isfinite([theta, direction]).all():
        raise ValueError(f"theta or direction ({direction.dtype}) has NaN or infinite "
                         "entries: must be finite float64")
    _number("step", step)
    value = f(theta + 1j * step * direction)
    if not np.iscomplexobj(value):
        raise ValueError(f"f returned the real {value!r}: must be analytic and "
                         "keep the imaginary part")
    return float(np.imag(value) / step)


def taylor_slope(f, theta, gradient, direction, *, start=1e-2, halvings=8):
    """Order at which the remainder (4) vanishes: 2 for a right gradient.

    Parameters
    ----------
    f : callable (theta) -> float
        The loss.
    theta, gradient, direction : arrays or lists of arrays, float64
        Where, what is claimed, along what.
    start : float
        Largest h.
    halvings : int
        Number of h, each half of the one before, at least 3.

    Returns
    -------
    float
        Slope of log remainder against log h, over the remainders that stand
        above rounding; inf if fewer than three do (f is linear there).

    Raises
    ------
    ValueError
        If theta is not float64, shapes disagree, direction is zero, or start
        or halvings out of range.
    AssertionError
        If neither f nor the gradient changes along direction.

    Examples
    --------
    >>> w, d = np.array([1.0, 2.0]), np.array([1.0, -0.5])
    >>> f = lambda w: float(np.sum(w ** 3))
    >>> round(taylor_slope(f, w, 3 * w ** 2, d), 1)
    2.0
    >>> taylor_slope(f, w, 3.1 * w ** 2, d) < 1.5
    True
    """
    thetas, gradients, _, single = _parameters(theta, gradient, None)
    _, directions, _, _ = _parameters(theta, direction, [
        f"theta[{i}] (direction)" for i in range(len(thetas))])
    _number("start", start)
    _number("halvings", halvings, low=2, kinds=(int, np.integer))
    if not any(np.any(d) for d in directions):
        raise ValueError("direction is zero: must lead somewhere")
    base = _value(f, thetas, single)
    slope = sum(float(np.sum(g * d)) for g, d in
                zip(gradients, directions, strict=True))
    points, moved = [], slope != 0
    for h in start * 0.5 ** np.arange(halvings):
        value = _value(f, [t + h * d for t, d in
                           zip(thetas, directions, strict=True)], single)
        moved |= value != base
        remainder = abs(value - base - h * slope)                          # (4)
        if remainder > 32 * np.finfo(float).eps * max(abs(value), abs(base)):
            points.append((np.log(h), np.log(remainder)))
    if not moved:
        raise AssertionError(f"f is {base:.17g} all along direction and the gradient "
                             "says so: nothing is shown, take a live point")
    if len(points) < 3:
        return float("inf")
    return float(np.polyfit(*np.transpose(points), 1)[0])


def adjoint_gap(jvp, vjp, shape_in, shape_out, rng):
    """How far a backward map is from the transpose of a linear forward map.

    Parameters
    ----------
    jvp : callable (shape_in array) -> (shape_out array)
        A -> J A.
    vjp : callable (shape_out array) -> (shape_in array)
        B -> J^T B.
    shape_in, shape_out : tuple of int
        Their shapes.
    rng : numpy.random.Generator
        Draws A and B.

    Returns
    -------
    float
        |<J A, B> - <A, J^T B>| over |J A| |B|; rounding if they are adjoint.

    Raises
    ------
    ValueError
        If a map returns another shape or what is not finite, or J A is zero
        (shows nothing).

    Examples
    --------
    >>> M = np.array([[1.0, 2.0]])
    >>> gap = adjoint_gap(lambda a: M @ a, lambda b: M.T @ b, (2,), (1,),
    ...                   np.random.default_rng(0))
    >>> gap < 1e-14
    True
    """
    _generator(rng)
    for name, shape in (("shape_in", shape_in), ("shape_out", shape_out)):
        if not isinstance(shape, tuple) or not all(
                isinstance(size, (int, np.integer)) and size > 0 for size in shape):
            raise ValueError(f"{name} is {shape!r}: must be a tuple of integers "
                             "above 0")
    a, b = rng.standard_normal(shape_in), rng.standard_normal(shape_out)
    forward, backward = np.asarray(jvp(a)), np.asarray(vjp(b))
    if forward.shape != shape_out or backward.shape != shape_in:
        raise ValueError(f"jvp and vjp returned shapes {forward.shape} and "
                         f"{backward.shape}: must be {shape_out} and {shape_in}")
    size = np.linalg.norm(forward) * np.linalg.norm(b)
    if not (np.isfinite(size) and np.isfinite(backward).all()):
        raise ValueError("jvp or vjp returned NaN or infinity: must be finite")
    if size == 0:
        raise ValueError("jvp returned zeros: must be a map that is alive")
    return float(abs(np.sum(forward * b) - np.sum(a * backward)) / size)
