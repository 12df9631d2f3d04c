"""Prepare PyTorch for the comparisons with other tools."""

import pytest


@pytest.fixture(autouse=True)
def gradients_are_on():
    """Enable gradients in PyTorch, because measurements of speed disable them."""
    torch = pytest.importorskip("torch", reason="torch is missing: extra peers")
    torch.set_grad_enabled(True)
    yield
    torch.set_grad_enabled(True)
