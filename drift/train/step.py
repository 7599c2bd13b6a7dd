"""One optimisation step (method, section 6; reference train.py), a function of state and batch.

Everything that is drawn - noise, style, alpha, positives, unconditional samples - is in the batch,
so a step can be recorded, replayed and compared. Several processes hold its labels between them
(`drift.train.batch.share`) and take the step that one would take.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from drift import features, schedule, spans, trace
from drift import loss as drifting
from drift.encoder import MaskedAutoencoder
from drift.features import FeatureExtractor
from drift.generator import Generator
from drift.ranks import ALONE, Ranks, parallel
from drift.remembered import Remembered
from drift.state import modules
from drift.train.batch import StepBatch as StepBatch
from drift.train.batch import per_sample as per_sample
from drift.train.batch import split as split
from drift.train.config import TrainConfig

OPTIMIZER = torch.optim.AdamW


class NotFinite(FloatingPointError):  # noqa: N818 - what is wrong, not that something is
    """Loss or gradient norm of a step that is no number; nothing was updated."""

    def __init__(self, step: int, name: str, value: float) -> None:
        self.figure = f"{name} {value}"
        super().__init__(
            f"step {step}: found {self.figure}; expected a finite number; the state is unchanged"
        )


@dataclass
class TrainState:
    """Generator, optimiser, averages and the number of updates done; the encoder is frozen.

    ranks       the processes that hold the labels of a step between them
    network     the generator as it is called: itself, or what adds its gradients over processes
    remembered  features of real samples, of a source for which they can all be kept
    """

    generator: Generator
    extractor: FeatureExtractor
    optimizer: torch.optim.Optimizer
    ema: dict[float, dict[str, Tensor]]
    config: TrainConfig
    step: int = 0
    ranks: Ranks = ALONE
    network: nn.Module | None = None
    remembered: Remembered | None = None

    @classmethod
    def create(
        cls,
        generator: Generator,
        encoder: MaskedAutoencoder | FeatureExtractor,
        train_config: TrainConfig,
        ranks: Ranks = ALONE,
        kind: parallel.Kind = "ddp",
    ) -> TrainState:
        """A state before its first update; the averages start at the parameters.

        An encoder alone is wrapped with the feature choice of the configuration; a ready extractor
        (the pixel columns', with its second encoder) is taken as it is.
        """
        extractor = encoder
        if not isinstance(extractor, FeatureExtractor):
            extractor = FeatureExtractor(extractor, config=train_config.features)
        network = parallel.over(generator, ranks, kind)
        optimizer = OPTIMIZER(
            generator.parameters(),
            lr=train_config.learning_rate,
            betas=train_config.betas,
            eps=train_config.eps,
            weight_decay=train_config.weight_decay,
            fused=modules.fused(generator),
        )
        ema = modules.averages(generator, train_config.ema_decays)
        return cls(generator, extractor, optimizer, ema, train_config, ranks=ranks, network=network)


def train_step(state: TrainState, batch: StepBatch) -> tuple[TrainState, dict[str, Tensor]]:
    """One update of the state, in place -> (state, metrics).

    metrics: "loss", "grad_norm" before clipping, "lr", and for every feature "loss/<feature>",
    "scale/<feature>" and "loss_<tau>/<feature>", the raw mean square of the force, which is what
    falls. Nothing is updated where loss or gradient are not finite: FloatingPointError names them.
    """
    state.optimizer.zero_grad(set_to_none=True)
    loss, info = gradients(state, batch)
    norm, lr = update(state)
    metrics = {"loss": loss, "grad_norm": norm, "lr": norm.new_tensor(lr)}
    return state, metrics | info


def gradients(state: TrainState, batch: StepBatch) -> tuple[Tensor, dict[str, Tensor]]:
    """Fill the parameters' gradients -> (loss, info); all labels at once, or in passes."""
    if state.config.labels_per_pass is not None:
        return accumulate(state, batch, state.config.labels_per_pass)
    loss, info = sample_and_compare(state, batch)
    require_finite("loss", loss.detach(), state)
    with spans.span("backward"):
        loss.backward()  # type: ignore[no-untyped-call]
    return loss.detach(), info


def accumulate(
    state: TrainState, batch: StepBatch, labels: int
) -> tuple[Tensor, dict[str, Tensor]]:
    """The gradient of the whole batch with the activations of `labels` labels at a time.

    The loss couples all labels through its scales, so it cannot be added up label by label.
    Features are computed first without their graphs, the loss on all of them gives their
    gradients, and each pass computes its features again and sends its share of these back. Equal
    to the full batch up to rounding.
    """
    parts = split(batch, labels)
    with torch.no_grad():
        held = [_features(state, part) for part in parts]
    leaves = {name: torch.cat([part[name] for part in held]).requires_grad_() for name in held[0]}
    del held
    real = features.real_features(
        state.extractor,
        batch.positives,
        batch.unconditional,
        chunk=len(parts[0].noise),
        remembered=state.remembered,
    )
    with spans.span("loss"):
        loss, info = drifting.feature_loss(
            leaves,
            features.first_labels(real, batch.counted),
            batch.alpha[: batch.counted],
            positives=batch.positives.shape[1],
            temperatures=state.config.temperatures,
            semantics=state.config.semantics,
            group=state.ranks.group,
            kernel=state.config.kernel,
        )
    require_finite("loss", loss.detach(), state)
    wanted = list(leaves)
    upstream = torch.autograd.grad(loss, [leaves[name] for name in wanted])
    start = 0
    for i, part in enumerate(parts, start=1):
        stop = start + part.counted
        with parallel.pass_of(state.network, last=i == len(parts)):
            again = _features(state, part)
            with spans.span("backward"):
                torch.autograd.backward(
                    [again[name] for name in wanted], [one[start:stop] for one in upstream]
                )
        start = stop
    return loss.detach(), info


def _features(state: TrainState, part: StepBatch) -> dict[str, Tensor]:
    found = features.generated_features(
        state.extractor, generate(state, part), labels=len(part.labels)
    )
    return features.first_labels(found, part.counted)


def sample_and_compare(state: TrainState, batch: StepBatch) -> tuple[Tensor, dict[str, Tensor]]:
    """Generate G samples for each label and hold them against the real ones: the total loss."""
    samples = generate(state, batch)
    return features.sample_loss(
        state.extractor,
        samples,
        batch.positives,
        batch.unconditional,
        batch.alpha,
        temperatures=state.config.temperatures,
        semantics=state.config.semantics,
        group=state.ranks.group,
        counted=batch.counted,
        kernel=state.config.kernel,
        remembered=state.remembered,
    )


@spans.span("generate")
def generate(state: TrainState, batch: StepBatch) -> Tensor:
    """The samples [B*G, C, H, W] of a batch."""
    generated = batch.generated
    network = state.generator if state.network is None else state.network
    samples: Tensor = network(
        batch.noise,
        per_sample(batch.labels, generated),
        per_sample(batch.alpha, generated),
        batch.style,
    )
    if trace.active():
        trace.record("samples", samples.permute(0, 2, 3, 1))
    return samples


def require_finite(name: str, value: Tensor, state: TrainState) -> None:
    """Raise NotFinite, and drop the gradients, before anything is updated."""
    if torch.isfinite(value):
        return
    state.optimizer.zero_grad(set_to_none=True)
    raise NotFinite(state.step, name, value.item())


@spans.span("optimiser")
def update(state: TrainState) -> tuple[Tensor, float]:
    """Clip the gradients, AdamW with the rate of this update, averages -> (norm before, rate)."""
    config = state.config
    gradients = [p.grad for p in state.generator.parameters() if p.grad is not None]
    norm = global_norm(gradients)
    require_finite("gradient norm", norm, state)
    clip(gradients, norm, config.gradient_clip)
    lr = schedule.learning_rate(
        state.step,  # counted from 0: the first update uses lr(0)
        base=config.learning_rate,
        warmup_steps=config.warmup_steps,
        total_steps=config.total_steps,
        kind=config.schedule,
    )
    for group in state.optimizer.param_groups:
        group["lr"] = lr
    optimise(state)
    modules.average(state.generator, state.ema)
    state.step += 1
    return norm, lr


def global_norm(gradients: Sequence[Tensor]) -> Tensor:
    """Euclidean norm over all gradients together, whichever process holds what of them."""
    held = [parallel.local(gradient) for gradient in gradients]
    own: Tensor = torch.stack([gradient.norm() for gradient in held]).norm()
    return parallel.norm_over_shares(own, of=next(iter(gradients)))


def clip(gradients: Iterable[Tensor], norm: Tensor, limit: float) -> None:
    """Scale gradients down to the limit, in place: g / norm * limit, without an added epsilon."""
    if norm < limit:
        return
    for gradient in gradients:
        parallel.local(gradient).div_(norm).mul_(limit)


def optimise(state: TrainState) -> None:
    """The parameters' update."""
    state.optimizer.step()
