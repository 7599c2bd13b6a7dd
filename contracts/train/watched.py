"""Checks of what the watch of a run refuses at a step, and of what a resume may change."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn

from drift import atomic, rng
from drift.data.source import TensorSource
from drift.train import run, step, watch
from verify.api import CheckContext, Measurement, check, mutant

from ..common.places import folder
from ..common.rows import Refused, Row, judge_rows
from .runs import asked

SOURCE = TensorSource(torch.arange(40.0).reshape(40, 1, 1, 1), torch.arange(40) % 4, 4)
ORIGINS = torch.arange(40).reshape(10, 4).T[:, :5]  # row c: samples of class c


class Part(nn.Module):
    """Parameters that count up from a number, and a buffer."""

    def __init__(self, begin: float, size: int = 3) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.arange(begin, begin + size), requires_grad=False)
        self.register_buffer("held", torch.ones(2))


def _watched(root: Path, size: int = 3, **more: Any) -> watch.Watch:
    """The watch of a run after its fifth update, whose encoder is a `Part`."""
    generator = Part(7.0)
    state: Any = SimpleNamespace(
        extractor=Part(0.0, size), generator=generator, step=5,
        optimizer=torch.optim.SGD([generator.weight.requires_grad_()], lr=0.1),
        ema={"0.9": {"weight": torch.ones(3)}},
    )  # fmt: skip
    return watch.Watch.over(state, SOURCE, seed=3, checkpoints=root / "none", **more)


@check("train.watched")
def watched(ctx: CheckContext) -> Measurement:
    """Each refusal of a watch by its words, beside what it lets pass; runs that go on otherwise."""
    with folder() as root:
        rows = chain(
            _chosen(root), _queues(root), _figures(root), _labels(root), _frozen(root),
            _digests(root), _steps(root), asked.rows(root),
        )  # fmt: skip
        return judge_rows(ctx, rows, "facts of a watch")


def _at(clause: str, *words: str) -> Refused:
    return Refused(f"step 5: in-run clause {clause} (", *words, "There is no good checkpoint.")


def _chosen(root: Path) -> Iterator[Row]:
    labels, frozen = watch.LABELS, watch.FROZEN
    told = _watched(root, skipped=(frozen, frozen)).record()
    yield "left out", lambda: told, {
        "checked": [watch.FINITE, watch.STRICT, labels], "bypassed": [frozen]
    }  # fmt: skip
    said = Refused("--bypass-check", f"{watch.FINITE}, x", f"{labels} or {frozen}")
    some = (watch.FINITE, labels, "x")
    yield "what may not be left out", partial(_watched, root, skipped=some), said
    noted = [f"gates bypassed: in-run clause {labels} (true labels) not checked"]
    yield "what is noted", partial(watch.bypasses, [labels]), noted


def _queues(root: Path) -> Iterator[Row]:
    held = {name: SimpleNamespace(strict=name == "a") for name in "abc"}
    loose: Any = SimpleNamespace(queues=lambda: held)
    strict: Any = SimpleNamespace(queues=lambda: {"a": held["a"]})
    asked = _watched(root).require_strict
    said = _at(watch.STRICT, "queues that repeat samples: b, c", "`without`", "Open the queues")
    yield "loose queues", partial(asked, loose, replacement="without"), said
    yield "loose as stated", partial(asked, loose, replacement="with"), None
    yield "strict queues", partial(asked, strict, replacement="without"), None


def _figures(root: Path) -> Iterator[Row]:
    one = _watched(root)
    for value in (math.nan, math.inf, -math.inf):
        said = _at(watch.FINITE, f"b {value}")
        yield f"a figure {value}", partial(one.require_finite, {"a": 1.0, "b": value}), said
    yield "figures", partial(one.require_finite, {"a": 1.0, "b": "nan", "c": None}), None
    yield "weights", one.require_finite_weights, None
    for name, of in (("the average 0.9 of weight", "ema"), ("weight", "generator")):
        spoilt = _watched(root)
        held: Any = spoilt.state
        with torch.no_grad():
            (held.ema["0.9"]["weight"] if of == "ema" else held.generator.weight)[1] = math.nan
        said = _at(watch.FINITE, f"NaN or infinity in {name}")
        yield f"{of} that is none", spoilt.require_finite_weights, said


def _drawn(origins: Tensor, moved: float = 0.0, labels: int = 4, counted: int = 4) -> Any:
    held = SOURCE.get(origins.flatten()).reshape(*origins.shape, 1, 1, 1) + moved
    batch = SimpleNamespace(labels=torch.arange(labels), counted=counted, positives=held.half())
    return SimpleNamespace(batch=batch, origins=origins)


def _labels(root: Path) -> Iterator[Row]:
    asked = _watched(root).require_true_labels
    other = ORIGINS.clone()
    other[2, 3] = 21
    for name, drawn, expected in (
        ("true labels", _drawn(ORIGINS), None),
        ("of those that count", _drawn(ORIGINS[:2], counted=2), None),
        ("no labels", _drawn(ORIGINS[:0], labels=0, counted=0), None),
        ("a false label", _drawn(other), _at(
            watch.LABELS, "sample 21, of class 1 in the source, among the positives of class 2; ",
            "1 of 20 are wrong", "samples under the labels", "Look for what reorders")),
        ("other samples", _drawn(ORIGINS, 1.0), _at(
            watch.LABELS, "a positive of class ", " that is not sample ", " of the source")),
    ):  # fmt: skip
        yield name, partial(asked, drawn), expected
    passed = _watched(root, skipped=(watch.LABELS,)).require_true_labels
    yield "labels left out", partial(passed, _drawn(other)), None
    yield from _read_again(root)


def _read_again(root: Path) -> Iterator[Row]:
    """Which sample it is that differs is said: class c holds the samples c, c + 4, ..."""
    said = str(_raised(partial(_watched(root).require_true_labels, _drawn(ORIGINS, 1.0))))
    words = said.replace(",", " ").split()
    label, sample = (int(words[words.index(name) + 1]) for name in ("class", "sample"))
    told = (sample % 4 == label, sample in ORIGINS.flatten().tolist())
    yield "which sample", lambda: told, (True, True)
    yield "how many", lambda: (watch.ROWS_READ_AGAIN, watch.SAMPLED), (4, 1024)
    moved = torch.eye(ORIGINS.numel()).reshape(-1, *ORIGINS.shape, 1, 1, 1)  # one sample of all
    noticed = [_drawn(ORIGINS) for _ in moved]
    for one, change in zip(noticed, moved, strict=True):
        one.batch.positives = one.batch.positives + change.half()
    asked = _watched(root).require_true_labels
    found = [isinstance(_raised(partial(asked, one)), watch.Breach) for one in noticed]
    stream = rng.stream(3, "read again", 5)  # of the run's seed and the step
    again = torch.randint(len(found), (watch.ROWS_READ_AGAIN,), generator=stream).tolist()
    yield "those that are read again", lambda: [i for i, one in enumerate(found) if one], sorted(
        set(again)
    )  # fmt: skip


def _raised(call: Any) -> Exception:
    try:
        call()
    except watch.Breach as error:
        return error
    return AssertionError("nothing is said of class 0 and sample 1")


def _frozen(root: Path) -> Iterator[Row]:
    def changed(name: str, **more: Any) -> Any:
        one = _watched(root, **more)
        part: Any = one.state.extractor
        if name == "gradient":
            part.weight.grad = torch.ones_like(part.weight)
        elif name == "trained":
            part.weight.requires_grad_()
        elif name == "optimised":
            one.state.optimizer.add_param_group({"params": [part.weight]})
        else:
            for of in name.split("+") if name else ():
                getattr(part, of).data[0] += 1
        return one.require_frozen

    for name, words in (
        ("gradient", ("a gradient for weight",)), ("trained", ("a gradient for weight",)),
        ("optimised", ("weight in the optimiser",)), ("held", ("other values in held",)),
        ("weight+held", ("other values in weight and 1 more", "the encoder that the run began",
         "nothing trains the encoder.")),
    ):  # fmt: skip
        yield f"an encoder, {name}", changed(name), _at(watch.FROZEN, *words)
        yield f"{name}, left out", changed(name, skipped=(watch.FROZEN,)), None
    yield "as it was", changed(""), None
    for size, kept in ((1024, 1024), (1025, 513)):
        values = dict(watch.samples_of(Part(0.0, size)))
        yield f"of {size} values", partial(len, values["weight"]), kept


def _digests(root: Path) -> Iterator[Row]:
    """Before a checkpoint every value counts, those between the samples too."""
    for skipped in ((), (watch.FROZEN,)):
        one = _watched(root, 1025, skipped=skipped)
        yield f"the same, {skipped}", one.require_same_encoder, None
        other = _watched(root, 1025, skipped=skipped)
        part: Any = other.state.extractor
        part.weight.data[1] += 1
        yield f"at a window, {skipped}", other.require_frozen, None
        said = _at(watch.FROZEN, "an encoder of digest ", one.digest[:16] + " at the start")
        yield f"at a checkpoint, {skipped}", other.require_same_encoder, None if skipped else said


def _steps(root: Path) -> Iterator[Row]:
    begun = asked.begun(root / "steps")
    with patch.object(step, "train_step", side_effect=step.NotFinite(0, "loss", math.nan)):
        found = _raised(begun.step_once)
    words = f"in-run clause {watch.FINITE}", "loss nan"
    yield "no number", partial(lambda text: [w in text for w in words], str(found)), [True, True]

    def full() -> None:
        with patch.object(atomic, "write_text", side_effect=OSError(28, "No space left")):
            run._write_template(begun)

    (root / "steps").mkdir()
    run._write_template(begun)
    stated = begun.template.model_dump(mode="json", by_alias=True)
    text = json.dumps(stated, indent=1, sort_keys=True) + "\n"
    yield "its template", (root / "steps" / "template.json").read_text, text
    yield "a full disk", full, Refused(str(root / "steps"), "No space left")


OTHER_WATCHES = (
    # Whatever a run is asked to leave out is left out.
    mutant("train.any_check_left_out", watch, BYPASSABLE=(*watch.NAMES, "x")),
    # A value that is held against the encoder's is the encoder's.
    mutant("train.values_held_as_they_are", watch, samples_of=lambda module: iter(())),
)
