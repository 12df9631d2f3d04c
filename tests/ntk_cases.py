"""Compare tangent kernels of small teachers and students with other tools."""

import numpy as np

from figures.speed import speed_ntk

SHAPES = {"perceptron": ([(7, 6), (5, 7), (4, 5)], (6,), None),
          "convolutional": ([(3, 3, 3, 2), (4, 2, 2, 3), (5, 4), (3, 5)], (7, 7, 2),
                            (True, False))}


def case(name, kind, seed, batch=6):
    """Return a float64 `speed_ntk.Problem` whose student differs from its teacher."""
    rng = np.random.default_rng(seed)
    shapes, image, pools = SHAPES[name]
    student, goal = ([rng.normal(size=s) / np.sqrt(np.prod(s[1:])) for s in shapes]
                     for _ in range(2))
    masks = [(rng.random(s) < 0.6).astype(float) for s in shapes]
    return speed_ntk.Problem(
        rng.normal(size=(batch, *image)), student,
        [rng.normal(size=s[0]) / 3 for s in shapes], masks, goal, pools, kind)


def close(found, wanted, rtol=1e-9):
    """Assert equality in float64, up to rounding relative to the norm of the array."""
    found, wanted = (np.asarray(a.detach() if hasattr(a, "detach") else a)
                     for a in (found, wanted))
    assert found.dtype == np.float64 and found.shape == wanted.shape
    assert np.linalg.norm(wanted) > 0
    assert np.linalg.norm(found - wanted) < rtol * np.linalg.norm(wanted)


def same_kernel(tool, name, seed):
    """Assert that a tool computes the same tangent kernel as refsnn."""
    p = case(name, "at_masked", seed)
    close(speed_ntk.PEERS[tool][1](p, False)(), speed_ntk.kernel(p)())


def same_gradient(tool, name, kind, seed):
    """Assert that a tool computes the same transfer gradient as refsnn."""
    p = case(name, kind, seed)
    ours, theirs = speed_ntk.gradient(p)(), speed_ntk.PEERS[tool][1](p, True)()
    for one, other in zip(ours, theirs, strict=True):
        for a, b in zip(one, other, strict=True):
            close(b, a)
