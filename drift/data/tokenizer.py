"""The autoencoder that turns images into latents, and which one it is."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from drift.artifacts import contents
from drift.artifacts.errors import shown
from drift.data.entries import sha256_of
from drift.data.source import DataError

# The release's tokenizer. It names no revision; this one is pinned, because without one the latents
# of two runs may differ (fact community:data.tokenizer_revision).
VAE = "stabilityai/sd-vae-ft-mse"
REVISION = "31f26fdeee1355a5c34592e401dd41e45d25a493"
SCALING_FACTOR = 0.18215
LOCAL = "local:"

_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+\Z", re.ASCII)
_COMMIT = re.compile(r"[0-9a-f]{40}\Z")


@dataclass(frozen=True)
class Tokenizer:
    """`model` is a frozen diffusers AutoencoderKL in evaluation mode, `sha256` its parameters'."""

    model: Any
    name: str
    revision: str
    sha256: str
    scaling_factor: float

    @property
    def reduction(self) -> int:
        """Pixels of a side per latent cell."""
        return int(2 ** (len(self.model.config.block_out_channels) - 1))

    def latent_shape(self, resolution: int) -> tuple[int, int, int]:
        """(C, H, W) of the latent of a square image; raises DataError where it does not divide."""
        config = self.model.config
        reduction = self.reduction
        if resolution % reduction:
            raise DataError(
                "--resolution",
                found=resolution,
                expected=f"a multiple of {reduction}, by which {self.name} reduces a side",
            )
        return config.latent_channels, resolution // reduction, resolution // reduction


def open_tokenizer(
    vae: str | None = None,
    revision: str | None = None,
    *,
    device: str = "cpu",
    offline: bool = False,
) -> Tokenizer:
    """Load an autoencoder from a folder, or from the model hub at a commit.

    vae      folder, or OWNER/NAME; default: the pinned one
    offline  take it from this machine's cache or not at all
    Raises DataError where it is not there, is not pinned, or does not fit its own configuration.
    """
    vae = VAE if vae is None else vae
    local = Path(vae).is_dir()
    name, commit = (LOCAL + Path(vae).resolve().name, "none") if local else (vae, revision)
    if local and revision is not None:
        raise DataError(
            "--revision", found=revision, expected="none with the folder of a local autoencoder"
        )
    if not local:
        commit = _pinned(vae, revision)
    model = _load(vae, None if local else commit, offline=offline)
    factor = _scaling_factor(model, name)
    try:
        model = model.to(device).eval().requires_grad_(False)
    except (RuntimeError, AssertionError) as error:
        reason = shown(str(error).splitlines()[0])
        raise DataError("--device", found=f"{device} ({reason})", expected="a device") from error
    return Tokenizer(model, name, str(commit), parameters_sha256(model), factor)


def of_model(model: Any, name: str) -> Tokenizer:
    """An autoencoder that is in memory already, under what it is said to be: `NAME@REVISION`.

    Raises DataError for parameters that are not float32, whose digest would be another, and for a
    factor that is none.
    """
    kinds = sorted({str(tensor.dtype) for tensor in model.state_dict().values()})
    if kinds != ["torch.float32"]:
        raise DataError(
            f"autoencoder {name}", found=f"parameters of {', '.join(kinds)}", expected="float32",
            remedy="Pass it as it was loaded; cast the pipeline afterwards, with `.to(dtype)`.",
        )  # fmt: skip
    name, _, revision = name.rpartition("@")
    return Tokenizer(model, name, revision, parameters_sha256(model), _scaling_factor(model, name))


def parameters_sha256(model: Any) -> str:
    """The digest of drift.artifacts.contents over all parameters, as float32."""
    lines = []
    for name, tensor in model.state_dict().items():
        data = tensor.cpu().contiguous().numpy().tobytes()
        lines.append(contents.digest_line(name, "F32", tensor.shape, sha256_of(data)))
    return contents.combined(lines)


def _pinned(vae: str, revision: str | None) -> str:
    if not _REPOSITORY.match(vae):
        raise DataError(
            "--vae",
            found=shown(vae),
            expected="the folder of an AutoencoderKL, or a repository OWNER/NAME of the model hub",
        )
    revision = REVISION if revision is None and vae == VAE else revision
    if revision is None or not _COMMIT.match(revision):
        raise DataError(
            "--revision",
            found=revision or "none",
            expected="a commit, 40 hexadecimal digits in lower case",
            remedy="A branch or tag may move, and the latents of two runs would differ.",
        )
    return revision


def _load(vae: str, revision: str | None, *, offline: bool) -> Any:
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

    try:
        model, info = AutoencoderKL.from_pretrained(
            vae,
            revision=revision,
            local_files_only=offline or revision is None,
            use_safetensors=True,  # never a pickle
            torch_dtype=torch.float32,
            low_cpu_mem_usage=False,
            output_loading_info=True,
        )
    except Exception as error:  # of the hub, the file system, safetensors, or a bad configuration
        reason = shown(str(error).strip().splitlines()[0] if str(error).strip() else error)
        raise DataError(
            f"autoencoder {vae}",
            found=reason,
            expected="config.json and diffusion_pytorch_model.safetensors of an AutoencoderKL",
            remedy="Fetch it where there is a network and pass its folder with --vae.",
        ) from error
    odd = {key: names for key, names in info.items() if names}
    if odd:  # diffusers would go on with random parameters in their place
        raise DataError(
            f"autoencoder {vae}",
            found="; ".join(f"{key}: {shown(list(names)[:3])}" for key, names in odd.items()),
            expected="exactly the parameters of its configuration",
        )
    return model


def _scaling_factor(model: Any, name: str) -> float:
    """The factor of the configuration; any other map to the generator's latents is refused."""
    config = model.config
    for key in ("shift_factor", "latents_mean", "latents_std"):
        if config.get(key) is not None:
            raise DataError(
                f"autoencoder {name}: {key}",
                found=config[key],
                expected="none: latents are scaled by one factor and not shifted",
            )
    factor = config.get("scaling_factor")
    if type(factor) not in (int, float) or not (math.isfinite(factor) and factor > 0):
        raise DataError(
            f"autoencoder {name}: scaling_factor", found=shown(factor),
            expected="a finite number above 0, by which its latents are scaled",
            remedy="State it in config.json; 1.0 where the latents are used as they are.",
        )  # fmt: skip
    factor = float(factor)
    if name == VAE and factor != SCALING_FACTOR:
        raise DataError(
            f"autoencoder {name}", found=f"factor {factor}", expected=str(SCALING_FACTOR)
        )
    return factor
