"""What a generator of digits has to beat."""

from __future__ import annotations

import torch
from torch import Tensor

from drift import digits

RIDGE = 1.0e-6  # on the variances: border pixels are constant in every training image


def class_gaussians(count: int, *, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Samples [count, 1, 8, 8] of one Gaussian a class, fitted to training pixels, labels [count].

    Labels go round the ten digits. Values beyond [-1, 1] are left as drawn; they are clipped where
    samples become bytes, as those of any generator are.
    """
    training, _ = digits.load()
    labels = torch.arange(count) % digits.CLASSES
    samples = torch.empty(count, digits.SIDE**2, dtype=torch.float64)
    for label in range(digits.CLASSES):
        real = training.of_class(label).double()
        covariance = torch.cov(real.T) + RIDGE * torch.eye(real.shape[1], dtype=torch.float64)
        root = torch.linalg.cholesky(covariance)
        places = labels == label
        drawn = torch.randn(int(places.sum()), real.shape[1], generator=generator).double()
        samples[places] = real.mean(0) + drawn @ root.T
    return samples.float().reshape(-1, 1, digits.SIDE, digits.SIDE), labels
