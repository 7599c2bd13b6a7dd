"""Generator, sampler and encoder of drift-models 0.1.1, for `drift_models.py`."""

from __future__ import annotations

import tempfile
from pathlib import Path
from unittest.mock import patch

import torch
from drifting_models.features.mae import LatentResNetMAE, LatentResNetMAEConfig
from drifting_models.features.vectorize import FeatureVectorizationConfig, vectorize_feature_maps
from drifting_models.models.dit_like import (
    DiTAttention,
    DiTLikeConfig,
    DiTLikeGenerator,
    apply_rope,
)
from drifting_models.utils.checkpoint import save_training_checkpoint
from drifting_models.utils.ema import ModelEMA
from drifting_models.utils.load_model import load_pixel_generator_from_checkpoint
from torch import Tensor, nn

SMALL = DiTLikeConfig(
    image_size=8,
    hidden_dim=32,
    depth=1,
    num_heads=2,
    register_tokens=2,
    style_token_count=4,
    norm_type="rmsnorm",
    use_qk_norm=True,
    use_rope=True,
)


def _generator(config: DiTLikeConfig = SMALL) -> DiTLikeGenerator:
    torch.manual_seed(0)
    return DiTLikeGenerator(config).eval()


class _Given(nn.Module):
    """Stands in for the map to queries, keys and values."""

    def __init__(self, qkv: Tensor) -> None:
        super().__init__()
        self.qkv = qkv

    def forward(self, tokens: Tensor) -> Tensor:
        return self.qkv


def attention_logits(q: Tensor, k: Tensor) -> Tensor:
    heads, width = q.shape[2:]
    attention = DiTAttention(
        hidden_dim=heads * width, num_heads=heads, use_qk_norm=True, use_rope=False
    )
    attention.qkv = _Given(torch.stack([q, k, k], dim=2).flatten(2))
    seen, real = [], torch.softmax

    def watched(logits: Tensor, **options: int) -> Tensor:
        seen.append(logits)
        return real(logits, **options)

    with patch.object(torch, "softmax", watched), torch.no_grad():
        attention(torch.zeros(*q.shape[:2], heads * width))
    return seen[0]


def rotated(x: Tensor) -> Tensor:
    turned, _ = apply_rope(x.transpose(1, 2), x.transpose(1, 2))
    return turned.transpose(1, 2)


def style_embedding(style: Tensor) -> Tensor:
    return _generator().style_embedding(style).sum(dim=1)


def style_unless_asked(batch: int, tokens: int, codes: int) -> Tensor:
    config = DiTLikeConfig(
        image_size=8, hidden_dim=32, depth=1, num_heads=2, style_token_count=tokens,
        style_vocab_size=codes,
    )  # fmt: skip
    model, seen = _generator(config), []
    model.style_embedding.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    _sample(model, batch)
    return seen[0]


def sampled_weights(raw: Tensor, ema: Tensor) -> Tensor:
    model = _generator()
    average = ModelEMA.create(model=model, decay=0.999)
    with torch.no_grad():
        model.class_embedding.weight[: len(raw), 0] = raw
        average.shadow["class_embedding.weight"][: len(ema), 0] = ema
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "checkpoint.pt"
        save_training_checkpoint(
            path=path, model=model, optimizer=torch.optim.SGD(model.parameters(), lr=0.1), step=1,
            ema_state_dict=average.state_dict(),
        )  # fmt: skip
        loaded = load_pixel_generator_from_checkpoint(
            checkpoint_path=path, device=torch.device("cpu"), override_config=SMALL
        )
    return loaded.class_embedding.weight[: len(raw), 0]


def alpha_embedding(alpha: Tensor) -> Tensor:
    return _generator().alpha_embedding(alpha[:, None])


def class_embedding() -> Tensor:
    return _generator().class_embedding.weight


def head_output(tokens: Tensor, condition: Tensor) -> Tensor:
    """Its head is given no condition."""
    model = _generator()
    return model.output_projection(model.final_norm(tokens))


def initial_samples(batch: int) -> Tensor:
    return _sample(_generator(), batch)


@torch.no_grad()
def _sample(model: DiTLikeGenerator, batch: int) -> Tensor:
    noise = torch.randn(batch, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    return model(noise, torch.zeros(batch, dtype=torch.long), torch.ones(batch))


# -- encoder --------------------------------------------------------------------------------------


def encoder_norm(x: Tensor) -> Tensor:
    """The first norm of its default encoder, as wide as x."""
    model = LatentResNetMAE(LatentResNetMAEConfig(base_channels=x.shape[1]))
    return model.encoder[0][0].norm1(x)


def encoder_stages(batch: int) -> list[Tensor]:
    torch.manual_seed(0)
    model = LatentResNetMAE(LatentResNetMAEConfig())
    with torch.no_grad():
        return model.encode(3.0 * torch.randn(batch, 4, 32, 32))


def input_statistic(x: Tensor) -> Tensor:
    config = FeatureVectorizationConfig(include_input_x2_mean=True)
    return vectorize_feature_maps([], config=config, input_images=x)["input.x2mean"][:, 0]
