"""Evidence that a run left behind without a seal, and how it is sealed afterwards.

A full disk, a second interrupt or a defect of ours may come between a run and its seal. What was
found stays: the folder is named `unsealed-*`, and `verify bundle seal` makes it a bundle. What the
run did not reach is unknown in it, as after any interrupt; no claim is supported by half a run.
"""

from __future__ import annotations

import os
import shlex
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

from verify.files import write
from verify.outcome import Outcome, Reason
from verify.problems import IntegrityError, UsageError
from verify.report.bundle import EVIDENCE, MANIFEST, PARTIAL, TORN, UNSEALED, seal
from verify.report.model import Report
from verify.run.evidence import Record, chain, linked, now, plain
from verify.run.results import Verdict


def keep(partial: Path) -> str | None:
    """Name the folder of a run that cannot be sealed for what it is -> what to tell the user.

    None where it holds no record: it is removed, for nothing was found out.
    """
    evidence = partial / EVIDENCE
    if not evidence.is_file() or not evidence.stat().st_size:
        shutil.rmtree(partial, ignore_errors=True)
        return None
    kept = partial.with_name(UNSEALED + partial.name.removeprefix(PARTIAL))
    try:
        partial.rename(kept)
    except OSError:
        kept = partial
    return (
        f"the evidence of this run is kept, unsealed, in {kept}; remedy: free the place, then "
        f"verify bundle seal {shlex.quote(str(kept))}"
    )


def seal_left(folder: Path) -> tuple[Path, Report]:
    """Seal what a run left behind -> the bundle and its report.

    Raises UsageError for a folder that is no such evidence or is still written, IntegrityError for
    evidence whose chain is broken.
    """
    _require_left(folder)
    for leftover in folder.glob(".*.tmp"):  # of a seal that was killed
        if not leftover.is_dir():
            leftover.unlink(missing_ok=True)
    _complete(folder)
    return seal(folder)


def _require_left(folder: Path) -> None:
    if not (folder / EVIDENCE).is_file():
        raise UsageError(
            f"{folder}: found no {EVIDENCE}; expected the folder {UNSEALED}* or {PARTIAL}* that a "
            "run left behind"
        )
    if (folder / MANIFEST).is_file() and not folder.name.startswith((PARTIAL, UNSEALED)):
        raise UsageError(f"{folder}: found a sealed bundle; remedy: verify bundle check")
    process = folder.name.rpartition("-")[2]
    if folder.name.startswith(PARTIAL) and process.isdecimal() and _alive(int(process)):
        raise UsageError(
            f"{folder}: found a run that is going on (process {process}); expected one that has "
            "ended; remedy: wait for it, it seals its own evidence"
        )


def _complete(folder: Path) -> None:
    """Bring the chain to its end: what was not judged is unknown, and the run was interrupted."""
    path = folder / EVIDENCE
    data = path.read_bytes()
    whole, line_end, torn = data.rpartition(b"\n")
    if torn:
        write(folder / TORN, torn.decode(errors="backslashreplace"))
    if not whole:
        raise IntegrityError(f"{path}: found no whole record; expected the evidence of a run")
    try:
        text = (whole + line_end).decode()
    except UnicodeDecodeError as error:
        raise IntegrityError(f"{path}: not an evidence file ({error})") from None
    read = list(chain(text, path))
    ended = read[-1].kind == "end"
    if torn or not ended:
        write(path, text if ended else text + _rest(read))


def _rest(read: list[Record]) -> str:
    """The records that a run writes when it is interrupted after `read`."""
    kinds = {record.kind for record in read}
    judged = {record.data["id"] for record in read if record.kind == "clause"}
    described = read[0].data.get("clauses", []) if read[0].kind == "run" else []
    reason = "the run ended before this clause"
    unknown = plain(Verdict(Outcome.UNKNOWN, reason, Reason.INTERRUPTED))
    missing: list[tuple[str, dict[str, Any]]] = [
        ("clause", {"id": one["id"], **unknown, "files": {}})
        for one in described
        if one["id"] not in judged
    ]
    if "claims" not in kinds:
        missing.append(("claims", {"claims": []}))
    missing.append(("end", {"finished": now(), "interrupted": True}))
    text, previous = "", read[-1].hash
    for number, (kind, data) in enumerate(missing, start=len(read)):
        line, previous = linked(number, previous, kind, data)
        text += line
    return text


def _alive(process: int) -> bool:
    with suppress(PermissionError):
        try:
            os.kill(process, 0)
        except (ProcessLookupError, OverflowError):
            return False
    return True
