"""Checkpoints and logs: whole or not at all, and never mistaken for good."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest
import torch

from drift.state import CheckpointError, RunRecord, WindowLog, atomic, checkpoint
from drift.state.checkpoint import Checkpoint
from drift.state.record import rows, status_of


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
