"""The `drift` command line: instant help, exit codes, messages, progress."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import import_module
from io import StringIO

import click
import pytest

from drift import __version__, cli
from drift.errors import DriftError, InputError
from drift.progress import progress


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["toy", "--help"]])
def test_help_and_version_import_no_tensors(words: list[str]) -> None:
    code = (
        "import sys; from drift.cli import run; code = run(sys.argv[1:]); "
        "sys.exit(code or bool({'torch', 'numpy', 'sklearn', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert ("toy" in done.stdout) or done.stdout == f"drift {__version__}\n"


@pytest.mark.parametrize(
    ("given", "spins"),
    [({}, cli.SPINS), ({"OMP_WAIT_POLICY": "ACTIVE"}, "None"), ({"GOMP_SPINCOUNT": "7"}, "7")],
)
def test_threads_soon_sleep_where_they_wait_unless_the_environment_says_otherwise(
    given: dict[str, str], spins: str
) -> None:
    code = (
        "import os, sys; from drift import cli\n"
        "sys.argv = ['drift', '--version']\n"
        "try: cli.main()\n"
        "except SystemExit: print(os.environ.get('GOMP_SPINCOUNT'), 'torch' in sys.modules)"
    )
    names = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
    environment = {key: value for key, value in os.environ.items() if key not in names}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env=environment | given,
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] == f"{spins} False"


def test_every_listed_command_exists_under_its_name() -> None:
    for name, (module, text) in cli.COMMANDS.items():
        command = import_module(module).command
        assert isinstance(command, click.Command)
        assert command.name == name
        assert text.endswith(".")


def test_help_lists_every_command_with_its_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["--help"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    for name, (_, text) in cli.COMMANDS.items():
        assert f"{name} {text}" in shown


@pytest.mark.parametrize("words", [["no-such-command"], ["toy", "--no-such-option"]])
def test_a_wrong_word_is_a_usage_error(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(words) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "No such" in captured.err


def raising(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> int:
    @click.command("fails")
    def command() -> None:
        raise error

    module = type(sys)("drift_fails")
    module.command = command  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "drift_fails", module)
    monkeypatch.setitem(cli.COMMANDS, "fails", ("drift_fails", "Fails."))
    return cli.run(["fails"])


def test_a_mistake_of_the_user_is_one_message_without_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    error = InputError("train.steps", found=0, expected="at least 1", remedy="Use --steps 1.")
    assert raising(error, monkeypatch) == 2
    said = capsys.readouterr().err
    assert said == "error: train.steps: found 0; expected at least 1. Use --steps 1.\n"


def test_an_error_of_the_program_keeps_its_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert raising(ZeroDivisionError("in the middle"), monkeypatch) == 5
    said = capsys.readouterr().err
    assert "Traceback" in said
    assert "ZeroDivisionError: in the middle" in said


def test_an_interrupt_is_code_130(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert raising(KeyboardInterrupt(), monkeypatch) == 130
    assert capsys.readouterr().err.endswith("interrupted\n")


def test_an_error_without_remedy_ends_after_what_was_expected() -> None:
    error = DriftError("a", found="b", expected="c")
    assert str(error) == "a: found b; expected c"
    assert not isinstance(error, ValueError)


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("terminal", [True, False])
def test_progress_shows_rate_on_a_terminal_and_nothing_in_a_pipe(
    terminal: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = Terminal() if terminal else StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", "xterm")
    with progress("bimodal", 50) as advance:
        for done in range(1, 51):
            advance(done)
    if not terminal:
        assert stream.getvalue() == ""
        return
    assert "bimodal" in stream.getvalue()
    assert "50/50" in stream.getvalue()
    assert "updates/s" in stream.getvalue()
