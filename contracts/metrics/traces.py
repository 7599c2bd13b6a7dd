"""Checks of what is kept beside a record: weights and bytes that give samples again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor

from drift.config import Template, load_template, override
from drift.data.source import TensorSource
from drift.evaluate import baselines, comparison, fid, kept, proxy, run
from drift.evaluate.real import RealSet
from drift.generator import Generator
from drift.sample import images
from drift.sample.sampler import Sampler
from drift.train import build
from verify.api import mutant

from ..common import small_run
from ..common.rows import Refused, Row

ENCODER = ("encoder.base_width=32", "encoder.blocks_per_stage=[1, 1, 1, 1]")
COUNT = 20


def same_arrays(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """The same names in the same order, with arrays of the same types and values."""
    pairs = zip(found.items(), wanted.items(), strict=True)
    return all(a == b and x.dtype == y.dtype and np.array_equal(x, y) for (a, x), (b, y) in pairs)


def _ten() -> RealSet:
    """Ten classes of digits' size: 60 images of training, 16 held out."""
    drawn = torch.Generator().manual_seed(0)
    taught, unseen = (
        TensorSource(torch.rand(n, 1, 8, 8, generator=drawn) * 2 - 1, torch.arange(n) % 10, 10)
        for n in (60, 16)
    )
    return RealSet("digits", "0" * 64, tuple("0123456789"), taught, unseen)


def kept_rows() -> Iterator[Row]:
    """Weights and a baseline's bytes that are kept give samples and components again."""
    template = override(load_template("digits"), (*small_run.RUN, *ENCODER))
    generator = build.generator(template, seed=1)
    drawn = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for part in generator.parameters():
            part.add_(0.1 * torch.randn(part.shape, generator=drawn))
    encoder = small_run.encoder(3)
    pixels = torch.randint(0, 256, (COUNT, 1, 8, 8), generator=drawn).to(torch.uint8)
    found: Any = [SimpleNamespace(name=name, pixels=pixels) for name in ("x", comparison.RAW)]
    arrays = kept.trace(generator, encoder, tuple(found))
    wanted = {f"generator/{name}": value for name, value in generator.state_dict().items()}
    wanted |= {f"encoder/{name}": value for name, value in encoder.encoder.state_dict().items()}
    wanted |= {"baselines/raw-pixel drifting loss/pixels": pixels}
    held = {name: value.numpy() for name, value in wanted.items()}
    yield "the trace", lambda: same_arrays(arrays, held), True
    with patch.object(kept, "embedded", lambda name: _ten()):
        yield from _again(arrays, template, generator, encoder, pixels)
    yield "constants", lambda: (kept.BATCH, kept.REPLICATES), (500, 40)


def _again(
    arrays: Any, template: Template, generator: Generator, encoder: Any, pixels: Tensor
) -> Iterator[Row]:
    asked: dict[str, Any] = {"count": COUNT, "seed": 5, "alpha": 1.5}
    labels = torch.arange(COUNT) % 10
    one = Sampler(generator, batch_size=COUNT).all(labels, alpha=1.5, seed=5)
    drawn = {"": images.pixels(one), "baselines/raw-pixel drifting loss": pixels}
    for name, alone in (("class Gaussians, independent pixels", True), ("class Gaussians", False)):
        stream = torch.Generator().manual_seed(5)
        made, _ = baselines.class_gaussians(COUNT, generator=stream, independent=alone, real=_ten())
        drawn[f"baselines/{name}"] = images.pixels(made)
    found = kept.samples(arrays, template, **asked)
    yield "whose samples", lambda: list(found), list(drawn)
    for name, wanted in drawn.items():
        yield f"samples {name}", partial(torch.equal, found[name], wanted), True
    digest = build.parameters_digest(encoder.encoder)
    yield "whose features", lambda: kept.encoder_sha256(arrays, template), digest
    encoded = proxy.Encoded(encoder, _ten())
    with patch.object(kept, "REPLICATES", 3):
        parts = dict(kept.components(arrays, template, **asked))
    yield "whose components", lambda: list(parts), [f"{n}/" if n else "" for n in drawn]
    for name, some in drawn.items():
        held = _components(some, labels, encoded)
        yield (
            f"components {name}",
            partial(same_arrays, parts[f"{name}/" if name else ""], held),
            True,
        )
    yield from _refused(arrays, template, asked)


def _components(pixels: Tensor, labels: Tensor, encoded: proxy.Encoded) -> dict[str, Any]:
    seen = proxy.observe(pixels, labels, encoded, np.random.default_rng(5))
    moments = fid.moments(encoded.held_out)
    spread = fid.resampled(
        seen.features, moments, np.random.default_rng(5), labels=labels.numpy(), replicates=3
    )
    return {**seen.components(moments), "fid_proxy/resampled": np.asarray(spread)}


def _refused(arrays: Any, template: Template, asked: Any) -> Iterator[Row]:
    """Bytes that are not the samples', and tensors that are not the template's."""
    raw = "baselines/raw-pixel drifting loss/pixels"
    for name, held, words in (
        ("none", None, ("float64 (0,)",)), ("fewer", arrays[raw][1:], (f"uint8 ({COUNT - 1},",)),
        ("no bytes", arrays[raw] / 1.0, ("float64 (",)),
    ):  # fmt: skip
        changed = {k: v for k, v in {**arrays, raw: held}.items() if v is not None}
        call = partial(lambda given: list(kept.components(given, template, **asked)), changed)
        yield f"bytes, {name}", call, Refused(raw, *words, f"bytes of {COUNT} samples")
    asking: dict[str, Any] = {"generator": kept.samples, "encoder": kept.encoder_sha256}
    for part, ask in asking.items():
        gone = next(name for name in arrays if name.startswith(part))
        less = {name: value for name, value in arrays.items() if name != gone}
        given = asked if part == "generator" else {}
        said = Refused(f"trace: {part}", gone.partition("/")[2], "the tensors of the template")
        yield f"{part} less", partial(ask, less, template, **given), said


@mutant("metrics.drawn_otherwise", kept, "cycled")
def drawn_otherwise(real: Any, classes: Any, count: int) -> Any:
    """Samples that are drawn again have their classes in blocks."""
    return real(classes, count).sort().values


WANTED: dict[str, object] = {
    "samples": 3, "seeds": (4, 5), "alpha": 1.5, "labels": "chosen", "weights": "ema",
    "ema_decay": 0.5, "checkpoint_sha256": "c", "step": 7, "template": "t",
    "template_fingerprint": "f", "column": "L2", "dataset": "own", "tokenizer": "d", "source": "p",
    "source_sha256": "i", "bypasses": ("x",), "extractor": "e",
}  # fmt: skip
MEASURED: dict[str, Any] = {
    "extractor": "e", "extractor_sha256": "h", "resize": "none", "statistics_sha256": "m",
}  # fmt: skip


def facts_known() -> Iterator[Row]:
    """What a record says of its images is what is known of them, each under its name."""
    known = {
        "seeds": [4, 5], "alpha": 1.5, "weights": "ema", "ema_decay": 0.5, "checkpoint_sha256": "c",
        "sha256": "s", "step": 7, "template": "t", "fingerprint": "f", "column": "L2",
        "dataset": "own", "decoder": "d", "bypasses": ["x"],
    }  # fmt: skip
    shown: Any = SimpleNamespace(facts=known, count=3, sha256="i")
    labels = torch.tensor([0, 1, 1])
    found = run.facts_of(run.Opened(shown, None, 2), Path("in/p"), labels, **MEASURED)
    yield "facts", lambda: {name: getattr(found, name) for name in WANTED}, WANTED
    shown.facts = {"sha256": "s"}
    bare = run.facts_of(run.Opened(shown, None, 2), Path("p"), labels[:2], **MEASURED)
    names = ("seeds", "alpha", "checkpoint_sha256", "tokenizer", "bypasses", "labels", "step")
    yield "few facts", lambda: [getattr(bare, name) for name in names], [
        (), None, "s", "none", (), "balanced", None
    ]  # fmt: skip
