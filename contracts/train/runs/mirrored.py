"""Checks of the copies of a run's rows: what each sink is told, at first and after a resume."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from drift.state import mirrors
from verify.api import CheckContext, Measurement, check, mutant

from ...common.places import folder
from ...common.rows import Refused, Row, judge_rows


class Sink:
    """Keeps what it is told; fails from a step on."""

    def __init__(self, first: int, told: list[object], fails: int) -> None:
        self._told, self._fails = told, fails
        told.append(f"from {first}")
        if not fails:
            raise RuntimeError("no sink")

    def write(self, step: int, numbers: Any) -> None:
        if step >= self._fails:
            raise RuntimeError("gone")
        self._told.append((step, dict(numbers)))

    def close(self) -> None:
        self._told.append("closed")


@check("train.mirrors")
def mirrored(ctx: CheckContext) -> Measurement:
    """What mirrors are told, in a run, in one that goes on, and where a sink fails."""
    with folder() as root:
        return judge_rows(ctx, chain(_told(root), _sinks(root)), "facts of mirrors")


ROW = {"step": 2, "loss": 1, "lr": 0.5, "on": True, "name": "x"}
TOLD = {"loss": 1.0, "lr": 0.5}


def _told(root: Path) -> Iterator[Row]:
    def run(place: str, after: int, *steps: int, fails: int = 9) -> object:
        told: list[object] = []
        said: list[str] = []
        at = root / f"{place}.json"
        guard = mirrors.Guard("x", lambda n: Sink(n, told, fails), at, after, said.append)
        made = mirrors.Mirror((guard,))
        for step in steps:
            made.write(ROW | {"step": step})
        made.close()
        made.close()
        return told, [one.partition(";")[0] for one in said]

    off = "mirror x is off: RuntimeError: "
    whole = ["from 1", (2, TOLD), (4, TOLD), "closed"]
    yield "a run", partial(run, "a", 0, 2, 4), (whole, [])
    yield "how far", lambda: json.loads((root / "a.json").read_text()), {"step": 4}
    yield "gone on", partial(run, "a", 2, 4, 6), (["from 5", (6, TOLD), "closed"], [])
    yield "gone on further", partial(run, "a", 8, 9, fails=99), (
        ["from 9", (9, TOLD), "closed"], []
    )  # fmt: skip
    yield "begun anew", partial(run, "a", 0, 2), (["from 1", (2, TOLD), "closed"], [])
    yield "no sink", partial(run, "b", 0, 2, fails=0), (["from 1"], [f"{off}no sink"])
    yield "fails later", partial(run, "c", 0, 2, 4, 6, fails=4), (
        ["from 1", (2, TOLD)], [f"{off}gone"]
    )  # fmt: skip
    yield "nobody listens", lambda: mirrors.Mirror().write(ROW), None
    unknown = Refused("--mirror: found other", "tensorboard or wandb")
    yield "an unknown kind", lambda: mirrors.modules(("other",)), unknown

    def absent() -> object:
        with patch.dict(mirrors.NEEDS, {"wandb": "no_such_package_here"}):
            return mirrors.modules(("wandb", "wandb"))

    yield "a package", absent, Refused("--mirror wandb", "drift-verify[wandb]")


def _sinks(root: Path) -> Iterator[Row]:
    """Both kinds, with modules that keep what they are called with."""
    calls: list[object] = []

    def keep(name: str) -> Callable[..., None]:
        return lambda *given, **more: calls.append((name, given, more))

    def writer(**more: Any) -> object:
        calls.append(more)
        names = {"add_scalar": "add", "flush": "flush", "close": "close"}
        return SimpleNamespace(**{name: keep(said) for name, said in names.items()})

    def init(**more: Any) -> object:
        calls.append(more)
        return SimpleNamespace(log=keep("log"), finish=keep("finish"))

    def through(kind: str, module: object, after: int) -> object:
        calls.clear()
        made = mirrors.open_mirror(
            {kind: module}, root / "run", {"template": {"a": 1}}, after=after, say=calls.append
        )
        made.write(ROW)
        made.close()
        return list(calls)

    at = str(root / "run" / "metrics" / "tensorboard")
    board = SimpleNamespace(SummaryWriter=writer)
    yield "TensorBoard", partial(through, "tensorboard", board, 0), [
        {"log_dir": at, "purge_step": 1}, ("add", ("loss", 1.0), {"global_step": 2}),
        ("add", ("lr", 0.5), {"global_step": 2}), ("flush", (), {}), ("close", (), {}),
    ]  # fmt: skip

    def wandb(after: int) -> object:
        found: Any = through("wandb", SimpleNamespace(init=init), after)
        kept = json.loads((root / "run" / "metrics" / "wandb-id.json").read_text())["id"]
        return found, found[0].pop("id") == kept, len(kept)

    begun = {
        "project": "drift", "name": "run", "dir": str(root / "run" / "metrics" / "wandb"),
        "config": {"a": 1}, "mode": "offline", "resume": "allow",
    }  # fmt: skip
    yield "Weights & Biases", partial(wandb, 0), (
        [begun, ("log", (TOLD,), {"step": 2}), ("finish", (), {})], True, 32
    )  # fmt: skip
    deep = root / "deep" / "metrics" / "wandb"
    mirrors.WandB(SimpleNamespace(init=init), deep, {}, 1)
    yield "a folder that is not there", deep.is_dir, True
    ids: list[str] = []

    def identity(new: bool) -> str:
        found = mirrors._identity(root / "id.json", new=new)
        ids.append(found)
        return found

    yield "one id a run", lambda: (identity(True) == identity(False), identity(True) in ids[:1]), (
        True, False
    )  # fmt: skip


@mutant("train.copies_write_twice", mirrors, "_written")
def copies_write_twice(real: Any, place: Path) -> int:
    """How far a mirror has come is forgotten."""
    return 0
