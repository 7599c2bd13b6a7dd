"""Checks of the loop and the books of a run, with a run of whole numbers in place of a network."""

from __future__ import annotations

import json
import math
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, suppress
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch

from drift import atomic
from drift.errors import DriftError, Interrupted
from drift.state import checkpoint, loop, record, stopping
from drift.state.mirrors import Mirror
from drift.state.stopping import Stop
from verify.api import CheckContext, Measurement, check, mutant

from ...common.places import folder
from ...common.rows import Refused, Row, judge_rows
from .costs import costs
from .stopped import stopped


class Counting:
    """A run whose step n has the loss n."""

    def __init__(self, done: int = 0, stop: Stop | None = None, at: int = 0) -> None:
        self.done, self.events, self._stop, self._at = done, list[str](), stop, at

    def step_once(self) -> Mapping[str, float]:
        self.done += 1
        self.events.append(f"step {self.done}")
        if self._stop and self.done == self._at:
            self._stop.requested = True
        return {"loss": float(self.done), "twice": 2.0 * self.done}

    def row(self, means: Mapping[str, float], count: int) -> loop.Row:
        self.events.append(f"row {self.done}")
        return {"step": self.done, "steps": count, **means}

    def snapshot(self) -> checkpoint.Checkpoint:
        self.events.append(f"save {self.done}")
        return checkpoint.Checkpoint(self.done, {"x": torch.tensor([self.done])}, {"seed": 7})


def _pace(root: Path, total: int = 5, window: int = 2, every: int = 3, **more: Any) -> loop.Pace:
    return loop.Pace(root, total, window, every, "cpu", 4, **more)


@check("train.loop")
def looped(ctx: CheckContext) -> Measurement:
    """Windows, checkpoints and ends of a run of five steps, in order, by hand."""
    with folder() as root:
        ended = stopped(root, Counting(5))
        rows = chain(_advanced(root), _recorded(root), _held(root), ended)
        return judge_rows(ctx, rows, "facts of loops")


def _went(root: Path, run: Counting, stop: Stop | None = None, **pace: Any) -> object:
    saved: list[int] = []
    made = _pace(root, **pace)
    rows = list(loop.advance(run, made, lambda: saved.append(run.done), stop))
    assert saved == [int(one.split()[1]) for one in run.events if one.startswith("save")], saved
    return " ".join(run.events), rows, checkpoint.steps(root / "checkpoints")


def _row(step: int, steps: int, loss: float) -> dict[str, Any]:
    return {"step": step, "steps": steps, "loss": loss, "twice": 2 * loss}


def _advanced(root: Path) -> Iterator[Row]:
    whole = [_row(2, 2, 1.5), _row(4, 2, 3.5), _row(5, 1, 5.0)]
    steps = "step 1 step 2 row 2 step 3 save 3 step 4 row 4 step 5 row 5 save 5"
    yield "five steps", partial(_went, root / "a", Counting()), (steps, whole, [3, 5])
    begun = partial(_went, root / "b", Counting(), from_the_start=True)
    yield "from the start", begun, (f"save 0 {steps}", whole, [0, 3, 5])
    yield "again", partial(_went, root / "b", Counting(5), from_the_start=True), ("", [], [0, 3, 5])
    four = "step 1 step 2 row 2 save 2 step 3 step 4 row 4 save 4"
    both = partial(_went, root / "c", Counting(), total=4, every=2)
    yield "both at once", both, (four, [_row(2, 2, 1.5), _row(4, 2, 3.5)], [2, 4])
    later = partial(_went, root / "b", Counting(3), from_the_start=True)
    yield "gone on", later, ("step 4 row 4 step 5 row 5", [_row(4, 1, 4.0), _row(5, 1, 5.0)],
                             [0, 3, 5])  # fmt: skip
    stop = Stop()
    ended = partial(_went, root / "d", Counting(stop=stop, at=1), stop)
    yield "stopped", ended, ("step 1 row 1 save 1", [_row(1, 1, 1.0)], [1])
    yield "nothing to do", partial(_went, root / "e", Counting(5)), ("save 5", [], [5])


def _carried_out(root: Path, run: Counting, **more: Any) -> object:
    """What the record says at the end, and what it said at each row."""
    seen: list[tuple[str, object]] = []
    made = _pace(root, from_the_start=True)

    def listen(row: loop.Row) -> None:
        said = json.loads((root / "run_metadata.json").read_text())
        rates = said["throughput"]
        assert rates["images_per_s"] == 4 * rates["steps_per_s"] > 0, rates
        seen.append(
            (said["status"], (said["step"], said["latest_window"], said["latest_checkpoint"]))
        )

    try:
        loop.recorded(run, made, {"seed": 7}, listen, mirror=Mirror, **more)
        ended = ""
    except (DriftError, Interrupted, ArithmeticError) as error:
        ended = f"{type(error).__name__}: {error}"
    said = json.loads((root / "run_metadata.json").read_text())
    names = ("status", "step", "total", "seed", "latest_checkpoint", "error", "extra")
    rows = record.rows(root / "metrics" / record.LOG)
    return ended, seen, {k: said[k] for k in names if k in said}, [one["step"] for one in rows]


def _recorded(root: Path) -> Iterator[Row]:
    running = [("running", (2, 2, 0)), ("running", (4, 4, 3)), ("running", (5, 5, 3))]
    known = {"total": 5, "seed": 7}
    whole = {"status": "completed", "step": 5, **known, "latest_checkpoint": 5, "extra": 1}
    done = partial(_carried_out, root / "f", Counting(), finish=lambda: {"extra": 1})
    yield "completed", done, ("", running, whole, [2, 4, 5])

    def broken(self: Counting) -> Mapping[str, float]:
        if self.done == 3:
            raise ArithmeticError("no number")
        return Counting.step_once(self)

    bad = type("Broken", (Counting,), {"step_once": broken})
    failed = {"status": "failed", "step": 3, **known, "latest_checkpoint": 3,
              "error": "ArithmeticError: no number"}  # fmt: skip
    yield "failed", partial(_carried_out, root / "g", bad()), (
        "ArithmeticError: no number", running[:1], failed, [2]
    )  # fmt: skip

    def full(*given: Any, **more: Any) -> None:
        raise OSError(28, "No space left on device")

    def disk() -> object:
        with patch.object(record.WindowLog, "append", full):
            return _carried_out(root / "h", Counting())

    yield "a full disk", lambda: str(disk())[:60], str((
        f"DriftError: {root / 'h'}: found a file that cannot be written (No",
    ))[:60]  # fmt: skip

    def signalled(self: Counting) -> Mapping[str, float]:
        if self.done == 2:
            signal.raise_signal(signal.SIGTERM)
        return Counting.step_once(self)

    sent = type("Sent", (Counting,), {"step_once": signalled})
    kept = {"status": "interrupted", "step": 3, **known, "latest_checkpoint": 3}
    yield "interrupted", partial(_carried_out, root / "i", sent()), (
        f"Interrupted: SIGTERM after step 3, whose checkpoint {root / 'i'} holds; the same command "
        "with --resume goes on",
        [running[0], ("running", (3, 3, 3))], kept, [2, 3],
    )  # fmt: skip
    (root / "k").mkdir()
    told = record.RunRecord(root / "k", {})
    loop._record_end(told, 7, Interrupted("SIGINT"), {"latest_checkpoint": 6})
    said = json.loads((root / "k" / "run_metadata.json").read_text())
    end = [said.get(name) for name in ("status", "step", "latest_checkpoint")]
    yield "where it ended", lambda: end, ["interrupted", 7, 6]
    left = [signal.getsignal(one) for one in stopping.SIGNALS]
    yield "signals as before", lambda: [signal.getsignal(s) for s in stopping.SIGNALS], left
    names = ["SIGINT", "SIGTERM", "SIGHUP"]
    yield "which signals", lambda: [one.name for one in stopping.SIGNALS], names


def _held(root: Path) -> Iterator[Row]:
    """The folder of a run is one process's, and later steps that do not verify are set aside."""
    made = _pace(root / "held")
    for step in (2, 4):
        (root / "held" / "checkpoints").mkdir(parents=True, exist_ok=True)
        checkpoint.write(made.checkpoints, checkpoint.Checkpoint(step, {"x": torch.zeros(1)}, {}))

    def hold(done: int, *, resumed: bool = False) -> list[str]:
        said: list[str] = []
        with loop.held(made, done=done, resumed=resumed, say=said.append):
            return said

    yield "gone on", partial(hold, 4), []
    yield "another went on", partial(hold, 2), Refused("good checkpoint", "after step 2", "again")
    checkpoint.path_of(made.checkpoints, 4).write_bytes(b"")
    name = f"{checkpoint.path_of(made.checkpoints, 4)}.damaged"
    yield "set aside", partial(hold, 2), [f"set aside: {name}"]
    yield "kept", lambda: sorted(p.name[:28] for p in made.checkpoints.iterdir()), [
        "step-00000002.safetensors", "step-00000004.safetensors.da",
    ]  # fmt: skip

    def locked() -> object:
        with patch.object(atomic, "locked", side_effect=atomic.LockedError):
            return hold(4)

    def unwritable() -> object:
        with patch.object(atomic, "locked", side_effect=PermissionError(13, "said")):
            return hold(4)

    yield "two at work", locked, Refused(str(root / "held"), "one at a time", "another --out")
    yield "no room", unwritable, Refused("cannot be written (said)", "--resume")
    yield "the newest", lambda: loop.newest(made), {"latest_checkpoint": 2}
    yield "none yet", lambda: loop.newest(_pace(root / "no")), {"latest_checkpoint": None}


# the record and the log


@check("train.record_and_log")
def record_and_log(ctx: CheckContext) -> Measurement:
    """Statuses, rows that are taken, dropped and refused, what no row covers, what it costs."""
    with folder() as root:
        rows = chain(_statuses(root), _logs(root), _covered(), costs())
        return judge_rows(ctx, rows, "facts of records")


def _statuses(root: Path) -> Iterator[Row]:
    place = root / "run_metadata.json"

    def status(text: str | None) -> str:
        place.unlink(missing_ok=True)
        if text is not None:
            place.write_text(text)
        return record.status_of(root)

    for text, wanted in (
        ('{"status": "completed"}', "completed"), ('{"status": "failed", "pid": 0}', "failed"),
        (f'{{"status": "running", "pid": {os.getpid()}}}', "running"), ("{}", "unknown"),
        ('{"status": "running", "pid": 0}', "stale"), ('{"status": "running"}', "stale"),
        ('{"status": "running", "pid": 4194304999}', "unknown"), ("[]", "unknown"),
        ('{"status": "running", "pid": 99999999}', "stale"), (None, "unknown"), ("{", "unknown"),
        ('{"status": "running", "pid": 1}', "running"),
    ):  # fmt: skip
        yield f"{text}", partial(status, text), wanted
    kept = record.RunRecord(root, {"seed": 7})
    kept.update("running", step=1, only=1)
    kept.update("completed", step=2)
    facts = json.loads(place.read_text())
    yield "facts", lambda: {k: v for k, v in facts.items() if k not in ("started", "updated")}, {
        "schema": "drift-run/1", "seed": 7, "step": 2, "only": 1, "pid": os.getpid(),
        "status": "completed",
    }  # fmt: skip
    yield "times", lambda: (facts["started"][-1], len(facts["updated"])), ("Z", 20)


def _logs(root: Path) -> Iterator[Row]:
    place = root / "metrics" / record.LOG
    good = [{"step": 2, "steps": 2, "loss": 1.5}, {"step": 4, "loss": 1}]

    def laid(*lines: str) -> Path:
        place.parent.mkdir(exist_ok=True)
        place.write_text("\n".join(lines))
        return place

    yield "a line", lambda: record._line({"b": 1, "a": 2}), '{"a": 2, "b": 1}\n'
    texts = [json.dumps(one) for one in good]
    yield "rows", lambda: record.rows(laid(*texts, "")), good
    yield "a cut row", lambda: record.rows(laid(*texts, '{"ste')), good
    yield "without its end", lambda: record.rows(laid(*texts)), good[:1]
    yield "up to", lambda: record.rows(laid(*texts, ""), up_to=2), good[:1]
    yield "up to the last", lambda: record.rows(laid(*texts, ""), up_to=4), good
    yield "garbage later", lambda: record.rows(laid(*texts, "x", ""), up_to=3), good[:1]
    yield "no log", lambda: record.rows(root / "none"), []
    yield "a figure", lambda: record.rows(laid(*texts, ""), needs=("loss",)), good
    for name, lines, words in (
        ("no row", ("x",), ("windows.jsonl:1", "'x'", "take the line out")),
        ("the second", (texts[0], "[]"), ("windows.jsonl:2", "after 2")),
        ("a step again", (texts[0], texts[0]), ("windows.jsonl:2", "step 2", "after 2")),
        ("step 0", ('{"step": 0}',), ("step 0", "from 1 on")),
        ("half a step", ('{"step": 1.5}',), ("step 1.5",)),
        ("a step that is true", ('{"step": true}',), ("step True",)),
        ("steps in words", ('{"step": 1, "steps": "1"}',), ("steps '1'", "a number")),
        ("a figure that is not there", ('{"step": 1, "steps": 1}',), ("loss None", "a number")),
        ("before a later one", (texts[0], texts[1], '{"step": 3}'), ("windows.jsonl:3", "after 4")),
    ):  # fmt: skip
        needs = ("loss",) if "figure" in name else ()
        read = partial(
            lambda lines, needs: record.rows(laid(*lines, ""), needs=needs), lines, needs
        )
        yield name, read, Refused(*words)
    earlier = (texts[1], '{"step": 5}', '{"step": 3}', "")
    yield "an earlier one behind", lambda: record.rows(laid(*earlier), up_to=4), good[1:]
    yield "a folder", lambda: record.rows(root), Refused("that is no file", "Move it away")
    yield "gone on", partial(_gone_on, laid, texts), [good[0], {"step": 3}]
    yield "a row cut by the disk", partial(_cut, laid, texts), (28, good[:1])
    yield "no number", partial(_numberless, laid, texts), [good[0]]


def _gone_on(laid: Callable[..., Path], texts: list[str]) -> object:
    place = laid(*texts, "")
    record.WindowLog(place.parent, after_step=2).append({"step": 3})
    return record.rows(place)


def _numberless(laid: Callable[..., Path], texts: list[str]) -> object:
    """What the log holds after figures that JSON has no word for: none of them is written."""
    log = record.WindowLog(laid(texts[0], "").parent, after_step=2)
    for figure in (math.nan, math.inf, -math.inf):
        with suppress(ValueError):
            log.append({"step": 3, "loss": figure})
    held = log.path.read_text().splitlines()
    return [json.loads(line) for line in held]


def _cut(laid: Callable[..., Path], texts: list[str]) -> object:
    place = laid(texts[0], "")
    log = record.WindowLog(place.parent, after_step=2)
    with patch.object(os, "fsync", side_effect=OSError(28, "full")):
        try:
            log.append({"step": 3})
        except OSError as error:
            return error.errno, record.rows(place)
    return None


def _covered() -> Iterator[Row]:
    for kept, until, wanted in (
        ([], 0, []), ([], 3, [(1, 3)]), ([{"step": 4, "steps": 2}], 4, [(1, 2)]),
        ([{"step": 2, "steps": 2}, {"step": 6, "steps": 2}], 8, [(3, 4), (7, 8)]),
        ([{"step": 2}, {"step": 4}], 4, []), ([{"step": 2, "steps": 2}], 2, []),
    ):  # fmt: skip
        yield f"covered {kept} to {until}", partial(record.missing, kept, until), wanted


@mutant("train.windows_run_on")
def windows_run_on(subject: object) -> AbstractContextManager[Any]:
    """A window's means are those of all steps so far."""

    def taken(self: Any) -> tuple[dict[str, float], int]:
        return {name: total / self.count for name, total in self._sums.items()}, self.count

    return patch.object(loop._Means, "taken", taken)


OTHER_VALUES = (
    # A run that was stopped says that it is through.
    mutant("train.stops_unheard", stopping, asked=lambda stop, ranks: False),
    # Who has a folder is not asked.
    mutant("train.later_steps_kept", checkpoint, set_aside=lambda folder, after, say: None),
    # Every process number is somebody's.
    mutant("train.dead_count_as_living", record, _alive=lambda pid: True),
    # Steps that are lost are not looked for.
    mutant("train.lost_steps_unsaid", record, missing=lambda kept, until: []),
)
