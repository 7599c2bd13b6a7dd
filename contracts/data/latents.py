"""Checks of the latent cache: factor, posterior, mirror, digests, interruption, settings."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from drift.config.sections import Data
from drift.data import encode as encoding
from drift.data import tokenizer
from drift.data.latents import LatentSource
from drift.data.source import DataError
from drift.errors import DriftError
from verify.api import CheckContext, Measurement, check

from ..common.places import folder
from . import cases

ALL = "reference:data"


@check("data.factor", needs=("encode_latents", "LatentSource"))
def factor(ctx: CheckContext) -> Measurement:
    """What a run reads is the tokenizer's factor times the posterior's mean, for every image."""
    wanted = {v for k, v in ctx.fact(f"{ALL}.scaling_factor").items() if k in ctx.params["columns"]}
    (stated,) = wanted
    with folder() as root:
        images = cases.write_folder(root / "images")
        cases.encoded(images, root / "cache", posterior="mean", mirrored=False)
        try:
            source = ctx.subject.LatentSource(root / "cache")
            found = source.get(torch.arange(len(source.labels)))
        except DriftError as error:
            return ctx.decide(False, f"a cache that was just written is refused: {error}")
    mean, _ = cases.posterior(_crops())
    expected = stated * mean
    error_ = _relative(found, expected)
    ratio = float((found * mean).sum() / (mean * mean).sum())
    return ctx.judge(
        error_,
        f"stored latents are {ratio:.6g} x the posterior's mean; the factor is {stated}",
        details={"factor": stated, "found": ratio, "images": len(mean)},
    )


@check("data.mirror", needs=("encode_latents", "LatentSource"))
def mirror(ctx: CheckContext) -> Measurement:
    """Entry i + N is the encoding of the mirrored image i, and has its label."""
    with folder() as root:
        images = cases.write_folder(root / "images")
        cases.encoded(images, root / "cache", posterior="mean", mirrored=True)
        source = ctx.subject.LatentSource(root / "cache")
        count = len(cases.originals())
        if len(source.labels) != 2 * count:
            return ctx.decide(False, f"{len(source.labels)} samples of {count} mirrored pairs")
        found = source.get(torch.arange(count, 2 * count))
        if not torch.equal(source.labels[:count], source.labels[count:]):
            return ctx.decide(False, "a mirrored latent has another label than its image")
    factor = cases.tokenizer().scaling_factor
    expected = factor * cases.posterior(_crops().flip(-1))[0]
    turned = factor * cases.posterior(_crops())[0].flip(-1)
    apart = _relative(turned, expected)
    if apart < 100 * float(ctx.tolerance or 0):
        return ctx.missing(f"mirroring the latent differs by {apart:.2g} only: nothing is tested")
    error_ = _relative(found, expected)
    return ctx.judge(
        error_,
        f"encodings of {count} mirrored images; mirroring the latent instead is {apart:.2g} off",
        details={"mirrored_latent_off_by": apart},
    )


@check("data.posterior", needs=("encode_latents", "LatentSource"))
def posterior(ctx: CheckContext) -> Measurement:
    """(latent / factor - mean) / deviation: zero for the mean, standard normal for a sample."""
    default = ctx.fact(f"{ALL}.posterior")[ctx.params["column"]]
    residuals = {}
    with folder() as root:
        images = cases.write_folder(root / "images")
        for kind in ("mean", "sample"):
            cases.encoded(images, root / kind, posterior=kind, seed=ctx.seed)
            residuals[kind] = _residuals(ctx.subject.LatentSource(root / kind))
    still = float(residuals["mean"].abs().max())
    if still > 1e-4:
        return ctx.decide(False, f"the mean was asked for, {still:.3g} deviations off it stored")
    z = residuals["sample"].double().flatten()
    spread = float((z.square().sum() - z.numel()) / math.sqrt(2 * z.numel()))
    centre = float(z.sum() / math.sqrt(z.numel()))
    a, b = residuals["sample"].flatten(1).double().chunk(2)
    shared = float((a * b).sum() / math.sqrt(a.numel()))
    figures = {"mean": centre, "variance": spread, "image with its mirror image": shared}
    name, worst = max(figures.items(), key=lambda item: abs(item[1]))
    return ctx.judge(
        abs(worst),
        f"{z.numel()} residuals of the default, {default}: {name} {worst:+.2f} standard errors off "
        "independent standard normal numbers",
        unit="standard errors",
        details=figures,
    )


@check("data.noise_of_an_image", needs=("encode_latents", "LatentSource"))
def noise_of_an_image(ctx: CheckContext) -> Measurement:
    """The same latents whatever the batch, the shards and the threads; others for another seed."""
    read: dict[str, Tensor] = {}
    variants: dict[str, dict[str, Any]] = {
        "one by one": {"pace": encoding.Pace(batch=1, workers=1), "per_shard": 15},
        "in batches of 4": {"pace": encoding.Pace(batch=4, workers=2), "per_shard": 7},
        "again": {"pace": encoding.Pace(batch=4, workers=3), "per_shard": 7},
        "another seed": {"pace": encoding.Pace(batch=4, workers=1), "seed": ctx.seed + 1},
    }
    with folder() as root:
        images = cases.write_folder(root / "images")
        for name, settings in variants.items():
            cases.encoded(images, root / name, **({"seed": ctx.seed} | settings))
            source = ctx.subject.LatentSource(root / name)
            read[name] = source.get(torch.arange(len(source.labels)))
    first = read["one by one"]
    if _relative(read["another seed"], first) < 0.01:
        return ctx.decide(False, "another seed gives the same samples")
    if not torch.equal(read["in batches of 4"], read["again"]):
        return ctx.decide(False, "the same settings give other bits the second time")
    off = _relative(read["in batches of 4"], first)
    return ctx.judge(off, f"batches of 1 and of 4 differ by {off:.2g} of the largest latent")


@check("data.round_trip", needs=("encode_latents", "LatentSource"))
def round_trip(ctx: CheckContext) -> Measurement:
    """Read back to the bit; any flipped byte of a shard is refused with its name and digests."""
    generator = torch.Generator().manual_seed(ctx.seed)
    with folder() as root:
        cases.encoded(cases.write_folder(root / "images"), root / "cache")
        try:
            source = ctx.subject.LatentSource(root / "cache")
            every = torch.arange(len(source.labels))
            before = source.get(every)
        except DriftError as error:
            return ctx.decide(False, f"a cache that was just written is refused: {error}")
        written = [load_file(path) for path in sorted((root / "cache").glob("*.safetensors"))]
        stored = [shard[side] for side in ("latents", "mirrored") for shard in written]
        backwards = source.get(every.flip(0)).flip(0)
        if not (torch.equal(before, torch.cat(stored)) and torch.equal(before, backwards)):
            return ctx.decide(False, "latents are read that are not the stored ones at their place")
        path = root / "cache" / "shard-00001.safetensors"
        good = path.read_bytes()
        places = torch.randint(len(good), (ctx.examples,), generator=generator).tolist()
        for place in [*places, 0, len(good) - 1]:
            for opened in (source, ctx.subject.LatentSource(root / "cache")):
                problem = _flip(opened, path, good, place)
                if problem:
                    return ctx.decide(False, problem)
        path.write_bytes(good)
        if not torch.equal(before, source.get(every)):
            return ctx.decide(False, "the mended shard is not read as before")
    return ctx.decide(
        True, f"{2 * len(places) + 4} flipped bytes refused, latents equal to the bit"
    )


@check("data.interrupted", needs=("encode_latents",))
def interrupted(ctx: CheckContext) -> Measurement:
    """A full disk at any write, then the same command again: the bytes of one undisturbed run."""
    with folder() as root:
        images = cases.write_folder(root / "images")
        cases.encoded(images, root / "whole")
        whole = cases.contents(root / "whole")
        for failing in range(2 * (len(whole) - 1) + 1):
            out = root / f"full-{failing}"
            problem = _fill_up(images, out, failing, whole) or _damage_and_go_on(
                images, out, whole, finished=failing // 2
            )
            if problem:
                return ctx.decide(False, f"disk full at write {failing}: {problem}")
    return ctx.decide(True, f"{failing + 1} writes failed in turn; each cache ends up the same")


@check("data.template", needs=("open_source", "encode_latents"))
def template(ctx: CheckContext) -> Measurement:
    """A cache is taken where it is what the template states; each other key is named."""
    with folder() as root:
        manifest = cases.encoded(cases.write_folder(root / "images"), root / "cache")
        settings = manifest.settings
        right = {
            "dataset": "imagenet",
            "resolution": settings.resolution,
            "tokenizer": settings.vae,
            "tokenizer_revision": settings.vae_revision,
            "scaling_factor": settings.scaling_factor,
            "posterior": "sample",
            "mirror": "own-latent",
            "crop": "adm-centre",
        }
        source = ctx.subject.open_source(root / "cache", Data.model_validate(right))
        if len(source.labels) != 2 * manifest.origin.images:
            return ctx.decide(False, "the mirrored pair of the template is not used")
        other = {
            "resolution": 256,
            "tokenizer": ctx.fact(f"{ALL}.tokenizer")["B2"],
            "tokenizer_revision": ctx.fact("community:data.tokenizer_revision")["B2"],
            "scaling_factor": 0.13025,
            "posterior": "mean",
            "crop": "squash",
            "mirror": "flip",
        }
        for key, value in other.items():
            wrong = Data.model_validate(right | {key: value})
            said = _refusal(lambda w=wrong: ctx.subject.open_source(root / "cache", w))
            if said is None or f"data.{key}" not in said:
                return ctx.decide(
                    False, f"data.{key}: {value} taken for a cache without it: {said}"
                )
    return ctx.decide(True, f"{len(other)} differing keys, each refused by its name")


@check("data.defaults", needs=("encode_latents",))
def defaults(ctx: CheckContext) -> Measurement:
    """What `drift encode IMAGES --out DIR` does is what the release did, at a pinned revision."""
    from drift.commands.encode import command

    column = ctx.params["column"]
    options = {option.name: option.default for option in command.params}
    settings = encoding.settings_for(cases.tokenizer())
    facts = {name: ctx.fact(f"{ALL}.{name}")[column] for name in ctx.params["facts"]}
    expected = {
        "vae": facts["tokenizer"],
        "revision": ctx.fact("community:data.tokenizer_revision")[column],
        "factor": facts["scaling_factor"],
        "posterior": (facts["posterior"],) * 2,
        "mirrored": (facts["mirror"] == "own-latent",) * 2,
        "crop": facts["crop"],
        "resolution": (ctx.fact("paper:data.resolution"),) * 2,
    }
    found = {
        "vae": tokenizer.VAE,
        "revision": tokenizer._pinned(tokenizer.VAE, None),
        "factor": tokenizer.SCALING_FACTOR,
        "posterior": (settings.posterior, options["posterior"]),
        "mirrored": (settings.mirrored, options["mirrored"]),
        "crop": settings.crop,
        "resolution": (settings.resolution, options["resolution"]),
    }
    wrong = [
        f"{k} is {found[k]!r}, stated {expected[k]!r}" for k in found if found[k] != expected[k]
    ]
    reason = "; ".join(wrong) or f"{len(found)} defaults are the stated ones"
    return ctx.decide(not wrong, reason, measured=float(len(wrong)), unit="defaults")


def _crops() -> Tensor:
    return torch.stack([cases.cropped(levels) for levels in cases.originals().values()])


def _relative(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).abs().max() / expected.abs().max())


def _residuals(source: Any) -> Tensor:
    """[2N, C, H, W]: how many deviations each stored latent is off its posterior's mean."""
    crops = _crops()
    mean, deviation = cases.posterior(torch.cat([crops, crops.flip(-1)]))
    latents: Tensor = source.get(torch.arange(len(source.labels)))
    residuals: Tensor = (latents / source.manifest.settings.scaling_factor - mean) / deviation
    return residuals


def _flip(source: Any, path: Path, good: bytes, place: int) -> str | None:
    """What is wrong with the answer to a byte of `path` that changed."""
    bad = bytearray(good)
    bad[place] ^= 1 << (place % 8)
    path.write_bytes(bad)
    said = _refusal(lambda: source.get(torch.arange(6, 12)))
    if said is None:
        return f"byte {place} of {path.name} flipped, and its latents are read"
    named = (path.name, _sha256(good), _sha256(bytes(bad)))
    missing = [part for part in named if part not in said]
    return f"byte {place} flipped: the error lacks {missing[0]}: {said}" if missing else None


def _fill_up(images: Path, out: Path, failing: int, whole: dict[str, bytes]) -> str | None:
    with cases.full_disk(after=failing):
        said = _refusal(lambda: cases.encoded(images, out))
    if said is None or "full disk" not in said:
        return f"the error is {said}"
    left = cases.contents(out) if out.exists() else {}
    half = [name for name, data in left.items()
            if name != "manifest.json" and whole.get(name) != data]  # fmt: skip
    if half:
        return f"{half[0]} is left half-written"
    if left and _refusal(lambda: LatentSource(out)) is None:
        return "the unfinished cache can be opened"
    return None


def _damage_and_go_on(
    images: Path, out: Path, whole: dict[str, bytes], *, finished: int
) -> str | None:
    """Go on after one finished shard was damaged: it and what was missing are encoded, no more."""
    shard = out / "shard-00000.safetensors"
    again = 15 - min(6 * finished, 15)
    if finished and (out / "manifest.json").exists():
        data = shard.read_bytes()
        shard.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        again += 6
    done: list[int] = []
    pace = encoding.Pace(batch=4, workers=1, on_images=done.append)
    said = _refusal(lambda: cases.encoded(images, out, pace))
    if said is not None:
        return f"going on is refused: {said}"
    if cases.contents(out) != whole:
        return "going on gives other files than an undisturbed run"
    if done[-1] - done[0] != again:
        return f"{done[-1] - done[0]} images encoded by going on; {again} were missing or damaged"
    return None


def _refusal(action: Any) -> str | None:
    """What `action` raises, with its type where it is not a DataError; None where it succeeds."""
    try:
        action()
    except DataError as error:
        return str(error)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
