"""drift.artifacts.store and filling: what is saved, and how strictly it is loaded."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from contracts.artifact.cases import (
    FIELDS,
    MODELS,
    autoencoder,
    generator,
    rewritten,
    saved,
)
from drift.artifacts import filling, probe
from drift.artifacts.contents import survey
from drift.artifacts.errors import ArtifactError
from drift.artifacts.header import read_header
from drift.artifacts.store import load_artifact, load_encoder, load_generator, save_artifact
from drift.encoder import EncoderConfig, MaskedAutoencoder
from drift.interop.layout import LayoutError


@pytest.mark.parametrize("kind", MODELS)
def test_what_is_saved_is_what_is_loaded_and_computes_the_same(tmp_path: Path, kind: str) -> None:
    model = MODELS[kind]()
    loaded = load_artifact(saved(tmp_path, model), require_metadata=True)
    assert loaded.notes == ()
    assert loaded.model.config == model.config
    assert not loaded.model.training
    for name, tensor in model.state_dict().items():
        assert torch.equal(loaded.model.state_dict()[name], tensor)
    assert torch.equal(probe.run(loaded.model, 5), probe.run(model, 5))
    assert all(parameter.requires_grad for parameter in loaded.model.parameters())


def test_an_encoder_without_decoder_is_an_artefact_too(tmp_path: Path) -> None:
    config = EncoderConfig(base_channels=8, blocks=(1, 1, 1, 1), trunk_only=True)
    loaded = load_artifact(saved(tmp_path, MaskedAutoencoder(config)), require_metadata=True)
    assert loaded.model.config == config


def test_loading_draws_no_random_number(tmp_path: Path) -> None:
    path = saved(tmp_path, generator())
    before = torch.get_rng_state()
    load_artifact(path)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_digest_of_a_file_and_of_its_model_are_one_and_survive_another_writer(
    tmp_path: Path,
) -> None:
    model = generator()
    path = saved(tmp_path, model)
    digest = filling.digest(model.state_dict())
    assert survey(read_header(path)).sha256 == digest
    tensors = dict(sorted(load_file(path).items(), reverse=True))
    save_file(tensors, path)
    assert survey(read_header(path)).sha256 == digest


def test_a_writer_that_leaves_out_provenance_or_types_identity_is_refused(tmp_path: Path) -> None:
    for name in FIELDS:
        fields = {key: value for key, value in FIELDS.items() if key != name}
        with pytest.raises(ArtifactError, match=f"no {name}"):
            save_artifact(tmp_path / "a.safetensors", generator(), fields)
    with pytest.raises(ArtifactError, match="width given"):
        save_artifact(tmp_path / "a.safetensors", generator(), FIELDS | {"width": "640"})
    with pytest.raises(ArtifactError, match=r"weights.*best"):
        save_artifact(tmp_path / "a.safetensors", generator(), FIELDS | {"weights": "best"})
    with pytest.raises(ArtifactError, match="Linear"):
        save_artifact(tmp_path / "a.safetensors", torch.nn.Linear(1, 1), FIELDS)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_way_is_replaced_only_on_request(tmp_path: Path) -> None:
    path = saved(tmp_path, generator())
    with pytest.raises(ArtifactError, match="a file there"):
        save_artifact(path, generator(seed=2), FIELDS)
    save_artifact(path, generator(seed=2), FIELDS, overwrite=True)
    wanted = generator(seed=2).state_dict()
    assert torch.equal(load_artifact(path).model.state_dict()["positions"], wanted["positions"])


@pytest.mark.parametrize("kind", MODELS)
def test_every_missing_surplus_and_misshapen_tensor_is_named(tmp_path: Path, kind: str) -> None:
    path = saved(tmp_path, MODELS[kind]())
    names = sorted(load_file(path))
    dropped, renamed, misshapen, narrow = names[3], names[7], names[11], names[15]

    def damage(held: dict[str, Tensor]) -> None:
        del held[dropped]
        held["other.name"] = held.pop(renamed)
        held[misshapen] = torch.zeros(*held[misshapen].shape, 3)
        held[narrow] = held[narrow].to(torch.float16)

    with pytest.raises(LayoutError) as caught:
        load_artifact(rewritten(path, tensors=damage))
    error = caught.value
    assert set(error.missing) == {dropped, renamed}
    assert set(error.surplus) == {"other.name"}
    assert set(error.misshapen) == {misshapen}
    assert set(error.unreadable) == {narrow}
    for name in (dropped, renamed, "other.name", misshapen, narrow):
        assert name in str(error)


def test_every_single_tensor_of_a_generator_is_missed(tmp_path: Path) -> None:
    path = saved(tmp_path, generator())
    whole = load_file(path)
    metadata = read_header(path).metadata
    for name in whole:
        save_file(
            {k: v for k, v in whole.items() if k != name}, path, metadata=dict(metadata or {})
        )
        with pytest.raises(LayoutError) as caught:
            load_artifact(path)
        assert set(caught.value.missing) == {name}


def test_one_changed_number_is_found_by_the_digest(tmp_path: Path) -> None:
    path = saved(tmp_path, generator())

    def nudge(held: dict[str, Tensor]) -> None:
        held["positions"][0, 3, 5] += 1.0e-7

    with pytest.raises(ArtifactError, match="another digest"):
        load_artifact(rewritten(path, tensors=nudge))


def test_two_tensors_of_one_shape_that_changed_places_are_found(tmp_path: Path) -> None:
    path = saved(tmp_path, generator())

    def swap(held: dict[str, Tensor]) -> None:
        a, b = "blocks.0.attention.qkv.weight", "blocks.1.attention.qkv.weight"
        held[a], held[b] = held[b], held[a]

    with pytest.raises(ArtifactError, match="another digest"):
        load_artifact(rewritten(path, tensors=swap))


def test_numbers_that_are_not_finite_are_refused_without_a_digest(tmp_path: Path) -> None:
    path = saved(tmp_path, generator())

    def poison(held: dict[str, Tensor]) -> None:
        held["positions"][0, 0, 0] = torch.nan

    with pytest.raises(ArtifactError, match=r"positions.*not finite"):
        load_artifact(rewritten(path, tensors=poison, metadata={"tensors_sha256": None}))


def test_a_file_of_the_other_model_is_refused_by_name(tmp_path: Path) -> None:
    assert load_generator(saved(tmp_path, generator())).config == generator().config
    with pytest.raises(ArtifactError, match="found a generator; expected a masked autoencoder"):
        load_encoder(saved(tmp_path, generator()))
    assert load_encoder(saved(tmp_path, autoencoder())).config == autoencoder().config
    with pytest.raises(ArtifactError, match="found a masked autoencoder; expected a generator"):
        load_generator(saved(tmp_path, autoencoder()))


def test_saving_leaves_the_model_and_its_mode_alone(tmp_path: Path) -> None:
    model = generator().train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    parameter = next(model.parameters())
    saved(tmp_path, model)
    assert model.training
    assert next(model.parameters()) is parameter
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
