"""The decision log of this repository: sound, complete, and capping what it says it caps."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from verify.outcome import Outcome
from verify.scope import Floors, Form, Scope, floors, solve
from verify.spec.decision_log import read_log
from verify.spec.decisions import SECTIONS
from verify.spec.model import Decision, DecisionStatus, Pack
from verify.spec.pack import LoadedPack, load
from verify.spec.rules.decisions import lint_log

from .situations import evidence, verdict

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def loaded() -> LoadedPack:
    return load(ROOT)


def test_our_own_log_is_sound() -> None:
    assert [str(problem) for problem in lint_log(read_log(ROOT))] == []


def test_each_row_of_the_public_log_has_a_record() -> None:
    written = {path.stem for path in (ROOT / "specs/decisions").glob("DEC-00*.md")}
    assert written == {f"DEC-{number:04d}" for number in range(1, 43)}


def test_no_record_is_left_as_a_proposal() -> None:
    proposed = [d.name for d in read_log(ROOT).drafts if str(d.record.status) == "proposed"]
    assert proposed == []


def test_what_our_records_cite_in_their_text_exists(loaded: LoadedPack) -> None:
    known = {clause.id for clause in loaded.pack.clauses}
    contracts = "|".join(contract.contract for contract in loaded.pack.contracts)
    for draft in read_log(ROOT).drafts:
        body = draft.entry.body
        for name in re.findall(rf"\b(?:{contracts})-[0-9]{{3}}\b", body):
            assert name in known, (draft.name, name)
        for fact in re.findall(r"\b(?:paper|reference|community|recording):[a-z][a-z0-9_.]+", body):
            assert loaded.pack.fact(fact.rstrip(".")) is not None, (draft.name, fact)
        for path in re.findall(r"\b(?:drift|verify|tests|specs)/[\w/]+\.(?:py|md|yaml)\b", body):
            assert (ROOT / path).is_file(), (draft.name, path)


def test_each_deferred_record_of_ours_caps_exactly_the_claims_it_names(loaded: LoadedPack) -> None:
    """All clauses pass on their axis and all other records are settled: only one holds back."""
    pack = loaded.pack
    stated = [floors(claim.needs.floors, pack) for claim in pack.claims]
    highest = Floors(
        samples=max(one.samples or 0 for one in stated),
        seeds=max(one.seeds or 0 for one in stated),
        steps=max(one.steps or 0 for one in stated),
        extractor_sha256=max(one.extractor_sha256 or "" for one in stated),
    )
    enough = highest.asked()
    outcomes = {c.id: verdict(Outcome.PASS, c.axis, **enough) for c in pack.clauses}
    found = evidence(pack.clauses, outcomes, subject=pack.manifest.subject)
    open_ = [record for record in pack.decisions if record.status is DecisionStatus.DEFERRED]
    assert open_, "where nothing is deferred, this test has become empty"
    for record in open_:
        verdicts = solve(settled(pack, but=record), found)
        denied = {item.claim: item.reasons for item in verdicts if item.scope is Scope.DENIED}
        reason = f"{record.id} ({record.title}) is deferred"
        assert denied == dict.fromkeys(record.caps, (reason,))
    allowed = solve(settled(pack), found)
    assert {(item.scope, item.form) for item in allowed} == {(Scope.ALLOWED, Form.STRICT)}


def settled(pack: Pack, *, but: Decision | None = None) -> Pack:
    """The pack with every decision in force, but for one."""
    accepted = {"status": DecisionStatus.ACCEPTED}
    decisions = tuple(
        record if record is but else record.model_copy(update=accepted) for record in pack.decisions
    )
    return pack.model_copy(update={"decisions": decisions})


def test_sections_of_our_records_are_in_order() -> None:
    for draft in read_log(ROOT).drafts:
        titles = re.findall(r"^## (.+)$", draft.entry.body, re.MULTILINE)
        assert tuple(titles) == SECTIONS, draft.name
