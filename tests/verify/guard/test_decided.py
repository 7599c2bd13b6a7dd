"""`decided` paths of a frontier: rules change only along with a decision of the same change."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.verify.conftest import Result, decision

from .conftest import Repository

Cli = Callable[..., Result]
FRONTIER = """\
schema: verify/frontier/1
allow: [src/**, specs/**, rules/**]
decided:
  - {glob: rules/**, reason: they judge}
  - {glob: specs/protected.yaml, reason: approvals}
  - {glob: specs/decisions/*.md, reason: they cap}
"""


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def record(repository: Repository, **under: str) -> None:
    """specs/protected.yaml: the rule's present digest, and a decision for each path."""
    lines = []
    for name, by in sorted(under.items()):
        path = f"rules/{name}.yaml"
        sha = digest((repository.root / path).read_text())
        lines.append(f"  - {{path: {path}, sha256: {sha!r}, decision: {by}}}\n".replace("'", '"'))
    text = "schema: verify/digests/1\nassets:\n" + "".join(lines)
    repository.write("specs/protected.yaml", text)


def decide(repository: Repository, name: str, *governs: str, **front: object) -> None:
    text = decision(name, governs=list(governs), **front)
    repository.write(f"specs/decisions/{name}.md", text)


@pytest.fixture
def ruled(repository: Repository) -> Repository:
    repository.write("contracts/policy/frontier.yaml", FRONTIER)
    repository.write("rules/a.yaml", "tolerance: 1\n")
    repository.write("rules/b.yaml", "tolerance: 2\n")
    decide(repository, "DEC-0001", "rules/**")
    record(repository, a="DEC-0001", b="DEC-0001")
    repository.commit()
    return repository


@pytest.fixture
def judge(ruled: Repository, cli: Cli) -> Callable[[], Result]:
    def call() -> Result:
        ruled.commit()
        return cli("frontier", "HEAD~1..HEAD", "--repository", ruled.root)

    return call


def test_a_rule_changes_along_with_a_decision_about_it(
    ruled: Repository, judge: Callable[[], Result]
) -> None:
    ruled.write("rules/a.yaml", "tolerance: 50\n")
    decide(ruled, "DEC-0002", "rules/a.yaml")
    record(ruled, a="DEC-0002", b="DEC-0001")
    result = judge()
    assert result.code == 0, result.out


def weaker(repository: Repository) -> None:
    repository.write("rules/a.yaml", "tolerance: 50\n")


def test_a_rule_alone_is_denied(ruled: Repository, judge: Callable[[], Result]) -> None:
    weaker(ruled)
    result = judge()
    assert result.code == 1
    assert "rules/a.yaml changed: rules/**: they judge; no decision of this change" in result.out


def test_an_approval_under_a_decision_of_earlier_days_is_denied(
    ruled: Repository, judge: Callable[[], Result]
) -> None:
    weaker(ruled)
    record(ruled, a="DEC-0001", b="DEC-0001")
    result = judge()
    assert result.code == 1
    assert "denied   specs/protected.yaml changed" in result.out


@pytest.mark.parametrize("front", [{}, {"date": "2026-11-23"}, {"title": "All rules, again"}])
def test_a_decision_of_earlier_days_is_not_this_changes_whatever_is_edited_in_its_record(
    ruled: Repository, judge: Callable[[], Result], front: dict[str, str]
) -> None:
    """One word more under Residual risk made a record that governs every rule a new decision."""
    weaker(ruled)
    decide(ruled, "DEC-0001", "rules/**", **front)
    place = ruled.root / "specs/decisions/DEC-0001.md"
    ruled.write("specs/decisions/DEC-0001.md", place.read_text() + "\nOne word more.\n")
    record(ruled, a="DEC-0001", b="DEC-0001")
    result = judge()
    assert result.code == 1
    assert "denied   rules/a.yaml changed" in result.out


def test_a_decision_counts_in_the_change_that_puts_it_in_force(
    ruled: Repository, judge: Callable[[], Result]
) -> None:
    decide(ruled, "DEC-0002", "rules/a.yaml", status="proposed")
    decide(ruled, "DEC-0003", "specs/decisions/DEC-0002.md", status="proposed")
    ruled.commit()
    weaker(ruled)
    decide(ruled, "DEC-0002", "rules/a.yaml")
    record(ruled, a="DEC-0002", b="DEC-0001")
    assert "inside   rules/a.yaml changed" in judge().out


@pytest.mark.parametrize(
    ("governs", "front"),
    [
        (["rules/b.yaml"], {}),
        (["CLAIM-THING"], {}),
        (["rules/a.yaml"], {"status": "proposed"}),
        (["rules/a.yaml"], {"status": "deferred"}),
    ],
)
def test_an_unrelated_or_open_decision_allows_nothing(
    ruled: Repository, judge: Callable[[], Result], governs: list[str], front: dict[str, str]
) -> None:
    weaker(ruled)
    decide(ruled, "DEC-0002", *governs, **front)
    record(ruled, a="DEC-0002", b="DEC-0001")
    assert judge().code == 1


def test_a_decision_allows_only_what_is_recorded_under_it(
    ruled: Repository, judge: Callable[[], Result]
) -> None:
    weaker(ruled)
    decide(ruled, "DEC-0002", "rules/a.yaml")
    result = judge()
    assert result.code == 1
    assert "its digest is recorded under DEC-0001" in result.out


def test_a_record_of_another_rule_cannot_come_along(
    ruled: Repository, judge: Callable[[], Result]
) -> None:
    weaker(ruled)
    decide(ruled, "DEC-0002", "rules/a.yaml")
    ruled.write("rules/b.yaml", "tolerance: 100\n")
    record(ruled, a="DEC-0002", b="DEC-0001")
    result = judge()
    assert result.code == 1
    assert "denied   rules/b.yaml" in result.out
    assert "denied   specs/protected.yaml changed" in result.out
    assert "inside   rules/a.yaml" in result.out


def test_taking_a_rule_away_needs_a_decision(
    ruled: Repository, judge: Callable[[], Result]
) -> None:
    (ruled.root / "rules/a.yaml").unlink()
    record(ruled, b="DEC-0001")
    assert judge().code == 1
    ruled.git("reset", "-q", "--hard", "HEAD~1")
    (ruled.root / "rules/a.yaml").unlink()
    decide(ruled, "DEC-0002", "rules/a.yaml")
    record(ruled, b="DEC-0001")
    assert judge().code == 0


def test_a_rule_renamed_away_needs_a_decision(
    ruled: Repository, judge: Callable[[], Result]
) -> None:
    ruled.git("mv", "rules/a.yaml", "src/a.yaml")
    result = judge()
    assert result.code == 1
    assert "denied   rules/a.yaml renamed to src/a.yaml" in result.out


def test_a_record_that_stood_before_does_not_allow_its_own_change(
    ruled: Repository, judge: Callable[[], Result]
) -> None:
    """Caps that are emptied, a status that is settled: somebody else's decision has to say so."""
    decide(ruled, "DEC-0003", status="deferred", caps=["CLAIM-THING"], impact="nothing")
    text = (ruled.root / "specs/protected.yaml").read_text()
    ruled.commit()
    decide(ruled, "DEC-0003", status="accepted")
    assert (ruled.root / "specs/protected.yaml").read_text() == text
    result = judge()
    assert result.code == 1
    assert "denied   specs/decisions/DEC-0003.md changed" in result.out


# -- what HEAD is held against where nobody says --------------------------------------------------


def test_without_a_range_the_last_tag_is_the_base(repository: Repository, cli: Cli) -> None:
    repository.git("tag", "v1")
    repository.change("other/c.py", "changed\n")
    repository.change("src/a.py", "changed\n")
    result = cli("frontier", "--repository", repository.root)
    assert result.code == 1
    assert result.out.splitlines()[0].endswith(": the last tag, v1")
    assert "outside  other/c.py changed" in result.out


def test_a_tag_on_the_commit_itself_is_not_its_base(repository: Repository, cli: Cli) -> None:
    repository.change("other/c.py", "changed\n")
    repository.git("tag", "v1")
    result = cli("frontier", "--repository", repository.root)
    assert result.code == 1
    assert "the first parent, for want of a tag" in result.out


def test_a_commit_without_history_is_said_and_is_no_pass(repository: Repository, cli: Cli) -> None:
    result = cli("frontier", "--repository", repository.root)
    assert result.code == 3
    assert "HEAD has no parent here" in result.out


@pytest.mark.parametrize("command", [["frontier"], ["diff", "--pack"]])
def test_without_git_or_a_repository_nothing_is_called_a_commit_without_history(
    repository: Repository, cli: Cli, command: list[str], monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:  # fmt: skip
    """Exit code 3 let a workflow pass in which nothing was looked at."""
    repository.change("other/c.py", "changed\n")
    bare = tmp_path / "bare"
    bare.mkdir()
    result = cli(*command, "--repository", bare)
    assert (result.code, "git rev-parse failed: " in result.err) == (2, True)
    monkeypatch.setenv("PATH", str(bare))
    result = cli(*command, "--repository", repository.root)
    assert (result.code, "expected git, on the path" in result.err) == (2, True)
