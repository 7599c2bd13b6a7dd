"""Checks of what is drawn and said of a run: its curves, its grids, a session line by line."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from PIL import Image

from drift import plots
from drift.errors import DriftError
from drift.sample import grids, sampler, session, writing
from drift.state import record
from drift.train import pictures
from verify.api import CheckContext, Measurement, check, mutant

from ...common.places import folder
from ...common.rows import Refused, Row, judge_rows


@check("train.curves")
def curves(ctx: CheckContext) -> Measurement:
    """Panels, lines and scales of a log made by hand; levels of images and latents; a session."""
    with folder() as root:
        rows = chain(_panels(root), _levels(root), _spoken(), _written(root), _passes())
        return judge_rows(ctx, rows, "facts of what is drawn and said")


class _Axis:
    """What is drawn into a panel."""

    def __init__(self) -> None:
        self.lines: dict[str, tuple[list[float], list[float]]] = {}
        self.scale, self.title, self.below = "linear", "", ""
        self.told: dict[str, Any] = {}

    def plot(self, steps: list[float], values: list[float], *, marker: str, label: str) -> None:
        self.lines[label] = (steps, values)

    def set_yscale(self, scale: str) -> None:
        self.scale = scale

    def set_title(self, title: str, *, fontsize: int) -> None:
        self.title = f"{title} in {fontsize}"

    def set_xlabel(self, below: str) -> None:
        self.below = below

    def legend(self, **how: Any) -> None:
        self.told = how


def _drawn(path: Path, rows: Sequence[Mapping[str, Any]], run: Any = None) -> list[Any]:
    """(title, lines, scale, below, legend) of the panels of a figure, and its file's bytes."""
    axes: list[_Axis] = []

    def subplots(down: int, across: int, *, squeeze: bool) -> list[list[_Axis]]:
        sizes.append((down, across, squeeze))
        axes.extend(_Axis() for _ in range(down * across))
        return [axes[row * across : (row + 1) * across] for row in range(down)]

    sizes: list[object] = []
    figure = SimpleNamespace(subplots=subplots)

    def made(width: float, height: float) -> Any:
        sizes.append((width, height))
        return figure

    with (
        patch.object(plots, "figure", made),
        patch.object(plots, "png", lambda found: b"png" if found is figure else b""),
        patch.object(record, "rows", lambda at: rows),
    ):
        pictures.curves(run)
    told = [[one.title, one.lines, one.scale, one.below, one.told] for one in axes]
    return [*told, *sizes, path.read_bytes()]


def _panels(root: Path) -> Iterator[Row]:
    run = SimpleNamespace(
        options=SimpleNamespace(folder=root),
        template=SimpleNamespace(loss=SimpleNamespace(temperatures=(0.2, 0.02))),
    )
    for name, last, scale in (("decades", 0.009, "log"), ("one decade", 0.1, "linear"),
                              ("a zero among them", 0.0, "linear")):  # fmt: skip
        rows = [
            {"step": 5, "field/0.2": 1.0, "field/0.02": 0.5, "spread": 0.3, "overlap": 0.0},
            {"step": 9, "field/0.2": 0.8, "field/0.02": last, "spread": 0.4, "overlap": 0.0},
        ]
        steps, legend = [5, 9], {"frameon": False, "fontsize": 8}
        fields = {"field/0.2": (steps, [1.0, 0.8]), "field/0.02": (steps, [0.5, last])}
        others = {"spread": (steps, [0.3, 0.4]), "overlap": (steps, [0.0, 0.0])}
        yield name, partial(_drawn, root / "curves.png", rows, run), [
            ["mean square of the raw field in 9", fields, scale, "step", legend],
            ["of the real samples in 9", others, "linear", "step", legend],
            (10, 3.2), (1, 2, False), b"png",
        ]  # fmt: skip


def _levels(root: Path) -> Iterator[Row]:
    """Levels of images, and of latents the first channel over its largest value."""
    pixels = torch.tensor([-1.0, 0.0, 1.0, 3.0, -3.0, 0.5]).reshape(1, 1, 2, 3)
    yield "images", lambda: grids.levels(pixels).flatten().tolist(), [0, 127, 255, 255, 0, 191]
    latents = torch.tensor([-2.0, 0.0, 2.0, 4.0]).reshape(1, 1, 2, 2).expand(1, 4, 2, 2).clone()
    latents[:, 1:] = 9.0
    yield "latents", lambda: grids.levels(latents).flatten().tolist(), [63, 127, 191, 255]
    nothing = torch.zeros(1, 4, 1, 1)
    yield "nothing", lambda: grids.levels(nothing).flatten().tolist(), [127]
    path = root / "new" / "grid.png"

    def written() -> object:
        pictures.write(path, torch.full((3, 1, 32, 32), -1.0), columns=2)
        with Image.open(path) as picture:
            return np.asarray(picture).shape, int(np.asarray(picture)[2:34, 2:34].max())

    yield "a grid", written, ((70, 70), 0)


def _spoken() -> Iterator[Row]:
    """A session says that it is ready, answers each line, and goes on after a wrong one."""

    def talked(lines: bytes, wrong: bool = False) -> object:
        def opened(run: Path) -> Any:
            if wrong or run != Path("RUN"):
                raise DriftError("p", found="f", expected="e", remedy="r")
            return SimpleNamespace(generator="G")

        def answered(found: Any, line: bytes) -> dict[str, str]:
            if line == b"bad\n":
                raise DriftError("q", found="g", expected="h")
            return {"drawn": f"{found} {line.decode().strip()}"}

        out = io.StringIO()
        one = patch.multiple(
            session, opened=opened, drawn=answered, facts_of=lambda one: {"of": one.generator},
            Sampler=lambda generator, batch_size: f"{generator}{batch_size}",
        )  # fmt: skip
        given: Any = SimpleNamespace(buffer=io.BytesIO(lines))
        with one, patch.multiple(sys, argv=["session", "RUN"], stdin=given, stdout=out):
            code = session.main()
        return code, [json.loads(line) for line in out.getvalue().splitlines()]

    ready = {"ready": {"of": "G"}}
    bad = {"error": {"place": "q", "found": "g", "expected": "h", "remedy": ""}}
    yield "three lines", partial(talked, b"1\nbad\n2\n"), (
        0, [ready, {"drawn": "G1 1"}, bad, {"drawn": "G1 2"}]
    )  # fmt: skip
    said = {"error": {"place": "p", "found": "f", "expected": "e", "remedy": "r"}}
    yield "no run", partial(talked, b"1\n", wrong=True), (2, [said])
    names = ["ema/0.9/a", "ema/0.99/a", "ema/0.5/a", "model/a"]
    for held, wanted in ((names, "0.99"), (["model/a"], None)):
        header = SimpleNamespace(read_header=lambda at, held=held: SimpleNamespace(tensors=held))
        loaded = patch.multiple(
            session, header=header, checkpoint_of=lambda run: run,
            load=lambda at, ema_decay: (at, ema_decay),
        )  # fmt: skip

        def opened(loaded: Any = loaded) -> object:
            with loaded:
                return session.opened(Path("RUN"))

        yield f"of {len(held)} tensors", opened, (Path("RUN"), wanted)


def _written(root: Path) -> Iterator[Row]:
    """Where samples may go, and the line about them."""
    for name in ("fresh", "fresh.npz", "fresh.png", "fresh.safetensors"):
        yield f"to {name}", partial(writing.require_writable, root / name), None
    said = Refused("--out", "fresh.jpg", "a folder, or ")
    yield "to another kind", partial(writing.require_writable, root / "fresh.jpg"), said
    (root / "there.npz").write_bytes(b"")
    there = partial(writing.require_writable, root / "there.npz")
    yield "to what is there", there, Refused(str(root / "there.npz"))
    made: Any = SimpleNamespace(samples=1500, passes=1500, seconds=2.5, throughput=600.0)
    facts = {"weights": "ema", "ema_decay": 0.99, "alpha": 1.5, "seeds": [3, 4]}
    line = ("1,500 samples in 2.50 s, 600 a second, 1 forward pass each; ema 0.99 weights, "
            "alpha 1.5, seed 3")  # fmt: skip
    yield "a line", partial(writing.summary, made, facts), line
    raw = partial(writing.summary, made, {**facts, "weights": "raw", "ema_decay": None})
    yield "of raw weights", raw, line.replace("ema 0.99", "raw")


class _Passing(torch.nn.Module):
    """A network that gives what it is given."""

    config = SimpleNamespace(num_classes=3)

    def forward(self, given: torch.Tensor) -> torch.Tensor:
        return given


def _passes() -> Iterator[Row]:
    """One forward pass a sample, and no second."""

    def drawn(times: int) -> object:
        def draw(model: Any, part: Any, *more: Any) -> Any:
            for _ in range(times):
                model(part)
            return part

        with patch.object(sampler, "draw", draw):
            one: Any = sampler.Sampler(_Passing(), batch_size=2)  # type: ignore[arg-type]
            return len(one.all(torch.arange(3), alpha=1.0, seed=0))

    yield "one pass", partial(drawn, 1), 3
    said = Refused("sampler", "forward passes for", "one each")
    yield "two passes", partial(drawn, 2), said
    yield "no pass", partial(drawn, 0), said


OTHER_VALUES = (
    # Curves are drawn of nothing.
    mutant(
        "train.no_curves",
        pictures,
        draw=lambda path, rows, panels: path.write_bytes(b"png") and None,
    ),
    # Anything may be a file of samples.
    mutant("train.any_suffix", writing, SUFFIXES=(".jpg", ".npz", ".png", ".safetensors")),
)
