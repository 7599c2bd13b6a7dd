"""`drift bench`: figures with their machine, and none of a kernel that is wrong."""

from __future__ import annotations

import json

import pytest
import torch
from click.testing import CliRunner
from torch import Tensor

from drift import bench, cli, pairs


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "SHAPES", ((2, 3, 4, 2, 5),))


def test_bench_prints_ratios_and_the_hardware_they_belong_to() -> None:
    result = CliRunner().invoke(cli.cli, ["bench", "loss", "--pairs", "2"], catch_exceptions=False)
    found = json.loads(result.output)
    assert found["schema"] == "drift-bench/1"
    assert found["hardware"].keys() >= {"processor", "cores", "threads", "torch"}
    (shape,) = found["shapes"]
    assert shape["B, G, P, N, S"] == [2, 3, 4, 2, 5]
    assert shape["floor_ms"] > 0.0
    assert shape["ratio_median"] > 0.0


def test_a_kernel_that_disagrees_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    original = pairs.side_sums

    def drifting(affinity: Tensor, repelling: int) -> tuple[Tensor, Tensor]:
        calls.append(1)
        sum_pos, sum_neg = original(affinity, repelling)
        return sum_pos * len(calls) * torch.arange(1, 4), sum_neg

    monkeypatch.setattr(pairs, "side_sums", drifting)
    with pytest.raises(bench.KernelError, match="plain, off by"):
        bench.loss(pairs=1)
