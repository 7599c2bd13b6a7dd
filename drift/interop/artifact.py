"""The release's artefacts: a directory with `ema_params.msgpack` and `metadata.json`.

Both files are untrusted: nothing in them can run code, choose a type, or make this module
allocate more than the bytes that are there. What goes wrong is one ArtifactError that names the
file, the byte and the parameter.
"""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drift.artifacts import strict_json
from drift.artifacts.errors import ArtifactError, file_errors, regular_size, shown
from drift.interop.flax_reader import FlaxReader, Leaf, Limits

PARAMS_FILE = "ema_params.msgpack"
METADATA_FILE = "metadata.json"
EXPECTED = f"a directory with {PARAMS_FILE} and {METADATA_FILE}"
REMEDY = "Give the directory of one published model."
METADATA_BYTES = 1 << 20
WRAPPERS = ("params", "ema_params")  # a tree saved with its collection's name around it
READ_KEY = "drift_read"  # what the reader adds to the metadata
LIMITS = Limits()

_log = logging.getLogger(__name__)


def read_artifact(
    directory: Path | str, *, require_metadata: bool = False, limits: Limits | None = None
) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """(parameter path -> array, metadata) of a directory in the reference's layout.

    Paths are slash-separated. Arrays are the file's, little-endian; bfloat16 comes as float32.
    The metadata is `metadata.json` plus the key `drift_read`: sha256 and bytes of the parameter
    file, number of leaves, and how many of them had which dtype. An absent `metadata.json` is
    logged and gives only that key; with `require_metadata` it is an error.
    Raises ArtifactError.
    """
    folder = Path(directory)
    metadata = read_metadata(folder, require=require_metadata)
    path = folder / PARAMS_FILE
    size = regular_size(path, expected=EXPECTED, remedy=REMEDY)
    with file_errors(path, "a readable file"), path.open("rb") as stream:
        reader = FlaxReader(stream, size, place=str(path), limits=limits or LIMITS)
        leaves = _unwrapped(reader.read())
        stream.seek(0)
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    for name, leaf in leaves.items():
        _require_finite(path, name, leaf)
    metadata[READ_KEY] = {
        "sha256": sha256,
        "bytes": size,
        "leaves": len(leaves),
        "dtypes": dict(sorted(Counter(leaf.dtype for leaf in leaves.values()).items())),
    }
    return {name: leaf.array for name, leaf in leaves.items()}, metadata


def read_metadata(folder: Path, *, require: bool = False) -> dict[str, Any]:
    """`metadata.json` of a reference directory; {} where there is none, which is logged."""
    path = folder / METADATA_FILE
    if not path.exists() and not require and folder.is_dir():
        _log.warning("%s: no %s; what the tensors show is all there is", folder, METADATA_FILE)
        return {}
    size = regular_size(path, expected=EXPECTED, remedy=REMEDY)
    if size > METADATA_BYTES:
        raise ArtifactError(
            str(path),
            found=f"{size} bytes",
            expected=f"at most {METADATA_BYTES} bytes of JSON",
            remedy=strict_json.REMEDY,
        )
    with file_errors(path, "a readable file"):
        data = path.read_bytes()
    value = strict_json.parse(data, place=str(path), limit=METADATA_BYTES)
    if not isinstance(value, dict) or READ_KEY in value:
        raise ArtifactError(
            str(path),
            found=shown(value),
            expected=f"a JSON object without the key {READ_KEY}",
            remedy=strict_json.REMEDY,
        )
    return value


def _unwrapped(leaves: dict[str, Leaf]) -> dict[str, Leaf]:
    """The tree without the collection name that some tools leave around it."""
    for wrapper in WRAPPERS:
        prefix = f"{wrapper}/"
        if all(name.startswith(prefix) for name in leaves):
            return {name.removeprefix(prefix): leaf for name, leaf in leaves.items()}
    return leaves


def _require_finite(path: Path, name: str, leaf: Leaf) -> None:
    if leaf.array.dtype.kind != "f":
        return
    # min and max carry NaN and infinity out without an array of flags as large as the parameter
    if not (np.isfinite(np.min(leaf.array)) and np.isfinite(np.max(leaf.array))):
        raise ArtifactError(
            f"{path}: {shown(name)}",
            found="a parameter that is not finite",
            expected="finite numbers",
            remedy="The file is damaged, or the run it comes from diverged; fetch it again.",
        )
