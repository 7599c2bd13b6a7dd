"""One run, as its folder shows it now: state, windows, pictures. It is only ever read."""

from __future__ import annotations

import hashlib
import re
import threading
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from verify import strict_json
from verify.report.words import printable
from verify.serve.alive import alive
from verify.serve.catalogue import RUN, Place
from verify.serve.reading import read, read_from
from verify.serve.refusal import Refusal, shown

MOST_RECORD, MOST_LOG, MOST_PICTURE = 4 << 20, 64 << 20, 16 << 20
LOG, INDEX, TEMPLATE = Path("metrics/windows.jsonl"), Path("samples/index.jsonl"), "template.json"
STATES = ("running", "completed", "interrupted", "failed")
KILLED, UNKNOWN = "killed", "unknown"
LONGEST = 600  # characters of an error
PNG = b"\x89PNG\r\n\x1a\n"
Row = dict[str, Any]


class Gates(BaseModel):
    """What was asked before the run began, and what is watched at every step."""

    model_config = ConfigDict(frozen=True)

    fidelity: str = ""
    required: list[str] = []
    column: str | None = None
    clauses: int | None = None
    bypass: str | None = None


class Run(BaseModel):
    """What is shown of a run's record: these keys and no others."""

    model_config = ConfigDict(frozen=True)

    slug: str = ""
    name: str = ""
    state: str = UNKNOWN
    says: str = ""
    template: str = ""
    kind: str = ""  # "pretrain" for an encoder's
    step: int = 0
    total: int | None = None
    seed: int | None = None
    started: str = ""
    updated: str = ""
    error: str = ""
    device: str = ""
    processes: int = 1
    dataset: str = ""
    latest_checkpoint: int | None = None
    throughput: dict[str, float] = {}
    memory: dict[str, float | None] = {}
    diagnostic: list[str] = []
    checked: list[str] = []
    bypassed: list[str] = []
    gates: Gates = Gates()
    samples: bool = False  # whether it can be sampled: it has a checkpoint of a generator


class Picture(BaseModel):
    """A row of `samples/index.jsonl`, which the engine writes: a picture of one window."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    schema_: Annotated[str, Field(alias="schema", pattern="^drift-sample-index/1$")]
    step: Annotated[int, Field(ge=1)]
    file: Annotated[str, Field(pattern=r"^step-\d{8,12}\.png$")]
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    figure: str
    value: float
    tags: list[Annotated[str, Field(pattern="^(every_window|best_so_far)$")]]
    classes: list[int]
    class_names: list[str] | None
    per_class: Annotated[int, Field(ge=1)]
    width: Annotated[int, Field(ge=1, le=100_000)]
    height: Annotated[int, Field(ge=1, le=100_000)]
    shows: str
    seed: int
    alpha: float
    ema_decay: float


def run_of(place: Place) -> Run:
    """The run's record as far as it is understood; one that is not is `unknown` and says why."""
    base = {"slug": place.slug, "name": place.name}
    try:
        found = strict_json.loads(read(place.path / RUN, MOST_RECORD))
        status = found.get("status")
        known = status if status in STATES else UNKNOWN
        gone = known == "running" and not alive(found.get("pid"), str(found.get("updated")))
        record = Run.model_validate(
            {**found, **_flat(found), **base, "state": KILLED if gone else known,
             "template": _template(place)}
        )  # fmt: skip
    except ValidationError as error:
        where = ".".join(map(str, error.errors()[0]["loc"]))
        return Run(**base, says=f"its record is of another kind: {where}")
    except (OSError, ValueError, AttributeError, TypeError):
        return Run(**base, says=f"{RUN} cannot be read")
    root = str(place.path.parent)
    told = printable(record.error).replace(root, "..")[:LONGEST]
    return record.model_copy(update={"error": told, "says": _says(record)})


def _flat(found: Row) -> Row:
    """Nested parts of a record under the names of the view."""
    in_run, environment = found.get("in_run") or {}, found.get("environment") or {}
    dataset = found.get("dataset") or {}
    return {
        "checked": in_run.get("checked") or [],
        "bypassed": in_run.get("bypassed") or [],
        "device": environment.get("device") or "",
        "dataset": dataset.get("name") or "",
        "gates": found.get("gates") or {},
        "throughput": found.get("throughput") or {},
        "memory": found.get("memory") or {},
        "samples": found.get("latest_checkpoint") is not None
        and "gates" in found,
    }  # fmt: skip


def _template(place: Place) -> str:
    try:
        return str(strict_json.loads(read(place.path / TEMPLATE, MOST_RECORD))["name"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _says(run: Run) -> str:
    """The state in a sentence."""
    last = f"step {run.latest_checkpoint}" if run.latest_checkpoint is not None else "none"
    return {
        "running": "A process of this machine is at work in it.",
        "completed": "All steps are done.",
        "interrupted": f"It was ended in order; --resume goes on from its checkpoint: {last}.",
        "failed": f"It ended with an error; its last checkpoint: {last}.",
        KILLED: "Its record says that it runs, and no process of this machine does: it was killed "
        f"without a word. --resume goes on from its last checkpoint: {last}.",
    }.get(run.state, "Its record says nothing that is understood.")


class Log:
    """Rows of a growing file of JSON lines; what was read is not read again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: tuple[int, int] = (0, 0)
        self._offset = 0
        self._rows: list[Row] = []
        self._problem = ""
        self._lock = threading.Lock()

    def rows(self) -> tuple[list[Row], str]:
        """(whole rows so far, what is wrong with a line); a last line without its end is no row."""
        with self._lock:
            try:
                found = self._path.lstat()
                if (found.st_dev, found.st_ino) != self._file or found.st_size < self._offset:
                    self._file, self._offset = (found.st_dev, found.st_ino), 0
                    self._rows, self._problem = [], ""
                self._add(read_from(self._path, self._offset, MOST_LOG))
            except OSError:
                return [], ""
            return list(self._rows), self._problem

    def _add(self, data: bytes) -> None:
        whole = data.rpartition(b"\n")[0]
        for line in whole.split(b"\n") if whole else ():
            try:
                row = strict_json.loads(line)
                if type(row["step"]) is not int:
                    raise ValueError("no step")
                self._rows.append(row)
            except (ValueError, KeyError, TypeError):
                self._problem = f"the line after step {self._last} is no row"
        self._offset += len(whole) + 1 if whole else 0

    @property
    def _last(self) -> int:
        return int(self._rows[-1]["step"]) if self._rows else 0


class Logs:
    """The logs of all runs that were asked for."""

    def __init__(self) -> None:
        self._logs: dict[Path, Log] = {}

    def windows(self, place: Place) -> tuple[list[Row], str]:
        """Rows of the metric log."""
        return self._rows(place.path / LOG)

    def pictures(self, place: Place) -> tuple[list[Picture], str]:
        """Rows of the index of samples, and what is wrong with it."""
        rows, problem = self._rows(place.path / INDEX)
        try:
            return [Picture.model_validate(row) for row in rows], problem
        except ValidationError as error:
            where = ".".join(map(str, error.errors()[0]["loc"]))
            return [], f"{INDEX} is of another kind: {where}"

    def _rows(self, path: Path) -> tuple[list[Row], str]:
        return self._logs.setdefault(path, Log(path)).rows()


def picture_of(place: Place, pictures: list[Picture], name: str) -> bytes:
    """The PNG of a row of the index, as its digest says."""
    row = next((one for one in pictures if one.file == name), None)
    if row is None or not re.fullmatch(r"step-\d+\.png", name):
        raise Refusal(404, "picture", found=shown(name), expected=f"a file of {INDEX}")
    try:
        data = read(place.path / INDEX.parent / name, MOST_PICTURE)
    except OSError:
        raise Refusal(
            404, "picture", found="a file that cannot be read", expected=f"a PNG of {INDEX}"
        ) from None
    if hashlib.sha256(data).hexdigest() != row.sha256 or not data.startswith(PNG):
        raise Refusal(
            409, "picture", found="another picture than the index says",
            expected="the PNG of that window", remedy="the run may be drawing it again",
        )  # fmt: skip
    return data
