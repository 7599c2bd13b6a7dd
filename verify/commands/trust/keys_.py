"""`verify keys`: whose signatures count."""

from __future__ import annotations

from pathlib import Path

import click

from verify import clock
from verify.attest import keys, private
from verify.attest.model import Role
from verify.commands.common import pack_option, sound_pack
from verify.report.words import printable

_NEXT = "verify protect --approve {path} --decision DEC-NNNN"


@click.group()
def command() -> None:
    """Keys whose signatures count: make one, list them, revoke one.

    Public halves stand in contracts/policy/keys.yaml, which changes by decision only. A private
    half lies outside every repository; whoever has it can sign, and nobody else.
    """


@command.command("init")
@pack_option
@click.option("--role", "roles", multiple=True, default=[role.value for role in Role],
              show_default=True, help="What it may sign; may be repeated.",
              type=click.Choice([role.value for role in Role]))  # fmt: skip
@click.option("--holder", default="not stated", show_default=True, metavar="TEXT",
              help="Who has the private half.")  # fmt: skip
@click.option("--key", "place", type=click.Path(path_type=Path), metavar="FILE",
              envvar=private.VARIABLE,
              help="Where the private half goes [default: ~/.config/verify/PACK.pem].")  # fmt: skip
def init_command(
    pack_dir: Path | None, roles: tuple[str, ...], holder: str, place: Path | None
) -> None:
    """Make an ed25519 key: the private half into a file of mode 600, the public one into the pack.

    The file is never replaced and never inside a repository. The key counts once its decision does.
    """
    loaded = sound_pack(pack_dir)
    where = place or private.default_place(loaded.pack.manifest.pack)
    public = private.make(where, loaded.root)
    try:
        path, key = keys.add(loaded, public, [Role(role) for role in roles], holder)
    except BaseException:
        private.discard(where)
        raise
    click.echo(f"{printable(str(where))}: the private half, mode {private.MODE:o}; keep it")
    click.echo(f"{printable(str(path))}: {key.short} may sign {', '.join(key.roles)}")
    click.echo(f"next: {_NEXT.format(path=path.relative_to(loaded.root).as_posix())}")


@command.command("list")
@pack_option
def list_command(pack_dir: Path | None) -> None:
    """The keys of the pack, with what each may sign and who holds it."""
    loaded = sound_pack(pack_dir)
    for key in loaded.pack.keys:
        gone = f", revoked {key.revoked.date}: {key.revoked.reason}" if key.revoked else ""
        roles = ", ".join(key.roles)
        click.echo(printable(f"{key.id}  {roles}, since {key.since}, {key.holder}{gone}"))
    holding = sum(key.revoked is None for key in loaded.pack.keys)
    click.echo(f"{len(loaded.pack.keys)} keys, {holding} of them hold")


@command.command("revoke")
@click.argument("name", metavar="KEY")
@pack_option
@click.option("--reason", required=True, metavar="TEXT", help="Why it counts no more.")
@click.option("--date", "day", metavar="YYYY-MM-DD", help="When that was decided [default: today].")
def revoke_command(name: str, pack_dir: Path | None, reason: str, day: str | None) -> None:
    """Revoke KEY, the beginning of an id: everything it ever signed counts no more.

    No clock stands behind a signature: whoever has the key can write any date into a statement.
    """
    loaded = sound_pack(pack_dir)
    path, key = keys.revoke(loaded, name, day or clock.today().isoformat(), reason)
    click.echo(f"{printable(str(path))}: {key.short} is revoked; sign anew what it signed")
    click.echo(f"next: {_NEXT.format(path=path.relative_to(loaded.root).as_posix())}")
