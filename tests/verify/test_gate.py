"""What a program under gates is told: for its own code, pack and subject, or that nobody knows."""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from verify import gate
from verify.outcome import Outcome
from verify.problems import PackError, UsageError
from verify.report.bundle import EVIDENCE
from verify.run import evidence
from verify.spec import root as roots

from .conftest import MiniPack, clause, config, new_pack, run_pack


@pytest.fixture
def owned(mini: MiniPack) -> MiniPack:
    """A pack about the package `engine/` beside it."""
    with (mini.root / "contracts/pack.yaml").open("a") as file:
        file.write("code: [engine]\n")
    mini.write("engine/__init__.py", "ONE = 1\n")
    return mini


def ask(mini: MiniPack, reports: Path, **more: Any) -> gate.Standing:
    more = {"pack": mini.root, "running": mini.root / "engine"} | more
    return gate.standing(["THING-001"], reports=reports, **more)


def install(monkeypatch: pytest.MonkeyPatch, *places: Path) -> None:
    """As if distributions had named these packs under `verify.packs`."""
    found = [SimpleNamespace(value=str(place)) for place in places]
    monkeypatch.setattr(metadata, "entry_points", lambda group: found)
    monkeypatch.setattr(
        roots.importlib.util, "find_spec",
        lambda value: SimpleNamespace(submodule_search_locations=[f"{value}/contracts"]),
    )  # fmt: skip


def test_a_green_bundle_about_these_files_is_the_answer(owned: MiniPack, tmp_path: Path) -> None:
    made = run_pack(owned, tmp_path / "reports")
    found = ask(owned, tmp_path / "reports")
    assert (found.green, found.obstacles, found.bundle) == (True, (), made.bundle.name)
    assert (found.pack, found.root) == ("mini", owned.root)


def test_evidence_about_another_subject_lets_nothing_start(owned: MiniPack, tmp_path: Path) -> None:
    """The digests are the same: an oracle that passes says nothing about the engine."""
    owned.write(
        "contracts/bindings/other.py",
        """
        from types import SimpleNamespace
        from verify.api import subject
        from .thing import VALUES

        @subject("other")
        def other():
            return SimpleNamespace(name="other", capabilities=frozenset({"one"}), values=VALUES)
        """,
    )
    made = run_pack(owned, tmp_path / "reports", subject="other")
    assert made.report.verdict.exit_code == 0
    found = ask(owned, tmp_path / "reports")
    assert not found.green
    assert f"{made.bundle.name} is about the subject other, not thing" in found.obstacles[0]


def test_a_newer_bundle_about_something_else_hides_no_older_one_that_counts(
    owned: MiniPack, tmp_path: Path
) -> None:
    right = run_pack(owned, tmp_path / "reports")
    wrong = run_pack(owned, tmp_path / "newer", subject="other")
    wrong.bundle.rename(tmp_path / "reports" / f"9{wrong.bundle.name}")
    assert ask(owned, tmp_path / "reports").bundle == right.bundle.name


@pytest.mark.parametrize("change", ["engine/__init__.py", "contracts/bindings/thing.py"])
def test_evidence_about_another_state_of_the_files_lets_nothing_start(
    owned: MiniPack, tmp_path: Path, change: str
) -> None:
    run_pack(owned, tmp_path / "reports")
    with (owned.root / change).open("a") as file:
        file.write("# edited\n")
    found = ask(owned, tmp_path / "reports")
    assert not found.green
    assert "is older than the code" in found.obstacles[0]


def test_evidence_under_another_packs_name_lets_nothing_start(
    owned: MiniPack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record whose header names another pack, chained anew and sealed."""
    write = evidence.EvidenceWriter.__init__

    def renamed(self: Any, path: Path, loaded: Any, about: dict[str, Any]) -> None:
        write(self, path, loaded, about | {"pack": "theirs"})

    with monkeypatch.context() as patched:
        patched.setattr(evidence.EvidenceWriter, "__init__", renamed)
        made = run_pack(owned, tmp_path / "reports")
    assert json.loads((made.bundle / EVIDENCE).read_text().splitlines()[0])["data"]
    assert "is about the pack theirs, not mini" in ask(owned, tmp_path / "reports").obstacles[0]


def test_clauses_that_a_bundle_leaves_out_or_that_survive_are_said(
    owned: MiniPack, tmp_path: Path
) -> None:
    owned.clauses.append(clause(2))
    run_pack(owned.save(), tmp_path / "reports", only=["THING-002"])
    assert (
        "THING-001 is unknown: no current evidence: no bundle that counts"
        in ask(owned, tmp_path / "reports").obstacles[0]
    )
    run_pack(owned, tmp_path / "unfalsified", falsify=False)
    (said,) = ask(owned, tmp_path / "unfalsified").obstacles
    assert said == "the falsifiers of THING-001 did not all run"


def test_a_damaged_bundle_is_no_evidence_and_no_crash(owned: MiniPack, tmp_path: Path) -> None:
    made = run_pack(owned, tmp_path / "reports")
    (made.bundle / "report.md").write_text("all is well\n")
    assert f"({made.bundle.name} is damaged: " in ask(owned, tmp_path / "reports").obstacles[0]


def test_without_evidence_the_answer_names_pack_and_place(owned: MiniPack, tmp_path: Path) -> None:
    (said,) = ask(owned, tmp_path / "none").obstacles
    assert said == (
        f"no bundle in {tmp_path / 'none'} is about this code and pack mini at {owned.root} and "
        "covers these clauses"
    )


def test_a_pack_that_lies_in_the_working_directory_is_never_taken(
    owned: MiniPack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its evidence is green, and it is about a package of the same name that nobody runs."""
    chance = new_pack(tmp_path / "chance")
    chance.write("engine/__init__.py", "ONE = 2\n")
    with (chance.root / "contracts/pack.yaml").open("a") as file:
        file.write("code: [engine]\n")
    run_pack(chance, chance.root / "reports")
    monkeypatch.chdir(chance.root)
    install(monkeypatch, chance.root, owned.root)
    found = ask(owned, Path("reports"), pack=None)
    assert (found.green, found.root) == (False, owned.root)
    install(monkeypatch, owned.root)
    assert ask(owned, Path("reports"), pack=None, running=None).root == owned.root
    install(monkeypatch, chance.root)
    with pytest.raises(UsageError, match=r"expected a pack whose `code` holds .*/pack/engine;"):
        ask(owned, Path("reports"), pack=None)
    with pytest.raises(UsageError, match=r"chance: found a pack whose `code` does not hold"):
        ask(owned, Path("reports"), pack=chance.root)
    install(monkeypatch)
    with pytest.raises(UsageError, match="found no pack under the entry points"):
        ask(owned, Path("reports"), pack=None)


def test_a_pack_that_is_named_is_the_one_that_is_asked(owned: MiniPack, tmp_path: Path) -> None:
    """Told otherwise: stricter contracts about the same package, by a link to it."""
    strict = new_pack(tmp_path / "strict")
    with (strict.root / "contracts/pack.yaml").open("a") as file:
        file.write("code: [engine]\n")
    (strict.root / "engine").symlink_to(owned.root / "engine")
    assert roots.is_about(strict.root, owned.root / "engine")
    assert not roots.is_about(strict.root, tmp_path / "elsewhere/engine")


def test_a_template_is_held_against_the_column_it_names(mini: MiniPack) -> None:
    with (mini.root / "contracts/pack.yaml").open("a") as file:
        file.write("columns: [S]\ntemplates: {S: s.yaml}\n")
    mini.write("s.yaml", "column: S\nsize: 1.0\n")
    mini.clauses = [config(field="size")]
    mini.save()
    held = gate.against_column({"column": "S", "size": 1}, name="mine", pack=mini.root)
    assert held.faithful
    held = gate.against_column({"column": "S", "size": 2, "x": 0}, name="mine", pack=mini.root)
    assert [text.partition(",")[0] for text in held.obstacles] == ["x: found 0", "size: found 2"]
    with pytest.raises(UsageError, match="mine: found the column 'T'"):
        gate.against_column({"column": "T"}, name="mine", pack=mini.root)
    mini.edit("contracts/thing.yaml", "book:thing.one", "book:thing.two")
    with pytest.raises(PackError):
        gate.against_column({"column": "S"}, name="mine", pack=mini.root)


def test_what_is_red_what_survived_and_what_never_ran_each_stands_in_the_way() -> None:
    def seen(name: str, outcome: Outcome = Outcome.PASS) -> SimpleNamespace:
        return SimpleNamespace(id=name, outcome=outcome, reason="two of three")

    report: Any = SimpleNamespace(
        clauses=[seen("A-001"), seen("A-002", Outcome.FAIL), seen("A-003"), seen("A-004")],
        survivors=[SimpleNamespace(clause="A-003", label="thing.worse")],
        sound=lambda clause: clause.id != "A-004",
    )
    assert gate.obstacles(report, ["A-001"]) == []
    assert gate.obstacles(report, ["A-004", "A-003", "A-002", "A-001"]) == [
        "the falsifiers of A-004 did not all run",
        "A-003 survived its falsifier thing.worse",
        "A-002 is fail: two of three",
    ]


def test_floors_of_a_claim_are_those_of_the_pack_that_is_named(
    mini: MiniPack, tmp_path: Path
) -> None:
    assert not any(vars(gate.claim_floors("CLAIM-THING", pack=mini.root)).values())
    with pytest.raises(UsageError, match=r"'CLAIM-OTHER': found no such.*one of CLAIM-THING"):
        gate.claim_floors("CLAIM-OTHER", pack=mini.root)
    mini.clauses[0]["sources"] = ["book:nothing"]
    mini.save()
    with pytest.raises(PackError):
        gate.claim_floors("CLAIM-THING", pack=mini.root)


@pytest.mark.parametrize("count", [0, 1, 3, 4])
def test_the_first_three_bundles_that_are_passed_over_are_said(
    owned: MiniPack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    notes = tuple(f"[{n}]" for n in range(count))
    monkeypatch.setattr(gate, "known", lambda *given: SimpleNamespace(report=None, notes=notes))
    (said,) = ask(owned, tmp_path / "reports").obstacles
    told = f" ({'; '.join(notes[:3])})" if notes else ""
    assert said.endswith(f"and covers these clauses{told}")
