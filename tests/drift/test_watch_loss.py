"""What the watch of the bare loss says, and that it is silent where nothing is wrong."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from drift.loss import drift_loss
from drift.watch import PATIENCE, SPAN, Watch

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def example() -> dict[str, Any]:
    """The example's names."""
    return runpy.run_path(str(ROOT / "examples/loss/actions.py"))


def cloud(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(len(shape) + sum(shape)))


def said(gen: Tensor, pos: Tensor) -> str:
    return " ".join(Watch()(drift_loss(gen, pos)[1], gen=gen, pos=pos))


def test_a_sound_call_is_passed_in_silence() -> None:
    assert said(cloud(4, 16, 8), cloud(4, 16, 8) + 1.0) == ""


@pytest.mark.parametrize(
    ("gen", "pos", "names"),
    [
        (lambda: cloud(4, 1, 8), lambda: cloud(4, 16, 8), "G = 1"),
        (lambda: cloud(4, 16, 8), lambda: cloud(4, 2, 8), "P = 2 positives"),
        (lambda: cloud(1, 16, 8), lambda: cloud(1, 16, 8), "B = 1"),
        (lambda: torch.ones(4, 16, 8), lambda: torch.ones(4, 16, 8), "do not differ"),
    ],
)
def test_each_thing_that_goes_wrong_is_named(
    gen: Callable[[], Tensor], pos: Callable[[], Tensor], names: str
) -> None:
    assert names in said(gen(), pos())


def test_figures_that_are_not_finite_are_named() -> None:
    assert "not finite" in " ".join(Watch()({"scale": torch.tensor(torch.nan)}))
    info = {"scale": torch.tensor(1.0), "loss_0.2": torch.tensor(torch.inf)}
    assert "the field at 0.2 is not finite" in " ".join(Watch()(info))


def test_a_thing_is_said_once() -> None:
    watch, info = Watch(), {"scale": torch.tensor(0.0)}
    assert [len(watch(info)) for _ in range(3)] == [1, 0, 0]


def remarks(field: Callable[[int], float]) -> list[str]:
    watch = Watch()
    found = []
    for call in range(2 * SPAN * (PATIENCE + 1)):
        found += watch({"scale": torch.tensor(1.0), "loss_0.2": torch.tensor(field(call))})
    return found


def test_a_field_that_stands_still_is_named_and_one_that_fell_is_not() -> None:
    assert "stands still" in " ".join(remarks(lambda call: 1.0 + 0.05 * (call % 2)))
    assert remarks(lambda call: max(0.5, 1.0 - call / 100)) == [], "fell, then its level"
    assert remarks(lambda call: 1.0 + call) == [], "still rising"


def test_a_generator_that_no_gradient_reaches_is_named() -> None:
    watch, pos = Watch(), cloud(4, 16, 8) + 1.0
    generator = torch.Generator().manual_seed(0)
    found: list[str] = []
    for _ in range(SPAN * (PATIENCE + 1)):
        gen = torch.randn(4, 16, 8, generator=generator)
        found += watch(drift_loss(gen, pos)[1], gen=gen, pos=pos)
    assert "stands still" in " ".join(found)


def test_the_example_keeps_both_ways_and_the_watch_is_silent(example: dict[str, Any]) -> None:
    policy, watch, found = example["train"](400)
    assert found == []
    with torch.no_grad():
        shares = example["sides"](policy(torch.randn(8, 500, example["NOISE"])))
    assert bool(((shares > 0.2) & (shares < 0.8)).all()), shares
    last = watch.fields["0.2"]
    assert last[-1] < 0.9 * max(last)


def test_the_loss_and_its_watch_need_torch_and_nothing_else() -> None:
    code = (
        "import sys, torch; before = set(sys.modules)\n"
        "import drift.loss, drift.field, drift.watch\n"
        "print(*{name.split('.')[0] for name in set(sys.modules) - before})"
    )
    import subprocess

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert set(done.stdout.split()) - set(sys.stdlib_module_names) == {"drift"}
