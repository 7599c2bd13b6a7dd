"""Lint rules about keys."""

from __future__ import annotations

from collections.abc import Iterator

from verify.attest.model import KeysFile
from verify.problems import Problem
from verify.spec.pack import LoadedPack


def keys_stand_once(loaded: LoadedPack) -> Iterator[Problem]:
    """One file of keys, each key once: a second entry could hide that the first was revoked."""
    seen: dict[str, str] = {}
    files = list(loaded.of(KeysFile))
    for document, file in files:
        for at, key in enumerate(file.keys):
            if key.id in seen:
                found, expected = f"{key.short} a second time", f"it once ({seen[key.id]})"
                yield document.problem(("keys", at, "id"), found, expected, "remove one")
            seen[key.id] = document.file
    for document, _ in files[1:]:
        found = "a second file of keys"
        yield document.problem((), found, f"only {files[0][0].file}", "put them together")
