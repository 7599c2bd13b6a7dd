"""Real processes under torchrun: FSDP2, and every way in which one of them can end a run."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from contracts.common import small_run
from drift import cli
from drift.state import checkpoint
from tests.drift.states import require_state

pytestmark = pytest.mark.nightly

FAULTY = Path(__file__).parent / "faulty.py"
SETTINGS = (*small_run.RUN, "loss.class_labels=3", "optimizer.training_steps=6")
HUNG_S = 900  # until a run counts as hung; no measure of the machine
# The last whole checkpoint before the third time: `generate` is called for the window's row, too.
SAVED = {"draw": 2, "generate": 0, "update": 2, "window": 4, "checkpoint": 2}


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_run.encoder_file(tmp_path_factory.mktemp("encoder"), width=64)


def words(folder: Path, encoder: Path, *more: str) -> list[str]:
    settings = [part for one in SETTINGS for part in ("--set", one)]
    every = ["--window", "2", "--checkpoint-every", "2"]
    return ["train", "digits", *settings, "--encoder", str(encoder), "--out", str(folder), *every,
            *more]  # fmt: skip


def torchrun(world: int, arguments: list[str], fault: str = "none:0:draw") -> tuple[int, str]:
    """(exit code, all that was said)."""
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node",
         str(world), str(FAULTY), *arguments],
        capture_output=True, text=True, check=False, timeout=HUNG_S,
        env={**os.environ, "OMP_NUM_THREADS": "1", "FAULT": fault},
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def last_good(folder: Path) -> int:
    kept = checkpoint.latest_good(folder / "checkpoints", print)
    assert kept is not None
    return kept.step


def test_shared_parameters_are_those_of_one_process(encoder: Path, tmp_path: Path) -> None:
    """FSDP2 in two processes, and DDP in one that goes on with its checkpoint."""
    assert cli.run(words(tmp_path / "one", encoder)) == 0
    code, said = torchrun(2, words(tmp_path / "two", encoder, "--parallel", "fsdp2"))
    assert code == 0, said
    for step in (2, 4, 6):
        one, two = (
            checkpoint.read(checkpoint.path_of(tmp_path / name / "checkpoints", step))
            for name in ("one", "two")
        )
        assert one.facts == two.facts
        require_state(two, one, rtol=1e-3, atol=1e-4)
    checkpoint.path_of(tmp_path / "two" / "checkpoints", 6).unlink()
    again = words(tmp_path / "two", encoder, "--resume", "--parallel", "fsdp2")
    code, said = torchrun(3, again)
    assert code == 0, said
    assert last_good(tmp_path / "two") == 6


@pytest.mark.parametrize(
    "fault",
    [
        "kill:1:draw",
        "kill:1:generate",
        "kill:1:update",
        "kill:1:window",
        "kill:0:checkpoint",
        "kill:0:generate",
        "error:1:generate",
        "full:0:checkpoint",
        "nan:1:generate",
    ],
)
def test_one_process_that_fails_ends_the_run_with_one_message(
    fault: str, encoder: Path, tmp_path: Path
) -> None:
    """Whichever process, wherever; nobody hangs, what was saved is whole, and goes on."""
    kind, _, place = fault.split(":")
    code, said = torchrun(2, words(tmp_path / "run", encoder), fault)
    assert code != 0
    messages = [line for line in said.splitlines() if line.startswith(("error: ", "RuntimeError"))]
    assert len(messages) == 1, said
    if kind == "kill":
        assert "one that ended without a word" in messages[0]
    saved = last_good(tmp_path / "run")
    assert saved == SAVED[place]
    record = json.loads((tmp_path / "run" / "run_metadata.json").read_text())
    assert record["status"] == ("running" if fault.startswith("kill:0") else "failed")
    assert cli.run(words(tmp_path / "run", encoder, "--resume")) == 0
    assert last_good(tmp_path / "run") == 6


def test_a_signal_to_one_process_is_everybodys_and_leaves_a_checkpoint(
    encoder: Path, tmp_path: Path
) -> None:
    code, said = torchrun(2, words(tmp_path / "run", encoder), "term:1:generate")
    assert code != 0
    assert said.count("interrupted: SIGTERM after step ") == 1
    record = json.loads((tmp_path / "run" / "run_metadata.json").read_text())
    assert record["status"] == "interrupted"
    assert last_good(tmp_path / "run") == record["step"] == record["latest_checkpoint"]
    assert cli.run(words(tmp_path / "run", encoder, "--resume")) == 0


def test_samples_and_figures_under_torchrun_are_those_of_one_process(
    encoder: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    assert cli.run(words(run, encoder)) == 0
    for name in ("one", "two"):
        sample = ["sample", str(run), "--out", str(tmp_path / f"{name}.npz"), "--count", "150"]
        record = str(tmp_path / f"{name}.json")
        measure = ["eval", str(run), "--encoder", str(encoder), "--out", record, "--count", "700",
                   "--no-baselines"]  # fmt: skip
        for command in (sample, measure):
            if name == "one":
                assert cli.run(command) == 0
            else:
                code, said = torchrun(2, command)
                assert code == 0, said
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()
    one, two = (json.loads((tmp_path / f"{n}.json").read_text()) for n in ("one", "two"))
    assert one.pop("components")["sha256"] == two.pop("components")["sha256"]
    assert {**one, "created": None} == {**two, "created": None}


def test_the_launched_line_runs(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """As printed, but for the name of the interpreter's own torchrun, and with a dry run."""
    arguments = ["launch", "digits", "--world", "2", "--device", "cpu", "--dry-run"]
    assert cli.run(arguments) == 0
    _, *line = shlex.split(capfd.readouterr().out)
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", *line],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "template       digits" in done.stdout
