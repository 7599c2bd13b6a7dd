"""`verify record`."""

from __future__ import annotations

import re
from pathlib import Path

import click

from verify.commands.common import pack_option, sound_pack
from verify.problems import UsageError
from verify.report.words import number
from verify.spec.pack import LoadedPack

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
FOLDER = "golden"


@click.command()
@click.argument("check", metavar="CHECK")
@click.option("--case", required=True, metavar="NAME", help="Which case; also the files' name.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--replace", is_flag=True, help="Write over an earlier recording of this name.")
@pack_option
def command(check: str, case: str, seed: int, replace: bool, pack_dir: Path | None) -> None:
    """Record NAME with the recorder of CHECK: specs/golden/NAME.safetensors and NAME.json.

    The recorder runs again in another process and has to give the same bits. Its noise, between
    precisions or between seeds, is measured and becomes the tolerance of each stage; its basis,
    the seed and the versions of all that was imported stand beside it. What fails that check is not
    written (exit code 4).
    """
    loaded = sound_pack(pack_dir)
    if pack_dir is None and loaded.root != Path.cwd():
        raise UsageError(
            "found no pack here; expected one to record for; remedy: name it with --pack"
        )
    if not _NAME.fullmatch(case):
        raise UsageError(
            f"--case: found {case!r}; expected a file's name of a-z, 0-9, dots, dashes and "
            "underscores; remedy: rename it"
        )
    try:
        _record(loaded, check, case, seed, replace)
    except ModuleNotFoundError as error:
        raise UsageError(
            f"found no module {error.name}; expected NumPy and safetensors; remedy: pip install "
            "numpy safetensors"
        ) from None


def _record(loaded: LoadedPack, check: str, case: str, seed: int, replace: bool) -> None:
    from verify.numeric import recording

    binding = loaded.bindings.find("recorder", check)
    if binding is None:
        known = ", ".join(sorted(loaded.bindings.by_role["recorder"])) or "none"
        raise UsageError(
            f"CHECK: found {check!r}; expected one with a recorder: {known}; remedy: register one "
            "with @recorder"
        )
    folder = loaded.root / "specs" / FOLDER
    recording.require_free(folder, case, replace=replace)
    recorded = recording.record(loaded.root, binding, case, seed)
    for path in recording.write(folder, case, recorded):
        click.echo(f"recorded {path.relative_to(loaded.root).as_posix()}")
    tolerance = recorded.meta["tolerance"]
    for stage, allowed in tolerance["absolute"].items():
        largest = recorded.meta["self_check"]["largest"][stage]
        click.echo(f"  {stage}: to {number(largest, '')}, allowed {number(allowed, '')}")
    click.echo(f"  basis: {tolerance['basis']}")
