"""Checks of what a run shows: its picture of a window, and samples asked for one by one."""

from __future__ import annotations

import base64
import hashlib
import io
import json
from collections.abc import Iterator
from functools import partial
from itertools import chain
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from drift import rng
from drift.errors import DriftError
from drift.generator import Generator
from drift.sample import grids, sampler, session
from drift.train import pictures, run
from verify.api import CheckContext, Measurement, check, mutant

from ...common.rows import Refused, Row, judge_rows
from ...metrics import cases
from .whole import begun


@check("train.shown")
def shown(ctx: CheckContext) -> Measurement:
    """A picture against the network itself; a session's answers against the sampler's."""
    with begun(ctx.seed) as started:
        rows = chain(_pictures(started, ctx.seed), _session())
        return judge_rows(ctx, rows, "facts of what is shown")


def _own(started: run.Run, seed: int) -> Tensor:
    """Eight samples of each of ten classes, by the average, from the stream of pictures."""
    template, config = started.template, started.state.generator.config
    stream = rng.stream(seed, "picture")
    noise = torch.randn(80, 1, 8, 8, generator=stream)
    style = torch.randint(config.style_codes, (80, config.style_tokens), generator=stream)
    model = Generator(config, generator=torch.Generator().manual_seed(0))
    averaged = started.state.ema[max(started.state.ema)]
    model.load_state_dict({**model.state_dict(), **averaged})
    labels = torch.arange(10).repeat_interleave(8)
    with torch.no_grad():
        found: Tensor = model(noise, labels, torch.full((80,), template.evaluation.alpha), style)
    return found


def _pictures(started: run.Run, seed: int) -> Iterator[Row]:
    for decay, averaged in started.state.ema.items():  # unlike the parameters, and each other
        for value in averaged.values():
            value.add_(0.05 * decay)
    wanted = _own(started, seed)
    found = pictures.samples_now(started)
    yield "samples", lambda: found is not None and torch.allclose(found, wanted, atol=1e-6), True
    yield "of some size", lambda: float(wanted.abs().mean()) > 1e-3, True
    album = pictures.Pictures(started)
    figure = run.norms(started.template)[-1]
    folder = started.options.folder
    album.show(run.Window(2, {figure: 0.5, "step": 2}, ()))
    row = json.loads((folder / "samples" / "index.jsonl").read_text())
    place = folder / "samples" / "step-00000002.png"
    with Image.open(place) as image:
        array = np.asarray(image)
    step, strip = 32 + 2, 13
    grid = np.full((10 * (step + strip) + 2, 8 * step + 2), 255, np.uint8)
    levels = ((wanted.clamp(-1, 1) + 1) * 127.5).to(torch.uint8)
    for n, one in enumerate(levels):
        top, left = 2 + (step + strip) * (n // 8), 2 + step * (n % 8)
        if n % 8 == 0:  # the name of the class, over all of its samples
            name = grids.caption(str(n // 8), 8 * step).numpy()
            grid[top : top + strip, left : left + 8 * step] = name
        top += strip
        large = one[0].repeat_interleave(4, 0).repeat_interleave(4, 1)
        grid[top : top + 32, left : left + 32] = large.numpy()
    off = (
        int(np.abs(array.astype(int) - grid.astype(int)).max())
        if array.shape == grid.shape
        else 999
    )
    yield "a picture", lambda: off <= 1, True
    yield (
        "with names",
        lambda: len({grids.caption(str(n), 272).sum().item() for n in range(10)}),
        10,
    )
    yield "its row", lambda: row, {
        "schema": "drift-sample-index/1", "step": 2, "file": place.name, "figure": figure,
            "value": 0.5,
        "sha256": hashlib.sha256(place.read_bytes()).hexdigest(), "tags": ["every_window",
            "best_so_far"],
        "classes": list(range(10)), "class_names": [str(n) for n in range(10)], "per_class": 8,
        "width": 274, "height": 472, "shows": "images", "seed": seed,
        "alpha": started.template.evaluation.alpha, "ema_decay": max(started.state.ema),
    }  # fmt: skip


def _session() -> Iterator[Row]:
    model = cases.generator()
    drawn = sampler.Sampler(model, batch_size=1)
    asked = {"class": 3, "alpha": 1.5, "seed": 5, "index": 7}

    def ask(**changes: Any) -> object:
        line = {k: v for k, v in {**asked, **changes}.items() if v is not None}
        found = session.drawn(drawn, json.dumps(line).encode())
        data = base64.b64decode(found["png"])
        return data, found["sha256"] == hashlib.sha256(data).hexdigest()

    samples = sampler.Sampler(model).all(torch.tensor([3]), alpha=1.5, seed=5, first=7)
    png = grids.png(grids.grid(grids.levels(samples), 1))
    yield "a sample", ask, (png, True)
    yield "a whole alpha", lambda: ask(alpha=2)[1], True  # type: ignore[index]
    yield "the largest seed", lambda: ask(seed=2**53)[1], True  # type: ignore[index]
    for name, changes, words in (
        ("a key less", {"seed": None}, ("request", "the keys class, alpha, seed, index")),
        ("a key more", {"more": 1}, ("the keys",)), ("a fraction of a class", {"class": 1.5},
         ("class", "int")),
        ("a class that is true", {"class": True}, ("request: class",)), ("a negative seed",
         {"seed": -1}, ("seed",)),
        ("a seed too large", {"seed": 2**53 + 1}, ("request: seed",)), ("an alpha in words",
         {"alpha": "1"}, ("float",)),
        ("an index of half", {"index": 0.5}, ("request: index",)), ("no such class",
         {"class": 10}, ("10 to 10",)),
        ("an alpha of 0", {"alpha": 0}, ("alpha",)),
    ):  # fmt: skip
        yield name, partial(ask, **changes), Refused(*words)
    for line in (b"[]", b"{", b'{"a":1,"a":2}', b" " * 4097):
        yield f"{line[:9]!r}", partial(session.drawn, drawn, line), Refused("request")
    with Image.open(io.BytesIO(png)) as image:
        sides = image.size
    yield "its size", lambda: sides, (36, 36)
    yield "an error's parts", lambda: session.said(_error()), {
        "place": "p", "found": "1", "expected": "2", "remedy": "r"
    }  # fmt: skip
    origin = SimpleNamespace(template="t", step=4, class_names=("a",), weights="ema",
        ema_decay=None,
                             sha256="s", bypasses=("x",))  # fmt: skip
    for channels, said in ((1, ""), (4, "Latents are not decoded: their first channel is shown.")):
        config = SimpleNamespace(num_classes=3, in_channels=channels)
        loaded: Any = SimpleNamespace(origin=origin, generator=SimpleNamespace(config=config))
        yield f"facts of {channels} channels", partial(session.facts_of, loaded), {
            "name": "t step 4", "classes": 3, "class_names": ["a"], "weights": "ema", "sha256": "s",
            "bypasses": ["x"], "says": said,
        }  # fmt: skip


def _error() -> Any:
    return DriftError("p", found=1, expected="2", remedy="r")


@mutant("train.pictures_of_the_parameters", pictures, "samples_now")
def pictures_of_the_parameters(real: Any, started: run.Run) -> Any:
    """The parameters are shown in place of their average."""
    named = {name: p.detach() for name, p in started.state.generator.named_parameters()}
    kept = dict(started.state.ema)
    started.state.ema.update(dict.fromkeys(kept, named))
    try:
        return real(started)
    finally:
        started.state.ema.update(kept)


# Requests are taken as they come.
ANY_REQUEST = mutant("train.any_request", session, _asked=json.loads)
