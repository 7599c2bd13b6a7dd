"""Many cycles of training, saving and sampling: nothing grows, and the files stay in order."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import torch

from contracts.common import small_run
from drift.sample import Sampler, cycled
from drift.state import checkpoint, record
from drift.train import pictures, run, step

pytestmark = pytest.mark.nightly
CYCLES, STEPS, SETTLED = 12, 8, 3


def started(folder: Path) -> run.Run:
    steps = f"optimizer.training_steps={CYCLES * STEPS}"
    return small_run.start(folder, steps, window=4, checkpoint_every=STEPS)


def held_bytes() -> int:
    """Of all tensors that something still refers to, each storage once."""
    gc.collect()
    # By type: to ask some objects for their class is to use what is deprecated.
    tensors = (one for one in gc.get_objects() if issubclass(type(one), torch.Tensor))
    storages = {one.untyped_storage().data_ptr(): one.untyped_storage().nbytes() for one in tensors}
    return sum(storages.values())


def soaked(folder: Path) -> tuple[run.Run, list[int]]:
    """A whole run with a picture and samples of each cycle -> bytes held after each."""
    one, found = started(folder), list[int]()
    drawn = pictures.Pictures(one)

    def listen(window: run.Window) -> None:
        drawn.show(window)
        if window.step % STEPS == 0:
            sampler = Sampler(one.state.generator, batch_size=8)
            assert sum(len(b.samples) for b in sampler.batches(cycled(range(10), 20), alpha=1.0,
                                                               seed=0)) == 20  # fmt: skip
            found.append(held_bytes())

    run.train(one, listen)
    return one, found


def grown(found: list[int]) -> int:
    """Bytes by which more is held at the end than once the first cycles had settled."""
    return max(found[SETTLED:]) - found[SETTLED]


def test_nothing_grows_and_every_file_is_there_once(tmp_path: Path) -> None:
    one, found = soaked(tmp_path)
    assert len(found) == CYCLES
    assert grown(found) == 0
    steps = [STEPS * number for number in range(CYCLES + 1)]
    assert checkpoint.steps(tmp_path / "checkpoints") == steps
    rows = record.rows(tmp_path / "metrics" / record.LOG)
    assert record.missing(rows, one.total_steps) == []
    assert [row["step"] for row in rows] == list(range(4, one.total_steps + 1, 4))
    pictured = sorted(path.stem for path in (tmp_path / "samples").glob("step-*.png"))
    assert pictured == [f"step-{row['step']:08d}" for row in rows]
    assert list(tmp_path.rglob(".*.tmp")) == []


@contextmanager
def leaking() -> Iterator[None]:
    """Every step keeps its batch for ever."""
    kept, real = list[Any](), step.train_step

    def leaks(state: Any, batch: Any) -> Any:
        kept.append(batch)
        return real(state, batch)

    with patch.object(step, "train_step", leaks):
        yield


def test_a_planted_leak_is_seen(tmp_path: Path) -> None:
    with leaking():
        _, found = soaked(tmp_path)
    assert grown(found) > 0
