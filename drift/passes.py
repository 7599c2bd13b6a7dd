"""What is known of a call of the loss after each pass over its groups (`drift.target`).

Shapes as in `drift.loss`; R temperatures.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from drift import clouds, native

__all__ = ["Drift", "Measured", "Near", "Pulled", "PulledNatively"]


class Near(NamedTuple):
    """The distances [., G, T] of a piece, and its samples; None where they are centred again."""

    dist: Tensor
    call: clouds.Centred | None

    @property
    def bytes(self) -> int:
        """What it takes to keep it."""
        return self.dist.nbytes + (self.call.targets.nbytes if self.call else 0)


class Measured(NamedTuple):
    """A call before its scale is known: the figures of each group, [B, 3].

    kept  the distances of each piece, None where they are computed again, or what `drift.native`
          keeps
    """

    call: clouds.Clouds
    figures: Tensor
    kept: list[Near | None] | native.Kept

    @property
    def bytes(self) -> int:
        """What is kept of it."""
        if isinstance(self.kept, list):
            return sum(near.bytes for near in self.kept if near is not None)
        return self.kept.nbytes


class Pulled(NamedTuple):
    """Forces [., R, G, S] of each piece before any norm, and their mean products [B, R, R].

    scale and coordinate_scale are scalars
    """

    forces: list[Tensor]
    products: Tensor
    scale: Tensor
    coordinate_scale: Tensor


class PulledNatively(NamedTuple):
    """The same of `drift.native`: forces [R] of [B, G, S], products [B, R R + 1] and numbers."""

    call: clouds.Clouds
    given: native.Call
    forces: list[Tensor]
    products: Tensor
    scale: float
    coordinate_scale: float


class Drift(NamedTuple):
    """What the loss regresses on: force [B, G, S] (summed over tau) in normalised coordinates.

    loss [B]; mean, the mean loss over the groups of all processes, which are `groups`
    """

    force: Tensor
    coordinate_scale: Tensor
    loss: Tensor
    mean: Tensor
    groups: Tensor
    info: dict[str, Tensor]
