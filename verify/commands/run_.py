"""`verify run`."""

from __future__ import annotations

import os
import platform
import shutil
from pathlib import Path
from typing import Any

import click

from verify import __version__
from verify.commands.common import pack_option, reports_option, sound_pack
from verify.problems import UsageError
from verify.report.bundle import RENDERERS, open_partial, seal, write
from verify.run.engine import PROFILES, Options, run
from verify.run.evidence import SCHEMA, EvidenceWriter
from verify.spec.pack import LoadedPack, code_digest, pack_digest
from verify.spec.select import HELP, select


@click.command(epilog=HELP)
@click.argument("selectors", nargs=-1, metavar="[SELECTOR]...")
@pack_option
@reports_option
@click.option("--subject", metavar="NAME", help="Implementation to audit [default: the pack's].")
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
    "--evidence",
    "evidence_dir",
    type=click.Path(path_type=Path),
    metavar="DIR",
    default=Path("reports/evaluations"),
    show_default=True,
    help="Evaluation records that metric clauses read.",
)
@click.option(
    "--output",
    "outputs",
    multiple=True,
    metavar="FORMAT=PATH",
    help=f"Also write the report: {', '.join(RENDERERS)}; may be repeated.",
)
@click.pass_context
def command(
    ctx: click.Context,
    selectors: tuple[str, ...],
    pack_dir: Path | None,
    reports: Path,
    subject: str | None,
    profile: str,
    seed: int,
    jobs: int,
    no_falsify: bool,
    evidence_dir: Path,
    outputs: tuple[str, ...],
) -> int:
    """Evaluate clauses and their falsifiers; report what may be claimed.

    The report goes to standard output, progress to standard error, and a sealed bundle to --reports.
    """
    from rich.console import Console

    from verify.report.console import LiveProgress, summary

    wanted = [_output(text) for text in outputs]
    loaded = sound_pack(pack_dir)
    clauses = select(loaded.pack, selectors)
    options = Options(
        subject=_subject(loaded, subject),
        seed=seed,
        profile=profile,
        jobs=jobs,
        falsify=not no_falsify,
        evidence_dir=evidence_dir,
    )
    partial = open_partial(reports)
    try:
        writer = EvidenceWriter(
            partial / "evidence.jsonl", loaded, _about(loaded, options, selectors)
        )
        with LiveProgress(Console(stderr=True)) as progress:
            run(loaded, clauses, options, lambda event: (writer(event), progress(event)))
        writer.close()
        bundle, report = seal(partial)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    for render, path in wanted:
        write(path, render(report))
    summary(report, Console(), bundle=str(bundle))
    return report.verdict.exit_code


def _subject(loaded: LoadedPack, name: str | None) -> str:
    known = loaded.bindings.by_role["subject"]
    chosen = name or loaded.pack.manifest.subject
    if known and chosen not in known:
        raise UsageError(f"--subject: found {chosen!r}; expected one of {', '.join(sorted(known))}")
    return chosen


def _output(text: str) -> tuple[Any, Path]:
    kind, separator, path = text.partition("=")
    if kind not in RENDERERS or not separator or not path:
        raise UsageError(
            f"--output: found {text!r}; expected FORMAT=PATH with one of {', '.join(RENDERERS)}"
        )
    if not Path(path).absolute().parent.is_dir():
        raise UsageError(f"--output: found no folder {Path(path).parent}; remedy: create it")
    return RENDERERS[kind], Path(path)


def _about(loaded: LoadedPack, options: Options, selectors: tuple[str, ...]) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "verify": __version__,
        "pack": loaded.pack.manifest.pack,
        "subject": options.subject,
        "seed": options.seed,
        "profile": options.profile,
        "selectors": list(selectors),
        "falsify": options.falsify,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "digests": {"pack": pack_digest(loaded), "code": code_digest(loaded)},
    }
