"""Bilinear resize: the recording, and what a resize must leave alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from drift.resize import resize_bilinear

GOLDEN = Path(__file__).parents[2] / "specs" / "golden"
RECORD = json.loads((GOLDEN / "resize_bilinear.json").read_text())


@pytest.mark.parametrize("stage", RECORD["stages"])
def test_resize_equals_the_recording(stage: str) -> None:
    arrays = load_file(GOLDEN / "resize_bilinear.safetensors")
    image = arrays[stage.replace("out/", "in/")].movedim(-1, 1)
    expected = arrays[stage].movedim(-1, 1)
    found = resize_bilinear(image, (expected.shape[2], expected.shape[3]))
    assert float((found - expected).abs().max()) <= RECORD["tolerance_allowed"]["maxabs"]


@pytest.mark.parametrize("size", [(3, 5), (7, 4), (16, 16), (9, 9)])
def test_a_constant_image_stays_constant(size: tuple[int, int]) -> None:
    found = resize_bilinear(torch.full((1, 2, 9, 7), 0.375), size)
    assert found.shape == (1, 2, *size)
    torch.testing.assert_close(found, torch.full_like(found, 0.375))


def test_an_image_of_the_wanted_size_is_returned_untouched() -> None:
    image = torch.rand(1, 1, 4, 6)
    assert resize_bilinear(image, (4, 6)) is image


def test_bfloat16_is_filtered_in_float32_and_rounded_once() -> None:
    image = torch.rand(1, 1, 20, 20, generator=torch.Generator().manual_seed(0)).bfloat16()
    found = resize_bilinear(image, (14, 14))
    assert found.dtype == torch.bfloat16
    assert torch.equal(found, resize_bilinear(image.float(), (14, 14)).bfloat16())
