"""What is known of a call of the loss after each pass over its groups (`drift.target`).

Shapes as in `drift.loss`; R temperatures.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from drift import clouds

__all__ = ["Drift", "Measured", "Near", "Pulled"]


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

    kept  the distances of each piece, None where they are computed again
    """

    call: clouds.Clouds
    figures: Tensor
    kept: list[Near | None]

    @property
    def bytes(self) -> int:
        """What is kept of it."""
        return sum(near.bytes for near in self.kept if near is not None)


class Pulled(NamedTuple):
    """Forces [., R, G, S] of each piece before any norm, and their mean products [B, R, R].

    scale and coordinate_scale are scalars
    """

    forces: list[Tensor]
    products: Tensor
    scale: Tensor
    coordinate_scale: Tensor


class Drift(NamedTuple):
    """What is known of the loss of a call before anything is differentiated.

    gradient  [B, G, S], with respect to gen, of the sum of the losses or of their mean
    loss      [B]; mean, the mean loss over the groups of all processes, which are `groups`
    """

    gradient: Tensor
    coordinate_scale: Tensor
    loss: Tensor
    mean: Tensor
    groups: Tensor
    info: dict[str, Tensor]
