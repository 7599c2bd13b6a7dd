"""The harness from Python: what `verify lint` and `verify run` do, as functions.

    from verify.harness import run

    report = run("path/to/pack", ["LOSS-*"], reports="reports")
    assert report.verdict.word == "GO", report.verdict.line

The same sealed bundle is left behind, and the same report comes back as data (`report.json`).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from verify.commands.common import audited_subject, sound_pack
from verify.commands.runs.sealed_run import judge
from verify.earlier import earlier_in
from verify.problems import UsageError
from verify.report.model import Report
from verify.run.engine import Options
from verify.run.profiles import PROFILES
from verify.spec.lint import lint as problems_of
from verify.spec.pack import load
from verify.spec.root import find_root
from verify.spec.select import select

__all__ = ["PROFILES", "Report", "lint", "run"]


def lint(pack: str | Path | None = None) -> list[str]:
    """Everything that is wrong with a pack, one sentence each; empty for a sound one.

    pack  the folder that holds contracts/ and specs/; here or above, else the installed one

    Raises PackError where it cannot even be read.
    """
    return [str(problem) for problem in problems_of(load(find_root(_path(pack))))]


def run(
    pack: str | Path | None = None,
    selectors: Iterable[str] = (),
    *,
    reports: str | Path = "reports",
    subject: str | None = None,
    seed: int = 0,
    profile: str = "default",
    jobs: int = 2,
    falsify: bool = True,
    cached: bool = False,
    evidence: str | Path = "reports/evaluations",
) -> Report:
    """Evaluate clauses and their falsifiers, seal a bundle in `reports`, return the report.

    selectors  ids, contracts or globs of clauses; all by default
    subject    a name that the pack registers; its own by default
    profile    how many examples a property draws: quick, default or nightly
    falsify    without it no claim is supported
    cached     reuse judgements of earlier bundles where nothing they rest on has changed

    Raises PackError for a pack that is not sound, UsageError for what cannot be asked.
    """
    if profile not in PROFILES:
        raise UsageError(f"profile: found {profile!r}; expected one of {', '.join(PROFILES)}")
    loaded = sound_pack(_path(pack))
    chosen = tuple(selectors)
    options = Options(
        subject=audited_subject(loaded, subject),
        seed=seed,
        profile=profile,
        jobs=jobs,
        falsify=falsify,
        evidence_dir=Path(evidence),
    )
    clauses = select(loaded.pack, chosen)
    earlier = earlier_in(Path(reports), loaded, Path(evidence)) if cached else None
    return judge(loaded, clauses, options, chosen, Path(reports), earlier=earlier)[1]


def _path(pack: str | Path | None) -> Path | None:
    return None if pack is None else Path(pack)
