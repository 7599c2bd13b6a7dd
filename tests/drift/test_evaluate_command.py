"""`drift eval` from end to end: tables, records, sweeps, and each refusal with nothing left."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from contracts.metrics import cases
from drift import cli
from drift.artifacts import store
from drift.commands.eval import command
from drift.digest import file_digest
from drift.encoder import EncoderConfig, MaskedAutoencoder
from drift.errors import DriftError
from drift.evaluate import comparison, pictures, records, run, statistics, sweep
from drift.evaluate.sources import BATCH
from drift.state.environment import code_digest

MEMORY_MB = 1500


def evaluated(*arguments: object) -> str:
    result = CliRunner().invoke(command, [str(a) for a in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(scope="module")
def digits_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the digits template, untrained, with an encoder where `drift train` looks for it."""
    root = tmp_path_factory.mktemp("eval")
    config = EncoderConfig(in_channels=1, base_channels=32, blocks=(1, 1, 1, 1))
    encoder = MaskedAutoencoder(config, generator=torch.Generator().manual_seed(0))
    (root / "digits-encoder").mkdir()
    fields = {"source_layout": "drift-pretrain", "weights": "ema", "tokenizer": "none",
              "licence": "Apache-2.0"}  # fmt: skip
    store.save_artifact(root / "digits-encoder/encoder.safetensors", encoder, fields)
    return cases.run_folder(root / "digits", steps=(5, 20))


@pytest.fixture
def images_case(tmp_path: Path) -> tuple[Path, list[str]]:
    """(a .npz of images, the options that measure it with the tiny extractor)."""
    for name, seed in (("fake", 0), ("real", 1)):
        pixels = cases.pictures(60, seed, side=8, shift=0.3 * seed)
        np.savez(tmp_path / f"{name}.npz", arr_0=pixels.permute(0, 2, 3, 1).numpy())
    cases.tiny(tmp_path)
    weights = tmp_path / "tiny-0.safetensors"
    options = ["--extractor", "drift-tiny", "--extractor-weights", str(weights),
               "--extractor-sha256", file_digest(weights)]  # fmt: skip
    reference = tmp_path / "statistics.safetensors"
    evaluated(tmp_path / "real.npz", "--write-statistics", reference, "--name", "blobs", *options)
    return tmp_path / "fake.npz", [*options, "--statistics", str(reference)]


def test_a_digits_run_is_measured_by_one_word(digits_run: Path) -> None:
    output = evaluated(digits_run, "--ema-decay", "0.99", "--count", 100)
    assert "ema 0.99, alpha 1, seed 0, 100 samples [proxy]" in output
    place, shown = output.strip().splitlines()[-2:]
    path = Path(place.removeprefix("record "))
    record = json.loads(path.read_text())
    assert path.parent == digits_run / "evaluations"
    assert set(record["baselines"]) == {
        comparison.RAW,
        comparison.GAUSSIANS,
        comparison.INDEPENDENT,
    }
    assert record["baselines"][comparison.RAW]["steps"] == record["step"] == 20
    assert record["against"][comparison.GAUSSIANS]["fid_proxy"] == "worse"
    picture = Path(shown.removeprefix("picture "))
    assert picture == path.with_suffix(".png")
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert {"fid_proxy", "class_accuracy", "coverage"} <= set(record["metrics"])
    newest = digits_run / "checkpoints/step-00000020.safetensors"
    assert record["checkpoint_sha256"] == file_digest(newest)
    assert record["axis"] == "proxy"
    assert record["labels"] == "balanced"
    parts = records.read_components(path, record)
    for name, value in records.recomputed(parts).items():
        assert record["metrics"][name]["value"] == pytest.approx(value, abs=1e-9), name


def test_rivals_are_drawn_from_the_weights_at_the_alpha_and_step_of_the_run(
    digits_run: Path, tmp_path: Path
) -> None:
    common = ["--count", 20, "--seed", 4]
    evaluated(digits_run, *common, "--weights", "raw", "--alpha", 2, "--out", tmp_path / "a.json")
    made = json.loads((tmp_path / "a.json").read_text())["baselines"][comparison.RAW]
    assert (made["ema_decay"], made["alpha"], made["seed"], made["run_seed"]) == (None, 2.0, 4, 0)
    other = cases.run_folder(tmp_path / "digits", steps=(0,))
    encoder = digits_run.parent / "digits-encoder/encoder.safetensors"
    evaluated(other, *common, "--ema-decay", "0.9", "--encoder", encoder, "--out",
              tmp_path / "b.json")  # fmt: skip
    made = json.loads((tmp_path / "b.json").read_text())["baselines"][comparison.RAW]
    assert (made["steps"], made["ema_decay"]) == (0, 0.9)


def test_neither_a_rival_that_diverges_nor_a_picture_that_fails_costs_a_figure(
    digits_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*arguments: object) -> None:
        raise FloatingPointError("step 3: found loss nan")

    common = ["--ema-decay", "0.9", "--count", 20, "--out"]
    with monkeypatch.context() as patched:
        patched.setattr(pictures, "comparison", fails)
        output = evaluated(digits_run, *common, tmp_path / "a.json")
    assert "picture left out: FloatingPointError" in output
    assert json.loads((tmp_path / "a.json").read_text())["against"]
    monkeypatch.setattr(comparison, "rivals", fails)
    output = evaluated(digits_run, *common, tmp_path / "b.json")
    assert "baselines" in output
    assert "not measured: FloatingPointError: step 3" in output
    record = json.loads((tmp_path / "b.json").read_text())
    assert "baselines" not in record
    assert record["metrics"]["fid_proxy"]["value"] > 0


def test_a_picture_of_the_same_name_is_refused_before_anything_is_measured(
    digits_run: Path, tmp_path: Path
) -> None:
    (tmp_path / "mine.png").write_bytes(b"a picture of mine")
    with pytest.raises(DriftError, match=r"mine\.png"):
        evaluated(digits_run, "--ema-decay", "0.9", "--out", tmp_path / "mine.json")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.png"]


def test_samples_written_first_measure_as_the_run_itself(digits_run: Path, tmp_path: Path) -> None:
    samples = tmp_path / "s.safetensors"
    common = ["--ema-decay", "0.9", "--count", "60", "--seed", "3"]
    assert cli.run(["sample", str(digits_run), "--out", str(samples), *common]) == 0
    encoder = digits_run.parent / "digits-encoder/encoder.safetensors"
    evaluated(samples, "--encoder", encoder, "--seed", 3)
    evaluated(digits_run, *common, "--out", tmp_path / "direct.json")
    held, direct = (
        json.loads((tmp_path / name).read_text()) for name in ("s.evaluation.json", "direct.json")
    )
    for name in ("checkpoint_sha256", "weights", "ema_decay", "alpha", "seeds", "labels", "axis",
                 "template_fingerprint", "dataset"):  # fmt: skip
        assert held[name] == direct[name], name
    close = direct["metrics"]["fid_proxy"]["value"]
    assert held["metrics"]["fid_proxy"]["value"] == pytest.approx(close, rel=1e-3)


def test_a_sweep_names_its_pick_and_from_how_many(digits_run: Path, tmp_path: Path) -> None:
    out = tmp_path / "sweep.json"
    output = evaluated(digits_run, "--ema-decay", "0.9", "--count", 60, "--last", 2,
                       "--alphas", "1.0,2.5", "--out", out)  # fmt: skip
    record = json.loads(out.read_text())
    rows = record["sweep"]
    assert [(row["step"], row["alpha"]) for row in rows] == [(5, 1.0), (5, 2.5), (20, 1.0),
                                                             (20, 2.5)]  # fmt: skip
    best = min(rows, key=lambda row: row["value"])
    assert (record["step"], record["alpha"]) == (best["step"], best["alpha"])
    assert record["selected_from"] == 4
    assert "picked from 4" in output


def test_images_are_measured_with_a_pinned_extractor(images_case: tuple[Path, list[str]]) -> None:
    source, options = images_case
    output = evaluated(source, *options)
    record = json.loads(source.with_name("fake.evaluation.json").read_text())
    assert {"fid", "inception_score", "kid", "precision", "recall", "spread"} == set(
        record["metrics"]
    )
    assert record["axis"] == "smoke"  # nobody knows what made these images
    assert "axis smoke: no checkpoint is known" in output
    assert record["statistics"]["dataset"] == "blobs"


def test_precision_and_recall_wait_for_the_count_that_the_template_states(
    digits_run: Path, images_case: tuple[Path, list[str]], tmp_path: Path
) -> None:
    chosen = [digits_run, "--dataset", "images", "--ema-decay", "0.9", *images_case[1]]
    for count in (40, 60):
        evaluated(*chosen, "--count", count, "--out", tmp_path / f"{count}.json")
    few, enough = (json.loads((tmp_path / f"{n}.json").read_text()) for n in (40, 60))
    assert set(enough["metrics"]) - set(few["metrics"]) == {"precision", "recall"}
    assert few["missing"]["recall"] == "evaluation.precision_recall_samples is 50; these are 40"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--extractor-sha256", "0" * 64], "expected 0000"),
        (["--statistics", "nowhere.safetensors"], "a file of drift-statistics/1"),
        (["--last", "2"], "a run, or weights"),
        (["--out", "record.txt"], r"ends in \.json"),
    ],
)
def test_a_refusal_is_one_error_and_leaves_nothing(
    images_case: tuple[Path, list[str]], options: list[str], message: str
) -> None:
    source, usual = images_case
    before = sorted(source.parent.iterdir())
    with pytest.raises(DriftError, match=message):
        evaluated(source, *usual, *options)
    assert sorted(source.parent.iterdir()) == before


def test_a_record_names_the_very_samples_and_the_code_it_comes_from(
    images_case: tuple[Path, list[str]],
) -> None:
    source, options = images_case
    evaluated(source, *options)
    record = json.loads(source.with_name("fake.evaluation.json").read_text())
    pixels = np.ascontiguousarray(np.load(source)["arr_0"].transpose(0, 3, 1, 2))
    labels = np.full(len(pixels), -1, np.int64)
    digest = hashlib.sha256()
    for at in range(0, len(pixels), BATCH):
        for part in (pixels, labels):
            digest.update(np.ascontiguousarray(part[at : at + BATCH]).tobytes())
    assert record["samples_sha256"] == digest.hexdigest()
    assert record["code_sha256"] == code_digest()


def test_foreign_statistics_stop_and_an_override_is_smoke(
    images_case: tuple[Path, list[str]], tmp_path: Path
) -> None:
    source, options = images_case
    other = cases.tiny(tmp_path, seed=1)
    foreign = tmp_path / "foreign.safetensors"
    cases.tiny_statistics(foreign, other, cases.pictures(60, 1, side=8))
    chosen = [*options, "--statistics", str(foreign)]
    with pytest.raises(DriftError, match=r"extractor_sha256 \w+ in the statistics"):
        evaluated(source, *chosen)
    assert not source.with_name("fake.evaluation.json").exists()
    assert "statistics overridden: extractor_sha256" in evaluated(
        source, *chosen, "--override-statistics"
    )


def test_training_statistics_bring_the_memorisation_audit(
    images_case: tuple[Path, list[str]], tmp_path: Path
) -> None:
    source, options = images_case
    training = tmp_path / "training.safetensors"
    evaluated(source, "--write-statistics", training, *options[:6])
    evaluated(source, *options, "--training", training)
    record = json.loads(source.with_name("fake.evaluation.json").read_text())
    assert record["memorised"] is True  # the samples are the training data
    assert record["metrics"]["copies_features"]["value"] == 1.0


def test_moments_alone_give_fid_and_say_what_is_missing(
    images_case: tuple[Path, list[str]], tmp_path: Path
) -> None:
    source, options = images_case
    full = statistics.read(Path(options[-1]))
    np.savez(tmp_path / "moments.npz", mu=full.moments.mean, sigma=full.moments.covariance)
    digest = file_digest(tmp_path / "moments.npz")
    from dataclasses import replace

    contract = replace(full.contract, dataset_sha256=digest)
    statistics.convert(tmp_path / "moments.safetensors", tmp_path / "moments.npz", contract)
    output = evaluated(source, *options, "--statistics", tmp_path / "moments.safetensors")
    assert "kid" in output
    assert "not measured: the statistics hold moments only" in output
    record = json.loads(source.with_name("fake.evaluation.json").read_text())
    whole = json.loads(_record_of(source, options, tmp_path).read_text())
    assert record["metrics"]["fid"]["value"] == pytest.approx(
        whole["metrics"]["fid"]["value"], rel=1e-9
    )


def _record_of(source: Path, options: list[str], place: Path) -> Path:
    evaluated(source, *options, "--out", place / "whole.json")
    return place / "whole.json"


def test_a_run_that_is_not_there_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["eval", str(tmp_path / "none")]) == cli.BAD_INPUT
    assert capsys.readouterr().err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def candidate(
    value: float, *, collapsed: bool = False, better: str = "lower", bypasses: tuple[str, ...] = ()
) -> sweep.Candidate:
    figure = records.Figure(
        value=value, low=value, high=value, interval="x", definition="x", count=1, better=better
    )
    facts = records.Facts(
        samples=10, seeds=(0,), alpha=1.0, labels=records.BALANCED, weights="ema",
        checkpoint_sha256="0" * 64, template_fingerprint=None, column=None, dataset="digits",
        extractor="x", extractor_sha256="0" * 64, resize="none", statistics_sha256="0" * 64,
        source="run", source_sha256="0" * 64, bypasses=bypasses,
    )  # fmt: skip
    classes = (3,) if collapsed else ()
    return sweep.Candidate(1, 1.0, run.Evaluated(facts, {"m": figure}, {}, {}, (), classes, {}))


def test_a_collapsed_candidate_is_never_picked_however_good_its_metric() -> None:
    some = [candidate(5.0), candidate(1.0, collapsed=True), candidate(4.0)]
    assert sweep.pick(some, "m") == 2
    high = [candidate(v, better="higher") for v in (0.2, 0.9, 0.5)]
    assert sweep.pick(high, "m") == 1
    with pytest.raises(DriftError, match="all collapsed"):
        sweep.pick([candidate(1.0, collapsed=True)], "m")
    with pytest.raises(DriftError, match="expected one of m"):
        sweep.pick(some, "unknown")


def test_candidates_on_two_evidence_axes_are_not_compared_however_far_apart() -> None:
    """A checkpoint whose gates were bypassed is smoke; its figure says nothing of the others'."""
    some = [candidate(5.0), candidate(1.0, bypasses=("gates bypassed: hurry",)), candidate(4.0)]
    with pytest.raises(DriftError, match=r"m 5 \[proxy\] beside|m 1 \[smoke\] beside") as refused:
        sweep.pick(some, "m")
    assert "expected numbers on one evidence axis" in str(refused.value)
    assert sweep.pick([some[0], some[2]], "m") == 1


# VmHWM starts anew with the program; ru_maxrss would begin at the size of the process of the tests.
SCRIPT = """
import sys
from drift import cli
code = cli.run(sys.argv[1:])
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(int(status["VmHWM"].split()[0]) / 1024)
sys.exit(code)
"""


@pytest.mark.nightly
def test_fifty_thousand_images_of_8_by_8_stay_within_the_memory_bound(
    images_case: tuple[Path, list[str]],
) -> None:
    source, options = images_case
    many = source.with_name("many.npz")
    drawn = np.random.default_rng(0)
    np.savez(many, arr_0=drawn.integers(0, 256, (50_000, 8, 8, 1), dtype=np.uint8))
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT, "eval", str(many), *options],
        capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert "50,000 samples" in result.stdout
    assert float(result.stdout.splitlines()[-1]) < MEMORY_MB
