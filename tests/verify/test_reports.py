"""The same findings in every rendering, safe whatever a contract or a check may say."""

from __future__ import annotations

import io
import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest
from rich.console import Console

from verify.outcome import Outcome
from verify.report import console, junit, markdown
from verify.report.console import summary
from verify.report.model import Report
from verify.report.progress import LiveProgress

from .conftest import Finished

HOSTILE = ']]> <script>alert(1)</script> & "quotes" | bar \x1b[31m \x00 \u2028 \ud800 `code`'


def hostile(report: Report) -> Report:
    """Every text that a pack or a check controls says something nasty."""
    clauses = [
        c.model_copy(
            update={"statement": HOSTILE, "reason": HOSTILE, "remedy": HOSTILE, "unit": "<u>"}
        )
        for c in report.clauses
    ]
    falsifiers = [
        f.model_copy(update={"label": HOSTILE, "reason": HOSTILE}) for f in report.falsifiers
    ]
    claims = [
        replace(c, title=HOSTILE, sentence=HOSTILE, reasons=(HOSTILE,)) for c in report.claims
    ]
    return report.model_copy(
        update={"clauses": clauses, "falsifiers": falsifiers, "claims": claims}
    )


# -- markdown -------------------------------------------------------------------------------------


def test_markdown_and_json_agree_on_every_outcome(sealed: Finished) -> None:
    rows = re.findall(r"^\| (THING-\d+) \| (\w+) \|.*$", markdown.render(sealed.report), re.M)
    table = dict(rows[-len(sealed.report.clauses) :])
    assert table == {c.id: str(c.outcome) for c in sealed.report.clauses}


def test_markdown_begins_with_the_verdict_and_names_every_trouble(sealed: Finished) -> None:
    text = markdown.render(sealed.report)
    assert text.startswith(f"# {sealed.report.verdict.line}\n")
    assert "NO-GO: 4/6 evaluated, 1 failed, 1 unknown, 1 errors, 1 waived, falsifiers 1/2" in text
    assert "**THING-002** fail (judged): Some <b>statement</b> | with bars & signs." in text
    assert "- a < b & c > d | e" in text
    assert "- measured 7, tolerance 0.5 units" in text
    assert "- sources: book:thing.one (p. 1)" in text
    assert "- [mismatches/THING-002/got.txt](mismatches/THING-002/got.txt)" in text
    assert "**THING-003** unknown (evidence_missing, not required)" in text
    assert "| THING-005 | `thing.two_for_one(by=0.1)` | pass |" in text
    assert "### CLAIM-THING: denied" in text
    assert "1. THING-002 has to pass: Count again. `verify run THING-002`" in text


def test_a_bar_in_a_statement_does_not_break_the_table(sealed: Finished) -> None:
    for report in (sealed.report, hostile(sealed.report)):
        table = markdown.render(report).partition("## All clauses\n\n")[2].strip().split("\n")
        assert {len(re.findall(r"(?<!\\)\|", row)) for row in table} == {8}
        assert len(table) == len(report.clauses) + 2


# -- junit ----------------------------------------------------------------------------------------


def test_junit_is_well_formed_and_counts_what_it_holds(sealed: Finished) -> None:
    root = ET.fromstring(junit.render(sealed.report))
    (suite,) = root
    counted = {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")}
    assert counted == {"tests": "7", "failures": "2", "errors": "1", "skipped": "2"}
    cases = {case.get("name"): [child.tag for child in case] for case in suite}
    assert cases == {
        "THING-001": [], "THING-002": ["failure"], "THING-003": ["skipped"],
        "THING-004": ["error"], "THING-005": [], "THING-006": ["skipped"],
        "falsifier thing.two_for_one(by=0.1)": ["failure"],
    }  # fmt: skip
    failure = suite.find("testcase[@name='THING-002']/failure")
    assert failure is not None
    assert failure.get("message") == "a < b & c > d | e"
    assert "remedy: Count again." in (failure.text or "")


def test_junit_stays_well_formed_whatever_is_said(sealed: Finished) -> None:
    root = ET.fromstring(junit.render(hostile(sealed.report)))
    assert len(root[0]) == 7


# -- terminal -------------------------------------------------------------------------------------

ESCAPES = re.compile(r"\x1b\[[0-9;]*m")


def test_the_summary_puts_failures_first_and_the_verdict_last(sealed: Finished) -> None:
    text = ESCAPES.sub("", summary(sealed.report, bundle="reports/x"))
    lines = text.split("\n")
    assert lines[0] == "FAIL THING-002 Some <b>statement</b> | with bars & signs."
    assert lines[1] == "    a < b & c > d | e"
    assert lines[2] == "    measured 7 , allowed 0.5 units".replace(" ,", ",")
    assert lines[3] == "    remedy: Count again."
    assert lines[4] == (
        "    again: verify replay THING-002 --subject thing --profile default --seed 0"
    )
    assert lines[5] == "    sources: book:thing.one (p. 1)"
    assert lines[6] == "    kept mismatches/THING-002/got.txt"
    assert "UNKNOWN THING-003 (not required)" in lines
    assert "ERROR THING-004" in lines
    assert "WAIVED THING-006" in lines
    assert "SURVIVED THING-005 under thing.two_for_one(by=0.1): pass" in lines
    assert "DENIED CLAIM-THING: Right" in lines
    assert lines[-2:] == ["bundle reports/x", sealed.report.verdict.line]


def test_the_contract_table_is_aligned(sealed: Finished) -> None:
    text = ESCAPES.sub("", summary(sealed.report, bundle=None))
    header, row = re.findall(r"^(?:contract|THING) .*$", text, re.M)
    assert len(header) == len(row)
    assert row.split() == ["THING", "2/6", "3/16", "1/2", "14", row.split()[-1]]


@pytest.mark.parametrize("width", [80, 120])
def test_on_a_terminal_lines_fit_and_no_word_is_cut(sealed: Finished, width: int) -> None:
    name = "THING-" + "9" * 30
    clauses = [
        c.model_copy(update={"id": name, "reason": " ".join(f"word{n}" for n in range(60))})
        for c in sealed.report.clauses
    ]
    report = sealed.report.model_copy(update={"clauses": clauses})
    text = ESCAPES.sub("", summary(report, bundle="reports/x", width=width))
    assert max(map(len, text.split("\n"))) <= width
    assert text.count(name) >= len(report.troubled) - 1
    assert "word59" in text


def test_piped_the_summary_is_plain_and_unwrapped(sealed: Finished) -> None:
    text = ESCAPES.sub("", summary(sealed.report, bundle=None))
    assert text.isascii()
    assert not re.search(r"[━│┃─╭]", text)


def test_many_clauses_with_one_reason_are_one_entry(sealed: Finished) -> None:
    """Twenty clauses that all lack the same module say it once."""
    unknown = next(c for c in sealed.report.clauses if c.outcome is Outcome.UNKNOWN)
    clauses = [unknown.model_copy(update={"id": f"THING-{n}"}) for n in range(20)]
    report = sealed.report.model_copy(update={"clauses": clauses, "claims": []})
    assert summary(report, bundle=None).count(unknown.reason) == 1


def test_a_denied_claim_points_at_clauses_whose_reasons_stand_above(sealed: Finished) -> None:
    text = ESCAPES.sub("", summary(sealed.report, bundle=None))
    assert "    THING-002 fail, THING-003 unknown, THING-004 error\n" in text
    assert "    THING-005 stayed pass under its falsifier thing.two_for_one(by=0.1)\n" in text


def test_a_hundred_failures_do_not_scroll_the_reader_away(sealed: Finished) -> None:
    failed = next(c for c in sealed.report.clauses if c.outcome is Outcome.FAIL)
    clauses = [failed.model_copy(update={"id": f"THING-{n:03d}"}) for n in range(100)]
    text = summary(sealed.report.model_copy(update={"clauses": clauses}), bundle=None)
    assert text.count(failed.reason) == console.SHOWN_FAILURES
    assert all(f"THING-{n:03d}" in text for n in range(100)), "but every id is there"


def test_the_worst_severity_comes_first(sealed: Finished) -> None:
    failed = next(c for c in sealed.report.clauses if c.outcome is Outcome.FAIL)
    clauses = [
        failed.model_copy(update={"id": f"THING-{severity}", "severity": severity})
        for severity in ("minor", "blocker", "major")
    ]
    report = sealed.report.model_copy(update={"clauses": clauses})
    assert [c.severity for c in report.troubled] == ["blocker", "major", "minor"]


def test_a_contract_cannot_write_to_the_terminal(sealed: Finished) -> None:
    text = summary(hostile(sealed.report), bundle=None)
    assert set(ESCAPES.findall(text)) <= {"\x1b[0m", "\x1b[1m", "\x1b[31m", "\x1b[33m", "\x1b[35m",
                                          "\x1b[36m", "\x1b[37m"}  # fmt: skip
    assert "\x1b" not in ESCAPES.sub("", text)


# -- progress -------------------------------------------------------------------------------------


def test_progress_shows_what_is_done_and_keeps_failures_on_the_screen(sealed: Finished) -> None:
    screen = io.StringIO()
    live = Console(file=screen, force_terminal=True, width=100, color_system=None)
    with LiveProgress(live) as progress:
        for event in sealed.events:
            progress(event)
        progress._progress.refresh()
    text = screen.getvalue()
    assert "6/6" in text
    assert "2/2" in text
    assert "falsifiers" in text
    assert "FAIL THING-002 a < b & c > d | e" in text
    assert "SURVIVED THING-005 under thing.two_for_one(by=0.1)" in text
    assert re.search(r"\d+\.\d/s, \d+ s left", text)


def test_progress_takes_no_markup_from_labels(sealed: Finished) -> None:
    screen = io.StringIO()
    with LiveProgress(Console(file=screen, force_terminal=True, width=100)) as progress:
        progress(sealed.events[0])
        progress._advance("[/nonsense] [bold]x\x1b[2J")
    assert "[/nonsense]" in screen.getvalue()
    assert "\x1b[2J" not in screen.getvalue()
