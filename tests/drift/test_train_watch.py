"""In-run clauses: the first breach stops a run, says where, and a bypass follows the weights."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from contracts.common import small_run
from contracts.evaluation.protocol import PAPER_EVAL
from drift import sample
from drift.config import fingerprint
from drift.errors import DriftError
from drift.evaluate import records
from drift.queue import SampleQueue
from drift.sample.loading import NO_GATES
from drift.state import checkpoint
from drift.train import draw, run, watch
from drift.train.watch import Breach


def begin(folder: Path, **changed: Any) -> run.Run:
    return small_run.start(folder, **{"window": 2, "checkpoint_every": 2, **changed})


def quiet(window: run.Window) -> None:
    """Nobody looks."""


def metadata(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "run_metadata.json").read_text())
    return found


def stopped(started: run.Run, clause: str, listen: Callable[[run.Window], None] = quiet) -> Breach:
    with pytest.raises(Breach) as caught:
        run.train(started, listen)
    assert caught.value.clause == clause
    assert f"in-run clause {clause} ({watch.NAMES[clause]})" in str(caught.value)
    recorded = metadata(started.options.folder)
    assert recorded["status"] == "failed"
    assert clause in recorded["error"]
    return caught.value


def test_a_sound_run_names_what_was_checked(tmp_path: Path) -> None:
    run.train(begin(tmp_path / "run"), quiet)
    recorded = metadata(tmp_path / "run")
    assert recorded["status"] == "completed"
    assert recorded["in_run"] == {"checked": list(watch.NAMES), "bypassed": []}


def test_labels_that_slip_by_one_before_the_queue_stop_the_first_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = SampleQueue.push

    def slipped(self: SampleQueue, samples: Tensor, labels: Tensor) -> None:
        original(self, samples, labels.roll(1))

    monkeypatch.setattr(SampleQueue, "push", slipped)
    breach = stopped(begin(tmp_path / "run"), watch.LABELS)
    assert breach.step == 0
    assert "in the source, among the positives of class" in str(breach)
    assert "The last good checkpoint is that of step 0." in str(breach)


def test_samples_in_another_order_than_their_labels_are_found_by_reading_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = SampleQueue.push

    def reordered(self: SampleQueue, samples: Tensor, labels: Tensor) -> None:
        original(self, samples.flip(0) if samples.ndim == 4 else samples, labels)

    monkeypatch.setattr(SampleQueue, "push", reordered)
    assert "that is not sample" in str(stopped(begin(tmp_path / "run"), watch.LABELS))


def test_an_optimiser_that_holds_the_encoder_stops_before_the_first_checkpoint(
    tmp_path: Path,
) -> None:
    started = begin(tmp_path / "run")
    started.state.optimizer.add_param_group(
        {"params": list(started.state.extractor.encoder.parameters())}
    )
    assert "in the optimiser" in str(stopped(started, watch.FROZEN))
    assert checkpoint.steps(tmp_path / "run" / "checkpoints") == []


def test_an_encoder_that_moves_is_found_at_the_next_window_and_never_saved(tmp_path: Path) -> None:
    started = begin(tmp_path / "run")

    def nudge(window: run.Window) -> None:
        with torch.no_grad():
            next(iter(started.state.extractor.encoder.parameters())).add_(1.0e-3)

    breach = stopped(started, watch.FROZEN, nudge)
    assert "other values in encoder." in str(breach)
    assert "The last good checkpoint is that of step 0." in str(breach)


def test_one_value_that_the_samples_miss_is_found_before_it_is_saved(tmp_path: Path) -> None:
    started = begin(tmp_path / "run")
    tensors = dict(started.state.extractor.named_parameters())
    name = max(tensors, key=lambda name: tensors[name].numel())
    assert tensors[name].numel() > 2 * watch.SAMPLED

    def touch(window: run.Window) -> None:
        tensors[name].detach().flatten()[1].add_(1.0)

    breach = stopped(started, watch.FROZEN, touch)
    assert "an encoder of digest" in str(breach)
    assert breach.step == 2
    assert checkpoint.steps(tmp_path / "run" / "checkpoints") == [0]


def test_a_gradient_for_the_encoder_is_a_breach(tmp_path: Path) -> None:
    started = begin(tmp_path / "run")
    first = next(iter(started.state.extractor.encoder.parameters()))
    first.requires_grad_(True)
    assert "a gradient for" in str(stopped(started, watch.FROZEN))


def test_an_underfilled_queue_stops_the_step_that_draws_from_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(draw, "warm_up", lambda feed, template: draw.push(feed, 16))
    breach = stopped(begin(tmp_path / "run"), watch.STRICT)
    assert "holds" in str(breach)
    assert "at least 4 in every class" in str(breach)


def test_queues_that_repeat_samples_are_not_strict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = SampleQueue.__init__

    def loose(self: SampleQueue, classes: int, capacity: int, *, strict: bool = True) -> None:
        original(self, classes, capacity, strict=False)

    monkeypatch.setattr(SampleQueue, "__init__", loose)
    assert "queues that repeat samples" in str(stopped(begin(tmp_path / "run"), watch.STRICT))


def test_a_bypassed_check_lets_the_run_go_on_and_demotes_its_numbers_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = SampleQueue.push
    with monkeypatch.context() as patched:
        patched.setattr(
            SampleQueue,
            "push",
            lambda self, samples, labels: original(self, samples, labels.roll(1)),
        )
        run.train(begin(tmp_path / "run", bypass_checks=(watch.LABELS,)), quiet)
    assert metadata(tmp_path / "run")["in_run"]["bypassed"] == [watch.LABELS]
    assert metadata(tmp_path / "run")["tier"] == "none"
    said = "gates bypassed: in-run clause TRAIN-009 (true labels) not checked"
    assert sample.load(tmp_path / "run").origin.bypasses == (said,)
    # and through a resume that checks everything again
    checkpoint.path_of(tmp_path / "run" / "checkpoints", 4).unlink()
    resumed = begin(tmp_path / "run", resume=True)
    assert resumed.facts["diagnostic"] == [said]
    stopped(resumed, watch.LABELS)  # the queues that were saved hold what nobody checked
    assert metadata(tmp_path / "run")["in_run"]["bypassed"] == []
    assert metadata(tmp_path / "run")["tier"] == "none"
    # and into a run that starts from these weights
    heir = begin(tmp_path / "heir", model_from=tmp_path / "run")
    assert said in heir.facts["diagnostic"]


def test_a_bypassed_check_leaves_axis_smoke_and_no_tier() -> None:
    bypasses = tuple(watch.bypasses([watch.FROZEN]))
    facts = dataclasses.replace(PAPER_EVAL, bypasses=bypasses)
    axis, _ = records.axis_of(facts)
    assert (axis, records.tier_of(facts, axis)) == (records.SMOKE, "none")


def test_a_faithful_run_that_asked_no_gates_says_so_wherever_its_weights_go(
    tmp_path: Path,
) -> None:
    started = begin(tmp_path / "run")
    faithful = started.template.model_copy(update={"fidelity": "faithful"})
    assert run._bypasses(started.template, started.options) == []
    assert run._bypasses(faithful, started.options) == [NO_GATES]
    gates = {"fidelity": "faithful", "fingerprint": fingerprint(faithful)}
    asked = dataclasses.replace(started.options, labels={"gates": gates})
    assert run._bypasses(faithful, asked) == []


def test_bypassed_gates_stay_with_the_weights_through_a_resume(tmp_path: Path) -> None:
    labels = {"gates": {"fidelity": "faithful", "bypass": "no evidence yet"}, "tier": "none"}
    run.train(begin(tmp_path / "run", labels=labels), quiet)
    checkpoint.path_of(tmp_path / "run" / "checkpoints", 4).unlink()
    run.train(begin(tmp_path / "run", resume=True), quiet)
    assert sample.load(tmp_path / "run").origin.bypasses == ("gates bypassed: no evidence yet",)


@pytest.mark.parametrize("clause", [watch.FINITE, watch.STRICT, "TRAIN-001", "labels"])
def test_other_clauses_cannot_be_bypassed(tmp_path: Path, clause: str) -> None:
    with pytest.raises(DriftError, match="--bypass-check"):
        begin(tmp_path / "run", bypass_checks=(clause,))
    assert not (tmp_path / "run").exists()
