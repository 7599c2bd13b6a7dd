"""Files in a pack: none that looks like a part is passed over, none of an editor counts."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from verify.commands import common
from verify.guard.protect import State, approve, check, guard_of
from verify.spec.digests import digests

from .conftest import MiniPack, Result, clause, decision

Cli = Callable[..., Result]
OTHER = "schema: verify/contract/2\ncontract: OTHER\n"


@pytest.mark.parametrize(
    "place",
    [
        "contracts/OTHER.YAML", "contracts/other.Yaml", "contracts/other.yml", "contracts/o.YML",
        "contracts/deep/other.YAML", "contracts/other.yaml ", "specs/other.YML",
        "specs/facts/other.YAML", "specs/facts/deep/other.yaml", "contracts/Waivers.YAML",
    ],
)  # fmt: skip
def test_a_file_that_looks_like_a_part_of_the_pack_is_refused(mini: MiniPack, place: str) -> None:
    mini.write(place, OTHER)
    assert [(p.file, p.found) for p in mini.problems()] == [(place, "a file that nothing reads")]


@pytest.mark.parametrize(
    "name",
    ["DEC-0002.MD", "DEC-0002.markdown", "deep/DEC-0002.md", "DEC-0002.yaml", "DEC-0002.txt",
     "DEC-0002.md ", "DEC-0002.rst", "DEC-0002.md\n"],
)  # fmt: skip
def test_a_record_that_nothing_would_read_is_refused(mini: MiniPack, name: str) -> None:
    """A deferred decision in a file of another ending would cap nothing."""
    mini.write(f"specs/decisions/{name}", decision("DEC-0002", status="deferred"))
    (problem,) = mini.problems()
    assert problem.file == f"specs/decisions/{name}"
    assert problem.expected == "specs/decisions/*.md"


def litter(pack: MiniPack) -> None:
    """What editors leave beside files: dangling locks, backups, swap files, autosaves."""
    places = {
        "contracts": "thing.yaml", "specs": "authorities.yaml", "specs/facts": "thing.yaml",
        "specs/decisions": "DEC-0001.md", "contracts/bindings": "thing.py",
    }  # fmt: skip
    for folder, name in places.items():
        (pack.root / folder / f".#{name}").symlink_to("somebody@nowhere.1:1")
        for odd in (f"{name}~", f".{name}.swp", f"#{name}#", f".{name}.swo", ".DS_Store"):
            (pack.root / folder / odd).write_bytes(b"\0 neither text nor YAML: [")


def test_what_an_editor_leaves_stops_nothing_and_changes_no_digest(
    mini: MiniPack, cli: Cli
) -> None:
    mini.write("specs/decisions/DEC-0001.md", decision(evidence=["THING-001"]))
    before = digests(mini.load())
    litter(mini)
    assert mini.problems() == ()
    assert digests(mini.load()) == before
    assert cli("run", "--cached", "--pack", mini.root).code == 0
    assert cli("decisions", "lint", "--pack", mini.root).code == 0


def test_what_lies_in_hidden_folders_is_no_part_of_the_pack(mini: MiniPack) -> None:
    """Such as the copies that a notebook keeps: read, they would state every clause twice."""
    copies = {"contracts/thing.yaml": "contracts", "contracts/bindings/thing.py": "bindings"}
    for place, folder in copies.items():
        text = (mini.root / place).read_text("utf-8")
        mini.write(f"contracts/{folder}/.ipynb_checkpoints/{Path(place).name}", text)
        mini.write(f"contracts/.ipynb_checkpoints/{Path(place).name}", text)
    assert mini.problems() == ()


def test_a_protected_folder_open_in_an_editor_is_as_approved(mini: MiniPack) -> None:
    record = decision(evidence=["THING-001"], governs=["kept/**"])
    mini.write("specs/decisions/DEC-0001.md", record)
    mini.write("kept/thing.yaml", "kept\n")
    assets = [{"glob": "kept/**", "reason": "kept"}]
    mini.data("contracts/policy/protected.yaml", {"schema": "verify/protected/1", "assets": assets})
    approve(guard_of(mini.load()), ["kept/**"], "DEC-0001")
    (mini.root / "kept/.#thing.yaml").symlink_to("somebody@nowhere.1:1")
    mini.write("kept/thing.yaml~", "backup\n")
    assert {one.state for one in check(guard_of(mini.load()))} == {State.AS_APPROVED}


def test_hidden_code_still_changes_the_digest_of_the_code(mini: MiniPack) -> None:
    """Only what an editor makes is left out: a module may have any other name."""
    before = digests(mini.load())
    mini.write("contracts/bindings/.hidden.py", "VALUE = 1\n")
    assert digests(mini.load()) != before


@pytest.mark.parametrize(
    "command", [("lint",), ("list", "clauses"), ("protect",), ("decisions", "lint")]
)
def test_a_pack_that_is_neither_named_nor_here_is_said(
    mini: MiniPack, cli: Cli, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.setattr(common, "find_root", lambda start: start or mini.root)
    note = f"found no pack here; read the installed one, in {mini.root}; `verify init` makes one\n"
    assert note in cli(*command).err
    assert "note: found no pack" not in cli(*command, "--pack", mini.root).err
    monkeypatch.chdir(mini.root)
    assert "note: found no pack" not in cli(*command).err


def test_a_run_names_its_pack_and_subject(mini: MiniPack, cli: Cli) -> None:
    assert "\npack mini, subject thing\n" in cli("run", "--pack", mini.root).out


def test_a_scanner_finds_a_contract_below_the_repositorys_root(
    mini: MiniPack, cli: Cli, tmp_path: Path
) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    named = tmp_path / "with space"
    mini.root.rename(named)
    mini.root = named
    mini.clauses = [clause(tolerance={"value": 0.5, "basis": "half"}, sources=["book:thing.one"])]
    mini.edit("contracts/bindings/thing.py", '"one": 1.0', '"one": 3.0')
    cli("run", "--pack", named, "--output", f"sarif={tmp_path / 's.sarif'}")
    (run,) = json.loads((tmp_path / "s.sarif").read_text())["runs"]
    place = run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]
    assert place == {"uri": "with%20space/contracts/thing.yaml", "uriBaseId": "%SRCROOT%"}
    assert (tmp_path / "with space/contracts/thing.yaml").is_file()


@pytest.mark.parametrize("option", [("--reports", "r\udcff"), ("--output", "json=o\udcff.json")])
def test_a_name_that_is_not_utf8_costs_no_run(
    mini: MiniPack, cli: Cli, option: tuple[str, str]
) -> None:
    result = cli("run", "--pack", mini.root, *option)
    assert result.code == 0, result.err
    (bundle,) = Path().glob("*/2*")
    assert "\\udcff" in (bundle / "commands.txt").read_text("utf-8")
    assert cli("bundle", "check", bundle).code == 0
