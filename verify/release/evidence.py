"""Gates about the bundle: whether it is fresh and GO, and whether clauses stand in it."""

from __future__ import annotations

from collections.abc import Iterator

from verify import __version__
from verify.gate import obstacles
from verify.outcome import Outcome
from verify.problems import NothingSelectedError, UsageError
from verify.release.finding import Finding, failed, passed, unknown
from verify.release.model import ByBundle, ByClauses
from verify.release.situation import Situation
from verify.report.model import ExitCode, Report
from verify.spec.select import select


def bundle(by: ByBundle, now: Situation) -> Finding:
    """The newest bundle, and not an older one that happened to be green."""
    if now.bundle is None:
        return unknown("there is no sealed bundle")
    report = now.bundle.report
    if report is None:
        return failed(f"the newest bundle is damaged: {now.bundle.damage}", integrity=True)
    stale = _stale(report, now)
    if stale:
        return unknown(f"{now.bundle.name} is {stale}")
    expired = sorted(_expired(report, now))
    if expired:
        return failed(f"{now.bundle.name} rests on {expired[0]}, which expired since")
    if report.verdict.exit_code != ExitCode.GO:
        said = f"{now.bundle.name} says {report.verdict.line}"
        incomplete = report.verdict.exit_code == ExitCode.INCOMPLETE
        return unknown(said) if incomplete else failed(said)
    return passed(f"{now.bundle.name}: {report.verdict.line}")


def clauses(by: ByClauses, now: Situation) -> Finding:
    """Each selected clause passed, no waiver in between, and its falsifiers turned it red."""
    report = now.bundle.report if now.bundle else None
    if report is None or now.bundle is None:
        return unknown("there is no intact bundle")
    stale = _stale(report, now)
    if stale:
        return unknown(f"{now.bundle.name} is {stale}")
    try:
        wanted = [clause.id for clause in select(now.loaded.pack, by.clauses)]
    except (NothingSelectedError, UsageError) as error:
        return unknown(str(error))
    found = obstacles(report, wanted)
    if found:
        more = f", and {len(found) - 1} more" if len(found) > 1 else ""
        return failed(f"{found[0]}{more}")
    return passed(f"{len(wanted)} of {len(wanted)} clauses stand")


def _expired(report: Report, now: Situation) -> Iterator[str]:
    """Waivers that held when the bundle was made, and hold no more."""
    waived = {clause.id for clause in report.clauses if clause.outcome is Outcome.WAIVED}
    for waiver in now.loaded.pack.waivers:
        if waiver.clause in waived and waiver.expired(now.today):
            yield f"the waiver of {waiver.clause} by {waiver.owner} until {waiver.expires}"


def _stale(report: Report, now: Situation) -> str:
    """Why a bundle is not about what would be released; empty where it is."""
    about = report.about
    then = about.get("digests", {})
    older = [name for name, digest in now.digests.items() if then.get(name) != digest]
    if older:
        return f"older than the {' and '.join(older)}"
    if about.get("verify") != __version__:
        return f"of verify {about.get('verify')}, and this is {__version__}"
    if about.get("selectors"):
        return f"about a part of the pack: {' '.join(about['selectors'])}"
    if about.get("subject") != now.loaded.pack.manifest.subject:
        return f"about the subject {about.get('subject')}"
    if not about.get("falsify") or about.get("interrupted"):
        return "of a run without falsifiers, or interrupted"
    return ""
