"""One run and its sealed bundle, for the commands that carry one out."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Mapping
from contextlib import closing, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from verify import __version__
from verify.commands.common import require_beside, stopping
from verify.mutate import rate as detection
from verify.report.bundle import EVIDENCE, open_partial, seal
from verify.report.model import Report
from verify.report.unsealed import keep
from verify.run.cache import Earlier
from verify.run.engine import Event, Options, run
from verify.run.environment import in_environment, machine, repository
from verify.run.evidence import EvidenceWriter
from verify.run.workers.forks import ForkServer
from verify.spec.digests import digests
from verify.spec.model import Clause
from verify.spec.pack import LoadedPack


def judge(
    loaded: LoadedPack,
    clauses: tuple[Clause, ...],
    options: Options,
    selectors: tuple[str, ...],
    reports: Path,
    *,
    earlier: Earlier | None = None,
    more: Mapping[str, Any] | None = None,
    server: ForkServer | None = None,
) -> tuple[Path, Report]:
    """A run of the pack's own subject; `more` is said of it besides.

    earlier  judgements to be reused
    server   one that already imports (`verify.run.beforehand`)
    """
    about = {**about_run(loaded, options, selectors, reports), **(more or {})}
    return run_and_seal(loaded, clauses, options, about, reports, earlier, server)


def runner(
    loaded: LoadedPack, reports: Path, earlier: Earlier | None
) -> Callable[[tuple[Clause, ...], Options, dict[str, Any]], tuple[Path, Report]]:
    """Runs that are sealed in a folder; judgements are reused but for a subject from elsewhere."""

    def sealed(
        clauses: tuple[Clause, ...], options: Options, more: dict[str, Any]
    ) -> tuple[Path, Report]:
        about = {**about_run(loaded, options, (), reports), **more}
        reused = earlier if options.foreign is None else None
        return run_and_seal(loaded, clauses, options, about, reports, reused)

    return sealed


def run_and_seal(
    loaded: LoadedPack,
    clauses: tuple[Clause, ...],
    options: Options,
    about: dict[str, Any],
    reports: Path,
    earlier: Earlier | None,
    server: ForkServer | None = None,
) -> tuple[Path, Report]:
    """The run and its bundle; where it cannot be sealed, its evidence stays behind, named so."""
    options = replace(options, detection=detection.rates(about.get("detection")))
    partial = open_partial(reports)
    with stopping() as stop:
        try:
            writer = EvidenceWriter(
                partial / EVIDENCE, loaded, about, earlier.around if earlier else None
            )
            with closing(writer), _progress() as progress:

                def emit(event: Event) -> None:
                    writer(event)
                    if progress is not None:
                        progress(event)

                run(loaded, clauses, options, emit, stop=stop, earlier=earlier, server=server)
            return seal(partial)
        except BaseException:
            said = keep(partial)
            if said is not None:
                click.echo(f"verify: {said}", err=True)
            raise


def _progress() -> Any:
    """A live display on a terminal; rich is imported only there."""
    if not sys.stderr.isatty():
        return nullcontext()
    from rich.console import Console

    from verify.report.progress import LiveProgress

    return LiveProgress(Console(stderr=True))


def about_run(
    loaded: LoadedPack, options: Options, selectors: tuple[str, ...], reports: Path
) -> dict[str, Any]:
    require_beside(loaded, reports)
    now = digests(loaded)
    return {
        "verify": __version__,
        "pack": loaded.pack.manifest.pack,
        "place": _place(loaded.root),
        "subject": options.subject,
        "seed": options.seed,
        "profile": options.profile,
        "selectors": list(selectors),
        "falsify": options.falsify,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "machine": machine(),
        "repository": repository(loaded.root),
        "digests": now,
        "detection": detection.known(reports, now, options.subject),
    }


def _place(root: Path) -> str:
    """The pack's folder below the repository that holds it, as the beginning of a URI.

    None holds what is installed in an environment, wherever that lies.
    """
    if in_environment(root):
        return ""
    for folder in (root, *root.parents):
        if (folder / ".git").exists():
            inside = os.fsencode(root.relative_to(folder))
            return "" if inside == b"." else f"{quote(inside)}/"
    return ""
