"""Digests of files that are asked for again and again within one process."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from verify.spec import sources


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def test_a_file_that_was_changed_and_given_its_old_time_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "RECENT_S", 0.0)
    path = tmp_path / "one"
    path.write_text("1")
    before = path.stat()
    assert sources.digest_of(str(path)) == sha256("1")
    while path.stat().st_ctime_ns == before.st_ctime_ns:  # one tick of the file system's clock
        path.write_text("2")
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    assert sources.digest_of(str(path)) == sha256("2")


def test_a_file_that_was_changed_just_now_is_not_taken_for_its_state(tmp_path: Path) -> None:
    path = tmp_path / "one"
    for text in ("1", "2", "3"):
        path.write_text(text)
        assert sources.digest_of(str(path)) == sha256(text)


def test_a_file_that_went_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "RECENT_S", 0.0)
    path = tmp_path / "one"
    path.write_text("1")
    assert sources.digest_of(str(path)) == sha256("1")
    path.unlink()
    assert sources.digest_of(str(path)) == sources.GONE
