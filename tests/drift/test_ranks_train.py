"""Several processes take the steps that one takes, and leave what one leaves."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

from contracts.common import small_run
from contracts.common.processes import each_process
from drift.config import load_template
from drift.data import DigitsSource
from drift.errors import DriftError
from drift.features import FeatureExtractor
from drift.ranks import ALONE, Ranks
from drift.ranks.processes import Elsewhere
from drift.state import checkpoint
from drift.state.record import rows
from drift.train import batch, build, run, step
from tests.drift.states import require_state

# RANKS-001 to 003 hold two processes, a resumed run and a shared error in every `verify run`.
pytestmark = pytest.mark.nightly

TEMPLATE = build.override(
    load_template("digits"),
    (
        *small_run.RUN,
        "optimizer.training_steps=6",
        "optimizer.warmup_steps=2",
        "loss.class_labels=3",
        "loss.generated=4",
        "loss.positives=3",
        "queue.global_capacity=37",
    ),
)
LOSS, GRADIENT = 1.0e-6, 1.0e-5  # relative: both add in another order


def begin(folder: Path, ranks: Ranks, **changed: Any) -> run.Run:
    """A run on digits whose generator is no longer at its start, where most gradients are zero."""
    extractor = FeatureExtractor(small_run.encoder(width=64), config=build.feature_config(TEMPLATE))
    options = run.RunOptions(folder=folder, window=2, checkpoint_every=3, ranks=ranks)
    options = dataclasses.replace(options, **changed)
    going = run.start(TEMPLATE, DigitsSource(), extractor, options, say=lambda text: None)
    if not options.resume:
        _stir(going)
    return going


def _stir(going: run.Run) -> None:
    """Parameters as of a later step: at first all samples are one, and Adam makes steps of the size
    of its rate out of the rounding of gradients that are zero."""
    drawn = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for name, parameter in going.state.generator.named_parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=drawn))
            for averaged in going.state.ema.values():
                averaged[name].copy_(parameter)


class Taken(NamedTuple):
    """What three steps give: figures and gradients of each, drawn labels, the state after them."""

    losses: list[float]
    gradients: list[dict[str, Tensor]]
    labels: list[Tensor]
    positives: list[Tensor]
    row: Mapping[str, Any]
    state: checkpoint.Checkpoint


def three_steps(folder: Path, ranks: Ranks, **changed: Any) -> Taken:
    going = begin(folder, ranks, **changed)
    generator = going.state.generator
    losses, gradients, drawn = [], [], []
    for _ in range(3):
        figures = going.step_once()
        losses.append(figures["loss"])
        named = generator.named_parameters()
        gradients.append({name: p.grad.clone() for name, p in named if p.grad is not None})
        gradients[-1]["norm before clipping"] = torch.tensor(figures["grad_norm"])
        assert going._last is not None
        drawn.append(going._last[0])
    return Taken(
        losses,
        gradients,
        [one.labels[: one.counted] for one in drawn],
        [one.positives[: one.counted] for one in drawn],
        going.row(figures, 3),
        going.snapshot(),
    )


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Taken:
    return three_steps(tmp_path_factory.mktemp("one") / "run", ALONE)


@pytest.fixture(
    scope="module",
    params=[
        pytest.param((2, 1), id="two, label by label"),
        pytest.param((4, None), id="four"),
        pytest.param((2, None), id="two"),
        pytest.param((3, 2), id="three, two labels a pass"),
    ],
)
def several(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> list[Taken]:
    """(processes, labels a pass): shares of two and one labels, of one each, and one of none."""
    world, labels = request.param
    folder = tmp_path_factory.mktemp("several") / "run"
    return each_process(world, lambda ranks: three_steps(folder, ranks, labels_per_pass=labels))


def test_losses_and_gradients_of_three_steps_are_those_of_one_process(
    one: Taken, several: list[Taken]
) -> None:
    for taken in several:
        assert taken.losses == pytest.approx(one.losses, rel=LOSS)
        for found, expected in zip(taken.gradients, one.gradients, strict=True):
            require_close(found, expected)


def test_what_is_drawn_does_not_depend_on_the_number_of_processes(
    one: Taken, several: list[Taken]
) -> None:
    for i in range(3):
        assert torch.equal(torch.cat([taken.labels[i] for taken in several]), one.labels[i])
        assert torch.equal(torch.cat([taken.positives[i] for taken in several]), one.positives[i])


def test_the_writer_has_the_whole_state(one: Taken, several: list[Taken]) -> None:
    """Parameters, averages and moments to rounding, queues and their places to the bit."""
    assert several[0].state.facts == one.state.facts
    require_state(several[0].state, one.state, rtol=1e-4, atol=1e-5)


def test_the_row_of_a_window_is_about_the_labels_of_all(one: Taken, several: list[Taken]) -> None:
    assert several[0].row.keys() == one.row.keys()
    assert several[0].row["alarms"] == one.row["alarms"]
    for name in one.row.keys() - {"alarms"}:
        value = one.row[name]
        assert several[0].row[name] == pytest.approx(value, rel=1e-4), name


def require_close(found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    """Each gradient relative to its own largest number."""
    assert found.keys() == expected.keys()
    off = {
        name: float((found[name] - value).abs().max() / value.abs().max().clamp_min(1e-20))
        for name, value in expected.items()
    }
    assert max(off.values()) <= GRADIENT, max(off.items(), key=lambda item: item[1])


def test_shares_of_any_size_give_one_gradient(tmp_path: Path) -> None:
    """Whoever has which labels of the batch: the loss and its gradient are the batch's."""
    sizes = ((1, 2, 0), (0, 0, 3), (3, 0, 0))
    whole = begin(tmp_path / "whole", ALONE)
    drawn = run.draw.draw_traced(whole.feed, TEMPLATE, seed=0, step=0).batch
    expected = gradients_of(whole, drawn)

    def own(ranks: Ranks) -> list[dict[str, Tensor]]:
        going = begin(tmp_path / "run", ranks)
        return [gradients_of(going, batch.share(drawn, one, ranks.rank)) for one in sizes]

    for found in each_process(3, own):
        for gradients in found:
            require_close(gradients, expected)


def gradients_of(going: run.Run, drawn: batch.StepBatch) -> dict[str, Tensor]:
    """The loss and the gradient of each parameter."""
    going.state.optimizer.zero_grad(set_to_none=True)
    loss, _ = step.gradients(going.state, drawn)
    named = going.state.generator.named_parameters()
    return {"loss": loss} | {name: p.grad.clone() for name, p in named if p.grad is not None}


# -- whole runs ------------------------------------------------------------------------------------


def carried_out(folder: Path, ranks: Ranks, **changed: Any) -> None:
    run.train(begin(folder, ranks, **changed), lambda window: None)


def last(folder: Path) -> checkpoint.Checkpoint:
    return checkpoint.read(checkpoint.path_of(folder / "checkpoints", 6))


def test_a_run_of_two_goes_on_with_one_and_with_four(tmp_path: Path) -> None:
    """Saved at two processes, resumed by others: the run that one process never interrupted."""
    carried_out(tmp_path / "whole", ALONE)
    two = tmp_path / "two"
    each_process(2, lambda ranks: carried_out(two, ranks))
    expected = last(tmp_path / "whole")
    for world in (1, 4):
        folder = tmp_path / f"resumed-{world}"
        (folder / "checkpoints").mkdir(parents=True)
        kept = checkpoint.path_of(Path("checkpoints"), 3)
        (folder / kept).write_bytes((two / kept).read_bytes())

        def resumed(ranks: Ranks, folder: Path = folder) -> None:
            carried_out(folder, ranks, resume=True)

        each_process(world, resumed) if world > 1 else resumed(ALONE)
        require_state(last(folder), expected, rtol=1e-3, atol=1e-4)
        steps = [row["step"] for row in rows(folder / "metrics" / "windows.jsonl")]
        assert steps == [4, 6]
    assert json.loads((two / "run_metadata.json").read_text())["processes"] == 2


def test_an_error_of_one_process_ends_all_and_is_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sample that one process cannot read; the writer records it, the others end with it."""
    folder = tmp_path / "run"

    def broken(ranks: Ranks) -> str:
        going = begin(folder, ranks)
        if ranks.rank == 1:
            source = going.feed.loader.source
            going.feed.loader.source = Unreadable(source)  # type: ignore[assignment]
        try:
            run.train(going, lambda window: None)
        except Elsewhere:
            return "elsewhere"
        except DriftError as error:
            return str(error)
        return "went on"

    found = each_process(3, broken)
    assert found == ["elsewhere", "a sample: found no such file; expected one", "elsewhere"]
    record = json.loads((folder / "run_metadata.json").read_text())
    assert record["status"] == "failed"
    assert "a sample: found no such file" in record["error"]
    assert record["latest_checkpoint"] == 0


class Unreadable:
    """A source whose samples are gone."""

    def __init__(self, source: Any) -> None:
        self.labels, self.shape = source.labels, source.shape

    def get(self, places: Tensor) -> Tensor:
        raise DriftError("a sample", found="no such file", expected="one")
