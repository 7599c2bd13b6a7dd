"""A strict two-way mapping between the reference's parameter paths and our state dicts.

A layout is a list of `Entry`, one per parameter, and the shapes of our state dict:

    entries = [Entry("Dense_0/kernel", "head.weight", "dense"), Entry("Dense_0/bias", "head.bias")]
    shapes = shapes_of(model)                       # {"head.weight": (10, 64), "head.bias": (10,)}
    state = to_ours(flat, entries, shapes)          # flat: path -> array, as in the golden traces
    flat = to_reference(state, entries, shapes)     # the identity on every tensor

Nothing is skipped, guessed or broadcast: every missing, surplus or misshapen parameter is named,
with the shape found and the shape expected, and all of them in one `LayoutError`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from drift.errors import InputError

__all__ = ["Entry", "Kind", "LayoutError", "Shape", "shapes_of", "to_ours", "to_reference"]

# same   one layout on both sides
# dense  reference (in, out)      -> ours (out, in)
# conv   reference (H, W, in, out) -> ours (out, in, H, W)
Kind = Literal["same", "dense", "conv"]

Shape = tuple[int, ...]

# kind -> the axes that `permute` takes on the way to our side; None leaves any rank alone
_TO_OURS: dict[str, tuple[int, ...] | None] = {"same": None, "dense": (1, 0), "conv": (3, 2, 0, 1)}
_TO_REFERENCE: dict[str, tuple[int, ...] | None] = {
    "same": None,
    "dense": (1, 0),
    "conv": (2, 3, 1, 0),
}


@dataclass(frozen=True)
class Entry:
    """One parameter: its path in the reference, its name in our state dict, what turns one into
    the other."""

    reference: str
    ours: str
    kind: Kind = "same"


class LayoutError(InputError):
    """The given parameters are not those of the layout; the message names every one of them.

    missing    name -> shape expected
    surplus    name -> shape found
    misshapen  name -> (shape found, shape expected)
    unreadable name -> what was found instead of an array of floating-point numbers
    """

    def __init__(
        self,
        place: str,
        *,
        missing: Mapping[str, Shape],
        surplus: Mapping[str, Shape],
        misshapen: Mapping[str, tuple[Shape, Shape]],
        unreadable: Mapping[str, str],
    ) -> None:
        self.missing, self.surplus = dict(missing), dict(surplus)
        self.misshapen, self.unreadable = dict(misshapen), dict(unreadable)
        lines = [
            *(
                f"missing {name}: found nothing, expected {shape}"
                for name, shape in missing.items()
            ),
            *(
                f"surplus {name}: found {shape}, expected nothing"
                for name, shape in surplus.items()
            ),
            *(
                f"misshapen {name}: found {found}, expected {expected}"
                for name, (found, expected) in misshapen.items()
            ),
            *(f"unreadable {name}: {what}" for name, what in unreadable.items()),
        ]
        super().__init__(
            place,
            found=f"{len(lines)} parameters that do not fit:\n  " + "\n  ".join(lines) + "\n",
            expected="each parameter of the configuration once, in its shape, and no other",
            remedy="Check that the configuration is the one these parameters were made with.",
        )


def shapes_of(module: nn.Module) -> dict[str, Shape]:
    """Name -> shape of a module's state dict; a module on the meta device will do."""
    return {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}


def to_ours(
    flat: Mapping[str, Any], entries: Sequence[Entry], shapes: Mapping[str, Shape]
) -> dict[str, Tensor]:
    """Reference path -> array becomes our name -> tensor; strict.

    flat     NumPy arrays or tensors of floating-point numbers, kept in their precision
    entries  the layout; `shapes` the shapes of our side, which it has to cover exactly
    Raises `LayoutError`. Every tensor returned is a contiguous copy.
    """
    _check_layout(entries, shapes)
    expected = {
        e.reference: _permuted_shape(shapes[e.ours], _TO_REFERENCE[e.kind]) for e in entries
    }
    tensors = _validated(flat, expected, "reference parameters")
    return {e.ours: _permuted(tensors[e.reference], _TO_OURS[e.kind]) for e in entries}


def to_reference(
    state: Mapping[str, Any], entries: Sequence[Entry], shapes: Mapping[str, Shape]
) -> dict[str, Tensor]:
    """The inverse of `to_ours`: our name -> tensor becomes reference path -> tensor; as strict."""
    _check_layout(entries, shapes)
    expected = {e.ours: tuple(shapes[e.ours]) for e in entries}
    tensors = _validated(state, expected, "state dict")
    return {e.reference: _permuted(tensors[e.ours], _TO_REFERENCE[e.kind]) for e in entries}


def _check_layout(entries: Sequence[Entry], shapes: Mapping[str, Shape]) -> None:
    """A layout that repeats, invents or leaves out a parameter is our mistake, not the file's."""
    sides = {
        "reference path": Counter(entry.reference for entry in entries),
        "own name": Counter(entry.ours for entry in entries),
    }
    for side, counts in sides.items():
        repeated = [name for name, times in counts.items() if times > 1]
        if repeated:
            raise AssertionError(f"layout: {side} listed twice: {', '.join(repeated)}")
    odd = sorted(sides["own name"].keys() ^ shapes.keys())
    if odd:
        raise AssertionError(f"layout and module disagree on: {', '.join(odd)}")


def _validated(
    given: Mapping[str, Any], expected: Mapping[str, Shape], place: str
) -> dict[str, Tensor]:
    """All of `given` as tensors, or one error that names everything that is wrong with it."""
    tensors: dict[str, Tensor] = {}
    unreadable: dict[str, str] = {}
    for name, value in given.items():
        try:
            tensors[name] = _tensor(value)
        except (TypeError, ValueError) as error:
            unreadable[name] = str(error)
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    missing = {name: shape for name, shape in expected.items() if name not in given}
    surplus = {name: shape for name, shape in found.items() if name not in expected}
    misshapen = {
        name: (shape, expected[name])
        for name, shape in found.items()
        if name in expected and shape != expected[name]
    }
    if missing or surplus or misshapen or unreadable:
        raise LayoutError(
            place, missing=missing, surplus=surplus, misshapen=misshapen, unreadable=unreadable
        )
    return tensors


def _tensor(value: object) -> Tensor:
    """An array of floating-point numbers as a tensor in the same precision."""
    if isinstance(value, Tensor):
        tensor = value.detach()
    elif isinstance(value, np.ndarray):
        if value.dtype.kind != "f":
            raise TypeError(f"found an array of {value.dtype}, expected floating-point numbers")
        tensor = torch.from_numpy(np.array(value))  # a copy: a read-only array may not be shared
    else:
        raise TypeError(f"found {type(value).__name__}, expected an array or a tensor")
    if not tensor.is_floating_point():
        raise TypeError(f"found a tensor of {tensor.dtype}, expected floating-point numbers")
    return tensor


def _permuted(tensor: Tensor, axes: tuple[int, ...] | None) -> Tensor:
    moved = tensor if axes is None else tensor.permute(axes)
    return moved.clone(memory_format=torch.contiguous_format)


def _permuted_shape(shape: Sequence[int], axes: tuple[int, ...] | None) -> Shape:
    return tuple(shape) if axes is None else tuple(shape[axis] for axis in axes)
