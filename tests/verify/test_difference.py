"""`verify diff`: what two bundles found differently, and what was different about the runs."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from verify.report.difference import Change, compare

from .conftest import Finished, MiniPack, Result, clause, run_pack

Cli = Callable[..., Result]


@pytest.fixture
def two(mini: MiniPack, tmp_path: Path) -> Callable[..., tuple[Path, Path]]:
    """Bundles before and after a change of the pack."""

    def make(change: Callable[[MiniPack], Any], **options: Any) -> tuple[Path, Path]:
        before = run_pack(mini, tmp_path / "reports").bundle
        change(mini)
        return before, run_pack(mini, tmp_path / "reports", **options).bundle

    return make


def test_two_runs_of_the_same_thing_do_not_differ(
    two: Callable[..., tuple[Path, Path]], cli: Cli
) -> None:
    before, after = two(lambda pack: None)
    assert compare(before, after) == ()
    result = cli("diff", before, after)
    assert (result.code, result.out) == (0, "0 findings differ, 0 circumstances\n")


def test_a_changed_subject_shows_as_outcome_claim_and_digest(
    two: Callable[..., tuple[Path, Path]], cli: Cli
) -> None:
    before, after = two(
        lambda pack: pack.edit("contracts/bindings/thing.py", '"one": 1.0', '"one": 2.0')
    )
    result = cli("diff", before, after)
    assert result.code == 1
    lines = result.out.splitlines()
    assert lines[0] == "clause\tTHING-001\tpass 0.0 units\t-> fail 1.0 units\tbroken"
    assert lines[1] == "falsifiers\tTHING-001\t1/1 killed\t-> 0/0 killed"
    assert lines[2] == "claim\tCLAIM-THING\tallowed, tier C\t-> denied, tier none"
    assert lines[3].startswith("run\tdigest code\t")
    assert lines[-1] == "3 findings differ, 0 mended, 1 broken, 1 circumstances"


def test_a_measured_value_that_moved_within_its_tolerance_is_a_finding(
    two: Callable[..., tuple[Path, Path]],
) -> None:
    """Two values that print alike are still two values."""
    before, after = two(
        lambda pack: pack.edit("contracts/bindings/thing.py", '"one": 1.0', '"one": 1.0000001')
    )
    change = compare(before, after)[0]
    assert (change.name, change.before) == ("THING-001", "pass 0.0 units")
    assert change.after.startswith("pass 1.0000000")


def test_clauses_that_came_and_went(two: Callable[..., tuple[Path, Path]]) -> None:
    def swap(pack: MiniPack) -> None:
        pack.clauses = [clause(2)]
        pack.save()

    before, after = two(swap)
    changes = {(c.kind, c.name): (c.before, c.after) for c in compare(before, after)}
    assert changes["clause", "THING-001"] == ("pass 0.0 units", "-")
    assert changes["clause", "THING-002"] == ("-", "pass 0.0 units")


def test_circumstances_alone_are_no_finding(
    two: Callable[..., tuple[Path, Path]], cli: Cli
) -> None:
    before, after = two(lambda pack: None, seed=3, profile="quick")
    result = cli("diff", before, after)
    assert result.code == 0
    assert "run\tseed\t0\t-> 3" in result.out
    assert "run\tprofile\tdefault\t-> quick" in result.out


def test_diff_refuses_a_bundle_that_was_edited(sealed: Finished, tmp_path: Path, cli: Cli) -> None:
    spoiled = Path(shutil.copytree(sealed.bundle, tmp_path / "spoiled"))
    (spoiled / "env.json").write_text("{}")
    assert cli("diff", sealed.bundle, spoiled).code == 4
    assert cli("diff", sealed.bundle, tmp_path / "none").code == 2


# -- the page -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "before", "after", "group"),
    [
        ("clause", "pass 0.0", "fail 1.0", "regressed"),
        ("clause", "unknown", "pass 0.0", "mended"),
        ("clause", "-", "pass 0.0", "new"),
        ("clause", "pass 0.0", "-", "gone"),
        ("clause", "pass 0.0", "pass 0.1", "moved"),
        ("falsifiers", "2/2 killed", "1/2 killed, survived: x", "regressed"),
        ("falsifiers", "2/2 killed", "3/3 killed", "moved"),
        ("claim", "allowed, tier B", "allowed, tier C", "regressed"),
        ("claim", "denied, tier none", "allowed, tier C, bounded form", "mended"),
        ("mistake", "made", "not made", "mended"),
        ("run", "1", "2", "changed circumstances"),
    ],
)
def test_each_change_stands_under_its_heading(
    kind: str, before: str, after: str, group: str
) -> None:
    assert Change(kind, "x", before, after).group == group


def test_the_page_shows_what_is_worse_first(
    two: Callable[..., tuple[Path, Path]], cli: Cli, tmp_path: Path
) -> None:
    before, after = two(
        lambda pack: pack.edit("contracts/bindings/thing.py", '"one": 1.0', '"one": 2.0')
    )
    page = tmp_path / "page.html"
    assert cli("diff", before, after, "--output", f"html={page}").code == 1
    text = page.read_text(encoding="utf-8")
    assert "2 regressed, 0 mended, 0 new, 0 gone, 1 moved" in text
    order = [text.index(f'id="{name}"') for name in ("regressed", "moved", "changed-circumstances")]
    assert order == sorted(order)
    assert "<script" not in text
    assert cli("diff", before, after, "--output", "pdf=x").code == 2
