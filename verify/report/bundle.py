"""The bundle: the sealed, re-verifiable directory that one run leaves behind.

It is written as `.partial-*` and renamed when sealed, so a folder without that prefix is always
complete. Nothing in it is ever overwritten.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shlex
import sys
from datetime import UTC, datetime
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from verify.problems import IntegrityError, UsageError
from verify.report import junit, markdown
from verify.report.model import Report, from_evidence

MANIFEST = "manifest.sha256"
RENDERERS = {
    "json": lambda report: report_json(report),
    "md": markdown.render,
    "junit": junit.render,
}


def open_partial(reports: Path) -> Path:
    """A fresh folder to write into; an unwritable place is found before any work is done."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    partial = reports / f".partial-{stamp}-{os.getpid()}"
    try:
        partial.mkdir(parents=True)
    except OSError as error:
        raise UsageError(
            f"{reports}: found a place that cannot be written ({error.strerror}); expected a "
            "folder for reports; remedy: pass --reports DIR"
        ) from None
    return partial


def seal(partial: Path) -> tuple[Path, Report]:
    """Render everything from the evidence, hash every file, and give the folder its name."""
    report = from_evidence(partial / "evidence.jsonl")
    write(partial / "report.json", report_json(report))
    write(partial / "report.md", markdown.render(report))
    write(partial / "junit.xml", junit.render(report))
    write(partial / "commands.txt", f"{shlex.join(['verify', *sys.argv[1:]])}\n")
    write(partial / "env.json", json.dumps(environment(), indent=1, sort_keys=True) + "\n")
    write(partial / MANIFEST, _manifest(partial))
    stamp = partial.name.removeprefix(".partial-").rpartition("-")[0]
    final = partial.with_name(f"{stamp.split('.')[0]}Z-{report.evidence_head[:10]}")
    partial.rename(final)
    return final, report


def check(bundle: Path) -> Report:
    """Re-verify a bundle: every file hashed, none extra, chain whole, report as rendered."""
    manifest = bundle / MANIFEST
    if not manifest.is_file():
        raise UsageError(f"{bundle}: found no {MANIFEST}; expected a sealed bundle")
    stated = dict(
        reversed(line.split("  ", 1)) for line in manifest.read_text("utf-8").splitlines()
    )
    actual = dict(reversed(line.split("  ", 1)) for line in _manifest(bundle).splitlines())
    for name in sorted(stated.keys() | actual.keys()):
        if stated.get(name) != actual.get(name):
            found = (
                "missing" if name not in actual else "extra" if name not in stated else "changed"
            )
            raise IntegrityError(
                f"{bundle / name}: found a file that is {found}; expected what {MANIFEST} states; "
                "remedy: run again, a bundle is never edited"
            )
    report = from_evidence(bundle / "evidence.jsonl")
    if (bundle / "report.json").read_text("utf-8") != report_json(report):
        raise IntegrityError(
            f"{bundle / 'report.json'}: found a report that its evidence does not render to; "
            "remedy: run again"
        )
    return report


def latest(reports: Path) -> Path | None:
    """The newest sealed bundle of a folder."""
    sealed = [path.parent for path in reports.glob(f"[0-9]*/{MANIFEST}")]
    return max(sealed, key=lambda path: path.name, default=None)


def report_json(report: Report) -> str:
    """`report.json`, keys in the schema's order."""
    return report.model_dump_json(by_alias=True, indent=1) + "\n"


def environment() -> dict[str, Any]:
    """What a reader needs to run this again; no names of users, hosts or folders."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
        "packages": {
            name: item.version
            for item in distributions()
            if (name := item.metadata["Name"]) is not None
        },
    }


def write(path: Path, text: str) -> None:
    """Write a whole file or none of it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _manifest(folder: Path) -> str:
    lines = []
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != MANIFEST:
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            lines.append(f"{digest}  {path.relative_to(folder).as_posix()}")
    return "\n".join(lines) + "\n"
