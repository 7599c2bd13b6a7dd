"""Each bad input has one clear message and the right exit code, through the command line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from verify.report import bundle as bundles
from verify.run.evidence import EvidenceWriter

from .conftest import MiniPack, Result, clause

Cli = Callable[..., Result]
CONTRACT = "contracts/thing.yaml"

ALIAS_BOMB = "\n".join(
    ["a0: &a0 [" + "x, " * 99 + "x]"]
    + [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}, *a{n - 1}, *a{n - 1}]" for n in range(1, 14)]
)


def refused(cli: Cli, pack: MiniPack) -> str:
    """The one message of a pack that lint and run refuse alike; nothing is left behind."""
    lint, run = cli("lint", "--pack", pack.root), cli("run", "--pack", pack.root)
    assert (lint.code, run.code) == (2, 2)
    assert lint.err == run.err
    assert lint.out == run.out == ""
    assert not Path("reports").exists(), "a pack that is wrong leaves no bundle"
    *problems, count = lint.err.strip().splitlines()
    assert count == "1 problem; nothing was run"
    (problem,) = problems
    return problem.removeprefix("verify: ")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", f"{CONTRACT}: found an empty file"),
        (b"# nothing\n", f"{CONTRACT}: found an empty file"),
        (b"\x7fELF\x02\x00\x00", f"{CONTRACT}: found a binary file (a zero byte at offset 5)"),
        (b"a: caf\xe9\n", f"{CONTRACT}: found a byte that is not UTF-8 at offset 6"),
        (b"schema: x\n\tclauses: []\n", f"{CONTRACT}:2:1: found a tab"),
        (b"a: 1\nb: 2\na: 3\n", f"{CONTRACT}:3:1: found the key 'a' a second time"),
        (b"a: &x\n  b: *x\n", f"{CONTRACT}:2:6: a.b: found *x inside itself"),
        (ALIAS_BOMB.encode(), "found more than 200000 values; expected at most 200000"),
        (b"a: " + b"[" * 100, "found a deeper nesting; expected at most 40 levels"),
        (b"- 1\n- 2\n", f"{CONTRACT}:1:1: found a list; expected a mapping with `schema`"),
        (b"just text\n", f"{CONTRACT}:1:1: found a str; expected a mapping with `schema`"),
        (b"a: {b: 1\n", "found text that is not YAML"),
        (b"schema: verify/contract/9\n", "schema: found 'verify/contract/9'; expected one of"),
        (b"title: x\n", "schema: found None; expected one of verify/pack/1"),
    ],
)  # fmt: skip
def test_a_contract_that_cannot_be_read(
    mini: MiniPack, cli: Cli, content: bytes, message: str
) -> None:
    (mini.root / CONTRACT).write_bytes(content)
    mini.claims.clear()
    (mini.root / "contracts/claims.yaml").unlink()
    assert message in refused(cli, mini)


@pytest.mark.parametrize("scalar", ["on", "1e-4", "2026-01-01", "017", "1:30"])
def test_an_implicit_type_in_a_contract(mini: MiniPack, cli: Cli, scalar: str) -> None:
    mini.edit(CONTRACT, "value: 0.5", f"value: {scalar}")
    problem = refused(cli, mini)
    assert f"clauses[0].tolerance.value: found the ambiguous scalar {scalar};" in problem
    assert problem.startswith(f"{CONTRACT}:12:12: ")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"severty": "major"}, "found the unknown key severty; expected one of also, axis,"),
        ({"statement": None}, "clauses[0].statement: found no statement; expected this key"),
        ({"statement": 5}, "clauses[0].statement: found 5; expected a text;"),
        ({"statement": ""}, 'clauses[0].statement: found ""; expected a text that is not empty;'),
        ({"required": "true"}, 'clauses[0].required: found "true"; expected a valid boolean;'),
        ({"required": 1}, "clauses[0].required: found 1; expected a valid boolean;"),
        ({"severity": "huge"}, "found \"huge\"; expected 'blocker', 'major' or 'minor';"),
        ({"kind": "magic"}, "found \"magic\"; expected 'config', 'property', 'golden'"),
        ({"id": "thing-1"}, 'clauses[0].id: found "thing-1"; expected a text that matches ^[A-Z]'),
        ({"sources": []}, "clauses[0].sources: found []; expected at least 1;"),
        ({"falsifiers": []}, "clauses[0].falsifiers: found []; expected at least 1;"),
        ({"falsifiers": None}, "clauses[0].falsifiers: found no falsifiers;"),
        ({"budget": {"seconds": 0}}, "clauses[0].budget.seconds: found 0; expected greater than 0"),
        ({"budget": {"seconds": 1.0e9}}, "expected less than or equal to 3600"),
        ({"budget": [1]}, "clauses[0].budget: found [1]; expected a mapping;"),
        ({"tolerance": {"basis": "b"}}, "expected state either `value` or `exact: true`"),
        ({"tolerance": {"value": 1, "exact": True, "basis": "b"}}, "state either `value` or"),
        ({"tolerance": {"value": -1.0, "basis": "b"}}, "expected greater than or equal to 0"),
        ({"tolerance": {"exact": True}}, "clauses[0].tolerance.basis: found no basis"),
        ({"kind": "metric"}, "`axis` belongs to metric clauses"),
        ({"axis": "proxy"}, "`axis` belongs to metric clauses"),
        ({"check": None}, "clauses[0].check: found no check; expected this key, here, in"),
        ({"kind": "config"}, "a config clause is one that has a `field`"),
        ({"tags": "one"}, 'clauses[0].tags: found "one"; expected a list;'),
    ],
)  # fmt: skip
def test_a_clause_of_the_wrong_shape(
    mini: MiniPack, cli: Cli, changes: dict[str, object], message: str
) -> None:
    mini.clauses = [clause(**changes)]
    problem = refused(cli, mini.save())
    assert problem.startswith(CONTRACT + ":")
    assert message in problem


def test_an_unknown_key_is_pointed_at_with_the_likely_meaning(mini: MiniPack, cli: Cli) -> None:
    mini.edit(CONTRACT, "severity: major", "severty: major")
    lint = cli("lint", "--pack", mini.root)
    assert f"{CONTRACT}:15:3: clauses[0].severty: found the unknown key severty" in lint.err
    assert "remedy: did you mean severity?" in lint.err


def test_fifty_megabytes(mini: MiniPack, cli: Cli) -> None:
    with (mini.root / "specs/facts/thing.yaml").open("ab") as file:
        file.truncate(50 << 20)
    expected = "specs/facts/thing.yaml: found 52428800 bytes; expected at most 1048576 bytes"
    assert expected in refused(cli, mini)


def test_a_pack_that_is_not_there(cli: Cli, tmp_path: Path) -> None:
    for command in ("lint", "run", "list"):
        result = cli(command, "--pack", tmp_path / "nowhere")
        assert result.code == 2
        assert "nowhere: found no contracts/pack.yaml; expected a folder that holds" in result.err


def test_a_template_that_is_missing(mini: MiniPack, cli: Cli) -> None:
    manifest = "columns: [A]\ntemplates: {A: templates/a.yaml}\n"
    with (mini.root / "contracts/pack.yaml").open("a") as file:
        file.write(manifest)
    assert "templates.A: found templates/a.yaml, which is missing" in refused(cli, mini)


@pytest.mark.parametrize("path", ["../outside.yaml", "/etc/passwd", "a/../../outside.yaml"])
def test_a_path_that_leaves_the_pack(mini: MiniPack, cli: Cli, path: str) -> None:
    (mini.root.parent / "outside.yaml").write_text("a: 1\n")
    with (mini.root / "contracts/pack.yaml").open("a") as file:
        file.write(f"code: ['{path}']\n")
    assert f"code[0]: found {path}, which leaves the pack" in refused(cli, mini)


@pytest.mark.parametrize(
    "relative",
    ["contracts/x.yaml", "specs/facts/x.yaml", "specs/decisions/DEC-0009.md",
     "contracts/bindings/x.py"],
)  # fmt: skip
def test_a_link_that_leaves_the_pack(mini: MiniPack, cli: Cli, relative: str) -> None:
    outside = mini.root.parent / "outside"
    outside.write_text("from verify.api import check\n")
    link = mini.root / relative
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(outside)
    assert refused(cli, mini).startswith(f"{relative}: found a link that leaves the pack;")


def test_a_link_to_itself(mini: MiniPack, cli: Cli) -> None:
    (mini.root / "contracts/x.yaml").symlink_to("x.yaml")
    assert "contracts/x.yaml: found" in refused(cli, mini)


def test_a_link_inside_the_pack_is_followed(mini: MiniPack, cli: Cli) -> None:
    (mini.root / "notes").mkdir()
    (mini.root / CONTRACT).rename(mini.root / "notes/thing.yaml")
    (mini.root / CONTRACT).symlink_to("../notes/thing.yaml")
    assert cli("lint", "--pack", mini.root).code == 0


@pytest.mark.parametrize(
    "relative",
    [
        "contracts/a/b/x.yaml",
        "contracts/a/x.yml",
        "contracts/x.yml",
        "specs/facts/a/x.yaml",
        "specs/x.yml",
    ],
)
def test_a_file_that_nothing_would_read(mini: MiniPack, cli: Cli, relative: str) -> None:
    mini.write(relative, "schema: verify/contract/2\n")
    assert refused(cli, mini).startswith(f"{relative}: found a file that nothing reads;")


def test_code_that_is_not_python_and_names_that_are_not_literal(mini: MiniPack, cli: Cli) -> None:
    path = "contracts/bindings/x.py"
    mini.write(path, "from verify.api import check\ndef (:\n")
    assert f"{path}:2: found text that is not Python" in refused(cli, mini)
    mini.write(path, "from verify.api import check\n\n@check('a.' + 'b')\ndef f(ctx): ...\n")
    assert f"{path}:3:2: f: found @check without a literal name" in refused(cli, mini)
    mini.write(path, "from verify.api import check\n\n@check('thing.one')\ndef f(ctx): ...\n")
    problem = refused(cli, mini)
    assert f"{path}:3: thing.one: found the check thing.one a second time" in problem
    assert "contracts/bindings/thing.py:" in problem


def test_all_errors_of_all_files_come_in_one_go(mini: MiniPack, cli: Cli) -> None:
    mini.edit(CONTRACT, "value: 0.5", "value: 1e-4")
    mini.edit(CONTRACT, "severity: major", "severity: major\n  severity: minor")
    mini.edit("specs/facts/thing.yaml", "at: p. 1", "at: on")
    mini.edit("specs/authorities.yaml", "role: cautionary", "role: enemy")
    mini.write("specs/decisions/DEC-0001.md", "no front matter\n")
    lint = cli("lint", "--pack", mini.root)
    assert lint.code == 2
    *lines, count = lint.err.removeprefix("verify: ").strip().splitlines()
    assert count == "5 problems; nothing was run"
    assert [line.split(" ")[0] for line in lines] == [
        f"{CONTRACT}:12:12:",
        f"{CONTRACT}:16:3:",
        "specs/authorities.yaml:16:9:",
        "specs/decisions/DEC-0001.md:1:1:",
        "specs/facts/thing.yaml:8:13:",
    ], "in the order of files and lines"


def test_a_selector_that_matches_nothing_is_not_a_pass(mini: MiniPack, cli: Cli) -> None:
    for selector in ("FIELD-*", "tag:none", "claim:CLAIM-NO", "contract:NO", "kind:metric"):
        result = cli("run", selector, "--pack", mini.root)
        assert result.code == 3
        assert f"selector {selector!r} matches none of 1 clauses" in result.err
    result = cli("run", "THING-*", "THING-9*", "--pack", mini.root)
    assert result.code == 3, "one empty selector among others is not a pass either"
    assert not Path("reports").exists()


def test_a_selector_of_an_unknown_family(mini: MiniPack, cli: Cli) -> None:
    for selector in ("colour:red", "kind:magic"):
        result = cli("run", selector, "--pack", mini.root)
        assert result.code == 2
        assert f"selector {selector!r}" in result.err


def test_a_report_directory_below_a_file(mini: MiniPack, cli: Cli) -> None:
    Path("taken").write_text("a file")
    result = cli("run", "--pack", mini.root, "--reports", "taken/reports")
    assert result.code == 2
    assert "taken/reports: found a place that cannot be written (Not a directory)" in result.err
    assert "remedy: pass --reports DIR" in result.err


def test_a_report_directory_without_permission(
    mini: MiniPack, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(self: Path, *args: object, **kwargs: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", denied)
    result = cli("run", "--pack", mini.root)
    assert result.code == 2
    assert "reports: found a place that cannot be written (Permission denied)" in result.err


def test_a_disk_that_fills_up_leaves_nothing_half_written(
    mini: MiniPack, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: EvidenceWriter, kind: str, data: dict[str, object]) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(EvidenceWriter, "_append", full)
    result = cli("run", "--pack", mini.root)
    assert result.code == 2
    assert "found a folder that cannot be written (No space left on device)" in result.err
    assert list(Path("reports").iterdir()) == []


def test_an_output_that_cannot_be_written(mini: MiniPack, cli: Cli) -> None:
    Path("taken").touch()
    for output, message in (
        ("pdf=x.pdf", "expected FORMAT=PATH with one of json, md, html, junit, sarif"),
        ("json", "expected FORMAT=PATH"),
        ("json=", "expected FORMAT=PATH"),
        ("json=taken/x.json", "--output: found taken, which cannot be made (File exists)"),
    ):
        result = cli("run", "--pack", mini.root, "--output", output)
        assert result.code == 2
        assert message in result.err
        assert not Path("reports").exists(), "found out before anything ran"
    Path("folder").mkdir()
    result = cli("run", "--pack", mini.root, "--output", "json=folder")
    assert result.code == 2
    assert "folder: found a place that cannot be written (Is a directory)" in result.err
    assert "GO: 1/1 evaluated" in result.out, "what the run found is told all the same"
    assert cli("run", "--pack", mini.root, "--output", "json=new/folder/x.json").code == 0
    assert Path("new/folder/x.json").is_file()


def test_unknown_names_and_options(mini: MiniPack, cli: Cli) -> None:
    assert cli("frobnicate").code == 2
    assert cli("run", "--jobs", "0", "--pack", mini.root).code == 2
    result = cli("run", "--subject", "other", "--pack", mini.root)
    assert result.code == 2
    assert "--subject: found 'other'; expected one of thing" in result.err


def test_a_defect_of_our_own_is_code_five_with_a_traceback(
    mini: MiniPack, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: object) -> None:
        raise ZeroDivisionError("planted")

    monkeypatch.setattr(bundles, "from_records", broken)
    result = cli("run", "--pack", mini.root)
    assert result.code == 5
    assert "ZeroDivisionError: planted" in result.err
    assert "this is a defect of verify, not of your pack" in result.err
    (kept,) = Path("reports").iterdir()
    assert kept.name.startswith("unsealed-"), "no .partial-* stays behind, and no evidence is lost"
    assert f"verify bundle seal {kept}" in result.err


@pytest.mark.parametrize(
    "command", [("run",), ("explain", "THING-001"), ("replay", "THING-001")], ids=" ".join
)
def test_a_folder_of_evidence_that_is_named_is_there(
    mini: MiniPack, cli: Cli, command: tuple[str, ...]
) -> None:
    """A typing error would else be a run without records, and only claims would miss them."""
    result = cli(*command, "--pack", mini.save().root, "--evidence", "evalutions")
    assert result.code == 2
    assert "--evidence evalutions: found no folder; expected the one that holds" in result.err
    assert not Path("reports").exists()
    assert cli(*command, "--pack", mini.root).code == 0
