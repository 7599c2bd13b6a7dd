"""The pack of this repository is sound: `verify lint` has nothing to say about it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

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
