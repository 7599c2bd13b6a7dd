"""Lint rules about decision records and claims, each red on its own minimal defect."""

from __future__ import annotations

import pytest

from .conftest import MiniPack, claim, decision

CLAIMS = "contracts/claims.yaml"
FACTS = "specs/facts/thing.yaml"
RECORD = "specs/decisions/DEC-0001.md"


def seen(pack: MiniPack) -> list[tuple[str, str, str]]:
    """Every problem as file, path and what was found."""
    return [(problem.file, problem.path, problem.found) for problem in pack.problems()]


@pytest.mark.parametrize(
    ("front", "path", "found"),
    [
        ({"governs": ["CLAIM-NONE"]}, "governs", "CLAIM-NONE"),
        ({"governs": ["CLAIM-THING"], "status": "deferred"}, "caps", "no cap of CLAIM-THING"),
        ({"caps": ["CLAIM-NONE"]}, "caps", "CLAIM-NONE"),
        ({"conflicts": ["CONF-009"]}, "conflicts", "CONF-009"),
        ({"evidence": ["THING-9*"]}, "evidence", "THING-9*"),
        ({"evidence": ["../outside"]}, "evidence", "../outside"),
        ({"status": "superseded"}, "superseded_by", "no successor"),
        ({"status": "superseded", "superseded_by": "DEC-0009"}, "superseded_by", "DEC-0009"),
        ({"status": "deferred"}, "caps", "nothing"),
    ],
)  # fmt: skip
def test_a_decision_that_refers_to_nothing(
    mini: MiniPack, front: dict[str, object], path: str, found: str
) -> None:
    mini.write(RECORD, decision(**front))
    assert seen(mini) == [(RECORD, path, found)]


def test_a_decision_may_cite_clauses_and_files(mini: MiniPack) -> None:
    mini.write(RECORD, decision(evidence=["THING-*", FACTS], governs=["CLAIM-THING"]))
    assert seen(mini) == []


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("## Options\n", "", "no section"),
        ("## Options\n", "## Options\n\nx\n\n## Options\n", "more than one section"),
        ("## Options\n", "## Extra\n\nx\n\n## Options\n", "another section"),
        ("## Options\n\nText.\n", "## Options\n", "an empty section"),
        ("---\nid", "-\nid", "no front matter"),
        ("status: accepted", "status: sure", '"sure"'),
        ("status: accepted", "status: on", "the ambiguous scalar on"),
        ("id: DEC-0001", "id: DEC-0002", "DEC-0002"),
        ("'2026-01-01'", "'2026-13-01'", '"2026-13-01"'),
    ],
)  # fmt: skip
def test_a_record_that_is_not_whole(mini: MiniPack, old: str, new: str, found: str) -> None:
    text = decision()
    assert old in text
    mini.write(RECORD, text.replace(old, new, 1))
    ((file, _, said),) = seen(mini)
    assert (file, said) == (RECORD, found)


def test_lines_of_front_matter_are_those_of_the_file(mini: MiniPack) -> None:
    mini.write(RECORD, decision().replace("status: accepted", "status: sure"))
    (problem,) = mini.problems()
    assert (problem.line, problem.path) == (4, "status")


@pytest.mark.parametrize(
    ("needs", "path", "found"),
    [
        ({"clauses": ["THING-*", "FIELD-*"]}, "needs.clauses[1]", "FIELD-*"),
        ({"decisions": ["DEC-0404"]}, "needs.decisions[0]", "the decision DEC-0404"),
    ],
)  # fmt: skip
def test_a_claim_that_rests_on_nothing(
    mini: MiniPack, needs: dict[str, object], path: str, found: str
) -> None:
    mini.claims = [claim(**needs)]
    assert seen(mini.save()) == [(CLAIMS, f"claims[0].{path}", found)]


def test_a_sentence_with_an_unknown_word_in_braces(mini: MiniPack) -> None:
    mini.claims = [{**claim(), "sentence": "It is {tier} and {passed}."}]
    assert seen(mini.save()) == [(CLAIMS, "claims[0].sentence", "the word {tier}")]


def test_a_manifest_whose_subject_nobody_registers(mini: MiniPack) -> None:
    mini.edit("contracts/pack.yaml", "subject: thing", "subject: nothing")
    assert seen(mini) == [("contracts/pack.yaml", "subject", "the subject nothing")]
