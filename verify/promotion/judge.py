"""Every blocker of a promotion: against its track, its evaluations and its evidence bundle."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from verify.attest.backing import backing
from verify.attest.standing import shortfall
from verify.figures.axes import AxisError, mean
from verify.figures.evaluation import read_evaluation
from verify.known import Known, known_from
from verify.outcome import Axis, reaches
from verify.problems import IntegrityError, UsageError
from verify.promotion.model import Component, LabelledScore, PromotionFile, Track
from verify.promotion.recompute import Evaluated, judged_again, recompute
from verify.promotion.record import Blocker, Draft, Kind, digest
from verify.provenance import Provenance, provenance
from verify.report.bundle import MANIFEST, check
from verify.report.model import Report
from verify.spec.floors import floors
from verify.spec.model import Cited
from verify.spec.pack import LoadedPack
from verify.spec.select import named_by

STRONGEST_FIRST = list(Axis)


@dataclass(frozen=True)
class Case:
    """A record with all that was found for it; None where it could not be had."""

    draft: Draft
    loaded: LoadedPack
    track: Track | None
    evaluated: tuple[Evaluated, ...]
    report: Report | None
    known: Known | None

    def part(self, name: str) -> Any:
        """A well-formed part of the record, or None: its absence is a blocker already."""
        return self.draft.parts.get(name)


def judge(draft: Draft, loaded: LoadedPack, reports: Path) -> list[Blocker]:
    """All blockers, in the order of the record's fields; none means GO.

    The evaluations are those that the record pins, and clauses about numbers are judged again on
    them; which ones lay beside the bundle's run is not asked.
    """
    track, found = _track(draft, loaded)
    evaluated, more = _evaluated(draft)
    report, last = _bundle(draft, reports)
    now = None
    if report is not None:
        folder = reports / draft.parts["evidence"].bundle
        now = known_from(loaded, [folder], None)
    case = Case(draft, loaded, track, evaluated, report, now)
    rules: tuple[Callable[[Case], Iterator[Blocker]], ...] = (
        _snapshot, _package, _axis, _score, _apart, _floors, _protocol, _signed, _components,
        _evidence,
    )  # fmt: skip
    return [*found, *more, *last, *(one for rule in rules for one in rule(case))]


def _track(draft: Draft, loaded: LoadedPack) -> tuple[Track | None, list[Blocker]]:
    tracks = {track.id: track for _, file in loaded.of(PromotionFile) for track in file.tracks}
    wanted = draft.parts.get("track")
    if wanted is None or wanted in tracks:
        return tracks.get(wanted or ""), []
    known = f"one of {', '.join(tracks)}" if tracks else "a track; the pack declares none"
    return None, [Blocker(Kind.REFUSED, "track", str(wanted), known, "name a track of the pack")]


def _evaluated(draft: Draft) -> tuple[tuple[Evaluated, ...], list[Blocker]]:
    """The evaluations that are whole: the record and its arrays, each the pinned one."""
    found: list[Evaluated] = []
    blockers: list[Blocker] = []
    component: Component
    for at, component in enumerate(draft.parts.get("components", ())):
        place = f"components[{at}]"
        pinned = component.evaluation
        record, more = draft.file(f"{place}.evaluation", pinned.file, pinned.sha256)
        arrays, last = draft.file(f"{place}.arrays", component.arrays.file, component.arrays.sha256)
        blockers += [*more, *last]
        if record is None or arrays is None:
            continue
        try:
            evaluation = read_evaluation(record)
            evaluation.provenance()  # malformed counts block here, not where they are used
            found.append(Evaluated(place, evaluation, arrays))
        except UsageError as error:
            remedy = "name a record as the evaluation wrote it"
            blockers.append(Blocker(Kind.REFUSED, place, str(error), "a record", remedy))
    return tuple(found), blockers


def _bundle(draft: Draft, reports: Path) -> tuple[Report | None, list[Blocker]]:
    """The evidence bundle, re-verified."""
    named = draft.parts.get("evidence")
    if named is None:
        return None, []
    folder = reports / named.bundle
    if not (folder / MANIFEST).is_file():
        found = f"no sealed bundle {folder}"
        remedy = "name the bundle, or pass --reports DIR"
        return None, [Blocker(Kind.MISSING, "evidence.bundle", found, "it there", remedy)]
    actual = digest(folder / MANIFEST)
    if actual != named.sha256:
        return None, [
            Blocker(Kind.INTEGRITY, "evidence.sha256", named.sha256, f"{actual} of {MANIFEST}",
                    "name the bundle that was made for this run")
        ]  # fmt: skip
    try:
        return check(folder), []
    except IntegrityError as error:
        found = str(error)
        return None, [Blocker(Kind.INTEGRITY, "evidence", found, "an intact one", "verify run")]


# -- rules ----------------------------------------------------------------------------------------


def _snapshot(case: Case) -> Iterator[Blocker]:
    snapshot = case.part("snapshot")
    if snapshot is None:
        return
    if case.report is not None:
        code = case.report.about.get("digests", {}).get("code")
        if code != snapshot.code:
            found, expected = snapshot.code, f"{code}, the code of the evidence"
            yield Blocker(Kind.INTEGRITY, "snapshot.code", found, expected, "verify run")
    for one in case.evaluated:
        if one.record.checkpoint != snapshot.checkpoint:
            found = f"{one.record.checkpoint} in {one.record.path.name}"
            remedy = "evaluate the checkpoint that is promoted"
            yield Blocker(Kind.INTEGRITY, "snapshot.checkpoint", found, snapshot.checkpoint, remedy)


def _package(case: Case) -> Iterator[Blocker]:
    packaging, size = case.part("packaging"), case.part("size")
    if packaging is None:
        return
    path, blockers = case.draft.file("packaging.file", packaging.file, packaging.sha256)
    yield from blockers
    if path is not None and size is not None and path.stat().st_size != size.bytes:
        found, expected = f"{size.bytes}", f"{path.stat().st_size} of {packaging.file}"
        yield Blocker(Kind.REFUSED, "size.bytes", found, expected, "state the size it has")
    limit = case.track.max_bytes if case.track else None
    if limit is not None and size is not None and size.bytes > limit:
        yield Blocker(
            Kind.REFUSED, "size.bytes", f"{size.bytes}", f"at most {limit}", "pack it smaller"
        )


def _axis(case: Case) -> Iterator[Blocker]:
    """A score on a weaker axis than the track's is never promoted, whatever its value."""
    score: LabelledScore | None = case.part("score")
    if score is None or case.track is None:
        return
    weaker = STRONGEST_FIRST.index(score.axis) > STRONGEST_FIRST.index(case.track.axis)
    if weaker:
        remedy = "measure on that axis; a calibrated proxy ranks follow-up work, no more"
        if score.axis is Axis.EXTERNAL:
            remedy = "measure it; what somebody else states is never promoted"
        expected = f"{case.track.axis} of track {case.track.id}"
        yield Blocker(Kind.REFUSED, "score.axis", score.axis, expected, remedy)
    if score.metric != case.track.metric:
        expected = f"{case.track.metric} of track {case.track.id}"
        yield Blocker(Kind.REFUSED, "score.metric", score.metric, expected, "promote by that")


def _score(case: Case) -> Iterator[Blocker]:
    """The score is the mean of its evaluations, on their axis; all else was edited."""
    score: LabelledScore | None = case.part("score")
    if score is None or not case.evaluated:
        return
    try:
        whole = mean(one.record.number(score.metric) for one in case.evaluated)
    except (AxisError, UsageError) as error:
        remedy = "name evaluations of one metric on one axis"
        yield Blocker(Kind.REFUSED, "components", str(error), "comparable numbers", remedy)
        return
    remedy = "state what the evaluations found"
    # To 1e-9 of it: a mean of float64 values, printed and read again.
    if not math.isclose(whole.value, score.value):
        found, expected = f"{score.value!r}", f"{whole.value!r}, the mean of its evaluations"
        yield Blocker(Kind.INTEGRITY, "score.value", found, expected, remedy)
    stands = _provenance(case.evaluated)
    stated = {
        "axis": (score.axis, whole.axis.label),
        "samples": (score.samples, stands.samples),
        "seeds": (sorted(set(score.seeds)), sorted(set(whole.seeds))),
    }
    for name, (said, found_) in stated.items():
        if said != found_:
            yield Blocker(Kind.INTEGRITY, f"score.{name}", f"{said}", f"{found_}", remedy)
    runtime = case.part("runtime")
    if runtime is not None and stands.steps != runtime.steps:
        found, expected = f"{runtime.steps}", f"{stands.steps} of the evaluations"
        yield Blocker(Kind.INTEGRITY, "runtime.steps", found, expected, remedy)


def _apart(case: Case) -> Iterator[Blocker]:
    """Each evaluation counts once: one that is named twice weighs twice, and a copy of its arrays
    under another seed is no further seed."""
    seen: dict[str, str] = {}
    for one in case.evaluated:
        arrays = digest(one.arrays)
        if arrays in seen:
            found, remedy = f"the arrays of {seen[arrays]} again", "name each evaluation once"
            yield Blocker(Kind.REFUSED, one.place, found, "an evaluation of its own", remedy)
        seen.setdefault(arrays, one.place)


def _floors(case: Case) -> Iterator[Blocker]:
    """Below the horizon or on part of the samples nothing is promoted."""
    if case.track is None or not case.evaluated:
        return
    wanted = floors(case.track.floors, case.loaded.pack)
    for text in wanted.shortfalls(_provenance(case.evaluated)):
        remedy = "run to the horizon, on all samples and seeds; a partial run ranks nothing"
        expected = f"the floors of track {case.track.id}: {wanted.words()}"
        yield Blocker(Kind.REFUSED, "components", text, expected, remedy)


def _protocol(case: Case) -> Iterator[Blocker]:
    for one in case.evaluated:
        for text in one.record.bypasses:
            remedy = "run under the gates"
            yield Blocker(Kind.REFUSED, one.place, f"a bypass: {text}", "none", remedy)
        picked = one.record.data.get("selected_from", "an unknown number")
        if picked != 1:
            remedy = "measure the one that was picked again, with another seed"
            yield Blocker(Kind.REFUSED, one.place, f"picked from {picked}", "not picked", remedy)
        for key, stated in (case.track.protocol if case.track else {}).items():
            wanted: Any = stated
            if isinstance(stated, Cited):
                fact = case.loaded.pack.fact(stated.fact)
                wanted = fact.value if fact else None
            value = one.record.data.get(key)
            if type(value) is not type(wanted) or value != wanted:
                place, remedy = f"{one.place}.{key}", "evaluate by the track's protocol"
                yield Blocker(Kind.REFUSED, place, f"{value!r}", f"{wanted!r}", remedy)


def _signed(case: Case) -> Iterator[Blocker]:
    """Evaluations on the strong axes are signed by a key of the pack, the score computed again."""
    score: LabelledScore | None = case.part("score")
    if score is None or not reaches(score.axis, Axis.REPO_EVAL):
        return
    for one in case.evaluated:
        path = one.record.path
        why = shortfall(backing([path], [score.metric]), case.loaded.pack.trust)
        if why:
            expected, remedy = "a record that a key of the pack signed", f"verify sign {path.name}"
            yield Blocker(Kind.REFUSED, f"{one.place}.evaluation", why, expected, remedy)


def _components(case: Case) -> Iterator[Blocker]:
    """Scores are computed again by the pack's clause, which must notice an edited one."""
    score: LabelledScore | None = case.part("score")
    if score is None or case.track is None or not case.evaluated:
        return
    if any(score.metric not in one.record.data.get("metrics", {}) for one in case.evaluated):
        return  # said where the score is held against its evaluations
    for one in case.evaluated:
        named = one.record.components
        if named.get("sha256") != digest(one.arrays) or named.get("file") != one.arrays.name:
            found, expected = (
                one.arrays.name,
                f"{named.get('file')} of sha256 {named.get('sha256')}",
            )
            remedy = "name the arrays that the evaluation wrote"
            yield Blocker(Kind.INTEGRITY, f"{one.place}.arrays", found, expected, remedy)
            return
    for text in recompute(case.loaded, case.track.recomputed_by, case.evaluated, score.metric):
        remedy = f"verify replay {case.track.recomputed_by}"
        yield Blocker(Kind.INTEGRITY, "components", text, "the score again", remedy)
    if score.axis is not case.track.axis:
        return  # said where the axis is
    for text in judged_again(case.loaded, _needed(case, case.track.axis), case.evaluated):
        remedy = "promote the run that the evidence is about"
        yield Blocker(Kind.REFUSED, "components", text, "a pass on these evaluations", remedy)


def _evidence(case: Case) -> Iterator[Blocker]:
    """The clauses a track needs stand in the bundle, and no failing blocker blocks its score."""
    if case.known is None or case.track is None:
        return
    report = case.known.report
    for note in case.known.notes if report is None else ():
        yield Blocker(Kind.REFUSED, "evidence", note, "about the present files", "verify run")
    views = {view.id: view for view in report.clauses} if report else {}
    for clause in named_by(case.track.needs, case.loaded.pack.clauses):
        view, remedy = views.get(clause.id), f"verify run {clause.id}"
        why = case.known.stale.get(clause.id)
        if clause.id not in case.known.sources and (why is None or view is not None):
            found = f"{clause.id} was not selected" if why is None else f"{clause.id}: {why}"
            yield Blocker(Kind.MISSING, "evidence", found, "a pass", remedy)
        elif view is not None and report is not None and not report.sound(view):
            held = "a pass that its falsifiers do not bear out" if view.outcome == "pass" else ""
            found = f"{clause.id} {held or view.outcome}: {view.reason}"
            yield Blocker(Kind.REFUSED, "evidence", found, "a pass", remedy)
    if report is None:
        return
    for name in report.score.overall.blocked_by:
        found = f"a score that is blocked by {name}"
        yield Blocker(Kind.REFUSED, "evidence", found, "no failing blocker", f"verify run {name}")


def _needed(case: Case, axis: Axis) -> list[str]:
    """The clauses of the track that judge numbers on its axis."""
    assert case.track is not None
    named = named_by(case.track.needs, case.loaded.pack.clauses)
    return [clause.id for clause in named if clause.axis is axis]


def _provenance(evaluated: tuple[Evaluated, ...]) -> Provenance:
    """The least that stands behind any of the evaluations; seeds are counted once."""
    each = [one.record.provenance() for one in evaluated]

    def least(name: str) -> int | None:
        values = [getattr(one, name) for one in each]
        return None if None in values else min(values)

    digests = {one.extractor_sha256 for one in each}
    known = {
        "steps": least("steps"),
        "samples": least("samples"),
        "seeds": len({seed for one in evaluated for seed in one.record.seeds}),
        "extractor_sha256": digests.pop() if len(digests) == 1 else None,
    }
    return provenance(known)
