"""`pytest --verify`: clauses beside tests, in a project of one's own."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from verify.cli import cli
from verify.harness import lint, run
from verify.problems import UsageError


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scaffolded pack with a test of its own."""
    folder = tmp_path_factory.mktemp("own") / "pack"
    assert CliRunner().invoke(cli, ["init", str(folder)]).exit_code == 0
    (folder / "test_own.py").write_text("def test_own():\n    assert True\n", encoding="utf-8")
    return folder


def sealed(project: Path) -> list[Path]:
    return list((project / "reports").glob("*/manifest.sha256"))


def pytest_in(folder: Path, *words: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", *words],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def test_clauses_are_items_beside_the_tests(project: Path) -> None:
    before = set(sealed(project))
    code, text = pytest_in(project, "--verify")
    assert code == 0, text
    passed = re.findall(r"contracts/\S+?\.yaml::(\S+) PASSED", text)
    report = run(project, reports=project / "reports")
    assert sorted(passed) == sorted(one.id for one in report.clauses if one.outcome == "pass")
    assert len(passed) >= 4
    assert "test_own.py::test_own PASSED" in text
    assert len(set(sealed(project)) - before) == 2


def test_without_the_option_nothing_is_collected(project: Path) -> None:
    code, text = pytest_in(project)
    assert code == 0, text
    assert ".yaml::" not in text


def test_a_clause_that_fails_says_what_where_and_how_to_look_again(project: Path) -> None:
    subjects = project / "contracts" / "subjects.py"
    sound = subjects.read_text(encoding="utf-8")
    try:
        subjects.write_text(sound.replace("factor = 25.4", "factor = 25.0"), encoding="utf-8")
        code, text = pytest_in(project, "--verify", "-k", "LENGTH-001")
    finally:
        subjects.write_text(sound, encoding="utf-8")
    assert code == 1
    assert "contracts/length/contract.yaml::LENGTH-001 FAILED" in text
    for part in ("1 inch: found 25.0 mm, expected 25.4 mm", "remedy: ", "verify replay LENGTH-001"):
        assert part in text


def test_a_pack_that_is_not_sound_stops_pytest_with_its_problems(tmp_path: Path) -> None:
    (tmp_path / "contracts").mkdir()
    (tmp_path / "contracts" / "pack.yaml").write_text("schema: nonsense\n", encoding="utf-8")
    code, text = pytest_in(tmp_path, "--verify")
    assert code == 4
    assert "pack.yaml" in text


def test_the_functions_refuse_what_cannot_be_asked(project: Path) -> None:
    assert lint(project) == []
    with pytest.raises(UsageError, match="found 'hasty'; expected one of quick, default, nightly"):
        run(project, profile="hasty")


def test_below_the_root_folder_it_is_the_same_pack_and_the_same_reports(project: Path) -> None:
    """In contracts/ was no pack, and with a settings file above it reports went to contracts/."""
    before = set(sealed(project))
    (project / "pytest.ini").write_text("[pytest]\n")
    try:
        for given in ([], ["."]):
            code, text = pytest_in(project / "contracts" / "length", "--verify", *given)
            assert code == 0, text
            assert "contract.yaml::LENGTH-001 PASSED" in text
    finally:
        (project / "pytest.ini").unlink()
    code, text = pytest_in(project / "contracts", "--verify")
    assert code == 0, text
    assert len(set(sealed(project)) - before) == 3
    assert not list((project / "contracts").rglob("reports"))
