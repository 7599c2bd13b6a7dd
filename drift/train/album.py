"""Pictures of a run over its steps, and their index: `samples/index.jsonl`, a row a picture.

A row says the step, the file with its digest and size in pixels, what its rows show, the figure of
that window, and its tags: `every_window`, and `best_so_far` where the figure is smaller than in
every window before. Equal is not better. The tag chooses no checkpoint (DEC-0027): it is for the
eye, and for whoever leafs through a long run.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from drift import atomic
from drift.state.record import LOG, WindowLog, rows

SCHEMA = "drift-sample-index/1"
INDEX = "index.jsonl"
EVERY_WINDOW, BEST_SO_FAR = "every_window", "best_so_far"


class Album:
    """The pictures of one run and their index, in its folder `samples`.

    figure  a name in the rows of the metric log; smaller is better
    first   step of the first picture that this process adds: of earlier ones those are kept whose
            window is in the log. Raises DriftError for a log or an index that was damaged
    """

    def __init__(self, folder: Path, figure: str, *, first: int) -> None:
        windows = rows(folder / "metrics" / LOG, up_to=first - 1, needs=[figure])
        values = {row["step"]: float(row[figure]) for row in windows}
        self.folder = folder / "samples"
        self.figure = figure
        self._best = best_of(values)
        self._log = WindowLog(
            self.folder, after_step=first - 1, name=INDEX, kept=values.__contains__
        )

    def add(self, step: int, value: float, png: bytes, facts: Mapping[str, Any]) -> None:
        """Write the picture of a window, then its row: no row names a picture that is not there."""
        name = f"step-{step:08d}.png"
        atomic.write_bytes(self.folder / name, png)
        tags = [EVERY_WINDOW, BEST_SO_FAR] if is_better(value, self._best) else [EVERY_WINDOW]
        self._best = min(value, self._best)
        self._log.append({
            **facts, "schema": SCHEMA, "step": step, "file": name,
            "sha256": hashlib.sha256(png).hexdigest(), "figure": self.figure, "value": value,
            "tags": tags,
        })  # fmt: skip


def is_better(value: float, best: float) -> bool:
    """Strictly: a run that stands still has one best picture, not hundreds."""
    return value < best


def best_of(values: Mapping[int, float]) -> float:
    """The best figure of earlier windows, by step; infinity where there are none."""
    return min(values.values(), default=math.inf)
