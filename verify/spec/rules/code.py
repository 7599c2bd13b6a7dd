"""Lint rule about the code of a pack: evidence is about all that checks and mutants import."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from verify.problems import Problem
from verify.spec.model import Manifest
from verify.spec.pack import LoadedPack
from verify.spec.places import CONTRACTS, visible

_IMPORT = re.compile(
    r"^[ \t\f]*(?:from\s+(\w[\w.]*)\s+import\b|import\s+(\w[\w., ]*))", re.MULTILINE
)
_NOT_JUDGED = (CONTRACTS, "verify")  # covered whatever the manifest says, and the harness itself


def imported_code_is_listed(loaded: LoadedPack) -> Iterator[Problem]:
    """What the pack's code imports from beside the pack stands in `code` of the manifest.

    Without it a change of that code leaves earlier evidence looking as if it were about it.
    """
    listed = [PurePosixPath(name) for name in loaded.pack.manifest.code]
    for document, _ in loaded.of(Manifest):
        for place, importer in sorted(_imported(loaded.root).items()):
            if not any(place.is_relative_to(name) for name in listed):
                found = f"{', '.join(loaded.pack.manifest.code) or 'nothing'}"
                expected = f"{place.as_posix()}, which {importer} imports"
                yield document.problem(("code",), found, expected, "list it: evidence is about it")


def early_imports_are_libraries(loaded: LoadedPack) -> Iterator[Problem]:
    """`imports` of the manifest names nothing of the pack, whose mutants come after all clauses."""
    for document, manifest in loaded.of(Manifest):
        for at, name in enumerate(manifest.imports):
            top = name.partition(".")[0]
            if (loaded.root / top).is_dir() or (loaded.root / f"{top}.py").is_file():
                found, expected = f"{name}, which lies beside the pack", "an installed library"
                yield document.problem(("imports", at), found, expected, "leave it out")


def _imported(root: Path) -> dict[PurePosixPath, str]:
    """Top-level modules and packages beside the pack -> the first file that imports them."""
    importers: dict[str, Path] = {}
    for path in visible(root / CONTRACTS, "**/*.py"):
        if not path.is_file():
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        for name in _names(text):
            importers.setdefault(name, path)
    found: dict[PurePosixPath, str] = {}
    for name, path in importers.items():
        place = None if name in _NOT_JUDGED else _beside(root, name)
        if place is not None:
            found.setdefault(place, path.relative_to(root).as_posix())
    return found


def _names(text: str) -> Iterator[str]:
    for one in _IMPORT.finditer(text):
        for name in (one[1] or one[2]).split(","):
            yield name.strip().partition(".")[0].split(" ")[0]


def _beside(root: Path, name: str) -> PurePosixPath | None:
    if (root / name).is_dir() and any((root / name).glob("*.py")):
        return PurePosixPath(name)
    return PurePosixPath(f"{name}.py") if (root / f"{name}.py").is_file() else None
