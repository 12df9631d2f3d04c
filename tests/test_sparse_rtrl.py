"""The ladder of forward rules against the backward sweep."""

import numpy as np
import proofs
import pytest
import strategies
from hypothesis import given, settings
from tolerances import RTOL

from refsnn import lif, sparse_rtrl

HALF = {"alpha": 0.5, "beta": 0.5}


def adjoints(net, name="arctan", steepness=2.0):
    """psi, dspikes, dmem of a random linear loss."""
    v = net.recording.mem - net.model["threshold"]
    psi = proofs.surrogate(name, steepness)(v)[1]
    return psi, *net.rng.normal(size=(2, *psi.shape))


def assert_close(found, right):
    """Two gradients agree; zeros are compared with nothing."""
    assert np.linalg.norm(right.dW) > 0
    for a, b in zip(found, right, strict=False):
        if b is not None:
            np.testing.assert_allclose(a, b, rtol=RTOL, atol=RTOL * np.abs(b).max())
    assert (found.dV is None) == (right.dV is None)


@given(strategies.live_lif(through_recurrence=True))
@settings(max_examples=60)
def test_exact_block_and_implicit_are_backward_sweeps(net):
    psi, ds, dm = adjoints(net)
    rec, reset = net.recording, {"through_reset": net.paths["through_reset"]}
    diagonal = None if net.V is None else np.diag(np.diagonal(net.V))
    for rung, V, follow in (("exact", net.V, True), ("block", diagonal, True),
                            ("implicit", net.V, False)):
        found = sparse_rtrl.gradient(net.x, net.V, rec, psi, ds, dm, rung=rung,
                                     **net.model, **reset)
        assert_close(found, lif.backward(net.x, net.W, V, rec, psi, ds, dm, **reset,
                                         through_recurrence=follow, **net.model))


@pytest.mark.parametrize("call, match", [
    (lambda: sparse_rtrl.rest("some", 1, 1, 1), "rung is 'some'")])
def test_bad_input_is_named(call, match):
    with pytest.raises(ValueError, match=match):
        call()
# lif_step eligibility readout_step
