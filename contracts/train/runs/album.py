"""The index of a run's pictures: every window once, the best so far only where it is better."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from drift.errors import DriftError
from drift.state.record import WindowLog, rows
from drift.train import album
from verify.api import CheckContext, Measurement, check, mutant

FIGURE = "field/0.2"
SAVED = 2  # step of the checkpoint that the killed process left
FACTS: Mapping[str, Any] = {"classes": [0, 1], "per_class": 8, "width": 36, "height": 70}


def _process(folder: Path, values: Mapping[int, float], *, after: int) -> None:
    """What one process of a run writes: the row of each window, then its picture."""
    log = WindowLog(folder / "metrics", after_step=after)
    opened: album.Album | None = None
    for step, value in values.items():
        log.append({"step": step, FIGURE: value})
        opened = opened or album.Album(folder, FIGURE, first=step)
        opened.add(step, value, b"picture of step %d" % step, FACTS)


@check("train.sample_index")
def sample_index(ctx: CheckContext) -> Measurement:
    """A process that is killed after its last window, and one that goes on from a checkpoint."""
    figures = dict(enumerate(ctx.params["figures"], start=1))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _process(folder, {step: figures[step] for step in list(figures)[: SAVED + 1]}, after=0)
        _process(folder, {k: v for k, v in figures.items() if k > SAVED}, after=SAVED)
        problems = list(_problems(folder, ctx.params["best"], figures))
    return ctx.decide(not problems, "; ".join(problems) or f"{len(figures)} pictures, one a window")


def _problems(folder: Path, best: list[int], figures: Mapping[int, float]) -> Iterator[str]:
    try:
        found = rows(folder / "samples" / album.INDEX)
    except DriftError as error:
        yield f"the index is none: {error.found}"
        return
    steps = [row["step"] for row in found]
    if steps != list(figures):
        yield f"pictures of the steps {steps}, windows of {list(figures)}"
    tagged = [row["step"] for row in found if album.BEST_SO_FAR in row["tags"]]
    if tagged != best:
        yield f"{album.BEST_SO_FAR} at {tagged}, expected {best}"
    for row in found:
        data = (folder / "samples" / str(row["file"])).read_bytes()
        if hashlib.sha256(data).hexdigest() != row["sha256"]:
            yield f"step {row['step']}: another picture than its digest says"
        stated = {name: row.get(name) for name in FACTS} | {"value": row["value"]}
        if stated != {**FACTS, "value": figures[row["step"]]}:
            yield f"step {row['step']}: found {stated}"
        if album.EVERY_WINDOW not in row["tags"]:
            yield f"step {row['step']}: no tag {album.EVERY_WINDOW}"


@mutant("train.equal_is_best", album, "is_better")
def equal_is_best(original: Any, value: float, best: float) -> bool:
    """A window that is as good as the best is tagged as well."""
    return value <= best


@mutant("train.best_is_largest", album, "is_better")
def best_is_largest(original: Any, value: float, best: float) -> bool:
    """Larger is taken for better."""
    return value > best or best == float("inf")


@mutant("train.best_forgotten", album, "best_of")
def best_forgotten(original: Any, values: Mapping[int, float]) -> float:
    """A resumed run does not know what came before it."""
    return float("inf")


@mutant("train.index_keeps_lost_windows", WindowLog, "__init__")
def index_keeps_lost_windows(original: Any, self: WindowLog, folder: Path, **given: Any) -> None:
    """The rows of windows that are done again stay; the next process adds to them."""
    if given.get("name") != album.INDEX:
        original(self, folder, **given)
        return
    self.path = folder / album.INDEX
    folder.mkdir(parents=True, exist_ok=True)
    self.path.touch()


@mutant("train.picture_of_another_step", album.Album, "add")
def picture_of_another_step(
    original: Any, self: album.Album, step: int, value: float, png: bytes, facts: Any
) -> None:
    """The file under the name of a step is replaced when the next is drawn."""
    original(self, step, value, png, facts)
    before = self.folder / f"step-{step - 1:08d}.png"
    if before.exists():
        before.write_bytes(png)
