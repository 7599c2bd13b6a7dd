"""report.html: one page, safe, whole, and true to the report that it was made from."""

from __future__ import annotations

import base64
import re
from html.parser import HTMLParser
from typing import Any

import pytest

from verify.outcome import Outcome
from verify.report.model import Report
from verify.report.page import draw, render
from verify.report.page.drawn import MOST_BYTES, PNG, Curves, Frames, drawings, measures

from .conftest import Finished
from .test_reports import hostile


class Page(HTMLParser):
    """Tags, attributes and text of a page; asserts that tags are balanced."""

    VOID = frozenset({"meta", "br", "input", "img", "rect", "path", "circle"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def of(self, name: str) -> list[str]:
        """All values of one attribute."""
        return [value or "" for key, value in self.attributes if key == name]


def with_details(report: Report, details: dict[str, Any]) -> Report:
    """The report, every clause of which has these details."""
    clauses = [clause.model_copy(update={"details": details}) for clause in report.clauses]
    return report.model_copy(update={"clauses": clauses})


def test_one_page_that_asks_for_nothing_outside_itself(sealed: Finished) -> None:
    text = render.render(sealed.report)
    page = Page(text)
    assert text.startswith("<!doctype html>")
    assert not {"link", "iframe", "object", "base"} & set(page.tags)
    assert page.tags.count("script") == 1
    assert "default-src 'none'" in page.of("content")[1]
    kept = {name for clause in sealed.report.clauses for name in clause.files}
    assert {href for href in page.of("href") if not href.startswith("#")} == kept
    assert page.text.count(sealed.report.verdict.line) == 2, "in the title and on top"


def test_every_link_within_the_page_leads_somewhere(sealed: Finished) -> None:
    page = Page(render.render(sealed.report))
    names = page.of("id")
    assert len(names) == len(set(names))
    assert {href[1:] for href in page.of("href") if href.startswith("#")} <= set(names)


def test_every_clause_has_its_record_and_its_outcome_in_words(sealed: Finished) -> None:
    text = render.render(sealed.report)
    for found in sealed.report.clauses:
        record = text.partition(f'id="{found.id}"')[2].partition("</details>")[0]
        assert f'<span class="{found.outcome}">{found.outcome}</span>' in record
        assert sealed.report.replay(found.id) in record
        assert f"{found.file}:{found.line}" in record
        assert (" open>" in record.partition("<summary>")[0]) == (found.outcome != Outcome.PASS)
    assert "Some &lt;b&gt;statement&lt;/b&gt; | with bars &amp; signs." in text


def test_what_did_not_pass_comes_before_every_other_clause(sealed: Finished) -> None:
    page = Page(render.render(sealed.report))
    order = list(page.of("data-id"))
    troubled = [clause.id for clause in sealed.report.troubled]
    assert order[: len(troubled)] == troubled
    assert sorted(order) == sorted(clause.id for clause in sealed.report.clauses)


def test_nothing_that_a_pack_says_is_obeyed(sealed: Finished) -> None:
    text = render.render(with_details(hostile(sealed.report), {"first_difference": "<u>\x1b"}))
    assert text.count("<script") == 1
    assert "<u>" not in text
    assert "\x1b" not in text
    assert "\x00" not in text
    assert "alert(1)" in Page(text).text


def test_the_same_report_gives_the_same_bytes(sealed: Finished) -> None:
    assert render.render(sealed.report) == render.render(sealed.report)


# -- drawings -------------------------------------------------------------------------------------


def test_a_meter_is_to_scale_with_the_tolerance_in_its_middle() -> None:
    def reach(share: float) -> float:
        bar = re.search(r'class="(?:within|over)" x="0" y="3" width="([\d.]+)"', draw.meter(share))
        assert bar is not None
        return float(bar.group(1)) / draw.METER

    assert reach(0.5) == pytest.approx(0.25)
    assert reach(1.0) == pytest.approx(0.5)
    assert reach(1.5) == pytest.approx(0.75)
    assert reach(1e9) == 1.0
    assert 'class="within"' in draw.meter(1.0)
    assert 'class="over"' in draw.meter(1.0001)
    assert draw.meter(None) == draw.meter(float("nan")) == ""


def test_bars_tell_what_is_above_one_from_what_is_not() -> None:
    drawn = draw.bars({"a": 0.1, "b": 10.0, "c": float("inf"), "d": 0.0})
    assert re.findall(r'class="(within|over)"', drawn) == ["within", "over", "over", "within"]
    assert "4 values on a logarithmic scale, 2 above 1" in drawn


def test_curves_leave_a_gap_where_a_value_is_not_finite() -> None:
    one = Curves(kind="curves", title="x", curves=(("got", (0.0, None, 1.0, 2.0)),))
    path = re.search(r' d="([^"]*)"', draw.curves(one))
    assert path is not None
    assert path.group(1).count("M") == 2


def test_moments_are_shown_in_the_order_given() -> None:
    one = Frames.model_validate(
        {"kind": "frames", "title": "t", "target": [[0, 0]],
         "frames": [["9", [[1, 1]]], ["10", [[-2, 2]]]]}
    )  # fmt: skip
    drawn = draw.frames(one)
    assert re.findall(r'data-moment="(\d+)"( hidden)?', drawn) == [("0", ""), ("1", " hidden")]


@pytest.mark.parametrize(
    "wrong",
    [
        "a text",
        [{"kind": "curves", "title": "x", "curves": []}],
        [{"kind": "curves", "title": "x", "curves": [["a", [float("inf")]]]}],
        [{"kind": "picture", "title": "x", "alt": "y", "png": "@"}],
        [{"kind": "picture", "title": "x", "alt": "y", "png": base64.b64encode(b"GIF").decode()}],
        [{"kind": "picture", "title": "x", "alt": "y",
          "png": base64.b64encode(PNG + bytes(MOST_BYTES)).decode()}],
        [{"kind": "film", "title": "x"}],
        [7],
    ],
)  # fmt: skip
def test_what_cannot_be_drawn_is_said_in_its_place(sealed: Finished, wrong: object) -> None:
    (said,) = drawings({"drawn": wrong})
    assert isinstance(said, str)
    assert said.startswith("drawn")
    assert said in Page(render.render(with_details(sealed.report, {"drawn": wrong}))).text


def test_a_picture_is_shown_with_what_is_to_be_seen(sealed: Finished) -> None:
    png = base64.b64encode(PNG + b"rest").decode()
    one = {"kind": "picture", "title": "samples", "alt": "ten digits", "png": png}
    page = Page(render.render(with_details(sealed.report, {"drawn": [one]})))
    assert page.of("alt") == ["ten digits"] * len(sealed.report.clauses)
    assert page.of("src") == [f"data:image/png;base64,{png}"] * len(sealed.report.clauses)


def test_numbers_that_belong_together_are_found() -> None:
    parts = {"a": 1.0, "b": "inf", "c": 2}
    assert measures({"drawn": [], "errors": parts}) == measures(parts)
    assert list(measures(parts)) == ["a", "b", "c"]
    assert measures({"a": 1.0, "b": 2.0}) == {}
    assert measures({"a": 1.0, "b": 2.0, "c": True}) == {}
    assert measures({"a": 1.0, "b": 2.0, "c": "text"}) == {}
