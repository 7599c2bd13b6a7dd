"""Checks of what the watch of a run refuses at a step, and of what a resume may change."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn

from drift import atomic
from drift.config import load_template, override
from drift.data.source import TensorSource
from drift.features import FeatureExtractor
from drift.train import build, run, step, watch
from verify.api import CheckContext, Measurement, check, mutant

from ..common import small_run
from ..common.places import folder
from ..common.rows import Refused, Row, judge_rows

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
            _digests(root), _steps(root), _restored(root), _called(root), _told(root),
        )  # fmt: skip
        return judge_rows(ctx, rows, "facts of a watch")


def _begun(place: Path, *settings: str) -> run.Run:
    """A run of random images before its first step."""
    template = override(load_template("digits"), (*small_run.RUN, *settings))
    images = torch.rand(60, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    source = TensorSource(images, torch.arange(60) % 10, 10)
    extractor = FeatureExtractor(small_run.encoder(), config=build.feature_config(template))
    return run.start(template, source, extractor, run.RunOptions(place), say=lambda text: None)


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
    yield "each that is read again", partial(sum, found), watch.ROWS_READ_AGAIN


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
    begun = _begun(root / "steps")
    with patch.object(step, "train_step", side_effect=step.NotFinite(0, "loss", math.nan)):
        found = _raised(begun.step_once)
    words = f"in-run clause {watch.FINITE}", "loss nan"
    yield "no number", partial(lambda text: [w in text for w in words], str(found)), [True, True]

    def full() -> None:
        with patch.object(atomic, "write_text", side_effect=OSError(28, "No space left")):
            run._write_template(begun)

    yield "a full disk", full, Refused(str(root / "steps"), "No space left")


def _restored(root: Path) -> Iterator[Row]:
    """Another rate is kept to from then on and said; queues are filled anew where it is stated."""
    anew = ("queue.resume=refill", "queue.resume_prefill_steps=2")
    saved, filled = _begun(root / "saved"), _begun(root / "anew", *anew)
    for name, one, rate, pushed in (
        ("as it was", saved, None, 0), ("at another rate", saved, 0.5, 0),
        ("filled anew", filled, None, 32),
    ):  # fmt: skip
        one.options = replace(one.options, learning_rate=rate)
        one.facts["diagnostic"], one.state.step = ["said before"], 3
        kept, begun, place = run.snapshot(one), one.state.config, one.feed.loader.position
        one.facts["diagnostic"], one.state.step, one.feed.loader.position = [], 9, place + 5
        run.restore(one, kept)
        config, moved = one.state.config, one.feed.loader.position - place
        told = (config.learning_rate, config.warmup_steps, config.schedule)
        usual = (begun.learning_rate, begun.warmup_steps, begun.schedule)
        yield name, partial(tuple, told), (rate, 0, "const") if rate else usual
        said = ["said before", *([f"learning rate {rate} from 3"] if rate else [])]
        yield f"{name}, said", partial(list, one.facts["diagnostic"]), said
        yield f"{name}, where", partial(tuple, (moved, one.done)), (pushed, 3)

    other = replace(kept, facts={**kept.facts, "seed": 5})
    yield "of another seed", partial(run.restore, filled, other), Refused("seed", "5")


class _Heard:
    """An object whose calls are written down by their names, and done."""

    def __init__(self, real: object, names: list[str]) -> None:
        self._real, self._names = real, names

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._real, name)
        if not name.startswith("require"):
            return found

        def call(*given: Any, **more: Any) -> Any:
            self._names.append(name.removeprefix("require_"))
            return found(*given, **more)

        return call


def _called(root: Path) -> Iterator[Row]:
    """What a run asks before it begins, at its first step, later ones, windows and checkpoints."""
    before: list[str] = []
    asked: dict[str, Any] = {
        name: _Heard(getattr(run, name), before) for name in ("beginning", "trial", "room")
    }
    with patch.multiple(run, **asked):
        begun = _begun(root / "called")
    yield "before it begins", partial(list, before), [
        "one", "source", "for_training", "passes"
    ]  # fmt: skip
    heard: list[str] = []
    watched: Any = _Heard(begun.watch, heard)
    begun.watch = watched
    for name, call, wanted in (
        ("the first step", begun.step_once, "strict true_labels finite frozen"),
        ("the second", begun.step_once, "true_labels finite"),
        ("a window", partial(begun.row, {}, 2), "frozen finite_weights finite"),
        ("a checkpoint", begun.snapshot, "frozen same_encoder finite_weights"),
    ):
        heard.clear()
        call()
        yield f"at {name}", partial(" ".join, list(heard)), wanted


def _told(root: Path) -> Iterator[Row]:
    """What listeners hear of a window, and until which step the learning rate still rises."""
    row = {"step": 3, "alarms": ["apart: x"], "loss": 1.0}
    heard = run._window(row)
    yield "a window", lambda: (heard.step, heard.row, heard.alarms), (3, row, ("apart: x",))
    begun = _begun(root / "told", "optimizer.training_steps=9", "optimizer.warmup_steps=4")
    begun.step_once()
    for at, warming in ((3, True), (4, True), (5, False)):
        begun.state.step = at
        with patch("drift.train.run.alarms.alarms", return_value=[]) as said:
            begun.row({}, 1)
        yield f"warming at {at}", partial(bool, said.call_args.kwargs["warming"]), warming


@mutant("train.rate_of_the_template", run, "restore")
def rate_of_the_template(real: Any, one: Any, kept: Any) -> None:
    """The rate that was asked for at a resume is said and not used."""
    config = one.state.config
    real(one, kept)
    one.state.config = config


OTHER_WATCHES = (
    # Whatever a run is asked to leave out is left out.
    mutant("train.any_check_left_out", watch, BYPASSABLE=(*watch.NAMES, "x")),
    # A value that is held against the encoder's is the encoder's.
    mutant("train.values_held_as_they_are", watch, samples_of=lambda module: iter(())),
)
