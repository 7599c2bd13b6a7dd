"""Samples and caches that several processes make are, byte for byte, those of one."""

from __future__ import annotations

import shlex
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner

from contracts.common import small_run
from contracts.common.processes import each_process
from contracts.data import cases
from contracts.metrics import cases as runs
from drift import cli, sample
from drift.config import load_template
from drift.data import DigitsSource
from drift.data import encode as encoding
from drift.encoder import EncoderConfig, MaskedAutoencoder
from drift.errors import DriftError
from drift.features import FeatureExtractor
from drift.ranks import ALONE, Ranks, launch, plan
from drift.ranks.processes import Elsewhere
from drift.sample import writing
from drift.state import stopping
from drift.train import build, draw, step
from drift.train.step import TrainState

LATER = pytest.mark.nightly


@pytest.mark.parametrize(
    "name", ["s.npz", *(pytest.param(n, marks=LATER) for n in ("s.safetensors", "folder"))]
)
def test_samples_of_several_processes_are_those_of_one(name: str, tmp_path: Path) -> None:
    """23 of them in batches of four: none twice, none left out, in their order."""
    folder = runs.run_folder(tmp_path / "run")

    def write(out: Path, ranks: Ranks) -> int:
        loaded = sample.load(folder, ema_decay="0.99")
        request = writing.Request(sample.cycled(range(10), 23), 1.0, 3)
        sampler = sample.Sampler(loaded.generator, batch_size=4)
        writing.write(loaded, sampler, None, request, out, ranks=ranks)
        return sampler.samples

    write(tmp_path / "one" / name, ALONE)
    drawn = each_process(4, lambda ranks: write(tmp_path / "four" / name, ranks))
    assert drawn == [8, 7, 4, 4], "rounds of four batches, the last of which has three samples"
    assert files(tmp_path / "four") == files(tmp_path / "one")


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_cache_of_several_processes_is_that_of_one(tmp_path: Path) -> None:
    images = cases.write_folder(tmp_path / "images")
    whole = cases.encoded(images, tmp_path / "one", per_shard=4)

    def encode(ranks: Ranks) -> Any:
        pace = encoding.Pace(batch=4, workers=1, ranks=ranks)
        return cases.encoded(images, tmp_path / "many", pace, per_shard=4)

    assert each_process(3, encode) == [whole] * 3
    assert cases.contents(tmp_path / "many") == cases.contents(tmp_path / "one")
    (tmp_path / "many" / "shard-00001.safetensors").unlink(missing_ok=True)
    assert each_process(2, encode) == [whole] * 2, "what is lacking is made again"


def test_an_image_that_one_process_cannot_read_ends_all(tmp_path: Path) -> None:
    images = cases.write_folder(tmp_path / "images")
    next(iter(sorted(images.rglob("*.png")))).write_bytes(b"no image")

    def encode(ranks: Ranks) -> str:
        try:
            cases.encoded(images, tmp_path / "out", encoding.Pace(4, 1, ranks=ranks), per_shard=4)
        except Elsewhere:
            return "elsewhere"
        except DriftError as error:
            return str(error)
        return "done"

    said = each_process(3, encode)
    assert said.count("elsewhere") == 2
    assert sum(".png" in one for one in said) == 1


def test_the_echo_of_a_signal_ends_no_process_of_several(monkeypatch: pytest.MonkeyPatch) -> None:
    """A scheduler signals every process, and the launcher passes its own on; later is no echo."""
    ended: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: ended.append(number))
    try:
        with stopping.on_signals(launched=True) as stop:
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGTERM)
            assert (stop.requested, stop.why, ended) == (True, "SIGTERM", [])
            monkeypatch.setattr(stopping, "REPEATED_S", 0.0)
            signal.raise_signal(signal.SIGTERM)
            assert ended == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGTERM, before)


# -- plan and launch -------------------------------------------------------------------------------


@pytest.mark.parametrize("per_pass", [pytest.param(None, marks=LATER), 1])
def test_planned_bytes_are_those_of_a_small_step(per_pass: int | None) -> None:
    """Parameters and moments to the byte; activations within 15 % of what autograd keeps."""
    template = build.override(
        load_template("digits"), (*small_run.RUN, "loss.class_labels=4", "loss.generated=4")
    )
    planned = plan.rank_plan(template, world=1, device="cpu", labels_per_pass=per_pass)
    encoder = MaskedAutoencoder(
        EncoderConfig.from_reference(build_kwargs(template)),
        generator=torch.Generator().manual_seed(0),
    )
    extractor = FeatureExtractor(encoder, config=build.feature_config(template))
    state = TrainState.create(
        build.generator(template, seed=0), extractor, build.train_config(template)
    )
    feed = draw.open_feed(template, DigitsSource(), seed=0)
    draw.warm_up(feed, template)
    batch = draw.draw(feed, template, seed=0, step=0)
    kept: dict[int, int] = {}
    parameters = {p.untyped_storage().data_ptr() for p in state.generator.parameters()}
    parameters |= {p.untyped_storage().data_ptr() for p in extractor.parameters()}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in parameters:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    some = step.split(batch, per_pass)[0] if per_pass else batch
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        held = step.sample_and_compare(state, some)[0]
    assert planned.memory["activations"] == pytest.approx(sum(kept.values()), rel=0.15)
    held.backward()
    step.update(state)
    moments = [v for s in state.optimizer.state.values() for k, v in s.items() if k != "step"]
    assert planned.memory["moments"] == sum(v.nbytes for v in moments)
    assert planned.memory["parameters"] == sum(p.nbytes for p in state.generator.parameters())
    assert planned.memory["encoder"] == sum(p.nbytes for p in encoder.parameters())


def build_kwargs(template: Any) -> Any:
    from drift.config import encoder_kwargs

    return encoder_kwargs(template)


def test_a_plan_says_which_passes_fit_and_how_many_processes_would() -> None:
    template = load_template("digits")
    assert plan.rank_plan(template, world=3, device="h100").labels == 4
    ok = plan.rank_plan(template, world=1, device="h100")
    assert (ok.fits, ok.labels_per_pass, ok.passes) == (True, 10, 1)
    result = CliRunner().invoke(cli.cli, ["plan", "latent-b2", "--world", "2", "--device", "a100"])
    assert result.exit_code == 1
    assert "DOES NOT FIT" in result.output
    assert "it would fit with --world " in result.output
    sharded = plan.rank_plan(template, world=2, device="cpu", parallel="fsdp2")
    whole = plan.rank_plan(template, world=2, device="cpu")
    assert 2 * sharded.memory["moments"] == whole.memory["moments"]
    assert "parameters (all-gather)" in sharded.collectives


def test_a_launch_is_a_line_of_torchrun() -> None:
    from torch.distributed.run import get_args_parser

    said = (
        CliRunner()
        .invoke(cli.cli, ["launch", "digits", "--world", "8", "--out", "a folder", "--dry-run"])
        .output
    )
    word, *words = shlex.split(said)
    parsed = get_args_parser().parse_args(words)
    assert word == "torchrun"
    assert (parsed.standalone, parsed.nproc_per_node, parsed.module) == (True, "8", True)
    assert parsed.training_script == "drift.cli"
    assert parsed.training_script_args == [
        "train", "digits", "--device", "cuda", "--out", "a folder", "--dry-run",
    ]  # fmt: skip
    assert cli.run(["launch", "digits", "--world", "8", "--nodes", "3"]) == 2
    assert cli.run(["launch", "no-such", "--world", "8"]) == 2


@pytest.mark.parametrize("nodes", [1, 2])
def test_a_slurm_script_is_one_that_bash_reads(nodes: int) -> None:
    script = launch.slurm(["train", "digits", "--out", "a folder"], world=8, nodes=nodes)
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)
    assert f"#SBATCH --nodes={nodes}\n" in script
    assert f"#SBATCH --gpus-per-node={8 // nodes}\n" in script
    # What srun would start, with the commands of a cluster played by this shell.
    played = script.replace("export HEAD=$(scontrol", "HEAD=first #").replace("srun ", "echo ")
    done = subprocess.run(
        ["bash"], input=played, text=True, check=True, capture_output=True,
        env={"SLURM_RESTART_COUNT": "1"},
    )  # fmt: skip
    assert done.stdout.rstrip().endswith("train digits --out a folder --resume")
    assert ("--rdzv-endpoint first:29400" in done.stdout) == (nodes == 2)
