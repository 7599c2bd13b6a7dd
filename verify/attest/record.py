"""A signed evaluation record: its figures were computed again by whoever signs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from verify import __version__, clock
from verify.attest.backing import text_of
from verify.attest.envelope import Kind, SignatureError, opened
from verify.attest.model import Key, Role
from verify.attest.recompute import Figure, Recomputed, recompute
from verify.attest.statement import RECORD, hold, statement, subjects
from verify.figures.evaluation import EvaluationRecord, read_evaluation
from verify.run.environment import repository
from verify.spec.digests import digests
from verify.spec.pack import LoadedPack

if TYPE_CHECKING:
    from collections.abc import Iterator

PARTS = ("components", "trace")  # files beside a record that it names by digest
# What a record says that its figures come from; what it does not say is told as unknown.
RESTS_ON = (
    "axis", "samples", "seeds", "step", "samples_sha256", "source_sha256", "checkpoint_sha256",
    "extractor_sha256", "statistics_sha256", "statistics_moments_sha256", "template_fingerprint",
    "code_sha256", *PARTS,
)  # fmt: skip


def describe(loaded: LoadedPack, path: Path) -> dict[str, Any]:
    """The statement about a record, computed again; raises SignatureError where it cannot be."""
    found = recompute(loaded, path)
    require(found)
    names = [path.name, *_beside(found.record)]
    return statement(RECORD, path.parent, names, {
        "pack": loaded.pack.manifest.pack,
        "digests": digests(loaded),
        "repository": dict(repository(loaded.root)),
        "verify": __version__,
        "signed": clock.now().isoformat(timespec="seconds"),
        "rests_on": {name: found.record.data.get(name) for name in RESTS_ON},
        "recomputed": {one.name: _told(one) for one in found.done},
        "not_recomputed": {one.name: one.how for one in found.left},
    })  # fmt: skip


def require(found: Recomputed) -> None:
    """Refuse what does not come out again, or of which nothing can be computed again."""
    path = found.record.path
    for one in found.differing:
        remedy = "evaluate again; a figure is never typed"
        raise SignatureError(Kind.CHANGED, path, one.line, f"{one.recorded!r} again", remedy)
    if found.problem or not found.done:
        raise SignatureError(
            Kind.NOT_RECOMPUTED, path, found.problem or "no figure that can be computed again",
            "figures that come out again from what lies beside the record",
            "keep what the evaluation wrote beside it, and register a function with @recompute",
        )  # fmt: skip


def check(loaded: LoadedPack, path: Path) -> tuple[Key, Mapping[str, Any]]:
    """The key that a record is signed by, and what it says; raises SignatureError."""
    said, key = opened(text_of(path), loaded.pack.trust, Role.RECORDS, str(path))
    files = subjects(said, RECORD, path)
    first = next(iter(files))
    if first != path.name or said["predicate"].get("pack") != loaded.pack.manifest.pack:
        found = f"a statement about {first} for the pack {said['predicate'].get('pack')}"
        expected = f"about {path.name} for {loaded.pack.manifest.pack}"
        raise SignatureError(Kind.REPLAYED, path, found, expected, f"verify sign {path}")
    hold(said, files, path.parent)
    absent = set(_beside(read_evaluation(path))) - set(files)
    if absent:
        found = f"{', '.join(sorted(absent))}, which nobody signed"
        raise SignatureError(Kind.ADDED, path, found, "what was signed", f"verify sign {path}")
    return key, said["predicate"]


def _beside(record: EvaluationRecord) -> Iterator[str]:
    for part in PARTS:
        named = record.data.get(part)
        if isinstance(named, dict) and "file" in named:
            yield Path(str(named["file"])).name


def _told(one: Figure) -> dict[str, Any]:
    return {"recorded": one.recorded, "again": one.again, "allowed": one.allowed, "from": one.how}
