"""The loop that both kinds of training share: windows, checkpoints, and the record of every end.

What a step is and what a row says is the run's own affair; see `Stepping`. Of several processes all
go through the loop, for steps, rows and snapshots need all of them; the writer alone writes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from drift import atomic, spans
from drift.errors import DriftError, Interrupted
from drift.ranks import ALONE, Ranks
from drift.ranks.processes import Elsewhere
from drift.state import checkpoint, environment, stopping
from drift.state.checkpoint import Checkpoint
from drift.state.mirrors import Mirror
from drift.state.record import LOG, SECONDS, RunRecord, WindowLog
from drift.state.stopping import Stop

Row = Mapping[str, Any]
Say = Callable[[str], None]
Heard = Callable[[int, Mapping[str, float]], None]


def unheard(done: int, figures: Mapping[str, float]) -> None:
    """Nobody asks after each step."""


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
    ranks          the processes that carry it out
    """

    folder: Path
    total: int
    window: int
    checkpoint_every: int
    device: str
    images: int
    from_the_start: bool = False
    ranks: Ranks = ALONE

    @property
    def checkpoints(self) -> Path:
        """The folder of the step files."""
        return self.folder / "checkpoints"


def advance(
    run: Stepping, pace: Pace, saved: Callable[[], None] = lambda: None, stop: Stop | None = None,
    heard: Heard = unheard,
) -> Iterator[Row]:  # fmt: skip
    """Do the remaining steps; yields the row of every window before that step's checkpoint.

    saved  called after each checkpoint; heard  after each step, with its figures
    stop   a request to end before the last step: with the row of the window as far as it came, and
           a checkpoint
    """
    stop, ranks = stop or Stop(), pace.ranks

    def save() -> None:
        kept = run.snapshot()

        def write() -> None:
            pace.checkpoints.mkdir(parents=True, exist_ok=True)
            checkpoint.write(pace.checkpoints, kept)
            saved()

        ranks.by_writer(write)

    if pace.from_the_start and run.done == 0 and not _is_saved(run, pace):
        save()
    window = _Means()
    while run.done < pace.total and not stopping.asked(stop, ranks):
        with spans.span("other"):
            figures = run.step_once()
        heard(run.done, figures)
        window.add(figures)
        if run.done % pace.window == 0 and run.done < pace.total:
            yield _row(run, window)
        if run.done % pace.checkpoint_every == 0 and run.done < pace.total:
            save()
    if window.count:
        yield _row(run, window)
    if not _is_saved(run, pace):
        save()


def _row(run: Stepping, window: _Means) -> Row:
    """What a row takes is no part of a step."""
    with spans.listening():
        return run.row(*window.taken())


def _is_saved(run: Stepping, pace: Pace) -> bool:
    """Whether the writer sees a step file of this step."""
    seen = pace.ranks.writer and run.done in checkpoint.steps(pace.checkpoints)
    return bool(pace.ranks.agree(number=int(seen)))


class _Means:
    """Figures of the steps of a window."""

    def __init__(self) -> None:
        self._sums: dict[str, float] = {}
        self.count = 0

    def add(self, figures: Mapping[str, float]) -> None:
        for name, value in figures.items():
            self._sums[name] = self._sums.get(name, 0.0) + value
        self.count += 1

    def taken(self) -> tuple[dict[str, float], int]:
        """(mean by name, steps), and begin the next window."""
        means = {name: total / self.count for name, total in self._sums.items()}
        count, self._sums, self.count = self.count, {}, 0
        return means, count


@contextmanager
def held(pace: Pace, *, done: int, resumed: bool, say: Say) -> Iterator[None]:
    """The folder of a run for this process alone, as it was when the run was started from it.

    Step files after `done` that do not verify are set aside, and their steps are done again. Raises
    DriftError where another process has the folder or has gone on in it, or the disk refuses.
    """
    with ExitStack() as stack:
        pace.ranks.by_writer(lambda: _hold(stack, pace, done if resumed or done else -1, say))
        yield


def _hold(stack: ExitStack, pace: Pace, after: int, say: Say) -> None:
    try:
        pace.folder.mkdir(parents=True, exist_ok=True)
        stack.enter_context(atomic.locked(pace.folder, say))
        checkpoint.set_aside(pace.checkpoints, after, say)
    except atomic.LockedError as error:
        raise DriftError(
            str(pace.folder), found="another process at work in it", expected="one at a time",
            remedy="Wait for it, or choose another --out.",
        ) from error  # fmt: skip
    except OSError as error:
        raise unwritable(pace.folder, error) from error


def recorded(
    run: Stepping,
    pace: Pace,
    facts: Mapping[str, Any],
    listen: Callable[[Row], None],
    *,
    mirror: Callable[[], Mirror],
    finish: Callable[[], Mapping[str, Any]] = dict,
    heard: Heard = unheard,
) -> None:
    """`advance` with the run's record: metadata live, one row a window, every end accounted for.

    mirror  opens the mirrors, once the log is sound
    heard   called after each step, on every process
    finish  what is left to do after the last step, on the writer -> facts of the completed run
    Raises Interrupted where a signal ended the run in order: it goes on with --resume. A disk that
    refuses is a DriftError; the record then says failed, where it still can be written. `listen`
    is called on every process.
    """
    ranks = pace.ranks
    with ExitStack() as stack:
        books: list[_Books] = []
        ranks.by_writer(lambda: books.append(_Books.opened(run, pace, facts, mirror, stack)))
        stop = stack.enter_context(stopping.on_signals(launched=ranks.world > 1))
        spent = stack.enter_context(spans.listening())
        timed = run.done
        try:
            ranks.by_writer(lambda: books[0].running())
            for row in advance(run, pace, lambda: books[0].running(), stop, heard):
                seconds = _seconds(spent, row["step"] - timed)
                timed = row["step"]
                ranks.by_writer(lambda row=row, s=seconds: books[0].add(row, s))  # type: ignore[misc]
                listen({**row, "seconds": seconds})
            if run.done < pace.total:
                raise _interrupted(run, pace, stop)
            ranks.by_writer(lambda: books[0].completed(finish()))
        except BaseException as error:
            refused = unwritable(pace.folder, error) if isinstance(error, OSError) else None
            settled = ranks.settled(refused or error)
            if books:
                _record_end(books[0].record, run.done, _told(error, settled), newest(pace))
            if settled is error:
                raise
            raise settled from error


def _seconds(spent: spans.Spent, steps: int) -> dict[str, float]:
    """Of one step, by what they were spent on, the most first."""
    found = {name: total / steps for name, total in spent.taken().items()}
    return dict(sorted(found.items(), key=lambda item: -item[1]))


@dataclass
class _Books:
    """What the writer keeps of a run: its record, the metric log, their copies, the pace."""

    run: Stepping
    pace: Pace
    record: RunRecord
    log: WindowLog
    seconds: WindowLog
    copies: Mirror
    meter: environment.Meter

    @classmethod
    def opened(
        cls, run: Stepping, pace: Pace, facts: Mapping[str, Any], mirror: Callable[[], Mirror],
        stack: ExitStack,
    ) -> _Books:  # fmt: skip
        """The record and the log of a run that begins or goes on."""
        kept = _begin(run, pace, facts)
        copies = stack.enter_context(closing(mirror()))
        return cls(run, pace, *kept, copies, environment.Meter(run.done, pace.images))

    def running(self) -> None:
        self.record.update("running", step=self.run.done, **newest(self.pace))

    def add(self, row: Row, seconds: Mapping[str, float]) -> None:
        """A window that has ended, and the seconds of one of its steps."""
        self.log.append(dict(row))
        self.seconds.append({"step": row["step"], **seconds})
        self.copies.write(row)
        self.record.update(
            "running", step=self.run.done, latest_window=self.run.done,
            throughput=self.meter.read(self.run.done),
            memory=environment.memory(self.pace.device),
        )  # fmt: skip

    def completed(self, last: Mapping[str, Any]) -> None:
        self.record.update("completed", step=self.run.done, **newest(self.pace), **last)


def _interrupted(run: Stepping, pace: Pace, stop: Stop) -> Interrupted:
    """How the run goes on; the writer says it."""
    return Interrupted(
        f"{stop.why} after step {run.done}, whose checkpoint {pace.folder} holds; the same command "
        "with --resume goes on"
        if pace.ranks.writer
        else ""
    )


def _told(error: BaseException, settled: BaseException) -> BaseException:
    """What the record says: this process's own error, or that of the process that had one."""
    return settled if isinstance(error, RuntimeError) else error


def _begin(
    run: Stepping, pace: Pace, facts: Mapping[str, Any]
) -> tuple[RunRecord, WindowLog, WindowLog]:
    whole = {**facts, "total": pace.total, "environment": environment.environment(pace.device)}
    try:
        pace.folder.mkdir(parents=True, exist_ok=True)
        for name in ("", "checkpoints", "metrics", "samples"):
            atomic.sweep(pace.folder / name)
        log, seconds = (
            WindowLog(pace.folder / "metrics", after_step=run.done, name=name)
            for name in (LOG, SECONDS)
        )
    except OSError as error:
        raise unwritable(pace.folder, error) from error
    return RunRecord(pace.folder, whole), log, seconds


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


def _record_end(
    record: RunRecord, step: int, error: BaseException, saved: Mapping[str, int | None]
) -> None:
    """The first error is the one to report, also where the disk refuses the record as well."""
    with suppress(OSError):
        if isinstance(error, Interrupted):
            record.update("interrupted", step=step, **saved)
            return
        said = error.said if isinstance(error, Elsewhere) else f"{type(error).__name__}: {error}"
        record.update("failed", step=step, error=said, **saved)
