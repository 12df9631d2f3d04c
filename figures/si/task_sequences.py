r"""Build task sequences for continual learning from one labelled data set.

The function `split` assigns some of the classes to each task.  The function
`permutations` returns a pixel order for each task.  With this order, the
task shows the same images with permuted pixels,

    x'[n, i] = x[n, order[task, i]]                      (1)

The outputs that belong to a task are called the head of the task.  The
function `head_masks` returns a mask for each head.  The loss of a task uses
only the outputs of its head,

    head[n, j] = outputs[n, columns[j]], columns[label'] = label  (2)
    d outputs[n, columns[j]] = d head[n, j], else 0               (3)

The softmax of a task therefore does not depend on other heads, and other
heads receive no gradient.  Eq. (3) is the adjoint of eq. (2).  The code of
[ZPG17] instead sets the logits of other heads to -1e32.  Both methods yield
the same loss in dtypes that can represent -1e32.  By default, the first
task is not permuted, as in the code of [ZPG17].

[ZPG17] F. Zenke, B. Poole and S. Ganguli, ICML 2017, arXiv 1703.04200.
"""

import numpy as np


def split(labels, groups):
    """Return the sample indices of each task.

    Parameters
    ----------
    labels : (N,) int
        Class of each sample, 0 or more.
    groups : list of lists of int
        Classes of each task.  No class may occur twice, and some classes
        may belong to no task.

    Returns
    -------
    list of (n,) int64
        Indices of the samples of each task, ascending.

    Examples
    --------
    >>> labels = np.array([3, 0, 1, 2, 0])
    >>> [a.tolist() for a in split(labels, [(0, 1), (2, 3)])]
    [[1, 2, 4], [0, 3]]
    """
    labels, groups = _labels(labels), _groups(groups)
    present = set(np.unique(labels).tolist())
    for i, group in enumerate(groups):
        if missing := sorted(set(group) - present):
            raise ValueError(f"groups[{i}] has the classes {missing}: must be among "
                             "the labels")
    return [np.flatnonzero(np.isin(labels, group)) for group in groups]


def permutations(rng, tasks, pixels):
    """Return a pixel permutation for each task, eq. (1).

    The first task is not permuted.

    Parameters
    ----------
    rng : numpy.random.Generator
        Random generator.  The permutation of a task does not depend on the
        number of tasks.
    tasks, pixels : int
        Numbers of tasks and pixels.

    Returns
    -------
    (tasks, pixels) int64
        Permutations, used as ``x[:, order[task]]``.

    Examples
    --------
    >>> order = permutations(np.random.default_rng(1), 2, 4)
    >>> order[0].tolist(), sorted(order[1].tolist())
    ([0, 1, 2, 3], [0, 1, 2, 3])
    """
    if not isinstance(rng, np.random.Generator):
        raise ValueError(f"rng is {rng!r}: must be a numpy.random.Generator")
    tasks, pixels = _integer("tasks", tasks, 1), _integer("pixels", pixels, 1)
    order = np.tile(np.arange(pixels, dtype=np.int64), (tasks, 1))
    for row in order[1:]:
        row[:] = rng.permutation(pixels)                                   # (1)
    return order


def head_masks(groups, classes):
    """Return a mask for each task, which selects the outputs of the task's head.

    Parameters
    ----------
    groups : list of lists of int
        Classes of each task, as for `split`.
    classes : int
        Number of outputs of the network.

    Returns
    -------
    (tasks, classes) bool
        True where an output belongs to the task.

    Examples
    --------
    >>> head_masks([(0, 2), (1,)], 3).tolist()
    [[True, False, True], [False, True, False]]
    """
    groups, classes = _groups(groups), _integer("classes", classes, 1)
    if max(map(max, groups)) >= classes:
        raise ValueError(f"groups has the class {max(map(max, groups))}: must be below "
                         f"classes, {classes}")
    masks = np.zeros((len(groups), classes), bool)
    for mask, group in zip(masks, groups, strict=True):
        mask[list(group)] = True
    return masks


def enter_head(outputs, labels, mask):
    """Select the outputs of one head, and convert labels to head columns, eq. (2).

    Parameters
    ----------
    outputs : (N, classes) float
        Outputs of the network.
    labels : (N,) int
        Class of each sample, among the classes of the head.
    mask : (classes,) bool
        Mask of the head: one row of the result of `head_masks`.

    Returns
    -------
    head : (N, k) float
        Copy of the outputs of the head.
    places : (N,) int64
        Labels as columns of the head.

    Examples
    --------
    >>> mask = np.array([False, True, False, True])
    >>> outputs, labels = np.array([[1.0, 2, 3, 4]]), np.array([3])
    >>> head, places = enter_head(outputs, labels, mask)
    >>> head.tolist(), places.tolist()
    ([[2.0, 4.0]], [1])
    """
    columns, classes = _columns(mask)
    outputs, labels = _rows("outputs", outputs, classes), _labels(labels)
    if len(labels) != len(outputs) or not np.isin(labels, columns).all():
        raise ValueError(f"labels is of shape {labels.shape}, with the classes "
                         f"{np.unique(labels)[:20].tolist()}: must be of shape "
                         f"({len(outputs)},), of the head's {columns[:20].tolist()}")
    places = np.searchsorted(columns, labels)
    return outputs[:, columns], places.astype(np.int64)                    # (2)


def leave_head(dhead, mask):
    """Compute dL/d(outputs) from dL/d(head), eq. (3).

    Parameters
    ----------
    dhead : (N, k) float
        Derivative of a loss L with respect to the outputs of the head.
    mask : (classes,) bool
        Mask of the head: one row of the result of `head_masks`.

    Returns
    -------
    (N, classes) float
        dL/d(outputs); 0 in the columns of other heads.

    Examples
    --------
    >>> mask = np.array([True, False, True])
    >>> leave_head(np.array([[0.5, -0.5]]), mask).tolist()
    [[0.5, 0.0, -0.5]]
    """
    columns, classes = _columns(mask)
    dhead = _rows("dhead", dhead, len(columns))
    found = np.zeros((len(dhead), classes), dhead.dtype)
    found[:, columns] = dhead                                              # (3)
    return found


def _groups(groups):
    """Check the groups of classes, and return each group as a tuple of int."""
    if not isinstance(groups, (list, tuple)) or not groups:
        raise ValueError(f"groups is {groups!r:.60}: must be a list of lists of "
                         "classes, one per task")
    seen = set()
    for i, group in enumerate(groups):
        if not isinstance(group, (list, tuple, range, np.ndarray)) or len(group) == 0:
            raise ValueError(f"groups[{i}] is {group!r:.60}: must be a list of "
                             "classes, not empty")
        for j, c in enumerate(group):
            if _integer(f"groups[{i}][{j}]", c, 0) in seen:
                raise ValueError(f"groups[{i}] has the class {c}: must be in one group")
            seen.add(c)
    return [tuple(map(int, group)) for group in groups]


def _integer(name, value, least):
    if not isinstance(value, (int, np.integer)) or isinstance(value, bool) \
            or value < least:
        raise ValueError(f"{name} is {value!r}: must be an integer, at least {least}")
    return int(value)


def _labels(labels):
    a = np.asarray(labels)
    if a.dtype.kind not in "iu" or a.ndim != 1 or a.size == 0 or a.min() < 0:
        raise ValueError(f"labels is of shape {a.shape}, dtype {a.dtype}: must be (N,) "
                         "integers, 0 or more, not empty")
    return a


def _columns(mask):
    mask = np.asarray(mask)
    if mask.dtype != bool or mask.ndim != 1 or not mask.any():
        raise ValueError(f"mask is of shape {mask.shape}, dtype {mask.dtype}: must be "
                         "a row of head_masks, with a True in it")
    return np.flatnonzero(mask), len(mask)


def _rows(name, value, columns):
    a = np.asarray(value)
    if a.dtype not in (np.float32, np.float64) or a.ndim != 2 or a.size == 0 \
            or a.shape[1] != columns or not np.isfinite(a).all():
        raise ValueError(f"{name} is of shape {a.shape}, dtype {a.dtype}: must be a "
                         f"finite float array of (N, {columns}), not empty")
    return a
