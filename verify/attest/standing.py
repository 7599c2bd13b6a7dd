"""Whether records bear a number out: signed by a key of the pack, computed again by the signer."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from verify.attest.backing import Backing
from verify.attest.envelope import Kind, SignatureError, opened
from verify.attest.model import Key, Role, Trust
from verify.attest.statement import RECORD, subjects


def trust_of(said: Mapping[str, Any]) -> Trust:
    """Trust that was handed on as plain data."""
    keys = (Key.model_validate_json(json.dumps(key)) for key in said.get("keys", ()))
    return Trust(str(said.get("pack", "")), tuple(keys))


def shortfall(backed: Sequence[Backing], trust: Trust) -> str:
    """Why a number does not count as measured; empty where each of its records bears it out."""
    if not backed:
        return "it names no record that it comes from, so nothing signed bears it out"
    return next(_shortfalls(backed, trust), "")


def _shortfalls(backed: Sequence[Backing], trust: Trust) -> Iterator[str]:
    for one in backed:
        try:
            signer(one, trust)
        except SignatureError as error:
            yield f"{one.record}: {error.kind} ({error.found})"


def signer(one: Backing, trust: Trust) -> Key:
    """The key that bears a record out; raises SignatureError."""
    said, key = opened(one.envelope, trust, Role.RECORDS, one.record)
    files = subjects(said, RECORD, one.record)
    for kind, found, expected in _wrong(one, files, said["predicate"], trust):
        raise SignatureError(kind, one.record, found, expected, f"verify sign {one.record}")
    return key


def _wrong(
    one: Backing, files: Mapping[str, str], predicate: Mapping[str, Any], trust: Trust
) -> Iterator[tuple[Kind, str, str]]:
    """What a statement, rightly signed, does not say of this record: (kind, found, wanted)."""
    first = next(iter(files))
    if first != one.record:
        yield Kind.REPLAYED, f"a statement about {first}", f"about {one.record}"
    if predicate.get("pack") != trust.pack:
        yield Kind.REPLAYED, f"a statement for the pack {predicate.get('pack')}", f"{trust.pack}"
    if files.get(one.record) != one.sha256:
        yield Kind.CHANGED, "another record than the one that was signed", "that one"
    again = predicate.get("recomputed")
    left = [name for name in one.figures if not isinstance(again, dict) or name not in again]
    if left or not one.figures:
        found = f"a signature that computed {', '.join(left) or 'nothing it names'} not again"
        yield Kind.NOT_RECOMPUTED, found, "each figure computed again by the signer"
