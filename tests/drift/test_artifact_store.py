"""drift.artifacts.store, probe and stamping: a file that says what it is, and is held to it."""

from __future__ import annotations

import hashlib
import json
import logging
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from drift.artifacts import claims, probe, schema, store
from drift.artifacts.contents import survey
from drift.artifacts.errors import ArtifactError
from drift.artifacts.header import data_chunks, read_header
from drift.artifacts.stamping import stamp
from drift.artifacts.store import load_artifact, save_artifact
from drift.encoder import EncoderConfig, MaskedAutoencoder
from drift.generator import Generator, GeneratorConfig
from drift.interop.layout import LayoutError

FIELDS = {
    "source_layout": "drift-train",
    "weights": "ema",
    "tokenizer": "none",
    "licence": "Apache-2.0",
}
Model = Generator | MaskedAutoencoder


def generator(width: int = 32, seed: int = 1) -> Generator:
    config = GeneratorConfig(
        input_size=8,
        in_channels=4,
        out_channels=4,
        patch_size=2,
        hidden_dim=width,
        depth=2,
        num_heads=2,
        cond_dim=16,
        num_classes=10,
        style_tokens=2,
        style_codes=4,
        register_tokens=2,
    )
    model = Generator(config, generator=torch.Generator().manual_seed(seed))
    return _perturbed(model, seed)


def autoencoder(width: int = 32, seed: int = 1) -> MaskedAutoencoder:
    config = EncoderConfig(in_channels=4, base_channels=width, blocks=(1, 1, 1, 1), num_classes=5)
    return MaskedAutoencoder(config, generator=torch.Generator().manual_seed(seed))


def _perturbed(model: Generator, seed: int) -> Generator:
    """Zero-initialised parts would make every output zero."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator))
    return model


MODELS: dict[str, Callable[..., Model]] = {"generator": generator, "mae": autoencoder}


def saved(tmp_path: Path, model: Model, name: str = "model.safetensors") -> Path:
    path = tmp_path / name
    save_artifact(path, model, FIELDS)
    return path


def rewritten(
    path: Path,
    *,
    tensors: Callable[[dict[str, Tensor]], object] | None = None,
    metadata: dict[str, str | None] | None = None,
) -> Path:
    """The file as another tool writes it: tensors changed in place, metadata patched."""
    held = load_file(path)
    if tensors is not None:
        tensors(held)
    merged = {**(read_header(path).metadata or {}), **(metadata or {})}
    kept = {name: value for name, value in merged.items() if value is not None}
    save_file(held, path, metadata=kept)
    return path


# saving and loading


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
    digest = store.digest(model.state_dict())
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


# strict loading


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


# the probe


@pytest.mark.parametrize("kind", MODELS)
def test_other_parameters_do_not_reproduce_the_probe(tmp_path: Path, kind: str) -> None:
    """As after a silent random initialisation: the digest is absent, so only the probe can tell."""
    path = saved(tmp_path, MODELS[kind](seed=1))
    other = MODELS[kind](seed=2).state_dict()
    rewritten(path, tensors=lambda held: held.update(other), metadata={"tensors_sha256": None})
    with pytest.raises(ArtifactError, match="does not compute what it computed"):
        load_artifact(path)


@pytest.mark.parametrize("kind", MODELS)
def test_a_load_that_fills_nothing_or_initialises_anew_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    path = saved(tmp_path, MODELS[kind](seed=1))
    monkeypatch.setattr(store, "fill", lambda model, header: None)
    with pytest.raises(ArtifactError, match="nothing filled"):
        load_artifact(path)

    def initialise(model: Model, header: object) -> None:
        model.load_state_dict(MODELS[kind](seed=2).state_dict(), assign=True)

    monkeypatch.setattr(store, "fill", initialise)
    with pytest.raises(ArtifactError, match="another digest"):
        load_artifact(path)
    monkeypatch.setattr(store, "require_loaded", lambda *args, **kwargs: None)
    with pytest.raises(ArtifactError, match="probe"):
        load_artifact(path)


def test_an_untrained_generator_whose_output_is_zero_is_still_held_to_its_parameters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    untrained = Generator(generator().config, generator=torch.Generator().manual_seed(1))
    path = saved(tmp_path, untrained)
    assert json.loads((read_header(path).metadata or {})["probe"])["rms"] == 0.0
    load_artifact(path)
    other = Generator(untrained.config, generator=torch.Generator().manual_seed(2))
    monkeypatch.setattr(
        store, "fill", lambda model, header: model.load_state_dict(other.state_dict(), assign=True)
    )
    with pytest.raises(ArtifactError, match="another digest"):
        load_artifact(path)


def test_a_switch_that_shapes_do_not_show_is_found_by_the_probe(tmp_path: Path) -> None:
    path = saved(tmp_path, generator())
    config = json.loads((read_header(path).metadata or {})["config"])
    config["rope"] = False
    with pytest.raises(ArtifactError, match="probe"):
        load_artifact(rewritten(path, metadata={"config": json.dumps(config)}))


@pytest.mark.parametrize("kind", MODELS)
def test_the_probe_allows_for_rounding_and_for_no_more(
    monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """The recorded output against float64: far inside the tolerance; other parameters are not."""
    recorded = probe.understood(probe.record(MODELS[kind](seed=1)))
    assert recorded is not None
    with pytest.raises(ArtifactError, match="probe"):
        probe.require_reproduced(MODELS[kind](seed=2), recorded, place="x")
    single = probe.normal_like
    monkeypatch.setattr(probe, "normal_like", lambda *given: single(*given).double())
    worst = probe.require_reproduced(MODELS[kind](seed=1).double(), recorded, place="x")
    assert 0 < worst < 0.05


def test_the_probe_input_is_a_function_of_the_seed_alone() -> None:
    values = probe.draws("noise", probe.SEED, (3,))
    torch.manual_seed(0)
    assert values.tolist() == probe.draws("noise", probe.SEED, (3,)).tolist()
    digest = hashlib.shake_256(f"noise {probe.SEED}".encode()).digest(4)
    assert values[0] == int.from_bytes(digest, "little") / 2**32
    assert probe.draws("noise", 1, (3,)).tolist() != values.tolist()


@pytest.mark.parametrize(
    "text", ["", "{}", "[1]", "{", '{"kind":"drift-probe/1","seed":1,"rms":1.0,"values":["a"]}']
)
def test_a_damaged_probe_is_not_understood(text: str) -> None:
    assert probe.understood(text) is None


# claims and their mending


def run_stamp(command: str) -> None:
    """Executes the command that an error prints."""
    from click.testing import CliRunner

    from drift.commands.stamp import command as click_command

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


# absent metadata


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
    assert store.digest(loaded.model.state_dict()) == store.digest(model.state_dict())
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


# stamping


def data_of(path: Path) -> bytes:
    return b"".join(data_chunks(read_header(path)))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("architecture", "drift-generator"),
        ("width", "32"),
        ("depth", "2"),
        ("patch_size", "2"),
        ("in_channels", "4"),
        ("source_sha256", "ab" * 32),
        ("source_layout", "flax-msgpack"),
        ("weights", "raw"),
        ("template", "latent-b2@0123"),
        ("created", "2026-11-21T10:00:00+00:00"),
        ("tokenizer", "stabilityai/sd-vae-ft-mse@" + "0" * 40),
        ("evaluation", '{"axis":"proxy","metric":"fid","samples":5000,"value":30.5}'),
        ("tier", "C"),
        ("licence", "MIT"),
    ],
)
def test_a_stamp_sets_its_field_and_touches_no_other_and_no_tensor_byte(
    tmp_path: Path, field: str, value: str
) -> None:
    path = saved(tmp_path, generator())
    before, data = dict(read_header(path).metadata or {}), data_of(path)
    result = stamp(path, {field: value})
    after = dict(read_header(path).metadata or {})
    assert data_of(path) == data
    assert result.data_sha256 == hashlib.sha256(data).hexdigest()
    assert after[field] == value
    assert json.loads(after.pop("stamped")) == [field]
    after.pop(field)
    before.pop(field, None)
    assert after == before
    load_artifact(path, require_metadata=True)


def test_stamps_add_up_and_a_later_one_replaces(tmp_path: Path) -> None:
    path = saved(tmp_path, generator())
    stamp(path, {"licence": "MIT"})
    stamp(path, {"tier": "C", "licence": "BSD-3-Clause"})
    metadata = read_header(path).metadata or {}
    assert metadata["licence"] == "BSD-3-Clause"
    assert json.loads(metadata["stamped"]) == ["licence", "tier"]


@pytest.mark.parametrize(
    ("patch", "message"),
    [
        ({}, "an empty patch"),
        ({"nonsense": "1"}, "the field 'nonsense'"),
        ({"probe": "{}"}, "the field 'probe'"),
        ({"tensors_sha256": "0" * 64}, "the field 'tensors_sha256'"),
        ({"width": ""}, "width"),
        ({"width": "-64"}, "width"),
        ({"width": "6.4e1"}, "width"),
        ({"width": "9" * 5000}, "width"),
        ({"licence": ""}, "licence"),
        ({"licence": "a\nb"}, "licence"),
        ({"tier": "S"}, "tier"),
        ({"created": "yesterday"}, "created"),
        ({"created": "2026-11-21T10:00:00"}, "created"),
        ({"config": "[1]"}, "config"),
        ({"evaluation": '{"axis": "fid"}'}, "evaluation"),
        ({"source_sha256": "abc"}, "source_sha256"),
        ({"blocks": "[1,two]"}, "blocks"),
        ({"licence": "MIT", "width": "x"}, "width"),
    ],
)
def test_a_stamp_that_says_nothing_or_nonsense_leaves_the_file_as_it_is(
    tmp_path: Path, patch: dict[str, str], message: str
) -> None:
    path = saved(tmp_path, generator())
    before = path.read_bytes()
    with pytest.raises(ArtifactError, match=message):
        stamp(path, patch)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_a_stamp_whose_copy_differs_replaces_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from drift.artifacts import stamping

    path = saved(tmp_path, generator())
    before = path.read_bytes()
    real = stamping.data_chunks

    def broken(header: object, *args: object) -> object:
        for chunk in real(header, *args):  # type: ignore[arg-type]
            flip = header.path != path  # type: ignore[attr-defined]
            yield bytes([chunk[0] ^ 1]) + chunk[1:] if flip else chunk

    # the copy does not hold what was written to it, as on a failing disk
    monkeypatch.setattr(stamping, "data_chunks", broken)
    with pytest.raises(ArtifactError, match="other tensor bytes"):
        stamp(path, {"licence": "MIT"})
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_a_stamp_keeps_the_files_permissions(tmp_path: Path) -> None:
    path = saved(tmp_path, generator())
    path.chmod(0o640)
    stamp(path, {"licence": "MIT"})
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_bare_file_can_be_stamped(tmp_path: Path) -> None:
    path = tmp_path / "bare.safetensors"
    save_file(generator().state_dict(), path)
    stamp(path, {"width": "32", "licence": "MIT"})
    assert (read_header(path).metadata or {})["schema"] == schema.SCHEMA
