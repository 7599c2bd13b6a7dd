"""What the gates are decided from: the pack, the newest bundle, artefacts, version, signatures."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from verify.guard.protect import digest_of
from verify.problems import IntegrityError, PackError, UsageError
from verify.release.model import RELEASE, ReleaseFile, Signature, SignaturesFile
from verify.release.version import UnreadableError, version_in
from verify.report.bundle import MANIFEST, check, latest
from verify.report.model import Report
from verify.spec.digests import digests
from verify.spec.pack import LoadedPack
from verify.spec.strict_yaml import read
from verify.spec.validation import validate


@dataclass(frozen=True)
class Bundle:
    """The newest bundle; `report` is None where it is damaged, and `damage` says how."""

    name: str
    manifest_sha256: str
    report: Report | None
    damage: str = ""


@dataclass(frozen=True)
class Artefact:
    """A file to be published; `sha256` is of all of its bytes."""

    path: Path
    sha256: str

    @property
    def name(self) -> str:
        """Its name without the folders of this machine."""
        return self.path.name


@dataclass(frozen=True)
class Situation:
    """Everything that a gate may look at; gathered once, changed by nobody."""

    loaded: LoadedPack
    release: ReleaseFile
    reports: Path
    digests: dict[str, str]
    bundle: Bundle | None
    version: str | None
    artefacts: tuple[Artefact, ...]
    signatures: tuple[Signature, ...]
    today: date

    @property
    def root(self) -> Path:
        """The folder of the project."""
        return self.loaded.root


def release_of(loaded: LoadedPack) -> ReleaseFile:
    """The gates of a pack; raises UsageError where it declares none."""
    for _, release in loaded.of(ReleaseFile):
        return release
    raise UsageError(
        f"{loaded.root}: found no {RELEASE}; expected the gates of a release; remedy: write it "
        "(`verify schema release`)"
    )


def gather(
    loaded: LoadedPack, reports: Path, artefacts: tuple[Path, ...], today: date
) -> Situation:
    """Look at everything once; raises UsageError for an artefact that is no file."""
    release = release_of(loaded)
    try:
        version = version_in(loaded.root, release.version)
    except UnreadableError:
        version = None
    return Situation(
        loaded=loaded,
        release=release,
        reports=reports,
        digests=digests(loaded),
        bundle=newest(reports),
        version=version,
        artefacts=tuple(artefact_of(path) for path in artefacts),
        signatures=signatures(loaded.root / release.signatures, release.signatures),
        today=today,
    )


def newest(reports: Path) -> Bundle | None:
    """The newest sealed bundle of a folder, intact or not: an older one does not replace it."""
    folder = latest(reports)
    return None if folder is None else opened(folder)


def opened(folder: Path) -> Bundle:
    """A bundle, re-verified; raises UsageError for a folder that is none."""
    if not (folder / MANIFEST).is_file():
        raise UsageError(f"{folder}: found no {MANIFEST}; expected a sealed bundle")
    folder = folder.resolve()  # its name is part of what is said
    manifest = hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest()
    try:
        return Bundle(folder.name, manifest, check(folder))
    except (IntegrityError, UsageError, OSError) as error:
        text = " ".join(str(error).replace(str(folder), folder.name).split())
        return Bundle(folder.name, manifest, None, text)


def signatures(path: Path, label: str) -> tuple[Signature, ...]:
    """What is signed; nothing where there is no file. Raises PackError for a file that is wrong."""
    if not path.exists():
        return ()
    document = read(path, name=label)
    problems = list(document.problems)
    file = None if problems else validate(document, SignaturesFile, problems)
    if file is None:
        raise PackError(problems)
    return file.signatures


def artefact_of(path: Path) -> Artefact:
    """A file with its digest; raises UsageError for what is no file."""
    try:
        if not path.is_file():
            raise UsageError(f"{path}: found no file; expected an artefact to release")
        return Artefact(path.resolve(), digest_of(path))
    except OSError as error:
        raise UsageError(f"{path}: found a file that cannot be read ({error.strerror})") from None
