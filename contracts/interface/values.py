"""Constants and defaults of the engine: what they are now against what is written down of them.

A limit, a default or a table of numbers that is another is another engine, whatever its functions
compute. What is written down is `specs/interface/values.yaml`, module by module.
"""

from __future__ import annotations

import ast
import dataclasses
import enum
import functools
import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable, Iterator, Mapping, Set
from contextlib import AbstractContextManager
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
import yaml
from pydantic import BaseModel

from verify.api import CheckContext, Measurement, check, mutant

SNAPSHOT = "interface/values.yaml"
REQUIRED, MADE = "no default", "made anew"
Patched = AbstractContextManager[object]
_PLAIN = (bool, int, float, complex, bytes, type(None))
_SHOWN = (torch.dtype, torch.device, range, slice)


@check("interface.values")
def values(ctx: CheckContext) -> Measurement:
    """Every module of `params.packages`: the same names with the same values."""
    stated = yaml.safe_load(ctx.spec_file(SNAPSHOT).read_text(encoding="utf-8"))["modules"]
    packages = tuple(ctx.params["packages"])
    found = {name: dict(values_of(name)) for name in modules(packages)}
    expected = {name: kept for name, kept in stated.items() if _within(name, packages)}
    problems = list(differences(expected, found))
    said = problems[0] if problems else (
        f"{sum(map(len, found.values()))} values of {len(found)} modules as written down"
    )  # fmt: skip
    return ctx.decide(not problems and bool(found), said, details={"problems": problems[:20]})


def differences(
    expected: Mapping[str, Mapping[str, str]], found: Mapping[str, Mapping[str, str]]
) -> Iterator[str]:
    """One line for each value that is another, new or gone."""
    for module in sorted(expected.keys() | found.keys()):
        then, now = expected.get(module, {}), found.get(module, {})
        for name in sorted(then.keys() | now.keys()):
            if then.get(name) != now.get(name):
                yield (f"{module}: {name}: found {now.get(name, 'nothing')}, expected "
                       f"{then.get(name, 'nothing')}")  # fmt: skip


def modules(packages: tuple[str, ...]) -> list[str]:
    """Names of packages and of all modules below them."""
    names = set(packages)
    for package in packages:
        path = getattr(importlib.import_module(package), "__path__", None)
        if path is not None:
            names |= {one.name for one in pkgutil.walk_packages(path, f"{package}.")}
    return sorted(name for name in names if not name.endswith("__main__"))


def _within(module: str, packages: tuple[str, ...]) -> bool:
    return any(module == one or module.startswith(f"{one}.") for one in packages)


# -- what a module states ------------------------------------------------------------------------


def values_of(name: str) -> Iterator[tuple[str, str]]:
    """(name, value in words) of a module's constants, defaults and attributes of classes."""
    module = importlib.import_module(name)
    held = vars(module)
    for constant in sorted(_assigned(module) & held.keys()):
        value = held[constant]
        if not _dull(value):
            yield constant, shown(value)
    for key, value in sorted(held.items()):
        if getattr(value, "__module__", None) == name and not _dull(value, called=True):
            yield from _of_class(key, value) if isinstance(value, type) else _defaults(key, value)


def _assigned(module: ModuleType) -> set[str]:
    """Names that the file itself gives values to, at its top."""
    if not module.__file__:
        return set()
    found: set[str] = set()
    for node in ast.parse(Path(module.__file__).read_bytes()).body:
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {one.id for target in targets for one in ast.walk(target)
                      if isinstance(one, ast.Name)}  # fmt: skip
    return found - {"__all__"}


def _dull(value: object, *, called: bool = False) -> bool:
    """What states no number: texts, types and functions, and objects that are not looked into."""
    if called:
        return not callable(value)
    return isinstance(value, str | type | ModuleType) or not _known(value) or (
        callable(value) and not isinstance(value, functools.partial)
    )  # fmt: skip


def _known(value: object) -> bool:
    arrays = (np.ndarray, torch.Tensor)
    more = (Mapping, Set, list, tuple, enum.Enum, re.Pattern, functools.partial, BaseModel)
    return isinstance(value, (*_PLAIN, *_SHOWN, *arrays, *more)) or dataclasses.is_dataclass(value)


def _of_class(name: str, cls: type) -> Iterator[tuple[str, str]]:
    stated = getattr(cls, "__pydantic_fields__", None)
    if stated is None and not issubclass(cls, enum.Enum):
        yield from _defaults(name, cls)
    for key, value in (stated or {}).items():
        bounds = [shown(part) for one in value.metadata for part in _parts(one)]
        yield f"{name}.{key}", " ".join([REQUIRED if value.is_required() else shown(value.default),
                                         *bounds])  # fmt: skip
    for key, value in sorted(vars(cls).items()):
        function = getattr(value, "__func__", value)
        if key.startswith(("__", "_abc")) or key in _fields(cls) or issubclass(cls, enum.Enum):
            continue
        if inspect.isfunction(function):
            yield from _defaults(f"{name}.{key}", function)
        elif not _dull(value):
            yield f"{name}.{key}", shown(value)


def _parts(bound: Any) -> list[object]:
    """What a bound of a field says, under whatever name a version of the library has for it."""
    if dataclasses.is_dataclass(bound):
        return [(one.name, getattr(bound, one.name)) for one in dataclasses.fields(bound)]
    return sorted(vars(bound).items()) if hasattr(bound, "__dict__") else [repr(bound)]


def _fields(cls: Any) -> set[str]:
    """Of a data class; its defaults are those of its call."""
    return {one.name for one in dataclasses.fields(cls)} if dataclasses.is_dataclass(cls) else set()


def _defaults(name: str, called: Callable[..., object]) -> Iterator[tuple[str, str]]:
    """What each parameter is where the caller says nothing; one without is the caller's."""
    try:
        parameters = inspect.signature(called).parameters
    except (TypeError, ValueError):
        return
    for key, one in parameters.items():
        if one.default is not one.empty:
            made = type(one.default).__name__ == "_HAS_DEFAULT_FACTORY_CLASS"
            yield f"{name}({key})", MADE if made else shown(one.default)


def shown(value: object) -> str:
    """A value in words that are the same in every process."""
    if isinstance(value, enum.Enum):
        return f"{type(value).__name__}.{value.name}"
    if isinstance(value, (*_PLAIN, *_SHOWN, str)):
        return repr(value)
    if isinstance(value, re.Pattern):
        return f"pattern {value.pattern!r} {int(value.flags)}"
    if isinstance(value, np.ndarray | torch.Tensor):
        return f"{value.dtype} {value.tolist()}"
    if isinstance(value, functools.partial):
        return f"{shown(value.func)} of {shown(value.args)} {shown(value.keywords)}"
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        parts = [
            f"{one.name}={shown(getattr(value, one.name))}" for one in dataclasses.fields(value)
        ]
        return f"{type(value).__name__}({', '.join(parts)})"
    return _many(value)


def _many(value: object) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{shown(k)}: {shown(v)}" for k, v in value.items()) + "}"
    if isinstance(value, Set):
        return "{" + ", ".join(sorted(map(shown, value))) + "}"
    if isinstance(value, list | tuple):
        return "(" + ", ".join(map(shown, value)) + ")"
    name = getattr(value, "__qualname__", None)
    return f"`{name}`" if isinstance(name, str) else f"a {type(value).__name__}"


# -- mistakes --------------------------------------------------------------------------------------


@mutant("interface.other_value")
def other_value(subject: object, module: str, name: str, value: object) -> Patched:
    """A constant is another number."""
    return patch.object(importlib.import_module(module), name, value)


@mutant("interface.other_default")
def other_default(
    subject: object, module: str, name: str, parameter: str, value: object
) -> Patched:
    """A function that is called without a word does something else."""
    holder = importlib.import_module(module)
    function = getattr(holder, name)
    seen = inspect.signature(function)

    @functools.wraps(function)
    def changed(*given: Any, **named: Any) -> Any:
        return function(*given, **named)

    one = seen.parameters[parameter].replace(default=value)
    changed.__signature__ = seen.replace(  # type: ignore[attr-defined]
        parameters=[one if key == parameter else kept for key, kept in seen.parameters.items()]
    )
    return patch.object(holder, name, changed)
