"""Frozen signatures: the subject's callables against the snapshot of interface v1.

A signature is compatible when every call that the snapshot allows is allowed and means the same
(DEC-0211): same names and order, same stated defaults, nothing new that is required.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from inspect import Parameter, Signature
from typing import Any
from unittest.mock import patch

import yaml

from verify.api import CheckContext, Measurement, Reason, check, mutant

SNAPSHOT = "interface/v1.yaml"
BY_PLACE = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
BY_NAME = (Parameter.KEYWORD_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
VARIADIC = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)

Change = Callable[[list[Parameter]], list[Parameter]]


@check("interface.signature")
def signature(ctx: CheckContext) -> Measurement:
    """`params.name` of the snapshot, with its members, against the subject's attribute."""
    name = ctx.params["name"]
    frozen = yaml.safe_load(ctx.spec_file(SNAPSHOT).read_text(encoding="utf-8"))["names"][name]
    if not hasattr(ctx.subject, name):
        reason = f"the subject has no {name}; v1 places it in {frozen['module']}"
        return ctx.missing(reason, cause=Reason.CAPABILITY_MISSING)
    found = getattr(ctx.subject, name)
    compared, problems = 0, []
    for member, parameters in _frozen_callables(frozen):
        label = f"{name}.{member}" if member else name
        actual = signature_of(found, member)
        if actual is None:
            problems.append(f"{label}: found nothing callable, expected it to exist")
            continue
        compared += 1
        problems += [f"{label}: {line}" for line in incompatibilities(parameters, actual)]
    return ctx.decide(
        not problems,
        problems[0] if problems else f"{name}: {compared} signatures as frozen",
        details={"problems": problems, "signatures": compared},
    )


def _frozen_callables(frozen: Mapping[str, Any]) -> Iterator[tuple[str, Sequence[Any]]]:
    """The callable itself under the empty name, then the members of a class."""
    if "parameters" in frozen:
        yield "", frozen["parameters"]
    for member, described in frozen.get("members", {}).items():
        yield member, described["parameters"]


def signature_of(found: Any, member: str) -> Signature | None:
    """What a caller sees: without `self`; None where there is nothing to call."""
    if not member:
        return inspect.signature(found) if callable(found) else None
    bound = getattr(found, member, None)
    if not callable(bound):
        return None
    seen = inspect.signature(bound)
    if inspect.ismethod(bound) or isinstance(
        inspect.getattr_static(found, member, None), staticmethod
    ):
        return seen
    return seen.replace(parameters=list(seen.parameters.values())[1:])


def incompatibilities(frozen: Sequence[Mapping[str, Any]], found: Signature) -> list[str]:
    """Why a call written against `frozen` might fail or mean something else; empty if none."""
    places = [p for p in found.parameters.values() if p.kind in BY_PLACE]
    matched: set[str] = set()
    problems: list[str] = []
    for index, entry in enumerate(entry for entry in frozen if entry["kind"] != "keyword"):
        if index >= len(places):
            problems.append(f"found no parameter in place {index}, expected {entry['name']}")
            continue
        matched.add(places[index].name)
        problems += _misplaced(entry, places[index], index) or _other_default(entry, places[index])
    for entry in (entry for entry in frozen if entry["kind"] == "keyword"):
        parameter = found.parameters.get(entry["name"])
        if parameter is None or parameter.kind not in BY_NAME:
            problems.append(f"found no keyword {entry['name']}, expected it")
            continue
        matched.add(parameter.name)
        problems += _other_default(entry, parameter)
    return problems + [
        f"found the new required parameter {p.name}, expected a default"
        for p in found.parameters.values()
        if p.name not in matched and p.kind not in VARIADIC and p.default is Parameter.empty
    ]


def _misplaced(entry: Mapping[str, Any], parameter: Parameter, index: int) -> list[str]:
    if entry["kind"] == "positional_only":
        return []
    if parameter.name != entry["name"]:
        return [f"found {parameter.name} in place {index}, expected {entry['name']}"]
    if parameter.kind not in BY_NAME:
        return [f"found {parameter.name} by place only, expected it by name as well"]
    return []


def _other_default(entry: Mapping[str, Any], parameter: Parameter) -> list[str]:
    """A frozen default must stay; a required parameter may gain one."""
    if "default" not in entry:
        return []
    if parameter.default is Parameter.empty:
        return [f"found {parameter.name} required, expected the default {entry['default']!r}"]
    default = parameter.default
    plain = list(default) if isinstance(default, tuple) else default
    # 1 == True and 0 == False, but they are other defaults.
    if plain != entry["default"] or isinstance(plain, bool) != isinstance(entry["default"], bool):
        return [f"found {parameter.name}={default!r}, expected {entry['default']!r}"]
    return []


# -- mutants: the real callable behind another signature ------------------------------------------


@contextmanager
def _resigned(subject: object, name: str, member: str, change: Change) -> Iterator[None]:
    holders, attribute = _places(subject, name, member)
    original = getattr(holders[0], attribute)
    old = inspect.signature(original)

    @functools.wraps(original)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return original(*args, **kwargs)

    new = old.replace(parameters=change(list(old.parameters.values())))
    if new == old:
        raise ValueError(f"{name}.{member}: the mutant changes nothing in {old}")
    wrapper.__signature__ = new  # type: ignore[attr-defined]
    with ExitStack() as patches:
        for holder in holders:
            patches.enter_context(patch.object(holder, attribute, wrapper))
        yield


def _places(subject: object, name: str, member: str) -> tuple[list[Any], str]:
    """Where a callable is looked up: its class for a member, else every module that exports it."""
    found = getattr(subject, name)
    if member or isinstance(found, type):
        return [found], member or "__init__"
    modules = [m for m in list(sys.modules.values()) if vars(m).get(name) is found]
    if not modules:
        raise LookupError(f"{name}: no loaded module exports it under this name")
    return modules, name


@mutant("interface.rename_parameter")
def rename_parameter(
    subject: object, *, name: str, parameter: str, to: str, member: str = ""
) -> AbstractContextManager[Any]:
    """A parameter is renamed: calls by keyword break."""

    def change(old: list[Parameter]) -> list[Parameter]:
        return [p.replace(name=to) if p.name == parameter else p for p in old]

    return _resigned(subject, name, member, change)


@mutant("interface.change_default")
def change_default(
    subject: object, *, name: str, parameter: str, default: Any, member: str = ""
) -> AbstractContextManager[Any]:
    """A default is another one: calls that rely on it mean something else."""

    def change(old: list[Parameter]) -> list[Parameter]:
        return [p.replace(default=default) if p.name == parameter else p for p in old]

    return _resigned(subject, name, member, change)


@mutant("interface.swap_parameters")
def swap_parameters(
    subject: object, *, name: str, first: str, second: str, member: str = ""
) -> AbstractContextManager[Any]:
    """Two positional parameters change places: calls by place mean something else."""

    def change(old: list[Parameter]) -> list[Parameter]:
        names = [p.name for p in old]
        a, b = names.index(first), names.index(second)
        old[a], old[b] = (
            old[b].replace(default=old[a].default),
            old[a].replace(default=old[b].default),
        )
        return old

    return _resigned(subject, name, member, change)


@mutant("interface.drop_parameter")
def drop_parameter(
    subject: object, *, name: str, parameter: str, member: str = ""
) -> AbstractContextManager[Any]:
    """A parameter is gone."""

    def change(old: list[Parameter]) -> list[Parameter]:
        return [p for p in old if p.name != parameter]

    return _resigned(subject, name, member, change)


@mutant("interface.add_required")
def add_required(subject: object, *, name: str, member: str = "") -> AbstractContextManager[Any]:
    """A new keyword without a default: every existing call fails."""

    def change(old: list[Parameter]) -> list[Parameter]:
        new = Parameter("device", Parameter.KEYWORD_ONLY)
        tail = [p for p in old if p.kind is Parameter.VAR_KEYWORD]
        return [p for p in old if p not in tail] + [new] + tail

    return _resigned(subject, name, member, change)
