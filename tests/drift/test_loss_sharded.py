"""The loss over a process group is the loss of one process on all labels."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch.multiprocessing

HERE = Path(__file__).parent


def loaded() -> Any:
    """`sharded.py` by its path: the processes have to find it as well."""
    sys.path.insert(0, str(HERE))
    try:
        return importlib.import_module("sharded")
    finally:
        sys.path.remove(str(HERE))


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, float]]:
    """RANK/WORLD/CASE -> errors, of one launch of four processes."""
    folder = tmp_path_factory.mktemp("sharded")
    sharded = loaded()
    sys.path.insert(0, str(HERE))  # inherited by the spawned processes
    try:
        torch.multiprocessing.spawn(sharded.work, (str(folder),), nprocs=max(sharded.WORLDS))
    finally:
        sys.path.remove(str(HERE))
    return {
        f"rank {rank}, world {case}": errors
        for rank in range(max(sharded.WORLDS))
        for case, errors in json.loads((folder / f"{rank}.json").read_text("utf-8")).items()
    }


def test_all_processes_of_all_worlds_have_answered(found: dict[str, dict[str, float]]) -> None:
    semantics, dtypes, more = 2 + 5, 2, 2
    assert len(found) == (1 + 2 + 3 + 4) * (2 * semantics * dtypes + more)


@pytest.mark.parametrize(
    ("figure", "allowed"), [("loss", 1.0e-6), ("gradient", 1.0e-5), ("info", 1.0e-6)]
)
def test_shards_of_any_size_give_the_figures_of_the_whole_batch(
    found: dict[str, dict[str, float]], figure: str, allowed: float
) -> None:
    off = {case: errors[figure] for case, errors in found.items() if not errors[figure] <= allowed}
    assert not off


def test_two_collectives_whatever_the_number_of_features(
    found: dict[str, dict[str, float]],
) -> None:
    assert {errors["collectives"] for errors in found.values()} == {2}
