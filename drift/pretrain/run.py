"""The loop of the masked autoencoder: reconstruction, then classification joins in the last steps.

Like a training run, it is a function of template, data and seed, and goes on exactly after any end.
Several processes share the images of a step, and their gradients are added.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from drift import rng, schedule, spans
from drift.artifacts import store
from drift.config import Template, encoder_kwargs, require_buildable
from drift.config.sections import Finetune, Pretrain
from drift.data import Loader, Source, augment
from drift.data.dataset import field_of
from drift.data.source import Augmentable
from drift.encoder import EncoderConfig, MaskedAutoencoder, masking
from drift.errors import DriftError
from drift.ranks import ALONE, Ranks, parallel
from drift.state import checkpoint, loop, mirrors, modules, record, trial
from drift.state.checkpoint import Checkpoint
from drift.state.loop import Pace
from drift.train import room
from drift.train.step import clip, global_norm

BETAS = (0.9, 0.95)
EPS = 1.0e-8
FIGURES = ("recon_loss", "accuracy")  # of every row
EXPORTED = "encoder.safetensors"
EPOCHS_ROUNDING = 0.05  # a template states whole epochs of data that differ by a few images


@dataclass(frozen=True)
class PretrainOptions:
    """How a run is carried out; see `drift.train.run.RunOptions`."""

    folder: Path
    seed: int = 0
    window: int = 10
    checkpoint_every: int = 500
    device: str = "cpu"
    resume: bool = False
    mirrors: Mapping[str, Any] = field(default_factory=dict)
    ranks: Ranks = ALONE


@dataclass
class PretrainRun:
    """A run between two steps; `network` is the model as it is called."""

    template: Template
    options: PretrainOptions
    model: MaskedAutoencoder
    optimizer: torch.optim.Optimizer
    ema: dict[float, dict[str, Tensor]]
    loader: Loader
    facts: dict[str, Any]
    step: int = 0
    say: Callable[[str], None] = print
    network: nn.Module | None = None

    @property
    def done(self) -> int:
        """Updates done."""
        return self.step

    @property
    def pace(self) -> Pace:
        """Length and rhythm of the run."""
        options, settings = self.options, self.template.encoder.pretrain
        return Pace(
            options.folder, settings.steps, options.window, options.checkpoint_every,
            options.device, images=settings.batch_size, ranks=options.ranks,
        )  # fmt: skip

    def step_once(self) -> Mapping[str, float]:
        """One update -> its figures."""
        return update(self)

    def row(self, means: Mapping[str, float], count: int) -> Mapping[str, Any]:
        """The row of a window."""
        return {"step": self.step, "steps": count, **means, "real_samples": self.loader.position}

    def snapshot(self) -> Checkpoint:
        """Everything a later process needs to go on exactly; raises DriftError for weights that
        are no numbers, before they are saved or exported."""
        with self.options.ranks.agreed():
            broken = modules.not_finite(self.model, self.ema)
            if broken is not None:
                raise _diverged(self.step, f"NaN or infinity in {broken}", "nothing was saved")
        return snapshot(self)


def start(
    template: Template,
    source: Source,
    options: PretrainOptions,
    say: Callable[[str], None] = print,
) -> PretrainRun:
    """A run before its next step: fresh, or from the newest good checkpoint of its folder."""
    for part in ("encoder.", "data."):
        require_buildable(template, part)
    settings = template.encoder.pretrain
    if settings.augmentation != "none" and not isinstance(source, Augmentable):
        raise DriftError(
            "encoder.pretrain.augmentation",
            found=f"{settings.augmentation} of {type(source).__name__}",
            expected="image files: crops of latents or of digits are not crops of images",
            remedy="Pass --set encoder.pretrain.augmentation=none; then it is no faithful encoder.",
        )
    trial.require_source(template, source)
    room.require_for_pretraining(template, options.device, world=options.ranks.world)
    seen = _epochs(template, source, say)
    config = EncoderConfig.from_reference(encoder_kwargs(template))
    model = MaskedAutoencoder(config, generator=rng.stream(options.seed, "encoder"))
    model.to(options.device)
    trial.require_passes("encoder", lambda: _one_sample(template, model, source), template)
    optimizer = torch.optim.AdamW(
        model.parameters(),
        lr=settings.learning_rate,
        betas=BETAS,
        eps=EPS,
        weight_decay=settings.weight_decay,
        fused=modules.fused(model),
    )
    run = PretrainRun(
        template=template,
        options=options,
        model=model,
        optimizer=optimizer,
        ema=modules.averages(model, (settings.ema_decay,)),
        loader=Loader(source, seed=options.seed),
        facts={
            "kind": "pretrain",
            **record.facts_of(template, source, options.seed),
            "epochs": seen,
        },
        say=say,
    )
    run.network = parallel.over(model, options.ranks, "ddp")
    folder = options.folder / "checkpoints"
    if options.resume:
        kept = checkpoint.latest(folder, options.ranks, say)
        restore(run, kept)
        if options.ranks.writer:
            record.say_resumed(options.folder, kept.step, say)
    else:
        options.ranks.by_writer(lambda: checkpoint.require_none(folder))
    return run


def _one_sample(template: Template, model: MaskedAutoencoder, source: Source) -> None:
    """Both losses of the first sample, with a mask as it is drawn."""
    sample, label = trial.first(source, next(model.parameters()).device.type)
    mask = _mask(template, sample, torch.Generator().manual_seed(0))
    model(sample, label, mask=mask.to(sample.device), lambda_cls=0.5)


def _mask(template: Template, samples: Tensor, generator: torch.Generator) -> Tensor:
    """A mask for each sample, on the patchified grid."""
    encoder = template.encoder
    height, width = (side // encoder.input_patchify for side in samples.shape[-2:])
    return masking.draw_mask(
        len(samples),
        (height, width),
        ratio=(encoder.mask_ratio, encoder.mask_ratio),
        patch=encoder.mask_patch,
        generator=generator,
    )


def _epochs(template: Template, source: Source, say: Callable[[str], None]) -> float:
    """How often the run sees each image; steps and batch decide, and `epochs` has to agree.

    A source of mirrored pairs counts both, but they are two views of one image (A.3 counts images).
    Raises DriftError for a faithful template: on data of another size it is no longer that column.
    """
    settings = template.encoder.pretrain
    images = len(source.labels) // (2 if getattr(source, "mirror", False) else 1)
    seen = settings.steps * settings.batch_size / images
    if abs(seen - settings.epochs) <= EPOCHS_ROUNDING * settings.epochs:
        return seen
    found = f"{settings.steps:,} steps of {settings.batch_size:,} of {images:,} images: {seen:.3g}"
    if template.fidelity == "faithful":
        raise DriftError(
            "encoder.pretrain.epochs", found=found, expected=f"{settings.epochs:,} epochs",
            remedy="Pre-train on the data of the column, or state the epochs in a free template.",
        )  # fmt: skip
    say(f"encoder.pretrain.epochs says {settings.epochs:,}; {found}")
    return seen


def lambda_at(step: int, settings: Pretrain, finetune: Finetune) -> float:
    """Weight of the classification loss: 0, then a ramp to its maximum in the last steps (A.3)."""
    since = step - (settings.steps - finetune.steps)
    if finetune.steps == 0 or since < 0:
        return 0.0
    if finetune.ramp_steps == 0:
        return finetune.lambda_max
    return finetune.lambda_max * min(1.0, since / finetune.ramp_steps)


def batch(run: PretrainRun) -> tuple[Tensor, Tensor, Tensor]:
    """This process's images [B, C, H, W] of the next ones, augmented where the template says so,
    their labels [B] and their masks. What is drawn is the same however many processes there are."""
    settings, source, options = run.template.encoder.pretrain, run.loader.source, run.options
    places = run.loader.indices(settings.batch_size)
    own = options.ranks.share(len(places))
    if own.start == own.stop:  # more processes than images: the first one, which then counts for 0
        own = slice(0, 1)
    if settings.augmentation == "none" or not isinstance(source, Augmentable):
        samples = source.get(places[own])
    else:
        crops = rng.stream(options.seed, "crop", run.step)
        augment.numbers(own.start, crops)  # those of the images before
        samples = source.augmented(places[own], crops)
    whole = samples[:1].expand(len(places), *samples.shape[1:])  # only its shape is looked at
    mask = _mask(run.template, whole, rng.stream(options.seed, "mask", run.step))
    return samples, source.labels[places[own]], mask[own]


def update(run: PretrainRun) -> dict[str, float]:
    """One step: masked batch, joint loss, clipped AdamW, average -> its figures."""
    settings, encoder, ranks = (
        run.template.encoder.pretrain,
        run.template.encoder,
        run.options.ranks,
    )
    with spans.span("load"), ranks.agreed():
        samples, labels, mask = batch(run)
    device, count = run.options.device, ranks.sizes(settings.batch_size)[ranks.rank]
    share = lambda_at(run.step, settings, encoder.finetune)
    network = run.model if run.network is None else run.network
    with spans.span("forward"):
        loss, metrics = network(
            samples.to(device), labels.to(device), mask=mask.to(device), lambda_cls=share
        )
    run.optimizer.zero_grad(set_to_none=True)
    with spans.span("backward"):
        (loss.mean() * (count / settings.batch_size)).backward()
    gradients = [p.grad for p in run.model.parameters() if p.grad is not None]
    norm = global_norm(gradients)
    if not torch.isfinite(norm):
        found = f"loss {float(loss.detach().mean())} and gradient norm {float(norm)}"
        raise _diverged(run.step, found, "nothing was updated")
    clip(gradients, norm, settings.gradient_clip)
    lr = schedule.learning_rate(
        run.step,
        base=settings.learning_rate,
        warmup_steps=settings.warmup_steps,
        total_steps=settings.steps,
        kind=settings.schedule,
    )
    for group in run.optimizer.param_groups:
        group["lr"] = lr
    run.optimizer.step()
    modules.average(run.model, run.ema)
    run.step += 1
    means = {name: float(value.mean()) for name, value in metrics.items()}
    figures = ranks.mean(means, count)
    return {**figures, "grad_norm": float(norm), "lr": lr, "lambda": share}


def _diverged(step: int, found: str, harm: str) -> DriftError:
    return DriftError(
        f"pre-training step {step}",
        found=found,
        expected=f"finite numbers; {harm}",
        remedy="Start anew with a lower encoder.pretrain.learning_rate or a longer warm-up.",
    )


def pretrain(
    run: PretrainRun, listen: Callable[[Mapping[str, Any]], None], heard: loop.Heard = loop.unheard
) -> Path:
    """The remaining steps with the run's record -> the exported encoder, its averaged weights."""
    made: list[Path] = []

    def finish() -> Mapping[str, Any]:
        made.append(export(run))
        return {"export": made[0].name}

    options = run.options
    with loop.held(run.pace, done=run.step, resumed=options.resume, say=run.say):
        loop.recorded(
            run, run.pace, run.facts, listen, finish=finish,
            mirror=lambda: mirrors.open_mirror(
                options.mirrors, options.folder, run.facts, after=run.step, say=run.say
            ),
            heard=heard,
        )  # fmt: skip
    return options.folder / EXPORTED


def snapshot(run: PretrainRun) -> Checkpoint:
    """Everything a later process needs to go on exactly."""
    tensors = modules.capture(run.model, run.optimizer, run.ema)
    return Checkpoint(run.step, tensors, {**run.facts, "position": run.loader.position})


def restore(run: PretrainRun, kept: Checkpoint) -> None:
    """Put a checkpoint into a run that was just built; a mismatch names the differing keys."""
    checkpoint.require_same(kept, run.facts)
    modules.put_weights(kept, run.model, run.ema)
    modules.put_moments(kept, run.model, run.optimizer)
    run.loader.position = kept.facts["position"]
    run.step = kept.step
    record.rows(run.options.folder / "metrics" / record.LOG, up_to=kept.step, needs=FIGURES)


def export(run: PretrainRun) -> Path:
    """Write the averaged weights as an artefact with its provenance -> `encoder.safetensors`."""
    (averaged,) = run.ema.values()
    model = MaskedAutoencoder(run.model.config)
    model.load_state_dict({**run.model.state_dict(), **averaged})
    path = run.options.folder / EXPORTED
    data, dataset = run.template.data, run.facts["dataset"]
    made_by = run.facts["autoencoder"] or {}
    revision = made_by.get("revision", data.tokenizer_revision)
    tokenizer = "none" if data.tokenizer == "none" else f"{data.tokenizer}@{revision}"
    store.save_artifact(
        path,
        model.eval(),
        {
            "source_layout": "drift-pretrain",
            "weights": "ema",
            "tokenizer": tokenizer,
            "licence": "NOASSERTION",  # of the parameters: for their owner to state
            "data": field_of(dataset, run.facts["data"]),
            "template": f"{run.template.name} {run.facts['fingerprint']}",
        },
        overwrite=True,
    )
    return path
