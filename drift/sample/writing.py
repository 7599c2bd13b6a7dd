"""From a generator to files: tensors, a grid, single images; all of them or none."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from drift.progress import progress
from drift.ranks import ALONE, Ranks
from drift.ranks.turns import in_turn
from drift.sample import grids, images, output
from drift.sample.decoder import Decoder
from drift.sample.loading import NONE, Loaded, SampleError
from drift.sample.sampler import Sampler, check

# samples [B, C, H, W] and, for outputs that show images, their bytes
Sink = Callable[[Tensor, Tensor | None], None]
SUFFIXES = (".png", ".npz", ".safetensors")
GRID, TENSORS, FACTS, SINGLE = "grid.png", "samples.safetensors", "samples.json", "images"


@dataclass(frozen=True)
class Request:
    """What to draw: labels [N], alpha, seed; `columns` of the grid, None: as square as may be.

    names  of the classes, by label, for the grid; without them it shows the labels
    """

    labels: Tensor
    alpha: float
    seed: int
    columns: int | None = None
    names: tuple[str, ...] | None = None


def require_writable(out: Path) -> None:
    """Raises SampleError for a suffix that is not understood or a path in the way."""
    if out.suffix and out.suffix not in SUFFIXES:
        raise SampleError("--out", found=out.name, expected=f"a folder, or {', '.join(SUFFIXES)}")
    output.refuse_to_overwrite(out)


def needs_images(out: Path) -> bool:
    """Whether the output shows images; a .safetensors file holds what the network gives."""
    return out.suffix != ".safetensors"


def facts_of(loaded: Loaded, request: Request, decoder: Decoder | None) -> dict[str, Any]:
    """What the file says about its samples; `drift eval` reads it."""
    origin = asdict(loaded.origin)
    origin.pop("class_names")  # with the weights; a .npz has no room for many
    return {
        **origin,
        "checkpoint_sha256": loaded.origin.sha256,
        "alpha": request.alpha,
        "seeds": [request.seed],
        "classes": loaded.generator.config.num_classes,
        "count": len(request.labels),
        "tokenizer": loaded.origin.tokenizer if decoder is None else NONE,
        "decoder": NONE if decoder is None else decoder.identity,
    }


def write(
    loaded: Loaded, sampler: Sampler, decoder: Decoder | None, request: Request, out: Path,
    *, single: bool = False, ranks: Ranks = ALONE,
) -> None:  # fmt: skip
    """Draw and write; `out` is a folder, .png, .npz or .safetensors.

    Several processes draw and decode in turn, and the writer writes what one would have written.

    decoder  turns samples into images; None leaves latents as they are (.safetensors only)
    single   in a folder, every image as a PNG too
    """
    check(loaded.generator.config, request.labels, request.alpha)
    facts, parts = facts_of(loaded, request, decoder), _decoded(sampler, decoder, request, ranks)
    if not ranks.writer:
        for _ in parts:
            pass
        return
    with output.fresh(out) as working:
        first = next(parts)
        shape = (len(request.labels), *first.shape[1:])
        with ExitStack() as stack:
            opened = _outputs(out, working, shape, request, facts, single=single)
            sinks = [stack.enter_context(one) for one in opened]
            for part in chain([first], parts):
                pixels = images.pixels(part) if needs_images(out) else None
                for sink in sinks:
                    sink(part, pixels)


def _outputs(
    out: Path, working: Path, shape: tuple[int, ...], request: Request, facts: dict[str, Any],
    *, single: bool,
) -> list[AbstractContextManager[Sink]]:  # fmt: skip
    if out.suffix == ".safetensors":
        return [_tensors(working, shape, request, facts)]
    if out.suffix == ".npz":
        return [_archive(working, shape, request, facts)]
    if out.suffix == ".png":
        return [_grid(working, request)]
    working.mkdir()
    (working / FACTS).write_text(
        json.dumps(facts, indent=1, sort_keys=True) + "\n", encoding="utf-8"
    )
    more = [_singles(working / SINGLE)] if single else []
    tensors = _tensors(working / TENSORS, shape, request, facts)
    return [tensors, _grid(working / GRID, request), *more]


@contextmanager
def _tensors(
    path: Path, shape: tuple[int, ...], request: Request, facts: dict[str, Any]
) -> Iterator[Sink]:
    with output.safetensors(path, shape, request.labels, facts) as write:
        yield lambda samples, pixels: write(samples)


@contextmanager
def _archive(
    path: Path, shape: tuple[int, ...], request: Request, facts: dict[str, Any]
) -> Iterator[Sink]:
    with output.npz(path, shape, request.labels, facts) as write:
        yield lambda samples, pixels: write(_shown(pixels))


@contextmanager
def _grid(path: Path, request: Request) -> Iterator[Sink]:
    """The first images, as a picture, each under the name of its class."""
    left = count = min(grids.MOST, len(request.labels))
    kept: list[Tensor] = []

    def add(samples: Tensor, pixels: Tensor | None) -> None:
        nonlocal left
        kept.append(_shown(pixels)[:left].clone())
        left -= len(kept[-1])

    yield add
    columns = request.columns or max(1, math.isqrt(count))
    names = grids.names_of(request.labels[:count].tolist(), request.names)
    path.write_bytes(grids.png(grids.grid(torch.cat(kept), columns, names)))


@contextmanager
def _singles(folder: Path) -> Iterator[Sink]:
    """000000.png and so on, one for each image."""
    folder.mkdir()
    done = 0

    def add(samples: Tensor, pixels: Tensor | None) -> None:
        nonlocal done
        for image in _shown(pixels):
            (folder / f"{done:06d}.png").write_bytes(grids.png(image))
            done += 1

    yield add


def _shown(pixels: Tensor | None) -> Tensor:
    assert pixels is not None, "an output of images is written without images"
    return pixels


def _decoded(
    sampler: Sampler, decoder: Decoder | None, request: Request, ranks: Ranks
) -> Iterator[Tensor]:
    """All batches in order on the writer; the other processes draw theirs and get nothing."""

    def made(start: int) -> Tensor:
        batch = sampler.batch(request.labels, start, alpha=request.alpha, seed=request.seed)
        return batch.samples if decoder is None else decoder(batch.samples)

    done, shown = 0, "sample" if ranks.writer else None
    with progress(shown, len(request.labels), unit="samples") as advance:
        for part in in_turn(ranks, sampler.starts(request.labels), made):
            if part is not None:
                yield part
                done += len(part)
                advance(done)


def summary(sampler: Sampler, facts: Mapping[str, Any]) -> str:
    """One line: how many, how fast, from which weights."""
    decay = f" {facts['ema_decay']}" if facts["ema_decay"] else ""
    passes = sampler.passes / max(sampler.samples, 1)
    return (
        f"{sampler.samples:,} samples in {sampler.seconds:.2f} s, {sampler.throughput:,.0f} a "
        f"second, {passes:g} forward pass each; {facts['weights']}{decay} weights, alpha "
        f"{facts['alpha']:g}, seed {facts['seeds'][0]}"
    )
