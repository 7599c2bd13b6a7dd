"""How a run may begin: anew, where it was left, or with the parameters of another run."""

from __future__ import annotations

from pathlib import Path

from drift.errors import DriftError
from drift.state import modules
from drift.state.checkpoint import Checkpoint
from drift.train.step import TrainState


def require_one(resume: bool, model_from: Path | None, learning_rate: float | None) -> None:
    """Raise DriftError for an option that this way of beginning would never read."""
    if resume and model_from is not None:
        raise DriftError(
            "--model-from", found=f"{model_from} with --resume",
            expected="one of them: a run goes on, or begins with the parameters of another",
        )  # fmt: skip
    if learning_rate is not None and not resume:
        raise DriftError(
            "--reset-learning-rate", found=f"{learning_rate} for a new run",
            expected="--resume", remedy="Pass --set optimizer.learning_rate=... instead.",
        )  # fmt: skip


def inherit(kept: Checkpoint, state: TrainState) -> list[str]:
    """Take parameters and averages of another run over -> what demotes numbers made from them.

    Raises DriftError for a checkpoint of something else; the run has then written nothing.
    """
    place = f"--model-from: checkpoint of step {kept.step}"
    if kept.facts.get("kind") == "pretrain":
        raise DriftError(place, found="an encoder's pre-training", expected="a generator's run")
    lacking = [decay for decay in state.ema if not kept.group(f"ema/{decay}")]
    if lacking:
        raise DriftError(
            place, found=f"no average of decay {', '.join(map(str, lacking))}",
            expected="every decay of optimizer.ema_decay",
        )  # fmt: skip
    try:
        modules.put_weights(kept, state.generator, state.ema)
    except (RuntimeError, KeyError) as error:
        raise DriftError(
            place, found=str(error).splitlines()[-1].strip(),
            expected="the parameters of the template's generator",
        ) from error  # fmt: skip
    return [*kept.facts["diagnostic"], f"parameters of step {kept.step} of another run"]
