r"""Build task sequences for continual learning from one labelled data set.

The function `permutations` returns an array `order` with a pixel permutation for each
task, and image n of a task is

    x'[n, i] = x[n, order[task, i]]                      (1)

The pixels of the first task are not permuted, as in the code of [ZPG17].

The function `split` gives each task its own classes.  The output units of the classes
of a task are called the head of the task.  The loss of a task uses only its head,

    head[n, j] = outputs[n, columns[j]], columns[label'] = label  (2)
    d outputs[n, columns[j]] = d head[n, j], else 0               (3)

Eq. (3) is the adjoint of the linear map in eq. (2).  In place of eq. (2), the code of
[ZPG17] sets all outputs outside the head to -1e32 before the softmax.  Eq. (2) and the
method with -1e32 yield the same loss if the dtype of the outputs can represent -1e32.

[ZPG17] F. Zenke, B. Poole and S. Ganguli, ICML 2017, arXiv 1703.04200.
"""

import numpy as np


def split(labels, groups):
    """Return the sample indices of each task, in ascending order.

    The list `groups` holds the classes of each task.

    >>> labels = np.array([3, 0, 1, 2, 0])
    >>> [a.tolist() for a in split(labels, [(0, 1), (2, 3)])]
    [[1, 2, 4], [0, 3]]
    """
    return [np.flatnonzero(np.isin(labels, group)) for group in groups]


def permutations(rng, tasks, pixels):
    """Return an array with one pixel permutation for each task.

    The array has the shape (tasks, pixels), and is called `order` in eq. (1).  The
    permutation of a task does not depend on the number of tasks.
    """
    return np.array([np.arange(pixels), *(rng.permutation(pixels)          # (1)
                                          for _ in range(tasks - 1))])


def head_masks(groups, classes):
    """Return a bool array (tasks, classes); row i is True for the classes of task i.

    >>> head_masks([(0, 2), (1,)], 3).tolist()
    [[True, False, True], [False, True, False]]
    """
    return np.array([np.isin(np.arange(classes), group) for group in groups])


def enter_head(outputs, labels, mask):
    """Select the outputs of one task, eq. (2).

    The array `outputs` has the shape (N, classes).  The array `mask` is one row of the
    result of `head_masks`.  The result `head` consists of the columns of `outputs` at
    which `mask` is True.  If there are k such columns, `head` has the shape (N, k).
    The result `places` contains, for each sample, the column of `head` that belongs to
    the label of the sample.  The array `places` has the shape (N,).

    >>> mask = np.array([False, True, False, True])
    >>> head, places = enter_head(np.array([[1.0, 2, 3, 4]]), np.array([3]), mask)
    >>> head.tolist(), places.tolist()
    ([[2.0, 4.0]], [1])
    """
    columns = np.flatnonzero(mask)
    return outputs[:, columns], np.searchsorted(columns, labels)           # (2)


def leave_head(dhead, mask):
    """Return the gradient of the loss with respect to all outputs, eq. (3).

    `dhead` is the gradient of the loss with respect to the outputs of one task.

    >>> mask = np.array([True, False, True])
    >>> leave_head(np.array([[0.5, -0.5]]), mask).tolist()
    [[0.5, 0.0, -0.5]]
    """
    found = np.zeros((len(dhead), len(mask)), dhead.dtype)
    found[:, mask] = dhead                                                 # (3)
    return found
