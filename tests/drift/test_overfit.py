"""What `drift overfit` says it learned: of each label the worst sample decides."""

from __future__ import annotations

import torch

from drift.toy import overfit


def parts() -> tuple[torch.Tensor, torch.Tensor]:
    source = overfit.sixteen()
    return source.samples, source.labels


def test_the_images_themselves_are_learned_exactly() -> None:
    images, labels = parts()
    learned, _, worst = overfit.measure(images, images, labels)
    assert (learned.found, learned.off, learned.worst) == (overfit.IMAGES, 0.0, 0.0)
    assert torch.equal(worst, images)


def test_one_sample_of_another_image_costs_its_label_however_many_are_right() -> None:
    images, labels = parts()
    samples, asked = (
        torch.cat([images, images, images[[3]]]),
        torch.cat([labels, labels, labels[[7]]]),
    )
    learned, _, worst = overfit.measure(images, samples, asked)
    assert learned.found == overfit.IMAGES - 1
    assert torch.equal(worst[7], images[3])


def test_images_under_the_wrong_labels_are_not_learned() -> None:
    images, labels = parts()
    assert overfit.measure(images, images, labels.roll(1))[0].found == 0


def test_grey_is_no_digit() -> None:
    images, labels = parts()
    learned, _, _ = overfit.measure(images, torch.zeros_like(images), labels)
    assert learned.found == 0
    assert learned.off > learned.apart / 2
