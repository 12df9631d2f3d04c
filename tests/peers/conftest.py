"""Settings that every comparison with another tool starts from."""

import pytest


@pytest.fixture(autouse=True)
def gradients_are_on():
    """Contenders of the speed figure switch PyTorch's gradients on and off."""
    torch = pytest.importorskip("torch", reason="torch is missing: extra peers")
    torch.set_grad_enabled(True)
    yield
    torch.set_grad_enabled(True)
