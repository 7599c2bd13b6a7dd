"""SARIF 2.1.0 for code scanners: what did not pass, at its clause in the contract's file."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from verify.outcome import Outcome
from verify.report.model import ClauseView, FalsifierView, Report
from verify.spec.model import Severity

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"

# SARIF 3.27.9: only a failure has a level; what could not be decided is open.
_KINDS = {
    Outcome.FAIL: "fail",
    Outcome.WAIVED: "fail",
    Outcome.UNKNOWN: "open",
    Outcome.ERROR: "open",
    Outcome.TIMEOUT: "open",
    Outcome.NOT_APPLICABLE: "notApplicable",
}


def render(report: Report) -> str:
    """The whole report as one SARIF run; a passing clause is a rule without a result."""
    index = {clause.id: number for number, clause in enumerate(report.clauses)}
    by_id = {clause.id: clause for clause in report.clauses}
    results = [_result(clause, index) for clause in report.troubled]
    results += [_survivor(f, by_id[f.clause], index) for f in report.survivors]
    for result in results:
        _below(report.about.get("place", ""), result)
    driver = {
        "name": "verify",
        "version": report.about["verify"],
        "rules": [_rule(clause) for clause in report.clauses],
    }
    invocation = {
        "executionSuccessful": not report.about["interrupted"],
        "exitCode": report.verdict.exit_code,
        "startTimeUtc": report.about["started"],
        "endTimeUtc": report.about["finished"],
    }
    run = {
        "tool": {"driver": driver},
        "invocations": [invocation],
        "results": results,
        "properties": {"verdict": report.verdict.line, "evidence": report.evidence_head},
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=1) + "\n"


def _rule(clause: ClauseView) -> dict[str, Any]:
    return {
        "id": clause.id,
        "shortDescription": {"text": clause.statement},
        "help": {"text": clause.remedy},
        "defaultConfiguration": {"level": _level(clause)},
        "properties": {"tags": sorted({clause.kind, *clause.tags}), "severity": clause.severity},
    }


def _result(clause: ClauseView, index: dict[str, int]) -> dict[str, Any]:
    result = _located(clause, index, f"{clause.reason} Remedy: {clause.remedy}", clause.id)
    result["kind"] = _KINDS[clause.outcome]
    result["level"] = _level(clause) if result["kind"] == "fail" else "none"
    if clause.outcome is Outcome.WAIVED:
        result["suppressions"] = [{"kind": "external", "justification": clause.reason}]
    return result


def _survivor(
    falsifier: FalsifierView, clause: ClauseView, index: dict[str, int]
) -> dict[str, Any]:
    text = f"The clause did not turn red under {falsifier.label}: {falsifier.reason}"
    result = _located(clause, index, text, f"{clause.id} {falsifier.label}")
    return {**result, "kind": "fail", "level": _level(clause)}


def _located(
    clause: ClauseView, index: dict[str, int], text: str, fingerprint: str
) -> dict[str, Any]:
    artifact = {"uri": quote(clause.file), "uriBaseId": "%SRCROOT%"}
    place = {"artifactLocation": artifact, "region": {"startLine": clause.line}}
    return {
        "ruleId": clause.id,
        "ruleIndex": index[clause.id],
        "message": {"text": text},
        "locations": [{"physicalLocation": place}],
        "partialFingerprints": {"clause/v1": fingerprint},
    }


def _below(place: str, result: dict[str, Any]) -> None:
    """Scanners look below the repository's root; a contract's file is named below the pack's."""
    for location in result["locations"]:
        artifact = location["physicalLocation"]["artifactLocation"]
        artifact["uri"] = place + artifact["uri"]


def _level(clause: ClauseView) -> str:
    return "warning" if clause.severity is Severity.MINOR else "error"
