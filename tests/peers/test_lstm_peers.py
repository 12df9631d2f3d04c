"""Test the LSTM against the LSTM of PyTorch.

Not part of the suite: needs the `peers` extra, and fails without it.
"""

import numpy as np
import pytest
import torch

from refsnn import lstm

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")   # torch's own

RTOL_PEERS = 1e-9       # float64, other order of summation


@pytest.fixture(autouse=True)
def float_errors_as_the_tools_want():
    with np.errstate(all="ignore"):
        yield


def close(theirs, ours):
    theirs = theirs.detach().numpy()
    assert theirs.dtype == np.float64 and theirs.shape == ours.shape
    assert np.linalg.norm(ours) > 0
    assert np.linalg.norm(theirs - ours) < RTOL_PEERS * np.linalg.norm(ours)


def leaf(a):
    return torch.tensor(a, requires_grad=True)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("size", [(1, 1, 1, 1), (9, 4, 5, 3), (40, 6, 12, 9)])
@pytest.mark.parametrize("seed", range(3))
def test_outputs_and_gradients(seed, size, masked):
    """Masked: torch.nn.LSTMCell step by step, which sees masked inputs."""
    T, B, m, n = size
    rng = np.random.default_rng(seed)
    W, V, b = (rng.normal(0, 0.7, s) for s in ((4 * n, m), (4 * n, n), 4 * n))
    x, e, k = (rng.normal(size=s) for s in ((T, B, m), (T, B, n), (B, n)))
    h0, c0 = rng.normal(size=(2, B, n))
    masks = {"x_mask": lstm.dropout((B, m), 0.3 * (m > 1), rng),
             "h_mask": lstm.dropout((T, B, n), 0.3 * (n > 1), rng)} if masked else {}
    cell = (torch.nn.LSTMCell if masked else torch.nn.LSTM)(m, n, dtype=torch.float64)
    with torch.no_grad():
        for parameter, value in zip(cell.parameters(), (W, V, b, 0 * b), strict=True):
            parameter.copy_(torch.from_numpy(value))
    inputs = leaf(x), leaf(h0), leaf(c0)
    h, c, out = inputs[1], inputs[2], []
    if masked:
        p, q = (torch.from_numpy(masks[name]) for name in ("x_mask", "h_mask"))
        for t in range(T):
            h, c = cell(p * inputs[0][t], (q[t] * h, c))
            out.append(h)
        out = torch.stack(out)
    else:
        out, (_, c) = cell(inputs[0], (h[None], c[None]))
        c = c[0]
    ((out * torch.from_numpy(e)).sum() + (c * torch.from_numpy(k)).sum()).backward()
    run = lstm.simulate(x, W, V, b, h0=h0, cell0=c0, **masks)
    close(out, run.h)
    close(c, run.cell[-1])
    grad = lstm.backward(x, W, V, b, run, e, h0=h0, cell0=c0, dcell_last=k, **masks)
    theirs = [a.grad for a in (*list(cell.parameters())[:3], *inputs)]
    for got, wanted in zip(theirs, grad, strict=True):
        close(got, wanted)


def test_a_transposed_order_of_gates_is_seen():
    rng = np.random.default_rng(5)
    W, V, b = (rng.normal(size=s) for s in ((8, 3), (8, 2), 8))
    cell = torch.nn.LSTM(3, 2, dtype=torch.float64)
    order = [0, 1, 2, 3, 6, 7, 4, 5]        # i, f, o, g
    with torch.no_grad():
        for parameter, value in zip(cell.parameters(), (W, V, b, 0 * b), strict=True):
            parameter.copy_(torch.from_numpy(value[order]))
    x = rng.normal(size=(4, 2, 3))
    with pytest.raises(AssertionError):
        close(cell(torch.from_numpy(x))[0], lstm.simulate(x, W, V, b).h)
