# refsnn 0.1.0 | conventions_linear.py | SPDX-License-Identifier: MIT | needs: numpy
r"""J, F and q of a LIF layer of any convention, for `bptt` and `rtrl`.

Whatever a tool's order of updates, its step is elementwise but for the two
weight matrices.  With state h = [I, u], spikes s[k] of u[k], psi[k] for
ds[k]/du[k], input d[k] = W x[k] + V s[k] and the elementwise derivatives
a, b, f, g, e, z of a step from state k to k + 1 (`conventions.slopes`),

    a = dI/dI, f = dI/dd, b = du/dI, g = du/dd, e = du/du, z = du/ds,

    J[k+1] = [[a, f V psi[k]], [b, e + z psi[k] + g V psi[k]]]        (1)
    F[k+1]: dI_i/dW_ij = f_i x_j[k],  dI_i/dV_ij = f_i s_j[k],
            du_i/dW_ij = g_i x_j[k],  du_i/dV_ij = g_i s_j[k]         (2)
    E[k+1] = dh[k+1]/dx[k] = [[f W], [g W]]                           (3)
    q[k] = [0, psi[k] dspikes + (r + y psi[k]) dmem]                  (4)

where row t of a recording shows the spikes of state t or t + 1, and the
membrane of state t or t + 1 as it is (r = 1, y = 0) or after its reset,
whose derivatives are r by u and y by s.

Derivation.  The chain rule: u[k] reaches the next state as it is, through
    the reset by its own spike (z) and through V.
Exact.  Given the slopes, for every convention; a path that they drop, as
    z = 0 does for a detached reset, is dropped.
Cost.   O(T B n p) time and memory, p = n m + n n parameters.
Departures.  T steps have T + 1 states here, the first at rest; `lif` has
    as many rows as inputs and leaves the last input unused.
"""

import numpy as np

__all__ = ["credit", "linearise"]

PARTS = ("syn_by_syn", "syn_by_drive", "mem_by_syn", "mem_by_drive", "mem_by_mem",
         "mem_by_spikes")


def _array(name, value, shape, dtype=None):
    """`value` as a finite array of `shape`, whose None axes are free."""
    array = np.asarray(value)
    fits = array.ndim == len(shape) and all(
        want in (None, size) for want, size in zip(shape, array.shape, strict=True))
    if not fits or array.dtype.kind not in "fiub":
        want = "({})".format(", ".join("*" if s is None else str(s) for s in shape))
        raise ValueError(f"{name} is of shape {array.shape}, dtype {array.dtype}: "
                         f"must be a real array of shape {want}")
    array = array if dtype is None else array.astype(dtype, copy=False)
    if not np.isfinite(array).all():
        raise ValueError(f"{name} has NaN or infinite entries: must be finite")
    return array


def _slopes(slopes, names, shape, dtype):
    """Checked arrays of `slopes`, in the order of `names`."""
    missing = [name for name in names if not isinstance(slopes, dict)
               or name not in slopes]
    if missing:
        raise ValueError(f"slopes lacks {missing}: must be what `slopes` returned")
    return [_array(f"slopes[{name!r}]", slopes[name], shape, dtype) for name in names]


def _psi(psi):
    psi = _array("psi", psi, (None, None, None))
    if psi.dtype not in (np.float32, np.float64) or 0 in psi.shape or len(psi) < 2:
        raise ValueError(f"psi is of shape {psi.shape}, dtype {psi.dtype}: must be "
                         "(T + 1, B, n) float32 or float64, none of them 0")
    return psi


def linearise(x, W, V, spikes, psi, slopes):
    """The layer as arrays J, F, E along a run, eqs. (1)-(3).

    Parameters
    ----------
    x : (T, B, m) float, int or bool
        Input.
    W, V : (n, m) and (n, n) float
        Weights; V may be None.
    spikes : (T + 1, B, n) float
        Spikes of the states.
    psi : (T + 1, B, n) float
        Surrogate derivative on the states; its dtype is the result's.
    slopes : dict
        Elementwise derivatives, as `conventions.slopes` returns them.

    Returns
    -------
    J : (T + 1, B, 2n, 2n) float
        ``J[k] = dh[k]/dh[k-1]`` of h = [syn, mem]; J[0] is 0, unused.
    F : (T + 1, B, 2n, p) float
        Immediate influence of the parameters, W then V, row by row.
    E : (T + 1, B, 2n, m) float
        ``E[k] = dh[k]/dx[k-1]``, which chains layers.

    Raises
    ------
    ValueError
        If a shape or dtype does not fit, or an entry is not finite.

    Examples
    --------
    >>> two = np.ones((2, 1, 1))
    >>> slopes = {name: (i + 1) * two for i, name in enumerate(PARTS)}
    >>> J, F, E = linearise(3 * two[:1], two[0], None, two, two, slopes)
    >>> J[1, 0].tolist(), F[1, 0].tolist(), E[1, 0].tolist()
    ([[1.0, 0.0], [3.0, 11.0]], [[6.0], [12.0]], [[2.0], [4.0]])
    """
    psi = _psi(psi)
    (states, B, n), dtype = psi.shape, psi.dtype
    W = _array("W", W, (n, None), dtype)
    m = W.shape[1]
    V = None if V is None else _array("V", V, (n, n), dtype)
    x = _array("x", x, (states - 1, B, m), dtype)
    spikes = _array("spikes", spikes, psi.shape, dtype)
    a, f, b, g, e, z = _slopes(slopes, PARTS, psi.shape, dtype)
    p = n * m + (0 if V is None else n * n)
    J, F, E = (np.zeros((states, B, 2 * n, size), dtype) for size in (2 * n, p, m))
    I, U = np.arange(n), n + np.arange(n)
    for k in range(1, states):
        J[k][:, I, I], J[k][:, U, I] = a[k], b[k]
        J[k][:, U, U] = e[k] + z[k] * psi[k - 1]
        for first, by_drive in ((0, f[k]), (n, g[k])):
            rows = slice(first, first + n)
            E[k][:, rows] = by_drive[:, :, None] * W                       # (3)
            if V is not None:
                J[k][:, rows, n:] += by_drive[:, :, None] * (
                    V * psi[k - 1][:, None, :])                            # (1)
            for i in range(n):
                own = by_drive[:, i, None]
                F[k][:, first + i, i * m:(i + 1) * m] = own * x[k - 1]
                if V is not None:
                    at = n * m + i * n
                    F[k][:, first + i, at:at + n] = own * spikes[k - 1]    # (2)
    return J, F, E


def credit(psi, slopes, dspikes=None, dmem=None):
    """Credit q[k] = dL/dh[k] that a loss of the rows gives the states, (4).

    Parameters
    ----------
    psi : (T + 1, B, n) float
        Surrogate derivative on the states.
    slopes : dict
        With "rows", "row_by_mem" and "row_by_spikes", as
        `conventions.slopes` returns them.
    dspikes, dmem : (T, B, n) float, optional
        Derivatives of the loss by the recorded spikes and membranes.

    Returns
    -------
    (T + 1, B, 2n) float
        For h = [syn, mem].

    Raises
    ------
    ValueError
        If a shape or dtype does not fit, or an entry is not finite.

    Examples
    --------
    >>> one = np.ones((2, 1, 1))
    >>> slopes = {"rows": [1, 0], "row_by_mem": one, "row_by_spikes": -one}
    >>> credit(0.5 * one, slopes, 4 * one[:1], 3 * one[:1]).tolist()
    [[[0.0, 1.5]], [[0.0, 2.0]]]
    """
    psi = _psi(psi)
    (states, B, n), dtype = psi.shape, psi.dtype
    r, y = _slopes(slopes, ("row_by_mem", "row_by_spikes"), psi.shape, dtype)
    first = _slopes(slopes, ("rows",), (2,), int)[0]
    if not ((first == 0) | (first == 1)).all():
        raise ValueError(f"slopes['rows'] is {first}: must hold 0 or 1 twice")
    q = np.zeros((states, B, 2 * n), dtype)
    for name, value, by_mem, start in (("dspikes", dspikes, psi, first[0]),
                                       ("dmem", dmem, r + y * psi, first[1])):
        if value is not None:
            value = _array(name, value, (states - 1, B, n), dtype)
            rows = slice(start, start + states - 1)
            q[rows, :, n:] += by_mem[rows] * value                         # (4)
    return q
