"""`drift stamp`: metadata patched in place, each field on its own, no tensor byte touched.

The file is written anew beside the old one and put in its place only after the tensor bytes of
both were found equal. Of a link, the file it points to is stamped.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from drift import atomic
from drift.artifacts import claims, schema, strict_json
from drift.artifacts.errors import ArtifactError, file_errors
from drift.artifacts.evidence import infer
from drift.artifacts.header import Header, data_chunks, encode_header, read_header


@dataclass(frozen=True)
class Stamped:
    """What a stamp did: field -> (old value or None, new value), and the tensors' digest."""

    changed: Mapping[str, tuple[str | None, str]]
    data_sha256: str
    contradictions: tuple[str, ...]  # claims that the tensors still do not bear out


def stamp(path: Path | str, patch: Mapping[str, str]) -> Stamped:
    """Set the fields of `patch` in the metadata of `path`.

    Setting width, depth, blocks, patch_size or in_channels also sets the same statement in the
    embedded configuration: it is one claim, kept in two places. Raises ArtifactError for an empty
    patch, an unknown field, a value that a field may not hold, and a file that is no artefact.
    """
    path = Path(path)
    place = f"stamp {path}"
    if not patch:
        raise ArtifactError(
            place,
            found="an empty patch",
            expected="at least one field",
            remedy="`drift stamp --help` lists the fields.",
        )
    wanted = schema.validated(patch, place=place)
    header = read_header(path)
    old = dict(header.metadata or {})
    new = _patched(header, old, wanted)
    data_sha256 = _replace(header, new)
    changed = {name: (old.get(name), new[name]) for name in new if old.get(name) != new[name]}
    left = claims.contradictions(path, new, infer(header.shapes, place=str(path)))
    return Stamped(changed, data_sha256, tuple(str(item) for item in left))


def _patched(header: Header, old: Mapping[str, str], wanted: Mapping[str, str]) -> dict[str, str]:
    new = {**old, **wanted, "schema": schema.SCHEMA}
    stamped = sorted({*claims.stamped_fields(old), *wanted})
    new["stamped"] = strict_json.canonical(stamped)
    architecture = infer(header.shapes, place=str(header.path)).architecture
    config = schema.parsed(new, "config")
    if config is not None:
        for field, key in claims.CONFIG_KEYS[architecture].items():
            if field in wanted and key in config:
                config[key] = schema.parsed(new, field)
        new["config"] = strict_json.canonical(config)
    return new


def _replace(header: Header, metadata: Mapping[str, str]) -> str:
    """Write header and tensors beside the file, compare, replace; returns the data's sha256."""
    path, written = header.path, hashlib.sha256()
    with (
        file_errors(path, "room and permission for a second copy beside it"),
        atomic.replacing(path) as copy,
    ):
        with copy.open("xb") as stream:
            stream.write(encode_header(header, metadata))
            for chunk in data_chunks(header):
                written.update(chunk)
                stream.write(chunk)
        _require_equal(header, read_header(copy), written.hexdigest())
        copy.chmod(path.stat().st_mode & 0o7777)
    return written.hexdigest()


def _require_equal(old: Header, new: Header, old_sha256: str) -> None:
    digest = hashlib.sha256()
    for chunk in data_chunks(new):
        digest.update(chunk)
    if digest.hexdigest() != old_sha256 or new.tensors != old.tensors:
        raise ArtifactError(
            str(old.path),
            found="other tensor bytes in the copy that was written",
            expected="the same",
            remedy="The file is unchanged; check the disk and run the command again.",
        )
