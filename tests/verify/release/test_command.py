"""`verify release` as its users call it: worker, files beside the bundle, and nothing published."""

from __future__ import annotations

import hashlib
import json
import shlex
import shutil
import socket
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from tests.verify.conftest import Result, git, in_process
from verify import clock
from verify.release.decide import decide
from verify.release.render import console, markdown
from verify.release.situation import artefact_of
from verify.report.model import ExitCode

from .conftest import RUN, Stage
from .test_flips import (
    a_number_on_the_card_is_edited,
    a_test_changed_since,
    no_record_of,
    nobody_signed,
)

Cli = Callable[..., Result]


@pytest.fixture
def cli(stage: Stage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """`verify ARGS` in this process, from the staged repository, with no network."""

    def refuse(*args: object, **options: object) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.chdir(stage.root)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    return in_process(monkeypatch, capsys)


def snapshot(folder: Path) -> dict[str, tuple[str, int]]:
    """Digest and time of change of every file."""
    return {
        path.relative_to(folder).as_posix(): (
            hashlib.sha256(path.read_bytes()).hexdigest(),
            path.stat().st_mtime_ns,
        )
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_a_release_is_go_and_leaves_git_and_the_network_alone(stage: Stage, cli: Cli) -> None:
    git(stage.root, "init", "-q")
    git(stage.root, "add", ".")
    git(stage.root, "commit", "-q", "-m", "one")
    before = snapshot(stage.root / ".git")
    result = cli("release", "model.safetensors")
    assert result.code == 0, result.out + result.err
    assert result.out.splitlines()[-1].startswith("GO: 17/17 engineering gates pass, 4/4 signed")
    assert snapshot(stage.root / ".git") == before


def test_only_the_verdict_is_written_beside_the_bundle(stage: Stage, cli: Cli) -> None:
    before = snapshot(stage.root)
    assert cli("release").code == 0
    after = snapshot(stage.root)
    added = sorted(set(after) - set(before))
    name = stage.situation().bundle
    assert name is not None
    assert added == [f"reports/{name.name}.release.{kind}" for kind in ("json", "md")]
    assert {path: after[path] for path in before} == before


def test_the_verdict_names_its_bundle_and_has_no_clock(stage: Stage, cli: Cli) -> None:
    (stage.root / "CHANGELOG.md").write_text("# Changelog\n")
    assert cli("release").code == 1
    paths = sorted(stage.reports.glob("*.release.*"))
    first = [path.read_bytes() for path in paths]
    for path in paths:
        path.unlink()
    assert cli("release").code == 1
    assert [path.read_bytes() for path in paths] == first
    said = json.loads(first[0])
    manifest = next(stage.reports.glob("[0-9]*/manifest.sha256"))
    assert said["bundle"]["manifest_sha256"] == hashlib.sha256(manifest.read_bytes()).hexdigest()
    assert said["verdict"]["word"] == "NO-GO"
    assert said["blockers"] == {"engineering": ["changelog", "version"], "maintainer": []}
    assert b"NO-GO" in first[1]
    assert str(stage.root).encode() not in b"".join(first)


def test_without_an_artefact_a_release_of_code_says_what_does_not_apply(
    stage: Stage, cli: Cli
) -> None:
    result = cli("release")
    assert result.code == 0
    assert "GO: 12/12 engineering gates pass, 4/4 signed, 5 not applicable" in result.out
    assert "not_applicable smoke-sample: a release of code; no artefact was given" in result.out


def test_without_an_artefact_a_release_of_artefacts_is_no_go(stage: Stage, cli: Cli) -> None:
    stage.pack.edit("contracts/policy/release.yaml", "releases: code", "releases: artefact")
    stage.seal("one", "two")
    result = cli("release")
    assert result.code == 3
    assert "unknown        smoke-sample: a release of an artefact, and none was given" in result.out


@pytest.mark.nightly
def test_two_artefacts_are_judged_each(stage: Stage) -> None:
    shutil.copy(stage.root / "model.safetensors", stage.root / "other.safetensors")
    found = replace(stage, artefacts=("model.safetensors", "other.safetensors")).decide()
    assert [one.label for one in found.results if one.open] == ["model-card (other.safetensors)"]
    assert found.exit_code is ExitCode.INCOMPLETE
    assert found.line.startswith("NO-GO: 21/22 engineering gates pass, 4/4 signed")


def test_a_name_made_to_be_pasted_into_a_shell_is_quoted(stage: Stage) -> None:
    name = "m`x`; rm -rf $HOME # GO.safetensors"
    shutil.copy(stage.root / "model.safetensors", stage.root / name)
    found = replace(stage, artefacts=(name,)).decide()
    (card,) = (one for one in found.results if one.open)
    assert shlex.split(card.close)[-1] == f"{Path(name).stem}.card.md"


def test_a_name_or_version_that_a_shell_would_obey_is_not_offered_to_it(stage: Stage) -> None:
    shutil.copy(stage.root / "model.safetensors", stage.root / "--out.safetensors")
    stage.pack.edit("thing/__init__.py", "0.1.0", "0; rm -rf x")
    found = replace(stage, artefacts=("--out.safetensors",)).decide()
    closing = {one.gate.id: one.close for one in found.results}
    assert "--out." not in closing["artefact-quality"]
    assert "'0; rm -rf x'" in closing["version"]


def test_a_name_with_a_line_break_forges_no_line(stage: Stage) -> None:
    name = "m\nGO: all fine\n# GO.safetensors"
    shutil.copy(stage.root / "model.safetensors", stage.root / name)
    found = replace(stage, artefacts=(name,)).decide()
    assert "\n# GO" not in markdown(found)
    assert "\nGO: all" not in markdown(found)
    # two headings, the gates, the command of the one that is open, the verdict
    assert len(console(found).splitlines()) == 2 + len(found.results) + 1 + 1


@pytest.mark.nightly
def test_one_flipped_bit_of_an_artefact_is_an_integrity_failure(stage: Stage, cli: Cli) -> None:
    path = stage.root / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    result = cli("release", "model.safetensors")
    assert result.code == 4
    assert "fail           artefact-integrity (model.safetensors)" in result.out
    assert "fail           model-card (model.safetensors)" in result.out


def test_a_missing_signature_is_conditional_and_can_be_let_pass(stage: Stage, cli: Cli) -> None:
    (stage.root / "signoffs.yaml").unlink()
    result = cli("release")
    assert result.code == 3
    assert result.out.splitlines()[-1].startswith("CONDITIONAL-GO: 12/12 engineering gates pass")
    assert cli("release", "--conditional-ok").code == 0
    (stage.root / "LICENSE").unlink()
    assert cli("release", "--conditional-ok").code == 3


def test_a_signature_is_added_and_keeps_the_others(stage: Stage, cli: Cli) -> None:
    (stage.root / "signoffs.yaml").unlink()
    words = ("--name", 'A "quoted": name', "--role", "maintainer", "--what", "it's done # really")
    for gate in ("legal-review", "publish-tag"):
        assert cli("release", "--sign", gate, *words).code == 0
    now = stage.situation()
    assert [one.gate for one in now.signatures] == ["legal-review", "publish-tag"]
    assert now.signatures[0].name == 'A "quoted": name'
    assert now.signatures[0].what == "it's done # really"


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--sign", "bundle", "--name", "n", "--role", "r", "--what", "w"), "only a maintainer's"),
        (("--sign", "nothing", "--name", "n", "--role", "r", "--what", "w"), "found 'nothing'"),
        (("--sign", "publish-tag", "--name", "", "--role", "r", "--what", "w"), "at least 1"),
        (("--sign", "publish-tag", "--name", " ", "--role", "r", "--what", "w"), "spaces alone"),
        (("--sign", "publish-tag", "--name", "a\nb", "--role", "r", "--what", "w"), "one line"),
        (("--name", "n"), "belong to --sign"),
        (("--record", "nothing"), "expected one of bundle"),
        (("--record", "licence"), "rests on no record"),
        (("absent.safetensors",), "found no file"),
    ],
)
def test_what_cannot_be_done_is_said_and_nothing_is_written(
    stage: Stage, cli: Cli, args: tuple[str, ...], said: str
) -> None:
    before = snapshot(stage.root)
    result = cli("release", *args)
    assert result.code == 2
    assert said in result.err
    assert snapshot(stage.root) == before


def test_without_a_bundle_nothing_is_written_and_nothing_passes_for_green(
    stage: Stage, cli: Cli
) -> None:
    shutil.rmtree(stage.root / "reports" / stage.situation().bundle.name)  # type: ignore[union-attr]
    result = cli("release")
    assert result.code == 3
    for gate in ("bundle", "parity", "decisions"):
        assert f"  unknown        {gate}: " in result.out
    assert not list(stage.reports.glob("*.release.*"))


def test_a_record_is_made_by_the_command_in_a_worker(stage: Stage, cli: Cli) -> None:
    (stage.reports / "records" / "speed-queue.json").unlink()
    result = cli("release", "--record", "speed-queue")
    assert result.code == 0, result.err
    assert "median ratio" in result.out
    assert cli("release").code == 0


CLOSED = {
    "tests": (a_test_changed_since, ()),
    "speed-loss": (no_record_of("speed-loss"), ()),
    "model-card": (a_number_on_the_card_is_edited, ()),
    "publish-tag": (nobody_signed("publish-tag"), ("NAME", "ROLE", "TEXT")),
}


MAINTAINED = ["legal-review", "independent-user", "publish-tag", "upload-weights"]


@pytest.mark.parametrize("day", [date(2027, 11, 29), date(2028, 2, 29), date(2099, 12, 31)])
def test_a_signature_counts_from_the_day_it_was_given(
    stage: Stage, cli: Cli, monkeypatch: pytest.MonkeyPatch, day: date
) -> None:
    (stage.root / "signoffs.yaml").unlink()
    monkeypatch.setattr(clock, "today", lambda: day)
    for gate in MAINTAINED:
        words = ("--name", "Nobody", "--role", "tester", "--what", "looked at it")
        assert cli("release", "--sign", gate, *words).code == 0
    signed_then = replace(stage.situation(), today=day)
    assert not [one.label for one in decide(signed_then, RUN).results if one.open]
    the_day_before = replace(signed_then, today=day - timedelta(days=1))
    assert [one.label for one in decide(the_day_before, RUN).results if one.open] == MAINTAINED


@pytest.mark.parametrize("gate", CLOSED)
def test_the_command_that_is_said_to_close_a_gate_closes_it(
    stage: Stage, cli: Cli, gate: str
) -> None:
    flip, blanks = CLOSED[gate]
    flip(stage)
    (one,) = (one for one in stage.decide().results if one.open)
    words = one.close.split()
    assert words[0] == "verify"
    assert set(blanks) <= set(words)
    assert cli(*words[1:]).code == 0
    assert [left.label for left in stage.decide().results if left.open] == []


def test_an_artefact_has_the_digest_of_its_bytes(stage: Stage) -> None:
    path = stage.root / "model.safetensors"
    assert artefact_of(path).sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
