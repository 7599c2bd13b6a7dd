"""Realistic mistakes on the way from the reference's parameter paths to our state dict."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any
from unittest.mock import patch

from torch import Tensor

from drift.interop import encoder_layout, layout
from drift.interop.layout import Entry
from verify.api import mutant

Patched = AbstractContextManager[Any]


@mutant("encoder.kernel_transposed")
def kernel_transposed(subject: object) -> Patched:
    """Height and width of every kernel change places on the way in."""
    real = layout.to_ours

    def swapped(flat: Any, entries: Any, shapes: Any) -> dict[str, Tensor]:
        state = real(flat, entries, shapes)
        return {name: v.transpose(2, 3) if v.ndim == 4 else v for name, v in state.items()}

    return patch.object(layout, "to_ours", swapped)


@mutant("encoder.surplus_ignored")
def surplus_ignored(subject: object) -> Patched:
    """Parameters that the model does not know are dropped without a word."""
    real = layout.to_ours

    def lenient(flat: Any, entries: list[Entry], shapes: Any) -> dict[str, Tensor]:
        known = {entry.reference for entry in entries}
        return real({path: v for path, v in flat.items() if path in known}, entries, shapes)

    return patch.object(layout, "to_ours", lenient)


@mutant("encoder.norms_interchanged")
def norms_interchanged(subject: object) -> Patched:
    """The two norms of a block change places in the layout; all shapes still fit."""
    real = encoder_layout.encoder_entries

    def interchanged(config: Any) -> list[Entry]:
        names = {"/gn1/": "/gn2/", "/gn2/": "/gn1/"}
        return [
            Entry(_exchanged(e.reference, names), e.ours, e.kind)
            if "/stages_" in e.reference and "/layers_1/" in e.reference
            else e
            for e in real(config)
        ]

    return patch.object(encoder_layout, "encoder_entries", interchanged)


def _exchanged(path: str, names: dict[str, str]) -> str:
    found = next((name for name in names if name in path), None)
    return path.replace(found, names[found]) if found else path
