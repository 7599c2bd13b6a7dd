"""What is known now: of each clause its latest judgement that is still current, over all bundles.

A judgement is current while everything it rests on is as it was: contracts, code, recorded data,
harness, the files that its run imported, those that its check read and, where it asked for them,
the evaluation records. What is stale, about another subject or damaged counts for nothing, and is
said. A run of less - fewer examples, falsifiers left out, interrupted - never takes the place of
one of more by a pass, and a pass under another seed undoes no failure: nobody picks the seed that
looks best. When a run was made is read in its evidence.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from verify import __version__
from verify.mutate import rate
from verify.outcome import Outcome, Reason
from verify.problems import IntegrityError, UsageError
from verify.report.bundle import MANIFEST, RENDERED, head_of, newest_first, opened
from verify.report.derive import evidence_of
from verify.report.model import ClauseView, FalsifierView, Report, report_of
from verify.run.evidence import describe
from verify.run.pins import Pins
from verify.run.profiles import PROFILES
from verify.scope import solve
from verify.spec.digests import digests, evaluations_digest
from verify.spec.pack import LoadedPack
from verify.spec.sources import differing

SHOWN = 3


@dataclass(frozen=True)
class Bundle:
    """A sealed bundle; `report` is None where it is damaged, and `damage` says how."""

    name: str
    manifest_sha256: str
    report: Report | None
    damage: str = ""
    pins: Pins | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Judgement:
    """One bundle's finding about one clause, with the falsifiers that it tried."""

    bundle: str
    clause: ClauseView
    falsifiers: tuple[FalsifierView, ...]
    whole: bool  # a pass whose falsifiers all ran; everything but a pass is whole
    examples: int
    seed: int

    @property
    def bad(self) -> bool:
        """Whether something was found to be wrong: the clause failed, or a falsifier survived."""
        return self.clause.outcome is Outcome.FAIL or not all(one.killed for one in self.falsifiers)

    def yields_to(self, earlier: Judgement) -> bool:
        """Whether an earlier judgement goes on counting: this one is a pass, and of less."""
        less = earlier.whole and not self.whole
        return self.clause.outcome is Outcome.PASS and (less or self.examples < earlier.examples)


@dataclass(frozen=True)
class Known:
    """The answer.

    report   of every clause of the pack, unknown where no judgement is current, with the claims
             that follow; None where nothing at all is current
    sources  clause -> name of the bundle whose judgement counts
    bundles  those that count, the latest first
    stale    clause -> why its latest judgement does not count
    notes    what a reader has to know, in sentences
    damaged  bundles that would count if they were intact
    """

    report: Report | None
    sources: Mapping[str, str]
    bundles: tuple[Bundle, ...]
    stale: Mapping[str, str]
    notes: tuple[str, ...]
    damaged: tuple[Bundle, ...]

    @property
    def name(self) -> str | None:
        """The bundles that count, in words."""
        return " and ".join(one.name for one in self.bundles) or None

    def intact(self) -> Known:
        """Itself; raises IntegrityError where a bundle that would count is damaged."""
        for one in self.damaged:
            raise IntegrityError(one.damage)
        return self


def known(loaded: LoadedPack, reports: Path, evaluations: Path | None = None) -> Known:
    """What the bundles of a folder say of a pack; `evaluations` is by default in that folder."""
    evaluations = evaluations or reports / "evaluations"
    return known_from(loaded, newest_first(reports), evaluations, reports)


def known_from(
    loaded: LoadedPack,
    folders: Sequence[Path],
    evaluations: Path | None,
    reports: Path | None = None,
) -> Known:
    """The same, from these bundles alone, the latest first; None holds no evaluation records.

    reports  where rates of detection are recorded; None: what the latest bundle says of them counts
    """
    search = _Search(loaded, evaluations, reports)
    for folder in folders:
        search.look(folder.resolve())  # its name is part of what is said
    return search.answer()


def read_bundle(folder: Path, reports: Mapping[str, str] = RENDERED) -> Bundle:
    """A bundle, re-verified; raises UsageError for a folder that is none.

    reports  as in `opened`
    """
    if not (folder / MANIFEST).is_file():
        raise UsageError(f"{folder}: found no {MANIFEST}; expected a sealed bundle")
    folder = folder.resolve()
    manifest = hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest()
    try:
        report, pins = opened(folder, reports)
        return Bundle(folder.name, manifest, report, pins=pins)
    except (IntegrityError, UsageError, OSError) as error:
        text = " ".join(str(error).replace(str(folder), folder.name).split())
        return Bundle(folder.name, manifest, None, text)


class _Search:
    """Goes through bundles from the latest on, and keeps what counts."""

    def __init__(self, loaded: LoadedPack, evaluations: Path | None, reports: Path | None) -> None:
        self._loaded = loaded
        self._reports = reports
        self._evaluations = evaluations
        self._kept: dict[str, Judgement] = {}
        self._seeds: dict[str, dict[int, int]] = {}  # clause -> seed -> the most examples
        self._stale: dict[str, str] = {}
        self._bundles: dict[str, Bundle] = {}
        self._notes: list[str] = []
        self._damaged: list[Bundle] = []

    @cached_property
    def _now(self) -> dict[str, str]:
        return digests(self._loaded)

    @cached_property
    def _records(self) -> str | None:
        return None if self._evaluations is None else evaluations_digest(self._evaluations)

    def look(self, folder: Path) -> None:
        """One bundle; one that is about something else is not even verified."""
        head = head_of(folder)
        why = self._other(head)
        if why and head:
            listed = head.get("clauses")
            items = listed if isinstance(listed, list) else ()
            named = {str(item.get("id")) for item in items if isinstance(item, dict)}
            self._pass_over(folder.name, why, named)
            return
        bundle = read_bundle(folder)
        if bundle.report is None or bundle.pins is None:
            self._damaged.append(bundle)
            self._notes.append(f"{bundle.name} is damaged: {bundle.damage}")
            return
        if not bundle.pins.whole:
            named = {view.id for view in bundle.report.clauses}
            self._pass_over(bundle.name, "of a run that was cut off", named)
            return
        imported = differing(bundle.pins.imports, bundle.pins.imports, self._loaded.root)
        if imported:
            named = {view.id for view in bundle.report.clauses}
            self._pass_over(bundle.name, f"older than {_listed(imported)}", named)
            return
        self._take(bundle, bundle.report, bundle.pins)

    def _other(self, head: Mapping[str, Any]) -> str:
        """Why a bundle is not about what there is now; empty where it is."""
        stated = head.get("digests")
        then = stated if isinstance(stated, dict) else {}
        own = self._loaded.pack.manifest
        if head.get("pack") != own.pack:
            return f"about the pack {head.get('pack')}, not {own.pack}"
        if head.get("subject") != own.subject:
            return f"about the subject {head.get('subject')}, not {own.subject}"
        older = [name for name, digest in self._now.items() if then.get(name) != digest]
        if older:
            return f"older than the {' and '.join(older)}"
        if head.get("verify") != __version__:
            return f"of verify {head.get('verify')}, and this is {__version__}"
        return ""

    def _pass_over(self, name: str, why: str, clauses: Set[str]) -> None:
        self._notes.append(f"{name} is {why}, and counts for nothing")
        for clause in clauses:
            self._stale.setdefault(clause, f"{name} is {why}")

    def _take(self, bundle: Bundle, report: Report, pins: Pins) -> None:
        left = Counter[str]()
        for view in report.clauses:
            why = self._unusable(view, pins)
            if why:
                left[why] += 1
                self._stale.setdefault(view.id, f"in {bundle.name} it is {why}")
                continue
            found = _judgement(bundle, view, report)
            later = self._kept.get(view.id)
            if later is None or later.yields_to(found) or self._stands(later, found):
                self._kept[view.id] = found
            seeds = self._seeds.setdefault(view.id, {})
            seeds[found.seed] = max(found.examples, seeds.get(found.seed, 0))
        self._bundles[bundle.name] = bundle
        self._notes += [f"{count} clauses of {bundle.name} are {why}, and count for nothing"
                        for why, count in left.items()]  # fmt: skip

    def _stands(self, later: Judgement, found: Judgement) -> bool:
        """Whether a failure stands: what passed later asked with other seeds, or asked less."""
        asked = self._seeds[found.clause.id].get(found.seed, -1)
        return found.bad and not later.bad and asked < found.examples

    def _unusable(self, view: ClauseView, pins: Pins) -> str:
        """Why one judgement of an otherwise current bundle does not count."""
        if view.cause is Reason.INTERRUPTED:
            return "not judged, for the run was interrupted"
        records = [record for (clause, _), record in pins.records.items() if clause == view.id]
        other = self._records not in (None, pins.head["digests"].get("evaluations"))
        if other and any(record["evaluations"] for record in records):
            return "judged on other evaluation records"
        reads = sorted({name for record in records for name in record["reads"]})
        changed = differing(pins.reads, reads, self._loaded.root)
        return f"older than {_listed(changed)}" if changed else ""

    def answer(self) -> Known:
        """What was kept, put together."""
        sources = {name: kept.bundle for name, kept in self._kept.items()}
        used = tuple(one for one in self._bundles.values() if one.name in sources.values())
        stale = {name: why for name, why in self._stale.items() if name not in sources}
        report = self._report(used, stale) if used else None
        return Known(report, sources, used, stale, (*self._told(used), *self._notes),
                     tuple(self._damaged))  # fmt: skip

    def _report(self, used: Sequence[Bundle], stale: Mapping[str, str]) -> Report:
        """One report over all bundles that count; the latest says what it is about."""
        newest = used[0].report
        assert newest is not None
        views = [self._view(described, stale) for described in describe(self._loaded)]
        ran = [run for view in views if (kept := self._kept.get(view.id))
               for run in kept.falsifiers]  # fmt: skip
        subject = self._loaded.pack.manifest.subject
        detection = newest.about.get("detection")
        if self._reports is not None:
            detection = rate.known(self._reports, self._now, subject)
        found = evidence_of(self._loaded.pack, views, ran, subject, detection)
        derived = solve(self._loaded.pack, found)
        names = [kept.bundle for kept in self._kept.values()]
        about = {**newest.about, "selectors": [], "falsify": True, "interrupted": False,
                 "detection": detection,
                 "bundles": {one.name: names.count(one.name) for one in used}}  # fmt: skip
        return report_of(
            views,
            ran,
            derived,
            about,
            self._due(views),
            newest.evidence_head,
            self._loaded.pack.outlines,
        )

    def _view(self, described: dict[str, Any], stale: Mapping[str, str]) -> ClauseView:
        kept = self._kept.get(described["id"])
        if kept is not None:
            return kept.clause
        why = stale.get(described["id"], "no bundle that counts has judged it")
        return ClauseView(
            **described, outcome=Outcome.UNKNOWN, cause=Reason.EVIDENCE_MISSING,
            reason=f"no current evidence: {why}; remedy: verify run {described['id']}",
            measured=None, unit="", measured_axis=None, provenance={}, details={}, files=[],
            elapsed_s=0.0, peak_mb=0.0, cached=False,
        )  # fmt: skip

    def _due(self, views: Sequence[ClauseView]) -> int:
        """Falsifiers that are due: those that ran, and of an incomplete pass one more at least."""
        due = 0
        for view in views:
            kept = self._kept.get(view.id)
            if view.outcome is Outcome.PASS and kept is not None:
                ran = len(kept.falsifiers)
                due += ran if kept.whole else max(len(view.falsifiers), ran + 1)
        return due

    def _told(self, used: Sequence[Bundle]) -> Iterator[str]:
        missing = [clause.id for clause in self._loaded.pack.clauses if clause.id not in self._kept]
        if used and missing:
            yield (
                f"the evidence is of a part of the pack: {len(missing)} of "
                f"{len(self._loaded.pack.clauses)} clauses have no current judgement, "
                f"{_listed(missing)}; remedy: verify run"
            )
        if len(used) > 1:
            names = [kept.bundle for kept in self._kept.values()]
            shares = ", ".join(f"{names.count(one.name)} from {one.name}" for one in used)
            yield f"clauses are judged in several bundles: {shares}"


def _judgement(bundle: Bundle, view: ClauseView, report: Report) -> Judgement:
    runs = tuple(report.falsifiers_of(view.id))
    labels = [run.label for run in runs]
    tried = all(
        any(label == one or label.startswith(f"{one}[") for label in labels)
        for one in view.falsifiers
    )
    whole = view.outcome is not Outcome.PASS or (bool(report.about["falsify"]) and tried)
    examples = PROFILES.get(str(report.about["profile"]), 0)
    return Judgement(bundle.name, view, runs, whole, examples, int(report.about["seed"]))


def _listed(names: Sequence[str]) -> str:
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")
