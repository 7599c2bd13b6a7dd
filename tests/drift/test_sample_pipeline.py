"""The pipeline in diffusers' manner, and latents through an autoencoder that is pinned."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL
from PIL.Image import Image
from safetensors.torch import load_file, save_file
from torch import Tensor

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


def test_a_generator_that_is_none_is_refused_by_its_kind(pipe: Any) -> None:
    for given, found in ((5, "1 of int"), ([5, 5], "2 of int"), ("ab", "2 of str")):
        with pytest.raises(InputError, match=f"generator: found {found}"):
            pipe([1, 2], generator=given)


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
    origin = replace(ORIGIN, tokenizer_sha256=opened.sha256, scaling_factor=opened.scaling_factor)
    decoder = decoder_for(origin, str(tmp_path / "vae"), opened.sha256)
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


# -- what a folder has to hold, and what a call may ask for ----------------------------------------


@pytest.fixture
def saved(tmp_path: Path, vae: Any) -> Path:
    """A pipeline's folder with a generator of latents and its autoencoder."""
    generator = latent_generator()
    with torch.no_grad():
        for parameter in generator.parameters():  # its last layer begins at zero
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=seeded()))
    DriftPipeline(DriftTransformer.wrapping(generator), vae).save_pretrained(tmp_path / "p")
    return tmp_path / "p"


def weights_of(part: Path) -> Path:
    return part / "diffusion_pytorch_model.safetensors"


def rewritten(part: Path, change: Callable[[dict[str, Tensor]], None]) -> None:
    tensors = load_file(weights_of(part))
    change(tensors)
    save_file(tensors, weights_of(part), metadata={"format": "pt"})


def lose(part: str) -> Callable[[dict[str, Tensor]], None]:
    def change(tensors: dict[str, Tensor]) -> None:
        for name in [name for name in tensors if part in name]:
            del tensors[name]

    return change


def put(name: str, value: Tensor) -> Callable[[dict[str, Tensor]], None]:
    def change(tensors: dict[str, Tensor]) -> None:
        tensors[name] = value

    return change


POSITIONS = "generator.positions"
WEIGHTS: dict[str, tuple[str, Callable[[dict[str, Tensor]], None], str]] = {
    "a block lost": ("transformer", lose("blocks.0."), "missing keys: generator.blocks.0."),
    "one lost": ("transformer", lose(POSITIONS), "1 missing keys: generator.positions"),
    "one too many": ("transformer", put("more", torch.zeros(1)), "1 unexpected keys: more"),
    "not finite": ("transformer", put(POSITIONS, torch.full((1, 4, 16), float("nan"))),
                   "generator.positions: found numbers that are not finite"),
    "another shape": ("transformer", put(POSITIONS, torch.zeros(1, 9, 16)), "shape"),
    "vae: one lost": ("vae", lose("decoder.conv_out.bias"), "1 missing keys: decoder.conv_out"),
    "vae: one too many": ("vae", put("more", torch.zeros(1)), "1 unexpected keys: more"),
}  # fmt: skip


@pytest.mark.parametrize("low_memory", [True, False])
@pytest.mark.parametrize("case", WEIGHTS)
@pytest.mark.filterwarnings("ignore")  # the library's own; what counts is that it goes no further
def test_weights_that_are_not_whole_are_refused_and_never_drawn_at_random(
    saved: Path, case: str, low_memory: bool
) -> None:
    part, change, said = WEIGHTS[case]
    rewritten(saved / part, change)
    with pytest.raises(DriftError, match=said):
        DriftPipeline.from_pretrained(saved, low_cpu_mem_usage=low_memory)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"rope": None}, r"missing keys \['rope'\]"),
        ({"style_codes": None, "depth": None}, r"missing keys \['depth', 'style_codes'\]"),
        ({"colour": "red"}, r"unknown keys \['colour'\]"),
    ],
)
def test_a_field_left_out_of_the_config_does_not_take_its_default(
    saved: Path, changes: dict[str, Any], said: str
) -> None:
    """Without `rope` the parameters have the same shapes and the samples are others."""
    place = saved / "transformer/config.json"
    config = {k: v for k, v in (json.loads(place.read_text()) | changes).items() if v is not None}
    place.write_text(json.dumps(config))
    with pytest.raises(DriftError, match=said):
        DriftPipeline.from_pretrained(saved)


@pytest.mark.parametrize("part", ["transformer", "vae"])
@pytest.mark.filterwarnings("ignore")
def test_pickled_weights_are_never_read(saved: Path, part: str) -> None:
    tensors = load_file(weights_of(saved / part))
    weights_of(saved / part).unlink()
    torch.save(tensors, saved / part / "diffusion_pytorch_model.bin")
    with pytest.raises(DriftError, match="safetensors"):
        DriftPipeline.from_pretrained(saved)
    with pytest.raises(DriftError, match="pickled weights are never read"):
        DriftTransformer.from_pretrained(saved / "transformer", use_safetensors=False)


def test_a_transformer_alone_is_read_whole_too(saved: Path) -> None:
    model, info = DriftTransformer.from_pretrained(saved, subfolder="transformer",
                                                   output_loading_info=True)  # fmt: skip
    assert isinstance(model, DriftTransformer)
    assert not any(info.values())
    rewritten(saved / "transformer", lose(POSITIONS))
    with pytest.raises(DriftError, match="missing keys"):
        DriftTransformer.from_pretrained(saved / "transformer")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_every_precision_draws_the_same_noise_and_gives_nearly_the_same_images(
    saved: Path, dtype: torch.dtype
) -> None:
    whole = DriftPipeline.from_pretrained(saved)
    cast = DriftPipeline.from_pretrained(saved, dtype=dtype)
    assert (cast.transformer.dtype, cast.vae.dtype) == (dtype, dtype)
    a, b = (p([1, 3], 1.5, seeded(), "latent").images.double() for p in (whole, cast))
    assert float((a - b).abs().max()) <= 0.1 * float(a.abs().max()) + 1e-6
    assert float(a.abs().max()) > 0
    for kind in ("np", "pt", "pil"):
        assert len(cast([1], 1.0, seeded(), kind).images) == 1


ALPHAS: tuple[Any, ...] = (0, -1, 0.0, float("nan"), float("inf"), -float("inf"), 1e39, 1e-60,
                           10**400, True, "1.5", None, [1.0], 1j)  # fmt: skip


@pytest.mark.parametrize("alpha", ALPHAS, ids=lambda alpha: f"{alpha!r:.20}")
def test_a_guidance_scale_that_cannot_be_meant_is_refused(pipe: Any, alpha: Any) -> None:
    with pytest.raises(InputError, match=r"guidance_scale: found .*expected a finite number above"):
        pipe([1], guidance_scale=alpha, generator=seeded(), output_type="np")


LABELS: tuple[Any, ...] = (1.5, [1, 2.5], "3", ["3"], True, [], None, [None], [[1]], 10, -1,
                           10**30, torch.ones(2), {"a": 1})  # fmt: skip


@pytest.mark.parametrize("labels", LABELS, ids=repr)
def test_a_class_that_cannot_be_meant_is_refused(pipe: Any, labels: Any) -> None:
    """A class of 1.5 was taken for 1."""
    with pytest.raises(InputError, match="labels"):
        pipe(labels, generator=seeded(), output_type="latent")


def test_whole_numbers_of_other_libraries_are_classes(pipe: Any) -> None:
    one = pipe(3, 1.0, seeded(), "latent").images
    for same in (np.int64(3), torch.tensor(3), np.array([3]), torch.tensor([3]), (3,), range(3, 4)):
        assert torch.equal(pipe(same, 1.0, seeded(), "latent").images, one)
