"""Frozen signatures: each clause passes on the engine, and each of its falsifiers turns it red."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path
from typing import Any

import pytest
import yaml

from contracts.interface import signatures as interface
from tests.contracts.reading import clauses_of
from verify.api import CheckContext, Measurement, Outcome
from verify.spec.strict_yaml import read

ROOT = Path(__file__).parents[2]
SNAPSHOT = yaml.safe_load((ROOT / "specs/interface/v1.yaml").read_text(encoding="utf-8"))
CLAUSES = clauses_of("interface")


class Engine:
    """The engine's names of interface v1, looked up at call time as a subject does it."""

    def __getattr__(self, name: str) -> Any:
        if name not in SNAPSHOT["names"]:
            raise AttributeError(name)
        return getattr(importlib.import_module(SNAPSHOT["names"][name]["module"]), name)


def run(clause: dict[str, Any], subject: object) -> Measurement:
    context = CheckContext(clause["id"], subject, clause["params"], None, {}, ROOT / "specs")
    return interface.signature(context)


FALSIFIERS = [
    pytest.param(clause, falsifier, id=f"{clause['id']}-{number}")
    for clause in CLAUSES
    for number, falsifier in enumerate(clause["falsifiers"])
]


def test_the_snapshot_is_read_strictly() -> None:
    document = read(ROOT / "specs/interface/v1.yaml")
    assert document.problems == ()
    assert document.value == SNAPSHOT


def test_a_subject_without_the_name_is_unknown_and_not_a_pass() -> None:
    assert run(CLAUSES[0], object()).outcome is Outcome.UNKNOWN


def test_a_mutant_that_changes_nothing_is_an_error() -> None:
    with (
        pytest.raises(ValueError, match="changes nothing"),
        interface.rename_parameter(Engine(), name="drift_loss", parameter="absent", to="other"),
    ):
        pass


FROZEN = [
    {"name": "x", "kind": "positional"},
    {"name": "flag", "kind": "keyword", "default": False},
    {"name": "size", "kind": "keyword"},
]


def frozen(x, *, flag=False, size): ...
def gains_a_default(x, *, flag=False, size=3): ...
def gains_an_option(x, *, flag=False, size, device=None): ...
def gains_a_place(x, y=None, *, flag=False, size): ...
def takes_keywords_by_place_too(x, size, flag=False): ...
def gains_a_requirement(x, *, flag=False, size, device): ...
def loses_the_name(x, /, *, flag=False, size): ...
def says_zero_for_false(x, *, flag=0, size): ...
def loses_a_default(x, *, flag, size): ...
def puts_a_place_in_front(y, x, *, flag=False, size): ...


@pytest.mark.parametrize(
    "found",
    [frozen, gains_a_default, gains_an_option, gains_a_place, takes_keywords_by_place_too],
    ids=lambda function: function.__name__,
)
def test_what_no_caller_notices_is_compatible(found: Any) -> None:
    assert interface.incompatibilities(FROZEN, inspect.signature(found)) == []


@pytest.mark.parametrize(
    "found",
    [
        gains_a_requirement,
        loses_the_name,
        says_zero_for_false,
        loses_a_default,
        puts_a_place_in_front,
    ],
    ids=lambda function: function.__name__,
)
def test_what_breaks_a_caller_is_incompatible(found: Any) -> None:
    assert interface.incompatibilities(FROZEN, inspect.signature(found))


def test_a_frozen_class_is_compared_without_self() -> None:
    class Queue:
        def push(self, samples: Any, labels: Any) -> None: ...

        @classmethod
        def create(cls, size: int) -> None: ...

        @staticmethod
        def load(path: str) -> None: ...

    names = {m: [*interface.signature_of(Queue, m).parameters] for m in ("push", "create", "load")}
    assert names == {"push": ["samples", "labels"], "create": ["size"], "load": ["path"]}
    assert interface.signature_of(Queue, "absent") is None
