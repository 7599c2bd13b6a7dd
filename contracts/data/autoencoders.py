"""Checks of which autoencoder is opened: pins, folders, factors, digests, and what is refused."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from functools import partial
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import torch
from torch import nn

from drift.data import posterior, tokenizer
from drift.data.latents import LATENTS, MIRRORED
from verify.api import CheckContext, Measurement, check, mutant

from ..common.places import folder
from ..common.rows import Refused, Row, judge_rows

COMMIT = "c" * 40


class _Config(dict[str, Any]):
    """Keys as attributes, as the library's configurations have them."""

    def __getattr__(self, name: str) -> Any:
        return self[name]


class Small(nn.Module):
    """One number, and a configuration."""

    def __init__(self, **config: Any) -> None:
        super().__init__()
        self.x = nn.Parameter(torch.tensor([1.5]))
        stated = {"scaling_factor": 0.5, "block_out_channels": (8, 8, 8), "latent_channels": 4}
        self.config = _Config({**stated, **config})


def _sha256() -> str:
    data = hashlib.sha256(torch.tensor([1.5]).numpy().tobytes()).hexdigest()
    return hashlib.sha256(f"x F32 1 {data}\n".encode()).hexdigest()


@check("data.autoencoders")
def autoencoders(ctx: CheckContext) -> Measurement:
    """Autoencoders of one number, opened by name, by folder and from memory."""
    return judge_rows(
        ctx,
        (*_opened(), *_fetched(), *_of_memory(), *_shapes(), *_points()),
        "facts of autoencoders",
    )


def _open(vae: str | None, revision: str | None, **config: Any) -> object:
    """What is loaded with which arguments, and what it is then called."""
    asked: list[object] = []

    def load(*given: Any, **more: Any) -> nn.Module:
        asked.append((given, more))
        return Small(**config)

    with patch.object(tokenizer, "_load", load):
        found = tokenizer.open_tokenizer(vae, revision)
    still = (found.model.training, found.model.x.requires_grad)
    return asked, found.name, found.revision, found.sha256 == _sha256(), found.scaling_factor, still


def _opened() -> Iterator[Row]:
    still = (False, False)
    own = ([((tokenizer.VAE, tokenizer.REVISION), {"offline": False})], tokenizer.VAE)
    pinned = partial(_open, None, None, scaling_factor=0.18215)
    yield "the release's", pinned, (*own, tokenizer.REVISION, True, 0.18215, still)
    other = ([(("o/n", COMMIT), {"offline": False})], "o/n", COMMIT, True, 0.5, still)
    yield "another at its commit", partial(_open, "o/n", COMMIT), other
    whole = partial(_open, "o/n", COMMIT, scaling_factor=1)
    yield "a whole factor", whole, (*other[:4], 1.0, still)
    with folder() as place:
        local = ([((str(place), None), {"offline": False})], f"local:{place.name}", "none")
        yield "a folder", _kept(partial(_open, str(place), None)), (*local, True, 0.5, still)
        said = Refused(f"--revision: found {COMMIT}", "none with the folder")
        yield "a folder at a commit", _kept(partial(_open, str(place), COMMIT)), said
    for vae, revision, words in (
        ("o/n", None, ("--revision: found none", "40 hexadecimal")), ("o/n", "main",
         ("found main",)),
        ("o/n", "C" * 40, ("lower case",)), ("o", COMMIT, ("--vae: found 'o'", "OWNER/NAME")),
        ("o/n/m", COMMIT, ("--vae",)), ("o n/m", COMMIT, ("--vae",)),
    ):  # fmt: skip
        yield f"{vae} {revision}", partial(_open, vae, revision), Refused(*words)
    for config, words in (
        ({"shift_factor": 0.1}, ("shift_factor: found 0.1", "one factor and not shifted")),
        ({"latents_mean": [0.0]}, ("latents_mean",)), ({"latents_std": [1.0]}, ("latents_std",)),
        ({"scaling_factor": 0}, ("scaling_factor", "above 0")), ({"scaling_factor": None},
         ("None",)),
        ({"scaling_factor": float("inf")}, ("inf", "1.0 where")), ({"scaling_factor": True},
         ("True",)),
        ({"scaling_factor": -1.0}, ("-1.0",)), ({"scaling_factor": float("nan")}, ("nan",)),
    ):  # fmt: skip
        said = Refused("autoencoder o/n", *words)
        yield f"{config}", partial(_open, "o/n", COMMIT, **config), said
    moved = partial(_open, None, None)
    yield "another factor of the release's", moved, Refused(tokenizer.VAE, "factor 0.5", "0.18215")
    nowhere = partial(tokenizer.open_tokenizer, "o/n", COMMIT, device="nowhere")
    with patch.object(tokenizer, "_load", lambda *given, **more: Small()):
        yield "no such device", _kept(nowhere), Refused("--device: found nowhere (", "a device")


LIBRARY = "diffusers.models.autoencoders.autoencoder_kl"


def _fetch(vae: str, revision: str | None, offline: bool, gives: object) -> object:
    """What the library is asked for, and what becomes of its answer."""
    asked: list[object] = []

    def from_pretrained(*given: Any, **more: Any) -> object:
        asked.append((given, more))
        if isinstance(gives, Exception):
            raise gives
        return "a model", gives

    library = SimpleNamespace(AutoencoderKL=SimpleNamespace(from_pretrained=from_pretrained))
    with patch.dict(sys.modules, {LIBRARY: library}):
        return tokenizer._load(vae, revision, offline=offline), asked


def _fetched() -> Iterator[Row]:
    """Only the cache where nothing may be fetched, never a pickle, whole, in single precision."""
    whole: dict[str, list[str]] = {"missing_keys": [], "unexpected_keys": []}
    for vae, revision, offline, cached in (
        ("o/n", COMMIT, False, False), ("o/n", COMMIT, True, True), ("place", None, False, True),
    ):  # fmt: skip
        options = {
            "revision": revision, "local_files_only": cached, "use_safetensors": True,
            "torch_dtype": torch.float32, "low_cpu_mem_usage": False, "output_loading_info": True,
        }  # fmt: skip
        made = partial(_fetch, vae, revision, offline, whole)
        yield f"fetched {vae} {offline}", made, ("a model", [((vae,), options)])
    for gives, words in (
        (OSError(" first\nsecond "), "found 'first'; expected config.json"),
        (ValueError(""), "found ValueError(''); expected config.json"),
        ({**whole, "missing_keys": list("abcd")},
         "found missing_keys: ['a', 'b', 'c']; expected exactly the parameters"),
    ):  # fmt: skip
        yield f"{gives}", partial(_fetch, "o/n", COMMIT, False, gives), Refused(
            "autoencoder o/n", words
        )  # fmt: skip
    found = _offline()
    yield "offline is passed on", lambda: found, [((tokenizer.VAE, COMMIT), {"offline": True})]


def _offline() -> list[object]:
    asked: list[object] = []

    def load(*given: Any, **more: Any) -> nn.Module:
        asked.append((given, more))
        return Small(scaling_factor=0.18215)

    with patch.object(tokenizer, "_load", load):
        tokenizer.open_tokenizer(None, COMMIT, offline=True)
    return asked


def _kept(call: Any) -> Any:
    """What a call gives now, or raises, whenever it is asked for."""
    try:
        found = call()
    except Exception as error:
        return partial(_raise, error)
    return lambda: found


def _raise(error: Exception) -> None:
    raise error


def _of_memory() -> Iterator[Row]:
    found = tokenizer.of_model(Small(), f"o/n@{COMMIT}")
    names = (found.name, found.revision, found.sha256 == _sha256(), found.scaling_factor)
    yield "in memory", lambda: names, ("o/n", COMMIT, True, 0.5)
    half = partial(tokenizer.of_model, Small().half(), "o/n@c")
    said = Refused("parameters of torch.float16", "float32", "`.to(dtype)`")
    yield "in half precision", half, said


def _shapes() -> Iterator[Row]:
    found = tokenizer.of_model(Small(), f"o/n@{COMMIT}")
    yield "reduction", lambda: found.reduction, 4
    yield "a latent's shape", lambda: found.latent_shape(20), (4, 5, 5)
    said = Refused("--resolution: found 18", "a multiple of 4", "o/n")
    yield "a side that does not divide", partial(found.latent_shape, 18), said


def _points() -> Iterator[Row]:
    """Which point of a posterior is stored: its mean, or mean + deviation x the image's noise."""
    mean = torch.tensor([[[[1.0, 2.0]]], [[[-1.0, 0.5]]]])
    deviation = torch.tensor([[[[0.5, 4.0]]], [[[2.0, 0.0]]]])
    gaussian = SimpleNamespace(mean=mean, std=deviation)

    def point(kind: str, side: str, first: int, seed: int) -> list[float]:
        settings: Any = SimpleNamespace(posterior=kind, seed=seed, shape=(1, 1, 2))
        found = posterior.point(gaussian, range(first, first + 2), side, settings)
        return [round(value, 5) for value in found.flatten().tolist()]

    for side, purpose in ((LATENTS, "posterior"), (MIRRORED, "posterior-mirrored")):
        yield f"the mean of {side}", partial(point, "mean", side, 3, 7), [1.0, 2.0, -1.0, 0.5]
        for first, seed in ((0, 0), (3, 7)):
            noise = torch.cat([_noise(f"{seed}/{purpose}/{first + i}") for i in range(2)])
            wanted = [round(v, 5) for v in (mean.flatten() + deviation.flatten() * noise).tolist()]
            call = partial(point, "sample", side, first, seed)
            yield f"a sample of {side} at {first} with seed {seed}", call, wanted


def _noise(name: str) -> torch.Tensor:
    """Two numbers of the stream of this name."""
    number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little") % (1 << 63)
    return torch.randn(2, generator=torch.Generator().manual_seed(number))


@mutant("data.any_factor", tokenizer, "_scaling_factor")
def any_factor(real: Any, model: Any, name: str) -> float:
    """A factor is whatever the configuration holds."""
    return float(model.config.get("scaling_factor") or 1.0)


# A branch pins an autoencoder.
ANY_BRANCH = mutant("data.any_branch", tokenizer, _pinned=lambda vae, revision: revision or "main")
