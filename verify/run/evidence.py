"""The evidence file: one JSON line a fact of the run, each carrying the hash of the one before.

Everything that is rendered later is read from this file and from nothing else.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Container, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO

from verify import clock, strict_json
from verify.outcome import Outcome
from verify.problems import IntegrityError, UsageError
from verify.run.answers import restate
from verify.run.engine import (
    ClauseFinished,
    Event,
    FalsifierFinished,
    FalsifiersPlanned,
    RunFinished,
    RunStarted,
)
from verify.run.environment import command_text, environment_text
from verify.run.results import Verdict
from verify.run.surroundings import UNKNOWN, Around, around
from verify.run.touched import Touched
from verify.score import points_of
from verify.spec.digests import evaluations_digest
from verify.spec.model import Clause, Pack
from verify.spec.pack import LoadedPack

SCHEMA = "verify/evidence/2"
GENESIS = "0" * 64
_PARTS = frozenset({"data", "hash", "kind", "prev", "seq"})


def now() -> str:
    """UTC, to the millisecond."""
    return _written(clock.now())


def _written(instant: datetime) -> str:
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class EvidenceWriter:
    """A listener that appends each event to `evidence.jsonl` as it arrives.

    began  what lay around before it began, where somebody has looked; None: it looks itself
    """

    def __init__(
        self,
        path: Path,
        loaded: LoadedPack,
        about: dict[str, Any],
        began: Around | None = None,
    ) -> None:
        self._loaded = loaded
        self._about = about
        self._previous = GENESIS
        self._sequence = 0
        self._mismatches = path.parent / "mismatches"
        self._path = path
        self._touched = Touched(loaded.root)
        self._around = began
        with _writable(path):
            self._file: TextIO = path.open("x", encoding="utf-8")

    def __call__(self, event: Event) -> None:
        with _writable(self._path):
            self._write(event)

    def close(self) -> None:
        """Flush to the disk; may be called again."""
        if self._file.closed:
            return
        with _writable(self._path), self._file:
            self._file.flush()
            os.fsync(self._file.fileno())

    def _write(self, event: Event) -> None:
        if isinstance(event, RunStarted):
            self._around = self._around or around(self._loaded.root)
            self._append("run", self._head(event))
        elif isinstance(event, ClauseFinished):
            verdict, name = event.verdict, event.clause.id
            kept = {"files": self._keep_files(name, verdict)}
            self._append("clause", {"id": name, **plain(verdict, self._reads(verdict)), **kept})
        elif isinstance(event, FalsifierFinished):
            run = event.run
            data = {"clause": run.clause, "label": run.label, "killed": run.killed}
            self._append("falsifier", {**data, **plain(run.verdict, self._reads(run.verdict))})
        elif isinstance(event, FalsifiersPlanned):
            self._append("falsifiers_due", {"count": event.count})
        elif isinstance(event, RunFinished):
            self._append("touched", {**self._touched.told(), "around": self._still(event)})
            self._append("claims", {"claims": [asdict(claim) for claim in event.claims]})
            self._append("end", {"finished": now(), "interrupted": event.interrupted})

    def _reads(self, verdict: Verdict) -> list[str]:
        return self._touched.add(verdict.basis, cached=verdict.cached)

    def _head(self, event: RunStarted) -> dict[str, Any]:
        """What the run is about; the pack's texts are in it, so that claims can be derived anew."""
        wanted = {clause.id for clause in event.clauses}
        records = evaluations_digest(event.options.evidence_dir)
        return {
            **self._about,
            "schema": SCHEMA,
            "started": _written(event.options.began),
            "digests": {**self._about["digests"], "evaluations": records},
            "base": event.base,
            "environment": sha256_of(environment_text()),
            "command": sha256_of(command_text()),
            "declared": self._loaded.pack.model_dump(mode="json", by_alias=True),
            "clauses": list(describe(self._loaded, wanted)),
        }

    def _still(self, event: RunFinished) -> str:
        """What lay around the run, where that is what lies there now."""
        began = self._around
        same = began and not event.interrupted and began == around(self._loaded.root)
        return began.digest if began and same else UNKNOWN

    def _append(self, kind: str, data: dict[str, Any]) -> None:
        line, self._previous = linked(self._sequence, self._previous, kind, data)
        self._file.write(line)
        self._file.flush()
        self._sequence += 1

    def _keep_files(self, clause_id: str, verdict: Verdict) -> dict[str, str]:
        """Names within the bundle -> sha256."""
        if verdict.outcome is Outcome.PASS or not verdict.files:
            return {}
        folder = self._mismatches / clause_id
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in verdict.files.items():
            (folder / name).write_bytes(data)
        return {
            f"mismatches/{clause_id}/{name}": hashlib.sha256(data).hexdigest()
            for name, data in sorted(verdict.files.items())
        }


def sha256_of(text: str) -> str:
    """Of a file with this text, as `verify.files.write` writes it."""
    return hashlib.sha256(text.encode(errors="backslashreplace")).hexdigest()


@contextmanager
def _writable(path: Path) -> Iterator[None]:
    """A full disk or a lost folder is the user's to mend, not a defect of this program."""
    try:
        yield
    except OSError as error:
        raise UsageError(
            f"{path.parent}: found a folder that cannot be written ({error.strerror}); expected "
            "room for a bundle; remedy: free the place or pass --reports DIR"
        ) from None


def describe(loaded: LoadedPack, wanted: Container[str] | None = None) -> Iterator[dict[str, Any]]:
    """What a reader of the report has to know about each clause of a pack, or of those wanted."""
    for one in loaded.stated:
        clause = one.clause
        if wanted is not None and clause.id not in wanted:
            continue
        yield {
            "id": clause.id,
            "contract": one.contract.contract,
            "file": one.document.file,
            "line": one.line,
            "statement": clause.statement,
            "kind": clause.kind,
            "severity": clause.severity,
            "weight": points_of(one.contract, clause),
            "required": clause.required,
            "axis": clause.axis,
            "tags": list(clause.tags),
            "sources": list(cited(loaded.pack, clause)),
            "tolerance": clause.tolerance.model_dump(),
            "falsifiers": [falsifier.label for falsifier in clause.falsifiers],
            "remedy": clause.remedy,
        }


def cited(pack: Pack, clause: Clause) -> Iterator[dict[str, Any]]:
    """The facts that a clause cites, as its description shows them."""
    for source in clause.sources:
        fact = pack.fact(source)
        if fact is not None:
            yield {"id": source, "at": fact.at, "value": fact.value, "says": fact.says}


@dataclass(frozen=True)
class Record:
    """One line of an evidence file; `hash` stands for the whole file up to it."""

    kind: str
    data: dict[str, Any]
    hash: str


def records(path: Path) -> Iterator[Record]:
    """The records of an evidence file; a broken chain raises IntegrityError."""
    try:
        text = path.read_bytes().decode("utf-8")  # no end of a line is taken for another
    except (OSError, ValueError) as error:
        raise IntegrityError(f"{path}: not an evidence file ({error})") from None
    yield from chain(text, path)


def chain(text: str, path: Path) -> Iterator[Record]:
    """The records of the text of an evidence file; `path` is for messages."""
    previous = GENESIS
    for number, line in enumerate(text.removesuffix("\n").split("\n")):
        try:
            record = strict_json.loads(line)
            stated = record["hash"]
            follows = (record["prev"], repr(record["seq"])) == (previous, str(number))
            kept = _record(record["kind"], record["data"], stated)
            before, _, after = line.rpartition(f'"hash":"{stated}",')
            follows &= record.keys() == _PARTS and after.startswith('"kind":')
            if "\\u" in line:  # half of a character has no bytes
                _canonical(record).encode()
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise IntegrityError(f"{path}:{number + 1}: not an evidence record ({error})") from None
        if not follows or _digest(before + after) != stated:
            raise IntegrityError(
                f"{path}:{number + 1}: found a record whose hash does not follow from the one "
                "before; expected an unedited file; remedy: run again, evidence is never edited"
            )
        previous = stated
        yield kept


def _record(kind: object, data: object, stated: object) -> Record:
    """Raises TypeError where a part of it is not of its kind."""
    if not (isinstance(kind, str) and isinstance(data, dict) and isinstance(stated, str)):
        raise TypeError("found a kind, data or a hash that is no text, mapping, text")
    return Record(kind, data, stated)


def linked(sequence: int, previous: str, kind: str, data: Mapping[str, Any]) -> tuple[str, str]:
    """(line of a record that follows the hash `previous`, its own hash)."""
    # Keys in their order, so that the data, which may be long, is written out once.
    before = f'{{"data":{_canonical(data)},'
    after = f'"kind":{_canonical(kind)},"prev":"{previous}","seq":{sequence}}}'
    digest = _digest(before + after)
    return f'{before}"hash":"{digest}",{after}\n', digest


def plain(verdict: Verdict, reads: Iterable[str] = ()) -> dict[str, Any]:
    """A verdict as a record states it, without its files; `reads` are names of those it read."""
    answer = restate(verdict)
    return {
        **{name: value for name, value in answer.items() if name != "files"},
        "elapsed_s": round(verdict.elapsed_s, 4),
        "peak_mb": round(verdict.peak_mb, 1),
        "cached": verdict.cached,
        "key": verdict.basis.key,
        "reads": list(reads),
        "children": verdict.basis.children,
        "evaluations": verdict.basis.evaluations,
    }


def _canonical(value: Any) -> str:
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
