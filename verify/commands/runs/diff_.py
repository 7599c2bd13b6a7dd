"""`verify diff`."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from verify.commands.common import wanted_outputs
from verify.files import write
from verify.problems import UsageError
from verify.report.difference import compare
from verify.report.model import ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from verify.ratchet.judge import Judged
    from verify.report.difference import Change


@click.command()
@click.argument("bundles", type=click.Path(path_type=Path), nargs=-1, metavar="[A B]")
@click.option(
    "--pack",
    "revisions",
    is_flag=False,
    flag_value="",
    metavar="[BASE..HEAD]",
    help="Compare the rules of two commits instead [default: the last tag, else the parent].",
)
@click.option(
    "--repository",
    type=click.Path(path_type=Path),
    default=Path(),
    metavar="DIR",
    help="The repository [default: here].",
)
@click.option("--json", "as_json", is_flag=True, help="What differs, as JSON.")
@click.option(
    "--output", "outputs", multiple=True, metavar="html=PATH", help="Also write a page of bundles."
)
def command(
    bundles: tuple[Path, ...],
    revisions: str | None,
    repository: Path,
    as_json: bool,
    outputs: tuple[str, ...],
) -> int:
    """Compare two bundles, or with --pack the rules of two commits.

    Bundles: outcomes, measured values, claims, and what the runs were made of. Exit code 1 where a
    finding differs; other circumstances with the same findings are 0.

    Rules: what BASE..HEAD does to clauses, claims, waivers, facts, decisions, policies, recordings
    and the code of checks: stricter, looser or neutral. What is looser, or may be, needs a decision
    of the same change that governs its file; exit code 1 where one has none, 3 where there is
    nothing to compare. A BASE in an earlier language of packs is read by the code it carries.
    """
    pages = [path for _, path in wanted_outputs(outputs, ("html",))]
    if revisions is not None:
        if pages:
            raise UsageError("--output: found it beside --pack; expected two bundles")
        if bundles:
            raise UsageError(f"--pack: found {bundles[0]} as well; expected two commits alone")
        return _rules(revisions, repository, as_json)
    if len(bundles) != 2:
        raise UsageError(
            f"found {len(bundles)} bundles; expected two, or --pack BASE..HEAD; remedy: verify "
            "diff A B"
        )
    changes = compare(*bundles)
    for page in pages:
        from verify.report.page.changes import render

        write(page, render(changes, *(one.resolve().name for one in bundles)))
    findings = sum(change.result for change in changes)
    click.echo(_changes_json(changes) if as_json else "\n".join(_lines(changes, findings)))
    return 1 if findings else 0


def _lines(changes: tuple[Change, ...], findings: int) -> Iterator[str]:
    for change in changes:
        word = f"\t{change.word}" if change.word else ""
        yield f"{change.kind}\t{change.name}\t{change.before}\t-> {change.after}{word}"
    count = Counter(change.word for change in changes)
    mended, broken = count["mended"], count["broken"]
    told = f", {mended} mended, {broken} broken" if mended or broken else ""
    yield f"{findings} findings differ{told}, {len(changes) - findings} circumstances"


def _changes_json(changes: tuple[Change, ...]) -> str:
    rows = [
        {"kind": one.kind, "name": one.name, "before": one.before, "after": one.after,
         "finding": one.result, "word": one.word}
        for one in changes
    ]  # fmt: skip
    return json.dumps(rows, indent=2)


def _rules(revisions: str, repository: Path, as_json: bool) -> int:
    from verify.guard.git import base_of, resolve
    from verify.ratchet.judge import compare as rules

    if not revisions:
        found = base_of(repository)
        if found is None:
            click.echo("nothing to judge: HEAD has no parent here (a shallow clone lacks history)")
            return int(ExitCode.INCOMPLETE)
        revisions = f"{found[0]}..HEAD"
    base, head = resolve(repository, revisions)
    judged = None if base == head else rules(repository, base, head)
    span = f"{base[:10]}..{head[:10]}"
    if judged is None:
        click.echo(f"nothing to judge: {span} hold no two packs")
        return int(ExitCode.INCOMPLETE)
    click.echo(_json(judged, base, head) if as_json else _table(judged, span))
    return int(ExitCode.FAILED if any(one.refused for one in judged) else ExitCode.GO)


def _table(judged: list[Judged], span: str) -> str:
    from verify.guard.frontier import shown

    count = Counter(str(one.change.side) for one in judged)
    refused = sum(one.refused for one in judged)
    shares = ", ".join(f"{count[side]} {side}" for side in ("looser", "stricter", "neutral"))
    verdict = (
        f"{'NO-GO' if refused else 'GO'}: {len(judged)} rules differ, {shares}; {refused} looser "
        f"without a decision, {span}"
    )
    return "\n".join([*(shown(one.line) for one in judged), verdict])


def _json(judged: list[Judged], base: str, head: str) -> str:
    rows = [
        {
            "side": one.change.side,
            "kind": one.change.kind,
            "name": one.change.name,
            "what": one.change.what,
            "file": one.change.path,
            "decisions": list(one.by),
            "refused": one.refused,
        }
        for one in judged
    ]
    found = {"schema": "verify/rules-diff/1", "base": base, "head": head, "changes": rows}
    return json.dumps(found, indent=1)
