"""Runs of a table as steps that are kept: one a setting and seed, and one judge for all of them.

The judge is an encoder that no setting was trained with: a figure in the features that taught a
setting would favour it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from drift.ablate import training
from drift.ablate.tables import BUDGET, TEMPLATE, Row
from drift.config import Template, load_template, override
from drift.reproduce import digests, steps
from drift.reproduce.pipeline import Carrier
from drift.reproduce.request import ENCODER, RUN, Request
from drift.reproduce.store import Done, Step

JUDGE_SEED = 1000  # no run has it, so no encoder that teaches


def template_of(row: Row, budget: tuple[str, ...] = BUDGET) -> Template:
    """The budget's template with what a row changes."""
    return override(load_template(TEMPLATE), (*budget, *row.settings))


def judge(root: Path, budget: tuple[str, ...], carry: Carrier) -> Done:
    """The encoder that judges, pre-trained as the budget says."""
    return _pretrained(root, JUDGE_SEED, budget, carry)


def teacher(root: Path, seed: int, budget: tuple[str, ...], carry: Carrier) -> Done | None:
    """The encoder in the loss of a seed's runs; None: they compare pixels."""
    taught = template_of(Row("", None), budget).loss.feature_taps != "none"
    return _pretrained(root, seed, budget, carry) if taught else None


def _pretrained(root: Path, seed: int, budget: tuple[str, ...], carry: Carrier) -> Done:
    request = Request(override(load_template(TEMPLATE), budget), root, seed=seed)
    return carry(steps.pretrain(request, steps.known_of(carry(steps.data(request)))))


def measured(
    root: Path, row: Row, seed: int, budget: tuple[str, ...], by: Done, taught: Done | None
) -> Step:
    """The step that trains and measures a row; its key is what the outcome depends on."""
    template = template_of(row, budget)
    leaves = Request(template, root).leaves
    inputs = {
        **leaves,
        "kernel": row.kernel,
        "seed": seed,
        "judge": by.contents[f"{RUN}/{ENCODER}"],
        "teacher": taught and taught.contents[f"{RUN}/{ENCODER}"],
        **digests.programs(*steps.JUDGE),
        **digests.code_behind("drift.ablate.training", root / "code.json"),
    }
    outputs = (training.FIGURES, training.MOMENTS, training.PICTURE)

    def act(folder: Path) -> str:
        teacher = None if taught is None else taught.folder / RUN / ENCODER
        judge = by.folder / RUN / ENCODER
        training.measure(folder, template, row.kernel, seed, judge, teacher)
        return f"# {row.name}, seed {seed}"

    return Step("measure", inputs, outputs, act)


def facts_of(done: Done) -> dict[str, Any]:
    """What a step measured besides its moments."""
    found: dict[str, Any] = json.loads((done.folder / training.FIGURES).read_bytes())
    return found
