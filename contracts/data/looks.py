"""Checks of single image files: what their headers say, which levels come out, what is refused."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from functools import partial
from itertools import chain
from typing import Any
from unittest.mock import patch

import torch
from PIL import Image

from drift.data import augment, crop
from verify.api import CheckContext, Measurement, check, mutant

from ..common.rows import Refused, Row, judge_rows

COLOUR = (10, 60, 200)
GREY = (10 * 19595 + 60 * 38470 + 200 * 7471 + 32768) >> 16  # ITU-R 601, as Pillow rounds it
HEADER = ("transparency", "orientation tag")


def saved(mode: str, fmt: str, value: Any, **options: Any) -> bytes:
    """A file of 4 x 3 pixels of one value."""
    stream = io.BytesIO()
    image = Image.new(mode, (4, 3), value)
    if mode == "P":
        image.putpalette([0, 0, 0, *COLOUR])
    image.save(stream, fmt, **options)
    return stream.getvalue()


def _turned(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return saved("RGB", "JPEG", COLOUR, exif=exif.tobytes())


def _frames(fmt: str, mode: str = "RGB", count: int = 2) -> bytes:
    more = [Image.new(mode, (4, 3), (100 * i, 0, 0)) for i in range(1, count)]
    return saved(mode, fmt, COLOUR, save_all=True, append_images=more)


def _png(depth: int, colour: int, row: bytes) -> bytes:
    """A PNG of 4 x 3 pixels whose rows are these bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(
            ">I", zlib.crc32(kind + data)
        )  # fmt: skip

    head = struct.pack(">IIBBBBB", 4, 3, depth, colour, 0, 0, 0)
    body = zlib.compress((b"\0" + row) * 3)
    parts = chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def _ppm(kind: bytes, largest: int, size: int) -> bytes:
    return kind + b" 4 3 %d\n" % largest + bytes([largest % 256]) * 12 * size


# What it is -> (its bytes; is it grey, is it lossy, what of it is dropped; its colours, its grey).
FILES: dict[str, tuple[bytes, bool, bool, tuple[str, ...], tuple[int, ...], int]] = {
    "a colour PNG": (saved("RGB", "PNG", COLOUR), False, False, (), COLOUR, GREY),
    "a grey PNG": (saved("L", "PNG", 77), True, False, (), (77, 77, 77), 77),
    "a PNG of bits": (saved("1", "PNG", 1), True, False, (), (255, 255, 255), 255),
    "grey with alpha": (saved("LA", "PNG", (77, 9)), True, False, HEADER[:1], (77, 77, 77), 77),
    "colour with alpha":
        (saved("RGBA", "PNG", (*COLOUR, 9)), False, False, HEADER[:1], COLOUR, GREY),
    "a palette": (saved("P", "PNG", 1), False, False, (), COLOUR, GREY),
    "a palette with a transparent colour":
        (saved("P", "PNG", 1, transparency=1), False, False, HEADER[:1], COLOUR, GREY),
    "a bitmap": (saved("RGB", "BMP", COLOUR), False, False, (), COLOUR, GREY),
    "a PPM": (saved("RGB", "PPM", COLOUR), False, False, (), COLOUR, GREY),
    "a PPM of 255 levels": (_ppm(b"P5", 255, 1), True, False, (), (255,) * 3, 255),
    "a PPM of 256 colours": (_ppm(b"P6", 255, 3), False, False, (), (255,) * 3, 255),
    "a PPM of 101 levels": (_ppm(b"P6", 100, 3), False, False, (), (255,) * 3, 255),
    "a damaged tag":
        (saved("RGB", "JPEG", COLOUR, exif=b"Exif\0\0MM\0*\0\0\xff"), False, True, (), (), -1),
    "a lossless WEBP":
        (saved("RGB", "WEBP", COLOUR, lossless=True), False, True, (), COLOUR, GREY),
    "a WEBP of one frame": (_frames("WEBP", count=1), False, True, (), (), -1),
    "a grey JPEG": (saved("L", "JPEG", 77), True, True, (), (77, 77, 77), 77),
    "a JPEG of four inks": (saved("CMYK", "JPEG", (0, 0, 0, 0)), False, True, (), (255,) * 3, 255),
    "a photograph with a preview": (_frames("MPO"), False, True, (), (), -1),
    "an upright photograph": (_turned(1), False, True, (), (), -1),
    "an orientation of 0": (_turned(0), False, True, (), (), -1),
    "a turned photograph": (_turned(6), False, True, HEADER[1:], (), -1),
}  # fmt: skip
REFUSED: dict[str, tuple[bytes, str]] = {
    "an animated PNG": (_frames("PNG"), "animation of 2 frames"),
    "an animated WEBP": (_frames("WEBP", count=3), "animation of 3 frames"),
    "a GIF": (saved("P", "GIF", 1), "begin as no known image"),
    "a TIFF": (saved("RGB", "TIFF", COLOUR), "begin as no known image"),
    "colours of 16 bits": (_png(16, 2, bytes(24)), "RGB;16B"),
    "greys of 16 bits": (_png(16, 0, bytes(8)), "I;16"),
    "a PPM of 257 levels": (_ppm(b"P5", 256, 2), "pixels of the kind"),
    "a colour PPM of 257 levels": (_ppm(b"P6", 256, 6), "pixels of the kind RGB/256"),
}


@check("data.looks")
def looks(ctx: CheckContext) -> Measurement:
    """Headers, levels in colour and in grey, refusals, and the limit of pixels on both sides."""
    return judge_rows(ctx, chain(_headers(), _levels(), _refusals(), _limits()), "cases")


def _headers() -> Iterator[Row]:
    for name, (data, grey, lossy, dropped, _, _) in FILES.items():
        yield name, partial(crop.look, data, place="x"), crop.Look((4, 3), grey, lossy, dropped)


def _levels() -> Iterator[Row]:
    for name, (data, _, _, _, colour, grey) in FILES.items():
        one: object = Refused("x", "colours", "three channels") if len(set(colour)) > 1 else (grey,)
        for channels, wanted in ((3, colour), (1, one)):
            if colour:
                yield f"{name}, {channels} channels", partial(_corner, data, channels), wanted
    yield from _nearly_grey()


def _nearly_grey() -> Iterator[Row]:
    """Grey in three channels is grey; one level off is a colour, unless a lossy format made it."""
    even, tinted = (77, 77, 77), (77, 78, 77)
    yield "grey in three channels", partial(_corner, saved("RGB", "PNG", even), 1), (77,)
    for name, data in (("WEBP", saved("RGB", "WEBP", even)), ("JPEG", saved("RGB", "JPEG", even))):
        yield f"grey in a {name}", partial(_bands, data), 1
    said = Refused("x", "by up to 1 levels", "three channels")
    for name, form in (("a PNG", "PNG"), ("a bitmap", "BMP")):
        yield f"{name}, one level off", partial(_decoded, saved("RGB", form, tinted)), said
    for form in ("PNG", "BMP", "JPEG", "WEBP"):  # a pixel is held against itself, not its neighbour
        shaded = io.BytesIO()
        steps = Image.new("RGB", (4, 3), even)
        steps.paste((200, 200, 200), (0, 0, 2, 3))
        steps.save(shaded, form)
        yield f"two greys in a {form}", partial(_bands, shaded.getvalue()), 1
    bright = Image.new("RGB", (4, 3), even)
    bright.putpixel((0, 0), (77, 77, 200))
    target = io.BytesIO()
    bright.save(target, "PNG")
    yield "one pixel of colour", partial(_decoded, target.getvalue()), Refused("x", "123 levels")


def _bands(data: bytes) -> int:
    return len(_decoded(data).getbands())


def _decoded(data: bytes) -> Image.Image:
    return crop.decode(data, place="x", channels=1)


def _corner(data: bytes, channels: int) -> tuple[int, ...]:
    """The levels of the last pixel, by both ways to them."""
    image = crop.decode(data, place="x", channels=channels)
    assert image.size == (4, 3), image.size
    found = crop.pixels(image)
    levels = tuple(round(float(one + 1.0) * 127.5) for one in found[:, 2, 3])
    stored = image.getpixel((3, 2))
    return levels if levels == (stored if isinstance(stored, tuple) else (stored,)) else ()


def _refusals() -> Iterator[Row]:
    for name, (data, why) in REFUSED.items():
        said = Refused("a/x", why, "Fetch")
        yield name, partial(crop.decode, data, place="a/x", channels=3), said
        yield f"{name}, looked at", partial(crop.look, data, place="a/x"), said


def _limits() -> Iterator[Row]:
    good = FILES["a colour PNG"][0]

    def squared(size: int, most: int, **options: Any) -> tuple[int, ...]:
        with patch.object(crop, "MAX_PIXELS", most):
            return tuple(crop.square(good, size, place="a/x", **options).shape)

    adm = {"crop": "adm-centre"}
    yield "the most pixels", lambda: crop.MAX_PIXELS, 80_000_000
    yield "as many pixels as may be", partial(squared, 3, 12, **adm), (3, 3, 3)
    yield "one pixel more", partial(squared, 3, 11, **adm), Refused("a/x", "4 x 3 pixels")
    yield "as many resized", partial(squared, 6, 48, **adm), (3, 6, 6)
    yield "one more resized", partial(squared, 6, 47, **adm), Refused("a/x", "8 x 6 pixels")
    for sides, size, wanted in (
        ((300, 100), 100, (300, 100)), ((400, 200), 100, (200, 100)), ((401, 799), 100, (100, 199)),
        ((99, 300), 50, (99, 300)),
    ):  # fmt: skip
        yield f"{sides} halved", partial(_halved, sides, size), wanted
    grey = FILES["a grey PNG"][0]
    yield (
        "one channel",
        lambda: tuple(crop.square(grey, 3, crop="adm-centre", place="x", channels=1).shape),
        (1, 3, 3),
    )
    yield "no crop", partial(squared, 3, 99, crop="none"), Refused("a/x", "4 x 3", "3 x 3")
    square = io.BytesIO()
    Image.new("RGB", (3, 3), COLOUR).save(square, "PNG")
    whole = partial(crop.square, square.getvalue(), 3, crop="none", place="x")
    yield "no crop of a square", lambda: tuple(whole().shape), (3, 3, 3)


def _halved(sides: tuple[int, int], size: int) -> tuple[int, int]:
    return crop.halved(Image.new("L", sides), size).size


@check("data.random_box")
def random_box(ctx: CheckContext) -> Measurement:
    """The crop that given numbers mean, worked out by hand; later tries, and none that fits."""
    low, high = 3 / 4, 4 / 3
    middle = 0.5  # of the logarithm of the ratio: a square
    tries = {
        "a quarter in the middle": ((100, 100), [(0.25 - 0.08) / 0.92, middle, 0.5, 0.5],
                                    augment.Box(25, 25, 50, 50)),
        "the left, the lowest place": ((100, 100), [(0.25 - 0.08) / 0.92, middle, 0.0, 0.999],
                                       augment.Box(0, 50, 50, 50)),
        "all of a square": ((64, 64), [1.0, middle, 0.9, 0.9], augment.Box(0, 0, 64, 64)),
        "the widest": ((400, 400), [(0.12 - 0.08) / 0.92, 1.0, 0.0, 0.0],
                       augment.Box(0, 0, 160, 120)),
        "the tallest": ((400, 400), [(0.12 - 0.08) / 0.92, 0.0, 0.0, 0.0],
                        augment.Box(0, 0, 120, 160)),
        "the second try": ((100, 50), [1.0, middle, 0, 0, (0.125 - 0.08) / 0.92, middle, 0, 0],
                           augment.Box(0, 0, 25, 25)),
        "none that fits, wide": ((300, 30), [1.0, middle, 0.0, 0.0], augment.Box(130, 0, 40, 30)),
        "none that fits, odd": ((301, 30), [1.0, middle, 0.0, 0.0], augment.Box(130, 0, 40, 30)),
        "none that fits, tall and odd":
            ((30, 301), [1.0, middle, 0.0, 0.0], augment.Box(0, 130, 30, 40)),
        "none that fits, tall": ((30, 300), [1.0, middle, 0.0, 0.0], augment.Box(0, 130, 30, 40)),
        "no row": ((1, 1), [(0.25 - 0.08) / 0.92, 1.0, 0.0, 0.0], augment.Box(0, 0, 1, 1)),
        "no column": ((1, 1), [(0.25 - 0.08) / 0.92, 0.0, 0.0, 0.0], augment.Box(0, 0, 1, 1)),
        "the first of two that fit": ((100, 50), [(0.125 - 0.08) / 0.92, middle, 0, 0] * 2,
                                      augment.Box(0, 0, 25, 25)),
        "a pixel that fits": ((3, 3), [(1 / 9 - 0.08) / 0.92, middle, 0.999, 0.0],
                              augment.Box(2, 0, 1, 1)),
        "none that fits, a pixel": ((1, 9), [1.0, middle, 0.0, 0.0], augment.Box(0, 4, 1, 1)),
    }  # fmt: skip
    rows: list[Row] = [
        (name, partial(augment.box_of, sides, uniform), box)
        for name, (sides, uniform, box) in tries.items()
    ]
    rows.append(("the bounds", lambda: (augment.SCALE, augment.RATIO), ((0.08, 1.0), (low, high))))
    rows.append(("a crop's numbers", _drawn, ((3, 40), torch.float64, True)))
    rows.append(("a crop of one colour", _cropped, COLOUR))
    return judge_rows(ctx, rows, "crops by given numbers")


def _drawn() -> tuple[object, ...]:
    found = augment.numbers(3, torch.Generator().manual_seed(5))
    again = torch.rand(3, 40, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    return tuple(found.shape), found.dtype, torch.equal(found, again)


def _cropped() -> object:
    """A patch of another colour is cut out exactly."""
    image = Image.new("RGB", (20, 10))
    image.paste(COLOUR, (4, 2, 10, 8))
    found = augment.resized_crop(image, augment.Box(4, 2, 6, 6), 12)
    colours = found.getcolors()
    return colours[0][1] if colours and found.size == (12, 12) and len(colours) == 1 else colours


OTHER_VALUES = (
    # Nothing counts as grey.
    mutant("data.greys_unseen", crop, GREY=()),
    # Colours become grey in silence.
    mutant("data.colours_lost", crop, _require_grey=lambda image, most, place: None),
    # The first frame stands for an animation.
    mutant("data.first_frame_only", crop, FRAMES=()),
    # Images of more than 8 bits are rounded in silence.
    mutant("data.deep_rounded", crop, _is_deep=lambda image: False),
    # Every tag turns an image.
    mutant("data.upright_unknown", crop, UPRIGHT=(None,)),
    # A crop begins at the corner.
    mutant("data.random_corner", augment, _place=lambda u, room: 0),
)
