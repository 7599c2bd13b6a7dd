"""`manifest.json` of a latent cache (schema drift-latents/1): what was encoded, how, and by what.

It is read as untrusted text: strict JSON, no unknown keys, every count held against the others, and
file names that cannot leave the folder.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from drift.artifacts import strict_json
from drift.artifacts.errors import ArtifactError, shown
from drift.data.dataset import Dataset
from drift.data.source import DataError

SCHEMA = "drift-latents/1"
MANIFEST = "manifest.json"
MAX_BYTES = 256 << 20
ITEM_BYTES = {"float16": 2, "float32": 4}

Count = Annotated[int, Field(ge=1)]
Whole = Annotated[int, Field(ge=0)]
Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Text = Annotated[str, Field(min_length=1, max_length=4096)]


class Part(BaseModel):
    """Strict about types, immutable, without unknown keys, without NaN and infinities."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Settings(Part):
    """Everything that the bytes of a latent depend on, besides its image.

    vae, vae_revision  name and commit in the model hub; for a local one `local:NAME` and `none`
    vae_sha256         digest of its parameters, so that a local copy can be recognised
    scaling_factor     stored latent = factor x point of the posterior; applied when encoding, once
    posterior          which point: one sample per image and one per mirrored image, or the mean
    mirrored           the encoding of the mirrored image is stored too
    shape              (C, H, W) of a latent
    seed               the noise of an image follows from seed, side and place in the data set
    """

    vae: Text
    vae_revision: Annotated[str, Field(pattern=r"^([0-9a-f]{40}|none)$")]
    vae_sha256: Hash
    scaling_factor: Annotated[float, Field(gt=0)]
    posterior: Literal["sample", "mean"]
    mirrored: bool
    crop: Literal["adm-centre"]
    resolution: Count
    shape: tuple[Count, Count, Count]
    dtype: Literal["float16", "float32"]
    seed: Whole
    per_shard: Count

    @property
    def digest(self) -> str:
        """sha256; every shard holds it, so that a manifest which is edited fits none.

        A local autoencoder is its parameters; the name of its folder makes no other latents.
        """
        local = {"vae": "local:"} if self.vae.startswith("local:") else {}
        text = strict_json.canonical(self.model_dump(mode="json") | local)
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def pinned(self) -> str:
        """What pins the autoencoder: a commit, of a local one the digest of its parameters."""
        return self.vae_sha256 if self.vae.startswith("local:") else self.vae_revision


class Origin(Part):
    """The images: `outline` covers names, labels and sizes, `digest` their contents as well.

    `digest` is None until every image was read. See drift.data.entries for both.
    """

    images: Count
    outline: Hash
    digest: Hash | None


class Shard(Part):
    """One file; `labels` are runs (label, how many) in the order of its rows."""

    file: Annotated[str, Field(pattern=r"^shard-\d{5,7}\.safetensors$")]
    sha256: Hash
    bytes: Count
    count: Count
    labels: tuple[tuple[Whole, Count], ...]

    @property
    def index(self) -> int:
        """Its number."""
        return int(self.file.removeprefix("shard-").removesuffix(".safetensors"))


class Manifest(Part):
    """Of a complete cache, or of one that `drift encode` has not finished."""

    schema_: Literal["drift-latents/1"] = Field("drift-latents/1", alias="schema")
    complete: bool
    settings: Settings
    origin: Origin
    dataset: Dataset = Dataset()
    classes: tuple[Text, ...]  # class map: index -> name
    shards: tuple[Shard, ...]
    versions: dict[str, str]

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        for shard in self.shards:
            if sum(n for _, n in shard.labels) != shard.count:
                raise ValueError(f"{shard.file}: runs of labels for another number of rows")
            if max(label for label, _ in shard.labels) >= len(self.classes):
                raise ValueError(f"{shard.file}: a label without a class")
        if self.complete:
            self._require_whole()
        return self

    def _require_whole(self) -> None:
        names = [shard_name(i) for i in range(len(self.shards))]
        if [shard.file for shard in self.shards] != names:
            raise ValueError("complete, but its shards are not numbered 0, 1, 2, ...")
        if [shard.count for shard in self.shards] != sizes(self.origin.images, self.per_shard):
            raise ValueError("complete, but its shards do not add up to the images")
        held = Counter[int]()
        for shard in self.shards:
            held.update(dict(shard.labels))
        if len(held) != len(self.classes) or self.origin.digest is None:
            raise ValueError("complete, but a class has no image or the origin no digest")

    @property
    def per_shard(self) -> int:
        """Images of every shard but the last."""
        return self.settings.per_shard

    @property
    def digest(self) -> str:
        """sha256 of everything but versions and names of the data set: which latents these are."""
        described = self.model_dump(mode="json", by_alias=True, exclude={"versions", "dataset"})
        return hashlib.sha256(strict_json.canonical(described).encode()).hexdigest()

    @property
    def text(self) -> str:
        """As it is written."""
        return self.model_dump_json(by_alias=True, indent=1) + "\n"


def shard_name(index: int) -> str:
    """File name of a shard."""
    return f"shard-{index:05d}.safetensors"


def sizes(images: int, per_shard: int) -> list[int]:
    """Images of each shard."""
    full, rest = divmod(images, per_shard)
    return [per_shard] * full + ([rest] if rest else [])


def runs_of(labels: list[int]) -> tuple[tuple[int, int], ...]:
    """[3, 3, 5] -> ((3, 2), (5, 1))."""
    runs: list[list[int]] = []
    for label in labels:
        if runs and runs[-1][0] == label:
            runs[-1][1] += 1
        else:
            runs.append([label, 1])
    return tuple((label, count) for label, count in runs)


def labels_of(runs: tuple[tuple[int, int], ...]) -> list[int]:
    """The inverse of `runs_of`."""
    return [label for label, count in runs for _ in range(count)]


def read_manifest(folder: Path) -> Manifest:
    """The checked manifest of a cache; raises DataError that names what is wrong with it."""
    path = folder / MANIFEST
    try:
        if path.stat().st_size > MAX_BYTES:
            raise DataError(str(path), found="a huge file", expected=f"at most {MAX_BYTES} bytes")
        data = path.read_bytes()
    except OSError as error:
        raise DataError(
            str(path),
            found=error.strerror or str(error),
            expected="the manifest of a latent cache",
            remedy="Check the path; `drift encode IMAGES --out DIR` makes such a cache.",
        ) from error
    try:
        strict_json.parse(data, place=str(path), limit=MAX_BYTES)  # duplicate keys, NaN
        return Manifest.model_validate_json(data)
    except ArtifactError as error:
        raise DataError(str(path), found=str(error.found), expected="strict JSON") from error
    except ValidationError as error:
        first: Any = error.errors()[0]
        problem = shown(first["msg"].removeprefix("Value error, "))
        where = ".".join(str(part) for part in first["loc"]) or "manifest"
        raise DataError(
            str(path),
            found=f"{where}: {problem} ({error.error_count()} problems)",
            expected=f"a manifest of the schema {SCHEMA}",
            remedy="It is damaged, edited or of another version; encode again.",
        ) from error
