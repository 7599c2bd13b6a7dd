"""`verify sign`."""

from __future__ import annotations

from pathlib import Path

import click

from verify.attest import bundle, private, record
from verify.attest.backing import beside
from verify.attest.envelope import Kind, SignatureError, sealed
from verify.attest.model import Role
from verify.commands.common import pack_option, sound_pack
from verify.files import write
from verify.report.words import printable
from verify.spec.pack import LoadedPack


@click.command()
@click.argument("targets", nargs=-1, required=True, type=click.Path(path_type=Path),
                metavar="RECORD|BUNDLE...")  # fmt: skip
@pack_option
@click.option("--key", "place", type=click.Path(path_type=Path), metavar="FILE",
              envvar=private.VARIABLE,
              help="The private key [default: ~/.config/verify/PACK.pem].")  # fmt: skip
def command(targets: tuple[Path, ...], pack_dir: Path | None, place: Path | None) -> None:
    """Sign records and bundles, each into an in-toto statement beside it (NAME.dsse, DSSE).

    A record is computed again first, from all that is kept beside it; one that does not come out
    again, or of which nothing can be computed again, is refused. A bundle is re-verified first, and
    has to be about the pack and the code that are here. Exit code 4 where anything is refused.
    """
    loaded = sound_pack(pack_dir)
    where = place or private.default_place(loaded.pack.manifest.pack)
    for target in targets:
        click.echo(f"{printable(str(target))}: {printable(_sign(loaded, target, where))}")


def _sign(loaded: LoadedPack, target: Path, where: Path) -> str:
    """Write the envelope -> what was signed, in words."""
    signer = private.signer_of(where, loaded.pack.keys)
    role = Role.BUNDLES if bundle.is_bundle(target) else Role.RECORDS
    key = next(one for one in loaded.pack.keys if one.id == signer.public_key.keyid)
    if key.revoked is not None or role not in key.roles:
        kind = Kind.ROLE if key.revoked is None else Kind.REVOKED
        found = (
            f"{key.short}, which may sign {', '.join(key.roles) if not key.revoked else 'no more'}"
        )
        raise SignatureError(kind, where, found, f"a key for {role}", "verify keys list")
    if role is Role.BUNDLES:
        said = bundle.describe(loaded, target)
        told = str(said["predicate"]["verdict"])
    else:
        said = record.describe(loaded, target)
        again, left = (said["predicate"][name] for name in ("recomputed", "not_recomputed"))
        told = f"{len(again)} figures computed again, {len(left)} not"
    place = beside(target.resolve())
    write(place, sealed(said, signer))
    return f"{told}; signed by {key.short} into {place.name}"
