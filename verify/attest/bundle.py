"""A signed bundle: its holder says that this run left its machine so, about this very pack."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from verify import __version__, clock
from verify.attest.backing import text_of
from verify.attest.envelope import Kind, SignatureError, opened
from verify.attest.model import Key, Role
from verify.attest.statement import BUNDLE, hold, statement, subjects
from verify.report.bundle import MANIFEST
from verify.report.bundle import check as check_bundle
from verify.report.model import Report
from verify.spec.digests import digests
from verify.spec.pack import LoadedPack

_HERE = "verify run, and sign that; or look from a checkout of the commit that it is about"


def is_bundle(path: Path) -> bool:
    """Whether a path is a folder with a manifest."""
    return path.is_dir() and (path / MANIFEST).is_file()


def describe(loaded: LoadedPack, bundle: Path) -> dict[str, Any]:
    """The statement about a bundle, re-verified and about what is here now."""
    bundle = bundle.resolve()
    report = check_bundle(bundle)
    predicate = _told(report, bundle.name)
    _require_here(predicate, loaded, bundle)
    predicate |= {"verify": __version__, "signed": clock.now().isoformat(timespec="seconds")}
    return statement(BUNDLE, bundle, _files(bundle), predicate)


def check(loaded: LoadedPack, bundle: Path) -> tuple[Key, Mapping[str, Any], Report]:
    """The key that a bundle is signed by, what it says, and the report; raises IntegrityError.

    The files are those that were signed and no others, the bundle is intact, what is said of it
    follows from it, and it is about this pack, subject and code.
    """
    bundle = bundle.resolve()
    said, key = opened(text_of(bundle), loaded.pack.trust, Role.BUNDLES, str(bundle))
    files, predicate = subjects(said, BUNDLE, bundle), said["predicate"]
    if predicate.get("bundle") != bundle.name:
        found = f"a statement about the bundle {predicate.get('bundle')}"
        raise SignatureError(Kind.REPLAYED, bundle, found, f"one about {bundle.name}", _HERE)
    hold(said, files, bundle)
    for name in sorted(set(_files(bundle)) - set(files)):
        remedy = "take the bundle from where it was signed"
        raise SignatureError(Kind.ADDED, bundle / name, "a file", "those that were signed", remedy)
    report = check_bundle(bundle)
    for name, value in _told(report, bundle.name).items():
        if predicate.get(name) != value:
            found = f"a statement whose {name} is another than the bundle's"
            raise SignatureError(Kind.CHANGED, bundle, found, "what the bundle says", "verify sign")
    _require_here(predicate, loaded, bundle)
    return key, predicate, report


def _told(report: Report, name: str) -> dict[str, Any]:
    """What a statement says of a bundle, all of which follows from the bundle."""
    about = report.about
    return {
        "bundle": name,
        "pack": about.get("pack"),
        "subject": about.get("subject"),
        "digests": dict(about.get("digests", {})),
        "repository": about.get("repository"),
        "evidence_head": report.evidence_head,
        "verdict": report.verdict.line,
        "score": report.score.overall.model_dump(mode="json"),
        "claims": {
            one.claim: {"scope": str(one.scope), "tier": str(one.tier), "form": str(one.form),
                        "sentence": one.sentence}
            for one in report.claims
        },
        "detection": about.get("detection"),
    }  # fmt: skip


def _require_here(predicate: Mapping[str, Any], loaded: LoadedPack, bundle: Path) -> None:
    """Raises SignatureError for a bundle of another pack, subject or commit."""
    own = loaded.pack.manifest
    for name, here in (("pack", own.pack), ("subject", own.subject)):
        if predicate[name] != here:
            found = f"a bundle about the {name} {predicate[name]}"
            raise SignatureError(Kind.REPLAYED, bundle, found, f"one about {here}", _HERE)
    now, then = digests(loaded), predicate["digests"]
    for name in now:
        if then.get(name) != now[name]:
            commit = (predicate.get("repository") or {}).get("commit") or "unknown"
            found = (
                f"a bundle of another commit ({commit}): its {name} is {str(then.get(name))[:12]}"
            )
            raise SignatureError(Kind.REPLAYED, bundle, found, f"{now[name][:12]}, as here", _HERE)


def _files(bundle: Path) -> list[str]:
    """Names of all files below a bundle, the manifest first."""
    found = sorted(p.relative_to(bundle).as_posix() for p in bundle.rglob("*") if not p.is_dir())
    return [MANIFEST, *(name for name in found if name != MANIFEST)]
