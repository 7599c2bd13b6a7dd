"""Every gate of this repository's own list, flipped alone."""

from __future__ import annotations

import json

import pytest
import torch

from contracts.artifact import cases as artifact_cases
from drift.artifacts import architectures
from drift.artifacts.header import read_header
from drift.generator import Generator
from tests.verify.conftest import decision
from tests.verify.guard.conftest import Repository
from verify.outcome import Outcome
from verify.release import texts
from verify.release.finding import Word
from verify.release.model import ByFrontier
from verify.release.render import console
from verify.report.model import ExitCode

from .conftest import RUN, Flip, Stage, gates


def a_clause_is_red(stage: Stage) -> None:
    stage.seal("one")
    stage.write_card()


def a_clause_is_waived(stage: Stage) -> None:
    stage.seal("two")
    stage.write_card()


def a_test_changed_since(stage: Stage) -> None:
    stage.pack.edit("tests/test_thing.py", "1 == 1", "2 == 2")


def the_readme_overclaims(stage: Stage) -> None:
    stage.pack.edit("README.md", "It is a thing.", "It reaches FID 1.54, the state of the art.")


def an_open_decision_governs_a_claim(stage: Stage) -> None:
    record = decision("DEC-0002", status="proposed", governs=["CLAIM-THING"])
    stage.pack.write("specs/decisions/DEC-0002.md", record)
    stage.seal("one", "two")
    stage.write_card()


def a_protected_file_changed(stage: Stage) -> None:
    stage.pack.write("frozen/one.txt", "two\n")


def a_denied_path_was_committed(stage: Stage) -> None:
    repository = Repository(stage.root)
    repository.write("notes/closed/two.txt", "two\n")
    repository.git("add", "notes")
    repository.git("commit", "-q", "-m", "change")


def the_licence_is_another(stage: Stage) -> None:
    stage.pack.write("LICENSE", "All rights reserved.\n")


def the_entry_has_no_date(stage: Stage) -> None:
    stage.pack.edit("CHANGELOG.md", "## [0.1.0] - 2026-11-21", "## [0.1.0]")


def the_project_says_another_version(stage: Stage) -> None:
    stage.pack.edit("pyproject.toml", '"0.1.0"', '"0.1.1"')


def no_record_of(name: str) -> Flip:
    def flip(stage: Stage) -> None:
        (stage.reports / "records" / f"{name}.json").unlink()

    return flip


def the_header_lacks_the_width(stage: Stage) -> None:
    path = stage.root / "model.safetensors"
    metadata = dict(read_header(path).metadata or {})
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    del metadata["width"]
    header["__metadata__"] = metadata
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text + data[8 + length :])
    stage.write_card()


def little_is_recorded(stage: Stage) -> None:
    stage.save(licence="NOASSERTION", tokenizer="unknown")


def a_number_on_the_card_is_edited(stage: Stage) -> None:
    stage.pack.edit("model.card.md", "2/2 needed", "3/2 needed")


def the_generator_is_untrained(stage: Stage) -> None:
    config = artifact_cases.generator().config
    stage.save(Generator(config, generator=torch.Generator().manual_seed(1)))


def the_way_back_loses_a_bit(stage: Stage) -> None:
    """Told by the test below, which breaks the export itself."""


def nobody_signed(gate: str) -> Flip:
    def flip(stage: Stage) -> None:
        path = stage.root / "signoffs.yaml"
        lines = [line for line in path.read_text().splitlines() if f'"{gate}"' not in line]
        path.write_text("\n".join(lines) + "\n")

    return flip


# gate -> (what breaks it, its outcome, exit code)
FLIPS: dict[str, tuple[Flip, Outcome, ExitCode]] = {
    "bundle": (a_clause_is_red, Outcome.FAIL, ExitCode.FAILED),
    "parity": (a_clause_is_waived, Outcome.FAIL, ExitCode.FAILED),
    "tests": (a_test_changed_since, Outcome.UNKNOWN, ExitCode.INCOMPLETE),
    "overclaims": (the_readme_overclaims, Outcome.FAIL, ExitCode.FAILED),
    "decisions": (an_open_decision_governs_a_claim, Outcome.FAIL, ExitCode.FAILED),
    "protected": (a_protected_file_changed, Outcome.FAIL, ExitCode.INTEGRITY),
    "frontier": (a_denied_path_was_committed, Outcome.FAIL, ExitCode.FAILED),
    "licence": (the_licence_is_another, Outcome.FAIL, ExitCode.FAILED),
    "changelog": (the_entry_has_no_date, Outcome.FAIL, ExitCode.FAILED),
    "version": (the_project_says_another_version, Outcome.FAIL, ExitCode.FAILED),
    "speed-loss": (no_record_of("speed-loss"), Outcome.UNKNOWN, ExitCode.INCOMPLETE),
    "speed-queue": (no_record_of("speed-queue"), Outcome.UNKNOWN, ExitCode.INCOMPLETE),
    "artefact-integrity": (the_header_lacks_the_width, Outcome.FAIL, ExitCode.INTEGRITY),
    "artefact-quality": (little_is_recorded, Outcome.FAIL, ExitCode.FAILED),
    "model-card": (a_number_on_the_card_is_edited, Outcome.FAIL, ExitCode.INTEGRITY),
    "smoke-sample": (the_generator_is_untrained, Outcome.FAIL, ExitCode.FAILED),
    "round-trip": (the_way_back_loses_a_bit, Outcome.FAIL, ExitCode.FAILED),
    "legal-review": (nobody_signed("legal-review"), Outcome.UNKNOWN, ExitCode.INCOMPLETE),
    "independent-user": (nobody_signed("independent-user"), Outcome.UNKNOWN, ExitCode.INCOMPLETE),
    "publish-tag": (nobody_signed("publish-tag"), Outcome.UNKNOWN, ExitCode.INCOMPLETE),
    "upload-weights": (nobody_signed("upload-weights"), Outcome.UNKNOWN, ExitCode.INCOMPLETE),
}


def test_with_nothing_flipped_every_gate_passes(stage: Stage) -> None:
    found = stage.decide()
    assert [one.label for one in found.results if one.open] == [], console(found)
    assert {one.finding.outcome for one in found.results} == {Outcome.PASS}
    assert found.word is Word.GO
    assert found.exit_code is ExitCode.GO


def test_every_gate_of_this_repository_has_its_flip() -> None:
    assert list(FLIPS) == [gate["id"] for gate in gates()["gates"]]


LATER = ("artefact-quality", "smoke-sample", "round-trip")  # as artefact-integrity, of an artefact


@pytest.mark.parametrize(
    "gate", [pytest.param(one, marks=pytest.mark.nightly if one in LATER else ()) for one in FLIPS]
)
def test_a_gate_flipped_alone_is_named_with_its_command(
    stage: Stage, gate: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    flip, outcome, code = FLIPS[gate]
    if gate == "round-trip":
        monkeypatch.setattr(RUN, "remembers", False)
        break_the_export(monkeypatch)
    flip(stage)
    found = stage.decide()
    blockers = [one for one in found.results if one.open]
    assert [one.gate.id for one in blockers] == [gate], console(found)
    assert blockers[0].finding.outcome is outcome
    maintained = blockers[0].gate.kind == "maintainer"
    assert found.word is (Word.CONDITIONAL if maintained else Word.NO_GO)
    assert found.exit_code is code
    shown = console(found).splitlines()
    assert f"    close: {blockers[0].close}" in shown
    assert shown[-1].startswith(f"{found.word}: ")


def break_the_export(monkeypatch: pytest.MonkeyPatch) -> None:
    """One tensor changes by its last bits on its way out."""
    original = architectures.to_reference

    def lossy(state: dict[str, torch.Tensor], config: object) -> dict[str, torch.Tensor]:
        flat = dict(original(state, config))
        first = next(iter(flat))
        flat[first] = flat[first] * (1 + 1e-6)
        return flat

    monkeypatch.setattr(architectures, "to_reference", lossy)


def test_a_rule_made_looser_by_nobodys_decision_closes_the_gate_of_the_frontier(
    stage: Stage,
) -> None:
    stage.pack.edit("contracts/thing.yaml", "value: 0.5", "value: 0.6")
    Repository(stage.root).git("commit", "-q", "-m", "change", "contracts/thing.yaml")
    gate = next(one for one in stage.situation().release.gates if one.id == "frontier")
    assert isinstance(gate.by, ByFrontier)
    finding = texts.frontier(gate.by, stage.situation())
    assert finding.outcome is Outcome.FAIL
    assert "widened 0.5 -> 0.6; no decision of this change governs" in finding.reason


def test_without_git_the_gate_of_the_frontier_is_unknown_and_says_why(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    situation = stage.situation()
    gate = next(one for one in situation.release.gates if one.id == "frontier")
    assert isinstance(gate.by, ByFrontier)
    monkeypatch.setenv("PATH", str(stage.root / "specs"))
    finding = texts.frontier(gate.by, situation)
    assert finding.outcome is Outcome.UNKNOWN
    assert "expected git, on the path" in finding.reason
