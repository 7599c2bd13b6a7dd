"""The pack's clauses as they are run, for tests that hold one room against its code."""

from __future__ import annotations

import importlib
from functools import cache
from pathlib import Path
from typing import Any

from verify.api import held
from verify.spec.pack import LoadedPack, load

ROOT = Path(__file__).parents[2]


@cache
def loaded() -> LoadedPack:
    """The pack of this repository, read once."""
    return load(ROOT)


def clauses_of(*rooms: str) -> list[dict[str, Any]]:
    """The resolved clauses of some rooms, as plain data."""
    files = [f"contracts/{room}/contract.yaml" for room in rooms]
    return [
        one.clause.model_dump(mode="json", by_alias=True)
        for file in files
        for one in loaded().stated
        if one.document.file == file
    ]


def registered_in(*rooms: str) -> dict[tuple[str, str], Any]:
    """(role, name) -> what is registered under it, in all modules of these rooms."""
    return {
        (entry.role, entry.name): value
        for room in rooms
        for path in sorted((ROOT / "contracts" / room).rglob("*.py"))
        for entry, value in held(
            importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
        )
    }
