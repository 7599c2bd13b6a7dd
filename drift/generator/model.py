"""The generator: noise, class, guidance scale and style in, a sample out in one pass."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from drift import trace
from drift.generator import checks, init, tokens
from drift.generator.blocks import Block, Head
from drift.generator.condition import Condition
from drift.generator.config import GeneratorConfig
from drift.generator.layers import Linear, wide


class Generator(nn.Module):
    """DiT generator (paper A.2; method.md section 5; reference models/generator.py).

    generator  draws the initial parameters, on `device`; None: torch's default generator
    device     where the parameters live; "meta" allocates nothing and draws nothing
    """

    def __init__(
        self,
        config: GeneratorConfig,
        *,
        generator: torch.Generator | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        self.config = config
        width = config.hidden_dim
        # None leaves it to the caller's own `with torch.device(...)`.
        with nullcontext() if device is None else torch.device(device):
            self.condition = Condition(config)
            self.patch_embedding = Linear(config.patch_size**2 * config.in_channels, width)
            self.positions = nn.Parameter(torch.empty(1, config.grid**2, width))
            self.register_projection = None
            self.register_embedding = None
            if config.register_tokens:
                self.register_projection = Linear(config.cond_dim, width)
                self.register_embedding = nn.Parameter(
                    torch.empty(1, config.register_tokens, width)
                )
            self.blocks = nn.ModuleList(Block(config, i) for i in range(config.depth))
            self.head = Head(config)
        init.initialise(
            self, generator, positions=self.positions, registers=self.register_embedding
        )

    @property
    def dtype(self) -> torch.dtype:
        """Precision of the activations."""
        return torch.bfloat16 if self.config.bfloat16 else self.positions.dtype

    def forward(self, noise: Tensor, labels: Tensor, alpha: Tensor, style: Tensor) -> Tensor:
        """Samples [B, out_channels, H, W], float32 whatever the activations are.

        noise   [B, in_channels, H, W], standard normal in training
        labels  [B] whole numbers in 0..num_classes-1
        alpha   [B] guidance scales
        style   [B, style_tokens] whole numbers in 0..style_codes-1; without tables [B, any], unread
        Raises InputError for any other shape, dtype or range. An enclosing autocast has no effect:
        the configuration says which part runs in which precision.
        """
        checks.check_inputs(self.config, self.positions.dtype, noise, labels, alpha, style)
        with without_autocast(noise.device.type):
            cond = self.condition(labels, alpha, style, self.dtype)
            x = self.embed(noise, cond)
            for block in self.blocks:
                x = self.run_block(block, x, cond)
            patches = tokens.drop_registers(self.head(x, cond), self.config.register_tokens)
            samples = tokens.unpatchify(patches, self.config.patch_size, self.config.out_channels)
        if trace.active():
            trace.record("step/samples", samples.permute(0, 2, 3, 1))
        return wide(samples)

    def embed(self, noise: Tensor, cond: Tensor) -> Tensor:
        """noise [B, C, H, W], cond [B, cond_dim] -> tokens [B, registers + patches, D]."""
        cut = tokens.patchify(noise.to(self.dtype), self.config.patch_size)
        patches = self.patch_embedding(cut)
        trace.record("step/patch_embed", patches)
        x = tokens.add_positions(patches, self.positions)
        if self.register_projection is not None and self.register_embedding is not None:
            projected = self.register_projection(cond)
            trace.record("step/cls_proj", projected)
            registers = tokens.add_learned(projected[:, None], self.register_embedding)
            x = tokens.prepend_registers(registers, x)
        trace.record("step/tokens_in", x)
        return x

    def run_block(self, block: nn.Module, x: Tensor, cond: Tensor) -> Tensor:
        """One block, recomputed in the backward pass where the configuration asks for it.

        While stages are recorded nothing is recomputed: a recording would hold them twice.
        """
        if self.config.checkpointing and torch.is_grad_enabled() and not trace.active():
            return recomputed(block, x, cond)
        out: Tensor = block(x, cond)
        return out


def without_autocast(device: str) -> AbstractContextManager[object]:
    """Autocast off, on devices that have one (meta has none)."""
    if torch.amp.is_autocast_available(device):
        return torch.autocast(device, enabled=False)
    return nullcontext()


def recomputed(block: nn.Module, x: Tensor, cond: Tensor) -> Tensor:
    """block(x, cond), keeping only x and cond for the backward pass."""
    # Nothing in a block is random, so no random state has to be kept.
    out: Tensor = checkpoint(block, x, cond, use_reentrant=False, preserve_rng_state=False)
    return out
