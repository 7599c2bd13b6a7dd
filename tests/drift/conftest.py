"""Every test of the engine draws the same numbers, also where it draws them without a generator."""

from __future__ import annotations

import pytest
import torch


@pytest.fixture(autouse=True)
def seeded() -> None:
    """The state of torch's own generator does not depend on which tests ran before."""
    torch.manual_seed(0)
