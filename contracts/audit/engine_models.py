"""Parts of this engine's generator and encoder under the names of the protocol."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from drift.encoder import EncoderConfig, MaskedAutoencoder, layers, statistics
from drift.generator import Generator, GeneratorConfig, attention
from drift.generator import condition as conditions
from drift.generator.layers import Norm
from drift.interop import flax
from drift.sample import loading, sampler
from drift.state.checkpoint import Checkpoint

from .engine import _n, _t

WIDTH = 32
GENERATOR = {
    "cond_dim": WIDTH,
    "num_classes": 1001,
    "noise_classes": 8,
    "noise_coords": 4,
    "input_size": 8,
    "in_channels": 4,
    "n_cls_tokens": 2,
    "patch_size": 2,
    "hidden_size": WIDTH,
    "depth": 1,
    "num_heads": 2,
    "mlp_ratio": 4.0,
    "out_channels": 4,
    "use_qknorm": True,
    "use_swiglu": True,
    "use_rope": True,
    "use_rmsnorm": True,
    "attn_fp32": True,
    "use_bf16": False,
}


def _generator() -> Generator:
    config = GeneratorConfig.from_reference(GENERATOR)
    return Generator(config, generator=torch.Generator().manual_seed(0))


def _moved(model: nn.Module) -> nn.Module:
    """No parameter at zero or one."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
    return model


def generator(
    params: Mapping[str, Any], config: Mapping[str, Any], noise: Any, labels: Any, alpha: Any,
    style: Any,
) -> Any:  # fmt: skip
    built = GeneratorConfig.from_reference(dict(config))
    model = Generator(built)
    flat = {path: _t(value) for path, value in params.items()}
    model.load_state_dict(flax.generator_state_dict(flat, built))
    with torch.no_grad():
        return _n(model(_t(noise), _t(labels), _t(alpha), _t(style)).float())


def encoder(params: Mapping[str, Any], config: Mapping[str, Any], x: Any, **taps: Any) -> Any:
    built = EncoderConfig.from_reference(dict(config))
    with torch.device("meta"):
        model = MaskedAutoencoder(built)
    model.load_state_dict(flax.encoder_state_dict(dict(params), built), assign=True)
    with torch.no_grad():
        found = model.activations(_t(x), **taps)
    return {name: _n(value.float()) for name, value in found.items()}


def attention_logits(q: Any, k: Any) -> Any:
    norm = Norm(q.shape[-1], "rms", affine=True)
    nn.init.ones_(norm.weight)  # type: ignore[arg-type]
    queries, keys = (attention.normalise_heads(_t(one), norm) for one in (q, k))
    queries = attention.scaled(queries, q.shape[-1] ** -0.5)  # type: ignore[attr-defined]
    return _n(torch.einsum("bnhd,bmhd->bhnm", queries, keys))


def rotated(x: Any) -> Any:
    turned, _ = attention.apply_rope(_t(x), _t(x), fp32=True)
    return _n(turned)


def style_embedding(style: Any) -> Any:
    tables = list(_generator().condition.style_embeddings)
    codes = conditions.look_up_styles(tables, _t(style))
    return _n(torch.stack(codes).sum(0))


def style_unless_asked(batch: int, tokens: int, codes: int) -> Any:
    given = GENERATOR | {"noise_coords": tokens, "noise_classes": codes}
    config = GeneratorConfig.from_reference(given)
    stream = torch.Generator().manual_seed(torch.seed() % 2**31)
    return _n(torch.stack([sampler.draw_style(config, stream) for _ in range(batch)]))


def sampled_weights(raw: Any, ema: Any) -> Any:
    tensors = {"model/weight": _t(raw), "ema/0.999/weight": _t(ema)}
    chosen, _ = loading.chosen_weights(Checkpoint(1, tensors, {}), loading.EMA, None)
    return _n(chosen["weight"])


def alpha_embedding(alpha: Any) -> Any:
    embedding = _generator().condition.alpha_embedding(_t(alpha), torch.float32)
    return _n(embedding * conditions.ALPHA_SCALE)


def class_embedding() -> Any:
    return _n(_generator().condition.class_embedding.weight)


def head_output(tokens: Any, condition: Any) -> Any:
    head = _moved(_generator().head)
    out: Tensor = head(_t(tokens), _t(condition))
    return _n(out)


def initial_samples(batch: int) -> Any:
    draw = torch.Generator().manual_seed(2)
    noise = torch.randn(batch, 4, 8, 8, generator=draw)
    style = torch.randint(8, (batch, 4), generator=draw)
    return _n(_generator()(noise, torch.zeros(batch, dtype=torch.int64), torch.ones(batch), style))


def encoder_norm(x: Any) -> Any:
    norm = layers.GroupNorm(x.shape[1])
    with torch.no_grad():
        for parameter in norm.parameters():
            parameter.zero_()
        norm.weight.fill_(1.0)
    return _n(norm(_t(x)))


def encoder_stages(batch: int) -> list[Any]:
    config = EncoderConfig.from_reference(
        {"in_channels": 4, "base_channels": 32, "layers": [1, 1, 1, 1], "num_classes": 10,
         "input_patch_size": 1}
    )  # fmt: skip
    model = MaskedAutoencoder(config, generator=torch.Generator().manual_seed(0))
    x = 3.0 * torch.randn(batch, 4, 16, 16, generator=torch.Generator().manual_seed(1))
    maps, _ = model.encoder(x)
    return [_n(maps[f"layer{stage}"]) for stage in (1, 2, 3, 4)]


def input_statistic(x: Any) -> Any:
    return _n(statistics.root_mean_square(_t(x)).squeeze(1))
