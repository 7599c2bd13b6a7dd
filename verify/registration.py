"""How a pack registers checks, mutants, recorders and subjects; its code imports `verify.api`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import chain
from types import ModuleType
from typing import Any, TypeVar, overload

MutantFactory = Callable[..., AbstractContextManager[object]]
_MARK = "__verify_registered__"
_F = TypeVar("_F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Registered:
    """What a decorator leaves; `role` is check, mutant, subject, recorder or recompute."""

    role: str
    name: str
    needs: tuple[str, ...] = ()
    noise: str = ""


def check(name: str, *, needs: Sequence[str] = ()) -> Callable[[_F], _F]:
    """Register `f(ctx: CheckContext) -> Measurement`; `needs` are capabilities of the subject."""
    return _mark(Registered("check", name, tuple(needs)))


@overload
def mutant(name: str, /) -> Callable[[_F], _F]: ...
@overload
def mutant(
    name: str, owner: object, attribute: str, /
) -> Callable[[Callable[..., Any]], MutantFactory]: ...
@overload
def mutant(name: str, owner: object, /, **values: object) -> MutantFactory: ...
def mutant(name: str, owner: object = None, attribute: str = "", /, **values: object) -> Any:
    """Register a mistake: a context manager inside which the subject is wrong. Three ways:

    `@mutant(name)` on `f(subject, **params)`, which returns that context manager.
    `@mutant(name, owner, attribute)` on `f(real, ...)`, which is called in place of the attribute
    of a module or class; it gets what stands there first and the params of the falsifier by name.
    `mutant(name, owner, NAME=value, ...)`, given a name or in a tuple of the module's own level:
    other values of the attributes of a module or class, or of the keys of a dictionary.
    """
    mark = _mark(Registered("mutant", name))
    if values:
        return mark(partial(_other_values, owner, values))
    if not attribute:
        return mark
    return lambda function: mark(partial(_in_place_of, owner, attribute, function))


def _other_values(
    owner: Any, values: Mapping[str, object], subject: object
) -> AbstractContextManager[object]:
    from unittest.mock import patch  # a fifth of a second that lint has no need of

    if isinstance(owner, dict):
        return patch.dict(owner, values)
    with ExitStack() as planted:
        for attribute, value in values.items():
            planted.enter_context(patch.object(owner, attribute, value))
        return planted.pop_all()


def _in_place_of(
    owner: object, attribute: str, function: Callable[..., Any], subject: object, **params: object
) -> AbstractContextManager[object]:
    real = getattr(owner, attribute)

    def mistaken(*args: Any, **options: Any) -> Any:
        return function(real, *args, **options, **params)

    return _other_values(owner, {attribute: mistaken}, subject)


def subject(name: str) -> Callable[[_F], _F]:
    """Register a factory without arguments that returns an implementation under test."""
    return _mark(Registered("subject", name))


def recorder(check: str, *, noise: str = "precision") -> Callable[[_F], _F]:
    """Register `f(ctx: RecordContext) -> {name: array}`, which records the cases of a check.

    `verify record` calls it. Names under `in/` are inputs, all others stages, in the order of
    computation. `noise` is what their tolerance rests on: `precision`, the difference between
    float32 and float64; `seeds`, that between seeds; `exact`, none at all.
    """
    return _mark(Registered("recorder", check, noise=noise))


def recompute(schema: str) -> Callable[[_F], _F]:
    """Register `f(ctx: CheckContext) -> Measurement` for records that state this schema.

    It computes the figures of the record at `ctx.params["record"]` again (`ctx.compared`).
    """
    return _mark(Registered("recompute", schema))


def registered(function: object) -> Iterable[Registered]:
    """The registrations a function carries itself; asked of anything a module may hold."""
    entries: Iterable[Registered] = getattr(function, "__dict__", {}).get(_MARK, ())
    return entries


def held(module: ModuleType) -> Iterator[tuple[Registered, Any]]:
    """All that a module registers, the rows of its tables included."""
    values = list(vars(module).values())
    for value in chain(values, *(table for table in values if isinstance(table, tuple))):
        for entry in registered(value):
            yield entry, value


def _mark(entry: Registered) -> Callable[[_F], _F]:
    def decorate(function: _F) -> _F:
        entries = (*registered(function), entry)
        setattr(function, _MARK, entries)
        return function

    return decorate
