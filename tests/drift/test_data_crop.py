"""The centre crop and the decoding of images, also hostile ones."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from contracts.data import cases
from contracts.data import crop as data_crop
from drift.data import crop
from drift.data.source import DataError


def file_of(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


@settings(max_examples=40)
@given(st.integers(1, 90), st.integers(1, 90), st.integers(1, 24))
def test_any_crop_equals_the_one_recomputed_without_pillow(w: int, h: int, size: int) -> None:
    if max(w, h) * size > 1000 * min(w, h):
        return
    levels = cases.noise(w + 100 * h, w, h)
    found = np.asarray(crop.adm_centre(Image.fromarray(levels), size))
    assert np.array_equal(found, data_crop.centre_crop(levels, size))


def test_an_image_of_the_wanted_size_is_left_as_it_is() -> None:
    levels = cases.noise(0, 16, 16)
    assert np.array_equal(np.asarray(crop.adm_centre(Image.fromarray(levels), 16)), levels)


def test_tall_images_are_filtered_rows_first_whatever_pillow_prefers() -> None:
    """Pillow 13 began to filter the columns of this one first: other pixels than all before it."""
    levels = cases.noise(0, 60, 180)
    rows_first = data_crop.centre_crop(levels, 51)
    assert np.array_equal(np.asarray(crop.adm_centre(Image.fromarray(levels), 51)), rows_first)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK"])
def test_every_eight_bit_mode_becomes_rgb_or_grey(mode: str) -> None:
    image = Image.fromarray(cases.noise(0, 20, 20)).convert("L").convert(mode)
    data = file_of(image, "JPEG" if mode == "CMYK" else "PNG")
    for channels in (3, 1):
        sample = crop.square(data, 16, crop="adm-centre", place="x", channels=channels)
        assert sample.shape == (channels, 16, 16)
        assert sample.dtype == torch.float32
        assert sample.abs().max() <= 1


@pytest.mark.parametrize("mode", ["P", "RGB", "RGBA", "CMYK"])
def test_colours_never_become_grey_in_silence(mode: str) -> None:
    """A template of one channel once made grey samples of any folder, and nobody was told."""
    image = Image.fromarray(cases.noise(0, 20, 20)).convert(mode)
    data = file_of(image, "JPEG" if mode == "CMYK" else "PNG")
    with pytest.raises(DataError, match=r"a/x\.png: found an image with colours.*three channels"):
        crop.square(data, 16, crop="adm-centre", place="a/x.png", channels=1)


def test_a_palette_with_transparency_keeps_its_colours() -> None:
    """Pillow warns when such an image goes straight to RGB; here warnings are errors."""
    image = Image.fromarray(cases.noise(0, 16, 16)).quantize(16)
    data = file_of(image, transparency=bytes(range(16)))
    plain = crop.square(file_of(image), 16, crop="none", place="x")
    assert torch.equal(crop.square(data, 16, crop="none", place="x"), plain)


@pytest.mark.parametrize(
    ("mode", "data"),
    [
        ("I;16", file_of(Image.fromarray(np.full((20, 20), 300, np.uint16)))),
        ("I", b"P5 2 2 65535\n" + bytes(8)),
        ("F", b"Pf\n2 2\n-1.0\n" + bytes(16)),
    ],
)
def test_more_than_eight_bits_are_refused_not_clipped(mode: str, data: bytes) -> None:
    with pytest.raises(DataError, match=rf"x/y: found no usable image .*of the kind {mode}'"):
        crop.square(data, 2, crop="adm-centre", place="x/y")


def test_formats_that_run_programs_are_not_opened() -> None:
    with pytest.raises(DataError, match="begin as no known image"):
        crop.decode(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", place="x", channels=3)


def test_without_a_crop_another_size_is_an_error() -> None:
    with pytest.raises(DataError, match=r"a\.png: found 20 x 18 pixels; expected 16 x 16"):
        crop.square(cases.png(cases.noise(0, 20, 18)), 16, crop="none", place="a.png")


def test_unequal_sides_do_not_resize_to_a_bomb() -> None:
    data = cases.png(cases.noise(0, 2, 20_000))
    with pytest.raises(DataError, match=r"long\.png: found sides so unequal"):
        crop.square(data, 256, crop="adm-centre", place="long.png")


@settings(max_examples=60)
@given(st.data())
def test_a_damaged_file_is_one_clear_error_or_an_image(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(["PNG", "JPEG", "WEBP", "BMP", "PPM"]))
    good = file_of(Image.fromarray(cases.noise(1, 24, 24)), kind)
    bad = bytearray(good)
    for _ in range(data.draw(st.integers(1, 6))):
        bad[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    bad = bad[: data.draw(st.integers(0, len(good)))]
    said = "here.img"
    try:
        sample = crop.square(bytes(bad), 16, crop="adm-centre", place="here.img")
        assert sample.shape == (3, 16, 16)
    except DataError as error:
        said = str(error)
    assert "here.img" in said
