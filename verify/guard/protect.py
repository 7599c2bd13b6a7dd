"""Files under protection, held against the digests they were approved with.

A file's digest stands in exactly one place: in a list beside it where it has one (`manifest`), else
in specs/protected.yaml. Every recorded digest names the decision it was approved under.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from verify.files import write
from verify.guard import globs
from verify.guard.decided import own_record
from verify.guard.frontier import shown
from verify.guard.model import PROTECTED, RECORD, DigestsFile, Protected, ProtectedFile, Recorded
from verify.problems import UsageError
from verify.spec.decisions import front_matter
from verify.spec.model import Decision
from verify.spec.pack import LoadedPack
from verify.spec.places import of_an_editor
from verify.spec.quoting import quoted

SKIPPED = frozenset({".git", "__pycache__"})
_HEAD = "# Written by `verify protect --approve`; never edited by hand.\nschema: verify/digests/1\n"


class State(StrEnum):
    """What became of a protected file."""

    AS_APPROVED = "as approved"
    CHANGED = "changed"
    MISSING = "missing"
    UNLISTED = "unlisted"
    NOT_A_FILE = "not a file"
    UNGUARDED = "unguarded"
    TWICE = "listed twice"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class Finding:
    """A path, its state, and what is behind it."""

    path: str
    state: State
    reason: str = ""


@dataclass(frozen=True)
class Guard:
    """The protection of one root: its assets, the recorded digests, and those of manifests."""

    root: Path
    assets: tuple[Protected, ...]
    recorded: tuple[Recorded, ...]
    decisions: Mapping[str, Decision]
    listed: Mapping[str, str]  # path -> digest, of all manifests


def guard_of(loaded: LoadedPack) -> Guard:
    """The protection of a pack; raises UsageError where it declares none."""
    lists = (file for place, file in loaded.of(ProtectedFile) if place.file == PROTECTED)
    assets = tuple(asset for file in lists for asset in file.assets)
    if not assets:
        raise UsageError(
            f"{loaded.root}: found no {PROTECTED}; expected the files to protect; "
            "remedy: write one (`verify schema protected`)"
        )
    records = (file for place, file in loaded.of(DigestsFile) if place.file == RECORD)
    recorded = tuple(one for file in records for one in file.assets)
    decisions = {decision.id: decision for decision in loaded.pack.decisions}
    names = sorted({asset.manifest for asset in assets if asset.manifest})
    listed = {path: digest for name in names for path, digest in _manifest(loaded.root, name)}
    return Guard(loaded.root, assets, recorded, decisions, listed)


def check(guard: Guard) -> list[Finding]:
    """Every protected path once, in order; what is wrong has a state other than `as approved`."""
    stated = {one.path: one for one in guard.recorded}
    present = files_under(guard.root, [asset.glob for asset in guard.assets])
    paths = present.keys() | stated.keys() | guard.listed.keys()
    found = [_judge(path, guard, stated, present.get(path, False)) for path in sorted(paths)]
    times = Counter(one.path for one in guard.recorded)
    twice = (path for path, count in times.items() if count > 1)
    found += [Finding(path, State.TWICE, f"more than once in {RECORD}") for path in sorted(twice)]
    covered = {asset.glob for asset in guard.assets for path in paths if _covers(asset, path)}
    for asset in guard.assets:
        if asset.glob not in covered:
            found.append(Finding(asset.glob, State.MISSING, "the glob matches no file"))
    return found


def approve(guard: Guard, wanted: Sequence[str], decision: str) -> list[str]:
    """Record what the named paths, or all matches of a glob, hold now; returns the paths recorded.

    What is as approved keeps its decision; a path that is gone loses its record. Raises UsageError,
    before anything is written, for a decision that is not settled, does not govern a path or is
    older than the one it replaces, and for a path that is not under protection.
    """
    known = guard.decisions.get(decision)
    if known is None:
        raise UsageError(f"--decision: found {decision}, which is missing; expected a record")
    present = files_under(guard.root, [asset.glob for asset in guard.assets])
    good = {one.path for one in check(guard) if one.state is State.AS_APPROVED}
    chosen = [path for path in _chosen(guard, wanted, present) if path not in good]
    for path in chosen:
        _may_approve(guard, known, path)
    fresh = {path: _digest(guard, path) for path in chosen if present.get(path)}
    manifests = {path: _manifest_for(guard, path) for path in chosen}
    for manifest in sorted({name for name in manifests.values() if name}):
        mine = [path for path in chosen if manifests[path] == manifest]
        _rewrite_manifest(guard, manifest, {path: fresh.get(path) for path in mine})
        fresh[manifest] = digest_of(guard.root / manifest)
    records = {one.path: one for one in guard.recorded}
    direct = [path for path in chosen if manifests[path] is None]
    for path in [*direct, *sorted({name for name in manifests.values() if name})]:
        records.pop(path, None)
        if path in fresh:
            records[path] = Recorded(path=path, sha256=fresh[path], decision=decision)
    write(guard.root / RECORD, _as_yaml(records.values()))
    return chosen


def _may_approve(guard: Guard, decision: Decision, path: str) -> None:
    """Raise UsageError where a decision is not about a path, or older than what it would undo."""
    recorded = next((one for one in guard.recorded if one.path == path), None)
    if recorded is None and path == own_record(decision):
        return
    if not decision.status.settled:
        raise UsageError(
            f"--decision: found {decision.id}, which is {decision.status}; expected an accepted or "
            "closed decision"
        )
    if not decision.governs_file(path):
        raise UsageError(
            f"--decision: found {decision.id}, which does not govern {shown(path)}; expected a "
            "decision about it; remedy: write one that names it, or a glob, in `governs`"
        )
    before = guard.decisions.get(recorded.decision) if recorded else None
    if before is not None and before.date > decision.date:
        raise UsageError(
            f"--decision: found {decision.id} of {decision.date}; expected none older than "
            f"{before.id} of {before.date}, under which {shown(path)} was approved"
        )


def digest_of(path: Path) -> str:
    """sha256 of a file, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def files_under(root: Path, patterns: Iterable[str]) -> dict[str, bool]:
    """Paths that a glob matches -> whether each is a regular file; links are not followed.

    `root` is resolved.
    """
    found: dict[str, bool] = {}
    for pattern in patterns:
        top = root / globs.base(pattern)
        if top.resolve() != top:  # a folder on the way is a link: what is there stands elsewhere
            continue
        for folder, names, files in os.walk(top, onerror=_unreadable):
            names[:] = [name for name in names if name not in SKIPPED]
            links = [name for name in names if (Path(folder) / name).is_symlink()]
            for name in [*files, *links]:
                path = Path(folder) / name
                relative = path.relative_to(root).as_posix()
                if not of_an_editor(name) and globs.matches(pattern, relative):
                    found[relative] = stat.S_ISREG(path.lstat().st_mode)
    return found


def _unreadable(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise UsageError(f"{error.filename}: found a folder that cannot be read ({error.strerror})")


def _judge(path: str, guard: Guard, stated: Mapping[str, Recorded], regular: bool) -> Finding:
    """The state of one path; the order is that of how much each says."""
    record, listed = stated.get(path), guard.listed.get(path)
    if record is not None and listed is not None:
        return Finding(path, State.TWICE, f"in {RECORD} and in {_manifest_for(guard, path)}")
    if not any(_covers(asset, path) for asset in guard.assets):
        return Finding(path, State.UNGUARDED, f"no glob of {PROTECTED} covers it")
    digest = record.sha256 if record else listed
    if not os.path.lexists(guard.root / path):
        return Finding(path, State.MISSING, "it is approved, and gone")
    if not regular:
        return Finding(path, State.NOT_A_FILE, "a link, or no regular file")
    if digest is None:
        return Finding(path, State.UNLISTED, "nobody approved it")
    now = _digest(guard, path)
    if now != digest:
        return Finding(path, State.CHANGED, f"sha256 {now[:12]}, approved {digest[:12]}")
    fault = _undecided(record, guard) if record else None
    if fault is not None:
        return Finding(path, State.UNDECIDED, fault)
    return Finding(path, State.AS_APPROVED, record.decision if record else "by its manifest")


def _undecided(record: Recorded, guard: Guard) -> str | None:
    """Why the decision behind a digest does not hold, or None."""
    decision = guard.decisions.get(record.decision)
    if decision is None:
        return f"{record.decision} is missing"
    if record.path == own_record(decision):
        return None  # whatever its status: it stands as it was written
    if not decision.status.settled:
        return f"{record.decision} is {decision.status}"
    manifest = any(asset.manifest == record.path for asset in guard.assets)
    return (
        None
        if manifest or decision.governs_file(record.path)
        else (f"{record.decision} does not govern it")
    )


def _digest(guard: Guard, path: str) -> str:
    """sha256 of what is under protection: a file, or the front matter of a record."""
    part = next((asset.part for asset in guard.assets if _covers(asset, path)), "file")
    if part == "front matter":
        with (guard.root / path).open(encoding="utf-8", errors="surrogateescape") as file:
            front = front_matter(file.read())
        if front is not None:
            return hashlib.sha256(front.encode("utf-8", "surrogateescape")).hexdigest()
    return digest_of(guard.root / path)


def _covers(asset: Protected, path: str) -> bool:
    return globs.matches(asset.glob, path) or asset.manifest == path


def _manifest_for(guard: Guard, path: str) -> str | None:
    """The list that a path's digest belongs into: the one that has it, or that of new files."""
    for asset in guard.assets:
        if asset.manifest and asset.manifest != path and globs.matches(asset.glob, path):
            return asset.manifest
    return None


def _chosen(guard: Guard, wanted: Sequence[str], present: Mapping[str, bool]) -> list[str]:
    known = present.keys() | {one.path for one in guard.recorded} | guard.listed.keys()
    chosen: set[str] = set()
    for name in wanted:
        matched = {path for path in known if path == name or globs.matches(name, path)}
        if globs.fault(name) or not matched:
            raise UsageError(
                f"--approve: found {shown(name)}, which names no protected file; expected a path "
                f"or a glob; remedy: `verify protect --all` lists them, {PROTECTED} adds some"
            )
        chosen |= matched
    odd = sorted(path for path in chosen if present.get(path) is False)
    odd += [path for path in sorted(chosen) if not path.isprintable() and _undecodable(path)]
    if odd:
        raise UsageError(
            f"--approve: found {shown(odd[0])}, a link or a name that is not UTF-8; expected files"
        )
    for path in sorted(chosen):
        manifest = _manifest_for(guard, path)
        if manifest and len(path.splitlines()) > 1:
            raise UsageError(
                f"{shown(path)}: found a line break; expected a name fit for {manifest}"
            )
    return sorted(chosen)


def _undecodable(path: str) -> bool:
    return path.encode("utf-8", "replace") != path.encode("utf-8", "surrogateescape")


def _manifest(root: Path, name: str) -> Iterator[tuple[str, str]]:
    """(path, digest) of each line `digest  name` of a list; names are relative to its folder."""
    path = root / name
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise UsageError(f"{name}: found no list of digests ({error})") from None
    folder = name.rpartition("/")[0]
    for number, line in enumerate(lines, start=1):
        digest, separator, file = line.partition("  ")
        if not separator or len(digest) != 64 or globs.fault(file):
            raise UsageError(f"{name}:{number}: found {line!r}; expected `sha256  name`")
        yield f"{folder}/{file}" if folder else file, digest


def _rewrite_manifest(guard: Guard, name: str, changed: Mapping[str, str | None]) -> None:
    """The list with some digests replaced, added or (None) taken out; one atomic replacement."""
    folder = name.rpartition("/")[0]
    entries: dict[str, str | None] = {**dict(_manifest(guard.root, name)), **changed}
    inside = len(folder) + 1 if folder else 0
    lines = [f"{digest}  {path[inside:]}\n" for path, digest in sorted(entries.items()) if digest]
    write(guard.root / name, "".join(lines))


def _as_yaml(records: Iterable[Recorded]) -> str:
    """One line a file, in order."""
    lines = [
        f"  - {{path: {quoted(one.path)}, sha256: {quoted(one.sha256)}, "
        f"decision: {one.decision}}}\n"
        for one in sorted(records, key=lambda one: one.path)
    ]
    return _HEAD + ("assets:\n" + "".join(lines) if lines else "assets: []\n")
