"""Reference statistics: a file that says how it was made, and is used for nothing else.

safetensors with mu [D] and sigma [D, D] in float64 and, where wanted, features [M, D], labels [M]
and the names of their classes; the metadata is the contract: extractor and its digest, resize,
rounding, count, data set and its digest. A figure against statistics of another extractor is not a
weaker figure but none.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load, save

from drift import atomic
from drift.artifacts import header
from drift.artifacts.errors import ArtifactError
from drift.errors import DriftError
from drift.evaluate import fid
from drift.evaluate.extractors import Extractor
from drift.evaluate.features import Features

SCHEMA = "drift-statistics/1"
ROUNDING = "truncate"
CLASSES = "classes"  # JSON list of names, as bytes


class StatisticsError(DriftError):
    """Statistics that are damaged, or not those of the extractor in use."""


@dataclass(frozen=True)
class Contract:
    """How statistics were made; every field is compared or recorded.

    dataset_sha256  of the manifest of the images, or of the file that was converted
    """

    extractor: str
    extractor_sha256: str
    resize: str
    rounding: str
    count: int
    dataset: str
    dataset_sha256: str


@dataclass(frozen=True)
class Statistics:
    """Moments of real images, their features where kept, and the digest of all of it."""

    contract: Contract
    moments: fid.Moments
    features: NDArray[np.float32] | None
    labels: NDArray[np.int64] | None
    sha256: str
    classes: tuple[str, ...] | None = None  # names by label; numbers where the file has no names


def contract_of(extractor: Extractor, *, count: int, dataset: str, dataset_sha256: str) -> Contract:
    """The contract of statistics that this extractor makes now."""
    return Contract(
        extractor=extractor.name,
        extractor_sha256=extractor.sha256,
        resize=extractor.resize,
        rounding=ROUNDING,
        count=count,
        dataset=dataset,
        dataset_sha256=dataset_sha256,
    )


def write(
    path: Path, found: Features, contract: Contract, *, keep_features: bool = True,
    classes: Sequence[str] | None = None,
) -> Statistics:  # fmt: skip
    """Write the statistics of real features; raises StatisticsError for a file in the way.

    keep_features  KID, precision and recall need them; without them only FID can be computed
    classes        names of the labels, by which other images are given theirs
    """
    moments = fid.moments(found.pool)
    tensors: dict[str, NDArray[Any]] = {"mu": moments.mean, "sigma": moments.covariance}
    if keep_features:
        tensors |= {"features": found.pool, "labels": found.labels}
    if classes:
        text = json.dumps(list(classes)).encode()
        tensors[CLASSES] = np.frombuffer(text, dtype=np.uint8)
    _save(path, tensors, contract)
    return read(path)


def convert(path: Path, source: Path, contract: Contract) -> Statistics:
    """Write published moments (.npz with mu and sigma) under a contract that the caller states.

    `contract.dataset_sha256` has to be the digest of the .npz: it is all that identifies it.
    """
    data = source.read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != contract.dataset_sha256:
        raise StatisticsError(
            str(source), found=f"sha256 {found}", expected=contract.dataset_sha256
        )
    try:
        with np.load(source, allow_pickle=False) as archive:
            mean, covariance = archive["mu"], archive["sigma"]
    except (ValueError, KeyError, OSError) as error:
        raise StatisticsError(str(source), found=str(error), expected="mu and sigma") from error
    _save(path, {"mu": mean.astype(np.float64), "sigma": covariance.astype(np.float64)}, contract)
    return read(path)


def read(path: Path) -> Statistics:
    """Read and verify; raises StatisticsError that says what is wrong with the file."""
    try:
        metadata = header.read_header(path).metadata or {}
        tensors = load(path.read_bytes())
        contract = Contract(**json.loads(metadata["contract"]))
    except (ArtifactError, OSError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise _bad(path, str(error)) from error
    if metadata.get("schema") != SCHEMA:
        raise _bad(path, f"schema {metadata.get('schema')!r}")
    sha256 = digest(tensors, contract)
    if metadata.get("digest") != sha256:
        raise _bad(path, "contents that do not have the digest written with them")
    mean, covariance = tensors.get("mu"), tensors.get("sigma")
    if mean is None or covariance is None or covariance.shape != (len(mean), len(mean)):
        raise _bad(path, "no mu [D] and sigma [D, D]")
    return Statistics(
        contract,
        fid.Moments(mean, covariance, contract.count),
        tensors.get("features"),
        tensors.get("labels"),
        sha256,
        _classes(path, tensors),
    )


def _classes(path: Path, tensors: Mapping[str, NDArray[Any]]) -> tuple[str, ...] | None:
    """Names of the labels: those in the file, else their numbers; None without labels."""
    labels = tensors.get("labels")
    known = labels is not None and len(labels) > 0 and int(labels.min()) >= 0
    highest = int(labels.max()) if labels is not None and known else -1
    if CLASSES not in tensors:
        return tuple(map(str, range(highest + 1))) if known else None
    try:
        names = json.loads(tensors[CLASSES].tobytes())
    except (ValueError, RecursionError) as error:
        raise _bad(path, "names of classes that are no JSON") from error
    if not isinstance(names, list) or not all(isinstance(n, str) for n in names):
        raise _bad(path, "names of classes that are no list of names")
    if highest >= len(names):
        raise _bad(path, f"a label {highest} of {len(names)} classes")
    return tuple(names)


def differences(statistics: Statistics, extractor: Extractor) -> list[str]:
    """Every field in which statistics and extractor do not belong together."""
    found = statistics.contract
    wanted = {
        "extractor": extractor.name,
        "extractor_sha256": extractor.sha256,
        "resize": extractor.resize,
        "rounding": ROUNDING,
    }
    return [
        f"{name} {getattr(found, name)} in the statistics, {value} here"
        for name, value in wanted.items()
        if getattr(found, name) != value
    ]


def require_same(statistics: Statistics, extractor: Extractor, place: str) -> None:
    """Raises StatisticsError naming every difference."""
    found = differences(statistics, extractor)
    if found:
        raise StatisticsError(
            place, found="; ".join(found), expected="statistics of this extractor",
            remedy="Make them with `drift eval REAL --write-statistics FILE`. "
            "--override-statistics goes on, and the figure is smoke.",
        )  # fmt: skip


def require_new(path: Path) -> None:
    """Raises StatisticsError for a file in the way."""
    if path.exists():
        raise StatisticsError(
            str(path), found="a file there", expected="none", remedy="Choose another name."
        )


def of_moments(statistics: Statistics) -> str:
    """Digest of contract and moments alone, which a record's components hold."""
    held = {"mu": statistics.moments.mean, "sigma": statistics.moments.covariance}
    return digest(held, statistics.contract)


def digest(tensors: Mapping[str, NDArray[Any]], contract: Contract) -> str:
    """sha256 over contract, names, shapes, types and values."""
    found = hashlib.sha256(_text(contract).encode())
    for name in sorted(tensors):
        array = np.ascontiguousarray(tensors[name])
        found.update(f"\0{name} {array.shape} {array.dtype.str}\0".encode())
        found.update(array.tobytes())
    return found.hexdigest()


def _save(path: Path, tensors: dict[str, NDArray[Any]], contract: Contract) -> None:
    metadata = {"schema": SCHEMA, "contract": _text(contract), "digest": digest(tensors, contract)}
    contiguous = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic.write_bytes(path, save(contiguous, metadata=metadata), exclusive=True)
    except OSError as error:
        raise StatisticsError(
            str(path), found=str(error), expected="a new file that can be written"
        ) from error


def _text(contract: Contract) -> str:
    return json.dumps(asdict(contract), sort_keys=True)


def _bad(path: Path, found: str) -> StatisticsError:
    return StatisticsError(
        str(path), found=found, expected=f"a file of {SCHEMA}",
        remedy="`drift eval REAL --write-statistics FILE` makes one.",
    )  # fmt: skip
