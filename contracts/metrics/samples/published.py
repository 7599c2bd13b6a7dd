"""Checks of pipelines made of a run and read from a folder: whose weights, whose autoencoder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import torch

from drift.sample import decoder, loading, pipeline, pretrained
from drift.sample import folder as folders
from drift.sample.loading import Loaded
from drift.sample.pipeline import DriftPipeline

from ...common.rows import Refused, Row
from ..cases import generator
from .drawn import ORIGIN

NAMED = replace(ORIGIN, tokenizer="none", class_names=("zero", "one"))


def published(root: Path) -> Iterator[Row]:
    """Facts of folders that are written, of runs as pipelines, and of autoencoders in folders."""
    yield from _folders(root)
    yield from _of_a_run()
    yield from _autoencoders()


def _folders(root: Path) -> Iterator[Row]:
    """Weights and card in a new folder; what was asked for is asked of everybody."""
    asked = list[object]()

    def loaded(source: Path, **chosen: Any) -> Any:
        asked.append((source.name, chosen))
        return SimpleNamespace(origin=NAMED)

    def of_run(source: Path, *, vae: Any, **chosen: Any) -> Any:
        asked.append((source.name, vae, chosen))
        save = lambda place: (place / "weights").write_text("w")  # noqa: E731
        return SimpleNamespace(save_pretrained=save)

    def decoding(origin: Any, vae: Any, revision: Any) -> Any:
        asked.append((origin is NAMED, vae, revision))
        return SimpleNamespace(vae="model" if vae else None)

    def written(name: str, vae: str | None) -> object:
        asked.clear()
        with (
            patch.object(loading, "load", loaded), patch.object(decoder, "decoder_for", decoding),
            patch.object(DriftPipeline, "from_run", of_run),
        ):  # fmt: skip
            found = folders.write(root / "run", root / name, vae=vae, revision="r", step=3)
        card = (root / name / folders.CARD).read_text()
        names = sorted(path.name for path in (root / name).iterdir())
        wanted = folders.card(NAMED, name.rpartition("/")[2], latents=vae is not None)
        return found is NAMED, names, card == wanted, list(asked)

    for name, vae, model in (("a/pixels", None, None), ("latents", "v", "model")):
        told = [("run", {"step": 3}), (True, vae, "r"), ("run", model, {"step": 3})]
        names = sorted((folders.CARD, "weights"))
        yield f"a folder of {name}", partial(written, name, vae), (True, names, True, told)
    said = Refused(str(root / "latents"), "something of this name", "a new folder")
    yield "a folder that is there", partial(written, "latents", None), said
    latents = [folders.card(NAMED, "n", latents=is_) for is_ in (False, True)]
    yield "cards", lambda: latents[0] != latents[1], True


def _of_a_run() -> Iterator[Row]:
    model = generator()

    def made(origin: Any, vae: Any = None) -> Any:
        one = Loaded(model, origin, None)
        with patch.object(loading, "load", lambda path, **chosen: one):
            return DriftPipeline.from_run("p", vae=vae, step=3)

    found = made(NAMED)
    told = (found.transformer.generator is model, found.vae, found.labels)
    yield "of a run", partial(tuple, told), (True, None, {"zero": 0, "one": 1})
    nameless = made(replace(NAMED, class_names=None)).labels
    yield "without names", lambda: nameless, {}
    yield "latents without a model", partial(made, ORIGIN), Refused("vae: found none", "o/n@")
    yield "pixels with one", partial(made, NAMED, object()), Refused("found object", "pixels")


def _autoencoders() -> Iterator[Row]:
    """The autoencoder of a folder is read whole, from where it is asked for, in its precision."""

    def read(chosen: dict[str, Any], kind: str = "AutoencoderKL") -> object:
        asked = dict[str, Any]()

        def load(reader: Any, place: Any, **given: Any) -> Any:
            asked.update(given, reader=reader.__qualname__, place=place)
            return SimpleNamespace(dtype=None, to=lambda dtype: SimpleNamespace(dtype=dtype)), {}

        with patch.object(pretrained, "load", load):
            where = {"revision": "r"}
            found: Any = pipeline._autoencoder("p", ["diffusers", kind], chosen, where)
        reader = asked.pop("reader").partition(".")[2]
        return found.dtype, reader, asked

    half, double = torch.float16, torch.float64
    usual = {"place": "p", "subfolder": "vae", "revision": "r"}
    for name, chosen, dtype, more in (
        ("as it is", {}, None, {}), ("in half", {"dtype": half}, half, {}),
        ("by the old name", {"torch_dtype": half}, half, {}),
        ("its own", {"dtype": {"vae": half, "default": double}}, half, {}),
        ("as others", {"dtype": {"default": double}}, double, {}),
        ("of others alone", {"dtype": {"transformer": half}}, None, {}),
        ("a variant", {"variant": "v", "x": 1}, None, {"variant": "v"}),
        ("as a whole", {"low_cpu_mem_usage": False}, None, {"low_cpu_mem_usage": False}),
    ):  # fmt: skip
        wanted = (dtype, "from_pretrained", {**usual, **more})
        yield f"an autoencoder {name}", partial(read, chosen), wanted
    said = Refused("p: model_index.json: vae", "found Other", "AutoencoderKL")
    yield "another kind", partial(read, {}, "Other"), said
