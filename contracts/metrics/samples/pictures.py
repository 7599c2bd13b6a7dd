"""From samples to files and back, against images made by hand: range, channels, places, order."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from drift.evaluate import sources
from drift.sample import grids, images, loading, output, sampler, writing
from verify.api import CheckContext, Measurement, check, mutant

from ...common.refusals import judge_refusals, refusal_missed
from .. import cases

SIDE, COUNT, LABELS = 32, 5, (3, 0, 3, 1, 2)
NAMES, STRIP = ("zero", "one", "two", "\u4e09"), 13  # the letters hold no Chinese numeral


def _bytes(channels: int) -> Tensor:
    """uint8 [5, C, 32, 32]: no two of samples, channels, rows and columns are alike."""
    n, c, i, j = torch.meshgrid(
        *(torch.arange(size) for size in (COUNT, channels, SIDE, SIDE)), indexing="ij"
    )
    found = (37 * n + 83 * c + 5 * i + 2 * j + (i * j) // 40) % 256
    found[0, 0, 0, :2] = torch.tensor([0, 255])
    return found.to(torch.uint8)


class _Drawn:
    """A sampler that draws what it was given, three at a time."""

    samples, passes, seconds, throughput = COUNT, COUNT, 1.0, 5.0

    def __init__(self, drawn: Tensor) -> None:
        self.drawn = drawn

    def starts(self, labels: Tensor) -> range:
        return range(0, len(labels), 3)

    def batch(self, labels: Tensor, start: int, **_: Any) -> sampler.Batch:
        part = slice(start, start + 3)
        return sampler.Batch(self.drawn[part], labels[part], start)


@check("metrics.files_of_samples")
def files_of_samples(ctx: CheckContext) -> Measurement:
    """Every file that `drift sample` writes, and what `drift eval` reads of it."""
    shown: list[object] = []

    @contextmanager
    def display(*said: object, **more: object) -> Iterator[Any]:
        shown.extend((said, more))
        yield shown.append

    with cases.folder() as place, patch.object(writing, "progress", display):
        loaded = loading.load(cases.run_folder(place / "run"), ema_decay="0.9")
        for channels in (1, 3):
            expected = _bytes(channels)
            samples = (expected.float() + 0.5) / 255 * 2 - 1
            for form in ("", ".npz", ".safetensors", ".png"):
                out = place / f"{channels}{form}"
                request = writing.Request(torch.tensor(LABELS), 1.0, 0, 2, NAMES)
                drawn: Any = _Drawn(samples)
                writing.write(loaded, drawn, None, request, out, single=True)
                problem = _wrong(out, expected, samples)
                if problem:
                    return ctx.decide(False, f"{channels} channels, {form or 'folder'}: {problem}")
    told = [("sample", COUNT), {"unit": "samples"}, 3, COUNT]
    if shown != told * 8:
        return ctx.decide(False, f"progress of eight outputs is {shown}, expected {told} of each")
    return ctx.decide(True, "eight outputs hold what was drawn, and are read as it")


def _wrong(out: Path, expected: Tensor, samples: Tensor) -> str:
    if out.suffix == ".png":
        return _wrong_grid(out, expected)
    if not out.suffix:
        singles = sorted((out / "images").iterdir())
        if [path.name for path in singles] != [f"{n:06d}.png" for n in range(COUNT)]:
            return f"images {', '.join(path.name for path in singles)}"
        found = torch.stack([_read(path) for path in singles])
        if not torch.equal(found, expected):
            return "a single image is another"
        unlabelled = sources.from_path(out / "images")
        if not torch.equal(torch.cat([pixels for pixels, _ in unlabelled.open()]), expected):
            return "the images of the folder are read as others"
        problem = _wrong_grid(out / "grid.png", expected)
        if problem:
            return problem
    if out.suffix == ".npz":
        arrays = np.load(out)
        if not np.array_equal(arrays["arr_0"], expected.permute(0, 2, 3, 1).numpy()):
            return "arr_0 is not [N, H, W, C] of the bytes"
        if tuple(arrays["arr_1"].tolist()) != LABELS:
            return f"arr_1 is {arrays['arr_1'].tolist()}"
    read = sources.from_path(out)
    pixels, labels = (torch.cat(parts) for parts in zip(*read.open(), strict=True))
    if not torch.equal(pixels, expected) or tuple(labels.tolist()) != LABELS:
        return "what is read is not what was drawn"
    return "" if read.count == COUNT else f"{read.count} samples are counted"


def _read(path: Path) -> Tensor:
    """An image as uint8 [C, H, W]."""
    with Image.open(path) as image:
        array = np.asarray(image)
    return torch.from_numpy(array.reshape(*array.shape[:2], -1).copy()).permute(2, 0, 1)


def _wrong_grid(path: Path, expected: Tensor) -> str:
    """Two columns, three rows, two white pixels between and around, and above each image its name:
    of a class whose name the letters do not hold, the label."""
    found, step, row = _read(path), SIDE + 2, SIDE + 2 + STRIP
    wanted = torch.full((expected.shape[1], 3 * row + 2, 2 * step + 2), 255, dtype=torch.uint8)
    for n, image in enumerate(expected):
        top, left = 2 + row * (n // 2), 2 + step * (n % 2)
        named = "3" if LABELS[n] == 3 else NAMES[LABELS[n]]
        wanted[:, top : top + STRIP, left : left + step] = grids.caption(named, step)
        top += STRIP
        wanted[:, top : top + SIDE, left : left + SIDE] = image
    strips = {one: grids.caption(one, step).numpy().tobytes() for one in ("3", *NAMES[:3])}
    if len(set(strips.values())) < len(strips) or bytes([255]) * (STRIP * step) in strips.values():
        return "names are drawn alike, or not at all"
    return "" if torch.equal(found, wanted) else "the grid is another picture"


@check("metrics.captions")
def captions(ctx: CheckContext) -> Measurement:
    """Names of one letter: where they end in strips of every width, and where they are cut."""
    one, two = (_ends(grids.caption("M" * n, 200)) for n in (1, 2))
    step, rest = two - one, grids.MARGIN
    if min(one, step) < 2 or _ends(grids.caption("", 40)):
        return ctx.decide(False, f"a letter ends at {one}, two of them at {two}")
    for width in range(rest, 90):
        room = width - rest
        letters = min(9, room // step)
        for length in (letters, letters + 1, 9):
            strip = grids.caption("M" * length, width)
            drawn = one + step * (letters - 1) if letters else 0
            if tuple(strip.shape) != (STRIP, width) or _ends(strip) != drawn:
                return ctx.decide(
                    False, f"{length} letters end at {_ends(strip)} of {width}, expected {drawn}"
                )
    by_hand = Image.new("L", (40, STRIP), "white")
    ImageDraw.Draw(by_hand).text((0, 0), "Mg", fill="black", font=ImageFont.load_default(10))
    if not np.array_equal(grids.caption("Mg", 40).numpy(), np.array(by_hand)):
        return ctx.decide(False, "a name is not written black on white, from the upper left")
    return ctx.decide(True, "names are black on white, and cut where the next letter has no room")


def _ends(strip: Tensor) -> int:
    """Columns up to the last one that is not white."""
    inked = (strip < 255).any(0).nonzero()
    return int(inked[-1]) + 1 if len(inked) else 0


@check("metrics.bytes")
def levels(ctx: CheckContext) -> Measurement:
    """Range and ends, what is refused, greys as colours, enlarged pictures, there and back."""
    ends = torch.tensor([-1.0, 1.0, -1.5, 2.0, 0.0]).reshape(5, 1, 1, 1)
    found = images.pixels(ends).flatten().tolist()
    if found != [0, 255, 0, 255, 127]:
        return ctx.decide(False, f"-1, 1, -1.5, 2 and 0 became {found}")
    every = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16)
    back, two = images.signed(every), torch.cat([every, 255 - every])
    if float(back.min()) != -1.0 or float(back.max()) != 1.0 or back.dtype != torch.float32:
        return ctx.decide(False, f"bytes became {float(back.min())} to {float(back.max())}")
    off = (images.pixels(back).int() - every.int()).abs().max()
    if int(off) > 1 or not torch.equal(images.rgb(two), two.expand(2, 3, 16, 16)):
        return ctx.decide(
            False, f"there and back moves a level by {int(off)}, or grey has a colour"
        )
    if not torch.equal(images.rgb(_bytes(3)), _bytes(3)):
        return ctx.decide(False, "colours are changed where they are there")
    small = torch.arange(6, dtype=torch.uint8).reshape(1, 1, 2, 3)
    large = grids.grid(small, 1)[0, 2:-2, 2:-2]
    if not torch.equal(large, small[0, 0].repeat_interleave(16, 0).repeat_interleave(16, 1)):
        return ctx.decide(False, f"an image of 2 x 3 became {tuple(large.shape)}")
    return _refused(ctx, every)


def _refused(ctx: CheckContext, every: Tensor) -> Measurement:
    def call(do: Any, *given: Any) -> object:
        return do(*given)

    bad = torch.zeros(3, 1, 2, 2)
    bad[1, 0, 0, 1], bad[2, 0, 0, 0], bad[2, 0, 1, 1] = torch.nan, torch.inf, torch.nan
    refused = {
        "a NaN in a sample": ("2 of 3", {"do": images.pixels, "x": bad}),
        "two channels": ("2 channels", {"do": images.rgb, "x": every.expand(1, 2, 16, 16)}),
        "a grid of floats": ("grid", {"do": grids.grid, "x": every.float(), "n": 1}),
        "a grid of one image": ("grid", {"do": grids.grid, "x": every[0], "n": 1}),
        "a grid of nothing": ("grid", {"do": grids.grid, "x": every[:0], "n": 1}),
        "a grid of no columns": ("grid", {"do": grids.grid, "x": every, "n": 0}),
        "a grid with a name too many": (
            "2 names",
            {"do": grids.grid, "x": every, "n": 1, "named": ["a", "b"]},
        ),
    }
    return judge_refusals(
        ctx,
        lambda do, **given: call(do, *given.values()),
        {
            "a grid of one column": {"do": grids.grid, "x": every, "n": 1},
            "no samples": {"do": images.pixels, "x": bad[:0]},
        },
        refused,
    )


@check("metrics.classes_asked", needs=("InputError",))
def classes_asked(ctx: CheckContext) -> Measurement:
    """Which classes a text names, in which order labels go round them, and what is refused."""
    named = {
        "all": list(range(10)), "3": [3], "0,3,5-7": [0, 3, 5, 6, 7], "9-9": [9], "4,4": [4, 4],
        " 1 , 2": [1, 2], "0-9": list(range(10)),
    }  # fmt: skip
    for text, wanted in named.items():
        found = sampler.parse_classes(text, 10)
        if found != wanted:
            return ctx.decide(False, f"{text!r} names {found}, expected {wanted}")
    for text in ("10", "-1", "", "5-3", "1-", "a", "1,,2", "0-10", "1.0", "9" * 30, "1-2-3"):
        missed = refusal_missed(
            ctx.subject.InputError, "--classes", partial(sampler.parse_classes, text, 10)
        )
        if missed:
            return ctx.decide(False, f"classes {text!r}: {missed}")
    rounds = {(7, 2): [0, 1, 0, 1, 0, 1, 0], (4, 2): [0, 1, 0, 1], (1, 3): [0], (3, 1): [0, 0, 0]}
    for (count, classes), wanted in rounds.items():
        found = sampler.cycled(range(classes), count).tolist()
        if found != wanted:
            return ctx.decide(False, f"{count} labels of {classes} classes are {found}")
    missed = refusal_missed(ctx.subject.InputError, "classes", lambda: sampler.cycled([], 3))
    return ctx.decide(not missed, missed or "seven texts are read, eleven are refused")


@check("metrics.input_of_samples", needs=("InputError",))
def input_of_samples(ctx: CheckContext) -> Measurement:
    """What the sampler asks of labels and of alpha."""
    config: Any = SimpleNamespace(num_classes=4)

    def call(labels: Any = (0, 3), alpha: Any = 1.0) -> None:
        sampler.check(config, labels if isinstance(labels, Tensor) else torch.tensor(labels), alpha)

    taken = {"the last class": {}, "a whole alpha": {"alpha": 2}, "a small alpha": {"alpha": 1e-30}}
    refused = {
        "no labels": ("labels", {"labels": torch.zeros(0, dtype=torch.int64)}),
        "labels of two axes": ("labels", {"labels": ((0, 1),)}),
        "fractional labels": ("labels", {"labels": (0.0, 1.0)}),
        "short integers": ("labels", {"labels": torch.zeros(2, dtype=torch.int32)}),
        "a label below the first": ("-1", {"labels": (-1, 0)}),
        "a label above the last": ("4", {"labels": (0, 4)}),
        "an alpha of 0": ("alpha", {"alpha": 0.0}),
        "a negative alpha": ("alpha", {"alpha": -1.0}),
        "an infinite alpha": ("alpha", {"alpha": float("inf")}),
        "an alpha that float32 rounds to 0": ("alpha", {"alpha": 1e-60}),
        "an alpha beyond float32": ("alpha", {"alpha": 1e60}),
        "an alpha that is true": ("alpha", {"alpha": True}),
        "an alpha that is a text": ("alpha", {"alpha": "1"}),
    }
    return judge_refusals(ctx, call, taken, refused)


@mutant("metrics.transposed_pictures", grids, "png")
def transposed_pictures(real: Any, image: Any) -> Any:
    """Rows and columns are exchanged in pictures."""
    return real(image.transpose(1, 2))


@mutant("metrics.names_of_the_class_before", grids, "names_of")
def names_of_the_class_before(real: Any, labels: Any, names: Any) -> Any:
    """Images stand under the name of the class before theirs."""
    return real([label - 1 for label in labels], names)


@mutant("metrics.nameless_pictures", grids, "caption")
def nameless_pictures(real: Any, name: str, width: int) -> Any:
    """The place of the names stays white."""
    return real("", width)


@mutant("metrics.names_to_the_edge", grids, "caption")
def names_to_the_edge(real: Any, name: str, width: int) -> Any:
    """A name may touch the next one."""
    return real(name, width + grids.MARGIN)[:, :width]


@mutant("metrics.blue_for_red", output, "npz")
def blue_for_red(real: Any, path: Path, shape: Any, labels: Tensor, facts: Any) -> Any:
    """The channels of the archive are in the other order."""
    from contextlib import contextmanager

    @contextmanager
    def opened() -> Iterator[Any]:
        with real(path, shape, labels, facts) as write:
            yield lambda pixels: write(pixels.flip(1))

    return opened()


@mutant("metrics.ranges_without_their_end", sampler, "parse_classes")
def ranges_without_their_end(real: Any, text: str, classes: int) -> Any:
    """3-5 is 3 and 4."""
    found = real(text, classes)
    return found[:-1] if "-" in text else found


OTHER_VALUES = (
    # Samples are taken for numbers in [0, 1].
    mutant(
        "metrics.half_the_range",
        images,
        pixels=lambda samples: images.to_uint8(samples.float() + 1.0),
    ),
    # What float32 makes of alpha is not looked at.
    mutant("metrics.any_alpha", sampler, _as_float32=lambda number: 1.0),
)
