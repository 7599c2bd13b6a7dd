"""Second frozen encoder of the pixel columns: ConvNeXt-V2 from `transformers` (paper A.4, Table 8).

The network is the library's; this module gives it the reference's constants and turns its stage
outputs into features in the reference's form (reference models/convnext.py:136-158, 241).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from drift import resize, trace
from drift.encoder import layers, statistics
from drift.encoder.layers import record_map, widen
from drift.errors import InputError

INPUT_SIZE = 224
LAYER_NORM_EPS = 1.0e-6  # of the final norm; the library's own default is 1e-12
HIDDEN_ACTIVATION = "gelu"  # the exact one, not its tanh approximation
TOKEN_STD_EPS = 1.0e-3  # added to the standard deviation itself
SPATIAL_STAGES = (1, 2, 3)  # stage 0 gives only its mean and deviation

# ImageNet statistics of images in [0, 1].
PIXEL_MEAN = (0.485, 0.456, 0.406)
PIXEL_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True, slots=True)
class ConvNextConfig:
    """Blocks and channels of the four stages."""

    depths: tuple[int, ...]
    widths: tuple[int, ...]

    def __post_init__(self) -> None:
        values = (*self.depths, *self.widths)
        whole = all(isinstance(v, int) and not isinstance(v, bool) and v > 0 for v in values)
        if not whole or len(self.depths) != 4 or len(self.widths) != 4:
            raise InputError(
                "ConvNextConfig",
                found=f"depths {self.depths}, widths {self.widths}",
                expected="four whole numbers of at least 1 for each",
            )

    @classmethod
    def from_reference(cls, model_config: Mapping[str, Any]) -> ConvNextConfig:
        """From the reference's `depths` and `dims`; its `num_classes` belongs to an unused head."""
        odd = sorted((set(model_config) - {"num_classes"}) ^ {"depths", "dims"})
        if odd:
            raise InputError(
                "ConvNextConfig.from_reference",
                found=f"unknown or missing keys {odd}",
                expected="depths, dims and perhaps num_classes",
            )
        return cls(tuple(model_config["depths"]), tuple(model_config["dims"]))


TINY = ConvNextConfig((3, 3, 9, 3), (96, 192, 384, 768))
BASE = ConvNextConfig((3, 3, 27, 3), (128, 256, 512, 1024))  # the pixel columns


class ConvNextFeatures(nn.Module):
    """ConvNeXt-V2 without its classifier, and its activations as features."""

    def __init__(self, config: ConvNextConfig) -> None:
        super().__init__()
        self.config = config
        self.backbone: Any = library_model(config)

    def activations(self, images: Tensor) -> dict[str, Tensor]:
        """images [B, 3, H, W], normalised by `imagenet` -> feature name -> [B, L, D], float32.

        `convenxt_stage_N` (the reference's spelling; no entry for stage 0) holds the positions
        of a stage, each normalised over its channels; `_mean` and `_std` are over positions, of
        those. `global_mean` is the library's pooled output, `global_std` that of the last stage.
        """
        with layers.without_autocast(images), _inner_stages_recorded(self.backbone):
            entries = dict(self._entries(widen(images)))
        for name, value in entries.items():
            trace.record(f"act/{name}", value)
        return entries

    def _entries(self, images: Tensor) -> Iterator[tuple[str, Tensor]]:
        resized = resize.resize_bilinear(images, (INPUT_SIZE, INPUT_SIZE))
        record_every("step/resized", resized, 8)
        x = self.backbone.embeddings(resized)
        spread = x
        for index, stage in enumerate(self.backbone.encoder.stages):
            x = stage(x)
            _record_stage(index, x)
            tokens = normalise_tokens(statistics.positions(x))
            spread = statistics.std_over(tokens, 1).unsqueeze(1)
            name = f"convenxt_stage_{index}"
            if index in SPATIAL_STAGES:
                yield name, tokens
            yield f"{name}_mean", statistics.mean_over(tokens, 1).unsqueeze(1)
            yield f"{name}_std", spread
        yield "global_mean", self.backbone.layernorm(statistics.mean_over(x, (2, 3))).unsqueeze(1)
        yield "global_std", spread


def imagenet(images: Tensor) -> Tensor:
    """Images [B, 3, H, W] in [-1, 1] -> ImageNet-normalised; values outside are not clipped."""
    if images.ndim != 4 or images.shape[1] != len(PIXEL_MEAN):
        raise InputError(
            "ConvNeXt input",
            found=f"shape {tuple(images.shape)}",
            expected="[B, 3, H, W]: the second encoder reads RGB images, not latents",
        )
    images = widen(images)
    mean = images.new_tensor(PIXEL_MEAN)[:, None, None]
    std = images.new_tensor(PIXEL_STD)[:, None, None]
    return ((images + 1) / 2 - mean) / std


def normalise_tokens(tokens: Tensor) -> Tensor:
    """Each token [..., D] minus its mean, over its population deviation + 1e-3."""
    mean = tokens.mean(-1, keepdim=True)
    std = torch.std(tokens, -1, correction=statistics.CORRECTION, keepdim=True)
    return (tokens - mean) / (std + TOKEN_STD_EPS)


def library_options(config: ConvNextConfig) -> dict[str, Any]:
    """Arguments of the library's configuration; all other epsilons are 1e-6 there as well."""
    return {
        "num_channels": len(PIXEL_MEAN),
        "patch_size": 4,
        "depths": list(config.depths),
        "hidden_sizes": list(config.widths),
        "hidden_act": HIDDEN_ACTIVATION,
        "layer_norm_eps": LAYER_NORM_EPS,
        "drop_path_rate": 0.0,
        "image_size": INPUT_SIZE,
    }


def library_model(config: ConvNextConfig) -> nn.Module:
    """The library's network with fresh random weights, in evaluation mode."""
    from transformers import ConvNextV2Config, ConvNextV2Model

    model: nn.Module = ConvNextV2Model(ConvNextV2Config(**library_options(config)))
    return model.train(False)


def load_pretrained(file: Path | str, config: ConvNextConfig = BASE) -> ConvNextFeatures:
    """The encoder with the weights of a safetensors file in the library's own layout.

    For the pixel columns: `model.safetensors` of `facebook/convnextv2-base-22k-224`. The
    classifier in it is not used. Raises InputError that names the parameters which are missing,
    surplus or misshapen: none is ever left at its random value.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not Path(file).is_file():
        raise InputError(
            "ConvNeXt-V2 weights",
            found=f"no file {file}",
            expected="a safetensors file of ConvNeXt-V2 in the layout of transformers",
            remedy="Download model.safetensors of facebook/convnextv2-base-22k-224.",
        )
    try:
        held = load_file(file)
    except SafetensorError as error:
        raise InputError(
            f"ConvNeXt-V2 weights in {file}",
            found=f"a damaged file ({' '.join(str(error).split())[:200]})",
            expected="a whole safetensors file",
            remedy="Download it again.",
        ) from error
    given = {
        "backbone." + name.removeprefix("convnextv2."): tensor.float()
        for name, tensor in held.items()
        if not name.startswith("classifier.")
    }
    features = ConvNextFeatures(config)
    shapes = {name: tuple(tensor.shape) for name, tensor in features.state_dict().items()}
    odd = shapes.items() ^ {name: tuple(tensor.shape) for name, tensor in given.items()}.items()
    if odd:
        names = sorted({name for name, _ in odd})
        raise InputError(
            f"ConvNeXt-V2 weights in {file}",
            found=f"{len(names)} parameters missing, surplus or misshapen: {', '.join(names[:5])}",
            expected=f"the parameters of depths {config.depths} and widths {config.widths}",
        )
    features.load_state_dict(given)
    return features


def record_every(name: str, images: Tensor, step: int) -> None:
    """Record every `step`-th row and column of a map [B, C, H, W] under the golden's name."""
    if trace.active():
        record_map(f"{name}_every{step}", images[:, :, ::step, ::step])


def _record_stage(index: int, x: Tensor) -> None:
    if index == 0:
        record_every("step/stages_0", x, 4)
    else:
        record_map(f"step/stages_{index}", x)


@contextmanager
def _inner_stages_recorded(backbone: Any) -> Iterator[None]:
    """Record the stem's convolution and the inner stages of the first block while active."""
    if not trace.active():
        yield
        return
    first = backbone.encoder.stages[0].layers[0]
    hooks = [
        _hook("step/downsample_layers_0/layers_0", backbone.embeddings.patch_embeddings),
        _hook("step/stages_0/layers_0/dwconv", first.dwconv),
        _hook("step/stages_0/layers_0/grn", first.grn, channels_last=True),
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _hook(name: str, module: nn.Module, *, channels_last: bool = False) -> RemovableHandle:
    def record_output(_module: nn.Module, _inputs: object, out: Tensor) -> None:
        record_every(name, out.permute(0, 3, 1, 2) if channels_last else out, 4)

    return module.register_forward_hook(record_output)
