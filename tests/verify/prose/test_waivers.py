"""Inline waivers: one line, by name, with a reason, and shown."""

from __future__ import annotations

from datetime import date

import pytest

from verify.problems import PackError
from verify.prose.reading import parse
from verify.prose.result import Lint, lint
from verify.prose.support import Bench
from verify.prose.waivers import waivers
from verify.report.model import ExitCode

WAIVE = 'verify: waive owner="Ann" reason="a quotation"'
TODAY = date(2026, 6, 1)


def linted(source: str, bench: Bench, file: str = "a.md") -> Lint:
    return lint([parse(source, file)], bench.evidence, TODAY)


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("a.md", f"<!-- {WAIVE} -->\nWe reach FID 1.2.\n"),
        ("a.md", f"We reach FID 1.2. <!-- {WAIVE} -->\n"),
        ("a.md", f"| m | FID |\n|---|---|\n| ours | 1.2 <!-- {WAIVE} --> |\n"),
        ("a.tex", f"% {WAIVE}\nWe reach FID 1.2.\n"),
        ("a.tex", f"We reach FID 1.2. % {WAIVE}\n"),
        ("a.txt", f"[{WAIVE}]\nWe reach FID 1.2.\n"),
    ],
)
def test_a_waiver_lets_one_line_stand_and_is_counted(file: str, source: str, bench: Bench) -> None:
    result = linted(source, bench, file)
    ((finding, waiver),) = result.waived
    assert (waiver.owner, waiver.reason) == ("Ann", "a quotation")
    assert result.flagged == []
    assert result.exit_code is ExitCode.GO
    assert "1 waived" in result.line
    assert finding.ruling.flagged


def test_a_waiver_covers_no_further_line(bench: Bench) -> None:
    result = linted(f"<!-- {WAIVE} -->\nWe reach FID 1.2.\n\nWe reach FID 1.1.\n", bench)
    assert [finding.sentence.line for finding in result.flagged] == [4]
    assert result.exit_code is ExitCode.FAILED


def test_a_waiver_that_waives_nothing_is_shown(bench: Bench) -> None:
    result = linted(f"<!-- {WAIVE} -->\nNothing is said.\n", bench)
    assert [waiver.line for waiver in result.unused] == [1]


@pytest.mark.parametrize(("expires", "flagged"), [("2026-06-01", 0), ("2026-05-31", 1)])
def test_an_expired_waiver_holds_no_longer(expires: str, flagged: int, bench: Bench) -> None:
    result = linted(f'<!-- {WAIVE} expires="{expires}" -->\nWe reach FID 1.2.\n', bench)
    assert len(result.flagged) == flagged


@pytest.mark.parametrize(
    ("comment", "found"),
    [
        ("verify: waive", "a waiver without owner"),
        ('verify: waive owner="Ann"', "a waiver without reason"),
        ('verify: waive owner="Ann" reason=" "', "a waiver without reason"),
        ('verify: allow owner="Ann" reason="b"', "a comment to verify that says allow"),
        (f'{WAIVE} until="2026-01-01"', "the field until"),
        (f'{WAIVE} expires="soon"', "the date soon"),
        ("verify: waive owner=Ann reason=b", "a comment to verify that says waive owner=Ann"),
    ],
)
def test_a_malformed_waiver_is_refused_with_its_place(comment: str, found: str) -> None:
    with pytest.raises(PackError) as raised:
        waivers(parse(f"Text.\n\n<!-- {comment} -->\n", "a.md"))
    assert all((p.file, p.line) == ("a.md", 3) for p in raised.value.problems)
    assert any(found in problem.found for problem in raised.value.problems)


def test_other_comments_are_nobody_s_waiver() -> None:
    assert waivers(parse("<!-- a note about verify: waive -->\nText.\n", "a.md")) == ()
