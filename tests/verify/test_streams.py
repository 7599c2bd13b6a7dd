"""A stream that is closed, full, gone or of another encoding changes no verdict and no file."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from verify import files
from verify.report.bundle import check

from .conftest import MiniPack

RED, GREEN = 1, 0


def call(folder: Path, redirect: str, *words: str, **environment: str) -> tuple[int, str]:
    """`verify WORDS` under a shell's redirection -> (exit code, what reached standard error)."""
    command = f'"{sys.executable}" -m verify {" ".join(words)} {redirect}'
    done = subprocess.run(
        command, shell=True, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        text=True, env={**os.environ, **environment},
    )  # fmt: skip
    return done.returncode, done.stderr


@pytest.mark.parametrize("redirect", [">&-", ">/dev/full", "2>&-", "2>/dev/full", "<&- >&- 2>&-"])
@pytest.mark.parametrize("wanted", [RED, GREEN])
def test_the_verdict_is_that_of_the_sealed_bundle(
    mini: MiniPack, redirect: str, wanted: int
) -> None:
    if wanted == RED:
        mini.edit("contracts/bindings/thing.py", '"one": 1.0', '"one": 3.0')
    code, err = call(mini.root, redirect, "run")
    assert code == wanted, err
    assert "Traceback" not in err
    (bundle,) = (mini.root / "reports").iterdir()
    assert check(bundle).verdict.exit_code == wanted
    assert ("No space left on device" in err) == (redirect == ">/dev/full")


def test_where_the_output_is_the_only_result_a_full_disk_is_no_success(mini: MiniPack) -> None:
    code, err = call(mini.root, "> /dev/full", "lint")
    assert (code, "standard output cannot be written (No space left" in err) == (3, True)
    assert "internal error" not in err


@pytest.mark.parametrize("redirect", ["2>&-", "2>/dev/full"])
def test_an_error_that_cannot_be_shown_keeps_its_code(mini: MiniPack, redirect: str) -> None:
    assert call(mini.root, redirect, "run", "NOTHING-1")[0] == 3
    assert call(mini.root, redirect, "run", "--frobnicate")[0] == 2


@pytest.mark.parametrize("encoding", ["latin-1", "ascii"])
def test_a_stream_of_another_encoding(mini: MiniPack, encoding: str) -> None:
    mini.clauses[0]["statement"] = "Zwei \N{RIGHTWARDS ARROW} drei \N{GREEK SMALL LETTER TAU}."
    mini.save()
    for words in (("run",), ("explain", "THING-001"), ("list",)):
        code, err = call(mini.root, "", *words, PYTHONIOENCODING=encoding)
        assert code == 0, err


@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOTSUP])
def test_a_file_system_without_a_sync_of_folders_is_good_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    real = os.fsync

    def fsync(descriptor: int) -> None:
        if Path(f"/proc/self/fd/{descriptor}").is_dir():
            raise OSError(code, os.strerror(code))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    files.write(tmp_path / "a", "text")
    assert (tmp_path / "a").read_text() == "text"
    monkeypatch.setattr(os, "fsync", lambda descriptor: (_ for _ in ()).throw(OSError(5, "I/O")))
    with pytest.raises(OSError, match="I/O"):
        files.write_bytes(tmp_path / "b", b"text")
    assert [path.name for path in tmp_path.iterdir()] == ["a"], "a real failure is one"


def test_a_link_is_followed_and_a_device_stays_a_device(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to("real")
    files.write(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "new"
    files.write(Path(os.devnull), "text")
    assert Path(os.devnull).is_char_device()
