"""Extractors by name: which network, which resize, which layers, which weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from drift.evaluate import pins

FID_INCEPTION = "fid-inception-2015-12-05"
TENSORFLOW_INCEPTION = "fid-inception-2015-12-05-tensorflow-resize"
TINY = "drift-tiny"

INCEPTION_SHA256 = pins.INCEPTION_SHA256


@dataclass(frozen=True)
class Kind:
    """An extractor by name.

    network     class in `networks`
    resize      how an image is brought to the input size
    pool        the layer whose vectors FID, KID, precision and recall compare
    logits      the layer of the Inception score, None where there is none
    sha256      digest of the only weights that have this name; None: the caller pins it
    """

    network: str
    resize: str
    pool: str
    logits: str | None
    sha256: str | None


KINDS: Mapping[str, Kind] = {
    FID_INCEPTION: Kind(
        "ReferenceInception", "torchscript-bilinear-299", "2048", "logits_unbiased",
        INCEPTION_SHA256,
    ),
    TENSORFLOW_INCEPTION: Kind(
        "TensorflowInception", "tensorflow1-bilinear-299", "2048", "logits_unbiased",
        INCEPTION_SHA256,
    ),
    TINY: Kind("Tiny", "none", "pool", "logits", None),
}  # fmt: skip
