"""The step of the GitHub Action (`action.yml`): a run in the words of a workflow.

Reads PACK, SELECTORS, TEMPLATES and REPORTS; writes annotations to standard output, a summary to
GITHUB_STEP_SUMMARY and outputs to GITHUB_OUTPUT. Ends with the exit code of the run, or with that
of the templates where the run is GO.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from verify.report import markdown
from verify.report.bundle import check, latest
from verify.report.model import ClauseView, Report
from verify.report.words import printable

SUMMARY_LIMIT = 1_000_000  # bytes that GitHub shows of one step


def main(environ: Mapping[str, str]) -> int:
    """One step; returns its exit code."""
    reports = Path(environ.get("REPORTS") or "reports")
    reports.mkdir(parents=True, exist_ok=True)
    before = latest(reports)
    named = ["--pack", environ.get("PACK") or ".", "--reports", str(reports)]
    code = _verify("run", *named, *(environ.get("SELECTORS") or "").split())
    bundle = latest(reports)
    verdict = "NO-GO"
    if bundle is not None and bundle != before:
        report = check(bundle)
        verdict = report.verdict.word
        sys.stdout.writelines(f"{line}\n" for line in remarks(report))
        _append(environ, "GITHUB_STEP_SUMMARY", summary(report))
        _append(environ, "GITHUB_OUTPUT", f"sarif={bundle / 'results.sarif'}\n")
    _append(environ, "GITHUB_OUTPUT", f"verdict={verdict}\n")
    return code or _templates(environ, named[:2])


def remarks(report: Report) -> Iterator[str]:
    """A workflow command for each clause that did not pass, and each falsifier that survived."""
    place = str(report.about.get("place", ""))
    for clause in report.troubled:
        serious = clause.outcome == "fail" or clause.broken or clause.owed
        yield _command("error" if serious else "notice", clause, place, clause.reason)
    by_id = {clause.id: clause for clause in report.clauses}
    for run in report.survivors:
        said = f"the falsifier {run.label} did not turn it red: {run.reason}"
        yield _command("error", by_id[run.clause], place, said)


def summary(report: Report) -> str:
    """report.md, cut where GitHub would refuse it."""
    text = markdown.render(report)
    if len(text.encode()) <= SUMMARY_LIMIT:
        return text
    cut = text.encode()[:SUMMARY_LIMIT].decode(errors="ignore")
    return f"{cut}\n\n(The rest is in the bundle.)\n"


def _command(level: str, clause: ClauseView, place: str, said: str) -> str:
    title = f"{clause.id} {clause.outcome}"
    where = f"file={_value(place + clause.file)},line={clause.line},title={_value(title)}"
    return f"::{level} {where}::{_text(f'{clause.statement} {said}')}"


def _text(text: str) -> str:
    """As workflow commands want it: no line ends, no control characters."""
    escaped = printable(text).replace("%", "%25")
    return escaped.replace("\r", "%0D").replace("\n", "%0A")


def _value(text: str) -> str:
    return _text(text).replace(":", "%3A").replace(",", "%2C")


def _templates(environ: Mapping[str, str], pack: list[str]) -> int:
    patterns = (environ.get("TEMPLATES") or "").split()
    files = sorted({str(path) for pattern in patterns for path in Path().glob(pattern)})
    if patterns and not files:
        print(f"::error::templates: found no file that matches {_text(' '.join(patterns))}")
        return 2
    return _verify("template", "--faithful", *pack, *files) if files else 0


def _verify(*words: str) -> int:
    return subprocess.run([sys.executable, "-m", "verify", *words], check=False).returncode


def _append(environ: Mapping[str, str], name: str, text: str) -> None:
    if path := environ.get(name):
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(text)


if __name__ == "__main__":
    sys.exit(main(os.environ))
