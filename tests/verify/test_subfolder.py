"""`verify` called below a pack's root: whose pack is read, and where bundles may lie."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from verify.spec import root as roots
from verify.spec.root import find_root

from .conftest import MiniPack, Result, new_pack

Cli = Callable[..., Result]


@pytest.fixture(autouse=True)
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MiniPack:
    """Another pack, which is the installed one."""
    other = new_pack(tmp_path / "installed").save()
    monkeypatch.setattr(roots, "installed_roots", lambda: iter([other.root]))
    return other


def test_below_a_pack_it_is_that_pack_and_not_the_installed_one(
    mini: MiniPack, installed: MiniPack, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a folder of one's own pack the verdict was about the pack that came with the harness."""
    below = mini.root / "docs" / "more"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    assert find_root(None) == mini.root
    done = cli("lint")
    assert f"({mini.root})" in done.out
    assert f"note: found no pack here; read the one above, in {mini.root}\n" in done.err
    monkeypatch.chdir(mini.root.parent)
    assert find_root(None) == installed.root


@pytest.mark.parametrize("place", ["contracts/bindings", "specs", "engine"])
def test_no_bundle_is_sealed_in_what_evidence_is_about(
    mini: MiniPack, cli: Cli, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """Each bundle there made every one before it, and itself, older than the code."""
    mini.write("engine/__init__.py", "")
    mini.edit("contracts/pack.yaml", "subject: thing", "subject: thing\ncode: [engine]")
    monkeypatch.chdir(mini.root / place)
    for command in ("run", "mutate"):
        done = cli(command)
        assert done.code == 2
        found = f"{mini.root / place / 'reports'}: found a place for reports inside "
        assert f"{found}{place.partition('/')[0]}, which evidence is about" in done.err
        assert not Path("reports").exists()
    assert cli("run", "--reports", mini.root / "reports").code == 0


def test_code_that_is_the_whole_folder_leaves_no_room_for_reports_in_it(
    mini: MiniPack, cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    mini.edit("contracts/pack.yaml", "subject: thing", 'subject: thing\ncode: ["."]')
    monkeypatch.chdir(mini.root)
    done = cli("run")
    assert (done.code, "inside ., which evidence is about" in done.err) == (2, True)
    assert "remedy: --reports DIR elsewhere, or fewer places under `code`" in done.err
    assert cli("run", "--reports", tmp_path / "elsewhere").code == 0
