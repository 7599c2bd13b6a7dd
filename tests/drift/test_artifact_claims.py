"""Claims that the tensors contradict, metadata that is absent, and what mends them."""

from __future__ import annotations

import json
import logging
import shlex
from pathlib import Path

import pytest
from safetensors.torch import save_file
from torch import Tensor

from contracts.artifact.cases import (
    FIELDS,
    MODELS,
    autoencoder,
    generator,
    rewritten,
    saved,
)
from drift.artifacts import claims, filling
from drift.artifacts.errors import ArtifactError
from drift.artifacts.header import read_header
from drift.artifacts.stamping import stamp
from drift.artifacts.store import load_artifact, save_artifact


def run_stamp(command: str) -> None:
    """Executes the command that an error prints."""
    from click.testing import CliRunner

    from drift.commands.artifacts.stamp import command as click_command

    words = shlex.split(command)
    assert words[:2] == ["drift", "stamp"]
    result = CliRunner().invoke(click_command, words[2:], catch_exceptions=False)
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize(("shown", "claimed"), [(32, "64"), (64, "32")])
@pytest.mark.parametrize("kind", MODELS)
def test_a_width_that_is_not_the_tensors_stops_and_its_command_mends_it(
    tmp_path: Path, kind: str, shown: int, claimed: str
) -> None:
    path = saved(tmp_path, MODELS[kind](shown), "my model.safetensors")
    rewritten(path, metadata={"width": claimed})
    with pytest.raises(claims.ContradictionError) as caught:
        load_artifact(path)
    assert f"says {claimed}, the tensors show {shown}" in str(caught.value)
    assert f"drift stamp '{path}' --width {shown}" in str(caught.value)
    run_stamp(caught.value.command)
    assert load_artifact(path, require_metadata=True).model.config == MODELS[kind](shown).config


def test_a_file_named_w640_that_holds_width_64_is_caught_and_its_command_mends_it(
    tmp_path: Path,
) -> None:
    path = saved(tmp_path, autoencoder(64))
    path = path.rename(tmp_path / "mae_w640.safetensors")
    with pytest.raises(claims.ContradictionError) as caught:
        load_artifact(path)
    assert "the file's name says 640, the tensors show 64" in str(caught.value)
    assert caught.value.command == f"drift stamp {path} --width 64"
    run_stamp(caught.value.command)
    assert load_artifact(path, require_metadata=True).metadata["width"] == "64"


def test_a_file_named_w32_that_holds_width_64_is_caught(tmp_path: Path) -> None:
    path = saved(tmp_path, autoencoder(64)).rename(tmp_path / "mae_w32.safetensors")
    with pytest.raises(claims.ContradictionError, match="says 32, the tensors show 64"):
        load_artifact(path)


def test_saving_under_a_name_with_another_width_is_refused(tmp_path: Path) -> None:
    with pytest.raises(claims.ContradictionError, match="says 640, the tensors show 32"):
        save_artifact(tmp_path / "w640.safetensors", autoencoder(32), FIELDS)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("field", "value"),
    [("depth", "12"), ("depth", "1"), ("patch_size", "4"), ("in_channels", "1"), ("width", "640")],
)
def test_every_claim_of_a_generator_is_mended_by_its_command(
    tmp_path: Path, field: str, value: str
) -> None:
    path = saved(tmp_path, generator())
    stamp(path, {field: value})  # sets the embedded config too
    with pytest.raises(claims.ContradictionError) as caught:
        load_artifact(path)
    run_stamp(caught.value.command)
    assert load_artifact(path, require_metadata=True).model.config == generator().config


@pytest.mark.parametrize("blocks", ["[1,1,1,2]", "[1,1,2,1]"])
def test_blocks_per_stage_are_held_against_the_tensors(tmp_path: Path, blocks: str) -> None:
    path = saved(tmp_path, autoencoder())
    rewritten(path, metadata={"blocks": blocks})
    with pytest.raises(claims.ContradictionError, match="blocks") as caught:
        load_artifact(path)
    run_stamp(caught.value.command)
    load_artifact(path, require_metadata=True)


def test_a_dropped_last_block_is_not_mended_by_stamping_its_depth(tmp_path: Path) -> None:
    path = saved(tmp_path, generator())

    def shorten(held: dict[str, Tensor]) -> None:
        for name in [name for name in held if name.startswith("blocks.1.")]:
            del held[name]

    rewritten(path, tensors=shorten)
    with pytest.raises(claims.ContradictionError) as caught:
        load_artifact(path)
    run_stamp(caught.value.command)
    with pytest.raises(ArtifactError, match="another digest"):
        load_artifact(path)


@pytest.mark.parametrize("kind", MODELS)
def test_absent_metadata_is_logged_and_blocks_only_faithful_runs(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    model = MODELS[kind]()
    path = tmp_path / "bare.safetensors"
    save_file(model.state_dict(), path)
    with caplog.at_level(logging.WARNING):
        loaded = load_artifact(path)
    assert "no metadata" in caplog.text
    assert "assumed: patch size" in caplog.text
    assert loaded.model.config == model.config
    assert filling.digest(loaded.model.state_dict()) == filling.digest(model.state_dict())
    with pytest.raises(ArtifactError, match="faithful") as caught:
        load_artifact(path, require_metadata=True)
    assert f"drift stamp {path} --architecture" in str(caught.value)


@pytest.mark.parametrize(
    ("metadata", "note"),
    [
        ({"schema": "other/7"}, "schema 'other/7'"),
        ({"width": "wide"}, "width is not understood"),
        ({"config": "{"}, "config is not understood"),
        ({"config": '{"hidden_dim": -1}'}, "config is not understood"),
        ({"config": None}, "lack config"),
        ({"architecture": None}, "lack architecture"),
        ({"probe": "?"}, "no probe"),
        ({"tensors_sha256": None}, "no digest"),
    ],
)
def test_metadata_that_cannot_be_mapped_is_logged_and_blocks_only_faithful_runs(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    metadata: dict[str, str | None],
    note: str,
) -> None:
    path = rewritten(saved(tmp_path, generator()), metadata=metadata)
    with caplog.at_level(logging.WARNING):
        loaded = load_artifact(path)
    assert note in caplog.text
    assert loaded.model.config == generator().config
    with pytest.raises(ArtifactError, match="faithful run requires"):
        load_artifact(path, require_metadata=True)


def test_the_callers_config_is_used_where_the_file_has_none(tmp_path: Path) -> None:
    model = generator()
    path = tmp_path / "bare.safetensors"
    save_file(model.state_dict(), path)
    loaded = load_artifact(path, config=model.config)
    assert "the caller's config is used" in loaded.notes


@pytest.mark.parametrize(
    "config",
    [
        {"style_tokens": 10**9},
        {"depth": 10**9},
        {"mlp_ratio": 1e300},
        {"input_size": 1 << 24},
        {"num_classes": 1 << 40},
        {"nonsense": 1},
    ],
)
def test_a_config_that_would_exhaust_the_machine_is_not_built(
    tmp_path: Path, config: dict[str, object]
) -> None:
    path = saved(tmp_path, generator())
    own = json.loads((read_header(path).metadata or {})["config"])
    rewritten(path, metadata={"config": json.dumps(own | config)})
    with pytest.raises(ArtifactError):
        load_artifact(path, require_metadata=True)
