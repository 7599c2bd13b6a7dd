"""`verify trace`."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from verify import strict_json
from verify.commands.common import wanted_outputs
from verify.files import read, write
from verify.problems import UsageError
from verify.report.model import ExitCode
from verify.report.words import printable

if TYPE_CHECKING:
    from verify.numeric.divergence import Divergence, Row
    from verify.numeric.traces import Trace

FILE = click.Path(path_type=Path)


@click.group()
def command() -> None:
    """Traces as files: the named stages of one computation."""


@command.command()
@click.argument("a", type=FILE, metavar="A")
@click.argument("b", type=FILE, metavar="B")
@click.option(
    "--tolerances",
    type=FILE,
    metavar="CASE",
    help="JSON with tolerance.absolute by stage, such as a case of `verify record`.",
)
@click.option("--absolute", type=click.FloatRange(min=0), default=1e-6, show_default=True,
              help="Allowed to a stage without a tolerance of its own.")  # fmt: skip
@click.option("--relative", type=click.FloatRange(min=0), default=0.0, show_default=True,
              help="Allowed besides, as a share of A's value.")  # fmt: skip
@click.option(
    "--other-input", is_flag=True, help="Compare traces of different inputs all the same."
)
@click.option("--output", "outputs", multiple=True, metavar="FORMAT=PATH",
              help="Also write it: json, html; may be repeated.")  # fmt: skip
def compare(
    a: Path,
    b: Path,
    tolerances: Path | None,
    absolute: float,
    relative: float,
    other_input: bool,
    outputs: tuple[str, ...],
) -> int:
    """Hold trace B against trace A: the first stage in which they part, then all others.

    A stage is equal (within its tolerance), minor (up to 10 times), divergent (up to 1,000 times)
    or critical; MISSING where only A has it, which is no pass and never the first divergence;
    extra where only B has it. Another order is said and not judged. Exit code 1 where a stage
    differs, 3 where none does and some are missing, 0 otherwise.
    """
    from verify.numeric import divergence, traces

    wanted = wanted_outputs(outputs, _RENDER)
    one, other = traces.read_trace(a), traces.read_trace(b)
    if not other_input:
        _same_input(one, other)
    own = _own(tolerances) if tolerances else {}
    found = divergence.compare(one, other, own.get, absolute, relative)
    click.echo("\n".join(printable(line) for line in _lines(found)))
    for kind, path in wanted:
        write(path, _RENDER[kind](found, str(a), str(b)))
    if found.first is not None:
        return int(ExitCode.FAILED)
    return int(ExitCode.INCOMPLETE if found.of(divergence.MISSING) else ExitCode.GO)


def _same_input(a: Trace, b: Trace) -> None:
    found = [trace.about.get("input_sha256") for trace in (a, b)]
    if None not in found and found[0] != found[1]:
        raise UsageError(
            f"found traces of two inputs, {found[0][:12]}... and {found[1][:12]}...; expected one; "  # type: ignore[index]
            "remedy: run both on the same arrays, or --other-input"
        )


def _own(path: Path) -> dict[str, float]:
    try:
        said = strict_json.loads(read(path, "a case of `verify record`"))["tolerance"]["absolute"]
        return {str(name): float(value) for name, value in said.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            f"{path}: found no tolerance.absolute by stage ({type(error).__name__}); expected a "
            "case of `verify record`; remedy: name its .json"
        ) from None


def _lines(found: Divergence) -> list[str]:
    from verify.numeric.divergence import CLASSES, EXTRA, MISSING

    lines = [f"note: {note}" for note in found.notes]
    width = max((len(row.name) for row in found.rows), default=0)
    lines += [_line(row, width) for row in found.rows]
    if found.moved:
        lines.append(f"in another order: {', '.join(found.moved)}")
    if found.first is not None:
        first = found.first
        off = first.said or f"off by {first.error:.3g} ({first.relative:.3g} of its largest value)"
        lines.append(f"first divergence: {first.name}, {off}, allowed {first.allowed:.3g}")
    counts = [f"{len(found.of(name))} {name}" for name in (*CLASSES, MISSING, EXTRA)]
    lines.append(", ".join(counts))
    return lines


def _line(row: Row, width: int) -> str:
    if math.isnan(row.ratio):
        return f"{row.verdict:<9} {row.name}"
    share = "-" if math.isnan(row.relative) else f"{row.relative:.3g}"
    off = row.said or f"{row.error:10.3g}  {share:>10} rel  {row.ratio:10.3g} x tolerance"
    return f"{row.verdict:<9} {row.name:<{width}} {off}"


def _json(found: Divergence, a: str, b: str) -> str:
    def number(value: float) -> float | str | None:
        return None if math.isnan(value) else value if math.isfinite(value) else "inf"

    rows = [
        {
            "stage": row.name, "verdict": row.verdict, "absolute": number(row.error),
            "relative": number(row.relative), "allowed": number(row.allowed),
            "ratio": number(row.ratio), "said": row.said,
        }
        for row in found.rows
    ]  # fmt: skip
    said: dict[str, Any] = {
        "schema": "verify/divergence/1",
        "first": found.first.name if found.first else None,
        "stages": rows,
        "moved": list(found.moved),
        "notes": list(found.notes),
    }
    return json.dumps(said, indent=1) + "\n"


def _html(found: Divergence, a: str, b: str) -> str:
    from verify.report.page.traces import render

    return render(found, Path(a).name, Path(b).name)


_RENDER: dict[str, Callable[[Divergence, str, str], str]] = {"json": _json, "html": _html}
