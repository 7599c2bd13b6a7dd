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
        if torch.amp.is_autocast_available(device.type):  # not on meta, where nothing is computed
            stack.enter_context(torch.autocast(device.type, enabled=False))
        stack.enter_context(_exact_products())
        yield


@contextmanager
def _exact_products() -> Iterator[None]:
    """Torch has two ways to set this and refuses to multiply while they disagree: mind both."""
    backends: list[Any] = [torch.backends.cuda, torch.backends.mkldnn]
    matmuls: list[Any] = [getattr(backend, "matmul", None) for backend in backends]
    switches = [matmul for matmul in matmuls if hasattr(matmul, "fp32_precision")]
    by_backend = [switch.fp32_precision for switch in switches]
    for_all = _precision_for_all()
    if for_all != "highest":
        torch.set_float32_matmul_precision("highest")
    for switch in switches:
        switch.fp32_precision = "ieee"
    try:
        yield
    finally:
        if for_all != "highest":
            torch.set_float32_matmul_precision(for_all)
        for switch, precision in zip(switches, by_backend, strict=True):
            switch.fp32_precision = precision


def _precision_for_all() -> str:
    try:
        return torch.get_float32_matmul_precision()
    except RuntimeError:  # set by backend, which leaves this one at its default
        return "highest"
