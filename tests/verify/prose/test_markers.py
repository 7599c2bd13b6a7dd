"""Markers: what they cover, that they are shown, and what is refused."""

from __future__ import annotations

from datetime import date

import pytest

from verify.problems import PackError
from verify.prose.evidence import Evidence
from verify.prose.markers import Kind, markers
from verify.prose.reading import parse
from verify.prose.result import Lint, lint
from verify.report.model import ExitCode

WAIVE = 'verify: waive owner="Ann" reason="a quotation"'
NONE = "no claim: a made-up example"
TODAY = date(2026, 6, 1)


def linted(source: str, evidence: Evidence, file: str = "a.md") -> Lint:
    return lint([parse(source, file)], evidence, TODAY)


@pytest.mark.parametrize("comment", [WAIVE, NONE])
@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("a.md", "<!-- {} -->\nWe reach FID 1.2.\n"),
        ("a.md", "<!-- {} -->\n\nWe reach FID 1.2.\n"),
        ("a.md", "We reach FID 1.2. <!-- {} -->\n"),
        ("a.md", "| m | FID |\n|---|---|\n| ours | 1.2 <!-- {} --> |\n"),
        ("a.html", "<!-- {} -->\n<p>We reach FID 1.2.</p>\n"),
        ("a.html", "<table><tr><th>FID</th></tr><tr><td>1.2 <!-- {} --></td></tr></table>\n"),
        ("a.tex", "% {}\nWe reach FID 1.2.\n"),
        ("a.tex", "We reach FID 1.2. % {}\n"),
        ("a.txt", "[{}]\nWe reach FID 1.2.\n"),
    ],
)
def test_a_marker_lets_a_sentence_stand_and_is_counted(
    file: str, source: str, comment: str, evidence: Evidence
) -> None:
    result = linted(source.format(comment), evidence, file)
    assert result.flagged == []
    assert result.exit_code is ExitCode.GO
    ((marker, count),) = result.markers
    assert count == 1
    assert marker.reason in ("a quotation", "a made-up example")
    assert ("1 waived" in result.line) is (marker.kind is Kind.WAIVER)
    assert ("1 marked as no claim" in result.line) is (marker.kind is Kind.NO_CLAIM)


@pytest.mark.parametrize("comment", [WAIVE, NONE])
def test_a_marker_covers_no_further_part(comment: str, evidence: Evidence) -> None:
    result = linted(f"<!-- {comment} -->\nWe reach FID 1.2.\n\nWe reach FID 1.1.\n", evidence)
    assert [finding.sentence.line for finding in result.flagged] == [4]
    assert result.exit_code is ExitCode.FAILED


def test_a_marker_before_a_table_a_list_or_output_covers_the_whole(evidence: Evidence) -> None:
    for source in ("| m | FID |\n|---|---|\n| a | 1.2 |\n| b | 1.3 |\n",
                   "- ours has FID 1.2\n- theirs has FID 1.3\n",
                   "```\nFID 1.2\nFID 1.3\n```\n"):  # fmt: skip
        result = linted(f"<!-- {NONE} -->\n\n{source}\nOurs has FID 1.4.\n", evidence)
        assert result.markers[0][1] == 2
        assert len(result.flagged) == 1


@pytest.mark.parametrize("comment", [WAIVE, NONE])
def test_a_marker_on_which_nothing_rests_is_shown(comment: str, evidence: Evidence) -> None:
    result = linted(f"<!-- {comment} -->\nNothing is said.\n", evidence)
    assert [marker.line for marker in result.unused] == [1]


@pytest.mark.parametrize(("expires", "flagged"), [("2026-06-01", 0), ("2026-05-31", 1)])
def test_an_expired_waiver_holds_no_longer(expires: str, flagged: int, evidence: Evidence) -> None:
    result = linted(f'<!-- {WAIVE} expires="{expires}" -->\nWe reach FID 1.2.\n', evidence)
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
        ("claim: the loss", "a marker that names the loss"),
        ("claim:", "a marker that names no claim"),
        ("no claim: ok", "a marker without a reason"),
        (
            'verify: waive owner="a" reason="b" expires="2020-01-01" expires="2999-01-01"',
            "a waiver that says a field twice",
        ),
    ],
)
def test_a_malformed_marker_is_refused_with_its_place(comment: str, found: str) -> None:
    with pytest.raises(PackError) as raised:
        markers(parse(f"Text.\n\n<!-- {comment} -->\n", "a.md"))
    assert all((p.file, p.line) == ("a.md", 3) for p in raised.value.problems)
    assert any(found in problem.found for problem in raised.value.problems)


def test_other_comments_are_nobody_s_marker() -> None:
    assert markers(parse("<!-- a note about verify: waive -->\nText.\n", "a.md")) == ()
