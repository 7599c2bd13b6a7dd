"""This engine's functions under the names of the protocol: what the falsifiers turn red.

Each calls the function of `drift` that does it, looked up at the call, so that a patch is seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

import drift.clouds
import drift.loss
import drift.pairs
import drift.target
from drift.evaluate import fid, prdc
from drift.queue import SampleQueue
from drift.semantics import SEMANTICS


def _t(value: Any) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(value)).reshape(np.shape(value))


def _optional(value: Any) -> Tensor | None:
    return None if value is None else _t(value)


def _n(value: Tensor) -> Any:
    return value.detach().numpy()


def drift_loss_and_gradient(
    gen: Any,
    pos: Any,
    neg: Any = None,
    *,
    weight_gen: Any = None,
    weight_pos: Any = None,
    weight_neg: Any = None,
    temperatures: Sequence[float] = (0.02, 0.05, 0.2),
) -> tuple[Any, Any]:
    """Loss and gradient of `drift.loss.drift_loss`."""
    x = _t(gen).clone().requires_grad_()
    loss, _ = drift.loss.drift_loss(
        x,
        _t(pos),
        _optional(neg),
        temperatures=temperatures,
        weight_gen=_optional(weight_gen),
        weight_pos=_optional(weight_pos),
        weight_neg=_optional(weight_neg),
    )
    torch.autograd.backward(loss.sum())
    assert x.grad is not None
    return _n(loss), _n(x.grad)


def feature_loss_value(
    gen_features: Mapping[str, Any],
    real_features: Mapping[str, Any],
    alpha: Any,
    *,
    positives: int,
    temperatures: Sequence[float],
    semantics: str,
) -> float:
    """The total of `drift.loss.feature_loss`."""
    total, _ = drift.loss.feature_loss(
        {name: _t(one) for name, one in gen_features.items()},
        {name: _t(one) for name, one in real_features.items()},
        _t(alpha),
        positives=positives,
        temperatures=temperatures,
        semantics=semantics,
    )
    return float(total)


# -- stages of the loss ---------------------------------------------------------------------------


def stage_distance(gen: Any, targets: Any) -> Any:
    return _n(drift.pairs.distances(_t(gen), _t(targets)))


def stage_scale(distance: Any, weight: Any) -> Any:
    figures = drift.target.distance_sums(_t(distance), _t(weight))
    (total,) = drift.target.distance_totals([figures], None)
    return _n(drift.target.mean_distance(total).float())


def stage_coordinate_scale(scale: Any, features: int) -> Any:
    return _n(drift.target.coordinate_scale(_t(scale), features))


def stage_masked_distance(distance: Any, scale: Any) -> Any:
    switches = SEMANTICS["reference"]
    return _n(drift.pairs.normalised_distances(_t(distance).clone(), _t(scale), switches))


def stage_affinity(masked_distance: Any, temperature: float, weight: Any) -> Any:
    switches = SEMANTICS["reference"]
    both = drift.pairs.softmaxes(_t(masked_distance) / -temperature, _t(weight), switches)
    return _n(drift.pairs.affinities(*both, switches.affinity_floor))


def stage_weighted_affinity(masked_distance: Any, temperature: float, weight: Any) -> Any:
    affinity = _t(stage_affinity(masked_distance, temperature, weight))
    if SEMANTICS["reference"].uncond_weight == "after_softmax":
        affinity = drift.pairs.apply_weight(affinity, _t(weight))
    return _n(affinity)


def stage_coefficients(affinity: Any, weight: Any, repelling: int) -> Any:
    weighted = _t(affinity).clone()
    if SEMANTICS["reference"].uncond_weight == "after_softmax":
        weighted = drift.pairs.apply_weight(weighted, _t(weight))
    sums = drift.pairs.side_sums(weighted, repelling)
    return _n(drift.pairs.cross_weights(weighted, *sums, repelling))


def stage_force(
    coefficients: Any, gen: Any, targets: Any, weight: Any, repelling: int, coordinate_scale: Any
) -> Any:
    samples = gen.shape[1]
    parts = (targets[:, :samples], targets[:, samples:repelling], targets[:, repelling:])
    call = drift.clouds.Clouds(tuple(_t(part) for part in parts if part.shape[1]), _t(weight))
    pulled = drift.pairs.force(_t(coefficients).clone(), drift.clouds.centred(call))
    return _n(pulled / _t(coordinate_scale))


def stage_normalised_force(force: Any) -> Any:
    raw = _t(force)
    (total,) = drift.target.power_totals([_products(raw)], None)
    mean = total[..., :-1] / total[..., -1:]
    f = drift.target.force_power(mean[..., None])
    return _n(raw / drift.target.force_norm(f).float().reshape(-1, 1, 1))


def stage_loss(total_force: Any) -> Any:
    shares = _products(_t(total_force))
    return _n(drift.target.objective(shares, torch.ones(1), SEMANTICS["reference"]))


def _products(force: Tensor) -> Tensor:
    return drift.target.products(force[:, None], torch.ones(()))


def stage_gradient(total_force: Any, coordinate_scale: Any) -> Any:
    force, c = _t(total_force), _t(coordinate_scale)
    return _n(force * drift.target.gradient_factor(force.shape, c))


# -- queue, evaluation ----------------------------------------------------------------------------


def queue_after_push(
    batches: Sequence[Any], labels: Sequence[Any], *, classes: int, capacity: int
) -> tuple[Any, Any]:
    queue = SampleQueue(classes, capacity)
    for samples, of in zip(batches, labels, strict=True):
        queue.push(_t(samples), _t(of))
    state = queue.state_dict()
    return _n(state["bank"]), _n(state["count"])


def frechet_distance(mean: Any, covariance: Any, other_mean: Any, other_covariance: Any) -> float:
    one, other = (
        fid.Moments(np.float64(m), np.float64(c), 0)  # type: ignore[arg-type]
        for m, c in ((mean, covariance), (other_mean, other_covariance))
    )
    return float(fid.frechet(one, other))


def precision_recall(generated: Any, real: Any) -> tuple[float, float]:
    hits = prdc.precision_hits(generated, real), prdc.recall_hits(generated, real)
    return float(hits[0].mean()), float(hits[1].mean())


def queue_after_resume(samples: Any, labels: Any, *, classes: int, capacity: int) -> Any:
    queue = SampleQueue(classes, capacity)
    queue.push(_t(samples), _t(labels))
    resumed = SampleQueue(classes, capacity)
    resumed.load_state_dict(queue.state_dict())
    return _n(resumed.state_dict()["count"])
