"""A run that was stopped and goes on is the run that was not: every tensor of it, bit by bit."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor

from drift import rng
from drift.features import FeatureExtractor
from drift.state import checkpoint, modules, record
from drift.train import beginning, build, run
from verify.api import CheckContext, Measurement, check, mutant

from ...common import small_run
from ...ranks import steps


def _started(folder: Path, seed: int, *, resume: bool = False) -> run.Run:
    """Four steps, a window and a checkpoint after every second; whatever the global generator."""
    return small_run.start(folder, seed=seed, window=2, checkpoint_every=2, resume=resume)


def _held(one: run.Run) -> dict[str, Tensor]:
    """Parameters, averages and moments, queues and the place in the data."""
    state = one.state
    found = modules.capture(state.generator, state.optimizer, state.ema)
    for name, queue in one.feed.queues().items():
        found |= {f"queue/{name}/{key}": value for key, value in queue.state_dict().items()}
    place = torch.tensor([one.feed.loader.position, state.step])
    return {**{name: value.detach().clone() for name, value in found.items()}, "place": place}


@contextmanager
def _global(seed: int) -> Iterator[None]:
    """Another global generator, put back afterwards: no draw may come from it."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


@check("train.resumed")
def resumed(ctx: CheckContext) -> Measurement:
    """Four steps; the last checkpoint goes, as if killed before it, and the run is resumed."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "run"
        with _global(1):
            whole = _started(folder, ctx.seed)
            run.train(whole, lambda window: None)
        one, rows = _held(whole), record.rows(folder / "metrics" / record.LOG)
        newest = max((folder / "checkpoints").glob("*.safetensors"))
        newest.unlink()
        with _global(2), patch.object(record, "say_resumed") as spoken:
            again = _started(folder, ctx.seed, resume=True)
            begun = again.state.step
            run.train(again, lambda window: None)
        other, more = _held(again), record.rows(folder / "metrics" / record.LOG)
    wrong = sorted(set(one) ^ set(other)) or [
        key for key, value in one.items() if not torch.equal(value, other[key])
    ]
    steps = [[row["step"] for row in found] for found in (rows, more)]
    said = [call.args[:2] for call in spoken.call_args_list]
    if said != [(folder, 2)]:
        return ctx.decide(False, f"of where it goes on is said {said}, expected step 2")
    if wrong or begun != 2 or steps != [[2, 4], [2, 4]]:
        differ = f"{len(wrong)} of {len(one)} tensors differ, first {wrong[:1]}"
        return ctx.decide(False, f"{differ}; resumed at {begun}, windows {steps}")
    return ctx.decide(True, f"{len(one)} tensors are equal to the last bit")


@check("train.taken_over")
def taken_over(ctx: CheckContext) -> Measurement:
    """A run that begins with the parameters of another, and says so in all that it keeps."""
    with tempfile.TemporaryDirectory() as name:
        other = _noise_run(Path(name) / "other", ctx.seed + 1)
        averages = (value for held in other.state.ema.values() for value in held.values())
        for value in averages:
            value.add_(1)
        saved = other.options.folder / "checkpoints"
        saved.mkdir(parents=True)
        checkpoint.write(saved, other.snapshot())
        begun = _noise_run(Path(name) / "run", ctx.seed, model_from=other.options.folder)
        with patch.object(run, "compiled", lambda forward, mode: (forward, mode)):
            again = _noise_run(Path(name) / "again", ctx.seed, compile="warn")
        fresh, called = again.feed.loader.position, again.state.generator.forward
    said = begun.snapshot().facts["diagnostic"]
    kept, found = _held(other), _held(begun)
    taken = [key for key in found if key.startswith(("model/", "ema/"))]
    wrong = [key for key in taken if not torch.equal(found[key], kept[key])]
    place = (begun.state.step, begun.feed.loader.position)
    wrong += [] if place == (0, fresh) else [f"(step, position) {place}"]
    wrong += [] if isinstance(called, tuple) and called[1] == "warn" else ["what is compiled"]
    if wrong or not taken or said != ["parameters of step 0 of another run"]:
        return ctx.decide(False, f"{wrong[:3]} of {len(taken)} are others; it is marked {said}")
    return ctx.decide(True, f"{len(taken)} tensors are the other's, the rest begins; marked {said}")


def _noise_run(folder: Path, seed: int, **options: Any) -> run.Run:
    """A run on noise under ten labels, whose package takes no time to import."""
    chosen = run.RunOptions(folder, seed=seed, window=2, **options)
    return run.start(steps.template(), steps.source(), _extractor(), chosen, say=lambda text: None)


@cache
def _extractor() -> FeatureExtractor:
    return FeatureExtractor(small_run.encoder(), config=build.feature_config(steps.template()))


# Another's parameters are named and left where they are.
NOT_TAKEN_OVER = mutant(
    "train.not_taken_over", beginning,
    inherit=lambda kept, state: [f"parameters of step {kept.step} of another run"],
)  # fmt: skip
# Another's parameters are taken without a word.
TAKEN_IN_SILENCE = mutant(
    "train.taken_in_silence", run, _mark=lambda one, *said: None
)  # fmt: skip


# The optimiser begins anew.
RESUME_FORGETS_MOMENTS = mutant(
    "train.resume_forgets_moments", modules, put_moments=lambda kept, model, optimizer: None
)


@mutant("train.resume_rereads_the_data")
def resume_rereads_the_data(subject: object) -> AbstractContextManager[object]:
    """The data are read from their beginning again."""
    real = run.restore

    def restore(one: run.Run, kept: Any) -> None:
        real(one, kept)
        one.feed.loader.position = 0

    return patch.object(run, "restore", restore)


@mutant("train.draws_of_the_global_generator")
def draws_of_the_global_generator(subject: object) -> AbstractContextManager[object]:
    """What a step draws depends on whoever drew before."""
    real = rng.stream

    def stream(*given: Any, **more: Any) -> torch.Generator:
        moved: torch.Generator = real(*given, **more)
        return moved.manual_seed(int(torch.randint(2**31, ())))

    return patch.object(rng, "stream", stream)
