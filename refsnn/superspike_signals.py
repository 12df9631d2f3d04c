# refsnn 0.1.0 | superspike_signals.py | SPDX-License-Identifier: MIT | needs: numpy
r"""SuperSpike, what goes around the rule: trains, delays, errors, feedback.

Everything is batched over B independent replicas, time first.  A spike
time t becomes a 1 in step round(t/dt), and an axon of D steps delays a
train,

    late[t] = train[t - D]                              (1)  [ZG18] eq. ?

A precise-timing task hands the rule signal = late target - late spikes.  A
classification task, with k(t) the right unit of an open window, has

    signal_k[t] = -S_k[t] where k is not k(t)           (2)  [ZG18] eq. ?
    signal_k(t)[t] = 1 at a window's last step, if k(t) was silent in it
                                                        (3)  [ZG18] eq. ?

and hidden neurons get the output's signal through a matrix (B, n, k),

    signal_i = sum_k matrix_ik signal_k                 (4)  [ZG18] eq. ?

w_ki ("symmetric"), fixed N(0, 1) numbers ("random") or 1 ("uniform").  The
cost is a running mean, with decay d = exp(-dt/tau), over units too,

    C[t] = sum_{s<=t} d^(t-s) mean_k e_k[s]^2
           / sum_{s<=t} d^(t-s)                         (5)  [ZG18] eq. ?

The heterosynaptic trace z of Poisson spikes of rate nu has cumulants and
moments

    kappa_j = nu tau / j                                               (6)
    <z^r> = sum_{j=1..r} binom(r-1, j-1) kappa_j <z^(r-j)>             (7)

so that the regulariser holds a weight at w* = drive / (rho <z^r>).  After
each update,

    W <- W + update, cut to [-bound, bound]             (8)  [ZG18] eq. ?

Derivation.  z = sum over past spikes of exp(-age/tau) is shot noise, whose
    j-th cumulant is nu int_0^inf exp(-j t/tau) dt (Campbell).  (7) is the
    general relation between moments and cumulants; r = 4 gives kappa_4 + 4
    kappa_3 kappa_1 + 3 kappa_2^2 + 6 kappa_2 kappa_1^2 + kappa_1^4 = (nu
    tau / 12) (3 + 25 nu tau + 36 (nu tau)^2 + 12 (nu tau)^3), eq. A.4.
Exact.  (7) for continuous time; steps change it by O(dt/tau).
Cost.   O(T B n) time and memory; (4) O(B n k) for each step with an event.
Departures.  [ZG18] reports the root of (5), its code (5) itself and on
    another scale (1.2e6 times, unnormalised kernel): option `root`.
    Spikes outside any window are "free" or "wrong"; the paper does not
    say.  As in the code, hidden neurons get unfiltered events and filter
    them, which is the same (all is linear); a hidden layer may have a
    `delay` of its own; and `rmaxprop` of optimisers.py is fed once for
    each 0.5 s, with the sum of (11) of superspike.py, where the text reads
    as if fed at each step.  One published target train names a unit that
    does not exist: `spike_train` refuses it.

[ZG18] F. Zenke and S. Ganguli, Neural Computation 30(6), 1514-1541, 2018,
    arXiv 1705.11146.
"""

import math
import numbers

import numpy as np

__all__ = ["classification", "clipped", "cost", "delayed", "feedback",
           "hidden_signal", "poisson_moment", "spike_train"]

KINDS = ("symmetric", "random", "uniform")


def _array(name, value, shape, floats=True):
    """`value` as finite array of `shape`, whose None axes are free, none 0."""
    array = np.asarray(value)
    fits = array.ndim == len(shape) and all(
        size == want if want is not None else size > 0
        for want, size in zip(shape, array.shape, strict=True))
    if not fits or array.dtype not in (np.float32, np.float64) and (
            floats or array.dtype.kind not in "iub"):
        want = "({})".format(", ".join("*" if s is None else str(s) for s in shape))
        raise ValueError(f"{name} is of shape {array.shape}, dtype {array.dtype}: must "
                         f"be {'float32 or float64' if floats else 'numbers'} of shape "
                         f"{want}, none of * 0")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} has NaN or infinite entries: must be finite")
    return array


def _number(name, value):
    if isinstance(value, bool) or not isinstance(value, numbers.Real) \
            or not 0 < value < np.inf:
        raise ValueError(f"{name} is {value!r}: must be a finite number above 0")
    return float(value)


def _count(name, value):
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise ValueError(f"{name} is {value!r}: must be an integer of at least 1")
    return int(value)


def _steps(times, T, n, dt, units, name):
    """Checked (steps, units) of one replica."""
    times, units = np.asarray(times), np.asarray(units)
    if times.ndim != 1 or times.size and times.dtype.kind not in "fiu":
        raise ValueError(f"{name}: times of shape {times.shape}, dtype {times.dtype}: "
                         "must be (E,) numbers, in seconds")
    if units.shape != times.shape or units.size and units.dtype.kind not in "iu":
        raise ValueError(f"{name}: units of shape {units.shape}, dtype {units.dtype}: "
                         f"must be integers of shape {times.shape} like the times")
    times, units = times.astype(float), units.astype(np.int64)
    bad = np.flatnonzero(~(times >= 0) | ~np.isfinite(times))
    if bad.size:
        raise ValueError(f"{name}: time {times[bad[0]]} s: must be finite and at least "
                         "0")
    bad = np.flatnonzero(np.diff(times) < 0)
    if bad.size:
        raise ValueError(f"{name}: time {times[bad[0] + 1]} s follows {times[bad[0]]} "
                         "s: must be sorted")
    steps = np.rint(times / dt)
    if times.size and steps[-1] >= T:
        raise ValueError(f"{name}: time {times[-1]} s: must be within the trial, whose "
                         f"last step is at {(T - 1) * dt} s")
    bad = np.flatnonzero((units < 0) | (units >= n))
    if bad.size:
        raise ValueError(f"{name}: unit {units[bad[0]]}: must be in 0 .. {n - 1}")
    return steps.astype(np.int64), units


def spike_train(events, T, n, dt, dtype=np.float64):
    """Trains of 0 and 1 from spike times, each in the nearest step.

    Parameters
    ----------
    events : list of B pairs (times_s, units)
        Times, s, sorted, and the unit of each, in 0 .. n-1.
    T, n : int
        Steps and units.
    dt : float
        Step, s.
    dtype : float32, float64 or bool
        Of the result.

    Returns
    -------
    (T, B, n) array
        At most one spike a unit and step.

    Raises
    ------
    ValueError
        If times are unsorted, negative, not finite or beyond the trial,
        a unit does not exist or spikes twice in a step, or an option does
        not fit.

    Examples
    --------
    >>> spike_train([([0.0, 3e-4], [1, 0])], 4, 2, 1e-4)[:, 0].tolist()
    [[0.0, 1.0], [0.0, 0.0], [0.0, 0.0], [1.0, 0.0]]
    """
    T, n, dt = _count("T", T), _count("n", n), _number("dt", dt)
    if dtype not in (np.float32, np.float64, bool):
        raise ValueError(f"dtype is {dtype!r}: must be float32, float64 or bool")
    if not isinstance(events, (list, tuple)) or not events \
            or any(not isinstance(e, (list, tuple)) or len(e) != 2 for e in events):
        raise ValueError(f"events is {events!r:.60}: must be a list of pairs (times_s, "
                         "units), one for each replica")
    train = np.zeros((T, len(events), n), dtype)
    for b, (times, units) in enumerate(events):
        at = _steps(times, T, n, dt, units, f"events[{b}]")
        train[at[0], b, at[1]] = 1
        if np.count_nonzero(train[:, b]) < len(at[0]):
            raise ValueError(f"events[{b}]: a unit spikes twice in a step of {dt} s: "
                             "must be at most once")
    return train


def delayed(past, train):
    """A train D steps late, eq. (1), its tail kept for the next block.

    Parameters
    ----------
    past : (D, B, n) float, int or bool
        What is under way: zeros at the start.
    train : (T, B, n) float, int or bool
        Spikes of a block.

    Returns
    -------
    past : (D, B, n) array
        Under way after the block.
    late : (T, B, n) array
        Of the train's dtype.

    Raises
    ------
    ValueError
        If shapes disagree or an entry is not finite.

    Examples
    --------
    >>> past, late = delayed(np.zeros((2, 1, 1)), np.ones((3, 1, 1)))
    >>> past.ravel().tolist(), late.ravel().tolist()
    ([1.0, 1.0], [0.0, 0.0, 1.0])
    """
    train = _array("train", train, (None, None, None), floats=False)
    past = _array("past", past, (np.shape(past)[0] if np.ndim(past) else 0,
                                 *train.shape[1:]), floats=False)
    whole = np.concatenate([past.astype(train.dtype), train])
    return whole[len(train):], whole[:len(train)]                          # (1)


def _windows(spikes, labels, ends, heard):
    """Checked labels (T, B), ends (T, B) and heard (B,)."""
    T, B, k = spikes.shape
    labels, ends, heard = np.asarray(labels), np.asarray(ends), np.asarray(heard)
    if labels.shape != (T, B) or labels.dtype.kind not in "iu":
        raise ValueError(f"labels is of shape {labels.shape}, dtype {labels.dtype}: "
                         f"must be integers of shape {(T, B)}")
    if labels.min() < -1 or labels.max() >= k:
        raise ValueError(f"labels reaches from {labels.min()} to {labels.max()}: must "
                         f"be in -1 .. {k - 1}")
    for name, array, shape in (("ends", ends, (T, B)), ("heard", heard, (B,))):
        if array.shape != shape or array.dtype != bool:
            raise ValueError(f"{name} is of shape {array.shape}, dtype {array.dtype}: "
                             f"must be bool of shape {shape}")
    changes = (labels[1:] != labels[:-1]) & (labels[:-1] >= 0)
    if (changes & ~ends[:-1]).any() or (ends & (labels < 0)).any():
        raise ValueError("ends is True outside a window, or False where labels change: "
                         "must mark the last step of each window")
    return labels, ends, heard


def classification(heard, spikes, labels, ends, *, outside="free"):
    """Error signal of a classification task, eqs. (2) and (3).

    Parameters
    ----------
    heard : (B,) bool
        Whether the right unit has spiked in the open window: False at the
        start, then what the block before returned.
    spikes : (T, B, k) float
        Of the output units.
    labels : (T, B) int
        The right unit, -1 where no window is open.
    ends : (T, B) bool
        True at the last step of each window.
    outside : {"free", "wrong"}
        What spikes are while no window is open.

    Returns
    -------
    heard : (B,) bool
        For the next block.
    signal : (T, B, k) float
        -1 for each wrong spike, 1 at the end of a window that was missed.

    Raises
    ------
    ValueError
        If a shape, dtype or label does not fit, or windows do not end
        where labels change.

    Examples
    --------
    >>> spikes = np.array([[[0.0, 1.0]], [[0.0, 0.0]]])
    >>> labels, ends = np.zeros((2, 1), int), np.array([[False], [True]])
    >>> classification(np.array([False]), spikes, labels, ends)[1].tolist()
    [[[0.0, -1.0]], [[1.0, 0.0]]]
    """
    spikes = _array("spikes", spikes, (None, None, None))
    labels, ends, heard = _windows(spikes, labels, ends, heard)
    if not isinstance(outside, str) or outside not in ("free", "wrong"):
        raise ValueError(f"outside is {outside!r}: must be 'free' or 'wrong'")
    right = labels[:, :, None] == np.arange(spikes.shape[2])
    wrong = ~right if outside == "wrong" else ~right & (labels >= 0)[:, :, None]
    signal = np.where(wrong, 0 - spikes, spikes.dtype.type(0))             # (2)
    hits = np.cumsum(((spikes != 0) & right).any(axis=2), axis=0)
    since = -heard.astype(int)
    for t, b in np.argwhere(ends):
        if hits[t, b] == since[b]:
            signal[t, b, labels[t, b]] = 1                                 # (3)
        since[b] = hits[t, b]
    return hits[-1] > since, signal


def feedback(kind, W_out, rng=None):
    """Matrix that carries the output's signal to hidden neurons.

    Parameters
    ----------
    kind : {"symmetric", "random", "uniform"}
        Which of the matrices of (4).
    W_out : (B, k, n) float
        Weights from the n hidden to the k output neurons.
    rng : numpy.random.Generator, optional
        Draws the "random" matrix.

    Returns
    -------
    (B, n, k) float
        "symmetric" is a copy: to be made again after each update.

    Raises
    ------
    ValueError
        If kind is another one, W_out no finite (B, k, n), or rng missing.

    Examples
    --------
    >>> feedback("symmetric", np.array([[[1.0, 2.0]]])).tolist()
    [[[1.0], [2.0]]]
    """
    if not isinstance(kind, str) or kind not in KINDS:
        raise ValueError(f"kind is {kind!r}: must be one of {KINDS}")
    W_out = _array("W_out", W_out, (None, None, None))
    if kind == "symmetric":
        return W_out.swapaxes(1, 2).copy()
    shape = (W_out.shape[0], *W_out.shape[:0:-1])
    if kind == "uniform":
        return np.ones(shape, W_out.dtype)
    if not isinstance(rng, np.random.Generator):
        raise ValueError(f"rng is {rng!r}: must be a numpy.random.Generator")
    return rng.standard_normal(shape).astype(W_out.dtype)


def hidden_signal(signal, matrix):
    """Signal at hidden neurons, eq. (4).

    Parameters
    ----------
    signal : (T, B, k) float
        Unfiltered events at the output, mostly 0.
    matrix : (B, n, k) float
        From `feedback`.

    Returns
    -------
    (T, B, n) float
        Of the signal's dtype.

    Raises
    ------
    ValueError
        If shapes disagree or an entry is not finite.

    Examples
    --------
    >>> signal, matrix = np.array([[[1.0, -1.0]]]), np.array([[[3.0, 1.0]]])
    >>> hidden_signal(signal, matrix).tolist()
    [[[2.0]]]
    """
    signal = _array("signal", signal, (None, None, None))
    T, B, k = signal.shape
    matrix = _array("matrix", matrix, (B, None, k)).astype(signal.dtype, copy=False)
    hidden = np.zeros((T, B, matrix.shape[1]), signal.dtype)
    for b in range(B):
        rows = np.flatnonzero(signal[:, b].any(axis=1))
        hidden[rows, b] = signal[rows, b] @ matrix[b].T                    # (4)
    return hidden


def cost(running, error, dt, *, tau=10.0, root=False):
    """Running mean of the squared error, eq. (5).

    Parameters
    ----------
    running : (2, B) float64 or None
        Both sums of (5), None at the start.
    error : (T, B, k) float
        Of a block, 1/s.
    dt, tau : float
        Step and time constant, s.
    root : bool
        Whether values are roots of (5).

    Returns
    -------
    running : (2, B) float64
        After the block.
    values : (T, B) float
        C, 1/s^2, or its root, 1/s.

    Raises
    ------
    ValueError
        If a shape, dtype or option does not fit, or a number is not above
        0 or an entry not finite.

    Examples
    --------
    >>> running, values = cost(None, np.full((3, 1, 2), 2.0), 1.0)
    >>> values.round(9).tolist()
    [[4.0], [4.0], [4.0]]
    """
    error = _array("error", error, (None, None, None))
    T, B, _ = error.shape
    decay = math.exp(-_number("dt", dt) / _number("tau", tau))
    if not isinstance(root, bool):
        raise ValueError(f"root is {root!r}: must be True or False")
    if running is None:
        running = np.zeros((2, B))
    running = _array("running", running, (2, B))
    sums = np.ones((T, 2, B))
    sums[:, 0] = np.mean(np.square(error, dtype=np.float64), axis=2)
    for row in sums:
        row += decay * running
        running = row
    values = sums[:, 0] / sums[:, 1]                                       # (5)
    return running.copy(), (np.sqrt(values) if root else values).astype(error.dtype)


def poisson_moment(rate_hz, tau, order=4):
    """Moment of an exponential trace of Poisson spikes, eqs. (6) and (7).

    Parameters
    ----------
    rate_hz : float
        Rate of the spikes, each of which adds 1 to the trace.
    tau : float
        Time constant, s.
    order : int
        Which moment, at least 1.

    Returns
    -------
    float
        <z^order>.

    Raises
    ------
    ValueError
        If rate_hz or tau is not above 0, or order no positive integer.

    Examples
    --------
    >>> [poisson_moment(10.0, 0.1, order) for order in (1, 2)]
    [1.0, 1.5]
    """
    mean, moments = _number("rate_hz", rate_hz) * _number("tau", tau), [1.0]
    kappa = [mean / j for j in range(1, _count("order", order) + 1)]       # (6)
    for r in range(1, order + 1):
        moments.append(sum(math.comb(r - 1, j - 1) * kappa[j - 1] * moments[r - j]
                           for j in range(1, r + 1)))                      # (7)
    return moments[-1]


def clipped(W, update, bound=0.1):
    """Weights after an update, cut to [-bound, bound], eq. (8).

    Parameters
    ----------
    W, update : (B, n, m) float
        Weights and what is added to them, V.
    bound : float
        Largest size, V.

    Returns
    -------
    (B, n, m) float
        Of the dtype of W.

    Raises
    ------
    ValueError
        If shapes disagree, an entry is not finite, or bound not above 0.

    Examples
    --------
    >>> clipped(np.array([[[0.09, 0.0]]]), np.array([[[0.02, 0.02]]])).tolist()
    [[[0.1, 0.02]]]
    """
    W = _array("W", W, (None, None, None))
    update, bound = _array("update", update, W.shape), _number("bound", bound)
    return np.clip(W + update, -bound, bound).astype(W.dtype)              # (8)
