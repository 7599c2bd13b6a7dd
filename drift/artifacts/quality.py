"""The quality score of an artefact: 0 to 100, with its breakdown and what would raise it.

It scores what is known about the file, not how good its samples are. Each metadata field counts
for one component only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from drift.artifacts import claims, schema
from drift.artifacts.contents import Contents, survey
from drift.artifacts.evidence import Evidence, infer
from drift.artifacts.header import Header

# component -> points; they sum to 100
WEIGHTS: Mapping[str, int] = {
    "identity": 20,
    "provenance": 25,
    "tokenizer": 15,
    "evaluation": 15,
    "licence": 10,
    "integrity": 15,
}
_PINNED = re.compile(r"@[0-9a-f]{40}\b")
_SPDX = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]*( (AND|OR|WITH) [A-Za-z0-9][A-Za-z0-9.+-]*)*")
UNKNOWN = "unknown"  # what a writer records where nobody said
_UNSTATED = ("NOASSERTION", "NONE", UNKNOWN)
_AXIS_POINTS = {"paper-eval": 12, "repo-eval": 9, "proxy": 5, "smoke": 2}
_TIER_NEEDS = {"A": ("paper-eval",), "B": ("paper-eval", "repo-eval")}


@dataclass(frozen=True)
class Item:
    """One thing that was looked at: points earned of those possible, and how to earn the rest."""

    name: str
    earned: float
    possible: float
    note: str = ""
    raise_by: str = ""


@dataclass(frozen=True)
class Component:
    """One line of the breakdown."""

    name: str
    items: tuple[Item, ...]

    @property
    def earned(self) -> float:
        """Points of all items."""
        return sum(item.earned for item in self.items)


@dataclass(frozen=True)
class Quality:
    """Score and breakdown of one file, with the evidence it was computed from."""

    path: str
    components: tuple[Component, ...]
    evidence: Evidence
    contents: Contents
    contradictions: tuple[str, ...]
    command: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def score(self) -> int:
        """0 to 100, rounded down."""
        return int(sum(component.earned for component in self.components))

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "schema": "drift-quality/1",
            "path": self.path,
            "score": self.score,
            "components": {
                part.name: {
                    "earned": part.earned,
                    "possible": WEIGHTS[part.name],
                    "items": [asdict(item) for item in part.items],
                }
                for part in self.components
            },
            "architecture": self.evidence.architecture,
            "layout": self.evidence.layout,
            "evidence": dict(self.evidence.values),
            "contradictions": list(self.contradictions),
            "command": self.command,
            "tensors_sha256": self.contents.sha256,
            "metadata": dict(self.metadata),
        }


def assess(header: Header) -> Quality:
    """Score a file; reads every tensor once. Raises ArtifactError for a file that is none."""
    metadata = header.metadata or {}
    evidence = infer(header.shapes, place=str(header.path))
    contents = survey(header)
    found = claims.contradictions(header.path, metadata, evidence)
    stamp = claims.stamp_command(header.path, {})
    wrong = {item.claim.field for item in found}
    components = (
        Component("identity", tuple(_identity(metadata, evidence, wrong, stamp))),
        Component("provenance", tuple(_provenance(metadata, stamp))),
        Component("tokenizer", (_tokenizer(metadata, stamp),)),
        Component("evaluation", tuple(_evaluation(metadata, stamp))),
        Component("licence", (_licence(metadata, stamp),)),
        Component("integrity", tuple(_integrity(metadata, contents))),
    )
    command = claims.ContradictionError(header.path, found).command if found else ""
    texts = tuple(str(item) for item in found)
    return Quality(str(header.path), components, evidence, contents, texts, command, metadata)


def _identity(
    metadata: Mapping[str, str], evidence: Evidence, wrong: set[str], stamp: str
) -> Iterator[Item]:
    geometry = claims.GEOMETRY[evidence.architecture]
    share = 10 / len(geometry)
    points = {"architecture": 4.0, "config": 6.0} | dict.fromkeys(geometry, share)
    for name, possible in points.items():
        if name in wrong:
            yield Item(name, 0, possible, "contradicted by the tensors", f"{stamp}, as shown below")
        elif schema.parsed(metadata, name) is None:
            advice = f"{stamp} {schema.FIELDS[name].option} {_shown(evidence, name)}"
            yield Item(name, 0, possible, "absent or not understood", advice)
        else:
            yield Item(name, possible, possible)


def _shown(evidence: Evidence, name: str) -> str:
    if name == "architecture":
        return evidence.architecture
    return str(evidence.values.get(name, "VALUE")).replace(" ", "")


def _provenance(metadata: Mapping[str, str], stamp: str) -> Iterator[Item]:
    points = {"source_sha256": 8, "weights": 5, "template": 4, "source_layout": 3}
    points |= {"data": 3, "created": 2}
    for name, possible in points.items():
        if schema.parsed(metadata, name) is None:
            yield Item(name, 0, possible, "absent", f"{stamp} {schema.FIELDS[name].option} VALUE")
        else:
            yield Item(name, possible, possible)


def _tokenizer(metadata: Mapping[str, str], stamp: str) -> Item:
    value = schema.parsed(metadata, "tokenizer")
    if value is None or value == UNKNOWN:
        return Item("tokenizer", 0, 15, "unknown", f"{stamp} --tokenizer NAME@REVISION (or none)")
    if value == "none" or _PINNED.search(value):
        return Item("tokenizer", 15, 15)
    advice = f"{stamp} --tokenizer NAME@REVISION, with the 40 digits of its commit"
    return Item("tokenizer", 8, 15, "named, but not pinned to a revision", advice)


def _evaluation(metadata: Mapping[str, str], stamp: str) -> Iterator[Item]:
    value = schema.parsed(metadata, "evaluation")
    axis = value["axis"] if value else ""
    earned = _AXIS_POINTS.get(axis, 0)
    note = f"measured on {axis}" if axis else "no measurement recorded"
    advice = "" if earned == 12 else f"evaluate on paper-eval, then {stamp} --evaluation JSON"
    yield Item("measurement", earned, 12, note, advice)
    tier = schema.parsed(metadata, "tier")
    if tier is not None and axis and axis in _TIER_NEEDS.get(tier, (axis,)):
        yield Item("tier", 3, 3)
    else:
        note = f"no measurement bears out tier {tier}" if tier else "absent"
        yield Item("tier", 0, 3, note, f"{stamp} --tier TIER, as `verify claims` computes it")


def _licence(metadata: Mapping[str, str], stamp: str) -> Item:
    value = schema.parsed(metadata, "licence")
    advice = f"{stamp} --licence IDENTIFIER, once the owner has stated one"
    if value is None:
        return Item("licence", 0, 10, "absent", f"{stamp} --licence NOASSERTION, or the true one")
    if value in _UNSTATED:
        return Item("licence", 4, 10, "the source states none", advice)
    if _SPDX.fullmatch(value):
        return Item("licence", 10, 10)
    return Item("licence", 4, 10, "not an SPDX expression", advice)


def _integrity(metadata: Mapping[str, str], contents: Contents) -> Iterator[Item]:
    again = "import or save the model again"
    recorded = metadata.get("tensors_sha256")
    damaged = recorded is not None and recorded != contents.sha256
    if recorded is None:
        yield Item("digest", 0, 8, "no digest of the tensors recorded", again)
    else:
        note = "the tensors are not those that were saved" if damaged else ""
        yield Item("digest", 0 if damaged else 8, 8, note, again if damaged else "")
    bad = ", ".join(contents.not_finite[:3])
    yield Item("finite", 0 if bad else 3, 3, f"not finite: {bad}" if bad else "", again * bool(bad))
    if "probe" not in metadata:
        yield Item("probe", 0, 4, "no probe output recorded", again)
    else:
        note = "recorded for other tensors" if damaged else "recorded; reproduced on every load"
        yield Item("probe", 0 if damaged else 4, 4, note, again if damaged else "")
