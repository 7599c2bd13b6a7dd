"""SARIF 2.1.0 for code scanners: what did not pass, at its clause in the contract's file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from verify.outcome import Outcome
from verify.report.model import ClauseView, FalsifierView, Report
from verify.report.words import sources
from verify.spec.model import Severity

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"

MAX_TEXT = 1024  # of a description; GitHub cuts, and shows no more than 20 tags and 25,000 results
MAX_TAGS = 20
MAX_RESULTS = 25_000

# SARIF 3.27.9: only a failure has a level; what could not be decided is open. Of a required clause
# the missing judgement is itself the failure.
_KINDS = {
    Outcome.FAIL: "fail",
    Outcome.WAIVED: "fail",
    Outcome.UNKNOWN: "open",
    Outcome.ERROR: "open",
    Outcome.TIMEOUT: "open",
    Outcome.NOT_APPLICABLE: "notApplicable",
}


@dataclass(frozen=True)
class Rule:
    """What is said of a clause, or of something that no clause says, as a rule."""

    id: str
    statement: str
    remedy: str
    kind: str
    severity: Severity
    tags: Sequence[str]

    @property
    def level(self) -> str:
        """How loud a scanner says it."""
        return "warning" if self.severity is Severity.MINOR else "error"


def rule_of(clause: ClauseView) -> Rule:
    """A clause as a rule."""
    return Rule(
        clause.id, clause.statement, clause.remedy, clause.kind, clause.severity, clause.tags
    )


def render(report: Report) -> str:
    """The whole report as one SARIF run; a passing clause is a rule without a result."""
    index = {clause.id: number for number, clause in enumerate(report.clauses)}
    by_id = {clause.id: clause for clause in report.clauses}
    place = report.about.get("place", "")
    results = [_result(clause, index, place) for clause in report.troubled]
    results += [_survivor(f, by_id[f.clause], index, place) for f in report.survivors]
    invocation = {
        "executionSuccessful": not report.about["interrupted"],
        "exitCode": report.verdict.exit_code,
        "startTimeUtc": report.about["started"],
        "endTimeUtc": report.about["finished"],
    }
    rules = [rule(rule_of(clause), sources(clause)) for clause in report.clauses]
    properties = {"verdict": report.verdict.line, "evidence": report.evidence_head}
    return document(report.about["verify"], rules, results, invocation, properties)


def document(
    version: str,
    rules: Sequence[dict[str, Any]],
    results: Sequence[dict[str, Any]],
    invocation: dict[str, Any],
    properties: dict[str, Any],
) -> str:
    """One run of this program."""
    run = {
        "tool": {"driver": {"name": "verify", "version": version, "rules": list(rules)}},
        "invocations": [invocation],
        "results": list(results)[:MAX_RESULTS],
        "properties": properties,
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=1) + "\n"


def rule(clause: Rule, sources: str = "") -> dict[str, Any]:
    """A clause as a rule: its sentence, what it rests on, and what mends it."""
    whole = f"{clause.statement} Held against {sources}." if sources else clause.statement
    return {
        "id": clause.id,
        "shortDescription": {"text": _cut(clause.statement)},
        "fullDescription": {"text": _cut(whole)},
        "help": {"text": f"{clause.remedy} `verify explain {clause.id}` says more."},
        "defaultConfiguration": {"level": clause.level},
        "properties": {
            "tags": sorted({clause.kind, *clause.tags})[:MAX_TAGS],
            "severity": clause.severity,
            "problem.severity": clause.level,
        },
    }


def _cut(text: str) -> str:
    return text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 3]}..."


def _result(clause: ClauseView, index: dict[str, int], place: str) -> dict[str, Any]:
    text = f"{clause.reason} Remedy: {clause.remedy}"
    found = result(rule_of(clause), index[clause.id], text, clause.id, locations(clause, place))
    found["kind"] = "fail" if clause.owed else _KINDS[clause.outcome]
    found["level"] = found["level"] if found["kind"] == "fail" else "none"
    if clause.outcome is Outcome.WAIVED:
        found["suppressions"] = [{"kind": "external", "justification": clause.reason}]
    return found


def _survivor(
    falsifier: FalsifierView, clause: ClauseView, index: dict[str, int], place: str
) -> dict[str, Any]:
    text = f"The clause did not turn red under {falsifier.label}: {falsifier.reason}"
    name = f"{clause.id} {falsifier.label}"
    return result(
        rule_of(clause),
        index[clause.id],
        text,
        name,
        [location(place + quote(clause.file), clause.line)],
    )


def result(
    clause: Rule, number: int, text: str, fingerprint: str, places: list[dict[str, Any]]
) -> dict[str, Any]:
    """A failure of a rule; `number` is its place among the rules."""
    return {
        "ruleId": clause.id,
        "ruleIndex": number,
        "message": {"text": text},
        "kind": "fail",
        "level": clause.level,
        "locations": places,
        "partialFingerprints": {"clause/v1": fingerprint},
    }


def locations(clause: ClauseView, place: str) -> list[dict[str, Any]]:
    """The wrong lines of templates, of which a scanner shows the first, then the clause itself."""
    wrong = clause.details.get("places") or ()
    found = [location(place + quote(one["file"]), one["line"]) for one in wrong]
    return [*found, location(place + quote(clause.file), clause.line)]


def location(uri: str, line: int) -> dict[str, Any]:
    """A line of a file; the URI is below the repository's root, where scanners look."""
    artifact = {"uri": uri, "uriBaseId": "%SRCROOT%"}
    return {
        "physicalLocation": {"artifactLocation": artifact, "region": {"startLine": max(line, 1)}}
    }
