"""drift.artifacts.evidence and claims: what shapes show, and who is contradicted by it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from drift.artifacts import architectures, claims
from drift.artifacts.errors import ArtifactError
from drift.artifacts.evidence import Evidence, infer, split_patch
from drift.artifacts.schema import GENERATOR, MAE
from drift.encoder import EncoderConfig
from drift.generator import GeneratorConfig
from drift.interop.layout import shapes_of

GOLDEN = Path(__file__).parents[2] / "specs" / "golden"
GENERATORS = sorted(path.stem for path in GOLDEN.glob("params_gen_*.json"))
ENCODERS = sorted(path.stem for path in GOLDEN.glob("params_mae_*.json"))


def golden(name: str) -> tuple[dict[str, Any], dict[str, tuple[int, ...]]]:
    case = json.loads((GOLDEN / f"{name}.json").read_text())
    return case["model_config"], {path: tuple(shape) for path, shape in case["params"].items()}


@pytest.mark.parametrize("name", GENERATORS)
def test_a_published_generator_is_recognised_in_both_layouts(name: str) -> None:
    model_config, reference_shapes = golden(name)
    config = GeneratorConfig.from_reference(model_config)
    ours = infer(shapes_of(architectures.build(config)), place="ours")
    theirs = infer(reference_shapes, place="theirs")
    assert (ours.architecture, ours.layout) == (GENERATOR, "drift")
    assert (theirs.architecture, theirs.layout) == (GENERATOR, "reference")
    assert ours.values == theirs.values
    assert ours.values["width"] == model_config["hidden_size"]
    assert ours.values["depth"] == model_config["depth"]
    assert ours.values["patch_channels"] == (
        model_config["patch_size"] ** 2 * model_config["in_channels"]
    )
    assert ours.values["head_dim"] * model_config["num_heads"] == model_config["hidden_size"]
    assert ours.values["mlp_width"] == config.mlp_width


@pytest.mark.parametrize("name", ENCODERS)
def test_a_published_autoencoder_is_recognised_in_both_layouts(name: str) -> None:
    model_config, reference_shapes = golden(name)
    config = EncoderConfig.from_reference(model_config)
    ours = infer(shapes_of(architectures.build(config)), place="ours")
    theirs = infer(reference_shapes, place="theirs")
    assert (ours.architecture, ours.layout) == (MAE, "drift")
    assert (theirs.architecture, theirs.layout) == (MAE, "reference")
    assert ours.values == theirs.values
    assert ours.values["width"] == model_config["base_channels"]
    assert ours.values["blocks"] == model_config["layers"]
    assert ours.values["depth"] == sum(model_config["layers"])
    assert ours.values["patch_channels"] == config.input_channels


@pytest.mark.parametrize("name", [*GENERATORS, *ENCODERS])
def test_a_config_recovered_from_shapes_builds_the_same_shapes(name: str) -> None:
    _, reference_shapes = golden(name)
    evidence = infer(reference_shapes, place=name)
    config, assumed = architectures.recover(evidence, place=name)
    again = architectures.build(config)
    assert sum(p.numel() for p in again.parameters()) == sum(
        _product(shape) for shape in reference_shapes.values()
    )
    assert assumed


def _product(shape: tuple[int, ...]) -> int:
    result = 1
    for length in shape:
        result *= length
    return result


def test_one_misshapen_tensor_does_not_outvote_the_others() -> None:
    _, shapes = golden("params_gen_latent_ablation")
    shapes["LightningDiT_0/pos_embed"] = (1, 256, 7)
    assert infer(shapes, place="x").values["width"] == 768


def test_a_missing_block_is_no_evidence_of_a_smaller_depth() -> None:
    _, shapes = golden("params_gen_latent_ablation")
    left = {name: shape for name, shape in shapes.items() if "/blocks_5/" not in name}
    assert "depth" not in infer(left, place="x").values
    shorter = {name: shape for name, shape in shapes.items() if "/blocks_11/" not in name}
    assert infer(shorter, place="x").values["depth"] == 11


def test_another_model_is_named_as_such() -> None:
    with pytest.raises(ArtifactError, match=r"another model.*bert"):
        infer({"bert.embeddings.weight": (30522, 768)}, place="x")


@pytest.mark.parametrize(
    "shapes",
    [
        {"positions": ()},
        {"positions": (1, 0, 0)},
        {"patch_embedding.weight": (5,)},
        {"patch_embedding.weight": (0, 0)},
        {f"blocks.{'9' * 200}.attention.qkv.weight": (3, 1)},
        {f"encoder.stages.{'9' * 200}.norm.weight": (7,)},
        {"encoder.stages.0.blocks.0.x": (), "encoder.stages.7.blocks.3.x": ()},
        {"condition.style_embeddings.0.weight": (1, 1), "positions": (1, 7, 8)},
        {"encoder/layer1_norm/scale": (), "fc/kernel": (1, 2, 3)},
    ],
)
def test_odd_shapes_are_no_evidence_and_no_crash(shapes: dict[str, tuple[int, ...]]) -> None:
    def recover() -> None:
        architectures.recover(infer(shapes, place="x"), place="x")

    with pytest.raises(ArtifactError, match="expected"):
        recover()


@pytest.mark.parametrize(
    ("name", "widths"),
    [
        ("mae_w640.safetensors", [640]),
        ("w64-ema.safetensors", [64]),
        ("Encoder-Width-256.safetensors", [256]),
        ("mae_latent_640", [640]),
        ("mae_latent_ablation_256", [256]),
        ("gen_pixel_256.safetensors", []),  # a resolution
        ("raw64.safetensors", []),
        ("w640x480.safetensors", []),
        ("w6.safetensors", []),
        ("model.safetensors", []),
    ],
)
def test_a_width_token_in_a_name_is_read(name: str, widths: list[int]) -> None:
    assert claims.width_in_name(name) == widths


@pytest.mark.parametrize(("total", "split"), [(16, (2, 4)), (768, (16, 3)), (4, (1, 4)), (7, None)])
def test_a_patch_splits_into_size_and_channels(total: int, split: tuple[int, int] | None) -> None:
    assert split_patch(total) == split


EVIDENCE = Evidence(MAE, "drift", {"width": 64, "depth": 4, "blocks": [1, 1, 1, 1],
                                   "patch_channels": 192})  # fmt: skip


@pytest.mark.parametrize(
    ("metadata", "command"),
    [
        ({"width": "64", "patch_size": "8", "in_channels": "3"}, None),
        ({"width": "640"}, "--width 64"),
        ({"width": "32"}, "--width 64"),
        ({"depth": "16"}, "--depth 4"),
        ({"blocks": "[3,4,6,3]"}, "--blocks '[1,1,1,1]'"),
        ({"architecture": GENERATOR}, "--architecture drift-mae"),
        ({"patch_size": "1", "in_channels": "3"}, "--patch-size 8"),
        ({"patch_size": "8", "in_channels": "4"}, "--in-channels 3"),
        ({"patch_size": "8"}, None),
        ({"patch_size": "5"}, "--patch-size 8"),
        ({"config": '{"base_channels": 640}'}, "--width 64"),
        ({"config": '{"input_patch": 4, "in_channels": 3}'}, "--patch-size 8"),
        ({"patch_size": "8", "config": '{"input_patch": 1, "in_channels": 3}'}, "--patch-size 8"),
        ({"config": '{"base_channels": [640], "blocks": 7, "in_channels": true}'}, None),
        ({"width": "many", "blocks": "nine", "config": "[]"}, None),  # not understood: no claim
    ],
)
def test_each_claim_is_held_against_the_tensors(
    metadata: dict[str, str], command: str | None
) -> None:
    path = Path("file.safetensors")
    found = claims.contradictions(path, metadata, EVIDENCE)
    if command is None:
        assert found == []
    else:
        error = claims.ContradictionError(path, found)
        assert error.command == f"drift stamp file.safetensors {command}"
        assert error.command in str(error)
