"""Coverage: every fact and every part of a source has a clause or a reason; the share is said."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from verify.report import markdown
from verify.report.page import render as page
from verify.scope.coverage import Held, Standing, shares
from verify.spec.lint import lint
from verify.spec.outline import Outline
from verify.spec.pack import load

from .conftest import MiniPack, Result, claim, clause, decision, run_pack

Cli = Callable[..., Result]
ROOT = Path(__file__).parents[2]
DECLINED = {"reason": "declined", "because": "too dear", "decision": "DEC-0001"}


def outlined(pack: MiniPack, **changes: Any) -> MiniPack:
    """The mini pack with an outline: one item that a clause holds, two that have reasons."""
    facts = {
        name: {"title": name, "facts": {"book": {"value": 1.0, "at": "p. 1"}}}
        for name in ("thing.one", "thing.two", "thing.three")
    }
    pack.data("specs/facts/thing.yaml", {"schema": "verify/facts/1", "topics": facts})
    pack.write("specs/decisions/DEC-0001.md", decision())
    outline = {
        "schema": "verify/outline/1", "authority": "book", "title": "the book",
        "known_from": "its contents",
        "items": [
            {"id": "eq.1", "at": "Eq. 1", "title": "one", "facts": ["thing.one"]},
            {"id": "table.2", "at": "Table 2", "title": "two", "facts": ["thing.two"]},
            {"id": "table.3", "at": "Table 3", "title": "three", "facts": ["thing.three"]},
            {"id": "preface", "at": "p. i", "title": "thanks",
             "none": {"reason": "informational", "because": "it thanks"}},
        ],
        "uncited": [
            {"fact": "book:thing.two", "reason": "needs a run", "because": "it takes a year"},
            {"fact": "book:thing.three", **DECLINED},
        ],
        **changes,
    }  # fmt: skip
    pack.data("specs/outline/book.yaml", outline)
    return pack


LINE = (
    "1 of 4 items of the book are held by a clause that was seen red, 0 of them by measurement; "
    "the others: 1 informational, 1 needs a run, 1 declined"
)


def test_the_report_says_how_much_of_a_source_is_held(mini: MiniPack, tmp_path: Path) -> None:
    assert outlined(mini).problems() == ()
    report = run_pack(mini, tmp_path / "reports").report
    assert [one.line for one in report.coverage] == [LINE]
    assert f"- {LINE}" in markdown.render(report)
    assert LINE in page.render(report)
    assert '"held":1,"of":4' in report.model_dump_json()


def test_a_pass_that_nothing_turned_red_holds_nothing(mini: MiniPack, tmp_path: Path) -> None:
    outlined(mini)
    report = run_pack(mini, tmp_path / "reports", falsify=False).report
    assert report.coverage[0].held == 0
    assert "1 not judged so" in report.coverage[0].line


def test_a_surviving_falsifier_holds_nothing(mini: MiniPack, tmp_path: Path) -> None:
    mini.clauses = [clause(1, falsifiers=[{"thing.two_for_one": {"by": 0.1}}])]
    outlined(mini.save())
    assert run_pack(mini, tmp_path / "reports").report.coverage[0].held == 0


@pytest.mark.parametrize(("least", "scope"), [(0.25, "allowed"), (0.26, "denied")])
def test_a_claim_may_ask_for_a_share(
    mini: MiniPack, tmp_path: Path, least: float, scope: str
) -> None:
    mini.claims = [claim(coverage={"book": least})]
    outlined(mini.save())
    (found,) = run_pack(mini, tmp_path / "reports").report.claims
    assert found.scope == scope
    if scope == "denied":
        assert f"{LINE}; at least 26% needed" in found.reasons


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"uncited": [{"fact": "book:thing.two", "reason": "needs a run", "because": "b"}]},
         "book:thing.three, which no clause cites"),
        ({"uncited": [
            {"fact": "book:thing.one", "reason": "informational", "because": "b"},
            {"fact": "book:thing.two", "reason": "needs a run", "because": "b"},
            {"fact": "book:thing.three", **DECLINED}]},
         "a reason for book:thing.one, which a clause cites"),
        ({"uncited": [
            {"fact": "book:thing.two", "reason": "declined", "because": "b",
             "decision": "DEC-0009"},
            {"fact": "book:thing.three", **DECLINED}]}, "found DEC-0009"),
        ({"uncited": [
            {"fact": "book:thing.two", "reason": "declined", "because": "b"},
            {"fact": "book:thing.three", **DECLINED}]}, "`decision` belongs to what is declined"),
        ({"items": [{"id": "eq.1", "at": "Eq. 1", "title": "one", "facts": ["thing.one"]}]},
         "book:thing.two in no item"),
        ({"items": [{"id": "eq.1", "at": "Eq. 1", "title": "one", "facts": ["thing.none"]}]},
         "book:thing.none"),
        ({"items": [{"id": "eq.1", "at": "Eq. 1", "title": "one"}]}, "`facts` or `none`"),
        ({"authority": "nobody"}, "found nobody"),
    ],
)  # fmt: skip
def test_lint_refuses_what_has_neither_clause_nor_reason(
    mini: MiniPack, changes: dict[str, Any], said: str
) -> None:
    problems = outlined(mini, **changes).problems()
    assert any(said in str(one) or said in one.expected for one in problems), problems


def test_a_claim_cannot_ask_for_a_source_without_items(mini: MiniPack) -> None:
    mini.claims = [claim(coverage={"talk": 0.5})]
    outlined(mini.save())
    (problem,) = mini.problems()
    assert (problem.found, problem.expected) == ("talk", "book")


def test_an_item_is_held_where_all_of_its_cited_facts_are() -> None:
    outline = Outline.model_validate_json(json.dumps({
        "schema": "verify/outline/1", "authority": "book", "title": "t", "known_from": "k",
        "items": [{"id": "a", "at": "p", "title": "t", "facts": ["x.one", "x.two"]}],
    }))  # fmt: skip

    def held(cited: dict[str, list[str]], sound: set[str], measured: set[str]) -> Held:
        (share,) = shares([outline], Standing(cited, sound, measured))
        return share.items["a"]

    both = {"book:x.one": ["C-1"], "book:x.two": ["C-2"]}
    assert held(both, {"C-1", "C-2"}, set()) is Held.SEEN_RED
    assert held(both, {"C-1", "C-2"}, {"C-2"}) is Held.MEASURED
    assert held(both, {"C-1"}, set()) is Held.UNPROVEN
    assert held({"book:x.one": ["C-1"]}, {"C-1"}, set()) is Held.OPEN


ITEMS = {
    "red": ["x.one"], "measured": ["x.one", "x.two"], "unproven": ["x.one", "x.three"],
    "excused": ["x.four"], "held and excused": ["x.one", "x.four"], "open": ["x.five"],
    "half open": ["x.four", "x.five"],
}  # fmt: skip
HELD = {
    "red": Held.SEEN_RED, "measured": Held.MEASURED, "unproven": Held.UNPROVEN,
    "excused": Held.NEEDS_A_RUN, "held and excused": Held.SEEN_RED, "open": Held.OPEN,
    "half open": Held.OPEN, "thanks": Held.INFORMATIONAL,
}  # fmt: skip


def test_each_item_is_held_or_says_why_not_and_is_counted_in_words() -> None:
    """Facts: one is seen red, two is measured, three stands nowhere, four has a reason."""
    items = [{"id": n.replace(" ", "_"), "at": "p", "title": n, "facts": f} for n, f in
             ITEMS.items()]  # fmt: skip
    thanks = {"id": "thanks", "at": "p", "title": "thanks",
              "none": {"reason": "informational", "because": "b"}}  # fmt: skip
    whole = {
        "schema": "verify/outline/1", "authority": "book", "title": "t", "known_from": "k",
        "items": [*items, thanks],
        "uncited": [{"fact": "book:x.four", "reason": "needs a run", "because": "b"}],
    }  # fmt: skip
    outline = Outline.model_validate_json(json.dumps(whole))
    empty = outline.model_copy(update={"authority": "talk", "items": ()})
    # A second clause of a fact may be unproven: one that stands is enough.
    cited = {"book:x.one": ["C-1", "C-9"], "book:x.two": ["C-2"], "book:x.three": ["C-3"]}
    (share,) = shares([empty, outline], Standing(cited, {"C-1", "C-2"}, {"C-2", "C-3"}))
    assert share.items == {name.replace(" ", "_"): held for name, held in HELD.items()}
    assert (share.authority, share.held, share.value) == ("book", 3, 3 / 8)
    assert share.line == (
        "3 of 8 items of the book are held by a clause that was seen red, 1 of them by "
        "measurement; the others: 1 not judged so, 1 informational, 1 needs a run, 2 open"
    )
    all_held = outline.model_copy(update={"items": outline.items[:2]})
    (share,) = shares([all_held], Standing(cited, {"C-1", "C-2"}, {"C-2"}))
    assert share.line == (
        "2 of 2 items of the book are held by a clause that was seen red, 1 of them by measurement"
    )


def test_the_matrix_goes_both_ways(mini: MiniPack, tmp_path: Path, cli: Cli) -> None:
    outlined(mini)
    reports = tmp_path / "reports"
    assert cli("run", "--pack", mini.root, "--reports", reports).code == 0
    before = cli("coverage", "--pack", mini.root, "--reports", tmp_path / "none").out.splitlines()
    assert before[-1].startswith("0 of 4 items of the book are held by a clause")
    result = cli("coverage", "--pack", mini.root, "--reports", reports, "--json")
    assert result.code == 0
    found = json.loads(result.out)
    assert found["facts"]["book:thing.one"] == {
        "at": "p. 1", "clauses": ["THING-001"], "claims": ["CLAIM-THING"], "none": None,
    }  # fmt: skip
    assert found["facts"]["book:thing.two"]["none"]["reason"] == "needs a run"
    assert found["clauses"]["THING-001"] == {
        "facts": ["book:thing.one"], "falsifiers": ["thing.two_for_one"],
        "claims": ["CLAIM-THING"], "outcome": "pass", "killed": 1, "sound": True,
    }  # fmt: skip
    assert found["sources"][0]["line"] == LINE
    table = cli("coverage", "--pack", mini.root, "--reports", reports).out.splitlines()
    assert table[0].startswith("book:thing.one\t1/1 clauses seen red: THING-001\t1 falsifiers")
    assert table[-1] == LINE


def test_nothing_of_this_repository_is_without_a_clause_or_a_reason() -> None:
    loaded = load(ROOT)
    assert {one.authority for one in loaded.pack.outlines} >= {"paper", "reference"}
    assert lint(loaded) == ()
    cited: dict[str, list[str]] = {}
    for one in loaded.pack.clauses:
        for source in one.sources:
            cited.setdefault(source, []).append(one.id)
    for share in shares(
        loaded.pack.outlines, Standing(cited, {c.id for c in loaded.pack.clauses}, ())
    ):
        assert Held.OPEN not in share.items.values()
