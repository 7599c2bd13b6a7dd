"""The shape of each record of an evidence file: a chain can be whole, and its records nonsense.

What is rendered, derived or merged later takes these parts for granted. What a record says besides,
and whether it follows, is told elsewhere (`verify.report.derive`).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict

from verify.mutate.rate import Count, Stated
from verify.run.evidence import Record
from verify.spec.base import Sha256


def _instant(text: str) -> str:
    datetime.fromisoformat(text)
    return text


Instant = Annotated[str, AfterValidator(_instant)]
Digests = dict[str, str]


class _Open(BaseModel):
    """Strict in what it names; other keys are let be."""

    model_config = ConfigDict(strict=True, extra="allow")


class _Tolerance(_Open):
    value: float | None
    exact: bool
    unit: str
    basis: str


class _Described(_Open):
    id: str
    tolerance: _Tolerance


class _Shard(_Open):
    index: Count
    count: Count
    selectors: list[str]


class _Audit(_Open):
    domain: dict[str, Any]
    clauses: Count
    lacking: Count
    trusted: list[str]


class _Declared(_Open):
    manifest: dict[str, Any]


class _Head(_Open):
    verify: str
    pack: str
    subject: str
    seed: int
    profile: str
    selectors: list[str]
    falsify: bool
    python: str
    started: Instant
    digests: Digests
    environment: Sha256
    command: Sha256
    base: str
    declared: _Declared
    clauses: list[_Described]
    place: str = ""
    detection: Stated | None = None
    repository: dict[str, Any] | None = None
    shard: _Shard | None = None
    merged: Digests | None = None
    audit: _Audit | None = None


class _Judged(_Open):
    key: str
    reads: list[str]
    children: bool
    evaluations: bool


class _Clause(_Judged):
    id: str
    files: Digests


class _Falsifier(_Judged):
    clause: str
    label: str


class _Due(_Open):
    count: Count


class _Touched(_Open):
    imports: Digests
    reads: Digests
    around: str = ""


class _Claims(_Open):
    claims: list[dict[str, Any]]


class _End(_Open):
    finished: Instant
    interrupted: bool


_SHAPES: dict[str, type[_Open]] = {
    "run": _Head,
    "clause": _Clause,
    "falsifier": _Falsifier,
    "falsifiers_due": _Due,
    "touched": _Touched,
    "claims": _Claims,
    "end": _End,
}


def hold_shapes(read: Iterable[Record]) -> None:
    """Raises ValueError for a record that lacks a part or has it otherwise."""
    for record in read:
        if record.kind in _SHAPES:
            _SHAPES[record.kind].model_validate(record.data)
