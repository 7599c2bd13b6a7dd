"""What a run asks of its guards and when, what a resume takes over, what is heard of a window."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch

from drift.config import load_template, override
from drift.data.source import TensorSource
from drift.features import FeatureExtractor
from drift.state import record
from drift.state.checkpoint import Checkpoint
from drift.train import build, run
from verify.api import mutant

from ...common import small_run
from ...common.rows import Refused, Row


def rows(root: Path) -> Iterator[Row]:
    """All of it; folders of runs are made below `root`."""
    return chain(_restored(root), _called(root), _told(root), _recorded(root))


def begun(place: Path, *settings: str) -> run.Run:
    """A run of random images before its first step."""
    template = override(load_template("digits"), (*small_run.RUN, *settings))
    images = torch.rand(60, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    source = TensorSource(images, torch.arange(60) % 10, 10)
    extractor = FeatureExtractor(small_run.encoder(), config=build.feature_config(template))
    return run.start(template, source, extractor, run.RunOptions(place), say=lambda text: None)


def _restored(root: Path) -> Iterator[Row]:
    """Another rate is kept to from then on and said; queues are filled anew where it is stated."""
    anew = ("queue.resume=refill", "queue.resume_prefill_steps=2")
    saved, filled = begun(root / "saved"), begun(root / "anew", *anew)
    for name, one, rate, pushed in (
        ("as it was", saved, None, 0), ("at another rate", saved, 0.5, 0),
        ("filled anew", filled, None, 32),
    ):  # fmt: skip
        one.options = replace(one.options, learning_rate=rate)
        one.facts["diagnostic"], one.state.step = ["said before"], 3
        kept, before, place = run.snapshot(one), one.state.config, one.feed.loader.position
        one.facts["diagnostic"], one.state.step, one.feed.loader.position = [], 9, place + 5
        run.restore(one, kept)
        config, moved = one.state.config, one.feed.loader.position - place
        told = (config.learning_rate, config.warmup_steps, config.schedule)
        usual = (before.learning_rate, before.warmup_steps, before.schedule)
        yield name, partial(tuple, told), (rate, 0, "const") if rate else usual
        said = ["said before", *([f"learning rate {rate} from 3"] if rate else [])]
        yield f"{name}, said", partial(list, one.facts["diagnostic"]), said
        yield f"{name}, where", partial(tuple, (moved, one.done)), (pushed, 3)

    other = replace(kept, facts={**kept.facts, "seed": 5})
    yield "of another seed", partial(run.restore, filled, other), Refused("seed", "5")
    yield from _widest(filled, kept)


def _widest(one: run.Run, kept: Checkpoint) -> Iterator[Row]:
    """The largest spread so far is that of the rows up to the checkpoint, each a whole one."""
    log = one.options.folder / "metrics" / record.LOG
    log.parent.mkdir(parents=True)
    norms = dict.fromkeys(run.norms(one.template), 1.0)

    def widest(*spreads: float, **more: Any) -> float:
        rows = [
            {"step": n, "steps": 1, "overlap": 0.5, **norms, "spread": spread, **more}
            for n, spread in enumerate(spreads, start=2)
        ]
        log.write_text("".join(json.dumps(row) + "\n" for row in rows))
        one.widest = 7.0
        run.restore(one, kept)  # of step 3
        return one.widest

    yield "no row", widest, 0.0
    yield "the widest", partial(widest, 0.5, 0.25), 0.5
    yield "the widest until then", partial(widest, 0.25, 0.5, 0.75), 0.5
    for name in (*norms, "spread", "overlap"):
        yield f"no {name}", partial(widest, 0.25, **{name: None}), Refused(f"{name} None")


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
        one = begun(root / "called")
    yield "before it begins", partial(list, before), [
        "one", "source", "for_training", "passes"
    ]  # fmt: skip
    heard: list[str] = []
    watched: Any = _Heard(one.watch, heard)
    one.watch = watched
    for name, call, wanted in (
        ("the first step", one.step_once, "strict true_labels finite frozen"),
        ("the second", one.step_once, "true_labels finite"),
        ("a window", partial(one.row, {}, 2), "frozen finite_weights finite"),
        ("a checkpoint", one.snapshot, "frozen same_encoder finite_weights"),
    ):
        heard.clear()
        call()
        yield f"at {name}", partial(" ".join, list(heard)), wanted


def _told(root: Path) -> Iterator[Row]:
    """What listeners hear of a window, and until which step the learning rate still rises."""
    row = {"step": 3, "alarms": ["apart: x"], "loss": 1.0}
    heard = run._window(row)
    yield "a window", lambda: (heard.step, heard.row, heard.alarms), (3, row, ("apart: x",))
    one = begun(root / "told", "optimizer.training_steps=9", "optimizer.warmup_steps=4")
    one.step_once()
    for at, warming in ((3, True), (4, True), (5, False)):
        one.state.step = at
        with patch("drift.train.run.alarms.alarms", return_value=[]) as said:
            one.row({}, 1)
        yield f"warming at {at}", partial(bool, said.call_args.kwargs["warming"]), warming


def _recorded(root: Path) -> Iterator[Row]:
    """What the loop is given by a run: facts, listeners, who is heard, and the way to a mirror."""
    one = begun(root / "recorded")
    one.options = replace(one.options, labels={"claims": "c"}, mirrors={"tensorboard": True})
    one.state.step = 2
    heard: list[Any] = []

    def ears(step: int, figures: Mapping[str, float]) -> None:
        """Who hears of a step."""

    with (
        patch("drift.state.loop.recorded", lambda *given, **more: heard.append((given, more))),
        patch("drift.state.mirrors.open_mirror", lambda *given, **more: (given, more)),
    ):
        run.train(one, heard.append, ears)
        ((given, more),) = heard
        mirrored = more["mirror"]()
    state, pace, facts, listen = given
    told = [facts[name] for name in ("claims", "processes", "parallel", "kernel", "seed")]
    yield (
        "of whom",
        lambda: (state is one, pace == one.pace, more.get("heard") is ears),
        (True,) * 3,
    )
    yield "its facts", lambda: told, ["c", 1, "ddp", "plain", 0]
    yield "what is checked of it", lambda: facts["in_run"], one.watch.record()
    listen({"step": 4, "alarms": []})
    yield "listeners", lambda: heard[-1], run.Window(4, {"step": 4, "alarms": []}, ())
    wanted = (({"tensorboard": True}, root / "recorded", facts), {"after": 2, "say": one.say})
    yield "a mirror", lambda: mirrored == wanted, True


@mutant("train.rate_of_the_template", run, "restore")
def rate_of_the_template(real: Any, one: Any, kept: Any) -> None:
    """The rate that was asked for at a resume is said and not used."""
    config = one.state.config
    real(one, kept)
    one.state.config = config
