"""Gates about the bundle: whether it is fresh and GO, and whether clauses stand in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from verify.gate import obstacles
from verify.outcome import Outcome
from verify.problems import NothingSelectedError, UsageError
from verify.release.finding import Finding, failed, passed, unknown
from verify.release.model import ByBundle, ByClauses
from verify.release.situation import Situation
from verify.report.model import ClauseView, ExitCode, Report
from verify.spec.select import select


def bundle(by: ByBundle, now: Situation) -> Finding:
    """Every clause has a current judgement, the last one counts, and together they are GO."""
    report = _report(now)
    if isinstance(report, Finding):
        return report
    name = now.known.name or ""
    if len(now.known.sources) < len(report.clauses):
        return unknown(f"{name} is not the whole: {_first(now.known.notes)}")
    expired = sorted(_expired(report, now))
    if expired:
        return failed(f"{name} rests on {expired[0]}, which expired since")
    untried = [view.id for view in report.clauses if _untried(view, report)]
    if untried:
        return unknown(
            f"{name} is of a run without falsifiers, or interrupted: {untried[0]} and "
            f"{len(untried) - 1} more"
        )
    said = f"{name}: {report.verdict.line}"
    if report.verdict.exit_code == ExitCode.GO:
        return passed(said)
    incomplete = report.verdict.exit_code == ExitCode.INCOMPLETE
    return unknown(said) if incomplete else failed(said)


def clauses(by: ByClauses, now: Situation) -> Finding:
    """Each selected clause passed, no waiver in between, and its falsifiers turned it red."""
    report = _report(now)
    if isinstance(report, Finding):
        return report
    try:
        wanted = [clause.id for clause in select(now.loaded.pack, by.clauses)]
    except (NothingSelectedError, UsageError) as error:
        return unknown(str(error))
    found = obstacles(report, wanted)
    if found:
        more = f", and {len(found) - 1} more" if len(found) > 1 else ""
        known = all(name in now.known.sources for name in wanted)
        return (failed if known else unknown)(f"{found[0]}{more}")
    return passed(f"{len(wanted)} of {len(wanted)} clauses stand")


def _report(now: Situation) -> Report | Finding:
    """What is known now, or why a gate cannot go by it."""
    for one in now.known.damaged:
        return failed(f"a bundle is damaged: {one.damage}", integrity=True)
    if now.known.report is None:
        why = _first(now.known.notes) if now.known.notes else "there is no sealed bundle"
        return unknown(why)
    return now.known.report


def _untried(view: ClauseView, report: Report) -> bool:
    """Whether a pass lacks falsifiers that ran; one that survived is a failure, said as such."""
    survived = any(not run.killed for run in report.falsifiers_of(view.id))
    return view.outcome is Outcome.PASS and not report.sound(view) and not survived


def _first(notes: Sequence[str]) -> str:
    more = f", and {len(notes) - 1} more" if len(notes) > 1 else ""
    return f"{notes[0]}{more}"


def _expired(report: Report, now: Situation) -> Iterator[str]:
    """Waivers that held when the bundle was made, and hold no more."""
    waived = {clause.id for clause in report.clauses if clause.outcome is Outcome.WAIVED}
    for waiver in now.loaded.pack.waivers:
        if waiver.clause in waived and waiver.expired(now.today):
            yield f"the waiver of {waiver.clause} by {waiver.owner} until {waiver.expires}"
