"""The samples of one call of the drifting loss: checked, cast, and put into one order."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from drift.errors import InputError

__all__ = [
    "Centred",
    "Clouds",
    "centred",
    "check_features",
    "checked_temperatures",
    "fold_locations",
    "gather",
    "pieces",
]


class Clouds(NamedTuple):
    """Detached samples and weights, all of one dtype.

    targets  gen [B, G, S], then neg [B, N, S] where there is one, then pos [B, P, S]
    weight   [B, T], in the order of the targets
    """

    targets: tuple[Tensor, ...]
    weight: Tensor

    @property
    def gen(self) -> Tensor:
        """[B, G, S]."""
        return self.targets[0]

    @property
    def repelling(self) -> int:
        """G + N, the number of targets in front of the positives."""
        return sum(cloud.shape[1] for cloud in self.targets[:-1])


class Centred(NamedTuple):
    """Samples of some groups about the mean of their generated ones, which no distance sees.

    targets  [B, T, S], the first G of them the generated samples; centre [B, 1, S]
    weight   [B, T]
    """

    targets: Tensor
    centre: Tensor
    weight: Tensor
    generated: int
    repelling: int

    @property
    def gen(self) -> Tensor:
        """[B, G, S]."""
        return self.targets[:, : self.generated]


def centred(call: Clouds) -> Centred:
    """All targets in one tensor, about the mean of the generated samples of their group.

    What float32 keeps of a difference of samples, and of |x|^2 + |y|^2 - 2 x y, depends on how far
    they are from the origin.
    """
    centre = call.gen.mean(dim=1, keepdim=True)
    groups, samples, features = call.gen.shape
    targets = centre.new_empty(groups, call.weight.shape[1], features)
    sides = torch.split(targets, [cloud.shape[1] for cloud in call.targets], dim=1)
    for cloud, side in zip(call.targets, sides, strict=True):
        torch.sub(cloud, centre, out=side)
    return Centred(targets, centre, call.weight, samples, call.repelling)


def pieces(call: Clouds, groups: int) -> Iterator[Clouds]:
    """The call, `groups` groups at a time; an empty call is one piece."""
    for start in range(0, max(len(call.gen), 1), groups):
        some = slice(start, start + groups)
        yield Clouds(tuple(cloud[some] for cloud in call.targets), call.weight[some])


def gather(
    gen: Tensor,
    pos: Tensor,
    neg: Tensor | None,
    weight_gen: Tensor | None,
    weight_pos: Tensor | None,
    weight_neg: Tensor | None,
    sharded: bool,
) -> Clouds:
    """Check the arguments of `drift_loss` and cast them to float32, or float64 if gen has it.

    Only a process among others (`sharded`) may be left without any group.
    """
    dtype = torch.float64 if gen.dtype == torch.float64 else torch.float32
    named = [("gen", gen, weight_gen), ("neg", neg, weight_neg), ("pos", pos, weight_pos)]
    if neg is None and weight_neg is not None:
        raise InputError("weight_neg", found="weights", expected="None, because neg is not given")
    targets, weights = [], []
    for name, cloud, weight in named:
        if cloud is None:
            continue
        _check_cloud(name, cloud, gen, sharded)
        targets.append(cloud.detach().to(dtype))
        weights.append(_checked_weight(name, cloud, weight, dtype))
    return Clouds(tuple(targets), torch.cat(weights, dim=1))


def _check_cloud(name: str, cloud: Tensor, gen: Tensor, sharded: bool) -> None:
    found = list(cloud.shape)
    may_be_empty = ({0} if sharded else set()) | ({1} if name == "neg" else set())
    if cloud.ndim != 3 or any(not size and i not in may_be_empty for i, size in enumerate(found)):
        raise InputError(
            name,
            found=f"shape {found}",
            expected="[groups, samples, features] with at least one of each",
        )
    if not cloud.is_floating_point():
        raise InputError(name, found=cloud.dtype, expected="a floating-point tensor")
    expected = [gen.shape[0], cloud.shape[1], gen.shape[-1]]
    if found != expected:
        raise InputError(
            name,
            found=f"shape {found}",
            expected=f"{expected}: groups and features as in gen {list(gen.shape)}",
        )
    if cloud.device != gen.device:
        raise InputError(name, found=f"on {cloud.device}", expected=f"{gen.device}, as gen")


def _checked_weight(name: str, cloud: Tensor, weight: Tensor | None, dtype: torch.dtype) -> Tensor:
    expected = list(cloud.shape[:2])
    if weight is None:
        return torch.ones(expected, dtype=dtype, device=cloud.device)
    if list(weight.shape) != expected:
        raise InputError(
            f"weight_{name}",
            found=f"shape {list(weight.shape)}",
            expected=f"{expected}: one weight for each sample of {name}",
        )
    return weight.detach().to(device=cloud.device, dtype=dtype)


def checked_temperatures(temperatures: Sequence[float]) -> tuple[float, ...]:
    """The temperatures as floats in their order; InputError unless distinct, finite, above 0."""
    taus = tuple(float(tau) for tau in temperatures)
    if not taus:
        raise InputError("temperatures", found="none", expected="at least one")
    if not all(math.isfinite(tau) and tau > 0 for tau in taus):
        raise InputError("temperatures", found=list(taus), expected="finite numbers above 0")
    if len(set(taus)) != len(taus):
        raise InputError("temperatures", found=list(taus), expected="each value once")
    return taus


def fold_locations(features: Tensor) -> Tensor:
    """[B, K, L, D] -> [B L, K, D]; group b L + l is location l of label b."""
    batch, samples, locations, width = features.shape
    return features.transpose(1, 2).reshape(batch * locations, samples, width)


def check_features(
    gen_features: Mapping[str, Tensor],
    real_features: Mapping[str, Tensor],
    alpha: Tensor,
    positives: int,
) -> tuple[int, int]:
    """Check the arguments of `feature_loss` that `drift_loss` does not see; -> (G, P + N)."""
    if not gen_features or gen_features.keys() != real_features.keys():
        raise InputError(
            "real_features",
            found=f"the names {sorted(real_features)}",
            expected=f"at least one, and those of gen_features: {sorted(gen_features)}",
        )
    first = next(iter(gen_features))
    generated, real = gen_features[first].shape[1], real_features[first].shape[1]
    for name, gen in gen_features.items():
        for side, features, samples in (
            ("gen_features", gen, generated),
            ("real_features", real_features[name], real),
        ):
            expected = [len(alpha), samples, *gen.shape[2:]]
            if features.ndim != 4 or list(features.shape) != expected:
                raise InputError(
                    f"{side}[{name!r}]",
                    found=f"shape {list(features.shape)}",
                    expected=f"[labels, samples, locations, features], here {expected}: "
                    "labels as in alpha, samples as in the first name, the rest as in gen_features",
                )
    if not 1 <= positives <= real:
        raise InputError(
            "positives", found=positives, expected=f"1 to {real}, the number of real samples"
        )
    return generated, real
