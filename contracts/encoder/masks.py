"""The mask of the autoencoder as it is drawn: squares, shares, ends, and what is refused."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from drift.encoder import masking
from verify.api import CheckContext, Measurement, check, mutant

from ..common.refusals import judge_refusals

FIVE_DEVIATIONS = 5.0


def _draw(ctx: CheckContext, **changes: Any) -> Tensor:
    given = {"batch": 400, "size": (8, 12), "ratio": (0.5, 0.5), "patch": 2, **changes}
    source = torch.Generator().manual_seed(ctx.seed)
    mask: Tensor = masking.draw_mask(
        given.pop("batch"), given.pop("size"), generator=source, **given
    )
    return mask


@check("encoder.drawn_mask")
def drawn_mask(ctx: CheckContext) -> Measurement:
    """Shape, squares, the share of each sample, shares of a range, and the generator alone."""
    mask = _draw(ctx)
    if tuple(mask.shape) != (400, 1, 8, 12) or not bool(((mask == 0) | (mask == 1)).all()):
        return ctx.decide(False, f"a mask of shape {tuple(mask.shape)}, not of zeros and ones")
    squares = mask.reshape(400, 4, 2, 6, 2)
    if bool((squares.amax(dim=(2, 4)) != squares.amin(dim=(2, 4))).any()):
        return ctx.decide(False, "a square of the mask patch is masked in part")
    own = squares[:, :, 0, :, 0].flatten(1)
    places = own.mean(dim=0)
    allowed = FIVE_DEVIATIONS * 0.5 / math.sqrt(400)
    if float((places - 0.5).abs().max()) > allowed:
        return ctx.decide(False, f"a place is masked in {places.tolist()} of draws, expected half")
    wide = _draw(ctx, ratio=(0.2, 0.8), size=(32, 32)).mean(dim=(1, 2, 3))
    known = {
        "least": (float(wide.min()), 0.1, 0.35),
        "most": (float(wide.max()), 0.65, 0.9),
        "mean": (float(wide.mean()), 0.45, 0.55),
        "spread": (float(wide.std()), 0.15, 0.2),
    }
    off = {name: value for name, (value, low, high) in known.items() if not low <= value <= high}
    if off:
        return ctx.decide(False, f"shares between 0.2 and 0.8: {off}")
    edge = torch.tensor([[[0.1, math.nextafter(0.1, 0.0)]]], dtype=torch.float64)
    held = masking.mask_from_uniform(edge, 0.1, patch=1)
    if held.flatten().tolist() != [0.0, 1.0] or held.dtype != torch.float64:
        return ctx.decide(False, f"a uniform at its ratio, and below: {held.flatten().tolist()}")
    ends = float(_draw(ctx, ratio=(0.0, 0.0)).sum()), float(_draw(ctx, ratio=(1.0, 1.0)).mean())
    if ends != (0.0, 1.0) or not torch.equal(mask, _draw(ctx)):
        return ctx.decide(False, f"shares 0 and 1 mask {ends}, or a seed draws twice another mask")
    return ctx.decide(True, "squares, shares and ends are as asked")


@check("encoder.mask_refusals", needs=("InputError",))
def mask_refusals(ctx: CheckContext) -> Measurement:
    """Sizes that are no multiples of the square, and shares that are none."""
    refused = {
        "a height that is no multiple": ("grid", {"size": (7, 12)}),
        "a width that is no multiple": ("grid", {"size": (8, 11)}),
        "a negative share": ("ratio", {"ratio": (-0.1, 0.5)}),
        "a share above 1": ("ratio", {"ratio": (0.5, 1.1)}),
        "a range that falls": ("ratio", {"ratio": (0.6, 0.5)}),
    }
    taken = {"none to all": {"ratio": (0.0, 1.0)}, "one square": {"size": (2, 2), "batch": 1}}
    return judge_refusals(ctx, lambda **given: _draw(ctx, **given), taken, refused)


@mutant("encoder.one_share_for_all", masking, "mask_from_uniform")
def one_share_for_all(real: Any, uniform: Tensor, ratio: Any, *, patch: int) -> Tensor:
    """Every sample of a batch has the share of the first."""
    mask: Tensor = real(uniform, ratio[:1].expand(len(ratio)), patch=patch)
    return mask


@mutant("encoder.mask_of_cells", masking, "draw_mask")
def mask_of_cells(
    real: Any, batch: int, size: tuple[int, int], *, generator: Any, ratio: Any, **_: Any
) -> Tensor:
    """Cells are masked one by one, not square by square."""
    low, high = ratio
    share = low + (high - low) * torch.rand(batch, 1, 1, 1, generator=generator)
    cells: Tensor = torch.rand(batch, 1, *size, generator=generator) < share
    return cells.float()


@mutant("encoder.any_mask", masking, "draw_mask")
def any_mask(
    real: Any, batch: int, size: tuple[int, int], *, ratio: Any, patch: int, generator: Any
) -> Any:
    """A grid is cut to the squares that fit, and shares are taken as they come."""
    fitting = (size[0] // patch * patch, size[1] // patch * patch)
    return real(batch, fitting, ratio=ratio, patch=patch, generator=generator)
