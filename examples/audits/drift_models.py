"""The package drift-models 0.1.1 as it is installed, under the names of the protocol.

    python -m venv X && X/bin/pip install drift-models==0.1.1
    verify audit examples/audits/drift_models.py --python X/bin/python

Nothing is mended here and nothing of the package is rewritten: each function calls the package's
own, with the options that come nearest to the reference (forces of the temperatures summed, one
normalisation for all locations, QK-norm and rotation on). It normalises and weights within one
class, so a class is one call; it has one weight for all unconditional samples of a class.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from drift_models_networks import *  # noqa: F403
from drifting_models import (
    DriftFieldConfig,
    DriftingLossConfig,
    FeatureDriftingConfig,
    build_negative_log_weights,
    cfg_alpha_to_unconditional_weight,
    compute_affinity_matrices,
    drift_loss,
    feature_space_drifting_loss,
)
from drifting_models.data.queue import ClassConditionalSampleQueue, QueueConfig
from drifting_models.train.mae import _lr_for_step
from torch import Tensor

DISTRIBUTION = "drift-models"
DOMAIN = {
    "framework": "torch",
    "weights": "uniform_neg",
    "dtypes": ["float32"],
    "schedules": ["cosine"],
}

OPTIONS = FeatureDriftingConfig(temperature_aggregation="sum_drifts_then_mse")


# -- the loss -------------------------------------------------------------------------------------


def _loss_of_class(
    gen: Tensor, pos: Tensor, neg: Tensor | None, weight: float, temperatures: Sequence[float]
) -> Tensor:
    """gen [G, L, D], pos [P, L, D], neg [N, L, D] of one class -> a number."""
    config = FeatureDriftingConfig(
        temperatures=tuple(temperatures), temperature_aggregation=OPTIONS.temperature_aggregation
    )
    total, _ = feature_space_drifting_loss(
        generated_feature_vectors={"feature": gen},
        # It wants as many positives and others as it has; rows are its batch axis.
        positive_feature_vectors={"feature": pos},
        unconditional_feature_vectors=None if neg is None or not len(neg) else {"feature": neg},
        base_loss_config=DriftingLossConfig(drift_field=DriftFieldConfig()),
        feature_config=config,
        unconditional_weight=weight,
    )
    return total


def drift_loss_and_gradient(
    gen: Tensor,
    pos: Tensor,
    neg: Tensor | None = None,
    *,
    weight_neg: Tensor | None = None,
    temperatures: Sequence[float] = (0.02, 0.05, 0.2),
) -> tuple[Tensor, Tensor]:
    gen = gen.requires_grad_()
    losses = []
    for label in range(len(gen)):
        others = None if neg is None else neg[label][:, None]
        weight = 1.0 if weight_neg is None else float(weight_neg[label][0])
        losses.append(
            _loss_of_class(gen[label][:, None], pos[label][:, None], others, weight, temperatures)
        )
    loss = torch.stack(losses)
    (gradient,) = torch.autograd.grad(loss.sum(), gen)
    return loss, gradient


def feature_loss_value(
    gen_features: dict[str, Tensor],
    real_features: dict[str, Tensor],
    alpha: Tensor,
    *,
    positives: int,
    temperatures: Sequence[float],
) -> float:
    total = 0.0
    for label in range(len(alpha)):
        for name, gen in gen_features.items():
            real = real_features[name][label]
            others = real[positives:]
            weight = float(uncond_weight(alpha[label : label + 1], generated=gen.shape[1],
                                         unconditional=len(others))[0])  # fmt: skip
            total += float(_loss_of_class(gen[label], real[:positives], others, weight,
                                          temperatures))  # fmt: skip
    return total / len(alpha)


# -- stages of the loss: each given what was recorded before it -----------------------------------


def stage_distance(gen: Tensor, targets: Tensor) -> Tensor:
    """Each pair is a slot of its own, so that a mean of one pair comes back."""
    groups, samples, features = gen.shape
    count = targets.shape[1]
    x = gen[:, :, None].expand(-1, -1, count, -1).reshape(1, -1, features)
    y = targets[:, None].expand(-1, samples, -1, -1).reshape(1, -1, features)
    found = drift_loss._slotwise_mean_feature_distances(x, y)
    return found.reshape(groups, samples, count)


def stage_scale(gen: Tensor, pos: Tensor, neg: Tensor, weight_neg: Tensor, features: int) -> Tensor:
    """One for each class: [B]."""
    found = []
    for label in range(len(gen)):
        x, others = gen[label][:, None], neg[label][:, None]
        negatives, logs = x, None
        if len(others):
            negatives = torch.cat([x, others])
            logs = _logs(len(x), len(others), float(weight_neg[label][0]))
        _, _, scale = drift_loss._normalize_features(
            x, pos[label][:, None], y_neg_vectors=negatives, negative_log_weights=logs,
            share_location_normalization=True, eps=0.0,
        )  # fmt: skip
        found.append(scale[0] * math.sqrt(features))
    return torch.stack(found)


def stage_coordinate_scale(scale: Tensor, features: int) -> Tensor:
    """Of two points that are `scale` apart."""
    x = torch.zeros(1, 1, features)
    y = x.clone()
    y[..., 0] = scale
    _, _, found = drift_loss._normalize_features(
        x, y, share_location_normalization=True, eps=OPTIONS.eps
    )
    return found[0]


def stage_affinity(
    gen_n: Tensor, targets_n: Tensor, weight: Tensor, temperature: float, repelling: int
) -> Tensor:
    """From the normalised coordinates, which it has; weights are inside of it."""
    found = []
    samples, features = gen_n.shape[1:]
    for x, y, w in zip(gen_n, targets_n, weight, strict=True):
        others = repelling - samples
        logs = _logs(samples, others, float(w[samples])) if others else None
        config = DriftFieldConfig(temperature=temperature * math.sqrt(features))
        pos, neg = compute_affinity_matrices(
            x, y[repelling:], y[:repelling], config=config, negative_log_weights=logs,
            generated_negative_count=samples,
        )  # fmt: skip
        found.append(torch.cat([neg, pos], dim=1))
    return torch.stack(found)


stage_weighted_affinity = stage_affinity


def stage_normalised_force(force: Tensor) -> Tensor:
    """Within each class."""
    found = [
        drift_loss._normalize_drifts(
            one[:, None], share_location_normalization=True, eps=OPTIONS.eps
        )[0][:, 0]
        for one in force
    ]
    return torch.stack(found)


def _logs(generated: int, unconditional: int, weight: float) -> Tensor:
    return build_negative_log_weights(
        generated, unconditional, weight, device=torch.device("cpu"), dtype=torch.float32
    )


# -- guidance, schedule, queue --------------------------------------------------------------------


def uncond_weight(alpha: Tensor, *, generated: int, unconditional: int) -> Tensor:
    if not unconditional:
        return torch.zeros_like(alpha)
    found = [
        cfg_alpha_to_unconditional_weight(float(one), generated, unconditional) for one in alpha
    ]
    return torch.tensor(found)


def learning_rate(
    step: int, *, base: float, warmup_steps: int, total_steps: int, kind: str
) -> float:
    scheduler = {"cosine": "warmup_cosine"}[kind]
    return _lr_for_step(
        step=step, total_steps=total_steps, base_lr=base, scheduler=scheduler,
        warmup_steps=warmup_steps,
    )  # fmt: skip


def queue_after_resume(samples: Tensor, labels: Tensor, *, classes: int, capacity: int) -> Tensor:
    config = QueueConfig(num_classes=classes, per_class_capacity=capacity)
    queue, resumed = ClassConditionalSampleQueue(config), ClassConditionalSampleQueue(config)
    queue.push(samples, labels)
    resumed.load_state_dict(queue.state_dict())
    return torch.tensor(resumed.class_counts())
