"""The masked autoencoder: features for the drifting loss, and the loss it is trained with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext

import torch
from torch import Tensor, nn
from torch.nn import functional

from drift import trace
from drift.encoder import layers, statistics, trunk
from drift.encoder.config import EncoderConfig
from drift.encoder.decoder import Decoder
from drift.encoder.initialise import initialise
from drift.encoder.layers import Linear, record_map, widen
from drift.errors import InputError

MASKED_COUNT_EPS = 1.0e-8


class MaskedAutoencoder(nn.Module):
    """ResNet masked autoencoder (paper A.3; method.md sections 3 and 4).

    A trunk-only configuration has neither decoder nor classifier and cannot compute the loss.
    generator  draws the initial parameters; None: torch's default generator
    device     where they lie; "meta" allocates nothing
    """

    def __init__(
        self,
        config: EncoderConfig,
        *,
        generator: torch.Generator | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        self.config = config
        # None leaves it to the caller's own `with torch.device(...)`.
        with nullcontext() if device is None else torch.device(device):
            self.encoder = trunk.Trunk(config)
            self.decoder = None if config.trunk_only else Decoder(config)
            self.classifier = (
                None if config.trunk_only else Linear(config.widths[-1], config.num_classes)
            )
        initialise(self, generator)

    def activations(
        self,
        x: Tensor,
        *,
        every_k_block: float | None = 2,
        patch_mean_size: Sequence[int] | None = (2, 4),
        patch_std_size: Sequence[int] | None = (2, 4),
        use_mean: bool = True,
        use_std: bool = True,
    ) -> dict[str, Tensor]:
        """x [B, C, H, W] -> feature name -> [B, L, D] (paper A.5, mae_model.py:322-352).

        In this order: `norm_x`; the entries (statistics.map_vectors) of `conv1`,
        `layer1`..`layer4`; then those of `layerK_blkM` for every `every_k_block`-th block (None:
        no block). Under bfloat16 all but the `_std` entries are bfloat16.
        """
        _check_every(every_k_block)
        with layers.without_autocast(x):
            patched = self._in_precision(self._patched(x))
            entries = dict(input_vectors(patched))
            maps, blocks = self.encoder(patched)
            for name, image in trunk.taps(maps, blocks, every_k_block).items():
                vectors = statistics.map_vectors(
                    name,
                    image,
                    patch_mean_size=patch_mean_size or (),
                    patch_std_size=patch_std_size or (),
                    use_mean=use_mean,
                    use_std=use_std,
                )
                entries.update(vectors)
        for name, value in entries.items():
            trace.record(f"act/{name}", value)
        return entries

    def forward(
        self, x: Tensor, labels: Tensor, *, mask: Tensor, lambda_cls: float | Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """x [B, C, H, W], labels [B], mask [B, 1, h, w] -> (loss [B], metrics, each [B]).

        The mask lies on the patchified grid; 1 = masked: zeroed in the input, scored in the loss.
        loss = lambda_cls * cross-entropy + (1 - lambda_cls) * reconstruction, in float32 at least;
        metrics: "loss", "recon_loss", "cls_loss", "accuracy", "mask_ratio".
        """
        if self.decoder is None or self.classifier is None:
            raise InputError(
                "MaskedAutoencoder.forward",
                found="a model of the trunk alone",
                expected="a configuration with decoder and classifier (trunk_only=False)",
                remedy="Use a width that is a multiple of 32, and trunk_only=False.",
            )
        with layers.without_autocast(x):
            target = self._patched(x)
            mask = _checked_mask(mask, target)
            seen = self._in_precision(hide(target, mask))
            record_map("step/x_masked_patched", seen)
            maps, _ = self.encoder(seen)
            for name, image in maps.items():
                record_map(f"step/feats/{name}", image)
            logits = self._logits(maps["layer4"])
            recon = self.decoder(maps)
            record_map("step/recon", recon)
            return joint_loss(logits, labels, recon, target, mask, lambda_cls)

    def _patched(self, x: Tensor) -> Tensor:
        patched = layers.patchify(x, self.config.input_patch)
        if patched.shape[1] != self.config.input_channels:
            raise InputError(
                "encoder input",
                found=f"{x.shape[1]} channels",
                expected=f"{self.config.in_channels}, as in its configuration",
            )
        if trace.active():
            record_map("step/patched_input_corner4x4", patched[:, :, :4, :4])
        return widen(patched)

    def _in_precision(self, patched: Tensor) -> Tensor:
        return patched.to(torch.bfloat16) if self.config.bfloat16 else patched

    def _logits(self, deepest: Tensor) -> Tensor:
        assert self.classifier is not None
        pooled = statistics.mean_over(deepest, (2, 3))
        trace.record("step/pooled", pooled)
        logits: Tensor = self.classifier(pooled)
        trace.record("step/logits", logits)
        return logits


def input_vectors(patched: Tensor) -> Iterator[tuple[str, Tensor]]:
    """`norm_x`: the root mean square of each input channel, [B, 1, C]."""
    yield "norm_x", statistics.root_mean_square(patched)


def hide(patched: Tensor, mask: Tensor) -> Tensor:
    """Zero the input where the mask is 1."""
    return patched * (1 - mask)


def position_error(recon: Tensor, target: Tensor) -> Tensor:
    """Squared error summed over channels: [B, C, h, w] -> [B, 1, h, w]."""
    return (widen(recon) - widen(target)).square().sum(1, keepdim=True)


def reconstruction_loss(recon: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Error over the masked positions / (their number + 1e-8), per sample: -> [B]."""
    scored = (position_error(recon, target) * mask).sum((1, 2, 3))
    return scored / (mask.sum((1, 2, 3)) + MASKED_COUNT_EPS)


def joint_loss(
    logits: Tensor,
    labels: Tensor,
    recon: Tensor,
    target: Tensor,
    mask: Tensor,
    lambda_cls: float | Tensor,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Both losses in float32 and their mixture [B], with the metrics of `forward`."""
    labels = labels.long()
    reconstruction = reconstruction_loss(recon, target, mask)
    classification = functional.cross_entropy(logits.float(), labels, reduction="none")
    loss = mix(classification, reconstruction, lambda_cls)
    metrics = {
        "loss": loss.detach(),
        "recon_loss": reconstruction.detach(),
        "cls_loss": classification.detach(),
        "accuracy": (logits.detach().argmax(1) == labels).float(),
        "mask_ratio": mask.mean((1, 2, 3)),
    }
    return loss, metrics


def mix(classification: Tensor, reconstruction: Tensor, lambda_cls: float | Tensor) -> Tensor:
    """lambda * classification + (1 - lambda) * reconstruction."""
    return lambda_cls * classification + (1 - lambda_cls) * reconstruction


def _checked_mask(mask: Tensor, patched: Tensor) -> Tensor:
    expected = (patched.shape[0], 1, *patched.shape[2:])
    if tuple(mask.shape) != expected:
        raise InputError(
            "MaskedAutoencoder.forward: mask",
            found=f"shape {tuple(mask.shape)}",
            expected=f"{expected}, one entry per position of the patchified grid",
        )
    return mask.to(patched.device, torch.float32)


def _check_every(every: float | None) -> None:
    if every is not None and (isinstance(every, bool) or not every >= 1):
        raise InputError(
            "activations: every_k_block", found=repr(every), expected="at least 1, or None"
        )
