"""Checks of where samples come from: weights and their facts, decoders, draws, what a card says."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch

from drift.artifacts.store import save_artifact
from drift.config import fingerprint, load_template
from drift.sample import loading
from drift.sample.loading import BYPASSED, NO_GATES, Origin
from drift.state import checkpoint
from verify.api import CheckContext, Measurement, check, mutant

from ...common.places import folder
from ...common.rows import Refused, Row, judge_rows
from .. import cases

A64 = "a" * 64
WHY = f"{BYPASSED}: why"


@check("metrics.origins")
def origins(ctx: CheckContext) -> Measurement:
    """Runs, single files and artefacts with every fact of theirs; what cannot be sampled from."""
    with cases.folder() as root, patch.object(loading, "_log"):
        run = cases.run_folder(root / "run", steps=(3, 10))
        rows = chain(_of_run(run), _of_file(run), _refused(run, root), _of_artifact(root))
        return judge_rows(ctx, rows, "facts of weights")


def _facts(found: loading.Loaded) -> dict[str, Any]:
    return dict(vars(found.origin))


def _same(found: loading.Loaded, seed: int) -> bool:
    pairs = zip(found.generator.parameters(), cases.generator(seed).parameters(), strict=True)
    return all(torch.equal(one, other) for one, other in pairs)


def _of_run(run: Path) -> Iterator[Row]:
    template = cases.template()
    path = run / "checkpoints" / "step-00000010.safetensors"
    known = {
        "path": str(path), "sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "step": 10,
        "weights": "ema", "ema_decay": "0.9", "template": template.name,
        "fingerprint": fingerprint(template), "column": None, "dataset": "digits",
        "dataset_licence": "CC-BY-4.0", "class_names": None, "tokenizer": "none",
        "tokenizer_sha256": None, "scaling_factor": template.data.scaling_factor, "run_seed": 0,
        "encoder_sha256": "0" * 64, "bypasses": (),
    }  # fmt: skip
    found = loading.load(run, ema_decay="0.9")
    yield "facts", lambda: _facts(found), known
    yield "the average", lambda: _same(found, 11), True
    still = (found.generator.training, any(p.requires_grad for p in found.generator.parameters()))
    yield "at rest", lambda: still, (False, False)
    yield (
        "its template",
        lambda: found.template and fingerprint(found.template),
        fingerprint(template),
    )
    raw = loading.load(run, weights="raw", step=3)
    yield (
        "raw, earlier",
        lambda: (raw.origin.ema_decay, raw.origin.step, _same(raw, 3)),
        (None, 3, True),
    )
    yield "its folder", lambda: loading.checkpoint_of(run / "checkpoints"), path
    later = run / "checkpoints" / "step-00000012.safetensors"
    later.write_bytes(b"")
    yield "the newest that verifies", lambda: loading.checkpoint_of(run), path
    later.unlink()


def _of_file(run: Path) -> Iterator[Row]:
    """One step file, in another place, with what its run wrote into it and beside it."""
    kept = checkpoint.read(run / "checkpoints" / "step-00000010.safetensors")

    def load(facts: dict[str, Any] | None = None, *, beside: str | None = None) -> loading.Loaded:
        with cases.folder() as root:
            (root / "checkpoints").mkdir()
            if beside is not None:
                (root / "run_metadata.json").write_text(beside)
            held = replace(kept, facts={**kept.facts, **(facts or {})})
            path = checkpoint.write(root / "checkpoints", held)
            return loading.load(path, ema_decay="0.99")

    lone = load()
    yield "from its own record", lambda: (lone.origin.template, lone.origin.column, _same(lone,
        12)), (
        "checkpoint", None, True
    )  # fmt: skip
    made = {"revision": A64, "sha256": "b" * 64}
    named = {"name": "own", "licence": "MIT", "classes": ["a", "b"]}
    told = load({"autoencoder": made, "dataset": named, "diagnostic": ["x"], "seed": 5}).origin
    yield "what it says", lambda: (told.tokenizer_sha256, told.dataset, told.dataset_licence), (
        "b" * 64, "own", "MIT"
    )  # fmt: skip
    yield (
        "and more",
        lambda: (told.class_names, told.run_seed, told.bypasses),
        (("a", "b"), 5, ("x",)),
    )
    gates = json.dumps({"gates": {"bypass": "why"}})
    bypassed = load({"diagnostic": ["x"]}, beside=gates).origin.bypasses
    yield "gates bypassed", lambda: bypassed, ("x", "gates bypassed: why")
    yield from _asked()
    yield "no gates", lambda: load(beside='{"gates": null}').origin.bypasses, ()
    said = Refused("run_metadata.json", "no JSON")
    yield "a record that is none", partial(load, beside="["), said
    said = Refused("pre-training", "a generator's")
    yield "an encoder's", partial(load, {"kind": "pretrain"}), said
    wrong = {name: t for name, t in kept.tensors.items() if "head" not in name}
    with cases.folder() as root:
        path = checkpoint.write(root, replace(kept, tensors=wrong))
        lost = partial(loading.load, path, ema_decay="0.9")
        yield "a tensor lost", lost, Refused(str(path), "head", "the template's tensors")
    bad = {
        n: torch.full_like(t, float("nan")) if "head" in n else t for n, t in kept.tensors.items()
    }
    with cases.folder() as root:
        path = checkpoint.write(root, replace(kept, tensors=bad))
        broken = partial(loading.load, path, ema_decay="0.9")
        yield "not finite", broken, Refused("head", "not finite", "--step")


def _refused(run: Path, root: Path) -> Iterator[Row]:
    file = run / "checkpoints" / "step-00000010.safetensors"
    text = root / "x.txt"
    text.write_bytes(b"")
    (root / "empty").mkdir()
    for name, call, words in (
        ("other weights", partial(loading.load, run, weights="x"), ("weights: found x",
         "ema or raw")),
        ("nothing", partial(loading.load, root / "no"), ("no such file or folder", "drift train")),
        ("a text", partial(loading.load, text), ("a .txt file", ".safetensors")),
        ("a step of a file", partial(loading.load, file, step=3), ("--step: found 3",
         "a run folder")),
        ("no such step", partial(loading.load, run, step=4), ("step: found 4", "one of 3, 10")),
        ("no run", partial(loading.load, root / "empty"), ("no checkpoints", "checkpoints/")),
        ("two averages", partial(loading.load, run), ("none chosen", "one of 0.9, 0.99",
         "--weights raw")),
        ("no such average", partial(loading.load, run, ema_decay="0.5"), ("EMA decay: found 0.5",)),
    ):  # fmt: skip
        yield name, call, Refused(*words)
    for name, place, wanted in (
        ("a run", run, True), ("its folder", run / "checkpoints", True), ("a file", file, True),
        ("a text", text, False), ("an empty folder", root / "empty", False), ("nothing",
         root / "no", False),
    ):  # fmt: skip
        yield f"is a generator: {name}", partial(loading.is_generator, place), wanted
    template = run / "template.json"
    stated = json.loads(template.read_text())
    stated["optimizer"]["learning_rate"] = 1.0
    template.write_text(json.dumps(stated))
    changed = partial(loading.load, run, ema_decay="0.9")
    yield "another template", changed, Refused("template.json: found fingerprint", "restore it")
    template.write_text("{}")
    yield "no template", changed, Refused("template.json", "problems", "a template")


def _of_artifact(root: Path) -> Iterator[Row]:
    place = root / "model.safetensors"
    fields = {"source_layout": "x", "weights": "ema", "tokenizer": "none", "licence": "MIT"}

    def load(more: dict[str, str], **chosen: Any) -> Origin:
        save_artifact(place, cases.generator(1), {**fields, **more}, overwrite=True)
        return loading.load(place, **chosen).origin

    plain = load({})
    facts = {"step": None, "weights": "ema", "ema_decay": None, "template": None,
        "fingerprint": None,
             "column": None, "dataset": "unknown", "tokenizer": "none", "scaling_factor": 1.0,
             "run_seed": None, "encoder_sha256": None, "bypasses": ()}  # fmt: skip
    yield "an artefact", lambda: {name: getattr(plain, name) for name in facts}, facts
    named = load({"template": "x@y", "data": f"own sha256:{A64}, licence MIT"})
    yield "with its names", lambda: (named.template, named.fingerprint, named.dataset,
        named.dataset_licence), (
        "x", "y", "own", "MIT"
    )  # fmt: skip
    raw = partial(load, {"weights": "raw"})
    yield "raw", raw, Refused("raw weights", "ema weights", "--weights raw")
    yield "raw, as asked", lambda: raw(weights="raw").weights, "raw"
    said = Refused("ema weights", "drift inspect")
    yield "averaged, not as asked", partial(load, {}, weights="raw"), said
    yield "a decay", partial(load, {}, ema_decay="0.9"), Refused("--ema-decay", "holds one average")


def _asked() -> Iterator[Row]:
    """Gates of a faithful template that were not asked about it, or were bypassed, are said."""
    faithful, free = load_template("latent-l2"), load_template("digits")
    own, why = {"fingerprint": fingerprint(faithful)}, {"bypass": "why"}
    for name, template, gates, wanted in (
        ("asked", faithful, own, ()), ("asked and bypassed", faithful, {**own, **why}, (WHY,)),
        ("about another", faithful, {"fingerprint": "x"}, (NO_GATES,)),
        ("about another, bypassed", faithful, why, (NO_GATES, WHY)),
        ("no words of gates", faithful, None, (NO_GATES,)),
        ("a free one", free, None, ()), ("a free one, bypassed", free, why, (WHY,)),
    ):  # fmt: skip
        with folder() as root:
            (root / "run_metadata.json").write_text(json.dumps({"gates": gates}))
            found = loading._run_bypasses(root / "checkpoints" / "x", template)
        yield f"gates {name}", partial(tuple, found), wanted


# What a run's record says of its gates is not read.
GATES_UNREAD = mutant("metrics.gates_unread", loading, _run_bypasses=lambda path, template: ())
