"""What the gates are decided from: the pack, what is known now, artefacts, version, signatures."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from verify.guard.protect import digest_of
from verify.known import Bundle, Known, known
from verify.problems import PackError, UsageError
from verify.release.model import RELEASE, ReleaseFile, Signature, SignaturesFile
from verify.release.version import UnreadableError, version_in
from verify.spec.digests import digests
from verify.spec.pack import LoadedPack
from verify.spec.strict_yaml import read
from verify.spec.validation import validate


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
    evidence_dir: Path
    digests: dict[str, str]
    known: Known
    version: str | None
    artefacts: tuple[Artefact, ...]
    signatures: tuple[Signature, ...]
    today: date

    @property
    def bundle(self) -> Bundle | None:
        """What is known now, under the name of the latest bundle that counts.

        One that is damaged comes first: an older one does not replace it.
        """
        if self.known.damaged:
            return self.known.damaged[0]
        return named(self.known)

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


def named(now: Known) -> Bundle | None:
    """What is known now as one bundle; None where nothing is."""
    if now.report is None:
        return None
    digests_ = " and ".join(one.manifest_sha256 for one in now.bundles)
    return replace(now.bundles[0], report=now.report, manifest_sha256=digests_)


def gather(
    loaded: LoadedPack,
    reports: Path,
    artefacts: tuple[Path, ...],
    today: date,
    evidence_dir: Path | None = None,
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
        known=known(loaded, reports, evidence_dir),
        evidence_dir=evidence_dir or reports / "evaluations",
        version=version,
        artefacts=tuple(artefact_of(path) for path in artefacts),
        signatures=signatures(loaded.root / release.signatures, release.signatures),
        today=today,
    )


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
