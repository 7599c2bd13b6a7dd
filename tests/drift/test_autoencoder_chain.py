"""A local autoencoder is one and the same, by its digest, from the cache to the decoded images."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from contracts.common import small_run
from contracts.data import cases
from drift import cli
from drift.artifacts.store import load_artifact
from drift.config import TemplateError, load_template
from drift.data import LatentSource
from drift.data.source import DataError
from drift.data.tokenizer import Tokenizer, open_tokenizer, parameters_sha256
from drift.errors import DriftError
from drift.sample.decoder import decoder_for, require_own
from drift.sample.loading import Origin, load
from drift.state import checkpoint
from drift.train import build

LATENTS = (
    "data.dataset=imagenet",
    "data.resolution=32",
    "data.tokenizer=local:vae",
    "data.tokenizer_revision=none",
    "data.scaling_factor=0.18215",
    "data.posterior=sample",
    "data.mirror=own-latent",
    "data.crop=adm-centre",
    "generator.input_shape=[8, 8, 4]",
    "generator.num_classes=3",
    "encoder.num_classes=3",
)
ORIGIN = Origin("x", "0" * 64, 1, "ema", "0.9", "t", "f", None, "d", "local:vae@none", 0.18215, 0,
                None, ())  # fmt: skip


def autoencoder(seed: int = 0, factor: float = 0.18215, halvings: int = 1) -> Tokenizer:
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

    blocks = halvings + 1
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model: Any = AutoencoderKL(
            down_block_types=("DownEncoderBlock2D",) * blocks,
            up_block_types=("UpDecoderBlock2D",) * blocks,
            block_out_channels=(8,) * blocks,
            norm_num_groups=4,
            latent_channels=4,
            scaling_factor=factor,
        )
    model = model.eval().requires_grad_(False)
    return Tokenizer(model, "local:vae", "none", parameters_sha256(model), factor)


def saved(folder: Path, made: Tokenizer) -> str:
    made.model.save_pretrained(folder)
    return str(folder)


def test_another_autoencoder_than_the_trained_one_decodes_nothing(tmp_path: Path) -> None:
    right, wrong, scaled = autoencoder(0), autoencoder(1), autoencoder(0, factor=0.5)
    folders = [saved(tmp_path / str(i), made) for i, made in enumerate((right, wrong, scaled))]
    hub = "stabilityai/sd-vae-ft-mse@" + "3" * 40
    known = replace(ORIGIN, tokenizer_sha256=right.sha256)
    named = replace(ORIGIN, tokenizer=f"local:vae@{right.sha256}")
    for origin in (known, named, replace(known, tokenizer=hub)):
        assert decoder_for(origin, folders[0], right.sha256).identity.endswith(right.sha256)
        with pytest.raises(DriftError, match="with which the generator was trained"):
            decoder_for(origin, folders[1], wrong.sha256)
        with pytest.raises(DriftError, match="by which the run's latents were scaled"):
            decoder_for(origin, folders[2], scaled.sha256)
    for origin in (ORIGIN, replace(ORIGIN, tokenizer=hub)):
        with pytest.raises(DriftError, match="a run that records no digest"):
            decoder_for(origin, folders[0], right.sha256)


def test_a_pipeline_takes_no_other_autoencoder_than_the_trained_one() -> None:
    """Whatever was handed over in memory decoded the latents: factor 0.5 in place of 0.18215."""
    right, wrong = autoencoder(0), autoencoder(1)
    known = replace(ORIGIN, tokenizer=f"local:vae@{right.sha256}")
    require_own(right.model, known)
    for other, origin, said in (
        (wrong.model, known, "with which the generator was trained"),
        (autoencoder(0, factor=0.5).model, known, "latents were scaled"),
        (autoencoder(0, factor=0.0).model, known, "a finite number above 0"),
        (autoencoder(0).model.half(), known, "expected float32"),
        (right.model, ORIGIN, "a run that records no digest"),
        (right.model, replace(ORIGIN, tokenizer="none"), "none: the samples are pixels"),
        (None, known, "found none; expected the autoencoder local:vae@"),
    ):
        with pytest.raises(DriftError, match=said):
            require_own(other, origin)


@pytest.mark.parametrize(
    "factor", ["0", "-1", "NaN", "Infinity", "null", '"0.5"', "true", "[1]", "absent"]
)
def test_a_factor_that_scales_nothing_is_one_message(tmp_path: Path, factor: str) -> None:
    folder = Path(saved(tmp_path / "vae", autoencoder()))
    config = json.loads((folder / "config.json").read_text())
    del config["scaling_factor"]
    text = json.dumps(config).removesuffix("}")
    more = "" if factor == "absent" else f', "scaling_factor": {factor}'
    (folder / "config.json").write_text(f"{text}{more}}}")
    if factor == "absent":  # diffusers has a default of its own
        assert open_tokenizer(str(folder)).scaling_factor == 0.18215
        return
    with pytest.raises(DataError, match="expected a finite number above 0"):
        open_tokenizer(str(folder))


EDITS = {
    "name": {"vae": "stabilityai/sd-vae-ft-mse", "vae_revision": "3" * 40},
    "digest": {"vae_sha256": "0" * 64},
    "factor": {"scaling_factor": 0.5},
    "posterior": {"posterior": "mean"},
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_an_edited_manifest_fits_no_shard(tmp_path: Path, edit: dict[str, Any]) -> None:
    cases.encoded(cases.write_folder(tmp_path / "images"), tmp_path / "cache")
    assert LatentSource(tmp_path / "cache").autoencoder["sha256"] == cases.tokenizer().sha256
    path = tmp_path / "cache/manifest.json"
    manifest = json.loads(path.read_text())
    manifest["settings"] |= edit
    path.write_text(json.dumps(manifest))
    with pytest.raises(DataError, match="The manifest was edited"):
        LatentSource(tmp_path / "cache")


def test_a_sample_has_a_side_that_a_local_autoencoder_can_give() -> None:
    local = ["data.tokenizer=local:vae", f"data.tokenizer_revision={'a' * 64}"]
    template = load_template("latent-b2")
    for side, stages in ((64, "[64, 32, 16, 8]"), (16, "[16, 8, 4, 2]")):
        shape = [f"generator.input_shape=[{side}, {side}, 4]", f"encoder.stage_sizes={stages}"]
        assert build.override(template, [*local, *shape]).generator.input_shape[0] == side
        with pytest.raises(TemplateError, match=f"side {side}"):
            build.override(template, shape)
    assert build.override(template, [local[0], "data.tokenizer_revision=none"])
    shape = ["generator.input_shape=[24, 24, 4]", "encoder.stage_sizes=[24, 12, 6, 3]"]
    with pytest.raises(TemplateError, match=r"side 24; expected side 256 or 128 or 64"):
        build.override(template, [*local, *shape])
    for revision in ("a" * 64, "none"):
        with pytest.raises(TemplateError, match="tokenizer_revision"):
            build.override(template, [f"data.tokenizer_revision={revision}"])


def test_from_a_folder_of_images_to_decoded_samples(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As documented, with an autoencoder of stride 4 and no edit of any file."""
    monkeypatch.chdir(tmp_path)
    made = autoencoder(halvings=2)
    vae, other = saved(Path("vae"), made), saved(Path("other"), autoencoder(1, halvings=2))
    images = cases.write_folder(Path("images"))
    encode = ["encode", images, "--vae", vae, "--resolution", 32, "--out", "cache", "--batch", 4]
    settings = [part for one in (*small_run.RUN, *small_run.PRETRAIN, *LATENTS)
                for part in ("--set", one)]  # fmt: skip
    train = ["digits", *settings, "--data", "cache"]
    encoder = ["--encoder", "encoder/encoder.safetensors"]
    for words in (
        encode,
        ["pretrain", *train, "--out", "encoder", "--checkpoint-every", 2],
        ["train", *train, *encoder, "--out", "run"],
    ):
        assert cli.run([str(word) for word in words]) == 0, capsys.readouterr().err
    assert checkpoint.steps(Path("encoder/checkpoints")) == [2, 4]
    assert load_artifact("encoder/encoder.safetensors").metadata["tokenizer"].endswith(made.sha256)
    assert json.loads(Path("run/run_metadata.json").read_text())["autoencoder"] == {
        "name": "local:vae", "revision": made.sha256, "sha256": made.sha256,
        "scaling_factor": 0.18215,
    }  # fmt: skip
    origin = load(Path("run")).origin
    assert (origin.tokenizer, origin.tokenizer_sha256) == (f"local:vae@{made.sha256}", made.sha256)
    draw = ["sample", "run", "--classes", "0", "--count", "2"]
    named = ["--vae", vae, "--vae-revision", made.sha256]
    assert cli.run([*draw, *named, "--out", "s.npz"]) == 0, capsys.readouterr().err
    wrong = ["--vae", other, "--vae-revision", open_tokenizer(other).sha256]
    assert cli.run([*draw, *wrong, "--out", "t.npz"]) == 2
    assert "with which the generator was trained" in capsys.readouterr().err
    assert not Path("t.npz").exists()
    assert_a_checkpoint_samples_alone(Path("run"), named, capsys)


def assert_a_checkpoint_samples_alone(
    run: Path, named: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """A step file in an empty folder, the run gone: names of classes and the autoencoder's digest
    are inside, and the samples are those of the run."""
    alone = Path("alone/one.safetensors")
    alone.parent.mkdir()
    newest = run / "checkpoints" / f"step-{checkpoint.steps(run / 'checkpoints')[-1]:08d}"
    before = load(run).origin
    assert cli.run(["sample", str(run), "--count", "6", "--out", "run.safetensors"]) == 0
    alone.write_bytes(newest.with_suffix(".safetensors").read_bytes())
    run.rename(run.with_name("moved"))
    found = load(alone)
    same = ("class_names", "tokenizer", "tokenizer_sha256", "scaling_factor", "dataset",
            "encoder_sha256", "fingerprint", "step", "bypasses", "run_seed")  # fmt: skip
    for name in same:
        assert getattr(found.origin, name) == getattr(before, name), name
    assert found.origin.class_names == tuple(sorted(p.name for p in Path("images").iterdir()))
    assert cli.run(["sample", str(alone), "--count", "6", "--out", "alone.safetensors"]) == 0
    assert torch.equal(*(load_file(name)["samples"] for name in ("run.safetensors",
                                                                 "alone.safetensors")))  # fmt: skip
    draw = ["sample", str(alone), "--classes", "0", "--count", "2", *named, "--out", "u.npz"]
    assert cli.run(draw) == 0, capsys.readouterr().err
