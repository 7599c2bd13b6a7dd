"""The `drift` command line. Help and version answer without importing torch.

Exit codes: 0 done; 2 a mistake in the input, said in one message; 5 an error of the program, with
its traceback; 130 interrupted.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence

import click

from drift import __version__
from drift.errors import DriftError, Interrupted
from verify import streams
from verify.lazy import LazyGroup
from verify.problems import refused_by_system

BAD_INPUT, INTERNAL, INTERRUPTED = 2, 5, 130
SPINS = "5000"  # of a thread that waits: some microseconds

# Name -> module that has it as `command`, and what `drift --help` says about it.
COMMANDS = {
    "new": ("drift.commands.new", "Look at a folder of images and write a template for it."),
    "toy": ("drift.commands.toy", "Train a small generator in seconds and show what it learned."),
    "overfit": ("drift.commands.overfit", "Learn sixteen digits by heart: the whole path at once."),
    "encode": ("drift.commands.encode", "Make a latent cache from a folder of images."),
    "pretrain": ("drift.commands.pretrain", "Train the masked autoencoder of a template."),
    "train": ("drift.commands.train", "Train the generator of a template, under its gates."),
    "plan": ("drift.commands.plan", "What each process of a run needs, before any is started."),
    "launch": (
        "drift.commands.launch",
        "Print the torchrun command, or the Slurm script, of a run.",
    ),
    "sample": ("drift.commands.sample", "Generate samples from a run or an artefact."),
    "eval": ("drift.commands.eval", "Measure samples and write a record with its provenance."),
    "reproduce": ("drift.commands.reproduce", "A template to its report, in steps that are kept."),
    "experiment": ("drift.commands.experiment", "Cycles of three experiments, judged in pairs."),
    "ablate": ("drift.commands.ablate", "The paper's orderings at a small scale, with intervals."),
    "bench": ("drift.commands.bench", "Time a part of the engine beside its floor."),
    "params": ("drift.commands.params", "Count the parameters of a template, module by module."),
    "import": ("drift.commands.artifacts.import_", "Read a published checkpoint into an artefact."),
    "export": ("drift.commands.artifacts.export", "Write an artefact in the reference's layout."),
    "inspect": (
        "drift.commands.artifacts.inspect",
        "Score an artefact and say what would raise the score.",
    ),
    "stamp": ("drift.commands.artifacts.stamp", "Patch an artefact's metadata, never its tensors."),
}


@click.group(cls=LazyGroup, sections={"Commands": COMMANDS})
@click.version_option(__version__, prog_name="drift", message="%(prog)s %(version)s")
def cli() -> None:
    """Train and evaluate drifting models (arXiv 2602.04770)."""


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code."""
    try:
        code = cli.main(args=arguments, prog_name="drift", standalone_mode=False)
    except DriftError as error:
        if not error.said_elsewhere:
            click.echo(f"error: {error}", err=True)
        return BAD_INPUT
    except click.ClickException as error:
        error.show()
        return BAD_INPUT
    except Interrupted as error:
        if str(error):  # another process of the run says it
            click.echo(f"interrupted: {error}", err=True)
        return INTERRUPTED
    except click.Abort:
        click.echo("interrupted", err=True)
        return INTERRUPTED
    except Exception as error:
        return _unforeseen(error)
    return code if isinstance(code, int) else 0


def _unforeseen(error: Exception) -> int:
    """What the operating system or the lack of memory refuses is said; the rest is our defect."""
    said = refused_by_system(error) or _out_of_memory(error)
    if said is None:
        traceback.print_exc()
        return INTERNAL
    click.echo(f"error: {said}", err=True)
    return BAD_INPUT


def _out_of_memory(error: Exception) -> str | None:
    """torch has a class of its own for a device, and a sentence for the host."""
    text = " ".join(str(error).split())
    lacking = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
    if not lacking and "can't allocate memory" not in text:
        return None
    return (
        f"memory: found {text[:200] or 'none left'}; expected room for it. Ask for less at "
        "once: a smaller batch, --labels-per-pass, fewer samples; `drift plan` counts a run"
    )


def main() -> None:
    """Entry point of the console script. A stream that breaks ends no run and loses no file."""
    # Threads that wait for one another soon sleep: with the library's own patience one busy process
    # beside two of them makes a step of a small model twenty times as long (docs/performance.md).
    # Read once, when torch is imported.
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", SPINS)
    streams.prepare()
    code = run()
    why = streams.lost(sys.stdout)
    if why and why != streams.READER_GONE:
        click.echo(f"error: standard output cannot be written ({why})", err=True)
        code = code or BAD_INPUT
    sys.exit(code)


if __name__ == "__main__":
    main()
