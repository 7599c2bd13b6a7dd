"""Claims that ask what share of single changes of the code their contracts notice."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.verify.conftest import MiniPack, Result, claim, clause, newest
from tests.verify.situations import (
    claim as made_claim,
)
from tests.verify.situations import (
    clause as made,
)
from tests.verify.situations import commands, evidence, only, pack_of, verdict, ways
from verify.mutate.rate import Rate, known
from verify.outcome import Outcome
from verify.scope import Evidence, Scope, with_leaves

Cli = Callable[..., Result]
ASKED = {"contracts": ["THING"], "at_least": 0.9, "tried": 20, "judged": 0.5}


def of(rate: Rate | None) -> Evidence:
    found = evidence([made(1)], {"THING-001": verdict(Outcome.PASS)})
    return Evidence(**{**vars(found), "detection": None if rate is None else {"THING": rate}})


@pytest.mark.parametrize(
    ("rate", "why"),
    [
        (None, "THING has no detection rate that was recorded for exactly these files"),
        (Rate(), "THING has no detection rate"),
        (Rate(judged=19), "THING was tried by 19 changes, at least 20 needed"),
        (Rate(judged=17, survived=3), "THING notices 17 of 20 (85 %"),
        (Rate(judged=17, unreached=3), "THING notices 17 of 20 (85 %"),
        (Rate(judged=9, crashed=11), "at least 50% judged needed"),
    ],
    ids=["none", "of nothing", "too few", "too low", "not reached", "crashes"],
)
def test_a_rate_that_is_missing_or_short_denies_the_claim(rate: Rate | None, why: str) -> None:
    pack = pack_of([made(1)], [made_claim(detection=ASKED)])
    result = only(pack, of(rate))
    assert result.scope is Scope.DENIED
    assert why in result.reasons[0]
    assert ways(result) == [("detection", "THING")]
    assert commands(result) == ["verify mutate 'contract:THING' --sample 20; verify run"]
    assert result.unlock is not None
    then = with_leaves(result.unlock.leaves, pack, of(rate))
    assert only(*then).scope is Scope.ALLOWED


@pytest.mark.parametrize(
    ("rate", "short"),
    [
        (Rate(judged=18, survived=2), ""),
        (Rate(judged=9, crashed=9, unreached=2), ""),
        (Rate(judged=20), ""),
        (Rate(judged=17, survived=3), "at least 90% needed"),
        (Rate(judged=8, crashed=10, survived=2), "at least 50% judged needed"),
        (Rate(judged=9, crashed=10, survived=1), "at least 50% judged needed"),
    ],
)
def test_a_rate_that_is_just_as_asked_is_enough_and_one_below_is_not(
    rate: Rate, short: str
) -> None:
    result = only(pack_of([made(1)], [made_claim(detection=ASKED)]), of(rate))
    reasons = (f"THING notices {rate.line()}, {short}",) if short else ()
    assert result.reasons == reasons
    assert result.scope is (Scope.DENIED if short else Scope.ALLOWED)


def test_too_few_changes_are_said_with_how_many_are_needed() -> None:
    pack = pack_of([made(1)], [made_claim(detection=ASKED)])
    few = "THING was tried by 19 changes, at least 20 needed"
    assert only(pack, of(Rate(judged=19))).reasons == (few,)
    none = "THING has no detection rate that was recorded for exactly these files"
    assert only(pack, of(Rate())).reasons == only(pack, of(None)).reasons == (none,)


def test_each_contract_that_is_asked_about_is_short_by_itself() -> None:
    asked = made_claim(detection={"contracts": ["THING", "OTHER"], "at_least": 0.9, "tried": 2})
    found = of(Rate(judged=2))
    result = only(pack_of([made(1)], [asked]), found)
    none = "OTHER has no detection rate that was recorded for exactly these files"
    assert (result.reasons, ways(result)) == ((none,), [("detection", "OTHER")])
    assert result.unlock is not None
    assert result.unlock.leaves[0].text == "OTHER has to notice 90% of at least 2 changes"
    both = only(pack_of([made(1)], [asked]), found.supposing("OTHER"))
    assert both.scope is Scope.ALLOWED


def test_a_rate_that_is_enough_allows_it_and_stands_in_the_sentence() -> None:
    asked = made_claim(detection=ASKED).model_copy(update={"sentence": "Right; {detection}."})
    result = only(pack_of([made(1)], [asked]), of(Rate(judged=18, crashed=1, survived=1)))
    assert result.scope is Scope.ALLOWED
    assert result.sentence.startswith("Right; THING 19 of 20 (95 %")


# -- recorded ones --------------------------------------------------------------------------------


def entry(name: str, fate: str, *contracts: str) -> dict[str, Any]:
    return {"mutant": name, "fate": fate, "contracts": list(contracts or ["THING"])}


def recorded(folder: Path, *entries: dict[str, Any], at: str = "1", **more: Any) -> None:
    fates = [one["fate"] for one in entries]
    counted = {fate: fates.count(fate) for fate in ("judged", "crashed", "survived", "unreached")}
    noticed = [one for one in entries if one["fate"] in ("judged", "crashed")]
    whole = {
        "schema": "verify/detection/1", "digests": {"code": "a"}, "subject": "thing", **counted,
        "finished": at, "seed": 0, "drawn": len(entries), "universe": 9, "equivalent": 0,
        "patterns": [], "selectors": [], "noticed": noticed,
        "missed": [one for one in entries if one not in noticed], **more,
    }  # fmt: skip
    (folder / "mutation").mkdir(exist_ok=True)
    (folder / f"mutation/{at}.json").write_text(json.dumps(whole), encoding="utf-8")


def counts(folder: Path, **digests: str) -> Any:
    found = known(folder, digests or {"code": "a"}, "thing")
    return found and {name: list(one.values()) for name, one in found["contracts"].items()}


def test_rates_of_contracts_are_counted_from_the_changes_that_are_listed(tmp_path: Path) -> None:
    recorded(tmp_path, entry("a", "judged", "THING", "MORE"), entry("b", "survived"),
             entry("c", "unreached"))  # fmt: skip
    assert counts(tmp_path) == {"MORE": [1, 0, 0, 0], "THING": [1, 0, 1, 1]}


def test_nobody_picks_the_seed_that_looks_best(tmp_path: Path) -> None:
    """All records about these files count, each change once and by its latest end."""
    recorded(tmp_path, entry("a", "judged"), entry("b", "survived"), at="1")
    recorded(tmp_path, entry("a", "crashed"), entry("c", "judged"), at="2")
    assert counts(tmp_path) == {"THING": [1, 1, 1, 0]}


def test_a_record_of_other_code_does_not_count(tmp_path: Path) -> None:
    recorded(tmp_path, entry("a", "judged"))
    assert counts(tmp_path, code="b") is None
    recorded(tmp_path, entry("a", "judged"), subject="other")
    assert counts(tmp_path) is None


@pytest.mark.parametrize(
    "typed", [{"survived": 0}, {"judged": 99}, {"noticed": []}, {"missed": None}], ids=str
)
def test_counts_that_were_typed_do_not_count(tmp_path: Path, typed: dict[str, Any]) -> None:
    recorded(tmp_path, entry("a", "judged"), entry("b", "survived"), **typed)
    assert counts(tmp_path) is None


def test_a_change_that_is_listed_twice_does_not_count_twice(tmp_path: Path) -> None:
    recorded(tmp_path, entry("a", "judged"), entry("a", "judged"), entry("b", "survived"))
    assert counts(tmp_path) is None


# -- on the command line --------------------------------------------------------------------------


def claims(reports: Path) -> tuple[str, str]:
    (found,) = json.loads((newest(reports) / "report.json").read_text(encoding="utf-8"))["claims"]
    return found["scope"], " ".join(found["reasons"])


def test_a_claim_asks_for_it_through_run_explain_and_bundle(
    mini: MiniPack, cli: Cli, tmp_path: Path
) -> None:
    mini.write("engine/__init__.py", "def twice(value):\n    return value * 2\n")
    mini.edit("contracts/pack.yaml", "subject: thing\n", "subject: thing\ncode: [engine]\n")
    mini.write("contracts/bindings/twice.py", """
        import engine
        from verify.api import check

        @check("thing.twice")
        def twice(ctx):
            return ctx.decide(engine.twice(3) == 6, "twice three")
        """)  # fmt: skip
    exact = {"exact": True, "basis": "whole numbers"}
    mini.clauses = [clause(1), clause(2, check="thing.twice", tolerance=exact, required=True)]
    mini.clauses[1]["falsifiers"] = ["thing.two_for_one"]
    old = 'subject.values["one"] += by\n'
    mini.edit(
        "contracts/bindings/thing.py", old, f"{old}    import engine\n    engine.twice = abs\n"
    )
    mini.claims = [claim(detection={"contracts": ["THING"], "at_least": 0.9, "tried": 2})]
    mini.save()
    reports = tmp_path / "reports"
    where = ("--pack", mini.root, "--reports", reports)
    run = ("run", *where, "--jobs", "1")
    cli(*run)
    why = "THING has no detection rate that was recorded for exactly these files"
    assert claims(reports) == ("denied", why)
    assert cli("mutate", *where, "--jobs", "1").code == 0
    explained = cli("explain", "CLAIM-THING", *where).out
    assert "  detection each of THING notices at least 90% of 2 changes or more" in explained
    assert "  detection THING notices 2 of 2 (100 %" in explained
    assert "  verdict   allowed, tier C" in explained
    cli(*run)
    assert claims(reports)[0] == "allowed"
    assert cli("bundle", "check", newest(reports)).code == 0
    mini.edit("engine/__init__.py", "value * 2", "value + value")
    cli(*run)
    assert claims(reports)[0] == "denied", "the rate is of other code"


def test_a_claim_asks_only_about_contracts_that_it_rests_on(mini: MiniPack) -> None:
    mini.claims = [claim(detection={"contracts": ["OTHER"], "at_least": 0.9})]
    (problem,) = mini.save().problems()
    assert (problem.found, problem.expected) == ("OTHER", "THING")
