"""What a file says about itself, held against what its tensors show.

A claim is a value with its source: a metadata field, the embedded configuration, or a width token
in the file's name (`w640`). One that the tensors contradict stops every load, with both values and
the `drift stamp` command that mends it.
"""

from __future__ import annotations

import logging
import math
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drift.artifacts import schema, strict_json
from drift.artifacts.errors import ArtifactError
from drift.artifacts.evidence import Evidence, split_patch
from drift.artifacts.schema import GENERATOR, MAE
from drift.config.bounds import LARGEST

FROM_NAME = "the file's name"
FROM_CONFIG = "config"

# Field -> key of the embedded configuration that says the same thing; stamping sets both.
CONFIG_KEYS: Mapping[str, Mapping[str, str]] = {
    GENERATOR: {
        "width": "hidden_dim",
        "depth": "depth",
        "patch_size": "patch_size",
        "in_channels": "in_channels",
    },
    MAE: {
        "width": "base_channels",
        "blocks": "blocks",
        "patch_size": "input_patch",
        "in_channels": "in_channels",
    },
}
# Fields that the geometry of each architecture consists of.
GEOMETRY: Mapping[str, tuple[str, ...]] = {
    GENERATOR: ("width", "depth", "patch_size", "in_channels"),
    MAE: ("width", "depth", "blocks", "patch_size", "in_channels"),
}
_NAME_TOKENS = re.compile(
    r"(?:(?<![a-z0-9])w(?:idth[-_]?)?|mae[-_](?:latent|pixel)[-_](?:ablation[-_])?)"
    r"([0-9]{2,5})(?![0-9a-z])"
)

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Claim:
    """`source` says that `field` is `value`."""

    source: str
    field: str
    value: Any


@dataclass(frozen=True)
class Contradiction:
    """A claim and what the tensors show instead; `mend` is the value to stamp, if there is one."""

    claim: Claim
    evidence: str
    mend: Mapping[str, str]

    def __str__(self) -> str:
        claim = self.claim
        return f"{claim.field}: {claim.source} says {claim.value}, the tensors show {self.evidence}"


class ContradictionError(ArtifactError):
    """What a file claims and what its tensors show cannot both be true."""

    def __init__(self, path: Path, contradictions: list[Contradiction]) -> None:
        self.contradictions = contradictions
        mend: dict[str, str] = {}
        for contradiction in contradictions:
            mend.update(contradiction.mend)
        self.command = stamp_command(path, mend) if mend else ""
        super().__init__(
            str(path),
            found="; ".join(str(item) for item in contradictions),
            expected="claims that the tensors bear out",
            remedy=f"If the tensors are right, run:\n  {self.command}"
            if self.command
            else "Export the file again.",
        )


def stamp_command(path: Path, patch: Mapping[str, str]) -> str:
    """The command line that stamps `patch`, quoted for a shell."""
    words = ["drift", "stamp", str(path)]
    for name, value in patch.items():
        words += [schema.FIELDS[name].option, value]
    return shlex.join(words)


def width_in_name(name: str) -> list[int]:
    """Widths that a file's or directory's name states: w640, width-640, mae_latent_640."""
    return [int(token) for token in _NAME_TOKENS.findall(name.lower())]


def claims_of(path: Path, metadata: Mapping[str, str], architecture: str) -> Iterator[Claim]:
    """Every claim about the geometry, in the order in which they are reported."""
    for field in ("architecture", *GEOMETRY[architecture]):
        value = schema.parsed(metadata, field)
        if value is not None:
            yield Claim(f"the metadata field {field}", field, value)
    config = schema.parsed(metadata, "config") or {}
    for field, key in CONFIG_KEYS[architecture].items():
        if _usable(field, config.get(key)):
            yield Claim(f"{FROM_CONFIG}.{key}", field, config[key])
    if "width" in stamped_fields(metadata):
        _log.info("%s: its width was stamped, which outranks a width in the name", path)
        return
    for width in width_in_name(path.name):
        yield Claim(FROM_NAME, "width", width)


def stamped_fields(metadata: Mapping[str, str]) -> list[str]:
    """Names of the fields that a person has stamped."""
    text = metadata.get("stamped")
    if text is None:
        return []
    try:
        value = strict_json.parse(text.encode(), place="stamped", limit=schema.MAX_JSON)
    except ArtifactError:
        return []
    return [name for name in value if name in schema.FIELDS] if isinstance(value, list) else []


def contradictions(
    path: Path, metadata: Mapping[str, str], evidence: Evidence
) -> list[Contradiction]:
    """Every claim of `path` that the tensors contradict."""
    claims = list(claims_of(path, metadata, evidence.architecture))
    found = []
    for claim in claims:
        if claim.field == "architecture":
            if claim.value != evidence.architecture:
                mend = {"architecture": evidence.architecture}
                found.append(Contradiction(claim, evidence.architecture, mend))
        elif claim.field in ("width", "depth", "blocks"):
            value = evidence.values.get(claim.field)
            if value is not None and claim.value != value:
                found.append(Contradiction(claim, str(value), {claim.field: _text(value)}))
    config = schema.parsed(metadata, "config") or {}
    return found + _patch_contradictions(claims, evidence, config.get("input_size"))


def require_consistent(path: Path, metadata: Mapping[str, str], evidence: Evidence) -> None:
    """Raises ContradictionError where a claim and the tensors disagree."""
    found = contradictions(path, metadata, evidence)
    if found:
        raise ContradictionError(path, found)


def _patch_contradictions(
    claims: list[Claim], evidence: Evidence, input_size: object
) -> list[Contradiction]:
    """Patch size and channels show up as one number, the channels of a patch: p * p * c."""
    total = evidence.values.get("patch_channels")
    claims = [claim for claim in claims if claim.field in ("patch_size", "in_channels")]
    if total is None or not claims:
        return []
    sizes = [claim.value for claim in claims if claim.field == "patch_size"]
    channels = [claim.value for claim in claims if claim.field == "in_channels"]
    grid = evidence.values.get("grid")
    if grid and isinstance(input_size, int) and input_size % grid == 0:
        sizes.insert(0, input_size // grid)  # a generator's positions tell the patch size
    fit = _fitting_patch(total, sizes, channels)
    if fit is None:
        return [Contradiction(claim, f"{total} channels per patch", {}) for claim in claims]
    shows = f"{total} channels per patch, {fit[0]} x {fit[0]} x {fit[1]}"
    values = {"patch_size": fit[0], "in_channels": fit[1]}
    return [
        Contradiction(claim, shows, {claim.field: str(values[claim.field])})
        for claim in claims
        if claim.value != values[claim.field]
    ]


def _fitting_patch(total: int, sizes: list[int], channels: list[int]) -> tuple[int, int] | None:
    """(p, c) with p * p * c = total: as claimed if possible, else with as little changed.

    Where one of the two has to give way, it is the patch size if the channels are 3 or 4, the
    counts of colours and latents, and the channels otherwise.
    """
    by_size = [(size, total // size**2) for size in sizes if size and total % size**2 == 0]
    by_channels = [(math.isqrt(total // count), count) for count in channels]
    by_channels = [(size, count) for size, count in by_channels if size * size * count == total]
    both = [pair for pair in by_size if pair[1] in channels]
    usual = [pair for pair in by_channels if pair[1] in (3, 4)]
    candidates = [*both, *usual, *by_size, *by_channels]
    return candidates[0] if candidates else split_patch(total)


def _usable(field: str, value: object) -> bool:
    """Whether a value of the embedded configuration has the type of its field."""
    if field == "blocks":
        return isinstance(value, list) and all(_usable("", item) for item in value)
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= LARGEST


def _text(value: Any) -> str:
    return strict_json.canonical(value)
