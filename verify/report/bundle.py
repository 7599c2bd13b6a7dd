"""The bundle: the sealed, re-verifiable directory that one run leaves behind.

It is written as `.partial-*` and renamed when sealed. A run that could not be sealed leaves its
evidence as `unsealed-*` (see `verify.report.unsealed`); every other folder is complete. Nothing in
a bundle is ever overwritten, and evidence is never deleted.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from verify import __version__, clock
from verify.files import sync_folder, write
from verify.problems import IntegrityError, UsageError
from verify.report import junit, markdown, sarif
from verify.report.derive import hold_records, pins_of
from verify.report.model import Report, from_records
from verify.report.page import render as page
from verify.run.environment import command_text, environment_text
from verify.run.evidence import records
from verify.run.pins import Pins
from verify.spec.sources import State, state_of

EVIDENCE = "evidence.jsonl"
MANIFEST = "manifest.sha256"
COMMANDS = "commands.txt"
ENVIRONMENT = "env.json"
PARTIAL = ".partial-"
UNSEALED = "unsealed-"
TORN = "evidence.torn"  # the end of a last line that a full disk or a kill cut off


def report_json(report: Report) -> str:
    """`report.json`, keys in the schema's order."""
    return report.model_dump_json(by_alias=True, indent=1) + "\n"


RENDERERS: dict[str, Callable[[Report], str]] = {
    "json": report_json,
    "md": markdown.render,
    "html": page.render,
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
WHOLE = {"report.json": "json"}  # all that the evidence says is in it


def open_partial(reports: Path) -> Path:
    """A fresh folder to write into; an unwritable place is found before any work is done."""
    stamp = clock.now().strftime("%Y%m%dT%H%M%S.%fZ")
    partial = reports / f"{PARTIAL}{stamp}-{os.getpid()}"
    try:
        partial.mkdir(parents=True)
        with _or_nothing(partial):
            _write_circumstances(partial)
    except OSError as error:
        raise UsageError(
            f"{reports}: found a place that cannot be written ({error.strerror}); expected a "
            "folder for reports; remedy: pass --reports DIR"
        ) from None
    return partial


@contextmanager
def _or_nothing(folder: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def seal(partial: Path) -> tuple[Path, Report]:
    """Render everything from the evidence, hash every file, and give the folder its name.

    Raises IntegrityError, before anything is written, for what `check` would refuse afterwards: a
    file that the evidence does not know, or one of its own that is lost.
    """
    read = list(records(partial / EVIDENCE))
    report = from_records(read, partial / EVIDENCE)
    _hold_rest(partial, _digests(partial), pins_of(read))
    for name, kind in RENDERED.items():
        write(partial / name, RENDERERS[kind](report))
    write(partial / MANIFEST, _manifest(partial))
    final = partial.with_name(name_of(report))
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
    write(partial / COMMANDS, command_text())
    write(partial / ENVIRONMENT, environment_text())


def name_of(report: Report) -> str:
    """A bundle's name follows from its evidence: when the run began, and the head of the chain."""
    stamp = str(report.about["started"])[:19].replace("-", "").replace(":", "")
    return f"{stamp}Z-{report.evidence_head[:10]}"


def check(bundle: Path) -> Report:
    """Re-verify a bundle; see `opened`."""
    return opened(bundle)[0]


def opened(bundle: Path, reports: Mapping[str, str] = RENDERED) -> tuple[Report, Pins]:
    """A bundle, derived anew from its evidence, and what it rests on; else IntegrityError.

    Its files are those of its manifest and no others, plain files each; its chain is whole; claims,
    score, verdict and reports are what the records come to; its name is that of its head.

    reports  those that are rendered anew; who reads none of them asks for WHOLE, in which all is
    """
    bundle = bundle.resolve() if bundle.is_dir() else bundle  # a message names what was given
    _hold_files(bundle)
    read = list(records(bundle / EVIDENCE))
    report = from_records(read, bundle / EVIDENCE)
    for name, kind in reports.items():
        path = bundle / name
        if path.read_bytes() != RENDERERS[kind](report).encode():
            raise IntegrityError(f"{path}: {_not_as_rendered(report)}")
    pins = hold_records(read, report, bundle / EVIDENCE)
    _hold_rest(bundle, manifest_of(bundle), pins)
    if bundle.name != name_of(report):
        raise IntegrityError(
            f"{bundle}: found a folder of this name; expected {name_of(report)}, as its evidence "
            "says; remedy: give it its name back"
        )
    return report, pins


def latest(reports: Path) -> Path | None:
    """The sealed bundle that began last, by its own evidence; its folder's name says nothing."""
    return next(iter(newest_first(reports)), None)


def newest_first(reports: Path) -> list[Path]:
    """All sealed bundles of a folder; those whose beginning cannot be read come first."""
    sealed = [path.parent for path in reports.glob(f"*/{MANIFEST}")]
    kept = [folder for folder in sealed if not folder.name.startswith(".")]
    return sorted(kept, key=lambda folder: (_started(folder), folder.name), reverse=True)


def head_of(bundle: Path) -> Mapping[str, Any]:
    """The first record of a bundle, not yet verified; empty where there is none."""
    path = bundle / EVIDENCE
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):  # a pipe would be waited for
            return {}
        return _head(path, state_of(found))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return {}


@lru_cache(maxsize=16)
def _head(path: Path, state: State) -> Mapping[str, Any]:
    with path.open(encoding="utf-8") as file:
        data = json.loads(file.readline())["data"]  # strictly it takes five times as long
    return data if isinstance(data, dict) else {}


def _started(bundle: Path) -> str:
    return str(head_of(bundle).get("started", "~"))


def _not_as_rendered(report: Report) -> str:
    theirs = report.about.get("verify")
    if theirs != __version__:
        remedy = f"check with verify {theirs}, which wrote it; this is {__version__}"
    else:
        remedy = "run again"
    return f"found a report that its evidence does not render to; remedy: {remedy}"


def _hold_files(bundle: Path) -> None:
    """Every file is stated, as it is stated, and is a file of this folder."""
    stated, actual = manifest_of(bundle), _digests(bundle)
    for name in sorted(
        stated.keys() | actual.keys() | {EVIDENCE, *RENDERED, COMMANDS, ENVIRONMENT}
    ):
        if name not in stated or stated[name] != actual.get(name):
            missing, extra = name not in actual, name not in stated
            found = "missing" if missing else "extra" if extra else "changed"
            raise IntegrityError(
                f"{bundle / name}: found a file that is {found}; expected what {MANIFEST} states; "
                "remedy: run again, a bundle is never edited"
            )


def _hold_rest(bundle: Path, stated: Mapping[str, str], pins: Pins) -> None:
    """Besides its own files a bundle holds what its clauses handed over, and nothing else."""
    wanted = {name: digest for one in pins.records.values()
              for name, digest in one.get("files", {}).items()}  # fmt: skip
    wanted[ENVIRONMENT] = pins.head["environment"]
    wanted[COMMANDS] = pins.head.get("command")
    own = (EVIDENCE, *RENDERED, TORN, MANIFEST)
    rest = {name: stated[name] for name in stated if name not in own}
    for name in sorted(rest.keys() | wanted.keys()):
        if rest.get(name) != wanted.get(name):
            raise IntegrityError(
                f"{bundle / name}: found a file that the evidence does not know, or not so; "
                "expected what a check handed over and how the run was called; remedy: before "
                "sealing, move it elsewhere; afterwards run again, a bundle is never edited"
            )


def manifest_of(bundle: Path) -> dict[str, str]:
    """Name -> sha256 of every file, as the manifest of a bundle states them."""
    path = bundle / MANIFEST
    if path.is_symlink() or not path.is_file():
        raise UsageError(f"{bundle}: found no {MANIFEST}; expected a sealed bundle")
    try:
        return _hashes(path.read_bytes().decode("utf-8"))
    except (OSError, ValueError) as error:
        raise IntegrityError(f"{path}: not a list of digests ({error})") from None


def _hashes(manifest: str) -> dict[str, str]:
    """Name -> sha256; raises ValueError for a line that is not `digest  name`, or names twice."""
    found: dict[str, str] = {}
    for line in manifest.removesuffix("\n").split("\n"):
        digest, name = line.split("  ", 1)
        if name in found:
            raise ValueError(f"{name} twice")
        found[name] = digest
    return found


def _manifest(folder: Path) -> str:
    return "".join(f"{digest}  {name}\n" for name, digest in _digests(folder).items())


def _digests(folder: Path) -> dict[str, str]:
    """Name -> sha256 of every file but the manifest, whatever is in its name."""
    paths = {path.relative_to(folder).as_posix(): path for path in sorted(_files(folder))}
    return {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in paths.items()
            if name != MANIFEST}  # fmt: skip


def _files(folder: Path) -> Iterator[Path]:
    """Plain files below a folder; a link, a pipe or an empty folder has no place in a bundle."""
    for path in folder.iterdir():
        mode = path.lstat().st_mode
        if stat.S_ISREG(mode):
            yield path
        elif stat.S_ISDIR(mode) and any(path.iterdir()):
            yield from _files(path)
        else:
            kind = "an empty folder" if stat.S_ISDIR(mode) else "something that is no plain file"
            raise IntegrityError(
                f"{path}: found {kind}; expected files only; remedy: run again, a bundle is never "
                "edited"
            )
