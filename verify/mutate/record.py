"""The record of a trial: how many of how many changes were noticed, of which code, drawn how."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from verify.mutate.judge import Found
from verify.mutate.rate import SCHEMA, Fate, Rate


def rate(found: Sequence[Found]) -> Rate:
    """The rate of some changes."""
    return Rate(**{fate.value: sum(one.fate is fate for one in found) for fate in Fate})


def by(found: Sequence[Found], kind: str) -> dict[str, dict[str, int]]:
    """Rates by file, by operator, or by the contracts whose clauses run a change."""
    groups: dict[str, list[Found]] = {}
    for one in found:
        names = one.contracts if kind == "contracts" else (getattr(one, kind),)
        for name in names:
            groups.setdefault(name, []).append(one)
    return {name: asdict(rate(groups[name])) for name in sorted(groups)}


def record(about: Mapping[str, Any], found: Sequence[Found]) -> dict[str, Any]:
    """The whole, as it is written."""
    missed = [asdict(one) for one in found if not one.fate.noticed]
    return {
        "schema": SCHEMA, **about, **asdict(rate(found)),
        "files": by(found, "file"), "operators": by(found, "operator"),
        "contracts": by(found, "contracts"), "missed": missed,
        "noticed": [{"mutant": one.mutant, "fate": one.fate.value, "clause": one.clause,
                     "reason": one.reason, "contracts": list(one.contracts)}
                    for one in found if one.fate.noticed],
    }  # fmt: skip
