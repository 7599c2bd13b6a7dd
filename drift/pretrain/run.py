"""The loop of the masked autoencoder: reconstruction, then classification joins in the last steps.

Like a training run, it is a function of template, data and seed, and goes on exactly after any end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from drift import rng, schedule
from drift.artifacts import store
from drift.config import Template, encoder_kwargs, fingerprint
from drift.config.sections import Finetune, Pretrain
from drift.data import Loader, Source
from drift.encoder import EncoderConfig, MaskedAutoencoder, masking
from drift.errors import DriftError
from drift.state import RunRecord, WindowLog, atomic, checkpoint, modules
from drift.state.checkpoint import Checkpoint
from drift.train.step import clip, global_norm

BETAS = (0.9, 0.95)
EPS = 1.0e-8


@dataclass(frozen=True)
class PretrainOptions:
    """How a run is carried out; see `drift.train.run.RunOptions`."""

    folder: Path
    seed: int = 0
    window: int = 10
    checkpoint_every: int = 500
    device: str = "cpu"
    resume: bool = False


@dataclass
class PretrainRun:
    """A run between two steps."""

    template: Template
    options: PretrainOptions
    model: MaskedAutoencoder
    optimizer: torch.optim.Optimizer
    ema: dict[float, dict[str, Tensor]]
    loader: Loader
    facts: dict[str, Any]
    step: int = 0


def start(
    template: Template,
    source: Source,
    options: PretrainOptions,
    say: Callable[[str], None] = print,
) -> PretrainRun:
    """A run before its next step: fresh, or from the newest good checkpoint of its folder."""
    settings = template.encoder.pretrain
    if settings.augmentation != "none":
        raise DriftError(
            "encoder.pretrain.augmentation",
            found=settings.augmentation,
            expected="none: the engine implements no other",
            remedy="Pass --set encoder.pretrain.augmentation=none; then it is no faithful encoder.",
        )
    config = EncoderConfig.from_reference(encoder_kwargs(template))
    model = MaskedAutoencoder(config, generator=rng.stream(options.seed, "encoder"))
    model.to(options.device)
    optimizer = torch.optim.AdamW(
        model.parameters(),
        lr=settings.learning_rate,
        betas=BETAS,
        eps=EPS,
        weight_decay=settings.weight_decay,
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
            "seed": options.seed,
            "fingerprint": fingerprint(template),
            "template": template.leaves(),
            "data": source.digest,
        },
    )
    folder = options.folder / "checkpoints"
    if options.resume:
        kept = checkpoint.require_latest(folder, say)
        restore(run, kept)
        say(f"resumed from step {kept.step}")
    else:
        checkpoint.require_none(folder)
    return run


def lambda_at(step: int, settings: Pretrain, finetune: Finetune) -> float:
    """Weight of the classification loss: 0, then a ramp to its maximum in the last steps (A.3)."""
    since = step - (settings.steps - finetune.steps)
    if finetune.steps == 0 or since < 0:
        return 0.0
    if finetune.ramp_steps == 0:
        return finetune.lambda_max
    return finetune.lambda_max * min(1.0, since / finetune.ramp_steps)


def update(run: PretrainRun) -> dict[str, float]:
    """One step: masked batch, joint loss, clipped AdamW, average -> its figures."""
    settings, encoder = run.template.encoder.pretrain, run.template.encoder
    samples, labels = run.loader.take(settings.batch_size)
    grid = tuple(side // encoder.input_patchify for side in samples.shape[-2:])
    mask = masking.draw_mask(
        len(samples),
        (grid[0], grid[1]),
        ratio=(encoder.mask_ratio, encoder.mask_ratio),
        patch=encoder.mask_patch,
        generator=rng.stream(run.options.seed, "mask", run.step),
    )
    device = run.options.device
    share = lambda_at(run.step, settings, encoder.finetune)
    loss, metrics = run.model(
        samples.to(device), labels.to(device), mask=mask.to(device), lambda_cls=share
    )
    run.optimizer.zero_grad(set_to_none=True)
    loss.mean().backward()
    gradients = [p.grad for p in run.model.parameters() if p.grad is not None]
    norm = global_norm(gradients)
    if not torch.isfinite(norm):
        raise FloatingPointError(
            f"pre-training step {run.step}: found loss {float(loss.mean())} and gradient norm "
            f"{float(norm)}; expected finite numbers; nothing was updated"
        )
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
    figures = {name: float(value.mean()) for name, value in metrics.items()}
    return {**figures, "grad_norm": float(norm), "lr": lr, "lambda": share}


def advance(run: PretrainRun) -> Iterator[Mapping[str, Any]]:
    """Do the remaining steps; yields a row after every window."""
    folder = run.options.folder / "checkpoints"
    folder.mkdir(parents=True, exist_ok=True)
    total = run.template.encoder.pretrain.steps
    sums: dict[str, float] = {}
    count = 0
    while run.step < total:
        figures = update(run)
        count += 1
        for name, value in figures.items():
            sums[name] = sums.get(name, 0.0) + value
        if run.step % run.options.window == 0 or run.step == total:
            means = {name: value / count for name, value in sums.items()}
            yield {"step": run.step, "steps": count, **means, "real_samples": run.loader.position}
            sums, count = {}, 0
        if run.step % run.options.checkpoint_every == 0 or run.step == total:
            checkpoint.write(folder, snapshot(run))


def pretrain(run: PretrainRun, listen: Callable[[Mapping[str, Any]], None]) -> Path:
    """`advance` with the run's record -> the exported encoder, its averaged weights."""
    folder = run.options.folder
    folder.mkdir(parents=True, exist_ok=True)
    atomic.sweep(folder)
    record = RunRecord(folder, {**run.facts, "total": run.template.encoder.pretrain.steps})
    log = WindowLog(folder / "metrics", after_step=run.step)
    record.update("running", step=run.step)
    try:
        for row in advance(run):
            log.append(dict(row))
            record.update("running", step=run.step, latest_window=run.step)
            listen(row)
        path = export(run)
    except BaseException as error:
        record.update("failed", step=run.step, error=f"{type(error).__name__}: {error}")
        raise
    record.update("completed", step=run.step, export=path.name)
    return path


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


def export(run: PretrainRun) -> Path:
    """Write the averaged weights as an artefact with its provenance -> `encoder.safetensors`."""
    (averaged,) = run.ema.values()
    model = MaskedAutoencoder(run.model.config)
    model.load_state_dict({**run.model.state_dict(), **averaged})
    path = run.options.folder / "encoder.safetensors"
    data = run.template.data
    tokenizer = (
        "none" if data.tokenizer == "none" else f"{data.tokenizer}@{data.tokenizer_revision}"
    )
    store.save_artifact(
        path,
        model.eval(),
        {
            "source_layout": "drift-pretrain",
            "weights": "ema",
            "tokenizer": tokenizer,
            "licence": "Apache-2.0",
            "template": f"{run.template.name} {run.facts['fingerprint']}",
        },
        overwrite=True,
    )
    return path
