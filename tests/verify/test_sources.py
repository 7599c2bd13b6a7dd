"""Digests of files that are asked for again and again within one process."""

from __future__ import annotations

import hashlib
import mmap
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from verify.spec import sources


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that counts at once as one that has been so for a while."""
    monkeypatch.setattr(sources, "RECENT_S", 0.0)
    found = tmp_path / "one"
    found.write_text("1")
    return found


def test_a_file_that_was_changed_and_given_its_old_time_is_read_again(path: Path) -> None:
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


def test_a_file_that_went_is_gone(path: Path) -> None:
    assert sources.digest_of(str(path)) == sha256("1")
    path.unlink()
    assert sources.digest_of(str(path)) == sources.GONE


def test_what_is_written_through_memory_is_seen_by_who_reads_now(path: Path) -> None:
    """While a page is dirty the dates of its file stand still."""
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 1) as memory:
        memory[:] = b"2"
        sources.digest_of(str(path))
        memory[:] = b"3"
        assert sources.digest_now(str(path)) == sha256("3")


def test_a_file_that_was_exchanged_while_it_was_read_is_not_known(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = path.with_name("other")
    other.write_text("2")
    read = sources._read
    with monkeypatch.context() as patched:
        patched.setattr(sources, "_read", lambda asked: read(str(other)))
        sources.digest_of(str(path))
    assert sources.digest_of(str(path)) == sha256("1")


@pytest.mark.parametrize("ask", [sources.digest_of, sources.digest_now])
def test_what_is_no_file_is_not_waited_for(tmp_path: Path, ask: Callable[[str], str]) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, Path("/dev/zero")):
        assert ask(str(path)) == sources.GONE


@pytest.mark.parametrize("below", ["lib/x.py", "/lib/x.py", "./lib/x.py", "lib//x.py", "lib/../x"])
def test_a_file_below_the_pack_is_named_from_there(tmp_path: Path, below: str) -> None:
    name = sources.name_of(f"{tmp_path}{os.sep}{below}", tmp_path)
    assert name == ("x" if ".." in below else "lib/x.py")
