"""A pipeline in the manner of diffusers: `DriftPipeline.from_pretrained(folder)([207])`.

The folder is diffusers' own layout: model_index.json, transformer/ and, for latents, vae/, each
with its config and safetensors weights. `transformer` is the name that DiTPipeline uses.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import torch
from diffusers import AutoencoderKL, DiffusionPipeline, ImagePipelineOutput, ModelMixin
from diffusers.configuration_utils import ConfigMixin, register_to_config
from torch import Tensor

from drift.errors import InputError
from drift.generator import Generator, GeneratorConfig
from drift.sample import images, loading, pretrained, sampler
from drift.sample.decoder import require_own
from drift.sample.sampler import check

OUTPUT_TYPES = ("pil", "np", "pt", "latent")


class DriftTransformer(ModelMixin, ConfigMixin):
    """The generator as a model of diffusers; its config is that of `GeneratorConfig`."""

    @register_to_config  # type: ignore[untyped-decorator]
    def __init__(
        self,
        input_size: int,
        in_channels: int,
        out_channels: int,
        patch_size: int,
        hidden_dim: int,
        depth: int,
        num_heads: int,
        cond_dim: int,
        num_classes: int,
        style_tokens: int = 32,
        style_codes: int = 64,
        register_tokens: int = 16,
        mlp_ratio: float = 4.0,
        rmsnorm: bool = True,
        qk_norm: bool = True,
        rope: bool = True,
        swiglu: bool = True,
        bfloat16: bool = False,
        attention_fp32: bool = True,
        checkpointing: bool = False,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        given = {name: value for name, value in locals().items() if name in FIELDS}
        self.generator = Generator(GeneratorConfig(**given))

    @classmethod
    def from_pretrained(cls, place: Any, **chosen: Any) -> Any:
        """The model of a folder; raises SampleError where config or weights are not whole."""
        where = {name: chosen[name] for name in pretrained.PLACE if name in chosen}
        config: Any = cls.load_config(place, subfolder=chosen.get("subfolder"), **where)
        pretrained.require_fields(place, config, FIELDS)
        asked = chosen.pop("output_loading_info", False)
        found = pretrained.load(super().from_pretrained, place, **chosen)
        return found if asked else found[0]

    @classmethod
    def wrapping(cls, generator: Generator) -> DriftTransformer:
        """A model that holds these very weights."""
        with torch.device("meta"):
            model: DriftTransformer = cls(**asdict(generator.config))
        model.generator = generator
        model.eval()
        return model

    def forward(
        self, hidden_states: Tensor, class_labels: Tensor, guidance_scale: Tensor, style: Tensor
    ) -> Tensor:
        """noise [B, C, H, W], labels [B], alpha [B], style [B, style_tokens] -> samples."""
        found: Tensor = self.generator(hidden_states, class_labels, guidance_scale, style)
        return found


FIELDS = frozenset(GeneratorConfig.__dataclass_fields__)


class DriftPipeline(DiffusionPipeline):
    """Class labels in, images out, in one step.

    transformer  a DriftTransformer
    vae          turns latents into images; None for a generator of pixels
    id2label     name of each class, where the data set has named them; kept in the folder
    """

    model_cpu_offload_seq = "transformer->vae"
    _optional_components = ["vae"]  # noqa: RUF012 - as in the base class

    transformer: DriftTransformer
    vae: Any
    register_modules: Callable[..., None]
    register_to_config: Callable[..., None]

    def __init__(
        self,
        transformer: DriftTransformer,
        vae: AutoencoderKL | None = None,
        id2label: dict[str, str] | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.register_modules(transformer=transformer, vae=vae)
        named = dict(id2label or {})  # JSON has no keys but texts
        self.register_to_config(id2label=named or None)
        self.labels = {name: int(number) for number, name in named.items()}

    def get_label_ids(self, label: str | Sequence[str]) -> list[int]:
        """Class labels of names, as DiTPipeline has it; raises InputError for an unknown name."""
        names = [label] if isinstance(label, str) else list(label)
        unknown = [name for name in names if name not in self.labels]
        if unknown:
            known = ", ".join(self.labels) or "none: this pipeline has no names"
            raise InputError("label", found=", ".join(map(str, unknown)), expected=known)
        return [self.labels[name] for name in names]

    @classmethod
    def from_run(
        cls, path: Path | str, *, vae: AutoencoderKL | None = None, **chosen: Any
    ) -> DriftPipeline:
        """From an artefact, a checkpoint or a run folder; `chosen` as in `drift.sample.load`.

        Raises a DriftError for a generator of latents without its autoencoder or with another one,
        and for a generator of pixels with any.
        """
        loaded = loading.load(path, **chosen)
        require_own(vae, loaded.origin)
        names = {str(label): name for label, name in enumerate(loaded.origin.class_names or ())}
        return cls(DriftTransformer.wrapping(loaded.generator), vae, names)

    @classmethod
    def from_pretrained(cls, place: Any, **chosen: Any) -> Any:
        """The pipeline of a folder; raises SampleError where a model of it is not whole."""
        where = {name: chosen[name] for name in pretrained.PLACE if name in chosen}
        kind = dict(cls.load_config(place, **where)).get("vae") or [None, None]
        if "vae" not in chosen and kind[-1] is not None:
            chosen["vae"] = _autoencoder(place, kind, chosen, where)
        return super().from_pretrained(place, **chosen)  # type: ignore[no-untyped-call]

    @torch.no_grad()
    def __call__(
        self,
        class_labels: int | Sequence[int],
        guidance_scale: float = 1.0,
        generator: torch.Generator | Sequence[torch.Generator] | None = None,
        output_type: str = "pil",
        return_dict: bool = True,
        num_images_per_prompt: int = 1,
    ) -> ImagePipelineOutput | tuple[Any]:
        """Images of the classes asked for, one forward pass for all of them.

        class_labels    whole numbers from 0; one or several
        guidance_scale  alpha of the method: 1 is without guidance; finite and above 0
        generator       one, from which all samples are drawn in order, or one for each sample
        num_images_per_prompt  how many of each class, one after the other
        output_type     pil, np ([N, H, W, C] in [0, 1]), pt ([N, C, H, W] in [0, 1]) or latent
                        (what the network gives). PIL images are bytes by truncation, as evaluated
        Noise is drawn in float32 and cast to the precision of the weights: a seed means the same
        noise in every precision. Raises InputError for an argument that cannot be meant.
        """
        if type(num_images_per_prompt) is not int or num_images_per_prompt < 1:
            raise InputError(
                "num_images_per_prompt", found=num_images_per_prompt, expected="1 or more"
            )
        labels = [one for one in _labels(class_labels) for _ in range(num_images_per_prompt)]
        if output_type not in OUTPUT_TYPES:
            raise InputError("output_type", found=output_type, expected=", ".join(OUTPUT_TYPES))
        check(
            self.transformer.generator.config, torch.tensor(labels, dtype=torch.int64),
            guidance_scale, "guidance_scale",
        )  # fmt: skip
        samples = self._sample(labels, guidance_scale, _streams(generator, len(labels)))
        found = samples if output_type == "latent" else _shown(self._decoded(samples), output_type)
        if not return_dict:
            return (found,)
        return ImagePipelineOutput(images=found)  # type: ignore[no-untyped-call]

    def _sample(self, labels: list[int], alpha: float, streams: list[torch.Generator]) -> Tensor:
        config = self.transformer.generator.config
        device, dtype = self.transformer.device, self.transformer.dtype
        drawn = [(sampler.draw_noise(config, s), sampler.draw_style(config, s)) for s in streams]
        found: Tensor = self.transformer(  # type: ignore[operator]
            torch.stack([noise for noise, _ in drawn]).to(device, dtype),
            torch.tensor(labels, dtype=torch.int64, device=device),
            torch.full((len(labels),), float(alpha), device=device),
            torch.stack([style for _, style in drawn]).to(device),
        )
        return found

    def _decoded(self, samples: Tensor) -> Tensor:
        if self.vae is None:
            return samples
        latents = samples / self.vae.config.scaling_factor
        decoded: Tensor = self.vae.decode(latents.to(self.vae.device, self.vae.dtype)).sample
        return decoded


def _autoencoder(
    place: Any, kind: Sequence[str], chosen: dict[str, Any], where: dict[str, Any]
) -> AutoencoderKL:
    """The autoencoder of a pipeline's folder, whole; the library would fill its gaps at random."""
    if kind[-1] != AutoencoderKL.__name__:
        raise InputError(
            f"{place}: model_index.json: vae", found=kind[-1], expected="AutoencoderKL"
        )
    dtype = chosen.get("dtype", chosen.get("torch_dtype"))  # the library's new and old name
    if isinstance(dtype, dict):
        dtype = dtype.get("vae", dtype.get("default"))
    more = {name: chosen[name] for name in ("variant", "low_cpu_mem_usage") if name in chosen}
    model, _ = pretrained.load(
        AutoencoderKL.from_pretrained, place, subfolder="vae", **more, **where
    )
    found: AutoencoderKL = model if dtype is None else model.to(dtype)
    return found


def _labels(given: int | Sequence[int]) -> list[int]:
    """Whole numbers as such; a fraction, a truth value or a word is no class."""
    try:
        one = getattr(given, "ndim", None) == 0 or not hasattr(given, "__iter__")
        items = [given] if one else list(given)  # type: ignore[arg-type]
        if any(isinstance(item, bool) for item in items):
            raise TypeError("truth values")
        labels = [operator.index(item) for item in items]  # type: ignore[arg-type]
        torch.tensor(labels, dtype=torch.int64)  # raises for a number beyond its range
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:
        raise InputError(
            "class_labels", found=f"{given!r:.60} ({error})", expected="a whole number, or several"
        ) from error
    return labels


def _streams(
    generator: torch.Generator | Sequence[torch.Generator] | None, count: int
) -> list[torch.Generator]:
    if generator is None:
        generator = torch.Generator()
        generator.seed()
    if isinstance(generator, torch.Generator):
        return [generator] * count
    given = list(generator) if isinstance(generator, Sequence) else [generator]
    if len(given) != count or not all(isinstance(one, torch.Generator) for one in given):
        raise InputError(
            "generator", found=f"{len(given)} of {', '.join({type(g).__name__ for g in given})}",
            expected=f"one, or {count}, each a torch.Generator",
        )  # fmt: skip
    return given


def _shown(samples: Tensor, output_type: str) -> Any:
    if output_type == "pil":
        from PIL import Image

        array = images.pixels(samples.cpu()).permute(0, 2, 3, 1).numpy()
        return [
            Image.fromarray(np.squeeze(one, -1) if one.shape[-1] == 1 else one) for one in array
        ]
    unit = ((samples.float() + 1.0) / 2.0).clamp(0.0, 1.0)
    return unit if output_type == "pt" else unit.cpu().permute(0, 2, 3, 1).numpy()


# `DiffusionPipeline.from_pretrained(folder)` looks the class of a folder up in the library's own
# namespace; with this module imported it finds it there, and no folder has to bring code to run.
setattr(diffusers, DriftPipeline.__name__, DriftPipeline)
