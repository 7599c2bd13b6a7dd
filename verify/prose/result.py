"""The result over several files: findings, markers, the verdict line, the exit code, and JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from verify.prose.accuracy import FIRST, HELD_OUT, INDEPENDENT, UNREAD
from verify.prose.evidence import Evidence
from verify.prose.judge import Finding, Ruling, judge
from verify.prose.markers import Kind, Marker, by_sentence, covered, markers
from verify.prose.page import Prose
from verify.report.model import ExitCode

SCHEMA = "verify/prose/1"


@dataclass(frozen=True)
class Lint:
    """Findings in the order of the files; a waived one keeps its ruling.

    markers   each with the number of findings that rest on it; `unused` are those without any
    """

    files: tuple[str, ...]
    sentences: int
    findings: tuple[tuple[Finding, Marker | None], ...]
    markers: tuple[tuple[Marker, int], ...]
    bundle: str | None

    @property
    def unused(self) -> list[Marker]:
        """Markers on which nothing rests."""
        return [marker for marker, count in self.markers if not count]

    @property
    def flagged(self) -> list[Finding]:
        """What has to be mended: flagged and not waived."""
        return [f for f, marker in self.findings if f.ruling.flagged and not _waives(marker)]

    @property
    def waived(self) -> list[tuple[Finding, Marker]]:
        """What is flagged and let stand."""
        return [(f, m) for f, m in self.findings if f.ruling.flagged and m and _waives(m)]

    @property
    def exit_code(self) -> ExitCode:
        """1 where something has to be mended, 3 where only evidence is missing to tell."""
        if not self.flagged:
            return ExitCode.GO
        if all(finding.lacks_evidence for finding in self.flagged):
            return ExitCode.INCOMPLETE
        return ExitCode.FAILED

    @property
    def line(self) -> str:
        """The verdict with its denominators."""
        count = Counter(finding.ruling for finding in self.flagged)
        unflagged = Counter(f.ruling for f, _ in self.findings if not f.ruling.flagged)
        word = "GO" if self.exit_code is ExitCode.GO else "NO-GO"
        return (
            f"{word}: {count[Ruling.OVERCLAIM]} overclaims, {count[Ruling.NEEDS_ATTRIBUTION]} need "
            f"attribution, {len(self.waived)} waived, {unflagged[Ruling.BACKED]} backed, "
            f"{unflagged[Ruling.ATTRIBUTED]} attributed, {unflagged[Ruling.NO_CLAIM]} marked as no "
            f"claim: {len(self.findings)} assertions in {self.sentences} sentences of "
            f"{len(self.files)} files; evidence: {self.bundle or 'none'}"
        )

    def as_json(self) -> dict[str, Any]:
        """The result as data, schema verify/prose/1."""
        return {
            "schema": SCHEMA,
            "verdict": {"line": self.line, "exit_code": int(self.exit_code)},
            "accuracy": {
                "recall": round(HELD_OUT.recall, 3),
                "precision": round(HELD_OUT.precision, 3),
                "flagged": {kind: list(counts) for kind, counts in HELD_OUT.flagged.items()},
                "alarms": list(HELD_OUT.alarms),
                "independent_first_readings": [
                    [round(a.recall, 3), round(a.precision, 3)] for a in INDEPENDENT
                ],
                "first_readings": [[round(a.recall, 3), round(a.precision, 3)] for a in FIRST],
                "cannot_read": list(UNREAD),
            },
            "bundle": self.bundle,
            "files": list(self.files),
            "sentences": self.sentences,
            "findings": [_as_json(finding, marker) for finding, marker in self.findings],
            "markers": [{**vars(marker), "covers": count} for marker, count in self.markers],
            "unused_waivers": [vars(m) for m in self.unused if m.kind is Kind.WAIVER],
        }


def _waives(marker: Marker | None) -> bool:
    return marker is not None and marker.kind is Kind.WAIVER


def lint(files: Sequence[Prose], evidence: Evidence, today: date) -> Lint:
    """Every sentence of every file held against the evidence."""
    findings: list[tuple[Finding, Marker | None]] = []
    told: list[tuple[Marker, int]] = []
    for prose in files:
        offered = markers(prose)
        found = list(_judged(prose, evidence, offered, today))
        findings += found
        told += [(marker, _resting(marker, prose, found)) for marker in offered]
    return Lint(
        files=tuple(prose.file for prose in files),
        sentences=sum(len(prose.sentences) for prose in files),
        findings=tuple(findings),
        markers=tuple(told),
        bundle=evidence.bundle,
    )


def _judged(
    prose: Prose, evidence: Evidence, offered: Sequence[Marker], today: date
) -> Iterator[tuple[Finding, Marker | None]]:
    holding = by_sentence((m for m in offered if m.holds(today)), prose.sentences)
    for sentence in prose.sentences:
        marked = holding.get(sentence, [])
        finding = judge(sentence, evidence, marked)
        if finding is not None:
            waiver = next((m for m in marked if m.kind is Kind.WAIVER), None)
            yield finding, waiver if finding.ruling.flagged else None


def _resting(
    marker: Marker, prose: Prose, found: Sequence[tuple[Finding, Marker | None]]
) -> int:  # fmt: skip
    """How many findings rest on a marker."""
    about = set(covered(marker, prose.sentences))
    return sum(
        finding.sentence in about and _rests(marker, finding, waiver) for finding, waiver in found
    )


def _rests(marker: Marker, finding: Finding, waiver: Marker | None) -> bool:
    if marker.kind is Kind.WAIVER:
        return waiver == marker
    if marker.kind is Kind.NO_CLAIM:
        return finding.ruling is Ruling.NO_CLAIM
    return True


def _as_json(finding: Finding, marker: Marker | None) -> dict[str, Any]:
    sentence = finding.sentence
    return {
        "file": sentence.file,
        "line": sentence.line,
        "column": sentence.column,
        "form": sentence.form,
        "text": sentence.text,
        "ruling": finding.ruling,
        "act": finding.act,
        "reason": finding.reason,
        "instead": finding.instead,
        "rests_on": list(finding.rests_on),
        "waiver": vars(marker) if marker else None,
    }
