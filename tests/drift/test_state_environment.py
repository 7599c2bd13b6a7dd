"""What a run records of machine and code: measured, and never somebody else's."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from drift.state import environment


def test_rates_are_those_of_the_window_and_of_the_whole_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    meter = environment.Meter(40, images=8)  # a resumed run: 40 steps are another process's
    now[0] = 110.0
    assert meter.read(60) == {
        "steps_per_s": 2.0, "images_per_s": 16.0,
        "steps_per_s_mean": 2.0, "images_per_s_mean": 16.0,
    }  # fmt: skip
    now[0] = 120.0
    found = meter.read(70)
    assert (found["steps_per_s"], found["steps_per_s_mean"]) == (1.0, 1.5)
    assert (found["images_per_s"], found["images_per_s_mean"]) == (8.0, 12.0)


def test_the_code_digest_follows_contents_and_names_of_sources_and_templates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def digest() -> str:
        return environment.code_digest.__wrapped__()

    monkeypatch.setattr(environment, "ROOT", tmp_path)
    (tmp_path / "a.py").write_text("x = 1\n")
    first = digest()
    (tmp_path / "notes.txt").write_text("nothing that runs")
    assert digest() == first
    (tmp_path / "a.py").write_text("x = 2\n")
    changed = digest()
    (tmp_path / "a.py").rename(tmp_path / "b.py")
    renamed = digest()
    (tmp_path / "t.yaml").write_text("a: 1\n")
    assert len({first, changed, renamed, digest()}) == 4


def test_an_engine_inside_another_repository_has_no_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".git").mkdir()
    monkeypatch.setattr(environment, "ROOT", tmp_path / "venv" / "drift")
    assert environment._git_commit.__wrapped__() is None
    # a folder that only looks like a repository is none
    monkeypatch.setattr(environment, "ROOT", tmp_path / "drift")
    assert environment._git_commit.__wrapped__() is None


def test_the_commit_says_where_files_differ_from_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = {"rev-parse": "abc", "status": ""}
    (tmp_path / ".git").mkdir()
    monkeypatch.setattr(environment, "ROOT", tmp_path / "drift")
    monkeypatch.setattr(environment, "_git", lambda root, *words: answers[words[0]])
    assert environment._git_commit.__wrapped__() == "abc"
    answers["status"] = " M drift/loss.py"
    assert environment._git_commit.__wrapped__() == "abc+changes"


def test_memory_is_that_of_this_process() -> None:
    found = environment.memory("cpu")
    assert found["peak_accelerator_mib"] is None
    assert found["peak_resident_mib"] is not None
    assert 20 < found["peak_resident_mib"] < 100_000
