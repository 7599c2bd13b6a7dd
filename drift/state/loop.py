"""The loop that both kinds of training share: windows, checkpoints, and the record of every end.

What a step is and what a row says is the run's own affair; see `Stepping`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from drift.errors import DriftError
from drift.state import atomic, checkpoint, environment
from drift.state.checkpoint import Checkpoint
from drift.state.mirrors import Mirror
from drift.state.record import RunRecord, WindowLog

Row = Mapping[str, Any]


class Stepping(Protocol):
    """A run, as the loop sees it."""

    @property
    def done(self) -> int:
        """Updates done."""
        ...

    def step_once(self) -> Mapping[str, float]:
        """One update -> the figures that a window averages."""
        ...

    def row(self, means: Mapping[str, float], count: int) -> Row:
        """The row of a window of `count` steps that has just ended."""
        ...

    def snapshot(self) -> Checkpoint:
        """Everything a later process needs to go on exactly; checked before it is returned."""
        ...


@dataclass(frozen=True)
class Pace:
    """Where a run lies, how long it is, and how often it says and saves something.

    images         of one step, for the throughput
    from_the_start whether there is a checkpoint before the first update
    """

    folder: Path
    total: int
    window: int
    checkpoint_every: int
    device: str
    images: int
    from_the_start: bool = False

    @property
    def checkpoints(self) -> Path:
        """The folder of the step files."""
        return self.folder / "checkpoints"


def advance(run: Stepping, pace: Pace, saved: Callable[[], None] = lambda: None) -> Iterator[Row]:
    """Do the remaining steps; yields the row of every window before that step's checkpoint.

    saved  called after each checkpoint
    """
    pace.checkpoints.mkdir(parents=True, exist_ok=True)
    if pace.from_the_start and run.done == 0 and 0 not in checkpoint.steps(pace.checkpoints):
        checkpoint.write(pace.checkpoints, run.snapshot())
        saved()
    sums: dict[str, float] = {}
    count = 0
    while run.done < pace.total:
        for name, value in run.step_once().items():
            sums[name] = sums.get(name, 0.0) + value
        count += 1
        at_end = run.done == pace.total
        if run.done % pace.window == 0 or at_end:
            yield run.row({name: total / count for name, total in sums.items()}, count)
            sums, count = {}, 0
        if run.done % pace.checkpoint_every == 0 or at_end:
            checkpoint.write(pace.checkpoints, run.snapshot())
            saved()


def recorded(
    run: Stepping,
    pace: Pace,
    facts: Mapping[str, Any],
    listen: Callable[[Row], None],
    *,
    mirror: Mirror,
    finish: Callable[[], Mapping[str, Any]] = dict,
) -> None:
    """`advance` with the run's record: metadata live, one row a window, every end accounted for.

    finish  what is left to do after the last step -> facts of the completed run
    A disk that refuses is a DriftError; the record then says failed, where it still can be written.
    """
    with closing(mirror):
        record, log = _begin(run, pace, facts)
        meter = environment.Meter(run.done, pace.images)

        def saved() -> None:
            record.update("running", step=run.done, **newest(pace))

        try:
            saved()
            for row in advance(run, pace, saved):
                log.append(dict(row))
                mirror.write(row)
                record.update(
                    "running", step=run.done, latest_window=run.done,
                    throughput=meter.read(run.done), memory=environment.memory(pace.device),
                )  # fmt: skip
                listen(row)
            last = finish()
            record.update("completed", step=run.done, **newest(pace), **last)
        except BaseException as error:
            _record_failure(record, run.done, error, newest(pace))
            if isinstance(error, OSError):
                raise unwritable(pace.folder, error) from error
            raise


def _begin(run: Stepping, pace: Pace, facts: Mapping[str, Any]) -> tuple[RunRecord, WindowLog]:
    whole = {**facts, "total": pace.total, "environment": environment.environment(pace.device)}
    try:
        pace.folder.mkdir(parents=True, exist_ok=True)
        for name in ("", "checkpoints", "metrics", "samples"):
            atomic.sweep(pace.folder / name)
        log = WindowLog(pace.folder / "metrics", after_step=run.done)
    except OSError as error:
        raise unwritable(pace.folder, error) from error
    return RunRecord(pace.folder, whole), log


def newest(pace: Pace) -> dict[str, int | None]:
    """The pointer to the newest step file."""
    saved = checkpoint.steps(pace.checkpoints)
    return {"latest_checkpoint": saved[-1] if saved else None}


def unwritable(folder: Path, error: OSError) -> DriftError:
    """A disk that is full or forbids writing."""
    return DriftError(
        str(folder),
        found=f"a file that cannot be written ({error.strerror or error})",
        expected="room and permission for the files of a run",
        remedy="Free space, then --resume: the last checkpoint is untouched.",
    )


def _record_failure(
    record: RunRecord, step: int, error: BaseException, saved: Mapping[str, int | None]
) -> None:
    """The first error is the one to report, also where the disk refuses the record as well."""
    with suppress(OSError):
        record.update("failed", step=step, error=f"{type(error).__name__}: {error}", **saved)
