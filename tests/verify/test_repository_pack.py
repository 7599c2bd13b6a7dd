"""The pack of this repository is sound: `verify lint` has nothing to say about it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from verify.guard.globs import matches
from verify.guard.model import RECORD, Frontier
from verify.guard.protect import files_under, guard_of
from verify.spec.lint import lint
from verify.spec.pack import load

from .conftest import Result

ROOT = Path(__file__).parents[2]


def test_the_repository_pack_lints() -> None:
    loaded = load(ROOT)
    assert [str(problem) for problem in lint(loaded)] == []
    assert loaded.pack.clauses


def test_every_claim_rests_on_a_clause_and_every_clause_has_a_falsifier() -> None:
    pack = load(ROOT).pack
    assert all(claim.needs.clauses for claim in pack.claims)
    assert all(clause.falsifiers for clause in pack.clauses)


def test_the_installed_pack_is_found_from_anywhere(cli: Callable[..., Result]) -> None:
    """`verify` in an empty folder uses the pack that came with the installation."""
    result = cli("list", "--what", "subjects")
    assert result.code == 0, result.err
    assert "drift\tcontracts/subjects/" in result.out


def test_whatever_judges_is_under_protection_and_changes_only_by_decision() -> None:
    """Weaker tolerances, fewer falsifiers, other caps: each is a file whose digest is recorded."""
    loaded = load(ROOT)
    assets = guard_of(loaded).assets
    frontier = next(model for _, model in loaded.of(Frontier))
    records = files_under(loaded.root, ["specs/decisions/*.md"])
    for path in {*loaded.documents, *records} - {RECORD}:
        assert any(matches(asset.glob, path) for asset in assets), path
        held = [rule.glob for rule in (*frontier.decided, *frontier.deny)]
        assert any(matches(glob, path) for glob in held), path
