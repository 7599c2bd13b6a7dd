"""Functions of the harness that a check left replaced: put back, and told.

A patch that outlives its check would judge the clauses after it. Looked at are the functions of
the harness and of `json`, as they were before any module of a pack was imported. This is no
sandbox: what a check does to this module itself is not noticed (DEC-0235).
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from types import FunctionType, ModuleType
from typing import Any

Function = tuple[str, Any, str, Any]
_OURS = ("verify", "json")
_KINDS = (FunctionType, property, classmethod, staticmethod)


def _owners() -> Iterator[tuple[str, Any]]:
    """(name, module or class) of everything of the harness that holds functions."""
    for name, module in sorted(sys.modules.items()):
        if name.partition(".")[0] in _OURS and isinstance(module, ModuleType):
            yield name, module
            for key, value in vars(module).items():
                if isinstance(value, type) and value.__module__ == name:
                    yield f"{name}.{key}", value


def functions() -> list[Function]:
    """(name, its owner, key in the owner, function) of all that is imported now."""
    return [
        (f"{name}.{key}", owner, key, value)
        for name, owner in list(_owners())
        for key, value in list(vars(owner).items())
        if isinstance(value, _KINDS)
    ]


def put_back(sound: Iterable[Function]) -> list[str]:
    """The names that are bound to something else than they were; no longer."""
    changed = []
    for name, owner, key, value in sound:
        if vars(owner).get(key) is not value:
            setattr(owner, key, value)
            changed.append(name)
    return changed
