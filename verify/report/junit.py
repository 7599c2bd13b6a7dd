"""JUnit XML, which every CI shows: a failing clause, or a required one without a judgement, fails.

The elements are those of the oldest schemas, which allow no properties of a case: what was measured
and what is allowed stand in the text of a failure. `file` and `line` are what later readers add.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET

from verify.outcome import Outcome
from verify.report.model import ClauseView, Report
from verify.report.words import measured, printable, tolerance

_COUNTED = (("failures", "failure"), ("errors", "error"), ("skipped", "skipped"))


def render(report: Report) -> str:
    """One suite a contract, one case a clause, one case a surviving falsifier."""
    root = ET.Element("testsuites", name=report.about["pack"])
    contracts: dict[str, list[ClauseView]] = {}
    for clause in report.clauses:
        contracts.setdefault(clause.contract, []).append(clause)
    for contract, clauses in contracts.items():
        began = str(report.about["started"])[:19]  # UTC, as the report says it
        suite = ET.SubElement(root, "testsuite", name=contract, timestamp=began)
        for clause in clauses:
            _case(suite, clause, report)
        _count(suite, suite.findall("testcase"))
    _count(root, root.findall("testsuite/testcase"))
    ET.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, "unicode") + "\n"


def _case(suite: ET.Element, clause: ClauseView, report: Report) -> None:
    case = _element(suite, clause, clause.contract, clause.id, clause.elapsed_s, report)
    if clause.outcome is Outcome.FAIL or clause.owed:
        _child(case, "failure", clause, clause.reason)
    elif clause.broken:
        _child(case, "error", clause, clause.reason)
    elif clause.outcome is not Outcome.PASS:
        ET.SubElement(case, "skipped", message=printable(f"{clause.outcome}: {clause.reason}"))
    for run in report.falsifiers_of(clause.id):
        if not run.killed:
            name = f"falsifier {run.label}"
            survivor = _element(suite, clause, clause.id, name, run.elapsed_s, report)
            failure = ET.SubElement(survivor, "failure", type="survived")
            failure.set("message", printable(f"survived: {run.reason}"))


def _element(
    suite: ET.Element, clause: ClauseView, group: str, name: str, seconds: float, report: Report
) -> ET.Element:
    case = ET.SubElement(suite, "testcase", classname=printable(group), name=printable(name))
    case.set("file", printable(report.about.get("place", "") + clause.file))
    case.set("line", str(clause.line))
    case.set("time", f"{seconds:.3f}")
    return case


def _child(case: ET.Element, tag: str, clause: ClauseView, message: str) -> None:
    """What went wrong: `type` is the outcome, and for one that is no judgement its cause."""
    kind = str(clause.outcome)
    if clause.outcome is not Outcome.FAIL:
        kind = f"{clause.outcome}.{clause.cause}"
    child = ET.SubElement(case, tag, message=printable(message), type=kind)
    child.text = printable(
        f"{clause.statement}\nmeasured {measured(clause)}, allowed {tolerance(clause)}\n"
        f"remedy: {clause.remedy}"
    )


def _count(element: ET.Element, cases: list[ET.Element]) -> None:
    element.set("tests", str(len(cases)))
    for attribute, tag in _COUNTED:
        element.set(attribute, str(sum(case.find(tag) is not None for case in cases)))
    element.set("time", f"{sum(float(case.get('time', '0')) for case in cases):.3f}")
