"""`verify list`."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

import click

from verify.commands.common import SELECTORS, pack_option, sound_pack
from verify.problems import NothingSelectedError
from verify.spec.pack import LoadedPack
from verify.spec.select import select

KINDS = ("clauses", "claims", "facts", "conflicts", "decisions", "checks", "mutants", "subjects",
         "recorders")  # fmt: skip

Row = tuple[str, str, str, str]


@click.command(epilog=SELECTORS)
@click.argument("selectors", nargs=-1, metavar="[SELECTOR]...")
@click.option("--what", type=click.Choice(KINDS), default="clauses", show_default=True)
@pack_option
def command(selectors: tuple[str, ...], what: str, pack_dir: Path | None) -> None:
    """List what the pack states, one line each, tab-separated."""
    loaded = sound_pack(pack_dir)
    rows: list[Row]
    if what == "clauses":
        rows = [(c.id, c.kind, c.severity, c.statement) for c in select(loaded.pack, selectors)]
    else:
        rows = _matching(_rows(loaded, what), selectors, what)
    for row in rows:
        click.echo("\t".join(row).rstrip())


def _rows(loaded: LoadedPack, what: str) -> list[Row]:
    pack = loaded.pack
    if what == "claims":
        return [(c.id, c.title, "", "") for c in pack.claims]
    if what == "facts":
        return [
            (f"{authority}:{name}", topic.title, str(fact.value), fact.at)
            for name, topic in pack.topics.items()
            for authority, fact in topic.facts.items()
        ]
    if what == "conflicts":
        return [(c.id, c.topic, c.decision, c.summary) for c in pack.conflicts]
    if what == "decisions":
        return [(d.id, d.status, d.date, d.title) for d in pack.decisions]
    found = loaded.bindings.by_role[what.removesuffix("s")].values()
    return [(b.name, f"{b.file}:{b.line}", "", "") for b in found]


def _matching(rows: list[Row], patterns: Sequence[str], what: str) -> list[Row]:
    """Rows whose name matches any glob; each glob has to match something."""
    for pattern in patterns:
        if not any(fnmatchcase(row[0], pattern) for row in rows):
            raise NothingSelectedError(f"{pattern!r} matches none of {len(rows)} {what}")
    return [row for row in rows if not patterns or any(fnmatchcase(row[0], p) for p in patterns)]
