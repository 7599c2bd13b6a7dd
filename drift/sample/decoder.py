"""From latents to images, by an autoencoder that is named and pinned."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from drift.sample.loading import NONE, Origin, SampleError

if TYPE_CHECKING:
    from drift.data.tokenizer import Tokenizer

_DIGEST = re.compile("[0-9a-f]{64}")


class Decoder:
    """Latents [N, C, h, w] -> samples [N, 3, H, W] in about [-1, 1]; none: the identity."""

    def __init__(self, vae: Any | None, scaling_factor: float, identity: str) -> None:
        self.vae = vae
        self._factor = scaling_factor
        self.identity = identity

    @torch.no_grad()
    def __call__(self, latents: Tensor) -> Tensor:
        if self.vae is None:
            return latents
        device = next(self.vae.parameters()).device
        decoded: Tensor = self.vae.decode(latents.to(device) / self._factor).sample
        return decoded.float().cpu()


def decoder_for(
    origin: Origin, vae: str | None, revision: str | None, *, device: str = "cpu"
) -> Decoder:
    """The decoder of a generator's samples.

    vae       an AutoencoderKL of diffusers: a repository with the 40 digits of a commit as
              `revision`, or a folder with the digest of its parameters, which `drift encode` shows
    Raises SampleError for latents without such a pair, for an autoencoder that is not the one the
    generator was trained with (by name and commit, or by the digest in the cache of the run), and
    for a pair where the samples are pixels; DataError where the autoencoder cannot be read.
    """
    if origin.tokenizer == NONE:
        if vae is not None:
            raise SampleError("--vae", found=vae, expected="none: the samples are pixels")
        return Decoder(None, 1.0, NONE)
    if vae is None or revision is None:
        raise SampleError(
            "latents", found=f"--vae {vae}, --vae-revision {revision}",
            expected=f"the autoencoder of {origin.tokenizer}, with its pinned revision",
            remedy="Latents are never decoded by an unnamed autoencoder; or write .safetensors.",
        )  # fmt: skip
    from drift.data import tokenizer

    local = Path(vae).is_dir()
    if not local and f"{vae}@{revision}" != origin.tokenizer:
        raise SampleError(
            "--vae", found=f"{vae}@{revision}",
            expected=f"{origin.tokenizer}, with which the generator was trained",
        )  # fmt: skip
    opened = tokenizer.open_tokenizer(vae, None if local else revision, device=device)
    if local and opened.sha256 != revision:
        raise SampleError(
            f"{vae}: parameters", found=f"sha256 {opened.sha256}", expected=revision,
            remedy="Name the digest of the autoencoder that made the latents.",
        )  # fmt: skip
    _require_trained_with(opened, origin, by_name=not local)
    return Decoder(opened.model, opened.scaling_factor, f"{opened.name}@{revision}")


def require_own(vae: Any | None, origin: Origin) -> None:
    """Raise SampleError unless a diffusers AutoencoderKL in memory, or none, is that of the run.

    Parameters are held to the digest that the run records; where it records none, as for weights of
    the release, only the factor is.
    """
    if (vae is None) != (origin.tokenizer == NONE):
        raise SampleError(
            "vae", found="none" if vae is None else type(vae).__name__,
            expected="none: the samples are pixels" if vae is not None
            else f"the autoencoder {origin.tokenizer} of these latents",
        )  # fmt: skip
    if vae is not None:
        from drift.data import tokenizer

        by_name = not origin.tokenizer.startswith(tokenizer.LOCAL)
        _require_trained_with(tokenizer.of_model(vae, origin.tokenizer), origin, by_name=by_name)


def _require_trained_with(opened: Tokenizer, origin: Origin, *, by_name: bool) -> None:
    """Raise SampleError for parameters or a factor other than those behind the run's latents.

    by_name  a repository at its commit, which pins it also where no digest is recorded
    """
    pinned = origin.tokenizer.rpartition("@")[2]
    wanted = origin.tokenizer_sha256 or (pinned if _DIGEST.fullmatch(pinned) else None)
    if wanted is None and not by_name:
        raise SampleError(
            f"--vae {opened.name}", found="a local autoencoder for a run that records no digest",
            expected=f"{origin.tokenizer}, by name and commit",
            remedy="Only a run on a latent cache of this version says which parameters made it.",
        )  # fmt: skip
    if wanted is not None and opened.sha256 != wanted:
        raise SampleError(
            f"--vae {opened.name}: parameters", found=f"sha256 {opened.sha256}",
            expected=f"{wanted}, with which the generator was trained",
        )  # fmt: skip
    if origin.step is not None and opened.scaling_factor != origin.scaling_factor:
        raise SampleError(
            f"--vae {opened.name}: scaling_factor", found=opened.scaling_factor,
            expected=f"{origin.scaling_factor}, by which the run's latents were scaled",
        )  # fmt: skip
