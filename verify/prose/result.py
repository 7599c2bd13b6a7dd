"""The result over several files: findings, waivers, the verdict line, the exit code, and JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from verify.prose.accuracy import HELD_OUT
from verify.prose.evidence import Evidence
from verify.prose.judge import Finding, Ruling, judge_sentence
from verify.prose.reading import Prose
from verify.prose.support import Bench
from verify.prose.waivers import ProseWaiver, waivers
from verify.report.model import ExitCode

SCHEMA = "verify/prose/1"


@dataclass(frozen=True)
class Lint:
    """Findings in the order of the files; a waived one keeps its ruling."""

    files: tuple[str, ...]
    sentences: int
    findings: tuple[tuple[Finding, ProseWaiver | None], ...]
    unused: tuple[ProseWaiver, ...]
    bundle: str | None

    @property
    def flagged(self) -> list[Finding]:
        """What has to be mended: flagged and not waived."""
        return [f for f, waiver in self.findings if f.ruling.flagged and waiver is None]

    @property
    def waived(self) -> list[tuple[Finding, ProseWaiver]]:
        """What is flagged and let stand."""
        return [(f, w) for f, w in self.findings if f.ruling.flagged and w is not None]

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
            f"{unflagged[Ruling.ATTRIBUTED]} attributed: {len(self.findings)} assertions in "
            f"{self.sentences} sentences of {len(self.files)} files; evidence: "
            f"{self.bundle or 'none'}"
        )

    def as_json(self) -> dict[str, Any]:
        """The result as data, schema verify/prose/1."""
        return {
            "schema": SCHEMA,
            "verdict": {"line": self.line, "exit_code": int(self.exit_code)},
            "accuracy": asdict(HELD_OUT),
            "bundle": self.bundle,
            "files": list(self.files),
            "sentences": self.sentences,
            "findings": [_as_json(finding, waiver) for finding, waiver in self.findings],
            "unused_waivers": [vars(waiver) for waiver in self.unused],
        }


def lint(files: Sequence[Prose], evidence: Evidence, today: date) -> Lint:
    """Every sentence of every file held against the evidence."""
    bench = Bench.of(evidence)
    findings: list[tuple[Finding, ProseWaiver | None]] = []
    unused: list[ProseWaiver] = []
    for prose in files:
        offered = waivers(prose)
        found = list(_judged(prose, bench, offered, today))
        used = {waiver for finding, waiver in found if finding.ruling.flagged}
        findings += found
        unused += [waiver for waiver in offered if waiver not in used]
    return Lint(
        files=tuple(prose.file for prose in files),
        sentences=sum(len(prose.sentences) for prose in files),
        findings=tuple(findings),
        unused=tuple(unused),
        bundle=evidence.bundle,
    )


def _judged(
    prose: Prose, bench: Bench, offered: Sequence[ProseWaiver], today: date
) -> Iterator[tuple[Finding, ProseWaiver | None]]:
    holding = {waiver.covers: waiver for waiver in offered if waiver.holds(today)}
    for sentence in prose.sentences:
        finding = judge_sentence(sentence, bench)
        if finding is not None:
            flagged = finding.ruling.flagged
            yield finding, holding.get(sentence.line) if flagged else None


def _as_json(finding: Finding, waiver: ProseWaiver | None) -> dict[str, Any]:
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
        "waiver": vars(waiver) if waiver else None,
    }
