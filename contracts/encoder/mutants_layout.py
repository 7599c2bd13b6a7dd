"""Realistic mistakes on the way from the reference's parameter paths to our state dict."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from torch import Tensor

from drift.interop import encoder_layout, layout
from drift.interop.layout import Entry
from verify.api import mutant

Patched = AbstractContextManager[Any]


@mutant("encoder.kernel_transposed", layout, "to_ours")
def kernel_transposed(real: Any, flat: Any, entries: Any, shapes: Any) -> dict[str, Tensor]:
    """Height and width of every kernel change places on the way in."""
    state = real(flat, entries, shapes)
    return {name: v.transpose(2, 3) if v.ndim == 4 else v for name, v in state.items()}


@mutant("encoder.surplus_ignored", layout, "to_ours")
def surplus_ignored(real: Any, flat: Any, entries: list[Entry], shapes: Any) -> Any:
    """Parameters that the model does not know are dropped without a word."""
    known = {entry.reference for entry in entries}
    return real({path: v for path, v in flat.items() if path in known}, entries, shapes)


@mutant("encoder.norms_interchanged", encoder_layout, "encoder_entries")
def norms_interchanged(real: Any, config: Any) -> list[Entry]:
    """The two norms of a block change places in the layout; all shapes still fit."""
    names = {"/gn1/": "/gn2/", "/gn2/": "/gn1/"}
    return [
        Entry(_exchanged(e.reference, names), e.ours, e.kind)
        if "/stages_" in e.reference and "/layers_1/" in e.reference
        else e
        for e in real(config)
    ]


def _exchanged(path: str, names: dict[str, str]) -> str:
    found = next((name for name in names if name in path), None)
    return path.replace(found, names[found]) if found else path
