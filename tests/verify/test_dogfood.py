"""The first user's path: what fails is NO-GO, what could not be found out is WARN, never a pass."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from verify.dogfood import walk as walking
from verify.dogfood.model import DogfoodFile
from verify.outcome import Outcome
from verify.spec.pack import load

from .conftest import MiniPack

ROOT = Path(__file__).parents[2]
PAGE = """\
# A thing

Say `thing --version`, or

```sh
echo made && cat made.txt
env
```

```console
$ echo made > made.txt  # a comment
made
```
"""


def walked(root: Path, *steps: dict[str, Any], page: str = PAGE) -> list[walking.Walked]:
    (root / "project").mkdir(exist_ok=True)
    (root / "project/README.md").write_text(page)
    named = [{"name": f"s{i}", **step} for i, step in enumerate(steps)]
    path = DogfoodFile.model_validate_json(
        json.dumps({"schema": "verify/dogfood/1", "page": "README.md", "steps": named})
    )
    return list(walking.walk(path, root / "project", root / "place"))


def said(*runs: str) -> str:
    return "```sh\n" + "\n".join(runs) + "\n```\n"


def test_a_page_gives_its_code_lines_part_by_part_and_its_inline_code() -> None:
    assert walking.commands(PAGE) == {
        "thing --version", "echo made", "cat made.txt", "env", "echo made > made.txt", "made"
    }  # fmt: skip


def test_steps_follow_one_another_in_a_copy_and_change_nothing_of_the_project(
    tmp_path: Path,
) -> None:
    found = walked(tmp_path, {"run": "echo made > made.txt"},
                   {"run": "cat made.txt", "says": "^made$"})  # fmt: skip
    assert [one.outcome for one in found] == [Outcome.PASS, Outcome.PASS]
    assert walking.verdict(found) == "GO"
    assert sorted(path.name for path in (tmp_path / "project").iterdir()) == ["README.md"]


FAR = "echo NewConnectionError; exit 1"
CASES: dict[str, tuple[dict[str, Any], Outcome, str, str]] = {
    "fails": ({"run": "exit 7"}, Outcome.FAIL, "found exit code 7, expected 0", "NO-GO"),
    "fails on purpose": ({"run": "exit 7", "exit": 7}, Outcome.PASS, "", "GO"),
    "succeeds where it should not": ({"run": "true", "exit": 1}, Outcome.FAIL, "code 0", "NO-GO"),
    "says something else": ({"run": "echo NO-GO: x", "says": "^GO: "}, Outcome.FAIL, "no '^GO",
                            "NO-GO"),
    "is not on the page": ({"run": "echo other"}, Outcome.FAIL, "does not say this", "NO-GO"),
    "network refuses": ({"run": FAR, "network": True}, Outcome.UNKNOWN, "network", "WARN"),
    "no network needed": ({"run": FAR}, Outcome.FAIL, "exit code 1", "NO-GO"),
    "fetches what is not there": ({"run": "echo no such package; exit 1", "network": True},
                                  Outcome.FAIL, "exit code 1", "NO-GO"),
    "hangs": ({"run": "sleep 60", "minutes": 0.002}, Outcome.UNKNOWN, "not at its end", "WARN"),
    "hangs behind a child": ({"run": "sleep 60 & wait", "minutes": 0.002}, Outcome.UNKNOWN,
                             "not at its end", "WARN"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_step_and_what_comes_after_it(tmp_path: Path, case: str) -> None:
    step, outcome, because, verdict = CASES[case]
    runs = [] if case == "is not on the page" else [str(step["run"])]
    page = said("true", *runs) + "".join(f"`{run}`\n" for run in runs)
    found = walked(tmp_path, step, {"run": "true"}, page=page)
    assert found[0].outcome is outcome
    assert because in found[0].because
    assert found[1].outcome is (Outcome.PASS if outcome is Outcome.PASS else Outcome.UNKNOWN)
    assert walking.verdict(found) == verdict


def test_nothing_walked_is_no_go() -> None:
    assert walking.verdict([]) == "NO-GO"


def test_nothing_of_our_environment_is_there_but_how_packages_are_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", "/ours")
    monkeypatch.setenv("OUR_SECRET", "ours")
    monkeypatch.setenv("PIP_INDEX_URL", "https://packages.example")
    (found,) = walked(tmp_path, {"run": "env"})
    there = dict(line.partition("=")[::2] for line in found.tail.splitlines())
    assert {"PYTHONPATH", "OUR_SECRET", "VIRTUAL_ENV"} & there.keys() == set()
    assert there["PIP_INDEX_URL"] == "https://packages.example"
    assert there["HOME"] == str(tmp_path / "place/home")
    ways = there["PATH"].split(os.pathsep)
    assert ways[0] == str(tmp_path / "place/copy/.venv/bin")
    if sys.prefix != sys.base_prefix:
        assert not any(Path(way).is_relative_to(sys.prefix) for way in ways)


def test_only_what_is_under_version_control_is_delivered(tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "made.txt").write_text("kept")
    (project / "README.md").write_text(PAGE)
    git = ["git", "-C", str(project)]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "add", "README.md"], check=True)
    (found,) = walked(tmp_path, {"run": "cat made.txt"})
    assert found.outcome is Outcome.FAIL


def test_the_command_says_its_verdict_last_and_keeps_a_record(mini: MiniPack, cli: Any) -> None:
    mini.write("README.md", said("true", "exit 7", FAR))
    record = mini.root / "dogfood.json"

    def walk(*steps: dict[str, Any], more: tuple[str, ...] = ()) -> Any:
        named = [{"name": f"s{i}", **step} for i, step in enumerate(steps)]
        mini.data("contracts/policy/dogfood.yaml",
                  {"schema": "verify/dogfood/1", "page": "README.md", "steps": named})  # fmt: skip
        return cli("dogfood", "--pack", str(mini.root), *more)

    assert walk({"run": "true"}).code == 0
    found = walk({"run": "true"}, {"run": FAR, "network": True},
                 more=("--record", str(record), "--consumer", "somebody"))  # fmt: skip
    assert found.code == 3
    assert found.out.splitlines()[-1] == "WARN: 1/2 steps as README.md says"
    kept = json.loads(record.read_text())
    assert (kept["verdict"], kept["consumer"]) == ("WARN", "somebody")
    assert [step["outcome"] for step in kept["steps"]] == ["pass", "unknown"]
    again = walk({"run": "true"}, more=("--record", str(record)))
    assert again.code == 2
    found = walk({"run": "exit 7"})
    assert found.code == 1
    assert "independent consumer: none, the project itself" in found.out


def test_a_pack_without_a_path_is_told_so(mini: MiniPack, cli: Any) -> None:
    found = cli("dogfood", "--pack", str(mini.root))
    assert found.code == 2
    assert "found none; expected the path" in found.err


def test_every_command_of_our_own_path_is_on_our_page() -> None:
    ((_, path),) = load(ROOT).of(DogfoodFile)
    page = (ROOT / path.page).read_text(encoding="utf-8")
    assert {step.run for step in path.steps} <= walking.commands(page)


def test_without_git_all_but_what_programs_left_is_delivered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """git that is not there ended the walk; an environment of another name was copied whole."""
    root = tmp_path / "project"
    for name in ("env/pyvenv.cfg", "conda/conda-meta/history", "src/pyvenv.cfg.txt", "README.md"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("text\n")
    monkeypatch.setenv("PATH", str(tmp_path))
    walking.delivered(root, tmp_path / "copy")
    found = sorted(path.name for path in (tmp_path / "copy").rglob("*"))
    assert found == ["README.md", "pyvenv.cfg.txt", "src"]
