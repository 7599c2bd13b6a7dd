"""in-toto Statements: which files something is said of, and what is said.

Subjects are plain files below one folder, each by its digest. The predicate also has a digest of
the lines of each regardless of their order, so that a reader hears which of two things was done to
a file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from verify.attest.envelope import Kind, SignatureError

TYPE = "https://in-toto.io/Statement/v1"
RECORD = "urn:drift-verify:evaluation-record:1"
BUNDLE = "urn:drift-verify:bundle:1"


def statement(
    kind: str, folder: Path, names: Iterable[str], predicate: Mapping[str, Any]
) -> dict[str, Any]:
    """A statement about files of a folder."""
    contents = {name: (folder / name).read_bytes() for name in names}
    return {
        "_type": TYPE,
        "subject": [
            {"name": name, "digest": {"sha256": hashlib.sha256(data).hexdigest()}}
            for name, data in contents.items()
        ],
        "predicateType": kind,
        "predicate": {**predicate, "lines": {n: _lines(data) for n, data in contents.items()}},
    }


def subjects(said: Mapping[str, Any], kind: str, place: object) -> dict[str, str]:
    """Name -> sha256 of the files of a statement of this kind; raises SignatureError."""
    try:
        found = {str(one["name"]): str(one["digest"]["sha256"]) for one in said["subject"]}
        type_, its_kind, predicate = said["_type"], said["predicateType"], said["predicate"]
    except (KeyError, TypeError):
        raise _not_so(place, "a statement without subject or predicate", kind) from None
    if type_ != TYPE or its_kind != kind or not isinstance(predicate, dict):
        raise _not_so(place, f"a statement of the kind {str(its_kind)[:80]!r}", kind)
    if not found or any(not _plain(name) for name in found):
        raise _not_so(place, f"files named {', '.join(found)[:80] or 'nothing'}", kind)
    return found


def hold(said: Mapping[str, Any], files: Mapping[str, str], folder: Path) -> None:
    """Every file is there as it was signed; raises SignatureError for the first that is not."""
    for name, digest in files.items():
        path = folder / name
        if path.is_symlink() or not path.is_file():
            raise _off(Kind.ABSENT, path, "no such file", digest)
        data = path.read_bytes()
        if hashlib.sha256(data).hexdigest() == digest:
            continue
        lines = said["predicate"].get("lines")
        if isinstance(lines, dict) and lines.get(name) == _lines(data):
            raise _off(Kind.REORDERED, path, "its lines in another order", digest)
        found = f"sha256 {hashlib.sha256(data).hexdigest()[:12]}..."
        raise _off(Kind.CHANGED, path, found, digest)


def _off(kind: Kind, path: Path, found: str, digest: str) -> SignatureError:
    expected = f"the file of sha256 {digest[:12]}... that was signed"
    return SignatureError(kind, path, found, expected, "take it from where it was signed")


def _not_so(place: object, found: str, kind: str) -> SignatureError:
    return SignatureError(Kind.REPLAYED, place, found, f"one of the kind {kind}", "verify sign")


def _plain(name: str) -> bool:
    """Whether a name is that of a file below the folder."""
    parts = PurePosixPath(name).parts
    return bool(parts) and not name.startswith("/") and ".." not in parts and "\\" not in name


def _lines(data: bytes) -> str:
    """sha256 of the lines in the order of their bytes."""
    return hashlib.sha256(b"\n".join(sorted(data.split(b"\n")))).hexdigest()
