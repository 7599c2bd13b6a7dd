"""Blocks of code that compute in the precision of their operands, whatever the caller chose."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch

__all__ = ["full_precision"]


@contextmanager
def full_precision(device: torch.device) -> Iterator[None]:
    """A block in which neither autocast nor a reduced matrix-product precision (TF32) applies.

    Distances by the expansion |x|^2 + |y|^2 - 2 x y are differences of large numbers: of the ten
    bits of mantissa that TF32 keeps, nothing is left. The caller's settings return at the end.
    """
    with ExitStack() as stack:
        stack.enter_context(torch.autocast(device.type, enabled=False))
        stack.enter_context(_exact_products())
        yield


@contextmanager
def _exact_products() -> Iterator[None]:
    backends: list[Any] = [torch.backends.cuda, torch.backends.mkldnn]
    switches: list[Any] = [getattr(backend, "matmul", None) for backend in backends]
    if not all(hasattr(switch, "fp32_precision") for switch in switches):
        yield from _exact_products_legacy()
        return
    # Torch refuses to mix its two ways to set this; only this one can be read after either.
    chosen = [switch.fp32_precision for switch in switches]
    for switch in switches:
        switch.fp32_precision = "ieee"
    try:
        yield
    finally:
        for switch, precision in zip(switches, chosen, strict=True):
            switch.fp32_precision = precision


def _exact_products_legacy() -> Iterator[None]:
    """For torch before the setting by backend."""
    chosen = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(chosen)
