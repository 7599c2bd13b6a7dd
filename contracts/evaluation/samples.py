"""Samples in files: whose they are, what is refused, what is left where marks are lost."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import numpy as np
import torch

from drift.digest import file_digest
from drift.errors import DriftError
from drift.evaluate import again, records, run
from drift.sample import Sampler, cycled, loading, writing
from drift.sample.decoder import decoder_for
from drift.sample.loading import NONE
from verify.api import CheckContext, Measurement, check, mutant

from ..common.places import folder
from ..common.rows import Refused, Row, judge_rows
from ..metrics import cases as metrics_cases
from ..metrics.samples.drawn import ORIGIN

Patched = AbstractContextManager[Any]
Change = Callable[[Any, Any], tuple[Any, Any]]
NO_LATENTS: Any = SimpleNamespace(tokenizer=NONE)
COUNT, MARK = 20, "gates bypassed: no time"


def _unchanged(pixels: Any, labels: Any) -> tuple[Any, Any]:
    return pixels, labels


def _foreign(pixels: Any, labels: Any) -> tuple[Any, Any]:
    other = metrics_cases.pictures(len(pixels), 3, side=8)[:, : pixels.shape[3]]
    return other.permute(0, 2, 3, 1).numpy(), labels


def _one_foreign(pixels: Any, labels: Any) -> tuple[Any, Any]:
    return np.concatenate([pixels[:-1], _foreign(pixels, labels)[0][-1:]]), labels


# Changed arrays under facts that were not: each of them is refused.
CONTRADICTIONS: Mapping[str, Change] = {
    "images of another": _foreign,
    "one image of another": _one_foreign,
    "another order": lambda pixels, labels: (pixels[::-1], labels[::-1]),
    "the first half": lambda pixels, labels: (pixels[:10], labels[:10]),
    "twice as many": lambda pixels, labels: (np.tile(pixels, (2, 1, 1, 1)), np.tile(labels, 2)),
}
# Edited facts: what the record then says of tier; None where the file is refused.
EDITS: Mapping[str, tuple[dict[str, Any], str | None]] = {
    "untouched": ({}, "none"),
    "the mark removed": ({"bypasses": []}, "none"),
    "another column": ({"bypasses": [], "column": "L2", "dataset": "imagenet"}, "none"),
    "another seed": ({"seeds": [5]}, None),
    "weights elsewhere": ({"path": "nowhere.safetensors"}, "none"),
    "no weights named": ({"path": None}, None),
}


@check("engine.samples_held")
def samples_held(ctx: CheckContext) -> Measurement:
    """Files of a run whose gates were bypassed, changed in every way, then evaluated."""
    with folder() as place:
        source = _written(place, ctx.seed)
        for name, change in CONTRADICTIONS.items():
            if _tier(_copy(source, place / "x.npz", change, {})) is not None:
                return ctx.decide(False, f"{name}: accepted as the run's own samples")
        for name, (edit, wanted) in EDITS.items():
            found = _tier(_copy(source, place / "x.npz", _unchanged, edit))
            if found != wanted:
                return ctx.decide(False, f"{name}: tier {found}, expected {wanted or 'a refusal'}")
        np.savez(place / "x.npz", **dict(np.load(source)))
        bare = _tier(place / "x.npz")
        if bare != "none":
            return ctx.decide(False, f"saved again without marks: tier {bare}")
        tried = len(CONTRADICTIONS) + len(EDITS)
        return judge_rows(ctx, _weighed(place / "x.npz"), f"reasons beside {tried} files held")


def _weighed(path: Path) -> Iterator[Row]:
    """What is left of the facts of a file, and the reason; how its autoencoder is asked for."""
    path.with_name("w").write_bytes(b"weights")
    whole: dict[str, Any] = {
        "dataset": "own", "classes": 10, "path": "w", "weights": "ema", "ema_decay": "0.9",
        "checkpoint_sha256": file_digest(path.with_name("w")), "alpha": 2, "seeds": [3],
        "count": 5, "bypasses": ["x"],
    }  # fmt: skip
    asked: list[object] = []
    generator: Any = SimpleNamespace(config=SimpleNamespace(num_classes=7))
    loaded = loading.Loaded(generator, replace(ORIGIN, bypasses=("y", "x")), None)
    decode: Any = SimpleNamespace(identity="decoded by o/n")

    def told(*given: object, **more: object) -> Any:
        asked.append((given, more))
        return loaded if "weights" in more else decode

    def weighed(pinned: again.Pinned, **facts: Any) -> dict[str, Any]:
        found = metrics_cases.images_of(metrics_cases.pictures(5, 0), None, **facts)
        with (
            patch.object(loading, "load", told),
            patch.object(again, "decoder_for", told),
            patch.object(again, "_require_drawn", lambda *given: None),
        ):
            return dict(again.held(path, found, pinned).facts)

    bare = again.Pinned()
    kept = {"dataset": "own", "classes": 10}
    yield "no marks", lambda: weighed(bare, **kept), kept
    lost = {name: value for name, value in whole.items() if name not in ("seeds", "count")}
    for name, facts, why in (
        ("lost marks", lost, "marks were lost: count, seeds"),
        ("other weights", {**whole, "path": "v"}, "v is not there, or is another file now"),
        ("no autoencoder", whole, f"--vae and --vae-revision of {ORIGIN.tokenizer} are missing"),
    ):
        said = {**kept, "bypasses": ["x", f"{again.UNKNOWN}: {why}"]}
        yield name, partial(weighed, bare, **facts), said
    asked.clear()
    borne = weighed(again.Pinned("o/n", "c" * 40, "meta"), **whole)
    yield "borne out", lambda: borne, {
        **asdict(ORIGIN), "checkpoint_sha256": ORIGIN.sha256, "alpha": 2.0, "seeds": [3],
        "classes": 7, "decoder": "decoded by o/n", "bypasses": ["y", "x"],
    }  # fmt: skip
    yield "asked for", lambda: asked, [
        ((path.with_name("w"),), {"weights": "ema", "ema_decay": "0.9", "device": "meta"}),
        ((loaded.origin, "o/n", "c" * 40), {"device": "meta"}),
    ]  # fmt: skip


@check("engine.drawn_limits")
def drawn_limits(ctx: CheckContext) -> Measurement:
    """How far samples may be off those that are drawn again, by precision, one and on average."""
    return judge_rows(ctx, _limits(), "files held against what is drawn again")


def _limits() -> Iterator[Row]:
    even, one = [0.0] * 20, [0.0] * 19
    for half, name, offs, refused in (
        (False, "one at its limit", [*one, 0.25], ()),
        (False, "one beyond it", [*one, 0.375], ("image 19 0.375", "to 0.02 and 0.25")),
        (False, "all a little", [0.03125] * 20, ("0.0312 levels off on average",)),
        (True, "one at its limit", [*one, 2.0], ()),
        (True, "one beyond it", [2.25, *one], ("image 0 2.25", "to 0.5 and 2")),
        (True, "all at the limit", [0.5] * 20, ()),
        (True, "all beyond it", [0.53125] * 20, ("0.531 levels off on average",)),
        (False, "none", even, ()),
    ):  # fmt: skip
        call = partial(_held, half, offs)
        yield f"{name}, half {half}", call, Refused("x.npz", *refused) if refused else 20
    fewer = Refused("x.npz", "20 images", "the 21 that were drawn, none left out")
    yield "one left out", partial(_held, False, even, count=21), fewer
    odd = Refused("x.npz", "images (1, 4, 8)", "(1, 8, 8)")
    yield "another shape", partial(_held, False, even, side=4), odd
    drawer: Any = SimpleNamespace(generator=metrics_cases.generator())
    for name, labels in (("no labels", [-1, -1]), ("a label lost", [3, -1])):
        some = metrics_cases.images_of(
            metrics_cases.pictures(2, 0), torch.tensor(labels), alpha=1.0, seeds=[0]
        )
        pairs = again._pairs(Path("x.npz"), some, drawer, decoder_for(NO_LATENTS, None, None))
        said = Refused("x.npz", "samples without labels", "they were drawn for", "`drift sample`")
        yield name, partial(list, pairs), said
    shown: list[object] = []
    with patch.object(again, "progress", partial(_shown, shown)):
        _held(False, even)
    yield "progress", lambda: shown, ["samples drawn again", 20, {"unit": "samples"}, 20]


@contextmanager
def _shown(said: list[object], name: str, total: int, **more: object) -> Iterator[Any]:
    said += [name, total, more]
    yield said.append


def _held(half: bool, offs: list[float], count: int = 20, side: int = 8) -> int:
    """Grey images that are off by so many levels on average each; rounded up and down."""
    drawn = torch.full((len(offs), 1, 8, 8), 100, dtype=torch.uint8)
    pixels = drawn[:, :, :side].clone()
    for image, off in zip(pixels, offs, strict=True):
        level, part = divmod(off, 1)
        image += int(level)
        image.flatten()[: round(part * image.numel())] += 1
    found: Any = SimpleNamespace(count=len(offs), facts={"count": count, "path": "w"})
    loaded: Any = SimpleNamespace(generator=SimpleNamespace(config=SimpleNamespace(bfloat16=half)))
    with patch.object(again, "_pairs", lambda *given: iter([(pixels, drawn)])):
        again._require_drawn(Path("x.npz"), found, loaded, decoder_for(NO_LATENTS, None, None))
    return len(offs)


def _written(place: Path, seed: int) -> Path:
    folder = metrics_cases.run_folder(place / "run")
    (folder / "run_metadata.json").write_text(json.dumps({"gates": {"bypass": "no time"}}))
    loaded = loading.load(folder, ema_decay="0.99")
    request = writing.Request(cycled(range(10), COUNT), 1.0, seed)
    decoder = decoder_for(loaded.origin, None, None)
    writing.write(loaded, Sampler(loaded.generator), decoder, request, place / "samples.npz")
    return place / "samples.npz"


def _copy(source: Path, target: Path, change: Change, edit: dict[str, Any]) -> Path:
    """Arrays changed, facts edited, as anybody can with numpy and zipfile."""
    with np.load(source) as held:
        pixels, labels = change(held["arr_0"], held["arr_1"])
    np.savez(target, arr_0=pixels, arr_1=labels)
    with zipfile.ZipFile(source) as original, zipfile.ZipFile(target, "a") as copy:
        copy.comment = json.dumps(json.loads(original.comment) | edit).encode()
    return target


def _tier(path: Path) -> str | None:
    """The tier of the record that evaluating a file gives; None where it is refused."""
    try:
        opened = run.open_images(path, run.Options())
    except DriftError:
        return None
    labels = torch.cat([named for _, named in opened.images.batches()])
    facts = run.facts_of(
        opened, path, labels, extractor=NONE, extractor_sha256="0" * 64, resize=NONE,
        statistics_sha256="0" * 64,
    )  # fmt: skip
    return records.tier_of(facts, records.axis_of(facts)[0])


# mistakes


@mutant("engine.count_not_compared", again, "_require_drawn")
def count_not_compared(real: Any, path: Path, found: Any, loaded: Any, decode: Any) -> None:
    """A part of what was drawn, chosen by its end, counts as the whole."""
    facts = {**found.facts, "count": found.count}
    real(path, replace(found, facts=facts), loaded, decode)


def _old_tier(facts: records.Facts, axis: str) -> str:
    bypassed = any(one.startswith(loading.BYPASSED) for one in facts.bypasses)
    return "none" if bypassed else records.TIERS[axis]


OTHER_VALUES = (
    # Whatever images stand under a run's facts are the run's.
    mutant("engine.samples_not_drawn_again", again, FLOAT32=(255.0, 255.0)),
    # Half precision is held to the limits of single.
    mutant("engine.one_limit_for_all", again, HALF=again.FLOAT32),
    # What the file says of its run is taken as it stands.
    mutant("engine.facts_believed", again, _borne_out=lambda said, loaded, decode: dict(said)),
    # Images of unknown origin may still back a claim of tier C.
    mutant(
        "engine.lost_marks_keep_a_tier", records, tier_of=lambda facts, axis: _old_tier(facts, axis)
    ),
)
