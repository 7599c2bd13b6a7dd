"""The toy generator: one network evaluation from noise and class to a sample."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from drift.toy.targets import Start

SLOPE = 0.1  # of the leaky rectifier: with slope 0 a whole layer can die and freeze the samples
PROBES = 2048  # noises with which the start is put in place


class ToyGenerator(nn.Module):
    """noise [B, n, Z], condition [B, C] -> samples [B, n, S]: a multilayer perceptron."""

    def __init__(
        self, noise: int, condition: int, features: int, *, width: int, depth: int,
        generator: torch.Generator,
    ) -> None:  # fmt: skip
        super().__init__()
        sizes = [noise + condition, *[width] * depth, features]
        self.noise = noise
        made: Any = nn.utils.skip_init  # as torch makes them, layers draw from its own stream
        self.layers = nn.ModuleList(made(nn.Linear, a, b) for a, b in pairwise(sizes))
        for layer in self.layers:
            assert isinstance(layer, nn.Linear)
            bound = 1.0 / math.sqrt(layer.in_features)
            for parameter in (layer.weight, layer.bias):
                nn.init.uniform_(parameter, -bound, bound, generator=generator)

    def forward(self, noise: Tensor, condition: Tensor) -> Tensor:
        told = condition[:, None].expand(-1, noise.shape[1], -1)
        hidden = torch.cat([noise, told], dim=-1)
        *inner, head = self.layers
        for layer in inner:
            hidden = nn.functional.leaky_relu(layer(hidden), SLOPE)
        samples: Tensor = head(hidden)
        return samples

    @torch.no_grad()
    def begin_at(self, start: Start, condition: Tensor, generator: torch.Generator) -> None:
        """Rescale the last layer so that the samples have the mean and deviation of `start`,
        coordinate by coordinate, over noise and groups."""
        count = -(-PROBES // len(condition))
        noise = torch.randn(len(condition), count, self.noise, generator=generator)
        samples = self(noise, condition).flatten(0, 1)
        gain = start.spread / samples.std(dim=0)
        head = self.layers[-1]
        assert isinstance(head, nn.Linear)
        head.weight.mul_(gain[:, None])
        head.bias.copy_((head.bias - samples.mean(dim=0)) * gain + torch.tensor(start.mean))
