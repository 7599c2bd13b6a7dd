"""drift.artifacts.convert: the reference's directory to an artefact, and back."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file

from drift.artifacts import probe, schema
from drift.artifacts.convert import export_artifact, import_directory
from drift.artifacts.errors import ArtifactError
from drift.artifacts.store import load_artifact
from drift.encoder import EncoderConfig
from drift.generator import Generator, GeneratorConfig
from drift.interop.artifact import read_artifact
from drift.interop.export import write_artifact
from drift.interop.flax import generator_state_dict
from drift.interop.layout import LayoutError

GOLDEN = Path(__file__).parents[2] / "specs" / "golden"
CASES = ["ditgen_main", "ditgen_plain_off", "ditgen_patch4_rgb", "mae_small_params"]


def golden(name: str) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    case = json.loads((GOLDEN / f"{name}.json").read_text())
    tensors = load_file(GOLDEN / f"{name}.safetensors")
    flat = {
        path.removeprefix("params/"): value
        for path, value in tensors.items()
        if path.startswith("params/")
    }
    return flat, case["model_config"]


def reference(tmp_path: Path, name: str, **metadata: object) -> Path:
    flat, model_config = golden(name)
    folder = tmp_path / name
    write_artifact(folder, flat, {"model_config": model_config, **metadata})
    return folder


@pytest.mark.parametrize("name", CASES)
def test_there_and_back_is_the_identity_on_every_tensor(tmp_path: Path, name: str) -> None:
    flat, model_config = golden(name)
    folder = reference(tmp_path, name, source={"step": 17})
    import_directory(folder, tmp_path / "model.safetensors")
    export_artifact(tmp_path / "model.safetensors", tmp_path / "back")
    again, metadata = read_artifact(tmp_path / "back")
    assert set(again) == set(flat)
    for path, array in flat.items():
        assert again[path].dtype == array.dtype
        assert again[path].shape == array.shape
        assert again[path].tobytes() == array.tobytes()
    assert metadata["source"] == {"step": 17}
    architecture = GeneratorConfig if name.startswith("ditgen") else EncoderConfig
    assert architecture.from_reference(metadata["model_config"]) == architecture.from_reference(
        model_config
    )


def test_an_imported_generator_gives_the_samples_of_one_loaded_by_hand(tmp_path: Path) -> None:
    flat, model_config = golden("ditgen_main")
    config = GeneratorConfig.from_reference(model_config)
    by_hand = Generator(config)
    by_hand.load_state_dict(generator_state_dict(flat, config))
    import_directory(reference(tmp_path, "ditgen_main"), tmp_path / "model.safetensors")
    export_artifact(tmp_path / "model.safetensors", tmp_path / "back")
    import_directory(tmp_path / "back", tmp_path / "again.safetensors")
    for name in ("model", "again"):
        loaded = load_artifact(tmp_path / f"{name}.safetensors", require_metadata=True).model
        assert torch.equal(probe.run(loaded, 3), probe.run(by_hand, 3))


def test_provenance_is_recorded(tmp_path: Path) -> None:
    folder = reference(tmp_path, "ditgen_main")
    _, read = read_artifact(folder)
    metadata = import_directory(folder, tmp_path / "m.safetensors", fields={"licence": "MIT"})
    assert metadata["source_sha256"] == read["drift_read"]["sha256"]
    assert metadata["source_layout"] == "flax-msgpack"
    assert metadata["weights"] == "ema"
    assert metadata["licence"] == "MIT"
    assert metadata["schema"] == schema.SCHEMA
    assert json.loads(metadata["source_metadata"])["model_config"]["hidden_size"] == 64


def test_half_precision_parameters_become_the_float32_that_equals_them(tmp_path: Path) -> None:
    flat, model_config = golden("ditgen_main")
    halves = {path: array.astype(np.float16) for path, array in flat.items()}
    write_artifact(tmp_path / "half", halves, {"model_config": model_config})
    import_directory(tmp_path / "half", tmp_path / "m.safetensors")
    export_artifact(tmp_path / "m.safetensors", tmp_path / "back")
    again, _ = read_artifact(tmp_path / "back")
    for path, array in halves.items():
        assert np.array_equal(again[path], array.astype(np.float32))


@pytest.mark.parametrize("value", [1 / 3, 1e300])
def test_parameters_that_float32_cannot_hold_are_refused(tmp_path: Path, value: float) -> None:
    flat, model_config = golden("ditgen_main")
    flat["Embed_0/embedding"] = np.full((10, 64), value)
    write_artifact(tmp_path / "wide", flat, {"model_config": model_config})
    with pytest.raises(ArtifactError, match=r"Embed_0/embedding.*float64"):
        import_directory(tmp_path / "wide", tmp_path / "m.safetensors")


def test_every_parameter_that_does_not_fit_is_named_with_both_shapes(tmp_path: Path) -> None:
    flat, model_config = golden("ditgen_main")
    del flat["RMSNorm_0/weight"]
    flat["surplus"] = np.ones(3, np.float32)
    flat["LightningDiT_0/cls_embed"] = np.ones((1, 4, 7), np.float32)
    write_artifact(tmp_path / "odd", flat, {"model_config": model_config})
    with pytest.raises(LayoutError) as caught:
        import_directory(tmp_path / "odd", tmp_path / "m.safetensors")
    assert caught.value.missing == {"RMSNorm_0/weight": (64,)}
    assert caught.value.surplus == {"surplus": (3,)}
    assert caught.value.misshapen == {"LightningDiT_0/cls_embed": ((1, 4, 7), (1, 4, 64))}
    assert not (tmp_path / "m.safetensors").exists()


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("hidden_size", 640, "says 640, the tensors show 64"),
        ("hidden_size", 32, "says 32, the tensors show 64"),
        ("depth", 12, "says 12, the tensors show 3"),
        ("patch_size", 4, "says 4, the tensors show 16 channels per patch"),
    ],
)
def test_a_model_config_that_the_tensors_contradict_stops_the_import(
    tmp_path: Path, key: str, value: int, message: str
) -> None:
    flat, model_config = golden("ditgen_main")
    write_artifact(tmp_path / "odd", flat, {"model_config": model_config | {key: value}})
    with pytest.raises(ArtifactError, match=message):
        import_directory(tmp_path / "odd", tmp_path / "m.safetensors")


def test_a_directory_named_for_width_640_that_holds_width_32_is_caught(tmp_path: Path) -> None:
    flat, model_config = golden("mae_small_params")
    write_artifact(tmp_path / "mae_latent_640", flat, {"model_config": model_config})
    with pytest.raises(ArtifactError, match="the file's name says 640, the tensors show 32"):
        import_directory(tmp_path / "mae_latent_640", tmp_path / "m.safetensors")


def test_the_wrong_kind_is_refused(tmp_path: Path) -> None:
    folder = reference(tmp_path, "ditgen_main")
    with pytest.raises(ArtifactError, match=r"drift-generator.*drift-mae"):
        import_directory(folder, tmp_path / "m.safetensors", kind="mae")
    import_directory(folder, tmp_path / "m.safetensors", kind="generator")


def test_an_absent_model_config_is_recovered_and_logged_or_refused(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    flat, model_config = golden("ditgen_main")
    write_artifact(tmp_path / "bare", flat, {})
    with caplog.at_level(logging.WARNING):
        import_directory(tmp_path / "bare", tmp_path / "m.safetensors")
    assert "no model_config" in caplog.text
    assert "assumed patch size 2" in caplog.text
    loaded = load_artifact(tmp_path / "m.safetensors")
    assert loaded.model.config == GeneratorConfig.from_reference(model_config)
    with pytest.raises(ArtifactError, match="model_config"):
        import_directory(tmp_path / "bare", tmp_path / "n.safetensors", require_metadata=True)


def test_a_template_of_another_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"hidden_dim 64.*hidden_dim 768"):
        import_directory(
            reference(tmp_path, "ditgen_main"), tmp_path / "m.safetensors", template="latent-b2"
        )


def test_a_template_of_this_model_is_recorded_with_its_fingerprint(tmp_path: Path) -> None:
    from drift.artifacts import architectures
    from drift.config import fingerprint, generator_kwargs, load_template

    template = load_template("digits")
    config = GeneratorConfig.from_reference(generator_kwargs(template))
    model = Generator(config, generator=torch.Generator().manual_seed(3))
    flat = architectures.to_reference(model.state_dict(), config)
    model_config = config.to_reference()
    write_artifact(
        tmp_path / "run", {k: v.numpy() for k, v in flat.items()}, {"model_config": model_config}
    )
    metadata = import_directory(tmp_path / "run", tmp_path / "m.safetensors", template="digits")
    assert metadata["template"] == f"digits@{fingerprint(template)}"
