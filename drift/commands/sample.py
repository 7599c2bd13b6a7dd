"""`drift sample`: one forward pass per sample, written as grids and tensors."""

from __future__ import annotations

from pathlib import Path

import click

from drift.commands import runs
from drift.commands.device import device_option


@click.command("sample")
@click.argument("source", metavar="RUN|FILE", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path),
              help="A folder, or a .png, .npz or .safetensors file.")  # fmt: skip
@click.option("--classes", default="all", show_default=True, help="all, or such as 0,3,5-9.")
@click.option("--count", type=click.IntRange(min=1), default=100, show_default=True,
              help="Samples in all; they go round the classes.")  # fmt: skip
@click.option("--alpha", type=float, help="Guidance scale.  [default: the template's, else 1]")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--weights", type=click.Choice(["ema", "raw"]), default="ema", show_default=True)
@click.option("--ema-decay", help="Which of several averages, such as 0.999.")
@click.option("--step", type=click.IntRange(min=0), help="Checkpoint of a run.  [default: newest]")
@click.option("--columns", type=click.IntRange(min=1), help="Of the grid.")
@click.option("--images", "single", is_flag=True, help="In a folder, every sample as a PNG too.")
@click.option("--vae", metavar="REPOSITORY|DIR", help="AutoencoderKL that decodes latents.")
@click.option("--vae-revision", metavar="HEX",
              help="Its commit; for a folder, the digest of its parameters.")  # fmt: skip
@click.option("--batch-size", type=click.IntRange(min=1), default=64, show_default=True)
@device_option
@runs.wait_option
def command(
    source: Path,
    out: Path,
    classes: str,
    count: int,
    alpha: float | None,
    seed: int,
    weights: str,
    ema_decay: str | None,
    step: int | None,
    columns: int | None,
    single: bool,
    vae: str | None,
    vae_revision: str | None,
    batch_size: int,
    device: str,
    wait_s: float,
) -> None:
    """Draw samples from RUN (its newest checkpoint) or FILE (an artefact or a checkpoint).

    Averaged weights are used unless --weights raw asks for others. Sample i depends on the seed and
    on i, not on the batch size. A .npz has arr_0 uint8 [N, H, W, C]; a .safetensors has what the
    network gives, for latents undecoded.
    """
    from drift import sample
    from drift.sample import writing
    from drift.sample.decoder import decoder_for
    from drift.sample.loading import NONE

    with runs.joined(device, wait_s) as (ranks, own):
        with ranks.met():
            if ranks.writer:
                writing.require_writable(out)
            loaded = sample.load(
                source, weights=weights, ema_decay=ema_decay, step=step, device=own
            )
            if alpha is None:
                alpha = loaded.template.evaluation.alpha if loaded.template else 1.0
            keeps = (
                loaded.origin.tokenizer != NONE and not writing.needs_images(out) and vae is None
            )
            decoder = None if keeps else decoder_for(loaded.origin, vae, vae_revision, device=own)
            chosen = sample.parse_classes(classes, loaded.generator.config.num_classes)
            labels, names = sample.cycled(chosen, count), loaded.origin.class_names
            request = writing.Request(labels, alpha, seed, columns, names)
        sampler = sample.Sampler(loaded.generator, batch_size=batch_size)
        writing.write(loaded, sampler, decoder, request, out, single=single, ranks=ranks)
        sampler.passes, sampler.samples = map(round, ranks.sums(sampler.passes, sampler.samples))
        if ranks.writer:
            facts = writing.facts_of(loaded, request, decoder)
            click.echo(f"{writing.summary(sampler, facts)}; {out}")
