"""The other commands: init, list, explain, schema, replay, diff, and the outputs of run."""

from __future__ import annotations

import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from verify.cli import COMMANDS
from verify.report import bundle as bundles
from verify.report.bundle import EVIDENCE, RENDERERS

from .conftest import SCAFFOLD, Finished, MiniPack, Result, clause, decision, git

Cli = Callable[..., Result]


def test_help_names_every_command_and_every_exit_code(cli: Cli) -> None:
    result = cli("--help")
    assert result.code == 0
    for name, line in [row for rows in COMMANDS.values() for row in rows.items()]:
        assert f"\n  {name} " in result.out
        assert " ".join(line.split()[:2]).rstrip(":,") in result.out
        assert cli(name, "--help").code == 0
    for code in range(6):
        assert f"\n    {code}  " in result.out


def test_help_and_lint_import_nothing_heavy(scaffold: MiniPack) -> None:
    """What makes a command slow is what it imports: these two stay lazy."""
    for arguments, barred in (
        (["--help"], ("pydantic", "yaml", "rich", "asyncio", "verify.spec")),
        (["lint", "--pack", str(scaffold.root)],
         ("rich", "asyncio", "hypothesis", "verify.run", "verify.report", "numpy", "torch")),
    ):  # fmt: skip
        code = (
            "import sys; from verify.cli import main\n"
            f"sys.argv = ['verify', *{arguments!r}]\n"
            "try: main()\n"
            "except SystemExit as end: assert not end.code, end.code\n"
            f"print([name for name in {barred!r} if name in sys.modules], file=sys.stderr)"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.stderr.strip().splitlines()[-1] == "[]", done.stderr


# -- init -----------------------------------------------------------------------------------------


def test_the_scaffold_passes_and_each_clause_goes_red_under_its_falsifier(cli: Cli) -> None:
    made = cli("init", "new")
    assert made.code == 0
    assert "next: verify run --pack new" in made.out
    assert cli("lint", "--pack", "new").code == 0
    result = cli("run", "--pack", "new", "--output", "json=report.json")
    assert result.code == 0
    report = json.loads(Path("report.json").read_text())
    assert [c["outcome"] for c in report["clauses"]] == ["pass"] * 5
    red = {(f["clause"], f["outcome"]) for f in report["falsifiers"]}
    assert red == {(c["id"], "fail") for c in report["clauses"]}
    (claim,) = report["claims"]
    assert claim["scope"] == "allowed"


def test_init_overwrites_nothing(cli: Cli) -> None:
    Path("specs").mkdir()
    Path("specs/mine.txt").write_text("mine")
    result = cli("init")
    assert result.code == 2
    assert "found specs already there; expected none of them" in result.err
    assert sorted(path.name for path in Path().iterdir()) == ["specs"]


def test_init_in_a_place_that_cannot_be_written(cli: Cli) -> None:
    Path("taken").write_text("")
    result = cli("init", "taken/below")
    assert result.code == 2
    assert "cannot be written (Not a directory)" in result.err


def test_init_that_fails_half_way_leaves_nothing(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    rename = Path.rename

    def once(self: Path, target: Path) -> Path:
        if self.name == "specs":
            raise OSError(28, "No space left on device")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", once)
    result = cli("init", "new")
    assert result.code == 2
    assert "No space left on device" in result.err
    assert list(Path("new").iterdir()) == []


def test_the_scaffold_s_own_documents_are_no_overclaims(cli: Cli) -> None:
    cli("init", "new")
    documents = [str(path) for path in Path("new").rglob("*.md")]
    found = cli("claims", *documents, "--pack", "new")
    assert documents
    assert "GO: 0 overclaims" in found.out


def test_the_installed_scaffold_holds_no_leftovers(cli: Cli) -> None:
    cli("init", "new")
    made = {path.relative_to("new").as_posix() for path in Path("new").rglob("*") if path.is_file()}
    kept = {path.relative_to(SCAFFOLD).as_posix() for path in SCAFFOLD.rglob("*.*")}
    written = {name for name in kept if "__pycache__" not in name}
    assert made == {*written, "specs/schema/contract-2.json"}
    assert Path("new/specs/schema/contract-2.json").read_text() == cli("schema").out


# -- list and explain -----------------------------------------------------------------------------


def test_list_prints_a_line_each(mini: MiniPack, cli: Cli) -> None:
    mini.clauses = [clause(1), clause(2, kind="property", tags=["law"])]
    mini.write("specs/decisions/DEC-0001.md", decision())
    mini.save()
    for arguments, lines in (
        ((), ["THING-001\tgolden\tmajor\tOne is one.", "THING-002\tproperty\tmajor\tOne is one."]),
        (("tag:law",), ["THING-002\tproperty\tmajor\tOne is one."]),
        (("kind:golden", "contract:THING"), ["THING-001", "THING-002"]),
        (("--what", "claims"), ["CLAIM-THING\tRight"]),
        (("--what", "facts"), ["book:thing.one\tone\t1.0\tp. 1"]),
        (("--what", "decisions"), ["DEC-0001\taccepted\t2026-01-01\tT"]),
        (("--what", "conflicts"), []),
        (("--what", "checks"), ["thing.one\tcontracts/bindings/thing.py:14"]),
        (("--what", "mutants", "thing.*"), ["thing.two_for_one\tcontracts/bindings/thing.py:19"]),
        (("--what", "subjects"), ["thing\tcontracts/bindings/thing.py:10"]),
    ):
        result = cli("list", *arguments, "--pack", mini.root)
        assert result.code == 0
        found = result.out.splitlines()
        assert len(found) == len(lines)
        assert all(map(str.startswith, found, lines)), result.out


@pytest.mark.parametrize("what", ["clauses", "claims", "checks"])
def test_list_says_so_when_a_pattern_matches_nothing(mini: MiniPack, cli: Cli, what: str) -> None:
    result = cli("list", "none-*", "--what", what, "--pack", mini.root)
    assert result.code == 3
    assert "'none-*' matches none of 1 " in result.err


def test_explain_tells_all_about_a_clause(mini: MiniPack, cli: Cli) -> None:
    entry = {"clause": "THING-001", "owner": "o", "reason": "r", "expires": "2030-01-01"}
    mini.data("contracts/waivers.yaml", {"schema": "verify/waivers/1", "waivers": [entry]})
    before = cli("explain", "THING-001", "--pack", mini.root)
    assert before.code == 0
    assert "evidence    none in reports; `verify run THING-001` produces it" in before.out
    cli("run", "--pack", mini.root)
    lines = cli("explain", "THING-001", "--pack", mini.root).out.splitlines()
    for line in (
        "THING-001  One is one.", "kind        golden, major, required",
        "stands in   contracts/thing.yaml:5", "budget      30 s, 4096 MB",
        "check       thing.one (contracts/bindings/thing.py:14)", "tolerance   0.5 units",
        "  basis     halfway to two", "  book:thing.one, p. 1: 1.0 (specs/facts/thing.yaml:6)",
        "  thing.two_for_one (contracts/bindings/thing.py:19)", "claims      CLAIM-THING",
        "waiver      by o until 2030-01-01: r", "remedy      Count again.",
        "  outcome   pass (judged), measured 0 units, falsifiers 1/1",
        "  because   one: found 1.0",
    ):  # fmt: skip
        assert line in lines, line


@pytest.mark.parametrize(
    ("name", "head", "line"),
    [
        ("thing.one", "check       thing.one (contracts/bindings/thing.py:14)", 5),
        ("thing.two_for_one", "mutant      thing.two_for_one (contracts/bindings/thing.py:19)", 5),
        ("book:thing.one", "topic       thing.one: one", 5),
        ("config.value", "mutant      config.value", None),
    ],
)
def test_explain_tells_which_clauses_and_claims_rest_on_a_name(
    mini: MiniPack, cli: Cli, name: str, head: str, line: int | None
) -> None:
    lines = cli("explain", name, "--pack", mini.root).out.splitlines()
    assert lines[0] == head
    if line is None:
        assert lines[-1] == "  clauses   none"
    else:
        assert f"    THING-001  contracts/thing.yaml:{line}  One is one." in lines
        assert lines[-1] == "  claims    CLAIM-THING"


def test_explain_tells_all_that_bears_one_name(mini: MiniPack, cli: Cli) -> None:
    """A check and a topic may be called the same."""
    lines = cli("explain", "thing.one", "--pack", mini.root).out.splitlines()
    assert "topic       thing.one: one" in lines
    assert "fact        book:thing.one, p. 1: 1.0 (specs/facts/thing.yaml:6)" in lines


def test_explain_of_a_name_that_nothing_has_names_the_nearest(mini: MiniPack, cli: Cli) -> None:
    result = cli("explain", "thing.two_for_onne", "--pack", mini.root)
    assert result.code == 3
    assert "did you mean thing.two_for_one?" in result.err


def test_explain_of_a_near_miss_names_the_likely_clause(mini: MiniPack, cli: Cli) -> None:
    for command in ("explain", "replay"):
        result = cli(command, "THING-01", "--pack", mini.root)
        assert result.code == 3
        assert "no clause 'THING-01'; did you mean THING-001?" in result.err


def test_explain_refuses_evidence_that_was_edited(mini: MiniPack, cli: Cli) -> None:
    cli("run", "--pack", mini.root)
    (evidence,) = Path("reports").glob(f"*/{EVIDENCE}")
    evidence.write_text(evidence.read_text().replace('"measured":0.0', '"measured":0.1'))
    assert cli("explain", "THING-001", "--pack", mini.root).code == 4


# -- schema ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["pack", "contract", "claims", "authorities", "facts", "conflicts"]
)
def test_the_printed_schema_accepts_the_scaffold_and_refuses_a_typo(cli: Cli, name: str) -> None:
    schema = json.loads(cli("schema", name).out)
    jsonschema.Draft202012Validator.check_schema(schema)
    files = [
        value
        for path in SCAFFOLD.rglob("*.yaml")
        if f"verify/{name}/" in (value := yaml.safe_load(path.read_text())).get("schema", "")
    ]
    assert files
    for value in files:
        jsonschema.validate(value, schema)
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**value, "titel": "typo"}, schema)


def test_the_schema_of_a_contract_refuses_what_lint_refuses(cli: Cli) -> None:
    schema = json.loads(cli("schema").out)
    whole = yaml.safe_load((SCAFFOLD / "contracts/length/contract.yaml").read_text())
    jsonschema.validate(whole, schema)
    for key in ("id", "statement", "check", "tolerance", "falsifiers", "remedy"):
        spoiled = yaml.safe_load(json.dumps(whole))
        del spoiled["clauses"][0][key]
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(spoiled, schema)


def test_report_and_decision_have_schemas_too(cli: Cli, sealed: Finished) -> None:
    report = json.loads((sealed.bundle / "report.json").read_text())
    jsonschema.validate(report, json.loads(cli("schema", "report").out))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**report, "verdict": {}}, json.loads(cli("schema", "report").out))
    assert "superseded_by" in json.loads(cli("schema", "decision").out)["properties"]


# -- run ------------------------------------------------------------------------------------------


def test_run_writes_every_format_that_is_asked_for(mini: MiniPack, cli: Cli) -> None:
    outputs = [f"--output={kind}=out.{kind}" for kind in RENDERERS]
    result = cli("run", "--pack", mini.root, *outputs)
    assert result.code == 0
    assert result.err == ""
    assert result.out.splitlines()[-1] == ("GO: 1/1 evaluated, 0 failed, 0 unknown, falsifiers 1/1")
    (bundle,) = Path("reports").iterdir()
    assert result.out.splitlines()[-2] == f"bundle {bundle}"
    for name, kind in bundles.RENDERED.items():
        assert Path(f"out.{kind}").read_text() == (bundle / name).read_text()
    ET.parse("out.junit")
    assert (bundle / "commands.txt").read_text().startswith("verify run --pack ")


def test_run_takes_selectors_of_every_kind(mini: MiniPack, cli: Cli) -> None:
    mini.clauses = [clause(1), clause(2, kind="property", tags=["law"]), clause(3, tags=["law"])]
    mini.claims[0]["needs"]["clauses"] = ["THING-003"]
    mini.save()
    for selectors, count in (
        (["THING-001"], 1), (["id:THING-00[12]"], 2), (["tag:law"], 2), (["kind:property"], 1),
        (["claim:CLAIM-*"], 1), (["contract:THING"], 3), (["THING-001", "claim:CLAIM-THING"], 2),
        ([], 3),
    ):  # fmt: skip
        result = cli("run", *selectors, "--pack", mini.root)
        assert f"GO: {count}/{count} evaluated" in result.out, selectors


def test_a_partial_run_does_not_support_a_claim_on_the_whole(mini: MiniPack, cli: Cli) -> None:
    mini.clauses = [clause(1), clause(2)]
    mini.save()
    result = cli("run", "THING-001", "--pack", mini.root)
    assert "DENIED CLAIM-THING: Right\n    THING-002 was not selected in this run" in result.out


def test_a_run_without_falsifiers_is_incomplete_and_supports_no_claim(
    mini: MiniPack, cli: Cli
) -> None:
    result = cli("run", "--no-falsify", "--pack", mini.root)
    assert result.code == 3
    assert "DENIED CLAIM-THING: Right\n    falsifiers of THING-001 did not run" in result.out
    assert result.out.endswith("NO-GO: 1/1 evaluated, 0 failed, 0 unknown, falsifiers 0/1\n")


def test_the_pack_is_found_in_the_working_directory(
    mini: MiniPack, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(mini.root)
    assert cli("lint").out.startswith(f"sound: pack mini ({mini.root}): 1 clauses")


# -- replay ---------------------------------------------------------------------------------------


def test_replay_runs_a_clause_here_and_prints_what_it_measured(mini: MiniPack, cli: Cli) -> None:
    result = cli("replay", "THING-001", "--pack", mini.root)
    assert result.code == 0
    assert result.out.splitlines() == [
        "THING-001: pass (judged)",
        "because   one: found 1.0",
        "measured  0 units, allowed 0.5 units",
    ]
    assert not Path("reports").exists()


def test_a_failing_clause_says_the_command_that_judges_it_again(mini: MiniPack, cli: Cli) -> None:
    mini.edit("contracts/bindings/thing.py", '"one": 1.0', '"one": 7.0')
    red = cli("run", "--pack", mini.root, "--seed", "3", "--profile", "quick", "THING-001")
    assert red.code == 1
    (again,) = (line.strip() for line in red.out.splitlines() if "again: " in line)
    words = again.removeprefix("again: ").split()
    assert words[:5] == ["verify", "replay", "THING-001", "--subject", "thing"]
    assert words[5:] == ["--profile", "quick", "--seed", "3"]
    replayed = cli(*words[1:], "--pack", mini.root)
    assert replayed.code == 1
    (reason,) = (line for line in replayed.out.splitlines() if line.startswith("because"))
    assert f"    {reason.removeprefix('because').strip()}" in red.out.splitlines()


def test_evidence_names_the_commit_and_what_differs_from_it(mini: MiniPack, cli: Cli) -> None:
    def about() -> dict[str, Any]:
        cli("run", "--pack", mini.root, "THING-001")
        newest = max(Path("reports").glob("[0-9]*"), key=lambda path: path.stat().st_mtime_ns)
        return json.loads((newest / "report.json").read_text())["about"]["repository"]

    assert about() == {"commit": None, "changed_files": None}
    for words in (("init", "-q"), ("add", "."), ("commit", "-qm", "all")):
        git(mini.root, *words)
    clean = about()
    assert len(clean["commit"]) == 40
    assert clean["changed_files"] == 0
    (mini.root / "new.txt").write_text("x")
    assert about() == {**clean, "changed_files": 1}


def test_replay_of_a_falsifier_is_good_when_it_turns_red(mini: MiniPack, cli: Cli) -> None:
    mutants = [{"thing.two_for_one": {"by": by}} for by in (1, 0.1)]
    mini.clauses = [clause(falsifiers=mutants)]
    mini.save()
    killed = cli("replay", "THING-001", "--mutant", "thing.two_for_one(by=1)", "--pack", mini.root)
    assert killed.code == 0
    assert "THING-001 under thing.two_for_one(by=1): fail (judged)" in killed.out
    label = "thing.two_for_one(by=0.1)"
    assert cli("replay", "THING-001", "--mutant", label, "--pack", mini.root).code == 1
    result = cli("replay", "THING-001", "--mutant", "thing.two_for_one", "--pack", mini.root)
    assert result.code == 2, "two falsifiers of this name"
    assert "expected one of thing.two_for_one(by=1); thing.two_for_one(by=0.1)" in result.err


def test_replay_finds_a_falsifier_by_the_name_of_its_mutant(mini: MiniPack, cli: Cli) -> None:
    arguments = ("--mutant", "thing.two_for_one", "--pack", mini.root)
    assert cli("replay", "THING-001", *arguments).code == 0


def test_replay_shows_details_files_and_the_whole_traceback(mini: MiniPack, cli: Cli) -> None:
    mini.write(
        "contracts/bindings/tell.py",
        """
        from verify.api import check

        @check("tell.wrong")
        def wrong(ctx):
            return ctx.decide(False, "so", details={"at": [0, 3]}, files={"got.txt": b"12345"})

        @check("tell.missing")
        def missing(ctx):
            return ctx.missing("not here")

        @check("tell.raises")
        def raises(ctx):
            raise ArithmeticError("planted")
        """,
    )
    mini.clauses = [
        clause(n, check=f"tell.{name}") for n, name in enumerate(("wrong", "missing", "raises"))
    ]
    mini.save()
    wrong = cli("replay", "THING-000", "--pack", mini.root)
    assert wrong.code == 1
    assert '"at": [\n' in wrong.out
    assert "file      got.txt, 5 bytes" in wrong.out
    assert cli("replay", "THING-001", "--pack", mini.root).code == 3
    raised = cli("replay", "THING-002", "--pack", mini.root)
    assert raised.code == 3
    assert "defect of verify" not in raised.err
    assert 'raise ArithmeticError("planted")' in raised.err


def test_many_claims_that_a_partial_run_did_not_ask_about_take_one_line(
    mini: MiniPack, cli: Cli
) -> None:
    mini.clauses = [clause(1), clause(2)]
    (first,) = mini.claims
    mini.claims = [first | {"id": f"CLAIM-THING-{n}"} for n in range(4)]
    mini.save()
    result = cli("run", "THING-001", "--pack", mini.root)
    names = " ".join(f"CLAIM-THING-{n}" for n in range(4))
    assert f"DENIED for want of clauses that were not selected: {names}" in result.out
    assert "THING-002 was not selected" not in result.out
