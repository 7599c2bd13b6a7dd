"""The pipeline in diffusers' manner, and latents through an autoencoder that is pinned."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL
from PIL.Image import Image

from contracts.metrics import cases
from drift import sample
from drift.data import tokenizer
from drift.errors import DriftError, InputError
from drift.generator import Generator, GeneratorConfig
from drift.sample import images
from drift.sample.decoder import decoder_for
from drift.sample.pipeline import DriftPipeline, DriftTransformer

LATENT = GeneratorConfig(
    input_size=4, in_channels=4, out_channels=4, patch_size=2, hidden_dim=16, depth=1, num_heads=2,
    cond_dim=16, num_classes=5, style_tokens=2, style_codes=4, register_tokens=1,
)  # fmt: skip


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def pipe() -> Any:
    return DriftPipeline(DriftTransformer.wrapping(cases.generator()))


@pytest.fixture(scope="module")
def vae() -> AutoencoderKL:
    torch.manual_seed(0)
    return AutoencoderKL(
        block_out_channels=(8, 8), latent_channels=4, norm_num_groups=4, sample_size=8,
        down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
    ).eval()  # fmt: skip


def latent_generator() -> Generator:
    return Generator(LATENT, generator=seeded())


def test_output_types_are_those_of_diffusers(pipe: Any) -> None:
    raw = pipe([1, 2], 1.5, seeded(), "latent").images
    unit = pipe([1, 2], 1.5, seeded(), "pt").images
    array = pipe([1, 2], 1.5, seeded(), "np", return_dict=False)[0]
    pictures = pipe([1, 2], 1.5, seeded()).images
    torch.testing.assert_close(unit, ((raw + 1) / 2).clamp(0, 1))
    np.testing.assert_array_equal(array, unit.permute(0, 2, 3, 1).numpy())
    assert all(isinstance(one, Image) for one in pictures)
    np.testing.assert_array_equal(np.array(pictures[1]), images.pixels(raw)[1, 0].numpy())


def test_one_label_and_one_generator_a_sample_are_accepted(pipe: Any) -> None:
    alone = pipe(7, 1.0, seeded(5), "latent").images
    pair = pipe([7, 3], 1.0, [seeded(5), seeded(6)], "latent").images
    torch.testing.assert_close(alone[0], pair[0], rtol=0, atol=1e-6)
    with pytest.raises(InputError, match="expected one, or 3"):
        pipe([1, 2, 3], generator=[seeded(), seeded()])


def test_without_a_generator_two_calls_differ(pipe: Any) -> None:
    assert not torch.equal(pipe(1, output_type="pt").images, pipe(1, output_type="pt").images)


def test_guidance_scale_reaches_the_network(pipe: Any) -> None:
    low, high = (pipe(1, alpha, seeded(), "latent").images for alpha in (1.0, 3.0))
    assert not torch.allclose(low, high)


def test_a_pipeline_from_a_run_gives_the_averaged_weights(tmp_path: Path) -> None:
    run = cases.run_folder(tmp_path / "run")
    built = DriftPipeline.from_run(run, ema_decay="0.9")
    direct = DriftPipeline(DriftTransformer.wrapping(cases.generator(11)))
    a, b = (p([4], 1.0, seeded(), "latent").images for p in (built, direct))
    assert torch.equal(a, b)


def test_latents_are_decoded_and_survive_a_round_trip(tmp_path: Path, vae: Any) -> None:
    built = DriftPipeline(DriftTransformer.wrapping(latent_generator()), vae)
    built.save_pretrained(tmp_path / "saved")
    loaded = DriftPipeline.from_pretrained(tmp_path / "saved", low_cpu_mem_usage=False)
    a, b = (p([1, 2], 1.0, seeded(), "pt").images for p in (built, loaded))
    assert a.shape == (2, 3, 8, 8)
    assert torch.equal(a, b)


ORIGIN = sample.Origin(
    path="x", sha256="0" * 64, step=1, weights="ema", ema_decay="0.9", template="t",
    fingerprint="0" * 64, column=None, dataset=None, tokenizer="owner/vae@" + "a" * 40,
    scaling_factor=1.0, run_seed=0, encoder_sha256=None, bypasses=(),
)  # fmt: skip


@pytest.mark.parametrize(
    ("vae", "revision", "message"),
    [
        (None, None, "with its pinned revision"),
        ("owner/vae", None, "with its pinned revision"),
        ("owner/other", "a" * 40, "with which the generator was trained"),
        ("owner/vae", "main", "with which the generator was trained"),
    ],
)
def test_latents_are_never_decoded_by_an_unnamed_autoencoder(
    vae: str | None, revision: str | None, message: str
) -> None:
    with pytest.raises(DriftError, match=message):
        decoder_for(ORIGIN, vae, revision)


def test_a_local_autoencoder_is_pinned_by_the_digest_of_its_parameters(
    tmp_path: Path, vae: Any
) -> None:
    vae.save_pretrained(tmp_path / "vae")
    opened = tokenizer.open_tokenizer(str(tmp_path / "vae"))
    decoder = decoder_for(ORIGIN, str(tmp_path / "vae"), opened.sha256)
    latents = torch.randn(2, 4, 4, 4, generator=seeded())
    with torch.no_grad():
        expected = vae.decode(latents / vae.config.scaling_factor).sample
    torch.testing.assert_close(decoder(latents), expected)
    with pytest.raises(DriftError, match="the autoencoder that made the latents"):
        decoder_for(ORIGIN, str(tmp_path / "vae"), "b" * 64)


def test_pixels_need_no_autoencoder() -> None:
    pixels = replace(ORIGIN, tokenizer="none")
    assert decoder_for(pixels, None, None)(torch.ones(1)).item() == 1.0
    with pytest.raises(DriftError, match="the samples are pixels"):
        decoder_for(pixels, "owner/vae", "a" * 40)
