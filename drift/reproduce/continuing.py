"""A run gone on with from one of its checkpoints: with its optimiser restored, or reset.

Reset, parameters and averages alone are kept: moments, queues and the loader's place are new. Both
ways go to the same last step at a constant rate, and are diagnostic: their records are smoke.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from drift.config import override
from drift.reproduce import steps
from drift.reproduce.request import ENCODER, RUN, Request
from drift.reproduce.store import Done, Step


def reset(request: Request, at: int, rate: float) -> Request:
    """The request of a run that begins with the parameters of step `at` and has what is left."""
    left = request.template.optimizer.training_steps - at
    settings = (
        f"optimizer.training_steps={left}",
        f"optimizer.learning_rate={_number(rate)}",
        "optimizer.warmup_steps=0",
        "optimizer.schedule=const",
    )
    return replace(request, template=override(request.template, settings))


def step(
    request: Request, data: Mapping[str, str], encoder: Done, base: Done, at: int,
    restored_rate: float | None,
) -> Step:  # fmt: skip
    """`drift train` from step `at` of `base`; with a rate, its optimiser is restored.

    It is never gone on with: a run that was resumed twice says so in its checkpoints.
    """
    source = steps.step_file(at)
    inputs: dict[str, Any] = {
        **steps.train(request, data, encoder).inputs,
        "step that it goes on from": base.contents[source],
        "restored, at the rate": restored_rate,
    }

    def act(folder: Path) -> str:
        kept = folder / (RUN if restored_rate is not None else "from")
        (kept / "checkpoints").mkdir(parents=True)
        shutil.copyfile(base.folder / source, kept / "checkpoints" / Path(source).name)
        way = ["--model-from", kept]
        if restored_rate is not None:
            way = ["--resume", "--reset-learning-rate", restored_rate]
        return steps.training(
            request, "train", folder, "--encoder", encoder.folder / RUN / ENCODER,
            *steps.pace(request), *way, anew=True,
        )  # fmt: skip

    return Step("continue", inputs, (steps.STEP_FILES, steps.LOG), act)


def _number(value: float) -> str:
    """A float as templates write it: 0.006, 1.0e-05."""
    text = repr(float(value))
    return text if "." in text else text.replace("e", ".0e")
