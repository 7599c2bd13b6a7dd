"""JUnit XML, which every CI shows: a failing clause is a failure, a missing one is skipped."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from verify.outcome import Outcome
from verify.report.model import ClauseView, Report
from verify.report.words import printable


def render(report: Report) -> str:
    """One suite a contract, one case a clause, one case a surviving falsifier."""
    root = ET.Element("testsuites", name=report.about["pack"])
    contracts: dict[str, list[ClauseView]] = {}
    for clause in report.clauses:
        contracts.setdefault(clause.contract, []).append(clause)
    for contract, clauses in contracts.items():
        suite = ET.SubElement(root, "testsuite", name=contract)
        for clause in clauses:
            _case(suite, clause)
            for falsifier in report.falsifiers_of(clause.id):
                if not falsifier.killed:
                    name = printable(f"falsifier {falsifier.label}")
                    case = ET.SubElement(suite, "testcase", classname=clause.id, name=name)
                    _child(case, "failure", f"survived: {falsifier.reason}")
        _count(suite)
    ET.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, "unicode") + "\n"


def _case(suite: ET.Element, clause: ClauseView) -> None:
    case = ET.SubElement(
        suite, "testcase", classname=clause.contract, name=clause.id, time=f"{clause.elapsed_s:.3f}"
    )
    if clause.outcome is Outcome.FAIL:
        failure = _child(case, "failure", clause.reason)
        failure.text = printable(f"{clause.statement}\nremedy: {clause.remedy}")
    elif clause.outcome in (Outcome.ERROR, Outcome.TIMEOUT):
        _child(case, "error", clause.reason)
    elif clause.outcome is not Outcome.PASS:
        _child(case, "skipped", f"{clause.outcome}: {clause.reason}")


def _child(case: ET.Element, tag: str, message: str) -> ET.Element:
    return ET.SubElement(case, tag, message=printable(message))


def _count(suite: ET.Element) -> None:
    suite.set("tests", str(len(suite)))
    for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(attribute, str(len(suite.findall(f"testcase/{tag}"))))
