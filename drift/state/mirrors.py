"""Copies of the metric rows for TensorBoard and Weights & Biases: for the eye, never the record.

`metrics/windows.jsonl` stays canonical. A mirror that fails says so once and is silent from then
on; it neither stops nor alters a run. How far it has come lies beside the log, so that a resumed
run writes no row twice: it repeats the steps after its checkpoint, and their rows are the same.
Where they are not, since the run goes on with another rate or with queues filled anew, the mirror
keeps the rows of before.
"""

from __future__ import annotations

import importlib
import json
import os
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from drift import atomic
from drift.errors import DriftError

KINDS = ("tensorboard", "wandb")
NEEDS = {"tensorboard": "torch.utils.tensorboard", "wandb": "wandb"}
Say = Callable[[str], None]


class Sink(Protocol):
    """Where numbers go."""

    def write(self, step: int, numbers: Mapping[str, float]) -> None:
        """The numbers of one window."""
        ...

    def close(self) -> None:
        """Nothing follows."""
        ...


class TensorBoard:
    """Event files in `folder`; rows of steps from `first` on are new."""

    def __init__(self, module: Any, folder: Path, facts: Mapping[str, Any], first: int) -> None:
        self._writer = module.SummaryWriter(log_dir=str(folder), purge_step=first)

    def write(self, step: int, numbers: Mapping[str, float]) -> None:
        """One scalar for each number."""
        for name, value in numbers.items():
            self._writer.add_scalar(name, value, global_step=step)
        self._writer.flush()

    def close(self) -> None:
        """Write what is buffered."""
        self._writer.close()


class WandB:
    """A run of Weights & Biases, offline unless WANDB_MODE says otherwise."""

    def __init__(self, module: Any, folder: Path, facts: Mapping[str, Any], first: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._run = module.init(
            project="drift",
            name=folder.parent.parent.name,
            id=_identity(folder.parent / "wandb-id.json", new=first == 1),
            dir=str(folder),
            config=dict(facts.get("template", {})),
            mode=os.environ.get("WANDB_MODE", "offline"),
            resume="allow",
        )

    def write(self, step: int, numbers: Mapping[str, float]) -> None:
        """One row."""
        self._run.log(dict(numbers), step=step)

    def close(self) -> None:
        """Write what is buffered."""
        self._run.finish()


SINKS: Mapping[str, Callable[[Any, Path, Mapping[str, Any], int], Sink]] = {
    "tensorboard": TensorBoard,
    "wandb": WandB,
}


class Mirror:
    """The sinks of a run, each behind a guard; without sinks it does nothing."""

    def __init__(self, guards: tuple[Guard, ...] = ()) -> None:
        self._guards = guards

    def write(self, row: Mapping[str, Any]) -> None:
        """Numbers of a row, by name; never raises."""
        numbers = {
            name: float(value)
            for name, value in row.items()
            if isinstance(value, int | float) and not isinstance(value, bool) and name != "step"
        }
        for guard in self._guards:
            guard.write(int(row["step"]), numbers)

    def close(self) -> None:
        """Never raises."""
        for guard in self._guards:
            guard.close()


class Guard:
    """One sink that may fail without harm.

    place  file that holds the last step that was written
    after  the step that the run goes on from; 0: a new run, whatever lies there
    """

    def __init__(self, name: str, make: Callable[[int], Sink], place: Path, after: int, say: Say):
        self._name, self._place, self._say = name, place, say
        self._sink: Sink | None = None
        self._last = 0
        try:
            self._last = _written(place) if after else 0
            self._sink = make(max(self._last, after) + 1)
        except Exception as error:
            self._fail(error)

    def write(self, step: int, numbers: Mapping[str, float]) -> None:
        """Pass a row on, unless it was written before the run was interrupted."""
        if self._sink is None or step <= self._last:
            return
        try:
            # Before the row: a kill between the two loses a row of a copy, and doubles none.
            atomic.write_text(self._place, json.dumps({"step": step}) + "\n")
            self._last = step
            self._sink.write(step, numbers)
        except Exception as error:
            self._fail(error)

    def close(self) -> None:
        """Close the sink, where it is still in use."""
        sink, self._sink = self._sink, None
        try:
            if sink is not None:
                sink.close()
        except Exception as error:
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        self._sink = None
        self._say(
            f"mirror {self._name} is off: {type(error).__name__}: {error}; the run goes on and "
            "metrics/windows.jsonl has every row"
        )


def modules(kinds: tuple[str, ...]) -> dict[str, Any]:
    """The module of each kind; raises DriftError naming the extra to install, before any work."""
    found = {}
    for kind in dict.fromkeys(kinds):
        if kind not in NEEDS:
            raise DriftError("--mirror", found=kind, expected=" or ".join(KINDS))
        try:
            found[kind] = importlib.import_module(NEEDS[kind])
        except ImportError as error:
            raise DriftError(
                f"--mirror {kind}", found=f"a package that is not there ({error})",
                expected=f"the package {kind}",
                remedy=f"Install it: pip install 'drift-verify[{kind}]'.",
            ) from error  # fmt: skip
    return found


def open_mirror(
    loaded: Mapping[str, Any], folder: Path, facts: Mapping[str, Any], *, after: int, say: Say
) -> Mirror:
    """Mirrors of the run in `folder`, from what `modules` found; `facts` are those of its record.

    after  the step that the run goes on from
    """
    metrics = folder / "metrics"

    def guard(kind: str, module: Any) -> Guard:
        def make(first: int) -> Sink:
            metrics.mkdir(parents=True, exist_ok=True)
            return SINKS[kind](module, metrics / kind, facts, first)

        return Guard(kind, make, metrics / f"mirror-{kind}.json", after, say)

    return Mirror(tuple(guard(kind, module) for kind, module in loaded.items()))


def _identity(place: Path, *, new: bool) -> str:
    """The id of a run, kept in its folder: the same whenever it goes on, and no other run's."""
    if new or not place.is_file():
        atomic.write_text(place, json.dumps({"id": uuid.uuid4().hex}) + "\n")
    return str(json.loads(place.read_text(encoding="utf-8"))["id"])


def _written(place: Path) -> int:
    try:
        return int(json.loads(place.read_text(encoding="utf-8"))["step"])
    except FileNotFoundError:
        return 0
