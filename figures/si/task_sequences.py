r"""Build task sequences for continual learning from one labelled data set.

The function `split` assigns some of the classes to each task.  The function
`permutations` returns a pixel order for each task.  With this order, the
task shows the same images with permuted pixels,

    x'[n, i] = x[n, order[task, i]]                      (1)

The output units that belong to a task are called the head of the task.  The
function `head_masks` returns a mask for the head of each task.  The loss of
a task uses only the outputs of its head,

    head[n, j] = outputs[n, columns[j]], columns[label'] = label  (2)
    d outputs[n, columns[j]] = d head[n, j], else 0               (3)

The softmax of a task therefore does not depend on the outputs in the heads
of other tasks, and the derivatives of the loss with respect to the outputs
of other heads are 0.  The map (3) is the adjoint of the map (2).  The code
of [ZPG17] instead sets the outputs of other heads to -1e32 before the
softmax, which yields the same loss if the dtype can represent -1e32.  The
pixels of the first task are not permuted, as in the code of [ZPG17].

[ZPG17] F. Zenke, B. Poole and S. Ganguli, ICML 2017, arXiv 1703.04200.
"""

import numpy as np


def split(labels, groups):
    """Return for each task the indices of its samples, in ascending order.

    `groups` lists the classes of each task.

    >>> labels = np.array([3, 0, 1, 2, 0])
    >>> [a.tolist() for a in split(labels, [(0, 1), (2, 3)])]
    [[1, 2, 4], [0, 3]]
    """
    return [np.flatnonzero(np.isin(labels, group)) for group in groups]


def permutations(rng, tasks, pixels):
    """Return a pixel permutation for each task, eq. (1); the shape is (tasks, pixels).

    The first task is not permuted.  The permutations of the first tasks do not depend
    on the total number of tasks.
    """
    return np.array([np.arange(pixels), *(rng.permutation(pixels)          # (1)
                                          for _ in range(tasks - 1))])


def head_masks(groups, classes):
    """Return a mask for each task, which is True for the outputs of the task's head.

    The result is of shape (tasks, classes).

    >>> head_masks([(0, 2), (1,)], 3).tolist()
    [[True, False, True], [False, True, False]]
    """
    return np.array([np.isin(np.arange(classes), group) for group in groups])


def enter_head(outputs, labels, mask):
    """Select the outputs of one head, and renumber the labels, eq. (2).

    The outputs are of shape (N, classes), and `mask` is a row of `head_masks`.  Return
    a copy of the outputs of the head, of shape (N, k), and for each sample the column
    of this copy that belongs to its label.

    >>> mask = np.array([False, True, False, True])
    >>> head, places = enter_head(np.array([[1.0, 2, 3, 4]]), np.array([3]), mask)
    >>> head.tolist(), places.tolist()
    ([[2.0, 4.0]], [1])
    """
    columns = np.flatnonzero(mask)
    return outputs[:, columns], np.searchsorted(columns, labels)           # (2)


def leave_head(dhead, mask):
    """Compute dL/d(outputs) of a loss L from dL/d(head), eq. (3).

    >>> mask = np.array([True, False, True])
    >>> leave_head(np.array([[0.5, -0.5]]), mask).tolist()
    [[0.5, 0.0, -0.5]]
    """
    found = np.zeros((len(dhead), len(mask)), dhead.dtype)
    found[:, mask] = dhead                                                 # (3)
    return found
