"""`verify explain CLAIM-ID`: what it says, what it needs, what may be said now, and the way up."""

from __future__ import annotations

from collections.abc import Callable

from .conftest import MiniPack, Result, clause
from .test_scope_stages import PACK

Cli = Callable[..., Result]


def test_explain_tells_both_forms_of_a_claim_and_what_they_need(cli: Cli) -> None:
    result = cli("explain", "CLAIM-STAGE", "--pack", PACK)
    assert result.code == 0, result.err
    lines = result.out.splitlines()
    assert lines[0] == "CLAIM-STAGE  The thing reaches the book's figure"
    assert any(line.startswith("strict      {subject} reaches") for line in lines)
    assert any(line.startswith("bounded     On repo-eval only, ") for line in lines)
    wanted = "at least 50,000 samples, at least 3 seeds, extractor sha256 aaaaaaaaaaaa..."
    assert f"  floors    {wanted}" in lines
    assert "  axis      repo-eval" in lines
    assert "  rests on  DEC-0001" in lines
    assert "`verify run claim:CLAIM-STAGE` produces it" in lines[-1]


def test_explain_tells_the_last_verdict_and_each_step_up(mini: MiniPack, cli: Cli) -> None:
    mini.clauses.append(clause(2, check="thing.one", tolerance={"exact": True, "basis": "none"}))
    mini.save()
    cli("run", "THING-001", "--pack", mini.root)
    result = cli("explain", "CLAIM-THING", "--pack", mini.root)
    assert result.code == 0, result.err
    assert "  verdict   denied" in result.out
    assert "  about     strict form, subject thing; 1/2 needed clauses pass" in result.out
    assert "  because   THING-002 unknown: no current evidence: no bundle that counts" in result.out
    assert "to allowed, tier C (1):" in result.out
    assert "     $ verify run THING-002" in result.out


def test_explain_of_an_allowed_claim_gives_its_sentence(mini: MiniPack, cli: Cli) -> None:
    cli("run", "--pack", mini.root)
    out = cli("explain", "CLAIM-THING", "--pack", mini.root).out
    assert "  may say   The thing is right: 1 of 1, worst 0." in out
    assert "  no way up it names no axis for a number, so it is at most tier C" in out


def test_explain_says_where_its_evidence_is_older_than_the_code(mini: MiniPack, cli: Cli) -> None:
    """`may say` of stale evidence is not to be taken for one of today."""
    cli("run", "--pack", mini.root)
    assert cli("explain", "CLAIM-THING", "--pack", mini.root).err == ""
    mini.edit("contracts/bindings/thing.py", '"one": 1.0', '"one": 2.0')
    result = cli("explain", "CLAIM-THING", "--pack", mini.root)
    assert " is older than the code, and counts for nothing" in result.err
    assert "note: found nothing current in reports; remedy: verify run" in result.err
    assert "  may say" not in result.out


def test_explain_of_a_near_miss_names_the_likely_claim(cli: Cli) -> None:
    result = cli("explain", "CLAIM-STAGES", "--pack", PACK)
    assert result.code == 3
    assert "did you mean CLAIM-STAGE?" in result.err
