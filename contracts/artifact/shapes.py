"""Checks of what shapes show: small models in both layouts, whole and with parts left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from itertools import chain
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from drift.artifacts import claims, evidence
from drift.artifacts.claims import Claim, Contradiction
from verify.api import CheckContext, Measurement, check, mutant

from ..common.rows import Refused, Row, judge_rows


def _generator(width: int = 6, layout: str = "drift") -> dict[str, tuple[int, ...]]:
    """A generator of two blocks, 3 x 3 positions, patches of 2 x 2 x 4, in either layout."""
    ours = layout == "drift"
    names = next(
        one for one in evidence.LAYOUTS
        if (one.architecture, one.layout) == ("drift-generator", layout)
    ).anchors  # fmt: skip

    def matrix(into: int, out: int) -> tuple[int, int]:
        return (out, into) if ours else (into, out)

    shapes = {
        names["input"]: matrix(16, width), names["output"]: matrix(width, 12),
        names["positions"]: (1, 9, width), names["registers"]: (1, 5, width),
        names["classes"]: (10, 7), names["head_norm"]: (3,), names["gate"]: matrix(width, 11),
        names["norm"]: (width,),
    }  # fmt: skip
    block = "blocks.{}.attention.qkv.weight" if ours else (
        "LightningDiT_0/blocks_{}/Attention_0/TorchLinear_0/Dense_0/kernel"
    )  # fmt: skip
    style = "condition.style_embeddings.{}.weight" if ours else "noise_embeds_{}/embedding"
    shapes |= {block.format(i): matrix(width, 3 * width) for i in range(2)}
    return shapes | {style.format(i): (8, 7) for i in range(3)}


def _mae(layout: str = "drift") -> dict[str, tuple[int, ...]]:
    ours = layout == "drift"
    if ours:
        shapes = {"encoder.stem.conv.weight": (4, 12, 3, 3), "decoder.head.weight": (5, 4, 1, 1),
                  "classifier.weight": (10, 32)}  # fmt: skip
        norm, block = "encoder.stages.{}.norm.weight", "encoder.stages.{}.blocks.{}.x"
    else:
        shapes = {"encoder/conv1/kernel": (3, 3, 12, 4), "decoder/head/kernel": (1, 1, 4, 5),
                  "fc/kernel": (32, 10)}  # fmt: skip
        norm, block = "encoder/layer{}_norm/scale", "encoder/stages_{}/layers_{}/x"
    for stage, blocks in enumerate((1, 2, 1, 1)):
        shapes[norm.format(stage if ours else stage + 1)] = (4 << stage,)
        shapes |= {block.format(stage, i): (1,) for i in range(blocks)}
    return shapes


GENERATOR: Mapping[str, Any] = {
    "width": 6, "depth": 2, "patch_channels": 16, "out_patch_channels": 12, "grid": 3,
    "register_tokens": 5, "num_classes": 10, "cond_dim": 7, "style_tokens": 3, "style_codes": 8,
    "head_dim": 3, "mlp_width": 11, "rmsnorm": True, "qk_norm": True, "swiglu": True,
}  # fmt: skip
MAE: Mapping[str, Any] = {
    "width": 4, "blocks": [1, 2, 1, 1], "depth": 5, "patch_channels": 12, "num_classes": 10,
    "trunk_only": False,
}  # fmt: skip


@check("artifact.shapes")
def shapes(ctx: CheckContext) -> Measurement:
    """Small models by their shapes alone, in both layouts, whole and with parts left out."""
    return judge_rows(ctx, chain(_seen(), _lost(), _patches(), _contradicted()), "facts of shapes")


def _infer(shapes: Mapping[str, tuple[int, ...]]) -> object:
    found = evidence.infer(shapes, place="p")
    return found.architecture, found.layout, dict(found.values)


def _seen() -> Iterator[Row]:
    for layout in ("drift", "reference"):
        made = partial(_infer, _generator(layout=layout))
        yield f"a generator, {layout}", made, ("drift-generator", layout, GENERATOR)
        yield f"an autoencoder, {layout}", partial(_infer, _mae(layout)), ("drift-mae", layout, MAE)
    said = Refused("p", "another model", "'x'", "drift import")
    yield "neither", partial(_infer, {"x": (1,)}), said


def _lost() -> Iterator[Row]:
    """What is then not known, and what the majority still says."""

    def values(shapes: dict[str, tuple[int, ...]], **changed: tuple[int, ...] | None) -> object:
        left = {k: v for k, v in {**shapes, **changed}.items() if v is not None}
        return dict(evidence.infer(left, place="p").values)

    def without(whole: Mapping[str, Any], *names: str, **more: Any) -> dict[str, Any]:
        return {k: v for k, v in whole.items() if k not in names} | more

    for name, changes, wanted in (
        ("no norm of heads", {"blocks.0.attention.query_norm.weight": None},
         without(GENERATOR, "head_dim", qk_norm=False)),
        ("no gate", {"blocks.0.mlp.gate.weight": None}, without(GENERATOR, "mlp_width",
         swiglu=False)),
        ("no registers", {"register_embedding": None}, without(GENERATOR, register_tokens=0)),
        ("no positions", {"positions": None}, without(GENERATOR, "grid")),
        ("a grid that is no square", {"positions": (1, 8, 6)}, without(GENERATOR, "grid")),
        ("one odd width", {"positions": (1, 9, 7)}, dict(GENERATOR)),
        ("a block missing", {"blocks.0.attention.qkv.weight": None, "blocks.2.x": (1,),
                             "blocks.0.mlp.gate.weight": None,
                                 "blocks.0.attention_norm.weight": None,
                             "blocks.0.attention.query_norm.weight": None},
         without(GENERATOR, "depth", "head_dim", "mlp_width", rmsnorm=False, qk_norm=False,
                 swiglu=False)),
        ("no classes", {"condition.class_embedding.weight": None},
         without(GENERATOR, "num_classes", "cond_dim")),
    ):  # fmt: skip
        yield name, partial(values, _generator(), **changes), wanted
    trunk = {"decoder.head.weight": None, "classifier.weight": None}
    yield "a trunk", partial(values, _mae(), **trunk), without(MAE, "num_classes", trunk_only=True)
    yield (
        "a stage with a gap",
        partial(values, _mae(), **{"encoder.stages.1.blocks.0.x": None}),
        (without(MAE, "blocks", "depth")),
    )
    odd = {"encoder.stages.3.norm.weight": (99,)}
    yield "one odd norm", partial(values, _mae(), **odd), dict(MAE)
    # Each end speaks with two others against two that are odd.
    ends = {"patch_embedding.weight": (7, 16), "head.projection.weight": (12, 7),
            "positions": (1, 9, 7)}  # fmt: skip
    for end in ends:
        others = {name: shape for name, shape in ends.items() if name != end}
        yield f"the width of {end}", partial(values, _generator(), **others), dict(GENERATOR)
    norms = {"encoder.stages.0.norm.weight": None, "encoder.stages.1.norm.weight": (99,)}
    mae_ends = {"encoder.stem.conv.weight": (9, 12, 3, 3), "decoder.head.weight": (5, 9, 1, 1)}
    for end in mae_ends:
        others = {name: shape for name, shape in mae_ends.items() if name != end}
        yield f"the width of {end}", partial(values, _mae(), **norms, **others), dict(MAE)


def _patches() -> Iterator[Row]:
    for total, wanted in ((16, (2, 4)), (4, (1, 4)), (12, (2, 3)), (3, (1, 3)), (1, (1, 1)),
                          (5, None), (48, (4, 3)), (25, (5, 1)), (64, (4, 4)), (0,
                           None)):  # fmt: skip
        yield f"{total} channels of a patch", partial(evidence.split_patch, total), wanted

    names: Any = SimpleNamespace(anchors={"a": "x", "b": "y"}, patterns={"block": r"b(\d+)"})
    for held, wanted_of in (
        (("x", "y", "b1", "z"), 3), (("x", "b1", "z"), 2), (("x", "z"), 1), (("z", "b2"), 1),
        ((), 0),
    ):  # fmt: skip
        count = partial(evidence._matches, names, dict.fromkeys(held, (1,)))
        yield f"what {held} tell of a layout", count, wanted_of

    def told(total: int, given: Mapping[str, int], **more: Any) -> object:
        held = [Claim("s", field, value) for field, value in given.items()]
        values = {"patch_channels": total, **more.pop("values", {})}
        seen = evidence.Evidence("drift-generator", "drift", values)
        found = claims._patch_contradictions(held, seen, more.get("input_size"))
        return [(one.claim.field, one.evidence, dict(one.mend)) for one in found]

    said = "16 channels per patch, 2 x 2 x 4"
    for name, given, mends in (
        ("both right", {"patch_size": 2, "in_channels": 4}, []),
        ("both right, another way", {"patch_size": 4, "in_channels": 1}, []),
        ("another patch", {"patch_size": 1, "in_channels": 4}, [("patch_size", said,
         {"patch_size": "2"})]),
        ("a patch that divides", {"patch_size": 3, "in_channels": 4}, [("patch_size", said,
         {"patch_size": "2"})]),
        ("the patch alone", {"patch_size": 2}, []),
        ("grey that is none", {"patch_size": 2, "in_channels": 1},
         [("in_channels", said, {"in_channels": "4"})]),
        ("nothing said", {}, []),
    ):  # fmt: skip
        yield name, partial(told, 16, given), mends
    for name, side, mends in (
        ("tell", 8, [("patch_size", said, {"patch_size": "2"})]),
        ("do not", 9, []),
    ):
        by_grid = partial(told, 16, {"patch_size": 4}, values={"grid": 4}, input_size=side)
        yield f"positions {name}", by_grid, mends
    none = partial(told, 7, {"patch_size": 2, "in_channels": 3})
    yield "nothing fits", none, [
        ("patch_size", "7 channels per patch", {}), ("in_channels", "7 channels per patch", {})
    ]  # fmt: skip


def _contradicted() -> Iterator[Row]:
    """What an error says of a statement that the tensors contradict, and how a patch is read."""
    one = Contradiction(Claim("the file's name", "width", 64), "32", {"width": "32"})
    error = claims.ContradictionError(Path("m"), [one])
    yield (
        "an error",
        lambda: str(error),
        (
            "m: found width: the file's name says 64, the tensors show 32; expected claims that "
            "the tensors bear out. If the tensors are right, run:\n  drift stamp m --width 32"
        ),
    )
    yield "what it is about", lambda: (error.contradictions, error.command), (
        [one], "drift stamp m --width 32"
    )  # fmt: skip
    for total, sizes, channels, fitting in (
        (108, [2], [3, 12], (6, 3)), (64, [2], [4], (4, 4)), (64, [2], [16], (2, 16)),
        (100, [2], [25, 1], (2, 25)), (50, [5], [1], (5, 2)), (98, [3], [2], (7, 2)),
        (16, [3], [7], (2, 4)),
    ):  # fmt: skip
        fits = partial(claims._fitting_patch, total, sizes, channels)
        yield f"{total} by {sizes} or {channels}", fits, fitting
    bare = claims.ContradictionError(Path("m"), [Contradiction(one.claim, "32", {})])
    yield (
        "an error without a mend",
        lambda: (bare.command, bare.remedy),
        ("", "Export the file again."),
    )


@mutant("artifact.last_width", evidence, "_majority")
def last_width(real: Any, values: Any) -> Any:
    """The last tensor speaks, whatever the others say."""
    return values[-1] if values else None


# Grey is tried before colours and latents.
GREY_FIRST = mutant("artifact.grey_first", evidence, CHANNELS_IN_USE=(1, 3, 4))
