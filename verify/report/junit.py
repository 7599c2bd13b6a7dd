"""JUnit XML, which every CI shows: a failing clause is a failure, a missing one an error."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from verify.outcome import Outcome
from verify.report.model import ClauseView, Report


def render(report: Report) -> str:
    """One suite a contract, one case a clause, one case a surviving falsifier."""
    root = ET.Element("testsuites", name=report.about["pack"])
    contracts: dict[str, list[ClauseView]] = {}
    for clause in report.clauses:
        contracts.setdefault(clause.contract, []).append(clause)
    for contract, clauses in contracts.items():
        suite = ET.SubElement(root, "testsuite", name=contract, tests=str(len(clauses)))
        for clause in clauses:
            _case(suite, clause)
            for falsifier in report.survivors:
                if falsifier.clause == clause.id:
                    case = ET.SubElement(
                        suite, "testcase", classname=clause.id, name=f"falsifier {falsifier.label}"
                    )
                    ET.SubElement(case, "failure", message=f"survived: {falsifier.reason}")
    ET.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, "unicode") + "\n"


def _case(suite: ET.Element, clause: ClauseView) -> None:
    case = ET.SubElement(
        suite, "testcase", classname=clause.contract, name=clause.id, time=f"{clause.elapsed_s:.3f}"
    )
    if clause.outcome is Outcome.FAIL:
        failure = ET.SubElement(case, "failure", message=clause.reason)
        failure.text = f"{clause.statement}\nremedy: {clause.remedy}"
    elif clause.outcome in (Outcome.ERROR, Outcome.TIMEOUT):
        ET.SubElement(case, "error", message=clause.reason)
    elif clause.outcome is not Outcome.PASS:
        ET.SubElement(case, "skipped", message=f"{clause.outcome}: {clause.reason}")
