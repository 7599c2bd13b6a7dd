"""Gates about the files of the project: licence, version, prose, decisions, protection."""

from __future__ import annotations

from verify.guard import git
from verify.guard.frontier import Side, frontier_of, shown, touched
from verify.guard.protect import State, check, guard_of
from verify.outcome import Outcome
from verify.problems import PackError, UsageError
from verify.prose.evidence import gather
from verify.prose.reading import read
from verify.prose.result import Lint, lint
from verify.ratchet.judge import refused
from verify.release.finding import Finding, failed, passed, unknown
from verify.release.model import (
    ByChangelog,
    ByDecisions,
    ByFrontier,
    ByLicence,
    ByProse,
    ByProtected,
    ByVersion,
)
from verify.release.situation import Situation
from verify.release.version import UnreadableError, entry, project, table, text_of, version_in
from verify.report.model import ExitCode
from verify.scope import Scope
from verify.spec.decision_log import read_log
from verify.spec.places import inside
from verify.spec.rules.decisions import lint_log


def licence(by: ByLicence, now: Situation) -> Finding:
    """The licence's text, and its name in the project file."""
    text = " ".join(text_of(now.root, by.file).split())
    stated = table(project(now.root, by.project), "project")
    named, files = stated.get("license"), stated.get("license-files")
    if by.contains not in text:
        return failed(f"{by.file} does not say {by.contains!r}")
    if named != by.identifier:
        return failed(f"{by.project} states the licence {named!r}, not {by.identifier!r}")
    if not isinstance(files, list) or by.file not in files:
        return failed(f"{by.project} does not list {by.file} in license-files")
    return passed(f"{by.file} is {by.identifier}, as {by.project} says")


def changelog(by: ByChangelog, now: Situation) -> Finding:
    """A dated heading of the version with something under it."""
    if now.version is None:
        return unknown(f"{now.release.version} states no version")
    found = entry(text_of(now.root, by.file), now.version)
    if found is None:
        return failed(f"{by.file} has no heading `## [{now.version}] - DATE`")
    if not found:
        return failed(f"{by.file} says nothing under {now.version}")
    return passed(f"{by.file} has a dated entry for {now.version}")


def version(by: ByVersion, now: Situation) -> Finding:
    """One version in every file."""
    if now.version is None:
        return unknown(f"{now.release.version} states no version")
    found = {name: version_in(now.root, name) for name in by.files}
    odd = [f"{name} says {one}" for name, one in found.items() if one != now.version]
    if odd:
        return failed(f"{now.release.version} says {now.version}, {', '.join(odd)}")
    return passed(f"{now.version} in {len(found)} files")


def prose(by: ByProse, now: Situation) -> Finding:
    """Nothing said beyond the evidence of the newest bundle."""
    missing = [name for name in by.files if inside(now.root, name) is None]
    missing += [name for name in by.files if not (now.root / name).is_file()]
    if missing:
        return unknown(f"there is no file {missing[0]}")
    return of_lint(linted(by.files, now), "it is not known to be true")


def linted(files: tuple[str, ...], now: Situation) -> Lint:
    """The overclaim lint of files below the root, named as they are here."""
    bundle = now.bundle
    report = bundle.report if bundle else None
    evidence = gather(now.loaded.pack, report, bundle.name if bundle and report else None)
    return lint([read(now.root / name) for name in files], evidence, now.today)


def of_lint(result: Lint, otherwise: str) -> Finding:
    """A lint as a finding, with the first sentence that has to be mended."""
    if result.exit_code is ExitCode.GO:
        waived = f", {len(result.waived)} waived" if result.waived else ""
        marked = sum(1 for _, count in result.markers if count) - len({m for _, m in result.waived})
        noted = f", {marked} markers" if marked > 0 else ""
        return passed(f"{len(result.findings)} assertions, none beyond the evidence{waived}{noted}")
    first = result.flagged[0]
    place = f"{first.sentence.file.rpartition('/')[2]}:{first.sentence.line}"
    more = f", and {len(result.flagged) - 1} more" if len(result.flagged) > 1 else ""
    why = f"{place}: {first.ruling}: {first.reason}{more}"
    if result.exit_code is ExitCode.INCOMPLETE:
        return unknown(f"{why} ({otherwise})")
    return failed(why)


def decisions(by: ByDecisions, now: Situation) -> Finding:
    """A sound log, and no open record behind or against an allowed claim."""
    try:
        problems = lint_log(read_log(now.root))
    except (PackError, UsageError) as error:
        return failed(f"the log cannot be read: {str(error).splitlines()[0]}")
    if problems:
        return failed(f"{len(problems)} problems, first: {problems[0]}")
    report = now.bundle.report if now.bundle else None
    if report is None:
        return unknown("without an intact bundle nobody knows which claims are allowed")
    allowed = {claim.claim for claim in report.claims if claim.scope is not Scope.DENIED}
    records = now.loaded.pack.decisions
    open_ = [one for one in records if str(one.status) in ("proposed", "deferred")]
    for one in open_:
        touched = sorted(allowed & {*one.governs, *one.caps})
        if touched:
            return failed(f"{one.id} is {one.status} and concerns {touched[0]}, which is allowed")
    return passed(f"{len(records)} records sound; none of {len(open_)} open ones concerns a claim")


def protected(by: ByProtected, now: Situation) -> Finding:
    """Nothing under protection changed, went or came without a decision."""
    found = check(guard_of(now.loaded))
    wrong = [one for one in found if one.state is not State.AS_APPROVED]
    if wrong:
        more = f", and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        first = f"{shown(wrong[0].path)} is {wrong[0].state}: {wrong[0].reason}"
        return failed(f"{first}{more}", integrity=True)
    return passed(f"{len(found)} files as approved")


def frontier(by: ByFrontier, now: Situation) -> Finding:
    """What was committed since the last tag keeps to the frontier, and no rule got looser by it
    without a decision; what is not committed is not looked at."""
    try:
        base = git.base_of(now.root)
    except UsageError as error:
        return unknown(str(error))
    if base is None:
        return unknown("the commit has no parent here: a shallow clone lacks the history")
    commit, which = base
    head = git.resolve(now.root, f"{commit}..HEAD")[1]
    found = touched(now.root, commit, head, frontier_of(now.root, commit, None))
    if not found:
        return unknown(f"nothing to judge: HEAD differs in no path from {which}")
    wrong = [one for one in found if one.side is not Side.INSIDE]
    if wrong:
        more = f", and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        return failed(f"{shown(wrong[0].path)} is {wrong[0].side}: {wrong[0].rule}{more}")
    looser = refused(now.root, commit, head)
    if looser:
        more = f", and {len(looser) - 1} more" if len(looser) > 1 else ""
        return failed(f"{shown(looser[0])}{more}")
    return passed(f"{len(found)} paths inside and no rule looser undecided, since {which}")


def unreadable(error: UnreadableError) -> Finding:
    """A file that is not there or not what it should be: nothing is known of it."""
    return Finding(Outcome.UNKNOWN, str(error))
