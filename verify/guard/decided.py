"""Rules that a change may touch only along with a decision of its own.

A decision is the change's where it is settled at the end of the change, was not at the base, and
names the path, or a glob for it, in `governs`. The digest of the path has to be recorded under it.
What a decision of earlier days governs stays as that day left it, whatever is edited in its record.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from verify.guard import git
from verify.guard.model import RECORD, DigestsFile
from verify.problems import UsageError
from verify.spec.decisions import record_in
from verify.spec.model import Decision
from verify.spec.strict_yaml import parse
from verify.spec.validation import validate

RECORDS = "specs/decisions/"
_Digests = Mapping[str, tuple[str, str]]  # path -> digest, decision


@dataclass(frozen=True)
class Decided:
    """What a change decides: its settled records by id, and what was and is recorded under which.

    new   paths of records, settled or not, that the base does not have
    """

    fresh: Mapping[str, Decision]
    new: frozenset[str]
    before: _Digests
    after: _Digests

    def fault(self, path: str, *, gone: bool) -> str | None:
        """Why a path may not change as it did, or None."""
        if path == RECORD:
            return self._records()
        if path in self.new:
            return None  # it opens or settles something; what stood before it stays
        by = [one.id for one in self.fresh.values() if one.governs_file(path)]
        if not by:
            return "no decision of this change governs it"
        stated = self.after.get(path)
        if gone or (stated is not None and stated[1] in by):
            return None
        under = f"under {stated[1]}" if stated else "nowhere"
        return f"{' or '.join(by)} governs it; its digest is recorded {under}"

    def _records(self) -> str | None:
        """Every digest that came, went or changed is some decision of the change."""
        for path in sorted(self.before.keys() | self.after.keys()):
            if self.before.get(path) == self.after.get(path):
                continue
            fault = self.fault(path, gone=path not in self.after)
            if fault is not None:
                return f"{path}: {fault}"
        return None


def own_record(decision: Decision) -> str:
    """The path of a decision's record."""
    return f"{RECORDS}{decision.id}.md"


def decided(repository: Path, base: str, head: str, differing: Iterable[str]) -> Decided:
    """The decisions of a change, by the names of all files that differ from its base."""
    fresh, new = {}, set()
    for path in sorted(differing):
        if not path.startswith(RECORDS) or not path.endswith(".md"):
            continue
        if git.text_at(repository, base, path) is None:
            new.add(path)
        record = _settled(repository, head, path)
        if record and _settled(repository, base, path) is None:
            fresh[record.id] = record
    before, after = (_digests(repository, commit) for commit in (base, head))
    return Decided(fresh, frozenset(new), before, after)


def _settled(repository: Path, commit: str, path: str) -> Decision | None:
    """The record at a path of a commit, where it is one that is in force under its own name."""
    text = git.text_at(repository, commit, path)
    record = record_in(text, path) if text is not None else None
    return record if record and record.status.settled and path == own_record(record) else None


def _digests(repository: Path, commit: str) -> _Digests:
    text = git.text_at(repository, commit, RECORD)
    if text is None:
        return {}
    document = parse(text, file=f"{commit[:10]}:{RECORD}")
    problems = list(document.problems)
    file = None if problems else validate(document, DigestsFile, problems)
    if file is None:
        raise UsageError(str(problems[0]))
    return {one.path: (one.sha256, one.decision) for one in file.assets}
