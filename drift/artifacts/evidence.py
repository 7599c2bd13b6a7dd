"""What the tensors' shapes show, in our layout or in the reference's.

Nothing here believes a name or a claim: architecture, width, depth, blocks per stage and channels
per patch follow from shapes alone. Where tensors contradict each other the majority speaks; where
none is left, the value is absent and loading names the odd tensor instead.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from drift.artifacts.errors import ArtifactError, shown
from drift.artifacts.schema import GENERATOR, MAE

Shape = tuple[int, ...]
Shapes = Mapping[str, Shape]

OURS, REFERENCE = "drift", "reference"
CHANNELS_IN_USE = (4, 3, 1)  # latents, colours, grey; tried in this order


@dataclass(frozen=True)
class Names:
    """Where one layout keeps the tensors that tell. A pattern's group is an index.

    input_map and output_map are the linears or convolutions at both ends; `outputs_first` says
    whether a matrix is (out, in) as in ours, or (in, out) as in the reference.
    """

    architecture: str
    layout: str
    outputs_first: bool
    anchors: Mapping[str, str]
    patterns: Mapping[str, str]

    def matrix(self, shape: Shape) -> tuple[int, int]:
        """(inputs, outputs) of a matrix or a kernel."""
        if self.outputs_first:
            return shape[1], shape[0]
        return shape[-2], shape[-1]


_T = "LightningDiT_0"
LAYOUTS = (
    Names(
        GENERATOR,
        OURS,
        True,
        {
            "input": "patch_embedding.weight",
            "output": "head.projection.weight",
            "positions": "positions",
            "registers": "register_embedding",
            "classes": "condition.class_embedding.weight",
            "head_norm": "blocks.0.attention.query_norm.weight",
            "gate": "blocks.0.mlp.gate.weight",
            "norm": "blocks.0.attention_norm.weight",
        },
        {
            "block": r"blocks\.(\d+)\..+",
            "qkv": r"blocks\.(\d+)\.attention\.qkv\.weight",
            "style": r"condition\.style_embeddings\.(\d+)\.weight",
        },
    ),
    Names(
        GENERATOR,
        REFERENCE,
        False,
        {
            "input": f"{_T}/TorchLinear_0/Dense_0/kernel",
            "output": f"{_T}/FinalLayer_0/TorchLinear_1/Dense_0/kernel",
            "positions": f"{_T}/pos_embed",
            "registers": f"{_T}/cls_embed",
            "classes": "Embed_0/embedding",
            "head_norm": f"{_T}/blocks_0/Attention_0/q_norm/weight",
            "gate": f"{_T}/blocks_0/SwiGLUFFN_0/TorchLinear_0/Dense_0/kernel",
            "norm": f"{_T}/blocks_0/RMSNorm_0/weight",
        },
        {
            "block": rf"{_T}/blocks_(\d+)/.+",
            "qkv": rf"{_T}/blocks_(\d+)/Attention_0/TorchLinear_0/Dense_0/kernel",
            "style": r"noise_embeds_(\d+)/embedding",
        },
    ),
    Names(
        MAE,
        OURS,
        True,
        {
            "input": "encoder.stem.conv.weight",
            "output": "decoder.head.weight",
            "classes": "classifier.weight",
        },
        {
            "block": r"encoder\.stages\.(\d+)\.blocks\.(\d+)\..+",
            "stage_norm": r"encoder\.stages\.(\d+)\.norm\.weight",
        },
    ),
    Names(
        MAE,
        REFERENCE,
        False,
        {
            "input": "encoder/conv1/kernel",
            "output": "decoder/head/kernel",
            "classes": "fc/kernel",
        },
        {
            "block": r"encoder/stages_(\d+)/layers_(\d+)/.+",
            "stage_norm": r"encoder/layer([1-4])_norm/scale",
        },
    ),
)


@dataclass(frozen=True)
class Evidence:
    """What the shapes show; a value that they do not show is absent from `values`.

    values  width, depth, blocks (masked autoencoder), patch_channels (p * p * channels of the
            input), and what a configuration can be rebuilt from
    """

    architecture: str
    layout: str
    values: Mapping[str, Any]


def infer(shapes: Shapes, *, place: str) -> Evidence:
    """The evidence of a file's shapes; raises ArtifactError for a model that is neither."""
    found = max(LAYOUTS, key=lambda names: _matches(names, shapes))
    if not _matches(found, shapes):
        first = sorted(shapes)[:3]
        raise ArtifactError(
            place,
            found=f"tensors of another model, such as {shown(first)}",
            expected="a generator or a masked autoencoder, in our layout or the reference's",
            remedy="`drift import DIR --out FILE` reads the reference's directory.",
        )
    values = _generator(found, shapes) if found.architecture == GENERATOR else _mae(found, shapes)
    known = {name: value for name, value in values.items() if value is not None}
    return Evidence(found.architecture, found.layout, known)


def split_patch(patch_channels: int) -> tuple[int, int] | None:
    """(patch size, channels) with p * p * c = patch_channels, for the channel counts in use."""
    for channels in CHANNELS_IN_USE:
        side = math.isqrt(patch_channels // channels)
        if side and side * side * channels == patch_channels:
            return side, channels
    return None


def _matches(names: Names, shapes: Shapes) -> int:
    present = sum(name in shapes for name in names.anchors.values())
    block = re.compile(names.patterns["block"])
    return present + any(block.fullmatch(name) for name in shapes)


def _generator(names: Names, shapes: Shapes) -> dict[str, Any]:
    into, out = _matrix(names, shapes, "input"), _matrix(names, shapes, "output")
    positions = _shape(names, shapes, "positions", 3)
    registers = _shape(names, shapes, "registers", 3)
    classes = _shape(names, shapes, "classes", 2)
    head_norm = _shape(names, shapes, "head_norm", 1)
    gate = _matrix(names, shapes, "gate")
    qkv = [names.matrix(shape)[0] for _, shape in _all(names, shapes, "qkv", 2)]
    styles = _all(names, shapes, "style", 2)
    widths = [*qkv]
    widths += [into[1]] if into else []
    widths += [out[0]] if out else []
    widths += [positions[2]] if positions else []
    grid = math.isqrt(positions[1]) if positions else None
    return {
        "width": _majority(widths),
        "depth": _run(index[0] for index, _ in _all(names, shapes, "block", None)),
        "patch_channels": into and into[0],
        "out_patch_channels": out and out[1],
        "grid": grid if positions and grid and grid * grid == positions[1] else None,
        "register_tokens": registers[1] if registers else 0,
        "num_classes": classes and classes[0],
        "cond_dim": classes and classes[1],
        "style_tokens": len(styles),
        "style_codes": _majority([shape[0] for _, shape in styles]),
        "head_dim": head_norm and head_norm[0],
        "mlp_width": gate and gate[1],
        "rmsnorm": names.anchors["norm"] in shapes,
        "qk_norm": head_norm is not None,
        "swiglu": gate is not None,
    }


def _mae(names: Names, shapes: Shapes) -> dict[str, Any]:
    into, out = _matrix(names, shapes, "input"), _matrix(names, shapes, "output")
    classes = _matrix(names, shapes, "classes")
    norms = _all(names, shapes, "stage_norm", 1)
    first = 0 if names.layout == OURS else 1
    widths = [shape[0] >> (index[0] - first) for index, shape in norms]
    widths += [into[1]] if into else []
    widths += [out[0]] if out else []
    stages: dict[int, set[int]] = {}
    for (stage, block), _ in _all(names, shapes, "block", None):
        stages.setdefault(stage, set()).add(block)
    runs = [_run(stages[stage]) for stage in sorted(stages)]
    complete = _run(stages) is not None and None not in runs
    return {
        "width": _majority(widths),
        "blocks": runs if complete else None,
        "depth": sum(run or 0 for run in runs) if complete else None,
        "patch_channels": into and into[0],
        "num_classes": classes and classes[1],
        "trunk_only": out is None and classes is None,
    }


def _shape(names: Names, shapes: Shapes, anchor: str, dimensions: int) -> Shape | None:
    shape = shapes.get(names.anchors[anchor])
    return shape if shape is not None and len(shape) == dimensions else None


def _matrix(names: Names, shapes: Shapes, anchor: str) -> tuple[int, int] | None:
    shape = shapes.get(names.anchors[anchor])
    return names.matrix(shape) if shape is not None and len(shape) in (2, 4) else None


def _all(
    names: Names, shapes: Shapes, pattern: str, dimensions: int | None
) -> list[tuple[tuple[int, ...], Shape]]:
    """(indices, shape) of every tensor that the pattern names."""
    compiled = re.compile(names.patterns[pattern])
    found = []
    for name, shape in shapes.items():
        match = compiled.fullmatch(name)
        if match and (dimensions is None or len(shape) == dimensions):
            found.append((tuple(int(index) for index in match.groups()), shape))
    return found


def _majority(values: Sequence[int]) -> int | None:
    """The value that more than half of the tensors show."""
    if not values:
        return None
    value, votes = Counter(values).most_common(1)[0]
    return value if 2 * votes > len(values) else None


def _run(indices: Iterable[int]) -> int | None:
    """How many indices, if they are 0, 1, ... without a gap."""
    distinct = set(indices)
    return len(distinct) if distinct == set(range(len(distinct))) else None
