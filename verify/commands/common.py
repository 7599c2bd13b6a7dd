"""What several commands share: options and a pack that is read and linted."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from verify.problems import PackError, UsageError
from verify.spec.root import find_root

if TYPE_CHECKING:  # what only some commands need, or need only when something has begun already
    from verify.known import Known
    from verify.run.spread import Stop
    from verify.spec.pack import LoadedPack

Command = Callable[..., Any]
SELECTORS = (
    "A SELECTOR is a clause id or glob (FIELD-*), tag:NAME, kind:NAME, contract:NAME or "
    "claim:NAME; several are united, none means all."
)
FORMATS = ("json", "md", "html", "junit", "sarif")  # of `verify.report.bundle.RENDERERS`


def _there(context: click.Context, parameter: click.Parameter, value: Path) -> Path:
    """A folder that is named has to be there; where the default is not, nothing was recorded."""
    source = context.get_parameter_source(parameter.name or "")
    if source is not ParameterSource.DEFAULT and not value.is_dir():
        raise UsageError(
            f"{parameter.opts[0]} {value}: found no folder; expected the one that holds evaluation "
            "records; remedy: name it, or leave the option out"
        )
    return value


pack_option = click.option(
    "--pack",
    "pack_dir",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder that holds contracts/ and specs/ [default: here or above, else installed].",
)
reports_option = click.option(
    "--reports",
    type=click.Path(path_type=Path),
    default=Path("reports"),
    show_default=True,
    metavar="DIR",
    help="Folder of bundles.",
)
evidence_option = click.option(
    "--evidence",
    "evidence_dir",
    type=click.Path(path_type=Path),
    default=Path("reports/evaluations"),
    show_default=True,
    metavar="DIR",
    callback=_there,
    help="Evaluation records that metric clauses read.",
)


def known_options(function: Command) -> Command:
    """`--pack`, `--reports` and `--evidence`: where what is known now is read from."""
    return pack_option(reports_option(evidence_option(function)))


def wanted_outputs(texts: Iterable[str], kinds: Iterable[str]) -> list[tuple[str, Path]]:
    """(format, path) of each `--output FORMAT=PATH`; makes the folder that a path asks for.

    Raises UsageError for another format and for a folder that cannot be made.
    """
    known = tuple(kinds)
    return [_output(text, known) for text in texts]


def _output(text: str, kinds: tuple[str, ...]) -> tuple[str, Path]:
    kind, separator, path = text.partition("=")
    if kind not in kinds or not separator or not path:
        raise UsageError(
            f"--output: found {text!r}; expected FORMAT=PATH with one of {', '.join(kinds)}"
        )
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"--output: found {Path(path).parent}, which cannot be made ({error.strerror}); "
            "expected a folder; remedy: name another"
        ) from None
    return kind, Path(path)


def pack_root(pack_dir: Path | None) -> Path:
    """Where the pack is; one that is neither named nor here is said to be another's."""
    root = find_root(pack_dir)
    if pack_dir is None and root in Path.cwd().parents:
        click.echo(f"note: found no pack here; read the one above, in {root}", err=True)
    elif pack_dir is None and root != Path.cwd():
        click.echo(
            f"note: found no pack here; read the installed one, in {root}; `verify init` makes one",
            err=True,
        )
    return root


def require_beside(loaded: LoadedPack, reports: Path) -> None:
    """Raise UsageError for reports within what evidence is about: each would outdate all others."""
    from verify.spec.digests import holding

    name = holding(loaded, reports)
    if name is not None:
        raise UsageError(
            f"{reports.absolute()}: found a place for reports inside {name}, which evidence is "
            "about; expected one beside it, for each bundle would make every other stale; remedy: "
            "--reports DIR elsewhere, or fewer places under `code` in contracts/pack.yaml"
        )


def sound_pack(pack_dir: Path | None) -> LoadedPack:
    """The pack, read and linted: nothing is run on contracts that are wrong."""
    from verify.spec.lint import lint
    from verify.spec.pack import load

    loaded = load(pack_root(pack_dir))
    problems = lint(loaded)
    if problems:
        raise PackError(problems)
    return loaded


def tell(known: Known, reports: Path) -> None:
    """Say on standard error what a reader has to know of the evidence before relying on it."""
    from verify.report.words import printable

    for note in known.notes:
        click.echo(f"note: {printable(note)}", err=True)
    if known.report is None:
        found = "nothing current" if known.notes else "no sealed bundle"
        click.echo(f"note: found {found} in {reports}; remedy: verify run", err=True)


def audited_subject(loaded: LoadedPack, name: str | None) -> str:
    """The implementation to audit: the one asked for, else the pack's own."""
    known = loaded.bindings.by_role["subject"]
    chosen = name or loaded.pack.manifest.subject
    if known and chosen not in known:
        raise UsageError(f"--subject: found {chosen!r}; expected one of {', '.join(sorted(known))}")
    return chosen


@contextmanager
def stopping() -> Iterator[Stop]:
    """The first interrupt or termination ends the run in order, the second at once.

    What was ignored when the program began (nohup, a job in the background) stays ignored.
    """
    from verify.run.spread import Stop

    stop = Stop()
    before: dict[signal.Signals, Any] = {}

    def ask(number: int, frame: FrameType | None) -> None:
        stop.requested = True
        for known, handler in before.items():
            ends = handler is signal.SIG_DFL  # without a word of what is left behind
            signal.signal(known, signal.default_int_handler if ends else handler)

    with suppress(ValueError):  # only the main thread hears signals
        for known in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(known) is not signal.SIG_IGN:
                before[known] = signal.signal(known, ask)
    try:
        yield stop
    finally:
        for known, handler in before.items():
            signal.signal(known, handler)
