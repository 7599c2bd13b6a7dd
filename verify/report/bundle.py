"""The bundle: the sealed, re-verifiable directory that one run leaves behind.

It is written as `.partial-*` and renamed when sealed. A run that could not be sealed leaves its
evidence as `unsealed-*` (see `verify.report.unsealed`); every other folder is complete. Nothing in
a bundle is ever overwritten, and evidence is never deleted.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

from verify import __version__, clock
from verify.files import sync_folder, write
from verify.problems import IntegrityError, UsageError
from verify.report import html, junit, markdown, sarif
from verify.report.model import Report, from_evidence
from verify.run.environment import environment

EVIDENCE = "evidence.jsonl"
MANIFEST = "manifest.sha256"
COMMANDS = "commands.txt"
ENVIRONMENT = "env.json"
PARTIAL = ".partial-"
UNSEALED = "unsealed-"

_STAMP = re.compile(r"\d{8}T\d{6}")


def report_json(report: Report) -> str:
    """`report.json`, keys in the schema's order."""
    return report.model_dump_json(by_alias=True, indent=1) + "\n"


RENDERERS: dict[str, Callable[[Report], str]] = {
    "json": report_json,
    "md": markdown.render,
    "html": html.render,
    "junit": junit.render,
    "sarif": sarif.render,
}
RENDERED = {
    "report.json": "json",
    "report.md": "md",
    "report.html": "html",
    "junit.xml": "junit",
    "results.sarif": "sarif",
}


def open_partial(reports: Path) -> Path:
    """A fresh folder to write into; an unwritable place is found before any work is done."""
    stamp = clock.now().strftime("%Y%m%dT%H%M%S.%fZ")
    partial = reports / f"{PARTIAL}{stamp}-{os.getpid()}"
    try:
        partial.mkdir(parents=True)
        _write_circumstances(partial)
    except OSError as error:
        raise UsageError(
            f"{reports}: found a place that cannot be written ({error.strerror}); expected a "
            "folder for reports; remedy: pass --reports DIR"
        ) from None
    return partial


def seal(partial: Path) -> tuple[Path, Report]:
    """Render everything from the evidence, hash every file, and give the folder its name."""
    report = from_evidence(partial / EVIDENCE)
    for name, kind in RENDERED.items():
        write(partial / name, RENDERERS[kind](report))
    if not (partial / COMMANDS).exists():
        _write_circumstances(partial)
    write(partial / MANIFEST, _manifest(partial))
    final = partial.with_name(f"{_stamp(partial, report)}Z-{report.evidence_head[:10]}")
    if final.exists():  # a rename would replace an empty folder without a word
        raise UsageError(
            f"{final}: found something of this name; expected none; remedy: run again, bundles "
            "are never overwritten"
        )
    partial.rename(final)
    sync_folder(final.parent)
    return final, report


def _write_circumstances(partial: Path) -> None:
    """How the run was called, and with what; written first, for the run may have to be sealed by
    another command. Bytes of a path that are not UTF-8 are written as `\\udcff`."""
    write(partial / COMMANDS, f"{shlex.join(['verify', *sys.argv[1:]])}\n")
    write(partial / ENVIRONMENT, json.dumps(environment(), indent=1) + "\n")


def _stamp(partial: Path, report: Report) -> str:
    """When the run began, to the second: as the folder says, else as its evidence does."""
    named = _STAMP.search(partial.name)
    if named is not None:
        return named[0]
    return str(report.about["started"])[:19].replace("-", "").replace(":", "")


def check(bundle: Path) -> Report:
    """Re-verify a bundle: every file hashed, none extra, chain whole, reports as rendered."""
    stated, actual = _stated(bundle), _hashes(_manifest(bundle))
    for name in sorted(stated.keys() | actual.keys()):
        if stated.get(name) != actual.get(name):
            found = (
                "missing" if name not in actual else "extra" if name not in stated else "changed"
            )
            raise IntegrityError(
                f"{bundle / name}: found a file that is {found}; expected what {MANIFEST} states; "
                "remedy: run again, a bundle is never edited"
            )
    report = from_evidence(bundle / EVIDENCE)
    for name, kind in RENDERED.items():
        path = bundle / name
        if not path.is_file() or path.read_text(encoding="utf-8") != RENDERERS[kind](report):
            raise IntegrityError(f"{path}: {_not_as_rendered(report)}")
    return report


def latest(reports: Path) -> Path | None:
    """The newest sealed bundle of a folder."""
    sealed = [path.parent for path in reports.glob(f"[0-9]*/{MANIFEST}")]
    return max(sealed, key=lambda path: path.name, default=None)


def _not_as_rendered(report: Report) -> str:
    theirs = report.about.get("verify")
    if theirs != __version__:
        remedy = f"check with verify {theirs}, which wrote it; this is {__version__}"
    else:
        remedy = "run again"
    return f"found a report that its evidence does not render to; remedy: {remedy}"


def _stated(bundle: Path) -> dict[str, str]:
    path = bundle / MANIFEST
    if not path.is_file():
        raise UsageError(f"{bundle}: found no {MANIFEST}; expected a sealed bundle")
    try:
        return _hashes(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise IntegrityError(f"{path}: not a list of digests ({error})") from None


def _hashes(manifest: str) -> dict[str, str]:
    """Name -> sha256; raises ValueError for a line that is not `digest  name`."""
    found = {}
    for line in manifest.removesuffix("\n").split("\n"):
        digest, name = line.split("  ", 1)
        found[name] = digest
    return found


def _manifest(folder: Path) -> str:
    lines = []
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != MANIFEST:
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            lines.append(f"{digest}  {path.relative_to(folder).as_posix()}")
    return "\n".join(lines) + "\n"
