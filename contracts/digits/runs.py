"""Real digits: the pinned data, and what the drifting loss makes of them within seconds."""

from __future__ import annotations

import hashlib

import numpy as np
import torch
from torch import Tensor

from drift import digits
from drift.toy.measure import Ruler
from drift.toy.targets import Handwritten
from verify.api import CheckContext, Measurement, check

from ..toy.runs import AXIS, one_run


@check("digits.pinned")
def pinned(ctx: CheckContext) -> Measurement:
    """Hash of the installed array, hashed here anew; split, classes and scale."""
    images, labels = digits.raw()
    digest = hashlib.sha256(np.round(images).astype("u1").tobytes())
    digest.update(labels.astype("u1").tobytes())
    if digest.hexdigest() != ctx.params["sha256"]:
        return ctx.decide(False, f"SHA-256 {digest.hexdigest()}, expected {ctx.params['sha256']}")
    try:
        training, held_out = digits.load()
    except digits.DigitsError as error:
        return ctx.decide(False, str(error))
    sizes = [len(training.labels), len(held_out.labels)]
    if sizes != ctx.params["sizes"]:
        return ctx.decide(False, f"split into {sizes}, expected {ctx.params['sizes']}")
    both = torch.cat([training.images, held_out.images])
    if (float(both.min()), float(both.max())) != (-1.0, 1.0):
        return ctx.decide(False, f"values from {float(both.min())} to {float(both.max())}")
    stored = torch.from_numpy(images.reshape(len(images), -1))
    # Every stored image is there once, whichever side it is on.
    if not torch.equal(_ordered((both.double() + 1.0) * 8.0), _ordered(stored)):
        return ctx.decide(False, "the two sides together are not the data set")
    if sorted(torch.cat([training.labels, held_out.labels]).tolist()) != sorted(labels.tolist()):
        return ctx.decide(False, "the labels of the two sides are not those of the data set")
    return ctx.decide(True, f"{sizes[0]} training and {sizes[1]} held-out images, pinned")


@check("digits.closer_than_gaussians", needs=("drift_loss",))
def closer_than_gaussians(ctx: CheckContext) -> Measurement:
    """Energy distance to held-out digits over that of Gaussians fitted to each class."""
    run = one_run(ctx, "digits", "scattered", ctx.params["steps"])
    assert run.last is not None
    target = Handwritten()
    baseline = Ruler(target).measure(gaussians(target, run.plan.recipe.evaluated, ctx.seed))
    ratio = run.last.energy_distance / baseline.energy_distance
    last = run.snapshots[ctx.params["steps"]].flatten(0, 1)
    return ctx.judge(
        ratio,
        f"energy distance {run.last.energy_distance:.4f}, independent pixels of each class "
        f"{baseline.energy_distance:.4f}",
        axis=AXIS,
        details={
            "energy_distance": run.last.energy_distance,
            "baseline": baseline.energy_distance,
            "before_training": run.first.energy_distance if run.first else None,
            # Whether samples are copies: held-out digits are as far from the training set.
            "nearest_training_image": nearest_distance(target, last),
            "nearest_training_image_of_held_out": nearest_distance(target, target.held_out.images),
            "seed": ctx.seed,
        },
    )


@check("digits.classes", needs=("drift_loss",))
def classes(ctx: CheckContext) -> Measurement:
    """Share of the samples of the worst class whose nearest training image is of another."""
    run = one_run(ctx, "digits", "scattered", ctx.params["steps"])
    target, samples = Handwritten(), run.snapshots[ctx.params["steps"]]
    wrong = [
        float((target.mode_of(samples[c]) != c).double().mean()) for c in range(digits.CLASSES)
    ]
    worst = int(np.argmax(wrong))
    return ctx.judge(
        wrong[worst],
        f"class {worst}: {wrong[worst]:.1%} of its samples are nearest to another class",
        axis=AXIS,
        details={"wrong_by_class": wrong, "seed": ctx.seed},
    )


def gaussians(target: Handwritten, n: int, seed: int) -> Tensor:
    """n samples for each class of independent normal pixels with the class's moments."""
    generator, kinds = torch.Generator().manual_seed(seed), []
    for c in range(digits.CLASSES):
        real = target.training.of_class(c)
        normal = torch.randn(n, real.shape[1], generator=generator)
        kinds.append(real.mean(dim=0) + real.std(dim=0) * normal)
    return torch.stack(kinds)


def nearest_distance(target: Handwritten, samples: Tensor) -> float:
    """Mean distance to the nearest training image."""
    return float(torch.cdist(samples, target.training.images).min(dim=1).values.mean())


def _ordered(images: Tensor) -> Tensor:
    """Rows in lexicographic order, so that two sets of images can be compared."""
    rows = images.round().long().numpy()
    return torch.from_numpy(rows[np.lexsort(rows.T[::-1])])
