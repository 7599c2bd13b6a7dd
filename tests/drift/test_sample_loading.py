"""Which weights a sampler gets, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from contracts.metrics import cases
from drift import sample
from drift.artifacts import store
from drift.artifacts.errors import ArtifactError
from drift.config import fingerprint, load_template
from drift.digest import file_digest
from drift.encoder import EncoderConfig, MaskedAutoencoder
from drift.errors import DriftError


def test_a_run_gives_its_newest_checkpoint_and_says_which(tmp_path: Path) -> None:
    run = cases.run_folder(tmp_path / "run", steps=(5, 20))
    origin = sample.load(run, ema_decay="0.99").origin
    assert (origin.step, origin.weights, origin.ema_decay) == (20, "ema", "0.99")
    assert origin.fingerprint == fingerprint(cases.template())
    assert origin.sha256 == file_digest(run / "checkpoints/step-00000020.safetensors")
    assert sample.load(run, ema_decay="0.99", step=5).origin.step == 5


def test_a_damaged_newest_checkpoint_is_passed_over_and_it_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = cases.run_folder(tmp_path / "run", steps=(5, 20))
    newest = run / "checkpoints/step-00000020.safetensors"
    data = bytearray(newest.read_bytes())
    data[-1] ^= 1
    newest.write_bytes(bytes(data))
    assert sample.load(run, ema_decay="0.9").origin.step == 5
    assert "passed over" in caplog.text


def test_a_checkpoint_file_away_from_its_run_is_enough(tmp_path: Path) -> None:
    run = cases.run_folder(tmp_path / "run")
    alone = tmp_path / "step-00000010.safetensors"
    alone.write_bytes((run / "checkpoints" / alone.name).read_bytes())
    found, within = (sample.load(path, ema_decay="0.9") for path in (alone, run))
    assert found.origin.fingerprint == within.origin.fingerprint
    for a, b in zip(found.generator.parameters(), within.generator.parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_template_that_was_changed_after_the_run_is_refused(tmp_path: Path) -> None:
    run = cases.run_folder(tmp_path / "run")
    changed = cases.template().model_dump(mode="json", by_alias=True)
    changed["evaluation"]["samples"] = 2000
    (run / "template.json").write_text(json.dumps(changed))
    with pytest.raises(DriftError, match="as in the checkpoint"):
        sample.load(run, ema_decay="0.9")


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("nowhere", "no such file or folder"),
        (".", "no checkpoints"),
        ("notes.txt", r"a \.txt file"),
    ],
)
def test_what_is_no_run_is_one_clear_error(tmp_path: Path, path: str, message: str) -> None:
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(DriftError, match=message):
        sample.load(tmp_path / path)


def test_a_step_that_is_not_there_is_named_with_those_that_are(tmp_path: Path) -> None:
    run = cases.run_folder(tmp_path / "run", steps=(5, 20))
    with pytest.raises(DriftError, match="found 7; expected one of 5, 20"):
        sample.load(run, step=7)


def test_weights_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    run = cases.run_folder(tmp_path / "run")
    path = run / "checkpoints/step-00000010.safetensors"
    from drift.state import checkpoint

    kept = checkpoint.read(path)
    kept.tensors["ema/0.9/positions"][0, 0, 0] = float("nan")
    path.unlink()
    checkpoint.write(path.parent, kept)
    with pytest.raises(DriftError, match="positions: found numbers that are not finite"):
        sample.load(run, ema_decay="0.9")


FIELDS = {"source_layout": "drift-train", "tokenizer": "none", "licence": "Apache-2.0"}


def test_an_artefact_of_raw_weights_is_used_only_when_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    store.save_artifact(path, cases.generator(), {**FIELDS, "weights": "raw"})
    with pytest.raises(DriftError, match="raw weights; expected ema"):
        sample.load(path)
    assert sample.load(path, weights="raw").origin.weights == "raw"


def test_an_artefact_of_a_shipped_template_knows_its_data_set(tmp_path: Path) -> None:
    path, digits = tmp_path / "model.safetensors", load_template("digits")
    stamp = f"digits {fingerprint(digits)}"
    store.save_artifact(
        path, cases.generator(), {**FIELDS, "weights": "ema", "template": stamp}
    )  # fmt: skip
    origin = sample.load(path).origin
    assert (origin.dataset, origin.template) == ("digits", "digits")


def test_an_encoder_is_no_generator(tmp_path: Path) -> None:
    path = tmp_path / "encoder.safetensors"
    config = EncoderConfig(in_channels=1, base_channels=8, blocks=(1, 1, 1, 1), trunk_only=True)
    encoder = MaskedAutoencoder(config)
    store.save_artifact(path, encoder, {**FIELDS, "weights": "ema"})
    with pytest.raises(ArtifactError, match="expected a generator"):
        sample.load(path)


def test_a_bypassed_gate_follows_the_weights(tmp_path: Path) -> None:
    run = cases.run_folder(tmp_path / "run")
    gates = {"gates": {"fidelity": "faithful", "bypass": "no evidence yet"}, "tier": "none"}
    (run / "run_metadata.json").write_text(json.dumps(gates))
    assert sample.load(run, ema_decay="0.9").origin.bypasses == ("gates bypassed: no evidence yet",)
