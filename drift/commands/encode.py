"""`drift encode`: a latent cache from a folder of images."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from drift.commands import runs
from drift.progress import duration, progress

if TYPE_CHECKING:
    from drift.data.entries import Listing
    from drift.data.manifest import Manifest, Settings
    from drift.data.tokenizer import Tokenizer

TIMED_IMAGES = 4


@click.command("encode")
@click.argument("images", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder of the cache.")
@click.option(
    "--vae",
    metavar="REPOSITORY|DIR",
    help="AutoencoderKL: of the model hub, or a local folder.  [default: "
    "stabilityai/sd-vae-ft-mse at its pinned revision]",
)
@click.option("--revision", metavar="HEX", help="Commit of the repository: 40 hexadecimal digits.")
@click.option("--resolution", type=click.IntRange(min=1), default=256, show_default=True)
@click.option(
    "--posterior", type=click.Choice(["sample", "mean"]), default="sample", show_default=True
)
@click.option(
    "--mirror/--no-mirror",
    "mirrored",
    default=True,
    show_default=True,
    help="Store the latent of the mirrored image too.",
)
@click.option(
    "--dtype", type=click.Choice(["float16", "float32"]), default="float32", show_default=True
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option(
    "--per-shard",
    type=click.IntRange(1, 1 << 20),
    default=1024,
    show_default=True,
    help="Images a file.",
)
@click.option("--batch", type=click.IntRange(min=1), default=16, show_default=True)
@click.option(
    "--workers",
    type=click.IntRange(1, 256),
    default=4,
    show_default=True,
    help="Threads that read and crop images.",
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda[:N].")
@click.option("--name", help="What the images are called.  [default: unknown]")
@click.option("--licence", help="Of the images, an SPDX expression.  [default: unknown]")
@click.option("--dry-run", is_flag=True, help="Print images, bytes and time; write nothing.")
@runs.wait_option
def command(
    images: Path,
    out: Path,
    vae: str | None,
    revision: str | None,
    batch: int,
    workers: int,
    device: str,
    name: str | None,
    licence: str | None,
    dry_run: bool,
    wait_s: float,
    **chosen: Any,
) -> None:
    """Encode IMAGES (a folder per class, or tar archives) into a cache of latents.

    Images are cropped as ADM does, encoded once as they are and once mirrored, scaled by the
    autoencoder's factor and stored in safetensors shards with a manifest. The same command goes on
    where it was interrupted; every shard it keeps is verified first.
    """
    from drift import devices
    from drift.data import encode as encoding
    from drift.data.dataset import stated
    from drift.data.listing import list_images
    from drift.data.tokenizer import open_tokenizer

    dataset = stated(name, licence)
    with runs.joined(devices.chosen(device), wait_s) as (ranks, own):
        say = runs.voice(ranks)
        with ranks.met():
            listing = list_images(images)
            for note in listing.notes:
                say(note)
            tokenizer = open_tokenizer(vae, revision, device=own)
            settings = encoding.settings_for(tokenizer, **chosen)
        if dry_run:
            pace = encoding.Pace(batch=batch, workers=workers, device=own)
            if ranks.writer:
                click.echo("\n".join(_plan(listing, out, tokenizer, settings, pace)))
            return
        shown = f"encode {images.name}" if ranks.writer else None
        with progress(shown, len(listing), unit="images", done=None, lines=True) as on_images:
            pace = encoding.Pace(batch, workers, own, on_images, say, ranks=ranks)
            manifest = encoding.encode(listing, out, tokenizer, settings, pace, dataset)
        if ranks.writer:
            click.echo(_said(out, len(listing), manifest))


def _said(out: Path, images: int, manifest: Manifest) -> str:
    """The last line: what the cache holds."""
    size = sum(shard.bytes for shard in manifest.shards)
    return (
        f"{out}: {images:,} images of {len(manifest.classes):,} classes in "
        f"{len(manifest.shards):,} shards, {size:,} bytes; digest {manifest.digest}; data set "
        f"{manifest.dataset.name}, licence {manifest.dataset.licence}"
    )


def _plan(
    listing: Listing, out: Path, tokenizer: Tokenizer, settings: Settings, pace: Any
) -> list[str]:
    """What would be done; the time is measured on the first images, all else is counted."""
    from drift.data import encode as encoding
    from drift.data import latents
    from drift.data.manifest import sizes

    bytes_of_one = latents.image_bytes(settings)
    shards = sizes(len(listing), settings.per_shard)
    timed = range(min(TIMED_IMAGES, len(listing)))
    encoding.shard_tensors(listing, timed[:1], tokenizer, settings, pace)  # first use is slower
    begin = time.perf_counter()
    encoding.shard_tensors(listing, timed, tokenizer, settings, pace)
    rate = len(timed) / (time.perf_counter() - begin)
    pair = "and mirrored " if settings.mirrored else ""
    return [
        f"images    {len(listing):,} of {len(listing.classes):,} classes, list {listing.outline}",
        f"tokenizer {settings.vae} at {settings.vae_revision}, parameters {settings.vae_sha256}",
        f"latents   {'x'.join(map(str, settings.shape))} {settings.dtype}, {settings.posterior} of "
        f"the posterior {pair}x {settings.scaling_factor:g}, crop {settings.crop} to "
        f"{settings.resolution}",
        f"cache     {out}: {len(shards):,} shards, {len(listing) * bytes_of_one:,} bytes "
        f"({encoding.free_bytes(out):,} free)",
        f"time      about {duration(len(listing) / rate)} at {rate:.3g} images/s, measured on "
        f"{len(timed)} images on {pace.device}",
    ]
