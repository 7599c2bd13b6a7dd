"""Checkpoints and logs: whole or not at all, and never mistaken for good."""

from __future__ import annotations

import errno
import fcntl
import json
import os
from pathlib import Path

import pytest
import torch

from drift.errors import DriftError
from drift.state import CheckpointError, RunRecord, WindowLog, atomic, checkpoint
from drift.state.checkpoint import Checkpoint
from drift.state.record import rows, say_resumed, status_of


def a_checkpoint(step: int) -> Checkpoint:
    tensors = {
        "model/w": torch.full((3, 4), float(step)),
        "optimizer/step/w": torch.tensor(7.0),
        "queue/by_class/count": torch.arange(5),
        "empty": torch.zeros(0, 3),
    }
    return Checkpoint(step, tensors, {"seed": 1, "template": {"a.b": [1, 2.5]}, "position": 12})


def test_a_checkpoint_comes_back_exactly(tmp_path: Path) -> None:
    written = a_checkpoint(40)
    read = checkpoint.read(checkpoint.write(tmp_path, written))
    assert read.step == 40
    assert read.facts["position"] == 12
    assert set(read.tensors) == set(written.tensors)
    assert all(torch.equal(read.tensors[name], written.tensors[name]) for name in read.tensors)


def test_a_step_file_is_never_overwritten(tmp_path: Path) -> None:
    path = checkpoint.write(tmp_path, a_checkpoint(1))
    before = path.read_bytes()
    with pytest.raises(CheckpointError, match="already there"):
        checkpoint.write(tmp_path, a_checkpoint(1))
    assert path.read_bytes() == before


def test_any_single_bit_flip_is_found(tmp_path: Path) -> None:
    path = checkpoint.write(tmp_path, a_checkpoint(3))
    whole = path.read_bytes()
    for place in range(0, len(whole), 7):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << (place % 8)
        path.write_bytes(damaged)
        with pytest.raises(CheckpointError):
            checkpoint.read(path)


def test_any_truncation_is_found(tmp_path: Path) -> None:
    path = checkpoint.write(tmp_path, a_checkpoint(3))
    whole = path.read_bytes()
    for length in range(0, len(whole), 97):
        path.write_bytes(whole[:length])
        with pytest.raises(CheckpointError):
            checkpoint.read(path)


def test_the_newest_good_checkpoint_is_used_and_damaged_ones_are_named(tmp_path: Path) -> None:
    for step in (10, 20, 30):
        checkpoint.write(tmp_path, a_checkpoint(step))
    damaged = checkpoint.path_of(tmp_path, 30)
    damaged.write_bytes(damaged.read_bytes()[:-1])
    said: list[str] = []
    found = checkpoint.latest_good(tmp_path, said.append)
    assert found is not None
    assert found.step == 20
    assert len(said) == 1
    assert damaged.name in said[0]


def test_a_full_disk_leaves_no_file_and_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint.write(tmp_path, a_checkpoint(1))

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CheckpointError, match="No space left"):
        checkpoint.write(tmp_path, a_checkpoint(2))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000001.safetensors"]


def test_a_mismatch_names_the_differing_keys() -> None:
    kept = a_checkpoint(1)
    with pytest.raises(CheckpointError) as caught:
        checkpoint.require_same(kept, {"seed": 2, "template": {"a.b": (1, 3.5), "new": 1}})
    for words in ("seed: 1 in the checkpoint, 2 here", "a.b: [1, 2.5]", "new: None"):
        assert words in str(caught.value)


def test_lists_and_tuples_are_the_same_on_the_disk() -> None:
    checkpoint.require_same(a_checkpoint(1), {"seed": 1, "template": {"a.b": (1, 2.5)}})


def test_leftovers_of_killed_writers_are_swept(tmp_path: Path) -> None:
    (tmp_path / ".step-00000001.safetensors.123.tmp").write_bytes(b"half")
    atomic.sweep(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_row_cut_by_a_kill_is_dropped_and_later_rows_are_done_again(tmp_path: Path) -> None:
    log = WindowLog(tmp_path, after_step=0)
    for step in (10, 20, 30):
        log.append({"step": step})
    with log.path.open("a") as stream:
        stream.write('{"step": 4')
    assert [row["step"] for row in rows(log.path)] == [10, 20, 30]
    WindowLog(tmp_path, after_step=20)
    assert [row["step"] for row in rows(log.path)] == [10, 20]


GARBAGE = {
    "no JSON": b"garbage",
    "no object": b"[1]",
    "no step": b"{}",
    "a step that is no number": b'{"step": "30"}',
    "a step that is true": b'{"step": true}',
    "a doubled row": b'{"step": 20}',
    "no UTF-8": b"\xff\xfe",
    "zeros of a power cut": b"\0" * 64,
    "brackets without an end": b"[" * 100_000,
    "a figure that is no number": b'{"step": 30, "spread": NaN}',
    "an infinite figure": b'{"step": 30, "loss": -Infinity}',
    "a figure beyond a float": b'{"step": 30, "loss": 1e999}',
    "a number without an end": b'{"step": 30, "loss": ' + b"9" * 5_000 + b"}",
    "a figure twice": b'{"step": 5, "step": 30}',
    "a step that is a fraction": b'{"step": 30.0}',
    "a step before the first": b'{"step": -5}',
    "a step of 0": b'{"step": 0}',
    "a length that is no number": b'{"step": 30, "steps": "10"}',
    "nothing": b"",
    "UTF-16": '{"step": 30}'.encode("utf-16"),
}


@pytest.mark.parametrize("line", GARBAGE.values(), ids=GARBAGE)
def test_a_line_that_is_no_row_is_one_message_and_changes_nothing(
    tmp_path: Path, line: bytes
) -> None:
    log = tmp_path / "windows.jsonl"
    log.write_bytes(b'{"step": 10}\n{"step": 20}\n' + line + b'\n{"step": 40}\n')
    before = log.read_bytes()
    for wanted in (lambda: WindowLog(tmp_path, after_step=40), lambda: rows(log)):
        with pytest.raises(DriftError) as caught:
            wanted()
        assert f"{log}:3: found" in str(caught.value)
        assert len(str(caught.value)) < 600
    assert log.read_bytes() == before


def test_what_follows_a_row_that_is_done_again_is_done_again_too(tmp_path: Path) -> None:
    log = tmp_path / "windows.jsonl"
    log.write_bytes(b'{"step": 10}\n{"step": 20}\n{"step": 30}\ngarbage\n')
    WindowLog(tmp_path, after_step=20)
    assert log.read_bytes() == b'{"step": 10}\n{"step": 20}\n'


@pytest.mark.parametrize(
    ("name", "place"),
    [(name, "last") for name in GARBAGE]
    + [(name, "first") for name in GARBAGE if name != "a doubled row"],
)
def test_garbage_at_either_end_of_a_log_is_the_same_message(
    tmp_path: Path, name: str, place: str
) -> None:
    log, good, line = tmp_path / "windows.jsonl", b'{"step": 10}\n{"step": 40}\n', GARBAGE[name]
    log.write_bytes(line + b"\n" + good if place == "first" else good + line + b"\n")
    with pytest.raises(DriftError, match=rf"{log}:{1 if place == 'first' else 3}: found"):
        rows(log)


def test_a_row_of_a_step_far_off_hides_none_that_is_kept(tmp_path: Path) -> None:
    """The rows 20 and 30 were dropped without a word: they follow one that is done again."""
    log = tmp_path / "windows.jsonl"
    log.write_bytes(b'{"step": 10}\n{"step": 999999999}\n{"step": 20}\n{"step": 30}\n')
    before = log.read_bytes()
    with pytest.raises(DriftError, match=rf"{log}:3: found"):
        WindowLog(tmp_path, after_step=30)
    assert log.read_bytes() == before


@pytest.mark.parametrize(
    "wrong", [b"{}", b'{"spread": null}', b'{"spread": true}', b'{"spread": "1"}']
)
def test_a_row_without_a_figure_that_is_needed_is_no_row(tmp_path: Path, wrong: bytes) -> None:
    log = tmp_path / "windows.jsonl"
    log.write_bytes(b'{"step": 10, "spread": 1}\n' + b'{"step": 20, ' + wrong[1:] + b"\n")
    log.write_bytes(log.read_bytes().replace(b", }", b"}"))
    with pytest.raises(DriftError, match=rf"{log}:2: .*spread .*a number"):
        rows(log, needs=("spread",))


@pytest.mark.parametrize("kind", ["folder", "pipe", "dangling link", "loop"])
def test_a_log_that_is_no_file_is_one_message(tmp_path: Path, kind: str) -> None:
    log = tmp_path / "windows.jsonl"
    if kind == "folder":
        log.mkdir()
    elif kind == "pipe":
        os.mkfifo(log)
    else:
        log.symlink_to("windows.jsonl" if kind == "loop" else "nowhere")
    with pytest.raises(DriftError, match="found something that is no file"):
        WindowLog(tmp_path, after_step=10)


@pytest.mark.parametrize(
    ("kept", "lost"),
    [
        ([], "1 to 20"),
        ([5], "6 to 20"),
        ([5, 10, 20], "11 to 15"),
        ([10, 15, 20], "1 to 5"),
        ([5, 10, 15, 20], None),
    ],
)
def test_rows_that_are_lost_are_said_on_resume(
    tmp_path: Path, kept: list[int], lost: str | None
) -> None:
    """A log that was cut lost its rows without a word, and the curves had a hole."""
    log = WindowLog(tmp_path / "metrics", after_step=0)
    for step in kept:
        log.append({"step": step, "steps": 5})
    said: list[str] = []
    say_resumed(tmp_path, 20, said.append)
    assert said[0].startswith("resumed from step 20")
    assert [f"no row covers the steps {lost}" in one for one in said[1:]] == [True] * bool(lost)


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
    checkpoint.write(tmp_path, a_checkpoint(1))
    assert checkpoint.steps(tmp_path) == [1]


def test_a_failing_sync_of_a_folder_is_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fsync(descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OSError, match="Input/output"):
        atomic.sync_folder(tmp_path)


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOTSUP])
def test_a_file_system_without_locks_is_said_and_is_no_reason_to_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def flock(descriptor: int, operation: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", flock)
    said: list[str] = []
    with atomic.locked(tmp_path, said.append):
        pass
    assert len(said) == 1
    assert "a second process goes unnoticed" in said[0]


def test_a_link_stays_a_link_and_a_device_stays_a_device(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to("real")
    atomic.write_bytes(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"new"
    (tmp_path / "dangling").symlink_to("nowhere")
    for taken in ("real", "link", "dangling"):
        with pytest.raises(FileExistsError):
            atomic.write_bytes(tmp_path / taken, b"again", exclusive=True)
    with pytest.raises(FileExistsError):
        atomic.write_bytes(Path(os.devnull), b"bytes")


def test_a_run_whose_process_is_gone_is_stale(tmp_path: Path) -> None:
    record = RunRecord(tmp_path, {"seed": 0})
    record.update("running", step=3)
    assert status_of(tmp_path) == "running"
    facts = json.loads((tmp_path / "run_metadata.json").read_text())
    facts["pid"] = 2**22 + 1  # above the largest pid of Linux
    (tmp_path / "run_metadata.json").write_text(json.dumps(facts))
    assert status_of(tmp_path) == "stale"
    record.update("completed")
    assert status_of(tmp_path) == "completed"
    assert status_of(tmp_path / "nowhere") == "unknown"
