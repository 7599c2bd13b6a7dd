"""For programs that run under gates: do the clauses I need stand, for exactly this code and pack?

The newest bundles are looked through for one whose digests are those of the files as they are now.
Older evidence is stale: it is about other code, and counts for nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from verify.outcome import Outcome
from verify.problems import IntegrityError, PackError, UsageError
from verify.report.bundle import MANIFEST, check
from verify.report.model import Report
from verify.spec.digests import digests
from verify.spec.floors import Floors, floors
from verify.spec.lint import lint
from verify.spec.pack import find_root, load
from verify.spec.select import select

__all__ = ["Floors", "Standing", "claim_floors", "obstacles", "standing"]


@dataclass(frozen=True)
class Standing:
    """Whether the selected clauses are green; `obstacles` say which are not, or why nobody knows.

    clauses    how many were asked for
    bundle     name of the bundle the answer comes from, or None
    code       digest of the code the answer is about
    """

    green: bool
    clauses: int
    obstacles: tuple[str, ...]
    bundle: str | None
    code: str


def standing(
    selectors: Sequence[str], *, reports: Path = Path("reports"), pack: Path | None = None
) -> Standing:
    """Look the selected clauses up in the newest intact bundle about the present code and pack.

    Raises PackError, UsageError or NothingSelectedError as `verify run` would.
    """
    loaded = load(find_root(pack))
    problems = lint(loaded)
    wanted = [clause.id for clause in select(loaded.pack, selectors)]
    now = digests(loaded)
    if problems:
        first = (f"the pack has {len(problems)} problems: {problems[0]}",)
        return Standing(False, len(wanted), first, None, now["code"])
    for folder in sorted(reports.glob(f"[0-9]*/{MANIFEST}"), reverse=True):
        try:
            report = check(folder.parent)
        except (IntegrityError, UsageError):
            continue  # a damaged bundle is no evidence; an older one may be
        if report.about["digests"] == now and _covers(report, wanted):
            found = tuple(obstacles(report, wanted))
            name = folder.parent.name
            return Standing(not found, len(wanted), found, name, now["code"])
    text = f"no bundle in {reports} is about this code and pack and covers these clauses"
    return Standing(False, len(wanted), (text,), None, now["code"])


def claim_floors(claim_id: str, *, pack: Path | None = None) -> Floors:
    """What must stand behind the numbers of a claim's strict form; None asks nothing.

    Raises UsageError for an id that the pack does not have, PackError for a pack that is wrong.
    """
    loaded = load(find_root(pack))
    problems = lint(loaded)
    if problems:
        raise PackError(problems)
    known = {claim.id: claim for claim in loaded.pack.claims}
    if claim_id not in known:
        raise UsageError(
            f"claim {claim_id!r}: found no such claim in the pack; expected one of "
            f"{', '.join(sorted(known)) or 'none: the pack states no claims'}"
        )
    return floors(known[claim_id].needs.floors, loaded.pack)


def _covers(report: Report, wanted: Sequence[str]) -> bool:
    return set(wanted) <= {clause.id for clause in report.clauses}


def obstacles(report: Report, wanted: Sequence[str]) -> list[str]:
    """Why clauses of a report do not stand: no pass, or a falsifier survived or did not run."""
    by_id = {clause.id: clause for clause in report.clauses}
    survivors = {run.clause: run.label for run in report.survivors}
    found = []
    for name in wanted:
        clause = by_id[name]
        if clause.outcome is not Outcome.PASS:
            found.append(f"{name} is {clause.outcome}: {clause.reason}")
        elif name in survivors:
            found.append(f"{name} survived its falsifier {survivors[name]}")
        elif not report.sound(clause):
            found.append(f"the falsifiers of {name} did not all run")
    return found
