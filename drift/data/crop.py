"""From an image of any size to a square of pixels in [-1, 1]: the centre crop known from ADM.

The shorter side is halved with a box filter while it is at least twice the wanted one, then brought
to it with a bicubic filter; the square in the middle is kept. Nothing is squashed. Orientation tags
are not applied and transparency is dropped, as ADM and the release do; `look` tells of both.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from drift.artifacts.errors import shown
from drift.data.source import DataError

# Before and after resizing; 240 MB of RGB, and below the number that makes Pillow itself warn.
MAX_PIXELS = 80_000_000
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "PPM")
MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr")
GREY = ("1", "L", "LA")
LOSSY = ("JPEG", "MPO", "WEBP")
ROUNDING = 4  # levels by which a lossy format may part the channels of a grey image
FRAMES = ("PNG", "WEBP")  # a photograph with a preview (MPO) is one image, an animation is none
ORIENTATION = 0x0112
UPRIGHT = (None, 0, 1)
HALVING = Image.Resampling.BOX
RESIZING = Image.Resampling.BICUBIC
HALF_RANGE = 127.5


def adm_centre(image: Image.Image, size: int) -> Image.Image:
    """The square of `size` pixels in the middle of the image."""
    return centred(resized(halved(image, size), size), size)


def halved(image: Image.Image, size: int) -> Image.Image:
    """Halve both sides (an odd pixel is averaged in) while the shorter is at least 2 `size`."""
    while min(image.size) >= 2 * size:
        image = filtered(image, (image.width // 2, image.height // 2), HALVING)
    return image


def resized(image: Image.Image, size: int) -> Image.Image:
    """The image with a shorter side of `size`, its proportions kept to the pixel."""
    width, height = target_size(image.size, size)
    if width * height > MAX_PIXELS:
        raise ValueError(f"sides so unequal that the resized image has {width} x {height} pixels")
    return filtered(image, (width, height), RESIZING)


def filtered(image: Image.Image, sides: tuple[int, int], kernel: Image.Resampling) -> Image.Image:
    """Resize rows first, then columns, each rounded to whole levels.

    Two calls, because Pillow 13 swaps the passes for tall images and 12 does not: in one call, 30 %
    of the values of noise of 300 x 900 pixels cropped to 256 differ between them, by up to 22.
    """
    return image.resize((sides[0], image.height), kernel).resize(sides, kernel)


def target_size(sides: tuple[int, int], size: int) -> tuple[int, int]:
    """Both sides scaled alike, rounded half to even."""
    scale = size / min(sides)
    return round(sides[0] * scale), round(sides[1] * scale)


def centred(image: Image.Image, size: int) -> Image.Image:
    """Cut the middle square; an odd remainder leaves its pixel on the right or at the bottom."""
    left, top = (image.width - size) // 2, (image.height - size) // 2
    return image.crop((left, top, left + size, top + size))


@dataclass(frozen=True)
class Look:
    """What an image's header says.

    sides    width and height
    grey     one channel is all there is
    lossy    the format rounds levels
    dropped  what decoding leaves out: transparency, an orientation tag
    """

    sides: tuple[int, int]
    grey: bool
    lossy: bool
    dropped: tuple[str, ...]


def look(data: bytes, *, place: str) -> Look:
    """The header of a file's bytes; raises DataError as `decode` does, without decoding."""
    with _opened(data, place) as image:
        dropped = {"transparency": _transparent(image), "orientation tag": _turned(image)}
        return Look(
            image.size,
            image.mode in GREY,
            image.format in LOSSY,
            tuple(name for name, found in dropped.items() if found),
        )


def decode(data: bytes, *, place: str, channels: int) -> Image.Image:
    """An 8-bit image of 3 (RGB) or 1 (grey) channels from a file's bytes.

    Raises DataError that names `place` for bytes that are damaged, no image, of more than 8 bits,
    of several frames, or of more pixels than `MAX_PIXELS`; all but the first is looked at before
    any pixel is decoded. Where one channel is asked for, an image with colours is refused: two of
    its channels differ in some pixel, in a lossy format by more than `ROUNDING` levels.
    """
    with _opened(data, place) as image:
        # a palette with transparency has no direct way to RGB
        plain = image.convert("RGBA") if image.mode == "P" else image
        if channels == 3 or image.mode in GREY:
            return plain.convert("RGB" if channels == 3 else "L")
        coloured, most = plain.convert("RGB"), ROUNDING if image.format in LOSSY else 0
    _require_grey(coloured, most, place)
    return coloured.convert("L")


def _require_grey(image: Image.Image, most: int, place: str) -> None:
    """Raise DataError where two channels of an RGB image differ by more than `most` levels."""
    apart = int(np.ptp(np.asarray(image), axis=2).max())
    if apart > most:
        raise DataError(
            place,
            found=f"an image with colours, whose channels differ by up to {apart} levels",
            expected="grey images, for the template has one channel",
            remedy="Give generator.input_shape three channels (`drift new` does, for a folder with "
            "colours), or make grey files of the images.",
        )


@contextmanager
def _opened(data: bytes, place: str) -> Iterator[Image.Image]:
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            _require_usable(image)
            yield image
    except UnidentifiedImageError as error:  # its own words are the address of a buffer
        raise _unusable(place, f"{len(data):,} bytes that begin as no known image") from error
    except Exception as error:  # decoders raise a dozen types for damaged bytes
        raise _unusable(place, shown(str(error) or type(error).__name__)) from error


def _unusable(place: str, why: str) -> DataError:
    return DataError(
        place,
        found=f"no usable image ({why})",
        expected=f"an undamaged 8-bit image ({', '.join(FORMATS)}) of at most "
        f"{MAX_PIXELS:,} pixels",
        remedy="Fetch or convert this file again, or take it out of the folder.",
    )


def square(data: bytes, size: int, *, crop: str, place: str, channels: int = 3) -> Tensor:
    """A file's bytes -> [channels, size, size]; raises DataError that names `place`.

    crop  adm-centre, or none where every image has the wanted size already
    """
    image = decode(data, place=place, channels=channels)
    if crop == "none":
        if image.size != (size, size):
            raise DataError(
                place,
                found=f"{image.width} x {image.height} pixels",
                expected=f"{size} x {size}, because nothing is cropped",
                remedy="Crop the image, or choose the crop adm-centre.",
            )
        return pixels(image)
    try:
        return pixels(adm_centre(image, size))
    except ValueError as error:
        raise DataError(
            place, found=str(error), expected=f"at most {MAX_PIXELS:,} pixels"
        ) from error


def pixels(image: Image.Image) -> Tensor:
    """Grey values 0 .. 255 -> float32 [C, H, W] in [-1, 1]."""
    array = np.asarray(image)
    array = array[None] if array.ndim == 2 else array.transpose(2, 0, 1)
    return torch.from_numpy(array.astype(np.float32)) / HALF_RANGE - 1.0


def flipped(images: Tensor) -> Tensor:
    """Left and right exchanged: [..., H, W]."""
    return images.flip(-1)


def _require_usable(image: Image.Image) -> None:
    if image.width * image.height > MAX_PIXELS:
        raise ValueError(f"{image.width} x {image.height} pixels")
    if image.mode not in MODES or _is_deep(image):
        raise ValueError(f"pixels of the kind {_stored(image)}")
    if image.format in FRAMES and getattr(image, "n_frames", 1) > 1:
        raise ValueError(f"an animation of {getattr(image, 'n_frames', 1)} frames")


def _stored(image: Image.Image) -> str:
    """How the pixels are stored, where Pillow would round them to `mode` without a word."""
    if image.mode not in MODES:
        return image.mode
    tiles = getattr(image, "tile", None)  # of a file; Pillow's stubs do not know it
    arguments = tiles[0][3] if tiles else image.mode
    return "/".join(map(str, arguments)) if isinstance(arguments, tuple) else str(arguments)


def _is_deep(image: Image.Image) -> bool:
    """More than 8 bits a channel: 16-bit colours of a PNG, levels above 255 of a PPM."""
    kind, *more = _stored(image).split("/")
    if image.format == "PPM" and more:
        return int(more[0]) > 255
    return image.format == "PNG" and ";16" in kind


def _transparent(image: Image.Image) -> bool:
    return image.mode in ("LA", "RGBA") or "transparency" in image.info


def _turned(image: Image.Image) -> bool:
    exif = Image.Exif()
    try:
        exif.load(image.info.get("exif", b""))
        return exif.get(ORIENTATION) not in UPRIGHT
    except Exception:  # a damaged tag turns nothing
        return False
