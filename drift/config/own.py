"""A small template for somebody's own images: one text, commented, consistent by construction."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from typing import TYPE_CHECKING, Any

from drift.config.engine import require_buildable
from drift.config.reading import parse_template
from drift.errors import DriftError

if TYPE_CHECKING:
    from drift.data.manifest import Manifest
    from drift.data.survey import Survey

SIDES = (64, 32, 16)  # of samples, where the images are not small squares of one size
MOST_SIDE = SIDES[0]
HELD_OUT_EVERY = 5
TOKENS_A_SIDE = 8  # about so many patches: an attention of 64 tokens
MOST_LABELS, MOST_POSITIVES, MOST_BATCH = 10, 16, 64
STEPS, ENCODER_STEPS = 250, 200  # minutes on two cores
WIDE = 28  # a side from which the generator is wider
STAGES = 4
EVALUATED = (400, 4000)  # samples, at least and at most
EVALUATED_EACH = 20  # for each image that is held out


def of_images(found: Survey, **named: Any) -> str:
    """The text of a template for a folder of images; `named`: name, dataset, folder, licence.

    Raises DriftError for classes with too few images to hold one out.
    """
    least = min(found.counts)
    if least < HELD_OUT_EVERY:
        few = found.classes[found.counts.index(least)]
        raise DriftError(
            f"class {few}", found=f"{least} images",
            expected=f"at least {HELD_OUT_EVERY} of each class, of which every "
            f"{HELD_OUT_EVERY}th is kept from training",
            remedy="Add images, or take the class out.",
        )  # fmt: skip
    side, crop = _side(found)
    counts = [count - count // HELD_OUT_EVERY for count in found.counts]
    cut = "none" if crop == "none" else f"{crop}"
    data = {
        "resolution": side, "tokenizer": "none", "revision": "none", "factor": "1.0",
        "posterior": "no-tokenizer", "mirror": "none", "crop": cut,
        "crop_note": "all images have this size" if cut == "none" else "the square in the middle, "
        "shrunk or enlarged to the resolution",
        "held_out_every": HELD_OUT_EVERY,
        "held_out_note": "every so many-th of a class is kept from training, for `drift eval`",
        "shape_note": f"height, width, {'grey' if found.grey else 'red, green and blue'}",
    }  # fmt: skip
    shape = (side, side, 1 if found.grey else 3)
    return _text(found.classes, counts, sum(found.counts) - sum(counts), shape, data | named)


def of_latents(manifest: Manifest, counts: list[int], **named: Any) -> str:
    """The text of a template for a latent cache of `drift encode`; `counts` are by class."""
    settings = manifest.settings
    channels, height, width = settings.shape
    data = {
        "resolution": settings.resolution, "tokenizer": settings.vae, "revision": settings.pinned,
        "factor": repr(settings.scaling_factor), "posterior": settings.posterior,
        "mirror": "own-latent" if settings.mirrored else "none", "crop": settings.crop,
        "crop_note": "as the cache was made", "held_out_every": None,
        "held_out_note": "only images of a folder are held out",
        "shape_note": "height, width and channels of a latent",
    }  # fmt: skip
    return _text(manifest.classes, counts, sum(counts), (height, width, channels), data | named)


def _text(
    classes: tuple[str, ...], counts: list[int], unseen: int, shape: tuple[int, int, int],
    known: Mapping[str, Any],
) -> str:  # fmt: skip
    """Fill the form, and refuse to give out what no run could use."""
    from jinja2 import Environment, StrictUndefined

    form = resources.files("drift.config").joinpath("own.yaml.j2").read_text(encoding="utf-8")
    environment = Environment(undefined=StrictUndefined, keep_trailing_newline=True)
    values = _values(classes, counts, unseen, shape)
    text = environment.from_string(form).render(values | dict(known))
    require_buildable(parse_template(text, source="drift new"))
    return text


def _values(
    classes: tuple[str, ...], counts: list[int], unseen: int, shape: tuple[int, int, int]
) -> dict[str, Any]:
    """What follows from counts and shape."""
    from drift.generator.config import swiglu_width  # imports torch

    side, training, least = shape[0], sum(counts), min(counts)
    patch, patchify = patch_of(side), patchify_of(side)
    stages = [side // patchify]
    while len(stages) < STAGES:
        stages.append((stages[-1] + 1) // 2)
    hidden = 96 if side >= WIDE else 64
    batch = min(MOST_BATCH, training)
    labels, positives = min(MOST_LABELS, len(classes), batch), min(MOST_POSITIVES, least)
    capacity = max(positives, min(128, least))
    return {
        "side": side, "channels": shape[2], "classes": len(classes),
        "class_note": _listed(classes), "patch": patch, "tokens": (side // patch) ** 2,
        "hidden": hidden, "ffn_inner": swiglu_width(4 * hidden), "stages": stages,
        "patchify": patchify, "mask_patch": 1 if stages[0] % 2 else 2, "batch": batch,
        "epochs": max(1, round(ENCODER_STEPS * batch / training)), "training": training,
        "encoder_steps": ENCODER_STEPS, "steps": STEPS, "labels": labels, "positives": positives,
        "capacity": capacity, "overall": min(8 * capacity, training),
        "samples": min(max(EVALUATED_EACH * unseen, EVALUATED[0]), EVALUATED[1]), "unseen": unseen,
    }  # fmt: skip


def patch_of(side: int) -> int:
    """The divisor of a side, from 2 on, that makes nearest to TOKENS_A_SIDE patches."""
    divisors = [n for n in range(2, side + 1) if side % n == 0] or [1]
    return min(divisors, key=lambda n: abs(side / n - TOKENS_A_SIDE))


def patchify_of(side: int) -> int:
    """Pixels of a side that the encoder takes together: its first map is then 8 to 16 wide."""
    wanted = 1 if side < 16 else 2 if side <= 32 else 4
    return next(n for n in (wanted, 2, 1) if side % n == 0)


def _side(found: Survey) -> tuple[int, str]:
    """(side of a sample, how images are cut to it)."""
    if found.square is not None and found.square <= MOST_SIDE and found.square % 4 == 0:
        return found.square, "none"
    return next((side for side in SIDES if side <= found.shortest), SIDES[-1]), "adm-centre"


def _listed(classes: tuple[str, ...]) -> str:
    """Names for a comment, on one line whatever they hold."""
    shown = ", ".join("".join(c if c.isprintable() else "?" for c in name) for name in classes[:8])
    return shown[:60] + (" and others" if len(classes) > 8 or len(shown) > 60 else "")
