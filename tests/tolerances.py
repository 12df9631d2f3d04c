"""The two tolerances of the suite; no test has one of its own."""

import numpy as np

RTOL = 1e-10        # identities between independent routes, float64
RTOL_FD = 1e-6      # derivatives against finite differences, float64


def close(found, wanted, rtol=RTOL):
    """Assert: not 0, and equal relative to the size of the whole array."""
    found, wanted = np.asarray(found), np.asarray(wanted)
    size = np.linalg.norm(wanted)
    assert found.shape == wanted.shape and size > 0
    assert np.linalg.norm(found - wanted) <= rtol * size
