"""`verify dogfood`."""

from __future__ import annotations

import json
import platform
import tempfile
from pathlib import Path

import click

from verify import __version__, clock
from verify.commands.common import pack_option, sound_pack
from verify.dogfood.model import DOGFOOD, DogfoodFile
from verify.dogfood.walk import GO, NO_GO, WARN, Walked, verdict, walk
from verify.files import write
from verify.problems import UsageError
from verify.report.words import printable

CODES = {GO: 0, NO_GO: 1, WARN: 3}


@click.command()
@pack_option
@click.option("--consumer", metavar="NAME", help="Who walks, where it is not the project itself.")
@click.option("--record", type=click.Path(path_type=Path), help="Write what was found here, too.")
def command(pack_dir: Path | None, consumer: str | None, record: Path | None) -> int:
    """Walk the first user's path in a clean environment: GO, WARN or NO-GO.

    The commands are those of a page, word for word, listed in contracts/policy/dogfood.yaml; a
    command that the page does not say is NO-GO. They run one after the other in a copy of what is
    under version control, with an empty home and none of this environment. What could not be
    found out, because the network refuses or nobody waited, is unknown: WARN, exit code 3.
    """
    loaded = sound_pack(pack_dir)
    found = [path for _, path in loaded.of(DogfoodFile)]
    if not found:
        raise UsageError(f"{DOGFOOD}: found none; expected the path; remedy: write one")
    if record is not None and record.exists():
        raise UsageError(f"{record}: found a file there; expected none; remedy: name another")
    steps: list[Walked] = []
    with tempfile.TemporaryDirectory(prefix="dogfood-") as place:
        for one in walk(found[0], loaded.root, Path(place).resolve()):
            steps.append(one)
            click.echo(printable(_line(one)))
    said = verdict(steps)
    if record is not None:
        write(record, _recorded(said, steps, consumer))
    passed = sum(one.outcome.value == "pass" for one in steps)
    click.echo(f"independent consumer: {printable(consumer or 'none, the project itself')}")
    click.echo(f"{said}: {passed}/{len(steps)} steps as {found[0].page} says")
    return CODES[said]


def _line(one: Walked) -> str:
    because = f" ({one.because})" if one.because else ""
    lines = [f"{one.outcome.value:<8} {one.name}: {one.run}{because}, {one.seconds:g} s"]
    lines += [f"    {line}" for line in one.tail.splitlines()[-5:] if one.outcome.value == "fail"]
    return "\n".join(lines)


def _recorded(said: str, steps: list[Walked], consumer: str | None) -> str:
    whole = {
        "schema": "verify/dogfood-record/1",
        "verdict": said,
        "consumer": consumer,
        "created": clock.now().isoformat(timespec="seconds"),
        "verify": __version__,
        "platform": platform.platform(),
        "python": platform.python_version(),
        "steps": [one.as_dict() for one in steps],
    }
    return json.dumps(whole, indent=1) + "\n"
