"""`verify list`."""

from __future__ import annotations

from pathlib import Path

import click

from verify.commands.common import pack_option, sound_pack
from verify.spec.select import HELP, select

KINDS = ("clauses", "claims", "facts", "conflicts", "decisions", "checks", "mutants", "subjects")


@click.command(epilog=HELP)
@click.argument("selectors", nargs=-1, metavar="[SELECTOR]...")
@click.option("--what", type=click.Choice(KINDS), default="clauses", show_default=True)
@pack_option
def command(selectors: tuple[str, ...], what: str, pack_dir: Path | None) -> None:
    """List what the pack states, one line each, tab-separated."""
    loaded = sound_pack(pack_dir)
    pack = loaded.pack
    if what == "clauses":
        rows = [(c.id, c.kind, c.severity, c.statement) for c in select(pack, selectors)]
    elif what == "claims":
        rows = [(c.id, c.title, "", "") for c in pack.claims]
    elif what == "facts":
        rows = [
            (f"{authority}:{name}", topic.title, str(fact.value), fact.at)
            for name, topic in pack.topics.items()
            for authority, fact in topic.facts.items()
        ]
    elif what == "conflicts":
        rows = [(c.id, c.topic, c.decision, c.summary) for c in pack.conflicts]
    elif what == "decisions":
        rows = [(d.id, d.status, d.date, d.title) for d in pack.decisions]
    else:
        found = loaded.bindings.by_role[what.removesuffix("s")].values()
        rows = [(b.name, f"{b.file}:{b.line}", "", "") for b in found]
    for row in rows:
        click.echo("\t".join(row).rstrip())
