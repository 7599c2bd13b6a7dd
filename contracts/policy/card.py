"""What a model card says of an artefact: fields of its header, as their writer left them."""

from __future__ import annotations

from pathlib import Path

from drift.artifacts.errors import ArtifactError
from drift.artifacts.header import read_header
from verify.api import CheckContext, Measurement, check

# label on the card -> field of the header
LABELS = {
    "architecture": "architecture",
    "width": "width",
    "depth": "depth",
    "patch size": "patch_size",
    "weights": "weights",
    "licence": "licence",
    "tokenizer": "tokenizer",
    "training data": "data",
    "template": "template",
    "source": "source_layout",
    "source sha256": "source_sha256",
    "tensors sha256": "tensors_sha256",
    "created": "created",
    "tier, as stamped": "tier",
}
ABSENT = "not recorded"


@check("card.describe")
def describe(ctx: CheckContext) -> Measurement:
    """Reads the header alone: no tensor is loaded, nothing is computed."""
    try:
        header = read_header(Path(str(ctx.params["artefact"])))
    except ArtifactError as error:
        return ctx.decide(False, f"no artefact: {error.found}")
    metadata = header.metadata or {}
    facts = {label: metadata.get(field, ABSENT) for label, field in LABELS.items()}
    parameters = sum(_count(shape) for shape in header.shapes.values())
    facts["parameters"] = f"{parameters:,} in {len(header.shapes)} tensors"
    return ctx.decide(True, f"{len(metadata)} fields", details={"facts": facts})


def _count(shape: tuple[int, ...]) -> int:
    product = 1
    for side in shape:
        product *= side
    return product
