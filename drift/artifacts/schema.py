"""The metadata of an artefact: which fields there are, what each may hold, what it counts for.

Every field is a string in the safetensors header. A field belongs to one component of the quality
score and to no other, so that stamping it moves nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from drift.artifacts import strict_json
from drift.artifacts.errors import ArtifactError, shown
from drift.config.bounds import LARGEST

SCHEMA = "drift-artifact/1"
GENERATOR, MAE = "drift-generator", "drift-mae"
ARCHITECTURES = (GENERATOR, MAE)
WEIGHTS = ("ema", "raw")
TIERS = ("A", "B", "C", "none")
AXES = ("paper-eval", "repo-eval", "proxy", "smoke")
MAX_TEXT = 200
MAX_JSON = 1 << 16

# Fields that no person sets: they attest to the tensors, or say what the others mean.
ATTESTED = ("schema", "tensors_sha256", "probe", "stamped", "source_metadata")


@dataclass(frozen=True)
class Field:
    """One field that `drift stamp` can set.

    component  of the quality score it counts for
    expected   what it may hold, for errors and for `--help`
    normal     the value as it is stored; raises ValueError for any other value
    """

    name: str
    component: str
    expected: str
    normal: Callable[[str], str]

    @property
    def option(self) -> str:
        """Its option on the command line."""
        return "--" + self.name.replace("_", "-")


def _one_of(values: tuple[str, ...]) -> Callable[[str], str]:
    def normal(text: str) -> str:
        if text not in values:
            raise ValueError
        return text

    return normal


def _text(text: str) -> str:
    stripped = text.strip()
    if not 0 < len(stripped) <= MAX_TEXT or not stripped.isprintable():
        raise ValueError
    return stripped


def _count(text: str) -> str:
    if not re.fullmatch(r"[0-9]{1,8}", text) or not 0 < int(text) <= LARGEST:
        raise ValueError
    return str(int(text))


def _counts(text: str) -> str:
    parts = text.strip().removeprefix("[").removesuffix("]").split(",")
    if len(parts) > 64:
        raise ValueError
    return strict_json.canonical([int(_count(part.strip())) for part in parts])


def _sha256(text: str) -> str:
    if not re.fullmatch(r"[0-9a-fA-F]{64}", text):
        raise ValueError
    return text.lower()


def _moment(text: str) -> str:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError
    return text


def _object(text: str) -> str:
    value = strict_json.parse(text.encode(), place="value", limit=MAX_JSON)
    if not isinstance(value, dict):
        raise ValueError
    return strict_json.canonical(value)


def _evaluation(text: str) -> str:
    canonical = _object(text)
    value = strict_json.parse(canonical.encode(), place="value", limit=MAX_JSON)
    numbers = (value.get("value"), value.get("samples"))
    if value.get("axis") not in AXES or not isinstance(value.get("metric"), str):
        raise ValueError
    if any(isinstance(number, bool) or not isinstance(number, int | float) for number in numbers):
        raise ValueError
    return canonical


_WHOLE = f"a whole number from 1 to {LARGEST}"
_LINE = f"one line of at most {MAX_TEXT} characters"
_EVALUATION = (
    f'JSON with "axis" ({", ".join(AXES)}), "metric", "value", "samples" and, if there is one, '
    '"report", the digest of the bundle'
)

FIELDS: Mapping[str, Field] = {
    field.name: field
    for field in (
        Field("architecture", "identity", " or ".join(ARCHITECTURES), _one_of(ARCHITECTURES)),
        Field("config", "identity", "a JSON object, the fields of the model's config", _object),
        Field("width", "identity", _WHOLE, _count),
        Field("depth", "identity", f"{_WHOLE}: blocks in all", _count),
        Field("blocks", "identity", "blocks per stage, as in [3,4,6,3]", _counts),
        Field("patch_size", "identity", _WHOLE, _count),
        Field("in_channels", "identity", _WHOLE, _count),
        Field("source_sha256", "provenance", "64 hexadecimal digits", _sha256),
        Field("source_layout", "provenance", f"{_LINE}: flax-msgpack, drift-train, ...", _text),
        Field("weights", "provenance", " or ".join(WEIGHTS), _one_of(WEIGHTS)),
        Field("template", "provenance", f"{_LINE}: name and fingerprint", _text),
        Field("data", "provenance", f"{_LINE}: training data, name, digest and licence", _text),
        Field("created", "provenance", "an ISO 8601 time with its offset", _moment),
        Field("tokenizer", "tokenizer", f"{_LINE}: name@revision, or none", _text),
        Field("evaluation", "evaluation", _EVALUATION, _evaluation),
        Field("tier", "evaluation", ", ".join(TIERS), _one_of(TIERS)),
        Field("licence", "licence", f"{_LINE}: an SPDX identifier, or NOASSERTION", _text),
    )
}


def normal_value(name: str, value: str, *, place: str) -> str:
    """The stored form of a field's value; raises ArtifactError for a value it may not hold."""
    field = FIELDS.get(name)
    if field is None:
        raise ArtifactError(
            place,
            found=f"the field {shown(name)}",
            expected=f"one of {', '.join(FIELDS)}",
            remedy="`drift stamp --help` lists what each field may hold.",
        )
    try:
        return field.normal(value)
    except ValueError as error:
        raise ArtifactError(
            f"{place}: {name}", found=shown(value), expected=field.expected
        ) from error


def validated(patch: Mapping[str, str], *, place: str) -> dict[str, str]:
    """All values of `patch` in their stored form."""
    return {name: normal_value(name, value, place=place) for name, value in patch.items()}


def parsed(metadata: Mapping[str, str], name: str) -> Any:
    """The value behind a field: int, list, dict or str; None where absent or not understood."""
    text = metadata.get(name)
    if text is None or name not in FIELDS:
        return None
    try:
        normal = FIELDS[name].normal(text)
    except ValueError:
        return None
    if name in ("width", "depth", "patch_size", "in_channels"):
        return int(normal)
    if name in ("config", "evaluation", "blocks"):
        return strict_json.parse(normal.encode(), place=name, limit=MAX_JSON)
    return normal


def not_understood(metadata: Mapping[str, str]) -> list[str]:
    """Names of the fields that are there but hold nothing this version can use."""
    return [name for name in FIELDS if name in metadata and parsed(metadata, name) is None]
