"""`verify run`."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Callable
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from verify import __version__, streams
from verify.audit.subject import foreign_subject
from verify.commands.common import (
    audited_subject,
    evidence_option,
    pack_option,
    reports_option,
    sound_pack,
    stopping,
)
from verify.files import write
from verify.known import earlier_in
from verify.mutate import rate as detection
from verify.problems import UsageError
from verify.report.bundle import EVIDENCE, RENDERERS, open_partial, seal
from verify.report.console import summary
from verify.report.model import Report
from verify.report.unsealed import keep
from verify.run.cache import Earlier
from verify.run.engine import PROFILES, Event, Options, run
from verify.run.environment import repository
from verify.run.evidence import EvidenceWriter
from verify.spec.digests import digests
from verify.spec.model import Clause
from verify.spec.pack import LoadedPack
from verify.spec.select import HELP, select


@click.command(epilog=HELP)
@click.argument("selectors", nargs=-1, metavar="[SELECTOR]...")
@pack_option
@reports_option
@click.option(
    "--subject",
    metavar="NAME",
    help="Implementation to audit: a name of the pack, FILE.py[:name] or package.module:name "
    "(see `verify audit`) [default: the pack's].",
)
@click.option("--python", metavar="PATH", help="Interpreter of a subject outside the pack.")
@click.option(
    "--profile",
    type=click.Choice(list(PROFILES)),
    default="default",
    show_default=True,
    help="How many examples a property draws.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of property tests.")
@click.option(
    "--jobs",
    type=click.IntRange(1, 256),
    default=max(1, min(8, os.cpu_count() or 1)),
    show_default="one a core",
    help="Worker processes.",
)
@click.option("--no-falsify", is_flag=True, help="Skip falsifiers: no claim is supported (exit 3).")
@click.option(
    "--cached",
    is_flag=True,
    help="Reuse judgements of sealed bundles in --reports where nothing they rest on has changed.",
)
@evidence_option
@click.option(
    "--output",
    "outputs",
    multiple=True,
    metavar="FORMAT=PATH",
    help=f"Also write the report: {', '.join(RENDERERS)}; may be repeated.",
)
def command(
    selectors: tuple[str, ...],
    pack_dir: Path | None,
    reports: Path,
    subject: str | None,
    python: str | None,
    profile: str,
    seed: int,
    jobs: int,
    no_falsify: bool,
    cached: bool,
    evidence_dir: Path,
    outputs: tuple[str, ...],
) -> int:
    """Evaluate clauses and their falsifiers; report what may be claimed.

    The report goes to standard output, progress to standard error, a sealed bundle to --reports. An
    interrupt (Ctrl-C) ends the run early; what was found is sealed all the same.
    """
    wanted = [_output(text) for text in outputs]
    loaded = sound_pack(pack_dir)
    clauses = select(loaded.pack, selectors)
    if foreign := foreign_subject(subject or "", python):
        from verify.commands.audit_ import judged

        options = Options(foreign.name, seed=seed, profile=profile, jobs=jobs,
                          falsify=not no_falsify, evidence_dir=evidence_dir)  # fmt: skip
        return judged(loaded, foreign, options, reports, wanted, clauses if selectors else None)
    options = Options(
        subject=audited_subject(loaded, subject),
        seed=seed,
        profile=profile,
        jobs=jobs,
        falsify=not no_falsify,
        evidence_dir=evidence_dir,
    )
    earlier = earlier_in(reports, loaded, evidence_dir) if cached else None
    about = _about(loaded, options, selectors, reports)
    bundle, report = _run_and_seal(loaded, clauses, options, about, reports, earlier)
    _show(report, bundle)
    for kind, path in wanted:
        write(path, RENDERERS[kind](report))
    return report.verdict.exit_code


def runner(
    loaded: LoadedPack, reports: Path, earlier: Earlier | None
) -> Callable[[tuple[Clause, ...], Options, dict[str, Any]], tuple[Path, Report]]:
    """Runs that are sealed in a folder; judgements are reused but for a subject from elsewhere."""

    def sealed(
        clauses: tuple[Clause, ...], options: Options, more: dict[str, Any]
    ) -> tuple[Path, Report]:
        about = {**_about(loaded, options, (), reports), **more}
        reused = earlier if options.foreign is None else None
        return _run_and_seal(loaded, clauses, options, about, reports, reused)

    return sealed


def wanted_outputs(texts: tuple[str, ...]) -> list[tuple[str, Path]]:
    """What --output asks for; raises UsageError for what cannot be written."""
    return [_output(text) for text in texts]


def _run_and_seal(
    loaded: LoadedPack,
    clauses: tuple[Clause, ...],
    options: Options,
    about: dict[str, Any],
    reports: Path,
    earlier: Earlier | None,
) -> tuple[Path, Report]:
    """The run and its bundle; where it cannot be sealed, its evidence stays behind, named so."""
    partial = open_partial(reports)
    with stopping() as stop:
        try:
            writer = EvidenceWriter(partial / EVIDENCE, loaded, about)
            with closing(writer), _progress() as progress:

                def emit(event: Event) -> None:
                    writer(event)
                    if progress is not None:
                        progress(event)

                run(loaded, clauses, options, emit, stop=stop, earlier=earlier)
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


def _show(report: Report, bundle: Path) -> None:
    """The summary; a reader who went away does not change the verdict."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    text = summary(report, bundle=str(bundle), width=width)
    click.echo(text, color=False if os.environ.get("NO_COLOR") else None)
    why = streams.lost(sys.stdout)
    if why and why != streams.READER_GONE:
        click.echo(
            f"verify: standard output cannot be written ({why}); the verdict stands", err=True
        )


def _output(text: str) -> tuple[str, Path]:
    kind, separator, path = text.partition("=")
    if kind not in RENDERERS or not separator or not path:
        raise UsageError(
            f"--output: found {text!r}; expected FORMAT=PATH with one of {', '.join(RENDERERS)}"
        )
    if not Path(path).absolute().parent.is_dir():
        raise UsageError(f"--output: found no folder {Path(path).parent}; remedy: create it")
    return kind, Path(path)


def _about(
    loaded: LoadedPack, options: Options, selectors: tuple[str, ...], reports: Path
) -> dict[str, Any]:
    now = digests(loaded)
    tried = detection.newest(reports, now, options.subject)
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
        "repository": repository(loaded.root),
        "digests": now,
        "detection": tried and detection.stated(tried),
    }


def _place(root: Path) -> str:
    """The pack's folder below the repository that holds it, as the beginning of a URI."""
    for folder in (root, *root.parents):
        if (folder / ".git").exists():
            inside = os.fsencode(root.relative_to(folder))
            return "" if inside == b"." else f"{quote(inside)}/"
    return ""
