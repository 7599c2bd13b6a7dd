"""For programs that run under gates: do the clauses I need stand, for exactly this code and pack?

The pack is the one that the running package was shipped with, unless the caller names another; one
that happens to lie in the working directory is never taken. Of each clause the latest judgement
counts that is about the files as they are now (verify.known). Other evidence is about other code,
and counts for nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import Any

from verify.known import known
from verify.outcome import Outcome
from verify.problems import PackError, UsageError
from verify.report.model import Report
from verify.run.faithful import Comparison, compare
from verify.spec.digests import digests
from verify.spec.floors import Floors, floors
from verify.spec.lint import lint
from verify.spec.pack import LoadedPack, load
from verify.spec.root import find_root, is_about, shipped_root
from verify.spec.select import select
from verify.spec.strict_yaml import Document

__all__ = [
    "Comparison",
    "Floors",
    "Standing",
    "against_column",
    "claim_floors",
    "obstacles",
    "standing",
]
SHOWN = 3  # bundles that are passed over, in words


@dataclass(frozen=True)
class Standing:
    """Whether the selected clauses are green; `obstacles` say which are not, or why nobody knows.

    clauses    how many were asked for
    bundle     name of the bundles the answer comes from, or None
    code       digest of the code the answer is about
    pack       name of the pack that was asked; root is where it lies, pack_digest its texts
    """

    green: bool
    clauses: int
    obstacles: tuple[str, ...]
    bundle: str | None
    code: str
    pack: str
    root: Path
    pack_digest: str


def standing(
    selectors: Sequence[str],
    *,
    reports: Path = Path("reports"),
    pack: Path | None = None,
    running: Path | None = None,
    evaluations: Path | None = None,
) -> Standing:
    """Look the selected clauses up in what is known now of the present code and pack.

    running  folder of the package that asks; the pack has to be about that very folder
    pack     a pack's root; None: the installed one that is about `running`, wherever the caller
             stands
    evaluations  folder of evaluation records  [default: evaluations/ in `reports`]
    Raises PackError, UsageError or NothingSelectedError as `verify run` would.
    """
    loaded = load(_root(pack, running))
    wanted = [clause.id for clause in select(loaded.pack, selectors)]
    now = digests(loaded)

    def answer(found: Sequence[str], bundle: str | None = None) -> Standing:
        return Standing(
            not found, len(wanted), tuple(found), bundle, now["code"], loaded.pack.manifest.pack,
            loaded.root, now["pack"],
        )  # fmt: skip

    problems = lint(loaded)
    if problems:
        return answer([f"the pack has {len(problems)} problems: {problems[0]}"])
    found = known(loaded, reports, evaluations)
    if found.report is None:
        shown = f" ({'; '.join(found.notes[:SHOWN])})" if found.notes else ""
        about = f"pack {loaded.pack.manifest.pack} at {loaded.root}"
        text = f"no bundle in {reports} is about this code and {about} and covers these clauses"
        return answer([f"{text}{shown}"])
    damaged = [f"{one.name} is damaged: {one.damage}" for one in found.damaged]
    damaged += _compiled_otherwise(running)
    names = dict.fromkeys(found.sources[name] for name in wanted if name in found.sources)
    return answer([*damaged, *obstacles(found.report, wanted)], " and ".join(names) or None)


def against_column(
    template: Mapping[str, Any],
    *,
    name: str,
    pack: Path | None = None,
    running: Path | None = None,
) -> Comparison:
    """A template, as it will be used, against the column it names: what `verify template` asks.

    name  what to call it in messages; `pack` and `running` as in `standing`
    Raises PackError or UsageError for a pack that is wrong, a column it does not have, or
    declarations that are malformed.
    """
    return compare(_sound(pack, running), Document(name, "", dict(template), ()))


def claim_floors(claim_id: str, *, pack: Path | None = None, running: Path | None = None) -> Floors:
    """What must stand behind the numbers of a claim's strict form; None asks nothing.

    `pack` and `running` as in `standing`
    Raises UsageError for an id that the pack does not have, PackError for a pack that is wrong.
    """
    loaded = _sound(pack, running)
    known = {claim.id: claim for claim in loaded.pack.claims}
    if claim_id not in known:
        raise UsageError(
            f"claim {claim_id!r}: found no such claim in the pack; expected one of "
            f"{', '.join(sorted(known)) or 'none: the pack states no claims'}"
        )
    return floors(known[claim_id].needs.floors, loaded.pack)


def _sound(pack: Path | None, running: Path | None) -> LoadedPack:
    """The pack that is asked; raises PackError where it is wrong."""
    loaded = load(_root(pack, running))
    if problems := lint(loaded):
        raise PackError(problems)
    return loaded


def _root(pack: Path | None, running: Path | None) -> Path:
    """Which pack is asked; raises UsageError for one that is not about what runs."""
    if pack is None:
        return shipped_root(running)
    root = find_root(pack)
    if running is not None and not is_about(root, running):
        raise UsageError(
            f"{root}: found a pack whose `code` does not hold {running}; expected one that is "
            "about the code that runs; remedy: name no pack, and the one that was shipped is used"
        )
    return root


def _compiled_otherwise(running: Path | None) -> Iterator[str]:
    """Modules of the package that asks which Python takes from a compiled file of another text.

    Evidence is about texts; its own workers compile them (`verify.run.workers.source`).
    """
    for name, module in list(sys.modules.items()):
        place = getattr(module, "__file__", None) or ""
        if running is None or running.name not in place or not place.endswith(".py"):
            continue  # most of some thousand modules, told without a path of each
        path = Path(place)
        if running not in path.parents:
            continue
        loader = SourceFileLoader(name, place)
        if loader.get_code(name) != loader.source_to_code(path.read_bytes(), place):
            yield f"the compiled file of {path.name} in __pycache__ is of another text: remove it"


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
