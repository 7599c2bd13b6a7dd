"""Evidence that could not be sealed is kept, says so, and is sealed by a command afterwards."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import verify.report.bundle as bundles
from verify.report.bundle import EVIDENCE, MANIFEST, RENDERED, check
from verify.report.unsealed import TORN

from .conftest import PATIENCE_S, Finished, MiniPack, clause
from .test_standalone import eventually_gone, sleepy, start  # noqa: F401 - a fixture


def only(folder: Path) -> Path:
    (found,) = folder.iterdir()
    return found


def test_a_disk_that_is_full_when_sealing_loses_no_evidence(
    mini: MiniPack, cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = bundles.write

    def full(path: Path, text: str) -> None:
        if path.name == "report.html":
            raise bundles.UsageError(f"{path}: found a place that cannot be written (No space)")
        real(path, text)

    with monkeypatch.context() as patched:
        patched.setattr(bundles, "write", full)
        result = cli("run", "--pack", mini.root)
    kept = only(Path("reports"))
    assert result.code == 2
    assert kept.name.startswith("unsealed-")
    assert f"verify bundle seal {kept}" in result.err
    sealed = cli("bundle", "seal", kept)
    assert sealed.code == 0, sealed.err
    assert "sealed: reports/" in sealed.out
    bundle = only(Path("reports"))
    assert not bundle.name.startswith("unsealed-")
    report = check(bundle)
    assert report.verdict.word == "GO"
    commands = (bundle / "commands.txt").read_text()
    assert commands.startswith("verify run"), "how the run was called, not how it was sealed"
    assert [claim.claim for claim in report.claims] == ["CLAIM-THING"]


def test_a_disk_that_fills_up_in_the_middle_keeps_what_was_found(
    mini: MiniPack, cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last line is cut; what follows the whole ones is kept beside them, and unknown."""
    mini.clauses += [clause(2), clause(3)]
    mini.save()
    writer = sys.modules["verify.run.evidence"].EvidenceWriter
    real = writer._append
    lines: list[str] = []

    def full(self, kind: str, data: dict) -> None:
        lines.append(kind)
        if lines.count("clause") == 2:
            self._file.write('{"data":{"id"')
            self._file.flush()
            raise OSError(errno.ENOSPC, "No space left on device")
        real(self, kind, data)

    with monkeypatch.context() as patched:
        patched.setattr(writer, "_append", full)
        assert cli("run", "--pack", mini.root, "--jobs", "1").code == 2
    kept = only(Path("reports"))
    result = cli("bundle", "seal", kept)
    assert result.code == 3, "an interrupted run is incomplete"
    bundle = only(Path("reports"))
    report = check(bundle)
    assert [(c.outcome, c.cause) for c in report.clauses].count(("unknown", "interrupted")) == 2
    assert report.verdict.passed == 1
    assert report.about["interrupted"] is True
    assert report.claims == [], "half a run supports no claim"
    assert (bundle / TORN).read_text() == '{"data":{"id"'


def test_a_second_interrupt_ends_at_once_and_keeps_the_evidence(sleepy: MiniPack) -> None:  # noqa: F811
    process = start(sleepy)
    child = int((sleepy.root / "note.txt").read_text().split()[1])
    process.send_signal(signal.SIGSTOP)  # both arrive together, before the run can end in order
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGCONT)
    process.communicate(timeout=PATIENCE_S)
    kept = only(sleepy.root / "reports")
    if kept.name.startswith((".partial-", "unsealed-")):
        done = subprocess.run(
            [sys.executable, "-m", "verify", "bundle", "seal", str(kept)],
            cwd=sleepy.root, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 3, done.stderr
        kept = only(sleepy.root / "reports")
    report = check(kept)
    assert report.clauses[0].outcome == "pass"
    assert report.about["interrupted"] is True
    assert eventually_gone([child])


def test_the_evidence_of_a_killed_run_can_be_sealed(sleepy: MiniPack) -> None:  # noqa: F811
    process = start(sleepy)
    refused = subprocess.run(
        [sys.executable, "-m", "verify", "bundle", "seal", str(only(sleepy.root / "reports"))],
        cwd=sleepy.root, capture_output=True, text=True,
    )  # fmt: skip
    assert refused.returncode == 2
    assert f"found a run that is going on (process {process.pid})" in refused.stderr
    process.kill()
    process.communicate(timeout=PATIENCE_S)
    os.kill(int((sleepy.root / "note.txt").read_text().split()[1]), signal.SIGKILL)
    done = subprocess.run(
        [sys.executable, "-m", "verify", "bundle", "seal", str(only(sleepy.root / "reports"))],
        cwd=sleepy.root, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 3, done.stderr
    report = check(only(sleepy.root / "reports"))
    assert [c.outcome for c in report.clauses] == ["pass", "unknown", "unknown"]


def test_a_second_termination_keeps_the_evidence_by_name_as_a_second_interrupt_does(
    sleepy: MiniPack,  # noqa: F811
) -> None:
    process = start(sleepy)
    process.send_signal(signal.SIGSTOP)  # both arrive together, before the run can end in order
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGCONT)
    said = process.communicate(timeout=PATIENCE_S)[1]
    kept = only(sleepy.root / "reports")
    assert kept.name.startswith(("unsealed-", "2"))
    assert kept.name.startswith("2") or f"bundle seal reports/{kept.name}" in str(said)


def left(sealed: Finished, tmp_path: Path) -> Path:
    """What a run that ended before its seal leaves behind."""
    folder = Path(shutil.copytree(sealed.bundle, tmp_path / "unsealed-x-1"))
    for name in (*RENDERED, MANIFEST):
        (folder / name).unlink()
    return folder


@pytest.mark.parametrize("name", ["commands.txt", "env.json", "mismatches/strange.bin", "x.txt"])
def test_nothing_is_sealed_that_the_check_of_bundles_would_refuse(
    sealed: Finished, tmp_path: Path, cli, name: str
) -> None:
    """A file of the run's own that is lost, or one that somebody put there."""
    folder = left(sealed, tmp_path)
    if (folder / name).exists():
        (folder / name).unlink()
    else:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("strange")
    before = sorted(folder.rglob("*"))
    result = cli("bundle", "seal", folder)
    assert result.code == 4
    assert f"{name}: found a file that the evidence does not know" in result.err
    assert sorted(folder.rglob("*")) == before, "left as it was"


def test_a_folder_in_the_way_of_a_seal_is_named(sealed: Finished, tmp_path: Path, cli) -> None:
    folder = left(sealed, tmp_path)
    (folder / ".report.html.tmp").mkdir()
    result = cli("bundle", "seal", folder)
    assert result.code == 4
    assert ".report.html.tmp: found an empty folder" in result.err


def test_a_place_that_is_full_from_the_start_is_left_as_it_was(
    mini: MiniPack, cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, text: str) -> None:
        raise bundles.UsageError(f"{path}: found a place that cannot be written (No space)")

    monkeypatch.setattr(bundles, "write", full)
    assert cli("run", "--pack", mini.root).code == 2
    assert list(Path("reports").iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_what_was_ignored_at_the_start_stays_ignored(
    mini: MiniPack, number: signal.Signals
) -> None:
    """`nohup verify run`, and a run in the background of a script."""
    mini.write(
        "contracts/bindings/loud.py",
        f"""
        import os, time
        from verify.api import check

        @check("loud.one")
        def one(ctx):
            os.kill(os.getppid(), {int(number)})
            time.sleep(0.3)
            return ctx.judge(0.0, "it goes on")
        """,
    )
    mini.clauses += [clause(2, check="loud.one")]
    mini.save()
    process = subprocess.run(
        [sys.executable, "-m", "verify", "run", "--jobs", "1", "--no-falsify"],
        cwd=mini.root, capture_output=True, text=True,
        preexec_fn=lambda: signal.signal(number, signal.SIG_IGN),
    )  # fmt: skip
    assert process.returncode == 3, process.stderr  # without falsifiers nothing is claimed
    report = check(only(mini.root / "reports"))
    assert report.about["interrupted"] is False
    assert [c.outcome for c in report.clauses] == ["pass", "pass"]


def test_a_folder_without_evidence_and_a_sealed_bundle_are_not_sealed(
    cli, tmp_path: Path, sealed: Finished
) -> None:
    result = cli("bundle", "seal", tmp_path)
    assert (result.code, "found no evidence.jsonl" in result.err) == (2, True)
    result = cli("bundle", "seal", sealed.bundle)
    assert (result.code, "found a sealed bundle" in result.err) == (2, True)


def test_edited_evidence_is_not_sealed(mini: MiniPack, cli, tmp_path: Path) -> None:
    cli("run", "--pack", mini.root)
    left = tmp_path / "unsealed-20260101T000000.1Z-1"
    left.mkdir()
    text = (only(Path("reports")) / EVIDENCE).read_text()
    (left / EVIDENCE).write_text(text.replace('"outcome":"pass"', '"outcome":"fail"', 1))
    assert cli("bundle", "seal", left).code == 4


@pytest.mark.parametrize("where", ["--reports", "--output"])
def test_a_path_that_is_not_utf8_is_no_reason_to_lose_a_run(mini: MiniPack, where: str) -> None:
    value = b"r\xff" if where == "--reports" else b"json=o\xff.json"
    process = subprocess.run(
        [sys.executable, "-m", "verify", "run", where, value],
        cwd=mini.root, capture_output=True, env={**os.environ, "PYTHONIOENCODING": "utf-8"},
    )  # fmt: skip
    assert process.returncode == 0, process.stderr
    reports = mini.root / (os.fsdecode(b"r\xff") if where == "--reports" else "reports")
    bundle = only(reports)
    check(bundle)
    assert "\\udcff" in (bundle / "commands.txt").read_text()
    if where == "--output":
        assert (mini.root / os.fsdecode(b"o\xff.json")).is_file()
