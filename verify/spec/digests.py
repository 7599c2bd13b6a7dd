"""Digests of what evidence is about: the pack's texts, the code under test, the recorded data."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from verify.spec.pack import LoadedPack
from verify.spec.places import CONTRACTS, PLANS, name_of, named, of_an_editor, visible
from verify.spec.sources import HARNESS, content_digest

_SKIPPED = frozenset({"__pycache__", ".git", ".mypy_cache", ".pytest_cache", ".ruff_cache"})


def digests(loaded: LoadedPack) -> dict[str, str]:
    """What every judgement of a pack is about, by name; the harness that judges is part of it."""
    return {
        "pack": pack_digest(loaded),
        "code": files_digest(code_files(loaded), loaded.root),
        "specs": files_digest(specs_files(loaded), loaded.root),
        "harness": harness_digest(),
    }


@cache
def harness_digest() -> str:
    """sha256 over this package's own code, as it was when it was first asked for."""
    return files_digest(visible(HARNESS, "**/*.py"), HARNESS)


def evaluations_digest(folder: Path) -> str:
    """sha256 over the evaluation records of a folder, their arrays included."""
    return files_digest(files_below(folder), folder)


def pack_digest(loaded: LoadedPack) -> str:
    """sha256 over every text the pack consists of, names included."""
    digest = hashlib.sha256()
    for label in sorted(name for name in loaded.documents if not name.startswith(PLANS)):
        digest.update(f"{label}\0{loaded.documents[label].text}\0".encode())
    records = visible(loaded.specs_dir / "decisions", "*.md")
    digest.update(files_digest(records, loaded.root).encode())
    return digest.hexdigest()


def files_digest(paths: Iterable[Path], root: Path) -> str:
    """sha256 over names, relative to `root`, and contents of files, in the order given."""
    digest = hashlib.sha256()
    for path in paths:
        content = content_digest(str(path))
        name = name_of(path, root)
        digest.update(f"{name}\0".encode(errors="surrogateescape"))  # names are bytes
        digest.update(bytes.fromhex(content))
    return digest.hexdigest()


def specs_files(loaded: LoadedPack) -> Iterator[Path]:
    """All files below specs/ but for plans and their ledger, which no judgement is about."""
    plans = loaded.root / PLANS
    return (path for path in files_below(loaded.specs_dir) if not path.is_relative_to(plans))


def code_files(loaded: LoadedPack) -> Iterator[Path]:
    """Files of the manifest's `code` and of the rooms but for the pack's texts, each once."""
    code = (named(loaded.root, name) for name in loaded.pack.manifest.code)
    places = {loaded.contracts_dir, *(place for place in code if place is not None)}
    texts = {loaded.root / label for label in loaded.models}
    found = {path for place in places for path in files_below(place)} - texts
    yield from sorted(found, key=lambda path: name_of(path, loaded.root))


def holding(loaded: LoadedPack, place: Path) -> str | None:
    """The name of what judgements are about and a place lies in; None for a place beside it."""
    where = place.resolve()
    names = (CONTRACTS, loaded.specs_dir.name, *loaded.pack.manifest.code)
    places = ((name, named(loaded.root, name)) for name in names)
    return next((name for name, one in places if one and where.is_relative_to(one)), None)


def files_below(place: Path) -> Iterator[Path]:
    """A file itself, or all files below a folder, in order; nothing where there is neither."""
    if place.is_file():
        yield place
        return
    for path in sorted(place.rglob("*")):
        if of_an_editor(path.name) or _SKIPPED.intersection(path.relative_to(place).parts):
            continue
        if path.is_file():
            yield path
