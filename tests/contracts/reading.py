"""The pack's clauses as they are run, and records that are changed, for tests of one room."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save

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


def edit_json(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """A file of JSON, changed in place."""
    value = json.loads(path.read_text(encoding="utf-8"))
    change(value)
    path.write_text(json.dumps(value), encoding="utf-8")


def retype(path: Path, change: Callable[[dict[str, Any], dict[str, Any]], object]) -> None:
    """A record and its components changed together, as who knows the format would."""

    def both(record: dict[str, Any]) -> None:
        beside = path.parent / record["components"]["file"]
        arrays = load_file(beside)
        change(record, arrays)
        beside.write_bytes(save({name: np.ascontiguousarray(one) for name, one in arrays.items()}))
        record["components"]["sha256"] = sha256(beside.read_bytes()).hexdigest()

    edit_json(path, both)
