"""Decision records and conflicts: complete, dated, and pointing at each other."""

from __future__ import annotations

import re
from datetime import date
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from tests.contracts.reading import loaded
from verify.spec.strict_yaml import parse, read

ROOT = Path(__file__).parents[2]
FIELDS = {"id", "title", "status", "date", "governs", "conflicts", "caps", "evidence"}
OPTIONAL = {"superseded_by", "category", "impact", "promotes", "horizon", "measured"}
SECTIONS = [
    "Context", "Options", "Decision", "Rationale", "Evidence", "Residual risk", "Follow-up",
]  # fmt: skip
STATUSES = {"proposed", "accepted", "superseded", "closed", "deferred"}
PATHS = sorted((ROOT / "specs/decisions").glob("*.md"))


def front_matter(path: Path) -> dict[str, Any]:
    head = path.read_text(encoding="utf-8").removeprefix("---\n").partition("\n---\n")[0]
    document = parse(head, file=path.name)
    assert document.problems == ()
    return document.value


def sections(path: Path) -> dict[str, str]:
    body = path.read_text(encoding="utf-8").partition("\n---\n")[2]
    parts = re.split(r"^## (.+)$", body, flags=re.MULTILINE)[1:]
    return {name: text.strip() for name, text in zip(parts[::2], parts[1::2], strict=True)}


RECORDS = {path.stem: front_matter(path) for path in PATHS}
CONFLICTS = read(ROOT / "specs/conflicts.yaml").value["conflicts"]
TOPICS = {
    name: topic
    for path in (ROOT / "specs/facts").glob("*.yaml")
    for name, topic in read(path).value["topics"].items()
}
CLAUSES = {one.clause.id for one in loaded().stated}


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_a_record_has_its_eight_fields(path: Path) -> None:
    written = sections(path)
    assert list(written) == SECTIONS
    assert all(written.values()), "an empty section"
    record = RECORDS[path.stem]
    assert set(record) - OPTIONAL == FIELDS
    assert record["status"] in STATUSES
    assert record["id"] == path.stem, "a record is named after its id"
    assert f"# {record['id']}: {record['title']}\n" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_a_record_is_dated_and_its_evidence_exists(path: Path) -> None:
    record = RECORDS[path.stem]
    assert date.fromisoformat(record["date"]).isoformat() == record["date"]
    for place in record["evidence"]:
        # Installed without the source tree, a pack still has specs/ and contracts/.
        if place.startswith(("specs/", "contracts/")):
            assert (ROOT / place).exists(), place
        else:
            assert any(fnmatchcase(clause, place) for clause in CLAUSES), place


def test_ids_and_topics_are_used_once() -> None:
    assert len({record["id"] for record in RECORDS.values()}) == len(PATHS)
    assert len({conflict["id"] for conflict in CONFLICTS}) == len(CONFLICTS)
    assert len({conflict["topic"] for conflict in CONFLICTS}) == len(CONFLICTS)


def test_a_deferred_record_names_what_it_caps_and_only_a_deferred_one_does() -> None:
    for name, record in RECORDS.items():
        assert bool(record["caps"]) == (record["status"] == "deferred"), name
        assert set(record["caps"]) <= set(record["governs"]), name


def test_a_superseded_record_names_its_successor() -> None:
    for name, record in RECORDS.items():
        assert ("superseded_by" in record) == (record["status"] == "superseded"), name
        assert record.get("superseded_by", name) in RECORDS, name


def test_conflicts_and_records_name_each_other() -> None:
    by_conflict = {c: name for name, record in RECORDS.items() for c in record["conflicts"]}
    assert by_conflict == {conflict["id"]: conflict["decision"] for conflict in CONFLICTS}


def test_a_record_governs_every_claim_that_its_conflicts_affect() -> None:
    for conflict in CONFLICTS:
        governed = set(RECORDS[conflict["decision"]]["governs"])
        assert set(conflict["affects"]) <= governed, conflict["id"]
        assert conflict["affects"], conflict["id"]


def test_a_contradiction_is_one_and_a_silence_is_one() -> None:
    for conflict in CONFLICTS:
        facts = TOPICS[conflict["topic"]]["facts"]
        stated = [facts.get(a, {}).get("value") for a in conflict["between"]]
        assert stated[0] != stated[1], conflict["id"]
        silent = None in stated
        assert silent == (conflict["kind"] == "silence"), conflict["id"]


def test_every_contradiction_between_paper_and_reference_is_declared() -> None:
    declared = {conflict["topic"] for conflict in CONFLICTS}
    for name, topic in TOPICS.items():
        paper, reference = (
            topic["facts"].get(authority, {}).get("value") for authority in ("paper", "reference")
        )
        if paper is not None and reference is not None and paper != reference:
            assert name in declared


def test_the_register_of_divergences_rests_on_records_and_topics() -> None:
    register = read(ROOT / "specs/known_divergences.yaml").value
    for entry in [*register["divergences"], *register["unswitched"]]:
        assert entry["topic"] in TOPICS
        assert entry["decision"] in RECORDS
    for entry in register["divergences"]:
        facts = TOPICS[entry["topic"]]["facts"]
        stated = {authority: facts[authority]["value"] for authority in ("paper", "reference")}
        assert stated == entry["values"], entry["id"]
