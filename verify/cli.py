"""The command line. `--help` imports click and nothing else; a command is imported when called."""

from __future__ import annotations

import gc
import os
import sys
from typing import NoReturn

import click

from verify import __version__, streams
from verify.lazy import LazyGroup
from verify.problems import (
    IntegrityError,
    NothingSelectedError,
    PackError,
    UsageError,
    refused_by_system,
)

# Headings of `--help`, by the folder of verify/commands in which the modules of their commands lie.
HEADINGS = {
    "runs": "Runs",
    "pack": "The pack",
    "claims": "What may be said",
    "trust": "Signatures and protected files",
    "work": "Work orders",
}
COMMANDS = {
    "runs": {
        "run": "Evaluate clauses and their falsifiers; report what may be claimed.",
        "merge": "Make the bundles of a run's shards (verify run --shard K/N) one.",
        "replay": "Run one clause, or one falsifier of it, in the foreground for a debugger.",
        "audit": "Judge an implementation from elsewhere: AGREES, DEPARTS or INCOMPLETE.",
        "record": "Record a case of a check: its arrays, their noise, and what made them.",
        "trace": "Compare two traces of one computation: the first stage in which they part.",
        "mutate": "Change the code in one place at a time: what share do the clauses notice?",
        "bundle": "Re-verify a sealed bundle, or seal the evidence that a run left behind.",
        "diff": "Compare two bundles, or the rules of two commits: stricter, looser, neutral.",
        "serve": "Look at the bundles and runs of a folder in a browser, live.",
    },
    "pack": {
        "init": "Scaffold a pack for another project.",
        "lint": "Check the pack itself: YAML, references, citations, conflicts, falsifiers.",
        "list": "List clauses, claims, checks, mutants or subjects.",
        "explain": "Explain a clause or a claim: what it says, rests on, last showed, and lacks.",
        "coverage": "Facts to clauses to falsifiers to claims and back; how much of a source "
        "is held.",
        "decisions": "Check or list the decision records.",
        "schema": "Print the JSON Schema of a file format.",
        "docs": "Write every clause as pages to read, for a documentation site.",
    },
    "claims": {
        "claims": "Hold prose against the newest evidence: backed, attributed, or an overclaim.",
        "template": "Hold configuration files against a column of cited facts (the CI gate).",
        "score": "Points of a bundle, earned of possible, by contract and clause; what "
        "raises them.",
        "card": "Write a model card from a bundle, or hold a card against it.",
        "calibrate": "Check a proxy's calibration; rank follow-up work by it, and nothing else.",
        "promote": "Hold a promoted-run record against its evidence; list every blocker.",
        "release": "GO, CONDITIONAL-GO or NO-GO: every gate, and what closes it.",
    },
    "trust": {
        "keys": "Keys whose signatures count: make one, list them, revoke one.",
        "sign": "Sign records, computed again first, and bundles: in-toto statements, DSSE.",
        "check-signature": "Hold signed records and bundles against the keys of the pack.",
        "recompute": "Compute the figures of a record again, from what is kept beside it.",
        "protect": "Hold protected files against approved digests, or approve a change.",
        "frontier": "Hold a change, BASE..HEAD, against the paths it may touch and rules it "
        "loosens.",
    },
    "work": {
        "status": "What each contract has come to: proposed, partial, functional, discharged.",
        "next": "Which work orders may start, and which wait for what.",
        "attempt": "The ledger of attempts at work orders.",
        "dogfood": "Walk the first user's path in a clean environment: GO, WARN or NO-GO.",
    },
}

EXIT_CODES = """\b
Exit codes:
  0  everything required passed
  1  a clause failed, or a falsifier survived; where none were tried (--no-falsify), also a check
     that broke or a required clause that is unknown
  2  bad contract or usage
  3  incomplete: a required clause is unknown, a check broke, no falsifiers were tried, nothing
     was evaluated, or a selector matched nothing
  4  integrity: a pin, digest or hash chain does not match
  5  internal error
"""


# Trees and models live until the end; looking for garbage among them is a third of lint's time.
GARBAGE_THRESHOLD = 1_000_000


@click.group(
    cls=LazyGroup,
    sections={
        HEADINGS[folder]: {
            name: (f"verify.commands.{folder}.{name.replace('-', '_')}_", text)
            for name, text in commands.items()
        }
        for folder, commands in COMMANDS.items()
    },
    epilog=EXIT_CODES,
    context_settings={"max_content_width": 100},
)
@click.version_option(__version__)
def cli() -> None:
    """Spec-and-contract harness: what you may claim, at which tier, on which evidence."""


def main() -> None:
    """Entry point: errors that a user can mend are one message and the right exit code."""
    gc.set_threshold(GARBAGE_THRESHOLD)
    # What is installed beside has no part in how a pack is read; pydantic would look for it in the
    # metadata of every distribution.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    streams.prepare()
    try:
        code = cli.main(standalone_mode=False)
    except click.exceptions.Abort:
        _fail("interrupted", 3)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except PackError as error:
        count = len(error.problems)
        _fail(f"{error}\n{count} problem{'s' if count != 1 else ''}; nothing was run", 2)
    except UsageError as error:
        _fail(str(error), 2)
    except NothingSelectedError as error:
        _fail(str(error), 3)
    except IntegrityError as error:
        _fail(str(error), 4)
    except Exception as error:
        said = refused_by_system(error)
        _defect() if said is None else _fail(said, 2)
    why = streams.lost(sys.stdout)
    if why and not code:
        _fail(f"standard output cannot be written ({why})", 3)  # no gate may read that as a pass
    sys.exit(code if isinstance(code, int) else 0)


def _defect() -> NoReturn:
    """Our own fault: keep the traceback, say which code it is."""
    import traceback

    traceback.print_exc()
    _fail("internal error; this is a defect of verify, not of your pack", 5)


def _fail(message: str, code: int) -> NoReturn:
    click.echo(f"verify: {message}", err=True)
    sys.exit(code)
